"Answers to the exercises of lesson 04: for each the right one and wrong ones that people really write."
from math import exp, sqrt

from fastlessons.exercises.l04 import apply_merges, attend, score

def each_word_once(tokens, ratios, bias=0): return bias + sum(ratios.get(t, 0) for t in set(tokens))
def the_mean(tokens, ratios, bias=0): return bias + sum(ratios.get(t, 0) for t in tokens)/max(1, len(tokens))
def no_unknown_words(tokens, ratios, bias=0): return bias + sum(ratios[t] for t in tokens)
def bias_left_out(tokens, ratios, bias=0): return sum(ratios.get(t, 0) for t in tokens)
def unknown_is_bad(tokens, ratios, bias=0): return bias + sum(ratios.get(t, -1) for t in tokens)
def yes_or_no(tokens, ratios, bias=0): return score(tokens, ratios, bias) > 0

def merged_once(tokens, pair):
    new, i = [], 0
    while i < len(tokens):
        n = 2 if tuple(tokens[i:i+2]) == pair else 1
        new.append(''.join(tokens[i:i+n]))
        i += n
    return new

def only_the_first_place(word, merges):
    tokens = list(word)
    for pair in merges:
        for i in range(len(tokens)-1):
            if (tokens[i], tokens[i+1]) == pair:
                tokens[i:i+2] = [''.join(pair)]
                break
    return tokens

def only_the_first_merge(word, merges): return merged_once(list(word), merges[0])

def longest_first(word, merges):
    pieces, tokens = sorted({a+b for a, b in merges}, key=len, reverse=True), []
    while word:
        piece = next((p for p in pieces if word.startswith(p)), word[0])
        tokens.append(piece)
        word = word[len(piece):]
    return tokens

def any_order(word, merges): return apply_merges(word, sorted(merges))
def until_nothing_changes(word, merges):
    tokens, before = apply_merges(word, merges), None
    while tokens != before:
        before = tokens
        for pair in merges: tokens = merged_once(tokens, pair)
    return tokens

def eats_its_input(tokens, ratios, bias=0):
    while tokens: bias += ratios.get(tokens.pop(), 0)
    return bias

def joined(word, merges): return ' '.join(apply_merges(word, merges))

def weights(scores):
    e = [exp(s - max(scores)) for s in scores]
    return [v/sum(e) for v in e]

def dot(a, b): return sum(x*y for x, y in zip(a, b))
def mix(w, values): return [dot(w, column) for column in zip(*values)]

def not_divided(query, keys, values): return mix(weights([dot(query, k) for k in keys]), values)
def divided_by_d(query, keys, values): return mix(weights([dot(query, k)/len(query) for k in keys]), values)
def no_softmax(query, keys, values): return mix([dot(query, k)/sqrt(len(query)) for k in keys], values)
def the_best_only(query, keys, values): return values[max(range(len(keys)), key=lambda i: dot(query, keys[i]))]
def overflow(query, keys, values):
    e = [exp(dot(query, k)/sqrt(len(query))) for k in keys]
    return mix([v/sum(e) for v in e], values)
def keys_for_values(query, keys, values): return attend(query, keys, keys)
def only_weights(query, keys, values): return weights([dot(query, k)/sqrt(len(query)) for k in keys])

ANSWERS = {
    '04.1': dict(right=[score], wrong=[each_word_once, the_mean, no_unknown_words, bias_left_out, unknown_is_bad, yes_or_no, eats_its_input]),
    '04.2': dict(right=[apply_merges],
                 wrong=[only_the_first_place, only_the_first_merge, longest_first, any_order, until_nothing_changes, joined]),
    '04.3': dict(right=[attend], wrong=[not_divided, divided_by_d, no_softmax, the_best_only, overflow, keys_for_values,
                                        only_weights]),
}
