"""The words of `chipsim.noise` for whole numpy arrays, equal to it bit for bit.

Encoders, splits and the order of presentation need one word per sample or pixel; this file is the
array form of `noise.murmur3` and nothing else. All arithmetic is uint64 with explicit masks, so no
product can overflow and numpy 1.26 and 2.x agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MASK = np.uint64(0xFFFFFFFF)
_C1, _C2 = np.uint64(0xCC9E2D51), np.uint64(0x1B873593)
_F1, _F2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
_FIVE, _ADD = np.uint64(5), np.uint64(0xE6546B64)


def _lanes(value: int | np.ndarray) -> np.ndarray:
    """The low 32 bits of an integer or of each element of an integer array, as uint64."""
    if isinstance(value, np.ndarray):
        return value.astype(np.uint64) & _MASK
    return np.asarray([int(value) & 0xFFFFFFFF], dtype=np.uint64)


def _rotl(x: np.ndarray, r: int) -> np.ndarray:
    return ((x << np.uint64(r)) | (x >> np.uint64(32 - r))) & _MASK


def murmur3_array(words: Sequence[int | np.ndarray], seed: int | np.ndarray) -> np.ndarray:
    """`noise.murmur3` over arrays: each word and the seed is an integer or an integer array.

    Arrays broadcast against each other; negative integers count modulo 2**32. Returns uint32 of
    the common shape, of shape [1] if every argument is a plain integer.
    """
    h = _lanes(seed)
    for word in words:
        k = (_lanes(word) * _C1) & _MASK
        k = (_rotl(k, 15) * _C2) & _MASK
        h = (_rotl(h ^ k, 13) * _FIVE + _ADD) & _MASK
    h = h ^ np.uint64(4 * len(words))
    h = ((h ^ (h >> np.uint64(16))) * _F1) & _MASK
    h = ((h ^ (h >> np.uint64(13))) * _F2) & _MASK
    return (h ^ (h >> np.uint64(16))).astype(np.uint32)


def draw_keys(
    seed: int, place: int, op: int, context: int | np.ndarray, step: int | np.ndarray
) -> np.ndarray:
    """`noise.draw_key` for arrays of contexts (0..2**32-1) and steps (0..2**63-1): uint32 keys."""
    high = step >> np.int64(32) if isinstance(step, np.ndarray) else step >> 32
    return murmur3_array((seed >> 32, place, op, context, step, high), seed)


def words_one(key: int | np.ndarray, e: np.ndarray) -> np.ndarray:
    """`noise.word_one` for an array of elements e (int, below 2**31): uint32 words R[e]."""
    return murmur3_array((2 * e,), key)
