"""Golden gradients (tests/golden/gradients) and how far an ideal twin's weight changes are from them.

No test: `gradient_nets.py` builds the twins and runs this.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
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

    case: Case
    twin: Simulator
    gradients: dict[str, tuple[str, float]]
    spikes: dict[str, str]
    labels: np.ndarray
    inputs: dict[str, np.ndarray]  # source -> [contexts, steps, axons]


def proof(case: Case, twin: Simulator, gradients: dict, spikes: str, **more: object) -> Proof:
    """A proof of one sample; spikes names golden arrays and layers in turn."""
    words = spikes.split()
    given = {"labels": np.array([case.meta.get("label", -1)]), "inputs": {"x": case["x"][None]}, **more}
    return Proof(case, twin, gradients, dict(zip(words[::2], words[1::2], strict=True)), **given)


def held(proof: Proof) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(summed weight changes [post, pre] by connection, spikes [steps, contexts, n] by layer).

    A rule that updates at the sample's end runs the sample once for its change, and once for spikes.
    """
    twin, plan = proof.twin, proof.twin.plan
    start = {key: value.copy() for key, value in twin.state.items() if key[0] == "c" and key.endswith("_w")}
    keys = {name: f"c{plan.connection(name).index}_w" for name, _ in proof.gradients.values()}
    total = {name: np.zeros_like(start[key]) for name, key in keys.items()}
    fired: dict[str, list] = {name: [] for name in proof.spikes.values()}
    learn = plan.update.kind != "end"
    if not learn:
        before = twin.snapshot()
        twin.present(_events(proof, slice(None)), proof.labels)
        total = {name: twin.state[key] - start[key] for name, key in keys.items()}
        twin.restore(before)
    for t in range(next(iter(proof.inputs.values())).shape[1]):
        twin.run(_events(proof, slice(t, t + 1)), labels=proof.labels if learn else None, learn=learn)
        for name, key in keys.items():
            total[name] += twin.state[key] - start[key]
        for key, value in start.items():
            twin.state[key][...] = value
        for name in fired:
            fired[name].append(twin.state[f"l{plan.layer(name).index}_fired"].copy())
    return {k: x.T for k, x in total.items()}, {k: np.array(x) for k, x in fired.items()}


def _events(proof: Proof, steps: slice) -> dict[str, Events]:
    """Events of some steps; a graded source carries the integers as payload."""
    graded = {name: proof.twin.plan.layer(name).payload_bits > 1 for name in proof.inputs}
    return {
        name: Events.from_dense(x[:, steps].astype(np.uint8), graded=graded[name])
        for name, x in proof.inputs.items()
    }


def deviations(proof: Proof) -> dict[str, float]:
    """Largest deviation of each gradient, relative to its largest entry. Every layer must fire as the
    golden case does, spike by spike (AssertionError)."""
    case = proof.case
    changes, spikes = held(proof)
    for name, layer in proof.spikes.items():
        golden = case[name].reshape(len(case[name]), -1, spikes[layer].shape[-1])
        assert golden.any(), f"{case.name}: {name} is silent"
        assert np.array_equal(spikes[layer][:, : golden.shape[1]], golden), f"{case.name}: spikes of {layer}"
    return {
        name: float(np.abs(changes[connection] * factor + case[name]).max() / np.abs(case[name]).max())
        for name, (connection, factor) in proof.gradients.items()
    }


# ---------------------------------------------------------------- parts of networks


def rule_with(name: str, *changes: tuple[str, str]) -> object:
    """A shipped rule with some of its text replaced (another surrogate, another constant)."""
    text = load_rule(name).source
    for old, new in changes:
        assert text.count(old) == 1, (name, old)
        text = text.replace(old, new)
    return parse_rule(text, f"{name}.rule")


def ideal(net: Network, rules: dict, weights: dict[str, np.ndarray], burn_in: int = 0, **options: object):
    """The ideal twin of a network on the ideal machine, with these real weights [post, pre]."""
    update = Update(options.pop("update", "step"), 1, burn_in)
    sim = Simulator(net, load_chip("ideal"), rules, update=update, **options)
    twin = twin_of(sim, ideal=True)
    for name, w in weights.items():
        twin.state[f"c{sim.plan.connection(name).index}_w"] = np.ascontiguousarray(w.T)
    return twin


def tau(decay: float) -> float:
    """The time constant, in steps, of a decay factor; nearly none for 0."""
    return 1e-3 if decay == 0 else math.inf if decay == 1 else -1.0 / math.log(decay)


BOX_TO_FAST_SIGMOID = (
    "box(centre=threshold, half_width=0.5, segments=1)",
    "fast_sigmoid(centre=threshold, slope=10, reach=0.5, segments=16)",
)


def params(values: dict) -> dict:
    return {"params": values}


def fixed_readout(net: Network, layer: str, classes: int, loss: str) -> str:
    """A readout without memory whose error, a quarter of it, comes back; the connection's name."""
    if loss == "smooth_l1":
        return f"{layer}->{net.readout(layer, classes, error=loss, logit_scale=1.0, tau_ms=tau(0))}"
    net.integrator(f"{layer}.out", classes, tau_v_ms=tau(0))
    name = net.connect(layer, f"{layer}.out", purpose="error")
    net.error(f"{layer}.out", error="mse", logit_scale=1.0)
    net.transport(layer, name, register="third_factor")
    return name
