"A language model that becomes a classifier."
import pytest, torch

from conftest import refuses
from fastlessons.text.data import dataloaders_from_texts, pad_batch, split_texts
from fastlessons.text.lm import lm_dataloaders, lm_learner, lstm_classifier
from fastlessons.text.tokens import BPE
from texts import reviews

@pytest.fixture(scope='module')
def data():
    x, y = reviews()
    return x, y, split_texts(x, y, .25)[1], BPE.train(x, 300)

@pytest.fixture(scope='module')
def lm(data):
    "A language model of one epoch."
    learn = lm_learner(lm_dataloaders(data[0], data[3], bs=8, seq_len=10), 12, 16)
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, 1e-2)
    return learn

def test_streams(data):
    x, tok = data[0], data[3]
    dls = lm_dataloaders(x, tok, bs=8, seq_len=10)
    xb, yb = dls.one_batch()
    assert (xb[:, 1:] == yb[:, :-1]).all() and (xb == tok.bos_id).any()
    other = lm_dataloaders(x, tok, bs=8, seq_len=10, seed=1)   # another tenth
    def aside(dls): return {tuple(t.tolist()) for t in dls.valid_ds}
    assert aside(dls) != aside(other) and aside(dls) == aside(lm_dataloaders(x, tok, bs=8, seq_len=10))
    assert len(lm_dataloaders(x, tok, [3, 3, 5], bs=8, seq_len=1).valid_ds) == 2
    refuses(ValueError, lambda: lm_dataloaders(['a b'], tok), '0 remain to learn from')
    refuses(ValueError, lambda: lm_dataloaders(['a b', 'c'], tok), 'too few')

def test_classifier(lm, data):
    x, y, valid, tok = data
    clf = lstm_classifier(dataloaders_from_texts(x, y, tok, valid), lm)
    assert all((a == b).all() for a, b in zip(clf.model.body.state_dict().values(), lm.model[0].state_dict().values()))
    clf.freeze()
    assert [any(p.requires_grad for p in g) for g in clf.splitter(clf.model)] == [False]*3 + [True]
    with clf.no_bar(), clf.no_logging(): clf.fit_one_cycle(1, 1e-2)
    assert (clf.get_preds()[1] == torch.tensor(y)[valid]).all()
    clf.model.eval()
    pair = ['plot'], ['plot', 'a long sound and music']
    one, two = (pad_batch([tok.encode(t) for t in ts], tok.pad_id) for ts in pair)
    assert torch.allclose(clf.model(*one)[0][0], clf.model(*two)[0][0], atol=1e-5)   # padding changes nothing
    other = dataloaders_from_texts(x, y, BPE.train(x, 299), valid)
    refuses(ValueError, lambda: lstm_classifier(other, lm), 'other tokens')
