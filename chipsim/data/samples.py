"""Labelled samples as training sees them: events on demand, whatever they are made from.

`Encoded` makes events from images chunk by chunk, `Recorded` holds the events of recordings. Both
have labels, classes, n_axons, n_steps and `events(index, epoch)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chipsim.data.encode import Encoder, encode
from chipsim.data.events import Events
from chipsim.data.images import Images
from chipsim.errors import DataError


@dataclass(frozen=True, eq=False)
class Encoded:
    """Images behind an encoder. Rate codes get new phases (or draws) in every epoch."""

    images: Images
    encoder: Encoder

    @property
    def name(self) -> str:
        """Of the set, for reports."""
        return self.images.name

    @property
    def labels(self) -> np.ndarray:
        """int32[n]."""
        return self.images.labels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.images.classes

    @property
    def n_axons(self) -> int:
        """One per pixel."""
        return self.images.n_pixels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 1)."""
        return (*self.images.shape, 1)

    @property
    def n_steps(self) -> int:
        """Steps of a sample."""
        return self.encoder.steps

    @property
    def payload_bits(self) -> int:
        """8 for constant currents, 1 for spikes."""
        return 8 if self.encoder.kind == "current" else 1

    def __len__(self) -> int:
        return len(self.images)

    def events(self, index: np.ndarray | None = None, epoch: int = 0) -> Events:
        """Events of the rows `index` (default: all) in that order."""
        return encode(self.images, self.encoder, index, epoch=epoch)


@dataclass(frozen=True, eq=False)
class Recorded:
    """Recordings as events, the same in every epoch.

    stored  Events of all samples
    labels  int[n], a class per sample, or int[n, n_steps], one per step (-1: none)
    shape   (height, width, channels) of the axons where they are a map
    """

    name: str
    stored: Events
    labels: np.ndarray
    classes: int
    shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.shape not in ((self.stored.samples,), (self.stored.samples, self.stored.n_steps)):
            raise DataError(
                f"labels of shape {labels.shape} for {self.stored.samples} samples of "
                f"{self.stored.n_steps} steps",
                where=self.name,
            )
        if labels.size and not -1 <= labels.min() <= labels.max() < self.classes:
            raise DataError(f"labels outside 0..{self.classes - 1}", where=self.name)

    @property
    def n_axons(self) -> int:
        """Input axons."""
        return self.stored.n_axons

    @property
    def n_steps(self) -> int:
        """Steps of a sample."""
        return self.stored.n_steps

    @property
    def payload_bits(self) -> int:
        """8 for graded events, 1 for spikes."""
        return 8 if self.stored.graded else 1

    def __len__(self) -> int:
        return self.stored.samples

    def events(self, index: np.ndarray | None = None, epoch: int = 0) -> Events:
        """Events of the rows `index` (default: all) in that order."""
        return self.stored if index is None else self.stored.take(index)

    def take(self, index: np.ndarray) -> Recorded:
        """The chosen samples in that order."""
        return replace(self, stored=self.stored.take(index), labels=np.asarray(self.labels)[index])


Samples = Encoded | Recorded
