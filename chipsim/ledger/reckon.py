"""What a chip whose whole step is fixed hardware counted: ReckOn's core, as counters, events and memory.

Events of learning: an update of a weight counts where its chance is not 0 (one random word each); decays
and increments of traces count one by one, as does each look at the surrogate. Errors are messages, the
products of the learning signal belong to the error pathway. Cycles are the controller's, skipped words
included; a skipped word is no memory access.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.plan import Plan
from chipsim.reckon.datapath import LANES
from chipsim.state_reckon import ENGINE_COUNTS, MATRIX_COUNTS

NEURON_BITS = {"v": 16, "input trace": 12, "recurrent trace": 12, "output trace": 10}


def core_counters(plan: Plan, state: Mapping[str, Any]) -> dict[str, int]:
    """Counters of the core by name (`state_reckon.ENGINE_COUNTS`)."""
    return {name: int(x) for name, x in zip(ENGINE_COUNTS, state["f_stat"], strict=True)}


def matrix_counters(plan: Plan, state: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """{connection: {MATRIX_COUNTS}} of the weight memories."""
    rows = zip(plan.reckon.connections, state["f_matrix_stat"], strict=True)
    return {
        plan.connections[c].name: {name: int(x) for name, x in zip(MATRIX_COUNTS, row, strict=True)}
        for c, row in rows
        if c >= 0
    }


def weight_writes(plan: Plan, state: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The row of a connection's weight updates as programmable engines have it."""
    out = {}
    for name, counted in matrix_counters(plan, state).items():
        c = plan.connection(name)
        lanes = plan.reckon.n_out if c.index == plan.reckon.connections[2] else LANES
        reached = lanes * (counted["words"] + counted["skipped_words"])
        out[name] = {
            "evaluated": counted["evaluated"],
            "skipped": reached - counted["evaluated"],
            "draws": counted["evaluated"],
            "saturated": counted["saturated"],
            "rounded_to_zero": counted["evaluated"] - counted["committed"],
            "changed": counted["changed"],
        }
    return out


def add_core_events(plan: Plan, state: Mapping[str, Any], out: dict[str, dict[str, dict[str, int]]]) -> None:
    """Add learning and error events to the ledger of the hidden layer and of the output."""
    core, counted = plan.reckon, core_counters(plan, state)
    hidden, output = plan.layers[core.hidden].name, plan.layers[core.output].name
    updates = weight_writes(plan, state)
    for index, layer in zip(core.connections, (hidden, hidden, output), strict=True):
        if index >= 0:
            drawn = updates[plan.connections[index].name]["evaluated"]
            _add(out[layer]["learning"], weight_update=drawn, random_draw=drawn)
    _add(
        out[hidden]["learning"],
        trace_update=counted["trace_decays"] + counted["trace_increments"],
        random_draw=counted["trace_draws"],
        table_lookup=counted["surrogates"],
    )
    _add(out[output]["error"], error_message=counted["errors"])
    _add(
        out[hidden]["error"],
        circuit_add=counted["signal_additions"],
        circuit_multiply=counted["signal_products"],
    )


def _add(ledger: dict[str, int], **events: int) -> None:
    for name, count in events.items():
        if count:
            ledger[name] = ledger.get(name, 0) + count


def core_memory(plan: Plan) -> list[dict[str, Any]]:
    """What the network takes of the chip's memories."""
    core = plan.reckon
    hidden, output, source = (plan.layers[k].name for k in (core.hidden, core.output, core.source))
    items = [
        (f"{c.name} weights", "weights", c.n_pre * c.n_post, 8)
        for c in (plan.connections[k] for k in core.connections if k >= 0)
    ]
    items += [
        (f"{hidden} v", "neuron state", core.n_rec, 16),
        (f"{hidden} threshold and decay of a pair", "neuron state", (core.n_rec + 1) // 2, 28),
        (f"{hidden} spikes, written words", "neuron state", 2 * core.n_rec, 1),
        (f"{output} v", "neuron state", core.n_out, 16),
        (f"{source} input traces", "traces", core.n_inp, 12),
        (f"{hidden} recurrent traces", "traces", core.n_rec, 12),
        (f"{hidden} output traces", "traces", core.n_rec, 10),
    ]
    return [{"purpose": p, "what": what, "count": n, "bits_each": bits} for what, p, n, bits in items]


def core_notes(plan: Plan, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The controller's cycles, and how many weight words learning touched."""
    counted = core_counters(plan, state)
    names = ("step_cycles", "sweep_cycles", "update_cycles")
    total = sum(counted[name] for name in names)
    parts = ", ".join(f"{name.partition('_')[0]} {counted[name]:,}" for name in names)
    words = matrix_counters(plan, state).values()
    touched, skipped = (sum(row[name] for row in words) for name in ("words", "skipped_words"))
    text = f"{total:,} clock cycles: {parts}; weight words updated {touched:,}, skipped {skipped:,}"
    return [{"place": plan.chip, "kind": "cycles", "line": 0, "text": text}]
