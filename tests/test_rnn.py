"Models that guess the next token: by counting, and with a memory; tokens as numbers, batches of a long text, forecasts."
import math
from collections import Counter

import numpy as np, pytest, torch
from sklearn.exceptions import NotFittedError
from torch import nn

from conftest import refuses
from fastlessons.series import Forecaster, judge_forecast, windows
from fastlessons.text.clean import read_text
from fastlessons.text.models import Symbols
from fastlessons.text.rnn import RNN, LanguageModel, LSTMByHand, NGram, TextBatches

TEXT = 'the cat sat on the mat, and the dog sat on the cat. '*30
WORDS = 'to be or not to be that is the question'.split()

# Texts and tokens

@pytest.mark.parametrize('raw,text', [
    (b'a\r\nb\r\n', 'a\nb\n'), (b'\xef\xbb\xbfa\nb', 'a\nb'), (b'a\rb', 'a\nb'), ('é€\n'.encode(), 'é€\n'), (b'', '')])
def test_read_text(tmp_path, raw, text):
    (tmp_path/'a.txt').write_bytes(raw)
    assert read_text(tmp_path/'a.txt') == text

def test_read_what_is_no_text(tmp_path):
    refuses(FileNotFoundError, lambda: read_text(tmp_path/'none.txt'), 'none.txt')
    refuses(FileNotFoundError, lambda: read_text(tmp_path), 'no file')
    (tmp_path/'a.txt').write_bytes('é'.encode('latin-1'))
    refuses(ValueError, lambda: read_text(tmp_path/'a.txt'), 'UTF-8')

@pytest.mark.parametrize('text', ['abracadabra', WORDS, tuple(WORDS)])
def test_symbols_go_there_and_back(text):
    symbols = Symbols(text)
    assert symbols.tokens == sorted(set(text)) and ''.join(symbols.decode(symbols.encode(text))) == ''.join(text)
    assert isinstance(symbols.decode([0]), str if isinstance(text, str) else list)

def test_what_is_no_text_is_refused():
    for bad in ('', 'aaa', [], ['a', 'a']): refuses(ValueError, lambda: Symbols(bad), 'at least two')
    for bad in (None, 3, b'ab', [1, 2], ['a', None], {'a': 1}): refuses(TypeError, lambda: Symbols(bad), 'Expected a list of str')
    refuses(TypeError, lambda: Symbols('ab').encode(['a']), 'Expected a str')
    refuses(TypeError, lambda: Symbols(WORDS).encode('to be'), 'list of str')
    refuses(ValueError, lambda: Symbols('ab').encode('abc'), "'c'")
    assert Symbols('ab', 'cd').tokens == list('abcd')

@pytest.fixture(scope='module')
def counted(): return NGram(4).fit(TEXT)

@pytest.fixture(scope='module')
def model(): return LanguageModel(24, 8).fit(TEXT, epochs=6, lr=2e-2, bs=4, seq_len=20)

@pytest.fixture(params=['counted', 'model'])
def either(request): return request.getfixturevalue(request.param)

# What both can do

def test_chances_add_up_and_give_the_nats(either):
    text = TEXT[:60]
    for k in (1, 5, 30):
        chances = either.chances(text[:k])
        assert sum(chances.values()) == pytest.approx(1) and set(chances) == set(TEXT)
        assert -math.log(chances[text[k]]) == pytest.approx(either.nats(text)[k-1], abs=1e-5)
    assert len(either.nats(text)) == 59 and either.score(text) == pytest.approx(either.nats(text).mean())
    assert either.score('the cat sat') < .6 < 2 < either.score('tac eht tas')

def test_generate_is_seeded_and_varied(either):
    one = either.generate('the ', 80, seed=1)
    assert one == either.generate('the ', 80, seed=1) != either.generate('the ', 80, seed=2)
    assert one.startswith('the ') and len(one) == 84 and set(one) <= set(TEXT) and either.generate('the', 0) == 'the'
    greedy = either.generate('the ', 60, temperature=0)
    assert greedy == either.generate('the ', 60, temperature=0, seed=9) == either.generate('the ', 60, top_p=1e-9)
    wild = either.generate('the ', 300, temperature=1e6)   # each is about as likely as any
    assert len(set(wild)) > len(set(TEXT)) - 3 and either.score(wild) > 3
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    either.generate('the ', 5)
    assert torch.equal(before[0], torch.get_rng_state()) and (before[1] == np.random.get_state()[1]).all()

def test_a_prompt_longer_than_the_window(either):
    assert len(either.generate(TEXT[:200], 5)) == 205
    counted = isinstance(either, NGram)
    if counted: assert either.chances(TEXT[:200]) == either.chances(TEXT[197:200])   # no more than it looks back

def test_bad_input_is_refused(either):
    for text in ('', 'a'): refuses(ValueError, lambda: either.score(text), 'at least 2')
    refuses(ValueError, lambda: either.generate(''), 'at least 1')
    for f in (either.score, either.generate, either.chances):
        refuses(ValueError, lambda: f('the fox'), "'f'")
        for bad in (None, 3, ['t', 'h']): refuses(TypeError, lambda: f(bad), 'Expected a str')
    for bad in (-1, float('nan'), math.inf, '1', None, True): refuses(ValueError, lambda: either.generate('the', temperature=bad), 'temperature')
    for bad in (0, -1, 1.1, float('nan'), '1'): refuses(ValueError, lambda: either.generate('the', top_p=bad), 'top_p')
    for bad in (-1, 1.5, '3'): refuses((TypeError, ValueError), lambda: either.generate('the', n=bad), 'n is')

def test_both_choose_in_all_ways(either):
    assert either.generate('the ', 60, top_k=1) == either.generate('the ', 60, temperature=0) != either.generate('the ', 60, temperature=0, repeat=5.)
    refuses(ValueError, lambda: either.generate('the', top_k=0), 'top_k')

@pytest.mark.parametrize('new', [NGram(3), LanguageModel(8, 4)])
def test_a_model_that_has_learned_nothing_says_so(new):
    for ask in (new.score, new.nats, new.chances, new.generate): refuses(NotFittedError, lambda: ask('abc'), 'not fitted')

# Counting

def test_kneser_ney_by_hand():
    "The lesson's example: b after a in abracadabra."
    assert math.exp(-NGram(2).fit('abracadabra').score('ab')) == pytest.approx(.25 + .5*(.5/7 + .5/5))

def by_the_book(text, order, asked):
    "Interpolated modified Kneser-Ney, as slowly as it is written in the books."
    def counts(k):
        if k == order: return Counter(text[i:i+k] for i in range(len(text)-k+1))
        longer = {text[i:i+k+1] for i in range(len(text)-k)}
        found = Counter(piece[1:] for piece in longer)
        return found + Counter({text[:k]: 1} if text[:k] not in found else {})
    tables = [counts(k) for k in range(1, order+1)]
    offs = []
    for table in tables:
        n = [0] + [sum(c == k for c in table.values()) for k in (1, 2, 3, 4)]
        if not all(n[1:]): offs.append([0, .5, 1, 1.5])
        else:
            y = n[1]/(n[1] + 2*n[2])
            offs.append([0] + [max(k - (k+1)*y*n[k+1]/n[k], .01) for k in (1, 2, 3)])
    def chance(context, c):
        if context is None: return 1/len(set(text))
        table, off = tables[len(context)], offs[len(context)]
        after = {p: m for p, m in table.items() if p[:-1] == context}
        shorter = chance(context[1:] if context else None, c)
        if not after: return shorter
        total = sum(after.values())
        rest = sum(off[min(m, 3)] for m in after.values())/total
        m = after.get(context + c, 0)
        return (m - off[min(m, 3)])/total + rest*shorter
    return [chance(asked[max(0, i-order+1):i], asked[i]) for i in range(1, len(asked))]

@pytest.mark.parametrize('order', [1, 2, 3, 5])
def test_kneser_ney_by_the_book(order):
    rng = np.random.default_rng(order)
    text = ''.join(rng.choice(list('aaabbcd'), 400)) + TEXT[:200]
    asked = ''.join(rng.choice(list('abcd'), 40)) + 'the cat on the dog'
    model = NGram(order).fit(text)
    assert np.allclose(np.exp(-model.nats(asked)), by_the_book(text, order, asked), atol=1e-12)
    read = model._reader()
    p = np.exp(read(model.symbols.encode(asked[:1])))
    for c, nats in zip(asked[1:], model.nats(asked)):   # one by one as all at once
        k = model.symbols.number[c]
        assert p.sum() == pytest.approx(1) and -math.log(p[k]) == pytest.approx(nats)
        p = np.exp(read([k]))

def test_counting_words_and_short_texts():
    model = NGram(3).fit(WORDS, also=['never'])
    assert model.chances(['to'])['be'] > .4 and 0 < model.chances(['to'])['never'] < .1
    assert model.generate(['to'], 4)[0] == 'to' and len(NGram(9).fit('ab').nats('aab')) == 2
    for bad in (0, -1, 2.5, '3', None): refuses((TypeError, ValueError), lambda: NGram(bad), 'order')
    for bad in ('', 'a'): refuses(ValueError, lambda: NGram(3).fit(bad), 'at least two')

# Batches

def test_streams_go_on_from_window_to_window():
    ids = np.arange(50)
    batches = TextBatches(ids, bs=3, seq_len=5)
    xs, ys = (torch.cat(parts, 1) for parts in zip(*batches))
    assert len(batches) == 4 == len(list(batches)) and xs.shape == (3, 16)
    assert (ys == xs + 1).all()   # the next token, the last one of a stream too
    assert (xs.flatten() == torch.arange(48)).all()   # nothing twice, nothing mixed up
    refuses(ValueError, lambda: TextBatches(ids, 8, 10), 'need 81')
    assert len(TextBatches(np.arange(81), 8, 10)) == 1
    for bad in (0, -1, 2.5): refuses((TypeError, ValueError), lambda: TextBatches(ids, bs=bad), 'bs')

# The network

def test_by_hand_as_pytorch():
    torch.manual_seed(3)
    theirs, ours = nn.LSTM(4, 6, batch_first=True), LSTMByHand(4, 6)
    with torch.no_grad():
        ours.gates.weight[:] = torch.cat([theirs.weight_ih_l0, theirs.weight_hh_l0], 1)
        ours.gates.bias[:] = theirs.bias_ih_l0 + theirs.bias_hh_l0
    x = torch.randn(2, 40, 4)
    assert torch.allclose(ours(x), theirs(x)[0], atol=1e-6)
    ours(x)[:, -1].sum().backward()
    theirs(x)[0][:, -1].sum().backward()
    assert torch.allclose(ours.gates.weight.grad[:, :4], theirs.weight_ih_l0.grad, atol=1e-5)

@pytest.mark.parametrize('more', [{}, dict(n_layers=2, drop=.3)])
def test_the_memory_is_handed_on(more):
    net, ids = RNN(7, 12, 8, **more).eval(), torch.randint(7, (2, 30))
    whole = net(ids)
    net.memory = None
    parts = torch.cat([net(part) for part in ids.split(11, 1)], 2)
    assert whole.shape == (2, 7, 30) and torch.allclose(whole, parts, atol=1e-5) and not any(m.requires_grad for m in net.memory)
    refuses(ValueError, lambda: net(ids[:1]), 'of 2 streams, the batch has 1')
    net.memory = None
    assert net(ids[:1]).shape == (1, 7, 30)

def test_it_starts_with_open_gates():
    net = RNN(5, 16, 8)
    bias = net.lstm.bias_ih_l0.chunk(4)
    table = net.lstm.weight_hh_l0.chunk(4)[1]
    assert (bias[1] == 1).all() and (bias[0] != 1).all() and torch.allclose(table@table.T, torch.eye(16), atol=1e-5)

def test_what_is_read_speaks_loud():
    "The sums of what is read have a size of 3, with few numbers for a token and with many."
    for n_emb in (8, 128):
        net = RNN(60, 32, n_emb)
        with torch.no_grad(): sums = net.emb.weight@net.lstm.weight_ih_l0.T
        assert sums.std().item() == pytest.approx(3, rel=.25)

def test_a_long_text_is_read_in_parts(model):
    "The parts know what came before: the nats are those of reading in one go."
    text = TEXT*2
    assert len(text) > 3000
    model.net.memory = None
    ids = torch.as_tensor(model.symbols.encode(text))
    with torch.no_grad(): found = nn.functional.cross_entropy(model.net(ids[None, :-1]), ids[None, 1:], reduction='none')[0]
    assert np.allclose(model.nats(text), found, atol=1e-3)

def test_it_learns_and_is_the_same_every_time(model):
    before = torch.get_rng_state()
    again = LanguageModel(24, 8).fit(TEXT, epochs=6, lr=2e-2, bs=4, seq_len=20)
    assert torch.equal(before, torch.get_rng_state()) and again.log_ == model.log_ and again.nats(TEXT).mean() < .3
    assert LanguageModel(24, 8, seed=1).fit(TEXT, epochs=1, bs=4, seq_len=20).log_ != model.log_['train'][:1]

def test_words_and_a_text_to_score(capsys):
    words = WORDS*20
    model = LanguageModel(16, 8, drop=.1).fit(words, also=['never'], epochs=12, lr=3e-2, bs=2, seq_len=10, valid=WORDS)
    assert model.log_['valid'][-1] < model.log_['valid'][0] and model.log_['valid'][-1] == pytest.approx(model.score(WORDS))
    assert model.generate(['to'], 9, temperature=0) == WORDS and not capsys.readouterr().out
    assert model.memories(WORDS).shape == (10, 16)

def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path/'a.safetensors')
    other = LanguageModel.load(tmp_path/'a.safetensors')
    assert other.generate('the ', 50) == model.generate('the ', 50) and (other.nats(TEXT) == model.nats(TEXT)).all()
    words = LanguageModel(16, 16, n_layers=2).fit(WORDS*9, epochs=1, bs=2, seq_len=10)
    words.save(tmp_path/'b.safetensors')
    other = LanguageModel.load(tmp_path/'b.safetensors')
    assert other.generate(['to'], 5) == words.generate(['to'], 5)
    (tmp_path/'c.safetensors').write_bytes((tmp_path/'b.safetensors').read_bytes()[:500])
    refuses(ValueError, lambda: LanguageModel.load(tmp_path/'c.safetensors'), 'damaged')

class Stop:
    def after_epoch(self, run):
        if run.epoch == 2: raise KeyboardInterrupt
    order = 200

def test_an_interrupted_training_goes_on(tmp_path):
    settings = dict(epochs=4, bs=4, seq_len=20, valid=TEXT[:99])
    whole = LanguageModel(16, 8).fit(TEXT, **settings)
    with pytest.raises(KeyboardInterrupt): LanguageModel(16, 8).fit(TEXT, **settings, resume=tmp_path/'run.safetensors', cbs=[Stop()])
    assert (tmp_path/'run.safetensors').exists()
    rest = LanguageModel(16, 8).fit(TEXT, **settings, resume=tmp_path/'run.safetensors')
    assert rest.log_ == whole.log_ and (rest.nats(TEXT) == whole.nats(TEXT)).all() and not list(tmp_path.iterdir())

def test_the_file_of_another_training_is_refused(tmp_path):
    "Another text of the same length, another seed, other windows: nothing goes on in silence."
    settings = dict(epochs=4, bs=4, seq_len=20, resume=tmp_path/'run.safetensors')
    with pytest.raises(KeyboardInterrupt): LanguageModel(16, 8).fit(TEXT, **settings, cbs=Stop())
    refuses(ValueError, lambda: LanguageModel(16, 8).fit(TEXT[::-1], **settings), 'another training')
    refuses(ValueError, lambda: LanguageModel(16, 8, seed=1).fit(TEXT, **settings), 'seed was 0')
    refuses(ValueError, lambda: LanguageModel(16, 8).fit(TEXT, **settings | dict(seq_len=19)), 'another training')

def test_bad_settings_are_refused():
    for bad in (0, -1, 2.5, '3'):
        for name in ('n_hidden', 'n_emb', 'n_layers'): refuses((TypeError, ValueError), lambda: LanguageModel(**{name: bad}), name)
    for bad in (-.1, 1, '0', float('nan')): refuses(ValueError, lambda: LanguageModel(drop=bad), 'drop')
    small = LanguageModel(8, 4)
    refuses(ValueError, lambda: small.fit(TEXT[:300], bs=8, seq_len=96), 'need 769')
    for bad in ('', 'a'): refuses(ValueError, lambda: small.fit(bad), 'at least two')
    refuses(ValueError, lambda: small.fit(TEXT, valid='a fox'), "'f'")
    refuses(ValueError, lambda: small.fit(TEXT, epochs=0), 'epochs')
    refuses(ValueError, lambda: small.fit(TEXT, lr=-1.), 'lr')

def test_a_loss_that_explodes_is_said():
    class Break:
        def before_batch(self, run):
            if run.step == 3: nn.init.constant_(run.model.out.bias, float('nan'))
    refuses(FloatingPointError, lambda: LanguageModel(8, 4).fit(TEXT, bs=4, seq_len=20, cbs=[Break()]), 'step 3')

# Numbers

def test_windows_and_their_scale():
    x, y, mean, std = windows(np.arange(10.), 3, until=4)
    assert x.shape == (7, 3, 1) and y.shape == (7, 3) and (mean, std) == (1.5, np.std([0, 1, 2, 3]))
    assert np.allclose(y[:, -1]*std + mean, np.arange(3, 10)) and np.allclose(x[1:, 0, 0], y[:-1, 0])
    assert np.isfinite(windows(np.ones(9), 3, 4)[0]).all()
    refuses(ValueError, lambda: windows(np.ones(3), 3, 3), 'more than 3')
    refuses(ValueError, lambda: windows([1., np.nan, 2., 3.], 2, 2), 'NaN')

def test_forecaster():
    beat = np.tile([0., 0., 1.], 70)
    x, y = beat[:-2].reshape(13, 16, 1), beat[1:-1].reshape(13, 16)
    model = Forecaster(8, 60, bs=4).fit(x, y)
    assert np.allclose(model.predict(beat[None, :60, None])[0, 10:59], beat[11:60], atol=.15)
    assert (Forecaster(8, 60, bs=4).fit(x, y).predict(x) == model.predict(x)).all()
    refuses(ValueError, lambda: model.fit(x, y[:, :5]), 'at each step')
    refuses(ValueError, lambda: model.fit(beat, beat), 'sequences')
    refuses(ValueError, lambda: model.predict(np.ones((1, 4, 2))), '2 inputs')
    refuses(ValueError, lambda: model.fit(x*np.nan, y), 'NaN')
    refuses(NotFittedError, lambda: Forecaster().predict(x), 'not fitted')
    for bad in (0, -1, 2.5): refuses((TypeError, ValueError), lambda: Forecaster(epochs=bad), 'epochs')

def test_yesterdays_price_is_judged():
    rng = np.random.default_rng(0)
    price = 100*np.exp(rng.normal(0, .01, 2000).cumsum())
    lazy = judge_forecast(price[:-1], price[1:], price[:-1])
    right = judge_forecast(price[1:], price[1:], price[:-1])
    assert lazy['R², prices'] > .95 and abs(lazy['R², changes']) < .01 and math.isnan(lazy['direction right'])
    assert right['RMSE'] == 0 and right['direction right'] == right['R², changes'] == 1
    refuses(ValueError, lambda: judge_forecast([0.], [1.], [1.]), 'above 0')
    refuses(ValueError, lambda: judge_forecast([1.], [1., 2.], [1.]), '1 guess')

# Real texts

@pytest.mark.real
@pytest.mark.slow
def test_counting_anna_karenina(shared):
    "The figures that were found by another program: 1.425 at order 5, 1.333 at order 9."
    text = read_text(shared/'data/text/anna.txt')
    assert len(text) == 1_985_223
    cut = len(text)*9//10
    for order, nats in ((5, 1.425), (9, 1.333)):
        assert NGram(order).fit(text[:cut], also=text).score(text[cut:]) == pytest.approx(nats, abs=.002)
