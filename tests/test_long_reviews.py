"The sample of long reviews: what it holds, its floor, and that nothing in it gives the labels away."
import re

import numpy as np, pandas as pd, pytest

from fastlessons.data import get_data
from fastlessons.samples.long_reviews import AGREE, make_long_reviews
from fastlessons.samples.reviews import WRONG, best_possible
from fastlessons.text.data import read_reviews
from fastlessons.text.tokens import words

@pytest.fixture(scope='module')
def sample(own_home):
    "The bundled reviews as the lesson reads them, with the probability of praise."
    path = get_data('imdb', 'sample')
    return read_reviews(path).assign(praise=pd.read_csv(path/'truth.csv').praise)

def test_sizes(sample):
    assert len(sample) == 5000 and sample.is_valid.sum() == 1000 and sample.text.is_unique
    assert sample.groupby('is_valid').label.mean().tolist() == [.5, .5]
    n = sample.text.map(words).map(len)
    assert n.min() > 30 and n.max() < 260 and 80 < n.mean() < 140
    assert not sample.text.str.contains(r'[{}|]|  ').any()

def test_the_floor(sample):
    assert best_possible(sample.praise) == pytest.approx(.9496, abs=.0006)   # data/README.md says so
    assert ((sample.praise > .5) == sample.label)[sample.praise != .5].mean() == pytest.approx(best_possible(sample.praise[sample.praise != .5]), abs=.01)
    for low, high in ((0, .1), (.1, .4), (.6, .9), (.9, 1)):   # it is a probability: as often as it says
        part = sample[(sample.praise > low) & (sample.praise < high)]
        assert abs(part.label.mean() - part.praise.mean()) < 4*(part.praise*(1 - part.praise)).mean()**.5/len(part)**.5, (low, high)
    assert {0., 1.} & {*sample.praise} == set() and .5 < AGREE < 1 and sample.praise.max() <= 1 - WRONG

def test_the_plot_says_nothing(sample):
    "Films and names are drawn without a look at the label: their words are in as much praise as chance allows."
    rows = make_long_reviews(600, films=3)
    said = pd.DataFrame(rows, columns=['text', 'label', 'praise'])
    names = pd.Series(re.findall(r'([A-Z]\w+) says nothing for', ' '.join(said.text))).value_counts()
    assert len(names) == 3
    for name in names.index:
        has = said[said.text.str.contains(name)]
        assert len(has) > 100 and abs(has.label.mean() - .5) < 2/len(has)**.5

def test_same_seed_same_reviews():
    rows = make_long_reviews(40)
    assert rows == make_long_reviews(40) != make_long_reviews(40, seed=1) and sum(label for _, label, _ in rows) == 20
    assert rows[:10] == make_long_reviews(10)

def test_no_sentence_is_a_real_one(sample, shared):
    def plain(texts): return {s.strip().lower() for t in texts for s in re.split(r'[.!?]', t) if len(s.split()) > 6}
    assert not plain(sample.text) & plain(read_reviews(shared/'data'/'imdb').text)

@pytest.mark.slow
def test_the_network_can_win(sample):
    "Counting is good; a network on the same words is better, and is far from the floor."
    from fastlessons.numpy_net import NumpyClassifier
    from fastlessons.text.sentiment import WordRows
    train, valid = sample[~sample.is_valid], sample[sample.is_valid]
    every, few = WordRows().fit(train.text, train.label), WordRows(20, .5)
    bayes = ((every.transform(valid.text)@every.ratios_ + every.bias_ > 0) == valid.label).mean()
    net = NumpyClassifier(10, 'linear', lr=.2, bs=256, epochs=8).fit(few.fit_transform(train.text, train.label), train.label)
    assert .8 < bayes < net.score(few.transform(valid.text), valid.label) < .9
    assert np.corrcoef(every.ratios_[[every.column(w) for w in few.words_]], (net.layers_[0][0]@net.layers_[1][0])[:, 0])[0, 1] > .8
