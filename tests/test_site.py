"The site: built out of the saved notebooks without a network, whole, readable on a phone, and searchable."
import importlib.util, re, shutil
from urllib.parse import unquote, urldefrag, urlparse

import nbformat, pytest
from bs4 import BeautifulSoup

from conftest import ROOT

pytestmark = pytest.mark.slow
NBS = ROOT/'nbs'
SHOWN = sorted(p for p in (*NBS.glob('[0-9][0-9]_*.ipynb'), *NBS.glob('projects/*.ipynb'), NBS/'glossary.ipynb'))

@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "Build the site, once."
    for name in ('sphinx', 'myst_nb', 'furo'):
        if not importlib.util.find_spec(name): pytest.skip(f'{name} is not here: the extra docs brings it')
    spec = importlib.util.spec_from_file_location('site_build', ROOT/'site/build.py')
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    folder = tmp_path_factory.mktemp('site')
    build.build(folder/'source', folder/'site')
    return folder/'site'

@pytest.fixture(scope='module')
def pages(built): return {p: BeautifulSoup(p.read_text(encoding='utf-8'), 'html.parser') for p in built.rglob('*.html') if '_modules' not in p.parts}

def page_of(built, notebook): return built/notebook.relative_to(NBS).with_suffix('.html')

def cells(path, kind): return [c for c in nbformat.read(path, 4).cells if c.cell_type == kind and not c.source.startswith('#| hide')]

def has_picture(c): return any({'image/png', 'image/jpeg'} & set(o.get('data', {})) for o in c.outputs)

def test_each_page_is_there_and_the_whole_is_small(built):
    assert len(SHOWN) >= 20 and all(page_of(built, p).exists() for p in SHOWN)
    assert sum(f.stat().st_size for f in built.rglob('*') if f.is_file()) < 40e6
    for p in SHOWN: assert (built/'notebooks'/p.relative_to(NBS)).read_bytes() == p.read_bytes()

def test_all_words_for_pictures_arrive(built, pages):
    n = 0
    for p in SHOWN:
        words = [i.get('alt', '') for i in pages[page_of(built, p)].select('.cell_output img')]
        for c in cells(p, 'code'):
            told = re.search(r'^#\| *fig-alt: *(.*)', c.source, re.M)
            if not (told and has_picture(c)): continue
            assert told[1].strip() in words, (p.name, told[1])
            n += 1
    assert n > 200
    assert not [(p.name, str(i)[:80]) for p, soup in pages.items() for i in soup.select('img') if not i.get('alt')]
    lost = [(p.name, i['src']) for p, soup in pages.items() for i in soup.select('img') if not i['src'].startswith('data:') and not (p.parent/unquote(i['src'])).exists()]
    assert not lost, lost[:5]

def test_nothing_of_the_notebook_format_is_seen(built, pages):
    for p in SHOWN:
        article = pages[page_of(built, p)].select_one('article')
        text = article.get_text()
        assert not [c for c in article.select('.cell_input') if re.search(r'^#\|', c.get_text(), re.M)] and 'colab-badge' not in str(article), p.name
        assert not article.select('details:not([class])') and '<summary>' not in text, p.name
        assert 'Open in Colab' in text or p.stem == 'glossary' or '/projects/' in p.as_posix(), p.name

def test_code_and_printed_results_arrive(built, pages):
    for p in SHOWN:
        seen = re.sub(r'\s+', '', pages[page_of(built, p)].select_one('article').get_text())
        for c in cells(p, 'code'):
            if '#| echo: false' in c.source: continue
            last = c.source.strip().split('\n')[-1]
            assert re.sub(r'\s+', '', last) in seen or last.startswith('#|'), (p.name, last)
            for o in c.outputs:
                if o.get('name') == 'stdout' and '\x1b' not in o.text: assert re.sub(r'\s+', '', o.text) in seen, (p.name, o.text[:60])

def test_no_page_asks_a_server_for_anything(pages):
    loaded = [(p.name, t[k]) for p, soup in pages.items() for name, k in (('script', 'src'), ('link', 'href'), ('img', 'src'), ('iframe', 'src'))
              for t in soup.select(f'{name}[{k}]') if re.match(r'(https?:)?//', t[k])]
    assert not loaded, loaded[:5]

def test_every_link_leads_somewhere(built, pages):
    names = {p: {t['id'] for t in soup.select('[id]')} for p, soup in pages.items()}
    bad = set()
    for p, soup in pages.items():
        for a in soup.select('a[href]'):
            href, part = urldefrag(a['href'])
            if urlparse(href).scheme or href.startswith('//'): continue
            target = (p.parent/unquote(href)).resolve() if href else p
            if target.is_dir(): target = target/'index.html'
            if not target.exists(): bad.add((p.name, a['href']))
            elif part and target in names and unquote(part) not in names[target]: bad.add((p.name, a['href']))
    assert not bad, sorted(bad)[:8]

def test_lessons_follow_each_other(built, pages):
    lessons = [page_of(built, p) for p in SHOWN if p.parent == NBS and p.stem != 'glossary']
    for a, b in zip(lessons, lessons[1:]):
        if b.stem[:2] == '09': continue   # the second course
        assert pages[a].select_one('a.next-page')['href'] == b.name and pages[b].select_one('a.prev-page')['href'] == a.name

def test_the_front_page_has_a_card_for_each(built, pages):
    front = pages[built/'index.html']
    links = {a['href'] for a in front.select('.sd-card a')}
    for p in SHOWN:
        if p.stem != 'glossary': assert p.relative_to(NBS).with_suffix('.html').as_posix() in links
    assert all(i.get('alt') and (built/i['src']).exists() for i in front.select('.sd-card img'))

def test_the_reference_leads_to_lessons_and_source(built, pages):
    import fastlessons.collab
    soup = pages[built/'lib/collab.html']
    entry = soup.select_one('#fastlessons\\.collab\\.fit_ratings')
    assert entry and {'07', '[source]'} <= {a.get_text() for a in entry.parent.select('a')}
    for name in fastlessons.collab.__all__:
        if callable(getattr(fastlessons.collab, name)): assert soup.find(id=f'fastlessons.collab.{name}'), name
    made = {p.relative_to(ROOT/'fastlessons').with_suffix('').as_posix() for p in (ROOT/'fastlessons').rglob('*.py') if 'File to edit:' in p.read_text(encoding='utf-8')}
    assert len(made) == sum(1 for p in pages if 'lib' in p.relative_to(built).parts) - 1   # and the map

def test_the_map_leads_to_the_reference(pages, built):
    rows = [tr.td.a for tr in pages[built/'lib/index.html'].select('tbody tr')]
    assert len(rows) > 50 and all(a and (built/'lib'/a['href']).exists() for a in rows)
    assert all(f'fastlessons.{a.get_text()}' in pages[(built/'lib'/a['href']).resolve()].h1.get_text() for a in rows)

def test_workbooks_can_be_downloaded(pages, built):
    from fastlessons.sheets.write import WORKBOOKS
    found = [(p.stem[:2], a['href']) for p, soup in pages.items() for a in soup.select('a[href$=".xlsx"][download]')]
    assert {('03', 'workbooks/linear.xlsx'), ('03', 'workbooks/network.xlsx'), ('07', 'workbooks/collab.xlsx'), ('08', 'workbooks/conv.xlsx')} <= set(found)
    assert len(WORKBOOKS) == 4 and all((built/'workbooks'/f'{n}.xlsx').read_bytes()[:2] == b'PK' for n in WORKBOOKS)
    assert pages[built/'07_collab.html'].find(id='the-same-in-a-spreadsheet')

def test_the_words_stand_in_order(pages, built):
    rows = [tr.td.get_text() for tr in pages[built/'glossary.html'].select('tbody tr')]
    assert len(rows) > 90 and rows == sorted(rows, key=str.lower)

def test_each_page_has_its_icon(pages):
    "Else a browser asks for favicon.ico, which is not there."
    for p, soup in pages.items():
        icon = soup.select_one('link[rel~=icon]')
        assert icon and (p.parent/urldefrag(icon['href'].split('?')[0])[0]).exists(), p.name

# In a browser

@pytest.fixture(scope='module')
def browser(built):
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if not (chromium and importlib.util.find_spec('playwright')): pytest.skip('needs Chromium and playwright')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu'])
        yield b
        b.close()

@pytest.fixture
def tab(browser):
    "A tab of a phone that keeps what it is asked for."
    context = browser.new_context(viewport=dict(width=390, height=844))
    tab = context.new_page()
    tab.asked = []
    tab.on('request', lambda r: tab.asked.append(r.url))
    yield tab
    context.close()

def test_on_a_phone_no_page_is_wider_than_the_screen(built, tab):
    some = [page_of(built, p) for p in SHOWN] + [built/n for n in ('index.html', 'results.html', 'lib/index.html', 'lib/collab.html')]
    for p in some:
        tab.goto(p.as_uri(), wait_until='domcontentloaded')
        assert tab.evaluate('document.documentElement.scrollWidth') <= 390, p.name
    assert not [u for u in tab.asked if not u.startswith(('file:', 'data:'))]

def test_pictures_that_answer_are_there_on_the_pages(built, pages, tab):
    "What they say is tried in test_interactive.py."
    shown = {p: [d['data-play'] for d in soup.select('[data-play]')] for p, soup in pages.items() if soup.select('[data-play]')}
    assert {name for names in shown.values() for name in names} >= {'descent', 'bends', 'kernel', 'rnn', 'window', 'attention'}
    for p, names in shown.items():
        assert all(d.img and d.img['alt'] for d in pages[p].select('[data-play]')), p.name
        tab.goto(p.as_uri(), wait_until='domcontentloaded')
        for name in names:
            place = tab.locator(f'[data-play={name}]')
            assert place.locator('p').inner_text() and not place.locator('img').is_visible(), (p.name, name)

def test_a_tap_in_the_drawer_closes_it_and_no_recorded_number_is_cut(built, tab):
    tab.goto((built/'07_collab.html').as_uri())
    tab.locator('.toc-header-icon').click()
    tab.locator('.toc-drawer').get_by_role('link', name='The same in a spreadsheet').click()
    tab.wait_for_function('document.querySelector(".toc-drawer").getBoundingClientRect().left >= innerWidth')
    tab.wait_for_function('Math.abs(document.getElementById("the-same-in-a-spreadsheet").getBoundingClientRect().top) < 200')
    line = tab.locator('.tag_record .output pre')
    assert 'Lesson 07' in line.inner_text() and line.evaluate('p => p.scrollWidth <= p.clientWidth')

@pytest.mark.parametrize('words, says', [('gradient', 'how much the loss changes'), ('Training set ', 'what it learns from'), ('gradients', 'how much the loss changes'), ('gradient_', None)])
def test_a_word_of_the_course_is_explained_first(built, tab, words, says):
    tab.goto(f'{(built/"search.html").as_uri()}?q={words}')
    tab.wait_for_function('document.querySelector(".search-summary")?.innerText')   # it has finished
    told = tab.locator('.word')
    if says is None: assert not told.count()
    else: assert says in told.inner_text() and told.bounding_box()['y'] < 400

@pytest.mark.parametrize('words, page', [('western', '07_collab'), ('gradient', '03_foundations'), ('fit_ratings', 'lib/collab'), ('spreadsheet', '07_collab')])
def test_search_finds_text_code_and_reference(built, tab, words, page):
    tab.goto(f'{(built/"search.html").as_uri()}?q={words}')
    tab.wait_for_selector('#search-results li a')
    tab.wait_for_timeout(500)
    found = [a.get_attribute('href') for a in tab.query_selector_all('#search-results li a')]
    assert any(page in (h or '') for h in found), found[:10]
    if words != 'spreadsheet': return
    tab.locator(f'#search-results a[href^="{page}"]').first.click()   # and leads to its heading
    tab.wait_for_function('document.querySelector("#the-same-in-a-spreadsheet h2")?.getBoundingClientRect().top > 0')
    tab.wait_for_function('document.querySelector("#the-same-in-a-spreadsheet h2").getBoundingClientRect().top < 844')

@pytest.mark.parametrize('name', ['index', '07_collab', 'lib/collab'])
def test_those_who_do_not_see_or_use_no_mouse(built, tab, name):
    pytest.importorskip('axe_playwright_python')
    from axe_playwright_python.sync_playwright import Axe
    tab.goto((built/f'{name}.html').as_uri())
    found = [(v['id'], v['nodes'][0]['html'][:90]) for v in Axe().run(tab).response['violations'] if v['impact'] in ('serious', 'critical')]
    assert not found, found
