"""Spike trains in the HDF5 layout of the Heidelberg spiking data sets, for every tool that reads SHD.

Layout (compneuro.net, Spiking Heidelberg Digits): spikes/times (seconds) and spikes/units, one array
of any length per recording, labels, extra/speaker, extra/keys (names of the classes). Needs h5py,
which comes with the extra `data`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chipsim.data import checks
from chipsim.data.spikes import Spikes
from chipsim.errors import DataError

_SHD_UNITS = 1 << 16  # units are uint16


def write_shd(
    path: str | Path,
    spikes: Spikes,
    labels: np.ndarray,
    speaker: np.ndarray,
    keys: Sequence[str],
    indices: np.ndarray | None = None,
) -> None:
    """Write recordings as one SHD file, whole or not at all; an existing file is replaced.

    path     of the .h5 file, e.g. DIR/shd_train.h5
    labels   int[recordings], numbers of `keys`
    speaker  int[recordings], 0..65535
    keys     name of each class
    indices  the recordings to write, in order; default: all

    Times are float32 seconds (float16, as SHD's are, would move frames of 1 ms). Raises DataError for
    columns that do not fit, and where the file cannot be written.
    """
    path, n = Path(path), len(spikes)
    labels, speaker = checks.integers("labels", labels), checks.integers("speaker", speaker)
    for name, column, top in (("labels", labels, len(keys) - 1), ("speaker", speaker, 65535)):
        if len(column) != n:
            raise DataError(f"{len(column)} entries of {name} for {n} recordings")
        checks.first_outside(name, column, 0, top)
    if spikes.channels > _SHD_UNITS:
        raise DataError(f"{spikes.channels} channels; limit {_SHD_UNITS} in an SHD file")
    indices = np.arange(n) if indices is None else checks.integers("indices", indices)
    checks.first_outside("indices", indices, 0, n - 1)
    trains = [spikes.seconds(int(k)) for k in indices]
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _write(temporary, trains, labels[indices], speaker[indices], keys)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"cannot be written: {error}", where=str(path)) from None


def _write(
    path: Path,
    trains: Sequence[tuple[np.ndarray, np.ndarray]],
    labels: np.ndarray,
    speaker: np.ndarray,
    keys: Sequence[str],
) -> None:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f"writing HDF5 needs the Python package 'h5py', which cannot be imported: {error}",
            where=str(path),
            remedy="pip install h5py",
        ) from None
    with h5py.File(path, "w") as file:
        for k, (name, dtype) in enumerate((("times", np.float32), ("units", np.uint16))):
            data = file.create_dataset(f"spikes/{name}", (len(trains),), h5py.vlen_dtype(dtype))
            for i, train in enumerate(trains):
                data[i] = train[k].astype(dtype)
        file["labels"] = labels.astype(np.uint16)
        file["extra/speaker"] = speaker.astype(np.uint16)
        file["extra/keys"] = np.array([key.encode() for key in keys])
