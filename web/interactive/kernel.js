// A kernel of nine numbers slides over a grey picture; each sum of nine products is a
// pixel of what it finds: red above 0, blue below.
play('kernel', box => {
  const {pic, h, w, kernels} = DATA;
  const dots = Uint8Array.from(atob(pic), s => s.charCodeAt(0)), gap = w/12;
  const svg = make(box, 'svg', {viewBox: `0 0 ${2*w + gap} ${h}`, tabindex: 0, role: 'application',
    'aria-label': 'A picture and what the kernel finds. The arrow keys move the window.'});
  const style = 'image-rendering: pixelated';
  make(svg, 'image', {width: w, height: h, style, href: paint(w, h, i => Array(3).fill(dots[i]))});
  const found = make(svg, 'image', {x: w + gap + 1, y: 1, width: w - 2, height: h - 2, style});
  const frame = n => make(svg, 'rect', {width: n, height: n, fill: 'none', stroke: '#e8790c', 'stroke-width': w/80});
  const here = frame(3), there = frame(1);
  const row = make(box, 'div', {class: 'row'});
  const buttons = Object.keys(kernels).map(name => make(row, 'button', {}, name));
  const sum = make(box, 'div', {class: 'row'});
  const grid = {style: 'display: grid; grid: auto-flow 2rem / repeat(3, 3rem); gap: 2px; place-items: center'};
  const seen = make(sum, 'div', grid);
  make(sum, 'span', {}, '×');
  const boxes = make(sum, 'div', grid);
  const nine = Array.from({length: 9}, (_, k) => [make(seen, 'span'), make(boxes, 'input', {type: 'number',
    step: 'any', style: 'width: 3rem; height: 2rem; background: none; border: 1px solid',
    'aria-label': `kernel, row ${Math.floor(k/3) + 1}, column ${k%3 + 1}`})]);
  const told = says(box);
  let i = h >> 1, j = w >> 1, sums = [];

  function paint(w, h, colour) {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [w, h];
    const pen = canvas.getContext('2d'), image = pen.createImageData(w, h);
    for (let k = 0; k < w*h; k++) image.data.set([...colour(k), 255], 4*k);
    pen.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }
  const pixel = (i, j, k) => dots[(i + Math.floor(k/3))*w + j + k%3]/255;

  function slide() {
    // What is no number, as a "-" alone, has the value ''. The picture stays as it was.
    const [, wrong] = nine.find(([, box]) => !box.value) ?? [];
    if (wrong) return told.textContent = `Not a number: ${wrong.ariaLabel}. Try -1 or 0.5.`;
    const kernel = nine.map(([, box]) => +box.value);
    sums = Array.from({length: (h - 2)*(w - 2)}, (_, at) => kernel.reduce((sum, v, k) =>
      sum + v*pixel(Math.floor(at/(w - 2)), at%(w - 2), k), 0));
    const sizes = sums.map(Math.abs).sort((a, b) => a - b), high = sizes[Math.floor(.99*sizes.length)] || 1;
    set(found, {href: paint(w - 2, h - 2, at => {
      const v = Math.max(-1, Math.min(1, sums[at]/high)), full = v > 0 ? [201, 48, 44] : [39, 102, 180];
      return full.map(f => 255 + (f - 255)*Math.abs(v));
    })});
    for (const b of buttons) b.setAttribute('aria-pressed', kernels[b.textContent].join() === kernel.join());
    show();
  }
  function show() {
    set(here, {x: j, y: i});
    set(there, {x: w + gap + 1 + j, y: 1 + i});
    nine.forEach(([seen], k) => seen.textContent = pixel(i, j, k).toFixed(2));
    told.textContent = `Row ${i + 1}, column ${j + 1}: the sum of the nine products is ${sums[i*(w - 2) + j].toFixed(2)}.`;
  }
  function move(row, column) {
    i = Math.max(0, Math.min(h - 3, row));
    j = Math.max(0, Math.min(w - 3, column));
    show();
  }
  function choose(kernel) {
    nine.forEach(([, box], k) => box.value = kernel[k]);
    slide();
  }
  for (const [, box] of nine) box.addEventListener('input', slide);
  for (const b of buttons) b.addEventListener('click', () => choose(kernels[b.textContent]));
  point(svg, (right, down) => move(i + down, j + right), (x, y) =>
    move(Math.floor(y) - 1, Math.floor(x > w ? x - w - gap : x) - 1));
  choose(Object.values(kernels)[0]);
});
