"""Rounding and limiting against exact rationals and two independent fixed-point libraries."""

from __future__ import annotations

import math
from fractions import Fraction

import apytypes
import fxpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chipsim.fixed import OVERFLOWS, ROUNDINGS, Format, fold, limit, requantise, shift_round, width_for, write

HALF = Fraction(1, 2)
SMALL = [Format(sign, bits, frac) for sign in (False, True) for bits in range(1, 7) for frac in (-1, 0, 2, 7)]
DETERMINISTIC = ("floor", "trunc", "nearest")


def rounded(value: Fraction, rounding: str) -> int:
    """The rounding of definition 5 from its words, on exact rationals."""
    if rounding == "floor":
        return math.floor(value)
    if rounding == "trunc":
        return math.trunc(value)
    return math.floor(value + HALF)  # nearest; halves go up


def limited(raw: int, fmt: Format, overflow: str) -> int:
    if overflow == "saturate":
        return min(max(raw, fmt.lo), fmt.hi)
    while raw > fmt.hi:
        raw -= 2**fmt.bits
    while raw < fmt.lo:
        raw += 2**fmt.bits
    return raw


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
def test_every_move_between_small_formats(rounding, overflow):
    for source in SMALL:
        for raw in range(source.lo, source.hi + 1):
            for target in SMALL:
                exact = rounded(source.real(raw) / target.lsb, rounding)
                wanted = limited(exact, target, overflow)
                given_raw, saturated, wrapped = write(raw, source.frac, target, rounding, overflow)
                assert given_raw == wanted, (source, raw, target)
                outside = not target.lo <= exact <= target.hi
                assert (saturated, wrapped) == (
                    outside and overflow == "saturate",
                    outside and overflow == "wrap",
                )


@pytest.mark.parametrize("drop", range(1, 7))
def test_stochastic_rounds_up_in_exactly_the_fraction_of_draws(drop):
    for exact in range(-64, 64):
        results = [shift_round(exact, drop, "stochastic", draw) for draw in range(2**drop)]
        assert set(results) <= {exact >> drop, (exact >> drop) + 1}
        assert Fraction(sum(results), 2**drop) == Fraction(exact, 2**drop)  # no bias


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_no_bits_dropped_is_exact(rounding):
    assert [shift_round(e, -3, rounding, 5) for e in (-9, 0, 7)] == [-72, 0, 56]
    assert [shift_round(e, 0, rounding, 5) for e in (-9, 0, 7)] == [-9, 0, 7]


APY_ROUNDING = {
    "floor": apytypes.QuantizationMode.TRN,
    "trunc": apytypes.QuantizationMode.TRN_ZERO,
    "nearest": apytypes.QuantizationMode.RND,
}
APY_OVERFLOW = {"saturate": apytypes.OverflowMode.SAT, "wrap": apytypes.OverflowMode.WRAP}


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("rounding", DETERMINISTIC)
def test_apytypes_agrees(rounding, overflow):
    for bits, frac in ((6, 4), (6, 0), (3, 5)):
        source = Format(True, bits, frac)
        for target in SMALL:
            numbers = apytypes.APyFixedArray(range(source.lo, source.hi + 1), bits - frac, frac_bits=frac)
            numbers = numbers.cast(  # an unsigned target is its bits read without sign
                int_bits=target.bits - target.frac + (not target.signed),
                frac_bits=target.frac,
                quantization=APY_ROUNDING[rounding],
                overflow=APY_OVERFLOW[overflow],
            )
            for raw, other in zip(range(source.lo, source.hi + 1), numbers.to_numpy(), strict=True):
                theirs = int(Fraction(float(other)) / target.lsb)
                if not target.signed:
                    theirs = max(theirs, 0) if overflow == "saturate" else theirs % 2**target.bits
                assert theirs == write(raw, frac, target, rounding, overflow).raw, (source, raw, target)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("rounding", ["floor", "trunc"])
def test_fxpmath_agrees(rounding, overflow):
    for target in SMALL:
        if target.frac < 0 or target.frac > target.bits:
            continue
        for raw in range(-64, 64):
            other = fxpmath.Fxp(
                raw / 16,
                signed=target.signed,
                n_word=target.bits,
                n_frac=target.frac,
                rounding=rounding,
                overflow=overflow,
            )
            assert int(other.val) == write(raw, 4, target, rounding, overflow).raw, (raw, target)


def test_limits_inside_a_format_wrap_modulo_their_span():
    assert [limit(x, -3, 4, "wrap").raw for x in (-4, -3, 4, 5, 12, 13)] == [4, -3, 4, -3, 4, -3]
    assert limit(5, -3, 4, "saturate") == (4, True, False)
    assert limit(-4, -3, 4, "wrap") == (4, False, True)


@given(st.fractions(-40, 40), st.sampled_from(SMALL))
def test_fold_is_nearest_with_ties_away_from_zero(value, fmt):
    scaled = value / fmt.lsb
    nearest = math.floor(abs(scaled) + HALF) * (1 if scaled >= 0 else -1)
    kept = min(max(nearest, fmt.lo), fmt.hi)
    assert fold(value, fmt) == (kept, kept * fmt.lsb - value, kept != nearest)


def test_fold_ties():
    fmt = Format(True, 8, 1)
    assert [fold(Fraction(x, 4), fmt).raw for x in (1, -1, 3, -3)] == [1, -1, 2, -2]


@given(st.integers(-(2**70), 2**70), st.integers(1, 62), st.sampled_from(DETERMINISTIC))
def test_wide_values_round_like_rationals(exact, drop, rounding):
    assert shift_round(exact, drop, rounding) == rounded(Fraction(exact, 2**drop), rounding)


@given(st.integers(-300, 300), st.integers(-300, 300))
def test_width_for_is_the_smallest_twos_complement(a, b):
    lo, hi = min(a, b), max(a, b)
    bits = width_for(lo, hi)
    assert -(2 ** (bits - 1)) <= lo and hi < 2 ** (bits - 1)
    assert bits == 1 or not (-(2 ** (bits - 2)) <= lo and hi < 2 ** (bits - 2))


def test_requantise_is_nearest_and_saturates():
    assert requantise(-128, Format(True, 8, 7), Format(True, 4, 3)) == (-8, False, False)
    assert requantise(127, Format(True, 8, 7), Format(True, 4, 3)) == (7, True, False)
    assert requantise(24, Format(True, 8, 7), Format(True, 4, 3)).raw == 2  # 1.5 goes up


def test_formats_read_and_print():
    for text in ("u8.4", "s16.11", "s8.-2", "s8.12", "u1.0"):
        assert str(Format.parse(text)) == text
    assert (Format.parse("s8.12").lsb, Format.parse("s8.12").lo) == (Fraction(1, 4096), -128)
    assert (Format.parse("u8.4").lo, Format.parse("u8.4").hi) == (0, 255)


@pytest.mark.parametrize("text", ["x8.4", "u8", "u0.0", "s33.4", "u8.41", "u8.-33", "u8.4.1", ""])
def test_formats_that_do_not_exist(text):
    with pytest.raises(ValueError, match="format|bits"):
        Format.parse(text)


def test_unknown_rounding_and_overflow_are_refused():
    with pytest.raises(ValueError, match="rounding"):
        shift_round(1, 1, "up")
    with pytest.raises(ValueError, match="overflow"):
        limit(9, 0, 1, "clip")
