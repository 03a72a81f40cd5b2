"""Mapping large networks onto Loihi-sized cores: python benchmarks/mapping.py [sparse|dense]

sparse  100,000 neurons, 1,000 drawn targets an axon (about 100 million synapses, 1,000 a neuron)
dense   10 layers of 3,334 neurons (100 million synapses)
Prints cores, chips, what binds, and wall and CPU seconds of partition, placement and traffic together;
the second line is the same again, without the time of compiling.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from chipsim.chip import load_chip
from chipsim.mapping.fit import fit
from chipsim.network import Network
from chipsim.plan import plan

NEURONS, TARGETS, LAYERS, WIDTH = 100_000, 1000, 10, 3334


def sparse() -> Network:
    """Rows of distinct, ascending targets."""
    draw = np.random.default_rng(1)
    rows, lengths = [], []
    for _ in range(0, NEURONS, 1000):
        block = np.sort(draw.integers(0, NEURONS, (1000, TARGETS), dtype=np.int32), axis=1)
        keep = np.ones(block.shape, bool)
        keep[:, 1:] = block[:, 1:] != block[:, :-1]
        rows.append(block[keep])
        lengths.append(keep.sum(axis=1))
    net = Network()
    net.lif("n", NEURONS, reset="hard")
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    net.connect("n", "n", sparse=(indptr, np.concatenate(rows)))
    return net


def dense() -> Network:
    """A chain of dense layers."""
    net = Network()
    for k in range(LAYERS):
        net.lif(f"l{k}", WIDTH, reset="hard")
    for k in range(LAYERS - 1):
        net.connect(f"l{k}", f"l{k + 1}")
    return net


def main() -> None:
    """Map each network twice."""
    chip = load_chip("loihi1")
    for name in sys.argv[1:] or ["sparse", "dense"]:
        made = plan({"sparse": sparse, "dense": dense}[name](), chip, limits=False)
        for turn in ("first", "again"):
            wall, cpu = time.perf_counter(), time.process_time()
            found = fit(made, chip)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(
                f"{name} {turn}: fits {found['fits']}, {found['cores']} cores, {found['chips']} chips, "
                f"{found['binds']} binds; {wall:.1f} s wall, {cpu:.1f} s CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
