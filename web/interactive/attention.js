// Where a network looks while it says each word: the thicker a line, the larger the share.
play('attention', box => {
  const {source, said, shares} = DATA;
  const step = 26, W = 400, left = 130, right = 290, rows = Math.max(source.length, said.length);
  const at = (k, n) => (k + .5 + (rows - n)/2)*step;
  const svg = make(box, 'svg', {viewBox: `0 0 ${W} ${rows*step}`, role: 'img',
    'aria-label': 'The words that are read, and the words that are said'});
  const lines = source.map((_, k) => make(svg, 'line',
    {x1: left + 6, y1: at(k, source.length), x2: right - 6, stroke: 'var(--model)'}));
  const read = source.map((_, k) => make(svg, 'text',
    {x: left, y: at(k, source.length) + 5, 'text-anchor': 'end'}));
  const words = said.map((word, k) => {
    const text = make(svg, 'text', {x: right, y: at(k, said.length) + 5}, word);
    const area = make(svg, 'rect', {x: right - 8, y: at(k, said.length) - step/2,
      width: W - right + 8, height: step, fill: 'transparent', style: 'cursor: pointer'});
    for (const kind of ['pointerdown', 'pointerenter']) area.addEventListener(kind, () => choose(k));
    return text;
  });
  const row = make(box, 'div', {class: 'row'});
  const place = slider(row, 'word', {min: 1, max: said.length, value: 1}, draw);
  const told = says(box);

  function draw() {
    const k = place.value - 1, now = shares[k];
    const most = now.indexOf(Math.max(...now));
    lines.forEach((line, i) => set(line, {y2: at(k, said.length), 'stroke-width': 12*now[i], 'stroke-opacity': .4 + .6*now[i]}));
    read.forEach((text, i) => {
      text.textContent = `${now[i].toFixed(2)}  ${source[i]}`;
      text.style.fontWeight = i === most ? 700 : 400;
    });
    words.forEach((text, i) => text.style.fontWeight = i === k ? 700 : 400);
    told.textContent = `For “${said[k]}” it looks most at “${source[most]}”: ${now[most].toFixed(2)} of 1.`;
  }
  function choose(k) {
    place.value = k + 1;
    draw();
    place.show();
  }
  draw();
});
