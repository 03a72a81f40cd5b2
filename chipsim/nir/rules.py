"""Plasticity in a file: a rule's text, everything that its binding had set, and the way back."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Any

from chipsim.errors import DataError, SettingError
from chipsim.fixed import Format
from chipsim.microcode.program import Program
from chipsim.microcode.syntax import parse_rule
from chipsim.nir.metadata import Meta, Rule
from chipsim.simulator import Simulator
from chipsim.stored import bound_programs

OUTSIDE = ("third_factor", "reward")  # what a rule reads from circuits, which a file does not carry
_TOLD = ("notes", "lowering", "exact", "exact_init")  # how a program came to be, not what it does


def rule_meta(sim: Simulator, connection: str) -> Rule:
    """A connection's rule: its text, formats, constants, present parameters, and the bound program."""
    c = sim.plan.connection(connection)
    program = c.program
    now = sim.state.get(f"c{c.index}_params", [p.raw for p in program.params])
    values = {p.name: _real(p.raw, p.fmt) for p in program.params}
    consts = {name: _real(raw, Format.parse(fmt)) for name, fmt, raw in program.consts}
    return Rule(
        name=program.name,
        text=program.source,
        engine=program.engine,
        formats={r.name: str(r.fmt) for r in program.registers if not r.is_weight},
        values=consts | values,
        now={p.name: int(raw) for p, raw in zip(program.params, now, strict=True)},
        program=program_text(sim, connection),
    )


def _real(raw: int, fmt: Format | None) -> int | float:
    return raw if fmt is None else float(fmt.real(raw))


def program_text(sim: Simulator, connection: str) -> str:
    """What a bound program does, as JSON: lines, registers, tables, raw constants."""
    return json.dumps(_done(bound_programs(sim)[connection]), sort_keys=True)


def _done(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _done(inner) for key, inner in value.items() if key not in _TOLD}
    return [_done(inner) for inner in value] if isinstance(value, list) else value


def programs_of(meta: Meta, where: str) -> tuple[dict[str, Program], dict[str, dict[str, Any]], list[str]]:
    """(programs, settings of their connections, what was left out) by the name of a connection's node.

    Raises DataError for a rule's text that cannot be read."""
    programs, settings, left = {}, {}, []
    for name, c in meta.connections.items():
        if c.rule is None:
            continue
        program = parse_rule(c.rule.text, f"{where}: rule {c.rule.name}")
        if any(x.source in OUTSIDE for x in program.inputs):
            left.append(f"{name}: rule {c.rule.name} needs a third factor, which the file does not carry")
            continue
        known = {x.name for x in (*program.params, *program.consts)}
        try:
            formats = {register: Format.parse(text) for register, text in c.rule.formats.items()}
        except SettingError as error:
            raise DataError(f"{error}", where=f"{where}: rule {c.rule.name}") from None
        values = {key: Fraction(value) for key, value in c.rule.values.items() if key in known}
        programs[name] = program
        settings[name] = {"formats": formats, "params": values}
    return programs, settings, left


def present_parameters(meta: Meta, names: dict[str, Program]) -> dict[str, dict[str, int]]:
    """Raw values that parameters had when the file was written: a schedule may have moved them."""
    return {name: dict(meta.connections[name].rule.now) for name in names}


def check_bound(sim: Simulator, meta: Meta, names: dict[str, Program], where: str) -> None:
    """DataError unless every rule is bound to the very program that chipsim wrote."""
    for name in names:
        if program_text(sim, name) != meta.connections[name].rule.program:
            found = hashlib.sha256(program_text(sim, name).encode()).hexdigest()[:12]
            raise DataError(
                f"its rule {meta.connections[name].rule.name} binds to another program ({found})",
                where=f"{where}: {name}",
                remedy="leave --rules out, or build the network in Python",
            )


def engine_of(meta: Meta, names: dict[str, Program]) -> str | None:
    """The engine that the rules ran on."""
    return next((meta.connections[name].rule.engine for name in names), None)
