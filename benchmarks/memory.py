"""Bytes per synapse over the fixed part: all arrays that grow with the number of synapses.

Two nets that differ in their synapses only (sparse) or in the size of one dense connection are
built; the difference of everything numpy holds, divided by the difference of the synapses, is the
price of one synapse. State, scratch arrays of the kernels, and the description's sparse targets
(int32 here, as given) are all counted.
"""

from __future__ import annotations

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.build import make_scratch
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.state import make_state


def _bytes(net: Network) -> int:
    p = plan(net, load_chip("ideal"), load_rule, seed=1)
    arrays = [*make_state(p).values(), *make_scratch(p).values()]
    for c in net.connections:
        arrays += [] if c.sparse is None else list(c.sparse)
    return sum(a.nbytes for a in arrays)


def dense(n: int) -> tuple[int, int]:
    """(bytes, synapses) of one plastic n x n connection of 8-bit weights."""
    net = Network()
    net.source("in", n)
    net.lif("h", n)
    net.connect("in", "h", rule="stdp_pair")
    return _bytes(net), n * n


def sparse(fan_out: int, n: int = 10_000) -> tuple[int, int]:
    """(bytes, synapses) of n recurrent neurons with fan_out plastic synapses each."""
    rng = np.random.default_rng(1)
    first = rng.integers(0, n, (n, 1))
    targets = np.sort((first + np.arange(fan_out) * 7) % n, axis=1).ravel().astype(np.int32)
    net = Network()
    net.lif("h", n)
    net.connect("h", "h", rule="stdp_pair", sparse=(np.arange(n + 1) * fan_out, targets), delay=1)
    return _bytes(net), n * fan_out


def rows() -> list[dict]:
    """Measured bytes per synapse beside their bounds."""
    found = []
    for label, small, large, bound in (
        ("dense, 8 bits", dense(256), dense(4096), 1.5),
        ("sparse, 8 bits", sparse(10), sparse(200), 12.0),
    ):
        price = (large[0] - small[0]) / (large[1] - small[1])
        found.append(
            {"workload": "memory", "synapse": label, "bytes": price, "bound": bound, "ok": price <= bound}
        )
    return found
