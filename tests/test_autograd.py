"The engine of lesson 11 against torch and finite differences, and what it refuses."
import copy, io, time, tokenize, warnings
from pathlib import Path

import numpy as np, pytest, torch
from hypothesis import HealthCheck, given, settings, strategies as st
from torch.nn import functional as F

from conftest import refuses
from fastlessons import autograd
from fastlessons.autograd import SGD, Linear, Module, Tensor, cross_entropy, operation, topological_order, unbroadcast, unfold
from fastlessons.simple.foundations import Value

@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield

def nudged(f, x, eps=1e-5):
    "Return the slopes of f, which gives one number, by finite differences."
    out = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = eps
        out[at] = (f(x + step) - f(x - step))/(2*eps)
    return out

# Against torch

UNARY = {'relu': lambda a: a.relu(), 'log': lambda a: (a*a + 1).log(), 'exp': lambda a: (a*a*-1).exp(), 'minus': lambda a: 2 - a, 'half': lambda a: a*.5}
BINARY = {'add': lambda a, b: a + b, 'sub': lambda a, b: a - b, 'mul': lambda a, b: a*b*.5, 'add twice': lambda a, b: a + b + a}
SHAPES = [(3, 4), (4,), (1, 4), (3, 1), (), (1, 1)]

@st.composite
def graphs(draw):
    "Return a recipe: shapes of the leaves, and steps (name, places of sources among all that there is)."
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4))
    steps = []
    for k in range(draw(st.integers(1, 8))):
        name = draw(st.sampled_from([*UNARY, *BINARY, 'matmul', 'sum0', 'rows', 'reshape']))
        places = [draw(st.integers(0, len(shapes) + k - 1)) for _ in range(2)]
        steps.append((name, *places))
    return shapes, steps, draw(st.integers(0, 1000))

def build(leaves, steps, square, sum0, rows):
    "Make a graph of the engine's tensors, or of torch's, by a recipe."
    pool = list(leaves)
    for name, i, j in steps:
        a, b = pool[i], pool[j]
        if name in UNARY: a = UNARY[name](a)
        elif name in BINARY: a = BINARY[name](a, b)
        else:
            a = a + leaves[-1]   # (3, 4)
            if name == 'matmul': a = (a @ square)*.3
            if name == 'sum0': a = sum0(a)
            if name == 'rows': a = rows(a)
            if name == 'reshape': a = a.reshape(4, 3).reshape(3, 4)
        pool.append(a)
    return sum((p.sum() for p in pool), 0.)

SPENT = []

@settings(max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def compare(recipe):
    "The slopes of a random graph are torch's."
    start = time.process_time()
    shapes, steps, seed = recipe
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=s) for s in [*shapes, (4, 4), (3, 4)]]
    mine, theirs = [Tensor(s) for s in starts], [torch.tensor(s, requires_grad=True) for s in starts]
    steps = [(n, i + 2*(i >= len(shapes)), j + 2*(j >= len(shapes))) for n, i, j in steps]   # after the two more leaves
    which = np.array([0, 2, 2])
    end = build(mine, steps, mine[-2], lambda a: a.sum(0), lambda a: a[which])
    other = build(theirs, steps, theirs[-2], lambda a: a.sum(0, keepdim=True), lambda a: a[torch.tensor(which)])
    end.backward()
    other.backward()
    assert np.allclose(end.data, other.item(), rtol=1e-10)
    for m, t in zip(mine, theirs):
        right = 0 if t.grad is None else t.grad.numpy()
        assert m.grad.shape == m.data.shape
        assert np.allclose(m.grad, right, rtol=1e-9, atol=1e-9)
    SPENT.append(time.process_time() - start)

def test_200_random_graphs():
    compare()
    assert len(SPENT) >= 200 and sum(SPENT) < 5

def both(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=s) for s in shapes]
    return [Tensor(s) for s in starts], [torch.tensor(s, requires_grad=True) for s in starts]

@pytest.mark.parametrize('n, side, c, k, stride', [(2, 6, 3, 2, 1), (2, 6, 3, 2, 2), (1, 7, 1, 3, 2), (2, 5, 2, 5, 1), (3, 6, 2, 3, 2), (1, 4, 1, 1, 3)])
def test_a_convolution_is_torchs(n, side, c, k, stride):
    (x, w), _ = both((n, side, side, c), (k*k*c, 4))
    p = torch.tensor(x.data).permute(0, 3, 1, 2).requires_grad_()
    q = torch.tensor(w.data.reshape(k, k, c, 4)).permute(3, 2, 0, 1).requires_grad_()
    out = unfold(x, k, stride) @ w
    other = F.conv2d(p, q, stride=stride)
    assert np.allclose(out.data.reshape(n, *other.shape[2:], 4), other.detach().permute(0, 2, 3, 1))
    (out*out).sum().backward()
    (other*other).sum().backward()
    assert np.allclose(x.grad, p.grad.permute(0, 2, 3, 1))
    assert np.allclose(w.grad.reshape(k, k, c, 4), q.grad.permute(2, 3, 1, 0))

def test_cross_entropy_is_torchs():
    (a,), (b,) = both((6, 4))
    right = np.array([0, 1, 2, 3, 3, 0])
    mine, theirs = cross_entropy(a*100, right), F.cross_entropy(b*100, torch.tensor(right))
    (mine*3).backward()
    (theirs*3).backward()
    assert np.allclose(mine.data, theirs.item()) and np.allclose(a.grad, b.grad)
    assert np.isfinite(cross_entropy(Tensor([[1e4, -1e4]]), [1]).data)

def test_training_is_torchs():
    "Fifty steps of two layers: the same losses and parameters."
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 8)), rng.integers(0, 3, 20)
    one, two = Linear(8, 5, rng), Linear(5, 3, rng)
    params = [one.w, one.b, two.w, two.b]
    for p in params: p.data = p.data.astype(float)
    copies = [torch.tensor(p.data, requires_grad=True) for p in params]
    opts = SGD(params, .1), torch.optim.SGD(copies, .1)
    for _ in range(50):
        w1, b1, w2, b2 = copies
        losses = cross_entropy(two(one(x).relu()), y), F.cross_entropy((torch.tensor(x) @ w1 + b1).relu() @ w2 + b2, torch.tensor(y))
        for loss, opt in zip(losses, opts):
            loss.backward()
            opt.step()
            opt.zero_grad()
        assert np.allclose(losses[0].data, losses[1].item(), atol=1e-12)
    assert all(np.allclose(p.data, c.detach(), atol=1e-12) for p, c in zip(params, copies))

# Finite differences

OPS = {'add': (lambda a, b: a + b, (3, 4), (4,)), 'sub': (lambda a, b: a - b, (3, 1), (4,)), 'mul': (lambda a, b: a*b, (2, 1, 3), (2, 1)),
       'matmul': (lambda a, b: a @ b, (3, 4), (4, 2)), 'relu': (lambda a: a.relu(), (3, 4)), 'exp': (lambda a: a.exp(), (3,)),
       'log': (lambda a: (a*a + 1).log(), (3,)), 'sum': (lambda a: a.sum(1)*a, (3, 4)), 'mean': (lambda a: a.mean()*a, (3, 4)),
       'reshape': (lambda a: a.reshape(2, -1), (4, 3)), 'rows': (lambda a: a[[[1, 1], [0, 1]]], (3, 2)),
       'unfold': (lambda a: unfold(a, 2, 1), (2, 3, 4, 2)), 'cross_entropy': (lambda a: cross_entropy(a, [1, 0]), (2, 3)),
       'numbers': (lambda a: 2*a - 1 + [1., 2.], (3, 2)), 'array first': (lambda a: np.ones((2, 3)) @ a + np.float64(2)*a[[0, 1]], (3, 2))}

@pytest.mark.parametrize('name', OPS)
def test_finite_differences(name):
    f, *shapes = OPS[name]
    rng = np.random.default_rng(1)
    starts = [rng.normal(size=s) for s in shapes]
    weights = rng.normal(size=f(*map(Tensor, starts)).data.shape)
    leaves = [Tensor(s) for s in starts]
    (f(*leaves)*weights).sum().backward()
    for k, leaf in enumerate(leaves):
        def changed(v, k=k): return float((f(*[Tensor(v if j == k else s) for j, s in enumerate(starts)])*weights).sum().data)
        assert np.allclose(leaf.grad, nudged(changed, starts[k]), atol=1e-6)

@given(st.integers(0, 4), st.integers(0, 1000))
@settings(max_examples=50, deadline=None, database=None, derandomize=True)
def test_unbroadcast(axes, seed):
    "What numpy stretches is added up again: it is the transpose of broadcasting."
    rng = np.random.default_rng(seed)
    full = tuple(rng.integers(1, 4, axes))
    shape = tuple(1 if rng.random() < .4 else n for n in full[rng.integers(0, axes + 1):])
    small, g = rng.normal(size=shape), rng.normal(size=full)
    back = unbroadcast(g, shape)
    assert back.shape == shape and np.allclose((np.broadcast_to(small, full)*g).sum(), (small*back).sum())

# Graphs

@pytest.mark.slow
def test_deep_graphs():
    "A chain of 100,000 operations, and 1,000 doublings, which have 2**1000 paths."
    a = Tensor(1.)
    end = a
    for _ in range(100_000): end = end + a
    assert len(topological_order(end)) == 100_001
    end.backward()
    assert a.grad == 100_001
    del end   # must not call itself either
    a = Tensor(1.)
    end = a
    for _ in range(1000): end = end + end
    end.backward()
    assert a.grad == 2.**1000

def test_values_used_twice():
    a = Tensor(3.)
    (a*a).backward()
    assert a.grad == 6
    a = Tensor(1.)
    b = a + a
    (b + b).backward()
    assert a.grad == 4 and b.grad == 2
    a = Tensor(3.)   # a diamond
    left = a*2
    (left + a*left).backward()
    assert a.grad == 14 and left.grad == 4

def test_the_order_has_each_box_once_after_its_sources():
    for kind in (Value, Tensor):
        a, b = kind(2.), kind(3.)
        c = a*b
        end = (c + a)*(c + b)
        order = topological_order(end)
        place = {node: k for k, node in enumerate(order)}
        assert len(place) == len(order) == 6 and order[-1] is end
        assert all(place[s] < place[node] for node in order for s, _ in node.links)

def test_slopes_are_added_until_they_are_forgotten():
    a = Tensor([1., 2.])
    opt = SGD([a], .1)
    for expected in (2, 4):
        (a*2).sum().backward()
        assert (a.grad == expected).all()
    opt.zero_grad()
    (a*2).sum().backward()
    assert (a.grad == 2).all()

def test_constants_get_no_slope_and_keep_the_type():
    x = np.ones((2, 3))
    w = Tensor(np.ones((3, 2), np.float32))
    out = x @ w + np.arange(2) + 1
    assert out.data.dtype == np.float32 and len(topological_order(out)) == 4
    assert isinstance(unfold(np.ones((1, 3, 3, 1)), 2), np.ndarray)
    out.sum().backward()
    assert w.grad.dtype == np.float32

def test_module_finds_its_parameters_once():
    rng = np.random.default_rng(0)
    class Net(Module):
        def __init__(self):
            self.one = Linear(2, 3, rng)
            self.more = [Linear(3, 3, rng), Linear(3, 1, rng)]
            self.tied, self.name, self.scale = self.one, 'a name', Tensor(1.)
    net = Net()
    assert len(net.parameters()) == 7 and net.parameters()[0] is net.one.w

def test_a_new_operation():
    @operation(1)
    def sine(a): return np.sin(a), lambda g: g*np.cos(a)
    a = Tensor([0., 1.])
    sine(sine(a)).sum().backward()
    assert np.allclose(a.grad, np.cos(np.sin(a.data))*np.cos(a.data)) and sine(a).op == 'sine'

# What is refused

def test_a_second_backward():
    a = Tensor(3.)
    half = a*a
    (half*2).backward()
    refuses(RuntimeError, half.backward, 'Calculate the result again')
    refuses(RuntimeError, (half*3).backward, 'again')   # through a part that was used
    assert a.grad == 12

def test_changes_in_place():
    w = Tensor(np.ones(3))
    loss = (w*w).sum()
    for change in ('w += 1', 'w -= 1', 'w *= 2', 'w[0] = 1'):
        refuses(TypeError, lambda change=change: exec(change, {'w': w}), 'not changed in place', 'w.data')
    with pytest.raises(ValueError): w.data[0] = 5
    with pytest.raises(ValueError): w.data += 1
    w.data = np.full(3, 7.)   # new numbers: the graph keeps the old ones
    loss.backward()
    assert (w.grad == 2).all()
    with pytest.raises(ValueError): w.grad *= 2
    w.data = np.full(3, 7.)
    loss = (w*w).sum()
    with pytest.raises(ValueError): w.data[0] = 5   # locked as soon as it is used

def test_what_was_given_may_change_later():
    "Arrays are copied where they come in."
    start, x = np.ones(2), np.ones(2)
    w = Tensor(start)
    loss = (w*x).sum()
    start[:], x[:] = 5, 5
    loss.backward()
    assert (w.data == 1).all() and (w.grad == 1).all()
    one, two = Tensor(1.), Tensor(2.)
    (one + two).backward()
    refuses(ValueError, lambda: one.grad.__iadd__(1))   # both slopes may be one array

def test_whole_numbers_as_data():
    "Constants and slopes are not cut to whole numbers."
    for numbers in (np.array([3, 4]), [3, 4], np.broadcast_to(3, 2)):
        w = Tensor([0., 0.])
        w.data = numbers
        out = (w + .5)*.5
        out.sum().backward()
        assert np.allclose(out.data, [(n + .5)*.5 for n in numbers]) and (w.grad == .5).all()
    loss = (w*.25).sum()
    w.data = [1, 2]   # between forward and back
    w.grad = None
    loss.backward()
    assert (w.grad == .25).all()

def test_an_operation_that_returns_no_fractions():
    @operation(1)
    def step(a): return a > 0, lambda g: g*0
    @operation(1)
    def whole(a): return a.round().astype(int), lambda g: g
    w = Tensor([3.2, -4.])
    assert step(w).mean().data == .5 and (step(w)*.5).data.tolist() == [.5, 0]
    assert (whole(w)*.5).data.tolist() == [1.5, -2]

def test_places_may_change_later():
    table, which = Tensor(np.zeros((3, 1))), np.array([0, 1])
    loss = table[which].sum()
    which[:] = 2
    loss.backward()
    assert table.grad.tolist() == [[1], [1], [0]]

def test_data_are_copied_when_they_are_put_in():
    "A view's base may change, and what was given is not locked."
    flat, w = np.ones(6), Tensor(np.zeros(3))
    w.data = flat[:3]
    loss = (w*w).sum()
    flat[:] = 5
    loss.backward()
    assert (w.grad == 2).all() and (w.data == 1).all()

def test_new_data_are_like_the_old():
    w = Tensor(np.ones(3))
    loss = (w*2).sum()
    for wrong in (np.ones(1), np.ones((3, 1)), 1., [1., 2., np.nan]):
        refuses(ValueError, lambda wrong=wrong: setattr(w, 'data', wrong), 'Expected (3,)')
    refuses(TypeError, lambda: setattr(w, 'data', None), 'numbers')
    loss.backward()
    assert (w.data == 1).all() and (w.grad == 2).all()

def test_a_way_back_for_each_tensor():
    @operation(2)
    def divide(a, b): return a/b, lambda g: g/b
    refuses(ValueError, lambda: divide(Tensor(1.), Tensor(2.)), 'divide', '1 ways back', 'Expected 2')

def test_a_way_back_of_the_wrong_shape():
    @operation(1)
    def double(a): return a*2, lambda g: 2*g.T
    @operation(1)
    def half(a): return a*.5, lambda g: g.sum(0)
    for op in (double, half): refuses(ValueError, op(Tensor(np.ones((2, 3)))).sum().backward, '(2, 3)')
    for shape in ((3, 2), (4,), (2, 3, 1)): refuses(ValueError, lambda shape=shape: unbroadcast(np.ones((2, 3)), shape), str(shape))

def test_slopes_and_parameters_keep_their_type():
    a, b = Tensor(np.ones(2, np.float32)), Tensor(np.ones(2))
    for _ in range(2): (a*b).sum().backward()
    SGD([a, b], .1).step()
    assert a.grad.dtype == a.data.dtype == np.float32 and b.data.dtype == float

def test_a_copy_is_locked_as_well():
    w = copy.deepcopy(Tensor([1., 2.]))
    (w*w).sum().backward()
    with pytest.raises(ValueError): w.data[0] = 5

W = Tensor(np.ones((3, 2)))
WRONG = {
    'add': (lambda: W + np.ones(4), ValueError, 'add', '(3, 2)', '(4,)', 'Expected'), 'mul': (lambda: W*np.ones((2, 3)), ValueError, 'mul', '(2, 3)'),
    'matmul': (lambda: W @ W, ValueError, 'matmul', '(3, 2)', '(n, k) @ (k, m)'), 'matmul of a row': (lambda: W @ np.ones(2), ValueError, '(2,)', '(n, k)'),
    'matmul of a number': (lambda: W @ 2, ValueError, 'matmul'), 'array first': (lambda: np.ones((2, 4)) @ W, ValueError, '(2, 4)'),
    'reshape': (lambda: W.reshape(4), ValueError, 'reshape', 'Expected as many'), 'axis': (lambda: W.sum(2), ValueError, 'Expected one of its axes'),
    'row too far': (lambda: W[[0, 3]], IndexError, 'from 0 to 2'), 'row -1': (lambda: W[-1], IndexError, 'from 0 to 2'),
    'half a row': (lambda: W[.5], IndexError, 'from 0 to 2'), 'slice': (lambda: W[1:], IndexError, 'from 0 to 2'), 'mask': (lambda: W[[True, False, True]], IndexError),
    'class too far': (lambda: cross_entropy(W, [0, 1, 2]), IndexError, 'from 0 to 1'), 'class -1': (lambda: cross_entropy(W, [0, 1, -1]), IndexError),
    'half a class': (lambda: cross_entropy(W, [0., 1., 1.]), IndexError, 'whole numbers'), 'too few classes': (lambda: cross_entropy(W, [0, 1]), ValueError, '(2,)', 'n classes'),
    'columns of classes': (lambda: cross_entropy(W, [[0], [1], [1]]), ValueError, '(3, 1)'), 'no rows': (lambda: cross_entropy(Tensor(np.ones((0, 2))), []), ValueError),
    'no picture': (lambda: unfold(W, 2), ValueError, 'pictures (n, height, width, channels)'), 'large window': (lambda: unfold(Tensor(np.ones((1, 2, 2, 1))), 3), ValueError, 'Expected pictures'),
    'window of 0': (lambda: unfold(Tensor(np.ones((1, 2, 2, 1))), 0), ValueError, 'k is 0'), 'stride 0': (lambda: unfold(Tensor(np.ones((1, 2, 2, 1))), 1, 0), ValueError, 'stride'),
    'text': (lambda: W + 'a', TypeError, 'Expected numbers'), 'nothing': (lambda: W*None, TypeError), 'complex': (lambda: W*1j, TypeError, 'complex'),
    'numpy': (lambda: np.sin(W), TypeError, 'operations of the engine', 'w.data'), 'asarray': (lambda: np.asarray(W), TypeError), 'np.sum': (lambda: np.sum(W), TypeError),
    'method': (lambda: W.sin(), AttributeError, 'sin'), 'division': (lambda: W/W, TypeError), 'power': (lambda: W**2, TypeError),
    'a tensor of a tensor': (lambda: Tensor(W), TypeError), 'NaN': (lambda: Tensor([1., np.nan]), ValueError, '1 of 2', 'Expected finite'),
    'infinite': (lambda: Tensor(np.inf), ValueError, 'finite'), 'words': (lambda: Tensor('a'), TypeError, 'Expected numbers'),
    'backward of many': (lambda: (W*1).backward(), ValueError, 'one number', '(3, 2)', 'sum()'), 'rate 0': (lambda: SGD([W], 0), ValueError, 'lr is 0'),
    'rate NaN': (lambda: SGD([W], float('nan')), ValueError, 'lr')}

@pytest.mark.parametrize('name', WRONG)
def test_refused(name):
    f, kind, *words = WRONG[name]
    refuses(kind, f, *words)

def test_nan_is_found_where_it_begins():
    w = Tensor([1., 0.])
    refuses(ValueError, (w.relu().log()*[1., 0.]).sum().backward, 'log', '(2,)')
    refuses(ValueError, (w*[1., np.nan]).sum().backward, 'nan', 'mul')
    refuses(ValueError, (w*1000).exp().sum().backward, 'inf', 'exp')
    assert w.grad is None

def test_a_rate_that_is_too_large():
    "Whether the loss or a slope breaks first: it is said, and with a step where a parameter breaks."
    w = Tensor([1.])
    opt = SGD([w], 1e30)
    def steps():
        for _ in range(100):
            (w*w*w*w).sum().backward()
            opt.step()
            opt.zero_grad()
    with pytest.raises(ValueError) as e: steps()
    assert 'rate' in str(e.value)
    w.data, w.grad = np.array([1e308]), np.array([-1e308])
    refuses(ValueError, SGD([w], 10.).step, 'rate', 'NaN')
    assert w.data == 1e308   # as it was
    w.grad = np.array([np.nan])
    refuses(ValueError, SGD([w], .1).step, 'NaN')

def test_large_numbers_are_no_alarm():
    "Four finite numbers whose sum is not finite in 32 bits."
    w = Tensor(np.full(4, 2e38, np.float32))
    w.grad = np.ones(4, np.float32)
    SGD([w], .1).step()
    assert (w.data == np.float32(2e38)).all()

def test_one_tensor_for_a_list_of_parameters():
    w = Tensor([1., 2.])
    opt = SGD(w, .1)
    w.sum().backward()
    opt.step()
    assert np.allclose(w.data, [.9, 1.9])

def test_the_engine_has_at_most_150_lines():
    "Of code: as Python counts them, without comments and docstrings."
    source = Path(autograd.__file__).read_text(encoding='utf-8')
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)]
    docs = sum(a.type == tokenize.NEWLINE and b.type == tokenize.STRING and c.type == tokenize.NEWLINE for a, b, c in zip(tokens, tokens[1:], tokens[2:]))
    lines = sum(t.type == tokenize.NEWLINE for t in tokens) - docs - 2   # the module's own docstring and __all__
    assert lines <= 150
