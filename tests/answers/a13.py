"Answers to the exercises of lesson 13: for each the right one and wrong ones that people really write."
import torch
from torch import nn
from torch.nn.functional import dropout

from fastlessons.exercises.l13 import better, diagnosis, drop

right = diagnosis()

def kept_by_a_draw(h, p, training): return h*torch.bernoulli(torch.full(h.shape, 1 - p))/(1 - p) if training else h
def same_size(h, p, training): return h*(torch.rand_like(h) > p) if training else h
def kept_and_gone_swapped(h, p, training): return h*(torch.rand_like(h) < p)/p if training else h
def divided_by_p(h, p, training): return h*(torch.rand_like(h) >= p)/p if training and p else h
def always(h, p, training): return h*(torch.rand_like(h) >= p)/(1 - p)
def the_wrong_way_round(h, p, training): return h if training else h*(torch.rand_like(h) >= p)/(1 - p)
def smaller_later(h, p, training): return h*(torch.rand_like(h) >= p) if training else h*(1 - p)
def whole_rows(h, p, training): return h*(torch.rand(len(h), *[1]*(h.ndim - 1)) >= p)/(1 - p) if training else h
def in_place(h, p, training):
    if training: h[torch.rand(h.shape) < p] = 0
    return h/(1 - p) if training else h
def the_same_each_time(h, p, training):
    g = torch.Generator().manual_seed(0)
    return h*(torch.rand(h.shape, generator=g) >= p)/(1 - p) if training else h
def without_slopes(h, p, training): return drop(h.detach(), p, training)
def flat(h, p, training): return drop(h.flatten(), p, training)
def a_share_exactly(h, p, training): return h[:, torch.randperm(h.shape[1])[:int(h.shape[1]*(1 - p))]] if training else h

def mlp(*widths, p=0., first=0., norm=False):
    "Return a function that makes a network with hidden layers of these widths."
    def make(n_in):
        sizes, parts = [n_in, *widths], [nn.Dropout(first)]
        for n, m in zip(sizes, widths):
            parts += [nn.Linear(n, m), *([nn.BatchNorm1d(m)] if norm else []), nn.ReLU(), nn.Dropout(p)]
        return nn.Sequential(*parts, nn.Linear(sizes[-1], 10))
    return make

def no_activation(n_in): return nn.Sequential(nn.Linear(n_in, 64), nn.Linear(64, 10))

ANSWERS = {
    '13.1': dict(
        right=[drop, kept_by_a_draw, dropout],
        wrong=[same_size, kept_and_gone_swapped, divided_by_p, always, the_wrong_way_round, smaller_later, whole_rows, in_place, the_same_each_time, without_slopes, flat,
               a_share_exactly, lambda h, p, training: None, 3]),
    '13.2': dict(
        right=[right],
        wrong=[right | dict(A='right', B='all alike'), right | dict(C='weights too small', E='dead units'), right | dict(D='dead units', C='weights too large'),
               right | dict(A='dead units'), {k: right[k] for k in 'ABCD'}, list(right.values()), dict.fromkeys('ABCDE', 'right'), {v: k for k, v in right.items()}]),
    '13.3': dict(
        right=[better, mlp(256, 256, p=.5)],
        wrong=[mlp(256, 256), mlp(256, norm=True), mlp(), no_activation, lambda n_in: nn.Linear(n_in, 3), lambda n_in: None, better(64)]),
}
