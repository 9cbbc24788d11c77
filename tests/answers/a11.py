"Answers to the exercises of lesson 11: for each the right one and wrong ones that people really write."
import functools

import numpy as np

from fastlessons.autograd import Linear, Module, Tensor, operation, unfold
from fastlessons.exercises.l11 import better, diagnosis, divide

right = diagnosis()

def by_the_result(a, b):
    out = a/b
    return out, lambda g: g/b, lambda g: -g*out/b
def no_minus(a, b): return a/b, lambda g: g/b, lambda g: g*a/b**2
def not_squared(a, b): return a/b, lambda g: g/b, lambda g: -g*a/b
def without_g(a, b): return a/b, lambda g: 1/b, lambda g: -a/b**2
def no_function(a, b): return a/b, g/b, -g*a/b**2   # noqa: F821
def in_brackets(a, b): return a/b, (lambda g: g/b, lambda g: -g*a/b**2)
def swapped(a, b): return a/b, lambda g: -g*a/b**2, lambda g: g/b
def slopes_at_once(a, b): return a/b, 1/b, -a/b**2
def only_a(a, b): return a/b, lambda g: g/b
def as_a_product(a, b): return a*b, lambda g: g*b, lambda g: g*a
def as_a_list(a, b): return [a/b, lambda g: g/b, lambda g: -g*a/b**2]
def adds_up(a, b): return a/b, lambda g: (g/b).sum(), lambda g: (-g*a/b**2).sum()
def no_rest(a, b): return a//b, lambda g: g/b, lambda g: -g*a/b**2
def in_place(a, b):
    def back_a(g):
        b[:] = g/b
        return b
    return a/b, back_a, lambda g: -g*a/b**2
def as_tensors(a, b): return Tensor(a)/Tensor(b)

class Hidden(Module):
    def __init__(self, rng, nh, n_out=10): self.one, self.two = Linear(100, nh, rng), Linear(nh, n_out, rng)
    def __call__(self, x): return self.two(self.one(x).relu())

class Forgets(Module):
    "Makes the first layer anew in each call."
    def __init__(self, rng): self.rng, self.two = rng, Linear(30, 10, rng)
    def __call__(self, x): return self.two(Linear(100, 30, self.rng)(x).relu())

class Unused(Hidden):
    "Has a layer that it does not call."
    def __init__(self, rng):
        super().__init__(rng, 20)
        self.three = Linear(10, 10, rng)

class InADict(Module):
    "Hides its layers where parameters() does not look."
    def __init__(self, rng): self.parts = {'one': Linear(100, 30, rng), 'two': Linear(30, 10, rng)}
    def __call__(self, x): return self.parts['two'](self.parts['one'](x).relu())

class FirstConvolution(Module):
    "One convolution alone, and all its places."
    def __init__(self, rng): self.conv, self.out = Linear(9, 5, rng), Linear(320, 10, rng)
    def __call__(self, x):
        h = self.conv(unfold(x.reshape(-1, 10, 10, 1), 3)).relu()
        return self.out(h.reshape(len(x), -1))

class Wider(Module):
    "Two convolutions in a list, windows of 4 in the second."
    def __init__(self, rng): self.parts = [Linear(9, 8, rng), Linear(128, 16, rng), Linear(144, 8, rng), Linear(8, 10, rng)]
    def __call__(self, x):
        one, two, three, out = self.parts
        h = one(unfold(x.reshape(-1, 10, 10, 1), 3)).relu()
        h = two(unfold(h.reshape(-1, 8, 8, 8), 4, 2)).relu()
        return out(three(h.reshape(len(x), -1)).relu())

class Small(Module):
    "Two convolutions, windows of 4 in the second, all places."
    def __init__(self, rng): self.parts = Linear(9, 7, rng), Linear(112, 16, rng), Linear(144, 10, rng)
    def __call__(self, x):
        one, two, out = self.parts
        h = one(unfold(x.reshape(-1, 10, 10, 1), 3)).relu()
        return out(two(unfold(h.reshape(-1, 8, 8, 7), 4, 2)).relu().reshape(len(x), -1))

ANSWERS = {
    '11.1': dict(
        right=[divide, by_the_result, operation(2)(divide), lambda a, b: (a*b**-1., lambda g: g*b**-1., lambda g: -g*a*b**-2.)],
        wrong=[no_minus, not_squared, without_g, swapped, slopes_at_once, only_a, as_a_product, as_a_list, no_function, in_brackets, adds_up, no_rest, in_place, as_tensors,
               lambda a, b: a/b, np.divide, 3]),
    '11.2': dict(
        right=[right],
        wrong=[right | dict(A='right', C='never forgets'), right | dict(B='writes over', E='too early'), right | dict(D='right', C='takes the mean'),
               right | dict(A='right'), {k: right[k] for k in 'ABCD'}, list(right.values()), dict.fromkeys('ABCDE', 'right'),
               {v: k for k, v in right.items()}]),
    '11.3': dict(
        right=[better, Small],
        wrong=[functools.partial(Hidden, nh=30), lambda rng: Hidden(rng, 100), lambda rng: Hidden(rng, 30, 1), lambda rng: Linear(100, 10, rng), Forgets, Unused,
               InADict, FirstConvolution, lambda rng: None, lambda rng: (lambda x: x), better(np.random.default_rng(0))]),
}
