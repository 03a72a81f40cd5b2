"""Kernels of convolutions and pooling: the vectorised twins of geometry.py and reference_maps.py.

Stored weights are rows (ky * K + kx) * C_in + ci of channels. The kernels work on a flipped copy,
[(ci * K + ky) * K + (K - 1 - kx)] of channels: under stride 1 the targets of an axon in one output row
are then a contiguous run of both the copy and the accumulator, K * channels long.

geo is Conv.numbers(): h, w, c, oh, ow, channels, kernel, stride, pad.
"""

from __future__ import annotations

from chipsim.compile.kernels import fill_even
from chipsim.compile.lanes import f64, i32, i64, jit


@jit
def flip_kernel(w, flat, geo):
    """Renew the flipped copy of the stored weights."""
    c, n, size = geo[2], geo[5], geo[6]
    for ky in range(size):
        for kx in range(size):
            for ci in range(c):
                row = w[(ky * size + kx) * c + ci]
                a = ((ci * size + ky) * size + size - 1 - kx) * n
                copy = flat[a : a + n]
                for o in range(n):
                    copy[o] = row[o]


@jit
def axon_reach(j, geo):
    """(ci, y + pad, x + pad, first and last output row, first and last output column) of an axon."""
    w, c, size, stride, pad = geo[1], geo[2], geo[6], geo[7], geo[8]
    pixel = j // c
    y, x = pixel // w + pad, pixel % w + pad
    y0, y1 = max((y - size + stride) // stride, 0), min(y // stride, geo[3] - 1)
    x0, x1 = max((x - size + stride) // stride, 0), min(x // stride, geo[4] - 1)
    return j - pixel * c, y, x, y0, y1, x0, x1


@jit
def deliver_conv(flat, geo, active, n_active, acc, shift):
    """Plain spikes through a convolution, 32-bit lanes. Returns the synaptic events."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    events = i64(0)
    for k in range(n_active):
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(active[k]), geo)
        if x1 < x0:
            continue
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            events += (x1 - x0 + 1) * n
            if stride == 1:
                run = (x1 - x0 + 1) * n
                a, f = (oy * ow + x0) * n, tap + x0 * n
                row, taps = acc[a : a + run], flat[f : f + run]
                for t in range(run):
                    row[t] = i32(i32(row[t]) + i32(i32(taps[t]) << shift))
            else:
                for ox in range(x0, x1 + 1):
                    a, f = (oy * ow + ox) * n, tap + ox * stride * n
                    row, taps = acc[a : a + n], flat[f : f + n]
                    for t in range(n):
                        row[t] = i32(i32(row[t]) + i32(i32(taps[t]) << shift))
    return events


@jit
def deliver_conv_graded(flat, geo, active, payload, n_active, acc, shift):
    """Payloads through a convolution, 32-bit lanes. Returns the synaptic events."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    events = i64(0)
    for k in range(n_active):
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(active[k]), geo)
        if x1 < x0:
            continue
        p = i32(payload[k])
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            events += (x1 - x0 + 1) * n
            if stride == 1:
                run = (x1 - x0 + 1) * n
                a, f = (oy * ow + x0) * n, tap + x0 * n
                row, taps = acc[a : a + run], flat[f : f + run]
                for t in range(run):
                    row[t] = i32(i32(row[t]) + i32(i32(i32(taps[t]) * p) << shift))
            else:
                for ox in range(x0, x1 + 1):
                    a, f = (oy * ow + ox) * n, tap + ox * stride * n
                    row, taps = acc[a : a + n], flat[f : f + n]
                    for t in range(n):
                        row[t] = i32(i32(row[t]) + i32(i32(i32(taps[t]) * p) << shift))
    return events


@jit
def deliver_conv_wide(flat, geo, active, payload, graded, n_active, acc, shift):
    """The same in 64-bit lanes, where 32 cannot hold the sum."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    events = i64(0)
    for k in range(n_active):
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(active[k]), geo)
        p = i64(payload[k]) if graded else i64(1)
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            for ox in range(x0, x1 + 1):
                events += n
                a, f = (oy * ow + ox) * n, tap + ox * stride * n
                for t in range(n):
                    acc[a + t] += i64(i64(flat[f + t]) * p) << i64(shift)
    return events


@jit
def deliver_conv_twin(flat, geo, active, payload, graded, scale, n_active, acc):
    """Delivery of the float twin; payloads times scale."""
    ow, n, size, stride = geo[4], geo[5], geo[6], geo[7]
    for k in range(n_active):
        ci, y, x, y0, y1, x0, x1 = axon_reach(i64(active[k]), geo)
        p = f64(payload[k]) * scale if graded else 1.0
        for oy in range(y0, y1 + 1):
            tap = ((ci * size + y - oy * stride) * size + size - 1 - x) * n
            for ox in range(x0, x1 + 1):
                a, f = (oy * ow + ox) * n, tap + ox * stride * n
                for t in range(n):
                    acc[a + t] += flat[f + t] * p


# ---------------------------------------------------------------- pooling


@jit
def fire_pool_or(live, window, seen, seen_n, fired, hist, hist_n, count, stat):
    """Windows with at least one spike."""
    for b in range(live):
        row = fired[b]
        for i in range(row.shape[0]):
            row[i] = 0
        for k in range(seen_n[b]):
            e = window[seen[b, k]]
            if e >= 0:
                row[e] = 1
        found = 0
        for i in range(row.shape[0]):
            if row[i]:
                hist[b, found] = i
                count[b, i] += 1
                found += 1
        hist_n[b] = found
        stat[0] += found


@jit
def fire_pool_average(live, window, seen, seen_n, fired, hist, hist_n, count, stat, pay):
    """Windows with at least one spike, and how many they hold."""
    for b in range(live):
        row = fired[b]
        for i in range(row.shape[0]):
            row[i] = 0
        for k in range(seen_n[b]):
            e = window[seen[b, k]]
            if e >= 0:
                row[e] += 1
        found = 0
        for i in range(row.shape[0]):
            if row[i]:
                hist[b, found] = i
                pay[b, found] = row[i]
                count[b, i] += 1
                found += 1
        hist_n[b] = found
        stat[0] += found


@jit
def unpool(above, window, m, drop, nearest, words, key, stat):
    """m[i] = R(above[window[i]] / 2**drop): the third factor of a pool layer for the neurons below."""
    loud = 0
    for e in range(above.shape[0]):
        loud += above[e] != 0
    stat[0] += loud
    if loud == 0:
        for i in range(m.shape[0]):
            m[i] = i32(0)
        return
    if drop > 0 and not nearest:
        fill_even(key, words)
        stat[5] += m.shape[0]
    for i in range(m.shape[0]):
        e = window[i]
        r = i64(0)
        if drop > 0:
            r = i64(1) << i64(drop - 1) if nearest else i64(words[i]) >> i64(32 - drop)
        m[i] = i32((i64(above[e]) + r) >> i64(drop)) if e >= 0 else i32(0)


@jit
def unpool_twin(above, window, m, scale):
    """The float twin of unpool."""
    for i in range(m.shape[0]):
        m[i] = above[window[i]] * scale if window[i] >= 0 else 0.0
