"""The arithmetic that exports carry with them, beside the one it restates."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim import fixed, noise, reference_errors
from chipsim.lava.arithmetic import errors, numbers

pytestmark = pytest.mark.one_python
RANDOM = np.random.default_rng(5)


def test_random_words_and_keys():
    for row in RANDOM.integers(0, 2**63, (200, 4)).tolist():
        seed, place, op, step = row[0], row[1] % 2**32, row[2] % 2**17, row[3]
        key = noise.draw_key(seed, place, op, 0, step)
        assert numbers.draw_key(seed, place, op, step) == key
        words = numbers.words_of(key, 5)
        assert words.tolist() == [noise.word_one(key, e) for e in range(5)]
        for bits in (1, 7, 32, 35):
            assert numbers.top_bits(words, bits).tolist() == [noise.top_bits(int(w), bits) for w in words]
    assert numbers.OP_CIRCUIT_SIGNAL == noise.OP_CIRCUIT_SIGNAL


@pytest.mark.parametrize("rounding", fixed.ROUNDINGS)
def test_rounding_and_limits(rounding):
    exact = RANDOM.integers(-(2**40), 2**40, 400)
    exact[:9] = range(-4, 5)
    for drop in (-3, 0, 1, 2, 11, 20):
        draw = RANDOM.integers(0, 2 ** max(drop, 0), len(exact))
        made = numbers.shift_round(exact, drop, rounding, draw)
        wanted = [fixed.shift_round(int(x), drop, rounding, int(r)) for x, r in zip(exact, draw, strict=True)]
        assert made.tolist() == wanted
        for lo, hi in ((-128, 127), (0, 15)):
            for overflow in ("saturate", "wrap"):
                limited = numbers.limit(made, lo, hi, overflow).tolist()
                assert limited == [fixed.limit(x, lo, hi, overflow)[0] for x in wanted]


@pytest.mark.parametrize("kind", reference_errors.KINDS)
def test_class_errors(kind):
    assert set(errors.KINDS) == set(reference_errors.KINDS)
    for shift in (0, 2, 5):
        for label in (0, 3, 12):
            v = RANDOM.integers(0, 2, 10) if kind == "spike" else RANDOM.integers(-3000, 3000, 10)
            made = errors.class_errors(kind, v, shift, label, -128, 127)
            exact = reference_errors.KINDS[kind](v.tolist(), shift, label)
            assert made.tolist() == [fixed.limit(x, -128, 127, "saturate")[0] for x in exact]
    none = errors.class_errors(kind, np.arange(10), 0, reference_errors.NO_TARGET, -128, 127)
    assert none.tolist() == [0] * 10
