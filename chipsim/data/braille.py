"""Braille letters under a tactile sensor: 12 taxels, 27 classes (a space and A to Z), 50 times each.

Müller-Cleve, Fra, Khacef, Pequeño-Zurro, Klepatsch, Forno, Ivanovich, Rastogi, Urgese, Zenke,
Bartolozzi, Braille letter reading: A benchmark for spatio-temporal pattern recognition on neuromorphic
hardware, Frontiers in Neuroscience 16:951164, 2022; as distributed with SpyTorch's fifth tutorial,
which calls them simulated touch. File: braille_taxels.npz (taxel uint8[1350, 77, 12], resting value
255, length, letter, repetition).

A taxel spikes when its value has moved by `delta` levels from where it last spiked (send on delta):
ON for a rise, OFF for a fall. Integers throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chipsim.data import checks
from chipsim.data.events import Events
from chipsim.data.published import Published, locate, read_capped, read_npz, sha256
from chipsim.errors import DataError

EXPECTED = (
    Published(
        "braille_taxels.npz", 202557, "0e2ece0b01d8b19db5476503c0a866dd2d77a8451d3b3efac41174c36e5098b1"
    ),
)
SOURCE = "decoded from tutorial5_braille_spiking_data of github.com/fzenke/spytorch, notebooks/data"
REST = 255
LETTERS = ("Space", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_MAX_FILE = 1 << 24
_MAX_ARRAY = 1 << 26


@dataclass(frozen=True, eq=False)
class Braille:
    """Recordings of a tactile sensor.

    taxels      uint8[n, steps, taxels], 255 at rest and after a recording's end
    length      int32[n], steps of each recording
    labels      int32[n], 0: space, 1..26: A..Z
    repetition  int32[n], which of the repetitions of its letter
    files       SHA-256 of each file, for the manifest
    """

    taxels: np.ndarray
    length: np.ndarray
    labels: np.ndarray
    repetition: np.ndarray
    files: Mapping[str, str]
    classes: int = len(LETTERS)

    def __len__(self) -> int:
        return len(self.labels)

    def events(self, delta: int = 8, *, graded: bool = False) -> Events:
        """The level crossings of all recordings, see `level_crossings`."""
        return level_crossings(self.taxels, delta, rest=REST, graded=graded)

    def split(self, validation: range = range(35, 40), test: range = range(40, 50)) -> dict[str, np.ndarray]:
        """Ascending indices `train`, `validation`, `test` by repetition; the rest is for training."""
        test_part, validation_part = (np.isin(self.repetition, list(part)) for part in (test, validation))
        if (test_part & validation_part).any():
            raise DataError(f"repetitions {validation} for validation and {test} for test overlap")
        masks = {"train": ~(test_part | validation_part), "validation": validation_part, "test": test_part}
        empty = [name for name, mask in masks.items() if not mask.any()]
        if empty:
            raise DataError(f"no recording is left for {empty[0]}", remedy="name repetitions of 0..49")
        return {name: np.flatnonzero(mask) for name, mask in masks.items()}


def load_braille(folder: str | Path | None) -> Braille:
    """The recordings in `folder` or `folder/braille`; DataError for a missing or damaged file."""
    (path,) = locate(folder, "braille", EXPECTED, SOURCE)
    data = read_capped(path, _MAX_FILE)
    arrays = read_npz(data, path, ("taxel", "length", "letter", "repetition"), _MAX_ARRAY)
    taxels = arrays["taxel"]
    if taxels.dtype != np.uint8 or taxels.ndim != 3 or 0 in taxels.shape:
        raise DataError(
            f"taxel is {taxels.dtype}{list(taxels.shape)}, not uint8 with 3 axes", where=str(path)
        )
    n, steps, _ = taxels.shape
    for name in ("length", "letter", "repetition"):
        if arrays[name].shape != (n,):
            raise DataError(f"{name} has shape {arrays[name].shape}, not ({n},)", where=str(path))
    length = checks.integers(f"{path}: length", arrays["length"])
    checks.first_outside(f"{path}: length", length, 1, steps)
    repetition = checks.integers(f"{path}: repetition", arrays["repetition"])
    checks.first_outside(f"{path}: repetition", repetition, 0, checks.INT32_MAX)
    number = {letter: k for k, letter in enumerate(LETTERS)}
    letters = arrays["letter"].tolist()
    unknown = [i for i, letter in enumerate(letters) if letter not in number]
    if unknown:
        raise DataError(
            f"letter[{unknown[0]}] is {letters[unknown[0]]!r}; limit Space, A..Z", where=str(path)
        )
    labels = np.array([number[letter] for letter in letters], np.int32)
    after = np.arange(steps) >= length[:, None]
    rested = np.where(after[:, :, None], np.uint8(REST), taxels)
    columns = (checks.store(length, np.int32), labels, checks.store(repetition, np.int32))
    return Braille(rested, *columns, {path.name: sha256(data)})


def level_crossings(levels: np.ndarray, delta: int, *, rest: int, graded: bool = False) -> Events:
    """Send-on-delta events of integer levels.

    levels   integers [samples, steps, sensors]
    delta    levels between two events, 1 and up
    rest     the level every sensor starts from
    graded   payload = number of levels crossed in the step, at most 255; else one spike for any number

    Axon 2*sensor: rose, 2*sensor + 1: fell. At most one event per axon and step; the reference moves
    by whole multiples of delta towards the value, so nothing smaller than delta gets lost.
    """
    delta = checks.whole("delta", delta)
    levels = checks.integers("levels", levels, ndim=3).astype(np.int64)
    samples, steps, sensors = levels.shape
    reference = np.full((samples, sensors), rest, np.int64)
    crossed = np.zeros((samples, steps, sensors, 2), np.int64)
    for t in range(steps):
        moved = levels[:, t] - reference
        times = np.sign(moved) * (np.abs(moved) // delta)
        reference += times * delta
        crossed[:, t, :, 0], crossed[:, t, :, 1] = np.maximum(times, 0), np.maximum(-times, 0)
    dense = crossed.reshape(samples, steps, 2 * sensors)
    top = checks.PAYLOAD_MAX if graded else 1
    return Events.from_dense(np.minimum(dense, top), graded=graded)
