// Words of a text, of which frequent ones are dropped at random, and the neighbours of one.
play('window', box => {
  const {words, share, draws, centre, t, size} = DATA;
  const text = make(box, 'div', {class: 'row'});
  const buttons = words.map((word, k) => make(text, 'button', {}, word));
  const row = make(box, 'div', {class: 'row'});
  const power = slider(row, 't', {min: -5, max: 0, step: .5, value: Math.log10(t)}, draw);
  const reach = slider(row, 'window', {min: 1, max: 10, value: size}, draw);
  const again = make(row, 'button', {}, 'draw again');
  const told = says(box);
  let chosen = centre, turn = 0;

  function draw() {
    const limit = 10**power.value;
    power.dataset.shown = limit.toPrecision(1);
    const keep = f => Math.min(1, Math.sqrt(limit/f) + limit/f);
    const left = words.map((_, k) => k).filter(k => draws[turn][k] < keep(share[k]));
    const middle = left.indexOf(chosen), pairs = [];
    buttons.forEach((b, k) => {
      const far = Math.abs(left.indexOf(k) - middle), kept = left.includes(k);
      const near = kept && middle >= 0 && far ? Math.max(0, 1 - (far - 1)/reach.value) : 0;
      if (near) pairs.push(`${words[k]} ${near.toFixed(2)}`);
      b.style = `background: color-mix(in srgb, var(--model) ${60*near}%, transparent); ` +
        `text-decoration: ${kept ? 'none' : 'line-through'}; border-style: ${kept ? 'solid' : 'dotted'}; ` +
        `border-width: ${k === chosen ? 3 : 1}px`;
      set(b, {'aria-pressed': k === chosen, 'aria-label': `${words[k]}${kept ? '' : ', dropped'}`});
    });
    told.textContent = `${left.length} of ${words.length} words are kept. ` + (middle < 0 ?
      `“${words[chosen]}” is dropped this time: choose another word.` :
      `Neighbours of “${words[chosen]}”: ${pairs.join(', ') || 'none'}.`);
  }
  buttons.forEach((b, k) => b.addEventListener('click', () => { chosen = k; draw(); }));
  again.addEventListener('click', () => { turn = (turn + 1)%draws.length; draw(); });
  draw();
  power.show();
});
