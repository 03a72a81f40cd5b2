"""Ten DVS-Gesture recordings, one per class but the last: 128x128x2, 1.45 s each, one subject.

Real events of Amir et al. 2017 as kept in the tests of slayerPytorch; the labels are inferred from the
order of the classes. For throughput, operation counts and smoke runs, not for an accuracy. One .npz
file: x, y, p, t of all events, offset[11], label[10].
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from chipsim.data import checks
from chipsim.data.expected import DataSet, Expected
from chipsim.data.folder import regular_file
from chipsim.data.recordings import Recordings
from chipsim.errors import DataError
from chipsim.npz import UNREADABLE, array_in

SENSOR = (128, 128, 2)
CLASSES = 11  # those of DVS-Gesture; "other gestures" has no recording here
FILE = "dvs128_gesture_10.npz"
SET = DataSet(
    "dvs128_gesture_10",
    (
        Expected(
            FILE,
            "10 recordings",
            3_688_481,
            "d90c72dcbd10296b90084a2212a59d77d92f429bfb3241d3923e0099ba61f49f",
        ),
    ),
    "test/test_files/binarySpikeTestFiles/1..10.bs2 of github.com/bamsumit/slayerPytorch (CC BY 4.0)",
    {"all": 10},
)
_MOST_BYTES = 1 << 28  # of one unpacked column


def load(folder: str | Path | None) -> Recordings:
    """The recordings of DIR/dvs128_gesture_10 (or DIR); all events are read at once (16 MB)."""
    home = SET.home(folder)
    path = regular_file(home, home / FILE)
    columns = _columns(path)
    offset, n = columns.pop("offset"), len(columns["t"])
    label = columns.pop("label")
    checks.check_start(checks.integers(f"{path}: offset", offset), 1, n)
    if len(label) != len(offset) - 1:
        raise DataError(f"{len(label)} labels for {len(offset) - 1} recordings", where=str(path))
    events = np.empty(n, [(name, np.int32 if name == "t" else np.int16) for name in columns])
    for name, column in columns.items():
        if len(column) != n:
            raise DataError(f"{len(column)} entries of {name}, but {n} of t", where=str(path))
        checks.first_outside(f"{path}: {name}", column, 0, np.iinfo(events.dtype[name]).max)
        events[name] = column
    parts = {(str(path), k): events[a:b] for k, (a, b) in enumerate(zip(offset, offset[1:], strict=False))}
    return Recordings("dvs128_gesture_10", SENSOR, CLASSES, label, tuple(parts), parts.__getitem__)


def _columns(path: Path) -> dict[str, np.ndarray]:
    """The integer columns of the archive, each of one axis and of a bearable size."""
    names = ("x", "y", "p", "t", "offset", "label")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            return {name: _column(archive, members.get(f"{name}.npy"), name, path) for name in names}
    except (ValueError, *UNREADABLE) as error:
        raise DataError(f"no readable .npz file of numbers: {error}", where=str(path)) from None


def _column(archive: zipfile.ZipFile, info: zipfile.ZipInfo | None, name: str, path: Path) -> np.ndarray:
    if info is None:
        raise DataError(f"holds no array '{name}'", where=str(path))
    if info.file_size > _MOST_BYTES:
        raise DataError(f"{name} unpacks to more than {_MOST_BYTES} bytes", where=str(path))
    with archive.open(info) as member:
        return checks.integers(f"{path}: {name}", array_in(member.read(_MOST_BYTES + 1)))
