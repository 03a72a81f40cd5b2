"""Lines whose meaning a chip's order of phases changes are told."""

from __future__ import annotations

import pytest

from chipsim.chip import load_chip
from chipsim.lava.text import lava_text
from chipsim.microcode.bind import bind
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.microcode.verdict import default_use, verdict
from chipsim.open_loop.lowered import apart

pytestmark = pytest.mark.one_python
LAVA = load_chip("loihi2_lava")
TEXT = """rule early
in v from neuron.v
pre  x : u7.4
post f : u7.4
syn  w : weight
on_step:
    f = f * 0.5
on_pre:
    w += f * x when x
    x += 1
on_membrane:
    f += 1
""".replace("    f = f * 0.5\n", "    f = f >> 1\n")


def told(program, chip: str, **options: object) -> list[tuple[int, str]]:
    """(line, text) of the notes about the order."""
    chip = load_chip(chip)
    notes = bind(program, chip, default_use(chip, **options)).notes
    return [(n.line, n.text) for n in notes if "fires before" in n.text]


def test_a_decay_after_the_membrane_is_told():
    program = load_rule("s_tllr_chip")
    assert [line for line, _ in told(program, "loihi2_lava")] == [44, 45]
    assert told(program, "ideal") == [] and told(load_rule("decolle"), "loihi2_lava") == []
    (only,) = told(load_rule("s_tllr"), "loihi2")
    assert only == (37, "chip loihi2 fires before on_step: 'psi' is this step's, not the previous one's")


def test_every_section_before_fire_is_looked_at():
    found = told(parse_rule(TEXT, "early.rule"), "loihi2_lava", engine="lines")
    assert [line for line, _ in found] == [7, 9]
    assert "on_membrane writes 'f' before this line" in found[0][1] and "'f' is this step's" in found[1][1]
    assert told(parse_rule(TEXT, "early.rule"), "ideal") == []


def test_a_chips_own_rule_is_as_its_engine_has_it():
    assert told(load_rule("eprop_reckon"), "reckon") == [] and told(load_rule("sdsp"), "odin") == []


def test_it_is_an_approximation_and_shows_in_the_open_loop():
    """f = f * 0 after the membrane wrote it: the causal term is gone, the difference as large as the rule."""
    said = verdict(load_rule("s_tllr_chip"), LAVA)
    assert said.word == "approximated" and any("fires before on_step" in x for x in said.reasons)
    assert "approximated: line 44: chip loihi2_lava fires before on_step" in lava_text("s_tllr_chip")
    found = apart(load_rule("s_tllr_chip"), load_chip("ideal"), LAVA, runs=40)
    assert found.mean > 0.8 * found.change and found.mean > 5 * found.noise
