"""The ledger: counts against a count by hand, memory in declared bits, the summary's contract."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import LimitError, SettingError
from chipsim.ledger import (
    activity,
    check_memory,
    counters,
    event_counts,
    memory_items,
    memory_needed,
    summary,
)
from chipsim.ledger import memory as ledger_memory
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.reference import reference_present
from chipsim.report import memory_ledger, text_report
from chipsim.state import make_state

RULE = """rule counted
in v from neuron.v
const k : u4.4 = 0.75
table near(v) : u2.1 = steps(-1.0: 0.5, 0: 1)
pre  x   : u7.4  round=stochastic
post y   : u4.0
post psi : u2.1
syn  w   : weight
syn  t   : s9.4
temp e per pre : s12.8

on_step:
    x = x * k
on_pre:
    x += 1
on_membrane:
    psi = near(v)
on_post:
    y += 1
    e  = x * k
    w += e >> 4   when x
    t += x
"""
# Two axons, two neurons, no leak, threshold 1, 4 steps. Axon 0 spikes in steps 2 and 3.
#   step 1   nothing: both neurons at rest
#   step 2   v = 0.5, 0.25
#   step 3   v = 1.0 (fires, soft reset: 0), 0.5
#   step 4   no input; neuron 0 at rest, neuron 1 at 0.5
EVENTS = Events.from_dense(np.array([[[0, 0], [1, 0], [1, 0], [0, 0]]]))
LABELS = np.array([0])


def network(**options) -> Network:
    net = Network()
    net.source("in", 2)
    net.lif("out", 2, tau_v_ms=math.inf, threshold=1.0, **options)
    net.connect("in", "out", rule="counted", weights=np.array([[0.5, 0.25], [0.5, 0.25]]))
    net.readout("out", 2)
    return net


def planned(net: Network, chip: str = "ideal", **options):
    rules = {"counted": parse_rule(RULE, "counted.rule")}
    made = plan(net, load_chip(chip), rules, seed=5, **options)
    state = make_state(made)
    for c in made.connections:
        if c.purpose == "error":
            state[f"c{c.index}_w"][:] = [[64, -64], [64, -64]]
    return made, state


@pytest.fixture(scope="module")
def ran():
    made, state = planned(network(homeostasis=(0.125, 1.0)))
    outs = reference_present(made, state, EVENTS, LABELS)
    return made, state, outs


def test_events_equal_a_count_by_hand(ran):
    made, state, _ = ran
    assert event_counts(made, state) == {
        "out": {
            "inference": {
                "synaptic_event": 4,  # 2 spikes x 2 neurons
                "axon_event": 2,
                "spike": 1,
                "neuron_update_active": 5,  # both in steps 2 and 3, neuron 1 in step 4
                "neuron_update_inactive": 3,
            },
            "learning": {
                "weight_update": 1,  # the synapse of the axon whose trace is not 0
                # on_step 2 axons x 4, on_pre 2, psi 2 neurons x 4, y 1; homeostasis 2
                "trace_update": 8 + 2 + 8 + 1 + 2,
                "tag_update": 2,
                "random_draw": 8,  # the decay only: the other lines drop no bit or truncate
                "table_lookup": 8,
                "micro_op": 8 + 2 + 8 + 1 + 2 + 1 + 2 + 2,  # and the temp e of 2 axons
            },
            "error": {  # 2 classes, 4 steps, both errors not 0 in each
                "random_draw": 8,
                "error_message": 8,
                "circuit_add": 4 * 2 + 16,
                "circuit_multiply": 16,
                "circuit_divide": 8,
                "table_lookup": 8,
            },
        },
        "out.readout": {
            "inference": {},
            "learning": {},
            "error": {
                "synaptic_event": 2,
                "axon_event": 1,
                "neuron_update_active": 4,  # steps 3 and 4
                "neuron_update_inactive": 4,
            },
        },
    }


def test_counters_are_json_and_name_every_line(ran):
    made, state, _ = ran
    counted = counters(made, state)
    assert json.loads(json.dumps(counted)) == counted
    rows = counted["lines"]["in->out"]
    assert [row["text"] for row in rows] == [
        " ".join(x.text.split()) for x in made.connections[0].program.lines
    ]
    line = next(row for row in rows if row["text"].startswith("w += e"))
    assert (line["section"], line["target"]) == ("on_post", "w")
    assert RULE.splitlines()[line["line"] - 1].split() == line["text"].split()
    assert (line["done"], line["skipped"]) == (1, 1)
    assert counted["weights"]["in->out"]["evaluated"] == 1
    assert counted["weights"]["in->out"]["changed"] == 1
    assert counted["layers"]["in"]["spikes"] == 2
    assert counted["circuits"]["out"]["messages"] == 8
    assert counted["connections"]["out->out.readout"] == {
        "axon_events": 1,
        "synaptic_events": 2,
        "multiplications": 0,
    }


def test_a_graded_event_is_not_counted_twice():
    net = Network()
    net.source("in", 2, payload_bits=8)
    net.lif("out", 2)
    net.connect("in", "out")
    made, state = planned(net)
    reference_present(made, state, Events.from_dense(np.array([[[7, 0], [3, 9]]]), graded=True), None)
    events = event_counts(made, state)["out"]["inference"]
    assert events["synaptic_event_graded"] == 6
    assert "synaptic_event" not in events


def test_an_evaluation_learns_nothing(ran):
    made, state = planned(network())
    reference_present(made, state, EVENTS, LABELS, learn=False)
    events = event_counts(made, state)
    assert events["out"]["learning"] == {}
    assert events["out"]["error"] == {}
    assert events["out"]["inference"]["synaptic_event"] == 4
    assert events["out.readout"]["error"]["synaptic_event"] == 2


# ---------------------------------------------------------------- memory


def test_memory_in_declared_bits():
    made, _ = planned(network(tau_u_ms=5, refractory=5, homeostasis=(0.125, 1.0)))
    found = {(i["purpose"], i["what"]): (i["count"], i["bits_each"]) for i in memory_items(made)}
    assert found == {
        ("weights", "in->out weights"): (4, 8),
        ("traces", "in->out x"): (2, 7),
        ("traces", "in->out y"): (2, 4),
        ("traces", "in->out psi"): (2, 2),
        ("tags", "in->out t"): (4, 9),
        ("tables", "in->out near values"): (3, 2),
        ("tables", "in->out near breakpoints"): (2, 30),
        ("readout and feedback matrices", "out->out.readout weights"): (4, 8),
        ("neuron state", "out v"): (2, 30),
        ("neuron state", "out u"): (2, 30),
        ("neuron state", "out refractory"): (2, 3),
        ("neuron state", "out third factor"): (2, 8),
        ("neuron state", "out.readout v"): (2, 30),
        ("thresholds", "out"): (2, 30),
        ("tables", "exponentials of the softmax error"): (256, 16),
    }
    assert memory_ledger(memory_items(made))["total_bits"] == sum(n * bits for n, bits in found.values())


def test_contexts_multiply_their_state_but_not_the_weights():
    before = {i["what"]: i["count"] for i in memory_items(planned(network())[0])}
    after = {i["what"]: i["count"] for i in memory_items(planned(network(), contexts=4)[0])}
    for what in ("in->out x", "in->out psi", "out v", "out third factor"):
        assert after[what] == 4 * before[what]
    for what in ("in->out weights", "in->out t", "in->out near values"):
        assert after[what] == before[what]


def test_sparse_indices_and_delays_have_their_own_items():
    net = Network()
    net.source("in", 3)
    net.lif("out", 5)
    sparse = (np.array([0, 2, 2, 3]), np.array([1, 4, 0]))
    net.connect("in", "out", sparse=sparse, delays=np.array([0, 3, 4], np.uint8))
    net.connect("out", "out", name="again", delay=3)
    made, _ = planned(net)
    found = {i["what"]: (i["count"], i["bits_each"]) for i in memory_items(made)}
    assert found["in->out weights"] == (3, 8)
    assert found["in->out targets"] == (3, 3)  # 5 neurons: 3 bits
    assert found["in->out delays"] == (3, 3)
    assert found["out accumulator"] == (5 * 5, 30)  # 4 steps ahead
    assert found["out delayed spikes"] == (3 * 5, 1)


@pytest.mark.parametrize("chip", ["ideal", "loihi2"])
def test_the_estimate_is_that_of_the_state(chip):
    net = Network()
    net.source("in", 300)
    net.lif("out", 200, tau_u_ms=5, refractory=2)
    rng = np.random.default_rng(0)
    rows = rng.random((200, 200)) < 0.1
    sparse = (np.concatenate([[0], np.cumsum(rows.sum(1))]), np.nonzero(rows)[1])
    net.connect("in", "out", rule="counted")
    net.connect("out", "out", sparse=sparse)
    made = plan(net, load_chip(chip), {"counted": parse_rule(RULE, "r")}, fit="narrow", engine="lines")
    stored = sum(array.nbytes for array in make_state(made).values())
    assert stored <= memory_needed(made) - ledger_memory.MAKING * 60_000 <= 1.3 * stored + 40 * 500


def test_a_run_beyond_the_free_memory_is_refused(monkeypatch):
    made, _ = planned(network())
    monkeypatch.setattr(ledger_memory, "free_memory", lambda: 8_000_000_000)
    check_memory(made)
    with pytest.raises(LimitError, match="needs about 9000 MB.*8000 MB free.*in->out, 4 synapses") as caught:
        check_memory(made, events_bytes=9_000_000_000)
    assert caught.value.remedy
    monkeypatch.setattr(ledger_memory, "free_memory", lambda: None)  # unknown: nothing to say
    check_memory(made, events_bytes=10**15)


def test_free_memory_is_read_from_the_machine():
    free = ledger_memory.free_memory()
    assert free is None or 10**6 < free < 10**15


# ---------------------------------------------------------------- activity and summary


def test_activity_shares():
    made, _ = planned(network())
    counts = np.array([[1, 0], [3, 0]], np.int32)
    rows = activity(made, {"counts": {"out": counts}}, 4, surrogates={"out": 0.25})
    assert rows == [
        {"name": "out", "silent_share": 0.5, "spikes_per_neuron_step": 0.25, "surrogate_share": 0.25}
    ]
    empty = activity(made, {"counts": {"out": counts[:0]}}, 4)[0]
    assert (empty["silent_share"], empty["spikes_per_neuron_step"]) == (None, None)


def test_the_summary_fits_the_report(ran):
    made, state, outs = ran
    found = summary(
        made,
        load_chip("ideal"),
        state,
        accuracy={"test": 0.5},
        controls={"frozen": {"test": 0.25}},
        experiment="by hand",
        activity=activity(made, outs, 4),
        evaluation=state,
    )
    assert json.loads(json.dumps(found)) == found
    text = text_report(found)
    assert "weight_update" in text and "in->out t" in text and "by hand" in text
    assert [row["name"] for row in found["layers"]] == ["in", "out", "out.readout"]
    assert found["layers"][1]["ledger"] == event_counts(made, state)["out"]
    assert found["layers"][1]["evaluation"] == found["layers"][1]["ledger"]
    assert found["layers"][1]["activity"]["silent_share"] == 0.5
    assert found["rule"] == "counted"
    assert found["energy"]["unpriced"]["inference"]["synaptic_event"] == 4
    assert found["energy"]["unpriced"]["error"]["synaptic_event"] == 2
    names = [(row["place"], row["name"]) for row in found["writes"]]
    assert names[-5:] == [
        ("out", "input"),
        ("out", "v"),
        ("out", "class errors, third factor"),
        ("out.readout", "input"),
        ("out.readout", "v"),
    ]
    signal = found["writes"][-3]
    assert (signal["done"], signal["draws"]) == (8 + 8, 8)  # 2 errors and 2 signals in 4 steps


def test_what_is_not_given_is_left_out(ran):
    made, state, _ = ran
    found = summary(made, load_chip("ideal"), state)
    assert {"accuracy", "controls", "experiment"} & set(found) == set()
    assert found["memory_bytes"] == sum(array.nbytes for array in state.values())
    assert summary(made, load_chip("ideal"), state, memory_bytes=12)["memory_bytes"] == 12
    with pytest.raises(SettingError, match="no energy profile 'davis'"):
        summary(made, load_chip("ideal"), state, profile="davis")


def test_limited_states_are_saturated_or_wrapped_as_the_chip_does():
    made, state = planned(network(tau_u_ms=5))
    state["l1_stat"][:] = [0, 6, 2, 1, 2, 3, 0, 0]
    rows = {
        row["name"]: row
        for row in summary(made, load_chip("ideal"), state)["writes"]
        if row["place"] == "out"
    }
    assert [rows[name]["saturated"] for name in ("input", "u", "v")] == [1, 2, 3]
    assert {rows[name]["done"] for name in ("input", "u", "v")} == {8}


def test_weights_at_their_limits():
    made, state = planned(network())
    state["c0_w"][:] = [[127, -128], [127, 3]]
    assert summary(made, load_chip("ideal"), state)["weights"] == [
        {"place": "in->out", "at_min": 0.25, "at_max": 0.5}
    ]


def test_notes_have_their_places():
    net = network()
    net.connect("in", "out", name="second", rule="counted")
    rule = parse_rule(RULE.replace("= 0.75", "= 0.77"), "r")
    made = plan(net, load_chip("loihi2"), {"counted": rule}, fit="narrow", engine="lines")
    notes = summary(made, load_chip("loihi2"), make_state(made))["notes"]
    raised = [n for n in notes if "raised to the chip's minimum" in n["text"]]
    assert {n["text"] for n in raised} == {"delay 0 raised to the chip's minimum 1"}
    assert [n["place"] for n in raised] == ["in->out, out->out.readout, second"]
    folded = [n for n in notes if n["kind"] == "constant"]
    assert [n["place"] for n in folded] == ["in->out, second"]  # the same note once


def test_a_trace_that_sticks_is_a_warning():
    rule = parse_rule(RULE.replace("round=stochastic", "round=nearest"), "r")
    made = plan(network(), load_chip("ideal"), {"counted": rule})
    found = summary(made, load_chip("ideal"), make_state(made))
    assert [(n["kind"], n["place"]) for n in found["notes"] if n["line"] == 13] == [("sticking", "in->out")]
    assert "in->out, line 13" in text_report(found).split("Warnings")[1]


PRODUCTS = """rule products
pre x1 : u7.0  round=stochastic
syn w : weight  round=stochastic
syn t : s9.0  round=stochastic
on_pre:
    x1 += 16
on_products:
    w += 2^-2 * x0 * x1
    w -= 2^-4 * x0 * w
    t += 2^0 * x0 * x1
"""


def test_products_count_like_lines():
    """2 spikes x 2 synapses; two products into w, one into t; every written element draws once."""
    chip = load_chip("loihi1")
    net = Network()
    net.source("in", 2)
    net.lif("out", 2, tau_v_ms=math.inf, threshold=1.0, reset="hard")
    net.connect("in", "out", rule="products", weights=np.array([[0.5, 0.25], [0.5, 0.25]]))
    made = plan(net, chip, {"products": parse_rule(PRODUCTS, "products.rule")})
    state = make_state(made)
    reference_present(made, state, EVENTS, None)
    assert event_counts(made, state)["out"]["learning"] == {
        "weight_update": 8,
        "trace_update": 2,
        "tag_update": 4,
        "random_draw": 4 + 4,
        "micro_op": 8 + 4 + 2,
    }
    rows = counters(made, state)["lines"]["in->out"]
    assert [(row["section"], row["text"], row["done"]) for row in rows] == [
        ("on_pre", "x1 += 16", 2),
        ("on_products", "w += 2 products", 8),
        ("on_products", "t += 1 product", 4),
    ]
    found = summary(made, chip, state)
    assert [row["rounding"] for row in found["writes"][:3]] == ["stochastic"] * 3
    assert found["chip"]["engine"] == "sum_of_products"
    priced = {
        line["event"]: line["energy_J"] for line in found["energy"]["lines"] if line["purpose"] == "learning"
    }
    assert priced["weight_update"] == pytest.approx(8 * 120e-12)
    assert found["energy"]["unpriced"]["learning"]["tag_update"] == 4
    assert "w += 2 products" in text_report(found)


def test_a_foreign_engine_is_labelled():
    chip = load_chip("loihi1")
    text = "rule products\nsyn w : weight  round=stochastic\non_pre:\n    w += 0.25\n"
    net = Network()
    net.source("in", 2)
    net.lif("out", 2, reset="hard")
    net.connect("in", "out", rule="products")
    made = plan(net, chip, {"products": parse_rule(text, "r")}, engine="lines")
    engine = summary(made, chip, make_state(made))["chip"]["engine"]
    assert engine == "lines (not executable on this engine)"
