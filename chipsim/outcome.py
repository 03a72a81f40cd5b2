"""Begin and end of an experiment of one's own making: memory; counters, digest, energy, weights.

Experiments that run one network many times (seeds, lags, controls) keep one simulator per case and
add the counters of the others to it; the ledger then counts them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.chip import load_chip
from chipsim.errors import SettingError
from chipsim.experiment import Context
from chipsim.ledger import check_memory, counters, per_sample, summary
from chipsim.ledger.summary import mapped
from chipsim.report.units import engineering
from chipsim.run_folder import digest
from chipsim.simulator import Simulator


def begin(context: Context, sim: Simulator, copies: int = 1) -> None:
    """Say what memory `copies` of this simulator take; refuse more than is free, and a `--from` run.

    Raises LimitError or SettingError, before any work.
    """
    if context.start is not None:
        raise SettingError("this experiment begins with its own weights", remedy="leave out --from")
    check_memory(sim.plan, copies=copies)
    size = copies * sum(array.nbytes for array in sim.state.values())
    context.progress.line(f"memory      {engineering(size, 'B')} of state")


def add_counters(into: Simulator, other: Simulator) -> None:
    """Add the counters of another simulator of the same plan; weights and membranes are left alone."""
    for name, array in into.state.items():
        if name.endswith(("_stat", "_lines")):
            array += other.state[name]


def outcome(context: Context, sims: Mapping[str, Simulator]) -> dict:
    """{"digest", "counters", "energy", "summary"} of the named simulators; their plastic weights are stored.

    counters are by name; the digest is over all. energy: priced_J is None without any price. The summary,
    from which reports are made, is the first simulator's.
    """
    chip = load_chip(context.chip)
    weights, arrays, parts, priced, unpriced, told = {}, {}, {}, [], {}, None
    for label, sim in sims.items():
        for c in sim.plan.connections:
            if c.program is not None or sim.plan.reckon is not None:
                name = f"{label}.{c.name}" if len(sims) > 1 else c.name
                weights[_array_name(name)] = sim.state[f"c{c.index}_w"]
                arrays[_array_name(name)] = {"what": f"weights of {name}", "format": str(c.weight)}
        made = summary(sim.plan, chip, sim.state, experiment=context.out.manifest.get("experiment"))
        told = told or _first(made | {"mapping": mapped(sim.plan, chip)}, list(sims))
        energy = made.get("energy") or {}
        priced.append(energy.get("priced_J"))
        for purpose, events in (energy.get("unpriced") or {}).items():
            into = unpriced.setdefault(purpose, {})
            for event, count in events.items():
                into[event] = into.get(event, 0) + count
        parts[label] = sim.digest()
    context.out.weights(weights)
    context.out.note(arrays=arrays)
    known = [joules for joules in priced if joules is not None]
    return {
        "digest": digest(parts),
        "counters": {label: counters(sim.plan, sim.state) for label, sim in sims.items()},
        "energy": {"priced_J": sum(known) if known else None, "unpriced": unpriced},
        "summary": told,
    }


def _first(made: dict[str, Any], labels: list[str]) -> dict[str, Any]:
    """A summary that says which of the run's networks it is of."""
    if len(labels) == 1:
        return made
    text = f"this report is of network '{labels[0]}'; the run has {', '.join(labels)}"
    note = {"place": "report", "kind": "note", "line": 0, "text": text}
    return made | {"notes": [note, *made.get("notes", ())]}


def _array_name(name: str) -> str:
    """A name that weights.npz takes: letters, digits, `_`, `.` and `-`, beginning with a letter."""
    text = "".join(c if c.isalnum() or c in "._-" else "_" for c in name.replace("->", "-"))
    return text if text[0].isalpha() else f"w_{text}"


def sample_costs(made: Mapping[str, Any], learned: int, tested: int) -> dict[str, Any]:
    """{"per_sample", "cost", "mapping"} of a summary that was made with a `Shape`, for a run's result.

    per_sample  operations by purpose and memory; cost  joules of a learned sample and of an inference
    mapping     {"fits", "reason", "cores", "chips", "binds"}
    """
    mapping = made.get("mapping") or {}
    return {
        "per_sample": per_sample(made, learned, tested),
        "cost": made.get("cost"),
        "mapping": {key: mapping.get(key) for key in ("fits", "reason", "cores", "chips", "binds")},
    }
