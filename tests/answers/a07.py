"Answers to the exercises of lesson 07: for each the right one and wrong ones that people really write."
from torch import nn

from fastlessons.exercises.l07 import WithGenres, one_step, who_did_what
from fastlessons.simple.collab import DotProductBias

def dot(a, b): return sum(x*y for x, y in zip(a, b))

def one_after_the_other(person, film, stars, lr):   # the film's slope is taken with the new person
    error = dot(person, film) - stars
    person = [p - lr*2*error*f for p, f in zip(person, film)]
    return person, [f - lr*2*error*p for p, f in zip(person, film)]

def uphill(person, film, stars, lr): return one_step(person, film, stars, -lr)
def without_the_two(person, film, stars, lr): return one_step(person, film, stars, lr/2)
def film_first(person, film, stars, lr): return one_step(person, film, stars, lr)[::-1]
def only_the_person(person, film, stars, lr): return one_step(person, film, stars, lr)[0], film
def by_the_square(person, film, stars, lr):
    loss = (dot(person, film) - stars)**2
    return [p - lr*2*loss*f for p, f in zip(person, film)], [f - lr*2*loss*p for p, f in zip(person, film)]

def letters(**said): return dict(who_did_what(), **said)

class TwiceTheScore(DotProductBias):   # the genres are not used
    def __init__(self, n_people, n_films, genres): super().__init__(n_people, n_films)
    def score(self, u, f): return 2*super().score(u, f)

class AColumn(WithGenres):   # (n, 1), not (n,)
    def forward(self, u, f): return super().forward(u, f)[:, None]

class WithoutPairs(WithGenres):   # all genres, not those of the films f
    def score(self, u, f): return super().score(u, f) + self.genres@self.of_genre.weight

class NoInit(nn.Module):
    def forward(self, u, f): return 3 + 0*u

ANSWERS = {
    '07.1': dict(right=[one_step],
                 wrong=[one_after_the_other, uphill, without_the_two, film_first, only_the_person, by_the_square]),
    '07.2': dict(right=[who_did_what()],
                 wrong=[letters(D='all ratings', E='renumbered'), letters(A='right', C='no decay'), letters(C='all ratings', E='right'), {}, ['right'],
                        dict.fromkeys('ABCDE', 'right'), letters(A=1)]),
    '07.3': dict(right=[WithGenres], wrong=[TwiceTheScore, AColumn, WithoutPairs, NoInit, who_did_what]),
}
