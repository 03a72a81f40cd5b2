"""Circuits of phase 7: kernels against the reference, the twin, counters, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.circuits import ERRORS
from chipsim.compile.run import compiled_present, compiled_steps
from chipsim.conformance.compare import difference
from chipsim.data.events import Events
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import Plan, Update, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.state import make_state

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
RULES = {"hidden": parse_rule(HIDDEN, "hidden.rule"), "out": parse_rule(OUT, "out.rule")}


def sparse(n_pre: int, n_post: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of all synapses."""
    mask = rng.random((n_pre, n_post)) < 0.5
    return np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int64), np.nonzero(mask)[1]


def errors_network() -> Network:
    """A hidden layer with broadcast and an output, integrator or spiking, for every kind of error."""
    net = Network()
    net.source("in", 5)
    for k, error in enumerate(ERRORS):
        spiking = error in ("spike", "ternary", "regression", "softmax")
        net.lif(f"h{k}", 4, tau_v_ms=10, threshold=0.3)
        net.connect("in", f"h{k}", rule="hidden")
        (net.lif if spiking else net.integrator)(f"o{k}", 3, tau_v_ms=20.0, threshold=0.4)
        net.connect(f"h{k}", f"o{k}", rule="out")
        net.error(f"o{k}", error=error, trigger=(0.3, 0.1) if error == "mse" else None)
        net.broadcast(f"h{k}", of=f"o{k}", signal_shift=k % 2)
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
    net.error("out", error="smooth_l1")
    net.transport("d", "d->out", signal_shift=-1)
    net.transport("c", "c->d", copy_every=3)
    net.transport("b", "b->c", register="third_factor", copy_every=2)
    net.transport("a", "a->b")
    return net


def data(samples: int, labelled: bool = True, per_step: bool = False) -> tuple[Events, np.ndarray]:
    """Random spikes, and labels of which some say `no target`."""
    rng = np.random.default_rng(5)
    events = Events.from_dense((rng.random((samples, STEPS, 5)) < 0.4).astype(np.int8))
    shape = (samples, STEPS) if per_step else (samples,)
    labels = rng.integers(-1 if labelled else 0, 3, shape)
    return events, labels


def bound(net: Network, chip: str = "ideal", update: str = "step", contexts: int = 1, **options) -> Plan:
    """The plan of a network with this module's rules."""
    update = Update.parse(update) if isinstance(update, str) else update
    return plan(net, load_chip(chip), RULES, seed=11, update=update, contexts=contexts, **options)


# chip, update, contexts, a label per step
SETTINGS = [
    ("ideal", "step", 1, False),
    ("ideal", "error:0.3", 3, True),
    ("loihi2", "every:2", 2, False),
    ("ideal", "end", 2, False),
]
NETWORKS = {"errors": errors_network, "transport": transport_network}


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
    some = slice(0, made.contexts)
    for run, state in ((reference_steps, mine), (compiled_steps, theirs)):
        run(made, state, events.slice(0, made.contexts), start=2, stop=7, labels=labels[some])
    assert difference(mine, theirs) == ""
    return mine


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("chip", "update", "contexts", "per_step"), SETTINGS)
def test_kernels_equal_the_reference(name, chip, update, contexts, per_step):
    made = bound(NETWORKS[name](), chip, update, contexts, engine="lines")
    events, labels = data(2 * contexts, per_step=per_step)
    state = same(made, events, labels)
    for k in made.circuits:
        assert k.kind == "error" or update == "end" or state[f"k{k.index}_stat"][0] > 0, (
            f"{k.source} sends nothing"
        )
    before = make_state(made)
    moved = [c.name for c in made.connections if (state[f"c{c.index}_w"] != before[f"c{c.index}_w"]).any()]
    assert len(moved) > len(made.connections) // 3  # learning took place
    assert not [name for name in moved if "<-" in name]  # feedback is fixed
