"""What history and on_replay may not say: one short function per refusal.

In on_replay a name of the history line means the stored step's value. Any other value that changes
from step to step would be the last step's in every replayed step, so reading it is refused.
"""

from __future__ import annotations

from chipsim.microcode.program import Line, Program
from chipsim.microcode.source import Source
from chipsim.microcode.symbols import reads, symbols

AROUND = ("on_sample_start", "on_sample_end")  # sections outside the steps of a sample
SIGNALS = ("third_factor", "reward")  # formed again, or known, in each replayed step


def history_line(program: Program) -> int:
    """The number of the history line."""
    rows = enumerate(program.source.splitlines(), 1)
    return next((i for i, row in rows if row.startswith("history")), 1)


def replay_history(program: Program, at: Source) -> None:
    """on_replay without anything stored."""
    for line in program.lines:
        if line.section == "on_replay" and not program.history[0]:
            at.fail(line.line, "on_replay needs a history line", remedy="declare `history psi, s depth=T`")


def history_twice(program: Program, at: Source) -> None:
    """A name that the history holds twice."""
    names = program.history[0]
    for name in names:
        if names.count(name) > 1:
            at.fail(history_line(program), f"history of '{name}' stands twice", word=name)


def history_signal(program: Program, at: Source) -> None:
    """History of the third factor: the circuit forms it again in each replayed step."""
    inputs = {i.name: i.source for i in program.inputs}
    for name in program.history[0]:
        if inputs.get(name) == "third_factor":
            at.fail(
                history_line(program),
                f"history of '{name}': the circuit forms the third factor again in each replayed step",
                word=name,
                remedy="delete it: on_replay reads the replayed step's third factor",
            )


def history_unread(program: Program, at: Source) -> None:
    """A stored name that on_replay does not read: memory for nothing."""
    read = {n for line in _replay(program) for n in (*reads(line), line.when)}
    for name in program.history[0]:
        if name not in read:
            at.fail(
                history_line(program),
                f"history of '{name}', which no line of on_replay reads",
                word=name,
                remedy="delete it: every stored step costs memory",
            )


def replay_writes_history(program: Program, at: Source) -> None:
    """Writing a name that means the stored step's value."""
    for line in _replay(program):
        if line.target in program.history[0]:
            at.fail(
                line.line,
                f"'{line.target}' is the stored step's value in on_replay and cannot be written",
                word=line.target,
                remedy="write another register or a temp",
            )


def replay_stale(program: Program, at: Source) -> None:
    """Reading what changes from step to step and is not stored."""
    known = symbols(program)
    sources = {i.name: i.source for i in program.inputs}
    weights = {r.name for r in program.registers if r.fmt is None}
    replayed = {line.target for line in _replay(program)}
    stepped = {x.target for x in program.lines if x.section not in ("on_replay", *AROUND)}
    for line in _replay(program):
        for name in filter(None, [*reads(line), line.when]):
            symbol = known[name]
            if name in program.history[0] or name in weights or symbol.temp:
                continue
            stale = symbol.kind == "register" and name in stepped and name not in replayed
            if stale or (symbol.kind == "input" and sources[name] not in SIGNALS):
                stored = symbol.owner in ("pre", "post")
                at.fail(
                    line.line,
                    f"'{name}' is not stored: on_replay would read the last step's value in every "
                    "replayed step",
                    word=name,
                    operand=True,
                    remedy=f"add {name} to the history line"
                    if stored
                    else "read it in on_sample_end; only pre and post registers and inputs can be stored",
                )


def _replay(program: Program) -> list[Line]:
    return [line for line in program.lines if line.section == "on_replay"]
