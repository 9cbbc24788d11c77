"""'Make your own' of each lesson, done once with data that is not the lesson's: the code runs just as it stands there.

Of the lesson before it run only the imports, and what is named below."""
import ast, builtins, re

import nbformat, numpy as np, pandas as pd, pytest

from conftest import ROOT

pytestmark = pytest.mark.slow

def fences(number):
    "Return the ```python blocks of 'Make your own', and the lesson's path."
    path, = (ROOT/'nbs').glob(f'{number}_*.ipynb')
    text = next(c.source for c in nbformat.read(path, 4).cells if '**Make your own.**' in c.source)
    return re.findall(r'```python\n(.*?)```', re.split(r'\n- \*\*', text.split('**Make your own.**')[1])[0], re.S), path

def start(path, values):
    "Run the imports of a lesson, and what makes `values`; return the names."
    ns = {}
    for c in nbformat.read(path, 4).cells:
        if c.cell_type != 'code': continue
        for n in ast.parse(re.sub(r'^( *)[%!].*', r'\1pass', c.source, flags=re.M)).body:   # without %magic and !command
            made = {getattr(n, 'name', None)}
            if isinstance(n, ast.Assign): made |= {t.id for t in ast.walk(n.targets[0]) if isinstance(t, ast.Name)}
            if isinstance(n, (ast.Import, ast.ImportFrom)) or made & set(values):
                exec(compile(ast.Module([n], []), path.name, 'exec'), ns)
    return ns

def run(number, tmp_path, monkeypatch, *changes, values=(), blocks=slice(None)):
    "Run the blocks in an empty folder, with `changes` (old, new) that the text asks for; return the names."
    codes, path = fences(number)
    assert codes, 'there is no code under Make your own'
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, 'display', lambda *_: None, raising=False)   # Jupyter has it everywhere
    ns = start(path, values)
    for code in codes[blocks]:
        for old, new in changes: code = code.replace(old, new)
        exec(compile(code, path.name, 'exec'), ns)
    for old, _ in changes: assert old in ''.join(codes), f'the text no longer names {old}'
    return ns

@pytest.fixture
def things(tmp_path):
    "A folder with 20 drawn pictures of each of two things, one subfolder for each."
    from fastlessons.samples.pictures import draw_thing
    rng = np.random.default_rng(0)
    for kind in ('car', 'umbrella'):
        (tmp_path/'things'/kind).mkdir(parents=True)
        for i in range(20): draw_thing(kind, rng, size=128).save(tmp_path/'things'/kind/f'IMG_{i}.jpg')
    return tmp_path/'things'

def test_01_own_photos(things, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('FASTLESSONS_ARCH', 'resnet_mini')   # these "photos" are drawn, and nothing is downloaded
    ns = run('01', tmp_path, monkeypatch, ('/where/it/is', str(things)))
    assert ns['own_learn'].dls.vocab == ['car', 'umbrella'] and ns['own_learn'].validate()[1] < .3
    assert ns['own_learn'].predict(next((things/'car').glob('*.jpg')))[0] in ('car', 'umbrella')

def test_02_own_model_folder(things, tmp_path, monkeypatch, capsys, home):
    monkeypatch.setenv('FASTLESSONS_ARCH', 'resnet_mini')
    ns = run('02', tmp_path, monkeypatch, ('/where/it/is', str(things)), values=['train'], blocks=slice(1))
    assert {f.name for f in ns['own_folder'].iterdir()} == {'model.onnx', 'model.safetensors', 'card.json', 'examples'}
    from fastlessons.cli import find_model
    assert find_model() == ns['own_folder']
    # what the reader chose with the widget: delete one picture, move another
    before = sorted(things.rglob('*.jpg'))
    ns['cleaner'].delete = lambda: [0]
    ns['cleaner'].change = lambda: [(1, 'umbrella')]
    codes, _ = fences('02')
    exec(codes[1], ns)
    after = sorted(things.rglob('*.jpg'))
    assert len(after) == len(before)-1 and len(set(after)-set(before)) == 1

def test_03_own_curve(tmp_path, monkeypatch, capsys):
    ns = run('03', tmp_path, monkeypatch)
    off = ns['own'](ns['scaled'](ns['when'], ns['when'])) - ns['scaled'](ns['mine'], ns['mine'])
    assert off.square().mean() < .1   # of a variance of 1

def test_04_own_texts(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(1)
    words = dict(weather='rain sun wind snow cloud storm warm cold'.split(), kitchen='salt pan soup bake oven bread onion sweet'.split())
    rows = [(' '.join(rng.choice(words[kind], 3)) + f' and more, number {i}', kind) for i, kind in enumerate(['weather', 'kitchen']*60)]
    pd.DataFrame(rows, columns=['text', 'label']).to_csv(tmp_path/'mine.csv', index=False)
    from fastlessons.text.encoder import find_encoder
    ns = run('04', tmp_path, monkeypatch, blocks=slice(None if find_encoder() else 1))
    assert ns['counting'].score(ns['texts'], ns['labels']) > .9
    assert set(ns['counting'].predict(['rain and storm', 'bread and salt'])) == {'weather', 'kitchen'}
    if find_encoder(): assert (tmp_path/'mine.safetensors').is_file()

def prices():
    rng = np.random.default_rng(0)
    df = pd.DataFrame(dict(rooms=rng.integers(1, 7, 300), area=rng.normal(80, 20, 300).round(), town=rng.choice(['Ay', 'Be', 'Ce'], 300)))
    return df.assign(price=(df.area*20 + df.rooms*90 + (df.town == 'Be')*500 + rng.normal(0, 60, 300)).round())

def test_05_own_table(tmp_path, monkeypatch, capsys):
    prices().to_csv(tmp_path/'mine.csv', index=False)
    ns = run('05', tmp_path, monkeypatch)
    assert ns['model'].score(ns['valid'], ns['valid'].price) > .7 and (tmp_path/'mine.safetensors').is_file()

@pytest.mark.parametrize('answer, changes', [
    ('price', ()), ('dear', (("'price'", "'dear'"), ('TreeRegressor, ForestRegressor\n', 'TreeClassifier, ForestClassifier\n')))])
def test_06_own_table(tmp_path, monkeypatch, capsys, answer, changes):
    df = prices()
    if answer == 'dear': df = df.assign(dear=np.where(df.price > df.price.median(), 'yes', 'no')).drop(columns='price')
    df.to_csv(tmp_path/'mine.csv', index=False)
    ns = run('06', tmp_path, monkeypatch, *changes)
    one, small, forest = (float(line.split()[0]) for line in capsys.readouterr().out.splitlines()[:3])
    assert forest > .75 and forest >= one
    kept = ns['Forest'].load(ns['forest'].save('mine.safetensors'))   # as the text below the code says
    assert (kept.predict(ns['X']) == ns['forest'].predict(ns['X'])).all()

def test_07_own_ratings(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    dishes = ['apple pie', 'turnip soup', *(f'dish {i}' for i in range(28))]
    sweet, likes = rng.normal(size=30), rng.normal(size=60)
    sweet[:2] = 2, -2
    rows = [(f'cook {u}', dishes[i], int(np.clip(round(3 + likes[u]*sweet[i]), 1, 5)))
            for u in range(60) for i in rng.choice(30, 15, replace=False)]
    pd.DataFrame(rows, columns=['user', 'item', 'rating']).to_csv(tmp_path/'mine.csv', index=False)
    ns = run('07', tmp_path, monkeypatch)
    mean, model = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if line.startswith('stars wrong'))
    assert model < mean
    best = ns['mine'].recommend('me', 5).item
    assert np.mean([sweet[dishes.index(d)] for d in best]) > 0   # whoever likes pie and not soup gets sweet things
    again = ns['mine'].load('mine.safetensors')
    assert again.recommend('me', 5).item.tolist() == best.tolist()

def test_08_own_pictures(things, tmp_path, monkeypatch, capsys):
    ns = run('08', tmp_path, monkeypatch)
    assert ns['classes'] == ['car', 'umbrella'] and ns['mine'].validate()[1] > .6

def test_09_own_days(tmp_path, monkeypatch, capsys):
    "Customers of a shop: the day of the week, a slow rise, and chance."
    day = pd.date_range('2023-01-02', periods=400)
    rng = np.random.default_rng(0)
    sold = 100 + 40*(day.day_of_week > 4) + .1*np.arange(400) + rng.normal(0, 15, 400)
    pd.DataFrame(dict(day=day, sold=sold.round())).sample(frac=1, random_state=0).to_csv(tmp_path/'mine.csv', index=False)
    run('09', tmp_path, monkeypatch)
    network, week = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines())
    assert network < week

def test_10_own_table(tmp_path, monkeypatch, capsys):
    "Fifty customers of eight rows each, in which a column of their own decides; the text column is left out."
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(50), 8)
    use = rng.normal(size=400)
    leaves = np.where(rng.random(400) < 1/(1 + np.exp(-3*use)), 'yes', 'no')
    pd.DataFrame(dict(customer=who, use=use, town='Bonn', luck=rng.random(400), churn=leaves)).to_csv(tmp_path/'mine.csv', index=False)
    ns = run('10', tmp_path, monkeypatch, ('max_iter=50', 'max_iter=10'))   # quicker
    low, high = eval(capsys.readouterr().out.split('interval: ')[1])
    assert .6 < low < .78 < high < .9 and high - low < .15 and list(ns['X']) == ['use', 'luck']

def test_11_own_operation(monkeypatch, capsys):
    from fastlessons import autograd
    codes, _ = fences('11')
    ns = {k: v for k, v in vars(autograd).items() if not k.startswith('__')}   # what the lesson's exported cells define
    for code in codes: exec(code, ns)
    assert np.mean((ns['error'].data)**2) < .01   # of a variance of one half

def test_13_own_activation(tmp_path, monkeypatch, capsys):
    "The text says what one will see for tanh: 1/√n sinks, slowly."
    ns = run('13', tmp_path, monkeypatch, values=('digits', 'mean', 'x', 'start_by', 'spread', 'deep', 'size_of'))
    small, usual, large = ns['sizes_of'].values()
    assert small[-1] < .001 < .05 < usual[-1] < usual[9] < usual[0] and large[-1] > .4
    run('13', tmp_path, monkeypatch, ('act = nn.Tanh', 'act = nn.GELU'), values=('digits', 'mean', 'x', 'start_by', 'spread', 'deep', 'size_of'))

def test_14_own_pictures(things, tmp_path, monkeypatch, capsys):
    ns = run('14', tmp_path, monkeypatch, ('/where/it/is', str(things)), values=('path', 'x_bytes', 'pics', 'n', 'train', 'right', 'mirrored', 'cropped', 'change'))
    assert ns['kinds'] == ['car', 'umbrella'] and ns['own'].shape == (40, 3, 32, 32)
    assert capsys.readouterr().out.splitlines()[-1].endswith('of 8 pictures')

def test_16_own_text(tmp_path, monkeypatch, capsys):
    from fastlessons.samples.world import make_world
    (tmp_path/'mine.txt').write_text('\n'.join(make_world(3000)), encoding='utf-8')
    ns = run('16', tmp_path, monkeypatch, ("['alice', 'time', 'happy']", "['paris', 'puppy', 'king']"))
    assert {w for w, _ in ns['mine'].similar('puppy', 3)} <= {w for w, kind in ns['kinds']().items() if kind in ('young', 'animal', 'home')}
    assert (tmp_path/'vectors.txt').is_file() and ns['Word2Vec'].load(tmp_path/'mine.safetensors').words_ == ns['mine'].words_

def test_18_own_text(tmp_path, monkeypatch, capsys):
    from fastlessons.samples.scripts import make_scripts
    (tmp_path/'mine.txt').write_text('\n\n'.join(text for text, _ in make_scripts(150)), encoding='utf-8')
    ns = run('18', tmp_path, monkeypatch, ('None), 10', 'None), 3'), values=['how', 'chances_of', 'perplexity'])
    said = capsys.readouterr().out
    assert 1 < float(said.split()[1]) < len(ns['vocab'])/2 and len(said.split('\n', 1)[1]) > 100

def test_19_own_pairs(tmp_path, monkeypatch, capsys):
    "Small things in two languages: in the other one the colour comes last, and the day first."
    colours = dict(zip('red blue green white black yellow'.split(), 'rouge bleu vert blanc noir jaune'.split()))
    things = dict(zip('boat hat car cup bed door key lamp'.split(), 'bateau chapeau char bol lit mur clou feu'.split()))
    days = dict(zip('monday tuesday friday sunday'.split(), 'lundi mardi vendredi dimanche'.split()))
    rows = [(f'one {c} {t} and a {d} {u} {day}', f'{days[day]} un {things[t]} {colours[c]} et un {things[u]} {colours[d]}')
            for c in colours for t in things for d in colours for u in things for day in days]
    pd.DataFrame(rows, columns=['source', 'target']).sample(1000, random_state=0).to_csv(tmp_path/'mine.csv', index=False)
    ns = run('19', tmp_path, monkeypatch)
    share, said = capsys.readouterr().out.strip().splitlines()[-1].split(maxsplit=1)
    assert float(share) > .8 and len(said.split()) == 8 and not (tmp_path/'run').exists()
    test = ns['test'].source.tolist()[:20]
    assert ns['Translator'].load(tmp_path/'mine.safetensors').translate(test) == ns['model'].translate(test)
