"""`chipsim rule check|show|step|error|page`: a rule on a chip before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chipsim.cli.complete import names_of
from chipsim.cli.page import give
from chipsim.cli.run import ENGINES, Engine, Fit, FitOption, Strict, check_choice

if TYPE_CHECKING:
    from chipsim.microcode.bind import Use
    from chipsim.microcode.program import BoundProgram

app = typer.Typer(
    help="Rules: check them, list their micro-ops, step through one synapse.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A rule's name or ./mine.rule.", autocompletion=names_of("rule"))]
OnChip = Annotated[
    str, typer.Option("--chip", help="A chip's name or ./mine.toml.", autocompletion=names_of("chip"))
]


@app.command()
def check(
    name: Name,
    chip: OnChip = "ideal",
    engine: Engine = None,
    fit: FitOption = Fit.refuse,
    strict: Strict = False,
) -> None:
    """Is every line legal, and does the rule fit the chip?"""
    bound, _ = _bound(name, chip, engine, fit, strict)
    for note in bound.notes:
        place = f"{name}:{note.line}" if note.line else name  # some notes are about the whole rule
        print(f"{place}: {note.kind}: {note.text}")
    lines = len(bound.lines) or len(bound.lowering)
    print(f"ok: rule {bound.name} fits chip {bound.chip} ({bound.engine}, {lines} lines)")


@app.command()
def show(
    name: Name,
    chip: OnChip = "ideal",
    engine: Engine = None,
    fit: FitOption = Fit.refuse,
    strict: Strict = False,
) -> None:
    """The bound program: formats, constants, micro-ops, how often each runs, what it needs."""
    bound, use = _bound(name, chip, engine, fit, strict)
    from chipsim.microcode.listing import listing

    print(listing(bound, use), end="")


@app.command()
def step(
    name: Name,
    chip: OnChip = "ideal",
    engine: Engine = None,
    fit: FitOption = Fit.refuse,
    strict: Strict = False,
) -> None:
    """One synapse, op by op: every register as raw integer, real value and float twin."""
    bound, use = _bound(name, chip, engine, fit, strict)
    from chipsim.microcode.step import step_text

    print(step_text(bound, use), end="")


@app.command()
def error(
    name: Annotated[str, typer.Argument(help="A rule's name, ./mine.rule, or all.")],
    runs: Annotated[int, typer.Option("--runs", min=2, max=100_000, help="Inputs, and seeds.")] = 1000,
) -> None:
    """How far integers part from their float twin on the same spikes, membranes and third factors.

    wide, bound, largest: registers of up to 32 bits, the bound that their formats promise, the largest
    difference seen. own: the rule's formats; how many stochastic writes dropped something, their mean
    error in LSB, and the register minus its twin at the end, in LSB. Status 1 if anything does not hold.
    """
    from chipsim.chip import load_chip
    from chipsim.library import entries
    from chipsim.microcode.syntax import load_rule
    from chipsim.open_loop.text import error_text

    chip, held = load_chip("ideal"), True
    names = entries("rule") if name == "all" else [name]
    for program in (load_rule(x) for x in names):
        text, good = error_text(program, chip, runs)
        held = held and good
        print(text)
    if not held:
        raise typer.Exit(1)


@app.command()
def page(
    name: Annotated[str, typer.Argument(help="A rule's name, ./mine.rule, or all.")],
    out: Annotated[Path | None, typer.Option(help="Write NAME.md into this folder instead.")] = None,
) -> None:
    """The rule's page in Markdown, made from its file: registers, micro-ops, verdict on every chip."""
    from chipsim.chip import load_chip
    from chipsim.library import entries
    from chipsim.microcode.markdown import rule_page
    from chipsim.microcode.syntax import load_rule

    chips = [load_chip(chip) for chip in ("ideal", *(c for c in entries("chip") if c != "ideal"))]
    for program in (load_rule(x) for x in (entries("rule") if name == "all" else [name])):
        give(program.name, rule_page(program, chips), out)


def _bound(name: str, chip_name: str, engine: str | None, fit: Fit, strict: bool) -> tuple[BoundProgram, Use]:
    """Read rule and chip and bind them, with the chip's default weight and membrane."""
    check_choice("--engine", engine, ENGINES)
    from chipsim.chip import load_chip
    from chipsim.microcode.bind import bind
    from chipsim.microcode.syntax import load_rule
    from chipsim.microcode.verdict import default_use

    program, chip = load_rule(name), load_chip(chip_name)
    use = default_use(chip, engine=engine, fit=fit.value, strict=strict, sample_steps=0)
    return bind(program, chip, use), use
