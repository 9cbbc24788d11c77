"""Compare fastai's own way to use a trained classifier (`load_learner`, `learn.predict`) with a model folder and `PictureClassifier`.

Both answer the same pictures in fresh processes, in turns. Each number is the median of several runs.
Another network: python benchmarks/predict.py resnet34
When other programs keep the cores busy, PyTorch's threads wait for each other and its times grow many fold. Then only a run with
OMP_NUM_THREADS=1 is fair.
"""
import json, os, subprocess, sys, tempfile, time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from statistics import median

os.environ['PYTHONPATH'] = os.pathsep.join([str(Path(__file__).resolve().parent.parent), os.environ.get('PYTHONPATH', '')])
sys.path.insert(0, os.environ['PYTHONPATH'].split(os.pathsep)[0])
RUNS, PICTURES = 3, 40

# What each process does: get ready, answer one picture, then many. It prints one line after the first answer, one at the end.
CHILD = '''
import json, sys, time
model, *files = sys.argv[1:]
{ready}
first = predict(files[0])
print(json.dumps(first), flush=True)
times, cpu = [], time.process_time()
for f in files:
    t = time.perf_counter()
    predict(f)
    times.append(time.perf_counter() - t)
cpu = (time.process_time() - cpu)/len(files)
import resource
print(json.dumps(dict(times=times, cpu=cpu, mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024)))
'''
WAYS = {
    'load_learner': '''
import warnings
warnings.simplefilter('ignore')   # load_learner warns about pickles; the lesson explains why
from fastai.learner import load_learner
import fastai.vision.all
learn = load_learner(model)
def predict(f):
    with learn.no_bar(): _, _, probs = learn.predict(f)
    return dict(zip(map(str, learn.dls.vocab), map(float, probs)))
''',
    'PictureClassifier': '''
from fastlessons.deploy.classifier import PictureClassifier
predict = PictureClassifier.load(model).predict_one
'''}

def run(
    way,    # key of WAYS
    model,  # the pickle or the model folder
    files,  # pictures
):          # Returns dict: first answer, seconds to it, median seconds a picture, seconds of processor time a picture, peak memory in MB
    "Predict in a fresh process and measure."
    t = time.perf_counter()
    with subprocess.Popen([sys.executable, '-c', CHILD.format(ready=WAYS[way]), model, *files], stdout=subprocess.PIPE, text=True) as p:
        first = json.loads(p.stdout.readline())
        cold = time.perf_counter() - t
        end = json.loads(p.stdout.readline())
    return dict(first=first, cold=cold, each=median(end['times']), cpu=end['cpu'], mb=end['mb'])

def closure(names):  # Returns a set of installed distributions' names
    "Follow the requirements of the distributions `names`."
    from packaging.requirements import Requirement
    todo, done = list(names), set()
    while todo:
        name = todo.pop().lower().replace('_', '-')
        try: d = distribution(name)
        except PackageNotFoundError: continue   # needed only on another system
        if name in done: continue
        done.add(name)
        todo += [r.name for r in map(Requirement, d.requires or []) if not r.marker or r.marker.evaluate(dict(extra=''))]
    return done

def installed_mb(names):
    "Return the size on disk of the distributions `names` and all that they require, in MB."
    files = [f.locate() for n in closure(names) for f in distribution(n).files or []]
    return sum(Path(f).stat().st_size for f in files if Path(f).is_file())/1e6

def make_models(folder, arch):
    "Save one network both ways, with random weights as only time counts, and the names of some validation pictures."
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, get_image_files, imagenet_stats, vision_learner
    from fastlessons.vision.backbone import backbone
    from fastlessons.data import get_data
    from fastlessons.deploy.export import export_classifier
    path = get_data('pets', 'sample')
    dls = ImageDataLoaders.from_name_re(path, get_image_files(path/'images'), r'(.+)_\d+.jpg$', bs=16, num_workers=0,
                                        item_tfms=Resize(160), batch_tfms=Normalize.from_stats(*imagenet_stats))
    learn = vision_learner(dls, backbone(arch), pretrained=False)
    learn.export(folder/'model.pkl')
    export_classifier(learn, folder/'model')
    (folder/'files.json').write_text(json.dumps([str(f) for f in dls.valid_ds.items[:PICTURES]]))

def main(arch='resnet_mini'):
    with tempfile.TemporaryDirectory() as tmp:
        # in a process of its own: a child's peak memory counts what its parent had when it started the child
        subprocess.run([sys.executable, __file__, arch, tmp], check=True)
        models = {'load_learner': Path(tmp)/'model.pkl', 'PictureClassifier': Path(tmp)/'model'}
        files = json.loads((Path(tmp)/'files.json').read_text())
        res = {way: [] for way in WAYS}
        for _ in range(RUNS):
            for way in WAYS: res[way].append(run(way, models[way], files))
        mb = {way: sum(f.stat().st_size for f in ([p] if p.is_file() else p.iterdir()))/1e6 for way, p in models.items()}
    a, b = (r[0]['first'] for r in res.values())
    gap = max(abs(a[k] - b[k]) for k in a)
    assert gap < 1e-3, f'the two ways differ by {gap}'
    old, new = ({k: median(r[k] for r in res[way]) for k in ('cold', 'each', 'cpu', 'mb')} for way in WAYS)
    disk = installed_mb(['fastai']), installed_mb(['onnxruntime', 'numpy', 'pillow'])
    rows = [('a picture, ms', old['each']*1e3, new['each']*1e3), ('the same, processor time, ms', old['cpu']*1e3, new['cpu']*1e3),
            ('from the start to the first answer, s', old['cold'], new['cold']),
            ('peak memory, MB', old['mb'], new['mb']), ('to be installed, MB', *disk), ('the model, MB', *mb.values())]
    print(f'{arch}, {RUNS} runs each, {len(files)} pictures, {os.cpu_count()} cores, OMP_NUM_THREADS {os.environ.get("OMP_NUM_THREADS", "not set")}; largest difference between the two answers {gap:.1e}')
    print(f'{"":36}{"load_learner":>14}{"PictureClassifier":>18}{"ratio":>10}')
    for name, x, y in rows: print(f'{name:36}{x:14.2f}{y:18.2f}{x/y:9.1f}x')
    for name, x, y in rows: print(f'=> {name}: PictureClassifier, load_learner | {arch}, 128 px | {y:.2f} | {x:.2f} | {x/y:.1f}')

if __name__ == '__main__': make_models(Path(sys.argv[2]), sys.argv[1]) if len(sys.argv) == 3 else main(*sys.argv[1:])
