"""The network of lesson 09 against PyTorch's and scikit-learn's, side by side in one run, on one core.

    python benchmarks/numpy_net.py [--data SOURCE] [--rounds 9] [--epochs 30]

All learn the bikes of lesson 09 from the same rows: 56 columns, hidden layers of 64 and 32, ReLU, batches of 128, momentum .9,
weight decay. PyTorch gets our first weights, our batches and our falling learning rate, so that in the same precision it must
end with the same weights; float32, PyTorch's habit, stands beside it. `MLPRegressor` starts with its own weights and cannot
let the rate fall evenly, so it gets the best constant one of RATES on the validation set, which is in its favour.
Each round times all of them, each in turn the first, in seconds of the processor; a pass is one epoch. Then the errors, means
and standard deviations over the seeds of the rounds: 1 is what always the mean has on the training set."""
import argparse, time, warnings
from functools import partial
from statistics import median

from fastlessons.bikes import BikePrep, split_by_days
from fastlessons.data import get_data
from fastlessons.numpy_net import NumpyNet
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn import functional as F
import numpy as np, pandas as pd, torch

HIDDEN, BS, LR, WD, MOMENTUM = [64, 32], 128, .06, 1e-3, .9
RATES = .003, .01, .03, .06

def ours(x, y, epochs, seed):
    "Train lesson 09's network; return what predicts."
    net = NumpyNet(HIDDEN, 'relu', LR, epochs, BS, MOMENTUM, WD, seed).fit(x, y)
    return net.predict, net.layers_

def same_start(n, seed, dtype):
    "Make PyTorch's network with the weights that `NumpyNet` begins with; return it and the generator, as they are then."
    rng, sizes = np.random.default_rng(seed), [n, *HIDDEN, 1]
    layers = [nn.Linear(a, b, dtype=dtype) for a, b in zip(sizes, sizes[1:])]
    with torch.no_grad():
        for layer in layers:
            a = layer.in_features
            layer.weight.copy_(torch.tensor(rng.normal(0, a**-.5, (a, layer.out_features)).T))
            layer.bias.zero_()
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]), rng

def pytorch(x, y, epochs, seed, dtype=torch.float64):
    "Train the same with PyTorch."
    net, rng = same_start(x.shape[1], seed, dtype)
    tx, ty = torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype)[:, None]
    opt = torch.optim.SGD(net.parameters(), LR, MOMENTUM, weight_decay=WD)
    batches = -(-len(y)//BS)
    fall = torch.optim.lr_scheduler.LinearLR(opt, 1, 0, epochs*batches)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(y)), batches):
            rows = torch.from_numpy(rows)
            (F.mse_loss(net(tx[rows]), ty[rows])/2).backward()
            opt.step()
            opt.zero_grad()
            fall.step()
    def predict(x):
        with torch.no_grad(): return net(torch.tensor(x, dtype=dtype))[:, 0].numpy()
    return predict, [(p.weight.detach().numpy().T, p.bias.detach().numpy()) for p in net[::2]]

def pytorch32(x, y, epochs, seed): return pytorch(x, y, epochs, seed, torch.float32)

def sklearn(x, y, epochs, seed, lr):
    "Train scikit-learn's, which divides its decay by the size of the batch."
    net = MLPRegressor(hidden_layer_sizes=HIDDEN, solver='sgd', alpha=WD*BS, batch_size=BS, learning_rate_init=lr,
                       max_iter=epochs, momentum=MOMENTUM, nesterovs_momentum=False, tol=0, n_iter_no_change=epochs + 1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)   # all passes were made, as asked
        return net.fit(x, y).predict, None

def seconds_of(way, x, y, epochs, seed):
    "Train once in a way; return seconds of the processor a pass, what predicts, and the weights."
    start = time.process_time()
    predict, layers = way(x, y, epochs, seed)
    return (time.process_time() - start)/epochs, predict, layers

def check_same(a, b):
    "Both ways went the same way, step by step."
    assert all(np.allclose(p, q, atol=1e-8) for one, other in zip(a, b) for p, q in zip(one, other)), 'they did not train the same network'

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help="'sample', 'full' or a folder with the real set")
    for name, default in (('rounds', 9), ('epochs', 30)): p.add_argument(f'--{name}', type=int, default=default)
    a = p.parse_args()
    hours = pd.read_csv(get_data('bike', a.data)/'hour.csv', parse_dates=['dteday'])
    train, valid, test = split_by_days(hours, valid=60, test=21)
    prep = BikePrep(train, log=True)
    x, y = prep(train).to_numpy(), prep.target(train).to_numpy()
    parts = {'validation': valid, 'test': test}
    def errors(predict): return [prep.error(prep.bikes(predict(prep(rows).to_numpy())), rows) for rows in parts.values()]
    torch.set_num_threads(1)
    with threadpool_limits(1):
        lr = min(RATES, key=lambda lr: errors(sklearn(x, y, a.epochs, 0, lr)[0])[0])
        ways = {'ours': ours, 'PyTorch': pytorch, 'PyTorch, float32': pytorch32, 'MLPRegressor': partial(sklearn, lr=lr)}
        took, found = {way: [] for way in ways}, {way: [] for way in ways}
        for way in ways.values(): seconds_of(way, x, y, 1, 0)   # imports and caches
        for i in range(a.rounds):
            made, names = {}, list(ways)
            for way in names[i % len(names):] + names[:i % len(names)]:
                seconds, predict, made[way] = seconds_of(ways[way], x, y, a.epochs, i)
                took[way].append(seconds)
                found[way].append(errors(predict))
            check_same(made['ours'], made['PyTorch'])
    print(f'{x.shape[0]:,} hours of {x.shape[1]} columns, {a.epochs} passes, medians of {a.rounds} rounds; ours and PyTorch end with the same '
          f'weights; MLPRegressor with a rate of {lr}')
    print(f'{"":18}{"s a pass":>9}{"of ours":>9}   {"error, validation":20}{"error, test"}')
    for way in ways:
        mean, spread = np.mean(found[way], 0), np.std(found[way], 0, ddof=1) if a.rounds > 1 else (0, 0)
        ratio = median(s/o for s, o in zip(took[way], took['ours']))
        print(f'{way:18}{median(took[way]):9.4f}{ratio:9.2f}   ' + '   '.join(f'{m:.3f} ± {s:.3f}     ' for m, s in zip(mean, spread)))
        if way == 'ours': base = f'{median(took[way]):.3f} ({mean[0]:.3f})'
        else: print(f'=> seconds a pass (error): NumpyNet, {way.replace(", ", " in ")} | {x.shape[0]:,} hours of bikes | {base} | {median(took[way]):.3f} ({mean[0]:.3f}) | '
                    f'{ratio:.2f}')

if __name__ == '__main__': main()
