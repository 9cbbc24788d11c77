"Other engines than PyTorch: the same features, the quickest of them, and PyTorch where nothing else works."
import builtins, os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest, torch
from torch import nn

from fastlessons.vision import engine

@pytest.fixture(scope='module')
def body():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(), nn.Conv2d(16, 32, 3, 2, 1, groups=4), nn.ReLU()]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    net[1].running_mean.uniform_(-.1, .1); net[1].running_var.uniform_(.5, 2)
    return net

@pytest.fixture(scope='module')
def pictures(): return torch.randn(6, 3, 48, 48, generator=torch.manual_seed(1))

@pytest.mark.parametrize('name', list(engine.ENGINES))
def test_the_same_features_in_any_batch_and_thread(body, pictures, name):
    if not find_spec(name): pytest.skip(f'{name} is not installed')
    with torch.inference_mode():
        run, right = engine.ENGINES[name](engine._as_onnx(body, pictures)), body(pictures)
        run(pictures)   # the first call from one thread, as in `fastest`
    parts = pictures.split([1, 2, 3])
    with ThreadPoolExecutor(3) as pool: found = torch.cat(list(pool.map(run, parts)))
    error = (found-right).abs().mean()/right.std()
    assert error < (.03 if name == 'openvino' else 1e-4)   # OpenVINO takes bfloat16 where the processor has it

def test_onnxruntime_is_told_to_report_nothing_before_it_is_imported(monkeypatch):
    "Else it writes to the folder of temporary files, and to its maker, while a head is trained."
    imports = builtins.__import__
    def spy(name, *args, **kw):
        if name == 'onnxruntime': raise ImportError(f"telemetry is off: {os.environ.get('ORT_DISABLE_TELEMETRY')}")
        return imports(name, *args, **kw)
    monkeypatch.setenv('ORT_DISABLE_TELEMETRY', 'x')   # so that what is set comes back
    monkeypatch.delenv('ORT_DISABLE_TELEMETRY')
    monkeypatch.setattr(builtins, '__import__', spy)
    with pytest.raises(ImportError, match='telemetry is off: 1'): engine._by_onnxruntime(b'')

def choose(monkeypatch, body, pictures, n=10_000, took=(2., 1.), **made):
    "Let `fastest` choose between PyTorch and one engine that is made up; seconds a batch are given."
    monkeypatch.setattr(engine, 'find_spec', lambda name: True)
    monkeypatch.setattr(engine, 'ENGINES', made)
    seconds = iter(took)
    monkeypatch.setattr(engine, '_seconds', lambda run, xb: next(seconds))
    with torch.inference_mode():
        name, run = engine.fastest(body, pictures, n)
        torch.testing.assert_close(run(pictures), body(pictures), atol=.02, rtol=.02)
    return name

def test_the_quickest_is_taken(monkeypatch, body, pictures):
    def other(model): return body
    assert choose(monkeypatch, body, pictures, other=other) == 'other'
    assert choose(monkeypatch, body, pictures, other=other, took=(1., 2.)) == 'torch'

def test_it_must_pay(monkeypatch, body, pictures):
    def other(model): raise AssertionError('nothing is written for a few pictures')
    assert choose(monkeypatch, body, pictures, n=6, other=other) == 'torch'

def test_an_engine_that_fails_or_computes_something_else_is_left_out(monkeypatch, body, pictures):
    def fails(model): raise RuntimeError('this network is too new')
    def wrong(model): return lambda xb: body(xb)*1.1 + .1
    assert choose(monkeypatch, body, pictures, other=fails) == 'torch'
    assert choose(monkeypatch, body, pictures, other=wrong) == 'torch'

def test_without_engines_pytorch_does_it(monkeypatch, body, pictures):
    monkeypatch.setattr(engine, 'find_spec', lambda name: None)
    with torch.inference_mode():
        name, run = engine.fastest(body, pictures, 10**6)
        assert name == 'torch' and torch.allclose(run(pictures), body(pictures), atol=.02, rtol=.02)
