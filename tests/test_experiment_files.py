"""What every experiment file says about itself, and that only fitting rules run."""

from __future__ import annotations

import pytest

from chipsim.experiment import declared, load_experiment
from chipsim.library import entries

WRONG = {
    "stdp_window": "decolle",
    "stdp_digits": "r_stdp",
    "r_stdp_cue": "stdp_pair",
    "rounding_noise": "stdp_pair",
    "stream": "stdp_pair",
    "update_instant": "stdp_pair",
    "memory_and_macs": "decolle",
    "tp_contexts": "decolle",
    "depth": "decolle",
    "ecg": "stdp_pair",
    "gesture": "tp",
    "nmnist": "r_stdp",
    "odin_digits": "stdp_pair",
    "spoken_digits": "stdp_pair",
}
STARTERS = {"digits", "mnist"}  # described in the README


@pytest.mark.parametrize("name", sorted(set(entries("experiment")) - STARTERS))
def test_the_docstring_tells_what_a_reader_needs(name):
    doc = load_experiment(name).doc
    assert "Paper" in doc or "Data: " in doc
    for word in ("Compared", "Expected", "eed", "Run time", "Scaled down"):
        assert word in doc, f"{name} does not say: {word}"
    assert len(doc.splitlines()[0]) <= 110


@pytest.mark.parametrize(("name", "rule"), WRONG.items())
def test_a_rule_that_does_not_fit_is_refused_with_those_that_do(chipsim, name, rule):
    done = chipsim("run", name, "--rule", rule)
    assert done.status == 2 and "does not fit" in done.err
    for fitting in declared(entries("experiment")[name]).rules:
        assert fitting in done.err


@pytest.mark.parametrize("name", sorted(set(entries("experiment")) - STARTERS))
def test_from_is_refused_where_it_would_be_ignored(chipsim, here, name):
    from chipsim.run_folder import RunFolder

    RunFolder.create("earlier", here / "earlier").finish()
    done = chipsim("run", name, "--from", here / "earlier")
    assert done.status == 2 and "leave out --from" in done.err


def test_only_files_that_define_evaluate_can_be_evaluated():
    """Several import a function of that name."""
    able = {name for name in entries("experiment") if load_experiment(name).evaluate is not None}
    assert able == STARTERS
