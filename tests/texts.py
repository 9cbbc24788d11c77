"Texts for the tests of fastlessons.text: odd ones, and a small problem that can be learned."
import random

ODD = ['', ' ', '\r\n\t', 'a\r\nb\rc\n', 'café naïve', 'e\u0301',
       '👩‍👩‍👧🇫🇷👍🏽', 'שָׁלוֹם עולם', 'مرحبا بالعالم', 'हिन्दी फ़िल्म',
       '映画は楽しい', '\x00\x01\xff', '\ud800', 'x'*10_000, ' '*999, '!?'*500, 'don\u2019t', '\u202eabc\u202c', '\U0010ffff']

def reviews(n=120):
    "Make short texts: the label is whether the word is a good one."
    r, good, bad = random.Random(0), ['great', 'fine', 'lovely', 'clever'], ['dull', 'poor', 'weak', 'empty']
    y = [i % 2 for i in range(n)]
    def some(): return ' '.join(r.choices('plot actor sound scene music story image voice'.split(), k=r.randint(1, 9)))
    return [f'{some()} {r.choice(good if label else bad)} {some()}' for label in y], y
