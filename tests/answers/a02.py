"Answers to the exercises of lesson 02: for each the right one and wrong ones that people really write."
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from fastlessons.exercises.l02 import looks, threshold, what_is_it

def share(sure, right, t):
    told = [r for s, r in zip(sure, right) if s >= t]
    return told.count(False)/len(told)

def in_a_line(sure, right, most): return min((t for t in sure if share(sure, right, t) <= most), default=None)

def stops_at_the_first_bad_one(sure, right, most):
    best = None
    for t in sorted(sure, reverse=True):
        if share(sure, right, t) > most: return best   # further down it may be good again
        best = t
    return best

def above_it(sure, right, most):
    for t in sorted(sure):
        told = [r for s, r in zip(sure, right) if s > t]
        if told and told.count(False)/len(told) <= most: return t

def of_all(sure, right, most):
    for t in sorted(sure):
        if sum(not r for s, r in zip(sure, right) if s >= t) <= most*len(sure): return t

def counts(sure, right, most):
    for t in sorted(sure):
        if sum(not r for s, r in zip(sure, right) if s >= t) <= most: return t

def below(sure, right, most):
    for t in sorted(sure):
        if share(sure, right, t) < most: return t

def in_the_order_given(sure, right, most):
    for t in sure:
        if share(sure, right, t) <= most: return t

def one_by_one(sure, right, most):
    pairs = sorted(zip(sure, right))
    for i in range(len(pairs)):   # equal probabilities are torn apart
        rest = [r for _, r in pairs[i:]]
        if rest.count(False) <= most*len(rest): return pairs[i][0]

def letters(**said): return dict(what_is_it(), **said)

def pixelated(im): return im.resize((24, 24)).resize(im.size, Image.NEAREST)

ANSWERS = {
    '02.1': dict(
        right=[threshold, in_a_line],
        wrong=[stops_at_the_first_bad_one, above_it, of_all, counts, below, in_the_order_given, one_by_one,
               lambda sure, right, most: 1 - most, lambda sure, right, most: min(sure)]),
    '02.2': dict(
        right=[what_is_it()],
        wrong=[letters(A='well', D='side'), letters(B='order', C='dark'), letters(A='dark', B='side'), {}, dict(B='dark'), ['dark'],
               dict.fromkeys('ABCD', 'well'), letters(A=1)]),
    '02.3': dict(
        right=[looks, lambda im: [pixelated(im)], lambda im: [im.filter(ImageFilter.GaussianBlur(3))]],
        wrong=[lambda im: [ImageOps.mirror(im)],   # a good change, but not what the camera does
               lambda im: [ImageEnhance.Brightness(im).enhance(.4)],
               lambda im: [im],
               lambda im: [Image.new('RGB', im.size)],   # learns nothing, and forgets
               lambda im: im, lambda im: [], lambda im: [im.resize((24, 24)).convert('L')],
               lambda im: [im]*4]),
}
