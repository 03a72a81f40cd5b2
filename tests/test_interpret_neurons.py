"""Neurons, delays, circuits and samples of the reference, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import DataError, SettingError
from chipsim.fixed import shift_round
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.noise import OP_NEURON_V, draw_key, top_bits, word_one
from chipsim.plan import Update, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.reference_circuits import EXP16, softmax
from chipsim.state import CIRCUIT_COUNTS, LAYER_COUNTS, digest, make_state

INF = math.inf
W = 0.25  # one spike: 32 raw weight units, 32 * 256 = 8192 of the membrane (15 fraction bits)
LOIHI = ("fire", "arrive", "decay", "deliver", "on_pre", "on_post", "third", "learn")


def chip(**neuron):
    base = load_chip("ideal")
    return base.model_copy(update={"neuron": base.neuron.model_copy(update=neuron)})


def spikes(*steps: int, n_steps: int = 8, axons: int = 1, samples: int = 1) -> Events:
    """All axons spike in these steps (from 1), in every sample."""
    dense = np.zeros((samples, n_steps, axons), np.int64)
    dense[:, [s - 1 for s in steps]] = 1
    return Events.from_dense(dense)


def trace(
    array: str, events: Events, on=None, *, weight: float = W, connect: dict | None = None, **lif
) -> list:
    """An array of one neuron after each step; the neuron does not leak unless told."""
    net = Network()
    net.source("in", 1)
    net.lif("out", 1, **{"tau_v_ms": INF, "threshold": 100.0, **lif})
    net.connect("in", "out", weights=np.array([[weight]]), **(connect or {}))
    bound = plan(net, on or chip(), seed=3)
    state = make_state(bound)
    found = []
    for t in range(events.n_steps):
        reference_steps(bound, state, events, start=t, stop=t + 1)
        found.append(int(state[f"l1_{array}"].ravel()[0]))
    return found


def counted(name: str, events: Events, on=None, **options) -> int:
    net = Network()
    net.source("in", 1)
    net.lif("out", 1, **{"tau_v_ms": INF, "threshold": 100.0, **options})
    net.connect("in", "out", weights=np.array([[W]]))
    bound = plan(net, on or chip())
    state = make_state(bound)
    reference_steps(bound, state, events, start=0, stop=events.n_steps)
    return int(state["l1_stat"][LAYER_COUNTS.index(name)])


# ---------------------------------------------------------------- membranes


def test_integrate_without_leak():
    assert trace("v", spikes(1, 3, n_steps=4)) == [8192, 8192, 16384, 16384]


@pytest.mark.parametrize(
    ("rounding", "wanted"),
    [("trunc", [-8192, -7412, -6706]), ("floor", [-8192, -7412, -6707]), ("nearest", [-8192, -7412, -6706])],
)
def test_leak_rounds_as_declared(rounding, wanted):
    """k = round(4096 exp(-1/10)) = 3706: -8192 k = -7412 exactly; -7412 k / 4096 = -6706.26."""
    found = trace("v", spikes(1, n_steps=3), chip(decay_rounding=rounding), weight=-W, tau_v_ms=10)
    assert found == wanted


def test_stochastic_leak_draws_per_neuron_and_step():
    found = trace("v", spikes(1, n_steps=3), chip(decay_rounding="stochastic"), tau_v_ms=10)
    value, wanted = 8192, [8192]
    for n in (2, 3):
        word = word_one(draw_key(3, 1, OP_NEURON_V, 0, n), 0)
        value = shift_round(value * 3706, 12, "stochastic", top_bits(word, 12))
        wanted.append(value)
    assert found == wanted
    on = chip(decay_rounding="stochastic")
    assert counted("draws", spikes(1, n_steps=3), on, tau_v_ms=10) == 3
    assert counted("draws", spikes(1, n_steps=3), on, tau_v_ms=10, tau_u_ms=4) == 6
    assert counted("draws", spikes(1, n_steps=3), on) == 0  # no leak: k is exactly 1
    assert counted("draws", spikes(1, n_steps=3), on, tau_v_ms=10, leak="subtract") == 0


def test_current_then_membrane():
    """u = trunc(u k) + input, v = v + u; k_u = round(4096 exp(-1/2)) = 2484."""
    events = spikes(1, 2, n_steps=3)
    u = [8192, 8192 * 2484 // 4096 + 8192, (8192 * 2484 // 4096 + 8192) * 2484 // 4096]
    assert trace("u", events, tau_u_ms=2) == u
    assert trace("v", events, tau_u_ms=2) == [u[0], u[0] + u[1], sum(u)]


def test_subtractive_leak_stops_at_zero():
    step = 0.1  # folded to 3277
    assert trace("v", spikes(1, n_steps=4), leak="subtract", leak_step=step) == [8192, 4915, 1638, 0]
    found = trace("v", spikes(1, n_steps=4), weight=-W, leak="subtract", leak_step=step)
    assert found == [-8192, -4915, -1638, 0]


def test_reset_hard_and_soft():
    options = dict(threshold=0.4, bias=0.0)  # 13107
    assert trace("v", spikes(1, 2, n_steps=2), reset="hard", **options) == [8192, 0]
    assert trace("v", spikes(1, 2, n_steps=2), reset="soft", **options) == [8192, 16384 - 13107]
    assert trace("vc", spikes(1, 2, n_steps=2), **options) == [8192, 16384]  # as compared


@pytest.mark.parametrize(("compare", "fired"), [("ge", [0, 1]), ("gt", [0, 0])])
def test_comparison_at_the_threshold(compare, fired):
    assert trace("fired", spikes(1, 2, n_steps=2), chip(compare=compare), threshold=0.5) == fired


def test_refractory_neuron_keeps_v_and_integrates_u():
    events = spikes(1, 2, 3, 4, n_steps=5)
    assert trace("fired", events, threshold=0.25, refractory=2, reset="hard") == [1, 0, 0, 1, 0]
    assert trace("v", events, threshold=0.25, refractory=2, reset="hard") == [0] * 5
    assert trace("refr", events, threshold=0.25, refractory=2) == [2, 1, 0, 2, 1]
    assert trace("u", events, threshold=0.25, refractory=2, tau_u_ms=INF)[:3] == [8192, 16384, 24576]


def test_rectify_and_reset_current():
    assert trace("v", spikes(1, n_steps=2), weight=-W, rectify=True) == [0, 0]
    options = dict(tau_u_ms=INF, threshold=0.25)
    assert trace("u", spikes(1, n_steps=2), reset_current=True, **options) == [0, 0]
    assert trace("u", spikes(1, n_steps=2), **options) == [8192, 8192]


def test_limits_of_input_current_and_membrane():
    narrow = chip(u_bits=14, v_bits=15)  # u, input to +-8191; v to +-16383
    events = spikes(1, 2, 3, n_steps=3)
    assert trace("v", events, narrow, threshold=0.45) == [8191, 16382 - 14746, 1636 + 8191]
    assert counted("input_limited", events, narrow, threshold=0.45) == 3
    wrap = chip(v_bits=15, v_overflow="wrap")
    assert trace("v", events, wrap, threshold=0.4999, reset="soft", weight=-W) == [-8192, -16384, 8192]
    # 8192 + 13107 is beyond 16383 in every step; without the bias only the second step's 16384 is
    assert counted("v_limited", events, chip(v_bits=15), threshold=0.4999, reset="hard", bias=0.4) == 3
    assert counted("v_limited", events, chip(v_bits=15), threshold=0.4999, reset="hard") == 1


def test_active_and_inactive_updates():
    assert counted("updates_active", spikes(3, n_steps=5)) == 3
    assert counted("updates_inactive", spikes(3, n_steps=5)) == 2
    assert counted("updates_active", spikes(3, n_steps=5), bias=0.01) == 5


# ---------------------------------------------------------------- delays


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_delay_of_a_connection(delay):
    wanted = [0] * (1 + delay) + [8192] * (7 - delay)
    assert trace("v", spikes(2), connect={"delay": delay}) == wanted


def test_delay_of_a_synapse():
    connect = {"delay": 0, "delays": np.array([[2]], np.uint8)}
    assert trace("v", spikes(2, n_steps=6), connect=connect) == [0, 0, 0, 8192, 8192, 8192]


def test_fire_first_integrates_in_the_next_step():
    base = chip()
    step = base.step.model_copy(update={"order": LOIHI, "walk": "phase", "min_delay": 1})
    loihi = base.model_copy(update={"step": step})
    assert trace("v", spikes(2, n_steps=4), loihi) == [0, 0, 8192, 8192]
    assert trace("v", spikes(2, n_steps=6), loihi, connect={"delay": 3}) == [0, 0, 0, 0, 8192, 8192]


def test_a_spike_crosses_connections_without_delay_in_its_step():
    net = Network()
    net.source("in", 1)
    net.lif("a", 1, threshold=0.25)
    net.lif("b", 1, threshold=0.25, tau_v_ms=INF)
    net.connect("in", "a", weights=np.array([[W]]))
    net.connect("a", "b", weights=np.array([[W]]))
    net.connect("b", "a", weights=np.array([[-W]]))  # one step back
    bound = plan(net, chip())
    state = make_state(bound)
    found = []
    for t in range(3):
        reference_steps(bound, state, spikes(1, 2, 3, n_steps=3), start=t, stop=t + 1)
        found.append((int(state["l1_fired"][0, 0]), int(state["l2_fired"][0, 0])))
    assert found == [(1, 1), (0, 0), (1, 1)]


def test_graded_spikes_multiply():
    net = Network()
    net.source("in", 2, payload_bits=8)
    net.integrator("out", 3, tau_v_ms=INF)
    net.connect("in", "out", weights=np.array([[1 / 128, -1 / 128, 0], [2 / 128, 0, 0]]))
    bound = plan(net, chip())
    state = make_state(bound)
    events = Events.from_dense(np.array([[[200, 0], [3, 7]]]), graded=True)
    out = reference_present(bound, state, events, None)
    assert out["potentials"]["out"].tolist() == [[(203 + 14) * 256, -203 * 256, 0]]
    assert state["c0_stat"].tolist() == [3, 9, 9]  # axon events, synaptic events, multiplications


# ---------------------------------------------------------------- circuits


def test_the_table_of_exponentials():
    assert (len(EXP16), EXP16[0], EXP16[16], EXP16[32]) == (256, 65535, 24109, 8869)
    # the integers must not depend on the last digit of a machine's exp
    assert all(abs(65535 * math.exp(-i / 16) % 1 - 0.5) > 1e-9 for i in range(256))


def test_softmax_in_integers():
    assert softmax([5, 5], 0) == [64, 64]
    assert softmax([0, -10_000], 0) == [128, 0]
    wanted = [128 / (1 + math.exp(-1) + math.exp(-2)) * math.exp(-k) for k in range(3)]
    assert softmax([32 << 3, 16 << 3, 0], 3) == [round(x) for x in wanted]


def readout_state(error: str, label: int, potentials: tuple[int, ...]) -> dict:
    net = Network()
    net.source("in", 1)
    net.lif("h", 2)
    rule = "rule r\nin m from third_factor\npost d : s8.7\non_third_factor:\n    d = m\n"
    net.connect("in", "h", weights=np.zeros((1, 2)), rule="r")
    net.readout("h", 3, error=error, logit_scale=1.0)
    bound = plan(net, chip(), {"r": parse_rule(rule, "r.rule")})
    state = make_state(bound)
    state["c1_w"][:] = [[64, 0, 0], [127, 127, -128]]
    state["l2_v"][0] = potentials
    reference_steps(bound, state, spikes(n_steps=1), start=0, stop=1, labels=np.array([label]))
    return state


def test_smooth_l1_error():
    """y = 0.5, -1.5, 1.0 against label 0: errors -0.5, -1.5 (limited to -1), 1.0 (limited)."""
    state = readout_state("smooth_l1", 0, (16384, -49152, 32768))
    assert state["k0_err"].tolist() == [[-64, -128, 127]]
    # divided by 4 (signal_shift 2): m0 = 64 * -64 / 512 = -8; m1 = (127 * -64 - 127 * 128
    # - 128 * 127) / 512 = -79.4, rounded stochastically
    assert state["l1_m"].tolist() == [[-8, -79]]
    stat = dict(zip(CIRCUIT_COUNTS, state["k0_stat"].tolist(), strict=True))
    assert stat == dict(
        messages=3, additions=3 + 6, multiplications=6, divisions=0, lookups=0, draws=2, limited=2
    )
    assert state["c0_r_d"].tolist() == [[-8, -79]]


def test_no_label_no_error():
    state = readout_state("softmax", -1, (16384, 0, 0))
    assert not state["k0_err"].any() and not state["l1_m"].any()
    assert state["c0_lines"].sum() == 0  # no neuron has a signal: none is reached


# ---------------------------------------------------------------- samples


COUNTER = """rule r
post a : u8.0 = 2
post k : u8.0 = 3 keep
layer g : u16.0
on_sample_start:
    g += 1
on_step:
    a += 1
    k += 1
on_sample_end:
    g += 1000
"""


def network(rule: str | None = "r") -> Network:
    net = Network()
    net.source("in", 2)
    net.lif("out", 2, threshold=0.3, homeostasis=(0.01, 2.0))
    net.connect("in", "out", rule=rule, weights=np.array([[0.25, 0.5], [0.25, 0.1]]))
    return net


def test_samples_reset_what_is_per_context():
    bound = plan(network(), chip(), {"r": parse_rule(COUNTER, "r.rule")})
    state = make_state(bound)
    reference_present(bound, state, spikes(1, 2, n_steps=4, axons=2, samples=3), None)
    assert state["c0_r_a"].tolist() == [[6, 6]]
    assert state["c0_r_k"].tolist() == [[3 + 12] * 2]
    assert state["c0_r_g"].tolist() == [3 * 1001]
    assert state["step"].tolist() == [12]


def test_homeostasis_moves_thresholds_with_spikes():
    bound = plan(network(None), chip())
    state = make_state(bound)
    out = reference_present(bound, state, spikes(1, 2, 3, n_steps=4, axons=2), None)
    count = out["counts"]["out"][0]
    up, down = round(0.01 * 32768), round(0.02 * 32768)
    assert state["l1_thr"].tolist() == [round(0.3 * 32768) + up * int(c) - down for c in count]
    assert state["l1_stat"][LAYER_COUNTS.index("threshold_updates")] == 2
    before = state["l1_thr"].tolist()
    reference_present(bound, state, spikes(1, n_steps=4, axons=2), None, learn=False)
    assert state["l1_thr"].tolist() == before


def test_evaluation_does_not_depend_on_the_number_of_contexts():
    rng = np.random.default_rng(0)
    events = Events.from_dense((rng.random((5, 6, 2)) < 0.5).astype(int))
    found = []
    for contexts in (1, 2, 3):
        bound = plan(network(None), chip(decay_rounding="stochastic"), contexts=contexts, seed=9)
        out = reference_present(bound, make_state(bound), events, None, learn=False)
        found.append(out["counts"]["out"].tolist())
    assert found[0] == found[1] == found[2]
    bound = plan(network(None), chip(decay_rounding="stochastic"), seed=9)
    some = reference_present(bound, make_state(bound), events, None, learn=False, samples=[4, 1])
    assert some["counts"]["out"].tolist() == [found[0][4], found[0][1]]


def test_update_instants():
    due = [Update("every", 3, 2).due(t, False) for t in range(1, 10)]
    assert due == [False] * 4 + [True, False, False, True, False]
    text = "rule r\nin r from reward\nlayer g : s16.4\non_third_factor:\n    g += r\n"
    for update, wanted in ((Update(), 36), (Update("every", 3, 2), 5 + 8), (Update("end"), 8)):
        net = network("r")
        net.reward("out")
        bound = plan(net, chip(), {"r": parse_rule(text, "r.rule")}, update=update)
        state = make_state(bound)
        reference_present(bound, state, spikes(axons=2), None, rewards=np.arange(1, 9)[None])
        assert state["c0_r_g"].tolist() == [wanted]


def test_the_same_run_twice_is_the_same_state():
    events = spikes(1, 3, 4, axons=2, samples=2)
    digests = set()
    for seed in (1, 1, 2):
        bound = plan(network(None), chip(decay_rounding="stochastic"), seed=seed)
        state = make_state(bound)
        reference_present(bound, state, events, None)
        digests.add(digest(state))
    assert len(digests) == 2


def test_what_the_reference_refuses():
    bound = plan(network(None), chip(), contexts=2)
    with pytest.raises(SettingError, match="3 samples in 2 contexts"):
        reference_present(bound, make_state(bound), spikes(1, axons=2, samples=3), None)
    with pytest.raises(DataError, match="the sources are in"):
        reference_present(bound, make_state(bound), {"out": spikes(1, axons=2)}, None)
