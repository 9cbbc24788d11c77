"Answers to the exercises of lesson 08: for each the right one and wrong ones that people really write."
import torch
from torch import nn
from torch.nn import functional as F

from fastlessons.exercises.l08 import diagnosis, find_lines, repaired

RIGHT = diagnosis()

def lines_of(*rows): return lambda pic: F.conv2d(pic[None, None], torch.tensor(rows)[None, None])[0, 0]

def by_hand(pic): return (2*pic[1:-1] - pic[:-2] - pic[2:])[:, 1:-1]

def padded(pic): return F.conv2d(pic[None, None], torch.tensor([[-1., -1, -1], [2, 2, 2], [-1, -1, -1]])[None, None], padding=1)[0, 0]

def swapped(a, b):
    out = dict(RIGHT)
    out[a], out[b] = out[b], out[a]
    return out

def net(act=nn.ReLU, norm=True, end=(), widths=(16, 32, 64)):
    def make():
        layers, ni = [], 1
        for nf in widths:
            layers += [nn.Conv2d(ni, nf, 3, 1 if ni == 1 else 2, padding=1)]
            if norm: layers.append(nn.BatchNorm2d(nf))
            layers.append(act())
            ni = nf
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(ni, 10), *end)
    return make

ANSWERS = {
    '08.1': dict(
        right=[find_lines, by_hand, lambda pic: find_lines(pic).relu(), lines_of([0., -1, 0], [0, 2, 0], [0, -1, 0])],
        wrong=[padded,                                                       # the map is as large as the picture
               lines_of([-1., -1, -1], [0, 0, 0], [1, 1, 1]),                # an edge
               lines_of([-1., 2, -1], [-1, 2, -1], [-1, 2, -1]),             # upright lines
               lines_of([-1., -1, -1], [8, -1, -1], [-1, -1, -1]),
               lines_of([-1., -1, -1], [-1, 8, -1], [-1, -1, -1]),           # outlines: upright lines, too
               lines_of([0., 0, 0], [1, 1, 1], [0, 0, 0]),                   # a flat wall is not 0
               lines_of([1., 1, 1], [-2, -2, -2], [1, 1, 1]),                # dark lines
               lines_of([-1., -1, -1], [1, 1, 1], [0, 0, 0]),                # an edge gives as much
               lambda pic: find_lines(pic).abs(),                            # dark lines, and beside the line: half
               lambda pic: (find_lines(pic) > 1).float(),                    # half the contrast is lost
               lambda pic: None]),
    '08.2': dict(
        right=[RIGHT],
        wrong=[swapped('A', 'C'), swapped('B', 'D'), swapped('A', 'D'), dict(A='well'), list(RIGHT.values()),
               dict.fromkeys('ABCD', 'well'), {}]),
    '08.3': dict(
        right=[repaired, net()],
        wrong=[net(nn.Sigmoid, False, [nn.Softmax(1)]), net(nn.Sigmoid, False), net(nn.Sigmoid, True, [nn.Softmax(1)]),
               net(nn.ReLU, False, [nn.Softmax(1)]), net(widths=(16, 32, 128)), lambda: nn.Flatten(),
               lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), lambda: None]),
}
