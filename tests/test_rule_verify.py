"""The verifier's notes against brute force and hand-made cases."""

from __future__ import annotations

import random

import pytest

from chipsim.chip import load_chip
from chipsim.conformance import random_case
from chipsim.fixed import Format, shift_round, write
from chipsim.library import entries
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.step import Moment, step_program
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.microcode.verify import _analyse, verify

USE = Use(Format(True, 8, 7), -128, 127, Format(True, 24, 13), engine="lines")


@pytest.fixture(scope="module")
def ideal():
    return load_chip("ideal")


def notes(ideal, declarations: str, lines: str, kind: str, **use) -> list[str]:
    program = parse_rule(f"rule t\n{declarations}\n{lines}", "t.rule")
    setting = Use(USE.weight, USE.w_lo, USE.w_hi, USE.v, **use)
    return [n.text for n in verify(bind(program, ideal, setting), setting) if n.kind == kind]


TRACE = "const k : u8.8 = 0.9375\npre x : u8.0 round={}\nsyn w : weight round=stochastic"
DECAY = "on_step:\n    x = x * k\non_pre:\n    x += 16\n    w += x >> 12\n"


@pytest.mark.parametrize("rounding", ["nearest", "floor", "trunc", "stochastic"])
def test_a_decay_that_sticks_is_found_with_its_value(ideal, rounding):
    found = notes(ideal, TRACE.format(rounding), DECAY, "sticking")
    fmt = Format(False, 8, 0)
    same = rounding != "stochastic"
    stuck = [v for v in range(1, 256) if same and write(v * 240, 8, fmt, rounding, "saturate").raw == v]
    assert bool(found) == bool(stuck)
    if stuck:
        assert f"sticks at {max(stuck)} (raw {max(stuck)})" in found[0]


def test_a_negative_trace_sticks_under_floor(ideal):
    text = "const k : u8.8 = 0.75\npost y : s8.4 round=floor\nsyn w : weight round=stochastic"
    lines = "on_step:\n    y = y * k\non_post:\n    y += -1\n    w += y >> 4\n"
    assert "(raw -3)" in notes(ideal, text, lines, "sticking")[0]


def test_shift_subtract_sticks_below_its_shift(ideal):
    text = "pre x : u8.4\ntemp d per pre : u8.4 round=floor\nsyn w : weight round=stochastic"
    lines = "on_step:\n    d = x >> 5\n    x -= d\non_pre:\n    x += 1\n    w += x >> 9\n"
    assert "(raw 31)" in notes(ideal, text, lines, "sticking")[0]


@pytest.mark.parametrize("rounding", ["floor", "trunc", "nearest", "stochastic"])
@pytest.mark.parametrize("sign", ["+", "-"])
@pytest.mark.parametrize("shift", [2, 3, 4, 5])
def test_zero_updates_are_exactly_the_ones_brute_force_finds(ideal, rounding, sign, shift):
    """w (4 bits) += x >> shift, x in 0..7: never any change <=> the note is there."""
    text = f"pre x : u3.0\nsyn t : s4.0 round={rounding}\n"
    lines = f"on_sample_start:\n    x = random\non_pre:\n    t {sign}= x >> {shift}\n"
    lines += "    t += 7 when x\n    t -= 7 when x\n"
    found = [n for n in notes(ideal, text, lines, "range") if "always rounded to nothing" in n]
    sizes = [x if sign == "+" else -x for x in range(8)]
    changed = any(
        shift_round((old << shift) + e, shift, rounding, draw) != old
        for e in sizes
        for old in range(-8, 8)
        for draw in (0, (1 << shift) - 1)
    )
    assert bool(found) != changed


def test_one_sided_rounding_is_named(ideal):
    text = "pre x : u3.0\nsyn w : weight round=floor\n"
    lines = "on_sample_start:\n    x = 1\non_pre:\n    w -= x >> 12\n"
    found = notes(ideal, text, lines, "range")
    assert any("makes every step downwards a whole LSB" in n for n in found)


def test_saturation_is_reported_only_where_it_can_happen(ideal):
    text = "const k : u8.8 = 0.5\npre x : u8.4\nsyn w : weight round=stochastic"
    step = "on_step:\n    x = x * k\non_pre:\n    x += {}\n    w += x >> 12\n"
    assert notes(ideal, text, step.format(7), "range") == []  # converges to 14 < 15.9
    (found,) = notes(ideal, text, step.format(9), "range")
    assert found.startswith("'x' saturates: `x += 9` can reach 16.9")  # 7.9 + 9


def test_wrap_is_called_wrap(ideal):
    text = "pre x : u4.0 overflow=wrap\nsyn w : weight round=stochastic"
    (found,) = notes(ideal, text, "on_pre:\n    x += 1\n    w += x >> 12\n", "range")
    assert found == "'x' wraps: `x += 1` can reach 16, u4.0 ends at 15"


def test_short_draw(ideal):
    text = "param r : shift = 30\npre x : u8.4\nsyn w : weight round=stochastic"
    lines = "on_pre:\n    x = 1\n    w += x >> r\n"
    assert notes(ideal, text, lines, "range") == []
    (found,) = notes(ideal, text.replace("= 30", "= 36"), lines, "range")
    assert "drops 33 bits; a draw has 32, so the lowest 1 bits" in found


def test_dead_register(ideal):
    text = "pre x : u8.4\npre z : u8.4\nsyn w : weight"
    lines = "on_pre:\n    x = 1\n    z = 1\n    w += x\n"
    assert notes(ideal, text, lines, "dead") == ["'z' is written and never read"]


@pytest.mark.parametrize("name", entries("rule"))
def test_shipped_rules_neither_stick_nor_round_everything_away(ideal, name):
    found = verify(bind(load_rule(name), ideal, USE), USE)
    assert {n.kind for n in found} <= {"range"}
    assert all("saturates" in n.text for n in found)


@pytest.mark.parametrize("seed", range(8))
def test_no_run_leaves_its_interval(seed):
    """Random legal rules, random scripts: every written value lies in what the analysis allows."""
    rng = random.Random(seed)
    for connection in random_case(seed, 5).plan().connections:
        program = connection.program
        if program is None:
            continue
        shifts = {p.name: p.raw for p in program.params if p.kind == "shift"}
        seen = _analyse(program, USE, shifts)
        script = [
            Moment(rng.random() < 0.5, rng.random() < 0.5, rng.uniform(-2, 2), rng.choice((0, 0.5, -1)), -8)
            for _ in range(40)
        ]
        for op in step_program(program, USE, script, seed):
            target = program.register(op.target)
            lo, hi = seen[op.ordinal].result
            if op.skipped or (target.overflow == "wrap" and not target.lo <= lo <= hi <= target.hi):
                continue
            raw = next(r[1] for r in op.registers if r[0] == op.target)
            assert min(max(lo, target.lo), target.hi) <= raw <= min(max(hi, target.lo), target.hi)
