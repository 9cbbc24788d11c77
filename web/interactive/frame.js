// What all pictures that answer share: a place of their own, their style, short ways to
// make parts. Each follows this file inside one function, with its numbers in DATA.
// Colours are mixed with the page's text colour, so they suit a light and a dark page.
const STYLE = `
:host { display: block; max-width: 36rem; margin: .5rem 0;
  --model: color-mix(in srgb, #7b4fa6 70%, currentColor);
  --tint: color-mix(in srgb, #7b4fa6 30%, transparent) }
* { box-sizing: border-box; font: 16px/1.5 system-ui, sans-serif; color: inherit }
svg { display: block; width: 100%; height: auto; touch-action: manipulation }
text { fill: currentColor; font-size: 13px }
.row { display: flex; flex-wrap: wrap; gap: .4rem .7rem; margin: .4rem 0; align-items: center }
label { display: flex; flex: 1 1 15rem; gap: .5rem; align-items: center }
label input { flex: 1; min-width: 0; height: 2rem; accent-color: var(--model) }
label output { min-width: 3.2em; text-align: right }
button { min-height: 2.2rem; padding: 0 .7rem; border: 1px solid; border-radius: .4rem;
  background: none; cursor: pointer }
button[aria-pressed=true] { background: var(--tint) }
:focus-visible { outline: 3px solid var(--model); outline-offset: -2px }
p { margin: .3rem 0; min-height: 3em }`;
const IN_SVG = /^(svg|g|rect|circle|line|polyline|text|image)$/;

function make(parent, tag, about = {}, text = '') {
  const space = IN_SVG.test(tag) ? 'http://www.w3.org/2000/svg' : 'http://www.w3.org/1999/xhtml';
  const part = document.createElementNS(space, tag);
  set(part, about);
  part.textContent = text;
  parent.append(part);
  return part;
}

function set(part, about) {
  for (const name in about) part.setAttribute(name, about[name]);
}

function slider(parent, name, about, then) {
  const label = make(parent, 'label', {}, name);
  const range = make(label, 'input', {type: 'range', 'aria-label': name, ...about});
  const shown = make(label, 'output');
  const show = () => shown.textContent = range.dataset.shown ?? range.value;
  range.addEventListener('input', () => { then(); show(); });
  range.show = show;
  show();
  return range;
}

// What the picture says, read aloud when it changes.
const says = parent => make(parent, 'p', {'aria-live': 'polite'});

// Let the arrow keys move a point by `step`, and a mouse or finger choose one.
function point(svg, keys, choose) {
  const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  svg.addEventListener('keydown', e => {
    if (!steps[e.key]) return;
    e.preventDefault();
    keys(...steps[e.key]);
  });
  for (const kind of ['pointerdown', 'pointermove']) svg.addEventListener(kind, e => {
    if (kind === 'pointermove' && !e.buttons) return;
    const r = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    choose((e.clientX - r.left)/r.width*view.width, (e.clientY - r.top)/r.height*view.height);
  });
}

// Build the picture in each place that waits for it, in the stead of the still one.
function play(name, build) {
  for (const place of document.querySelectorAll(`[data-play=${name}]:not([data-on])`)) {
    const box = document.createElement('div');
    build(box);
    place.dataset.on = '';
    // Plain keys are ours, not shortcuts of JupyterLab; with Ctrl they stay what they are.
    for (const kind of ['keydown', 'keyup']) box.addEventListener(kind, e =>
      place.toggleAttribute('data-lm-suppress-shortcuts', !(e.ctrlKey || e.metaKey)));
    const root = place.attachShadow({mode: 'open'});
    make(root, 'style', {}, STYLE);
    root.append(box);
  }
}
