"""Used, limit and share of every resource of a chip; which limit binds, what is unchecked, what helps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chipsim.errors import LimitError
from chipsim.mapping.packing import packing_of
from chipsim.mapping.partition import Partition, partition
from chipsim.mapping.place import MOST, Placement, cores_per_chip, place
from chipsim.mapping.traffic import expected, traffic
from chipsim.plan import Plan

RESOURCES = (
    ("neurons", "neurons", "limits", "neurons_per_core"),
    ("axons_in", "input axon slots", "limits", "axons_in_per_core"),
    ("axons_out", "output axons", "limits", "axons_out_per_core"),
    ("synapse_bits", "synapse memory, bits", "limits", "synapse_bits_per_core"),
    ("state_bits", "neuron state, bits", "memory", "state_bits_per_core"),
    ("trace_bits", "traces of rules, bits", "", ""),
    ("words", "microcode, words", "memory", "program_words"),
)
TRIED = 3_000_000  # synapses up to which remedies are tried out


def fit(
    plan: Plan,
    chip: Any,
    *,
    share: bool = True,
    spikes: dict[str, np.ndarray] | None = None,
    remedies: bool = True,
) -> dict[str, Any]:
    """The fit of a plan on a chip as JSON-able data.

    fits       whether everything stated fits; reason says why not
    chips, cores, cores_per_chip, tiles
    resources  [{"resource", "what", "used" (of the fullest core), "total", "limit", "share", "core"}]
    cores_used [{"core", "chip", "x", "y", "layers", and each resource}]
    binds      the resource nearest to its limit; unchecked, remedies: sentences, the cheapest first
    axon_bits  bits of one axon's synapses on its fullest core, by connection
    traffic    messages and hops of one spike of every neuron (or of `spikes`)
    """
    head = {"chip": chip.name, "chip_path": chip.path, "plan_notes": len(plan.notes)}
    try:
        part = partition(plan, chip, share=share)
    except LimitError as error:
        said = {
            "fits": False,
            "reason": error.text(),
            "remedies": _remedies(plan, chip, None, share) if remedies else [],
        }
        return {
            **head,
            **said,
            "resources": [],
            "cores_used": [],
            "unchecked": [],
            "cores": None,
            "chips": None,
        }
    weights = expected(plan, part, spikes) if 1 < part.cores <= MOST else None
    placed = place(part.cores, chip, weights)
    rows, per_core = _resources(part, chip), _cores(plan, part, placed)
    rows += _chip_rows(plan, part, placed, chip)
    over = [row for row in rows if row["share"] is not None and row["share"] > 1]
    return {
        **head,
        "fits": not over,
        "reason": "; ".join(f"{row['used']} {row['what']}, room for {row['limit']}" for row in over),
        "cores": part.cores,
        "chips": placed.chips,
        "cores_per_chip": cores_per_chip(chip),
        "tiles": placed.tiles(),
        "resources": rows,
        "cores_used": per_core,
        "binds": _binds(rows),
        "unchecked": list(part.unchecked) + _chips_unchecked(placed, chip),
        "axon_bits": part.axon_bits,
        "packing": packing_of(chip).layout,
        "placement": {
            "topology": placed.topology,
            "message_hops": placed.cost,
            "message_hops_before": placed.cost_before,
        },
        "traffic": vars(traffic(plan, part, placed, spikes)),
        "remedies": _remedies(plan, chip, (part.cores, bool(over)), share) if remedies else [],
    }


def _limit(chip: Any, table: str, key: str) -> int | None:
    found = getattr(chip, table, None) if table else None
    return None if found is None else getattr(found, key)


def _per_core(part: Partition) -> dict[str, np.ndarray]:
    core = np.array([p.core for p in part.pieces], np.int64)
    return {
        key: np.bincount(core, weights=[getattr(p, key) for p in part.pieces], minlength=part.cores).astype(
            np.int64
        )
        for key, *_ in RESOURCES
    }


def _resources(part: Partition, chip: Any) -> list[dict[str, Any]]:
    rows = []
    for key, what, table, name in RESOURCES:
        values, limit = _per_core(part)[key], _limit(chip, table, name)
        most = int(values.max(initial=0))
        rows.append(
            {
                "resource": key,
                "what": what,
                "used": most,
                "total": int(values.sum()),
                "limit": limit,
                "share": None if not limit else most / limit,
                "core": int(values.argmax()) if len(values) else None,
            }
        )
    return rows


def _chip_rows(plan: Plan, part: Partition, placed: Placement, chip: Any) -> list[dict[str, Any]]:
    """Chips, and memory that the cores of a chip share."""
    noc, memory, rows = chip.noc, chip.memory, []
    most = None if noc is None else noc.chips_max
    if most is None and noc is not None and chip.is_unknown("noc.chips_max"):
        most = None
    rows.append(_row("chips", "chips", placed.chips, most))
    per_chip = cores_per_chip(chip)
    if per_chip is not None:
        last = part.cores - (placed.chips - 1) * per_chip if placed.chips == 1 else per_chip
        rows.append(_row("cores", "cores of the fullest chip", last, per_chip))
    if memory is not None and memory.layout == "rows" and memory.shared_bits:
        bits = np.bincount(
            placed.chip[[p.core for p in part.pieces]], weights=[p.synapse_bits for p in part.pieces]
        )
        rows.append(
            _row(
                "shared_bits", "synapse memory of a chip, bits", int(bits.max(initial=0)), memory.shared_bits
            )
        )
    return rows


def _row(key: str, what: str, used: int, limit: int | None) -> dict[str, Any]:
    share = None if not limit else used / limit
    return {
        "resource": key,
        "what": what,
        "used": used,
        "total": used,
        "limit": limit,
        "share": share,
        "core": None,
    }


def _cores(plan: Plan, part: Partition, placed: Placement) -> list[dict[str, Any]]:
    made = _per_core(part)
    rows = [
        {
            "core": k,
            "chip": int(placed.chip[k]),
            "x": int(placed.x[k]),
            "y": int(placed.y[k]),
            "layers": [],
            **{key: int(values[k]) for key, values in made.items()},
        }
        for k in range(part.cores)
    ]
    for p in part.pieces:
        rows[p.core]["layers"].append({"name": plan.layers[p.layer].name, "first": p.first, "stop": p.stop})
    return rows


def _binds(rows: list[dict[str, Any]]) -> str | None:
    """The resource of a core that is nearest to its limit."""
    stated = [r for r in rows if r["share"] is not None and r["resource"] not in ("chips", "cores")]
    return max(stated, key=lambda r: r["share"])["resource"] if stated else None


def _chips_unchecked(placed: Placement, chip: Any) -> list[str]:
    found = []
    if placed.chips > 1:
        found.append("routes between chips: messages are counted, their hops are not")
        if chip.is_unknown("noc.chips_max"):
            found.append("noc.chips_max: not stated in the chip file")
    if placed.topology != "mesh2d" and placed.chips:
        found.append(f"routes within a chip: topology {placed.topology}, no hops are counted")
    return found


# ---------------------------------------------------------------- what would help


def _remedies(plan: Plan, chip: Any, now: tuple[int, bool] | None, share: bool) -> list[str]:
    """What makes it fit, or saves cores; the smallest change first. Nothing is tried on huge networks."""
    stored = sum(_stored(plan, c) for c in plan.connections)
    if stored > TRIED:
        return []
    found = []
    for said, changed in _changes(plan, chip):
        try:
            part = partition(changed, chip, share=share)
        except LimitError:
            continue
        rows = _resources(part, chip) + _chip_rows(changed, part, place(part.cores, chip), chip)
        over = any(r["share"] is not None and r["share"] > 1 for r in rows)
        if over or (now is not None and not now[1] and part.cores >= now[0]):
            continue
        found.append(f"{said}: {part.cores} core(s)" + (f" instead of {now[0]}" if now else ""))
    return found


def _stored(plan: Plan, c: Any) -> int:
    if c.conv is not None:
        return c.conv.weights
    return len(plan.network.connections[c.index].sparse[1]) if c.sparse else c.n_pre * c.n_post


def _changes(plan: Plan, chip: Any):
    """(what changes, the plan with it), from a small change to a large one."""
    widest = max((c.weight.bits for c in plan.connections), default=0)
    for bits in sorted((b for b in chip.weight.bits if b < widest), reverse=True):
        narrow = [
            replace(c, weight=replace(c.weight, bits=min(bits, c.weight.bits))) for c in plan.connections
        ]
        yield f"weights of {bits} bits instead of {widest}", replace(plan, connections=tuple(narrow))
    if any(c.program for c in plan.connections):
        frozen = tuple(replace(c, program=None) for c in plan.connections)
        yield "without learning (no traces, tags and learning axons)", replace(plan, connections=frozen)
