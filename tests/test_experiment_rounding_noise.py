"""rounding_noise: variance and kurtosis of each noise, and the table of trainings."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from chipsim.experiment import load_experiment
from chipsim.microcode.syntax import load_rule

TINY = (
    "limit=300",
    "bits=8",
    "noises=lane,shared",
    "nearest=false",
    "seeds=1",
    "epochs=10",
    "hidden=32",
    "draws=800",
)


def test_only_the_weight_rounds_to_nearest(tmp_path):
    parts = load_experiment("rounding_noise").run.__globals__
    context = SimpleNamespace(rule="decolle", out=SimpleNamespace(path=tmp_path))
    changed = load_rule(str(parts["rounded_to_nearest"](context)))
    original = {r.name: r.rounding for r in load_rule("decolle").registers}
    found = {r.name: r.rounding for r in changed.registers}
    assert found == {**original, "w": "nearest"} != original


def test_an_unknown_noise_is_refused_before_any_work(chipsim):
    done = chipsim("run", "rounding_noise", "--set", "noises=lane,pink")
    assert done.status == 2 and "noise 'pink'" in done.err and "lane, element, shared" in done.err


def test_the_noise_of_the_command_line_is_refused_not_ignored(chipsim):
    done = chipsim("run", "rounding_noise", "--noise", "element")
    assert done.status == 2 and "--set noises=element" in done.err


@pytest.mark.one_python
@pytest.mark.slow
def test_lane_has_the_variance_of_independent_words_and_shared_has_not(chipsim):
    options = [text for setting in TINY for text in ("--set", setting)]
    done = chipsim("run", "rounding_noise", "--json", *options)
    assert done.status == 0, done.err
    told = json.loads(done.out)
    (half, eighth), (shared_half, _) = told["rectangle"]["lane"], told["rectangle"]["shared"]
    assert half["variance_ratio"] == pytest.approx(1, abs=0.4) and half["excess_kurtosis"] > 2
    assert eighth["variance_ratio"] == pytest.approx(1, abs=0.4)
    assert shared_half["variance_ratio"] == pytest.approx(256, rel=1e-9)  # every synapse moves, or none
    for kind in ("lane", "shared"):
        (test,) = told["test_by_kind_and_bits"][kind]["8"]
        assert test > 0.4
    assert told["accuracy"]["test"] == told["test_by_kind_and_bits"]["lane"]["8"][0]
