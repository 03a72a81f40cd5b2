"""`chipsim export lava`, `chipsim lava verify`, `chipsim rule lava` and `rule from-lava`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from chipsim.cli.run import ENGINES, Data, Fit, FitOption, check_choice
from chipsim.errors import SettingError

app = typer.Typer(help="Lava (lava-nc 0.10.0): run an export there and compare.", no_args_is_help=True)
export = typer.Typer(help="Networks for other tools.", no_args_is_help=True)
Engine = Annotated[
    str | None, typer.Option(help="`lines`: a rule that is no sum of products in a process of chipsim.")
]
Samples = Annotated[int, typer.Option("--samples", min=1, help="Training samples to present.")]


@app.callback()
def group() -> None:
    """Lava (lava-nc 0.10.0): run an export there and compare."""


@export.callback()
def exports() -> None:
    """Networks for other tools."""


@export.command("lava")
def export_lava(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    samples: Samples = 20,
    data: Data = None,
    engine: Engine = None,
) -> None:
    """A run's network as Lava processes with what chipsim computed: DIR/run.py compares, bit for bit."""
    check_choice("--engine", engine, ENGINES)
    _exported(run, folder, samples, data, engine)
    print(f"compare it with: chipsim lava verify {folder}")


def _exported(run: str, folder: Path, samples: int, data: Path | None, engine: str | None = None) -> None:
    """Write the export and say what it is made of."""
    from chipsim.lava.stored import export_run
    from chipsim.progress import Progress

    with Progress(sys.stdout) as progress:
        made = export_run(run, folder, samples, data, progress, engine)
    print(f"{run}: {made['steps']} steps; stock processes {', '.join(made['stock'])}")
    for name, what in made["custom"].items():
        print(f"  custom process {name}: {what}")
    for remark in made["remarks"]:
        print(f"  {remark}")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR|RUN", help="An export, or a run folder.")],
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Time limit.")] = 300.0,
    samples: Samples = 20,
    data: Data = None,
) -> None:
    """Run an export in Lava, in a process of its own, and compare. Status 0: equal; 1: not."""
    from chipsim.lava.verify import lava_python
    from chipsim.lava.verify import verify as run_there

    if (folder / "run.py").is_file() or not (folder / "metrics.jsonl").is_file():
        verdict = run_there(folder, seconds)
    else:
        python = lava_python()  # before the export is made
        with tempfile.TemporaryDirectory(prefix="chipsim-export-") as temporary:
            made = Path(temporary, "export")
            _exported(str(folder), made, samples, data)
            verdict = run_there(made, seconds, python)
    print(f"{verdict.result}: {verdict.text} ({verdict.seconds:.1f} s)")
    if not verdict.equal:
        for line in verdict.stderr.strip().splitlines()[-20:]:
            print(f"  | {line}")
        raise typer.Exit(1)


def rule_lava(
    name: Annotated[str, typer.Argument(help="A rule's name or ./mine.rule.")],
    fit: FitOption = Fit.refuse,
) -> None:
    """The rule as Lava's sum of products, with each constant really used; or the lines that it cannot do."""
    from chipsim.lava.text import lava_text

    print(lava_text(name, fit.value), end="")


def from_lava(
    dw: Annotated[str, typer.Option("--dw", help="Weight rule.")] = "",
    dt: Annotated[str, typer.Option("--dt", help="Rule of the signed tag.")] = "",
    dd: Annotated[str, typer.Option("--dd", help="Rule of the unsigned tag.")] = "",
    tau: Annotated[list[str] | None, typer.Option("--tau", help="x1=20: steps.")] = None,
    impulse: Annotated[list[str] | None, typer.Option("--impulse", help="x1=16.")] = None,
    three: Annotated[bool, typer.Option("--three-factor", help="y1..y3 come from the neuron.")] = False,
    name: Annotated[str, typer.Option("--name")] = "from_lava",
) -> None:
    """A Lava learning rule as a chipsim rule file, on standard output."""
    from chipsim.lava.from_lava import LavaRule, rule_text

    made = LavaRule(dw, dd, dt, _numbers("--tau", tau), _numbers("--impulse", impulse), three)
    print(rule_text(made, name), end="")


def _numbers(option: str, given: list[str] | None) -> dict[str, float]:
    found = {}
    for text in given or ():
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            raise SettingError(f"{option} {text}", remedy=f"write {option} x1=20") from None
        if name not in ("x1", "x2", "y1", "y2", "y3") or not value >= 0:
            raise SettingError(f"{option} {text}", remedy="x1, x2, y1, y2 or y3, and a number of 0 or more")
        found[name] = int(value) if value == int(value) else value
    return found
