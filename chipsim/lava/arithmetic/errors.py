"""Class errors of a population as chipsim forms them, in s8.7 (`chipsim/reference_errors.py`)."""

from __future__ import annotations

import math

import numpy as np

EXP16 = tuple(math.floor(65535 * math.exp(-i / 16) + 0.5) for i in range(256))
ONE, HALF, QUARTER, MARGIN = 128, 64, 32, 16
NO_TARGET = -32768


def softmax(v: list[int], shift: int, label: int) -> list[int]:
    """Probabilities minus the target."""
    top = max(v)
    p = [EXP16[min((top - x) >> shift, 255)] for x in v]
    total = sum(p)
    return [(2 * ONE * x + total) // (2 * total) - ONE * (c == label) for c, x in enumerate(p)]


def sign(v: list[int], shift: int, label: int) -> list[int]:
    """Sign of the softmax error, +-0.5."""
    return [HALF * ((e > 0) - (e < 0)) for e in softmax(v, shift, label)]


def smooth_l1(v: list[int], shift: int, label: int) -> list[int]:
    """Potential minus 1 for the target."""
    return [(x >> shift) - ONE * (c == label) for c, x in enumerate(v)]


def mse(v: list[int], shift: int, label: int) -> list[int]:
    """The same, a quarter of it."""
    return [(x >> shift) - QUARTER * (c == label) for c, x in enumerate(v)]


def hard_sigmoid(v: list[int], shift: int, label: int) -> list[int]:
    """Clipped potential minus the target."""
    return [min(max((x >> shift) + HALF, 0), ONE) - ONE * (c == label) for c, x in enumerate(v)]


def ternary(v: list[int], shift: int, label: int) -> list[int]:
    """A hinge: classes within the margin of the label's potential, and the label."""
    if label >= len(v):
        return [0] * len(v)
    near = [c != label and (v[label] - x) >> shift < MARGIN for c, x in enumerate(v)]
    errors = [HALF * x for x in near]
    errors[label] = -HALF * any(near)
    return errors


def spike(v: list[int], shift: int, label: int) -> list[int]:
    """Spikes minus the target, half."""
    return [HALF * s - HALF * (c == label) for c, s in enumerate(v)]


def regression(v: list[int], shift: int, label: int) -> list[int]:
    """Potential minus the label."""
    return [(x >> shift) - label for x in v]


KINDS = {f.__name__: f for f in (softmax, sign, smooth_l1, mse, hard_sigmoid, ternary, spike, regression)}


def class_errors(kind: str, potentials: np.ndarray, shift: int, label: int, lo: int, hi: int) -> np.ndarray:
    """int64 errors limited to lo..hi; zeros without a target."""
    size = len(potentials)
    if label == NO_TARGET or (label < 0 and kind != "regression"):
        return np.zeros(size, np.int64)
    return np.clip(np.array(KINDS[kind](potentials.tolist(), shift, label), np.int64), lo, hi)
