"""Helpers from the fastlessons notebooks: data, models and checks for learning deep learning by running it."""
import warnings
from importlib.metadata import PackageNotFoundError, version

try: __version__ = version('fastlessons')
except PackageNotFoundError: __version__ = '0+unknown'  # run from a checkout that is not installed

# fastcore and fastai still script one function on import; torch then tells every learner that this is out of date.
warnings.filterwarnings('ignore', message='`torch.jit.script', category=FutureWarning)
# fastai turns columns of a table into tensors. Those of pandas 3 are read-only, and torch warns that one must not
# write to such a tensor. fastai only reads them.
warnings.filterwarnings('ignore', message='The given NumPy array is not writable', category=UserWarning)
del warnings
