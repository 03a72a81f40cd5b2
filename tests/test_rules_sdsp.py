"""SDSP against ODIN's truth table, written out on its own, and the order in which a step uses it.

ODIN keeps two flags per neuron, formed from membrane and calcium at the neuron's last write: after the
reset, the calcium of this spike or leak included. A pre spike reads these flags, moves the weights of
its row, and delivers the weights from before.
"""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.reference import reference_present, reference_steps
from chipsim.state import make_state

LOWEST, HIGHEST = -8, 7  # 4-bit weights, raw
CA_1, CA_2, CA_3 = 1, 4, 7
LEAK = 8  # steps


def flags(v: int, theta_m: int, ca: int) -> tuple[bool, bool]:
    """UP and DOWN of a neuron."""
    return v >= theta_m and CA_1 <= ca < CA_3, v < theta_m and CA_1 <= ca < CA_2


def moved(w: int, up: bool, down: bool) -> int:
    """A weight after a pre spike; it saturates."""
    if up and w < HIGHEST:
        return w + 1
    return w - 1 if down and not up and w > LOWEST else w


def machine(axons: int, neurons: int, **params):
    """Two layers under sdsp with 4-bit weights: rate 3, so that a step is one LSB."""
    net = Network()
    net.source("in", axons)
    net.lif("out", neurons, tau_v_ms=float("inf"), threshold=1.0, reset="hard")
    net.connect("in", "out", rule="sdsp", weights=np.zeros((axons, neurons)))
    bound = plan(net, load_chip("ideal"), load_rule, seed=1, weight_bits=4, params={"rate": 3, **params})
    assert (bound.connections[0].w_lo, bound.connections[0].w_hi) == (LOWEST, HIGHEST)
    return bound, make_state(bound)


def test_truth_table():
    """Every weight, every calcium, membranes below, just below, at and above theta_m, in one step."""
    weights = list(range(LOWEST, HIGHEST + 1))
    bound, state = machine(len(weights), 40)
    one = 1 << bound.layers[1].v_fmt.frac
    cases = [(v, ca) for v in (-one, 0, one // 2 - 1, one // 2, 3 * one // 4) for ca in range(8)]
    state["l1_v"][0] = [v for v, _ in cases]
    state["c0_r_ca"][0] = [ca for _, ca in cases]
    state["c0_w"][:] = np.array(weights)[:, None]
    events = Events.from_dense(np.ones((1, 1, len(weights)), np.int8))
    reference_steps(bound, state, events, start=0, stop=1)
    expected = [[moved(w, *flags(v, one // 2, ca)) for v, ca in cases] for w in weights]
    assert state["c0_w"].tolist() == expected
    kinds = {(np.sign(e - w)) for w, row in zip(weights, expected, strict=True) for e in row}
    assert kinds == {-1, 0, 1}


@pytest.mark.parametrize("seed", range(5))
def test_a_run_keeps_odins_order(seed):
    """60 steps: flags from the last write, weight of before delivered, reset, then calcium."""
    rng = np.random.default_rng(seed)
    bound, state = machine(6, 4)
    weights = rng.integers(-2, HIGHEST + 1, (6, 4))
    state["c0_w"][:] = weights
    spikes = (rng.random((1, 60, 6)) < 0.5).astype(np.int8)
    one = 1 << bound.layers[1].v_fmt.frac
    w, v, ca = weights.tolist(), [0] * 4, [0] * 4
    ups = downs = fired = 0
    for t in range(60):
        reference_steps(bound, state, Events.from_dense(spikes), start=t, stop=t + 1)
        held = [flags(v[i], one // 2, ca[i]) for i in range(4)]
        for i in range(4):
            v[i] += sum(w[j][i] for j in range(6) if spikes[0, t, j]) * one // 8
            for j in np.flatnonzero(spikes[0, t]):
                w[j][i] = moved(w[j][i], *held[i])
            ups, downs = ups + held[i][0], downs + held[i][1]
            if v[i] >= one:
                v[i], ca[i], fired = 0, min(ca[i] + 1, 7), fired + 1
            if (t + 1) % LEAK == 0:
                ca[i] = max(ca[i] - 1, 0)
        assert state["c0_r_ca"][0].tolist() == ca, t
        assert state["l1_v"][0].tolist() == v, t
        assert state["c0_w"].tolist() == w, t
    assert ups and downs and fired
    assert state["c0_lines"][:, 2].sum() == 0  # nothing is drawn


@pytest.mark.parametrize("bistable", [0, 1])
def test_bistability_at_the_end_of_a_sample(bistable):
    """One step away from the middle, w_half = 0 included in the upper half; calcium stays."""
    bound, state = machine(5, 3, bistable=bistable)
    before = [[-8, -1, 0], [1, 7, 6], [-6, 2, -2], [3, -3, 4], [5, -5, -4]]
    state["c0_w"][:] = before
    state["c0_r_ca"][0] = [3, 5, 1]
    reference_present(bound, state, Events.from_dense(np.zeros((1, 4, 5), np.int8)), None)
    drift = [[min(w + 1, 7) if w >= 0 else max(w - 1, -8) for w in row] for row in before]
    assert state["c0_w"].tolist() == (drift if bistable else before)
    assert state["c0_r_ca"][0].tolist() == [3, 5, 1]
