"""`chipsim run` and `eval`: what was asked for, checked; `perform.py` does it."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from chipsim.cli.complete import names_of
from chipsim.cli.perform import perform
from chipsim.errors import DataError, SettingError, did_you_mean

NOISES = ("lane", "element", "shared", "lfsr")
ENGINES = ("lines", "sum_of_products")
TWINS = {"folded": "true", "ideal": "ideal", "none": "false"}  # --twin: the setting of that name


class Fit(str, Enum):
    """What happens to a register wider than the chip's."""

    refuse = "refuse"
    narrow = "narrow"


Chip = Annotated[
    str | None, typer.Option(help="A chip's name or ./mine.toml.", autocompletion=names_of("chip"))
]
Rule = Annotated[
    str | None, typer.Option(help="A rule's name or ./mine.rule.", autocompletion=names_of("rule"))
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="A name from `chipsim list`, or ./mine.py.",
        autocompletion=names_of("experiment"),
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting; repeatable. `chipsim list EXPERIMENT` shows all."
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Decides every random number.")]
Out = Annotated[Path | None, typer.Option(help="Run folder, new or empty; without it one under runs/.")]
Data = Annotated[Path | None, typer.Option(envvar="CHIPSIM_DATA", help="Folder with data sets.")]
Json = Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON object.")]
Engine = Annotated[str | None, typer.Option(help="`lines` runs a rule as written, labelled not executable.")]
FitOption = Annotated[Fit, typer.Option(help="Registers wider than the chip's: refuse, or cut low bits.")]
Twin = Annotated[str | None, typer.Option(help="The float twin beside the chip: folded, ideal or none.")]
Strict = Annotated[bool, typer.Option("--strict", help="Saturation or rounding to zero is an error.")]
Noise = Annotated[str | None, typer.Option(help=f"Random numbers: {', '.join(NOISES)}.")]
Every = Annotated[
    str, typer.Option("--checkpoint", metavar="WHEN", help="How often: 500 (samples), 30s, 5min or off.")
]
Keep = Annotated[int, typer.Option("--keep", min=1, max=1000, help="Checkpoints kept, of each training.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; results do not depend on them.")]


def run(
    experiment: Name,
    chip: Chip = None,
    rule: Rule = None,
    sets: Sets = None,
    seed: Seed = 1,
    out: Out = None,
    data: Data = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="RUN", help="Start from its weights.")
    ] = None,
    json: Json = False,
    engine: Engine = None,
    fit: FitOption = Fit.refuse,
    strict: Strict = False,
    noise: Noise = None,
    twin: Twin = None,
    threads: Threads = None,
    checkpoint: Every = "60s",
    keep: Keep = 2,
) -> None:
    """Run an experiment and leave a run folder."""
    check_choice("--engine", engine, ENGINES)
    check_choice("--twin", twin, tuple(TWINS))
    check_choice("--noise", noise, NOISES)
    use_threads(threads)
    from chipsim.checkpoint import Interval
    from chipsim.experiment import choose_rule, default_chip, load_experiment
    from chipsim.presets import preset
    from chipsim.run_folder import load_run
    from chipsim.settings import make_settings, parse_assignment

    loaded = load_experiment(experiment)
    if from_ and loaded.evaluate is None:
        raise SettingError(
            f"experiment '{loaded.name}' begins with its own weights, it declares no evaluate(context)",
            remedy="leave out --from",
        )
    chosen = choose_rule(loaded, rule)
    sets = [*(sets or ()), *([f"twin={TWINS[twin]}"] if twin else [])]
    form = dict(map(parse_assignment, sets)).get("form", "")
    options = {
        "settings": make_settings(loaded.settings, sets, preset(loaded.path, chosen, form)),
        "chip": default_chip(loaded, chip),
        "rule": chosen,
        "seed": seed,
        "data": data_folder(data),
        "start": load_run(from_) if from_ else None,
        "engine": engine,
        "fit": fit.value,
        "strict": strict,
        "noise": noise,
        "threads": threads,
    }
    Interval.parse(checkpoint)
    perform(loaded, loaded.run, options, out, json, "run", {"every": checkpoint, "keep": keep})


def evaluate(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    chip: Chip = None,
    data: Data = None,
    out: Out = None,
    json: Json = False,
    fit: FitOption = Fit.refuse,
    threads: Threads = None,
) -> None:
    """Score a run's weights again, also on another chip (requantised, the loss stated)."""
    use_threads(threads)
    from chipsim.experiment import default_chip, load_experiment, no_evaluation
    from chipsim.run_folder import load_run
    from chipsim.settings import restore_settings
    from chipsim.stored_run import stored

    start = load_run(run)
    said = stored(start)
    names = said.names()
    loaded = load_experiment(names["experiment"])
    if loaded.evaluate is None:
        raise no_evaluation(loaded)
    options = {
        "settings": restore_settings(loaded.settings, said.settings),
        "chip": default_chip(loaded, chip or names["chip"]),
        "rule": names["rule"],
        "seed": said.seed,
        "data": data_folder(data),
        "start": start,
        "engine": said.engine,
        "fit": fit.value,
        "strict": False,
        "noise": said.noise,
        "threads": threads,
    }
    perform(loaded, loaded.evaluate, options, out, json, "eval")


def data_folder(data: Path | None) -> Path | None:
    if data is not None and not data.is_dir():
        raise DataError(
            f"--data {data} is no folder",
            remedy="give the folder that holds the data sets (or set CHIPSIM_DATA)",
        )
    return data


def check_choice(option: str, value: str | None, known: tuple[str, ...]) -> None:
    """Refuse a word that an option does not know (SettingError)."""
    if value is not None and value not in known:
        raise SettingError(
            f"{option} {value}: unknown{did_you_mean(value, known)}", remedy=f"one of {', '.join(known)}"
        )


def use_threads(threads: int | None) -> None:
    """numba reads its thread count once, when it is first imported."""
    if threads is not None:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
