"What pip installs: the wheel is built, installed in a fresh environment, and used from another folder."
import ast, json, os, re, shutil, subprocess, sys, sysconfig, tarfile, venv, zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import ROOT
from test_structure import CFG, LESSONS, MODULES, SETTINGS, copy_project

pytestmark = pytest.mark.slow
JUNK = 'nbs/.ipynb_checkpoints/01-checkpoint.ipynb', 'nbs/models/model.pth', 'nbs/notes.txt', 'data/.DS_Store', 'data/models/x.pth', 'fastlessons/old.pyc'

def call(*args, **kw):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kw)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return r.stdout

@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "Build wheel and sdist from a copy of the project, as it would be after a clone and some work; return their folder."
    project, dist = copy_project(tmp_path_factory.mktemp('project')), tmp_path_factory.mktemp('dist')
    for name in JUNK:
        (project/name).parent.mkdir(exist_ok=True)
        (project/name).write_text('junk')
    call(sys.executable, '-m', 'build', '--sdist', '--wheel', '--no-isolation', '--outdir', dist, project)
    return dist

@pytest.fixture(scope='module')
def wheel(built):
    found, = built.glob('*.whl')
    return found

@pytest.fixture(scope='module')
def fresh(wheel, tmp_path_factory):
    "Make a fresh environment with the wheel in it. The heavy dependencies are seen through a .pth file, not installed again."
    env = tmp_path_factory.mktemp('fresh')/'env'
    venv.create(env)
    python = env/('Scripts' if os.name == 'nt' else 'bin')/'python'
    outside = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'VIRTUAL_ENV')}
    call(sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps', '--no-index', '--disable-pip-version-check', wheel, env=outside)
    site = Path(call(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))', env=outside).strip())
    (site/'heavy.pth').write_text('\n'.join(dict.fromkeys(sysconfig.get_path(p) for p in ('purelib', 'platlib'))) + '\n')
    return python

@pytest.fixture
def run(fresh, tmp_path):
    "Return a function that runs the fresh environment's Python, or a command of it, in an empty folder with an empty home."
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'VIRTUAL_ENV')}
    env.update(FASTLESSONS_HOME=str(tmp_path/'home'), HOME=str(tmp_path))
    (tmp_path/'elsewhere').mkdir()
    def go(*args):
        first = [fresh, '-c', args[0]] if len(args) == 1 else [fresh.parent/args[0], *args[1:]]
        return call(*first, cwd=tmp_path/'elsewhere', env=env)
    return go

def test_wheel_holds_what_it_should(wheel):
    assert wheel.name == f"fastlessons-{SETTINGS['version']}-py3-none-any.whl"
    assert wheel.stat().st_size < 16e6   # samples 7 MB, a body of a network 3, lessons with their pictures 4: nothing may slip in unseen
    with zipfile.ZipFile(wheel) as z: names = {n for n in z.namelist() if '.dist-info/' not in n}
    want = {p.relative_to(ROOT).as_posix() for p in (ROOT/'fastlessons').rglob('*.py')}
    assert len(want) >= 23
    want |= {f'fastlessons/_lessons/{p.relative_to(ROOT/"nbs").as_posix()}' for p in [*(ROOT/'nbs').glob('*.ipynb'), *(ROOT/'nbs/projects').glob('*.ipynb'), *(ROOT/'nbs/images').glob('*')]}
    want |= {f'fastlessons/_web/{p.relative_to(ROOT/"web").as_posix()}' for p in (ROOT/'web').rglob('*') if p.is_file()}
    want |= {f'fastlessons/_samples/{p.name}' for p in (ROOT/'data').glob('*') if p.is_file()}
    assert names == want, f'missing: {want-names}, too many: {names-want}'
    assert any(n.startswith('fastlessons/_lessons/01_') for n in names)
    assert {'fastlessons/_samples/pets.zip', 'fastlessons/_samples/mnist.zip', 'fastlessons/_samples/checksums.txt'} <= names

def test_metadata(wheel):
    from email import message_from_string
    with zipfile.ZipFile(wheel) as z:
        info = {n.split('/', 1)[1]: z.read(n).decode() for n in z.namelist() if '.dist-info/' in n}
    m = message_from_string(info['METADATA'])
    assert (m['Name'], m['Version'], m['Requires-Python']) == ('fastlessons', SETTINGS['version'], f">={SETTINGS['min_python']}")
    assert (m['License-Expression'] or m['License']) == 'Apache-2.0' and (ROOT/'LICENSE').read_text() in info.values()
    needed = [r for r in m.get_all('Requires-Dist') if 'extra ==' not in r]
    assert sorted(needed) == sorted(SETTINGS['requirements'].split())
    extras = {k: v.split() for k, v in CFG['extras'].items() if v.split()}
    assert {k for k in m.get_all('Provides-Extra') if CFG['extras'].get(k, '').split()} == set(extras) and set(m.get_all('Provides-Extra')) <= set(CFG['extras'])
    for k, v in extras.items():
        asked = [re.sub(rf'( and|;) extra == .{k}\W*$', '', r).replace('(', '').replace(')', '') for r in m.get_all('Requires-Dist') if re.search(rf'extra == .{k}\W*$', r)]
        assert {str(Requirement(r)) for r in asked} == {str(Requirement(r)) for r in v}, k
    assert 'fastlessons = fastlessons.cli:main' in info['entry_points.txt']
    assert SETTINGS['repo_url'] in str(m.get_all('Project-URL')) + str(m['Home-page'])
    assert m.get_payload().strip() == (ROOT/'README.md').read_text(encoding='utf-8').strip()

def test_sdist_holds_what_it_takes_to_build(built):
    sdist, = built.glob('*.tar.gz')
    with tarfile.open(sdist) as t: names = {n.split('/', 1)[1] for n in t.getnames() if '/' in n}
    want = {'settings.ini', 'setup.py', 'pyproject.toml', 'LICENSE', 'README.md', 'MANIFEST.in'}
    for folder in ('nbs', 'web', 'data', 'fastlessons'): want |= {p.relative_to(ROOT).as_posix() for p in (ROOT/folder).rglob('*.*') if p.is_file() and 'checkpoint' not in str(p) and '__pycache__' not in str(p)}
    assert want <= names, want - names
    assert not {n for n in names if 'checkpoint' in n or n.endswith(('.pyc', '.pth', '.DS_Store', 'notes.txt'))}

def test_it_is_the_installed_one(run, fresh):
    where, version = run('import fastlessons; print(fastlessons.__file__); print(fastlessons.__version__)').splitlines()
    assert Path(where).is_relative_to(fresh.parent.parent) and not Path(where).is_relative_to(ROOT)
    assert version == SETTINGS['version']

def test_each_module_can_be_imported(run):
    "From the installed wheel, in an empty folder: as many as the checkout has, none of them from the checkout."
    out = run("""
import importlib, pkgutil, fastlessons
found = sorted(m.name for m in pkgutil.walk_packages(fastlessons.__path__, 'fastlessons.') if not m.name.endswith('__main__'))
print([(name, importlib.import_module(name).__file__) for name in found])""")
    found = dict(ast.literal_eval(out.splitlines()[-1]))
    want = {'fastlessons.' + p.relative_to(ROOT/'fastlessons').with_suffix('').as_posix().replace('/', '.').removesuffix('.__init__')
            for p in MODULES if p.parent/p.name not in (ROOT/'fastlessons/__init__.py', ROOT/'fastlessons/__main__.py')}
    assert set(found) - {f'fastlessons._{k}' for k in ('lessons', 'samples', 'web')} == want and len(want) >= 40
    assert not [f for f in found.values() if f and Path(f).is_relative_to(ROOT)]

def test_samples(run):
    out = run("from fastlessons.data import get_data; p = get_data('pets', 'sample'); print(len(list((p/'images').glob('*.jpg')))); "
              "from fastlessons.data import read_idx; print(read_idx(get_data('mnist', 'sample')/'train-images-idx3-ubyte.gz').shape[1:])")
    assert 'pets: the bundled sample' in out and 'mnist: the bundled sample' in out
    assert int(out.splitlines()[1]) >= 37*24 and out.endswith('(8, 8)\n')

def test_list_and_copy(run, tmp_path):
    out = run('fastlessons', 'list')
    for p in LESSONS: assert p.stem[:2] in out
    run('fastlessons', 'copy', '01')
    copied, = (tmp_path/'elsewhere').glob('01*.ipynb')
    def code(path): return [c['source'] for c in json.loads(path.read_text())['cells'] if c['cell_type'] == 'code']
    assert code(copied) == code(next((ROOT/'nbs').glob('01*.ipynb')))
    run('fastlessons', 'copy', '03')
    pictures = [c for c in json.loads((tmp_path/'elsewhere/03_foundations.ipynb').read_text())['cells'] if c.get('attachments')]
    assert pictures   # they travel in the wheel, and with the copy
    run('fastlessons', 'copy', 'P1')
    assert (tmp_path/'elsewhere/1_bike_sharing.ipynb').exists()

def test_worked_solutions_travel_in_the_wheel(run):
    out = run("from fastlessons import check; check.exercise('07.1', 0); check.exercise('07.1', 1); check.solution('07.1')")
    assert 'def one_step(person, film, stars, lr):' in out

def test_nothing_needs_the_checkout(run):
    assert 'fastlessons' in run('fastlessons', '--version') + run('fastlessons', '--help')
    run('fastlessons', 'data')
    run('fastlessons', 'results')

# ---------- Colab and Kaggle: what their environment variables and an environment without a checkout can show

PLATFORM = dict(COLAB_RELEASE_TAG='release-colab_x', KAGGLE_KERNEL_RUN_TYPE='Interactive')

# Runs cells in a kernel of the Python that runs it; needs nothing of ours.
CELLS = """
import json, sys
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in json.load(sys.stdin)])
km = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
NotebookClient(nb, km=km, allow_errors=True).execute(cleanup_kc=True)
def text(o): return o.get('text') or '\\n'.join(o.get('traceback', [])) or o.get('data', {}).get('text/plain', '')
print(json.dumps([''.join(map(text, c.outputs)) for c in nb.cells]))
"""

# Writes down each connection that a Python asks for, and each program that it starts.
SPY = """
import os, sys
def hook(event, args):
    if event in ('socket.connect', 'socket.getaddrinfo', 'subprocess.Popen'):
        with open(os.environ['SPY_LOG'], 'a') as f: f.write(f'{event} {args}\\n')
sys.addaudithook(hook)
"""

def first_cell(number):
    "Return the cell of a lesson that installs the library and imports."
    path, = (ROOT/'nbs').glob(f'{number}_*.ipynb')
    return next(''.join(c['source']) for c in json.loads(path.read_text())['cells'] if '%pip' in ''.join(c['source']))

def outside(tmp_path, **kw):
    "Return the environment of somebody's process on Colab and Kaggle, with nothing of this checkout."
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'VIRTUAL_ENV')}
    return env | PLATFORM | dict(FASTLESSONS_HOME=str(tmp_path/'home'), HOME=str(tmp_path)) | kw

def run_cells(python, tmp_path, cells, **kw):
    "Run cells in a kernel of `python`; return what each of them printed, without colours."
    r = subprocess.run([python, '-c', CELLS], input=json.dumps(cells), capture_output=True, text=True, cwd=tmp_path, env=outside(tmp_path, **kw))
    assert r.returncode == 0, r.stderr[-2000:]
    return [re.sub(r'\x1b\[[\d;]*m', '', text) for text in json.loads(r.stdout.splitlines()[-1])]

@pytest.fixture
def bare(tmp_path):
    "Make an environment as those platforms have it: all that the library needs, PyTorch too, but not the library."
    venv.create(tmp_path/'env', with_pip=False)
    python = tmp_path/'env'/('Scripts' if os.name == 'nt' else 'bin')/'python'
    (tmp_path/'heavy').mkdir()
    for p in Path(sysconfig.get_path('purelib')).iterdir():
        if 'fastlessons' not in p.name and p.suffix != '.pth': (tmp_path/'heavy'/p.name).symlink_to(p)
    site = Path(call(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))', env=outside(tmp_path)).strip())
    (site/'heavy.pth').write_text(str(tmp_path/'heavy'))
    return python

def redirected(place):
    "Let git fetch the repository from another place, and pip take nothing else from anywhere."
    return dict(GIT_CONFIG_COUNT='1', GIT_CONFIG_KEY_0=f'url.file://{place}.insteadOf', GIT_CONFIG_VALUE_0=SETTINGS['repo_url'],
                PIP_NO_INDEX='1', PIP_NO_BUILD_ISOLATION='0')   # pip reads this 0 as "no isolation"

@pytest.mark.slow
def test_on_colab_with_the_library_the_first_cell_does_nothing_and_the_sample_is_taken(fresh, tmp_path):
    (tmp_path/'sitecustomize.py').write_text(SPY)
    says = run_cells(fresh, tmp_path, ["open('spy.log', 'w').close()", first_cell('01'), "p = get_data('pets')", "p = get_data('mnist')", "print(open('spy.log').read())"],
                     PYTHONPATH=str(tmp_path), SPY_LOG=str(tmp_path/'spy.log'))
    assert says[1] == '' and says[2].startswith('pets: the bundled sample') and says[3].startswith('mnist: the bundled sample')
    assert 'pip' not in says[4] and not [line for line in says[4].splitlines() if line.startswith('socket')], says[4]

@pytest.mark.slow
def test_on_colab_without_the_library_the_first_cell_installs_it_and_leaves_torch_alone(bare, tmp_path):
    "What IPython and pip really do with the cell; only the repository is fetched from a copy on this disk."
    if not shutil.which('git'): pytest.skip('no git here')
    project = copy_project(tmp_path/'project')
    for args in ('init -q', 'add -A', '-c user.name=a -c user.email=a@b.org commit -qm all'): call('git', *args.split(), cwd=project)
    before = call(bare, '-m', 'pip', 'freeze', env=outside(tmp_path)).splitlines()
    says = run_cells(bare, tmp_path, [first_cell('02'), 'import torch, fastlessons; print(torch.__file__, fastlessons.__file__)', "p = get_data('pets')"], **redirected(project))
    torch, ours = says[1].split()
    assert Path(torch).is_relative_to(tmp_path/'heavy') and Path(ours).is_relative_to(tmp_path/'env'), says
    assert says[2].startswith('pets: the bundled sample')
    new = set(call(bare, '-m', 'pip', 'freeze', env=outside(tmp_path)).splitlines()) - set(before)
    assert len(new) == 1 and new.pop().startswith('fastlessons @ git+' + SETTINGS['repo_url'])

@pytest.mark.slow
def test_without_library_and_network_the_message_says_so(bare, tmp_path):
    if not shutil.which('git'): pytest.skip('no git here')
    says, = run_cells(bare, tmp_path, [first_cell('03')], **redirected(tmp_path/'nowhere'))
    assert 'git clone' in says and 'did not run successfully' in says                       # pip's words
    assert 'needs the internet' in says and "No module named 'fastlessons'" in says          # ours, in the lines around the error

def test_the_command_is_found_in_a_cell_of_any_jupyter(fresh, tmp_path):
    "As in VS Code: the kernel is started by its path, with nothing of its environment on the PATH."
    says = run_cells(fresh, tmp_path, ['!fastlessons --version', 'from fastlessons import check', '!fastlessons --version'], PATH='/usr/bin:/bin')
    assert 'not found' in says[0] and says[2].split() == ['fastlessons', SETTINGS['version']]
