"The bundled backbone: its weights, how it is chosen, how it is trained, and that fastai is left as it is until it is asked for."
import os, subprocess, sys
from urllib.error import URLError

import pytest, torch, torchvision.models as tvm
from fastai.vision.all import create_vision_model, imagenet_stats
from fastai.vision.learner import model_meta
from safetensors import safe_open

from conftest import refuses
from fastlessons.core import bundle
from fastlessons.data import get_data
from fastlessons.vision import backbone as bb

def test_the_bundled_weights_fit_the_network():
    with safe_open(bundle()/'backbone.safetensors', 'pt') as f: kept = {k: tuple(f.get_slice(k).get_shape()) for k in f.keys()}
    assert kept == {k: tuple(v.shape) for k, v in bb.resnet_mini(None).state_dict().items()}
    assert list(bb.resnet_mini()[:2].state_dict())[:2] == ['0.0.weight', '0.1.weight']   # what is on people's disks has these names

def test_saved_weights_can_be_read_by_all(tmp_path):
    net = bb.resnet_mini()
    path = bb.save_backbone(net, .25, tmp_path)
    (tmp_path/'a.txt').touch()
    assert path.stat().st_mode == (tmp_path/'a.txt').stat().st_mode and len(list(tmp_path.iterdir())) == 2
    with safe_open(path, 'pt') as f:
        assert f.metadata()['error_rate'] == '0.2500'
        assert all(torch.equal(f.get_tensor(k).to(v.dtype), v) for k, v in net.state_dict().items())

def test_training_the_backbone_leaves_the_random_numbers(monkeypatch, capsys):
    def few(n, size=32, seed=0, show=True):
        g = torch.Generator().manual_seed(seed)
        return torch.randint(256, (n*4, 3, 32, 32), generator=g, dtype=torch.uint8), torch.arange(n*4) % 4
    monkeypatch.setattr(bb, 'drawn_things', few)
    torch.manual_seed(3)
    nets = [bb.train_backbone(2, 2, bs=4, size=32, show=False)[0] for _ in range(2)]
    assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(3)) and capsys.readouterr().out == ''
    assert all(torch.equal(a, b) for a, b in zip(*(n.state_dict().values() for n in nets)))
    refuses(ValueError, lambda: bb.train_backbone(2, 0, bs=4, size=32), 'epochs is 0')
    refuses(ValueError, lambda: bb.train_backbone(2, 1, lr=0, bs=4, size=32), 'lr is 0')

# --- which one, and what fastai is told

IMPORTS = """
import sys
import fastlessons.vision.cnn, fastlessons.text.encoder, fastlessons.vision.transfer
print('fastlessons.samples.pictures' in sys.modules, 'fastlessons.vision.backbone' in sys.modules)
from fastai.vision.learner import model_meta
before = dict(model_meta)
from fastlessons.vision.backbone import backbone
print(model_meta == before)
backbone('mobilenet_v2'), backbone('resnet_mini')
print(len(model_meta) - len(before))
"""

@pytest.mark.slow
def test_imports_bring_no_more_than_they_must(tmp_path):
    "Who imports blocks or texts gets no drawings and networks with them; fastai's table is left alone until a network is asked for."
    (tmp_path/'hub/checkpoints').mkdir(parents=True)
    (tmp_path/'hub/checkpoints/mobilenet_v2-7ebf99e0.pth').touch()   # nothing is downloaded
    run = subprocess.run([sys.executable, '-c', IMPORTS], env=dict(os.environ, TORCH_HOME=str(tmp_path)), capture_output=True, text=True, check=True)
    assert run.stdout.split() == ['False', 'False', 'True', '2']

@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    "An empty cache of torch, and nobody who asked for an architecture."
    monkeypatch.setenv('TORCH_HOME', str(tmp_path/'torch'))
    monkeypatch.delenv('FASTLESSONS_ARCH', raising=False)
    (tmp_path/'torch/hub/checkpoints').mkdir(parents=True)
    return tmp_path/'torch/hub/checkpoints'

def no_network(self, **kw): raise URLError('Name or service not known')

def test_drawn_samples_get_the_bundled_network(torch_home, monkeypatch, capsys):
    sample = get_data('pets', 'sample')
    (torch_home/'mobilenet_v2-7ebf99e0.pth').touch()   # whatever else is on this disk: the lessons' numbers hold
    capsys.readouterr()
    assert bb.backbone() is bb.backbone(pictures=sample) is bb.backbone(pictures=sample/'images') is bb.resnet_mini
    assert capsys.readouterr().out == ''
    bb.backbone(pictures=sample, show=True)
    assert capsys.readouterr().out == 'backbone: resnet_mini, trained by this project on drawn animals\n'
    monkeypatch.setenv('FASTLESSONS_ARCH', 'mobilenet_v2')
    assert bb.backbone(pictures=sample) is tvm.mobilenet_v2 and bb.backbone('resnet_mini') is bb.resnet_mini
    refuses(ValueError, lambda: bb.backbone('resnet43'), 'resnet34')

def test_photos_get_a_network_that_learned_on_photos(torch_home, monkeypatch, tmp_path, capsys):
    fetched = []
    monkeypatch.setattr(tvm.MobileNet_V2_Weights, 'get_state_dict', lambda self, **kw: fetched.append((self.url, kw)))
    (torch_home/'mobilenet_v2-b0353104.pth').touch()   # older weights, which fastai would not ask for
    assert bb.backbone(pictures=tmp_path) is tvm.mobilenet_v2
    assert capsys.readouterr().out == 'backbone: mobilenet_v2, trained on ImageNet, downloading 14 MB\n'
    assert fetched == [(tvm.MobileNet_V2_Weights.DEFAULT.url, dict(check_hash=True))]
    (torch_home/'mobilenet_v2-7ebf99e0.pth').touch()
    assert bb.backbone(pictures=tmp_path) is tvm.mobilenet_v2 and capsys.readouterr().out == '' and len(fetched) == 1
    bb.backbone(pictures=str(tmp_path), show=True)
    assert 'on this disk' in capsys.readouterr().out

def test_without_weights_for_photos_nobody_gets_the_drawn_network_unasked(torch_home, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tvm.MobileNet_V2_Weights, 'get_state_dict', no_network)
    refuses(ConnectionError, lambda: bb.backbone(pictures=tmp_path), 'mobilenet_v2', '14 MB', 'not known', "backbone('resnet_mini')", limit=400)
    assert bb.backbone('resnet_mini', tmp_path) is bb.resnet_mini
    monkeypatch.setenv('FASTLESSONS_ARCH', 'resnet_mini')
    assert bb.backbone(pictures=tmp_path) is bb.resnet_mini
    monkeypatch.setattr(tvm.ResNet34_Weights, 'get_state_dict', no_network)
    refuses(ConnectionError, lambda: bb.backbone('resnet34'), 'resnet34-')

@pytest.mark.slow
def test_real_photos_of_cats_and_dogs(shared, monkeypatch, capsys):
    "The same lines as in lesson 01: the body for photos, and what the drawn one would have cost."
    folder = shared/'data'/'oxford-iiit-pet'/'images'
    if not folder.is_dir(): pytest.skip('real photos not here: ../shared/data/oxford-iiit-pet')
    from fastai.vision.all import ImageDataLoaders, Resize, error_rate, get_image_files, set_seed, vision_learner
    from fastlessons.vision.transfer import check_images, tune_head
    monkeypatch.setenv('TORCH_HOME', str(shared/'torch'))
    monkeypatch.delenv('FASTLESSONS_ARCH', raising=False)
    files = check_images(get_image_files(folder).sorted(), show=True)[::3]
    wrong = {}
    for arch in (bb.backbone(pictures=folder), bb.resnet_mini):
        set_seed(42)
        dls = ImageDataLoaders.from_name_func(folder, files, lambda f: f[0].isupper(), seed=42, bs=16, item_tfms=Resize(128), num_workers=0)
        learn = vision_learner(dls, arch, metrics=error_rate)
        with learn.no_bar(), learn.no_logging(): tune_head(learn)
        wrong[arch.__name__] = learn.validate()[1]
    print(wrong)
    assert wrong['mobilenet_v2'] < .05 < .12 < wrong['resnet_mini']

def test_fastai_cuts_it_in_three():
    model = create_vision_model(bb.backbone('resnet_mini'), 3)
    assert len(model[0]) == 7 and model[1][-1].out_features == 3
    meta = model_meta[bb.resnet_mini]
    groups = meta['split'](model)
    assert sum(map(len, groups)) == len(list(model.parameters())) and len(groups) == 3 and meta['stats'] == imagenet_stats

def test_a_network_that_fastai_was_not_told_of_is_refused(monkeypatch):
    monkeypatch.delitem(model_meta, bb.resnet_mini, raising=False)
    refuses(TypeError, lambda: create_vision_model(bb.resnet_mini, 3), "backbone('resnet_mini')")
