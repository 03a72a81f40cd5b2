"""NeuroBench's metrics under their exact names, without torch, and chipsim's Plasticity* beside them.

Definitions are those of neurobench 2.3.0 (Yik et al.), taken over one sample at a time:

Footprint            bytes of all parameters and buffers, whole bytes an element
ParameterCount       number of parameters
ConnectionSparsity   zeros among the weights, rounded to 4 decimals; biases ignored
ActivationSparsity   1 - (outputs other than 0) / (all outputs) of spiking layers, neurons, steps, samples
SynapticOperations   per sample: a layer's call counts as ACs if every input is -1, 0 or 1, else as MACs;
                     effective: weight and input other than 0; Dense: all; biases excluded
MembraneUpdates      per sample: all neurons in the first step, then those whose membrane changed
NeuronOperations     MembraneUpdates x 4 operations, and all neurons in all steps x 4 (its table for a leaky
                     neuron)
ClassificationAccuracy   share of right answers

Networks are taken without what serves learning: connections and layers of the error pathway are left out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipsim.ledger.counts import is_error_layer
from chipsim.plan import ConnectionPlan, LayerPlan, Plan
from chipsim.reference import reset
from chipsim.state import storage

LEAKY_OPERATIONS = 4
PLASTICITY = {
    "PlasticityWeightUpdates": "weight_update",
    "PlasticityTraceUpdates": "trace_update",
    "PlasticityTagUpdates": "tag_update",
    "PlasticityMicroOps": "micro_op",
    "PlasticityRandomDraws": "random_draw",
    "PlasticityTableLookups": "table_lookup",
    "PlasticityHistoryWrites": "history_write",
    "PlasticityHistoryReads": "history_read",
}
ERRORS = {
    "PlasticityErrorMessages": ("error_message",),
    "PlasticityErrorOperations": (
        "synaptic_event",
        "synaptic_event_graded",
        "circuit_add",
        "circuit_multiply",
        "circuit_divide",
        "circuit_root",
    ),
}


@dataclass(frozen=True)
class Call:
    """One weight memory and what entered it: fan_out[a] weights other than 0 of axon a, `all_synapses` in
    all; inputs int[samples, steps, axons]."""

    fan_out: np.ndarray
    all_synapses: int
    inputs: np.ndarray


def synaptic_operations(calls: list[Call], samples: int) -> dict[str, float]:
    """{"Effective_MACs", "Effective_ACs", "Dense"} per sample."""
    macs = acs = dense = 0
    for call in calls:
        plain = np.isin(call.inputs, (-1, 0, 1)).all(axis=2)
        work = (call.inputs != 0).astype(np.int64) @ call.fan_out
        acs += int(work[plain].sum())
        macs += int(work[~plain].sum())
        dense += call.all_synapses * call.inputs.shape[0] * call.inputs.shape[1]
    return {"Effective_MACs": macs / samples, "Effective_ACs": acs / samples, "Dense": dense / samples}


def activation_sparsity(spikes: list[np.ndarray]) -> float:
    """Of int[samples, steps, neurons] arrays, one a layer."""
    total = sum(x.size for x in spikes)
    return 1 - sum(int(np.count_nonzero(x)) for x in spikes) / total if total else 0.0


def membrane_updates(membranes: list[np.ndarray]) -> float:
    """Per sample, of arrays [samples, steps, neurons], one a layer."""
    samples = len(membranes[0]) if membranes else 1
    changed = sum(int(np.count_nonzero(np.diff(x, axis=1))) for x in membranes)
    return (sum(x.shape[0] * x.shape[2] for x in membranes) + changed) / samples


def connection_sparsity(weights: list[np.ndarray]) -> float:
    """Zeros among all weights, rounded to 4 decimals."""
    total = sum(w.size for w in weights)
    return round(sum(int((w == 0).sum()) for w in weights) / total, 4) if total else 0.0


def neurobench(
    sim: Any,
    events: Any,
    *,
    accuracy: float | None = None,
    samples: int = 4,
    parameter_bytes: int | None = None,
    biases: tuple[str, ...] = (),
    buffers: int = 0,
) -> dict[str, Any]:
    """The metrics of a simulator on its first samples (on a copy: nothing of it changes).

    sim              a `Simulator`, events what it takes
    accuracy         of the run that is reported, for ClassificationAccuracy
    parameter_bytes  bytes of a parameter and of a buffer; default: the narrowest whole bytes of each weight
    biases           layers whose biases count as parameters
    buffers          further numbers that Footprint counts
    """
    plan = sim.plan
    recorded = _record(sim, events, samples)
    layers = [x for x in plan.layers if x.kind in ("lif", "integrator") and not is_error_layer(plan, x)]
    links = [c for c in plan.connections if c.purpose == "inference" and plan.layers[c.post] in layers]
    weights = [sim.state[f"c{c.index}_w"] for c in links]
    n = len(next(iter(recorded["spikes"].values())))
    calls = [_call(plan, c, sim.state, recorded["spikes"][plan.layers[c.pre].name]) for c in links]
    membranes = [recorded["v"][x.name] for x in layers]
    counted = [sum(plan.layer(name).size for name in biases), buffers]
    bits = [
        w.size * (parameter_bytes or storage(c.weight).itemsize) for w, c in zip(weights, links, strict=True)
    ]
    updates, steps = membrane_updates(membranes), membranes[0].shape[1]
    out = {
        "Footprint": sum(bits) + sum(counted) * (parameter_bytes or 4),
        "ConnectionSparsity": connection_sparsity(weights),
        "ParameterCount": sum(w.size for w in weights) + counted[0],
        "ActivationSparsity": activation_sparsity(
            [recorded["spikes"][x.name] for x in layers if x.kind == "lif"]
        ),
        "SynapticOperations": synaptic_operations(calls, n),
        "MembraneUpdates": updates,
        "NeuronOperations": {
            "Effective Neuron Ops": LEAKY_OPERATIONS * updates,
            "Neuron Dense Ops": float(LEAKY_OPERATIONS * steps * sum(x.size for x in layers)),
        },
    }
    return out | ({} if accuracy is None else {"ClassificationAccuracy": accuracy})


def plasticity(summary: Mapping[str, Any], learned: int) -> dict[str, float]:
    """What learning did per learned sample, and PlasticityStateBits that it keeps, from a run's summary."""
    total: dict[str, dict[str, int]] = {"learning": {}, "error": {}}
    for layer in summary.get("layers", ()):
        for purpose in total:
            for event, count in layer.get("ledger", {}).get(purpose, {}).items():
                total[purpose][event] = total[purpose].get(event, 0) + count
    each = max(1, learned)
    out = {name: total["learning"].get(event, 0) / each for name, event in PLASTICITY.items()}
    out |= {name: sum(total["error"].get(e, 0) for e in events) / each for name, events in ERRORS.items()}
    writes = [row for row in summary.get("writes", ()) if "changed" in row]
    for name, key in (
        ("Skipped", "skipped"),
        ("Saturated", "saturated"),
        ("RoundedToZero", "rounded_to_zero"),
    ):
        out[f"Plasticity{name}"] = sum(row.get(key, 0) for row in writes) / each
    kept = ("traces", "tags", "history")
    bits = sum(x["count"] * x["bits_each"] for x in summary.get("memory", ()) if x["purpose"] in kept)
    return out | {"PlasticityStateBits": bits}


# ---------------------------------------------------------------- recording


def _record(sim: Any, events: Any, samples: int) -> dict[str, dict[str, np.ndarray]]:
    """{"spikes", "v"}: {layer: int[samples, steps, size]} of the first samples, learning off."""
    plan, b = sim.plan, sim.plan.contexts
    given = events if isinstance(events, Mapping) else {_source(plan).name: events}
    count = min(min(e.samples for e in given.values()), max(samples, b)) // b * b
    layers = [x for x in plan.layers if x.kind != "source"]
    out: dict[str, dict[str, list]] = {"spikes": {}, "v": {}}
    for lo in range(0, count, b):
        run = _fresh(sim)
        part = {name: e.slice(lo, lo + b) for name, e in given.items()}
        names = [(kind, x.name) for x in layers for kind in ("spikes", "v") if _has(run, x, kind)]
        run.probe(*(f"{name}.{kind}" for kind, name in names))
        run.run(part if isinstance(events, Mapping) else part[_source(plan).name], learn=False)
        for kind, name in names:
            rows = np.array([np.atleast_2d(row) for row in run.probes[f"{name}.{kind}"]])
            out[kind].setdefault(name, []).append(np.moveaxis(rows, 0, 1))
        for name, e in part.items():
            out["spikes"].setdefault(name, []).append(e.to_dense())
    return {kind: {k: np.concatenate(v) for k, v in rows.items()} for kind, rows in out.items()}


def _source(plan: Plan) -> LayerPlan:
    return next(x for x in plan.layers if x.kind == "source")


def _fresh(sim: Any) -> Any:
    run = copy.copy(sim)
    state = {name: array.copy() for name, array in sim.state.items()}
    reset(sim.plan, state, True)
    run.restore({"ts": np.zeros(1, np.int64), **state})
    run.probes = {}
    return run


def _has(sim: Any, x: LayerPlan, kind: str) -> bool:
    return f"l{x.index}_{'fired' if kind == 'spikes' else 'v'}" in sim.state


def _call(plan: Plan, c: ConnectionPlan, state: Mapping[str, np.ndarray], spikes: np.ndarray) -> Call:
    """Inputs as they arrive: later by the connection's delay, the last ones after the sample's end."""
    late = c.lookback
    arrived = np.zeros_like(spikes)
    arrived[:, late:] = spikes[:, : spikes.shape[1] - late]
    w = state[f"c{c.index}_w"]
    if c.conv is not None:
        places = [list(c.conv.places(a)) for a in range(c.n_pre)]
        flat = w.ravel()
        fan_out = np.array([sum(flat[k] != 0 for _, k in row) for row in places], np.int64)
        return Call(fan_out, sum(map(len, places)), arrived)
    if c.sparse:
        indptr = np.asarray(plan.network.connections[c.index].sparse[0])
        pre = np.repeat(np.arange(c.n_pre), np.diff(indptr))
        return Call(np.bincount(pre, weights=w != 0, minlength=c.n_pre).astype(np.int64), w.size, arrived)
    return Call((w != 0).sum(axis=1).astype(np.int64), w.size, arrived)
