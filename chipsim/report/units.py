"""Numbers and tables as plain text: engineering prefixes, percent, aligned columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

PREFIXES = {
    -18: "a",
    -15: "f",
    -12: "p",
    -9: "n",
    -6: "u",
    -3: "m",
    0: "",
    3: "k",
    6: "M",
    9: "G",
    12: "T",
    15: "P",
    18: "E",
}


def engineering(value: float | None, unit: str = "", digits: int = 4) -> str:
    """`0.0014495` J as `1.450 mJ`: `digits` significant digits, exponent a multiple of 3.

    None is `-`. Values beyond the prefixes (below 1e-18, above 999e18) are written with an exponent.
    """
    if value is None:
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".rstrip()
    shown = float(f"{value:.{digits - 1}e}")  # rounded first: 999.96 is 1.000 k
    power = math.floor(math.log10(abs(shown)) + 1e-12)
    exponent = 3 * (power // 3)
    if exponent not in PREFIXES:
        return f"{value:.{digits - 1}e} {unit}".rstrip()
    decimals = max(0, digits - 1 - (power - exponent))
    return f"{shown / 10.0**exponent:.{decimals}f} {PREFIXES[exponent]}{unit}".rstrip()


def count(value: int | None) -> str:
    """A count: exact below a million, with an engineering prefix above; 0 and None are `-`."""
    if not value:
        return "-"
    return str(value) if abs(value) < 1_000_000 else engineering(value)


def percent(share: float | None, decimals: int = 2) -> str:
    """A share of 0..1 in percent; None is `-`."""
    return "-" if share is None else f"{100 * share:.{decimals}f} %"


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells as lines, two blanks before and between; all but the first `left` columns are
    set to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if k < left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines
