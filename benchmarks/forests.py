"""Our forest beside scikit-learn's exact one, on one core, from 1,000 to 1,000,000 rows.

    python benchmarks/forests.py [--rows 1000 10000 100000 1000000] [--trees 20] [--data FOLDER]

Seconds are processor time of `fit` and `predict`; the ratio is ours divided by scikit-learn's, so below 1 ours is faster.
The made-up table has ten columns of numbers; the scores are on 20,000 rows of their own. At the largest size fewer trees
are grown (the column `trees`). With a folder of real data: the passengers and the rented bikes, cross-validated.
Nothing else should run on the machine."""
import os
for lib in ('OMP', 'OPENBLAS', 'MKL'): os.environ[f'{lib}_NUM_THREADS'] = '1'   # before numpy is loaded
import argparse, time

import numpy as np, pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import cross_val_score

from fastlessons.data import get_data, used
from fastlessons.forests import ForestClassifier, ForestRegressor

def table(n, seed=0):
    "Ten columns of numbers, and a number that depends on five of them."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    return x, x[:, 0]*x[:, 1] + np.sin(3*x[:, 2]) + (x[:, 3] > .5)*x[:, 4] + .5*rng.normal(size=n)

def timed(f, *a):
    start = time.process_time()
    out = f(*a)
    return time.process_time() - start, out

def sizes(rows, trees):
    xv, yv = table(20_000, 1)
    print(f'{"rows":>9}{"trees":>6}  {"answer":8}{"fit, ours":>10}{"sklearn":>9}{"ratio":>7}{"predict, ours":>15}{"sklearn":>9}{"ratio":>7}'
          f'{"score, ours":>13}{"sklearn":>9}')
    for n in rows:
        x, y = table(n)
        k = max(2, min(trees, trees*200_000//n))
        for kind, pair in (('class', (ForestClassifier, RandomForestClassifier)), ('number', (ForestRegressor, RandomForestRegressor))):
            t, tv = (y > 0, yv > 0) if kind == 'class' else (y, yv)
            fit, predict, score = [], [], []
            for f in pair:
                f = f(n_estimators=k, random_state=0)
                fit.append(timed(f.fit, x, t)[0])
                predict.append(timed(f.predict, xv)[0])
                score.append(f.score(xv, tv))
            print(f'{n:9,}{k:6}  {kind:8}{fit[0]:10.2f}{fit[1]:9.2f}{fit[0]/fit[1]:7.2f}{predict[0]:15.2f}{predict[1]:9.2f}'
                  f'{predict[0]/predict[1]:7.2f}{score[0]:13.4f}{score[1]:9.4f}', flush=True)
            print(f'=> seconds to fit (score): our forest, scikit-learn | {n:,} rows, {k} trees, a {kind} | {fit[0]:.2f} ({score[0]:.3f}) | '
                  f'{fit[1]:.2f} ({score[1]:.3f}) | {fit[1]/fit[0]:.1f}')

def real(source):
    p = pd.read_csv(get_data('titanic', source)/'train.csv')
    x = p[['Pclass', 'Sex', 'Age', 'SibSp', 'Parch', 'Fare', 'Embarked']]
    codes = x.assign(**{c: pd.Categorical(x[c]).codes for c in ('Sex', 'Embarked')})   # scikit-learn's takes no words
    def cv(f, x, y): return cross_val_score(f(n_estimators=100, random_state=0), x, y, cv=5).mean()
    print(f'passengers ({len(p)} rows), accuracy: ours {cv(ForestClassifier, x, p.Survived):.4f}, '
          f'scikit-learn {cv(RandomForestClassifier, codes, p.Survived):.4f}')
    if used['titanic'] == 'sample': return   # there is no sample of the bikes
    d = pd.read_csv(get_data('bike', source)/'hour.csv').sample(frac=1, random_state=0)
    x = d.drop(columns=['instant', 'dteday', 'casual', 'registered', 'cnt'])
    for f in (ForestRegressor, RandomForestRegressor):
        s, r2 = timed(cv, f, x, d.cnt)
        print(f'bikes ({len(d):,} rows), R2 of {f.__module__.split(".")[0]}: {r2:.4f} in {s:.1f} s')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rows', type=int, nargs='*', default=[1000, 10_000, 100_000, 1_000_000])
    p.add_argument('--trees', type=int, default=20)
    p.add_argument('--data', help="'sample', 'full' or a folder with the real sets")
    a = p.parse_args()
    sizes(a.rows, a.trees)
    real(a.data)

if __name__ == '__main__': main()
