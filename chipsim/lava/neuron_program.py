"""The post lines of a bound program as plain data for `arithmetic/program.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.errors import LimitError
from chipsim.microcode.program import BoundLine, BoundProgram, BoundTable, Operand

SECTIONS = ("on_membrane", "on_step", "on_post", "on_third_factor")
AROUND = ("on_sample_start", "on_sample_end")  # a continuous run has no samples


def describe_program(
    program: BoundProgram, connection: int, params: Mapping[str, int]
) -> dict[str, Any] | None:
    """Registers and lines of the neurons; None for a program without any. Raises LimitError."""
    lines = [x for x in program.lines if x.section not in AROUND]
    if not lines and not program.sent:
        return None
    for x in lines:
        if x.target.owner != "post" or x.section not in SECTIONS:
            raise LimitError(
                f"line {x.line} ({x.text.strip()}) runs in {x.section} for each {x.target.owner}: only a "
                "neuron's own lines go into a Lava process",
                where=f"rule {program.name}",
            )
    registers = {r.name: r for r in program.registers if r.owner == "post"}
    return {
        "connection": connection,
        "registers": {
            name: {
                "bits": r.fmt.bits,
                "frac": r.fmt.frac,
                "lo": r.lo,
                "hi": r.hi,
                "rounding": r.rounding,
                "overflow": r.overflow,
                "init": r.init,
                "temp": r.temp,
                "publish": r.publish,
            }
            for name, r in registers.items()
        },
        "lines": [line_data(x, params) for x in lines],
    }


def line_data(x: BoundLine, params: Mapping[str, int]) -> dict[str, Any]:
    """One line as plain data; params: the present raw values of the rule's parameters."""
    return {
        "ordinal": x.ordinal,
        "section": x.section,
        "target": x.target.name,
        "mode": x.mode,
        "form": x.form,
        "frac": x.frac(dict(params)),
        "a": _operand(x.a, params),
        "b": _operand(x.b, params),
        "negate": x.negate,
        "when": _operand(x.when, params),
        "when_not": x.when_not,
        "table": _table(x.table),
    }


def _operand(o: Operand | None, params: Mapping[str, int]) -> dict[str, Any] | None:
    if o is None:
        return None
    if o.kind == "register":
        return {"kind": "register", "name": o.name, "frac": o.fmt.frac, "owner": o.owner}
    if o.kind == "input":
        return {"kind": "input", "name": o.name, "source": o.source, "frac": o.fmt.frac, "owner": o.owner}
    raw = params[o.name] if o.kind == "param" else o.raw
    return {"kind": "value", "raw": int(raw), "frac": o.fmt.frac}


def _table(t: BoundTable | None) -> dict[str, Any] | None:
    if t is None:
        return None
    return {
        "argument_frac": t.argument_fmt.frac,
        "breakpoints": list(t.breakpoints),
        "values": list(t.values),
        "minus_threshold": t.minus_threshold,
    }
