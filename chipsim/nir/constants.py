"""Thresholds and biases of single neurons, in the integers of a chip's membrane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from chipsim.errors import NetworkError
from chipsim.fixed import Format, fold
from chipsim.plan.lava import WEIGHT_SHIFT, is_lava, stored_bias
from chipsim.simulator import Simulator

Real = np.ndarray | None


def store_constants(sim: Simulator, chip: Any, wanted: Mapping[str, tuple[Real, Real]]) -> None:
    """Thresholds and biases of each neuron into the state.

    wanted   layer's name -> (thresholds, biases), float64[n] in the layer's unit and order, or None
    NIR fires above a threshold, so the chip's is the first number of its membrane above that (of chips
    that compare with >: the last that is not). Raises NetworkError for a threshold outside the membrane.
    """
    lava = is_lava(chip)
    for x in sim.plan.layers:
        threshold, bias = wanted.get(x.name, (None, None))
        if threshold is not None:
            fit = partial(_threshold, fmt=x.v_fmt, compare=x.compare, step=WEIGHT_SHIFT if lava else 0)
            sim.state[f"l{x.index}_thr"][:] = _each(threshold, fit)
        if bias is not None:
            fit = partial(_bias, fmt=x.v_fmt, lava=lava)
            sim.state[f"l{x.index}_bias"][:] = _each(bias, fit)


def _bias(value: float, fmt: Format, lava: bool) -> int:
    return stored_bias(value, fmt) if lava else fold(Fraction(value), fmt).raw


def _each(values: np.ndarray, of: Any) -> np.ndarray:
    """A function of every value, called once for each that differs."""
    known, place = np.unique(values, return_inverse=True)
    return np.array([of(float(value)) for value in known], np.int64)[place.reshape(-1)]


def _threshold(value: float, fmt: Format, compare: str, step: int) -> int:
    if step:  # whole LSBs of a weight
        return max(1, fold(Fraction(value), Format(True, 32, fmt.frac - step)).raw) << step
    below = math.floor(Fraction(value) / fmt.lsb)
    raw = below if compare == "gt" else below + 1
    if not 0 <= raw <= fmt.hi:
        raise NetworkError(f"a threshold of {value:g} is outside the membrane's {fmt}")
    return raw
