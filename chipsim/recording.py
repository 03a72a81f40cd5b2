"""What a few samples look like inside: spikes of every layer, registers over time and their ranges.

    out.recording(record(sim, events, labels))

The samples run on a copy of the state that the run ended with, learning on, each from the start of a sample;
nothing of the run changes, and equal runs have equal recordings. Sizes are bounded, what is left out is
named. Traces show steps: on_sample_start, on_replay and on_sample_end are not in them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chipsim.data.events import Events
from chipsim.plan import ConnectionPlan, LayerPlan, Plan
from chipsim.reference import reset
from chipsim.taps import Tap, registers, said

FORMAT = 1
SAMPLES = 3  # drawn as rasters
STEPS = 400  # shown of a sample
LAYERS = 8  # drawn of a raster
ROWS = 100  # neurons of a layer
SPIKES = 3000  # of a layer and sample
PANELS = 48  # registers with traces
ELEMENTS = 3  # neurons, axons or synapses of a register
MOST_STATE = 1 << 29  # bytes that are copied
IDLE = ("f_dirty", "f_z", "f_o", "f_wins", "f_inp", "f_live")  # of ReckOn's core between samples
SAID = (
    "on a copy of the state that the run ended with, learning on, each sample from a fresh start; "
    "on_sample_start, on_replay and on_sample_end are not part of it"
)


def record(sim: Any, events: Events | Mapping[str, Events], labels: Any = None) -> dict[str, Any]:
    """The recording of the first samples, as JSON-able data: {"format", "said", "steps", "dt_ms", "samples",
    "traces", "ranges", "left_out"}.

    sim      a `Simulator`; events what its `run` takes, in order of presentation; labels one per sample
    samples  [{"sample", "label", "layers": [{"layer", "size", "neurons", "until", "spikes", "step", "row"}]}]
             a spike is (step from 1, row); neurons are the rows' numbers, None: 0, 1, 2, ...
    traces   [{"of", "name", "owner", "format", "lo", "hi", "threshold", "elements": [{"element", "values"}]}]
             raw integers of the first sample after each step
    ranges   [{"of", "name", "owner", "format", "lo", "hi", "low", "high"}] over all elements, steps, samples
    """
    plan, b = sim.plan, sim.plan.contexts
    given = dict(events) if isinstance(events, Mapping) else {_source(plan).name: events}
    first = next(iter(given.values()))
    out = {"format": FORMAT, "said": SAID, "steps": first.n_steps, "dt_ms": plan.dt_ms}
    out |= {"samples": [], "traces": [], "ranges": [], "left_out": []}
    size = sum(array.nbytes for array in sim.state.values())
    groups = min(first.samples // b, max(1, SAMPLES // b))
    if size > MOST_STATE or not groups:
        why = f"a state of {size} bytes is not copied" if groups else "no sample"
        return out | {"left_out": [f"everything: {why}"]}
    taps, ranges, active = list(registers(plan, sim.state)), {}, {}
    for g in range(groups):
        part, told = _group(plan, given, labels, g)
        found = _Spikes(plan, part, b)

        def seen(look: Any, step: int, found: _Spikes = found) -> None:
            found.after(look.state, step)
            _widen(ranges, taps, look.state)

        _run(sim, part, told, seen)
        active = active or found.active()
        for k in range(min(b, SAMPLES)):
            label = None if told is None else int(np.ravel(told[k])[-1])
            row = {"sample": g * b + k, "label": label, "layers": found.rows(k, out["left_out"])}
            out["samples"].append(row)
    out["ranges"] = [said(tap) | ranges[tap] for tap in taps]
    out["traces"] = _traces(sim, given, labels, taps, active, out["left_out"])
    if first.n_steps > STEPS:
        out["left_out"].append(f"steps after {STEPS}")
    return out | {"left_out": list(dict.fromkeys(out["left_out"]))}


# ---------------------------------------------------------------- running


def _source(plan: Plan) -> LayerPlan:
    return next(x for x in plan.layers if x.kind == "source")


def _group(plan: Plan, given: Mapping[str, Events], labels: Any, g: int) -> tuple[dict[str, Events], Any]:
    """Events and labels of one group of contexts."""
    lo, hi = g * plan.contexts, (g + 1) * plan.contexts
    part = {name: e.slice(lo, hi) for name, e in given.items()}
    return part, None if labels is None else np.asarray(labels)[lo:hi]


def _run(sim: Any, part: dict[str, Events], labels: Any, seen: Callable[[Any, int], None]) -> None:
    """One group from a fresh start on a copy; seen(copy, step) after every step."""
    look = copy.copy(sim)
    sim.kernels  # noqa: B018  built for the plan itself, before the copy leaves `strict` behind
    look._kernels = sim._kernels
    look.plan = replace(sim.plan, strict=False)  # a loss in here is not one of the run
    look.state = {name: array.copy() for name, array in sim.state.items()}
    reset(look.plan, look.state, True)
    for name in IDLE if look.plan.reckon is not None else ():
        look.state[name][...] = 0
    look.probes, look._ts = {}, 0
    look.run(part, learn=True, labels=labels, on_step=lambda step: seen(look, step))


def _widen(ranges: dict[Tap, dict[str, int]], taps: list[Tap], state: Mapping[str, np.ndarray]) -> None:
    """Smallest and largest value of every register so far."""
    for tap in taps:
        values = tap.values(state)
        if values.size:
            low, high = int(values.min()), int(values.max())
            row = ranges.setdefault(tap, {"low": low, "high": high})
            row["low"], row["high"] = min(row["low"], low), max(row["high"], high)
        else:
            ranges.setdefault(tap, {"low": 0, "high": 0})


# ---------------------------------------------------------------- spikes


class _Spikes:
    """Spikes of one group, step by step: lists of neurons of each layer and context."""

    def __init__(self, plan: Plan, part: Mapping[str, Events], contexts: int):
        self.plan, self.part = plan, part
        self.layers = [x for x in plan.layers if x.kind != "integrator"]
        self.found: dict[tuple[int, int], list[np.ndarray]] = {
            (x.index, k): [] for x in self.layers for k in range(contexts)
        }

    def after(self, state: Mapping[str, np.ndarray], step: int) -> None:
        """Keep the spikes of a step (from 1)."""
        for (index, k), steps in self.found.items():
            x = self.plan.layers[index]
            if x.kind == "source":
                steps.append(self.part[x.name].at(k, step - 1))
            else:
                steps.append(np.flatnonzero(state[f"l{index}_fired"][k]))

    def active(self) -> dict[int, np.ndarray]:
        """Layer index -> spikes of each neuron in the first context."""
        return {x.index: np.bincount(_joined(self.found[x.index, 0]), minlength=x.size) for x in self.layers}

    def rows(self, context: int, left_out: list[str]) -> list[dict[str, Any]]:
        """The raster of one context, layer by layer."""
        left_out += [f"raster of {x.name}" for x in self.layers[LAYERS:]]
        return [self._row(x, self.found[x.index, context]) for x in self.layers[:LAYERS]]

    def _row(self, x: LayerPlan, steps: list[np.ndarray]) -> dict[str, Any]:
        fired = _joined(steps)
        step = np.repeat(np.arange(1, len(steps) + 1), [len(row) for row in steps])
        kept, row = _thinned(x, fired)
        shown = (row >= 0) & (step <= STEPS)
        until = min(len(steps), STEPS)
        if shown.sum() > SPIKES:  # whole steps only, so that a gap is never taken for silence
            until = int(step[shown][SPIKES]) - 1
            shown &= step <= until
        return {
            "layer": x.name,
            "size": x.size,
            "neurons": kept,
            "until": until,
            "spikes": int(len(fired)),
            "step": step[shown].tolist(),
            "row": row[shown].tolist(),
        }


def _joined(steps: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int64), *steps]).astype(np.int64)


def _thinned(x: LayerPlan, fired: np.ndarray) -> tuple[list[int] | None, np.ndarray]:
    """Neurons that are drawn (None: all) and the row of each spike, -1 where its neuron is not.

    Of large layers evenly chosen ones: of sources among the axons that ever spiked, of others among all.
    """
    if x.size <= ROWS:
        return None, fired
    pool = np.unique(fired) if x.kind == "source" else np.arange(x.size)
    kept = pool if len(pool) <= ROWS else pool[np.arange(ROWS) * len(pool) // ROWS]
    place = np.searchsorted(kept, fired)
    hit = (place < len(kept)) & (kept[np.minimum(place, len(kept) - 1)] == fired) if len(kept) else fired < 0
    return kept.tolist(), np.where(hit, place, -1)


# ---------------------------------------------------------------- traces


def _traces(sim, given, labels, taps, active, left_out) -> list[dict[str, Any]]:
    """Registers of a few elements over the steps of the first sample."""
    left_out += [f"trace of {tap.of}.{tap.name}" for tap in taps[PANELS:]]
    chosen = [(tap, _elements(sim, tap, active)) for tap in taps[:PANELS]]
    rows: list[list[list[int]]] = [[[] for _ in elements] for _, elements in chosen]

    def seen(look: Any, step: int) -> None:
        for (tap, elements), lists in zip(chosen, rows, strict=True) if step <= STEPS else ():
            values = tap.values(look.state, 0)
            for (_, flat), kept in zip(elements, lists, strict=True):
                kept.append(int(values[flat]))

    part, told = _group(sim.plan, given, labels, 0)
    _run(sim, part, told, seen)
    return [
        said(tap)
        | {"threshold": _threshold(sim, tap, elements)}
        | {
            "elements": [
                {"element": list(name), "values": values}
                for (name, _), values in zip(elements, lists, strict=True)
            ]
        }
        for (tap, elements), lists in zip(chosen, rows, strict=True)
        if elements
    ]


def _threshold(sim: Any, tap: Tap, elements: list) -> int | None:
    """The threshold of the first element, where there is one to be compared with."""
    if tap.owner != "neuron" or tap.name not in ("v", "v as compared"):
        return None
    if sim.plan.layers[tap.place].kind != "lif":
        return None
    return int(sim.state[f"l{tap.place}_thr"][elements[0][1]])


def _elements(sim: Any, tap: Tap, active: Mapping[int, np.ndarray]) -> list[tuple[tuple[int, ...], int]]:
    """(name, place in the flat array) of the elements that are traced: the most active, in order."""
    if tap.owner == "layer":
        return [((0,), 0)]
    if tap.owner == "neuron":
        return [((i,), i) for i in _most(active, tap.place, sim.plan.layers[tap.place].size)]
    c = sim.plan.connections[tap.place]
    pre, post = _most(active, c.pre, c.n_pre), _most(active, c.post, c.n_post)
    if tap.owner in ("pre", "post"):
        return [((i,), i) for i in (pre if tap.owner == "pre" else post)]
    return _synapses(sim, c, pre, max(post, key=lambda i: (_counts(active, c.post, c.n_post)[i], -i)))


def _counts(active: Mapping[int, np.ndarray], layer: int, size: int) -> np.ndarray:
    """Spikes of each neuron; none of a layer that does not spike."""
    return active.get(layer, np.zeros(size, np.int64))


def _most(active: Mapping[int, np.ndarray], layer: int, size: int) -> list[int]:
    """The neurons with the most spikes; the first ones of a layer without spikes."""
    return sorted(np.argsort(-_counts(active, layer, size), kind="stable")[:ELEMENTS].tolist())


def _synapses(sim: Any, c: ConnectionPlan, pre: list[int], post: int) -> list[tuple[tuple[int, ...], int]]:
    """Synapses of the most active axons onto the most active neuron; of a convolution its middle weights."""
    w = sim.state[f"c{c.index}_w"]
    if c.conv is not None:
        middle = c.conv.rows // 2
        rows = [row for row in range(middle, middle + ELEMENTS) if row < c.conv.rows]
        return [((row, 0), row * w.shape[1]) for row in rows]
    if not c.sparse:
        return [((a, post), a * c.n_post + post) for a in pre]
    ptr, targets = sim.state[f"c{c.index}_ptr"], sim.state[f"c{c.index}_tgt"]
    found = []
    for a in pre:
        lo, hi = int(ptr[a]), int(ptr[a + 1])
        if hi > lo:
            at = lo + int(np.argmax(targets[lo:hi] == post))  # the first one where it does not lead there
            found.append(((a, int(targets[at])), at))
    return found
