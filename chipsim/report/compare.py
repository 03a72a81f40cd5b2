"""Runs or chips side by side: one row a figure, one column a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chipsim.report.html import lookup
from chipsim.report.units import count, engineering, percent, table

# (name, path in the summary, how it is shown)
ROWS = (
    ("experiment", "experiment", ""),
    ("chip", "chip/name", ""),
    ("rule", "rule", ""),
    ("engine", "chip/engine", ""),
    ("energy profile", "energy/profile", ""),
    ("test accuracy", "accuracy/test", "percent"),
    ("float twin", "accuracy/twin", "percent"),
    ("energy of a learned sample", "cost/per_learned_sample/J", "J"),
    ("  of it learning", "cost/per_learned_sample/breakdown_J/learning", "J"),
    ("  of it error pathway", "cost/per_learned_sample/breakdown_J/error", "J"),
    ("  of it static", "cost/per_learned_sample/breakdown_J/static", "J"),
    ("energy of an inference", "cost/per_inference/J", "J"),
    ("all learning per point of accuracy", "cost/per_accuracy_point_J", "J"),
    ("synaptic operations of an inference", "neurobench/SynapticOperations/Effective_ACs", "plain"),
    ("weight updates of a learned sample", "plasticity/PlasticityWeightUpdates", "plain"),
    ("micro-ops of a learned sample", "plasticity/PlasticityMicroOps", "plain"),
    ("state bits of learning", "plasticity/PlasticityStateBits", "plain"),
    ("cores", "mapping/cores", "plain"),
    ("chips", "mapping/chips", "plain"),
    ("what binds", "mapping/binds", ""),
)


def comparison(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """{"runs": names, "rows": [{"name", "how", "values"}], "notes"} of (name, summary) pairs; rows that no
    run has are left out."""
    rows = []
    for name, path, how in ROWS:
        values = [lookup(summary, path) for _, summary in runs]
        if any(value is not None for value in values):
            rows.append({"name": name.strip(), "path": path, "how": how or "plain", "values": values})
    return {"runs": [name for name, _ in runs], "rows": rows, "notes": _notes(runs)}


def _notes(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What keeps the energies from being compared."""
    notes = []
    profiles = {(lookup(s, "chip/name"), lookup(s, "energy/profile")) for _, s in runs}
    if len(profiles) > 1:
        notes.append("energies of different profiles do not share a definition: compare counts first")
    for name, summary in runs:
        if lookup(summary, "energy/profile") and lookup(summary, "energy/is_lower_bound"):
            notes.append(f"{name}: its energy is a lower bound")
        if not lookup(summary, "energy/profile"):
            notes.append(f"{name}: nothing is priced")
    return notes


def compare_text(data: Mapping[str, Any]) -> str:
    """A comparison as plain text."""
    rows = [["", *data["runs"]]]
    for row in data["rows"]:
        rows.append([row["name"], *(_said(value, row["how"]) for value in row["values"])])
    return "\n".join([*table(rows), *(f"  {note}" for note in data["notes"])]) + "\n"


def _said(value: Any, how: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if how == "percent":
        return percent(value)
    if how == "J":
        return engineering(value, "J")
    return f"{value:,.6g}" if isinstance(value, float) else count(value)
