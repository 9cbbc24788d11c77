"""Helpers from the fastlessons notebooks: data, models and checks for learning deep learning by running it."""
import os, sys, warnings
from importlib.abc import MetaPathFinder
from importlib.metadata import PackageNotFoundError, version

try: __version__ = version('fastlessons')
except PackageNotFoundError: __version__ = '0+unknown'  # run from a checkout that is not installed

# PyTorch's threads wait by spinning. Beside one other busy program that makes a small training many times slower, so
# they are told to sleep. That helps only where torch is not loaded yet; `fastlessons doctor` says so where it is.
if 'torch' not in sys.modules: os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# fastcore and fastai still script one function on import; torch then tells every learner that this is out of date.
warnings.filterwarnings('ignore', message='`torch.jit.script', category=FutureWarning)
# fastai turns columns of a table into tensors. Those of pandas 3 are read-only, and torch warns that one must not
# write to such a tensor. fastai only reads them.
warnings.filterwarnings('ignore', message='The given NumPy array is not writable', category=UserWarning)
# Python in a browser cannot lock a file for others, and filelock says so. There are no others.
warnings.filterwarnings('ignore', message='only soft file lock', category=UserWarning)

_MOVED = dict(  # a module of version 0.1.0 -> where its names are now
    foundations='train', pets='vision.transfer', cnn='vision.cnn',
    backbone='vision.backbone', web='deploy.web', films='samples.films',
    nlp='text.tokens, text.data and text.encoder', reviews='samples.reviews',
    collab_sheet='sheets.collab', conv_sheet='sheets.conv')
_SPLIT = dict(  # a module that is a package now -> where most of its names are
    samples='samples.pictures, samples.canvas and samples.pack',
    sheets='sheets.write and sheets.steps')

class _Moved(MetaPathFinder):
    "Say where the names of a module have gone; asked only for what nobody else finds."
    def find_spec(self, name, path=None, target=None):
        package, _, module = name.partition('.')
        parent, _, child = module.partition('.')
        if package != 'fastlessons': return
        new = _MOVED.get(module)
        if child and child[0] != '_': new = _SPLIT.get(parent)
        if not new: return
        raise ModuleNotFoundError(f'Since version 0.2.0 what was fastlessons.{parent} is '
                                  f'in {new}; CHANGELOG.md has the names.', name=package)

sys.meta_path.append(_Moved())
del MetaPathFinder, PackageNotFoundError, version, warnings
