"""The loops over synapses that mapping needs, compiled: columns, cutting into cores, rows across cores."""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True)


@_jit
def columns(indptr, targets, n_post):
    """(int64[n_post + 1], int32[n_synapses]): the axons of each neuron, from rows by axon."""
    start = np.zeros(n_post + 1, np.int64)
    for k in range(len(targets)):
        start[targets[k] + 1] += 1
    for j in range(n_post):
        start[j + 1] += start[j]
    place = start[:-1].copy()
    pre = np.empty(len(targets), np.int32)
    for a in range(len(indptr) - 1):
        for k in range(indptr[a], indptr[a + 1]):
            j = targets[k]
            pre[place[j]] = a
            place[j] += 1
    return start, pre


@_jit
def cut(start, pre, group, slots, more, table, axons0, out, caps, first, axons_of, bits_of):
    """Cut a layer into cores: neurons in order, a new core where the next neuron would not fit.

    start, pre   axons of each neuron, over all connections; axon a belongs to connection group[a]
    slots        axon slots by connection
    more         int64[connections, n], bits that an axon's synapse number n + 1 on a core adds
    table        bits of everything that depends on the number of neurons alone, [0..caps[0]]
    axons0       axon slots of dense connections
    out          axons out by neuron
    caps         (neurons, axon slots in, synapse bits, axons out) of a core
    first, axons_of, bits_of   int64[n_post + 1], filled: first neuron, axon slots and bits of each core
    Returns (cores, -1), or (cores so far, neuron) where a neuron does not fit a core of its own.
    """
    n_post = len(start) - 1
    mark = np.full(len(group), -1, np.int64)  # core * 2^24 + synapses of the axon on it
    core, j, n, axons, bits, outs = 0, 0, 0, axons0, 0, 0
    first[0] = 0
    while j < n_post:
        new_axons, new_bits, base = axons, bits, core << 24
        for k in range(start[j], start[j + 1]):
            a = pre[k]
            g = group[a]
            have = mark[a] - base
            if have < 0:
                have = 0
                new_axons += slots[g]
            new_bits += more[g, have]
            mark[a] = base + have + 1
        fits = n < caps[0] and new_axons <= caps[1]
        if fits:
            fits = new_bits + table[n + 1] <= caps[2] and outs + out[j] <= caps[3]
        if fits:
            n, axons, bits, outs, j = n + 1, new_axons, new_bits, outs + out[j], j + 1
            axons_of[core] = axons
            bits_of[core] = bits + table[n]
            continue
        if n == 0:
            return core, j
        core += 1
        first[core] = j
        n, axons, bits, outs = 0, axons0, 0, 0
    return core + 1, -1


@_jit
def fan_out(indptr, targets, core_of):
    """int64[n_pre]: cores that each axon reaches. Cores ascend with the neurons of a layer."""
    out = np.zeros(len(indptr) - 1, np.int64)
    for a in range(len(indptr) - 1):
        last = -1
        for k in range(indptr[a], indptr[a + 1]):
            if core_of[targets[k]] != last:
                last = core_of[targets[k]]
                out[a] += 1
    return out


@_jit
def row_hops(indptr, targets, core_of, here, spikes, chip, x, y, total):
    """Add the messages of sparse rows to total: messages, hops along x, along y, between chips.

    here   int64[n_pre], the core of each axon's neuron, -1 outside
    """
    for a in range(len(indptr) - 1):
        if spikes[a] == 0:
            continue
        last, p = -1, here[a]
        for k in range(indptr[a], indptr[a + 1]):
            q = core_of[targets[k]]
            if q == last:
                continue
            last = q
            total[0] += spikes[a]
            if p >= 0:
                if chip[p] != chip[q]:
                    total[3] += spikes[a]
                else:
                    total[1] += spikes[a] * abs(x[p] - x[q])
                    total[2] += spikes[a] * abs(y[p] - y[q])
