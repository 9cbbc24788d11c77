"Answers to the exercises of lesson 06: for each the right one and wrong ones that people really write."
from fastlessons.exercises.l06 import best_split, explain, gini

def spread(y): return sum((v - sum(y)/len(y))**2 for v in y)

def splitter(score, middle=lambda a, b: (a+b)/2, last=False):
    "Make a `best_split` from the score of two halves."
    def best_split(x, y):
        v = sorted(set(x))
        cuts = [middle(a, b) for a, b in zip(v, v[1:])]
        halves = lambda t: ([b for a, b in zip(x, y) if a <= t], [b for a, b in zip(x, y) if a > t])
        return min(cuts[::-1] if last else cuts, key=lambda t: round(score(*halves(t)), 9)) if cuts else None
    return best_split

def wrong_rows(l, r): return sum(min(sum(h), len(h)-sum(h)) for h in (l, r))

def no_none(x, y):
    v = sorted(set(x))
    return splitter(lambda l, r: spread(l) + spread(r))(x, y) if len(v) > 1 else v[0]

def the_last_wins(path, leaf):
    means = [m for _, m in path] + [leaf]
    return {c: b - a for (c, _), a, b in zip(path, means, means[1:])}

def from_the_root(path, leaf):
    means = [m for _, m in path] + [leaf]
    return {c: b - means[0] for (c, _), b in zip(path, means[1:])}

def one_too_early(path, leaf):   # the move is written to the column of the question before
    means = [m for _, m in path] + [leaf]
    return {c: a - (means[i-1] if i else 0) for i, ((c, _), a) in enumerate(zip(path, means))}

ANSWERS = {
    '06.1': dict(
        right=[gini, lambda counts: sum(c/sum(counts)*(1 - c/sum(counts)) for c in counts if sum(counts))],
        wrong=[lambda counts: 1 - sum((c/sum(counts))**2 for c in counts),        # divides by zero
               lambda counts: sum((c/max(1, sum(counts)))**2 for c in counts),    # purity
               lambda counts: gini(counts)/2,                                     # the variance
               lambda counts: 1 - max(counts)/max(1, sum(counts)),                # share of mistakes
               lambda counts: 2*counts[0]*counts[1]/max(1, sum(counts))**2]),     # two classes only
    '06.2': dict(
        right=[best_split, splitter(lambda l, r: spread(l) + spread(r))],
        wrong=[splitter(wrong_rows),                                              # counts mistakes
               splitter(lambda l, r: spread(l)/len(l) + spread(r)/len(r)),        # sizes left out
               splitter(lambda l, r: spread(l) + spread(r), middle=lambda a, b: a),   # the value, not the middle
               splitter(lambda l, r: spread(l) + spread(r), last=True),           # the highest of equals
               splitter(lambda l, r: -spread(l) - spread(r)), no_none]),
    '06.3': dict(
        right=[explain],
        wrong=[the_last_wins, from_the_root, one_too_early,
               lambda path, leaf: {c: -v for c, v in explain(path, leaf).items()},
               lambda path, leaf: {c: m for c, m in path}, lambda path, leaf: [*explain(path, leaf).items()]]),
}
