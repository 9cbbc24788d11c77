"""Compare `fit` with a bare PyTorch loop and with fastai's `Learner`; then idle with busy.

    python benchmarks/train.py [--data SOURCE] [--rounds 9] [--epochs N] [--nh 200] [--bs 64]

1. All train the same two-layer net for ten digits on the same batches with plain gradient descent, and then validate
   it. Each round starts all of them anew, one after the other, so that a change of the machine's load meets all. Shown
   are medians of the rounds, in seconds an epoch, and the ratio to the bare loop. All must end with the same parameters.
2. A small training in a process of its own, idle and beside one other program that uses a core, with PyTorch's threads
   spinning while they wait (OMP_WAIT_POLICY=active, which is what they do if nothing is set) and sleeping (passive, which
   `import fastlessons` sets). Only a machine with nothing else to do gives numbers that mean something."""
import argparse, os, subprocess, sys, time
from statistics import median

from fastlessons.data import get_data
from fastlessons.train import Batches, accuracy, fit, read_digits
import fastai.basics as fastai
import torch
from torch import nn
from torch.nn import functional as F

def bare(net, dls, epochs, lr):
    opt = torch.optim.SGD(net.parameters(), lr=lr)
    for epoch in range(epochs):
        net.train()
        total = 0.
        for xb, yb in dls[0]:
            loss = F.cross_entropy(net(xb), yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            total += loss.item()   # any loop that shows the loss does this
        net.eval()
        with torch.no_grad():
            for xb, yb in dls[1]: F.cross_entropy(preds := net(xb), yb).item(), accuracy(preds, yb).item()

def ours(net, dls, epochs, lr): fit(net, dls, epochs, lr, metrics=accuracy, show=False)

def learner(net, dls, epochs, lr):
    learn = fastai.Learner(fastai.DataLoaders(*dls), net, loss_func=F.cross_entropy, opt_func=fastai.SGD, metrics=accuracy)
    with learn.no_logging(): learn.fit(epochs, lr)

WAYS = dict(bare=bare, ours=ours, fastai=learner)

def once(way, dls, nh, epochs):
    "Train once; return seconds an epoch and the parameters."
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(dls[0].x.shape[1], nh), nn.ReLU(), nn.Linear(nh, 10))
    start = time.perf_counter()
    WAYS[way](net, dls, epochs, .1)
    return (time.perf_counter()-start)/epochs, [p.detach() for p in net.parameters()]

SMALL = """import time
import torch
from torch import nn
from fastlessons.train import Batches, fit
x = torch.randn(2000, 64)
net = nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 10))
start = time.perf_counter()
fit(net, (Batches(x, torch.randint(10, (2000,)), 64), None), 40, .1, show=False)
print(time.perf_counter() - start)"""

def seconds(policy):
    "Run the small training in a process of its own, with all cores."
    env = {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'} | dict(OMP_WAIT_POLICY=policy)
    return float(subprocess.run([sys.executable, '-c', SMALL], env=env, capture_output=True, text=True, check=True).stdout)

def busy_machine(rounds=3):
    found = {}
    for policy in ('active', 'passive'):
        found[policy, 'idle'] = median(seconds(policy) for _ in range(rounds))
        other = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
        try: found[policy, 'busy'] = median(seconds(policy) for _ in range(rounds))
        finally:
            other.kill()
            other.wait()
    for (policy, how), s in found.items(): print(f'a small training, threads wait {policy + "ly":9} {how}: {s:6.2f} s')
    was, now = found['active', 'busy'], found['passive', 'busy']
    print(f"=> seconds of a small training beside a busy program: `import fastlessons` first, torch alone | {os.cpu_count()} cores | "
          f'{now:.1f} | {was:.1f} | {was/now:.1f}')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help="'sample', 'full' or a folder with the real set")
    for name, default in (('rounds', 9), ('epochs', None), ('nh', 200), ('bs', 64)): p.add_argument(f'--{name}', type=int, default=default)
    a = p.parse_args()
    x, y, xv, yv = read_digits(get_data('mnist', a.data))
    dls = Batches(x, y, a.bs), Batches(xv, yv, 1000)
    epochs = a.epochs or max(1, 1000//len(dls[0]))
    for way in WAYS: once(way, dls, a.nh, 1)   # imports and caches
    took = {way: [] for way in WAYS}
    for i in range(a.rounds):
        made = {}
        for way in list(WAYS)[i % 3:] + list(WAYS)[:i % 3]:   # each in turn is the first
            seconds, made[way] = once(way, dls, a.nh, epochs)
            took[way].append(seconds)
        same = all(torch.allclose(p, q, atol=1e-5) for way in WAYS for p, q in zip(made[way], made['bare']))
        assert same, 'they did not train the same net'
    print(f'{len(x):,} digits, {len(dls[0])} steps an epoch, {epochs} epochs a round, medians of {a.rounds} rounds, '
          f'{torch.get_num_threads()} threads')
    for way, s in took.items():
        ratio = median(t/b for t, b in zip(s, took['bare']))
        print(f'{way:8}{median(s):8.4f} s an epoch{ratio:8.2f} of the bare loop   (from {min(s):.4f} to {max(s):.4f})')
    mid = {way: median(s) for way, s in took.items()}
    print(f'=> seconds an epoch: our loop, fastai\'s Learner | {len(x):,} digits, a net of two layers | {mid["ours"]:.3f} | {mid["fastai"]:.3f} | '
          f'{mid["fastai"]/mid["ours"]:.1f}')
    busy_machine()

if __name__ == '__main__': main()
