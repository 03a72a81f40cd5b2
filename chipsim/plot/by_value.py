"""Accuracy against a number: mean over seeds as a line, every seed as a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from chipsim.plot.style import COLOURS, MARKERS, axes_for, house


@house
def by_value(
    series: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str = "accuracy (%)",
    ax: Axes | None = None,
) -> Figure:
    """One line per series.

    series  name -> {x: accuracies 0..1, one per seed}
    """
    figure, ax = axes_for(ax)
    places = sorted({x for points in series.values() for x in points})
    for k, (name, points) in enumerate(series.items()):
        xs = sorted(points)
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        ax.plot(xs, [100 * np.mean(points[x]) for x in xs], color=colour, marker=marker, label=name)
        for x in xs:
            ax.scatter([x] * len(points[x]), 100 * np.asarray(points[x]), s=8, color=colour, alpha=0.5)
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), borderaxespad=0.0)
    return figure
