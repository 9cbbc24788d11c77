"Project 4: right solutions pass, wrong ones get the right advice. One network is trained as a learner would; all else is small."
import sys

import nbformat, numpy as np, pytest

from fastlessons import check, course, review
from fastlessons.projects import p4
from fastlessons.projects.guard import Limits
from fastlessons.projects.worker import _load
from p4_work import PACKED, PLAIN, STARTER, TITLES, WRONG, changed, defined, handed_in, here

P4 = course.find_project('P4')

@pytest.mark.slow
def test_a_right_solution_translates_new_sentences():
    "And a right network whose translations depend on their neighbours is told apart."
    ns = defined(PACKED)
    sources, targets = p4._dialect(sum(p4.PAIRS), 21)
    made = ns['fit_translator'](sources[:p4.PAIRS[0]], targets[:p4.PAIRS[0]])
    kept = dict(fit_translator=lambda *_: made, Translator=type(made[0]))
    v = here(PACKED, 'sentences', **kept)['sentences']
    assert v.met and v.picture and v.alt, v
    def crowd(net, rows, longest): return [row + [5]*(len(rows) < 2) for row in ns['translate'](net, rows, longest)]
    v = here(PACKED, 'sentences', **kept, translate=crowd)['sentences']
    assert not v.met and 'stand alone' in v.says and v.about == 'Translator'
    v = here(PACKED, 'sentences', fit_translator=lambda *_: made)['sentences']
    assert not v.met and 'not your `Translator`' in v.says   # of another run of the notebook
    def short(net, rows, longest): return [row[:6] for row in ns['translate'](net, rows, longest)]
    v = here(PACKED, 'sentences', **kept, translate=short)['sentences']
    assert not v.met and 'longest third' in v.says and 'attention' in v.todo

@pytest.mark.parametrize('style', [PACKED, PLAIN], ids=['packed', 'plain'])
def test_other_lines_of_right_solutions(style):
    assert {x: v.says for x, v in here(style, 'batch', 'attention', 'network', 'end').items() if not v.met} == {}

def test_training_in_another_style(): assert here(PLAIN, 'train')['train'].met

@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_solution_gets_the_right_advice(name, monkeypatch):
    monkeypatch.setattr(p4, 'PAIRS', (100, 30))
    monkeypatch.setitem(p4._WAY, 'epochs', 6 if name == 'padding counts' else 2)
    gaps, line, word = WRONG[name]
    v, = here(gaps, line).values()
    assert not v.met and word in f'{v.says} {v.todo}', v
    assert v.todo and v.about in PACKED

@pytest.mark.slow
def test_a_whole_review(tmp_path, monkeypatch):
    "In processes of its own, with a training that is far too short: all other lines are met."
    monkeypatch.setattr(p4, 'PAIRS', (300, 40))   # of the reviewer's side
    path = tmp_path/'mine.ipynb'
    path.write_text(nbformat.writes(handed_in(changed('fit_translator', 'd=64, size=128, epochs=6, lr=1.5e-2, batch=64', 'd=16, size=16, epochs=1, lr=1e-2, batch=256'))), encoding='utf-8')
    r = review.review(P4, path, Limits(cell=200))
    assert list(r.lines) == list(TITLES.values()) and r.troubles == [], review.review_text(r)
    assert [t for t, v in r.lines.items() if not v.met] == [TITLES['sentences']], review.review_text(r)
    assert 'goal' in r.lines[TITLES['sentences']].says and 'share of right translations' in review.review_page(r)

def test_the_unchanged_starter_is_not_begun(monkeypatch):
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    nb = handed_in({}, ['']*4)
    found = here({}, *list(TITLES)[1:-1], **_load(review.definitions(nb, p4.NAMES)))   # with its source, as the reviewer has it
    assert len(found) == 6 and all(not v.met and 'Not begun' in v.says for v in found.values()), found
    assert not review._line_of_answers(nb, 4).met and review._line_of_answers(handed_in({}), 4).met

def test_the_starter_says_not_yet():
    said = [o.text for c in nbformat.read(STARTER, 4).cells for o in c.get('outputs', []) if 'text' in o]
    assert [s.split(':')[0] for s in said if 'P4.' in s] == [f'… P4.{k} Not yet' for k in range(1, 8)]

def test_the_checks_on_the_way():
    ns = defined(PLAIN)
    for n, name in enumerate(('make_table', 'make_batch', 'attention', 'Translator'), start=1): assert check.run_cases(f'P4.{n}', ns[name])[0] is True
    assert check.run_cases('P4.6', ns['translate'])[0] is True
    done, says = check.run_cases('P4.3', defined(WRONG['no mask'][0])['attention'])
    assert done is False and 'padding' in says

def test_the_dialect_is_none_that_one_could_know():
    sources, targets = p4._dialect(300, 3)
    from fastlessons.samples.grammar import make_pairs
    plain = {w for texts in make_pairs(600, seed=3) for t in texts for w in t.split()}
    strange = [np.mean([any(w not in plain for w in t.split()) for t in side]) for side in (sources, targets)]
    assert len(set(sources)) == 300 and min(strange) > .3, strange

def test_time_enough_and_whose_time_it_was():
    assert review._limits(p4).cell == p4.SECONDS and {x.removeprefix('ask_') for x in p4.TRAINS} <= {*p4.NAMES}
