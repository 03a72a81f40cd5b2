"""What a network did in time: spike rasters, and registers as raw integers and real values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chipsim.errors import DataError
from chipsim.fixed import Format
from chipsim.plot.style import COLOURS, FAINT, INK, canvas, house

MOST_LINES = 8  # single lines of a trace plot; of more elements the range is a band


@house
def raster(
    layers: Mapping[str, tuple[np.ndarray, np.ndarray, int]], n_steps: int, *, dt_ms: float | None = None
) -> Figure:
    """Spikes of each layer in time, one panel per layer, first layer at the bottom.

    layers   name -> (int[n] steps 0..n_steps-1, int[n] neurons, number of neurons)
    dt_ms    length of a step; given, the time axis is in ms, else in steps
    """
    if not layers:
        raise DataError("raster: no layer to draw")
    heights = [max(0.6, n**0.5 / 8) for _, _, n in layers.values()][::-1]
    total = min(9.0, max(2.4, 1.0 + 1.1 * sum(heights)))
    figure = canvas(7.2, total)
    panels = figure.subplots(len(layers), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    scale = dt_ms or 1
    for k, (ax, (name, (step, neuron, n))) in enumerate(
        zip(panels, reversed(list(layers.items())), strict=True)
    ):
        box = ax.get_position().height * total * 72  # points
        size = float(np.clip(box / max(n, 1), 1.0, 9.0))
        marker = "|" if n <= 100 else "s"
        area = size**2 * 0.8 if marker == "|" else 1.2
        colour = COLOURS[(len(layers) - 1 - k) % len(COLOURS)]
        wide = 1.2 if marker == "|" else 0
        x = np.asarray(step) * scale
        ax.scatter(x, neuron, s=area, marker=marker, color=colour, linewidths=wide, rasterized=True)
        per_step = 100 * len(np.asarray(step)) / (n * n_steps)
        ax.set_title(f"{name}: {n} neurons, {per_step:.2g} % spike per step", fontsize=9, pad=3)
        pad = max(0.5, 0.02 * n)
        ax.set(ylim=(-pad, n - 1 + pad), xlim=(-0.5 * scale, (n_steps - 0.5) * scale))
        ax.yaxis.set_major_locator(MaxNLocator(nbins=3 if heights[k] < 1.5 else 5, integer=True))
    figure.supylabel("neuron", fontsize=10)
    panels[-1].set_xlabel("time (ms)" if dt_ms else "time (steps)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


@house
def traces(
    registers: Mapping[str, tuple[np.ndarray, Format]],
    *,
    marks: Mapping[str, float] | None = None,
    spikes: Mapping[str, Sequence[int]] | None = None,
    dt_ms: float | None = None,
) -> Figure:
    """Registers over time: raw integers on the left axis, real values on the right.

    registers   name -> (int[steps] or int[steps, elements] raw values, their Format)
    marks       name -> raw level drawn as a dashed line (a threshold)
    spikes      name -> steps drawn as thin vertical lines in that panel

    Up to 8 elements are single lines; of more, 8 are drawn in the band from smallest to largest.
    """
    if not registers:
        raise DataError("traces: no register to draw")
    figure = canvas(7.2, max(2.4, 0.8 + 1.5 * len(registers)))
    panels = figure.subplots(len(registers), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (name, (raw, fmt)) in zip(panels, registers.items(), strict=True):
        raw = np.asarray(raw)
        raw = raw[:, None] if raw.ndim == 1 else raw
        _trace_panel(ax, name, raw, fmt, dt_ms or 1)
        for t in (spikes or {}).get(name, ()):
            ax.axvline(t * (dt_ms or 1), color=FAINT, lw=0.8, zorder=0)
        if marks and name in marks:
            ax.axhline(marks[name], color=INK, ls="--", lw=1)
    panels[-1].set_xlabel("time (ms)" if dt_ms else "time (steps)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _trace_panel(ax: Axes, name: str, raw: np.ndarray, fmt: Format, scale: float) -> None:
    steps, n = raw.shape
    time = np.arange(steps) * scale
    shown = np.arange(n) if n <= MOST_LINES else np.linspace(0, n - 1, MOST_LINES).astype(int)
    note = (
        ""
        if n == 1
        else f", {n} elements"
        if n <= MOST_LINES
        else f", {MOST_LINES} of {n} elements, range grey"
    )
    if n > MOST_LINES:
        low, high = raw.min(axis=1), raw.max(axis=1)
        ax.fill_between(time, low, high, step="post", color=FAINT, alpha=0.45, lw=0)
    width = 1.6 if n == 1 else 1.1
    for k, i in enumerate(shown):
        ax.step(time, raw[:, i], where="post", color=COLOURS[k % len(COLOURS)], lw=width)
    for rail in {fmt.lo, fmt.hi} & {int(raw.min()), int(raw.max())} - {0}:
        ax.axhline(rail, color=COLOURS[1], lw=1, ls=":")
        note += f", reaches its rail {rail}"
    ax.set_title(f"{name} ({fmt}{note})", fontsize=9, pad=3)
    ax.set_ylabel("raw")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.margins(y=0.08)
    lsb = float(fmt.lsb)
    right = ax.secondary_yaxis("right", functions=(lambda v: v * lsb, lambda v: v / lsb))
    right.set_ylabel("value")
    ax.grid(axis="y")
