"""The listing and the one-synapse walk."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from chipsim.chip import load_chip
from chipsim.fixed import Format
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.listing import listing, state_bits
from chipsim.microcode.step import Moment, step_program, step_text
from chipsim.microcode.syntax import load_rule, parse_rule

USE = Use(Format(True, 8, 7), -128, 127, Format(True, 24, 13), n_pre=784, n_post=100, engine="lines")
SHIPPED = ("stdp_pair", "stdp_triplet", "r_stdp", "decolle")


def bound(name: str, use: Use = USE):
    return bind(load_rule(name), load_chip("ideal"), use)


@pytest.mark.parametrize("name", SHIPPED)
def test_listing_names_every_line_register_and_note(name):
    program = bound(name)
    text = listing(program, USE)
    for line in program.lines:
        assert " ".join(line.text.split()) in text
    for word in [*(r.name for r in program.registers), *(n.text for n in program.notes)]:
        assert word in text
    assert max(map(len, text.splitlines())) < 180 and not any(row.endswith(" ") for row in text.splitlines())


def test_listing_of_decolle_states_cost_and_state():
    text = listing(bound("decolle"), USE)
    rows = [" ".join(row.split()) for row in text.splitlines()]
    unit, runs = "mul 8x8+shift+add+draw", "784 axons x signalled neurons, p"
    assert f"7 41 w -= d * p >> rate when p {unit} {runs} w s8.7 11..27 4..20" in rows
    assert "per axon 14 784 10976" in rows and "per synapse 8 78400 627200" in rows
    assert rows.index("on_third_factor (phase 7):") < rows.index("on_third_factor (phase 8):")
    assert state_bits(bound("decolle")) == {"pre": 14, "post": 1, "syn": 8, "layer": 0}


def test_state_counts_contexts_but_not_for_synapses():
    use = replace(USE, contexts=4)
    rows = [" ".join(row.split()) for row in listing(bound("decolle", use), use).splitlines()]
    assert f"per axon 14 784 {4 * 10976}" in rows and "per synapse 8 78400 627200" in rows


def test_walk_of_pair_stdp_by_hand():
    """pre at 1, post at 2; no randomness: rounding set to floor, rate 0."""
    text = load_rule("stdp_pair").source.replace("round=stochastic", "round=floor")
    program = bind(parse_rule(text, "t.rule"), load_chip("ideal"), replace(USE, params={"rate": 0}))
    ops = list(step_program(program, USE, (Moment(pre=1), Moment(post=1), Moment(pre=1))))
    state = {r[0]: r[1:] for r in ops[-1].registers}
    x2 = 16 * 3896 >> 12  # 15
    e = x2 * 26 >> 1  # F 12 -> 11
    w2 = e >> 4  # F 11 -> 7
    y3 = 16 * 3896 >> 12
    d = y3 * 31 >> 1
    w3 = ((w2 << 4) - d) >> 4
    assert state["w"][0] == w3 and state["x"][0] == (x2 * 3896 >> 12) + 16
    kx, a_plus, a_minus = 3896 / 4096, 26 / 256, 31 / 256
    assert state["w"][2] == pytest.approx(kx * a_plus - kx * a_minus)
    assert state["w"][1] == w3 / 128


def test_walk_tests_the_membrane_against_the_threshold_and_skips():
    ops = list(step_program(bound("decolle"), USE, (Moment(v=-0.2), Moment(v=0.6, third_factor=1))))
    psi = [op.registers[2] for op in ops if op.target == "psi"]
    assert [p[1] for p in psi] == [0, 1]
    assert [op.skipped for op in ops if op.target == "w"] == [True]


def test_epochs_and_samples_run_when_they_should():
    lines = "on_sample_start:\n    x = 2\non_epoch 2:\n    x += 1\n    w += x\non_sample_end:\n    x = 0\n"
    program = parse_rule(f"rule t\npre x : u8.4\nsyn w : weight\n{lines}", "t.rule")
    ops = list(step_program(bind(program, load_chip("ideal"), USE), USE, (Moment(),) * 5))
    assert [(op.step, op.section) for op in ops if op.target == "x"] == [
        (1, "on_sample_start"),
        (2, "on_epoch"),
        (4, "on_epoch"),
        (5, "on_sample_end"),
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_raw_value_and_twin_stay_near(name):
    """Every register of the default script: value = raw * LSB, and within a few LSB of the twin."""
    program = bound(name)
    lsb = {r.name: r.fmt.lsb for r in program.registers}
    for op in step_program(program, USE):
        for register, raw, real, twin in op.registers:
            assert real == float(Fraction(raw) * lsb[register])
            assert abs(real - twin) <= 4 * max(float(lsb[register]), 1 / 16)
    assert len(step_text(program, USE).splitlines()) > len(program.lines)
