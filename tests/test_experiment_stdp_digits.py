"""stdp_digits: labels are assigned from training spikes, and learning beats frozen weights."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from chipsim.data.builtin import digits
from chipsim.data.encode import Encoder, encode
from chipsim.experiment import load_experiment
from chipsim.reference import reference_present

SMALL = ("--set", "limit=500", "--set", "neurons=30", "--set", "epochs=2", "--set", "twin=false")


@pytest.fixture(scope="module")
def parts() -> dict:
    """The names of the experiment's file."""
    return load_experiment("stdp_digits").run.__globals__


def test_a_neuron_gets_the_class_it_answers_most_per_sample(parts):
    labels = np.array([0, 0, 0, 1])
    counts = np.array([[1, 0], [1, 0], [0, 1], [2, 1]])  # neuron 0: 2/3 of class 0, 2 of class 1
    assert list(parts["assigned"](counts, labels)) == [1, 1]
    assert list(parts["assigned"](counts * [1, 0], labels)) == [1, 0]  # silent: the lowest class


def test_a_sample_gets_the_class_with_the_most_spikes(parts):
    label_of = np.array([3, 3, 7])
    counts = np.array([[1, 1, 1], [0, 0, 2], [0, 0, 0]])
    assert parts["share"](counts, label_of, np.array([3, 7, 0])) == 1.0
    assert parts["share"](counts, label_of, np.array([7, 3, 9])) == 0.0


def test_a_pixel_and_its_complement_add_up(parts):
    images = digits().take(np.arange(5))
    both = parts["with_complement"](images)
    assert both.pixels.shape == (5, 128) and both.n_pixels == 128
    assert (both.pixels[:, :64] + both.pixels[:, 64:] == 16).all()
    assert (both.index == images.index).all()


def test_learning_beats_frozen_weights_and_is_the_same_twice(chipsim):
    told = []
    for out in ("one", "two"):
        done = chipsim("run", "stdp_digits", "--json", "--out", out, *SMALL)
        assert done.status == 0, done.err
        told.append(json.loads(done.out))
    found = told[0]
    assert found["accuracy"]["test"] > 0.6 and found["above_frozen"] > 0.2
    assert found["accuracy"]["twin"] is None
    assert found["digest"] == told[1]["digest"]
    line = {row["text"]: row for row in found["counters"]["network"]["lines"]["pixels->winners"]}
    spikes = found["counters"]["network"]["layers"]["winners"]["spikes"]
    assert line["y += 1"]["done"] == spikes > 300


@pytest.mark.parametrize("chip", ["ideal", "loihi2"])
def test_the_interpreter_learns_the_same_network(parts, chip):
    """Recurrent inhibition, refractory neurons and homeostasis together, bit for bit."""
    settings = parts["Settings"](neurons=10, steps=16, threshold=30.0)
    context = SimpleNamespace(settings=settings, seed=3, rule="stdp_pair", chip=chip, noise=None, engine=None,
                              fit="refuse", strict=False)  # fmt: skip
    events = encode(parts["with_complement"](digits().take(np.arange(8))), Encoder("latency", steps=16))
    compiled, plain = parts["build"](context), parts["build"](context)
    before = plain.weights(parts["PLASTIC"]).copy()
    compiled.present(events)
    reference_present(plain.plan, plain.state, events, None)
    assert compiled.digest() == plain.digest()
    assert (compiled.weights(parts["PLASTIC"]) != before).any()
    assert np.ptp(compiled.read("winners.threshold")) > 0


@pytest.mark.one_python
@pytest.mark.slow
def test_100_neurons_reach_80_percent_and_20_points_above_frozen(chipsim):
    done = chipsim("run", "stdp_digits", "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["accuracy"]["test"] >= 0.8 and found["above_frozen"] >= 0.2
    assert abs(found["accuracy"]["twin"] - found["accuracy"]["test"]) < 0.08
