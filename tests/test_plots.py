"The plots: one rule for all of them, in new axes and in given ones; and what they refuse."
import base64, inspect, io, subprocess, sys, warnings

import matplotlib.pyplot as plt, nbformat, numpy as np, pandas as pd, pytest, torch
from matplotlib.axes import Axes
from PIL import Image

from conftest import ROOT, refuses as fails
from fastlessons import plots
from fastlessons.plots import PALETTE, axes, label_lines, plot_function, plot_heatmap, plot_hist, plot_level, plot_lines, plot_loss_surface, plot_losses, plot_results, plot_split, plot_theory, plot_waterfall
from fastlessons.plots import show_digits, show_grad_cam, show_table, use_style
sys.path.append(str(ROOT/'tools'))
import maintain

LOG, HEAT = dict(train=[2., 1.], valid=[2., 1.5]), torch.eye(3)
CALLS = dict(plot_function=(plot_function, (torch.sin, 0, 1)), plot_loss_surface=(plot_loss_surface, (lambda a, b: a*a + b*b + 1, (-1, 1), (-1, 1), [(1, 1), (0, 0)])),
             plot_losses=(plot_losses, (LOG, 'mine')), plot_waterfall=(plot_waterfall, (0, [1, -2], ['a', 'b'])),
             grey=(show_grad_cam, (torch.rand(1, 8, 8), HEAT, 'mine')), colour=(show_grad_cam, (torch.rand(3, 8, 8)*255, HEAT)),
             lines=(plot_lines, (dict(a=[1, 2]),)), hist=(plot_hist, (dict(a=[1, 2, 2]),)), theory=(plot_theory, (dict(a=[1, 2]), dict(a=[1, 3]))), split=(plot_split, ([1, 2, 3], [0, 0, 1], 2)), plot_results=(plot_results, (dict(a=.5, b=.7), .1, dict(coin=.5), dict(best=.8))))

@pytest.fixture(autouse=True)
def closed():
    with plt.rc_context(), warnings.catch_warnings(): yield
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

@pytest.mark.parametrize('name', [n for n in plots.__all__ if n.startswith(('plot_', 'show_')) and n != 'show_table'])
def test_all_have_the_same_form(name):
    "`plot_x` or `show_x`; `ax` or `axs` by name only; all have types and a word for each parameter."
    f = getattr(plots, name)
    sig = inspect.signature(f)
    assert [p.name for p in sig.parameters.values() if p.kind == p.KEYWORD_ONLY] in (['ax'], ['axs'])
    for p in sig.parameters.values():
        if p.kind != p.VAR_KEYWORD: assert f'{p.name}: ' in f.__doc__ and p.annotation is not p.empty, p
    assert sig.return_annotation is not sig.empty and 'Returns the axes' in f.__doc__

def test_new_axes_have_the_size_that_was_asked_for():
    assert axes(None, 4, 2).figure.get_size_inches().tolist() == [4, 2]

def test_histograms_share_their_bars_and_have_names():
    ax = plot_hist(dict(training=[0, 1, 1, 4], b=[8, 8, 10]), 5, dict(b='tab:red'), dict(coin=5), dict(best=9), xlabel='x')
    assert [t.get_text() for t in ax.texts] == ['training', 'b', 'best', 'coin'] and [p.get_x() for p in ax.patches[:5]] == [p.get_x() for p in ax.patches[5:]] == [0, 2, 4, 6, 8]
    assert [p.get_height() for p in ax.patches] == [3, 0, 1, 0, 0, 0, 0, 0, 0, 3] and ax.texts[0].xy == (1, 3) and ax.get_xlabel() == 'x'
    assert [line.get_xdata()[0] for line in ax.lines] == [9, 5]
    areas = [sum(p.get_height() for p in bars) for bars in np.split(np.array(plot_hist(dict(a=[1, 2, 3], b=[1]*50), 4, density=True).patches), 2)]
    assert areas[0] == pytest.approx(areas[1])

def test_theory_is_dotted_and_what_was_measured_are_dots():
    table = pd.DataFrame(dict(a=[1., 2], b=[3., 4]), index=[10, 20])
    ax = plot_theory(table, table + .5, colours=dict(b='tab:red'), ylabel='y')
    assert [line.get_linestyle() for line in ax.lines] == [':', 'None']*2 and [t.get_text() for t in ax.texts] == ['a', 'b'] and ax.get_ylabel() == 'y'
    assert all(line.get_xdata().tolist() == [10, 20] for line in ax.lines) and ax.lines[3].get_ydata().tolist() == [3.5, 4.5]
    assert [line.get_color() for line in ax.lines] == ['floor', 'validation', 'tab:red', 'tab:red']
    fails(ValueError, lambda: plot_theory(dict(a=[1, 2]), dict(a=[1])), '2 theory', '1 measured')

def test_function_and_landscape():
    line = plot_function(lambda x: x**2, -1, 3, color='tab:red').lines[0]
    x, y = line.get_data()
    assert (x[0], x[-1], len(x), line.get_color()) == (-1, 3, 200, 'tab:red') and np.allclose(y, np.asarray(x)**2, atol=1e-6)
    assert set(plot_function(lambda x: 5).lines[0].get_ydata()) == {5}   # a function may give one number
    ax = plot_loss_surface(*CALLS['plot_loss_surface'][1])
    assert ax.lines[0].get_xydata().tolist() == [[1, 1], [0, 0]] and ax.get_xlim() == (-1, 1)
    fails(ValueError, lambda: plot_function(torch.sin, 1, 1), 'lo below hi')

def test_lines():
    "Runs give a mean and a band; a Series brings its x; colours by meaning; names at the ends."
    runs = np.array([[1., 2, 3], [3, 4, 8]])
    s = pd.Series([5., 6], [10, 20])
    ax = plot_lines(dict(training=runs, mine=s), colours=dict(mine='red'), ylim=(0, 9), xlabel='trees')
    a, b = ax.lines
    assert a.get_ydata().tolist() == [2, 3, 5.5] and a.get_color() == 'training' and a.get_xdata().tolist() == [0, 1, 2]
    assert b.get_xdata().tolist() == [10, 20] and b.get_color() == 'red' and ax.get_ylim() == (0, 9) and ax.get_xlabel() == 'trees'
    band = ax.collections[0].get_paths()[0].get_extents()
    assert len(ax.collections) == 1 and (band.y0, band.y1) == (1, 8) and [t.get_text() for t in ax.texts] == ['training', 'mine']
    both = plot_lines(pd.DataFrame(dict(a=s, b=2*s)))
    assert [line.get_label() for line in both.lines] == ['a', 'b'] and both.lines[1].get_ydata().tolist() == [10, 12]
    fails(ValueError, lambda: plot_lines(dict(a=[1, 2]), [1]), '1 x and 2 heights')

def test_split():
    ax = plot_split(pd.Series([1, np.nan, 3, 4]), pd.Series([1, 0, 1, 1]), 1)   # a gap answers no
    assert np.allclose(ax.lines[0].get_ydata(), [1, 1, 2/3, 2/3]) and ax.lines[0].get_xdata().tolist() == [1, 1, 1, 4]
    assert np.isnan(plot_split([1, 2], [0, 1], 0).lines[0].get_ydata()[0])      # nobody on the left
    fails(ValueError, lambda: plot_split([1, 2], [0], 1), '2 numbers and 1 answers')

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
    assert [line.get_label() for line in plot_losses(LOG).lines] == ['training 1', 'validation 1.5']
    assert [line.get_color() for line in plot_losses(LOG).lines] == ['training', 'validation']
    assert len(plot_losses(dict(train=[1., .5])).lines) == 1

def test_a_picture_of_one_colour_and_the_map_over_it():
    picture, heat = show_grad_cam(torch.full((3, 4, 6), 7.), torch.zeros(2, 2)).images
    assert not picture.get_array().any()   # no division by a range of 0
    assert tuple(heat.get_extent()) == (-.5, 5.5, 3.5, -.5)   # stretched over the picture
    assert len(show_grad_cam(torch.rand(3, 4, 6)).images) == 1   # the picture alone

def boxes(ax):
    "Return the frames of the texts of some axes, in pixels; the figure is drawn first."
    ax.figure.draw_without_rendering()
    texts = [t for t in [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label, ax.title] if t.get_text() and t.get_visible()]
    return {t.get_text(): t.get_window_extent() for t in texts}

def test_names_at_lines_do_not_touch_and_are_inside(tmp_path):
    use_style()
    ax = axes()
    for k in range(6): ax.plot([0, 1], [0, .01*k], label=f'line {k}')
    ax.plot([0, 1], [0, 5], color='training', label='high')
    ax.plot([0, 1], [0, np.nan], label='gone')
    ax.plot([0, 1], [0, 1])
    plot_level(4, 'nothing known', ax=ax)
    assert label_lines(ax) is ax and [t.get_text() for t in ax.texts] == [*(f'line {k}' for k in range(6)), 'high', 'nothing known']
    found = boxes(ax)
    names = [found[t.get_text()] for t in ax.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(names) for b in names[:i])
    width, height = ax.figure.canvas.get_width_height()
    assert all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in names)
    assert [t.get_color() for t in ax.texts] == [line.get_color() for line in ax.lines if line.get_label()[0] != '_' and line.get_label() != 'gone']
    assert len(label_lines(axes()).texts) == 0

def test_levels_are_dashed_grey_and_dotted_green():
    ax = plot_level(1, 'a')
    plot_level(2, 'b', 'floor', ax=ax)
    assert [(line.get_linestyle(), line.get_color()) for line in ax.lines] == [('--', 'baseline'), (':', 'floor')]
    fails(ValueError, lambda: plot_level(1, 'a', 'flor'), 'floor')

def test_results_show_margin_baseline_and_floor():
    ax = plot_results(dict(rule=.787, forest=.822), [.06, .05], dict(nothing=.62), dict(best=.842))
    assert [p.get_width() for p in ax.patches] == [.787, .822] and [t.get_text() for t in ax.get_yticklabels()] == ['rule', 'forest']
    found = boxes(ax)
    assert {'78.7%', '82.2%', 'nothing', 'best'} <= {*found}
    texts = [found[k] for k in ('78.7%', '82.2%', 'nothing', 'best')]
    assert not any(a.overlaps(b) for i, a in enumerate(texts) for b in texts[:i])
    assert [seg[:, 0].tolist() for seg in ax.collections[0].get_segments()] == [[.787-.06, .787+.06], [.822-.05, .822+.05]]
    assert ax.yaxis_inverted() and ax.get_xlim()[0] == 0 and len(plot_results(dict(a=1)).collections) == 0

def test_heatmap_has_holes_and_0_is_white():
    ax = plot_heatmap([[1, -2], [np.nan, 0]])
    assert [t.get_text() for t in ax.texts] == ['1.00', '-2.00', '0.00']
    low, high = ax.images[0].get_clim()
    assert low == -high and not plot_heatmap(np.zeros((2, 2)), fmt='').texts
    named = plot_heatmap(pd.DataFrame([[1.]], ['row'], ['column']))
    assert (named.get_yticklabels()[0].get_text(), named.get_xticklabels()[0].get_text()) == ('row', 'column')

def test_table():
    df = pd.DataFrame(dict(model=['<a>', 'b', 'c'], error=[.3, .1, .2], right=[.7, .9, .8], n=[5, 6, 7]))
    t = show_table(df, better=dict(error='low', right='high'), fmt=dict(error='{:.0%}'))
    page = t._repr_html_()
    assert '&lt;a&gt;' in page and '<b>10%</b>' in page and '<b>0.900</b>' in page and '<td>5</td>' in page and page.count('<b>') == 2
    assert len(page) < 1000 and '10%' in repr(t) and '0.900' in repr(t)
    assert t.shade.error.tolist() == pytest.approx([0, 1, .5]) and t.shade.n.isna().all()
    one = show_table(pd.Series([.5, np.nan], ['x', 'y'], name='score'))
    assert '0.500' in one._repr_html_() and 'score' in repr(one)
    fails(ValueError, lambda: show_table(df[['n']], better='hihg'), 'high')

def test_one_style(tmp_path):
    "A picture is 660 pixels wide; a colour is known by what it means; no text is smaller than 9 pixels on a telephone."
    use_style()
    fig, ax = plt.subplots()
    ax.plot([0, 1], color='validation')
    fig.savefig(tmp_path/'a.png')
    assert plt.imread(tmp_path/'a.png').shape[1] == 660 and plt.matplotlib.colors.same_color('validation', PALETTE['validation'])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        use_style()
        plt.figure().add_subplot()
        plt.tight_layout()   # as fastai's confusion matrix does
    sizes = [v for k, v in plots.STYLE.items() if k.endswith('size') and k != 'figure.figsize']
    assert min(sizes)/72*110*390/660 > 9
    used = {plt.matplotlib.colors.to_hex(c['color']) for c in plt.rcParams['axes.prop_cycle']}
    assert not used & {PALETTE[k] for k in ('training', 'validation', 'baseline', 'floor', 'positive', 'negative')}

@pytest.mark.slow
def test_a_table_needs_no_torch():
    code = "import sys; from fastlessons.plots import plot_waterfall; plot_waterfall(0, [1, 2], 'ab'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == 'False\n'

# What `maintain.py save` does with outputs

def png(fig=None, image=None):
    file = io.BytesIO()
    if image is None: fig.savefig(file)
    else: image.save(file, 'PNG')
    return file.getvalue()

def test_line_art_is_saved_with_a_palette_and_keeps_its_colours():
    use_style()
    ax = plot_losses(LOG)
    plot_level(1.7, 'nothing known', ax=ax)
    plot_level(.9, 'the floor', 'floor', ax=ax)
    label_lines(ax)
    file = png(ax.figure)
    kind, small = maintain.shrink(file)
    im, before = (Image.open(io.BytesIO(f)) for f in (small, file))
    assert (kind, im.mode, im.size) == ('image/png', 'P', before.size) and im.width == 660 and len(small) < 12_000 < len(file)
    now, then = np.asarray(im.convert('RGB'), int), np.asarray(before.convert('RGB'), int)
    assert np.abs(now - then).max() < 48 and np.abs(now - then).mean() < .2
    for name in ('training', 'validation', 'baseline', 'floor'):
        rgb = np.round(np.array(plt.matplotlib.colors.to_rgb(PALETTE[name]))*255)
        exact = (now == rgb).all(-1).sum()
        assert exact > 100 and exact == pytest.approx((then == rgb).all(-1).sum(), rel=.1), name
    assert maintain.shrink(file)[1] == small   # the same bytes each time

def test_photos_are_saved_as_jpeg():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 600, 3), 'uint8')).resize((660, 300))
    kind, small = maintain.shrink(png(image=photo))
    im = Image.open(io.BytesIO(small))
    assert (kind, im.format, im.size) == ('image/jpeg', 'JPEG', (660, 300))

def test_what_is_transparent_becomes_white():
    kind, small = maintain.shrink(png(image=Image.new('RGBA', (660, 20), (0, 0, 0, 0))))
    assert Image.open(io.BytesIO(small)).convert('RGB').getpixel((5, 5)) == (255, 255, 255)

def test_outputs_are_saved_once_and_none_is_blank():
    out, cell = nbformat.v4.new_output, nbformat.v4.new_code_cell('x')
    table = '<div><table class="fastprogress"><tr><td>0</td></tr></table></div>'
    picture, photo = (base64.b64encode(b).decode() for b in (png(image=Image.new('RGB', (660, 20))), b'a jpeg'))
    cell.outputs = [out('display_data', {'text/html': '<style>p {}</style><div></div>', 'text/plain': '<IPython.core.display.HTML object>'}),
                    out('display_data', {'text/html': table, 'text/markdown': f'```html\n{table}```', 'text/plain': table}),
                    out('display_data', {'image/png': picture, 'image/jpeg': photo, 'text/plain': '<PIL>'}),
                    out('display_data', {'image/jpeg': photo, 'text/plain': '<Figure>'}), out('stream', text='hello')]
    maintain.tidy(cell)
    assert [[*o.get('data', {})] for o in cell.outputs] == [['text/html'], ['text/plain', 'image/png'], ['image/jpeg', 'text/plain'], []]
    assert cell.outputs[2].data['image/jpeg'] == photo   # not compressed a second time
    maintain.tidy(cell)
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
