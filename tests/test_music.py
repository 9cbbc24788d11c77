"ABC is read sign by sign; what cannot be read is said with its line; bars, keys and repeats are judged; a tune sounds."
import re, warnings

import numpy as np, pytest

from fastlessons.music import (bar_length, judge_tune, judge_tunes, key_signature, note_length, note_pitch, parse_abc, plot_tune, read_abc, split_tune,
                               tune_sound, write_abc)
from fastlessons.samples.tunes import floors, make_tunes

def refuses(kind, word=None): return pytest.raises(kind, match=word and re.escape(word))

HEAD = 'X:1\nT:a\nM:4/4\nL:1/8\nK:D\n'

def read(body, head=HEAD): return ' '.join(parse_abc(head + body)[0])

@pytest.mark.parametrize('body, tokens', [
    ('fed A|', 'M:4/4 K:D |: ^f e d A :| |]'),
    ('=f f|f', 'M:4/4 K:D |: f f | ^f :| |]'),               # a sign holds up to the bar line
    ('^g2 g, z3/2', 'M:4/4 K:D |: ^g2 g, z3/2 :| |]'),
    ('"D7"a>b c<d', 'M:4/4 K:D |: a3/2 b/2 ^c/2 d3/2 :| |]'),
    ('(3abc d/ e// f3/4', 'M:4/4 K:D |: a2/3 b2/3 ^c2/3 d/2 e/4 ^f3/4 :| |]'),
    ('[DFA]2 {gfe}A~B.c !trill!d-|d (ef)', 'M:4/4 K:D |: D2 A B ^c d | d e ^f :| |]'),
    ('|:a|1b:|2c||d|]', 'M:4/4 K:D |: a | b :| |: d :| |]'),  # the second ending is left out
    ('|:a:||:b:|', 'M:4/4 K:D |: a :| |: b :| |]'), ('a::b', 'M:4/4 K:D |: a :| |: b :| |]'),
    ('a|\nP:B\nb|', 'M:4/4 K:D |: a :| |: b :| |]'),
    ('a ||\nK:G\nc', 'M:4/4 K:D |: a :| K:G |: c :| |]'),
    ('a [M:3/4] b', 'M:3/4 K:D |: a b :| |]'),
    ('a % a remark\n% another\nb', 'M:4/4 K:D |: a b :| |]')])
def test_what_is_read(body, tokens): assert read(body) == tokens

@pytest.mark.parametrize('body, word', [('a & b', 'line 6'), ('a\nb ]', 'line 7'), ('[abc', 'line 6'), ('a0', 'length of 0'), ('a/0', 'length of 0'),
                                        ('"D a', 'no ABC'), ('>a', 'no note before'), ('K:H\na', "'H'"), ('M:x\na', "'x'"), ('L:0/1\na', 'line'), ('(1a', 'group')])
def test_damaged_tunes_are_refused_with_their_line(body, word):
    with refuses(ValueError, word) as said: parse_abc(HEAD + body)
    assert '..' not in str(said.value)

@pytest.mark.parametrize('text', ['', 'a b c', 'X:1\nK:D\n', 'X:1\nT:no key\n', '\n\n'])
def test_no_tune_is_said(text):
    with refuses(ValueError, 'no tune'): parse_abc(text)

def test_notes_before_the_key_are_refused():
    with refuses(ValueError, 'before the key'): parse_abc('X:1\nM:4/4\nabc\nK:D\nd')

def test_files_of_any_kind(tmp_path):
    "A BOM, CRLF, Latin-1, and a folder; a bad tune is left out if one asks for it, with a warning."
    for name, data in (('bom.abc', b'\xef\xbb\xbf' + (HEAD + 'ab').encode()), ('crlf.abc', (HEAD + 'ab').replace('\n', '\r\n').encode()),
                       ('latin.abc', (HEAD.replace('T:a', 'T:Fran\xe7ois') + 'ab').encode('latin-1'))):
        (tmp_path/name).write_bytes(data)
        assert read_abc(tmp_path/name) == [['M:4/4', 'K:D', '|:', 'a', 'b', ':|', '|]']]
    assert len(read_abc(tmp_path)) == 3
    (tmp_path/'bad.abc').write_text(HEAD + 'a & b\n\n' + HEAD + 'ab')
    with refuses(ValueError, 'bad.abc, line 6'): read_abc(tmp_path)
    with pytest.warns(UserWarning, match='bad.abc, line 6'): assert len(read_abc(tmp_path, skip=True)) == 4
    with refuses(FileNotFoundError, 'no file'): read_abc(tmp_path/'none.abc')
    (tmp_path/'empty').mkdir()
    with refuses(FileNotFoundError, 'no .abc file'): read_abc(tmp_path/'empty')

def test_tunes_come_back_as_they_were():
    tunes = [t for t, _, _ in make_tunes(50)]
    assert [parse_abc(write_abc(t))[0] for t in tunes] == tunes
    assert parse_abc('\n'.join(write_abc(t, number=k) for k, t in enumerate(tunes))) == tunes

def test_notes():
    assert [note_pitch(t) for t in ("C", "c'2", '_B,', '^^F')] == [60, 84, 58, 67] and note_pitch('z2') is None and note_pitch('|') is None
    assert note_length('^f3/2') == 1.5 and note_length('/2') == 0 and note_length('M:6/8') == 0
    assert key_signature('Bb') == dict(B='_', E='_') and key_signature('A dor') == dict(F='^') and key_signature('C') == key_signature('none') == {}
    assert parse_abc('X:1\nM:4/4\nL:1/8\nK:none\nfc')[0][-4:-2] == ['f', 'c']
    assert bar_length('C|') == 8 and bar_length('9/8') == 9
    for bad in ('', '6', '6/0', 'x'):
        with refuses(ValueError, 'metre'): bar_length(bad)

def test_the_judge():
    part = '|: ^f e d A3 | d6 | e6 | A6 | ^f e d A3 | d6 | e6 | d6 :|'
    good = f'M:6/8 K:D {part} |]'.split()
    assert judge_tunes([good]) == dict(bars=1, key=1, repeats=1) and len(split_tune(good)[0][2]) == 8
    upbeat = f'M:6/8 K:D {part.replace("|: ", "|: A | ").replace("d6 :|", "d5 :|")} |]'.split()
    assert judge_tune(upbeat)['bars'] == [True]*8 and judge_tunes([upbeat])['repeats'] == 1
    wrong = ' '.join(good).replace('e6 | A6', 'e5 | G6').replace('d6 | e6 | d6', 'c6 | e6 | d6').split()
    found = judge_tune(wrong)
    assert found['bars'].count(False) == 1 and found['key'].count(False) == 1 and found['repeats'] == [False]
    assert judge_tune(['|:', 'a', ':|', '|]']) == dict(bars=[False], key=[False], repeats=[])
    assert np.isnan(judge_tunes([])['bars']) and judge_tune([])['bars'] == []
    for line in ('K:Q M:7 |: a | b :|', 'M:4/4 |: a8 | b :|', 'K:C |: a8 | b :|'): assert judge_tune(line.split())['bars'] == [False]*2   # one is unknown, or not there
    with refuses(TypeError): judge_tunes('a tune')

def test_the_grammar_keeps_its_rules_and_knows_its_floor():
    told = make_tunes(200)
    assert judge_tunes([t for t, _, _ in told]) == dict(bars=1, key=1, repeats=1)
    low, high = floors(told)
    assert 2.9 < low < 3.3 and 4.4 < high < 5.1
    assert make_tunes(5) == told[:5] and make_tunes(5, seed=1) != told[:5]
    with refuses(ValueError): make_tunes(0)

def test_sound_and_picture():
    tune = make_tunes(1)[0][0]
    sound = tune_sound(tune)
    assert sound.dtype == np.float32 and np.isfinite(sound).all() and np.abs(sound).max() == pytest.approx(1)
    one = tune_sound(['A8'], speed=480)   # 440 times a second
    assert abs(np.fft.rfft(one[:4000]).__abs__().argmax()*2 - 440) <= 2
    assert len(tune_sound(['A', 'z', 'A'], speed=60, rate=1000)) == 3500
    for bad in ([], ['|'], ['z4']):
        with refuses(ValueError, 'no note'): tune_sound(bad)
    with refuses(ValueError): tune_sound(['A'], speed=0)
    assert len(plot_tune(tune).patches) > 20
    with refuses(ValueError, 'part 9'): plot_tune(tune, 9)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        plot_tune(tune, None).figure.canvas.draw()
