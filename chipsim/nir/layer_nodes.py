"""A layer of a chip as a NIR node, and what of it NIR has no words for.

In steps of dt by Euler's method the node does what the chip's neurons do, but for their rounding: tau is
dt / (1 - k), R = tau / dt, w_in = tau_syn / dt, so that inputs have gain 1. Thresholds and biases are
the chip's integers times their LSB.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chipsim.network import Layer
from chipsim.nir.metadata import LayerMeta
from chipsim.nir.weights import map_order
from chipsim.plan import LayerPlan
from chipsim.simulator import Simulator

FOREVER = 2.0**40  # steps: the time constant of what does not decay, where a node must have one


def dims(x: LayerPlan) -> tuple[int, ...]:
    """NIR's shape of a layer: (n,) or (channels, h, w)."""
    return (x.size,) if x.shape is None else (x.shape[2], x.shape[0], x.shape[1])


def real_values(sim: Simulator, x: LayerPlan, name: str) -> np.ndarray:
    """float64[n] of a layer's thresholds ("thr") or biases ("bias"), in NIR's order."""
    raw = sim.state[f"l{x.index}_{name}"].astype(np.float64) * 2.0**-x.v_fmt.frac
    made = np.empty_like(raw)
    made[map_order(dims(x))] = raw
    return made


def neuron_node(nir: Any, sim: Simulator, x: LayerPlan, shape: tuple[int, ...]) -> Any:
    """The node of a layer with parameters of this shape, one for each neuron; v_leak is 0."""
    dt = sim.plan.dt_ms / 1e3

    def full(value: float) -> np.ndarray:
        return np.full(shape, value)

    if x.k_v == 4096 and x.k_u is None:
        per, kind = {"r": full(1 / dt)}, "I"
    else:
        tau = _tau(x.k_v, dt)
        kind = "LI" if x.k_u is None else "CubaLI"
        per = {"tau" if x.k_u is None else "tau_mem": full(tau), "r": full(tau / dt), "v_leak": full(0.0)}
    if x.k_u is not None:
        tau_syn = _tau(x.k_u, dt)
        per |= {"tau_syn": full(tau_syn), "w_in": full(tau_syn / dt)}
    if x.kind == "lif":
        kind = {"I": "IF", "LI": "LIF", "CubaLI": "CubaLIF"}[kind]
        per |= {"v_threshold": _threshold(sim, x).reshape(shape), "v_reset": full(0.0)}
    return getattr(nir, kind)(**per)


def _tau(raw: int, dt: float) -> float:
    return dt * (4096 / (4096 - raw) if raw < 4096 else FOREVER)


def _threshold(sim: Simulator, x: LayerPlan) -> np.ndarray:
    """NIR fires above its threshold: for a chip that fires at its own, the next float below it."""
    value = real_values(sim, x, "thr")
    if x.compare == "gt":
        return value
    below = np.nextafter(value.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    narrow = np.abs(value) < 2.0 ** (24 - x.v_fmt.frac)  # what float32 holds, as other tools will
    return np.where(narrow, below, np.nextafter(value, -np.inf))


def layer_meta(layer: Layer, x: LayerPlan) -> tuple[LayerMeta, list[str]]:
    """The metadata of a layer, and what only they carry."""
    spikes = x.kind == "lif"
    meta = LayerMeta(
        name=x.name,
        membrane=str(x.v_fmt),
        reset=x.reset if spikes else None,
        refractory=x.refractory,
        rectify=x.rectify,
        leak=x.leak,
        leak_step=layer.leak_step,
        reset_current=x.reset_current,
        homeostasis=list(layer.homeostasis) if layer.homeostasis else None,
    )
    said = {
        "soft reset (NIR resets to v_reset)": spikes and x.reset == "soft",
        f"a refractory period of {x.refractory} steps": x.refractory,
        "rectified membranes": x.rectify,
        f"a leak that subtracts {layer.leak_step:g}": x.leak == "subtract",
        "the reset of its current": x.reset_current,
        "homeostasis of its thresholds": layer.homeostasis,
    }
    lost = [f"{x.name}: {what}: in chipsim's metadata only" for what, there in said.items() if there]
    if x.reset_every is not None:
        lost.append(f"{x.name}: states set to 0 every {x.reset_every[0]} steps")
    return meta, lost
