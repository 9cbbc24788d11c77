"A newcomer's first hours: JupyterLab as `make lab` opens it, in a real browser, with the mouse and the keyboard."
import contextlib, inspect, json, os, re, subprocess, sys, time

import pytest

from conftest import ROOT
from test_notebooks import assert_in_bands
from test_web import free_port, start_chromium

LONG = 60*60   # seconds that a lesson may take on a very busy machine; on two idle cores all of this file takes less than four minutes

@pytest.fixture(scope='module')
def browser(): yield from start_chromium()

@contextlib.contextmanager
def lab(folder, *args):
    "Start JupyterLab with the command that `make lab` runs, from another folder and with an empty home; yield its address and environment."
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(('JUPYTER', 'FASTLESSONS', 'IPYTHON'))}
    env.update(HOME=str(folder), FASTLESSONS_HOME=str(folder/'home'), TORCH_HOME=str(folder/'torch'), PYTHONPATH=str(ROOT))
    command = [sys.executable, '-m', 'fastlessons', 'lab', '--no-browser', f'--port={port}', '--ServerApp.port_retries=0', *args]
    with open(folder/'log', 'w') as log:
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        for _ in range(1200):
            if found := re.search(rf'http://127\.0\.0\.1:{port}/lab\S*', (folder/'log').read_text()): break
            assert server.poll() is None, (folder/'log').read_text()
            time.sleep(.1)
        yield found[0], env
    finally:
        server.terminate()   # it shuts its kernels down
        server.wait(300)

# What Lab itself knows of the notebook in front: a browser draws only the cells that can be seen.
STATE = '''() => {
    const p = jupyterapp.shell.currentWidget
    const brief = o => ({kind: o.output_type, text: [].concat(o.text || o.traceback || o.data?.['text/plain'] || '', o.data?.['text/markdown'] || '').join(' ')})
    return {path: p.context?.path, kernel: p.context?.sessionContext?.session?.kernel?.status, cells: (p.content?.widgets || []).map(c => ({
        kind: c.model.type, source: c.model.sharedModel.source, count: c.model.executionCount ?? null,
        outputs: c.model.type == 'code' ? c.model.outputs.toJSON().map(brief) : []}))}
}'''

class Desk:
    "Somebody in front of Lab."
    def __init__(self, tab): self.tab = tab

    def state(self): return self.tab.evaluate(STATE)

    def wait(self, ready, seconds=120):
        "Return the state once `ready(state)`."
        end = time.monotonic() + seconds
        while True:
            state = self.state()
            if ready(state): return state
            assert time.monotonic() < end, (state['path'], state['kernel'], [c for c in state['cells'] if c['kind'] == 'code' and not c['count']][:1])
            time.sleep(.3)

    def opened(self, name): return self.wait(lambda s: s['path'] == name and s['kernel'] == 'idle')

    def find(self, words):
        "Make the only code cell with `words` the active one, bring it into view, and return its number."
        found = [i for i, c in enumerate(self.state()['cells']) if c['kind'] == 'code' and words in c['source']]
        assert len(found) == 1, (words, found)
        self.tab.evaluate("i => { const n = jupyterapp.shell.currentWidget.content; n.activeCellIndex = i; return n.scrollToItem(i, 'center') }", found[0])
        self.cell().locator('.cm-content').first.wait_for()
        return found[0]

    def cell(self): return self.tab.locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell.jp-mod-active')

    def run(self, i):
        "Run cell `i`, the active one, as people do; return what it shows."
        before = self.state()['cells'][i]['count']
        self.cell().locator('.cm-content').first.click()
        self.tab.keyboard.press('Shift+Enter')
        state = self.wait(lambda s: s['cells'][i]['count'] not in (before, None) and s['kernel'] == 'idle')
        return ' '.join(o['text'] for o in state['cells'][i]['outputs'])

    def type(self, source):
        "Put `source` in the place of what is in the active cell."
        self.cell().locator('.cm-content').first.click()
        self.tab.keyboard.press('Control+A')
        self.tab.keyboard.insert_text(source)

    def run_all(self):
        "Run > Run All Cells; return the notebook as it is then. No cell may fail or be left out."
        self.tab.get_by_role('menuitem', name='Run', exact=True).click()
        self.tab.get_by_role('menuitem', name='Run All Cells', exact=True).click()
        def code(s): return [c for c in s['cells'] if c['kind'] == 'code' and c['source'].strip()]
        def failed(s): return [(c['source'], o['text']) for c in code(s) for o in c['outputs'] if o['kind'] == 'error']
        state = self.wait(lambda s: failed(s) or all(c['count'] for c in code(s)) and s['kernel'] == 'idle', LONG)
        assert not failed(state), failed(state)
        return state

def tracked(): return subprocess.run(['git', 'status', '--porcelain'], cwd=ROOT, capture_output=True, text=True).stdout

def solution_of(number, cell):
    "Return an exercise's cell with the worked solution in the place of the dots."
    from fastlessons import check
    check._find(number)
    lines = inspect.getsource(check.SOLUTIONS[number]).splitlines()
    return '\n'.join(line for line in lines if line[0:1] != '@') + '\n\n' + cell[cell.index('exercise('):]

def upload(desk, picture):
    "Lesson 01: choose a picture with the button, run the next cell."
    i = desk.find('FileUpload(')
    with desk.tab.expect_file_chooser() as chooser: desk.cell().get_by_role('button', name='Upload').click()
    chooser.value.set_files(picture)
    desk.cell().get_by_role('button', name='(1)').wait_for()   # the button counts
    assert 'upload.value' in desk.state()['cells'][i+1]['source']
    desk.find('upload.value')
    return desk.run(i+1)

def solve(desk, number):
    "Answer an exercise wrongly, then rightly; return what the two answers are met with."
    i = desk.find(f"exercise('{number}'")
    cell = desk.state()['cells'][i]['source']
    desk.type(cell.replace('...', 'return 0', 1))
    wrong = desk.run(i)
    desk.find(f"exercise('{number}'")
    desk.type(solution_of(number, cell))
    return wrong, desk.run(i)

def move_a_slider(desk):
    "Lesson 03: move the first slider with the keyboard; the picture must change."
    desk.find('interact(show_quad')
    picture = desk.cell().locator('.jp-OutputArea-output img')
    before = picture.first.get_attribute('src')
    desk.cell().locator('.noUi-handle').first.focus()
    for _ in range(5): desk.tab.keyboard.press('ArrowRight')
    for _ in range(300):
        if picture.count() and picture.first.get_attribute('src') != before: return True
        time.sleep(.1)

def play_with_keys(desk):
    "Lesson 03: the keys of a picture that answers move its slider, and not the notebook; return what it said before and after."
    i = desk.find('play_descent(')
    picture = desk.cell().locator('[data-play=descent]')
    says = [picture.locator('p').inner_text()]
    picture.get_by_role('slider').focus()
    desk.tab.keyboard.press('ArrowRight')
    desk.tab.keyboard.press('ArrowUp')
    assert desk.tab.evaluate('jupyterapp.shell.currentWidget.content.activeCellIndex') == i
    return [*says, picture.locator('p').inner_text()]

@pytest.mark.slow
def test_a_newcomers_first_hours(browser, tmp_path):
    before = tracked()
    with lab(tmp_path, '--LabApp.expose_app_in_browser=True') as (address, env):
        context = browser.new_context(viewport=dict(width=1366, height=900))
        context.set_default_timeout(120_000)
        desk = Desk(context.new_page())
        desk.tab.goto(address)
        desk.tab.wait_for_function('window.jupyterapp?.shell?.currentWidget?.context')

        # the index is the first page, and leads to the lessons
        first = desk.opened('index.ipynb')
        assert 'Your course' in first['cells'][0]['source'] and '0 of 3' in first['cells'][1]['outputs'][0]['text']
        desk.tab.get_by_role('link', name=re.compile('^01 ')).click()
        desk.opened('01_pets.ipynb')

        # lesson 01: all of it; a picture of one's own; an exercise; what was measured
        desk.run_all()
        from PIL import Image
        picture = next((tmp_path/'home'/'samples').glob('pets-*/images/beagle_*.jpg'))
        Image.open(picture).save(tmp_path/'mine.jpg')
        assert 'The model says: dog, with probability' in upload(desk, tmp_path/'mine.jpg')
        wrong, right = solve(desk, '01.1')
        assert wrong.startswith('✗ 01.1 Not quite.') and right.startswith('✓ 01.1 Right!')
        i = desk.find("exercise('01.1'")
        desk.tab.keyboard.press('Escape')
        desk.tab.keyboard.press('b')   # a new cell below
        desk.type('!fastlessons results')
        assert re.search(r'^01 +20\d\d-', desk.run(i+1), re.M)

        # what is solved is kept: the index shows it, and so does the command
        desk.tab.get_by_role('tab', name='index.ipynb').click()
        desk.opened('index.ipynb')
        assert '1 of 3 ✓' in desk.run(desk.find('progress_table()'))
        listed = subprocess.run([sys.executable, '-m', 'fastlessons', 'list'], env=env, capture_output=True, text=True).stdout
        assert re.search(r'^01_pets .* 1 of 3 .*yes', listed, re.M), listed

        # lessons 03 and 07, in the same Lab
        desk.tab.get_by_role('link', name=re.compile('^03 ')).click()
        desk.opened('03_foundations.ipynb')
        desk.run_all()
        assert move_a_slider(desk)
        before_keys, after_keys = play_with_keys(desk)
        assert before_keys != after_keys and 'after 30 steps' in after_keys
        desk.tab.get_by_role('tab', name='index.ipynb').click()
        desk.opened('index.ipynb')
        desk.tab.get_by_role('link', name=re.compile('^07 ')).click()
        desk.opened('07_collab.ipynb')
        desk.run_all()
        context.close()
    ran = [json.loads(line) for line in (tmp_path/'home'/'results.jsonl').read_text().splitlines()]
    assert [line['lesson'] for line in ran] == ['01', '03', '07']
    for line in ran: assert_in_bands([line], 'sample')
    assert all(re.match('Your (model|network|best model) .+\\d.*\\.$', line['says']) for line in ran), ran   # a result in words, too
    assert tracked() == before
    assert {p.name for p in tmp_path.iterdir() if p.name[0] != '.'} <= {'home', 'work', 'torch', 'log', 'mine.jpg'}
