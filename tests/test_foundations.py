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

# --- the workbooks

INPUT = dict(lr='B8', a='B9', b='B10', w1='B9', v1='B13', c='B15')   # yellow cells of 'start here'

def with_torch(s):
    "Do what sheet `s` describes, with PyTorch and the model written by hand; yield name -> number for each step."
    p = {k: tensor(v, dtype=torch.float64, requires_grad=True) for k, v in s.start.items()}
    n = len(s.points)
    for step in range(s.passes*n):
        x, y = s.points[step % n]
        if 'a' in p: mids = dict(pred=p['a']*x + p['b'])
        else:
            z1, z2 = p['w1']*x + p['b1'], p['w2']*x + p['b2']
            h1, h2 = F.relu(z1), F.relu(z2)
            mids = dict(z1=z1, z2=z2, h1=h1, h2=h2, pred=p['v1']*h1 + p['v2']*h2 + p['c'])
        mids['loss'] = (mids['pred'] - y)**2
        names = {**p, **{k: v for k, v in mids.items() if k != 'loss' and 'a' not in p}}
        slopes = torch.autograd.grad(mids['loss'], names.values())
        row = dict(step=step, x=x, y=y, error=mids['pred'].item()-y, **{k: v.item() for k, v in {**p, **mids}.items()})
        yield row | {f'slope_{k}': g.item() for k, g in zip(names, slopes)}
        with torch.no_grad():
            for k, g in zip(names, slopes):
                if k in p: p[k] -= s.lr*g

def assert_agree(table, s):
    "Compare the table 'steps' of a workbook, a list of dicts, with PyTorch, each number to 1e-9."
    expected = list(with_torch(s))
    assert len(table) == len(expected) == s.passes*len(s.points)
    losses = []
    for got, want in zip(table, expected):
        losses = [*losses, want['loss']][-len(s.points):]
        want = dict(want, mean_loss=sum(losses)/len(losses))
        others = set(got) - {'nudged_a', 'nudged_b'}
        assert others <= set(want) and {*s.start, 'pred', 'loss', *(f'slope_{k}' for k in s.start)} <= others
        for k in others: assert abs(got[k]-want[k]) <= 1e-9*max(1, abs(want[k])), (got['step'], k, got[k], want[k])
        for k in {'nudged_a', 'nudged_b'} & set(got): assert abs(got[k] - want[k.replace('nudged', 'slope')]) < .05

def table(cell, s):
    "Return the table 'steps' as a list of dicts; `cell` gives the value of a cell."
    names = [*s.rows()[0], 'mean_loss']
    from openpyxl.utils import get_column_letter
    return [{k: float(cell(f'{get_column_letter(j)}{i+3}')) for j, k in enumerate(names, 1)} for i in range(s.passes*len(s.points))]

def changed(s, name, v): return replace(s, lr=v) if name == 'lr' else replace(s, start=dict(s.start, **{name: v}))

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    pytest.importorskip('xlsxwriter')
    folder = tmp_path_factory.mktemp('sheets')
    for name in SHEETS: write_sheet(name, folder/f'{name}.xlsx')
    return folder

CHANGES = dict(linear=('lr', .02), network=('v1', .4))

@pytest.mark.parametrize('name', SHEETS)
def test_values_are_stored(name, folder):
    "A viewer that does not calculate shows what PyTorch calculates."
    from openpyxl import load_workbook
    live, stored = (load_workbook(folder/f'{name}.xlsx', data_only=d) for d in (False, True))
    assert live.sheetnames == ['start here', 'steps', 'chart'] and len(live['start here']._charts) == 2
    n = 0
    for ws in live:
        for row in ws.iter_rows():
            for c in row:
                if c.data_type == 'f':
                    n += 1
                    assert isinstance(stored[ws.title][c.coordinate].value, (int, float)), c
    assert n > 1000
    assert_agree(table(lambda c: stored['steps'][c].value, SHEETS[name]), SHEETS[name])
    assert live['steps']['A3'].data_type == 'f'   # nothing but the yellow cells and texts is typed in

@pytest.mark.parametrize('name', SHEETS)
def test_formulas_agree_with_torch(name, folder):
    "An engine of its own calculates every cell; then one yellow cell is changed and everything follows."
    pytest.importorskip('formulas')
    from formulas import ExcelModel
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')   # SyntaxWarnings of the package itself
        model = ExcelModel().loads(str(folder/f'{name}.xlsx')).finish()
    def key(sheet, cell): return f"'[{name}.xlsx]{sheet.upper()}'!{cell}"
    found = model.calculate()
    assert_agree(table(lambda c: found[key('steps', c)].value[0, 0], SHEETS[name]), SHEETS[name])
    what, v = CHANGES[name]
    found = model.calculate(inputs={key('start here', INPUT[what]): v})
    assert_agree(table(lambda c: found[key('steps', c)].value[0, 0], SHEETS[name]), changed(SHEETS[name], what, v))

@pytest.mark.skipif(not shutil.which('soffice'), reason='LibreOffice is not here: soffice')
@pytest.mark.parametrize('name', SHEETS)
def test_libreoffice_agrees_with_torch(name, folder, tmp_path):
    "LibreOffice calculates two copies without stored values: one as it is, one with a changed yellow cell."
    from openpyxl import load_workbook
    what, v = CHANGES[name]
    for file, change in (('same', None), ('other', v)):
        wb = load_workbook(folder/f'{name}.xlsx')   # openpyxl keeps the formulas and drops their values
        if change: wb['start here'][INPUT[what]] = change
        wb.save(tmp_path/f'{file}.xlsx')
    home = f'-env:UserInstallation=file://{tmp_path}/office'
    subprocess.run(['soffice', home, '--headless', '--convert-to', 'xlsx', '--outdir', tmp_path/'out', tmp_path/'same.xlsx', tmp_path/'other.xlsx'],
                   check=True, capture_output=True, timeout=300)
    for file, s in (('same', SHEETS[name]), ('other', changed(SHEETS[name], what, v))):
        ws = load_workbook(tmp_path/'out'/f'{file}.xlsx', data_only=True)['steps']
        assert_agree(table(lambda c: ws[c].value, s), s)

def test_the_yellow_cells_and_the_colours(folder):
    from openpyxl import load_workbook
    for name, s in SHEETS.items():
        wb = load_workbook(folder/f'{name}.xlsx')
        ws = wb['start here']
        assert [ws[f'B{i}'].value for i in range(8, 10+len(s.start))] == [s.lr, *s.start.values(), s.passes*len(s.points)-1]
        assert ws['B8'].fill.start_color.rgb[-6:].lower() == sheets.CELL_COLOURS['input'][1:] and ws['A8'].value == 'learning rate lr'
        heads = {c.value: c.fill.start_color.rgb[-6:].lower() for c in wb['steps'][1]}
        colour = {k: v[1:] for k, v in sheets.CELL_COLOURS.items()}
        assert heads['loss'] == colour['loss'] and heads['pred'] == colour['pred'] and heads['x'] == colour['points']
        assert all(heads[p] == colour['params'] and heads[f'slope_{p}'] == colour['slope'] for p in s.start)
        assert (wb.defined_names['lr'].attr_text) == "'start here'!$B$8"

def test_the_command(tmp_path, monkeypatch, capsys):
    pytest.importorskip('xlsxwriter')
    monkeypatch.chdir(tmp_path)
    assert main(['sheet', 'linear']) == 0 and (tmp_path/'linear.xlsx').read_bytes()[:2] == b'PK'
    assert main(['sheet', 'network', 'my.xlsx']) == 0 and 'my.xlsx is yours' in capsys.readouterr().out
    (tmp_path/'my.xlsx').write_text('my work')
    assert main(['sheet', 'linear', 'my.xlsx']) == 1 and (tmp_path/'my.xlsx').read_text() == 'my work'
    assert 'already there and stays as it is. To write over it: --force' in capsys.readouterr().err
    assert main(['sheet', 'linear', 'my.xlsx', '--force']) == 0 and (tmp_path/'my.xlsx').read_bytes()[:2] == b'PK'
    assert main(['sheet', 'linera']) == 1 and "Did you mean 'linear'?" in capsys.readouterr().err
    assert main(['sheet', 'linear', 'my.ods']) == 1 and 'does not end in .xlsx' in capsys.readouterr().err
    assert main(['sheet', 'linear', 'no/where.xlsx']) == 1
    err = capsys.readouterr().err
    assert 'There is no folder' in err and 'Make it first.' in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ['linear.xlsx', 'my.xlsx']

def test_without_xlsxwriter(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'xlsxwriter', None)
    assert main(['sheet', 'linear', str(tmp_path/'x.xlsx')]) == 1
    assert "pip install 'fastlessons[sheets]'" in capsys.readouterr().err and not list(tmp_path.iterdir())

def test_nothing_half_written(tmp_path, monkeypatch):
    pytest.importorskip('xlsxwriter')
    def full(*args): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(sheets, '_write', full)
    with pytest.raises(OSError, match='No space left'): write_sheet('linear', tmp_path/'x.xlsx')
    assert not list(tmp_path.iterdir())

def test_sheets_need_neither_torch_nor_xlsxwriter_to_import():
    code = "import sys, fastlessons.sheets.workbook; assert not {'torch', 'xlsxwriter', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
