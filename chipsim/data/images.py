"""Images with labels: what encoders read, and where it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chipsim.data import checks
from chipsim.errors import DataError


@dataclass(frozen=True, eq=False)
class Images:
    """Grey images of one shape, their labels and their place in the set they come from.

    name       of the set, for reports
    pixels     uint8[n, height*width], row by row, 0..max_level
    labels     int32[n], 0..classes-1
    shape      (height, width)
    max_level  the brightest level, 1..255
    classes    number of classes
    index      int64[n], number of each image in the whole set; encoders draw their noise by it, so
               that an image gives the same events in whatever split or order it is shown
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int]
    max_level: int
    classes: int
    index: np.ndarray | None = None

    def __post_init__(self) -> None:
        keep = object.__setattr__
        pixels = np.asarray(self.pixels)
        checks.whole("classes", self.classes)
        if not 1 <= checks.whole("max_level", self.max_level) <= 255:
            raise DataError(f"{self.name}: max_level is {self.max_level}; limit 1..255")
        if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != self.shape[0] * self.shape[1]:
            raise DataError(
                f"{self.name}: pixels are {pixels.dtype}{list(pixels.shape)}, "
                f"not uint8[n, {self.shape[0]}*{self.shape[1]}]"
            )
        labels = checks.integers(f"{self.name}: labels", self.labels)
        checks.first_outside(f"{self.name}: labels", labels, 0, self.classes - 1)
        if len(labels) != len(pixels):
            raise DataError(f"{self.name}: {len(labels)} labels for {len(pixels)} images")
        if pixels.size and pixels.max() > self.max_level:
            n, p = (int(i) for i in np.argwhere(pixels > self.max_level)[0])
            raise DataError(f"{self.name}: pixel {p} of image {n} is {pixels[n, p]}; limit {self.max_level}")
        index = np.arange(len(pixels)) if self.index is None else self.index
        index = checks.integers(f"{self.name}: index", index)
        if len(index) != len(pixels):
            raise DataError(f"{self.name}: {len(index)} index numbers for {len(pixels)} images")
        checks.first_outside(f"{self.name}: index", index, 0, 2**32 - 1)
        keep(self, "pixels", checks.store(pixels, np.uint8))
        keep(self, "labels", checks.store(labels, np.int32))
        keep(self, "index", checks.store(index, np.int64))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def n_pixels(self) -> int:
        """Pixels of an image: the axons an encoder makes."""
        return self.pixels.shape[1]

    @cached_property
    def sha256(self) -> str:
        """Hash of pixels and labels, for the manifest."""
        digest = hashlib.sha256(self.pixels)
        digest.update(self.labels.astype("<i4"))
        return digest.hexdigest()

    def take(self, indices: np.ndarray) -> Images:
        """The images `indices` (int[m]) in that order, still knowing their place in the whole set."""
        indices = checks.integers("indices", indices)
        checks.first_outside("indices", indices, 0, len(self) - 1)
        part = (self.pixels[indices], self.labels[indices])
        return Images(self.name, *part, self.shape, self.max_level, self.classes, self.index[indices])


@dataclass(frozen=True)
class Parts:
    """A set cut into training, validation and test; the test part is read once, at the end."""

    train: Images
    validation: Images
    test: Images
