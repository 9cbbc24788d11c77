"Answers to the exercises of lesson 01: for each the right one and wrong ones that people really write."
import re

from fastlessons.exercises.l01 import breed, most_confused, my_error_rate as error_rate

def with_the_diagonal(matrix, vocab):
    n, i, j = max((n, i, j) for i, row in enumerate(matrix) for j, n in enumerate(row))
    return vocab[i], vocab[j], n

def without_the_count(matrix, vocab): return most_confused(matrix, vocab)[:2]

def columns_as_actual(matrix, vocab):
    actual, predicted, n = most_confused(matrix, vocab)
    return predicted, actual, n

def first_error(matrix, vocab):
    return next((vocab[i], vocab[j], n) for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j and n)

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
        right=[error_rate, lambda preds, targs: 1 - sum(p == t for p, t in zip(preds, targs))/len(preds)],
        wrong=[lambda preds, targs: 1 - error_rate(preds, targs),                  # the accuracy
               lambda preds, targs: sum(p != t for p, t in zip(preds, targs)),     # how many, not which part
               lambda preds, targs: 100*error_rate(preds, targs),                  # in percent
               lambda preds, targs: round(error_rate(preds, targs))*1., lambda preds, targs: round(error_rate(preds, targs), 2),
               lambda preds, targs: sum(abs(p-t) for p, t in zip(preds, targs))/len(targs),   # classes are no amounts
               lambda preds, targs: (preds != targs).mean(),                       # lists are not tensors
               lambda preds, targs: float(preds != targs)]),                       # all right or not, for the whole list
    '01.3': dict(
        right=[most_confused],
        wrong=[with_the_diagonal, columns_as_actual, without_the_count, first_error, lambda matrix, vocab: list(most_confused(matrix, vocab)),
               lambda matrix, vocab: max(max(row) for row in matrix)]),
}
