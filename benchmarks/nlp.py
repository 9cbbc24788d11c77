"""Is this review positive or negative? Seven ways, one run; and how fast our tokenizer is.

    python benchmarks/nlp.py --data FOLDER [--ways bayes logistic averaged lstm last frozen tuned] [--seed 42]
    python benchmarks/nlp.py --speed FOLDER

1. FOLDER is Rotten Tomatoes (rt-polarity.pos, .neg; a tenth is held out by `split_texts`) or IMDb (its own test set).
   Accuracy is on the held-out texts. The clock counts everything from lists of texts to a model that is ready: tokens,
   vocabulary, training; for `frozen` and `tuned` not the loading of the encoder. No choice below was made by looking at
   the held-out texts: settings come from the papers or from a split of the training texts (see `--seed`).
   - bayes, logistic: which words and pairs of neighbours are there (twice or more in the training texts), by
     scikit-learn: multinomial naive Bayes, and logistic regression on tf-idf.
   - averaged: an embedding a word, averaged, then a linear layer; fastai, five epochs.
   - lstm: fastai's AWD-LSTM from scratch, by the recipe of ULMFiT: a language model of the training texts, then a
     classifier with its body. Pieces of words by our BPE.
   - last, frozen: all-MiniLM-L6-v2 as it is, then logistic regression: on its sentence vectors, and on the means of all
     its layers.
   - tuned: all-MiniLM-L6-v2 fine-tuned by `text_learner`: all but the embeddings, three epochs.
2. --speed: train and encode with 2,000 tokens on the texts of FOLDER, ours (Python) beside the library `tokenizers`
   (Rust), both by byte-level BPE, one thread; ratios are theirs to ours.
Nothing else should run on the machine."""
import argparse, os, time
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

import numpy as np, torch
from fastai.text.all import *
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from fastlessons.nlp import *

def quiet(learn, *args, **kw):
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(*args, **kw)

def by_bayes(train, y, test):
    counts = CountVectorizer(tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2, binary=True)
    return make_pipeline(counts, MultinomialNB()).fit(train, y).predict(test)

def by_logistic(train, y, test):
    tfidf = TfidfVectorizer(tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return make_pipeline(tfidf, LogisticRegression(C=4, max_iter=300)).fit(train, y).predict(test)

class Averaged(nn.Module):
    "An embedding a token, the mean of those that are real, a linear layer."
    def __init__(self, n_vocab, n=50, n_out=2):
        super().__init__()
        self.emb, self.out = nn.Embedding(n_vocab, n), nn.Sequential(nn.Dropout(.5), nn.Linear(n, n_out))
    def forward(self, ids, mask):
        m = mask[...,None].float()
        return self.out((self.emb(ids)*m).sum(1)/m.sum(1))

def loaders(train, y, test, tok, **kw):
    "Serve all texts; those to predict come with labels that nobody looks at."
    n = len(train)
    return dataloaders_from_texts([*train, *test], [*y, *[i % 2 for i in range(len(test))]], tok, range(n, n+len(test)), **kw)

def by_averaged(train, y, test):
    vocab = Vocab(train)
    dls = loaders(train, y, test, vocab, bs=64, max_len=400)
    learn = Learner(dls, Averaged(len(vocab)), loss_func=CrossEntropyLossFlat(), opt_func=Adam)
    quiet(learn, 5, 1e-2)
    return learn.get_preds()[0].argmax(1).numpy()

def by_lstm(train, y, test):
    tok = BPE.train(train, 4000)
    lm = lm_learner(lm_dataloaders(train, tok), 200, 400)
    quiet(lm, 3, 5e-3)
    learn = lstm_classifier(loaders(train, y, test, tok, bs=64, max_len=400), lm)
    learn.freeze()
    quiet(learn, 1, 1e-2)
    learn.unfreeze()
    quiet(learn, 3, slice(1e-3, 5e-3))
    return learn.get_preds()[0].argmax(1).numpy()

def by_last(train, y, test, layers=False):
    x, xt = (embed(t, encoder(), layers=layers) for t in (train, test))
    return LogisticRegression(C=3, max_iter=300).fit(x, y).predict(xt)

def by_frozen(train, y, test): return by_last(train, y, test, layers=True)

def by_tuned(train, y, test):
    learn = text_learner(loaders(train, y, test, encoder().tokenizer), encoder())
    learn.freeze_to(1)
    quiet(learn, 3, slice(1e-5, 1e-3))
    return learn.get_preds()[0].argmax(1).numpy()

_encoder = []
def encoder():
    if not _encoder: _encoder.append(load_encoder())
    return _encoder[0]

WAYS = dict(bayes=by_bayes, logistic=by_logistic, averaged=by_averaged, lstm=by_lstm, last=by_last, frozen=by_frozen, tuned=by_tuned)
NAMES = dict(bayes='naive Bayes, words and pairs', logistic='logistic regression, words and pairs',
             averaged='averaged embedding', lstm='AWD-LSTM from scratch', last='frozen encoder, last layer, linear model', frozen='frozen encoder, all layers, linear model',
             tuned='fine-tuned encoder')

def compare(folder, ways, seed, inner):
    "Print accuracy and seconds of each way."
    df = read_reviews(folder)
    if df.is_valid.any(): train, test = np.where(~df.is_valid)[0], np.where(df.is_valid)[0]
    else: train, test = split_texts(df.text, df.label, seed=seed)
    if inner:
        df = df.iloc[train].reset_index(drop=True)
        train, test = split_texts(df.text, df.label, seed=0)
    x, y, xt, yt = df.text[train].tolist(), df.label[train].tolist(), df.text[test].tolist(), df.label[test].values
    if {'last', 'frozen', 'tuned'} & {*ways}: embed(['warm up'], encoder())
    print(f'{torch.get_num_threads()} threads\n{"":42}{"accuracy":>9}{"seconds":>9}', flush=True)
    for w in ways:
        set_seed(seed, reproducible=True)
        start = time.perf_counter()
        preds = WAYS[w](x, y, xt)
        print(f'{NAMES[w]:42}{(preds == yt).mean():9.3f}{time.perf_counter()-start:9.1f}', flush=True)

def speed(folder):
    "Print seconds to train and to encode, ours and those of `tokenizers`."
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    texts, times = read_reviews(folder).text.tolist(), {}
    def clock(name, f):
        start = time.perf_counter()
        found = f()
        times[name] = time.perf_counter()-start
        return found
    rust = Tokenizer(models.BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=2000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    bpe = clock('train', lambda: BPE.train(texts, 2000))
    clock('train, tokenizers', lambda: rust.train_from_iterator(texts, trainer))
    ids = clock('encode', lambda: [bpe.encode(t) for t in texts])
    theirs = clock('encode, tokenizers', lambda: [e.ids for e in rust.encode_batch(texts)])
    n = sum(map(len, ids))
    print(f'{sum(map(len, texts))/1e6:.1f} million characters, {n:,} tokens (tokenizers: {sum(map(len, theirs)):,})')
    print(f'{"":10}{"ours":>9}{"tokenizers":>12}{"ratio":>8}')
    for k in ('train', 'encode'):
        a, b = times[k], times[k+', tokenizers']
        print(f'{k:10}{a:7.2f} s{b:10.2f} s{b/a:8.2f}')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help='folder with reviews')
    p.add_argument('--ways', nargs='+', choices=WAYS, default=[*WAYS])
    p.add_argument('--seed', type=int, default=42, help='of the split and of training')
    p.add_argument('--inner', action='store_true', help='split the training texts once more, to choose settings on')
    p.add_argument('--speed', metavar='FOLDER', help='folder with reviews, to time tokenizers on')
    a = p.parse_args()
    if a.data: compare(a.data, a.ways, a.seed, a.inner)
    if a.speed: speed(a.speed)
    if not a.data and not a.speed: p.error('give --data FOLDER, or --speed FOLDER, or both')

if __name__ == '__main__': main()
