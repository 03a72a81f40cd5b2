"""The arrays of the circuits of phase 7: errors, thresholds, stored copies."""

from __future__ import annotations

import numpy as np

from chipsim.plan import CircuitPlan, Plan

CIRCUIT_COUNTS = ("messages", "additions", "multiplications", "divisions", "lookups", "draws", "limited")
# what a readout or reward without trigger does not count
MORE_CIRCUIT_COUNTS = (*CIRCUIT_COUNTS, "triggered", "roots", "copied")


def circuit_counts(k: CircuitPlan) -> tuple[str, ...]:
    """Names of the counters of a circuit, in the order of its `_stat`."""
    plain = k.kind in ("readout", "reward") and k.trigger is None
    return CIRCUIT_COUNTS if plain else MORE_CIRCUIT_COUNTS


def circuit_arrays(state: dict[str, np.ndarray], k: CircuitPlan, plan: Plan) -> None:
    """Add one circuit's arrays to a state that holds the weights already."""
    p, b = f"k{k.index}_", plan.contexts
    state[p + "stat"] = np.zeros(len(circuit_counts(k)), np.int64)
    if k.judged >= 0 or k.kind == "reward":
        classes = plan.layers[k.judged].size if k.judged >= 0 else 1
        state[p + "err"] = np.zeros((b, classes), np.int32)
        state[p + "shift"] = np.array([k.shift], np.int64)
    if k.kind == "contrast":
        for name, dtype in (("z", np.int64), ("y", np.int32), ("G", np.int32)):
            state[p + name] = np.zeros((k.inputs, k.targets), dtype)
        state[p + "shift"] = np.array([k.shift, k.shift_d], np.int64)
    if k.trigger is not None:
        state[p + "thr"] = np.array([k.trigger.start], np.int64)
    if k.copy_every:
        state[p + "copy"] = state[f"c{k.connection}_w"].copy()
        state[p + "age"] = np.zeros(1, np.int64)
