"""How alive each layer is: neurons that never fire, spikes per step, surrogates that are never seen."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from chipsim.microcode.program import BoundRegister
from chipsim.plan import ConnectionPlan, Plan
from chipsim.reference import reset


def activity(
    plan: Plan, outs: Mapping[str, Any], n_steps: int, *, surrogates: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """One row per spiking layer: {"name", "silent_share", "spikes_per_neuron_step", "surrogate_share"}.

    outs        what `Simulator.evaluate` or `present` returned: int32[samples, size] spike counts
    n_steps     steps of a sample
    surrogates  shares by layer of `surrogate_shares`; None where it was not asked for
    Shares are 0..1; silent is a neuron that fired in none of the samples. Without samples: None.
    """
    rows = []
    for x in plan.layers:
        counts = outs["counts"].get(x.name)
        if x.kind != "lif" or counts is None:
            continue
        some = len(counts) > 0
        rows.append(
            {
                "name": x.name,
                "silent_share": float(np.mean(~np.any(counts > 0, axis=0))) if some else None,
                "spikes_per_neuron_step": float(np.mean(counts, dtype=np.float64) / n_steps)
                if some
                else None,
                "surrogate_share": (surrogates or {}).get(x.name),
            }
        )
    return rows


def surrogate_shares(sim: Any, events: Any, samples: int = 4) -> dict[str, float]:
    """Share of (neuron, step) pairs whose surrogate is not 0, by layer, over the first few samples.

    A surrogate is a neuron register that a rule reads from a table in on_membrane. `sim` is a
    `Simulator`, `events` what it takes; the samples run on a copy, so nothing of it changes. Layers
    whose rules have no surrogate are left out; the largest share counts where several have one.
    """
    names = {f"{c.name}.{r.name}": c for c in sim.plan.connections for r in surrogate_registers(c)}
    if not names:
        return {}
    b = sim.plan.contexts
    total = dict.fromkeys(names, 0.0)
    groups = range(0, min(_samples(events), max(samples, b)) - b + 1, b)
    run = copy.copy(sim)
    for first in groups:
        state = {name: array.copy() for name, array in sim.state.items()}
        reset(sim.plan, state, True)
        run.restore({"ts": np.zeros(1, np.int64), **state})
        run.probes = {}
        run.probe(*names)
        run.run(_slice(events, first, first + b), learn=True)
        for name in names:
            total[name] += float(np.mean(np.array(run.probes[name]) != 0))
    shares: dict[str, float] = {}
    for name, c in names.items():
        layer = sim.plan.layers[c.post].name
        if len(groups):
            shares[layer] = max(shares.get(layer, 0.0), total[name] / len(groups))
    return shares


def surrogate_registers(c: ConnectionPlan) -> list[BoundRegister]:
    """Stored neuron registers that a connection's rule reads from a table in on_membrane."""
    lines = c.program.section("on_membrane") if c.program else ()
    found = {x.target.name: x.target for x in lines if x.form == "table"}
    return [r for r in found.values() if r.owner == "post" and not r.temp]


def _samples(events: Any) -> int:
    return min(e.samples for e in events.values()) if isinstance(events, Mapping) else events.samples


def _slice(events: Any, lo: int, hi: int) -> Any:
    if isinstance(events, Mapping):
        return {name: e.slice(lo, hi) for name, e in events.items()}
    return events.slice(lo, hi)
