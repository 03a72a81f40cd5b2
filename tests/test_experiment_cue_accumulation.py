"""cue_accumulation: the cues decide the answer, and ReckOn learns it across the delay."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chipsim.experiment import load_experiment

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def parts():
    return load_experiment("cue_accumulation").run.__globals__


def test_the_target_is_the_side_with_more_cues_and_stands_during_recall_only(parts):
    settings = parts["Settings"](cue_hz=1000, noise_hz=0)
    shown = parts["trials"](settings, 3, 0, 12)
    dense = shown.events.to_dense()
    assert dense.shape == (12, 2250, 40)
    for k in range(12):
        right = dense[k, : 7 * 150, 10:20].sum() / (10 * 100)
        left = dense[k, : 7 * 150, :10].sum() / (10 * 100)
        assert left + right == 7
        assert shown.sides[k] == (right > left)
        assert not dense[k, 7 * 150 : 2100].any()
        assert dense[k, 2100:, 20:30].all()
        assert (shown.targets[k, :2100] == -1).all() and (shown.targets[k, 2100:] == shown.sides[k]).all()
    assert 0 < shown.sides.sum() < 12
    again, other = parts["trials"](settings, 3, 0, 12), parts["trials"](settings, 3, 1, 12)
    assert np.array_equal(again.sides, shown.sides) and not np.array_equal(other.sides, shown.sides)


def test_a_shorter_task_is_learned_and_stored(chipsim):
    short = ["trials=40", "epochs=8", "test=60", "cues=3", "cue_ms=60", "gap_ms=20", "recall_at=300"]
    sets = [x for pair in (("--set", s) for s in [*short, "recall_ms=80", "control=false"]) for x in pair]
    done = chipsim("run", "cue_accumulation", "--json", "--seed", "1", "--out", "run", *sets)
    assert done.status == 0, done.err
    told = json.loads(done.out)
    curve = told["test_by_epoch"]["all weights"]
    assert len(curve) == 9 and max(curve[-3:]) >= 0.75
    assert told["energy"]["priced_J"] > 0
    assert told["cycles"]["all weights"]["update_cycles"] == 8 * 40 * 80 * 1624


def test_another_chip_is_refused(chipsim):
    done = chipsim("run", "cue_accumulation", "--chip", "ideal")
    assert done.status == 2 and "no registers of a fixed step" in done.err
