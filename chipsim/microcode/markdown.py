"""A rule's page in Markdown, made from its file: text, registers, micro-ops, verdict on every chip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chipsim.errors import ChipsimError
from chipsim.microcode.bind import bind
from chipsim.microcode.listing import listing
from chipsim.microcode.program import Line, Program, Register
from chipsim.microcode.verdict import default_use, verdict

OWNERS = {"pre": "axon", "post": "neuron", "syn": "synapse", "layer": "layer"}
REGISTER_HEAD = ("register", "per", "bits", "sign", "format", "overflow", "rounding", "decay")


def rule_page(program: Program, chips: Iterable[Any]) -> str:
    """The page as Markdown text; `chips` are those of its table, the first one's listing is shown."""
    chips = list(chips)
    title = program.header.partition("\n")[0]
    lines = [f"# {program.name}", "", title.strip(), ""]
    lines += [f"Made from the rule file by `chipsim rule page {program.name}`.", "", "## The file", ""]
    lines += ["```rule", program.source.strip("\n"), "```", "", "## Registers", ""]
    lines += [
        "A decay is the line that multiplies a register by a factor or looks it up in every step; `weight` "
        "is the format of the connection's memory.",
        "",
        *rows(REGISTER_HEAD, (register_row(program, register) for register in program.registers)),
    ]
    if chips:
        said = [verdict(program, chip) for chip in chips]
        lines += [
            "",
            "## On each chip",
            "",
            *rows(("chip", "engine", "verdict", "how or why"), map(_chip, said)),
        ]
        lines += _listing(program, chips[0])
    return "\n".join(lines) + "\n"


def register_row(program: Program, register: Register) -> tuple[str, ...]:
    """One register's width, sign, format, overflow, rounding and decay form, as REGISTER_HEAD names them."""
    fmt = register.fmt
    kept = " (temp)" if register.temp else ""
    bits, sign, name = ("-", "-", "weight") if fmt is None else (fmt.bits, _sign(fmt.signed), str(fmt))
    ways = dict.fromkeys(decay_of(line, program, register.name) for line in program.lines)
    decay = "; ".join(f"`{way}`" for way in ways if way) or "none"
    return (
        f"`{register.name}`{kept}",
        OWNERS[register.owner],
        str(bits),
        sign,
        name,
        register.overflow,
        register.rounding,
        decay,
    )


def decay_of(line: Line, program: Program, name: str) -> str:
    """The text of a line of on_step that shrinks a register: a factor, a table, or a shifted copy."""
    if line.target != name or line.section != "on_step":
        return ""
    text = " ".join(line.text.split("#")[0].split())
    if line.mode == "=" and name in (line.a, line.b):
        return text
    copies = (x for x in program.lines if x.target == line.a and x.section == "on_step" and x.a == name)
    return text if line.mode == "-=" and any(copies) else ""


def rows(head: tuple[str, ...], body: Iterable[tuple[Any, ...]]) -> list[str]:
    """A Markdown table, line by line."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return lines + [f"| {' | '.join(map(_cell, row))} |" for row in body]


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _sign(signed: bool) -> str:
    return "signed" if signed else "unsigned"


def _chip(said: Any) -> tuple[str, ...]:
    return (f"`{said.chip}`", said.engine, said.word, "; ".join(said.reasons) or "as written")


def _listing(program: Program, chip: Any) -> list[str]:
    use = default_use(chip)
    try:
        bound = bind(program, chip, use)
    except ChipsimError:
        return []  # the table says why
    head = f"What chip `{chip.name}` executes, line by line, as `chipsim rule show {program.name}` prints it."
    return ["", "## Micro-ops", "", head, "", "```text", listing(bound, use).rstrip("\n"), "```"]
