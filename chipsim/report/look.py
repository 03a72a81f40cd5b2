"""Rasters and traces of a recording as zoomable panels: names, numbers and axes in HTML, lines in SVG.

A panel's SVG has the data's own coordinates (x: step, y: minus the value, or the row from the top) and is
stretched over its frame, so that `zoom.js` zooms by changing its viewBox, and text keeps its size at every
width. Without JavaScript, and on paper, the whole recording is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

RASTER_HEIGHT, TRACE_HEIGHT = (46, 180), 84  # px of a panel; a raster's grows with its rows
TICKS = 6  # labels of an axis, at most
NEAR = 4  # limits closer than so many spans of the data are in view from the start

Num = Callable[..., Any]  # a number at a path of the report's data, as an element (`html._Page.num`)


@dataclass(frozen=True)
class Panel:
    """A picture over the steps. top, bottom: y of its edges; limits: y of what the format can hold;
    edges: what is written at the edges."""

    kind: str  # raster | trace
    at: str
    name: str
    label: str
    body: str
    height: int
    top: int
    bottom: int
    limits: tuple[int, int]
    edges: tuple[int, int]

    def html(self, steps: int) -> str:
        """The panel; the steps are 1 to `steps`, each half a step wide to both sides."""
        box = f"0.5 {self.top} {steps} {self.bottom - self.top}"
        places = " ".join(map(str, (self.top, self.bottom, *self.limits)))
        upper, lower = (f'<span class="edge">{edge:,}</span>' for edge in self.edges)
        return (
            f'<div class="panel" data-kind="{self.kind}" data-at="{escape(self.at)}" data-y="{places}">'
            f'<div class="name">{self.name}</div><div class="frame">{upper}{lower}'
            f'<svg style="height:{self.height}px" viewBox="{box}" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(self.label)}">{self.body}</svg></div></div>'
        )


def rasters(recording: Mapping[str, Any], num: Num) -> list[dict[str, str]]:
    """[{"title", "body"}], one a recorded sample."""
    made, steps = [], shown_steps(recording)
    for k, sample in enumerate(recording["samples"]):
        at = f"recording/samples/{k}"
        title = f"Sample {num(at + '/sample', 'plain')}"
        if sample["label"] is not None:
            title += f", label {num(at + '/label', 'plain')}"
        panels = [_raster(row, f"{at}/layers/{j}", num, steps) for j, row in enumerate(sample["layers"])]
        made.append({"title": title, "body": "".join(x.html(steps) for x in panels) + axis(steps)})
    return made


def traces(recording: Mapping[str, Any], num: Num) -> list[dict[str, str]]:
    """[{"title", "body"}], one a layer or connection: its registers below each other."""
    groups: dict[str, list[str]] = {}
    steps = shown_steps(recording)
    for k, row in enumerate(recording["traces"]):
        groups.setdefault(row["of"], []).append(_trace(row, f"recording/traces/{k}", num).html(steps))
    return [{"title": escape(name), "body": "".join(panels) + axis(steps)} for name, panels in groups.items()]


def shown_steps(recording: Mapping[str, Any]) -> int:
    """Steps that a recording shows: those of a sample, unless it was cut."""
    drawn = [len(x["values"]) for row in recording["traces"] for x in row["elements"]]
    return max(drawn) if drawn else recording["steps"]


def gauge(row: Mapping[str, Any]) -> str:
    """A register's limits as a bar, with the part between the smallest and the largest value filled."""
    span = max(row["hi"] - row["lo"], 1)
    left, wide = 100 * (row["low"] - row["lo"]) / span, 100 * (row["high"] - row["low"]) / span
    said = f"{row['low']} to {row['high']} of {row['lo']} to {row['hi']}"
    return (
        f'<svg class="gauge" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(said)}"><title>{escape(said)}</title>'
        f'<rect class="tile" width="100" height="10"/>'
        f'<rect class="c0" x="{min(left, 99):.2f}" width="{max(wide, 1):.2f}" height="10"/></svg>'
    )


# ---------------------------------------------------------------- panels


def _raster(row: Mapping[str, Any], at: str, num: Num, steps: int) -> Panel:
    """Spikes of one layer in one sample: a tick a spike, the lowest number at the bottom."""
    drawn = row["neurons"]
    rows = max(1, row["size"] if drawn is None else len(drawn))
    marks = "".join(f"M{t} {rows - 1 - k}v1" for t, k in zip(row["step"], row["row"], strict=True))
    said = f"{num(at + '/size', 'plain')} neurons, {num(at + '/spikes', 'plain')} spikes"
    said += "" if drawn is None else f"; {len(drawn)} of the neurons drawn"
    said += "" if row["until"] >= steps else f"; drawn to step {num(at + '/until', 'plain')}"
    return Panel(
        kind="raster",
        at=at,
        name=f"<strong>{escape(row['layer'])}</strong><small>{said}</small>",
        label=f"Spikes of {row['layer']}",
        body=f'<path class="ticks" d="{marks}"/>',
        height=min(max(RASTER_HEIGHT[0], rows * 3), RASTER_HEIGHT[1]),
        top=0,
        bottom=rows,
        limits=(0, rows),
        edges=(drawn[-1], drawn[0]) if drawn else (rows - 1, 0),
    )


def _trace(row: Mapping[str, Any], at: str, num: Num) -> Panel:
    """Raw integers of one register, a step-wise line an element, with threshold and limits."""
    low, high = _in_view(row)
    marked = [("limit", row["lo"]), ("limit", row["hi"])]
    marked += [] if row["threshold"] is None else [("threshold", row["threshold"])]
    body = [f'<path class="{kind}" d="M-9 {-y}H99999"/>' for kind, y in marked]
    named = [(k, escape(_who(row, x)), x["values"]) for k, x in enumerate(row["elements"])]
    body += [
        f'<path class="line c{k}" d="{_held(values)}"><title>{who}</title></path>' for k, who, values in named
    ]
    said = f"{escape(row['format'])}, {num(at + '/lo', 'plain')} to {num(at + '/hi', 'plain')}"
    if row["threshold"] is not None:
        said += f"; threshold {num(at + '/threshold', 'plain')}"
    who = "".join(f'<span class="key"><i class="c{k}"></i>{name}</span>' for k, name, _ in named)
    return Panel(
        kind="trace",
        at=at,
        name=f"<strong>{escape(row['name'])}</strong><small>{said}</small><small>{who}</small>",
        label=f"{row['of']}: {row['name']} over the steps",
        body="".join(body),
        height=TRACE_HEIGHT,
        top=-high,
        bottom=-low,
        limits=(-row["hi"], -row["lo"]),
        edges=(high, low),
    )


def _in_view(row: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest value of the first view: the data and the threshold; the limits where near."""
    values = [v for x in row["elements"] for v in x["values"]]
    values += [] if row["threshold"] is None else [row["threshold"]]
    low, high = min(values, default=0), max(values, default=0)
    if row["hi"] - row["lo"] <= NEAR * max(high - low, 1):
        return min(low, row["lo"]), max(high, row["hi"])
    return (low, high) if high > low else (low - 1, high + 1)


def _who(row: Mapping[str, Any], element: Mapping[str, Any]) -> str:
    """What an element is: neuron 3, axon 5, or axon and neuron of a synapse."""
    numbers = element["element"]
    if row["owner"] == "syn":
        return f"{numbers[0]} to {numbers[1]}"
    kind = {"neuron": "neuron", "post": "neuron", "pre": "axon"}.get(row["owner"], "layer")
    return f"{kind} {numbers[0]}"


def _held(values: Sequence[int]) -> str:
    """A line that holds each value from half a step before to half a step after its step."""
    parts = [f"M0.5 {-values[0]}H1.5"] if values else []
    parts += [f"V{-value}H{step + 0.5}" for step, value in enumerate(values[1:], 2)]
    return "".join(parts)


def axis(steps: int) -> str:
    """Numbers of the steps below a figure's panels."""
    marks = "".join(f'<span style="left:{100 * (t - 0.5) / steps:.2f}%">{t}</span>' for t in ticks(1, steps))
    return f'<div class="steps"><div class="name">step</div><div class="marks">{marks}</div></div>'


def ticks(low: int, high: int) -> Iterator[int]:
    """Whole numbers from low to high, 1, 2 or 5 times a power of ten apart, at most TICKS of them."""
    k = 0
    while (high - low) // _gap(k) >= TICKS:
        k += 1
    return iter(range(-(-low // _gap(k)) * _gap(k), high + 1, _gap(k)))


def _gap(k: int) -> int:
    return (1, 2, 5)[k % 3] * 10 ** (k // 3)
