"""The Simulator: what runs equals the reference, looks inside, stops and goes on, refuses."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import DataError, NetworkError, SettingError, StrictError
from chipsim.float_twin import twin_of
from chipsim.ledger import surrogate_shares
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.plan import Update
from chipsim.reference import reference_present, reference_steps, reset
from chipsim.simulator import Simulator
from chipsim.state import digest, make_state

STEPS, SAMPLES = 12, 6
RNG = np.random.default_rng(7)
DENSE = (RNG.random((SAMPLES, STEPS, 5)) < 0.4).astype(np.int8)
EVENTS = Events.from_dense(DENSE)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def network(rule: str = "decolle") -> Network:
    net = Network()
    net.source("in", 5)
    net.lif("h", 4, tau_v_ms=10, threshold=0.25)
    net.connect("in", "h", rule=rule)
    net.readout("h", 3)
    return net


def make(**options) -> Simulator:
    """Every test's own state; equal plans share their compiled kernels."""
    return Simulator(network(), load_chip("ideal"), seed=3, **options)


@pytest.fixture
def sim() -> Simulator:
    return make()


def assert_same(one: dict, other: dict) -> None:
    """Two outputs of present or evaluate are equal."""
    for what in ("potentials", "counts"):
        assert set(one[what]) == set(other[what])
        for name in one[what]:
            np.testing.assert_array_equal(one[what][name], other[what][name])


# ---------------------------------------------------------------- running


def test_present_equals_the_reference(sim):
    state = make_state(sim.plan)
    wanted = reference_present(sim.plan, state, EVENTS, LABELS)
    assert_same(sim.present(EVENTS, LABELS), wanted)
    assert sim.digest() == digest(state)
    assert sim.state["step"][0] == SAMPLES * STEPS
    assert wanted["counts"]["h"].sum() > 0


def test_present_takes_an_order(sim):
    state = make_state(sim.plan)
    wanted = reference_present(sim.plan, state, EVENTS, LABELS, samples=[4, 1, 4])
    assert_same(sim.present(EVENTS, LABELS, order=[4, 1, 4]), wanted)
    assert sim.digest() == digest(state)


def test_run_goes_on_without_a_reset(sim):
    state = make_state(sim.plan)
    joined = Events.from_dense(DENSE[:2].reshape(1, 2 * STEPS, 5))
    reference_steps(sim.plan, state, joined, start=0, stop=2 * STEPS)
    assert sim.run(EVENTS.slice(0, 1)) is sim
    sim.run(DENSE[1])  # an array for one source and one context
    assert sim.digest() == digest(state)


def test_calls_of_any_size_give_the_same(sim):
    whole = sim.present(EVENTS, LABELS)
    parts, done = make(), []
    for k in range(SAMPLES):
        outs = parts.present(EVENTS, LABELS, order=[k], on_block=lambda now, of: done.append((now, of)))
        np.testing.assert_array_equal(outs["counts"]["h"][0], whole["counts"]["h"][k])
    assert parts.digest() == sim.digest()
    assert done == [(1, 1)] * SAMPLES


def test_evaluate_changes_nothing_and_threads_do_not_matter(sim):
    sim.present(EVENTS, LABELS)
    before = sim.digest()
    one, counted = sim.evaluate(EVENTS)
    two, counted_by_two = sim.evaluate(EVENTS, threads=2)
    assert_same(one, two)
    assert sim.digest() == before
    for name in counted:
        np.testing.assert_array_equal(counted[name], counted_by_two[name])
    assert counted["l1_stat"][1] + counted["l1_stat"][2] == SAMPLES * STEPS * 4  # updates of 4 neurons
    state = {name: array.copy() for name, array in sim.state.items()}
    assert_same(one, reference_present(sim.plan, state, EVENTS, None, learn=False))


def test_evaluation_of_one_sample_is_independent_of_the_others(sim):
    whole, _ = sim.evaluate(EVENTS)
    some, _ = sim.evaluate(EVENTS, order=[5, 2])
    np.testing.assert_array_equal(some["potentials"]["h.readout"], whole["potentials"]["h.readout"][[5, 2]])


# ---------------------------------------------------------------- looking inside


def test_probes_are_the_states_of_every_step(sim):
    state = make_state(sim.plan)
    sim.probe("h.v", "h.v_compared", "h.spikes", "in->h.a", "in->h.w", "h.third_factor")
    sim.run(DENSE[0], labels=[1])
    lsb = float(sim.plan.layers[1].v_fmt.lsb)
    for t in range(STEPS):
        reference_steps(sim.plan, state, EVENTS.slice(0, 1), start=t, stop=t + 1, labels=LABELS[1:2])
        np.testing.assert_array_equal(sim.probes["h.v"][t], state["l1_v"][0] * lsb)
        np.testing.assert_array_equal(sim.probes["h.v_compared"][t], state["l1_vc"][0] * lsb)
        np.testing.assert_array_equal(sim.probes["h.spikes"][t], state["l1_fired"][0])
        np.testing.assert_array_equal(sim.probes["h.third_factor"][t], state["l1_m"][0] / 128)
        np.testing.assert_array_equal(sim.probes["in->h.a"][t], state["c0_r_a"][0] / 16)
        np.testing.assert_array_equal(sim.probes["in->h.w"][t], state["c0_w"] / 128)
    assert len(sim.probes["h.v"]) == STEPS
    assert sim.digest() == digest(state)


def test_a_probe_changes_nothing(sim):
    watched = make()
    watched.probe("h.v")
    assert watched.run(DENSE[0]).digest() == sim.run(DENSE[0]).digest()


def test_read_gives_raw_integers_on_request(sim):
    sim.run(DENSE[0])
    assert sim.read("in->h.w", raw=True).dtype == np.int8
    np.testing.assert_array_equal(sim.weights("in->h"), sim.read("in->h.w", raw=True) / 128)
    np.testing.assert_array_equal(sim.read("h.threshold"), [0.25] * 4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("h.vv", "no 'vv' in 'h'.*did you mean 'v'"),
        ("h.spike", "did you mean 'spikes'"),
        ("h.u", "no 'u' in 'h'"),  # no current state
        ("in->h.psy", "no 'psy' in 'in->h'.*did you mean 'psi'"),
        ("in->h.d", "no 'd' in 'in->h'"),  # a temp
        ("in->hh.w", "nothing is named 'in->hh'.*did you mean 'in->h'"),
        ("h", "nothing is named ''"),
    ],
)
def test_probe_names_that_do_not_exist(sim, name, message):
    with pytest.raises(SettingError, match=message):
        sim.probe(name)


# ---------------------------------------------------------------- stop and go on


def test_a_snapshot_in_the_middle_goes_on_bit_for_bit():
    """In the middle of a sample too: the next update instant is the one it would have been."""
    sim = make(update="every:5")
    sim.present(EVENTS, LABELS, order=[0, 1, 2])
    sim.run(DENSE[3][:3], labels=[0])
    kept = sim.snapshot()
    sim.run(DENSE[4], labels=[2]).present(EVENTS, LABELS, order=[4, 5])
    other = make(update="every:5")
    other.restore(kept)
    other.run(DENSE[4], labels=[2]).present(EVENTS, LABELS, order=[4, 5])
    assert other.digest() == sim.digest()


def test_a_snapshot_is_a_copy(sim):
    kept = sim.snapshot()
    before = sim.digest()
    sim.present(EVENTS, LABELS)
    assert sim.digest() != before
    sim.restore(kept)
    assert sim.digest() == before
    sim.present(EVENTS, LABELS)
    sim.restore(kept)  # a second time: restoring does not hand the arrays out
    assert sim.digest() == before


def test_a_snapshot_of_another_network_is_refused(sim):
    kept = sim.snapshot()
    with pytest.raises(DataError, match="another network"):
        sim.restore({name: array for name, array in kept.items() if name != "c0_w"})
    with pytest.raises(DataError, match="c0_w"):
        sim.restore(kept | {"c0_w": np.zeros((2, 2), np.int8)})


def test_reset_begins_again(sim):
    before = sim.digest()
    sim.probe("h.v")
    sim.run(DENSE[0]).reset()
    assert sim.digest() == before
    assert sim.probes == {"h.v": []}


def test_the_seed_decides(sim):
    assert make().digest() == sim.digest()
    assert Simulator(network(), load_chip("ideal"), seed=4).digest() != sim.digest()


# ---------------------------------------------------------------- twin, activity, report


def test_the_twin_starts_equal(sim):
    sim.present(EVENTS, LABELS, order=[0])
    twin = twin_of(sim)
    for name in ("h.v", "h.threshold", "in->h.w", "in->h.a"):
        np.testing.assert_array_equal(twin.read(name), sim.read(name))
    before = sim.digest()
    outs = twin.present(EVENTS, LABELS)
    assert outs["potentials"]["h.readout"].dtype == np.float64
    assert sim.digest() == before


def test_surrogate_shares_run_on_a_copy(sim):
    sim.present(EVENTS, LABELS)  # weights that have learned, membranes that are not at rest
    sim.probe("h.v")
    before = sim.digest()
    shares = surrogate_shares(sim, EVENTS, samples=2)
    assert sim.digest() == before
    assert sim.probes == {"h.v": []}
    seen = []
    for k in range(2):
        state = {name: array.copy() for name, array in sim.state.items()}
        reset(sim.plan, state, True)
        for t in range(STEPS):
            reference_steps(sim.plan, state, EVENTS.slice(k, k + 1), start=t, stop=t + 1)
            seen.append(np.mean(state["c0_r_psi"] != 0))
    assert shares == {"h": pytest.approx(np.mean(seen))}
    assert 0 < shares["h"] < 1


def test_counters_and_report_of_a_run(sim):
    sim.present(EVENTS, LABELS)
    counted = sim.counters()
    assert counted["layers"]["in"]["spikes"] == DENSE.sum()
    assert counted["connections"]["in->h"]["synaptic_events"] == 4 * DENSE.sum()
    assert "Operations" in sim.report() and "decolle" in sim.report()


# ---------------------------------------------------------------- update, rewards


@pytest.mark.parametrize(
    ("update", "instants"),
    [
        ("step", 2 * STEPS),
        ("every:5", 2 * 2),
        ("end", 2),
        (Update.parse("every:5", burn_in=4), 2 * 1),
    ],
)
def test_update_instants(update, instants):
    """Every instant adds one addition per class and one per product; idle circuits add nothing."""
    sim = make(update=update)
    state = make_state(sim.plan)
    reference_present(sim.plan, state, EVENTS, LABELS, samples=[0, 1])
    sim.present(EVENTS, LABELS, order=[0, 1])
    counted = sim.counters()["circuits"]["h"]
    assert counted["additions"] - counted["multiplications"] == 3 * instants
    assert sim.digest() == digest(state)


@pytest.mark.parametrize("update", ["ends", "every:0", "every:x", "every"])
def test_updates_that_do_not_exist(update):
    with pytest.raises(SettingError, match="use step, end, every:K"):
        make(update=update)


def test_rewards_reach_the_rule():
    net = Network()
    net.source("in", 5)
    net.lif("h", 4, tau_v_ms=10, threshold=0.25)
    net.connect("in", "h", rule="r_stdp")
    net.reward("h")
    sim = Simulator(net, load_chip("ideal"), seed=3)
    rewards = np.zeros(STEPS)
    rewards[[3, 8]] = 1.0, -0.5
    state = make_state(sim.plan)
    raw = np.zeros((1, STEPS), np.int64)
    raw[0, [3, 8]] = 16, -8
    reference_steps(sim.plan, state, EVENTS.slice(0, 1), start=0, stop=STEPS, rewards=raw)
    sim.run(DENSE[0], rewards=rewards)
    assert sim.digest() == digest(state)
    assert sim.counters()["circuits"]["h"]["messages"] == 2
    untouched = sim.weights("in->h")
    sim.run(DENSE[1])  # tags, but no reward
    np.testing.assert_array_equal(sim.weights("in->h"), untouched)


def test_rewards_without_a_circuit(sim):
    with pytest.raises(DataError, match="without a reward circuit"):
        sim.run(DENSE[0], rewards=np.ones(STEPS))


# ---------------------------------------------------------------- delays, sparse, contexts


def one_spike(n: int, steps: int) -> np.ndarray:
    """Axon 0 of n spikes in the first step."""
    dense = np.zeros((steps, n), np.int8)
    dense[0, 0] = 1
    return dense


def arrivals(sim: Simulator, steps: int = 8) -> list[tuple[int, int]]:
    """(step, neuron) of every first potential other than 0, membranes without leak."""
    sim.probe("out.v")
    sim.run(one_spike(sim.plan.layers[0].size, steps))
    v = np.array(sim.probes["out.v"])
    before = np.vstack([np.zeros_like(v[:1]), v[:-1]])
    return [(int(t) + 1, int(i)) for t, i in np.argwhere(v != before)]


def passive(size: int, n: int = 2, **options) -> Network:
    net = Network()
    net.source("in", n)
    net.integrator("out", size, tau_v_ms=float("inf"))
    net.connect("in", "out", **options)
    return net


@pytest.mark.parametrize(
    ("chip", "delay", "step"), [("ideal", 0, 1), ("ideal", 3, 4), ("loihi2", 0, 2), ("loihi2", 3, 4)]
)
def test_a_spike_arrives_after_its_delay(chip, delay, step):
    """loihi2 raises 0 to 1: a spike of step 1 is integrated in step 2, with delay 3 in step 4."""
    net = passive(1, weights=np.full((2, 1), 0.5), delay=delay)
    assert arrivals(Simulator(net, load_chip(chip))) == [(step, 0)]


def test_every_synapse_has_its_own_delay():
    delays = np.array([[0, 2, 5], [1, 1, 1]], np.uint8)
    net = passive(3, weights=np.full((2, 3), 0.5), delays=delays)
    assert arrivals(Simulator(net, load_chip("ideal"))) == [(1, 0), (3, 1), (6, 2)]


def test_a_sparse_connection_equals_its_dense_one():
    dense = np.array([[0.5, 0, 0.25], [0, -0.5, 0]])
    sparse = (np.array([0, 2, 3]), np.array([0, 2, 1]))
    events = (np.random.default_rng(1).random((10, 2)) < 0.5).astype(np.int8)
    one = Simulator(passive(3, weights=dense), load_chip("ideal")).run(events)
    other = Simulator(passive(3, sparse=sparse, weights=dense[dense != 0]), load_chip("ideal")).run(events)
    np.testing.assert_array_equal(one.read("out.v"), other.read("out.v"))
    assert one.counters()["connections"]["in->out"]["synaptic_events"] == 3 * events.sum()
    counted = other.counters()["connections"]["in->out"]
    assert counted["synaptic_events"] == (events @ [2, 1]).sum()


def test_contexts_learn_side_by_side():
    sim = make(contexts=2)
    state = make_state(sim.plan)
    wanted = reference_present(sim.plan, state, EVENTS, LABELS)
    assert_same(sim.present(EVENTS, LABELS), wanted)
    assert sim.digest() == digest(state)
    assert sim.state["step"][0] == SAMPLES // 2 * STEPS
    assert sim.read("h.v").shape == (2, 4)
    with pytest.raises(SettingError, match="3 samples in 2 contexts"):
        sim.present(EVENTS, LABELS, order=[0, 1, 2])
    with pytest.raises(DataError, match="6 samples for 2 contexts"):
        sim.run(EVENTS)
    alone, _ = make().evaluate(EVENTS)
    fresh, _ = make(contexts=2).evaluate(EVENTS, order=range(5))  # a remainder is fine here
    np.testing.assert_array_equal(fresh["counts"]["h"], alone["counts"]["h"][:5])


# ---------------------------------------------------------------- strict, parameters, bad input

TINY = """rule tiny
syn w : weight
on_pre:
    w += 0.25
"""


def test_strict_stops_at_the_first_loss():
    net = Network()
    net.source("in", 2)
    net.lif("h", 2)
    net.connect("in", "h", rule="tiny")
    rules = {"tiny": parse_rule(TINY, "tiny.rule")}
    lenient = Simulator(net, load_chip("ideal"), rules)
    lenient.run(np.ones((20, 2), np.int8))
    assert lenient.counters()["lines"]["in->h"][0]["saturated"] > 0
    with pytest.raises(StrictError, match="writes of `w \\+= 0.25` saturated") as caught:
        Simulator(net, load_chip("ideal"), rules, strict=True).run(np.ones((20, 2), np.int8))
    assert "line 4" in str(caught.value) and caught.value.remedy


def test_parameters_change_between_samples(sim):
    sim.set_param("in->h", "rate", 16)
    assert sim.state["c0_params"].tolist() == [16]
    state = make_state(sim.plan)
    state["c0_params"][:] = 16
    reference_present(sim.plan, state, EVENTS, LABELS)
    sim.present(EVENTS, LABELS)
    assert sim.digest() == digest(state)
    with pytest.raises(SettingError, match=r"rate = 17; its range is 0\.\.16"):
        sim.set_param("in->h", "rate", 17)
    with pytest.raises(SettingError, match="no parameter 'rat'"):
        sim.set_param("in->h", "rat", 1)


def test_events_that_do_not_fit(sim):
    with pytest.raises(DataError, match="events of 4 axons for 5 neurons"):
        sim.run(DENSE[0][:, :4])
    with pytest.raises(DataError, match="the network has \\['in'\\]"):
        sim.run({"inn": EVENTS.slice(0, 1)})
    with pytest.raises(DataError, match="2 samples for 1 contexts"):
        sim.run(EVENTS.slice(0, 2))
    with pytest.raises(DataError, match="labels of shape"):
        sim.present(EVENTS, LABELS[:2])


def test_misspelt_names_come_with_the_near_one():
    with pytest.raises(NetworkError, match="did you mean 'threshold'"):
        Network().lif("h", 2, treshold=1)
    with pytest.raises(SettingError, match="did you mean 'decolle'"):
        Simulator(network("decole"), load_chip("ideal"), {"decolle": load_rule("decolle")})
    with pytest.raises(NetworkError, match="needs a third factor"):
        net = Network()
        net.source("in", 2)
        net.lif("h", 2)
        net.connect("in", "h", rule="decolle")
        Simulator(net, load_chip("ideal"))
