"""one_rule_many_chips: every pair has its verdict; numbers stand only where something ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chipsim.chip import load_chip
from chipsim.experiment import choose_rule, load_experiment
from chipsim.library import entries
from chipsim.microcode.syntax import load_rule
from chipsim.microcode.verdict import verdict
from chipsim.presets import forms
from chipsim.settings import make_settings

pytestmark = pytest.mark.one_python
NAME = "one_rule_many_chips"
NUMBERS = ("test", "operations a learned sample", "energy a learned sample", "memory (kbit)")


def parts():
    """The experiment's own functions."""
    return load_experiment(NAME).run.__globals__


def table():
    return forms(entries("experiment")[NAME])


def test_every_rule_has_a_row_in_the_settings_file():
    known = set(table())
    assert known == set(entries("rule"))
    for rule, made in table().items():
        for form in made.values():
            assert len({"experiment", "part_of", "why"} & set(form)) == 1, rule
            assert form.get("part_of", rule) in known


def test_its_experiments_take_the_rules_and_settings():
    """Every run of the table would start: the rule fits there, and every key is one of its settings."""
    own, assignments, size = parts()["own"], parts()["assignments"], parts()["SIZES"]
    for rule in entries("rule"):
        for form in table()[rule].values():
            if "experiment" in form:
                experiment = load_experiment(form["experiment"])
                assert choose_rule(experiment, rule) == rule
                made = make_settings(experiment.settings, assignments(size[form["experiment"]] | form))
                assert made.twin is False if hasattr(made, "twin") else True
    for name in size:  # with what a chip needs, too: all of them are mapped without learning
        for chip in entries("chip"):
            make_settings(
                load_experiment(name).settings, assignments(size[name] | parts()["_of_chip"](name, chip))
            )
    assert own("eprop_reckon", "reckon")["output_rule"] == "eprop_reckon"
    assert "output_rule" not in own("eprop_reckon", "ideal")
    assert own("no_such_rule", "ideal") == {}


def test_settings_as_texts():
    made = {
        "rate": 3,
        "twin": False,
        "hidden": [4, 2],
        "params": {"k": 0.5},
        "label": "x",
        "tau_u_ms": "none",
    }
    assert parts()["assignments"](made) == [
        "rate=3",
        "twin=false",
        "hidden=4,2",
        "params.k=0.5",
        "tau_u_ms=none",
    ]


def test_energy_in_words():
    joules = parts()["joules"]
    assert joules(None) is None and joules({"J": None}) == "unpriced"
    assert joules({"J": 1.5e-6, "is_lower_bound": False}) == "1.5 uJ".replace("u", "µ") or "1.5 uJ"
    assert joules({"J": 1.5e-6, "is_lower_bound": True}).startswith("at least 1.5")


def test_verdicts_and_mapping_without_a_run(chipsim):
    rules, chips = "ell_chip,sdsp,tp_labels", "ideal,loihi1,odin,truenorth"
    sets = ["--set", f"rules={rules}", "--set", f"chips={chips}", "--set", "learn=false"]
    done = chipsim("run", NAME, "--json", "--out", "one", *sets)
    assert done.status == 0, done.err
    rows = {(row["rule"], row["chip"]): row for row in json.loads(done.out)["table"]}
    assert len(rows) == 12
    for (rule, chip), row in rows.items():
        assert row["verdict"] == verdict(load_rule(rule), load_chip(chip)).word
        assert row["not run"] and not any(key in row for key in NUMBERS)
        assert "/" not in (row.get("fits") or "") + row["not run"]  # no path of a machine
    assert rows["ell_chip", "loihi1"]["fits"] == "1 core(s) (without learning)"
    assert "global_reward" in rows["ell_chip", "loihi1"]["how or why"]
    assert rows["ell_chip", "truenorth"]["fits"] == "2 core(s) (without learning)"
    assert rows["sdsp", "odin"]["verdict"] == "approximated"
    assert rows["sdsp", "odin"]["fits"] == "1 core(s) (without learning)"
    assert rows["tp_labels", "ideal"]["not run"] == "runs inside the network of tp_chip"
    assert "refused here" in rows["tp_labels", "loihi1"]["not run"]
    assert Path("one/matrix.md").read_text().count("\n") == 5
    assert Path("one/figures/one_rule_many_chips.png").stat().st_size > 5_000


def test_a_pair_that_runs_has_its_numbers(chipsim):
    tiny = "sets=hidden=6,epochs=1,steps=4"
    sets = ["--set", "rules=decolle", "--set", "chips=spinnaker1", "--set", tiny]
    done = chipsim("run", NAME, "--json", "--out", "one", *sets)
    assert done.status == 0, done.err
    (row,) = json.loads(done.out)["table"]
    assert row["verdict"] == "accepted" and row["fits"] == "1 core(s)" and "not run" not in row, str(row)
    stored = json.loads(Path("one/one_rule_many_chips.json").read_text())
    (run,) = stored["values"]["runs"]
    assert row["test"] == f"{100 * run['accuracy']['test']:.2f}"
    assert row["operations a learned sample"] == round(sum(run["per_sample"]["learned"].values())) > 0
    cost = run["cost"]["per_learned_sample"]
    assert row["energy a learned sample"].startswith("at least ") == cost["is_lower_bound"]
    assert cost["J"] > run["cost"]["per_inference"]["J"] > 0


def test_unknown_names_are_refused(chipsim):
    done = chipsim("run", NAME, "--set", "rules=decole")
    assert done.status == 2 and "did you mean 'decolle'" in done.err
    done = chipsim("run", NAME, "--set", "chips=loihi3")
    assert done.status == 2 and "loihi1" in done.err
