"Training on a graphics card, where there is one: the same numbers, and errors that stay what they are."

import pytest, torch
from torch import nn

from fastlessons.train import Batches, Checkpoint, Clip, Device, EarlyStopping, OneCycle, fit, validate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='no NVIDIA GPU here')

def points(n=2048):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, 20, generator=g)
    return x, (x[:, :3].sum(1) > 0).long()

def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 2))

def dls(): return Batches(*points()), Batches(*points(256))

def right(preds, targs): return (preds.argmax(1) == targs).float().mean()

@pytest.mark.parametrize('opt_func', [torch.optim.AdamW, None])
def test_the_same_parameters_as_on_the_processor(opt_func):
    kw = dict(opt_func=opt_func) if opt_func else {}
    logs, nets = [], []
    for device in ('cpu', 'cuda'):
        m = net()
        logs.append(fit(m, dls(), 3, .01, metrics=right, cbs=[Device(device), OneCycle(), Clip(1.)], show=False, **kw))
        assert next(m.parameters()).device.type == 'cpu'   # it is where it was
        nets.append(m)
    for k in logs[0]: assert logs[0][k] == pytest.approx(logs[1][k], abs=1e-3), k
    for p, q in zip(*(m.parameters() for m in nets)): torch.testing.assert_close(p, q, atol=5e-3, rtol=1e-2)

def test_the_batches_follow_the_model():
    m, seen = net().cuda(), []
    m.register_forward_pre_hook(lambda mod, xb: seen.append(xb[0].device.type))
    fit(m, dls(), 1, .01, show=False)
    assert set(seen) == {'cuda'} and next(m.parameters()).device.type == 'cuda'
    assert len(validate(m, dls()[1], metrics=right)) == 2

def test_a_checkpoint_made_there_goes_on_there(tmp_path):
    class Stop:
        def after_epoch(self, run):
            if run.epoch == 2: raise KeyboardInterrupt
    def cbs(*more): return [Device('cuda'), OneCycle(), EarlyStopping(9), Checkpoint(tmp_path/'run'), *more]
    def shuffled(): return Batches(*points(), shuffle=True), dls()[1]
    whole, broken = net(), net()
    torch.manual_seed(3)
    want = fit(whole, shuffled(), 4, .01, opt_func=torch.optim.AdamW, cbs=cbs(), show=False)
    torch.manual_seed(3)
    late = Stop()
    late.order = 200   # after the file is written
    with pytest.raises(KeyboardInterrupt): fit(broken, shuffled(), 4, .01, opt_func=torch.optim.AdamW, cbs=cbs(late), show=False)
    again = net()
    got = fit(again, shuffled(), 4, .01, opt_func=torch.optim.AdamW, cbs=cbs(), show=False)
    assert got['train'] == pytest.approx(want['train'], rel=1e-5)
    for p, q in zip(whole.parameters(), again.parameters()): torch.testing.assert_close(p, q, atol=1e-5, rtol=1e-4)

def test_out_of_memory_stays_out_of_memory():
    class Hungry(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(20, 2)
        def forward(self, x): return self.lin(x) + torch.empty(1 << 45, device=x.device)[:1]
    with pytest.raises(torch.OutOfMemoryError): fit(Hungry(), dls(), 1, .01, cbs=Device('cuda'), show=False)

def test_two_bytes_learn_about_as_much_as_four():
    logs, kinds = [], set()
    class See:
        def after_loss(self, run): kinds.add((run.preds.dtype, run.loss.dtype))
    for bf16 in (False, True): logs.append(fit(net(), dls(), 3, .01, metrics=right, cbs=[Device('cuda', bf16=bf16), See()], show=False))
    assert kinds == {(torch.float32, torch.float32)}
    assert logs[0]['valid'] == pytest.approx(logs[1]['valid'], abs=.05)
    assert not torch.is_autocast_enabled('cuda')
