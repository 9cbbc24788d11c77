"""How far the numbers of lessons move: `python tools/spread.py 03 05`.

A machine with other cores adds up in another order, and training then goes another way.
So each lesson is run with one thread, then with two and the arithmetic of an older
processor, and again with other seeds of its training; the data and its split stay. For
each number: all values, and three standard deviations around their mean, the band that
`tests/expected.toml` may have. What a number must at least be is for you to add."""
import json, os, re, statistics, subprocess, sys, tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LEAST = .003   # half the width of a band at least: a rounding, or one row of many
SEEDS = [re.compile(r'(?<!generator=)(?<!generator=torch\.)\b'
                    r'((?:set|manual)_seed\()(\d+|seed\b)'),
         re.compile(r'(\b[A-Z]\w*\([^()]*\bseed=)(\d+|s\b)'),   # of a model
         re.compile(r'((?:Forest|Boosting)\w*\([^()]*\brandom_state=)(\d+)'),
         re.compile(r'(def \w+\([^()]*\bseed=)(\d+)'),   # of a function that trains
         re.compile(r'(\btrain\([^()]*\bseed=)(\d+)')]
WEIGHTS = re.compile(r'(default_rng\()(\d+)')   # in a cell that makes a network
NETWORK = re.compile(r'\b(?:Net|Linear)\(')
OLDER = dict(OPENBLAS_CORETYPE='Sandybridge', ATEN_CPU_CAPABILITY='default',
             MKL_CBWR='COMPATIBLE', ONEDNN_MAX_CPU_ISA='SSE41')

def variations(seeds):
    "Yield what is added to the seeds, the number of threads, and other settings."
    yield 0, 1, {}
    yield 0, 2, OLDER
    for k in range(1, seeds+1): yield 1000*k, 1 + k%2, {}

def other_seeds(source, more):
    "Return a cell's source with `more` added to the seeds of its training."
    for seed in SEEDS + [WEIGHTS]*bool(NETWORK.search(source)):
        source = seed.sub(rf'\g<1>\g<2>+{more}', source)
    return source

def numbers(path, more, threads, settings):
    "Run a lesson with other seeds; return the numbers that it recorded."
    nb = nbformat.read(path, 4)
    for c in nb.cells: c.source = other_seeds(c.source, more)
    with tempfile.TemporaryDirectory() as tmp:
        nbformat.write(nb, Path(tmp)/path.name)
        env = dict(os.environ, FASTLESSONS_DATA='sample', FASTLESSONS_HOME=f'{tmp}/h',
                   TORCH_HOME=f'{tmp}/torch', OMP_NUM_THREADS=str(threads),
                   **settings)
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
