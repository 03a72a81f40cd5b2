"""From counters to the report: what ran, what it stored, what it costs.

counts.py    counters by name, and events by layer and purpose
memory.py    bits on the chip, bytes on this computer
summary.py   everything that a report shows, as one JSON-able dictionary
activity.py  how alive each layer is
per_sample.py  operations per sample and memory by purpose
cost.py      energy per learned sample, per inference, per point of accuracy
neurobench.py  NeuroBench's metrics without torch, and Plasticity* beside them
"""

from __future__ import annotations

from chipsim.ledger.activity import activity, surrogate_shares
from chipsim.ledger.cost import Shape, cost
from chipsim.ledger.counts import counters, event_counts, synaptic_formats
from chipsim.ledger.memory import check_memory, memory_items, memory_needed
from chipsim.ledger.neurobench import neurobench
from chipsim.ledger.per_sample import per_sample
from chipsim.ledger.summary import summary

__all__ = [
    "Shape",
    "activity",
    "check_memory",
    "cost",
    "counters",
    "event_counts",
    "memory_items",
    "memory_needed",
    "neurobench",
    "per_sample",
    "summary",
    "surrogate_shares",
    "synaptic_formats",
]
