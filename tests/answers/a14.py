"Answers to the exercises of lesson 14: for each the right one and wrong ones that people really write."
import torch
from torch import nn

from fastlessons.exercises.l14 import better, cutout, diagnosis
from fastlessons.simple.colour import Normalise, quick_net

right = diagnosis()

def in_a_loop(x, k):
    out = x.clone()
    for pic in out:
        i, j = torch.randint(x.shape[2] - k + 1, ()), torch.randint(x.shape[3] - k + 1, ())
        pic[:, i:i+k, j:j+k] = 0
    return out

def in_place(x, k):
    x.copy_(cutout(x, k))
    return x
def one_place(x, k):
    out = x.clone()
    i, j = torch.randint(x.shape[2] - k + 1, ()), torch.randint(x.shape[3] - k + 1, ())
    out[:, :, i:i+k, j:j+k] = 0
    return out
def over_the_edge(x, k):
    out = x.clone()
    for pic in out:
        i, j = torch.randint(x.shape[2], ()), torch.randint(x.shape[3], ())
        pic[:, i:i+k, j:j+k] = 0
    return out
def on_the_diagonal(x, k):
    out = x.clone()
    for pic in out:
        i = torch.randint(min(x.shape[2:]) - k + 1, ())
        pic[:, i:i+k, i:i+k] = 0
    return out
def never_at_the_end(x, k):
    out = x.clone()
    for pic in out:
        i, j = torch.randint(max(1, x.shape[2] - k), ()), torch.randint(max(1, x.shape[3] - k), ())
        pic[:, i:i+k, j:j+k] = 0
    return out
def one_channel(x, k): return torch.cat([cutout(x[:, :1], k), x[:, 1:]], 1)
def each_channel_apart(x, k): return torch.cat([cutout(x[:, c:c+1], k) for c in range(x.shape[1])], 1)
def only_the_square(x, k): return x - cutout(x, k)
def dots(x, k): return x*(torch.rand(len(x), 1, *x.shape[2:]) > k*k/x[0, 0].numel())
def the_same_each_time(x, k):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cutout(x, k)

def normalised(x): return quick_net([Normalise(x), nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU()], norm=False, skip=False)
def with_blocks(x):
    from fastlessons.vision.cnn import QuickNet
    return QuickNet(x)

ANSWERS = {
    '14.1': dict(
        right=[cutout, in_a_loop],
        wrong=[in_place, one_place, over_the_edge, on_the_diagonal, never_at_the_end, one_channel, each_channel_apart, only_the_square, dots, the_same_each_time,
               lambda x, k: None, lambda x, k: x, 3]),
    '14.2': dict(
        right=[right],
        wrong=[right | dict(A='right', D='divided twice'), right | dict(E='reshaped', C='upside down'), right | dict(B='right'), {k: right[k] for k in 'ABCD'},
               list(right.values()), dict.fromkeys('ABCDE', 'right'), {v: k for k, v in right.items()}]),
    '14.3': dict(
        right=[better, with_blocks],
        wrong=[normalised, lambda x: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), lambda x: nn.Linear(32, 3), lambda x: None, lambda x: normalised]),
}
