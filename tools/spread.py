"""How far the numbers of lessons move: `python tools/spread.py 03 05`.

A machine with other cores adds up in another order, and training then goes another way.
So each lesson is run with one thread and with two, and again with other seeds of its
training; the split of the data stays. For each number: all values, and three standard
deviations around their mean, the band that `tests/expected.toml` may have."""
import json, os, re, statistics, subprocess, sys, tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LEAST = .003   # half the width of a band at least: a rounding, or one row of many
SEEDS = [re.compile(r'(?<!generator=)(?<!generator=torch\.)\b'
                    r'((?:set|manual)_seed\()(\d+)'),
         re.compile(r'((?:Forest|Tree)\w*\([^()]*\bseed=)(\d+)'),   # of a model
         re.compile(r'(def \w+\([^()]*\bseed=)(\d+)')]   # of a function that trains

def variations(seeds):
    "Yield what is added to the seeds, and the number of threads."
    yield 0, 1
    yield 0, 2
    for k in range(1, seeds+1): yield 1000*k, 1 + k%2

def numbers(path, more, threads):
    "Run a lesson with other seeds; return the numbers that it recorded."
    nb = nbformat.read(path, 4)
    for c in nb.cells:
        for seed in SEEDS:
            c.source = seed.sub(lambda m: f'{m[1]}{int(m[2])+more}', c.source)
    with tempfile.TemporaryDirectory() as tmp:
        nbformat.write(nb, Path(tmp)/path.name)
        env = dict(os.environ, FASTLESSONS_DATA='sample', FASTLESSONS_HOME=f'{tmp}/h',
                   TORCH_HOME=f'{tmp}/torch', OMP_NUM_THREADS=str(threads))
        code = ('import nbformat, sys; from pathlib import Path; '
                'from fastlessons.run import execute; p = Path(sys.argv[1]); '
                'execute(nbformat.read(p, 4), p.parent)')
        command = [sys.executable, '-c', code, Path(tmp)/path.name]
        subprocess.run(command, env=env, check=True)
        lines = Path(f'{tmp}/h/results.jsonl').read_text().splitlines()
        return json.loads(lines[-1])['metrics']

def band(values):
    "Return the mean, less and plus three standard deviations."
    mean = statistics.mean(values)
    half = max(3*statistics.stdev(values), LEAST)
    return round(mean-half, 4), round(mean+half, 4)

def main(names, seeds=3):
    for name in names:
        path, = (ROOT/'nbs').glob(f'{name}_*.ipynb')
        found = [numbers(path, *v) for v in variations(seeds)]
        print(f'["{name}".sample]')
        for k in found[0]:
            values = [f[k] for f in found]
            low, high = band(values)
            print(f'{k} = [{low:g}, {high:g}]   #', *(f'{v:.4g}' for v in values))

if __name__ == '__main__': main(sys.argv[1:]) if sys.argv[1:] else sys.exit(__doc__)
