"""Small colour pictures: accuracy against seconds, side by side in one run.

    python benchmarks/cifar.py [--data FOLDER] [--more ZIP] [--seeds 3] [--only chart bars rivals large]

1. chart: lesson 14's changes, one at a time, with several random starts each: mean, spread, and each gain with the spread
   of its gains from start to start.
2. bars: the finished recipe, larger, at 60 and at 180 seconds of one core on all the pictures to learn from.
3. rivals: fastai's xresnet18 and the convnet that most tutorials have, the same pictures, stopped after as many seconds.
4. large: with --more, 20,000 more pictures (a zip of train/CLASS/*.jpg) are joined; 15 minutes of two cores.
Each prints a curve of share right on the test pictures against seconds of training. The recipe's optimizer, rate and weight
decay were chosen on 800 of the 4,000 pictures to learn from, after learning from the other 3,200: of 8 settings, one or two
starts each, so two points are within chance. The clock counts processor time, so one core is meant where nothing is said.
Nothing else should run on the machine."""
import argparse, io, os, time, zipfile
from functools import partial

import numpy as np, torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy

from fastlessons.data import get_data, read_cifar
from fastlessons.layers import ResidualBlock, conv_block, fast_bf16
from fastlessons.simple.colour import BothWays, Normalise, cropped, mirrored, quick_net, whitening
from fastlessons.train import Augment, Batches, Device, OneCycle, fit
from fastlessons.vision.cnn import as_batch

def read(source, more=None):
    "Return pictures and labels to learn from and to test on, the number of classes, and a word for the data."
    path = get_data('tiny', source)
    x, y, xv, yv, classes = read_cifar(path)
    if more:
        with zipfile.ZipFile(more) as z:
            names = [n for n in z.namelist() if n.startswith('train/') and n.endswith('.jpg')]
            kinds = sorted({n.split('/')[1] for n in names})
            assert kinds == sorted(classes) == list(classes), (kinds, classes)
            new = np.stack([np.asarray(Image.open(io.BytesIO(z.read(n))).convert('RGB')) for n in names])
        x, y = np.concatenate([x, new]), np.concatenate([y, [kinds.index(n.split('/')[1]) for n in names]])
    what = 'CIFAR-10' if len(classes) == 10 and 'airplane' in classes else 'drawn pictures'
    return as_batch(x), torch.tensor(y).long(), as_batch(xv), torch.tensor(yv).long(), len(classes), f'{len(x):,} {what}'

@torch.no_grad()
def right(model, x, y):
    model.eval()
    return (torch.cat([model(xb).argmax(1) for xb in x.split(250)]) == y).numpy()

class Clock:
    "A callback: count seconds of training, look at the test pictures a few times, stop when the time is over."
    def __init__(self, test, epochs, looks=8, most=None):
        self.test, self.most, self.points, self.spent = test, most, [], 0.
        self.when = {round(k*epochs/looks) for k in range(1, looks+1)}
    def before_epoch(self, run): self.start = time.process_time()
    def after_epoch(self, run):
        self.spent += time.process_time() - self.start
        if run.epoch in self.when or run.epoch == run.epochs or self.over(): self.points.append((self.spent, right(run.model, *self.test).mean()))
        if self.over(): run.stop = True
    def over(self): return self.most is not None and self.spent >= self.most

def changes(x, n_out):
    "Return lesson 14's steps: name -> what makes the network, and how it is trained."
    normal = Normalise(x)
    white = whitening(normal(x))
    def first(norm): return [nn.Conv2d(3, 32, 4, 2, 1), *[nn.BatchNorm2d(32)]*norm, nn.ReLU()]
    def net(skip): return quick_net([normal, white, nn.ReLU()], n_out, skip=skip)
    cycle = dict(lr=.006, cbs=[OneCycle])
    both = dict(lr=.006, cbs=[OneCycle, lambda: Augment(lambda xb: mirrored(cropped(xb)))])
    return {'plain': (lambda: quick_net(first(0), n_out, norm=False, skip=False), {}),
            'normalised': (lambda: quick_net([normal, *first(0)], n_out, norm=False, skip=False), {}),
            'batch norm': (lambda: quick_net([normal, *first(1)], n_out, skip=False), {}),
            'whitened': (lambda: net(False), {}),
            'one-cycle': (lambda: net(False), cycle),
            'flips, crops': (lambda: net(False), both),
            'residual': (lambda: net(True), both),
            'smoothing': (lambda: net(True), both | dict(smooth=.1))}

adamw = partial(torch.optim.AdamW, weight_decay=.02, fused=True)   # of lesson 14
sgd = partial(torch.optim.SGD, momentum=.9, nesterov=True, weight_decay=.005)   # of the larger recipe

def learn(make, train, seed, epochs=8, lr=.003, cbs=(), smooth=0., bs=64, opt=adamw):
    torch.manual_seed(seed)
    model = make().to(memory_format=torch.channels_last)
    start = time.process_time()
    fit(model, (Batches(*train, bs, shuffle=True), None), epochs, lr, partial(cross_entropy, label_smoothing=smooth),
        opt, cbs=[cb() for cb in cbs], show=False)
    return model, time.process_time() - start

def chart(source, seeds):
    "Measure each change of the lesson, on its validation pictures."
    x, y, *_, n_out, what = read(source)
    n = len(x) - 1000
    train, valid = (x[:n], y[:n]), (x[n:], y[n:])
    before = None
    for name, (make, how) in changes(train[0], n_out).items():
        models, spent = zip(*[learn(make, train, seed, **how) for seed in range(seeds)])
        ways = {name: models} | ({'flips at test': [BothWays(m) for m in models]} if name == 'smoothing' else {})
        for name, models in ways.items():
            now = np.array([right(m, *valid).mean() for m in models])
            gain = '' if before is None else f'gain {(now - before).mean():+.1%}, from start to start {(now - before).min():+.1%} to {(now - before).max():+.1%}'
            print(f'{what}: {name:14} {np.median(spent):6.1f} s  {now.mean():.1%} ({now.min():.1%} to {now.max():.1%})  {gain}', flush=True)
            before = now

def large_net(x, n_out, nf):
    "The lesson's network, wider: 24 patterns, then nf, 2 nf and 4 nf channels, the last two with residual blocks."
    normal = Normalise(x)
    body = [normal, whitening(normal(x[:1000]), n=24), nn.ReLU(), conv_block(48, nf), conv_block(nf, 2*nf), nn.MaxPool2d(2), ResidualBlock(2*nf, 2*nf),
            conv_block(2*nf, 4*nf), nn.MaxPool2d(2), ResidualBlock(4*nf, 4*nf)]
    return nn.Sequential(nn.Sequential(*body), nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4*nf, n_out)))

TRICKS = [OneCycle, lambda: Augment(lambda xb: mirrored(cropped(xb, 4)))]   # of the recipe, and of its rivals
if fast_bf16(): TRICKS.append(partial(Device, 'cpu', bf16=True))

def epochs_in(seconds, net, train, bs):
    "Estimate how many epochs fit into so many seconds, from twenty steps, after twenty to warm up."
    k = min(20*bs, len(train[0]))
    for _ in range(2): _, spent = learn(net, (train[0][:k], train[1][:k]), 0, 1, cbs=TRICKS, bs=bs)
    return max(2, int(seconds/spent*k/len(train[0])))

def recipe(seconds, data, nf, what, threads=1, bs=64, lr=.08):
    "Train the recipe for about so many seconds; print its curve."
    x, y, xv, yv, n_out = data
    net = partial(large_net, x, n_out, nf)
    epochs = epochs_in(seconds*threads, net, (x, y), bs)
    clock = Clock((xv, yv), epochs)
    model, spent = learn(net, (x, y), 0, epochs, lr, [*TRICKS, lambda: clock], .1, bs, sgd)
    best = right(BothWays(model), xv, yv).mean()
    print(f'{what}, ours, {nf} channels, {epochs} epochs: ' + '  '.join(f'{s:.0f} s {a:.1%}' for s, a in clock.points) + f'; with flips {best:.1%}', flush=True)
    return clock.points, best

def tutorial_net(n_out):
    "The convnet of PyTorch's own tutorial on CIFAR-10."
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, n_out))

def rivals(data, seconds, what):
    "Train others for as many seconds, with the same flips, crops, schedule and kind of numbers, each with a rate that is usual for it."
    from fastai.vision.models.xresnet import xresnet18
    x, y, xv, yv, n_out = data
    found = {}
    nets = {'fastai xresnet18': (lambda: nn.Sequential(Normalise(x), xresnet18(n_out=n_out)), .003),
            'tutorial convnet': (lambda: nn.Sequential(Normalise(x), tutorial_net(n_out)), .002)}
    for name, (make, lr) in nets.items():
        epochs = epochs_in(seconds, make, (x, y), 64)
        clock = Clock((xv, yv), epochs, most=1.2*seconds)
        learn(make, (x, y), 0, epochs, lr, [*TRICKS, lambda clock=clock: clock])
        print(f'{what}, {name}, {epochs} epochs: ' + '  '.join(f'{s:.0f} s {a:.1%}' for s, a in clock.points), flush=True)
        found[name] = clock.points[-1]
    return found

def main():
    parts = 'chart', 'bars', 'rivals', 'large'
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seeds', type=int, default=3, help='random starts of each change')
    p.add_argument('--data', help="'sample', 'full' or a folder with the real sets")
    p.add_argument('--more', help='a zip with more pictures to learn from; default: cifar10-more/cifar10_more.zip beside the data, if it is there')
    p.add_argument('--seconds', type=int, nargs='+', default=(60, 180), help='of one core, for the bars and the rivals')
    p.add_argument('--only', nargs='+', choices=parts, default=parts)
    a = p.parse_args()
    torch.set_num_threads(1)
    more = a.more or os.path.join(a.data or '', 'cifar10-more', 'cifar10_more.zip')
    if 'chart' in a.only: chart(a.data, a.seeds)
    if 'bars' in a.only or 'rivals' in a.only:
        *data, what = read(a.data)
        ours = {}
        for s in a.seconds if 'bars' in a.only else ():
            points, ours[s] = recipe(s, data, 32 if s <= 60 else 48, f'{what}, {s} s')
            print(f'=> share right after {points[-1][0]:.0f} s of one core, with test flips: recipe of lesson 14 | {what} | {ours[s]:.1%} | – | ')
        if 'rivals' in a.only:
            s = max(a.seconds)
            for name, (t, share) in rivals(data, s, f'{what}, {s} s').items():
                print(f'=> share right after about {s} s of one core: lesson 14, {name} | {what} | {f"{ours[s]:.1%}" if s in ours else "–"} | {share:.1%} | ')
    if 'large' in a.only and os.path.exists(more):
        torch.set_num_threads(2)
        *data, what = read(a.data, more)
        points, best = recipe(900, data, 64, f'{what}, 15 minutes of two cores', threads=2, bs=128, lr=.12)
        for share in (.67, .76, .80):   # a learner's and the solution of a well-known course; our bar
            reach = next((f'{s/2:.0f}' for s, acc in points if acc >= share), 'not reached')
            print(f'{what}: {share:.0%} after {reach} seconds of two cores')
        print(f'=> share right after 15 minutes of two cores, with test flips: recipe of lesson 14 | {what} | {best:.1%} | – | ')

if __name__ == '__main__': main()
