"""The summary of a run: everything that a report shows, as one JSON-able dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chipsim.energy import add_counts, price
from chipsim.errors import LimitError
from chipsim.ledger.core import REST, core_operation, core_summary
from chipsim.ledger.cost import Shape, cost
from chipsim.ledger.counts import event_counts, line_rows, synaptic_formats
from chipsim.ledger.memory import memory_items, state_bytes
from chipsim.ledger.neurobench import plasticity
from chipsim.ledger.reckon import core_notes, weight_writes
from chipsim.mapping.fit import fit
from chipsim.microcode.bind import Use
from chipsim.microcode.program import COUNTS, Note
from chipsim.microcode.verify import verify
from chipsim.plan import DECAY_FRAC, CircuitPlan, ConnectionPlan, LayerPlan, Plan
from chipsim.state import LAYER_COUNTS
from chipsim.state_circuits import circuit_counts
from chipsim.version import __version__

ONE = 1 << DECAY_FRAC
WRITES = {"readout": "class errors, third factor", "error": "own errors"}  # of a circuit
CORES = 256  # listed of a mapping
VERIFIED = ("sticking", "dead")  # the verifier's notes that a report repeats


def summary(
    plan: Plan,
    chip: Any,
    state: Mapping[str, np.ndarray],
    *,
    accuracy: Mapping[str, float | None] | None = None,
    controls: Mapping[str, Mapping[str, float | None]] | None = None,
    experiment: str | None = None,
    activity: Iterable[Mapping[str, Any]] | None = None,
    evaluation: Mapping[str, np.ndarray] | None = None,
    memory_bytes: int | None = None,
    profile: str | None = None,
    notes: Iterable[Mapping[str, Any]] = (),
    shape: Shape | None = None,
    neurobench: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The summary that `report.text.text_report` prints (its docstring is the contract).

    state         counters and weights of what ran: ledger, energy, writes, weights at their limits
    accuracy, controls, experiment   as in the contract; left out where None
    activity      rows of `ledger.activity`
    evaluation    counters of `Simulator.evaluate`; kept apart from the ledger, as {purpose: {event:
                  count}} under "evaluation" of each layer
    memory_bytes  default: the bytes of the state's arrays
    profile       energy profile of the chip (default: the chip's own choice)
    notes         further {"place", "kind", "line", "text"}
    shape         samples and steps behind state and evaluation: adds cost per sample, mapping, plasticity
    neurobench    metrics of `ledger.neurobench`
    Raises SettingError for a profile that the chip does not have.
    """
    events = event_counts(plan, state)
    programs = [c.program for c in plan.connections if c.program]
    out: dict[str, Any] = {
        "experiment": experiment,
        "rule": ", ".join(dict.fromkeys(p.name for p in programs))
        or (plan.reckon and plan.reckon.rule)
        or None,
        "noise": ", ".join(dict.fromkeys(c.noise for c in plan.connections if c.program))
        or chip.noise_default,
        "version": __version__,
        "seed": plan.seed,
        "chip": {"name": chip.name, "fidelity": chip.fidelity, "engine": _engine(plan, chip)},
        "memory_bytes": state_bytes(state) if memory_bytes is None else int(memory_bytes),
        "accuracy": None if accuracy is None else dict(accuracy),
        "controls": None if controls is None else {name: dict(row) for name, row in controls.items()},
        "layers": _layers(plan, events, activity, evaluation),
        "core": core_summary(plan, state),
        "memory": memory_items(plan),
        "energy": price(
            add_counts(events.values()),
            chip,
            profile,
            formats=synaptic_formats(plan, state),
            operation=core_operation(plan, chip, state, profile),
        ).to_dict(),
        "writes": writes(plan, state),
        "weights": rails(plan, state),
        "notes": [*plan_notes(plan), *(core_notes(plan, state) if plan.reckon else ()), *map(dict, notes)],
        "neurobench": None if neurobench is None else dict(neurobench),
    }
    if shape is not None:
        out |= _costs(plan, chip, state, evaluation, out, shape, profile)
    return {key: value for key, value in out.items() if value is not None}


def _costs(plan, chip, state, evaluation, out, shape: Shape, profile) -> dict[str, Any]:
    """Sections that need to know how many samples were behind the counts."""
    mapping = mapped(plan, chip)
    placed = replace(
        shape, dt_ms=plan.dt_ms, chips=mapping.get("chips") or 1, cores=mapping.get("cores") or 0
    )
    counted = [
        None if s is None else (add_counts(event_counts(plan, s).values()), synaptic_formats(plan, s))
        for s in (state, evaluation)
    ]
    accuracy = (out.get("accuracy") or {}).get("test")
    return {
        "energy": price(
            counted[0][0], chip, profile, formats=counted[0][1], operation=placed.operation(shape.learned)
        ).to_dict(),
        "mapping": mapping,
        "cost": cost(chip, counted[0], counted[1], placed, accuracy, profile),
        "plasticity": plasticity(out, shape.learned),
    }


def mapped(plan: Plan, chip: Any) -> dict[str, Any]:
    """The fit of a plan, without its remedies; of many cores only the first are listed."""
    try:
        made = fit(plan, chip, remedies=False)
    except LimitError as error:
        return {"fits": False, "reason": error.text(), "cores": None, "chips": None}
    made["cores_listed"] = min(len(made["cores_used"]), CORES)
    made["cores_used"] = made["cores_used"][:CORES]
    return made


def _engine(plan: Plan, chip: Any) -> str:
    return plan.engine if plan.engine == chip.engine else f"{plan.engine} (not executable on this engine)"


def _layers(plan: Plan, events: Mapping[str, Any], activity: Any, evaluation: Any) -> list[dict[str, Any]]:
    alive = {row["name"]: {k: v for k, v in row.items() if k != "name"} for row in activity or ()}
    evaluated = event_counts(plan, evaluation) if evaluation is not None else {}
    rows = []
    for x in plan.layers:
        row: dict[str, Any] = {"name": x.name, "size": x.size}
        for key, values in (("ledger", events), ("activity", alive), ("evaluation", evaluated)):
            if x.name in values:
                row[key] = values[x.name]
        rows.append(row)
    if REST in events:
        unused = plan.core.size - sum(x.size for x in plan.layers if x.kind == "lif")
        rows.append({"name": REST, "size": unused, "ledger": events[REST]})
    return rows


# ---------------------------------------------------------------- writes and weights


def writes(plan: Plan, state: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Rows of the table of writes: the lines of each rule, then what each layer limits."""
    rows: list[dict[str, Any]] = []
    for c in plan.connections:
        rows += _line_writes(c, state) if c.program else []
    if plan.reckon is not None:
        rows += _core_writes(plan, state)
    for x in plan.layers:
        # a core's membranes saturate where they have just fired, or rest at 0: nothing is lost there
        counted = x.kind in ("lif", "integrator") and plan.core is None
        rows += _neuron_writes(x, state) if counted else []
        if x.circuit is not None and plan.circuits[x.circuit].kind not in ("reward", "pool"):
            rows.append(_circuit_writes(x, plan.circuits[x.circuit], state))
    return rows


def _line_writes(c: ConnectionPlan, state: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    rows, lines = [], len(c.program.lines)
    for k, row in enumerate(line_rows(c, state)):
        rounding = c.program.register(row["target"]).rounding if k < lines else ""
        if k >= lines and c.program.sums is not None:
            rounding = c.program.sums.rounding
        rows.append(
            {"place": c.name, "name": row["text"], "rounding": rounding, **{key: row[key] for key in COUNTS}}
        )
    return rows


def _core_writes(plan: Plan, state: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Stochastic steps of the weights of a fixed engine."""
    return [
        {"place": name, "name": "w", "rounding": "stochastic", "done": row["evaluated"], "wrapped": 0}
        | {key: row[key] for key in ("skipped", "draws", "saturated", "rounded_to_zero", "changed")}
        for name, row in weight_writes(plan, state).items()
    ]


def _neuron_writes(x: LayerPlan, state: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Summed input, u and v of a layer: how often each was limited, of all neuron updates."""
    counted = dict(zip(LAYER_COUNTS, state[f"l{x.index}_stat"].tolist(), strict=True))
    done = counted["updates_active"] + counted["updates_inactive"]
    stochastic = x.decay_rounding == "stochastic"
    states = [("input", "saturate", counted["input_limited"], False)]
    if x.k_u is not None:
        states.append(("u", x.u_overflow, counted["u_limited"], x.k_u != ONE))
    states.append(("v", x.v_overflow, counted["v_limited"], x.leak == "multiply" and x.k_v != ONE))
    return [
        {
            "place": x.name,
            "name": name,
            "rounding": x.decay_rounding if rounds else "",
            "done": done,
            "draws": done if rounds and stochastic else 0,
            "saturated": limited if overflow == "saturate" else 0,
            "wrapped": limited if overflow == "wrap" else 0,
        }
        for name, overflow, limited, rounds in states
    ]


def _circuit_writes(x: LayerPlan, k: CircuitPlan, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Errors and signals of a circuit: every error is one addition beyond the products."""
    counted = dict(zip(circuit_counts(k), state[f"k{k.index}_stat"].tolist(), strict=True))
    done = counted["additions"] - counted["multiplications"] + counted["draws"]
    return {
        "place": x.name,
        "name": WRITES.get(k.kind, "third factor"),
        "rounding": k.rounding if k.kind != "error" else "",
        "done": max(done, counted["limited"]),
        "draws": counted["draws"],
        "saturated": counted["limited"],
        "wrapped": 0,
    }


def rails(plan: Plan, state: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Shares of the weights at w_min and w_max, of every connection whose rule writes weights."""
    rows = []
    for c in plan.connections:
        w = state[f"c{c.index}_w"]
        learns = plan.reckon is not None or (c.program is not None and c.program.weight is not None)
        if not learns or not w.size:
            continue
        scale = float(c.weight.lsb) if w.dtype.kind == "f" else 1  # the twin's weights are real
        at = {"at_min": c.w_lo * scale, "at_max": c.w_hi * scale}
        rows.append({"place": c.name, **{key: float(np.mean(w == limit)) for key, limit in at.items()}})
    return rows


# ---------------------------------------------------------------- notes


def plan_notes(plan: Plan) -> list[dict[str, Any]]:
    """Notes of binder, lowering, verifier and plan with their places; equal ones become one."""
    places: dict[Note, list[str]] = {}
    bound = [note for c in plan.connections if c.program for note in c.program.notes]
    for c in plan.connections:
        for note in _rule_notes(plan, c) if c.program else ():
            places.setdefault(note, []).append(c.name)
    for note in plan.notes:
        if note in bound:
            continue
        named = [*plan.connections, *plan.layers]
        name = next((x.name for x in named if note.text.startswith(f"{x.name}: ")), "")
        text = note.text[len(name) + 2 :] if name else note.text
        places.setdefault(Note(note.kind, note.line, text), []).append(name or "network")
    return [
        {"place": ", ".join(dict.fromkeys(where)), "kind": note.kind, "line": note.line, "text": note.text}
        for note, where in places.items()
    ]


def _rule_notes(plan: Plan, c: ConnectionPlan) -> list[Note]:
    found = list(c.program.notes)
    if c.program.lines:
        use = Use(
            weight=c.weight,
            w_lo=c.w_lo,
            w_hi=c.w_hi,
            v=plan.layers[c.post].v_fmt,
            n_pre=c.n_pre,
            n_post=c.n_post,
            contexts=plan.contexts,
            positions=c.conv.positions if c.conv else 1,
            shared=c.conv is not None,
        )
        found += [note for note in verify(c.program, use) if note.kind in VERIFIED]
    return list(dict.fromkeys(found))
