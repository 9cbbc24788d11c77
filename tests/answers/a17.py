"Answers to the exercises of lesson 17: for each the right one and wrong ones that people really write."
import math

from fastlessons.exercises.l17 import ask, diagnosis, halving

def with_a_loop(run, names, epochs):
    left = list(names)
    for epoch in epochs[:-1]:
        scored = [(run(name, epoch), name) for name in left]
        order = sorted(range(len(left)), key=lambda i: (math.isnan(scored[i][0]), -scored[i][0] if scored[i][0] == scored[i][0] else 0, i))
        left = [left[i] for i in sorted(order[:math.ceil(len(left)/2)])]
    best, top = left[0], -math.inf
    for name in left:
        score = run(name, epochs[-1])
        if score > top: best, top = name, score
    return best

def keeps_all(run, names, epochs): return max(names, key=lambda name: [run(name, e) for e in epochs][-1])
def rounds_down(run, names, epochs):
    for epoch in epochs:
        scores = {n: run(n, epoch) for n in names}
        names = sorted(names, key=lambda n: -scores[n] if scores[n] == scores[n] else math.inf)[:max(1, len(names)//2)]
    return names[0]
def nan_wins(run, names, epochs):
    for k, epoch in enumerate(epochs):
        if k: names = names[:(len(names) + 1)//2]
        scores = {n: run(n, epoch) for n in names}
        names = sorted(names, key=scores.get, reverse=True)
    return names[0]
def lowest(run, names, epochs): return halving(lambda n, e: -run(n, e), names, epochs)
def asks_twice(run, names, epochs):
    halving(run, names, epochs)
    return halving(run, names, epochs)
def last_of_equals(run, names, epochs): return halving(run, names[::-1], epochs)
def the_score(run, names, epochs): return run(halving(run, names, epochs), epochs[-1])
def a_list(run, names, epochs): return [halving(run, names, epochs)]
def empties_the_list(run, names, epochs):
    winner = halving(run, names, epochs)
    names[:] = [winner]
    return winner
def looks_ahead(run, names, epochs): return max(names, key=lambda n: run(n, epochs[-1]))

def letters(**said): return dict(diagnosis(), **said)

def search(lr, momentum, hidden): return lambda t: dict(lr=t.suggest_float('lr', **lr), momentum=t.suggest_float('momentum', *momentum), hidden=t.suggest_int('hidden', *hidden))
def log(low, high): return dict(low=low, high=high, log=True)
def momentum_fixed(trial): return dict(lr=trial.suggest_float('lr', .1, 10, log=True), momentum=.9, hidden=64)

ANSWERS = {
    '17.1': dict(
        right=[halving, with_a_loop],
        wrong=[keeps_all, rounds_down, nan_wins, lowest, asks_twice, last_of_equals, the_score, a_list, empties_the_list, looks_ahead, lambda *a: None]),
    '17.2': dict(
        right=[diagnosis()],
        wrong=[letters(A='learned by heart', D='labels mixed up'), letters(C='steps too large', E='rows in order'), dict.fromkeys('ABCDE', 'steps too small'),
               dict(A='labels mixed up'), ['labels mixed up'], letters(A='mixed')]),
    '17.3': dict(
        right=[ask, momentum_fixed],
        wrong=[search(dict(low=0, high=100), (0, 1), (1, 64)), search(log(1e-6, 100), (0, 1), (1, 64)), search(log(.1, 10), (.5, .98), (500, 1000)),
               lambda trial: dict(lr=.5, momentum=.9, hidden=64), lambda trial: (.5, .9, 64), lambda trial: dict(lr=trial.suggest_float('lr', .1, 1)),
               lambda trial: dict(lr=trial.suggest_float('lr', .1, 1), momentum=.9, hidden=trial.suggest_float('hidden', 16, 64)), lambda trial: None]),
}
