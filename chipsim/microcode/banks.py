"""Registers of a rule in the register banks of a chip: width, sign, number, rounding."""

from __future__ import annotations

from dataclasses import replace

from chipsim.errors import LimitError, SettingError, did_you_mean
from chipsim.fixed import Format, fold
from chipsim.microcode.program import BoundLine, BoundRegister, Note, Program, Register


def bind_registers(program: Program, chip, use) -> tuple[tuple[BoundRegister, ...], list[Note]]:
    """Final format of every register; notes say what `fit = "narrow"` cut. Raises LimitError."""
    _known_formats(program, use)
    _count(program, chip)
    notes: list[Note] = []
    registers = []
    for r in program.registers:
        if r.fmt is None:
            registers.append(_weight(r, chip, use))
        else:
            fmt = _fit(r, use.formats.get(r.name, r.fmt), chip, use, notes)
            registers.append(_register(r, fmt, notes))
    return tuple(registers), notes


def check_rounding(registers: tuple[BoundRegister, ...], lines: tuple[BoundLine, ...], bounds, chip) -> None:
    """Refuse a rounding that the bank does not do, where a write of the register rounds at all."""
    for r in registers:
        if r.is_weight:
            continue
        bank = _bank(chip, r.temp, r.owner)
        allowed = set(bank.rounding)
        if not r.fmt.signed and allowed & {"floor", "trunc"}:
            allowed |= {"floor", "trunc"}
        rounds = [x for x in lines if x.target.name == r.name and x.drop_range(bounds)[1] > 0]
        if rounds and r.rounding not in allowed:
            raise LimitError(
                f"register '{r.name}' rounds by {r.rounding} in line {rounds[0].line} ({rounds[0].text}); "
                f"{_place(r.temp, r.owner)} registers of chip {chip.name} round by "
                f"{', '.join(bank.rounding)}",
                where=str(chip.path),
                remedy=f"declare '{r.name}' with round={bank.rounding[0]}, or choose another chip",
            )


def _bank(chip, temp: bool, owner: str):
    return getattr(chip.registers, "temp" if temp else owner)


def _place(temp: bool, owner: str) -> str:
    return "temp" if temp else owner


def _known_formats(program: Program, use) -> None:
    names = {r.name: r for r in program.registers}
    for name in use.formats:
        if name not in names:
            raise SettingError(
                f"rule {program.name} has no register '{name}'{did_you_mean(name, names)}",
                remedy=f"registers: {', '.join(names)}",
            )
        if names[name].fmt is None:
            raise SettingError(
                f"'{name}' is the weight: its format is the connection's",
                remedy="set weight.bits instead",
            )


def _count(program: Program, chip) -> None:
    for place in ("pre", "post", "syn", "layer", "temp"):
        mine = [r for r in program.registers if (place == "temp") == r.temp and r.fmt is not None]
        mine = mine if place == "temp" else [r for r in mine if r.owner == place]
        bank = getattr(chip.registers, place)
        if bank.count is not None and len(mine) > bank.count:
            names = ", ".join(r.name for r in mine)
            raise LimitError(
                f"rule {program.name} needs {len(mine)} {place} registers ({names}); chip {chip.name} has "
                f"{bank.count}",
                where=str(chip.path),
                remedy="choose a chip with more registers, or rewrite the rule with fewer",
            )


def _fit(r: Register, fmt: Format, chip, use, notes: list[Note]) -> Format:
    bank = _bank(chip, r.temp, r.owner)
    if bank.holds(fmt):
        return fmt
    place = _place(r.temp, r.owner)
    if fmt.signed and not bank.signed:
        raise LimitError(
            f"register '{r.name}' is {fmt}, signed; {place} registers of chip "
            f"{chip.name} are unsigned ({bank.widest()})",
            where=str(chip.path),
            remedy="split the register in a positive and a negative one, or choose another chip",
        )
    limit = bank.bits if fmt.signed else bank.unsigned_bits
    if use.fit != "narrow" or limit == 0:
        raise LimitError(
            f"register '{r.name}' is {fmt}, {fmt.bits} bits; {place} registers of chip {chip.name} hold "
            f"{limit} bits ({bank.widest()})",
            where=str(chip.path),
            remedy=f"--set {r.name}.format=..., or --fit narrow (cuts the low bits), or choose another chip",
        )
    narrow = Format(fmt.signed, limit, fmt.frac - (fmt.bits - limit))
    notes.append(
        Note("narrowed", r.line, f"'{r.name}' {fmt} -> {narrow}: {fmt.bits - limit} low bits cut, range kept")
    )
    return narrow


def _register(r: Register, fmt: Format, notes: list[Note]) -> BoundRegister:
    init = fold(r.init, fmt)
    if init.error:
        notes.append(
            Note(
                "constant",
                r.line,
                f"'{r.name}' begins at {float(fmt.real(init.raw)):g}, wanted {float(r.init):g}",
            )
        )
    return BoundRegister(
        name=r.name,
        owner=r.owner,
        temp=r.temp,
        fmt=fmt,
        rounding=r.rounding,
        overflow=r.overflow,
        init=init.raw,
        keep=r.keep,
        per_context=r.temp or r.owner in ("pre", "post") or r.per_context,
        publish=r.publish,
        lo=fmt.lo,
        hi=fmt.hi,
        exact_init=r.init,
    )


def _weight(r: Register, chip, use) -> BoundRegister:
    fmt = use.weight
    if fmt.bits not in chip.weight.bits or (fmt.signed and not chip.weight.signed):
        widths = ", ".join(map(str, chip.weight.bits))
        sign = "signed or unsigned" if chip.weight.signed else "unsigned"
        raise LimitError(
            f"the weight '{r.name}' is {fmt}; weights of chip {chip.name} are {sign} with {widths} bits",
            where=str(chip.path),
            remedy=f"set weight.bits to {chip.weight.default_bits}",
        )
    if not fmt.lo <= use.w_lo <= use.w_hi <= fmt.hi:
        raise SettingError(
            f"weight limits {use.w_lo}..{use.w_hi} (raw) do not lie inside {fmt}: {fmt.lo}..{fmt.hi}",
            remedy="choose w_min and w_max inside the weight's format",
        )
    bound = _register(replace(r, fmt=fmt), fmt, [])
    return replace(bound, lo=use.w_lo, hi=use.w_hi, is_weight=True)
