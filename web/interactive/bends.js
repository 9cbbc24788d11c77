// Two bent lines, relu(w*x + b), dashed, and their sum through the points.
play('bends', box => {
  const {points, c, names, start} = DATA;
  const W = 400, H = 250, left = 30, low = 210, y0 = -.2;
  const xs = points.map(p => p[0]), y1 = Math.ceil(Math.max(...points.map(p => p[1])) + .5);
  const x0 = Math.min(...xs) - .2, x1 = Math.max(...xs) + .2;
  const toX = x => left + (x - x0)/(x1 - x0)*(W - left - 8), toY = y => low - (y - y0)/(y1 - y0)*(low - 22);
  const svg = make(box, 'svg', {viewBox: `0 0 ${W} ${H}`, role: 'img',
    'aria-label': 'Points, two bent lines, and their sum'});
  for (let x = Math.ceil(x0); x <= x1; x++)
    make(svg, 'text', {x: toX(x), y: low + 16, 'text-anchor': 'middle'}, x);
  for (let y = 0; y <= y1; y++)
    make(svg, 'text', {x: left - 8, y: toY(y) + 4, 'text-anchor': 'end'}, y);
  make(svg, 'text', {x: W/2, y: H - 6, 'text-anchor': 'middle'}, names[0]);
  make(svg, 'text', {x: 2, y: 12}, names[1]);
  make(svg, 'line', {x1: left, y1: toY(0), x2: W, y2: toY(0), stroke: 'currentColor', 'stroke-width': .5});
  const curve = about => make(svg, 'polyline', {fill: 'none', stroke: 'var(--model)', ...about});
  const thin = {'stroke-width': 1.2, 'stroke-dasharray': '5 4'};
  const lines = [curve(thin), curve(thin), curve({'stroke-width': 2.5})];
  for (const [x, y] of points)
    make(svg, 'circle', {cx: toX(x), cy: toY(y), r: 4, fill: 'currentColor'});
  const row = make(box, 'div', {class: 'row'});
  const ranges = Object.keys(start).map(name => slider(row, name,
    {min: name[0] === 'w' ? -3 : -2, max: name[0] === 'w' ? 3 : 2, step: .1, value: start[name]}, draw));
  const told = says(box);

  function draw() {
    const [w1, b1, w2, b2] = ranges.map(range => Number(range.value));
    const bends = x => [Math.max(0, w1*x + b1), Math.max(0, w2*x + b2)];
    const sum = x => bends(x)[0] + bends(x)[1] + c;
    const places = Array.from({length: 201}, (_, k) => x0 + (x1 - x0)*k/200);
    [x => bends(x)[0], x => bends(x)[1], sum].forEach((f, k) =>
      set(lines[k], {points: places.map(x => `${toX(x)},${toY(f(x))}`).join(' ')}));
    const loss = points.reduce((all, [x, y]) => all + (sum(x) - y)**2, 0)/points.length;
    told.textContent = `The loss is ${loss.toFixed(2)}.`;
  }
  draw();
});
