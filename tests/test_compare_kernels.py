"""Rows compared after a line: every length around the block sizes, every narrow type, against numpy."""

import numpy as np
import pytest

from chipsim.compile.compare_kernels import filled, keep, moved_and_gone, moved_since
from chipsim.compile.lanes import jit

pytestmark = pytest.mark.one_python

LENGTHS = [*range(1, 140), 200, 256, 784]


@jit
def compared(row, later, was):
    """Keep a row, overwrite it, compare."""
    keep(row, was)
    for i in range(row.shape[0]):
        row[i] = later[i]
    moved, gone = moved_and_gone(row, was)
    return moved_since(row, was), moved, gone, filled(row)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
def test_counts_equal_numpy(kind):
    rng = np.random.default_rng(1)
    was = np.zeros(2 * max(LENGTHS), np.uint8)
    for n in LENGTHS:
        row = rng.integers(0, 3, n).astype(kind) * kind(100)
        later = np.where(rng.random(n) < 0.5, row, rng.integers(0, 3, n).astype(kind)).astype(kind)
        before = row.copy()
        moved = int((later != before).sum())
        gone = int(((later == 0) & (before != 0)).sum())
        assert compared(row, later, was) == (moved, moved, gone, int((later != 0).sum()))
        assert np.array_equal(row, later)
