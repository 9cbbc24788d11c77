"What is no list of texts: tables, gaps, files, paths, numbers; the same answer from all that takes texts."
import subprocess, sys
from pathlib import Path

import numpy as np, pandas as pd, pytest

from conftest import refuses
from fastlessons.text.clean import check_text, check_texts, clean_texts, only_texts, read_paragraphs
from fastlessons.text.tokens import BPE, Vocab, words

TEXTS = ['a fine film', 'a dull film']
FRAME = pd.DataFrame(dict(said=TEXTS, stars=[5, 1]), ['p', 'q'])
TAKE = dict(check_texts=check_texts, clean_texts=clean_texts, only_texts=only_texts, Vocab=lambda t: Vocab(t, min_freq=1), BPE=lambda t: BPE.train(t, 260))

@pytest.mark.parametrize('take', TAKE.values(), ids=TAKE)
def test_what_is_no_list_of_texts(take, tmp_path):
    (tmp_path/'a.txt').write_text('a film\n')
    for gap in (None, float('nan'), pd.NA, pd.NaT): refuses(ValueError, lambda: take([*TEXTS, gap]), 'no text', 'row 2')
    for bad in (7, 2.5, {'a': 1}): refuses(ValueError, lambda: take([*TEXTS, bad]), 'should hold', 'row 2')
    refuses(ValueError, lambda: take(FRAME), "df['said']")
    refuses(ValueError, lambda: take([b'\xff']), 'UTF-8')
    for bad in (7, None, dict(a='b'), {'a film'}, tmp_path/'a.txt', np.array([TEXTS]), np.array('a')):
        refuses(TypeError, lambda: take(bad), 'Expected')
    with open(tmp_path/'a.txt') as f: refuses(TypeError, lambda: take(f), 'Expected')

@pytest.mark.parametrize('take', TAKE.values(), ids=TAKE)
def test_what_is_one(take):
    def same(a, b): return a.itos == b.itos if hasattr(a, 'itos') else a == b
    want = take(TEXTS)
    for texts in (FRAME.said, FRAME[['said']], FRAME.said.to_numpy(), np.array(TEXTS), tuple(TEXTS), (t for t in TEXTS), FRAME.said[::-1][::-1],
                  FRAME.said.astype('category'), pd.Index(TEXTS), [t.encode() for t in TEXTS] if take is not TAKE['Vocab'] else TEXTS):
        assert same(take(texts), want)

def test_one_text():
    assert words(b'a Film') == words('a Film') == ['a', 'film'] and check_text('') == ''
    v, b = Vocab(TEXTS, min_freq=1), BPE.train(TEXTS, 260)
    for bad in (None, float('nan'), 7, b'\xff', Path('a')):
        for f in (words, v.encode, v.tokens, b.encode, b.pieces, b.tokens): refuses(TypeError, lambda: f(bad), 'one text')
    assert v.encode(['film', 'film']) == v.encode('film film') == v.encode(np.array(['film', 'film']))
    assert Vocab([['x', 'y'], 'z'], min_freq=1).itos[3:] == ['x', 'y', 'z']   # tokens are taken as they are
    refuses(ValueError, lambda: Vocab([['x', None]]), 'A token is a str')
    odd = ['a\r\nb', '\r', '']
    assert b.decode(b.encode(odd[0])) == odd[0] and only_texts(odd, empty=True) == odd   # nothing is changed

def test_labels():
    assert clean_texts((t for t in TEXTS), (i for i in (1, 0)))[1].tolist() == [1, 0]
    assert clean_texts(FRAME.said, FRAME[['stars']])[1].tolist() == [5, 1]
    refuses(TypeError, lambda: clean_texts(TEXTS, 'ab'), 'labels')
    refuses(ValueError, lambda: clean_texts(TEXTS, FRAME.assign(label=[1, None]).label), "'label'", "row 'q'")

def test_words_need_no_torch():
    code = "import sys; from fastlessons.text.tokens import words; assert words('a b') == ['a', 'b'] and not {'torch', 'fastai'} & {*sys.modules}"
    subprocess.run([sys.executable, '-c', code], check=True)

def put(folder, **files):
    for name, data in files.items(): (folder/f'{name}.txt').write_bytes(data)
    return folder

def test_paragraphs_of_files(tmp_path):
    put(tmp_path, b='\ufeffOne\r\nline.\r\n\r\nTwo.\r\n'.encode(), a=b'Ann: hi\nBen: yes \n', c=b' \n')
    (tmp_path/'notes.md').write_text('not this one')
    assert read_paragraphs(tmp_path) == ['Ann: hi', 'Ben: yes', 'One line.', 'Two.']
    assert read_paragraphs(tmp_path/'notes.md') == ['not this one']   # a file may have any name
    assert read_paragraphs(str(tmp_path/'b.txt')) == ['One line.', 'Two.']

def test_files_that_are_no_text(tmp_path):
    refuses(FileNotFoundError, lambda: read_paragraphs(tmp_path), 'There is no text')
    refuses(FileNotFoundError, lambda: read_paragraphs(tmp_path/'x.txt'), 'There is no text')
    refuses(ValueError, lambda: read_paragraphs(put(tmp_path, a=b' \n \n')), 'holds no words')
    for data, encoding in (('Straße'.encode('cp1252'), 'cp1252'), ('Straße'.encode('utf-16'), 'utf-16')):
        put(tmp_path, a=data)
        refuses(ValueError, lambda: read_paragraphs(tmp_path), 'is not written in utf-8:', "encoding='cp1252'", 'utf-16')
        assert read_paragraphs(tmp_path, encoding) == ['Straße']
    refuses(LookupError, lambda: read_paragraphs(tmp_path, 'utf-99'), 'utf-99')
