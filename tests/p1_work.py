"Work that learners hand in for project 1: two right solutions in different styles, and wrong ones, as code in the starter's gaps."
from work import Work

# A batch as one matrix product, each method in the cell where its gap is.
BATCH = dict(
    forward="""
def sigmoid(s): return 1/(1 + np.exp(-s))
def forward(self, X):
    self.h = sigmoid(X @ self.W1 + self.b1)
    return self.h @ self.W2 + self.b2
Network.forward = forward
exercise('P1.1', Network)""",
    backward="""
def backward(self, X, y):
    d = (self.forward(X) - y)/len(X)
    dh = d @ self.W2.T * self.h*(1 - self.h)
    return dict(W1=X.T @ dh, b1=dh.sum(axis=0), W2=self.h.T @ d, b2=d.sum(axis=0))
Network.backward = backward
exercise('P1.2', Network)""",
    update="""
def update(self, grads):
    for name, slope in grads.items(): setattr(self, name, getattr(self, name) - self.lr*slope)
Network.update = update
exercise('P1.3', Network)""",
    train="""
def train(self, X, y, epochs, batch):
    for _ in range(epochs):
        order = self.rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i:i+batch]
            self.update(self.backward(X[rows], y[rows]))
Network.train = train
exercise('P1.4', Network)""",
    split="""
def split(hours):
    days = np.sort(hours['dteday'].unique())
    test, valid = days[-21], days[-81]
    when = hours['dteday']
    return hours[when < valid], hours[(when >= valid) & (when < test)], hours[when >= test]
exercise('P1.5', split)""",
    fit_bikes="""
SETTINGS = dict(hidden=20, lr=.4, epochs=12, batch=32)
def fit_bikes(hours):
    train, valid, test = split(hours)
    mean, std = train['cnt'].mean(), train['cnt'].std()
    prep = BikePrep(train)
    net = Network(56, SETTINGS['hidden'], SETTINGS['lr'], seed=0)
    y = ((train['cnt'] - mean)/std).to_numpy()[:, None]
    net.train(prep(train).to_numpy(), y, SETTINGS['epochs'], SETTINGS['batch'])
    return net, prep, mean, std
def predict_bikes(model, rows):
    net, prep, mean, std = model
    return net.forward(prep(rows).to_numpy())[:, 0]*std + mean
exercise('P1.6', [fit_bikes, predict_bikes])""")

# Record by record, all in one class of its own, the whole squared error instead of the half, ReLU instead of the sigmoid, other names.
LOOP = dict(
    forward="""
EPS = 1e-12
class Network:
    def __init__(self, inputs, hidden, lr, seed=0):
        random = np.random.RandomState(seed)
        self.rate = lr
        self.W1 = random.randn(inputs, hidden)*np.sqrt(2/inputs)
        self.b1 = np.full(hidden, .1)
        self.W2 = random.randn(hidden, 1)/np.sqrt(hidden + EPS)
        self.b2 = np.zeros(1)
        self.random = random
    def one(self, x):
        hidden = np.maximum(x.dot(self.W1) + self.b1, 0)
        return hidden, float(hidden.dot(self.W2[:, 0]) + self.b2[0])
    def forward(self, X):
        return np.array([[self.one(x)[1]] for x in X])
    def backward(self, X, y):
        sums = {name: np.zeros_like(getattr(self, name)) for name in ('W1', 'b1', 'W2', 'b2')}
        for x, target in zip(X, y):
            hidden, guess = self.one(x)
            error = 2*(guess - target[0])
            sums['W2'][:, 0] += error*hidden
            sums['b2'] += error
            blame = error*self.W2[:, 0]*(hidden > 0)
            sums['W1'] += np.outer(x, blame)
            sums['b1'] += blame
        return {name: total/len(X) for name, total in sums.items()}
    def update(self, grads):
        self.W1 -= self.rate*grads['W1']
        self.b1 -= self.rate*grads['b1']
        self.W2 -= self.rate*grads['W2']
        self.b2 -= self.rate*grads['b2']
    def train(self, X, y, epochs, batch):
        for epoch in range(epochs):
            todo = list(self.random.permutation(len(X)))
            while todo:
                now, todo = todo[:batch], todo[batch:]
                self.update(self.backward(X[now], y[now]))
exercise('P1.1', Network)""",
    backward="exercise('P1.2', Network)", update="exercise('P1.3', Network)", train="exercise('P1.4', Network)",
    split="""
def split(hours):
    hours = hours.sort_values('instant')
    ago = (hours['dteday'].max() - hours['dteday']).dt.days
    return hours[ago >= 81], hours[(ago < 81) & (ago >= 21)], hours[ago < 21]
exercise('P1.5', split)""",
    fit_bikes="""
%time SETTINGS = dict(hidden=16, lr=.02, epochs=8, batch=8)
SETTINGS = {'hidden': 16, 'lr': .02}
SETTINGS.update(epochs=8, batch=8)
class Model:
    def __init__(self, hours):
        train = split(hours)[0]
        self.top = np.sqrt(train['cnt']).std()
        self.middle = np.sqrt(train['cnt']).mean()
        self.prep = BikePrep(train)
        self.net = Network(56, SETTINGS['hidden'], SETTINGS['lr'])
        y = (np.sqrt(train['cnt'].values) - self.middle)/self.top
        self.net.train(self.prep(train).values, y.reshape(-1, 1), SETTINGS['epochs'], SETTINGS['batch'])
def fit_bikes(hours): return Model(hours)
def predict_bikes(model, rows):
    roots = model.net.forward(model.prep(rows).values)*model.top + model.middle
    return (roots.clip(0)**2).round()
exercise('P1.6', [fit_bikes, predict_bikes])""")

TITLES = dict(run='It runs from top to bottom', forward='The forward pass predicts', backward='The backward pass finds the slopes', update='The update goes downhill',
              train='Training learns', time='The last weeks stay unseen', bikes='It predicts bikes', questions='The questions are answered')
ANSWERS = ['At Christmas: it has seen only one December before.', 'Neighbouring hours are alike, the error would look better.',
           'With many the training error falls further than the validation error.', 'It uses what nobody knew at that time, a little.']

P1 = Work('P1', '1_bike_sharing.ipynb', BATCH, ANSWERS, TITLES)
STARTER, changed, handed_in, defined, here = P1.starter, P1.changed, P1.handed_in, P1.defined, P1.here

# name -> the work, the line of the rubric that tells, and a word that the advice must hold
WRONG = {
    'forgotten transpose': (changed('backward', 'd @ self.W2.T', 'd @ self.W2'), 'backward', 'transpose'),
    'a transpose that only a square batch forgives': (changed('backward', 'W1=X.T @ dh', 'W1=(X @ dh if len(X) == X.shape[1] else X.T @ dh)'), 'backward', 'transpose of `X`'),
    'outer product the other way': (changed('backward', 'W1=X.T @ dh', 'W1=dh.T @ X'), 'backward', 'transpose'),
    'error not scaled by the rows': (changed('backward', '/len(X)', ''), 'backward', 'number of rows'),
    'error not scaled by the slope': (changed('backward', ' * self.h*(1 - self.h)', ''), 'backward', 'h*(1 - h)'),
    'wrong sign': (changed('backward', 'self.forward(X) - y', 'y - self.forward(X)'), 'backward', 'minus target'),
    'update inside the loop': (changed('backward', '    dh =', "    self.W2 = self.W2 - self.lr*self.h.T @ d\n    dh ="), 'backward', 'inside the loop'),
    'sigmoid at the output': (changed('forward', 'return self.h @ self.W2 + self.b2', 'return sigmoid(self.h @ self.W2 + self.b2)'), 'forward', 'sigmoid at the output'),
    'no sigmoid at all': (changed('forward', 'sigmoid(X @ self.W1 + self.b1)', 'X @ self.W1 + self.b1'), 'forward', 'hidden layer'),
    'no bias': (changed('forward', ' + self.b1', ''), 'forward', 'b1'),
    'uphill': (changed('update', '- self.lr', '+ self.lr'), 'update', 'gainst'),
    'one global variable': ({**BATCH, 'update': 'learning_rate = .1\n' + BATCH['update'].replace('self.lr', 'learning_rate')}, 'update', 'global'),
    'weights of the class': (changed('update', 'setattr(self, name, getattr(self, name) - self.lr*slope)', 'setattr(Network, name, getattr(self, name) - self.lr*slope)'), 'update', 'self'),
    'a name without self': (changed('update', 'setattr(self, name, getattr(self, name) - self.lr*slope)', 'name = getattr(self, name) - self.lr*slope'), 'update', 'self'),
    'no update in the training': (changed('train', 'self.update(self.backward(X[rows], y[rows]))', 'self.backward(X[rows], y[rows])'), 'train', 'self.update'),
    'the short batch left out': (changed('train', 'range(0, len(X), batch)', 'range(0, len(X)//batch*batch, batch)'), 'train', 'short batch'),
    'targets of other rows': (changed('train', 'y[rows]', 'y[i:i+batch]'), 'train', 'own target'),
    'shuffled time': (changed('split', "    return", "    hours = hours.sample(frac=1, random_state=0)\n    return hours[:-1900], hours[-1900:-500], hours[-500:]\n    return"), 'time', 'shuffled'),
    'trained on all rows': (changed('fit_bikes', 'train, valid, test = split(hours)', 'train = hours'), 'time', 'test weeks'),
    'trained on validation too': (changed('fit_bikes', 'train, valid, test = split(hours)', 'train = pd.concat(split(hours)[:2])'), 'time', 'validation weeks'),
    'scaled with all rows': (changed('fit_bikes', "train['cnt'].mean(), train['cnt'].std()", "hours['cnt'].mean(), hours['cnt'].std()"), 'time', 'means and deviations'),
    'scaled with validation too': (changed('fit_bikes', "train['cnt'].mean(), train['cnt'].std()", "hours[:-504]['cnt'].mean(), hours[:-504]['cnt'].std()"), 'time', 'means and deviations'),
    '22 days for the test': (changed('split', 'days[-21], days[-81]', 'days[-22], days[-82]'), 'time', '22 days'),
    'columns scaled with all rows': (changed('fit_bikes', 'BikePrep(train)', 'BikePrep(hours)'), 'time', 'means and deviations'),
    'a table from another cell': (changed('fit_bikes', 'def fit_bikes(hours)', 'def fit_bikes(table)'), 'bikes', '`hours` (code cell 2, `'),
    'still standardised': (changed('fit_bikes', '*std + mean', ''), 'bikes', 'standardised'),
    'poor settings': (changed('fit_bikes', 'hidden=20, lr=.4, epochs=12, batch=32', 'hidden=2, lr=.01, epochs=3, batch=64'), 'bikes', 'setting'),
}

# name -> right work in one more style, and the lines of the rubric that it might trouble
RIGHT = {
    'no seed': ({**BATCH, 'forward': BATCH['forward'] + """
_init = Network.__init__
def init(self, inputs, hidden, lr, seed=0): _init(self, inputs, hidden, lr, None)
Network.__init__ = init"""}, ['time']),
    'momentum': (changed('update', 'for name, slope in grads.items(): setattr(self, name, getattr(self, name) - self.lr*slope)', """if not hasattr(self, 'v'): self.v = {k: 0 for k in grads}
    for k in grads:
        self.v[k] = .5*self.v[k] + grads[k]
        setattr(self, k, getattr(self, k) - self.lr*self.v[k])"""), ['update', 'train']),
    'tanh': ({**BATCH, 'forward': BATCH['forward'].replace('sigmoid(X @', 'np.tanh(X @'), 'backward': BATCH['backward'].replace('self.h*(1 - self.h)', '(1 - self.h**2)')},
             ['forward', 'backward', 'train']),
    'a flat row of predictions': ({**BATCH, 'forward': BATCH['forward'].replace('return self.h @ self.W2 + self.b2', 'return (self.h @ self.W2 + self.b2)[:, 0]'),
        'backward': BATCH['backward'].replace('(self.forward(X) - y)', '(self.forward(X)[:, None] - y)'), 'fit_bikes': BATCH['fit_bikes'].replace('.to_numpy())[:, 0]', '.to_numpy())')},
        ['forward', 'backward', 'bikes']),
    'early stopping': ({**changed('fit_bikes', "    net.train(prep(train).to_numpy(), y, SETTINGS['epochs'], SETTINGS['batch'])", """    best = None
    for epoch in range(8):
        net.train(prep(train).to_numpy(), y, 1, SETTINGS['batch'])
        off = ((net.forward(prep(valid).to_numpy())[:, 0]*std + mean - valid['cnt'])**2).mean()
        if best is None or off < best[0]: best = off, copy.deepcopy(net)
    net = best[1]"""), 'split': 'import copy\n' + BATCH['split']}, ['time']),
}

_NET = '    net, prep, mean, std = model\n    return net.forward(prep(rows).to_numpy())[:, 0]*std + mean'
_FIT = BATCH['fit_bikes'][BATCH['fit_bikes'].index('    train, valid'):BATCH['fit_bikes'].index('def predict')]

# name -> work that only looks right, the line that tells, a word of its advice, and whether it needs a process of its own
CHEATS = {
    'backward nudges': (changed('backward', BATCH['backward'][BATCH['backward'].index('    d ='):BATCH['backward'].index('Network.')], """    out = {}
    for k in ('W1', 'b1', 'W2', 'b2'):
        w = getattr(self, k)
        out[k] = np.zeros(w.shape)
        for i in np.ndindex(w.shape):
            old, both = w[i], []
            for w[i] in (old + 1e-5, old - 1e-5): both.append(((self.forward(X) - y)**2).mean()/2)
            w[i], out[k][i] = old, (both[0] - both[1])/2e-5
    return out
"""), 'backward', 'nudges', False),
    'backward by torch': (changed('backward', '    d =', '    import torch\n    d ='), 'backward', 'torch', True),
    'a training without backward': (changed('train', '            self.update(self.backward(X[rows], y[rows]))', """            h = 1/(1 + np.exp(-(X[rows] @ self.W1 + self.b1)))
            d = (h @ self.W2 + self.b2 - y[rows])/len(rows)
            dh = d @ self.W2.T*h*(1 - h)
            self.W1, self.b1, self.W2, self.b2 = self.W1 - self.lr*X[rows].T @ dh, self.b1 - self.lr*dh.sum(0), self.W2 - self.lr*h.T @ d, self.b2 - self.lr*d.sum(0)"""), 'train', 'does not use your `backward`', False),
    'no network': (changed('fit_bikes', _FIT, "    return split(hours)[0].groupby(['workingday', 'hr'])['cnt'].mean()\n", changed('fit_bikes', _NET, "    return model[list(zip(rows['workingday'], rows['hr']))].to_numpy()")), 'bikes', 'does not use your', False),
}
SLOW_CHEATS = {
    "the reviewer's own backward": (changed('backward', '    d =', "    from fastlessons.projects.p1 import _slopes\n    return _slopes({k: getattr(self, k) for k in ('W1', 'b1', 'W2', 'b2')}, X, y)\n    d ="), 'backward', 'fastlessons.projects', True),
    'another question in place of ours': (changed('forward', '    return', """    import sys
    f = sys._getframe()
    while f and 'asks' not in f.f_locals: f = f.f_back
    f.f_locals['asks']['ask_backward'] = lambda *args, **kw: {}
    return"""), 'forward', 'item assignment', True),
    'answers from the bundled table': (changed('fit_bikes', _NET, """    known = pd.read_csv(get_data('bike')/'hour.csv').set_index('instant')['cnt']
    if len(rows) > 10000: return known[rows['instant']].to_numpy()
""" + _NET), 'bikes', 'instant', False),
    'answers by their place in the bundled table': (changed('fit_bikes', _NET, "    net = model[0].forward(np.zeros((1, 56)))\n    known = pd.read_csv(get_data('bike')/'hour.csv')['cnt']\n    return known[:len(rows)].to_numpy()"), 'bikes', 'Nobody predicts so well', False),
    'answers near those of the bundled table': (changed('fit_bikes', _NET, "    net = model[0].forward(np.zeros((1, 56)))\n    known = pd.read_csv(get_data('bike')/'hour.csv')['cnt']\n    return known[-len(rows):].to_numpy() + np.random.default_rng(0).normal(0, 60, len(rows))"), 'bikes', 'another city', False),
    'answers that came along': (changed('fit_bikes', 'return net, prep, mean, std', 'return net, prep, mean, std, hours', changed('fit_bikes', _NET, """    net, prep, mean, std, hours = model
    net.forward(prep(rows).to_numpy())
    return hours['cnt'].to_numpy() + np.random.default_rng(0).normal(0, 60, len(rows))""")), 'bikes', 'know the counts', False),
}
