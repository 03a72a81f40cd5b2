"""`chipsim search`: optuna over settings, rules and chips, with several objectives."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chipsim.cli.run import Chip, Data, Out, Rule, Seed, Sets, data_folder


def search(
    experiment: Annotated[str, typer.Argument(help="A name from `chipsim list`, or ./mine.py.")],
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="KEY=RANGE", help="rate=4..9, k=1e-3..1:log, rule=ell,tp."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", metavar="max|min:NAME", help="Default max:accuracy.validation."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="How many runs in all.")] = 40,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Runs at a time.")] = 1,
    seed: Seed = 1,
    chip: Chip = None,
    rule: Rule = None,
    sets: Sets = None,
    out: Out = None,
    data: Data = None,
    json: Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON object.")] = False,
) -> None:
    """Search for good settings; the same command with the same --out goes on where it was stopped."""
    from chipsim.cli.perform import stoppable
    from chipsim.durable import alone_in
    from chipsim.experiment import choose_rule, default_chip, load_experiment
    from chipsim.progress import Progress
    from chipsim.run_folder import open_request, to_json
    from chipsim.search.space import parse_choices, parse_objectives
    from chipsim.search.study import Plan
    from chipsim.search.study import search as perform
    from chipsim.search.told import tell

    choices, wanted = parse_choices(over or ()), parse_objectives(objective or ())
    loaded = load_experiment(experiment)
    chosen = choose_rule(loaded, rule)
    plan = Plan(experiment, chosen, default_chip(loaded, chip), tuple(sets or ()), seed, trials, workers)
    place = data_folder(data)
    asked = {
        "experiment": experiment, "rule": chosen, "chip": plan.chip, "sets": list(plan.sets), "seed": seed,
        "trials": trials, "workers": workers, "over": list(over or ()), "objectives": list(objective or ()),
    }  # fmt: skip
    folder = open_request("search", loaded.name, asked, out)
    progress = Progress(sys.stderr if json else sys.stdout)
    try:
        with stoppable(), alone_in(folder.path), folder, progress:
            (folder.path / "cells").mkdir(exist_ok=True)
            found = perform(plan, choices, wanted, folder.path, place.resolve() if place else None, progress)
            told = tell(folder, found, wanted)
    except KeyboardInterrupt:
        again = f"give the same command with --out {folder.path}"
        print(f"interrupted; finished trials are kept: {again}", file=sys.stderr)
        raise typer.Exit(130) from None
    progress.line(told.pop("report"))
    progress.line(f"out: {told['out']}")
    if json:
        print(to_json(told), flush=True)
