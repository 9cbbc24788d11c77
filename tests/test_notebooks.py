"Every notebook runs from top to bottom, as it does for a learner, and the lessons' numbers lie in their bands."
import json, os, subprocess, sys
from pathlib import Path

import pytest
if sys.version_info >= (3, 11): import tomllib
else: import tomli as tomllib   # comes with nbdev

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent/'shared'
LESSONS = sorted((ROOT/'nbs').glob('[0-9][0-9]_*.ipynb'))
OTHERS = sorted(set((ROOT/'nbs').rglob('*.ipynb')) - set(LESSONS))
assert len(LESSONS) >= 8 and len(OTHERS) >= 23
EXPECTED = tomllib.loads((ROOT/'tests/expected.toml').read_text())

@pytest.mark.slow
@pytest.mark.parametrize('path', OTHERS, ids=lambda p: p.relative_to(ROOT/'nbs').with_suffix('').as_posix())
def test_library_notebook_runs(path):
    from nbdev.test import test_nb
    ok, seconds = test_nb(path)
    assert ok, f'{path.name} stopped with an error; it is printed above'

def processor():
    "Return the seconds of processor that ended child processes took: a busy machine adds little to them."
    t = os.times()
    return t.children_user + t.children_system

MOST = 480   # seconds of processor for a lesson on a slow machine: no lesson may grow without notice

def run_lesson(number, out, *args, **env):
    "Run a lesson with the command, as a learner does; return the ledger lines that it wrote."
    env = dict(os.environ, FASTLESSONS_HOME=str(out/'home'), **env)
    cmd = [sys.executable, '-c', 'import sys; from fastlessons.cli import main; sys.exit(main())', 'run', number, '--out', out, *args]
    before = processor()
    r = subprocess.run(cmd, env=env, capture_output=True, text=True, timeout=1200)   # one that never ends is stopped
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-3000:]
    assert 'Warning' not in r.stderr, r.stderr
    return [json.loads(line) for line in (out/'home'/'results.jsonl').read_text().splitlines()], processor()-before

def assert_in_bands(lines, source):
    "Compare what a lesson wrote in the ledger with `expected.toml`."
    number = lines[-1]['lesson']
    found = lines[-1]['metrics']
    bands, extra = EXPECTED[number][source], EXPECTED[number].get(f'{source}_extra', {})
    if set(extra) & set(found): bands = bands | extra   # what needs an optional package
    assert set(bands) == set(found), 'each recorded number has a band, each band a number'
    for name, (low, high) in bands.items(): assert low <= found[name] <= high, f'{name} is {found[name]}, expected {low} to {high}'

@pytest.mark.slow
@pytest.mark.parametrize('path', LESSONS, ids=lambda p: p.stem)
def test_lesson_runs_on_the_sample(path, tmp_path):
    # an empty TORCH_HOME: the bands are those of the bundled backbone, whatever is on this machine
    lines, took = run_lesson(path.stem[:2], tmp_path, '--data', 'sample', TORCH_HOME=str(tmp_path/'torch'))
    assert_in_bands(lines, 'sample')
    assert took < MOST
    assert set(lines[-1]['data'].values()) == {'sample'}
    page = (tmp_path/f'{path.stem}.html').read_text(encoding='utf-8')
    assert (tmp_path/f'{path.stem}.ipynb').exists() and '<h1' in page and 'Traceback' not in page

def test_kept_real_results_lie_in_their_bands():
    "What stands beside the sample's results in a lesson, in data/real.json, is what the lesson gives today."
    for number, kept in json.loads((ROOT/'data/real.json').read_text()).items():
        assert set(kept['metrics']) == set(EXPECTED[number]['folder']), f'measure lesson {number} again: make save N={number} DATA=folder'
        for name, value in kept['metrics'].items():
            low, high = EXPECTED[number]['folder'][name]
            assert low <= value <= high, f'lesson {number}: {name} is {value}. Measure it again: make save N={number} DATA=folder'

@pytest.mark.real
@pytest.mark.skipif(not (SHARED/'data').exists(), reason='real data not here: ../shared/data')
@pytest.mark.parametrize('number', [n for n in EXPECTED if 'folder' in EXPECTED[n]])
def test_lesson_runs_on_real_data(number, tmp_path):
    lines, _ = run_lesson(number, tmp_path, '--data', str(SHARED/'data'), TORCH_HOME=str(SHARED/'torch'))
    assert_in_bands(lines, 'folder')
    assert set(lines[-1]['data'].values()) == {'folder'}
