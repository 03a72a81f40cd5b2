"""What a run cost per learned sample, per inference and per point of accuracy, learning kept apart.

Real-time operation is assumed for static power: a sample takes its steps times dt, on the chips and cores
that the mapping uses. The breakdown has SANA-FE's names (synapse, dendrite, soma, network) and beside
them learning, error and static.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipsim.energy import STATIC, EnergyReport, Operation, price

BREAKDOWN = {
    "synaptic_event": "synapse",
    "synaptic_event_graded": "synapse",
    "axon_event": "network",
    "hop_x": "network",
    "hop_y": "network",
    "barrier": "network",
}  # every other event of inference is soma's
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Shape:
    """Samples learned and tested behind the counts, steps of a sample, and the hardware they run on."""

    learned: int = 0
    tested: int = 0
    steps: int = 0
    dt_ms: float = 1.0
    chips: int = 1
    cores: int = 0

    def operation(self, samples: int) -> Operation:
        """So many samples in real time; without steps the time is not known."""
        if not self.steps:
            return Operation(None, self.chips, self.cores)
        return Operation(samples * self.steps * self.dt_ms / 1000, self.chips, self.cores)


def part_of(event: str, purpose: str) -> str:
    """The part of the breakdown that an event belongs to."""
    return BREAKDOWN.get(event, "soma") if purpose == "inference" else purpose


def sanafe_counts(counts: Counts, samples: int) -> dict[str, float]:
    """SANA-FE's counters of a sample under its names: spikes are looked-up synapses, not those of neurons."""
    events = counts.get("inference", {})
    named = {
        "spikes": ("synaptic_event", "synaptic_event_graded"),
        "neurons_updated": ("neuron_update_active", "neuron_update_inactive"),
        "neurons_fired": ("spike",),
    }
    return {name: sum(events.get(e, 0) for e in of) / samples for name, of in named.items()}


def breakdown(report: EnergyReport) -> dict[str, float]:
    """Joules by part: total, synapse, dendrite, soma, network, learning, error, static."""
    parts = dict.fromkeys(("synapse", "dendrite", "soma", "network", "learning", "error", "static"), 0.0)
    for line in report.lines:
        parts[part_of(line.event, line.purpose)] += line.energy_J
    parts["static"] = report.totals_J.get(STATIC, 0.0)
    return {"total": sum(parts.values()), **parts}


def cost(
    chip: Any,
    learning: tuple[Counts, Counts],
    evaluation: tuple[Counts, Counts] | None,
    shape: Shape,
    accuracy: float | None = None,
    profile: str | None = None,
) -> dict[str, Any]:
    """{"assumed", "per_learned_sample", "per_inference", "per_accuracy_point_J"}; None where not known.

    learning, evaluation   (counts, synaptic events by format) of the run and of its last evaluation
    per_accuracy_point_J   all that learning took over the percentage points of test accuracy
    """
    out: dict[str, Any] = {
        "assumed": f"real time: {shape.steps} steps of {shape.dt_ms:g} ms a sample, "
        f"{shape.chips} chip(s), {shape.cores} core(s)",
        "per_learned_sample": None,
        "per_inference": None,
        "per_accuracy_point_J": None,
    }
    for key, counted, samples in (
        ("per_learned_sample", learning, shape.learned),
        ("per_inference", evaluation, shape.tested),
    ):
        if counted is None or not samples:
            continue
        report = price(counted[0], chip, profile, formats=counted[1], operation=shape.operation(samples))
        out[key] = _per_sample(report, samples) | {"counts": sanafe_counts(counted[0], samples)}
        if key == "per_learned_sample" and accuracy and report.priced_J is not None:
            out["per_accuracy_point_J"] = report.priced_J / (100 * accuracy)
    return out


def _per_sample(report: EnergyReport, samples: int) -> dict[str, Any]:
    none = report.priced_J is None
    return {
        "samples": samples,
        "J": None if none else report.priced_J / samples,
        "low_J": None if none else report.low_J / samples,
        "high_J": None if none else report.high_J / samples,
        "breakdown_J": {} if none else {key: joules / samples for key, joules in breakdown(report).items()},
        "is_lower_bound": report.is_lower_bound,
        "static_unpriced": list(report.static_unpriced),
        "unpriced": {
            purpose: {event: count / samples for event, count in events.items()}
            for purpose, events in report.unpriced.items()
        },
    }
