"""Random streams of numpy's PCG64 by position: what `numpy.random.default_rng(seed)` would draw.

Position k is the k-th number that a generator gives when it is asked for one at a time, so a draw is a
function of (seed, position) as everywhere in chipsim.
"""

from __future__ import annotations

import numpy as np


def raw_words(seed: int, first: int, count: int) -> np.ndarray:
    """uint64[count]: outputs first, first + 1, ... of PCG64(seed)."""
    generator = np.random.PCG64(seed)
    if first:
        generator.advance(first)
    return generator.random_raw(count) if count else np.zeros(0, np.uint64)


def uniform(seed: int, first: int, count: int) -> np.ndarray:
    """int64[count]: m of the numbers m * 2**-53 that `random()` gives."""
    return (raw_words(seed, first, count) >> np.uint64(11)).astype(np.int64)


def sevens(seed: int, first: int, count: int) -> np.ndarray:
    """int64[count]: what `integers(0, 128)` gives; it takes 32 bits at a time, the low half first."""
    skip = first % 2
    words = raw_words(seed, first // 2, (count + skip + 1) // 2)
    halves = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=1).reshape(-1)
    return (halves >> np.uint64(25)).astype(np.int64)[skip : skip + count]


def write_words(seed: int, first: int, count: int) -> np.ndarray:
    """uint32[count]: words whose top k bits r make (x + r) >> k equal floor + (random() < fraction)."""
    return np.uint32(0xFFFFFFFF) - (raw_words(seed, first, count) >> np.uint64(32)).astype(np.uint32)
