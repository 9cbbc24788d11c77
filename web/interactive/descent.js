// A loss over a and c seen from above, light is low, and a walk down against the slope.
play('descent', box => {
  const {x, y, b, a: [a0, a1], c: [c0, c1], start, lr, steps} = DATA;
  const W = 400, H = 320, left = 34, low = 286, right = 392, top = 8;
  const mean = f => x.reduce((sum, v, i) => sum + f(v, i), 0)/x.length;
  const error = (a, c, v, i) => a*v*v + b*v + c - y[i];
  const loss = (a, c) => mean((v, i) => error(a, c, v, i)**2);
  const slopes = (a, c) => [mean((v, i) => 2*error(a, c, v, i)*v*v), mean((v, i) => 2*error(a, c, v, i))];
  const toX = a => left + (a - a0)/(a1 - a0)*(right - left);
  const toY = c => low - (c - c0)/(c1 - c0)*(low - top);

  function landscape() {
    const canvas = document.createElement('canvas'), n = canvas.width = canvas.height = 160;
    const pen = canvas.getContext('2d'), logs = [];
    for (let i = 0; i < n*n; i++)
      logs.push(Math.log(loss(a0 + (a1 - a0)*(i%n + .5)/n, c1 - (c1 - c0)*(Math.floor(i/n) + .5)/n)));
    const least = Math.min(...logs), most = Math.max(...logs);
    logs.forEach((v, i) => {
      const grey = 250 - 6*Math.floor(20*(v - least)/(most - least));
      pen.fillStyle = `rgb(${grey},${grey},${grey})`;
      pen.fillRect(i%n, Math.floor(i/n), 1, 1);
    });
    return canvas.toDataURL();
  }

  const svg = make(box, 'svg', {viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: 'application',
    'aria-label': 'Landscape of the loss. The arrow keys move the start.'});
  make(svg, 'image', {x: left, y: top, width: right - left, height: low - top,
    preserveAspectRatio: 'none', href: landscape()});
  const inside = make(svg, 'svg', {x: left, y: top, width: right - left, height: low - top,
    viewBox: `${left} ${top} ${right - left} ${low - top}`});
  for (let k = 0; k <= 5; k++) {
    const a = a0 + (a1 - a0)*k/5, c = c0 + (c1 - c0)*k/5;
    make(svg, 'text', {x: toX(a), y: low + 15, 'text-anchor': 'middle'}, a);
    make(svg, 'text', {x: left - 6, y: toY(c) + 4, 'text-anchor': 'end'}, c);
  }
  make(svg, 'text', {x: (left + right)/2, y: H - 4, 'text-anchor': 'middle'}, 'a');
  make(svg, 'text', {x: 4, y: (top + low)/2}, 'c');
  const row = make(box, 'div', {class: 'row'});
  const rate = slider(row, 'learning rate', {min: .005, max: .25, step: .005, value: lr}, draw);
  const told = says(box);
  let [a, c] = start;

  function draw() {
    const path = [[a, c]];
    for (let k = 0; k < steps; k++) {
      const [p, q] = path[k], [da, dc] = slopes(p, q);
      path.push([p - rate.value*da, q - rate.value*dc]);
    }
    const dots = path.map(([p, q]) => [toX(p), toY(q)]).filter(([p, q]) => Math.abs(p) + Math.abs(q) < 1e5);
    inside.replaceChildren();
    make(inside, 'polyline', {points: dots.join(' '), fill: 'none', stroke: '#7b4fa6', 'stroke-width': 1.5});
    dots.forEach(([cx, cy], k) => make(inside, 'circle', {cx, cy, r: k ? 3 : 6, fill: '#7b4fa6'}));
    told.textContent = `From a = ${a.toFixed(2)}, c = ${c.toFixed(2)}, where the loss is ` +
      `${loss(a, c).toPrecision(3)}: after ${steps} steps it is ${loss(...path[steps]).toPrecision(3)}.`;
  }
  const between = (v, lo, hi) => Math.min(hi, Math.max(lo, v));
  function move(to, down) {
    [a, c] = [between(to, a0, a1), between(down, c0, c1)];
    draw();
  }
  point(svg, (i, j) => move(a + i/4, c - j/4), (px, py) => move(
    a0 + (px - left)/(right - left)*(a1 - a0), c0 + (low - py)/(low - top)*(c1 - c0)));
  draw();
});
