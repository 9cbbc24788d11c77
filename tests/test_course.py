"Code copied from the course works beside ours."
import os, subprocess, sys

import pytest, torch, torchvision
from fastlessons.data import get_data

# The first example of Howard and Gugger, Deep Learning for Coders with fastai and PyTorch, chapter 1 (fastbook 01_intro).
COURSE = '''
from fastai.vision.all import *
path = untar_data(URLs.PETS)/'images'

def is_cat(x): return x[0].isupper()
dls = ImageDataLoaders.from_name_func(
    path, get_image_files(path), valid_pct=0.2, seed=42,
    label_func=is_cat, item_tfms=Resize(224))

learn = vision_learner(dls, resnet34, metrics=error_rate)
learn.fine_tune(1)
'''

@pytest.mark.slow
def test_the_courses_ten_lines_run_verbatim(tmp_path):
    # a fastai home with a part of the sample in the original's layout, and a resnet34 checkpoint with random weights
    pets, images = get_data('pets', 'sample'), tmp_path/'fastai'/'data'/'oxford-iiit-pet'/'images'
    images.mkdir(parents=True)
    for f in sorted((pets/'images').glob('*_[123].jpg'))[:81]:   # 65 to train on: one batch of fastai's 64
        (images/f.name).write_bytes(f.read_bytes())
    checkpoints = tmp_path/'torch'/'hub'/'checkpoints'
    checkpoints.mkdir(parents=True)
    torch.save(torchvision.models.resnet34().state_dict(), checkpoints/'resnet34-b627a593.pth')
    script = tmp_path/'course.py'
    script.write_text(f"import fastlessons, fastlessons.vision.transfer\nif __name__ == '__main__':\n    exec({COURSE!r}, globals())\n"
                      "    print('ERROR RATE', learn.validate()[1], 'OF', len(dls.valid_ds))\n")
    env = dict(os.environ, FASTAI_HOME=str(tmp_path/'fastai'), TORCH_HOME=str(tmp_path/'torch'))
    r = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=300)
    assert r.returncode == 0, r.stderr
    last = r.stdout.split('ERROR RATE')[-1].split()
    assert 0 <= float(last[0]) <= 1 and last[2] == '16', r.stdout
    assert 'Warning' not in r.stderr, r.stderr
