"""Convolutions and digits, side by side in one run.

    python benchmarks/cnn.py [--data FOLDER] [--seeds 3] [--only parts digits colour]

1. One convolution in loops, as a matrix product of windows (lesson 08's `conv_unfold`), and PyTorch's own.
2. Four trainings on the digits: the lesson's ResNet, fastai's SimpleCNN and xresnet18, and the convnet that most
   tutorials have. All get the same tensors from the same loader; each has the settings that are usual for it. The clock
   counts training alone, not the validation after each epoch.
3. The lesson's ResNet on small colour pictures.
Nothing else should run on the machine."""
import argparse, time
from statistics import median
from timeit import timeit

from fastlessons.data import get_data, read_cifar, read_idx
from fastlessons.simple.cnn import conv_loops, conv_unfold
from fastlessons.vision.cnn import FastConv, SmallResNet, as_batch, pic_dls
import torch
from torch import nn
from torch.nn import functional as F

from fastai.vision.all import (Callback, CrossEntropyLossFlat, Learner, OptimWrapper, ParamScheduler, SimpleCNN, accuracy, partial,
                               set_seed, xresnet18)

def parts():
    "Time the three ways of one convolution."
    print(f'{"pictures":>22}{"kernels":>16}{"loops ms":>10}{"unfold ms":>10}{"torch ms":>10}   loops/unfold  unfold/torch')
    for n, ci, side, co in ((8, 1, 28, 8), (8, 3, 32, 16), (16, 16, 14, 32)):
        x, w = torch.randn(n, ci, side, side), torch.randn(co, ci, 3, 3)
        assert torch.allclose(conv_unfold(x, w), F.conv2d(x, w), atol=1e-3)
        fast = [min(timeit(lambda: f(x, w), number=20)*50 for _ in range(5)) for f in (conv_unfold, F.conv2d)]
        loops = timeit(lambda: conv_loops(x.numpy(), w.numpy()), number=1)*1000
        print(f'{str(tuple(x.shape)):>22}{str(tuple(w.shape)):>16}{loops:10.0f}{fast[0]:10.2f}{fast[1]:10.2f}'
              f'{loops/fast[0]:14.0f}x{fast[0]/fast[1]:13.1f}x')
        print(f'=> ms a convolution: windows, loops | pictures {tuple(x.shape)}, kernels {tuple(w.shape)} | {fast[0]:.2f} | {loops:.0f} | {loops/fast[0]:.0f}')

class Curve(Callback):
    "Note seconds of training and accuracy after each epoch."
    order = 90   # after fastai's Recorder
    def before_train(self):
        if self.epoch == 0: self.spent, self.points = 0., []
        self.start = time.perf_counter()
    def after_train(self): self.spent += time.perf_counter()-self.start
    def after_epoch(self): self.points.append((self.spent, self.recorder.values[-1][-1]))

def tutorial_net():
    "The convnet of PyTorch's own MNIST example, and of most tutorials."
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(.25),
                         nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Dropout(.5), nn.Linear(128, 10))

class Way:
    "One way to train: a network and its usual settings."
    def __init__(self, net, epochs, lr, bs=64, cbs=(), opt=None, steps=None, smooth=0., **aug):
        self.net, self.epochs, self.lr, self.bs, self.cbs, self.opt, self.steps, self.aug = net, epochs, lr, bs, cbs, opt, steps, aug
        self.loss = CrossEntropyLossFlat(label_smoothing=smooth)

    def run(self, data, seed):  # Returns points (seconds, accuracy), one an epoch
        set_seed(seed)
        x, y, xv, yv = data
        model, kw = self.net(), dict(opt_func=partial(OptimWrapper, opt=self.opt)) if self.opt else {}
        model(x[:2])
        dls = pic_dls(x, y, xv, yv, bs=self.bs, **self.aug)
        learn = Learner(dls, model, loss_func=self.loss, metrics=accuracy, cbs=[Curve(), *(c() for c in self.cbs)], **kw)
        with learn.no_bar(), learn.no_logging():
            if not self.steps: learn.fit_one_cycle(self.epochs, self.lr)
            else: learn.fit(self.epochs, self.lr, cbs=ParamScheduler({'lr': lambda pos: self.lr*self.steps**int(pos*self.epochs)}))
        return learn.curve.points

def digits(source, seeds, goal):
    "Compare four trainings on the digits."
    path = get_data('mnist', source)
    (x, xv), (y, yv) = ([read_idx(path/f'{s}-{kind}-ubyte.gz') for s in ('train', 't10k')] for kind in ('images-idx3', 'labels-idx1'))
    data, size = (as_batch(x), torch.tensor(y).long(), as_batch(xv), torch.tensor(yv).long()), x.shape[-1]
    many = len(x) > 10_000
    k = 1 if many else 3   # few pictures: more rounds
    ways = {'ours: ResNet': Way(lambda: SmallResNet(1, 10, size), 7 if many else 10, 1e-2, 256 if many else 64, [FastConv],
                                   smooth=.1, shift=int(many)),
            'fastai SimpleCNN': Way(lambda: SimpleCNN((1, 16, 32, 64, 10)), 6*k, 1e-2),
            'fastai xresnet18': Way(lambda: xresnet18(n_out=10, c_in=1), 2*k, 1e-2),
            'tutorial convnet': Way(tutorial_net, 8*k, 1., opt=torch.optim.Adadelta, steps=.7)}
    table = []
    for name, way in ways.items():
        runs = [way.run(data, seed) for seed in range(seeds if name.startswith('ours') else 1)]
        for seed, points in enumerate(runs):
            print(f'{name}, seed {seed}: ' + '  '.join(f'{s:.1f} s {a:.2%}' for s, a in points), flush=True)
        reach = [next((s for s, a in p if a >= goal), None) for p in runs]
        reach = median(reach) if None not in reach else None
        net = way.net()
        net(data[0][:2])   # a lazy layer has its size from now on
        table.append((name, sum(p.numel() for p in net.parameters()), reach, median(p[-1][1] for p in runs), median(p[-1][0] for p in runs)))
    print(f'\n{"training":20}{"parameters":>11}{f"seconds to {goal:.0%}":>17}{"accuracy at the end":>21}{"after seconds":>15}')
    def text(secs): return 'not reached' if secs is None else f'{secs:.1f}'
    for name, n, reach, acc, secs in table: print(f'{name:20}{n:>11,}{text(reach):>17}{acc:>21.2%}{secs:>15.0f}')
    (_, _, ours, best, _), *others = table
    for name, _, reach, acc, _ in others:
        ratio = f'{reach/ours:.1f}' if ours and reach else ''
        print(f'=> seconds to {goal:.0%} (accuracy at the end): ResNet of lesson 08, {name} | {len(x):,} digits | {text(ours)} ({best:.2%}) | '
              f'{text(reach)} ({acc:.2%}) | {ratio}')

def colour(source, seeds):
    "Train the lesson's ResNet on small colour pictures."
    x, y, xv, yv, classes = read_cifar(get_data('cifar10', source))
    data = as_batch(x), torch.tensor(y).long(), as_batch(xv), torch.tensor(yv).long()
    way = Way(lambda: SmallResNet(3, len(classes), 32), 15, 1e-2, 32, cbs=[FastConv], shift=3, flip=True)
    for seed in range(seeds):
        points = way.run(data, seed)
        print(f'colour, seed {seed}: ' + '  '.join(f'{s:.0f} s {a:.1%}' for s, a in points[2::3]), flush=True)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seeds', type=int, default=3, help='of our own trainings; the others run once')
    p.add_argument('--data', help="'sample', 'full' or a folder with the real sets")
    p.add_argument('--goal', type=float, default=.99, help='accuracy to reach')
    p.add_argument('--only', nargs='+', choices=('parts', 'digits', 'colour'), default=('parts', 'digits', 'colour'))
    a = p.parse_args()
    if 'parts' in a.only: parts()
    if 'digits' in a.only: digits(a.data, a.seeds, a.goal)
    if 'colour' in a.only: colour(a.data, a.seeds)

if __name__ == '__main__': main()
