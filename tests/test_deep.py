"What lesson 13 put into `train`, `layers` and `check`: changed batches, the device, a look inside, times of a graphics card."
import json, subprocess, sys

import pandas as pd, pytest, torch
from torch import nn

from conftest import ROOT
from fastlessons import check
from fastlessons.layers import activations, fast_bf16
from fastlessons.train import Augment, Batches, Device, EarlyStopping, fit, seconds_a_step

def data(n=40):
    x = torch.randn(n, 4, generator=torch.manual_seed(0))
    return x, (x[:, 0] > 0).long()

def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

def quiet(model, *cbs, dls=None, **kw): return fit(model, dls or (Batches(*data()), Batches(*data())), 2, .1, show=False, cbs=cbs, **kw)

# Augment

def test_only_the_training_set_is_changed():
    seen = {True: [], False: []}
    model = net()
    model.register_forward_pre_hook(lambda m, given: seen[m.training].append(given[0]))
    quiet(model, Augment(lambda xb: xb + 100))
    assert all(xb.min() > 50 for xb in seen[True]) and all(xb.max() < 50 for xb in seen[False]) and len(seen[False]) == 2

def test_other_inputs_stay_as_they_are():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(4, 2)
        def forward(self, a, b):
            assert a.mean() > 50 and b.mean() < 50
            return self.lin(a + b)
    x, y = data()
    quiet(Two(), Augment(lambda xb: xb + 100), dls=([(x, x, y)], None))

def test_what_augments_must_keep_the_rows():
    with pytest.raises(ValueError, match='40 rows of data and 3'): quiet(net(), Augment(lambda xb: xb[:3]), dls=([data()], None))
    with pytest.raises(TypeError, match='int'): Augment(3)

# Device

def test_a_device_that_is_not_there_is_named():
    with pytest.raises(RuntimeError, match="'gpu'"): Device('gpu')
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="'cuda'"): Device('cuda')

def test_bf16_multiplies_with_two_bytes_and_keeps_parameters_and_loss():
    model, inside, outside = net(), [], []
    model[0].register_forward_hook(lambda m, given, out: inside.append((m.training, out.dtype)))
    class See:
        def after_loss(self, run): outside.extend([run.preds.dtype, run.loss.dtype, torch.is_autocast_enabled('cpu')])
    log, plain = quiet(model, Device('cpu', bf16=True), See()), quiet(net())
    assert {d for training, d in inside if training} == {torch.bfloat16} and {d for training, d in inside if not training} == {torch.float32}
    assert set(outside) == {torch.float32, False} and {p.dtype for p in model.parameters()} == {torch.float32}
    assert log['train'] == pytest.approx(plain['train'], abs=.02)

@pytest.mark.parametrize('moment', ['before_batch', 'after_predict', 'after_loss'])
def test_a_training_that_stops_leaves_nothing_switched_on(moment):
    class Stop: pass
    def stop(self, run): raise KeyboardInterrupt
    setattr(Stop, moment, stop)
    with pytest.raises(KeyboardInterrupt): quiet(net(), Device('cpu', bf16=True), Stop())
    assert not torch.is_autocast_enabled('cpu')
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(4, 2)
        def forward(self, x): raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError): quiet(Broken(), Device('cpu', bf16=True))
    assert not torch.is_autocast_enabled('cpu')

def test_bf16_together_with_other_callbacks():
    model = net()
    quiet(model, Device('cpu', bf16=True), EarlyStopping(1), Augment(lambda xb: -xb))
    assert not model.training

def test_full_memory_names_the_batch():
    class Hungry(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(4, 2)
        def forward(self, x): return self.lin(x) + torch.empty(1 << 55)[:1]
    with pytest.raises(RuntimeError, match='40 rows in a batch'): quiet(Hungry())
    with pytest.raises(RuntimeError) as e: quiet(net(), dls=([(torch.randn(5, 3), torch.zeros(5).long())], None))
    assert 'memory' not in str(e.value)   # another error stays what it is

def test_seconds_a_step():
    model = net()
    found = [seconds_a_step(model, *data(), 'cpu', bf16=bf16, steps=2) for bf16 in (False, True)]
    assert all(0 < s < 5 for s in found) and next(model.parameters()).device.type == 'cpu'
    with pytest.raises(RuntimeError, match="'gpu'"): seconds_a_step(model, *data(), 'gpu')
    with pytest.raises(ValueError, match='steps'): seconds_a_step(model, *data(), 'cpu', steps=0)

# A look inside

def test_activations_are_those_of_eval_and_nothing_changes():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(.5), nn.Linear(8, 2), nn.Tanh())
    x = data()[0]
    before = [t.clone() for t in model.state_dict().values()]
    relu, = activations(model, x)
    assert model.training and all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values()))
    assert not relu.requires_grad
    model.eval()
    torch.testing.assert_close(relu, model[:3](x))
    both = activations(model, x, (nn.ReLU, nn.Tanh))
    assert len(both) == 2 and not model.training
    torch.testing.assert_close(both[1], model(x))

def test_activations_of_a_layer_that_is_not_there():
    model = net()
    with pytest.raises(ValueError, match='Linear'): activations(model, data()[0], nn.Tanh)
    with pytest.raises(RuntimeError): activations(model, torch.randn(3, 9))
    assert model.training and not any(m._forward_hooks for m in model.modules())   # no hook is left after an error

def test_a_pytorch_that_cannot_tell_about_bfloat16(monkeypatch):
    assert fast_bf16() in (True, False)
    monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    assert fast_bf16() is None

# Times of a graphics card

def test_times_of_a_card_stand_beside_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(check, 'gpu_file', lambda: tmp_path/'gpu.json')
    here = pd.DataFrame({'cpu': [1.5, 20.]}, [64, 512])
    table = check.gpu_results('13', here)
    assert 'not yet' in table.columns[1] and list(table.iloc[:, 1]) == ['–', '–'] and list(table['cpu']) == [1.5, 20]
    kept = dict(device='A card', when='2026-01-02', torch='2', milliseconds=dict(float32={'64': .5, '4096': 9.}))
    (tmp_path/'gpu.json').write_text(json.dumps({'13': kept}))
    table = check.gpu_results('13', here)
    assert table.columns[1] == 'A card, 2026-01-02: float32' and list(table.iloc[:, 1]) == [.5, '–']
    assert 'not yet' in check.gpu_results('14', here).columns[1] and list(here.columns) == ['cpu']

def test_kept_times_can_be_shown():
    "What is committed, if anything is."
    if check.gpu_file().is_file():
        for kept in json.loads(check.gpu_file().read_text()).values(): assert set(kept) == {'device', 'when', 'torch', 'milliseconds'}

@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no NVIDIA GPU here')
def test_the_benchmark_keeps_what_it_measured(tmp_path):
    out = tmp_path/'gpu.json'
    subprocess.run([sys.executable, ROOT/'benchmarks/gpu.py', '--out', out], check=True)
    assert json.loads(out.read_text())['13']['milliseconds']['float32'].keys() == {'64', '512', '4096'}
