"""Every legal combination of op, rounding, overflow, section, owner and `when`, and what covers them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from chipsim.fixed import OVERFLOWS, ROUNDINGS
from chipsim.microcode.program import FORMS, OWNERS, BoundProgram

OPS = ("=", "+=", "-=", *FORMS[1:])
WHENS = ("", "when", "when not")
FUZZED = (
    "on_sample_start",
    "on_step",
    "on_pre",
    "on_membrane",
    "on_post",
    "on_third_factor",
    "on_epoch",
    "on_sample_end",
)


class Combo(NamedTuple):
    """One combination: op is the mode of a scale line (=, +=, -=) or the form of another."""

    op: str
    rounding: str
    overflow: str
    section: str
    owner: str
    when: str


def _combos() -> list[Combo]:
    found = [
        Combo(op, rounding, overflow, section, owner, when)
        for op in OPS
        for rounding in ROUNDINGS
        for overflow in OVERFLOWS
        for section in FUZZED
        for owner in OWNERS
        for when in WHENS
        if section != "on_membrane" or owner in ("post", "layer")  # it reaches neurons only
    ]
    random.Random(1).shuffle(found)
    return found


COMBOS = tuple(_combos())


def quota(number: int, size: int) -> list[Combo]:
    """The combinations that text `number` is written around: all of COMBOS in turn."""
    return [COMBOS[(number * size + k) % len(COMBOS)] for k in range(size)]


def section_quota(number: int, size: int) -> list[Combo]:
    """Like `quota`, but all of one section, the sections in turn: few functions to compile."""
    section, turn = FUZZED[number % len(FUZZED)], number // len(FUZZED)
    legal = [c for c in COMBOS if c.section == section]
    return [legal[(turn * size + k) % len(legal)] for k in range(size)]


def combos_of(program: BoundProgram) -> set[Combo]:
    """The combinations that occur in a bound program."""
    found = set()
    for line in program.lines:
        op = line.mode if line.form == "scale" else line.form
        when = "" if line.when is None else "when not" if line.when_not else "when"
        target = line.target
        found.add(Combo(op, target.rounding, target.overflow, line.section, target.owner, when))
    return found


def coverage(programs: Iterable[BoundProgram]) -> str:
    """A table of the combinations that occur: op by section, each cell hit/legal; then what is missing."""
    hit = set().union(*(combos_of(p) for p in programs)) & set(COMBOS)
    rows = [f"combinations hit: {len(hit)} of {len(COMBOS)}", ""]
    rows.append("op      " + "".join(f"{s[3:]:>15}" for s in FUZZED))
    for op in OPS:
        cells = []
        for section in FUZZED:
            legal = [c for c in COMBOS if c.op == op and c.section == section]
            cells.append(f"{sum(c in hit for c in legal)}/{len(legal)}")
        rows.append(f"{op:<8}" + "".join(f"{cell:>15}" for cell in cells))
    missing = sorted(set(COMBOS) - hit)
    rows += ["", f"missing: {len(missing)}"] + ["  " + " ".join(filter(None, c)) for c in missing[:20]]
    return "\n".join(rows)
