"""Cost per sample, mapping and metrics of a summary as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.report.units import count, engineering, percent, table


def cost_lines(summary: Mapping[str, Any]) -> list[str]:
    """Energy per learned sample, per inference and per point of accuracy, by part."""
    cost = summary.get("cost") or {}
    named = [(key.replace("_", " "), cost.get(key)) for key in ("per_learned_sample", "per_inference")]
    named = [(name, row) for name, row in named if row and row["J"] is not None]
    if not named:
        return []
    parts = list(named[0][1]["breakdown_J"])
    rows = [["", "samples", *parts, "bound"]]
    for name, row in named:
        joules = [engineering(row["breakdown_J"][part], "J") for part in parts]
        rows.append([name, count(row["samples"]), *joules, "min" if row["is_lower_bound"] else ""])
    lines = [f"Energy per sample ({cost['assumed']})", *table(rows)]
    if cost.get("per_accuracy_point_J") is not None:
        point = engineering(cost["per_accuracy_point_J"], "J")
        lines.append(f"  all learning per percentage point of test accuracy: {point}")
    return lines


def mapping_lines(summary: Mapping[str, Any]) -> list[str]:
    """Cores, chips, and how full the fullest core is."""
    found = summary.get("mapping")
    if not found:
        return []
    if found["cores"] is None:
        return ["Mapping: does not fit", *("  " + line for line in found["reason"].splitlines())]
    word = "" if found["fits"] else f", does not fit: {found['reason']}"
    head = f"Mapping: {found['cores']} core(s), {found['chips']} chip(s){word}"
    rows = [["fullest core", "used", "limit", "share"]]
    for row in found["resources"]:
        mark = " <- binds" if row["resource"] == found["binds"] else ""
        limit = "-" if row["limit"] is None else f"{row['limit']:,}"
        rows.append([row["what"] + mark, f"{row['used']:,}", limit, percent(row["share"], 1)])
    lines = [head, *table(rows)]
    return lines + [f"  unchecked: {text}" for text in found["unchecked"]]


def metric_lines(summary: Mapping[str, Any]) -> list[str]:
    """NeuroBench's metrics and the Plasticity* beside them."""
    lines: list[str] = []
    titles = (("neurobench", "NeuroBench metrics"), ("plasticity", "Plasticity, per learned sample"))
    for key, title in titles:
        found = summary.get(key)
        if found:
            rows = [[name, _said(value)] for name, value in flat(found)]
            lines += [title, *table(rows)]
    return lines


def flat(metrics: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested metrics as (dotted name, number)."""
    rows: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        rows += flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)]
    return rows


def _said(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
