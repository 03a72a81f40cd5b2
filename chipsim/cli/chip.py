"""`chipsim chip show`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Chips: hw_models/*.toml.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Chips: hw_models/*.toml."""


@app.command()
def show(chip: Annotated[str, typer.Argument(help="A chip's name or ./mine.toml.")]) -> None:
    """Print a chip: limits, widths, arithmetic and prices, each with its source."""
    from chipsim.chip import chip_page, load_chip

    print(chip_page(load_chip(chip)))
