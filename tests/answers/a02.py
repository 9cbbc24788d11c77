"Answers to the exercises of lesson 02: for each the right one and wrong ones that people really write."
from hashlib import sha256

from fastlessons.exercises.l02 import damaged, middle, say

def say_sorted(answer):
    (label, p), *_ = sorted(answer.items(), key=lambda o: -o[1])
    return 'not sure' if p < .8 else label

def say_strict(answer):
    label = max(answer, key=answer.get)
    return label if answer[label] > .8 else 'not sure'

def say_nothing(answer):
    label = max(answer, key=answer.get)
    return label if answer[label] >= .8 else None

def top_left(w, h): return 0, 0, min(w, h), min(w, h)

def with_floats(w, h): return tuple(float(n) for n in middle(w, h))

def with_size(w, h):
    left, top, right, bottom = middle(w, h)
    return left, top, right-left, bottom-top

def from_both_sides(w, h):
    left, top, _, _ = middle(w, h)
    return left, top, w-left, h-top      # a column too many if w-h is odd

def turned(w, h): return middle(h, w)

def digest(data): return sha256(data).hexdigest()

def damaged_with_get(sums, files): return sorted(n for n in sums if digest(files.get(n, b'\0missing')) != sums[n])

ANSWERS = {
    '02.1': dict(
        right=[say, say_sorted],
        wrong=[lambda answer: next(iter(answer)),          # the first, not the most probable
               lambda answer: max(answer),                 # the last in the alphabet
               lambda answer: max(answer, key=answer.get), # always sure
               say_strict, say_nothing,
               lambda answer: max(answer.values())]),      # the probability, not the label
    '02.2': dict(
        right=[middle],
        wrong=[top_left, with_floats, with_size, from_both_sides, turned]),
    '02.3': dict(
        right=[damaged, damaged_with_get],
        wrong=[lambda sums, files: sorted(n for n, s in sums.items() if digest(files[n]) != s),            # stops if one is missing
               lambda sums, files: sorted(n for n in sums if digest(files.get(n, b'')) != sums[n]),         # a missing file is no empty one
               lambda sums, files: [n for n, s in sums.items() if n not in files or digest(files[n]) != s], # not sorted
               lambda sums, files: sorted(n for n in sums if n not in files),                               # looks at names only
               lambda sums, files: sorted(n for n, s in sums.items() if n in files and digest(files[n]) == s), # the good ones
               lambda sums, files: sorted(n for n, d in files.items() if sums.get(n) != digest(d)),         # looks at files, so misses none
               lambda sums, files: sorted(n for n, s in sums.items() if files.get(n) != s)]),               # bytes are not their fingerprint
}
