"""The report as one HTML file: no network, no script, everything escaped, light and dark, printable.

Every number stands in a <data> element whose `value` is the number and whose `data-path` is its place in
the JSON of the same report, so that a test can compare each with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipsim.chip import EVENTS
from chipsim.report import svg
from chipsim.report.cost import flat
from chipsim.report.memory import memory_ledger
from chipsim.report.units import count, engineering, percent

HERE = Path(__file__).resolve().parent
SPLITS = ("train", "validation", "test", "twin")
PURPOSES = ("inference", "learning", "error")


def html_report(data: Mapping[str, Any]) -> str:
    """The page of a report's data (`{"run", "summary", "curves", "histograms", "warnings"}`)."""
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
    page = _Page(data)
    return (
        env.get_template(name).render(
            data=data,
            num=page.num,
            style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
            pictures={key: Markup(text) for key, text in pictures.items()},
            embedded=Markup(json.dumps(data, allow_nan=False).replace("<", "\\u003c")),
            splits=SPLITS,
            purposes=PURPOSES,
            seen=seen,
            flat=flat,
            ledger=memory_ledger,
            engineering=engineering,
        )
        + "\n"
    )


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
        "energy": svg.stacked(bars) if bars else "",
        "cores": svg.cores_map(mapping),
    }
    return pictures | {f"weights{k}": svg.histogram(row) for k, row in enumerate(data["histograms"])}
