"All workbooks: stored values, and formulas calculated anew by two other programs, cell by cell against PyTorch."
import shutil, subprocess, sys, warnings
from dataclasses import replace

import pytest, torch
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from torch.nn import functional as F

from fastlessons.cli import main
from fastlessons.sheets import collab, conv, write
from fastlessons.sheets.steps import SHEETS, fill_steps
from fastlessons.sheets.workbook import CELL_COLOURS, formula, value
from fastlessons.sheets.write import WORKBOOKS, write_sheet

pytest.importorskip('xlsxwriter')

# What PyTorch says. `get(sheet, cell)` is the value of a cell, `change` what was changed in yellow cells.

def tensor_of(get, row, col, rows, cols, sheet='start here'):
    "Read a block of cells; rows and columns count from 1."
    return torch.tensor([[float(get(sheet, f'{get_column_letter(col+j)}{row+i}')) for j in range(cols)] for i in range(rows)], dtype=torch.double)

def same(a, b, what): assert torch.allclose(a.flatten(), b.flatten(), rtol=1e-9, atol=1e-9), what

def steps_by_torch(s):
    "Do what sheet `s` describes, with PyTorch and the model written by hand; yield name -> number for each step."
    p = {k: torch.tensor(v, dtype=torch.double, requires_grad=True) for k, v in s.start.items()}
    n, losses = len(s.points), []
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
        losses = [*losses, mids['loss'].item()][-n:]
        row = dict(step=step, x=x, y=y, error=mids['pred'].item()-y, mean_loss=sum(losses)/len(losses), **{k: v.item() for k, v in {**p, **mids}.items()})
        yield row | {f'slope_{k}': g.item() for k, g in zip(names, slopes)}
        with torch.no_grad():
            for k, g in zip(names, slopes):
                if k in p: p[k] -= s.lr*g

def steps_agree(get, s, passes=None, lr=None, **start):
    "Compare each number of the sheet 'steps'."
    s = replace(s, passes=passes or s.passes, lr=lr or s.lr, start={**s.start, **start})
    names = [*s.rows()[0], 'mean_loss']
    table = tensor_of(get, 3, 1, s.passes*len(s.points), len(names), 'steps').tolist()
    for got, want in zip(table, steps_by_torch(s), strict=True):
        got = dict(zip(names, got))
        nudged = {k: got.pop(k) for k in ('nudged_a', 'nudged_b') if k in got}
        assert {*s.start, 'pred', 'loss', *(f'slope_{k}' for k in s.start)} <= set(got) <= set(want)
        for k, v in got.items(): assert abs(v-want[k]) <= 1e-9*max(1, abs(want[k])), (got['step'], k, v, want[k])
        for k, v in nudged.items(): assert abs(v - want[k.replace('nudged', 'slope')]) < .05

def linear_agrees(get, **change): steps_agree(get, SHEETS['linear'], **change)
def network_agrees(get, **change): steps_agree(get, SHEETS['network'], **change)

def conv_by_torch(digit=4, kernels=conv.KERNELS):
    pic, dense, kernels = (torch.tensor(t, dtype=torch.double) for t in (conv.pixels(conv.DIGITS[digit]), conv.DENSE, kernels))
    pic = pic/16
    maps = F.conv2d(pic[None, None], kernels.view(2, 1, 3, 3)).relu()
    pools = F.max_pool2d(maps, 2)
    return pic, maps[0], pools[0], F.linear(pools.flatten(1), dense[:, :18], dense[:, 18])[0]

def conv_agrees(get, **change):
    pic, maps, pools, scores = conv_by_torch(**change)
    same(tensor_of(get, 11, 2, 8, 8), pic, 'pic')
    for k, row in enumerate((11, 19)):
        same(tensor_of(get, row, 15, 6, 6), maps[k], f'map {k}')
        same(tensor_of(get, row, 22, 3, 3), pools[k], f'pool {k}')
    same(tensor_of(get, 11, 27, 10, 1), scores, 'scores')
    same(tensor_of(get, 11, 29, 10, 1), scores.softmax(0), 'probabilities')
    assert get('start here', 'AA22') == scores.argmax()

N, M = len(collab.FANS), len(collab.FILMS)
PARTS = 1, 2*N, 2*M, 1, N*M, 2*N, 2*M   # columns of its sheet 'steps': step, people, films, loss, errors, slopes

def collab_by_torch(stars=collab.STARS, lr=collab.RATE, mid=collab.MIDDLE, steps=collab.STEPS):
    "Yield for each step what a row of the sheet 'steps' shows, and the predictions."
    stars, tastes = torch.tensor(stars, dtype=torch.double), torch.tensor([*collab.START_TASTES.values()], dtype=torch.double)
    u, f = (t.clone().view(-1, 2).requires_grad_() for t in tastes.split([2*N, 2*M]))
    opt = torch.optim.SGD([u, f], lr)
    for step in range(steps+1):
        preds = mid + u@f.T
        errors = (preds-stars)*(stars > 0)
        loss = errors.pow(2).sum()
        opt.zero_grad()
        loss.backward()
        parts = [torch.tensor([step]), u, f, loss, errors, u.grad, f.grad]
        yield torch.cat([p.detach().double().flatten() for p in parts]), preds.detach()
        opt.step()

def collab_agrees(get, show=-1, **change):
    rows = list(collab_by_torch(**change))
    found = tensor_of(get, 3, 1, len(rows), sum(PARTS), 'steps')
    for step, (row, (want, _)) in enumerate(zip(found, rows)): same(row, want, step)
    (row, preds), places = rows[show], dict(people=(24, 2, N, 2), films=(22, 4, 2, M), loss=(11, 2, 1, 1), errors=(33, 4, N, M),
                                            slopes_u=(33, 2, N, 2), slopes_f=(31, 4, 2, M))
    for (what, at), want in zip(places.items(), row.split(PARTS)[1:]):
        same(tensor_of(get, *at).T if what in ('films', 'slopes_f') else tensor_of(get, *at), want, what)
    same(tensor_of(get, 24, 4, N, M), preds, 'predictions')

FILLED = (collab.STARS[0][:4] + (2,) + collab.STARS[0][5:], *collab.STARS[1:])   # H15 is a hole: it gets 2 stars
SHARPER = ((conv.KERNELS[0][0], 2.5, *conv.KERNELS[0][2:]), conv.KERNELS[1])
AGREES = dict(linear=linear_agrees, network=network_agrees, conv=conv_agrees, collab=collab_agrees)
CHANGES = dict(   # yellow cells of 'start here' -> values, and the same for PyTorch
    linear=(dict(B8=.02), dict(lr=.02)), network=(dict(B13=.4), dict(v1=.4)),
    conv=(dict(B8=7, L11=2.5), dict(digit=7, kernels=SHARPER)),
    collab=(dict(H15=2, B8=.02, B9=2.5), dict(stars=FILLED, lr=.02, mid=2.5)))
PAGES = dict(linear=(['start here', 'steps', 'chart'], 2), network=(['start here', 'steps', 'chart'], 2),
             conv=(['start here', 'dense', 'digits'], 1), collab=(['start here', 'steps'], 2))

every = pytest.mark.parametrize('name', WORKBOOKS)

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sheets')
    for name in WORKBOOKS: write_sheet(name, folder/f'{name}.xlsx')
    return folder

@every
def test_values_are_stored(name, folder):
    "A viewer that does not calculate shows what PyTorch calculates; only texts and yellow cells are typed in."
    live, stored = (load_workbook(folder/f'{name}.xlsx', data_only=d) for d in (False, True))
    assert (live.sheetnames, len(live['start here']._charts)) == PAGES[name]
    formulas = [(ws.title, c.coordinate) for ws in live for row in ws.iter_rows() for c in row if c.data_type == 'f']
    assert len(formulas) > 180 and all(isinstance(stored[ws][c].value, (int, float)) for ws, c in formulas)
    AGREES[name](lambda ws, c: stored[ws][c].value)
    if 'steps' in live.sheetnames: assert all(c.data_type == 'f' for row in live['steps'].iter_rows(min_row=3) for c in row)

FEW = dict(linear=dict(passes=2), network=dict(passes=2), conv={}, collab=dict(steps=4))   # steps: each row has the same formulas

def write_few(name, path):
    from xlsxwriter import Workbook
    with Workbook(path) as wb:
        if name in SHEETS: fill_steps(wb, replace(SHEETS[name], **FEW[name]))
        else: dict(conv=conv.fill_conv, collab=collab.fill_collab)[name](wb, **FEW[name])

@pytest.mark.slow
@every
def test_calculated_anew(name, tmp_path):
    "An engine of its own calculates every cell; then yellow cells are changed and everything follows."
    pytest.importorskip('formulas')
    from formulas import ExcelModel
    write_few(name, tmp_path/f'{name}.xlsx')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')   # SyntaxWarnings of the package itself
        model = ExcelModel().loads(str(tmp_path/f'{name}.xlsx')).finish()
    def key(ws, c): return f"'[{name}.xlsx]{ws.upper()}'!{c}"
    for cells, change in (({}, {}), CHANGES[name]):
        found = model.calculate(inputs={key('start here', c): v for c, v in cells.items()})
        AGREES[name](lambda ws, c: found[key(ws, c)].value[0, 0], **FEW[name], **change)

@pytest.mark.skipif(not shutil.which('soffice'), reason='LibreOffice is not here: soffice')
def test_in_libreoffice(folder, tmp_path):
    "LibreOffice calculates copies without stored values: as they are, and with changed yellow cells."
    cells, change = CHANGES['collab']
    cases = {(name, 'other'): how for name, how in CHANGES.items()} | {('collab', 'other'): (dict(cells, B10=12), dict(change, show=12))}
    cases |= {(name, 'same'): ({}, {}) for name in WORKBOOKS}
    for (name, which), (cells, _) in cases.items():
        wb = load_workbook(folder/f'{name}.xlsx')   # openpyxl keeps the formulas and drops their values
        for c, v in cells.items(): wb['start here'][c] = v
        wb.save(tmp_path/f'{name}-{which}.xlsx')
    files = [tmp_path/f'{name}-{which}.xlsx' for name, which in cases]
    subprocess.run(['soffice', f'-env:UserInstallation=file://{tmp_path}/office', '--headless', '--convert-to', 'xlsx', '--outdir', tmp_path/'out', *files],
                   check=True, capture_output=True, timeout=600)
    for (name, which), (_, change) in cases.items():
        wb = load_workbook(tmp_path/'out'/f'{name}-{which}.xlsx', data_only=True)
        AGREES[name](lambda ws, c: wb[ws][c].value, **change)

def test_the_yellow_cells_and_the_colours(folder):
    def colour(c): return '#' + c.fill.start_color.rgb[-6:].lower()
    for name, s in SHEETS.items():
        wb = load_workbook(folder/f'{name}.xlsx')
        ws = wb['start here']
        assert [ws[f'B{i}'].value for i in range(8, 10+len(s.start))] == [s.lr, *s.start.values(), s.passes*len(s.points)-1]
        heads = {c.value: colour(c) for c in wb['steps'][1]}
        assert heads['loss'] == CELL_COLOURS['loss'] and heads['pred'] == CELL_COLOURS['pred'] and heads['x'] == CELL_COLOURS['points']
        assert all(heads[p] == CELL_COLOURS['params'] and heads[f'slope_{p}'] == CELL_COLOURS['slope'] for p in s.start)
        assert (wb.defined_names['lr'].attr_text) == "'start here'!$B$8" and ws['A8'].value == 'learning rate lr'
    for name in ('linear', 'network', 'collab'):   # conv has a column of digits, which nobody may change
        ws = load_workbook(folder/f'{name}.xlsx')['start here']
        typed = [c for row in ws.iter_rows() for c in row if c.data_type == 'n' and c.value is not None]
        assert len(typed) > 20 and all(colour(c) == CELL_COLOURS['input'] for c in typed), name

# The parts

def test_a_formula_is_no_program():
    assert value('IF(x>0, 3/y - x^2, MAX(y, 1))', dict(x=2, y=4)) == -3.25
    assert formula('MAX(0, a*x)^2', dict(a='$D$3', x='B3')) == '=MAX(0, $D$3*B3)^2'
    for text in ('open(x)', '__import__(x)', 'x.real', '[x]', 'x[0]', 'x if x else x', 'no', 'x == x', '"text".upper()'):
        with pytest.raises(KeyError): value(text, dict(x='name'))

def test_rows_follow_what_they_are_given():
    "The functions that lessons call give the workbooks' numbers, with other settings too."
    for ours, (want, _) in zip(collab.collab_rows(**CHANGES['collab'][1]), collab_by_torch(**CHANGES['collab'][1]), strict=True):
        same(torch.tensor(list(ours.values()), dtype=torch.double), want, ours['step'])
    for d in range(10):
        ours, (_, maps, _, scores) = conv.conv_values(conv.pixels(conv.DIGITS[d])), conv_by_torch(d)
        same(torch.tensor(ours['scores'], dtype=torch.double), scores, d)
        same(torch.tensor(ours['maps'], dtype=torch.double), maps, d)
        assert scores.argmax() == d

def test_a_hole_pulls_at_nothing():
    row = collab.collab_rows(steps=0)[0]
    holes = [f'e{a+1}_{i+1}' for a in range(N) for i in range(M) if not collab.STARS[a][i]]
    assert len(holes) == 6 and all(row[e] == 0 for e in holes)

# The command

@pytest.mark.slow
def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['sheet', 'linear']) == 0 and (tmp_path/'linear.xlsx').read_bytes()[:2] == b'PK'
    assert main(['sheet', 'collab', 'my.xlsx']) == 0 and 'my.xlsx' in capsys.readouterr().out
    (tmp_path/'my.xlsx').write_text('my work')
    assert main(['sheet', 'linear', 'my.xlsx']) == 1 and (tmp_path/'my.xlsx').read_text() == 'my work'
    assert 'already there' in capsys.readouterr().err
    assert main(['sheet', 'linear', 'my.xlsx', '--force']) == 0 and (tmp_path/'my.xlsx').read_bytes()[:2] == b'PK'
    for args, says in ((['linera'], "Did you mean 'linear'?"), (['linear', 'my.ods'], '.xlsx'), (['linear', 'no/where.xlsx'], 'There is no folder')):
        assert main(['sheet', *args]) == 1 and says in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ['linear.xlsx', 'my.xlsx']

def test_without_xlsxwriter(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'xlsxwriter', None)
    assert main(['sheet', 'linear', str(tmp_path/'x.xlsx')]) == 1
    assert 'fastlessons[sheets]' in capsys.readouterr().err and not list(tmp_path.iterdir())

def test_nothing_half_written(tmp_path, monkeypatch):
    def full(*args): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(write, '_fill', full)
    with pytest.raises(OSError, match='No space left'): write_sheet('linear', tmp_path/'x.xlsx')
    assert not list(tmp_path.iterdir())

def test_sheets_need_neither_torch_nor_xlsxwriter_to_import():
    code = "import sys, fastlessons.sheets.write; assert not {'torch', 'xlsxwriter', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
