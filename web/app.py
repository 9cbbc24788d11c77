"A web app for a trained classifier. Start it with `python app.py`."
import os, re, shutil, signal, sys, tempfile, threading, time, warnings
from pathlib import Path

TITLE = 'What is in the picture?'
MB = 10                   # largest file, in megabytes
KEEP = 60                 # seconds until an uploaded picture is deleted
AT_ONCE, WAITING = 2, 64  # pictures that are worked on, and that may wait

HERE = Path(__file__).resolve().parent
room = tempfile.TemporaryDirectory(prefix='fastlessons-app-', ignore_cleanup_errors=True)   # pictures live here; it goes when the app stops
os.chdir(room.name)       # Gradio tells visitors where it put a file: a relative path tells nothing about this machine
shutil.copytree(HERE/'examples', 'pictures/examples')
os.environ.update(GRADIO_TEMP_DIR='pictures', GRADIO_ANALYTICS_ENABLED='False', ORT_DISABLE_TELEMETRY='1')   # both would call home
os.environ['NO_PROXY'] = os.environ['no_proxy'] = ','.join(filter(None, [os.getenv('NO_PROXY'), 'localhost', '127.0.0.1']))
sys.path.insert(0, str(HERE))

import gradio.component_meta
import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from classifier import MAX_PIXELS, PictureClassifier   # a copy of the library's

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter('error', Image.DecompressionBombWarning)   # else Pillow only warns, up to twice the limit
classifier = PictureClassifier.load(HERE/'model')

def refuse(why): return gr.Error(why, print_exception=False)

def classify(path):
    "Return the probability of each label for an uploaded picture, or refuse it in words that tell nothing about this machine."
    if not path: return None
    path, pictures = Path(path).resolve(), Path('pictures').resolve()
    if not (path.is_relative_to(pictures) and path.is_file()): raise refuse('That picture is no longer here. Please give it again.')
    try: return classifier.predict_one(path)
    except ValueError as e: raise refuse(str(e)) from None   # not a picture, damaged or too big: the message says which
    except Exception: raise refuse('That picture cannot be used. Please try another.') from None

def sweep():
    "Delete what is older than `KEEP` seconds: pictures, unfinished uploads, empty folders."
    while True:
        time.sleep(KEEP/6)
        for p in sorted(Path('pictures').rglob('*'), reverse=True):   # what is in a folder comes before the folder
            try:
                if 'examples' in p.parts or time.time()-p.lstat().st_mtime < KEEP: continue
                p.rmdir() if p.is_dir() else p.unlink()
            except OSError: continue   # a folder in use, or a file that has just gone

class Guard:
    "Let through only what this app needs, in small amounts."
    gets = re.compile(r'/(config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|(assets|static|svelte)/.*|gradio_api/(info|app_id|startup-events'
                      r'|upload_progress|queue/data|heartbeat/\w+|call/predict/\w+|file=pictures/[^/\\]+/[^/\\]+))?')
    posts = re.compile(r'/gradio_api/(upload|queue/join|call/predict|run/predict|cancel)')
    headers = {b'content-security-policy': b"default-src 'self' 'unsafe-inline' data: blob:; object-src 'none'; base-uri 'self'",
               b'x-content-type-options': b'nosniff', b'referrer-policy': b'no-referrer'}

    def __init__(self, app): self.app = app

    def refusal(self, scope):
        "Return (status, text) for a request that is not let through, else None."
        if scope['type'] != 'http': return 404, 'Not found.'
        known = {'GET': self.gets, 'HEAD': self.gets, 'POST': self.posts}.get(scope['method'])
        if not known or not known.fullmatch(scope['path']) or '..' in scope['path']: return 404, 'Not found.'
        if scope['method'] != 'POST': return None
        size, upload = int(dict(scope['headers']).get(b'content-length', -1)), scope['path'].endswith('upload')
        if size < 0: return 411, 'Say how long the request is.'
        if size > (MB*10**6 + 10_000 if upload else 50_000): return 413, f'Too large. Up to {MB} megabytes work.'
        if upload and shutil.disk_usage('.').free < 10**9: return 503, 'No room just now. Please try again in a minute.'

    async def __call__(self, scope, receive, send):
        if scope['type'] == 'lifespan': return await self.app(scope, receive, send)
        no = self.refusal(scope)
        if no:
            for _ in range(2000):   # hear the sender out, up to about 100 MB: who is cut off does not read the answer
                if not (await receive()).get('more_body'): break
            return await PlainTextResponse(no[1], no[0], {k.decode(): v.decode() for k, v in self.headers.items()})(scope, receive, send)
        begun = False
        async def add_headers(message):
            nonlocal begun
            begun = True
            if message['type'] == 'http.response.start': message['headers'] = [*message['headers'], *self.headers.items()]
            await send(message)
        try: await self.app(scope, receive, add_headers)
        except Exception as e:   # Gradio stumbles over names that it does not know
            print('refused:', type(e).__name__, flush=True)
            if begun: await send({'type': 'http.response.body'})
            else: await PlainTextResponse('That did not work.', 400)(scope, receive, add_headers)

gradio.component_meta.create_or_modify_pyi = lambda *args: None   # else Gradio writes a file beside this one

class Picture(gr.Image):
    "An image field that leaves files where they were uploaded: it makes no copies, opens no pictures and follows no links."
    is_template = True   # for Gradio: show it as an Image
    def preprocess(self, payload): return payload and payload.path
    def postprocess(self, value): return value and ImageData(path=str(value), orig_name=Path(value).name)
    def move_resource_to_block_cache(self, path): return path and str(path)
    async def async_move_resource_to_block_cache(self, path): return path and str(path)

labels = classifier.classes_
with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    gr.Markdown(f'# {TITLE}\nGive it a picture and see which of {len(labels)} labels fits best.')
    with gr.Row():
        picture = Picture(type='filepath', label='Your picture', height=320, buttons=[])
        answer = gr.Label(label='Answer', num_top_classes=5)
    gr.Examples([str(p) for p in sorted(Path('pictures/examples').iterdir())], picture, answer, classify, run_on_click=True, cache_examples=False,
                label='Examples', api_visibility='private')
    gr.Markdown(f'It knows only these labels: {", ".join(labels)}. Whatever the picture shows, it chooses one of them. '
                f'A picture is deleted about {KEEP} seconds after it was sent.')
    forget = dict(fn=lambda: None, outputs=answer, queue=False, show_progress='hidden', api_visibility='private')
    picture.clear(**forget)
    picture.input(**forget).then(classify, picture, answer, api_name='predict', show_progress='minimal')   # no old answer beside a new picture

config = demo.get_config_file
demo.get_config_file = lambda: {**config(), 'version': '6.0'}   # the page and the clients need no more of it than that

if __name__ == '__main__':
    for s in signal.SIGINT, signal.SIGTERM: signal.signal(s, lambda *_: sys.exit())   # so that `room` is emptied
    threading.Thread(target=sweep, daemon=True).start()
    demo.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE, api_open=False).launch(
        share=False, show_error=False, max_file_size=MB*10**6, max_threads=8, footer_links=[], run_history=False, ssr_mode=False, mcp_server=False,
        enable_monitoring=False, pwa=False, app_kwargs=dict(middleware=[Middleware(Guard)]),
        theme=gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace']))
