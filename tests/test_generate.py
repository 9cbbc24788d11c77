"How the next token is chosen, what is copied, and that no place of a text sees a later one."
import math, re

import numpy as np, pytest, torch
from torch import nn
from torch.nn import functional as F

from fastlessons.samples.reviews import make_turns
from fastlessons.samples.scripts import CAST, make_scripts
from fastlessons.samples.tunes import make_tunes
from fastlessons.text.clean import read_scenes
from fastlessons.text.generate import (Attention, Block, Memory, Writer, attend, bar_places, draw, in_rows, join_words, longest_copy, next_chances,
                                       script_words, sees_the_future, token_loss, write)
from fastlessons.train import Batches, Checkpoint, fit

def refuses(kind, word=None): return pytest.raises(kind, match=word and re.escape(word))

FOUR = np.log([[.5, .3, .15, .05], [.1, .2, .3, .4]])

# Choosing

def test_the_ways_to_choose_by_hand():
    def first(**how): return next_chances(FOUR, **how)[0]
    assert first() == pytest.approx([.5, .3, .15, .05], abs=1e-6) and first(temperature=0).tolist() == [1, 0, 0, 0]
    assert first(temperature=.5) == pytest.approx(np.array([.25, .09, .0225, .0025])/.365, abs=1e-5)
    assert first(top_k=2) == pytest.approx([.625, .375, 0, 0], abs=1e-6) and first(top_k=99) == pytest.approx(first())
    assert first(top_p=.5).tolist() == [1, 0, 0, 0] and first(top_p=.51) == pytest.approx([.625, .375, 0, 0], abs=1e-6)
    assert first(temperature=1e-40).tolist() == [1, 0, 0, 0]   # nearly greedy, and no overflow
    assert first(top_p=1e-9).tolist() == [1, 0, 0, 0] and first(top_p=1) == pytest.approx(first())
    punished = first(repeat=2., seen=[[0], [0]])
    assert punished == pytest.approx(np.array([.25, .3, .15, .05])/.75, abs=1e-5)
    assert next_chances(FOUR, temperature=0)[1].tolist() == [0, 0, 0, 1]   # each text by itself
    assert (next_chances(FOUR*-1, repeat=1., seen=[[0], [0]]) == next_chances(FOUR*-1)).all()
    assert (next_chances(FOUR[0], top_k=2, repeat=2., seen=[0]) == next_chances(FOUR, top_k=2, repeat=2., seen=[[0], [0]])[0]).all()   # one text alone
    assert (next_chances(torch.tensor(FOUR)) == next_chances(FOUR)).all() and np.allclose(FOUR, np.log(next_chances(FOUR + 9)))

def test_tokens_are_drawn_by_their_chances():
    def share(how): return np.bincount(draw(np.tile(next_chances(FOUR[0], **how), (3000, 1)), np.random.default_rng(0)), minlength=4)/3000
    for how in ({}, dict(temperature=.5), dict(top_p=.7), dict(top_k=1), dict(temperature=1e6)): assert share(how) == pytest.approx(next_chances(FOUR[0], **how), abs=.03)
    class Zero:
        def random(self, shape): return np.zeros(shape)
    assert draw(np.array([[0., 1], [.5, .5]]), Zero()).tolist() == [1, 0] and draw(np.array([0., 1]), Zero()) == 1   # what has no chance never comes

@pytest.mark.parametrize('how', [dict(temperature=-1), dict(temperature=math.nan), dict(temperature='hot'), dict(top_k=0), dict(top_k=1.5), dict(top_p=0), dict(top_p=1.1),
                                 dict(repeat=.5), dict(top_p=math.nan)])
def test_impossible_ways_are_refused(how):
    with refuses(ValueError, next(iter(how))): next_chances(FOUR, **how)

class Always(nn.Module):
    "A model whose scores are the same everywhere."
    def __init__(self, scores):
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))
    def forward(self, ids): return self.scores.expand(*ids.shape, -1).clone()

def test_writing_is_seeded_varied_and_ends():
    model = Always([0., 1, 2, 3])
    assert write(model, [0], 9, seed=1) == write(model, [0], 9, seed=1) != write(model, [0], 9, seed=2)
    texts = write(model, [3], 60, texts=20, end=3)
    assert all(t[0] == 3 and t[-1] == 3 and t[1:].count(3) == 1 for t in texts) and len({tuple(t) for t in texts}) > 2
    assert write(model, [1, 2], 4, temperature=0) == [[1, 2, 3, 3, 3, 3]] and write(model, [0], 4, temperature=0, never=[3]) == [[0, 2, 2, 2, 2]]
    assert not model.eval().training and write(model, [0], 1) and not model.training   # it is left as it was

def test_a_start_longer_than_the_window_is_cut_for_the_model_only():
    model = Writer(5, Memory(8, 8), 8)
    long = [0, 1, 2, 3, 4]*60
    assert write(model, long, 3, window=10, temperature=0)[0][:300] == long
    assert write(model, long, 3, window=10, temperature=0)[0][300:] == write(model, long[-10:], 3, window=10, temperature=0)[0][10:]

def test_what_cannot_be_written_is_said():
    model = Writer(5, Memory(8, 8), 8)
    with refuses(ValueError, 'empty'): write(model, [])
    with refuses(TypeError, 'start'): write(model, 'once')
    with refuses(IndexError): write(model, [5])
    with refuses(IndexError): write(model, [-1])
    for wrong in (dict(n=0), dict(texts=0), dict(window=0), dict(temperature=-1)):
        with refuses(ValueError): write(model, [0], **wrong)
    for wrong in ([1.5], ['a']):
        with refuses(TypeError, 'start'): write(model, wrong)
    with refuses(TypeError, 'never'): write(model, [0], never=3)
    with refuses(ValueError, 'never'): write(model, [0], never=range(5))
    broken = Always([math.nan, 1.])
    with refuses(ValueError, 'NaN'): write(broken, [0])
    assert broken.training   # it is left as it was, also by an error

# Copying

def test_the_longest_copied_run():
    source = 'the cat sat on the mat'.split()
    assert longest_copy('a cat sat on my mat'.split(), source) == ['cat', 'sat', 'on'] and longest_copy(source, source) == source
    assert longest_copy(['dog'], source) == longest_copy([], source) == longest_copy(source, []) == []
    assert longest_copy(['at'], source) == [] and longest_copy(['the cat'], source) == []   # whole tokens only
    assert longest_copy([7, 1, 2, 3], np.array([1, 2, 4, 1, 2, 3])) == [1, 2, 3]   # numbers of tokens
    for wrong in ('a text', 5):
        with refuses(TypeError): longest_copy(wrong, source)
        with refuses(TypeError): longest_copy(source, wrong)

@pytest.mark.parametrize('seed', range(5))
def test_the_longest_run_is_the_longest(seed):
    rng = np.random.default_rng(seed)
    a, b = ([str(k) for k in rng.integers(3, size=n)] for n in (40, 60))
    inside = [a[i:j] for i in range(40) for j in range(i + 1, 41) if any(b[k:k + j - i] == a[i:j] for k in range(60))]
    assert len(longest_copy(a, b)) == max(map(len, inside))

# Looking back

def test_attention_is_torchs():
    q, k, v = torch.randn(3, 2, 4, 7, 8)
    found, looks = attend(q, k, v)
    assert torch.allclose(found, F.scaled_dot_product_attention(q, k, v, is_causal=True), atol=1e-5)
    assert torch.allclose(looks.sum(-1), torch.ones(2, 4, 7)) and looks.triu(1).abs().max() == 0

def test_a_block_is_torchs():
    "The same weights in torch's transformer layer give the same numbers."
    torch.manual_seed(0)
    ours, theirs = Block(16, 4).eval(), nn.TransformerEncoderLayer(16, 4, 64, 0., F.gelu, batch_first=True, norm_first=True).eval()
    look, think = ours.look, ours.think
    pairs = {theirs.norm1: look[0], theirs.norm2: think[0], theirs.linear1: think[1], theirs.linear2: think[3], theirs.self_attn.out_proj: look[1].answer}
    for a, b in pairs.items(): a.load_state_dict(b.state_dict())
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(look[1].ask.weight)
        theirs.self_attn.in_proj_bias.copy_(look[1].ask.bias)
    x = torch.randn(2, 9, 16)
    mask = nn.Transformer.generate_square_subsequent_mask(9)
    assert torch.allclose(ours(x), theirs(x, mask, is_causal=True), atol=1e-5)

@pytest.mark.parametrize('body', [Memory(16, 8), Block(16), nn.Sequential(Block(16, 2), Block(16, 2))])
def test_no_place_sees_a_later_one(body):
    itos = ['|', '|:', 'a2', 'b', ':|', 'c3']
    for where in (None, bar_places(itos)):
        model, ids = Writer(6, body, 16, where).eval(), torch.randint(6, (3, 12))
        for at in range(1, 12):
            other = ids.clone()
            other[:, at] = (other[:, at] + 1) % 6
            assert torch.allclose(model(ids)[:, :at], model(other)[:, :at], atol=1e-5)

@pytest.mark.parametrize('seen', [2, 5])
def test_a_hole_in_a_mask_is_found(seen):
    "One place that all others may see, in the middle or at the end."
    class Holed(nn.Module):
        def forward(self, x): return x + x[:, seen:seen + 1]
    torch.manual_seed(0)
    ids = torch.randint(5, (3, 6))
    assert sees_the_future(Writer(5, Holed(), 8), ids) and not sees_the_future(Writer(5, Memory(8, 8), 8), ids)
    for model in (Writer(5, Holed(), 8), Writer(5, Memory(8, 8), 8).eval()):   # it is left as it was
        was = model.training
        sees_the_future(model, ids)
        assert model.training == was

def test_sizes_are_checked():
    with refuses(ValueError, 'multiple of 3'): Attention(16, 3)
    with refuses(ValueError, 'heads'): Attention(8, 0)
    for wrong in (dict(n=0), dict(d=0), dict(drop=1)):
        with refuses(ValueError): Writer(**dict(dict(n=5, body=Memory(8, 8), d=8), **wrong))

def test_bars_and_eighths():
    tune = make_tunes(1)[0][0]
    itos = sorted(set(tune))
    at = bar_places(itos)(torch.tensor([[itos.index(t) for t in tune]]))[0]
    assert at.shape == (len(tune), 4) and torch.equal(at[1:, :2], at[:-1, 2:]) and at[0, :2].tolist() == [0, 0]
    size = at[:, 3].max() + 1
    for k, token in enumerate(tune):
        if token in ('|', ':|'): assert at[k, 1] >= size - 1 and at[k, 3] == 0   # a bar line begins where the bar is full

# Texts

def test_words_come_back():
    text = "ivo: i'm bored, salma!\nsalma: really? (she laughs.)\n"
    assert join_words(script_words(text)) == text and script_words('') == [] and join_words([]) == ''
    assert script_words('A\r\nb_c') == ['a', '\n', 'b_c']
    with refuses(TypeError): join_words('a text')

def test_scenes_are_read(tmp_path):
    scenes = [f'A: line {k}' for k in range(12)]
    (tmp_path/'scripts.txt').write_bytes(b'\xef\xbb\xbf' + '\r\n\r\n'.join(scenes).encode())
    assert read_scenes(tmp_path) == scenes == read_scenes(tmp_path/'scripts.txt')
    with refuses(FileNotFoundError, 'no script'): read_scenes(tmp_path/'none')
    for text in ('', 'A: hello', '\n\n'):
        (tmp_path/'mine.txt').write_text(text)
        with refuses(ValueError, 'scenes'): read_scenes(tmp_path/'mine.txt')
    for code in ('latin-1', 'utf-16'):
        (tmp_path/'old.txt').write_text('Zoë: hello\n\n'*12, encoding=code)
        with refuses(ValueError, 'old.txt'): read_scenes(tmp_path/'old.txt')

def test_rows():
    x, y = in_rows(range(11), 5)
    assert x.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]] and torch.equal(y, x + 1)
    assert in_rows(range(10), 5)[0].shape == (1, 5)
    for ids in ([], [1], range(5)):
        with refuses(ValueError, 'too few'): in_rows(ids, 5)
    with refuses(ValueError): in_rows(range(5), 0)
    with refuses(ValueError, '-100'): token_loss(torch.randn(1, 2, 4), torch.full((1, 2), -100))
    scores, y = torch.randn(2, 3, 4), torch.tensor([[1, 2, -100], [0, -100, -100]])
    assert token_loss(scores, y) == pytest.approx(F.cross_entropy(scores[[0, 0, 1], [0, 1, 0]], torch.tensor([1, 2, 0])).item(), abs=1e-6)

# Learning

def cycle(epochs, model, folder=None):
    "Teach a model to go round in a circle of five."
    dl = Batches(*in_rows(list(range(5))*80, 20), 5)
    return fit(model, (dl, None), epochs, 1e-2, token_loss, torch.optim.AdamW, cbs=[Checkpoint(folder)] if folder else [], show=False, check=False)

@pytest.mark.parametrize('body', [Memory(16, 16), Block(16)])
def test_it_learns_a_circle(body):
    torch.manual_seed(0)
    model = Writer(5, body, 16, drop=.1)
    assert cycle(20, model)['train'][-1] < .2
    assert write(model, [0], 6, temperature=0) == [[0, 1, 2, 3, 4, 0, 1]]

def test_an_interrupted_training_goes_on_to_the_same_end(tmp_path):
    def new():
        torch.manual_seed(0)
        return Writer(5, Memory(8, 8), 8, drop=.2)
    whole, part = new(), new()
    torch.manual_seed(1)
    cycle(4, whole, tmp_path/'a')
    class Stop(Exception): pass
    class At:
        def after_epoch(self, run):
            if run.epoch == 2: raise Stop
    torch.manual_seed(1)
    dl = Batches(*in_rows(list(range(5))*80, 20), 5)
    how = dict(loss_func=token_loss, opt_func=torch.optim.AdamW, show=False, check=False)
    with pytest.raises(Stop): fit(part, (dl, None), 4, 1e-2, cbs=[Checkpoint(tmp_path/'b'), At()], **how)
    rest = new()
    fit(rest, (dl, None), 4, 1e-2, cbs=[Checkpoint(tmp_path/'b')], **how)
    for a, b in zip(whole.parameters(), rest.parameters()): assert torch.equal(a, b)

def test_a_loss_that_explodes_is_said_with_its_step():
    model = Writer(5, Memory(8, 8), 8)
    with torch.no_grad(): model.bias += math.inf
    with refuses(FloatingPointError, 'step 1'): cycle(1, model)

# Samples

def test_scripts_agree_with_themselves():
    "Two people take turns, call each other by their names, and keep the title; the surprise is that of real choices."
    told = make_scripts(200)
    for text, nats in told:
        first, *lines = text.split('\n')
        who = [line.split(':')[0] for line in lines]
        assert re.fullmatch(r'\[.+, \w+\]', first) and len(set(who)) == 2 and set(who) <= set(CAST) and len(lines) >= 4 and nats > 10
        assert all(a != b for a, b in zip(who, who[1:])) and '{' not in text
        for line, name in zip(lines, who): assert not [p for p in CAST if p in line.split(':', 1)[1] and p not in who]
    assert make_scripts(5) == told[:5] != make_scripts(5, seed=1)

def test_turns_say_nothing_by_their_words():
    turns = make_turns(2000)
    labels = np.array([label for _, label in turns])
    assert labels.mean() == .5 and len({text for text, _ in turns}) > 1500
    for word in ('good', 'bad', 'not', 'but', 'although'):
        has = [word in text.split() or f'{word},' in text.split() for text, _ in turns]
        assert abs(labels[has].mean() - .5) < .12, word
    with refuses(ValueError): make_turns(0)
