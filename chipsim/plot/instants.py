"""What each update instant reaches and what it costs, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from chipsim.plot.style import COLOURS, MARKERS, canvas, house


@house
def instants(
    accuracy: Mapping[str, Mapping[str, Sequence[float]]],
    costs: Mapping[str, Mapping[str, float]],
    *,
    cost_label: str = "per learned sample",
) -> Figure:
    """Two panels over the same conditions. Left: accuracy in percent, right: counts on a log scale.

    accuracy  network -> condition -> one value (0..1) per seed; points are means, bars deviations
    costs     count's name -> condition -> value; zeros are not drawn
    """
    figure = canvas(10.0, 4.2)
    left, right = figure.subplots(1, 2)
    names = list(dict.fromkeys(name for rows in accuracy.values() for name in rows))
    for k, (network, rows) in enumerate(accuracy.items()):
        shift = 0.12 * (k - (len(accuracy) - 1) / 2)
        own = [name for name in names if len(rows.get(name, ()))]
        values = [100 * np.asarray(rows[name], float) for name in own]
        bars = [v.std(ddof=1) if len(v) > 1 else 0.0 for v in values]
        x = np.array([names.index(name) for name in own]) + shift
        look = dict(color=COLOURS[k], marker=MARKERS[k], ls="", markersize=6, capsize=3)
        left.errorbar(x, [v.mean() for v in values], yerr=bars, label=network, **look)
    for k, (count, rows) in enumerate(costs.items()):
        own = [name for name in names if rows.get(name)]
        x = [names.index(name) for name in own]
        look = dict(color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)], markersize=5, lw=1.2)
        right.plot(x, [rows[name] for name in own], ls=":", label=count, **look)
    for ax in (left, right):
        ax.set_xticks(range(len(names)), names, rotation=20, ha="right")
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.grid(axis="y")
    left.set(xlabel="update instant", ylabel="test accuracy (%)")
    right.set(xlabel="update instant", ylabel=cost_label, yscale="log")
    left.legend()
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.4)
    return figure
