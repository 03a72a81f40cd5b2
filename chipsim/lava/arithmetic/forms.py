"""The exact value of a line before it is rounded, from its operands."""

from __future__ import annotations

import numpy as np

COMPARE = {
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "lt": np.less,
    "eq": np.equal,
}


def exact_value(
    x: dict, a: np.ndarray, b: np.ndarray | None, thresholds: np.ndarray, v_frac: int
) -> np.ndarray:
    """E of line `x` with x["frac"] fraction bits and the sign of += or -=.

    a, b         int64 operands (b None: the line has one), neurons along the last axis
    thresholds   int64[n] with `v_frac` fraction bits, for tables that are centred on them
    """
    form = x["form"]
    if form == "scale":
        value = a if b is None else a * b
    elif form in ("abs", "sign"):
        value = np.abs(a) if form == "abs" else np.sign(a)
    elif form == "table":
        value = _table(x["table"], a, thresholds, v_frac)
    else:
        frac = max(x["a"]["frac"], x["b"]["frac"])
        value = _pair(form, a << (frac - x["a"]["frac"]), b << (frac - x["b"]["frac"]))
    return -value if (x["mode"] == "-=") != x["negate"] else value


def _table(table: dict, a: np.ndarray, thresholds: np.ndarray, v_frac: int) -> np.ndarray:
    points = np.array(table["breakpoints"], np.int64)
    if table["minus_threshold"]:
        frac = max(table["argument_frac"], v_frac)
        up, up_threshold = frac - table["argument_frac"], frac - v_frac
        points, a = points << up, (a << up) - (thresholds << up_threshold)
    return np.array(table["values"], np.int64)[np.searchsorted(points, a, side="right")]


def _pair(form: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum, difference, smaller, larger or comparison of two aligned numbers."""
    if form in COMPARE:
        return COMPARE[form](a, b).astype(np.int64)
    return {"add": np.add, "sub": np.subtract, "min": np.minimum, "max": np.maximum}[form](a, b)
