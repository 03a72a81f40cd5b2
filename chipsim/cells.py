"""Many runs for one table: every cell is a `chipsim run` of its own, reproducible by its manifest.

Cells run in child processes, a few at a time. A finished cell of this table or of an earlier one with
the same command and sources is taken over, so an interrupted table goes on where it stopped.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chipsim.cell import Cell, finished, perform_cell
from chipsim.errors import RunError, SettingError
from chipsim.experiment import Context

ENOUGH = 3  # cells in a row that fail alike from the first one on: the table is refused


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
                context.progress.line(f"{done:4}/{len(cells)}  {cell.name}  {told(found[cell])}")
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
    earlier = finished(cell, Path(reuse) / cell.name) if reuse else None
    return earlier or perform_cell(cell, folder / cell.name, context.data, children.add)


def told(result: Mapping[str, Any]) -> str:
    """A cell's result in one line: its accuracies and seconds, or why it failed."""
    if "error" in result:
        return result["error"]
    shares = result.get("accuracy") or {}
    parts = [f"{name} {100 * x:.2f}" for name, x in shares.items() if isinstance(x, float)]
    return f"{', '.join(parts)}  {result.get('wall_s', 0):.0f} s"
