"The `fastlessons` command: each thing that it promises, good input and bad."
import base64, json, os, re, resource, signal, socket, subprocess, sys, time, types, zipfile
from pathlib import Path

import nbformat, pytest
from nbformat.v4 import new_code_cell as code, new_markdown_cell as md, new_notebook

from conftest import ROOT
from fastlessons import __version__, check, cli, core, course, data, run

DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
TOP = '# Counting sheep\n\n> Sleep well.\n\n**Time** 5 seconds on two cores · **Data** none · **Needs** a bed\n\n![a dot](images/dot.png)'
LESSONS = {
    '01_sheep': [md(TOP), code('import os, sys\nfrom fastlessons import check, data\ndata.used["sheep"] = "sample"'), md('## Look'),
                 code('print(*(os.environ.get(k) for k in ("FASTLESSONS_DATA", "FASTLESSONS_ARCH", "OMP_WAIT_POLICY")), os.getcwd(), sys.executable, sep="|")'),
                 code('#| fig-alt: A very small dot\nfrom base64 import b64decode\nfrom IPython.display import Image\n'
                      f'Image(b64decode("{DOT}"))'), code('check.record("01", says="You counted 3 sheep.", error_rate=0.0213, sheep=3);')],
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
    for name in ('index', 'notes_01'): (made/f'{name}.ipynb').write_text('{}')
    (made/'images').mkdir()
    (made/'images'/'dot.png').write_bytes(base64.b64decode(DOT))
    (tmp_path/'here').mkdir()
    monkeypatch.chdir(tmp_path/'here')
    monkeypatch.setenv('COLUMNS', '10000')   # tables as wide as they need
    monkeypatch.delenv('FORCE_COLOR', raising=False)
    monkeypatch.setattr(course, '_lessons_folder', lambda: made)
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
    run = ('import signal, sys, pathlib; signal.signal(signal.SIGINT, signal.default_int_handler); from fastlessons import cli, course; '
           f'course._lessons_folder = lambda: pathlib.Path({str(folder)!r}); sys.exit(cli.main())')
    return [sys.executable, '-c', run, *map(str, words)]

def wait_for(holds, seconds=120):
    "Wait until `holds()`; fail if it takes too long."
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f'not within {seconds} s'
        time.sleep(.05)

# Starting

def processor(*cmd):
    "Return the seconds of processor that a command takes: a busy machine adds little to them."
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(cmd, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

@pytest.mark.slow
def test_starts_fast_and_imports_nothing_heavy(folder, home):
    bare = min(processor(sys.executable, '-c', 'pass') for _ in range(3))
    ours = min(processor(*command(folder, 'list')) for _ in range(3))
    assert ours < 30*bare, (ours, bare)   # fastai alone takes more than 100 times as long
    code = ("import sys; from fastlessons import cli; [cli.main([w]) for w in ('list', 'results', 'data', '--help')]; "
            "print(*(m for m in 'torch torchvision fastai nbclient nbconvert nbformat jupyter_client IPython pandas numpy matplotlib PIL tqdm psutil requests'.split() if m in sys.modules), sep=',')")
    assert subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout.splitlines()[-1] == ''

def test_version_and_help(call):
    assert call('--version') == (0, f'fastlessons {__version__}\n', '')
    for words in ((), ('--help',)):
        status, out, err = call(*words)
        assert status == 0 and err == '' and all(c in out for c in cli.COMMANDS)
    for c in cli.COMMANDS: assert call(c, '--help')[::2] == (0, '')

@pytest.mark.slow
def test_as_a_module(folder):
    said = [subprocess.run([sys.executable, *words], capture_output=True, text=True) for words in (['-m', 'fastlessons', 'lst'], command(folder, 'lst')[1:])]
    assert said[0].returncode == said[1].returncode == 2 and said[0].stderr == said[1].stderr != ''

def test_main_reads_the_command_line(monkeypatch, call):
    monkeypatch.setattr(sys, 'argv', ['fastlessons', '--version'])
    assert cli.main() == 0

# Mistyped: status 2, at most two lines, a suggestion

@pytest.mark.parametrize('words, says', {
    'lst': "Did you mean 'list'?", 'Run 01': "Did you mean 'run'?", 'docter': "Did you mean 'doctor'?", 'xyzzy': 'There are: lab, list, run,',
    'run sheeep': "Did you mean '01_sheep'?", 'run 1_shep': "Did you mean '01_sheep'?", 'copy gots': "Did you mean '02_goats'?", 'run 77': 'There is no lesson',
    'run 00': 'There is no lesson', 'run 90': 'There is no lesson', 'run 1 --data sampel': "Did you mean 'sample'?", 'run 1 --data Full': "Did you mean 'full'?",
    'ap': "Did you mean 'app'?", 'app 1 2': 'unrecognized arguments: 2', 'page --big': 'unrecognized arguments: --big', 'space 1 2 3': 'unrecognized arguments: 3',
    'run': 'required: N', 'run 01 02': 'unrecognized arguments: 02', 'list --fast': 'unrecognized arguments: --fast', '--verson': '--verson',
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
    assert [x.path.stem for x in course.lessons()] == list(LESSONS)
    x, *_, late = course.lessons()
    assert (x.number, x.name, x.title, x.promise, x.time, x.data, x.needs) == ('01', 'sheep', 'Counting sheep', 'Sleep well.', '5 seconds on two cores', 'none', 'a bed')
    assert (late.title, late.promise, late.time, late.needs) == ('Late', '', 'never', '')
    for word in ('1', '01', 'sheep', '01_sheep', 'SHEEP', '01_sheep.ipynb'): assert course.find_lesson(word) == x

def test_the_real_lessons_say_what_they_take():
    assert course.lessons()[0].path.parent == ROOT/'nbs' and course.lessons()[0].number == '01'
    for x in course.lessons():
        assert len(x.exercises) == 3 and x.exercises[0] == f'{x.number}.1'
        assert x.title and x.promise and re.search(r'\d+ (second|minute)', x.time) and x.data and x.needs and x.badges, x

def rows(out): return {line.split()[0]: line for line in out.splitlines() if line.strip()}

def test_list(call, home):
    status, out, err = call('list')
    assert status == 0 and err == '' and not home.exists()          # looking writes nothing
    assert all(w in rows(out)['01_sheep'] for w in ('Counting sheep', '5 seconds', 'none', 'a bed'))
    assert all(rows(out)[name].endswith('not yet') for name in LESSONS)
    check.record('01', sheep=3)
    out = call('list')[1]
    assert rows(out)['01_sheep'].endswith('yes ✓') and rows(out)['02_goats'].endswith('not yet')

def whole_words(out, text):
    "Return whether each word of `text` is somewhere in `out` as a whole."
    return set(text.split()) <= set(out.split())

@pytest.mark.parametrize('words', ['list', 'data', 'results', 'results 01', 'doctor', 'data pets', 'help', 'help run', '--help', 'list --all', 'data --all'])
def test_fits_80_columns_with_whole_words(call, monkeypatch, words):
    "Of the real lessons, with results."
    monkeypatch.setattr(course, '_lessons_folder', lambda: ROOT/'nbs')
    monkeypatch.setattr(cli, '_answers', lambda url: False)
    monkeypatch.setenv('COLUMNS', '80')
    for name in '01', '08': check.record(name, digits=.9876, failed=.1, a_name_that_is_rather_long=.5, another_one=3)
    status, out, err = call(*words.split())
    assert status == 0 and max(map(len, out.splitlines())) <= 80, max(out.splitlines(), key=len)
    if words == 'list':
        assert len(out.splitlines()) < 2.6*len(course.lessons()) + 3*len(course.projects()) + 4   # it was 38 for 8, with words broken
        for x in course.lessons(): assert x.path.stem in rows(out) and whole_words(out, x.title)
    if words == 'data':
        assert len(out.splitlines()) < 24                            # it was 56
        for name, d in data.DATASETS.items(): assert name in rows(out) and whole_words(out, d.title)

def test_a_very_narrow_terminal(call, monkeypatch):
    monkeypatch.setenv('COLUMNS', '10')
    assert call('data')[0] == 0                                     # too narrow for any table, but it ends

def test_messages_are_wrapped(call, monkeypatch):
    monkeypatch.setenv('COLUMNS', '50')
    status, out, err = call('run', 'sheeep')
    assert status == 2 and max(map(len, err.splitlines())) <= 50 and "Did you mean '01_sheep'?" in ' '.join(err.split())

def test_colour_only_in_a_terminal(call, monkeypatch):
    check.record('01', sheep=3)
    assert '\x1b' not in call('list')[1]
    monkeypatch.setenv('FORCE_COLOR', '1')   # as Jupyter sets it for its cells, which show colours
    assert '\x1b[32m✓' in call('list')[1]

@pytest.mark.parametrize('words, says', {'help': 'COMMAND', 'help copy': 'write over a copy', 'help sheet': 'OUT.xlsx'}.items())
def test_help(call, words, says):
    status, out, err = call(*words.split())
    assert (status, err) == (0, '') and says in out

def test_one_lesson_or_data_set(call, monkeypatch):
    check.record('01', sheep=3)
    check.record('02', goats=5)
    assert 'goats 5' in call('results', 'goats')[1] and 'sheep' not in call('results', '2')[1]
    assert 'fastlessons run 03' in call('results', '03')[1]
    assert 'https://' in call('data', 'pets')[1] and 'films' not in call('data', 'pets')[1]
    status, out, err = call('data', 'pest')
    assert status == 1 and "Did you mean 'pets'?" in err

def test_exercises_solved_are_shown(call, monkeypatch):
    monkeypatch.setattr(course, '_lessons_folder', lambda: ROOT/'nbs')
    assert ' 0 of 3 ' in rows(call('list')[1])['01_pets']
    check.exercise('01.1', lambda f: f.rpartition('_')[0])
    check.exercise('01.1', lambda f: f)                              # once right is right
    check.exercise('01.2', lambda p, t: 1)
    assert ' 1 of 3 ' in rows(call('list')[1])['01_pets'] and '1 of 3 ✓··' in course.progress_table().data

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
    assert 'bundled' in rows(out)['pets'] and 'bundled' in rows(out)['imdb'] and 'bundled' not in rows(out)['cifar10']
    assert rows(out)['movielens'].endswith(f'{core.tilde(film)} (1 MB)') and 'grouplens.org' in rows(out)['movielens']
    assert 'drawn: made when first needed' in ' '.join(out.split())      # a word of the table, explained
    assert rows(out)['titanic'].endswith('no, by hand') and rows(out)['imdb'].endswith(' no')

def test_lesson_table(folder):
    nb = nbformat.read(folder/'01_sheep.ipynb', 4)
    nb.cells[0].source += '\n\n[![Open in Colab](c.svg)](https://c)'
    nbformat.write(nb, folder/'01_sheep.ipynb')
    head, line, first, *others = course.lesson_table().data.splitlines()
    assert {row.count('|') for row in (head, line, first, *others)} == {5} and len(others) == len(LESSONS)-1
    for w in ('[01 Counting sheep](01_sheep.ipynb)', 'Sleep well.', '5 seconds', '(https://c)'): assert w in first

# copy

def text(path): return [c.source for c in nbformat.read(path, 4).cells]

def test_copy(call, folder):
    status, out, err = call('copy', '1')
    assert status == 0 and 'fastlessons lab 01_sheep.ipynb' in out
    assert text('01_sheep.ipynb')[1:] == text(folder/'01_sheep.ipynb')[1:]
    nbformat.validate(nbformat.read('01_sheep.ipynb', 4))
    Path('01_sheep.ipynb').write_text('my work')
    status, out, err = call('copy', '01')
    assert status == 1 and out == '' and '01_sheep.ipynb is already there' in err and '--force' in err
    assert Path('01_sheep.ipynb').read_text() == 'my work'
    assert call('copy', '01', '--force')[0] == 0
    assert text('01_sheep.ipynb')[1:] == text(folder/'01_sheep.ipynb')[1:]
    assert call('copy', '01', 'a/new folder')[0] == 0
    assert sorted(p.name for p in Path().rglob('*')) == ['01_sheep.ipynb', '01_sheep.ipynb', 'a', 'new folder']

def picture_of(source, cell):
    "Return the bytes of the pictures that a cell of text carries; each that it shows must be there."
    shown = re.findall(r'!\[[^]]*\]\(attachment:([^)]+)\)', source)
    return [base64.b64decode(*cell.attachments[name].values()) for name in shown]

def test_a_copy_shows_its_pictures(call, folder):
    call('copy', '1')
    cell = nbformat.read('01_sheep.ipynb', 4).cells[0]
    assert picture_of(cell.source, cell) == [base64.b64decode(DOT)]
    assert nbformat.read(folder/'01_sheep.ipynb', 4).cells[0].source == TOP   # the lesson stays as it is

BADGE = '[![Open in Colab](https://colab.research.google.com/a.svg)](https://colab.research.google.com/b)'

def test_a_copy_has_neither_our_outputs_nor_badges(call, folder):
    "What it shows is what came out where it lies; a badge is a broken picture without a network. The lesson stays as it is."
    nb = nbformat.read(folder/'01_sheep.ipynb', 4)
    nb.cells[0].source = TOP.replace('**Time**', f'{BADGE} {BADGE}\n\n**Time**')
    nb.cells[1].update(outputs=[nbformat.v4.new_output('stream', text='297.0 s so far')], execution_count=3)
    nb.metadata['widgets'] = {'x': {}}
    nbformat.write(nb, folder/'01_sheep.ipynb')
    call('copy', '1')
    ours, copy = nbformat.read(folder/'01_sheep.ipynb', 4), nbformat.read('01_sheep.ipynb', 4)
    assert ours.cells[1].outputs and BADGE in ours.cells[0].source
    assert not any(c.outputs or c.execution_count for c in copy.cells if c.cell_type == 'code') and 'widgets' not in copy.metadata
    assert 'badge' not in copy.cells[0].source and 'colab' not in copy.cells[0].source and '**Time** 5 seconds' in copy.cells[0].source

@pytest.mark.skipif(not (ROOT/'.git').exists(), reason='not a checkout')
def test_what_commands_write_in_a_checkout_is_no_news_for_git():
    "The names that stand in the texts of the commands; and nothing of ours is ignored."
    import shutil
    if not shutil.which('git'): pytest.skip('git is not here')
    def git(*words): return subprocess.run(['git', '-C', str(ROOT), *words], capture_output=True, text=True).stdout.split()
    made = ['page/index.html', 'space/app.py', '1_bike_sharing.ipynb', '01_pets.ipynb', 'linear.xlsx', 'work/index.ipynb', 'runs/01_pets.html', '.unfinished-x-1-y/new']
    assert git('check-ignore', '--no-index', *made) == made and git('ls-files', '-i', '-c', '--exclude-standard') == []

LINK = re.compile(r'\]\(((?!attachment:)[^)\s]+)\)')

@pytest.mark.parametrize('x', course.lessons(), ids=lambda x: x.number)
def test_no_copy_leads_nowhere(x, tmp_path):
    "Copies of the real lessons: all pictures are inside, all links are absolute or lead to something."
    copy = course.copy_notebook(x.path, tmp_path, there=['01_pets.ipynb'])
    (tmp_path/'01_pets.ipynb').touch()
    for c in nbformat.read(copy, 4).cells:
        if c.cell_type != 'markdown': continue
        picture_of(c.source, c)
        plain = re.sub(r'```.*?```|`[^`]*`', '', c.source, flags=re.S)
        for target in LINK.findall(plain):
            path = target.split('#')[0]
            assert re.match(r'https?://', target) or not path or (tmp_path/path).exists(), target
            root = run.site().removesuffix('nbs/')
            if target.startswith(root): assert (ROOT/path.removeprefix(root)).exists(), target

def test_the_site_is_the_one_of_the_settings():
    from test_structure import SETTINGS
    assert run.site() == f"{SETTINGS['repo_url']}/blob/HEAD/nbs/"

def test_copy_can_be_changed(call, folder):
    (folder/'01_sheep.ipynb').chmod(0o444)   # as some installations are
    call('copy', '01')
    assert Path('01_sheep.ipynb').stat().st_mode & 0o200

@pytest.mark.parametrize('words', ['copy 01 taken', 'run 01 --out taken'])
def test_a_folder_that_is_none(call, words):
    Path('taken').write_text('a file')
    status, out, err = call(*words.split())
    assert status == 1 and 'taken is not a folder that can be written to' in err and 'FOLDER' in err and Path('taken').read_text() == 'a file'

# lab

@pytest.fixture
def lab(call, monkeypatch):
    "Return a function that calls `lab` and returns what it printed and the command line and environment that it would go on with."
    started = []
    monkeypatch.setattr(os, 'execve', lambda *a: started.append(a))
    def f(*words):
        status, out, err = call('lab', *words)
        assert (status, err) == (0, ''), err
        return out, *started.pop()[1:]
    return f

def test_lab_opens_copies(lab, folder, home):
    before = {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}
    out, command, env = lab('--no-browser', '--port=9000')
    assert sorted(p.name for p in Path('work').iterdir()) == [f'{name}.ipynb' for name in LESSONS] + ['index.ipynb']
    assert command[:3] == [sys.executable, '-m', 'jupyterlab'] and '--LabApp.default_url=/lab/tree/index.ipynb' in command and command[-2:] == ['--no-browser', '--port=9000']
    assert f'--notebook-dir={Path("work").absolute()}' in command and 'work' in out
    assert env['PATH'].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()} == before   # nothing of the course is touched

def test_lab_never_writes_over(lab, folder):
    lab()
    Path('work/02_goats.ipynb').write_text('my work')
    Path('work/mine.ipynb').write_text('mine')
    Path('work/03_cats.ipynb').unlink()
    nb = nbformat.read('work/index.ipynb', 4)
    nb.cells.append(md('My notes.'))
    nbformat.write(nb, 'work/index.ipynb')
    check.record('01', sheep=3)
    nbformat.write(new_notebook(cells=[md('# Counting sheep anew')]), folder/'01_sheep.ipynb')
    out, *_ = lab()
    assert Path('work/02_goats.ipynb').read_text() == 'my work' and Path('work/mine.ipynb').read_text() == 'mine'
    assert 'anew' not in Path('work/01_sheep.ipynb').read_text() and '01_sheep' in out and 'fastlessons copy 01 ANOTHER_FOLDER' in out
    assert Path('work/03_cats.ipynb').exists()                        # what is missing comes back
    nb = nbformat.read('work/index.ipynb', 4)
    assert nb.cells[-1].source == 'My notes.'
    assert time.strftime('%Y-%m-%d') in nb.cells[1].outputs[0].data['text/markdown']   # the table is of today
    Path('work/index.ipynb').write_text('no notebook at all')
    assert 'index.ipynb stays as it is' in lab()[0] and Path('work/index.ipynb').read_text() == 'no notebook at all'

@pytest.mark.slow
def test_lab_of_the_real_lessons(lab, monkeypatch):
    "The first page links to each lesson, and each is there with its pictures."
    monkeypatch.setattr(course, '_lessons_folder', lambda: ROOT/'nbs')
    lab('mine')
    first = nbformat.read('mine/index.ipynb', 4)
    table = first.cells[1].outputs[0].data['text/markdown']
    assert all(f']({x.path.name})' in table for x in course.lessons()) and table.count('0 of 3') == len(course.lessons())
    for target in re.findall(r'\]\(([^)]+)\)', first.cells[0].source + table + first.cells[2].source): assert (Path('mine')/target).is_file(), target
    assert first.metadata.kernelspec.name == 'python3'                # or JupyterLab would ask

def test_lab_opens_one_copy(lab):
    Path('a b.ipynb').write_text('{}')
    command = lab('a b.ipynb')[1]
    assert '--LabApp.default_url=/lab/tree/a%20b.ipynb' in command and f'--notebook-dir={Path().absolute()}' in command and not Path('work').exists()

@pytest.mark.parametrize('word, page', [('2', '02_goats.ipynb'), ('02', '02_goats.ipynb'), ('P1', 'projects/1_bike_sharing.ipynb')])
def test_lab_opens_a_lesson_by_its_number(lab, monkeypatch, word, page):
    "`lab 02` once made a folder 02 with all lessons in it."
    if word == 'P1': monkeypatch.setattr(course, '_lessons_folder', lambda: ROOT/'nbs')
    command = lab(word)[1]
    assert f'--LabApp.default_url=/lab/tree/{page}' in command and f'--notebook-dir={Path("work").absolute()}' in command
    assert Path('work', page).is_file() and not Path(word).exists()

def test_lab_of_no_lesson(call):
    status, _, err = call('lab', '99')
    assert status == 1 and "no lesson '99'" in err and '02_goats' in err and not Path('99').exists()

def test_lab_in_a_folder_with_a_number(lab):
    Path('02').mkdir()
    assert f'--notebook-dir={Path("02").absolute()}' in lab('02')[1]

def test_review_of_no_file(call, monkeypatch):
    "The way to a notebook, before anybody is told to wait."
    monkeypatch.setattr(course, '_lessons_folder', lambda: ROOT/'nbs')
    status, out, err = call('review', 'P1', 'mine.ipynb')
    assert status == 2 and not out and 'no file mine.ipynb' in err and 'fastlessons copy P1' in err

def test_lab_as_root_and_its_terminal(lab, monkeypatch):
    monkeypatch.setenv('SHELL', '/bin/zsh')
    monkeypatch.setattr(os, 'geteuid', lambda: 0)
    command = lab()[1]
    assert '--allow-root' in command and "--ServerApp.terminado_settings=shell_command=['/bin/zsh']" in command
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    assert '--allow-root' not in lab()[1]

def test_lab_without_jupyterlab(call, monkeypatch):
    find = cli.find_spec
    monkeypatch.setattr(cli, 'find_spec', lambda name: None if name == 'jupyterlab' else find(name))
    status, out, err = call('lab')
    assert status == 1 and 'pip install jupyterlab' in out and not Path('work').exists()

@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='signals are other there')
def test_the_command_is_found_in_the_terminal_of_the_lab(folder, home, tmp_path):
    "A real JupyterLab: no news, our first page, the command in its terminal, whatever the PATH was and a login shell makes of it."
    import requests
    websocket = pytest.importorskip('websocket')
    with socket.create_server(('127.0.0.1', 0)) as s: port = s.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if k not in ('VIRTUAL_ENV',)}
    env.update(PATH='/usr/bin:/bin', SHELL='/bin/bash', HOME=str(tmp_path))
    words = 'lab', '--no-browser', f'--port={port}', '--IdentityProvider.token=abc', '--ServerApp.disable_check_xsrf=True'
    with subprocess.Popen(command(folder, *words), env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as p:
        try:
            here, head = f'http://127.0.0.1:{port}', dict(Authorization='token abc')
            def answers():
                assert p.poll() is None, p.communicate()
                try: return requests.get(f'{here}/api/status', headers=head, timeout=5).ok
                except requests.ConnectionError: return False
            wait_for(answers)
            page = requests.get(f'{here}/lab/tree/index.ipynb', headers=head, timeout=20).text
            assert 'apputils-extension:announcements' in page.split('disabledExtensions')[1][:400]
            name = requests.post(f'{here}/api/terminals', headers=head, timeout=20).json()['name']
            ws = websocket.create_connection(f'ws://127.0.0.1:{port}/terminals/websocket/{name}', header=['Authorization: token abc'], timeout=20)
            ws.send(json.dumps(['stdin', 'fastlessons --version; echo do""ne\r']))
            seen = ''
            while 'done' not in seen: seen += str(json.loads(ws.recv())[1:])
            ws.close()
            assert f'fastlessons {__version__}' in seen, seen
        finally:
            p.terminate()
            p.communicate(timeout=30)

# run

def test_run_with_a_folder_that_is_not_there(call):
    status, out, err = call('run', '1', '--data', './nowhere')
    assert status == 1 and 'There is no folder ./nowhere' in err and 'sample' in err and len(err.splitlines()) == 1

def test_what_is_not_installed(call, monkeypatch):
    monkeypatch.setitem(sys.modules, 'nbclient', None)   # as if it were not there
    status, out, err = call('run', '1')
    assert status == 1 and 'nbclient' in err and 'fastlessons doctor' in err and not list(Path('runs').iterdir())

def lack(monkeypatch, *packages):
    "Let some packages not be installed."
    from importlib.metadata import PackageNotFoundError
    real = course.version
    def version(name):
        if name in packages: raise PackageNotFoundError(name)
        return real(name)
    monkeypatch.setattr(course, 'version', version)

def test_extras_are_looked_for_before_the_work(call, monkeypatch, folder):
    nbformat.write(new_notebook(cells=[md(TOP.replace('a bed', 'the extras `app` and `onnx`; more with `fastlessons[sheets]`')), code('1')]), folder/'01_sheep.ipynb')
    x = course.find_lesson('01')
    assert course.extras(x) == (['app', 'onnx'], ['sheets'])
    lack(monkeypatch, 'gradio', 'onnx', 'XlsxWriter')
    status, out, err = call('run', '1')
    assert status == 1 and err == "fastlessons: Lesson 01 needs gradio, onnx. Do: pip install 'fastlessons[app,onnx]'\n" and not Path('runs').exists()
    monkeypatch.setattr(cli, '_answers', lambda url: False)
    out = call('doctor')[1]
    assert "It cannot run yet: pip install 'fastlessons[app,onnx]'" in next(l for l in out.splitlines() if l.startswith('lesson 01'))
    assert 'app (lacks gradio)' in out and 'sheets (lacks XlsxWriter)' in out and 'nlp (here)' in out

def test_an_extra_that_is_only_useful_stops_nothing(monkeypatch, folder):
    nbformat.write(new_notebook(cells=[md(TOP.replace('a bed', 'nothing more; a part gains from `pip install fastlessons[sheets]`'))]), folder/'01_sheep.ipynb')
    lack(monkeypatch, 'XlsxWriter')
    cli._check_extras(course.find_lesson('01'))
    assert cli._lacks(course.find_lesson('01')) == ". A part is left out without: pip install 'fastlessons[sheets]'"

def test_a_package_that_is_too_old(monkeypatch):
    monkeypatch.setattr(course, 'version', lambda name: '1.0')
    assert 'gradio' in course.missing(['app']) and 'onnxruntime' not in course.missing(['app'])

def test_the_real_lessons_name_extras_that_there_are():
    assert {'app', 'onnx', 'nlp', 'sheets'} <= set(course._extras())
    found = {x.number: course.extras(x) for x in course.lessons()}
    assert set(found['02'][0]) == {'app', 'onnx'} and found['04'] == ([], ['nlp']) and found['05'] == ([], [])

@pytest.mark.parametrize('error, says', [(ValueError("There is no architecture 'resnet43'. Did you mean 'resnet34'?"), 'resnet34'),
                                               (ConnectionError('resnet43-x.pth (83 MB) is not on this disk'), 'is not on this disk')])
def test_an_architecture_that_cannot_be_had_is_found_first(call, monkeypatch, error, says):
    def backbone(arch): raise error
    monkeypatch.setitem(sys.modules, 'fastlessons.vision.backbone', types.SimpleNamespace(backbone=backbone))
    status, out, err = call('run', '1', '--arch', 'resnet43')
    assert status == 1 and says in err and not Path('runs').exists() and len(err.splitlines()) == 1

@pytest.mark.slow
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
    assert status == 1 and 'already there and stays as it is' in err and '--force' in err and '--out FOLDER' in err
    assert call('space', 'pets', 'another')[0] == 0 and Path('another/app.py').exists()
    assert call('space', '--out', 'a third', '--title', 'Cat or dog?')[0] == 0 and 'Cat or dog?' in Path('a third/app.py').read_text()

def test_space_over_an_older_one(call, home):
    make_model(home/'models'/'pets')
    call('space')
    assert call('space', '--force', '--title', 'Cat or dog?')[0] == 0 and 'Cat or dog?' in Path('space/app.py').read_text()
    assert [p.name for p in Path().iterdir()] == ['space']
    Path('mine').mkdir()
    Path('mine/diary.txt').write_text('dear')
    status, out, err = call('space', 'pets', 'mine', '--force')   # not a thing that we made
    assert status == 1 and 'diary.txt' in err and [p.name for p in Path('mine').iterdir()] == ['diary.txt']

@pytest.mark.slow
@pytest.mark.parametrize('command', ['page', 'space'])
def test_a_place_that_is_taken_is_found_before_a_model_is_trained(call, monkeypatch, command):
    monkeypatch.setattr(cli, '_model', lambda *_: 1/0)
    Path(command).mkdir()
    Path(command, 'x').touch()
    assert 'already there' in call(command)[2]

def test_the_model_says_from_what_it_learned(call, home):
    card = make_model(home/'models'/'pets')/'card.json'
    about = json.loads(card.read_text())
    assert 'learned' not in call('space')[1]
    card.write_text(json.dumps(dict(about, data=dict(name='pets', source='sample', kind='drawn pictures', train=711, valid=177))))
    assert 'It learned from 711 drawn pictures (pets, sample); photos and other drawings will fool it.' in ' '.join(call('space', '--out', 'b')[1].split())

def test_it_is_said_whose_pictures_visitors_will_see(call, home):
    from PIL import Image
    folder = make_model(home/'models'/'pets')
    assert 'Visitors' not in call('space')[1]
    (folder/'examples').mkdir()
    Image.new('RGB', (9, 9)).save(folder/'examples'/'1_cat.jpg')
    assert 'Visitors will see 1 pictures of its validation set' in ' '.join(call('space', '--out', 'b')[1].split())
    assert 'Visitors' not in call('space', '--out', 'c', '--examples', str(folder/'examples'/'1_cat.jpg'))[1]

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

@pytest.mark.slow
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
    if first: assert out.index('half a minute') < out.index('Training on') < out.index('error_rate')   # said before it is quiet
    assert 'public link' not in out
    assert first == (sign == signal.SIGINT) and ('error_rate' in out) == first and 'Stop it with Ctrl-C' in out
    assert (home/'models/pets/card.json').exists() and not [p for p in (tmp_path/'tmp').iterdir() if 'torch' not in p.name]   # PyTorch keeps a cache there

@pytest.mark.skipif(os.name == 'nt', reason='signals are other there')
def test_a_command_that_is_killed_leaves_nothing(call, home, monkeypatch):
    "As `timeout` and a shutdown do, while the first model is trained."
    def trained(*_):
        (home/'models').mkdir(parents=True)
        with core.unfinished(home/'models'):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(9)
    monkeypatch.setattr(cli, '_model', trained)
    before = signal.getsignal(signal.SIGTERM)
    for command in 'app', 'page', 'space':
        assert call(command) == (130, '', 'fastlessons: stopped. Nothing half done is left behind.\n')
        (home/'models').rmdir()   # it is empty
    assert signal.getsignal(signal.SIGTERM) == before

# samples; `--check` is from version 0.1.0

@pytest.mark.parametrize('words', [('samples',), ('samples', '--check')], ids=' '.join)
@pytest.mark.parametrize('wrong', [[], ['pets.zip: x.jpg differs', 'mnist.zip: missing'], ['no']*99])
def test_samples(call, monkeypatch, wrong, words):
    monkeypatch.setitem(sys.modules, 'fastlessons.samples.pack', types.SimpleNamespace(check_samples=lambda folder: wrong if folder == data.bundle() else 1/0))
    status, out, err = call(*words)
    assert (status, err) == (1 if wrong else 0, '') and out.splitlines()[:-1] == wrong[:10] + ['... and 89 more']*(len(wrong) > 10)
    assert out.splitlines()[-1] == f"The bundled samples are {'NOT ' if wrong else ''}as they were made."

@pytest.mark.slow
def test_sheet_says_how_to_write_over_it(call):
    pytest.importorskip('xlsxwriter')
    assert call('sheet', 'linear')[0] == 0
    status, out, err = call('sheet', 'linear')
    assert status == 1 and '--force' in err and 'force=True' not in err
    assert call('sheet', 'linear', '--force')[0] == 0

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
    lessons = [line for line in out.splitlines() if line.startswith('lesson ')]
    assert lessons[0].endswith('Counting sheep: 5 seconds on two cores')   # not yet run here
    assert re.search(r'Goats: \d+ seconds to its result here, on 20\d\d-\d\d-\d\d$', lessons[1]) and len(lessons) == len(LESSONS)
    assert out.splitlines()[-1] == 'All is well. You can start: fastlessons run 01'

@pytest.mark.parametrize('policy, says', [('passive', 'they sleep'), ('', 'they spin'), ('ACTIVE', 'OMP_WAIT_POLICY=ACTIVE: they spin')])
def test_doctor_says_how_threads_wait(call, machine, monkeypatch, policy, says):
    "Where torch was loaded before fastlessons, nothing is set; that costs something, but it is no ailment."
    monkeypatch.setenv('OMP_WAIT_POLICY', policy)
    status, out, err = call('doctor')
    line = rows(out)['threads']
    assert status == 0 and line.split(maxsplit=1)[1].startswith(says)
    assert ('spin' in says) == ('37.7' in line and '2.6' in line and 'PASSIVE' in line)

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
        monkeypatch.setenv('no_proxy', '127.0.0.1')
        assert not cli._answers(f'http://127.0.0.1:{s.getsockname()[1]}/', seconds=.3)   # without a limit this would not end

def test_python_is_the_one_of_the_settings():
    from test_structure import SETTINGS
    assert '.'.join(map(str, cli._PYTHON)) == SETTINGS['min_python']
