"Intervals, fair comparisons and learning curves, against scipy, scikit-learn and what theory says."
import warnings

import numpy as np, pandas as pd, pytest
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit, learning_curve

from conftest import refuses
from fastlessons.evaluate import LearningCurve, interval, paired_difference, share_interval
from fastlessons.samples import leaks
from fastlessons.simple.tabular import paired, plus_minus

@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield

# The interval of a share

def test_a_share_has_wilsons_interval():
    for right, n, level in ((0, 1, .95), (1, 1, .95), (3, 10, .9), (20, 20, .95), (180, 200, .99), (5000, 10_000, .5), (0, 7, .8)):
        theirs = stats.binomtest(right, n).proportion_ci(level, 'wilson')
        assert np.allclose(share_interval(right, n, level), theirs, atol=1e-12), (right, n, level)
    assert share_interval(np.int64(3), np.int32(10)) == share_interval(3, 10)

def test_the_ends_of_a_share_are_exact():
    assert share_interval(0, 20)[0] == 0 and share_interval(33, 33)[1] == 1
    assert all(type(end) is float for end in share_interval(np.int64(3), np.int64(9)))
    low, high = share_interval(3, 33, 1 - 1e-16)
    assert 0 < low < .01 and .7 < high < 1

def covered(n, p, ends):
    "Add up how probable the results are whose interval holds p."
    return sum(stats.binom.pmf(k, n, p) for k, (low, high) in enumerate(ends) if low <= p <= high)

def test_it_keeps_its_promise_where_plus_minus_does_not():
    n, shares = 20, np.linspace(.05, .95, 181)
    wilson = [share_interval(k, n) for k in range(n+1)]
    wald = [(k/n - plus_minus(k/n, n), k/n + plus_minus(k/n, n)) for k in range(n+1)]
    kept = [covered(n, p, wilson) for p in shares]
    assert abs(np.mean(kept) - .95) < .01 and min(kept) > .88
    assert min(covered(n, p, wald) for p in shares) < .7

def test_with_many_rows_it_is_plus_minus():
    low, high = share_interval(8000, 10_000)
    assert abs(high-low - 2*plus_minus(.8, 10_000)) < 1e-4

@pytest.mark.parametrize('right, n, more, words', [
    (3, 2, {}, ['3 of 2', 'at most 2']), (-1, 2, {}, ['right is -1']), (0, 0, {}, ['n is 0']), (.5, 10, {}, ['right is 0.5', 'whole number']),
    (True, 10, {}, ['right is True']), (1, 2, dict(level=1), ['level is 1', 'below 1']), (1, 2, dict(level=95), ['95', 'below 1']), (float('nan'), 3, {}, ['nan'])])
def test_no_share_is_refused(right, n, more, words): refuses(ValueError, lambda: share_interval(right, n, **more), *words)

# The interval of any score

@pytest.fixture(scope='module')
def judged():
    rng = np.random.default_rng(0)
    y = rng.random(300) < .3
    return y, rng.normal(size=300) + y, rng.normal(size=300) + .5*y   # a better and a worse model

def test_scipy_draws_the_same_interval(judged):
    y, good, _ = judged
    def apart(y, v): return v[y > .5].mean() - v[y < .5].mean()
    r = stats.bootstrap((y, good), apart, paired=True, vectorized=False, n_resamples=2000, method='percentile', rng=1)
    assert np.allclose(interval(apart, y, good, draws=2000), r.confidence_interval, atol=.03)

def test_a_mean_has_the_interval_of_theory():
    v = np.random.default_rng(0).normal(5, 2, 400)
    low, high = interval(np.mean, v, draws=4000)
    side = 1.96*v.std()/20
    assert np.allclose([low, high], [v.mean()-side, v.mean()+side], atol=.04)
    narrow = interval(np.mean, v, level=.5)
    assert low < narrow[0] < narrow[1] < high

def test_an_interval_covers_the_truth_as_often_as_it_says():
    "The mean of 60 skewed numbers, 300 times; a bootstrap covers a little less than 95%."
    rng = np.random.default_rng(1)
    held = [low <= 1 <= high for low, high in (interval(np.mean, rng.exponential(size=60), draws=250, seed=k) for k in range(300))]
    assert .89 < np.mean(held) < .975

def test_rows_that_belong_together_are_drawn_together():
    rng = np.random.default_rng(0)
    v, who = np.repeat(rng.normal(size=30), 20), np.repeat(np.arange(30), 20)   # 600 rows, 30 numbers
    alone, together = (np.subtract(*interval(np.mean, v, groups=g, draws=2000)[::-1]) for g in (None, who))
    assert abs(together/alone - 20**.5) < .4
    single = interval(np.mean, v[::20], draws=2000)
    assert np.allclose(interval(np.mean, v, groups=who, draws=2000), single, atol=.06)
    shuffled = rng.permutation(600)
    names = np.array([f'p{k}' for k in who])
    assert np.allclose(interval(np.mean, v[shuffled], groups=names[shuffled], draws=2000), single, atol=.06)

def test_groups_of_one_row_are_rows(judged):
    y, good, _ = judged
    assert interval(metrics.roc_auc_score, y, good, draws=50, level=.5) == interval(metrics.roc_auc_score, y, good, draws=50, level=.5, groups=np.arange(300)[::-1])

def test_each_container_will_do(judged):
    import torch
    y, good, _ = judged
    expected = interval(metrics.roc_auc_score, y, good, draws=50, level=.5)
    index = np.arange(300)[::-1]
    for kind in (list, torch.tensor, lambda v: pd.Series(v, index=index)): assert interval(metrics.roc_auc_score, kind(y), kind(good), draws=50, level=.5) == expected
    probs = np.c_[1-y*.5, y*.5]
    low, high = interval(metrics.log_loss, y, probs, draws=50, level=.5)
    assert low < metrics.log_loss(y, probs) < high
    assert interval(metrics.accuracy_score, np.where(y, 'yes', 'no'), np.where(good > .5, 'yes', 'no'), draws=50, level=.5) == interval(metrics.accuracy_score, y, good > .5, draws=50, level=.5)

def test_it_is_the_same_again_and_changes_nothing(judged):
    y, good, _ = judged
    before = good.copy()
    state = np.random.get_state()[1].copy()
    first = interval(metrics.roc_auc_score, y, good, draws=50, level=.5)
    assert first == interval(metrics.roc_auc_score, y, good, draws=50, level=.5) != interval(metrics.roc_auc_score, y, good, draws=50, level=.5, seed=1)
    assert (good == before).all() and (np.random.get_state()[1] == state).all()

def test_what_gives_no_interval_is_refused(judged):
    y, good, _ = judged
    auc = metrics.roc_auc_score
    def no(kind, *words, of=auc, columns=(y, good), draws=200, **more): refuses(kind, lambda: interval(of, *columns, draws=draws, **more), *words)
    no(ValueError, '300', '299', columns=(y, good[1:]))
    no(ValueError, '300', '299', groups=np.arange(299))
    no(ValueError, 'column 2', 'nan', 'Leave', columns=(y, np.where(good > 2, np.nan, good)))
    no(ValueError, 'groups', 'gaps', groups=[None]*2 + [1]*298)
    no(ValueError, 'rows: 0', columns=([], []))
    no(ValueError, 'rows: 1', columns=([1], [1]))
    no(ValueError, 'groups: 1', groups=['a']*300)
    no(ValueError, 'draws is 0', draws=0)
    no(ValueError, 'level is 0', level=0)
    no(ValueError, 'class True has 1', '10', columns=(np.arange(300) == 0, good))   # missing in a third of the draws
    no(ValueError, '1 in each', 'share_interval', of=metrics.accuracy_score, columns=([1]*20, [1]*20))
    no(ValueError, 'column', columns=())
    no(ValueError, 'different labels', columns=(pd.Series(y), pd.Series(good)[::-1]))
    no(TypeError, 'column 1', 'abc', columns=('abc', good))
    no(TypeError, 'score', 'accuracy', of='accuracy')
    no(TypeError, 'groups', '(300, 2)', groups=np.ones((300, 2)))
    for gives in (lambda y, p: p, lambda y, p: None, lambda y, p: 'x', lambda y, p: np.nan, lambda y, p: [1.]): no(ValueError, 'score is', of=gives)
    no(ValueError, 'draws is 1', draws=1)
    def stops(y, p): raise KeyError('mine')
    no(KeyError, 'mine', of=stops)

def test_a_draw_in_which_a_score_is_not_defined_is_no_score():
    "scikit-learn calls precision 0, with a warning, where nobody was called sick; that 0 must not count."
    y, says = np.arange(40) < 20, np.arange(40) < 2
    refuses(ValueError, lambda: interval(metrics.precision_score, y, says, draws=200), 'no value', 'of 200', 'ill-defined')
    def one_class(y): return 1/len(set(y)) if len(set(y)) > 1 else float('one')
    refuses(ValueError, lambda: interval(one_class, [0, 0, 0, 1], draws=200), 'no value')
    refuses(ValueError, lambda: interval(lambda y: float('mine'), [0, 1]), 'mine')   # not a matter of luck

def test_a_rare_class_is_refused():
    "In 4% of the draws there is none of the three: these scores would be 0 then, or speak of one class, without an error."
    rng = np.random.default_rng(0)
    rare, p = np.arange(303) < 3, rng.random(303) + .3*(np.arange(303) < 3)
    refuses(ValueError, lambda: interval(metrics.average_precision_score, rare, p), 'True has 3')
    for score in (metrics.balanced_accuracy_score, metrics.f1_score, metrics.matthews_corrcoef, metrics.cohen_kappa_score):
        for y in (rare, rare.astype(int), rare.astype(float), np.where(rare, 'sick', 'well')): refuses(ValueError, lambda: interval(score, y, y), 'has 3', '10')
    many = np.arange(330) < 30
    refuses(ValueError, lambda: interval(metrics.f1_score, many, many, groups=np.arange(330)//6), 'has 5')   # 30 sick people from 5 groups
    low, high = interval(metrics.average_precision_score, many, rng.random(330) + .3*many, draws=200)
    assert 0 < low < high < 1
    interval(np.mean, [0]*30 + [5], draws=200)   # costs are no classes
    interval(metrics.mean_absolute_error, [1., 2., 3., 4.], [1, 2, 3, 5], draws=200)   # nor are floats

def test_a_score_that_warns_has_no_value():
    "Average precision warns, and is 0, where a draw has no positive class."
    def one_of_two(y, p): return metrics.average_precision_score(y > 1, p)
    refuses(ValueError, lambda: interval(one_of_two, np.r_[2., np.linspace(0, 1, 40)], np.arange(41.), draws=50, level=.5), 'no value', 'No positive class')

def test_no_level_beyond_what_the_draws_can_tell():
    v = np.random.default_rng(0).normal(size=500)
    for level, least in ((.9, 100), (.95, 200), (.99, 1000)):
        refuses(ValueError, lambda: interval(np.mean, v, level=level, draws=least - 1), 'draws', str(least))
        interval(np.mean, v, level=level, draws=least)
    refuses(ValueError, lambda: interval(np.mean, v, level=.9999), 'draws is 1000', '100000')

def test_a_gap_in_a_list_of_texts_is_a_gap():
    for gap in (np.nan, None):
        for kind in (list, tuple): refuses(ValueError, lambda: interval(metrics.accuracy_score, kind(['a', 'b', gap, 'a']), ['a', 'b', 'a', 'a']), 'column 1', 'gaps')

# Two models on the same rows

@pytest.fixture(scope='module')
def two(judged):
    y, good, worse = judged
    return (worse > .4) == y, (good > .5) == y

def test_right_and_wrong_are_compared_as_in_lesson_05(two):
    a, b = two
    assert np.allclose(paired_difference(a, b)[:2], paired(a, b))
    assert np.allclose(paired_difference(b, a)[0], -paired_difference(a, b)[0])

@pytest.mark.parametrize('only_a, only_b', [(0, 0), (2, 9), (10, 14), (30, 30), (5, 25)])
def test_luck_is_that_of_the_exact_mcnemar_test(only_a, only_b):
    a = np.r_[np.ones(only_a), np.zeros(only_b), np.ones(40)] == 1
    b = np.r_[np.zeros(only_a), np.ones(only_b), np.ones(40)] == 1
    exact = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1
    better, margin, luck = paired_difference(a, b, draws=4000)
    assert better == pytest.approx((only_b - only_a)/len(a)) and abs(luck - exact) < .03
    chi2 = (only_b - only_a)**2/(only_a + only_b) if only_a + only_b else 0   # McNemar's, without correction
    assert (abs(better) > margin) == (chi2 > 1.96**2)

def test_luck_is_that_of_a_permutation_test():
    rng = np.random.default_rng(0)
    a = rng.exponential(size=40)
    b = a + rng.normal(.2, .6, 40)
    r = stats.permutation_test((a, b), lambda x, y: (y - x).mean(), permutation_type='samples', n_resamples=4000, vectorized=False, rng=0)
    assert abs(paired_difference(a, b, draws=4000)[2] - r.pvalue) < .03

def test_two_equal_models_look_different_in_one_of_twenty_cases():
    rng = np.random.default_rng(0)
    found = [paired_difference(*(rng.random((2, 200)) < .7), draws=100, seed=k) for k in range(400)]
    assert .03 < np.mean([abs(better) > margin for better, margin, _ in found]) < .08
    assert .03 < np.mean([luck <= .05 for *_, luck in found]) < .08

def test_groups_count_once():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40))
    once = paired_difference(a, b, draws=2000)
    again = paired_difference(np.repeat(a, 25), np.repeat(b, 25), groups=np.repeat(np.arange(40), 25), draws=2000)
    assert np.allclose(once, again) and paired_difference(np.repeat(a, 25), np.repeat(b, 25), draws=200)[1] < once[1]/4

def test_what_cannot_be_compared_is_refused(two):
    a, b = two
    refuses(ValueError, lambda: paired_difference(a, b[1:]), '300', '299')
    for gap in (np.nan, np.inf): refuses(ValueError, lambda: paired_difference([.1, gap], [1, 2]), '1 of 2', 'finite')
    refuses(TypeError, lambda: paired_difference(['yes', 'no'], ['no', 'no']), 'numbers')
    refuses(ValueError, lambda: paired_difference(np.ones((3, 2)), np.ones((3, 2))), '(3, 2)', '(n,)')
    refuses(TypeError, lambda: paired_difference(pd.Series([True, None]), [1, 0]), 'object')
    refuses(ValueError, lambda: paired_difference([], []), 'rows: 0')
    refuses(ValueError, lambda: paired_difference(pd.Series([1, 0]), pd.Series([0, 1], index=[1, 0])), 'different labels')
    refuses(TypeError, lambda: paired_difference(None, [1]), 'a is None')
    refuses(ValueError, lambda: paired_difference([1, 0], [0, 1], groups=['x', 'x']), 'groups: 1')
    refuses(ValueError, lambda: paired_difference([1, 0], [0, 1], draws=1.5), 'draws')
    for big in ([1e308, -1e308], [1e200, 0]): refuses(ValueError, lambda: paired_difference(big, big[::-1]), 'too large')

def test_a_sum_of_nothing_but_rounding_is_a_tie():
    gains = np.r_[[.1, .2, -.3]*10]   # their sum is 1e-16, not 0
    assert paired_difference(np.zeros(30), gains)[2] == 1
    assert paired_difference(np.zeros(30), [.1, .2, -.3]*5 + [.2, .1, -.3]*5)[2] == 1

# Learning curves

@pytest.fixture(scope='module')
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20))
    return x, x[:, 0] + rng.normal(size=300)

def test_a_learning_curve_is_scikit_learns(table):
    x, y = table
    mine = LearningCurve(LinearRegression(), x, y, sizes=[50, 100, 200], scoring='neg_mean_squared_error', seed=3)
    sizes, train, valid = learning_curve(LinearRegression(), x, y, train_sizes=[50, 100, 200], cv=KFold(5, shuffle=True, random_state=3), shuffle=True, random_state=3,
                                         scoring='neg_mean_squared_error')
    assert list(mine.sizes) == list(sizes) and np.array_equal(mine.training, -train.T) and np.array_equal(mine.validation, -valid.T)
    assert mine.scoring == 'mean squared error' and mine.training.shape == (5, 3)

def test_it_follows_the_theory_of_least_squares():
    "With p normal columns and n rows the errors are (n-p-1)/n and (n+1)(n-2)/(n(n-p-2)) times the noise."
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 10))
    sizes = [30, 60, 200]
    c = LearningCurve(LinearRegression(), x, x@np.ones(10) + rng.normal(size=3000), sizes, cv=ShuffleSplit(150, test_size=.4, random_state=0), scoring='neg_mean_squared_error')
    n = np.array(sizes)
    assert np.allclose(c.training.mean(0), (n-11)/n, atol=.06)
    assert np.allclose(c.validation.mean(0), (n+1)*(n-2)/(n*(n-12)), rtol=.1)

def test_it_splits_as_the_model_and_the_groups_ask(table):
    x, y = table
    rare = np.sort(y > 1)   # sorted: the first parts would have one class only
    c = LearningCurve(LogisticRegression(), x, rare, sizes=3, cv=4)
    assert c.scoring == 'score' and list(c.sizes) == [75, 150, 225] and np.isfinite(c.validation).all()
    strat = learning_curve(LogisticRegression(), x, rare, train_sizes=[225], cv=StratifiedKFold(4, shuffle=True, random_state=0), shuffle=True, random_state=0)[2]
    assert np.array_equal(c.validation[:, -1:], strat.T)
    who = np.repeat(np.arange(30), 10)
    seen = []
    class Spy(LinearRegression):
        def fit(self, X, y): seen.append(set(X[:, 0])); return super().fit(X, y)
        def score(self, X, y): return float(not seen[-1] & set(X[:, 0]))
    apart = LearningCurve(Spy(), np.c_[who, x], y, sizes=2, groups=who)
    assert apart.validation.all() and not apart.training.any()
    for cv in (TimeSeriesSplit(7), list(KFold(7).split(x)), KFold(7).split(x)):   # 300 rows: parts of different lengths
        assert LearningCurve(LinearRegression(), x, y, sizes=2, cv=cv).validation.shape == (7, 2)

def test_sizes_and_scorers_of_all_kinds(table):
    x, y = table
    assert list(LearningCurve(LinearRegression(), x, y, sizes=[50, 50, 90]).sizes) == [50, 90]   # and no warning
    c = LearningCurve(LinearRegression(), pd.DataFrame(x), pd.Series(y), sizes=2, scoring=metrics.make_scorer(metrics.mean_absolute_error))
    assert c.scoring == 'score' and (c.validation > 0).all()
    named = LearningCurve(LogisticRegression(), x, np.where(y > 0, 'yes', 'no'), sizes=2)
    assert np.array_equal(named.validation, LearningCurve(LogisticRegression(), x, y > 0, sizes=2).validation)
    assert len(set(interval(np.mean, y, groups=[1, '1']*150, draws=200))) == 2   # 1 and '1' are two groups

def test_it_draws_itself(table):
    x, y = table
    c = LearningCurve(LinearRegression(), x, y, sizes=3)
    ax = c.plot({'the mean': 0}, {'noise': .5}, title='mine', ylim=(0, 1))
    assert [line.get_label() for line in ax.lines] == ['the mean', 'noise', 'training', 'validation']
    assert ax.get_xlabel() == 'training rows' and ax.get_title() == 'mine' and len(ax.collections) == 2
    assert np.allclose(ax.lines[3].get_ydata(), c.validation.mean(0))
    assert c.plot(ax=ax, ylabel='R²') is ax and ax.get_ylabel() == 'R²'

def test_no_learning_curve_for_bad_tables(table):
    x, y = table
    def no(kind, *words, x=x, y=y, model=None, **more): refuses(kind, lambda: LearningCurve(model or LinearRegression(), x, y, **more), *words)
    no(ValueError, '300', '299', y=y[1:])
    no(ValueError, 'rows: 0', x=x[:0], y=y[:0])
    no(ValueError, 'rows: 3', 'cv: 5', x=x[:3], y=y[:3])
    no(ValueError, 'NaN', x=np.where(x > 2, np.nan, x))
    for cv in (1, None, 'five'): no(ValueError, f'cv is {cv!r}', cv=cv)
    no(ValueError, 'sizes', sizes=1)
    no(ValueError, '241', sizes=[241])
    no(ValueError, '299', groups=np.arange(299))
    no(ValueError, 'groups: 2', groups=np.arange(300) % 2)
    no(ValueError, 'one class', y=np.arange(300) < 8, model=LogisticRegression(), sizes=[5, 100])
    no(ValueError, 'nothing', scoring='nothing')
    no(ValueError, 'rarest class: 2', y=np.arange(300) < 2, model=LogisticRegression())
    no(ValueError, 'smaller cv', x=x[:6], y=y[:6])   # R² of one row
    no(ValueError, 'different labels', x=pd.DataFrame(x), y=pd.Series(y)[::-1])
    no(TypeError, 'answers', y=None)

# The tables of the hunt

def test_the_tables_hold_nothing_but_the_leak():
    values, ill = leaks.genes(1)
    assert values.shape == (60, 5000) and ill.sum() == 30 and abs(values.mean()) < .01
    visits = leaks.patients(1)
    assert len(visits) == 1000 and (visits.groupby('patient').size() == 10).all() and visits.groupby('patient')['ill'].nunique().max() == 1
    assert not visits['patient'].is_monotonic_increasing
    shop = leaks.customers(1)
    counts = shop.value_counts()
    assert shop['left'].mean() == .5 and len(counts) == 1000 and set(counts) == {1, 9} and (counts[counts == 9].reset_index()['left'] == 1).all()
    for make in (leaks.patients, leaks.customers): assert make(1).equals(make(1)) and not make(1).equals(make(2))

def test_accusations_are_answered(capsys):
    def said(**words):
        leaks.accuse(**words)
        return capsys.readouterr().out
    assert said(A=..., B=...).count('… ') == 2
    right = said(A='choice', B='people', C='future', D='copies')
    assert right.count('✓') == 4 and '✗' not in right
    for letter in 'ABCD':
        wrong = [said(**{letter: word}) for word in leaks.LEAKS]
        assert sum('✗' in w for w in wrong) == 3 and not any(f"'{word}' it is" in w for w in wrong for word in leaks.LEAKS if '✗' in w)
    assert "['choice', 'people', 'future', 'copies']" in said(A='leak') and '✗' in said(A=[1]) and '✗' in said(A=None)
    refuses(ValueError, lambda: leaks.accuse(E='copies'), "'E'", 'A, B, C, D')

def test_the_costs_that_exercise_3_names():
    from fastlessons.exercises.l10 import _COLUMNS, _cost, _town
    train, valid = _town(6000, 1), _town(20000, 101)
    sick, rows = valid['sick'].to_numpy(), valid[_COLUMNS]
    assert [round(_cost(np.full(20000, f), sick), 1) for f in (False, True)] == [10.5, 4.7]
    linear = LogisticRegression().fit(train[_COLUMNS], train['sick']).predict_proba(rows)[:, 1]
    assert [round(_cost(linear > cut, sick), 1) for cut in (.5, 5/205)] == [10.3, 4.1]
    odds = rows['iron'] - .5 + np.log(np.cosh(1.8*rows['salt'])) - 1.62 + np.log(.05/.95)   # the rule that made the data
    assert round(_cost((odds > np.log(5/200)).to_numpy(), sick), 1) == 2.9
