"""Fixed-point numbers: the only place that rounds or saturates.

A number is a raw integer and a `Format`: value = raw * 2**-frac. A line of a program computes an
exact integer E with F fraction bits; `write` rounds it to a format and limits it (definition 5).
The functions here work on Python integers and are the definition; the text in `kernel.py` that the
compiled kernels use is compared with them on all values of small formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

ROUNDINGS = ("floor", "trunc", "nearest", "stochastic")
OVERFLOWS = ("saturate", "wrap")


@dataclass(frozen=True)
class Format:
    """`u8.4`, `s16.11`: sign, bits in all, fraction bits (-32..40; may exceed the total)."""

    signed: bool
    bits: int
    frac: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise ValueError(f"{self.bits} bits; a format has 1 to 32")
        if not -32 <= self.frac <= 40:
            raise ValueError(f"{self.frac} fraction bits; a format has -32 to 40")

    @classmethod
    def parse(cls, text: str) -> Format:
        """Read `u8.4` or `s8.-2`; ValueError says what is wrong."""
        match = re.fullmatch(r"([us])(\d+)\.(-?\d+)", text.strip())
        if not match:
            raise ValueError(f"'{text}' is no format; write for example u8.4 or s16.11")
        return cls(match[1] == "s", int(match[2]), int(match[3]))

    @property
    def lo(self) -> int:
        """Smallest raw integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest raw integer."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def lsb(self) -> Fraction:
        """The value of one raw unit."""
        return Fraction(2) ** -self.frac

    def real(self, raw: int) -> Fraction:
        """The exact value of a raw integer."""
        return raw * self.lsb

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}.{self.frac}"


class Written(NamedTuple):
    """What one write did: the raw integer stored, and whether it saturated or wrapped."""

    raw: int
    saturated: bool
    wrapped: bool


def shift_round(exact: int, drop: int, rounding: str, draw: int = 0) -> int:
    """`exact / 2**drop` rounded; drop <= 0 is an exact left shift. `draw` is uniform in
    0..2**drop-1 and used by stochastic rounding only."""
    if drop <= 0:
        return exact << -drop
    if rounding == "floor":
        return exact >> drop
    if rounding == "trunc":
        return exact >> drop if exact >= 0 else -(-exact >> drop)
    if rounding == "nearest":
        return (exact + (1 << (drop - 1))) >> drop
    if rounding == "stochastic":
        return (exact + draw) >> drop
    raise ValueError(f"unknown rounding '{rounding}'; one of {', '.join(ROUNDINGS)}")


def limit(raw: int, lo: int, hi: int, overflow: str) -> Written:
    """Saturate to lo..hi, or wrap modulo the width hi - lo + 1."""
    if lo <= raw <= hi:
        return Written(raw, False, False)
    if overflow == "saturate":
        return Written(lo if raw < lo else hi, True, False)
    if overflow == "wrap":
        return Written((raw - lo) % (hi - lo + 1) + lo, False, True)
    raise ValueError(f"unknown overflow '{overflow}'; one of {', '.join(OVERFLOWS)}")


def write(exact: int, frac: int, fmt: Format, rounding: str, overflow: str, draw: int = 0) -> Written:
    """Round `exact` (with `frac` fraction bits) to `fmt` and limit it (definition 5, Write)."""
    return limit(shift_round(exact, frac - fmt.frac, rounding, draw), fmt.lo, fmt.hi, overflow)


class Folded(NamedTuple):
    """A constant in its format: raw integer, exact error (stored - wanted), saturated."""

    raw: int
    error: Fraction
    saturated: bool


def fold(value: Fraction | float | int, fmt: Format) -> Folded:
    """Fold a real constant to nearest, ties away from zero, saturating (definition 3)."""
    exact = Fraction(value)
    scaled = exact / fmt.lsb
    size = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    raw = size if scaled >= 0 else -size
    kept = min(max(raw, fmt.lo), fmt.hi)
    return Folded(kept, fmt.real(kept) - exact, kept != raw)


def requantise(raw: int, source: Format, target: Format) -> Written:
    """Move a stored number to another format: nearest, saturating (weights between chips)."""
    return write(raw, source.frac, target, "nearest", "saturate")


def width_for(lo: int, hi: int) -> int:
    """Bits of the smallest two's complement integer that holds lo..hi."""
    return max(x.bit_length() if x >= 0 else (-x - 1).bit_length() for x in (lo, hi)) + 1
