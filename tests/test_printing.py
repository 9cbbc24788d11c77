"An output that cannot hold every letter (an old console, a log in ASCII) is no reason to fail: what is done is not reported as failed."
import io, os, subprocess, sys
from contextlib import redirect_stdout

import pytest

from fastlessons import core
from fastlessons.check import exercise

def run(code, letters, *args, **env):
    env = dict(os.environ, PYTHONIOENCODING=letters, **env)
    return subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, env=env)

COMMAND = 'import sys; from fastlessons.cli import main; sys.exit(main())'

def printed(f, letters):
    out = io.TextIOWrapper(io.BytesIO(), letters)
    with redirect_stdout(out): f()
    out.flush()
    return out.buffer.getvalue().decode(letters)

@pytest.mark.parametrize('letters', ['ascii', 'cp1252', 'cp437', 'shift_jis', 'utf-8'])
def test_say(letters):
    text = printed(lambda: core.say('✓', 'レッスン', 'ž', 5), letters)
    assert text.startswith('✓ ' if letters == 'utf-8' else '+ ') and text.endswith(' 5\n')
    assert 'レッスン' in text if letters in ('utf-8', 'shift_jis') else r'\u30ec' in text
    assert r'\udc80' in printed(lambda: core.say('half of a letter: \udc80'), letters)

@pytest.mark.parametrize('letters', ['ascii', 'cp1252'])
def test_exercises_go_on(letters, home):
    for answer, mark in ((lambda c: 'ж', 'x'), (..., '...' if letters == 'ascii' else '…')):
        assert printed(lambda answer=answer: exercise('06.1', answer), letters).startswith(f'{mark} 06.1 ')

@pytest.mark.slow
@pytest.mark.parametrize('letters', ['ascii', 'cp1252'])
def test_the_command_does_what_it_says(tmp_path, letters):
    "Into a folder whose name the output cannot hold."
    folder = tmp_path/'学び ✓'
    jobs = [('copy', '03', folder), ('sheet', 'linear', tmp_path/'таблица.xlsx'), ('list',), ('data',)]
    for args in jobs:
        done = run(COMMAND, letters, *args, FASTLESSONS_HOME=str(tmp_path/'дом'))
        assert done.returncode == 0 and done.stdout and not done.stderr, (args, done)
    assert (folder/'03_foundations.ipynb').is_file() and (tmp_path/'таблица.xlsx').is_file()
    failed = run(COMMAND, letters, 'copy', '03', folder)   # it is there already
    assert failed.returncode == 1 and b'Traceback' not in failed.stderr and b'already there' in b' '.join(failed.stderr.split())

def test_get_data_says_where_it_is(tmp_path):
    done = run("from fastlessons.data import get_data; print(len(str(get_data('titanic'))))", 'ascii', FASTLESSONS_HOME=str(tmp_path/'Škola'))
    assert done.returncode == 0 and rb'\u0160kola' in done.stdout or rb'\x' in done.stdout, done
