"""The pictures of a supervised run, drawn from its state, rows and counters."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from chipsim.plot import accuracy, layer_activity, op_ledger, raster, save, traces, weight_histogram
from chipsim.reference import reset
from chipsim.run_folder import RunFolder
from chipsim.simulator import Simulator


def draw_run(
    out: RunFolder,
    sim: Simulator,
    start: Simulator,
    rows: list[dict[str, Any]],
    events: Any,
    result: dict[str, Any],
    controls: dict[str, dict],
) -> None:
    """Write figures/: accuracy, weights, op ledger, activity, raster and traces of one sample."""
    levels = {name: row["validation"] for name, row in controls.items()}
    if result["twin_epochs"]:
        levels["float twin"] = result["twin_epochs"][-1]["validation"]
    save(accuracy(rows, controls=levels, chance=None), out.figure("accuracy.png"))
    engine = sim.plan.reckon  # whose rule stands in no program
    learned = () if engine is None or not engine.rule else engine.connections
    plastic = [c for c in sim.plan.connections if c.program or c.index in learned]
    save(
        weight_histogram(
            {c.name: (sim.state[f"c{c.index}_w"], c.weight) for c in plastic},
            limits={c.name: (c.w_lo, c.w_hi) for c in plastic},
            initial={c.name: start.state[f"c{c.index}_w"] for c in plastic},
        ),
        out.figure("weights.png"),
    )
    save(op_ledger(_ledger(result["summary"]), per="run"), out.figure("operations.png"))
    save(layer_activity(_activity(result["summary"])), out.figure("activity.png"))
    _one_sample(out, sim, events)


def _ledger(summary: dict[str, Any]) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for layer in summary["layers"]:
        for purpose, events in layer.get("ledger", {}).items():
            for event, number in events.items():
                parts = rows.setdefault(event, {})
                parts[purpose] = parts.get(purpose, 0) + number
    return {name: parts for name, parts in rows.items() if any(parts.values())}


def _activity(summary: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "layer": layer["name"],
            "silent": layer["activity"]["silent_share"],
            "surrogate": layer["activity"]["surrogate_share"],
            "rate": layer["activity"]["spikes_per_neuron_step"],
        }
        for layer in summary["layers"]
        if layer.get("activity")
    ]


def _one_sample(out: RunFolder, sim: Simulator, events: Any) -> None:
    """Raster and traces of the first sample, on a copy: the run's state is left alone. Samples that run
    in several contexts at once, or in a core whose step is fixed, are not drawn."""
    if sim.plan.contexts > 1 or sim.plan.reckon is not None:
        return
    look = copy.copy(sim)
    look.state = {name: array.copy() for name, array in sim.state.items()}
    look.probes, look._ts = {}, 0
    layers = [x for x in sim.plan.layers if x.kind == "lif"]
    spikes = [f"{x.name}.spikes" for x in layers]
    registers = {
        f"{c.name}.{r.name}": r.fmt
        for c in sim.plan.connections
        if c.program
        for r in c.program.registers
        if r.owner == "pre" and not r.temp
    }
    look.probe(*spikes, *registers)
    one = events.slice(0, 1)
    reset(sim.plan, look.state, True)  # a fresh sample, as `present` would begin it
    look.run(one, learn=True)
    shown = {}
    for x in sim.plan.layers:
        if x.kind == "source":
            step, axon = np.nonzero(one.to_dense()[0])
            shown[x.name] = (step, axon, x.size)
    for x in layers:
        step, neuron = np.nonzero(np.array(look.probes[f"{x.name}.spikes"]))
        shown[x.name] = (step, neuron, x.size)
    save(raster(shown, one.n_steps, dt_ms=sim.plan.dt_ms), out.figure("raster.png"))
    if registers:
        raw = {
            name: (np.round(np.array(look.probes[name]) * 2.0**fmt.frac).astype(np.int64), fmt)
            for name, fmt in registers.items()
        }
        save(traces(raw, dt_ms=sim.plan.dt_ms), out.figure("traces.png"))
