"The training loop and optimisers of lesson 03 with bad input, and its workbooks, calculated anew by other programs."
import fcntl, math, os, pty, shutil, struct, subprocess, sys, termios, warnings
from dataclasses import replace
from functools import partial

import nbformat, pytest, torch
from torch import nn, tensor
from torch.nn import functional as F

from conftest import ROOT
from fastlessons import train as fo
from fastlessons.sheets import workbook as sheets
from fastlessons.cli import main
from fastlessons.train import Adam, Batches, Momentum, SGD, fit
from fastlessons.plots import plot_function
from fastlessons.sheets.workbook import SHEETS, write_sheet

# --- the loop and the optimisers

def data(n=60, kind='labels'):
    x = torch.randn(n, 4, generator=torch.manual_seed(0))
    return x, (x[:, 0] > 0).long() if kind == 'labels' else x.sum(1, keepdim=True)

def net(n_out=2):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, n_out))

def quiet(model, train_dl, valid_dl=None, epochs=1, lr=.1, **kw): return fit(model, (train_dl, valid_dl), epochs, lr, **{'show': False, **kw})

@pytest.mark.parametrize('ours,theirs,kw', [(SGD, torch.optim.SGD, {}), (Momentum, partial(torch.optim.SGD, momentum=.9), {}),
                                            (Adam, torch.optim.Adam, {}), (Adam, torch.optim.Adam, dict(betas=(.5, .9), eps=1e-3))])
def test_a_network_trains_as_with_torch_optim(ours, theirs, kw):
    "The whole loop, in 32 bits, with dropout and an odd last batch, against a bare loop."
    x, y = data()
    models = [nn.Sequential(net(), nn.Dropout(.3)) for _ in range(2)]
    torch.manual_seed(5)
    quiet(models[0], Batches(x, y, 16, shuffle=True), epochs=5, lr=.02, opt_func=ours, **kw)
    torch.manual_seed(5)
    opt = theirs(models[1].parameters(), lr=.02, **kw)
    for epoch in range(5):
        for i in torch.randperm(60).split(16):
            opt.zero_grad()
            F.cross_entropy(models[1](x[i]), y[i]).backward()
            opt.step()
    for p, q in zip(*(m.parameters() for m in models)): torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)

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

def test_the_mean_loss_counts_rows_not_batches():
    x, y = data()
    model, kept = net(), net()
    log = quiet(model, Batches(x, y, 50), epochs=1, lr=1e-12)
    assert math.isclose(log['train'][0], F.cross_entropy(kept(x), y).item(), rel_tol=1e-5)
    assert math.isclose(fo.validate(kept, Batches(x, y, 50))[0], log['train'][0], rel_tol=1e-5)

def test_training_mode():
    "`validate` leaves the model as it was, `fit` leaves it ready to predict, whatever happens on the way."
    x, y = data()
    model = net()
    for mode in (True, False):
        fo.validate(model.train(mode), [(x, y)])
        assert model.training is mode
    with pytest.raises(ValueError): fo.validate(model.train(), [(x[:, :2], y)])
    assert model.training
    for dls in ([[(x, y)]], [[(x, y)], [(x, y)]]):
        quiet(model.train(), *dls)
        assert not model.training

def bad(what, n=60):
    x, y = data(n)
    if what == 'nan': x[7, 2] = math.nan
    if what == 'infinity': x[7, 2] = -math.inf
    if what == 'nan in answers': y = y*1.; y[3] = math.nan
    if what == 'wide': x = torch.randn(n, 5)
    if what == 'labels too high': y = y+1
    if what == 'labels too low': y = y-1
    if what == 'stretched': y = y*1.
    if what == 'one column': y = y[:, None]*1.
    return x, y

@pytest.mark.parametrize('what,says', [
    ('nan', '1 of the 80 numbers of the data are NaN'), ('infinity', '1 of the 80 numbers of the data are NaN or infinity'),
    ('nan in answers', 'numbers of the answers are NaN'), ('wide', r'cannot take data of shape \(20, 5\)'),
    ('labels too high', 'labels go from 1 to 2'), ('labels too low', 'labels go from -1 to 0'),
    ('stretched', r'predictions have the shape \(20, 2\), the answers \(20,\)'), ('one column', r'\(20, 2\), the answers \(20, 1\)')])
def test_bad_data(what, says):
    with pytest.raises(ValueError, match=says): quiet(net(), Batches(*bad(what), 20))

def test_bad_data_in_a_late_batch_is_found():
    x, y = data()
    x[-1, 0] = math.nan
    with pytest.raises(ValueError, match='1 of the 80 numbers'): quiet(net(), Batches(x, y, 20))

@pytest.mark.parametrize('lr', [0, -.1, math.nan, math.inf])
@pytest.mark.parametrize('opt_func', [SGD, Momentum, Adam])
def test_bad_learning_rate(opt_func, lr):
    with pytest.raises(ValueError, match=f'learning rate lr is {lr}. Expected a number above 0'): quiet(net(), [data()], lr=lr, opt_func=opt_func)

def test_bad_settings_and_empty_sets():
    x, y = data()
    for f, says in ((lambda: quiet(net(), [(x, y)], epochs=0), 'epochs is 0. Expected'), (lambda: Batches(x, y, 2.5), 'bs is 2.5. Expected a whole number'), (lambda: quiet(net(), []), 'training set is empty'),
                    (lambda: quiet(net(), [(x, y)], []), 'validation set is empty'), (lambda: Batches(x[:0], y[:0]), 'set is empty'),
                    (lambda: Batches(x, y[1:]), '60 rows of data and 59 answers'), (lambda: Batches(x, y, -1), 'bs is -1'),
                    (lambda: quiet(nn.ReLU(), [(x, y)]), 'nothing to train'), (lambda: Momentum(net().parameters(), .1, mom=-.5), 'momentum mom is -0.5'),
                    (lambda: SGD(net().parameters(), .1, wd=-1), 'weight decay wd is -1'), (lambda: Adam(net().parameters(), .1, betas=(1, 1)), 'betas are'),
                    (lambda: plot_function(torch.sin, 1, 1), 'lo below hi'),
                    (lambda: fo.numerical_gradient(lambda x: x, [1., 2.]), 'expected one number'),
                    (lambda: fo.numerical_gradient(sum, [1., math.inf]), 'NaN or infinity')):
        with pytest.raises(ValueError, match=says): f()

def test_a_loss_that_explodes_stops_with_the_step_and_the_learning_rate():
    x, y = data(kind='numbers')
    with pytest.raises(FloatingPointError, match=r'The loss is (inf|nan) in step \d of epoch \d+. .*lr=1000 is too large: .* lr=100'):
        quiet(net(1), Batches(x, y, 20), epochs=50, lr=1e3, loss_func=F.mse_loss)

PROGRAM = '''import torch
from torch import nn
from fastlessons.train import Batches, fit
x = torch.randn(40, 4)
fit(nn.Linear(4, 2), (Batches(x, (x[:, 0] > 0).long(), 10), None), epochs=3, lr=.1)'''

def test_nothing_is_written_into_a_pipe():
    r = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True)
    assert (r.returncode, r.stdout, r.stderr) == (0, '', '')

def test_a_terminal_gets_one_bar():
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
    p = subprocess.Popen([sys.executable, '-c', PROGRAM], stdout=inner, stderr=inner)
    p.wait()
    text = os.read(outer, 10_000).decode()
    assert p.returncode == 0 and '3/3' in text and 'train=' in text and text.count('\n') == 1, text

def test_a_notebook_keeps_one_plot():
    cells = [c for c in nbformat.read(ROOT/'nbs/03_foundations.ipynb', 4).cells if 'log = fit(net' in c.source]
    outputs, = [c.outputs for c in cells]
    assert [o.output_type for o in outputs] == ['display_data'] and 'image/jpeg' in outputs[0].data

