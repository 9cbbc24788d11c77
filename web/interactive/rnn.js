// An unrolled network whose memory is one number: new h = tanh(w*x + u*old h).
play('rnn', box => {
  const {w, u} = DATA, xs = [...DATA.x], n = xs.length;
  const step = 400/n, side = Math.min(46, step - 16), mid = 50;
  const svg = make(box, 'svg', {viewBox: '0 0 400 100', role: 'img', 'aria-label': 'The network, one box for each step'});
  const boxes = xs.map((_, k) => {
    const x = (k + .5)*step;
    const middle = (about, words) => make(svg, 'text', {'text-anchor': 'middle', ...about}, words);
    const fill = make(svg, 'rect', {x: x - side/2, width: side, fill: 'var(--tint)'});
    const edge = make(svg, 'rect', {x: x - side/2, y: mid - side/2, width: side, height: side, rx: 5,
      fill: 'none', stroke: 'var(--model)'});
    if (k) middle({x: x - step/2, y: mid + 5}, '→');
    middle({x, y: mid + 5}, 'h');
    middle({x, y: mid + side/2 + 18}, '↑');
    return {fill, edge, value: middle({x, y: mid - side/2 - 8})};
  });
  const inputs = make(box, 'div', {style: `display: grid; grid-template-columns: repeat(${n}, 1fr); justify-items: center`});
  const buttons = xs.map((_, k) => make(inputs, 'button'));
  const row = make(box, 'div', {class: 'row'});
  const back = make(row, 'button', {}, 'step back'), next = make(row, 'button', {}, 'next step');
  const weights = make(box, 'div', {class: 'row'}), about = {min: -2, max: 2, step: .1};
  const ws = slider(weights, 'w', {...about, value: w}, draw);
  const us = slider(weights, 'u', {...about, value: u}, draw);
  const told = says(box);
  let at = 1;

  function draw() {
    const h = [0];
    for (const x of xs) h.push(Math.tanh(ws.value*x + us.value*h[h.length - 1]));
    boxes.forEach(({fill, edge, value}, k) => {
      const seen = k < at, high = seen ? Math.abs(h[k + 1])*side : 0;
      set(fill, {y: mid + side/2 - high, height: high});
      set(edge, {'stroke-width': k === at - 1 ? 4 : 1.5, 'stroke-dasharray': seen ? '' : '4 3'});
      value.textContent = seen ? h[k + 1].toFixed(2) : '';
    });
    buttons.forEach((b, k) => {
      b.textContent = xs[k];
      set(b, {'aria-pressed': xs[k] === 1, 'aria-label': `what comes in at step ${k + 1}: ${xs[k]}`});
    });
    told.textContent = `Step ${at}: h = tanh(${ws.value} · ${xs[at - 1]} + ${us.value} · ${h[at - 1].toFixed(3)}) = ${h[at].toFixed(3)}.`;
  }
  function go(by) {
    at = Math.max(1, Math.min(n, at + by));
    draw();
  }
  buttons.forEach((b, k) => b.addEventListener('click', () => { xs[k] = 1 - xs[k]; draw(); }));
  back.addEventListener('click', () => go(-1));
  next.addEventListener('click', () => go(1));
  draw();
});
