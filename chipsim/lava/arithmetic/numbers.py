"""Rounding, limits and random words on numpy integers (definition 5 of chipsim)."""

from __future__ import annotations

import numpy as np

MASK = 0xFFFFFFFF
OP_CIRCUIT_SIGNAL = (1 << 16) + 17


def _rotl(x: int, r: int) -> int:
    return ((x << r) | (x >> (32 - r))) & MASK


def murmur3(words: tuple[int, ...], seed: int) -> int:
    """MurmurHash3_x86_32 of 32-bit words."""
    h = seed & MASK
    for word in words:
        k = (word & MASK) * 0xCC9E2D51 & MASK
        h ^= _rotl(k, 15) * 0x1B873593 & MASK
        h = (_rotl(h, 13) * 5 + 0xE6546B64) & MASK
    h ^= 4 * len(words)
    h = (h ^ h >> 16) * 0x85EBCA6B & MASK
    h = (h ^ h >> 13) * 0xC2B2AE35 & MASK
    return h ^ h >> 16


def draw_key(seed: int, place: int, op: int, step: int, context: int = 0) -> int:
    """The key of one op in one step and context."""
    words = (seed >> 32, place, op, context, step, step >> 32)
    return murmur3(tuple(w & MASK for w in words), seed & MASK)


def words_of(key: int, n: int) -> np.ndarray:
    """int64[n]: the 32-bit words of elements 0..n-1 with one index."""
    return np.array([murmur3((2 * e,), key) for e in range(n)], np.int64)


def hashes(numbers: np.ndarray, key: np.ndarray | int) -> np.ndarray:
    """int64: MurmurHash3 of one 32-bit word each, seeded with `key` (an array: as many, or broadcast)."""
    k = (np.asarray(numbers, np.uint64) * np.uint64(0xCC9E2D51)) & np.uint64(MASK)
    k = (_rotated(k, 15) * np.uint64(0x1B873593)) & np.uint64(MASK)
    h = np.asarray(key).astype(np.uint64) ^ k
    h = (_rotated(h, 13) * np.uint64(5) + np.uint64(0xE6546B64)) & np.uint64(MASK)
    h = h ^ np.uint64(4)
    h = ((h ^ h >> np.uint64(16)) * np.uint64(0x85EBCA6B)) & np.uint64(MASK)
    h = ((h ^ h >> np.uint64(13)) * np.uint64(0xC2B2AE35)) & np.uint64(MASK)
    return (h ^ h >> np.uint64(16)).astype(np.int64)


def _rotated(x: np.ndarray, r: int) -> np.ndarray:
    return (x << np.uint64(r) | x >> np.uint64(32 - r)) & np.uint64(MASK)


def top_bits(words: np.ndarray, bits: int) -> np.ndarray:
    """The top bits of 32-bit words; more than 32 bits: shifted left."""
    return words >> (32 - bits) if bits <= 32 else words << (bits - 32)


def shift_round(exact: np.ndarray, drop: int, rounding: str, draw: np.ndarray | int = 0) -> np.ndarray:
    """exact / 2**drop rounded; drop <= 0 shifts left."""
    if drop <= 0:
        return exact << -drop
    if rounding == "floor":
        return exact >> drop
    if rounding == "trunc":
        return np.sign(exact) * (np.abs(exact) >> drop)
    if rounding == "nearest":
        return (exact + (1 << (drop - 1))) >> drop
    return (exact + draw) >> drop


def limit(raw: np.ndarray, lo: int, hi: int, overflow: str) -> np.ndarray:
    """Saturate to lo..hi, or wrap."""
    if overflow == "saturate":
        return np.clip(raw, lo, hi)
    return (raw - lo) % (hi - lo + 1) + lo


def wrap32(x: np.ndarray) -> np.ndarray:
    """int64 modulo 2**32, in -2**31 .. 2**31 - 1."""
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)
