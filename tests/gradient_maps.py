"""Ideal twins of the golden cases with convolutions and average pooling.

Golden maps are [channel, y, x] and kernels [out, in, y, x]; a map here is neuron (y * width + x) *
channels + channel, a kernel row (y * 3 + x) * inputs + input.
"""

from __future__ import annotations

import math

import numpy as np
from gradient_proof import (
    BOX_TO_FAST_SIGMOID,
    Case,
    Proof,
    fixed_readout,
    ideal,
    params,
    proof,
    rule_with,
    tau,
)

from chipsim.microcode.syntax import load_rule
from chipsim.network import Network

WITHIN = {"kernel": 3, "pad": 1}


def flat(x: np.ndarray) -> np.ndarray:
    """[..., channel, y, x] as neurons."""
    return np.moveaxis(x, -3, -1).reshape(*x.shape[:-3], -1)


def on_maps(case: Case, reads: dict[str, tuple[int, int, int]]) -> Case:
    """The case in our order of neurons and weights; reads: golden matrix -> the map [channel, y, x]
    whose neurons are its columns."""
    arrays = dict(case.arrays)
    for name, x in case.arrays.items():
        if name in reads:
            arrays[name] = flat(x.reshape(len(x), *reads[name]))
        elif name.startswith(("w", "grad_w")):
            arrays[name] = x.transpose(0, 2, 3, 1).reshape(len(x), -1)
        elif name == "x" or name.startswith("s"):
            arrays[name] = flat(x)
    return Case(case.name, case.meta, arrays)


def decolle(case: Case) -> Proof:
    """As gradient_nets.decolle, 6 x 6 x 2 -> 6 x 6 x 3 -> 3 x 3 x 2."""
    case, m = on_maps(case, {"g0": (3, 6, 6), "g1": (2, 3, 3)}), case.meta
    gain = (1 - m["alpha"]) * (1 - m["beta"])
    own = {"delay": 1, "rule": "decolle_paper", **WITHIN}
    own["settings"] = params({"rate": 0, "k_a": m["alpha"], "k_b": m["beta"]})
    neuron = {"tau_v_ms": tau(m["alpha"]), "tau_u_ms": tau(m["beta"]), "threshold": m["theta"]}
    net = Network()
    net.source("x", (6, 6, 2))
    net.lif("h0", (6, 6, 3), **neuron)
    net.lif("h1", (3, 3, 2), **neuron)
    weights = {net.conv("x", "h0", **own): case["w0"] * gain}
    weights[net.conv("h0", "h1", stride=2, **own)] = case["w1"] * gain
    weights |= {fixed_readout(net, f"h{k}", 3, m["loss"]): case[f"g{k}"] for k in range(2)}
    rule = rule_with("decolle_paper", *([] if m["psi"] == "boxcar" else [BOX_TO_FAST_SIGMOID]))
    twin = ideal(net, {"decolle_paper": rule}, weights, m["burn_in"])
    factor = 4 * gain / (m["alpha"] - m["beta"])
    return proof(case, twin, {"grad_w0": ("x->h0", factor), "grad_w1": ("h0->h1", factor)}, "s0 h0 s1 h1")


def ell(case: Case) -> Proof:
    """As gradient_nets.ell; the first classifier reads averages over 2 x 2, whose pre factor is their
    sum, four times the average."""
    reads = {"a0": (3, 3, 3), "grad_a0": (3, 3, 3), "a1": (2, 3, 3), "grad_a1": (2, 3, 3)}
    case, m = on_maps(case, reads), case.meta
    own, neuron = {"rule": "ell", "settings": params({"rate": 0})}, {"tau_v_ms": tau(m["decay"])}
    net = Network()
    net.source("x", (6, 6, 2))
    net.lif("h0", (6, 6, 3), **neuron)
    net.pool("h0", "p0", 2, "average")
    net.lif("c0", 3, **neuron)
    net.lif("h1", (3, 3, 2), **neuron)
    net.lif("c1", 3, **neuron)
    weights = {net.conv("x", "h0", **own, **WITHIN): case["w0"]}
    weights[net.connect("p0", "c0", **own)] = case["a0"]
    weights[net.conv("h0", "h1", stride=2, **own, **WITHIN)] = case["w1"]
    weights[net.connect("h1", "c1", **own)] = case["a1"]
    for k, below in enumerate(("p0", "h1")):
        net.error(f"c{k}", error="spike")
        net.transport(below, f"{below}->c{k}", register="delta")
    net.unpool("h0", "p0")
    twin = ideal(net, {"ell": load_rule("ell")}, weights, m["burn_in"])
    gradients = {"grad_w0": ("x->h0", 4 / 3), "grad_a0": ("p0->c0", 1 / 3)}
    gradients |= {"grad_w1": ("h0->h1", 4 / 3), "grad_a1": ("h1->c1", 4 / 3)}
    return proof(case, twin, gradients, "s0 h0 o0 c0 s1 h1 o1 c1")


def dalton(case: Case) -> Proof:
    """As gradient_nets.dalton; averages over 2 x 2 between the convolutions, so that the second one's
    pre factor is four times the average."""
    case, m = on_maps(case, {"g0": (2, 3, 3)}), case.meta
    current = None if m["current"] == 0 else tau(m["current"])
    neuron = {"tau_v_ms": math.inf, "tau_u_ms": current, "rectify": True, "reset": "hard"}
    own = {"rule": "dalton", "settings": params({"rate": 0}), **WITHIN}
    net = Network()
    net.source("x", (6, 6, 2))
    net.lif("h0", (6, 6, 3), **neuron)
    net.pool("h0", "p0", 2, "average")
    net.lif("h1", (3, 3, 2), **neuron)
    weights = {net.conv("x", "h0", **own): case["w0"], net.conv("p0", "h1", **own): case["w1"]}
    weights[fixed_readout(net, "h1", 3, "l2")] = case["g0"]
    net.transport("p0", "p0->h1", register="delta")
    net.unpool("h0", "p0")
    twin = ideal(net, {"dalton": load_rule("dalton")}, weights, m["burn_in"])
    gradients = {"grad_w0": ("x->h0", 8 / 18), "grad_w1": ("p0->h1", 8 / 3 / 4)}
    return proof(case, twin, gradients, "s0 h0 s1 h1")
