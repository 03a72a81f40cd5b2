"""Kernels of the transposed convolution: what a layer's neurons send back through shared weights.

The weights are read in a turned copy [channel, row]: the axons of one kernel row at one place are then a
contiguous run of the copy and of the layer below. Neurons of value 0 cost nothing.
"""

from __future__ import annotations

from chipsim.compile.circuit_kernels import count_loud, round_signal
from chipsim.compile.kernels import clear1, fill_even
from chipsim.compile.lanes import f64, i32, i64, jit


@jit
def turn_kernel(w, turned):
    """turned[channel, row] = w[row, channel]."""
    for r in range(w.shape[0]):
        for o in range(w.shape[1]):
            turned[o, r] = w[r, o]


@jit
def neuron_reach(i, geo):
    """(channel, first axon row y, first axon column x, kernel rows from..to, kernel columns from..to)."""
    n, size, stride, pad = geo[5], geo[6], geo[7], geo[8]
    pixel = i // n
    y, x = pixel // geo[4] * stride - pad, pixel % geo[4] * stride - pad
    return i - pixel * n, y, x, max(0, -y), min(size, geo[0] - y), max(0, -x), min(size, geo[1] - x)


@jit
def transposed_conv_32(turned, geo, values, out):
    """out[axon] = sum over its fan-out of stored weight * value of the neuron; exact, 32-bit products
    and sums. values [n_post], out int32[n_pre]. Returns the products of values other than 0."""
    width, c, size = geo[1], geo[2], geo[6]
    products = i64(0)
    for j in range(out.shape[0]):
        out[j] = 0
    for i in range(values.shape[0]):
        v = i32(values[i])
        if v == 0:
            continue
        o, y, x, top, bottom, left, right = neuron_reach(i, geo)
        kernel, run = turned[o], (right - left) * c
        for ky in range(top, bottom):
            a, r = ((y + ky) * width + x + left) * c, (ky * size + left) * c
            sums, taps = out[a : a + run], kernel[r : r + run]
            products += run
            for t in range(run):
                sums[t] = i32(i32(sums[t]) + i32(v * i32(taps[t])))
    return products


@jit
def transposed_conv(turned, geo, values, out):
    """The same in 64-bit lanes, out int64[n_pre]."""
    width, c, size = geo[1], geo[2], geo[6]
    products = i64(0)
    for j in range(out.shape[0]):
        out[j] = 0
    for i in range(values.shape[0]):
        v = i64(values[i])
        if v == 0:
            continue
        o, y, x, top, bottom, left, right = neuron_reach(i, geo)
        for ky in range(top, bottom):
            a, r = ((y + ky) * width + x + left) * c, (ky * size + left) * c
            products += (right - left) * c
            for t in range((right - left) * c):
                out[a + t] += v * i64(turned[o, r + t])
    return products


@jit
def transposed_conv_twin(turned, geo, values, out):
    """The float twin, neurons ascending."""
    width, c, size = geo[1], geo[2], geo[6]
    for j in range(out.shape[0]):
        out[j] = 0.0
    for i in range(values.shape[0]):
        v = f64(values[i])
        if v == 0.0:
            continue
        o, y, x, top, bottom, left, right = neuron_reach(i, geo)
        for ky in range(top, bottom):
            a, r = ((y + ky) * width + x + left) * c, (ky * size + left) * c
            for t in range((right - left) * c):
                out[a + t] += v * turned[o, r + t]


@jit
def conv_signal(turned, geo, back, r, m, drop, words, key, stat):
    """m[axon] = limit(SR(sum of w * r over its fan-out)) in s8.7, 64-bit lanes."""
    loud = count_loud(r)
    stat[0] += loud
    if loud == 0:
        clear1(m)
        return
    products = transposed_conv(turned, geo, r, back)
    finish_signal(back, m, drop, words, key, stat, products)


@jit
def conv_signal_32(turned, geo, back, r, m, drop, words, key, stat):
    """conv_signal in 32-bit lanes, where these hold the sum."""
    loud = count_loud(r)
    stat[0] += loud
    if loud == 0:
        clear1(m)
        return
    products = transposed_conv_32(turned, geo, r, back)
    finish_signal(back, m, drop, words, key, stat, products)


@jit
def finish_signal(back, m, drop, words, key, stat, products):
    """Round and limit the sums; count the products, the draws and what was limited."""
    stat[1] += products
    stat[2] += products
    if drop > 0:
        fill_even(key, words)
        stat[5] += m.shape[0]
    over = i64(0)
    for i in range(m.shape[0]):
        over += round_signal(i64(back[i]), i, m, drop, words)
    stat[6] += over


@jit
def conv_signal_twin(turned, geo, back, r, m, scale):
    """The float twin of conv_signal."""
    transposed_conv_twin(turned, geo, r, back)
    for i in range(m.shape[0]):
        m[i] = back[i] * scale
