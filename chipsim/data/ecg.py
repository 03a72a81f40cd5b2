"""ECG of the QT Database as level-crossing events, with a class at every step: the online case.

618 training and 141 test sequences of 1301 steps, 4 channels that cross a level upwards (1), downwards
(-1) or not at all (0), 6 classes. The files do not name the classes; the paper's are the waves P, PQ,
QR, RS, ST and TP. Encoded by Yin, Corradi, Bohte, Accurate and efficient time-domain classification
with adaptive spiking recurrent neural networks, Nature Machine Intelligence 3, 2021, from Laguna, Mark,
Goldberger, Moody, A database for evaluation of algorithms for measurement of QT and other waveform
intervals in the ECG, Computers in Cardiology 24, 1997. Files: QTDB_train.mat and QTDB_test.mat.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chipsim.data.events import Events
from chipsim.data.published import AGAIN, Published, locate, read_capped, sha256
from chipsim.errors import DataError

EXPECTED = (
    Published("QTDB_train.mat", 537262, "72d1a10c96f1540880447e07256835d66da419c0b34f3dff495731a7928c5bc7"),
    Published("QTDB_test.mat", 112720, "916f11e21679a5b61988305bbb7cd1e6df8b34f1ed4a157a7a4e295d400ef232"),
)
SOURCE = "the files are in folder data/ of github.com/byin-cwi/Efficient-spiking-networks (its history)"
CLASSES = 6
NO_LABEL = -1  # a step to which the set gives no class
_MAX_FILE = 1 << 26
_MAX_CELLS = 1 << 26  # entries of one array, before it is read
_NUMERIC = {
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("single", "double", "logical"),
}


@dataclass(frozen=True, eq=False)
class StepLabelled:
    """Events with one class per step.

    events   axon 2*channel: the level was crossed upwards, 2*channel + 1: downwards
    labels   int32[samples, n_steps], 0..classes-1, or -1 where a step has no class
    classes  number of classes
    """

    events: Events
    labels: np.ndarray
    classes: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> StepLabelled:
        """The samples `indices` (int[m]) in that order."""
        return StepLabelled(self.events.take(indices), self.labels[indices], self.classes)


@dataclass(frozen=True, eq=False)
class Ecg:
    """The training and the test file, and the SHA-256 of each for the manifest."""

    train: StepLabelled
    test: StepLabelled
    files: Mapping[str, str]

    def hold_out(self, validation: int = 100) -> dict[str, StepLabelled]:
        """`train`, `validation` and `test`; validation is the end of the training file, in one block,
        because neighbours in the file come from one recording."""
        n = len(self.train)
        if not 0 < validation < n:
            raise DataError(f"a validation part of {validation} sequences from {n}; limit 1..{n - 1}")
        parts = {"train": np.arange(n - validation), "validation": np.arange(n - validation, n)}
        return {**{name: self.train.take(part) for name, part in parts.items()}, "test": self.test}


def load_ecg(folder: str | Path | None) -> Ecg:
    """Both files in `folder` or `folder/ecg_qtdb`.

    Raises DataError for a missing or damaged file, arrays of objects, values outside -1..1, steps
    with two classes.
    """
    paths = locate(folder, "ecg_qtdb", EXPECTED, SOURCE)
    parts, files = [], {}
    for path in paths:
        data = read_capped(path, _MAX_FILE)
        files[path.name] = sha256(data)
        parts.append(_part(*_arrays(data, path), path))
    shapes = [(part.events.n_axons, part.events.n_steps) for part in parts]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"(axons, steps) are {shapes[1]}, in {paths[0].name} {shapes[0]}", where=str(paths[1])
        )
    return Ecg(*parts, files)


def _arrays(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """x and y, after a look at what the file declares: plain numbers only, of a bounded size."""
    from scipy.io import loadmat, whosmat

    try:
        declared = {name: (shape, kind) for name, shape, kind in whosmat(io.BytesIO(data))}
    except Exception as error:  # scipy's reader raises some ten kinds on damaged bytes
        raise _damaged(data, path, error) from None
    for name in ("x", "y"):
        if name not in declared:
            raise DataError(f"holds no array '{name}'; it has {sorted(declared)}", where=str(path))
        shape, kind = declared[name]
        if kind not in _NUMERIC:
            raise DataError(f"'{name}' is of MATLAB class {kind}; only numbers are read", where=str(path))
        if len(shape) != 3 or not 0 < int(np.prod(shape, dtype=object)) <= _MAX_CELLS:
            raise DataError(f"'{name}' has shape {shape}; 3 axes of at most {_MAX_CELLS}", where=str(path))
    try:
        loaded = loadmat(io.BytesIO(data), variable_names=["x", "y"])
        return loaded["x"], loaded["y"]
    except Exception as error:
        raise _damaged(data, path, error) from None


def _damaged(data: bytes, path: Path, error: Exception) -> DataError:
    why = str(error) or type(error).__name__
    return DataError(
        f"{len(data)} bytes that cannot be read as MATLAB 5: {why}", where=str(path), remedy=AGAIN
    )


def _part(x: np.ndarray, y: np.ndarray, path: Path) -> StepLabelled:
    """Events and labels of one file's arrays x [samples, steps, channels] and y [.., .., classes]."""
    if x.shape[:2] != y.shape[:2] or y.shape[2] != CLASSES:
        raise DataError(f"x has shape {x.shape}, y {y.shape}; y needs {CLASSES} classes", where=str(path))
    for name, array, low in (("x", x, -1), ("y", y, 0)):
        bad = np.argwhere((array != 1) & (array != 0) & (array != low))
        if len(bad):
            place = tuple(int(i) for i in bad[0])
            raise DataError(f"{name}{list(place)} is {array[place]}; limit {low}..1, whole", where=str(path))
    x, y = x.astype(np.int8), y.astype(np.int8)
    twice = np.argwhere(y.sum(axis=2) > 1)
    if len(twice):
        k, t = (int(i) for i in twice[0])
        raise DataError(f"sample {k}, step {t} has {int(y[k, t].sum())} classes", where=str(path))
    labels = np.where(y.any(axis=2), y.argmax(axis=2), NO_LABEL).astype(np.int32)
    up_down = np.stack([x > 0, x < 0], axis=-1).reshape(*x.shape[:2], -1)
    return StepLabelled(Events.from_dense(up_down), labels, CLASSES)
