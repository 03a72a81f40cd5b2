"""One run of many: a `chipsim run` in a child process, with a folder of its own.

A cell that is finished is taken as it is, one that was stopped goes on from its checkpoints. The
child ends when the process that started it does, however that ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipsim.errors import ChipsimError
from chipsim.experiment import choose_rule, load_experiment
from chipsim.leash import LEASH
from chipsim.library import find
from chipsim.presets import preset
from chipsim.run_folder import file_sha256, load_run, to_json
from chipsim.settings import make_settings, parse_assignment
from chipsim.version import __version__

LONGEST = 120  # characters of a folder's name


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
        given = [self.experiment, self.rule or "none", self.chip]
        parts = [*(Path(x).stem for x in given), f"seed{self.seed}", *self.sets]
        text = "".join(x if x.isalnum() or x in "-_.=" else "_" for x in "-".join(parts))
        if len(text) <= LONGEST and not any("/" in x for x in given):
            return text
        mark = hashlib.sha256("\n".join([*given, *self.sets]).encode()).hexdigest()[:10]
        return f"{text[:LONGEST]}-{mark}"

    def arguments(self) -> list[str]:
        """The command line behind `chipsim`."""
        rule = ["--rule", self.rule] if self.rule else []
        sets = [part for x in self.sets for part in ("--set", x)]
        return ["run", self.experiment, *rule, "--chip", self.chip, "--seed", str(self.seed), *sets]


def perform_cell(
    cell: Cell, folder: Path, data: Path | None, started: Callable[[subprocess.Popen], None] | None = None
) -> dict[str, Any]:
    """The `--json` object of a cell whose folder is `folder`; {"error", "remedy"} if it failed.

    started  called with the child process; it may end it
    """
    found = finished(cell, folder)
    if found is not None:
        return found
    given = ["--data", str(data)] if data else []
    if begun(cell, folder):
        done = _child(["resume", str(folder), *given, "--json"], started)
        found = finished(cell, folder) if done.returncode == 0 else None
        return found or _reason(done)
    if folder.parent.name == "cells":  # what cannot go on begins anew
        shutil.rmtree(folder, ignore_errors=True)
    done = _child([*cell.arguments(), *given, "--json", "--out", str(folder)], started)
    if done.returncode != 0:
        return _reason(done)
    return json.loads(done.stdout.strip().splitlines()[-1])


def finished(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """The result of a finished cell whose version, rule, chip and experiment files, and whose settings
    (presets may have changed), are still the same."""
    try:
        run = load_run(folder)
        return run.json("result.json") if _same(cell, run.manifest) else None
    except (ChipsimError, KeyError, TypeError, ValueError, OSError):
        return None


def begun(cell: Cell, folder: Path) -> bool:
    """Whether a run of this very cell was stopped there."""
    try:
        run = load_run(folder, complete=False)
        return run.status != "complete" and _same(cell, run.manifest)
    except (ChipsimError, KeyError, TypeError, ValueError):
        return False


def _same(cell: Cell, manifest: dict[str, Any]) -> bool:
    files = {"experiment": cell.experiment, "chip": cell.chip, "rule": cell.rule}
    now = {kind: file_sha256(find(kind, name)) for kind, name in files.items() if name}
    same = manifest["sources"] == now and manifest["settings"] == settings_of(cell)
    return same and manifest["versions"]["chipsim"] == __version__ and manifest["seed"] == cell.seed


def settings_of(cell: Cell) -> dict[str, Any]:
    """What the cell would run with now, as a manifest holds it; SettingError for what it refuses."""
    loaded = load_experiment(cell.experiment)
    chosen = choose_rule(loaded, cell.rule)
    form = dict(map(parse_assignment, cell.sets)).get("form", "")
    settings = make_settings(loaded.settings, cell.sets, preset(loaded.path, chosen, form))
    return json.loads(to_json(settings))


def _child(
    arguments: list[str], started: Callable[[subprocess.Popen], None] | None
) -> subprocess.CompletedProcess:
    with subprocess.Popen(
        [sys.executable, "-m", "chipsim", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NUMBA_NUM_THREADS": "1", LEASH: "1"},
    ) as child:
        if started:
            started(child)
        keep = child.stdin
        child.stdin = None  # `communicate` would close it, which is the sign to end
        try:
            out, err = child.communicate()
        finally:
            keep.close()
    return subprocess.CompletedProcess(arguments, child.returncode, out, err)


def _reason(done: subprocess.CompletedProcess) -> dict[str, Any]:
    """What a failed cell said."""
    lines = [x.strip() for x in done.stderr.strip().splitlines()] or [f"status {done.returncode}"]
    found = {"error": next((x for x in lines if x.startswith("error: ")), lines[-1]).removeprefix("error: ")}
    remedy = next((x for x in lines if x.startswith("remedy: ")), None)
    return found | ({"remedy": remedy.removeprefix("remedy: ")} if remedy else {})
