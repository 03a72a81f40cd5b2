"""Weight histograms on the grid of the weight format, with what sits at its rails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from chipsim.errors import DataError
from chipsim.fixed import Format
from chipsim.plot.style import ALARM, COLOURS, canvas, house

MOST_BINS = 256
MOST_GRID = 64


@house
def weight_histogram(
    weights: Mapping[str, tuple[np.ndarray, Format]],
    *,
    limits: Mapping[str, tuple[int, int]] | None = None,
    initial: Mapping[str, np.ndarray] | None = None,
) -> Figure:
    """Stored weights of each connection, counted per LSB, the saturated ones set apart.

    weights   name -> (raw integers of any shape, their Format)
    limits    name -> (raw w_min, raw w_max) where narrower than the format
    initial   name -> raw weights before learning, drawn as an outline

    One bar per LSB up to 256 levels, else per 2**k LSB; the grid shows every LSB up to 64 levels.
    """
    if not weights:
        raise DataError("weight histogram: no connection to draw")
    columns = 1 if len(weights) <= 3 else 2
    lines = -(-len(weights) // columns)
    figure = canvas(6.4 * columns, 0.6 + 2.4 * lines)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, (name, (raw, fmt)) in zip(panels, weights.items(), strict=False):
        low, high = (limits or {}).get(name, (fmt.lo, fmt.hi))
        _panel(ax, name, np.asarray(raw).ravel(), fmt, low, high, (initial or {}).get(name))
    for ax in panels[len(weights) :]:
        ax.set_axis_off()
    return figure


def _panel(
    ax: Axes, name: str, raw: np.ndarray, fmt: Format, low: int, high: int, initial: np.ndarray | None
) -> None:
    levels = high - low + 1
    per_bar = 1
    while levels > MOST_BINS * per_bar:
        per_bar *= 2
    inner, first = _bars(raw[(raw > low) & (raw < high)], low, high, per_bar)
    width = per_bar * (0.9 if levels <= MOST_GRID else 1.0)
    ax.bar(
        first + (per_bar - 1) / 2, inner, width=width, color=COLOURS[0]
    )  # a level is the middle of its bar
    if initial is not None:
        before, _ = _bars(np.asarray(initial).ravel(), low, high, per_bar)
        ends = np.append(first, first[-1] + per_bar) - 0.5
        ax.stairs(before, ends, color=COLOURS[6], lw=1, label="before learning")
        ax.legend(loc="upper right")
    shares = []
    rail = max(1.0, levels / 80)  # wide enough to be seen, growing outwards
    for level, out in ((low, -1), (high, 1)):
        count = int((raw == level).sum())
        ax.bar(level + out * (rail - 1) / 2, count, width=0.9 * rail, color=ALARM, zorder=3)
        shares.append(f"{100 * count / max(1, raw.size):.2g} % at rail {level}")
    if levels <= MOST_GRID:
        ax.set_xticks(np.arange(low, high + 1) + 0.5, minor=True)
        ax.grid(axis="x", which="minor", lw=0.6)
    size = "1 LSB" if per_bar == 1 else f"{per_bar} LSB"
    ax.set_title(
        f"{name}: {raw.size} weight{'' if raw.size == 1 else 's'}, {fmt}; {', '.join(shares)}",
        fontsize=9,
        pad=4,
    )
    ax.set(xlabel="weight (raw)", ylabel=f"weights per {size}", xlim=(low - rail, high + rail))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(EngFormatter(sep="\N{NO-BREAK SPACE}"))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, steps=[1, 2, 4, 5, 8, 10]))
    lsb = float(fmt.lsb)
    if lsb != 1:
        top = ax.secondary_xaxis("top", functions=(lambda w: w * lsb, lambda w: w / lsb))
        top.set_xlabel("weight (value)", fontsize=9)


def _bars(raw: np.ndarray, low: int, high: int, per_bar: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of `raw` in bars of `per_bar` levels from `low`, and the first level of each bar."""
    bars = (high - low) // per_bar + 1
    inside = raw[(raw >= low) & (raw <= high)].astype(np.int64)
    return np.bincount((inside - low) // per_bar, minlength=bars), low + per_bar * np.arange(bars)
