"Answers to the exercises of lesson 03: for each the right one and wrong ones that people really write."
from math import exp, log

from fastlessons.exercises.l03 import cross_entropy, descend, my_slope as slope

def always_the_first_slope(f, x, lr, steps):
    s = slope(f, x)
    for _ in range(steps): x -= lr*s
    return x

def one_step_only(f, x, lr, steps):
    for _ in range(steps):
        x -= lr*slope(f, x)
        return x
    return x

def uphill(f, x, lr, steps):
    for _ in range(steps): x += lr*slope(f, x)
    return x

def by_the_sign(f, x, lr, steps):
    for _ in range(steps): x -= lr*(1 if slope(f, x) > 0 else -1)
    return x

def overflows(acts, targ): return -log(exp(acts[targ])/sum(map(exp, acts)))

def no_logarithm_of_0(acts, targ):
    m = max(acts)
    return -log(exp(acts[targ]-m)/sum(exp(a-m) for a in acts))

def shifts_by_the_first(acts, targ):
    m = acts[0]
    return m + log(sum(exp(a-m) for a in acts)) - acts[targ]

def shifts_only_down(acts, targ):
    m = max(*acts, 0.)
    return m + log(sum(exp(a-m) for a in acts)) - acts[targ]

ANSWERS = {
    '03.1': dict(
        right=[slope, lambda f, x: (f(x+1e-4) - f(x-1e-4))/2e-4, lambda f, x: (f(x) - f(x-1e-5))/1e-5],
        wrong=[lambda f, x: f(x+.001) - f(x),              # not divided by the nudge
               lambda f, x: (f(x+1) - f(x))/1,             # not a little
               lambda f, x: (f(x) - f(x+.001))/.001,       # the wrong sign
               lambda f, x: f(x)/x,                        # the height, not the slope
               lambda f, x: 2*x,                           # only right for the square
               lambda f, x: (f(x+x*.001) - f(x))/(x*.001), # no nudge at 0
               lambda f, x: [(f(x+.001) - f(x))/.001],
               3.]),                                       # not a function
    '03.2': dict(
        right=[descend],
        wrong=[always_the_first_slope, one_step_only, uphill, by_the_sign,
               lambda f, x, lr, steps: f(descend(f, x, lr, steps)),                       # the loss, not the place
               lambda f, x, lr, steps: [descend(f, x, lr, n) for n in range(steps)]]),    # the whole way
    '03.3': dict(
        right=[cross_entropy, lambda acts, targ: log(sum(exp(a-max(acts)) for a in acts)) - (acts[targ]-max(acts))],
        wrong=[overflows, no_logarithm_of_0, shifts_by_the_first, shifts_only_down,
               lambda acts, targ: -cross_entropy(acts, targ),                             # without the minus
               lambda acts, targ: exp(-cross_entropy(acts, targ)),                        # the probability
               lambda acts, targ: -acts[targ],                                            # no softmax
               lambda acts, targ: cross_entropy(acts, targ)/log(2)]),                     # another logarithm
}
