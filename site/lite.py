"""Builds the lessons that run in the browser: JupyterLite, with Python as Pyodide.

`python site/lite.py` writes them to build/lite; a web server shows them. A visitor's
browser takes Pyodide from its own server. With a folder (`python site/lite.py folder`)
Pyodide is copied from there, and the whole asks no other server for anything."""
import json, re, shutil, subprocess, sys, zipfile
from importlib.metadata import distribution
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT/'site'), str(ROOT)]

from build import BADGES, LINK, LITE, NBS, SITE, github, maintain   # noqa: E402

# They import no torch and no fastai, and take minutes there, not a quarter of an hour.
LESSONS = '06', '09', '10'
PYODIDE = 'https://cdn.jsdelivr.net/pyodide/v0.27.7/full/pyodide.js'
IN_PYODIDE = 'numpy', 'pandas', 'matplotlib', 'scikit-learn', 'pillow'
INSTALLED = 'fastcore', 'ipywidgets', 'filelock', 'comm'
SAMPLES = 'bike.zip', 'titanic.zip', 'checksums.txt', 'real.json'
KERNEL = '@jupyterlite/pyodide-kernel-extension:kernel'
NOTE = """**This lesson runs in your browser**, and nothing is installed. Choose *Run*,
then *Run All Cells*. First Python is loaded, about 60 MB the first time; then the cells
take two to five times as long as on your own machine. Your changes stay in this browser
when you save them (*File*, *Save Notebook*); *File*, *Download* gives you the file.
Which exercises you solved is forgotten when you close the page."""

ICON = '<link rel="icon" href="../favicon.svg"></head>'
STATE = """<div id="python-state" style="position: fixed; z-index: 99; left: 0;
right: 0; bottom: 0; padding: 8px 12px; font: 15px sans-serif; color: #fff;
background: #345">
<span role="status">The lesson is loading.</span><span></span>
<button hidden style="font: inherit">Show it</button></div>
<script src="../state.js"></script>
</body>"""

def lessons():
    "Return the notebooks that run in the browser."
    return [next(NBS.glob(f'{n}_*.ipynb')) for n in LESSONS]

def write_wheel(folder, name, version, files, meta):
    "Write a wheel of Python only: `files` is where -> bytes."
    info = f'{name}-{version}.dist-info'
    wheel = 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
    files = {**files, f'{info}/METADATA': meta.encode(),
             f'{info}/WHEEL': wheel.encode()}
    rows = ''.join(f'{where},,\n' for where in [*files, f'{info}/RECORD'])
    files[f'{info}/RECORD'] = rows.encode()
    path = folder/f'{name}-{version}-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as z:
        for where, data in files.items(): z.writestr(where, data)

def installed_wheel(folder, name):
    "Make a wheel again of what is installed here, without its requirements."
    d = distribution(name)
    skip = ('METADATA', 'RECORD', 'WHEEL', 'INSTALLER', 'direct_url.json', '.pyc')
    files = {f.as_posix(): f.read_binary() for f in d.files
             if '..' not in f.parts and not f.name.endswith(skip)}
    meta = re.sub(r'^Requires-Dist:.*\n', '', d.read_text('METADATA'), flags=re.M)
    write_wheel(folder, name, d.version, files, meta)

def our_wheel(folder):
    "Make a wheel of the library and the samples that these lessons use."
    s = maintain.settings()
    code = [*(ROOT/'fastlessons').rglob('*.py')]
    files = {p.relative_to(ROOT).as_posix(): p.read_bytes() for p in code}
    files |= {f'fastlessons/_samples/{n}': (ROOT/'data'/n).read_bytes()
              for n in SAMPLES}
    needs = ''.join(f'Requires-Dist: {n}\n' for n in (*IN_PYODIDE, *INSTALLED))
    meta = (f"Metadata-Version: 2.1\nName: fastlessons\nVersion: {s['version']}\n"
            f"License: {s['license']}\n{needs}")
    write_wheel(folder, 'fastlessons', s['version'], files, meta)

def link(found):
    "Return a link of a lesson: what is not in the browser is on GitHub."
    target, part = found[1], found[2] or ''
    path = (NBS/target).resolve()
    if path in lessons(): return found[0]
    return f']({github(path.relative_to(ROOT).as_posix())}{part})'

def copy(path, folder):
    "Write a lesson as the browser has it: a note on top, the library from beside it."
    nb = nbformat.read(path, 4)
    nb.metadata.kernelspec = dict(name='python', display_name='Python (Pyodide)')
    for c in nb.cells:
        if c.cell_type == 'markdown':
            c.source = LINK.sub(link, BADGES.sub(NOTE, c.source))
        elif c.source.startswith('#| default_exp'):
            c.source = re.sub(r'except ImportError:.*\n( +%pip install -q) .*',
                              r'except ImportError:\n\1 fastlessons', c.source)
    nbformat.write(nb, folder/path.name)

def settings(pyodide):
    "Return JupyterLite's settings: which Python, from where."
    kernel = dict(pyodideUrl=PYODIDE, loadPyodideOptions=dict(packages=[*IN_PYODIDE]))
    if pyodide: kernel |= dict(pyodideUrl='./static/pyodide/pyodide.js',
                               disablePyPIFallback=True)
    data = dict(appName='fastlessons', exposeAppInBrowser=True,
                litePluginSettings={KERNEL: kernel})
    return {'jupyter-lite-schema-version': 0, 'jupyter-config-data': data}

def build(out=LITE, source=ROOT/'build/browser', pyodide=None):
    "Build the lessons that run in the browser; `pyodide` is a folder with Pyodide."
    for folder in (source, out): shutil.rmtree(folder, ignore_errors=True)
    (source/'pypi').mkdir(parents=True)
    (source/'files').mkdir()
    for path in lessons(): copy(path, source/'files')
    for name in INSTALLED: installed_wheel(source/'pypi', name)
    our_wheel(source/'pypi')
    if pyodide: shutil.copytree(pyodide, source/'static/pyodide')
    text = json.dumps(settings(pyodide), indent=1)
    (source/'jupyter-lite.json').write_text(text)
    command = [sys.executable, '-m', 'jupyterlite_core', 'build', '--lite-dir', source,
               '--contents', source/'files', '--output-dir', out, '--apps', 'notebooks',
               '--apps', 'tree', '--no-unused-shared-packages', '--no-sourcemaps']
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if done.returncode: raise SystemExit(done.stdout + done.stderr)
    for name in ('state.js', 'static/favicon.svg'): shutil.copy(SITE/name, out)
    page = out/'notebooks/index.html'
    text = page.read_text(encoding='utf-8')
    text = text.replace('</head>', ICON).replace('</body>', STATE)
    page.write_text(text, encoding='utf-8')
    print(f'In the browser: python -m http.server -d {out}')

if __name__ == '__main__': build(pyodide=sys.argv[1] if len(sys.argv) > 1 else None)
