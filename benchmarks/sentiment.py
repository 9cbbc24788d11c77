"""Lesson 12's ladder, rung by rung in one run, on one core: reviews a second in training on indices that are ready, and what is right.

    python benchmarks/sentiment.py [--data FOLDER] [--rounds 5]

FOLDER holds the real sets (IMDb: 4,000 reviews to train, 1,000 to validate; Rotten Tomatoes), or is 'sample' (the default) or 'full'.
1. The ladder. The first four rungs take one review a step, the others batches of 64, 256 or 512 sparse rows. All have ten hidden neurons
   and a linear activation, and make one pass, or eight in batches; the speed is reviews times passes, by the processor's time. The
   rungs are timed in turns, and the median of the rounds counts. The cut that was chosen is the one of nine that is
   best in four-fold cross-validation within the training set, four times with other folds; it is printed.
2. From raw text to rows: our `words`, and two faster ways to split, with what is right for each.
3. Weighed words, pairs and triples through the same network without a hidden layer, beside naive Bayes and scikit-learn's logistic
   regression of the same rows; for sentences, too.
Nothing else should run on the machine."""
import argparse, re, time
from statistics import median

from fastlessons.data import get_data
from fastlessons.numpy_net import NumpyClassifier
from fastlessons.text.data import read_reviews, split_texts
from fastlessons.text.sentiment import WordRows, choose_words
from fastlessons.text.tokens import words
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits
import numpy as np

def seconds(f):
    start = time.process_time()
    f()
    return time.process_time() - start

def one_by_one(step, inputs, n, y, lr, most=None):
    "Make one pass, a review a step; return the score of each word."
    rng = np.random.default_rng(0)
    w1, w2 = np.zeros((n, 10)), rng.normal(0, 10**-.5, 10)
    with np.errstate(all='ignore'):
        for k in rng.permutation(len(y))[:most]: step(inputs(k), y[k], w1, w2, lr)
    return w1@w2

def dense_step(x, right, w1, w2, lr):
    hidden = x@w1
    error = 1/(1 + np.exp(-hidden@w2)) - right
    slopes = np.outer(x, error*w2)
    w2 -= lr*error*hidden
    w1 -= lr*slopes

def rows_step(there, right, w1, w2, lr):
    hidden = w1[there].sum(0)
    error = 1/(1 + np.exp(-hidden@w2)) - right
    move = lr*error*w2
    w2 -= lr*error*hidden
    w1[there] -= move

def lists(X, part='indices'): return np.split(getattr(X, part), X.indptr[1:-1])

def new_net(bs=512, lr=.4): return NumpyClassifier(10, 'linear', lr=lr, bs=bs, epochs=8, wd=.02)

def chosen_cut(X, y):
    "Choose how rare and how neutral by cross-validation."
    folds = [np.random.default_rng(seed).permutation(len(y))%4 for seed in range(4)]
    def judge(cut, a, b):
        keep = choose_words(X[a], y[a], *cut)
        return new_net().fit(X[a][:, keep], y[a]).score(X[b][:, keep], y[b])
    scores = {(n, p): np.mean([judge((n, p), fold != k, fold == k) for fold in folds for k in range(4)])
              for n in (5, 10, 20) for p in (.05, .2, .5)}
    best = max(scores, key=scores.get)
    print(f'cross-validation chooses words in at least {best[0]} reviews, polarity {best[1]}: {scores[best]:.4f} (all: '
          f'{min(scores.values()):.4f} to {max(scores.values()):.4f})')
    return best

def ladder(train, y, valid, yv, rounds):
    every = WordRows().fit(train, y)
    counted, X = every.transform(train, counts=True), every.transform(train)
    Xv, n = every.transform(valid), len(every.words_)
    ids, counts = lists(counted), lists(counted, 'data')
    def fill(k, values):
        x = np.zeros(n)
        x[ids[k]] = values
        return x
    best = chosen_cut(X, y)
    some = 1000   # the dense rungs are slow: their speed is that of so many reviews
    rungs = {}   # name -> (reviews, what is timed, scores of the words that a full pass gives, columns)
    def add(name, step, inputs, keep, lr, most=None):
        rungs[name] = (most or len(y), lambda: one_by_one(step, inputs, len(keep), y, lr, most), lambda: one_by_one(step, inputs, len(keep), y, lr), keep)
    whole = np.arange(n)
    add('counts, dense', dense_step, lambda k: fill(k, counts[k]), whole, .1, some)
    add('presence, dense', dense_step, lambda k: fill(k, 1), whole, .03, some)
    add('only the rows that are there', rows_step, ids.__getitem__, whole, .03)
    def cut(*settings):
        keep = choose_words(X, y, *settings)
        return keep, X[:, keep].tocsr()
    keep, A = cut(20, .5)
    add('the same, 20 reviews, polarity 0.5', rows_step, lists(A).__getitem__, keep, .03)
    nets = {'all words': whole, 'the cut that was chosen': cut(*best)[0], '20 reviews, polarity 0.2': cut(20, .2)[0], '20 reviews, polarity 0.5': keep}
    def batches(rows, bs, lr):
        def run():
            net = new_net(bs, lr).fit(rows, y)
            return (net.layers_[0][0]@net.layers_[1][0])[:, 0]
        return run
    for name, columns in nets.items():
        for bs, lr in ((64, .05), (256, .2), (512, .4)):
            run = batches(X[:, columns].tocsr(), bs, lr)
            rungs[f'batches of {bs}, {name}'] = (8*len(y), run, run, columns)
    times = {name: [] for name in rungs}
    for _ in range(rounds):
        for name, (_, f, *_rest) in rungs.items(): times[name].append(seconds(f))
    print(f'{"":44}{"words":>8}{"reviews/s":>12}{"times":>8}  validation')
    speed = {name: rungs[name][0]/median(t) for name, t in times.items()}
    for name, (_, _, full, columns) in rungs.items():
        right = ((Xv[:, columns]@full() > 0) == yv).mean()
        print(f'{name:44}{len(columns):8,}{speed[name]:12,.0f}{speed[name]/speed["counts, dense"]:8.1f}  {right:.3f}', flush=True)
    print(f'always the same {max(yv.mean(), 1 - yv.mean()):.3f}, naive Bayes {((Xv@every.ratios_ + every.bias_ > 0) == yv).mean():.3f}')
    for name in ('the cut that was chosen', '20 reviews, polarity 0.5'):
        a, b = speed[f'batches of 512, {name}'], speed['counts, dense']
        print(f'=> reviews a second in training: sparse batches, {name}; the dense first version | {len(y):,} reviews | {a:,.0f} | {b:,.0f} | {a/b:.0f}')

WORD, SPACES = re.compile(r"[a-z']+"), bytes(i if chr(i).isalnum() or i == 39 or i > 127 else 32 for i in range(256))
SPLITS = {'words, our tokens': words, 'one pattern, letters only': lambda t: WORD.findall(t.lower()),
          'bytes: translate, then split': lambda t: t.lower().encode().translate(SPACES).split()}

def from_text(train, y, valid, yv):
    "How fast raw texts become rows, and what each way to split is worth."
    speed = {}
    for name, split in SPLITS.items():
        rows = WordRows(5, .2, split)
        X = rows.fit_transform(train, y)
        speed[name] = len(train)/min(seconds(lambda rows=rows: rows.transform(train)) for _ in range(3))
        net = new_net().fit(X, y)
        print(f'raw text to rows, {name:32}{speed[name]:10,.0f} reviews/s   {net.score(rows.transform(valid), yv):.3f}')
    per = len(y)*50/seconds(lambda: [X@np.ones(X.shape[1]) for _ in range(50)])
    print(f'predicting from rows{"":25}{per:10,.0f} reviews/s')
    first, *_, last = speed
    print(f'=> reviews a second from raw text to rows: bytes; our tokens | {len(train):,} reviews | {speed[last]:,.0f} | {speed[first]:,.0f} | {speed[last]/speed[first]:.1f}')

def grams(n):
    def split(text):
        found = words(text)
        return [' '.join(found[i:i+k]) for k in range(1, n+1) for i in range(len(found) - k + 1)]
    return split

def weighed(what, train, y, valid, yv):
    "Naive-Bayes features through the network."
    for n in (1, 2, 3):
        rows = WordRows(2, split=grams(n))
        X = rows.fit_transform(train, y)
        Xv = rows.transform(valid)
        A, B = (normalize(m.multiply(rows.ratios_).tocsr()) for m in (X, Xv))
        net = NumpyClassifier([], lr=2, bs=64, epochs=20)
        took = seconds(lambda net=net, A=A: net.fit(A, y))
        logistic = LogisticRegression(C=10, max_iter=300).fit(A, y)
        print(f'{what}, up to {n} words in a row: {X.shape[1]:8,} columns, naive Bayes {((Xv@rows.ratios_ + rows.bias_ > 0) == yv).mean():.3f}, '
              f'network {net.score(B, yv):.3f} ({took:.1f} s), logistic regression {logistic.score(B, yv):.3f}', flush=True)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', default='sample')
    p.add_argument('--rounds', type=int, default=5)
    a = p.parse_args()
    threadpool_limits(1)
    df = read_reviews(get_data('imdb', a.data))
    train, valid = df[~df.is_valid], df[df.is_valid]
    sides = train.text.tolist(), train.label.to_numpy(), valid.text.tolist(), valid.label.to_numpy()
    ladder(*sides, a.rounds)
    from_text(*sides)
    weighed('reviews', *sides)
    df = read_reviews(get_data('sentences', a.data))
    left, right = split_texts(df.text, df.label, valid_pct=.2)
    weighed('sentences', df.text.iloc[left].tolist(), df.label.to_numpy()[left], df.text.iloc[right].tolist(), df.label.to_numpy()[right])

if __name__ == '__main__': main()
