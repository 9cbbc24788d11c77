"Answers to the exercises of lesson 16: for each the right one and wrong ones that people really write."
import numpy as np

from fastlessons.exercises.l16 import better, diagnosis, slopes
from fastlessons.samples.world import make_world
from fastlessons.text.word2vec import Word2Vec

def sigmoid(z): return 1/(1 + np.exp(-z))

def other(real=lambda s: s - 1, others=lambda s: s, give=lambda for_u, for_o, for_wrong: (for_u, for_o, for_wrong)):
    "Return a `slopes` that does one thing in another way."
    def slopes(u, o, wrong):
        r, w = real(sigmoid(u @ o)), others(sigmoid(wrong @ u))
        return give(r*o + w @ wrong, r*u, np.outer(w, u))
    return slopes

def with_a_loop(u, o, wrong):
    r = sigmoid(u @ o) - 1
    for_u, for_wrong = r*o, np.zeros_like(wrong)
    for k, w in enumerate(wrong):
        e = sigmoid(w @ u)
        for_u = for_u + e*w
        for_wrong[k] = e*u
    return for_u, r*u, for_wrong

def in_one(u, o, wrong):
    rows = np.vstack([o, wrong])
    error = sigmoid(rows @ u) - np.eye(len(rows))[0]
    table = error[:, None]*u
    return [error @ rows, table[0], table[1:]]

def no_wrong_in_u(u, o, wrong):
    for_u, for_o, for_wrong = slopes(u, o, wrong)
    return for_o/u*o, for_o, for_wrong

def sigmoids_slope(u, o, wrong):
    s, t = sigmoid(u @ o), sigmoid(wrong @ u)
    r, w = (s - 1)*s, t*(1 - t)
    return r*o + w @ wrong, r*u, np.outer(w, u)

def no_sigmoid(u, o, wrong):
    r, w = u @ o - 1, wrong @ u
    return r*o + w @ wrong, r*u, np.outer(w, u)

def turned(u, o, wrong): return u @ wrong, o, wrong
def adds_to_u(u, o, wrong):
    found = slopes(u, o, wrong)
    u -= .1*found[0]
    return found

def row_of_o(u, o, wrong):
    for_u, for_o, _ = slopes(u, o, wrong)
    return for_u, for_o, np.outer(sigmoid(wrong @ u), o)

def letters(**said): return dict(diagnosis(), **said)
def more(**settings): return lambda texts: Word2Vec(**dict(dim=50, window=8, epochs=20) | settings).fit(texts)

def not_fitted(texts): return Word2Vec(dim=50, epochs=20)
def only_vectors(texts): return Word2Vec(dim=50).fit(texts).vectors_
def reads_more(texts): return Word2Vec(dim=50).fit(texts + make_world(8000))
def copies(texts): return Word2Vec(dim=50, epochs=2).fit(texts*10)

ANSWERS = {
    '16.1': dict(
        right=[slopes, other(), with_a_loop, in_one],
        wrong=[other(real=lambda s: s), other(others=lambda s: s - 1), other(others=lambda s: -s), other(real=lambda s: 1 - s, others=lambda s: -s),
               other(others=lambda s: s/len(s)), no_wrong_in_u, sigmoids_slope, no_sigmoid, row_of_o, turned, adds_to_u,
               other(give=lambda u, o, w: (u, o, w.sum(0))), other(give=lambda u, o, w: (u, o)), other(give=lambda u, o, w: (u, o, w.T)),
               other(give=lambda u, o, w: (o, u, w)), lambda u, o, wrong: None]),
    '16.2': dict(
        right=[diagnosis()],
        wrong=[letters(A='well', D='shuffled'), letters(B='shuffled', A='no wrong words'), letters(C='too much dropped', E='nothing dropped'), {},
               dict(A='shuffled'), ['well'], dict.fromkeys('ABCDE', 'well'), letters(A=1), letters(A='mixed'), letters(A=['well'])]),
    '16.3': dict(
        right=[better, more(sample=5e-4)],
        wrong=[lambda texts: Word2Vec(dim=50).fit(texts), more(window=1), more(min_count=60), not_fitted, only_vectors, reads_more, copies,
               lambda texts: texts, lambda texts: None]),
}
