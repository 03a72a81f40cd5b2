"""A sweep from its request to its table: cells that are finished are skipped, the rest are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chipsim.cell import Cell, finished, settings_of
from chipsim.errors import ChipsimError, SettingError, did_you_mean
from chipsim.experiment import choose_rule, default_chip, load_experiment
from chipsim.plot import save
from chipsim.plot.sweep import heat_map, lines
from chipsim.progress import Progress
from chipsim.run_folder import RunFolder
from chipsim.sweep.cluster import client, results
from chipsim.sweep.grid import Point, Request, points
from chipsim.sweep.table import TIMES, means, row, store
from chipsim.tables import markdown

SCORES = ("accuracy.test", "accuracy.validation")  # what is drawn where --score does not say


def sweep(
    request: Request,
    folder: RunFolder,
    progress: Progress,
    *,
    workers: int,
    scheduler: str | None,
    data: Path | None,
    score: str | None,
) -> dict[str, Any]:
    """Compute what is missing, write table and figures; what `--json` prints.

    Raises SettingError where no grid point can run at all, RunError where the cluster is lost.
    """
    loaded = load_experiment(request.experiment)
    chosen = choose_rule(loaded, request.rule)
    cells = points(request, chosen, default_chip(loaded, request.chip))
    progress.line(f"sweep       {loaded.name}: {len(cells)} cells, {len(cells) // request.seeds} grid points")
    found: dict[Cell, dict[str, Any]] = _refused(cells)
    place = folder.path / "cells"
    place.mkdir(exist_ok=True)
    missing = []
    for point in cells:
        earlier = None if point.cell in found else finished(point.cell, place / point.cell.name)
        if earlier is not None:
            found[point.cell] = earlier
        elif point.cell not in found:
            missing.append(point)
    if len(missing) < len(cells):
        progress.line(f"            {len(cells) - len(missing)} of them are known already")
    if missing:
        _compute(missing, place, data, progress, workers, scheduler, found)
    return _told(request, folder, cells, found, score)


def _refused(cells: Sequence[Point]) -> dict[Cell, dict[str, Any]]:
    """Cells whose rule or settings are refused, by grid point, before anything runs."""
    found: dict[Cell, dict[str, Any]] = {}
    tried: dict[tuple, ChipsimError | None] = {}
    for point in cells:
        c = point.cell
        key = (c.rule, c.chip, c.sets)
        if key not in tried:
            try:
                default_chip(load_experiment(c.experiment), c.chip)
                settings_of(c)
                tried[key] = None
            except ChipsimError as error:
                tried[key] = error
        if (error := tried[key]) is not None:
            found[c] = {"error": error.message, "remedy": error.remedy}
    if all(tried.values()):
        raise next(iter(tried.values()))
    return found


def _compute(missing, place, data, progress, workers, scheduler, found) -> None:
    """All missing cells on the cluster, told one by one."""
    failed = 0
    progress.phase("cells")
    with client(workers, scheduler) as held:
        if not held.scheduler_info()["workers"]:
            progress.line("            the scheduler has no worker yet: waiting for one")
        for done, (point, told) in enumerate(results(held, missing, place.resolve(), data), start=1):
            cell = point.cell
            result = finished(cell, place / cell.name) if "error" not in told else told
            found[cell] = result or {"error": "its folder holds a run of other files or settings"}
            failed += "error" in found[cell]
            text = found[cell].get("error") or _short(found[cell])
            progress.line(f"{done:4}/{len(missing)}  {cell.name}  {text}")
            progress.tick(done, len(missing), failed=failed or None)


def _short(result: Mapping[str, Any]) -> str:
    shares = result.get("accuracy") or {}
    parts = [f"{name} {100 * x:.2f}" for name, x in shares.items() if isinstance(x, float)]
    return f"{', '.join(parts)}  {result.get('wall_s', 0):.1f} s"


def _told(request, folder, cells, found, score) -> dict[str, Any]:
    """Table, means, figures, report; the last entries of the manifest."""
    rows = [row(point, found[point.cell], f"cells/{point.cell.name}") for point in cells]
    score = _score(rows, score)
    keys = list(request.axes)
    middle = means(rows, keys, score) if score else []
    failed = [item for item in rows if item["status"] == "failed"]
    about = {key: folder.manifest[key] for key in ("sweep", "versions", "started")}
    store(folder.path, "table", rows, about)
    if middle:
        store(folder.path, "means", middle, about)
        _draw(folder, request.axes, middle, rows, score)
    text = _report(middle, failed, len(rows))
    folder.report(text)
    folder.result({"rows": [_without_times(item) for item in rows], "means": middle})
    folder.finish(cells=len(rows), failed=len(failed), score=score)
    return {
        "out": str(folder.path),
        "cells": len(rows),
        "failed": len(failed),
        "means": middle,
        "report": text,
    }


def _without_times(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in TIMES}


def _score(rows: Sequence[Mapping[str, Any]], asked: str | None) -> str | None:
    """The number that is averaged and drawn."""
    there = [
        key
        for key in dict.fromkeys(k for item in rows for k in item)
        if any(isinstance(item.get(key), int | float) for item in rows) and key != "seed"
    ]
    if asked is None:
        return next((name for name in (*SCORES, *there) if name in there), None)
    if asked not in there:
        raise SettingError(
            f"--score {asked}: no such number{did_you_mean(asked, there)}",
            remedy=f"one of: {', '.join(there) or 'none, all cells failed'}",
        )
    return asked


def _draw(folder, axes, middle, rows, score) -> None:
    """Lines along the axis with most numbers; a heat map where two axes have several values."""
    wide = [key for key, values in axes.items() if len(values) > 1]
    if not wide:
        return
    x = next((key for key in wide if all(map(_is_number, axes[key]))), wide[0])
    other = next((key for key in wide if key != x), None)
    keys = [other, x] if other else [x]
    flat = means(rows, keys, score)
    shown = {(item[other] if other else "", item[x]): item for item in flat}
    places = [str(_named(flat, x, value)) for value in axes[x]]
    names = [str(_named(flat, other, value)) for value in axes[other]] if other else [""]
    save(lines(shown, names, places, xlabel=x, score=score), folder.figure("lines.png"))
    if other:
        drawn = heat_map(shown, names, places, labels=(other, x), score=score)
        save(drawn, folder.figure("heat_map.png"))


def _named(flat: Sequence[Mapping[str, Any]], key: str, value: str) -> str:
    """A value as the table has it: paths by their stem."""
    return value if any(item[key] == value for item in flat) else Path(value).stem


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _report(middle: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]], total: int) -> str:
    lines = [f"{total} cells, {len(failed)} failed"]
    if middle:
        lines += ["", markdown(middle)]
    reasons: dict[str, int] = {}
    for item in failed:
        reasons[item["reason"]] = reasons.get(item["reason"], 0) + 1
    lines += [f"failed, {count} cells: {reason}" for reason, count in reasons.items()]
    return "\n".join(lines)
