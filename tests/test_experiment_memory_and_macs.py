"""memory_and_macs: formulas by hand, counts by other counters, and a reason in every row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chipsim.chip import EVENTS
from chipsim.experiment import load_experiment
from chipsim.ledger.formulas import FORMULAS, Shape
from chipsim.library import entries
from chipsim.presets import forms

TINY = ("hidden=12,8", "samples=6", "limit=60", "steps=10")
SHAPE = Shape(((64, 32), (32, 24)), 10, 20, 5)


def tiny(*more: str) -> list[str]:
    """--set for every text."""
    return [text for setting in (*TINY, *more) for text in ("--set", setting)]


def test_the_sums_of_a_shape():
    assert (SHAPE.synapses, SHAPE.axons, SHAPE.neurons) == (64 * 32 + 32 * 24, 96, 56)
    assert (SHAPE.upper, SHAPE.top, SHAPE.each) == (768, 240, 560)


def test_s_tllr_is_2_sum_n_and_3_per_synapse_and_learned_step():
    f = FORMULAS["s_tllr"]
    assert f.words(SHAPE) == 2 * 56
    assert f.outer(SHAPE) + f.tags(SHAPE) + f.error(SHAPE) == 3 * 5 * (64 * 32 + 32 * 24)


def test_formulas_of_the_other_families_by_hand():
    assert FORMULAS["decolle"].words(SHAPE) == 2 * 96 + 56
    assert FORMULAS["decolle"].bits(SHAPE) == 24 * 96 + 20 * 56 + 8 * 560
    assert FORMULAS["decolle"].error(SHAPE) == 25 * 560
    assert FORMULAS["fell_exact"].words(SHAPE) == 2816 and FORMULAS["fell_exact"].tags(SHAPE) == 20 * 2816
    assert FORMULAS["bell"].words(SHAPE) == 20 * (96 + 112)
    assert FORMULAS["dalton_copy"].bits(SHAPE) - FORMULAS["dalton"].bits(SHAPE) == 8 * 768
    b4 = Shape(SHAPE.layers, 10, 20, 20, inputs=4, targets=4)
    assert FORMULAS["tp"].words(b4) == 2 * 4 * 56
    assert FORMULAS["tp"].bits(b4) == 8 * 34 * 56 + 32 * 16 * 2 + 8 * 10 * 32 + 8 * 240 + 24 * 10


def test_every_form_has_a_formula_and_a_rule():
    known = forms(entries("experiment")["memory_and_macs"])
    assert {"decolle", "ell", "fell_exact", "dalton", "s_tllr", "eprop"} <= set(known)
    for rule, own in known.items():
        assert rule in entries("rule")
        for settings in own.values():
            assert settings.get("formula", rule) in FORMULAS


@pytest.mark.one_python
def test_counts_agree_with_other_counters_and_stay_below_the_dense_formula(chipsim):
    rows = "rows=decolle_paper.paper,fell_exact.paper,dalton.copy"
    done = chipsim("run", "memory_and_macs", "--json", "--out", "one", *tiny(rows))
    assert done.status == 0, done.err
    told = json.loads(done.out)
    macs = {row["rule"]: row for row in told["macs"]}
    memory = {row["rule"]: row for row in told["memory"]}
    synapses, steps = 64 * 12 + 12 * 8, 10
    for name, row in macs.items():
        assert row["updates, formula"] == steps * synapses
        assert 0 < row["updates, counted"] <= row["updates, formula"]
        assert row["S-TLLR: 3 (T - T_l) sum N N"] == 3 * steps * synapses
        assert len(row["why they differ"]) > 20 and len(memory[name]["why they differ"]) > 20
        counted = told["counters"][name]["weights"]
        into = sum(w["evaluated"] for c, w in counted.items() if c in ("pixels->hidden1", "hidden1->hidden2"))
        assert row["updates, counted"] == pytest.approx(into / 6, abs=0.5)
    # a tag decays in every step, and takes up every spike that arrives
    arrived = told["counters"]["fell_exact.paper"]["connections"]
    arrived = sum(arrived[c]["synaptic_events"] for c in ("pixels->hidden1", "hidden1->hidden2")) / 6
    assert macs["fell_exact.paper"]["tags, counted"] == pytest.approx(steps * synapses + arrived, abs=0.5)
    assert macs["decolle_paper.paper"]["tags, counted"] == 0
    assert memory["fell_exact.paper"]["words, registers"] == synapses + 2 * 20  # psi and delta
    assert memory["decolle_paper.paper"]["words, registers"] == 2 * (64 + 12) + 20
    copied = memory["dalton.copy"]
    assert copied["per axon"] == "0 / 0" and copied["ledger (kbit)"] > 8 * 12 * 8 / 1000
    assert Path("one/memory.md").read_text().count("\n") == 5
    assert Path("one/figures/memory_and_macs.png").stat().st_size > 10_000


def test_burn_in_is_the_papers_t_l(chipsim):
    done = chipsim("run", "memory_and_macs", "--json", *tiny("rows=s_tllr.paper", "burn_in=7"))
    (row,) = json.loads(done.out)["macs"]
    assert row["learned steps"] == 3
    assert row["all, formula"] == row["S-TLLR: 3 (T - T_l) sum N N"] == 9 * (64 * 12 + 12 * 8)
    assert row["all, counted"] < row["all, formula"]


def test_an_unknown_form_is_refused(chipsim):
    done = chipsim("run", "memory_and_macs", *tiny("rows=decolle.papr"))
    assert done.status == 2 and "did you mean" in done.err.lower() and "decolle_paper.paper" in done.err


def test_what_is_counted_are_events_of_the_ledger():
    parts = load_experiment("memory_and_macs").run.__globals__
    assert set(parts["ADDED"]) <= set(EVENTS)
