"Words as vectors: the slopes against nudging and torch, what is learned, what is refused, and files that others read."
import ast, io, tokenize, warnings
from collections import Counter
from pathlib import Path

import numpy as np, pytest, torch

from conftest import refuses
from fastlessons.samples import world
from fastlessons.samples.world import JOBS, kinds, make_world, questions, right_answers, right_kinds
from fastlessons.text import word2vec
from fastlessons.text.tokens import number_words, unique_numbers
from fastlessons.text.word2vec import Word2Vec, block_slopes, keep_probability, move, nearness, noise

@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield

TEXTS = ['the cat sat on the mat', 'the dog sat on the cat', 'a dog and a cat sat']*8

@pytest.fixture(scope='module')
def texts(): return make_world(6000)

@pytest.fixture(scope='module')
def model(texts): return Word2Vec(dim=40, epochs=6).fit(texts)

def known(m, asked=None):
    asked = [q for q in asked or questions(40) if all(w in m.number_ for w in q[1:])]
    return right_answers(m.words_, m.vectors_, asked).mean()

# Its parts

def test_numbering():
    names, counts, ids, text_of = number_words([*TEXTS, '!!! ... ?', '', 'cat'], 5)
    assert names[:2] == ['cat', 'the'] or names[:2] == ['the', 'cat'] and not {'!', '.', '?'} & set(names)
    assert counts.tolist() == sorted(counts, reverse=True) and len(ids) == len(text_of) == counts.sum()
    assert [names[i] for i in ids[text_of == 1]] == 'the dog sat on the cat'.split()
    assert (np.diff(text_of) >= 0).all() and text_of[-1] == len(TEXTS) + 2
    again = number_words([t.split() for t in TEXTS], 5)   # lists of words are as good as texts
    assert again[0] == number_words(TEXTS, 5)[0] and number_words(TEXTS, 20)[0] == ['the', 'cat', 'sat']

def test_unique_numbers_are_those_of_numpy():
    for n, k in ((5, 0), (5, 1), (5, 40), (1000, 40)):
        numbers = np.random.default_rng(k).integers(0, n, k)
        for found, expected in zip(unique_numbers(numbers, n), np.unique(numbers, return_inverse=True)): assert (found == expected).all()

def test_keep_probability():
    p = keep_probability(np.array([100_000, 1000, 100, 1]), 1e-3)
    f = np.array([100_000, 1000, 100, 1])/101_101
    assert np.allclose(p, np.minimum(1, (np.sqrt(f/1e-3) + 1)*1e-3/f))   # as word2vec's C writes it
    assert (np.diff(p) >= 0).all() and p[-1] == 1 and (keep_probability(np.array([5, 1]), 1) == 1).all()

def test_noise():
    assert np.allclose(noise(np.array([10_000, 16])), np.array([125, 1])/126)
    assert np.allclose(noise(np.array([3, 1]), 1), [.75, .25]) and np.allclose(noise(np.array([3, 1]), 0), .5)

def test_nearness():
    w = nearness(np.array([[0, 0, 0, 0, 1, 1, -1]]), 2)[0]
    assert w.tolist() == [[.5, 1, 0, 1, 0, 0, 0], [0, .5, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0]]
    assert not nearness(np.full((1, 6), -1), 1).any()   # beyond the end nobody has neighbours

@pytest.mark.parametrize('groups', [1, 2])
def test_slopes_of_blocks_are_those_of_torch(groups):
    rng = np.random.default_rng(0)
    u, o, wrong = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in ((2, 4, 5), (2, 8, 5), (groups, 3, 5)))
    near = nearness(np.array([[0]*8, [0]*3 + [1]*4 + [-1]]), 2)
    got = block_slopes(*(t.detach().numpy() for t in (u, o, wrong)), near, 5)
    weight, log = torch.tensor(near), torch.nn.functional.logsigmoid
    loss = -(weight*log(u @ o.transpose(1, 2))).sum()
    said = log(-(u.reshape(groups, -1, 5) @ wrong.transpose(1, 2)))
    loss = loss - (weight.sum(2).reshape(groups, -1, 1)*5/3*said).sum()
    loss.backward()
    for g, t in zip(got, (u, o, wrong)): assert np.abs(g - t.grad.numpy()).max() < 1e-6

def test_scores_never_overflow():
    big = np.full((1, 1, 2), 1e4, np.float32)
    for sign in (1, -1):
        got = block_slopes(big, sign*np.ones((1, 3, 2), np.float32), sign*np.ones((1, 1, 2), np.float32), nearness(np.zeros((1, 3)), 1), 1)
        assert all(np.isfinite(g).all() for g in got)

def test_a_row_that_comes_twice_moves_by_the_sum():
    table, moved = np.zeros((4, 2), np.float32), np.ones(4, np.float32)
    move(table, moved, np.array([2, 0, 2]), np.array([[1., 0], [1, 1], [1, 2]], np.float32), .5)
    assert np.allclose(moved, [2, 1, 5, 1]) and not table[[1, 3]].any()
    assert np.allclose(table[2], -.5/5**.35*np.array([2, 2])) and np.allclose(table[0], -.5/2**.35)

def test_it_is_short():
    "At most 120 lines of code, without docstrings, comments and the lines that only name a parameter."
    source = Path(word2vec.__file__).read_text()
    tree = ast.parse(source)
    docs = sum(ast.get_docstring(n) is not None for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef)))
    imports = sum(isinstance(n, (ast.Import, ast.ImportFrom)) for n in tree.body)
    n = sum(t.type == tokenize.NEWLINE for t in tokenize.generate_tokens(io.StringIO(source).readline))
    assert n - docs - imports <= 122   # 2 of them: __all__, document

# What it learns

def test_it_learns_the_world(model):
    assert known(model) > .45 and right_kinds(model.words_, model.vectors_, {w: k for w, k in kinds().items() if w in model.number_}).mean() > .7
    assert 'rome' in [w for w, _ in model.analogy('france', 'paris', 'italy', n=10)]
    assert {w for w, _ in model.similar('puppy', 3)} <= {w for w, k in kinds().items() if k in ('young', 'animal', 'home')}
    assert model.doesnt_match(['king', 'duke', 'prince', 'kennel']) == model.doesnt_match(w for w in ('king', 'kennel', 'duke', 'prince')) == 'kennel'

def test_from_shuffled_words_it_learns_nothing(texts):
    words = np.random.default_rng(0).permutation([w for t in texts for w in t.split()])
    mixed = [list(map(str, part)) for part in np.array_split(words, 4000)]
    assert known(Word2Vec(dim=40).fit(mixed)) < .02

def test_one_seed_one_result(texts):
    a, b, c = (Word2Vec(dim=8, epochs=1, seed=s).fit(texts[:500]) for s in (0, 0, 1))
    assert (a.vectors_ == b.vectors_).all() and (a.vectors_ != c.vectors_).any()
    assert a.fit(texts[:500]) is a and (a.vectors_ == b.vectors_).all()   # fit begins anew

def test_nearest_words_are_those_of_the_definition(model):
    v = model.vectors_/np.linalg.norm(model.vectors_, axis=1, keepdims=True)
    cosine = v @ v[model.number_['paris']]
    best = [model.words_[i] for i in np.argsort(-cosine) if model.words_[i] != 'paris'][:5]
    assert [w for w, _ in model.similar('paris', 5)] == best and len(model.similar('paris', 10**6)) == len(model.words_) - 1
    for word, c in model.similar('paris', 5): assert c == pytest.approx(cosine[model.number_[word]], abs=6e-4)
    q = ('walk', 'walked', 'sing')
    a, b, c = (v[model.number_[w]] for w in q)
    order = [model.words_[i] for i in np.argsort(-(v @ (b - a + c))) if model.words_[i] not in q]
    assert [w for w, _ in model.analogy(*q, n=4)] == order[:4]
    asked = [('', *q, order[0]), ('', *q, order[1])]
    assert right_answers(model.words_, model.vectors_, asked).tolist() == [True, False]

@pytest.mark.parametrize('texts', [['a b'], [['x', 'y', 'x']], ['a b']*3 + ['a'], ['one two three four five six seven eight nine ten eleven twelve ' * 9]])
def test_small_texts_are_enough(texts):
    m = Word2Vec(dim=3, min_count=1, negatives=1, sample=1).fit(texts)
    assert np.isfinite(m.vectors_).all() and len(m.words_) > 1

def test_all_text_counts(texts):
    "The last words of a text that does not fill its block, too."
    m = Word2Vec(dim=4, min_count=1, sample=1, negatives=1, window=2).fit(['a b c d e f g h i j k l m n o p', 'y z'])
    start = np.random.default_rng(0).random((18, 4), np.float32) - .5
    assert (np.abs(m.vectors_ - start/4).max(1) > 0)[[m.number_[w] for w in 'ayz']].all()

def test_words_in_other_scripts_and_signs():
    m = Word2Vec(dim=3, min_count=1, negatives=1, sample=1).fit(['Привет мир 👍', 'привет мир 👍 café'])
    assert {'привет', 'мир', '👍', 'café'} == set(m.words_)

# Files

def test_save_and_load(model, tmp_path):
    kept = Word2Vec.load(model.save(tmp_path/'m.safetensors'))
    assert type(kept) is Word2Vec and kept.words_ == model.words_ and (kept.vectors_ == model.vectors_).all() 
    assert (kept.dim, kept.window, kept.lr) == (40, 5, model.lr)
    assert kept.similar('rome') == model.similar('rome')
    assert b'pickle' not in (tmp_path/'m.safetensors').read_bytes()[:2000]
    refuses(FileNotFoundError, lambda: Word2Vec.load(tmp_path/'x.safetensors'), 'There is no file')
    data = (tmp_path/'m.safetensors').read_bytes()
    for bad in (data[:len(data)//2], b'', b'hello', data.replace(rb'\"dim\": 40', rb'\"dim\": 41'), data.replace(b'Word2Vec', b'Word3Vec')):
        assert bad != data
        (tmp_path/'bad.safetensors').write_bytes(bad)
        refuses(ValueError, lambda: Word2Vec.load(tmp_path/'bad.safetensors'), 'damaged')

def test_export_in_the_text_format(model, tmp_path):
    model.export(tmp_path/'v.txt')
    first, *lines = (tmp_path/'v.txt').read_text(encoding='utf-8').splitlines()
    assert first == f'{len(model.words_)} 40' and len(lines) == len(model.words_)
    read = np.array([line.split(' ')[1:] for line in lines], np.float32)
    assert [line.split(' ')[0] for line in lines] == model.words_ and (read == model.vectors_).all()
    refuses(ValueError, lambda: Word2Vec(dim=2, min_count=1, negatives=1, sample=1).fit([['new york', 'is', 'big']]).export(tmp_path/'x.txt'), "'new york'", 'save')
    refuses(FileNotFoundError, lambda: model.export(tmp_path/'no'/'v.txt'), 'There is no folder')
    assert not (tmp_path/'x.txt').exists()

def test_gensim_reads_it(model, tmp_path):
    gensim = pytest.importorskip('gensim', reason="gensim is not installed: pip install 'fastlessons[bench]'")
    model.export(tmp_path/'v.txt')
    read = gensim.models.KeyedVectors.load_word2vec_format(tmp_path/'v.txt')
    assert read.index_to_key == model.words_ and (read.vectors == model.vectors_).all()
    assert [w for w, _ in read.most_similar('paris', topn=5)] == [w for w, _ in model.similar('paris', 5)]

# Bad input

@pytest.mark.parametrize('settings,says', [
    (dict(window=0), 'window is 0'), (dict(window=-1), 'window is -1'), (dict(window=2.5), 'window is 2.5'), (dict(dim=0), 'dim is 0'), (dict(negatives=0), 'negatives is 0'),
    (dict(epochs='all'), "epochs is 'all'"), (dict(min_count=0), 'min_count is 0'), (dict(sample=0), 'sample is 0'), (dict(sample=-1), 'sample is -1'),
    (dict(lr=0), 'lr is 0'), (dict(lr=float('nan')), 'lr is nan'), (dict(seed=-1), 'seed is -1'), (dict(window=True), 'window is True')])
def test_wrong_settings(settings, says): refuses(ValueError, lambda: Word2Vec(**settings), says, 'Expected', limit=120)

@pytest.mark.parametrize('texts,kind,says', [
    ([], ValueError, 'different words'), (['', ' '], ValueError, '0 of 0'), (['word'], ValueError, 'min_count'), (['cat', 'dog']*9, ValueError, 'neighbour'),
    (['a b c'], ValueError, '0 of 3 different words are seen 5 times'), (['a a a a a a'], ValueError, '1 of 1'), (['! ? !']*9, ValueError, '0 of 2'),
    ('one text', TypeError, 'one str'), (['a b', 3], ValueError, '3 in row 1'), (['a b', float('nan')], ValueError, 'nan in row 1'), (['a b', None], ValueError, 'None in row 1'),
    ([['a', 'b'], ['a', 1]], ValueError, 'A token is a str'), ([b'caf\xe9 noir'], ValueError, 'not UTF-8'), (7, TypeError, 'docs is 7'), ({'a': 1}, TypeError, 'a dict'),
    (['a b a b a b a b a b a b'], ValueError, 'negatives is 5')])
def test_wrong_texts(texts, kind, says):
    m = Word2Vec()
    refuses(kind, lambda: m.fit(texts), says)
    refuses(ValueError, lambda: m['a'], 'Call fit first')   # nothing half done is left

def test_what_is_dropped_whole_is_refused():
    "Else the vectors would stay where they began, at random, and nobody would know."
    m = Word2Vec(negatives=2, sample=1e-9)
    refuses(ValueError, lambda: m.fit(TEXTS), 'sample is 1e-09', 'larger sample')
    refuses(ValueError, lambda: m['cat'], 'Call fit first')
    m = Word2Vec(negatives=2, sample=1).fit(TEXTS)
    assert (np.abs(m.contexts_).max(1) > 0).all()

def test_unknown_words(model):
    for ask in (lambda: model['pariss'], lambda: model.similar('pariss'), lambda: model.analogy('france', 'pariss', 'italy'), lambda: model.doesnt_match(['king', 'pariss', 'duke'])):
        refuses(ValueError, ask, "no word 'pariss'", "Did you mean 'paris'?", limit=160)
    refuses(ValueError, lambda: model['Paris'], "Did you mean 'paris'?")
    assert 'Did you mean' not in refuses(ValueError, lambda: model['qqqqqqq'], 'Rare words have none')
    for odd in (None, 3, ['paris'], float('nan')): refuses(ValueError, lambda odd=odd: model[odd], 'There is no word')

def test_wrong_questions(model):
    refuses(ValueError, lambda: model.similar('paris', 0), 'n is 0')
    refuses(ValueError, lambda: model.doesnt_match(['king', 'duke']), '2 words')
    refuses(TypeError, lambda: model.doesnt_match('king'), 'words is one str')
    refuses(ValueError, lambda: Word2Vec().similar('paris'), 'Call fit first')
    refuses(ValueError, lambda: Word2Vec().save('x.safetensors'), 'Call fit first')

# The world

def test_the_world_is_what_it_says():
    texts = make_world(3000)
    assert texts == make_world(3000) != make_world(3000, seed=1)
    count = Counter(w for t in make_world() for w in t.split())
    asked, kind = questions(), kinds()
    assert set(kind) <= set(count) and min(count[w] for w in kind) > 50 and 550 < len(count) < 800
    assert len(asked) > 3000 and len({q[0] for q in asked}) == 16 and all(len({*q[1:]}) == 4 for q in asked)
    place = {}   # a word stands in one place of one table only, so each question has one answer
    for f in world._FAMILIES:
        for row in f.rows:
            for w in row: assert place.setdefault(w, (f.columns, tuple(row))) == (f.columns, tuple(row)), w
    said = [(t.split(), job) for t in make_world() for job in JOBS if f' {job} ' in f' {t} ']
    for job, p in JOBS.items():
        she = [w for t, j in said if j == job for w in t if w in ('she', 'he')]
        assert abs(she.count('she')/len(she) - p) < 4*(p*(1 - p)/len(she))**.5 + .01, job
    refuses(ValueError, lambda: make_world(0), 'n is 0')

@pytest.mark.real
def test_it_learns_english(shared):
    from fastlessons.text.clean import read_paragraphs
    m = Word2Vec(dim=60, epochs=3).fit(read_paragraphs(shared/'data/english-novels'))
    assert {w for w, _ in m.similar('brother', 6)} & {'sister', 'father', 'mother', 'cousin', 'uncle', 'son', 'nephew'}
    assert known(m, questions()) > .05   # of some 80 questions whose words it knows; at random: none
