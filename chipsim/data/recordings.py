"""Event recordings: labelled, read one at a time, checked when read.

A set of recordings is a list of keys (a file, a row of a file) and one function that reads a key.
Nothing is kept: a set of any size costs the memory of one recording.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from chipsim.data import checks
from chipsim.data.event_checks import Sensor, check_events
from chipsim.errors import DataError


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording.

    events  structured array [n] with the fields t (microseconds, ascending), x, y, p; no y on a
            sensor of one row
    label   class, or None if the file states none
    sensor  (width, height, polarities)
    source  file (and row) it came from
    """

    events: np.ndarray
    label: int | None
    sensor: Sensor
    source: str

    def __len__(self) -> int:
        return len(self.events)

    @property
    def duration_us(self) -> int:
        """Microseconds from the first to the last event."""
        return int(self.events["t"][-1]) - int(self.events["t"][0])


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings of one sensor with their labels; `recordings[k]` reads and checks number k.

    name     of the set
    sensor   (width, height, polarities)
    classes  number of classes
    labels   int32[n], 0..classes-1
    index    int64[n], number of each recording in the whole set (encoders draw noise by it)
    keys     what `read` needs to know, one per recording
    read     key -> structured events
    groups   more columns of n entries (speaker, user, ...), for splits
    """

    name: str
    sensor: Sensor
    classes: int
    labels: np.ndarray
    keys: tuple[Hashable, ...]
    read: Callable[[Hashable], np.ndarray]
    index: np.ndarray | None = None
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keep = object.__setattr__
        labels = checks.integers(f"{self.name}: labels", self.labels)
        checks.first_outside(f"{self.name}: labels", labels, 0, self.classes - 1)
        if len(labels) != len(self.keys):
            raise DataError(f"{self.name}: {len(labels)} labels for {len(self.keys)} recordings")
        for name, column in self.groups.items():
            if len(column) != len(labels):
                raise DataError(f"{self.name}: {len(column)} entries of {name} for {len(labels)} recordings")
        keep(self, "labels", checks.store(labels, np.int32))
        index = np.arange(len(labels)) if self.index is None else np.asarray(self.index)
        keep(self, "index", checks.store(index, np.int64))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, k: int) -> Recording:
        """Recording k (negative: from the end), read and checked; DataError names its file."""
        if not -len(self) <= k < len(self):
            raise IndexError(f"recording {k} of {len(self)}")
        key, source = self.keys[k], self.source(k)
        events = check_events(self.read(key), self.sensor, source)
        return Recording(events, int(self.labels[k]), self.sensor, source)

    def __iter__(self) -> Iterator[Recording]:
        return (self[k] for k in range(len(self)))

    def source(self, k: int) -> str:
        """File (and row) of recording k."""
        key = self.keys[k]
        return f"{key[0]}, recording {key[1]}" if isinstance(key, tuple) else str(key)

    def take(self, indices: np.ndarray) -> Recordings:
        """The recordings `indices` (int[m]) in that order; nothing is read."""
        indices = checks.integers("indices", indices).astype(np.int64)
        checks.first_outside("indices", indices, 0, len(self) - 1)
        keys = tuple(self.keys[k] for k in indices)
        groups = {name: column[indices] for name, column in self.groups.items()}
        return self._with(self.labels[indices], keys, self.index[indices], groups)

    def __add__(self, other: Recordings) -> Recordings:
        """These recordings, then those of another part of the same set."""
        if (self.name, self.sensor, self.read) != (other.name, other.sensor, other.read):
            raise DataError(f"parts of {self.name} and {other.name} are not of one set")
        groups = {
            name: np.concatenate([column, other.groups[name]])
            for name, column in self.groups.items()
            if name in other.groups
        }
        columns = (np.concatenate(pair) for pair in ((self.labels, other.labels), (self.index, other.index)))
        labels, index = columns
        return self._with(labels, self.keys + other.keys, index, groups)

    def _with(self, labels: np.ndarray, keys: tuple, index: np.ndarray, groups: dict) -> Recordings:
        return Recordings(self.name, self.sensor, self.classes, labels, keys, self.read, index, groups)


@dataclass(frozen=True)
class RecordingParts:
    """A published set with its own split; `validation` only where the publisher made one."""

    train: Recordings
    test: Recordings
    validation: Recordings | None = None

    @property
    def named(self) -> dict[str, Recordings]:
        """The parts by name, in the order of their use."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def whole(self) -> Recordings:
        """All recordings, training part first: for cross-validation."""
        head = self.train if self.validation is None else self.train + self.validation
        return head + self.test
