"""What a formula promises beside what was counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from chipsim.plot.style import COLOURS, MARKERS, canvas, house


@house
def formulas(
    memory: Mapping[str, tuple[float, float]], operations: Mapping[str, tuple[float, float]]
) -> Figure:
    """Two panels on log scales, a row per rule: bits that learning adds, operations per learned sample.

    Values are (by the formula, found); a value of 0 is not drawn.
    """
    figure = canvas(10.0, 1.6 + 0.3 * max(len(memory), len(operations)))
    panels = figure.subplots(1, 2, sharey=True)
    named = ((memory, "bits that learning adds"), (operations, "operations per learned sample"))
    for ax, (rows, label) in zip(panels, named, strict=True):
        values = np.array(list(rows.values()), float)
        y = np.arange(len(rows))
        for k in y:
            if values[k].min() > 0:
                ax.plot(values[k], (k, k), color="#BBBBBB", lw=1.2, zorder=1)
        for k, what in enumerate(("by the formula", "counted")):
            there = values[:, k] > 0
            look = dict(color=COLOURS[k], marker=MARKERS[k], ls="", markersize=6)
            ax.plot(values[there, k], y[there], label=what, **look)
        ax.set(xscale="log", xlabel=label, yticks=y, yticklabels=list(rows))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.grid(axis="x")
    panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure
