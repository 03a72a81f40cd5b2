"""Real numbers of a network in ReckOn's registers: decays, surrogate, rates, seeds."""

from __future__ import annotations

import math
from fractions import Fraction

from chipsim.errors import LimitError
from chipsim.fixed import Format, fold
from chipsim.noise import murmur3
from chipsim.reckon.registers import RESET_SEEDS

MATRICES = ("WINP", "WREC", "WOUT")
TRACES = {"FP_LOC_TINP": 3, "FP_LOC_TREC": 3, "FP_LOC_TOUT": 5}
SCALE = 5  # LEARN_SIG_SCALE
RATE = 2  # shift of the probability of a step, as rules/eprop_reckon.rule has it
HALF_WIDTHS = (Fraction(-1), Fraction(-1, 3), Fraction(1, 3), Fraction(1))
SURROGATE = (0, 5, 15, 5, 0)  # a triangle of three parts; 16 is 1


def alpha(layer: object, dt_ms: float) -> int:
    """15 fraction bits; the highest four bits are 0111 or 1000: 0.875 to 1.124."""
    exact = 1.0 if math.isinf(layer.tau_v_ms) else math.exp(-dt_ms / layer.tau_v_ms)
    raw = fold(Fraction(exact), Format(False, 16, 15)).raw
    if raw < 0x7000:
        raise LimitError(
            f"tau_v_ms {layer.tau_v_ms:g} is a decay of {exact:.4f} per step; the chip's smallest is 0.875",
            where=f"layer '{layer.name}'",
            remedy="use a longer time constant (7.49 steps or more), or shorter steps",
        )
    return raw


def kappa(layer: object, dt_ms: float) -> int:
    """7 fraction bits."""
    exact = 1.0 if math.isinf(layer.tau_v_ms) else math.exp(-dt_ms / layer.tau_v_ms)
    return fold(Fraction(exact), Format(False, 8, 7)).raw


def surrogate(layer: object) -> dict[str, int]:
    """The triangle of the rule: value 1/3, 1, 1/3 within one threshold of the threshold."""
    thr = layer.threshold
    edges = [fold(Fraction(thr) * (1 + x), Format(True, 16, 0)).raw for x in HALF_WIDTHS]
    return {f"THR_H_{k}": edge for k, edge in enumerate(edges)} | {
        f"H_{k}": value for k, value in enumerate(SURROGATE)
    }


def rates(wires, bits, scale: int) -> dict[str, int]:
    """LR_P, LR_R of each matrix from its rate shift. A count of one in |L h x| * 2**-rate is, in the
    chip's units, 2**(scale + frac(w_out) + 6) of 32 bits (L: 11 + frac(w_out) + scale - 12 bits, h 4,
    trace 3), for the outputs 2**12 of 28 bits (error 11, trace 1)."""
    frac = bits[wires[2].index].frac if wires[2] is not None else 7
    made = {}
    for name, c in zip(MATRICES, wires, strict=True):
        if c is None:
            continue
        rate = c.settings.get("params", {}).get("rate", RATE)
        if isinstance(rate, bool) or rate not in range(64):
            raise LimitError(f"rate {rate!r} needs a shift", where=c.name, remedy="an integer of 0 to 63")
        rate = int(rate)
        made |= rate_registers(name, rate, scale, frac)
    return made


def rate_registers(name: str, rate: int, scale: int, frac: int) -> dict[str, int]:
    """LR_P_<name> and LR_R_<name> of a rate shift. Raises LimitError beyond 31."""
    shift = (28 - 12 if name == "WOUT" else 32 - scale - frac - 6) - rate
    if abs(shift) > 31:
        raise LimitError(f"rate {rate} needs a shift of {shift}", where=f"LR_P_{name}", remedy="-31 to 31")
    return {f"LR_P_{name}": max(0, shift), f"LR_R_{name}": max(0, -shift)}


def seeds(seed: int) -> dict[str, int]:
    """Seeds of the random streams from the run's seed, never 0."""
    made = {}
    for k, name in enumerate(RESET_SEEDS):
        lanes = (
            2 if name in ("SEED_STRND_NEUR", "SEED_STRND_TINP", "SEED_STRND_TREC", "SEED_STRND_TOUT") else 1
        )
        bits = {"SEED_INP": 25, "SEED_REC": 25, "SEED_OUT": 22, "SEED_NOISE_NEUR": 17}.get(name, 15)
        words = [
            murmur3((k, lane, seed >> 32), seed & 0xFFFFFFFF) & ((1 << bits) - 1) for lane in range(lanes)
        ]
        made[name] = sum((word or 1) << (bits * lane) for lane, word in enumerate(words))
    return made
