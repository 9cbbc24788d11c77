"What all tests share: a home of their own, no settings of this machine's user, and the real data where it is there."
import importlib.util, os, shutil, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent/'shared'
sys.path.insert(0, str(ROOT))   # the tests are of this checkout, whatever else is installed
# On cores that other programs use too, threads that wait must sleep: spinning can make training ten times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
if 'PYTEST_XDIST_WORKER' in os.environ: os.environ.setdefault('OMP_NUM_THREADS', '1')   # one core for each process

from fastlessons.run import _spare_a_grammar
_spare_a_grammar()   # nbformat is imported in a tenth of the time
USERS = 'FASTLESSONS_DATA', 'COLAB_RELEASE_TAG', 'KAGGLE_KERNEL_RUN_TYPE'  # what a user's own machine may have set

try:
    from hypothesis import settings
    settings.register_profile('short', max_examples=20, derandomize=True, deadline=None, database=None)
    settings.register_profile('long', max_examples=int(os.environ.get('HYPOTHESIS_EXAMPLES', 5000)), deadline=None, database=None)
    settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'short'))
except ImportError: pass   # the tests that need it are skipped

# What takes longest, in this order; all else comes after it, and last the library's notebooks, each a short work of its own.
LONG = ['test_lab.py', 'test_web.py', 'test_cli.py', 'test_make_your_own.py', 'test_deploy.py', 'test_notebooks.py::test_lesson', 'test_wheel.py',
        'test_collab.py', 'test_samples.py', 'test_transfer.py', 'test_text_encoder.py', 'test_forests.py', 'test_run.py', 'test_train.py', 'test_sheets.py']
LAST = 'test_notebooks.py::test_library'

IN_LAB = 'lesson_runs_on_the_sample[01', 'lesson_runs_on_the_sample[03', 'lesson_runs_on_the_sample[07'

def lab_runs(item, files):
    "Tell whether `test_lab.py` runs this lesson in JupyterLab and looks at its numbers: then once is enough."
    return 'test_lab.py' in files and any(name in item.nodeid for name in IN_LAB)

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Let the longest files come first: what is short can fill up the process that ends earlier.
    Leave out what runs twice."""
    browser = shutil.which('chromium') and importlib.util.find_spec('playwright')
    files = {item.path.name for item in items} if browser else set()
    twice = [item for item in items if lab_runs(item, files)]
    config.hook.pytest_deselected(items=twice)
    items[:] = [item for item in items if item not in twice]
    def place(item): return next((i for i, name in enumerate(LONG) if name in item.nodeid), len(LONG) + (LAST in item.nodeid))
    items.sort(key=place)
    for item in items:   # an app that runs, a browser, a page, a network that reads
        if {'app', 'browser', 'space', 'page_folder', 'tuned'} & set(item.fixturenames): item.add_marker('slow')

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "Keep each file in one process, so that what it prepares is prepared once; only the notebooks are dealt out one by one."
    from xdist.scheduler import LoadScopeScheduling   # its marks of groups do nothing with pytest 9.2
    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid): return nodeid if 'test_notebooks.py' in nodeid else nodeid.split('::')[0]
    config.option.loadscopereorder = False   # it would put the files with the most tests first, not the longest
    return ByFile(config, log)

def refuses(kind, f, *words, limit=None, sentences=None):
    "Check that `f` raises `kind` with all `words` in a message of fewer than `limit` letters and at most `sentences` full stops inside."
    with pytest.raises(kind) as e: f()
    text = str(e.value)
    for w in words: assert w in text, text
    if limit: assert len(text) < limit, text
    if sentences: assert text.rstrip(').').count('. ') <= sentences, text
    return text

@pytest.fixture(scope='session', autouse=True)
def own_home(tmp_path_factory):
    "Keep downloads, samples and results of the tests out of the user's home, and the user's settings out of the tests."
    with pytest.MonkeyPatch.context() as m:
        m.setenv('FASTLESSONS_HOME', str(tmp_path_factory.mktemp('home')))
        m.setenv('FASTAI_HOME', str(tmp_path_factory.mktemp('fastai')))
        m.setenv('PYTHONPATH', str(ROOT), prepend=os.pathsep)   # for the processes that tests start
        for name in USERS: m.delenv(name, raising=False)
        yield

@pytest.fixture
def home(tmp_path, monkeypatch):
    "An empty home of the library for one test."
    monkeypatch.setenv('FASTLESSONS_HOME', str(tmp_path/'home'))
    return tmp_path/'home'

@pytest.fixture(scope='session')
def shared():
    "The folder with real data beside the checkout."
    if not (SHARED/'data').is_dir(): pytest.skip('real data not here: ../shared/data')
    return SHARED
