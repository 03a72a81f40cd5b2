"""Circuits of phase 7, computed by hand: errors, triggers, feedback, transport, contrast; refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.circuits import ERRORS
from chipsim.compile.run import class_labels, label_array
from chipsim.data.events import Events
from chipsim.errors import ChipsimError, DataError, NetworkError, SettingError
from chipsim.ledger.counts import counters, event_counts
from chipsim.ledger.memory import memory_items
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import NO_TARGET, Plan, Update, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.state import make_state

INF = math.inf
ONE = 1 << 15  # 1.0 of a membrane: 7 bits of an 8-bit weight, 8 guard bits
TELL = "rule tell\nin m from third_factor\npost d : s8.7 publish\npost q : s8.7\n" + (
    "syn w : weight\non_third_factor:\n    d = m\n    q = m\n    w -= d\n"
)
TRACE = "rule trace\npre x : u8.4\npost eps : u8.4\non_pre:\n    x += 1\non_post:\n    eps += 1\n"
RULES = {name: parse_rule(text, f"{name}.rule") for name, text in (("tell", TELL), ("trace", TRACE))}


def bound(net: Network, update: str = "step", **options: object) -> Plan:
    return plan(net, load_chip("ideal"), RULES, seed=1, update=Update.parse(update), **options)


def step(made: Plan, state: dict, labels: object, steps: int = 1) -> dict:
    """Run steps without a single spike from outside."""
    quiet = {
        x.name: Events.from_dense(np.zeros((made.contexts, steps, x.size), np.int8))
        for x in made.layers
        if x.kind == "source"
    }
    reference_steps(made, state, quiet, start=0, stop=steps, labels=np.array(labels))
    return state


def judged(error: str, v: list[float], label: int, kind: str = "integrator", **options: object) -> dict:
    """One layer with its own error; membranes as given, none of them leaks."""
    net = Network()
    net.source("in", 1)
    make = net.lif if kind == "lif" else net.integrator
    make("out", len(v), tau_v_ms=INF, **({"threshold": 2.0} if kind == "lif" else {}))
    net.connect("in", "out", weights=np.zeros((1, len(v))))
    net.error("out", error=error, logit_scale=1.0, **options)
    made = bound(net)
    state = make_state(made)
    state["l1_v"][0] = [round(x * ONE) for x in v]
    return step(made, state, [label])


def stats(state: dict, k: int = 0) -> dict[str, int]:
    """Counters other than 0."""
    names = ("messages", "additions", "multiplications", "divisions", "lookups", "draws", "limited")
    names += ("triggered", "roots", "copied")
    return {n: int(x) for n, x in zip(names, state[f"k{k}_stat"], strict=True) if x}


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("error", "v", "label", "wanted"),
    [
        # 32 raw units are 1.0
        ("mse", (0.5, -1.0, 3.0), 0, [-16, -32, 96]),
        ("mse", (0.5, -5.0, 9.0), 0, [-16, -128, 127]),
        # softmax(0, 0, -20) = 1/2, 1/2, 0
        ("softmax", (0.0, 0.0, -20.0), 0, [-64, 64, 0]),
        ("sign", (0.0, 0.0, -20.0), 0, [-64, 64, 0]),
        ("sign", (0.0, 0.0, -20.0), 2, [64, 64, -64]),
        # within 1.0 of the label's potential
        ("ternary", (1.0, 0.5, -0.5), 0, [-64, 64, 0]),
        ("ternary", (1.0, 0.0, -0.5), 0, [0, 0, 0]),
        ("ternary", (1.0, 0.0, -0.5), 2, [64, 64, -64]),
        # y + 0.5, cut to 0..1
        ("hard_sigmoid", (0.25, -2.0, 2.0), 1, [96, -128, 127]),
        ("hard_sigmoid", (0.25, -2.0, 2.0), 2, [96, 0, 0]),
        ("smooth_l1", (0.5, -1.5, 1.0), 0, [-64, -128, 127]),
        # the label is the target in 1/32: -1 is one, and NO_TARGET none
        ("regression", (0.5, -1.0, 3.0), 8, [8, -40, 88]),
        ("regression", (0.5, -1.0, 3.0), -1, [17, -31, 97]),
    ],
)
def test_errors_of_an_integrator(error, v, label, wanted):
    state = judged(error, v, label)
    assert state["k0_err"].tolist() == state["l1_m"].tolist() == [wanted]


@pytest.mark.parametrize("error", [e for e in ERRORS if e != "spike"])
def test_no_target_no_error(error):
    state = judged(error, (0.5, -1.0, 3.0), NO_TARGET)
    assert not state["k0_err"].any() and stats(state) == {}
    if error != "regression":
        assert not judged(error, (0.5, -1.0, 3.0), -1)["k0_err"].any()


def test_what_errors_cost():
    divided = {"additions": 3, "divisions": 3, "lookups": 3}
    assert stats(judged("softmax", (0.0, 0.0, -20.0), 0)) == divided
    assert stats(judged("sign", (0.0, 0.0, -20.0), 0)) == divided
    for error in ("ternary", "hard_sigmoid", "mse"):
        assert stats(judged(error, (0.2, 0.1, 0.0), 0)) == {"additions": 3}
    assert stats(judged("mse", (0.2, 9.0, 0.0), 0)) == {"additions": 3, "limited": 1}


def test_a_spiking_layer_is_judged_by_its_whole_charge():
    """Threshold 2: v = 2.5 fires and keeps 0.5, so that its charge is 2.5 as an integrator's."""
    state = judged("mse", (2.5, 0.25, -1.0), 1, kind="lif")
    assert state["l1_v"].tolist() == [[ONE // 2, ONE // 4, -ONE]]
    assert state["k0_err"].tolist() == [[80, 8 - 32, -32]]
    assert stats(state) == {"additions": 6, "multiplications": 3}


def test_spike_errors():
    state = judged("spike", (2.5, 2.25, -1.0), 1, kind="lif")
    assert state["k0_err"].tolist() == [[64, 0, 0]]
    assert judged("spike", (2.5, 0.0, 0.0), 2, kind="lif")["k0_err"].tolist() == [[64, 0, -64]]


def test_the_trigger_keeps_a_share_of_the_errors():
    """Start 0.25 (32 raw): of errors -16, -32, 96 two are left; rate 0.25 adds 2 * 192 - 64."""
    state = judged("mse", (0.5, -1.0, 3.0), 0, trigger=(0.25, 0.25))
    assert state["k0_err"].tolist() == [[0, -32, 96]]
    assert state["k0_thr"].tolist() == [32 * 256 + 2 * 192 - 64]
    assert stats(state) == {"additions": 6, "triggered": 2}
    assert judged("mse", (0.5, -1.0, 3.0), -1, trigger=(0.25, 0.25))["k0_thr"].tolist() == [32 * 256]


def test_an_update_by_errors_gives_every_error_a_trigger():
    assert Update.parse("error:0.05", 3) == Update("error", 1, 3, 0.05)
    net = Network()
    net.source("in", 2)
    net.lif("h", 2)
    net.connect("in", "h", rule="tell")
    net.readout("h", 3)
    made = bound(net, "error:0.25")
    assert (made.circuits[0].trigger.up, made.circuits[0].trigger.down) == (192, 64)
    assert make_state(made)["k0_thr"].tolist() == [32 * 256]
    assert "k0_thr" not in make_state(bound(net))
    for text in ("error", "error:", "error:0", "error:1", "error:x"):
        with pytest.raises(SettingError, match="error:RATE"):
            Update.parse(text)


def test_a_trigger_settles_at_its_rate():
    net = Network()
    net.source("in", 1)
    net.integrator("out", 8, tau_v_ms=INF)
    net.connect("in", "out", weights=np.zeros((1, 8)))
    net.error("out", error="mse", logit_scale=1.0, trigger=(0.125, 0.5))
    made = bound(net)
    state = make_state(made)
    state["l1_v"][0] = [round(x * ONE) for x in np.linspace(-0.9, 0.9, 8)]
    step(made, state, [2], 500)
    before = stats(state)["triggered"]
    step(made, state, [2], 500)
    assert (stats(state)["triggered"] - before) / 4000 == pytest.approx(0.125, rel=0.1)


def test_a_label_for_each_step():
    net = Network()
    net.source("in", 1)
    net.integrator("out", 2, tau_v_ms=INF)
    net.connect("in", "out", weights=np.zeros((1, 2)))
    net.error("out", error="mse")
    made = bound(net)
    for stop, wanted in ((1, [-32, 0]), (2, [0, -32]), (3, [0, 0])):
        state = make_state(made)
        events = Events.from_dense(np.zeros((1, 3, 1), np.int8))
        reference_steps(made, state, events, start=0, stop=stop, labels=np.array([[0, 1, -1]]))
        assert state["k0_err"].tolist() == [wanted]


# ---------------------------------------------------------------- the way back


def above(register: str = "d", rule: str = "tell", **options: object) -> tuple[Plan, dict]:
    """in -> h -> out; the output's error of (-64, 64, 0) goes back to h."""
    net = Network()
    net.source("in", 1)
    net.lif("h", 2, threshold=50.0)
    net.integrator("out", 3, tau_v_ms=INF)
    net.connect("in", "h", weights=np.zeros((1, 2)), rule="tell")
    net.connect("h", "out", weights=np.zeros((2, 3)), rule=rule)
    net.error("out", error="sign", logit_scale=1.0)
    if register:
        net.transport("h", "h->out", register=register, **options)
    else:
        net.broadcast("h", of="out", **options)
    made = bound(net)
    state = make_state(made)
    state["l2_v"][0] = [0, 0, -20 * ONE]
    return made, state


def test_broadcast_of_signs_is_additions():
    made, state = above(register="")
    assert made.connections[2].name == "h<-out" and made.connections[2].purpose == "feedback"
    assert made.layers[2].incoming == (1,)  # nothing is delivered
    state["c2_w"][:] = [[100, 20, 7], [-128, 126, 7]]
    step(made, state, [0])
    # -64 * 100 + 64 * 20 = -40 * 128, 64 * (128 + 126) = 127 * 128
    assert state["l1_m"].tolist() == [[-40, 127]]
    assert stats(state, 1) == {"messages": 2, "additions": 4, "draws": 2}


def test_broadcast_of_graded_errors_multiplies():
    net = Network()
    net.source("in", 1)
    net.lif("h", 2, threshold=50.0)
    net.connect("in", "h", weights=np.zeros((1, 2)), rule="tell")
    net.readout("h", 3)
    net.lif("g", 2)
    net.circuits.clear()
    net.error("h.readout")
    net.broadcast("h", of="h.readout", signal_shift=1)
    made = bound(net)
    state = make_state(made)
    state["l2_v"][0] = [0, 0, -20 * ONE]
    state["c2_w"][:] = [[100, 20, 7], [-128, 124, 7]]
    step(made, state, [0])
    assert state["l1_m"].tolist() == [[-20, 63]]
    assert stats(state, 1) == {"messages": 2, "additions": 4, "multiplications": 4, "draws": 2}


def test_transport_through_the_weights():
    """out learns in phase 8, so h sees the weights from before; d = m is published in phase 7."""
    made, state = above()
    state["c1_w"][:] = [[100, 20, 7], [-128, 126, 7]]
    step(made, state, [0])
    assert state["c1_r_d"].tolist() == [[-64, 64, 0]]
    assert state["l1_m"].tolist() == [[-40, 127]]
    assert state["c1_w"].tolist() != [[100, 20, 7], [-128, 126, 7]]
    assert stats(state, 1) == {"messages": 2, "additions": 4, "multiplications": 4, "draws": 2}


def test_transport_of_a_third_factor_with_a_left_shift():
    made, state = above("third_factor", signal_shift=-7)  # nothing is dropped, nothing drawn
    state["c1_w"][:] = [[1, 0, 7], [1, 2, 7]]
    step(made, state, [0])
    assert state["l1_m"].tolist() == [[-64, 64]]
    assert stats(state, 1) == {"messages": 2, "additions": 4, "multiplications": 4}


def test_a_stored_copy_is_refreshed_every_k_updates():
    made, state = above(copy_every=2)
    state["c1_w"][:] = [[100, 20, 7], [-128, 126, 7]]
    step(made, state, [0])  # instant 1 refreshes: all 6 words differ from the drawn ones
    assert state["l1_m"].tolist() == [[-40, 127]] and state["k1_age"].tolist() == [1]
    assert stats(state, 1)["copied"] == 6 and stats(state, 1)["messages"] == 6 + 2
    state["c1_w"][:] = 0
    step(made, state, [0])
    assert state["l1_m"].tolist() == [[-40, 127]] and state["k1_age"].tolist() == [0]
    state["c1_w"][:] = 0
    step(made, state, [0])
    assert state["l1_m"].tolist() == [[0, 0]] and stats(state, 1)["copied"] == 12


# ---------------------------------------------------------------- contrast


def paths(targets: int, geometry: object = None, **options: object) -> tuple[Plan, dict]:
    net = Network()
    net.source("in", 2)
    net.lif("h", 2, threshold=50.0)
    net.connect("in", "h", weights=np.zeros((2, 2)), rule="trace")
    net.contrast("h", "in->h", inputs=2, targets=targets, geometry=geometry, **options)
    made = bound(net, contexts=2 + targets)
    return made, make_state(made)


def test_contrast_of_classes():
    """eps 1, 2 raw 16, 32: the sample's register is the first target's, the second target is silent."""
    made, state = paths(2)
    assert made.circuits[0].shift == 4  # z has 8 fraction bits, logits 4
    state["c0_r_eps"][:] = [[16, 32], [16, 32], [16, 32], [0, 0]]
    step(made, state, [1, -1, -1, -1])
    assert state["k0_z"].tolist() == [[256 + 1024, 0], [0, 0]]
    assert state["k0_y"].tolist() == [[0, 128], [0, 0]]
    # softmax(5, 0) = 0.9933, 127 of 128; a sample without label has no error
    assert state["k0_G"].tolist() == [[127, -127], [0, 0]]
    # m = G * eps: 127 * 16 = 2032 and 127 * 32 = 4064, 4 bits dropped, limited
    assert state["l1_m"].tolist() == [[127, 127], [0, 0], [127, 127], [-127, -128]]
    assert stats(state) == {
        "messages": 2,
        "additions": 2 * 2 + 2 + 2 * 2 + 2 + 2,
        "multiplications": 2 * 2 + 2 * 2 + 2 + 2,
        "divisions": 2,
        "lookups": 2,
        "draws": 6,
        "limited": 3,
    }


def test_contrast_by_the_distance_of_the_targets():
    made, state = paths(2, ("in->h", "x"), logit_scale_d=4.0, signal_shift=3)
    k = made.circuits[0]
    assert (k.shift, k.shift_d, k.drop) == (4, 0, 7)
    state["c0_r_x"][:] = [[0, 0], [0, 0], [3, 4], [0, 0]]  # the targets are 5 apart: softmax(0, -5/16)
    near = math.exp(-5 / 16)
    y = [round(128 / (1 + near)), round(128 * near / (1 + near))]
    state["c0_r_eps"][:] = [[0, 0], [16, 0], [0, 16], [0, 0]]
    step(made, state, [-1, -1, -1, -1])  # no labels needed
    assert state["k0_y"].tolist() == [y, y[::-1]]
    assert state["k0_G"].tolist() == [[64 - y[0], 64 - y[1]], [64 - y[1], 64 - y[0]]]
    assert stats(state)["roots"] == 1
    # context 2 hears the samples: G[:, 0] = (-10, 10) and eps[1] = (16, 0)
    assert state["l1_m"][2].tolist() in ([1, 0], [2, 0])  # 160 / 128
    assert state["l1_m"][1].tolist() in ([0, 1], [0, 2])  # G[1, 0] * eps of target 0


def test_roots_are_exact():
    from chipsim.compile.contrast_kernels import isqrt

    for x in [0, 1, 2, 3, 4, 15, 16, 17, 2**52 - 1, 2**52, (2**30 + 1) ** 2 - 1, (2**30 + 1) ** 2, 2**62 - 1]:
        assert isqrt(x) == math.isqrt(x)


# ---------------------------------------------------------------- what comes out, what it costs


def test_outputs_of_a_sample():
    net = Network()
    net.source("in", 1)
    net.lif("h", 1, tau_v_ms=INF, threshold=0.4)
    net.integrator("out", 2, tau_v_ms=INF)
    net.connect("in", "h", weights=np.array([[0.25]]))
    net.connect("in", "out", weights=np.array([[-0.25, 0.125]]))
    made = bound(net)
    events = Events.from_dense(np.array([[[0], [1], [1], [0]]], np.int8))
    out = reference_present(made, make_state(made), events, None, learn=False, predictions=True)
    assert out["predictions"]["out"].tolist() == [[0, 1, 1, 1]]  # equals: the lowest
    assert out["predictions"]["out"].dtype == np.int16
    assert out["counts"]["h"].tolist() == [[1]]
    charge = int(out["membranes"]["h"][0, 0]) + made.layers[1].threshold
    assert charge == ONE // 2  # what an integrator would hold


def test_labels_are_checked():
    made, _ = above()
    assert label_array(None, 2, 5).tolist() == [[NO_TARGET], [NO_TARGET]]
    assert label_array(np.ones((2, 5)), 2, 5).shape == (2, 5)
    with pytest.raises(DataError, match="one per sample and step"):
        label_array(np.ones((2, 4)), 2, 5)
    with pytest.raises(DataError, match="the classes are 0 to 2"):
        class_labels(made, np.array([0, 3]), 2, 5)


def test_the_error_pathway_is_counted_apart():
    made, state = above(copy_every=2)
    step(made, state, [0])
    events = event_counts(made, state)
    assert events["out"]["error"] == {"circuit_add": 3, "circuit_divide": 3, "table_lookup": 3}
    assert events["h"]["error"]["error_message"] == stats(state, 1)["messages"]
    assert "error" not in events["out"]["inference"]
    items = {item["what"]: item for item in memory_items(made)}
    copied = items["h copy of h->out"]
    assert (copied["purpose"], copied["count"], copied["bits_each"]) == (
        "readout and feedback matrices",
        6,
        8,
    )
    assert items["h->out weights"]["purpose"] == "weights"
    made, state = above(register="")
    items = {item["what"]: item for item in memory_items(made)}
    assert items["h<-out weights"]["purpose"] == "readout and feedback matrices"
    assert counters(made, state)["connections"]["h<-out"] == dict(
        axon_events=0, synaptic_events=0, multiplications=0
    )


def test_what_the_plan_says_of_circuits():
    net = Network()
    net.source("in", 1)
    net.lif("h", 2)
    net.integrator("out", 3)
    net.connect("in", "h", rule="tell")
    net.connect("h", "out", rule="tell")
    net.error("out", logit_scale=3.0)
    net.transport("h", "h->out", register="d")
    assert [n.text for n in bound(net).notes if n.text.startswith(("h:", "out:"))][-1:] == [
        "out: logit_scale = 3 is 4, a power of two"
    ]
    chip = load_chip("loihi2")
    late = plan(net, chip, RULES, engine="lines", fit="narrow")
    assert any("the error of step t meets the activity of step t + 1" in n.text for n in late.notes)
    # a bare readout of the same scale has nothing to say
    net = base()
    net.connect("in", "g", delay=2)
    net.readout("h", 3)
    net.error("g")
    assert not [n for n in bound(net).notes if "logit" in n.text or "meets" in n.text]


# ---------------------------------------------------------------- mistakes


def base() -> Network:
    net = Network()
    net.source("in", 1)
    net.lif("h", 2)
    net.lif("g", 3)
    net.connect("in", "h", rule="tell")
    net.connect("h", "g", rule="tell")
    return net


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda n: n.error("gg"), "no layer 'gg'.*did you mean 'g'"),
        (lambda n: n.error("in"), "a source has no third factor"),
        (lambda n: n.error("g", error="softmux"), "unknown error 'softmux'.*did you mean 'softmax'"),
        (lambda n: (n.error("g"), n.reward("g")), "a second circuit; the layer has one of kind error"),
        (lambda n: (n.error("g"), n.readout("g", 3)), "a second circuit"),
        (lambda n: n.error("g", logit_scale=0), "logit_scale is 0"),
        (lambda n: n.error("g", trigger=(0.0, 0.5)), "rate 0.002 to 0.998"),
        (lambda n: n.broadcast("h", of="g"), "layer 'g' forms no error"),
        (lambda n: (n.reward("g"), n.broadcast("h", of="g")), "layer 'g' forms no error"),
        (lambda n: n.transport("h", "h->gg"), "no connection 'h->gg'.*did you mean 'h->g'"),
        (lambda n: n.transport("h", "in->h"), "does not lead from layer 'h'"),
        (lambda n: n.transport("h", "h->g", copy_every=-1), "copy_every is -1"),
        (lambda n: n.contrast("h", "h->g", inputs=2, targets=2), "does not lead to layer 'h'"),
        (lambda n: n.contrast("h", "in->h", inputs=2, targets=1), "2 inputs and 1 targets"),
        (
            lambda n: n.contrast("h", "in->h", inputs=2, targets=3, geometry=("in->h", "d")),
            "equal numbers with a geometry",
        ),
    ],
)
def test_mistakes_in_the_description(wrong, said):
    with pytest.raises(NetworkError, match=said):
        wrong(base())


def test_spike_errors_need_spikes():
    net = base()
    net.integrator("out", 3)
    with pytest.raises(NetworkError, match="kind integrator"):
        net.error("out", error="spike")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda n: n.transport("h", "h->g", register="delta"), "no post register 'delta'"),
        (lambda n: n.transport("h", "h->g", register="dd"), "did you mean 'd'"),
        (lambda n: n.transport("h", "h->g", register="q"), "does not publish 'q'"),
        (lambda n: n.transport("h", "h->g", register="d", signal_shift=-8), "use -7 to 25"),
        (lambda n: n.contrast("h", "in->h", register="d", inputs=2, targets=2), "run with contexts=4"),
        (lambda n: n.reward("h"), "needs a third factor and layer 'g' has no circuit"),
    ],
)
def test_mistakes_seen_when_the_rules_are_bound(wrong, said):
    net = base()
    if "needs a third" not in said:
        net.error("g")
    wrong(net)
    with pytest.raises(ChipsimError, match=said):
        bound(net)


def test_an_error_below_its_receiver_is_refused():
    net = base()
    net.error("h")
    net.broadcast("g", of="h")
    with pytest.raises(NetworkError, match="after this layer's turn"):
        bound(net)
