"""Compiled learning of ReckOn's core: twin of `reference_reckon_learn`, same arrays, same bits."""

from __future__ import annotations

import numpy as np

from chipsim.compile.lanes import jit_part
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


@jit_part
def output_error(o, label, target, regression, no_activation):
    """Target minus output."""
    y = o
    if not no_activation:
        y = 2048 if o > 2047 else 0 if o < -2048 else (o + 2048) >> 1
    return sat16((target if regression else 2048 * label) - y)


@jit_part
def learning_signal(errors, row, n_out, scale):
    """(sum of errors times output weights << scale) >> 12, limited to 16 bits."""
    total = np.int64(0)
    for k in range(n_out):
        total += errors[k] * row[k]
    return sat16((total << scale) >> 12)


@jit_part
def surrogate(u, thresholds, values):
    """The value of the first threshold that u lies below, else the last."""
    for k in range(4):
        if u < thresholds[k]:
            return values[k]
    return values[4]


@jit_part
def additive(active, k_p, k_r):
    """What regularisation takes from an update."""
    return ((active << k_p) & 0xFFFFFFFF) >> k_r


@jit_part
def multiplier(active, k_mul):
    """16 for full positive updates, down to 0."""
    return max(np.int64(0), 16 - (active >> k_mul))


@jit_part
def product(signal, trace, h, factor, taken, as_built):
    """The signed 32-bit number whose size is the chance of a step."""
    exact = signal * trace * h
    before = exact * (16 if exact < 0 else factor)
    result = ((((before >> 4) - taken) + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    if result >= 0 and before >> (31 if as_built else 36) & 1:
        return np.int64(-0x80000000)
    return result


@jit_part
def commits(prob, width, lr_p, lr_r, draw):
    """Whether an update of this size is made; without branches, for loops over lanes."""
    top = (np.int64(1) << width) - 1
    size = abs(prob)
    chance = (top if size > top >> lr_p else size << lr_p) >> lr_r
    return (prob != 0) & ((prob == -(np.int64(1) << (width - 1))) | (chance >= draw))


@jit_part
def moved(w, prob):
    """The weight one step on, unchanged at its limits."""
    return min(w + 1, 127) if prob >= 0 else max(w - 1, -128)


@jit_part
def next_weights(w):
    """512 bits of y[n] = y[n - 3] xor y[n - 25] on, which is y[n - 48] xor y[n - 400]: 16 lanes of 32."""
    for lane in range(16):
        low = w[lane - 2 if lane >= 2 else lane + 14] ^ w[lane + 3 if lane < 13 else lane - 13]
        high = w[lane - 1 if lane >= 1 else 15] ^ w[lane + 4 if lane < 12 else lane - 12]
        w[lane] = np.uint32(np.uint32(low >> np.uint32(16)) | np.uint32(high << np.uint32(16)))


@jit_part
def next_outputs(h):
    """448 bits of y[n] = y[n - 1] xor y[n - 22] on, which is y[n - 16] xor y[n - 352]: 32 halves of 14."""
    for k in range(32):
        low = np.int64(h[k - 2 if k >= 2 else k + 30]) ^ np.int64(h[k + 6 if k < 26 else k - 26])
        high = np.int64(h[k - 1 if k >= 1 else 31]) ^ np.int64(h[k + 7 if k < 25 else k - 25])
        h[k] = (low >> 12 | high << 2) & 0x3FFF


@jit_part
def due(m, do, valid):
    """Whether a tick runs an update pass."""
    return do != 0 and (valid or m.regs[MODE] >> 1 == 3)


@jit_part
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
    base, taken, probs = np.zeros(16, np.int32), np.zeros((2, 16), np.int32), np.zeros(16, np.int32)
    enabled = np.zeros((2, 16), np.int32)
    for g in range(groups):
        _post_phase(m, do, valid, g, errors, signals, values, active)
        if do == 4:
            continue
        busy = _group(m, valid, signals, values, active, base, taken, enabled)
        if do & 1:  # both matrices at once on the chip; they share nothing
            _pre_phase(m, np.int64(0), n_inp, g, valid, busy, active, base, taken[0], enabled[0], probs)
        if do & 2:
            _pre_phase(m, np.int64(1), n_rec, g, valid, busy, active, base, taken[1], enabled[1], probs)


@jit_part
def _group(m, valid, signals, values, active, base, taken, enabled):
    """What every word of a group needs: signal times surrogate, what regularisation takes, lanes that may
    move (-1, else 0). Returns whether regularisation is at work."""
    busy = 0
    for lane in range(16):
        busy += active[lane] != 0
        base[lane] = signals[lane] * values[lane]
        for matrix in range(2):
            regulated = m.regs[MODE] != 0 and m.regs[REGUL_W] >> matrix & 1
            size = additive(active[lane], m.regs[K_P[matrix]], m.regs[K_R[matrix]])
            taken[matrix, lane] = np.int32(size) if m.regs[MODE] & 2 and regulated else 0
            enabled[matrix, lane] = -1 if (valid and values[lane] != 0) or regulated else 0
    return busy


@jit_part
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


@jit_part
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
            m.cnt[MATRIX + 2 * PER_MATRIX + COMMITTED] += 1
            _write(m.cnt, np.int64(2), m.wout, j, np.int64(k), prob)
    next_outputs(m.rout)
    m.cnt[MATRIX + 2 * PER_MATRIX + WORDS] += 1


@jit_part
def _pre_phase(m, matrix, rows, g, valid, busy, active, base, taken, enabled, probs):
    """The words of one group in input (0) or recurrent (1) weights. Arrays are taken out of m once: handing
    it to a function costs more than a word."""
    regs, skipped, evaluated, committed, done = m.regs, 0, 0, 0, 0
    if not (valid or (regs[MODE] >> 1 == 3 and regs[REGUL_W] >> matrix & 1)):
        return
    own, at = valid or not regs[STALE], TI if matrix == 0 else TR
    traces, stale, right = m.x[at], m.stale[2 * at : 2 * at + 2], regs[FP_TINP if matrix == 0 else FP_TREC]
    words, memory = m.lanes[matrix], m.winp if matrix == 0 else m.wrec
    scaled, guard = regs[MODE] & 1 and regs[REGUL_W] != 0, regs[GUARD] != 0
    p, r, k_mul = np.uint32(regs[LR_P[matrix]]), np.uint32(regs[LR_R[matrix]]), regs[K_MUL]
    for i in range(rows):
        trace = np.int32((traces[i] if own else stale[i % 2]) >> right)
        if trace == 0 and busy == 0:
            skipped += 1
            continue
        if scaled:
            seen, hits = _scaled(base, trace, taken, enabled, guard, p, r, words, probs, active, k_mul)
        else:
            seen, hits = _lanes(base, trace, taken, enabled, guard, p, r, words, probs)
        evaluated += seen
        committed += hits
        done += 1
        if hits:
            for lane in range(16):
                if probs[lane] != 0:
                    _write(m.cnt, matrix, memory, i, 16 * g + lane, np.int64(probs[lane]))
        next_weights(words)
    first = MATRIX + matrix * PER_MATRIX
    m.cnt[first + SKIPPED] += skipped
    m.cnt[first + EVALUATED] += evaluated
    m.cnt[first + COMMITTED] += committed
    m.cnt[first + WORDS] += done


@jit_part
def _scaled(base, trace, taken, enabled, as_built, p, r, words, probs, active, k_mul):
    """As `_lanes`, with the factors of multiplicative regularisation."""
    evaluated = committed = 0
    for lane in range(16):
        factor = multiplier(active[lane], k_mul)
        size = np.int64(np.uint32(taken[lane]))
        prob = product(np.int64(base[lane]), np.int64(trace), np.int64(1), factor, size, as_built)
        prob &= np.int64(enabled[lane])
        hit = commits(prob, np.int64(32), np.int64(p), np.int64(r), np.int64(words[lane]))
        evaluated += prob != 0
        committed += hit
        probs[lane] = prob if hit else 0
    return evaluated, committed


@jit_part
def _lanes(base, trace, taken, enabled, as_built, p, r, words, probs):
    """`product` and `commits` of 16 lanes in 32 bits, for a factor of 16; probs keeps what is made."""
    lowest, largest = np.int32(-0x80000000), np.uint32(0xFFFFFFFF)
    top = np.uint32(largest >> p)
    evaluated = committed = np.int32(0)
    for lane in range(16):
        exact = np.int32(base[lane] * trace)
        result = np.int32(exact - taken[lane])
        mark = np.int32(exact << np.int32(4)) if as_built else exact
        guarded = lowest if (result >= 0) & (mark < 0) else result
        prob = np.int32(guarded & enabled[lane])
        sign = np.int32(prob >> np.int32(31))
        size = np.uint32(np.int32(np.int32(prob ^ sign) - sign))
        chance = np.uint32((largest if size > top else np.uint32(size << p)) >> r)
        hit = (prob != 0) & ((prob == lowest) | (chance >= words[lane]))
        evaluated = np.int32(evaluated + np.int32(prob != 0))
        committed = np.int32(committed + np.int32(hit))
        probs[lane] = prob if hit else np.int32(0)
    return evaluated, committed


@jit_part
def _write(cnt, matrix, memory, i, j, prob):
    """A step of one weight; a recurrent weight of a neuron onto itself becomes 0."""
    old = np.int64(memory[i, j])
    new = moved(old, prob)
    cnt[MATRIX + matrix * PER_MATRIX + SATURATED] += new == old
    if matrix == 1 and i == j:
        new = np.int64(0)
    cnt[MATRIX + matrix * PER_MATRIX + CHANGED] += new != old
    memory[i, j] = new
