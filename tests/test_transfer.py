"Pictures that cannot be read, and the head trained on features that are kept."
import inspect, random, stat, warnings

import fastai.vision.all as fv, matplotlib.pyplot as plt, pytest, torch
from fastai.vision.all import (AdaptiveConcatPool2d, CategoryBlock, ConvLayer, CropPad, DataBlock, DataLoaders, Flatten, FuncSplitter,
    Brightness, ImageBlock, ImageDataLoaders, L, Learner, PILImageBW, RandomResizedCrop, RandomSplitter, Resize, ResizeMethod, aug_transforms,
    create_body, create_head, error_rate, get_image_files, load_learner, set_seed, vision_learner)
from PIL import Image, ImageDraw
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet18

from fastlessons.simple import pets
from fastlessons.vision import engine, transfer
from fastlessons.vision.transfer import check_images, tune_head

SIZE = 64

def draw(path, kind, size=(96, 80), **kwargs):
    "Save a picture of a red disc ('Disc') or a blue square ('square') on a grey ground, anywhere in it."
    rng = random.Random(path.name)
    im = Image.new('RGB', size, (rng.randint(90, 160),)*3)
    x, y, r = rng.randint(20, 60), rng.randint(20, 60), rng.randint(10, 18)
    d = ImageDraw.Draw(im)
    (d.ellipse if kind == 'Disc' else d.rectangle)((x-r, y-r, x+r, y+r), fill=(255, 150, 150) if kind == 'Disc' else (10, 10, 90))
    im.save(path, **kwargs)

def draw_all(folder, n=40, kinds=('Disc', 'square')):
    for k in kinds:
        for i in range(n): draw(folder/f'{k}_{i}.jpg', k)
    return folder

@pytest.fixture(scope='module')
def folder(tmp_path_factory): return draw_all(tmp_path_factory.mktemp('shapes'))

def is_disc(name): return name[0].isupper()

def shape_dls(folder, label=is_disc, tfm=None, **kwargs):
    return ImageDataLoaders.from_name_func(folder, get_image_files(folder).sorted(), label, seed=1,
                                           item_tfms=tfm or Resize(SIZE), **{'bs': 16, 'num_workers': 0, **kwargs})

def small_body(n_in=3): return nn.Sequential(ConvLayer(n_in, 8, stride=2), ConvLayer(8, 16, stride=2))

def small_learner(dls, body=None, n_out=2):
    set_seed(0)
    return Learner(dls, nn.Sequential(body or small_body(), create_head(16, n_out)), metrics=error_rate)

TOLD = {}   # what the table of the last `tune` said

def tune(learn, **kwargs):
    "Run `tune_head` without bars in the test report, and note what its table says."
    class Note(fv.Callback):
        order = 70
        def after_fit(self): TOLD.update(zip(self.recorder.metric_names[1:], self.recorder.log[1:]))
    with pytest.MonkeyPatch.context() as m:
        m.setattr(fv.defaults, 'callbacks', [fv.TrainEvalCallback, fv.Recorder, fv.CastToTensor, Note])
        tune_head(learn, show=False, **kwargs)
    return learn

def same_as_validate(learn):
    "Tell whether an ordinary validation gives what the table of `tune_head` said, but for one picture."
    return abs(learn.validate()[1] - TOLD['error_rate']) <= 1.01/len(learn.dls.valid_ds)

# --- check_images

def test_every_bad_picture_is_found_named_and_left_out(tmp_path, capsys):
    draw_all(tmp_path, 3)
    good = sorted(tmp_path.iterdir())
    whole = good[0].read_bytes()
    (tmp_path/'Truncated_1.jpg').write_bytes(whole[:len(whole)*2//3])
    (tmp_path/'Corrupt_1.jpg').write_bytes(whole[:30] + bytes(reversed(whole[30:])))
    (tmp_path/'Zero_1.jpg').touch()
    (tmp_path/'Text_1.jpg').write_text('not a picture at all')
    draw(tmp_path/'Gif_1.jpg', 'Disc', format='GIF')
    files = sorted(tmp_path.glob('*.jpg'), reverse=True)
    kept = check_images(files, show=True)
    assert kept == sorted(good, reverse=True) and isinstance(kept, L)
    said = capsys.readouterr().out
    assert said.count('\n') == 1 and said.startswith('11 pictures, 5 left out: ')
    with pytest.warns(UserWarning) as told: assert check_images(files) == kept
    assert [str(w.message) for w in told] == [said.strip()] and told[0].filename == __file__
    for text in ('Truncated_1.jpg (image file is truncated', 'Corrupt_1.jpg (', 'Zero_1.jpg (empty file)',
                 'Text_1.jpg (not a picture)', 'Gif_1.jpg (really a GIF)'): assert text in said

def test_truncation_is_found_although_the_picture_is_decoded_small(tmp_path):
    draw(tmp_path/'whole.jpg', 'Disc', (1200, 900), quality=90)
    data = (tmp_path/'whole.jpg').read_bytes()
    for part in (.1, .5, .9, .98):
        (tmp_path/'cut.jpg').write_bytes(data[:int(len(data)*part)])
        assert transfer._flaw(tmp_path/'cut.jpg'), part

def test_other_formats_upper_case_and_missing_files(tmp_path, capsys):
    for name, fmt in (('a.JPG', 'JPEG'), ('b.jpeg', 'JPEG'), ('c.png', 'PNG'), ('d.gif', 'GIF'), ('e.webp', 'WEBP')):
        draw(tmp_path/name, 'Disc', format=fmt)
    files = sorted(tmp_path.iterdir())
    assert len(check_images(files, show=True)) == 5
    assert capsys.readouterr().out == '5 pictures, 0 left out\n'
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_images(files)
    assert capsys.readouterr() == ('', '')
    assert 'No such file' in transfer._flaw(tmp_path/'gone.jpg')

def test_no_picture_left_is_an_error(tmp_path):
    (tmp_path/'x.jpg').touch()
    with pytest.raises(ValueError, match=r'No readable picture among 1 files x.jpg \(empty file\)'): check_images([tmp_path/'x.jpg'])
    with pytest.raises(ValueError, match='No readable picture among 0 files'): check_images([])

# --- tune_head

@pytest.mark.slow
def test_it_learns_and_leaves_a_normal_learner(folder, tmp_path):
    set_seed(0)
    learn = vision_learner(shape_dls(folder), resnet18, pretrained=False, metrics=error_rate)
    before = {k: v.clone().cpu() for k, v in learn.model[0].state_dict().items()}
    tune(learn, epochs=20)
    assert TOLD['error_rate'] == 0 and same_as_validate(learn)
    assert all(torch.equal(v.cpu(), before[k]) for k, v in learn.model[0].state_dict().items()), 'the body changed'
    assert learn.predict(folder/'Disc_1.jpg')[0] == 'True'
    learn.path = tmp_path
    learn.export()
    assert load_learner(tmp_path/'export.pkl').predict(folder/'square_2.jpg')[0] == 'False'
    with learn.no_bar(), learn.no_logging():
        learn.show_results()
        learn.fine_tune(1)
        learn.unfreeze()
        learn.fit_one_cycle(1, slice(1e-5, 1e-4))
    assert any(not torch.equal(v.cpu(), before[k]) for k, v in learn.model[0].state_dict().items()), 'the body was not tuned further'
    plt.close('all')

@pytest.mark.parametrize('tfm', [Resize(SIZE), Resize(SIZE, ResizeMethod.Squish), Resize(SIZE, ResizeMethod.Pad),
                                 RandomResizedCrop(SIZE, min_scale=.5), [Resize(80), CropPad(SIZE)]], ids=['crop', 'squish', 'pad', 'random', 'two steps'])
def test_pictures_are_read_as_fastai_reads_them_for_validation(tmp_path, tfm):
    for i in range(4):   # squares of 25 pixels, of which about 4 are left
        im = Image.effect_noise((26-i, 18+i), 99).resize((650-i*25, 450+i*25), Image.Resampling.NEAREST).convert('RGB')
        im.save(tmp_path/f'{"Dd"[i%2]}_{i}.jpg', quality=95)
    dls = shape_dls(tmp_path, tfm=tfm, valid_pct=.5, bs=2, batch_tfms=aug_transforms())
    def ours(ds): return transfer._read_batch(dls, ds.tls[0], range(2), transfer._needed_size(dls))
    assert torch.equal(ours(dls.train_ds), ours(dls.train_ds)), 'something is done at random'
    got, theirs = ours(dls.valid_ds), dls.valid.one_batch()[0]
    assert got.shape == theirs.shape and (got-theirs).abs().mean() < .05   # of 1; 0.3 for another place in the picture

def test_a_jpeg_is_decoded_small_but_not_too_small(tmp_path):
    draw(tmp_path/'a.jpg', 'Disc', (1200, 900))
    draw(tmp_path/'a.png', 'Disc', (1200, 900))
    for px, size in ((50, (150, 113)), (112, (150, 113)), (120, (300, 225)), (300, (600, 450)), (500, (1200, 900)), (2000, (1200, 900))):
        assert tuple(transfer._open_small(tmp_path/'a.jpg', px).size) == size
    assert tuple(transfer._open_small(tmp_path/'a.png', 50).size) == (1200, 900)
    for tfm, px in ((Resize(SIZE), SIZE), (Resize((48, SIZE)), SIZE), (RandomResizedCrop(SIZE), 80)):
        assert px <= transfer._needed_size(shape_dls(tmp_path, tfm=tfm, label=lambda n: n[-1], valid_pct=.5, bs=1)) <= px+8

def test_the_fast_body_gives_the_same_features(folder):
    dls = shape_dls(folder)
    torch.manual_seed(0)
    body = create_body(resnet18(), pretrained=False).eval()
    for m in body.modules():
        if isinstance(m, nn.BatchNorm2d): m.running_mean.uniform_(-.1, .1); m.running_var.uniform_(.5, 2)
    x = dls.valid.one_batch()[0].as_subclass(torch.Tensor).cpu()
    net = engine._fast_copy(nn.Sequential(body, AdaptiveConcatPool2d(), Flatten()), torch.device('cpu'))
    with torch.no_grad():
        ours = net(x.to(next(net.parameters()).dtype)).float()
        theirs = Flatten()(AdaptiveConcatPool2d()(body(x)))
    assert (ours-theirs).norm() < .02*theirs.norm()
    assert not any(isinstance(m, nn.BatchNorm2d) and m.training for m in net.modules())

@pytest.mark.slow
def test_a_body_that_torch_fx_cannot_follow_works_too(folder):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.m = small_body()
        def forward(self, x): return self.m(x) if x.mean() > -100 else x
    learn = tune(small_learner(shape_dls(folder), Odd()), epochs=30)
    assert TOLD['error_rate'] == 0 and same_as_validate(learn)

@pytest.mark.slow
def test_grey_pictures_get_x_and_lambdas(folder):
    block = DataBlock((ImageBlock(PILImageBW), CategoryBlock), get_items=get_image_files, get_x=lambda f: f.parent/f.name,
                      get_y=lambda f: f.name[0].isupper(), splitter=RandomSplitter(seed=1), item_tfms=Resize(SIZE))
    dls = block.dataloaders(folder, bs=16, num_workers=0)
    assert transfer._needed_size(dls) is None
    learn = tune(small_learner(dls, small_body(1)), epochs=30)
    assert TOLD['error_rate'] <= .1 and same_as_validate(learn)

def test_a_training_set_smaller_than_a_batch_and_odd_sizes(tmp_path):
    draw_all(tmp_path, 5)
    tune(small_learner(shape_dls(tmp_path)))
    assert 0 <= TOLD['error_rate'] <= 1
    x, ds = torch.randn(8, 4), shape_dls(tmp_path).train_ds
    for bs in range(1, 12):
        sizes = [len(yb) for xb, yb in transfer._feature_dl(x, ds, 2, bs)]
        assert sum(sizes) == 16 and (bs == 1 or min(sizes) > 1), f'batch norm needs two at a time: {sizes}'

@pytest.mark.slow
def test_the_same_seed_gives_the_same_learner(folder):
    def once(): return small_learner(shape_dls(folder))
    a, b = tune(once()).get_preds(), tune(once()).get_preds()
    assert torch.equal(a[0], b[0])

def test_threads_are_as_before_and_nothing_is_written(tmp_path):
    draw_all(tmp_path, 8)
    before, n = sorted(tmp_path.rglob('*')), torch.get_num_threads()
    mode = tmp_path.stat().st_mode
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try: tune(small_learner(shape_dls(tmp_path)))
    finally: tmp_path.chmod(mode)
    assert sorted(tmp_path.rglob('*')) == before and torch.get_num_threads() == n
    class Broken(nn.Module):
        def forward(self, x): raise RuntimeError('broken body')
    with pytest.raises(RuntimeError, match='broken body'): tune(small_learner(shape_dls(tmp_path), nn.Sequential(small_body(), Broken())))
    assert torch.get_num_threads() == n

def test_errors_say_what_is_expected(folder, tmp_path):
    dls = shape_dls(folder)
    with pytest.raises(TypeError, match=r'nn.Sequential\(body, head\).*this is ResNet'): tune_head(Learner(dls, resnet18(), loss_func=F.cross_entropy))
    draw_all(tmp_path, 6, ['Disc'])
    with pytest.raises(ValueError, match="classes \\['?True'?\\]"): tune_head(small_learner(shape_dls(tmp_path), n_out=1))
    none = DataBlock((ImageBlock, CategoryBlock), get_items=get_image_files, get_y=lambda f: f.name[0].isupper(),
                     splitter=FuncSplitter(lambda f: False), item_tfms=Resize(SIZE)).dataloaders(folder, bs=4, num_workers=0)
    with pytest.raises(ValueError, match='0 to validate'): tune_head(small_learner(none))
    own = DataLoaders.from_dsets([(torch.zeros(3, 8, 8), 0)]*4, [(torch.zeros(3, 8, 8), 0)]*4, bs=2, device='cpu')
    with pytest.raises(TypeError, match='ImageDataLoaders or a DataBlock.*list'):
        tune_head(Learner(own, nn.Sequential(small_body(), create_head(16, 2)), loss_func=F.cross_entropy))

def test_quiet_if_asked(folder, capsys):
    tune_head(small_learner(shape_dls(folder)), 1, show=False)
    assert capsys.readouterr() == ('', '')

@pytest.mark.parametrize('f', [check_images, tune_head, transfer.head_learner, pets.keep_features, pets.feature_learner], ids=lambda f: f.__name__)
def test_help_shows_what_each_parameter_is(f):
    for p in inspect.signature(f).parameters: assert f'\n{p}: ' in f.__doc__, (p, f.__doc__)

@pytest.mark.parametrize('kw,says', [(dict(epochs=0), 'epochs is 0'), (dict(epochs=1.5), 'epochs is 1.5'), (dict(bs=0), 'bs is 0')])
def test_bad_settings(folder, kw, says):
    with pytest.raises(ValueError, match=says): transfer.head_learner(small_learner(shape_dls(folder)), **kw)

# --- the lesson's simple version

def test_the_lessons_features_and_learner_agree_with_the_librarys(folder):
    learn = small_learner(shape_dls(folder))
    fast, simple = transfer.head_learner(learn, show=False), pets.feature_learner(learn)
    n_pool = len(learn.model[1]) - len(fast.model)   # the library's features lie behind the pooling
    for ours, theirs in zip(simple.dls.loaders, fast.dls.loaders):
        x, y = (torch.stack(t) for t in zip(*ours.dataset))
        xs, ys = (torch.cat(t) for t in zip(*theirs))
        with torch.no_grad(): x = learn.model[1][:n_pool].eval()(x)
        for a, b in ((x[y == c], xs[ys == c]) for c in (0, 1)):   # the library shuffles the training set
            assert a.shape == b.shape and (a.mean(0)-b.mean(0)).norm() < .02*b.mean(0).norm()

def test_the_lessons_head_learns_as_well(folder):
    learn = small_learner(shape_dls(folder))
    h = pets.feature_learner(learn)
    with h.no_bar(), h.no_logging(): h.fit_one_cycle(20, 3e-3)
    assert learn.validate()[1] == 0 and h.model is learn.model[1]

def test_the_lessons_learner_keeps_augmented_looks(folder):
    "Each look has the pictures of the training set once more, in its order, changed by `batch_tfms`; the validation set is not augmented."
    for tfms, changed in ((None, False), ([Brightness(max_lighting=.8, p=1, batch=False)], True)):
        learn = small_learner(shape_dls(folder, tfm=Resize(SIZE, ResizeMethod.Squish), batch_tfms=tfms))   # nothing at random in it
        dls = pets.feature_learner(learn, looks=2).dls
        (x, y), (x2, y2), (x3, y3) = (d.tensors for d in dls.train_ds.datasets)
        assert torch.equal(y, y2) and torch.equal(y, y3) and len(dls.train_ds) == 3*len(y) and len(dls.valid_ds) == len(learn.dls.valid_ds)
        assert torch.allclose(x, x2, atol=1e-4) != changed and torch.allclose(x2, x3, atol=1e-4) != changed

def test_the_label_is_in_the_name():
    assert pets.label_func('Maine_Coon_7.jpg') == 'cat' and pets.label_func('beagle_1.jpg') == 'dog'

# --- real photos

@pytest.mark.real
def test_cat_against_dog_on_real_photos(shared, monkeypatch, capsys):
    from fastlessons.vision.backbone import backbone
    monkeypatch.setenv('TORCH_HOME', str(shared/'torch'))
    folder = shared/'data'/'oxford-iiit-pet'/'images'
    if not folder.is_dir(): pytest.skip('real photos not here: ../shared/data/oxford-iiit-pet')
    files = check_images(get_image_files(folder).sorted(), show=True)
    assert 'Abyssinian_34.jpg (really a GIF)' in capsys.readouterr().out and len(files) == 968
    set_seed(42)
    dls = ImageDataLoaders.from_name_func(folder, files, is_disc, seed=42, item_tfms=Resize(224), num_workers=0)
    learn = tune(vision_learner(dls, backbone('mobilenet_v2'), metrics=error_rate))
    assert TOLD['error_rate'] <= .025 and same_as_validate(learn)
