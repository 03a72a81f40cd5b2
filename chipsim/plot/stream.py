"""A stream of samples: accuracy while it passes, and what is left of old classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from chipsim.plot.style import COLOURS, MARKERS, canvas, house


@house
def stream(
    windows: Mapping[str, Sequence[Sequence[float]]],
    window: int,
    seen: Mapping[str, Sequence[Sequence[float]]],
    first: Mapping[str, Sequence[Sequence[float]]],
    classes: Sequence[int],
) -> Figure:
    """Two panels. Left: accuracy of each window of the stream, predicted before learned. Right: after
    each task, on all classes seen so far (solid) and on the first task's (dotted).

    windows      name -> one row per seed of accuracies (0..1), one per window of `window` samples
    seen, first  name -> one row per seed of accuracies, one per task
    classes      classes seen after each task
    Lines are means over seeds, bands or bars standard deviations.
    """
    figure = canvas(10.0, 4.0)
    left, right = figure.subplots(1, 2)
    for k, (name, rows) in enumerate(windows.items()):
        values = 100 * np.asarray(rows, float)
        x = window * np.arange(1, values.shape[1] + 1)
        look = dict(color=COLOURS[k % len(COLOURS)])
        marker = MARKERS[k % len(MARKERS)] if values.shape[1] <= 40 else None
        left.plot(x, values.mean(axis=0), marker=marker, markersize=4, lw=1.4, label=name, **look)
        if len(values) > 1:
            mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
            left.fill_between(x, mean - deviation, mean + deviation, alpha=0.15, lw=0, **look)
    left.set(xlabel="samples of the stream", ylabel=f"accuracy of the last {window} (%)", xlim=(0, None))
    left.set_title("one pass, predicted before learned")
    for k, name in enumerate(seen):
        look = dict(
            color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)], markersize=5, capsize=3
        )
        for rows, style, what in ((seen[name], "-", "classes seen"), (first[name], ":", "first task")):
            values = 100 * np.asarray(rows, float)
            bars = values.std(axis=0, ddof=1) if len(values) > 1 else None
            right.errorbar(
                classes, values.mean(axis=0), yerr=bars, ls=style, lw=1.4, label=f"{name}, {what}", **look
            )
    right.set(xlabel="classes shown so far", ylabel="accuracy (%)", xticks=list(classes), ylim=(-3, 103))
    right.set_title("classes arrive task by task")
    for ax in (left, right):
        ax.grid(axis="y")
    left.legend(loc="lower right")
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.4)
    return figure
