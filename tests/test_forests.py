"Trees and forests of lesson 06 against scikit-learn; gaps, words and bad input; explanations that add up."
import inspect, pickle, time, warnings

import matplotlib.pyplot as plt, numpy as np, pandas as pd, pytest
from sklearn import datasets, ensemble, tree
from sklearn.base import clone
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import accuracy_score, r2_score
from sklearn.ensemble import VotingRegressor
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import check_estimator

from conftest import refuses as fails
from fastlessons import forests
from fastlessons.data import get_data
from fastlessons.forests import ForestClassifier, ForestRegressor, Rows, TreeClassifier, TreeRegressor, bin_columns, leaves, tally
from fastlessons.plots import PALETTE
from fastlessons.simple import forests as simple

ALL = TreeClassifier, TreeRegressor, ForestClassifier, ForestRegressor
PAIRS = {TreeClassifier: tree.DecisionTreeClassifier, TreeRegressor: tree.DecisionTreeRegressor,
         ForestClassifier: ensemble.RandomForestClassifier, ForestRegressor: ensemble.RandomForestRegressor}

def noise(n=600, p=5, seed=0):
    "Numbers without ties that 32 bits hold exactly, and an answer."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)).astype(np.float32).astype(float)
    return x, x[:, 0]*x[:, 1] + x[:, 2] + .3*rng.normal(size=n)

def passengers(source='sample'):
    "Columns of the passenger list, words and gaps as they are, and who survived."
    d = pd.read_csv(get_data('titanic', source)/'train.csv')
    return d[['Pclass', 'Sex', 'Age', 'SibSp', 'Parch', 'Fare', 'Embarked']], d.Survived

def as_numbers(x): return x.assign(**{c: pd.Categorical(x[c]).codes for c in ('Sex', 'Embarked')})

# Splits, against scikit-learn

def assert_same(model, theirs, i=0, j=0):
    "Walk both trees together; where they ask different questions, both must have gained equally much. Returns nodes walked."
    n, t = model.nodes_, theirs.tree_
    leaf = n.col[i] < 0
    assert leaf == (t.feature[j] < 0) and n.size[i] == t.weighted_n_node_samples[j]
    if leaf: return 1
    yes, no = t.children_left[j], t.children_right[j]
    if n.col[i] != t.feature[j] or not np.isclose(n.cut[i], t.threshold[j], atol=1e-6):
        w = t.weighted_n_node_samples
        gain = w[j]*t.impurity[j] - w[yes]*t.impurity[yes] - w[no]*t.impurity[no]
        scale = 2 if n.value.shape[1] == 1 and hasattr(model, 'classes_') else 1   # Gini is twice the variance of 0 and 1
        assert np.isclose(gain, scale*n.gain[i], rtol=1e-9), 'not a tie'
        return 1
    return 1 + assert_same(model, theirs, n.left[i], yes) + assert_same(model, theirs, n.left[i]+1, no)

@pytest.mark.parametrize('kw', [dict(min_samples_leaf=5), dict(max_depth=3), dict(max_depth=8, min_samples_leaf=2), dict()])
@pytest.mark.parametrize('ours,kind', [(TreeRegressor, 'number'), (TreeClassifier, 'two'), (TreeClassifier, 'four')])
@pytest.mark.parametrize('seed', range(2))
def test_splits_equal_scikit_learns(ours, kind, kw, seed):
    x, y = noise(seed=seed)
    y = dict(number=y, two=y > 0, four=np.digitize(y, [-1, 0, 1]))[kind]
    a, b = ours(**kw).fit(x, y), PAIRS[ours](random_state=0, **kw).fit(x, y)
    assert len(a.nodes_.col) > 10
    walked = assert_same(a, b)
    if kind == 'number' and kw.get('min_samples_leaf') == 5: assert walked == len(a.nodes_.col) == b.tree_.node_count   # no ties: all of it
    if not kw: assert (a.predict(x) == y).all() if kind != 'number' else np.allclose(a.predict(x), y)   # by heart

def test_splits_with_ties_gain_as_much():
    x, y = datasets.load_digits(return_X_y=True)   # 17 shades: ties everywhere
    assert assert_same(TreeClassifier(max_depth=5).fit(x, y), tree.DecisionTreeClassifier(max_depth=5, random_state=0).fit(x, y)) >= 3

@pytest.mark.parametrize('way', ['count', 'sort'])
def test_histogram_and_sorting_agree(monkeypatch, way):
    x, y = noise(300, 3)
    x = x.round(1)   # whole weights and few values, so that sums are exact either way
    either = TreeClassifier(max_bins=255).fit(x, y > 0).nodes_
    def only(rows, code, nodes):
        if way == 'sort': return forests._sort(rows, code, nodes)
        return forests._count(rows, code, 8, nodes << 8)
    monkeypatch.setattr(forests, 'tally', only)
    for a, b in zip(either, TreeClassifier(max_bins=255).fit(x, y > 0).nodes_): assert np.array_equal(a, b)

def test_more_than_65536_nodes_in_one_level():
    n = 140_000
    rng = np.random.default_rng(0)
    rows = Rows(rng.permutation(n)//2, np.arange(n), np.ones((2, n)))
    t = tally(rows, rng.integers(0, 9, n).astype(np.uint8), n//2)
    assert (np.diff(t.node*256 + t.code) >= 0).all() and t.sums[0].sum() == n

def test_xor_needs_a_split_that_gains_nothing():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]*5, float)
    y = x[:, 0] != x[:, 1]
    assert TreeClassifier().fit(x, y).score(x, y) == 1

def test_the_scale_of_a_column_does_not_matter():
    x, y = noise()
    a, b = (TreeRegressor(min_samples_leaf=5).fit(v, y).predict(v) for v in (x, np.exp(x)*1000))
    assert np.allclose(a, b)

# The version that lesson 06 builds

def asks_the_same(simple, model, columns, i=0):
    "Walk both trees together: columns, where the cut lies, and the leaves' means and sizes. Returns nodes walked."
    n = model.nodes_
    if n.col[i] < 0:
        assert simple.col is None and simple.size == n.size[i]
        assert np.isclose(simple.mean, n.value[i, 0] + getattr(model, 'mean_', 0))
        return 1
    assert simple.col == columns[n.col[i]] and simple.cut <= n.cut[i]   # the library cuts in the middle between two values
    return 1 + asks_the_same(simple.yes, model, columns, n.left[i]) + asks_the_same(simple.no, model, columns, n.left[i]+1)

@pytest.mark.parametrize('kw', [dict(max_depth=3), dict(min_samples_leaf=5), dict(max_depth=5, min_samples_leaf=3)])
@pytest.mark.parametrize('e', [TreeClassifier, TreeRegressor])
def test_the_lessons_tree_asks_the_same_questions(e, kw):
    x, y = noise(120, 4)
    x, y = pd.DataFrame(x, columns=list('abcd')), pd.Series(y)
    if e is TreeClassifier: y = (y > 0).astype(int)
    a, b = simple.Tree(**kw).fit(x, y), e(**kw).fit(x, y)
    assert asks_the_same(a, b, x.columns) == len(b.nodes_.col) > 10
    assert np.allclose(a.predict(x), b.predict_proba(x)[:, 1] if e is TreeClassifier else b.predict(x))

def test_the_lessons_forest_is_as_good():
    x, y = noise(300, 4)
    x, y = pd.DataFrame(x, columns=list('abcd')), pd.Series(y)
    kw = dict(n_estimators=5, min_samples_leaf=10, seed=0)
    ours = simple.Forest(**kw).fit(x[:150], y[:150])
    a, b = (r2_score(y[150:], f.predict(x[150:])) for f in (ours, ForestRegressor(**kw).fit(x[:150], y[:150])))
    assert abs(a - b) < .15 and a > .3, (a, b)
    assert len({tree.mean for tree in ours.trees}) == 5   # each has drawn other rows
    kw = dict(n_estimators=2, max_depth=2, max_features=1, seed=3)
    one, again, other = (simple.Forest(**{**kw, 'seed': s}).fit(x[:50], y[:50]).predict(x) for s in (3, 3, 4))
    assert (one == again).all() and not (one == other).all()

def test_the_lessons_best_cut():
    x, y = pd.Series([1., 2, 3, np.nan, 4]), pd.Series([0, 0, 1, 1, 1])
    assert simple.best_cut(x, y) == (0, 2) and simple.best_cut(x, y, least=3)[0] == np.inf
    assert simple.best_cut(x[:1], y[:1])[0] == np.inf
    assert simple.impurity(y, x > 9) == y.var(ddof=0) and 'left: yes or no' in simple.impurity.__doc__
    assert repr(simple.Tree().fit(x.to_frame('age'), y)) == 'age up to 2?\nyes: 0.00 of 2\nno:  1.00 of 3'

def test_the_way_of_a_row():
    "From the whole tree to the leaf that predicts; a gap goes to no; its boxes are marked."
    import matplotlib.pyplot as plt
    x, y = passengers()
    x = as_numbers(x)
    t = simple.Tree(max_depth=3).fit(x, y)
    for k in range(0, 200, 20):
        row = x.iloc[k]
        way = simple.way_down(t, row)
        assert way[0] is t and way[-1].col is None and way[-1].mean == t.predict(x.iloc[[k]])[0]
        assert all(after is (a.yes if row[a.col] <= a.cut else a.no) for a, after in zip(way, way[1:]))
    small = simple.Tree(max_depth=2).fit(x, y)
    ax = simple.draw_way(small, x.iloc[0])
    marked = [p for p in ax.patches if p.get_edgecolor()[:3] == plt.matplotlib.colors.to_rgb(PALETTE['model'])]
    assert len(marked) == len(simple.way_down(small, x.iloc[0]))
    plt.close('all')

# Quality, against scikit-learn

def fair(ours, x, y, x_num=None, n=150):
    "Out-of-bag scores of both forests."
    def score(f, x): return f(n_estimators=n, oob_score=True, random_state=0).fit(x, y).oob_score_
    return score(ours, x), score(PAIRS[ours], x if x_num is None else x_num)

@pytest.mark.slow
@pytest.mark.parametrize('name', ['sample', 'real'])
def test_passengers_within_a_point(name, request):
    x, y = passengers('sample' if name == 'sample' else request.getfixturevalue('shared')/'data')
    a, b = fair(ForestClassifier, x, y, as_numbers(x))
    assert a > b - .01 and a > .78, (a, b)

@pytest.mark.slow
def test_bike_sharing_within_a_hundredth(shared):
    d = pd.read_csv(shared/'data'/'bike-sharing'/'hour.csv').sample(6000, random_state=0)
    x = d[['season', 'yr', 'mnth', 'hr', 'holiday', 'weekday', 'workingday', 'weathersit', 'temp', 'atemp', 'hum', 'windspeed']]
    a, b = fair(ForestRegressor, x, d.cnt, n=40)
    assert a > b - .01 and a > .9, (a, b)

@pytest.mark.slow
@pytest.mark.parametrize('ours,load', [(ForestClassifier, datasets.load_breast_cancer), (ForestClassifier, datasets.load_digits),
                                       (ForestRegressor, datasets.load_diabetes)])
def test_scikit_learns_own_data(ours, load):
    x, y = load(return_X_y=True)
    a, b = fair(ours, x, y)
    assert a > b - .01, (a, b)

def test_no_slower_than_three_times_scikit_learn():
    x, y = noise(10_000, 8)
    def seconds(f):
        t = time.process_time()
        f(n_estimators=5, random_state=0).fit(x, y > 0)
        return time.process_time() - t
    assert min(seconds(ForestClassifier) for _ in range(2)) < 3*min(seconds(PAIRS[ForestClassifier]) for _ in range(2))

# The rules of scikit-learn

@pytest.mark.parametrize('e', ALL)
def test_check_estimator(e):
    results = check_estimator(e(), on_fail=None, on_skip=None)
    assert {r['status'] for r in results} <= {'passed', 'skipped'}, [r for r in results if r['status'] == 'failed']
    assert sum(r['status'] == 'passed' for r in results) > 40

@pytest.mark.parametrize('e', ALL)
def test_seed_is_another_name_of_random_state(e):
    a = e(seed=3)
    assert a.seed == a.random_state == 3 and a.get_params()['random_state'] == 3 and 'seed' not in a.get_params()
    assert clone(a).seed == 3 and a.set_params(seed=4).random_state == 4 and repr(a) == f'{e.__name__}(random_state=4)'
    x, y = noise(100)
    kw = dict(max_features=.5) if 'Tree' in e.__name__ else dict(n_estimators=5)
    targ = y > 0 if 'Classifier' in e.__name__ else y
    assert np.array_equal(e(seed=3, **kw).fit(x, targ).nodes_.cut, e(random_state=3, **kw).fit(x, targ).nodes_.cut)

@pytest.mark.parametrize('e', ALL)
def test_the_answer_has_the_container_of_the_question(e):
    x, y = noise(60, 3)
    targ = np.where(y > 0, 'up', 'down') if 'Classifier' in e.__name__ else y
    df = pd.DataFrame(x, columns=list('abc'), index=range(100, 160))
    kw = {} if 'Tree' in e.__name__ else dict(n_estimators=5)
    f = e(seed=0, **kw).fit(df, pd.Series(targ, df.index, name='answer'))
    s = f.predict(df)
    assert isinstance(s, pd.Series) and s.index.equals(df.index) and s.name == 'answer'
    g = e(seed=0, **kw).fit(x, targ)
    assert isinstance(g.predict(x), np.ndarray) and (g.predict(x) == s.to_numpy()).all()
    assert g.predict(x.tolist()) == s.tolist()
    assert f.score(df, targ) == g.score(x, targ) > .7

@pytest.mark.parametrize('e', ALL)
def test_help_tells_of_each_parameter(e):
    for f in (e, e.fit, e.predict, e.contributions, e.question, e.plot, e.save, e.load):
        for p in inspect.signature(f).parameters.values():
            if p.name != 'self': assert f'{p.name}: ' in f.__doc__ and p.annotation is not p.empty, (f, p)
    assert inspect.signature(e.plot).parameters['ax'].kind == inspect.Parameter.KEYWORD_ONLY

@pytest.mark.slow
@pytest.mark.parametrize('e', ALL)
def test_pickle_and_clone(e):
    x, y = passengers()
    a = e(random_state=3).fit(x, y)
    assert np.array_equal(pickle.loads(pickle.dumps(a)).predict(x), a.predict(x))
    assert np.array_equal(clone(a).fit(x, y).predict(x), a.predict(x))

@pytest.mark.slow
def test_each_row_for_itself():
    x, y = passengers()
    f = ForestClassifier(20, random_state=0).fit(x, y)
    assert np.allclose(f.predict_proba(x), np.concatenate([f.predict_proba(x[i:i+7]) for i in range(0, len(x), 7)]))

def test_trees_grown_together_or_alone(monkeypatch):
    x, y = noise()
    a = ForestRegressor(7, min_samples_leaf=40, random_state=0).fit(x, y)
    monkeypatch.setattr(forests, '_together', lambda trees, n: (slice(i, i+1) for i in range(trees)))
    b = ForestRegressor(7, min_samples_leaf=40, random_state=0).fit(x, y)   # all columns are tried, so chance only draws the rows
    assert np.allclose(a.predict(x), b.predict(x))

# Out of bag, importance, contributions

def test_out_of_bag_by_hand():
    x, y = noise(200)
    f = ForestRegressor(9, oob_score=True, random_state=5).fit(x, y)
    rng, votes, seen = np.random.RandomState(5), np.zeros(200), np.zeros(200)
    for root in f.roots_:
        out = np.bincount(rng.randint(0, 200, 200), minlength=200) == 0
        votes += np.where(out, f.nodes_.value[leaves(f.nodes_, [root], x)[0], 0] + y.mean(), 0)
        seen += out
    known = seen > 0
    assert np.allclose(f.oob_prediction_[known], votes[known]/seen[known]) and np.isnan(f.oob_prediction_[~known]).all()
    assert np.isclose(f.oob_score_, r2_score(y[known], f.oob_prediction_[known]))

def test_out_of_bag_is_near_the_error_on_new_rows():
    x, y = noise(4000)
    f = ForestClassifier(60, oob_score=True, random_state=0).fit(x[:2000], y[:2000] > 0)
    assert f.oob_prediction_.shape == (2000, 2) and abs(f.oob_score_ - f.score(x[2000:], y[2000:] > 0)) < .03

def test_importance_equals_scikit_learns():
    x, y = noise()
    for ours, targ in ((TreeRegressor, y), (TreeClassifier, y > 0)):
        kw = dict(min_samples_leaf=20)
        a, b = ours(**kw).fit(x, targ), PAIRS[ours](random_state=0, **kw).fit(x, targ)
        assert np.allclose(a.feature_importances_, b.feature_importances_, atol=.01)   # a tie may go to another column
    a, b = (f(50, random_state=0).fit(x, y).feature_importances_ for f in (ForestRegressor, ensemble.RandomForestRegressor))
    assert np.allclose(a, b, atol=.03)

def test_scikit_learns_inspection_takes_them():
    x, y = passengers()
    f = ForestClassifier(20, random_state=0).fit(x, y)
    p = permutation_importance(f, x, y, n_repeats=3, random_state=0)
    assert p.importances_mean.argmax() == 1   # Sex
    d = partial_dependence(f, x, ['Fare'], grid_resolution=5)
    assert np.isin(cross_val_predict(TreeClassifier(max_depth=2), x, y, cv=3), [0, 1]).all()
    both = VotingRegressor([('a', TreeRegressor(max_depth=2)), ('b', ForestRegressor(5, seed=0))]).fit(x, y)
    assert both.predict(x).shape == (len(x),)
    assert d['average'].shape == (1, 5) and np.isfinite(d['average']).all()

@pytest.mark.parametrize('e', ALL)
def test_contributions_add_up(e):
    x, y = passengers()
    f = e(random_state=0).fit(x, y)
    start, parts = f.contributions(x)
    assert parts.shape == x.shape
    assert np.allclose(start + parts.sum(1), f.predict_proba(x)[:, 1] if hasattr(f, 'classes_') else f.predict(x))

def test_contributions_of_three_classes():
    x, y = datasets.load_iris(return_X_y=True)
    f = ForestClassifier(10, random_state=0).fit(x, y)
    start, parts = f.contributions(x)
    assert parts.shape == (150, 4, 3) and np.allclose(start + parts.sum(1), f.predict_proba(x)) and np.allclose(parts.sum(2), 0)

def test_drawing():
    x, y = passengers()
    for e in ALL:
        ax = e(max_depth=3, random_state=0).fit(x, y).plot()
        texts = [t.get_text() for t in ax.texts]
        boxes = [t for t in texts if 'rows' in t]
        assert 3 <= len(boxes) <= 15 and texts.count('yes') == texts.count('no') == len(boxes)//2
        assert len({t.get_bbox_patch().get_facecolor() for t in ax.texts if 'rows' in t.get_text()}) > 2   # shaded by its answer
        plt.close('all')
    assert TreeClassifier(max_depth=1).fit(x, y).plot().texts[0].get_text().startswith('Sex is female?\n900 rows\n0 6')
    gap = TreeClassifier(max_depth=1).fit(pd.DataFrame(dict(a=[1, 2, None, None]*5)), [0, 0, 1, 1]*5)
    assert gap.question(0) == 'a is missing?' and gap.question(1) == ''

# Gaps and words

def test_a_gap_is_a_value():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    x[rng.random(400) < .3, 0] = np.nan
    f = TreeClassifier().fit(x, np.isnan(x[:, 0]))
    assert f.score(x, np.isnan(x[:, 0])) == 1 and len(f.nodes_.col) == 3
    assert f.predict([[np.nan, 0]])[0] and not f.predict([[-1e300, 0]])[0]

@pytest.mark.parametrize('e', [TreeRegressor, TreeClassifier])
def test_rows_go_the_same_way_in_training_and_after(e):
    "With gaps in every column: each leaf holds as many rows as training sent there."
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3)).round(1)
    y = rng.normal(size=500) + np.isnan(x).sum(1)
    x[rng.random(x.shape) < .3] = np.nan
    f = e().fit(x, y > 0 if e is TreeClassifier else y)
    at, n = np.unique(leaves(f.nodes_, f.roots_, x), return_counts=True)
    assert np.array_equal(f.nodes_.size[at], n) and np.array_equal(at, np.flatnonzero(f.nodes_.col < 0))

@pytest.mark.parametrize('x, y, says', [([1., 2, 3, 4], [1, 1, 1, 5], 1), ([1., 2, 3, 4], [1, 5, 5, 5], 5), ([1., 2, 3, 4], [1, 1, 5, 5], 5)])
def test_gaps_that_training_did_not_have_go_with_most_rows(x, y, says):
    "As in scikit-learn, to the right if both sides have as many."
    x = np.array(x)[:, None]
    assert TreeRegressor().fit(x, y).predict([[np.nan]]) == tree.DecisionTreeRegressor().fit(x, y).predict([[np.nan]]) == [says]

def test_gaps_at_nodes_that_have_seen_none_go_as_in_scikit_learn():
    "Gaps in some columns and rows only: the same trees, and the same answers for rows full of gaps."
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 3)).round(2)
    x[rng.random(300) < .1, 0] = np.nan
    y = x[:, 1] + np.nan_to_num(x[:, 0]) + rng.normal(size=300)
    new = np.where(rng.random((500, 3)) < .4, np.nan, rng.normal(size=(500, 3)))
    ours, theirs = TreeRegressor(max_depth=3).fit(x, y), tree.DecisionTreeRegressor(max_depth=3).fit(x, y)
    assert np.allclose(ours.predict(x), theirs.predict(x)) and np.allclose(ours.predict(new), theirs.predict(new))

@pytest.mark.parametrize('e', [TreeClassifier, ForestClassifier])
def test_a_word_that_training_did_not_have_is_nobody_in_particular(e):
    "5% yes, all from one town: P(yes) of a new town was 1."
    x, y = pd.DataFrame(dict(town=['Ay']*5 + ['Be']*95)), [1]*5 + [0]*95
    yes = e(random_state=0).fit(x, y).predict_proba(pd.DataFrame(dict(town=['Ay', 'Be', 'new', None, 'other'])))[:, 1]
    assert yes[0] > .9 and (yes[1:] < .1).all()

def test_a_new_word_is_no_gap():
    "A gap says yes in training. That says nothing of a word that nobody knows."
    x = pd.DataFrame(dict(town=['Ay', 'Be', 'Ce', None]*20))
    f = TreeClassifier().fit(x, x.town.isna())
    assert f.predict(pd.DataFrame(dict(town=[None, 'new']))).tolist() == [True, False]

NEW = pd.DataFrame(dict(a=['never seen', 'y', None]))

@pytest.mark.parametrize('dtype', ['object', 'str', 'category'])
def test_words(dtype):
    x = pd.DataFrame(dict(a=pd.Series(['x', 'y', 'z', None]*20, dtype=dtype)))
    y = [1., 2, 1, 7]*20
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        f = TreeRegressor().fit(x, y)
        assert np.allclose(f.predict(x), y)
        assert np.allclose(f.predict(NEW)[1:], [2, 7]) and f.predict(NEW)[0] < 7

def test_categories_of_numbers_and_nullable_columns():
    x = pd.DataFrame(dict(a=pd.Categorical([3, 1, 2]*9), b=pd.array([1, None, 3]*9, dtype='Int64'), c=[True, False, False]*9,
                          d=pd.Series([1, 2.5, None]*9, dtype=object)))
    y = [0, 1, 2]*9
    f = TreeClassifier().fit(x, y)
    assert f.score(x, y) == 1 and f.score(x.astype({'a': int}), y) == 1

@pytest.mark.parametrize('vip', [[True, False, None], [np.True_, np.False_, None], pd.array([True, False, None], 'boolean'), ['True', 'False', None], [True, False, np.nan]], ids=str)
def test_true_false_and_gaps(vip, tmp_path):
    df, y = pd.DataFrame(dict(vip=pd.Series(list(vip)*20, dtype=getattr(vip, 'dtype', object)))), ['yes', 'no', 'gap']*20
    f = ForestClassifier(20, random_state=0).fit(df, y)
    assert f.score(df, y) == 1 and f.score(df[:2], y[:2]) == 1 and ForestClassifier.load(f.save(tmp_path/'f')).predict(df).equals(f.predict(df))

@pytest.mark.parametrize('words', [pd.cut([1, 4, 9], 3), ['7', '007', '07'], [1, 'x', 2.5], pd.Categorical([2**60, 2**60 + 1, 5]), pd.Categorical([True, False, True]), [('a', 1), ('a', '1'), ('b', 1)]], ids=str)
def test_each_word_is_itself_before_and_after_a_file(words, tmp_path):
    x = pd.DataFrame(dict(w=pd.Series(list(words)*9, dtype=getattr(words, 'dtype', object))))
    y = pd.Series(pd.Series(list(words)).map(str).tolist()*9)
    f = TreeClassifier().fit(x, y)
    again = TreeClassifier.load(f.save(tmp_path/'f'))
    assert f.score(x, y) == 1 and again.score(x, y) == 1 and again.predict_proba(x[:2]).tolist() == f.predict_proba(x[:2]).tolist()

@pytest.mark.parametrize('classes', [[2**60, 2**60 + 1], [2**70, 2**70 + 1], ['7', '007'], [True, False], [1, 'x'], ['1', 'True'], [1., 2.], pd.cut([1, 9], 2), pd.period_range('2024', periods=2, freq='Y'),
    pd.array([1, 2], 'Int64'), pd.array([2**60, 2**60 + 1], 'Int64'), pd.Categorical([True, False]), pd.Categorical([2**60, 2**60 + 1]), pd.array([True, False], 'boolean'), pd.array(['a', 'b'], 'string'), pd.Categorical(['b', 'a']), np.array([3, 250], np.uint8)], ids=str)
@pytest.mark.parametrize('make', [pd.Series, list])
def test_classes_keep_what_they_are(classes, make, tmp_path):
    x = pd.DataFrame(dict(x=[0., 1.]*20))
    y = pd.Series(list(classes)*20, dtype=getattr(classes, 'dtype', object))
    y = y.rename('y') if make is pd.Series else y.tolist()
    f = TreeClassifier().fit(x, y)
    assert f.score(x, y) == 1 == np.mean([a == b for a, b in zip(f.predict(x), y)]) and f.score(x, y[::-1]) == 0
    again = TreeClassifier.load(f.save(tmp_path/'f'))
    assert again.predict(x).equals(f.predict(x)) and again.score(x, y) == 1 and again.classes_.dtype == f.classes_.dtype
    if make is pd.Series: assert f.predict(x).name == 'y'

@pytest.mark.parametrize('y, words', [([1, '1'], ["'1' (text)"]), ([True, 1], ['True']), (['a', None], ['has gaps']), (pd.array([1, None], 'Int64'), ['gaps']), ([2.**60, 0.], ['last digits']), ([1, .5], ['amount'])], ids=str)
def test_classes_that_are_unclear_are_refused(y, words): fails((ValueError, TypeError), lambda: TreeClassifier().fit([[0.], [1]]*5, pd.Series(list(y)*5, dtype=getattr(y, 'dtype', object))), *words)

def test_classes_in_another_writing_are_refused_by_score():
    f = TreeClassifier().fit([[0.], [1]], [0, 1])
    fails(ValueError, lambda: f.score([[0.], [1]], ['0', '1']), "'0' (text)")
    assert f.score([[0.], [1]], [0., 7]) == .5

def test_ids_that_are_too_long_for_floats_are_refused():
    ids = np.array([2**60, 2**60 + 1]*5)
    for x in (pd.DataFrame({0: ids}), ids[:, None], pd.DataFrame({0: pd.array([*ids[:-1], None], 'Int64')})): fails(ValueError, lambda: TreeClassifier().fit(x, [0, 1]*5), 'Column 0', '.astype(str)')
    x = pd.DataFrame(dict(id=ids)).astype(str).astype('category')
    assert TreeClassifier().fit(x, [0, 1]*5).score(x, [0, 1]*5) == 1
    assert TreeRegressor().fit([[2**60], [2**61]], [0, 1]).predict([[2**61]]) == [1]

@pytest.mark.parametrize('names', [[0, 1], ['', 'b'], [('a', 1), ('a', 2)], [pd.Timestamp('2024'), pd.Timestamp('2025')], [1.5, 2], ['\ud83d', 'b']], ids=str)
def test_names_of_columns_of_any_kind(names, tmp_path):
    df = pd.DataFrame([['x', 1.], ['y', 2]]*9, columns=pd.Index(names))
    y = pd.Series([1., 2]*9, name=names[0])
    f = TreeRegressor(max_depth=np.int64(3)).fit(df.astype({names[1]: float}), y)
    again = TreeRegressor.load(f.save(tmp_path/'f'))
    assert again.predict(df).equals(f.predict(df)) and f.predict(df).name == names[0] and again.question(0) == f.question(0) == f'{names[0]} is x?'
    fails(ValueError, lambda: again.predict(df[names[::-1]]), 'order')

@pytest.mark.parametrize('words', [[f'{i},5' for i in range(54)], [f'{i} %' for i in range(54)], ['?', *map(str, range(53))],
                                   [f'{i%28+1:02}.05.2024' for i in range(54)], ['9,5', '10,5', '11,5']*18])
def test_numbers_and_dates_as_words_are_refused(words):
    x = pd.DataFrame(dict(a=words, b=range(54)))
    for e in (TreeClassifier, ForestRegressor): fails(ValueError, lambda: e().fit(x, [0, 1]*27), "'a' holds", 'written as text', 'pd.read_csv' if '%' not in words[0] else 'str.replace')
    assert TreeClassifier().fit(x.assign(a=x.a.astype('category')), [0, 1]*27)
    if ',' in words[0]: fails(ValueError, lambda: TreeClassifier().fit(x[['b']], x.a), "'a' holds", 'ForestRegressor')

def test_true_and_false_with_gaps():
    x, y = pd.DataFrame(dict(a=[True, False, None]*9)), [0, 1, 2]*9
    f = TreeClassifier().fit(x, y)
    assert f.score(x, y) == 1 and f.predict(pd.DataFrame(dict(a=[True, False]))).tolist() == [0, 1]   # no gap here: another type
    g = TreeClassifier().fit(x[x.a.notna()].astype(bool), [0, 1]*9)
    assert g.predict(x[:2]).tolist() == [0, 1]

def test_honest_categories_in_digits():
    for words in (['007', '08', '9'], ['1', '2', '3'], ['3.9', '3.10', '3.11']):
        x, y = pd.DataFrame(dict(a=words*9)), [0, 1, 2]*9
        assert TreeClassifier().fit(x, y).score(x, y) == 1

def test_an_index_of_any_kind():
    x, y = passengers()
    a = ForestClassifier(10, random_state=0).fit(x, y).predict_proba(x)
    for index in (range(5, 5+len(x)), [0]*len(x), [f'p{i}' for i in range(len(x))][::-1]):
        x2, y2 = x.set_axis(index), y.set_axis(index)
        assert np.array_equal(ForestClassifier(10, random_state=0).fit(x2, y2).predict_proba(x2), a)

def test_columns_that_say_nothing():
    x, y = noise(200, 3)
    for column in (np.nan, 7.): x = np.c_[x, np.full(200, column)]
    for e in (TreeRegressor, ForestRegressor):
        f = e(random_state=0).fit(x, y)
        assert (f.feature_importances_[3:] == 0).all() and f.score(x, y) > .8
    f = TreeRegressor().fit(x[:, 3:], y)   # nothing to ask: the mean for all
    assert len(f.nodes_.col) == 1 and np.allclose(f.predict(x[:, 3:]), y.mean()) and (f.feature_importances_ == 0).all()
    assert np.allclose(TreeRegressor().fit(x, np.full(200, 3.3)).predict(x), 3.3)

def test_one_row_and_one_column():
    assert TreeRegressor().fit([[1.]], [5.]).predict([[9.]]) == [5]

def test_values_side_by_side():
    x = np.array([[1.], [np.nextafter(1, 2)]])
    assert bin_columns(x).codes.tolist() == [[1, 2]]
    assert np.isfinite(TreeRegressor().fit(x, [0, 1]).predict(x)).all()

# Bad input

X, Y = pd.DataFrame(dict(age=[22., 30, 4, 51], sex=['f', 'm', 'm', 'f'])), [0, 1, 1, 0]

@pytest.mark.parametrize('new,kind,words', [
    (X[['sex']], ValueError, ['feature names', 'missing', 'age']),
    (X.rename(columns=dict(age='Age')), ValueError, ['Age', 'age']),
    (X[['sex', 'age']], ValueError, ['same order']),
    (X.assign(more='a'), ValueError, ['unseen', 'more']),
    (X.assign(age='old'), ValueError, ["'age' should hold numbers, as in training: 'old' in row 0", '1 more of 4 rows']),
    (X.assign(sex=1.5), ValueError, ["'sex' should hold words, as in training (f, m): 1.5 in row 0"]),
    (X.assign(age=np.inf), ValueError, ['infinity']),
    (X[:0], ValueError, ['0 sample(s)']),
    (X.to_numpy()[:, :1], ValueError, ['expecting 2 features'])])
@pytest.mark.filterwarnings('ignore:X does not have valid feature names')
def test_wrong_tables_at_prediction(new, kind, words):
    f = ForestClassifier(5, random_state=0).fit(X, Y)
    for ask in (f.predict, f.predict_proba, f.contributions): fails(kind, lambda: ask(new), *words)

@pytest.mark.parametrize('x,y,kind,words', [
    (X[:0], [], ValueError, ['0 sample(s)']),
    (X[[]], Y, ValueError, ['no columns']),
    (X, Y[:3], ValueError, ['inconsistent numbers of samples']),
    (X, [1]*4, ValueError, ['only one class', 'two or more']),
    (X, [0, 1, np.nan, 1], ValueError, ['gaps']),
    (X, [.1, .2, .3, .4], ValueError, ['continuous']),
    (X.assign(age=['22', '30', '4', '51']), Y, ValueError, ["'age'", "numbers written as text: '22' in row 0", 'pd.to_numeric']),
    (X.assign(born=pd.Timestamp('1900-01-01')), Y, ValueError, ["'born'", 'datetime64', "df['born'].dt.month"]),
    (X.assign(age=[1, np.inf, 2, 3]), Y, ValueError, ['infinity']),
    (X.set_axis(['a', 'a'], axis=1), Y, ValueError, ["2 columns have the name 'a'"]),
    (X.to_numpy(), Y, ValueError, ['could not convert string to float'])])
def test_wrong_tables_in_training(x, y, kind, words): fails(kind, lambda: ForestClassifier(5).fit(x, y), *words)

def test_words_as_answers_of_a_regression(): fails(ValueError, lambda: TreeRegressor().fit(X, ['a', 'b', 'a', 'b']), "Column 'y' should hold numbers", "'a'", 'TreeClassifier')

@pytest.mark.parametrize('kw,words', [
    (dict(n_estimators=0), ['n_estimators is 0', 'whole number']), (dict(n_estimators=2.5), ['n_estimators is 2.5']),
    (dict(max_depth=0), ['max_depth is 0']), (dict(min_samples_leaf=0), ['min_samples_leaf is 0']),
    (dict(max_features=3), ['max_features is 3', 'from 1 to 2']), (dict(max_features=0.), ['max_features is 0.0']),
    (dict(max_features='all'), ["max_features is 'all'"]), (dict(max_bins=1), ['max_bins is 1']),
    (dict(max_bins=10**6), ['max_bins is 1000000']), (dict(n_estimators='all'), ["n_estimators is 'all'"])])
def test_impossible_settings(kw, words): fails(ValueError, lambda: ForestClassifier(**kw).fit(X, Y), *words)

# The passenger sample

def test_the_sample_is_like_the_real_list(shared):
    a, b = (pd.read_csv(get_data('titanic', s)/'train.csv') for s in ('sample', shared/'data'))
    assert list(a.columns) == list(b.columns)
    for c in a: assert pd.api.types.is_numeric_dtype(a[c]) == pd.api.types.is_numeric_dtype(b[c]), c
    assert (a.isna().mean() - b.isna().mean()).abs().max() < .03
    assert ((a.isna().any()) == b.isna().any()).all()
    assert abs(a.Survived.mean() - b.Survived.mean()) < .05 and abs(a.Age.mean() - b.Age.mean()) < 4
    assert not set(a.Name) & set(b.Name) and not set(a.Name.str.split(',').str[0]) & set(b.Name.str.split(',').str[0])
    titles = a.Name.str.extract(r', ([^.]*)\.')[0]
    assert set(titles.value_counts().index[:4]) == {'Mr', 'Mrs', 'Miss', 'Master'} and titles.notna().all()

def test_no_model_beats_the_truth():
    truth = pd.read_csv(get_data('titanic', 'sample')/'truth.csv')
    x, y = passengers()
    assert truth.Probability.between(0, 1).all() and len(truth) == len(y)
    best = accuracy_score(y, truth.Probability > .5)
    f = ForestClassifier(100, min_samples_leaf=3, oob_score=True, random_state=0).fit(x, y)
    assert best - .06 < f.oob_score_ < best + .005

# Kept in a file; what all models promise there is in test_saved

@pytest.mark.parametrize('cls, answers', [(ForestClassifier, ['a', 'b', 'c']), (TreeClassifier, [True, False, True]),
                                          (ForestRegressor, [1.5, 2., -3.]), (TreeRegressor, [0, 1, 2])])
def test_a_forest_comes_back_as_it_was(tmp_path, cls, answers):
    rng = np.random.default_rng(0)
    df = pd.DataFrame(dict(town=['Ay', 'Be', None]*40, n=rng.integers(0, 9, 120), gaps=np.where(rng.random(120) < .2, np.nan, rng.normal(size=120))))
    kw = dict(n_estimators=7, oob_score=True) if 'Forest' in cls.__name__ else {}
    one = cls(seed=1, max_depth=5, **kw).fit(df, pd.Series(answers*40, name='answer'))
    again = cls.load(one.save(tmp_path/'f.safetensors'))
    assert again.get_params() == one.get_params() and again.predict(df).equals(one.predict(df))
    assert np.array_equal(again.feature_importances_, one.feature_importances_)
    for a, b in zip(again.contributions(df), one.contributions(df)): assert np.array_equal(a, b)
    if kw: assert again.oob_score_ == one.oob_score_

@pytest.mark.parametrize('part', ['left', 'roots', 'gaps', 'cut'])
def test_nodes_that_are_no_trees_are_not_read(tmp_path, part):
    "A question whose answer leads back to itself would never end."
    class TreeRegressor(forests.TreeRegressor):
        def _state(self):
            about, t = super()._state()
            if part == 'left': t['left'][0] = 0
            if part == 'roots': t['roots'][0] = 10**6
            if part in ('gaps', 'cut'): t[part] = t[part][:-1]
            return about, t
    x = np.arange(20.)[:, None]
    path = TreeRegressor().fit(x, x[:, 0]).save(tmp_path/'f.safetensors')
    fails(ValueError, lambda: forests.TreeRegressor.load(path), 'do not fit together')
