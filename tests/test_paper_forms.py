"""Paper forms on MNIST: the committed table against the committed float runs, and both against the code.

The float runs (tests/golden/paper_forms.json) are PyTorch's: benchmarks/paper_forms/run.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chipsim.experiment import load_experiment
from chipsim.presets import preset
from chipsim.settings import make_settings

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "results" / "rules_compared_paper" / "rules_compared_paper.json"
GOLDEN = json.loads((ROOT / "tests" / "golden" / "paper_forms.json").read_text(encoding="utf-8"))["forms"]
VALUES = json.loads(RESULT.read_text(encoding="utf-8"))["values"]
LIMIT = 0.005
TABLED = list(dict.fromkeys(x["rule"] for x in VALUES))
# 8 bits further than LIMIT from the ideal twin: a miss, not another bar; why stands beside the table
MISSED = {"dalton": "0.61 points above its twin, standard error 0.40"}


def _means(rule: str) -> dict[str, float]:
    cells = [x["accuracy"] for x in VALUES if x["rule"] == rule and x["bits"] == 8]
    assert len(cells) == 3
    return {name: float(np.mean([x[name] for x in cells])) for name in ("test", "twin")}


def _settings(rule: str):
    experiment = load_experiment("mnist")
    return make_settings(experiment.settings, ["form=paper"], preset(experiment.path, rule, "paper"))


@pytest.mark.parametrize("rule", TABLED)
def test_the_twin_is_where_its_float_run_is(rule):
    assert abs(_means(rule)["twin"] - float(np.mean(GOLDEN[rule]["test"]))) <= LIMIT


def _expected(rule: str):
    marks = pytest.mark.xfail(reason=MISSED[rule], strict=True) if rule in MISSED else ()
    return pytest.param(rule, marks=marks)


@pytest.mark.parametrize("rule", [_expected(rule) for rule in TABLED])
def test_eight_bits_are_where_the_twin_is(rule):
    found = _means(rule)
    assert abs(found["test"] - found["twin"]) <= LIMIT


@pytest.mark.parametrize("rule", sorted(GOLDEN))
def test_the_float_runs_are_of_the_present_presets(rule):
    stored, now = GOLDEN[rule]["settings"], _settings(rule).model_dump(mode="json")
    about = {"label", "controls", "twin"}
    assert {k: now[k] for k in stored if k not in about} == {k: stored[k] for k in stored if k not in about}


def test_a_form_of_less_than_half_right_has_no_figure():
    for rule in TABLED:
        assert float(np.mean(GOLDEN[rule]["test"])) > 0.5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.one_python
def test_a_cell_of_the_table_again(tmp_path):
    data = os.environ.get("CHIPSIM_DATA")
    if not data:
        pytest.skip("CHIPSIM_DATA names no folder with MNIST")
    sets = ["form=paper", "controls=false", "weight.bits=8", "twin=ideal"]
    arguments = ["run", "mnist", "--rule", "ell", "--chip", "ideal", "--seed", "1", "--data", data, "--json"]
    arguments += [part for x in sets for part in ("--set", x)] + ["--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-m", "chipsim", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    cell = next(x for x in VALUES if x["rule"] == "ell" and x["seed"] == 0)
    assert found["digest"] == cell["digest"]
    assert abs(found["accuracy"]["twin"] - cell["accuracy"]["twin"]) < 0.003
