"""Compiled learning of ReckOn's core: twin of `reference_reckon_learn`, same arrays, same bits."""

from __future__ import annotations

import numpy as np

from chipsim.compile.lanes import jit_inner
from chipsim.compile.reckon_kernels import (
    FP_TINP,
    FP_TOUT,
    FP_TREC,
    LABEL,
    MATRIX,
    N_INP,
    N_OUT,
    N_REC,
    OUTPUT,
    PER_MATRIX,
    TAR,
    TI,
    TO,
    TR,
    U,
    sat16,
)
from chipsim.reckon.registers import INDEX
from chipsim.state_reckon import ENGINE_COUNTS, MATRIX_COUNTS

MODE, REGUL_W, F0, K_MUL = (INDEX[x] for x in ("REGUL_MODE", "REGUL_W", "REGUL_F0", "REGUL_K_MUL"))
K_P = (INDEX["REGUL_K_INP_P"], INDEX["REGUL_K_REC_P"])
K_R = (INDEX["REGUL_K_INP_R"], INDEX["REGUL_K_REC_R"])
LR_P = tuple(INDEX[f"LR_P_{x}"] for x in ("WINP", "WREC", "WOUT"))
LR_R = tuple(INDEX[f"LR_R_{x}"] for x in ("WINP", "WREC", "WOUT"))
REGRESSION, NO_OUT_ACT, SCALE = (INDEX[x] for x in ("REGRESSION", "NO_OUT_ACT", "LEARN_SIG_SCALE"))
THR_H, H = INDEX["THR_H_0"], INDEX["H_0"]
GUARD, STALE = INDEX["QUIRK_GUARD"], INDEX["QUIRK_STALE"]
UPDATES, CYCLES, ERRORS, PRODUCTS, ADDITIONS, SURROGATES = (
    ENGINE_COUNTS.index(x)
    for x in ("updates", "update_cycles", "errors", "signal_products", "signal_additions", "surrogates")
)
WORDS, SKIPPED, EVALUATED, COMMITTED, CHANGED, SATURATED = range(len(MATRIX_COUNTS))


@jit_inner
def output_error(o, label, target, regression, no_activation):
    """Target minus output."""
    y = o
    if not no_activation:
        y = 2048 if o > 2047 else 0 if o < -2048 else (o + 2048) >> 1
    return sat16((target if regression else 2048 * label) - y)


@jit_inner
def learning_signal(errors, row, n_out, scale):
    """(sum of errors times output weights << scale) >> 12, limited to 16 bits."""
    total = np.int64(0)
    for k in range(n_out):
        total += errors[k] * row[k]
    return sat16((total << scale) >> 12)


@jit_inner
def surrogate(u, thresholds, values):
    """The value of the first threshold that u lies below, else the last."""
    for k in range(4):
        if u < thresholds[k]:
            return values[k]
    return values[4]


@jit_inner
def additive(active, k_p, k_r):
    """What regularisation takes from an update."""
    return ((active << k_p) & 0xFFFFFFFF) >> k_r


@jit_inner
def multiplier(active, k_mul):
    """16 for full positive updates, down to 0."""
    return max(np.int64(0), 16 - (active >> k_mul))


@jit_inner
def product(signal, trace, h, factor, taken, as_built):
    """The signed 32-bit number whose size is the chance of a step."""
    exact = signal * trace * h
    before = exact * (16 if exact < 0 else factor)
    result = ((((before >> 4) - taken) + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    if result >= 0 and before >> (31 if as_built else 36) & 1:
        return np.int64(-0x80000000)
    return result


@jit_inner
def commits(prob, width, lr_p, lr_r, draw):
    """Whether an update of this size is made; without branches, for loops over lanes."""
    top = (np.int64(1) << width) - 1
    size = abs(prob)
    chance = (top if size > top >> lr_p else size << lr_p) >> lr_r
    return (prob != 0) & ((prob == -(np.int64(1) << (width - 1))) | (chance >= draw))


@jit_inner
def moved(w, prob):
    """The weight one step on, unchanged at its limits."""
    return min(w + 1, 127) if prob >= 0 else max(w - 1, -128)


@jit_inner
def next_weights(w):
    """512 bits of y[n] = y[n - 3] xor y[n - 25] on, which is y[n - 48] xor y[n - 400]: 16 lanes of 32."""
    for lane in range(16):
        low = w[lane - 2 if lane >= 2 else lane + 14] ^ w[lane + 3 if lane < 13 else lane - 13]
        high = w[lane - 1 if lane >= 1 else 15] ^ w[lane + 4 if lane < 12 else lane - 12]
        w[lane] = np.uint32(np.uint32(low >> np.uint32(16)) | np.uint32(high << np.uint32(16)))


@jit_inner
def next_outputs(h):
    """448 bits of y[n] = y[n - 1] xor y[n - 22] on, which is y[n - 16] xor y[n - 352]: 32 halves of 14."""
    for k in range(32):
        low = np.int64(h[k - 2 if k >= 2 else k + 30]) ^ np.int64(h[k + 6 if k < 26 else k - 26])
        high = np.int64(h[k - 1 if k >= 1 else 31]) ^ np.int64(h[k + 7 if k < 25 else k - 25])
        h[k] = (low >> 12 | high << 2) & 0x3FFF


@jit_inner
def due(m, do, valid):
    """Whether a tick runs an update pass."""
    return do != 0 and (valid or m.regs[MODE] >> 1 == 3)


@jit_inner
def update(m, do, valid):
    """One pass over all groups of 16 post neurons."""
    n_inp, n_rec, n_out = m.regs[N_INP] + 1, m.regs[N_REC] + 1, m.regs[N_OUT] + 1
    longest, groups = max(n_inp, n_rec), (n_rec + 15) // 16
    errors = np.zeros(16, np.int64)
    for k in range(n_out):
        if valid:
            errors[k] = output_error(
                np.int64(m.out[OUTPUT, k]),
                m.ctl[LABEL] == k,
                np.int64(m.out[TAR, k]),
                m.regs[REGRESSION],
                m.regs[NO_OUT_ACT],
            )
        m.cnt[ERRORS] += errors[k] != 0
    m.cnt[UPDATES] += 1
    m.cnt[CYCLES] += 2 * n_rec if do == 4 else groups * (32 + 2 * longest)
    signals, values, active = np.zeros(16, np.int64), np.zeros(16, np.int64), np.zeros(16, np.int64)
    probs = np.zeros(16, np.int64)
    for g in range(groups):
        _post_phase(m, do, valid, g, errors, signals, values, active)
        if do == 4:
            continue
        busy = np.int64(0)
        for lane in range(16):
            busy += active[lane] != 0
        for i in range(longest):
            if do & 1 and i < n_inp:
                _word(m, np.int64(0), i, g, valid, busy, signals, values, active, probs)
            if do & 2 and i < n_rec:
                _word(m, np.int64(1), i, g, valid, busy, signals, values, active, probs)


@jit_inner
def _post_phase(m, do, valid, g, errors, signals, values, active):
    n_rec, n_out = m.regs[N_REC] + 1, m.regs[N_OUT] + 1
    last = max(m.regs[N_INP], m.regs[N_REC]) // 2
    own = valid or not m.regs[STALE]
    for lane in range(16):
        j = 16 * g + lane
        seen = j if j // 2 <= last else 2 * last + j % 2
        signals[lane] = 0
        if valid and j < n_rec and do & 3:
            signals[lane] = learning_signal(errors, m.wout[j], n_out, m.regs[SCALE])
            m.cnt[PRODUCTS] += n_out
            m.cnt[ADDITIONS] += n_out - 1
        u = m.x[U, seen] if own else m.stale[seen % 2]
        values[lane] = surrogate(u, m.regs[THR_H : THR_H + 4], m.regs[H : H + 5])
        trace = np.int64(m.x[TR, seen] if own else m.stale[4 + seen % 2]) >> m.regs[FP_TREC]
        active[lane] = max(np.int64(0), trace - m.regs[F0]) if m.regs[MODE] else 0
        if j < n_rec:
            m.cnt[SURROGATES] += (do & 3) != 0
            if valid and do & 4:
                _output_row(m, j, errors, n_out)


@jit_inner
def _output_row(m, j, errors, n_out):
    trace = np.int64(m.x[TO, j]) >> m.regs[FP_TOUT]
    if trace == 0:
        m.cnt[MATRIX + 2 * PER_MATRIX + SKIPPED] += 1
        return
    for k in range(n_out):
        prob = errors[k] * trace
        draw = np.int64(m.rout[2 * k]) | np.int64(m.rout[2 * k + 1]) << 14
        m.cnt[MATRIX + 2 * PER_MATRIX + EVALUATED] += prob != 0
        if commits(prob, np.int64(28), m.regs[LR_P[2]], m.regs[LR_R[2]], draw):
            _write(m, np.int64(2), m.wout, j, np.int64(k), prob)
    next_outputs(m.rout)
    m.cnt[MATRIX + 2 * PER_MATRIX + WORDS] += 1


@jit_inner
def _word(m, matrix, i, g, valid, busy, signals, values, active, probs):
    """One word of input (0) or recurrent (1) weights."""
    regs = m.regs
    regulated = regs[MODE] != 0 and regs[REGUL_W] >> matrix & 1
    if not (valid or (regs[MODE] >> 1 == 3 and regulated)):
        return
    own = valid or not regs[STALE]
    if matrix == 0:
        trace = np.int64(m.x[TI, i] if own else m.stale[2 + i % 2]) >> regs[FP_TINP]
    else:
        trace = np.int64(m.x[TR, i] if own else m.stale[4 + i % 2]) >> regs[FP_TREC]
    if trace == 0 and busy == 0:
        m.cnt[MATRIX + matrix * PER_MATRIX + SKIPPED] += 1
        return
    words, memory = m.lanes[matrix], m.winp if matrix == 0 else m.wrec
    scaled = regs[MODE] & 1 and regs[REGUL_W] != 0
    taking = regs[MODE] & 2 and regulated
    p, r, guard = regs[LR_P[matrix]], regs[LR_R[matrix]], regs[GUARD]
    k_p, k_r, k_mul = regs[K_P[matrix]], regs[K_R[matrix]], regs[K_MUL]
    evaluated = committed = 0
    for lane in range(16):
        factor = multiplier(active[lane], k_mul) if scaled else np.int64(16)
        taken = additive(active[lane], k_p, k_r) if taking else np.int64(0)
        on = (valid and values[lane] != 0) or regulated
        prob = product(signals[lane], trace, values[lane], factor, taken, guard) if on else np.int64(0)
        hit = commits(prob, np.int64(32), p, r, np.int64(words[lane]))
        evaluated += prob != 0
        committed += hit
        probs[lane] = prob if hit else 0
    m.cnt[MATRIX + matrix * PER_MATRIX + EVALUATED] += evaluated
    if committed:
        for lane in range(16):
            if probs[lane] != 0:
                _write(m, matrix, memory, i, 16 * g + lane, probs[lane])
    next_weights(words)
    m.cnt[MATRIX + matrix * PER_MATRIX + WORDS] += 1


@jit_inner
def _write(m, matrix, memory, i, j, prob):
    """A step of one weight; a recurrent weight of a neuron onto itself becomes 0."""
    old = np.int64(memory[i, j])
    new = moved(old, prob)
    m.cnt[MATRIX + matrix * PER_MATRIX + COMMITTED] += 1
    m.cnt[MATRIX + matrix * PER_MATRIX + SATURATED] += new == old
    if matrix == 1 and i == j:
        new = np.int64(0)
    m.cnt[MATRIX + matrix * PER_MATRIX + CHANGED] += new != old
    memory[i, j] = new
