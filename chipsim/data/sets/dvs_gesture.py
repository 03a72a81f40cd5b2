"""DVS-Gesture: hand and arm gestures before an event camera, 128x128x2, 11 classes.

Amir et al., A Low Power, Fully Event-Based Gesture Recognition System, CVPR 2017; here as tonic
publishes it: every gesture cut out, times in milliseconds, one .npy file [n, 4] of x, y, p, t each,
ibmGestureTrain/user01_fluorescent/0.npy (the file's name is the class) and ibmGestureTest/...
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.data.event_checks import check_events
from chipsim.data.expected import DataSet, Expected
from chipsim.data.folder import inside, numbered_files, regular_file
from chipsim.data.recordings import RecordingParts, Recordings
from chipsim.data.tonic_door import local
from chipsim.errors import DataError
from chipsim.npz import mapped

SENSOR = (128, 128, 2)
CLASSES = 11
SET = DataSet(
    "dvs_gesture",
    (
        Expected(
            "ibmGestureTrain/",
            "folders userNN_LIGHT with 0.npy..10.npy",
            origin="ibmGestureTrain.tar.gz, md5 3a8f0d4120a166bac7591f77409cb105",
        ),
        Expected(
            "ibmGestureTest/",
            "folders userNN_LIGHT with 0.npy..10.npy",
            origin="ibmGestureTest.tar.gz, md5 56070e45dadaa85fff82e0fbfbc06de5",
        ),
    ),
    "https://figshare.com/ndownloader/files/38022171 and /38020584, as tonic does (CC BY 4.0)",
    {"train": 1077, "test": 264},
    also=("DVSGesture",),
)
_COLUMNS = ("x", "y", "p", "t")
_MS = 1000  # microseconds
_TEST_FIRST = 1 << 24


def load(folder: str | Path | None) -> RecordingParts:
    """Training and test recordings in DIR/dvs_gesture (or DIR), with groups["user"]."""
    home = SET.home(folder)
    reader = Reader(home)
    train, test = (home / file.path for file in SET.files)
    return RecordingParts(_part(reader, train, 0), _part(reader, test, _TEST_FIRST))


class Reader:
    """Reads one .npy file by tonic's class, after looking at it as it lies there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._open: dict[Path, Any] = {}

    def __call__(self, path: Path) -> np.ndarray:
        """Events x, y (int16), p (bool), t (int64, microseconds)."""
        raw = _as_stored(regular_file(self.home, path))
        part = path.parent.parent
        if part not in self._open:
            dataset = local("DVSGesture", self.home, train=part.name == "ibmGestureTrain")
            self._open[part] = dataset, {Path(file): k for k, file in enumerate(dataset.data)}
        dataset, numbers = self._open[part]
        events, _ = dataset[numbers[path]]
        if not np.array_equal(events["t"], raw["t"] * _MS):
            raise DataError("its number type is too narrow for microseconds", where=str(path))
        return events


def _as_stored(path: Path) -> np.ndarray:
    """The file's columns, checked before tonic narrows x and y to 16 bits and p to one."""
    try:
        table = mapped(path)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"no readable .npy file of numbers: {reason}", where=str(path)) from None
    if table.ndim != 2 or table.shape[1:] != (4,):
        raise DataError(
            f"an array {table.shape}, not [n, 4] with columns {', '.join(_COLUMNS)}", where=str(path)
        )
    if table.dtype.kind not in "iuf":
        raise DataError(f"an array of {table.dtype}, not of numbers", where=str(path))
    raw = np.empty(len(table), [(name, np.int64) for name in _COLUMNS])
    for name, values in zip(_COLUMNS, np.asarray(table).T, strict=True):
        if table.dtype.kind == "f":
            bad = ~np.isfinite(values) | (values != np.floor(values)) | (np.abs(values) > 2.0**52)
            if bad.any():
                k = int(bad.argmax())
                raise DataError(
                    f"event {k} of {len(raw)}: {name} is {values[k]}, no integer", where=str(path)
                )
        raw[name] = values
    try:
        return check_events(raw, SENSOR, str(path))
    except DataError as error:
        remedy = "columns are x, y, p, t in this order, t in milliseconds"
        raise DataError(error.message, where=error.where, remedy=remedy) from None


def _part(reader: Reader, folder: Path, first: int) -> Recordings:
    """The part's files by user and light, then by class."""
    inside(reader.home, folder)
    if not folder.is_dir():
        raise DataError("no such folder", where=str(folder), remedy=SET.remedy)
    paths: list[Path] = []
    for user in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not re.fullmatch(r"user\d{1,4}_\w+", user.name, re.ASCII):
            raise DataError("no folder of a user (user01_fluorescent)", where=str(user))
        files = list(numbered_files(reader.home, user, ".npy"))
        for path in files:
            if not re.fullmatch(r"\d|10", path.stem, re.ASCII):
                raise DataError("its name is no class (0.npy..10.npy)", where=str(path))
        paths += sorted(files, key=lambda path: int(path.stem))
    if not paths:
        raise DataError("no recordings", where=str(folder), remedy=SET.remedy)
    labels = np.array([int(path.stem) for path in paths])
    users = np.array([int(path.parent.name[4:].split("_")[0]) for path in paths])
    index = first + np.arange(len(paths))
    return Recordings("dvs_gesture", SENSOR, CLASSES, labels, tuple(paths), reader, index, {"user": users})
