"""Deliveries of the float twin that need more than weight times payload: averaged windows, delays.

scale multiplies payloads (2**-bits of an averaged window, else 1.0).
"""

from __future__ import annotations

from chipsim.compile.lanes import f64, i64, jit


@jit
def deliver_scaled_twin(w, active, payload, graded, scale, n_active, acc):
    """Dense rows."""
    for k in range(n_active):
        w0 = w[active[k]]
        p = f64(payload[k]) * scale if graded else 1.0
        for i in range(acc.shape[0]):
            acc[i] += w0[i] * p


@jit
def deliver_sparse_scaled_twin(w, ptr, tgt, active, payload, graded, scale, n_active, acc):
    """Sparse rows."""
    for k in range(n_active):
        j = active[k]
        p = f64(payload[k]) * scale if graded else 1.0
        for s in range(ptr[j], ptr[j + 1]):
            acc[tgt[s]] += w[s] * p


@jit
def deliver_delayed_twin(w, delay, active, payload, graded, scale, n_active, ring, slot, b):
    """Dense rows with one delay per synapse."""
    depth = ring.shape[0]
    for k in range(n_active):
        j = active[k]
        p = f64(payload[k]) * scale if graded else 1.0
        for i in range(w.shape[1]):
            ring[(slot + i64(delay[j, i])) % depth, b, i] += w[j, i] * p


@jit
def deliver_delayed_sparse_twin(w, delay, ptr, tgt, active, payload, graded, scale, n_active, ring, slot, b):
    """Sparse rows with one delay per synapse."""
    depth = ring.shape[0]
    for k in range(n_active):
        j = active[k]
        p = f64(payload[k]) * scale if graded else 1.0
        for s in range(ptr[j], ptr[j + 1]):
            ring[(slot + i64(delay[s])) % depth, b, tgt[s]] += w[s] * p
