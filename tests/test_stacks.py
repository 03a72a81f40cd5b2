"""Hidden layers from a text, the wirings that give them third factors, and the samples they are fed."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.data import drawn
from chipsim.data.encode import Encoder
from chipsim.data.samples import Encoded
from chipsim.errors import SettingError
from chipsim.feed import feed, in_order, silent_labels
from chipsim.hidden import grow, parse
from chipsim.network import Network
from chipsim.reference import reference_present
from chipsim.settings import make_settings
from chipsim.stacks import Choice, StackSettings, build, contexts, for_samples, voters
from chipsim.train import set_rate
from chipsim.wiring import known

RULES = {
    "readout": "decolle",
    "classifier": "ell_chip",
    "targets": "dalton_chip",
    "transport": "s_tllr_chip",
    "broadcast": "s_tllr_chip",
    "contrast": "tp_chip",
}
VOTERS = {
    "readout": ("hidden1.readout", "hidden2.readout"),
    "classifier": ("hidden1.classifier", "hidden2.classifier"),
    "targets": ("readout",),
    "contrast": ("output1", "output"),
}


def small(**settings: object) -> StackSettings:
    """Two small layers whose drawn weights make them fire without calibration."""
    return StackSettings(**{"hidden": (8, 6), "gain": 8.0, "tau_u_ms": None, "rate": 0, **settings})


def images(n: int = 6) -> Encoded:
    """A few easy images of 3 classes as 8 steps of spikes."""
    return Encoded(drawn(n, shape=(4, 4), seed=2), Encoder(steps=8))


# ------------------------------------------------------------ wirings


def test_every_wiring_is_tested():
    assert sorted(RULES) == known()


@pytest.mark.parametrize("circuit", RULES)
def test_a_wiring_teaches_every_hidden_layer(circuit):
    """On the interpreter; without labels the same samples teach nothing."""
    samples, settings = images(), small(circuit=circuit)
    sim = for_samples(settings, Choice(RULES[circuit]), samples)
    set_rate(sim, 0, {})
    assert voters(sim) == VOTERS.get(circuit, ("output",))
    learned = [c for c in sim.plan.connections if c.program and c.program.name == RULES[circuit]]
    assert len(learned) == 2
    changed = {}
    for name, labels in (("none", np.full(6, -1)), ("given", samples.labels)):
        state = {key: array.copy() for key, array in sim.state.items()}
        shown = feed(sim, samples.events(), labels)
        outputs = reference_present(sim.plan, state, shown.events, shown.labels, samples=shown.order)
        assert all(counts.sum() > 0 for counts in outputs["counts"].values())
        changed[name] = [
            np.count_nonzero(state[f"c{c.index}_w"] != sim.state[f"c{c.index}_w"]) for c in learned
        ]
    assert changed["none"] == [0, 0] and min(changed["given"]) > 0, changed


def test_an_unknown_wiring_is_refused_with_those_that_exist():
    with pytest.raises(SettingError) as refused:
        build(small(circuit="broadcst"), 16, 3, "s_tllr_chip")
    assert "did you mean 'broadcast'?" in str(refused.value) and "contrast, readout" in str(refused.value)


def test_a_rule_brings_its_own_circuit():
    kinds = {
        rule: build(small(), 16, 3, rule).circuits[0].kind for rule in ("decolle", "tp_chip", "ell_chip")
    }
    assert kinds == {"decolle": "readout", "tp_chip": "contrast", "ell_chip": "error"}


@pytest.mark.parametrize(("kind", "rule"), [("lif", "ell"), ("charge", "delta"), ("integrator", "delta")])
def test_a_classifier_learns_by_the_rule_of_its_kind(kind, rule):
    net = build(small(classifier=kind, hidden=(8,)), 16, 3, "ell")
    assert net.connection("hidden1->hidden1.classifier").rule == rule
    assert net.layer("hidden1.classifier").kind == ("integrator" if kind == "integrator" else "lif")
    if kind != "integrator":
        hard = build(small(classifier=kind, hidden=(8,), reset="hard"), 16, 3, "ell")
        assert hard.layer("hidden1.classifier").reset == "hard"


def test_the_inputs_weights_may_have_a_wider_range():
    """Twice the range, half the resolution, and the connections above as they were."""
    made = [for_samples(small(input_range=wide), Choice("ell_chip"), images()) for wide in (1.0, 2.0)]
    found = [[c.weight.frac for c in sim.plan.connections] for sim in made]
    assert found[1] == [found[0][0] - 1, *found[0][1:]]


@pytest.mark.parametrize("kind", ["charge", "integrator"])
def test_a_classifier_learns_after_its_error_was_replayed(kind):
    """The third factor of every replayed step is the final error through the weights it was made with:
    with `delta` in their place, those after the update."""
    samples, below = images(), "hidden1->hidden1.classifier"
    settings = small(classifier=kind, hidden=(8,), published="third_factor", hold=True)
    sim = for_samples(settings, Choice("bell"), samples)
    assert sim.plan.connections[1].name == below and sim.plan.connections[1].program.name == "delta_end"
    before = sim.state["c1_w"].astype(np.int64)
    reference_present(sim.plan, sim.state, samples.events(), samples.labels, samples=[0])
    after, error = sim.state["c1_w"].astype(np.int64), sim.state["k0_err"][0].astype(np.int64)
    assert error.any() and (after != before).any()
    lsb = 2 ** -float(sim.plan.connections[1].weight.frac)
    found = sim.state["l1_m"][0]
    assert (abs(found - before @ error * lsb) < 1).all()  # one stochastic rounding
    assert (abs(found - after @ error * lsb) > 1).any()


def test_delta_end_writes_what_delta_writes():
    """Nothing replayed below, the same draws: the sample's last step and its end are one instant."""
    weights = []
    for hold, rule in ((False, "delta"), (True, "delta_end")):
        samples, settings = images(), small(hidden=(8,), hold=hold)
        sim = for_samples(settings, Choice("ell_chip"), samples)
        set_rate(sim, 0, {})
        assert sim.plan.connections[1].program.name == rule
        start = sim.state["c1_w"].copy()
        reference_present(sim.plan, sim.state, samples.events(), samples.labels, samples=[0])
        assert (sim.state["c1_w"] != start).any()
        weights.append(sim.state["c1_w"].tolist())
    assert weights[0] == weights[1]


# ------------------------------------------------------------ feeds


def fed(contrast: str):
    """A contrast network of 2 inputs, 7 samples and what it is fed."""
    samples, settings = images(7), small(contrast=contrast, inputs=2, hidden=(8,))
    sim = for_samples(settings, Choice("tp_chip"), samples)
    return sim, samples, feed(sim, samples.events(), samples.labels)


def test_class_targets_follow_every_group_of_inputs():
    sim, samples, shown = fed("classes")
    assert sim.plan.contexts == contexts(small(inputs=2), 3, "contrast") == 5
    assert shown.order.tolist() == [0, 1, 7, 8, 9, 2, 3, 7, 8, 9, 4, 5, 7, 8, 9]  # the seventh waits
    assert shown.kept.tolist() == [True, True, False, False, False] * 3
    assert shown.labels.tolist() == [*samples.labels, -1, -1, -1]


def test_batch_targets_show_the_label_of_each_input():
    sim, samples, shown = fed("batch")
    assert sim.plan.contexts == 4
    order = shown.order.reshape(3, 4)
    assert np.array_equal(order[:, 2:] - 7, samples.labels[order[:, :2]])
    given = in_order(shown)
    assert given["labels"].to_dense()[2:4].argmax(axis=2).tolist() == [[x] * 8 for x in samples.labels[:2]]
    assert given["pixels"].counts()[2:4].sum() == 0 and given["labels"].counts()[:2].sum() == 0
    assert np.array_equal(given["pixels"].to_dense()[:2], samples.events(np.array([0, 1])).to_dense())


def test_evaluation_hears_no_labels():
    sim, samples, _ = fed("batch")
    given = silent_labels(sim, samples.events())
    assert given["labels"].n_events == 0 and given["pixels"].n_events == samples.events().n_events


def test_a_network_of_one_source_is_fed_as_it_is():
    samples = images()
    sim = for_samples(small(hidden=(8,)), Choice("decolle"), samples)
    events = samples.events()
    shown = feed(sim, events, samples.labels)
    assert shown.events is events and shown.order.tolist() == [*range(6)] and shown.kept.all()
    assert silent_labels(sim, events) is events


# ------------------------------------------------------------ hidden layers


@pytest.mark.parametrize("text", ["16D5", "0", "C5", "P", "-3", "16C5P2", ""])
def test_a_text_that_is_no_layer(text):
    with pytest.raises(SettingError, match=r"(no layer; write 256, 16C5, P2|1 neuron or more)"):
        make_settings(StackSettings, [f"hidden=8,{text or 'x'}"])


def test_texts_that_are_layers():
    assert [parse(x) for x in (12, "12", "16C5", "P2", "A2")] == [12, 12, "16C5", "P2", "A2"]
    assert make_settings(StackSettings, ["hidden=16C5,P2,64"]).hidden == ("16C5", "P2", 64)


def grown(*specs: int | str, **options: object):
    net = Network()
    net.source("pixels", 64, shape=(8, 8, 1))
    return net, grow(net, specs, "pixels", {}, {"rule": "ell_chip"}, **options)


def test_maps_pools_and_dense_layers_stand_in_their_order():
    net, found = grown("4C3", "P2", "2C2", "A2", 5)
    assert found.places == ("hidden1.pool", "hidden2.pool", "hidden3")
    assert [net.layer(name).shape for name in ("hidden1", "hidden1.pool", "hidden2", "hidden2.pool")] == [
        (6, 6, 4),
        (3, 3, 4),
        (2, 2, 2),
        (1, 1, 2),
    ]
    assert [net.layer(name).pool.kind for name in found.places[:2]] == ["or", "average"]
    ends = [(net.layers[c.pre].name, net.layers[c.post].name) for c in map(net.connection, found.inward)]
    assert ends == [("pixels", "hidden1"), ("hidden1.pool", "hidden2"), ("hidden2.pool", "hidden3")]
    assert [k.kind for k in net.circuits] == ["pool", "pool"]  # a map's third factor is its pool's


def test_delays_are_connections_of_the_input_only():
    net, found = grown(6, 5, delays=(0, 3, 7))
    into = {
        name: [c.delay for c in net.connections if c.post == net.layer(name).index] for name in found.places
    }
    assert into == {"hidden1": [0, 3, 7], "hidden2": [0]}


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        (("P2",), "P2 stands behind nothing to pool"),
        (("4C3", "P2", "P2"), "P2 stands behind nothing to pool"),
        (("4C9",), "4C9 is larger than its map"),
        ((16, "4C3"), "which is no map"),
    ],
)
def test_layers_that_cannot_stand_there(specs, text):
    with pytest.raises(SettingError, match=f"hidden: .*{text}.*\n.*remedy"):
        grown(*specs)
