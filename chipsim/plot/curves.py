"""Curves: accuracy by epoch, the STDP window, and accuracy against weight width and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chipsim.errors import DataError
from chipsim.plot.style import COLOURS, FAINT, INK, MARKERS, axes_for, house

SPLITS = ("train", "validation", "test")


@house
def accuracy(
    rows: Sequence[Mapping[str, object]],
    *,
    controls: Mapping[str, float] | None = None,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Accuracy by epoch, from the rows of metrics.jsonl.

    rows      mappings with `epoch` and any of `train`, `validation`, `test` (0..1, None: no point)
    controls  name -> accuracy 0..1, drawn as dotted levels (linear readout, frozen, twin)
    chance    accuracy of guessing, 0..1
    """
    figure, ax = axes_for(ax)
    series = [name for name in SPLITS if any(row.get(name) is not None for row in rows)]
    if not series:
        raise DataError(
            "accuracy plot: no row has an accuracy", remedy=f"rows need one of {', '.join(SPLITS)}"
        )
    for name in series:
        points = [(row["epoch"], 100 * row[name]) for row in rows if row.get(name) is not None]
        k = SPLITS.index(name)
        marker = MARKERS[k] if len(points) <= 40 else None
        ax.plot(*zip(*points, strict=True), color=COLOURS[k], marker=marker, markersize=5, label=name)
    levels = dict(controls or {}) | ({"chance": chance} if chance is not None else {})
    for k, (name, level) in enumerate(levels.items()):
        style = (0, (1 + 2 * k, 2))
        ax.axhline(100 * level, color=INK, lw=1.2, ls=style, label=f"{name} ({100 * level:.1f} %)")
    ax.set(xlabel="epoch", ylabel="accuracy (%)")
    epochs = [row["epoch"] for row in rows]
    ax.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.margins(y=0.08)
    if ax.get_ylim()[1] > 100:
        ax.set_ylim(top=100.5)
    ax.grid(axis="y")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), borderaxespad=0.0)
    return figure


@house
def stdp_window(
    lag_ms: np.ndarray,
    measured: np.ndarray,
    closed_form: np.ndarray,
    *,
    lsb: float,
    error: np.ndarray | float = 0.0,
    pairings: int = 1,
    spread: np.ndarray | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Weight change against the lag t_post - t_pre, measured beside the closed form.

    lag_ms       float[n], ascending
    measured     float[n] mean weight change after `pairings` pairings, in weight units
    closed_form  float[n] in weight units
    error        float or float[n]: bound of the formats' error, drawn as a band around the form
    spread       float[n]: standard deviation over seeds, drawn as bars
    lsb          size of one weight LSB, for the right axis
    """
    figure, ax = axes_for(ax)
    lag_ms, form = np.asarray(lag_ms, float), np.asarray(closed_form, float)
    ax.axhline(0, color=FAINT, lw=1)
    ax.axvline(0, color=FAINT, lw=1)
    _form(ax, lag_ms, form, np.broadcast_to(np.asarray(error, float), form.shape))
    points = dict(color=COLOURS[1], ls="", marker="o", markersize=4, capsize=2, elinewidth=1)
    ax.errorbar(
        lag_ms, measured, yerr=spread, label="measured" + (" ± s.d." if spread is not None else ""), **points
    )
    plural = "s" if pairings != 1 else ""
    ax.set(
        xlabel="lag $t_{post} - t_{pre}$ (ms)",
        ylabel=f"weight change, {pairings} pairing{plural}",
        title=title,
    )
    right = ax.secondary_yaxis("right", functions=(lambda w: w / lsb, lambda n: n * lsb))
    right.set_ylabel("weight change (LSB)")
    ax.grid()
    ax.legend(*_unique(ax), loc="best")
    return figure


@house
def rounding_noise(
    results: Mapping[str, Mapping[int, Sequence[float]]],
    *,
    twin: float | None = None,
    ylabel: str = "test accuracy (%)",
    scale: float = 100.0,
    ax: Axes | None = None,
) -> Figure:
    """Accuracy (or error) against weight bits, one line per kind of noise.

    results  noise -> weight bits -> one value per seed; points are means, bars standard deviations
    twin     the float twin's value, a dotted level
    scale    factor on every value (100: shares become percent)
    """
    figure, ax = axes_for(ax)
    bits = sorted({b for runs in results.values() for b in runs})
    if not bits:
        raise DataError("rounding noise plot: no results")
    for k, (noise, runs) in enumerate(results.items()):
        own = sorted(runs)
        values = [scale * np.asarray(runs[b], float) for b in own]
        shift = 0.06 * (k - (len(results) - 1) / 2)  # so that bars do not cover each other
        bars = [v.std(ddof=1) if len(v) > 1 else 0.0 for v in values]
        look = dict(color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)], capsize=3)
        ax.errorbar(np.array(own) + shift, [v.mean() for v in values], yerr=bars, label=noise, lw=1.4, **look)
    if twin is not None:
        ax.axhline(scale * twin, color=INK, ls=":", lw=1.2, label="float twin")
    seeds = {len(v) for runs in results.values() for v in runs.values()}
    count = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)}–{max(seeds)}"
    ax.set(xlabel="weight bits", ylabel=ylabel, xticks=bits)
    ax.set_xlim(bits[0] - 0.5, bits[-1] + 0.5)
    if scale == 100 and ax.get_ylim()[1] > 100:
        ax.set_ylim(top=100.5)
    ax.legend(title="noise (1 seed)" if count == "1" else f"noise ({count} seeds, ± s.d.)", title_fontsize=9)
    ax.grid(axis="y")
    return figure


def _form(ax: Axes, lag: np.ndarray, form: np.ndarray, error: np.ndarray) -> None:
    """The closed form and its error band, in two pieces: it jumps at lag 0."""
    for hidden, side in (("", lag < 0), ("_", lag >= 0)):  # the second piece has no legend entry
        if not side.any():
            continue
        if hidden == "_" and not (lag < 0).any():
            hidden = ""
        ax.plot(lag[side], form[side], color=COLOURS[0], lw=1.6, label=hidden + "closed form")
        if error.any():
            low, high = (form - error)[side], (form + error)[side]
            look = dict(color=COLOURS[0], alpha=0.2, lw=0, label=hidden + "error bound")
            ax.fill_between(lag[side], low, high, **look)


def _unique(ax: Axes) -> tuple[list, list]:
    """Legend entries without those whose label begins with an underscore."""
    handles, labels = ax.get_legend_handles_labels()
    pairs = [(h, name) for h, name in zip(handles, labels, strict=True) if not name.startswith("_")]
    return [h for h, _ in pairs], [name for _, name in pairs]


def _legend_outside(ax: Axes) -> None:
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.4)
