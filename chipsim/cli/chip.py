"""`chipsim chip show|page|schema|rules`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from chipsim.cli.complete import names_of
from chipsim.cli.page import give

app = typer.Typer(help="Chips: hw_models/*.toml.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A chip's name or ./mine.toml.", autocompletion=names_of("chip"))]


@app.callback()
def group() -> None:
    """Chips: hw_models/*.toml."""


@app.command()
def show(chip: Name) -> None:
    """Print a chip: limits, widths, arithmetic and prices, each with its source."""
    from chipsim.chip import chip_page, load_chip

    print(chip_page(load_chip(chip)))


@app.command()
def page(
    chip: Annotated[str, typer.Argument(help="A chip's name, ./mine.toml, or all.")],
    out: Annotated[Path | None, typer.Option(help="Write NAME.md into this folder instead.")] = None,
) -> None:
    """The chip's page in Markdown, made from its file (docs/chips/ holds those of shipped chips)."""
    from chipsim.chip import load_chip
    from chipsim.chip.markdown import markdown_page
    from chipsim.library import entries

    for name in entries("chip") if chip == "all" else [chip]:
        loaded = load_chip(name)
        give(loaded.name, markdown_page(loaded), out)


@app.command()
def schema() -> None:
    """Print the JSON schema of a chip file (TOML read as JSON), for editors and other tools."""
    from chipsim.chip import chip_json_schema

    print(json.dumps(chip_json_schema(), indent=2))


@app.command()
def rules(
    chip: Name,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of text.")] = False,
) -> None:
    """Every shipped rule on a chip: accepted, approximated (how) or refused (why)."""
    from chipsim.chip import load_chip
    from chipsim.library import entries
    from chipsim.microcode.syntax import load_rule
    from chipsim.microcode.verdict import verdict

    loaded = load_chip(chip)
    found = [verdict(load_rule(name), loaded) for name in entries("rule")]
    if as_json:
        print(json.dumps([vars(v) for v in found]))
        return
    print(f"{loaded.name}: engine {loaded.engine}, weights of {loaded.weight.default_bits} bits")
    wide = max(len(v.rule) for v in found)
    for v in found:
        head = f"  {v.rule.ljust(wide)}  {v.word.ljust(12)}"
        print("\n".join([f"{head}  {(v.reasons or ('',))[0]}".rstrip()]))
        for reason in v.reasons[1:]:
            print(" " * (len(head) + 2) + reason)
