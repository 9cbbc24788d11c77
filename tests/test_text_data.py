"Bad columns of text, reviews from files, fair splits, batches in which padding is marked; and the lesson's counting."
import gzip, random

import numpy as np, pandas as pd, pytest, torch

from conftest import refuses
from fastlessons.simple.nlp import average, log_ratios
from fastlessons.text import data as text_data
from fastlessons.text.clean import check_texts, clean_texts
from fastlessons.text.data import dataloaders_from_texts, encode_texts, pad_batch, read_reviews, split_texts
from fastlessons.text.tokens import BPE, Vocab, words
from texts import reviews

@pytest.fixture(scope='module')
def data():
    x, y = reviews()
    return x, y, *split_texts(x, y, .25)

# Columns of text

def test_clean_texts():
    got = clean_texts(pd.Series(['a\r\nb', 'c\rd', 'é'.encode(), '🎬', 'مرحبا']))
    assert got == ['a\nb', 'c\nd', 'é', '🎬', 'مرحبا']
    df = pd.DataFrame(dict(text=['a', 'b'], label=['x', 'y']))
    assert clean_texts(df)[0] == ['a', 'b'] and clean_texts(df)[1].tolist() == ['x', 'y']
    assert clean_texts(df[['text']]) == check_texts(df) == ['a', 'b']
    assert clean_texts(np.array(['a', 'b'], object), [True, False])[0] == ['a', 'b']
    assert check_texts((t for t in ('', 'a')), empty=True) == ['', 'a']

@pytest.mark.parametrize('bad, parts', [
    (['a', None, 'b', float('nan'), pd.NA], ['no text in some rows: None in row 1, nan in row 3, <NA> in row 4']),
    (['a', '', ' \r\n'], ["empty texts: '' in row 1, ' \\r\\n' in row 2"]),
    ([b'ok', 'é'.encode('latin-1')], ["b'\\xe9' in row 1", 'latin-1']),
    (['a', 7, ['b']], ["should hold text: 7 in row 1, ['b'] in row 2"]),
    (['a', [0]*999], ['[0, 0', 'in row 1']),
    (pd.Series(['a', None]*5, list('abcdefghij'), name='said'), ["'said'", "in row 'b'", '2 more of 10 rows']),
    ([], ['no texts']),
    (pd.DataFrame(dict(review=['a'], label=[1])), ["no column 'text'"])])
def test_clean_texts_refuses(bad, parts): refuses(ValueError, lambda: clean_texts(bad), *parts, limit=600)

def test_clean_texts_refuses_labels():
    refuses(TypeError, lambda: clean_texts('a film'), 'one str')
    refuses(TypeError, lambda: clean_texts(b'a film'), 'one bytes')
    refuses(ValueError, lambda: clean_texts(['a', 'b'], ['x', 'x']), "'x'")
    refuses(ValueError, lambda: clean_texts(['a', 'b', 'c'], [1, 2]), '3 texts')
    refuses(ValueError, lambda: clean_texts(['a', 'b'], [1, None]), "'label'")
    df = pd.DataFrame(dict(text=['a', 'b'], mood=['x', None]), ['p', 'q'])
    refuses(ValueError, lambda: clean_texts(df.text, df.mood), "'mood'", "in row 'q'")

def test_read_reviews(tmp_path):
    refuses(FileNotFoundError, lambda: read_reviews(tmp_path), 'get_data')
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
    refuses(ValueError, lambda: read_reviews(one), 'is_valid')

def reviews_with(tmp_path, labels, valid=False):
    pd.DataFrame(dict(text=[f'film {i}' for i in range(len(labels))], label=labels, is_valid=valid)).to_csv(tmp_path/'texts.csv.gz', index=False)
    return read_reviews(tmp_path)

@pytest.mark.parametrize('yes,no', [('pos', 'neg'), (1, 0), (1, -1), ('POSITIVE', 'Negative'), (True, False), (1., 0.)])
def test_labels_that_are_understood_are_said(tmp_path, yes, no):
    with pytest.warns(UserWarning, match='read as 1 for'): df = reviews_with(tmp_path, [yes, no, no])
    assert df.label.tolist() == [1, 0, 0]

@pytest.mark.parametrize('labels,words', [
    (['positive', 'mixed', 'negative'], "'mixed' in row 1"), (['positive', None], 'nan in row 1'), ([1, 5, 1], '5'), (['positive', 'pos', 'neg'], 'more than two')])
def test_other_labels_are_refused(tmp_path, labels, words): refuses(ValueError, lambda: reviews_with(tmp_path, labels), "'label'", words)

def test_is_valid_is_true_or_false(tmp_path):
    assert reviews_with(tmp_path, ['positive', 'negative'], [1, 0]).is_valid.tolist() == [True, False]
    refuses(ValueError, lambda: reviews_with(tmp_path, ['positive', 'negative'], ['train', 'test']), "'is_valid'", "'train' in row 0")

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
    assert capsys.readouterr().out == ''
    assert (split_texts(texts, y, .2, show=True)[1] == valid).all()
    assert 'Near duplicates: 120' in capsys.readouterr().out
    assert (split_texts(texts, y, .2, seed=1)[1][:9] != valid[:9]).any()

def test_alike_is_exact():
    r = random.Random(2)
    texts = [' '.join(r.choices('abcd', k=r.randint(1, 7))) for _ in range(150)]
    keys = [words(t) for t in texts]
    sets = [{*zip(['', *k], k)} for k in keys]
    group = [*range(150)]
    def top(i): return i if group[i] == i else top(group[i])
    for i in range(150):
        for j in range(i):
            if len(sets[i] & sets[j]) >= .7*len(sets[i] | sets[j]) or keys[i] == keys[j]: group[top(i)] = top(j)
    found = text_data._alike(texts)
    assert all((found[i] == found[j]) == (top(i) == top(j)) for i in range(150) for j in range(i))

def test_split_refuses():
    x, y = reviews(20)
    refuses(ValueError, lambda: split_texts(x, y, 10), 'valid_pct')
    refuses(ValueError, lambda: split_texts(x[:4], y[:4], .1), 'on each side')
    refuses(ValueError, lambda: split_texts(x, [1]*20), 'All labels are 1')
    same = ['the very same text']*9 + ['another one here']
    refuses(ValueError, lambda: split_texts(same, [0, 1]*5, .5), 'Near duplicates')
    train, valid = split_texts(['👍', '👎', '👍👍', '👎👎'], [1, 0, 1, 0], .5)   # only emoji
    assert len(train) == len(valid) == 2

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
        seen += [(tuple(i[m].tolist()), int(label)) for i, m, label in zip(ids, mask, yb)]
    assert sorted(seen) == sorted((tuple(tok.encode(x[i])), y[i]) for i in train)
    masks = torch.cat([m.flatten() for _, m, _ in dls.train])
    assert masks.float().mean() > .75   # sorted: little is padding

def test_dataloaders_bad_input(data):
    x, y, _, valid = data
    v = Vocab(x, min_freq=1)
    with pytest.warns(UserWarning, match='1 of 121 texts are longer than 50 tokens'):
        long = dataloaders_from_texts([*x, 'plot '*500], [*y, 'z'], v, [*valid, 120], max_len=50)
    assert long.vocab == ['0', '1', 'z'] and long.valid.one_batch()[0].shape[1] == 50
    aside = np.isin(np.arange(120), valid)
    assert len(dataloaders_from_texts(x, y, v, aside).valid_ds) == len(valid)   # a mask will do, too
    assert len(dataloaders_from_texts(x, y, v, None).train_ds) == 120   # all are to learn from
    for bad in ([], range(120), [500], [-1]):
        refuses(ValueError, lambda: dataloaders_from_texts(x, y, v, bad), 'valid_idx')
    refuses(ValueError, lambda: dataloaders_from_texts(x, [0]*120, v, valid), 'All labels are 0')
    refuses(ValueError, lambda: dataloaders_from_texts([None, *x[1:]], y, v, valid), 'None in row 0')
    for kw in (dict(bs=0), dict(max_len=.5)):
        refuses(ValueError, lambda: dataloaders_from_texts(x, y, v, valid, **kw), *kw)
    only = dataloaders_from_texts(['👍', '👎', 'мир', 'שלום'], [1, 0, 1, 0], Vocab(['x'], min_freq=1), [2, 3])
    assert (only.valid.one_batch()[0] == 0).all()   # all unknown

class Marked:
    "What we ask of a tokenizer of Hugging Face: a mark at both ends, and a number for padding."
    pad_token_id = 0
    def __call__(self, texts, **kw): return dict(input_ids=[[1, *range(10, 10+len(t.split())), 2] for t in texts])

def test_encode_texts_and_pad_batch():
    assert encode_texts(Marked(), ['a b c d', 'a'], 4) == ([[1, 10, 11, 2], [1, 10, 2]], 1)   # the last mark stays
    assert encode_texts(Marked(), ['a b c d']) == ([[1, 10, 11, 12, 13, 2]], 0) and encode_texts(Marked(), []) == ([], 0)
    v = Vocab(['a b c d'], min_freq=1)
    assert encode_texts(v, ['a b c d', 'a'], 3) == ([[3, 4, 5], [3]], 1)
    x, mask = pad_batch([[5, 6, 7], [], [8]], 1)
    assert x.tolist() == [[5, 6, 7], [1, 1, 1], [8, 1, 1]] and mask.sum(1).tolist() == [3, 1, 1]

# What the lesson builds

def test_log_ratios_are_naive_bayes(data):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    x, y, train, valid = data
    X, y = CountVectorizer(binary=True).fit_transform(x), np.array(y)
    train = train[3:]   # not as much praise as blame
    ratio, bias = log_ratios(X[train], y[train])
    theirs = MultinomialNB().fit(X[train], y[train])
    odds = theirs.predict_log_proba(X[valid]) @ [-1, 1]
    assert np.allclose(X[valid] @ ratio + bias, odds)

def test_average_leaves_out_padding():
    torch.manual_seed(0)
    x, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]).bool()
    assert torch.allclose(average(x, mask), torch.stack([x[0, :2].mean(0), x[1].mean(0)]))

def test_counting_on_rotten_tomatoes(shared):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    df = read_reviews(shared/'data'/'sentiment')
    assert len(df) == 10662 and df.label.mean() == .5
    train, valid = split_texts(df.text, df.label)
    assert len(valid) == 1066
    count = CountVectorizer(tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2, binary=True)
    x = count.fit_transform(df.text[train])
    acc = MultinomialNB().fit(x, df.label[train]).score(count.transform(df.text[valid]), df.label[valid])
    assert acc >= .775
