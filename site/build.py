"""Builds the course as a web site out of the saved notebooks: nothing is run.

`python site/build.py` writes it to build/site; open build/site/index.html. First the
notebooks become Sphinx's sources in build/site_source, in the same folders as in nbs,
so that links between them stay what they are. The reference comes from the library's
own docstrings (conf.py)."""
import base64, io, json, re, shutil, subprocess, sys
from functools import cache
from html import escape
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
NBS, SITE = ROOT/'nbs', ROOT/'site'
LITE = ROOT/'build/lite'   # the lessons that run in the browser: see lite.py
sys.path[:0] = [str(ROOT), str(ROOT/'tools')]

import maintain                               # noqa: E402 (what the map of the library is made with)
from fastlessons import course                # noqa: E402
from fastlessons.run import alt, draw_formulas, still_widgets, with_still   # noqa: E402
from fastlessons.sheets.write import WORKBOOKS, write_sheet   # noqa: E402

HIDDEN = r'#\| *(?:hide|include: *false)'
BADGES = re.compile(r'^(\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\) *)+$', re.M)
DETAILS = re.compile(r'<details>\s*<summary>(.*?)</summary>(.*?)</details>', re.S)
LINK = re.compile(r'\]\((?!\w+:|#)([^)\s]+?)(#[^)\s]*)?\)')
WORKBOOK = re.compile(rf'`({"|".join(WORKBOOKS)})\.xlsx`')
DOWNLOAD = r'`\1.xlsx` (<a href="workbooks/\1.xlsx" download>download it</a>)'

def github(path):
    "Return where a file of the project is on the web."
    s = maintain.settings()
    return f"{s['repo_url']}/blob/{s['branch']}/{path}"

def open_elsewhere(path, lite=None):
    """Return a line of links: open a notebook on Colab or Kaggle, or download it.

    And run it here, if it is among those in the folder `lite`."""
    name = path.relative_to(NBS).as_posix()
    page = github(f'nbs/{name}')
    hub = page.replace('https://github.com/', '')
    here = '../'*name.count('/')
    run = ''
    if lite and (lite/'files'/name).exists():
        run = f'<a href="lite/notebooks/index.html?path={name}">Run here</a> · '
    return (f'{run}[Open in Colab](https://colab.research.google.com/github/{hub}) · '
            f'[Open in Kaggle](https://kaggle.com/kernels/welcome?src={page}) · '
            f'<a href="{here}notebooks/{name}" download>Download the notebook</a>')

# The parts of a notebook

def dropdown(found):
    "Write a folded part in Sphinx's way."
    title, body = found[1].strip(), found[2].strip()
    return f'\n\n::::::{{dropdown}} {title}\n{body}\n::::::\n\n'

def link_from(folder):
    "Return how links of a text that lies in a folder of nbs become the site's own."
    def to(found):
        target, part = found[1], found[2] or ''
        path = (NBS/folder/target).resolve()
        up = '../'*len(Path(folder).parts)
        if path == ROOT/'benchmarks/RESULTS.md': return f']({up}results.md{part})'
        if not path.is_relative_to(ROOT): return found[0]
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith('nbs/'): return f']({github(name)})'
        name = name.removeprefix('nbs/')
        # the page of a module stands in the place of the notebook that makes it
        if name.startswith('lib/') or name == 'index.ipynb': name = name[:-6] + '.md'
        return f']({up}{name}{part})'
    return to

def text(cell, folder, links=''):
    "Make a cell of text one of the site: links instead of badges, folds, formulas."
    cell.source = BADGES.sub(links, cell.source)
    draw_formulas(cell)
    cell.source = WORKBOOK.sub(DOWNLOAD, cell.source)
    cell.source = DETAILS.sub(dropdown, LINK.sub(link_from(folder), cell.source))

def picture(output, words, name, up, out):
    """Write a picture to a file; put it into the output as HTML, with its words.

    `up` leads from the page to the top of the site, e.g. '../'."""
    data = output.data
    kind = next(k for k in ('image/png', 'image/jpeg') if k in data)
    file = base64.b64decode(data[kind])
    path = out/'pictures'/f'{name}.{kind[6:]}'
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file)
    w, h = Image.open(io.BytesIO(file)).size
    tag = (f'<img src="{up}pictures/{path.name}" width="{w}" height="{h}" '
           f'loading="lazy" alt="{escape(words)}">')
    output.data = {'text/html': with_still(data, tag)}

def code(cell, name, up, out):
    "Make a cell of code one of the site: no directives, pictures as files with words."
    words = alt(cell)
    tags = {'remove-input': '#| echo: false' in cell.source,
            'record': re.search(r'^record\(', cell.source, re.M)}   # see site.css
    cell.metadata = {'tags': [tag for tag, on in tags.items() if on]}
    lines = [line for line in cell.source.split('\n') if not line.startswith('#|')]
    cell.source = '\n'.join(lines).strip('\n')
    for n, o in enumerate(cell.outputs):
        if {'image/png', 'image/jpeg'} & set(o.get('data', {})):
            picture(o, words, f'{name}_{cell.id}_{n}', up, out)

def prepare(path, out, lite=None):
    "Write a notebook of the course as a source of Sphinx's."
    nb = nbformat.read(path, 4)
    place = path.relative_to(NBS)
    still_widgets(nb)
    nb.cells = [c for c in nb.cells if not re.match(HIDDEN, c.source)]
    for c in nb.cells:
        if c.cell_type == 'markdown': text(c, place.parent, open_elsewhere(path, lite))
        else: code(c, path.stem, '../'*len(place.parent.parts), out)
    nb.cells = [c for c in nb.cells if c.source.strip() or c.get('outputs')]
    (out/place).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, out/place)
    kept = out/'extra/notebooks'/place   # to be downloaded, as it is
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, kept)

# Pages that are made here

def card(lesson, lite=None):
    "Return a card of the front page for a lesson or a project."
    name = lesson.path.relative_to(NBS).with_suffix('').as_posix()
    path = NBS/f'images/{lesson.path.stem}.jpg'
    shown = ''
    if path.exists():
        shown = f':img-top: images/{path.name}\n:img-alt: {lesson.title}\n'
    words = [lesson.time] if lesson.time else []
    if lite and (lite/'files'/lesson.path.name).exists():
        words.append('runs in the browser')
    foot = ', '.join(words)
    foot = f'\n:::{{card-footer}}\n{foot}\n:::\n' if foot else ''
    return (f'::::{{grid-item-card}} {lesson.number} {lesson.title}\n:link: {name}\n'
            f':link-type: doc\n{shown}\n{lesson.promise}\n{foot}::::\n')

def menu_line(lesson):
    "Return a lesson's line in the menu."
    name = lesson.path.relative_to(NBS).with_suffix('').as_posix()
    return f'{lesson.number} {lesson.title} <{name}>'

def front(lite=None):
    "Return the front page: what it is, and a card for each lesson."
    first = nbformat.read(NBS/'index.ipynb', 4).cells[0].source
    title, promise = re.findall(r'^# .*|^> .*', first, re.M)[:2]
    lessons, projects = course.lessons(), course.projects()
    parts = {'Practical deep learning': [x for x in lessons if x.number < '09'],
             'Build the parts yourself': [x for x in lessons if x.number >= '09'],
             'Projects': projects}
    about = first[first.index('The first lesson'):first.index('```bash')]
    start = first[first.index('```bash'):]
    rows = [title, promise, about]
    tree = []
    for name, group in parts.items():
        cards = '\n'.join(card(x, lite) for x in group)
        grid = ':::::{grid} 1 2 2 3\n:gutter: 3\n'
        rows.append(f'## {name}\n\n{grid}\n{cards}:::::')
        tree.append(toctree(name, map(menu_line, group)))
    rows += ['## On your own machine', LINK.sub(link_from('.'), start), *tree,
             toctree('Look up', ['glossary', 'results', 'lib/index'])]
    return '\n\n'.join(rows) + '\n'

def toctree(caption, names):
    "Return a list of pages for the menu."
    head = f'```{{toctree}}\n:hidden:\n:caption: {caption}\n'
    return '\n'.join([head, *names, '```'])

@cache
def lessons_of_modules():
    "Return for each module the lessons that build it or use it: what, number, file."
    found = {}
    for x in course.lessons():
        made, *used = maintain.lesson_modules(x.path)
        found.setdefault(made, []).insert(0, ('built', x.number, x.path.name))
        for name in used:
            found.setdefault(name, []).append(('used', x.number, x.path.name))
    return found

def lesson_links(name, up):
    "Return links to the lessons that build or use a module."
    lessons = lessons_of_modules().get(name, [])
    links = [f'{what} in [lesson {n}]({up}{file})' for what, n, file in lessons]
    return f' {", ".join(links).capitalize()}.' if links else ''

def module_page(name, made, out):
    """Write the page of a module; return where it is, in the folder lib.

    The map leads to it: a menu with all of them would be on every page."""
    folder = out/'lib'
    path = Path('lessons', f'{name}.md')   # a lesson makes it, or else:
    if made.is_relative_to(NBS/'lib'):
        path = made.relative_to(NBS/'lib').with_suffix('.md')
    up = '../'*len(path.parts)
    place = made.relative_to(NBS).as_posix()
    target = github(f'nbs/{place}') if place[:4] == 'lib/' else up + place
    module = f'fastlessons.{name}'.removesuffix('.__init__')
    (folder/path).parent.mkdir(parents=True, exist_ok=True)
    (folder/path).write_text(f"""---
orphan: true
---
# `{module}`

Made by [{place}]({target}).{lesson_links(name, up)}

```{{eval-rst}}
.. automodule:: {module}
   :members:
```
""", encoding='utf-8')
    return path

def reference(out):
    "Write a page for each module, and the map of all."
    index = nbformat.read(NBS/'lib/index.ipynb', 4).cells[0].source
    table = LINK.sub(link_from('lib'), maintain.library_map(NBS/'lib'))
    for name, source in maintain.modules().items():
        page = module_page(name, maintain.maker(name, source), out).as_posix()
        name = name.removesuffix('.__init__')
        table = table.replace(f'\n| `{name}` |', f'\n| [`{name}`]({page}) |')
    (out/'lib/index.md').write_text(f'{index}\n\n{table}\n', encoding='utf-8')

def words():
    "Return the words of the glossary, in small letters, each with its lines there."
    found = {}
    text = nbformat.read(NBS/'glossary.ipynb', 4).cells[0].source
    for line in text.splitlines():
        if not LINK.search(line): continue
        row = [x.strip().replace('`', '') for x in line.strip('| ').split(' | ')]
        row[2] = re.findall(r'\[(\d\d)\]\((\w+)\.ipynb', row[2])
        for word in row[0].split(', '): found.setdefault(word.lower(), []).append(row)
    return found

def imported(path):
    "Name what a notebook imports of ours, e.g. 'fastlessons.collab.fit_ratings'."
    cells = nbformat.read(path, 4).cells
    source = '\n'.join(c.source for c in cells if c.cell_type == 'code')
    lines = r'^from (fastlessons[\w.]*) import (\([^)]*\)|.*)'
    for module, names in re.findall(lines, source, re.M):
        for name in re.findall(r'\w+', names.partition('#')[0]):
            yield f'{module}.{name}'

def taught():
    "Return for each name of the library the lessons that build it or use it."
    found = {}
    for x in course.lessons():
        for name in dict.fromkeys(imported(x.path)):
            found.setdefault(name, []).append(x.path.stem)
    return found

def sources(out, lite=None):
    "Write all that Sphinx reads."
    shutil.rmtree(out, ignore_errors=True)
    (out/'extra').mkdir(parents=True)
    for path in [*NBS.glob('[0-9][0-9]_*.ipynb'), *NBS.glob('projects/*.ipynb'),
                 NBS/'glossary.ipynb']: prepare(path, out, lite)
    if (out/'pictures').exists(): (out/'pictures').rename(out/'extra/pictures')
    shutil.copytree(NBS/'images', out/'images')
    shutil.copytree(SITE/'static', out/'static')
    text = f'const WORDS = {json.dumps(words())}'
    (out/'static/words.js').write_text(text, encoding='utf-8')
    (out/'extra/workbooks').mkdir()
    for name in WORKBOOKS: write_sheet(name, out/f'extra/workbooks/{name}.xlsx')
    shutil.copy(SITE/'conf.py', out)
    (out/'index.md').write_text(front(lite), encoding='utf-8')
    shutil.copy(ROOT/'benchmarks/RESULTS.md', out/'results.md')
    reference(out)
    (out/'taught.json').write_text(json.dumps(taught()), encoding='utf-8')

def build(source=ROOT/'build/site_source', out=ROOT/'build/site', lite=None):
    """Build the site; every warning is an error, so no link leads nowhere.

    `lite` is a folder with the lessons that run in the browser; it becomes a part."""
    sources(source, lite)
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html',
               source, out, '-d', source.parent/'site_doctrees']
    subprocess.run(command, check=True)
    if lite: shutil.copytree(lite, out/'lite')
    print(f'The site: {out/"index.html"}')

if __name__ == '__main__': build(lite=LITE if LITE.exists() else None)
