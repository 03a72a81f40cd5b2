"""Accuracy and memory against the number of samples in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from chipsim.plot.style import COLOURS, INK, MARKERS, canvas, house


@house
def contexts(
    accuracy: Mapping[str, Mapping[int, Sequence[float]]],
    kbit: Mapping[str, Mapping[int, float]],
    *,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Two panels. Left: accuracy against B, right: accuracy against the state that B takes.

    accuracy  form -> B -> one value (0..1) per seed; points are means, bars standard deviations
    kbit      form -> B -> kilobits of state
    levels    name -> accuracy 0..1, dotted
    """
    figure = canvas(10.0, 4.0)
    left, right = figure.subplots(1, 2, sharey=True)
    for k, (form, rows) in enumerate(accuracy.items()):
        own = sorted(rows)
        values = [100 * np.asarray(rows[b], float) for b in own]
        bars = [v.std(ddof=1) if len(v) > 1 else 0.0 for v in values]
        look = dict(color=COLOURS[k], marker=MARKERS[k], capsize=3, lw=1.4, label=form)
        for ax, x in ((left, own), (right, [kbit[form][b] for b in own])):
            if own:
                ax.errorbar(x, [v.mean() for v in values], yerr=bars, **look)
    for k, (name, level) in enumerate((levels or {}).items()):
        for ax in (left, right):
            ax.axhline(100 * level, color=INK, ls=(0, (1 + 2 * k, 2)), lw=1.2, label=name)
    every = sorted({b for rows in accuracy.values() for b in rows})
    left.set(xlabel="inputs in flight, B", ylabel="test accuracy (%)", xscale="log")
    left.set_xticks(every, [str(b) for b in every], minor=False)
    left.set_xticks([], minor=True)
    right.set(xlabel="state beside weights and tables (kbit)")
    right.set_xlim(left=0)
    for ax in (left, right):
        ax.grid(axis="y")
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.4)
    return figure
