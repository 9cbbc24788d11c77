"A learner becomes a model folder that says the same, refuses what it cannot say, and needs neither torch nor fastai."
import inspect, io, json, os, random, shutil, subprocess, sys, warnings
from pathlib import Path

import numpy as np, pytest, torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from fastai.vision.all import (AdaptiveConcatPool2d, BCEWithLogitsLossFlat, CategoryBlock, Categorize, ColReader, CropPad, CrossEntropyLossFlat, DataBlock,
    DataLoader, DataLoaders, Datasets, FlipItem, FocalLossFlat, ImageBlock, ImageDataLoaders, LabelSmoothingCrossEntropy, LabelSmoothingCrossEntropyFlat, Learner,
    MaskBlock, MultiCategoryBlock, Normalize, PadMode, PILImage, PILImageBW, PointBlock, RandomCrop, RandomErasing, RandomResizedCrop as RRC, RandomSplitter,
    RatioResize, RegressionBlock, Resize, ResizeMethod, TensorImage, Transform, aug_transforms, error_rate, get_image_files, imagenet_stats, load_learner,
    vision_learner, set_seed)
from fastlessons.deploy import classifier as runtime, export as deploy
from fastlessons.vision.backbone import backbone
from fastlessons.data import get_data
from fastlessons.deploy.classifier import PictureClassifier, learned_from, upright
from fastlessons.vision import picture_files
from fastlessons.deploy.export import export_classifier
from fastlessons.simple.deployment import by_loss, predict_simply, wrong_when

from conftest import refuses

pytest.importorskip('onnxruntime', reason="needs the extra 'onnx'")
pytest.importorskip('onnxscript', reason="needs the extra 'onnx'")
ROOT = Path(__file__).resolve().parent.parent
torch.backends.cudnn.allow_tf32 = False   # on a graphics card, too, convolutions to the last digit
MEAN_STD = Normalize.from_stats(*imagenet_stats, cuda=False)

@pytest.fixture(scope='session')
def photos(tmp_path_factory):
    "60 drawn pets in many sizes and shapes, as photos have them."
    folder, rng = tmp_path_factory.mktemp('photos'), random.Random(0)
    files = get_image_files(get_data('pets', 'sample')/'images').sorted()[::15][:60]
    for f in files:
        with Image.open(f) as im: im.resize((rng.randint(60, 400), rng.randint(60, 400))).save(folder/f.name, quality=95)
    return folder

def is_cat(name): return name[0].isupper()

def make_dls(photos, item_tfms=None, batch_tfms=None, label=is_cat, **kwargs):
    return ImageDataLoaders.from_name_func(photos, get_image_files(photos).sorted(), label, item_tfms=item_tfms, batch_tfms=batch_tfms,
                                           bs=8, seed=1, num_workers=0, **kwargs)

def small_net(n=2, c=3):
    "A network that is quick to export and changes its mind when a few pixels change."
    return nn.Sequential(nn.Conv2d(c, 8, 5, 3), nn.ReLU(), AdaptiveConcatPool2d(1), nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, n))

def make_learner(dls, net=None, **kwargs):
    "A learner whose answers differ from picture to picture: its batch norms have seen the validation pictures."
    learn = Learner(dls, net or small_net(), metrics=error_rate, **dict(dict(loss_func=CrossEntropyLossFlat()), **kwargs))
    settle(learn)
    return learn

def settle(learn):
    for m in learn.model.modules():
        if hasattr(m, 'momentum'): m.momentum = None   # keep the plain mean of all batches
    learn.model.to(learn.dls.device).train()
    with torch.no_grad():
        for xb, _ in learn.dls.valid: learn.model(xb)
    learn.model.eval()

def item(dls, picture):
    "What fastai's item transforms make of a validation picture: uint8 (h, w, 3)."
    dls.valid.after_item.split_idx = 1
    return dls.valid.after_item((PILImage.create(picture),))[0].permute(1, 2, 0).numpy()

def fastai_probs(learn):
    with learn.no_bar(): return learn.get_preds()[0].numpy()

def our_probs(c, pictures): return c.predict_proba(pictures)

def assert_same(learn, folder):
    "The folder says what the learner says, on every picture of the validation set, from the files."
    c = PictureClassifier.load(folder)
    theirs, ours = fastai_probs(learn), our_probs(c, learn.dls.valid_ds.items)
    assert len(ours) == len(learn.dls.valid_ds) >= 12 and theirs.std(0).max() > .02, 'the test must be able to fail'
    assert abs(ours - theirs).max() < 1e-3
    assert (ours.argmax(1) == theirs.argmax(1)).all()
    assert list(c.classes_) == [str(o) for o in learn.dls.vocab]
    return c

# ---- agreement with fastai ----------------------------------------------------------------------------------------

@pytest.fixture(scope='session')
def cats(photos, tmp_path_factory):
    "The learner of lesson 01, with a lambda for labels, and its folder."
    torch.manual_seed(0)
    weights = (ROOT/'data/backbone.safetensors').exists()
    dls = make_dls(photos, [upright, Resize(96)], label=lambda name: name[0].isupper())
    learn = vision_learner(dls, backbone('resnet_mini'), metrics=error_rate, pretrained=weights)
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 3e-3)
    settle(learn)
    return learn, export_classifier(learn, tmp_path_factory.mktemp('models')/'cats')

def test_two_classes_and_a_lambda(cats):
    learn, folder = cats
    c = assert_same(learn, folder)
    assert list(c.classes_) == ['False', 'True'] and {f.name for f in folder.iterdir()} == {'card.json', 'model.onnx', 'model.safetensors', 'examples'}
    card = c.card
    assert card['format'] == 1 and card['size'] == [96, 96] and card['resize']['method'] == 'crop' and card['arch'] == 'resnet_mini'
    assert card['metrics']['error_rate'] == pytest.approx(learn.validate()[1], abs=1e-5)
    assert card['data']['valid'] == len(learn.dls.valid_ds) and set(card['versions']) == {'fastlessons', 'torch', 'fastai'}

def test_the_weights_go_on_training(cats):
    from safetensors.torch import load_file
    learn, folder = cats
    fresh = vision_learner(learn.dls, backbone('resnet_mini'), pretrained=False)
    fresh.model.load_state_dict(load_file(folder/'model.safetensors'))
    fresh.model.eval()
    assert abs(fastai_probs(fresh) - fastai_probs(learn)).max() < 1e-3

@pytest.mark.slow
def test_37_breeds_with_presizing_quietly(tmp_path, capfd):
    files = get_image_files(get_data('pets', 'sample')/'images').sorted()
    dls = ImageDataLoaders.from_name_re(files[0].parent.parent, files[::4], r'^(.+)_\d+.jpg$', valid_pct=.1, seed=1, bs=32, num_workers=0,
                                        item_tfms=Resize(110), batch_tfms=[*aug_transforms(size=64, min_scale=.75), MEAN_STD])
    learn = make_learner(dls, small_net(37))
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        folder = export_classifier(learn, tmp_path/'breeds')
    assert capfd.readouterr() == ('', '')
    c = assert_same(learn, folder)
    assert len(c.classes_) == 37 and c.card['mean'] == pytest.approx(imagenet_stats[0], abs=1e-6)
    assert c.card['data'] == dict(name='pets', source='sample', kind='drawn pictures', train=200, valid=22, apart=True)
    assert 'drawn pictures (pets, sample); photos and other drawings will fool it. Of 22 others' in learned_from(c.card)
    kept = [runtime._picture(f) for f in sorted((folder/'examples').iterdir())]
    assert len(kept) == 4 and all(max(im.size) <= 400 for im in kept) and sum(f.stat().st_size for f in (folder/'examples').iterdir()) < 200_000

def test_timm(photos, tmp_path):
    pytest.importorskip('timm', reason='timm is not installed')
    learn = vision_learner(make_dls(photos, Resize(96)), 'resnet10t', pretrained=False)
    settle(learn)
    assert assert_same(learn, export_classifier(learn, tmp_path/'m')).card['arch'] == 'resnet10t'

BICUBIC = Image.Resampling.BICUBIC, Image.Resampling.NEAREST
RULES = dict(crop=[Resize(96)], oblong=[Resize((60, 128))], squish=[Resize(96, 'squish')], pad=[Resize(96, 'pad')], bicubic=[Resize(90, resamples=BICUBIC)],
    pad_zeros=[Resize(96, ResizeMethod.Pad, pad_mode=PadMode.Zeros)], pad_border=[Resize((70, 99), 'pad', pad_mode='border')],
    rrc=[RRC(96, min_scale=.5)], rrc_plain=[RRC(100, val_xtra=0)], rrc_oblong=[RRC((64, 128))], middle=[CropPad(128)],
    two=[Resize(120, 'squish'), RandomCrop(100)], flip=[Resize(96), FlipItem(.5)], upright=[upright, Resize(96)])

@pytest.mark.parametrize('name', RULES)
def test_item_transforms_to_the_pixel(photos, name):
    dls = make_dls(photos, RULES[name])
    learn = Learner(dls, small_net(), loss_func=CrossEntropyLossFlat())
    size, rule = deploy._item_rule(learn)
    for f in dls.valid_ds.items:
        assert (runtime._cut(runtime._picture(f), size, rule) == item(dls, f)).all(), f.name

def by_steps(dls, size):
    "What the steps of the export make of 8 validation pictures, and what fastai makes of them."
    learn = Learner(dls, nn.Flatten(), loss_func=CrossEntropyLossFlat())
    x = torch.from_numpy(np.stack([runtime._cut(runtime._picture(f), *deploy._item_rule(learn)) for f in dls.valid_ds.items[:8]]))
    ours = x.permute(0, 3, 1, 2).float()
    for step in deploy._batch_steps(learn, size): ours = step(ours)
    return ours, dls.valid.one_batch()[0].as_subclass(torch.Tensor).cpu()

BATCH = dict(nothing=[], norm=[MEAN_STD], augment=aug_transforms(), presize=[*aug_transforms(size=96), MEAN_STD], by_three=aug_transforms(size=64),
    oblong=aug_transforms(size=(96, 60)), bigger=aug_transforms(size=260, align_corners=False), crops=aug_transforms(size=128, min_scale=.5),
    corners=aug_transforms(size=70, align_corners=False), erase=[RandomErasing()])

@pytest.mark.parametrize('name', BATCH)
def test_batch_transforms(photos, name):
    ours, theirs = by_steps(make_dls(photos, Resize((192, 215)), BATCH[name]), [192, 215])
    assert ours.shape == theirs.shape and abs(ours - theirs).max() < 1e-5   # fastai's own rounding: 7e-6

class Grey(nn.Module):   # for pictures of one channel
    def __init__(self): super().__init__(); self.net = small_net(c=1)
    def forward(self, x): return self.net(x)

@pytest.mark.slow
def test_grey_pictures_from_a_table(photos, tmp_path):
    import pandas as pd
    table = pd.DataFrame([(str(f), is_cat(f.name)) for f in get_image_files(photos).sorted()], columns=['file', 'cat'])
    dls = DataBlock((ImageBlock(PILImageBW), CategoryBlock), get_x=ColReader('file'), get_y=ColReader('cat'), item_tfms=RRC(96),
                    splitter=RandomSplitter(seed=1)).dataloaders(table, bs=8, num_workers=0)
    learn = make_learner(dls, Grey(), loss_func=LabelSmoothingCrossEntropyFlat())
    c = PictureClassifier.load(export_classifier(learn, tmp_path/'m'))
    assert c.card['mode'] == 'L'
    assert abs(our_probs(c, list(dls.valid_ds.items.file)) - fastai_probs(learn)).max() < 1e-3

@pytest.mark.slow
def test_a_learner_from_a_pickle_which_has_no_data(photos, tmp_path):
    learn = make_learner(make_dls(photos, Resize(96)))
    learn.export(tmp_path/'learn.pkl')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')   # that a pickle is code
        again = load_learner(tmp_path/'learn.pkl')
    c = PictureClassifier.load(export_classifier(again, tmp_path/'m'))
    assert abs(our_probs(c, learn.dls.valid_ds.items) - fastai_probs(learn)).max() < 1e-3
    assert c.card['metrics'] == {}

def test_pictures_of_one_size_need_no_resize():
    path = get_data('pets', 'sample')/'images'
    learn = Learner(ImageDataLoaders.from_name_func(path, get_image_files(path)[:20], is_cat, num_workers=0), small_net(), loss_func=CrossEntropyLossFlat())
    assert deploy._item_rule(learn)[0] == [160, 160]

LOSSES = {CrossEntropyLossFlat(weight=torch.tensor([1., 2.])): True, nn.CrossEntropyLoss(): True, F.cross_entropy: True, FocalLossFlat(): True,
          LabelSmoothingCrossEntropy(): True, BCEWithLogitsLossFlat(): False, nn.MSELoss(): False, F.binary_cross_entropy: False}

@pytest.mark.parametrize('loss, good', LOSSES.items(), ids=lambda o: getattr(o, '__name__', str(o)))
def test_kinds_of_cross_entropy(loss, good):
    try: deploy._check_loss(loss, 2)
    except ValueError as e: assert not good and 'expected a kind of cross-entropy' in str(e)
    else: assert good

# ---- refusals -----------------------------------------------------------------------------------------------------

def block(photos, *blocks, y=lambda f: is_cat(f.name)):
    return DataBlock((ImageBlock, *blocks), get_items=get_image_files, get_y=y, n_inp=1, item_tfms=Resize(64)).dataloaders(photos, bs=8, num_workers=0)

def text_dls(photos):
    from fastai.text.data import TensorText
    return Datasets(list(range(20)), [[lambda i: TensorText(torch.tensor([i, 2]))], [lambda i: i % 2, Categorize()]]).dataloaders(bs=4, num_workers=0)

class Mirror(Transform):
    order = 50
    def encodes(self, x: TensorImage): return x.flip(-1)

OTHERS = dict(
    TensorMultiCategory=lambda p: block(p, MultiCategoryBlock, y=lambda f: [f.name[0]]), PILMask=lambda p: block(p, MaskBlock(['a', 'b']), y=lambda f: f),
    TensorPoint=lambda p: block(p, PointBlock, y=lambda f: [[1., 2.]]), Tensor=lambda p: block(p, RegressionBlock, y=lambda f: len(f.name)),
    TensorText=text_dls, DataLoaders=lambda p: DataLoaders(DataLoader([(torch.zeros(3, 8, 8), 0)]*4, bs=2), DataLoader([(torch.zeros(3, 8, 8), 0)]*4, bs=2)),
    RatioResize=lambda p: make_dls(p, [Resize(96), RatioResize(80)]), Mirror=lambda p: make_dls(p, Resize(64), [Mirror()]))

@pytest.mark.parametrize('name', OTHERS)
def test_other_learners_are_refused_by_name(photos, tmp_path, name):
    with pytest.raises(ValueError, match=name): export_classifier(Learner(OTHERS[name](photos), small_net(), loss_func=CrossEntropyLossFlat()), tmp_path/'m')
    assert not list(tmp_path.iterdir())

def test_what_is_no_learner_or_no_cross_entropy(photos, tmp_path):
    with pytest.raises(TypeError, match='not Sequential'): export_classifier(small_net(), tmp_path/'m')
    with pytest.raises(ValueError, match='BCEWithLogits'): export_classifier(Learner(make_dls(photos, Resize(64)), small_net(), loss_func=BCEWithLogitsLossFlat()), tmp_path/'m')

@pytest.mark.slow
def test_a_network_that_onnx_cannot_hold_leaves_nothing(photos, tmp_path):
    net = nn.Sequential(nn.AdaptiveMaxPool2d(5), nn.Flatten(), nn.Linear(75, 2))
    with pytest.raises(ValueError, match='adaptive_max_pool2d'): export_classifier(make_learner(make_dls(photos, Resize(64)), net), tmp_path/'m')
    assert not list(tmp_path.iterdir())

class Decides(nn.Module):
    "Doubles what is bright: which way it goes depends on the pictures."
    def forward(self, x): return x.flatten(1)[:, :2]*(2 if x.mean() > 0 else 1)

def test_the_quick_way_refuses_what_it_would_freeze(tmp_path):
    x, names = torch.zeros(2, 8, 8, 3, dtype=torch.uint8), dict(input_names=['pictures'], output_names=['probs'])
    def write(net): deploy._write_quickly(deploy._network(net, [], 3), x, tmp_path/'m.onnx', names)
    write(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    with pytest.raises((torch.jit.TracerWarning, SystemError)): write(Decides())   # the second where it is raised inside PyTorch

@pytest.mark.slow
def test_a_wrong_exporter_is_found_out(photos, tmp_path, monkeypatch):
    network = deploy._network
    monkeypatch.setattr(deploy, '_network', lambda model, steps, n: network(model, [lambda x: x/200, *steps[1:]], n))
    with pytest.raises(RuntimeError, match='differ by'): export_classifier(make_learner(make_dls(photos, Resize(64))), tmp_path/'m')
    assert not list(tmp_path.iterdir())

def test_what_the_card_says_of_the_data(cats, photos):
    learn, folder = cats
    about = json.loads((folder/'card.json').read_text())['data']   # copies of the sample, elsewhere: nobody told us what they are
    assert (about['source'], about['kind'], about['apart']) == ('folder', 'pictures', True) and about['name'] == photos.name
    pets = get_data('pets', 'sample')/'images'
    files = get_image_files(pets).sorted()
    def data_of(items, valid):
        dls = DataBlock((ImageBlock, CategoryBlock), get_y=lambda f: is_cat(f.name), splitter=lambda o: (list(range(len(o)-valid)), list(range(len(o)-valid, len(o)))),
                        item_tfms=Resize(64)).dataloaders(items, path=pets, bs=4, num_workers=0)
        return deploy._data(Learner(dls, small_net(), loss_func=CrossEntropyLossFlat()))
    assert data_of(files[:20], 5) == dict(name='pets', source='sample', kind='drawn pictures', train=15, valid=5, apart=True)
    mixed = data_of([*files[:20], next(photos.glob('*.jpg'))], 5)
    assert (mixed['source'], mixed['kind']) == ('folder', 'pictures')           # one of them is from elsewhere
    assert not data_of([*files[:20], *files[:5]], 5)['apart']                   # it learned from what it is measured on
    for name, source, kind in (('pets', 'full', 'photos'), ('mnist', 'sample', 'pictures'), ('cifar10', 'sample', 'drawn pictures'), ('pets', 'folder', 'pictures')):
        assert deploy._kind(name, source) == kind, (name, source)

def test_the_error_rate_is_on_the_card_whatever_the_learner_measures(photos):
    learn = make_learner(make_dls(photos, Resize(64)))
    learn.metrics = []
    found = deploy._metrics(learn)
    probs, y = learn.get_preds()
    assert found['error_rate'] == pytest.approx(1-float((probs.argmax(1) == y).float().mean()), abs=1e-5) and len(learn.metrics) == 0

def test_examples_are_of_the_models_own_classes(cats, c, tmp_path):
    learn, folder = cats
    names = [f.name for f in sorted((folder/'examples').iterdir())]
    assert len(names) == 4 and {n[2:] for n in names[:2]} == {'True.jpg', 'False.jpg'}   # one of each first
    theirs = {hash(c._pixels(f).tobytes()) for f in learn.dls.train_ds.items}
    for f in (folder/'examples').iterdir(): assert hash(c._pixels(f).tobytes()) not in theirs
    (tmp_path/'none').mkdir()
    deploy._keep_examples(learn, ['False', 'True'], tmp_path/'none'/'examples', 0)
    assert not list((tmp_path/'none').iterdir())
    for n in -1, 1.5, None: refuses(ValueError, lambda: export_classifier(learn, tmp_path/'m', examples=n), 'examples is')

def test_an_example_tells_nothing_of_the_camera_and_is_what_the_classifier_sees(c, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = 'Secret Camera', 6
    RGB.save(tmp_path/'a.jpg', exif=exif, quality=95)
    made = deploy.save_example(tmp_path/'a.jpg', tmp_path, 3, 'été / "x"\n<b>..')
    assert made.name == '3_été_x_b.jpg' and b'Secret' not in made.read_bytes() and Image.open(made).size == (90, 120)
    deep = Image.fromarray(np.tile(np.linspace(1000, 60000, 64), (64, 1)).astype('uint16'))
    deep.save(tmp_path/'scan.png')
    made = deploy.save_example(tmp_path/'scan.png', tmp_path, 4, '')
    assert made.name == '4_picture.jpg' and abs(c._pixels(made).astype(int) - c._pixels(tmp_path/'scan.png')).max() < 5

def test_only_a_model_folder_is_replaced(cats, tmp_path):
    (tmp_path/'mine').mkdir()
    (tmp_path/'mine'/'thesis.txt').write_text('years of work')
    (tmp_path/'file').write_text('x')
    for name in 'mine', 'file':
        with pytest.raises(FileExistsError, match='not a model folder'): export_classifier(cats[0], tmp_path/name)
    assert (tmp_path/'mine'/'thesis.txt').read_text() == 'years of work' and (tmp_path/'file').is_file()
    model = shutil.copytree(cats[1], tmp_path/'model')
    deploy._free(model)
    (model/'examples'/'holiday.jpg').write_bytes(b'x')   # a picture of the owner's
    refuses(FileExistsError, lambda: deploy._free(model), 'holiday.jpg')
    (tmp_path/'examples'/'examples').mkdir(parents=True)
    refuses(FileExistsError, lambda: deploy._free(tmp_path/'examples'), 'examples')

def test_a_failed_swap_keeps_the_old_model(cats, tmp_path):
    old = shutil.copytree(cats[1], tmp_path/'m')
    (tmp_path/'tmp').mkdir()
    with pytest.raises(FileNotFoundError): deploy._swap(tmp_path/'nothing', old, tmp_path/'tmp')
    PictureClassifier.load(old)
    new = shutil.copytree(cats[1], tmp_path/'new')
    assert deploy._swap(new, old, tmp_path/'tmp') == old and not new.exists()

# ---- loading ------------------------------------------------------------------------------------------------------

def change(folder, **kwargs):
    f = folder/'card.json'
    f.write_text(json.dumps(dict(json.loads(f.read_text()), **kwargs)))

def less(folder, key):
    f = folder/'card.json'
    f.write_text(json.dumps({k: v for k, v in json.loads(f.read_text()).items() if k != key}))

def flip_a_byte(f):
    b = bytearray(f.read_bytes())
    b[len(b)//2] ^= 1
    f.write_bytes(b)

DAMAGE = {
    'model.onnx is damaged': lambda d: flip_a_byte(d/'model.onnx'), 'model.safetensors is damaged': lambda d: flip_a_byte(d/'model.safetensors'),
    'model.onnx is damaged or': lambda d: (d/'model.onnx').write_bytes((d/'model.onnx').read_bytes()[:1000]), 'model.onnx is missing': lambda d: (d/'model.onnx').unlink(),
    'model.safetensors is missing': lambda d: (d/'model.safetensors').unlink(), 'card.json is missing': lambda d: (d/'card.json').unlink(),
    'not JSON': lambda d: (d/'card.json').write_text('{"format": 1,'), 'it is not JSON': lambda d: (d/'card.json').write_bytes(b'\xff\xfe\xfd'),
    "no 'format'": lambda d: (d/'card.json').write_text('[1, 2]'), 'format 2, this version reads format 1': lambda d: change(d, format=2),
    'labels missing': lambda d: less(d, 'labels'), 'size missing': lambda d: change(d, size='big'), 'resize missing': lambda d: less(d, 'resize'),
    'files missing or not': lambda d: less(d, 'files'), 'card.json is damaged: files missing': lambda d: change(d, files={'model.safetensors': 'x'})}

@pytest.mark.parametrize('message', DAMAGE)
def test_a_damaged_folder_is_refused(cats, tmp_path, message):
    folder = shutil.copytree(cats[1], tmp_path/'m')
    DAMAGE[message](folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message): PictureClassifier.load(folder)

def test_the_card_in_words():
    card = dict(data=dict(name='pets', source='sample', kind='drawn pictures', train=711, valid=177, apart=True), metrics=dict(error_rate=8/177))
    assert learned_from(card) == 'It learned from 711 drawn pictures (pets, sample); photos and other drawings will fool it. Of 177 others of the same kind it got 8 wrong (4.5%).'
    def but(**changed): return learned_from(dict(card, data=dict(card['data'], **changed)))
    assert 'others' not in but(apart=False) and 'validation set' in but(apart=False) and but(train=0) == ''
    assert 'drawings' not in but(kind='photos') and 'pictures of another kind will fool it' in but(kind='photos') and '7,390 photos (pets, full)' in but(kind='photos', train=7390, source='full') and 'pets' not in but(kind='pictures', source='folder')
    assert 'wrong' not in learned_from(dict(card, metrics={})) and 'none wrong (0.0%)' in learned_from(dict(card, metrics=dict(error_rate=0.)))
    old = json.loads((ROOT/'tests/old/folder/card.json').read_text())
    assert learned_from(old) == 'It learned from 13 pictures. Of 3 pictures of its validation set it got none wrong (0.0%).'   # no word on their kind
    for data, metrics in (({}, {}), ([], 3), (dict(train='many'), {}), (dict(train=3, valid='x'), dict(error_rate='y')), (dict(train=3, valid=2), [])):
        assert learned_from(dict(data=data, metrics=metrics)) in ('', 'It learned from 3 pictures.')   # what a stranger's card may hold
    assert learned_from({}) == ''

@pytest.mark.slow
def test_neither_torch_nor_fastai(cats, photos):
    code = '''import sys
from fastlessons.deploy.classifier import PictureClassifier
print(PictureClassifier.load(sys.argv[1]).predict_one(sys.argv[2]))
heavy = {'torch', 'torchvision', 'fastai', 'fastcore', 'onnx', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)
assert not heavy, heavy'''
    r = subprocess.run([sys.executable, '-W', 'error', '-c', code, cats[1], next(photos.glob('*.jpg'))], capture_output=True, text=True)
    assert r.returncode == 0 and 'True' in r.stdout and not r.stderr, r.stderr

OLD_CARD = dict(labels=['cat', 'dog'], size=[32, 32], mode='RGB', mean=[], std=[], arch='Sequential', metrics={}, made='2026-01-01',
    resize=dict(method='crop', size=[32, 32], pad_mode='reflection', resample='bilinear'),
    data=dict(name='x', source='folder', train=1, valid=1), versions=dict(fastlessons='0.1.0', torch='2.9.0', fastai='2.8.8'))

def test_a_folder_of_version_0_1_0_is_read(cats, tmp_path, pic):
    "Its card has the same keys, in the format 1."
    new = shutil.copytree(cats[1], tmp_path/'m')
    card = json.loads((new/'card.json').read_text())
    assert set(card) == {*OLD_CARD, 'format', 'files'} and card['format'] == 1 and set(card['resize']) == set(OLD_CARD['resize'])
    change(new, versions=OLD_CARD['versions'])
    assert set(PictureClassifier.load(new).predict_one(pic)) == {'True', 'False'}

def test_help_tells_of_every_parameter_of_a_method():
    for name in ('load', 'predict', 'predict_proba', 'predict_one', 'score'):
        f = getattr(PictureClassifier, name)
        for p in inspect.signature(f).parameters.values(): assert p.name == 'self' or f'{p.name}: ' in f.__doc__, (name, p)
        assert 'Returns' in f.__doc__ or 'Raises' in f.__doc__

@pytest.mark.slow
def test_the_module_works_as_two_files_of_their_own(cats, photos, tmp_path):
    for module in runtime, picture_files: shutil.copy(module.__file__, tmp_path)
    code = """import sys
from classifier import PictureClassifier
PictureClassifier.load(sys.argv[1]).predict_one(sys.argv[2])
assert 'fastlessons' not in {m.split('.')[0] for m in sys.modules}"""
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    subprocess.run([sys.executable, '-c', code, cats[1], next(photos.glob('*.jpg'))], check=True, cwd=tmp_path, env=env)

@pytest.mark.slow
def test_half_an_emoji_in_a_label_is_refused_before_anything_is_written(cats, tmp_path):
    "As in the name of a folder from a damaged archive; whole signs of any kind are kept."
    learn, _ = cats
    vocab = learn.dls.vocab
    try:
        learn.dls.vocab = ['cat', 'dog\ud83d']
        refuses(ValueError, lambda: export_classifier(learn, tmp_path/'m'), 'half a sign')
        assert not (tmp_path/'m').exists()
        learn.dls.vocab = ['\U0001f431', 'Hund\u00e9']
        card = json.loads((export_classifier(learn, tmp_path/'m')/'card.json').read_bytes())
        assert card['labels'] == ['\U0001f431', 'Hund\u00e9']
    finally: learn.dls.vocab = vocab

# ---- what lesson 02 builds ----------------------------------------------------------------------------------------

def test_the_lessons_ten_lines_say_the_same(cats, c, pic, tmp_path):
    "To the bit for a square, whose middle is all of it; nearly for others, which Pillow cuts between two pixels."
    with Image.open(pic) as im:
        for name, size, gap in (('square.png', (160, 160), 1e-5), ('wide.png', (201, 130), .1), ('tall.png', (77, 150), .1)):
            im.convert('RGB').resize(size).save(tmp_path/name)
            ours, simple = c.predict_one(tmp_path/name), predict_simply(cats[1], tmp_path/name)
            assert set(simple) == set(ours) and max(abs(simple[k]-ours[k]) for k in ours) < gap, name
    (tmp_path/'turned.png').write_bytes(turned(Image.open(tmp_path/'square.png'), 6))
    assert predict_simply(cats[1], tmp_path/'turned.png') == pytest.approx(c.predict_one(tmp_path/'turned.png'), abs=1e-6)

@pytest.mark.filterwarnings('ignore:Corrupt EXIF')
def test_the_lessons_ten_lines_read_a_damaged_note(cats, c, pic, tmp_path):
    "The pixels are good, the EXIF note is not; and what is no picture is refused in words."
    with Image.open(pic) as im: square = im.convert('RGB').resize((160, 160))
    for note in (b'Exif\0\0II*\0\xff\xff\xff\x7f', b'nonsense'*5):
        square.save(tmp_path/'noted.jpg', exif=note)
        assert predict_simply(cats[1], tmp_path/'noted.jpg') == pytest.approx(c.predict_one(tmp_path/'noted.jpg'), abs=1e-6)
    (tmp_path/'text.jpg').write_text('no picture')
    refuses(OSError, lambda: predict_simply(cats[1], tmp_path/'text.jpg'), 'identify')

@pytest.mark.slow
def test_the_lessons_list_by_loss(cats):
    learn, _ = cats
    set_seed(0)   # training pictures are cut at random places
    found = by_loss(learn)
    losses = found['loss'].to_numpy()
    assert len(found) == len(learn.dls.train_ds) + len(learn.dls.valid_ds) == found['file'].nunique() and losses[0] > losses[-1]
    assert (np.diff(losses) <= 0).all() and set(found['label'].map(str)) == {'True', 'False'} and Path(found['file'].iloc[0]).is_file()
    set_seed(0)
    with learn.no_bar(): worst = max(float(v) for k in (0, 1) for v in learn.get_preds(k, with_loss=True)[2])
    assert losses[0] == pytest.approx(worst, rel=1e-4)
    assert all(is_cat(f.name) == y for f, y in zip(found['file'], found['label'])), 'each with its own label'

def test_the_lessons_measure_of_drift(c, photos):
    pics = [Image.open(f).convert('RGB') for f in get_image_files(photos).sorted()[:8]]
    labels = c.predict(pics)
    def as_it_is(im, k): return im
    def grey(im, k): return Image.new('RGB', im.size, (k, k, k))
    assert not wrong_when(as_it_is, 1, c, pics, labels).any()
    said = c.predict([grey(pics[0], 9)])[0]
    assert wrong_when(grey, 9, c, pics, labels).tolist() == [y != said for y in labels]

# ---- pictures -----------------------------------------------------------------------------------------------------

@pytest.fixture
def c(cats): return PictureClassifier.load(cats[1])

@pytest.fixture
def pic(photos): return next(f for f in get_image_files(photos).sorted())

def saved(im, format='PNG', **kwargs):
    b = io.BytesIO()
    im.save(b, format, **kwargs)
    return b.getvalue()

def noise(w, h, *c, high=256): return np.random.default_rng(0).integers(0, high, (h, w, *c), dtype=np.uint8)

def test_all_kinds_of_input_say_the_same(c, pic):
    im = Image.open(pic).convert('RGB')
    with open(pic, 'rb') as f: answers = [c.predict_one(o) for o in (pic, str(pic), pic.read_bytes(), f, io.BytesIO(pic.read_bytes()), im, np.array(im), np.array(im.convert('RGBA')))]
    assert all(a == answers[0] for a in answers)
    assert list(answers[0].values()) == sorted(answers[0].values(), reverse=True) and sum(answers[0].values()) == pytest.approx(1, abs=1e-5)
    many = c.predict_proba(iter([pic]*19))
    assert many.shape == (19, 2) and np.allclose(many, [answers[0][k] for k in c.classes_], atol=1e-5)

RGB = Image.fromarray(noise(120, 90, 3))
KINDS = dict(cmyk=saved(RGB.convert('CMYK'), 'JPEG'), grey_jpeg=saved(RGB.convert('L'), 'JPEG'), rgba=saved(RGB.convert('RGBA')), palette=saved(RGB.quantize(16)),
    palette_alpha=saved(RGB.quantize(16), transparency=bytes([255]*16)), grey_alpha=saved(RGB.convert('LA')), one_bit=saved(RGB.convert('1')), rgb_none_clear=saved(RGB, transparency=(1, 2, 3)),
    webp=saved(RGB, 'WEBP', lossless=True), bmp=saved(RGB, 'BMP'), gif=saved(RGB, 'GIF', save_all=True, append_images=[RGB.rotate(90)]*5), progressive=saved(RGB, 'JPEG', progressive=True),
    dot=saved(Image.fromarray(noise(1, 1, 3))), tall=saved(Image.fromarray(noise(1, 20000, 3))), wide=saved(Image.fromarray(noise(20000, 1, 3))))

@pytest.mark.parametrize('name', KINDS)
@pytest.mark.filterwarnings('error')
def test_kinds_of_pictures_as_in_fastai(cats, c, name):
    learn, _ = cats
    pixels = np.stack([c._pixels(KINDS[name])])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')   # Pillow's about transparency, in fastai's own reading
        theirs = item(learn.dls, KINDS[name])
    assert (pixels[0] == theirs).all() and set(c.predict_one(KINDS[name])) == {'True', 'False'}

def hidden(size):
    "Noise in a hole, and noise hidden around it: what fastai sees, and what people see."
    rgba = Image.fromarray(noise(*size, 4))
    rgba.putalpha(Image.radial_gradient('L').resize(size).point(lambda v: 255*(v < 128)))
    white = Image.new('RGBA', size, 'white')
    return rgba, Image.alpha_composite(white, rgba).convert('RGB')

def test_a_cut_out_picture_is_named_as_people_see_it(cats, c, tmp_path):
    "By the classifier and by what lesson 02 builds, from a file and from an array; and the export says that fastai differs."
    from fastlessons.deploy.export import _warn_transparent
    learn, folder = cats
    cut, seen = hidden((160, 160))
    cut.save(tmp_path/'cut.png')
    cut.quantize(99).save(tmp_path/'palette.png')
    want = pytest.approx(c.predict_one(seen), abs=1e-6)
    assert c.predict_one(tmp_path/'cut.png') == c.predict_one(cut) == c.predict_one(np.array(cut)) == want
    assert predict_simply(folder, tmp_path/'cut.png') == want != c.predict_one(cut.convert('RGB'))
    assert predict_simply(folder, tmp_path/'palette.png') == pytest.approx(c.predict_one(tmp_path/'palette.png'), abs=1e-6)
    tl = learn.dls.valid_ds.tls[0]
    _warn_transparent(learn)   # says nothing
    items = list(tl.items)
    try:
        tl.items[0] = tmp_path/'cut.png'
        with pytest.warns(UserWarning, match='1 validation pictures are partly transparent'): _warn_transparent(learn)
    finally: tl.items[:] = items

def test_16_bits_are_not_made_white(c):
    deep = Image.fromarray((np.arange(100*100).reshape(100, 100)*6).astype('uint16'))
    pixels = c._pixels(saved(deep))
    assert 20 < pixels.mean() < 200 and pixels.max() < 255   # fastai, by way of Pillow, makes nearly all of it white

def png_of(w, h):
    "The head of a PNG that promises `w` by `h` pixels."
    import struct, zlib
    def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(b'\0'*1000)) + chunk(b'IEND', b'')

JPEG = saved(RGB, 'JPEG')
BAD = dict(empty=(b'', 'not a picture'), text=(b'this is no picture'*100, 'not a picture'), svg=(b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'not a picture'),
    html=(b'<!doctype html><script>alert(1)</script>', 'not a picture'), cut_jpeg=(JPEG[:len(JPEG)//2], 'cut off'), cut_png=(saved(RGB)[:2000], 'cut off'), tiff=(saved(RGB, 'TIFF'), 'not a picture'),
    bomb_100=(png_of(10_000, 10_000), 'too big'), bomb_400=(png_of(20_000, 20_000), 'too big'), bomb_huge=(png_of(2**31-1, 2**31-1), 'too big|not a picture'), no_pixels=(png_of(0, 5), 'not a picture|empty'),
    float_array=(np.zeros((9, 9, 3)), 'float64'), bool_array=(np.zeros((9, 9), bool), 'bool'), five=(np.zeros((9, 9, 5), np.uint8), r'\(9, 9, 5\)'), batch=(np.zeros((2, 9, 9, 3), np.uint8), 'shape'),
    nothing=(np.zeros((0, 9, 3), np.uint8), 'shape'), flat=(np.zeros(9, np.uint8), 'shape'), f_mode=(Image.new('F', (9, 9)), "'F'"), i_mode=(Image.new('I', (9, 9)), "'I'"),
    text_file=(io.StringIO('hello'), 'not a picture'))

@pytest.mark.parametrize('name', BAD)
@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_bad_pictures_are_refused_in_plain_words(c, name):
    given, message = BAD[name]
    with pytest.raises(ValueError, match=message) as e: c.predict_one(given)
    assert '/' not in str(e.value) and '0x' not in str(e.value)
    with pytest.raises(ValueError, match='Picture 1: '): c.predict([RGB, given])

def test_answers_come_in_the_container_of_the_question(c, photos):
    import pandas as pd
    files = get_image_files(photos).sorted()[::6][:9]   # of many breeds
    probs = c.predict_proba(files, bs=4)
    best = c.classes_[probs.argmax(1)].tolist()
    assert len(set(best)) == 2, 'the test must be able to fail'
    for asked in (list(files), tuple(files), files, iter(files)): assert c.predict(asked) == best
    series = c.predict(pd.Series(files, index=list('abcdefghi')))
    assert isinstance(series, pd.Series) and list(series) == best and list(series.index) == list('abcdefghi')
    paths, pixels = np.array([str(f) for f in files]), np.stack([c._pixels(f) for f in files])
    for asked in paths, pixels: assert isinstance(c.predict(asked), np.ndarray) and c.predict(asked).tolist() == best
    assert c.predict([]) == [] and c.predict_proba([]).shape == (0, 2)
    assert c.score(files, best) == 1 and c.score(files, [b == 'True' for b in best]) == 1   # labels are kept as text
    assert c.score(files, ['True']*9) == best.count('True')/9

def test_one_picture_where_a_list_is_expected(c, pic):
    im = Image.open(pic).convert('RGB')
    for one in (pic, str(pic), pic.read_bytes(), im, np.array(im), np.array(im.convert('L')), np.array(im)/255, io.BytesIO(pic.read_bytes()), open(pic, 'rb')):
        for f in c.predict, c.predict_proba, lambda p: c.score(p, ['True']): refuses(TypeError, lambda: f(one), 'Expected a list', 'predict_one')
    for bs in 0, 1.5, None: refuses(ValueError, lambda: c.predict([pic], bs=bs), 'bs is')
    refuses(ValueError, lambda: c.score([pic], []), '1 pictures and 0 labels')

def test_what_would_be_taken_apart_is_refused(c, pic):
    import pandas as pd
    for what in pd.DataFrame({'file': [pic]}), {pic: 'cat'}, {pic}: refuses(TypeError, lambda: c.predict(what), 'column' if hasattr(what, 'columns') else type(what).__name__)
    for what in None, 3: refuses(TypeError, lambda: c.predict(what), 'Expected a list')
    assert c.predict(p for p in [pic]) == c.predict([open(pic, 'rb')]) == [next(iter(c.predict_one(pic)))]

def test_a_cut_off_picture_that_pillow_has_only_opened(c):
    with pytest.raises(ValueError, match='cut off'): c.predict_one(Image.open(io.BytesIO(JPEG[:len(JPEG)//2])))

def test_other_things_are_refused(c, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file 'x.jpg'") as e: c.predict_one(tmp_path/'x.jpg')
    assert str(tmp_path) not in str(e.value)
    for o in None, 3, [1, 2], {}:
        with pytest.raises(TypeError, match='not '+type(o).__name__): c.predict_one(o)
    with pytest.raises(FileNotFoundError): c.predict_one(tmp_path)

def test_padding_of_a_thread_is_refused(c):
    c.card = dict(c.card, resize=dict(c.card['resize'], method='pad'))
    with pytest.raises(ValueError, match='long and thin'): c.predict_one(KINDS['tall'])

# ---- EXIF ---------------------------------------------------------------------------------------------------------

def turned(im, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(im, 'PNG', exif=exif)

@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_is_obeyed_in_both(cats, c, orientation):
    from PIL import ImageOps
    data = turned(RGB, orientation)
    assert (c._pixels(data) == item(cats[0].dls, data)).all()
    assert (c._pixels(data) == c._pixels(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))).all()
    if orientation > 1: assert (c._pixels(data) != c._pixels(RGB)).any()

@pytest.mark.filterwarnings('ignore:Corrupt EXIF')   # Pillow says so
def test_a_damaged_exif_note_is_ignored(c):
    b = saved(RGB, 'JPEG', exif=b'Exif\0\0MM\0*\xff\xff\xff\xff broken')
    assert (c._pixels(b) == c._pixels(saved(RGB, 'JPEG'))).all()

def test_export_warns_if_the_learner_ignores_exif(photos, tmp_path):
    for i in range(12):
        (tmp_path/f'{"Ab"[i%2]}_{i}.png').write_bytes(turned(RGB, 6))
    learn = Learner(make_dls(tmp_path, Resize(64)), small_net(), loss_func=CrossEntropyLossFlat())
    with pytest.warns(UserWarning, match='EXIF'): deploy._warn_sideways(learn)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        deploy._warn_sideways(Learner(make_dls(tmp_path, [upright, Resize(64)]), small_net(), loss_func=CrossEntropyLossFlat()))
