"What all modules share: each thing that it promises."
import io, os, pydoc, re, subprocess, sys, threading

import numpy as np, pandas as pd, pytest, torch

from conftest import ROOT, refuses
from fastlessons import core

MODULES = sorted(p.relative_to(ROOT/'fastlessons').with_suffix('').as_posix().replace('/', '.')
                 for p in (ROOT/'fastlessons').rglob('[a-z]*.py'))

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

def test_home_sign_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    core.save_model('~/m.safetensors', 'Line', dict(a=torch.ones(2)))
    assert (tmp_path/'m.safetensors').is_file()
    assert core.load_model('~/m.safetensors', 'Line', lambda about, t: t['a'].tolist()) == [1, 1]

# Models

@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such modes')
def test_others_may_read_what_was_saved(tmp_path):
    "safetensors' own save_file makes a file for its owner alone; a web server often is another user."
    before = os.umask(0o022)
    try: path = core.save_model(tmp_path/'m.safetensors', 'Line', dict(a=torch.ones(2)))
    finally: os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644

def test_a_model_comes_back_as_it_was(tmp_path):
    a = torch.arange(12.).reshape(3, 4).t()   # not contiguous
    core.save_model(tmp_path/'m.safetensors', 'Line', dict(a=a, b=a), names=['é', 'x'], deep=dict(n=[1, 2.5, None]))
    about, t = core.load_model(tmp_path/'m.safetensors', 'Line', lambda about, t: (about, t))
    assert about['names'] == ['é', 'x'] and about['deep'] == dict(n=[1, 2.5, None])
    assert t['a'].equal(a) and t['b'].equal(a)

@pytest.mark.parametrize('what', ['empty', 'cut', 'text', 'other kind', 'no head', 'later format', 'odd parts'])
def test_no_other_file_is_taken_for_a_model(tmp_path, what):
    from safetensors.torch import save_file
    path = core.save_model(tmp_path/'m.safetensors', 'Line', dict(a=torch.ones(20)))
    if what == 'empty': path.write_bytes(b'')
    if what == 'cut': path.write_bytes(path.read_bytes()[:-10])
    if what == 'text': path.write_text('hello, I am a text and no model')
    if what == 'other kind': core.save_model(path, 'Curve', dict(a=torch.ones(2)))
    if what == 'no head': save_file(dict(a=torch.ones(2)), path)
    if what == 'later format': path.write_bytes(path.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 2'))
    def make(about, t): return t['b'] if what == 'odd parts' else t
    refuses(ValueError, lambda: core.load_model(path, 'Line', make), 'm.safetensors is damaged, or no saved Line', 'save it again', limit=400)

def test_what_is_not_there_is_said(tmp_path):
    refuses(FileNotFoundError, lambda: core.load_model(tmp_path/'no', 'Line', dict), 'There is no file', 'Line.save', limit=200)
    refuses(FileNotFoundError, lambda: core.load_model(tmp_path, 'Line', dict), 'There is no file', limit=200)
    refuses(FileNotFoundError, lambda: core.save_model(tmp_path/'no'/'m', 'Line', dict(a=torch.ones(1))), 'Make it first', limit=200)
    refuses(TypeError, lambda: core.save_model(tmp_path/'m', 'Line', dict(a=torch.ones(1)), what=object()), 'not JSON serializable')
    assert not [*tmp_path.iterdir()]

# Saying no

@pytest.mark.parametrize('col, rows', [
    (pd.Series([1, None, 3], list('abc'), name='Age'), "Column 'Age' is odd: nan in row 'b'. Do."),
    (np.array([5, 6]), 'The column is odd: 6 in row 1. Do.'), (['x', 'y'], "The column is odd: 'y' in row 1. Do.")])
def test_refuse_names_the_rows(col, rows):
    bad = [False, True, False][:len(col)]
    assert refuses(ValueError, lambda: core.check_rows(col, bad, 'is odd', 'Do.')) == rows
    core.check_rows(col, [False]*len(col), 'is odd', 'Do.')

def test_refuse_shows_whole_rows_of_a_table():
    df = pd.DataFrame(dict(name=['a', 'b', 'c', 'd', 'e'], n=[1., 2, 3, 4, 5]), [10, 20, 30, 40, 50])   # `name`, as a Series has one
    assert refuses(ValueError, lambda: core.check_rows(df, (df.n > 1).values, 'is odd', 'Do.')) == (
        "The table is odd: {'name': 'b', 'n': 2.0} in row 20, {'name': 'c', 'n': 3.0} in row 30, "
        "{'name': 'd', 'n': 4.0} in row 40, and 1 more of 5 rows. Do.")

@pytest.mark.parametrize('v', [0, -1, 1.5, 2., '3', None, True, float('nan'), float('inf'), [1]])
def test_whole_number(v): refuses(ValueError, lambda: core.check_int(n=v), 'n is ', 'Expected a whole number, 1 or more', limit=100)

def test_whole_numbers_of_all_kinds_pass(): core.check_int(a=1, b=np.int64(3), c=np.uint8(4))

def test_column_refuses_what_is_no_table():
    df = pd.DataFrame([[1, 2, 3]], columns=['Age', 'Sex', 'Sex'])
    refuses(TypeError, lambda: core.get_column([1], 'Age'), 'this is list')
    refuses(TypeError, lambda: core.get_column(df.iloc[0], 'Age'), 'df.loc[[label]]')
    refuses(ValueError, lambda: core.get_column(df, 'Agee'), "Did you mean 'Age'?")
    refuses(ValueError, lambda: core.get_column(df, 'Sex'), "2 columns have the name 'Sex'")

# Documentation

def documented(module):
    "Run in a process of its own, since pydoc shows what is there: names without a docstring, parameters without a word."
    code = f"""
import importlib, inspect
if '{module}' == 'deploy.classifier': import fastlessons.deploy.export   # it documents that file, which stands alone
m = importlib.import_module('fastlessons.{module}')
for name in getattr(m, '__all__', []):
    o = getattr(m, name)
    if not (inspect.isfunction(o) or inspect.isclass(o)): continue
    doc, sig = o.__doc__ or '', inspect.signature(o)
    if not doc: print(name, 'has no docstring')
    for p in sig.parameters.values():
        if p.name == 'self' or p.name.startswith(('before_', 'after_')) or p.kind == p.VAR_KEYWORD: continue   # fastai's Callback
        if f'{{p.name}}:' not in doc and f'{{p.name}},' not in doc: print(f'{{name}}: no word on', p.name)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0, out.stderr
    return out.stdout

@pytest.mark.parametrize('module', MODULES)
def test_help_tells_of_every_parameter(module): assert documented(module) == ''

def test_what_patch_leaves_is_gone():
    from fastlessons import collab, forests
    assert not [k for m in (collab, forests) for k, v in vars(m).items() if v is None and not k.startswith('_')]

def test_help_reads_like_documentation():
    text = re.sub('.\b', '', pydoc.plain(pydoc.render_doc(core.save_model)))
    assert 'path: file to write' in text and 'Returns the Path. Raises' in text

def test_progress_is_quiet_when_told(capsys):
    assert list(core.progress(range(3), show=False)) == [0, 1, 2] and capsys.readouterr().out == ''
