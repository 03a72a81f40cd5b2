"""What an event-driven crossbar core did: cycles and memory accesses, and work on what no layer uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.energy import Operation
from chipsim.plan import ConnectionPlan, Plan
from chipsim.plan.core import PAR
from chipsim.state_core import CORE_COUNTS

REST = "(rest of the crossbar)"
# bits of a neuron word that its parameters take, in the order of PAR
PAR_BITS = dict(zip(PAR, (7, 1, 8, 1, 8, 3, 3, 3, 5, 1), strict=True))
STATE_BITS = {"calcium": 3, "calcium clock": 5, "flags up, down": 2}


def core_counts(state: Mapping[str, Any]) -> dict[str, int]:
    """The chip's own counters, and all cycles as their sum.

    operations counts synaptic operations: a spike event meets every neuron of the core, used or not.
    lost are spikes that met a full queue.
    """
    counted = dict(zip(CORE_COUNTS, state["core_stat"].tolist(), strict=True))
    return counted | {"cycles": sum(v for k, v in counted.items() if k.startswith("cycles_"))}


def rest_events(counted: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Events of the columns and synapses that belong to no layer: {purpose: {event: count}}."""
    core, layers = counted["core"], counted["layers"].values()
    delivered = sum(c["synaptic_events"] for c in counted["connections"].values())
    driven, timed = (sum(x[f"updates_{kind}"] for x in layers) for kind in ("active", "inactive"))
    events = {
        "synaptic_event": core["operations"] - delivered,
        "neuron_update_active": core["operations"] - driven,
        "neuron_update_inactive": core["neuron_writes"] - core["operations"] - timed,
    }
    return {"inference": {k: v for k, v in events.items() if v}, "learning": {}, "error": {}}


def fixed_rows(c: ConnectionPlan, table: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of a connection on a fixed engine, as `counts.line_rows` gives them: its updates by spikes, and
    those of bistability events."""
    line = min((row.line for row in c.program.lowering), default=0)
    texts = ((f"{c.program.name}: one step up or down", "on_pre"), ("bistability", "on_sample_end"))
    return [
        {
            "line": line,
            "section": section,
            "text": text,
            "target": c.program.weight.name,
            **{name: int(value) for name, value in zip(names, table[k], strict=True)},
        }
        for k, (text, section) in enumerate(texts)
    ]


def core_summary(plan: Plan, state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The counters of a core for a report; None for other chips."""
    return None if plan.core is None else {**core_counts(state), "behaviour": behaviour(plan)}


def core_operation(plan: Plan, chip: Any, state: Mapping[str, Any], profile: str | None) -> Operation:
    """The time that a core was busy, its cycles at the clock of the energy profile; not known for others."""
    used = chip.energy.get(profile or chip.energy_default)
    if plan.core is None or used is None or used.meta.frequency_Hz is None:
        return Operation()
    return Operation(time_s=core_counts(state)["cycles"] / used.meta.frequency_Hz, cores=1)


def behaviour(plan: Plan) -> str:
    """`as built` or `as documented`."""
    return "as documented" if plan.core.documented else "as built"
