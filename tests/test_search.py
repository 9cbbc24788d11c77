"TensorBoard's server, what `Watch` writes, searches that stop and go on, and networks side by side."
import importlib.util, multiprocessing, os, signal, subprocess, sys, warnings

import numpy as np, pandas as pd, pytest, torch
from torch import nn

from conftest import refuses
from fastlessons.search import Board, Prune, Watch, halve, handed_in, open_study, random_grid, read_log, replay, tpe_suggest
from fastlessons.sidebyside import SideBySide, train_side_by_side
from fastlessons.train import Batches, Momentum, TensorBoard, accuracy, fit
from test_web import start_chromium

needs_optuna = pytest.mark.skipif(not importlib.util.find_spec('optuna'), reason='optuna is not here: pip install fastlessons[search]')
needs_board = pytest.mark.skipif(not importlib.util.find_spec('tensorboard'), reason='tensorboard is not here: pip install fastlessons[search]')

torch.manual_seed(0)
x, y = torch.randn(60, 16), torch.arange(60) % 3
DLS = [(x[:30], y[:30]), (x[30:], y[30:])], [(x, y)]

def net(): return nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
def trained(*cbs, epochs=3): return fit(net(), DLS, epochs, .1, metrics=accuracy, cbs=list(cbs), show=False)

# TensorBoard

@pytest.fixture(scope='module')
def logs(tmp_path_factory):
    "A folder with two logs: numbers only, and everything; with a space and an umlaut in its name."
    folder = tmp_path_factory.mktemp('my lögs')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        trained(TensorBoard(folder/'plain'))
        trained(Watch(folder/'watched', x, y, torch.rand(60, 1, 4, 4)))
    return folder

@pytest.fixture(scope='module')
def board(logs):
    with Board(logs) as b: yield b

@pytest.fixture(scope='module')
def browser(): yield from start_chromium()

@needs_board
def test_everything_is_in_the_log(logs):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    log = EventAccumulator(str(logs/'watched'), size_guidance=dict(histograms=0))
    log.Reload()
    tags = log.Tags()
    assert set(tags['scalars']) == {'train', 'valid', 'accuracy', 'lr'} and tags['images'] and tags['graph']
    assert set(tags['histograms']) == {f'{kind}/{layer}.{what}' for kind in ('weights', 'slopes') for layer in (0, 2) for what in ('weight', 'bias')}
    slopes = log.Histograms('slopes/0.weight')
    assert [h.step for h in slopes] == [1, 2, 3] and all(h.histogram_value.max > 0 for h in slopes)   # not the zeros of the next step
    cloud = (logs/'watched/00000/default/tensors.tsv').read_text().splitlines()
    assert len(cloud) == 60 and len(cloud[0].split('\t')) == 8   # what the last layer is given

@needs_board
def test_the_server_answers_and_stops(logs, board):
    assert set(board.ask('runs')) == {'plain', 'watched'}
    points = board.ask('plugin/scalars/scalars?tag=valid&run=plain')
    assert [step for _, step, _ in points] == [1, 2, 3] and board.url in board._repr_html_()
    refuses(OSError, lambda: Board(logs, port=board.port), f'Port {board.port} is taken', 'Board(folder)')
    other = Board(logs)
    process = other.server
    other.stop(), other.stop()
    assert process.poll() is not None
    with pytest.raises(OSError): other.ask('runs')

@needs_board
def test_the_server_as_a_browser_sees_it(board, browser):
    tab = browser.new_page(viewport=dict(width=1100, height=900))
    asked = []
    tab.on('request', lambda r: asked.append(r.url))
    tab.goto(board.url)
    tab.wait_for_selector('text=plain', timeout=60_000)
    tab.wait_for_selector('text=accuracy', timeout=60_000)
    text = tab.inner_text('body')
    assert all(word in text for word in ('watched', 'valid', 'train')) and 'No dashboards are active' not in text
    assert not [u for u in asked if not u.startswith((board.url, 'data:', 'blob:'))]   # nothing is fetched from the internet
    tab.close()

@needs_board
def test_folders_that_hold_no_log(tmp_path):
    refuses(FileNotFoundError, lambda: Board(tmp_path/'runz'), 'no folder', 'runz')
    (tmp_path/'notes.txt').write_text('hello')
    refuses(FileNotFoundError, lambda: Board(tmp_path), 'no log', 'Train first')
    refuses(FileNotFoundError, lambda: Board(tmp_path/'notes.txt'), 'no folder')
    (tmp_path/'events.out.tfevents.1').write_bytes(b'')
    for port in (80, 'a', 1.5, -1): refuses(ValueError, lambda p=port: Board(tmp_path, port=p), 'port is')
    refuses(OSError, lambda: Board(tmp_path, port=70_000), '70000')

@needs_board
@pytest.mark.slow
def test_the_server_stops_with_python(logs):
    "A learner closes the notebook and forgets `stop`."
    code = f'from fastlessons.search import Board; board = Board({str(logs)!r}); print(board.port)'
    port = int(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout)
    with Board(logs, port=port) as again: assert again.ask('runs')   # the port is free

@needs_board
def test_a_server_that_does_not_start_says_why(logs, monkeypatch):
    monkeypatch.setattr(sys, 'executable', '/bin/false' if os.name == 'posix' else 'where')
    refuses(RuntimeError, lambda: Board(logs), 'does not answer')

@needs_board
def test_a_log_folder_that_cannot_be_written(tmp_path):
    (tmp_path/'runs').write_text('a file of that name')
    for cb in (TensorBoard(tmp_path/'runs'), TensorBoard(tmp_path/'runs/a')):
        refuses(PermissionError, lambda cb=cb: trained(cb), 'No log can be written', 'runs')

@needs_board
def test_what_watch_refuses(tmp_path):
    pictures = torch.rand(60, 1, 4, 4)
    refuses(ValueError, lambda: Watch(tmp_path, x, y[:9], pictures), '60', '9')
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 3)
        def forward(self, x): return self.layer(x)
    refuses(TypeError, lambda: fit(Own(), DLS, 1, .1, cbs=Watch(tmp_path/'a', x, y, pictures), show=False), 'Own', 'nn.Sequential')

@needs_board
def test_a_frozen_layer_is_watched_too(tmp_path):
    frozen = net()
    frozen[0].requires_grad_(False)
    fit(frozen, DLS, 1, .1, cbs=Watch(tmp_path, x, y, torch.rand(60, 1, 4, 4)), show=False)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    log = EventAccumulator(str(tmp_path))
    log.Reload()
    assert {'weights/0.weight', 'slopes/2.weight'} <= set(log.Tags()['histograms']) and 'slopes/0.weight' not in log.Tags()['histograms']

# Optuna

@needs_optuna
def test_a_study_that_is_stopped_goes_on(tmp_path):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    file = tmp_path/'night wörk.db'
    def stopped(trial):
        if trial.number == 3: raise KeyboardInterrupt
        return trial.suggest_float('lr', 0, 1)
    with pytest.raises(KeyboardInterrupt): open_study(file).optimize(stopped, n_trials=9)
    again = open_study(file)
    assert [t.state.name for t in again.trials] == ['COMPLETE']*3 + ['FAIL']
    again.optimize(lambda trial: trial.suggest_float('lr', 2, 3), n_trials=2)
    assert open_study(file).best_value >= 2 and len(open_study(file).trials) == 6
    assert not open_study(file, 'another').trials
    refuses(ValueError, lambda: open_study(file, direction='minimize'), 'was begun to maximize', 'another name')
    refuses(ValueError, lambda: open_study(file, direction='max'), 'direction', "'max'")

def dies(file):   # at the top level: a process of its own runs it
    def objective(trial):
        if trial.number == 2: os.kill(os.getpid(), signal.SIGKILL)
        return trial.suggest_float('lr', 0, 1)
    open_study(file).optimize(objective, n_trials=9)

@needs_optuna
@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a process begins with an import of PyTorch')
def test_a_study_whose_process_died_goes_on(tmp_path):
    "The trial that nobody ended stays as it was, and is in nobody's way."
    file = tmp_path/'night.db'
    process = multiprocessing.get_context('fork').Process(target=dies, args=(file,))
    process.start(), process.join()
    assert process.exitcode == -signal.SIGKILL
    study = open_study(file)
    study.optimize(lambda trial: trial.suggest_float('lr', 0, 1), n_trials=2)
    assert [t.state.name for t in study.trials] == ['COMPLETE', 'COMPLETE', 'RUNNING', 'COMPLETE', 'COMPLETE']

@needs_optuna
def test_each_name_is_a_file_of_its_own(tmp_path):
    "An address may have signs that mean something: ?, # and %."
    import sqlalchemy
    names = ['a b.db', 'a#b.db', "it's.db"]
    if sqlalchemy.__version__ >= '2.1': names += ['a%20b.db', 'a?b.db'][:1 + (os.name == 'posix')]   # before, a file with % in its name
    for k, name in enumerate(names): open_study(tmp_path/name).optimize(lambda trial: trial.suggest_float('lr', 0, 1), n_trials=k + 1)
    assert [len(open_study(tmp_path/name).trials) for name in names] == [k + 1 for k in range(len(names))]
    assert {f.name for f in tmp_path.glob('*.db')} == set(names)

@needs_optuna
def test_files_that_hold_no_study(tmp_path):
    import sqlite3
    refuses(FileNotFoundError, lambda: open_study(tmp_path/'nowhere/a.db'), 'no folder')
    (tmp_path/'text.db').write_text('this is no database '*99)
    refuses(ValueError, lambda: open_study(tmp_path/'text.db'), 'not a database')
    refuses(PermissionError, lambda: open_study(tmp_path), 'cannot be used')
    with sqlite3.connect(tmp_path/'other.db') as db: db.execute('create table studies (name text)')
    db.close()
    with pytest.raises(ValueError, match='holds no study'): open_study(tmp_path/'other.db')

def shares(file, who):   # at the top level: a process of its own runs it
    import optuna
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    def objective(trial):
        trial.set_user_attr('who', who)
        return trial.suggest_float('lr', 0, 1)
    open_study(file).optimize(objective, n_trials=3)

@needs_optuna
@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a process begins with an import of PyTorch')
def test_two_processes_share_a_study(tmp_path):
    "Neither waits for the other to make the file."
    file = tmp_path/'shared.db'
    both = [multiprocessing.get_context('fork').Process(target=shares, args=(file, who)) for who in 'AB']
    for p in both: p.start()
    for p in both: p.join()
    assert [p.exitcode for p in both] == [0, 0]
    trials = open_study(file).trials
    assert [t.number for t in trials] == list(range(6)) and {t.state.name for t in trials} == {'COMPLETE'}
    assert sorted(t.user_attrs['who'] for t in trials) == list('AAABBB') and len({t.params['lr'] for t in trials}) == 6

@needs_optuna
def test_what_is_hopeless_is_pruned():
    import optuna
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(direction='maximize', pruner=optuna.pruners.ThresholdPruner(lower=2, n_warmup_steps=1))
    def objective(trial): return trained(Prune(trial), epochs=5)['accuracy'][-1]
    study.optimize(objective, n_trials=1)
    assert study.trials[0].state.name == 'PRUNED' and sorted(study.trials[0].intermediate_values) == [1]
    with pytest.raises(ValueError, match='list in the log'): trained(Prune(study.ask(), 'acuracy'))

# Side by side

def settings(**kw): return pd.DataFrame(dict(lr=[.1, .05, .5], momentum=[0., .9, .5], wd=[0., .1, 1e-3], dropout=[0., 0., 0.]) | kw)

def test_side_by_side_is_what_each_would_be_alone():
    "The same weights, the same batches: after 20 steps each is as `fit` with `Momentum` makes it."
    table, dl = settings(), [(x[:30], y[:30]), (x[30:], y[30:])]
    many = SideBySide(table, (16, 8, 3))
    alone = [net() for _ in range(3)]
    with torch.no_grad():
        for k, one in enumerate(alone):
            for p, q in zip((one[0].weight.T, one[0].bias[None], one[2].weight.T, one[2].bias[None]), many.params): p.copy_(q[k])
    for _ in range(10):
        for xb, yb in dl: many.step(xb, yb)
    for k, one in enumerate(alone):
        row = table.loc[k]
        fit(one, (dl, None), 10, row['lr'], opt_func=Momentum, mom=row['momentum'], wd=row['wd'], show=False)
        with torch.no_grad(): torch.testing.assert_close(many(x)[k], one(x), rtol=1e-4, atol=1e-5)

def test_dropout_side_by_side():
    many = SideBySide(settings(dropout=[0., .5, .9]), (16, 400, 3))
    with torch.no_grad():
        for p in many.params[:2]: p.abs_()   # all hidden units say something
        many.params[2].fill_(1/400)
        ones = torch.ones(1, 16)
        ratio = torch.stack([(many(ones, training=True)/many(ones))[:, 0, 0] for _ in range(40)])
    assert (ratio[:, 0] == 1).all() and torch.allclose(ratio.mean(0), torch.ones(3), atol=.1)   # the mean stays
    assert 0 < ratio[:, 1].std() < ratio[:, 2].std()

def test_the_record_of_many_trainings():
    dl = Batches(x, y, 20, shuffle=True)
    torch.manual_seed(3)
    first = train_side_by_side(settings(), dl, x, y, epochs=2)
    torch.manual_seed(3)
    assert first.shape == (3, 2, 60) and first.dtype == bool and np.array_equal(first, train_side_by_side(settings(), dl, x, y, epochs=2))
    exploded = train_side_by_side(settings(lr=[1e9, .1, .1]), dl, x, y, epochs=2)   # harms no other
    assert exploded[0].mean() < .6 and exploded[1:].shape == (2, 2, 60)
    refuses(ValueError, lambda: train_side_by_side(settings().drop(columns='wd'), dl, x, y), 'wd')
    refuses(ValueError, lambda: train_side_by_side(settings(), dl, x, y, epochs=0), 'epochs is 0')

# Searching in a record

CURVES = np.array([[.1, .9], [.5, .6], [.3, .4], [.2, .2]])

def test_halving_and_what_is_handed_in():
    winner, alive = halve(np.arange(4), CURVES, epochs=(1,))
    assert winner == 1 and alive[1].tolist() == [0, 1, 2, 3] and alive[2].tolist() == [1, 2]   # 0 would have been best
    assert handed_in([3, 1, 1, 0], [.2, .6, .6, .5], CURVES[:, 1]).tolist() == [.2, .6, .6, .6]

def test_a_grid_in_a_record():
    sizes, rng = dict(a=6, b=3, c=2), np.random.default_rng(0)
    lowest = set()
    for _ in range(60):
        a, b, c = np.unravel_index(random_grid(sizes, (2, 3, 1), rng), (6, 3, 2))
        assert len({*zip(a, b, c)}) == 6 and len(set(c)) == 1 and set(b) == {0, 1, 2} and max(a) - min(a) == 3
        lowest.add((int(min(a)), int(c[0])))
    assert lowest == {(low, c) for low in range(3) for c in range(2)}   # it lies everywhere

def test_tpe_looks_where_good_tries_are():
    tries, rng = np.array([-3., -1, 0, 1, -2, -1.2, .5, 2]), np.random.default_rng(0)
    new, good, bad = tpe_suggest(tries, -(tries + 1)**2, rng)
    assert sorted(good) == [-1.2, -1] and len(bad) == 6 and abs(new + 1) < .8

@needs_optuna
def test_a_replay_keeps_count():
    import optuna
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    curves = np.repeat(np.arange(6.)[:, None]/6, 4, 1)
    study = replay(curves, dict(a=2, b=3), 12, seed=0)
    for t in study.trials: assert t.user_attrs == dict(row=3*t.params['a'] + t.params['b'], epochs=4) and t.value == curves[t.user_attrs['row'], -1]
    never = replay(curves, dict(a=2, b=3), 5, 0, optuna.pruners.ThresholdPruner(lower=2))
    assert [t.user_attrs['epochs'] for t in never.trials] == [1]*5

@needs_board
def test_a_log_is_read_record_by_record(logs, board):
    log = read_log(next((logs/'watched').glob('*tfevents*')))
    assert set(log['tag']) == {'train', 'valid', 'accuracy', 'lr'} and len(log) == 12   # no histograms, no pictures
    valid = log[log['tag'] == 'valid'].set_index('step')['value']
    np.testing.assert_allclose(valid, board.curve('watched', 'valid'))
    assert set(board.wait_for('plain')) == {'plain', 'watched'}
    for seconds in (0, .5): refuses(TimeoutError, lambda s=seconds: board.wait_for('nothing', seconds=s), 'nothing', 'plain')
