"""The parts of a crossbar core on tables of inputs: the functions that `core_kernels.py` runs, row by row."""

from __future__ import annotations

from chipsim.compile.core_kernels import CA_EN, CA_LEAK, TH1, TH2, TH3, THETA, calcium, membrane, moved
from chipsim.compile.lanes import i64, jit


@jit
def membranes(rows, out):
    """rows int64[n, 6]: v, what (0 excite, 1 inhibit, 2 time), weight, leak, leak_en, thr; out: v, fired."""
    for k in range(rows.shape[0]):
        v, what, w, leak, leak_en, thr = rows[k]
        out[k, 0], out[k, 1] = membrane(v, what, w, leak, leak_en, thr)


@jit
def calciums(rows, par, out):
    """rows int64[n, 5]: calcium, clock, v, fired, tref; par int32[n, len(PAR)]; out: ca, clock, up, down."""
    for k in range(rows.shape[0]):
        ca, cnt, v, fired, tref = rows[k]
        theta, th1, th2 = i64(par[k, THETA]), i64(par[k, TH1]), i64(par[k, TH2])
        th3, every = i64(par[k, TH3]), i64(par[k, CA_LEAK])
        new = ca, cnt, False, False
        if par[k, CA_EN] != 0:
            new = calcium(ca, cnt, v, fired != 0, tref != 0, theta, th1, th2, th3, every)
        out[k, 0], out[k, 1] = new[0], new[1]
        out[k, 2], out[k, 3] = i64(new[2]), i64(new[3])


@jit
def synapses(rows, out):
    """rows int64[n, 3]: synapse (map bit * 8 + weight), up, down; out [n, 1]: the synapse after it."""
    for k in range(rows.shape[0]):
        out[k, 0] = moved(rows[k, 0], rows[k, 1] != 0, rows[k, 2] != 0)[0]
