"Answers to the exercises of lesson 08: for each the right one and wrong ones that people really write."
from fastlessons.exercises.l08 import max_pool, my_out_size, receptive_field

def with_the_odd_edge(pic):
    return [[max(max(r[j:j+2]) for r in pic[i:i+2]) for j in range(0, len(pic[0]), 2)] for i in range(0, len(pic), 2)]

def stride_one(pic): return [[max(a[j], a[j+1], b[j], b[j+1]) for j in range(len(a)-1)] for a, b in zip(pic, pic[1:])]

def from_zero(pic): return [[max(0, v) for v in row] for row in max_pool(pic)]   # as if after a ReLU

def mean_pool(pic): return [[(a[j]+a[j+1]+b[j]+b[j+1])/4 for j in range(0, len(a)-1, 2)] for a, b in zip(pic[::2], pic[1::2])]

def forwards(layers):
    side, jump = 1, 1
    for ks, stride in layers: side, jump = side + (ks-1)*jump, jump*stride
    return side

def own_stride_first(layers):   # a layer's stride counts for the layers after it, not for itself
    side, jump = 1, 1
    for ks, stride in layers:
        jump *= stride
        side += (ks-1)*jump
    return side

def last_layer_first(layers): return forwards(layers[::-1])

ANSWERS = {
    '08.1': dict(
        right=[my_out_size,
               lambda size, ks, stride, padding: len(range(0, size + 2*padding - ks + 1, stride))],
        wrong=[lambda size, ks, stride, padding: (size + 2*padding - ks)//stride,        # the first place is missing
               lambda size, ks, stride, padding: (size + padding - ks)//stride + 1,      # padding is on both sides
               lambda size, ks, stride, padding: (size + 2*padding - ks)/stride + 1,     # not a whole number
               lambda size, ks, stride, padding: -(-(size + 2*padding - ks)//stride) + 1,  # half a place does not count
               lambda size, ks, stride, padding: round((size + 2*padding - ks)/stride + 1),
               lambda size, ks, stride, padding: [].append((size + 2*padding - ks)//stride + 1),   # nothing is returned
               lambda size, ks, stride, padding: (size + 2*padding)//stride,
               lambda size, ks, stride, padding: size - ks + 1]),
    '08.2': dict(
        right=[max_pool],
        wrong=[with_the_odd_edge, stride_one, mean_pool, from_zero, lambda pic: max(max(row) for row in pic),
               lambda pic: [[max(row[j:j+2]) for j in range(0, len(row)-1, 2)] for row in pic]]),   # columns only
    '08.3': dict(
        right=[receptive_field, forwards],
        wrong=[lambda layers: 1 + sum(ks-1 for ks, _ in layers),     # strides left out
               lambda layers: sum(ks for ks, _ in layers),
               own_stride_first, last_layer_first,
               lambda layers: layers[-1][0]]),                       # the last layer alone
}
