"""Checkpoints of a run: what it needs to go on bit for bit after it was stopped at any moment.

A run is a script that gives the same results whenever it is run; only its long parts, the *stages*
(the training of one network), are worth keeping. `chipsim resume` runs the script again: each stage
takes up its last checkpoint, a finished one is skipped, the rest is computed again.

checkpoints/STAGE/00000003.arrays   all arrays of `Simulator.arrays`: weights, registers, spikes in
                                    flight, counters, the step that numbers the random draws
checkpoints/STAGE/00000003.json     written last: cursor, declaration and sha256 of the arrays, which
                                    run it belongs to, and the sha256 of all this

The last K of a stage are kept; a damaged one is passed over for the one before it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chipsim.array_file import declaration, read_arrays, write_arrays
from chipsim.durable import PARTIAL, write, writing
from chipsim.errors import RunError, SettingError

FORMAT = 1
FOLDER = "checkpoints"
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
PIECE_S = 1.0  # with an interval in seconds the clock is looked at about so often
SHORT = 0.1  # of the interval: a finished stage that lost less is not worth a file


@dataclass(frozen=True)
class Interval:
    """How often: after so many learned samples, or so many seconds; neither is never."""

    samples: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Interval:
        """`500` (samples), `30s`, `5min`, `2h` or `off`; SettingError for anything else."""
        found = re.fullmatch(r"(\d{1,9}|\d{0,9}\.\d{1,3})(s|min|h)?", text.strip())
        if text.strip() == "off":
            return cls()
        if found and found[2] and float(found[1]) > 0:
            return cls(seconds=float(found[1]) * UNITS[found[2]])
        if found and not found[2] and "." not in found[1] and int(found[1]) > 0:
            return cls(samples=int(found[1]))
        raise SettingError(
            f"--checkpoint {text}: no interval", remedy="for example 500 (samples), 30s, 5min, 2h, or off"
        )


class Checkpoints:
    """The checkpoints of one run; `stage(name)` for each of its long parts, in a fixed order.

    folder    the run folder; None writes nothing
    every     how often
    keep      how many of a stage are kept
    identity  names the run (settings, seed, sources): a checkpoint of another run is refused
    told      called with a line for every stage that is taken up again
    """

    def __init__(
        self,
        folder: Path | None,
        every: Interval,
        keep: int = 2,
        identity: str = "",
        told: Callable[[str], None] = lambda line: None,
    ):
        on = folder is not None and (every.samples or every.seconds)
        self.folder = folder / FOLDER if on else None
        self.source = folder / FOLDER if folder is not None else None
        self.every, self.keep, self.identity, self.told = every, keep, identity, told
        self._begun: dict[str, int] = {}

    def stage(self, name: str) -> Stage:
        """The next stage; one of a name that was there before gets a number behind it."""
        number = self._begun[name] = self._begun.get(name, 0) + 1
        return Stage(self, name if number == 1 else f"{name} #{number}")

    def drop(self) -> None:
        """Remove all of them: the run is complete."""
        if self.source is None or not self.source.is_dir():
            return
        with suppress(OSError):
            for folder in self.source.iterdir():
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
            self.source.rmdir()


def off() -> Checkpoints:
    """Checkpoints that are never written."""
    return Checkpoints(None, Interval())


@dataclass
class Stage:
    """One long part of a run. `cursor` says where it stands: plain values, the stage's own business.

    restore   once at the beginning: state and cursor of the last good checkpoint
    pieces    cuts samples so that a checkpoint can be written where one is due
    reached   after every piece: writes one where it is due
    finish    at the end
    """

    of: Checkpoints
    name: str
    cursor: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    _number: int = 0
    _since: int = 0  # samples since the last one
    _clock: float = field(default_factory=time.monotonic)
    _size: int = 64

    def restore(self, sim: Any) -> bool:
        """Take up the last good checkpoint into `sim` and `cursor`; whether there was one.

        Raises RunError for a checkpoint of another run.
        """
        for path in reversed(self._stored()):
            self._number = max(self._number, int(path.stem))
            try:
                stored = self._read(path)
                arrays = read_arrays(path.with_suffix(".arrays"), stored["arrays"])
            except RunError as error:
                self.of.told(f"checkpoint  {self.name}: {error.message}; the one before is taken ({path})")
                continue
            if stored["run"] != self.of.identity:
                raise _another_run(path)
            sim.restore(arrays)
            self.cursor, self.finished = stored["cursor"], stored["finished"]
            at = "finished" if self.finished else f"checkpoint {int(path.stem)}"
            self.of.told(f"resumed     {self.name}: {at}")
            return True
        return False

    def pieces(self, first: int, stop: int, multiple: int) -> Iterator[tuple[int, int]]:
        """(from, to) over first..stop, cut at multiples of `multiple` where a checkpoint may be due."""
        every = self.of.every
        if self.of.folder is None:
            if first < stop:
                yield first, stop
            return
        while first < stop:
            wanted = every.samples - self._since if every.samples else self._size
            begun = time.monotonic()
            upto = min(stop, first + max(1, -(-wanted // multiple)) * multiple)
            yield first, upto
            spent = max(time.monotonic() - begun, 1e-6)
            self._size = max(1, min(2 * self._size, int((upto - first) * PIECE_S / spent)))
            first = upto

    def reached(self, sim: Any, samples: int = 0, **cursor: Any) -> None:
        """`samples` more are learned and the stage stands at `cursor`; RunError if it cannot be kept."""
        self.cursor = cursor
        self._since += samples
        if self._due(1.0):
            self._save(sim)

    def finish(self, sim: Any, **cursor: Any) -> None:
        """The stage is through; kept unless it is sooner done again."""
        self.cursor, self.finished = cursor, True
        if self._due(SHORT) or (self._number and self.of.folder is not None):
            self._save(sim)

    def _due(self, share: float) -> bool:
        every = self.of.every
        if self.of.folder is None:
            return False
        if every.samples:
            return self._since >= share * every.samples
        return time.monotonic() - self._clock >= share * every.seconds

    @property
    def _place(self) -> str:
        """Its folder: readable, and different for every name."""
        text = re.sub(r"[^A-Za-z0-9.=-]+", "_", self.name).strip("._")[:60]
        return f"{text}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    def _stored(self) -> list[Path]:
        if self.of.source is None:
            return []
        found = (self.of.source / self._place).glob("*.json")
        return sorted(path for path in found if re.fullmatch(r"\d{8}", path.stem))

    def _save(self, sim: Any) -> None:
        folder = self.of.folder / self._place
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        name = folder / f"{self._number:08}"
        arrays = sim.arrays()
        sha256 = write(name.with_suffix(".arrays"), lambda file: write_arrays(file, arrays))
        body = {
            "format": FORMAT,
            "run": self.of.identity,
            "stage": self.name,
            "finished": self.finished,
            "cursor": self.cursor,
            "sha256": sha256,
            "arrays": declaration(arrays),
        }
        text = json.dumps(body | {"check": _check(body)}, allow_nan=False)
        write(name.with_suffix(".json"), text.encode())
        self._since, self._clock = 0, time.monotonic()
        self._clear(folder)

    def _clear(self, folder: Path) -> None:
        """Keep the last K, and nothing half written."""
        kept = {path.stem for path in self._stored()[-self.of.keep :]}
        for path in folder.iterdir():
            old = path.stem not in kept or path.name.endswith(PARTIAL)
            if old and path.suffix in (".json", ".arrays", PARTIAL):
                with suppress(OSError):
                    path.unlink()

    def _read(self, path: Path) -> dict[str, Any]:
        """The checked text of one checkpoint; RunError where it or its arrays are damaged."""
        try:
            stored = json.loads(path.read_bytes())
            check = stored.pop("check")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(path, type(error).__name__) from None
        if check != _check(stored) or stored.get("format") != FORMAT or stored["stage"] != self.name:
            raise _damaged(path, "its text is not what was written")
        arrays = path.with_suffix(".arrays")
        if not arrays.is_file() or _sha256(arrays) != stored["sha256"]:
            raise _damaged(arrays, "it is not what was written")
        return stored


def _check(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _damaged(path: Path, why: str) -> RunError:
    return RunError(f"damaged: {why}", where=str(path), remedy="use an earlier checkpoint")


def _another_run(path: Path) -> RunError:
    return RunError(
        "a checkpoint of a run with other settings, seed or files",
        where=str(path),
        remedy="run it again from the start; do not edit run folders",
    )
