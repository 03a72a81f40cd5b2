"""How long Lava takes for an export, start-up excluded; in a process of its own, like `verify`."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chipsim.errors import RunError, SettingError
from chipsim.lava.verify import SECONDS, in_child, lava_python

HERE = Path(__file__).parent
MODES = ("network", "model")


@dataclass(frozen=True)
class Timed:
    """Steps that were timed; cpu_s: CPU seconds of the busiest process (None where the system does not tell),
    wall_s: seconds by the clock (None for a model alone)."""

    steps: int
    cpu_s: float | None
    wall_s: float | None

    @property
    def rate(self) -> float:
        """Steps per second of CPU time of the busiest process, or by the clock."""
        return self.steps / (self.cpu_s or self.wall_s)


def timed(
    folder: str | Path, first: int, mode: str = "network", seconds: float = SECONDS, python: str | None = None
) -> Timed:
    """Run an export in Lava and time all steps but the first `first`.

    mode      "network": every process on Lava's runtime; "model": the ProcessModel of its first two-factor
              LearningDense alone, in one process and without channels, in five parts of which the
              fastest counts
    seconds   time limit
    Raises RunError where Lava computes something else than chipsim or does not end, SettingError without
    lava-nc or for an unknown mode.
    """
    if mode not in MODES:
        raise SettingError(f"mode '{mode}'", remedy=f"use {' or '.join(MODES)}")
    python = python or lava_python()
    with tempfile.TemporaryDirectory(prefix="chipsim-timed-") as temporary:
        for name in ("timed_template.py", "models.py"):
            shutil.copy(HERE / name, temporary)
        arguments = [str(Path(temporary, "timed_template.py")), mode, str(Path(folder).resolve()), str(first)]
        verdict = in_child(arguments, seconds, python)
    if not verdict.equal:
        raise RunError(f"{verdict.result}: {verdict.text}", where=f"Lava's run of {folder}")
    told = verdict.told
    return Timed(told["steps"], told["cpu_s"], told.get("wall_s"))
