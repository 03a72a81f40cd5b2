"""lava_agreement: a verdict for every rule, a size for what is approximated, Lava's time or a reason."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chipsim.chip import load_chip
from chipsim.experiment import load_experiment
from chipsim.library import entries
from chipsim.microcode.syntax import load_rule
from chipsim.microcode.verdict import verdict
from chipsim.open_loop.lowered import apart, rule_use
from chipsim.presets import forms

ROOT = Path(__file__).resolve().parent.parent
LAVA = importlib.util.find_spec("lava") is not None
NAME = "lava_agreement"
TINY = ("inputs=20", "size=8", "first=10", "steps=30", "repeats=1", "recordings=10")


def parts():
    """The experiment's own functions."""
    return load_experiment(NAME).run.__globals__


@pytest.mark.one_python
def test_every_refusal_names_its_line():
    why, chip = parts()["why"], load_chip("loihi2_lava")
    refused = {}
    for rule in entries("rule"):
        said = verdict(load_rule(rule), chip, rule_use(chip))
        if said.word == "refused":
            refused[rule] = why(load_rule(rule), said.reasons[0], chip)
    assert "line 34: post g : s16.12 publish: register 'g' is s16.12" in refused["bell"]
    assert "line 41" in refused["r_stdp"] and "line 43" in refused["r_stdp"]
    assert all("line " in text and ".toml" not in text for text in refused.values()), refused
    assert "sdsp" in refused and "ell" not in refused and len(refused) < len(entries("rule")) - 8


@pytest.mark.one_python
def test_what_was_measured_in_words():
    told, ideal, chip = parts()["told"], load_chip("ideal"), load_chip("loihi2_lava")
    found = told(apart(load_rule("dalton_chip"), ideal, chip, runs=10, steps=30))
    assert set(found) == {"changes (LSB)", "apart, mean", "largest", "other draws", "bias"}
    assert found["bias"][0] in "+-" and float(found["largest"]) > float(found["apart, mean"]) > 0
    none = told(apart(load_rule("tp_labels"), ideal, chip, runs=10, steps=30))
    assert none == {"changes (LSB)": "it changes no weight"}


@pytest.mark.one_python
def test_forms_are_of_shipped_rules_and_circuits():
    from chipsim.wiring import known

    for rule, made in forms(entries("experiment")[NAME]).items():
        for form in made.values():
            assert rule in entries("rule") and form.get("circuit", "readout") in known()
            assert form.get("part_of", rule) in entries("rule")


@pytest.mark.slow
def test_a_short_run(tmp_path):
    """Kernels as plain Python, so that nothing is compiled; where lava-nc is, Lava runs as well."""
    lava = () if LAVA else ("CHIPSIM_LAVA_PYTHON",)
    sets = [x for text in (*TINY, "rules=ell,sdsp,tp_chip,delta") for x in ("--set", text)]
    environment = {k: v for k, v in os.environ.items() if k not in ("CHIPSIM_PATH", *lava)}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "NUMBA_DISABLE_JIT": "1",
        "CHIPSIM_CACHE": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "chipsim", "run", NAME, "--json", "--out", "one", *sets]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    rows = {row["rule"]: row for row in told["table"]}
    assert rows["ell"]["in Lava"] == "exact" and rows["sdsp"]["in Lava"] == "refused"
    assert "line 38" in rows["sdsp"]["what or why"] and "chipsim, steps/s" not in rows["sdsp"]
    assert "contexts" in rows["tp_chip"]["chipsim, steps/s"]
    assert rows["tp_chip"]["as lines"] == rows["sdsp"]["as lines"] == "ContextNeuron, ProgramConnection"
    assert rows["delta"]["chipsim, steps/s"] == "in the network of s_tllr"
    for row in (*told["speed"], rows["ell"]):
        assert int(row["chipsim, steps/s"].replace(",", "")) > 0 and row["spikes of the layer"].endswith("%")
        assert row.get("result") == "equal" if LAVA else row["Lava, steps/s"].startswith("no lava-nc 0.10.0")
    assert (tmp_path / "one" / f"{NAME}.md").read_text().count("\n") == 6
    assert (tmp_path / "one" / "speed.md").exists()
