"Project 2: right solutions pass, wrong ones and cheats get the right advice. One network is trained as a learner would; all else is small."
import sys

import nbformat, numpy as np, pytest

from fastlessons import check, course, review
from fastlessons.projects import guard, p2
from fastlessons.projects.guard import Limits
from fastlessons.projects.rubric import RUBRICS
from fastlessons.projects.worker import _load
from p2_work import BLOCKS, CHEATS, PLAIN, STARTER, TITLES, WRONG, changed, defined, handed_in, here

P2 = course.find_project('P2')

@pytest.mark.slow
def test_a_right_solution_classifies_new_pictures():
    "And one that answers from memory, without its network, is told apart."
    ns, cut = defined(BLOCKS), np.cumsum(p2.PICTURES)[:2]
    pics, labels, kinds = p2._pictures(sum(p2.PICTURES), 22)
    (x, xv, new), (y, yv, true) = np.split(pics, cut), np.split(labels, cut)
    made = ns['fit_pictures'](x, y, xv, yv, len(kinds))
    kept = dict(fit_pictures=lambda *_: made, PictureNet=type(made[0]))
    v = here(BLOCKS, 'pictures', **kept)['pictures']
    assert v.met and v.picture and v.alt and 'goal: 65%' in v.says, v
    known = dict(zip(map(bytes, new), true))
    def by_heart(model, x): return [known.get(bytes(p), 0) for p in x]
    v = here(BLOCKS, 'pictures', **kept, classify=by_heart)['pictures']
    assert not v.met and 'does not use the network' in v.says and v.about == 'classify'

@pytest.mark.parametrize('style', [BLOCKS, PLAIN], ids=['blocks', 'plain'])
def test_other_lines_of_right_solutions(style):
    assert {x: (v.says, v.todo) for x, v in here(style, 'numbers', 'network', 'statistics').items() if not v.met} == {}

def test_early_stopping_is_no_leak():
    v = here(changed('fit_pictures', 'epochs=12', 'epochs=6', PLAIN), 'only')['only']
    assert v.met, v

@pytest.mark.parametrize('name', [*WRONG, *CHEATS])
def test_a_wrong_solution_gets_the_right_advice(name, monkeypatch):
    monkeypatch.setattr(p2, 'PICTURES', (100, 20, 40))
    monkeypatch.setitem(p2._WAY, 'epochs', 2)
    gaps, line, word = {**WRONG, **CHEATS}[name]
    gaps = {gap: code.replace('w=16', 'w=6') for gap, code in gaps.items()}
    v, = here(gaps, line).values()
    assert not v.met and word in f'{v.says} {v.todo}', v
    assert v.todo and v.about in p2.NAMES

def answers(new=.7, train=.7, fresh=.1):
    "Return an `ask` that answers for a network which is right for such shares."
    def ask(f, **given):
        if f is p2.ask_fit_pictures: return dict(own=True, used=np.ones(6), right=np.ones(6))
        pics, labels, _ = p2._pictures(sum(p2.PICTURES), 22)
        known = dict(zip(map(bytes, pics), labels))
        true = np.array([known[bytes(p)] for p in given['x']])
        share = fresh if given.get('fresh') else new if len(true) == p2.PICTURES[2] else train
        return dict(said=np.where(np.arange(len(true)) < share*len(true), true, (true + 1) % 10), changed=False)
    return ask

@pytest.mark.parametrize('word, given', [('learned by heart', dict(new=.5, train=.95)), ('not many more', dict(new=.4, train=.45)), ('learned nothing', dict(new=.1, train=.12)), ('does not use the network', dict(fresh=.6))])
def test_what_is_said_of_new_pictures(word, given, monkeypatch):
    monkeypatch.setattr(p2, 'PICTURES', (90, 20, 100))
    v = RUBRICS['P2'][TITLES['pictures']](answers(**given))
    assert not v.met and word in v.says and v.todo and 'Most often it takes' in v.says, v
    assert RUBRICS['P2'][TITLES['pictures']](answers()).met

def test_what_may_not_be_imported():
    for name in ('fastlessons.vision.cnn', 'fastlessons.simple.colour', 'fastlessons.samples.tiny', 'torchvision.models', 'fastai.vision.all'):
        with pytest.raises(ImportError): guard._import(name, p2.REFUSED)
    for name in ('torch.utils.data', 'fastlessons.data', 'sklearn.preprocessing'): guard._import(name, p2.REFUSED)

@pytest.mark.slow
def test_a_whole_review(tmp_path, monkeypatch):
    "In processes of its own, with a training that is far too short: all other lines are met."
    monkeypatch.setattr(p2, 'PICTURES', (100, 20, 60))   # of the reviewer's side
    path = tmp_path/'mine.ipynb'
    path.write_text(nbformat.writes(handed_in(changed('fit_pictures', 'epochs=5, lr=.01, batch=32', 'epochs=1, lr=.0001, batch=32', changed('PictureNet', 'w=16', 'w=6')))), encoding='utf-8')
    r = review.review(P2, path, Limits(cell=200))
    assert list(r.lines) == list(TITLES.values()) and r.troubles == [], review.review_text(r)
    assert [t for t, v in r.lines.items() if not v.met] == [TITLES['pictures']], review.review_text(r)
    assert 'goal' in r.lines[TITLES['pictures']].says and 'share of right answers' in review.review_page(r)

def test_the_unchanged_starter_is_not_begun(monkeypatch):
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    monkeypatch.setattr(p2, 'PICTURES', (100, 20, 40))
    nb = handed_in({}, ['']*4)
    found = here({}, *list(TITLES)[1:-1], **_load(review.definitions(nb, p2.NAMES)))   # with its source, as the reviewer has it
    assert len(found) == 6 and all(not v.met and 'Not begun' in v.says for v in found.values()), found
    assert not review._line_of_answers(nb, 4).met and review._line_of_answers(handed_in({}), 4).met

def test_the_starter_says_not_yet():
    said = [o.text for c in nbformat.read(STARTER, 4).cells for o in c.get('outputs', []) if 'text' in o]
    assert [s.split(':')[0] for s in said if 'P2.' in s] == [f'… P2.{k} Not yet' for k in range(1, 9)]

def test_the_checks_on_the_way(monkeypatch):
    monkeypatch.setitem(p2._WAY, 'epochs', 3)
    ns = defined(PLAIN)
    of = {1: ['measure', 'normalise'], 2: 'one_hot', 3: 'conv_block', 4: 'PictureNet', 5: 'batches', 6: ['PictureNet', 'train'], 7: 'statistics', 8: ['fit_pictures', 'classify', 'PictureNet', 'measure']}
    for n, names in of.items():
        answer = ns[names] if isinstance(names, str) else [ns[name] for name in names]
        assert check.run_cases(f'P2.{n}', answer)[0] is True, check.run_cases(f'P2.{n}', answer)
    done, says = check.run_cases('P2.7', defined(WRONG['statistics in training'][0])['statistics'])
    assert done is False and 'eval()' in says
    assert [check.run_cases(n, given)[0] for n, given in (('P2.1', 5), ('P2.6', [ns['PictureNet'], None]), ('P2.8', []))] == [None, None, None]

def test_nothing_can_be_known_in_advance():
    "The reviewer's pictures are not those of the sample, and the kinds have other numbers."
    from fastlessons.samples.tiny import TINY, tiny_set
    x, y, kinds = p2._pictures(60, 22)
    plain, labels, truth = tiny_set(60, 22)
    assert sorted(kinds) == sorted(TINY) and kinds != list(TINY) and np.array_equal(np.take(kinds, y), np.take(TINY, labels)) and (labels != truth).sum() == 3
    assert not {bytes(p) for p in x} & {bytes(p) for seed in (0, 1) for p in tiny_set(60, seed)[0]}

def test_pictures_whose_kinds_are_known():
    right = p2._scaled(p2._confetti(300, 3), p2._noise(40, 6, 6, 4))[:, :, 0, 0].argmax(1)
    assert np.bincount(right).min() > 20   # who always says the same is found out
    x, y = p2._stripes(40, 1)
    lies = abs(np.diff(x.mean((2, 3)).astype(float), axis=1)).max(1) > abs(np.diff(x.mean((1, 3)).astype(float), axis=1)).max(1)
    assert ((y == 0) == lies).all() and np.array_equal(p2._stripes(40, 1, True)[1], 1 - y)
