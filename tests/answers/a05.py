"Answers to the exercises of lesson 05: for each the right one and wrong ones that people really write."
import statistics as st

from fastlessons.exercises.l05 import dummies, interval, prepare

def of_what_is_there(categories, values): return [[int(v == c) for c in sorted(set(values))] for v in values]

def unknown_stops(categories, values): return [[int(i == categories.index(v)) for i in range(len(categories))] for v in values]

def not_cut(right, n):
    p, half = right/n, 1.96*(right/n*(1-right/n)/n)**.5
    return p-half, p+half

def without_196(right, n):
    p, half = right/n, (right/n*(1-right/n)/n)**.5
    return max(0, p-half), min(1, p+half)

def without_n(right, n):
    p = right/n
    half = 1.96*(p*(1-p))**.5
    return max(0, p-half), min(1, p+half)

def make(learn=lambda train, rows: train, fill=st.median, std=st.pstdev, filled=True):
    "Return a `prepare` that does one thing in another way."
    def prepare(train, rows):
        base = learn(train, rows)
        known = [v for v in base if v is not None]
        m = fill(known)
        used = [m if v is None else v for v in base] if filled else known
        mean, s = st.mean(used), std(used)
        return [((m if v is None else v) - mean)/s if s else 0. for v in rows]
    return prepare

def always_divides(train, rows):
    m = st.median(v for v in train if v is not None)
    t, r = ([m if v is None else v for v in a] for a in (train, rows))
    return [(v - st.mean(t))/st.pstdev(t) for v in r]

ANSWERS = {
    '05.1': dict(
        right=[dummies, lambda categories, values: [[1 if c == v else 0 for c in categories] for v in values]],
        wrong=[of_what_is_there, unknown_stops, lambda categories, values: [[int(v == c) for v in values] for c in categories],
               lambda categories, values: [[categories.index(v) if v in categories else -1] for v in values],
               lambda categories, values: [[int(v == c) for c in sorted(categories)] for v in values]]),
    '05.2': dict(
        right=[interval],
        wrong=[not_cut, without_196, without_n, lambda right, n: 1.96*(right/n*(1-right/n)/n)**.5, lambda right, n: (right/n, right/n),
               lambda right, n: (right/n - .0784, right/n + .0784)]),   # the width of another n
    '05.3': dict(
        right=[prepare, make()],
        wrong=[make(learn=lambda train, rows: rows or train), make(learn=lambda train, rows: train + rows), make(fill=st.mean),
               make(fill=lambda known: 0), make(std=st.stdev), make(filled=False), always_divides]),
}
