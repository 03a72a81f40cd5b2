"""r_stdp_cue: the reward comes late, and only a reward that follows the answer teaches it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chipsim.experiment import load_experiment


@pytest.fixture(scope="module")
def loaded():
    """The experiment."""
    return load_experiment("r_stdp_cue")


def test_rewards_come_after_the_answer_and_inside_their_range(loaded):
    parts, settings = loaded.run.__globals__, loaded.settings()
    cuts = [parts["trial_events"](settings, 3, trial)[1] for trial in range(50)]
    assert {answered for answered, _ in cuts} == {80}
    late = np.array([reward for _, reward in cuts]) - 50
    assert late.min() >= 500 and late.max() < 1500 and late.max() - late.min() > 500


def test_every_trial_shows_the_cue_once_and_two_distractors_later(loaded):
    parts, settings = loaded.run.__globals__, loaded.settings(noise_hz=0, cue_noise=0)
    for trial in range(20):
        events, _ = parts["trial_events"](settings, 3, trial)
        step, axon = np.nonzero(events["cue"])
        assert len(step) == 60 and (np.bincount(axon, minlength=60) == 1).all()
        assert ((step[axon < 20] >= 50) & (step[axon < 20] < 55)).all()
        assert (step[axon >= 20] >= 100).all()
        assert not events["noise"].any()


def test_blocks_are_means_of_neighbouring_trials(loaded):
    by_block = loaded.run.__globals__["by_block"]
    assert by_block([True, False, True, True], 2) == [0.5, 1.0]


@pytest.mark.one_python
def test_the_cue_comes_to_drive_the_rewarded_answer(chipsim):
    done = chipsim(
        "run", "r_stdp_cue", "--json", "--set", "replicas=2", "--set", "trials=100", "--set", "blocks=4"
    )
    assert done.status == 0, done.err
    told = json.loads(done.out)
    taught, shuffled = (told["success_last_block"][k] for k in ("reward follows A", "shuffled reward"))
    assert taught >= 0.8 and taught > shuffled + 0.15
    assert told["cue_weight_A_minus_B"]["reward follows A"] > 0.005
    written = [
        row for row in told["counters"]["reward follows A"]["lines"]["cue->response"] if row["target"] == "w"
    ]
    assert sum(row["changed"] for row in written) > 1000


def test_a_rate_too_small_for_the_tags_teaches_nothing(chipsim):
    """A rate shift of 16 leaves the weights as they were: the answers stay even."""
    done = chipsim(
        "run",
        "r_stdp_cue",
        "--json",
        "--set",
        "replicas=1",
        "--set",
        "trials=40",
        "--set",
        "rate=16",
        "--set",
        "blocks=2",
    )
    told = json.loads(done.out)
    assert abs(told["cue_weight_A_minus_B"]["reward follows A"]) < 0.001
