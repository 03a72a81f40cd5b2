"""SHD: spoken digits in German and English as spikes of 700 cochlea channels, 20 classes.

8,156 training and 2,264 test recordings of 12 speakers (chipsim/data/spoken.py: layout and paper).
tonic's own loader reads them; it downloads nothing here.
"""

from __future__ import annotations

from pathlib import Path

from chipsim.data.expected import DataSet, Expected
from chipsim.data.recordings import RecordingParts
from chipsim.data.spoken import Reader, load_part

SET = DataSet(
    "shd",
    (
        Expected("shd_train.h5", "HDF5", origin="shd_train.h5.zip, md5 f3252aeb598ac776c1b526422d90eecb"),
        Expected("shd_test.h5", "HDF5", origin="shd_test.h5.zip, md5 1503a5064faa34311c398fb0a1ed0a6f"),
    ),
    "https://zenkelab.org/datasets/ (CC BY 4.0)",
    {"train": 8156, "test": 2264},
    also=("SHD",),
)
_ARGUMENTS = {"shd_train.h5": {"train": True}, "shd_test.h5": {"train": False}}
_TEST_FIRST = 1 << 24


def load(folder: str | Path | None, *, channels: int = 700, classes: int = 20) -> RecordingParts:
    """Training and test recordings in DIR/shd (or DIR), with groups["speaker"].

    Other sets written in this layout state their channels and classes.
    """
    reader = Reader(SET.home(folder), "SHD", _ARGUMENTS)
    size = {"channels": channels, "classes": classes}
    return RecordingParts(
        load_part(reader, "shd_train.h5", **size), load_part(reader, "shd_test.h5", first=_TEST_FIRST, **size)
    )
