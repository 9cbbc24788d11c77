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

FILE = dict(name='mine.png', type='image/png', last_modified=0)
SHAPES = {   # ipywidgets 8: a tuple of files, whose content is a memoryview; 7: a dict of them, with bytes
    8: lambda content: (FILE | dict(content=memoryview(content), size=len(content)),),
    7: lambda content: {'mine.png': dict(metadata=FILE, content=content)}}

@pytest.mark.parametrize('version', SHAPES)
def test_an_uploaded_picture_is_named(version, capsys):
    "Lesson 01: the first thing that everybody tries."
    from fastai.vision.core import PILImage
    from fastlessons.vision.picture_files import open_picture, uploaded
    file = io.BytesIO()
    Image.fromarray(np.full((20, 30, 4), (200, 10, 10, 0), np.uint8)).save(file, 'PNG')   # cut out: people see white
    upload = type('Upload', (), dict(value=SHAPES[version](file.getvalue())))
    ns = dict(PILImage=PILImage, learn=Learner(), files=[None]*8, upload=upload, uploaded=uploaded, open_picture=open_picture)
    exec(cell('01_pets', 'upload.value'), ns)
    assert ns['learn'].given.size == (30, 20) and ns['learn'].given.getpixel((3, 3)) == (255, 255, 255) and 'The model says: True, with probability 0.9000' in capsys.readouterr().out

def test_what_was_chosen_comes_out_as_bytes():
    from ipywidgets import FileUpload
    from fastlessons.vision.picture_files import uploaded
    assert uploaded(FileUpload().value) is None and uploaded({}) is None and uploaded(()) is None
    for shape in SHAPES.values(): assert uploaded(shape(b'pixels')) == b'pixels' and type(uploaded(shape(b'pixels'))) is bytes
    two = {name: dict(content=name.encode()) for name in ('first.jpg', 'second.jpg')}
    assert uploaded(two) == b'first.jpg'

def test_without_an_upload_the_lesson_takes_its_own_picture(tmp_path, capsys):
    from fastai.vision.core import PILImage
    from ipywidgets import FileUpload
    from fastlessons.vision.picture_files import open_picture, uploaded
    Image.new('RGB', (8, 9)).save(tmp_path/'own.png')
    ns = dict(PILImage=PILImage, learn=Learner(), files=[tmp_path/'own.png']*8, upload=FileUpload(), uploaded=uploaded, open_picture=open_picture)
    exec(cell('01_pets', 'upload.value'), ns)
    assert ns['learn'].given.size == (8, 9)
