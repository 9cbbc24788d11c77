"Answers to the exercises of lesson 05: for each the right one and wrong ones that people really write."
import statistics as st

from fastlessons.exercises.l05 import extra, prepare, who_did_what

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

def child(rows): return (rows['Age'] < 13).astype(float)

def letters(**said): return dict(who_did_what(), **said)

ANSWERS = {
    '05.1': dict(
        right=[prepare, make()],
        wrong=[make(learn=lambda train, rows: rows or train), make(learn=lambda train, rows: train + rows), make(fill=st.mean),
               make(fill=lambda known: 0), make(std=st.stdev), make(filled=False), always_divides]),
    '05.2': dict(
        right=[who_did_what()],
        wrong=[letters(A='all rows', D='too long'), letters(A='right', B='too long'), letters(B='shuffled', C='right'), {}, dict(A='right'), ['too long'],
               dict.fromkeys('ABCD', 'right'), letters(A=1)]),
    '05.3': dict(
        right=[extra, child, lambda rows: [float(a < 12) for a in rows['Age']]],
        wrong=[lambda rows: (rows['Sex'] == 'female').astype(float),   # it is there already
               lambda rows: ((rows['Sex'] == 'female') & (rows['Pclass'] < 3)).astype(float),   # nearer, but not near enough
               lambda rows: rows['Age'],   # with its gaps
               lambda rows: rows['Age'] > rows['Age'].mean(),   # learned from the rows that it is asked about
               lambda rows: rows['Survived'], lambda rows: 1., lambda rows: [1.]]),
}
