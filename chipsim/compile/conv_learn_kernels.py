"""Kernels of learning in shared weights: sums over places, counts of places.

Sums are formed in the flipped layout of conv_kernels.py, one function per lane. Bits: one 64-bit word
holds 32 channels, so a layer of c channels has (c + 31) // 32 words a pixel.
"""

from __future__ import annotations

from chipsim.compile.conv_kernels import axon_reach
from chipsim.compile.lanes import f64, i32, i64, jit

WORD = 32


@jit
def gather_i32(axons, values, count, q, grad, geo):
    """grad[weight] += sum over places of value of the axon * q of the neuron, 32-bit lanes."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    for k in range(count):
        p = i32(values[k])
        if p == 0:
            continue
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(axons[k]), geo)
        if x1 < x0:
            continue
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            if stride == 1:
                run = (x1 - x0 + 1) * n
                a, f = (oy * ow + x0) * n, tap + x0 * n
                row, sums = q[a : a + run], grad[f : f + run]
                for t in range(run):
                    sums[t] = i32(i32(sums[t]) + i32(p * i32(row[t])))
            else:
                for ox in range(x0, x1 + 1):
                    a, f = (oy * ow + ox) * n, tap + ox * stride * n
                    row, sums = q[a : a + n], grad[f : f + n]
                    for t in range(n):
                        sums[t] = i32(i32(sums[t]) + i32(p * i32(row[t])))


@jit
def gather_i64(axons, values, count, q, grad, geo):
    """The same in 64-bit lanes."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    for k in range(count):
        p = i64(values[k])
        if p == 0:
            continue
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(axons[k]), geo)
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            for ox in range(x0, x1 + 1):
                a, f = (oy * ow + ox) * n, tap + ox * stride * n
                row, sums = q[a : a + n], grad[f : f + n]
                for t in range(n):
                    sums[t] = i64(i64(sums[t]) + i64(p * i64(row[t])))


@jit
def gather_f64(axons, values, count, q, grad, geo):
    """The same in the float twin, axons ascending."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    for k in range(count):
        p = f64(values[k])
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(axons[k]), geo)
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            for ox in range(x0, x1 + 1):
                a, f = (oy * ow + ox) * n, tap + ox * stride * n
                row, sums = q[a : a + n], grad[f : f + n]
                for t in range(n):
                    sums[t] += p * row[t]


# ---------------------------------------------------------------- counting places


@jit
def image_of(mask, image, geo):
    """Integral image of the neurons chosen by a 0/1 mask: image[y, x] counts rows < y, columns < x."""
    oh, ow, n = geo[3], geo[4], geo[5]
    for ox in range(ow + 1):
        image[0, ox] = 0
    for oy in range(oh):
        left = i64(0)
        image[oy + 1, 0] = 0
        for ox in range(ow):
            a = (oy * ow + ox) * n
            row = mask[a : a + n]
            here = i32(0)
            for t in range(n):
                here = i32(here + i32(row[t]))
            left += i64(here)
            image[oy + 1, ox + 1] = image[oy, ox + 1] + left


@jit
def places(axons, image, geo):
    """Places at which axons (a number per pixel) meet the neurons of an integral image."""
    h, w, oh, ow = geo[0], geo[1], geo[3], geo[4]
    size, stride, pad = geo[6], geo[7], geo[8]
    total = i64(0)
    for py in range(h):
        y = py + pad
        y0, y1 = max((y - size + stride) // stride, 0), min(y // stride, oh - 1) + 1
        if y1 <= y0:
            continue
        for px in range(w):
            n = axons[py * w + px]
            if n == 0:
                continue
            x = px + pad
            x0, x1 = max(x - size + 1, 0), min(x, ow - 1) + 1
            if stride > 1:
                x0, x1 = max((x - size + stride) // stride, 0), min(x // stride, ow - 1) + 1
            if x1 > x0:
                total += n * (image[y1, x1] - image[y0, x1] - image[y1, x0] + image[y0, x0])
    return total


@jit
def pack(mask, bits, some, geo):
    """bits[pixel, word]: the chosen channels; some[word]: those chosen anywhere."""
    n, words = geo[5], bits.shape[1]
    for v in range(words):
        some[v] = 0
    for pixel in range(bits.shape[0]):
        for v in range(words):
            word = i64(0)
            for o in range(v * WORD, min(n, (v + 1) * WORD)):
                word |= i64(mask[pixel * n + o]) << i64(o - v * WORD)
            bits[pixel, v] = word
            some[v] |= word


@jit
def meet(axons, count, bits, some, met, full, geo):
    """met[weight's row in the flipped layout, word] |= channels that an axon of the list meets there."""
    ow, size, stride, words = geo[4], geo[6], geo[7], bits.shape[1]
    for ci in range(full.shape[0]):
        full[ci] = 0
    for k in range(count):
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(axons[k]), geo)
        if full[ci]:
            continue
        for oy in range(y0, y1 + 1):
            tap = (ci * size + y - oy * stride) * size + size - 1 - x
            for ox in range(x0, x1 + 1):
                for v in range(words):
                    met[tap + ox * stride, v] |= bits[oy * ow + ox, v]
        if y1 - y0 + 1 == size and x1 - x0 + 1 == size:
            whole = True
            for tap in range(ci * size * size, (ci + 1) * size * size):
                for v in range(words):
                    whole &= (met[tap, v] & some[v]) == some[v]
            full[ci] = whole


@jit
def count_bits(met):
    """Set bits of all words."""
    total = i64(0)
    for r in range(met.shape[0]):
        for v in range(met.shape[1]):
            word = met[r, v]
            word = word - ((word >> 1) & 0x55555555)
            word = (word & 0x33333333) + ((word >> 2) & 0x33333333)
            word = (word + (word >> 4)) & 0x0F0F0F0F
            total += ((word * 0x01010101) >> 24) & 0xFF
    return total


# ---------------------------------------------------------------- transposed convolution
