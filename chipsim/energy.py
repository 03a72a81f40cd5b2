"""Prices event counts with one energy profile of a chip file.

Counts come by purpose (inference, learning, error) and by event name (`chipsim.chip.EVENTS`). An
event with a price gives a line in joules; one without is listed under `unpriced` with its count, and
the total is then a lower bound. No event is charged twice: active and inactive neuron updates are
alternatives (`neuron_updates`), and an event that a profile includes in another price is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chipsim.chip import EVENTS, Chip, EnergyProfile
from chipsim.errors import SettingError, did_you_mean


@dataclass(frozen=True)
class PricedLine:
    """count x price_J = energy_J of one event for one purpose."""

    purpose: str
    event: str
    count: int
    price_J: float
    energy_J: float
    source: str
    evidence: str  # grade of the price: M, S, A, RTL, SW, D, V, mem
    bound: str  # nominal | min | max
    assumption: str  # empty, or the name of the assumption under which the price is used


@dataclass(frozen=True)
class EnergyReport:
    """What a run cost where a price is published. priced_J is None without any profile.

    totals_J  joules by purpose, priced events only
    unpriced  purpose -> event -> count of what has no price
    included  purpose -> event -> count of what another price contains
    """

    chip: str
    profile: str | None
    profile_text: str
    lines: tuple[PricedLine, ...]
    totals_J: dict[str, float]
    priced_J: float | None
    unpriced: dict[str, dict[str, int]]
    included: dict[str, dict[str, int]]
    is_lower_bound: bool

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data, SI units."""
        return asdict(self) | {"lines": [asdict(line) for line in self.lines]}


def price(counts: Mapping[str, Mapping[str, int]], chip: Chip, profile: str | None = None) -> EnergyReport:
    """Price `counts[purpose][event]` with a profile of the chip (default: the chip's).

    Raises SettingError for an event or profile that does not exist and for a negative count.
    """
    name, prices = _choose(chip, profile)
    lines: list[PricedLine] = []
    unpriced: dict[str, dict[str, int]] = {}
    included: dict[str, dict[str, int]] = {}
    for purpose, events in counts.items():
        for event in _in_order(events, purpose):
            count = int(events[event])
            if prices is not None and event in prices.prices:
                lines.append(_line(purpose, event, count, prices))
            elif count:
                free = prices is not None and event in prices.meta.includes
                (included if free else unpriced).setdefault(purpose, {})[event] = count
    totals = {purpose: sum(line.energy_J for line in lines if line.purpose == purpose) for purpose in counts}
    return EnergyReport(
        chip=chip.name,
        profile=name,
        profile_text="" if prices is None else prices.meta.text,
        lines=tuple(lines),
        totals_J={} if prices is None else totals,
        priced_J=None if prices is None else sum(totals.values()),
        unpriced=unpriced,
        included=included,
        is_lower_bound=bool(unpriced) or any(line.bound == "min" and line.count for line in lines),
    )


def neuron_updates(updates: int, active: int) -> dict[str, int]:
    """Events of `updates` neuron-steps of which `active` were active: each is charged once."""
    if not 0 <= active <= updates:
        raise SettingError(
            f"{active} active of {updates} neuron updates",
            remedy="active updates are part of all updates: give 0 <= active <= updates",
        )
    return {"neuron_update_active": active, "neuron_update_inactive": updates - active}


def add_counts(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """The sum of several `counts` (layers, samples), by purpose and event."""
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for purpose, events in part.items():
            into = total.setdefault(purpose, {})
            for event, count in events.items():
                into[event] = into.get(event, 0) + int(count)
    return total


def _choose(chip: Chip, profile: str | None) -> tuple[str | None, EnergyProfile | None]:
    name = profile if profile is not None else chip.energy_default
    if name is None:
        return None, None
    if name not in chip.energy:
        known = ", ".join(chip.energy) or "none: no energy per event is published for this chip"
        raise SettingError(
            f"chip '{chip.name}' has no energy profile '{name}'{did_you_mean(name, chip.energy)}",
            where=chip.path,
            remedy=f"profiles of this chip: {known}",
        )
    return name, chip.energy[name]


def _in_order(events: Mapping[str, int], purpose: str) -> list[str]:
    """The counted events in the order of EVENTS, checked."""
    for event, count in events.items():
        if event not in EVENTS:
            raise SettingError(
                f"unknown event '{event}'{did_you_mean(event, EVENTS)}",
                where=f"counts of {purpose}",
                remedy=f"one of {', '.join(EVENTS)}",
            )
        if int(count) != count or count < 0:
            raise SettingError(f"{event} counted {count} times", where=f"counts of {purpose}")
    return [event for event in EVENTS if event in events]


def _line(purpose: str, event: str, count: int, profile: EnergyProfile) -> PricedLine:
    entry = profile.prices[event]
    return PricedLine(
        purpose=purpose,
        event=event,
        count=count,
        price_J=entry.value_J,
        energy_J=count * entry.value_J,
        source=entry.source,
        evidence=entry.evidence,
        bound=entry.bound,
        assumption=entry.assumption,
    )
