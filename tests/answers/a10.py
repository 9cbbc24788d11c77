"Answers to the exercises of lesson 10: for each the right one and wrong ones that people really write."
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from fastlessons.exercises.l10 import flag, seen, what_next

def by_merge(train, valid, columns):
    if not len(valid): return 0
    known = train[columns].drop_duplicates().astype(object)
    return (valid[columns].astype(object).merge(known, how='left', indicator=True)['_merge'] == 'both').mean()

def merge_alone(train, valid, columns):   # the pandas way
    found = valid.merge(train[columns].drop_duplicates(), on=columns, how='left', indicator=True)['_merge'] == 'both'
    return found.mean() if len(valid) else 0

def merge_multiplies(train, valid, columns):   # three copies in `train` count three times
    return len(valid.merge(train, on=columns))/max(len(valid), 1)

def column_by_column(train, valid, columns):
    if not len(valid): return 0
    return valid[columns].apply(lambda c: c.isin(train[c.name])).all(axis=1).mean()

def as_text(train, valid, columns):   # 'ab' + 'c' is 'a' + 'bc'
    if not len(valid): return 0
    glue = lambda t: t[columns].astype(str).sum(axis=1)
    return glue(valid).isin(glue(train)).mean()

def of_train(train, valid, columns): return seen(valid, train, columns)
def all_columns(train, valid, columns): return seen(train, valid, list(train.columns))
def counts(train, valid, columns): return seen(train, valid, columns)*len(valid)
def different(train, valid, columns): return seen(train, valid.drop_duplicates(), columns)
def no_rows(train, valid, columns):
    known = set(train[columns].astype(object).where(train[columns].notna(), None).itertuples(index=False, name=None))
    return sum(r in known for r in valid[columns].astype(object).where(valid[columns].notna(), None).itertuples(index=False, name=None))/len(valid)
def gaps_differ(train, valid, columns):
    known = set(train[columns].itertuples(index=False, name=None))
    return sum(r in known for r in valid[columns].itertuples(index=False, name=None))/max(len(valid), 1)
def changes(train, valid, columns):
    share = seen(train, valid, columns)
    train['seen'] = 1
    return share

def letters(**said): return dict(what_next(), **said)

CUT = 5/205
def made(model, cut=CUT, columns=('iron', 'sugar', 'salt')):
    "Return a `flag` with this model and threshold."
    def flag(train, rows):
        c = list(columns)
        return model().fit(train[c], train['sick']).predict_proba(rows[c])[:, 1] > cut
    return flag

def forest(): return RandomForestClassifier(30, min_samples_leaf=20, random_state=0)
def size_of_salt(train, rows):
    def more(t): return t[['iron', 'sugar', 'salt']].assign(off=t['salt'].abs())
    return list(LogisticRegression().fit(more(train), train['sick']).predict_proba(more(rows))[:, 1] > CUT)
def uses_the_others(train, rows):   # of those who are asked about, the upper third
    p = forest().fit(train[rows.columns], train['sick']).predict_proba(rows)[:, 1]
    return p > pd.Series(p).quantile(.67)
def probabilities(train, rows): return forest().fit(train[rows.columns], train['sick']).predict_proba(rows)[:, 1]
def without_a_seed(train, rows): return RandomForestClassifier(5).fit(train[rows.columns], train['sick']).predict_proba(rows)[:, 1] > CUT
def both_columns(train, rows): return forest().fit(train[rows.columns], train['sick']).predict_proba(rows) > CUT
def asks_the_answer(train, rows): return rows['sick'] == 1

ANSWERS = {
    '10.1': dict(
        right=[seen, by_merge, merge_alone],
        wrong=[merge_multiplies, column_by_column, as_text, of_train, all_columns, counts, different, no_rows, gaps_differ, changes, lambda *a: None]),
    '10.2': dict(
        right=[what_next()],
        wrong=[letters(A='richer model', B='more rows'), letters(C='enough', D='look for a leak'), letters(A='enough', D='more rows'),
               dict.fromkeys('ABCD', 'enough'), dict(A='more rows'), ['more rows'], letters(A='leak')]),
    '10.3': dict(
        right=[flag, made(forest), size_of_salt],
        wrong=[made(LogisticRegression), made(LogisticRegression, .5), made(forest, .5), made(lambda: HistGradientBoostingClassifier(random_state=0)),
               made(forest, columns=['iron']), lambda train, rows: rows['salt'] > 9, lambda train, rows: rows['salt'] == rows['salt'],
               uses_the_others, probabilities, without_a_seed, both_columns, asks_the_answer, lambda train, rows: True]),
}
