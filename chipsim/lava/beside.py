"""One plastic layer in chipsim and in Lava: the network, the same steps, the time of each.

Start-up is left out on both sides (imports, compilation, the first steps). Times are CPU times: of this
process for chipsim, of the busiest process for Lava, which is what bounds Lava on a computer with a core for
each of its processes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chipsim.calibrate import calibrate_logits, calibrate_thresholds
from chipsim.chip import load_chip
from chipsim.compile.run import compiled_steps
from chipsim.data.events import Events
from chipsim.feed import silent_labels
from chipsim.lava.describe_samples import CUSTOM, SampleDescription
from chipsim.lava.export import export_lava, fresh_copy
from chipsim.lava.from_lava import LavaRule, rule_text
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.simulator import Simulator
from chipsim.stacks import StackSettings, build, contexts
from chipsim.wiring import known

CHIP = "loihi2_lava"
INPUT, FORCED = 0.05, 0.02  # spikes of an axon, forced ones of a neuron, in a step
REPEATS = 20
CLASSES, SAMPLE, SAMPLES = 10, 20, 10  # of what calibrates; a label stays for SAMPLE steps
STACK = {"reset": "hard", "weight.bits": 9, "update": "step", "tau_u_ms": None, "activity": 0.4}


@dataclass
class Case:
    """A network before its first step, one continuous presentation, and what its circuits need."""

    sim: Simulator
    events: dict[str, Events]
    labels: np.ndarray | None = None
    rewards: np.ndarray | None = None

    @property
    def steps(self) -> int:
        """Steps of the presentation."""
        return next(iter(self.events.values())).n_steps

    def export(self, folder: Path, title: str) -> dict:
        """Write it for Lava; errors of `export_lava`."""
        return export_lava(self.sim, self.events, folder, self.labels, self.rewards, title)


def lava_case(dw: str, sizes: tuple[int, int], steps: int, seed: int = 1) -> Case:
    """`forced_case` of a two-factor Lava rule: time constants of 20 steps, impulses of 16."""
    rule = LavaRule(dw, tau={"x1": 20, "y1": 20}, impulse={"x1": 16, "y1": 16})
    program = parse_rule(rule_text(rule, "given"), "given.rule")
    return forced_case("given", {"given": program}, sizes, steps, seed)


def forced_case(rule: str, rules: object, sizes: tuple[int, int], steps: int, seed: int = 1) -> Case:
    """One connection under a two-factor rule; a strong static source makes neurons fire at fixed random
    times, and nothing else does, so that activity stays as it is whatever the weights become."""
    (n_in, n), rng = sizes, np.random.default_rng(seed)
    net = Network()
    net.source("in", n_in)
    net.source("force", n)
    net.lif("hidden", n, tau_v_ms=2, threshold=125.0, reset="hard")
    net.connect("in", "hidden", rule=rule, settings={"engine": {"seed": seed}})
    one_to_one = (np.arange(n + 1), np.arange(n))
    net.connect("force", "hidden", weights=np.full(n, 0.99), sparse=one_to_one, weight_exp=8)
    spikes = {"in": rng.random((steps, n_in)) < INPUT, "force": rng.random((steps, n)) < FORCED}
    events = {name: Events.from_dense(x[None].astype(np.int8)) for name, x in spikes.items()}
    return Case(fresh_copy(Simulator(net, load_chip(CHIP), rules, seed)), events)


def rule_case(rule: str, own: dict, sizes: tuple[int, int], steps: int, seed: int = 1) -> Case:
    """One hidden layer under a rule with its circuit (`own`: further settings of a stack) and random input;
    thresholds and errors are calibrated. Raises the errors of `Simulator`."""
    n_in, rng = sizes[0], np.random.default_rng(seed)
    sim, s, circuit = _simulator(rule, own, sizes, seed)
    _rates(sim, s.rate)
    dense = rng.random((SAMPLES, SAMPLE, n_in)) < INPUT
    few = silent_labels(sim, Events.from_dense(dense.astype(np.int8)))
    calibrate_thresholds(sim, few, s.activity)
    calibrate_logits(sim, few)
    events = Events.from_dense((rng.random((1, steps, n_in)) < INPUT).astype(np.int8))
    rewards = rng.choice([-1.0, 0.0, 0.0, 1.0], steps) if circuit == "reward" else None
    labels = np.arange(steps) // SAMPLE % CLASSES if sim.plan.circuits and rewards is None else None
    return Case(fresh_copy(sim), {"pixels": events}, labels, rewards)


def as_lines(rule: str, own: dict, sizes: tuple[int, int], seed: int = 1) -> tuple[str, ...]:
    """The custom processes in which the same network runs with the rule's lines as they are, in narrowed
    registers (`export_samples`). Raises the errors of `Simulator` and of the export."""
    sim, *_ = _simulator(rule, own, sizes, seed, engine="lines", fit="narrow", sample_steps=SAMPLE)
    made = SampleDescription(sim.plan, sim.state, SAMPLE)
    used = {x["process"] for x in (*made.layers, *made.connections)}
    return tuple(sorted(used & set(CUSTOM)))


def _simulator(
    rule: str, own: dict, sizes: tuple[int, int], seed: int, **options: object
) -> tuple[Simulator, StackSettings, str | None]:
    """The network, its settings and circuit."""
    n_in, n = sizes
    s = StackSettings(**{**STACK, **own, "hidden": (n,)})
    circuit = s.circuit or load_rule(rule).circuit or None
    if circuit in known():
        net = build(s, n_in, CLASSES, rule)
    else:
        net = _plain(rule, s, n_in, n, circuit)
    options |= {"update": s.update, "weight_bits": s.weight_bits}
    options["contexts"] = contexts(s, CLASSES, circuit)
    return Simulator(net, load_chip(CHIP), load_rule, seed, **options), s, circuit


def _plain(rule: str, s: StackSettings, n_in: int, n: int, circuit: str | None) -> Network:
    """A layer without a circuit that a stack could wire."""
    net = Network()
    net.source("pixels", n_in)
    net.lif("hidden1", n, tau_v_ms=s.tau_v_ms, threshold=s.threshold, reset=s.reset)
    net.connect("pixels", "hidden1", rule=rule, gain=s.gain, settings={"params": s.params})
    if circuit == "reward":
        net.reward("hidden1")
    return net


def _rates(sim: Simulator, rate: int) -> None:
    """The rate of every rule, within what its products can express."""
    for c in sim.plan.connections:
        for p in c.program.params if c.program else ():
            if p.name == "rate":
                sim.set_param(c.name, "rate", min(max(rate, p.lo), p.hi))


def own_seconds(case: Case, first: int, repeats: int = REPEATS) -> float:
    """CPU seconds of chipsim for the steps after `first`, counters on: the least of some repeats, each
    from the same state."""
    sim = case.sim
    state = {name: array.copy() for name, array in sim.state.items()}
    steps = case.steps
    given = {"labels": None if case.labels is None else np.asarray(case.labels)[None]}
    given["rewards"] = None if case.rewards is None else sim._raw_rewards(case.rewards[None], 1, steps)

    def advance(start: int, stop: int) -> None:
        compiled_steps(sim.plan, state, case.events, start=start, stop=stop, kernels=sim.kernels, **given)

    advance(0, first)
    kept, least = {name: array.copy() for name, array in state.items()}, float("inf")
    for _ in range(repeats):
        for name, array in kept.items():
            state[name][...] = array
        begin = time.process_time()
        advance(first, steps)
        least = min(least, time.process_time() - begin)
    return least
