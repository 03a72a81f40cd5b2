"""A chip's page in Markdown, made from its file: every value with its source and grade."""

from __future__ import annotations

from typing import Any

from chipsim.chip.page import corner, say
from chipsim.chip.prices import TIMED, EnergyProfile
from chipsim.chip.schema import Chip

TABLES = (
    ("Step", "step"),
    ("Weights", "weight"),
    ("Neuron", "neuron"),
    ("Limits of one chip", "limits"),
    ("Memory of a core", "memory"),
    ("Network between cores", "noc"),
)
OWNERS = ("pre", "post", "syn", "layer", "temp")


def markdown_page(chip: Chip) -> str:
    """The page as Markdown text; the same content as `chip_page`, each value beside its source."""
    lines = [
        f"# {chip.title}",
        "",
        f"`{chip.name}`, learning engine `{chip.engine}`. {chip.fidelity}",
        "",
        f"Made from the chip file by `chipsim chip page {chip.name}`; grades are explained in the README of "
        "the chip files.",
    ]
    for title, name in TABLES:
        lines += ["", f"## {title}", "", *_table(chip, name)]
    lines += ["", "## Registers of a learning rule", "", *_registers(chip)]
    lines += ["", "## Learning", "", *_learning(chip)]
    lines += ["", "## Energy and time", "", *_energy(chip)]
    lines += ["", "## Unknown: no source found", "", *_unknown(chip)]
    return "\n".join(lines) + "\n"


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _rows(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return lines + [f"| {' | '.join(map(_cell, row))} |" for row in rows]


def _source(chip: Chip, key: str) -> tuple[str, str]:
    found = chip.source_of(key)
    if found is None or chip.is_unknown(key):
        return "", ""
    return found.evidence, found.cite + (f". {found.note}" if found.note else "")


def _table(chip: Chip, name: str) -> list[str]:
    table = getattr(chip, name)
    if table is None:
        return ["Not stated in this file."]
    rows = [
        (key, say(chip, f"{name}.{key}", getattr(table, key)), *_source(chip, f"{name}.{key}"))
        for key in type(table).model_fields
    ]
    return _rows(("field", "value", "grade", "source"), rows)


def _registers(chip: Chip) -> list[str]:
    rows = []
    for name in OWNERS:
        bank = getattr(chip.registers, name)
        count = say(chip, f"registers.{name}.count", bank.count)
        rounding = ", ".join(bank.rounding) or "-"
        rows.append((name, count, bank.widest(), rounding, *_source(chip, f"registers.{name}")))
    return _rows(("owner", "how many", "widest", "rounding", "grade", "source"), rows)


def _learning(chip: Chip) -> list[str]:
    tables = [("learning", chip.learning)]
    if chip.learning.products is not None:
        tables.append(("learning.products", chip.learning.products))
    rows = [
        (key, say(chip, f"{base}.{key}", getattr(table, key)), *_source(chip, f"{base}.{key}"))
        for base, table in tables
        for key in type(table).model_fields
        if key != "products"
    ]
    return _rows(("field", "value", "grade", "source"), rows)


def _energy(chip: Chip) -> list[str]:
    if not chip.energy:
        return ["No energy per event is published: operations are counted, none is priced."]
    lines = ["Profiles are never mixed."]
    for name, profile in chip.energy.items():
        default = ", the default" if name == chip.energy_default else ""
        meta = profile.meta
        lines += ["", f"### `{name}`{default}", "", f"{meta.text}."]
        lines += ["", f"Definition {meta.definition}, bound {meta.bound}, {corner(profile)}."]
        lines += ["", *_profile(chip, name, profile)]
    return lines


def _profile(chip: Chip, name: str, profile: EnergyProfile) -> list[str]:
    base = f"energy.{name}"
    rows = []
    for event, price in profile.prices.items():
        said = f"{price.value_J:g} J" + "".join(f", {k} {v:g}" for k, v in price.formats.items())
        if price.low_J is not None:
            said += f" ({price.low_J:g} to {price.high_J:g})"
        bound = price.bound + (f", assumption {price.assumption}" if price.assumption else "")
        rows.append((event, said, bound, *_source(chip, f"{base}.prices.{event}")))
    for key in type(profile.power).model_fields if profile.power else ():
        value = getattr(profile.power, key)
        if value is not None:
            rows.append((key, f"{value:g}", "", *_source(chip, f"{base}.power.{key}")))
    for event in TIMED if profile.times else ():
        found = profile.times.events.get(event)
        if found is not None:
            said = f"{found.value_s:g} s" + "".join(f", {k} {v:g}" for k, v in found.formats.items())
            source = _source(chip, f"{base}.times.events.{event}")
            rows.append((f"time of {event}", said, found.bound, *source))
    for tiles, value in (profile.times.barrier if profile.times else {}).items():
        source = _source(chip, f"{base}.times.barrier")
        rows.append((f"barrier, {tiles} tiles", f"{value:g} s", "", *source))
    lines = _rows(("event", "value", "bound", "grade", "source"), rows)
    if profile.meta.includes:
        lines += ["", f"Included in these prices: {', '.join(profile.meta.includes)}."]
    return lines


def _unknown(chip: Chip) -> list[str]:
    if not chip.unknown:
        return ["Nothing."]
    groups: dict[str, list[str]] = {}
    for key in chip.unknown:
        table, _, field = key.rpartition(".")
        groups.setdefault(table, []).append(field)
    return [f"- {f'`{table}`: ' if table else ''}{', '.join(fields)}" for table, fields in groups.items()]
