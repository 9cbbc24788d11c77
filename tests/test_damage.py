"""Damaged files of all kinds: a reader says so with its documented error, soon, and writes nothing outside of its folder.

A short run is part of the tests. HYPOTHESIS_PROFILE=long tries thousands of files."""
import copy, io, json, shutil, struct, tarfile, tempfile, zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
pytest.importorskip('hypothesis')
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from fastai.vision.all import PILImage

from conftest import ROOT
from fastlessons.vision.picture_files import FORMATS, drop_alpha, is_transparent, open_picture
from fastlessons.vision.transfer import check_images

OLD = ROOT/'tests'/'old'
quick = settings(deadline=20_000, suppress_health_check=list(HealthCheck))   # milliseconds for one file: a hang is a failure
pytestmark = pytest.mark.filterwarnings('ignore')   # Pillow's, of damaged notes and pictures that promise much

# --- damage

EDITS = st.lists(st.tuples(st.sampled_from(['flip', 'cut', 'insert', 'repeat', 'delete', 'number']), st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6)

def damaged(data, edits):
    "Return `data` with bytes changed, cut off, put in, repeated or taken out, or a whole number of four bytes that is extreme."
    b = bytearray(data)
    for kind, where, new in edits:
        i, n = int(where*len(b)), len(new)
        if kind == 'flip' and i < len(b): b[i] ^= new[0] or 1
        if kind == 'cut': del b[i:]
        if kind == 'insert': b[i:i] = new
        if kind == 'repeat': b[i:i] = b[i:i+n*9]
        if kind == 'delete': del b[i:i+n]
        if kind == 'number': b[i:i+4] = (b'\xff\xff\xff\xff', b'\0\0\0\0', b'\x7f\xff\xff\xff', b'\xff\xff\xff\x7f', b'\0\0\0\x01')[new[0] % 5]
    return bytes(b)

ODD = st.sampled_from([None, True, -1, 0, 1, 2**31, 2**63, 1e308, float('nan'), float('inf'), '', 'x', 'x'*9999, '\ud800', '../../x', [], {}, [[]], [None], {'a': []}, [1, 'a'], [-1, 0], {'method': 'crop'}])
STEPS = st.lists(st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.sampled_from(['put', 'drop', 'twice']), ODD), min_size=1, max_size=3)

def changed(value, steps):
    "Return a JSON value with odd things in places."
    value = copy.deepcopy(value)
    for path, what, odd in steps:
        here, where = None, value
        for k in path:
            keys = list(where) if isinstance(where, dict) else list(range(len(where))) if isinstance(where, list) else []
            if not keys: break
            here, key = where, keys[k % len(keys)]
            where = here[key]
        if here is None: continue
        if what == 'put': here[key] = copy.deepcopy(odd)   # the same odd list twice could hold itself
        if what == 'drop': del here[key]
        if what == 'twice' and isinstance(here, list): here.insert(key, where)
    return value

resource = pytest.importorskip('resource')   # not on Windows

def memory(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024   # megabytes, on Linux

def only(errors, f, most=1200):
    "Call `f`; it may raise `errors` alone, and take so many megabytes."
    before = memory()
    try: return f()
    except errors as e: assert str(e), 'an error without words'
    finally: assert memory() < before + most, f'{memory()-before} MB'

# --- pictures

def saved(im, format, **kw):
    b = io.BytesIO()
    im.save(b, format, **kw)
    return b.getvalue()

def pictures():
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype('uint8'))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, 'a camera'
    found = [saved(rgb, 'PNG', exif=exif), saved(rgb.quantize(7), 'PNG', transparency=bytes(7)), saved(Image.fromarray(np.arange(99, dtype='uint16').reshape(9, 11)), 'PNG'),
             saved(rgb, 'PNG', save_all=True, append_images=[rgb]), saved(rgb, 'JPEG', exif=exif), saved(rgb, 'JPEG', progressive=True), saved(rgb.convert('CMYK'), 'JPEG'), saved(rgb, 'MPO', save_all=True, append_images=[rgb]),
             saved(rgb, 'GIF', save_all=True, append_images=[rgb]), saved(rgb, 'BMP'), saved(rgb.quantize(7), 'BMP'), saved(rgb, 'WEBP'), saved(rgb, 'WEBP', save_all=True, append_images=[rgb], exif=exif),
             *(saved(rgb, 'TIFF', compression=c, exif=exif) for c in (None, 'tiff_lzw', 'tiff_adobe_deflate', 'packbits', 'jpeg'))]
    try:
        from pillow_heif import register_heif_opener
        register_heif_opener()
        found.append(saved(rgb.resize((64, 64)), 'HEIF'))
    except ImportError: pass
    return found

PICTURES = pictures()

@quick
@given(st.sampled_from(PICTURES), EDITS)
def test_a_damaged_picture_is_read_or_refused(data, edits):
    bad = damaged(data, edits)
    for formats in FORMATS, None:
        im = only(ValueError, lambda formats=formats: open_picture(bad, formats=formats))
        assert im is None or (im.mode == 'RGB' and min(im.size) > 0)

@quick
@given(st.lists(st.tuples(st.sampled_from(PICTURES), EDITS), min_size=1, max_size=3))
def test_the_check_keeps_what_training_can_read(files):
    "No error of its own, whatever lies in the folder; and fastai reads what it keeps, to the same pixels."
    with tempfile.TemporaryDirectory() as tmp:
        for i, (data, edits) in enumerate(files): (Path(tmp)/str(i)).write_bytes(damaged(data, edits))
        for f in only(ValueError, lambda: check_images(sorted(Path(tmp).iterdir()))) or []:
            try: theirs = PILImage.create(f)
            except Exception: continue   # a JPEG whose damage shows at full size only
            with Image.open(f) as im:
                assert (np.asarray(drop_alpha(im)) == np.asarray(theirs)).all() and not is_transparent(im)
        assert len(list(Path(tmp).iterdir())) == len(files)

# --- model files

SAVED = dict(table_class='tabular.TabularClassifier', table_number='tabular.TabularRegressor', ForestClassifier='forests.ForestClassifier', ForestRegressor='forests.ForestRegressor',
             TreeClassifier='forests.TreeClassifier', TreeRegressor='forests.TreeRegressor', Recommender='collab.Recommender', TextPredictor='text.encoder.TextClassifier')

def kind(name):
    import importlib
    module, cls = SAVED[name].rsplit('.', 1)
    return getattr(importlib.import_module(f'fastlessons.{module}'), cls)

def parts(data):
    "Return the two parts of a safetensors file: the head, in which ours lies as a text, and the numbers."
    n = struct.unpack('<Q', data[:8])[0]
    head = json.loads(data[8:8+n])
    return head, json.loads(head['__metadata__']['fastlessons']), data[8+n:]

def whole(head, ours, numbers):
    head = dict(head, __metadata__=dict(fastlessons=json.dumps(ours)))
    text = json.dumps(head).encode()
    return struct.pack('<Q', len(text)) + text + numbers

def load(cls, data):
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp)/'m.safetensors').write_bytes(data)
        only(ValueError, lambda: cls.load(Path(tmp)/'m.safetensors'))
        assert [f.name for f in Path(tmp).iterdir()] == ['m.safetensors']

@pytest.mark.parametrize('name', SAVED)
def test_a_damaged_model_is_refused(name):
    cls, data = kind(name), (OLD/f'{name}.safetensors').read_bytes()
    @quick
    @given(EDITS)
    def bytes_change(edits): load(cls, damaged(data, edits))
    bytes_change()
    head, ours, numbers = parts(data)
    @quick
    @given(STEPS)
    def words_change(steps): load(cls, whole(head, changed(ours, steps), numbers))
    words_change()
    @quick
    @given(st.integers(0, len(numbers)-1), st.sampled_from([b'\xff'*8, bytes(8), b'\0\0\xc0\x7f'*2, b'\x7f'*8]))
    def numbers_change(i, new): load(cls, whole(head, ours, (numbers[:i] + new + numbers[i+8:])[:len(numbers)]))
    numbers_change()

@pytest.mark.parametrize('name', ['Vocab', 'BPE'])
def test_a_damaged_list_of_tokens_is_refused(name):
    from fastlessons.text import tokens
    cls, data = getattr(tokens, name), (OLD/f'{name}.json').read_bytes()
    def load(data):
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp)/'t.json').write_bytes(data)
            table = only(ValueError, lambda: cls.load(Path(tmp)/'t.json'))
            if table: table.encode('a good film')
    @quick
    @given(EDITS)
    def bytes_change(edits): load(damaged(data, edits))
    bytes_change()
    @quick
    @given(STEPS)
    def words_change(steps): load(json.dumps(changed(json.loads(data), steps)).encode())
    words_change()

@pytest.mark.slow
def test_a_damaged_model_folder_is_refused():
    from fastlessons.deploy.classifier import PictureClassifier
    folder = next(f.parent for f in OLD.rglob('card.json'))
    card, onnx = json.loads((folder/'card.json').read_text()), (folder/'model.onnx').read_bytes()
    picture = Image.fromarray(np.arange(40*30*3).reshape(40, 30, 3).astype('uint8'))
    def load(card, onnx, forged=False):
        with tempfile.TemporaryDirectory() as tmp:
            new = Path(shutil.copytree(folder, Path(tmp)/'m'))
            (new/'model.onnx').write_bytes(onnx)
            (new/'card.json').write_bytes(card if isinstance(card, bytes) else json.dumps(card).encode())
            def ask():
                answer = PictureClassifier.load(new).predict_one(picture)
                if not forged: assert sum(answer.values()) == pytest.approx(1, abs=1e-3)
            only((ValueError, FileNotFoundError), ask)
            assert sorted(f.name for f in new.parent.rglob('*')) == sorted(['m', *(f.name for f in folder.iterdir())])
    @quick
    @given(EDITS)
    def card_is_damaged(edits): load(damaged((folder/'card.json').read_bytes(), edits), onnx)
    card_is_damaged()
    @quick
    @given(STEPS)
    def card_is_odd(steps): load(changed(card, steps), onnx)
    card_is_odd()
    @quick
    @given(EDITS)
    def network_is_damaged(edits):   # by somebody who makes the fingerprint fit
        bad = damaged(onnx, edits)
        load(dict(card, files=dict(card['files'], **{'model.onnx': sha256(bad).hexdigest()})), bad, forged=True)
    network_is_damaged()

# --- archives

def archives():
    z, t = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(z, 'w', zipfile.ZIP_DEFLATED) as f:
        for n in 'a/b.txt', 'c.txt': f.writestr(n, 'hello'*20)
    with tarfile.open(fileobj=t, mode='w:gz') as f:
        info = tarfile.TarInfo('a/b.txt')
        info.size = 50
        f.addfile(info, io.BytesIO(b'hello'*10))
    t0 = io.BytesIO()
    with tarfile.open(fileobj=t0, mode='w') as f: f.addfile(info, io.BytesIO(b'hello'*10))
    return z.getvalue(), t.getvalue(), t0.getvalue()

ARCHIVES = archives()

@quick
@given(st.sampled_from(ARCHIVES), EDITS)
def test_a_damaged_archive_is_unpacked_inside_or_refused(data, edits):
    from fastlessons.data import _unpack
    with tempfile.TemporaryDirectory() as tmp:
        top = Path(tmp)
        (top/'x.zip').write_bytes(damaged(data, edits))
        (top/'in').mkdir()
        only((ValueError, OSError), lambda: _unpack(top/'x.zip', top/'in'))
        assert sorted(f.name for f in top.iterdir()) == ['in', 'x.zip']
