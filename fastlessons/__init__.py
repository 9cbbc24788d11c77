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

# A name of version 0.1.0 -> what to use now; x.*: any name of a module that is a package now.
_OLD = {
    'foundations': 'fastlessons.train',
    'pets': 'fastlessons.vision.transfer',
    'cnn': 'fastlessons.vision.cnn',
    'backbone': 'fastlessons.vision.backbone',
    'web': 'fastlessons.deploy.web',
    'films': 'fastlessons.samples.films',
    'nlp': 'fastlessons.text.tokens, fastlessons.text.data or fastlessons.text.encoder',
    'reviews': 'fastlessons.samples.reviews',
    'collab_sheet': 'fastlessons.sheets.collab',
    'conv_sheet': 'fastlessons.sheets.conv',
    'samples.*': 'fastlessons.samples.pictures, fastlessons.samples.canvas or '
                 'fastlessons.samples.pack',
    'sheets.*': 'fastlessons.sheets.write or fastlessons.sheets.steps',
    'cli.lesson_table': 'fastlessons.course.lesson_table',
    'cli.read_lesson': 'fastlessons.course.read_lesson',
    'deploy.Classifier': 'fastlessons.deploy.classifier.PictureClassifier, whose predict '
                         'takes a list of pictures and names each; its predict_one '
                         'says what predict said of one',
    'deploy.export_classifier': 'fastlessons.deploy.export.export_classifier',
    'deploy.upright': 'fastlessons.deploy.classifier.upright',
    'layers.ResBlock': 'fastlessons.layers.ResidualBlock',
    'tabular.TableModel': 'fastlessons.tabular.TabularClassifier or '
                          'fastlessons.tabular.TabularRegressor',
    'text.encoder.TextPredictor': 'fastlessons.text.encoder.TextClassifier.from_learner',
    'text.encoder.embed': 'fastlessons.text.encoder.Embedder.embed',
    'text.encoder.similar': 'fastlessons.text.encoder.Embedder.similar',
    'vision.cnn.ResNet': 'fastlessons.vision.cnn.SmallResNet',
    'vision.cnn.ActivationStats': 'fastlessons.vision.cnn.LayerStats'}

def _old(name):
    "Say what to use instead of a name of version 0.1.0; nothing of any other name."
    package, _, old = name.partition('.')
    parent, _, child = old.rpartition('.')
    new = _OLD.get(old) or (child[:1] != '_' and _OLD.get(f'{parent}.*'))
    if package == 'fastlessons' and new:
        return (f'Since version 0.2.0 there is no {name}. Use {new}. CHANGELOG.md has '
                'all names.')

def _renamed(module):
    "Return a module's `__getattr__`: it refuses old names, and says what to use now."
    def find(name):
        says = _old(f'{module}.{name}')
        if not says: raise AttributeError(f'module {module!r} has no {name!r}')
        # of an AttributeError, `from module import name` would drop the words
        raise ImportError(says)
    return find

class _Moved(MetaPathFinder):
    "Refuse the old name of a module; asked only for what nobody else finds."
    def find_spec(self, name, path=None, target=None):
        if says := _old(name): raise ModuleNotFoundError(says, name='fastlessons')

sys.meta_path.append(_Moved())
del MetaPathFinder, PackageNotFoundError, version, warnings
