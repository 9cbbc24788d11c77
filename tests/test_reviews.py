"The sample of reviews: what it holds, whether it is a fair problem, and the two lists that were made by hand."
import re

import numpy as np, pandas as pd, pytest

from fastlessons.data import get_data
from fastlessons.text.data import read_reviews, split_texts
from fastlessons.text.tokens import words
from fastlessons.samples.reviews import ABOUT, SHARES, PAIRS, TWINS, clause, make_reviews, sentence
from fastlessons.samples.canvas import rng_of

@pytest.fixture(scope='module')
def sample(own_home):
    "The bundled reviews as the lesson reads them, with their kinds."
    path = get_data('sentences', 'sample')
    return read_reviews(path).assign(kind=pd.read_csv(path/'kinds.csv').kind, told=pd.read_csv(path/'kinds.csv').label)

def test_what_it_says_of_itself(own_home, capsys):
    get_data('sentences', 'sample')
    assert capsys.readouterr().out.startswith('sentences: the bundled sample: generated reviews of invented films. 5,000 sentences in ')

def test_sizes(sample):
    assert len(sample) == 5000 and sample.label.tolist() == [1]*2500 + [0]*2500 == sample.told.tolist()
    assert sample.text.str.lower().is_unique and sample.text.str.strip().eq(sample.text).all()
    n = sample.text.map(words).map(len)
    assert n.min() >= 3 and n.max() <= 60 and 10 < n.mean() < 25
    assert sample.text.str.contains('🙂|😍|😴|👎').any() and sample.text.str.contains('é').any()

def test_kinds(sample):
    share = sample.kind.value_counts(normalize=True)
    assert set(share.index) == {*SHARES, 'mislabelled'} and .01 < share['mislabelled'] < .04
    for kind, p in SHARES.items(): assert abs(share[kind] - p) < .03, kind
    assert sum(SHARES.values()) == pytest.approx(1)

def test_the_kinds_stand_beside_their_sentences(sample):
    said = sample.text.str.lower()
    def share(kind, pattern): return said[sample.kind == kind].str.contains(pattern).mean()
    assert share('contrast', r'but|though|even if|yet|still|same|matter|while|forgive') > .9 > .2 > share('plain', r'\bbut\b|although|even if|\byet\b')
    assert share('negation', r'not|never|far from|hardly|anything but|nobody|at no point') > .9

def test_same_seed_same_reviews():
    rows = make_reviews(60)
    assert rows == make_reviews(60) != make_reviews(60, seed=1)
    assert sum(label for _, label, _ in rows) == 30

@pytest.mark.parametrize('kind', SHARES)
@pytest.mark.parametrize('good', [True, False])
def test_every_sentence_is_filled_in(kind, good):
    for i in range(100):
        text = sentence(rng_of('test', i), good, kind)
        assert len(text) > 10 and not re.search(r'[{}|]|  |the the', text), text

@pytest.mark.parametrize('about', ABOUT)
def test_praise_and_blame_have_words_of_their_own(about):
    _, praise, blame, well, badly = (set(w.split('|')) for w in ABOUT[about])
    assert not praise & blame and not well & badly and min(map(len, (praise, blame))) >= 12
    assert clause(rng_of(0), True, about) != clause(rng_of(0), False, about)

@pytest.mark.parametrize('seed', range(3))
def test_counting_is_good_but_not_perfect_and_order_matters(sample, seed):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    train, valid = split_texts(sample.text, sample.label, valid_pct=.2, seed=seed)
    count = CountVectorizer(tokenizer=words, token_pattern=None, ngram_range=(1, 2), binary=True)
    X, Xv = count.fit_transform(sample.text[train]), count.transform(sample.text[valid])
    right = MultinomialNB().fit(X, sample.label[train]).predict(Xv) == sample.label[valid]
    by = right.groupby(sample.kind[valid]).mean()
    assert .78 < right.mean() < .88
    assert by['plain'] > .93 and by[['negation', 'contrast']].max() < .7 and by['mislabelled'] < .3

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
