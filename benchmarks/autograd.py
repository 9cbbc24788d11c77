"""The engine of lesson 11 against PyTorch, micrograd and the clock, side by side in one run, on one core.

    python benchmarks/autograd.py [--data FOLDER] [--rounds 15] [--only steps moons digits] [--short]

1. The time of a step (forward, back, move) of a network 784-100-10 and of a small convolutional one, and PyTorch's.
2. One step on 100 points of two half moons, and micrograd's, if it is installed (`pip install micrograd`); else that of lesson
   03's Value in topological order, which is the same engine. Both get the same weights and must give the same losses; the
   best of several times counts.
3. Digits: seconds of processor for the training, and the share right. On the real MNIST, two larger networks, too, with momentum,
   dropout and digits that are shifted by a pixel or two.
Nothing else should run on the machine."""
import argparse, time
from statistics import median

from fastlessons.autograd import SGD, Linear, Module, Tensor, cross_entropy, operation, topological_order, unfold
from fastlessons.data import get_data
from fastlessons.simple.foundations import Value
from fastlessons.train import read_digits
from threadpoolctl import threadpool_limits
from torch.nn import functional as F
import numpy as np, torch

def seconds(f, n=1):
    "Time one call of f, from n of them."
    start = time.perf_counter()
    for _ in range(n): f()
    return (time.perf_counter() - start)/n

def side_by_side(what, on, ours, other, rounds, n, unit=1e6):
    "Time two steps in turns; print a line and a row of the table."
    for f in (ours, other): seconds(f, 3)
    times = [(seconds(ours, n), seconds(other, n)) for _ in range(rounds)]
    a, b = (median(t)*unit for t in zip(*times))
    ratio = median(x/y for x, y in times)
    print(f'{on:34}{a:10.1f}{b:12.1f}   ours is {ratio:.2f} of the other (from {min(x/y for x, y in times):.2f} to {max(x/y for x, y in times):.2f})')
    print(f'=> {what} | {on} | {a:.0f} | {b:.0f} | {1/ratio:.2f}')

class Net(Module):
    "Layers with ReLUs between, and dropout of their results."
    def __init__(self, sizes, seed=0, drop=0.):
        rng = self.rng = np.random.default_rng(seed)
        self.layers, self.drop = [Linear(a, b, rng) for a, b in zip(sizes, sizes[1:])], drop
    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
            if self.drop: x = x*((self.rng.random(x.data.shape, dtype=np.float32) > self.drop)/(1 - self.drop))
        return self.layers[-1](x)

class ConvNet(Module):
    "Convolutions 8@5x5 and 16@3x3, both with stride 2, for pictures of 28 by 28."
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.a, self.b, self.c = Linear(25, 8, rng), Linear(72, 16, rng), Linear(400, 10, rng)
    def __call__(self, x):
        h = self.a(unfold(x, 5, 2)).relu()
        h = self.b(unfold(h.reshape(-1, 12, 12, 8), 3, 2)).relu()
        return self.c(h.reshape(len(x), -1))

def torch_net(net):
    "Make PyTorch's network with the same weights."
    if isinstance(net, ConvNet):
        made = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 5, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3, 2), torch.nn.ReLU(), torch.nn.Flatten(),
                                   torch.nn.Linear(400, 10))
        weights = [net.a.w.data.reshape(5, 5, 1, 8).transpose(3, 2, 0, 1), net.b.w.data.reshape(3, 3, 8, 16).transpose(3, 2, 0, 1),
                   net.c.w.data.reshape(5, 5, 16, 10).transpose(3, 2, 0, 1).reshape(10, -1)]
    else:
        sizes = [w.data.shape for w in net.parameters()[::2]]
        layers = [m for a, b in sizes for m in (torch.nn.Linear(a, b), torch.nn.ReLU())]
        made, weights = torch.nn.Sequential(*layers[:-1]), [w.data.T for w in net.parameters()[::2]]
    with torch.no_grad():
        for p, w in zip(list(made.parameters())[::2], weights): p.copy_(torch.tensor(w))
        for p in list(made.parameters())[1::2]: p.zero_()
    return made

def one_step(net, opt, loss_func, x, y):
    "Return a function that makes a step and returns the loss."
    def step():
        loss = loss_func(net(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return float(loss.data)
    return step

def steps(rounds):
    "Compare the steps with PyTorch's."
    rng = np.random.default_rng(0)
    print(f'{"microseconds a step":34}{"ours":>10}{"PyTorch":>12}')
    for name, make, bs, n in (('784-100-10, batch 16', lambda: Net([784, 100, 10]), 16, 100), ('784-100-10, batch 64', lambda: Net([784, 100, 10]), 64, 100),
                              ('784-100-10, batch 512', lambda: Net([784, 100, 10]), 512, 20), ('convolutions, batch 64', ConvNet, 64, 20),
                              ('convolutions, batch 256', ConvNet, 256, 5)):
        net, y = make(), rng.integers(0, 10, bs)
        x = rng.random((bs, 28, 28, 1) if make is ConvNet else (bs, 784), dtype=np.float32)
        other = torch_net(net)
        tx = torch.tensor(x).permute(0, 3, 1, 2).contiguous() if make is ConvNet else torch.tensor(x)
        ours = one_step(net, SGD(net.parameters(), .01), cross_entropy, x, y)
        theirs = one_step(other, torch.optim.SGD(other.parameters(), .01), F.cross_entropy, tx, torch.tensor(y))
        losses = np.array([(ours(), theirs()) for _ in range(10)])
        assert np.allclose(losses[:, 0], losses[:, 1], atol=1e-4), losses   # the same network
        side_by_side('microseconds a step: our engine, PyTorch', name, ours, theirs, rounds, n)

def moons(rounds):
    "Compare a step on the half moons with an engine of single numbers."
    from sklearn.datasets import make_moons
    x, side = make_moons(100, noise=.1, random_state=0)
    side, rng = side*2. - 1, np.random.default_rng(0)
    weights = [rng.normal(0, .5, (n + 1, m)) for n, m in ((2, 16), (16, 16), (16, 1))]   # the last row: biases
    try:
        from micrograd.engine import Value as Single
        name = 'micrograd'
        def back(loss): loss.backward()
    except ImportError:
        Single, name = Value, "lesson 03's Value in topological order"
        def back(loss):
            order = topological_order(loss)
            loss.grad = 1.
            for v in reversed(order):
                for source, slope in v.links: source.grad += slope*v.grad
    singles = [[[Single(v) for v in row] for row in w.tolist()] for w in weights]
    whole = [Tensor(part) for w in weights for part in (w[:-1], w[-1])]
    def layer(numbers, w): return [sum((p*v for v, p in zip(numbers, col)), col[-1]) for col in zip(*w)]
    def slow():
        loss = Single(0.)
        for point, s in zip(x.tolist(), side.tolist()):
            h = [v.relu() for v in layer(point, singles[0])]
            h = [v.relu() for v in layer(h, singles[1])]
            loss = loss + (layer(h, singles[2])[0]*-s + 1).relu()*.01
        for p in (v for w in singles for row in w for v in row): loss = loss + p*p*1e-4
        back(loss)
        for p in (v for w in singles for row in w for v in row): p.data, p.grad = p.data - .1*p.grad, 0.
        return loss.data
    @operation(1)
    def squares(a): return (a*a).sum(), lambda g: 2*g*a
    opt = SGD(whole, .1)
    def fast():
        h = (x @ whole[0] + whole[1]).relu()
        h = (h @ whole[2] + whole[3]).relu()
        loss = (1 - (h @ whole[4] + whole[5])*side[:, None]).relu().mean()
        loss = loss + sum(map(squares, whole), 0.)*1e-4
        loss.backward()
        opt.step()
        opt.zero_grad()
        return float(loss.data)
    losses = np.array([(fast(), slow()) for _ in range(4)])
    print(f'the half moons: losses of {losses[:, 0].round(6)}, and of {name} {losses[:, 1].round(6)}')
    assert np.allclose(losses[:, 0], losses[:, 1], atol=1e-9), 'they did not train the same network'
    a, b = min(seconds(fast, 20) for _ in range(rounds)), min(seconds(slow) for _ in range(4))
    print(f'{name}: {b*1e3:.0f} ms a step, ours {a*1e6:.0f} microseconds: {b/a:,.0f} times')
    print(f'=> ms a step on the half moons: our engine, {name} | 2-16-16-1, 100 points | {a*1e3:.2f} | {b*1e3:.0f} | {b/a:.0f}')

class Momentum(SGD):
    "Move with the slope plus nine tenths of the last move."
    def step(self):
        self.last = getattr(self, 'last', {})
        for p in self.params: self.last[p] = p.grad = p.grad + .9*self.last.get(p, 0)
        super().step()

def shifted(x, rng, far):
    "Move the digits of a batch by up to `far` pixels."
    side = int(x.shape[1]**.5)
    return np.roll(x.reshape(-1, side, side), rng.integers(-far, far + 1, 2), (1, 2)).reshape(len(x), -1)

def train(net, x, y, epochs, bs, lr, kind=SGD, far=0):
    "Train with a rate that falls to 0; return the seconds of processor: others on the machine add little to them."
    opt, rng = kind(net.parameters(), lr), np.random.default_rng(0)
    n = epochs*len(x)//bs
    start = time.process_time()
    for k in range(n):
        if k % (len(x)//bs) == 0: order = rng.permutation(len(x))
        some = order[k*bs % (len(x)//bs*bs):][:bs]
        opt.lr = lr*(1 - k/n)
        xb = shifted(x[some], rng, far) if far else x[some]
        cross_entropy(net(xb), y[some]).backward()
        opt.step()
        opt.zero_grad()
    return time.process_time() - start

def digits(data, short):
    "Learn the digits, and say in how many seconds."
    x, y, xv, yv = (part.numpy() for part in read_digits(get_data('mnist', data)))
    n, many = x.shape[1], len(x) > 10_000
    runs = [(f'{n}-100-10', [n, 100, 10], dict(epochs=4 if many else 60, bs=64, lr=.5))]
    if many and not short:
        runs += [(f'{n}-256-128-10, shifted by 1', [n, 256, 128, 10], dict(epochs=8, bs=100, lr=.1, kind=Momentum, far=1)),
                 (f'{n}-512-256-10, shifted by 2', [n, 512, 256, 10], dict(epochs=16, bs=100, lr=.1, kind=Momentum, far=2))]
    for name, sizes, how in runs:
        net = Net(sizes, drop=.1 if how.get('far') == 1 else 0.)
        took, net.drop = train(net, x, y, **how), 0.
        right = (net(xv).data.argmax(1) == yv).mean()
        print(f'{name}: {right:.2%} of {len(xv):,} right after {took:.1f} s of processor')
        print(f'=> seconds of processor to train (share right): our engine | {len(x):,} digits, {name} | {took:.1f} ({right:.2%}) | | ')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help="'sample', 'full' or a folder with the real set")
    p.add_argument('--rounds', type=int, default=15)
    p.add_argument('--only', nargs='+', choices=('steps', 'moons', 'digits'), default=('steps', 'moons', 'digits'))
    p.add_argument('--short', action='store_true', help='leave out the larger networks, which take a minute')
    a = p.parse_args()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        if 'steps' in a.only: steps(a.rounds)
        if 'moons' in a.only: moons(a.rounds)
        if 'digits' in a.only: digits(a.data, a.short)

if __name__ == '__main__': main()
