"""Memory on the chip by purpose, from a flat list of what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chipsim.errors import SettingError, did_you_mean

PURPOSES = (
    "weights",
    "traces",
    "tags",
    "history",
    "neuron state",
    "readout and feedback matrices",
    "thresholds",
    "tables",
)


def memory_ledger(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum up items {purpose, what, count, bits_each} by purpose.

    Returns {"total_bits": int, "purposes": [{"purpose", "bits", "items": [{"what", "count",
    "bits_each", "bits"}]}]} in the order of PURPOSES; purposes without an item are left out.
    Raises SettingError for another purpose or a count or width that is no number >= 0.
    """
    kept: dict[str, list[dict[str, Any]]] = {purpose: [] for purpose in PURPOSES}
    for item in items:
        purpose, number, bits = item["purpose"], item["count"], item["bits_each"]
        if purpose not in kept:
            raise SettingError(
                f"unknown purpose '{purpose}'{did_you_mean(purpose, PURPOSES)}",
                where=f"memory of {item['what']}",
                remedy=f"one of {', '.join(PURPOSES)}",
            )
        if number < 0 or bits < 0:
            raise SettingError(f"{number} x {bits} bits", where=f"memory of {item['what']}")
        kept[purpose].append(
            {
                "what": item["what"],
                "count": int(number),
                "bits_each": int(bits),
                "bits": int(number) * int(bits),
            }
        )
    purposes = [
        {"purpose": purpose, "bits": sum(entry["bits"] for entry in entries), "items": entries}
        for purpose, entries in kept.items()
        if entries
    ]
    return {"total_bits": sum(entry["bits"] for entry in purposes), "purposes": purposes}
