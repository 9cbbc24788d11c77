"Whether the notebooks, the library and the packaging are in the shape that CONTRIBUTING.md promises."
import ast, base64, configparser, fnmatch, io, json, re, shutil, statistics, subprocess, sys, tokenize
from importlib import metadata
from pathlib import Path

import nbformat, pytest
from PIL import Image
if sys.version_info >= (3, 11): import tomllib
else: import tomli as tomllib   # comes with nbdev

from conftest import ROOT

NBS = sorted((ROOT/'nbs').rglob('*.ipynb'))
LESSONS = sorted((ROOT/'nbs').glob('[0-9][0-9]_*.ipynb'))
LIB = sorted((ROOT/'nbs/lib').rglob('*.ipynb'))
MODULES = sorted((ROOT/'fastlessons').rglob('*.py'))
assert len(LESSONS) >= 8 and len(LIB) >= 22 and len(MODULES) >= 23 and not set(LESSONS) & set(LIB)
CFG = configparser.ConfigParser(delimiters=['='], default_section=None)
CFG.read(ROOT/'settings.ini', encoding='utf-8')
SETTINGS = CFG['DEFAULT']
A_MACHINES_PATH = r'/(home|root|work|tmp|Users)/\w'

def every(paths): return pytest.mark.parametrize('path', paths, ids=lambda p: p.stem)

def project_files():
    "Return all files of the project, those that git ignores left out."
    lines = [line for line in (ROOT/'.gitignore').read_text().splitlines() if line and line[0] != '#'] + ['.git']
    def ignored(parts):   # a pattern that begins with a slash is for the top folder only
        return any(fnmatch.fnmatch(part, line.strip('/')) for line in lines for part in (parts[:1] if line[0] == '/' else parts))
    return [p for p in sorted(ROOT.rglob('*')) if p.is_file() and not ignored(p.relative_to(ROOT).parts)]

def text_files():
    "Return path and text of the project's text files."
    for p in project_files():
        try: yield p, p.read_text(encoding='utf-8')
        except UnicodeDecodeError: pass   # pictures, archives, weights

# Notebooks. Each check is a generator of complaints, so that one run tells all of them.

def read(path):
    "Read a notebook as it is on disk: `nbformat.read` would repair it."
    nb = nbformat.from_dict(json.loads(path.read_text(encoding='utf-8')))
    for c in nb.cells:
        c.source = ''.join(c.source)
        for o in c.get('outputs', []):
            if 'text' in o: o.text = ''.join(o.text)
    return nb

def code(nb): return [c for c in nb.cells if c.cell_type == 'code' and c.source.strip()]
def prose(nb): return [c.source for c in nb.cells if c.cell_type == 'markdown']
def lines(c): return [line for line in c.source.splitlines() if line.strip() and not line.strip().startswith('#|')]

def python(c):
    "Return a cell's code with `pass` in the place of each magic and shell command."
    return re.sub(r'^( *)[%!]\w.*', r'\1pass', c.source, flags=re.M) + '\n'

def statements(c):
    "Count the lines of code of a cell as Python does: one that is wrapped is one. How each lesson is installed does not count."
    source = re.sub(r'^try: import fastlessons\n.+\n +pass\n', '', python(c), flags=re.M)
    return sum(t.type == tokenize.NEWLINE for t in tokenize.generate_tokens(io.StringIO(source).readline))

def parse(c): return ast.parse(python(c))
def docstrings(c): return sum(ast.get_docstring(n) is not None for n in ast.walk(parse(c)) if isinstance(n, (ast.FunctionDef, ast.ClassDef)))

def about_cells(nb):
    if (nb.nbformat, nb.nbformat_minor) != (4, 5): yield f'format {nb.nbformat}.{nb.nbformat_minor}, not 4.5'
    ids = [c.get('id') for c in nb.cells]
    bad_ids = None in ids or len(set(ids)) < len(ids)
    if bad_ids: yield 'cells without an id of their own'
    for c in nb.cells:
        if not c.source.strip(): yield f'an empty cell: {c.get("id")}'
    try: bad_ids or nbformat.validate(nb)   # would repair ids
    except nbformat.ValidationError as e: yield f'not a valid notebook: {e.message}'

def about_outputs(nb):
    ran = [c.execution_count for c in code(nb) if c.execution_count]
    if ran != sorted(set(ran)): yield f'cells run out of order: {ran}'
    for c in code(nb):
        for o in c.outputs:
            if o.output_type == 'error': yield f'saved with an error: {o.ename}: {o.evalue}'
            if o.get('name') == 'stderr': yield f'saved with a message on stderr: {o.text[:80]}'
            if 'Warning' in json.dumps(o): yield f'saved with a warning: {json.dumps(o)[:160]}'
        for text in (json.dumps(c.outputs), c.source):
            if m := re.search(A_MACHINES_PATH, text): yield f'a path of somebody\'s machine: {text[max(0, m.start()-40):m.end()+20]}'

def about_prose(nb):
    for text in prose(nb):
        for m in re.finditer(r'!\[\s*\]\(([^)]*)\)', text): yield f'a picture without alt text: {m[1][:60]}'
        for m in re.finditer(r'<img\b[^>]*>', text):
            if not re.search(r'alt=["\'][^"\']{5,}', m[0]): yield f'a picture without alt text: {m[0][:60]}'
        if m := re.search(A_MACHINES_PATH, text): yield f'a path of somebody\'s machine: {m[0]}'
    if not re.match(r'# .+\n\n> .+', (prose(nb) or [''])[0]): yield 'does not begin with "# Title", an empty line and "> promise"'
    if not nb.cells or nb.cells[0].cell_type != 'markdown': yield 'the title is not the first cell'

def find(nb, section):
    "Return (cell, position) where `section` begins, as a heading or in bold; None if it does not."
    for i, c in enumerate(nb.cells):
        if c.cell_type == 'markdown' and (m := re.search(rf'^(#+ |\*\*).*{section}', c.source, re.I | re.M)): return i, m.start()

SECTIONS = 'you will', 'what can go wrong', 'your turn', 'questions', 'take it further'

def between(nb, start, end=None):
    "Return the cells from section `start` up to section `end`."
    return nb.cells[find(nb, start)[0]:find(nb, end)[0]+1 if end else None]

def about_lesson(nb, name):
    where = [find(nb, s) for s in SECTIONS]
    if None in where: return [f'no section "{s}"' for s, w in zip(SECTIONS, where) if w is None]
    return [*about_order(nb, where), *about_top(nb, name), *about_size(nb), *about_exercises(nb, name), *about_questions(nb)]

def about_order(nb, where):
    if where != sorted(where): yield f'sections out of order: {dict(zip(SECTIONS, where))}'
    shows = [i for i, c in enumerate(nb.cells) if c.cell_type == 'code' and any(o.output_type in ('display_data', 'execute_result') for o in c.outputs)]
    if not shows or shows[0] > len(nb.cells)/4: yield 'no working result in the first quarter (is the notebook saved with its outputs?)'
    if where[0][0] > (shows or [0])[0]: yield 'something runs before "You will"'
    if len([c for c in between(nb, 'what can go wrong', 'your turn') if c.cell_type == 'code']) < 2: yield 'mistakes are told, not shown'
    links = '\n'.join(c.source for c in between(nb, 'take it further')).count('](http')
    if links < 2: yield f'{links} papers or links to go on with, at least 2 expected'

def about_top(nb, name):
    repo = SETTINGS['repo_url']
    page = f"blob/{SETTINGS['branch']}/nbs/{name}.ipynb"
    text = '\n'.join(prose(nb))
    for link in (f"https://colab.research.google.com/github/{repo.split('github.com/')[1]}/{page}", f'https://kaggle.com/kernels/welcome?src={repo}/{page}'):
        if f'({link})' not in text: yield f'no badge that leads to {link}'
    if len(re.findall(r'^\*\*Time\*\* .+\*\*Data\*\* .+\*\*Needs\*\* .+$', text, re.M)) != 1: yield 'not one line with **Time**, **Data** and **Needs**'
    i, start = find(nb, 'you will')
    bullets = re.findall(r'^- .+', nb.cells[i].source[start:], re.M)
    if len(bullets) != 3: yield f'{len(bullets)} things under "You will", 3 expected'

EXTRA = {'search': r'\boptuna\.', 'bleu': r'\bboth_scores\(', 'app': r'deploy\.web import', 'onnx': 'export_classifier', 'sheets': r'fastlessons sheet|sheets\.', 'nlp': r'text\.encoder import'}   # what a lesson uses -> the extra that brings it
REAL = ("To run this lesson on the real data, give `get_data` a second argument: `'full'` to download them, or the folder where you have them; "
        '`!fastlessons data` lists what there is, with size and licence.')

def about_install(nb, path):
    "The first cell installs the library where it is not there, without being edited, with all that this lesson uses."
    sys.path.insert(0, str(ROOT/'tools'))
    import maintain
    first = next(c for c in code(nb) if lines(c))
    source, text = '\n'.join(c.source for c in code(nb)), '\n'.join(prose(nb))
    uses = {e for e, pattern in EXTRA.items() if re.search(pattern, source + text)}
    takes = re.findall(r'%pip install .*fastlessons\[([\w,]+)\]', first.source)
    if set(','.join(takes).split(',')) - {''} != uses: yield f'the first cell installs the extras {takes}, the lesson uses {sorted(uses)}'
    if not '\n'.join(lines(first)).startswith(maintain.installer(path)): yield f'the first cell does not begin with:\n{maintain.installer(path)}'
    if source.count('%pip') != 1: yield f'%pip in {source.count("%pip")} places'
    chosen = [n for c in code(nb) for n in ast.walk(parse(c)) if isinstance(n, ast.Call) and getattr(n.func, 'id', '') == 'backbone']
    if not all(n.args or any(k.arg == 'pictures' for k in n.keywords) for n in chosen): yield 'backbone() is not told what the pictures are: photos would get the body that knows only drawings'
    if 'On Colab and Kaggle the next cell first installs' not in text: yield 'no word on what the first cell does on Colab and Kaggle'
    if text.count(REAL) != 1: yield f'how to run it on real data is said {text.count(REAL)} times, not once, in these words: {REAL}'

def about_size(nb):
    exported = [c for c in code(nb) if '#| export' in c.source]
    n = sum(statements(c) for c in code(nb) if c not in exported)
    if len(code(nb)) > 70: yield f'{len(code(nb))} code cells: two lessons?'
    if n > 230: yield f'{n} lines of code: two lessons?'
    of_its_own = any(re.match(r'#\| default_exp (text\.)?\w+$', c.source, re.M) for c in code(nb))   # the lesson is a module of the library, not the simple version of one
    if (n := sum(statements(c) - docstrings(c) for c in exported)) > (180 if of_its_own else 90): yield f'{n} lines that are exported: a module of its own?'
    if statistics.median(statements(c) for c in code(nb) if c not in exported) > 4: yield 'half of the code cells have more than 4 lines'
    for c in code(nb):
        if re.search(r'KAGGLE_|COLAB_|google\.colab|cuda\.is_available', c.source): yield f'the cell asks where it runs: {c.source[:60]}'
        if re.search(r'\blearn\.model\((?!xb\))', c.source): yield f'the network may be on a graphics card, and these numbers are not; see learn.model.cpu(): {c.source[:60]}'

def about_exercises(nb, name):
    calls = [n for c in code(nb) for n in re.findall(r"^\s*exercise\(['\"]([^'\"]+)", c.source, re.M)]
    if calls != [f'{name[:2]}.{k}' for k in (1, 2, 3)]: yield f'exercises {calls}, expected three of lesson {name[:2]}'
    inside = between(nb, 'your turn', 'questions')
    if any('exercise(' in c.source and 'import' not in c.source for c in code(nb) if c not in inside): yield 'an exercise outside "Your turn"'
    if not any(f"record('{name[:2]}'" in c.source for c in code(nb)): yield 'no result is recorded'

def about_questions(nb):
    text = '\n'.join(c.source for c in between(nb, 'questions', 'take it further'))
    text = text[find(nb, 'questions')[1]:]
    asked = len(re.findall(r'^\d+\. .*\?', re.sub(r'<details>.*?</details>', '', text, flags=re.S), re.M))
    answers = re.findall(r'<details>\s*<summary>.*?</summary>(.+?)</details>', text, re.S)
    if not 5 <= asked <= 8: yield f'{asked} questions, 5 to 8 expected'
    folded = len(answers) if len(answers) != 1 else len(re.findall(r'^\d+\. ', answers[0], re.M))
    if folded != asked: yield f'{asked} questions and {folded} folded answers'

def about_pictures(nb):
    """Pictures as `maintain.py save` leaves them: at least 600 pixels wide, line art with a palette, photos as JPEG."""
    for c in code(nb):
        m = re.search(r'InlineBackend|figure\.dpi|\bdpi=', c.source)
        if m and '#| export' not in c.source: yield f'{m[0]} in {c.id}: use_style() of plots sets the sizes'
        for o in c.outputs:
            data = o.get('data', {})
            if {'image/png', 'image/jpeg'} <= set(data): yield f'a picture is stored twice in {c.id}'
            for kind in ('image/png', 'image/jpeg'):
                if kind not in data: continue
                im = Image.open(io.BytesIO(base64.b64decode(''.join(data[kind]))))
                if im.width < 600: yield f'a picture of {c.id} is {im.width} pixels wide'
                if kind == 'image/png' and im.mode not in ('P', 'L', '1'): yield f'a picture of {c.id} has no palette'
                if '#| fig-alt: ' not in c.source: yield f'a picture of {c.id} has no alt text'
            html = ''.join(data.get('text/html', ''))
            if html and html == ''.join(data.get('text/plain', '')): yield f'a table of {c.id} is stored twice'
            if 'text/markdown' in data and html: yield f'a table of {c.id} is stored twice'

def complaints(nb, name):
    "Return all that is wrong with a notebook."
    out = [*about_cells(nb), *about_outputs(nb), *about_prose(nb)]
    return out + (list(about_lesson(nb, name)) if re.match(r'[0-6]\d_', name) else [])

@every(NBS)
def test_notebook(path):
    assert path.stat().st_size < 1_000_000, f'{path.stat().st_size//1000} KB'
    found = complaints(read(path), path.stem)
    assert not found, '\n'.join([path.name, *found])

@every(LESSONS)
def test_a_lesson_installs_what_it_needs(path):
    found = list(about_install(read(path), path))
    assert not found, '\n'.join([path.name, *found])

def test_what_the_first_cell_installs_comes_from_one_place(tmp_path):
    "From the address in settings.ini and the extras under Needs."
    sys.path.insert(0, str(ROOT/'tools'))
    import maintain
    nb = good_lesson()
    for needs, what in (('nothing', 'git+' + SETTINGS['repo_url']), ('the extra `onnx`; more with `pip install fastlessons[app]`', f'"fastlessons[onnx,app] @ git+{SETTINGS["repo_url"]}"')):
        nb.cells[0].source = re.sub(r'\*\*Needs\*\*.*', f'**Needs** {needs}', nb.cells[0].source)
        nbformat.write(nb, tmp_path/'07_fake.ipynb')
        assert maintain.installer(tmp_path/'07_fake.ipynb').splitlines()[-1] == f'    %pip install -q {what}'

def test_other_seeds_are_those_of_training_and_not_of_the_data():
    "`spread.py` moves each seed that a network is begun or trained with; a generator of its own draws data."
    sys.path.insert(0, str(ROOT/'tools'))
    import spread
    for old, new in (('torch.manual_seed(0)', 'torch.manual_seed(0+9)'), ('    torch.manual_seed(seed)   # the start', '    torch.manual_seed(seed+9)   # the start'),
                     ('def f(net, seed=0): pass', 'def f(net, seed=0+9): pass'), ('rand(3, generator=torch.manual_seed(seed))',)*2, ('seeds = 3',)*2):
        assert spread.other_seeds(old, 9) == new
    for n in ('13_deep', '14_cifar'):
        where = [c for c in code(read(ROOT/f'nbs/{n}.ipynb')) if 'manual_seed(seed)' in c.source]
        assert where and all('manual_seed(seed+9)' in spread.other_seeds(c.source, 9) for c in where)

@every(LESSONS + [ROOT/'nbs/lib/plots.ipynb', ROOT/'nbs/lib/drawings.ipynb'])
def test_pictures(path):
    found = [*about_pictures(read(path))]
    assert not found, '\n'.join([path.name, *found])

def picture_of(mode, width, kind='png', **more):
    "Return a notebook with one picture."
    file = io.BytesIO()
    Image.new(mode, (width, 50)).save(file, kind)
    data = {f'image/{kind}': base64.b64encode(file.getvalue()).decode(), **more}
    cell = nbformat.v4.new_code_cell('#| fig-alt: A picture\nx', outputs=[nbformat.v4.new_output('display_data', data)])
    return nbformat.v4.new_notebook(cells=[cell])

def test_wrong_pictures_are_found():
    for good in (picture_of('P', 660), picture_of('RGB', 660, 'jpeg')): assert not [*about_pictures(good)]
    other = picture_of('RGB', 700, 'jpeg').cells[0].outputs[0].data
    for bad, says in ((picture_of('P', 300), '300 pixels'), (picture_of('RGB', 660), 'no palette'), (picture_of('RGB', 300, 'jpeg'), '300 pixels'),
                      (picture_of('P', 660, **other), 'twice'), (picture_of('P', 660, **{'text/html': 'a', 'text/plain': 'a'}), 'twice')):
        assert any(says in c for c in about_pictures(bad)), says
    for source, says in (('x', 'no alt text'), ("#| fig-alt: A\nplt.rc('figure', dpi=64)", 'use_style'), ("#| fig-alt: A\n%config InlineBackend.figure_formats = ['jpeg']", 'use_style')):
        bad = picture_of('P', 660)
        bad.cells[0].source = source
        assert any(says in c for c in about_pictures(bad)), says

def test_the_librarys_notebooks_define_each_name_once():
    "Lessons may: a training loop is called `train` wherever one is written. And a question of a reviewer's is named after the function that it asks."
    where = {}
    for path in LIB:
        for c in code(read(path)):
            for s in parse(c).body:   # a decorated one belongs to its decorator: @patch, @cases
                if isinstance(s, ast.ClassDef) or isinstance(s, ast.FunctionDef) and not s.decorator_list:
                    if s.name[0] != '_' and '#| export' in c.source and not s.name.startswith('ask_'): where.setdefault(s.name, []).append(path.relative_to(ROOT/'nbs/lib').as_posix())
    assert not {name: w for name, w in where.items() if len(w) > 1}

# The checks themselves: a good lesson passes, and each mistake in it is found.

def good_lesson():
    md, run = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    repo, page = SETTINGS['repo_url'], f"blob/{SETTINGS['branch']}/nbs/07_fake.ipynb"
    badges = (f"[![Open in Colab](c.svg)](https://colab.research.google.com/github/{repo.split('github.com/')[1]}/{page}) "
              f"[![Open in Kaggle](k.svg)](https://kaggle.com/kernels/welcome?src={repo}/{page})")
    seen = [nbformat.v4.new_output('execute_result', {'text/plain': '1'}, execution_count=1)]
    qs = '\n\n'.join(f'{i}. Why {i}?\n\n<details><summary>Answer</summary>Because.</details>' for i in range(1, 6))
    cells = [md(f'# Fake\n\n> A promise.\n\n{badges}\n\n**Time** 1 second · **Data** none · **Needs** nothing\n\n**You will**\n\n- a\n- b\n- c'),
             run('x = 1\nx', outputs=seen, execution_count=1), *[run(f'x+{i}') for i in range(3)], run("record('07', x=1)"),
             md('## What can go wrong\n\n![a plot](x.png)'), run('x'), run('x'), md('## Your turn'), *[run(f"exercise('07.{k}', ...)") for k in (1, 2, 3)],
             md(f'## Questions\n\n{qs}'), md('## Take it further\n\n[a](https://a.org) [b](https://b.org)')]
    return nbformat.v4.new_notebook(cells=cells)

def swap(i, j): return lambda nb: nb.cells.__setitem__(slice(None), [nb.cells[{i: j, j: i}.get(k, k)] for k in range(len(nb.cells))])
def edit(i, old, new):
    def f(nb):
        assert old in nb.cells[i].source
        nb.cells[i].source = nb.cells[i].source.replace(old, new)
    return f
def output(kind, **kw): return lambda nb: nb.cells[1].outputs.append(nbformat.v4.new_output(kind, **kw))
def ids(nb): nb.cells[2].id = nb.cells[1].id
def order(nb): nb.cells[3].execution_count, nb.cells[4].execution_count = 9, 8
def longer(nb): nb.cells[2:2] = [nbformat.v4.new_code_cell('y = 1') for _ in range(71)]

MISTAKES = {
    'cells without an id': ids, 'out of order: [1, 9, 8]': order, 'an empty cell': edit(2, 'x+0', ' '), 'code cells: two lessons': longer,
    'saved with an error': output('error', ename='E', evalue='bad', traceback=[]), 'on stderr': output('stream', name='stderr', text='hm'),
    'a warning': output('display_data', data={'text/plain': 'FutureWarning: old'}), 'a path': output('stream', text='/ho'+'me/ann/x'),
    'without alt text: x.png': edit(6, 'a plot', ''), 'without alt text: <img': edit(6, '![a plot](x.png)', '<img src="x.png">'),
    'begin with': edit(0, '> A', 'A'), 'no section "questions"': edit(13, '## Questions', '## Answers'),
    'sections out of order': swap(13, 14), 'no working result': lambda nb: nb.cells[1].outputs.clear(), 'not shown': lambda nb: nb.cells.pop(7),
    '1 papers': edit(14, '[b](https://b.org)', ''), 'badge that leads to https://colab': edit(0, '07_fake.ipynb) [', '01_pets.ipynb) ['),
    'badge that leads to https://kaggle': edit(0, 'welcome?src', 'x'), 'not one line': edit(0, '· **Needs**', '\n\n**Needs**'), '2 things': edit(0, '\n- c', ''),
    'exercises [\'07.1\', \'07.2\', \'08.3\']': edit(12, '07.3', '08.3'), 'exercises [\'07.1\', \'07.2\']': edit(12, 'exercise', 'print'), 'outside': swap(8, 12),
    'no result is recorded': edit(5, 'record', 'print'), '4 questions': edit(13, '5. Why 5?', 'Why'), '5 questions and 4 folded': edit(13, '5?\n\n<details>', '5?\n\n<p>'),
    'asks where it runs': edit(2, 'x+0', 'torch.cuda.is_available()'), 'may be on a graphics card': edit(2, 'x+0', 'learn.model(x)'), 'more than 4 lines': lambda nb: [c.update(source='x\n'*5) for c in nb.cells[1:5]+nb.cells[7:9]],
    'lines of code: two lessons': edit(2, 'x+0', 'y = 0\n'*225+'x+0'),
    'lines that are exported': edit(2, 'x+0', '#| export\n'+'y = 0\n'*91),
}

@pytest.mark.parametrize('says', MISTAKES)
def test_the_checks_find(says):
    nb = good_lesson()
    assert complaints(nb, '07_fake') == []
    MISTAKES[says](nb)
    assert any(says in c for c in complaints(nb, '07_fake')), complaints(nb, '07_fake')

# The library

def copy_project(dest, *names):
    "Copy `names`, files and folders of the project, to `dest`; what git ignores stays behind."
    for p in project_files():
        rel = p.relative_to(ROOT)
        if names and rel.parts[0] not in names and str(rel) not in names: continue
        (dest/rel).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(p, dest/rel)
    return dest

def test_library_is_in_step_with_the_notebooks(tmp_path):
    new = copy_project(tmp_path, 'nbs', 'pyproject.toml', 'fastlessons/__init__.py')
    subprocess.run([sys.executable, '-c', 'from nbdev.doclinks import nbdev_export; nbdev_export()'], cwd=new, check=True, capture_output=True)
    names = [f.relative_to(ROOT) for f in MODULES]
    assert sorted(f.relative_to(new) for f in (new/'fastlessons').rglob('*.py')) == names
    old = [str(f) for f in names if (ROOT/f).read_text() != (new/f).read_text()]
    assert not old, f'run nbdev-export: {old}'

def public(tree):
    "Return the names in a module's `__all__`."
    for s in tree.body:
        if isinstance(s, ast.Assign) and getattr(s.targets[0], 'id', '') == '__all__': return ast.literal_eval(s.value)
    return []

def imported(nodes):
    "Return the modules of others that the syntax tree's `nodes` import."
    found = set()
    for n in nodes:
        if isinstance(n, ast.Import): found |= {a.name.split('.')[0] for a in n.names}
        elif isinstance(n, ast.ImportFrom) and not n.level: found.add(n.module.split('.')[0])
    return found - set(sys.stdlib_module_names) - {'fastlessons'} - {m.stem for m in MODULES}   # in an app, classifier.py lies beside what it needs

TREES = {m.relative_to(ROOT/'fastlessons').with_suffix('').as_posix().replace('/', '.'): ast.parse(m.read_text()) for m in MODULES}

def test_public_names_say_what_they_are():
    bare = [f'{m}.{s.name}' for m, t in TREES.items() for s in t.body
            if isinstance(s, (ast.FunctionDef, ast.ClassDef)) and s.name in public(t) and not ast.get_docstring(s)]
    assert not bare, f'without a docstring: {bare}'

def test_one_module_a_public_name():
    "What a lesson builds may have the name of the library's faster version; the rubrics of all projects have the same form."
    where = {}
    for m, t in TREES.items():
        if re.match(r'simple\.|projects\.p\d', m): continue
        for name in public(t): where.setdefault(name, []).append(m)
    assert not {name: ms for name, ms in where.items() if len(ms) > 1}

def test_no_public_name_is_one_of_fastais():
    "Five lessons write `from fastai... import *`: which of two names wins would depend on the order."
    import fastlessons   # noqa: F401, keeps warnings of fastai's away
    import fastai.collab, fastai.tabular.all, fastai.text.all, fastai.vision.all
    theirs = {k for m in (fastai.vision.all, fastai.text.all, fastai.tabular.all, fastai.collab) for k, v in vars(m).items() if k[0] != '_' and type(v).__name__ != 'module'}
    ours = {f'{m}.{name}' for m, t in TREES.items() for name in public(t) if name in theirs}
    assert not ours

def uses(tree, package, top_only=False):
    "Return the modules of ours that a module imports; `package` is the one that it lies in."
    found = set()
    for n in tree.body if top_only else ast.walk(tree):
        if not isinstance(n, ast.ImportFrom): continue
        if n.level: base = '.'.join([*package.split('.')[:len(package.split('.'))-n.level+1 if package else 0], *(n.module or '').split('.')]).strip('.')
        elif (n.module or '').split('.')[0] == 'fastlessons': base = n.module.removeprefix('fastlessons').strip('.')
        else: continue
        found |= {m for a in n.names for m in (base, f'{base}.{a.name}'.strip('.')) if m in TREES}
    return found

def package_of(m): return m.rpartition('.')[0] if not m.endswith('__init__') else m.removesuffix('.__init__')

# Each may use what stands before it. What is imported inside a function counts too.
LAYERS = [{'core'}, {'data', 'tables', 'check', 'plots', 'drawings', 'interactive', 'music', 'samples', 'exercises'}, {'simple'},
          {'bikes', 'numpy_net', 'series', 'evaluate', 'autograd', 'train', 'search', 'sidebyside', 'layers', 'tabular', 'forests', 'collab', 'vision', 'text', 'sheets', 'run', 'cases', 'projects'}, {'deploy', 'course'}, {'review'}, {'cli', '__main__'}]

def test_dependencies_point_one_way():
    rank = {part: k for k, layer in enumerate(LAYERS) for part in layer}
    def part(m): return 'cases' if re.match(r'exercises\.l\d', m) else m.split('.')[0]   # the cases of a lesson may train its model
    modules = [m for m in TREES if m.rpartition('.')[2] not in ('__init__', '_modidx')]
    assert {part(m) for m in modules} <= set(rank)
    wrong = [f'{m} uses {u}' for m in modules for u in uses(TREES[m], package_of(m)) if rank[part(u)] > rank[part(m)]]
    assert not wrong

def test_no_import_cycles():
    graph = {m: uses(t, package_of(m)) - {m} for m, t in TREES.items()}
    done = set()
    def visit(m, path):
        assert m not in path, ' -> '.join([*path, m])
        if m in done: return
        for u in graph[m]: visit(u, [*path, m])
        done.add(m)
    for m in graph: visit(m, [])
    assert uses(TREES['check'], '') >= {'core', 'data'}   # the graph is read rightly

def test_no_module_is_named_by_a_string():
    "One place may: the cases of a lesson are loaded by its number."
    made = [m for m, t in TREES.items() for n in ast.walk(t) if isinstance(n, ast.Call) and getattr(n.func, 'attr', getattr(n.func, 'id', '')) in ('import_module', '__import__')]
    assert set(made) <= {'check'}

def test_each_module_has_its_notebook():
    "`fastlessons/a/b.py` is made by `nbs/lib/a/b.ipynb`, or by the lesson that its first line names."
    made = {p.relative_to(ROOT/'nbs/lib').with_suffix('').as_posix().replace('/', '.') for p in LIB} - {'index'}
    for m in MODULES:
        name = m.relative_to(ROOT/'fastlessons').with_suffix('').as_posix().replace('/', '.')
        if m.name in ('__init__.py', '__main__.py', '_modidx.py') or name in made: continue   # nbdev skips notebooks named `_...`
        source = re.search(r'File to edit: (?:\.\./)+nbs/(\S+)\.ipynb', m.read_text())[1]
        assert source in {p.stem for p in LESSONS}, f'{name} is made by {source}'

@pytest.mark.parametrize('folder', ['.', 'nbs/lib'])
def test_the_map_shows_each_module(folder):
    "With a sentence, and links that lead somewhere: to the notebook that makes it, and to lessons."
    sys.path.insert(0, str(ROOT/'tools'))
    import maintain
    rows = [[cell.strip('| `') for cell in row.split(' | ')] for row in maintain.library_map(ROOT/folder).splitlines()[2:]]
    assert {m for m in TREES if not m.endswith(('_modidx', '__init__'))} <= {row[0] for row in rows} and len({row[0] for row in rows}) == len(rows)
    for name, what, made, users in rows:
        assert len(what) > 20 and made.endswith('.ipynb)'), name
        for target in re.findall(r'\]\(([^)]+)\)', made+users): assert (ROOT/folder/target).is_file(), (name, target)
        if name.startswith('simple.'): assert f'**[{Path(made).name[:2]}]' in users
        if name.startswith('exercises.l'): assert users.startswith(f'[{name[-2:]}]')

def test_each_lesson_builds_a_module():
    for p in LESSONS:
        made = [m for m in MODULES if f'nbs/{p.name}' in m.read_text()[:1500]]
        assert made and any(public(ast.parse(m.read_text())) for m in made), p.stem

def test_code_is_plain():
    "ruff, with the rules of pyproject.toml, on notebooks too."
    r = subprocess.run([sys.executable, '-m', 'ruff', 'check', '--output-format', 'concise', '.'], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr
    # `import fastlessons` alone may be unused, in the lessons' first cell; what is taken from it may not
    r = subprocess.run([sys.executable, '-m', 'ruff', 'check', '--select', 'F401', '--config', 'lint.pyflakes.allowed-unused-imports=[]', '--output-format', 'concise', '.'],
                       cwd=ROOT, capture_output=True, text=True)
    assert not [line for line in r.stdout.splitlines() if 'F401' in line and '`fastlessons` imported' not in line], r.stdout[-3000:] + r.stderr

# Packaging

def names(requirements): return {re.split(r'[^\w.-]', r)[0].lower().replace('_', '-') for r in requirements}
def brings(package): return names(r for r in metadata.requires(package) or [] if 'extra ==' not in r)

def test_what_the_library_imports_is_required():
    "Each import is in settings.ini, or comes with something that is. What an extra brings is imported inside a function."
    have = names(SETTINGS['requirements'].split())
    have |= {'torch'} | brings('fastai') | brings('torch') | brings('torchvision') | brings('matplotlib') | brings('pooch') | brings('ipykernel') | brings('nbclient')
    extras = set().union(*(names(v.split()) for v in CFG['extras'].values()))
    of, missing = {'sklearn': ['scikit-learn']} | metadata.packages_distributions(), []   # Python 3.10 finds fewer
    for m, t in TREES.items():
        core = imported(t.body)
        for name in imported(ast.walk(t)):
            if not names(of.get(name, [name])) & (have if name in core else have | extras): missing.append(f'{m} imports {name}')
    assert not missing

def test_settings():
    assert re.fullmatch(r'\d+\.\d+\.\d+', SETTINGS['version'])
    assert SETTINGS['repo_url'].startswith('https://github.com/') and not SETTINGS['repo_url'].endswith('/')
    assert all(v.split() for v in CFG['extras'].values()), 'an extra that brings nothing'
    assert 'fastai' in names(SETTINGS['requirements'].split())
    assert SETTINGS['min_python'] == '3.10'

def test_pyproject_holds_nothing_else():
    p = tomllib.loads((ROOT/'pyproject.toml').read_text())
    assert set(p) == {'build-system', 'project', 'tool'} and set(p['tool']) == {'nbdev', 'ruff', 'pytest'}
    assert set(p['project']) == {'name', 'dynamic'} and p['project']['name'] == SETTINGS['lib_name']
    assert p['tool']['nbdev']['put_version_in_init'] is False and p['tool']['nbdev']['update_pyproject'] is False
    assert set(p['project']['dynamic']) >= {'version', 'dependencies', 'optional-dependencies', 'requires-python', 'scripts'}

def test_version_and_address_are_written_once():
    "settings.ini is the place for both. The words `since version ...` may stand where a name has changed."
    version, requirement = (rf'(?<![\d.]){re.escape(SETTINGS["version"])}(?![\d.])'), SETTINGS['requirements'].split()[0]
    for p, text in text_files():
        if p.name in ('settings.ini', 'constraints.txt') or p.suffix == '.ipynb': continue   # others' versions, outputs
        text = re.sub(r'(?i)since version [\d.]+', '', text)
        if p.name != 'CHANGELOG.md' and 'old' not in p.parts: assert not re.search(version, text), f'{p} has the version; settings.ini is the place for it'
        assert requirement not in text, f'{p} has a requirement; settings.ini is the place for it'
        if p.suffix == '.py' and 'samples' not in p.parts: assert SETTINGS['repo_url'] not in text, f'{p} has the address; settings.ini is the place for it'

def test_changelog_begins_with_this_version():
    assert re.search(r'^## ([\d.]+)', (ROOT/'CHANGELOG.md').read_text(), re.M)[1] == SETTINGS['version']

def test_links_lead_to_this_repository():
    "Other places may show the address; then it is the one of settings.ini."
    owner = SETTINGS['repo_url'].split('github.com/')[1]
    for p, text in text_files():
        for m in re.finditer(r'github(?:\.com|usercontent\.com)?/([\w.-]+/fastlessons)\b', text): assert m[1] == owner, (p, m[0])

def test_no_file_names_somebodys_machine():
    for p, text in text_files():
        if p.suffix == '.ipynb': continue   # checked above, outputs too
        m = re.search(r'(?<![\w.:~-])' + A_MACHINES_PATH, text)
        assert not m, f'{p}: {text[m.start()-40:m.end()+20]}'

def test_readme_is_in_step_with_the_index():
    sys.path.insert(0, str(ROOT/'tools'))
    import maintain
    assert (ROOT/'README.md').read_text(encoding='utf-8') == maintain.readme(), 'run make readme'

def readme_text(): return (ROOT/'README.md').read_text(encoding='utf-8')

def test_readme_shows_measured_lines():
    "Those figures are measured, not typed."
    results = (ROOT/'benchmarks/RESULTS.md').read_text(encoding='utf-8')
    rows = [line for line in readme_text().splitlines() if line.startswith('| ') and line.count('|') == 7][1:]
    assert len(rows) == 6 and all(re.sub(r'\[(\w+)\]\(benchmarks/RESULTS.md#\1\)', r'\1', r) in results for r in rows)

def test_readme_is_one_screen():
    assert len(readme_text().split('## Licence')[0].splitlines()) < 77 + len(LESSONS)   # the table has a line a lesson
    assert 'nbs/glossary.ipynb' in readme_text() and 'nbs/lib/index.ipynb' in readme_text()

def test_glossary():
    "Each word has one line and leads to lessons that use it."
    rows = [[c.strip() for c in line.strip('| ').split(' | ')] for line in prose(read(ROOT/'nbs/glossary.ipynb'))[-1].splitlines() if line.startswith('| ')][1:]
    texts = {p.name: '\n'.join(c.source for c in read(p).cells).lower().replace('*', '') for p in LESSONS}
    assert len(rows) > 90 and len({r[0] for r in rows}) == len(rows) and all(len(r) == 3 and len(r[1]) < 120 for r in rows)
    for words, _, where in rows:
        links = re.findall(r'\[(\d\d)\]\((\S+)\)', where)
        assert links and all(name.startswith(n) for n, name in links)
        used = [w for w in words.split(', ') if re.sub(r'[-– ]', '.?', w.lower().rstrip('s')) and re.search(re.sub(r'[-– ]+', '[-–\\\\s]*', re.escape(w.lower().rstrip('s')).replace('\\', '')), texts[links[0][1]])]
        assert used, f'{words}: not in {links[0][1]}'

@pytest.mark.parametrize('path', LESSONS, ids=lambda p: p.stem)
def test_gallery(path):
    "Each lesson shows one small picture in the README, with words for those who cannot see it."
    image = ROOT/'nbs'/'images'/f'{path.stem}.jpg'
    assert image.stat().st_size < 60_000
    alts = re.findall(rf'!\[([^\]]*)\]\(nbs/images/{path.stem}.jpg\)', (ROOT/'README.md').read_text(encoding='utf-8'))
    assert alts and all(len(a.split()) > 4 for a in alts)

def test_every_lesson_is_in_the_index():
    text = (ROOT/'README.md').read_text(encoding='utf-8')
    for p in LESSONS: assert f'nbs/{p.name}' in text, p.name

def test_licence():
    text = (ROOT/'LICENSE').read_text()
    assert 'Apache License' in text and 'Version 2.0' in text and 'END OF TERMS AND CONDITIONS' in text and SETTINGS['license'] == 'Apache-2.0'

def test_workflows():
    import yaml   # comes with fastai
    test, weekly = (yaml.safe_load((ROOT/f'.github/workflows/{n}.yml').read_text()) for n in ('test', 'weekly'))
    assert test['jobs']['test']['strategy']['matrix']['python-version'] == ['3.10', '3.11', '3.12', '3.13']
    assert set(test[True]) == {'push', 'pull_request'} and 'schedule' in weekly[True]   # YAML reads the key `on` as true
    steps = [s.get('run', '') for w in (test, weekly) for j in w['jobs'].values() for s in j['steps']]
    assert [s for s in steps if s] == ['make test PYTHON=python', 'make test CONSTRAINTS= PYTHON=python', '.venv/bin/fastlessons samples --check']
