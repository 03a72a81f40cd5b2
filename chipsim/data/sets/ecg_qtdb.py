"""QTDB: heart beats (ECG) as level crossings of 4 channels, 1301 steps, one of 6 classes at every step."""

from __future__ import annotations

from pathlib import Path

from chipsim.data.ecg import EXPECTED, SOURCE, StepLabelled, load_ecg
from chipsim.data.expected import DataSet, Expected

SET = DataSet(
    "ecg_qtdb",
    tuple(Expected(file, "MATLAB 5", size, sha256) for file, size, sha256 in EXPECTED),
    SOURCE,
    {"train": 618, "test": 141},
)


def load(folder: str | Path | None) -> dict[str, StepLabelled]:
    """Both parts in DIR/ecg_qtdb (or DIR)."""
    found = load_ecg(folder)
    return {"train": found.train, "test": found.test}
