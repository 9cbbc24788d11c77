"""Run all benchmarks, or those that are named, and write their results to RESULTS.md beside this file.

    python benchmarks/run.py [NAME ...] [--data FOLDER] [--surprise PYTHON]

A benchmark prints what it likes. Its lines `=> what is compared: ours, other | on what | ours | other | ratio` become rows
of one table; a ratio above 1 means that ours is faster or smaller. All that it prints stands below the table. Parts of
RESULTS.md whose benchmarks are not named stay as they are. Nothing else should run on the machine."""
import argparse, os, re, shlex, subprocess, sys, time
from pathlib import Path

from fastlessons.check import machine

HERE = Path(__file__).resolve().parent
NAMES = sorted(p.stem for p in HERE.glob('*.py') if p.stem != 'run')
RESULTS, HEAD = HERE/'RESULTS.md', '| what: ours, the other | on what | ours | the other | ratio | by |\n|---|---|---|---|---|---|\n'
WITHOUT_DATA = 'predict', 'serve'   # always on the sample

def run(name, data, surprise):
    "Run one benchmark, show what it prints, and return its part of RESULTS.md."
    args = ['--data', data]*bool(data) if name not in WITHOUT_DATA else []
    shown, start, lines = ' '.join(['python', f'benchmarks/{name}.py', *map(shlex.quote, args)]), time.time(), []
    if name == 'collab' and surprise: args, shown = args + ['--surprise', surprise], shown + ' --surprise PYTHON'
    print(f'\n{shown}', flush=True)
    with subprocess.Popen([sys.executable, HERE/f'{name}.py', *args], stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as p:
        for line in p.stdout:
            print(line, end='', flush=True)
            lines.append(line.rstrip())
    if p.returncode: raise SystemExit(f'{shown} ended with {p.returncode}; its part of RESULTS.md stays as it was.')
    m, text = machine(), '\n'.join(lines).replace(str(HERE.parent)+os.sep, '')
    on = (f"{time.strftime('%Y-%m-%d')}, {m['cores']} cores, Python {m['python']}, fastai {m['fastai']}, torch {m['torch']}, "
          f'{time.time()-start:.0f} seconds')
    return f'## {name}\n\n`{shown}` ({on})\n\n```text\n{text}\n```\n'

def parts(text):
    "Split RESULTS.md into its parts: name -> text."
    return {re.match(r'## (\w+)', p)[1]: p.rstrip() + '\n' for p in re.split(r'^(?=## )', text, flags=re.M) if p.startswith('## ')}

def write(found):
    "Write RESULTS.md from its parts."
    rows = [[c.strip() for c in line[2:].split('|')] + [name] for name, p in found.items() for line in p.splitlines() if line.startswith('=>')]
    table = HEAD + ''.join(f"| {' | '.join(r)} |\n" for r in rows)
    text = f'# Measured side by side\n\nMade by `make bench`; do not edit.\n\n{table}\n' + '\n'.join(found.values())
    new = RESULTS.with_suffix('.tmp')
    new.write_text(text, encoding='utf-8')
    os.replace(new, RESULTS)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('names', nargs='*', metavar='NAME', help=f"of {', '.join(NAMES)}")
    p.add_argument('--data', help="'sample', 'full' or a folder with the real sets")
    p.add_argument('--surprise', metavar='PYTHON', help='of an environment that has scikit-surprise, for collab')
    a = p.parse_args()
    if unknown := set(a.names) - set(NAMES): p.error(f"there is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}")
    for name in a.names or NAMES:
        part = run(name, a.data, a.surprise)   # reads the file after it: two runs do not overwrite each other's parts
        have = parts(RESULTS.read_text(encoding='utf-8')) if RESULTS.exists() else {}
        write({n: part if n == name else have[n] for n in NAMES if n == name or n in have})

if __name__ == '__main__': main()
