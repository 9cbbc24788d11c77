"What pip installs: the wheel is built, installed in a fresh environment, and used from another folder."
import ast, json, os, re, subprocess, sys, sysconfig, tarfile, venv, zipfile
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
    assert wheel.stat().st_size < 12e6
    with zipfile.ZipFile(wheel) as z: names = {n for n in z.namelist() if '.dist-info/' not in n}
    want = {p.relative_to(ROOT).as_posix() for p in (ROOT/'fastlessons').rglob('*.py')}
    assert len(want) >= 23
    want |= {f'fastlessons/_lessons/{p.relative_to(ROOT/"nbs").as_posix()}' for p in [*(ROOT/'nbs').glob('*.ipynb'), *(ROOT/'nbs/images').glob('*')]}
    want |= {f'fastlessons/_web/{p.name}' for p in (ROOT/'web').glob('*') if p.is_file()}
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
        asked = [r.split(';')[0] for r in m.get_all('Requires-Dist') if re.search(rf'extra == .{k}\W*$', r)]
        assert set(map(Requirement, asked)) == set(map(Requirement, v)), k
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

def test_worked_solutions_travel_in_the_wheel(run):
    out = run("from fastlessons import check; check.exercise('07.2', 0); check.exercise('07.2', 1); check.solution('07.2')")
    assert 'def nearest(films, i):' in out

def test_nothing_needs_the_checkout(run):
    assert 'fastlessons' in run('fastlessons', '--version') + run('fastlessons', '--help')
    run('fastlessons', 'data')
    run('fastlessons', 'results')
