"""Networks that learn by lines over samples and contexts as folders that run in Lava by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.compile.run import class_labels, event_arrays
from chipsim.data.events import Events
from chipsim.errors import LimitError, SettingError
from chipsim.lava.describe_samples import CUSTOM, SampleDescription
from chipsim.lava.export import contents, empty_folder, fresh_copy, heading, write_folder
from chipsim.plan.replay import check_sample
from chipsim.simulator import Simulator


def export_samples(
    sim: Simulator,
    events: Events | Mapping[str, Events],
    folder: str | Path,
    labels: np.ndarray | None = None,
    rewards: np.ndarray | None = None,
    title: str = "",
) -> dict[str, Any]:
    """Write the network of `sim` and what it does when it learns from samples, each from a reset on.

    sim       on chip loihi2_lava with engine "lines": any contexts, contrasts, replays at a sample's end
    events, labels, rewards   as for `Simulator.present`, in the order of presentation
    folder    new or empty; gets the same files as `export_lava`
    Returns the manifest. Raises LimitError for what has no Lava process, RunError for a folder in use,
    SettingError for a remainder of contexts, DataError for events that do not fit.
    """
    folder = empty_folder(folder)
    plan = sim.plan
    if plan.engine != "lines":
        raise LimitError(
            f"a network whose rules run on engine {plan.engine}",
            where="Lava export of samples",
            remedy="use chipsim.lava.export.export_lava, or run it with engine='lines'",
        )
    given, count, steps = event_arrays(plan, events)
    check_sample(plan, steps)
    if not count or count % plan.contexts:
        raise SettingError(
            f"{count} samples in {plan.contexts} contexts", remedy="present a multiple of the contexts"
        )
    copy = fresh_copy(sim, even=False)
    made = SampleDescription(copy.plan, copy.state, steps)
    named = class_labels(plan, labels, count, steps)
    raw = copy._raw_rewards(rewards, count, steps)
    arrays = made.arrays | _sources(copy, events) | _presented(copy, named, raw, count, steps)
    expected = {f"start.{c['name']}.weights": made.arrays[f"{c['name']}.weights"] for c in made.connections}
    expected |= _expected(copy, made, (given, named, raw), count, steps)
    total = count // plan.contexts * steps
    head = heading(made, total, title, CUSTOM, _remarks(made)) | {"sample_steps": steps}
    manifest = head | contents(made, arrays, expected)
    write_folder(folder, manifest, arrays, expected)
    return manifest


def _in_contexts(rows: np.ndarray, contexts: int) -> np.ndarray:
    """[samples, steps, ...] -> [steps of the run, contexts, ...]."""
    grouped = rows.reshape(-1, contexts, *rows.shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(grouped.reshape(-1, contexts, *rows.shape[2:]))


def _sources(sim: Simulator, events: Events | Mapping[str, Events]) -> dict[str, np.ndarray]:
    if isinstance(events, Events):
        events = {x.name: events for x in sim.plan.layers if x.kind == "source"}
    made = {}
    for name, given in events.items():
        rows = _in_contexts(given.to_dense(), sim.plan.contexts)
        made[f"{name}.data"] = np.ascontiguousarray(rows.reshape(len(rows), -1).T.astype(np.int16))
    return made


def _presented(
    sim: Simulator, labels: np.ndarray, rewards: np.ndarray, count: int, steps: int
) -> dict[str, np.ndarray]:
    """Labels and rewards of every step and context; the steps of a sample that are update instants."""
    update, b = sim.plan.update, sim.plan.contexts
    rewards = rewards if rewards.size else np.zeros((count, steps), np.int64)
    return {
        "labels": _in_contexts(np.broadcast_to(labels, (count, steps)), b),
        "rewards": _in_contexts(rewards, b),
        "due": np.array([update.due(t, t == steps) for t in range(1, steps + 1)], np.uint8),
    }


def _expected(
    sim: Simulator, made: SampleDescription, given: tuple, count: int, steps: int
) -> dict[str, np.ndarray]:
    """Spikes and membranes of every step, final weights.

    The kernels run whole samples: what stands after step t is that of a copy that is given t steps of the
    sample; the copy that was given all of them goes on.
    """
    b, neurons = sim.plan.contexts, [x for x in made.layers if x["process"] != "RingBuffer"]
    index = {x["name"]: sim.plan.layer(x["name"]).index for x in neurons}
    rows = {f"{kind}.{x['name']}": [] for x in neurons for kind in ("spikes", "v")}
    order = np.arange(count, dtype=np.int64)
    for first in range(0, count, b):
        start = sim.state
        for stop in range(1, steps + 1):
            sim.state = {name: array.copy() for name, array in start.items()}
            span, outs = (first, first + b), sim.kernels.outputs(b)
            sim.kernels.advance(
                sim.state, *given, order, span, (1, stop, steps), learn=True, fresh=True, outs=outs
            )
            for name, k in index.items():
                rows[f"spikes.{name}"].append(sim.state[f"l{k}_fired"].ravel().astype(np.uint8))
                rows[f"v.{name}"].append(sim.state[f"l{k}_vc"].ravel().astype(np.int32))
    sim._refuse_losses()
    found = {name: np.array(row) for name, row in rows.items()}
    end = SampleDescription(sim.plan, sim.state, steps).arrays
    learned = [f"{c['name']}.weights" for c in made.connections if "rule" in c]
    return found | {f"end.{name}": end[name] for name in learned}


def _remarks(made: SampleDescription) -> list[str]:
    plan = made.plan
    remarks = [
        "every rule runs as lines, on the widths of chip loihi2_lava, in processes of chipsim: Loihi 2's "
        "engine of products does not execute them, and no LearningDense has part in it",
        f"every {made.steps} steps a sample begins: currents, membranes, spikes under way and traces at 0",
    ]
    if plan.contexts > 1:
        remarks.append(
            f"{plan.contexts} contexts share the weights: neuron i of context c is number c * n + i"
        )
    for k in plan.circuits:
        if k.kind == "contrast":
            name, what = plan.layers[k.layer].name, "the batch" if k.geometry else "the classes"
            remarks.append(f"{name}: {k.inputs} inputs against {k.targets} channels of {what}")
    for c in made.connections:
        if c["config"]["replays"] and "history" in c:
            stored = ", ".join(c["history"]["stored"])
            remarks.append(f"{c['name']}: stores {stored} of {made.steps} steps, replayed at a sample's end")
    return remarks
