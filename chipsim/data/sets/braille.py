"""Braille: letters under a tactile sensor of 12 taxels, 77 steps, 27 classes, 50 recordings each."""

from __future__ import annotations

from pathlib import Path

from chipsim.data.braille import EXPECTED, SOURCE, Braille, load_braille
from chipsim.data.expected import DataSet, Expected

SET = DataSet(
    "braille",
    tuple(Expected(file, "NumPy .npz", size, sha256) for file, size, sha256 in EXPECTED),
    SOURCE,
    {"all": 1350},
)


def load(folder: str | Path | None) -> dict[str, Braille]:
    """All recordings in DIR/braille (or DIR)."""
    return {"all": load_braille(folder)}
