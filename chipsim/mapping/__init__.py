"""A network on the cores of a chip: what fits, where it stands, what travels and how long a step takes.

packing.py     bits of synapses as the chip packs them
partition.py   layers cut into cores, under the limits of a core
place.py       cores on the tiles of chips
traffic.py     messages, hops, work and time of each step
fit.py         used, limit and share of every resource; what binds; what would help

Simulated results do not depend on any of it: it reads a plan and spikes, and writes nothing.
"""

from __future__ import annotations

from chipsim.mapping.partition import Partition, Piece, partition
from chipsim.mapping.place import Placement, place
from chipsim.mapping.traffic import Traffic, expected, loads, step_times, traffic

__all__ = [
    "Partition",
    "Piece",
    "Placement",
    "Traffic",
    "expected",
    "loads",
    "partition",
    "place",
    "step_times",
    "traffic",
]
