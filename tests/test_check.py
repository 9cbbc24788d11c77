"Exercises that check themselves, and the ledger of results."
import functools, importlib.util, inspect, json, math, os, re, runpy, subprocess, sys

import nbformat, numpy as np, pytest

from conftest import ROOT, refuses
from fastlessons import check, data
from fastlessons.check import CASES, cases, exercise, record, results, run_cases
from fastlessons.simple import foundations

ANSWERS = {}
for f in sorted((ROOT/'tests/answers').glob('a*.py')): ANSWERS.update(runpy.run_path(str(f))['ANSWERS'])

def calls():
    "Find the exercises that the lessons ask for: number -> notebooks."
    found = {}
    for path in sorted((ROOT/'nbs').glob('[0-6][0-9]_*.ipynb')):
        for c in nbformat.read(path, 4).cells:
            for number in re.findall(r"^\s*exercise\(['\"]([^'\"]+)", c.source, re.M) if c.cell_type == 'code' else []:
                found.setdefault(number, []).append(path.stem)
    return found

@pytest.fixture(autouse=True)
def fresh_home(home): "Tries are kept in the home: each test begins with none."

def marks(number): return [pytest.mark.slow]*number.endswith('.3')   # the third exercise of a lesson trains a model

NUMBERS = [pytest.param(n, marks=marks(n)) for n in ANSWERS]
RIGHT = [pytest.param(n, x, id=f'{n}-{i+1}', marks=marks(n)) for n, a in ANSWERS.items() for i, x in enumerate(a['right'])]

def test_each_exercise_has_cases_answers_and_a_place():
    for lesson in check._lessons(): run_cases(f'{lesson}.1', None)   # loads them
    assert {n for n in CASES if n[0] != 'P'} == set(check.SOLUTIONS) == set(ANSWERS) == set(calls())
    for number, where in calls().items(): assert all(w.startswith(number[:3].replace('.', '_')) for w in where), (number, where)

def test_each_answer_file_is_of_one_lesson():
    for f in (ROOT/'tests/answers').glob('*.py'):
        assert re.fullmatch(r'a\d\d', f.stem)
        for number, a in runpy.run_path(str(f))['ANSWERS'].items():
            assert number.startswith(f.stem[1:]+'.') and len(a['right']) >= 1 and len(a['wrong']) >= 2

@pytest.mark.parametrize('number,answer', RIGHT)
def test_right_answer_passes(number, answer, capsys):
    exercise(number, answer)
    assert re.fullmatch(rf'✓ {re.escape(number)} Right! All \d+ cases hold.\n', capsys.readouterr().out)

@pytest.mark.parametrize('number', NUMBERS)
def test_wrong_answers_get_hints(number, capsys):
    "Each says what is wrong with it, and different mistakes get different hints."
    hints = set()
    for k, answer in enumerate(ANSWERS[number]['wrong']):
        exercise(number, answer)
        out = capsys.readouterr().out
        assert out.startswith(f'✗ {number} Not quite. ') and 'Traceback' not in out, (k, out)
        hint = out.split('Not quite. ')[1].splitlines()[0]
        assert re.match(r'Expected: .{10,}|Case \d+ stopped with \w+: .+', hint), (k, out)
        hints.add(hint)
    assert len(hints) >= min(3, len(ANSWERS[number]['wrong'])), hints

@pytest.mark.parametrize('made_by', [lambda kind: kind, functools.partial, lambda kind: lambda rng: kind(rng)], ids=['class', 'partial', 'lambda'])
def test_a_network_may_use_the_notebooks_own_engine(made_by, monkeypatch):
    "However it is made: the loss and SGD are those of the module where its parameters come from."
    from fastlessons import autograd
    from fastlessons.exercises import l11
    spec = importlib.util.spec_from_file_location('fastlessons.of_the_notebook', autograd.__file__)
    own = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'fastlessons.of_the_notebook', own)
    spec.loader.exec_module(own)
    class Line(own.Module):
        def __init__(self, rng): self.line = own.Linear(4, 3, rng)
        def __call__(self, x): return self.line(x)
    net, x, y = made_by(Line)(np.random.default_rng(0)), 10*np.eye(4), np.array([0, 1, 2, 0])
    assert l11._engine_of(net) == [own.cross_entropy, own.SGD]
    assert l11._right(net, x, y, x, y) == 1

def test_a_sigmoid_may_use_the_notebooks_own_Value(capsys):
    source = inspect.getsource(foundations.Value) + """
def sigmoid(v):
    small = math.exp(-abs(v.data))
    s = 1/(1 + small) if v.data > 0 else small/(1 + small)
    return Value(s, [(v, s*(1 - s))])"""
    notebook = dict(math=math)
    exec(source, notebook)
    assert notebook['Value'] is not foundations.Value
    assert run_cases('03.1', notebook['sigmoid'])[0]

@pytest.mark.slow
def test_hints_name_the_mistake(capsys):
    a = runpy.run_path(str(ROOT/'tests/answers/a01.py'))
    assert 'by heart' in run_cases('01.2', a['swapped']('B', 'C'))[1]
    assert 'new pictures wrong' in run_cases('01.3', a['made'](32, 2, False))[1]
    assert 'Maine_Coon' in run_cases('01.1', lambda f: f.split('_')[0])[1]

def test_a_stopped_answer_hears_what_it_was_called_with():
    assert run_cases('05.1', lambda train, rows: rows.index('X'))[1].endswith('is not in list. It was called with ([0, 2, 4], [2, 4])')
    check.CASES['00.9'] = lambda f: iter([(f(list(range(99))), True)])
    try: assert run_cases('00.9', lambda x: 1/0)[1].endswith('division by zero')   # too long to help
    finally: del check.CASES['00.9']

def todo(*args): raise NotImplementedError
def dots(a, b=1): ...
def passes(*args): pass
def doc(a):
    "What it should do."

@pytest.mark.parametrize('args', [(), (...,), (None,), (todo,), (dots,), (passes,), (doc,)])
def test_nothing_says_not_yet(args, capsys):
    exercise('01.1', *args)
    assert capsys.readouterr().out.startswith('… 01.1 Not yet: ')

def test_the_lessons_stubs_say_not_yet(tmp_path, capsys):
    "Each exercise as it stands in its notebook."
    stubs = []
    for path in sorted((ROOT/'nbs').glob('[0-6][0-9]_*.ipynb')):
        code = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'code']
        built = re.search(r'default_exp (\S+)', '\n'.join(code))[1]   # an exercise may change what the lesson has built
        stubs += [f'from fastlessons.{built} import *\n{c}' for c in code if re.search(r'^\s*exercise\(', c, re.M)]
    assert len(stubs) == len(ANSWERS)
    (tmp_path/'stubs.py').write_text('\n'.join(['from fastlessons.check import exercise', *stubs]))
    runpy.run_path(str(tmp_path/'stubs.py'))
    assert [line.split(':')[0] for line in capsys.readouterr().out.splitlines()] == [f'… {n} Not yet' for n in ANSWERS]

def same(a): return a
def five(a): return 5
def nothing(a):
    "Do it."
    return same(a) and None

@pytest.mark.parametrize('answer', [same, five, nothing, lambda a: a, lambda a: 'x', lambda a: True])
def test_a_short_answer_is_not_taken_for_none(answer): assert run_cases('01.1', answer)[0] is False

class Nasty:
    "An answer that makes trouble whatever one does with it."
    def __call__(self, *args): return Nasty()
    def __eq__(self, other): raise RuntimeError('no comparison')
    def __repr__(self): raise RuntimeError('no repr')

def recursive(*args): return recursive(*args)

@pytest.mark.parametrize('answer', [Nasty(), recursive, 3, 'x', [], {}, object(), lambda: 0, lambda *a: None, lambda *a: 1/0, lambda *a: b'', int, print],
                         ids=lambda a: type(a).__name__)
def test_never_raises(answer, capsys):
    exercise('01.1', answer)
    assert re.match(r'[✗…] 01.1 ', capsys.readouterr().out.splitlines()[-1])

def test_an_array_of_numpy_is_an_answer_too():
    import numpy as np
    for number in ANSWERS:   # comparing arrays gives arrays, which are neither true nor false
        done, message = run_cases(number, lambda *a: np.arange(3))
        assert done is False and message.startswith('Not quite.')

def test_samples_for_cases_do_not_enter_the_ledger(capsys, monkeypatch):
    "An exercise uses the drawn sample, also in a notebook that runs on real data."
    monkeypatch.setattr(data, 'used', {'mnist': 'full', 'pets': 'folder'})
    assert check.sample_of('mnist').is_dir() and capsys.readouterr().out == ''
    assert data.used == {'mnist': 'full', 'pets': 'folder'}

def test_forgotten_return():
    def breed(name): name.rsplit('_', 1)
    assert run_cases('01.1', breed)[1].endswith('yours gave None. Did you forget to return it?')

def test_misspelt_exercise():
    with pytest.raises(ValueError, match=r"no exercise '01.11'. Did you mean '01.1'\?"): exercise('01.11', 1)
    with pytest.raises(ValueError, match='There are: 01.1, 01.2'): exercise('7', 1)

def test_an_exercise_loads_the_cases_of_its_lesson_only():
    code = ("import sys; from fastlessons import check; n = len(check.CASES); check.exercise('05.2'); "
            "print(n, *check.CASES, *{'torch', 'fastai', 'numpy'} & set(sys.modules))")
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert r.stdout.splitlines()[-1] == '0 05.1 05.2 05.3'

def test_register_cases(monkeypatch, capsys):
    monkeypatch.setattr(check, 'CASES', {})
    @cases('00.1')
    def three(x): yield 'x is 3', x == 3
    assert check.CASES == {'00.1': three}
    exercise('00.1', 3); exercise('00.1', 4)
    assert capsys.readouterr().out == '✓ 00.1 Right! All 1 cases hold.\n✗ 00.1 Not quite. Expected: x is 3\n'

# Tries and worked solutions

def wrong(films, i): return i

def test_a_solution_is_shown_after_two_tries(home, capsys):
    check.solution('05.1')
    exercise('05.1')                                    # not begun: no try
    exercise('05.1', wrong)
    check.solution('05.1')
    out = capsys.readouterr().out
    assert 'def prepare' not in out and 'Tries so far: 0' in out and 'Tries so far: 1' in out and 'solution(' not in out
    exercise('05.1', wrong)
    assert "solution('05.1')" in capsys.readouterr().out   # now it is offered
    check.solution('05.1')
    shown = capsys.readouterr().out
    exec(shown, found := {})                            # it can be pasted into a cell, and is right
    exercise('05.1', found['prepare'])
    assert shown.startswith('def prepare(') and '✓' in capsys.readouterr().out
    assert check.tries() == {'05.1': [False, False, True]} and home.exists()

def test_a_solution_is_shown_to_whom_solved_it(capsys):
    exercise('01.1', ANSWERS['01.1']['right'][1])
    check.solution('01.1')
    assert 'def breed(name):' in capsys.readouterr().out
    with pytest.raises(ValueError, match="Did you mean '01.1'"): check.solution('01.11')

@pytest.mark.parametrize('number', ANSWERS)
def test_each_solution_is_the_tests_first_right_answer_and_can_be_read(number, capsys):
    "It is named as in the lesson, says in a sentence how, and its lines fit a cell."
    for _ in range(2): exercise(number, 0)
    capsys.readouterr()
    check.solution(number)
    shown = capsys.readouterr().out
    first, solved = ANSWERS[number]['right'][0], check.SOLUTIONS[number]
    assert solved.__doc__ and (first is solved or first == solved())   # an answer may be no function, but a dict, say
    assert max(map(len, shown.splitlines())) <= 88
    lesson, = calls()[number]
    cells = [c.source for c in nbformat.read(ROOT/f'nbs/{lesson}.ipynb', 4).cells]
    begins = shown.splitlines()[0] if first is solved else f'{solved.__name__} = '
    assert [c for c in cells if f"exercise('{number}'" in c and begins in c], begins

def test_tries_are_counted_where_nothing_can_be_written(home, monkeypatch):
    home.write_text('')
    monkeypatch.setattr(check, '_UNKEPT', [])
    exercise('07.2', wrong)
    assert check.tries() == {'07.2': [False]}

# The ledger

def test_record_writes_one_line(home, monkeypatch, capsys):
    import numpy as np
    from importlib.metadata import version
    monkeypatch.setattr(data, 'used', {'pets': 'sample'})
    line = record('01', error_rate=1/3, breeds=np.float32(.5), n=7)
    assert results() == [line] == [json.loads((home/'results.jsonl').read_text())]
    assert line['metrics'] == {'error_rate': .3333, 'breeds': .5, 'n': 7.}
    assert line['lesson'] == '01' and line['data'] == {'pets': 'sample'}
    assert (line['fastai'], line['torch'], line['cores']) == (version('fastai'), version('torch'), os.cpu_count())
    assert line['python'] == '.'.join(map(str, sys.version_info[:3])) and line['device']
    assert 0 <= line['seconds'] < 3600 and re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d', line['when'])
    assert set(line) == {'lesson', 'metrics', 'data', 'seconds', 'when', 'python', 'fastai', 'torch', 'cores', 'device'}
    assert re.match(r'Lesson 01: error_rate 0.3333, breeds 0.5, n 7 \([\d.]+ s so far, data: sample\)\n', capsys.readouterr().out)

def test_record_in_plain_words(home):
    assert record('01', says='Wrong on 4 of 177.', error=.02)['says'] == results()[0]['says'] == 'Wrong on 4 of 177.'

def test_record_keeps_what_is_there(home):
    lines = [record(f'0{i}', x=i) for i in range(1, 4)]
    assert results() == lines

def test_record_without_data(home, monkeypatch, capsys):
    monkeypatch.setattr(data, 'used', {})
    assert record('03', loss=0)['data'] == {}
    assert 'data: none' in capsys.readouterr().out

def test_results_before_the_first_lesson(home):
    assert results() == [] and not home.exists()

@pytest.mark.parametrize('bad', [b'{"lesson": "01", "when', b'\xff\xfe\x00', b'3', b'null', b'[1, 2]', b'not json at all'])
def test_damaged_line(home, bad, capsys):
    "A line that was cut off costs no other line, also not the one that is written after it."
    first = record('01', x=1)
    with open(home/'results.jsonl', 'ab') as f: f.write(bad)
    second = record('02', x=2)
    capsys.readouterr()
    assert results() == [first, second]
    assert 'left out a line that is not whole' in capsys.readouterr().out

@pytest.mark.parametrize('how', ['below a file', 'ledger is a folder', 'disk full'])
def test_ledger_cannot_be_written(how, home, monkeypatch, capsys):
    "A lesson does not fail at its very end because of that."
    if how == 'below a file': home.write_text('')
    if how == 'ledger is a folder': (home/'results.jsonl').mkdir(parents=True)
    if how == 'disk full': monkeypatch.setattr(check, '_append', lambda line, name='': (_ for _ in ()).throw(OSError(28, 'No space left on device')))
    assert record('01', x=1)['metrics'] == {'x': 1.}
    out = capsys.readouterr().out
    assert 'cannot be written to, so the result is not kept' in out and 'Lesson 01: x 1' in out
    assert results() == []

def test_several_writers_at_once(home, tmp_path):
    code = f'''
import time
from pathlib import Path
from fastlessons.check import record
print('ready', flush=True)
while not Path({str(tmp_path/'go')!r}).exists(): time.sleep(.005)
for i in range(100): record('01', i=i)
'''
    ps = [subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for p in ps: assert p.stdout.readline() == 'ready\n'
    (tmp_path/'go').touch()
    for p in ps: p.communicate(timeout=60)
    assert [p.returncode for p in ps] == [0, 0, 0]
    found = results()
    assert len(found) == 300 and sorted(r['metrics']['i'] for r in found) == sorted([float(i) for i in range(100)]*3)

def test_real_results(tmp_path, monkeypatch):
    "A run on real data is kept, shown beside this run's numbers, and a sample's run is refused."
    line = dict(lesson='07', when='2026-01-02 03:04', cores=2, device='cpu', torch='2', seconds=61.4, metrics=dict(dot=.91, other=2.), data=dict(movielens='folder'))
    path = tmp_path/'real.json'
    check.keep_real(line, path); check.keep_real(dict(line, lesson='01', data=dict(pets='full')), path)
    monkeypatch.setattr(check, 'real_file', lambda: path)
    table = check.real_results('07', dict(dot='error in stars'), dot=.8)
    assert list(table.columns) == ['this run', 'real: MovieLens 100k']
    assert table.loc['error in stars'].tolist() == ['0.800', '0.910'] and table.iloc[-1, -1] == '2026-01-02, 2 cores'
    refuses(ValueError, lambda: check.keep_real(dict(line, data=dict(movielens='sample')), path), 'real data')
    assert check.real_results('02', dict(dot='error'), dot=.8).iloc[0].tolist() == ['0.800', '–'], 'before it is measured'
    refuses(ValueError, lambda: check.real_results('07', dict(dot='error'), dott=2.), 'dot')

@pytest.mark.parametrize('gaps', [dict(A=..., B='right'), [1, ...], (...,)])
def test_an_answer_with_dots_in_it_is_not_begun(gaps):
    assert run_cases('05.2', gaps)[0] is None
