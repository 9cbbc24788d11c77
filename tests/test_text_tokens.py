"Tokens that come back; byte pairs as the slow way finds them, and as `tokenizers` encodes with them."
import random
from collections import Counter

import pytest

from conftest import refuses
from fastlessons.text.data import read_reviews
from fastlessons.text.tokens import BPE, Vocab, join_pair, merge_pairs, words
from texts import ODD, reviews

def test_words():
    assert words("Don't; isn’t, can't.") == ['do', "n't", ';', 'is', 'n’t', ',', 'ca', "n't", '.']
    assert words('👩‍👩‍👧x🇫🇷👍🏽') == ['👩‍👩‍👧', 'x', '🇫🇷', '👍🏽']
    assert words('शांति اَلسَّلام') == ['शांति', 'اَلسَّلام'] and words('') == []
    for t in ODD: assert ''.join(words(t)) == ''.join(t.lower().split())   # nothing is lost but white space

def test_vocab():
    v = Vocab([['b', 'a', 'b'], ['c', 'xxunk', 'xxpad']], min_freq=1)
    assert v.itos == ['xxunk', 'xxpad', 'xxbos', 'b', 'a', 'c'] and len(v) == 6
    assert v.decode(v.encode(['a', 'z', 'b'])) == ['a', 'xxunk', 'b']
    assert v.encode('A, b!') == [4, 0, 3, 0] and v.encode('') == []
    assert len(Vocab(['a b c d']*2, max_size=4)) == 4
    refuses(TypeError, lambda: Vocab('one text'), 'one str')
    refuses(ValueError, lambda: Vocab(['a'], max_size='all'), 'max_size')

@pytest.mark.parametrize('kind, tok', [(Vocab, Vocab(['a film', 'a film'])), (BPE, BPE.train(['a film']*9))])
def test_files(kind, tok, tmp_path, monkeypatch):
    for name in ('HOME', 'USERPROFILE'): monkeypatch.setenv(name, str(tmp_path))
    path = tok.save('~/tokens.json')
    again = kind.load('~/tokens.json')
    assert path == tmp_path/'tokens.json' and type(again) is kind
    assert again.itos == tok.itos and again.encode('a film!') == tok.encode('a film!')
    other = BPE if kind is Vocab else Vocab
    refuses(ValueError, lambda: other.load(path), f'no saved {other.__name__}')
    for name in ('no.json', ''): refuses(FileNotFoundError, lambda: kind.load(tmp_path/name), f'{kind.__name__}.save')
    refuses(FileNotFoundError, lambda: tok.save(tmp_path/'none'/'v.json'), 'no folder')
    assert [f.name for f in tmp_path.iterdir()] == ['tokens.json']   # no temporary file is left

@pytest.mark.parametrize('kind, content', [
    (Vocab, '{"Vocab": ["a", "a"]}'), (Vocab, '{"Vocab": ["xxunk", "xxpad", "xxbos", "a", "a"]}'), (BPE, '{"BPE": [["zz", "61"]]}'),
    (Vocab, '[1, 2]'), (Vocab, '{"Vocab": ["é"]}'.encode('latin-1')), (BPE, '['*100_000)])
def test_damaged_files(kind, content, tmp_path):
    (tmp_path/'x.json').write_bytes(content if isinstance(content, bytes) else content.encode())
    refuses(ValueError, lambda: kind.load(tmp_path/'x.json'), f'no saved {kind.__name__}', limit=600)

# Byte pairs

@pytest.mark.parametrize('toks, joined', [
    ('aaa', ['aa', 'a']), ('aaaa', ['aa', 'aa']), ('', []), ('a', ['a']), ('baab', ['b', 'aa', 'b'])])
def test_join_pair(toks, joined): assert join_pair([*toks], 'a', 'a') == joined

def by_hand(texts, n): return merge_pairs(Counter(p for t in texts for p in BPE.pieces(t)), n)

@pytest.mark.parametrize('seed', range(4))
def test_bpe_finds_what_the_lesson_finds(seed):
    r = random.Random(seed)
    texts = [''.join(r.choices('ab \x00é', k=r.randint(0, 60))) for _ in range(60)] + ['aaaaaaa', 'abababab']*3
    assert BPE.train(texts, 256+80).merges == by_hand(texts, 80)

def test_bpe_ends_when_no_pair_is_there_twice():
    assert BPE.train(['ab']*2, 300).merges == by_hand(['ab']*2, 44) == [(b'a', b'b')]
    assert BPE.train([], 300).merges == by_hand([], 44) == []

def test_of_equal_pairs_the_smallest_is_joined_first():
    assert BPE.train(['cd ab']*2, 258).merges == [(b' ', b'a'), (b' a', b'b')]

@pytest.mark.parametrize('n_vocab', [256, 300, 600])
def test_bpe_round_trip(n_vocab, tmp_path):
    bpe, r = BPE.train([*ODD, *reviews()[0]], n_vocab), random.Random(1)
    noise = [''.join(chr(r.choice([r.randrange(0x110000), r.randrange(0x300)])) for _ in range(50)) for _ in range(200)]
    again = BPE.load(bpe.save(tmp_path/'b.json'))
    for t in [*ODD, *noise]:
        ids = bpe.encode(t)
        assert bpe.decode(ids) == t and again.encode(t) == ids and not {254, 255} & {*ids}
        assert ''.join(bpe.pieces(t)) == t and len(bpe.tokens(t)) == len(ids)
    assert len(bpe) == len(bpe.itos) <= n_vocab

def test_bpe_odd_input():
    refuses(ValueError, lambda: BPE.train(['a'], 10), 'n_vocab')
    assert BPE.train('a a a a').encode('a a') == [97, 256]   # one text will do
    assert BPE([]).decode([255, 0xe2, 97, 254]) == '\ufffda'
    long = 'x'*300_000
    assert len(BPE.train([long], 300).encode(long)) < 30_000   # and it does not take forever

def test_bpe_encodes_as_tokenizers_does():
    tk = pytest.importorskip('tokenizers')
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]   # GPT-2 writes each byte as a visible sign
    rest = [b for b in range(256) if b not in plain]
    seen = {b: chr(b) for b in plain} | {b: chr(256+i) for i, b in enumerate(rest)}
    def show(t): return ''.join(seen[b] for b in t)
    bpe = BPE.train([*reviews(400)[0], *ODD], 600)
    vocab, merges = {show(t): i for t, i in bpe.stoi.items()}, [(show(a), show(b)) for a, b in bpe.merges]
    rust = tk.Tokenizer(tk.models.BPE(vocab, merges))
    for t in [*reviews()[0], *ODD]:
        for p in bpe.pieces(t): assert rust.encode(show(p.encode('utf-8', 'surrogatepass'))).ids == bpe.encode(p)

def test_bpe_of_real_sentences(shared):
    texts = read_reviews(shared/'data'/'sentiment').text
    bpe = BPE.train(texts[:500], 700)
    assert bpe.merges[:60] == by_hand(texts[:500], 60) and all(bpe.decode(bpe.encode(t)) == t for t in texts[::5])
