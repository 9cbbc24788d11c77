"Answers to the exercises of lesson 04: for each the right one and wrong ones that people really write."
from functools import cache

import numpy as np

from fastlessons.exercises.l04 import _WHICH, _fresh, judge, mark_negation, score
from fastlessons.samples.reviews import make_reviews
from fastlessons.text.data import split_texts
from fastlessons.text.tokens import words

def each_word_once(tokens, log_ratios, bias=0): return bias + sum(log_ratios.get(t, 0) for t in set(tokens))
def the_mean(tokens, log_ratios, bias=0): return bias + sum(log_ratios.get(t, 0) for t in tokens)/max(1, len(tokens))
def no_unknown_words(tokens, log_ratios, bias=0): return bias + sum(log_ratios[t] for t in tokens)
def bias_left_out(tokens, log_ratios, bias=0): return sum(log_ratios.get(t, 0) for t in tokens)
def unknown_is_bad(tokens, log_ratios, bias=0): return bias + sum(log_ratios.get(t, -1) for t in tokens)
def yes_or_no(tokens, log_ratios, bias=0): return score(tokens, log_ratios, bias) > 0
def eats_its_input(tokens, log_ratios, bias=0):
    while tokens: bias += log_ratios.get(tokens.pop(), 0)
    return bias

def swapped(a, b): return _WHICH | {a: _WHICH[b], b: _WHICH[a]}

@cache
def model(tokenizer=words, pairs=2, part=1.):
    "Count words on a part of the sample's training set, as the lesson does."
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    texts, labels = map(np.array, list(zip(*sorted(make_reviews(), key=lambda r: -r[1])))[:2])   # in the order of the files
    train = split_texts(texts, labels, valid_pct=.2)[0][::round(1/part)]
    count = CountVectorizer(tokenizer=tokenizer, token_pattern=None, lowercase=False, binary=True, ngram_range=(1, pairs))
    return make_pipeline(count, LogisticRegression(max_iter=1000)).fit(texts[train], labels[train])

def with_negation(texts): return model(mark_negation, 1).predict(texts)   # an array will do
def words_and_pairs(texts): return model().predict(texts).tolist()
def only_words(texts): return model(pairs=1).predict(texts).tolist()
def few_labels(texts): return model(mark_negation, 1, .1).predict(texts).tolist()
def always_praise(texts): return [1]*len(texts)
def probabilities(texts): return model(mark_negation, 1).predict_proba(texts)[:, 1].tolist()
def one_for_all(texts): return model(mark_negation, 1).predict(texts)[0]
def in_words(texts): return [['blame', 'praise'][label] for label in with_negation(texts)]
def upside_down(texts): return [1-label for label in with_negation(texts)]
def forgets_the_last(texts): return with_negation(texts).tolist()[:-1]
def the_labels(texts): return dict(zip(*_fresh()))   # not a list in the order of the sentences

ANSWERS = {
    '04.1': dict(right=[score], wrong=[each_word_once, the_mean, no_unknown_words, bias_left_out, unknown_is_bad, yes_or_no, eats_its_input]),
    '04.2': dict(right=[_WHICH, dict(reversed(_WHICH.items()))],
                 wrong=[swapped('B', 'D'), swapped('A', 'C'), swapped('C', 'D'), swapped('A', 'D'), dict.fromkeys('ABCD', 'counts'),
                        {k: v for k, v in _WHICH.items() if k != 'D'}, [*_WHICH.values()], 'D']),
    '04.3': dict(right=[judge, with_negation],
                 wrong=[words_and_pairs, only_words, few_labels, always_praise, probabilities, one_for_all, in_words, upside_down,
                        forgets_the_last, the_labels]),
}
