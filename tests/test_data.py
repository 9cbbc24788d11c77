"`get_data`: where data comes from, what it prints, and what happens when something is wrong."
import gzip, hashlib, io, os, re, shutil, signal, socket, subprocess, sys, tarfile, tempfile, threading, time, zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import ROOT
from fastlessons import core, data
from fastlessons.data import DATASETS, DataSet, get_data, on_this_disk, read_idx

PICTURES = {f'images/{n}.jpg': os.urandom(20_000) for n in ('Bombay_1', 'Sphynx_1', 'pug_1')}

def zipped(files):
    "Return the bytes of a zip with `files`, a dict: name -> bytes."
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        for name, content in files.items(): z.writestr(name, content)
    return out.getvalue()

def tarred(files, links={}):
    "Return the bytes of a tar.gz with `files` and symbolic `links`, a dict: name -> target."
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w:gz') as t:
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            t.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return out.getvalue()

def put(folder, files=PICTURES):
    "Write `files` below `folder` and return it."
    for name, content in files.items():
        (folder/name).parent.mkdir(parents=True, exist_ok=True)
        (folder/name).write_bytes(content)
    return folder

def left(folder):
    "Return all that lies in `folder`, but for the lock files, which may stay."
    return sorted(str(f.relative_to(folder)) for f in folder.rglob('*') if f.suffix != '.lock') if folder.is_dir() else []

def sha(content): return 'sha256:' + hashlib.sha256(content).hexdigest()

class Server:
    "A web server on this machine that behaves as well or as badly as a test wants."
    def __init__(self): self.files, self.how, self.asked, self.done, self.delay, self.waited = {}, {}, [], threading.Event(), 0, False

    def add(self, name, content, how='whole'):
        self.files['/'+name], self.how['/'+name] = content, how
        return f'{self.url}/{name}'

    def answer(self, h):
        self.asked.append(h.path)
        time.sleep(self.delay)
        how, content = self.how.get(h.path, 'gone'), self.files.get(h.path, b'')
        h.close_connection = True
        if how == 'silent': return self.wait()
        h.send_response(404 if how == 'gone' else 200)
        if how != 'unannounced': h.send_header('Content-Length', str(len(content)))
        h.end_headers()
        h.wfile.write(content if how == 'whole' else content[:len(content)//2])
        h.wfile.flush()
        if how == 'stalled': self.wait()

    def wait(self):
        "Wait until the test is over; note it if that is too long."
        if not self.done.wait(60): self.waited = True

@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    s = Server()
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self): s.answer(self)
        def log_message(self, *args): pass
    httpd = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    s.url = f'http://127.0.0.1:{httpd.server_port}'
    threading.Thread(target=httpd.serve_forever, kwargs=dict(poll_interval=.02), daemon=True).start()
    yield s
    s.done.set()
    httpd.shutdown()
    httpd.server_close()

@pytest.fixture
def fake(monkeypatch, tmp_path, home):
    "Put a small data set 'fake' into the table, with a bundled sample of one picture; return a function that changes its row."
    bundle = put(tmp_path/'bundle', {'fake.zip': zipped({'images/drawn_1.jpg': b'drawn'})})
    monkeypatch.setattr(data, 'bundle', lambda: bundle)
    monkeypatch.setattr(data, 'used', {})
    def row(**kw):
        kw = dict(dict(files={}, sample='one picture, drawn'), **kw)
        d = DataSet('Fake Pets: three pets', '3 photos', 7, 'CC0', 'https://example.com/fake', ('fake-pets', 'fake'), ('images/*.jpg',), (), **kw)
        monkeypatch.setitem(DATASETS, 'fake', d)
        return d
    row()
    return row

def fails(kind, *contains, **kw):
    "Assert that `get_data('fake', ...)` raises exactly `kind` with a message that contains all of `contains`."
    with pytest.raises(kind) as e: get_data('fake', **kw)
    assert type(e.value) is kind
    for c in contains: assert c in str(e.value)
    return str(e.value)

# Which source is used

def test_sample_if_nothing_is_asked_for(fake, home, capsys):
    path = get_data('fake')
    assert isinstance(path, Path) and path.parent == home/'samples'
    assert (path/'images/drawn_1.jpg').read_bytes() == b'drawn'
    assert data.used == {'fake': 'sample'}

@pytest.mark.parametrize('value,source', [('sample', 'sample'), ('full', 'full'), ('FOLDER', 'folder'), ('', 'sample')])
def test_environment_variable(fake, server, tmp_path, monkeypatch, value, source):
    content = zipped(PICTURES)
    fake(files={server.add('fake.zip', content): sha(content)})
    put(tmp_path/'mine'/'fake')   # a folder holds one subfolder a data set
    monkeypatch.setenv('FASTLESSONS_DATA', str(tmp_path/'mine') if value == 'FOLDER' else value)
    path = get_data('fake')
    assert data.used['fake'] == source
    assert len(list(path.glob('images/*.jpg'))) == (1 if source == 'sample' else 3)

def test_argument_beats_environment_beats_sample(fake, home, tmp_path, monkeypatch):
    real = put(home/'data'/'fake-pets')
    assert get_data('fake').parent == home/'samples' and data.used['fake'] == 'sample'   # even if the real set is here
    monkeypatch.setenv('FASTLESSONS_DATA', 'full')
    assert get_data('fake') == real and data.used['fake'] == 'full'
    assert get_data('fake', 'sample').parent == home/'samples'
    assert get_data('fake', put(tmp_path/'mine')) == tmp_path/'mine'
    assert get_data('fake', str(tmp_path/'mine')) == tmp_path/'mine'

def test_a_set_without_a_sample_is_taken_from_this_disk(fake, home):
    fake(sample='')
    with pytest.raises(ValueError, match='no bundled sample'): get_data('fake')
    real = put(home/'data'/'fake-pets')
    assert get_data('fake') == real and data.used['fake'] == 'full'

@pytest.mark.parametrize('name', ['fake-pets', 'fake'])
def test_an_earlier_download_of_fastai_is_found(fake, tmp_path, monkeypatch, name):
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'fastai'))
    real = put(tmp_path/'fastai'/'data'/name)
    assert get_data('fake', 'full') == real
    shutil.rmtree(real/'images')   # half of a set is none
    fails(ValueError, source='full')

@pytest.mark.parametrize('variable', ['COLAB_RELEASE_TAG', 'KAGGLE_KERNEL_RUN_TYPE'])
def test_nothing_is_downloaded_unasked(fake, server, home, monkeypatch, variable):
    monkeypatch.setenv(variable, 'x')
    content = tarred(PICTURES)
    fake(files={server.add('fake.tar.gz', content): sha(content)})
    get_data('fake')
    assert data.used['fake'] == 'sample' and not server.asked
    assert get_data('fake', 'full') == get_data('fake', 'full') == home/'data'/'fake-pets'
    assert data.used['fake'] == 'full' and len(server.asked) == 1
    assert left(home/'data') == sorted(['fake-pets', 'fake-pets/images', *(f'fake-pets/{n}' for n in PICTURES)])

def test_download_with_a_folder_inside_and_sums(fake, server, home):
    content = zipped({'top/'+k: v for k, v in PICTURES.items()})
    sums = {k: hashlib.sha256(v).hexdigest() for k, v in PICTURES.items()}
    fake(files={server.add('fake.zip', content): None}, top='top', sums=sums)   # no fixed hash of the archive
    assert left(get_data('fake', 'full')) == ['images', *sorted(PICTURES)]

def test_printed_line(fake, server, tmp_path, capsys):
    def printed(*args):
        path = get_data('fake', *args)
        return capsys.readouterr().out.replace(core.tilde(path), 'HERE')
    assert printed() == ("fake: the bundled sample: one picture, drawn. 1 pictures in HERE. "
                         "Or get it at https://example.com/fake and call get_data('fake', 'FOLDER').\n")
    content = zipped(PICTURES)
    fake(files={server.add('fake.zip', content): sha(content)})
    assert printed().endswith("For the real set (3 photos, 7 MB): get_data('fake', 'full').\n")
    assert printed('full') == 'fake: the real set. 3 pictures in HERE.\n'
    assert printed(put(tmp_path/'mine')) == 'fake: your folder with the real set. 3 pictures in HERE.\n'

def test_home_folder_is_written_short(fake, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    assert core.tilde(tmp_path/'x'/'y') == '~/x/y'
    assert core.tilde('/elsewhere/x') == str(Path('/elsewhere/x').absolute())
    monkeypatch.delenv('FASTLESSONS_HOME')
    assert core.home() == tmp_path/'.fastlessons'

def test_on_this_disk(fake, home, tmp_path, monkeypatch):
    assert on_this_disk()['fake'] == (DATASETS['fake'], None)
    assert set(on_this_disk()) == set(DATASETS)
    real = put(home/'data'/'fake-pets')
    assert on_this_disk()['fake'][1] == real
    monkeypatch.setenv('FASTLESSONS_DATA', str(tmp_path/'mine'))
    assert on_this_disk()['fake'][1] == real   # the variable names a folder that is not there
    mine = put(tmp_path/'mine'/'fake-pets')
    assert on_this_disk()['fake'][1] == mine

def test_a_new_sample_replaces_the_old_one(fake, tmp_path):
    old = get_data('fake')
    assert get_data('fake') == old
    put(tmp_path/'bundle', {'fake.zip': zipped({'images/better_1.jpg': b'better'})})
    new = get_data('fake')
    assert new != old and left(new) == ['images', 'images/better_1.jpg']

def test_the_table():
    for name, d in DATASETS.items():
        assert d.title and d.items and d.mb > 0 and d.licence and d.home.startswith('http') and d.folders and d.needs, name
        for url, known in d.files.items():
            assert url.startswith('http'), name
            assert re.fullmatch(r'(md5:\w{32})|(sha1:\w{40})|(sha256:\w{64})', known) if known else d.sums, f'{name}: no way to check {url}'
    # one folder never holds two different sets; two samples may have the same real one (cifar10, tiny)
    assert len({d.folders[0] for d in DATASETS.values()}) == len({(d.folders[0], *d.files) for d in DATASETS.values()})

# Bad input

@pytest.mark.parametrize('given,meant', [('pest', 'pets'), ('Pets', 'pets'), ('MNIST', 'mnist'), ('movie_lens', 'movielens'), ('titanik', 'titanic')])
def test_misspelt_data_set(given, meant):
    with pytest.raises(ValueError, match=f"no data set '{given}'. Did you mean '{meant}'\\? There are: pets, mnist"): get_data(given)

def test_unknown_data_set_far_from_any():
    with pytest.raises(ValueError, match="no data set 'xyzzy'. There are: pets"): get_data('xyzzy')

@pytest.mark.parametrize('given,meant', [('fulll', 'full'), ('Sample', 'sample'), ('simple', 'sample')])
def test_misspelt_source(fake, home, monkeypatch, given, meant):
    fails(ValueError, f"'{given}'", f"Did you mean '{meant}'?", source=given)
    monkeypatch.setenv('FASTLESSONS_DATA', given)
    fails(ValueError, f"'{given}'", f"Did you mean '{meant}'?", 'FASTLESSONS_DATA')
    assert left(home) == [] and data.used == {}

def test_folder_that_does_not_exist(fake, tmp_path, monkeypatch):
    nowhere = str(tmp_path/'nowhere')
    fails(FileNotFoundError, nowhere, 'Check the path', "get_data('fake', 'sample')", source=nowhere)
    fails(ValueError, "no source or folder 'nowhere'", source='nowhere')
    monkeypatch.setenv('FASTLESSONS_DATA', nowhere)
    fails(FileNotFoundError, nowhere, 'FASTLESSONS_DATA')

def test_folder_that_is_a_file(fake, tmp_path):
    put(tmp_path, {'fake.zip': zipped(PICTURES)})
    fails(FileNotFoundError, 'no folder', 'fake.zip', source=tmp_path/'fake.zip')

@pytest.mark.parametrize('content,holds', [({}, 'nothing'), ({'annotations/list.txt': b''}, 'annotations'), ({'images/a.png': b''}, 'images'),
                                           ({'cat.jpg': b'', 'notes.txt': b''}, 'cat.jpg, notes.txt'), ({'images': b'a file'}, 'images')],
                         ids=['empty', 'no images', 'images of another kind', 'other things', 'images is a file'])
@pytest.mark.parametrize('below', ['', 'fake-pets'])
def test_folder_with_something_else(fake, tmp_path, content, holds, below):
    mine = put(tmp_path/'mine'/below, content)
    mine.mkdir(parents=True, exist_ok=True)
    fails(FileNotFoundError, f'{mine} is not Fake Pets', 'lacks images/*.jpg', f'holds {holds}.', "get_data('fake', 'sample')", source=tmp_path/'mine')
    assert left(mine) == sorted({*content, *(str(Path(c).parent) for c in content)} - {'.'}) and data.used == {}

def test_subfolder_comes_before_a_folder_that_looks_alike(fake, tmp_path):
    "A collection with pictures of its own must not be taken for the set that is inside it."
    put(tmp_path/'mine', {'images/holiday.jpg': b''})
    assert get_data('fake', put(tmp_path/'mine'/'fake').parent) == tmp_path/'mine'/'fake'

@pytest.mark.parametrize('source', ['sample', 'full'])
def test_a_folder_of_ours_from_which_something_was_deleted(fake, server, home, source):
    content = zipped(PICTURES)
    fake(files={server.add('fake.zip', content): sha(content)})
    shutil.rmtree((path := get_data('fake', source))/'images')
    fails(FileNotFoundError, str(path), 'images/*.jpg', 'Delete', source=source)
    shutil.rmtree(path)
    assert (get_data('fake', source)/'images').exists()

def test_no_sample_yet(fake):
    fake(sample='')
    fails(ValueError, "no bundled sample of 'fake' yet", 'https://example.com/fake')

def test_no_download_possible(fake):
    fails(ValueError, 'cannot be downloaded by a program', 'https://example.com/fake', 'FOLDER', source='full')

def test_sample_missing_from_the_installation(fake, tmp_path):
    (tmp_path/'bundle'/'fake.zip').unlink()
    fails(FileNotFoundError, 'fake.zip is missing', 'Install fastlessons again')

# Downloads that go wrong: nothing half done is left, and the next try works

@pytest.mark.parametrize('how,kind', [('interrupted', ConnectionError), ('unannounced', ValueError), ('altered', ValueError), ('gone', ConnectionError),
                                      ('not an archive', ValueError), ('cut archive', ValueError), ('bent archive', ValueError),
                                      ('one file altered', ValueError), ('other content', ValueError)])
@pytest.mark.parametrize('make', [zipped, tarred])
def test_bad_download(fake, server, home, how, kind, make):
    good = make(PICTURES)
    name = 'fake.zip' if make is zipped else 'fake.tar.gz'
    bent = good[:100] + bytes(255-b for b in good[100:130]) + good[130:]
    altered = make({**PICTURES, 'images/pug_1.jpg': b'altered'})
    sent = {'altered': altered, 'one file altered': altered, 'bent archive': bent, 'not an archive': b'<html>Please sign in</html>', 'cut archive': good[:len(good)//2],
            'other content': make({'readme.txt': b'moved'})}.get(how, good)
    url = server.add(name, sent, how if how in ('interrupted', 'unannounced', 'gone') else 'whole')
    # an owner's archive without a fixed hash: then the sums of its files are checked, and at the very least which files there are
    known = None if how in ('not an archive', 'cut archive', 'bent archive', 'one file altered', 'other content') else sha(good)
    sums = {k: hashlib.sha256(v).hexdigest() for k, v in PICTURES.items()} if how == 'one file altered' else {}
    fake(files={url: known}, sums=sums)
    message = fails(kind, 'Could not get Fake Pets', 'Nothing half done is left', "get_data('fake', 'sample')", source='full')
    assert how != 'gone' or 'HTTP 404' in message
    assert left(home/'data') == [] and data.used == {}
    assert not (home/'data'/'fake-pets').exists()
    server.add(name, good)
    assert left(get_data('fake', 'full')) == ['images', *sorted(PICTURES)]
    assert not [f for f in left(home/'data') if not f.startswith('fake-pets')]

def test_second_of_two_files_fails(fake, server, home):
    one, two = zipped(PICTURES), zipped({'annotations/list.txt': b'#'})
    fake(files={server.add('one.zip', one): sha(one), server.add('two.zip', two, 'interrupted'): sha(two)})
    fails(ConnectionError, 'two.zip', source='full')
    assert left(home/'data') == []
    server.add('two.zip', two)
    assert (get_data('fake', 'full')/'annotations/list.txt').exists()

CLIMBERS = dict(climbs={'images/a.jpg': b'x', '../../../outside.txt': b'x'}, absolute={'images/a.jpg': b'x', '/OUTSIDE/outside.txt': b'x'},
                windows={'images/a.jpg': b'x', '..\\..\\outside.txt': b'x'}, drive={'images/a.jpg': b'x', 'C:/outside.txt': b'x'})

@pytest.mark.parametrize('make', [zipped, tarred])
@pytest.mark.parametrize('how', CLIMBERS)
@pytest.mark.parametrize('source', ['full', 'sample'])
def test_archive_that_climbs_out_is_refused(fake, server, home, tmp_path, make, how, source):
    outside = tmp_path/'outside'
    content = make({k.replace('/OUTSIDE', str(outside)): v for k, v in CLIMBERS[how].items()})
    put(tmp_path/'bundle', {'fake.zip': content})
    fake(files={server.add('fake.zip' if make is zipped else 'fake.tgz', content): sha(content)})
    before = left(tmp_path)
    fails(ValueError, 'outside.txt', 'leads out of its folder', source=source)
    assert set(left(tmp_path)) - set(before) <= {'home', 'home/data', 'home/samples'}

@pytest.mark.parametrize('target', ['..', '../..', 'OUTSIDE'])
def test_tar_with_a_link_that_leads_out_is_refused(fake, server, home, tmp_path, target):
    (tmp_path/'outside').mkdir()
    content = tarred({'images/a.jpg': b'x', 'link/outside.txt': b'x'}, {'link': target.replace('OUTSIDE', str(tmp_path/'outside'))})
    fake(files={server.add('fake.tar.gz', content): sha(content)})
    fails(ValueError, 'a link or device', source='full')
    assert left(home) == ['data'] and left(tmp_path/'outside') == []
    assert not list(tmp_path.rglob('outside.txt'))

# No network

def test_nothing_listens(fake, home):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{s.getsockname()[1]}/fake.zip'
    fake(files={url: 'md5:'+'0'*32})
    fails(ConnectionError, url, 'Without a network', "get_data('fake', 'sample')", 'one picture, drawn', source='full')
    assert left(home/'data') == []

@pytest.mark.parametrize('how', ['silent', 'stalled'])
def test_server_that_stops_answering(fake, server, home, monkeypatch, how):
    assert data._TIMEOUT <= 10   # seconds, as a learner has it
    monkeypatch.setattr(data, '_TIMEOUT', .5)
    content = zipped(PICTURES)
    fake(files={server.add('fake.zip', content, how): sha(content)})
    fails(ConnectionError, server.url, 'Without a network', source='full')
    assert not server.waited and left(home/'data') == []   # we gave up first

# Nowhere to write

@pytest.fixture(params=['below a file', '/proc'])
def no_home(request, tmp_path, monkeypatch):
    "A home that cannot be made. Permissions would not do: the administrator may write anywhere."
    if request.param == '/proc' and not Path('/proc/self').exists(): pytest.skip('no /proc on this system')
    path = put(tmp_path, {'file': b''})/'file'/'home' if request.param == 'below a file' else Path('/proc/fastlessons')
    monkeypatch.setenv('FASTLESSONS_HOME', str(path))
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path/'temp'))
    (tmp_path/'temp').mkdir()
    return path

def test_home_cannot_be_written_to(fake, server, no_home, tmp_path, capsys):
    path = get_data('fake')
    assert path.is_relative_to(tmp_path/'temp') and (path/'images/drawn_1.jpg').exists()
    out = capsys.readouterr().out
    assert f'{no_home} cannot be written to' in out and 'FASTLESSONS_HOME' in out
    fake(files={server.add('fake.zip', b''): None})
    fails(OSError, f'{no_home} cannot be written to', '7 MB', 'FASTLESSONS_HOME', "get_data('fake', 'sample')", source='full')
    assert server.asked == []   # found out before the download, not after it

def test_nowhere_to_write_at_all(fake, no_home, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(no_home/'temp'))
    fails(OSError, 'Neither', 'FASTLESSONS_HOME')

@pytest.mark.parametrize('source,kind', [('sample', OSError), ('full', OSError)])
def test_disk_full_in_the_middle(fake, server, home, tmp_path, monkeypatch, source, kind):
    content, copy, copied = zipped(PICTURES), shutil.copyfileobj, []
    put(tmp_path/'bundle', {'fake.zip': content})
    fake(files={server.add('fake.zip', content): sha(content)})
    def full(src, dst, *args):   # zipfile copies each file with this
        if copied: raise OSError(28, 'No space left on device')
        copied.append(1)
        copy(src, dst, *args)
    with monkeypatch.context() as m:
        m.setattr(shutil, 'copyfileobj', full)
        fails(kind, 'No space left on device', 'Nothing half done is left', 'Set FASTLESSONS_HOME to a folder with room', source=source)
    assert copied and left(home) == ['samples' if source == 'sample' else 'data']
    assert len(list(get_data('fake', source).glob('images/*.jpg'))) == 3

# Several processes

SCRIPT = '''
import sys, time
from pathlib import Path
from fastlessons import data
source, url, known, bundle, go, limit = sys.argv[1:]
data.DATASETS['fake'] = data.DataSet('Fake', '3', 7, 'CC0', 'https://example.com', ('fake-pets',), ('images/*.jpg',), (), {url: known}, sample='drawn')
data.bundle = lambda: Path(bundle)
if int(limit): __import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (int(limit), int(limit)))
print('ready', flush=True)
while not Path(go).exists(): time.sleep(.01)
try: data.get_data('fake', source)
except Exception as e: sys.exit(f'{type(e).__name__}: {e}')
'''

def start(source, url, known, tmp_path, limit=0):
    args = [source, url, known, tmp_path/'bundle', tmp_path/'go', limit]
    p = subprocess.Popen([sys.executable, '-c', SCRIPT, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdout.readline() == 'ready\n'
    return p

@pytest.mark.slow
@pytest.mark.parametrize('source', ['sample', 'full'])
def test_several_processes_at_once(fake, server, home, tmp_path, source):
    files = {f'images/pug_{i}.jpg': b'x'*1000 for i in range(500)}
    content = zipped(files)
    put(tmp_path/'bundle', {'fake.zip': content})
    server.delay = .3
    url = server.add('fake.zip', content)
    ps = [start(source, url, sha(content), tmp_path) for _ in range(3)]
    (tmp_path/'go').touch()
    for p in ps:
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
        assert '500 pictures' in out
    folder = home/('samples' if source == 'sample' else 'data')
    assert len([f for f in folder.iterdir() if f.is_dir()]) == 1
    assert len(left(folder)) == 502   # the set, its images, their folder; nothing unfinished
    assert len(server.asked) == (source == 'full')

def test_killed_in_the_middle_then_again(fake, server, home, tmp_path):
    content = zipped(PICTURES)
    url = server.add('fake.zip', content, 'stalled')
    fake(files={url: sha(content)})
    p = start('full', url, sha(content), tmp_path)
    (tmp_path/'go').touch()
    try:
        for _ in range(1000):
            if any(f.stat().st_size for f in home.rglob('*') if '.unfinished' in str(f) and f.is_file()) or p.poll() is not None: break
            time.sleep(.02)
        assert p.poll() is None, p.communicate()
    finally: p.kill()
    p.communicate()
    assert left(home/'data')[0].startswith('.unfinished-')
    get_data('fake')
    assert data.used['fake'] == 'sample'   # half a download is not taken for the real set
    server.add('fake.zip', content)
    get_data('fake', 'full')
    assert not [f for f in left(home/'data') if not f.startswith('fake-pets')]

@pytest.mark.skipif(not hasattr(signal, 'SIGXFSZ'), reason='no limit on file sizes on this system')
def test_download_stopped_by_the_disk(fake, server, home, tmp_path):
    "A limit on the size of files makes the system refuse the bytes, as a full disk does."
    content = zipped(PICTURES)
    p = start('full', server.add('fake.zip', content), sha(content), tmp_path, limit=10_000)
    (tmp_path/'go').touch()
    out, err = p.communicate(timeout=60)
    assert p.returncode == 1 and 'OSError: Could not get Fake' in err and 'Set FASTLESSONS_HOME to a folder with room' in err, err
    assert left(home/'data') == []

# The idx format of MNIST

def idx(shape, dtype=8): return bytes([0, 0, dtype, len(shape)]) + b''.join(n.to_bytes(4, 'big') for n in shape)

@pytest.mark.parametrize('name', ['x-idx3-ubyte', 'x-idx3-ubyte.gz'])
def test_read_idx(tmp_path, name):
    raw = idx((2, 3, 4)) + bytes(range(24))
    put(tmp_path, {name: gzip.compress(raw) if name.endswith('.gz') else raw})
    x = read_idx(tmp_path/name)
    assert x.shape == (2, 3, 4) and x.dtype == 'uint8' and x.ravel().tolist() == list(range(24))
    x[0] = 0   # a copy: may be written to
    assert read_idx(str(tmp_path/name)).sum() == sum(range(24))

@pytest.mark.parametrize('raw', [b'', b'\0\0\x08', b'hello', idx((2, 3), dtype=13)+bytes(48), idx((2, 3))+bytes(5), idx((2, 3))+bytes(7), idx((2, 3))[:9]],
                         ids=['empty', 'short', 'text', 'floats', 'cut off', 'too long', 'head cut off'])
@pytest.mark.parametrize('name', ['x-idx1-ubyte', 'x-idx1-ubyte.gz'])
def test_read_idx_of_a_bad_file(tmp_path, raw, name):
    put(tmp_path, {name: gzip.compress(raw) if name.endswith('.gz') else raw})
    with pytest.raises(ValueError): read_idx(tmp_path/name)

@pytest.mark.parametrize('content', [b'', b'plain', gzip.compress(bytes(1000))[:-10], gzip.compress(os.urandom(1000))[:500],
                                     gzip.compress(os.urandom(1000))[:-8] + bytes(8)], ids=['empty', 'not gzip', 'no end', 'half', 'wrong sum'])
def test_read_idx_of_bad_gzip(tmp_path, content):
    put(tmp_path, {'x.gz': content})
    with pytest.raises(ValueError, match='x.gz'): read_idx(tmp_path/'x.gz')

# Importing

WATCH = '''
import random, sys
import numpy as np
random.seed(3); np.random.seed(3)
before, bad = (random.getstate(), np.random.get_state()[1].tolist()), []
def hook(event, args):
    if event in ('socket.connect', 'socket.getaddrinfo', 'subprocess.Popen', 'os.mkdir', 'os.rename', 'os.remove'): bad.append((event, str(args)))
    if event == 'open' and (set(args[1] or '') & set('wxa+') or (args[2] or 0) & 3): bad.append((event, str(args)))
sys.addaudithook(hook)
import MODULE
assert not bad, bad
heavy = {'torch', 'fastai', 'torchvision', 'pandas', 'matplotlib', 'requests', 'pooch'} & set(sys.modules)
assert not heavy, heavy
assert before == (random.getstate(), np.random.get_state()[1].tolist()), 'a seed was set'
'''

@pytest.mark.parametrize('module', ['fastlessons', 'fastlessons.data', 'fastlessons.check', 'fastlessons.cli'])
def test_import_is_light(module, home):
    r = subprocess.run([sys.executable, '-B', '-c', WATCH.replace('MODULE', module)], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    assert not home.exists() and not r.stdout and not r.stderr

def test_import_costs_little_more_than_what_it_imports():
    "A ratio, not a clock: `import fastlessons` beside `import importlib.metadata, warnings`, which it cannot do without."
    code = 'import time; t = time.process_time(); import MODULE; print(time.process_time()-t)'
    def took(module): return min(float(subprocess.check_output([sys.executable, '-c', code.replace('MODULE', module)])) for _ in range(5))
    assert took('fastlessons') < 2*took('importlib.metadata') + .02

# The table's drawn sample

def test_what_is_drawn_is_drawn_once_by_the_samples(home, monkeypatch):
    import numpy as np
    from fastlessons.samples import pictures
    def write(folder, asked=[]):
        asked.append(folder)
        assert len(asked) == 1
        x, y = np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, np.uint8)
        np.savez(folder/'cifar10_drawn.npz', x_train=x, y_train=y, x_test=x, y_test=y, classes=['boat'])
        return folder
    monkeypatch.setattr(pictures, 'write_things', write)
    path = get_data('cifar10', 'sample')
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]   # of what draws it: an older drawing is not taken for it
    assert path == get_data('cifar10', 'sample') == home/f'samples/cifar10-drawn-{version}'
    assert [len(part) for part in data.read_cifar(path)] == [3, 3, 3, 3, 1]

@pytest.mark.parametrize('bad', ['empty', 'one picture less a byte'])
def test_read_cifar_of_a_bad_file(tmp_path, bad):
    rows = bytes(3073*2)
    put(tmp_path, {'data_batch_1.bin': rows, 'test_batch.bin': b'' if bad == 'empty' else rows[:-1], 'batches.meta.txt': b'a\nb'})
    with pytest.raises(ValueError, match='test_batch.bin is cut off'): data.read_cifar(tmp_path)
    put(tmp_path, {'test_batch.bin': rows})
    x, y, xv, yv, classes = data.read_cifar(str(tmp_path))
    assert x.shape == xv.shape == (2, 32, 32, 3) and classes == ['a', 'b']
    put(tmp_path, {'cifar10.npz': b'not one'})
    with pytest.raises(ValueError, match='cifar10.npz is damaged, or lacks one of x_train'): data.read_cifar(tmp_path)

# The bundled samples

BREEDS = '''Abyssinian american_bulldog american_pit_bull_terrier basset_hound beagle Bengal Birman Bombay boxer British_Shorthair chihuahua
Egyptian_Mau english_cocker_spaniel english_setter german_shorthaired great_pyrenees havanese japanese_chin keeshond leonberger Maine_Coon
miniature_pinscher newfoundland Persian pomeranian pug Ragdoll Russian_Blue saint_bernard samoyed scottish_terrier shiba_inu Siamese Sphynx
staffordshire_bull_terrier wheaten_terrier yorkshire_terrier'''.split()   # in the original's order: number 1 to 37

def test_size_of_the_bundle():
    files = [f for f in (ROOT/'data').rglob('*') if f.is_file()]
    assert {'pets.zip', 'mnist.zip'} <= {f.name for f in files}
    for f in files: assert f.stat().st_size < 6e6, f.name
    assert sum(f.stat().st_size for f in files) < 12e6
    assert {f.stem for f in files if f.suffix == '.zip'} == {name for name, d in DATASETS.items() if d.sample}

def test_checksums_of_the_bundle():
    "`data/checksums.txt` is in the format of sha256sum; every archive has its line."
    lines = dict(line.split()[::-1] for line in (ROOT/'data/checksums.txt').read_text().splitlines())
    assert {f.name for f in (ROOT/'data').glob('*.zip')} <= set(lines)
    for name, expected in lines.items(): assert hashlib.sha256((ROOT/'data'/name).read_bytes()).hexdigest() == expected, name

def test_the_bundle_says_what_it_is():
    text = (ROOT/'data/README.md').read_text(encoding='utf-8').lower()
    for word in 'licence', 'pets', 'mnist', 'scikit-learn', 'samples': assert word in text, word

@pytest.fixture(scope='session')
def pets(own_home): return get_data('pets', 'sample')

def test_pets_sample_has_the_originals_layout(pets):
    from PIL import Image
    assert sorted(f.name for f in pets.iterdir() if f.name != 'models') == ['annotations', 'images']
    files = sorted((pets/'images').iterdir())
    assert all(re.fullmatch(r'[A-Za-z_]+_\d+\.jpg', f.name) for f in files)
    breeds = [f.stem.rpartition('_')[0] for f in files]
    assert set(breeds) == set(BREEDS)
    assert min(breeds.count(b) for b in BREEDS) >= 24
    assert sum(b[0].isupper() for b in BREEDS) == 12   # cats begin with a capital letter
    for f in files[::25]:
        with Image.open(f) as im: assert im.format == 'JPEG' and im.mode == 'RGB' and max(im.size) <= 200 and min(im.size) >= 96, f.name

def read_list(path): return [line.split() for line in path.read_text().splitlines() if not line.startswith('#')]

def test_pets_sample_class_lists(pets):
    rows = {name: read_list(pets/f'annotations/{name}.txt') for name in ('list', 'trainval', 'test')}
    everything = rows['list']
    assert {r[0] for r in everything} == {f.stem for f in (pets/'images').iterdir()} and len({r[0] for r in everything}) == len(everything)
    assert sorted(rows['trainval']+rows['test']) == sorted(everything)
    cats, dogs = [b for b in BREEDS if b[0].isupper()], [b for b in BREEDS if b[0].islower()]
    for name, number, species, breed in everything:   # numbers count from 1: of 37, cat or dog, within cats or dogs
        b = name.rpartition('_')[0]
        same = cats if b in cats else dogs
        assert (BREEDS[int(number)-1], int(species), same[int(breed)-1]) == (b, 1 if b in cats else 2, b)
    for part in 'trainval', 'test': assert {r[0].rpartition('_')[0] for r in rows[part]} == set(BREEDS)

def test_pets_sample_trimaps(pets):
    import numpy as np
    from PIL import Image
    trimaps = sorted(f for f in (pets/'annotations/trimaps').iterdir())
    assert {f.stem for f in trimaps} == {f.stem for f in (pets/'images').iterdir()} and {f.suffix for f in trimaps} == {'.png'}
    for f in trimaps[::25]:
        with Image.open(f) as m, Image.open(pets/f'images/{f.stem}.jpg') as im:
            assert m.size == im.size and m.mode in ('L', 'P')
            values, counts = np.unique(np.array(m), return_counts=True)
        assert values.tolist() == [1, 2, 3], f.name   # pet, background, edge
        assert counts[0] > .02*counts.sum(), f.name

def test_pets_sample_reads_as_the_original_with_torchvision(pets, tmp_path):
    from torchvision.datasets import OxfordIIITPet
    (tmp_path/'oxford-iiit-pet').symlink_to(pets)
    for split in 'trainval', 'test':
        ds = OxfordIIITPet(tmp_path, split=split, target_types=('category', 'segmentation'))
        assert len(ds.classes) == 37
        img, (label, mask) = ds[0]
        assert img.size == mask.size and 0 <= label < 37

def test_mnist_sample(own_home):
    from sklearn.datasets import load_digits
    path = get_data('mnist', 'sample')
    x, y = ([read_idx(path/f'{part}-{kind}-ubyte.gz') for part in ('train', 't10k')] for kind in ('images-idx3', 'labels-idx1'))
    assert [a.shape[1:] for a in x] == [(8, 8)]*2 and [len(a) for a in x] == [len(a) for a in y]
    assert sum(map(len, x)) == 1797 and len(x[0]) > 3*len(x[1])
    assert [set(a.tolist()) for a in y] == [set(range(10))]*2
    def known(images, labels): return sorted((im.tobytes(), int(label)) for im, label in zip(images, labels))
    real = load_digits()   # the darkest ink is 16 there, 255 in MNIST
    ours = [(a.astype(float)*16/255).round().astype('uint8') for a in x]
    assert known(real.images.astype('uint8'), real.target) == sorted(known(ours[0], y[0]) + known(ours[1], y[1]))
    assert max(a.max() for a in x) == 255

def test_movielens_sample(own_home):
    "The columns of MovieLens 100k, in its encoding; a long tail; and no film of the real set."
    import pandas as pd
    path = get_data('movielens', 'sample')
    r = pd.read_csv(path/'u.data', sep='\t', header=None, names=['person', 'film', 'stars', 'time'])
    films = pd.read_csv(path/'u.item', sep='|', header=None, encoding='latin-1')
    truth = pd.read_csv(path/'tastes.csv')
    assert 10_000 <= len(r) <= 20_000 and not r.duplicated(['person', 'film']).any() and not r.isna().any().any()
    assert films.shape[1] == 24 and films[0].tolist() == list(range(1, len(films)+1)) and films[1].is_unique
    assert set(r.stars) == {1, 2, 3, 4, 5} and set(r.film) <= set(films[0]) and r.person.min() == 1
    assert films[1].str.fullmatch(r'.+ \(\d{4}\)').all() and (films.loc[:, 5:].sum(axis=1) > 0).all() and (films[5] == 0).all()
    n = r.film.value_counts()
    assert n.max() > 200 > 10 > n.min() and r.person.value_counts().min() >= 20   # as in MovieLens, at least 20 each
    released = pd.to_datetime(films.set_index(0)[2], format='%d-%b-%Y')
    assert (pd.to_datetime(r.time, unit='s') >= r.film.map(released)).all()   # nobody rates a film before it is there
    assert truth.what.value_counts().to_dict() == {'film': len(films), 'person': r.person.nunique()}
    assert (path/'u.genre').read_text().splitlines()[1] == 'Action|1' and b'\xe9' in (path/'u.item').read_bytes()

def test_no_film_of_the_sample_is_a_real_one(own_home, shared):
    import pandas as pd
    ours, real = (pd.read_csv(p/'u.item', sep='|', header=None, encoding='latin-1')[1] for p in (get_data('movielens', 'sample'), shared/'data/ml-100k'))
    def plain(titles): return {re.sub(r'\W', '', t.rpartition('(')[0].lower()) for t in titles}
    assert not plain(ours) & plain(real)

# The real sets, where they are on this disk

@pytest.mark.parametrize('name', DATASETS)
def test_real_set_in_a_collection(shared, name, monkeypatch, capsys):
    monkeypatch.setenv('FASTLESSONS_DATA', str(shared/'data'))
    if not any((shared/'data'/f).is_dir() for f in DATASETS[name].folders): pytest.skip(f'{name} is not in ../shared/data')
    path = get_data(name)
    assert path.parent == shared/'data' and path.name in DATASETS[name].folders
    assert on_this_disk()[name][1] == path
    assert get_data(name, path) == path   # its own folder is as good as the collection
    out = capsys.readouterr().out
    assert out.startswith(f'{name}: your folder with the real set. ')
    count = dict(pets='969 pictures', mnist='70,000 digits', cifar10='5,000 pictures', tiny='5,000 pictures', flowers='400 pictures',
                 movielens='100,000 ratings', titanic='891 rows', bike='17,379 rows', sentences='10,662 sentences', prices='4,199 rows')
    assert count.get(name, ' MB in ') in out

def test_real_set_missing_from_a_collection(shared, tmp_path):
    (tmp_path/'mnist').symlink_to(shared/'data'/'mnist')
    with pytest.raises(FileNotFoundError, match='is not Oxford-IIIT Pet.*holds mnist'): get_data('pets', tmp_path)

def test_the_bikes_are_the_real_table(home):
    "The sample of `bike` is the authors' own table, byte for byte."
    path = get_data('bike', 'sample')
    for name, want in data.DATASETS['bike'].sums.items(): assert hashlib.sha256((path/name).read_bytes()).hexdigest() == want

# The right name with other columns

@pytest.mark.parametrize('name,file,rows', [('titanic', 'train.csv', 'Id,SalePrice\n1,2\n'), ('imdb', 'texts.csv.gz', 'review,sentiment\na,b\n')])
def test_a_file_of_the_right_name_with_other_columns(tmp_path, name, file, rows):
    pack = gzip.compress if file.endswith('.gz') else bytes
    (tmp_path/file).write_bytes(pack(rows.encode()))
    with pytest.raises(FileNotFoundError, match=f'columns of {file}'): get_data(name, tmp_path)
    names = DATASETS[name].columns[file].split()
    (tmp_path/file).write_bytes(pack(b'\xef\xbb\xbf' + ','.join([*names, 'more']).encode() + b'\r\n'))
    assert get_data(name, tmp_path) == tmp_path
