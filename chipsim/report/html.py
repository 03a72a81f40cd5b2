"""The report as one HTML file: no network, everything escaped, light and dark, printable.

Its one script (`zoom.js`) zooms rasters and traces. The page's content policy names that script by its hash,
so that no browser runs anything else on it, and lets nothing be fetched.

Every number stands in a <data> element whose `value` is the number and whose `data-path` is its place in
the JSON of the same report, so that a test can compare each with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipsim.chip import EVENTS
from chipsim.ledger.cost import part_of
from chipsim.report import look, svg
from chipsim.report.cost import flat
from chipsim.report.memory import memory_ledger
from chipsim.report.units import count, engineering, percent

HERE = Path(__file__).resolve().parent
SPLITS = ("train", "validation", "test", "twin")
PURPOSES = ("inference", "learning", "error")
FATES = ("kept", "rounded to zero", "saturated", "wrapped")
MOST_LOSSES = 24  # bars of writes that lost something, the largest shares first


def html_report(data: Mapping[str, Any]) -> str:
    """The page of a report's data (`{"run", "summary", "curves", "histograms", "warnings", "recording"}`)."""
    return _render("page.html", data, _pictures(data))


def html_compare(data: Mapping[str, Any]) -> str:
    """The page of a comparison (`compare.comparison`)."""
    return _render("compare.html", data, {})


def _render(name: str, data: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    env = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page, script = _Page(data), (HERE / "zoom.js").read_text(encoding="utf-8")
    recording = data.get("recording")
    plots = {
        kind: [{key: Markup(text) for key, text in figure.items()} for figure in make(recording, page.num)]
        if recording
        else []
        for kind, make in (("rasters", look.rasters), ("traces", look.traces))
    }
    return (
        env.get_template(name).render(
            data=data,
            recording=recording,
            num=page.num,
            style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=_hash(script),
            plots=plots,
            gauge=lambda row: Markup(look.gauge(row)),
            pictures={key: Markup(text) for key, text in pictures.items()},
            embedded=Markup(json.dumps(data, allow_nan=False).replace("<", "\\u003c")),
            parts=("total", *svg.PARTS),
            splits=SPLITS,
            purposes=PURPOSES,
            seen=seen,
            flat=flat,
            ledger=memory_ledger,
            engineering=engineering,
        )
        + "\n"
    )


def _hash(script: str) -> str:
    """A script as a content policy names it: the text between its tags, which stand on lines of their own."""
    digest = hashlib.sha256(f"\n{script}\n".encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


class _Page:
    """Numbers of one page, each with its path."""

    def __init__(self, data: Mapping[str, Any]):
        self.data = data

    def num(self, path: str, how: str = "count") -> Any:
        """A number at a dotted path as a <data> element; how is count, percent, plain or a unit."""
        from markupsafe import Markup

        value = lookup(self.data, path)
        if value is None:
            return "-"
        if how == "percent":
            said = percent(value)
        elif how == "count":
            said = count(value)
        elif how == "plain":
            said = f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
        else:
            said = engineering(value, how)
        return Markup('<data value="{}" data-path="{}">{}</data>').format(repr(value), path, said)


def lookup(data: Any, path: str) -> Any:
    """The value at a path of keys and numbers, parted by `/`; None where there is none."""
    for part in path.split("/"):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list | tuple):
            data = data[int(part)]
        else:
            return None
    return data


def seen(ledger: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Events that any purpose counted, in the order of EVENTS."""
    return [event for event in EVENTS if any(counts.get(event) for counts in ledger.values())]


def _pictures(data: Mapping[str, Any]) -> dict[str, str]:
    cost = data["summary"].get("cost") or {}
    bars = []
    for key in ("per_learned_sample", "per_inference"):
        row = cost.get(key)
        if row and row["J"] is not None:
            bars.append((key.replace("_", " "), row["breakdown_J"]))
    mapping = data["summary"].get("mapping") or {}
    pictures = {
        "curves": svg.curves(data["curves"]),
        "energy": svg.stacked(bars, _sources(data["summary"])) if bars else "",
        "cores": svg.cores_map(mapping),
        "operations": svg.shares(_operations(data["summary"]), PURPOSES, "Operations by purpose"),
        "writes": svg.shares(_losses(data["summary"]), FATES, "What became of the results of writes"),
    }
    return pictures | {f"weights{k}": svg.histogram(row) for k, row in enumerate(data["histograms"])}


def _sources(summary: Mapping[str, Any]) -> dict[str, list[str]]:
    """Part of the energy -> the sources of its prices."""
    found: dict[str, list[str]] = {}
    energy = summary.get("energy") or {}
    for line in energy.get("lines") or ():
        if line["count"]:
            found.setdefault(part_of(line["event"], line["purpose"]), []).append(line["source"])
    found["static"] = [line["source"] for line in energy.get("static") or ()]
    return {part: list(dict.fromkeys(texts)) for part, texts in found.items()}


def _operations(summary: Mapping[str, Any]) -> list[tuple[str, dict[str, int]]]:
    """Events of all layers by purpose."""
    total: dict[str, dict[str, int]] = {}
    for layer in summary.get("layers") or ():
        for purpose, events in (layer.get("ledger") or {}).items():
            for event, number in events.items():
                row = total.setdefault(event, {})
                row[purpose] = row.get(purpose, 0) + number
    return [(event, total[event]) for event in EVENTS if any(total.get(event, {}).values())]


def _losses(summary: Mapping[str, Any]) -> list[tuple[str, dict[str, int]]]:
    """What became of the results of each line or state that lost some, the largest shares first."""
    rows = []
    for row in summary.get("writes") or ():
        done = row.get("done") or 0
        lost = {name: row.get(name.replace(" ", "_")) or 0 for name in FATES[1:]}
        if done and any(lost.values()):
            rest = max(0, done - sum(lost.values()))
            rows.append((sum(lost.values()) / done, f"{row['place']}, {row['name']}", {"kept": rest, **lost}))
    rows.sort(key=lambda row: -row[0])
    return [(name, parts) for _, name, parts in rows[:MOST_LOSSES]]
