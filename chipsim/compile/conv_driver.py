"""Convolutions and pool layers in the generated step: what `advance` calls for them, and work arrays."""

from __future__ import annotations

import numpy as np

from chipsim.noise import OP_CIRCUIT_SIGNAL
from chipsim.plan import CircuitPlan, ConnectionPlan, LayerPlan, Plan
from chipsim.state import storage

CONV_SCRATCH = tuple(
    "geo flat grad_i32 grad_i64 grad_f64 pval_i32 pval_i64 pval_f64 plist ones number acount image "
    "bits any_bits touched touched_of full".split()
)


def flip_all(d) -> None:
    """Renew the flipped copies of all kernels, before the first step of a call."""
    for c in d.plan.connections:
        if c.conv is not None:
            d.put(f"flip_kernel(c{c.index}_w, x_c{c.index}_flat, x_c{c.index}_geo)")


def deliver(d, layer: LayerPlan, c: ConnectionPlan, acc: str) -> str:
    """The call that delivers through a convolution; its value is the number of synaptic events."""
    k = c.index
    axons, payload = f"act_{k}[b]", f"pay_{k}[b]" if c.graded else f"act_{k}[b]"
    kernel, graded = f"x_c{k}_flat, x_c{k}_geo", bool(c.graded)
    if d.twin:
        scale = 2.0**-c.scale
        return f"deliver_conv_twin({kernel}, {axons}, {payload}, {graded}, {scale!r}, nact_{k}[b], {acc})"
    if layer.acc_wide:
        return f"deliver_conv_wide({kernel}, {axons}, {payload}, {graded}, nact_{k}[b], {acc}, {c.shift})"
    if c.graded:
        return f"deliver_conv_graded({kernel}, {axons}, {payload}, nact_{k}[b], {acc}, i32({c.shift}))"
    return f"deliver_conv({kernel}, {axons}, nact_{k}[b], {acc}, i32({c.shift}))"


def deliver_real(c: ConnectionPlan, acc: str, ring: str) -> str:
    """Delivery in the float twin of averaged windows, or with one delay per synapse."""
    k, payload = c.index, f"pay_{c.index}[b]" if c.graded else f"act_{c.index}[b]"
    axons = f"act_{k}[b], {payload}, {bool(c.graded)}, {2.0**-c.scale!r}, nact_{k}[b]"
    sparse = f"c{k}_ptr, c{k}_tgt, " if c.sparse else ""
    name = "_sparse" if c.sparse else ""
    if c.synapse_delays:
        return f"deliver_delayed{name}_twin(c{k}_w, c{k}_delay, {sparse}{axons}, {ring})"
    return f"deliver{name}_scaled_twin(c{k}_w, {sparse}{axons}, {acc})"


def fire_pool(d, layer: LayerPlan) -> None:
    """Phase 5 of a pool layer."""
    k, below = layer.index, layer.below
    seen = f"live, x_l{k}_window, hist_{below}, nf_{below}"
    own = f"l{k}_fired, hist_{k}, nf_{k}, l{k}_count, l{k}_stat"
    if layer.payload_bits > 1:
        d.put(f"fire_pool_average({seen}, {own}, l{k}_pay[h_{k}])")
    else:
        d.put(f"fire_pool_or({seen}, {own})")


def unpool(d, layer: LayerPlan, x: CircuitPlan) -> None:
    """Phase 7 of a layer below a pool layer."""
    drop = x.drop
    rows = f"l{x.pool}_m[b], x_l{x.pool}_window, l{layer.index}_m[b]"
    d.put("for b in range(B):")
    if d.twin:
        d.put(f"    unpool_twin({rows}, {2.0**-drop!r})")
        return
    key = f"draw_key(seed, {layer.index}, {OP_CIRCUIT_SIGNAL}, b, clock)"
    words = f"x_k{x.index}_words, {key}, k{x.index}_stat"
    d.put(f"    unpool({rows}, {drop}, {x.rounding == 'nearest'}, {words})")


def turned(d, c: ConnectionPlan, weights: str, narrow: bool) -> str:
    """Arguments of the transposed convolution, after the statement that turns the weights for it."""
    k, lanes = c.index, "_f64" if d.twin else "_i32" if narrow else "_i64"
    d.put(f"turn_kernel({weights}, x_c{k}_turned)")
    return f"x_c{k}_turned, x_c{k}_geo, x_c{k}_back{lanes}"


def conv_arrays(plan: Plan, twin: bool) -> dict[str, np.ndarray]:
    """Work arrays of convolutions and pool layers."""
    out = {}
    for layer in plan.layers:
        if layer.pool is not None:
            below = range(plan.layers[layer.below].size)
            out[f"x_l{layer.index}_window"] = np.array([layer.pool.window(j) for j in below], np.int32)
    for c in plan.connections:
        if c.conv is not None:
            kind = np.float64 if twin else storage(c.weight)
            out[f"x_c{c.index}_geo"] = np.array(c.conv.numbers(), np.int64)
            out[f"x_c{c.index}_flat"] = np.zeros(c.conv.weights, kind)
            if any(k.kind == "transport" and k.connection == c.index for k in plan.circuits):
                out[f"x_c{c.index}_turned"] = np.zeros((c.conv.post[2], c.conv.rows), kind)
                for lanes, lane in (("i32", np.int32), ("i64", np.int64), ("f64", np.float64)):
                    out[f"x_c{c.index}_back_{lanes}"] = np.zeros(c.n_pre, lane)
            if c.program is not None:
                out |= {f"x_c{c.index}_{name}": a for name, a in _learning(c, plan.contexts).items()}
    return out


def _learning(c: ConnectionPlan, contexts: int) -> dict[str, np.ndarray]:
    """Sums, lists and bits of conv_nest.py."""
    h, w, ci = c.conv.pre
    oh, ow, channels = c.conv.post
    words = (channels + 31) // 32
    taps = c.conv.rows  # of one channel, flipped
    shapes = {
        "plist": (np.int32, c.n_pre + 1),
        "ones": (np.int32, c.n_pre + 1),
        "number": (np.int32, c.conv.weights),
        "acount": (np.int64, h * w),
        "image": (np.int64, (oh + 1, ow + 1)),
        "bits": (np.int64, (oh * ow, words)),
        "any_bits": (np.int64, words),
        "touched": (np.int64, (taps, words)),
        "touched_of": (np.int64, (contexts, taps, words)),
        "full": (np.int64, ci),
    }
    for lane, kind in (("i32", np.int32), ("i64", np.int64), ("f64", np.float64)):
        shapes["grad_" + lane] = (kind, c.conv.weights)
        shapes["pval_" + lane] = (kind, c.n_pre + 1)
    out = {name: np.zeros(size, kind) for name, (kind, size) in shapes.items()}
    out["ones"][:] = 1
    return out
