'use strict'
const MB = 20, MEGAPIXELS = 50, SHOWN = 5
const $ = id => document.getElementById(id)
function say(text, wrong = false) {
  $('status').textContent = text
  $('status').classList.toggle('wrong', wrong)
}

// ---------- cutting and shrinking as in Python, so that the model sees the same numbers

// Which part of a w by h picture becomes [height, width]: fastai's Resize for
// validation. It may reach over the edges.
function cut(w, h, [height, width], method) {
  if (method === 'squish') return {left: 0, top: 0, w, h}
  if (method === 'none') {
    const left = Math.floor((w-width)/2)
    const top = Math.floor((h-height)/2)
    return {left, top, w: width, h: height}
  }
  const choose = method === 'pad' ? Math.max : Math.min
  const m = choose(w/width, h/height)
  const cw = Math.max(1, Math.trunc(m*width))
  const ch = Math.max(1, Math.trunc(m*height))
  return {left: Math.trunc((w-cw)/2), top: Math.trunc((h-ch)/2), w: cw, h: ch}
}

// For each of `n` pixels of the cut along one axis, which of the `size` visible ones
// stands there; -1 is black.
function inside(start, n, size, fill) {
  const back = 2*(size-1) || 1   // a reflection repeats after this many pixels
  return Int32Array.from({length: n}, (_, i) => {
    const at = i+Math.min(start, 0)
    if (at >= 0 && at < size) return at
    if (fill === 'border') return at < 0 ? 0 : size-1
    if (fill === 'reflection') {
      const r = ((at%back)+back)%back
      return r < size ? r : back-r
    }
    return -1
  })
}

// Pillow's bilinear weights to go from `size` pixels to `out`: for each new pixel where
// to start, and whole numbers that sum to 2^22.
function weights(size, out) {
  const scale = size/out
  const reach = Math.max(scale, 1)
  return Array.from({length: out}, (_, i) => {
    const middle = (i+.5)*scale
    const from = Math.max(0, Math.trunc(middle-reach+.5))
    const to = Math.min(size, Math.trunc(middle+reach+.5))
    const weight = (_, j) => Math.max(0, 1-Math.abs((j+from-middle+.5)/reach))
    const ws = Array.from({length: to-from}, weight)
    const sum = ws.reduce((a, b) => a+b)
    return {from, ws: Int32Array.from(ws, w => Math.trunc(.5+w/sum*(1<<22)))}
  })
}

// One pass of Pillow's resize along one axis of RGB bytes. `step` and `line` say how
// far apart neighbours and lines are in the source.
function pass(source, step, lines, line, where, scaled, put) {
  for (let y = 0; y < lines; y++) {
    for (let x = 0; x < scaled.length; x++) {
      const {from, ws} = scaled[x]
      let r = 1<<21, g = r, b = r
      for (let j = 0; j < ws.length; j++) {
        if (where[from+j] < 0) continue
        const at = y*line+where[from+j]*step
        r += source[at]*ws[j]
        g += source[at+1]*ws[j]
        b += source[at+2]*ws[j]
      }
      put(y, x, r>>22, g>>22, b>>22)
    }
  }
}

function grey(rgba) {   // Pillow's mode L
  for (let i = 0; i < rgba.length; i += 4) {
    const sum = rgba[i]*19595+rgba[i+1]*38470+rgba[i+2]*7471
    rgba[i] = rgba[i+1] = rgba[i+2] = (sum+0x8000)>>16
  }
  return rgba
}

// Part of a picture as RGBA bytes, strip after strip: phones have no room for a canvas
// of a whole photo. What is transparent lies on white, as people see it, and as Python
// does it.
function* strips(picture, left, top, w, h) {
  const rows = Math.min(h, Math.max(1, Math.trunc(2e6/w)))
  const canvas = document.createElement('canvas')
  Object.assign(canvas, {width: w, height: rows})
  const ctx = canvas.getContext('2d', {willReadFrequently: true})
  ctx.fillStyle = 'white'
  for (let y = 0; y < h; y += rows) {
    const n = Math.min(rows, h-y)
    ctx.fillRect(0, 0, w, rows)
    ctx.drawImage(picture, left, top+y, w, n, 0, 0, w, n)
    yield [y, n, ctx.getImageData(0, 0, w, n).data]
  }
}

// How to store a pixel in an array of lines of `n` pixels.
function into(array, n) {
  return (y, x, r, g, b) => {
    const at = (y*n+x)*3
    array[at] = r
    array[at+1] = g
    array[at+2] = b
  }
}

// A decoded picture as height * width * 3 bytes.
function pixels(picture, {size, resize, mode}) {
  const none = resize.method === 'none'
  const [height, width] = none ? size : resize.size
  const fill = none ? 'zeros' : resize.pad_mode
  const box = cut(picture.width, picture.height, [height, width], resize.method)
  const left = Math.max(box.left, 0)   // of what is visible
  const top = Math.max(box.top, 0)
  const w = Math.min(box.left+box.w, picture.width)-left
  const h = Math.min(box.top+box.h, picture.height)-top
  const middle = new Uint8Array(h*width*3)   // first all lines are shrunk
  const across = weights(box.w, width)
  const columns = inside(box.left, box.w, w, fill)
  for (const [y, n, data] of strips(picture, left, top, w, h)) {
    const source = mode === 'L' ? grey(data) : data
    pass(source, 4, n, 4*w, columns, across, into(middle.subarray(3*y*width), width))
  }
  const out = new Uint8Array(height*width*3)   // then all columns
  const store = into(out, width)
  const rows = inside(box.top, box.h, h, fill)
  pass(middle, 3*width, width, 3, rows, weights(box.h, height),
       (x, y, ...rgb) => store(y, x, ...rgb))
  return crop(out, [height, width], size)
}

// The middle of h * w * 3 bytes, black where there is nothing.
function crop(source, [h, w], [height, width]) {
  if (h === height && w === width) return source
  const out = new Uint8Array(height*width*3)
  const top = Math.floor((h-height)/2)
  const left = Math.floor((w-width)/2)
  const [first, last] = [Math.max(0, -left), Math.min(width, w-left)]
  for (let y = Math.max(0, -top); y < Math.min(height, h-top); y++) {
    const from = ((y+top)*w+left)*3
    out.set(source.subarray(from+3*first, from+3*last), (y*width+first)*3)
  }
  return out
}

// ---------- the model

let card, session, ort

async function get(path) {
  const r = await fetch(path)
  if (!r.ok) throw Error(path)
  return r
}

async function load() {
  card = await (await get('card.json')).json()
  ort = await import('./ort/ort.js')
  ort.env.wasm.numThreads = 1   // more would need a server that sends special headers
  ort.env.wasm.wasmBinary = await (await get('ort/ort.wasm')).arrayBuffer()
  const model = await (await get('model.onnx')).arrayBuffer()
  session = await ort.InferenceSession.create(model)
}

// Returns [label, probability] pairs, the highest first.
async function predict(picture) {
  const data = pixels(picture, card)
  const pictures = new ort.Tensor('uint8', data, [1, ...card.size, 3])
  const {probs} = await session.run({pictures})
  const pairs = card.labels.map((label, i) => [String(label), probs.data[i]])
  return pairs.sort((a, b) => b[1]-a[1])
}

// ---------- the page

const unreadable = 'This file is not a picture that your browser can read. ' +
  'JPEG, PNG, WebP and GIF work.'

function until(image) {   // it is loaded
  return new Promise((yes, no) => {
    image.onload = yes
    image.onerror = () => no(Error(unreadable))
  })
}

// Returns the decoded picture and shows it, or throws an Error with words for people.
async function open(file) {
  if (file.size > MB*1e6) throw Error(`This file is too large. Up to ${MB} MB work.`)
  const shown = new Image()
  shown.src = URL.createObjectURL(file)
  try { await until(shown) }
  finally { if (!shown.naturalWidth) URL.revokeObjectURL(shown.src) }
  if (shown.naturalWidth*shown.naturalHeight > MEGAPIXELS*1e6)
    throw Error(`This picture is too large. Up to ${MEGAPIXELS} megapixels work.`)
  const asItIs = {colorSpaceConversion: 'none', imageOrientation: 'from-image',
                  premultiplyAlpha: 'none'}
  const picture = await createImageBitmap(file, asItIs)
    .catch(() => { throw Error(unreadable) })
  URL.revokeObjectURL($('shown').src)
  Object.assign($('shown'), {src: shown.src, hidden: false})
  return picture
}

function percent(p) {   // a model is never certain
  if (p > .9995) return 'over 99.9%'
  if (p < .0005) return 'under 0.1%'
  return `${(100*p).toFixed(1)}%`
}

function line([label, p]) {
  const li = document.createElement('li')
  const parts = [['bar', ''], ['label', label], ['value', percent(p)]]
  for (const [className, textContent] of parts)
    li.append(Object.assign(document.createElement('span'), {className, textContent}))
  requestAnimationFrame(() => { li.firstChild.style.width = `${100*p}%` })
  return li
}

function show(answer) {
  $('bars').replaceChildren(...answer.slice(0, SHOWN).map(line))
  say(`Most likely: ${answer[0][0]}, ${percent(answer[0][1])}.`)
}

let latest = 0
async function take(file) {
  if (!file) return
  const mine = ++latest   // who gives a second picture wants no answer to the first
  $('bars').replaceChildren()
  say('Looking …')
  try {
    const picture = await open(file)
    await ready
    const answer = await predict(picture)
    picture.close()
    if (mine === latest) show(answer)
  } catch (e) {
    if (mine !== latest) return
    say(e.message, true)
    $('shown').hidden = true
  }
}

const ready = load().then(() => {
  const all = card.labels.join(', ')
  $('about').textContent = `It knows only ${card.labels.length} labels: ${all}. ` +
    'Whatever the picture shows, it chooses one of them.'
  if (!latest) say('Ready.')
}, () => {
  const why = location.protocol === 'file:'
    ? 'This page has to come from a web server. Start one in its folder: ' +
      'python -m http.server'
    : 'The model could not be loaded. Please load the page again.'
  say(why, true)
  throw Error(why)
})
ready.catch(() => {})   // already said
for (const id of ['file', 'camera']) {
  $(id).addEventListener('change', e => {
    take(e.target.files[0])
    e.target.value = ''
  })
}
for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, e => {
    e.preventDefault()   // else the browser would leave this page and open the file
    $('drop').classList.toggle('over', kind === 'dragover')
    if (kind === 'drop') take(e.dataTransfer.files[0])
  })
}
