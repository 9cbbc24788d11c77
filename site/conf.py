"How Sphinx builds the site from the sources that build.py prepares."
import json, re
from pathlib import Path

HERE = Path(__file__).parent   # build.py puts this file among the sources
project, author = 'fastlessons', 'the fastlessons authors'
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.viewcode', 'sphinx_design',
              'sphinx_copybutton']
nb_execution_mode = 'off'
nb_ipywidgets_js = {}   # its scripts would come from a server
myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 4
default_role = 'code'   # what stands between backticks in a docstring
html_theme, html_title = 'furo', 'fastlessons'
html_static_path, html_css_files, html_js_files = ['static'], ['site.css'], ['site.js']
html_favicon = 'static/favicon.svg'
html_show_search_summary = False   # it would load every page that is found, megabytes
html_extra_path = ['extra']
exclude_patterns = ['extra']
html_copy_source = html_show_sourcelink = html_show_copyright = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'

FIELD = re.compile(r'(\*{0,2}\w+): (.*)|(Returns|Raises) (.*)')

def plain(line):
    "Keep reST from reading stars, bars and low lines at the end of a word."
    parts = re.split(r'(`[^`]*`)', line)
    parts[::2] = [re.sub(r'([*|\\]|_\b)', r'\\\1', p) for p in parts[::2]]
    return ''.join(parts)

def field(line):
    "Return a line on a parameter as reST has it; a line that goes on stays so."
    m = FIELD.fullmatch(line)
    if not m: return f'    {plain(line)}'
    name = m[3].lower() if m[3] else f'param {m[1].lstrip("*")}'
    return f':{name}: {plain(m[2] or m[4])}'

TAUGHT = json.loads((HERE/'taught.json').read_text())

def lessons(name):
    "Return the line that leads to the lessons with this function."
    links = ', '.join(f':doc:`{x[:2]} </{x}>`' for x in TAUGHT.get(name, []))
    return [f':lessons: {links}'] if links else []

def fields(app, what, name, obj, options, lines):
    "Make reST of a docstring whose last lines are those that `core.document` adds."
    while lines and not lines[-1]: lines.pop()
    last = len(lines) - lines[::-1].index('') if '' in lines else 0
    if last == len(lines) or not FIELD.fullmatch(lines[last]): last = len(lines)
    body, rows = lines[:last], lines[last:]
    made = []
    for line in body:
        goes_on = made and made[-1].startswith(('- ', '  '))
        if line.startswith('- ') and made and not goes_on: made.append('')
        made.append(plain(line))
    lines[:] = made + [field(line) for line in rows] + lessons(name) + ['']

def skip(app, what, name, obj, skipped, options):
    "Leave out what scikit-learn adds to each of its classes."
    return True if re.fullmatch(r'set_\w+_request', name) else None

def search_scripts(app, page, template, context, doctree):
    "Let the page of the search know the words of the course."
    if page == 'search':
        for name in ('words.js', 'search.js'): app.add_js_file(name)

def for_all_readers(app, error):
    """Let the keyboard reach code and tables that are wider than the screen.

    And give the menu's headings a level. The search says that it works while its
    index is on the way."""
    for page in Path(app.outdir).rglob('*.html'):
        text = page.read_text(encoding='utf-8')
        text = text.replace('<pre>', '<pre tabindex="0">')
        wide = '<div class="cell_output docutils container"'
        text = text.replace(wide, f'{wide} tabindex="0"')
        text = text.replace('role="heading">', 'role="heading" aria-level="2">')
        index = '<script src="searchindex.js">'
        text = text.replace(index, '<script async src="searchindex.js">')
        page.write_text(text, encoding='utf-8')

def setup(app):
    app.connect('html-page-context', search_scripts)
    app.connect('build-finished', for_all_readers)
    app.connect('autodoc-process-docstring', fields)
    app.connect('autodoc-skip-member', skip)
