"""The Heidelberg layout of spoken words as spikes (SHD, SSC), by tonic's loader.

Cramer, Stradmann, Schemmel, Zenke, The Heidelberg Spiking Data Sets for the Systematic Evaluation of
Spiking Neural Networks, IEEE TNNLS, 2020. One HDF5 file per part: spikes/times (one list of seconds
per recording), spikes/units (channels 0..699), labels, extra/speaker, extra/keys (class names).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chipsim import hdf5
from chipsim.data.folder import regular_file
from chipsim.data.recordings import Recordings
from chipsim.data.tonic_door import local
from chipsim.errors import DataError

COLUMNS = (
    hdf5.Column("labels", "iu"),
    hdf5.Column("spikes/times", "f", ragged=True),
    hdf5.Column("spikes/units", "iu", ragged=True),
    hdf5.Column("extra/speaker", "iu"),
    hdf5.Column("extra/keys", "SOU"),
)


class Reader:
    """Reads recordings of some files by tonic's class; tonic is imported at the first one.

    kind   tonic's class: "SHD" or "SSC"
    parts  file name -> the class's arguments that choose this file
    """

    def __init__(self, home: Path, kind: str, parts: Mapping[str, Mapping[str, object]]) -> None:
        self.home, self.kind, self.parts = home, kind, parts
        self._open: dict[str, Any] = {}

    def __call__(self, key: tuple[str, int]) -> np.ndarray:
        """Events of recording k of a file: int64 t (microseconds), x (channel), p = 1."""
        path, k = Path(key[0]), key[1]
        regular_file(self.home, path)
        where = f"{path}, recording {k}"
        try:
            if path.name not in self._open:
                self._open[path.name] = local(self.kind, self.home, **self.parts[path.name])
            with np.errstate(invalid="ignore"):  # a time that is no number: found below
                events, _ = self._open[path.name][k]
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise hdf5.damaged(where, error) from None
        unset = events["t"] == np.iinfo(np.int64).min
        if unset.any():
            raise DataError(
                f"event {int(unset.argmax())} of {len(events)}: its time is no number", where=where
            )
        return events


def load_part(reader: Reader, file: str, classes: int, *, channels: int, first: int = 0) -> Recordings:
    """The recordings of one file; nothing but labels and speakers is read.

    channels  units lie in 0..channels-1
    first     number of the file's first recording in the whole set

    Raises DataError for a file that is damaged, has another layout or refers to other files.
    """
    path = regular_file(reader.home, reader.home / file)
    with hdf5.opened(path, COLUMNS) as opened:
        opened.pop("extra/keys")  # the names of the classes, for tonic
        n = hdf5.same_length(opened, path)
        labels, speakers = opened["labels"][()], opened["extra/speaker"][()]
    if not n:
        raise DataError("no recordings", where=str(path))
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        k = int(wrong.argmax())
        raise DataError(f"label {int(labels[k])} of recording {k}; limit 0..{classes - 1}", where=str(path))
    keys = tuple((str(path), k) for k in range(n))
    groups = {"speaker": speakers.astype(np.int64)}
    name, index = reader.kind.lower(), first + np.arange(n)
    return Recordings(name, (channels, 1, 1), classes, labels, keys, reader, index, groups)
