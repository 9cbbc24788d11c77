"The network in numpy: its slopes against nudging and PyTorch, its training against PyTorch's, and bad input."
import inspect, io, tokenize, warnings

import numpy as np, pandas as pd, pytest, scipy.sparse, torch

from conftest import refuses
from fastlessons import numpy_net
from fastlessons.numpy_net import NumpyClassifier, NumpyNet, backward, forward

TORCH = dict(sigmoid=torch.sigmoid, tanh=torch.tanh, relu=torch.relu)
SIZES = [(3, 1), (3, 4, 1), (5, 7, 3, 2), (2, 6, 5, 4, 1)]   # without a hidden layer, with one, two and three

def network(sizes, seed=0):
    rng = np.random.default_rng(seed)
    layers = [(rng.normal(size=(n, m)), rng.normal(size=m)) for n, m in zip(sizes, sizes[1:])]
    return layers, rng.normal(size=(11, sizes[0])), rng.normal(size=(11, sizes[-1]))

def flat(layers): return [p for layer in layers for p in layer]

@pytest.mark.parametrize('act', TORCH)
@pytest.mark.parametrize('sizes', SIZES)
def test_slopes_are_those_of_torch_and_of_nudging(sizes, act):
    layers, x, y = network(sizes)
    outs = forward(layers, x, act)
    slopes = flat(backward(layers, outs, outs[-1] - y, act))
    params = [torch.tensor(p, requires_grad=True) for p in flat(layers)]
    z = torch.tensor(x)
    for k in range(0, len(params), 2):
        z = z@params[k] + params[k+1]
        if k < len(params) - 2: z = TORCH[act](z)
    assert np.abs(z.detach().numpy() - outs[-1]).max() < 1e-12
    ((z - torch.tensor(y))**2).sum().div(2).backward()
    for p, s in zip(params, slopes): assert np.abs(p.grad.numpy() - s).max() < 1e-9
    def loss(): return ((forward(layers, x, act)[-1] - y)**2).sum()/2
    for p, s in zip(flat(layers), slopes):
        for i in list(np.ndindex(p.shape))[::3]:
            kept, ends = p[i], []
            for step in (1e-6, -1e-6):
                p[i] = kept + step
                ends.append(loss())
            p[i] = kept
            assert abs((ends[0] - ends[1])/2e-6 - s[i]) < 1e-6*max(1, abs(s[i])), (act, i)

def test_slopes_of_log_loss():
    layers, x, _ = network((3, 4, 1))
    y = (x[:, :1] > 0)*1.
    outs = forward(layers, x, 'tanh')
    slopes = flat(backward(layers, outs, numpy_net.sigmoid(outs[-1]) - y, 'tanh'))
    params = [torch.tensor(p, requires_grad=True) for p in flat(layers)]
    z = torch.tanh(torch.tensor(x)@params[0] + params[1])@params[2] + params[3]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(y), reduction='sum')
    loss.backward()
    for p, s in zip(params, slopes): assert np.abs(p.grad.numpy() - s).max() < 1e-9
    assert abs(NumpyClassifier()._loss(outs[-1], y)*len(y) - loss.item()) < 1e-9

def test_sigmoid_never_overflows():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert np.allclose(numpy_net.sigmoid(np.array([-1e4, 0, 1e4])), [0, .5, 1], atol=1e-300)

def data(n=200, columns=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    return x, np.sin(x[:, 0]) + .5*x[:, 1]*x[:, 2]

@pytest.mark.parametrize('hidden, act, momentum, wd', [([8], 'sigmoid', 0, 0), ([8, 5], 'relu', .9, .01), ([], 'relu', .5, 0)])
def test_training_is_that_of_torch(hidden, act, momentum, wd):
    "The same start, the same batches, the same rates: the same weights."
    x, y = data(100)
    net = NumpyNet(hidden, act, lr=.05, epochs=4, bs=30, momentum=momentum, wd=wd, seed=3).fit(x, y)
    rng = np.random.default_rng(3)
    sizes = [4, *hidden, 1]
    params = []
    for n, m in zip(sizes, sizes[1:]): params += [torch.tensor(rng.normal(0, n**-.5, (n, m)), requires_grad=True), torch.zeros(m, dtype=torch.double, requires_grad=True)]
    opt = torch.optim.SGD(params, lr=.05, momentum=momentum, weight_decay=wd)
    step = 0
    for _ in range(4):
        for rows in np.array_split(rng.permutation(100), 4):
            z = torch.tensor(x[rows])
            for k in range(0, len(params), 2):
                z = z@params[k] + params[k+1]
                if k < len(params) - 2: z = TORCH[act](z)
            for group in opt.param_groups: group['lr'] = .05*(1 - step/16)
            opt.zero_grad()
            ((z[:, 0] - torch.tensor(y[rows]))**2).mean().div(2).backward()
            opt.step()
            step += 1
    for p, q in zip(params, flat(net.layers_)): assert np.abs(p.detach().numpy() - q).max() < 1e-9

def test_it_learns_and_the_seed_decides():
    x, y = data(600)
    settings = dict(hidden=[32], act='relu', lr=.1, epochs=60, bs=32)
    net = NumpyNet(**settings).fit(x[:400], y[:400], valid=(x[400:], y[400:]))
    assert net.score(x[400:], y[400:]) > .85
    assert len(net.log_['train']) == len(net.log_['valid']) == 60 and net.log_['train'][-1] < .1*net.log_['train'][0]
    z = net.predict(x[400:]) - y[400:]
    assert abs(net.log_['valid'][-1] - (z**2).mean()/2) < 1e-12
    again, other = (NumpyNet(**settings, seed=s).fit(x[:400], y[:400]) for s in (0, 1))
    assert (again.predict(x) == net.predict(x)).all() and not np.allclose(other.predict(x), net.predict(x))
    assert (net.fit(x[:400], y[:400]).predict(x) == again.predict(x)).all(), 'fit begins anew'

def test_score_is_r2():
    from sklearn.metrics import r2_score
    x, y = data()
    net = NumpyNet(5, epochs=3).fit(x, y)
    assert abs(net.score(x, y) - r2_score(y, net.predict(x))) < 1e-12
    assert net.score(x, np.ones(200)) == 0

def test_predictions_come_in_the_container_of_the_records():
    x, y = data(20)
    net = NumpyNet(3, epochs=2).fit(x, y)
    said = net.predict(x)
    assert isinstance(said, np.ndarray) and said.shape == (20,)
    assert net.predict(x.tolist()) == said.tolist()
    assert np.allclose(net.predict(scipy.sparse.csr_matrix(x)), said)
    table = pd.DataFrame(x, index=range(5, 25), columns=list('abcd'))
    series = NumpyNet(3, epochs=2).fit(table, pd.Series(y)).predict(table)
    assert series.index.equals(table.index) and np.allclose(series, said)

@pytest.mark.parametrize('make', [np.asarray, scipy.sparse.csr_matrix, pd.DataFrame, lambda x: x.tolist()])
def test_classifier(make):
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    for classes in (['no', 'yes'], [0, 1], [False, True], [3, 7]):
        y = [classes[k] for k in (0, 1, 1, 0)]
        net = NumpyClassifier(4, 'tanh', lr=1, epochs=100).fit(make(corners), y, valid=(make(corners), y))
        assert list(net.predict(make(corners))) == y and net.score(make(corners), y) == 1
        probs = net.predict_proba(make(corners))
        assert probs.shape == (4, 2) and np.allclose(probs.sum(axis=1), 1) and net.classes_.tolist() == classes
        assert abs(net.log_['valid'][-1] + np.log(probs[range(4), [0, 1, 1, 0]]).mean()) < 1e-9

@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_gaps_are_refused_wherever_they_are(bad):
    x, y = data(10)
    hole, off = x.copy(), y.copy()
    hole[3, 1] = off[4] = bad
    net = NumpyNet(3, epochs=1).fit(x, y)
    for f in (lambda: NumpyNet().fit(hole, y), lambda: net.predict(hole), lambda: NumpyNet().fit(scipy.sparse.csr_matrix(hole), y)): refuses(ValueError, f, 'X has 1 gaps')
    refuses(ValueError, lambda: net.fit(x, y, valid=(hole, y)), 'valid has 1 gaps')
    refuses(ValueError, lambda: NumpyNet().fit(x, off), 'y has 1 gaps', '[4]')
    refuses(ValueError, lambda: net.score(x, off), 'y has 1 gaps')

def test_what_does_not_fit_is_refused():
    x, y = data(10)
    net = NumpyNet(3, epochs=1).fit(x, y)
    refuses(ValueError, lambda: NumpyNet().fit(x, y[:9]), '10 records and 9 answers')
    refuses(ValueError, lambda: NumpyNet().fit(x[:, 0], y), '(10,)')
    refuses(ValueError, lambda: NumpyNet().fit(x, y[:, None]), '(10, 1)', 'np.ravel(y)')
    refuses(ValueError, lambda: NumpyNet().fit(x[:0], y[:0]), '(0, 4)')
    refuses(ValueError, lambda: NumpyNet().fit(x[:, :0], y), '(10, 0)')
    refuses(ValueError, lambda: NumpyNet().fit([['a', 'b']], [1]), "'a'")
    refuses(ValueError, lambda: NumpyNet().fit(x, ['a']*10), "'a'")
    refuses(ValueError, lambda: NumpyNet().fit(x, pd.Series(pd.date_range('2024-01-01', periods=10))), 'y holds', 'datetime')
    refuses(ValueError, lambda: NumpyNet().fit(x*1j, y), 'complex')
    refuses(ValueError, lambda: NumpyNet().fit([[1], [2, 3]], [1, 2]), 'X holds')
    refuses(ValueError, lambda: net.predict(x[:, :3]), '3 columns', '4')
    refuses(ValueError, lambda: net.score(x, y[:5]), '10 predictions and 5 answers')
    refuses(ValueError, lambda: NumpyNet().predict(x), 'fit')
    table = pd.DataFrame(x, columns=list('abcd'))
    net.fit(table, y)
    refuses(ValueError, lambda: net.predict(table[list('abdc')]), "Column 2", "'d'", "'c'")
    with pytest.raises(ValueError) as e: net.predict(x[:, :3])
    assert '[' not in str(e.value), 'an array has no names to tell'

def test_a_validation_set_is_checked_before_training():
    "At the door, and the network that was there stays as it was."
    x, y = data(20)
    table = pd.DataFrame(x, columns=list('abcd'))
    net = NumpyNet(3, epochs=1).fit(table, y)
    before, log = net.predict(table), net.log_
    for valid, words in [((table, y[:10]), '20 records of valid and 10 answers'), ((table,), 'pair'), ([], 'pair'), (table, 'pair'), (dict(X=table, y=y), 'pair'),
                         ((table[list('abc')], y), 'valid has 3 columns'), ((table[list('bacd')], y), "'b'"), ((table, y[:, None]), 'ravel')]:
        refuses(ValueError, lambda valid=valid: net.fit(table, y, valid), words)
        assert net.log_ is log and net.predict(table).equals(before)
    assert len(net.fit(table, y, [table, list(y)]).log_['valid']) == 1
    sparse = scipy.sparse.csr_matrix(x)
    assert net.fit(sparse, y, (sparse, y)).log_['valid'][0] == pytest.approx(((net.predict(x) - y)**2).mean()/2)

@pytest.mark.parametrize('settings', [dict(hidden=0), dict(hidden=[4, -1]), dict(hidden=[2.5]), dict(hidden=2.5), dict(act='rely'), dict(lr=0), dict(lr=np.nan), dict(epochs=0), dict(bs=0),
                                      dict(momentum=1), dict(wd=-1), dict(seed=-1), dict(epochs=True)])
def test_settings_that_cannot_be(settings):
    refuses(ValueError, lambda: NumpyNet(**settings), next(iter(settings)) if 'act' not in settings else 'relu')

def test_hidden_is_a_list_or_a_number():
    assert NumpyNet(7).hidden == NumpyNet(np.int64(7)).hidden == [7] and NumpyNet((7, 3)).hidden == [7, 3]
    refuses(TypeError, lambda: NumpyNet('7'), 'hidden')

@pytest.mark.parametrize('act', TORCH)
def test_a_learning_rate_that_explodes_is_said_with_the_step(act):
    x, y = data()
    net = NumpyNet(20, act, lr=1e4, bs=20, momentum=0)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with pytest.raises(FloatingPointError, match=r'step \d+: it explodes. lr is 10000'): net.fit(x, y)
        with pytest.raises(FloatingPointError, match='step 1:'): NumpyNet(5, 'relu').fit(x*1e6, y)
    refuses(ValueError, lambda: net.predict(x), 'fit')   # it has learned nothing that could be used

def test_an_explosion_in_the_last_step_is_said_too():
    "A step is judged by the loss before it: the last one by a loss after it."
    x, y = data()
    net = NumpyNet(64, 'relu', lr=1e4, epochs=1, bs=1000)
    with pytest.raises(FloatingPointError, match='step 1: it explodes'): net.fit(x, y)
    refuses(ValueError, lambda: net.predict(x), 'fit')

def test_a_classifier_whose_fit_fails_forgets_the_one_before():
    "Its old weights would answer with the new classes."
    x, _ = data(4)
    net = NumpyClassifier(3, epochs=1).fit(x, [0, 1, 1, 0])
    refuses(ValueError, lambda: net.fit(x, list('abba'), valid=(x, list('abbc'))), 'c')
    refuses(ValueError, lambda: net.predict(x), 'fit')

def test_classifier_refuses():
    x, _ = data(4)
    net = NumpyClassifier(3, epochs=1).fit(x, [0, 1, 1, 0])
    refuses(ValueError, lambda: net.fit(x, [1, 1, 1, 1]), '1 classes')
    refuses(ValueError, lambda: net.fit(x, [0, 1, 2, 0]), '3 classes')
    refuses(ValueError, lambda: net.fit(x, [0, 1, None, 0]), 'gaps')
    net.fit(x, [0, 1, 1, 0])
    refuses(ValueError, lambda: net.score(x, [0, 1, 1, 5]), '5')
    refuses(ValueError, lambda: net.score(x, [0, 1]), '4 predictions and 2 answers')
    refuses(ValueError, lambda: net.fit(x, [0, 1]), '4 records and 2 answers')

def test_the_network_is_sixty_lines():
    "Of code, a wrapped line counted once: without the texts that say what it does, and without the checks of bad input."
    def lines(o):
        ends = io.StringIO(inspect.getsource(o)).readline
        logical = [t.line.strip() for t in tokenize.generate_tokens(ends) if t.type == tokenize.NEWLINE]
        return sum(not line.endswith('"') for line in logical)
    assert 50 < sum(map(lines, (NumpyNet, forward, backward, numpy_net.sigmoid))) + 1 <= 60   # and the line of `ACTS`

def test_a_linear_hidden_layer_only_adds_up():
    "It is what it says: two layers are one, and its slopes are those of a linear model."
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    y = x@[1, -2, 0, 3] + 1
    net = NumpyNet(5, 'linear', lr=.1, epochs=60, bs=20).fit(x, y)
    (w1, b1), (w2, b2) = net.layers_
    assert np.allclose((w1@w2)[:, 0], [1, -2, 0, 3], atol=.01) and np.allclose(net.predict(x), x@(w1@w2)[:, 0] + b1@w2 + b2)
