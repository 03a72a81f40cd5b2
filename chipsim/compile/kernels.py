"""Kernels that every network shares: hashing, delivery (circuits: `circuit_kernels.py`).

Each is the vectorised twin of a few lines of `noise.py`, `reference.py` or definition 1; arrays are
C-contiguous, rows of weights are contiguous (pre-major).
"""

from __future__ import annotations

import math

import numpy as np

from chipsim.compile.lanes import f64, i32, i64, jit, shr32, u32, u64

EXP16 = np.array([math.floor(65535 * math.exp(-i / 16) + 0.5) for i in range(256)], np.int64)


@jit
def mix(h, word):
    """One body round of MurmurHash3_x86_32."""
    k = u32(u32(word) * u32(0xCC9E2D51))
    k = u32(u32(u32(k << u32(15)) | u32(k >> u32(17))) * u32(0x1B873593))
    h = u32(u32(h) ^ k)
    h = u32(u32(h << u32(13)) | u32(h >> u32(19)))
    return u32(u32(h * u32(5)) + u32(0xE6546B64))


@jit
def finish(h, length):
    """Length and finaliser of MurmurHash3_x86_32."""
    h = u32(h ^ u32(length))
    h = u32(u32(h ^ u32(h >> u32(16))) * u32(0x85EBCA6B))
    h = u32(u32(h ^ u32(h >> u32(13))) * u32(0xC2B2AE35))
    return u32(h ^ u32(h >> u32(16)))


@jit
def word(key, c):
    """H(key, c) of `noise.py`."""
    return finish(mix(u32(key), u32(c)), u32(4))


@jit
def draw_key(seed, place, op, context, step):
    """`noise.draw_key`; seed uint64, step int64."""
    h = mix(u32(u64(seed) & u64(0xFFFFFFFF)), u32(u64(seed) >> u64(32)))
    h = mix(h, u32(place))
    h = mix(h, u32(op))
    h = mix(h, u32(context))
    h = mix(h, u32(u64(step) & u64(0xFFFFFFFF)))
    h = mix(h, u32(u64(step) >> u64(32)))
    return finish(h, u32(24))


@jit
def fill_even(key, words):
    """words[e] = H(key, 2e): R of `noise.py`. words uint32[n]."""
    for e in range(words.shape[0]):
        words[e] = word(key, u32(2 * e))


@jit
def fill_odd(key, words):
    """words[e] = H(key, 2e + 1): S of `noise.py`. words uint32[n]."""
    for e in range(words.shape[0]):
        words[e] = word(key, u32(2 * e + 1))


@jit
def top_bits(w, n):
    """The top n bits of a word, n in 0..31."""
    return shr32(u32(w >> u32(1)), u32(31 - n))


@jit
def fill_even_top(key, words, n):
    """words[e] = the top n bits of H(key, 2e), so that a row's loop need not shift."""
    for e in range(words.shape[0]):
        words[e] = top_bits(word(key, u32(2 * e)), n)


@jit
def fill_odd_top(key, words, n):
    """words[e] = the top n bits of H(key, 2e + 1)."""
    for e in range(words.shape[0]):
        words[e] = top_bits(word(key, u32(2 * e + 1)), n)


@jit
def fill_same(key, words):
    """words[e] = H(key, 0) for all e: noise `shared`."""
    w = word(key, u32(0))
    for e in range(words.shape[0]):
        words[e] = w


@jit
def fill_lfsr(key, words):
    """words[e] = state of the serial register after e + 1 steps: noise `lfsr`. words is flat."""
    s = u32(key)
    if s == u32(0):
        s = u32(1)
    for e in range(words.shape[0]):
        low = u32(s & u32(1))
        s = u32(s >> u32(1))
        if low != u32(0):
            s = u32(s ^ u32(0x80200003))
        words[e] = s


@jit
def clear1(a):
    """a[:] = 0 (numba's own slice assignment takes seconds to compile)."""
    for i in range(a.shape[0]):
        a[i] = 0


@jit
def clear2(a):
    """Zero an array of two axes."""
    for b in range(a.shape[0]):
        for i in range(a.shape[1]):
            a[b, i] = 0


@jit
def clear3(a):
    """Zero an array of three axes."""
    for k in range(a.shape[0]):
        for b in range(a.shape[1]):
            for i in range(a.shape[2]):
                a[k, b, i] = 0


@jit
def set2(a, value):
    """Set all elements of an array of two axes."""
    for b in range(a.shape[0]):
        for i in range(a.shape[1]):
            a[b, i] = value


@jit
def set3(a, value):
    """Set all elements of an array of three axes."""
    for k in range(a.shape[0]):
        for b in range(a.shape[1]):
            for i in range(a.shape[2]):
                a[k, b, i] = value


@jit
def copy_row(a, row, source, b):
    """a[row] = source[b]."""
    for i in range(a.shape[1]):
        a[row, i] = source[b, i]


@jit
def copy2(a, source):
    """a[...] = source, two axes."""
    for b in range(a.shape[0]):
        for i in range(a.shape[1]):
            a[b, i] = source[b, i]


@jit
def largest(v):
    """Index of the largest element, the lowest of equals."""
    best = 0
    for i in range(1, v.shape[0]):
        if v[i] > v[best]:
            best = i
    return best


@jit
def load_events(start, axon, cell, hist, hist_n):
    """Copy the events of one (sample, step) cell into a history slot. Returns their number."""
    a = start[cell]
    n = start[cell + 1] - a
    for k in range(n):
        hist[k] = axon[a + k]
    hist_n[0] = n
    return n


@jit
def load_payload(start, payload, cell, pay):
    """Copy the payloads of one cell."""
    a = start[cell]
    for k in range(start[cell + 1] - a):
        pay[k] = payload[a + k]


@jit
def changes(row, kept):
    """How many elements of a row differ from their values before the line."""
    moved = i32(0)
    for i in range(row.shape[0]):
        moved = i32(moved + i32(i32(row[i]) != kept[i]))
    return i64(moved)


@jit
def deliver_dense(w, active, n_active, acc, shift):
    """acc[i] += sum over active rows of w[j, i] << shift; four rows at a time."""
    n = acc.shape[0]
    k = 0
    while k + 4 <= n_active:
        w0, w1, w2, w3 = w[active[k]], w[active[k + 1]], w[active[k + 2]], w[active[k + 3]]
        for i in range(n):
            s = i32(i32(i32(w0[i]) + i32(w1[i])) + i32(i32(w2[i]) + i32(w3[i])))
            acc[i] = i32(i32(acc[i]) + i32(s << shift))
        k += 4
    while k < n_active:
        w0 = w[active[k]]
        for i in range(n):
            acc[i] = i32(i32(acc[i]) + i32(i32(w0[i]) << shift))
        k += 1


@jit
def deliver_graded(w, active, payload, n_active, acc, shift):
    """acc[i] += sum over active rows of w[j, i] * payload << shift, 32-bit lanes."""
    for k in range(n_active):
        w0 = w[active[k]]
        p = i32(payload[k])
        for i in range(acc.shape[0]):
            acc[i] = i32(i32(acc[i]) + i32(i32(i32(w0[i]) * p) << shift))


@jit
def deliver_wide(w, active, payload, graded, n_active, acc, shift):
    """The same in 64-bit lanes, where 32 cannot hold the sum."""
    for k in range(n_active):
        w0 = w[active[k]]
        p = i64(payload[k]) if graded else i64(1)
        for i in range(acc.shape[0]):
            acc[i] += i64(i64(w0[i]) * p) << i64(shift)


@jit
def deliver_sparse(w, ptr, tgt, active, payload, graded, n_active, acc, shift):
    """Sparse rows, any lane (the accumulator's type decides). Returns the synaptic events."""
    events = i64(0)
    for k in range(n_active):
        j = active[k]
        p = i64(payload[k]) if graded else i64(1)
        events += ptr[j + 1] - ptr[j]
        for s in range(ptr[j], ptr[j + 1]):
            acc[tgt[s]] += i64(i64(w[s]) * p) << i64(shift)
    return events


@jit
def deliver_delayed(w, delay, active, payload, graded, n_active, ring, slot, b, shift):
    """Dense rows with one delay per synapse: contributions go to slot + delay of the ring."""
    depth = ring.shape[0]
    for k in range(n_active):
        j = active[k]
        p = i64(payload[k]) if graded else i64(1)
        for i in range(w.shape[1]):
            ring[(slot + i64(delay[j, i])) % depth, b, i] += i64(i64(w[j, i]) * p) << i64(shift)


@jit
def deliver_delayed_sparse(w, delay, ptr, tgt, active, payload, graded, n_active, ring, slot, b, shift):
    """Sparse rows with one delay per synapse. Returns the synaptic events."""
    depth = ring.shape[0]
    events = i64(0)
    for k in range(n_active):
        j = active[k]
        p = i64(payload[k]) if graded else i64(1)
        events += ptr[j + 1] - ptr[j]
        for s in range(ptr[j], ptr[j + 1]):
            ring[(slot + i64(delay[s])) % depth, b, tgt[s]] += i64(i64(w[s]) * p) << i64(shift)
    return events


@jit
def add_floored(part, ring, b, shift):
    """ring[slot, b] += part[slot, 0] >> shift for every slot."""
    for slot in range(part.shape[0]):
        for i in range(part.shape[2]):
            ring[slot, b, i] += part[slot, 0, i] >> shift


@jit
def wrap32(x):
    """An int64 modulo 2^32, in -2^31 .. 2^31 - 1."""
    return i64(i64(i64(x + i64(2147483648)) & i64(4294967295)) - i64(2147483648))


@jit
def toward_zero(x, k):
    """x * k / 4096 with the dropped bits toward zero; int64."""
    p = i64(x * k)
    return i64(p >> i64(12)) if p >= 0 else i64(-i64(i64(-p) >> i64(12)))


@jit
def deliver_twin(w, active, payload, graded, n_active, acc):
    """Dense delivery of the float twin."""
    for k in range(n_active):
        w0 = w[active[k]]
        p = f64(payload[k]) if graded else 1.0
        for i in range(acc.shape[0]):
            acc[i] += w0[i] * p


@jit
def deliver_sparse_twin(w, ptr, tgt, active, payload, graded, n_active, acc):
    """Sparse delivery of the float twin."""
    for k in range(n_active):
        j = active[k]
        p = f64(payload[k]) if graded else 1.0
        for s in range(ptr[j], ptr[j + 1]):
            acc[tgt[s]] += w[s] * p
