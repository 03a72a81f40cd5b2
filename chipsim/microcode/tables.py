"""Tables: steps as written, and the named surrogate shapes cut into segments.

Every shape is a function of x = slope * (argument - centre), times `scale` (default 1):

    box           1 where |argument - centre| <= half_width, else 0       (half_width 1)
    triangle      max(0, 1 - |argument - centre| / half_width)            (half_width 1)
    fast_sigmoid  1 / (1 + |x|)^2, slope 10                               DECOLLE's code
    hyper         1 / (1 + |x|)^2, slope 5                                DALTON; S-TLLR uses slope=100
    atan          1 / (1 + (pi x)^2), slope 1                             Traces Propagation
    exp_abs       exp(-|x|), slope 1                                      ELL, FELL, BELL
    sigmoid       4 s(x) (1 - s(x)), s the logistic function, slope 4     S-TLLR
    lorentz       1 / (1 + x^2), slope 10                                 S-TLLR

A shape with N segments cuts [centre - reach, centre + reach) into N equal parts, left-closed; each
part holds the shape's value at its middle, and outside the table is 0 (definition 3).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction

from chipsim.fixed import Folded, Format, fold
from chipsim.microcode.program import BoundTable, Table

SLOPES = {
    "fast_sigmoid": 10.0,
    "hyper": 5.0,
    "atan": 1.0,
    "exp_abs": 1.0,
    "sigmoid": 4.0,
    "lorentz": 10.0,
}


def box(x: float, half_width: float) -> float:
    """1 where |x| <= half_width, else 0."""
    return 1.0 if abs(x) <= half_width else 0.0


def triangle(x: float, half_width: float) -> float:
    """1 - |x| / half_width, not below 0."""
    return max(0.0, 1.0 - abs(x) / half_width)


def fast_sigmoid(x: float, slope: float) -> float:
    """1 / (1 + slope |x|)^2."""
    return 1.0 / (1.0 + slope * abs(x)) ** 2


def atan(x: float, slope: float) -> float:
    """1 / (1 + (pi slope x)^2)."""
    return 1.0 / (1.0 + (math.pi * slope * x) ** 2)


def exp_abs(x: float, slope: float) -> float:
    """exp(-slope |x|)."""
    return math.exp(-slope * abs(x))


def sigmoid(x: float, slope: float) -> float:
    """4 s (1 - s) with s = 1 / (1 + exp(-slope x)); written so that no exponential overflows."""
    e = math.exp(-slope * abs(x))
    return 4.0 * e / (1.0 + e) ** 2


def lorentz(x: float, slope: float) -> float:
    """1 / (1 + (slope x)^2)."""
    return 1.0 / (1.0 + (slope * x) ** 2)


# The same formulas as source text of x and c (half_width or slope), for generated twins.
FORMULAS = {
    "box": "f64(abs({x}) <= {c})",
    "triangle": "max(0.0, 1.0 - abs({x}) / {c})",
    "fast_sigmoid": "1.0 / (1.0 + {c} * abs({x})) ** 2",
    "hyper": "1.0 / (1.0 + {c} * abs({x})) ** 2",
    "atan": "1.0 / (1.0 + (math.pi * {c} * {x}) ** 2)",
    "exp_abs": "math.exp(-{c} * abs({x}))",
    "sigmoid": "4.0 * math.exp(-{c} * abs({x})) / (1.0 + math.exp(-{c} * abs({x}))) ** 2",
    "lorentz": "1.0 / (1.0 + ({c} * {x}) ** 2)",
}

SHAPES: dict[str, Callable[[float, float], float]] = {
    "box": box,
    "triangle": triangle,
    "fast_sigmoid": fast_sigmoid,
    "hyper": fast_sigmoid,
    "atan": atan,
    "exp_abs": exp_abs,
    "sigmoid": sigmoid,
    "lorentz": lorentz,
}


def shape_value(shape: str, options: tuple[tuple[str, Fraction], ...], x: float) -> float:
    """A named shape at x = argument - centre, with its half_width or slope, times its scale."""
    scale, constant = _settings(shape, options)
    return scale * SHAPES[shape](x, constant)


def shape_text(shape: str, options: tuple[tuple[str, Fraction], ...], x: str) -> str:
    """`shape_value` as source text, x = argument - centre being text."""
    scale, constant = _settings(shape, options)
    return f"({scale!r} * ({FORMULAS[shape].format(x=x, c=repr(constant))}))"


def _settings(shape: str, options: tuple[tuple[str, Fraction], ...]) -> tuple[float, float]:
    """Scale, and slope or half_width, of a named shape."""
    settings = dict(options)
    key, default = ("slope", SLOPES[shape]) if shape in SLOPES else ("half_width", 1.0)
    return float(settings.get("scale", 1)), float(settings.get(key, default))


def smooth(table: BoundTable, x: float) -> float:
    """The unfolded table at x for the ideal twin; x is the argument (minus the neuron's threshold
    where `minus_threshold`). A named shape is its formula everywhere; steps are as written."""
    if table.shape is not None:
        return shape_value(table.shape, table.options, x - float(table.centre))
    k = bisect_right([float(b + table.centre) for b, _ in table.steps], x)
    return float(table.steps[max(k - 1, 0)][1])


def lookup(table: BoundTable, argument: int) -> int:
    """The raw value for a raw argument (minus the raw threshold where `minus_threshold`)."""
    return table.values[bisect_right(table.breakpoints, argument)]


def cut(table: Table) -> tuple[list[Fraction], list[Fraction]]:
    """Breakpoints (without the centre) and values of a table before folding; one value more."""
    if table.shape is None:
        points = [point for point, _ in table.steps]
        values = [value for _, value in table.steps]
        return points, [values[0], *values]
    width = 2 * table.reach / table.segments
    points = [-table.reach + k * width for k in range(table.segments + 1)]
    middles = [point + width / 2 for point in points[:-1]]
    inner = [Fraction(shape_value(table.shape, table.options, float(m))) for m in middles]
    return points, [Fraction(0), *inner, Fraction(0)]


def bind_table(table: Table, argument: Format) -> tuple[BoundTable, list[Folded], list[Folded]]:
    """The table for one argument format, with every folded breakpoint and value (for the notes).

    Breakpoints are folded in the argument's format, values in the table's (nearest, saturating).
    """
    minus = table.centre == "threshold"
    centre = Fraction(0) if minus else Fraction(table.centre)
    points, values = cut(table)
    raw_points = [fold(point + centre, argument) for point in points]
    raw_values = [fold(value, table.fmt) for value in values]
    bound = BoundTable(
        name=table.name,
        argument_fmt=argument,
        fmt=table.fmt,
        breakpoints=tuple(p.raw for p in raw_points),
        values=tuple(v.raw for v in raw_values),
        minus_threshold=minus,
        shape=table.shape,
        centre=centre,
        reach=table.reach,
        options=table.options,
        steps=table.steps,
    )
    return bound, raw_points, raw_values
