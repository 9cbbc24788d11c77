"""Lesson 15: the LSTM written by hand beside `nn.LSTM`, and who guesses the next character: counting, a network, their mixture.

    python benchmarks/rnn.py [--data FOLDER] [--only step scenes text series] [--hidden 256 512] [--epochs 2 3]

1. Seconds of a step (forward and back) of `LSTMByHand` and of `nn.LSTM` with the same weights, and characters a second.
2. The scenes of the sample, ten seeds: the loss over the floor, and how many of the scenes that it writes (at temperature .8) are right.
3. A text, its last tenth held out: nats a character by counting (orders 5, 8 and 9), by a network, by their mixture (half and half,
   and with a share that was chosen on the first half of the test set and is judged on the second); seconds of processor.
   A novel's networks train in bfloat16 where the processor is made for it: one for about a minute, one for about five.
   The small one trains again from PyTorch's own first weights for what it reads, which are ten times as small.
   FOLDER holds Anna Karenina, or the scenes of the sample are read: there the floor is known, and how many scenes are right.
4. Prices: the error of forecasts of the next day, times that of yesterday's price, on five parts of the series, one after the other,
   each after those that it has learned from; and how often the direction is right.
One thread. Times are of the processor, so that a busy machine disturbs less; still, nothing else should run."""
import argparse, math, time

from fastlessons.data import get_data, is_sample
from fastlessons.evaluate import share_interval
from fastlessons.layers import fast_bf16
from fastlessons.samples.plays import floor_of, judge_scenes
from fastlessons.series import Forecaster, judge_forecast, windows
from fastlessons.text.clean import read_text
from fastlessons.text.rnn import LanguageModel, LSTMByHand, NGram
from fastlessons.train import Device

import numpy as np, pandas as pd, torch
from torch import nn

PARTS = 'step', 'scenes', 'text', 'series'
SCENES = dict(epochs=8, lr=5e-3, bs=4)   # of lesson 15
NOVEL = dict(bs=32, seq_len=64, wd=.01)

def clock(f):
    "Return seconds of processor, and what f gave."
    start = time.process_time()
    found = f()
    return time.process_time() - start, found

def step(rounds=7):
    "Time the LSTM by hand beside PyTorch's."
    for hidden in (64, 128, 256):
        torch.manual_seed(0)
        theirs, ours = nn.LSTM(32, hidden, batch_first=True), LSTMByHand(32, hidden)
        with torch.no_grad():
            ours.gates.weight[:] = torch.cat([theirs.weight_ih_l0, theirs.weight_hh_l0], 1)
            ours.gates.bias[:] = theirs.bias_ih_l0 + theirs.bias_hh_l0
        x = torch.randn(8, 96, 32)
        gap = (ours(x) - theirs(x)[0]).abs().max().item()
        times = [[clock(lambda: f(x).sum().backward())[0] for f in (ours, lambda x: theirs(x)[0])] for _ in range(rounds)]
        a, b = np.median(times, 0)*1000
        print(f'{hidden} numbers: by hand {a:.1f} ms, nn.LSTM {b:.1f} ms ({8*96/b:.0f} thousand characters a second), largest difference {gap:.0e}')
        print(f'=> ms, forward and back: LSTM by hand, nn.LSTM | 8 streams, windows of 96, {hidden} numbers | {a:.1f} | {b:.1f} | {b/a:.2f}')

def scenes(hidden=128):
    "Train lesson 15's network with ten seeds."
    words = read_text(get_data('anna', 'sample')/'scenes.txt')
    cut = words.rindex('\n\n', 0, len(words)*9//10) + 2
    train, test = words[:cut], words[cut:]
    floor, first, found = floor_of(test), test[:test.index('\n\n') + 2], []
    for seed in range(10):
        seconds, model = clock(lambda: LanguageModel(hidden, seed=seed).fit(train, also=words, **SCENES))
        faults = judge_scenes(model.generate(first, 12000, temperature=.8)[len(first):])
        found.append((model.score(test)/floor, faults.count('')/len(faults)))
        print(f'scenes, seed {seed}: {found[-1][0]:.3f} of the floor, {found[-1][1]:.0%} of {len(faults)} scenes are right, {seconds:.0f} s', flush=True)
    worst, enough = max(ratio for ratio, _ in found), sum(right >= .5 for _, right in found)
    print(f'scenes: half or more are right with {enough} of 10 seeds')
    print(f'=> loss: worst of ten networks, the floor | the scenes of lesson 15 | {worst:.3f} | 1 | {1/worst:.2f}')

def mixed(a, b, share): return -np.log((1 - share)*np.exp(-a) + share*np.exp(-b))

def chosen(a, b):
    "Choose the share on the first half, judge it on the second."
    half = len(a)//2
    share = min(np.linspace(.05, .95, 19), key=lambda v: mixed(a[:half], b[:half], v).mean())
    return share, mixed(a[half:], b[half:], share).mean()

class Quiet(LanguageModel):
    "Start with PyTorch's own weights for what is read."
    def _make(self):
        net = super()._make()
        nn.init.uniform_(net.lstm.weight_ih_l0, -net.lstm.hidden_size**-.5, net.lstm.hidden_size**-.5)
        return net

def text(path, sizes):
    files = [path/name for name in ('anna.txt', 'scenes.txt') if (path/name).exists()]
    words, known = read_text(files[0]), is_sample(path)
    cut = words.rindex('\n\n', 0, len(words)*9//10) + 2
    train, test = words[:cut], words[cut:]
    on = f'{files[0].stem}, {len(train):,} characters, {len(test):,} held out'
    floor = floor_of(test) if known else None
    print(f'{on}; the floor is {floor:.4f}' if known else on)
    first = test[:test.index('\n\n') + 2]
    def right(model): return f', {np.mean([not f for f in judge_scenes(model.generate(first, 12000))[1:]]):.0%} of its scenes are right' if known else ''
    for order in (5, 8, 9):
        seconds, count = clock(lambda: NGram(order).fit(train, also=words))
        nats = count.nats(test)
        print(f'counting, order {order}: {nats.mean():.4f} nats, {nats.mean()/math.log(2):.3f} bits, {seconds:.1f} s{right(count)}', flush=True)
    cbs = [Device('cpu', bf16=True)] if not known and fast_bf16() else []
    def learn(hidden, n, kind=LanguageModel):
        how = SCENES if known else dict(lr=1e-2*(256/hidden)**.5, **NOVEL)   # a larger network takes smaller steps
        model = kind(hidden, 32 if known else 64)
        seconds, _ = clock(lambda: model.fit(train, also=words, cbs=cbs, **{**how, 'epochs': n}))
        return seconds, model, model.nats(test)
    losses = []
    for hidden, n in sizes:
        seconds, model, net = learn(hidden, n)
        share, best = chosen(nats, net)
        both = mixed(nats, net, .5).mean()
        print(f'network of {hidden}{", bfloat16"*len(cbs)}, {n} passes: {net.mean():.4f} nats, {net.mean()/math.log(2):.3f} bits, {seconds:.0f} s, '
              f'{n*len(train)/seconds:,.0f} characters a second{right(model)}'
              + (f', {net.mean()/floor:.3f} of the floor' if known else ''))
        print(f'  half and half with counting, order 9: {both:.4f} nats; with {share:.0%} of the network: {best:.4f}', flush=True)
        print(f'=> nats: network of {hidden} in {seconds:.0f} s, counting of order 9 | {on} | {net.mean():.3f} | {nats.mean():.3f} | {nats.mean()/net.mean():.2f}')
        print(f'=> nats: their mixture, counting | {on} | {both:.3f} | {nats.mean():.3f} | {nats.mean()/both:.2f}', flush=True)
        losses.append(net.mean())
    hidden, n = sizes[0]
    quiet = learn(hidden, n, Quiet)[2].mean()
    print(f'=> nats: our first weights for what is read, PyTorch\'s | network of {hidden}, {n} passes, {on} | {losses[0]:.3f} | {quiet:.3f} | {quiet/losses[0]:.2f}')

def series(path):
    table = pd.read_csv(next(path.glob('*.csv')))
    price, what = table['Close'].to_numpy(), 'a random walk' if is_sample(path) else 'S&P 500'
    change, n = np.r_[0., np.diff(np.log(price))], len(price)//6
    found = []
    for k in range(1, 6):   # learn from the first k parts, judge on the next
        x, y, mean, std = windows(change[:(k+1)*n], 30, until=k*n)
        days = k*n - 30
        moves = Forecaster(epochs=6).fit(x[:days], y[:days]).predict(x[days:])[:, -1]*std + mean
        truth, before = price[k*n:(k+1)*n], price[k*n-1:(k+1)*n-1]
        ours, lazy = judge_forecast(before*np.exp(moves), truth, before), judge_forecast(before, truth, before)
        found.append((ours['RMSE']/lazy['RMSE'], ours['direction right'], ours['R², changes']))
        print(f'{what}, part {k+1} of 6: error {found[-1][0]:.3f} of yesterday\'s, direction {found[-1][1]:.3f}, R² of the changes {found[-1][2]:.3f}', flush=True)
    ratio, up, _ = np.mean(found, 0)
    low, high = share_interval(round(up*5*n), 5*n)
    print(f'{what}: {ratio:.3f} of yesterday\'s error; direction right {up:.3f} (95%: {low:.3f} to {high:.3f})')
    print(f'=> error: network on changes, yesterday\'s price | {what}, five parts | {ratio:.3f} | 1 | {1/ratio:.2f}')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', default='sample', help="'sample', 'full' or a folder with the real sets")
    p.add_argument('--only', nargs='+', choices=PARTS, default=PARTS)
    p.add_argument('--hidden', type=int, nargs='+', help='numbers in the memory of each network; 128 for the scenes, 256 and 512 for a novel')
    p.add_argument('--epochs', type=int, nargs='+', help='passes of each network; 8 for the scenes, 2 and 3 for a novel')
    a = p.parse_args()
    torch.set_num_threads(1)
    if 'step' in a.only: step()
    if 'scenes' in a.only: scenes()
    if 'text' in a.only:
        path = get_data('anna', a.data)
        known = is_sample(path)
        text(path, [*zip(a.hidden or ([128] if known else [256, 512]), a.epochs or ([8] if known else [2, 3]), strict=True)])
    if 'series' in a.only: series(get_data('prices', a.data))

if __name__ == '__main__': main()
