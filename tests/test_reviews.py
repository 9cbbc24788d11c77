"The sample of reviews: what it holds, whether it is a fair problem, and the two lists that were made by hand."
import json, re

import numpy as np, pandas as pd, pytest

from conftest import ROOT
from fastlessons.data import get_data
from fastlessons.text.data import read_reviews, split_texts
from fastlessons.text.tokens import words
from fastlessons.samples.reviews import ABOUT, PAIRS, SHARES, TWINS, WRONG, best_possible, clause, make_reviews, sentence
from fastlessons.samples.canvas import rng_of

@pytest.fixture(scope='module')
def sample(own_home):
    "The bundled reviews as the lesson reads them, with their kinds."
    path = get_data('sentences', 'sample')
    told = pd.read_csv(path/'kinds.csv')
    return read_reviews(path).assign(kind=told.kind, told=told.label, praise=told.praise)

def test_what_it_says_of_itself(own_home, capsys):
    get_data('sentences', 'sample')
    assert capsys.readouterr().out.startswith('sentences: the bundled sample: generated reviews of invented films. 5,000 sentences in ')

def test_sizes(sample):
    assert len(sample) == 5000 and sample.label.tolist() == [1]*2500 + [0]*2500 == sample.told.tolist()
    assert sample.text.str.lower().is_unique and sample.text.str.strip().eq(sample.text).all()
    n = sample.text.map(words).map(len)
    assert n.min() >= 2 and n.max() <= 60 and 10 < n.mean() < 25
    assert sample.text.str.contains('🙂|😍|😴|👎').any() and sample.text.str.contains('é').any()

def test_kinds(sample):
    share = sample.kind.value_counts(normalize=True)
    assert set(share.index) == {*SHARES, 'mislabelled'} and .01 < share['mislabelled'] < .04
    for kind, p in SHARES.items(): assert abs(share[kind] - p) < .04, kind
    assert sum(SHARES.values()) == pytest.approx(1)

def test_the_kinds_stand_beside_their_sentences(sample):
    said = sample.text.str.lower()
    def share(kind, pattern): return said[sample.kind == kind].str.contains(pattern).mean()
    assert share('contrast', r'but|though|even if|even so|yet|still|same|matter|while|for all|however|nevertheless|in the end|at first|never mind|on paper|makes up|what counts|forget|counts for more') > .65
    assert share('plain', r'\bbut\b|although|even if|\byet\b') < .1
    assert share('negation', r"not|never|n't|far from|hardly|anything but|nobody|at no point|nothing|neither|the last thing|could not|less|no means|refuses|a lie") > .8

def test_the_floor(sample):
    by = sample.groupby('kind').praise
    assert by.nunique().drop('arguable').le(2).all() and set(sample.praise[sample.kind == 'arguable']) == {.5}
    assert best_possible(sample.praise) == pytest.approx(.9636, abs=.0006)   # data/README.md says so
    # who knows the probabilities is as often right as they say
    sure = sample[sample.praise != .5]
    assert ((sure.praise > .5) == sure.label).mean() == pytest.approx(1-WRONG, abs=.006)
    assert sample.label[sample.praise == .5].mean() == pytest.approx(.5, abs=.12)
    assert best_possible([.5, 1, 0, .2]) == pytest.approx((.5+1+1+.8)/4)

@pytest.mark.slow
def test_no_sentence_means_both():
    "The probabilities would be wrong if the grammar could write the same text for praise and for blame."
    def texts(good): return {sentence(rng_of('both', i, good), good, kind) for kind in SHARES if kind != 'arguable' for i in range(1500)}
    praise, blame = texts(True), texts(False)
    assert len(praise) > 4000 and not praise & blame

@pytest.mark.slow
def test_nothing_gives_an_arguable_label_away():
    rows = [r for r in make_reviews(3000, seed=5) if r[2] == 'arguable']
    assert len(rows) > 50 and not any(c in text for text, *_ in rows for c in '🙂😍😴👎')

def test_same_seed_same_reviews():
    rows = make_reviews(60)
    assert rows == make_reviews(60) != make_reviews(60, seed=1)
    assert sum(label for _, label, *_ in rows) == 30

@pytest.mark.parametrize('kind', SHARES)
@pytest.mark.parametrize('good', [True, False])
def test_every_sentence_is_filled_in(kind, good):
    for i in range(100):
        text = sentence(rng_of('test', i), good, kind)
        assert len(text) >= 8 and not re.search(r'[{}|]|  |the the', text), text

@pytest.mark.parametrize('about', ABOUT)
def test_praise_and_blame_have_words_of_their_own(about):
    _, praise, blame, well, badly = (set(w.split('|')) for w in ABOUT[about])
    assert not praise & blame and not well & badly and min(map(len, (praise, blame))) >= 12
    assert clause(rng_of(0), True, about) != clause(rng_of(0), False, about)

@pytest.mark.parametrize('seed', range(3))
def test_counting_is_good_but_not_perfect_and_order_matters(sample, seed):
    "As on the real sentences, where counting words and pairs reaches .79."
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    train, valid = split_texts(sample.text, sample.label, valid_pct=.2, seed=seed)
    count = CountVectorizer(tokenizer=words, token_pattern=None, ngram_range=(1, 2), binary=True)
    X, Xv = count.fit_transform(sample.text[train]), count.transform(sample.text[valid])
    right = MultinomialNB().fit(X, sample.label[train]).predict(Xv) == sample.label[valid]
    by = right.groupby(sample.kind[valid]).mean()
    assert .74 < right.mean() < .82
    assert .85 < by['plain'] < .95 and by[['negation', 'contrast', 'wish']].max() < .68 and by['mislabelled'] < .45

def test_no_turn_of_phrase_gives_the_label_away(sample):
    "Negation, contrast and wish use the same words for praise and blame: it is the word they go with that counts."
    said = sample.text.str.lower()
    for phrase in ('not', 'never', 'but', 'although', 'nobody', 'far from'):
        odd = sample[said.str.contains(rf'\b{phrase}\b') & sample.kind.isin(['negation', 'contrast', 'wish'])]
        assert len(odd) > 4 and abs(odd.label.mean() - .5) < 2/len(odd)**.5, phrase

def test_no_sentence_is_a_real_one(sample, shared):
    real = read_reviews(shared/'data'/'sentiment').text
    def plain(texts): return {' '.join(t for t in words(t) if t[0].isalnum()) for t in texts if len(words(t)) > 5}
    assert not plain(sample.text) & plain(real)

# The lists made by hand

@pytest.mark.parametrize('a,b', TWINS)
def test_twins_have_the_same_words(a, b):
    assert a != b and sorted(words(a)) == sorted(words(b))

def test_pairs():
    a, b, score = zip(*PAIRS)
    assert len(PAIRS) >= 60 and len({frozenset(p[:2]) for p in PAIRS}) == len(PAIRS)
    assert set(score) == {0, .25, .5, .75, 1} and np.std(score) > .25
    shared = [len({*x.split()} & {*y.split()}) > 0 for x, y in zip(a, b)]
    for s in (0, 1): assert any(h for h, v in zip(shared, score) if v == s) and not all(h for h, v in zip(shared, score) if v == s)

def test_the_lessons_table_is_what_the_benchmark_measured():
    lesson = json.loads((ROOT/'nbs/04_nlp.ipynb').read_text(encoding='utf-8'))
    text = '\n'.join(''.join(c['source']) for c in lesson['cells'] if c['cell_type'] == 'markdown')
    text = text.split('| on 10,662 real sentences |')[1].split('\n\n')[0]
    rows = re.findall(r'^\| (.+?) \| (0\.\d+) \| ([\d.]+) \|$', text, re.M)
    measured = (ROOT/'benchmarks/RESULTS.md').read_text(encoding='utf-8')
    assert len(rows) == 5
    for what, right, seconds in rows: assert re.search(rf'^{re.escape(what)} +{right} +{seconds}$', measured, re.M), what
