"""One recording in one file, by its suffix: read with tonic's or expelliarmus' readers, or refused by name.

Nothing is decoded here that a well-kept reader decodes; a format without one is refused with what it
can be converted to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from chipsim.data.aedat4 import read_aedat4, sensor_of
from chipsim.data.event_checks import Sensor, check_events
from chipsim.data.recordings import Recording
from chipsim.data.sets import nmnist
from chipsim.data.tonic_door import need
from chipsim.errors import DataError, SettingError
from chipsim.npz import mapped

CONVERT = (
    "convert it to a NumPy .npy file: one structured array with the integer fields t (microseconds), "
    "x, y, p (0, 1), saved without pickle"
)
REFUSED = {
    ".aedat": "AEDAT 1 to 3 of jAER and cAER (and headerless address streams of audio sensors)",
    ".bs1": "SLAYER's one-dimensional binary spikes",
    ".es": "Event Stream",
    ".h5": "HDF5, one file of many recordings: `chipsim data check shd DIR`",
    ".hdf5": "HDF5, one file of many recordings",
    ".bag": "ROS bags",
}
_HEAD = 1 << 16  # bytes searched for the end of a text header
_MOST_BYTES = 1 << 31
_MOST_COLUMNS = 1 << 20  # of ST-MNIST; a recording has a few thousand
_ATIS = (304, 240, 2)
_GENERATIONS = {
    "gen3": (640, 480, 2),
    "gen31": (640, 480, 2),
    "gen4": (1280, 720, 2),
    "gen41": (1280, 720, 2),
}


def read_recording(path: str | Path, sensor: Sensor | None = None) -> Recording:
    """The recording in a file, checked; label None.

    .bin (N-MNIST, N-Caltech101)  .bs2 (SLAYER)  .dat, .raw (Prophesee DAT, EVT2, EVT3)
    .mat (ST-MNIST)  .aedat4  .npy (structured array, or [n, 4] with columns x, y, p, t)

    sensor  (width, height, polarities), if the file does not state it or another is meant

    Raises DataError for an unknown or refused format, a damaged file and the first bad event.
    """
    path = Path(path)
    if not path.is_file():
        what = "no such file" if not path.exists() else "not a regular file"
        raise DataError(what, where=str(path), remedy="name one recording")
    suffix = path.suffix.lower()
    if suffix in REFUSED:
        raise DataError(
            f"{suffix}: {REFUSED[suffix]}, is not read: no well-kept reader comes with chipsim[data]",
            where=str(path),
            remedy=CONVERT,
        )
    if suffix not in READERS:
        raise DataError(
            f"'{suffix}' is no known recording; known: {', '.join(READERS)}", where=str(path), remedy=CONVERT
        )
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"{path.stat().st_size} bytes; limit {_MOST_BYTES}", where=str(path))
    events, own = READERS[suffix](path)
    if sensor is None and own is None:
        raise SettingError(
            "the file does not state its sensor", where=str(path), remedy="give --sensor WIDTHxHEIGHT"
        )
    sensor = sensor or own
    return Recording(check_events(events, sensor, str(path)), None, sensor, str(path))


def _bin(path: Path) -> tuple[np.ndarray, Sensor]:
    return nmnist.read_bin(path), nmnist.SENSOR


def _bs2(path: Path) -> tuple[np.ndarray, None]:
    """SLAYER's two-dimensional spikes have N-MNIST's 40 bits; the file states no sensor."""
    return nmnist.read_bin(path), None


def _dat(path: Path) -> tuple[np.ndarray, Sensor]:
    """Prophesee DAT; files of version 2 without a size are of the ATIS (N-Cars)."""
    head, end = _header(path)
    with path.open("rb") as file:
        file.seek(end)
        kind = file.read(2)
    if len(kind) < 2 or kind[1] != 8:
        raise DataError(f"event size {kind[1:].hex() or 'missing'}; limit 8 bytes", where=str(path))
    _whole(path, end + 2, 8)
    size = [re.search(rf"^% {key} (\d{{1,5}})\s*$", head, re.M | re.I) for key in ("width", "height")]
    sensor = (int(size[0][1]), int(size[1][1]), 2) if all(size) else _ATIS
    return _expelliarmus(path, "dat"), sensor


def _raw(path: Path) -> tuple[np.ndarray, Sensor | None]:
    """Prophesee EVT2 and EVT3; the sensor from the header's geometry or the camera's generation."""
    head, end = _header(path)
    found = re.search(r"^% (?:evt|format EVT) ?([23])\b", head, re.M | re.I)
    if found is None:
        raise DataError("its header states no EVT2 or EVT3", where=str(path), remedy=CONVERT)
    _whole(path, end, 4 if found[1] == "2" else 2)
    size = re.search(r"^% geometry (\d{1,5})x(\d{1,5})", head, re.M | re.I)
    generation = re.search(r"^% plugin_name hal_plugin_(gen\d+)", head, re.M)
    if size is not None:
        sensor: Sensor | None = (int(size[1]), int(size[2]), 2)
    else:
        sensor = _GENERATIONS.get(generation[1]) if generation else None
    return _expelliarmus(path, f"evt{found[1]}"), sensor


def _header(path: Path) -> tuple[str, int]:
    """The leading lines that begin with %, and where the data begin.

    expelliarmus searches for a line's end without a limit, so a file without one would not end.
    """
    with path.open("rb") as file:
        data, end = file.read(_HEAD), 0
    while data[end : end + 1] == b"%":
        line = data.find(b"\n", end)
        if line < 0:
            raise DataError(f"its header has no end in the first {_HEAD} bytes", where=str(path))
        end = line + 1
    if not end:
        raise DataError("begins with no header (lines with %)", where=str(path), remedy=CONVERT)
    return data[:end].decode("ascii", "replace"), end


def _whole(path: Path, start: int, word: int) -> None:
    rest = path.stat().st_size - start
    if rest <= 0:
        raise DataError("no events", where=str(path))
    if rest % word:
        raise DataError(
            f"{rest} bytes of data, not a multiple of {word}: cut off in word {rest // word}", where=str(path)
        )


def _expelliarmus(path: Path, encoding: str) -> np.ndarray:
    wizard = need("expelliarmus", f"reading {path}").Wizard(encoding=encoding)
    try:
        events = wizard.read(str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"not readable as {encoding}: {error}", where=str(path)) from None
    if events is None:
        raise DataError(f"not readable as {encoding}: damaged, or of another format", where=str(path))
    return events


def _mat(path: Path) -> tuple[np.ndarray, Sensor]:
    """ST-MNIST: spiketrain [101, n] of -1, 0, 1, a row per taxel of 10x10 and a last row of seconds."""
    from scipy.io import loadmat, whosmat

    try:
        declared = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        shape, kind = declared.get("spiketrain", ((), "missing"))
        if kind != "double" or len(shape) != 2 or shape[0] != 101:
            raise DataError(
                f"spiketrain is {kind} {shape}, not double (101, n) as in ST-MNIST", where=str(path)
            )
        if shape[1] > _MOST_COLUMNS:
            raise DataError(f"spiketrain has {shape[1]} columns; limit {_MOST_COLUMNS}", where=str(path))
        train = loadmat(path, variable_names=["spiketrain"])["spiketrain"]
    except DataError:
        raise
    except Exception as error:  # scipy's reader raises some ten kinds on damaged bytes
        raise DataError(f"no readable MATLAB 5 file: {error}", where=str(path)) from None
    spikes, seconds = train[:-1], train[-1]
    bad = ~np.isfinite(train).all(axis=0) | ~np.isin(spikes, (-1, 0, 1)).all(axis=0) | (abs(seconds) > 1e6)
    if bad.any():
        raise DataError(f"column {int(bad.argmax())}: not -1, 0, 1 and a time in seconds", where=str(path))
    column, taxel = np.nonzero(spikes.T)
    events = np.empty(len(column), [(name, np.int64) for name in ("t", "x", "y", "p")])
    events["t"] = np.floor(seconds[column] * 1e6)  # whole microseconds, as tonic cut them
    events["x"], events["y"], events["p"] = taxel % 10, taxel // 10, spikes[taxel, column] > 0
    return events, (10, 10, 2)


def _aedat4(path: Path) -> tuple[np.ndarray, Sensor]:
    return read_aedat4(path), sensor_of(path)


def _npy(path: Path) -> tuple[np.ndarray, None]:
    """A structured array as it is, or a table of integers with columns x, y, p, t."""
    try:
        array = mapped(path)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"no readable .npy file of numbers: {reason}", where=str(path)) from None
    if array.ndim == 2 and array.shape[1] == 4 and array.dtype.kind in "iu":
        events = np.empty(len(array), [(name, array.dtype) for name in "xypt"])
        for name, values in zip("xypt", array.T, strict=True):
            events[name] = values
        return events, None
    return np.asarray(array), None


READERS: dict[str, Callable[[Path], tuple[np.ndarray, Sensor | None]]] = {
    ".bin": _bin,
    ".bs2": _bs2,
    ".dat": _dat,
    ".raw": _raw,
    ".mat": _mat,
    ".aedat4": _aedat4,
    ".npy": _npy,
}
