"""Counters by name, and the events of `chip.EVENTS` by layer and purpose.

A connection's events belong to the layer it leads to. Purposes and definitions:

inference   what a network without learning would do as well
    axon_event               active axons of incoming connections, summed over steps
    synaptic_event           weights added to an accumulator (fan-out of the active axons; of a
                             convolution the places where its shared weights meet them)
    synaptic_event_graded    the same where the axon carries a payload: it needs a multiplication, and
                             is not counted under synaptic_event
    spike                    spikes that the layer's neurons fired; of a pool layer the windows that sent
                             one (windows have no state and no further events)
    neuron_update_active     (neuron, step) pairs with a current, membrane, input, bias or refractory
                             count other than 0; neuron_update_inactive: all other pairs
    random_draw              draws of a stochastic membrane or current decay
learning    the lines of the rules on incoming connections; homeostasis
    weight_update            evaluated updates of a weight: contributions for which `when` held
    trace_update             the same into axon, neuron and layer registers; one per neuron and sample
                             where homeostasis moves thresholds
    tag_update               the same into the other registers of a synapse
    history_write            values that rules store at the end of a step for a replay
    history_read             stored values that a replayed step takes up again
    random_draw              writes that drew a random word
    table_lookup             lines that read a table
    micro_op                 all executed lines, temps included, and the homeostasis updates: the engine's
                             view of the work whose memory writes the *_update events count
error       the pathway from errors to third factors: all events of inference, for readout layers and
            for connections and layers of purpose "error", and of the circuits that serve the layer.
            Products with errors of -0.5, 0 and 0.5 are additions; a look at an error's threshold is
            one addition too
    circuit_add, circuit_multiply, circuit_divide, circuit_root, table_lookup, random_draw
    error_message            class errors, transported numbers or rewards other than 0 that were sent, words
                             of a stored copy that were renewed, third factors a pool layer hands down;
                             what a replayed step needs is sent again
    history_write, history_read   class errors stored for a replay and taken up again

On an event-driven crossbar core (`core`) a neuron update is a write of its word: active ones come with a
synaptic operation, inactive ones with a time reference or a virtual event. A spike event meets all neurons
of the core; what belongs to no layer stands under REST. A fixed engine has no micro_op.

Products of a sum-of-products engine count like lines, one row per synaptic variable, where every
product other than 0 is one update and one micro_op.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipsim.chip import EVENTS
from chipsim.ledger.core import REST, core_counts, fixed_rows, rest_events
from chipsim.ledger.reckon import add_core_events, core_counters, matrix_counters, weight_writes
from chipsim.microcode.program import COUNTS, BoundRegister
from chipsim.plan import ConnectionPlan, LayerPlan, Plan
from chipsim.state import CONNECTION_COUNTS, HISTORY_COUNTS, LAYER_COUNTS
from chipsim.state_circuits import circuit_counts

CIRCUIT_EVENTS = {
    "messages": "error_message",
    "additions": "circuit_add",
    "multiplications": "circuit_multiply",
    "divisions": "circuit_divide",
    "roots": "circuit_root",
    "lookups": "table_lookup",
    "draws": "random_draw",
}
Events = dict[str, dict[str, int]]  # purpose -> event -> count


def counters(plan: Plan, state: Mapping[str, Any]) -> dict[str, Any]:
    """All counters of a state (or of an evaluation) as nested dictionaries of int.

    layers       {layer: {LAYER_COUNTS}}
    connections  {connection: {CONNECTION_COUNTS}}
    circuits     {layer served: {state_circuits.circuit_counts}}
    lines        {connection: [{"line", "section", "text", "target", COUNTS...}]}
    histories    {connection, or layer of a circuit: {HISTORY_COUNTS}}, where something is stored
    core         {state_core.CORE_COUNTS, "cycles"} of an event-driven crossbar core
    weights      {connection: {"evaluated", "skipped", "draws", "saturated", "rounded_to_zero",
                 "changed"}}: the lines into the weight, summed; `changed` counts written elements
    reckon, matrices  counters of ReckOn's core and of its weight memories (`ledger.reckon`)
    """
    rows = {c.name: line_rows(c, state) for c in plan.connections if c.program}
    core = {} if plan.core is None else {"core": core_counts(state)}
    if plan.reckon is not None:
        core = {"reckon": core_counters(plan, state), "matrices": matrix_counters(plan, state)}
    own = {"weights": weight_writes(plan, state)} if plan.reckon is not None else {}
    return core | {
        "layers": {x.name: _named(LAYER_COUNTS, state[f"l{x.index}_stat"]) for x in plan.layers},
        "connections": {
            c.name: _named(CONNECTION_COUNTS, state[f"c{c.index}_stat"]) for c in plan.connections
        },
        "circuits": {
            plan.layers[k.layer].name: _named(circuit_counts(k), state[f"k{k.index}_stat"])
            for k in plan.circuits
        },
        "lines": rows,
        "histories": _histories(plan, state),
        "weights": {
            c.name: _weight_writes(c, rows[c.name])
            for c in plan.connections
            if c.program and c.program.weight
        },
        **own,
    }


def _histories(plan: Plan, state: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Counters of stored values, by connection and by the layer that a circuit serves."""
    named = {f"c{c.index}_past_stat": c.name for c in plan.connections}
    named |= {f"k{k.index}_past_stat": plan.layers[k.layer].name for k in plan.circuits}
    return {name: _named(HISTORY_COUNTS, state[key]) for key, name in named.items() if key in state}


def line_rows(c: ConnectionPlan, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per line of a connection's rule, then one per variable of its products."""
    table, program = state[f"c{c.index}_lines"], c.program
    if program.engine == "fixed":
        return fixed_rows(c, table, COUNTS)
    rows = [
        {
            "line": line.line,
            "section": line.section,
            "text": " ".join(line.text.split()),
            "target": line.target.name,
            **_named(COUNTS, table[line.ordinal]),
        }
        for line in program.lines
    ]
    for k, name in enumerate(program.variables):
        mine = [p for p in program.products if p.target == name]
        number = f"{len(mine)} product{'s' * (len(mine) != 1)}"
        rows.append(
            {
                "line": mine[0].line,
                "section": "on_products",
                "text": f"{name} += {number}",
                "target": name,
                **_named(COUNTS, table[len(program.lines) + k]),
            }
        )
    return rows


def _named(names: tuple[str, ...], values: Any) -> dict[str, int]:
    return {name: int(value) for name, value in zip(names, values, strict=True)}


def _weight_writes(c: ConnectionPlan, rows: list[dict[str, Any]]) -> dict[str, int]:
    into = [row for row in rows if row["target"] == c.program.weight.name]
    kept = ("skipped", "draws", "saturated", "rounded_to_zero", "changed")
    return {
        "evaluated": sum(row["done"] for row in into),
        **{name: sum(row[name] for row in into) for name in kept},
    }


# ---------------------------------------------------------------- events


def event_counts(plan: Plan, state: Mapping[str, Any]) -> dict[str, Events]:
    """{layer: {purpose: {event: count}}} for every layer but the sources; zeros are left out.

    The definitions are this module's docstring.
    """
    counted = counters(plan, state)
    out = {}
    for layer in plan.layers:
        if layer.kind == "source":
            continue
        ledger: Events = {"inference": {}, "learning": {}, "error": {}}
        _neurons(ledger, plan, layer, counted["layers"][layer.name])
        for index in layer.incoming:
            c = plan.connections[index]
            _delivery(ledger[_purpose(c)], counted["connections"][c.name])
            if c.program:
                _lines(ledger["learning"], c, counted["lines"][c.name])
                _history(ledger["learning"], counted["histories"].get(c.name, {}))
        if layer.circuit is not None:
            for name, count in counted["circuits"][layer.name].items():
                if name in CIRCUIT_EVENTS:
                    _add(ledger["error"], CIRCUIT_EVENTS[name], count)
            _history(ledger["error"], counted["histories"].get(layer.name, {}))
        out[layer.name] = ledger
    if plan.reckon is not None:
        add_core_events(plan, state, out)
    out = {name: {p: _ordered(events) for p, events in ledger.items()} for name, ledger in out.items()}
    return out if plan.core is None else out | {REST: rest_events(counted)}


def synaptic_formats(plan: Plan, state: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Plain synaptic events by format of the weight memory: {purpose: {"dense", "sparse", "conv": count}}."""
    out: dict[str, dict[str, int]] = {}
    for c in plan.connections:
        counted = _named(CONNECTION_COUNTS, state[f"c{c.index}_stat"])
        kind = "conv" if c.conv is not None else "sparse" if c.sparse else "dense"
        events = out.setdefault(_purpose(c), {})
        _add(events, kind, counted["synaptic_events"] - counted["multiplications"])
    return out


def is_error_layer(plan: Plan, layer: LayerPlan) -> bool:
    """Whether a layer only serves third factors: a circuit's readout, or fed by error connections alone."""
    purposes = {_purpose(plan.connections[c]) for c in layer.incoming}
    return any(k.readout == layer.index for k in plan.circuits if k.kind == "readout") or purposes == {
        "error"
    }


def _purpose(c: ConnectionPlan) -> str:
    return "error" if c.purpose == "error" else "inference"


def _neurons(ledger: Events, plan: Plan, layer: LayerPlan, counted: Mapping[str, int]) -> None:
    events = ledger["error" if is_error_layer(plan, layer) else "inference"]
    _add(events, "spike", counted["spikes"])
    _add(events, "neuron_update_active", counted["updates_active"])
    _add(events, "neuron_update_inactive", counted["updates_inactive"])
    _add(events, "random_draw", counted["draws"])
    _add(ledger["learning"], "trace_update", counted["threshold_updates"])
    _add(ledger["learning"], "micro_op", counted["threshold_updates"])


def _delivery(events: dict[str, int], counted: Mapping[str, int]) -> None:
    graded = counted["multiplications"]
    _add(events, "axon_event", counted["axon_events"])
    _add(events, "synaptic_event", counted["synaptic_events"] - graded)
    _add(events, "synaptic_event_graded", graded)


def _history(events: dict[str, int], counted: Mapping[str, int]) -> None:
    for name, count in counted.items():
        _add(events, name.removesuffix("s"), count)


def _lines(events: dict[str, int], c: ConnectionPlan, rows: list[dict[str, Any]]) -> None:
    tables = {line.ordinal for line in c.program.lines if line.form == "table"}
    for ordinal, row in enumerate(rows):
        if c.program.engine != "fixed":
            _add(events, "micro_op", row["done"])
        _add(events, "random_draw", row["draws"])
        if ordinal in tables:
            _add(events, "table_lookup", row["done"])
        stored = _update(c.program.register(row["target"]))
        if stored:
            _add(events, stored, row["done"])


def _update(register: BoundRegister) -> str | None:
    """The event of a write into a register; None for a temp, which no memory holds."""
    if register.is_weight:
        return "weight_update"
    if register.temp:
        return None
    return "tag_update" if register.owner == "syn" else "trace_update"


def _add(events: dict[str, int], event: str, count: int) -> None:
    if count:
        events[event] = events.get(event, 0) + count


def _ordered(events: dict[str, int]) -> dict[str, int]:
    return {event: events[event] for event in EVENTS if event in events}
