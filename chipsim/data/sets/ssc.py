"""SSC: spoken commands as spikes of 700 cochlea channels, 35 classes.

75,466 training, 9,981 validation and 20,382 test recordings (chipsim/data/spoken.py: layout and
paper). tonic's own loader reads them; it downloads nothing here.
"""

from __future__ import annotations

from pathlib import Path

from chipsim.data.expected import DataSet, Expected
from chipsim.data.recordings import RecordingParts
from chipsim.data.spoken import Reader, load_part

SET = DataSet(
    "ssc",
    (
        Expected("ssc_train.h5", "HDF5", origin="ssc_train.h5.zip, md5 d102be95e7144fcc0553d1f45ba94170"),
        Expected("ssc_valid.h5", "HDF5", origin="ssc_valid.h5.zip, md5 b4eee3516a4a90dd0c71a6ac23a8ae43"),
        Expected("ssc_test.h5", "HDF5", origin="ssc_test.h5.zip, md5 a35ff1e9cffdd02a20eb850c17c37748"),
    ),
    "https://zenkelab.org/datasets/ (CC BY 4.0)",
    {"train": 75_466, "validation": 9_981, "test": 20_382},
    also=("SSC",),
)
_FIRST = {"train": 0, "test": 1 << 24, "valid": 1 << 25}


def load(folder: str | Path | None, *, channels: int = 700, classes: int = 35) -> RecordingParts:
    """Training, validation and test recordings in DIR/ssc (or DIR), with groups["speaker"]."""
    reader = Reader(SET.home(folder), "SSC", {f"ssc_{split}.h5": {"split": split} for split in _FIRST})
    size = {"channels": channels, "classes": classes}
    parts = {
        split: load_part(reader, f"ssc_{split}.h5", first=first, **size) for split, first in _FIRST.items()
    }
    return RecordingParts(parts["train"], parts["test"], parts["valid"])
