"The workbooks of lesson 03, calculated anew by other programs."
import shutil, subprocess, sys, warnings
from dataclasses import replace

import pytest, torch
from torch import tensor
from torch.nn import functional as F

from fastlessons.cli import main
from fastlessons.sheets import workbook as sheets
from fastlessons.sheets.workbook import SHEETS, write_sheet

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
