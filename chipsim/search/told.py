"""What a search leaves: the table of trials, the Pareto front, the chosen point as files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chipsim.cell import settings_of
from chipsim.durable import write
from chipsim.library import find
from chipsim.plot import save
from chipsim.plot.sweep import pareto
from chipsim.run_folder import RunFolder
from chipsim.search.space import Objective
from chipsim.search.study import Trial
from chipsim.tables import markdown


def tell(folder: RunFolder, trials: Sequence[Trial], objectives: Sequence[Objective]) -> dict[str, Any]:
    """Table, figure, the chosen point, report; what `--json` prints.

    Chosen is, among the trials on the Pareto front, the one that is best in the first objective.
    """
    names = [x.name for x in objectives]
    rows = [_row(trial, names) for trial in trials]
    front = [trial for trial in trials if trial.best]
    write(folder.path / "trials.json", json.dumps(rows, indent=1).encode())
    sign = 1 if objectives[0].direction == "maximize" else -1
    chosen = max(front, key=lambda trial: (sign * trial.values[0], -trial.number), default=None)
    text = markdown([row for row, trial in zip(rows, trials, strict=True) if trial.best])
    parts = [f"{len(trials)} trials, {sum(x.values is None for x in trials)} failed; Pareto front:", "", text]
    told: dict[str, Any] = {
        "out": str(folder.path),
        "trials": len(trials),
        "front": [x.number for x in front],
    }
    if chosen is not None:
        told["chosen"] = _chosen(folder.path / "chosen", chosen)
        parts.append(f"chosen, best in {names[0]}: {told['chosen']['command']}")
    if front and len(objectives) > 1:
        points = [(x.values[0], x.values[1], x.best) for x in trials if x.values]
        save(pareto(points, labels=(names[0], names[1])), folder.figure("pareto.png"))
    told["report"] = "\n".join(parts)
    folder.report(told["report"])
    folder.result({"rows": rows, "chosen": told.get("chosen")})
    folder.finish(trials=len(trials), chosen=told.get("chosen"))
    return told


def _row(trial: Trial, names: Sequence[str]) -> dict[str, Any]:
    values = dict(zip(names, trial.values or [None] * len(names), strict=True))
    failed = {"failed": trial.result["error"]} if "error" in trial.result else {}
    digest = {"digest": trial.result.get("digest")} if trial.values else {}
    return {"trial": trial.number, **trial.at, **values, "front": trial.best, **digest, **failed}


def _chosen(folder: Path, trial: Trial) -> dict[str, Any]:
    """chosen/: the chip file, all settings, and the command that makes the run again."""
    folder.mkdir(exist_ok=True)
    chip = find("chip", trial.cell.chip)
    write(folder / chip.name, chip.read_bytes())
    write(folder / "settings.json", (json.dumps(settings_of(trial.cell), indent=1) + "\n").encode())
    command = shlex.join(["chipsim", *trial.cell.arguments()])
    write(folder / "command.txt", (command + "\n").encode())
    return {"trial": trial.number, "command": command, "digest": trial.result.get("digest"), **trial.at}
