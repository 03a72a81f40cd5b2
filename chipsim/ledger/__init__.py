"""From counters to the report: what ran, what it stored, what it costs.

counts.py    counters by name, and events by layer and purpose
memory.py    bits on the chip, bytes on this computer
summary.py   everything that a report shows, as one JSON-able dictionary
activity.py  how alive each layer is
per_sample.py  operations per sample and memory by purpose
"""

from __future__ import annotations

from chipsim.ledger.activity import activity, surrogate_shares
from chipsim.ledger.counts import counters, event_counts, synaptic_formats
from chipsim.ledger.memory import check_memory, memory_items, memory_needed
from chipsim.ledger.per_sample import per_sample
from chipsim.ledger.summary import summary

__all__ = [
    "activity",
    "check_memory",
    "counters",
    "event_counts",
    "memory_items",
    "memory_needed",
    "per_sample",
    "summary",
    "surrogate_shares",
    "synaptic_formats",
]
