"Answers to the exercises of lesson 12: for each the right one and wrong ones that people really write."
import numpy as np

from fastlessons.exercises.l12 import choose, diagnosis, pair_step
from fastlessons.simple.nlp import log_ratios

def other(forth=None, back=None, sign=1, rate=True, late=False, moved=False, stale=True, only=''):
    "Return a `pair_step` that does one thing in another way."
    def step(there, counts, right, w1, w2, lr):
        hidden = (counts if forth is None else forth(counts))@w1[there]
        p = 1/(1 + np.exp(-hidden@w2))
        error, rate_ = p - right, sign*(lr if rate else 1)
        c = counts if back is None else back(counts)
        move1 = rate_*np.outer(c, error*w2)
        if not stale: hidden = counts@(w1[there] - move1)
        move2 = rate_*error*hidden
        if moved: move1 = rate_*np.outer(c, error*(w2 - move2))
        if only != 'w1': w2 -= move2
        if only != 'w2': w1[there] -= move1
        return 1/(1 + np.exp(-counts@w1[there]@w2)) if late else p
    return step

def row_by_row(there, counts, right, w1, w2, lr):
    h = sum(c*w1[k] for k, c in zip(there, counts))
    p = 1/(1 + np.exp(-(h*w2).sum()))
    terms = (p - right)*w2
    w2[:] = w2 - lr*(p - right)*h
    for k, c in zip(there, counts): w1[k] -= lr*c*terms
    return p

def by_repeating(there, counts, right, w1, w2, lr):
    many = np.repeat(there, counts)
    h = w1[many].sum(0)
    p = 1/(1 + np.exp(-h@w2))
    np.subtract.at(w1, many, lr*(p - right)*w2)
    w2 -= lr*(p - right)*h
    return p

def repeated_rows_move_once(there, counts, right, w1, w2, lr):
    many = np.repeat(there, counts)
    h = w1[many].sum(0)
    p = 1/(1 + np.exp(-h@w2))
    move = lr*(p - right)*w2
    w2 -= lr*(p - right)*h
    w1[many] -= move   # numpy does this once for each row, however often it is named
    return p

def not_in_place(there, counts, right, w1, w2, lr):
    w1, w2 = w1.copy(), w2.copy()
    return pair_step(there, counts, right, w1, w2, lr)

def all_rows(there, counts, right, w1, w2, lr):
    p = pair_step(there, counts, right, w1, w2, lr)
    w1 *= .99
    return p

def ones(c): return np.ones(len(c))
def letters(**said): return dict(diagnosis(), **said)

def count_of(X): return np.asarray(X.sum(0))[0]
def best(score, n=100): return np.argsort(-score)[:n]

ANSWERS = {
    '12.1': dict(
        right=[pair_step, other(), row_by_row, by_repeating],
        wrong=[other(forth=ones), other(back=ones), other(forth=ones, back=ones), other(sign=-1), other(rate=False), other(late=True), other(moved=True),
               other(stale=False), other(only='w1'), other(only='w2'), not_in_place, repeated_rows_move_once, all_rows, lambda *a: None, lambda *a: a[3],
               lambda there, counts, right, w1, w2, lr: .5]),
    '12.2': dict(
        right=[diagnosis()],
        wrong=[letters(A='few words', C='one pass'), letters(B='peeked', E='too long'), letters(D='one pass', A='counts'), {}, dict(A='counts'), ['counts'],
               dict.fromkeys('ABCDE', 'counts'), letters(A=1), letters(A='slow'), letters(A=['one pass'])]),
    '12.3': dict(
        right=[choose, lambda X, y: best(count_of(X)*log_ratios(X, y)[0]**2)],
        wrong=[lambda X, y: best(count_of(X)),   # the most common
               lambda X, y: best(np.abs(log_ratios(X, y)[0])),   # the largest ratios
               lambda X, y: best(np.abs(log_ratios(X, y)[0])*(count_of(X) >= 20)),
               lambda X, y: best(log_ratios(X, y)[0]),   # praise only
               lambda X, y: best(count_of(X), 500), lambda X, y: [], lambda X, y: [.5, 1], lambda X, y: [5, 5], lambda X, y: [10**6], lambda X, y: [-1],
               lambda X, y: X, lambda X, y: log_ratios(X, y)[0], lambda X, y: np.ones(X.shape[1], bool)]),
}
