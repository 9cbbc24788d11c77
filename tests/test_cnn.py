"The blocks of lesson 08, against PyTorch; the library's, which build on them: bad pictures, impossible settings, training, maps."
import copy, inspect, itertools, pickle, warnings
from functools import partial

import matplotlib.pyplot as plt, numpy as np, pytest, torch
from fastai.vision.all import (Callback, CrossEntropyLossFlat, Learner, PILImage, SGD, TensorImage, accuracy, create_vision_model,
                               set_seed)
from torch import nn
from torch.nn import functional as F

from conftest import refuses
from fastlessons.vision.backbone import backbone, resnet_mini
from fastlessons.vision.cnn import LayerStats, FastConv, PicsDL, QuickNet, SmallResNet, as_batch, _check_pics, cover_places, grad_cam, _moved, pic_dls, show_kernel, show_places
from fastlessons.data import get_data, read_cifar
from fastlessons.layers import ResidualBlock, conv_block, out_size
from fastlessons.simple import cnn as simple
from fastlessons.simple.colour import BothWays, cropped, mirrored, patterns, quick_net, whitening

fails = partial(refuses, limit=400, sentences=3)

# What lesson 08 builds, against PyTorch

@pytest.mark.parametrize('stride,padding', [*itertools.product((1, 2, 3), (0, 1, 2))])
def test_unfold_convolution_equals_torch(stride, padding):
    x, w = torch.randn(3, 2, 9, 7, dtype=torch.double), torch.randn(5, 2, 3, 3, dtype=torch.double)
    assert torch.allclose(simple.conv_unfold(x, w, stride, padding), F.conv2d(x, w, stride=stride, padding=padding))

def test_loops_equal_torch():
    x, w = torch.randn(2, 3, 6, 7, dtype=torch.double), torch.randn(4, 3, 3, 3, dtype=torch.double)
    assert np.allclose(simple.conv_loops(x.numpy(), w.numpy()), F.conv2d(x, w))

@pytest.mark.parametrize('k', [1, 2, 3, 5])
def test_our_gradient_equals_autograd(k):
    x, w = (torch.randn(*s, dtype=torch.double, requires_grad=True) for s in ((2, 3, 8, 7), (4, 3, k, k)))
    y = F.conv2d(x, w)
    g = torch.randn_like(y)
    for ours, theirs in zip(simple.conv_backward(x.detach(), w.detach(), g), torch.autograd.grad(y, (x, w), g)):
        assert torch.allclose(ours, theirs)

def test_our_norm_equals_torch():
    ours, theirs = simple.OurNorm(3), nn.BatchNorm2d(3)
    for _ in range(3):
        x = torch.randn(200, 3, 5, 5)*2 + 1
        assert torch.allclose(ours(x), theirs(x), atol=2e-3)
    assert torch.allclose(ours.vars.flatten(), theirs.running_var, rtol=1e-4)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-4)

@pytest.mark.parametrize('ks,stride,norm', [(3, 1, True), (4, 2, True), (5, 2, False), (1, 1, True)])
def test_the_librarys_block_is_the_lessons(ks, stride, norm):
    x, (ours, theirs) = torch.randn(2, 3, 9, 9), (f(3, 4, ks, stride, norm) for f in (simple.conv_block, conv_block))
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(x), theirs(x)) and str(ours) == str(theirs)

def test_the_librarys_skip_connection_is_the_lessons():
    x, (ours, theirs) = torch.randn(2, 3, 9, 9), (c(3, 4, 2) for c in (simple.ResidualBlock, ResidualBlock))
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(x), theirs(x)) and isinstance(theirs, simple.ResidualBlock)
    fails(ValueError, lambda: ResidualBlock(3, 0), 'nf is 0')
    fails(ValueError, lambda: ResidualBlock(3, 4, 1.5), 'stride is 1.5')

@pytest.mark.parametrize('kw', [dict(ni=1, size=8), dict(ni=3, n_out=4, size=33, nf=4, depth=2), dict(size=224, nf=2, drop=.5)])
def test_the_librarys_network_is_the_lessons(kw):
    nets = []
    for f in (simple.small_resnet, SmallResNet):
        torch.manual_seed(0)
        nets.append(f(**kw).eval())
    ours, theirs = nets
    x = torch.randn(2, kw.get('ni', 1), kw['size'], kw['size'])
    assert torch.equal(ours(x), theirs(x)) and list(ours.state_dict()) == list(theirs.state_dict())

def test_the_librarys_map_is_the_lessons():
    net, x = SmallResNet(3, 4, 32).eval(), torch.randn(2, 3, 32, 32)
    for c in (None, torch.tensor([0, 3])):
        with torch.no_grad(): feats = net[0](x)
        assert all(map(torch.equal, simple.class_map(net[1], feats, c), grad_cam(net, x, c)))

def test_old_names_say_what_they_are_called_now():
    import fastlessons.layers as layers, fastlessons.vision.cnn as cnn
    for m, old, new in ((cnn, 'ResNet', 'SmallResNet'), (cnn, 'ActivationStats', 'LayerStats'), (layers, 'ResBlock', 'ResidualBlock')):
        refuses(ImportError, lambda: getattr(m, old), new)

@pytest.mark.parametrize('f', [pic_dls, as_batch, grad_cam, SmallResNet, LayerStats, LayerStats.plot, LayerStats.hist, PicsDL, simple.conv_unfold], ids=lambda f: f.__qualname__)
def test_help_shows_what_each_parameter_is(f):
    for p in list(inspect.signature(f).parameters)[f.__qualname__.startswith('LayerStats.'):]: assert f'\n{p}: ' in f.__doc__, (p, f.__doc__)

# Sizes

def test_out_size_equals_torch():
    for size, ks, stride, padding in itertools.product(range(1, 12), range(1, 8), range(1, 5), range(4)):
        def conv(): return F.conv2d(torch.zeros(1, 1, size, size), torch.zeros(1, 1, ks, ks), stride=stride, padding=padding)
        if size + 2*padding >= ks: assert out_size(size, ks, stride, padding) == conv().shape[-1]
        else:
            fails(ValueError, lambda: out_size(size, ks, stride, padding), f'{ks} by {ks}', f'{size} by {size}', f'padding {padding}')
            with pytest.raises(RuntimeError): conv()

@pytest.mark.parametrize('kw,words', [
    (dict(stride=0), ['stride is 0', '1 or more']), (dict(stride=-1), ['stride is -1']), (dict(stride=1.5), ['stride is 1.5', 'whole number']),
    (dict(padding=-1), ['padding is -1', '0 or more']), (dict(ks=0), ['ks is 0']), (dict(size=0), ['size is 0'])])
def test_impossible_settings(kw, words):
    fails(ValueError, lambda: out_size(**dict(dict(size=8, ks=3), **kw)), *words)

@pytest.mark.parametrize('kw,words', [(dict(stride=0), ['stride is 0']), (dict(ks=0), ['ks is 0']), (dict(ni=0), ['ni is 0']),
                                      (dict(nf=-3), ['nf is -3']), (dict(up=0), ['up is 0']), (dict(up=.5), ['up is 0.5'])])
def test_impossible_blocks(kw, words): fails(ValueError, lambda: conv_block(**dict(dict(ni=1, nf=2), **kw)), *words)

def test_the_advice_about_padding_works():
    for size, ks in ((2, 5), (1, 4), (3, 4)):
        text = fails(ValueError, lambda: out_size(size, ks), 'padding=')
        assert out_size(size, ks, padding=int(text.split('padding=')[1].rstrip('.'))) >= 1

# Pictures

def test_as_batch_takes_what_people_have():
    a = np.arange(2*4*5).reshape(2, 4, 5)/40
    assert torch.equal(as_batch(a), torch.tensor(a).float()[:, None])
    for pics in (torch.tensor(a), list(a), list(torch.tensor(a)), tuple(a), a.astype(np.float32)): assert torch.equal(as_batch(pics), as_batch(a))
    colour = np.random.default_rng(0).random((2, 4, 5, 3))
    assert torch.equal(as_batch(colour), torch.tensor(colour).float().permute(0, 3, 1, 2))
    assert torch.equal(as_batch(torch.tensor(colour).permute(0, 3, 1, 2)), as_batch(colour))
    assert as_batch(torch.zeros(2, 3, 5, 3)).shape == (2, 3, 5, 3)   # channels come first where that is possible
    assert as_batch(a).is_contiguous() and as_batch(colour).dtype == torch.float32

def test_bytes_are_scaled():
    x = as_batch(np.array([[[0, 51], [102, 255]]], dtype=np.uint8))
    assert torch.allclose(x, torch.tensor([[[[0, .2], [.4, 1]]]])) and torch.equal(as_batch(x), x)

def test_bytes_from_0_to_1_are_hardly_pictures():
    with pytest.warns(UserWarning, match='nearly black'): as_batch(np.eye(4, dtype=np.uint8)[None])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        as_batch(np.zeros((1, 4, 4), np.uint8))

def test_a_list_of_pillow_pictures(capsys):
    ims = [PILImage.create(np.full((4, 6, 3), v, np.uint8)) for v in (0, 255)]
    assert as_batch(ims).shape == (2, 3, 4, 6)
    fails(ValueError, lambda: as_batch([ims[0], ims[1].convert('L')]), '(4, 6)', '(4, 6, 3)', 'grey or to colour')

NAN, INF = float('nan'), float('inf')
def with_(v): return torch.zeros(3, 1, 4, 4).index_put_((torch.tensor([1]), torch.tensor([0]), torch.tensor([2]), torch.tensor([2])), torch.tensor(v))

@pytest.mark.parametrize('pics,kind,words', [
    ([np.zeros((8, 8)), np.zeros((9, 8)), np.zeros((8, 8))], ValueError, ['2 different shapes', '(8, 8), (9, 8)', 'one size']),
    ([np.zeros((8, 8, 3)), np.zeros((8, 8))], ValueError, ['(8, 8), (8, 8, 3)']),
    ([], ValueError, ['There are no pictures']), (np.zeros((0, 8, 8)), ValueError, ['(0, 1, 8, 8)']),
    (np.zeros(8), ValueError, ['(8,)', '(n,h,w)']), (np.zeros((8, 8)), ValueError, ['(8, 8)', 'pics[None]']),
    (np.zeros((1, 2, 3, 8, 8)), ValueError, ['(1, 2, 3, 8, 8)']), (np.zeros((2, 8, 8), int), TypeError, ['torch.int64', 'floats from 0 to 1']),
    (np.zeros((2, 8, 8), bool), TypeError, ['torch.bool']), (with_(NAN), ValueError, ['1 of 3', '(1, 4, 4)', 'number 1']),
    (with_(INF), ValueError, ['NaN or infinity']), (with_(-INF), ValueError, ['nan_to_num'])])
def test_bad_pictures(pics, kind, words): fails(kind, lambda: as_batch(pics), *words)

@pytest.mark.parametrize('x,kind,words', [
    (torch.zeros(2, 3, 28, 28), ValueError, ['3 channels', '(2, 3, 28, 28)', 'Expected 1', 'x.mean(1, keepdim=True)']),
    (torch.zeros(2, 28, 28, 1), ValueError, ['(2, 28, 28, 1)', 'x.permute(0,3,1,2)']),
    (torch.zeros(28, 28), ValueError, ['(28, 28)', 'expected (n,1,h,w)']), (torch.zeros(2, 28, 28), ValueError, ['x[:,None]']),
    (torch.zeros(2, 1, 28, 28).byte(), TypeError, ['torch.uint8', 'as_batch(x)']), (torch.zeros(2, 1, 28, 28).long(), TypeError, ['torch.int64'])])
def test_a_network_refuses_other_pictures(x, kind, words): fails(kind, lambda: SmallResNet(1)(x), *words)

def test_the_advice_works():
    assert SmallResNet(1).eval()(torch.zeros(2, 28, 28, 1).permute(0, 3, 1, 2)).shape == (2, 10)
    assert SmallResNet(1).eval()(torch.zeros(2, 3, 28, 28).mean(1, keepdim=True)).shape == (2, 10)
    assert as_batch(torch.zeros(8, 8)[None]).shape == (1, 1, 8, 8)
    assert _check_pics(with_(NAN).nan_to_num(0)).sum() == 0

# Blocks

@pytest.mark.parametrize('ks,stride,up,norm', [*itertools.product((1, 3, 4, 5), (1, 2), (1, 2), (True, False))])
def test_block_sizes(ks, stride, up, norm):
    block, x = conv_block(3, 6, ks, stride, norm, up=up), torch.randn(2, 3, 16, 16)
    side = out_size(16*up, ks, stride, (ks-1)//2)
    assert block(x).shape == (2, 6, side, side)
    if ks % 2: assert side == 16*up//stride
    assert (block(x) >= 0).all() and sum(isinstance(m, nn.BatchNorm2d) for m in block) == norm
    assert (block[-3 if norm else -2].bias is None) == norm

def test_block_is_torchs_own():
    block, x = conv_block(3, 4, stride=2), torch.randn(8, 3, 9, 9)
    conv, bn, act = block
    assert torch.allclose(block(x), F.relu(F.batch_norm(F.conv2d(x, conv.weight, stride=2, padding=1), None, None, training=True)), atol=1e-5)
    assert isinstance(conv_block(1, 1, act=None)[-1], nn.BatchNorm2d)
    assert conv_block(1, 1, act=lambda: nn.LeakyReLU(.2))[-1].negative_slope == .2

@pytest.mark.parametrize('ni,size', [(1, 8), (1, 28), (3, 32), (3, 33), (1, 5), (3, 64), (3, 224), (4, 17), (1, 1), (1, 3)])
def test_resnet_takes_any_size(ni, size):
    net, x = SmallResNet(ni, 7, size, nf=4).eval(), torch.randn(2, ni, size, size)
    assert net(x).shape == (2, 7) and 1 <= net[0](x).shape[-1] <= 4
    assert net(torch.randn(1, ni, size+3, size+9)).shape == (1, 7)   # other sizes and oblong ones too
    net(x).sum().backward()

def test_resnet_depth_and_channels():
    def blocks(net): return sum(isinstance(m, simple.ResidualBlock) for m in net.modules())
    assert [blocks(SmallResNet(1, 10, 28, depth=d)) for d in (1, 2, 3)] == [2, 4, 6]
    assert SmallResNet(3, 5, 64, nf=8)[0](torch.zeros(1, 3, 64, 64)).shape[1] == 64
    fails(ValueError, lambda: SmallResNet(size=0), 'size is 0')
    fails(ValueError, lambda: SmallResNet(nf=0), 'nf is 0')

def test_resnet_is_an_ordinary_module():
    net = SmallResNet(1, 10, 8).eval()
    x = torch.randn(3, 1, 8, 8)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))): assert torch.equal(other(x), net(x))
    new = SmallResNet(1, 10, 8).eval()
    new.load_state_dict(net.state_dict())
    assert torch.equal(new(x), net(x))

# Batches

def test_shift_moves_by_whole_pixels():
    x = torch.arange(2*1*6*6.).view(2, 1, 6, 6)
    x[:, :, 0, 0] = 0
    x = x.repeat(40, 1, 1, 1)
    set_seed(0)
    seen = set()
    for a, b in zip(x, _moved(x, 2)):
        pad = F.pad(a, [2]*4)
        found = {(i, j) for i in range(5) for j in range(5) if torch.equal(pad[:, i:i+6, j:j+6], b)}
        assert len(found) == 1
        seen |= found
    assert len(seen) > 15

def test_shift_fills_with_the_corner():
    x = torch.full((5, 3, 6, 6), -2.)
    assert torch.equal(_moved(x, 1), x)

def digits(n=40): return torch.arange(n*64.).view(n, 1, 8, 8), torch.arange(n) % 10

def test_batches_hold_each_picture_once():
    x, y = digits()
    for shuffle in (False, True):
        bs = list(PicsDL(x, y, 8, shuffle=shuffle))
        xs, ys = (torch.cat(t) for t in zip(*bs))
        order = (xs[:, 0, 0, 0]/64).long()
        assert sorted(order.tolist()) == list(range(40)) and torch.equal(ys, order % 10)
        assert (order.tolist() == list(range(40))) is not shuffle
    assert [len(b[0]) for b in PicsDL(x, y, 16)] == [16, 16, 8] and [len(b[0]) for b in PicsDL(x, y, 16, shuffle=True)] == [16, 16]
    assert [len(b[0]) for b in PicsDL(x, y, 64, shuffle=True)] == [40]   # fewer pictures than a batch

def test_flip_mirrors_about_half():
    x, y = digits(400)
    xb, _ = PicsDL(x, y, 400, shuffle=True, flip=True).one_batch()
    flipped = (xb[:, 0, 0, 0] > xb[:, 0, 0, 7]).float().mean()
    assert .35 < flipped < .65

def test_validation_is_never_changed():
    x, y = digits()
    dls = pic_dls(x, y, x, y, bs=8, shift=2, flip=True, device=torch.device('cpu'))
    assert torch.equal(torch.cat([xb for xb, _ in dls.valid]), x)
    assert torch.equal(torch.cat([xb for xb, _ in dls.train.new(shuffle=False)]), x)
    assert not torch.equal(torch.cat([xb for xb, _ in dls.train.new()]), x)

@pytest.mark.parametrize('x,y,words', [(torch.zeros(3, 1, 8, 8), [0, 1], ['3 pictures and 2 labels']), (torch.zeros(2, 8, 8), [0, -1], ['label is -1']),
                                       (with_(NAN), [0, 1, 2], ['NaN'])])
def test_bad_batches(x, y, words): fails(ValueError, lambda: PicsDL(x, y), *words)

@pytest.mark.parametrize('kw,words', [(dict(bs=0), ['bs is 0']), (dict(bs=2.5), ['bs is 2.5']), (dict(shift=-1), ['shift is -1']),
                                      (dict(shift=.5), ['shift is 0.5', 'whole number'])])
def test_bad_settings_of_batches(kw, words): fails(ValueError, lambda: PicsDL(torch.zeros(2, 8, 8), [0, 1], **kw), *words)

@pytest.mark.parametrize('y,words', [([.5, 1.], ['float64', 'whole numbers from 0, (2,)']), (torch.eye(2).long(), ['(2, 2)'])])
def test_bad_labels(y, words): fails(TypeError, lambda: PicsDL(torch.zeros(2, 8, 8), y), *words)

def test_names_are_no_labels(): fails((TypeError, ValueError), lambda: PicsDL(torch.zeros(2, 8, 8), ['cat', 'dog']), 'whole numbers')

def test_files_are_no_pictures(tmp_path): fails(TypeError, lambda: as_batch([tmp_path/'cat.jpg']), 'cat.jpg', 'PILImage.create')

def test_one_pil_picture_is_a_batch():
    assert as_batch(PILImage.create(np.zeros((5, 6, 3), dtype=np.uint8))).shape == (1, 3, 5, 6)

# Training

def learner(*cbs, n=64, model=None, **kw):
    set_seed(0)
    x, y = torch.rand(n, 1, 8, 8), torch.arange(n) % 2
    x[y == 1, :, :4] += 1
    return Learner(pic_dls(x, y, x, y, bs=16), model or SmallResNet(1, 2, 8, nf=4), loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=cbs, **kw)

def quiet(learn, epochs=2, lr=1e-2):
    with learn.no_bar(), learn.no_logging(): learn.fit(epochs, lr)
    return learn

def test_it_learns_and_predicts():
    learn = quiet(learner(FastConv()), 6)
    assert learn.validate()[1] > .9
    with learn.no_bar(): preds, targs = learn.get_preds()
    assert (preds.argmax(1) == targs).float().mean() > .9 and torch.equal(targs, torch.arange(64) % 2)

def test_fast_conv_leaves_no_trace():
    learn = quiet(learner(FastConv()))
    assert 'forward' not in vars(learn.model)
    pickle.dumps(learn.model)
    assert all(p.dtype == torch.float32 for p in learn.model.parameters())
    class Stop(Callback):
        def after_pred(self): raise KeyError('stopped')
    learn = learner(FastConv(), Stop())
    with pytest.raises(KeyError): quiet(learn)
    learn.remove_cb(Stop)
    quiet(learn)
    assert 'forward' not in vars(learn.model) and not torch.is_autocast_enabled('cpu')

def test_fast_conv_changes_little():
    a, b = (quiet(learner(*cbs), 1, 1e-3).validate()[0] for cbs in ((), (FastConv(),)))
    assert abs(a-b) < .05

def test_stats_are_right():
    seen = []
    class Watch(Callback):
        def after_pred(self):
            if self.training: seen.append(self.learn.pred.detach().cpu())
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.ReLU(), nn.Linear(3, 2))
    last = nn.Sequential(*model, nn.Identity())
    learn = quiet(learner(LayerStats([last[-1]], lim=(-3, 3)), Watch(), model=last))
    stats = learn.layer_stats
    assert len(stats.stats) == 8 == len(seen)
    assert torch.allclose(stats.layer_stats('mean')[0], torch.stack([s.mean() for s in seen]))
    assert torch.allclose(stats.layer_stats('std')[0], torch.stack([s.std() for s in seen]))
    assert torch.allclose(stats.hist(0)[:, 3].expm1().sum(), torch.tensor(float(seen[3].numel())))

def test_dead_units_are_counted():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    model[0].bias.data = torch.tensor([-99., 1, -99, 1])
    model[0].weight.data.abs_()
    assert torch.equal(quiet(learner(LayerStats(), model=model), 1, 0.).layer_stats.layer_stats('dead'), torch.full((1, 4), .5))

def test_stats_live_through_validation_and_more_training():
    learn = quiet(learner(LayerStats()))
    stats = learn.layer_stats
    with learn.no_bar(): learn.validate(), learn.get_preds()
    assert len(stats.stats) == 8 and not any(m._forward_hooks for m in learn.model.modules())
    quiet(learn, 1)
    assert len(stats.stats) == 4   # of the last training
    assert [type(m).__name__ for m in stats.watched] == ['ReLU', 'ReLU', 'ResidualBlock']

def test_stats_draw():
    stats = quiet(learner(LayerStats())).layer_stats
    own = plt.subplots(1, 3)[1]
    for axs in (stats.plot(), stats.plot_hist(), stats.plot(2, axs=own), stats.plot_hist(axs=own)):
        for ax in axs: assert ax.get_xlabel() == 'step' and ax.get_title()
    assert axs is own
    plt.close('all')
    fails(ValueError, lambda: LayerStats().plot(), 'Nothing is recorded yet')

def test_stats_without_layers():
    fails(ValueError, lambda: quiet(learner(LayerStats(), model=nn.Sequential(nn.Flatten(), nn.Linear(64, 2)))), 'no activation layer', 'watched=')

def test_stats_survive_nan():
    learn = learner(LayerStats(), opt_func=SGD)
    quiet(learn, 1, 1e30)
    assert learn.layer_stats.layer_stats('mean').isnan().any()
    learn.layer_stats.plot(), learn.layer_stats.plot_hist()

def test_stats_take_up_again_after_a_stop():
    class Stop(Callback):
        def after_batch(self): raise KeyError('stopped')
    learn = learner(LayerStats(), Stop())
    with pytest.raises(KeyError): quiet(learn)
    learn.remove_cb(Stop)
    assert len(quiet(learn).layer_stats.stats) == 8

# Maps

def test_cam_equals_the_paper():
    net, x = SmallResNet(3, 4, 32).eval(), torch.randn(2, 3, 32, 32)
    for c in (None, 1, torch.tensor([0, 3])):
        maps, said = grad_cam(net, x, c)
        with torch.no_grad(): by_hand = F.relu(torch.einsum('nfhw,nf->nhw', net[0](x), net[1][-1].weight[said]))
        assert torch.allclose(maps, by_hand/by_hand.amax((1, 2), keepdim=True).clamp(min=1e-8), atol=1e-5)
    assert torch.equal(grad_cam(net, x)[1], net(x).argmax(1))

def test_cam_leaves_the_model_as_it_was():
    net, x = SmallResNet(1, 3, 8).train(), torch.randn(2, 1, 8, 8)
    before = copy.deepcopy(net.state_dict())
    with torch.no_grad(): maps, _ = grad_cam(net, TensorImage(x))
    assert net.training and all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values()))
    assert all(p.grad is None for p in net.parameters()) and type(maps) is torch.Tensor
    assert maps.min() >= 0 and maps.max() <= 1 and not maps.requires_grad

def test_cam_finds_the_thing():
    "The network knows a pattern by one corner; the map must point there."
    body, head = nn.Conv2d(1, 2, 1), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    for p, v in zip([*body.parameters(), *head.parameters()], ([[[[1.]]], [[[0.]]]], [0., 0.], [[1., 0.], [0., 0.]], [0., 0.])): p.data = torch.tensor(v)
    x = torch.zeros(1, 1, 6, 6)
    x[0, 0, 4, 1] = 1
    maps, c = grad_cam(nn.Sequential(body, head), x)
    assert c.tolist() == [0] and maps[0].argmax() == 4*6+1

def test_cam_of_fastais_learner():
    model = create_vision_model(backbone('resnet_mini'), 3)
    maps, c = grad_cam(model, torch.randn(2, 3, 64, 64))
    assert maps.shape == (2, 4, 4) and c.shape == (2,)

@pytest.mark.parametrize('f,kind,words', [
    (lambda: grad_cam(resnet_mini(None), torch.zeros(1, 3, 32, 32)), TypeError, ['nn.Sequential(body, head)', 'Sequential of 10 parts']),
    (lambda: grad_cam(nn.Linear(2, 2), torch.zeros(1, 3, 32, 32)), TypeError, ['this is Linear']),
    (lambda: grad_cam(SmallResNet(3), torch.full((1, 3, 32, 32), NAN)), ValueError, ['NaN']),
    (lambda: grad_cam(SmallResNet(3), torch.zeros(3, 32, 32)), ValueError, ['(3, 32, 32)', 'x[None]']),
    (lambda: grad_cam(nn.Sequential(nn.Sequential(*SmallResNet(1)[0], nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(64, 2)), torch.zeros(2, 1, 28, 28)),
     TypeError, ['expected a grid', 'before the pooling']),
    (lambda: grad_cam('model', torch.zeros(1, 3, 32, 32)), TypeError, ["Learner's .model", 'this is str']),
    (lambda: grad_cam(SmallResNet(3), torch.zeros(1, 3, 32, 32), 99), ValueError, ['no class 99', '0 to 9'])])
def test_cam_refuses(f, kind, words): fails(kind, f, *words)

@pytest.mark.parametrize('case', [(6, 3, 1, 0), (6, 3, 2, 1), (7, 5, 2, 2)])
def test_the_drawn_places_are_all_places(case):
    ax = show_places(*case)
    size, ks, stride, padding = case
    grid = F.pad(torch.arange(size*1.).view(1, 1, 1, -1).expand(1, 1, size, -1), [padding]*4)
    assert len(ax.lines[0].get_xdata()) == simple.windows(grid, ks, stride)[0, 0].flatten(2).shape[:2].numel() and f': {out_size(*case)}' in ax.get_title()
    plt.close('all')

# What a kernel finds, and what is left when places are covered

def test_a_kernel_its_numbers_and_what_it_finds():
    pic, kernel = torch.rand(9, 8), torch.tensor([[1., 1, 1], [1, -.5, 1], [1, 1, 1]])/9
    axs = show_kernel(pic, kernel, 'mine')
    found = F.conv2d(pic[None, None], kernel[None, None])[0, 0]
    assert np.allclose(axs[2].images[0].get_array(), found, atol=1e-6) and axs[1].get_title() == 'mine'
    assert len(axs[1].texts) == 9 and all(len(t.get_text()) <= 6 for t in axs[1].texts)   # 1/9 does not run into its neighbour
    image = axs[1].images[0]
    red, green, blue, _ = image.cmap(image.norm(kernel.max().item()))
    assert .299*red + .587*green + .114*blue > .5   # black digits can be read on the darkest cell
    plt.close('all')

def test_a_kernel_of_zeros_and_numbers_that_are_whole():
    show_kernel(torch.ones(4, 4, dtype=torch.int64), torch.zeros(3, 3, dtype=torch.int64))
    plt.close('all')

@pytest.mark.parametrize('bright', [True, False])
def test_the_places_that_are_covered(bright):
    maps = torch.tensor([[[.1, .9], [.2, .3]], [[.7, .6], [.5, .8]]])
    out = cover_places(torch.ones(2, 3, 8, 8), maps, 2, bright)
    kept = out[:, 0, ::4, ::4]   # one pixel of each place
    assert torch.equal(out, kept.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].expand(2, 3, 8, 8))
    covered = maps[kept == 0].view(2, 2).sort().values
    assert torch.allclose(covered, torch.tensor([[.3, .9], [.7, .8]] if bright else [[.1, .2], [.5, .6]]))

@pytest.mark.parametrize('k', [0, 1.5, -1])
def test_places_to_cover_are_counted(k): fails((ValueError, TypeError), lambda: cover_places(torch.ones(1, 1, 4, 4), torch.ones(1, 2, 2), k), 'k')

def test_maps_of_other_pictures_are_refused(): fails(ValueError, lambda: cover_places(torch.ones(2, 1, 4, 4), torch.ones(1, 2, 2), 1), 'pictures', 'maps')

# Colour pictures

@pytest.mark.slow
def test_cifar_sample_is_drawn_once(home, monkeypatch, capsys):
    from fastlessons.samples import pictures
    path = get_data('cifar10', 'sample')
    assert 'the sample: drawn boats' in capsys.readouterr().out
    x, y, xv, yv, classes = read_cifar(path)
    assert x.shape == (600, 32, 32, 3) and xv.shape == (150, 32, 32, 3) and x.dtype == np.uint8
    assert np.bincount(y).tolist() == [100]*6 and np.bincount(yv).tolist() == [25]*6 and classes[0] == 'boat'
    assert not (x[:150] == xv).all((1, 2, 3)).any()
    monkeypatch.setattr(pictures, 'draw_thing', None)   # the second time nothing is drawn
    assert get_data('cifar10', 'sample') == path

def test_cifar_damaged(tmp_path):
    with pytest.raises(FileNotFoundError): read_cifar(tmp_path)
    (tmp_path/'cifar10.npz').write_bytes(b'PK\3\4 cut off')
    fails(ValueError, lambda: read_cifar(tmp_path), 'cifar10.npz is damaged', 'Get it again')
    np.savez(tmp_path/'cifar10.npz', x_train=np.zeros(3))
    fails(ValueError, lambda: read_cifar(tmp_path), 'lacks one of', 'y_train')

def test_cifar_of_real_data(shared):
    x, y, xv, yv, classes = read_cifar(get_data('cifar10', shared/'data'))
    assert len(x) == len(y) == 4000 and len(xv) == len(yv) == 1000 and len(classes) == 10

# Lesson 14: patterns, a computed first layer, flips and crops, a quick network

def smooth_pics(n=60, side=32):
    g = torch.Generator().manual_seed(0)
    return F.interpolate(torch.rand(n, 3, 8, 8, generator=g), size=side, mode='bilinear')

def test_whitened_patches_vary_alike():
    "By hand: the covariance of what the kernels give is the identity, where patches vary enough."
    x = smooth_pics()
    x = (x - x.mean((0, 2, 3), keepdim=True))/x.std((0, 2, 3), keepdim=True)
    vary, rows = patterns(x, 4)
    assert (vary[:-1] >= vary[1:]).all() and vary.min() >= 0
    assert torch.allclose(rows@rows.T, torch.eye(48), atol=1e-4)
    conv = whitening(x, n=8, few=0.)
    out = F.conv2d(x, conv.weight, stride=2).transpose(0, 1).flatten(1)
    assert torch.allclose(torch.cov(out[:8]), torch.eye(8), atol=.05)
    assert torch.equal(out[:8], -out[8:]) and not conv.weight.requires_grad and conv(x).shape == (60, 16, 16, 16)

def test_flips_and_crops_only_move():
    x = torch.rand(300, 2, 6, 5)
    flipped = mirrored(x)
    back = (flipped == x.flip(3)).flatten(1).all(1)
    assert ((flipped == x).flatten(1).all(1) ^ back).all() and 100 < back.sum() < 200
    moved = cropped(x, 1)
    assert moved.shape == x.shape and torch.equal(cropped(x, 0), x)
    padded = F.pad(x, [1]*4, mode='reflect')
    places = torch.stack([(padded[:, :, i:i+6, j:j+5] == moved).flatten(1).all(1) for i in range(3) for j in range(3)])
    assert places.any(0).all() and places.any(1).all()   # each picture is one of nine, and all nine come

def test_both_ways_cannot_tell_left_from_right():
    net = quick_net([torch.nn.Conv2d(3, 8, 4, 2, 1)], n_out=4, nf=8).eval()
    x = smooth_pics(5)
    out = BothWays(net)(x)
    assert torch.allclose(out, BothWays(net)(x.flip(3)), atol=1e-6) and torch.allclose(out.sum(1), torch.ones(5))

@pytest.mark.parametrize('skip', [False, True])
@pytest.mark.parametrize('size', [(32, 32), (33, 40), (16, 16)])
def test_quick_net_takes_pictures_of_other_sizes(skip, size):
    assert quick_net([torch.nn.Conv2d(3, 8, 4, 2, 1)], 4, 8, skip=skip)(torch.rand(2, 3, *size)).shape == (2, 4)

def test_quick_net_of_the_library_keeps_what_it_saw(tmp_path):
    x = smooth_pics()
    bytes_last = (x*255).round().byte().permute(0, 2, 3, 1).numpy()
    net, other = QuickNet(bytes_last, 4, 8).eval(), QuickNet(x/2, 4, 8).eval()
    assert not torch.allclose(net(x), other(x))
    other.load_state_dict(net.state_dict())   # the mean, the spread, the whitening come along
    assert torch.equal(net(x), other(x))
    assert grad_cam(net, x)[0].shape == (60, 4, 4)

@pytest.mark.parametrize('pics,kwargs,words', [
    (torch.rand(40, 3, 8, 8), {}, ['8 by 8', '16 by 16']), (torch.rand(5, 3, 32, 32), {}, ['5 pictures', 'too few']),
    (torch.rand(40, 3, 32, 32), dict(n_out=1), ['n_out']), (torch.rand(40, 3, 32, 32), dict(nf=15), ['even']),
    (torch.rand(40, 1, 32, 32), dict(nf=64), ['nf is 64']), (torch.full((40, 3, 32, 32), torch.nan), {}, ['NaN']),
    ([np.zeros((32, 32, 3)), np.zeros((32, 31, 3))], {}, ['different shapes']), ([], {}, ['no pictures'])])
def test_quick_net_refuses(pics, kwargs, words): fails(ValueError, lambda: QuickNet(pics, **kwargs), *words)
