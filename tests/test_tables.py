"Tables as people bring them: words that are numbers or dates, and those that are not; separators, encodings, ids as written, damaged files."
import bz2, csv, gzip, io, lzma, warnings, zipfile

import numpy as np, pandas as pd, pytest
from hypothesis import assume, example, given, strategies as st

from conftest import refuses
from fastlessons.tables import check_written, read_table, to_times, written

# Words

rng = np.random.default_rng(0)
X = rng.normal(50, 30, 300)

NUMBERS = {
    'decimal comma': ([f'{x:.1f}'.replace('.', ',') for x in X], "decimal=','"),
    'both marks, German': ([f'{x*1e4:,.2f}'.translate(str.maketrans(',.', '.,')) for x in X], "decimal=',', thousands='.'"),
    'both marks, Swedish': ([f'{x*1e4:,.2f}'.replace(',', '\xa0').replace('.', ',') for x in X], "decimal=','"),
    'Swiss': ([f'{x*1e4:,.0f}'.replace(',', '’') for x in X], 'thousands'),
    'thousands': ([f'{x*1e5:,.0f}' for x in X], "thousands=','"),
    'thousands or decimals': (['1,234', '5,678', '999'], "decimal=','"),
    'percent': ([f'{x:.0f} %' for x in X], '.str.replace'), 'few percent': (['10%', '20%']*50, '%'),
    'pounds': ([f'£{abs(x)*1e3:,.2f}' for x in X], '£'), 'code': ([f'CHF {abs(x):.2f}' for x in X], 'CHF'),
    'minus sign': ([f'−{abs(x):.1f}' for x in X], 'to_numeric'),
    'unit': ([f'{abs(x):.1f}kg' for x in X], 'kg'), 'power': ([f'{x:e}' for x in X], 'to_numeric'),
    'n/a': ([*map(str, X[:30]), 'n/a'], "na_values=['n/a']"), 'dashes': (['3', '--', '-', '4'], "na_values=['--', '-']"),
    'few, with a gap': (['1', '2', '?']*20, "na_values=['?']"), 'as it is': ([f'{x:.2f}' for x in X], 'pd.to_numeric')}

@pytest.mark.parametrize('words,todo', NUMBERS.values(), ids=NUMBERS)
def test_numbers_in_another_notation(words, todo):
    found = written(pd.Series([*words, None], name='price'))
    assert found.kind == 'numbers' and todo in found.todo and 'coerce' not in found.todo
    refuses(ValueError, lambda: check_written(pd.Series(words), 'price'), "'price'", 'numbers written as text', limit=600)

DATES = {
    'ISO': ['2024-02-29', '2023-12-01'], 'slashes': ['31/12/2023', '1/2/2024'], 'American': ['12/31/2023', '1/2/24'],
    'dots': ['31.12.2023', '01.02.2024'], 'words': ['5 January 2020', '12-Feb-21'], 'English': ['Jan 5, 2020', 'Friday, March 1, 2024'],
    'with hours': ['2024-01-01 10:00:00', '2024-01-02T11:30:00Z'], 'hours': ['10:30', '9:15', '23:59:59'],
    'quarters': ['2024Q1', '2024-Q2'], 'months': ['2024-01', '2024-12'], 'with gaps': ['2024-01-01', 'n/a', '2024-01-03']}

@pytest.mark.parametrize('words', DATES.values(), ids=DATES)
def test_dates_as_text(words):
    found = written(words, 'day')
    assert found.kind == 'dates' and "parse_dates=['day']" in found.todo

HONEST = {
    'postal codes': ['01067', '10115', '80331'], 'zeros': ['007', '08', '9'], 'long ids': [f'{10**18+i}' for i in range(90)],
    'grades': ['1', '2', '3', '4', '5', '6']*10, 'shoe sizes': ['7.5', '8', '8.5']*9, 'Python': ['3.9', '3.10', '3.11']*4,
    'versions': ['1.2.3', '1.10.14', '2.0.1'], 'sizes': ['S', 'M', 'XL'], 'yes': ['yes', 'no']*4, 'truth': ['True', 'False'],
    'a gap among words': ['A', '?', 'B'], 'only gaps': ['?', '-'], 'house numbers': ['12', '12a', '14', '3b'], 'ranks': ['1st', '2nd', '3rd'],
    'tickets': ['PC 17599', '113803', 'A/5 21171'], 'addresses': ['10.0.0.1', '192.168.1.12'], 'weights': ['10 kg', '20 kg']*9,
    'phones': ['030 1234567', '089 998877', '+49 30 123'], 'answers': ['1,2', '1,2,3', '2,3,4'], 'units': ['3 kg', '5 g', '9 lb'],
    'ranges': ['10-20', '20-30'], 'scores': ['3:2', '4:11', '0:0'], 'plates': ['B-AB 123'], 'dates in a text': ['seen on 2024-01-01'],
    'no text': [True, False], 'mixed': ['a', 1, None], 'nothing': []}

@pytest.mark.parametrize('words', HONEST.values(), ids=HONEST)
def test_honest_words_stay_words(words):
    assert written(pd.Series(words, dtype=object)) is None
    check_written(words, 'name')

def test_a_few_words_among_numbers():
    words = [*map(str, range(100)), 'many', 'few']
    found = written(words, 'n')
    assert found.kind == 'numbers' and found.odd == ['many', 'few']
    refuses(ValueError, lambda: check_written(words, 'n'), "'many' in row 100", "na_values=['many', 'few']")
    assert written([*map(str, range(100)), *map(chr, range(97, 110))]) is None   # more than one in twenty

# Times

def test_times():
    days = to_times(pd.Series(['13/01/2024', None, '03/01/2024 10:30'], list('abc')))
    assert days.dt.day.fillna(0).tolist() == [13, 0, 3] and days.index.tolist() == list('abc')
    assert to_times(pd.Series(['01/13/2024', '02/03/2024'])).dt.month.tolist() == [1, 2]
    assert to_times(pd.Series(['2024-03-04', '2024-01-31T23:00:00'])).dt.month.tolist() == [3, 1]
    assert to_times(pd.Series(['March 4, 2020', '5 May 2021'])).dt.day.tolist() == [4, 5]
    assert to_times(pd.Series(['978300760'])).dt.year.tolist() == [2000]
    numbers = pd.Series([1., None])
    assert to_times(numbers) is numbers
    assert to_times(pd.Series(pd.period_range('2024', periods=2, freq='M'))).dt.month.tolist() == [1, 2]

@pytest.mark.parametrize('words,says', [
    (['03/01/2024', '05.01.2024'], 'not clear'), (['13/01/2024', '01/13/2024'], 'not clear'),
    (['2024-01-05 10:00', '2024-01-05T10:00:00+02:00'], 'time zone'), (['last week'], 'no date'), (['2024-02-31'], 'no date')])
def test_times_are_not_guessed(words, says):
    refuses(ValueError, lambda: to_times(pd.Series(words), 'when'), "'when'", says, words[0], 'pd.to_datetime', limit=500)

# The reader

TABLE = pd.DataFrame(dict(isbn=['0451', '0130', '9'], title=['Café, "the" best', 'Œuvre; II', 'a\tb|c::d'], n=[1, 2, 3]))

def packed(data):
    z = io.BytesIO()
    with zipfile.ZipFile(z, 'w') as f: f.writestr('a.csv', data)
    return {'plain': data, 'gzip': gzip.compress(data), 'bz2': bz2.compress(data), 'xz': lzma.compress(data), 'zip': z.getvalue()}

@pytest.mark.parametrize('sep', [',', ';', '\t', '|'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'])
def test_separators_and_encodings(tmp_path, sep, encoding):
    for end in '\n', '\r\n':
        path = tmp_path/'a.csv'
        path.write_bytes(TABLE.to_csv(index=False, sep=sep, lineterminator=end).encode(encoding))
        assert read_table(path).equals(TABLE)

@pytest.mark.parametrize('how', ['plain', 'gzip', 'bz2', 'xz', 'zip'])
def test_packed(tmp_path, how):
    path = tmp_path/'a'   # what it is counts, not what it is called
    path.write_bytes(packed(TABLE.to_csv(index=False).encode())[how])
    assert read_table(path).equals(TABLE)
    cut = path.read_bytes()
    if how in ('gzip', 'bz2', 'xz', 'zip'):
        path.with_suffix('.zip').write_bytes(cut[:-20])
        refuses(ValueError, lambda: read_table(path.with_suffix('.zip')), 'damaged', 'Get it again')

def test_an_old_encoding_is_said(tmp_path):
    path = tmp_path/'a.csv'
    path.write_bytes('who,what\n1,naïve café\n'.encode('cp1252'))
    with pytest.warns(UserWarning, match='cp1252.*naïve'): assert read_table(path).what[0] == 'naïve café'
    path.write_bytes('who,what\n1,кофе\n'.encode('cp1251'))
    assert read_table(path, encoding='cp1251').what[0] == 'кофе'   # asked for: no warning
    path.write_bytes('who,what\n1,naïve café, größer\n'.encode()[:-6] + b'\xff\n')
    refuses(ValueError, lambda: read_table(path), 'a.csv', 'row 2', 'encoding=')
    refuses(ValueError, lambda: read_table(path, encoding='klingon'), 'klingon')

BROKEN = {
    'long row': ('a,b\n1,2\n3,4,5\n', ['row 3', '3 fields, expected 2', "'3,4,5'", 'quotes']),
    'all rows longer': ('a,b\n1,2,3\n4,5,6\n', ['row 2', 'more fields']), 'open quote': ('a,b\n1,"x\n2,y\n', ['quotation mark', 'row 2']),
    'empty': ('', ['empty']), 'blank': ('\n \n', ['empty']), 'two separators': ('a;b,c\n1;2,3\n', ["',' or ';'", 'sep=']),
    'a page': ('<!DOCTYPE html><html></html>', ['page of the web']), 'Excel': (b'PK\x03\x04xxxx', ['Excel', 'pd.read_excel']),
    'old Excel': (b'\xd0\xcf\x11\xe0\xa1\xb1', ['Excel', 'pd.read_excel']), 'parquet': (b'PAR1....', ['read_parquet']),
    'zero bytes': (b'a,b\n' + b'1,2\n'*999 + b'\0\0\n', ['zero bytes'])}

@pytest.mark.parametrize('data,words', BROKEN.values(), ids=BROKEN)
def test_broken_files(tmp_path, data, words):
    path = tmp_path/'mine.csv'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    refuses(ValueError, lambda: read_table(path), 'mine.csv', *words, limit=500)

def test_no_file(tmp_path):
    refuses(FileNotFoundError, lambda: read_table(tmp_path/'no.csv'), 'no.csv')
    refuses(IsADirectoryError, lambda: read_table(tmp_path), 'folder')
    with zipfile.ZipFile(tmp_path/'two.zip', 'w') as z: z.writestr('a.csv', 'a'), z.writestr('b.csv', 'b')
    refuses(ValueError, lambda: read_table(tmp_path/'two.zip'), 'a.csv, b.csv')
    with zipfile.ZipFile(tmp_path/'b.xlsx', 'w') as z: z.writestr('xl/workbook.xml', '')
    refuses(ValueError, lambda: read_table(tmp_path/'b.xlsx'), 'Excel')

IDS = {   # as written -> as read
    'numbers': (['7', '130', '-5', '0'], [7, 130, -5, 0]), 'zeros': (['7', '007', '0'], ['7', '007', '0']), 'plus': (['+5', '5'], ['+5', '5']),
    'long': (['1234567890123456789', '1234567890123456788'], [1234567890123456789, 1234567890123456788]),
    'too long': (['99999999999999999999', '1'], ['99999999999999999999', '1']), 'power': (['1e5', '100000'], ['1e5', '100000']),
    'points': (['1.10', '1.1'], ['1.10', '1.1']), 'saved with gaps': (['7.0', '130.0'], [7, 130]), 'truth': (['True', 'False'], ['True', 'False']),
    'quoted zeros': (['"007"', '"8"'], ['007', '8']), 'late': (['1']*5 + ['x1'], ['1']*5 + ['x1']), 'hex': (['0x1F', '12'], ['0x1F', '12'])}

@pytest.mark.parametrize('written,read', IDS.values(), ids=IDS)
@pytest.mark.parametrize('form', ['{},z\n', 'z,{}\n', 'z;{};y\n', 'z, {}\n'])
def test_ids_stay_as_written(tmp_path, written, read, form):
    path = tmp_path/'a.csv'
    path.write_text(form.format('id') + ''.join(form.format(w) for w in written))
    assert read_table(path, exact=['id']).id.tolist() == read

def test_long_ids_with_gaps_and_by_chunk(tmp_path):
    path = tmp_path/'a.csv'
    path.write_text('id,n\n1234567890123456789,1\n,2\n1234567890123456788,3\n')
    assert read_table(path, exact=['id']).id.dropna().tolist() == [1234567890123456789, 1234567890123456788]
    ids = [*map(str, range(300_000)), 'x', '007']   # pandas looks at a part at a time
    path.write_text('id,n\n' + ''.join(f'{i},1\n' for i in ids))
    assert read_table(path, exact=['id']).id.tolist() == ids

def test_names_of_columns(tmp_path):
    path = tmp_path/'a.csv'
    path.write_text('sep=;\nname;name\n1;2\n')
    assert read_table(path).columns.tolist() == ['name', 'name']   # pandas alone says 'name.1'
    path.write_text('a\n1\n2\n')
    assert read_table(path).a.tolist() == [1, 2]

# Anything that the csv module can write; of a single column nobody can tell whether a mark in each row separates

cell = st.text(st.characters(codec='utf-8', exclude_characters='\0\r', exclude_categories=['Cs']), max_size=8)
words = st.lists(st.lists(cell, min_size=2, max_size=4), min_size=2, max_size=6)

def as_read(v): return '' if pd.isna(v) else str(v)

@given(words, st.sampled_from(',;\t|'), st.sampled_from(['utf-8', 'utf-8-sig', 'utf-16', 'utf-32', 'cp1252']),
       st.sampled_from(['\n', '\r\n']), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@example([['a', 'b'], ['007', '1'], ['7', '']], ',', 'utf-8', '\n', csv.QUOTE_MINIMAL)
@example([['a;b', 'c'], ['1', '2']], ',', 'utf-8', '\n', csv.QUOTE_MINIMAL)
def test_what_csv_writes_comes_back(tmp_path_factory, rows, sep, encoding, end, quoting):
    n = len(rows[0])
    rows = [(r*n)[:n] for r in rows]
    names = [f'{name}{i}' for i, name in enumerate(rows[0])]   # no name is empty or there twice
    assume(not all(v.startswith(' ') for r in [names, *rows[1:]] for v in r[1:]))   # that is how some separate
    out = io.StringIO(newline='')
    csv.writer(out, delimiter=sep, lineterminator=end, quoting=quoting).writerows([names, *rows[1:]])
    path = tmp_path_factory.getbasetemp()/'any.csv'
    try: path.write_bytes(out.getvalue().encode(encoding))
    except UnicodeEncodeError: assume(False)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)   # of cp1252
        try: df = read_table(path, exact=names, keep_default_na=False)
        except ValueError as e:
            assert 'any.csv' in str(e), e
            return
    assert df.columns.tolist() == names
    assert [[*map(as_read, r)] for r in df.itertuples(index=False, name=None)] == rows[1:]
