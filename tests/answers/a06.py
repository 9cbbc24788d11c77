"Answers to the exercises of lesson 06: for each the right one and wrong ones that people really write."
from fastlessons.exercises.l06 import best_split, look, who_did_what

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

WHO = who_did_what()
INPUTS = ['season', 'mnth', 'hr', 'holiday', 'weekday', 'workingday', 'weathersit', 'temp', 'atemp', 'hum', 'windspeed']

ANSWERS = {
    '06.1': dict(
        right=[best_split, splitter(lambda l, r: spread(l) + spread(r))],
        wrong=[splitter(wrong_rows),                                              # counts mistakes
               splitter(lambda l, r: spread(l)/len(l) + spread(r)/len(r)),        # sizes left out
               splitter(lambda l, r: spread(l) + spread(r), middle=lambda a, b: a),   # the value, not the middle
               splitter(lambda l, r: spread(l) + spread(r), last=True),           # the highest of equals
               splitter(lambda l, r: -spread(l) - spread(r)), no_none]),
    '06.2': dict(
        right=[WHO],
        wrong=[dict(WHO, A='right', C='2011'),                                    # out of bag taken at its word
               dict(WHO, D='right', C='registered'),                              # the best is the right one
               dict(WHO, A='right'), list(WHO.values()), {k: v.upper() for k, v in WHO.items()}]),
    '06.3': dict(
        right=[look, lambda rows: rows[['yr', 'hr', 'workingday', 'season', 'temp', 'hum', 'weathersit']]],
        wrong=[lambda rows: rows[INPUTS],                                         # the year is missing
               lambda rows: rows[[*INPUTS, 'instant']],                           # a date: 2012 lies beyond each cut
               lambda rows: rows[['yr', 'hr']],                                   # too little
               lambda rows: rows[['yr', *INPUTS]].rank(),                         # of these rows only
               lambda rows: rows['yr'], lambda rows: rows[rows.yr == 1][['hr', 'temp']].head(50), lambda rows: 5]),
}
