"Projects: the reviewer accepts any right solution, gives a wrong one the right advice, and ends whatever a notebook does."
import json, os, re, subprocess, sys, time
from io import BytesIO
from pathlib import Path

import nbformat, numpy as np, pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell as code, new_notebook, new_output

from conftest import ROOT, refuses
from fastlessons import check, course, review
from fastlessons.projects import guard
from fastlessons.projects.guard import Limits
from fastlessons.projects.rubric import RUBRICS
from fastlessons.projects.worker import LearnersCode, Stopped, pack, unpack
from p1_work import ANSWERS, BATCH, CHEATS, LOOP, RIGHT, SLOW_CHEATS, STARTER, TITLES, WRONG, changed, defined, handed_in, here
from test_cli import call, folder   # noqa: F401 (fixtures)

P1 = course.find_project('P1')
ALL = list(TITLES.values())

def judged(gaps, *lines, **kw): return review.judge(P1, handed_in(gaps), Limits(**kw), titles=[TITLES[x] for x in lines])

def one(gaps, line, **kw):
    "Judge one line of the rubric; return the verdict and all its words."
    v, = judged(gaps, line, **kw).values()
    return v, f'{v.says} {v.todo}'

@pytest.fixture
def cmd(call, monkeypatch):   # noqa: F811
    "The command, on the real lessons and projects."
    monkeypatch.setattr(course, '_lessons_folder', lambda: ROOT/'nbs')
    return call

# What learners hand in

@pytest.fixture(scope='module')
def handed(tmp_path_factory):
    "Return a function that reviews a notebook with the command, once for each; gives status, text, page and the review."
    made, kept = {}, {}
    def go(name, nb, **limits):
        if name not in made:
            folder = tmp_path_factory.mktemp('hand')
            path = folder/f'{name}.ipynb'
            path.write_text(nb if isinstance(nb, str) else nbformat.writes(nb), encoding='utf-8')
            before = path.read_bytes()
            r = review.review(P1, path, Limits(**limits))
            assert path.read_bytes() == before and list(folder.iterdir()) == [path]   # nothing of the learner's is touched
            made[name] = r
        return made[name]
    return go

@pytest.mark.slow
def test_a_right_solution_meets_every_line(handed):
    r = handed('batch', handed_in(BATCH))
    assert list(r.lines) == ALL and r.done, review.review_text(r)
    assert all(v.says and not v.todo for v in r.lines.values()) and r.troubles == []
    page = BeautifulSoup(review.review_page(r), 'html.parser')
    assert len(page.select('.review .met')) == 8 and not page.select('.review .work')
    assert [i['alt'][:17] for i in page.select('main img')] == ['Ten days of bikes'] and not page.select('script[src^=http], link[href^=http], img[src^=http]')

@pytest.mark.slow
def test_another_style_is_as_good():
    lines = judged(LOOP)
    assert len(lines) == 6 and all(v.met for v in lines.values()), lines

@pytest.mark.parametrize('name', [pytest.param(k, marks=pytest.mark.slow) if 'bikes' in lines or k == 'no seed' else k for k, (_, lines) in RIGHT.items()])
def test_other_right_ways(name):
    gaps, lines = RIGHT[name]
    found = here(gaps, *lines)
    assert len(found) == len(lines) and all(v.met for v in found.values()), found

@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_solution_gets_the_right_advice(name):
    gaps, line, word = WRONG[name]
    v, = here(gaps, line).values()
    assert not v.met and word in f'{v.says} {v.todo}', v
    assert v.todo and (v.about in BATCH or v.about == 'predict_bikes')

@pytest.mark.slow
@pytest.mark.parametrize('name', ['forgotten transpose', 'one global variable', 'trained on all rows', 'a table from another cell'])
def test_in_a_process_of_its_own_the_advice_is_the_same(name):
    gaps, line, word = WRONG[name]
    v, words = one(gaps, line)
    assert not v.met and word in words, words

def test_wrong_solutions_spare_the_lines_that_are_right():
    assert all(v.met for v in here(WRONG['one global variable'][0], 'forward', 'backward').values())
    lines = here(WRONG['sigmoid at the output'][0], 'backward', 'update')
    assert not lines['backward'].met and 'forward` first' in lines['backward'].todo and lines['update'].met

def test_the_unchanged_starter_is_not_begun():
    lines = judged({})
    assert all(not v.met and 'Not begun' in v.says and 'dots' in v.says for v in lines.values()), lines

@pytest.mark.slow
def test_copied_outputs_prove_nothing(handed):
    "Someone else's outputs, in a starter: its ticks, and a proud last line."
    nb = handed_in({})
    for c in nb.cells:
        for n in re.findall(r"^exercise\('(P1\.\d)'", c.source, re.M): c.outputs = [new_output('stream', text=f'✓ {n} Right! All 9 cases hold.\n')]
    nb.cells[-8].outputs = [new_output('stream', text='validation error 0.101, 30 bikes an hour\n')] if nb.cells[-8].cell_type == 'code' else []
    r = handed('copied', nb)
    v = r.lines[TITLES['run']]
    assert not v.met and 'P1.1' in v.says and 'outputs' in v.says and 'Never copy' in v.todo
    assert [t for t, w in r.lines.items() if w.met] == [TITLES['questions']] and '0.101' not in review.review_page(r) + review.review_text(r)
    text = review.review_text(r)
    assert '1 of 8' in text and 'code cell 6, `def forward(self, X):`' in text

def test_half_of_the_questions():
    nb = handed_in({}, ANSWERS[:2] + ['yes'])
    v = review._line_of_answers(nb, 4)
    assert not v.met and 'Question 3, 4:' in v.says
    assert review._line_of_answers(handed_in({}), 4).met
    nb.cells[-3].source = 'I took the marks away.'
    assert not review._line_of_answers(nb, 4).met

# What a notebook may do to the reviewer

def trouble(cells, tmp_path, **limits):
    "Run cells; return the troubles by the number of the cell."
    (tmp_path/'own').mkdir()
    found = review.rerun(new_notebook(cells=[code(c) for c in cells]), str(tmp_path/'own'), Limits(**limits))
    return {t.cell: t for t in found}

@pytest.mark.slow
def test_broken_cells_are_named_and_the_rest_runs(tmp_path):
    theirs = tmp_path/'theirs'
    theirs.mkdir()
    (theirs/'precious.txt').write_text('mine')
    bad = {'import os\nos.remove(PATH)': 'PermissionError', 'import shutil\nshutil.rmtree(os.path.dirname(PATH))': 'PermissionError', "open(PATH, 'w')": 'PermissionError',
           'os.rename(PATH, "x")': 'PermissionError', 'while True: pass': 'time', "while True: print('for ever and ever')": 'printed', 'x = [0]*10**10': 'MemoryError',
           'rows = []\nwhile True: rows.append(bytearray(10**8))': 'MemoryError', "input('How many?')": 'StdinNotImplementedError', 'import no_such_package': 'ModuleNotFoundError',
           '!ls': 'PermissionError', "import socket\nsocket.create_connection(('93.184.216.34', 80), 2)": 'PermissionError', 'def broken(:': 'SyntaxError',
           'print(undefined)': 'NameError', 'os.kill(os.getppid(), 9)': 'PermissionError', "print('x'*300_000)": 'printed'}
    good = ["open('mine.txt', 'w').write('hello')\nos.remove('mine.txt')", 'import tempfile\nwith tempfile.TemporaryDirectory() as d: open(d+"/a", "w")', '1 + 1']
    cells = [f'PATH = {str(theirs/"precious.txt")!r}', *bad, *good, 'import os\nos._exit(3)', '1 + 1', '2 + 2']
    found = trouble(cells, tmp_path, cell=8, memory=1 << 30, shown=100_000)   # to fill more takes seconds on a busy machine
    n = len(bad)
    kinds = dict(enumerate(bad.values(), start=2)) | {n+5: 'died', n+6: 'not run'}
    if not guard.can_limit_memory(): kinds = {k: v for k, v in kinds.items() if v != 'MemoryError'}
    assert {k: t.kind for k, t in found.items()} == kinds
    assert (theirs/'precious.txt').read_text() == 'mine'
    assert all(t.todo and t.says and t.line for t in found.values()) and found[11].line == 'import no_such_package'
    v = review._line_of_run(list(found.values()), set(), set())
    assert not v.met and 'Code cell 2' in v.says and f'{n+1} more cells' in v.says

@pytest.mark.slow
def test_a_notebook_of_an_older_format_on_a_system_that_offers_less(tmp_path, monkeypatch):
    "As Colab writes them: cells without names. And `unshare` does not work there: the network is closed all the same."
    monkeypatch.setattr(guard, 'box', lambda: ())
    nb = dict(cells=[dict(cell_type='markdown', metadata={}, source=['# A']), dict(cell_type='code', metadata={}, source=['1/0'], outputs=[], execution_count=None),
                     dict(cell_type='code', metadata={}, source=['2\n', '3'], outputs=[], execution_count=None),
                     dict(cell_type='code', metadata={}, source=["import socket\n", "socket.create_connection(('93.184.216.34', 80), 2)"], outputs=[], execution_count=None)], metadata={}, nbformat=4, nbformat_minor=0)
    (tmp_path/'old.ipynb').write_text(json.dumps(nb))
    (tmp_path/'own').mkdir()
    read = review.read_work(tmp_path/'old.ipynb')
    assert [t.kind for t in review.rerun(read, str(tmp_path/'own'), Limits())] == ['ZeroDivisionError', 'PermissionError'] and read.cells[2].outputs[0].data['text/plain'] == '3'

@pytest.mark.slow
def test_a_loop_that_cannot_be_interrupted(tmp_path):
    found = trouble(['import time\nwhile True:\n    try: time.sleep(1)\n    except BaseException: pass', '1 + 1'], tmp_path, cell=1, waits=2)
    assert {k: t.kind for k, t in found.items()} == {1: 'time', 2: 'not run'}

@pytest.mark.slow
def test_all_the_time_together_is_limited(tmp_path):
    start = time.monotonic()
    found = trouble(['import time', *['time.sleep(2)']*9], tmp_path, whole=3, waits=1)
    assert {t.kind for t in found.values()} == {'time', 'not run'} and time.monotonic() - start < 30

def test_the_processor_counts_and_far_behind_it_the_clock():
    "Of a process that is there already, of one that its child works for, and of none."
    work = 'while True: pass'
    for code, waits, stopped in ((work, 1e6, True), ('import time; time.sleep(60)', 3, True), ('import time; time.sleep(60)', 1e6, False),
                                 (f'import subprocess, sys; subprocess.run([sys.executable, "-c", {work!r}])', 1e6, True)):
        process = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)
        try:
            watch, until = guard.Stopwatch(process.pid, 1., waits), time.monotonic() + (30 if stopped else 3)
            while not watch.over() and time.monotonic() < until: time.sleep(.05)
            assert watch.over() == stopped, code
            if waits == 3: assert time.monotonic() - watch.clock > 3   # others had the processor: no reason to stop it
        finally: os.killpg(process.pid, 9), process.wait()
    assert guard.processor_seconds(process.pid) == 0 and guard.processor_seconds(os.getpid()) > .1

@pytest.mark.slow
def test_who_waits_for_its_turn_is_not_stopped(tmp_path):
    "In a kernel and in a question: what uses no processor has time by the clock, and what spins is stopped."
    assert {k: t.kind for k, t in trouble(['import time', 'while True: pass', 'time.sleep(4)'], tmp_path, cell=2, waits=1e6).items()} == {2: 'time'}
    with LearnersCode('P1', [(1, "def split(hours):\n    exec(hours['code'][0], globals(), dict(hours=hours))\n    return hours, hours, hours")], Limits(cell=5, waits=1e6)) as learner:
        import pandas as pd
        def ask(code): return learner.ask('ask_split', hours=pd.DataFrame(dict(code=[code])))
        with pytest.raises(Stopped) as e: ask('while True: pass')
        assert e.value.kind == 'time'
        try: ask('import time; time.sleep(7)')
        except Stopped as e: assert e.kind != 'time', e.says   # it may have returned something odd

def test_no_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(review, 'kernel_command', lambda *_: [sys.executable, '-c', 'print(1/0)'])
    found = trouble(['1 + 1'], tmp_path)
    assert list(found) == [1] and found[1].kind == 'died' and 'No kernel' in found[1].says

FORWARD = "def forward(self, X):\n    {}\nNetwork.forward = forward"
NASTY = {'while True: pass': 'time', 'import os; os._exit(0)': 'died', 'import sys; sys.exit()': 'SystemExit', 'input()': 'EOFError', 'x = [0]*10**11': 'MemoryError',
         'split(hours)': 'RecursionError', 'no_such_thing': 'NameError', 'raise KeyboardInterrupt': 'KeyboardInterrupt', "open('/etc/x', 'w')": 'PermissionError', "print('met ✓'*10**6)": 'TypeError',
         "import os; os.write(1, b'junk'*999); os.write(3, b'junk'*999); os.write(4, b'junk'*999)": ('TypeError', 'OSError', 'died'), '1/0': 'ZeroDivisionError'}

def test_nothing_that_a_function_does_stops_the_review():
    "A function that does what it is told, and then returns None."
    import pandas as pd
    with LearnersCode('P1', [(1, "def split(hours):\n    exec(hours['code'][0], globals(), dict(hours=hours))")], Limits(cell=20)) as learner:
        for line, kind in NASTY.items():
            if kind == 'MemoryError' and not guard.can_limit_memory(): continue
            with pytest.raises(Stopped) as e: learner.ask('ask_split', 1 if kind == 'time' else None, hours=pd.DataFrame(dict(code=[line])))
            assert e.value.kind in kind, (line, e.value.kind, e.value.says)
    assert learner.process is None

ODD = {'return "many"': 'could not convert', 'return None': 'could not convert', 'return np.array([object()]*len(X))': 'TypeError', 'return np.full((len(X), 1), np.nan)': 'other numbers', 'return X': 'shape'}

@pytest.mark.parametrize('line', ODD)
def test_odd_answers(line):
    v, = here({**BATCH, 'forward': FORWARD.format(line)}, 'forward').values()
    assert not v.met and ODD[line] in f'{v.says} {v.todo}'

def test_a_cheat_that_reaches_for_the_rubric():
    cheat = """
import sys, fastlessons.projects.p1 as p1, fastlessons.projects.rubric as rubric
for name in ('ask_forward', '_forward', '_which'): setattr(p1, name, lambda *args, **kw: dict(preds=0))
rubric.RUBRICS.clear()
np.allclose = lambda *args, **kw: True
def forward(self, X): return X[:, :1]
Network.forward = forward"""
    v, words = one({**BATCH, 'forward': cheat}, 'forward')
    assert not v.met

@pytest.mark.parametrize('name', CHEATS)
def test_what_only_looks_right_is_not_met(name):
    gaps, line, word, apart = CHEATS[name]
    v = one(gaps, line)[0] if apart else here(gaps, line)[line]
    assert not v.met and word in f'{v.says} {v.todo}', v

@pytest.mark.slow
@pytest.mark.parametrize('name', SLOW_CHEATS)
def test_what_only_predicts_well_is_not_met(name):
    gaps, line, word, apart = SLOW_CHEATS[name]
    v = one(gaps, line)[0] if apart else here(gaps, line)[line]
    assert not v.met and word in f'{v.says} {v.todo}', v

def test_a_training_without_end_is_asked_for_once():
    gaps = changed('train', 'for _ in range(epochs):', 'while True:')
    start = time.monotonic()
    v = judged(gaps, 'train', 'time', 'bikes', cell=4)
    words = {x: v[TITLES[x]].says for x in ('train', 'time', 'bikes')}
    assert words['train'] == '`train` did not end in time.' and 'was not asked, because `train`' in words['time'] and '`fit_bikes` was not asked' in words['bikes'], words
    assert time.monotonic() - start < 30

@pytest.mark.slow
def test_what_is_slow_is_named():
    v = judged(changed('fit_bikes', 'def fit_bikes(hours):', 'def fit_bikes(hours):\n    import time; time.sleep(99)'), 'time', 'bikes', cell=6, waits=1)
    assert [(x.says, x.about) for x in v.values()][0] == ('`fit_bikes` did not end in time.', 'fit_bikes') and 'was not asked' in v[TITLES['bikes']].says

@pytest.mark.slow
def test_after_a_death_the_next_question_is_answered():
    v = judged({**BATCH, 'forward': FORWARD.format('import os; os._exit(0)')}, 'forward', 'update')
    assert [x.met for x in v.values()] == [False, True]

def test_messages_are_data():
    import pandas as pd
    table = pd.DataFrame(dict(day=['a', 'b'], n=[1, 2], x=[.5, np.nan]))
    back = unpack(pack(dict(t=table, a=np.eye(2), n=1, word='✓')))
    assert back['t'].equals(table) and back['n'] == 1 and back['word'] == '✓' and (back['a'] == np.eye(2)).all()
    refuses(TypeError, lambda: pack(dict(x=[{}, []])), 'objects')
    class Evil:
        def __reduce__(self): return print, ('unpickled!',)
    file = BytesIO()
    np.savez(file, x=np.array([Evil()], dtype=object))
    with pytest.raises(ValueError): unpack(file.getvalue())

def test_the_guard_is_for_this_folder_only(tmp_path):
    "In one process: what is refused, and what is not."
    own, other = tmp_path/'own', tmp_path/'other'
    own.mkdir(), other.mkdir()
    (other/'a').write_text('a'), (own/'link').symlink_to(other/'a'), (own/'there').symlink_to(other)
    refused = [f"open({str(other/'b')!r}, 'w')", "open('../other/b', 'x')", "open('link', 'a')", "open('there/c', 'w')", f"os.open({str(other/'a')!r}, os.O_RDWR)", "os.remove('../other/a')",
               "os.mkdir('../new')", "os.symlink('x', '../y')", "os.rename('mine', '../other/z')", "os.truncate('../other/a', 0)", "os.chmod('../other/a', 0)", "shutil.rmtree('../other')",
               "Path('../other/a').unlink()", "Path('../other/q').write_text('x')", "subprocess.run(['ls'])", "os.system('ls')", "os.fork()", "sqlite3.connect('../other/db')",
               "socket.getaddrinfo('example.org', 80)", "socket.create_connection(('10.0.0.1', 80), 1)", "os.kill(1, 0)",
               f"os.open('a', os.O_WRONLY | os.O_TRUNC, dir_fd=os.open({str(other)!r}, os.O_RDONLY))", "import posix; posix.open('b', os.O_CREAT | os.O_WRONLY, dir_fd=os.open('../other', 0))",
               "import ctypes; ctypes.CDLL(None).unlink(b'../other/a')", "import ctypes; ctypes.pythonapi.unlink(b'../other/a')", "import _posixsubprocess; _posixsubprocess.fork_exec()",
               "import multiprocessing as mp; mp.get_context('spawn').Process(target=os.remove, args=('../other/a',)).start()", "import signal; signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)"]
    if sys.platform != 'linux': refused = [x for x in refused if 'posix' not in x and 'pidfd' not in x]
    allowed = ["open('mine', 'w').close()", "os.remove('link')", "os.makedirs('a/b')", "shutil.rmtree('a')", "open(os.devnull, 'w').close()", "open('../other/a').close()", "sqlite3.connect(':memory:')",
               "tempfile.TemporaryDirectory().cleanup()", "os.close(os.open('m2', os.O_CREAT | os.O_WRONLY, dir_fd=os.open('.', os.O_RDONLY)))", "import numpy as np; np.linalg.inv(np.eye(9))"]
    code = f"""
import os, shutil, socket, sqlite3, subprocess, sys, tempfile
from pathlib import Path
from fastlessons.projects.guard import guard
guard({str(own)!r}, 4 << 30)
for line in {allowed[:1] + refused + allowed[1:]!r}:
    try: exec(line)
    except PermissionError as e: print('no' if 'under review' in str(e) else e)
    except Exception as e: print(type(e), e)
    else: print('yes')"""
    r = subprocess.run([sys.executable, '-c', code], cwd=own, env=guard.clean_environment(str(own)), capture_output=True, text=True)
    said = r.stdout.split('\n')[:-1]
    assert dict(zip(allowed[:1] + refused + allowed[1:], said)) == dict.fromkeys(refused, 'no') | dict.fromkeys(allowed, 'yes'), r.stderr
    assert (other/'a').read_text() == 'a' and [p.name for p in other.iterdir()] == ['a']

@pytest.mark.skipif(not guard.box(), reason='this system has no box')
def test_in_a_box_no_library_gets_out(tmp_path):
    "The hook is not there, so what holds is the system itself."
    own, other = tmp_path/'own', tmp_path/'other'
    own.mkdir(), other.mkdir()
    (other/'a').write_text('a')
    lines = [f"open({str(other/'a')!r}, 'w')", f"os.remove({str(other/'a')!r})", "open('/dev/shm/fl-test', 'w')", f"os.kill({os.getpid()}, 0)", "socket.create_connection(('10.0.0.1', 80), 1)",
             "print(c.mount(None, b'/', None, 32 | 4096, None) and 'no')", "open('mine', 'w')", "subprocess.Popen(['sleep', '300.25'], start_new_session=True)"]
    code = f"""
import ctypes, os, socket, subprocess
from fastlessons.projects.guard import _close_disk
_close_disk('.')
c = ctypes.CDLL(None)
for line in {lines!r}:
    try: exec(line)
    except OSError as e: print('no')"""
    r = subprocess.run([*guard.box(), sys.executable, '-c', code], cwd=own, env=guard.clean_environment(str(own)), capture_output=True, text=True, timeout=60)
    assert r.stdout.split() == ['no']*6 and (own/'mine').exists() and (other/'a').read_text() == 'a', r.stderr
    assert not [p for p in Path('/proc').glob('[0-9]*/cmdline') if b'300.25' in _read(p)]   # it ended with the box

def _read(path):
    try: return path.read_bytes()
    except OSError: return b''

def test_secrets_stay_here(monkeypatch, tmp_path):
    monkeypatch.setenv('MY_TOKEN', 'x')
    monkeypatch.setenv('FASTLESSONS_DATA', 'somewhere')
    env = guard.clean_environment(str(tmp_path))
    assert 'MY_TOKEN' not in env and 'FASTLESSONS_DATA' not in env and env['FASTLESSONS_HOME'].startswith(str(tmp_path))

def test_what_the_system_does_not_enforce_is_said(monkeypatch):
    monkeypatch.setattr(guard, 'can_limit_memory', lambda: False)
    monkeypatch.setattr(guard, 'box', lambda: ())
    assert len(guard.not_enforced()) == 2
    r = review.Review(P1, Path('x.ipynb'), {}, {}, [], guard.not_enforced())
    assert 'Memory was not limited' in review.review_text(r) and 'network were closed for Python code only' in review.review_page(r)

# Which code is taken from a notebook

def taken(*cells, names=('Net',)):
    nb = new_notebook(cells=[code(c) for c in cells])
    return '\n'.join(source for _, source in review.definitions(nb, names)).split('\n')

def test_definitions_and_what_they_need():
    lines = taken('%matplotlib inline\nimport numpy as np\n!pip install x', 'A, B = 1, 2\nC = A\nd = load()', '%%time\n\ndef f(x):\n    return x*C\nf(d)', '%%bash\nclass Net: no',
                  'class Net: pass\nNet.f = f\nsetattr(Net, "g", f)\nnet = Net()\nnet.f(d)', 'def broken(:', 'for k in range(3): Net.k = k', 'OTHER = 3\nOTHER += 1')
    assert [x for x in lines if x] == ['A, B = 1, 2', 'C = A', 'def f(x):', '    return x*C', 'class Net: pass', 'Net.f = f', 'setattr(Net, "g", f)', 'for k in range(3): Net.k = k']

def test_an_import_comes_with_what_needs_it():
    lines = taken('import numpy as np, torch\nfrom fastcore.basics import patch', 'class Net: pass', '@patch\ndef go(self:Net): return np.eye(2)', 'def plot(): plt.show()\nimport plt')
    assert [x for x in lines if x] == ['import numpy as np, torch', 'from fastcore.basics import patch', 'class Net: pass', '@patch', 'def go(self:Net): return np.eye(2)', 'def plot(): plt.show()']

def test_the_last_definition_counts_and_lines_keep_their_numbers():
    source = dict(review.definitions(new_notebook(cells=[code('x = 1\n\n@deco\nclass Net:\n    a = """\n\n"""')]), ['Net']))[1]
    assert source.split('\n')[2:] == ['@deco', 'class Net:', '    a = """', '', '"""'] and source.startswith('\n\n')
    s = review._statements(new_notebook(cells=[code('class Net: pass'), code('class Net:\n    def go(self): return lr*SCALE\nlr = 1\nSCALE = 2')]))
    assert review._place(s, 'Net') == 'code cell 2, `class Net:`' and review._place(s, 'go') == 'code cell 2, `def go(self): return lr*SCALE`'
    assert review._globals_of(s, 'Net') == {'lr': (2, 'lr = 1')}   # a cell has no number in JupyterLab, but its line is there

def test_a_lambda_is_a_function_and_no_global_variable():
    s = review._statements(new_notebook(cells=[code('double = lambda x: 2*x\nrate = 1'), code('def f(x): return double(x)*rate')]))
    assert review._globals_of(s, 'f') == {'rate': (1, 'rate = 1')} and review._place(s, 'double') == 'code cell 1, `double = lambda x: 2*x`'

@pytest.mark.parametrize('name, word', [('x_test', 'nothing may be learned from it'), ('rate', 'use the arguments only')])
def test_a_name_that_only_the_notebook_has(name, word):
    v = review._of_stop(Stopped('NameError', f"name '{name}' is not defined", 'code cell 13', 'x = 1', asked='ask_f'), 'f', {})
    assert name in v.says and word in v.todo

# Files

@pytest.mark.parametrize('text, word', [(None, 'no file'), ('', 'damaged'), ('{"cells": [', 'damaged'), ('[1, 2]', 'damaged'), ('{"a": 1}', 'damaged'), ('%PDF-1.4', 'damaged'), ('\xff\xfe', 'damaged'),
                                        (nbformat.writes(new_notebook(cells=[code('x = 1')])), 'copy P1')])
def test_what_is_no_work_cannot_be_reviewed(cmd, text, word):
    if text is not None: Path('my.ipynb').write_bytes(text.encode('latin-1'))
    status, out, err = cmd('review', 'P1', 'my.ipynb')
    assert status == 2 and word in err and 'Traceback' not in err and not Path('runs').exists()

def test_a_folder_is_no_notebook(cmd):
    status, out, err = cmd('review', 'P1', '.')
    assert status == 2 and 'Expected a notebook' in err

@pytest.mark.parametrize('words, says', {'review': 'required: P', 'review P1': 'required: FILE', 'review P7 x.ipynb': 'There is no project', 'review P1_bike_sharin x': "Did you mean 'P1_bike_sharing'"}.items())
def test_mistyped(cmd, words, says):
    status, out, err = cmd(*words.split())
    assert status == 2 and says in err

# The frame

def test_projects_are_found(monkeypatch):
    for word in ('P1', 'p1', '1', 'bike_sharing', 'P1_bike_sharing', '1_bike_sharing.ipynb'): assert course.find_project(word) == P1
    assert course.find_lesson('P1') == P1 and course.find_lesson('1').number == '01' and P1.exercises == tuple(f'P1.{k}' for k in range(1, 7))
    for p in course.projects():
        module = check.load(p.number)
        assert module.NAMES and 5 <= len(RUBRICS[p.number]) + 2 <= 8 and p.title and p.promise and p.time and p.data

def test_badges_lead_to_the_starter():
    for p in course.projects(): assert p.badges.count(f'/nbs/projects/{p.path.name}') == 2

def test_the_command_gives_out_a_project(cmd, monkeypatch):
    assert 'P1_bike_sharing' in cmd('list')[1]
    status, out, err = cmd('copy', 'P1', 'mine')
    assert status == 0
    nb = nbformat.read('mine/1_bike_sharing.ipynb', 4)
    links = re.findall(r'\]\((\S+?\.ipynb)\)', '\n'.join(c.source for c in nb.cells if c.cell_type == 'markdown'))
    assert len(links) >= 2 and all('/blob/' in x and '/../' not in x and '/nbs/projects/0' not in x for x in links), links   # to the course on the web
    work = Path('work')
    work.mkdir()
    course.make_work(work)
    text = (work/'projects/1_bike_sharing.ipynb').read_text()
    assert '](../03_foundations.ipynb)' in text

def test_the_review_as_a_command(cmd, monkeypatch, handed):
    "Statuses, 80 columns, a page; with a review that is made up."
    from fastlessons.projects.rubric import met, needs_work
    lines = {'It runs': met('All cells ran.'), 'It <b>learns</b>': needs_work('`<script>alert(1)</script>` costs $5 and $6', 'Mend ' + 'many words '*30, 'f')}
    made = review.Review(P1, Path('my.ipynb'), lines, dict.fromkeys(lines, 'code cell 3, `def f():`'), [review.Trouble(2, '<i>x</i>', 'time', 'It did not end.', 'Look.')], [])
    monkeypatch.setattr(review, 'review', lambda *args, **kw: made)
    monkeypatch.setenv('COLUMNS', '80')
    status, out, err = cmd('review', 'P1', 'my.ipynb', '--out', 'here')
    assert (status, err) == (1, '') and max(map(len, out.splitlines())) <= 80 and '1 of 2 lines' in out and 'here/P1_review_my.html' in out
    page = BeautifulSoup(Path('here/P1_review_my.html').read_text(encoding='utf-8'), 'html.parser')
    assert 'alert(1)' in page.select('.review')[0].text and not [s for s in page.select('script') if 'alert(1)' in s.text] and not page.select('.review i, .review img')
    del lines['It <b>learns</b>']
    assert cmd('review', 'P1', 'my.ipynb', '--out', 'here')[0] == 0

def test_imports_stay_light():
    code = "import sys, fastlessons.cli; assert 'fastlessons.review' not in sys.modules; import fastlessons.review, fastlessons.projects.p1; assert not {'torch', 'fastai', 'sklearn', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, '-c', code], check=True)

# The checks in the notebook

def test_the_checks_pass_what_is_right():
    for gaps, methods in (BATCH, (1, 2, 3, 4)), (LOOP, (3, 4)):   # LOOP has no sigmoid, which the reviewer takes and the pencil does not
        ns = defined(gaps)
        for n in methods: assert check.run_cases(f'P1.{n}', ns['Network'])[0] is True, n
        assert check.run_cases('P1.5', ns['split'])[0] is True

@pytest.mark.slow
def test_the_last_check(): assert check.run_cases('P1.6', [defined(BATCH)[k] for k in ('fit_bikes', 'predict_bikes')])[0] is True

HINTS = {'forgotten transpose': (2, 'mismatch'), 'error not scaled by the slope': (2, 'gradient of b1'), 'error not scaled by the rows': (2, 'three rows'), 'update inside the loop': (2, 'stay as they are'),
         'sigmoid at the output': (1, 'no sigmoid'), 'no bias': (1, 'hidden sums'), 'one global variable': (3, 'learning rate 0.5'), 'no update in the training': (4, 'smaller error'),
         'the short batch left out': (4, '3 rows'), 'shuffled time': (5, 'rows for training')}

@pytest.mark.parametrize('name', HINTS)
def test_the_checks_give_hints(name):
    n, word = HINTS[name]
    ns = defined(WRONG[name][0])
    done, says = check.run_cases(f'P1.{n}', ns['split'] if n == 5 else ns['Network'])
    assert done is False and word in says, says

def test_the_starter_says_not_yet():
    nb = nbformat.read(STARTER, 4)
    said = [o.text for c in nb.cells for o in c.get('outputs', []) if 'text' in o]
    assert [s.split(':')[0] for s in said if 'P1.' in s] == [f'… P1.{k} Not yet' for k in range(1, 7)]
