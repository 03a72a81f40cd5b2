"""odin_digits: digits on one ODIN core; what its sources send, and that it learns."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chipsim.data.builtin import digits
from chipsim.experiment import load_experiment

pytestmark = pytest.mark.one_python


def test_teachers_and_judges_follow_the_label():
    loaded = load_experiment("odin_digits")
    parts, settings = loaded.run.__globals__, loaded.settings()
    images = parts["with_complement"](digits().take(np.arange(20)))
    assert (images.pixels.sum(axis=1) == 64 * 16).all()
    events = parts["taught"](settings, 3, images, 1)
    for name, axons, rate in (("teacher", 6, 0.75), ("judge", 3, 1.0)):
        dense = events[name].to_dense()
        own = np.repeat(np.eye(10)[images.labels], axons, axis=1).astype(bool)
        spikes = dense.transpose(0, 2, 1)[own]
        assert dense.sum() == spikes.sum() and abs(spikes.mean() - rate) < 0.05
    again = parts["taught"](settings, 3, images, 2)
    assert not np.array_equal(events["pixels"].axon, again["pixels"].axon)


def test_it_learns_above_frozen_weights(chipsim):
    options = ["--set", "epochs=2", "--set", "test_steps=30", "--set", "cells=4"]
    done = chipsim("run", "odin_digits", "--json", "--out", "o", *options)
    assert done.status == 0, done.err
    told = json.loads(done.out.splitlines()[-1])
    assert told["accuracy"]["test"] > 0.45 and told["above_frozen"] > 0.25
    core = told["counters"]["network"]["core"]
    assert core["operations"] > 10_000_000 and core["lost"] == 0
    assert told["energy"]["priced_J"] > 8.43e-12 * core["operations"]
