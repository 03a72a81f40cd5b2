"""Compiled step and event sweep of ReckOn's core: twin of `reference_reckon`, same arrays, same bits.

`m` is `Memory`. Registers are read from m.regs at every use, by the constants below; `do` is DO_EPROP, 0
while learning is off. A kernel's compile time grows with the arrays it is given, so that small ones are
rows of a few (`reckon_run.memory_of` fills them).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chipsim.compile.lanes import jit_part
from chipsim.reckon.registers import INDEX
from chipsim.state import LAYER_COUNTS
from chipsim.state_reckon import ENGINE_COUNTS, MATRIX_COUNTS


class Memory(NamedTuple):
    """What the core works on; all of it is written in place.

    x      int32[4, 2 W]  membranes and input, recurrent, output traces: rows U, TI, TR, TO
    conf   int32[2, W]    rows THR, ALPHA;  flags uint8[2, 2 W] rows DIRTY, Z
    out    int32[2, 16]   potentials, regression targets: rows OUTPUT, TAR
    ctl    int64[18]      wins of the outputs, then the label (LABEL) and whether a sample runs (LIVE)
    lanes  uint32[2, 16]  random words of input and recurrent weights
    cnt    int64[COUNTERS]  counters: core, matrices, hidden layer, output layer, deliveries
    spk    int32[2, hidden]  spikes of the last STEP, and of the sample
    """

    regs: np.ndarray
    x: np.ndarray
    conf: np.ndarray
    flags: np.ndarray
    out: np.ndarray
    ctl: np.ndarray
    winp: np.ndarray
    wrec: np.ndarray
    wout: np.ndarray
    lanes: np.ndarray
    rout: np.ndarray
    rand: np.ndarray
    stale: np.ndarray
    inp: np.ndarray
    cnt: np.ndarray
    spk: np.ndarray


U, TI, TR, TO = range(4)
THR, ALPHA = range(2)
DIRTY, Z = range(2)
OUTPUT, TAR = range(2)
LABEL, LIVE = 16, 17
MATRIX = len(ENGINE_COUNTS)  # first counter of w_inp; then w_rec, w_out
PER_MATRIX = len(MATRIX_COUNTS)
HIDDEN = MATRIX + 3 * PER_MATRIX
OUT = HIDDEN + len(LAYER_COUNTS)
AXONS = OUT + len(LAYER_COUNTS)  # axon events and synaptic events of each matrix
COUNTERS = AXONS + 6

RST_MODE, FP_WINP, FP_WREC, FP_WOUT = (
    INDEX[x] for x in ("RST_MODE", "FP_LOC_WINP", "FP_LOC_WREC", "FP_LOC_WOUT")
)
FP_TINP, FP_TREC, FP_TOUT = (INDEX[f"FP_LOC_{x}"] for x in ("TINP", "TREC", "TOUT"))
STOCH, KAPPA, NOISE_EN, NOISE_STR = (INDEX[x] for x in ("EN_STOCH_ROUND", "KAPPA", "NOISE_EN", "NOISE_STR"))
FORCE, REGRESSION = INDEX["FORCE_TRACES"], INDEX["REGRESSION"]
N_INP, N_REC, N_OUT = (INDEX[f"NUM_{x}_NEUR"] for x in ("INP", "REC", "OUT"))
QUIRK_ODD, QUIRK_TWICE = INDEX["QUIRK_ODD"], INDEX["QUIRK_TWICE"]
STEPS, STEP_CYCLES, SWEEP_CYCLES = (ENGINE_COUNTS.index(x) for x in ("steps", "step_cycles", "sweep_cycles"))
INCREMENTS, SATURATIONS, DECAYS, DRAWS = (
    ENGINE_COUNTS.index(f"trace_{x}") for x in ("increments", "saturations", "decays", "draws")
)


@jit_part
def wrap16(x):
    """The low 16 bits, signed."""
    return ((x + 32768) & 65535) - 32768


@jit_part
def sat16(x):
    """Limited to 16 bits, signed."""
    return min(max(x, -32768), 32767)


@jit_part
def next15(state):
    """A 15-bit stream 15 bits on: y[n + 15] = y[n + 14] xor y[n], all of them by a prefix xor."""
    x = state
    x ^= x << 1
    x ^= x << 2
    x ^= x << 4
    x ^= x << 8
    return (x & 32767) ^ (32767 if state >> 14 & 1 else 0)


@jit_part
def next7(state):
    """The same stream 7 bits on."""
    return state >> 7 | (next15(state) & 127) << 8


@jit_part
def next_noise(state):
    """32 bits of y[n] = y[n - 3] xor y[n - 17] on; the state is y[n] to y[n + 31]."""
    window, word = state >> 15, np.int64(0)
    for k in range(32):
        bit = (window >> 14 ^ window) & 1
        window = window >> 1 | bit << 16
        word |= bit << k
    return word


@jit_part
def decayed(x, factor, frac, width, draws, draw):
    """x * factor / 2**frac: floor, wrapped to `width` bits (negative: signed); one more by the draw."""
    product = x * factor
    size = np.int64(1) << abs(width)
    q = (product >> frac) & (size - 1)
    if draws and q != 0 and (product & ((1 << frac) - 1)) >= draw:
        q = (q + 1) & (size - 1)
    return q - size if width < 0 and q >= size >> 1 else q


@jit_part
def leak(u, alpha, thr, to_zero, draws, draw):
    """Membrane after leak and reset; the spike is u >= thr."""
    kept = decayed(u, alpha, 15, -16, draws, draw)
    if u >= thr:
        return np.int64(0) if to_zero else wrap16(kept - thr)
    return kept


@jit_part
def delivered(u, w_inp, w_rec, noise):
    """The membrane after one event."""
    weight = sat16(w_inp + w_rec)
    total = wrap16(u + weight + noise)
    if u >= 0 and weight >= 0 and total < 0:
        return np.int64(32767)
    if u < 0 and weight < 0 and total >= 0:
        return np.int64(-32768)
    return total


@jit_part
def step(m):
    """Leak, spikes, decays of all words; leak of the outputs."""
    n_rec = m.regs[N_REC] + 1
    length = max(m.regs[N_INP], m.regs[N_REC], m.regs[N_OUT]) + 1
    last = (length - 1) // 2 * 2
    for lane in range(2):
        m.stale[lane], m.stale[2 + lane] = m.x[U, last + lane], m.x[TI, last + lane]
        m.stale[4 + lane], m.stale[6 + lane] = m.x[TR, last + lane], m.x[TO, last + lane]
    odd = m.regs[QUIRK_ODD]
    words = length // 2 if odd else (length + 1) // 2
    _step_words(m, words, n_rec)
    if odd and length % 2:
        m.flags[Z, length - 1] = m.flags[Z, length] = 0
    _step_outputs(m, min(16, length))
    m.cnt[STEPS] += 1
    m.cnt[STEP_CYCLES] += length
    m.cnt[DECAYS] += 6 * words


@jit_part
def _step_words(m, words, n_rec):
    u, ti, tr, to, rand = m.x[U], m.x[TI], m.x[TR], m.x[TO], m.rand
    dirty, z, thrs, alphas, spk = m.flags[DIRTY], m.flags[Z], m.conf[THR], m.conf[ALPHA], m.spk
    kappa, to_zero, stoch = m.regs[KAPPA], m.regs[RST_MODE], m.regs[STOCH] != 0
    rounds_out, draws, busy, spikes, drawn = stoch and kappa != 0x80, 0, 0, 0, 0
    for word in range(words):
        alpha, thr = np.int64(alphas[word]), np.int64(thrs[word])
        rounds = stoch and alpha != 0x8000
        for lane in range(2):
            i = 2 * word + lane
            seen = np.int64(dirty[i])
            before = u[i] * seen
            spike = before >= thr
            u[i] = leak(before, alpha, thr, to_zero, rounds, rand[lane])
            ti[i] = decayed(ti[i] * seen, alpha, 15, 12, rounds, rand[2 + lane])
            tr[i] = decayed(tr[i] * seen, alpha, 15, 12, rounds, rand[4 + lane])
            to[i] = decayed(to[i] * seen, kappa, 7, 10, rounds_out, rand[6 + lane] & 127)
            z[i] = spike
            dirty[i] = 1
            draws += 2 * rounds + rounds_out
            if i < n_rec:
                busy += before != 0
                spikes += spike
                drawn += rounds
                spk[0, i] = spike
                spk[1, i] += spike
        if stoch:
            for k in range(0 if rounds else 2, 6):
                rand[k] = next15(rand[k])
            rand[6], rand[7] = next7(rand[6]), next7(rand[7])
    m.cnt[DRAWS] += draws
    m.cnt[HIDDEN] += spikes
    m.cnt[HIDDEN + 1] += busy
    m.cnt[HIDDEN + 2] += min(n_rec, 2 * words) - busy
    m.cnt[HIDDEN + 6] += drawn


@jit_part
def _step_outputs(m, cycles):
    kappa = m.regs[KAPPA]
    rounds = m.regs[STOCH] != 0 and kappa != 0x80
    for k in range(cycles):
        if k <= m.regs[N_OUT]:
            o = np.int64(m.out[OUTPUT, k])
            m.cnt[OUT + (1 if o != 0 else 2)] += 1
            m.cnt[OUT + 6] += rounds
            m.out[OUTPUT, k] = decayed(o, kappa, 7, -16, rounds, m.rand[8] & 127)
        if rounds:
            m.rand[8] = next7(m.rand[8])


@jit_part
def winner(m):
    """The output with the largest potential, the lowest of equals."""
    best = 0
    for k in range(1, m.regs[N_OUT] + 1):
        if m.out[OUTPUT, k] > m.out[OUTPUT, best]:
            best = k
    return best


@jit_part
def count_winner(m):
    """One more step won by the present winner (classification)."""
    if not m.regs[REGRESSION]:
        m.ctl[winner(m)] += 1


@jit_part
def sweep(m, do):
    """Deliver every index with an input event or a spike; then both are cleared."""
    n_inp, n_rec = m.regs[N_INP] + 1, m.regs[N_REC] + 1
    active = late = 0
    for i in range(max(n_inp, n_rec)):
        if m.inp[i] or m.flags[Z, i]:
            active += 1
            late += _one_event(m, do, i, n_rec)
        m.inp[i] = m.flags[Z, i] = 0
    m.cnt[SWEEP_CYCLES] += max(n_inp, n_rec) + 2 * ((n_rec + 1) // 2) * active + 2 * late


@jit_part
def _one_event(m, do, i, n_rec):
    event, spike = m.inp[i] != 0, m.flags[Z, i] != 0
    _count_delivery(m, event, spike, n_rec)
    if spike:
        for k in range(m.regs[N_OUT] + 1):
            m.out[OUTPUT, k] = delivered(
                np.int64(m.out[OUTPUT, k]),
                np.int64(0),
                np.int64(m.wout[i, k]) << m.regs[FP_WOUT],
                np.int64(0),
            )
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
        if not m.flags[DIRTY, 2 * word] or i // 2 == word:
            _traces(m, i, word, a_inp, a_rec, a_out)
    if i < n_rec or a_inp == 0:
        return 0
    if m.regs[QUIRK_TWICE] or i // 2 >= words:
        _traces(m, i, i // 2, a_inp, np.int64(0), np.int64(0))
    return 1


@jit_part
def _count_delivery(m, event, spike, n_rec):
    m.cnt[AXONS] += event
    m.cnt[AXONS + 1] += event * n_rec
    m.cnt[AXONS + 2] += spike
    m.cnt[AXONS + 3] += spike * n_rec
    m.cnt[AXONS + 4] += spike
    m.cnt[AXONS + 5] += spike * (m.regs[N_OUT] + 1)


@jit_part
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
        u = np.int32(m.x[U, j] * np.int32(m.flags[DIRTY, j]))
        exact = np.int32(u + w_inp + w_rec)
        both = np.int32(min(max(np.int32(w_inp + w_rec), np.int32(-32768)), np.int32(32767)))
        made = np.int32(min(max(np.int32(u + both), np.int32(-32768)), np.int32(32767)))
        limited += (made != exact) & (j < n_rec)
        m.x[U, j] = made
    m.cnt[HIDDEN + 5] += limited


@jit_part
def _deliver_noisy(m, i, event, spike, words, n_rec):
    for j in range(2 * words):
        w_inp = np.int64(m.winp[i, j]) << m.regs[FP_WINP] if event else np.int64(0)
        w_rec = np.int64(m.wrec[i, j]) << m.regs[FP_WREC] if spike else np.int64(0)
        noise = wrap16(m.rand[9] >> (16 * (j & 1))) >> m.regs[NOISE_STR]
        u = np.int64(m.x[U, j]) * m.flags[DIRTY, j]
        made = delivered(u, w_inp, w_rec, noise)
        m.cnt[HIDDEN + 5] += (u + w_inp + w_rec + noise != made) & (j < n_rec)
        m.x[U, j] = made
        if j & 1:
            m.rand[9] = next_noise(m.rand[9])


@jit_part
def _grown(m, trace, i, amount, top):
    value = m.x[trace, i] + amount
    m.cnt[INCREMENTS] += 1
    m.cnt[SATURATIONS] += value > top
    m.x[trace, i] = min(value, top)


@jit_part
def _traces(m, i, word, a_inp, a_rec, a_out):
    """Traces of a word: those of index i grow; a word not written yet in this sample begins at 0."""
    for j in range(2 * word, 2 * word + 2):
        if not m.flags[DIRTY, j]:
            m.x[TI, j] = m.x[TR, j] = m.x[TO, j] = 0
            m.flags[DIRTY, j] = 1
    if i // 2 == word:
        if a_inp:
            _grown(m, np.int64(TI), i, a_inp, np.int64(4095))
        if a_rec:
            _grown(m, np.int64(TR), i, a_rec, np.int64(4095))
        if a_out:
            _grown(m, np.int64(TO), i, a_out, np.int64(1023))


@jit_part
def idle(m):
    """The end of a sample."""
    m.flags[:] = 0
    m.out[OUTPUT, :] = 0
    m.ctl[:16] = 0
    m.inp[:] = 0
    m.ctl[LIVE] = 0
