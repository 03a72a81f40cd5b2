"""What Lava's integer LIF and weights take and do not take (neuron arithmetic "lava")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chipsim.errors import LimitError, NetworkError
from chipsim.fixed import Format
from chipsim.network import Connection, Layer
from chipsim.noise import OP_STREAMS, draw_key
from chipsim.plan.types import ConnectionPlan

WEIGHT_SHIFT = 6  # bits of u and v below the LSB of a weight
BIAS_MANTISSA = 15  # magnitude bits of a bias before its exponent
EXPONENTS = (-24, 24)


def is_lava(chip: Any) -> bool:
    """Whether a chip's neurons and weights are those of Lava's models."""
    return chip.neuron.arithmetic == "lava"


def lava_layer(layer: Layer, chip: Any, v: Format) -> dict[str, Any]:
    """Fields of the LayerPlan that differ from definition 1; {} on other chips.

    The threshold is folded to a whole number of weight LSBs, the bias to a mantissa of 16 bits times a
    power of two. Raises LimitError and NetworkError for what Lava's LIF does not do.
    """
    where = f"layer '{layer.name}' on chip {chip.name}"
    if not is_lava(chip):
        if layer.reset_every is not None:
            raise LimitError("reset_every on a chip without it", where=where, remedy="use chip loihi2_lava")
        return {}
    for name, wanted in (("rectify", False), ("reset_current", False), ("leak", "multiply")):
        if getattr(layer, name) != wanted:
            raise LimitError(f"{name} = {getattr(layer, name)!r}; this chip's neurons do not", where=where)
    if layer.homeostasis is not None:
        raise LimitError("homeostasis; the threshold is latched at the first step", where=where)
    fields: dict[str, Any] = {"arithmetic": "lava", "bias": stored_bias(layer.bias, v)}
    if layer.kind == "lif":
        fields["threshold"] = _nearest(layer.threshold, v.frac - WEIGHT_SHIFT) << WEIGHT_SHIFT
    if layer.reset_every is not None:
        fields["reset_every"] = _reset_every(layer, where)
    return fields


def _nearest(value: float, frac: int) -> int:
    """Round half away from zero, as `fixed.fold` does."""
    from fractions import Fraction

    from chipsim.fixed import fold

    return fold(Fraction(value), Format(True, 32, frac)).raw


def stored_bias(value: float, v: Format) -> int:
    """Raw value of a bias: a mantissa of 16 bits times a power of two."""
    raw = _nearest(value, v.frac)
    exponent = max(0, abs(raw).bit_length() - BIAS_MANTISSA)
    return _nearest(value, v.frac - exponent) << exponent


def bias_parts(raw: int) -> tuple[int, int]:
    """(mantissa, exponent) of a bias; exact for every bias that a plan holds."""
    exponent = max(0, abs(raw).bit_length() - BIAS_MANTISSA)
    return raw >> exponent, exponent


def _reset_every(layer: Layer, where: str) -> tuple[int, int]:
    n, offset = layer.reset_every
    if not (isinstance(n, int) and isinstance(offset, int) and n >= 1):
        raise NetworkError(f"reset_every is {layer.reset_every}", where=where, remedy="(steps >= 1, offset)")
    return n, offset % n


def seeded(c: ConnectionPlan, seed: int) -> ConnectionPlan:
    """The connection with a seed for its engine's streams where the experiment named none."""
    traces = c.program.traces if c.program else None
    if traces is None or traces.seed >= 0:
        return c
    own = draw_key(seed, c.index, OP_STREAMS, 0, 0) >> 1
    return replace(c, program=replace(c.program, traces=replace(traces, seed=own)))


def checked_exp(c: Connection, chip: Any) -> int:
    """The connection's weight_exp. Raises LimitError on other chips and out of range."""
    if c.weight_exp and not is_lava(chip):
        raise LimitError(
            f"weight_exp {c.weight_exp}",
            where=f"{c.name} on chip {chip.name}",
            remedy="use w_range, or chip loihi2_lava",
        )
    if not EXPONENTS[0] <= c.weight_exp <= EXPONENTS[1]:
        raise LimitError(f"weight_exp {c.weight_exp} is outside {EXPONENTS[0]}..{EXPONENTS[1]}", where=c.name)
    return c.weight_exp


def lava_limits(c: Connection, chip: Any, weight: Format, limits: tuple[int, int]) -> tuple[int, int]:
    """Write limits of a weight; on Lava those of its sign mode: all, 0 and above, 0 and below.

    Raises LimitError for any others there.
    """
    if not is_lava(chip):
        return limits
    if limits == (weight.lo, 0):
        limits = (weight.lo + 1, 0)  # Lava's inhibitory weights end at -255
    if sign_mode(limits, weight) == "":
        raise LimitError(
            f"weights limited to {limits[0]}..{limits[1]}; Lava clips to {weight.lo}..{weight.hi}, "
            f"0..{weight.hi} or {-weight.hi}..0",
            where=f"{c.name} on chip {chip.name}",
            remedy="leave w_min and w_max away, or set one of them to 0",
        )
    return limits


def sign_mode(limits: tuple[int, int], weight: Format) -> str:
    """MIXED, EXCITATORY or INHIBITORY for the write limits of a weight; "" for others."""
    modes = {
        (weight.lo, weight.hi): "MIXED",
        (0, weight.hi): "EXCITATORY",
        (weight.lo + 1, 0): "INHIBITORY",
    }
    return modes.get(limits, "")
