"""Compare the head tuned on kept features (`tune_head`) with fastai's stock `fine_tune(1)`, side by side in one run.

    python benchmarks/pets.py [--seeds 3] [--data FOLDER] [--arch NAME] [--sizes 224] [--tasks species breeds] [--parts]

Both get the same pictures, the same split and the same pretrained network, and are validated by fastai's
`learn.validate()`. The clock runs from the files to the trained learner. Nothing else should run on the machine;
CPU seconds (all cores, all processes) are shown because they tell more than the clock if something does."""
import argparse, contextlib, io, resource, time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from importlib.util import find_spec
from statistics import median

from fastlessons.data import get_data
from fastlessons.layers import one_core
from fastlessons.vision import engine, transfer as pets
from fastlessons.vision.backbone import backbone
import torch
from fastai.vision.all import (ImageDataLoaders, PILImage, RegexLabeller, Resize, defaults, error_rate, get_image_files, set_seed,
                               vision_learner)

TASKS = {'species': lambda name: 'cat' if name[0].isupper() else 'dog', 'breeds': RegexLabeller(r'^(.+)_\d+\.')}

def stock(learn): learn.fine_tune(1)

def cpu_seconds(): return sum(r.ru_utime+r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))

def trial(how, files, label, arch, size, seed):
    "Train once: error rate, seconds, CPU seconds."
    set_seed(seed)
    start, cpu = time.perf_counter(), cpu_seconds()
    with contextlib.redirect_stdout(io.StringIO()):
        dls = ImageDataLoaders.from_name_func('.', files, label, seed=seed, item_tfms=Resize(size))
        learn = vision_learner(dls, arch, metrics=error_rate)
        how(learn)
        took = time.perf_counter()-start, cpu_seconds()-cpu
        return learn.validate()[1], *took

def compare(task, files, arch, sizes, seeds):
    "Run all ways in turn for each seed, so that a change of the machine's load meets all of them; print medians."
    ways = {(how.__name__, size): [] for size in sizes for how in (stock, pets.tune_head)}
    for seed in range(seeds):
        for (name, size), res in ways.items():
            res.append(trial(stock if name == 'stock' else pets.tune_head, files, TASKS[task], arch, size, seed))
            print(f'  {task}, seed {seed}, {name} at {size} px: error {res[-1][0]:.3f}, {res[-1][1]:.1f} s', flush=True)
    med = {way: [median(c) for c in zip(*res)] for way, res in ways.items()}
    print(f'\n{task}, {len(files)} pictures, {arch.__name__}, medians of {seeds} seeds')
    print(f'{"":18}{"error":>8}{"seconds":>9}{"CPU s":>8}   faster than stock at ' + ', '.join(f'{s} px' for s in sizes))
    for (name, size), (err, sec, cpu) in med.items():
        ratios = ', '.join(f'{med["stock", s][1]/sec:.1f}x' for s in sizes)
        print(f'{f"{name} {size} px":18}{err:8.3f}{sec:9.1f}{cpu:8.1f}   {ratios}')
    for size in sizes:
        (e, s, _), (e0, s0, _) = med['tune_head', size], med['stock', size]
        print(f'=> seconds to train (error): tune_head, fine_tune(1) | {len(files)} pets at {size} px, {task}, {arch.__name__} | '
              f'{s:.1f} ({e:.3f}) | {s0:.1f} ({e0:.3f}) | {s0/s:.1f}')
    print()

def speed(f, n, cores, seconds=2):
    "Pictures a second of processor time on all cores: `f` handles `n` of them, called in a thread for each core."
    f()
    end = time.perf_counter() + seconds
    def work(_):
        done, start = 0, time.thread_time()
        while time.perf_counter() < end:
            f()
            done += n
        return done/(time.thread_time()-start)
    with ThreadPoolExecutor(cores) as ex: return sum(ex.map(work, range(cores)))

def parts(files, arch, sizes, n=16):
    "Print how fast the steps are, each on all cores."
    cores, fs = defaults.cpus, files[:n]
    print(f'Pictures a second on {cores} cores, if nothing else runs on them')
    with one_core(), torch.inference_mode():
        print(f'  check                    {speed(lambda: [pets._flaw(f) for f in fs], n, cores):6.0f}')
        for size in sizes:
            dls = ImageDataLoaders.from_name_func('.', files, TASKS['species'], seed=0, item_tfms=Resize(size))
            body, tl = vision_learner(dls, arch).model[0].eval(), dls.train_ds.tls[0]
            x, px, last = torch.randn(n, 3, size, size), pets._needed_size(dls), dict(memory_format=torch.channels_last)
            fast = engine._fast_copy(body, torch.device('cpu'))
            dt = next(fast.parameters()).dtype
            print(f'  at {size} px')
            def show(name, f): print(f'    {name:23}{speed(torch.inference_mode()(f), n, cores):6.0f}', flush=True)
            show('open, full size', lambda: [PILImage.create(f) for f in fs])
            show('open, size needed', lambda: [pets._open_small(f, px) for f in fs])
            show('read, full size', lambda: pets._read_batch(dls, tl, range(n)))
            show('read, size needed', lambda: pets._read_batch(dls, tl, range(n), px))
            cl, folded = deepcopy(body).to(**last), deepcopy(fast).float()
            show('body as it is', lambda: body(x))
            show('  channels last', lambda: cl(x.to(**last)))
            show('  and folded', lambda: folded(x.to(**last)))
            if dt != torch.float32: show('  and bfloat16', lambda: fast(x.to(dt, **last)))
            start = time.perf_counter()
            model = engine._as_onnx(deepcopy(body), x)
            print(f'    written as ONNX in     {time.perf_counter()-start:6.1f} s')
            for name in filter(find_spec, engine.ENGINES):
                run = engine.ENGINES[name](model)
                show(f'  {name}', lambda: run(x))
            show('read and fast body', lambda: fast(pets._read_batch(dls, tl, range(n), px).to(dt, **last)))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seeds', type=int, default=3)
    p.add_argument('--data', help="'sample', 'full' or a folder with the real set")
    p.add_argument('--arch', help='torchvision architecture, or resnet_mini')
    p.add_argument('--sizes', type=int, nargs='+', default=[224])
    p.add_argument('--tasks', nargs='+', choices=TASKS, default=['species'])
    p.add_argument('--parts', action='store_true', help='only the speeds of the steps')
    a = p.parse_args()
    path = get_data('pets', a.data)
    arch = backbone(a.arch, path, show=True)
    files = pets.check_images(get_image_files(path/'images').sorted(), show=True)
    if not a.parts:
        for task in a.tasks: compare(task, files, arch, a.sizes, a.seeds)
    parts(files, arch, a.sizes)

if __name__ == '__main__': main()
