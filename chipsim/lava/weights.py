"""How Lava's Dense and LearningDense load a weight matrix, on integers."""

from __future__ import annotations

import numpy as np

SIGN_MODES = ("MIXED", "EXCITATORY", "INHIBITORY")


def sign_mode_of(weights: np.ndarray) -> str:
    """What Dense infers: EXCITATORY if nothing is negative, INHIBITORY if nothing is positive, else MIXED."""
    if weights.min() >= 0:
        return "EXCITATORY"
    return "INHIBITORY" if weights.max() <= 0 else "MIXED"


def loaded_weights(
    weights: np.ndarray, bits: int = 8, sign_mode: str = "MIXED", clip: bool = True
) -> np.ndarray:
    """int32 weights as Lava uses them: clipped to the 8-bit scale (not by LearningDense: clip False), low
    bits cut (one more for MIXED); inhibitory ones by their size."""
    w = np.asarray(weights).astype(np.int32)
    flip = sign_mode == "INHIBITORY"
    mixed = int(sign_mode == "MIXED")
    w = -w if flip else w
    w = np.clip(w, -256 * mixed, 255) if clip else w
    low = 8 - bits + mixed
    w = (w >> low) << low
    return -w if flip else w
