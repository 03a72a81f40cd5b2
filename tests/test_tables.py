"""Tables over seeds, presets, operations per sample: what stands in a row is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chipsim.errors import SettingError
from chipsim.ledger import per_sample
from chipsim.presets import forms, preset
from chipsim.tables import markdown, paired, spread, store


def test_mean_and_sample_deviation_in_percent():
    assert spread([0.97, 0.98, 0.99]) == "98.00 +- 1.00"  # divided by n - 1, not n (0.82)
    assert spread([0.5]) == "50.00" and spread([]) == "-" and spread([None, 0.5]) == "50.00"
    assert spread([1.0, 3.0], scale=1) == "2.00 +- 1.41"


def test_a_paired_difference_is_signed_and_its_error_is_of_the_mean():
    assert paired([0.97, 0.99], [0.98, 0.98]) == "+0.00 (1.00)"
    assert paired([0.9], [0.91]) == "-1.00" and paired([], []) == "-"


def test_a_row_with_keys_of_its_own_loses_none_and_bars_do_not_cut_cells():
    text = markdown([{"a": 1234567, "b": "x|y"}, {"a": True, "failed": "1: why"}, {"a": 0.123456}])
    assert text.splitlines() == [
        "| a | b | failed |",
        "|---|---|---|",
        "| 1,234,567 | x/y | - |",
        "| yes | - | 1: why |",
        "| 0.1235 | - | - |",
    ]


def test_a_stored_table_has_the_values_behind_it(tmp_path):
    text = store(tmp_path, "some", [{"a": 1}], {"seeds": [0.5, 0.25]})
    assert (tmp_path / "some.md").read_text() == text
    found = json.loads((tmp_path / "some.json").read_text())
    assert found == {"rows": [{"a": 1}], "values": {"seeds": [0.5, 0.25]}}


# ------------------------------------------------------------ presets


@pytest.fixture
def experiment(tmp_path) -> Path:
    """An experiment's path with presets beside it."""
    (tmp_path / "mine.toml").write_text(
        '[ell.chip]\nrate = 9\ntau_u_ms = "none"\n[ell.paper]\nrate = 3\n[tp.chip]\nparams = { k = 0.5 }\n'
    )
    return tmp_path / "mine.py"


def test_a_rule_takes_its_first_form_or_the_one_asked_for(experiment):
    assert preset(experiment, "ell") == {"form": "chip", "rate": 9, "tau_u_ms": None}
    assert preset(experiment, "./some/where/ell.rule", "paper") == {"form": "paper", "rate": 3}
    assert preset(experiment, "tp")["params"] == {"k": 0.5}


def test_without_a_rule_or_a_file_there_is_no_preset(experiment, tmp_path):
    """An experiment without a rule may have a setting `form` of its own."""
    assert preset(experiment, None, "paper") == {} and preset(experiment, "bell") == {}
    assert forms(tmp_path / "other.py") == {}


@pytest.mark.parametrize(
    ("rule", "form", "texts"),
    [
        ("ell", "papr", ["rule 'ell' (did you mean 'paper'?)", "its forms: chip, paper"]),
        ("bell", "chip", ["no such form of rule 'bell'", "leave form away"]),
    ],
)
def test_a_form_that_a_rule_lacks(experiment, rule, form, texts):
    with pytest.raises(SettingError) as refused:
        preset(experiment, rule, form)
    assert [x for x in texts if x not in str(refused.value)] == []


def test_a_damaged_preset_file_is_named(experiment):
    experiment.with_suffix(".toml").write_text("[ell.chip\n")
    with pytest.raises(SettingError, match=r"mine\.toml: no TOML.*\n.*remedy"):
        preset(experiment, "ell")


def test_every_shipped_preset_fits_its_experiment():
    """Its rule exists and fits, and every key is a setting with a value of its type and range."""
    from chipsim.experiment import choose_rule, load_experiment
    from chipsim.library import entries
    from chipsim.settings import make_settings

    seen = 0
    for name, path in entries("experiment").items():
        for rule, known in forms(path).items():
            loaded = load_experiment(name)
            if loaded.declared.rules:
                assert choose_rule(loaded, rule) == rule
                for form in known:
                    assert make_settings(loaded.settings, [], preset(path, rule, form)).form == form
                    seen += 1
            assert rule in entries("rule")
    assert seen >= 10


# ------------------------------------------------------------ operations per sample


def test_operations_are_per_sample_and_by_purpose():
    """Writes are no operations; a rule's look-ups are lines already, a circuit's are counted."""
    learned = {
        "inference": {"synaptic_event": 60, "neuron_update_active": 30, "spike": 99},
        "learning": {"micro_op": 20, "table_lookup": 7, "weight_write": 99},
        "error": {"circuit_add": 5, "circuit_multiply": 10, "table_lookup": 5},
    }
    other = {"name": "b", "ledger": {"inference": {"synaptic_event": 10}}}
    summary = {
        "layers": [{"ledger": learned, "evaluation": {"inference": {"synaptic_event": 8}}}, other],
        "memory": [
            {"purpose": "weights", "count": 10, "bits_each": 8},
            {"purpose": "weights", "count": 1, "bits_each": 4},
            {"purpose": "error", "count": 3, "bits_each": 7},
        ],
    }
    found = per_sample(summary, learned=10, tested=4)
    assert found["learned"] == {"inference": 10.0, "learning": 2.0, "error": 2.0}
    assert found["tested"] == {"inference": 2.0, "learning": 0.0, "error": 0.0}
    assert found["memory_bits"] == {"weights": 84, "error": 21}
    assert per_sample(summary, 0, 0)["learned"]["inference"] == 0.0
