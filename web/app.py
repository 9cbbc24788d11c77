"A web app for a trained classifier. Start it with `python app.py`."
import html, json, os, re, shutil, signal, sys, tempfile, threading, time, warnings
from pathlib import Path

TITLE = 'What is in the picture?'
MB = 10        # largest file; of 2**20 bytes, as Gradio counts
KEEP = 60      # seconds until an uploaded picture is deleted
SHOWN = 5      # labels in an answer
ORDER = 'Labels, the most probable first'
AT_ONCE = 2    # pictures that are worked on at a time
WAITING = 64   # pictures that may wait

HERE = Path(__file__).resolve().parent
# Pictures live in this folder; it goes when the app stops. Gradio tells visitors where
# it put a file: a relative path tells nothing about this machine, so we move there.
room = tempfile.TemporaryDirectory(prefix='fastlessons-app-',
                                   ignore_cleanup_errors=True)
os.chdir(room.name)
Path('pictures/examples').mkdir(parents=True)
if (HERE/'examples').is_dir():   # git keeps no empty folder
    shutil.copytree(HERE/'examples', 'pictures/examples', dirs_exist_ok=True)
os.environ['GRADIO_TEMP_DIR'] = 'pictures'
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'   # these two would call home
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
direct = [os.getenv('NO_PROXY'), 'localhost', '127.0.0.1']
os.environ['NO_PROXY'] = ','.join(filter(None, direct))
os.environ['no_proxy'] = os.environ['NO_PROXY']
sys.path.insert(0, str(HERE))

import gradio.component_meta
import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

# a copy of the library's module
from classifier import MAX_PIXELS, PictureClassifier, learned_from

# Else Pillow only warns, up to twice the limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter('error', Image.DecompressionBombWarning)
classifier = PictureClassifier.load(HERE/'model')

# ---------- pictures

def refuse(why): return gr.Error(why, print_exception=False)

def classify(path):
    "Return the probability of each label; a refusal tells nothing of this machine."
    if not path: return None
    path = Path(path).resolve()
    if not (path.is_relative_to(Path('pictures').resolve()) and path.is_file()):
        raise refuse('That picture is no longer here. Please give it again.')
    try: return classifier.predict_one(path)
    except ValueError as e: raise refuse(str(e)) from None   # it says what is wrong
    except Exception:
        raise refuse('That picture cannot be used. Please try another.') from None

def percent(p):
    "Write a probability as on the page: a model is never certain."
    if p > .9995: return 'over 99.9%'
    if p < .0005: return 'under 0.1%'
    return f'{100*p:.1f}%'

def safe(text):
    "Write a text of others as HTML, in one line."
    return html.escape(' '.join(text.split()))

def paragraphs(*texts): return ''.join(f'<p>{safe(t)}</p>' for t in texts if t)

def bar(label, p):
    "Return one line of the answer as HTML."
    return (f'<li><span class="bar" style="width:{100*p:.1f}%"></span>'
            f'<span>{safe(label)}</span><span>{percent(p)}</span></li>')

def look(path):
    "Return what to do with the picture, a sentence, and the answer as HTML."
    try: answer = classify(path)
    except gr.Error as e: return None, paragraphs(e.message), ''   # it cannot be shown
    if not answer: return None, '', ''
    best, p = next(iter(answer.items()))
    bars = ''.join(bar(*pair) for pair in list(answer.items())[:SHOWN])
    said = paragraphs(f'Most likely: {best}, {percent(p)}.')
    return gr.skip(), said, f'<ol aria-label="{ORDER}">{bars}</ol>'

def forget_old():
    "Delete pictures, unfinished uploads and empty folders older than `KEEP` seconds."
    # backwards: what is in a folder comes before the folder
    for p in sorted(Path('pictures').rglob('*'), reverse=True):
        try:
            if 'examples' in p.parts or time.time()-p.lstat().st_mtime < KEEP: continue
            if p.is_dir(): p.rmdir()
            else: p.unlink()
        except OSError: continue   # a folder in use, or a file that has just gone

def sweep():
    while True:
        time.sleep(KEEP/6)
        forget_old()

# ---------- the guard

GETS = re.compile(r'''/(
    config | theme\.css | manifest\.json | favicon\.ico | robots\.txt
    | (assets|static|svelte)/.*
    | gradio_api/(info | app_id | startup-events | upload_progress | queue/data
        | heartbeat/\w+ | call/predict/\w+ | file=pictures/[^/\\]+/[^/\\]+)
    )?''', re.VERBOSE)
POSTS = re.compile(r'/gradio_api/(upload|queue/join|call/predict|run/predict|cancel)')
POLICY = ("default-src 'self' 'unsafe-inline' data: blob:; object-src 'none'; "
          "base-uri 'self'")
HEADERS = {'content-security-policy': POLICY, 'x-content-type-options': 'nosniff',
           'referrer-policy': 'no-referrer'}
RAW_HEADERS = [(k.encode(), v.encode()) for k, v in HEADERS.items()]

def refusal(scope):
    "Return (status, text) for a request that is not let through, else None."
    if scope['type'] != 'http': return 404, 'Not found.'
    path = scope['path']
    known = {'GET': GETS, 'HEAD': GETS, 'POST': POSTS}.get(scope['method'])
    up = {'.', '..'} & {*re.split(r'[/\\]', path)}   # not '..' inside a name
    if not known or not known.fullmatch(path) or up: return 404, 'Not found.'
    return refusal_of_post(scope, path) if scope['method'] == 'POST' else None

def refusal_of_post(scope, path):
    "Refuse what is too large."
    size = int(dict(scope['headers']).get(b'content-length', -1))
    upload = path.endswith('upload')
    most = MB*2**20 + 10_000 if upload else 50_000
    if size < 0: return 411, 'Say how long the request is.'
    if size > most: return 413, f'This file is too large. Up to {MB} MB work.'
    if upload and shutil.disk_usage('.').free < 10**9:
        return 503, 'No room just now. Please try again in a minute.'
    return None

async def hear_out(receive):
    "Read what is sent, up to about 100 MB: who is cut off does not read the answer."
    for _ in range(2000):
        if not (await receive()).get('more_body'): break

class Guard:
    "Let through only what this app needs, in small amounts."
    def __init__(self, app): self.app = app

    async def __call__(self, scope, receive, send):
        if scope['type'] == 'lifespan': return await self.app(scope, receive, send)
        no = refusal(scope)
        if not no: return await self.let_through(scope, receive, send)
        await hear_out(receive)
        status, text = no
        await PlainTextResponse(text, status, HEADERS)(scope, receive, send)

    async def let_through(self, scope, receive, send):
        begun = False
        async def add_headers(message):
            nonlocal begun
            begun = True
            if message['type'] == 'http.response.start':
                message['headers'] = [*message['headers'], *RAW_HEADERS]
            await send(message)
        try: await self.app(scope, receive, add_headers)
        except Exception as e:   # Gradio stumbles over names that it does not know
            print('refused:', type(e).__name__, flush=True)
            if begun: await send({'type': 'http.response.body'})
            else:
                sorry = PlainTextResponse('That did not work.', 400)
                await sorry(scope, receive, add_headers)

# ---------- the page

# Else Gradio writes a file beside this one.
gradio.component_meta.create_or_modify_pyi = lambda *args: None

class Picture(gr.Image):
    "An image field that leaves files where they were uploaded: no copies, no links."
    is_template = True   # for Gradio: show it as an Image
    def preprocess(self, payload): return payload and payload.path
    def postprocess(self, value):
        return value and ImageData(path=str(value), orig_name=Path(value).name)
    def move_resource_to_block_cache(self, path): return path and str(path)
    async def async_move_resource_to_block_cache(self, path): return path and str(path)

def number(path): return int(path.name.partition('_')[0])   # as in 3_cat.jpg

examples = sorted(Path('pictures/examples').glob('*_*.jpg'), key=number)
names = [f"Example {i}: {p.stem.partition('_')[2].replace('_', ' ')}"
         for i, p in enumerate(examples, 1)]

# What Gradio leaves out: names for those who do not see the pictures, a voice for the
# answer. And a picture that the browser cannot show is not shown as a broken one.
HEAD = """<script>
const names = NAMES
function tend() {
  const all = selector => document.querySelectorAll(selector)
  all('.gallery-item').forEach((b, i) => b.setAttribute('aria-label', names[i]))
  all('#picture img').forEach(im => { im.alt = 'The picture you gave' })
  all('#said').forEach(e => e.setAttribute('role', 'status'))
}
function show(e) {
  if (e.target.tagName !== 'IMG') return
  e.target.style.visibility = e.type === 'error' ? 'hidden' : ''
}
new MutationObserver(tend).observe(document, {childList: true, subtree: true})
for (const type of ['error', 'load']) document.addEventListener(type, show, true)
</script>""".replace('NAMES', json.dumps(names).replace('<', r'\u003c'))
CSS = """
.gradio-container { max-width: 62rem !important; margin: 0 auto !important }
#picture img { background: white }
#said p { font-weight: 600 }
#bars ol { list-style: none; margin: 0; padding: 0 }
#bars li {
  position: relative; display: flex; justify-content: space-between; gap: 1rem;
  margin: .4rem 0; padding: .5rem .8rem; border-radius: .5rem; overflow: hidden;
  background: var(--neutral-100); overflow-wrap: anywhere
}
.dark #bars li { background: var(--neutral-800) }
#bars li > * { position: relative }
#bars .bar { position: absolute; inset: 0 auto 0 0; background: var(--secondary-200) }
.dark #bars .bar { background: var(--secondary-800) }
"""

# gr.HTML needs a browser that runs any text as a program; our policy forbids that.
def text(html='', **kwargs):
    return gr.Markdown(html, sanitize_html=False, latex_delimiters=[], **kwargs)

labels = classifier.classes_
about = paragraphs(
    f'It knows only {len(labels)} labels: {", ".join(labels)}. Whatever the picture '
    'shows, it chooses one of them.',
    learned_from(classifier.card),
    f'Files up to {MB} MB. A picture is deleted about {KEEP} seconds after it was '
    'sent.')

with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    text(f'<h1>{safe(TITLE)}</h1>' + paragraphs('Give it a picture and see which label '
                                                'fits best.'))
    with gr.Row():
        picture = Picture(type='filepath', label='Your picture', height=320, buttons=[],
                          elem_id='picture')
        with gr.Column():
            said = text(elem_id='said')
            bars = text(elem_id='bars')
    seen = [picture, said, bars]
    if examples:
        files = [str(p) for p in examples]
        gr.Examples(files, picture, seen, look, run_on_click=True, label='Examples',
                    cache_examples=False, api_visibility='private')
    text(about, elem_id='about')
    # no old answer beside a new picture
    forget = dict(fn=lambda: ('', ''), outputs=[said, bars], queue=False,
                  show_progress='hidden', api_visibility='private')
    picture.clear(**forget)
    picture.input(**forget).then(look, picture, seen, show_progress='minimal',
                                 api_visibility='private')
    # for programs: the labels and their probabilities
    answer = gr.Label(visible=False)
    gr.Button(visible=False).click(classify, picture, answer, api_name='predict')

# The page and the clients need no more of Gradio's version than that.
config = demo.get_config_file
demo.get_config_file = lambda: {**config(), 'version': '6.0'}

def main():
    for s in signal.SIGINT, signal.SIGTERM:   # so that `room` is emptied
        signal.signal(s, lambda *_: sys.exit())
    threading.Thread(target=sweep, daemon=True).start()
    demo.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE, api_open=False)
    fonts = dict(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    demo.launch(
        share=False, show_error=False, max_file_size=MB*2**20, max_threads=8,
        footer_links=[], run_history=False, ssr_mode=False, mcp_server=False,
        enable_monitoring=False, pwa=False, theme=gr.themes.Default(**fonts),
        head=HEAD, css=CSS, quiet=True, prevent_thread_lock=True,
        allowed_paths=['pictures'],   # names that begin with a dot, too
        _frontend=False,   # else Gradio gives up if a busy machine needs 3 s for a page
        app_kwargs=dict(middleware=[Middleware(Guard)]))
    print(f'The app is at {demo.local_url}', flush=True)
    demo.block_thread()

if __name__ == '__main__': main()
