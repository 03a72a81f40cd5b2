"""Kernels of the circuit that compares two paths over contexts; the fast twin of `reference_contrast`.

eps [contexts, n] is the compared register: rows 0..inputs-1 are samples, the others targets. z, y, G
are [inputs, targets]. Names that end in _twin are the float forms.
"""

from __future__ import annotations

import math

from chipsim.compile.circuit_kernels import round_signal
from chipsim.compile.kernels import clear1, clear2, fill_even
from chipsim.compile.lanes import f64, i32, i64, jit


@jit
def isqrt(x):
    """The largest integer whose square is not above x, 0 <= x < 2**62."""
    r = i64(math.sqrt(f64(x)))
    while r * r > x:
        r -= 1
    while (r + 1) * (r + 1) <= x:
        r += 1
    return r


@jit
def dot(a, b):
    """Exact inner product, 64-bit lanes."""
    total = i64(0)
    for i in range(a.shape[0]):
        total += i64(a[i]) * i64(b[i])
    return total


@jit
def dot_32(a, b):
    """Exact inner product in 32-bit lanes, where these hold it."""
    total = i32(0)
    for i in range(a.shape[0]):
        total = i32(total + i32(i32(a[i]) * i32(b[i])))
    return i64(total)


@jit
def softmax_row(v, shift, out, exp16):
    """out = softmax(v) in units of 1/128, to nearest."""
    n = v.shape[0]
    top = i64(v[0])
    for k in range(1, n):
        top = max(top, i64(v[k]))
    total = i64(0)
    for k in range(n):
        total += exp16[min((top - i64(v[k])) >> i64(shift), i64(255))]
    for k in range(n):
        p = exp16[min((top - i64(v[k])) >> i64(shift), i64(255))]
        out[k] = i32((256 * p + total) // (2 * total))


@jit
def class_targets(labels, y, some):
    """y[b] = 1.0 at the label; some[b] says whether the sample has one."""
    clear2(y)
    for b in range(y.shape[0]):
        some[b] = labels[b] >= 0
        if 0 <= labels[b] < y.shape[1]:
            y[b, labels[b]] = i32(128)


@jit
def geometry_targets(e, shift, y, some, row, exp16, stat):
    """y[b] = softmax of the negative distances of target b to all targets."""
    n = y.shape[1]
    for b in range(n):
        some[b] = 1
        for t in range(n):
            total = i64(0)
            p, q = e[n + b], e[n + t]
            for j in range(p.shape[0]):
                apart = i64(p[j]) - i64(q[j])
                total += apart * apart
            row[t] = -isqrt(total)
        softmax_row(row, shift, y[b], exp16)
    pairs = n * (n - 1) // 2
    stat[1] += 2 * e.shape[1] * pairs
    stat[2] += e.shape[1] * pairs
    stat[8] += pairs
    stat[3] += n * n
    stat[4] += n * n


@jit
def coefficients(z, shift, y, g, some, exp16, size, stat):
    """G = softmax(z) - y, row by row; 0 in samples without a target. z is filled already."""
    for b in range(z.shape[0]):
        if not some[b]:
            clear1(z[b])
            clear1(g[b])
            continue
        softmax_row(z[b], shift, g[b], exp16)
        for t in range(z.shape[1]):
            e = i64(g[b, t]) - i64(y[b, t])
            kept = min(max(e, i64(-128)), i64(127))
            stat[6] += i64(e != kept)
            stat[0] += i64(kept != 0)
            g[b, t] = i32(kept)
        stat[1] += z.shape[1] * (size + 1)
        stat[2] += z.shape[1] * size
        stat[3] += z.shape[1]
        stat[4] += z.shape[1]


@jit
def combine(g, eps, first, acc, m, drop, words, key, stat):
    """m = limit(SR(sum_t g[t] * eps[first + t])); g may be a row or a column of G."""
    loud, n = 0, m.shape[0]
    clear1(acc)
    for t in range(g.shape[0]):
        x = i64(g[t])
        if x != 0:
            loud += 1
            row = eps[first + t]
            for i in range(n):
                acc[i] += x * i64(row[i])
    if loud == 0:
        clear1(m)
        return
    if drop > 0:
        fill_even(key, words)
        stat[5] += n
    over = i64(0)
    for i in range(n):
        over += round_signal(acc[i], i, m, drop, words)
    stat[6] += over
    stat[1] += loud * n
    stat[2] += loud * n


# ---------------------------------------------------------------- float twin


@jit
def softmax_row_twin(v, scale, out):
    """out = softmax(v * scale)."""
    n = v.shape[0]
    top = v[0]
    for k in range(1, n):
        top = max(top, v[k])
    total = f64(0.0)
    for k in range(n):
        out[k] = math.exp((v[k] - top) * scale)
        total += out[k]
    for k in range(n):
        out[k] /= total


@jit
def class_targets_twin(labels, y, some):
    """The float twin of class_targets."""
    clear2(y)
    for b in range(y.shape[0]):
        some[b] = labels[b] >= 0
        if 0 <= labels[b] < y.shape[1]:
            y[b, labels[b]] = 1.0


@jit
def geometry_targets_twin(e, scale, y, some, row):
    """The float twin of geometry_targets."""
    n = y.shape[1]
    for b in range(n):
        some[b] = 1
        for t in range(n):
            total = f64(0.0)
            for j in range(e.shape[1]):
                apart = e[n + b, j] - e[n + t, j]
                total += apart * apart
            row[t] = -math.sqrt(total)
        softmax_row_twin(row, scale, y[b])


@jit
def dot_twin(a, b):
    """Inner product in a fixed order."""
    total = f64(0.0)
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@jit
def coefficients_twin(z, scale, y, g, some):
    """The float twin of coefficients."""
    for b in range(z.shape[0]):
        if not some[b]:
            clear1(z[b])
            clear1(g[b])
            continue
        softmax_row_twin(z[b], scale, g[b])
        for t in range(z.shape[1]):
            g[b, t] -= y[b, t]


@jit
def combine_twin(g, eps, first, m, scale):
    """The float twin of combine."""
    clear1(m)
    for t in range(g.shape[0]):
        for i in range(m.shape[0]):
            m[i] += g[t] * eps[first + t, i] * scale
