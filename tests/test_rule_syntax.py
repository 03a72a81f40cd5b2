"""What the grammar makes of legal text: every form, every option, both rules of the definition."""

from __future__ import annotations

from fractions import Fraction

import pytest

from chipsim.errors import SettingError
from chipsim.fixed import Format
from chipsim.microcode.program import ProductFactor
from chipsim.microcode.syntax import load_rule, parse_rule

HEAD = """# Header.
# Second row.
rule all_forms
param rate : shift = 4 in 0..12   # comment
param g : s8.6 = -1.0
const c : u8.8 = 7e-1
const p : u8.8 = 2^-3
const k : u12.12 = decay(20 ms)
in v from neuron.v
in m from third_factor.2
table f(v) : u5.5 = steps(-0.5: 0, 0: 1, 0.5: 0)
table h : u5.5 = atan(centre=0.25, reach=2.0, segments=4, slope=2)
pre a : u8.4 = 1.5 keep
post b : s8.-2 publish round=floor overflow=wrap
post bit : u1.0
syn w : weight round=stochastic
syn t : s8.12 per context
temp d per post : s16.11
layer total : s32.4
"""


def line(text: str, section: str = "on_third_factor"):
    """The one line of a program with the declarations above; every register is written elsewhere."""
    rest = """on_sample_start:
    a = 1
    b = 1
    bit = 1
    w += 1
    t = 1
    d = 1
    b += k >> rate
    total += b
    b = b * g
"""
    program = parse_rule(f"{HEAD}{rest}\n{section}:\n    d = m * c\n    {text}\n", "x.rule")
    return program.lines[-1]


def shape(text: str):
    x = line(text)
    return x.mode, x.form, x.a, x.b, x.negate, x.shift, x.shift_param, x.shift_sign


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d = b", ("=", "scale", "b", None, False, 0, None, 0)),
        ("d = -b", ("=", "scale", "b", None, True, 0, None, 0)),
        ("d += -b * c >> 3", ("+=", "scale", "b", "c", True, 3, None, 0)),
        ("d -= b << 2", ("-=", "scale", "b", None, False, -2, None, 0)),
        ("w -= d * a >> rate", ("-=", "scale", "d", "a", False, 0, "rate", 1)),
        ("w += d << rate", ("+=", "scale", "d", None, False, 0, "rate", -1)),
        ("d = -0.5", ("=", "scale", Fraction(-1, 2), None, False, 0, None, 0)),
        ("d = b + c", ("=", "add", "b", "c", False, 0, None, 0)),
        ("d = b - c", ("=", "sub", "b", "c", False, 0, None, 0)),
        ("d = min(b, 3)", ("=", "min", "b", Fraction(3), False, 0, None, 0)),
        ("d = max(-1, b)", ("=", "max", Fraction(-1), "b", False, 0, None, 0)),
        ("d = abs(b)", ("=", "abs", "b", None, False, 0, None, 0)),
        ("d = sign(b)", ("=", "sign", "b", None, False, 0, None, 0)),
        ("bit = b >= 0.5", ("=", "ge", "b", Fraction(1, 2), False, 0, None, 0)),
        ("bit = b > c", ("=", "gt", "b", "c", False, 0, None, 0)),
        ("bit = b <= c", ("=", "le", "b", "c", False, 0, None, 0)),
        ("bit = b < c", ("=", "lt", "b", "c", False, 0, None, 0)),
        ("bit = b == c", ("=", "eq", "b", "c", False, 0, None, 0)),
        ("d = f(v)", ("=", "table", "v", None, False, 0, None, 0)),
        ("d = random", ("=", "random", None, None, False, 0, None, 0)),
    ],
)
def test_forms(text, expected):
    assert shape(text) == expected


def test_when_and_when_not():
    assert (line("w += d when a").when, line("w += d when a").when_not) == ("a", False)
    x = line("w += d * a >> 2   when not bit  # comment")
    assert (x.when, x.when_not, x.text) == ("bit", True, "w += d * a >> 2   when not bit")


def test_declarations():
    program = load_declarations()
    register = {r.name: r for r in program.registers}
    a, b, t = register["a"], register["b"], register["t"]
    assert (a.fmt, a.init, a.keep, a.rounding, a.overflow) == (
        Format(False, 8, 4),
        Fraction(3, 2),
        True,
        "trunc",
        "saturate",
    )
    assert (b.fmt, b.publish, b.rounding, b.overflow) == (Format(True, 8, -2), True, "floor", "wrap")
    assert (t.per_context, register["w"].fmt, register["d"].temp) == (True, None, True)
    consts = {c.name: (c.value, c.decay_ms) for c in program.consts}
    assert consts == {"c": (Fraction(7, 10), None), "p": (Fraction(1, 8), None), "k": (None, Fraction(20))}
    params = [(p.kind, p.value, p.lo, p.hi) for p in program.params]
    assert params == [("shift", 4, 0, 12), ("value", -1, 0, 0)]
    assert [(i.source, i.channel) for i in program.inputs] == [("neuron.v", 0), ("third_factor", 2)]
    assert program.history == (("b", "v"), 12)
    assert program.header == "Header.\nSecond row."
    steps, atan = program.tables
    assert steps.steps == ((Fraction(-1, 2), 0), (0, 1), (Fraction(1, 2), 0)) and steps.argument == "v"
    assert (atan.shape, atan.segments, atan.reach, atan.centre) == ("atan", 4, 2, Fraction(1, 4))
    assert atan.options == (("slope", Fraction(2)),)


def load_declarations():
    body = "history b, v depth=12\non_sample_start:\n"
    body += "    a = 1\n    b = 1\n    bit = 1\n    t = 1\n    total += b\n    d = b * g\n"
    body += "on_epoch 4:\n    w += k >> rate\non_replay:\n    d = b * v\n"
    return parse_rule(HEAD + body, "x.rule")


def test_epoch_and_sections_keep_the_order_of_the_file():
    program = load_declarations()
    assert program.epoch == 4
    assert [x.section for x in program.lines] == ["on_sample_start"] * 6 + ["on_epoch", "on_replay"]


PRODUCTS = """rule p
pre x1 : u7.0
post y1 : u7.0
syn w : weight
syn t : s9.0
on_pre:
    x1 += 16
on_post:
    y1 += 16
on_products:
    w += 2^-2 * y0 * x1
    w -= 3*2^-4*u0*x1*(w + 3)
    t += -6 * x0 * sgn(t - 2) * y1
"""


def test_product_lines():
    first, second, third = parse_rule(PRODUCTS, "p.rule").products
    assert (first.target, first.mode, first.mantissa, first.exponent) == ("w", "+=", 1, -2)
    assert first.factors == (ProductFactor("y0"), ProductFactor("x1"))
    assert (second.mode, second.mantissa, second.exponent, second.gates) == ("-=", 3, -4, ("u0",))
    assert second.factors[-1] == ProductFactor("w", 3)
    assert (third.mantissa, third.exponent) == (-6, 0)  # as written: the floor depends on it
    assert third.factors[1] == ProductFactor("t", -2, True)


def test_a_shift_without_range_is_fixed_at_its_value():
    text = "rule s\nparam r : shift = 11\nsyn w : weight\non_epoch 1:\n    w -= w >> r\n"
    assert (parse_rule(text, "s.rule").params[0].lo, parse_rule(text, "s.rule").params[0].hi) == (11, 11)


def test_a_rule_is_loaded_by_path_and_by_name(tmp_path):
    path = tmp_path / "mine.rule"
    path.write_text(PRODUCTS, encoding="utf-8")
    assert load_rule(path).path == str(path)
    assert load_rule("decolle").path == "decolle.rule"


def test_a_binary_file_and_an_unknown_name_are_refused(tmp_path):
    path = tmp_path / "mine.rule"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="not UTF-8"):
        load_rule(str(path))
    with pytest.raises(SettingError, match="did you mean 'decolle'"):
        load_rule("decole")
