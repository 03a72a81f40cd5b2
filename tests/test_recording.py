"""Recordings of runs: what the simulator did, bounded in size, and nothing of the run changed by them."""

from dataclasses import replace

import numpy as np
import pytest

from chipsim import recording as parts
from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import StrictError
from chipsim.network import Network
from chipsim.recording import record
from chipsim.run_folder import to_json
from chipsim.simulator import Simulator

pytestmark = pytest.mark.one_python


def made(chip="ideal", size=8, rule="stdp_pair", seed=2, **options):
    net = Network()
    net.source("in", 12)
    net.lif("out", size, threshold=0.4, reset="hard")
    net.connect("in", "out", rule=rule)
    return Simulator(net, load_chip(chip), seed=seed, **options)


def drawn(samples=4, steps=10, axons=12, share=0.3):
    return Events.from_dense(np.random.default_rng(0).random((samples, steps, axons)) < share)


@pytest.mark.parametrize("chip", ["ideal", "loihi1"])
def test_it_is_what_probes_see(chip):
    """Every spike, value, threshold and range against `Simulator.run` with probes, from the same state."""
    sim, events = made(chip), drawn()
    sim.present(events)
    found = record(sim, events)
    assert [sample["sample"] for sample in found["samples"]] == [0, 1, 2]
    low, high = [], []
    for k, sample in enumerate(found["samples"]):
        look = made(chip)
        look.restore(sim.snapshot() | {"ts": np.zeros(1, np.int64)})
        parts.reset(look.plan, look.state, True)
        look.probe("out.spikes", "out.v_compared", "in->out.x", "in->out.y", "in->out.w")
        look.run(events.slice(k, k + 1))
        raw = {name: values for name, (values, _) in look.recorded().items()}
        inputs, out = sample["layers"]
        for row, dense in ((inputs, events.to_dense()[k] != 0), (out, raw["out.spikes"] != 0)):
            step, neuron = np.nonzero(dense)
            assert (row["step"], row["row"]) == ((step + 1).tolist(), neuron.tolist())
            assert (row["spikes"], row["size"], row["until"]) == (len(step), dense.shape[1], 10)
        low.append(raw["in->out.w"].min())
        high.append(raw["in->out.w"].max())
        if k == 0:
            first = raw
    names = {"v as compared": "out.v_compared", "x": "in->out.x", "y": "in->out.y", "w": "in->out.w"}
    assert [row["name"] for row in found["traces"]] == list(names)
    for row in found["traces"]:
        for x in row["elements"]:
            i = x["element"][0] if len(x["element"]) == 1 else x["element"][0] * 8 + x["element"][1]
            assert x["values"] == first[names[row["name"]]][:, i].tolist()
    w = found["ranges"][-1]
    assert (w["low"], w["high"]) == (min(low), max(high))
    assert (w["lo"], w["hi"]) == (sim.plan.connections[0].w_lo, sim.plan.connections[0].w_hi)
    assert found["traces"][0]["threshold"] == int(sim.state["l1_thr"][0])


def test_nothing_of_the_run_changes_and_equal_runs_record_alike():
    sim, events = made(), drawn()
    sim.present(events)
    before, kept = sim.digest(), sim.snapshot()
    found = record(sim, events)
    assert sim.digest() == before and not sim.probes and sim._ts == kept["ts"][0]
    assert to_json(record(sim, events)) == to_json(found)
    twice = made()
    twice.present(events)
    assert to_json(record(twice, events)) == to_json(found)
    sim.present(events)
    twice.present(events)
    assert sim.digest() == twice.digest()


def test_a_strict_run_is_not_refused_for_what_its_recording_lost():
    sim, full = made("loihi1"), Events.from_dense(np.ones((1, 40, 12), np.uint8))
    sim.plan = replace(sim.plan, strict=True)
    assert max(row["high"] for row in record(sim, full)["ranges"] if row["name"] == "x") == 127
    assert sim.plan.strict
    with pytest.raises(StrictError, match="saturated"):
        sim.run(full)


def test_sizes_are_bounded_and_what_is_left_out_is_said(monkeypatch):
    for name, value in {"STEPS": 6, "ROWS": 5, "SPIKES": 9, "PANELS": 2, "LAYERS": 1}.items():
        monkeypatch.setattr(parts, name, value)
    found = record(made(), drawn())
    assert found["left_out"] == [
        "raster of out",
        "trace of in->out.y",
        "trace of in->out.w",
        "steps after 6",
    ]
    for sample in found["samples"]:
        (row,) = sample["layers"]
        assert len(row["neurons"]) == 5 and len(row["step"]) <= 9 and max(row["step"]) <= row["until"] <= 6
        assert set(row["row"]) <= set(range(5)) and row["spikes"] > len(row["step"])
    assert {len(x["values"]) for row in found["traces"] for x in row["elements"]} == {6}
    assert len(found["ranges"]) == 4


def test_a_thinned_raster_names_its_neurons():
    found = record(made(size=250), drawn(share=0.5))
    row = found["samples"][0]["layers"][1]
    assert row["neurons"] == [k * 250 // 100 for k in range(100)]
    assert row["row"] and max(row["row"]) < 100


def test_a_state_too_large_to_copy_is_not_copied(monkeypatch):
    monkeypatch.setattr(parts, "MOST_STATE", 10)
    found = record(made(), drawn())
    assert found["samples"] == found["traces"] == [] and "is not copied" in found["left_out"][0]


def test_several_contexts_are_several_samples():
    found = record(made(contexts=2), drawn(), np.array([1, 2, 3, 4]))
    assert [(x["sample"], x["label"]) for x in found["samples"]] == [(0, 1), (1, 2)]
    dense = drawn().to_dense()
    assert found["samples"][1]["layers"][0]["spikes"] == int(dense[1].sum())


@pytest.mark.parametrize("kind", ["sparse", "conv"])
def test_synapses_of_other_memories_have_names(kind):
    net = Network()
    net.source("in", 16, shape=(4, 4, 1))
    net.lif("out", (2, 2, 2) if kind == "conv" else 8, threshold=0.2)
    if kind == "conv":
        net.conv("in", "out", kernel=3, rule="stdp_pair")
    else:
        targets = np.tile(np.array([1, 5], np.int32), 16)
        net.connect("in", "out", sparse=(np.arange(17) * 2, targets), rule="stdp_pair")
    sim = Simulator(net, load_chip("ideal"), seed=3)
    tap = next(tap for tap in parts.registers(sim.plan, sim.state) if tap.name == "w")
    active = {0: np.eye(16, dtype=int)[3] + 2 * np.eye(16, dtype=int)[7], 1: np.eye(8, dtype=int)[5]}
    found = parts._elements(sim, tap, active)
    weights = tap.values(sim.state, 0)
    if kind == "conv":  # row (middle of the kernel, then on), channel 0
        assert found == [((4, 0), 8), ((5, 0), 10), ((6, 0), 12)] and weights[8] == sim.state["c0_w"][4, 0]
    else:  # axons 0 (the first silent one), 3 and 7 onto neuron 5, their second synapse
        assert found == [((0, 5), 1), ((3, 5), 7), ((7, 5), 15)]
