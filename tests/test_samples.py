"The pets sample is a fair problem: easy for a network that looks, not for one that only counts colours."
import re

import numpy as np, pytest, torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from fastlessons.samples import pack as samples
from fastlessons.data import get_data

@pytest.fixture(scope='module')
def pets():
    "All pictures of the sample, reduced to 80 pixels: uint8 (888,80,80,3), cat or not (888,), breed (888,)."
    files = sorted((get_data('pets', 'sample')/'images').glob('*.jpg'))
    breeds = [re.match(r'(.+)_\d+\.jpg', f.name)[1] for f in files]
    x = np.stack([np.asarray(Image.open(f).resize((80, 80), Image.BOX)) for f in files])
    return x, np.array([b[0].isupper() for b in breeds]).astype(int), np.unique(breeds, return_inverse=True)[1]

def test_what_was_bundled_can_be_drawn_again():
    assert samples.check_samples() == []

@pytest.mark.parametrize('seed', range(3))
def test_a_linear_model_on_pixels_stays_above_20_percent(pets, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    x, cat, _ = pets
    x = np.stack([np.asarray(Image.fromarray(p).resize((32, 32), Image.BOX)) for p in x]).reshape(len(x), -1)/255 - .5
    train, valid, y, yv = train_test_split(x, cat, test_size=.2, random_state=seed, stratify=cat)
    best = min(1-LogisticRegression(max_iter=300, C=c).fit(train, y).score(valid, yv) for c in (1, .01, .0005))
    assert best > .2

def conv(ni, nf, stride=1): return nn.Sequential(nn.Conv2d(ni, nf, 3, stride, 1, bias=False), nn.BatchNorm2d(nf), nn.ReLU())

class Res(nn.Module):
    "A convolution with a short cut."
    def __init__(self, nf): super().__init__(); self.convs = nn.Sequential(conv(nf, nf), conv(nf, nf))
    def forward(self, x): return x + self.convs(x)

def train(x, y, epochs=40, bs=32, lr=8e-3):
    """Train a small network from scratch; return its error rate on a fifth that was put aside.

    40 epochs are about a minute of one idle core. They are counted, not timed, so that the result is the same on a
    slow machine."""
    torch.manual_seed(0)
    x, y = torch.tensor(x).permute(0, 3, 1, 2).float()/128 - 1, torch.tensor(y)
    order = torch.randperm(len(x))
    valid, rest = order[:len(x)//5], order[len(x)//5:]
    net = nn.Sequential(conv(3, 16, 2), conv(16, 32, 2), Res(32), conv(32, 64, 2), Res(64), conv(64, 128, 2), Res(128),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(.2), nn.Linear(128, int(y.max())+1))
    opt = torch.optim.AdamW(net.parameters(), lr, weight_decay=.05)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=epochs*(len(rest)//bs))
    for i in (i for _ in range(epochs) for i in rest[torch.randperm(len(rest))[:len(rest)//bs*bs]].split(bs)):
        a, b = torch.randint(0, 13, (2,))
        xb = F.pad(x[i], (6,)*4, mode='reflect')[:, :, a:a+80, b:b+80]
        xb = xb*(1+.2*torch.randn(len(i), 1, 1, 1)) + .15*torch.randn(len(i), 3, 1, 1)
        loss = F.cross_entropy(net(xb.flip(3) if torch.rand(1) < .5 else xb), y[i], label_smoothing=.05)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    net.eval()
    with torch.no_grad(): return (net(x[valid]).argmax(1) != y[valid]).float().mean().item()

@pytest.fixture
def one_thread():
    "A minute of one core, whatever else the machine does: two threads would spend much of it waiting for each other."
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)

def test_a_small_network_learns_cat_against_dog_in_a_minute(pets, one_thread):
    assert train(pets[0], pets[1]) < .05

def test_the_37_breeds_are_hard_but_not_hopeless(pets, one_thread):
    assert .1 < train(pets[0], pets[2]) < .7
