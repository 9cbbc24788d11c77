"Any table that `fit` takes: the same answers after saving, equal keys for the same things, `score` as `predict`. By hypothesis, which looks for inputs that fail."
import json, math, tempfile
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np, pandas as pd, pytest

pytest.importorskip('hypothesis')
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from fastlessons import core
from fastlessons.collab import Recommender
from fastlessons.forests import ForestClassifier, TreeClassifier, TreeRegressor
from fastlessons.tabular import TabularClassifier

pytestmark = pytest.mark.filterwarnings('ignore')   # odd tables make pandas and scikit-learn talk

TEXTS = st.one_of(st.text(max_size=3), st.sampled_from(['7', '007', '1', '1.0', 'True', 'nan', '', 'é', 'e\u0301', '\ud83d', '2024-01-01', 'None', '(0, 1]']))
INTS = st.one_of(st.integers(-3, 3), st.integers(2**53 - 2, 2**53 + 2), st.integers(2**63 - 2, 2**64 + 1), st.integers())
FLOATS = st.one_of(st.floats(), st.sampled_from([0., -0., 1., .1, 2.**53, 2.**60]))
DAYS = st.dates(date(1700, 1, 1), date(2200, 1, 1))
MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
GAPS = st.sampled_from([None, math.nan, pd.NA, pd.NaT])
SPANS = st.timedeltas(timedelta(-10**4), timedelta(10**4)).map(pd.Timedelta)
PERIODS = st.builds(lambda d, f: pd.Period(d, f), DAYS, st.sampled_from('YMD'))
INTERVALS = st.builds(lambda a, b: pd.Interval(min(a, b), max(a, b)), st.integers(-5, 5), st.floats(-5, 5))
KINDS = dict(text=TEXTS, ints=INTS, floats=FLOATS, bools=st.booleans(), days=DAYS, moments=MOMENTS.map(pd.Timestamp), spans=SPANS, periods=PERIODS, intervals=INTERVALS)
ANY = st.one_of(GAPS, *KINDS.values(), st.tuples(TEXTS, INTS))

quick = settings(suppress_health_check=list(HealthCheck))   # a model is trained for each table, and many are refused
few = settings(quick, max_examples=settings.default.max_examples//3)   # it takes longest

def round_trip(v): return json.loads(json.dumps(core._to_json(v)), object_hook=core._from_json)

@quick
@given(ANY, ANY)
@pytest.mark.slow
def test_keys_are_equal_for_what_is_equal_and_of_one_kind(a, b):
    ka, kb = core.exact_key(a), core.exact_key(b)
    if core.GAP in (ka, kb): assert (ka == kb) == bool(pd.isna(a) is True and pd.isna(b) is True)
    else: assert (ka == kb) == (ka[0] == kb[0] and bool(a == b))
    assert core.exact_key(round_trip(a)) == ka and core.exact_key(a) == ka and hash(ka) == hash(core.exact_key(a))

@st.composite
def columns(draw, n, kinds=tuple(KINDS), dtypes=(None, object, 'category')):
    "A column of n rows: a few values, each several times, of one kind or two, with gaps or without."
    pool = st.one_of(*(KINDS[k] for k in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=2, unique=True))))
    values = draw(st.lists(pool, min_size=1, max_size=5))
    if draw(st.booleans()): values = [*values, draw(GAPS)]
    rows = draw(st.lists(st.integers(0, len(values)-1), min_size=n, max_size=n))
    try: return pd.Series([values[i] for i in rows], dtype=draw(st.sampled_from(dtypes)))
    except (TypeError, ValueError, OverflowError): assume(False)   # pandas cannot hold it

@quick
@given(st.integers(0, 12).flatmap(columns))
def test_the_values_of_a_column_are_found_again(col):
    try: values, codes = core.distinct(col)
    except (ValueError, TypeError): return
    keys = [core.exact_key(v) for v in col]
    assert [core.GAP if c < 0 else core.exact_key(values[c]) for c in codes] == keys
    assert len({core.exact_key(v) for v in values}) == len(values)
    assert core.look_up(col, values).tolist() == codes.tolist() == core.look_up(col, round_trip(values)).tolist()

NAMES = st.one_of(TEXTS, st.integers(-2, 2), st.sampled_from([pd.Timestamp('2024'), 1.5, ('a', 1), ('a', '1')]))

@st.composite
def tables(draw, n=12):
    "A table of one to three columns and a column of classes; the columns' names, too."
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=core.exact_key))
    kinds = draw(st.sampled_from([tuple(KINDS), ('text',), ('ints',), ('floats', 'ints'), ('bools',), ('text', 'ints')]))
    cols = [draw(columns(n, kinds)) for _ in names]
    X = pd.concat(cols, axis=1, keys=range(len(cols)))
    X.columns = pd.Index(names, tupleize_cols=False)
    if draw(st.booleans()): X.index = draw(st.permutations(range(n)))
    y = draw(columns(n, kinds))
    y = pd.Series(y.array, X.index, name=draw(NAMES))
    return X, y

def fitted(model, X, y, **kw):
    "Fit, or leave the example: what is refused is refused in `fit`, with one of the three usual errors."
    try: return model.fit(X, y, **kw)
    except (ValueError, TypeError) as e:
        assert str(e)
        assume(False)

def saved(model):
    with tempfile.TemporaryDirectory() as d: return type(model).load(model.save(Path(d)/'m'))

def check_predictions(m, X, y):
    "The same answers from the file; `score` is the share of answers that are right; part of a table gets the same answers."
    again, said = saved(m), m.predict(X)
    pd.testing.assert_series_equal(again.predict(X), said)
    assert np.array_equal(np.asarray(again.predict_proba(X)), np.asarray(m.predict_proba(X)))
    assert said.index.equals(X.index) and [*map(core.exact_key, again.classes_)] == [*map(core.exact_key, m.classes_)]
    right = np.mean([core.exact_key(a) == core.exact_key(b) for a, b in zip(said, y)])
    assert math.isclose(m.score(X, y), right, abs_tol=1e-9) and math.isclose(again.score(X, y), right, abs_tol=1e-9)

@quick
@given(tables(), st.sampled_from([TreeClassifier, ForestClassifier]))
@pytest.mark.slow
def test_forests(table, kind):
    X, y = table
    m = fitted(kind(**dict(n_estimators=3) if kind is ForestClassifier else {}, random_state=0), X, y)
    check_predictions(m, X, y)
    pd.testing.assert_series_equal(m.predict(X.iloc[::-1]), m.predict(X)[::-1])

@quick
@given(tables(), st.lists(st.floats(-10, 10), min_size=12, max_size=12))
@pytest.mark.slow
def test_trees_for_numbers(table, y):
    X, _ = table
    m = fitted(TreeRegressor(), X, y)
    pd.testing.assert_series_equal(saved(m).predict(X), m.predict(X))

@few
@given(tables(), st.booleans())
def test_tables(table, guess):
    X, y = table
    m = TabularClassifier(None if guess else list(X.columns), None if guess else [], layers=(4,))
    check_predictions(fitted(m, X, y, epochs=1, show=False), X, y)

@few
@given(columns(24, dtypes=(None, object)), columns(24, dtypes=(None, object)))
@pytest.mark.slow
def test_ratings(user, item):
    df = pd.DataFrame(dict(user=user, item=item, rating=[1., 2, 4]*8)).drop_duplicates(['user', 'item'])
    m = Recommender(n_factors=1, n_hints=1, sweeps=1)
    try: m.fit(df)
    except (ValueError, TypeError): assume(False)
    again = saved(m)
    pd.testing.assert_series_equal(again.predict(df), m.predict(df))
    assert (m.predict_pairs(df.user, df.item).known == 'both').all() and (again.predict_pairs(df.user, df.item).known == 'both').all()
    one = m.user_ids[0]
    assert again.user_ids.equals(m.user_ids) and again.recommend(one).equals(m.recommend(one)) and m.recommend(one).attrs['known']
