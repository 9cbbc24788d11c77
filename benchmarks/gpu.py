"""Measure how long a step of training takes on this machine's graphics card, and keep it for lesson 13.

    python benchmarks/gpu.py [--data SOURCE] [--out FILE]

For networks with two hidden layers, narrow and wide, in float32 and in bfloat16, beside the processor of the same machine.
The milliseconds go into data/gpu.json with the card's name and the date; lesson 13 shows them where there is no card.
Without a card it says so and writes nothing."""
import argparse, json, time
from pathlib import Path

from fastlessons.core import atomic_write
from fastlessons.train import seconds_a_step
import torch
from torch import nn

WIDTHS = 64, 512, 4096

def net(width): return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))

def milliseconds(device, bf16, bs=128):
    "Return the time of a step for each width."
    torch.manual_seed(0)
    xb, yb = torch.randn(bs, 64), torch.randint(10, (bs,))
    steps = 50 if device == 'cuda' else 5
    return {str(w): round(1e3*seconds_a_step(net(w), xb, yb, device, bf16=bf16, steps=steps), 3) for w in WIDTHS}

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', help='not used: the numbers are drawn at random')
    p.add_argument('--out', type=Path, default=Path(__file__).parent.parent/'data/gpu.json')
    out = p.parse_args().out
    if not torch.cuda.is_available(): return print('There is no NVIDIA GPU here: nothing is measured.')
    card, processor = torch.cuda.get_device_name(0), milliseconds('cpu', False)
    found = {'float32': milliseconds('cuda', False), 'bfloat16': milliseconds('cuda', True)}
    for width in WIDTHS:
        ours, other = found['float32'][str(width)], processor[str(width)]
        print(f'=> a step of training: {card}, its processor | two hidden layers of {width} | {ours:.2f} ms | {other:.2f} ms | {other/ours:.1f}')
        print(f'   in bfloat16: {found["bfloat16"][str(width)]:.2f} ms')
    known = json.loads(out.read_text(encoding='utf-8')) if out.is_file() else {}
    known['13'] = dict(device=card, when=time.strftime('%Y-%m-%d'), torch=torch.__version__, milliseconds=found)
    with atomic_write(out) as new: new.write_text(json.dumps(known, indent=1) + '\n', encoding='utf-8')

if __name__ == '__main__': main()
