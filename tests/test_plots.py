"The plots: one rule for all of them, in new axes and in given ones; and what they refuse."
import inspect, subprocess, sys

import matplotlib.pyplot as plt, numpy as np, pytest, torch
from matplotlib.axes import Axes

from conftest import refuses as fails
from fastlessons import plots
from fastlessons.plots import plot_function, plot_loss_surface, plot_losses, plot_waterfall, show_digits, show_grad_cam

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

def test_all_have_the_same_form():
    "`plot_x` or `show_x`, and the axes come last."
    for name in plots.__all__:
        assert name.startswith(('plot_', 'show_'))
        params = [p.name for p in inspect.signature(getattr(plots, name)).parameters.values() if p.kind != p.VAR_KEYWORD]
        assert params[-1] in ('ax', 'axs'), name

def test_digits():
    x = torch.rand(3, 16, requires_grad=True)
    axs = show_digits(x, ['a', 'b', 'c'])
    assert [a.get_title() for a in axs] == ['a', 'b', 'c'] and len({a.images[0].get_clim() for a in axs}) == 1
    own = plt.subplots(1, 3)[1]
    assert (show_digits(x - .5, cmap='RdBu', axs=own) == own).all()
    low, high = own[0].images[0].get_clim()
    assert low == -high   # 0 in the middle
    fails(ValueError, lambda: show_digits(x, ['a']), '3 digits and 1 titles')

def test_waterfall():
    ax = plot_waterfall(1, np.arange(12), range(12))
    assert len(ax.patches) == 9 and ax.get_yticklabels()[-1].get_text() == '4 others'
    ends = [p.get_x() + p.get_width() for p in ax.patches]
    assert ends[-1] == 1 + sum(range(12))
    assert len(plot_waterfall(0, np.arange(12), range(12), n=3).patches) == 4
    assert len(plot_waterfall(0, np.arange(12), range(12), 20).patches) == 12
    fails(ValueError, lambda: plot_waterfall(0, [1, 2], ['a']), '2 parts and 1 names')
    fails(ValueError, lambda: plot_waterfall(0, [1, 2], ['a', 'b'], n=0), 'n is 0')

def test_losses_without_validation(): assert len(plot_losses(dict(train=[1., .5])).lines) == 1

def test_a_picture_of_one_colour(): show_grad_cam(torch.full((3, 4, 4), 7.), torch.zeros(2, 2))

def test_a_table_needs_no_torch():
    code = "import sys; from fastlessons.plots import plot_waterfall; plot_waterfall(0, [1, 2], 'ab'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == 'False\n'
