"Answers to the exercises of lesson 01: for each the right one and wrong ones that people really write."
import re

from fastai.vision.all import ImageDataLoaders, Resize, error_rate, vision_learner
from fastlessons.exercises.l01 import breed, diagnosis, trained
from fastlessons.vision.backbone import backbone
from fastlessons.vision.transfer import tune_head

RIGHT = diagnosis()

def swapped(a, b):
    out = dict(RIGHT)
    out[a], out[b] = out[b], out[a]
    return out

def made(size=128, epochs=20, pretrained=True, label=breed, lr=3e-3):
    "Return a function that trains as in the lesson, with these settings."
    def f(files):
        dls = ImageDataLoaders.from_name_func('.', files, label, valid_pct=.1, seed=42, bs=16, item_tfms=Resize(size), num_workers=0)
        learn = vision_learner(dls, backbone('resnet_mini'), metrics=error_rate, pretrained=pretrained)
        tune_head(learn, epochs, lr, show=False)
        return learn
    return f

ANSWERS = {
    '01.1': dict(
        right=[breed, lambda f: re.match(r'(.+)_\d+\.jpg$', f)[1], lambda f: '_'.join(f.split('_')[:-1])],
        wrong=[lambda f: f.split('_')[0],              # Maine_Coon has an underscore of its own
               lambda f: f.removesuffix('.jpg'),       # the number is still there
               lambda f: f.rpartition('_')[0].lower(), # the capital letter says that it is a cat
               lambda f: re.match(r'([a-z_]+)_', f)[1], # no capital letters: stops with an exception
               lambda f: f[0].isupper(),               # cat or dog, not the breed
               lambda f: f.rstrip('.jpg0123456789_'),  # takes letters away, not an ending: pug
               'beagle']),                             # not a function
    '01.2': dict(
        right=[RIGHT],
        wrong=[swapped('A', 'C'), swapped('B', 'D'), swapped('B', 'C'), swapped('A', 'D'), dict(A='cheating'), list(RIGHT.values()),
               dict.fromkeys('ABCD', 'well'), {}]),
    '01.3': dict(
        right=[trained, made(96)],
        wrong=[made(32, 2, False),          # as it is
               made(32), made(128, 2), made(128, 20, False),   # two of its three faults are left out, one is left
               made(label=lambda name: 'cat' if name[0].isupper() else 'dog'),   # not the breed
               lambda files: files, lambda files: None]),
}
