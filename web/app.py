"A web app for a trained classifier. Start it with `python app.py`."
import os, re, shutil, signal, sys, tempfile, threading, time, warnings
from pathlib import Path

TITLE = 'What is in the picture?'
MB = 10        # largest file, in megabytes
KEEP = 60      # seconds until an uploaded picture is deleted
AT_ONCE = 2    # pictures that are worked on at a time
WAITING = 64   # pictures that may wait

HERE = Path(__file__).resolve().parent
# Pictures live in this folder; it goes when the app stops. Gradio tells visitors where
# it put a file: a relative path tells nothing about this machine, so we move there.
room = tempfile.TemporaryDirectory(prefix='fastlessons-app-',
                                   ignore_cleanup_errors=True)
os.chdir(room.name)
shutil.copytree(HERE/'examples', 'pictures/examples')
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

from classifier import MAX_PIXELS, PictureClassifier   # a copy of the library's module

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
    if not known or not known.fullmatch(path) or '..' in path: return 404, 'Not found.'
    return refusal_of_post(scope, path) if scope['method'] == 'POST' else None

def refusal_of_post(scope, path):
    "Refuse what is too large."
    size = int(dict(scope['headers']).get(b'content-length', -1))
    upload = path.endswith('upload')
    most = MB*10**6 + 10_000 if upload else 50_000
    if size < 0: return 411, 'Say how long the request is.'
    if size > most: return 413, f'Too large. Up to {MB} megabytes work.'
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

labels = classifier.classes_
examples = [str(p) for p in sorted(Path('pictures/examples').iterdir())]
with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    gr.Markdown(f'# {TITLE}\nGive it a picture and see which of {len(labels)} labels '
                'fits best.')
    with gr.Row():
        picture = Picture(type='filepath', label='Your picture', height=320, buttons=[])
        answer = gr.Label(label='Answer', num_top_classes=5)
    gr.Examples(examples, picture, answer, classify, run_on_click=True,
                cache_examples=False, label='Examples', api_visibility='private')
    gr.Markdown(f'It knows only these labels: {", ".join(labels)}. Whatever the '
                'picture shows, it chooses one of them. '
                f'A picture is deleted about {KEEP} seconds after it was sent.')
    # no old answer beside a new picture
    forget = dict(fn=lambda: None, outputs=answer, queue=False, show_progress='hidden',
                  api_visibility='private')
    picture.clear(**forget)
    picture.input(**forget).then(classify, picture, answer, api_name='predict',
                                 show_progress='minimal')

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
        share=False, show_error=False, max_file_size=MB*10**6, max_threads=8,
        footer_links=[], run_history=False, ssr_mode=False, mcp_server=False,
        enable_monitoring=False, pwa=False, theme=gr.themes.Default(**fonts),
        _frontend=False,   # else Gradio gives up if a busy machine needs 3 s for a page
        app_kwargs=dict(middleware=[Middleware(Guard)]))

if __name__ == '__main__': main()
