"Answers to the exercises of lesson 03: for each the right one and wrong ones that people really write."
import math

from torch import nn

from fastlessons.exercises.l03 import better, diagnosis, sigmoid
from fastlessons.simple.foundations import Value

right = diagnosis()

def squeeze(x): return 1/(1 + math.exp(-max(x, -700.)))

def by_nudging(v):
    s = squeeze(v.data)
    return Value(s, [(v, (squeeze(v.data + 1e-5) - squeeze(v.data - 1e-5))/2e-5)])

def no_slope(v): return Value(squeeze(v.data))
def slope_of_one(v): return Value(squeeze(v.data), [(v, 1.)])
def slope_at_v(v): return Value(squeeze(v.data), [(v, v.data*(1 - v.data))])
def overflows(v):
    s = 1/(1 + math.exp(-v.data))
    return Value(s, [(v, s*(1 - s))])
def overflows_above(v):
    s = math.exp(v.data)/(1 + math.exp(v.data))
    return Value(s, [(v, s*(1 - s))])
def wrong_sign(v):
    s = squeeze(-v.data)
    return Value(s, [(v, s*(1 - s))])
def adds_at_once(v):
    s = squeeze(v.data)
    v.grad += s*(1 - s)
    return Value(s)
def link_to_a_copy(v):
    s = squeeze(v.data)
    return Value(s, [(Value(v.data), s*(1 - s))])

def net(*sizes, act=nn.ReLU, first=None):
    "Make layers of these sizes after the pixels."
    def make(n_in):
        all_sizes = [n_in, *sizes, 10]
        layers = [m for a, b in zip(all_sizes, all_sizes[1:]) for m in (nn.Linear(a, b), act())]
        return nn.Sequential(*layers[:-1])
    return make

def zeros(n_in):
    model = better(n_in)
    for p in model.parameters(): nn.init.zeros_(p)
    return model

def dropped(n_in): return nn.Sequential(nn.Linear(n_in, 100), nn.ReLU(), nn.Dropout(.95), nn.Linear(100, 10))
def relu_at_the_end(n_in): return nn.Sequential(nn.Linear(n_in, 10), nn.ReLU())
def for_the_old_digits(n_in): return nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
def one_number(n_in): return nn.Sequential(nn.Linear(n_in, 100), nn.ReLU(), nn.Linear(100, 1))

ANSWERS = {
    '03.1': dict(
        right=[sigmoid, by_nudging],
        wrong=[no_slope, slope_of_one, slope_at_v, overflows, overflows_above, wrong_sign, adds_at_once, link_to_a_copy,
               lambda v: squeeze(v.data),                 # a number, not a Value
               lambda v: v.relu(),
               lambda v: sigmoid(Value(v.data)),          # the way back is cut
               .5]),                                      # not a function
    '03.2': dict(
        right=[right],
        wrong=[right | dict(A='too small', B='shuffled'), right | dict(D='few digits', C='well'), right | dict(A='too large', E='shuffled'),
               right | dict(A='well'), {k: right[k] for k in 'ABCD'}, list(right.values()), dict.fromkeys('ABCDE', 'well'),
               {v: k for k, v in right.items()}]),
    '03.3': dict(
        right=[better, net(80, 30), net(80, act=nn.GELU)],
        wrong=[net(), net(10), net(200), net(100, act=nn.Identity), zeros, dropped, relu_at_the_end, for_the_old_digits, one_number,
               lambda n_in: None, better(100)]),
}
