"""The command line: thin commands over functions that a notebook can call as well.

A user's mistake is printed once and ends with status 2, Ctrl-C with 130, a mistake of ours with a
traceback and 1. Modules that need numba or numpy are imported by the command that uses them.
"""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from chipsim import leash
from chipsim.cli import (
    capsule,
    chip,
    conformance,
    data,
    fit,
    lava,
    nir,
    report,
    resume,
    rule,
    run,
    search,
    shelf,
    sweep,
)
from chipsim.errors import ChipsimError
from chipsim.version import __version__

app = typer.Typer(
    name="chipsim",
    help="On-chip learning under a chip's integer constraints: simulated exactly, counted and priced.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.command("search")(search.search)
app.command("resume")(resume.resume)
app.command("fit")(fit.fit)
app.command("eval")(run.evaluate)
app.command("report")(report.report)
app.command("compare")(report.compare)
app.command("capsule")(capsule.capsule)
app.command("verify")(capsule.verify)
app.command("list")(shelf.list_shelves)
app.command("conformance")(conformance.conformance)
app.add_typer(shelf.new, name="new")
app.add_typer(rule.app, name="rule")
app.add_typer(chip.app, name="chip")
app.add_typer(data.app, name="data")
lava.export.command("nir")(nir.export_nir)
app.add_typer(lava.export, name="export")
app.add_typer(nir.app, name="import")
app.add_typer(lava.app, name="lava")
rule.app.command("lava")(lava.rule_lava)
rule.app.command("from-lava")(lava.from_lava)


def main() -> None:
    """Entry point of `chipsim` and of `python -m chipsim`."""
    leash.hold()
    try:
        app(prog_name="chipsim")
    except ChipsimError as error:
        _fail(f"error: {error.text()}", 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except Exception:
        traceback.print_exc()
        _fail("unexpected error: this is a bug, in chipsim or in an experiment file of your own", 1)


def _fail(text: str, status: int) -> None:
    sys.stdout.flush()
    print(text, file=sys.stderr)
    sys.exit(status)


def _version(asked: bool) -> None:
    if asked:
        print(f"chipsim {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """On-chip learning under a chip's integer constraints: simulated exactly, counted and priced."""
