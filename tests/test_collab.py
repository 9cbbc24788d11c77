"Reading ratings, the fit against plain formulas, every method of the Recommender, bad tables; and lesson 07's simple model beside it."
import json, subprocess, sys
from functools import partial

import numpy as np, pandas as pd, pytest, torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from conftest import ROOT, refuses
from fastlessons import collab
from fastlessons.collab import Recommender, fit_ratings, read_ratings
from fastlessons.data import get_data
from fastlessons.simple import collab as simple

fails = partial(refuses, limit=600)

def simulated(n_user=150, n_item=80, seed=0, **cols):
    "A table by three hidden tastes; returns it with the true values before rounding."
    rng = np.random.default_rng(seed)
    taste, kind = rng.normal(size=(n_user, 3)), rng.normal(size=(n_item, 3))
    true = 3.4 + rng.normal(size=(n_user, 1))*.3 + rng.normal(size=n_item)*.4 + .5*taste@kind.T
    u, i = np.where(rng.random(true.shape) < np.linspace(.6, .08, n_item))
    stars = (true + rng.normal(size=true.shape)*.4).round().clip(1, 5)
    return pd.DataFrame(dict(user=u, item=i, rating=stars[u, i], **cols)), true

@pytest.fixture(scope='module')
def table(): return simulated()[0].assign(title=lambda d: [f'Film {i}' for i in d.item])

@pytest.fixture(scope='module')
def split(table):
    aside = np.random.default_rng(1).random(len(table)) < .2
    return table[~aside], table[aside]

@pytest.fixture(scope='module')
def fast(split): return fit_ratings(split[0])

@pytest.fixture(scope='module')
def best(split): return fit_ratings(split[0], 'best', show=False)

@pytest.fixture(params=['fast', 'best'])
def model(request): return request.getfixturevalue(request.param)

def copy_of(model, tmp_path): return Recommender.load(model.save(tmp_path/'copy.safetensors'))

# Reading

@pytest.mark.parametrize('names', [('userId', 'movieId', 'rating'), ('user_id', 'item_id', 'stars'),
                                   ('User ID', 'ISBN', 'Score'), ('customer', 'product', 'vote'),
                                   ('reader', 'title', 'rating')])
def test_columns_are_found(table, names):
    df = table[['user', 'item', 'rating']].set_axis(names, axis=1)
    found = read_ratings(df)
    assert (found[['user', 'item', 'rating']].values == table[['user', 'item', 'rating']].values).all()

def test_columns_are_given(table):
    df = table.set_axis(['a', 'b', 'c', 'd'], axis=1)
    found = read_ratings(df, user='a', item='b', rating='c', title='d')
    assert [*found.columns] == ['user', 'item', 'rating', 'title'] and (found.title == table.title).all()
    fails(ValueError, lambda: read_ratings(df), 'user, item, rating', "['a', 'b', 'c', 'd']", 'user=...')
    fails(ValueError, lambda: read_ratings(df, user='e'), "no column 'e'")

def test_csv(table, tmp_path):
    table.to_csv(tmp_path/'r.csv', index=False)
    assert read_ratings(tmp_path/'r.csv').equals(read_ratings(table))
    assert read_ratings(str(tmp_path/'r.csv')).rating.dtype == np.float32
    table.to_csv(tmp_path/'s.csv', index=False, sep=';')
    assert read_ratings(tmp_path/'s.csv').equals(read_ratings(table))
    fails(FileNotFoundError, lambda: read_ratings(tmp_path/'no.csv'), 'does not exist')
    fails(FileNotFoundError, lambda: read_ratings(tmp_path), 'neither u.data nor ratings.csv')

def test_movielens_folders(table, tmp_path):
    old, new = tmp_path/'old', tmp_path/'new'
    old.mkdir(), new.mkdir()
    df = table.assign(time=range(len(table)))
    df = df[['user', 'item', 'rating', 'time']].astype({'rating': int})
    df.to_csv(old/'u.data', sep='\t', index=False, header=False)
    assert 'title' not in read_ratings(old)
    lines = [f'{i}|Amélie {i}|01-Jan-1995||http|0|1\n' for i in range(80)]
    (old/'u.item').write_text(''.join(lines), encoding='latin-1')
    found, first = read_ratings(old), df.item.iloc[0]
    assert found.title.iloc[0] == f'Amélie {first}' and (found.time == df.time).all()
    df.set_axis(['userId', 'movieId', 'rating', 'timestamp'], axis=1).to_csv(new/'ratings.csv', index=False)
    films = pd.DataFrame(dict(movieId=range(80), title=[f'Film {i}, The' for i in range(80)], genres='Drama|War'))
    films.to_csv(new/'movies.csv', index=False)
    found = read_ratings(new)
    assert [*found.columns] == ['user', 'item', 'rating', 'time', 'title']
    assert found.title.iloc[0] == f'Film {first}, The'

@pytest.mark.parametrize('encoding', ['utf-8', 'latin-1'])
def test_movielens_of_other_sizes(table, tmp_path, encoding):
    lines = [f'{u}::{i}::{r}::978300760\n' for u, i, r in table[['user', 'item', 'rating']].itertuples(index=False)]
    (tmp_path/'ratings.dat').write_text(''.join(lines))
    for source in (tmp_path, tmp_path/'ratings.dat'):
        found = read_ratings(source)
        assert found[['user', 'item', 'rating']].equals(read_ratings(table)[['user', 'item', 'rating']]) and 'time' in found
    (tmp_path/'movies.dat').write_text(''.join(f'{i}::Amélie "{i}": the film (2001)::Drama|War\n' for i in range(80)), encoding=encoding)
    found = read_ratings(tmp_path)
    assert found.title.iloc[0] == f'Amélie "{found.item.iloc[0]}": the film (2001)'
    (tmp_path/'u1.base').write_text(''.join(lines).replace('::', '\t'))
    assert read_ratings(tmp_path/'u1.base').equals(found.drop(columns='title'))
    (tmp_path/'none.csv').write_text(''.join(lines).replace('::', ','))
    fails(ValueError, lambda: read_ratings(tmp_path/'none.csv'), 'no row of names')

def test_ids_in_a_file_stay_as_written(table, tmp_path):
    path, later = tmp_path/'a.csv', tmp_path/'b.csv'
    df = table.assign(item=table.item.map(lambda i: f'{i:03}' if i % 2 else str(i)))
    df.to_csv(path, index=False, sep=';')
    assert read_ratings(path).item.tolist() == df.item.tolist()
    m = fit_ratings(path)
    assert m.predict_pairs(1, '001').known[0] == 'both' and m.predict_pairs(1, '1').known[0] == 'user'
    df[table.item % 2 == 0].to_csv(later, index=False)   # whole numbers only; the model's ids are text
    few = df[table.item % 2 == 0]
    assert np.isclose(m.validate(later)[0], m.validate(few)[0], atol=1e-6)

def test_decimal_commas_in_ratings(table, tmp_path):
    path = tmp_path/'a.csv'
    table.to_csv(path, index=False, sep=';', decimal=',')
    with pytest.warns(UserWarning, match='decimal commas'): found = read_ratings(path)
    assert (found.rating == table.rating).all()
    fails(ValueError, lambda: read_ratings(table.assign(rating=[f'{r:.0f} %' for r in table.rating])), "'rating'", '%')

def test_time_is_optional_and_never_guessed(table):
    with pytest.warns(UserWarning, match="left out.*'date'"): found = read_ratings(table.assign(date='some day'))
    assert 'time' not in found
    clear = table.assign(date=['31/05/2024' if i else '03/04/2024' for i in range(len(table))])
    with pytest.warns(UserWarning, match='03 April 2024'): found = read_ratings(clear)
    assert found.time.dt.month.unique().tolist() == [4, 5]
    unclear = table.assign(date='03/04/2024')
    fails(ValueError, lambda: read_ratings(unclear, time='date'), "'date'", 'not clear', 'dayfirst')

NAN = float('nan')

@pytest.mark.parametrize('change,words', [
    (lambda d: d.drop(columns='rating'), ['No column is found for rating', 'rating=...']),
    (lambda d: d.assign(rating=d.rating.where(d.index != 7)), ["{'user': 0, 'item'", 'nan', 'row 7', 'dropna']),
    (lambda d: d.assign(user=d.user.where(d.index > 4).astype(object)), ['row 0', 'row 2', 'and 2 more of']),
    (lambda d: d.assign(rating=d.rating.astype('Int64').where(d.index != 7)), ['without a user, an item or a rating', 'row 7']),
    (lambda d: d.assign(rating=d.rating.where(d.index != 3, np.inf)), ['infinite', 'row 3']),
    (lambda d: d.assign(rating=['good' if i in (2, 5) else '4' for i in d.index]),
     ['no numbers', "'rating': 'good'", 'row 2', 'row 5']),
    (lambda d: d.assign(twin=d.user).rename(columns=dict(twin='user')), ["2 columns have the name 'user'"]),
    (lambda d: pd.concat([d, d[3:5]], ignore_index=True), ['second rating', "'title': 'Film", 'drop_duplicates']),
    (lambda d: d[:0], ['There are 0 ratings']), (lambda d: d[:9], ['There are 9 ratings']),
    (lambda d: d[d.user == 1], ['by 1 users']), (lambda d: d[d.item == 1], ['of 1 items']),
    (lambda d: d.assign(rating=4), ['All', 'are 4.0', 'nothing to learn'])])
def test_bad_tables(table, change, words):
    for f in (read_ratings, fit_ratings): fails(ValueError, lambda: f(change(table)), *words)

def test_limits(table):
    assert len(read_ratings(table, limits=(1, 5))) == len(table)
    n = int((table.rating < 2).sum())
    for f in (read_ratings, fit_ratings):
        fails(ValueError, lambda: f(table, limits=(2, 5)), f'and {n-3:,} more of {len(table):,} rows', 'outside 2 to 5')

@pytest.mark.parametrize('kw,words', [
    (dict(how='good'), ["'good'", 'fast, best']), (dict(n_factors=-1), ['n_factors is -1']),
    (dict(n_hints=1.5), ['n_hints is 1.5']), (dict(sweeps=0), ['sweeps is 0', '1 or more'])])
def test_bad_settings(table, kw, words): fails(ValueError, lambda: fit_ratings(table, **kw), *words)

# The sums

def test_ridge_equals_sklearn():
    x, t, d = torch.randn(3, 9, 4, dtype=torch.double), torch.randn(3, 9, dtype=torch.double), 2.5
    w, _ = collab._ridge(x, t, torch.full((3, 4), d, dtype=torch.double), torch.zeros(3, 4, dtype=torch.double))
    for j in range(3): assert np.allclose(w[j], Ridge(d, fit_intercept=False).fit(x[j], t[j]).coef_)
    strong, three = (torch.full((3, 4), v, dtype=torch.double) for v in (1e9, 3.))
    far, _ = collab._ridge(x, t, strong, three)
    assert torch.allclose(far, torch.full_like(far, 3), atol=1e-6)   # a strong prior wins

@pytest.mark.parametrize('size', [1, 7, 64, 10_000])
def test_blocks_hold_every_rating_once(size):
    rng = np.random.default_rng(0)
    row, col = np.divmod(rng.choice(40*30, 300, replace=False), 30)
    row[row == 5] = 6
    val, found = rng.random(300).astype(np.float32), []
    for rows, cols, vals in collab._blocks(row, col, val, 40, 30, size):
        assert (vals[cols == 30] == 0).all()
        for r, cs, vs in zip(rows.tolist(), cols.tolist(), vals.tolist()):
            found += [(r, c, v) for c, v in zip(cs, vs) if c < 30]
    assert sorted(found) == sorted(zip(row.tolist(), col.tolist(), val.tolist()))

def sides(k):
    "Twelve people and nine films while a model is fitted, the films known; who, what, and how much above 3."
    df = simulated(12, 9)[0]
    u, i, t = df.user.values, df.item.values, (df.rating.values - 3).astype(np.float32)
    people, films = collab._Side(u, i, t, np.zeros((12, 1)), 9, k, 1.), collab._Side(i, u, t, np.zeros((9, 1)), 12, k, 1.)
    films.factors[:-1] = torch.randn(9, k+1, generator=torch.Generator().manual_seed(0))
    return people, films, u, i, t

def test_solve_equals_the_formula():
    people, films, u, i, t = sides(3)
    films.var[:-1], people.prior = torch.rand(9, 4), torch.randn(12, 4)
    best = people.solve(films, .7)
    for j in range(12):
        mine = torch.tensor(i[u == j])
        x = torch.cat([torch.ones(len(mine), 1), films.factors[mine, 1:]], 1).double()
        d = (.7/people.spread).double()
        doubt = torch.cat([torch.zeros(1), films.var[mine, 1:].sum(0)]).double()
        A = x.T@x + torch.diag(d + doubt)
        b = x.T@(torch.tensor(t[u == j]) - films.factors[mine, 0]).double() + d*people.prior[j].double()
        w = torch.linalg.solve(A, b)
        assert torch.allclose(best[j].double(), w, atol=1e-4) and torch.equal(best[j], people.factors[j])
        assert torch.allclose(people.var[j].double(), .7*torch.linalg.inv(A).diagonal(), atol=1e-4)

@pytest.mark.slow
def test_draws_spread_as_the_formula_says():
    people, films, *_ = sides(2)
    best, gen, draws = people.solve(films, .7), torch.Generator().manual_seed(1), []
    var = people.var[:-1].clone()
    for _ in range(3000):
        assert torch.allclose(people.draw(films, .7, gen), best, atol=1e-5)
        draws.append(people.factors[:-1].clone())
    draws = torch.stack(draws)
    assert torch.allclose(draws.mean(0), best, atol=.07) and torch.allclose(draws.var(0), var, rtol=.15)
    assert (people.var == 0).all()

def test_only_biases_equals_a_ridge_regression():
    "Without factors, the biases are one ridge regression on who and what, whose penalties are known at the end."
    df = simulated()[0]
    m = fit_ratings(df, n_factors=0, n_hints=0, sweeps=60)
    u, i = m._find_users(df.user), m._find_items(df.item)
    p, q, miss = m.P[0, :, 0].double(), m.Q[0, :, 0].double(), torch.tensor(df.rating.values - m.mean)
    prior, d = m.coef[0, 0, 0].double(), m.d[0, 0].double()
    for j in (0, 5, 20):   # each person's bias, given the films'
        at = u == j
        assert torch.allclose(p[j], ((miss[at] - q[i[at]]).sum() + d*prior)/(at.sum() + d), atol=1e-4)

# The result

def test_it_beats_the_biases_and_best_beats_fast(split, fast, best):
    errors = [m.validate(split[1])[0] for m in (fit_ratings(split[0], n_factors=0, n_hints=0), fast, best)]
    assert errors[0] > errors[1] + .1 and errors[1] > errors[2] - .005, errors

def test_it_finds_what_is_behind(fast):
    true = simulated()[1]
    preds = np.array([fast.predict_pairs(u, range(80)).pred for u in range(150)])
    assert np.corrcoef(preds.ravel(), true.clip(1, 5).ravel())[0, 1] > .8

def test_same_seed_same_model_and_nobody_elses_dice(split):
    torch.manual_seed(3), np.random.seed(3)
    a, b = torch.rand(1), np.random.rand()
    torch.manual_seed(3), np.random.seed(3)
    for how in ('fast', 'best'):
        x, y = (Recommender(how, seed=5).fit(split[0][:800], show=False).predict_pairs(1, range(80)) for _ in range(2))
        assert x.equals(y)
    assert torch.rand(1) == a and np.random.rand() == b

def test_order_of_rows_and_kind_of_ids_do_not_matter(split, fast):
    named = split[0].assign(user=['person %d' % u for u in split[0].user], item=[i/2 for i in split[0].item])
    a, b = fast.predict_pairs(3, range(80)).pred, fit_ratings(named).predict_pairs('person 3', [i/2 for i in range(80)]).pred
    assert np.allclose(a, b, atol=1e-4)
    assert fit_ratings(named.astype(dict(user='category'))).predict_pairs('person 3', 1.).known[0] == 'both'
    mixed = split[0].assign(user=[u if u % 2 else f'u{u}' for u in split[0].user])
    assert fit_ratings(mixed).predict_pairs([3, 'u4', 4], 1).known.tolist() == ['both', 'both', 'item']
    fails(ValueError, lambda: fit_ratings(mixed).predict_pairs([3, '3'], 1), "'3' (text)")
    dates = split[0].assign(user=pd.Timestamp('2020-01-01') + pd.to_timedelta(split[0].user, 'D'))
    assert fit_ratings(dates).predict_pairs(pd.Timestamp('2020-01-04'), 1).known[0] == 'both'

def test_other_scales(split):
    df = split[0].assign(rating=split[0].rating*20)
    m, n = (fit_ratings(d) for d in (df, split[0]))
    assert m.limits_ == (20, 100)
    assert np.allclose(m.predict_pairs(1, range(80)).pred, 20*n.predict_pairs(1, range(80)).pred, atol=.05)
    assert fit_ratings(split[0], limits=(0, 10)).limits_ == (0, 10)

def test_small_tables():
    df = pd.DataFrame(dict(user=[0]*5 + [1]*5, item=[*range(5)]*2, rating=[1, 2, 3, 4, 5]*2))
    for how in ('fast', 'best'): assert np.isfinite(fit_ratings(df, how).predict_pairs([0, 1, 2], 4).pred).all()
    two = pd.DataFrame(dict(user=range(10), item=[0, 1]*5, rating=[1, 5]*5))
    m = fit_ratings(two)
    assert m.predict_pairs(0, 1).pred[0] > m.predict_pairs(1, 0).pred[0]

def test_predict(model):
    one = model.predict_pairs(3, 4)
    assert [*one.columns] == ['user', 'item', 'pred', 'known'] and len(one) == 1
    assert model.predict_pairs([3, 3], [4, 5]).equals(model.predict_pairs(3, [4, 5]))
    assert model.predict_pairs([3, 4], 5).pred[1] == model.predict_pairs(4, 5).pred[0]
    assert model.predict_pairs(3, 'Film 4').pred[0] == one.pred[0]
    odd = pd.DataFrame(dict(user=[3, 99_999, 3, 'me'], item=[4, 4, 'new', None]), index=[9, 8, 7, 6])
    p = model.predict_pairs(odd.user, odd.item)
    assert p.known.tolist() == ['both', 'item', 'user', 'neither'] and [*p.index] == [9, 8, 7, 6]
    assert p.pred.between(1, 5).all()
    assert abs(p.pred[6] - model.mean) < .5
    assert len(model.predict_pairs([], [])) == 0 == len(model.predict_pairs([], 3))
    fails(ValueError, lambda: model.predict_pairs([1, 2], [1, 2, 3]), '2 users and 3 items')

def test_predict_answers_a_table_with_a_series(model, split):
    few = split[1][10:15].rename(columns=dict(user='userId', item='movie')).drop(columns='rating')
    p = model.predict(few)
    assert isinstance(p, pd.Series) and (p.index == few.index).all()
    assert p.equals(model.predict_pairs(few.userId, few.movie).pred)
    fails(TypeError, lambda: model.predict([1, 2]), 'list', 'predict_pairs')
    fails(TypeError, lambda: model.predict(few.userId, few.movie), 'predict_pairs')
    fails(ValueError, lambda: model.predict(few.drop(columns='movie').assign(title=0).drop(columns='title')), 'item')

def test_fit_comes_first(table):
    m = Recommender(n_factors=2)
    for f in (lambda: m.predict(table), lambda: m.recommend(1), lambda: m.recommend_all(), lambda: m.similar(1), lambda: m.items, lambda: m.users,
              lambda: m.item_factors, lambda: m.explain(1, 1), lambda: m.add_user(1, {}), lambda: m.validate(table), lambda: m.save('x.safetensors')):
        fails(NotFittedError, f, 'not fitted')
    assert 'not fitted' in repr(m) and m.fit(table) is m and 'ratings' in repr(m)
    assert m.predict(table).equals(fit_ratings(table, n_factors=2).predict(table))

def test_validate(fast, split):
    few = split[1][:3]
    miss = fast.predict_pairs(few.user, few.item).pred - few.rating
    assert np.allclose(fast.validate(few), ((miss**2).mean()**.5, miss.abs().mean()))
    assert np.isclose(fast.score(split[1]), 1 - fast.validate(split[1])[0]**2/split[1].rating.var(ddof=0), atol=1e-5)
    fails(ValueError, lambda: fast.validate(few[:0]), 'no ratings')
    fails(ValueError, lambda: fast.validate(few.drop(columns='rating')), 'No column is found for rating')

def test_unknown_user_is_the_average_one(fast):
    assert np.corrcoef(fast.predict_pairs('me', fast.items.item).pred, fast.items.bias)[0, 1] > .95

def test_recommend(model, split):
    for u in (0, 7):
        seen, found = set(split[0].item[split[0].user == u]), model.recommend(u, 1000)
        assert len(found) == 80 - len(seen) and not seen & {*found.item} and found.pred.is_monotonic_decreasing
        assert np.allclose(found.pred, model.predict_pairs(u, found.item).pred, atol=1e-4)
        assert (found.title == [f'Film {i}' for i in found.item]).all() and found.attrs['known']
    assert len(model.recommend(0, 1000, unseen=False)) == 80
    everybody, some = model.recommend_all(4), model.recommend_all(4, [7, 'me', 0])
    assert len(everybody) == 150*4 and some.user.tolist() == [7]*4 + ['me']*4 + [0]*4
    for u in (0, 7):
        for many in (everybody, some): assert many.item[many.user == u].tolist() == model.recommend(u, 4).item.tolist()
    me = model.recommend('me', 4)
    assert len(me) == 4 and me.attrs['known'] is False
    assert model.recommend_all(users=[]).empty
    for t in (everybody, some, model.recommend_all(users=[]), model.recommend_all(users=[0])): assert [*t.columns] == ['user', 'item', 'title', 'pred']
    for t in (me, found): assert [*t.columns] == ['item', 'title', 'pred']
    fails(ValueError, lambda: model.recommend(0, 0), 'n is 0')
    for old in (lambda: model.recommend(n=3), lambda: model.recommend(None), lambda: model.recommend([0, 7])):   # as in version 0.1.0
        fails(TypeError, old, 'recommend_all(n, users)')

def test_recommend_to_one_who_has_seen_all():
    df = simulated(20, 15)[0]
    full = pd.DataFrame(dict(user='all', item=range(15), rating=[3, 4]*7 + [5]))
    m = fit_ratings(pd.concat([df, full], ignore_index=True))
    assert m.recommend('all').empty and len(m.recommend('all', 3, unseen=False)) == 3
    assert 'all' not in set(m.recommend_all(2).user)

def test_similar(model):
    s = model.similar('Film 2', 1000)
    assert len(s) == 79 and 2 not in set(s.item)
    assert s.similarity.between(-1.001, 1.001).all() and s.similarity.is_monotonic_decreasing
    back = model.similar(s.item[0], 1000).set_index('item').similarity
    assert abs(back[2] - s.similarity[0]) < 1e-5
    assert len(model.similar(2, 3)) == 3

def test_names_of_items(fast, tmp_path):
    fails(KeyError, lambda: fast.similar('Flim 2'), 'Did you mean', "'Film 2'")
    fails(KeyError, lambda: fast.similar('film 79'), "'Film 79'")
    fails(KeyError, lambda: fast.similar('?'), 'Expected the id or the title')
    m = copy_of(fast, tmp_path)
    m.titles = ['Film 2' if t == 'Film 3' else t for t in m.titles]
    fails(KeyError, lambda: m.similar('Film 2'), 'Several items have the title', 'Give the id')
    assert m.predict_pairs(0, 'Film 2').known[0] == 'user' and len(m.similar(2, 3)) == 3

def test_without_titles(table):
    m = fit_ratings(table.drop(columns='title'))
    assert [*m.recommend(0).columns] == ['item', 'pred'] and [*m.similar(3).columns] == ['item', 'similarity']
    assert m.plot_items(5).texts[0].get_text().isdigit()
    fails(KeyError, lambda: m.similar('Film 3'), 'Expected the id')

def test_explain_adds_up(model, split):
    for u, i in ((0, 3), (7, 60), (100, 79)):
        why, own = model.explain(u, i, None), split[0][split[0].user == u]
        raw = model._raw(model._find_users(u), model._find_items(i))
        assert sorted(zip(why.item, why.rating)) == sorted(zip(own.item, own.rating))
        a = why.attrs
        assert abs(why.pull.sum() - a['pulls']) < 1e-4 and abs(a['pred'] - raw[0]) < 1e-3
        assert abs(a['mean'] + a['item'] + a['hints'] + a['pulls'] - a['pred']) < 1e-6
        assert why.pull.abs().is_monotonic_decreasing and model.explain(u, i, 2).equals(why[:2])
    none = model.explain('me', 3)
    assert none.empty and abs(none.attrs['pred'] - model._raw([150], model._find_items(3))[0]) < 1e-3

def test_a_pull_is_what_the_rating_changes(fast, split, tmp_path):
    "If a rating had been what the film gets anyway, the prediction would be lower by the pull."
    m, own = copy_of(fast, tmp_path), split[0][split[0].user == 7]
    why = m.explain(7, 60, None).set_index('item')
    j = int(own.item.iloc[0])
    base = m.mean + float(m.Q[0, m._find_items(j)[0], 0])
    before = m._raw(m._find_users(7), m._find_items(60))[0]
    m.add_user(7, own.assign(rating=own.rating.where(own.item != j, base)).drop(columns='user'))
    assert abs(before - m._raw(m._find_users(7), m._find_items(60))[0] - why.pull[j]) < 1e-3

def test_add_user(model, split, tmp_path):
    m, own = copy_of(model, tmp_path), split[0][split[0].user == 7]
    before = m.predict_pairs(range(150), 5)
    assert m.add_user('twin', own) is m
    assert np.allclose(m.predict_pairs('twin', range(80)).pred, m.predict_pairs(7, range(80)).pred, atol=1e-3)
    assert m.predict_pairs(range(150), 5).equals(before) and len(m.val) == len(split[0]) + len(own)
    assert sorted(m.recommend('twin', 99).item) == sorted(m.recommend(7, 99).item)
    m.add_user(7, {'Film 3': 1, 4: 5})   # in place of the old ratings
    assert sorted(m.explain(7, 9, None).item) == [3, 4] and len(m.val) == len(split[0]) + 2
    assert m.predict_pairs(8, range(80)).equals(model.predict_pairs(8, range(80))) and m.recommend(8).equals(model.recommend(8))
    m.add_user('shy', {})
    assert m.explain('shy', 3).empty and m.predict_pairs('shy', 3).known[0] == 'both'
    assert m.users.n.sum() == len(m.val) == m.items.n.sum() and (m.users.user == m.user_ids).all()
    again = copy_of(m, tmp_path)
    for f in (lambda m: m.recommend_all(), lambda m: m.predict_pairs(['twin', 'shy', 7], 4)): assert f(again).equals(f(m))

@pytest.mark.parametrize('ratings,kind,words', [
    ({'Film 1': 7}, ValueError, ["7 in row 'Film 1'", 'from 1 to 5']), ({'Film 1': NAN}, ValueError, ['nan']),
    ({'Film 1': 'good'}, ValueError, ["'good'"]),
    ({'No film': 3}, KeyError, ["'No film'"]), ({'Film 1': 3, 1: 4}, ValueError, ['each item once', '1 in row 1']),
    (pd.DataFrame(dict(item=[1])), ValueError, ["no column 'rating'"])])
def test_add_user_refuses(fast, ratings, kind, words):
    n = len(fast.val)
    fails(kind, lambda: fast.add_user('x', ratings), *words)
    assert len(fast.val) == n and fast.predict_pairs('x', 1).known[0] == 'item'

def test_a_newcomer_is_understood(split):
    "Fold in people whom the model has not seen: better than taking them for the average person."
    new = split[0].user >= 120
    m = fit_ratings(split[0][~new])
    test = split[1][split[1].user >= 120]
    before = m.validate(test)[0]
    for u, own in split[0][new].groupby('user'): m.add_user(u, own)
    assert m.validate(test)[0] < before - .15

def test_items_and_users(model, split):
    it, us = model.items, model.users
    by = split[0].groupby('item').rating
    in_order = it.set_index('item').sort_index()
    assert (in_order.n == by.size()).all() and np.allclose(in_order.average, by.mean())
    assert (us.set_index('user').n.sort_index() == split[0].groupby('user').size()).all()
    mean = np.array([model._raw(range(150), [i]*150).mean() for i in range(80)])
    assert np.allclose(it.bias, mean - model.mean, atol=1e-3)
    assert model.item_factors.shape[0] == 80 and model.user_factors.shape[0] == 150

def test_plot(model):
    ax = model.plot_items(12)
    x, y = ax.lines[0].get_data()
    assert len(x) == len(y) == 12 >= len(ax.texts) > 3 and ax.get_xlabel() and ax.get_ylabel()
    ax = model.plot_items(items=[3, 'Film 5', 9])
    assert model.plot_items(5, ax=ax) is ax and [t.get_text() for t in ax.texts][0] == 'Film 3'
    fails(ValueError, lambda: model.plot_items(items=[3, 5]), '3 or more')

def test_names_on_a_map_do_not_lie_on_each_other():
    ax = collab.plot_map(np.array([[0., 0], [1, 1], [.01, .01], [.5, 0]]), [*'abcd'])
    assert [t.get_text() for t in ax.texts] == ['a', 'b', 'd'] and len(ax.lines[0].get_xdata()) == 4

def test_kinds_on_a_map_have_a_colour_and_a_name(model):
    kinds = pd.Series({i: 'even' if i % 2 == 0 else 'odd' for i in range(80)})
    ax = model.plot_items(12, colour=kinds)
    assert {t.get_text() for t in ax.texts} == {'even', 'odd'} and len({line.get_color() for line in ax.lines}) == 3
    fails(ValueError, lambda: collab.plot_map(np.zeros((3, 2)), colour=['a']))

def test_genres(own_home, tmp_path):
    genres = collab.read_genres(get_data('movielens', 'sample'))
    assert len(genres) == 300 and genres.str.len().min() > 2 and genres.index.is_unique
    pd.DataFrame(dict(movieId=[3, 5], title=['A, The', 'B'], genres=['Drama|War', 'Comedy'])).to_csv(tmp_path/'movies.csv', index=False)
    assert collab.read_genres(tmp_path).to_dict() == {3: 'Drama, War', 5: 'Comedy'}
    fails(FileNotFoundError, lambda: collab.read_genres(tmp_path/'nothing'), 'MovieLens')

# Time

@pytest.fixture(scope='module')
def timed():
    df, rng = simulated()[0], np.random.default_rng(2)
    sitting, mood = rng.integers(0, 2, len(df)), rng.normal(size=(150, 2))*.8
    return df.assign(time=sitting*86_400 + rng.integers(0, 200, len(df)), rating=(df.rating + mood[df.user, sitting]))

def test_time_helps(timed):
    m = fit_ratings(timed[::2])
    assert m.validate(timed[1::2], time=True)[0] < m.validate(timed[1::2])[0] - .03
    when = pd.to_datetime(timed.time, unit='s')
    for same in (when, when.dt.tz_localize('UTC'), when.astype(str)):
        dated = timed.assign(time=same)
        found = fit_ratings(dated[::2]).validate(dated[1::2], time=True)
        assert np.allclose(found, m.validate(timed[1::2], time=True), atol=1e-4)
    gaps = timed.assign(time=when.where(timed.index % 3 > 0))   # some times are not known
    assert np.isfinite(fit_ratings(gaps[::2]).validate(gaps[1::2], time=True)).all()
    assert m.predict_pairs(3, [1, 2], time=-1e9).equals(m.predict_pairs(3, [1, 2]))
    assert m.predict_pairs('me', 1, time=5).equals(m.predict_pairs('me', 1))

def test_time_by_hand(timed):
    m = fit_ratings(timed)
    own = timed[timed.user == 4]
    miss = own.rating - m._raw(m._find_users(own.user), m._find_items(own.item))
    w = np.exp(-np.abs(own.time - 50)/120)
    assert np.allclose(m._mood(m._find_users(4), pd.Series([50])), (w*miss).sum()/(w.sum() + 3), atol=1e-4)

def test_time_refuses_and_saves(timed, fast, tmp_path):
    fails(ValueError, lambda: fast.predict_pairs(0, 0, time=3), 'had no time')
    m = fit_ratings(timed)
    fails(ValueError, lambda: m.predict_pairs(0, [1, 2], time=[1, 2, 3]), '2 pairs and 3 times')
    assert copy_of(m, tmp_path).predict_pairs(4, 5, time=60).equals(m.predict_pairs(4, 5, time=60))
    m.add_user('me', {1: 5}).add_user('you', pd.DataFrame(dict(item=[1, 2], rating=[5, 4], time=[3, 4])))
    assert m.predict_pairs('me', 5, time=3).equals(m.predict_pairs('me', 5))
    assert not m.predict_pairs('you', 5, time=3).equals(m.predict_pairs('you', 5))

# Files

def test_save_and_load(model, tmp_path):
    path = model.save(tmp_path/'films.safetensors')
    again = Recommender.load(str(path))
    for f in (lambda m: m.recommend_all(3), lambda m: m.explain(3, 9), lambda m: m.similar(3), lambda m: m.items):
        assert f(model).equals(f(again))
    assert [p.name for p in tmp_path.iterdir()] == ['films.safetensors'] and again.limits_ == model.limits_ and again.how == model.how
    with safe_open(path, 'pt') as f: assert json.loads(f.metadata()['fastlessons'])['items'] == model.item_ids.tolist()

def test_settings_are_kept_and_old_files_have_none(table, tmp_path):
    path = Recommender(n_factors=np.int64(2), limits=(0, 6), seed=3).fit(table).save(tmp_path/'m.safetensors')
    again = Recommender.load(path)
    assert (again.n_factors, tuple(again.limits), again.seed) == (2, (0, 6), 3)
    rewrite(path, lambda x, t: x.pop('settings'))
    assert Recommender.load(path).predict(table).equals(again.predict(table))

@pytest.mark.parametrize('user', [lambda u: pd.Timestamp('2020-01-01') + pd.to_timedelta(u, 'D'), lambda u: u + 2**60, lambda u: [f'{v:03}' for v in u], lambda u: [(v, 'a') for v in u], lambda u: pd.Series([v if v % 2 else f'u{v}' for v in u], dtype=object)],
                         ids=['dates', 'long', 'zeros in front', 'tuples', 'numbers and words'])
def test_ids_keep_what_they_are(table, user, tmp_path):
    df = table.assign(user=user(table.user), title=[1900 + i if i % 2 else f'Film {i}' for i in table.item])
    m = fit_ratings(df, n_factors=2, sweeps=2)
    again = copy_of(m, tmp_path)
    assert m.user_ids.nunique() == table.user.nunique() and again.user_ids.equals(m.user_ids) and [*map(type, again.user_ids)] == [*map(type, m.user_ids)]
    assert again.titles == m.titles and again.predict(df).equals(m.predict(df)) and (m.predict_pairs(df.user, df.item).known == 'both').all()
    title = next(t for t in m.titles if t not in m.item_ids and not isinstance(t, str))
    assert again.similar(title).equals(m.similar(title)) and type(title) is int

@pytest.mark.parametrize('ids, words', [([1, '1'], ["'1' (text)"]), ([7, '007'], ["'007'"]), ([True, 2], ['True']), ([2.**60, None], ['last digits']), ([[1], [2]], ['list'])], ids=str)
def test_ids_that_are_unclear_are_refused(table, ids, words):
    df = table.assign(item=pd.Series([ids[0] if i % 2 else ids[-1] if ids[-1] is not None else 2.**60 for i in table.item], dtype=object))
    fails((ValueError, TypeError), lambda: read_ratings(df), 'item', *words)

def test_an_id_in_another_writing_is_refused(fast):
    for ask in (lambda: fast.predict_pairs('3', 3), lambda: fast.recommend('3'), lambda: fast.predict_pairs(3, '3'), lambda: fast.similar('3'), lambda: fast.predict_pairs(3, [True, False])): fails(ValueError, ask, 'Expected one kind')
    assert not fast.recommend('new').attrs['known'] and fast.predict_pairs(3., 3).pred.equals(fast.predict_pairs(3, 3).pred)

def test_a_new_user_changes_no_id(table):
    m = fit_ratings(table.assign(user=table.user + 2**60), n_factors=2, sweeps=2)
    before = m.user_ids.tolist()
    m.add_user(2.5, {1: 5}).add_user('me', {1: 5})
    assert m.user_ids.tolist() == [*before, 2.5, 'me'] and [*map(type, m.user_ids)][:3] == [int]*3
    fails(ValueError, lambda: m.add_user(str(2**60), {1: 5}), 'text')

@pytest.mark.parametrize('names', [(0, 1, 2), ('', 'b', 'c'), (1, 0, '0'), (('a', 1), ('a', 2), ('b', 1))], ids=str)
def test_names_of_columns_of_any_kind(table, names):
    df = table[['user', 'item', 'rating']].set_axis(pd.Index(names), axis=1)
    assert (read_ratings(df, user=names[0], item=names[1], rating=names[2]).to_numpy() == table[['user', 'item', 'rating']].to_numpy()).all()

def rewrite(path, change):
    "Change tensors and text of a saved model."
    with safe_open(path, 'pt') as f:
        text, t = json.loads(f.metadata()['fastlessons']), {n: f.get_tensor(n) for n in f.keys()}
    change(text, t)
    save_file({n: v.contiguous() for n, v in t.items()}, path, metadata=dict(fastlessons=json.dumps(text)))

@pytest.mark.parametrize('change', [
    lambda x, t: x['users'].pop(), lambda x, t: x['items'].append('more'), lambda x, t: x.pop('mean'),
    lambda x, t: x['titles'].pop(), lambda x, t: t.pop('Q'), lambda x, t: t.update(Q=t['Q'][..., 1:]),
    lambda x, t: t.update(item=t['item'] + 1), lambda x, t: t.update(val=t['val'][1:]),
    lambda x, t: t.update(start=t['start'].flip(0)), lambda x, t: t.update(P=t['P'][0]),
    lambda x, t: t.update(hint_std=t['hint_std'][1:])])
def test_damaged_models(fast, tmp_path, change):
    path = fast.save(tmp_path/'m.safetensors')
    rewrite(path, change)
    fails(ValueError, lambda: Recommender.load(path), 'm.safetensors is damaged')

# Real data, and size

def test_movielens(shared):
    df = read_ratings(shared/'data/ml-100k', limits=(1, 5))
    assert df.shape == (100_000, 5) and df.user.nunique() == 943 and df.item.nunique() == 1682
    test = np.arange(len(df)) < 20_000   # MovieLens's own first split
    m = fit_ratings(df[~test])
    rmse, mae = m.validate(df[test])
    assert rmse < .91 and mae < .72 and m.validate(df[test], time=True)[0] < rmse - .01
    assert 'Empire Strikes Back, The (1980)' in set(m.similar('Star Wars (1977)', 5).title)

@pytest.mark.slow
def test_benchmark_runs():
    def run(*a):
        cmd = [sys.executable, ROOT/'benchmarks/collab.py', *a]
        return subprocess.run(cmd, check=True, capture_output=True, text=True, timeout=600).stdout
    out = run('--data', 'sample', '--splits', 'own', '--folds', '0', '--ways', 'biases', 'fast', 'SVD')
    assert 'fastlessons fast, with time' in out and 'Without Surprise' in out
    rows, users, films, sweep, fit, before, peak = [float(v.replace(',', '')) for v in run('--rows', '20000').split()]
    assert 5_000 < rows < 25_000 and users > 100 and films > 100 and 0 < sweep < fit and before <= peak

# Lesson 07's model, and the library's on top of it

@pytest.fixture(scope='module')
def sample(own_home):
    "The bundled ratings, four fifths and one, and the numbers of people and films."
    df = read_ratings(get_data('movielens', 'sample'))
    aside = np.random.default_rng(0).random(len(df)) < .2
    return df[~aside], df[aside], df.user.nunique(), df.item.nunique()

def columns(df): return torch.tensor(df.user.values - 1), torch.tensor(df.item.values - 1), torch.tensor(df.rating.values)

def test_the_library_predicts_about_what_the_lesson_does(sample):
    train, valid, _, _ = sample
    torch.manual_seed(42)
    net = simple.DotProductBias(400, 300)
    log = simple.train_dot(net, columns(train), columns(valid), epochs=7, wd=.5)
    assert len(log) == 7 and log[-1][0] < log[0][0] and log[-1][1] == simple.error_on(net, *columns(valid))
    u, f, y = columns(valid)
    with torch.no_grad(): theirs = net(u, f).numpy()
    model = fit_ratings(train)
    ours = model.predict(valid)
    assert np.corrcoef(ours, theirs)[0, 1] > .9
    mean = simple.rmse_of(torch.tensor(model.mean), y)
    assert model.validate(valid)[0] - .01 < log[-1][1] < model.validate(valid)[0] + .1 < mean - .1

def test_on_the_same_factors_both_say_the_same(fast, split):
    "Mean, two biases, dot product: nothing else is in a prediction."
    net = simple.DotProductBias(151, 81, 16)   # one row more, for who is unknown
    P, Q = fast.P[0], fast.Q[0]
    parts = dict(people=P[:, 1:], films=Q[:, 1:], person_bias=P[:, :1], film_bias=Q[:, :1])
    net.load_state_dict({f'{k}.weight': v for k, v in parts.items()})
    u, i = fast._find_users(split[1].user), fast._find_items(split[1].item)
    with torch.no_grad(): simply = net.score(torch.tensor(u), torch.tensor(i)).numpy() + fast.mean
    assert np.allclose(simply.clip(1, 5), fast.predict(split[1]), atol=1e-5)

def test_cosines():
    rows = torch.tensor([[3., 4], [4, 3], [-6, -8], [0, 0], [4, -3]])
    assert torch.allclose(simple.cosines(rows, 0), torch.tensor([1, .96, -1, 0, 0]), atol=1e-6)

def test_comparing_two_models_on_the_same_rows():
    y = torch.tensor([1., 2, 3, 4])
    better, margin = simple.rmse_gain(y + 1, y + torch.tensor([.5, -.5, .5, -.5]), y)
    assert abs(better - .5) < 1e-6 and margin < 1e-6   # RMSE 1 and .5, and each row says the same
    assert simple.rmse_gain(y, y + 1, y)[0] == -1

def test_what_is_watched_is_rated_and_learned_from():
    table, sizes = pd.DataFrame(dict(user=[1, 1, 2], item=[5, 6, 7], rating=[5., 1, 3])), []
    def fit(df): return sizes.append(len(df))
    def choose(model): return pd.DataFrame(dict(user=[1, 2], item=[7, 6 + len(sizes) % 2], pred=[4.4, 2.6]))
    watched = simple.watch_counts(table, fit, choose, rounds=2)
    assert sizes == [3, 5] and watched.to_dict() == {7: 3, 6: 1, 5: 0}

def test_a_newcomer_learns_one_row():
    taste = simple.learn_taste(torch.eye(2), torch.zeros(2), torch.tensor([5., 1]))
    assert taste[0] > .5 and taste[1] < -.5 and not taste.requires_grad

def test_embed_is_a_row():
    ours, theirs = simple.Embed(5, 3), torch.nn.Embedding(5, 3)
    theirs.load_state_dict(ours.state_dict())
    i = torch.tensor([4, 0, 4])
    assert ours(i).equal(theirs(i)) and ours(i).equal(ours.weight[i])

def test_help_shows_what_is_inherited():
    for f, words in ((Recommender.predict_pairs, 'adds the mood'), (Recommender.recommend_all, 'how many for each'), (Recommender.add_user, 'title: rating'),
                     (Recommender, 'hidden tastes'), (simple.train_dot, 'weight decay')): assert words in f.__doc__

def test_limits_and_people_from_a_generator():
    df = pd.DataFrame(dict(user=[1, 2, 3, 4]*4, item=np.repeat([1, 2, 3, 4], 4), rating=np.arange(16) % 5 + 1.))[:-1]
    def fit(limits): return fit_ratings(df, limits=limits, n_factors=1, show=False)
    assert fit(x for x in (0, 9)).limits_ == fit((0, 9)).limits_ == (0, 9)
    for bad in (5, (1, 2, 3), ('low', 'high')):
        with pytest.raises(ValueError, match='such as'): fit(bad)
    m = fit(None)
    pd.testing.assert_frame_equal(m.recommend_all(2, (u for u in [4, 1])), m.recommend_all(2, [4, 1]))
    assert len(m.recommend_all(2, [4])) == 1   # the others have rated all
