"""What those who work on the lessons need: `save NN` runs a notebook and saves it, `readme` makes README.md from the index.

The tests import this file to see that what is committed is in step."""
import base64, configparser, io, re, sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'

def settings():
    "Read settings.ini as a dict."
    cfg = configparser.ConfigParser(delimiters=['='])
    cfg.read(ROOT/'settings.ini', encoding='utf-8')
    return dict(cfg['DEFAULT'])

def badges(name):
    "Return the line of badges for the notebook `name`, e.g. '01_pets'."
    s = settings()
    page = f"{s['repo_url'].removeprefix('https://github.com/')}/blob/{s['branch']}/nbs/{name}.ipynb"
    return (f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{page}) "
            f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/{page})")

def readme():
    "Return the text of README.md: the index notebook as Markdown, with links that work from the root."
    nb, parts = nbformat.read(NBS/'index.ipynb', 4), ['<!-- Made from nbs/index.ipynb by `make readme`. Edit the notebook, not this file. -->']
    for c in nb.cells:
        if c.cell_type == 'markdown': parts.append(c.source)
        elif '#| echo: false' in c.source: parts += map(_output, c.outputs)
        else: parts += [f'```python\n{c.source}\n```', *map(_output, c.outputs)]
    text = '\n\n'.join(p for p in parts if p)
    return re.sub(r'\]\((?!https?:|#)([^)]+)\)', r'](nbs/\1)', text).replace('](nbs/../', '](') + '\n'

def _output(o):
    "Return an output as Markdown: a table as it is, text in a block."
    d = o.get('data', {})
    if 'text/markdown' in d: return d['text/markdown']
    text = o.get('text') or d.get('text/plain', '')
    return f'```text\n{text.rstrip()}\n```' if text else ''

def picture(nb, name):
    "Write the output of the cell with `#| label: gallery` to nbs/images, small, for the index."
    from PIL import Image
    for c in nb.cells:
        if not c.source.startswith('#| label: gallery'): continue
        data = next(o.data for o in c.outputs if 'image/jpeg' in o.get('data', {}))
        im = Image.open(io.BytesIO(base64.b64decode(data['image/jpeg'])))
        im.thumbnail((640, 400))
        (NBS/'images').mkdir(exist_ok=True)
        im.save(NBS/'images'/f'{name}.jpg', quality=85)

def save(number):
    "Run the notebook whose name starts with `number` from top to bottom in a fresh kernel, save it in place, clean it."
    from nbclient import NotebookClient
    from nbdev.clean import nbdev_clean
    path, = [*NBS.glob(f'{number}*.ipynb'), *NBS.glob(f'lib/{number}.ipynb')]   # a lesson, or lib's path: vision/cnn
    nb = nbformat.read(path, 4)
    for c in nb.cells:   # badges are made from settings.ini
        if c.cell_type == 'markdown': c.source = re.sub(r'^\[!\[Open in Colab\].*$', badges(path.stem), c.source, flags=re.M)
    NotebookClient(nb, timeout=1800, kernel_name='python3', resources={'metadata': {'path': str(path.parent)}}).execute()
    new = path.with_suffix('.tmp')
    nbformat.write(nb, new)
    new.replace(path)
    nbdev_clean(str(path))
    picture(nb, path.stem)
    print(f'{path.name}: {path.stat().st_size//1024} KB')

if __name__ == '__main__':
    if sys.argv[1:2] == ['save'] and len(sys.argv) == 3: save(sys.argv[2])
    elif sys.argv[1:] == ['readme']: (ROOT/'README.md').write_text(readme(), encoding='utf-8')
    else: sys.exit(__doc__)
