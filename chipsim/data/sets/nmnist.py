"""N-MNIST: handwritten digits moved before an event camera, 34x34x2, 10 classes.

Orchard, Jayawant, Cohen, Thakor, Converting Static Image Datasets to Spiking Neuromorphic Datasets
Using Saccades, Frontiers in Neuroscience 9:437, 2015. One file per recording, Train/<digit>/NNNNN.bin
and Test/<digit>/NNNNN.bin, NNNNN the number of the MNIST image from 1. Any number of files will do:
a part of the set keeps the numbers, hence the split, of the whole.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from chipsim.data.expected import DataSet, Expected
from chipsim.data.folder import inside, numbered_files, regular_file
from chipsim.data.recordings import RecordingParts, Recordings
from chipsim.data.tonic_door import need
from chipsim.errors import DataError


def first_missing(part: str, recordings: Recordings) -> str:
    """The published file with the lowest number that is not among the recordings."""
    numbers = set((recordings.index % _TEST_FIRST).tolist())
    number = next(n for n in range(1, len(numbers) + 2) if n not in numbers)
    return f"{part.capitalize()}/*/{number:05d}.bin"


SENSOR = (34, 34, 2)
CLASSES = 10
SET = DataSet(
    "nmnist",
    (
        Expected(
            "Train/",
            "folders 0..9, 60000 files NNNNN.bin",
            origin="train.zip, md5 20959b8e626244a1b502305a9e6e2031",
        ),
        Expected(
            "Test/",
            "folders 0..9, 10000 files NNNNN.bin",
            origin="test.zip, md5 69ca8762b2fe404d9b9bad1103e97832",
        ),
    ),
    "https://www.garrickorchard.com/datasets/n-mnist (CC BY-SA 4.0)",
    {"train": 60_000, "test": 10_000},
    also=("NMNIST",),
    first_missing=first_missing,
)
_TEST_FIRST = 1 << 24  # numbers of the test part begin here, apart from the training part's
_EVENT_BYTES = 5  # x, y, then 1 bit polarity and 23 bits microseconds
_OVERFLOW_ROW = 240  # an entry with this y moves the clock on by 2**13 microseconds
_MOST_OVERFLOWS = 1024  # 8 s; tonic adds each to all later events, so a file of them would not end
_MOST_BYTES = 1 << 24  # 3.4 million events; a recording has about 4,000


def load_nmnist(folder: str | Path | None) -> RecordingParts:
    """Training and test recordings in DIR (or DIR/nmnist); nothing is read before it is asked for.

    Raises DataError where folders are missing, a file's name is no number, or a link leads out.
    """
    home = SET.home(folder)
    read = partial(_read, home)
    parts = []
    for part in ("Train", "Test"):
        paths, labels = _files(home, part)
        if not paths:
            raise DataError(f"no recordings in {part}/0..9", where=str(home), remedy=SET.remedy)
        index = [_number(path) + (_TEST_FIRST if part == "Test" else 0) for path in paths]
        parts.append(Recordings("nmnist", SENSOR, CLASSES, labels, tuple(paths), read, np.array(index)))
    return RecordingParts(*parts)


def read_bin(path: str | Path) -> np.ndarray:
    """The events of one .bin file, by tonic's reader: int64 fields x, y, t (microseconds), p.

    Raises DataError for a file of no whole number of events, and one with too many clock overflows.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise DataError(f"{size} bytes; limit {_MOST_BYTES} for one N-MNIST recording", where=str(path))
    if size % _EVENT_BYTES:
        raise DataError(
            f"{size} bytes, not a multiple of {_EVENT_BYTES}: cut off in event {size // _EVENT_BYTES}",
            where=str(path),
            remedy="copy or unpack the file again",
        )
    io = need("tonic.io", "reading N-MNIST")
    overflows = np.fromfile(path, np.uint8)[1::_EVENT_BYTES] == _OVERFLOW_ROW
    if overflows.sum() > _MOST_OVERFLOWS:
        raise DataError(
            f"{int(overflows.sum())} clock overflows; limit {_MOST_OVERFLOWS}: no N-MNIST file",
            where=f"{path}, event {int(overflows.argmax())}",
        )
    return io.read_mnist_file(str(path), dtype=np.dtype([(name, np.int64) for name in "xytp"]))


def _read(home: Path, path: Path) -> np.ndarray:
    return read_bin(regular_file(home, path))


def _files(home: Path, part: str) -> tuple[list[Path], list[int]]:
    """The part's files in order of their numbers, and their classes."""
    found: list[tuple[int, Path, int]] = []
    inside(home, home / part)
    for digit in range(CLASSES):
        folder = home / part / str(digit)
        if folder.is_dir():
            found += [(_number(path), path, digit) for path in numbered_files(home, folder, ".bin")]
    found.sort()
    for before, after in zip(found, found[1:], strict=False):
        if before[0] == after[0]:
            raise DataError(f"the same number as {before[1]}", where=str(after[1]))
    return [path for _, path, _ in found], [digit for _, _, digit in found]


def _number(path: Path) -> int:
    if not (path.stem.isascii() and path.stem.isdigit() and len(path.stem) <= 7):
        raise DataError("its name is no number (00001.bin, ...)", where=str(path))
    return int(path.stem)


load = load_nmnist  # the name under which chipsim/data/shelf.py looks for it
