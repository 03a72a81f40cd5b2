"""The names of a program: what each is, who owns it, and who may read whom (definition 2)."""

from __future__ import annotations

from dataclasses import dataclass

from chipsim.fixed import Format
from chipsim.microcode.program import Line, Program

RESERVED = (
    "rule circuit param const in table pre post syn layer temp history when not random min max abs sign "
    "decay weight keep publish steps shift threshold"
).split()
SIGNAL_SECTIONS = ("on_third_factor", "on_epoch", "on_replay", "on_sample_end")
INPUT_OWNERS = {
    "neuron.v": "post",
    "neuron.v_after": "post",
    "post.spike": "post",
    "pre.spike": "pre",
    "third_factor": "post",
    "reward": "layer",
}
RANK = {"none": -1, "layer": 0, "pre": 1, "post": 1, "syn": 2}
BIT = Format(False, 1, 0)


@dataclass(frozen=True)
class Symbol:
    """A declared name: kind register | const | param | shift | input | table, owner, format, line."""

    kind: str
    owner: str
    fmt: Format | None
    line: int
    temp: bool = False


def symbols(program: Program) -> dict[str, Symbol]:
    """Every declared name of a program."""
    out = {r.name: Symbol("register", r.owner, r.fmt, r.line, r.temp) for r in program.registers}
    out |= {c.name: Symbol("const", "none", c.fmt, c.line) for c in program.consts}
    out |= {
        p.name: Symbol("shift" if p.kind == "shift" else "param", "none", p.fmt, p.line)
        for p in program.params
    }
    out |= {i.name: Symbol("input", INPUT_OWNERS[i.source], None, i.line) for i in program.inputs}
    out |= {t.name: Symbol("table", "none", t.fmt, t.line) for t in program.tables}
    return out


def reads(line: Line) -> list[str]:
    """The names a line reads, condition and shift parameter excluded."""
    return [x for x in (line.a, line.b) if isinstance(x, str)]


def may_read(target: str, operand: str) -> bool:
    """Owner rule: an operand has the target's owner or one below it."""
    return operand == target or RANK[operand] < RANK[target]
