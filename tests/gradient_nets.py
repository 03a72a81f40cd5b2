"""The golden cases of tests/golden/gradients, and each rule's ideal twin run over them.

`CASES[form]` builds the twin of one case; `held` runs it step by step with the weights put back after
each step, so that the summed changes belong to one set of weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.float_twin import twin_of
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.plan import Update
from chipsim.simulator import Simulator

GOLDEN = Path(__file__).parent / "golden" / "gradients"


@dataclass(frozen=True)
class Case:
    """One golden case: settings and arrays of one seed of one variant."""

    name: str
    meta: dict
    arrays: dict[str, np.ndarray] = field(repr=False)

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def numbered(self, name: str) -> list[np.ndarray]:
        """name0, name1, ... as far as they go."""
        return [self.arrays[f"{name}{k}"] for k in range(9) if f"{name}{k}" in self.arrays]


def cases(form: str) -> Iterator[Case]:
    """All cases of a form's file."""
    with np.load(GOLDEN / f"{form}.npz", allow_pickle=False) as stored:
        found: dict[str, dict] = {}
        for key in stored.files:
            case, _, name = key.rpartition("/")
            found.setdefault(case, {})[name] = stored[key]
    for name, arrays in found.items():
        yield Case(name, json.loads(str(arrays.pop("meta"))), arrays)


@dataclass
class Proof:
    """What to compare: golden gradient -> (connection, factor), golden spikes -> layer.

    change * factor must equal minus the gradient; the factor holds what the circuit and the scale of
    the weights make of the loss.
    """

    twin: Simulator
    gradients: dict[str, tuple[str, float]]
    spikes: dict[str, str]
    labels: np.ndarray
    inputs: dict[str, np.ndarray]  # source -> [contexts, steps, axons]


def rule_with(name: str, *changes: tuple[str, str]) -> object:
    """A shipped rule with some of its text replaced (another surrogate, another constant)."""
    text = load_rule(name).source
    for old, new in changes:
        assert text.count(old) == 1, (name, old)
        text = text.replace(old, new)
    return parse_rule(text, f"{name}.rule")


def ideal(net: Network, rules: dict, weights: dict[str, np.ndarray], burn_in: int = 0, contexts: int = 1):
    """The ideal twin of a network on the ideal machine, with these real weights [post, pre]."""
    sim = Simulator(net, load_chip("ideal"), rules, update=Update("step", 1, burn_in), contexts=contexts)
    twin = twin_of(sim, ideal=True)
    for name, w in weights.items():
        twin.state[f"c{sim.plan.connection(name).index}_w"] = np.ascontiguousarray(w.T)
    return twin


def tau(decay: float) -> float:
    """The time constant, in steps, of a decay factor; nearly none for 0."""
    return 1e-3 if decay == 0 else math.inf if decay == 1 else -1.0 / math.log(decay)


def held(proof: Proof) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(summed weight changes [post, pre] by connection, spikes [steps, contexts, n] by layer)."""
    twin, plan = proof.twin, proof.twin.plan
    keys = {name: f"c{plan.connection(name).index}_w" for name, _ in proof.gradients.values()}
    start = {key: value.copy() for key, value in twin.state.items() if key[0] == "c" and key.endswith("_w")}
    total = {name: np.zeros_like(start[key]) for name, key in keys.items()}
    fired: dict[str, list] = {name: [] for name in proof.spikes.values()}
    for t in range(next(iter(proof.inputs.values())).shape[1]):
        step = {
            name: _events(x[:, t : t + 1], plan.layer(name).payload_bits) for name, x in proof.inputs.items()
        }
        twin.run(step, labels=proof.labels)
        for name, key in keys.items():
            total[name] += twin.state[key] - start[key]
        for key, value in start.items():
            twin.state[key][...] = value
        for name in fired:
            fired[name].append(twin.state[f"l{plan.layer(name).index}_fired"].copy())
    return {k: x.T for k, x in total.items()}, {k: np.array(x) for k, x in fired.items()}


def _events(x: np.ndarray, payload_bits: int) -> Events:
    """Events of one step; a graded source carries the integers as payload."""
    return Events.from_dense(x.astype(np.uint8), graded=payload_bits > 1)


# ---------------------------------------------------------------- forms


def decolle(case: Case) -> Proof:
    """One fixed readout a layer; paper's weights are ours over (1-alpha)(1-beta), connections delay 1."""
    m = case.meta
    net = Network()
    net.source("x", case["x"].shape[1])
    before, readouts, gain = "x", {}, (1 - m["alpha"]) * (1 - m["beta"])
    constants = {"rate": 0, "k_a": m["alpha"], "k_b": m["beta"]}
    for k, w in enumerate(case.numbered("w")):
        net.lif(f"h{k}", len(w), tau_v_ms=tau(m["alpha"]), tau_u_ms=tau(m["beta"]), threshold=m["theta"])
        net.connect(before, f"h{k}", rule="decolle_paper", delay=1, settings={"params": constants})
        before = f"h{k}"
    for k, g in enumerate(case.numbered("g")):
        error = {"smooth_l1": "smooth_l1", "l2": "mse"}[m["loss"]]
        net.readout(f"h{k}", len(g), error=error, logit_scale=1.0, tau_ms=tau(0))
        readouts[f"h{k}->h{k}.readout"] = g
    changes = [] if m["psi"] == "boxcar" else [
        ("box(centre=threshold, half_width=0.5, segments=1)",
         "fast_sigmoid(centre=threshold, slope=10, reach=0.5, segments=16)"),
    ]  # fmt: skip
    names = ["x->h0", "h0->h1"]
    weights = {name: w * gain for name, w in zip(names, case.numbered("w"), strict=True)}
    twin = ideal(
        net, {"decolle_paper": rule_with("decolle_paper", *changes)}, weights | readouts, m["burn_in"]
    )
    factor = 4 * gain / (m["alpha"] - m["beta"])
    return Proof(
        twin,
        {f"grad_w{k}": (name, factor) for k, name in enumerate(names)},
        {f"s{k}": f"h{k}" for k in range(2)},
        np.array([m["label"]]),
        {"x": case["x"][None]},
    )


FORMS: dict[str, Callable[[Case], Proof]] = {"decolle": decolle}
