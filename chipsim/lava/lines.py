"""All lines of a bound program as plain data for `arithmetic/lines.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.errors import LimitError
from chipsim.lava.neuron_program import line_data
from chipsim.microcode.program import BoundProgram, BoundRegister


def describe_lines(
    program: BoundProgram, connection: int, noise: str, params: Mapping[str, int]
) -> dict[str, Any]:
    """Registers and lines of a rule that runs unlowered. Raises LimitError for what has no Lava process."""
    where = f"rule {program.name}"
    if any(r.owner == "layer" for r in program.registers):
        raise LimitError("a register of the layer has no Lava process", where=where)
    if program.products or program.accumulate != "sum":
        raise LimitError("products beside lines have no Lava process", where=where)
    weight = program.weight
    return {
        "name": program.name,
        "connection": connection,
        "noise": noise,
        "weight": weight.name if weight else "",
        "epoch": program.epoch,
        "phase7": program.phase7,
        "history": {x.name: getattr(x, "source", "") for x in program.stored},
        "registers": {r.name: _register(r) for r in program.registers},
        "lines": [line_data(x, params) for x in program.lines],
    }


def _register(r: BoundRegister) -> dict[str, Any]:
    return {
        "owner": r.owner,
        "per_context": r.temp or r.per_context or r.owner in ("pre", "post"),
        "bits": r.fmt.bits,
        "frac": r.fmt.frac,
        "fmt_lo": r.fmt.lo,
        "lo": r.lo,
        "hi": r.hi,
        "rounding": r.rounding,
        "overflow": r.overflow,
        "init": r.init,
        "temp": r.temp,
        "keep": r.keep,
        "publish": r.publish,
    }
