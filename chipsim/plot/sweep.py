"""Many runs: means over two axes as a heat map, along one axis as lines with intervals; Pareto fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chipsim.plot.style import COLOURS, FAINT, MARKERS, axes_for, house

Scores = Mapping[tuple[str, str], Mapping[str, Any]]


@house
def heat_map(
    found: Scores,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    labels: tuple[str, str],
    score: str,
    ax: Axes | None = None,
) -> Figure:
    """Means as colours and numbers; an empty place failed everywhere.

    found   (row, column) -> {"mean", "low", "high"} of real scores
    labels  names of the row and the column axis
    """
    figure, ax = axes_for(ax, 1.8 + 0.9 * max(3, len(columns)), 1.6 + 0.5 * max(2, len(rows)))
    means = [[found.get((r, c), {}).get("mean") for c in columns] for r in rows]
    values = np.array([[np.nan if m is None else m for m in line] for line in means], np.float64)
    image = ax.imshow(np.ma.masked_invalid(values), cmap="cividis", aspect="auto")
    middle = np.nanmean(values) if np.isfinite(values).any() else 0.0
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            text, ink = ("-", "#333333") if np.isnan(value) else (_number(value), _ink(value < middle))
            ax.text(x, y, text, ha="center", va="center", fontsize=8, color=ink)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel=labels[1], ylabel=labels[0], title=f"{score}, mean over seeds")
    figure.colorbar(image, ax=ax)
    return figure


def _ink(dark: bool) -> str:
    return "white" if dark else "black"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


@house
def lines(
    found: Scores,
    names: Sequence[str],
    places: Sequence[str],
    *,
    xlabel: str,
    score: str,
    ax: Axes | None = None,
) -> Figure:
    """One line per name along the places, with 95 % intervals where there are several seeds.

    found  (name, place) -> {"mean", "low", "high"} of real scores; a failed place is left out
    Places that are all numbers lie to scale, others side by side.
    """
    figure, ax = axes_for(ax)
    x = _scale(places)
    for k, name in enumerate(names):
        here = [(at, found.get((name, place), {})) for at, place in zip(x, places, strict=True)]
        here = [(at, item) for at, item in here if item.get("mean") is not None]
        look = {
            "color": COLOURS[k % len(COLOURS)],
            "marker": MARKERS[k % len(MARKERS)],
            "label": name or None,
        }
        ax.plot([at for at, _ in here], [item["mean"] for _, item in here], **look)
        for at, item in here:
            if item.get("low") is not None:
                ax.plot([at, at], [item["low"], item["high"]], color=look["color"], lw=1.0)
    ax.set_xticks(x, places)
    ax.set(xlabel=xlabel, ylabel=score, title="mean over seeds, 95 % interval")
    ax.grid(axis="y")
    if any(names):
        ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), borderaxespad=0.0)
    return figure


def _scale(places: Sequence[str]) -> list[float]:
    try:
        return [float(place) for place in places]
    except ValueError:
        return [float(k) for k in range(len(places))]


@house
def pareto(
    points: Sequence[tuple[float, float, bool]], *, labels: tuple[str, str], ax: Axes | None = None
) -> Figure:
    """Trials in the plane of two objectives; those on the front joined, the others faint.

    points  (first objective, second objective, on the front)
    """
    figure, ax = axes_for(ax)
    other = [(y, x) for x, y, best in points if not best]
    front = sorted((y, x) for x, y, best in points if best)
    if other:
        ax.scatter(*zip(*other, strict=True), color=FAINT, s=18, label="dominated")
    ax.plot(*zip(*front, strict=True), color=COLOURS[0], marker="o", label="Pareto front")
    ax.set(xlabel=labels[1], ylabel=labels[0])
    ax.grid(True)
    ax.legend(loc="best")
    return figure
