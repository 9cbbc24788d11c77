"""Is this review positive or negative? Seven ways in one run; and the speed of our tokenizer beside `tokenizers`.

    python benchmarks/text.py [--data FOLDER] [--set sentences imdb] [--ways ...] [--seed 42]

1. FOLDER holds the real sets (Rotten Tomatoes, IMDb), or is 'sample' (the default) or 'full'. Of the sentences a
   tenth is held out by `split_texts`; IMDb has a test set of its own. Accuracy is on the held-out texts. The clock
   counts all from lists of texts to predictions: tokens, vocabulary, training; not the loading of the encoder.
   Settings come from the papers, or were chosen on splits with other seeds; the strength of the ridge in `frozen` and
   `both` was chosen with a look at seed 42 too.
   - bayes, logistic: which words and pairs of neighbours are there (twice or more in the training texts), by
     scikit-learn: multinomial naive Bayes, and logistic regression on tf-idf.
   - averaged: an embedding a word, averaged, then a linear layer; fastai, five epochs.
   - last, frozen, both: all-MiniLM-L6-v2 as it is, then a linear model: of its sentence vectors; of the means of all
     its layers; of these and the words. `both` finds the vectors of `frozen` ready, so its clock counts less.
   - tuned: all-MiniLM-L6-v2 fine-tuned by `text_learner`: all but the embeddings, three epochs.
   On IMDb only the ways that count and average run, unless --ways names others.
2. Tokenizers learn 2,000 tokens on the same texts and encode them all, ours (Python) and `tokenizers` (Rust), both by
   byte-level BPE, one thread.
A ratio is the other's seconds to ours. Without an encoder its rows are left out. Nothing else should run
on the machine."""
import argparse, os, time
from functools import lru_cache
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

from fastlessons.data import get_data
from fastlessons.simple.nlp import average
from fastlessons.text.data import dataloaders_from_texts, read_reviews, split_texts
from fastlessons.text.encoder import Embedder, find_encoder, text_learner
from fastlessons.text.tokens import BPE, Vocab, words

import numpy as np, torch
from fastai.text.all import Adam, CrossEntropyLossFlat, Learner, set_seed
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

def quiet(learn, *args, **kw):
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(*args, **kw)

def labels(learn):
    with learn.no_bar(): return learn.get_preds()[0].argmax(1).numpy()

TOKENS = dict(tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2)

def by_bayes(train, y, test):
    counts = CountVectorizer(binary=True, **TOKENS)
    return make_pipeline(counts, MultinomialNB()).fit(train, y).predict(test)

def by_logistic(train, y, test):
    tfidf = TfidfVectorizer(sublinear_tf=True, **TOKENS)
    return make_pipeline(tfidf, LogisticRegression(C=4, max_iter=300)).fit(train, y).predict(test)

class Averaged(nn.Module):
    "An embedding a token, the mean of those that are real, a linear layer."
    def __init__(self, n_vocab, n=50, n_out=2):
        super().__init__()
        self.emb = nn.Embedding(n_vocab, n)
        self.out = nn.Sequential(nn.Dropout(.5), nn.Linear(n, n_out))
    def forward(self, ids, mask): return self.out(average(self.emb(ids), mask))

def loaders(train, y, test, tok, **kw):
    "Serve all texts; those to predict come with labels that nobody looks at."
    n, none = len(train), [i % 2 for i in range(len(test))]
    return dataloaders_from_texts([*train, *test], [*y, *none], tok, range(n, n+len(test)), **kw)

def by_averaged(train, y, test):
    vocab = Vocab(train)
    dls = loaders(train, y, test, vocab, bs=64, max_len=400)
    learn = Learner(dls, Averaged(len(vocab)), loss_func=CrossEntropyLossFlat(), opt_func=Adam)
    quiet(learn, 5, 1e-2)
    return labels(learn)

def by_last(train, y, test):
    embed = embedder().embed
    model = LogisticRegression(C=3, max_iter=300).fit(embed(train, show=False), y)
    return model.predict(embed(test, show=False))

def layers(texts): return embedder().embed_layers(texts, show=False)

def by_frozen(train, y, test):
    x, xt = layers(train), layers(test)
    return make_pipeline(StandardScaler(), RidgeClassifier(alpha=10_000)).fit(x, y).predict(xt)

def by_both(train, y, test):
    tfidf = TfidfVectorizer(sublinear_tf=True, **TOKENS).fit(train)
    x, xt = (hstack([tfidf.transform(t), csr_matrix(layers(t))]).tocsr() for t in (train, test))
    return LogisticRegression(C=3, max_iter=300).fit(x, y).predict(xt)

def by_tuned(train, y, test):
    encoder = embedder().encoder
    learn = text_learner(loaders(train, y, test, encoder.tokenizer), encoder)
    learn.freeze_to(1)
    quiet(learn, 3, slice(1e-5, 1e-3))
    return labels(learn)

@lru_cache(1)
def embedder():
    "Return an Embedder, always the same: what one way has read, the next finds ready. None without an encoder."
    encoder = find_encoder()
    return encoder and Embedder(encoder)

WAYS = dict(bayes=by_bayes, logistic=by_logistic, averaged=by_averaged, last=by_last, frozen=by_frozen,
            both=by_both, tuned=by_tuned)
NAMES = dict(bayes='naive Bayes, words and pairs', logistic='logistic regression, words and pairs',
             averaged='averaged embedding', last='frozen encoder, last layer, linear',
             frozen='frozen encoder, all layers, linear',
             both='the same and words, linear', tuned='fine-tuned encoder')
BASE = 'bayes'   # the others are compared with it

def compare(df, ways, seed, what):
    "Print accuracy and seconds of each way."
    if df.is_valid.any(): train, test = np.where(~df.is_valid)[0], np.where(df.is_valid)[0]
    else: train, test = split_texts(df.text, df.label, seed=seed)
    x, y, xt, yt = df.text[train].tolist(), df.label[train].tolist(), df.text[test].tolist(), df.label[test].values
    deep = {'last', 'frozen', 'both', 'tuned'}
    if deep & {*ways} and not embedder(): ways = [w for w in ways if w not in deep]
    print(f'{what}; {torch.get_num_threads()} threads\n{"":40}{"accuracy":>9}{"seconds":>9}', flush=True)
    found = {}
    for w in ways:
        set_seed(seed, reproducible=True)
        start = time.perf_counter()
        preds = WAYS[w](x, y, xt)
        found[w] = acc, secs = (preds == yt).mean(), time.perf_counter()-start
        print(f'{NAMES[w]:40}{acc:9.3f}{secs:9.1f}', flush=True)
    for w in found:
        if w != BASE and BASE in found:
            (acc, secs), (acc0, secs0) = found[w], found[BASE]
            print(f'=> seconds (accuracy): {NAMES[w]}; naive Bayes | {what} | {secs:.1f} ({acc:.3f}) | '
                  f'{secs0:.1f} ({acc0:.3f}) | {secs0/secs:.2g}')

def speed(texts, what):
    "Print seconds to train and to encode, ours and those of `tokenizers`."
    try: from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    except ImportError: return print("The speed of tokenizers needs them: pip install 'fastlessons[nlp]'")
    times = {}
    def clock(name, f):
        start = time.perf_counter()
        found = f()
        times[name] = time.perf_counter()-start
        return found
    rust = Tokenizer(models.BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, show_progress=False, initial_alphabet=alphabet)
    bpe = clock('train', lambda: BPE.train(texts, 2000))
    clock('train, theirs', lambda: rust.train_from_iterator(texts, trainer))
    ids = clock('encode', lambda: [bpe.encode(t) for t in texts])
    theirs = clock('encode, theirs', lambda: [e.ids for e in rust.encode_batch(texts)])
    print(f'{sum(map(len, ids)):,} tokens by our BPE, {sum(map(len, theirs)):,} by tokenizers')
    for k in ('train', 'encode'):
        a, b = times[k], times[f'{k}, theirs']
        print(f'=> seconds to {k} 2,000 tokens: BPE, tokenizers | {what} | {a:.2f} | {b:.2f} | {b/a:.2f}')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', default='sample', help="'sample', 'full' or a folder with the real sets")
    p.add_argument('--set', nargs='+', choices=('sentences', 'imdb'), default=['sentences'])
    p.add_argument('--ways', nargs='+', choices=WAYS)
    p.add_argument('--seed', type=int, default=42, help='of the split and of training')
    p.add_argument('--speed', action='store_true', help='only the tokenizers')
    a = p.parse_args()
    for name in a.set:
        df = read_reviews(get_data(name, a.data))
        short, kind = ([*WAYS], 'sentences') if name == 'sentences' else ([*WAYS][:3], 'reviews of IMDb')
        what = f'{len(df):,} {kind}' + ' (sample)'*(a.data == 'sample')
        if not a.speed: compare(df, a.ways or short, a.seed, what)
        if not a.ways: speed(df.text.tolist(), what)

if __name__ == '__main__': main()
