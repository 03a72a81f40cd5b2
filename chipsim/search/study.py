"""The study: trials in batches, each trial a cell; SQLite in the run folder.

What optuna proposes is a function of the seed, the number of the trial and the results before its
batch. A search that was stopped is made again from the start, where finished cells cost nothing: it
ends as the undisturbed one would have.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipsim.cell import Cell, perform_cell, settings_of
from chipsim.errors import ChipsimError, RunError, SettingError, did_you_mean
from chipsim.progress import Progress
from chipsim.search.space import Choice, Objective
from chipsim.sweep.table import scores

DATABASE = "study.db"
ENOUGH = 3  # trials that fail alike from the first one on: the search is refused


@dataclass(frozen=True)
class Plan:
    """What every trial shares, and how many there are, so many at a time."""

    experiment: str
    rule: str
    chip: str
    sets: tuple[str, ...]
    seed: int
    trials: int
    workers: int


@dataclass
class Trial:
    """One trial: the cell it ran, its numbers, None where it failed."""

    number: int
    at: dict[str, str]
    cell: Cell
    result: dict[str, Any]
    values: list[float] | None = None
    best: bool = False  # on the Pareto front


def search(
    plan: Plan,
    choices: Sequence[Choice],
    objectives: Sequence[Objective],
    folder: Path,
    data: Path | None,
    progress: Progress,
) -> list[Trial]:
    """All trials, in order; those on the Pareto front are marked.

    Raises SettingError without optuna or for an objective that no result has, RunError where the first
    trials fail alike.
    """
    try:
        import optuna
    except ImportError:
        raise SettingError("searches need optuna", remedy="pip install 'chipsim[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _fresh(optuna, folder, objectives)
    found: list[Trial] = []
    with ThreadPoolExecutor(plan.workers) as pool:
        while len(found) < plan.trials:
            study.sampler = _sampler(optuna, plan.seed, len(found), len(objectives))
            asked = [study.ask() for _ in range(min(plan.workers, plan.trials - len(found)))]
            batch = [_trial(plan, choices, trial) for trial in asked]
            once = {trial.cell: trial for trial in batch}  # two trials may be the same run
            jobs = {cell: pool.submit(_run, trial, folder / "cells", data) for cell, trial in once.items()}
            for trial, given in zip(batch, asked, strict=True):
                trial.result = jobs[trial.cell].result()
                _judge(trial, objectives)
                state = {} if trial.values else {"state": optuna.trial.TrialState.FAIL}
                study.tell(given, trial.values, **state)
                found.append(trial)
                progress.line(_told(trial, plan.trials, objectives))
            _refuse_if_hopeless(found)
    front = {trial.number for trial in study.best_trials} if any(x.values for x in found) else set()
    for trial in found:
        trial.best = trial.number in front
    return found


def _fresh(optuna: Any, folder: Path, objectives: Sequence[Objective]) -> Any:
    """An empty study in SQLite, whatever a stopped search has left."""
    path = folder / DATABASE
    try:
        path.unlink(missing_ok=True)
        return optuna.create_study(
            storage=f"sqlite:///{path.resolve()}",
            study_name="chipsim",
            directions=[x.direction for x in objectives],
        )
    except Exception as error:  # of the database library: a full disk, a folder that is read-only
        raise RunError(
            f"the study cannot be written: {error}", where=str(path), remedy="see that the disk has room"
        ) from None


def _sampler(optuna: Any, seed: int, number: int, objectives: int) -> Any:
    """A sampler without a past: its random numbers follow from the seed and the trial's number."""
    word = hashlib.sha256(f"{seed}|{number}".encode()).digest()[:4]
    return optuna.samplers.TPESampler(seed=int.from_bytes(word, "little"), n_startup_trials=10)


def _trial(plan: Plan, choices: Sequence[Choice], trial: Any) -> Trial:
    at = {choice.key: choice.suggest(trial) for choice in choices}
    own = tuple(f"{key}={value}" for key, value in at.items() if key not in ("rule", "chip"))
    rule, chip = at.get("rule", plan.rule), at.get("chip", plan.chip)
    return Trial(trial.number, at, Cell(plan.experiment, rule, chip, plan.seed, (*plan.sets, *own)), {})


def _run(trial: Trial, folder: Path, data: Path | None) -> dict[str, Any]:
    try:
        settings_of(trial.cell)
    except ChipsimError as error:
        return {"error": error.message, "remedy": error.remedy}
    return perform_cell(trial.cell, folder / trial.cell.name, data)


def _judge(trial: Trial, objectives: Sequence[Objective]) -> None:
    """Its values; a result without one of the objectives has failed."""
    if "error" in trial.result:
        return
    numbers = {
        key: float(x)
        for key, x in scores(trial.result).items()
        if isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
    }
    for objective in objectives:
        if objective.name not in numbers:
            raise SettingError(
                f"--objective {objective.name}: no such number{did_you_mean(objective.name, numbers)}",
                remedy=f"one of: {', '.join(numbers)}",
            )
    trial.values = [numbers[objective.name] for objective in objectives]


def _refuse_if_hopeless(found: Sequence[Trial]) -> None:
    reasons = {trial.result.get("error") for trial in found}
    if len(found) >= ENOUGH and len(reasons) == 1 and None not in reasons:
        raise RunError(
            f"the first {len(found)} trials failed alike: {reasons.pop()}",
            remedy=found[0].result.get("remedy"),
        )


def _told(trial: Trial, total: int, objectives: Sequence[Objective]) -> str:
    at = "  ".join(f"{key}={value}" for key, value in trial.at.items())
    if trial.values is None:
        return f"{trial.number + 1:4}/{total}  {at}  {trial.result.get('error')}"
    numbers = "  ".join(f"{o.name} {v:.5g}" for o, v in zip(objectives, trial.values, strict=True))
    return f"{trial.number + 1:4}/{total}  {at}  {numbers}"
