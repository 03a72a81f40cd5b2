"""Binding: formats, folded constants, operands, notes, and the 62-bit proof."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import pytest

from chipsim.chip import load_chip
from chipsim.errors import ChipsimError, LimitError
from chipsim.fixed import Format, fold
from chipsim.library import entries
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.operands import decay
from chipsim.microcode.syntax import load_rule, parse_rule

USE = Use(Format(True, 8, 7), -127, 127, Format(True, 24, 13), n_pre=3, n_post=2, engine="lines")
SHIPPED = tuple(entries("rule"))


@pytest.fixture(scope="module")
def ideal():
    return load_chip("ideal")


def rule(lines: str, declarations: str = ""):
    text = f"rule t\npre x : u4.2\npost y : s4.1\nsyn w : weight\n{declarations}on_sample_start:\n    x = 1\n"
    return parse_rule(f"{text}    y = 1\n    w += x\n{lines}", "t.rule")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("chip", ["ideal", "loihi1", "loihi2"])
def test_shipped_rules_bind_where_the_chip_has_their_signal(name, chip):
    program = load_rule(name)
    if chip == "loihi1" and "third_factor" in {i.source for i in program.inputs}:
        with pytest.raises(LimitError, match="needs per_post_neuron; chip loihi1 gives global_reward"):
            bind(program, load_chip(chip), USE)
        return
    if chip == "loihi2" and name in ("eprop_reckon", "decolle_paper", "bell"):
        with pytest.raises(LimitError, match="register .* is [us]1[26].*; .* registers of chip loihi2 hold"):
            bind(program, load_chip(chip), USE)
        return
    bound = bind(program, load_chip(chip), USE)
    assert [x.ordinal for x in bound.lines] == list(range(len(program.lines)))
    assert all(0 <= x.exact_bound < 2**62 for x in bound.lines)
    if name != "tp_labels":
        assert (bound.weight.lo, bound.weight.hi) == (-127, 127)
    assert not [n for n in bound.notes if n.kind == "narrowed"]


def test_decay_is_exp_to_many_digits():
    assert float(decay(Fraction(20), Fraction(1))) == pytest.approx(math.exp(-1 / 20), abs=1e-15)
    assert abs(decay(Fraction(1), Fraction(1)) ** -1 - decay(Fraction(-1), Fraction(1))) < Fraction(1, 10**30)


def test_constants_follow_the_step_and_are_noted(ideal):
    one, two = (bind(load_rule("decolle"), ideal, replace(USE, dt_ms=Fraction(dt))) for dt in (1, 2))
    raw = dict((name, value) for name, _, value in one.consts)
    assert raw == {"k_a": round(math.exp(-1 / 33) * 4096), "k_b": round(math.exp(-1 / 12) * 4096)}
    assert two.consts[0][2] == round(math.exp(-2 / 33) * 4096)
    assert any("'k_a' = 0.970152 is 0.970215 in u12.12" in n.text for n in one.notes)


def test_a_const_and_a_param_can_be_set(ideal):
    bound = bind(load_rule("decolle"), ideal, replace(USE, params={"k_a": 0.9, "rate": 7}))
    operand = bound.lines[0].b
    assert (operand.raw, operand.exact) == (round(0.9 * 4096), Fraction(9, 10))
    assert bound.params[0].raw == 7
    assert bound.lines[-1].drop({"rate": 7}) == 7 + 4 + 7 - 7


def test_operands_have_owner_format_and_context(ideal):
    bound = bind(load_rule("decolle"), ideal, USE)
    d, p, w = bound.section("on_third_factor")
    assert (d.a.kind, d.a.owner, str(d.a.fmt), d.a.source, d.a.per_context) == (
        "input",
        "post",
        "s8.7",
        "third_factor",
        True,
    )
    assert (w.a.owner, w.b.owner, w.when.name, bound.phase7) == ("post", "pre", "p", 2)
    assert not w.target.per_context and d.target.per_context and p.target.temp
    reward = bind(load_rule("r_stdp"), ideal, USE).section("on_third_factor")[0].b
    assert (reward.owner, reward.per_context, str(reward.fmt)) == ("layer", False, "s8.4")


def test_numbers_take_the_format_of_their_place(ideal):
    text = "on_epoch 1:\n    x += 1\n    b = y >= 0.5\n    y = max(y, -1)\n    x = 0.75 when b2\n"
    bound = bind(rule(text.replace("b2", "x"), "post b : u1.0\n"), ideal, USE)
    lines = bound.section("on_epoch")
    assert [(str(x.fmt), x.raw) for x in (lines[0].a, lines[1].b, lines[2].b, lines[3].a)] == [
        ("u4.2", 4),
        ("s4.1", 1),
        ("s4.1", -2),
        ("u4.2", 3),
    ]


def test_narrow_cuts_low_bits_and_says_so():
    text = "rule n\npre x : u10.6 round=stochastic\nsyn w : weight\non_pre:\n    w += x\n    x += 1\n"
    chip = load_chip("loihi2")
    with pytest.raises(LimitError, match="'x' is u10.6, 10 bits; pre registers of chip loihi2 hold 7 bits"):
        bind(parse_rule(text, "n.rule"), chip, USE)
    bound = bind(parse_rule(text, "n.rule"), chip, replace(USE, fit="narrow"))
    assert str(bound.register("x").fmt) == "u7.3"
    assert [n.text for n in bound.notes if n.kind == "narrowed"] == [
        "'x' u10.6 -> u7.3: 3 low bits cut, range kept"
    ]
    assert bound.lines[1].a.raw == 8


def test_a_format_override_reaches_every_line(ideal):
    bound = bind(load_rule("stdp_pair"), ideal, replace(USE, formats={"x": Format(False, 12, 8)}))
    uses = [x for line in bound.lines for x in (line.target, line.a) if x is not None and x.name == "x"]
    assert len(uses) == 4 and {str(x.fmt) for x in uses} == {"u12.8"}


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("w += y * x >> 2", {}),
        ("w -= y * x >> 2", {"contexts": 3}),
        ("w += y << 9", {}),
        ("y = y * y", {}),
        ("w = x - y", {}),
        ("b = y > y", {}),
        ("y += -y >> 3", {}),
        ("total += y", {"contexts": 2}),
    ],
)
def test_exact_bound_holds_for_every_value(ideal, line, use):
    """The bound against all values of the small formats, all contributions at their worst."""
    extra = "post b : u1.0\nlayer total : s16.2\n"
    filler = "    b = 1\n    total += x\n"
    program = rule(f"{filler}on_epoch 1:\n    {line}\n", extra)
    use = replace(USE, weight=Format(True, 4, 3), w_lo=-8, w_hi=7, **use)
    bound = bind(program, ideal, use)
    x = bound.lines[-1]
    spans = [range(o.fmt.lo, o.fmt.hi + 1) if o else (1,) for o in (x.a, x.b)]
    n = x.drop({})
    many = {"w": use.contexts, "total": use.contexts * use.n_post}.get(x.target.name, 1)
    worst = 0
    for a, b in itertools.product(*spans):
        e = abs(a * b) if x.form == "scale" else max(abs(_aligned(x, a, b)), 0)
        old = 0 if x.mode == "=" else max(abs(x.target.lo), x.target.hi)
        worst = max(worst, (old << max(n, 0)) + (many * e << max(-n, 0)))
    assert worst <= x.exact_bound <= 2 * worst


def _aligned(x, a, b):
    frac = max(x.a.fmt.frac, x.b.fmt.frac)
    a, b = a << (frac - x.a.fmt.frac), b << (frac - x.b.fmt.frac)
    return a - b if x.form == "sub" else max(abs(a), abs(b))


def test_engines_that_run_no_rule(ideal):
    for engine, why in (
        ("none", "no learning engine"),
        ("unknown", "not public"),
        ("fixed", "fixed hardware"),
    ):
        with pytest.raises(LimitError, match=why):
            bind(load_rule("stdp_pair"), ideal.model_copy(update={"engine": engine}), USE)


def test_several_contexts_refuse_a_tag_written_by_equals_but_not_per_context(ideal):
    many = replace(USE, contexts=2)
    with pytest.raises(ChipsimError, match="'t' is stored once for 2 contexts"):
        bind(load_rule("r_stdp"), ideal, many)
    text = load_rule("r_stdp").source.replace("s9.7    round=stochastic", "s9.7 round=stochastic per context")
    assert bind(parse_rule(text, "r.rule"), ideal, many).register("t").per_context


def test_strict_allows_decay_but_no_inexact_number(ideal):
    text = "rule s\nconst k : u8.8 = decay(20 ms)\npre x : u7.4\nsyn w : weight\n"
    text += "on_step:\n    x = x * k\n    w += x\n"
    bind(parse_rule(text, "s.rule"), ideal, replace(USE, strict=True))
    with pytest.raises(ChipsimError, match="strict: 1.01 = 1.01 is 1 in u7.4"):
        bind(parse_rule(text + "    x += 1.01\n", "s.rule"), ideal, replace(USE, strict=True))


def test_weight_starts_and_folds_are_exact(ideal):
    bound = bind(rule("    y = 0.5\n"), ideal, USE)
    assert bound.lines[-1].a.raw == fold(Fraction(1, 2), Format(True, 4, 1)).raw == 1
