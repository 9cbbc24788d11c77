"The workbook of lesson 07: stored values, and the formulas calculated anew by two other programs, against PyTorch."
import shutil, subprocess, warnings

import pytest, torch
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from fastlessons.cli import main
from fastlessons.sheets.collab import FANS, FILMS, MIDDLE, RATE, START_TASTES, STARS, STEPS, collab_rows
from fastlessons.sheets.workbook import write_sheet

N, M = len(FANS), len(FILMS)
COLUMNS = 1 + 2*N + 2*M + 1 + N*M + 2*N + 2*M
CHANGED = dict(stars=(STARS[0][:4] + (2,) + STARS[0][5:], *STARS[1:]), lr=.02, mid=2.5)   # H15 is a hole: it gets 2 stars
CELLS = dict(H15=2, B8=.02, B9=2.5)

def by_torch(stars=STARS, lr=RATE, mid=MIDDLE):
    "Yield for each step what a row of the sheet 'steps' shows, and the predictions, calculated by PyTorch."
    stars = torch.tensor(stars, dtype=torch.double)
    def start(who): return torch.tensor([v for k, v in START_TASTES.items() if k[0] == who], dtype=torch.double).view(-1, 2)
    u, f = start('u').requires_grad_(), start('f').requires_grad_()
    opt = torch.optim.SGD([u, f], lr)
    for step in range(STEPS+1):
        preds = mid + u@f.T
        errors = (preds-stars)*(stars > 0)
        loss = errors.pow(2).sum()
        opt.zero_grad()
        loss.backward()
        parts = [torch.tensor([step]), u, f, loss[None], errors, u.grad, f.grad]
        yield torch.cat([p.detach().double().flatten() for p in parts]), preds.detach()
        opt.step()

def assert_workbook(value, show=STEPS, **change):
    "Compare `value(sheet, cell)` with PyTorch: all steps, and the first sheet at step `show`."
    rows = list(by_torch(**change))
    for step, (expected, _) in enumerate(rows):
        found = torch.tensor([float(value('steps', f'{get_column_letter(j)}{step+3}')) for j in range(1, COLUMNS+1)], dtype=torch.double)
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9), step
    def block(row, col, n, m):
        return torch.tensor([[float(value('start here', f'{get_column_letter(col+j)}{row+i}')) for j in range(m)] for i in range(n)], dtype=torch.double)
    expected, preds = rows[show]
    parts = expected[1:].split([2*N, 2*M, 1, N*M, 2*N, 2*M])
    for found, want in ((block(24, 2, N, 2), parts[0]), (block(22, 4, 2, M).T, parts[1]), (block(11, 2, 1, 1), parts[2]), (block(24, 4, N, M), preds),
                        (block(33, 4, N, M), parts[3]), (block(33, 2, N, 2), parts[4]), (block(31, 4, 2, M).T, parts[5])):
        assert torch.allclose(found.flatten(), want.flatten(), rtol=1e-9, atol=1e-9)

@pytest.fixture(scope='module')
def workbook(tmp_path_factory):
    pytest.importorskip('xlsxwriter')
    return write_sheet('collab', tmp_path_factory.mktemp('sheet')/'collab.xlsx')

def test_workbook_has_values(workbook):
    "A viewer that does not calculate shows what PyTorch calculates; nothing but yellow cells and texts is typed in."
    live, stored = (load_workbook(workbook, data_only=d) for d in (False, True))
    assert live.sheetnames == ['start here', 'steps'] and len(live['start here']._charts) == 2
    assert_workbook(lambda sheet, c: stored[sheet][c].value)
    typed = [c for row in live['steps'].iter_rows(min_row=3) for c in row if c.data_type != 'f']
    assert not typed and live['steps'].max_row == STEPS + 3 and live['steps'].max_column == COLUMNS
    numbers = [c for row in live['start here'].iter_rows() for c in row if c.data_type == 'n' and c.value is not None]
    assert len(numbers) == 3 + sum(v > 0 for row in STARS for v in row) + len(START_TASTES)
    assert all(c.fill.start_color.rgb[-6:] == 'FFF2B3' for c in numbers)

def test_workbook_calculated_anew(workbook):
    pytest.importorskip('formulas')
    from formulas import ExcelModel
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')   # SyntaxWarnings of the package itself
        model = ExcelModel().loads(str(workbook)).finish()
    def key(sheet, cell): return f"'[collab.xlsx]{sheet.upper()}'!{cell}"
    for cells, change in (({}, {}), (CELLS, CHANGED)):
        found = model.calculate(inputs={key('start here', c): v for c, v in cells.items()})
        assert_workbook(lambda sheet, c: found[key(sheet, c)].value[0, 0], **change)

@pytest.mark.skipif(not shutil.which('soffice'), reason='LibreOffice is not here: soffice')
def test_workbook_in_libreoffice(workbook, tmp_path):
    both = dict(same=({}, {}), other=(dict(CELLS, B10=12), dict(CHANGED, show=12)))
    for name, (cells, _) in both.items():
        wb = load_workbook(workbook)   # openpyxl keeps the formulas and drops their values
        for c, v in cells.items(): wb['start here'][c] = v
        wb.save(tmp_path/f'{name}.xlsx')
    subprocess.run(['soffice', f'-env:UserInstallation=file://{tmp_path}/office', '--headless', '--convert-to', 'xlsx', '--outdir', tmp_path/'out',
                    *(tmp_path/f'{name}.xlsx' for name in both)], check=True, capture_output=True, timeout=300)
    for name, (_, change) in both.items():
        wb = load_workbook(tmp_path/'out'/f'{name}.xlsx', data_only=True)
        assert_workbook(lambda sheet, c: wb[sheet][c].value, **change)

def test_rows_are_the_workbooks():
    for ours, (expected, _) in zip(collab_rows(**CHANGED), by_torch(**CHANGED), strict=True):
        assert torch.allclose(torch.tensor(list(ours.values()), dtype=torch.double), expected, rtol=1e-9, atol=1e-9)
    assert len(ours) == COLUMNS

def test_a_hole_pulls_at_nothing():
    row = collab_rows(steps=0)[0]
    holes = [f'e{a+1}_{i+1}' for a in range(N) for i in range(M) if not STARS[a][i]]
    assert len(holes) == 6 and all(row[e] == 0 for e in holes)

def test_the_command(tmp_path, monkeypatch, capsys):
    pytest.importorskip('xlsxwriter')
    monkeypatch.chdir(tmp_path)
    assert main(['sheet', 'collab']) == 0 and (tmp_path/'collab.xlsx').read_bytes()[:2] == b'PK'
    assert main(['sheet', 'colab', 'x.xlsx']) == 1 and "Did you mean 'collab'?" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ['collab.xlsx']
