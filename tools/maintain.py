"""What those who work on the lessons need: `save NN` runs a notebook and saves it,
`real NN FOLDER` keeps what a lesson gives on the real data in that folder, `play`
writes changed scripts of `web/interactive` into the saved notebooks, `readme` makes
README.md from the index, `map` prints the map of the library, `shoot MODEL` takes the
pictures of the app and the page of a model folder (with Chromium).

The tests import this file to see that what is committed is in step."""
import ast, base64, configparser, io, json, os, re, shutil, subprocess, sys, tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
MADE = ('<!-- Made from nbs/index.ipynb by `make readme`. '
        'Edit the notebook, not this file. -->')

def settings():
    "Read settings.ini as a dict."
    cfg = configparser.ConfigParser(delimiters=['='])
    cfg.read(ROOT/'settings.ini', encoding='utf-8')
    return dict(cfg['DEFAULT'])

def badges(name):
    "Return the line of badges for a notebook, e.g. '01_pets', by its path in nbs."
    s = settings()
    repo = s['repo_url'].removeprefix('https://github.com/')
    page = f"{repo}/blob/{s['branch']}/nbs/{name}.ipynb"
    colab, kaggle = 'https://colab.research.google.com', 'https://kaggle.com'
    return (f'[![Open in Colab]({colab}/assets/colab-badge.svg)]'
            f'({colab}/github/{page}) '
            f'[![Open in Kaggle]({kaggle}/static/images/open-in-kaggle.svg)]'
            f'({kaggle}/kernels/welcome?src=https://github.com/{page})')

def installer(path):
    "Return how a lesson's first cell installs the library, with the lesson's extras."
    from fastlessons.course import extras, read_lesson
    needs, useful = extras(read_lesson(path))
    what = f"git+{settings()['repo_url']}"
    names = ','.join(needs + useful)
    if names: what = f'"fastlessons[{names}] @ {what}"'
    # pip without --upgrade leaves alone what is there, such as the platform's own torch
    return ('try: import fastlessons\n'
            'except ImportError:   # as on Colab and Kaggle; needs the internet\n'
            f'    %pip install -q {what}\n')

def readme():
    "Return README.md: the index as Markdown, with links that work from the root."
    parts = [MADE]
    for c in nbformat.read(NBS/'index.ipynb', 4).cells:
        if c.cell_type == 'markdown':
            parts.append(c.source)
            continue
        if '#| echo: false' not in c.source: parts.append(f'```python\n{c.source}\n```')
        parts += map(_output, c.outputs)
    text = '\n\n'.join(p for p in parts if p)
    text = re.sub(r'\]\((?!https?:|#)([^)]+)\)', r'](nbs/\1)', text)
    return text.replace('](nbs/../', '](') + '\n'

def _output(o):
    "Return an output as Markdown: a table as it is, text in a block."
    d = o.get('data', {})
    if 'text/markdown' in d: return d['text/markdown']
    text = o.get('text') or d.get('text/plain', '')
    return f'```text\n{text.rstrip()}\n```' if text else ''

def pictures(cell):
    "Yield the outputs of a cell that are pictures: their data, kind and bytes."
    for o in cell.get('outputs', []):
        data = o.get('data', {})
        for kind in ('image/png', 'image/jpeg'):
            if kind in data: yield data, kind, base64.b64decode(data[kind])

def picture(nb, name):
    "Write the small picture of the cell labelled `gallery` to nbs/images."
    from PIL import Image
    for c in nb.cells:
        if not c.source.startswith('#| label: gallery'): continue
        im = Image.open(io.BytesIO(next(pictures(c))[2])).convert('RGB')
        im.thumbnail((640, 400))
        (NBS/'images').mkdir(exist_ok=True)
        im.save(NBS/'images'/f'{name}.jpg', quality=85)

def find(name):
    "Return the notebook that is meant: a path in nbs or in lib, or a lesson's number."
    lessons = NBS.glob(f'{name}_*.ipynb')
    places = [NBS/f'{name}.ipynb', *lessons, NBS/f'lib/{name}.ipynb']
    return next(p for p in places if p.exists())

def _is_empty(o):
    "Return whether an output shows nothing, as a progress bar that has gone away."
    html = o.get('data', {}).get('text/html')
    shown = '<(img|svg|audio|video|script|button)'
    if html is None or re.search(shown, html): return False
    return not re.sub(r'<style>.*?</style>|<[^>]*>|\s', '', html, flags=re.S)

def _palette(im, n=128):
    "Return a picture of `n` colours: the most frequent as they are, others nearly."
    from PIL import Image
    import numpy as np
    dots = np.asarray(im, int) @ (1 << 16, 1 << 8, 1)   # a number for each colour
    seen, which, counts = np.unique(dots, return_inverse=True, return_counts=True)
    seen = np.stack([seen >> 16, seen >> 8 & 255, seen & 255], 1)
    common = np.argsort(-counts, kind='stable')[:n//4]
    # Each colour counts by the square root of its dots, so that thin lines stay.
    spread = np.repeat(seen.astype('uint8'), np.sqrt(counts).astype(int), axis=0)
    others = Image.fromarray(spread[None]).quantize(n - len(common), kmeans=2)
    others = np.reshape(others.getpalette(), (-1, 3))
    palette = np.r_[seen[common], others].astype(int)[:n]
    nearest = [((palette - colour)**2).sum(1).argmin() for colour in seen]
    indices = np.array(nearest, 'uint8')[which].reshape(im.size[::-1])
    small = Image.fromarray(indices).convert('P')
    small.putpalette(palette.astype('uint8').tobytes())
    return small

def shrink(data):
    "Make a PNG small: palette PNG for line art, JPEG for photos. Return kind, bytes."
    from PIL import Image
    im = Image.open(io.BytesIO(data)).convert('RGBA')
    im = Image.alpha_composite(Image.new('RGBA', im.size, 'white'), im).convert('RGB')
    png, jpeg = io.BytesIO(), io.BytesIO()
    im.save(jpeg, 'JPEG', quality=88, subsampling=0)
    # A drawing has at most some thousands of colours, at the edges of its lines.
    if im.getcolors(10_000) is None: return 'image/jpeg', jpeg.getvalue()
    _palette(im).save(png, 'PNG', optimize=True)
    kinds = {'image/png': png.getvalue(), 'image/jpeg': jpeg.getvalue()}
    return min(kinds.items(), key=lambda kind: len(kind[1]))

def tidy(cell):
    "Drop outputs that show nothing, keep a table or picture once, shrink pictures."
    from fastlessons import run
    cell.outputs = [o for o in cell.outputs if not _is_empty(o)]
    for o in cell.outputs:   # fastprogress stores the same HTML three times
        data = o.get('data', {})
        if data.get('text/html', '').startswith(run.ANSWERS):
            data[run.PLAY] = data.pop('text/html')   # GitHub then shows the picture
        if 'text/markdown' in data and 'text/html' in data: data.pop('text/markdown')
        if data.get('text/plain') == data.get('text/html'): data.pop('text/plain', None)
        if 'image/png' in data: data.pop('image/jpeg', None)
    for data, kind, file in [*pictures(cell)]:
        if kind != 'image/png': continue
        del data[kind]
        kind, file = shrink(file)
        data[kind] = base64.b64encode(file).decode()

def save(number):
    "Run a notebook afresh, save it, cleaned: '07', 'index', or 'vision/cnn' for lib."
    from fastlessons.run import execute
    from nbdev.clean import nbdev_clean
    path = find(number)
    nb = nbformat.read(path, 4)
    line = re.compile(r'^\[!\[Open in Colab\].*$', re.M)   # both made from settings.ini
    lines = re.compile(r'^try: import fastlessons\n.+\n.+%pip.+\n', re.M)
    name = path.relative_to(NBS).with_suffix('').as_posix()
    for c in nb.cells:
        if c.cell_type == 'markdown': c.source = line.sub(badges(name), c.source)
        elif lines.search(c.source): c.source = lines.sub(installer(path), c.source)
    execute(nb, path.parent)
    for c in nb.cells:
        if c.cell_type == 'code': tidy(c)
    new = path.with_suffix('.tmp')
    nbformat.write(nb, new)
    new.replace(path)
    nbdev_clean(str(path))
    picture(nb, path.stem)
    print(f'{path.name}: {path.stat().st_size//1024} KB')

def play():
    "Bring the scripts inside the saved pictures that answer up to date."
    from fastlessons import interactive, run
    parts = re.compile(r'<div data-play="(\w+)".*?const DATA = (.*?);\n', re.S)
    for path in sorted(NBS.rglob('*.ipynb')):
        nb = nbformat.read(path, 4)
        outputs = [o for c in nb.cells for o in c.get('outputs', [])]
        saved = [o.data for o in outputs if run.PLAY in o.get('data', {})]
        old = [data[run.PLAY] for data in saved]
        new = [interactive._html(*parts.match(html).groups()) for html in old]
        if new == old: continue
        for data, html in zip(saved, new): data[run.PLAY] = html
        nbformat.write(nb, path)
        print(path.name)

def real(number, folder):
    "Run a lesson on the real data in `folder`; keep its results in data/real.json."
    from fastlessons.check import keep_real
    with tempfile.TemporaryDirectory() as tmp:
        env = dict(os.environ, FASTLESSONS_HOME=f'{tmp}/home')
        command = [sys.executable, '-m', 'fastlessons', 'run', number, '--data', folder,
                   '--out', tmp]
        subprocess.run(command, env=env, check=True)
        lines = Path(tmp, 'home', 'results.jsonl').read_text().splitlines()
    keep_real(json.loads(lines[-1]), ROOT/'data'/'real.json')

@contextmanager
def _running(command, folder, address):
    "Run a web server in `folder` until the block ends, from when it answers on."
    from urllib.request import urlopen
    log = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log,
                              env=dict(os.environ, GRADIO_SERVER_PORT='7955'))
    try:
        for _ in range(300):
            time.sleep(.2)
            try: urlopen(address, timeout=5).close()
            except OSError: continue
            break
        yield
    finally:
        server.terminate()
        server.wait()

def shoot(model, out=NBS/'images'):
    "Take the pictures of the app, on a laptop, and the page, on a phone."
    from fastlessons.deploy.web import make_page, make_space
    from playwright.sync_api import sync_playwright
    title = 'Cat or dog?'
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as p:
        app = make_space(model, f'{tmp}/app', title)
        page = make_page(model, f'{tmp}/page', title)
        browser = p.chromium.launch(executable_path=shutil.which('chromium'),
                                    args=['--no-sandbox', '--disable-gpu'])
        address = 'http://127.0.0.1:7955'
        with _running([sys.executable, 'app.py'], app, address):
            tab = browser.new_page(viewport=dict(width=1000, height=720))
            tab.goto(address)
            tab.click('.gallery-item')
            tab.wait_for_selector('#bars li')
            _shot(tab, Path(out)/'02_app.jpg', 1000)
        command = [sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '7955']
        with _running(command, page, address):
            tab = browser.new_page(viewport=dict(width=390, height=940),
                                   device_scale_factor=2, has_touch=True)
            tab.goto(address)
            tab.set_input_files('#file', min((app/'examples').iterdir()))
            tab.locator('#bars li').first.wait_for()
            _shot(tab, Path(out)/'02_page.jpg', 390)
        browser.close()

def _shot(tab, path, w):
    "Save what a tab shows as a JPEG, `w` pixels wide."
    from PIL import Image
    tab.wait_for_timeout(1500)   # what moves has come to rest
    im = Image.open(io.BytesIO(tab.screenshot())).convert('RGB')
    im.thumbnail((w, im.height))
    im.save(path, quality=88)

def modules():
    "Return the modules made by notebooks: name, e.g. 'vision.cnn' -> its file as text."
    package = ROOT/'fastlessons'
    found = {}
    for path in sorted(package.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        name = '.'.join(path.relative_to(package).with_suffix('').parts)
        if 'File to edit:' in text: found[name] = text
    return found

def maker(name, text):
    "Return the notebook that makes the module `name`, which its file names."
    place = (ROOT/'fastlessons'/name.replace('.', '/')).parent
    return (place/re.search(r'File to edit: (.+\.ipynb)', text)[1]).resolve()

def purpose(text):
    "Return the first sentence of a module's docstring."
    doc = ast.get_docstring(ast.parse(text)) or ''
    return re.split(r'(?<=[.!?])\s', doc)[0]

def lesson_modules(path):
    "Name the modules that a notebook makes or imports, first the one that it makes."
    nb = nbformat.read(path, 4)
    code = '\n'.join(c.source for c in nb.cells if c.cell_type == 'code')
    made = re.findall(r'^#\| *default_exp +([\w.]+)', code, re.M)
    used = re.findall(r'^ *(?:from|import) fastlessons\.([\w.]+)', code, re.M)
    for names in re.findall(r'^ *from fastlessons import (.*)', code, re.M):
        used += re.findall(r'(\w+)(?: as \w+)?', names)
    return list(dict.fromkeys(made + [m for m in used if m[0] != '_']))

def library_map(folder=ROOT):
    """Return a Markdown table of the library, for a file that lies in `folder`.

    A row a module: what it is for, the notebook that makes it, the lessons that use it,
    in bold the one that builds it."""
    lessons = {p: lesson_modules(p) for p in sorted(NBS.glob('[0-9][0-9]_*.ipynb'))}
    def link(words, path):
        return f'[{words}]({Path(os.path.relpath(path, folder)).as_posix()})'
    def users(name, notebook):
        for path, used in lessons.items():
            number = path.stem[:2]
            if path == notebook: yield f'**{link(number, path)}**'
            elif name in {*used, f"exercises.l{number}"}: yield link(number, path)
    rows = ['| module | what it is for | made by | lessons |', '|---|---|---|---|']
    for name, text in modules().items():
        notebook = maker(name, text)
        made = link(notebook.relative_to(NBS).with_suffix('').as_posix(), notebook)
        in_lessons = ' '.join(users(name, notebook)) or ' '
        name = name.removesuffix('.__init__')
        rows.append(f'| `{name}` | {purpose(text)} | {made} | {in_lessons} |')
    return '\n'.join(rows)

if __name__ == '__main__':
    if sys.argv[1:2] == ['save'] and len(sys.argv) == 3: save(sys.argv[2])
    elif sys.argv[1:2] == ['real'] and len(sys.argv) == 4: real(*sys.argv[2:])
    elif sys.argv[1:] == ['readme']:
        (ROOT/'README.md').write_text(readme(), encoding='utf-8')
    elif sys.argv[1:] == ['play']: play()
    elif sys.argv[1:] == ['map']: print(library_map())
    elif sys.argv[1:2] == ['shoot'] and len(sys.argv) == 3: shoot(sys.argv[2])
    else: sys.exit(__doc__)
