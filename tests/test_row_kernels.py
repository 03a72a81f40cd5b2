"""Rows compared after a line: every length around the block sizes, every narrow type, against numpy."""

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.compile.lanes import jit
from chipsim.compile.row_kernels import filled, keep, moved_and_gone, moved_since
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.plan.layers import _largest_input

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


def test_largest_input_is_that_of_the_neuron_with_most_synapses():
    net = Network()
    net.source("in", 2)
    net.lif("out", 3, threshold=1.0)
    net.connect("in", "out", sparse=(np.array([0, 1, 3]), np.array([1, 1, 2])))
    bound = plan(net, load_chip("ideal"))
    c = bound.connections[0]
    most = max(-c.weight.lo, c.weight.hi)
    assert _largest_input(net, c) == 2 * most << max(c.shift, 0)
    assert bound.layers[1].acc_bound == 2 * most << max(c.shift, 0)
