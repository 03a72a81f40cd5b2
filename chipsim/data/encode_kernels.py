"""Compiled loops of the encoders: count the events of each sample, then write them.

pixels  uint8[n, p]       levels
rows    int64[m]          which images, in order
table   int64[levels]     what a level becomes (see Encoder.table)
keys    uint64[m, 1 or T] noise keys
total   int64[m]          written by count_*: events of each sample
offset  int64[m]          where each sample's events begin
start   int32[m*T]        written by fill_*: end of each step's events
axon    int32[all + 1]    written by fill_*

Hashes run on uint64 with masks (numba widens uint32 arithmetic); steps are scanned over the list of
pixels that are not 0, and a slot is written before it is known whether it counts: no branch.
"""

from __future__ import annotations

import numba
import numpy as np

_M = np.uint64(0xFFFFFFFF)
_C1, _C2 = np.uint64(0xCC9E2D51), np.uint64(0x1B873593)
_F1, _F2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
_FIVE, _ADD, _FOUR = np.uint64(5), np.uint64(0xE6546B64), np.uint64(4)
_S13, _S15, _S16 = np.uint64(13), np.uint64(15), np.uint64(16)
_S17, _S19 = np.uint64(17), np.uint64(19)
_jit = numba.njit(cache=True, nogil=True)


@_jit
def top16(key, element):
    """Top 16 bits of R[element], the word `noise.word_one(key, element)`, as int64."""
    k = (np.uint64(2 * element) * _C1) & _M
    k = ((k << _S15) | (k >> _S17)) & _M
    k = (k * _C2) & _M
    h = np.uint64(key) ^ k
    h = ((h << _S13) | (h >> _S19)) & _M
    h = (h * _FIVE + _ADD) & _M
    h ^= _FOUR
    h = ((h ^ (h >> _S16)) * _F1) & _M
    h = ((h ^ (h >> _S13)) * _F2) & _M
    return np.int64((h ^ (h >> _S16)) >> _S16)


@_jit
def _lit(levels, table, silent, pixel, value):
    """List the pixels whose table entry is not `silent`, with that entry; returns how many."""
    n = 0
    for p in range(len(levels)):
        entry = table[levels[p]]
        pixel[n] = p
        value[n] = entry
        n += np.int64(entry != silent)
    return n


@_jit
def count_regular(pixels, rows, table, keys, T, total):
    for m in range(len(rows)):
        levels = pixels[rows[m]]
        events = 0
        for p in range(len(levels)):
            rate = table[levels[p]]
            if rate:
                events += (top16(keys[m, 0], p) + rate * T) >> 16
        total[m] = events


@_jit
def fill_regular(pixels, rows, table, keys, T, offset, start, axon):
    pixel = np.empty(pixels.shape[1] + 1, np.int32)
    rate = np.empty(pixels.shape[1] + 1, np.int64)
    phase = np.empty(pixels.shape[1] + 1, np.int64)
    for m in range(len(rows)):
        n = _lit(pixels[rows[m]], table, 0, pixel, rate)
        for i in range(n):
            phase[i] = top16(keys[m, 0], pixel[i])
        at = offset[m]
        for t in range(T):
            for i in range(n):
                now = phase[i] + rate[i]
                axon[at] = pixel[i]
                at += now >> 16
                phase[i] = now & 0xFFFF
            start[m * T + t] = at


@_jit
def count_rate(pixels, rows, table, keys, T, total):
    pixel = np.empty(pixels.shape[1] + 1, np.int32)
    rate = np.empty(pixels.shape[1] + 1, np.int64)
    for m in range(len(rows)):
        n = _lit(pixels[rows[m]], table, 0, pixel, rate)
        events = 0
        for t in range(T):
            key = keys[m, t]
            for i in range(n):
                events += np.int64(top16(key, pixel[i]) < rate[i])
        total[m] = events


@_jit
def fill_rate(pixels, rows, table, keys, T, offset, start, axon):
    pixel = np.empty(pixels.shape[1] + 1, np.int32)
    rate = np.empty(pixels.shape[1] + 1, np.int64)
    for m in range(len(rows)):
        n = _lit(pixels[rows[m]], table, 0, pixel, rate)
        at = offset[m]
        for t in range(T):
            key = keys[m, t]
            for i in range(n):
                axon[at] = pixel[i]
                at += np.int64(top16(key, pixel[i]) < rate[i])
            start[m * T + t] = at


@_jit
def count_latency(pixels, rows, table, keys, T, total):
    for m in range(len(rows)):
        levels = pixels[rows[m]]
        events = 0
        for p in range(len(levels)):
            events += np.int64(table[levels[p]] < T)
        total[m] = events


@_jit
def fill_latency(pixels, rows, table, keys, T, offset, start, axon):
    pixel = np.empty(pixels.shape[1] + 1, np.int32)
    when = np.empty(pixels.shape[1] + 1, np.int64)
    for m in range(len(rows)):
        n = _lit(pixels[rows[m]], table, T, pixel, when)
        at = offset[m]
        for t in range(T):
            for i in range(n):
                axon[at] = pixel[i]
                at += np.int64(when[i] == t)
            start[m * T + t] = at


@_jit
def count_current(pixels, rows, table, keys, T, total):
    for m in range(len(rows)):
        levels = pixels[rows[m]]
        events = 0
        for p in range(len(levels)):
            events += np.int64(table[levels[p]] != 0)
        total[m] = events * T


@_jit
def fill_current(pixels, rows, table, keys, T, offset, start, axon):
    pixel = np.empty(pixels.shape[1] + 1, np.int32)
    value = np.empty(pixels.shape[1] + 1, np.int64)
    for m in range(len(rows)):
        n = _lit(pixels[rows[m]], table, 0, pixel, value)
        at = offset[m]
        for t in range(T):
            for i in range(n):
                axon[at] = pixel[i]
                at += 1
            start[m * T + t] = at


PAIRS = {
    "regular": (count_regular, fill_regular),
    "rate": (count_rate, fill_rate),
    "latency": (count_latency, fill_latency),
    "current": (count_current, fill_current),
}
