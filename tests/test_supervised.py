"""Supervised training: splits apart, schedules, calibration, and real images learned on a chip."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chipsim.calibrate import SPREADS, calibrate_logits, calibrate_thresholds
from chipsim.chip import load_chip
from chipsim.data import digits
from chipsim.data.encode import Encoder
from chipsim.data.idx import load_idx_folder
from chipsim.data.images import Parts
from chipsim.data.samples import Encoded
from chipsim.data.split import hold_out, split_three
from chipsim.experiment import load_experiment
from chipsim.float_twin import twin_of
from chipsim.network import Network
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, simulator, trace_constants
from chipsim.supervised import SupervisedSettings, _engine_lines
from chipsim.train import Schedule, accuracy, evaluate, learn_epoch, scores, train
from chipsim.wiring import weight_range

SMALL = ("hidden=[24]", "epochs=2", "steps=10", "controls=false", "twin=false")


def built(settings: SupervisedSettings, chip: str = "ideal", n_in: int = 64, seed: int = 1):
    """The simulator of a run with these settings."""
    return simulator(settings, Choice("decolle", chip, seed), n_in, 10)


@pytest.fixture(scope="module")
def parts() -> Parts:
    """Handwritten digits, a few of them, as 10 steps of spikes."""
    whole = split_three(digits(), 1)
    few = (whole.train, 60), (whole.validation, 20), (whole.test, 20)
    return Parts(*(Encoded(images.take(np.arange(n)), Encoder(steps=10)) for images, n in few))


def test_the_rate_of_an_epoch():
    schedule = Schedule(5, 10, (0, 0, 1, 2))
    assert [schedule.shift(epoch) for epoch in range(1, 6)] == [10, 10, 11, 12, 12]


def test_every_readout_votes():
    net = Network()
    net.source("in", 2)
    for name in ("a", "b"):
        net.integrator(name, 3, tau_v_ms=np.inf)
        net.connect("in", name)
    sim = Simulator(net, load_chip("ideal"))
    potentials = {"a": np.array([[5, 4, 0]], np.int32), "b": np.array([[0, 4, 3]], np.int32)}
    outputs = {"potentials": potentials}
    assert scores(sim, outputs).tolist() == [[5.0, 8.0, 3.0]]
    assert scores(sim, outputs, ["a"]).tolist() == [[5.0, 4.0, 0.0]]
    assert accuracy(sim, outputs, np.array([1])) == 1.0 and accuracy(sim, outputs, np.array([0])) == 0.0


def test_the_weight_range_holds_the_drawn_weights_and_is_a_power_of_two():
    for fan_in in (3, 64, 256, 700, 784):
        spread = np.sqrt(3 / fan_in)
        assert spread <= weight_range(fan_in) < 2 * spread
    assert [weight_range(n) for n in (64, 784, 256)] == [0.25, 0.0625, 0.125]


def test_traces_take_the_neurons_time_constants():
    found = trace_constants(SupervisedSettings(tau_v_ms=20.0, tau_u_ms=None), "decolle")
    assert found == {"k_a": pytest.approx(np.exp(-1 / 20)), "k_b": 0.1}
    assert trace_constants(SupervisedSettings(), "stdp_pair") == {}


def test_calibration_makes_every_layer_active_and_errors_graded(parts):
    sim = built(SupervisedSettings(hidden=(24, 12), steps=10))
    events = parts.train.events()
    calibrate_thresholds(sim, events, 1.5)
    outputs = sim.evaluate(events)[0]
    for layer in ("hidden1", "hidden2"):
        assert outputs["counts"][layer].mean() == pytest.approx(1.5, rel=0.1)
    shifts = calibrate_logits(sim, events, 3.0)
    v = outputs["potentials"]["hidden2.readout"].astype(float)
    distance = (v.max(axis=1) - v.mean(axis=1)).mean() / 2 ** shifts["hidden2.readout"] / 16
    assert 3.0 / 1.5 < distance < 3.0 * 1.5  # to a power of two


def test_an_epoch_shows_new_spikes_and_evaluation_the_same(parts):
    settings = SupervisedSettings(hidden=(16,), steps=10, twin=False)
    digests, evaluated = [], []
    for epoch in (1, 2):
        sim = built(settings)
        learn_epoch(sim, parts.train, epoch)
        digests.append(sim.digest())
        fresh = built(settings)
        evaluated.append(evaluate(fresh, parts.test)[0]["counts"]["hidden1"])
    assert digests[0] != digests[1]
    assert (evaluated[0] == evaluated[1]).all()


def test_training_reads_no_test_sample_and_the_twin_follows(parts):
    settings = SupervisedSettings(hidden=(24,), steps=10)
    sim = built(settings)
    calibrate_thresholds(sim, parts.train.events(), 2.0)
    calibrate_logits(sim, parts.train.events(), 3.0)
    twin = twin_of(sim)
    blind = Parts(parts.train, parts.validation, None)
    before = evaluate(sim, parts.train)[0]
    for net in (sim, twin):
        rows = train(net, blind, Schedule(6, 8))
        assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
        after = accuracy(net, evaluate(net, parts.train)[0], parts.train.labels)
        assert after > 0.65 > 0.4 > accuracy(sim, before, parts.train.labels)


def test_a_run_on_products_says_what_became_of_every_line(chipsim):
    options = [part for setting in SMALL for part in ("--set", setting)]
    done = chipsim("run", "digits", "--json", "--out", "one", *options)
    assert done.status == 0, done.err
    assert "approximated: a product is floored" in done.err and "exact: decay of a trace register" in done.err
    found = json.loads(done.out.splitlines()[-1])
    assert found["accuracy"]["twin"] is None and found["accuracy"]["test"] > 0.3
    assert len(found["epochs"]) == 2
    assert not [line for line in _engine_lines(built(SupervisedSettings(hidden=(8,)))) if "lowered" in line]


@pytest.mark.one_python
@pytest.mark.slow
def test_mnist_is_learned_in_one_short_epoch(data_dir):
    """10,000 real images, one epoch, both layers alive and better than their untrained selves."""
    settings = load_experiment("mnist").settings(epochs=1)
    parts = hold_out(*load_idx_folder(data_dir / "mnist"), 1)
    encoder = Encoder(steps=settings.steps, max_rate=settings.max_rate, seed=1)
    few = parts.train.take(np.arange(10_000)), parts.validation.take(np.arange(1000))
    parts = Parts(*(Encoded(images, encoder) for images in few), None)
    sim = built(settings, n_in=784)
    few = parts.train.events(np.arange(64))
    calibrate_thresholds(sim, few, settings.activity)
    calibrate_logits(sim, few, SPREADS["softmax"])
    rows = train(sim, parts, Schedule(1, settings.rate))
    assert rows[-1]["validation"] > 0.89
    outputs = evaluate(sim, parts.validation)[0]
    for name in ("hidden1.readout", "hidden2.readout"):
        assert (outputs["potentials"][name].argmax(axis=1) == parts.validation.labels).mean() > 0.86
