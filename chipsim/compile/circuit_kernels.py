"""Kernels of the circuits: errors, their trigger, and the way back through a matrix.

The vectorised twin of `reference_errors.py` and `reference_circuits.py`. Errors are s8.7; `stat` is a
circuit's counters in the order of `state_circuits.MORE_CIRCUIT_COUNTS`. Names that end in _twin are
the float forms: v, err and r real, `scale` makes of a potential what `v >> shift` is, in real units.
"""

from __future__ import annotations

import math

from chipsim.compile.kernels import clear1, fill_even
from chipsim.compile.lanes import f64, i32, i64, jit


@jit
def charge(count, thr, v, out, stat):
    """out[k] = count[k] * thr[k] + v[k]: what a neuron without reset would hold."""
    n = v.shape[0]
    for k in range(n):
        out[k] = i64(count[k]) * i64(thr[k]) + i64(v[k])
    stat[1] += n
    stat[2] += n


@jit
def charge_twin(count, thr, v, out):
    """The float twin of charge."""
    for k in range(v.shape[0]):
        out[k] = f64(count[k]) * thr[k] + v[k]


@jit
def keep_error(e, err, k, stat):
    """err[k] = e, limited to s8.7."""
    kept = min(max(i64(e), i64(-128)), i64(127))
    stat[6] += i64(e != kept)
    err[k] = i32(kept)


@jit
def softmax_error(v, shift, label, err, exp16, stat):
    """err[k] = softmax(v)[k] - [k == label] in s8.7, integers only (one division per class)."""
    n = v.shape[0]
    top = i64(v[0])
    for k in range(1, n):
        top = max(top, i64(v[k]))
    total = i64(0)
    for k in range(n):
        total += exp16[min((top - i64(v[k])) >> i64(shift), i64(255))]
    for k in range(n):
        p = exp16[min((top - i64(v[k])) >> i64(shift), i64(255))]
        e = (256 * p + total) // (2 * total)
        if k == label:
            e -= 128
        stat[6] += i64(e > 127)
        err[k] = i32(min(e, i64(127)))
    stat[3] += n
    stat[4] += n


@jit
def sign_error(v, shift, label, err, exp16, stat):
    """err[k] = +-64, the sign of the softmax error."""
    over = stat[6]
    softmax_error(v, shift, label, err, exp16, stat)
    stat[6] = over  # the softmax error itself is not stored
    for k in range(v.shape[0]):
        err[k] = i32(64 * (i32(err[k] > 0) - i32(err[k] < 0)))


@jit
def smooth_l1_error(v, shift, label, err, stat):
    """err[k] = clip((v[k] >> shift) - [k == label]) in s8.7."""
    for k in range(v.shape[0]):
        e = i64(v[k]) >> i64(shift)
        if k == label:
            e -= 128
        keep_error(e, err, k, stat)


@jit
def mse_error(v, shift, label, err, stat):
    """err[k] = (v[k] >> shift) - [k == label] with 32 raw units for 1.0."""
    for k in range(v.shape[0]):
        e = i64(v[k]) >> i64(shift)
        if k == label:
            e -= 32
        keep_error(e, err, k, stat)


@jit
def hard_sigmoid_error(v, shift, label, err, stat):
    """err[k] = clip((v[k] >> shift) + 0.5, 0, 1) - [k == label]."""
    for k in range(v.shape[0]):
        e = min(max((i64(v[k]) >> i64(shift)) + 64, i64(0)), i64(128))
        if k == label:
            e -= 128
        keep_error(e, err, k, stat)


@jit
def ternary_error(v, shift, label, err, stat):
    """err[k] = 64 where the label's potential leads by less than the margin, -64 at the label if any."""
    clear1(err)
    if label >= v.shape[0]:
        return
    y, near = i64(v[label]), 0
    for k in range(v.shape[0]):
        if k != label and (y - i64(v[k])) >> i64(shift) < 16:
            err[k] = i32(64)
            near += 1
    if near > 0:
        err[label] = i32(-64)


@jit
def spike_error(fired, shift, label, err, stat):
    """err[k] = 64 * fired[k] - 64 * [k == label]."""
    for k in range(fired.shape[0]):
        err[k] = i32(64 * (i32(fired[k]) - i32(k == label)))


@jit
def regression_error(v, shift, label, err, stat):
    """err[k] = (v[k] >> shift) - label, 32 raw units for 1.0."""
    for k in range(v.shape[0]):
        keep_error((i64(v[k]) >> i64(shift)) - label, err, k, stat)


@jit
def trigger_errors(err, thr, up, down, stat):
    """Errors below the threshold become 0; it rises by `up` for each that is left, else falls."""
    level, left = thr[0] >> i64(8), 0
    for k in range(err.shape[0]):
        if err[k] != 0 and abs(i64(err[k])) >= level:
            left += 1
        else:
            err[k] = i32(0)
    moved = thr[0] + left * up - (err.shape[0] - left) * down
    thr[0] = min(max(moved, i64(0)), i64(32768))
    stat[7] += left
    stat[1] += err.shape[0]


@jit
def refresh(copy, w, age, every, stat):
    """Flat views: the stored copy becomes w at every `every`-th call; words that differ are sent."""
    if age[0] == 0:
        moved = i64(0)
        for s in range(w.shape[0]):
            moved += i64(copy[s] != w[s])
            copy[s] = w[s]
        stat[0] += moved
        stat[9] += moved
    age[0] = (age[0] + 1) % every


@jit
def round_signal(total, i, m, drop, words):
    """m[i] = limit(SR(total)) in s8.7; returns whether it was limited."""
    s = total
    if drop > 0:
        s = (total + (i64(words[i]) >> i64(32 - drop))) >> i64(drop)
    kept = min(max(s, i64(-128)), i64(127))
    m[i] = i32(kept)
    return i64(s != kept)


@jit
def count_loud(r):
    """Numbers other than 0."""
    loud = 0
    for k in range(r.shape[0]):
        loud += r[k] != 0
    return loud


@jit
def dense_signal(g, r, m, drop, words, key, stat, multiplies):
    """m[i] = limit(SR(sum_k g[i, k] * r[k])) in s8.7, 64-bit lanes; rows of g are contiguous."""
    loud = begin_signal(r, m, g.shape[0], drop, words, key, stat, multiplies)
    if loud == 0:
        return
    over = i64(0)
    for i in range(g.shape[0]):
        total, row = i64(0), g[i]
        for k in range(r.shape[0]):
            total += i64(row[k]) * i64(r[k])
        over += round_signal(total, i, m, drop, words)
    stat[6] += over


@jit
def dense_signal_32(g, r, m, drop, words, key, stat, multiplies):
    """dense_signal in 32-bit lanes, where these hold the sum."""
    loud = begin_signal(r, m, g.shape[0], drop, words, key, stat, multiplies)
    if loud == 0:
        return
    over = i64(0)
    for i in range(g.shape[0]):
        total, row = i32(0), g[i]
        for k in range(r.shape[0]):
            total = i32(total + i32(i32(row[k]) * i32(r[k])))
        over += round_signal(i64(total), i, m, drop, words)
    stat[6] += over


@jit
def begin_signal(r, m, n, drop, words, key, stat, multiplies):
    """Count messages and products, draw the words; a silent source clears m. Returns the messages."""
    loud = count_loud(r)
    stat[0] += loud
    stat[1] += loud * n
    if multiplies:
        stat[2] += loud * n
    if loud == 0:
        clear1(m)
    elif drop > 0:
        fill_even(key, words)
        stat[5] += n
    return loud


@jit
def sparse_signal(w, ptr, tgt, r, m, drop, words, key, stat):
    """m[i] = limit(SR(sum over the synapses of axon i of w * r[target])), sparse rows."""
    n = m.shape[0]
    loud = count_loud(r)
    stat[0] += loud
    if loud == 0:
        clear1(m)
        return
    if drop > 0:
        fill_even(key, words)
        stat[5] += n
    over = met = i64(0)
    for i in range(n):
        total = i64(0)
        for s in range(ptr[i], ptr[i + 1]):
            x = i64(r[tgt[s]])
            total += i64(w[s]) * x
            met += i64(x != 0)
        over += round_signal(total, i, m, drop, words)
    stat[1] += met
    stat[2] += met
    stat[6] += over


@jit
def copy_error(err, m):
    """The error is the layer's own third factor."""
    for k in range(err.shape[0]):
        m[k] = err[k]


# ---------------------------------------------------------------- float twin


@jit
def softmax_error_twin(v, scale, label, err):
    """The float twin of softmax_error: v real, scale real."""
    n = v.shape[0]
    top = v[0]
    for k in range(1, n):
        top = max(top, v[k])
    total = 0.0
    for k in range(n):
        err[k] = math.exp((v[k] - top) * scale)
        total += err[k]
    for k in range(n):
        err[k] = err[k] / total - (1.0 if k == label else 0.0)


@jit
def sign_error_twin(v, scale, label, err):
    """The float twin of sign_error; errors below half a unit of s8.7 are 0 there."""
    softmax_error_twin(v, scale, label, err)
    for k in range(v.shape[0]):
        e = err[k]
        err[k] = 0.0 if abs(e) < 2.0**-8 else (0.5 if e > 0 else -0.5)


@jit
def smooth_l1_error_twin(v, scale, label, err):
    """The float twin of smooth_l1_error."""
    for k in range(v.shape[0]):
        err[k] = min(max(v[k] * scale - (1.0 if k == label else 0.0), -1.0), 1.0)


@jit
def mse_error_twin(v, scale, label, err):
    """The float twin of mse_error, without its limit."""
    for k in range(v.shape[0]):
        err[k] = (v[k] * scale - (1.0 if k == label else 0.0)) / 4.0


@jit
def hard_sigmoid_error_twin(v, scale, label, err):
    """The float twin of hard_sigmoid_error."""
    for k in range(v.shape[0]):
        err[k] = min(max(v[k] * scale + 0.5, 0.0), 1.0) - (1.0 if k == label else 0.0)


@jit
def ternary_error_twin(v, scale, label, err):
    """The float twin of ternary_error."""
    clear1(err)
    if label >= v.shape[0]:
        return
    near = 0
    for k in range(v.shape[0]):
        if k != label and (v[label] - v[k]) * scale < 1.0:
            err[k] = 0.5
            near += 1
    if near > 0:
        err[label] = -0.5


@jit
def spike_error_twin(fired, scale, label, err):
    """The float twin of spike_error."""
    for k in range(fired.shape[0]):
        err[k] = 0.5 * (f64(fired[k]) - (1.0 if k == label else 0.0))


@jit
def regression_error_twin(v, scale, label, err):
    """The float twin of regression_error: the raw target has 5 fraction bits."""
    for k in range(v.shape[0]):
        err[k] = (v[k] * scale - label / 32.0) / 4.0


@jit
def trigger_errors_twin(err, thr, up, down):
    """The float twin of trigger_errors: threshold and steps in the error's real units."""
    left = 0
    for k in range(err.shape[0]):
        if err[k] != 0.0 and abs(err[k]) >= thr[0]:
            left += 1
        else:
            err[k] = 0.0
    thr[0] = min(max(thr[0] + left * up - (err.shape[0] - left) * down, 0.0), 1.0)


@jit
def refresh_twin(copy, w, age, every):
    """The float twin of refresh."""
    if age[0] == 0:
        for s in range(w.shape[0]):
            copy[s] = w[s]
    age[0] = (age[0] + 1) % every


@jit
def transpose_signal_twin(g, err, m, scale):
    """m = g @ err * scale in float64, in a fixed order."""
    for i in range(g.shape[0]):
        total = f64(0.0)
        for k in range(g.shape[1]):
            total += g[i, k] * err[k]
        m[i] = total * scale


@jit
def sparse_signal_twin(w, ptr, tgt, r, m, scale):
    """The float twin of sparse_signal."""
    for i in range(m.shape[0]):
        total = f64(0.0)
        for s in range(ptr[i], ptr[i + 1]):
            total += w[s] * r[tgt[s]]
        m[i] = total * scale
