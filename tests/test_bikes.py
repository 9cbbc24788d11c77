"Bike hours for networks: the split, the scale, the way back, and bad tables."
import numpy as np, pandas as pd, pytest

from conftest import refuses
from fastlessons.bikes import BikePrep, split_by_days
from fastlessons.check import sample_of

@pytest.fixture(scope='module')
def hours(): return pd.read_csv(sample_of('bike')/'hour.csv', parse_dates=['dteday'])

def test_no_day_is_on_two_sides_whatever_the_order(hours):
    train, valid, test = split_by_days(hours, 60, 21)
    assert (len(train), len(valid), len(test)) == (15475, 1402, 502)
    assert train.dteday.max() < valid.dteday.min() and valid.dteday.max() < test.dteday.min()
    mixed = split_by_days(hours.sample(frac=1, random_state=0), 60, 21)
    for a, b in zip((train, valid, test), mixed): assert a.equals(b.sort_index())
    late = hours.assign(dteday=hours.dteday + pd.to_timedelta(hours.hr, 'h'))   # with the time of day
    assert [len(p) for p in split_by_days(late, 60, 21)] == [15475, 1402, 502]

def test_the_scale_is_that_of_the_training_rows(hours):
    train, valid, _ = split_by_days(hours)
    prep = BikePrep(train)
    x = prep(train)
    assert x.shape == (len(train), 56) and x.index.equals(train.index)
    names = [c for c in x if '_' in c]
    assert (x[names].sum(axis=1) == 5).all() and set(np.unique(x[names])) == {0, 1}
    amounts = x.drop(columns=names)
    assert np.allclose(amounts.mean(), 0) and np.allclose(amounts.std(ddof=0), 1)
    hot = prep(valid.assign(temp=1.))   # other rows change nothing
    assert np.allclose(hot.temp, (1 - train.temp.mean())/train.temp.std(ddof=0))
    one = prep(valid.iloc[[7]])
    assert one.equals(prep(valid).iloc[[7]])

@pytest.mark.parametrize('log', [False, True])
def test_there_and_back(hours, log):
    train, valid, _ = split_by_days(hours)
    prep = BikePrep(train, log)
    z = prep.target(train)
    assert abs(z.mean()) < 1e-9 and abs(z.std(ddof=0) - 1) < 1e-9
    assert np.allclose(prep.bikes(prep.target(valid)), valid.cnt)
    assert (prep.bikes(np.array([-99., 0.])) >= 0).all() and prep.bikes(np.array([1e9]))[0] > 1e6
    assert prep.error(prep.bikes(z), train) < 1e-12
    assert abs(prep.error(np.full(len(train), train.cnt.mean()), train) - 1) < 1e-9

def test_bad_tables(hours):
    train = hours[:500]
    prep = BikePrep(train)
    refuses(ValueError, lambda: split_by_days(train), '21')
    refuses(ValueError, lambda: split_by_days(train[:0]), '0 days')
    refuses(ValueError, lambda: split_by_days(train.assign(dteday='2011-01-01')), 'parse_dates')
    refuses(ValueError, lambda: split_by_days(train.assign(dteday=train.dteday.where(train.hr > 3))), 'gaps')
    refuses(ValueError, lambda: split_by_days(train, valid=0), 'valid')
    refuses(ValueError, lambda: BikePrep(train[:0]), 'empty')
    refuses(ValueError, lambda: BikePrep(train.drop(columns='hum')), 'hum')
    refuses(ValueError, lambda: BikePrep(train.assign(temp=np.nan)), 'temp')
    refuses(ValueError, lambda: BikePrep(train.assign(temp='warm')), 'warm')
    refuses(ValueError, lambda: BikePrep(train.assign(cnt=-1)), 'cnt')
    for bad in (24, 1.5, np.nan, np.inf, 'eight'): refuses(ValueError, lambda bad=bad: prep(train.assign(hr=bad)), 'hr')
    refuses(ValueError, lambda: prep.error([1, 2], train), '2 predictions')
    refuses(TypeError, lambda: BikePrep([1, 2]), 'DataFrame')
