"""Bars: what was counted, and how alive each layer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from chipsim.errors import DataError
from chipsim.plot.style import COLOURS, axes_for, eng, house

PATHWAYS = ("inference", "learning", "error")
MOST_ROWS = 24


@house
def op_ledger(
    rows: Mapping[str, Mapping[str, float]],
    *,
    per: str = "sample",
    unit: str = "operations",
    ax: Axes | None = None,
) -> Figure:
    """Operations by kind (or layer), stacked by pathway: inference, learning, error.

    rows   name -> {inference, learning, error: count}; drawn largest first, each with its total
    per    what the counts are divided by already (`sample`, `run`), for the axis label

    Beyond 24 rows the smallest are drawn as one.
    """
    table = {name: [float(parts.get(p, 0)) for p in PATHWAYS] for name, parts in rows.items()}
    unknown = {p for parts in rows.values() for p in parts} - set(PATHWAYS)
    if not table or unknown:
        what = f"unknown pathway '{min(unknown)}'" if unknown else "no row to draw"
        raise DataError(f"op ledger: {what}", remedy=f"pathways are {', '.join(PATHWAYS)}")
    names, values = _largest(table)
    figure, ax = axes_for(ax, 7.2, 1.3 + 0.28 * len(names))
    left = np.zeros(len(names))
    for k, pathway in enumerate(PATHWAYS):
        width = np.array([row[k] for row in values])
        hatch = (None, "////", "....")[k]
        bar = dict(color=COLOURS[k], hatch=hatch, edgecolor="white", lw=0)
        ax.barh(names, width, left=left, height=0.75, label=f"{pathway} ({eng(width.sum())})", **bar)
        left += width
    for name, total in zip(names, left, strict=True):
        _beside(ax, eng(total), total, name)
    ax.set(xlabel=f"{unit} per {per}", xlim=(0, 1.14 * left.max() or 1))
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(EngFormatter(sep="\N{NO-BREAK SPACE}"))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
    return figure


def _largest(table: Mapping[str, list[float]]) -> tuple[list[str], list[list[float]]]:
    """Rows by falling total; beyond 24 the smallest are added up in one."""
    names = sorted(table, key=lambda name: -sum(table[name]))
    values = [table[name] for name in names]
    if len(names) <= MOST_ROWS:
        return names, values
    kept = MOST_ROWS - 1
    rest = [sum(column) for column in zip(*values[kept:], strict=True)]
    return [*names[:kept], f"{len(names) - kept} others"], [*values[:kept], rest]


@house
def layer_activity(rows: Sequence[Mapping[str, object]], *, ax: Axes | None = None) -> Figure:
    """How alive each layer is: its silent neurons, and those that learning can reach.

    rows   mappings with `layer` (name), `silent` (share 0..1 of neurons that never fired),
           `surrogate` (share 0..1 of neuron-steps with a non-zero surrogate; None: the rule has
           none) and optionally `rate` (spikes per neuron and step, written beside)
    """
    if not rows:
        raise DataError("layer activity: no layer to draw")
    figure, ax = axes_for(ax, 6.4, 1.2 + 0.55 * len(rows))
    place = np.arange(len(rows))
    series = (
        ("silent", "silent neurons", COLOURS[1], "////"),
        ("surrogate", "non-zero surrogate", COLOURS[0], None),
    )
    for k, (key, label, colour, hatch) in enumerate(series):
        known = [i for i, row in enumerate(rows) if row.get(key) is not None]
        if not known:
            continue
        share = np.array([100 * float(rows[i][key]) for i in known])
        y = place[known] + 0.36 * (k - 0.5)
        ax.barh(y, share, height=0.34, color=colour, hatch=hatch, edgecolor="white", lw=0, label=label)
        for at, value in zip(y, share, strict=True):
            _beside(ax, f"{value:.1f} %" if value < 99.95 else "100 %", value, at)
    names = [
        f"{row['layer']}" + (f"\n{100 * row['rate']:.2g} % / step" if row.get("rate") is not None else "")
        for row in rows
    ]
    ax.set(yticks=place, yticklabels=names, xlim=(0, 112), xlabel="share of the layer (%)")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xticks(range(0, 101, 20))
    ax.xaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=""))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure


def _beside(ax: Axes, text: str, x: float, y: float | str) -> None:
    """A number just right of the end of a bar."""
    ax.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
