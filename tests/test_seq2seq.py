"From sentence to sentence: the grammar and its judge, pairs, batches, networks, and the Translator."
import re, warnings

import numpy as np, pandas as pd, pytest, torch
from sklearn.exceptions import NotFittedError
from torch.nn import functional as F

from conftest import refuses
from fastlessons.samples.grammar import alignment, judge_translation, make_pairs, translate_back, translate_right
from fastlessons.text.pairs import Words, bleu, check_pairs, cut, describe_pairs, join, pad_rows, read_pairs, split_pairs
from fastlessons.text.seq2seq import PairBatches, Seq2Seq, Transformer, Translator, attention, count_dictionary

# The grammar

@pytest.fixture(scope='module')
def made(): return make_pairs(120, 3)

def test_pairs_are_seeded_and_different(made):
    assert make_pairs(120, 3) == made != make_pairs(120, 4)
    assert len(set(made[0])) == 120 and all(s.endswith((' .', ' ?')) for side in made for s in side)
    for bad in (0, -1, 2.5, '3'): refuses((TypeError, ValueError), lambda: make_pairs(bad), 'n is')
    refuses(ValueError, lambda: make_pairs(3, language='german'), 'german')

def test_one_right_translation_and_one_way_back(made):
    for en, fr in zip(*made):
        assert translate_right(en) == fr and translate_back(fr) == [en] and judge_translation(en, fr) == ''
        assert judge_translation(en, fr.upper()) == ''

@pytest.mark.parametrize('en,fr', [
    ('she eats an apple .', 'elle mange une pomme .'), ('i help the old bird .', "j'aide le vieil oiseau ."),
    ('does this uncle sleep near the park ?', 'est-ce que cet oncle dort près du parc ?'),
    ('we do not buy an egg .', "nous n'achetons pas d'œuf ."), ('he did not wait near the hotel .', "il n'a pas attendu près de l'hôtel ."),
    ('the black cat that i see laughs .', 'le chat noir que je vois rit .'), ('my aunt works because they sleep .', "ma tante travaille parce qu'ils dorment ."),
    ("three old students help the old bird .", "trois vieux étudiants aident le vieil oiseau ."), ('these new cars are expensive .', 'ces nouvelles voitures sont chères .'), ('a mouse that eats two cakes will dance .', 'une souris qui mange deux gâteaux va danser .')])
def test_french_as_a_teacher_wants_it(en, fr): assert translate_right(en) == fr

def test_what_changes_before_a_vowel_is_told_apart_by_language():
    "English *a* is *an* before the sound of a vowel only; French *a* is a verb, and stays."
    assert translate_right('a young horse sees a heavy hat .') == 'un jeune cheval voit un chapeau lourd .'
    assert translate_right('he heard an old uncle .') == 'il a entendu un vieil oncle .' and judge_translation('he heard my aunt .', 'il an entendu ma tante .')
    sides = [' '.join(side) for side in make_pairs(2000, 1)]
    assert {m[3] for m in re.findall(r'\ban [a-z]', sides[0])} <= {*'aeiou'} and not re.search(r'\ba [aeiou]', sides[0])
    assert ' an ' not in sides[1] and re.search(r' a [aeé]', sides[1])

@pytest.mark.parametrize('said,says', [
    ('le petite chat noir dort .', "word 2: 'petite' instead of 'petit'"), ('le petit noir chat dort .', "word 3: 'noir' instead of 'chat'"),
    ('le petit chat noir dort', "ends before '.'"), ('le petit chat noir dort . .', 'too much'), ('', "ends before 'le'")])
def test_the_judge_says_what_is_wrong(said, says): assert says in judge_translation('the small black cat sleeps .', said)

def test_what_the_grammar_cannot_read():
    for bad in ('', 'cat', 'the cat sleeps', 'the cats sleeps .', 'a apple is red .', 'le chat dort .'):
        refuses(ValueError, lambda: judge_translation(bad, 'x'), 'no sentence')
    for bad in (None, 3, ['the cat sleeps .']): refuses(TypeError, lambda: judge_translation(bad, 'x'), 'Expected')
    assert translate_back('le chat manger .') == [] and translate_back('') == []

def test_alignment():
    words, others, links = alignment('the black cat does not sleep .')
    assert words == 'the black cat does not sleep .'.split() and others == 'le chat noir ne dort pas .'.split()
    assert links.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1]]

def test_the_verb_comes_last_in_japanese():
    assert translate_right('the cat that i see eats an apple .', 'japanese') == 'watashi ga miru neko wa ringo o tabemasu .'
    assert translate_right('she sleeps because he sings .', 'japanese') == 'kare wa utaimasu kara kanojo wa nemurimasu .'
    for en, ja in zip(*make_pairs(60, 5, 'japanese')): assert judge_translation(en, ja, 'japanese') == '' and en in translate_back(ja, 'japanese')

# Tokens and pairs

def test_cut_and_join():
    assert cut("J’aide l'oiseau!") == ['j’', 'aide', "l'", 'oiseau', '!'] and join(cut("qu'il n'a pas d'œuf .")) == "qu'il n'a pas d'œuf ."
    assert cut('!?') == ['!', '?'] and cut('') == [] and cut('猫 neko кот 3.5') == ['猫', 'neko', 'кот', '3', '.', '5']

def test_words():
    words = Words(['a cat', 'a dog'], min_freq=1)
    assert words.itos[:4] == ['<unk>', '<pad>', '<start>', '<end>'] and words.encode('a bird') == [4, 0]
    assert words.encode(['<end>', '<pad>', 'cat']) == [0, 0, words.stoi['cat']]   # nobody can stop it from outside

def test_bad_pairs_are_refused():
    refuses(ValueError, lambda: check_pairs(['a', 'b'], ['c']), '2 sources and 1 targets')
    refuses(ValueError, lambda: check_pairs([], []), 'no pairs')
    refuses(ValueError, lambda: check_pairs(['a', ' '], ['b', 'c']), 'sources', 'row 1')
    refuses(ValueError, lambda: check_pairs(['a'], ['']), 'targets')
    refuses(ValueError, lambda: check_pairs(pd.Series(['a', None], [7, 9]), ['b', 'c']), 'row 9')
    for bad in ('ab', None, 3, {'a': 1}, {'a'}): refuses(TypeError, lambda: check_pairs(bad, ['a', 'b']), 'sources')
    refuses((TypeError, ValueError), lambda: check_pairs(['a', 3], ['b', 'c']), 'row 1')

def test_describe_and_split():
    pairs = pd.DataFrame([('go', 'va'), ('go', 'va'), ('go', 'allez'), ('paris', 'paris'), ('run', 'cours vite')], columns=['source', 'target'])
    assert describe_pairs(pairs.source, pairs.target).tolist() == [5, 1, 1, 1, 1, 2]
    learn, test = split_pairs(pairs, 2, seed=1)
    assert not set(learn.source) & set(test.source) and len(learn) + len(test) == 5 and test.source.nunique() == 2
    for bad in (0, 3, 4): refuses(ValueError, lambda: split_pairs(pairs, bad), 'n_test')

def test_read_pairs(tmp_path):
    file = tmp_path/'a.txt'
    file.write_text('Go.\tVa !\tCC-BY\r\n\nHi.\tSalut.\n', encoding='utf-8')
    assert read_pairs(file).values.tolist() == [['Go.', 'Va !'], ['Hi.', 'Salut.']]
    file.write_text('Go.\tVa !\nHi.\nHo.\t\n')
    refuses(ValueError, lambda: read_pairs(file), 'Hi.', '1')
    refuses(FileNotFoundError, lambda: read_pairs(tmp_path/'none.txt'), 'none.txt')

def test_count_dictionary():
    en, fr = ['the cat', 'the dog', 'a cat', 'a dog', 'the house'], ['le chat', 'le chien', 'un chat', 'un chien', 'le logis']
    assert count_dictionary(en, fr) == {'the': 'le', 'cat': 'chat', 'dog': 'chien', 'a': 'un', 'house': 'logis'}

def test_bleu(monkeypatch):
    pytest.importorskip('sacrebleu')
    assert bleu(['a b c d e'], ['a b c d e']).score == pytest.approx(100) and bleu(['x y z u v'], ['a b c d e']).score < 5
    assert bleu(['a b c d', 'e f g h'], [['a b c d', 'x'], ['e f g h']]).score == pytest.approx(100)
    assert 'nrefs' in bleu(['a'], ['a'], 'CHRF').signature
    refuses(ValueError, lambda: bleu(['a'], ['a', 'b']), '1 said and 2 right')
    refuses(ValueError, lambda: bleu(['a'], ['a'], 'ROUGE'), 'ROUGE')
    monkeypatch.setitem(__import__('sys').modules, 'sacrebleu', None)
    refuses(ModuleNotFoundError, lambda: bleu(['a'], ['a']), 'fastlessons[bleu]')

# Networks

def test_attention_as_pytorch():
    q, k, v = torch.randn(3, 2, 4, 8), torch.randn(3, 2, 5, 8), torch.randn(3, 2, 5, 6)
    may = torch.rand(4, 5) < .6
    may[:, 0] = True
    for mask in (None, may):
        found, shares = attention(q, k, v, mask)
        assert torch.allclose(found, F.scaled_dot_product_attention(q, k, v, mask), atol=1e-6)
        assert torch.allclose(shares.sum(-1), torch.ones(3, 2, 4))
    assert (attention(q, k, v, may)[1][:, :, ~may] == 0).all()

NETS = {'both': lambda: Seq2Seq(20, 30, 8, 12), 'forward': lambda: Seq2Seq(20, 30, 8, 12, 'forward'), 'backward': lambda: Seq2Seq(20, 30, 8, 12, 'backward', False),
        'transformer': lambda: Transformer(20, 30, 8, 2)}

@pytest.fixture(params=NETS)
def net(request): return NETS[request.param]().eval()

def test_padding_changes_no_answer(net):
    rows, y = [[5, 6, 7], [8, 9, 10, 11, 12], [4]], torch.randint(4, 30, (1, 6))
    padded = net(pad_rows(rows, 9), y.expand(3, -1))
    for row, scores in zip(rows, padded): assert torch.allclose(net(torch.tensor([row]), y)[0], scores, atol=1e-5)

def test_no_place_sees_a_later_word(net):
    x, y = torch.randint(4, 20, (2, 5)), torch.randint(4, 30, (2, 7))
    before = net(x, y)
    for k in range(1, 7):
        changed = torch.cat([y[:, :k], (y[:, k:] + 1) % 30], 1)
        assert torch.allclose(net(x, changed)[:, :k], before[:, :k], atol=1e-5)

def test_word_by_word_as_all_at_once(net):
    x, y = torch.randint(4, 20, (2, 5)), torch.randint(4, 30, (2, 7))
    seen, memory, scores = net.encode(x), None, []
    for k in range(7):
        new, memory, _ = net.decode(y[:, k:k+1], seen, memory)
        scores.append(new)
    assert torch.allclose(torch.cat(scores, 1), net(x, y), atol=1e-5)

def test_blame_reaches_the_first_word(net):
    net(torch.tensor([[4, 5, 6, 7]]), torch.randint(4, 30, (1, 4)))[0, -1].sum().backward()
    table = net.words[0] if isinstance(net, Transformer) else net.encoder.emb
    assert (table.weight.grad[4:8].abs().sum(1) > 0).all()

def test_a_transformer_says_where_its_places_end():
    small = Transformer(20, 30, d=8, heads=2, layers=1, longest=5).eval()
    long, short = torch.randint(4, 20, (1, 8)), torch.randint(4, 20, (1, 5))
    with pytest.warns(UserWarning, match='5 places'): small(long, short)
    with pytest.warns(UserWarning, match='5 places'): small(short, long)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        small(short, short)

def test_batches():
    x, y = [[5]*k for k in range(1, 31)], [[6]*k for k in range(1, 31)]
    torch.manual_seed(0)
    batches = PairBatches(x, y, 8)
    assert len(batches) == 4 == len(list(batches))
    seen = []
    for xb, before, after in batches:
        assert (before[:, 0] == 2).all() and ((after == 3).sum(1) == 1).all() and (before[:, 1:] == after[:, :-1])[after[:, :-1] != 3].all()
        seen += (xb == 5).sum(1).tolist()
        assert xb.shape[1] - (xb == 5).sum(1).min() < 10   # of about one length
    assert sorted(seen) == list(range(1, 31))
    assert all(xb.shape[1] == 40 for xb, *_ in PairBatches(x, y, 8, length=40))
    for bad in (0, -1, 2.5): refuses((TypeError, ValueError), lambda: PairBatches(x, y, bad), 'bs')

# The Translator

EN = [f'{a} {b} {c}' for a in ('the', 'a') for b in ('red', 'old') for c in ('cat', 'dog', 'car', 'hat', 'bag')]
FR = [f'{dict(the="le", a="un")[a]} {dict(cat="chat", dog="chien", car="char", hat="bonnet", bag="sac")[c]} {dict(red="rouge", old="vieux")[b]}' for a, b, c in map(str.split, EN)]

@pytest.fixture(scope='module')
def translator(): return Translator(n_emb=16, n_hidden=24, drop=0).fit(EN, FR, epochs=60, lr=1e-2, bs=10)

def test_it_learns_and_answers_in_the_container_it_was_asked_in(translator):
    assert translator.score(EN, FR) == 1 and translator.translate(EN[3]) == FR[3] and translator.translate(EN) == FR
    series = translator.translate(pd.Series(EN[:3], [7, 8, 9]))
    assert series.index.tolist() == [7, 8, 9] and series.tolist() == FR[:3]
    assert isinstance(translator.translate(np.array(EN[:2])), np.ndarray) and translator.translate([]) == []
    assert translator.translate(EN[:4], beam=3) == FR[:4] and translator.translate(EN[0].upper()) == FR[0]
    assert translator.log_['train'][-1] < .5 and translator.nats(EN, FR).max() < .5 < translator.nats(EN, FR[::-1]).mean()

def test_attention_of_a_sentence(translator):
    shares = translator.attention('the red cat')
    assert list(shares.columns) == ['the', 'red', 'cat'] and list(shares.index) == ['le', 'chat', 'rouge', '<end>']
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5) and translator.attention('the red cat', 'un chat').shape == (3, 3)
    blind = Translator(attends=False, n_emb=4, n_hidden=4).fit(EN, FR, epochs=1)
    refuses(ValueError, lambda: blind.attention('the red cat'), 'no attention')

def test_saved_without_pickle(translator, tmp_path):
    file = translator.save(tmp_path/'mine.safetensors')
    other = Translator.load(file)
    assert other.translate(EN) == FR and np.allclose(other.nats(EN, FR), translator.nats(EN, FR), atol=1e-6) and other.settings == translator.settings
    small = Translator('transformer', d=8, heads=2, layers=1).fit(EN, FR, epochs=1)
    assert Translator.load(small.save(tmp_path/'t.safetensors')).translate(EN[:3]) == small.translate(EN[:3])
    file.write_bytes(file.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 7'))
    refuses(ValueError, lambda: Translator.load(file), 'format')
    file.write_bytes(file.read_bytes()[:300])
    refuses(ValueError, lambda: Translator.load(file), 'damaged')
    refuses(FileNotFoundError, lambda: Translator.load(tmp_path/'none'), 'none')
    refuses(NotFittedError, lambda: Translator().save(tmp_path/'new'), 'fit')

class Stop:
    def after_epoch(self, run):
        if run.epoch == 2: raise KeyboardInterrupt

class Nothing:
    def after_epoch(self, run): pass

def test_training_goes_on_where_it_was_stopped(tmp_path):
    def new(): return Translator(n_emb=8, n_hidden=8, seed=4)
    whole = new().fit(EN, FR, epochs=4, bs=6)
    with pytest.raises(KeyboardInterrupt): new().fit(EN, FR, epochs=4, bs=6, resume=tmp_path/'run', cbs=[Stop()])
    half = new().fit(EN, FR, epochs=4, bs=6, resume=tmp_path/'run')
    assert half.log_ == whole.log_ and not (tmp_path/'run').exists()
    assert all(torch.equal(a, b) for a, b in zip(whole.net.parameters(), half.net.parameters()))

def test_seeds_and_the_dice_of_others():
    before = torch.get_rng_state()
    a, b, c = (Translator(n_emb=8, n_hidden=8, seed=s).fit(EN, FR, epochs=1) for s in (1, 1, 2))
    assert a.log_ == b.log_ != c.log_ and torch.equal(before, torch.get_rng_state())
    assert len(Translator(n_emb=8, n_hidden=8).fit(EN, FR, epochs=2, valid=(EN[:4], FR[:4])).log_['valid']) == 2

def test_what_it_has_never_seen_is_said(translator):
    with pytest.warns(UserWarning, match="word 'zebra' was"): assert isinstance(translator.translate('the red zebra'), str)
    with pytest.warns(UserWarning, match='never learned'): translator.translate(['!!!', '猫 кот'])
    with pytest.warns(UserWarning, match='40 tokens'): said = translator.translate('the '*40)
    assert len(said.split()) <= 90
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        translator.translate(EN)

def test_an_unknown_word_is_copied():
    "Names that are seen once are unknown on both sides; the network says <unk>, and attention finds the word."
    names = [f'name{k}' for k in range(60)]
    en, fr = [f'i see {n} today' for n in names], [f"aujourd'hui je vois {n}" for n in names]
    model = Translator(n_emb=16, n_hidden=24, min_freq=2, drop=0).fit(en, fr, epochs=30, lr=1e-2, bs=10)
    with pytest.warns(UserWarning, match='zorro'): assert model.translate('i see zorro today') == "aujourd'hui je vois zorro"

def test_bad_input_is_refused(translator):
    refuses(ValueError, lambda: translator.translate(['a cat', ' ']), 'row 1')
    refuses(ValueError, lambda: translator.translate(''), 'empty')
    for bad in (None, 3, ['a', 3], {'a': 1}): refuses((TypeError, ValueError), lambda: translator.translate(bad), 'text')
    for bad in (0, -1, 1.5, '2'): refuses((TypeError, ValueError), lambda: translator.translate('a cat', bad), 'beam')
    refuses(ValueError, lambda: translator.score(EN, FR[:3]), '20 sources and 3 targets')
    refuses(ValueError, lambda: translator.nats(EN, FR[:3]), '20 sources and 3 targets')
    assert translator.nats(EN[:1], [''])[0] > translator.nats(EN[:1], FR[:1])[0]   # a model may say nothing
    refuses(NotFittedError, lambda: Translator().translate('a'), 'fit(sources, targets)')
    refuses(ValueError, lambda: Translator('gru'), 'gru')
    refuses(ValueError, lambda: Translator(reads='sideways'), 'sideways')
    refuses(ValueError, lambda: Translator('transformer', d=10, heads=4), 'multiple of heads')
    refuses(TypeError, lambda: Translator(hidden=3), 'hidden')
    for how in (dict(drop=1.), dict(n_emb=0), dict(n_hidden=2.5), dict(seed=-1), dict(min_freq=0)): refuses((TypeError, ValueError), lambda: Translator(**how), next(iter(how)))
    for how in (dict(epochs=0), dict(lr=0), dict(bs=0), dict(valid=(['a'], []))): refuses((TypeError, ValueError), lambda: Translator().fit(EN, FR, **how))

def test_repeated_contradictory_and_equal_pairs_are_learned_as_they_are():
    model = Translator(n_emb=8, n_hidden=16).fit(['go', 'go', 'go', 'paris'], ['va', 'va', 'allez', 'paris'], epochs=60, bs=4)
    assert model.translate(['go', 'paris']) == ['va', 'paris']   # the more frequent one
