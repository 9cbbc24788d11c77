"Scenes whose entropy is known, and the checker that says whether a scene makes sense."
import math

import numpy as np, pytest

from conftest import refuses
from fastlessons.samples import plays
from fastlessons.samples.plays import floor_of, judge_scenes, split_scenes, write_plays, write_sample, write_walk

@pytest.fixture(scope='module')
def text(): return write_plays(500)

def test_the_same_seed_writes_the_same(text):
    assert write_plays(500) == text != write_plays(500, seed=1) and write_plays(20) == text[:len(write_plays(20))]

def test_its_own_scenes_are_right(text):
    assert judge_scenes(text) == ['']*500 and len(set(split_scenes(text))) > 450

def test_the_floor_is_the_entropy():
    "The chances of all scenes add up to 1, none is made in two ways, and the mean of many is the entropy."
    scenes = plays._all_scenes()
    nats = np.array([plays._read(scene)[0] for scene in scenes])
    chances = np.exp(-nats)
    assert math.isclose(chances.sum(), 1, abs_tol=1e-9) and len(set(scenes)) == len(scenes)
    entropy, length = (chances*nats).sum(), (chances*[len(s) + 2 for s in scenes]).sum()
    assert floor_of(write_plays(3000)) == pytest.approx(entropy/length, rel=.01)

def test_counted_by_hand():
    scene = 'Anna: Ben, my hat!\nBen: Anna, look in bed!\nAnna: My hat!\n\n'
    dice = [3, 4, 3, 4, 3, 4, 3]   # pattern, two names, thing, pattern, place, pattern
    assert judge_scenes(scene) == [''] and floor_of(scene) == pytest.approx(sum(map(math.log, dice))/len(scene))

SCENE = 'Anna: Ben, my boots?\nBen: Anna, your boots are outside.\nAnna: Outside?\n\n'

@pytest.mark.parametrize('old,new,word', [
    ('Ben', 'Anna', 'talks to'), ('Anna', 'Bob', 'question'), ('Ben: A', 'Cleo: A', "'Cleo' instead of 'Ben'"),
    ('Ben: Anna', 'Ben: Dan', "'Dan' instead of 'Anna'"), ('Anna: Out', 'Ben: Out', "'Ben' instead of 'Anna'"),
    ('your boots are', 'it is', "'it is' instead of 'they are'"), ('your boots', 'your cards', "'cards' instead of 'boots'"), ('boots are', 'boots is', "'is' instead of 'are'"),
    ('Outside', 'outside', 'thanks'), ('Outside', 'Upstairs', "'Upstairs' instead of 'Outside'"), ('Outside?', 'Thanks, Dan!', "'Dan' instead of 'Ben'"),
    ('Outside?', 'My hat!', "'hat' instead of 'boots'"), ('my', 'ym', 'question'), ('\nAnna: Outside?', '', '2 lines'),
    ('Outside?', 'Outside?\nAnna: Outside?', '4 lines'), (SCENE, '\n\n', 'question'), ('outside.', 'outside. ', 'answer')])
def test_what_does_not_fit_is_found(old, new, word):
    assert judge_scenes(SCENE) == ['']
    fault, = judge_scenes(SCENE.replace(old, new, 1))
    assert word in fault
    refuses(ValueError, lambda: floor_of(SCENE.replace(old, new, 1)), '1 of 1 scenes')

def test_scenes_as_a_model_writes_them(text):
    assert judge_scenes('') == judge_scenes('no end') == [] and judge_scenes(text[:500]) == ['']*text[:500].count('\n\n')
    assert judge_scenes('\ufeff' + SCENE.replace('\n', '\r\n')) == ['']
    refuses(ValueError, lambda: floor_of('no end'), '0 of 0')
    for bad in (None, 3, [SCENE], SCENE.encode()): refuses(TypeError, lambda: judge_scenes(bad), type(bad).__name__)
    for bad in (0, -1, 2.5, '3'): refuses((TypeError, ValueError), lambda: write_plays(bad), 'n is')

def test_the_sample(tmp_path):
    folder = write_sample(tmp_path/'new')
    raw = (folder/'scenes.txt').read_bytes()
    assert raw.decode() == write_plays() and b'\r' not in raw and .12 < floor_of(raw.decode()) < .13

def test_the_walk(tmp_path):
    "Nothing in it says which way the next step goes."
    import pandas as pd
    table = pd.read_csv(write_walk(tmp_path)/'walk.csv')
    days = pd.to_datetime(table['Date'], format='%d-%m-%y')
    assert len(table) == 4199 and days.is_monotonic_increasing and days.dt.day_of_week.max() == 4
    steps = np.diff(np.log(table['Close']))
    assert .0115 < steps.std() < .0125 and abs(np.corrcoef(steps[1:], steps[:-1])[0, 1]) < .03
