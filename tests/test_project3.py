"Project 3: right solutions pass, wrong ones get the right advice. One network is trained as a learner would; all else is small."
import sys

import nbformat, numpy as np, pytest

from fastlessons import check, course, review
from fastlessons.projects import p3
from fastlessons.projects.guard import Limits
from fastlessons.projects.rubric import RUBRICS
from fastlessons.projects.worker import Stopped, _answer, _load, unpack
from p3_work import PLAIN, STARTER, TIED, TITLES, WRONG, changed, defined, handed_in, here

P3 = course.find_project('P3')

QUICK = 'words', 'batches', 'network', 'write'

@pytest.fixture(scope='module')
def learned():
    "Train the first solution on the reviewer's own text, once."
    text, *_ = p3._scenes(*p3.SCENES, seed=21)
    return defined(TIED)['fit_scripts'](text)

@pytest.mark.slow
def test_a_right_solution_writes_scripts_of_its_own(learned):
    v = here(TIED, 'scripts', fit_scripts=lambda text: learned)['scripts']
    assert not v.met and 'not your `ScriptNet`' in v.says   # of another run of the notebook
    kept = defined(TIED)
    v = here(TIED, 'scripts', fit_scripts=lambda text: learned, ScriptNet=type(learned[0]))['scripts']
    assert v.met and v.picture and v.alt and 'It wrote: ' in v.says, v
    # the training text in place of a text of its own
    text, *_ = p3._scenes(*p3.SCENES, seed=21)
    ids = kept['encode'](kept['split_words'](text), learned[1])
    def parrot(net, start, n, temperature, seed): return start + ids[500*seed:500*seed + n]
    v = here(TIED, 'scripts', fit_scripts=lambda text: learned, ScriptNet=type(learned[0]), write_script=parrot)['scripts']
    assert not v.met and 'It copies' in v.says and 'by heart' in v.todo and v.about == 'write_script'

@pytest.mark.parametrize('style', [TIED, PLAIN], ids=['tied', 'plain'])
def test_other_lines_of_right_solutions(style):
    assert {x: v.says for x, v in here(style, *QUICK).items() if not v.met} == {}

@pytest.mark.slow
def test_training_in_another_style(): assert here(PLAIN, 'train')['train'].met

@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_solution_gets_the_right_advice(name, monkeypatch):
    monkeypatch.setattr(p3, 'SCENES', (30, 5))
    monkeypatch.setitem(p3._WAY, 'epochs', 6)
    gaps, line, word = WRONG[name]
    v, = here(gaps, line).values()
    assert not v.met and word in f'{v.says} {v.todo}', v
    assert v.todo and v.about in TIED

def test_what_was_learned_by_heart_and_what_was_not_learned(monkeypatch):
    monkeypatch.setattr(p3, 'SCENES', (20, 12))
    poor = changed('fit_scripts', 'epochs=2', 'epochs=1')
    v = here(poor, 'scripts')['scripts']
    assert not v.met and 'not much better' in v.says and 'more passes' in v.todo and v.picture
    heart = changed('fit_scripts', 'epochs=2, lr=1e-2, batch=24', 'epochs=12, lr=1e-2, batch=4')
    v = here(heart, 'scripts')['scripts']
    assert not v.met and 'by heart' in v.says and 'dropout' in v.todo

def answers(nats=1.2, known=1.2, texts=None, words=None):
    "Return an `ask` that answers for a network which has so many nats a token."
    def ask(f, **given):
        if f is p3.ask_fit_scripts:
            return dict(own=True, words='\t'.join(words or p3._twice(p3._split(given['text'])) | {'<unk>'}))
        if f is p3.ask_score:
            n = len(p3._split(given['text']))
            new = given['text'] not in p3._scenes(*p3.SCENES, seed=21)[0]
            return dict(nats=(n - 1)*(nats if new else known), tokens=n)
        return {f'text{k}': '\t'.join(texts(k)) for k in range(9)}
    return ask

RNG = np.random.default_rng(0)
def chatter(k): return [f'w{x}' for x in RNG.integers(0, 200, 100)]

@pytest.mark.parametrize('word, given', [('goal', dict(nats=2.)), ('Nobody can', dict(nats=.3)), ('NaN', dict(nats=np.nan)), ('by heart', dict(nats=1.5, known=.5)), ('the same, from different seeds', dict(texts=lambda k: ['a', 'b'])),
                                         ('again and again', dict(texts=lambda k: [f'{k}', *'abc'*30])), ('no number for them', dict(words=['a', '<unk>']))])
def test_what_is_said_of_scripts(word, given, monkeypatch):
    monkeypatch.setattr(p3, 'SCENES', (40, 10))
    v = RUBRICS['P3'][TITLES['scripts']](answers(**{'texts': chatter, **given}))
    assert not v.met and word in v.says and v.todo, v

def test_chatter_that_nobody_has_said_is_met(monkeypatch):
    monkeypatch.setattr(p3, 'SCENES', (40, 10))
    assert RUBRICS['P3'][TITLES['scripts']](answers(texts=chatter)).met

def test_counting_has_what_the_rubric_says():
    "The rival of the rubric, on the rubric's own scenes."
    text, new, _ = p3._scenes(*p3.SCENES, seed=21)
    assert p3.COUNTED == pytest.approx(counted(p3._split(text), p3._split(new)), rel=.02) and p3.GOAL < .95*p3.COUNTED

def counted(learned, new, n=5):
    "Return the perplexity of counting, smoothed as in lesson 18."
    from collections import Counter, defaultdict
    words = p3._twice(learned)
    learned, new = ([w if w in words else '<unk>' for w in part] for part in (learned, new))
    after, nats = defaultdict(Counter), []
    for at, word in enumerate(learned):
        for k in reversed(range(min(n, at + 1))):
            seen = after[tuple(learned[at-k:at])]
            seen[word] += 1
            if seen[word] > 1: break
    for at, word in enumerate(new):
        p = 1/(len(words) + 1)
        for k in range(min(n, at + 1)):
            seen = after.get(tuple(new[at-k:at]))
            if not seen: break
            p = (max(seen[word] - .75, 0) + .75*len(seen)*p)/seen.total()
        nats.append(-np.log(p))
    return float(np.exp(np.mean(nats)))

@pytest.mark.slow
def test_a_whole_review(tmp_path, monkeypatch):
    "In processes of its own, with a training that is far too short: all other lines are met."
    monkeypatch.setattr(p3, 'SCENES', (60, 20))   # of the reviewer's side
    path = tmp_path/'mine.ipynb'
    path.write_text(nbformat.writes(handed_in(changed('fit_scripts', 'epochs=2, lr=1e-2, batch=24', 'epochs=1, lr=1e-2, batch=128', changed('fit_scripts', 'd=64, size=128', 'd=16, size=16')))), encoding='utf-8')
    r = review.review(P3, path, Limits(cell=200))
    assert list(r.lines) == list(TITLES.values()) and r.troubles == [], review.review_text(r)
    assert [t for t, v in r.lines.items() if not v.met] == [TITLES['scripts']], review.review_text(r)
    assert 'goal' in r.lines[TITLES['scripts']].says and 'perplexity' in review.review_page(r)

def test_the_unchanged_starter_is_not_begun(monkeypatch):
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    nb = handed_in({}, ['']*4)
    found = here({}, *list(TITLES)[1:-1], **_load(review.definitions(nb, p3.NAMES)))   # with its source, as the reviewer has it
    assert len(found) == 6 and all(not v.met and 'Not begun' in v.says for v in found.values()), found
    assert not review._line_of_answers(nb, 4).met and review._line_of_answers(handed_in({}), 4).met

def test_the_starter_says_not_yet():
    said = [o.text for c in nbformat.read(STARTER, 4).cells for o in c.get('outputs', []) if 'text' in o]
    assert [s.split(':')[0] for s in said if 'P3.' in s] == [f'… P3.{k} Not yet' for k in range(1, 8)]

def test_the_checks_on_the_way():
    ns = defined(PLAIN)
    for n, name in enumerate(('split_words', 'make_tables', 'batches', 'ScriptNet'), start=1): assert check.run_cases(f'P3.{n}', ns[name])[0] is True
    assert check.run_cases('P3.6', ns['write_script'])[0] is True
    done, says = check.run_cases('P3.3', defined(WRONG['y is x'][0])['batches'])
    assert done is False and 'comes next' in says
    assert [check.run_cases('P3.5', given)[0] for given in ([ns['ScriptNet'], None], 5)] == [None, None]

def test_what_is_said_of_a_cell_that_python_cannot_read():
    "Neither is the name missing, nor is it a global variable that should be an argument."
    broken = review._broken(handed_in(changed('batches', 'for k in range(', 'for k in range[(')))
    assert list(broken) == ['batches'] and review._broken(handed_in(TIED)) == {}
    for kind, says in ('KeyError', "'batches'"), ('NameError', "name 'batches' is not defined"):
        v = review._of_stop(Stopped(kind, says, 'code cell 10' if kind == 'NameError' else ''), 'train', broken)
        assert 'cannot read code cell' in v.says and '`batches`' in v.says and 'argument' not in v.todo, v
    assert 'There is no `batches`' in review._of_stop(Stopped('KeyError', "'batches'"), 'batches', {}).says

def test_a_missing_name_leads_to_the_cell_that_should_have_made_it():
    nb = handed_in(changed('batches', 'for k in range(', 'for k in range[('))
    last, first = max(review.code_cells(nb)), review._broken(nb)['batches']
    told = [review.Trouble(k, '', '', says, 'x') for k, says in ((first, 'SyntaxError: x'), (last - 1, "NameError: name 'batches' is not defined"), (last, "NameError: name 'model' is not defined"), (last, "NameError: name 'nobody' is not defined"))]
    review._name_makers(told, review._statements(nb), review._broken(nb))
    assert [t.todo for t in told] == ['x', f'Mend code cell {first} first.', f'Mend code cell {last - 1} first.', 'x'] and 'should have made it' in told[2].says

@pytest.mark.parametrize('kind, says', [('ValueError', 'expected x and y, and not 3 things'), ('KeyError', '7'), ('IndexError', 'out of bounds for dimension 0')])
def test_an_answer_of_another_form_is_no_fault_of_a_line(kind, says):
    v = review._of_stop(Stopped(kind, says), 'batches', {})   # no cell: the reviewer stumbled over what came back
    assert 'does not fit' in v.says and says in v.says and 'in which order' in v.todo

def test_time_enough_and_whose_time_it_was():
    assert review._limits(p3).cell == p3.SECONDS > review._limits(check.load('P1')).cell
    assert {x.removeprefix('ask_') for x in p3.TRAINS} <= {*p3.NAMES}   # it is these that are named when they do not end
    assert 'fewer passes' in review._of_stop(Stopped('time', asked='ask_train'), 'train', {}).todo

def test_first_difference(): assert [p3._first_difference(list(a), list(b)) for a, b in (('abcdefgh', 'abcdeXgh'), ('abc', 'ab'), ('', 'a'))] == [slice(2, 9), slice(0, 6), slice(0, 4)]

def test_a_name_that_is_missing_because_of_its_import(monkeypatch):
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    mine = _load([(1, 'import json, fastlessons.nowhere as far\n'), (2, 'def f(): return far.x()\ndef g(): return nobody')])
    told = unpack(_answer(lambda mine: mine['f'](), mine, {}))
    assert (told['error'], told['cell'], told['line']) == ('ModuleNotFoundError', 'code cell 1', 'import json, fastlessons.nowhere as far') and 'json' in mine
    assert unpack(_answer(lambda mine: mine['g'](), mine, {}))['error'] == 'NameError'
    assert 'without that library' in review._of_stop(Stopped(told['error'], told['says'], told['cell']), 'f', {}).todo
