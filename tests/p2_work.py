"Work that learners hand in for project 2: right solutions in two styles, wrong ones and cheats, as code in the starter's gaps."
from work import Work

# Torch throughout; blocks in a Sequential, flips and shifts, one cycle.
BLOCKS = dict(
    measure="""
def measure(x): return x.mean((0, 1, 2)), x.std((0, 1, 2))
def normalise(x, mean, std): return torch.tensor((x - mean)/std).permute(0, 3, 1, 2).float()
exercise('P2.1', [measure, normalise])""",
    one_hot="""
def one_hot(y, n):
    y = torch.tensor(y).long()
    if y.min() < 0 or y.max() >= n: raise ValueError(f'labels from {y.min()} to {y.max()}, but there are {n} kinds')
    return F.one_hot(y, n).float()
exercise('P2.2', one_hot)""",
    conv_block="""
def conv_block(ni, nf):
    return nn.Sequential(nn.Conv2d(ni, nf, 3, padding=1, bias=False), nn.BatchNorm2d(nf), nn.ReLU(), nn.MaxPool2d(2))
exercise('P2.3', conv_block)""",
    PictureNet="""
class PictureNet(nn.Module):
    def __init__(self, n_kinds, w=16):
        super().__init__()
        self.blocks = nn.Sequential(conv_block(3, w), conv_block(w, 2*w), conv_block(2*w, 4*w),
                                    nn.Conv2d(4*w, 8*w, 3, padding=1, bias=False), nn.BatchNorm2d(8*w), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8*w, n_kinds))
    def forward(self, x): return self.head(self.blocks(x))
exercise('P2.4', PictureNet)""",
    batches="""
def batches(x, y, size, shuffle=False):
    if len(x) != len(y): raise ValueError(f'{len(x)} pictures, {len(y)} labels')
    rows = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
    for part in rows.split(size): yield x[part], y[part]
exercise('P2.5', batches)""",
    train="""
def varied(x):
    x = torch.where(torch.rand(len(x), 1, 1, 1) < .5, x.flip(3), x)
    down, right = torch.randint(7, (2,))
    return F.pad(x, [3]*4)[:, :, down:down+x.shape[2], right:right+x.shape[3]]
def train(net, x, y, epochs, lr, batch):
    opt = torch.optim.AdamW(net.parameters(), lr, weight_decay=.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=epochs*-(-len(x)//batch))
    for _ in range(epochs):
        net.train()
        for xb, yb in batches(x, y, batch, True):
            loss = F.cross_entropy(net(varied(xb)), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            plan.step()
exercise('P2.6', [PictureNet, train])""",
    statistics="""
@torch.no_grad()
def statistics(net, x, y):
    net.eval()
    loss = right = 0
    for xb, yb in batches(x, y, 250):
        scores = net(xb)
        loss += F.cross_entropy(scores, yb, reduction='sum').item()
        right += (scores.argmax(1) == yb.argmax(1)).sum().item()
    return loss/len(x), right/len(x)
exercise('P2.7', statistics)""",
    fit_pictures="""
SETTINGS = dict(epochs=5, lr=.01, batch=32)
def fit_pictures(x, y, xv, yv, n_kinds):
    torch.manual_seed(0)
    mean, std = measure(x)
    net = PictureNet(n_kinds).to(memory_format=torch.channels_last)
    train(net, normalise(x, mean, std), one_hot(y, n_kinds), **SETTINGS)
    return net, mean, std
def classify(model, x):
    net, mean, std = model
    net.eval()
    with torch.no_grad(): return torch.cat([net(part).argmax(1) for part in normalise(x, mean, std).split(250)]).numpy()
exercise('P2.8', [fit_pictures, classify, PictureNet, measure])""")

# The usual beginner's way: layers one by one, strides, dropout by function, flatten, numbers from 0 to 1 first; early stopping; lists come back.
PLAIN = dict(
    measure="""
def measure(x):
    x = torch.as_tensor(x).float()/255
    return x.mean(dim=(0, 1, 2)).view(3, 1, 1), x.std(dim=(0, 1, 2)).view(3, 1, 1)
def normalise(x, mean, std):
    return (torch.as_tensor(np.moveaxis(x, -1, 1).copy()).float()/255 - mean)/std
exercise('P2.1', [measure, normalise])""",
    one_hot="""
def one_hot(y, n):
    rows = torch.zeros(len(y), n)
    for k, label in enumerate(y):
        assert 0 <= label < n, f'{label} is no kind'
        rows[k, int(label)] = 1
    return rows
exercise('P2.2', one_hot)""",
    conv_block="""
class conv_block(nn.Module):
    def __init__(self, ni, nf):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(ni, nf, 3, stride=2, padding=1), nn.BatchNorm2d(nf)
    def forward(self, x): return self.norm(F.leaky_relu(self.conv(x), .1))
exercise('P2.3', conv_block)""",
    PictureNet="""
class PictureNet(nn.Module):
    def __init__(self, n_kinds):
        super().__init__()
        self.first, self.second, self.third = conv_block(3, 24), conv_block(24, 48), conv_block(48, 96)
        self.hidden, self.out = nn.Linear(96*4*4, 64), nn.Linear(64, n_kinds)
    def forward(self, x):
        x = self.third(self.second(self.first(x))).flatten(1)
        x = F.dropout(F.relu(self.hidden(x)), .3, training=self.training)
        return self.out(x)
exercise('P2.4', PictureNet)""",
    batches="""
def batches(x, y, size, shuffle=False):
    data = torch.utils.data.TensorDataset(x, y)
    return torch.utils.data.DataLoader(data, batch_size=size, shuffle=shuffle)
exercise('P2.5', batches)""",
    train="""
def train(net, x, y, epochs, lr, batch):
    opt = torch.optim.RAdam(net.parameters(), lr=lr)
    net.train()
    for epoch in range(epochs):
        for xb, yb in batches(x, y, batch, shuffle=True):
            net.zero_grad()
            loss = -(yb*net(xb).log_softmax(dim=1)).sum(dim=1).mean()
            loss.backward()
            opt.step()
exercise('P2.6', [PictureNet, train])""",
    statistics="""
def statistics(net, x, y):
    net.eval()
    with torch.inference_mode():
        p = net(x).softmax(dim=1)
    return -(p*y).sum(dim=1).log().mean(), (p.max(dim=1)[1] == y.max(dim=1)[1]).float().mean()
exercise('P2.7', statistics)""",
    fit_pictures="""
import copy
SETTINGS = dict(epochs=12, lr=.004, batch=50)
def fit_pictures(x, y, xv, yv, n_kinds):
    torch.manual_seed(1)
    mean, std = measure(x)
    net, best, kept = PictureNet(n_kinds), -1, None
    x, y, xv, yv = normalise(x, mean, std), one_hot(y, n_kinds), normalise(xv, mean, std), one_hot(yv, n_kinds)
    for epoch in range(SETTINGS['epochs']):
        flipped = torch.where(torch.rand(len(x), 1, 1, 1) < .5, x.flip(3), x)
        train(net, flipped, y, 1, SETTINGS['lr'], SETTINGS['batch'])
        right = statistics(net, xv, yv)[1]
        if right > best: best, kept = right, copy.deepcopy(net)
    return [kept, mean, std]
def classify(model, x):
    model[0].eval()
    said = []
    for picture in x:
        with torch.no_grad(): said.append(int(model[0](normalise(picture[None], model[1], model[2]))[0].argmax()))
    return said
exercise('P2.8', [fit_pictures, classify, PictureNet, measure])""")

ANSWERS = ['The network knows one scale only; a set of dark pictures would be called something else.', 'Dropout is off and batch norm uses its averages; the numbers would be worse, and change each time.',
           'It stays high, until the network learns these labels by heart, and then new pictures suffer.', 'For letters and digits, and for clothes or hands where left and right mean something.']
TITLES = dict(run='It runs from top to bottom', numbers='Pictures and labels become numbers', network='The network has its pieces', train='Training learns, batch by batch',
              statistics='The statistics are right', only='It learns from the training pictures only', pictures='It classifies pictures that it has never seen', questions='The questions are answered')

P2 = Work('P2', '2_classify_pictures.ipynb', BLOCKS, ANSWERS, TITLES)
STARTER, changed, handed_in, defined, here = P2.starter, P2.changed, P2.handed_in, P2.defined, P2.here

# name -> the work, the line of the rubric that tells, and a word that its verdict must hold
WRONG = {
    'colours last': (changed('measure', '.permute(0, 3, 1, 2)', ''), 'numbers', 'permute'),
    'reshape for permute': (changed('measure', '.permute(0, 3, 1, 2)', '.reshape(-1, 3, *x.shape[1:3])'), 'numbers', 'old order'),
    'its own mean and deviation': (changed('measure', '(x - mean)/std', '(x - x.mean((0, 1, 2)))/x.std((0, 1, 2))'), 'numbers', 'arguments `mean` and `std`'),
    'one mean for all colours': (changed('measure', 'return x.mean((0, 1, 2)), x.std((0, 1, 2))', 'return x.mean(), x.std()'), 'numbers', 'three numbers'),
    'not divided': (changed('measure', '/std', ''), 'numbers', 'Divide'),
    'only from 0 to 1': (changed('measure', '(x - mean)/std', 'x/255'), 'numbers', 'below 0'),
    '64 bits': (changed('measure', '.float()', ''), 'numbers', 'float32'),
    'as many columns as labels need': (changed('one_hot', 'F.one_hot(y, n)', 'F.one_hot(y)'), 'numbers', 'A column for each kind'),
    'the last kind for -1': (changed('one_hot', 'y = torch.tensor(y).long()', 'return torch.eye(n)[torch.tensor(y).long()]'), 'numbers', 'np.eye(n)[-1]'),
    'whole numbers': (changed('one_hot', '.float()', ''), 'numbers', '32 bits'),
    'no padding': (changed('conv_block', 'padding=1', 'padding=0'), 'network', 'padding=1'),
    'no pooling': (changed('conv_block', ', nn.MaxPool2d(2)', ''), 'network', 'MaxPool2d'),
    'one by one': (changed('conv_block', '3, padding=1', '1'), 'network', 'kernel_size=3'),
    'nothing but sums': (changed('conv_block', 'nn.ReLU(), nn.MaxPool2d(2)', 'nn.AvgPool2d(2)'), 'network', 'ReLU'),
    'a linear layer in the block': (changed('conv_block', 'return nn.Sequential(nn.Conv2d(ni, nf, 3, padding=1, bias=False), nn.BatchNorm2d(nf), nn.ReLU(), nn.MaxPool2d(2))',
                                            'return nn.Sequential(nn.Flatten(), nn.LazyLinear(nf*24), nn.ReLU(), nn.Unflatten(1, (nf, 4, 6)))'), 'network', 'what is far away'),
    'the batch knows too much': (changed('conv_block', 'nn.BatchNorm2d(nf)', 'nn.BatchNorm2d(nf, track_running_stats=False)'), 'network', 'alone or beside others'),
    'dropout that is always on': (changed('PictureNet', ', training=self.training', '', PLAIN), 'network', 'always on'),
    'layers in a list': (changed('PictureNet', 'self.blocks = nn.Sequential(', 'self.list = [', changed('PictureNet', 'nn.ReLU())\n', 'nn.ReLU()]\n', changed('PictureNet', 'return self.head(self.blocks(x))', 'return self.head(nn.Sequential(*self.list).train(self.training)(x))'))), 'network', 'nn.ModuleList'),
    'a layer that is not used': (changed('PictureNet', '    def forward', '        self.more = nn.Linear(3, 3)\n    def forward'), 'network', 'has to be used'),
    'a softmax at the end': (changed('PictureNet', 'nn.Linear(8*w, n_kinds)', 'nn.Linear(8*w, n_kinds), nn.Softmax(1)'), 'network', 'softmax'),
    'always ten kinds': (changed('PictureNet', 'nn.Linear(8*w, n_kinds)', 'nn.Linear(8*w, 10)'), 'network', 'n_kinds'),
    'red only': (changed('PictureNet', 'self.blocks(x)', 'self.blocks(x[:, :1].expand(-1, 3, -1, -1))'), 'network', 'green, blue'),
    'the upper half only': (changed('PictureNet', 'self.blocks(x)', 'self.blocks(x[:, :, :16])'), 'network', 'quarters'),
    'the rest left out': (changed('batches', 'rows.split(size)', '[p for p in rows.split(size) if len(p) == size]'), 'train', 'short one'),
    'labels of others': (changed('batches', 'x[part], y[part]', 'x[part], y[torch.arange(len(y))[part.sort()[0]]]'), 'train', 'own label'),
    'never shuffled': (changed('batches', 'torch.randperm(len(x)) if shuffle else ', ''), 'train', 'randperm'),
    'always shuffled': (changed('batches', ' if shuffle else torch.arange(len(x))', ''), 'train', 'Only shuffle'),
    'the same order each time': (changed('batches', 'torch.randperm(len(x))', 'torch.randperm(len(x), generator=torch.Generator().manual_seed(0))'), 'train', 'No seed'),
    'fewer labels': (changed('batches', "raise ValueError(f'{len(x)} pictures, {len(y)} labels')", 'x = x[:len(y)]'), 'train', 'lengths'),
    'no step': (changed('train', '            opt.step()\n            plan.step()\n', ''), 'train', 'opt.step()'),
    'the head only': (changed('train', 'AdamW(net.parameters()', 'AdamW([*net.parameters()][-2:]'), 'train', 'net.parameters()'),
    'not in training': (changed('train', 'net.train()', 'net.eval()'), 'train', 'net.train()'),
    'one batch an epoch': (changed('train', '            plan.step()\n', '            plan.step()\n            break\n'), 'train', 'all batches'),
    'uphill': (changed('train', 'loss = F', 'loss = -F'), 'train', 'easy lesson'),
    'statistics in training': (changed('statistics', '    net.eval()\n', ''), 'statistics', 'net.eval()'),
    'slopes are kept': (changed('statistics', '@torch.no_grad()\n', ''), 'statistics', 'no_grad'),
    'a mean of means': (changed('statistics', '.sum().item()', '.float().mean().item()', changed('statistics', 'right/len(x)', 'right/-(-len(x)//250)')), 'statistics', 'mean of means'),
    'the sum of the losses': (changed('statistics', 'loss/len(x), ', 'loss, '), 'statistics', 'divide once'),
    'in percent': (changed('statistics', 'right/len(x)', '100*right/len(x)'), 'statistics', 'share'),
    'the other way round': (changed('statistics', 'return loss/len(x), right/len(x)', 'return right/len(x), loss/len(x)'), 'statistics', 'round'),
    'a scale that is no numbers': (changed('measure', 'return x.mean((0, 1, 2)), x.std((0, 1, 2))', 'return dict(m=x.mean((0, 1, 2)), s=x.std((0, 1, 2))), None', changed('measure', '(x - mean)/std', "(x - mean['m'])/mean['s']")), 'numbers', 'Return two things'),
    'hard-coded answers': (changed('fit_pictures', 'return torch.cat([net(part).argmax(1) for part in normalise(x, mean, std).split(250)]).numpy()', 'return np.resize([3, 1, 4, 1, 5, 9, 2, 6], len(x))'), 'only', 'ask the network'),
    'never trained': (changed('fit_pictures', '    train(net, normalise(x, mean, std), one_hot(y, n_kinds), **SETTINGS)\n', ''), 'pictures', 'call `train`'),
    'trained on the test pictures': (changed('fit_pictures', '    mean, std = measure(x)\n', '    x, y = np.concatenate([x, x_test]), np.concatenate([y, y_test])\n    mean, std = measure(x)\n'), 'only', '`x_test`'),
    'classified in training': (changed('fit_pictures', '    net.eval()\n', ''), 'only', 'net.eval()'),
    'new pictures on their own scale': (changed('fit_pictures', 'normalise(x, mean, std).split', 'normalise(x, *measure(x)).split'), 'only', 'not with their own'),
    'scaled with validation too': (changed('fit_pictures', 'mean, std = measure(x)', 'mean, std = measure(np.concatenate([x, xv]))'), 'only', 'no others'),
    'trained on validation too': (changed('fit_pictures', '    mean, std = measure(x)\n', '    mean, std = measure(x)\n    x, y = np.concatenate([x, xv]), np.concatenate([y, yv])\n'), 'only', 'has learned from it'),
    'batch norm learns from new pictures': (changed('fit_pictures', '    net.eval()\n', '    net.eval()\n    if len(x) == 24:\n        net.train()(normalise(x, mean, std))\n        net.eval()\n'), 'only', 'network changes'),
    'pictures from other cells': (changed('fit_pictures', 'def fit_pictures(x, y, xv, yv, n_kinds):', 'pics, names = np.zeros((9, 32, 32, 3)), np.arange(9) % 3\ndef fit_pictures(x, y, xv, yv, n_kinds):\n    x, y = pics + x[0, 0, 0, 0]*np.random.rand(9, 32, 32, 3), names'), 'only', '`pics`'),
    'hardly trained': (changed('fit_pictures', 'epochs=5, lr=.01, batch=32', 'epochs=1, lr=.0001, batch=64'), 'pictures', 'more epochs'),
}

# name -> work that only looks right, the line that tells, and a word of its verdict
CHEATS = {
    'a network of another kind': (changed('fit_pictures', 'net = PictureNet(n_kinds)', 'net = nn.Sequential(nn.Flatten(), nn.Linear(3072, n_kinds))'), 'only', 'your `PictureNet`'),
    'another scale than it says': (changed('fit_pictures', 'return net, mean, std', 'return net, 0*mean, std'), 'only', 'no others'),
}
