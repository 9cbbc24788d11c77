"The drawings: every example of the notebook is large enough, readable and inside its sheet; and what they refuse."
import re

import matplotlib.pyplot as plt, nbformat, numpy as np, pytest, torch
from matplotlib.colors import same_color, to_hex

from conftest import ROOT, refuses as fails
from fastlessons import drawings
from fastlessons.drawings import draw_arrow, draw_box, draw_flow, draw_folds, draw_graph, draw_grids, draw_net, draw_sequence, draw_split, draw_stack, draw_tree, paper
from fastlessons.plots import PALETTE, use_style
from fastlessons.simple.foundations import Value

NB = nbformat.read(ROOT/'nbs/lib/drawings.ipynb', 4)
CODE = [c for c in NB.cells if c.cell_type == 'code' and '#| export' not in c.source]
EXAMPLES = {c.id: c.source for c in CODE if '#| fig-alt' in c.source}
IMPORTS = next(c.source for c in CODE if 'use_style()' in c.source)
PHONE = 390/660   # a picture of 660 pixels on a telephone

@pytest.fixture(autouse=True)
def clean():
    with plt.rc_context():
        use_style()
        yield
    plt.close('all')

def texts(ax): return [t for t in ax.texts if t.get_text().strip()]

def boxes(ax):
    "Return (text, frame in pixels) of what is written."
    ax.figure.draw_without_rendering()
    return [(t.get_text(), t.get_window_extent()) for t in texts(ax)]

def readable(ax):
    "Refuse a text outside the sheet, over another one, or too small on a telephone."
    width, height = ax.figure.canvas.get_width_height()
    found = boxes(ax)
    for k, (text, b) in enumerate(found):
        assert b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height, f'{text}: outside'
        assert not [other for other, o in found[:k] if b.overlaps(o)], f'{text}: over another'
    for t in texts(ax): assert t.get_fontsize()/72*110*PHONE > 8.9, t.get_text()
    for p in ax.patches:
        e = p.get_window_extent()
        assert e.x0 > -4 and e.y0 > -4 and e.x1 < width + 4 and e.y1 < height + 4, p
    return ax

@pytest.mark.parametrize('name', EXAMPLES)
def test_example(name):
    "As it stands in the notebook: 660 pixels wide and readable. test_structure looks at how it is saved."
    ns = {}
    exec(IMPORTS + '\nfrom fastlessons.drawings import *\nimport numpy as np, matplotlib.pyplot as plt\n', ns)
    exec(EXAMPLES[name], ns)
    assert plt.get_fignums()
    for n in plt.get_fignums():
        for ax in plt.figure(n).axes: readable(ax)
        assert plt.figure(n).get_size_inches()[0]*plt.figure(n).dpi == 660

def test_all_drawings_are_in_the_list_and_have_an_example():
    table = NB.cells[2].source
    for name in drawings.__all__:
        assert f'{name}(' in table and any(f'{name}(' in s for s in EXAMPLES.values()), name

def test_the_calls_of_the_list_run():
    "What a lesson copies from the table works; words that stand for the reader's own arrays are given."
    grid, a, b = np.eye(3), Value(1.), Value(2.)
    own = dict(a=a, b=b, loss=a*b, picture=grid, red=grid, green=grid, blue=grid, kernel=grid, result=grid, stars=grid, people=grid, films=grid, mask=grid,
               words=['a', 'b', 'c', 'd', 'e'], weights=[np.ones((2, 1)), np.ones((1, 2))], values=[[1], [2, 3], [4]], shades=[0, 1, -1, 0, .5],
               titles=['']*5, names=['conv']*2, columns=['a', 'b'], **{f: getattr(drawings, f) for f in drawings.__all__})
    ran = 0
    for call in re.findall(r'`(draw_\w+\(.*?\))`', NB.cells[2].source):
        if 'from, to' in call or '(ax' in call: continue
        own['titles'] = ['']*(3 if "' '" in call else 5)
        if "cell='RNN'" in call: own['words'] = 'abc'
        own['kernel'] = [grid]*3 if 'list(kernel)' in call else grid
        if call.startswith('draw_grids([words'): own['words'] = [['a', 'b']]
        eval(call, own)
        own['words'] = ['a', 'b', 'c', 'd', 'e']
        ran += 1
    assert ran > 14

def centre(ax, text):
    return next(t.get_position() for t in ax.texts if t.get_text() == text)

def test_a_graph_goes_from_top_to_bottom():
    a = Value(3.)
    left = a*2
    end = left + a*left
    end.backward()
    ax = readable(draw_graph(end, {'a': a, 'left': left, 'end': end}))
    y = {t.get_text().split()[0]: t.get_position()[1] for t in ax.texts}
    assert y['a'] > y['left'] > y['18'] > y['end'] and 'a = 3\nslope 14' in [t.get_text() for t in ax.texts]
    wide = sum((Value(float(k)) for k in range(20)), Value(0.))
    draw_graph(wide)   # a staircase: two boxes a row
    wide = Value(1.)
    wide.links = [(Value(1.), 1.) for _ in range(20)]
    fails(ValueError, lambda: draw_graph(wide), '20 boxes', 'smaller graph')

def test_flow_goes_from_left_to_right():
    ax = readable(draw_flow(['a', ['b', 'c'], 'd'], arcs={('a', 'd'): 'over', ('d', 'b'): 'back'}))
    x = {t: centre(ax, t)[0] for t in 'abcd'}
    assert x['a'] < x['b'] == x['c'] < x['d'] and centre(ax, 'b')[1] > centre(ax, 'c')[1]
    assert centre(ax, 'over')[1] > centre(ax, 'b')[1] and centre(ax, 'back')[1] < centre(ax, 'c')[1]
    arrows = lambda ax: sum(type(p).__name__ == 'FancyArrowPatch' for p in ax.patches)
    assert arrows(ax) == 4 + 2
    assert arrows(draw_flow([['a', 'b'], ['c', 'd']])) == 2 and arrows(draw_flow(['a', ['b', ''], 'c'])) == 2
    assert arrows(draw_flow(['a', 'b', 'c'], edges=[('a', 'c')])) == 1

def test_flow_breaks_lines_and_no_words():
    ax = readable(draw_flow(['a rather long text that is broken', 'another rather long text', 'short', 'a third one with many words']))
    assert any('\n' in t.get_text() for t in ax.texts)
    boxed = [p for p in ax.patches if type(p).__name__ == 'FancyBboxPatch']
    for t, p in zip(ax.texts, boxed): assert p.get_window_extent().contains(*t.get_window_extent().get_points().mean(0))
    fails(ValueError, lambda: draw_flow(['antidisestablishment']*4), 'Expected shorter')
    fails(ValueError, lambda: draw_flow(['a', 'b'], colours={'x': 'model'}), 'box')
    fails(ValueError, lambda: draw_flow(['a', 'b'], arcs={('a', 'x'): ''}), 'box')

def test_flow_shows_pictures():
    ax = draw_flow([torch.rand(4, 4), np.random.rand(4, 4, 3), -np.eye(3), 'x'])
    assert len(ax.images) == 3 and ax.images[2].get_clim() == (-1, 1) and ax.images[0].get_clim()[0] == 0
    lows = [im.get_extent()[1] < centre(ax, 'x')[0] for im in ax.images]
    assert all(lows) and ax.get_xlim() == (0, 6)

def test_net_has_a_line_for_each_weight_as_wide_as_it():
    ax = readable(draw_net([4, 3]))
    assert len(ax.lines) == 12
    w = np.arange(12.).reshape(3, 4) - 5
    ax = draw_net([4, 3], [w])
    wide = [line.get_linewidth() for line in ax.lines]
    assert np.argsort(wide)[-1] == np.argsort(np.abs(w.T.ravel()))[-1]   # from input to input
    assert [line.get_color() for line in ax.lines] == ['negative' if v < 0 else 'positive' for v in w.T.ravel()]
    few = readable(draw_net([1, 2, 1], [torch.nn.Linear(1, 2).weight, torch.tensor([[1., -2.]])], {0: ['x'], -1: ['y']}, [[1], [2, 3], ['a']]))
    assert {'1', '-2', 'x', 'y', '2', '3', 'a'} <= {t.get_text() for t in few.texts}
    large = readable(draw_net([12, 20, 1]))
    assert {'12', '20', '⋮'} <= {t.get_text() for t in large.texts} and len(large.patches) == 13 + 6   # circles; arrows to the last one
    draw_net([2, 1], [np.zeros((1, 2))])
    fails(ValueError, lambda: draw_net([2, 1], [[[1], [3]]]), 'Expected (1, 2)')
    fails(ValueError, lambda: draw_net([2, 0]), 'sizes[1]')

def test_grids():
    v = np.array([[1., np.nan], [-2, 0]])
    ax = readable(draw_grids([v, '=', [['a', 'b']]], ['left', '', 'right'], {0: [(0, 1, 2, 1)]}))
    assert [t.get_text() for t in texts(ax)] == ['left', '1', '-2', '0', '=', 'right', 'a', 'b']
    colours = [to_hex(p.get_facecolor()) for p in ax.patches[:4]]
    assert colours[1] == colours[3] == '#ffffff' and same_color(colours[2], drawings.tint('negative', .65))   # the hole, and 0
    frame = ax.patches[4]
    assert same_color(frame.get_edgecolor(), 'model') and frame.get_height() == pytest.approx(2*frame.get_width())
    first = ax.patches[1].get_x(), ax.patches[3].get_y()
    assert frame.get_xy() == pytest.approx(first)
    padded = readable(draw_grids([v], pad=2))
    assert padded.patches[0].get_width() == pytest.approx(6*padded.patches[1].get_width())
    wide = readable(draw_grids([np.zeros((2, 14), int)]))
    assert wide.patches[-1].get_x() + wide.patches[-1].get_width() <= 6
    fails(ValueError, lambda: draw_grids([v], ['a', 'b']), 'titles')

def test_sequence():
    ax = readable(draw_sequence(['never', 'dull'], [0, -1], {(0, 1): .5}))
    assert same_color(ax.patches[0].get_facecolor(), 'white') and ax.patches[1].get_edgecolor()[:3] == plt.matplotlib.colors.to_rgb('negative')
    thin, wide = (draw_sequence(['a', 'b', 'c'], arcs={(0, 2): w}).patches[-1].get_linewidth() for w in (.1, 1))
    assert thin < wide
    readable(draw_sequence(['a', 'b', 'c'], arcs={(0, 2): 1, (2, 0): 1}))
    unrolled = readable(draw_sequence(['a', 'b', 'c'], cell='LSTM', outputs=['x', 'y', 'z']))
    assert sum(t.get_text() == 'LSTM' for t in unrolled.texts) == 3 and len(unrolled.patches) == 3 + 3 + 3 + 2 + 3
    two = draw_sequence(['a', 'b'], cell='h', colours=['negative', 'model'])
    edges = [p.get_edgecolor() for p in two.patches]
    for name in ('negative', 'model'): assert any(same_color(edge, PALETTE[name]) for edge in edges)
    fails(ValueError, lambda: draw_sequence(['a', 'b'], cell='h', colours=['model']), 'colours')
    fails(ValueError, lambda: draw_sequence(['a'], [1, 2]), 'shades')
    fails(ValueError, lambda: draw_sequence(['many']*20), 'fewer')

def test_stack_shrinks_and_deepens():
    ax = readable(draw_stack([(1, 32, 32), (8, 16, 16), (64, 4, 4)], ['conv', 'conv 2']))
    fronts = [p.get_xy() for p in ax.patches if type(p).__name__ == 'Polygon'][::3]
    assert np.all(np.diff([np.ptp(f[:, 1]) for f in fronts]) < 0) and np.all(np.diff([np.ptp(f[:, 0]) for f in fronts]) > 0)
    assert '64×4×4' in [t.get_text() for t in ax.texts]
    fails(ValueError, lambda: draw_stack([(1, 2, 2)]*3, ['a']), 'names')

def test_tree():
    ax = readable(draw_tree(('top?', 'left', ('right?', 'a', 'b')), {'a': 'positive'}))
    assert centre(ax, 'left')[0] < centre(ax, 'a')[0] < centre(ax, 'b')[0] and centre(ax, 'a')[1] < centre(ax, 'left')[1] < centre(ax, 'top?')[1]
    assert [t.get_text() for t in ax.texts].count('yes') == 2
    readable(draw_tree('only a leaf'))

def test_split_is_in_proportion_and_has_the_colours():
    ax = readable(draw_split({'training': 300, 'validation': 100}))
    left, right = ax.patches
    assert left.get_width() == pytest.approx(3*right.get_width())
    assert same_color(left.get_edgecolor(), PALETTE['training']) and same_color(right.get_edgecolor(), PALETTE['validation'])
    assert len(readable(draw_split([('training', 1), ('validation', 1), ('training', 3)])).patches) == 3
    fails(ValueError, lambda: draw_split(dict(training=1000, test=1)), 'Expected shorter')

def test_folds_validate_with_each_part_once():
    ax = readable(draw_folds(4))
    colours = np.array([same_color(p.get_edgecolor(), PALETTE['validation']) for p in ax.patches]).reshape(4, 4)
    assert (colours == np.eye(4)).all() and [t.get_text() for t in ax.texts if 'score' in t.get_text()] == [f'score {k}' for k in (1, 2, 3, 4)]
    fails(ValueError, lambda: draw_folds(1), 'k is 1')

def test_a_sheet_of_ones_own():
    ax = paper(1, low=-1)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 6), (-1, 0)) and draw_box(ax, 1, -.5, 'a') is ax is draw_arrow(ax, (1, -.5), (2, -.5), 'go', .1)
    readable(ax)
