"The bundled backbone: its weights, how it is chosen, how it is trained, and that fastai is left as it is until it is asked for."
import subprocess, sys

import pytest, torch, torchvision.models as tvm
from fastai.vision.all import create_vision_model, imagenet_stats
from fastai.vision.learner import model_meta
from safetensors import safe_open

from conftest import refuses
from fastlessons.core import bundle
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
def test_imports_bring_no_more_than_they_must():
    "Who imports blocks or texts gets no drawings and networks with them; fastai's table is left alone until a network is asked for."
    run = subprocess.run([sys.executable, '-c', IMPORTS], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ['False', 'False', 'True', '2']

def test_the_choice(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.delenv('FASTLESSONS_ARCH', raising=False)
    assert bb.backbone() is bb.resnet_mini and capsys.readouterr().out == ''
    bb.backbone(show=True)
    assert capsys.readouterr().out == 'backbone: resnet_mini, trained by this project on drawn animals, bundled\n'
    (tmp_path/'checkpoints').mkdir()
    (tmp_path/'checkpoints/mobilenet_v2-b0353104.pth').touch()
    assert bb.backbone(show=True) is tvm.mobilenet_v2 and 'on this disk' in capsys.readouterr().out
    assert bb.backbone('resnet_mini') is bb.resnet_mini
    monkeypatch.setenv('FASTLESSONS_ARCH', 'resnet18')
    assert bb.backbone(show=True) is tvm.resnet18 and 'to be downloaded' in capsys.readouterr().out
    refuses(ValueError, lambda: bb.backbone('resnet43'), 'resnet34')

def test_fastai_cuts_it_in_three():
    model = create_vision_model(bb.backbone('resnet_mini'), 3)
    assert len(model[0]) == 7 and model[1][-1].out_features == 3
    meta = model_meta[bb.resnet_mini]
    groups = meta['split'](model)
    assert sum(map(len, groups)) == len(list(model.parameters())) and len(groups) == 3 and meta['stats'] == imagenet_stats

def test_a_network_that_fastai_was_not_told_of_is_refused(monkeypatch):
    monkeypatch.delitem(model_meta, bb.resnet_mini, raising=False)
    refuses(TypeError, lambda: create_vision_model(bb.resnet_mini, 3), "backbone('resnet_mini')")
