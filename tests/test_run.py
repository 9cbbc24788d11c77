"Running a notebook: a kernel of our own that ends with us, results kept whole or not at all, a page that anybody can read."
import json, os, re, signal, subprocess, sys, time
from pathlib import Path

import nbformat, pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell as code, new_notebook

from fastlessons import cli, run
from test_cli import LESSONS, call, command, folder   # noqa: F401 (fixtures)

def gone(pid):
    "Return whether a process has ended."
    import psutil
    try: return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess: return True

def wait_for(holds, seconds=30):
    "Wait until `holds()`; fail if it takes too long."
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f'not within {seconds} s'
        time.sleep(.05)

def test_a_message_of_which_nobody_was_told(monkeypatch, tmp_path):
    "Sometimes a message lies in a socket until the next one comes: a lesson must not wait for ever."
    from jupyter_client.channels import AsyncZMQSocketChannel
    real, came = AsyncZMQSocketChannel.get_msg, []
    async def get_msg(self, timeout=None):
        msg = await real(self, timeout)
        if msg['msg_type'] == 'execute_reply': came.extend([msg['msg_type'], (await real(self, 20))['msg_type']])
        return msg
    monkeypatch.setattr(AsyncZMQSocketChannel, 'get_msg', get_msg)
    monkeypatch.setattr(run, '_KNOCK', 1)
    nb = new_notebook(cells=[code('1+1')])
    run.execute(nb, tmp_path)
    assert nb.cells[0].outputs[0].data['text/plain'] == '2' and came == ['execute_reply', 'kernel_info_reply']

def test_run(call, folder, tmp_path, monkeypatch, home):
    # a kernel named python3 that is another, broken program: ours must not be started by that name
    (spec := tmp_path/'jupyter'/'kernels'/'python3').mkdir(parents=True)
    (spec/'kernel.json').write_text(json.dumps(dict(argv=['false'], display_name='wrong', language='python')))
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path/'jupyter'))
    Path('mine').mkdir()
    monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)   # the tests' own
    status, out, err = call('run', 'sheep', '--data', 'mine', '--arch', 'resnet9')
    assert (status, err) == (0, '')
    lines = out.splitlines()
    assert [re.sub(r'^ *\d+ s  ', '', line) for line in lines[:2]] == ['Counting sheep', 'Look']   # not a terminal: a line for each part
    assert re.fullmatch(r'On sheep \(sample\): error rate 0\.0213, sheep 3, \d+ seconds', lines[2])
    assert 'runs/01_sheep.ipynb' in lines[3] and 'runs/01_sheep.html' in lines[4] and 'make lab' in lines[5] and len(lines) == 6
    assert sorted(p.name for p in Path('runs').iterdir()) == ['01_sheep.html', '01_sheep.ipynb']
    nb = nbformat.read('runs/01_sheep.ipynb', 4)
    nbformat.validate(nb)
    assert [c.execution_count for c in nb.cells if c.cell_type == 'code'] == [1, 2, 3, 4]
    where, arch, waits, cwd, python = nb.cells[3].outputs[0].text.strip().split('|')
    assert (where, arch, waits, python) == (str(Path('mine').absolute()), 'resnet9', 'PASSIVE', sys.executable)
    assert Path(cwd).parent == Path('runs').absolute() and not Path(cwd).exists()            # a folder of its own, gone
    assert (folder/'01_sheep.ipynb').read_text() == nbformat.writes(new_notebook(cells=LESSONS['01_sheep'])) + '\n'   # untouched

    page = Path('runs/01_sheep.html').read_text(encoding='utf-8')
    soup = BeautifulSoup(page, 'html.parser')
    assert soup.title.text == 'Counting sheep' and soup.h1 and 'error_rate' in page
    assert [(i['alt'], i['src'][:15]) for i in soup.select('img')] == [('a dot', 'data:image/png;'), ('A very small dot', 'data:image/png;')]
    assert not [s['href'] for s in soup.select('link[href^=http]')]
    assert all('mathjax' in s['src'] for s in soup.select('script[src^=http]'))              # formulas; the rest needs no network

    Path('runs/01_sheep.html').write_text('old')
    monkeypatch.setattr(cli, '_lessons_folder', lambda: folder.rename(folder.parent/'_lessons') if folder.exists() else folder.parent/'_lessons')
    monkeypatch.setenv('FASTLESSONS_HOME', 'home')                                           # relative: to where we stand
    status, out, err = call('run', '01')
    assert status == 0 and 'error rate 0.0213' in out and 'fastlessons copy 01, then jupyter lab' in out   # installed: no make
    assert Path('home/results.jsonl').exists() and Path('runs/01_sheep.html').read_text() != 'old'
    assert 'None|None' in nbformat.read('runs/01_sheep.ipynb', 4).cells[3].outputs[0].text

def test_a_failing_cell(call):
    Path('runs').mkdir()
    Path('runs/02_goats.ipynb').write_text('of an earlier run')
    status, out, err = call('run', '2')
    assert status == 1
    assert 'the lesson stopped in code cell 2: goats / 0  # no goats' in err.splitlines()[0]
    assert err.splitlines()[-1].strip() == 'ZeroDivisionError: division by zero' and len(err.splitlines()) < 8 and '\x1b' not in err
    assert [p.name for p in Path('runs').iterdir()] == ['02_goats.ipynb'] and Path('runs/02_goats.ipynb').read_text() == 'of an earlier run'

def test_a_kernel_that_dies(call):
    status, out, err = call('run', '4')
    assert status == 1 and 'code cell 1: import os' in err and 'memory' in err and not list(Path('runs').iterdir())

def test_what_was_set_stays_set(tmp_path):
    nb = new_notebook(cells=[code('import os; os.environ["OMP_WAIT_POLICY"]')])
    run.execute(nb, tmp_path, dict(os.environ, OMP_WAIT_POLICY='ACTIVE'))
    assert nb.cells[0].outputs[0].data['text/plain'] == "'ACTIVE'"

@pytest.mark.skipif(os.name == 'nt', reason='signals are other there')
@pytest.mark.parametrize('sign', [signal.SIGINT, signal.SIGTERM], ids=['ctrl-c', 'kill'])
def test_stopped_in_the_middle(folder, tmp_path, sign):
    (out := tmp_path/'runs').mkdir()
    (out/'03_cats.html').write_text('of an earlier run')
    pids = tmp_path/'pids'
    with subprocess.Popen(command(folder, 'run', 'cats', '--out', out), env=dict(os.environ, PIDS=str(pids)), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        try:
            wait_for(pids.exists)
            kernel, child = map(int, pids.read_text().split())
            assert not gone(kernel) and not gone(child)
            start = time.monotonic()
            p.send_signal(sign)
            _, err = p.communicate(timeout=20)
        finally: p.kill()
    assert p.returncode == 130
    assert err == 'fastlessons: stopped. Nothing half done is left behind.\n'
    wait_for(lambda: gone(kernel) and gone(child), 5)
    assert [f.name for f in out.iterdir()] == ['03_cats.html'] and (out/'03_cats.html').read_text() == 'of an earlier run'

@pytest.mark.skipif(os.name == 'nt', reason='no pseudo-terminals there')
def test_a_bar_in_a_terminal(folder, tmp_path):
    import fcntl, pty, struct, termios
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))   # rows, columns
    with subprocess.Popen(command(folder, 'run', '2', '--out', tmp_path/'runs'), stdout=theirs, stderr=subprocess.PIPE) as p:
        os.close(theirs)
        seen = b''
        while True:
            try: part = os.read(ours, 4096)
            except OSError: break           # Linux says so when the other side has closed
            if not part: break
            seen += part
    os.close(ours)
    seen = seen.decode()
    assert re.search(r'\r +\d+% \|.{20,}\| 00:\d\d +Goats', seen), seen   # how far, for how long, where
    assert seen.count('\n') <= 1                                          # one line, drawn again and again

@pytest.mark.skipif(os.name == 'nt', reason='signals are other there')
def test_stopped_before_the_first_cell(folder, tmp_path):
    "The kernel may not even be there yet."
    with subprocess.Popen(command(folder, 'run', 'sheep', '--out', tmp_path/'runs'), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        try:
            wait_for((tmp_path/'runs').exists)
            wait_for(lambda: list((tmp_path/'runs').glob('.unfinished*')))
            p.send_signal(signal.SIGTERM)
            _, err = p.communicate(timeout=30)
        finally: p.kill()
    assert p.returncode == 130 and err == 'fastlessons: stopped. Nothing half done is left behind.\n'
    assert not list((tmp_path/'runs').iterdir())

def test_a_line_no_wider_than_the_terminal(capsys, monkeypatch):
    from nbformat.v4 import new_markdown_cell as md
    cells = [md('# A very long title '*9), code('1')]
    monkeypatch.setenv('COLUMNS', '60')
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    with run._Progress(new_notebook(cells=cells)) as show:
        for cell in cells: show(cell)
        show()   # a second later
    drawn = capsys.readouterr().out.split('\r')[1:]
    assert len(drawn) == 5 and {len(line) for line in drawn[:-1]} == {59} and drawn[1].startswith('100% |####') and 'A very long' in drawn[2]
    assert not drawn[3].strip() and not drawn[4]
