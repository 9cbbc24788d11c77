"Answers to the exercises of lesson 15: for each the right one and wrong ones that people really write."
import numpy as np, torch

from fastlessons.exercises.l15 import gated_step, mix, writers

def sigmoid(z): return 1/(1 + np.exp(-z))

def step(gate=sigmoid, new=np.tanh, join=lambda x, h: np.r_[x, h], mixed=lambda g, h, c: g*h + (1 - g)*c):
    "Return a `gated_step` that does one thing in another way."
    def gated_step(x, h, w_gate, w_new):
        row = join(x, h)
        return mixed(gate(w_gate@row), h, new(w_new@row))
    return gated_step

def in_parts(x, h, w_gate, w_new):
    "The two halves of each table apart, as PyTorch keeps them."
    n = len(x)
    def layer(w): return w[:, :n]@x + w[:, n:]@h
    gate = sigmoid(layer(w_gate))
    new = np.tanh(layer(w_new))
    return new + gate*(h - new)

def changes_h(x, h, w_gate, w_new):
    new = gated_step(x, h, w_gate, w_new)
    h[:] = new
    return new

def letters(**said): return dict(writers(), **said)

def trust(forget=.9, late=False, start=0.):
    "Return a `mix` that trusts the model which was better lately."
    def mix(a, b):
        of_a = of_b = start
        mixed = []
        for x, y in zip(a, b):
            if late: of_a, of_b = forget*of_a + x, forget*of_b + y
            with np.errstate(invalid='ignore'): v = np.exp(-of_a)/(np.exp(-of_a) + np.exp(-of_b))   # 0/0 where nothing is forgotten
            mixed.append(-np.log(v*np.exp(-x) + (1 - v)*np.exp(-y)))
            if not late: of_a, of_b = forget*of_a + x, forget*of_b + y
        return np.array(mixed)
    return mix

def last_ten(a, b):
    "The better one of the last ten characters gets nearly all."
    mixed = np.zeros(len(a))
    for k in range(len(a)):
        v = .95 if a[max(0, k-10):k].sum() < b[max(0, k-10):k].sum() else .05
        mixed[k] = -np.log(v*np.exp(-a[k]) + (1 - v)*np.exp(-b[k]))
    return mixed

def half(a, b): return -np.log((np.exp(-a) + np.exp(-b))/2)
def whole(a, b):
    v = .7   # the best for all
    return -np.log(v*np.exp(-a) + (1 - v)*np.exp(-b))
def looks_ahead(a, b):
    near = np.ones(21)
    v = 1/(1 + np.exp(np.clip(np.convolve(a - b, near, 'same'), -50, 50)))
    return -np.log(v*np.exp(-a) + (1 - v)*np.exp(-b))
def in_place(a, b):
    found = mix(a, b)
    a += 1
    return found

ANSWERS = {
    '15.1': dict(
        right=[gated_step, in_parts, step(), step(gate=lambda z: np.exp(z)/(1 + np.exp(z)))],
        wrong=[step(mixed=lambda g, h, c: (1 - g)*h + g*c), step(mixed=lambda g, h, c: g*h + c), step(mixed=lambda g, h, c: g*(h + c)), step(mixed=lambda g, h, c: c),
               step(new=lambda z: z), step(new=sigmoid), step(gate=lambda z: z), step(gate=np.tanh), step(join=lambda x, h: np.r_[h, x]), changes_h,
               lambda x, h, w_gate, w_new: (np.r_[x, h]@w_gate), lambda x, h, w_gate, w_new: None, lambda x, h, w_gate, w_new: gated_step(x, h, w_gate, w_new).tolist(),
               lambda x, h, w_gate, w_new: torch.tensor(gated_step(x, h, w_gate, w_new)), lambda x, h, w_gate, w_new: gated_step(x, h, w_gate, w_new)[:, None]]),
    '15.2': dict(
        right=[writers()],
        wrong=[letters(A='network', C='order 9'), letters(B='order 3', D='T = 2'), letters(C='T = 0', E='network'), letters(A='order 3', D='order 9'), {}, dict(A='network'),
               ['network'], dict.fromkeys('ABCDE', 'network'), letters(A=9), letters(A='counting'), letters(A=['order 9'])]),
    '15.3': dict(
        right=[mix, trust(), trust(.8), trust(.5), last_ten, lambda a, b: list(mix(a, b))],
        wrong=[half, whole, trust(1., start=1.), lambda a, b: (a + b)/2, np.minimum, lambda a, b: a, lambda a, b: b, trust(late=True), looks_ahead, in_place, lambda a, b: mix(a, b)*.9,
               lambda a, b: mix(a, b).mean(), lambda a, b: mix(a, b)[1:], lambda a, b: None, lambda a, b: np.zeros(len(a)), lambda a, b: np.full(len(a), np.nan)]),
}
