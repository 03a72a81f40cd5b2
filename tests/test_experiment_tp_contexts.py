"""tp_contexts: contexts and memory by form, equal samples, and a control that stays as drawn."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from chipsim.checkpoint import off
from chipsim.experiment import load_experiment
from chipsim.stacks import Choice
from chipsim.studies import calibrated, learned, seed_parts

SMALL = {"limit": "200", "hidden": "24", "epochs": "4", "steps": "12", "seeds": "1", "rates": "8,9"}


@pytest.fixture(scope="module")
def parts() -> dict:
    """The names of the experiment's file."""
    return load_experiment("tp_contexts").run.__globals__


def small(**more: str) -> list[str]:
    """--set for every setting."""
    return [text for key, value in {**SMALL, **more}.items() for text in ("--set", f"{key}={value}")]


def quiet(settings) -> SimpleNamespace:
    """A context that only computes."""
    silent = SimpleNamespace(
        note=lambda **x: None, metric=lambda **x: None, phase=lambda *x: None, tick=lambda *a, **x: None
    )
    return SimpleNamespace(
        settings=settings, data=None, seed=1, out=silent, progress=silent, checkpoints=off()
    )


@pytest.mark.one_python
def test_both_forms_beat_hidden_layers_that_are_held(chipsim):
    done = chipsim(
        "run", "tp_contexts", "--json", "--out", "one", *small(batch="4", classes="1", twin="false")
    )
    assert done.status == 0, done.err
    rows = {(row["form"], row.get("B")): row for row in json.loads(done.out)["table"]}
    batch, classes, held = rows["batch", 4], rows["classes", 1], rows["held", 1]
    assert (batch["contexts"], classes["contexts"], held["contexts"]) == (8, 11, 11)
    assert classes["state (kbit)"] == held["state (kbit)"]
    assert batch["state (kbit)"] > 0.5 * classes["state (kbit)"]
    assert held["updates"] > 0 and batch["updates"] > 0  # evaluated, though nearly nothing moves
    test = {name: float(row["test"]) for name, row in rows.items()}
    assert (
        test["batch", 4] > 30 and test["classes", 1] > 30 and test["linear readout of the input", None] > 70
    )
    values = json.loads(Path("one/tp_contexts.json").read_text())["values"]
    assert list(values["batch, B = 4"]["trials"]["test"]) == ["8", "9"]
    assert list(values["held, B = 1"]["trials"]["test"]) == ["18"]  # later epochs are 2 slower, to 20
    assert Path("one/figures/tp_contexts.png").stat().st_size > 10_000


def test_held_layers_stay_and_the_output_learns(parts):
    settings = parts["Settings"](limit=40, hidden=(12,), epochs=1, steps=8)
    context = quiet(settings)
    data = seed_parts(context, 1)
    moved = {}
    for form, rate in (("held", 18), ("classes", 8)):
        mine = parts["own"](context, parts["Found"](form, 1), rate)
        assert mine.contrast == "classes" and mine.rate + mine.rate_offsets["delta"] == settings.output_rate
        sim = calibrated(mine, Choice("tp_chip"), data)
        before = {name: sim.weights(name) for name in ("pixels->hidden1", "hidden1->output")}
        learned(context, sim, mine, data, "")
        moved[form] = {name: np.abs(sim.weights(name) - w).mean() for name, w in before.items()}
    assert moved["held"]["pixels->hidden1"] < 0.05 * moved["classes"]["pixels->hidden1"]
    assert moved["held"]["hidden1->output"] > 0.5 * moved["classes"]["hidden1->output"] > 0


@pytest.mark.parametrize("setting", [{"batch": "1,4"}, {"classes": "2,2"}, {"classes": "0"}])
def test_a_b_without_meaning_is_refused(chipsim, setting):
    done = chipsim("run", "tp_contexts", *small(**setting))
    assert done.status == 2 and "of 2 and more in the batch form" in done.err
