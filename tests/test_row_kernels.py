"""Writes along dense rows: every stored type, length and limit, against the formula in int64."""

import numpy as np
import pytest

from chipsim.compile import row_kernels as rows
from chipsim.compile.lanes import jit, u32

pytestmark = pytest.mark.one_python
LENGTHS = (1, 2, 10, 15, 16, 17, 63, 64, 65, 79, 128, 200)


@jit
def _added(w, vec, z, words, word, bits, lo, hi):
    return rows.add_row(w[1], vec, z, words, u32(word), bits, lo, hi)


@jit
def _added_wider(w, vec, z, words, word, bits, lo, hi):
    return rows.add_row_16(w[1], vec, z, words, u32(word), bits, lo, hi)


@jit
def _added_only(w, vec, z, words, word, bits, lo, hi):
    rows.add_row_only(w[1], vec, z, words, u32(word), bits, lo, hi)


@jit
def _scaled(w, k, words, word, bits):
    return rows.scale_row(w[1], k, words, u32(word), bits)


@jit
def _scaled_only(w, k, words, word, bits):
    rows.scale_row_only(w[1], k, words, u32(word), bits)


@jit
def _some(w):
    return rows.any_row(w[1])


def _start(rng, kind, n, limits):
    """Three rows, half of whose values are 0 or at a limit."""
    w = rng.integers(limits[0], limits[1] + 1, (3, n))
    edge = rng.random(w.shape)
    w[edge < 0.2], w[edge > 0.8] = limits
    w[(edge > 0.45) & (edge < 0.55)] = max(0, limits[0])
    return w.astype(kind)


def _expected(w, step, limits):
    """The row after the step, and the three counts."""
    old = w[1].astype(np.int64)
    new = np.clip(old + step, *limits)
    return new, (np.count_nonzero(step), np.count_nonzero(new != old + step), np.count_nonzero(new != old))


CASES = [
    (_added, "i1", 127, (-128, 127)),
    (_added, "i1", 127, (-4, 3)),
    (_added, "i1", 100, (1, 90)),
    (_added, "u1", 127, (0, 255)),
    (_added, "u1", 127, (0, 100)),
    (_added, "i2", 32767, (-32768, 32767)),
    (_added, "u2", 32767, (0, 65535)),
    (_added_wider, "i1", 32000, (-128, 127)),
    (_added_wider, "i1", 300, (-7, 7)),
    (_added_wider, "u1", 400, (0, 255)),
]


@pytest.mark.parametrize(("kernel", "kind", "most", "limits"), CASES)
@pytest.mark.parametrize("drawn", [True, False])
def test_sums_along_a_row(kernel, kind, most, limits, drawn):
    rng, bits = np.random.default_rng(5), 6
    for n in LENGTHS:
        w = _start(rng, kind, n, limits)
        z = int(rng.integers(1, 9)) * (1 if rng.random() < 0.5 else -1)
        top = ((most << bits) - (1 << bits)) // abs(z)
        vec = rng.integers(-top, top + 1, n).astype(np.int32)
        vec[rng.random(n) < 0.3] = 0
        words = rng.integers(0, 1 << bits, n).astype(np.uint32) if drawn else None
        word = int(rng.integers(0, 1 << bits))
        r = (words ^ np.uint32(word)).astype(np.int64) if drawn else word
        step = (vec.astype(np.int64) * z + r) >> bits
        new, counts = _expected(w, step, limits)
        before, again = w.copy(), w.copy()
        assert kernel(w, vec, z, words, word, bits, *limits) == counts
        assert np.array_equal(w[1], new)
        assert np.array_equal(w[::2], before[::2])  # rows above and below, past both ends
        if kernel is _added:
            _added_only(again, vec, z, words, word, bits, *limits)
            assert np.array_equal(again, w)


def test_sum_of_one_factor_for_the_whole_row():
    w = np.array([[0] * 70, [126] * 70, [5] * 70], np.int8)
    assert _added(w, None, 8, None, 0, 2, -128, 127) == (70, 70, 70)
    assert w.tolist() == [[0] * 70, [127] * 70, [5] * 70]


@pytest.mark.parametrize(("kind", "limits"), [("i1", (-128, 127)), ("u1", (0, 255)), ("u2", (0, 65535))])
@pytest.mark.parametrize("drawn", [True, False])
def test_decays_along_a_row(kind, limits, drawn):
    rng, bits = np.random.default_rng(6), 12
    for n in LENGTHS:
        w = _start(rng, kind, n, limits)
        w[1, rng.random(n) < 0.3] = 1  # may become 0
        k = int(rng.integers(1, 1 << bits)) if kind != "u2" else int(rng.integers(1, 1 << 11))
        words = rng.integers(0, 1 << bits, n).astype(np.uint32) if drawn else None
        word = int(rng.integers(0, 1 << bits))
        r = (words ^ np.uint32(word)).astype(np.int64) if drawn else word
        old = w[1].astype(np.int64)
        new = (old * k + r) >> bits
        before, again = w.copy(), w.copy()
        counts = np.count_nonzero((old != 0) & (new == 0)), np.count_nonzero(new != old)
        assert _scaled(w, k, words, word, bits) == counts
        assert np.array_equal(w[1], new)
        assert np.array_equal(w[::2], before[::2])
        _scaled_only(again, k, words, word, bits)
        assert np.array_equal(again, w)


def test_a_row_is_zero_only_where_all_its_elements_are():
    for n in LENGTHS:
        for k in range(n):
            w = np.zeros((3, n), np.uint8)
            w[0], w[2] = 1, 1
            assert not _some(w)
            w[1, k] = 128
            assert _some(w)
