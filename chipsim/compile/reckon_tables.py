"""Tables of lanes through ReckOn's kernels: what module vectors compare. Rows as in reckon_modules.py."""

from __future__ import annotations

import numpy as np

from chipsim.compile import reckon_kernels as k
from chipsim.compile import reckon_learn as learn
from chipsim.compile.lanes import jit_part


@jit_part
def stoch_update(rows, out):
    """prob, w, en, lr_r, lr_p, draw -> w and whether written, 32 bits and 28 bits."""
    for n in range(rows.shape[0]):
        prob, w, en, lr_r, lr_p, draw = rows[n]
        for column, width in ((0, np.int64(32)), (2, np.int64(28))):
            cut = np.int64(1) << width
            own = ((prob + (cut >> 1)) & (cut - 1)) - (cut >> 1)
            hit = en != 0 and learn.commits(own, width, lr_p, lr_r, draw & (cut - 1))
            out[n, column] = learn.moved(w, own) if hit else w
            out[n, column + 1] = hit


@jit_part
def output_error(rows, out):
    """en, regression, act, label, target, o -> error."""
    for n in range(rows.shape[0]):
        en, regression, act, label, target, o = rows[n]
        out[n, 0] = learn.output_error(o, label, target, regression, act == 0) if en else 0


@jit_part
def product(rows, out):
    """mode, regul_w, four shifts, k_mul, trace, L, h, active -> prob of both matrices."""
    for n in range(rows.shape[0]):
        mode, regul_w, p_inp, r_inp, p_rec, r_rec, k_mul, trace, signal, h, active = rows[n]
        factor = learn.multiplier(active, k_mul) if mode & 1 and regul_w else np.int64(16)
        for matrix in range(2):
            on = mode & 2 and regul_w >> matrix & 1
            k_p, k_r = (p_inp, r_inp) if matrix == 0 else (p_rec, r_rec)
            taken = learn.additive(active, k_p, k_r) if on else np.int64(0)
            out[n, matrix] = learn.product(signal, trace, h, factor, taken, np.int64(1))


@jit_part
def learning_signal(rows, out):
    """outputs - 1, scale, no_act, label, t_out, 16 weights, 16 potentials -> L, then error and product."""
    errors = np.zeros(16, np.int64)
    for n in range(rows.shape[0]):
        row = rows[n]
        for j in range(16):
            told = j == row[3]
            errors[j] = (
                learn.output_error(row[21 + j], told, np.int64(0), np.int64(0), row[2]) if j <= row[0] else 0
            )
            out[n, 1 + 2 * j], out[n, 2 + 2 * j] = errors[j], errors[j] * row[4]
        out[n, 0] = learn.learning_signal(errors, row[5:21], row[0] + 1, row[1])


@jit_part
def step(rows, out):
    """stoch, to_zero, alpha, kappa, thr, u, t_inp, t_rec, t_out, four draws -> u, spike, traces."""
    for n in range(rows.shape[0]):
        stoch, to_zero, alpha, kappa, thr, u, ti, tr, to, d_u, d_ti, d_tr, d_to = rows[n]
        rounds, rounds_out = stoch != 0 and alpha != 0x8000, stoch != 0 and kappa != 0x80
        out[n, 0] = k.leak(u, alpha, thr, to_zero, rounds, d_u)
        out[n, 1] = u >= thr
        out[n, 2] = k.decayed(ti, alpha, 15, 12, rounds, d_ti)
        out[n, 3] = k.decayed(tr, alpha, 15, 12, rounds, d_tr)
        out[n, 4] = k.decayed(to, kappa, 7, 10, rounds_out, d_to)


@jit_part
def next_word(which, w32, w14, w):
    """One step of a stream. which: 0 weights (w32), 1 outputs (w14), 2 K = 15, 3 K = 7, 4 noise (w)."""
    if which == 0:
        learn.next_weights(w32)
    elif which == 1:
        learn.next_outputs(w14)
    else:
        w[0] = k.next15(w[0]) if which == 2 else k.next7(w[0]) if which == 3 else k.next_noise(w[0])
