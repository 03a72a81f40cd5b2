"""Vectors of a chip's own hardware text, replayed: the frame that `chipsim conformance` runs.

A file `chipsim/conformance/<chip>.py` with `def run(folder: Path) -> Iterable[Result]` adds a chip; it is
found by its name. `run` is usually `run_kinds(folder, "<chip>", {pattern: function})`: each file of the
folder whose name begins with the chip's name goes to the function whose pattern it meets, and gives one
or more results. Files come from anywhere, so reading them is bounded and never unpickles.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chipsim.data.published import AGAIN, read_capped, read_npz
from chipsim.errors import DataError, SettingError, did_you_mean

MOST_PACKED = 1 << 26  # bytes of a file as it lies on the disk
MOST_UNPACKED = 1 << 28  # bytes of one array
MOST_JSON = 1 << 26  # bytes of a JSON text, which takes some twenty times as much memory
MOST_FILES = 10_000  # of one folder
_FRAME = ("__init__", "bundle", "case", "cases", "compare", "vectors")
_FRAME += ("reckon_cases", "reckon_modules")


class Mismatch(NamedTuple):
    """The first value that differs. place is the event, step or row; register names what was compared."""

    place: str
    register: str
    expected: str
    got: str

    def text(self) -> str:
        """As printed: `event 12, V of neuron 5: expected 3, got 4`."""
        return f"{self.place}, {self.register}: expected {self.expected}, got {self.got}"


class Result(NamedTuple):
    """What one file (or one part of it) showed: `checked` values compared, the first mismatch if any."""

    file: str
    part: str
    checked: int
    mismatch: Mismatch | None = None


def chips() -> list[str]:
    """Chips that vectors can be replayed on, sorted; `<chip>_more.py` is a part of `<chip>.py`."""
    found = {path.stem for path in Path(__file__).resolve().parent.glob("*.py")} - set(_FRAME)
    return sorted(name for name in found if name.split("_")[0] not in found - {name})


def conformance(chip: str, folder: str | Path) -> Iterator[Result]:
    """Replay every vector file of a folder on a chip, file by file.

    Raises SettingError for a chip without vectors, DataError for a folder or file that cannot be used.
    """
    known = chips()
    if chip not in known:
        raise SettingError(
            f"no hardware vectors are replayed on '{chip}'{did_you_mean(chip, known)}",
            remedy=f"one of {', '.join(known) or 'none yet'}",
        )
    folder = Path(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise DataError(what, where=str(folder), remedy="give the folder in which the vector files lie")
    return iter(import_module(f"chipsim.conformance.{chip}").run(folder))


def run_kinds(
    folder: Path, chip: str, kinds: Mapping[str, Callable[[Path], Iterable[Result]]]
) -> Iterator[Result]:
    """Results of every file `<chip>_*` of a folder, in the order of their names.

    kinds   pattern of a file name (`odin_e2e_*.json.gz`) -> function of its path
    Raises DataError for a folder without such files, or for one that meets no pattern.
    """
    paths = sorted(p for p in folder.iterdir() if p.name.startswith(f"{chip}_"))
    if not paths or len(paths) > MOST_FILES:
        raise DataError(
            f"{len(paths)} files named {chip}_*" + (f"; limit {MOST_FILES}" if paths else ""),
            where=str(folder),
            remedy=f"vector files are named {', '.join(kinds)}",
        )
    chosen = [
        (path, next((f for k, f in kinds.items() if fnmatchcase(path.name, k)), None)) for path in paths
    ]
    for path, function in chosen:  # all names before the first run
        if function is None:
            raise DataError(
                f"no known kind of vectors{did_you_mean(path.name, kinds)}",
                where=str(path),
                remedy=f"rename it or take it out; known: {', '.join(kinds)}",
            )
    for path, function in chosen:
        yield from function(path)


def read_case(path: Path) -> dict[str, Any]:
    """The object in a .json.gz file. Raises DataError for a long, damaged or foreign file."""
    packed = read_capped(path, MOST_PACKED)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            data = stream.read(MOST_JSON + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"damaged gzip file: {error}", where=str(path), remedy=AGAIN) from None
    if len(data) > MOST_JSON:
        raise DataError(f"unpacks to more than {MOST_JSON} bytes", where=str(path))
    try:
        case = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"holds no JSON: {error}", where=str(path), remedy=AGAIN) from None
    if not isinstance(case, dict):
        raise DataError("holds no JSON object", where=str(path))
    return case


def read_table(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays `names` of a .npz file, without pickle. Raises DataError."""
    return read_npz(read_capped(path, MOST_PACKED), path, names, MOST_UNPACKED)


def first_row(
    expected: np.ndarray, got: np.ndarray, names: Sequence[str], row: str = "row"
) -> Mismatch | None:
    """The first entry of the first row in which two tables [rows, columns] differ, or None.

    names   one per column: what its register is called; row: what a row is called ("row", "lane")
    """
    expected, got = np.atleast_2d(expected), np.atleast_2d(got)
    if expected.shape != got.shape:
        return Mismatch(f"whole table of {row}s", "shape", str(expected.shape), str(got.shape))
    wrong = np.argwhere(expected != got)
    if not len(wrong):
        return None
    i, k = (int(x) for x in wrong[0])
    return Mismatch(f"{row} {i}", names[k], str(expected[i, k]), str(got[i, k]))
