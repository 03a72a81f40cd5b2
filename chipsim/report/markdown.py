"""The report's data as Markdown tables, and as CSV rows of every leaf."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

SECTIONS = (
    ("What ran", "run"),
    ("Accuracy", "summary/accuracy"),
    ("Controls", "summary/controls"),
    ("Energy", "summary/energy"),
    ("Cost per sample", "summary/cost"),
    ("Mapping", "summary/mapping"),
    ("NeuroBench metrics", "summary/neurobench"),
    ("Plasticity per learned sample", "summary/plasticity"),
    ("Layers", "summary/layers"),
    ("Event-driven core", "summary/core"),
    ("Memory on the chip", "summary/memory"),
    ("Writes", "summary/writes"),
    ("Weights at their limits", "summary/weights"),
    ("What the chip changed", "summary/notes"),
    ("Warnings", "warnings"),
    ("Curves", "curves"),
    ("Histograms of weights", "histograms"),
    ("Ranges of registers", "recording/ranges"),
)


def markdown_report(data: Mapping[str, Any]) -> str:
    """Every section as a table: lists of records as rows, everything else as name and value."""
    lines = [f"# {_cell(data['summary'].get('experiment') or 'run')}"]
    for title, path in SECTIONS:
        part: Any = data
        for key in path.split("/"):
            part = part.get(key) if isinstance(part, Mapping) else None
        if part:
            lines += ["", f"## {title}", "", *_table(part)]
    return "\n".join([*lines, *_recorded(data.get("recording"))]) + "\n"


def _recorded(recording: Mapping[str, Any] | None) -> list[str]:
    """Rasters and traces as sums; their spikes and values stand in the JSON and the CSV."""
    if not recording:
        return []
    spikes = [
        [sample["sample"], sample["label"], row["layer"], row["size"], row["spikes"], row["until"]]
        for sample in recording["samples"]
        for row in sample["layers"]
    ]
    traces = [
        [row["of"], row["name"], " ".join(map(str, x["element"])), row["format"], row["lo"], row["hi"]]
        + ([min(x["values"]), max(x["values"]), x["values"][-1]] if x["values"] else [None] * 3)
        for row in recording["traces"]
        for x in row["elements"]
    ]
    lines = ["", "## Rasters", "", f"Recorded {_cell(recording['said'])}.", ""]
    lines += _rows(["sample", "label", "layer", "neurons", "spikes", "drawn to step"], spikes)
    head = ["of", "register", "element", "format", "lo", "hi", "smallest", "largest", "last"]
    return [*lines, "", "## Traces", "", *_rows(head, traces)]


def csv_report(data: Mapping[str, Any]) -> str:
    """`path,value` of every leaf of the report's JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "value"])
    writer.writerows((path, "" if value is None else value) for path, value in leaves(data))
    return out.getvalue()


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that is no table or list."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from leaves(value, f"{path}/{key}" if path else str(key))
    elif isinstance(data, list | tuple):
        for k, value in enumerate(data):
            yield from leaves(value, f"{path}/{k}")
    else:
        yield path, data


def _table(part: Any) -> list[str]:
    if isinstance(part, list) and all(isinstance(x, Mapping) for x in part):
        records = [dict(leaves(x)) for x in part]
        if max(map(len, records)) <= 14:
            keys = list(dict.fromkeys(key for record in records for key in record))
            rows = [[record.get(key) for key in keys] for record in records]
            return _rows(keys, rows)
    return _rows(["name", "value"], [list(pair) for pair in leaves(part)])


def _rows(head: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return lines + [f"| {' | '.join(map(_cell, row))} |" for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
