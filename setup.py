"Read settings.ini, the only place for the name, the version and the requirements."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).parent
cfg = ConfigParser(delimiters=['='], default_section=None)
cfg.read(here/'settings.ini', encoding='utf-8')
s = cfg['DEFAULT']

setup(
    version=s['version'],
    description=s['description'],
    author=s['author'],
    license=s['license'],
    keywords=s['keywords'].split(),
    url=s['repo_url'],
    python_requires=f">={s['min_python']}",
    long_description=(here/'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    install_requires=s['requirements'].split(),
    extras_require={k: v.split() for k, v in cfg['extras'].items()},
    # The lessons, the samples and the app's files travel inside the package, so that it
    # works outside a checkout.
    packages=[*find_packages(include=['fastlessons', 'fastlessons.*']),
              'fastlessons._lessons', 'fastlessons._samples', 'fastlessons._web'],
    package_dir={'fastlessons._lessons': 'nbs', 'fastlessons._samples': 'data',
                 'fastlessons._web': 'web'},
    include_package_data=False,   # else all of MANIFEST.in travels, nbs/lib too
    package_data={'fastlessons._lessons': ['*.ipynb', 'projects/*.ipynb',
                                           'images/*'],
                  'fastlessons._samples': ['*.zip', '*.safetensors', '*.txt', '*.md',
                                           '*.json'],
                  'fastlessons._web': ['*.html', '*.css', '*.js', 'interactive/*.js']},
    entry_points={'console_scripts': ['fastlessons=fastlessons.cli:main']},
    classifiers=['Programming Language :: Python :: 3',
                 'Intended Audience :: Education'],
)
