"""A chip as plain text: structure, widths, registers, engine, energy, what is unknown, sources."""

from __future__ import annotations

import textwrap
from typing import Any

from chipsim.chip.prices import TIMED, EnergyProfile
from chipsim.chip.schema import Chip, RegisterBank

WIDTH = 100
_OWNERS = {
    "pre": "per axon",
    "post": "per neuron",
    "syn": "per synapse (tags)",
    "layer": "per layer",
    "temp": "within a section",
}


def chip_page(chip: Chip) -> str:
    """The page of `chipsim chip show`: everything the file says, in SI units, without colour."""
    blocks = [
        _head(chip),
        _section("Step", chip, "step"),
        _section("Weights", chip, "weight"),
        _section("Neuron", chip, "neuron"),
        _registers(chip),
        _learning(chip),
        _section("Limits of one chip", chip, "limits"),
        _section("Memory of a core", chip, "memory"),
        _section("Network between cores", chip, "noc"),
        _energy(chip),
        _unknown(chip),
        _sources(chip),
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _head(chip: Chip) -> list[str]:
    return [
        f"{chip.name}: {chip.title}",
        *textwrap.wrap(f"fidelity  {chip.fidelity}", WIDTH, subsequent_indent=" " * 10),
        f"engine    {chip.engine}",
        f"noise     {chip.noise_default} (may be {', '.join(chip.noises)})",
        f"file      {chip.path}",
        f"sha256    {chip.sha256}",
    ]


def _section(title: str, chip: Chip, name: str) -> list[str]:
    table = getattr(chip, name)
    if table is None:
        return [title, "  not stated in this file"]
    fields = type(table).model_fields
    return [
        title,
        *_rows([(field, say(chip, f"{name}.{field}", getattr(table, field))) for field in fields]),
    ]


def _registers(chip: Chip) -> list[str]:
    rows = [("owner", "", "how many", "widest", "rounding")]
    for name, where in _OWNERS.items():
        bank: RegisterBank = getattr(chip.registers, name)
        count = say(chip, f"registers.{name}.count", bank.count)
        rows.append((name, where, count, bank.widest(), ", ".join(bank.rounding) or "-"))
    return ["Registers", *_columns(rows)]


def _learning(chip: Chip) -> list[str]:
    learning = chip.learning
    rows = [
        (field, say(chip, f"learning.{field}", getattr(learning, field)))
        for field in type(learning).model_fields
        if field != "products"
    ]
    lines = ["Learning", *_rows(rows)]
    if learning.products is not None:
        products = learning.products
        base = "learning.products."
        lines += [
            "Sum of products",
            *_rows(
                [
                    (name, say(chip, base + name, getattr(products, name)))
                    for name in type(products).model_fields
                ]
            ),
        ]
    return lines


def _energy(chip: Chip) -> list[str]:
    if not chip.energy:
        return ["Energy", "  no published energy per event: operations are counted, none is priced"]
    lines = []
    for name, profile in chip.energy.items():
        default = " (default)" if name == chip.energy_default else ""
        lines += [f"Energy, profile {name}{default}", *_profile(name, profile, chip)]
    return lines


def _profile(name: str, profile: EnergyProfile, chip: Chip) -> list[str]:
    meta = profile.meta
    lines = textwrap.wrap(meta.text, WIDTH, initial_indent="  ", subsequent_indent="  ")
    lines.append(f"  {meta.definition}, {meta.bound}, {corner(profile)}, evidence {meta.evidence}")
    if profile.prices:
        lines += _columns([("event", "price", "bound", "evidence", "source"), *_price_rows(profile)])
    if meta.includes:
        text = f"included in other prices: {', '.join(meta.includes)}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    base = f"energy.{name}.prices"
    unpriced = [key.removeprefix(base + ".") for key in chip.unknown if key.startswith(base + ".")]
    if base in chip.unknown:
        unpriced = ["every event"]
    if unpriced:
        text = f"counted, without a price: {', '.join(unpriced)}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines + _power(name, profile, chip) + _times(name, profile, chip)


def corner(profile: EnergyProfile) -> str:
    """The operating corner in words: supply, temperature, clock."""
    meta = profile.meta
    named = ((meta.voltage_V, "V"), (meta.temperature_C, "C"), (meta.frequency_Hz, "Hz"))
    said = ["voltage unknown" if meta.voltage_V is None else ""]
    return ", ".join(filter(None, said + [f"{value:g} {unit}" for value, unit in named if value is not None]))


def _price_rows(profile: EnergyProfile) -> list[tuple[str, ...]]:
    rows = []
    for event, price in profile.prices.items():
        label = f" [assumption {price.assumption}]" if price.assumption else ""
        said = f"{price.value_J:g} J"
        if price.low_J is not None:
            said += f" ({price.low_J:g} to {price.high_J:g})"
        said += "".join(f", {kind} {value:g}" for kind, value in price.formats.items())
        rows.append((event, said, price.bound, price.evidence, price.source + label))
    return rows


def _power(name: str, profile: EnergyProfile, chip: Chip) -> list[str]:
    if profile.power is None:
        total = profile.meta.definition == "total_at_operating_point"
        return ["  static power: " + ("in the prices" if total else "unknown")]
    base = f"energy.{name}.power."
    return _rows(
        [
            (key, say(chip, base + key, getattr(profile.power, key)))
            for key in type(profile.power).model_fields
        ]
    )


def _times(name: str, profile: EnergyProfile, chip: Chip) -> list[str]:
    if profile.times is None:
        return ["  times: unknown"]
    rows = [("time of", "seconds", "bound")]
    for event in TIMED:
        found = profile.times.events.get(event)
        said = "unknown" if found is None else f"{found.value_s:g}"
        said += "".join(f", {kind} {value:g}" for kind, value in (found.formats if found else {}).items())
        rows.append((event, said, found.bound if found else ""))
    barrier = ", ".join(f"{tiles} tiles {value:g}" for tiles, value in profile.times.barrier.items())
    rows.append(("barrier", barrier or "none", ""))
    return _columns(rows)


def _unknown(chip: Chip) -> list[str]:
    return ["Unknown (no source found)", *(f"  {key}" for key in chip.unknown or ("nothing",))]


def _sources(chip: Chip) -> list[str]:
    lines = [
        "Sources",
        "  M measured, S simulated, A by design, RTL, SW software, D derived, V vendor, mem remembered",
    ]
    for key, source in chip.sources.items():
        note = f". {source.note}" if source.note else ""
        text = f"{key} [{source.evidence}] {source.cite}{note}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ")
    return lines


def say(chip: Chip, key: str, value: Any) -> str:
    """One value in words; None is unknown where the file says so, else unlimited."""
    if value is None:
        return "unknown" if chip.is_unknown(key) else "unlimited"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, tuple):
        if len(value) > 2 and isinstance(value[0], int) and value == tuple(range(value[0], value[-1] + 1)):
            return f"{value[0]} to {value[-1]}"
        return ", ".join(str(inner) for inner in value) or "none"
    return str(value)


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    indent = " " * 25
    lines: list[str] = []
    for name, value in rows:
        lines += textwrap.wrap(f"  {name:<22} {value}", WIDTH, subsequent_indent=indent)
    return lines


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
