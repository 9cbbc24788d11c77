"What a learner does with the widgets of the lessons, which no saved run does."
import io

import nbformat, numpy as np, pytest, torch
from PIL import Image

from conftest import ROOT

def cell(lesson, words):
    "Return the source of the lesson's one cell that holds `words`."
    found = [c.source for c in nbformat.read(ROOT/'nbs'/f'{lesson}.ipynb', 4).cells if c.cell_type == 'code' and words in c.source]
    assert len(found) == 1, found
    return found[0]

class Learner:
    "Says what kind of picture it was given."
    def predict(self, picture):
        self.given = picture
        return 'True', torch.tensor(1), torch.tensor([.1, .9])

@pytest.mark.parametrize('kind', [memoryview, bytes])   # ipywidgets 8 gives a memoryview
def test_an_uploaded_picture_is_named(kind, capsys):
    "Lesson 01: the first thing that everybody tries."
    from fastai.vision.core import PILImage
    from ipywidgets import FileUpload
    file = io.BytesIO()
    Image.fromarray(np.full((20, 30, 3), (200, 10, 10), np.uint8)).save(file, 'PNG')
    upload = FileUpload(accept='image/*')
    now = dict(name='mine.png', type='image/png', size=len(file.getvalue()), content=kind(file.getvalue()), last_modified=0)
    ns = dict(PILImage=PILImage, learn=Learner(), files=[None]*8, upload=type('Upload', (), dict(value=(type('File', (dict,), dict(__getattr__=dict.__getitem__))(now),))))
    assert not upload.value   # nothing was chosen yet: then the lesson takes one of its own pictures
    exec(cell('01_pets', 'upload.value'), ns)
    assert ns['learn'].given.size == (30, 20) and 'The model says: True, with probability 0.9000' in capsys.readouterr().out

def test_without_an_upload_the_lesson_takes_its_own_picture(tmp_path, capsys):
    from fastai.vision.core import PILImage
    from ipywidgets import FileUpload
    Image.new('RGB', (8, 9)).save(tmp_path/'own.png')
    ns = dict(PILImage=PILImage, learn=Learner(), files=[tmp_path/'own.png']*8, upload=FileUpload())
    exec(cell('01_pets', 'upload.value'), ns)
    assert ns['learn'].given.size == (8, 9)
