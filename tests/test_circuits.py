"""Circuits of phase 7: kernels against the reference, the twin, counters, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chipsim.calibrate import calibrate_logits
from chipsim.chip import load_chip
from chipsim.circuits import ERRORS
from chipsim.compile.run import compiled_present, compiled_steps
from chipsim.conformance.compare import difference
from chipsim.data.events import Events
from chipsim.errors import SettingError
from chipsim.float_twin import twin_of
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import Plan, Update, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.simulator import Simulator
from chipsim.state import make_state

HERE = Path(__file__).parent
STEPS = 9
HIDDEN = """rule hidden
param rate : shift = 2 in 0..16
in v from neuron.v
in m from third_factor
table box(v) : u1.0 = box(centre=threshold, half_width=1.0, segments=1)
pre  x     : u7.4
post psi   : u1.0
post delta : s8.7 publish
syn  w     : weight round=stochastic

on_pre:
    x += 1
on_membrane:
    psi = box(v)
on_third_factor:
    delta = m * psi
    w -= delta * x >> rate when x
"""
OUT = """rule out
param rate : shift = 2 in 0..16
in m from third_factor
pre  x     : u7.4
post delta : s8.7 publish
syn  w     : weight round=stochastic

on_pre:
    x += 1
on_third_factor:
    delta = m
    w -= delta * x >> rate when x
"""
PATHS = """rule paths
param rate : shift = 2 in 0..16
in v from neuron.v
in s from pre.spike
in m from third_factor
const k_x  : u8.8 = 0.9
table box(v) : u1.0 = box(centre=threshold, half_width=1.0, segments=1)
post psi : u1.0
post eps : u7.4 round=stochastic
syn  w   : weight round=stochastic
temp d per post : s8.7

on_step:
    eps = eps * k_x
on_membrane:
    psi = box(v)
on_post:
    eps += 1
on_third_factor:
    d = m * psi
    w -= d * s >> rate when s
"""
TRACE = """rule trace
const k_x : u8.8 = 0.9
pre x : u7.4 round=stochastic

on_step:
    x = x * k_x
on_pre:
    x += 1
"""
TEXTS = {"hidden": HIDDEN, "out": OUT, "paths": PATHS, "trace": TRACE}
RULES = {name: parse_rule(text, f"{name}.rule") for name, text in TEXTS.items()}


def sparse(n_pre: int, n_post: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of all synapses."""
    mask = rng.random((n_pre, n_post)) < 0.5
    return np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int64), np.nonzero(mask)[1]


def errors_network() -> Network:
    """An output, integrator or spiking, for every kind of error; two hidden layers hear of theirs."""
    net = Network()
    net.source("in", 5)
    for k, error in enumerate(ERRORS):
        below = "in"
        if error in ("softmax", "sign"):
            below = net.lif(f"h{k}", 4, tau_v_ms=10, threshold=0.3)
            net.connect("in", below, rule="hidden")
        spiking = error in ("spike", "ternary", "regression", "softmax")
        (net.lif if spiking else net.integrator)(f"o{k}", 3, tau_v_ms=20.0, threshold=0.4)
        net.connect(below, f"o{k}", rule="out")
        scale = 1.0 if error in ("mse", "regression") else 4.0
        trigger = (0.3, 0.1) if error == "mse" else None
        net.error(f"o{k}", error=error, logit_scale=scale, trigger=trigger)
        if below != "in":
            net.broadcast(below, of=f"o{k}", signal_shift=k % 2)
    return net


def transport_network(seed: int = 0) -> Network:
    """Four layers; dense, sparse and copied weights carry deltas and third factors down."""
    rng = np.random.default_rng(seed)
    net = Network()
    net.source("in", 5)
    for name in ("a", "b", "c", "d"):
        net.lif(name, 6, tau_v_ms=10, threshold=0.3)
    net.integrator("out", 3, tau_v_ms=20.0)
    net.connect("in", "a", rule="hidden")
    net.connect("a", "b", rule="hidden", sparse=sparse(6, 6, rng))
    net.connect("b", "c", rule="hidden", sparse=sparse(6, 6, rng))
    net.connect("c", "d", rule="hidden")
    net.connect("d", "out", rule="out")
    net.error("out")
    net.transport("d", "d->out", signal_shift=1)
    net.transport("c", "c->d", copy_every=3)
    net.transport("b", "b->c", register="third_factor", copy_every=2)
    net.transport("a", "a->b", signal_shift=-1)
    return net


def contrast_network(inputs: int, targets: int, geometry: bool) -> Network:
    """Two layers, each compared over contexts; a second source drives the target contexts."""
    net = Network()
    net.source("in", 5)
    net.source("label", 4)
    net.lif("a", 6, tau_v_ms=10, threshold=0.3)
    net.lif("b", 5, tau_v_ms=10, threshold=0.3)
    net.connect("in", "a", rule="paths", gain=2.0)
    net.connect("label", "a", rule="trace", gain=2.0)
    net.connect("a", "b", rule="paths", gain=2.0)
    options = dict(inputs=inputs, targets=targets)
    below, own = (("label->a", "x"), ("in->a", "eps")) if geometry else (None, None)
    net.contrast("a", "in->a", geometry=below, signal_shift=2, **options)
    net.contrast("b", "a->b", geometry=own, logit_scale_z=0.25, **options)
    return net


def contrast_data(
    inputs: int, targets: int, seed: int = 0, groups: int = 2
) -> tuple[dict[str, Events], np.ndarray]:
    """Random samples with labels (-1: none), then one-hot targets, group after group."""
    rng = np.random.default_rng(6 + seed)
    drawn = (rng.random((groups, inputs + targets, STEPS, 5)) < 0.5).astype(np.int8)
    driven = np.zeros((groups, inputs + targets, STEPS, 4), np.int8)
    labels = np.full((groups, inputs + targets), -1)
    labels[:, :inputs] = rng.integers(-1, targets, (groups, inputs))
    labels[0, 0] = 1
    drawn[:, inputs:] = 0
    for t in range(targets):
        driven[:, inputs + t, :, t % 4] = 1
    events = {"in": drawn, "label": driven}
    return {n: Events.from_dense(x.reshape(-1, *x.shape[2:])) for n, x in events.items()}, labels.ravel()


def data(samples: int, per_step: bool = False, seed: int = 0) -> tuple[Events, np.ndarray]:
    """Random spikes, and labels of which some say `no target`."""
    rng = np.random.default_rng(5 + seed)
    events = Events.from_dense((rng.random((samples, STEPS, 5)) < 0.4).astype(np.int8))
    shape = (samples, STEPS) if per_step else (samples,)
    labels = rng.integers(-1, 3, shape)
    return events, labels


def bound(net: Network, chip: str = "ideal", update: str = "step", contexts: int = 1, **options) -> Plan:
    """The plan of a network with this module's rules."""
    update = Update.parse(update) if isinstance(update, str) else update
    return plan(net, load_chip(chip), RULES, update=update, contexts=contexts, **options)


def same(made: Plan, events, labels) -> dict:
    """Present and go on for some steps on both back ends; returns the reference's state."""
    mine, theirs = make_state(made), make_state(made)
    wanted = reference_present(made, mine, events, labels, predictions=True)
    given = compiled_present(made, theirs, events, labels, predictions=True)
    assert difference(mine, theirs) == ""
    assert set(wanted) == set(given) == {"potentials", "counts", "membranes", "predictions"}
    for what in wanted:
        assert set(wanted[what]) == set(given[what])
        for name, rows in wanted[what].items():
            np.testing.assert_array_equal(given[what][name], rows, err_msg=f"{what} of {name}")
    sources = events if isinstance(events, dict) else {"in": events}
    first = {name: each.slice(0, made.contexts) for name, each in sources.items()}
    for run, state in ((reference_steps, mine), (compiled_steps, theirs)):
        run(made, state, first, start=2, stop=7, labels=labels[: made.contexts])
    assert difference(mine, theirs) == ""
    return mine


def said_and_learned(made: Plan, state: dict, quiet: bool) -> None:
    """Every circuit that sends has sent something, rules have learned, feedback is fixed."""
    for k in made.circuits:
        assert k.kind == "error" or quiet or state[f"k{k.index}_stat"][0] > 0, f"{k.source} sends nothing"
    before = make_state(made)
    moved = [c.name for c in made.connections if (state[f"c{c.index}_w"] != before[f"c{c.index}_w"]).any()]
    assert quiet or len(moved) > len(made.connections) // 3
    assert not [name for name in moved if "<-" in name]


def check(name: str, chip: str, update: str | Update, contexts: int, per_step: bool, seed: int = 0) -> None:
    """One network under one setting on both back ends; the seed decides weights, matrices and data."""
    if name.startswith("contrast"):
        targets = 3 if name == "contrast classes" else 2
        contexts, update = 2 + targets, "every:3" if update == "end" else update
        net = contrast_network(2, targets, geometry=targets == 2)
        events, labels = contrast_data(2, targets, seed)
    else:
        net = transport_network(seed) if name == "transport" else errors_network()
        events, labels = data(2 * contexts, per_step=per_step, seed=seed)
    made = bound(net, chip, update, contexts, engine="lines", seed=seed)
    said_and_learned(made, same(made, events, labels), quiet=update == "end" or seed > 0)


def follows(name: str) -> None:
    """From the same state, one step: every third factor of the twin is the integer one within the
    rounding of the errors, the signal and what lies between."""
    if name.startswith("contrast"):
        targets = 3 if name == "contrast classes" else 2
        net, contexts = contrast_network(2, targets, geometry=targets == 2), 2 + targets
        events, labels = contrast_data(2, targets)
    else:
        net, contexts = {"errors": errors_network, "transport": transport_network}[name](), 2
        events, labels = data(contexts)
        events = {"in": events}
    sim = Simulator(net, load_chip("ideal"), RULES, seed=11, contexts=contexts)
    loud = 0
    for t in range(STEPS):
        twin = twin_of(sim)
        step = {n: Events.from_dense(e.to_dense()[:contexts, t : t + 1]) for n, e in events.items()}
        for each in (sim, twin):
            each.run(step, labels=labels[:contexts])
        for k in sim.plan.circuits:
            mine, theirs = sim.state[f"l{k.layer}_m"] / 128, twin.state[f"l{k.layer}_m"]
            apart = np.abs(mine - np.clip(theirs, -1, 127 / 128))
            # coefficients are rounded to 1/128 and multiply traces of up to 7.9
            assert apart.max() <= (24 if k.kind == "contrast" else 9) / 128, (
                name,
                t,
                k.kind,
                k.error,
                mine,
                theirs,
            )
            assert apart.mean() <= 3 / 128, (name, t, k.kind, k.error, mine, theirs)
            loud += int((mine != 0).sum())
        for k in sim.plan.circuits:
            if k.trigger:
                assert abs(sim.state[f"k{k.index}_thr"][0] / 32768 - twin.state[f"k{k.index}_thr"][0]) < 0.03
    assert loud > 50


NETWORKS = ("errors", "transport", "contrast", "contrast classes")
SETTINGS = [
    ("ideal", "step", 1, False),
    ("ideal", "error:0.3", 3, True),
    ("loihi2", "every:2", 2, False),
    ("ideal", "end", 2, False),
    ("loihi2", Update("step", 1, 2), 1, True),
]


@pytest.mark.parametrize(
    ("name", "setting"), [("errors", 1), ("transport", 2), ("contrast", 0), ("contrast classes", 3)]
)
@pytest.mark.one_python
def test_kernels_equal_the_reference(name, setting):
    check(name, *SETTINGS[setting])


@pytest.mark.one_python
def test_the_compiled_twin_follows():
    follows("contrast")  # the others in plain Python, below


def simulator(net: Network, update: str, contexts: int) -> Simulator:
    """With the kernels of `check`."""
    options = dict(update=update, contexts=contexts, engine="lines")
    return Simulator(net, load_chip("ideal"), RULES, seed=11, **options)


@pytest.mark.one_python
def test_logit_shifts_of_all_errors_are_calibrated():
    sim = simulator(errors_network(), "error:0.3", 3)
    events, _ = data(6)
    before = sim.digest()
    fine = calibrate_logits(sim, events, {"mse": 0.05})
    wide = calibrate_logits(sim, events, {"mse": 0.2})
    judged = {f"o{k}" for k, error in enumerate(ERRORS) if error != "spike"}
    assert set(fine) == set(wide) == judged
    (mse,) = (k for k in sim.plan.circuits if k.error == "mse" and k.kind == "error")
    name = sim.plan.layers[mse.layer].name
    assert fine.pop(name) == wide.pop(name) + 2 and fine == wide
    out = sim.evaluate(events)[0]
    layer = sim.plan.layer("o0")  # spiking, softmax
    charge = out["counts"]["o0"] * sim.state[f"l{layer.index}_thr"] + out["membranes"]["o0"].astype(float)
    distance = (charge.max(axis=1) - charge.mean(axis=1)).mean() / 2 ** wide["o0"] / 16
    assert 3.0 / 1.5 < distance < 3.0 * 1.5
    for k in sim.plan.circuits:  # nothing else has changed
        if k.judged >= 0:
            sim.state[f"k{k.index}_shift"][0] = k.shift
    assert sim.digest() == before


def test_errors_can_be_probed():
    sim = simulator(errors_network(), "error:0.3", 3)
    sim.probe("o0.error", "h0.third_factor")
    events, _ = data(3)
    sim.run(events, labels=[0, 1, -1])
    rows = np.array(sim.probes["o0.error"])
    assert rows.shape == (STEPS, 3, 3) and not rows[:, 2].any()
    assert (rows[-1] == sim.state["k0_err"] / 128).all() and rows.any()
    with pytest.raises(SettingError, match="no 'error' in 'h0'"):
        sim.probe("h0.error")


def test_logit_shifts_of_a_contrast_are_calibrated():
    sim = simulator(contrast_network(2, 3, geometry=False), "every:3", 5)
    events, _ = contrast_data(2, 3)
    before = sim.state["c0_w"].copy()
    assert set(calibrate_logits(sim, events, 3.0)) == {"a", "b"}
    assert (sim.state["c0_w"] == before).all() and not sim.state["k0_z"].any()
    wide, near = int(sim.state["k0_shift"][0]), calibrate_logits(sim, events, 0.75)
    assert near["a"] == wide + 2


@pytest.mark.one_python
def test_kernels_equal_the_reference_in_every_setting_and_the_twin_follows():
    """The same generated code as plain Python, where every cast checks its lane."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split("\n")[:-1] == [f"{n} {s}" for n in NETWORKS for s in SETTINGS]


if __name__ == "__main__":
    for network in NETWORKS:
        for each in SETTINGS:
            for number in range(2):
                check(network, *each, seed=number)
            print(network, each)
        follows(network)
