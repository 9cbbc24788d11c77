"What `make` asks of pip and uv: PyTorch's CPU wheels where they can be had, else the plain ones, said in one line."
import os, shutil, subprocess, sys

import pytest

from conftest import ROOT

FAKE_PYTHON = f'''#!/bin/sh
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$(dirname "$0")/uv" .venv/bin/uv;;
  "-m pip "*) ;;
  *) exec {sys.executable} "$@";;
esac
'''
FAKE_UV = '''#!/bin/sh
echo "$*" >> asked.txt
case "$*" in *--dry-run*) if [ -n "$CLOSED" ]; then echo "error: dns" >&2; exit 2; fi;; esac
'''

# `make test` runs these tests, and hands its own flags on
ENV = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')}

@pytest.fixture
def make(tmp_path):
    "Return a function that runs make's installation with a fake Python and a fake uv: what it prints, what uv was asked for."
    if not shutil.which('make'): pytest.skip('make is not here')
    for name in ('Makefile', 'settings.ini', 'setup.py', 'pyproject.toml', 'constraints.txt'): shutil.copy(ROOT/name, tmp_path)
    (tmp_path/'fake').mkdir()
    for name, text in (('python', FAKE_PYTHON), ('uv', FAKE_UV)):
        (tmp_path/'fake'/name).write_text(text)
        (tmp_path/'fake'/name).chmod(0o755)
    def f(*args, closed=''):
        cmd = ['make', '.venv/ready', f'PYTHON={tmp_path}/fake/python', *args]
        env = {k: v for k, v in ENV.items() if k not in ('TORCH', 'CONSTRAINTS')}
        r = subprocess.run(cmd, cwd=tmp_path, env=dict(env, CLOSED=closed), capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        return r.stdout, (tmp_path/'asked.txt').read_text().splitlines()
    return f

def test_cpu_wheels_come_first(make):
    out, (probe, first, install) = make()
    assert '--dry-run' in probe and '--torch-backend=auto' in probe and probe.endswith(' torch')
    assert all('--torch-backend=auto' in a and '-c constraints.txt' in a for a in (first, install)) and first.endswith(' fastai') and install.endswith('-e .[dev]')
    assert 'cannot be reached' not in out

def test_without_that_index_the_plain_ones_are_taken_and_it_is_said(make, tmp_path):
    out, (probe, first, install) = make(closed='yes')
    assert '--torch-backend' not in first + install and install.endswith('-e .[dev]')
    said = [line for line in out.splitlines() if 'cannot be reached' in line]
    assert len(said) == 1 and 'plain wheels' in said[0]
    assert 'dns' in (tmp_path/'.venv'/'torch.log').read_text()

@pytest.mark.parametrize('torch, probes', [('cpu', 1), ('cu130', 1), ('', 0)])
def test_the_backend_can_be_chosen(make, torch, probes):
    out, asked = make(f'TORCH={torch}')
    assert len(asked) == probes + 2
    if torch: assert all(f'--torch-backend={torch}' in a for a in asked)
    else: assert '--torch-backend' not in asked[0]

def test_what_is_downloaded_is_said_before_it_is(make, tmp_path):
    "Minutes of silence look like a program that hangs."
    (tmp_path/'fake'/'uv').write_text(FAKE_UV + 'echo "uv: $*"\n')
    for closed in '', 'yes':
        lines = make(closed=closed)[0].splitlines()
        for part, size, asks in (('1 of 2', '3 GB', ' fastai'), ('2 of 2', '350 MB', '.[dev]')):
            i = next(i for i, line in enumerate(lines) if part in line)
            assert 'downloading' in lines[i] and size in lines[i] and lines[i+1].endswith(asks), lines
        (tmp_path/'.venv'/'ready').unlink()

def test_newest_versions(make):
    out, asked = make('CONSTRAINTS=')
    assert not any('-c ' in a for a in asked)

def test_help_names_each_target_that_people_need():
    out = subprocess.run(['make', '-s', 'help'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f'make {name} ' in out for name in ('lesson', 'lab', 'test', 'check', 'help')) and 'source .venv/bin/activate' in out

@pytest.mark.parametrize('words, instead', [(['lesson', '07'], '07'), (['lesson', '12'], '12'), (['lesson', 'P1'], 'P1')], ids=['07', '12', 'P1'])
def test_a_lesson_without_n(words, instead):
    "`make lesson 07` ran lesson 01 for minutes, and then found no target 07."
    done = subprocess.run(['make', '-n', *words], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout and f'make lesson N={instead}.' in done.stderr

@pytest.mark.parametrize('words, runs', [(['lab', 'ARGS=--no-browser --port=9'], 'lab --no-browser --port=9'), (['lesson', 'N=02'], 'run 02 --show')], ids=['lab', 'lesson'])
def test_make_runs_the_command(tmp_path, words, runs):
    "`make lab` and `make lesson` are words of the command, with what else was typed."
    shutil.copy(ROOT/'Makefile', tmp_path)
    (tmp_path/'.venv/bin').mkdir(parents=True)
    for name in ('settings.ini', 'setup.py', 'pyproject.toml', 'constraints.txt'): (tmp_path/name).touch()
    (tmp_path/'.venv/bin/fastlessons').write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path/'.venv/bin/fastlessons').chmod(0o755)
    (tmp_path/'.venv/ready').touch()
    assert subprocess.run(['make', '-s', *words], cwd=tmp_path, env=ENV, capture_output=True, text=True, check=True).stdout == f'{runs}\n'
