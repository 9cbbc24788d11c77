"The pictures that answer: what they say after some clicks and keys is what the library computes."
import json, math, re

import nbformat, numpy as np, pandas as pd, pytest, torch
from bs4 import BeautifulSoup
from torch.nn import functional as F

from conftest import ROOT, refuses
from test_web import start_chromium
from fastlessons import interactive, run
from fastlessons.simple.foundations import numerical_gradient
from fastlessons.text.seq2seq import attention
from fastlessons.text.word2vec import keep_probability, nearness

# The numbers of the lessons, or ones like them

XS = torch.linspace(-2, 2, 20)
YS = 3*XS**2 + 2*XS + 1 + torch.randn(20, generator=torch.manual_seed(1))
POINTS = torch.tensor([(-1.6, 3.6), (1., 2.2), (-.4, 1.5), (1.6, 3.), (0., .9)])
PIC = torch.rand(32, 30, generator=torch.manual_seed(2)).mul(255).round()/255
LEFT = torch.tensor([[-1., 0, 1]]*3)
OUTLINE = torch.tensor([[-1., -1, -1], [-1, 8, -1], [-1, -1, -1]])
WORDS = 'the mayor of paris opened the museum because the king was late'.split()
COUNTS = np.array([100, 3, 40, 1, 2, 100, 1, 20, 100, 2, 30, 2])
SOURCE, SAID = 'the black <cat> .'.split(), 'le chat noir . <end>'.split()
QUERIES, KEYS = torch.randn(2, 5, 8, generator=torch.manual_seed(3))
SHARES = attention(QUERIES, KEYS[:4], KEYS[:4])[1]

def made():
    "Make all six."
    return {p.name: p for p in (
        interactive.play_descent(XS, YS), interactive.play_bends(POINTS, c=1.2, names=('cold', 'power')),
        interactive.play_kernel(PIC, {'left edge': LEFT, 'outline': OUTLINE}), interactive.play_rnn([1, 0, 0, 0, 0, 1], w=.5, u=.9),
        interactive.play_window(WORDS, COUNTS/1000, 3, window=2), interactive.play_attention(pd.DataFrame(SHARES.numpy(), SAID, SOURCE)))}

@pytest.fixture(scope='module')
def pictures(): return made()

def saved(): return {(p.stem, c.id): c for p in sorted((ROOT/'nbs').rglob('*.ipynb')) for c in nbformat.read(p, 4).cells
                     if c.cell_type == 'code' and any(run.PLAY in o.get('data', {}) for o in c.outputs)}

# Without a browser

def test_each_is_small_and_asks_nobody(pictures):
    assert set(pictures) == {f.stem for f in (ROOT/'web/interactive').glob('*.js')} - {'frame'}
    pages = {name: p.html() for name, p in pictures.items()}
    pages |= {key: o.data[run.PLAY] for key, c in saved().items() for o in c.outputs if run.PLAY in o.get('data', {})}
    for name, html in pages.items():
        assert len(html.encode()) < 8192, (name, len(html))
        assert not re.search(r'https?://(?!www\.w3\.org/)|\bimport\b|fetch\(|\beval\b', html), name
        assert html.startswith(run.ANSWERS) and html.count('</script>') == 1 and html.endswith('</script>'), name

def test_numbers_and_words_arrive_whole(pictures):
    for p in pictures.values():
        data = re.search(r'const DATA = (.*);\n', p.html())[1]
        assert json.loads(data) == json.loads(json.dumps(p.data)) and '<' not in data

def test_lessons_are_saved_with_both_and_words_for_the_still_one():
    found = saved()
    lessons = {key[0][:2] for key in found if key[0][:2].isdigit()}
    assert lessons >= {'03', '08', '15', '16', '19'} and len(found) >= 10
    for key, c in found.items():
        out = [o for o in c.outputs if run.PLAY in o.get('data', {})]
        assert len(out) == 1 and 'image/png' in out[0].data and 'text/html' not in out[0].data, key
        assert re.search(r'^#\| fig-alt: .{20}', c.source, re.M), key

def test_saved_scripts_are_those_of_today():
    "Else run `tools/maintain.py play`."
    for key, c in saved().items():
        html = next(o.data[run.PLAY] for o in c.outputs if run.PLAY in o.get('data', {}))
        name, data = re.match(r'<div data-play="(\w+)".*?const DATA = (.*?);\n', html, re.S).groups()
        assert html == interactive._html(name, data), key

def test_a_cleaned_notebook_keeps_both(tmp_path, pictures):
    "As `maintain.py save` and `nbdev-clean` leave it; the site and a saved page show what answers, with the still picture inside."
    import sys
    from nbdev.clean import nbdev_clean
    sys.path.insert(0, str(ROOT/'tools'))
    import maintain
    bundle = pictures['rnn']._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell('#| fig-alt: Boxes "h" in a row\nx', outputs=[nbformat.v4.new_output('display_data', dict(bundle))])
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell('# A\n\n> B'), cell])
    live = run.page(nb, 'A')
    maintain.tidy(cell)
    nbformat.write(nb, tmp_path/'a.ipynb')
    nbdev_clean(str(tmp_path/'a.ipynb'))
    again = nbformat.read(tmp_path/'a.ipynb', 4)
    data = again.cells[1].outputs[0].data
    assert data[run.PLAY] == bundle['text/html'] and set(data) == {run.PLAY, 'image/png'}
    for page in (live, run.page(again, 'A')):
        place = BeautifulSoup(page, 'html.parser').select_one('[data-play=rnn]')
        assert place.img['alt'] == 'Boxes "h" in a row' and place.find_next_sibling().string == bundle['text/html'].split('<script>')[1][:-9]
    assert run.with_still({'image/png': '', 'text/html': '<b>1</b>'}, '<img>') == run.with_still({}, '<img>') == '<img>'

def test_large_pictures_are_made_smaller():
    p = interactive.play_kernel(torch.rand(96, 70), {'left edge': LEFT})
    assert (p.data['h'], p.data['w']) == (32, 23) and len(p.html()) < 8192

def test_wrong_numbers_are_named():
    refuses(ValueError, lambda: interactive.play_descent([1, 2], [1, float('nan')]), 'infinite or missing')
    refuses(ValueError, lambda: interactive.play_descent([1, 2], [1, 2], lr=3), 'lr is 3')
    refuses(ValueError, lambda: interactive.play_bends([1, 2]), '(2,)', '(n, 2)')
    refuses(ValueError, lambda: interactive.play_bends(torch.zeros(0, 2)), '(0,)', 'at least one')
    refuses(ValueError, lambda: interactive.play_kernel(torch.zeros(0, 5), {'a': LEFT}), '(0,)', 'Expected a grey one')
    refuses(ValueError, lambda: interactive.play_kernel(torch.rand(9, 9)*255, {'a': LEFT}), 'Expected a grey one')
    refuses(ValueError, lambda: interactive.play_kernel(torch.rand(9, 9), {}), 'no kernel')
    refuses(ValueError, lambda: interactive.play_kernel(torch.rand(9, 9), {'five': torch.eye(5)}), "'five'", '(5, 5)')
    refuses(ValueError, lambda: interactive.play_rnn([]), '[]', 'zeros and ones')
    refuses(ValueError, lambda: interactive.play_rnn([1, 0], u=5), 'u is 5')
    refuses(ValueError, lambda: interactive.play_window(['a', 'b'], [.1]), '2 words', '1 share')
    refuses(ValueError, lambda: interactive.play_window(['a', 'b'], [.1, 0]), 'share')
    refuses(ValueError, lambda: interactive.play_window(['a', 'b'], [.1, .1], 2), 'place')
    refuses(ValueError, lambda: interactive.play_attention(pd.DataFrame([[.9, .9]])), 'add up to 1')

# In a browser

@pytest.fixture(scope='module')
def browser(): yield from start_chromium()

@pytest.fixture(scope='module')
def page(tmp_path_factory, pictures):
    "All six on one page, each with its still picture inside."
    parts = ''.join(f'<h2>{name}</h2>{run.with_still({"text/html": p.html()}, "<img alt=still>")}' for name, p in pictures.items())
    path = tmp_path_factory.mktemp('play')/'play.html'
    path.write_text('<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
                    '<title>Pictures</title><style>body { font: 1rem sans-serif; color: #222 } .dark { background: #131416; color: #cfd0d0 }</style>'
                    f'<body><main><h1>Pictures</h1>{parts}</main></body></html>', encoding='utf-8')
    return path

@pytest.fixture
def tab(browser, page):
    "A telephone with the page; whatever it complains of is an error."
    context = browser.new_context(viewport=dict(width=390, height=844), has_touch=True)
    tab, said, asked = context.new_page(), [], []
    tab.on('console', lambda m: said.append(m.text))
    tab.on('pageerror', lambda e: said.append(str(e)))
    tab.on('request', lambda r: asked.append(r.url))
    tab.goto(page.as_uri())
    yield tab
    context.close()
    assert not said and not [url for url in asked if not url.startswith(('file:', 'data:'))]

class Picture:
    "One of the pictures on the page."
    def __init__(self, tab, name): self.tab, self.at = tab, tab.locator(f'[data-play={name}]')
    def says(self): return self.at.locator('p').inner_text()
    def numbers(self): return [float(x) for x in re.findall(r'-?\d+\.\d+(?:e[+-]?\d+)?', self.says())]
    def slide(self, name, to): self.at.get_by_role('slider', name=name, exact=True).fill(str(to))
    def press(self, what, *keys):
        for key in keys: self.at.locator(what).first.press(key)
    def tap(self, name): self.at.get_by_role('button', name=name, exact=True).first.tap()
    def tap_at(self, x, y):   # shares of the width and the height of the picture
        svg = self.at.locator('svg').first
        svg.scroll_into_view_if_needed()
        box = svg.bounding_box()
        self.tab.touchscreen.tap(box['x'] + x*box['width'], box['y'] + y*box['height'])

def walk_down(start, lr, steps=30):
    "Return the loss at the start and after the steps, as lesson 03 computes it."
    x, y = XS.double(), YS.double()
    def loss(p): return ((p[0]*x**2 + 2*x + p[1] - y)**2).mean()
    p = torch.tensor(start, dtype=torch.double)
    first = loss(p)
    for _ in range(steps): p = p - lr*numerical_gradient(loss, p)
    return float(first), float(loss(p))

def test_descent(tab):
    p = Picture(tab, 'descent')
    def agrees(lr):
        a, c, *losses = p.numbers()
        assert losses == pytest.approx(walk_down((a, c), lr), rel=.006)   # three digits are shown
        return a, c
    assert agrees(.05) == (-.5, 4)
    p.slide('learning rate', .22)
    agrees(.22)
    p.press('svg', 'ArrowRight', 'ArrowRight', 'ArrowDown')
    assert agrees(.22) == (0, 3.75)
    p.slide('learning rate', .25)   # out of the valley
    assert p.numbers()[3] > p.numbers()[2]
    agrees(.25)
    p.slide('learning rate', .1)
    p.tap_at((34 + 358*.8)/400, (8 + 278*.7)/320)   # within the axes: 8 of 10 to the right, 3 of 10 up
    start = p.numbers()[:2]
    assert start == pytest.approx((6, 0), abs=.05)

def test_two_bent_lines(tab):
    p, x, y = Picture(tab, 'bends'), *POINTS.T
    for w1, b1, w2, b2 in ((-.5, 0, .5, 0), (-1.6, -.4, 1.3, -.3), (3, 2, -3, -2)):
        for name, v in dict(w1=w1, b1=b1, w2=w2, b2=b2).items(): p.slide(name, v)
        sum_ = F.relu(w1*x + b1) + F.relu(w2*x + b2) + 1.2
        assert p.numbers() == [pytest.approx(F.mse_loss(sum_, y).item(), abs=.0051)]
    p.press('input', 'ArrowLeft')
    assert p.at.locator('output').first.inner_text() == '2.9'

def test_a_kernel(tab):
    p = Picture(tab, 'kernel')
    def agrees(kernel, row, column):
        found = F.conv2d(PIC[None, None], kernel[None, None])[0, 0]
        assert p.says().startswith(f'Row {row}, column {column}:') and p.numbers() == [pytest.approx(found[row-1, column-1].item(), abs=.0051)]
    agrees(LEFT, 17, 16)
    p.tap('outline')
    agrees(OUTLINE, 17, 16)
    p.press('svg', 'ArrowUp', 'ArrowLeft', 'ArrowLeft')
    agrees(OUTLINE, 16, 14)
    mine = OUTLINE.clone()
    mine[0, 2] = -2.5
    p.at.get_by_label('kernel, row 1, column 3').fill('-2.5')
    agrees(mine, 16, 14)
    pixels = p.at.locator('.row div').first.locator('span').all_inner_texts()
    assert [float(v) for v in pixels] == pytest.approx(PIC[15:18, 13:16].flatten().tolist(), abs=.0051)
    view = 2*30 + 30/12
    p.tap_at(5.5/view, 9.5/32)   # the pixel in the middle of the window
    agrees(mine, 9, 5)
    p.tap_at(.999, .999)   # the last place of the result
    agrees(mine, 30, 28)
    corner = p.at.get_by_label('kernel, row 1, column 3')
    corner.fill('')
    assert p.says().startswith('Not a number: kernel, row 1, column 3.')
    corner.press_sequentially('-')   # while one types
    assert p.says().startswith('Not a number: kernel, row 1, column 3.')
    corner.press_sequentially('1')
    mine[0, 2] = -1
    agrees(mine, 30, 28)

def test_a_network_with_a_memory(tab):
    p = Picture(tab, 'rnn')
    def agrees(step, xs, w, u):
        cell = torch.nn.RNN(1, 1, bias=False)
        for weight, v in zip(cell.parameters(), (w, u)): torch.nn.init.constant_(weight, v)
        h = cell(torch.tensor(xs, dtype=torch.float)[:, None])[0].flatten().tolist()
        assert p.says().startswith(f'Step {step}:') and p.numbers()[-1] == pytest.approx(h[step-1], abs=.00051)
        seen = [v for v in p.at.locator('svg text').all_text_contents() if re.search(r'\d', v)]
        assert [float(v) for v in seen] == pytest.approx(h[:step], abs=.0051)
    xs = [1, 0, 0, 0, 0, 1]
    agrees(1, xs, .5, .9)
    for step in (2, 3, 4):
        p.tap('next step')
        agrees(step, xs, .5, .9)
    p.slide('u', 1.5)
    agrees(4, xs, .5, 1.5)
    p.slide('w', -1)
    p.tap('what comes in at step 2: 0')
    xs[1] = 1
    agrees(4, xs, -1, 1.5)
    p.tap('step back')
    agrees(3, xs, -1, 1.5)
    p.press('button:has-text("next step")', *['Enter']*9)   # not beyond the end
    agrees(6, xs, -1, 1.5)

def test_subsampling_and_window(tab, pictures):
    p, draws = Picture(tab, 'window'), pictures['window'].data['draws']
    counts = np.append(COUNTS, 1000 - COUNTS.sum())   # all other words of the text
    def agrees(t, window, centre, turn):
        left = np.flatnonzero(np.array(draws[turn]) < keep_probability(counts, t)[:-1])
        says = p.says()
        assert says.startswith(f'{len(left)} of {len(WORDS)} words are kept.')
        if centre not in left:
            assert 'is dropped this time' in says
            return len(left)
        ends = np.full(window, -1)   # as the library pads a block
        near = nearness(np.concatenate([ends, np.zeros(len(left), int), ends])[None], window)[0, list(left).index(centre)]
        pairs = [f'{WORDS[k]} {v:.2f}' for k, v in zip(left, near[window:-window]) if v]
        assert says.endswith(f'Neighbours of “{WORDS[centre]}”: {", ".join(pairs) or "none"}.')
        return len(left)
    kept = [agrees(1e-3, 2, 3, 0)]
    for turn in range(1, 9):
        p.tap('draw again')
        kept.append(agrees(1e-3, 2, 3, turn % 8))
    assert len(set(kept)) > 1 and kept[0] == kept[8]
    p.slide('t', 0)
    assert agrees(1, 2, 3, 0) == len(WORDS)
    p.slide('window', 10)
    agrees(1, 10, 3, 0)
    p.at.locator('button', has_text='museum').first.tap()
    agrees(1, 10, 6, 0)
    p.slide('t', -5)
    assert agrees(1e-5, 10, 6, 0) < 3

def test_attention(tab):
    p, words = Picture(tab, 'attention'), SHARES.tolist()
    def agrees(k):
        read = p.at.locator('svg text').all_text_contents()[:4]
        assert [v.split(maxsplit=1)[1] for v in read] == SOURCE
        assert [float(v.split()[0]) for v in read] == pytest.approx(words[k], abs=.0051)
        most = int(np.argmax(words[k]))
        assert p.says() == f'For “{SAID[k]}” it looks most at “{SOURCE[most]}”: {words[k][most]:.2f} of 1.'
        thick = [float(line.get_attribute('stroke-width')) for line in p.at.locator('svg line').all()]
        assert np.argsort(thick).tolist() == np.argsort(words[k]).tolist()
    agrees(0)
    p.press('input', 'ArrowRight', 'ArrowRight')
    agrees(2)
    p.at.locator('svg rect').nth(4).tap()
    agrees(4)
    assert p.at.locator('output').inner_text() == '5'

def test_without_scripts_the_still_picture_is_there(browser, page, tab):
    assert not tab.locator('img').first.is_visible()   # what answers stands in its place
    plain = browser.new_context(java_script_enabled=False)
    other = plain.new_page()
    other.goto(page.as_uri())
    assert all(other.locator('img').nth(k).is_visible() for k in range(6))
    plain.close()

@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_for_all_readers(tab, theme):
    "Nothing is wider than a telephone, everything has a name and can be reached and seen with the keyboard."
    pytest.importorskip('axe_playwright_python')
    from axe_playwright_python.sync_playwright import Axe
    tab.evaluate(f'document.body.className = "{theme}"')
    assert tab.evaluate('document.documentElement.scrollWidth') <= 390
    found = [(v['id'], v['nodes'][0]['html'][:90]) for v in Axe().run(tab).response['violations'] if v['impact'] in ('serious', 'critical')]
    assert not found, found
    inside = """name => { const root = document.querySelector(`[data-play=${name}]`).shadowRoot, active = root.activeElement;
        return active && active.matches(':focus-visible') && getComputedStyle(active).outlineStyle }"""
    reached = {name: 0 for name in ('descent', 'bends', 'kernel', 'rnn', 'window', 'attention')}
    for _ in range(2 + 4 + 12 + 10 + 15 + 1):
        tab.keyboard.press('Tab')
        for name in reached: reached[name] += tab.evaluate(inside, name) == 'solid'
    assert reached == dict(descent=2, bends=4, kernel=12, rnn=10, window=15, attention=1)

def test_two_of_one_kind_are_two(browser, tmp_path):
    "And a picture whose script fails leaves the still one in sight."
    first, second = interactive.play_rnn([1, 0]), interactive.play_rnn([0, 0, 1])
    broken = second.html().replace('const DATA = {', 'const DATA = null; ({', 1).replace('};\n', '});\n', 1)
    (tmp_path/'a.html').write_text(''.join(run.with_still({'text/html': h}, '<img alt=still>') for h in (first.html(), second.html(), broken)), encoding='utf-8')
    tab = browser.new_page()
    tab.goto((tmp_path/'a.html').as_uri())
    assert [math.floor(tab.locator('[data-play]').nth(k).locator('svg rect').count()/2) for k in range(3)] == [2, 3, 0]
    assert [tab.locator('img').nth(k).is_visible() for k in range(3)] == [False, False, True]
    tab.close()
