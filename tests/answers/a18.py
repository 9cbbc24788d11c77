"Answers to the exercises of lesson 18: for each the right one and wrong ones that people really write."
import math

import torch

from fastlessons.exercises.l18 import allowed, attend_near, diagnosis
from fastlessons.music import note_length

def other(wide=0, future=False, root=True, axis=1, fill=-math.inf):
    "Return an `attend_near` that does one thing in another way."
    def attend_near(q, k, v, window):
        scores = q @ k.T/(q.shape[1]**.5 if root else 1)
        ones = torch.ones(len(q), len(q), dtype=torch.bool)
        may = (ones if future else ones.tril()) & ~ones.tril(-window - wide)
        return scores.masked_fill(~may, fill).softmax(axis) @ v
    return attend_near

def one_by_one(q, k, v, window):
    rows = []
    for i in range(len(q)):
        first = max(0, i + 1 - window)
        shares = (k[first:i+1] @ q[i]/math.sqrt(q.shape[1])).softmax(0)
        rows.append(shares @ v[first:i+1])
    return torch.stack(rows)

def late_mask(q, k, v, window):
    "Cut the window out after softmax."
    ones = torch.ones(len(q), len(q), dtype=torch.bool)
    scores = (q @ k.T/q.shape[1]**.5).masked_fill(~ones.tril(), -math.inf)
    return scores.softmax(1)*~ones.tril(-window) @ v

def width_of_values(q, k, v, window): return attend_near(q*math.sqrt(q.shape[1]/v.shape[1]), k, v, window)
def no_window(q, k, v, window): return other(wide=len(q))(q, k, v, window)
def the_shares(q, k, v, window):
    return (q @ k.T).softmax(1)

def letters(**said): return dict(diagnosis(), **said)

def by_hand(bar, size, token):
    left = size - float(sum(note_length(t) for t in bar))
    return left == 0 if token in ('|', ':|', '|:', '|]') else 0 < note_length(token) <= left

def never_full(bar, size, token): return sum(map(note_length, [*bar, token])) < size or token == '|'
def counts_tokens(bar, size, token): return len(bar) < size
def notes_only(bar, size, token): return sum(map(note_length, [*bar, token])) <= size
def lines_only(bar, size, token): return token[0] not in '|:' or sum(map(note_length, bar)) == size

ANSWERS = {
    '18.1': dict(
        right=[attend_near, one_by_one, other(fill=-1e9)],
        wrong=[other(wide=1), other(wide=-1), other(future=True), other(root=False), other(axis=0), other(fill=0.), no_window, the_shares, late_mask, width_of_values,
               lambda q, k, v, window: None, lambda q, k, v, window: v, lambda q, k, v, window: attend_near(q, k, v, window).numpy()]),
    '18.2': dict(
        right=[diagnosis()],
        wrong=[letters(A='hole', E='well'), letters(B='hole', E='hot'), letters(A='by heart', C='well'), {}, dict(A='well'), ['well'], dict.fromkeys('ABCDE', 'well'),
               letters(A=1), letters(A='good')]),
    '18.3': dict(
        right=[allowed, by_hand],
        wrong=[never_full, counts_tokens, notes_only, lines_only, lambda bar, size, token: True, lambda bar, size, token: False, lambda bar, size, token: None]),
}
