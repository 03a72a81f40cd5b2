"""Operations per sample and memory by purpose: one line of a table that compares rules.

An operation is a synaptic event, an update of a neuron that had something to do, an executed line of
a rule, or an addition, multiplication, division, table lookup or root of a circuit. They are counts, not
costs: what each is worth on a chip is the energy report's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPERATIONS = (
    "synaptic_event",
    "synaptic_event_graded",
    "neuron_update_active",
    "micro_op",
    "circuit_add",
    "circuit_multiply",
    "circuit_divide",
    "circuit_root",
    "table_lookup",
)
PURPOSES = ("inference", "learning", "error")


def per_sample(summary: Mapping[str, Any], learned: int, tested: int) -> dict[str, Any]:
    """From a run's summary: {"learned": {purpose: operations}, "tested": {...}, "memory_bits": {...}}.

    learned, tested   samples behind the summary's ledger and evaluation; purposes apart, so that the
    error pathway stands by itself. table_lookup counts for circuits only (a rule's are micro_ops).
    """
    return {
        "learned": _by_purpose(summary, "ledger", learned),
        "tested": _by_purpose(summary, "evaluation", tested),
        "memory_bits": _memory(summary),
    }


def _by_purpose(summary: Mapping[str, Any], key: str, samples: int) -> dict[str, float]:
    total = dict.fromkeys(PURPOSES, 0)
    for layer in summary["layers"]:
        for purpose, events in layer.get(key, {}).items():
            skip = ("table_lookup",) if purpose == "learning" else ()
            total[purpose] += sum(
                n for event, n in events.items() if event in OPERATIONS and event not in skip
            )
    return {purpose: count / samples if samples else 0.0 for purpose, count in total.items()}


def _memory(summary: Mapping[str, Any]) -> dict[str, int]:
    bits: dict[str, int] = {}
    for item in summary["memory"]:
        bits[item["purpose"]] = bits.get(item["purpose"], 0) + item["count"] * item["bits_each"]
    return bits
