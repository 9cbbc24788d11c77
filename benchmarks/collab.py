"""Predict ratings, side by side in one run, and grow.

    python benchmarks/collab.py [--data FOLDER] [--splits random own] [--folds 0 1 2 3 4] [--ways ...] [--surprise PYTHON]
    python benchmarks/collab.py --rows 100000 1000000 5000000 20000000

1. FOLDER holds MovieLens 100k; without it, the sample. Each way is trained on four fifths and measured on the fifth that is left, five
   times. The clock counts training, from the table of ratings to a model. Splits: `random` is a split into random
   fifths (seed 7); `own` are MovieLens's own five, u1 to u5: these are the consecutive fifths of u.data as it lies.
   Our defaults were chosen on two fifths of a random split with another seed.
   - biases: mean, bias of the person and of the film (`fit_ratings` without factors).
   - fast, best: `fit_ratings`. "with time": the same models, told when each rating was given, which they use for the
     person's mood of that hour; the other ways cannot use it.
   - fastai: `collab_learner` as in its book: 50 factors, five epochs of one-cycle at 5e-3, weight decay 0.1.
     It needs a validation set: one in a hundred of the ratings to train on.
   - Surprise: SVD and SVD++ with their defaults, in an environment of their own, since they need numpy below 2:
     python3.11 -m venv S; S/bin/pip install "numpy<2" pandas scikit-surprise==1.1.5; then give --surprise S/bin/python.
2. --rows: ratings simulated with 8 hidden tastes and a long tail, each size in a process of its own.
Nothing else should run on the machine."""
import argparse, json, resource, subprocess, sys, tempfile, time

import numpy as np, pandas as pd

SURPRISE = '''
import json, sys, time
import numpy as np, pandas as pd
from surprise import SVD, SVDpp, Dataset, Reader
folder, way = sys.argv[1:]
train, test = (pd.read_csv(f'{folder}/{s}.csv')[['user', 'item', 'rating']] for s in ('train', 'test'))
start = time.perf_counter()
data = Dataset.load_from_df(train, Reader(rating_scale=(train.rating.min(), train.rating.max()))).build_full_trainset()
np.random.seed(0)
model = dict(SVD=SVD, SVDpp=SVDpp)[way]().fit(data)
secs = time.perf_counter() - start
print(json.dumps([secs, [model.predict(u, i).est for u, i in zip(test.user.tolist(), test.item.tolist())]]))
'''

def by_surprise(python, way):
    def run(train, test):
        with tempfile.TemporaryDirectory() as d:
            for name, df in (('train', train), ('test', test)): df.to_csv(f'{d}/{name}.csv', index=False)
            out = subprocess.run([python, '-c', SURPRISE, d, way], check=True, stdout=subprocess.PIPE, text=True).stdout
        secs, preds = json.loads(out.splitlines()[-1])
        return secs, {f'Surprise {way}': preds}
    return run

def by_fastai(train, test):
    from fastai.collab import CollabDataLoaders, collab_learner
    from fastai.vision.all import set_seed
    set_seed(0)
    start = time.perf_counter()
    names = dict(user_name='user', item_name='item', rating_name='rating')
    dls = CollabDataLoaders.from_df(train, valid_pct=.01, bs=64, **names)
    learn = collab_learner(dls, n_factors=50, y_range=(0, 5.5))
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(5, 5e-3, wd=.1)
    secs = time.perf_counter() - start
    with learn.no_bar(): preds = learn.get_preds(dl=dls.test_dl(test))[0]
    return secs, {'fastai collab_learner': preds.numpy().ravel()}

def by_us(name, **kw):
    def run(train, test):
        from fastlessons.collab import fit_ratings
        start = time.perf_counter()
        model = fit_ratings(train, show=False, **kw)
        secs, preds = time.perf_counter() - start, {f'fastlessons {name}': model.predict(test)}
        if 'time' in train and kw.get('n_factors', 1):
            preds[f'fastlessons {name}, with time'] = model.predict(test, time=True)
        return secs, preds
    return run

def fifths(n, kind):
    "Split `n` ratings into five lists of positions."
    order = np.arange(n) if kind == 'own' else np.random.default_rng(7).permutation(n)
    return np.array_split(order, 5)

def compare(data, splits, folds, names, python):
    "Print error and seconds of each way."
    from fastlessons.collab import fit_ratings, read_ratings
    from fastlessons.data import get_data
    df = read_ratings(get_data('movielens', data))
    fit_ratings(df[:2000])   # what is loaded at the first call is not training
    ways = dict(biases=by_us('biases', n_factors=0, n_hints=0), fast=by_us('fast'), best=by_us('best', how='best'),
                fastai=by_fastai, SVD=by_surprise(python, 'SVD'), SVDpp=by_surprise(python, 'SVDpp'))
    if not python and {'SVD', 'SVDpp'} & {*names}: print('Without Surprise: see --help for how to get it.')
    names = [n for n in names if python or n not in ('SVD', 'SVDpp')]
    for kind in splits:
        parts, rows = fifths(len(df), kind), []
        for fold in folds:
            test = np.isin(np.arange(len(df)), parts[fold])
            for name in names:
                secs, found = ways[name](df[~test], df[test])
                for label, preds in found.items():
                    miss = np.asarray(preds) - df.rating[test].values
                    rows.append((label, fold, (miss**2).mean()**.5, np.abs(miss).mean(), secs))
                    errors = f'RMSE {rows[-1][2]:.4f}  MAE {rows[-1][3]:.4f}'
                    print(f'{kind} {fold}: {label:32} {errors}  {secs:.2f} s', flush=True)
        table = pd.DataFrame(rows, columns=['way', 'fold', 'RMSE', 'MAE', 'seconds']).groupby('way', sort=False)
        print(f'\n{kind} splits, mean of folds {folds} (median of the seconds)')
        print(f'{"":34}{"RMSE":>8}{"MAE":>8}{"seconds":>9}')
        mid = {way: (t.RMSE.mean(), t.MAE.mean(), t.seconds.median()) for way, t in table}
        for way, (rmse, mae, secs) in mid.items(): print(f'{way:34}{rmse:8.4f}{mae:8.4f}{secs:9.2f}')
        err, _, s = mid.get('fastlessons fast', [np.nan]*3)
        for way, (rmse, _, secs) in mid.items():
            if way.startswith('fastlessons'): continue
            print(f'=> seconds to fit (RMSE): fit_ratings, {way} | {len(df):,} ratings, {kind} fifths | {s:.2f} ({err:.3f}) | {secs:.2f} ({rmse:.3f}) | '
                  f'{secs/s:.1f}')
        print()

def simulate(n, seed=0):
    "Simulate a table of about `n` ratings with columns user, item, rating, some million at a time."
    rng, n_user, n_item = np.random.default_rng(seed), max(200, n//145), int(min(27_000, max(300, n/60)))
    tastes, kinds = (rng.normal(size=(m, 8)).astype(np.float32) for m in (n_user, n_item))
    biases = [rng.normal(size=m).astype(np.float32)*.4 for m in (n_user, n_item)]
    popular = (1/(np.arange(n_item)+20)).cumsum()
    count = rng.lognormal(0, 1, n_user)
    count = np.minimum(count*n*1.15/count.sum() + 5, n_item/3).astype(int)
    keys = []
    for users in np.array_split(np.arange(n_user), 1 + n//2_000_000):
        u = np.repeat(users, count[users])
        i = np.searchsorted(popular, rng.random(len(u))*popular[-1])
        keys.append(np.unique(u*np.int64(n_item) + i))   # nobody rates a film twice
    keys = np.concatenate(keys)
    u, i = (keys//n_item).astype(np.int32), (keys % n_item).astype(np.int32)
    del keys
    stars = np.empty(len(u), np.float32)
    for a in range(0, len(u), 1_000_000):
        at = slice(a, a+1_000_000)
        stars[at] = (3.5 + biases[0][u[at]] + biases[1][i[at]] + .25*(tastes[u[at]]*kinds[i[at]]).sum(1)
                     + rng.normal(size=len(u[at]))*.7).round().clip(1, 5)
    return pd.DataFrame(dict(user=u, item=i, rating=stars))

def grow(n):
    "Fit once, and print what it took."
    from fastlessons import collab
    df, marks, sweep = simulate(n), [], collab._ALS.sweep
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/2**20
    def timed(*a):
        found = sweep(*a)
        marks.append(time.perf_counter())
        return found
    collab._ALS.sweep = timed
    start = time.perf_counter()
    model = collab.fit_ratings(df, sweeps=3, show=False)
    secs = time.perf_counter() - start
    model.recommend_all(10, df.user[:1000].unique())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/2**20
    print(f'{len(df):>12,}{len(model.user_ids):>10,}{len(model.item_ids):>9,}{np.diff(marks).mean():>17.2f}'
          f'{secs:>15.1f}{before:>13.2f}{peak:>10.2f}', flush=True)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help="'sample', 'full' or a folder with MovieLens 100k")
    p.add_argument('--splits', nargs='+', choices=('random', 'own'), default=['random', 'own'])
    p.add_argument('--folds', nargs='+', type=int, choices=range(5), default=[*range(5)])
    ways = 'biases', 'fast', 'best', 'fastai', 'SVD', 'SVDpp'
    p.add_argument('--ways', nargs='+', choices=ways, default=ways)
    p.add_argument('--surprise', metavar='PYTHON', help='of an environment that has scikit-surprise')
    p.add_argument('--rows', nargs='+', type=int, help='how many ratings to simulate; several make a table')
    a = p.parse_args()
    if a.rows and len(a.rows) == 1: grow(a.rows[0])
    elif a.rows:
        print(f'{"ratings":>12}{"users":>10}{"items":>9}{"seconds a sweep":>17}{"fit, 3 sweeps":>15}{"GB before":>13}'
              f'{"GB peak":>10}', flush=True)
        for n in a.rows: subprocess.run([sys.executable, __file__, '--rows', str(n)], check=True)
    if a.data or not a.rows: compare(a.data, a.splits, a.folds, a.ways, a.surprise)

if __name__ == '__main__': main()
