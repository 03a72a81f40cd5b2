"""Sets that need no file: scikit-learn's handwritten digits, and drawn ones for tests."""

from __future__ import annotations

import numpy as np

from chipsim import noise
from chipsim.data import checks
from chipsim.data.images import Images
from chipsim.data.words import draw_keys, words_one


def digits() -> Images:
    """1,797 handwritten digits of 8x8 pixels, levels 0..16, 10 classes (UCI Optical Recognition of
    Handwritten Digits, Alpaydin & Kaynak 1998, test part; shipped with scikit-learn)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return Images("digits", data.data.astype(np.uint8), data.target, (8, 8), 16, 10)


def drawn(
    n: int, *, classes: int = 3, shape: tuple[int, int] = (6, 6), max_level: int = 15, seed: int = 0
) -> Images:
    """A small easy set drawn from chipsim's noise: each class has one random pattern of bright
    pixels (a third of them), each image a random quarter of all pixels redrawn uniformly.

    The same arguments give the same set everywhere.
    """
    n, classes = checks.whole("n", n), checks.whole("classes", classes)
    n_pixels = shape[0] * shape[1]
    cells = np.arange(n * n_pixels).reshape(n, n_pixels)

    def words(stream: int, elements: np.ndarray) -> np.ndarray:
        key = draw_keys(seed, 2, noise.OP_SPLIT, stream, 0)
        return words_one(key, elements.ravel()).reshape(elements.shape).astype(np.int64)

    pattern = np.where(words(0, cells[:1] + n_pixels * np.arange(classes)[:, None]) % 3 == 0, max_level, 0)
    labels = np.arange(n) % classes
    redrawn = words(1, cells) % 4 == 0
    pixels = np.where(redrawn, words(2, cells) % (max_level + 1), pattern[labels])
    return Images("drawn", pixels.astype(np.uint8), labels, shape, max_level, classes)
