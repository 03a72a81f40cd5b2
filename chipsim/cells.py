"""Many runs for one table: every cell is a `chipsim run` of its own, reproducible by its manifest.

Cells run in child processes, a few at a time. A finished cell of an earlier table with the same
command and sources is taken over, so an interrupted table goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chipsim.errors import ChipsimError, RunError, SettingError
from chipsim.experiment import Context, choose_rule, load_experiment
from chipsim.library import find
from chipsim.presets import preset
from chipsim.run_folder import file_sha256, load_run, to_json
from chipsim.settings import make_settings, parse_assignment

ENOUGH = 3  # cells in a row that fail alike from the first one on: the table is refused


@dataclass(frozen=True)
class Cell:
    """One run: `chipsim run experiment --rule rule --chip chip --seed seed --set ...`."""

    experiment: str
    rule: str | None
    chip: str
    seed: int
    sets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its folder: readable, and different for every cell of a table."""
        parts = [self.experiment, self.rule or "none", self.chip, f"seed{self.seed}", *self.sets]
        text = "-".join(parts)
        return "".join(x if x.isalnum() or x in "-_.=" else "_" for x in text)

    def arguments(self) -> list[str]:
        """The command line behind `chipsim`."""
        rule = ["--rule", self.rule] if self.rule else []
        sets = [part for x in self.sets for part in ("--set", x)]
        return ["run", self.experiment, *rule, "--chip", self.chip, "--seed", str(self.seed), *sets]


@dataclass
class _Children:
    """The running processes of a table. Once stopped they end, and none starts any more."""

    stopped: threading.Event = field(default_factory=threading.Event)
    started: list[subprocess.Popen] = field(default_factory=list)

    def add(self, child: subprocess.Popen) -> None:
        self.started.append(child)
        if self.stopped.is_set():
            child.terminate()

    def stop(self) -> None:
        self.stopped.set()
        for child in self.started:
            child.terminate()


def run_cells(
    context: Context, cells: Sequence[Cell], *, workers: int = 1, reuse: str = ""
) -> dict[Cell, dict[str, Any]]:
    """The `--json` object of every cell; {"error": text, "remedy": text} for one that failed.

    Folders lie under `cells/` of the run; `reuse` names the `cells` folder of an earlier table.
    Ctrl-C ends all children. RunError where the first cells fail for one and the same reason.
    """
    folder = context.out.path / "cells"
    folder.mkdir(exist_ok=True)
    if reuse and not Path(reuse).is_dir():
        raise SettingError(f"reuse={reuse}: no such folder", remedy="name the `cells` folder of a run")
    found: dict[Cell, dict[str, Any]] = {}
    children = _Children()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        jobs = {pool.submit(_one, context, cell, folder, reuse, children): cell for cell in cells}
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                cell = jobs[job]
                found[cell] = job.result()
                context.progress.line(f"{done:4}/{len(cells)}  {cell.name}  {_told(found[cell])}")
                _refuse_if_hopeless(found)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
    return {cell: found[cell] for cell in cells}


def _refuse_if_hopeless(found: Mapping[Cell, Mapping[str, Any]]) -> None:
    """Data that is missing, or a setting that no cell takes: told once, not by every cell."""
    reasons = {result.get("error") for result in found.values()}
    if len(found) == ENOUGH and len(reasons) == 1 and None not in reasons:
        remedy = next(iter(found.values())).get("remedy")
        raise RunError(f"the first {ENOUGH} cells failed alike: {reasons.pop()}", remedy=remedy)


def _one(context: Context, cell: Cell, folder: Path, reuse: str, children: _Children) -> dict[str, Any]:
    earlier = _earlier(cell, Path(reuse) / cell.name) if reuse else None
    if earlier is not None:
        return earlier
    data = ["--data", str(context.data)] if context.data else []
    command = [sys.executable, "-m", "chipsim", *cell.arguments(), *data]
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [*command, "--json", "--out", str(folder / cell.name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    children.add(child)
    out, err = child.communicate()
    if child.returncode != 0:
        return _reason(err, child.returncode)
    result = json.loads(out.strip().splitlines()[-1])
    (folder / cell.name / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return result


def _reason(err: str, status: int) -> dict[str, Any]:
    """What a failed cell said."""
    lines = [x.strip() for x in err.strip().splitlines()] or [f"status {status}"]
    found = {"error": next((x for x in lines if x.startswith("error: ")), lines[-1]).removeprefix("error: ")}
    remedy = next((x for x in lines if x.startswith("remedy: ")), None)
    return found | ({"remedy": remedy.removeprefix("remedy: ")} if remedy else {})


def _earlier(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """The result of a finished cell whose rule, chip and experiment files, and whose settings (presets
    may have changed), are still the same."""
    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        manifest = load_run(folder).manifest
        files = {"experiment": cell.experiment, "chip": cell.chip, "rule": cell.rule}
        now = {kind: file_sha256(find(kind, name)) for kind, name in files.items() if name}
        same = manifest["sources"] == now and manifest["settings"] == _settings(cell)
        return json.loads(path.read_text(encoding="utf-8")) if same else None
    except (ChipsimError, KeyError, ValueError):
        return None


def _settings(cell: Cell) -> dict[str, Any]:
    """What the cell would run with now, as a manifest holds it."""
    loaded = load_experiment(cell.experiment)
    chosen = choose_rule(loaded, cell.rule)
    form = dict(map(parse_assignment, cell.sets)).get("form", "")
    settings = make_settings(loaded.settings, cell.sets, preset(loaded.path, chosen, form))
    return json.loads(to_json(settings))


def _told(result: Mapping[str, Any]) -> str:
    if "error" in result:
        return result["error"]
    shares = result.get("accuracy") or {}
    parts = [f"{name} {100 * x:.2f}" for name, x in shares.items() if isinstance(x, float)]
    return f"{', '.join(parts)}  {result.get('wall_s', 0):.0f} s"
