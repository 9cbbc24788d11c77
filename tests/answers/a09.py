"Answers to the exercises of lesson 09: for each the right one and wrong ones that people really write."
import numpy as np

from fastlessons.exercises.l09 import diagnosis, known, slopes_tanh

def other(term=lambda error, w2, h, x, w1: error*w2*(1 - h*h), of_output=lambda error, h: h*error, turn=False, one=False):
    "Return a `slopes_tanh` that does one thing in another way."
    def slopes_tanh(x, right, w1, w2):
        h = np.tanh(x@w1)
        error = h@w2 - right
        t = term(error, w2, h, x, w1)
        first = np.outer(t, x) if turn else x[:, None]*t
        return first if one else (first, of_output(error, h))
    return slopes_tanh

def as_matrices(x, right, w1, w2):
    x, w2 = x[None], w2[:, None]
    h = np.tanh(x@w1)
    term = h@w2 - right
    return x.T@((term@w2.T)*(1 - h**2)), (h.T@term)[:, 0]

def by_nudging(x, right, w1, w2):
    def loss(): return (np.tanh(x@w1)@w2 - right)**2/2
    found = []
    for w in (w1, w2):
        slopes = np.zeros_like(w)
        for i in np.ndindex(w.shape):
            kept = w[i]
            w[i] = kept + 1e-6
            up = loss()
            w[i] = kept - 1e-6
            slopes[i] = (up - loss())/2e-6
            w[i] = kept
        found.append(slopes)
    return found

def moves_them(x, right, w1, w2):
    slopes = slopes_tanh(x, right, w1, w2)
    w1 -= .1*slopes[0]
    w2 -= .1*slopes[1]
    return slopes

def moves_first(x, right, w1, w2):
    h = np.tanh(x@w1)
    error = h@w2 - right
    new = w2 - .1*h*error
    return np.outer(x, error*new*(1 - h*h)), h*error

def letters(**said): return dict(diagnosis(), **said)

def same_hour(hours):
    "A column that reads well and is enough, together with the week."
    return known(hours).assign(same=np.log1p(hours.cnt.shift(24).bfill()))

def shifted(n):
    def known(hours): return np.log1p(hours['cnt'].shift(n).fillna(50))
    return known

def day_of_today(hours): return np.log1p(hours.groupby('dteday')['cnt'].transform('mean'))
def week_with_today(hours):
    days = hours.groupby('dteday')['cnt'].mean().rolling(7, min_periods=1).mean()
    return hours['dteday'].map(days)

ANSWERS = {
    '09.1': dict(
        right=[slopes_tanh, other(), as_matrices, by_nudging],
        wrong=[other(term=lambda error, w2, h, x, w1: error*w2), other(term=lambda error, w2, h, x, w1: error*w2*h*(1 - h)),
               other(term=lambda error, w2, h, x, w1: error*(1 - h*h)), other(term=lambda error, w2, h, x, w1: -error*w2*(1 - h*h), of_output=lambda error, h: -error*h),
               other(term=lambda error, w2, h, x, w1: 2*error*w2*(1 - h*h), of_output=lambda error, h: 2*error*h),
               other(term=lambda error, w2, h, x, w1: error*w2*(1 - (x@w1)**2)), other(of_output=lambda error, h: error), other(of_output=lambda error, h: error*h*(1 - h)),
               other(turn=True), other(one=True), moves_them, moves_first, lambda x, right, w1, w2: (x@(w2*np.tanh(x@w1)), w2), lambda x, right, w1, w2: None, lambda x, right, w1, w2: (w1, w2)]),
    '09.2': dict(
        right=[diagnosis()],
        wrong=[letters(C='well', E='shuffled'), letters(A='one neuron', D='too small'), letters(B='shuffled', C='few hours'), {}, dict(A='too small'), ['well'],
               dict.fromkeys('ABCDE', 'well'), letters(A=1), letters(A='slow'), letters(A=['well'])]),
    '09.3': dict(
        right=[known, same_hour],
        wrong=[lambda hours: np.zeros(len(hours)),   # nothing new
               lambda hours: hours['cnt'].shift(24),   # with gaps
               shifted(1),   # an hour ago: the same day
               day_of_today, week_with_today, lambda hours: hours['registered'], lambda hours: hours['dteday'], lambda hours: hours[['dteday']],
               lambda hours: hours['temp'],   # it is there already
               lambda hours: 1., lambda hours: [1.], lambda hours: hours['cnt'].iloc[:100]]),
}
