"""The fit of a network on a chip as plain text; a pure function of what `chipsim.mapping.fit` returns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from chipsim.report.units import percent, table

WIDTH = 110
SHOWN = 40  # cores in the table of cores
COLUMNS = ("neurons", "axons_in", "axons_out", "synapse_bits", "state_bits", "trace_bits")


def fit_text(fit: Mapping[str, Any]) -> str:
    """Resources, cores, what binds, what is unchecked, what would help."""
    blocks = [_head(fit), _resources(fit), _cores(fit), _axons(fit), _routes(fit), _rest(fit)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(fit: Mapping[str, Any]) -> list[str]:
    lines = []
    if fit.get("experiment"):
        rule = fit.get("rule") or "no rule"
        lines.append(f"{fit['experiment']} ({rule}) on chip {fit['chip']}")
    if fit.get("rule_refused"):
        lines += textwrap.wrap(
            f"the rule is refused: {fit['rule_refused']}; mapped without learning",
            WIDTH,
            subsequent_indent="  ",
        )
    if fit["cores"] is None:
        lines += ["does not fit", *("  " + line for line in fit["reason"].splitlines())]
        return lines
    per_chip = fit["cores_per_chip"]
    size = "no limit" if per_chip is None else f"{per_chip} a chip"
    word = "fits" if fit["fits"] else f"does not fit: {fit['reason']}"
    lines.append(f"{word}: {fit['cores']} core(s), {size}; {fit['chips']} chip(s), {fit['tiles']} tile(s)")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _resources(fit: Mapping[str, Any]) -> list[str]:
    if not fit["resources"]:
        return []
    rows = [["fullest core", "used", "limit", "share", "core", "all cores"]]
    for row in fit["resources"]:
        mark = " <- binds" if row["resource"] == fit["binds"] else ""
        rows.append(
            [
                row["what"] + mark,
                _number(row["used"]),
                _number(row["limit"]),
                percent(row["share"], 1),
                _number(row["core"]),
                _number(row["total"]),
            ]
        )
    return table(rows)


def _cores(fit: Mapping[str, Any]) -> list[str]:
    cores = fit["cores_used"]
    if not cores:
        return []
    rows = [["core", "chip", "tile", *COLUMNS, "layers"]]
    for core in cores[:SHOWN]:
        layers = ", ".join(f"{x['name']} {x['first']}-{x['stop'] - 1}" for x in core["layers"])
        place = f"{core['x']},{core['y']}"
        rows.append(
            [str(core["core"]), str(core["chip"]), place, *(_number(core[key]) for key in COLUMNS), layers]
        )
    lines = table(rows)
    if len(cores) > SHOWN:
        lines.append(f"  and {len(cores) - SHOWN} more (--json has all)")
    return lines


def _axons(fit: Mapping[str, Any]) -> list[str]:
    if not fit.get("axon_bits"):
        return []
    lines = [f"Synapse memory of one axon on a core, bits (packing: {fit['packing']})"]
    return lines + table([[name, _number(bits)] for name, bits in fit["axon_bits"].items()])


def _routes(fit: Mapping[str, Any]) -> list[str]:
    if not fit.get("traffic"):
        return []
    t, p = fit["traffic"], fit["placement"]
    lines = [
        "Traffic, one spike of every neuron: "
        f"{t['messages']:,} messages, {t['hops_x']:,} hops along x, {t['hops_y']:,} along y, "
        f"{t['between_chips']:,} between chips"
    ]
    if p["message_hops_before"]:
        lines.append(
            f"  placement: {p['message_hops']:,.0f} message hops; along the curve, unimproved, "
            f"{p['message_hops_before']:,.0f}"
        )
    return lines


def _rest(fit: Mapping[str, Any]) -> list[str]:
    lines = []
    for title, key in (
        ("Unchecked", "unchecked"),
        ("What would help, the smallest change first", "remedies"),
    ):
        if fit.get(key):
            lines.append(title)
            for text in fit[key]:
                lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines
