"The web app and the web page: strangers may send anything; the page says the same as Python."
import base64, contextlib, functools, http.server, io, itertools, json, os, re, shutil, signal, socket, struct, subprocess, sys, threading, time, zlib

os.environ["ORT_DISABLE_TELEMETRY"] = "1"   # onnxruntime calls home otherwise
from pathlib import Path

import numpy as np, psutil, pytest, requests
from PIL import Image

from fastlessons.deploy import web
from fastlessons.data import get_data
from fastlessons.deploy.classifier import PictureClassifier
from fastlessons.deploy.export import export_classifier

from conftest import ROOT, refuses

# ---------- a model, an app

@pytest.fixture(scope='module')
def pets(): return sorted((get_data('pets', 'sample')/'images').glob('*.jpg'))

@pytest.fixture(scope='module')
def model(pets, tmp_path_factory):
    "A model folder from a small network that saw some drawn pets twice."
    from fastai.vision.all import ConvLayer, CrossEntropyLossFlat, ImageDataLoaders, Learner, Resize, nn, set_seed
    set_seed(42, reproducible=True)
    dls = ImageDataLoaders.from_name_func(pets[0].parent, pets[::3], valid_pct=.2, seed=42, label_func=lambda f: 'cat' if f[0].isupper() else 'dog',
                                          item_tfms=Resize((80, 96)), bs=32, num_workers=0)
    net = nn.Sequential(*(ConvLayer(i, o, stride=2) for i, o in ((3, 16), (16, 32), (32, 64))), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    learn = Learner(dls, net, loss_func=CrossEntropyLossFlat())
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(2, 1e-2)
    return export_classifier(learn, tmp_path_factory.mktemp('web')/'model')

@pytest.fixture(scope='module')
def classifier(model): return PictureClassifier.load(model)

def free_port():
    with socket.create_server(('127.0.0.1', 0)) as s: return s.getsockname()[1]

# Writes down every connection that Python opens to another machine, from before the app's first line.
SPY = '''
import os, sys
def hook(event, args):
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):
        host = args[0] if event == 'socket.getaddrinfo' else (args[1][0] if isinstance(args[1], tuple) else '')
        if str(host) not in ('', 'None', '127.0.0.1', 'localhost', '0.0.0.0', '::1', "b'localhost'", "b'127.0.0.1'"):
            with open(os.environ['SPY_LOG'], 'a') as f: f.write(f'{event} {host}\\n')
sys.addaudithook(hook)
'''

# What no answer may hold: names of files and folders, versions, tracebacks.
LEAK = re.compile(r'''Traceback|File "|site-packages|\.py\b|/tmp/|/home/|/root/|/usr/|/var/|python\d?[ /]\d|gradio[ /=]\d|uvicorn/|pydantic\.dev|\bat 0x''', re.I)

class App:
    "`python app.py` in a Space, as a process of its own, and a client of its HTTP interface."
    def __init__(self, space, folder):
        self.tmp, self.log, self.spy = folder/'tmp', folder/'log', folder/'spy'
        (folder/'spied').mkdir()
        (folder/'spied'/'sitecustomize.py').write_text(SPY)
        self.tmp.mkdir()
        port = free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith('GRADIO')}
        env.update(TMPDIR=str(self.tmp), GRADIO_SERVER_PORT=str(port), PYTHONPATH=str(folder/'spied'), SPY_LOG=str(self.spy), HOME=str(folder))
        with open(self.log, 'w') as log: self.process = subprocess.Popen([sys.executable, 'app.py'], cwd=space, env=env, stdout=log, stderr=log)
        self.url = f'http://127.0.0.1:{port}'
        self.http = requests.Session()
        self.http.trust_env = False
        self.wait()

    def wait(self, seconds=90):
        for _ in range(10*seconds):
            try: return self.http.get(self.url+'/config', timeout=5)
            except requests.ConnectionError: time.sleep(.1)
            assert self.process.poll() is None, self.log.read_text()
        raise TimeoutError(self.log.read_text())

    def ask(self, method, path, **kw):
        "Send one request; return the answer, which must tell nothing about the machine."
        r = self.http.request(method, self.url+path, timeout=60, **kw)
        self.hear(f'{method} {path}', f'{dict(r.headers)} {r.text}')
        return r

    def hear(self, request, said):
        assert not LEAK.search(said), (request, LEAK.search(said), said[:2000])
        assert web._GRADIO not in said and str(self.tmp) not in said, (request, said[:2000])

    def upload(self, data, name='a.jpg', kind='image/jpeg'):
        return self.ask('POST', '/gradio_api/upload', files={'files': (name, data, kind)})

    def call(self, payload):
        "Predict through the queue; return the event's name ('complete' or 'error') and its data."
        r = self.ask('POST', '/gradio_api/call/predict', json={'data': [payload]})
        assert r.status_code == 200, r.text
        r = self.ask('GET', f"/gradio_api/call/predict/{r.json()['event_id']}")
        events = re.findall(r'event: (complete|error)\ndata: (.*)', r.text)
        assert events, r.text
        return events[-1][0], json.loads(events[-1][1])

    def predict(self, data, name='a.jpg', kind='image/jpeg'):
        "Upload and predict; return a dict of probabilities, or the text of the refusal."
        r = self.upload(data, name, kind)
        assert r.status_code == 200, r.text
        event, out = self.call({'path': r.json()[0], 'orig_name': name, 'meta': {'_type': 'gradio.FileData'}})
        return {c['label']: c['confidence'] for c in out[0]['confidences']} if event == 'complete' else out['error']

    def memory(self): return sum(p.memory_info().rss for p in [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(True)])/1e6

    def pictures(self):   # os.walk does not mind a folder that goes away while it looks
        found = [Path(folder)/name for folder, _, names in os.walk(self.tmp) for name in names]
        return [p for p in found if 'examples' not in p.parts]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

@pytest.fixture(scope='module')
def space(model, tmp_path_factory):
    return web.make_space(model, tmp_path_factory.mktemp('made')/'space', title="Cat or dog, what's that?")

@pytest.fixture(scope='module')
def app(space, tmp_path_factory):
    # pictures are deleted after 12 seconds, not 60, so that the test of that need not wait long
    code = (space/'app.py').read_text()
    (space/'app.py').write_text(code.replace('KEEP = 60', 'KEEP = 12'))
    app = App(space, tmp_path_factory.mktemp('app'))
    yield app
    app.upload(b'x')
    app.stop()
    assert not list(app.tmp.iterdir()), 'the app left something behind'
    assert not app.spy.exists(), f'the app asked others: {app.spy.read_text()}'

# ---------- the Space

def test_space_is_complete(space):
    names = {p.relative_to(space).as_posix() for p in space.rglob('*') if p.is_file()}
    assert {'app.py', 'classifier.py', 'README.md', 'requirements.txt', 'model/card.json', 'model/model.onnx'} <= names
    assert len(list((space/'examples').glob('*.jpg'))) == 4
    assert not re.search('torch|fastai|fastlessons', (space/'requirements.txt').read_text())
    head = (space/'README.md').read_text().split('---')[1]
    front = dict(line.split(': ', 1) for line in head.strip().splitlines())
    assert all(re.fullmatch(r'\d_(cat|dog)\.jpg', f.name) for f in (space/'examples').iterdir()) and not (space/'model'/'examples').exists()
    assert 'It learned from 237 drawn pictures (pets, sample); photos and other drawings will fool it. Of 59 others' in (space/'README.md').read_text()
    assert front['sdk'] == 'gradio' and front['app_file'] == 'app.py' and json.loads(front['title']) == "Cat or dog, what's that?"
    assert f"gradio=={front['sdk_version']}" in (space/'requirements.txt').read_text()
    imports = set(re.findall(r'^\s*(?:import|from) (\w+)', (space/'app.py').read_text(), re.M))
    assert not imports & {'torch', 'fastai', 'fastlessons'}

def test_examples_are_given_or_the_models_own_or_none(model, pets, tmp_path):
    def names(**kw): return sorted(f.name for f in (web.make_space(model, tmp_path/f'{len(list(tmp_path.iterdir()))}', **kw)/'examples').iterdir())
    assert names(examples=[]) == [] and len(names()) == 4
    for place in 'a', 'b':
        (tmp_path/place).mkdir()
        Image.open(pets[0]).save(tmp_path/place/'x.jpg')
    given = names(examples=[tmp_path/'a'/'x.jpg', str(tmp_path/'b'/'x.jpg'), np.zeros((9, 9, 3), 'uint8')])
    assert given == ['1_x.jpg', '2_x.jpg', '3_picture.jpg']   # two of one name are two
    old = shutil.copytree(model, tmp_path/'old', ignore=shutil.ignore_patterns('examples'))   # as version 0.1.0 wrote it
    assert not list((web.make_space(old, tmp_path/'o')/'examples').iterdir())

BAD_EXAMPLES = {'a missing file': [Path('no.jpg')], 'a text': [Path('text.jpg')], 'one path as text': 'a.jpg', 'one path': Path('a.jpg'), 'a folder': [Path('.')],
                'a number': 3, 'a number in a list': [3], 'bytes of nothing': [b'x'], 'one picture as bytes': b'x'}

@pytest.mark.parametrize('what', BAD_EXAMPLES)
def test_bad_examples_are_refused_in_one_way(model, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    Image.new('RGB', (50, 40)).save('a.jpg')
    Path('text.jpg').write_text('hello')
    refuses((TypeError, ValueError, FileNotFoundError), lambda: web.make_space(model, tmp_path/'new', examples=BAD_EXAMPLES[what]), 'examples', 'Expected a list of picture files')
    assert {p.name for p in tmp_path.iterdir()} == {'a.jpg', 'text.jpg'}

@pytest.mark.parametrize('title', ['Cat or dog? 🐱', '👨‍👩‍👧 & "Łódź"', "it's # no: comment", '<b>$&\\n', '{0} %s'])
def test_a_title_is_kept_as_it_is(model, title, tmp_path):
    yaml = pytest.importorskip('yaml')
    made = web.make_space(model, tmp_path/'space', title=title, examples=[])
    head = (made/'README.md').read_text(encoding='utf-8').split('---\n')[1]
    assert yaml.safe_load(head)['title'] == title
    line = next(l for l in (made/'app.py').read_text(encoding='utf-8').splitlines() if l.startswith('TITLE ='))
    assert eval(line.removeprefix('TITLE = ')) == title

@pytest.mark.parametrize('title', ['Cats\nand dogs', 'a\u2028b', 'a\x85b', 'a\0b', '', ' ', '\ud83d', None, 3, b'x', ['a']])
def test_a_title_that_is_no_line_of_text_is_refused(model, title, tmp_path):
    for make in web.make_space, web.make_page:
        with pytest.raises((TypeError, ValueError), match='title is .* one line of text'): make(model, tmp_path/'new', title)
    assert not list(tmp_path.iterdir())

# ---------- pictures, good and bad

def jpeg(im, **kw):
    out = io.BytesIO()
    im.save(out, kw.pop('format', 'JPEG'), **kw)
    return out.getvalue()

def png_bomb(side, depth=8):
    "A PNG of side * side black pixels: small on the way, huge when unpacked."
    z, rows, data = zlib.compressobj(1), bytes(100*(1+side*depth//8)), b''
    for _ in range(side//100): data += z.compress(rows)
    def chunk(kind, d): return struct.pack('>I', len(d))+kind+d+struct.pack('>I', zlib.crc32(kind+d))
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, depth, 0, 0, 0, 0))+chunk(b'IDAT', data+z.flush())+chunk(b'IEND', b'')

def long_gif(n):
    frame = b'\x21\xf9\x04\x00\x0a\x00\x00\x00,'+struct.pack('<HHHH', 0, 0, 1, 1)+b'\x00\x02\x02\x44\x01\x00'
    return b'GIF89a'+struct.pack('<HH', 40, 30)+b'\x80\x00\x00'+bytes([255, 0, 0, 0, 0, 255])+frame*n+b';'

def a_pet(): return Image.open(get_data('pets', 'sample')/'images'/'Bengal_5.jpg').convert('RGB')

@pytest.fixture(scope='module')
def pet(): return a_pet()

def cut_in_two(data): return data[:len(data)//2]

def see_through(pet):
    rgba = pet.convert('RGBA')
    rgba.putalpha(Image.linear_gradient('L').resize(pet.size).point(lambda v: max(v, 1)))
    return rgba

def cut_out(pet):
    "A hole with the pet in it, and loud colours hidden around: nobody sees them, but they are in the file."
    hole = Image.radial_gradient('L').resize(pet.size).point(lambda v: 255*(v < 128))
    rgba = Image.composite(pet, Image.new('RGB', pet.size, (255, 0, 160)), hole).convert('RGBA')
    rgba.putalpha(hole)
    return rgba

def grey16(pet): return Image.fromarray(np.asarray(pet.convert('L')).astype('uint16')*257)

# Name -> what makes (data, name, kind) of a picture of a pet.
BAD = {
    'zero bytes': lambda pet: (b'', 'a.jpg', 'image/jpeg'), 'text': lambda pet: (b'Hello, I am a picture. Honestly.', 'a.jpg', 'image/jpeg'),
    'cut JPEG': lambda pet: (cut_in_two(jpeg(pet, quality=95)), 'a.jpg', 'image/jpeg'), 'cut PNG': lambda pet: (cut_in_two(jpeg(pet, format='PNG')), 'a.png', 'image/png'),
    '100 megapixels': lambda pet: (png_bomb(10_000), 'a.png', 'image/png'), '400 megapixels': lambda pet: (png_bomb(20_000, 1), 'a.png', 'image/png'),
    'SVG': lambda pet: (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'a.svg', 'image/svg+xml'),
    'SVG named jpg': lambda pet: (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', 'a.jpg', 'image/jpeg'),
    'HTML': lambda pet: (b'<html><script>alert(1)</script></html>', 'a.html', 'text/html'), 'TIFF': lambda pet: (jpeg(pet, format='TIFF'), 'a.tif', 'image/tiff'),
    'EPS': lambda pet: (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'a.eps', 'application/postscript')}

@functools.cache
def bad(name): return BAD[name](a_pet())

# Name -> what makes (data, name).
ODD = {
    'long GIF': lambda pet: (long_gif(10_000), 'a.gif'), 'CMYK': lambda pet: (jpeg(pet.convert('CMYK')), 'a.jpg'),
    '16 bits': lambda pet: (jpeg(grey16(pet), format='PNG'), 'a.png'), 'RGBA': lambda pet: (jpeg(see_through(pet), format='PNG'), 'a.png'),
    'cut out': lambda pet: (jpeg(cut_out(pet), format='PNG'), 'a.png'), 'cut out WebP': lambda pet: (jpeg(cut_out(pet), format='WEBP', lossless=True, exact=True), 'a.webp'),
    'palette': lambda pet: (jpeg(pet.quantize(16), format='PNG', transparency=3), 'a.png'), '1 bit': lambda pet: (jpeg(pet.convert('1'), format='PNG'), 'a.png'),
    '1x1': lambda pet: (jpeg(pet.resize((1, 1)), format='PNG'), 'a.png'), '1x20000': lambda pet: (jpeg(pet.resize((1, 20_000)), format='PNG'), 'a.png'),
    '20000x1': lambda pet: (jpeg(pet.resize((20_000, 1))), 'a.jpg'), 'grey': lambda pet: (jpeg(pet.convert('L')), 'a.jpg'),
    'WebP': lambda pet: (jpeg(pet, format='WEBP'), 'a.webp'), 'BMP': lambda pet: (jpeg(pet, format='BMP'), 'a.bmp'),
    'PNG named jpg': lambda pet: (jpeg(pet, format='PNG'), 'a.jpg'), 'odd name': lambda pet: (jpeg(pet), '../../été "x" \u202e<b>.jpg'), 'no suffix': lambda pet: (jpeg(pet), 'a')}

@functools.cache
def odd(name): return ODD[name](a_pet())

def turned(pet, n):
    exif = Image.Exif()
    exif[0x0112] = n
    return jpeg(pet.crop((0, 10, 160, 120)), quality=95, exif=exif)

# ---------- the app, through its HTTP interface

def test_app_answers_as_python_does(app, classifier, pets):
    for f in pets[::90]:
        assert app.predict(f.read_bytes()) == pytest.approx(classifier.predict_one(f), abs=1e-5)

@pytest.mark.parametrize('name', BAD)
def test_bad_picture_is_refused_in_plain_words(app, name):
    answer = app.predict(*bad(name))
    assert isinstance(answer, str) and re.match(r'(This is not a picture|The picture is (damaged|too big))', answer), answer

@pytest.mark.parametrize('name', ODD)
def test_odd_picture_gets_the_answer_that_python_gives(app, classifier, name):
    data, file = odd(name)
    assert app.predict(data, file) == pytest.approx(classifier.predict_one(data), abs=1e-5)

@pytest.mark.parametrize('name', ['_Wait for it...__ a cat.jpg', 'a..b.jpg', '.hidden.jpg', '..jpg', 'x..', '....'])
def test_names_with_dots_are_names(app, classifier, pet, name):
    path = app.upload(jpeg(pet), name).json()[0]
    event, out = app.call({'path': path, 'meta': {'_type': 'gradio.FileData'}})
    assert event == 'complete' and out[0]['label'] == next(iter(classifier.predict_one(jpeg(pet)))), out
    assert app.ask('GET', f'/gradio_api/file={requests.utils.quote(path)}').content == jpeg(pet)

@pytest.mark.parametrize('n', range(1, 9))
def test_turned_photo_is_turned_back(app, classifier, pet, n):
    answer = app.predict(turned(pet, n))
    assert answer == pytest.approx(classifier.predict_one(turned(pet, n)), abs=1e-5)
    if n == 6: assert answer != pytest.approx(classifier.predict_one(turned(pet, 1)), abs=1e-4)

@pytest.mark.parametrize('mb', [11, 50])
def test_large_file_is_refused(app, mb):
    r = app.upload(os.urandom(1000)*1000*mb)
    assert r.status_code == 413 and r.text == 'This file is too large. Up to 10 MB work.'

def test_large_body_of_another_kind_is_refused(app):
    assert app.ask('POST', '/gradio_api/call/predict', json={'data': ['x'*10**6]}).status_code == 413
    assert app.ask('POST', '/gradio_api/call/predict', data=iter([b'{"data": ["', b'x'*10**6, b'"]}'])).status_code == 411   # says no length

def assert_no_answer(text): assert 'event: error' in text or 'data: [{}]' in text, text

def test_wrong_content_type(app, classifier, pet):
    assert app.predict(jpeg(pet), 'a.jpg', 'text/plain') == pytest.approx(classifier.predict_one(jpeg(pet)), abs=1e-5)   # what is in it counts
    assert app.ask('POST', '/gradio_api/upload', data=b'abc', headers={'Content-Type': 'text/plain'}).status_code == 400
    assert app.ask('POST', '/gradio_api/upload', data=b'abc', headers={'Content-Type': 'multipart/form-data'}).status_code >= 400
    assert app.ask('POST', '/gradio_api/call/predict', data=b'\xff\x00', headers={'Content-Type': 'application/json'}).status_code == 422
    assert app.ask('POST', '/gradio_api/call/predict', json=[1]).status_code == 422
    for data in ([], [1], ['a', 'b'], [{}], [{'path': None}], [{'path': 5}], [{'path': ['a']}], [[]]):
        r = app.ask('POST', '/gradio_api/call/predict', json={'data': data})
        if r.ok: assert_no_answer(app.ask('GET', f"/gradio_api/call/predict/{r.json()['event_id']}").text)

def test_nothing_given_is_no_error(app): assert app.call(None)[0] == 'complete'

def test_unknown_names(app):
    for path in ('/gradio_api/call/nothing', '/gradio_api/call/../predict', '/gradio_api/run/nothing', '/gradio_api/run/predict', '/gradio_api/api/predict',
                 '/api/predict', '/gradio_api/call/v2/nothing', '/gradio_api/queue/join', '/login', '/gradio_api/component_server'):
        assert app.ask('POST', path, json={'data': [None]}).status_code >= 400, path
    for path in ('/nothing', '/docs', '/openapi.json', '/gradio_api/openapi.json', '/monitoring', '/monitoring/summary', '/gradio_api/runs', '/gradio_api/stream/x',
                 '/gradio_api/proxy=http://127.0.0.1/', '/gradio_api/file=http://127.0.0.1/', '/gradio_api/call/predict/nothing', '/gradio_api/dev/reload'):
        r = app.ask('GET', path)
        assert r.status_code >= 400 or 'event: error' in r.text, path
    for method in ('PUT', 'DELETE', 'PATCH', 'TRACE', 'OPTIONS'): assert app.ask(method, '/gradio_api/upload').status_code >= 400

def raw(app, path):
    "Send a path as it is: HTTP libraries tidy up dots."
    with socket.create_connection(('127.0.0.1', int(app.url.split(':')[-1])), 10) as s:
        s.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
        answer = b''.join(iter(lambda: s.recv(65536), b'')).decode(errors='replace')
    app.hear(f'GET {path}', answer)
    return answer

def test_no_file_but_pictures_can_be_had(app, pet, space):
    path = app.upload(jpeg(pet)).json()[0]
    assert app.ask('GET', f'/gradio_api/file={path}').content == jpeg(pet)
    folder = path.rsplit('/', 1)[0]
    for p in ('/etc/passwd', '../../../../etc/passwd', f'{folder}/../../../../../etc/passwd', f'{folder}/..%2f..%2f..%2f..%2fetc%2fpasswd', '%2fetc%2fpasswd',
              'pictures/%2e%2e/%2e%2e/%2e%2e/etc/passwd', str(space/'app.py'), 'file:///etc/passwd', 'pictures', folder, f'{folder}/', f'{folder}/x\0.jpg',
              f'pictures\\..\\..\\etc\\passwd', '/proc/self/environ', f'{folder}/%00'):
        for start in ('/gradio_api/file=', '/gradio_api/file/', '/file='):
            answer = raw(app, start+p.replace('\0', '%00'))
            assert re.match(r'HTTP/1.1 4\d\d', answer) and 'root:' not in answer and 'import' not in answer, (p, answer)

@pytest.mark.parametrize('path', ['/etc/passwd', '../../../../../../etc/passwd', 'http://127.0.0.1:1/a.jpg', 'https://example.com/a.jpg', 'data:image/png;base64,AAAA', '', 'pictures', '.', 'a\0b'])
@pytest.mark.parametrize('meta', [{'meta': {'_type': 'gradio.FileData'}}, {}, {'is_stream': True, 'meta': {'_type': 'gradio.FileData'}}])
def test_no_other_file_is_opened(app, path, meta):
    r = app.ask('POST', '/gradio_api/call/predict', json={'data': [{'path': path, 'url': path, **meta}]})
    assert_no_answer(app.ask('GET', f"/gradio_api/call/predict/{r.json()['event_id']}").text)

def test_no_more_is_uploaded_than_a_disk_holds(app):
    many = app.ask('POST', '/gradio_api/upload', files=[('files', (f'{i}.jpg', b'x', 'image/jpeg')) for i in range(1100)])
    assert many.status_code in (400, 413), many.text

def test_no_answer_tells_about_the_machine(app):
    "`ask` looks at each answer; here are the addresses that no other test asks."
    assert 'read' in app.predict(b'no picture, but text')
    for path in ('/', '/config', '/gradio_api/info', '/gradio_api/app_id', '/theme.css', '/manifest.json', '/robots.txt', '/favicon.ico', '/gradio_api/startup-events'):
        app.ask('GET', path)
    with pytest.raises(AssertionError): app.hear('GET x', f'Traceback ... {app.tmp}')   # it can fail

def test_bad_pictures_leave_nothing_in_memory(app, classifier, pets):
    for f in pets[:9]: app.predict(f.read_bytes())   # all that is loaded at first is loaded
    start = app.memory()
    for _ in range(3):
        for name in BAD: app.predict(*bad(name))
        for name in ODD: app.predict(*odd(name))
    assert app.predict(pets[7].read_bytes()) == pytest.approx(classifier.predict_one(pets[7]), abs=1e-5)
    assert app.memory() < start+60, f'{start:.0f} MB before, {app.memory():.0f} MB after'

def test_many_at_once_and_none_is_lost(app, pets, classifier):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(16) as pool: answers = list(pool.map(lambda f: app.predict(f.read_bytes()), pets[:48]))
    assert [max(a, key=a.get) for a in answers] == [next(iter(classifier.predict_one(f))) for f in pets[:48]]

def test_gradios_own_client_works(app, pets, classifier):
    from gradio_client import Client, handle_file
    out = Client(app.url, verbose=False).predict(handle_file(str(pets[3])), api_name='/predict')
    assert out['label'] == next(iter(classifier.predict_one(pets[3])))

@pytest.fixture(scope='module')
def browser(): yield from start_chromium()

def said(v, begins):
    "Wait until the live region begins with some words; return all of it."
    v.tab.get_by_role('status').get_by_text(re.compile(f'^{begins}')).wait_for(timeout=30_000)
    return v.tab.locator('#said').inner_text().strip()

def test_app_works_in_a_browser_and_asks_nobody_else(app, browser, space, classifier, pet):
    v = Visitor(browser, app.url)
    def upload(data, name='a.jpg'): v.tab.locator('input[type=file]').first.set_input_files({'name': name, 'mimeType': 'image/jpeg', 'buffer': data})
    first = sorted((space/'examples').iterdir())[0]
    v.tab.get_by_role('button', name=f'Example 1: {first.stem[2:]}', exact=True).click()          # a name, not only a picture
    label, p = next(iter(classifier.predict_one(first).items()))
    assert said(v, 'Most likely') == f'Most likely: {label}, {100*p:.1f}%.'
    v.tab.get_by_role('img', name='The picture you gave').wait_for()
    bars = v.tab.get_by_role('list', name='Labels, the most probable first').get_by_role('listitem')
    assert bars.count() == 2 and bars.first.inner_text().split('\n') == [label, f'{100*p:.1f}%']
    upload(b'no picture')
    assert said(v, 'This is not').startswith('This is not a picture that can be read')
    assert not bars.count()                                                                        # no old answer beside a new picture
    assert not v.tab.locator('#picture img').count()                                               # and no broken one
    upload(bytes(11*10**6), 'big.jpg')
    v.tab.get_by_text(re.compile(r'maximum allowed size of 10(\.0)? MB', re.I)).first.wait_for(timeout=30_000)
    upload(jpeg(pet), '.hidden..jpg')
    said(v, 'Most likely')
    v.tab.get_by_role('img', name='The picture you gave').wait_for()
    assert v.tab.evaluate("document.querySelector('#picture img').naturalWidth") == pet.width
    text = v.tab.inner_text('body')
    assert 'It learned from 237 drawn pictures (pets, sample); photos and other drawings will fool it.' in text and 'Files up to 10 MB' in text
    assert v.tab.get_by_role('heading', level=1).inner_text() == "Cat or dog, what's that?"
    assert v.tab.evaluate("document.documentElement.lang")                                         # by hand, what axe would look at
    assert v.tab.evaluate("[...document.querySelectorAll('button')].filter(b => !(b.innerText.trim() || b.ariaLabel || b.title)).map(b => b.outerHTML)") == []
    assert v.tab.evaluate("[...document.querySelectorAll('img')].filter(i => !i.alt && !i.closest('button[aria-label]')).map(i => i.outerHTML)") == []
    assert not v.strangers() and not [c for c in v.complaints if 'not implemented' not in c], (v.strangers(), v.complaints)
    v.context.close()

@pytest.mark.parametrize('p', [1, .9996, .9994, .5, .0006, .0004, 0])
def test_app_and_page_write_a_probability_alike(calculator, p):
    code = (ROOT/'web'/'app.py').read_text()
    names = {}
    exec(code[code.index('def percent'):code.index('def safe')], names)
    assert names['percent'](p) == calculator.tab.evaluate('p => percent(p)', p)

def test_pictures_are_deleted(app, pet):
    app.upload(jpeg(pet))
    assert app.pictures()
    for _ in range(40):
        if not app.pictures(): break
        time.sleep(1)
    assert not app.pictures()

@pytest.mark.slow
def test_serve_runs_until_ctrl_c_and_leaves_nothing(model, tmp_path):
    port, tmp = free_port(), tmp_path/'tmp'
    tmp.mkdir()
    code = f'from fastlessons.deploy.web import serve; import sys; sys.exit(serve({str(model)!r}, {port}))'
    p = subprocess.Popen([sys.executable, '-c', code], env=dict(os.environ, TMPDIR=str(tmp)), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(900):
        try: requests.get(f'http://127.0.0.1:{port}/config', timeout=5); break
        except requests.ConnectionError: time.sleep(.1)
    assert p.stdout.readline().strip() == f'The app is at http://127.0.0.1:{port}/'
    os.killpg(p.pid, signal.SIGINT)   # as a terminal does
    out, err = p.communicate(timeout=30)
    assert p.returncode == 0 and 'Traceback' not in err, err
    assert not out   # nothing of public links
    assert not list(tmp.iterdir())

# ---------- a browser

def chromium():
    "Return the path of Chromium, installing Debian's if we may; else None."
    names = 'chromium', 'chromium-browser', 'google-chrome'
    found = next(filter(None, map(shutil.which, names)), None)
    if found or not (shutil.which('apt-get') and os.geteuid() == 0): return found
    with contextlib.suppress(subprocess.TimeoutExpired):
        for args in (['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', 'chromium']):
            subprocess.run(['apt-get', *args], env=dict(os.environ, DEBIAN_FRONTEND='noninteractive'), capture_output=True, timeout=300)
    return shutil.which('chromium')

def start_chromium():
    sync_api = pytest.importorskip('playwright.sync_api', reason='no browser tests: pip install playwright')
    exe = chromium()
    if not exe: pytest.skip('no browser tests: Chromium is not here and could not be installed (sudo apt install chromium)')
    with sync_api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=exe, args='--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking '
                              '--disable-component-update --disable-sync'.split())
        yield b
        b.close()

class Visitor:
    "A browser tab that notes down every request and every complaint."
    def __init__(self, browser, url, **kw):
        self.context, self.asked, self.complaints = browser.new_context(**{'viewport': dict(width=1100, height=900), **kw}), [], []
        self.tab = self.context.new_page()
        self.context.on('request', lambda r: self.asked.append(r.url))
        self.tab.on('console', lambda m: self.complaints.append(m.text) if m.type in ('error', 'warning') else None)
        self.tab.on('pageerror', lambda e: self.complaints.append(str(e)))
        self.url = url
        self.tab.goto(url)

    def strangers(self): return [u for u in self.asked if not u.startswith((self.url, 'data:', 'blob:'))]
    def status(self): return self.tab.inner_text('#status')

    def give(self, data, name='a.jpg', kind='image/jpeg', field='#file'):
        "Choose a file; return what the page says."
        self.tab.set_input_files(field, {'name': name, 'mimeType': kind, 'buffer': data})
        return self.wait()

    def wait(self):
        for _ in range(600):   # not playwright's own way to wait, which the page's security policy forbids
            if not self.status().startswith(('Loading', 'Looking')): return self.status()
            time.sleep(.1)
        raise TimeoutError(f'{self.status()} {self.complaints}')

    def bars(self):
        "The labels and probabilities on the page, and the exact ones behind them."
        return {li.query_selector('.label').inner_text(): li.query_selector('.value').inner_text() for li in self.tab.query_selector_all('#bars li')}

    def exact(self, data):
        return dict(self.tab.evaluate('''async b => { await ready
            const picture = await open(new File([Uint8Array.from(atob(b), c => c.charCodeAt())], 'a'))
            return predict(picture) }''', base64.b64encode(data).decode()))

class Static(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@pytest.fixture(scope='module')
def page_folder(model, tmp_path_factory):
    try: return web.make_page(model, tmp_path_factory.mktemp('page')/'page', title='Cat & dog?')
    except ConnectionError as e: pytest.skip(f'no tests of the page: {e}')

@pytest.fixture(scope='module')
def page_url(page_folder):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Static, directory=page_folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()

def visit(browser, page_url):
    v = Visitor(browser, page_url)
    assert v.wait() == 'Ready.'
    yield v
    v.context.close()
    assert not v.strangers() and not v.complaints, (v.strangers(), v.complaints)

@pytest.fixture
def visitor(browser, page_url): yield from visit(browser, page_url)

@pytest.fixture(scope='module')
def calculator(browser, page_url):
    "One page for all tests that only compare numbers: to load it takes longer than to ask it."
    yield from visit(browser, page_url)

# ---------- the page

def test_page_is_complete(page_folder):
    names = {p.relative_to(page_folder).as_posix() for p in page_folder.rglob('*') if p.is_file()}
    assert names == {'index.html', 'page.js', 'page.css', 'card.json', 'model.onnx', 'ort/ort.js', 'ort/ort.wasm'}
    text = (page_folder/'index.html').read_text()
    assert 'It learned from 237 drawn pictures (pets, sample); photos and other drawings will fool it. Of 59 others of the same kind it got' in text
    assert '<h1>Cat &amp; dog?</h1>' in text and "default-src 'none'" in text and 'unsafe-inline' not in text and "'unsafe-eval'" not in text

def test_runtime_is_checked(home, monkeypatch):
    home.mkdir()
    (home/web._TGZ).write_bytes(b'something else')
    monkeypatch.setattr(web, '_by_npm', lambda folder: (folder/web._TGZ).write_bytes(b'forged'))
    monkeypatch.setattr(shutil, 'which', lambda name: f'/bin/{name}')
    with pytest.raises(ConnectionError, match='npm could not get it.*npm pack onnxruntime-web@'): web.runtime()
    assert {p.name for p in home.iterdir() if not p.name.endswith('.lock')} == {web._TGZ}   # nothing half done

def test_runtime_without_npm(home, monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    with pytest.raises(ConnectionError, match='npm, which comes with Node.js, is not installed.*make_space'): web.runtime()
    assert not [p for p in home.iterdir() if not p.name.endswith('.lock')]

def test_page_says_what_python_says(visitor, classifier, pets):
    worst, valid = 0, pets[::24]
    assert len(valid) >= 30
    for f in valid:
        ours, theirs = classifier.predict_one(f), visitor.exact(f.read_bytes())
        assert list(ours) == list(theirs)
        worst = max(worst, *(abs(ours[k]-theirs[k]) for k in ours))
    print(f'{len(valid)} pictures, largest difference of a probability {worst:.1e}')
    assert worst < .02
    says = visitor.give(pets[3].read_bytes())
    best = next(iter(classifier.predict_one(pets[3]).items()))
    assert says.startswith(f'Most likely: {best[0]}, ') and len(visitor.bars()) == 2 and list(visitor.bars())[0] == best[0]

# not: a GIF whose first frame fills only a part. A browser leaves the rest transparent; Pillow and fastai paint it.
@pytest.mark.parametrize('name', [n for n in ODD if n != 'long GIF'] + [f'turned {n}' for n in range(1, 9)])
def test_page_reads_odd_pictures_as_python_does(calculator, classifier, pet, name):
    data = turned(pet, int(name[-1])) if name.startswith('turned') else odd(name)[0]
    assert calculator.exact(data) == pytest.approx(classifier.predict_one(data), abs=.02)

def test_page_and_app_see_a_cut_out_picture_as_people_do(calculator, app, classifier, pet):
    "On white, also in a browser with dark pages; the colours that are hidden in the file play no part."
    cut, white = cut_out(pet), Image.new('RGBA', pet.size, 'white')
    seen = Image.alpha_composite(white, cut).convert('RGB')
    answer = classifier.predict_one(seen)
    assert app.predict(jpeg(cut, format='PNG'), 'a.png') == pytest.approx(answer, abs=1e-5) and calculator.exact(jpeg(cut, format='PNG')) == pytest.approx(answer, abs=.02)
    calculator.tab.evaluate('async b => { window.picture = await createImageBitmap(new Blob([Uint8Array.from(atob(b), c => c.charCodeAt())])) }', base64.b64encode(jpeg(cut, format='PNG')).decode())
    got = calculator.tab.evaluate('card => btoa(Array.from(pixels(picture, card), b => String.fromCharCode(b)).join(""))', classifier.card)
    gap = np.frombuffer(base64.b64decode(got), 'uint8') - classifier._pixels(seen).ravel().astype(int)
    assert abs(gap).max() <= 2 and abs(classifier._pixels(cut.convert('RGB')).astype(int) - classifier._pixels(seen)).mean() > 20   # hidden
    for f in 'page.css', 'app.py': assert re.search(r'(#shown|#picture img) \{[^}]*background: white', (ROOT/'web'/f).read_text())

RULES = [(m, p) for m in ('crop', 'squish') for p in ('reflection',)] + [(m, p) for m in ('pad', 'none') for p in ('zeros', 'border', 'reflection')]

@pytest.mark.parametrize('size', [(160, 160), (200, 121), (77, 203), (1, 1), (1, 300), (3, 40), (1500, 2000)])
def test_page_cuts_and_shrinks_to_the_same_bytes(calculator, size):
    rng, (w, h) = np.random.default_rng(0), size
    im = Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8))
    calculator.tab.evaluate('async b => { window.picture = await createImageBitmap(new Blob([Uint8Array.from(atob(b), c => c.charCodeAt())])) }',
                         base64.b64encode(jpeg(im, format='PNG')).decode())
    cases = list(itertools.product(RULES, ('RGB', 'L'), ((96, 128), (64, 64))))
    for (method, pad_mode), mode, out in cases if w < 1000 else cases[::7]:   # the large one is read in strips
        card = dict(size=list(out), mode=mode, resize=dict(method=method, size=[96, 128], pad_mode=pad_mode, resample='bilinear'))
        if method == 'none': del card['resize']['size']
        want = PictureClassifier(dict(card, labels=[]), None)._pixels(im)
        got = calculator.tab.evaluate('card => btoa(Array.from(pixels(picture, card), b => String.fromCharCode(b)).join(""))', card)
        assert base64.b64decode(got) == want.tobytes(), (method, pad_mode, mode, out)

def test_page_says_what_is_wrong(visitor, pet):
    unreadable = 'This file is not a picture that your browser can read. JPEG, PNG, WebP and GIF work.'
    for name in ('zero bytes', 'text', 'SVG', 'SVG named jpg', 'HTML', 'cut JPEG', 'EPS'): assert visitor.give(*bad(name)) == unreadable, name
    assert visitor.give(bytes(21*10**6)) == 'This file is too large. Up to 20 MB work.'
    for name in ('100 megapixels', '400 megapixels'): assert visitor.give(*bad(name)) == 'This picture is too large. Up to 50 megapixels work.'
    assert 'wrong' in visitor.tab.get_attribute('#status', 'class') and not visitor.bars()
    assert visitor.give(jpeg(pet)).startswith('Most likely') and 'wrong' not in visitor.tab.get_attribute('#status', 'class')   # and it goes on
    visitor.complaints.clear()   # the browser itself may warn of bad pictures

def test_page_works_without_a_network_once_it_is_loaded(visitor, pet):
    visitor.context.set_offline(True)
    assert visitor.give(jpeg(pet)).startswith('Most likely')
    assert visitor.give(jpeg(pet), field='#camera').startswith('Most likely')

def test_page_takes_what_is_dropped(visitor, pet):
    visitor.tab.evaluate('''b => { const t = new DataTransfer()
        t.items.add(new File([Uint8Array.from(atob(b), c => c.charCodeAt())], 'a.jpg', {type: 'image/jpeg'}))
        document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: t, bubbles: true, cancelable: true})) }''', base64.b64encode(jpeg(pet)).decode())
    assert visitor.wait().startswith('Most likely')

def test_page_can_be_used_with_a_keyboard_and_a_screen_reader(visitor, pet):
    tab = visitor.tab
    tab.on('filechooser', lambda _: None)   # the browser needs a moment to hand choosers over: tell it early
    tab.keyboard.press('Tab')
    assert tab.evaluate('document.activeElement.id') == 'file'
    outline = "getComputedStyle(document.querySelector('label[for=file]')).outlineStyle"
    assert tab.evaluate(outline) == 'solid'   # you see where you are
    with tab.expect_file_chooser() as chooser: tab.keyboard.press('Enter')
    chooser.value.set_files({'name': 'a.jpg', 'mimeType': 'image/jpeg', 'buffer': jpeg(pet)})
    assert visitor.wait().startswith('Most likely')
    assert tab.get_by_role('status').inner_text() == visitor.status() and tab.get_by_role('heading', level=1).count() == 1
    assert tab.get_by_role('list').get_by_role('listitem').count() == 2 and tab.get_by_role('img', name='The picture you gave').count() == 1
    assert tab.get_by_label('Choose a picture').count() == 1 and tab.evaluate('document.documentElement.lang') == 'en'

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [320, 390, 1200])
def test_page_looks_right(browser, page_url, pet, scheme, width):
    v = Visitor(browser, page_url, viewport=dict(width=width, height=800), color_scheme=scheme, reduced_motion='reduce', has_touch=width < 500, is_mobile=width < 500)
    v.wait()
    v.give(jpeg(pet))
    assert v.tab.evaluate('document.documentElement.scrollWidth') <= width                      # nothing sticks out
    assert v.tab.is_visible('label[for=camera]') == (width < 500)
    assert v.tab.evaluate("getComputedStyle(document.querySelector('.bar')).transitionDuration") in ('0s', '')
    box = v.tab.query_selector('label[for=file]').bounding_box()
    assert box['height'] >= 44                                                                   # a thumb can hit it
    def colour(css, what='color'): return v.tab.evaluate(f"getComputedStyle(document.querySelector('{css}')).{what}")
    pairs = [(colour('body'), colour('body', 'backgroundColor')), (colour('.hint'), colour('#drop', 'backgroundColor')), (colour('footer'), colour('body', 'backgroundColor')),
             (colour('label'), colour('label', 'backgroundColor')), (colour('li'), colour('li', 'backgroundColor')), (colour('li'), colour('.bar', 'backgroundColor'))]
    v.tab.evaluate("say('x', true)")
    pairs.append((colour('#status'), colour('body', 'backgroundColor')))
    for pair in pairs: assert contrast(*pair) >= 4.5, pair
    v.context.close()

def contrast(a, b):
    "Contrast of two CSS colours (WCAG 2.2, 1.4.3): 4.5 or more can be read by most."
    def light(css):
        rgb = np.array([int(c) for c in re.findall(r'\d+', css)[:3]])/255
        return np.where(rgb <= .04045, rgb/12.92, ((rgb+.055)/1.055)**2.4) @ [.2126, .7152, .0722]
    x, y = sorted((light(a), light(b)))
    return (y+.05)/(x+.05)

def test_page_opened_as_a_file_says_what_to_do(browser, page_folder):
    v = Visitor(browser, (page_folder/'index.html').as_uri())
    assert v.wait().startswith('This page has to come from a web server.')
    v.context.close()

def test_page_with_a_missing_model_says_so(browser, page_folder, tmp_path):
    shutil.copytree(page_folder, tmp_path/'page')
    (tmp_path/'page'/'model.onnx').unlink()
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Static, directory=tmp_path/'page'))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    v = Visitor(browser, f'http://127.0.0.1:{server.server_port}/')
    assert v.wait() == 'The model could not be loaded. Please load the page again.'
    server.shutdown()
    v.context.close()
