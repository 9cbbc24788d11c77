"What all modules share: each thing that it promises."
import os, pydoc, re, subprocess, sys, threading

import numpy as np, pandas as pd, pytest

from conftest import ROOT, refuses
from fastlessons import core

MODULES = sorted(p.relative_to(ROOT/'fastlessons').with_suffix('').as_posix().replace('/', '.')
                 for p in (ROOT/'fastlessons').rglob('[a-z]*.py'))
assert len(MODULES) >= 22

# Files

def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path/'a.txt'
    with core.atomic_write(path) as new: new.write_text('first')
    with pytest.raises(KeyboardInterrupt):
        with core.atomic_write(path) as new:
            new.write_text('half')
            raise KeyboardInterrupt
    assert path.read_text() == 'first' and [*tmp_path.iterdir()] == [path]
    refuses(FileExistsError, lambda: core.atomic_write(path, force=False).__enter__(), 'a.txt is already there', limit=200)
    refuses(FileNotFoundError, lambda: core.atomic_write(tmp_path/'no'/'a.txt').__enter__(), 'There is no folder', 'Make it first', limit=200)
    refuses(IsADirectoryError, lambda: core.atomic_write(tmp_path).__enter__(), 'is a folder', limit=200)

def test_two_threads_write_the_same_file(tmp_path):
    "Each has a temporary file of its own: one of the two whole texts is there at the end."
    def write(text):
        for _ in range(50):
            with core.atomic_write(tmp_path/'a.txt') as new: new.write_text(text*10_000)
    ts = [threading.Thread(target=write, args=(t,)) for t in 'ab']
    for t in ts: t.start()
    for t in ts: t.join()
    assert (tmp_path/'a.txt').read_text() in ('a'*10_000, 'b'*10_000) and len([*tmp_path.iterdir()]) == 1

def test_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert core.tilde(tmp_path/'a'/'b') == '~/a/b' and core.tilde('/etc') == '/etc'

# Saying no. The words are tested here, once for each kind of message; elsewhere only that it is raised, and for what.

@pytest.mark.parametrize('col, rows', [
    (pd.Series([1, None, 3], list('abc'), name='Age'), "Column 'Age' is odd: nan in row 'b'. Do."),
    (np.array([5, 6]), 'The column is odd: 6 in row 1. Do.'), (['x', 'y'], "The column is odd: 'y' in row 1. Do.")])
def test_check_rows_names_the_rows(col, rows):
    bad = [False, True, False][:len(col)]
    assert refuses(ValueError, lambda: core.check_rows(col, bad, 'is odd', 'Do.')) == rows
    core.check_rows(col, [False]*len(col), 'is odd', 'Do.')

def test_check_rows_shows_whole_rows_of_a_table():
    df = pd.DataFrame(dict(name=['a', 'b', 'c', 'd', 'e'], n=[1., 2, 3, 4, 5]), [10, 20, 30, 40, 50])   # `name`, as a Series has one
    assert refuses(ValueError, lambda: core.check_rows(df, (df.n > 1).values, 'is odd', 'Do.')) == (
        "The table is odd: {'name': 'b', 'n': 2.0} in row 20, {'name': 'c', 'n': 3.0} in row 30, "
        "{'name': 'd', 'n': 4.0} in row 40, and 1 more of 5 rows. Do.")

@pytest.mark.parametrize('v', [0, -1, 1.5, 2., '3', None, True, float('nan'), float('inf'), [1]])
def test_check_int(v): refuses(ValueError, lambda: core.check_int(n=v), 'n is ', 'Expected a whole number, 1 or more', limit=100)

@pytest.mark.parametrize('v', [1, np.int64(3), np.uint8(4), 10**30])
def test_whole_numbers_of_all_kinds_pass(v): assert core.check_int(n=v) is None

@pytest.mark.parametrize('v', ['3', None, True, float('nan'), float('inf'), [1], 0, 1, -.5])
def test_check_number(v): refuses(ValueError, lambda: core.check_number(above=0, below=1, p=v), 'p is ', 'Expected a number above 0 and below 1', limit=100)

@pytest.mark.parametrize('rule, good, bad', [(dict(least=2), [2, 2.5], 1.9), (dict(most=2), [-1, 2], 2.1), (dict(above=2), [2.1], 2), (dict(below=2), [1.9], 2), ({}, [0], 'x')])
def test_check_number_bounds(rule, good, bad):
    for v in good: core.check_number(**rule, v=v, w=np.float32(v))
    refuses(ValueError, lambda: core.check_number(**rule, v=bad), 'v is', *map(str, rule.values()))

def test_check_name_suggests():
    assert core.check_name('a', dict(a=1), 'thing') == 'a'
    refuses(ValueError, lambda: core.check_name('Agee', ['Age', 'Sex'], 'column'), "no column 'Agee'", "Did you mean 'Age'?", 'There are: Age, Sex')
    refuses(ValueError, lambda: core.check_name(['Age'], ['Age'], 'column'), "no column ['Age']")

def test_check_same_length(): refuses(ValueError, lambda: core.check_same_length(texts='ab', labels=[1]), '2 texts and 1 labels', 'as many of each')

def test_get_column_refuses_what_is_no_table():
    df = pd.DataFrame([[1, 2, 3]], columns=['Age', 'Sex', 'Sex'])
    refuses(TypeError, lambda: core.get_column([1], 'Age'), 'this is list')
    refuses(TypeError, lambda: core.get_column(df.iloc[0], 'Age'), 'df.loc[[label]]')
    refuses(ValueError, lambda: core.get_column(df, 'Agee'), "Did you mean 'Age'?")
    refuses(ValueError, lambda: core.get_column(df, 'Sex'), "2 columns have the name 'Sex'")

# Documentation: in a process of its own, since pydoc shows what is there.

LOOK = '''
import importlib, inspect, pydoc, re, sys
from fastcore.docments import docments
# what PyTorch, fastai and our own loop call, not a person: the moments of a callback, forward
CALLED = 'forward setup load_state_dict new create_batches'.split()
def functions(m):
    for name in getattr(m, '__all__', []):
        o = getattr(m, name)
        if inspect.isfunction(o) and o.__module__ == m.__name__: yield name, o, o
        if not inspect.isclass(o) or o.__module__ != m.__name__: continue
        yield name, o, o.__init__
        for k, f in vars(o).items():
            f = getattr(f, '__func__', f)
            if inspect.isfunction(f) and k[0] != '_' and not k.startswith(('before_', 'after_')): yield f'{name}.{k}', f, f
for module in sys.argv[1:]: importlib.import_module(f'fastlessons.{module}')   # deploy.export documents deploy.classifier
for module in sys.argv[1:]:
    m = importlib.import_module(f'fastlessons.{module}')
    for name, o, f in functions(m):
        doc, sig = o.__doc__ or '', inspect.signature(f)
        inherited = getattr(f, '__module__', '') != m.__name__
        own, method = '.' not in name, name.rpartition('.')[2]
        if own and not doc: print(module, name, 'has no docstring')
        for p in sig.parameters.values():
            if p.name in ('self', 'cls') or p.name.startswith(('before_', 'after_')) or inherited: continue   # fastai's Callback
            if own and p.kind != p.VAR_KEYWORD and not re.search(rf'^{p.name}: \\S', doc, re.M): print(module, name, 'no word on', p.name)
            if method in CALLED: continue
            if p.annotation is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL): print(module, name, 'no type of', p.name)
'''

def test_help_tells_of_every_parameter():
    r = subprocess.run([sys.executable, '-c', LOOK, *(m for m in MODULES if m != '__main__')], capture_output=True, text=True, cwd=ROOT)
    assert r.returncode == 0, r.stderr
    assert r.stdout == '', r.stdout

def test_help_reads_like_documentation():
    text = re.sub('.\b', '', pydoc.plain(pydoc.render_doc(core.check_name)))
    assert 'names: the names that exist' in text and 'Returns `name`; raises ValueError' in text
    assert 'Raises ValueError' in core.check_int.__doc__ and 'path: file to write' in core.Saved.save.__doc__
    assert 'Returns the model' in core.Saved.load.__doc__

def test_an_old_name_says_what_it_is_called_now(tmp_path):
    (tmp_path/'shop.py').write_text("from fastlessons.core import renamed\n__getattr__ = renamed(__name__, Old='New(kind)')\n")
    sys.path.insert(0, str(tmp_path))
    try:
        def old(): from shop import Old   # noqa: F401
        def other(): from shop import other   # noqa: F401
        refuses(ImportError, old, 'Since version 0.2.0 use New(kind)')
        assert 'Since' not in refuses(ImportError, other, 'other')
        import shop
        assert not hasattr(shop, 'other')
    finally: sys.path.remove(str(tmp_path))

@pytest.mark.parametrize('old, new', dict(foundations='train', pets='vision.transfer', nlp='text.', films='samples.films').items())
def test_an_old_module_says_where_it_is_now(old, new):
    code = f'''
try: import fastlessons.{old}
except ModuleNotFoundError as e: print(e)
try: from fastlessons.{old} import whatever
except ModuleNotFoundError as e: print(e)
'''
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert r.stdout.count(f'what was fastlessons.{old} is in {new}') == 2, r.stderr

def test_importing_is_quick_quiet_and_writes_nothing(tmp_path):
    "Neither torch nor fastai is imported; PyTorch's threads are told to sleep while they wait, where nothing else is said."
    code = '''
import os, sys; before = set(os.listdir('.'))
import fastlessons, fastlessons.data, fastlessons.cli
assert not {'torch', 'fastai', 'numpy', 'matplotlib'} & set(sys.modules), set(sys.modules)
assert set(os.listdir('.')) == before
print(os.environ['OMP_WAIT_POLICY'])'''
    env = {k: v for k, v in os.environ.items() if k != 'OMP_WAIT_POLICY'}
    def run(**more): return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path, env=env | more)
    r = run()
    assert (r.stdout, r.stderr) == ('PASSIVE\n', '')
    assert run(OMP_WAIT_POLICY='ACTIVE').stdout == 'ACTIVE\n'

def test_progress_is_quiet_when_told(capsys):
    assert list(core.progress(range(3), show=False)) == [0, 1, 2] and capsys.readouterr().out == ''
