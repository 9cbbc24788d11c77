"Answers to the exercises of lesson 19: for each the right one and wrong ones that people really write."
import numpy as np, torch

from fastlessons.exercises.l19 import look, settings, systems

def softmax(scores, axis=-1):
    with np.errstate(invalid='ignore'):   # a wrong mask leaves no place at all
        e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e/e.sum(axis=axis, keepdims=True)

def looks(scale=lambda q, k: len(q)**.5, mask=lambda s, there: np.where(there, s, -np.inf), after=lambda p, there: p, give=lambda p, v: (p@v, p)):
    "Return a `look` that does one thing in another way."
    def look(query, keys, values, there):
        return give(after(softmax(mask(keys@query/scale(query, keys), there)), there), values)
    return look

def only_words(query, keys, values, there):
    "Leave out the other places, and put zeros there."
    shares = np.zeros(len(keys))
    shares[there] = softmax(keys[there]@query/np.sqrt(len(query)))
    return shares@values, shares

def in_torch(query, keys, values, there):
    q, k, v = (torch.tensor(a)[None] for a in (query[None], keys, values))
    found = torch.nn.functional.scaled_dot_product_attention(q, k, v, torch.tensor(there)[None, None])
    shares = softmax(np.where(there, keys@query/len(query)**.5, -np.inf))
    return found[0, 0].numpy(), shares

def overflows(query, keys, values, there):
    e = np.where(there, np.exp(keys@query/len(query)**.5), 0)
    return (e/e.sum())@values, e/e.sum()

def changes(query, keys, values, there):
    keys[~there] = 0
    values[~there] = 0
    return look(query, keys, values, there)

def letters(**said): return dict(systems(), **said)

ANSWERS = {
    '19.1': dict(
        right=[look, only_words, in_torch, looks()],
        wrong=[looks(scale=lambda q, k: 1.), looks(scale=lambda q, k: len(q)), looks(scale=lambda q, k: len(k)**.5), looks(mask=lambda s, there: s),
               looks(mask=lambda s, there: s, after=lambda p, there: np.where(there, p, 0)), looks(mask=lambda s, there: np.where(there, s, 0)),
               looks(give=lambda p, v: (p, p@v)), looks(give=lambda p, v: p@v), looks(give=lambda p, v: (v.mean(0), p)), looks(give=lambda p, v: (p@v, p.tolist())),
               looks(mask=lambda s, there: np.where(there, -np.inf, s)), overflows, changes, lambda query, keys, values, there: None,
               lambda query, keys, values, there: (keys[0], there/there.sum())]),
    '19.2': dict(
        right=[systems()],
        wrong=[letters(A='padding', D='no end'), letters(B='dictionary', C='one row'), letters(E='one row', B='right'), letters(A='right', E='no end'), {}, dict(A='right'),
               ['right'], dict.fromkeys('ABCDE', 'right'), letters(A=9), letters(A='attention'), letters(A=['no end'])]),
    '19.3': dict(
        right=[settings()],
        wrong=[dict(n_hidden=24, attends=False), dict(n_hidden=24, epochs=1), dict(settings(), epochs=50), dict(n_hidden=400), dict(hidden=3), {'n_hidden': 0}, 'attends', [('attends', True)],
               dict(settings(), net='transformer'), dict(settings(), lr=0), dict(settings(), epochs='10')]),
}
