"""Warnings with a remedy, read off a summary (its keys: `chipsim.report.text`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chipsim.report.units import count, percent

SILENT_SHARE = 0.5  # of a layer's neurons that never fired
RAIL_SHARE = 0.25  # of a connection's weights at w_min or w_max
SATURATED_SHARE = 0.01  # of a line's contributions
ZERO_SHARE = 0.99  # rounded to zero, for roundings that lose them for good

Caution = dict[str, str]  # kind, where, text, remedy


def warnings_from(summary: Mapping[str, Any]) -> list[Caution]:
    """Everything in a summary that a researcher should not overlook, most damaging first.

    Kinds: dead_layer, no_surrogate, silent, all_rounded_to_zero, mostly_rounded_to_zero, sticking,
    dead_line, wrapped, saturated, rails, below_control.
    """
    found = [
        *_activity(summary.get("layers", ())),
        *_writes(summary.get("writes", ())),
        *_notes(summary.get("notes", ())),
        *_rails(summary.get("weights", ())),
        *_controls(summary),
    ]
    return sorted(found, key=lambda warning: ORDER.index(warning["kind"]))


ORDER = (
    "dead_layer",
    "no_surrogate",
    "all_rounded_to_zero",
    "dead_line",
    "wrapped",
    "sticking",
    "below_control",
    "mostly_rounded_to_zero",
    "saturated",
    "rails",
    "silent",
)


def _warning(kind: str, where: str, text: str, remedy: str) -> Caution:
    return {"kind": kind, "where": where, "text": text, "remedy": remedy}


def _activity(layers: Any) -> Iterator[Caution]:
    for layer in layers:
        activity = layer.get("activity") or {}
        silent, surrogate = activity.get("silent_share"), activity.get("surrogate_share")
        where = f"layer {layer['name']}"
        if silent is not None and silent >= 1:
            yield _warning(
                "dead_layer",
                where,
                "no neuron fired",
                "lower its threshold, raise the gain of its input, or calibrate before training",
            )
        elif silent is not None and silent >= SILENT_SHARE:
            yield _warning(
                "silent",
                where,
                f"{percent(silent, 1)} of the neurons never fired",
                "lower the threshold, raise the gain of its input, or use homeostasis",
            )
        if surrogate is not None and surrogate <= 0:
            yield _warning(
                "no_surrogate",
                where,
                "the surrogate was zero for every neuron in every step: nothing can learn",
                "widen the surrogate (half_width, reach) or bring the membranes nearer to the threshold",
            )


def _writes(rows: Any) -> Iterator[Caution]:
    for row in rows:
        where = f"{row['place']}, {row['name']}"
        done, zero, changed = row.get("done", 0), row.get("rounded_to_zero", 0), row.get("changed")
        if zero and changed == 0:
            yield _warning(
                "all_rounded_to_zero",
                where,
                f"all {count(zero)} updates rounded to zero",
                "a smaller rate shift, round=stochastic, or more bits",
            )
        elif zero and row.get("rounding") != "stochastic" and zero >= ZERO_SHARE * done:
            yield _warning(
                "mostly_rounded_to_zero",
                where,
                f"{percent(zero / done, 1)} of the updates rounded to zero",
                "a smaller rate shift, round=stochastic, or more bits",
            )
        if row.get("wrapped"):
            yield _warning(
                "wrapped",
                where,
                f"{count(row['wrapped'])} writes wrapped: the value changed its sign or size",
                "a format with more integer bits, overflow=saturate, or smaller input",
            )
        saturated = row.get("saturated", 0)
        if saturated and saturated >= SATURATED_SHARE * done:
            share = f" ({percent(saturated / done, 1)})" if done else ""
            yield _warning(
                "saturated",
                where,
                f"{count(saturated)} writes saturated{share}",
                "a format with more integer bits, or a smaller step",
            )


def _notes(notes: Any) -> Iterator[Caution]:
    for note in notes:
        where = note.get("place", "rule") + (f", line {note['line']}" if note.get("line") else "")
        if note["kind"] == "sticking":
            yield _warning(
                "sticking",
                where,
                note["text"],
                "round=trunc or stochastic, or more fraction bits for the trace",
            )
        elif note["kind"] == "dead":
            yield _warning("dead_line", where, note["text"], "remove the line, or widen the formats it reads")


def _rails(weights: Any) -> Iterator[Caution]:
    for row in weights:
        low, high = row.get("at_min", 0.0), row.get("at_max", 0.0)
        if low + high >= RAIL_SHARE:
            yield _warning(
                "rails",
                f"{row['place']}, weights",
                f"{percent(low, 1)} at w_min and {percent(high, 1)} at w_max",
                "a smaller rate, a larger w_range, or a rule with a weight-dependent step",
            )


def _controls(summary: Mapping[str, Any]) -> Iterator[Caution]:
    reached = (summary.get("accuracy") or {}).get("test")
    for name, row in (summary.get("controls") or {}).items():
        control = row.get("test")
        if reached is not None and control is not None and reached < control:
            yield _warning(
                "below_control",
                "accuracy",
                f"test {percent(reached)} is below the control '{name}' with {percent(control)}",
                "the hidden layers do not help yet: see dead layers, rounding and the learning rate",
            )
