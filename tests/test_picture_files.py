"One way to open a picture: what training reads, what the check leaves out, and what the classifier reads, are the same."
import io, struct, sys
from pathlib import Path

import numpy as np
import pytest
from fastai.vision.all import PILImage, PILImageBW
from PIL import Image, ImageCms, TiffImagePlugin

from fastlessons.core import as_list, one_line
from fastlessons.vision import transfer
from fastlessons.vision.picture_files import FORMATS, eight_bits, open_head, open_picture, upright
from fastlessons.vision.transfer import check_images
from conftest import refuses

def saved(im, format='PNG', **kw):
    b = io.BytesIO()
    im.save(b, format, **kw)
    return b.getvalue()

def noise(h, w, *c, high=256, dtype='uint8'): return np.random.default_rng(3).integers(0, high, (h, w, *c)).astype(dtype)

RGB = Image.fromarray(noise(40, 56, 3))
EXIF = Image.Exif()
EXIF[0x0112] = 8
SAME = dict(
    grey=saved(RGB.convert('L')), grey_jpeg=saved(RGB.convert('L'), 'JPEG'), jpeg=saved(RGB, 'JPEG'), progressive=saved(RGB, 'JPEG', progressive=True), cmyk_jpeg=saved(RGB.convert('CMYK'), 'JPEG'),
    cmyk_tiff=saved(RGB.convert('CMYK'), 'TIFF'), one_bit=saved(RGB.convert('1')), one_bit_tiff=saved(RGB.convert('1'), 'TIFF', compression='group4'), palette=saved(RGB.quantize(9)),
    palette_none_clear=saved(RGB.quantize(9), transparency=99), grey_alpha=saved(RGB.convert('LA')),
    screenshot=saved(RGB.convert('RGBA')), tiff_alpha=saved(RGB.convert('RGBA'), 'TIFF'), palette_alpha=saved(RGB.quantize(9).convert('PA'), 'TIFF'), lzw=saved(RGB, 'TIFF', compression='tiff_lzw'),
    jpeg_in_tiff=saved(RGB, 'TIFF', compression='jpeg'), gif=saved(RGB, 'GIF', save_all=True, append_images=[RGB.rotate(180)]), apng=saved(RGB, save_all=True, append_images=[RGB.rotate(180)]),
    pages=saved(RGB, 'TIFF', save_all=True, append_images=[RGB.rotate(180)]), mpo=saved(RGB, 'MPO', save_all=True, append_images=[RGB.rotate(180)]), webp=saved(RGB, 'WEBP'), moving_webp=saved(RGB, 'WEBP', save_all=True, append_images=[RGB.rotate(180)]),
    bmp=saved(RGB, 'BMP'), ppm=saved(RGB, 'PPM'), jpeg2000=saved(RGB, 'JPEG2000'), tga=saved(RGB, 'TGA'))
CLEAR = dict(palette_one_clear=saved(RGB.quantize(9), transparency=3), palette_half_clear=saved(RGB.quantize(9), transparency=bytes([0, 128, 255]*3)), grey_one_clear=saved(RGB.convert('L'), transparency=7),
    rgb_one_clear=saved(RGB, transparency=RGB.getpixel((0, 0))), rgba=saved(Image.fromarray(noise(40, 56, 4))), grey_alpha_clear=saved(Image.fromarray(noise(40, 56, 4)).convert('LA')), one_bit_clear=saved(RGB.convert('1'), transparency=0),
    tiff_alpha_clear=saved(Image.fromarray(noise(40, 56, 4)), 'TIFF'), webp_clear=saved(Image.fromarray(noise(40, 56, 4)), 'WEBP', lossless=True, exact=True), gif_clear=saved(RGB.quantize(9), 'GIF', transparency=3))
DEEP = dict(scan=saved(Image.fromarray(noise(40, 56, high=65536, dtype='uint16'))), scan_tiff=saved(Image.fromarray(noise(40, 56, high=65536, dtype='uint16')), 'TIFF'), twelve_bits=saved(Image.fromarray(noise(40, 56, high=4096, dtype='uint16'))),
    whole=saved(Image.fromarray(noise(40, 56, high=10**6, dtype='int32')), 'TIFF'), signed=saved(Image.fromarray(noise(40, 56, high=100, dtype='int32')), 'TIFF'), heights=saved(Image.fromarray(noise(40, 56).astype('float32')), 'TIFF'),
    pgm=saved(Image.fromarray(noise(40, 56, high=65536, dtype='int32')), 'PPM'))
LAB = saved(ImageCms.applyTransform(RGB, ImageCms.buildTransform(ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB'), 'RGB', 'LAB')), 'TIFF')

@pytest.fixture
def write(tmp_path):
    "Write bytes to a file with the right ending."
    def f(name, data):
        with open_head(io.BytesIO(data)) as im: end = dict(JPEG='jpg', MPO='jpg', TIFF='tif', JPEG2000='jp2', PPM='ppm').get(im.format, im.format.lower())
        (tmp_path/f'{name}.{end}').write_bytes(data)
        return tmp_path/f'{name}.{end}'
    return f

# --- the same pixels

@pytest.mark.parametrize('name', SAME)
@pytest.mark.filterwarnings('ignore::UserWarning')   # Pillow's about palettes, in fastai's own reading
def test_what_is_kept_is_read_as_fastai_reads_it(write, name):
    f = write(name, SAME[name])
    assert check_images([f]) == [f]
    theirs = np.asarray(PILImage.create(f))
    assert (np.asarray(open_picture(f)) == theirs).all()
    assert (np.asarray(transfer._open_small(f, 500)) == theirs).all()   # 500: no JPEG is decoded smaller
    assert (np.asarray(open_picture(f, 'L')) == np.asarray(PILImageBW.create(f))).all()

@pytest.mark.parametrize('name', CLEAR)
@pytest.mark.filterwarnings('ignore:Palette images with Transparency')   # Pillow's, in fastai's own reading
def test_what_is_transparent_lies_on_white_and_is_not_trained_on(write, name):
    "People see it on white, fastai sees what is hidden: so it is left out by name, and if it is trained on all the same, then as fastai reads it."
    good, f = write('good', SAME['grey']), write(name, CLEAR[name])
    with pytest.warns(UserWarning, match=f'{f.name} .partly transparent') as told: assert check_images([f, good]) == [good]
    assert 'open_picture(file).save(new)' in str(told[0].message)
    with Image.open(f) as im: rgba = np.asarray(im.convert('RGBA')).astype(float)
    alpha = rgba[..., 3:]/255
    assert alpha.min() < 1
    seen = np.asarray(open_picture(f)).astype(float)
    assert abs(seen - (rgba[..., :3]*alpha + 255*(1-alpha))).max() <= 1 and (seen[alpha[..., 0] == 0] == 255).all()
    assert (np.asarray(transfer._open_small(f, 500)) == np.asarray(PILImage.create(f))).all()
    open_picture(f).save(f.with_name('new.png'))   # what the message says to do
    assert check_images([f.with_name('new.png')])

def test_the_transparent_grey_of_16_bits_is_white():
    grey = Image.fromarray(np.array([[0, 512, 513, 65535]], 'uint16'))
    assert np.asarray(open_picture(saved(grey, transparency=512), 'L')).tolist() == [[0, 255, 2, 255]]

@pytest.mark.filterwarnings('error')
def test_nobody_is_warned_of_what_is_read_rightly(write):
    for name, data in (SAME | CLEAR).items(): transfer._open_small(write(name, data), 20)

@pytest.mark.parametrize('name', [*DEEP, 'lab'])
def test_what_fastai_reads_wrongly_is_left_out_by_name_and_never_trained_on(write, name):
    good, f = write('good', SAME['grey']), write(name, dict(DEEP, lab=LAB)[name])
    with pytest.warns(UserWarning, match=f.name) as told: assert check_images([f, good]) == [good]
    if name != 'lab': assert 'open_picture(file).save(new)' in str(told[0].message)
    refuses(ValueError, lambda: transfer._open_small(f, 100), f.name, 'check_images')

def test_a_learner_is_never_trained_on_white(tmp_path):
    "However it reads: small, or with a step of its own before Resize."
    from fastai.vision.all import ImageDataLoaders, Learner, Resize, nn
    for i in range(6): (tmp_path/f'{"ab"[i%2]}_{i}.png').write_bytes(DEEP['scan'] if i == 3 else SAME['grey'])
    for tfms in Resize(16), [upright, Resize(16)]:
        dls = ImageDataLoaders.from_name_func(tmp_path, sorted(tmp_path.iterdir()), lambda n: n[0], valid_pct=.3, seed=1, bs=2, num_workers=0, item_tfms=tfms)
        learn = Learner(dls, nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))))
        refuses(ValueError, lambda learn=learn: transfer.tune_head(learn, show=False), 'b_3.png', 'check_images')

def test_the_recipe_works(write, tmp_path):
    "16 bits become their upper 8, whatever the picture uses of them; that is what a classifier reads, too."
    for name in 'scan', 'scan_tiff', 'twelve_bits':
        given = np.asarray(Image.open(io.BytesIO(DEEP[name]))).astype(int)
        open_picture(write(name, DEEP[name])).save(tmp_path/'new.png')
        assert (np.asarray(PILImage.create(tmp_path/'new.png'))[..., 0] == given//256).all()
    big_end = Image.fromarray(noise(9, 9, high=65536, dtype='>u2'))
    assert big_end.mode == 'I;16B' and (np.asarray(eight_bits(big_end, 'L')) == noise(9, 9, high=65536, dtype='int64')//256).all()
    for name in 'whole', 'signed', 'heights', 'pgm': refuses(ValueError, lambda name=name: open_picture(DEEP[name]), '32 bits', '8 bits')
    refuses(ValueError, lambda: open_picture(LAB), "'LAB'")

def test_colours_of_16_bits_are_pillows_upper_8():
    "A PNG of three colours with 16 bits each, which Pillow reads but cannot write."
    import zlib
    deep = noise(5, 7, 3, high=65536, dtype='>u2')
    def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = b''.join(b'\0' + row.tobytes() for row in deep)
    data = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 7, 5, 16, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
    assert (np.asarray(open_picture(data)) == deep.astype(int)//256).all()

# --- notes, frames, damage

@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_note_is_no_reason_to_stop():
    broken = [b'Exif\0\0', b'Exif\0\0II*\0\xff\xff\xff\x7f', b'Exif\0\0MM\0*\0\0\0\x08\xff\xff' + bytes(30), b'nonsense'*5]
    odd = Image.Exif()
    odd[0x0112] = 99
    for note in [*broken, odd.tobytes()]:
        assert (np.asarray(open_picture(saved(RGB, 'JPEG', exif=note))) == np.asarray(open_picture(saved(RGB, 'JPEG')))).all()
    assert open_picture(saved(RGB, 'JPEG', exif=EXIF)).size == RGB.size[::-1]
    words = TiffImagePlugin.ImageFileDirectory_v2()
    words[0x0112] = 6
    assert open_picture(saved(RGB, 'TIFF', tiffinfo=words)).size == RGB.size[::-1]

@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize('name', ['palette', 'gif', 'lzw', 'webp', 'bmp', 'mpo', 'jpeg2000', 'scan'])
def test_half_a_file_is_refused_everywhere(tmp_path, name):
    data = dict(SAME, **DEEP)[name]
    f = tmp_path/'half'
    f.write_bytes(data[:len(data)//2] if name != 'mpo' else data[:len(data)//5])
    refuses(ValueError, lambda: open_picture(f), limit=150)
    refuses(ValueError, lambda: check_images([f]), 'No readable picture among 1 files half')

def test_a_file_that_was_read_before_is_read_again(tmp_path):
    f = io.BytesIO(SAME['palette'])
    f.read()
    class Once:   # neither seek nor a name, as an answer from the network
        def read(self): return SAME['palette']
    for o in f, Once(): assert open_picture(o).size == RGB.size
    refuses(ValueError, lambda: open_picture(io.StringIO('text')), 'not a picture')

def test_tiff_from_strangers_is_refused_and_their_png_is_not():
    refuses(ValueError, lambda: open_picture(SAME['lzw'], formats=FORMATS), 'not a picture')
    assert open_picture(SAME['mpo'], formats=FORMATS).size == open_picture(SAME['grey'], formats=FORMATS).size

# --- HEIC

def test_heic(tmp_path, monkeypatch):
    pytest.importorskip('pillow_heif').register_heif_opener()
    photo = saved(RGB.resize((128, 96)), 'HEIF', quality=95)
    (tmp_path/'IMG_7.HEIC').write_bytes(photo)
    (tmp_path/'IMG_8.HEIC').write_bytes(photo[:300])
    with pytest.warns(UserWarning, match='IMG_8.HEIC .*HEIC'): assert check_images(sorted(tmp_path.iterdir())) == [tmp_path/'IMG_7.HEIC']
    for formats in None, FORMATS: assert (np.asarray(open_picture(photo, formats=formats)) == np.asarray(PILImage.create(tmp_path/'IMG_7.HEIC'))).all()
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)   # as where it is not installed
    text = refuses(ValueError, lambda: check_images(sorted(tmp_path.iterdir())), 'IMG_7.HEIC (a HEIC photo)', 'JPEG', 'fastlessons[heic]')
    assert text.count('pip install') == 1
    refuses(ValueError, lambda: open_picture(photo), 'HEIC', 'JPEG')
    (tmp_path/'a.avif').write_bytes(saved(RGB, 'AVIF'))   # of the same family, and Pillow's own
    assert check_images([tmp_path/'a.avif'])

# --- names, and lists that are none

def test_names_of_all_sorts(tmp_path):
    odd = ['a..b.png', '.hidden.png', '[1].png', '*.png', 'кот.png', '🐱.png', 'line\nend.png', ' .png', "o'clock.png", '%s{0}.png', 'a.png.png']
    for n in odd: (tmp_path/n).write_bytes(SAME['grey'])
    assert len(check_images([tmp_path/n for n in odd])) == len(odd)
    (tmp_path/'line\nend.png').write_bytes(b'?')
    with pytest.warns(UserWarning, match=r'line\\nend.png \(not a picture\)') as told: check_images(sorted(tmp_path.iterdir()))
    assert '\n' not in str(told[0].message)

def test_two_files_of_one_name_are_told_apart(tmp_path):
    for d in 'cats', 'dogs':
        (tmp_path/d).mkdir()
        (tmp_path/d/'1.png').write_bytes(SAME['grey'] if d == 'cats' else b'')
    with pytest.warns(UserWarning, match=r'dogs.1\.png \(empty file\)'): check_images([tmp_path/'cats/1.png', tmp_path/'dogs/1.png'])

def test_files_are_a_list_of_files(tmp_path):
    import pandas as pd
    f = tmp_path/'x.png'
    f.write_bytes(SAME['grey'])
    for given in ([f], (f,), iter([f]), pd.Series([str(f)]), np.array([str(f)]), f, str(f)): assert [Path(o) for o in check_images(given)] == [f]
    refuses(IsADirectoryError, lambda: check_images(tmp_path), 'get_image_files')
    refuses(ValueError, lambda: check_images([]), '0 files', 'get_image_files')
    with open(f, 'rb') as file:
        for bad in file, {str(f): 1}, {f}, pd.DataFrame(dict(file=[str(f)])), 3: refuses(TypeError, lambda bad=bad: check_images(bad), 'files is')

def test_as_list():
    import pandas as pd, torch
    for good in ['a', 'b'], ('a', 'b'), iter('ab'), np.array(['a', 'b']), pd.Series(['a', 'b']), pd.Index(['a', 'b']), dict(a=1, b=2).keys(), pd.Series(['a', 'b'], ['read', 'columns']): assert as_list(good, 'names') == ['a', 'b']
    assert as_list(torch.tensor([1, 2]), 'ids') == [1, 2] and as_list(range(2), 'ids') == [0, 1]
    for bad in 'ab', b'ab', Path('ab'), io.StringIO('a\nb'), dict(a=1), {'a'}, pd.DataFrame(dict(a=[1])), np.zeros((2, 2)), np.array(3), torch.tensor(3), 5, None: refuses(TypeError, lambda bad=bad: as_list(bad, 'names'), 'names is', 'Expected', limit=160)
    assert as_list('ab', 'names', one=str) == ['ab'] and as_list(0, 'names', one=(str, int)) == [0]

def test_one_line(): assert one_line('a\nb\u2028\udc80c é🐱') == r'a\nb\u2028\udc80c é🐱'

# --- learners

@pytest.mark.slow
def test_regression_and_several_sizes(tmp_path):
    from fastai.vision.all import DataBlock, ImageBlock, Learner, RandomSplitter, RegressionBlock, Resize, nn
    for i in range(12): Image.new('RGB', (24+i%2*8, 24), (i*20, 0, 0)).save(tmp_path/f'{i}.png')
    def dls(**kw):
        block = DataBlock((ImageBlock, RegressionBlock), get_y=lambda p: int(p.stem)/11, splitter=RandomSplitter(seed=1), **kw)
        return block.dataloaders(sorted(tmp_path.iterdir()), bs=4, num_workers=0)
    def net(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)))
    learn = Learner(dls(item_tfms=Resize(16)), net())
    before = learn.validate()[0]
    transfer.tune_head(learn, 200, .03, show=False)
    assert learn.validate()[0] < before
    refuses(ValueError, lambda: transfer.tune_head(Learner(dls(), net()), show=False), '24 x 24 and 32 x 24', 'item_tfms=Resize')

def test_as_batch_sees_colours_and_not_the_numbers_of_a_palette():
    from fastlessons.vision.cnn import as_batch
    for name in 'palette', 'gif', 'cmyk_jpeg', 'one_bit', 'scan':
        data = dict(SAME, **DEEP)[name]
        with Image.open(io.BytesIO(data)) as im: got = as_batch([im])
        seen = np.asarray(open_picture(data))
        assert (got[0].numpy() == np.float32(seen/255).transpose(2, 0, 1)).all(), name   # grey is alike in all three
    for name in 'grey', 'jpeg', 'rgba':   # as ever
        with Image.open(io.BytesIO((SAME | CLEAR)[name])) as im: assert (as_batch(im)[0].permute(1, 2, 0).squeeze().numpy() == np.float32(np.asarray(im)/255)).all()
    for bad in 'a.png', Path('a.png'), dict(a=1), io.BytesIO(SAME['grey']): refuses(TypeError, lambda bad=bad: as_batch(bad), 'pics is')

def test_names_of_columns_and_functions_are_lists():
    import pandas as pd
    from fastlessons.tabular import TabularPrep
    from fastlessons.train import _functions
    df = pd.DataFrame(dict(a=[1., 2, 3], b=['x', 'y', 'x']))
    for names in ['a'], 'a', ('a',), iter(['a']), pd.Index(['a']), df.columns[:1]: assert list(TabularPrep(df, cont_names=names).scales) == ['a']
    for names in df, {'a'}, dict(a=1): refuses(TypeError, lambda names=names: TabularPrep(df, cont_names=names), 'cont_names is')
    assert _functions(abs) == [abs] and _functions(()) == [] and _functions(iter([abs])) == [abs]
    refuses(TypeError, lambda: _functions('accuracy'), 'metrics is')
