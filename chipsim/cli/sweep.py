"""`chipsim sweep`: a grid of runs on a Dask cluster, local by default."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from chipsim.cli.run import Chip, Data, Name, Out, Rule, Seed, Sets, data_folder

Grid = Annotated[
    list[str] | None,
    typer.Option("--grid", metavar="KEY=A,B,C", help="A setting, `rule` or `chip`; repeatable."),
]


def sweep(
    experiment: Name,
    grid: Grid = None,
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Runs of each point.")] = 1,
    seed: Seed = 1,
    chip: Chip = None,
    rule: Rule = None,
    sets: Sets = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Worker processes here; default: one per core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A running Dask scheduler, as tcp://HOST:8786.")
    ] = None,
    score: Annotated[
        str | None, typer.Option(help="The number that is averaged and drawn; default accuracy.test.")
    ] = None,
    out: Out = None,
    data: Data = None,
    json: Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON object.")] = False,
) -> None:
    """Run an experiment over a grid and over seeds; the same command goes on where it was stopped."""
    from chipsim.cli.perform import stoppable
    from chipsim.durable import alone_in
    from chipsim.errors import SettingError
    from chipsim.progress import Progress
    from chipsim.run_folder import open_request, to_json
    from chipsim.sweep.grid import Request, parse_grid
    from chipsim.sweep.run import sweep as perform

    if workers and scheduler:
        raise SettingError("--workers with --scheduler: that cluster has its own", remedy="leave one out")
    axes = parse_grid(grid or ())
    request = Request(experiment, rule, chip, axes, tuple(sets or ()), seed, seeds)
    place = data_folder(data)
    folder = open_request("sweep", Path(experiment).stem, request.plain(), out)
    progress = Progress(sys.stderr if json else sys.stdout)
    try:
        with stoppable(), alone_in(folder.path), folder, progress:
            told = perform(
                request,
                folder,
                progress,
                workers=workers or _cores(),
                scheduler=scheduler,
                data=place.resolve() if place else None,
                score=score,
            )
    except KeyboardInterrupt:
        print(
            f"interrupted; finished cells are kept: give the same command with --out {folder.path}",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    progress.line(told.pop("report"))
    progress.line(f"out: {told['out']}")
    if json:
        print(to_json(told), flush=True)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
