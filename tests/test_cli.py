"The `fastlessons` command: each thing that it promises, good input and bad."
import asyncio, base64, json, os, re, signal, socket, subprocess, sys, time, types, zipfile
from pathlib import Path

import nbformat, pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell as code, new_markdown_cell as md, new_notebook

from conftest import ROOT
from fastlessons import __version__, check, cli, core, data

DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
TOP = '# Counting sheep\n\n> Sleep well.\n\n**Time** 5 seconds on two cores · **Data** none · **Needs** a bed\n\n![a dot](images/dot.png)'
LESSONS = {
    '01_sheep': [md(TOP), code('import os, sys\nfrom fastlessons import check, data\ndata.used["sheep"] = "sample"'), md('## Look'),
                 code('print(*(os.environ.get(k) for k in ("FASTLESSONS_DATA", "FASTLESSONS_ARCH")), os.getcwd(), sys.executable, sep="|")'),
                 code('#| fig-alt: A very small dot\nfrom base64 import b64decode\nfrom IPython.display import Image\n'
                      f'Image(b64decode("{DOT}"))'), code('check.record("01", error_rate=0.0213, sheep=3);')],
    '02_goats': [md('# Goats'), code('goats = 3'), code('\n#| export\ngoats / 0  # no goats')],
    '03_cats': [md('# Cats'), code('import os, subprocess, time\nfrom pathlib import Path'),
                code('child = subprocess.Popen(["sleep", "60"])\n'
                     'Path(os.environ["PIDS"]+".new").write_text(f"{os.getpid()} {child.pid}")\nos.rename(os.environ["PIDS"]+".new", os.environ["PIDS"])\ntime.sleep(60)')],
    '04_owls': [md('# Owls'), code('import os\nos._exit(1)')],
    '05_late': [code('1'), md('# Late'), md('x'), md('**Time** never')],
}

@pytest.fixture
def folder(tmp_path, home, monkeypatch):
    "Make a folder of small lessons and let the command use it. We stand in an empty folder, with a home of our own."
    (made := tmp_path/'nbs').mkdir()
    for name, cells in LESSONS.items(): nbformat.write(new_notebook(cells=cells), made/f'{name}.ipynb')
    for name in ('00_data', '90_samples', 'index', 'notes_01'): (made/f'{name}.ipynb').write_text('{}')
    (made/'images').mkdir()
    (made/'images'/'dot.png').write_bytes(base64.b64decode(DOT))
    (tmp_path/'here').mkdir()
    monkeypatch.chdir(tmp_path/'here')
    monkeypatch.setenv('COLUMNS', '10000')   # tables as wide as they need
    monkeypatch.setattr(cli, '_lessons_folder', lambda: made)
    return made

@pytest.fixture
def call(folder, capfd):
    "Return a function that runs the command and returns its status and what it wrote on stdout and stderr."
    def f(*words):
        capfd.readouterr()   # what the test itself printed
        status = cli.main([str(w) for w in words])
        out, err = capfd.readouterr()
        assert 'Traceback' not in out + err, err
        return status, out, err
    return f

def command(folder, *words):
    "Return the command line that runs the command on the lessons in `folder` in a Python of its own."
    # a shell that starts tests in the background hands down an ignored Ctrl-C: take it back, as a terminal's shell would
    run = ('import signal, sys, pathlib; signal.signal(signal.SIGINT, signal.default_int_handler); from fastlessons import cli; '
           f'cli._lessons_folder = lambda: pathlib.Path({str(folder)!r}); sys.exit(cli.main())')
    return [sys.executable, '-c', run, *map(str, words)]

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

# Starting

def test_a_message_of_which_nobody_was_told(monkeypatch, tmp_path):
    "Sometimes a message lies in a socket until the next one comes: a lesson must not wait for ever."
    from jupyter_client.channels import AsyncZMQSocketChannel
    import nbformat
    real, came = AsyncZMQSocketChannel.get_msg, []
    async def get_msg(self, timeout=None):
        msg = await real(self, timeout)
        if msg['msg_type'] == 'execute_reply': came.extend([msg['msg_type'], (await real(self, 20))['msg_type']])
        return msg
    monkeypatch.setattr(AsyncZMQSocketChannel, 'get_msg', get_msg)
    monkeypatch.setattr(cli, '_KNOCK', 1)
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('1+1')])
    asyncio.run(cli.execute(nb, tmp_path, dict(os.environ), lambda cell: None))
    assert nb.cells[0].outputs[0].data['text/plain'] == '2' and came == ['execute_reply', 'kernel_info_reply']

def test_starts_fast_and_imports_nothing_heavy(folder, home):
    "The best of five starts counts: a busy machine only adds to it."
    def seconds():
        start = time.perf_counter()
        subprocess.run(command(folder, 'list'), check=True, capture_output=True)
        return time.perf_counter() - start
    times = [seconds() for _ in range(5)]
    assert min(times) < .5, times
    code = ("import sys; from fastlessons import cli; before = set(sys.modules); [cli.main([w]) for w in ('list', 'results', 'data', '--help')]; "
            "print(*(m for m in 'torch torchvision fastai nbclient nbconvert nbformat jupyter_client IPython pandas numpy matplotlib PIL tqdm psutil requests'.split() if m in sys.modules), sep=',')")
    assert subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout.splitlines()[-1] == ''

def test_version_and_help(call):
    assert call('--version') == (0, f'fastlessons {__version__}\n', '')
    for words in ((), ('--help',)):
        status, out, err = call(*words)
        assert status == 0 and err == '' and all(c in out for c in cli.COMMANDS)
    for c in cli.COMMANDS: assert call(c, '--help')[::2] == (0, '')

def test_main_reads_the_command_line(monkeypatch, call):
    monkeypatch.setattr(sys, 'argv', ['fastlessons', '--version'])
    assert cli.main() == 0

# Mistyped: status 2, at most two lines, a suggestion

@pytest.mark.parametrize('words, says', {
    'lst': "Did you mean 'list'?", 'Run 01': "Did you mean 'run'?", 'docter': "Did you mean 'doctor'?", 'xyzzy': 'There are: list, run,',
    'run sheeep': "Did you mean '01_sheep'?", 'run 1_shep': "Did you mean '01_sheep'?", 'copy gots': "Did you mean '02_goats'?", 'run 77': 'There is no lesson',
    'run 00': 'There is no lesson', 'run 90': 'There is no lesson', 'run 1 --data sampel': "Did you mean 'sample'?", 'run 1 --data Full': "Did you mean 'full'?",
    'ap': "Did you mean 'app'?", 'app 1 2': 'unrecognized arguments: 2', 'page --big': 'unrecognized arguments: --big', 'space 1 2 3': 'unrecognized arguments: 3',
    'run': 'required: N', 'run 01 02': 'unrecognized arguments: 02', 'list --fast': 'unrecognized arguments: --fast', 'samples': 'required: --check', '--verson': '--verson',
}.items())
def test_mistyped(call, words, says):
    status, out, err = call(*words.split())
    assert (status, out) == (2, '') and says in err and len(err.splitlines()) <= 2
    assert not list(Path().iterdir())   # nothing was made

def test_mistyped_in_the_environment(call, monkeypatch):
    monkeypatch.setenv('FASTLESSONS_DATA', 'fulll')
    status, out, err = call('run', '01')
    assert status == 2 and "Did you mean 'full'?" in err

# list, results, data

def test_lessons(folder):
    assert [l.path.stem for l in cli.lessons()] == list(LESSONS)
    l, *_, late = cli.lessons()
    assert (l.number, l.name, l.title, l.promise, l.time, l.data, l.needs) == ('01', 'sheep', 'Counting sheep', 'Sleep well.', '5 seconds on two cores', 'none', 'a bed')
    assert (late.title, late.promise, late.time, late.needs) == ('Late', '', 'never', '')
    for word in ('1', '01', 'sheep', '01_sheep', 'SHEEP', '01_sheep.ipynb'): assert cli.find_lesson(word) == l

def test_the_real_lessons_say_what_they_take():
    assert cli.lessons()[0].path.parent == ROOT/'nbs' and cli.lessons()[0].number == '01'
    for l in cli.lessons():
        assert l.title and l.promise and re.search(r'\d+ (second|minute)', l.time) and l.data and l.needs and l.badges, l

def rows(out): return {line.split()[0]: line for line in out.splitlines() if line.strip()}

def test_list(call, home):
    status, out, err = call('list')
    assert status == 0 and err == '' and not home.exists()          # looking writes nothing
    assert all(w in rows(out)['01_sheep'] for w in ('Counting sheep', '5 seconds on two cores', 'none', 'a bed'))
    assert all(rows(out)[name].endswith('not yet') for name in LESSONS)
    check.record('01', sheep=3)
    out = call('list')[1]
    assert rows(out)['01_sheep'].endswith('yes') and rows(out)['02_goats'].endswith('not yet')

def test_table_fits_the_terminal(call, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    out = call('data')[1]
    assert max(map(len, out.split('\n\n')[0].splitlines())) <= 80
    monkeypatch.setenv('COLUMNS', '10')
    assert call('data')[0] == 0                                     # too narrow for any table, but it ends

def test_results(call, monkeypatch):
    assert 'No results yet' in call('results')[1]
    monkeypatch.setattr(data, 'used', {'pets': 'sample'})
    check.record('01', error_rate=.02, n=7)
    check.record('05', error_rate=.5)
    status, out, err = call('results')
    line = check.results()[0]
    assert status == 0 and len(out.splitlines()) == 3
    for w in ('01', line['when'], 'pets sample', 'error_rate 0.02, n 7', line['seconds'], line['cores'], 'cpu'): assert str(w) in out.splitlines()[1]

def test_results_with_a_broken_line(call, home):
    check.record('01', a=1)
    with open(home/'results.jsonl', 'a') as f: f.write('{"lesson": "0')
    status, out, err = call('results')
    assert status == 0 and 'left out a line' in out and 'a 1.0' in out

def test_data(call, home):
    (film := home/'data'/'ml-100k').mkdir(parents=True)
    for f in ('u.data', 'u.item'): (film/f).write_bytes(bytes(600_000))
    status, out, err = call('data')
    assert status == 0 and err == '' and list(rows(out))[1:-1] == list(data.DATASETS)
    for name, d in data.DATASETS.items(): assert d.title in rows(out)[name] and d.licence in rows(out)[name] and f' {d.mb} MB ' in rows(out)[name]
    assert 'bundled' in rows(out)['pets'] and 'bundled' in rows(out)['titanic'] and 'bundled' not in rows(out)['imdb']
    assert rows(out)['movielens'].endswith(f'{core.tilde(film)} (1 MB)') and 'grouplens.org' in rows(out)['movielens']
    assert rows(out)['titanic'].endswith('no, by hand') and rows(out)['imdb'].endswith(' no')

def test_lesson_table(folder):
    nb = nbformat.read(folder/'01_sheep.ipynb', 4)
    nb.cells[0].source += '\n\n[![Open in Colab](c.svg)](https://c)'
    nb.cells[-1].outputs = [nbformat.v4.new_output('stream', text='Lesson 01: error_rate 0.02, sheep 3 (41.6 s so far, data: sample)\n')]
    nb.cells.insert(1, code('from fastlessons.check import record\nfrom fastlessons.sheep import count'))
    nbformat.write(nb, folder/'01_sheep.ipynb')
    head, line, first, *others = cli.lesson_table().data.splitlines()
    assert {l.count('|') for l in (head, line, first, *others)} == {8} and len(others) == len(LESSONS)-1
    for w in ('[01 Counting sheep](01_sheep.ipynb)', 'Sleep well.', '5 seconds', 'error_rate 0.02, sheep 3 after 42 s (sample)', '| `sheep.py` |', '(https://c)'): assert w in first

# copy

def test_copy(call, folder):
    status, out, err = call('copy', '1')
    assert status == 0 and 'jupyter lab 01_sheep.ipynb' in out
    assert Path('01_sheep.ipynb').read_bytes() == (folder/'01_sheep.ipynb').read_bytes()
    Path('01_sheep.ipynb').write_text('my work')
    status, out, err = call('copy', '01')
    assert status == 1 and out == '' and '01_sheep.ipynb is already there' in err and '--force' in err
    assert Path('01_sheep.ipynb').read_text() == 'my work'
    assert call('copy', '01', '--force')[0] == 0
    assert Path('01_sheep.ipynb').read_bytes() == (folder/'01_sheep.ipynb').read_bytes()
    assert call('copy', '01', 'a/new folder')[0] == 0
    assert sorted(p.name for p in Path().rglob('*')) == ['01_sheep.ipynb', '01_sheep.ipynb', 'a', 'new folder']

def test_copy_can_be_changed(call, folder):
    (folder/'01_sheep.ipynb').chmod(0o444)   # as some installations are
    call('copy', '01')
    assert Path('01_sheep.ipynb').stat().st_mode & 0o200

@pytest.mark.parametrize('words', ['copy 01 taken', 'run 01 --out taken'])
def test_a_folder_that_is_none(call, words):
    Path('taken').write_text('a file')
    status, out, err = call(*words.split())
    assert status == 1 and 'taken is not a folder that can be written to' in err and 'FOLDER' in err and Path('taken').read_text() == 'a file'

# run

def test_run(call, folder, tmp_path, monkeypatch, home):
    # a kernel named python3 that is another, broken program: ours must not be started by that name
    (spec := tmp_path/'jupyter'/'kernels'/'python3').mkdir(parents=True)
    (spec/'kernel.json').write_text(json.dumps(dict(argv=['false'], display_name='wrong', language='python')))
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path/'jupyter'))
    Path('mine').mkdir()
    status, out, err = call('run', 'sheep', '--data', 'mine', '--arch', 'resnet9')
    assert (status, err) == (0, '')
    lines = out.splitlines()
    assert [re.sub(r'^ *\d+ s  ', '', l) for l in lines[:2]] == ['Counting sheep', 'Look']   # not a terminal: a line for each part
    assert re.fullmatch(r'On sheep \(sample\): error rate 0\.0213, sheep 3, \d+ seconds', lines[2])
    assert 'runs/01_sheep.ipynb' in lines[3] and 'runs/01_sheep.html' in lines[4] and 'make lab' in lines[5] and len(lines) == 6
    assert sorted(p.name for p in Path('runs').iterdir()) == ['01_sheep.html', '01_sheep.ipynb']
    nb = nbformat.read('runs/01_sheep.ipynb', 4)
    nbformat.validate(nb)
    assert [c.execution_count for c in nb.cells if c.cell_type == 'code'] == [1, 2, 3, 4]
    where, arch, cwd, python = nb.cells[3].outputs[0].text.strip().split('|')
    assert (where, arch, python) == (str(Path('mine').absolute()), 'resnet9', sys.executable)
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

def test_run_with_a_folder_that_is_not_there(call):
    status, out, err = call('run', '1', '--data', './nowhere')
    assert status == 1 and 'There is no folder ./nowhere' in err and 'sample' in err and len(err.splitlines()) == 1

def test_what_is_not_installed(call, monkeypatch):
    monkeypatch.setitem(sys.modules, 'nbclient', None)   # as if it were not there
    status, out, err = call('run', '1')
    assert status == 1 and 'nbclient' in err and 'fastlessons doctor' in err and not list(Path('runs').iterdir())

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

def test_closed_pipe(folder):
    with subprocess.Popen(command(folder, 'list'), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        p.stdout.close()
        assert p.stderr.read() == ''

# app, page, space

MODEL = dict(format=1, labels=['cat', 'dog'], size=[8, 8], resize=dict(method='crop', size=[8, 8], pad_mode='reflection', resample='bilinear'), mode='RGB')

def make_model(folder, age=0):
    "Write a model folder that answers with what is in the first pixels; `age` in seconds."
    onnx = pytest.importorskip('onnx')
    from hashlib import sha256
    from onnx import TensorProto as T, helper as h
    nodes = [h.make_node('Cast', ['pictures'], ['x'], to=T.FLOAT), h.make_node('Slice', ['x', 'from', 'to'], ['y']),
             h.make_node('Reshape', ['y', 'shape'], ['z']), h.make_node('Softmax', ['z'], ['probs'], axis=1)]
    ints = [h.make_tensor(n, T.INT64, [len(v)], v) for n, v in (('from', [0, 0, 0, 0]), ('to', [999, 1, 2, 1]), ('shape', [-1, 2]))]
    graph = h.make_graph(nodes, 'g', [h.make_tensor_value_info('pictures', T.UINT8, ['n', 8, 8, 3])], [h.make_tensor_value_info('probs', T.FLOAT, ['n', 2])], ints)
    folder.mkdir(parents=True)
    onnx.save(h.make_model(graph, ir_version=10, opset_imports=[h.make_opsetid('', 18)]), folder/'model.onnx')
    (folder/'model.safetensors').write_bytes(b'')
    sums = {n: sha256((folder/n).read_bytes()).hexdigest() for n in ('model.onnx', 'model.safetensors')}
    (folder/'card.json').write_text(json.dumps(dict(MODEL, files=sums)))
    os.utime(folder/'card.json', (time.time()-age,)*2)
    return folder

def test_find_model(call, home):
    assert cli.find_model() is None
    for name, age in (('old', 100), ('new', 5), ('oldest', 900)): make_model(home/'models'/name, age)
    assert cli.find_model() == home/'models'/'new' and cli.find_model('old') == home/'models'/'old'
    Path('mine').mkdir()
    assert cli.find_model('mine') == Path('mine').absolute()

@pytest.mark.parametrize('command', ['app', 'page', 'space'])
def test_a_model_that_is_not_there(call, home, command):
    status, out, err = call(command, 'pest')
    assert (status, out) == (1, '') and 'no folder pest' in err and 'fastlessons app' in err
    make_model(home/'models'/'pets')
    status, out, err = call(command, 'pest')
    assert (status, out) == (2, '') and "Did you mean 'pets'?" in err and len(err.splitlines()) == 1
    status, out, err = call(command, './nowhere')
    assert (status, out) == (1, '') and 'no folder ./nowhere' in err
    Path('photos').mkdir()
    status, out, err = call(command, 'photos')
    assert (status, out) == (1, '') and 'card.json is missing' in err and 'export_classifier' in err
    (home/'models'/'pets'/'model.onnx').write_bytes(b'x')
    status, out, err = call(command)
    assert (status, out) == (1, '') and 'model.onnx is damaged or was changed' in err
    assert [p.name for p in Path().iterdir()] == ['photos']   # nothing was made

@pytest.mark.parametrize('command, package', [('app', 'gradio'), ('app', 'onnxruntime'), ('page', 'onnxruntime'), ('space', 'onnx')])
def test_a_package_that_is_not_installed(call, monkeypatch, home, command, package):
    find = cli.find_spec
    monkeypatch.setattr(cli, 'find_spec', lambda name: None if name == package else find(name))
    status, out, err = call(command)
    assert (status, out) == (1, '') and err == f"fastlessons: Not installed: {package}. Do: pip install 'fastlessons[app,onnx]'\n"
    assert not home.exists()

def test_space(call, home):
    make_model(home/'models'/'pets')
    status, out, err = call('space')
    assert (status, err) == (0, '') and 'cat, dog' in out and 'space is ready' in out
    assert {'app.py', 'README.md', 'requirements.txt', 'model'} <= {p.name for p in Path('space').iterdir()}
    status, out, err = call('space')
    assert status == 1 and 'already there and stays as it is' in err
    assert call('space', 'pets', 'another')[0] == 0 and Path('another/app.py').exists()

def test_page(call, home, monkeypatch):
    from fastlessons.deploy import web
    make_model(home/'models'/'pets')
    def none(): raise ConnectionError('no npm')
    monkeypatch.setattr(web, 'runtime', none)
    status, out, err = call('page')
    assert status == 1 and err == 'fastlessons: no npm\n' and not list(Path().iterdir())
    (home/'ort').mkdir()
    monkeypatch.setattr(web, 'runtime', lambda: home/'ort')
    status, out, err = call('page', 'pets', 'a/b')
    assert (status, err) == (0, '') and 'http.server' in out and '--directory a/b' in out and Path('a/b/index.html').exists()

@pytest.mark.skipif(os.name == 'nt', reason='signals are other there')
@pytest.mark.parametrize('sign', [signal.SIGINT, signal.SIGTERM], ids=['ctrl-c', 'kill'])
def test_app(folder, home, tmp_path, sign):
    "The first time a model is trained, as there is none; the second time it is there."
    for p in ('gradio', 'onnxscript'): pytest.importorskip(p)
    import requests
    if sign == signal.SIGTERM: make_model(home/'models'/'pets')
    with socket.create_server(('127.0.0.1', 0)) as s: port = s.getsockname()[1]
    (tmp_path/'tmp').mkdir()
    env = dict(os.environ, GRADIO_SERVER_PORT=str(port), TMPDIR=str(tmp_path/'tmp'))
    with subprocess.Popen(command(folder, 'app'), env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as p:
        try:
            def answers():
                assert p.poll() is None, p.communicate()
                try: return requests.get(f'http://127.0.0.1:{port}/config', timeout=5).ok
                except requests.ConnectionError: return False
            wait_for(answers, 240)
            assert 'cat, dog' in requests.get(f'http://127.0.0.1:{port}/config', timeout=5).text
            os.killpg(p.pid, sign) if sign == signal.SIGINT else p.send_signal(sign)   # a terminal sends Ctrl-C to all
            out, err = p.communicate(timeout=60)
        finally: p.kill()
    assert p.returncode == 0 and 'Traceback' not in out + err and 'Warning' not in err, out + err
    first = 'There is no trained model yet' in out
    assert first == (sign == signal.SIGINT) and ('error_rate' in out) == first and 'Stop it with Ctrl-C' in out
    assert (home/'models/pets/card.json').exists() and not [p for p in (tmp_path/'tmp').iterdir() if 'torch' not in p.name]   # PyTorch keeps a cache there

# samples --check

@pytest.mark.parametrize('wrong', [[], ['pets.zip: x.jpg differs', 'mnist.zip: missing'], ['no']*99])
def test_samples_check(call, monkeypatch, wrong):
    monkeypatch.setitem(sys.modules, 'fastlessons.samples.pack', types.SimpleNamespace(check_samples=lambda folder: wrong if folder == data.bundle() else 1/0))
    status, out, err = call('samples', '--check')
    assert (status, err) == (1 if wrong else 0, '') and out.splitlines()[:-1] == wrong[:10] + ['... and 89 more']*(len(wrong) > 10)
    assert out.splitlines()[-1] == f"The bundled samples are {'NOT ' if wrong else ''}as they were made."

# doctor

@pytest.fixture
def machine(tmp_path, monkeypatch):
    "A machine on which all is well, whatever this one is: good samples, a GPU, a network that refuses us but answers, enough memory."
    import psutil
    (bundle := tmp_path/'bundle').mkdir()
    for name, d in data.DATASETS.items():
        if d.sample:
            with zipfile.ZipFile(bundle/f'{name}.zip', 'w') as z: z.writestr('a.txt', 'hello '*100)
    (bundle/'backbone.safetensors').write_bytes(bytes(3000))
    monkeypatch.setattr(core, 'bundle', lambda: bundle)
    (tool := tmp_path/'bin'/'nvidia-smi').parent.mkdir()
    tool.write_text('#!/bin/sh\necho NVIDIA Test 9000\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', str(tool.parent), prepend=os.pathsep)
    monkeypatch.setattr(psutil, 'virtual_memory', lambda: types.SimpleNamespace(total=8_000_000_000, available=3_100_000_000))
    monkeypatch.setattr(cli.shutil, 'disk_usage', lambda p: types.SimpleNamespace(free=50e9))
    monkeypatch.setattr(cli, '_answers', lambda url: url == data.DATASETS['pets'].home)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path/'torch'))
    (weights := tmp_path/'torch/hub/checkpoints').mkdir(parents=True)
    (weights/'resnet34-b627a593.pth').write_bytes(bytes(5000))
    return bundle

def test_doctor_all_is_well(call, machine, monkeypatch, home):
    monkeypatch.setenv('FASTLESSONS_DATA', 'sample')
    check.record('02', goats=1)
    status, out, err = call('doctor')
    assert (status, err) == (0, '')
    said = rows(out)
    assert said['Python'].split()[1] == '.'.join(map(str, sys.version_info[:3])) and said['torch'].split()[1] == cli.version('torch')
    assert said['cores'].split()[1] == f'{os.cpu_count()},' and '8.0 GB, 3.1 GB free' in said['memory'] and f'50.0 GB free at {core.tilde(home)}' in said['disk']
    assert 'NVIDIA Test 9000' in said['GPU'] and 'answers' in said['network'] and 'none' in said['data'] and 'pets, mnist' in said['samples']
    assert 'backbone.safetensors (3 kB), resnet34-b627a593.pth (5 kB)' in said['weights']
    assert 'FASTLESSONS_DATA=sample' in said['settings'] and f'FASTLESSONS_HOME={home}' in said['settings']
    lessons = [l for l in out.splitlines() if l.startswith('lesson ')]
    assert 'Counting sheep: 5 seconds on two cores; not yet run here' in lessons[0]
    assert re.search(r'Goats: \d+ seconds to its result here, on 20\d\d-\d\d-\d\d$', lessons[1]) and len(lessons) == len(LESSONS)
    assert out.splitlines()[-1] == 'All is well. You can start: fastlessons run 01'

def patch(name, value): return lambda m, b: m.setattr(name, value)
AILMENTS = {
    'Only 1.2 GB of memory': patch('psutil.virtual_memory', lambda: types.SimpleNamespace(total=4e9, available=1.2e9)),
    'Only 700 MB are free at': patch('shutil.disk_usage', lambda p: types.SimpleNamespace(free=7e8)),
    'Not installed: fastai. Do: pip install fastai': patch('fastlessons.cli._version', lambda p: None if p == 'fastai' else '1.0'),
    'Python is 3.9.2. Install 3.10': patch('sys.version_info', (3, 9, 2)),
    'missing or damaged: pets': lambda m, b: (b/'pets.zip').write_bytes((b/'pets.zip').read_bytes().replace(b'hello hello', b'hello hullo')),
    'missing or damaged: mnist': lambda m, b: (b/'mnist.zip').unlink(),
    'cannot be written to': patch('os.access', lambda p, mode: False),
}

@pytest.mark.parametrize('says', AILMENTS)
def test_doctor_finds(call, machine, monkeypatch, says):
    with monkeypatch.context() as m:
        AILMENTS[says](m, machine)
        status, out, err = call('doctor')
    wrong = out.split('This must be mended first:\n')[1].splitlines()
    assert status == 1 and len(wrong) == 1 and says in wrong[0] and 'You can start' not in out

def test_doctor_does_not_mind(call, machine, monkeypatch):
    "No network, no GPU: the lessons do without."
    monkeypatch.setattr(cli, '_answers', lambda url: False)
    monkeypatch.setattr(cli, '_gpu', lambda: None)
    status, out, err = call('doctor')
    assert status == 0 and 'no answer; the lessons run without' in rows(out)['network'] and 'none found' in rows(out)['GPU']

@pytest.mark.parametrize('script', ['exit 9', 'sleep 60'])
def test_a_driver_that_does_not_work(machine, tmp_path, monkeypatch, script):
    (tmp_path/'bin'/'nvidia-smi').write_text(f'#!/bin/sh\nexec {script}\n' if 'sleep' in script else f'#!/bin/sh\n{script}\n')
    real = subprocess.run
    monkeypatch.setattr(subprocess, 'run', lambda *a, timeout, **kw: real(*a, timeout=min(timeout, .3), **kw))
    assert cli._gpu() is None

def test_a_server_that_says_nothing(monkeypatch):
    with socket.create_server(('127.0.0.1', 0)) as s:
        start = time.monotonic()
        monkeypatch.setenv('no_proxy', '127.0.0.1')
        assert not cli._answers(f'http://127.0.0.1:{s.getsockname()[1]}/', seconds=.3) and time.monotonic() - start < 3

def test_python_is_the_one_of_the_settings():
    from test_structure import SETTINGS
    assert '.'.join(map(str, cli._PYTHON)) == SETTINGS['min_python']
