"""Attention by hand beside PyTorch's, tokens a second, and BLEU against seconds, on one core.

    python benchmarks/seq2seq.py [--data FOLDER] [--only attention train fra multi30k transformer] [--epochs 4]

1. attention: forward and backward of `attention` of lesson 19 (32 sentences, 4 heads of 32 numbers) beside
   `F.scaled_dot_product_attention` with the same mask, and one `Heads` beside `nn.MultiheadAttention`. Milliseconds of
   processor, the best of five rounds; the difference of the results is checked first.
2. train: the translator of the lesson on the sample: exact after each pass, target tokens a second.
3. transformer: the same pairs, 96 numbers, two layers each; exact by length.
4. fra, multi30k (with --data): the real sets, lower case, cut by `cut`; BLEU by sacrebleu on what is joined by spaces, with its
   signature. fra: 500 English sentences held back, against all their translations. Multi30k: its own validation set,
   1,014 captions. Beside it the dictionary, word by word.
The settings of fra were chosen by five trials on 500 of its training sentences; the sentences held back had no part in it. Those of
Multi30k come from an earlier trial with fra.
Seconds are of the processor, for training only. Nothing else should run on the machine."""
import argparse, gzip, time, warnings

import numpy as np, torch
from torch import nn
from torch.nn import functional as F
from threadpoolctl import threadpool_limits

from fastlessons.data import get_data
from fastlessons.samples.grammar import make_pairs
from fastlessons.text.pairs import bleu, cut, join, read_pairs, split_pairs
from fastlessons.text.seq2seq import Heads, Translator, attention, count_dictionary

def took(f, rounds=5, times=10):
    "Milliseconds of processor for one call, the best of some rounds."
    best = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(times): f()
        best.append((time.process_time() - start)/times*1000)
    return min(best)

def by_hand():
    for n in (10, 40, 160):
        q, k, v = (torch.randn(32, 4, n, 32, requires_grad=True) for _ in range(3))
        may = (torch.arange(n) < n - 2)[None, None, None]
        def ours(): return attention(q, k, v, may)[0]
        def theirs(): return F.scaled_dot_product_attention(q, k, v, may)
        assert torch.allclose(ours(), theirs(), atol=1e-5)
        a, b = (took(lambda f=f: f().sum().backward()) for f in (ours, theirs))
        print(f'=> ms forward and backward: attention, F.scaled_dot_product_attention | 32 sentences of {n} | {a:.2f} | {b:.2f} | {b/a:.2f}')
        heads, other, x = Heads(128, 4), nn.MultiheadAttention(128, 4, batch_first=True), torch.randn(32, n, 128)
        a, b = took(lambda: heads(x, x, may)[0].sum().backward()), took(lambda: other(x, x, x)[0].sum().backward())
        print(f'=> ms forward and backward: Heads, nn.MultiheadAttention | 32 sentences of {n} | {a:.2f} | {b:.2f} | {b/a:.2f}')

class Clock:
    "After each pass: seconds of processor so far, without the time for looking."
    def __init__(self, judge): self.judge, self.seconds, self.start, self.rows = judge, 0., time.process_time(), []
    def after_epoch(self, run):
        self.seconds += time.process_time() - self.start
        self.rows.append((self.seconds, self.judge(run)))
        print(f'   {self.seconds:.0f} s: loss {run.log["train"][-1]:.3f}, {self.rows[-1][1]}', flush=True)
        run.model.train()
        self.start = time.process_time()

def trained(name, on, net, learn, how, judge, what):
    "Train and judge after each pass; print the row."
    clock = Clock(lambda run: judge(net))
    net.fit(*learn, cbs=[Watch(net), clock], **how)
    tokens = how['epochs']*sum(len(cut(t)) + 1 for t in learn[1])
    print(f'=> seconds to train ({what}): {name} | {on} | {clock.seconds:.0f} ({clock.rows[-1][1]}) |  | ')
    print(f'=> target tokens a second: {name} | {on} | {tokens/clock.seconds:,.0f} |  | ')

class Watch:
    "Give the Translator its network before the end, so that it can be judged between passes."
    def __init__(self, translator): self.translator = translator
    def before_epoch(self, run): self.translator.net = run.model

def grammar(name, kind, how):
    sources, targets = make_pairs(18_000)
    learn, test = (sources[1000:], targets[1000:]), (sources[:1000], targets[:1000])
    length = np.array([len(cut(s)) for s in test[0]])
    def judge(net):
        net.net.eval()
        right = np.array(net.translate(test[0])) == test[1]
        parts = [f'of {(length >= n).sum()} with {n} tokens or more {right[length >= n].mean():.1%}' for n in (14, 19)]
        return ', '.join([f'{right.mean():.1%}', *parts])
    trained(name, '17,000 pairs of the grammar', kind, learn, how, judge, 'exact')

def real(name, on, learn, sources, rights, settings, how):
    lower = [[join(cut(r)) for r in right] for right in rights]
    table = count_dictionary(*learn)
    first = bleu([join([table.get(w, w) for w in cut(s)]) for s in sources], lower)
    print(f'{on}: word by word BLEU {first.score:.1f}; {first.signature}')
    def judge(net):
        net.net.eval()
        said = net.translate(sources)
        return f'BLEU {bleu(said, lower).score:.1f}, chrF {bleu(said, lower, "CHRF").score:.1f}'
    net = Translator(**settings)
    trained(name, on, net, learn, how, judge, f'BLEU, word by word {first.score:.1f}')
    said = net.translate(sources[:150], beam=5)
    print(f'beam 5 on 150: BLEU {bleu(said, lower[:150]).score:.1f}, greedy {bleu(net.translate(sources[:150]), lower[:150]).score:.1f}')

def lines(path): return gzip.open(path, 'rt', encoding='utf-8').read().strip().split('\n')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help='a folder with the real sets; without it, the sample only')
    p.add_argument('--only', nargs='+', default=['attention', 'train', 'transformer', 'fra', 'multi30k'])
    p.add_argument('--epochs', type=int, default=4, help='passes over Multi30k')
    a = p.parse_args()
    warnings.filterwarnings('ignore', '.*never learned')
    warnings.filterwarnings('ignore', 'A text has')
    if 'attention' in a.only: by_hand()
    if 'train' in a.only: grammar('Translator', Translator(drop=0., n_hidden=96), dict(epochs=4, lr=1.5e-2))
    if 'transformer' in a.only: grammar('transformer', Translator('transformer', drop=0.), dict(epochs=4, lr=3e-3))
    data = None if a.data == 'sample' else a.data
    if data and 'fra' in a.only:
        learn, test = split_pairs(read_pairs(get_data('translation', data)/'fra.txt'), 500)
        rights = test.groupby('source', sort=False)['target'].agg(list)
        real('Translator', 'fra.txt', (learn.source.tolist(), learn.target.tolist()), list(rights.index), list(rights),
             dict(drop=.2, min_freq=3), dict(epochs=7, lr=1.2e-2))
    if data and 'multi30k' in a.only:
        path = get_data('multi30k', data)
        learn, test = ([lines(next(path.glob(f'*{part}.{side}.gz'))) for side in ('en', 'fr')] for part in ('train', 'val'))
        real('Translator', 'Multi30k', learn, test[0], [[t] for t in test[1]],
             dict(drop=.1, n_emb=96, n_hidden=192, min_freq=3), dict(epochs=a.epochs, lr=1.2e-2))

if __name__ == '__main__':
    with threadpool_limits(1): main()
