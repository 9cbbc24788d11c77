"The plots: one rule for all of them, in new axes and in given ones; and what they refuse."
import inspect, subprocess, sys

import matplotlib.pyplot as plt, numpy as np, pytest, torch
from matplotlib.axes import Axes

from conftest import refuses as fails
from fastlessons import plots
from fastlessons.plots import axes, plot_function, plot_loss_surface, plot_losses, plot_waterfall, show_digits, show_grad_cam

LOG, HEAT = dict(train=[2., 1.], valid=[2., 1.5]), torch.eye(3)
CALLS = dict(plot_function=(plot_function, (torch.sin, 0, 1)), plot_loss_surface=(plot_loss_surface, (lambda a, b: a*a + b*b + 1, (-1, 1), (-1, 1), [(1, 1), (0, 0)])),
             plot_losses=(plot_losses, (LOG, 'mine')), plot_waterfall=(plot_waterfall, (0, [1, -2], ['a', 'b'])),
             grey=(show_grad_cam, (torch.rand(1, 8, 8), HEAT, 'mine')), colour=(show_grad_cam, (torch.rand(3, 8, 8)*255, HEAT)))

@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close('all')

@pytest.mark.parametrize('name', CALLS)
def test_axes_given_or_new(name):
    f, args = CALLS[name]
    own = plt.subplots()[1]
    assert f(*args, ax=own) is own and own.has_data()
    new = f(*args)
    assert isinstance(new, Axes) and new is not own and new.has_data()
    if 'mine' in args: assert new.get_title() == 'mine'
    if name.startswith('plot') and name != 'plot_function': assert new.get_xlabel()

@pytest.mark.parametrize('name', [n for n in plots.__all__ if n != 'axes'])
def test_all_have_the_same_form(name):
    "`plot_x` or `show_x`; `ax` or `axs` by name only; all have types and a word for each parameter."
    f = getattr(plots, name)
    sig = inspect.signature(f)
    assert name.startswith(('plot_', 'show_'))
    assert [p.name for p in sig.parameters.values() if p.kind == p.KEYWORD_ONLY] in (['ax'], ['axs'])
    for p in sig.parameters.values():
        if p.kind != p.VAR_KEYWORD: assert f'{p.name}: ' in f.__doc__ and p.annotation is not p.empty, p
    assert sig.return_annotation is not sig.empty and 'Returns the axes' in f.__doc__

def test_new_axes_have_the_size_that_was_asked_for():
    assert axes(None, 4, 2).figure.get_size_inches().tolist() == [4, 2]

def test_function_and_landscape():
    line = plot_function(lambda x: x**2, -1, 3, color='tab:red').lines[0]
    x, y = line.get_data()
    assert (x[0], x[-1], len(x), line.get_color()) == (-1, 3, 200, 'tab:red') and np.allclose(y, np.asarray(x)**2, atol=1e-6)
    assert set(plot_function(lambda x: 5).lines[0].get_ydata()) == {5}   # a function may give one number
    ax = plot_loss_surface(*CALLS['plot_loss_surface'][1])
    assert ax.lines[0].get_xydata().tolist() == [[1, 1], [0, 0]] and ax.get_xlim() == (-1, 1)
    fails(ValueError, lambda: plot_function(torch.sin, 1, 1), 'lo below hi')

def test_digits():
    x = torch.rand(3, 16, requires_grad=True)
    axs = show_digits(x, ['a', 'b', torch.tensor(7)])
    assert [a.get_title() for a in axs] == ['a', 'b', '7'] and len({a.images[0].get_clim() for a in axs}) == 1
    assert np.array_equal(axs[1].images[0].get_array(), x[1].detach().view(4, 4))
    own = plt.subplots(1, 3)[1]
    assert (show_digits(x - .5, cmap='RdBu', axs=own) == own).all()
    low, high = own[0].images[0].get_clim()
    assert low == -high   # 0 in the middle
    assert [a.get_title() for a in own] == ['']*3

def test_digits_that_are_none():
    x = torch.rand(3, 16)
    fails(ValueError, lambda: show_digits(x, ['a']), '3 digits and 1 titles')
    fails(ValueError, lambda: show_digits(x, axs=plt.subplots(1, 2)[1]), '3 digits and 2 axes')
    for bad in (x[:, :15], x[0], x.view(3, 4, 4)): fails(ValueError, lambda: show_digits(bad), 'x.flatten(1)')

def test_waterfall():
    ax = plot_waterfall(1, np.arange(12), range(12))
    assert len(ax.patches) == 9 and ax.get_yticklabels()[-1].get_text() == '4 others'
    ends = [p.get_x() + p.get_width() for p in ax.patches]
    assert ends[-1] == 1 + sum(range(12))
    assert len(plot_waterfall(0, np.arange(12), range(12), n=3).patches) == 4
    assert len(plot_waterfall(0, np.arange(12), range(12), 20).patches) == 12
    fails(ValueError, lambda: plot_waterfall(0, [1, 2], ['a']), '2 parts and 1 names')
    fails(ValueError, lambda: plot_waterfall(0, [1, 2], ['a', 'b'], n=0), 'n is 0')

def test_losses_of_one_set_or_both():
    assert [line.get_label() for line in plot_losses(LOG).lines] == ['train 1.0000', 'valid 1.5000']
    assert len(plot_losses(dict(train=[1., .5])).lines) == 1

def test_a_picture_of_one_colour_and_the_map_over_it():
    picture, heat = show_grad_cam(torch.full((3, 4, 6), 7.), torch.zeros(2, 2)).images
    assert not picture.get_array().any()   # no division by a range of 0
    assert tuple(heat.get_extent()) == (-.5, 5.5, 3.5, -.5)   # stretched over the picture

def test_a_table_needs_no_torch():
    code = "import sys; from fastlessons.plots import plot_waterfall; plot_waterfall(0, [1, 2], 'ab'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == 'False\n'
