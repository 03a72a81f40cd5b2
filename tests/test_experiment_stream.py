"""stream: predicted before learned, forgetting as defined, and what the tables hold."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from chipsim.data.named import named_parts
from chipsim.errors import DataError, SettingError
from chipsim.experiment import load_experiment
from chipsim.stacks import Choice
from chipsim.studies import blank, seed_parts

SMALL = ("--set", "limit=200", "--set", "hidden=32", "--set", "seeds=2", "--set", "window=50")


@pytest.fixture(scope="module")
def parts() -> dict:
    """The names of the experiment's file."""
    return load_experiment("stream").run.__globals__


def test_forgetting_is_the_best_before_minus_the_last(parts):
    by_task = [[1.0], [0.6, 0.9], [0.8, 0.5, 0.7]]
    # the first task was best after itself, the second after itself; the last task cannot be forgotten
    assert parts["forgetting"](by_task) == pytest.approx((0.2 + 0.4) / 2)
    assert parts["forgetting"]([[0.2], [0.5, 1.0]]) == pytest.approx(-0.3)  # better than before


def test_windows_are_whole_and_in_order(parts):
    right = np.array([True] * 4 + [False] * 4 + [True])
    assert parts["windows"](right, 4) == [1.0, 0.0]
    assert parts["windows"](right, 100) == [pytest.approx(5 / 9)]


def test_all_classes_seen_are_scored_and_no_others(parts):
    labels = np.array([0, 1, 2, 3, 4])
    votes = np.eye(5)[[0, 3, 2, 3, 0]] + 0.1 * np.eye(5)[[1, 1, 3, 2, 4]]
    passed = parts["Passed"](seen=[[]], by_task=[[]])
    tasks = [np.array([0, 1]), np.array([2, 3]), np.array([4])]
    for k in range(3):
        parts["add_task"](passed, votes, labels, tasks[: k + 1])
    assert passed.seen[0] == pytest.approx([0.5, 0.75, 0.6])
    assert passed.by_task[0] == [[0.5], [0.5, 1.0], [0.5, 1.0, 0.0]]
    parts["add_told"](passed, votes, labels, tasks)
    assert passed.told == [[1.0, 1.0, 1.0]]  # 1 is told from 0, though 3 had more votes
    parts["add_told"](passed, -votes, labels, tasks)
    assert passed.told[1] == [0.0, 0.0, 1.0]


def test_the_linear_readout_answers_before_it_learns(parts):
    x, y = np.ones((3, 1)), np.array([1, 1, 1])
    w = np.zeros((1, 2))
    assert list(parts["online"](w, x, y, 1.0)) == [False, True, True]
    assert w[0, 1] > 0 > w[0, 0]


def _built(parts, update: str):
    settings = parts["Settings"](limit=60, hidden=(16,), update=update, rate=3)
    context = SimpleNamespace(settings=settings, data=None, out=SimpleNamespace(note=lambda **x: None))
    data = seed_parts(context, 1)
    sim = blank(settings, Choice("decolle"), data)
    parts["calibrate"](sim, settings, data.train)
    parts["set_rate"](sim, settings.rate)
    return sim, data.train


@pytest.mark.parametrize("update", ["end", "every:5"])
def test_what_a_sample_is_answered_does_not_know_its_label(parts, update):
    """Each answer equals that of an evaluation of the network as the samples before have left it."""
    sim, train = _built(parts, update)
    other, _ = _built(parts, update)
    labels = np.asarray(train.labels)[:12]
    events = train.events(np.arange(12))
    right = parts["learn"](sim, events, labels)
    assert parts["first_learns_last"](sim) == (update == "end")
    expected = []
    for k in range(12):
        outputs = other.evaluate(events, order=[k])[0]
        total = sum(v.astype(float) for v in outputs["potentials"].values())
        expected.append(bool(total.argmax() == labels[k]))
        other.present(events, labels, order=[k])
    assert list(right) == expected
    assert sim.digest() == other.digest()


def test_a_pass_learns_forgets_and_is_the_same_twice(chipsim):
    told = []
    for out in ("one", "two"):
        done = chipsim("run", "stream", "--json", "--out", out, *SMALL)
        assert done.status == 0, done.err
        told.append(json.loads(done.out))
    assert told[0]["digest"] == told[1]["digest"]
    stored = json.loads(Path("one/stream.json").read_text())
    values = stored["values"]
    for name in ("integer", "float twin", "linear, one pass"):
        assert len(values[name]["windows"]) == 2 and len(values[name]["windows"][0]) == 4
        for row in values[name]["windows"]:
            assert row[0] < row[-1]  # it learns while the stream passes
        assert all(len(m) == 5 and m[0][0] > 0.7 for m in values[name]["by_task"])
        assert min(values[name]["forgetting"]) > 0.3
    assert told[0]["accuracy"]["test"] == pytest.approx(np.mean(values["integer"]["after"]))
    assert Path("one/incremental.md").read_text().count("\n") == 2 + 5
    assert Path("one/figures/stream.png").stat().st_size > 10_000


def test_a_task_of_all_classes_is_refused(chipsim):
    done = chipsim("run", "stream", "--set", "task=10", "--set", "limit=60")
    assert done.status == 2 and "task=10" in done.err


def test_named_sets_are_limited_by_class_and_unknown_ones_refused():
    parts, hashes = named_parts("digits", None, 1, 50)
    assert [len(x) for x in vars(parts).values()] == [50, 50, 50] and list(hashes) == ["digits"]
    assert np.bincount(parts.train.labels).min() >= 4
    with pytest.raises(SettingError, match="mnist"):
        named_parts("minst", None, 1)
    with pytest.raises(DataError, match="IDX"):
        named_parts("mnist", None, 1)
