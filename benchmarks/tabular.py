"""Tables: our network, fastai's and a linear model, on the same splits in one run.

    python benchmarks/tabular.py [--data FOLDER] [--splits 10] [--only titanic bike]

1. Passengers: random fifths held out. With so few people a split says little, so the mean over all splits is given,
   with a 95% interval for the number of different people that were judged.
2. Rented bikes by the hour, on the real data: the last 21 days are held out, everything before is there to learn from.
'five' is an ensemble of five of ours. Seconds are of training alone, as the median; fastai without its progress bar.
Nothing else should run on the machine."""
import argparse, time
from statistics import mean, median

import numpy as np, pandas as pd
from fastai.tabular.all import Categorify, CategoryBlock, FillMissing, Normalize, RegressionBlock, TabularPandas
from fastai.tabular.all import range_of, set_seed, tabular_learner
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score

from fastlessons.data import get_data, used
from fastlessons.tabular import TabularClassifier, TabularPrep, TabularRegressor

class Task:
    "What to predict from which columns, and for how long to train."
    def __init__(self, target, cats, conts, log, bs, kind, layers, epochs=10):
        self.target, self.cats, self.conts, self.log, self.kind = target, cats, conts, log, kind
        self.epochs, self.bs, self.layers = epochs, bs, layers

    def score(self, df, preds):
        return (preds == df[self.target]).mean() if self.kind == 'class' else r2_score(df[self.target], preds)

    def ours(self, train, valid, seed, n=1):
        logs = [c for c in self.log if c != self.target]
        start = time.perf_counter()
        nets = [self.model(n*seed+i, logs) for i in range(n)]
        for m in nets: m.fit(train, train[self.target], epochs=self.epochs, bs=self.bs, show=False)
        took = time.perf_counter()-start
        if self.kind == 'number': return sum(m.predict(valid) for m in nets)/n, took
        return sum(m.predict_proba(valid) for m in nets).idxmax(axis=1), took

    def model(self, seed, logs):
        args = self.cats, self.conts, logs, self.layers
        if self.kind == 'class': return TabularClassifier(*args, seed=seed)
        return TabularRegressor(*args, log_y=self.target in self.log, seed=seed)

    def five(self, train, valid, seed): return self.ours(train, valid, seed, 5)

    def fastai(self, train, valid, seed):
        set_seed(seed)
        both = pd.concat([train, valid], ignore_index=True)
        for c in self.log: both[c] = np.log1p(both[c].astype(float))
        number = self.kind == 'number'
        block = RegressionBlock() if number else CategoryBlock()
        splits, start = (list(range_of(train)), list(range(len(train), len(both)))), time.perf_counter()
        procs, cats = [Categorify, FillMissing, Normalize], self.cats[:]   # a copy: fastai adds to it
        table = TabularPandas(both, procs, cats, self.conts[:], self.target, block, splits=splits)
        learn = tabular_learner(table.dataloaders(bs=self.bs), layers=self.layers)
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(self.epochs, 1e-2)
            took, preds = time.perf_counter()-start, learn.get_preds()[0]
        if not number: return np.array(learn.dls.vocab)[preds.argmax(1)], took
        return np.expm1(preds[:, 0]) if self.target in self.log else preds[:, 0], took

    def linear(self, train, valid, seed):
        prep = TabularPrep(train, cont_names=self.conts, log_names=[c for c in self.log if c != self.target])
        def dummies(df): return pd.get_dummies(df[self.cats].astype(str))
        words = dummies(train).columns
        def numbers(df): return np.hstack([prep(df), dummies(df).reindex(columns=words, fill_value=0)])
        y, start, log = train[self.target], time.perf_counter(), self.target in self.log
        model = LogisticRegression(max_iter=3000) if self.kind == 'class' else Ridge()
        preds = model.fit(numbers(train), np.log1p(y) if log else y).predict(numbers(valid))
        return np.expm1(preds) if log else preds, time.perf_counter()-start

def titanic(source, splits):
    df = pd.read_csv(get_data('titanic', source)/'train.csv')
    cats, conts = ['Pclass', 'Sex', 'Embarked'], ['Age', 'SibSp', 'Parch', 'Fare']
    task = Task('Survived', cats, conts, ['Fare'], 64, 'class', [50, 20])
    n, parts = len(df)//5, [np.random.default_rng(s).permutation(len(df)) for s in range(splits)]
    people = len(set(np.concatenate([p[:n] for p in parts])))
    mid = {}
    for name in ('linear', 'ours', 'five', 'fastai'):
        found = []
        for seed, p in enumerate(parts):
            preds, took = getattr(task, name)(df.iloc[p[n:]], df.iloc[p[:n]], seed)
            found.append((task.score(df.iloc[p[:n]], np.asarray(preds)), took))
        acc = [a for a, _ in found]
        half = 1.96*(mean(acc)*(1-mean(acc))/people)**.5
        print(f'{name:8} {mean(acc):.4f} ± {half:.4f}  (splits from {min(acc):.3f} to {max(acc):.3f})'
              f'{median(t for _, t in found):8.2f} s', flush=True)
        mid[name] = mean(acc), median(t for _, t in found)
    (a, s), (a0, s0) = mid['ours'], mid['fastai']
    print(f'=> seconds to train (accuracy): our network, fastai | {len(df)} passengers, {splits} splits | {s:.2f} ({a:.3f}) | {s0:.2f} ({a0:.3f}) | {s0/s:.1f}')

def bike(source, seeds=3):
    df = pd.read_csv(get_data('bike', source)/'hour.csv')
    test = df['dteday'] > str((pd.to_datetime(df['dteday']).max() - pd.Timedelta(days=21)).date())
    train, valid = df[~test], df[test]
    print(f"learned from {train['dteday'].min()} to {train['dteday'].max()}, tested on {valid['dteday'].min()} to "
          f"{valid['dteday'].max()}: {len(train)} and {len(valid)} hours")
    cats = ['season', 'yr', 'mnth', 'hr', 'holiday', 'weekday', 'workingday', 'weathersit']
    for name in ('linear', 'linear log', 'ours', 'ours log', 'five log', 'fastai log'):
        name, log = name.split()[0], ['cnt'] if 'log' in name else []
        task = Task('cnt', cats, ['temp', 'atemp', 'hum', 'windspeed'], log, 256, 'number', [200, 100])
        runs = [getattr(task, name)(train, valid, s) for s in range(1 if name in ('linear', 'five') else seeds)]
        print(f"{name:8} {'log' if log else '':4} R2", *(f'{task.score(valid, p):.3f}' for p, _ in runs),
              f'{median(t for _, t in runs):8.1f} s', flush=True)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help="'sample', 'full' or a folder with the real sets")
    p.add_argument('--splits', type=int, default=10)
    p.add_argument('--only', nargs='+', choices=('titanic', 'bike'), default=('titanic', 'bike'))
    a = p.parse_args()
    if 'titanic' in a.only: titanic(a.data, a.splits)
    if 'bike' in a.only and used.get('titanic') != 'sample': bike(a.data)   # there is no sample of the bikes

if __name__ == '__main__': main()
