"""Prices event counts with one energy profile of a chip file.

    E = leakage x time + clock and core power x time + sum of counts x marginal energies

Counts come by purpose (inference, learning, error) and by event name (`chipsim.chip.EVENTS`). An
event with a price gives a line in joules; one without is listed under `unpriced` with its count, and
the total is then a lower bound. No event is charged twice: active and inactive neuron updates are
alternatives (`neuron_updates`), and an event that a profile includes in another price is free. Static
power is charged for an `Operation`; a profile whose prices are totals holds it already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chipsim.chip import EVENTS, Chip, EnergyProfile
from chipsim.errors import SettingError, did_you_mean

STATIC = "static"  # the purpose of power without events


@dataclass(frozen=True)
class Operation:
    """How long, and on how much hardware: what static power is charged for.

    time_s        None: not known, static power stays unpriced
    frequency_Hz  clock, for profiles with a power per hertz (default: the profile's corner)
    """

    time_s: float | None = None
    chips: int = 1
    cores: int = 0
    frequency_Hz: float | None = None
    resets: int = 0


@dataclass(frozen=True)
class PricedLine:
    """count x price_J = energy_J of one event for one purpose; low_J..high_J is the source's interval."""

    purpose: str
    event: str
    count: int
    price_J: float
    energy_J: float
    low_J: float
    high_J: float
    source: str
    evidence: str  # grade of the price: M, S, A, RTL, SW, D, V, mem
    bound: str  # nominal | min | max
    assumption: str  # empty, or the name of the assumption under which the price is used
    format: str = ""  # of the weight memory, where prices differ by it


@dataclass(frozen=True)
class StaticLine:
    """Power without events: energy_J = power_W x time, or a reset's energy times their number."""

    what: str
    power_W: float | None
    energy_J: float
    said: str
    source: str
    evidence: str


@dataclass(frozen=True)
class EnergyReport:
    """What a run cost where a price is published. priced_J is None without any profile.

    totals_J  joules by purpose, priced events only; "static" where static power was charged
    low_J, high_J   priced_J with the ends of the sources' intervals
    unpriced  purpose -> event -> count of what has no price
    included  purpose -> event -> count of what another price contains
    static_unpriced   why static power, or a part of it, is not in the total
    corner    voltage_V, temperature_C, frequency_Hz of the profile, None where not stated
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
    low_J: float | None = None
    high_J: float | None = None
    definition: str = ""
    bound: str = ""
    corner: dict[str, float | None] = field(default_factory=dict)
    static: tuple[StaticLine, ...] = ()
    static_unpriced: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data, SI units."""
        lists = {
            "lines": [asdict(line) for line in self.lines],
            "static": [asdict(line) for line in self.static],
            "static_unpriced": list(self.static_unpriced),
        }
        return asdict(self) | lists


def price(
    counts: Mapping[str, Mapping[str, int]],
    chip: Chip,
    profile: str | None = None,
    *,
    formats: Mapping[str, Mapping[str, int]] | None = None,
    operation: Operation | None = None,
) -> EnergyReport:
    """Price `counts[purpose][event]` with a profile of the chip (default: the chip's).

    formats    synaptic events by format of the weight memory: {purpose: {dense, sparse, conv: count}}
    operation  time and hardware that static power is charged for
    Raises SettingError for an event or profile that does not exist and for a negative count.
    """
    name, chosen = _choose(chip, profile)
    lines: list[PricedLine] = []
    unpriced: dict[str, dict[str, int]] = {}
    included: dict[str, dict[str, int]] = {}
    for purpose, events in counts.items():
        for event in _in_order(events, purpose):
            count = int(events[event])
            if chosen is not None and event in chosen.prices:
                kinds = (formats or {}).get(purpose, {}) if event == "synaptic_event" else {}
                lines += _lines(purpose, event, count, chosen, kinds)
            elif count:
                free = chosen is not None and event in chosen.meta.includes
                (included if free else unpriced).setdefault(purpose, {})[event] = count
    totals = {purpose: sum(line.energy_J for line in lines if line.purpose == purpose) for purpose in counts}
    static, missing = _static(name, chosen, chip, operation or Operation())
    still = sum(line.energy_J for line in static)
    if static:
        totals[STATIC] = still
    said = {} if chosen is None else _said(chosen)
    return EnergyReport(
        chip=chip.name,
        profile=name,
        profile_text="" if chosen is None else chosen.meta.text,
        lines=tuple(lines),
        totals_J={} if chosen is None else totals,
        priced_J=None if chosen is None else sum(totals.values()),
        low_J=None if chosen is None else still + sum(line.low_J for line in lines),
        high_J=None if chosen is None else still + sum(line.high_J for line in lines),
        unpriced=unpriced,
        included=included,
        is_lower_bound=bool(unpriced or missing) or any(x.bound == "min" and x.count for x in lines),
        static=tuple(static),
        static_unpriced=tuple(missing),
        **said,
    )


def _said(profile: EnergyProfile) -> dict[str, Any]:
    """Definition, bound and corner, as the report shows them."""
    meta = profile.meta
    corner = {key: getattr(meta, key) for key in ("voltage_V", "temperature_C", "frequency_Hz")}
    return {"definition": meta.definition, "bound": meta.bound, "corner": corner}


def _static(
    name: str | None, profile: EnergyProfile | None, chip: Chip, operation: Operation
) -> tuple[list[StaticLine], list[str]]:
    """Lines of static power, and why the rest of it is not there."""
    if profile is None or profile.meta.definition == "total_at_operating_point":
        return [], []
    if profile.power is None:
        return [], ["static power: this profile states none"]
    lines, missing, power, t = [], [], profile.power, operation.time_s
    f = operation.frequency_Hz or profile.meta.frequency_Hz
    parts = (
        ("leakage", "leak_W_chip", operation.chips, f"{operation.chips} chip(s)"),
        ("clock", "idle_W_per_Hz", f, f"{f or 0:g} Hz"),
        ("cores", "active_W_core", operation.cores, f"{operation.cores} core(s)"),
    )
    for what, key, times, said in parts:
        watts = getattr(power, key)
        if watts is None:
            if key == "leak_W_chip":
                missing.append("leakage: this profile states none")
        elif t is None:
            missing.append(f"{what}: the time on the chip is not known")
        elif times is None:
            missing.append(f"{what}: the clock frequency is not known")
        elif times:
            source = chip.source_of(f"energy.{name}.power.{key}")
            drawn = watts * times
            lines.append(StaticLine(what, drawn, drawn * t, f"{said}, {t:g} s", source.cite, source.evidence))
    if power.reset_J_chip is not None and operation.resets:
        source = chip.source_of(f"energy.{name}.power.reset_J_chip")
        joules = power.reset_J_chip * operation.chips * operation.resets
        said = f"{operation.resets} reset(s) of {operation.chips} chip(s)"
        lines.append(StaticLine("resets", None, joules, said, source.cite, source.evidence))
    return lines, missing


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


def _lines(
    purpose: str, event: str, count: int, profile: EnergyProfile, kinds: Mapping[str, int]
) -> list[PricedLine]:
    """One line, or one for each format of the weight memory where prices differ by it."""
    entry = profile.prices[event]
    if not entry.formats or not kinds:
        return [_line(purpose, event, count, profile, None)]
    rest = count - sum(kinds.values())
    if rest < 0:
        raise SettingError(f"{sum(kinds.values())} {event} by format, {count} in all", where=purpose)
    lines = [_line(purpose, event, number, profile, kind) for kind, number in kinds.items() if number]
    return lines + ([_line(purpose, event, rest, profile, None)] if rest or not lines else [])


def _line(purpose: str, event: str, count: int, profile: EnergyProfile, kind: str | None) -> PricedLine:
    entry = profile.prices[event]
    value, low, high = entry.span(kind)
    return PricedLine(
        purpose=purpose,
        event=event,
        count=count,
        price_J=value,
        energy_J=count * value,
        low_J=count * low,
        high_J=count * high,
        source=entry.source,
        evidence=entry.evidence,
        bound=entry.bound,
        assumption=entry.assumption,
        format=kind or "",
    )
