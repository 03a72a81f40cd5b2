"""Ideal twins of the golden cases: each rule of the papers on the network its gradient belongs to.

    python tests/gradient_nets.py [FORM ...]     deviations as JSON: form -> case -> gradient -> number
    python tests/gradient_nets.py --table        one line a form

Run with NUMBA_DISABLE_JIT=1: the generated kernels as plain Python, on networks of a dozen neurons.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from functools import partial

import gradient_maps as maps
import numpy as np
from gradient_proof import (
    BOX_TO_FAST_SIGMOID,
    Case,
    Proof,
    cases,
    deviations,
    fixed_readout,
    ideal,
    params,
    proof,
    rule_with,
    tau,
)

from chipsim.microcode.syntax import load_rule
from chipsim.network import Network


def decolle(case: Case) -> Proof:
    """One fixed readout a layer; paper's weights are ours over (1-alpha)(1-beta), connections delay 1."""
    m = case.meta
    net = Network()
    net.source("x", case["x"].shape[1])
    weights, gain = {}, (1 - m["alpha"]) * (1 - m["beta"])
    constants = {"rate": 0, "k_a": m["alpha"], "k_b": m["beta"]}
    for k, w in enumerate(case.numbered("w")):
        name = f"h{k}"
        net.lif(name, len(w), tau_v_ms=tau(m["alpha"]), tau_u_ms=tau(m["beta"]), threshold=m["theta"])
        c = net.connect(
            f"h{k - 1}" if k else "x", name, rule="decolle_paper", delay=1, settings=params(constants)
        )
        weights[c] = w * gain
    for k, g in enumerate(case.numbered("g")):
        weights[fixed_readout(net, f"h{k}", len(g), m["loss"])] = g
    rule = rule_with("decolle_paper", *([] if m["psi"] == "boxcar" else [BOX_TO_FAST_SIGMOID]))
    twin = ideal(net, {"decolle_paper": rule}, weights, m["burn_in"])
    factor = 4 * gain / (m["alpha"] - m["beta"])
    return proof(case, twin, {"grad_w0": ("x->h0", factor), "grad_w1": ("h0->h1", factor)}, "s0 h0 s1 h1")


def ell(case: Case) -> Proof:
    """Hidden layers with a spiking classifier each, both under the same rule; the circuit's error is half
    of o - y, the loss's is 2/C of it."""
    m = case.meta
    rule, decay = m["form"], m["decay"]
    constants = {"rate": 0}
    if rule != "ell":
        constants |= {"k_leak": decay}
    if rule in ("fell_exact", "bell"):
        constants |= {"k_reset": decay * m["theta"]}
    net, weights, gradients = Network(), {}, {}
    net.source("x", case["x"].shape[1], payload_bits=8 if m["graded"] else 1)
    for k, (w, a) in enumerate(zip(case.numbered("w"), case.numbered("a"), strict=True)):
        net.lif(f"h{k}", len(w), tau_v_ms=tau(decay), threshold=m["theta"])
        net.lif(f"c{k}", len(a), tau_v_ms=tau(decay), threshold=m["theta"])
        up = net.connect(f"h{k - 1}" if k else "x", f"h{k}", rule=rule, settings=params(constants))
        out = net.connect(f"h{k}", f"c{k}", rule=rule, settings=params(constants))
        net.error(f"c{k}", error="spike")
        net.transport(f"h{k}", out, register="g" if rule == "bell" else "delta")
        weights |= {up: w, out: a}
        gradients |= {f"grad_w{k}": (up, 4 / len(a)), f"grad_a{k}": (out, 4 / len(a))}
    if rule == "bell":
        steps = np.where(np.arange(len(case["x"])) < m["burn_in"], -1, m["label"])[None]
        twin = ideal(net, {rule: load_rule(rule)}, weights, update="end", sample_steps=len(case["x"]))
        return proof(case, twin, gradients, "s0 h0 o0 c0 s1 h1 o1 c1", labels=steps)
    twin = ideal(net, {rule: load_rule(rule)}, weights, m["burn_in"])
    return proof(case, twin, gradients, "s0 h0 o0 c0 s1 h1 o1 c1")


def dalton(case: Case) -> Proof:
    """A fixed readout on top, errors down through the weights; a layer's loss is the mean square over
    the units it reads out to: the classes (2/C of the error) or the next layer."""
    m = case.meta
    current = None if m["current"] == 0 else tau(m["current"])
    net, weights = Network(), {}
    net.source("x", case["x"].shape[1])
    for k, w in enumerate(case.numbered("w")):
        options = {"tau_v_ms": math.inf, "tau_u_ms": current, "threshold": m["theta"]}
        net.lif(f"h{k}", len(w), rectify=True, reset="hard", **options)
        weights[
            net.connect(f"h{k - 1}" if k else "x", f"h{k}", rule="dalton", settings=params({"rate": 0}))
        ] = w
    weights[fixed_readout(net, "h1", len(case["g0"]), "l2")] = case["g0"]
    net.transport("h0", "h0->h1", register="delta")
    twin = ideal(net, {"dalton": load_rule("dalton")}, weights, m["burn_in"])
    factors = 8 / len(case["w1"]), 8 / len(case["g0"])
    gradients = {"grad_w0": ("x->h0", factors[0]), "grad_w1": ("h0->h1", factors[1])}
    return proof(case, twin, gradients, "s0 h0 s1 h1")


TRIANGLE = "triangle(centre=threshold, half_width=1.0, segments=8, scale=0.3)"


def s_tllr(case: Case) -> Proof:
    """The transcription's -dW; the code's missing lambda_post is a_post / lambda_post."""
    m = case.meta
    a_post = m["a_post"] / m["post"] if m["code"] else m["a_post"]
    constants = {"rate": 0, "k_x": m["pre"], "k_p": m["post"], "a_post": a_post}
    net, weights = Network(), {}
    net.source("x", case["x"].shape[1])
    for k, w in enumerate(case.numbered("w")):
        net.lif(f"h{k}", len(w), tau_v_ms=tau(m["leak"]), threshold=m["theta"])
        weights[
            net.connect(f"h{k - 1}" if k else "x", f"h{k}", rule="s_tllr", settings=params(constants))
        ] = w
    net.integrator("out", len(case["out"]), tau_v_ms=tau(m["leak"]))
    readout = params({"rate": 0, "k_x": m["pre"]})
    weights[net.connect("h1", "out", rule="delta", settings=readout)] = case["out"]
    net.error("out", error="softmax", logit_scale=1.0)
    if m["feedback"] == "dfa":
        weights |= {net.broadcast(f"h{k}", of="out"): b.T for k, b in enumerate(case.numbered("b"))}
    else:
        net.transport("h1", "h1->out", register="third_factor")
        net.transport("h0", "h0->h1", register="delta")
    if m["psi"] == "hyper":
        rule = load_rule("s_tllr_hyper")
    else:
        shapes = {"sigmoid": "sigmoid(centre=threshold, reach=1, segments=8)"}
        shapes |= {"lorentz": "lorentz(centre=threshold, reach=1, segments=8)", "triangle": TRIANGLE}
        rule = rule_with("s_tllr", (TRIANGLE, shapes[m["psi"]]))
    twin = ideal(net, {"s_tllr": rule, "delta": load_rule("delta")}, weights, m["start"])
    gradients = {"grad_w0": ("x->h0", 1), "grad_w1": ("h0->h1", 1), "grad_out": ("h1->out", 1)}
    return proof(case, twin, gradients, "s0 h0 s1 h1")


def eprop(case: Case) -> Proof:
    """Recurrent neurons under a leaky readout of the same time constant as the eligibility's filter."""
    m = case.meta
    own = params({"rate": 0, "k_x": m["alpha"], "k_e": m["kappa"]})
    net = Network()
    net.source("x", case["x"].shape[1])
    net.lif("h", len(case["w0"]), tau_v_ms=tau(m["alpha"]), threshold=m["theta"])
    net.integrator("out", len(case["out"]), tau_v_ms=tau(m["kappa"]))
    weights = {net.connect("x", "h", rule="eprop", settings=own): case["w0"]}
    weights[net.connect("h", "h", rule="eprop", settings=own)] = case["rec"]
    readout = params({"rate": 0, "k_x": m["kappa"]})
    weights[net.connect("h", "out", rule="delta", settings=readout)] = case["out"]
    net.error("out", error="softmax", logit_scale=1.0)
    net.transport("h", "h->out", register="third_factor")
    rule = rule_with("eprop", ("half_width=1.0", f"half_width={m['theta']}"))
    twin = ideal(net, {"eprop": rule, "delta": load_rule("delta")}, weights, m["burn_in"])
    gradients = {"grad_w0": ("x->h", 1), "grad_rec": ("h->h", 1), "grad_out": ("h->out", 1)}
    return proof(case, twin, gradients, "s0 h")


def tp(case: Case, traces: bool = False) -> Proof:
    """Samples in the first contexts, their labels in the others; the loss is a mean over the batch.

    traces: the readout's pre factor is the trace eps, as the paper has it, in place of the counts that
    an integrator's gradient needs.
    """
    m = case.meta
    b, labels = m["batch"], case["labels"].astype(int)
    own, net = params({"rate": 0, "k_eps": m["beta"]}), Network()
    net.source("x", case["x"].shape[2])
    net.source("y", case["seen"].shape[1])
    for k, w in enumerate(case.numbered("w")):
        net.lif(f"h{k}", len(w), tau_v_ms=tau(m["alpha"]), threshold=m["theta"])
    net.integrator("out", len(case["out"]), tau_v_ms=math.inf)
    weights = {net.connect("x", "h0", rule="tp", settings=own): case["w0"]}
    weights[net.connect("y", "h0", rule="tp_labels", settings=params({"k_eps": m["beta"]}))] = case["seen"]
    weights[net.connect("h0", "h1", rule="tp", settings=own)] = case["w1"]
    readout = params({"rate": 0, "k_x": m["beta"] if traces else 1.0})
    weights[net.connect("h1", "out", rule="delta", settings=readout)] = case["out"]
    net.error("out", error="softmax", logit_scale=1.0)
    both = {"inputs": b, "targets": b}
    net.contrast("h0", "x->h0", geometry=("y->h0", "eps0"), **both)
    net.contrast("h1", "h0->h1", geometry=("x->h0", "eps"), **both)
    rules = {name: load_rule(name) for name in ("tp", "tp_labels", "delta")}
    twin = ideal(net, rules, weights, m["burn_in"], contexts=2 * b)
    one = np.zeros((b, case["x"].shape[1], case["seen"].shape[1]))
    one[np.arange(b), :, labels] = 1
    inputs = {"x": np.concatenate([case["x"], 0 * case["x"]]), "y": np.concatenate([0 * one, one])}
    gradients = {"grad_paper_out": ("h1->out", 1 / b)} if traces else {
        "grad_w0": ("x->h0", 1 / b), "grad_w1": ("h0->h1", 1 / b), "grad_out": ("h1->out", 1 / b)
    }  # fmt: skip
    given = {"labels": np.concatenate([labels, np.full(b, -1)]), "inputs": inputs}
    return proof(case, twin, gradients, "s0 h0 s1 h1", **given)


FORMS: dict[str, tuple[str, Callable[[Case], Proof]]] = {
    "decolle": ("decolle", decolle),
    "decolle_conv": ("decolle_conv", maps.decolle),
    "ell": ("ell", ell),
    "ell_conv": ("ell_conv", maps.ell),
    "fell_exact": ("fell_exact", ell),
    "fell_trace": ("fell_trace", ell),
    "bell": ("bell", ell),
    "dalton": ("dalton", dalton),
    "dalton_conv": ("dalton_conv", maps.dalton),
    "tp": ("tp", tp),
    "tp, readout of traces": ("tp", partial(tp, traces=True)),
    "s_tllr": ("s_tllr", s_tllr),
    "eprop": ("eprop", eprop),
}


def main(arguments: list[str]) -> None:
    """Deviations of the forms asked for, or of all."""
    chosen = [x for x in arguments if not x.startswith("-")] or list(FORMS)
    found = {}
    for form in chosen:
        file, build = FORMS[form]
        given = list(cases(file))
        found[form] = {case.name: deviations(build(case)) for case in given}
        if "--table" in arguments:
            worst = max(x for row in found[form].values() for x in row.values())
            redrawn = sum(case.meta["redrawn"] for case in given)
            print(f"{form:24} {len(given):3} cases  {worst:.1e}  {redrawn} redrawn", flush=True)
    if "--table" not in arguments:
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
