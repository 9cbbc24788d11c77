"The training loop with its callbacks: against PyTorch, with bad input, and when it is interrupted."
import fcntl, math, os, pickletools, pty, random, signal, struct, subprocess, sys, termios, types
from functools import partial

import nbformat, numpy as np, pytest, torch
from torch import nn
from torch.nn import functional as F

from conftest import ROOT
from fastlessons import train
from fastlessons.simple import foundations
from fastlessons.train import Adam, Batches, Checkpoint, Clip, Device, EarlyStopping, Momentum, OneCycle, SGD, Schedule, TensorBoard, accuracy, fit

def data(n=60, kind='labels'):
    x = torch.randn(n, 4, generator=torch.manual_seed(0))
    return x, (x[:, 0] > 0).long() if kind == 'labels' else x.sum(1, keepdim=True)

def net(n_out=2, p=0.):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(p), nn.Linear(8, n_out))

def quiet(model, train_dl, valid_dl=None, epochs=1, lr=.1, **kw): return fit(model, (train_dl, valid_dl), epochs, lr, **{'show': False, **kw})

def same(a, b): return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))

# The loop, against others

OPTS = [(SGD, torch.optim.SGD, {}), (SGD, torch.optim.SGD, dict(wd=.1)), (Momentum, partial(torch.optim.SGD, momentum=.9), {}),
        (Adam, torch.optim.Adam, {}), (Adam, torch.optim.Adam, dict(betas=(.5, .9), eps=1e-3))]

def bare(model, opt, epochs, x, y):
    "Train in the plainest way."
    torch.manual_seed(5)
    for _ in range(epochs):
        for i in torch.randperm(len(x)).split(16):
            opt.zero_grad()
            F.cross_entropy(model(x[i]), y[i]).backward()
            opt.step()

@pytest.mark.parametrize('ours,theirs,kw', OPTS)
def test_a_network_trains_as_with_torch_optim(ours, theirs, kw):
    "The whole loop, in 32 bits, with dropout and an odd last batch, against a bare loop."
    (x, y), a, b = data(), net(p=.3), net(p=.3)
    torch.manual_seed(5)
    quiet(a, Batches(x, y, 16, shuffle=True), epochs=5, lr=.02, opt_func=ours, **kw)
    bare(b, theirs(b.parameters(), lr=.02, **{dict(wd='weight_decay').get(k, k): v for k, v in kw.items()}), 5, x, y)
    for p, q in zip(a.parameters(), b.parameters()): torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)

class Old:
    "The steps of version 0.1.0."
    def __init__(self, params, kind, lr=.02):
        self.ps, self.kind, self.lr, self.t = list(params), kind, lr, 0
        self.a, self.b = ([torch.zeros_like(p) for p in self.ps] for _ in range(2))
    def zero_grad(self):
        for p in self.ps: p.grad = None
    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, a, b in zip(self.ps, self.a, self.b):
            if self.kind is SGD: p.add_(p.grad, alpha=-self.lr)
            if self.kind is Momentum: p.add_(a.mul_(.9).add_(p.grad), alpha=-self.lr)
            if self.kind is Adam:
                avg, sqr = a.lerp_(p.grad, 1-.9), b.lerp_(p.grad*p.grad, 1-.999)
                p.addcdiv_(avg/(1-.9**self.t), (sqr/(1-.999**self.t)).sqrt_().add_(1e-8), value=-self.lr)

@pytest.mark.parametrize('kind', [SGD, Momentum, Adam])
def test_parameters_are_those_of_version_0_1_0(kind):
    (x, y), a, b = data(), net(p=.3), net(p=.3)
    torch.manual_seed(5)
    quiet(a, Batches(x, y, 16, shuffle=True), epochs=5, lr=.02, opt_func=kind)
    bare(b, Old(b.parameters(), kind), 5, x, y)
    assert same(a, b)

def test_the_lessons_loop_agrees():
    (x, y), a, b = data(), net(), net()
    torch.manual_seed(2)
    quiet(a, Batches(x, y, 16, shuffle=True), epochs=3, opt_func=Momentum)
    torch.manual_seed(2)
    foundations.train_loop(b, foundations.Batches(x, y, 16, shuffle=True), F.cross_entropy, Momentum(b.parameters(), .1), 3)
    assert same(a, b)

def test_fit_takes_optimisers_of_torch_and_any_loss():
    x, y = data(kind='numbers')
    log = quiet(net(1), [(x, y)], [(x, y)], epochs=50, lr=.01, loss_func=F.l1_loss, opt_func=torch.optim.AdamW, weight_decay=.1)
    assert set(log) == {'train', 'valid'} and log['train'][-1] < log['train'][0]/2

def test_parameters_without_a_gradient_stay():
    used, unused, frozen = (torch.ones(2, requires_grad=g) for g in (True, True, False))
    opt = Adam([used, unused, frozen], lr=.1, wd=.1)
    used.sum().backward()
    opt.step()
    assert len(opt.params) == 2 and unused.tolist() == frozen.tolist() == [1, 1] and used.tolist() != [1, 1]

def test_means_count_rows_not_batches():
    (x, y), model, kept = data(), net(), net()
    log = quiet(model, Batches(x, y, 50), Batches(x, y, 50), lr=1e-12, metrics=accuracy)
    with torch.no_grad(): loss, right = F.cross_entropy(kept(x), y).item(), accuracy(kept(x), y).item()
    for found in (log['train'][0], log['valid'][0], train.validate(kept, Batches(x, y, 50))[0]): assert math.isclose(found, loss, rel_tol=1e-5)
    assert math.isclose(log['accuracy'][0], right, rel_tol=1e-5)

def test_several_metrics_and_their_names():
    class Worst:
        def __call__(self, preds, targs): return F.cross_entropy(preds, targs, reduction='none').max().item()
    def above(preds, targs, at): return (preds > at).float().mean()
    x, y = data()
    log = quiet(net(), [(x, y)], [(x, y)], metrics=[accuracy, Worst(), partial(above, at=0)])
    assert list(log) == ['train', 'valid', 'accuracy', 'Worst', 'above'] and log['Worst'][0] > log['valid'][0]

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 2)
    def forward(self, x, mask): return self.lin(x*mask)

def test_several_inputs():
    (x, y), model, twin = data(), Two(), nn.Linear(4, 2)
    twin.load_state_dict(model.lin.state_dict())
    mask = torch.tensor([1., 0, 1, 1])
    dl = [(x, mask.expand_as(x), y)]
    log = quiet(model, dl, dl, epochs=3, metrics=accuracy)
    assert log['valid'] == quiet(twin, [(x*mask, y)], [(x*mask, y)], epochs=3)['valid'] and same(model, twin)
    assert train.validate(model, dl, metrics=[accuracy])[1] == log['accuracy'][-1]

def test_fastais_loaders():
    import fastai.basics as fastai
    x, y = data()
    dls = fastai.DataLoaders(Batches(x, y, 16), Batches(x, y))
    assert fit(net(), dls, 1, .1, show=False) == quiet(net(), Batches(x, y, 16), Batches(x, y))

def test_training_mode():
    "`validate` leaves the model as it was, `fit` leaves it ready to predict, whatever happens on the way."
    (x, y), model = data(), net()
    for mode in (True, False):
        train.validate(model.train(mode), [(x, y)])
        assert model.training is mode
    with pytest.raises(RuntimeError): train.validate(model.train(), [(x[:, :2], y)])
    assert model.training
    for valid in (None, [(x, y)]):
        quiet(model.train(), [(x, y)], valid)
        assert not model.training
    with pytest.raises(RuntimeError): quiet(model.train(), [(x[:, :2], y)])
    assert not model.training

# What can be wrong

def bad(what, n=60):
    x, y = data(n)
    if what == 'nan': x[7, 2] = math.nan
    if what == 'infinity': x[7, 2] = -math.inf
    if what == 'nan in answers': y = y*1.; y[3] = math.nan
    if what == 'labels too high': y = y+1
    if what == 'labels too low': y = y-1
    if what == 'stretched': y = y*1.
    if what == 'one column': y = y[:, None]*1.
    return x, y

BAD = {'nan': '1 of the 80 numbers of the data are NaN', 'infinity': '1 of the 80 numbers of the data', 'nan in answers': 'numbers of the answers are NaN',
       'labels too high': 'labels go from 1 to 2', 'labels too low': 'labels go from -1 to 0',
       'stretched': r'predictions have the shape \(20, 2\), the answers \(20,\).*yb\.long\(\)', 'one column': r'\(20, 2\), the answers \(20, 1\)'}

@pytest.mark.parametrize('what', BAD)
def test_bad_data(what):
    with pytest.raises(ValueError, match=BAD[what]): quiet(net(), Batches(*bad(what), 20))

def test_bad_data_in_a_late_batch_is_found():
    x, y = data()
    x[-1, 0] = math.nan
    with pytest.raises(ValueError, match='1 of the 80 numbers'): quiet(net(), Batches(x, y, 20))

def test_answers_that_do_not_count():
    (x, y), ignored = data(), torch.full((60,), -100)
    log = quiet(net(), [(x, torch.where(torch.arange(60) < 30, y, ignored))])
    assert math.isclose(log['train'][0], F.cross_entropy(net()(x[:30]), y[:30]).item(), rel_tol=1e-5)

def test_odd_shapes_where_the_loss_knows_them():
    (x, y), last = data(), lambda preds, targs: ((preds[:, 0] - targs)**2).mean()
    with pytest.raises(ValueError, match='shape'): quiet(net(), [(x, y*1.)], loss_func=last)
    assert quiet(net(), [(x, y*1.)], [(x, y*1.)], loss_func=last, check=False)['valid']
    assert train.validate(net(), [(x, y*1.)], last, check=False)
    tupled = nn.Module()
    tupled.lin, tupled.forward = nn.Linear(4, 2), lambda x: (tupled.lin(x), 0)   # as a model that says two things
    quiet(tupled, [(x, y)], loss_func=lambda preds, targs: F.cross_entropy(preds[0], targs))

def test_errors_keep_their_type():
    "Out of memory is not 'bad data'; the shape of the data stands below what PyTorch says."
    class Full(nn.Linear):
        def forward(self, x): raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')
    x, y = data()
    for model, kind, says in ((Full(4, 2), torch.OutOfMemoryError, 'out of memory'), (nn.Linear(5, 2), RuntimeError, 'cannot be multiplied')):
        for f in (lambda: quiet(model, [(x, y)]), lambda: train.validate(model, [(x, y)])):
            with pytest.raises(kind) as e: f()
            assert type(e.value) is kind and says in str(e.value) and 'data of shape (60, 4)' in str(e.value)
    class Bug(nn.Linear):
        def forward(self, x): return undefined
    with pytest.raises(NameError): quiet(Bug(4, 2), [(x, y)])

@pytest.mark.parametrize('lr', [0, -.1, math.nan, math.inf, '.1'])
def test_bad_learning_rate(lr):
    with pytest.raises(ValueError, match='lr is'): quiet(net(), [data()], lr=lr)

def test_bad_settings_and_empty_sets():
    x, y = data()
    for f, says in ((lambda: quiet(net(), [(x, y)], epochs=0), 'epochs is 0'), (lambda: Batches(x, y, 2.5), 'bs is 2.5'),
                    (lambda: Batches(x, y, -1), 'bs is -1'), (lambda: quiet(net(), []), 'training set is empty'),
                    (lambda: quiet(net(), [(x, y)], []), 'validation set is empty'), (lambda: Batches(x[:0], y[:0]), 'set is empty'),
                    (lambda: quiet(net(), [(x[:0], y[:0])]), 'batch is empty'), (lambda: Batches(x, y[1:]), '60 rows of data and 59 answers'),
                    (lambda: quiet(net(), [(x, y[1:])]), '60 rows of data and 59 answers'), (lambda: quiet(nn.ReLU(), [(x, y)]), 'nothing to train'),
                    (lambda: quiet(net(), [(x, y)], opt_func=Momentum, mom=-.5), 'mom is -0.5'), (lambda: quiet(net(), [(x, y)], wd=-1), 'wd is -1'),
                    (lambda: quiet(net(), [(x, y)], opt_func=Adam, betas=(1, 1)), 'betas'), (lambda: EarlyStopping(0), 'patience is 0'),
                    (lambda: Checkpoint('x', every=0), 'every is 0'), (lambda: Clip(0), 'length is 0'), (lambda: OneCycle(1), 'pct_start is 1'),
                    (lambda: Schedule(None, 'day'), "no moment 'day'"), (lambda: train.numerical_gradient(lambda x: x, [1., 2.]), 'expected one number'),
                    (lambda: quiet(net(), [(x, y)], cbs=EarlyStopping()), "no list in the log 'valid'"),
                    (lambda: train.numerical_gradient(sum, [1., math.inf]), 'NaN or infinity')):
        with pytest.raises(ValueError, match=says): f(), pytest.fail(says)

def test_what_is_no_pair_of_loaders():
    x, y = data()
    for dls in (Batches(x, y), [(x, y)], None):
        with pytest.raises(TypeError, match=r'\(train_dl, valid_dl\)'): fit(net(), dls, 1, .1)

def test_a_loss_that_explodes_stops_with_the_step_and_the_learning_rate():
    x, y = data(kind='numbers')
    with pytest.raises(FloatingPointError, match=r'The loss is (inf|nan) in step \d of epoch \d+. .*lr=1000 is too large: .* lr=100'):
        quiet(net(1), Batches(x, y, 20), epochs=50, lr=1e3, loss_func=F.mse_loss)

def test_numerical_gradient_equals_autograd():
    w = torch.randn(3, 4, requires_grad=True, generator=torch.manual_seed(0))
    (w.sin()*w).sum().backward()
    for f in (train.numerical_gradient, foundations.numerical_gradient):
        torch.testing.assert_close(f(lambda w: (w.sin()*w).sum(), w), w.grad.double(), rtol=0, atol=1e-5)

@pytest.mark.parametrize('start', [(1.5, -2.), (-1., 3.), (0., 0.)])
@pytest.mark.parametrize('f', [lambda a, b: a*b + a, lambda a, b: (a*2. + b).relu()*a, lambda a, b: 2*a + 1 + b.relu()*b.relu() + -3.,
                               lambda a, b: (a*a*b + a).relu()*(a*a*b + a), lambda a, b: a*a*a + b + b])
def test_a_value_has_the_slopes_of_pytorch(f, start):
    mine, theirs = [foundations.Value(v) for v in start], [torch.tensor(v, dtype=torch.double, requires_grad=True) for v in start]
    for _ in range(2):   # slopes are added to those of the first time
        out, expected = f(*mine), f(*theirs)
        out.backward()
        expected.backward()
        assert out.data == expected.item()
    for a, b in zip(mine, theirs): assert a.grad == pytest.approx(b.grad.item(), abs=1e-12)

def test_moved_digits_keep_their_ink():
    x = torch.rand(300, 64, generator=torch.manual_seed(0))
    out = foundations.moved(x, seed=1)
    sheets = out.view(-1, 10, 10)
    places = set()
    for digit, sheet in zip(x.view(-1, 8, 8), sheets):
        found = [(i, j) for i in range(3) for j in range(3) if torch.equal(sheet[i:i+8, j:j+8], digit)]
        assert len(found) == 1 and math.isclose(sheet.sum(), digit.sum(), rel_tol=1e-5)
        places |= set(found)
    assert len(places) == 9 and torch.equal(out, foundations.moved(x, 1)) and not torch.equal(out, foundations.moved(x, 2))
    assert foundations.moved(torch.rand(2, 784), 0).shape == (2, 34*34) and foundations.moved(torch.rand(2, 16), 0).shape == (2, 16)

# Callbacks

class Note:
    "Note what happens, and the learning rate of each step."
    def __init__(self): self.moments, self.lrs = [], []
    def __getattr__(self, name):
        if name.startswith(('before_', 'after_')) or name == 'setup': return lambda run: self.moments.append(name)
        raise AttributeError(name)
    def after_step(self, run): self.lrs.append(run.opt.lr if hasattr(run.opt, 'lr') else run.opt.param_groups[0]['lr']); self.moments.append('after_step')

def test_moments():
    (x, y), note = data(), Note()
    quiet(net(), Batches(x, y, 30), [(x, y)], epochs=2, cbs=note)   # one needs no list
    batch = ['before_batch', 'after_predict', 'after_loss', 'before_step', 'after_step']
    epoch = ['before_epoch', *batch*2, 'after_epoch']
    assert note.moments == ['setup', 'before_fit', *epoch*2, 'after_fit']

def test_a_callback_may_change_the_batch_and_stop():
    class Flip:
        def before_batch(self, run): run.xb, run.yb = [-run.xb[0]], 1-run.yb
        def after_epoch(self, run): run.stop = run.epoch == 2
    (x, y), a, b = data(), net(), net()
    log = quiet(a, [(x, y)], epochs=9, cbs=Flip())
    assert len(log['train']) == 2 and log == quiet(b, [(-x, 1-y)], epochs=2) and same(a, b)

@pytest.mark.parametrize('ours', [SGD, Adam, torch.optim.AdamW, partial(torch.optim.SGD, momentum=.9)])
def test_one_cycle_is_torchs(ours):
    (x, y), a, b, note = data(), net(), net(), Note()
    torch.manual_seed(5)
    quiet(a, Batches(x, y, 16, shuffle=True), epochs=5, lr=.02, opt_func=ours, cbs=[note, OneCycle(.3)])
    opt = {SGD: torch.optim.SGD, Adam: torch.optim.Adam}.get(ours, ours)(b.parameters(), lr=.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, .02, total_steps=20, pct_start=.3, cycle_momentum=False)
    rates = []
    class Both:
        def zero_grad(self): opt.zero_grad()
        def step(self):
            rates.append(opt.param_groups[0]['lr'])
            opt.step()
            schedule.step()
    bare(b, Both(), 5, x, y)
    assert note.lrs == rates and max(rates) > .0199 and rates[-1] < 1e-4
    for p, q in zip(a.parameters(), b.parameters()): torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)

@pytest.mark.parametrize('n', range(1, 9))
def test_one_cycle_of_few_steps(n):
    note = Note()
    quiet(net(), [data()], epochs=n, cbs=[note, OneCycle()])
    assert len(note.lrs) == n and all(0 < lr <= .1 for lr in note.lrs)

def test_a_schedule_by_epochs():
    (x, y), notes = data(), [Note(), Note()]
    halve = Schedule(lambda opt, n: torch.optim.lr_scheduler.StepLR(opt, 2, .5), 'epoch')
    for note, opt in zip(notes, (SGD, torch.optim.SGD)): quiet(net(), Batches(x, y, 30), epochs=5, lr=.4, opt_func=opt, cbs=[note, halve])
    assert notes[0].lrs == notes[1].lrs == [.4]*4 + [.2]*4 + [.1]*2

def test_clip():
    x, y = data()
    for most, whole in ((1e-3, False), (1e3, True)):
        a, b = net(), net()
        quiet(a, [(x, y)], lr=1., cbs=Clip(most))
        quiet(b, [(x, y)], lr=1.)
        moved = sum(((p-q)**2).sum() for p, q in zip(a.parameters(), net().parameters()))**.5
        assert same(a, b) if whole else abs(moved - most) < 1e-6

def test_device():
    "The model comes back to where it was; batches follow it."
    (x, y), seen, model = data(), [], net()
    class See:
        def after_predict(self, run): seen.append(run.preds.device.type)
    quiet(model, [(x, y)], [(x, y)], epochs=2, opt_func=Momentum, cbs=[Device(), See()])
    assert set(seen) == {'cuda' if torch.cuda.is_available() else 'cpu'} and next(model.parameters()).device.type == 'cpu'
    with pytest.raises(RuntimeError): Device('gpu')   # PyTorch says which it knows

def test_early_stopping():
    (x, y), kept = data(), []
    class Keep:
        def after_epoch(self, run): kept.append([p.clone() for p in run.model.parameters()])
    wrong = 1-y   # what it learns makes validation worse, from the start or soon
    model = net()
    log = quiet(model, [(x, y)], [(x, wrong)], epochs=50, lr=.5, metrics=accuracy, cbs=[EarlyStopping(3), Keep()])
    best = int(np.argmin(log['valid']))
    assert len(log['valid']) == best+1+3 and all(torch.equal(p, q) for p, q in zip(model.parameters(), kept[best]))
    log = quiet(net(), [(x, y)], [(x, y)], epochs=300, lr=.5, metrics=accuracy, cbs=EarlyStopping(20, 'accuracy', highest=True))
    assert int(np.argmax(log['accuracy']))+1+20 == len(log['valid']) < 300

# Interrupted

def long_run(path, opt_func=Adam, *cbs):
    "A training that draws random numbers in every way."
    class Draw:
        def before_batch(self, run): run.xb = [run.xb[0] + .1*random.random() + .1*np.random.rand()]
    for seed in (torch.manual_seed, random.seed, np.random.seed): seed(7)
    (x, y), model = data(), nn.Sequential(nn.BatchNorm1d(4), net(p=.2))
    loader = torch.utils.data.DataLoader(list(zip(x, y)), 16, shuffle=True, generator=torch.Generator().manual_seed(3))
    log = quiet(model, loader, Batches(x, y), epochs=6, lr=.02, opt_func=opt_func, metrics=accuracy,
                cbs=[Draw(), Checkpoint(path), OneCycle(), EarlyStopping(4), *cbs])
    return log, model

class Cut:
    def __init__(self, epoch, what): self.epoch, self.what = epoch, what
    def before_step(self, run):
        if run.epoch == self.epoch and run.step == 3: self.what()

def interrupt(): raise KeyboardInterrupt

@pytest.mark.slow
@pytest.mark.parametrize('opt_func', [SGD, Momentum, Adam, torch.optim.AdamW, partial(torch.optim.SGD, momentum=.9)])
def test_goes_on_where_it_was(opt_func, tmp_path):
    path = tmp_path/'run.safetensors'
    log, model = long_run(path, opt_func)
    assert not path.exists()   # it has come to its end
    for at in (3, 5):
        with pytest.raises(KeyboardInterrupt): long_run(path, opt_func, Cut(at, interrupt))
    again, other = long_run(path, opt_func)
    assert again == log and not list(tmp_path.iterdir())
    for (k, p), q in zip(model.state_dict().items(), other.state_dict().values()): assert torch.equal(p, q), k   # batch norm, too

KILLED = """import sys
sys.path.insert(0, sys.argv[2])
import os, signal, torch
from test_train import Cut, long_run
def kill(): os.kill(os.getpid(), signal.SIGKILL)
long_run(sys.argv[1], torch.optim.AdamW, Cut(3, kill))"""

@pytest.mark.slow
def test_goes_on_after_a_kill(tmp_path):
    path = tmp_path/'run'
    r = subprocess.run([sys.executable, '-c', KILLED, str(path), str(ROOT/'tests')])
    assert r.returncode == -signal.SIGKILL and path.exists()
    log, model = long_run(path, torch.optim.AdamW)
    wanted, other = long_run(tmp_path/'other', torch.optim.AdamW)
    assert log == wanted and same(model, other) and not path.exists()

def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    "Killed after the last epoch was written, but before the file was taken away."
    x, y = data()
    def go(model, *cbs): return quiet(model, [(x, y)], [(x, 1-y)], epochs=50, lr=.5, cbs=[EarlyStopping(3), Checkpoint(tmp_path/'run'), *cbs])
    class Last:
        order = 200
        def after_epoch(self, run):
            if run.stop: raise KeyboardInterrupt
    wanted, a, b = net(), net(), net()
    log = go(wanted)
    with pytest.raises(KeyboardInterrupt): go(a, Last())
    assert go(b) == log and same(b, wanted)

def test_the_file_of_another_training(tmp_path):
    path = tmp_path/'run'
    with pytest.raises(KeyboardInterrupt): long_run(path, Adam, Cut(2, interrupt))
    x, y = data()
    for model, kw, says in ((net(), dict(lr=.1), 'lr was 0.02 and is 0.1'), (net(), dict(lr=.02), 'callbacks'),
                            (net(), dict(lr=.02, cbs=[Checkpoint(path), OneCycle(), EarlyStopping()]), 'state_dict')):
        with pytest.raises(ValueError, match='another training') as e:
            quiet(model, [(x, y)], [(x, y)], epochs=6, opt_func=Adam, **{'cbs': Checkpoint(path), **kw})
        assert says in str(e.value) and 'Delete it' in str(e.value)
    content = path.read_bytes()
    with pytest.raises(Exception): list(pickletools.genops(content))   # no program in it
    path.write_bytes(content[:-9])
    with pytest.raises(ValueError, match='damaged'): quiet(net(), [(x, y)], cbs=Checkpoint(path))

# TensorBoard

def test_without_tensorboard(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    with pytest.raises(ImportError, match=r"pip install 'fastlessons\[log\]'"): TensorBoard()

def test_what_tensorboard_is_told(monkeypatch, tmp_path):
    said = []
    class Writer:
        def __init__(self, folder): said.append(folder)
        def add_scalar(self, *args): said.append(args)
        def close(self): said.append('closed')
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', types.SimpleNamespace(SummaryWriter=Writer))
    x, y = data()
    log = quiet(net(), [(x, y)], [(x, y)], epochs=2, metrics=accuracy, cbs=TensorBoard(tmp_path))
    assert said == [str(tmp_path), *[s for i in range(2) for s in (*((k, v[i], i+1) for k, v in log.items()), ('lr', .1, i+1))], 'closed']

def test_tensorboard_itself(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    x, y = data()
    log = quiet(net(), [(x, y)], epochs=3, cbs=TensorBoard(tmp_path))
    found = EventAccumulator(str(tmp_path)).Reload()
    assert np.allclose([e.value for e in found.Scalars('train')], log['train'])

# Seeing it

PROGRAM = """import torch
from torch import nn
from fastlessons.train import Batches, fit
x = torch.randn(40, 4)
fit(nn.Linear(4, 2), (Batches(x, (x[:, 0] > 0).long(), 10), None), epochs=3, lr=.1)"""

@pytest.mark.slow
def test_nothing_is_written_into_a_pipe():
    r = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True)
    assert (r.returncode, r.stdout, r.stderr) == (0, '', '')

@pytest.mark.slow
def test_a_terminal_gets_one_bar_that_goes_away():
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
    p = subprocess.Popen([sys.executable, '-c', PROGRAM], stdout=inner, stderr=inner)
    p.wait()
    text = os.read(outer, 10_000).decode()
    assert p.returncode == 0 and '12/12' in text and 'train 0.' in text and text.count('\n') == 0, text
    assert not text.split('\r')[-1].strip()

def test_a_notebook_keeps_one_plot():
    cells = [c for c in nbformat.read(ROOT/'nbs/03_foundations.ipynb', 4).cells if 'log = fit(net' in c.source]
    outputs, = [c.outputs for c in cells]
    assert [o.output_type for o in outputs] == ['display_data'] and 'image/png' in outputs[0].data

def test_parameters_are_explained():
    for f, words in ((fit, ['epochs: passes over the training set', 'Returns lists']), (Checkpoint, ['path: the file']), (foundations.Batches, ['bs: rows at a time'])):
        for w in words: assert w in ' '.join(f.__doc__.split()), f.__doc__
    assert not {'SGD', 'Adam', 'accuracy'} & set(train.__all__) and train.SGD is foundations.SGD

def test_batches_that_can_be_read_only_once_are_refused():
    x = torch.randn(8, 2)
    batches = [(x, x[:, :1])]
    with pytest.raises(TypeError, match='list'): fit(nn.Linear(2, 1), ((b for b in batches), None), 2, .1, F.mse_loss, show=False)

def test_callbacks_from_a_generator_are_called():
    class Count:
        n = 0
        def after_epoch(self, run): self.n += 1
    count, x = Count(), torch.randn(8, 2)
    fit(nn.Linear(2, 1), ([(x, x[:, :1])], None), 3, .1, F.mse_loss, cbs=(c for c in [count]), show=False)
    assert count.n == 3
