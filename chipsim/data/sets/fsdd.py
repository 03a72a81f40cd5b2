"""FSDD: the Free Spoken Digit Dataset, 10 digits by 6 speakers, 3,000 recordings at 8 kHz."""

from __future__ import annotations

from pathlib import Path

from chipsim.data.expected import DataSet, Expected
from chipsim.data.fsdd import EXPECTED, SOURCE, Waves, read_waves

SET = DataSet(
    "fsdd",
    # A zip made by another tool holds the same recordings in other bytes: no size, no hash.
    tuple(Expected(entry.file, "zip of recordings/*.wav") for entry in EXPECTED),
    SOURCE,
    {"all": 3000},
)


def load(folder: str | Path | None) -> dict[str, Waves]:
    """All recordings in DIR/fsdd (or DIR) as sound; `load_fsdd` of chipsim.data.fsdd makes spikes of them."""
    return {"all": read_waves(folder)}
