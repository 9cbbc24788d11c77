"One contract for all that can be kept in a file: `save`, `load`, files of version 0.1.0, and damaged ones."
import json, os

import numpy as np, pandas as pd, pytest, torch
from safetensors.torch import save_file

from conftest import ROOT, refuses
from fastlessons.core import Saved

OLD = ROOT/'tests'/'old'
SAID = json.loads((OLD/'said.json').read_text())
PEOPLE, RATINGS = pd.read_csv(OLD/'people.csv'), pd.read_csv(OLD/'ratings.csv')
TEXTS = ['a good film', 'a bad film', 'good', 'a plot']

class Line(Saved):
    "The smallest thing that can be saved."
    _kinds = ('Stroke',)
    def __init__(self, slope, **about): self.slope, self.about = slope, about
    def _state(self): return self.about, dict(slope=self.slope)
    @classmethod
    def _from_state(cls, about, tensors): return cls(tensors['slope'], **{k: v for k, v in about.items() if k not in ('kind', 'format')})

def line(): return Line(torch.arange(12.).reshape(3, 4).t(), names=['é', 'x'], deep=dict(n=[1, 2.5, None]))   # not contiguous

def test_a_model_comes_back_as_it_was(tmp_path):
    back = Line.load(line().save(tmp_path/'m.safetensors'))
    assert back.slope.equal(line().slope) and back.about == line().about

def test_home_sign_is_understood(tmp_path, monkeypatch):
    for name in ('HOME', 'USERPROFILE'): monkeypatch.setenv(name, str(tmp_path))
    line().save('~/m.safetensors')
    assert (tmp_path/'m.safetensors').is_file() and Line.load('~/m.safetensors').slope.equal(line().slope)

@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such modes')
def test_others_may_read_what_was_saved(tmp_path):
    "safetensors' own save_file makes a file for its owner alone; a web server often is another user."
    before = os.umask(0o022)
    try: path = line().save(tmp_path/'m.safetensors')
    finally: os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644

@pytest.mark.parametrize('what', ['empty', 'cut', 'text', 'other kind', 'no head', 'later format', 'odd parts'])
def test_no_other_file_is_taken_for_a_model(tmp_path, what):
    path = line().save(tmp_path/'m.safetensors')
    if what == 'empty': path.write_bytes(b'')
    if what == 'cut': path.write_bytes(path.read_bytes()[:-10])
    if what == 'text': path.write_text('hello, I am a text and no model')
    if what == 'other kind': type('Curve', (Line,), {})(torch.ones(2)).save(path)
    if what == 'no head': save_file(dict(a=torch.ones(2)), path)
    if what == 'later format': path.write_bytes(path.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 2'))
    if what == 'odd parts':
        class Odd(Line):
            def _state(self): return {}, dict(other=torch.ones(1))
        Odd.__name__ = 'Line'
        Odd(1).save(path)
    refuses(ValueError, lambda: Line.load(path), 'm.safetensors is damaged, or no saved Line', 'save it again', limit=400)

def test_what_is_not_there_is_said_and_nothing_is_left_behind(tmp_path):
    refuses(FileNotFoundError, lambda: Line.load(tmp_path/'no'), 'There is no file', 'Line.save', limit=200)
    refuses(FileNotFoundError, lambda: Line.load(tmp_path), 'There is no file', limit=200)
    refuses(FileNotFoundError, lambda: line().save(tmp_path/'no'/'m'), 'Make it first', limit=200)
    assert not [*tmp_path.iterdir()]

def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = line().save(tmp_path/'m')
    old = path.read_bytes()
    refuses(TypeError, lambda: Line(torch.ones(1), what=object()).save(path), 'not JSON serializable')
    assert path.read_bytes() == old and [*tmp_path.iterdir()] == [path]

def test_a_former_name_is_read(tmp_path):
    type('Stroke', (Line,), {})(torch.ones(2)).save(tmp_path/'m')
    assert Line.load(tmp_path/'m').slope.equal(torch.ones(2))

# Each kind of model, as version 0.1.0 wrote it

def tabular(name, file):
    from fastlessons import tabular
    return getattr(tabular, name).load(OLD/file).predict(PEOPLE)

def forest(name):
    from fastlessons import forests
    return getattr(forests, name).load(OLD/f'{name}.safetensors').predict(PEOPLE[['Age', 'Sex', 'Fare']])

def recommender():
    from fastlessons.collab import Recommender
    return Recommender.load(OLD/'Recommender.safetensors').predict(RATINGS)

def text():
    pytest.importorskip('transformers')
    from fastlessons.text.encoder import TextClassifier
    return np.asarray(TextClassifier.load(OLD/'TextPredictor.safetensors').predict_proba(TEXTS))

def tokens(name):
    from fastlessons.text import tokens
    return [list(map(int, getattr(tokens, name).load(OLD/f'{name}.json').encode(t))) for t in TEXTS]

def folder():
    pytest.importorskip('onnxruntime')
    from fastlessons.deploy.classifier import PictureClassifier
    return [*PictureClassifier.load(OLD/'folder').predict_one(OLD/'pug.png').values()]

KEPT = dict(table_class=lambda: tabular('TabularClassifier', 'table_class.safetensors'),
            table_number=lambda: tabular('TabularRegressor', 'table_number.safetensors'),
            **{n: (lambda n=n: forest(n)) for n in ('TreeClassifier', 'TreeRegressor', 'ForestClassifier', 'ForestRegressor')},
            Recommender=recommender, TextPredictor=text, Vocab=lambda: tokens('Vocab'), BPE=lambda: tokens('BPE'), folder=folder)

@pytest.mark.parametrize('kind', KEPT)
def test_a_model_of_version_0_1_0_says_what_it_said(kind):
    said = SAID[kind]
    if isinstance(said, dict): said = [*said.values()]
    now = KEPT[kind]()
    if kind in ('Vocab', 'BPE'): assert now == said
    else: np.testing.assert_allclose(np.asarray(now, float), said, rtol=1e-4, atol=1e-5)

def test_another_kind_of_table_model_is_refused():
    from fastlessons.tabular import TabularClassifier, TabularRegressor
    refuses(ValueError, lambda: TabularRegressor.load(OLD/'table_class.safetensors'), 'TabularRegressor')
    refuses(ValueError, lambda: TabularClassifier.load(OLD/'table_number.safetensors'), 'TabularClassifier')
