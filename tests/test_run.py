"Running a notebook: a kernel of our own that ends with us, results kept whole or not at all, a page that anybody can read."
import asyncio, json, os, re, signal, subprocess, sys, time
from pathlib import Path

import nbformat, pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell as code, new_notebook

from fastlessons import cli, course, run
from test_cli import LESSONS, call, command, folder, wait_for   # noqa: F401 (fixtures)

def gone(pid):
    "Return whether a process has ended."
    import psutil
    try: return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess: return True

@pytest.mark.slow
def test_a_message_of_which_nobody_was_told(monkeypatch, tmp_path):
    "The answer comes while the client is busy, and then the client sends: its socket will not tell of the answer any more."
    from nbclient.output_widget import OutputWidget
    send = OutputWidget.sync_state
    def late(self):
        time.sleep(.5)   # the answer arrives meanwhile
        send(self)
    monkeypatch.setattr(OutputWidget, 'sync_state', late)
    nb = new_notebook(cells=[code('from ipywidgets import interact\ninteract(lambda x: print(x), x=3);'), code('1+1')])
    waited = []
    def show(cell=None):   # execute calls it every second: 20 s is for ever
        waited.append(cell)
        if len(waited) > 20: raise TimeoutError('it waits for ever')
    run.execute(nb, tmp_path, show=show)
    assert nb.cells[1].outputs[0].data['text/plain'] == '2'

@pytest.mark.slow
def test_outputs_that_do_not_come(monkeypatch, tmp_path):
    from nbclient import NotebookClient
    async def deaf(self, *_): await asyncio.sleep(60)
    monkeypatch.setattr(NotebookClient, '_async_poll_output_msg', deaf)
    monkeypatch.setattr(run, '_LAST', 1)
    with pytest.raises(RuntimeError, match='(?s)cell 1: 1.1.*outputs'): run.execute(new_notebook(cells=[code('1+1')]), tmp_path)

@pytest.mark.slow
def test_run(call, folder, tmp_path, monkeypatch, home):
    # a kernel named python3 that is another, broken program: ours must not be started by that name
    (spec := tmp_path/'jupyter'/'kernels'/'python3').mkdir(parents=True)
    (spec/'kernel.json').write_text(json.dumps(dict(argv=['false'], display_name='wrong', language='python')))
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path/'jupyter'))
    Path('mine').mkdir()
    monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)   # the tests' own
    monkeypatch.setattr(cli, '_check_arch', lambda arch: None)
    status, out, err = call('run', 'sheep', '--data', 'mine', '--arch', 'resnet9')
    assert (status, err) == (0, '')
    title, what, *lines = out.splitlines()   # said before it is quiet
    assert title == '01 Counting sheep' and 'about 5 seconds on two cores' in what and 'page for your browser' in what
    assert [re.sub(r'^ *\d+ s  ', '', line) for line in lines[:2]] == ['Counting sheep', 'Look']   # not a terminal: a line for each part
    assert lines[2] == 'You counted 3 sheep.' and lines[3] == 'On sheep (sample): error rate 0.0213, sheep 3' and re.fullmatch(r'It took \d+ seconds\.', lines[4])
    assert 'runs/01_sheep.ipynb' in lines[5] and 'for your browser: runs/01_sheep.html' in lines[6] and 'make lab' in lines[7] and len(lines) == 8
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
    first, = soup.select('#first-picture')                                                 # where `--show` opens the page
    assert first['alt'] == 'A very small dot' and 'scroll-margin-top' in first['style']
    assert [(i['alt'], i['src'][:15]) for i in soup.select('img')] == [('a dot', 'data:image/png;'), ('A very small dot', 'data:image/png;')]
    assert not [s['href'] for s in soup.select('link[href^=http]')]
    assert not soup.select('script[src^=http], img[src^=http]')                              # it asks nobody for anything

    Path('runs/01_sheep.html').write_text('old')
    monkeypatch.setattr(course, '_lessons_folder', lambda: folder.rename(folder.parent/'_lessons') if folder.exists() else folder.parent/'_lessons')
    monkeypatch.setenv('FASTLESSONS_HOME', 'home')                                           # relative: to where we stand
    status, out, err = call('run', '01')
    assert status == 0 and 'error rate 0.0213' in out and 'fastlessons lab' in out   # installed: no make
    assert Path('home/results.jsonl').exists() and Path('runs/01_sheep.html').read_text() != 'old'
    assert 'None|None' in nbformat.read('runs/01_sheep.ipynb', 4).cells[3].outputs[0].text

@pytest.mark.slow
def test_a_page_that_cannot_be_made_costs_no_notebook(call, monkeypatch):
    Path('runs').mkdir()
    Path('runs/01_sheep.html').write_text('of an earlier run')
    def broken(*args): raise ValueError('No template sub-directory with name lab found')
    monkeypatch.setattr(run, 'page', broken)
    status, out, err = call('run', '1')
    assert status == 1 and 'There is no page for your browser: ValueError: No template' in out and 'error rate 0.0213' in out
    assert [p.name for p in Path('runs').iterdir()] == ['01_sheep.ipynb'] and '0.0213' in Path('runs/01_sheep.ipynb').read_text()

@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='a browser is found in another way there')
@pytest.mark.parametrize('screen', [True, False])
def test_the_page_is_opened_where_a_browser_is(call, monkeypatch, tmp_path, screen):
    (tmp_path/'browser').write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    (tmp_path/'browser').chmod(0o755)
    monkeypatch.setenv('BROWSER', str(tmp_path/'browser'))
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'): monkeypatch.delenv(name, raising=False)
    if screen: monkeypatch.setenv('DISPLAY', ':0')
    import webbrowser
    monkeypatch.setattr(webbrowser, '_tryorder', None)   # it looks for browsers once
    status, out, err = call('run', '1', '--show')
    assert status == 0 and (tmp_path/'opened').exists() == screen
    page = Path('runs/01_sheep.html').absolute()
    if screen: assert (tmp_path/'opened').read_text().strip() == page.as_uri() + '#first-picture' and 'is open in your browser' in out
    else: assert 'The page for your browser: runs/01_sheep.html' in out

WIDGETS = """import ipywidgets as w
from IPython.display import display, Image
from base64 import b64decode
"""

@pytest.mark.slow
def test_widgets_are_pictures_in_the_page(tmp_path):
    nb = new_notebook(cells=[code(WIDGETS + f"w.interactive(lambda lr: display(Image(b64decode('{LESSONS['01_sheep'][4].source.split(chr(34))[1]}'))), lr=w.FloatSlider(description='rate'))"),
                             code('w.FileUpload(description="A picture")')])
    run.execute(nb, tmp_path)
    page = run.page(nb, 'Widgets')
    soup = BeautifulSoup(page, 'html.parser')
    assert len(soup.select('main img')) == 1 and soup.select('main img')[0]['src'].startswith('data:image/png')
    said = ' '.join(o.text for o in soup.select('.jp-OutputArea'))
    assert 'FloatSlider(' not in said and 'FileUpload(' not in said and 'rate' in said and 'A picture' in said and said.count('It needs Python, so it is not on this page') == 2
    assert not soup.select('script[src^=http]') and 'unpkg' not in page and 'jsdelivr' not in page

@pytest.mark.slow
def test_the_real_lessons_pages_are_whole():
    "Formulas, pictures and links of their text; a page asks nobody for anything."
    from conftest import ROOT
    formulas = 0
    for path in sorted((ROOT/'nbs').glob('0*.ipynb')):
        nb = nbformat.read(path, 4)
        nb.cells = [c for c in nb.cells if c.cell_type == 'markdown']
        page = run.page(nb, path.stem, path.parent)
        soup = BeautifulSoup(page, 'html.parser')
        text = re.sub(r'\s+', ' ', ' '.join(p.text for p in soup.select('main p, main li')))
        assert '$$' not in text and '\\xrightarrow' not in text, path.stem
        assert all(i['src'].startswith('data:') and i['alt'] for i in soup.select('img')), path.stem
        assert all(a['href'].startswith(('http', '#')) for a in soup.select('main a[href]')), path.stem
        formulas += len(soup.select('img[src^="data:image/svg"]'))
    assert formulas >= 1

def test_prices_and_code_are_no_formulas():
    from nbformat.v4 import new_markdown_cell as md
    page = run.page(new_notebook(cells=[md('It costs $5, not $6. `a$b$c`, and a\n\n```sh\n$x $y$\n```')]), 'Prices')
    assert 'It costs $5, not $6.' in page and not BeautifulSoup(page, 'html.parser').select('main img')

def test_a_formula_that_cannot_be_drawn_stays_as_it_was_typed():
    from nbformat.v4 import new_markdown_cell as md
    page = run.page(new_notebook(cells=[md('So $\\foo<x>$ and\n\n$$\\begin{matrix}1\\end{matrix}$$\n\n$$x_1$$')]), 'Formulas')
    main = BeautifulSoup(page, 'html.parser').select('main')[0]
    assert main.select('code')[0].text == '\\foo<x>' and main.select('pre')[0].text.strip() == '\\begin{matrix}1\\end{matrix}'
    assert [i['alt'] for i in main.select('img')] == ['x_1']

def test_a_page_leads_to_its_neighbours(tmp_path):
    from nbformat.v4 import new_markdown_cell as md
    cell = md('[next](02_b.ipynb) [web](03_c.ipynb#top) [other](04_d.ipynb) ![no such](images/no.png) [here](#x) [far](https://x.y/z.html)')
    page = run.page(new_notebook(cells=[cell]), 'Links', tmp_path, {'02_b.ipynb': '02_b.html', '04_d.ipynb': '04_d.ipynb'})
    links = [a['href'] for a in BeautifulSoup(page, 'html.parser').select('main p a')]
    assert links[:3] == ['02_b.html', run.site() + '03_c.ipynb#top', '04_d.ipynb'] and links[-2:] == ['#x', 'https://x.y/z.html']

def test_emphasis_does_not_open_inside_a_word():
    "`1.5*4 is 6 and 2*3 is 6` loses its stars and half of it is slanted: all Markdown is read as JupyterLab reads it."
    from conftest import ROOT
    from markdown_it import MarkdownIt
    reader = MarkdownIt('commonmark').enable('table')
    def slanted(text):
        "Yield the emphasis that stands inside a word, or holds nothing but what looks like arithmetic."
        for block in reader.parse(text):
            words = block.children or []
            for i, token in enumerate(words):
                if token.type not in ('em_open', 'strong_open'): continue
                before = words[i-1].content[-1:] if i and words[i-1].type == 'text' else ''
                if before.isalnum() or before in set(')]²³'): yield block.content
    assert list(slanted('is 1.5*4 = 6 and 2*3')) and not list(slanted('*this* and **that**, `1.5*4`, (*so*), 2 * 3 * 4'))
    texts = {p: '\n\n'.join(c.source for c in nbformat.read(p, 4).cells if c.cell_type == 'markdown') for p in (ROOT/'nbs').rglob('*.ipynb')}
    texts |= {p: p.read_text() for p in [*ROOT.glob('*.md'), ROOT/'data/README.md']}
    wrong = {p.name: found for p, text in texts.items() if (found := list(slanted(text)))}
    assert len(texts) > 40 and not wrong

@pytest.mark.slow
def test_a_failing_cell(call):
    Path('runs').mkdir()
    Path('runs/02_goats.ipynb').write_text('of an earlier run')
    status, out, err = call('run', '2')
    assert status == 1
    assert 'the lesson stopped in code cell 2: goats / 0  # no goats' in err.splitlines()[0]
    assert err.splitlines()[-1].strip() == 'ZeroDivisionError: division by zero' and len(err.splitlines()) < 8 and '\x1b' not in err
    assert [p.name for p in Path('runs').iterdir()] == ['02_goats.ipynb'] and Path('runs/02_goats.ipynb').read_text() == 'of an earlier run'

@pytest.mark.slow
def test_a_kernel_that_dies(call):
    status, out, err = call('run', '4')
    assert status == 1 and 'code cell 1: import os' in err and 'memory' in err and not list(Path('runs').iterdir())

@pytest.mark.slow
def test_a_cell_finds_the_command_and_what_was_set(tmp_path):
    from fastlessons import core
    nb = new_notebook(cells=[code('import os; os.environ["PATH"]'), code('os.environ["OMP_WAIT_POLICY"]')])
    run.execute(nb, tmp_path, dict(os.environ, PATH='/usr/bin:/bin', OMP_WAIT_POLICY='ACTIVE'))
    path, policy = (c.outputs[0].data['text/plain'] for c in nb.cells)
    assert path == repr(f'{Path(sys.executable).parent}{os.pathsep}/usr/bin:/bin') and policy == "'ACTIVE'"
    assert core.with_our_bin(dict(PATH=core.with_our_bin())) == core.with_our_bin()   # once is enough

@pytest.mark.slow
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
            p.send_signal(sign)
            _, err = p.communicate(timeout=60)
        finally: p.kill()
    assert p.returncode == 130
    assert err == 'fastlessons: stopped. Nothing half done is left behind.\n'
    wait_for(lambda: gone(kernel) and gone(child))
    assert [f.name for f in out.iterdir()] == ['03_cats.html'] and (out/'03_cats.html').read_text() == 'of an earlier run'

@pytest.mark.slow
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
    said, drawn = seen.split('your browser.', 1)                          # first of all, what is going to happen
    assert 'Goats' in said and drawn.count('\n') <= 2                     # then one line, drawn again and again

@pytest.mark.slow
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
