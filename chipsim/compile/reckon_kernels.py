"""Compiled step and event sweep of ReckOn's core: twin of `reference_reckon`, same arrays, same bits.

`m` is `Memory`: the f_ arrays of a state by name and the counters of layers and connections. Registers
are read from m.regs at every use, by the constants below; `do` is DO_EPROP, 0 while learning is off.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from chipsim.compile.lanes import jit
from chipsim.reckon.registers import INDEX
from chipsim.state_reckon import ENGINE_COUNTS

FIELDS = (
    "regs u ti tr to thr alpha dirty z o wins winp wrec wout rinp rrec rout rand stale inp label tar live "
    "stat matrix"
).split()
Memory = namedtuple("Memory", [*FIELDS, "hidden_stat", "out_stat", "fired", "count", "axons"])

RST_MODE, FP_WINP, FP_WREC, FP_WOUT = (INDEX[x] for x in ("RST_MODE", "FP_LOC_WINP", "FP_LOC_WREC", "FP_LOC_WOUT"))
FP_TINP, FP_TREC, FP_TOUT = (INDEX[f"FP_LOC_{x}"] for x in ("TINP", "TREC", "TOUT"))
STOCH, KAPPA, NOISE_EN, NOISE_STR = (INDEX[x] for x in ("EN_STOCH_ROUND", "KAPPA", "NOISE_EN", "NOISE_STR"))
FORCE, REGRESSION = INDEX["FORCE_TRACES"], INDEX["REGRESSION"]
N_INP, N_REC, N_OUT = (INDEX[f"NUM_{x}_NEUR"] for x in ("INP", "REC", "OUT"))
QUIRK_ODD, QUIRK_TWICE = INDEX["QUIRK_ODD"], INDEX["QUIRK_TWICE"]
STEPS, STEP_CYCLES, SWEEP_CYCLES = (ENGINE_COUNTS.index(x) for x in ("steps", "step_cycles", "sweep_cycles"))
INCREMENTS, SATURATIONS, DECAYS, DRAWS = (
    ENGINE_COUNTS.index(f"trace_{x}") for x in ("increments", "saturations", "decays", "draws")
)


@jit
def wrap16(x):
    """The low 16 bits, signed."""
    return ((x + 32768) & 65535) - 32768


@jit
def sat16(x):
    """Limited to 16 bits, signed."""
    return min(max(x, -32768), 32767)


@jit
def next15(state):
    """A 15-bit stream 15 bits on: y[n + 15] = y[n + 14] xor y[n], all of them by a prefix xor."""
    x = state
    x ^= x << 1
    x ^= x << 2
    x ^= x << 4
    x ^= x << 8
    return (x & 32767) ^ (32767 if state >> 14 & 1 else 0)


@jit
def next7(state):
    """The same stream 7 bits on."""
    return state >> 7 | (next15(state) & 127) << 8


@jit
def next_noise(state):
    """32 bits of y[n] = y[n - 3] xor y[n - 17] on; the state is y[n] to y[n + 31]."""
    window, word = state >> 15, np.int64(0)
    for k in range(32):
        bit = (window >> 14 ^ window) & 1
        window = window >> 1 | bit << 16
        word |= bit << k
    return word


@jit
def decayed(x, factor, frac, width, draws, draw):
    """x * factor / 2**frac: floor, wrapped to `width` bits (negative: signed); one more by the draw."""
    product = x * factor
    size = np.int64(1) << abs(width)
    q = (product >> frac) & (size - 1)
    if draws and q != 0 and (product & ((1 << frac) - 1)) >= draw:
        q = (q + 1) & (size - 1)
    return q - size if width < 0 and q >= size >> 1 else q


@jit
def leak(u, alpha, thr, to_zero, draws, draw):
    """Membrane after leak and reset; the spike is u >= thr."""
    kept = decayed(u, alpha, 15, -16, draws, draw)
    if u >= thr:
        return np.int64(0) if to_zero else wrap16(kept - thr)
    return kept


@jit
def delivered(u, w_inp, w_rec, noise):
    """The membrane after one event."""
    weight = sat16(w_inp + w_rec)
    total = wrap16(u + weight + noise)
    if u >= 0 and weight >= 0 and total < 0:
        return np.int64(32767)
    if u < 0 and weight < 0 and total >= 0:
        return np.int64(-32768)
    return total


@jit
def step(m):
    """Leak, spikes, decays of all words; leak of the outputs."""
    n_rec = m.regs[N_REC] + 1
    length = max(m.regs[N_INP], m.regs[N_REC], m.regs[N_OUT]) + 1
    last = (length - 1) // 2 * 2
    for lane in range(2):
        m.stale[lane], m.stale[2 + lane] = m.u[last + lane], m.ti[last + lane]
        m.stale[4 + lane], m.stale[6 + lane] = m.tr[last + lane], m.to[last + lane]
    odd = m.regs[QUIRK_ODD]
    words = length // 2 if odd else (length + 1) // 2
    for word in range(words):
        _step_word(m, word, n_rec)
    if odd and length % 2:
        m.z[length - 1] = m.z[length] = 0
    _step_outputs(m, min(16, length))
    m.stat[STEPS] += 1
    m.stat[STEP_CYCLES] += length
    m.stat[DECAYS] += 6 * words


@jit
def _step_word(m, word, n_rec):
    alpha, kappa, thr = np.int64(m.alpha[word]), m.regs[KAPPA], np.int64(m.thr[word])
    stoch = m.regs[STOCH] != 0
    rounds, rounds_out = stoch and alpha != 0x8000, stoch and kappa != 0x80
    for lane in range(2):
        i = 2 * word + lane
        seen = np.int64(m.dirty[i])
        u = m.u[i] * seen
        spike = u >= thr
        m.u[i] = leak(u, alpha, thr, m.regs[RST_MODE], rounds, m.rand[lane])
        m.ti[i] = decayed(m.ti[i] * seen, alpha, 15, 12, rounds, m.rand[2 + lane])
        m.tr[i] = decayed(m.tr[i] * seen, alpha, 15, 12, rounds, m.rand[4 + lane])
        m.to[i] = decayed(m.to[i] * seen, kappa, 7, 10, rounds_out, m.rand[6 + lane] & 127)
        m.z[i] = spike
        m.dirty[i] = 1
        m.stat[DRAWS] += 2 * rounds + rounds_out
        if i < n_rec:
            m.hidden_stat[1 if u != 0 else 2] += 1
            m.hidden_stat[0] += spike
            m.hidden_stat[6] += rounds
            m.fired[i] = spike
            m.count[i] += spike
    if stoch:
        for k in range(0 if rounds else 2, 6):
            m.rand[k] = next15(m.rand[k])
        m.rand[6], m.rand[7] = next7(m.rand[6]), next7(m.rand[7])


@jit
def _step_outputs(m, cycles):
    kappa = m.regs[KAPPA]
    rounds = m.regs[STOCH] != 0 and kappa != 0x80
    for k in range(cycles):
        if k <= m.regs[N_OUT]:
            o = np.int64(m.o[k])
            m.out_stat[1 if o != 0 else 2] += 1
            m.out_stat[6] += rounds
            m.o[k] = decayed(o, kappa, 7, -16, rounds, m.rand[8] & 127)
        if rounds:
            m.rand[8] = next7(m.rand[8])


@jit
def winner(m):
    """The output with the largest potential, the lowest of equals."""
    best = 0
    for k in range(1, m.regs[N_OUT] + 1):
        if m.o[k] > m.o[best]:
            best = k
    return best


@jit
def count_winner(m):
    """One more step won by the present winner (classification)."""
    if not m.regs[REGRESSION]:
        m.wins[winner(m)] += 1


@jit
def sweep(m, do):
    """Deliver every index with an input event or a spike; then both are cleared."""
    n_inp, n_rec = m.regs[N_INP] + 1, m.regs[N_REC] + 1
    active = late = 0
    for i in range(max(n_inp, n_rec)):
        if m.inp[i] or m.z[i]:
            active += 1
            late += _one_event(m, do, i, n_rec)
        m.inp[i] = m.z[i] = 0
    m.stat[SWEEP_CYCLES] += max(n_inp, n_rec) + 2 * ((n_rec + 1) // 2) * active + 2 * late


@jit
def _one_event(m, do, i, n_rec):
    event, spike = m.inp[i] != 0, m.z[i] != 0
    _count_delivery(m, event, spike, n_rec)
    if spike:
        for k in range(m.regs[N_OUT] + 1):
            m.o[k] = delivered(np.int64(m.o[k]), np.int64(0), np.int64(m.wout[i, k]) << m.regs[FP_WOUT], np.int64(0))
    forced = m.regs[FORCE] != 0
    a_inp = np.int64(8) << m.regs[FP_TINP] if event and (do & 1 or forced) else np.int64(0)
    a_rec = np.int64(8) << m.regs[FP_TREC] if spike and (do & 2 or forced) else np.int64(0)
    a_out = np.int64(2) << m.regs[FP_TOUT] if spike and (do & 4 or forced) else np.int64(0)
    words = (n_rec + 1) // 2
    if m.regs[NOISE_EN]:
        _deliver_noisy(m, i, event, spike, words, n_rec)
    else:
        _deliver(m, i, event, spike, words, n_rec)
    for word in range(words):
        if not m.dirty[2 * word] or i // 2 == word:
            _traces(m, i, word, a_inp, a_rec, a_out)
    if i < n_rec or a_inp == 0:
        return 0
    if m.regs[QUIRK_TWICE] or i // 2 >= words:
        _traces(m, i, i // 2, a_inp, np.int64(0), np.int64(0))
    return 1


@jit
def _count_delivery(m, event, spike, n_rec):
    m.axons[0, 0] += event
    m.axons[0, 1] += event * n_rec
    m.axons[1, 0] += spike
    m.axons[1, 1] += spike * n_rec
    m.axons[2, 0] += spike
    m.axons[2, 1] += spike * (m.regs[N_OUT] + 1)


@jit
def _deliver(m, i, event, spike, words, n_rec):
    """Without noise a limited sum: the row of weights, vectorised."""
    left_inp = np.int32(m.regs[FP_WINP]) if event else np.int32(0)
    left_rec = np.int32(m.regs[FP_WREC]) if spike else np.int32(0)
    on_inp, on_rec = np.int32(event), np.int32(spike)
    row_inp = m.winp[i if event else 0]
    row_rec = m.wrec[i]
    limited = 0
    for j in range(2 * words):
        w_inp = np.int32(np.int32(np.int32(row_inp[j]) * on_inp) << left_inp)
        w_rec = np.int32(np.int32(np.int32(row_rec[j]) * on_rec) << left_rec)
        u = np.int32(m.u[j] * np.int32(m.dirty[j]))
        exact = np.int32(u + w_inp + w_rec)
        both = np.int32(min(max(np.int32(w_inp + w_rec), np.int32(-32768)), np.int32(32767)))
        made = np.int32(min(max(np.int32(u + both), np.int32(-32768)), np.int32(32767)))
        limited += (made != exact) & (j < n_rec)
        m.u[j] = made
    m.hidden_stat[5] += limited


@jit
def _deliver_noisy(m, i, event, spike, words, n_rec):
    for j in range(2 * words):
        w_inp = np.int64(m.winp[i, j]) << m.regs[FP_WINP] if event else np.int64(0)
        w_rec = np.int64(m.wrec[i, j]) << m.regs[FP_WREC] if spike else np.int64(0)
        noise = wrap16(m.rand[9] >> (16 * (j & 1))) >> m.regs[NOISE_STR]
        u = np.int64(m.u[j]) * m.dirty[j]
        made = delivered(u, w_inp, w_rec, noise)
        m.hidden_stat[5] += (u + w_inp + w_rec + noise != made) & (j < n_rec)
        m.u[j] = made
        if j & 1:
            m.rand[9] = next_noise(m.rand[9])


@jit
def _grown(m, trace, i, amount, top):
    value = trace[i] + amount
    m.stat[INCREMENTS] += 1
    m.stat[SATURATIONS] += value > top
    trace[i] = min(value, top)


@jit
def _traces(m, i, word, a_inp, a_rec, a_out):
    """Traces of a word: those of index i grow; a word not written yet in this sample begins at 0."""
    for j in range(2 * word, 2 * word + 2):
        if not m.dirty[j]:
            m.ti[j] = m.tr[j] = m.to[j] = 0
            m.dirty[j] = 1
    if i // 2 == word:
        if a_inp:
            _grown(m, m.ti, i, a_inp, 4095)
        if a_rec:
            _grown(m, m.tr, i, a_rec, 4095)
        if a_out:
            _grown(m, m.to, i, a_out, 1023)


@jit
def idle(m):
    """The end of a sample."""
    m.dirty[:] = 0
    m.z[:] = 0
    m.o[:] = 0
    m.wins[:] = 0
    m.inp[:] = 0
    m.live[0] = 0
