"What all modules share: each thing that it promises."
import importlib, inspect, json, os, pydoc, re, subprocess, sys, threading
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np, pandas as pd, pytest

import fastlessons
from conftest import ROOT, refuses
from fastlessons import core

INF, NAN = float('inf'), float('nan')
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

def test_what_a_killed_process_left_goes_the_next_time(tmp_path):
    "It alone: those of processes that run, and whatever else begins like that, stay."
    code = (f"import os, signal\nfrom fastlessons import core\nwith core.unfinished({str(tmp_path)!r}) as tmp:\n"
            "    (tmp/'half').write_text('half')\n    print(tmp, flush=True)\n    os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))")
    left, = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.splitlines()
    left = tmp_path/left
    others = [tmp_path/'.unfinished-of-another-machine-1-x', tmp_path/'.unfinished-mine']
    for other in others: other.mkdir()
    with core.unfinished(tmp_path) as running:
        assert left.parent == tmp_path and not left.exists()
        with core.atomic_write(tmp_path/'a.txt') as new: new.write_text('a')
        assert running.is_dir()
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path/'a.txt'])

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

def test_rows_are_the_same():
    a = pd.Series([1, 2])
    core.check_same_rows(a=a, b=a*2, c=[1, 2], d=np.ones((2, 3)), e=pd.DataFrame(dict(x=[1, 2])))
    refuses(ValueError, lambda: core.check_same_rows(a=a, c=[0, 0], b=a[::-1]), 'a and c and b', 'different labels', 'one order')
    refuses(ValueError, lambda: core.check_same_rows(a=a, b=[1]), '2 a and 1 b')
    for odd in (None, 5, 'text', iter([1, 2])): refuses(TypeError, lambda: core.check_same_rows(a=a, b=odd), 'b is', 'a list')

def test_check_same_length(): refuses(ValueError, lambda: core.check_same_length(texts='ab', labels=[1]), '2 texts and 1 labels', 'as many of each')

def test_get_column_refuses_what_is_no_table():
    df = pd.DataFrame([[1, 2, 3]], columns=['Age', 'Sex', 'Sex'])
    refuses(TypeError, lambda: core.get_column([1], 'Age'), 'this is list')
    refuses(TypeError, lambda: core.get_column(df.iloc[0], 'Age'), 'df.loc[[label]]')
    refuses(ValueError, lambda: core.get_column(df, 'Agee'), "Did you mean 'Age'?")
    refuses(ValueError, lambda: core.get_column(df, 'Sex'), "2 columns have the name 'Sex'")

def test_names_of_columns_are_exact():
    df = pd.DataFrame([[1, 2, 3]], columns=[0, '1', pd.Timestamp('2024')])
    assert core.get_column(df, 0)[0] == 1
    for name, twin in ((1, "'1' (text)"), ('0', '0 (a number)')): refuses(ValueError, lambda: core.get_column(df, name), 'Did you mean', twin)
    refuses(ValueError, lambda: core.get_column(df, 7), "no column '7'", '0, 1, 2024-01-01')
    two = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('price', 'mean'), ('price', 'max')]))
    refuses(ValueError, lambda: core.get_column(two, 'price'), "('price', 'mean')")

# What is the same: one rule for categories, classes, ids and titles

SAME = [(1, 1., np.int8(1), np.uint64(1), np.float32(1), Decimal(1)), (2**60, np.int64(2**60), float(2**60)), (2**60 + 1,), (10**30,), ('1',), ('1.0',), ('01',),
        (True, np.True_), ('True',), (.1, np.float64(.1), Decimal(.1)), (np.float32(.1),), (0, -0., False*1.), ('',), ('a', np.str_('a')), ('A',), ('a ',), ('é',), ('e\u0301',),
        (datetime(2024, 1, 1), pd.Timestamp('2024-01-01'), np.datetime64('2024-01-01')), (date(2024, 1, 1),), ('2024-01-01',), (pd.Timestamp('2024-01-01', tz='UTC'), pd.Timestamp('2024-01-01 01:00', tz='Etc/GMT-1')),
        (timedelta(1), pd.Timedelta('1D'), np.timedelta64(24, 'h')), (pd.Period('2024-01'),), (pd.Period('2024'),), (pd.Interval(0, 1), pd.Interval(0., 1.)), (pd.Interval(0, 1, 'left'),), ('(0, 1]',),
        ((1, 'a'), (np.int64(1), 'a')), ((1, 'b'),), (None, NAN, pd.NA, pd.NaT, np.float32('nan'), np.datetime64('NaT'), Decimal('NaN')), ('nan',), ('None',)]

def test_the_same_has_one_key_and_nothing_else_has_it():
    keys = [{core.exact_key(v) for v in group} for group in SAME]
    assert all(len(k) == 1 for k in keys) and len(set.union(*keys)) == len(SAME)

@pytest.mark.parametrize('v', [[1], {}, {1}, b'a', 1j, object(), np.array([1]), pd.Series([1])], ids=lambda v: type(v).__name__)
def test_what_has_no_key_is_refused(v): refuses(TypeError, lambda: core.exact_key(v), type(v).__name__, limit=300)

@pytest.mark.parametrize('v', [v for group in SAME for v in group], ids=repr)
def test_what_has_a_key_comes_back_from_a_file_with_it(v):
    back = json.loads(json.dumps(core._to_json(dict(a=[v]))), object_hook=core._from_json)['a'][0]
    assert core.exact_key(back) == core.exact_key(v)

def test_keys_of_a_file_are_text(): refuses(TypeError, lambda: core._to_json({1: 2}), 'no text')

@pytest.mark.parametrize('col, values, codes', [
    ([3., 1, 3], [3., 1.], [0, 1, 0]), (['b', None, 'a', 'b'], ['b', 'a'], [0, -1, 1, 0]), ([7, 'x', NAN, pd.NA, None], [7, 'x'], [0, 1, -1, -1, -1]),
    (pd.array([2**62, None, 2**62 + 1], 'Int64'), [2**62, 2**62 + 1], [0, -1, 1]), (np.array([2**64 - 1, 2**64 - 2], np.uint64), [2**64 - 1, 2**64 - 2], [0, 1]),
    ([10**25, 10**25 + 1], [10**25, 10**25 + 1], [0, 1]), (['7', '07', '007'], ['7', '07', '007'], [0, 1, 2]), ([True, False, None], [True, False], [0, 1, -1]),
    (pd.Categorical([2, None, 1, 2], [1, 2, 3]), [2, 1], [0, -1, 1, 0]), ([(1, 2), (1, 3), (1, 2)], [(1, 2), (1, 3)], [0, 1, 0]), ([], [], []), ([None, NAN], [], [-1, -1])])
def test_the_different_values_of_a_column(col, values, codes):
    found, at = core.distinct(col)
    assert found == values and at.tolist() == codes and [*map(type, found)] == [*map(type, values)]
    assert core.look_up(col, found).tolist() == codes and core.look_up(col, [*found, None]).tolist() == [len(found) if c < 0 else c for c in codes]

@pytest.mark.parametrize('col, words', [
    ([1, '1'], ['1 (a number)', "'1' (text)"]), (['007', 7.], ["'007'"]), ([5, 'x', '-3e2'], ["'-3e2'"]), ([True, 1], ['True (True or False)', '1 (a number)']), ([0, np.False_, None], ['False']),
    ([True, 'false'], ["'false'"]), ([date(2024, 1, 1), pd.Timestamp('2024')], ['a day', 'a moment']), (pd.Categorical([1, '1']), ["'1'"]), (pd.Series([1, '1'], dtype=object, index=[5, 5]), ["'1'"])], ids=str)
def test_written_alike_and_not_the_same_is_refused(col, words): refuses(ValueError, lambda: core.distinct(col, 'c'), "'c'", 'Expected one kind', *words, limit=300)

def test_numbers_and_words_are_welcome(): assert core.distinct([1, 'one', 'nan', 'infinity', '1a'])[0] == [1, 'one', 'nan', 'infinity', '1a']

@pytest.mark.parametrize('col', [[2**60, None], [2.**53], np.array([2**24], np.float32), pd.array([2.**60], 'Float64'), pd.Categorical([2.**60])], ids=str)
def test_long_ids_as_floats_are_refused(col): refuses(ValueError, lambda: core.distinct(col, 'c'), "'c'", 'last digits', limit=300)

def test_floats_that_are_exact_are_welcome(): assert core.distinct([2.**53 - 1, .1, INF])[0] == [2**53 - 1, .1, INF]

@pytest.mark.parametrize('known, col, words', [([1, 2], ['1'], ["'1' (text)", '1 (a number)']), (['1', '2'], [1], ['1 (a number)']), ([True, False], [1, 0], ['1 (a number)']), ([1], [True], ['True']),
    ([date(2024, 1, 1)], [pd.Timestamp('2024')], ['a moment']), (['a', 1], ['1'], ["'1'"])])
def test_what_training_wrote_in_another_way_is_refused(known, col, words): refuses(ValueError, lambda: core.look_up(col, known, 'c'), "'c'", *words, limit=300)

def test_look_up(): assert core.look_up(['b', 'new', None], ['a', 'b']).tolist() == [1, -2, -1] and core.look_up([1], [None]).tolist() == [-2]

def test_in_order():
    assert core.in_order(['b', 10, 2.5, 'a', False, True, None, date(2024, 1, 1)]) == [False, True, 2.5, 10, 'a', 'b', date(2024, 1, 1), None]
    assert len(core.in_order([pd.Timestamp('2024'), pd.Timestamp('2024', tz='UTC'), (1, None), (None, 1), ('a', 1)])) == 5   # what has no order has some

# Documentation

# what PyTorch, fastai and our own loop call, not a person: the moments of a callback, forward
CALLED = 'forward setup load_state_dict new create_batches'.split()

def functions(m):
    "Yield what a module makes public: its name, what has the docstring, what has the signature."
    for name in getattr(m, '__all__', []):
        o = getattr(m, name)
        if inspect.isfunction(o) and o.__module__ == m.__name__: yield name, o, o
        if not inspect.isclass(o) or o.__module__ != m.__name__: continue
        yield name, o, o.__init__
        for k, f in vars(o).items():
            f = getattr(f, '__func__', f)
            if inspect.isfunction(f) and k[0] != '_' and not k.startswith(('before_', 'after_')): yield f'{name}.{k}', f, f

def undocumented(m):
    "Yield what a reader of `help` of a module would miss."
    for name, o, f in functions(m):
        doc, sig = o.__doc__ or '', inspect.signature(f)
        inherited = getattr(f, '__module__', '') != m.__name__
        own, method = '.' not in name, name.rpartition('.')[2]
        if own and not doc: yield f'{name} has no docstring'
        for p in sig.parameters.values():
            if p.name in ('self', 'cls') or p.name.startswith(('before_', 'after_')) or inherited: continue   # fastai's Callback
            if own and p.kind != p.VAR_KEYWORD and not re.search(rf'^{p.name}: \S', doc, re.M): yield f'{name}: no word on {p.name}'
            if method in CALLED: continue
            if p.annotation is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL): yield f'{name}: no type of {p.name}'

def test_help_tells_of_every_parameter():
    modules = [importlib.import_module(f'fastlessons.{m}') for m in MODULES if m != '__main__']   # all: deploy.export documents deploy.classifier
    assert not [f'{m.__name__}.{says}' for m in modules for says in undocumented(m)]

def test_help_reads_like_documentation():
    text = re.sub('.\b', '', pydoc.plain(pydoc.render_doc(core.check_name)))
    assert 'names: the names that exist' in text and 'Returns `name`; raises ValueError' in text
    assert 'Raises ValueError' in core.check_int.__doc__ and 'path: file to write' in core.Saved.save.__doc__
    assert 'Returns the model' in core.Saved.load.__doc__

@pytest.mark.parametrize('old', fastlessons._OLD)
def test_an_old_name_says_what_to_use_now(old):
    "Whichever way it is imported; and what to use exists."
    module, _, name = f'fastlessons.{old}'.rpartition('.')
    ways = [f'from {module} import {name}'] if '.' in old else [f'import {module}.{name}', f'from {module}.{name} import whatever']
    if name == '*': ways = [f'import {module}.whatever']
    for way in ways:
        says = refuses(ImportError, lambda way=way: exec(way), 'Since version 0.2.0', sentences=0)
    new = re.findall(r'fastlessons(?:\.\w+)+', says.partition(' Use ')[2])
    assert new and all(pydoc.locate(n) for n in new), says

def test_other_names_are_unknown_as_ever():
    import fastlessons.layers
    refuses(ImportError, lambda: exec('from fastlessons.layers import other'), 'other', sentences=0)
    assert not hasattr(fastlessons.layers, 'other') and not hasattr(fastlessons.deploy, 'other')
    refuses(ModuleNotFoundError, lambda: exec('import fastlessons.other'), "No module named 'fastlessons.other'", sentences=0)

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
