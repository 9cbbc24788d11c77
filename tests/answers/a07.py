"Answers to the exercises of lesson 07: for each the right one and wrong ones that people really write."
from math import dist, sqrt

from fastlessons.exercises.l07 import nearest, one_step, stars_for

def dot(a, b): return sum(x*y for x, y in zip(a, b))

def two_tastes_only(person, film, middle=3): return min(5, max(1, middle + person[0]*film[0] + person[1]*film[1]))
def not_kept_inside(person, film, middle=3): return middle + dot(person, film)
def always_three(person, film, middle=3): return min(5, max(1, 3 + dot(person, film)))
def products_only(person, film, middle=3): return [x*y for x, y in zip(person, film)]
def sums_multiplied(person, film, middle=3): return min(5, max(1, middle + sum(person)*sum(film)))

def others(films, i): return [j for j in range(len(films)) if j != i]
def cosine(a, b): return dot(a, b)/sqrt(dot(a, a)*dot(b, b))
def itself(films, i): return max(range(len(films)), key=lambda j: cosine(films[i], films[j]))
def by_dot_product(films, i): return max(others(films, i), key=lambda j: dot(films[i], films[j]))
def by_distance(films, i): return min(others(films, i), key=lambda j: dist(films[i], films[j]))
def either_direction(films, i): return max(others(films, i), key=lambda j: abs(cosine(films[i], films[j])))
def the_film(films, i): return films[nearest(films, i)]

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

ANSWERS = {
    '07.1': dict(right=[stars_for], wrong=[two_tastes_only, not_kept_inside, always_three, products_only, sums_multiplied]),
    '07.2': dict(right=[nearest], wrong=[itself, by_dot_product, by_distance, either_direction, the_film]),
    '07.3': dict(right=[one_step],
                 wrong=[one_after_the_other, uphill, without_the_two, film_first, only_the_person, by_the_square]),
}
