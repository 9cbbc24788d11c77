'use strict'
const MB = 20, MEGAPIXELS = 50, SHOWN = 5
const $ = id => document.getElementById(id)
const say = (text, wrong = false) => { $('status').textContent = text; $('status').classList.toggle('wrong', wrong) }

// ---------- the same cutting and shrinking as in Python, so that the model sees the same numbers

// Which part of a w by h picture becomes [height, width]: fastai's Resize for validation. It may reach over the edges.
function cut(w, h, [height, width], method) {
  if (method === 'squish') return {left: 0, top: 0, w, h}
  if (method === 'none') return {left: Math.floor((w-width)/2), top: Math.floor((h-height)/2), w: width, h: height}
  const m = (method === 'pad' ? Math.max : Math.min)(w/width, h/height)
  const cw = Math.max(1, Math.trunc(m*width)), ch = Math.max(1, Math.trunc(m*height))
  return {left: Math.trunc((w-cw)/2), top: Math.trunc((h-ch)/2), w: cw, h: ch}
}

// For each of `n` pixels of the cut along one axis, which of the `size` visible ones stands there; -1 is black.
function inside(start, n, size, fill) {
  const back = 2*(size-1) || 1   // a reflection repeats after this many pixels
  return Int32Array.from({length: n}, (_, i) => {
    const at = i+Math.min(start, 0)
    if (at >= 0 && at < size) return at
    if (fill === 'border') return at < 0 ? 0 : size-1
    if (fill === 'reflection') { const r = ((at%back)+back)%back; return r < size ? r : back-r }
    return -1
  })
}

// Pillow's bilinear weights to go from `size` pixels to `out`: for each new pixel where to start, and whole numbers that sum to 2^22.
function weights(size, out) {
  const scale = size/out, reach = Math.max(scale, 1)
  return Array.from({length: out}, (_, i) => {
    const middle = (i+.5)*scale
    const from = Math.max(0, Math.trunc(middle-reach+.5)), to = Math.min(size, Math.trunc(middle+reach+.5))
    const ws = Array.from({length: to-from}, (_, j) => Math.max(0, 1-Math.abs((j+from-middle+.5)/reach)))
    const sum = ws.reduce((a, b) => a+b)
    return {from, ws: Int32Array.from(ws, w => Math.trunc(.5+w/sum*(1<<22)))}
  })
}

// One pass of Pillow's resize along one axis of RGB bytes. `step` and `line` say how far apart neighbours and lines are in the source.
function pass(source, step, lines, line, where, scaled, put) {
  for (let y = 0; y < lines; y++) for (let x = 0; x < scaled.length; x++) {
    const {from, ws} = scaled[x]
    let r = 1<<21, g = r, b = r
    for (let j = 0; j < ws.length; j++) {
      if (where[from+j] < 0) continue
      const at = y*line+where[from+j]*step, w = ws[j]
      r += source[at]*w; g += source[at+1]*w; b += source[at+2]*w
    }
    put(y, x, r>>22, g>>22, b>>22)
  }
}

function grey(rgba) {   // Pillow's mode L
  for (let i = 0; i < rgba.length; i += 4) rgba[i] = rgba[i+1] = rgba[i+2] = (rgba[i]*19595+rgba[i+1]*38470+rgba[i+2]*7471+0x8000)>>16
  return rgba
}

// A decoded picture as height * width * 3 bytes. It is read in strips: phones have no room for a canvas of a whole photo.
// One difference from Python stays: what is fully transparent is black here, and there has the colour that is hidden in the file.
function pixels(picture, {size, resize, mode}) {
  const {method, pad_mode} = resize, [height, width] = method === 'none' ? size : resize.size
  const box = cut(picture.width, picture.height, [height, width], method), fill = method === 'none' ? 'zeros' : pad_mode
  const left = Math.max(box.left, 0), top = Math.max(box.top, 0)
  const w = Math.min(box.left+box.w, picture.width)-left, h = Math.min(box.top+box.h, picture.height)-top   // what is visible
  const middle = new Uint8Array(h*width*3), out = new Uint8Array(height*width*3)
  const put = (a, n) => (y, x, r, g, b) => { const at = (y*n+x)*3; a[at] = r; a[at+1] = g; a[at+2] = b }
  const rows = Math.min(h, Math.max(1, Math.trunc(2e6/w))), across = weights(box.w, width), columns = inside(box.left, box.w, w, fill)
  const ctx = Object.assign(document.createElement('canvas'), {width: w, height: rows}).getContext('2d', {willReadFrequently: true})
  for (let y = 0; y < h; y += rows) {
    const n = Math.min(rows, h-y)
    ctx.clearRect(0, 0, w, rows)
    ctx.drawImage(picture, left, top+y, w, n, 0, 0, w, n)
    const {data} = ctx.getImageData(0, 0, w, n)
    pass(mode === 'L' ? grey(data) : data, 4, n, 4*w, columns, across, put(middle.subarray(3*y*width), width))
  }
  const store = put(out, width)
  pass(middle, 3*width, width, 3, inside(box.top, box.h, h, fill), weights(box.h, height), (x, y, ...rgb) => store(y, x, ...rgb))
  return crop(out, [height, width], size)
}

function crop(source, [h, w], [height, width]) {   // the middle of h * w * 3 bytes, black where there is nothing
  if (h === height && w === width) return source
  const out = new Uint8Array(height*width*3), top = Math.floor((h-height)/2), left = Math.floor((w-width)/2)
  for (let y = Math.max(0, -top); y < Math.min(height, h-top); y++) for (let x = Math.max(0, -left); x < Math.min(width, w-left); x++)
    for (let c = 0; c < 3; c++) out[(y*width+x)*3+c] = source[((y+top)*w+x+left)*3+c]
  return out
}

// ---------- the model

let card, session, ort
const get = async path => { const r = await fetch(path); if (!r.ok) throw Error(path); return r }
async function load() {
  card = await (await get('card.json')).json()
  ort = await import('./ort/ort.js')
  ort.env.wasm.numThreads = 1   // more would need a server that sends special headers
  ort.env.wasm.wasmBinary = await (await get('ort/ort.wasm')).arrayBuffer()
  session = await ort.InferenceSession.create(await (await get('model.onnx')).arrayBuffer())
}

async function predict(picture) {   // returns [label, probability] pairs, the highest first
  const data = pixels(picture, card)
  const {probs} = await session.run({pictures: new ort.Tensor('uint8', data, [1, ...card.size, 3])})
  return card.labels.map((label, i) => [String(label), probs.data[i]]).sort((a, b) => b[1]-a[1])
}

// ---------- the page

const unreadable = 'This file is not a picture that your browser can read. JPEG, PNG, WebP and GIF work.'
async function open(file) {   // returns the decoded picture and shows it, or throws an Error with a message for people
  if (file.size > MB*1e6) throw Error(`This file is too large. Up to ${MB} MB work.`)
  const shown = new Image()
  shown.src = URL.createObjectURL(file)
  try { await new Promise((yes, no) => Object.assign(shown, {onload: yes, onerror: () => no(Error(unreadable))})) }
  finally { if (!shown.naturalWidth) URL.revokeObjectURL(shown.src) }
  if (shown.naturalWidth*shown.naturalHeight > MEGAPIXELS*1e6) throw Error(`This picture is too large. Up to ${MEGAPIXELS} megapixels work.`)
  const picture = await createImageBitmap(file, {colorSpaceConversion: 'none', imageOrientation: 'from-image', premultiplyAlpha: 'none'})
    .catch(() => { throw Error(unreadable) })
  URL.revokeObjectURL($('shown').src)
  Object.assign($('shown'), {src: shown.src, hidden: false})
  return picture
}

function show(answer) {
  const percent = p => p > .9995 ? 'over 99.9 %' : p < .0005 ? 'under 0.1 %' : `${(100*p).toFixed(1)} %`   // a model is never certain
  $('bars').replaceChildren(...answer.slice(0, SHOWN).map(([label, p]) => {
    const li = document.createElement('li')
    for (const [name, text] of [['bar', ''], ['label', label], ['value', percent(p)]])
      li.append(Object.assign(document.createElement('span'), {className: name, textContent: text}))
    requestAnimationFrame(() => { li.firstChild.style.width = `${100*p}%` })
    return li
  }))
  say(`Most likely: ${answer[0][0]}, ${percent(answer[0][1])}.`)
}

let latest = 0
async function take(file) {
  if (!file) return
  const mine = ++latest   // whoever gives a second picture does not want the first one's answer
  $('bars').replaceChildren()
  say('Looking …')
  try {
    const picture = await open(file)
    await ready
    const answer = await predict(picture)
    picture.close()
    if (mine === latest) show(answer)
  } catch (e) { if (mine === latest) { say(e.message, true); $('shown').hidden = true } }
}

const ready = load().then(() => {
  const all = card.labels.join(', ')
  $('about').textContent = `It knows only ${card.labels.length} labels: ${all}. Whatever the picture shows, it chooses one of them.`
  if (!latest) say('Ready.')
}, () => {
  const why = location.protocol === 'file:' ? 'This page has to come from a web server. Start one in its folder: python -m http.server'
    : 'The model could not be loaded. Please load the page again.'
  say(why, true)
  throw Error(why)
})
ready.catch(() => {})   // already said
for (const id of ['file', 'camera']) $(id).addEventListener('change', e => { take(e.target.files[0]); e.target.value = '' })
for (const kind of ['dragover', 'dragleave', 'drop']) document.addEventListener(kind, e => {
  e.preventDefault()   // else the browser would leave this page and open the file
  $('drop').classList.toggle('over', kind === 'dragover')
  if (kind === 'drop') take(e.dataTransfer.files[0])
})
