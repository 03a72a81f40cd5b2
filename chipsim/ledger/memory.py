"""Memory: bits on the chip by what they are for, and bytes on this computer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.errors import LimitError
from chipsim.ledger.core import PAR_BITS, STATE_BITS
from chipsim.ledger.reckon import core_memory
from chipsim.plan import CircuitPlan, ConnectionPlan, LayerPlan, Plan
from chipsim.state import CONNECTION_COUNTS, LAYER_COUNTS, index_type, storage
from chipsim.state_circuits import MORE_CIRCUIT_COUNTS

MATRICES = "readout and feedback matrices"
SOFTMAX_ENTRIES, SOFTMAX_BITS = 256, 16  # exp(-i/16) of a softmax readout
TRIGGER_BITS = 16  # thresholds of 0 to 1.0 in 1/256 of an error's LSB
MAKING = 32  # bytes per synapse that making a weight memory takes for a moment (measured)
MEGABYTE = 1_000_000

Item = dict[str, Any]


def synapses(plan: Plan, c: ConnectionPlan) -> int:
    """Stored weights of a connection."""
    if c.conv is not None:
        return c.conv.weights
    return len(plan.network.connections[c.index].sparse[1]) if c.sparse else c.n_pre * c.n_post


# ---------------------------------------------------------------- on the chip


def memory_items(plan: Plan) -> list[Item]:
    """What a chip stores, as [{"purpose", "what", "count", "bits_each"}] for `report.memory_ledger`.

    Widths are the declared formats, not this computer's. Per-context state counts once per context.
    Temps, constants and the program are left out; thresholds count where homeostasis moves them
    neuron by neuron, accumulators where they hold a value from one step to the next.
    """
    if plan.reckon is not None:
        return core_memory(plan)
    items: list[Item] = []
    for c in plan.connections:
        items += _synaptic(plan, c)
        items += _registers(plan, c)
        items += _tables(c)
        items += _history(plan, c)
    for layer in plan.layers:
        items += _neuron_state(plan, layer)
    for k in plan.circuits:
        items += _circuit(plan, k)
    items += _errors(plan)
    if any(k.error in ("softmax", "sign") and k.judged >= 0 or k.kind == "contrast" for k in plan.circuits):
        items.append(_item("tables", "exponentials of the softmax error", SOFTMAX_ENTRIES, SOFTMAX_BITS))
    return [item for item in items if item["count"] and item["bits_each"]]


def _item(purpose: str, what: str, count: int, bits: int) -> Item:
    return {"purpose": purpose, "what": what, "count": int(count), "bits_each": int(bits)}


def _synaptic(plan: Plan, c: ConnectionPlan) -> list[Item]:
    """Weights, target numbers of a sparse connection, delays of its synapses."""
    purpose, n = "weights" if c.purpose == "inference" else MATRICES, synapses(plan, c)
    items = [_item(purpose, f"{c.name} weights", n, c.weight.bits)]
    if c.sparse:
        items.append(_item(purpose, f"{c.name} targets", n, (c.n_post - 1).bit_length()))
    if c.synapse_delays:
        longest = int(plan.network.connections[c.index].delays.max())
        items.append(_item(purpose, f"{c.name} delays", n, longest.bit_length()))
    return items


def _registers(plan: Plan, c: ConnectionPlan) -> list[Item]:
    sizes = {"pre": c.n_pre, "post": c.n_post, "layer": 1, "syn": synapses(plan, c)}
    items = []
    for r in c.program.registers if c.program else ():
        if r.temp or r.is_weight:
            continue
        copies = plan.contexts if r.per_context or r.owner in ("pre", "post") else 1
        purpose = "tags" if r.owner == "syn" else "traces"
        items.append(_item(purpose, f"{c.name} {r.name}", sizes[r.owner] * copies, r.fmt.bits))
    return items


def _history(plan: Plan, c: ConnectionPlan) -> list[Item]:
    """What a rule stores of every step of a sample; spikes of axons too, connection by connection."""
    sizes = {"pre": c.n_pre, "post": c.n_post}
    return [
        _item("history", f"{c.name} {x.name}", sizes[x.owner] * plan.contexts * c.program.depth, x.fmt.bits)
        for x in (c.program.stored if c.program else ())
    ]


def _errors(plan: Plan) -> list[Item]:
    """Class errors, and rewards, of every step that a replay goes back to."""
    items, replay = [], plan.replay
    for index in replay.layers if replay else ():
        layer = plan.layers[index]
        if layer.circuit is None:
            continue
        k = plan.circuits[layer.circuit]
        if k.kind == "reward" or (k.index in replay.errors and k.index not in replay.held):
            each = 1 if k.kind == "reward" else plan.layers[k.judged].size
            what = "rewards" if k.kind == "reward" else "class errors"
            count = each * plan.contexts * replay.depth
            items.append(_item("history", f"{layer.name} {what}", count, k.error_fmt.bits))
    return items


def _tables(c: ConnectionPlan) -> list[Item]:
    items = []
    for t in c.program.tables if c.program else ():
        items.append(_item("tables", f"{c.name} {t.name} values", len(t.values), t.fmt.bits))
        items.append(
            _item("tables", f"{c.name} {t.name} breakpoints", len(t.breakpoints), t.argument_fmt.bits)
        )
    return items


def _neuron_state(plan: Plan, x: LayerPlan) -> list[Item]:
    n, what = x.size * plan.contexts, "neuron state"
    # a spike waits in the ring for connections with a delay
    items = [_item(what, f"{x.name} delayed spikes", n * (x.history - 1 - x.kept), x.payload_bits)]
    if x.kind == "source":
        return items
    if x.kind == "pool":  # windows keep nothing from one step to the next
        return items + _third_factor(plan, x, n)
    items.append(_item(what, f"{x.name} v", n, x.v_fmt.bits))
    if plan.core is not None:
        items += [_item(what, f"{x.name} {name}", n, bits) for name, bits in STATE_BITS.items()]
        items.append(_item(what, f"{x.name} parameters", n, sum(PAR_BITS.values())))
    if x.k_u is not None:
        items.append(_item(what, f"{x.name} u", n, x.u_fmt.bits))
    if x.refractory:
        items.append(_item(what, f"{x.name} refractory", n, x.refractory.bit_length()))
    if x.ring > 1 or plan.phases.index("fire") < plan.phases.index("deliver"):
        items.append(_item(what, f"{x.name} accumulator", n * x.ring, x.u_fmt.bits))
    items += _third_factor(plan, x, n)
    if x.homeo_up or x.homeo_down:
        items.append(_item("thresholds", x.name, x.size, x.v_fmt.bits))
    return items


def _third_factor(plan: Plan, x: LayerPlan, n: int) -> list[Item]:
    if x.circuit is None:
        return []
    bits = plan.circuits[x.circuit].signal_fmt.bits
    return [_item("neuron state", f"{x.name} third factor", *_signals(plan, x, n), bits)]


def _circuit(plan: Plan, k: CircuitPlan) -> list[Item]:
    """What a circuit keeps from one update instant to the next."""
    items, name = [], plan.layers[k.layer].name
    if k.copy_every:
        c = plan.connections[k.connection]
        items.append(_item(MATRICES, f"{name} copy of {c.name}", synapses(plan, c), c.weight.bits))
        items.append(_item(MATRICES, f"{name} age of the copy", 1, (k.copy_every - 1).bit_length()))
    if k.kind == "contrast":
        pairs, total = k.inputs * k.targets, 2 * k.source_fmt.bits + plan.layers[k.layer].size.bit_length()
        items.append(_item(MATRICES, f"{name} products of two paths", pairs, total))
        items.append(_item(MATRICES, f"{name} coefficients", pairs, k.error_fmt.bits))
    if k.trigger is not None:
        items.append(_item("thresholds", f"{name} error trigger", 1, TRIGGER_BITS))
    return items


def _signals(plan: Plan, x: LayerPlan, n: int) -> tuple[int]:
    """A reward is one number per context, every other third factor one per neuron."""
    return (plan.contexts if plan.circuits[x.circuit].kind == "reward" else n,)


# ---------------------------------------------------------------- on this computer


def memory_needed(plan: Plan, *, copies: int = 1) -> int:
    """Bytes that a state of this plan takes on this computer, estimated before it is made.

    copies   states of neurons and registers at a time (threads of an evaluation); weights are shared.
    Includes what making the largest weight memory takes for a moment. Data is not included.
    """
    weights = sum(_weight_bytes(plan, c) for c in plan.connections)
    registers = sum(_register_bytes(plan, c) for c in plan.connections)
    neurons = sum(_layer_bytes(plan, x) for x in plan.layers)
    counters = 8 * (1 + len(MORE_CIRCUIT_COUNTS) * len(plan.circuits))
    counters += sum(4 * item["count"] for item in _errors(plan))
    weights += sum(_weight_bytes(plan, plan.connections[k.connection]) for k in plan.circuits if k.copy_every)
    peak = max((MAKING * synapses(plan, c) for c in plan.connections), default=0)
    return weights + copies * (registers + neurons) + counters + peak


def _weight_bytes(plan: Plan, c: ConnectionPlan) -> int:
    n = synapses(plan, c)
    each = storage(c.weight).itemsize + c.synapse_delays
    if not c.sparse:
        return n * each
    # targets, and for the columns the axon and the rank of each synapse
    each += 2 * index_type(c.n_post).itemsize + index_type(c.n_pre).itemsize
    return n * each + 8 * (c.n_pre + c.n_post + 2)


def _register_bytes(plan: Plan, c: ConnectionPlan) -> int:
    total = 8 * len(CONNECTION_COUNTS) + (c.conv.weights * storage(c.weight).itemsize if c.conv else 0)
    if c.program is None:
        return total
    sizes = {"pre": c.n_pre, "post": c.n_post, "layer": 1, "syn": synapses(plan, c)}
    for r in c.program.registers:
        if not r.is_weight:
            copies = plan.contexts if r.temp or r.per_context or r.owner in ("pre", "post") else 1
            total += sizes[r.owner] * copies * storage(r.fmt).itemsize
    if c.conv is not None:  # sums over places in three lanes, numbers and bits of places
        total += 32 * c.conv.weights + 8 * (c.conv.rows * (plan.contexts + 1) + c.n_post)
    for x in c.program.stored:
        if getattr(x, "source", "") != "pre.spike":  # these stand in the pre layer's ring
            total += sizes[x.owner] * plan.contexts * c.program.depth * storage(x.fmt).itemsize
    # work arrays of the kernels: words and lists per axon and neuron, 64-bit lanes at most
    total += 40 * (c.n_pre + c.n_post) * plan.contexts
    return total + (4 * synapses(plan, c) if c.noise == "lfsr" else 0)


def _layer_bytes(plan: Plan, x: LayerPlan) -> int:
    n = x.size * plan.contexts
    total = x.history * (n * (6 if x.payload_bits > 1 else 4) + 4 * plan.contexts) + 8 * len(LAYER_COUNTS)
    if x.kind == "source":
        return total
    if x.kind == "pool":  # and the window of each neuron below
        return total + n * (5 + 4 * (x.circuit is not None)) + 4 * plan.layers[x.below].size
    each = 4 + 4 + 1 + 4 + 4 * (x.k_u is not None) + 2 * bool(x.refractory) + 4 * (x.circuit is not None)
    return total + n * (each + x.ring * (8 if x.acc_wide else 4)) + 16 * x.size


def check_memory(plan: Plan, events_bytes: int = 0, *, copies: int = 1) -> None:
    """Refuse a run that would not fit this computer's free memory; says nothing where that is unknown.

    events_bytes  what the data takes besides. Raises LimitError with both numbers.
    """
    needed, free = memory_needed(plan, copies=copies) + events_bytes, free_memory()
    if free is None or needed <= free:
        return
    largest = max(plan.connections, key=lambda c: synapses(plan, c), default=None)
    place = (
        f"; its largest connection is {largest.name}, {synapses(plan, largest)} synapses" if largest else ""
    )
    raise LimitError(
        f"the run needs about {needed // MEGABYTE} MB of memory, this computer has "
        f"{free // MEGABYTE} MB free{place}",
        remedy="use a smaller or sparse network, fewer contexts, or fewer samples at a time",
    )


def free_memory() -> int | None:
    """Bytes that this computer can still give, or None where it does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def state_bytes(state: dict[str, np.ndarray]) -> int:
    """Bytes of all arrays of a state."""
    return sum(array.nbytes for array in state.values())
