"""Tables: segments, folding, and the smooth shapes of the ideal twin."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from chipsim.fixed import Format
from chipsim.microcode.program import Table
from chipsim.microcode.tables import bind_table, lookup, smooth

FINE = Format(True, 16, 8)


def named(shape: str, segments: int, reach, centre=0, fmt="u16.15", **options) -> Table:
    pairs = tuple((k, Fraction(v)) for k, v in options.items())
    return Table("f", None, Format.parse(fmt), (), shape, segments, Fraction(reach), centre, pairs)


def test_steps_are_left_closed_and_hold_their_first_value_below():
    steps = ((Fraction(-1, 2), Fraction(1, 4)), (Fraction(0), Fraction(1)), (Fraction(1, 2), Fraction(0)))
    bound, _, _ = bind_table(Table("f", "v", Format(False, 8, 7), steps), FINE)
    assert bound.breakpoints == (-128, 0, 128)
    got = [lookup(bound, raw) for raw in (-32768, -129, -128, -1, 0, 127, 128, 32767)]
    assert got == [32, 32, 32, 32, 128, 128, 0, 0]
    assert [smooth(bound, x) for x in (-9, -0.5, -0.01, 0, 0.49, 0.5)] == [0.25, 0.25, 0.25, 1, 1, 0]


def test_triangle_of_the_definition_has_five_equal_parts():
    bound, points, values = bind_table(named("triangle", 5, 1, "threshold", "u5.5", half_width=1), FINE)
    assert bound.minus_threshold
    assert bound.breakpoints == (-256, -154, -51, 51, 154, 256)
    assert bound.values == (0, 6, 19, 31, 19, 6, 0)  # .2 .6 1 .6 .2 at the middles; 1 saturates
    assert values[3].saturated and float(points[1].error) == pytest.approx(-154 / 256 + 0.6)


def test_a_numeric_centre_moves_the_breakpoints():
    bound, _, _ = bind_table(named("box", 1, "0.5", Fraction(1, 4), half_width="0.5"), FINE)
    assert bound.breakpoints == (-64, 192) and not bound.minus_threshold
    assert smooth(bound, -0.25) == 1 and smooth(bound, -0.26) == 0


@pytest.mark.parametrize(
    ("shape", "options", "x", "value"),
    [
        ("fast_sigmoid", {}, 0.1, 1 / 4),
        ("fast_sigmoid", {"slope": 100}, 0.01, 1 / 4),
        ("hyper", {}, -0.2, 1 / 4),
        ("atan", {}, 1 / math.pi, 1 / 2),
        ("exp_abs", {}, -1, math.exp(-1)),
        ("exp_abs", {"slope": 2, "scale": "0.5"}, 1, math.exp(-2) / 2),
        ("sigmoid", {}, math.log(2) / 4, 8 / 9),
        ("sigmoid", {"slope": 2}, -math.log(3) / 2, 3 / 4),
        ("sigmoid", {}, 1e6, 0),
        ("lorentz", {}, -0.1, 1 / 2),
        ("lorentz", {"slope": 2, "scale": "0.5"}, 0.5, 1 / 4),
        ("triangle", {"half_width": 2}, 0.5, 0.75),
        ("triangle", {"scale": "0.3"}, 0.5, 0.15),
        ("box", {"half_width": "0.5"}, 0.5, 1),
    ],
)
def test_smooth_shapes(shape, options, x, value):
    bound, _, _ = bind_table(named(shape, 4, 2, **options), FINE)
    assert smooth(bound, x) == pytest.approx(value)


def test_segments_hold_the_shape_at_their_middles():
    bound, _, _ = bind_table(named("exp_abs", 4, 2, fmt="u16.12"), FINE)
    middles = (-1.5, -0.5, 0.5, 1.5)
    assert bound.values == (0, *(round(math.exp(-abs(m)) * 4096) for m in middles), 0)


def test_a_breakpoint_outside_the_argument_saturates_visibly():
    _, points, _ = bind_table(named("box", 1, 4), Format(True, 4, 3))
    assert [p.saturated for p in points] == [True, True]
