"""update_instant: the rate is chosen on validation, and the counts are those of the instants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chipsim.experiment import load_experiment

SMALL = ("limit=150", "hidden=24", "epochs=2", "seeds=2", "rates=8,9", "steps=10", "twin=false")


@pytest.fixture(scope="module")
def parts() -> dict:
    """The names of the experiment's file."""
    return load_experiment("update_instant").run.__globals__


def small(*more: str) -> list[str]:
    """--set for every text, the later of equal keys."""
    chosen = {text.split("=")[0]: text for text in (*SMALL, *more)}
    return [text for setting in chosen.values() for text in ("--set", setting)]


def test_the_best_rate_on_validation_is_taken_and_of_equal_ones_the_slower(parts):
    found = parts["Found"](trials={6: 0.8, 7: 0.9, 8: 0.9, 9: 0.7}, test=[0.1], costs={"updates": 1234.6})
    assert found.rate == 8 and parts["Found"]().rate is None
    settings = parts["Settings"](rates=(6, 7, 8, 9), twin=False)
    assert parts["_row"]("end", found, settings) == {
        "instant": "end", "rate shift": "8", "validation": "90.00", "test": "10.00", "updates": 1235,
    }  # fmt: skip
    found.trials[9] = 0.95
    assert parts["_row"]("end", found, settings)["rate shift"] == "9, at the edge"


def test_counts_follow_the_instants(chipsim):
    options = small("instants=step,every:5,end,error:0.05")
    done = chipsim("run", "update_instant", "--json", "--out", "one", *options)
    assert done.status == 0, done.err
    told = json.loads(done.out)["instants"]
    costs = {name: x["costs"] for name, x in told.items()}
    assert {name: x["instants"] for name, x in costs.items()} == {
        "step": 10, "every:5": 2, "end": 1, "error:0.05": 10,
    }  # fmt: skip
    for name in ("errors", "updates", "changed", "error operations"):
        assert costs["step"][name] > costs["every:5"][name] > costs["end"][name] > 0, name
    assert costs["error:0.05"]["errors"] < 0.3 * costs["step"]["errors"]
    for x in costs.values():  # at most 10 classes an instant; every weight at most once an instant
        assert x["errors"] <= 10 * x["instants"] and x["changed"] <= x["updates"]
        assert x["updates"] <= 64 * 24 * x["instants"]
    values = json.loads(Path("one/update_instant.json").read_text())["values"]
    for x in values.values():
        assert list(x["trials"]) == ["8", "9"] and len(x["test"]) == 2
        assert x["trials"][str(x["rate"])] == max(x["trials"].values())
    assert Path("one/figures/update_instant.png").stat().st_size > 10_000


def test_the_counts_are_of_one_training_by_the_chosen_rate(chipsim):
    """One seed's counters divided by what it was shown; trials are not among them."""
    done = chipsim("run", "update_instant", "--json", *small("instants=end", "seeds=1"))
    told = json.loads(done.out)
    counted = told["counters"]["end"]
    changed = sum(w["changed"] for w in counted["weights"].values())
    assert told["instants"]["end"]["costs"]["changed"] == pytest.approx(changed / (2 * 150))
    errors = sum(k["messages"] for k in counted["circuits"].values())
    assert told["instants"]["end"]["costs"]["errors"] == pytest.approx(errors / (2 * 150))
    assert told["accuracy"]["test"] == told["instants"]["end"]["test"][0]


@pytest.mark.parametrize(
    ("text", "why"), [("instants=sometimes", "sometimes"), ("instants=end,end", "twice")]
)
def test_instants_that_mean_nothing_are_refused(chipsim, text, why):
    done = chipsim("run", "update_instant", *small(text))
    assert done.status == 2 and why in done.err


def test_what_a_rule_refuses_stands_in_the_table_with_its_reason(parts):
    found = parts["Found"](refused="reads post.spike")
    row = parts["_row"]("end", found, parts["Settings"]())
    assert row == {"instant": "end", "rate shift": "refused: reads post.spike"}
