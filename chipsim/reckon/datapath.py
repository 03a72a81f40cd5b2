"""One lane of every operation of ReckOn's core on plain integers.

Widths in bits: u, o, threshold, learning signal and errors s16; traces u12, u12, u10; weights s8;
alpha u16 with 15 fraction bits, kappa u8 with 7; surrogate s5. `>>` of a negative number is its floor.
"""

from __future__ import annotations

from collections.abc import Sequence

from chipsim.fixed import Format, limit, shift_round

S16, U12, U10, S8 = Format(True, 16, 0), Format(False, 12, 0), Format(False, 10, 0), Format(True, 8, 0)
ONE_ALPHA, ONE_KAPPA = 0x8000, 0x80  # decays of exactly 1: nothing is rounded
LANES = 16  # weights of a memory word
EVENT, EVENT_OUT = 8, 2  # a spike in a trace, before the shift FP_LOC_T*


def sat(value: int, fmt: Format) -> int:
    """Limited to the format's range."""
    return limit(value, fmt.lo, fmt.hi, "saturate").raw


def wrap(value: int, fmt: Format) -> int:
    """The low bits of a value, read in the format."""
    return limit(value, fmt.lo, fmt.hi, "wrap").raw


# ---------------------------------------------------------------- STEP


def decayed(value: int, factor: int, frac: int, fmt: Format, draw: int | None) -> int:
    """value * factor / 2**frac: floor, wrapped; with a draw (frac bits) one more where the bits cut off
    are at least the draw, unless the floor is 0."""
    product = value * factor
    kept = wrap(shift_round(product, frac, "floor"), fmt)
    if draw is not None and kept != 0 and product % (1 << frac) >= draw:
        kept = wrap(kept + 1, fmt)
    return kept


def leak(u: int, alpha: int, threshold: int, to_zero: int, draw: int | None) -> tuple[int, int]:
    """(membrane after leak and reset, spike): the spike is decided on the membrane before its leak."""
    spike = int(u >= threshold)
    kept = decayed(u, alpha, 15, S16, draw)
    if spike:
        kept = 0 if to_zero else wrap(kept - threshold, S16)
    return kept, spike


# ---------------------------------------------------------------- events


def delivered(u: int, input_weight: int, recurrent_weight: int, noise: int) -> int:
    """The membrane after one event: shifted weights of both matrices (0 where none), and noise. With
    noise the limit looks at the signs of membrane, weights and result only."""
    weight = sat(input_weight + recurrent_weight, S16)
    total = wrap(u + weight + noise, S16)
    if u >= 0 and weight >= 0 and total < 0:
        return S16.hi
    if u < 0 and weight < 0 and total >= 0:
        return S16.lo
    return total


def incremented(trace: int, amount: int, fmt: Format) -> int:
    """A trace after an event."""
    return sat(trace + amount, fmt)


# ---------------------------------------------------------------- errors and signals


def output_error(o: int, label: bool, target: int, regression: int, no_activation: int) -> int:
    """Target minus output: a class's target is 2048 or 0, the output o or its hard sigmoid 0..2048."""
    y = o if no_activation else 2048 if o > 2047 else 0 if o < -2048 else (o + 2048) >> 1
    return sat((target if regression else 2048 * label) - y, S16)


def learning_signal(errors: Sequence[int], weights: Sequence[int], scale: int) -> int:
    """Errors back through a neuron's output weights: (sum << scale) >> 12, limited to 16 bits."""
    total = sum(e * w for e, w in zip(errors, weights, strict=True))
    return sat(shift_round(total << scale, 12, "floor"), S16)


def surrogate(u: int, thresholds: Sequence[int], values: Sequence[int]) -> int:
    """The value of the first of four thresholds that u lies below, else the fifth."""
    for threshold, value in zip(thresholds, values, strict=False):
        if u < threshold:
            return value
    return values[-1]


def activity(trace: int, f0: int) -> int:
    """Part of a (shifted) recurrent trace above F0, for regularisation."""
    return max(0, trace - f0)


# ---------------------------------------------------------------- updates


def additive(active: int, k_p: int, k_r: int) -> int:
    """What regularisation takes from an update: 32 bits, shifted left and then, unsigned, right."""
    return ((active << k_p) & 0xFFFFFFFF) >> k_r


def multiplier(active: int, k_mul: int) -> int:
    """16 for full positive updates, less with activity, down to 0."""
    return max(0, 16 - (active >> k_mul))


def product(signal: int, trace: int, h: int, factor: int, taken: int, as_built: int) -> int:
    """The signed number whose size is the chance of a step: signal * trace * surrogate, positive ones times
    factor / 16, minus `taken`; 32 bits. The guard against overflow as released tests a bit of the
    product before its shift."""
    exact = signal * trace * h
    before = exact * (16 if exact < 0 else factor)
    result = wrap32((before >> 4) - taken)
    if result >= 0 and before >> (31 if as_built else 36) & 1:
        return -(1 << 31)
    return result


def wrap32(value: int) -> int:
    """The low 32 bits as a signed number."""
    return limit(value, -(1 << 31), (1 << 31) - 1, "wrap").raw


def commits(prob: int, width: int, lr_p: int, lr_r: int, draw: int) -> bool:
    """Whether an update of this size is made: |prob| << lr_p, limited to `width` bits, >> lr_r, is at least
    the draw; the most negative number always, 0 never."""
    if prob == 0:
        return False
    chance = min(abs(prob) << lr_p, (1 << width) - 1) >> lr_r
    return prob == -(1 << (width - 1)) or chance >= draw


def moved(weight: int, prob: int) -> int:
    """The weight one step in the direction of prob, unchanged at its limits."""
    return sat(weight + (1 if prob >= 0 else -1), S8)
