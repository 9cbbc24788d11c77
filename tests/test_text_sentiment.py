"Rows of words: which words are kept, what a row holds, and what is refused; the network of lesson 12 on real reviews."
import numpy as np, pandas as pd, pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from conftest import refuses
from fastlessons.numpy_net import NumpyClassifier
from fastlessons.simple.nlp import log_ratios
from fastlessons.text.data import read_reviews
from fastlessons.text.sentiment import WordRows, choose_words, words_and_pairs
from fastlessons.text.tokens import words
from texts import reviews

TEXTS = ['A good film, a good plot.', 'A bad film.', 'Good!', 'bad plot']
LABELS = [1, 0, 1, 0]

@pytest.fixture
def rows(): return WordRows().fit(TEXTS, LABELS)

@pytest.mark.parametrize('counts', [True, False])
@pytest.mark.parametrize('split', [words, words_and_pairs])
def test_rows_are_those_of_scikit_learn(counts, split):
    x, y = reviews()
    mine = WordRows(split=split).fit(x, y)
    theirs = CountVectorizer(tokenizer=split, token_pattern=None, lowercase=False, binary=not counts).fit(x)
    new = [*x, 'words that nobody has seen', 'plot plot plot']
    names = theirs.get_feature_names_out()
    assert sorted(mine.words_) == sorted(names)
    got = mine.transform(new, counts=counts)
    assert got.has_canonical_format and (got[:, [mine.column(w) for w in names]] != theirs.transform(new)).nnz == 0

def test_naive_bayes_from_what_is_learned(rows):
    x, y = reviews()
    mine = WordRows().fit(x, y)
    X = mine.transform(x)
    assert ((X@mine.ratios_ + mine.bias_ > 0) == MultinomialNB().fit(X, y).predict(X)).all()

def test_fit_transform_gives_the_rows_of_fit(rows):
    for kw in ({}, dict(min_count=2), dict(polarity=.3)):
        one, two = WordRows(**kw), WordRows(**kw).fit(TEXTS, LABELS)
        assert (one.fit_transform(TEXTS, LABELS) != two.transform(TEXTS)).nnz == 0 and one.words_ == two.words_

def test_what_is_cut():
    rare = WordRows(min_count=2).fit(TEXTS, LABELS)
    assert {*rare.words_} == {'a', 'good', 'film', 'plot', '.', 'bad'}
    both = WordRows(min_count=2, polarity=.5).fit(TEXTS, LABELS)
    assert {*both.words_} == {'good', 'bad'} and both.ratios_[both.column('good')] > .5 > -.5 > both.ratios_[both.column('bad')]
    full = WordRows().fit(TEXTS, LABELS)
    X = full.transform(TEXTS)
    keep = choose_words(X, np.array(LABELS), 2, .5)
    assert [full.words_[k] for k in keep] == both.words_
    assert (np.abs(log_ratios(X, np.array(LABELS))[0][keep]) >= .5).all()

def test_a_vocabulary_of_nothing(rows):
    refuses(ValueError, lambda: WordRows(min_count=9).fit(TEXTS, LABELS), 'No word is in 9 texts', 'most common one is in 2')
    refuses(ValueError, lambda: WordRows(polarity=50).fit(TEXTS, LABELS), 'log ratio of 50', 'Expected smaller')
    refuses(ValueError, lambda: WordRows(split=lambda t: []).fit(TEXTS, LABELS), 'no word')

@pytest.mark.parametrize('y,says', [([1, 0, 1], '4 texts'), ([1, -1, 1, -1], '-1'), ([1, 1, 1, 1], 'both'), (['good', 'bad']*2, 'good'), ([[1, 0]]*4, '(4, 2)'),
                                    ([1, 0, 1, float('nan')], 'nan')])
def test_labels_that_do_not_fit(rows, y, says):
    refuses(ValueError, lambda: choose_words(rows.transform(TEXTS), y, 1, 0), says, '0 or 1')

def test_labels_of_other_kinds(rows):
    X = rows.transform(TEXTS)
    for y in (np.array(LABELS), np.array(LABELS, bool), pd.Series(LABELS, list('abcd')), np.array(LABELS, float)):
        assert (choose_words(X, y, 1, .5) == choose_words(X, LABELS, 1, .5)).all()

@pytest.mark.parametrize('split', [str.upper, lambda t: None, lambda t: (w for w in t.split())])
def test_what_splits_must_give_a_list(split):
    refuses(TypeError, lambda: WordRows(split=split).fit(TEXTS, LABELS), 'list of words')

@pytest.mark.parametrize('kw,says', [(dict(min_count=0), 'min_count'), (dict(min_count=2.), 'min_count'), (dict(polarity=-1), 'polarity'),
                                     (dict(polarity=float('nan')), 'polarity'), (dict(polarity='high'), 'polarity')])
def test_settings_that_cannot_be(rows, kw, says):
    refuses(ValueError, lambda: WordRows(**kw), says)
    refuses(ValueError, lambda: choose_words(rows.transform(TEXTS), np.array(LABELS), **kw), says)

def test_bad_input(rows):
    refuses(TypeError, lambda: WordRows(split='words'), 'Expected a function')
    refuses(ValueError, lambda: WordRows().transform(TEXTS), 'Call fit first')
    refuses(ValueError, lambda: WordRows().column('film'), 'Call fit first')
    for bad, says in ((['a', float('nan')], 'no text'), (['a', 3], 'should hold text'), (['a', ''], 'empty'), (['a', b'\xff'], 'UTF-8')):
        refuses(ValueError, lambda: rows.transform(bad), says)
        refuses(ValueError, lambda: WordRows().fit(bad, [0, 1]), says)
    refuses(TypeError, lambda: rows.transform('one text'), 'list')
    refuses(ValueError, lambda: WordRows().fit(TEXTS, [0, 1, 2, 1]), '3 classes')
    refuses(ValueError, lambda: WordRows().fit(TEXTS, [1]*4), 'All labels are 1')
    refuses(ValueError, lambda: WordRows().fit(TEXTS, [0, 1]), '4 texts and 2 labels')
    refuses(ValueError, lambda: WordRows().fit([], []), 'no texts')

def test_a_word_that_is_not_there(rows):
    refuses(ValueError, lambda: rows.column('goood'), "Did you mean 'good'?", limit=120)
    assert 'mean' not in refuses(ValueError, lambda: rows.column('zzz'), 'none of the')
    assert rows.words_[rows.column('film')] == 'film'

def test_one_word_and_unknown_words(rows):
    X = rows.transform(['film', 'never seen before'])
    assert X.sum(1).A1.tolist() == [1, 0]
    assert WordRows().fit(['good', 'bad'], [1, 0]).transform(['good']).toarray().tolist() == [[1, 0]]

def test_containers_and_names_of_classes(rows):
    df = pd.DataFrame(dict(text=TEXTS, label=['up', 'down', 'up', 'down']), index=[7, 3, 9, 1])
    named = WordRows().fit(df['text'], df['label'])
    assert named.classes_.tolist() == ['down', 'up'] and named.words_ == rows.words_ and np.allclose(named.ratios_, -rows.ratios_*-1)
    assert (named.transform(df['text']) != rows.transform(np.array(TEXTS))).nnz == 0
    net = NumpyClassifier([], lr=.5, epochs=20).fit(named.transform(df['text']), df['label'])
    assert net.predict(named.transform(['good good', 'bad'])).tolist() == ['up', 'down']

def test_pairs():
    assert words_and_pairs('Not good.') == ['not', 'good', '.', 'not good', 'good .']
    assert words_and_pairs('film') == ['film'] and words_and_pairs(' ') == []
    refuses(TypeError, lambda: words_and_pairs(3), 'Expected one text')

@pytest.mark.slow
def test_the_real_reviews(shared):
    "The settings that cross-validation within the training set chooses; the issue asks for .85, and .89 with naive-Bayes pairs."
    from sklearn.preprocessing import normalize
    df = read_reviews(shared/'data'/'imdb')
    train, valid = df[~df.is_valid], df[df.is_valid]
    rows = WordRows(5, .2)
    net = NumpyClassifier(10, 'linear', lr=.2, bs=256, epochs=8, wd=.02).fit(rows.fit_transform(train.text, train.label), train.label)
    assert net.score(rows.transform(valid.text), valid.label) >= .85
    pairs = WordRows(2, split=words_and_pairs)
    X = normalize(pairs.fit_transform(train.text, train.label).multiply(pairs.ratios_).tocsr())
    net = NumpyClassifier([], lr=2, bs=64, epochs=20).fit(X, train.label)
    assert net.score(normalize(pairs.transform(valid.text).multiply(pairs.ratios_).tocsr()), valid.label) >= .885
