"""Call the generated kernels with a state: the fast twin of `reference.py`, same arguments, same bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chipsim.compile.build import generate, load, make_scratch
from chipsim.compile.core_run import CoreKernels
from chipsim.compile.epoch_driver import fill_streams
from chipsim.compile.lanes import u64
from chipsim.compile.reckon_run import ReckonKernels
from chipsim.compile.samples import kept
from chipsim.data.events import Events
from chipsim.errors import DataError, SettingError
from chipsim.plan import NO_TARGET, Plan
from chipsim.plan.replay import check_sample
from chipsim.state import State


class Kernels:
    """The compiled step of one plan. `twin` for float64, `counting` off for benchmarks only.

    One object serves one thread at a time (it owns scratch arrays); `clone()` gives another the
    same machine code.
    """

    def __init__(self, plan: Plan, state: State, *, twin: bool = False, counting: bool = True):
        self.plan, self.twin = plan, twin
        shared = next((c for c in plan.connections if c.program and c.program.traces), None)
        self.streams = shared is not None
        if twin and shared:
            raise SettingError(
                f"no float twin of rule {shared.program.name}: its arithmetic is the engine's own",
                where=f"{shared.name} on chip {plan.chip}",
                remedy="run it as written (engine lines), or on another chip",
            )
        self.scratch = make_scratch(plan, twin)
        self.fields = sorted([*state, *self.scratch])
        self.source = generate(plan, self.fields, twin=twin, counting=counting)
        self.module = load(self.source)
        self.function = getattr(self.module, "advance_twin" if twin else "advance")

    def clone(self) -> Kernels:
        """Another caller of the same machine code, with scratch arrays of its own."""
        other = object.__new__(Kernels)
        other.__dict__.update(self.__dict__)
        other.scratch = make_scratch(self.plan, self.twin)
        return other

    def advance(
        self,
        state: State,
        events: Sequence[np.ndarray],
        labels: np.ndarray,
        rewards: np.ndarray,
        order: np.ndarray,
        span: tuple[int, int],
        steps: tuple[int, ...],
        *,
        learn: bool,
        fresh: bool,
        outs: tuple,
    ) -> None:
        """Run order[span[0]:span[1]] over steps (first, last, length of the events, offset), in place.

        The events of step ts are entry ts - offset - 1; an offset other than 0 continues a run.
        """
        arrays = {**state, **self.scratch}
        if learn and self.streams:
            per = steps[1] - steps[0] + 1
            fill_streams(self.plan, arrays, per * -(-(span[1] - span[0]) // self.plan.contexts))
        self.function(
            *[arrays[name] for name in self.fields],
            tuple(events),
            labels,
            rewards,
            order,
            span[0],
            span[1],
            steps[0],
            steps[1],
            steps[2],
            steps[3] if len(steps) > 3 else 0,
            learn,
            fresh,
            u64(self.plan.seed & 0xFFFFFFFFFFFFFFFF),
            outs,
        )

    def outputs(self, count: int, steps: int = 0) -> tuple:
        """Empty output arrays for `count` samples in the order of `samples.kept`; then one per integrator
        for the predictions of `steps` steps."""
        kind = np.float64 if self.twin else np.int32
        finals = (np.zeros((count, x.size), kind if a == "v" else np.int32) for x, a in kept(self.plan))
        shape = (count, steps) if steps else (0, 0)
        return (*finals, *(np.zeros(shape, np.int16) for _ in self._integrators()))

    def _integrators(self) -> list[str]:
        return [x.name for x in self.plan.layers if x.kind == "integrator"]

    def named(self, outs: tuple, predictions: bool = False) -> dict:
        """Outputs by layer name: potentials of integrators, spike counts and membranes of spiking layers,
        and predictions where they were asked for."""
        named: dict = {"potentials": {}, "counts": {}, "membranes": {}}
        finals = kept(self.plan)
        for (layer, array), out in zip(finals, outs, strict=False):
            what = "counts" if array == "count" else "membranes" if layer.kind == "lif" else "potentials"
            named[what][layer.name] = out
        if predictions:
            named["predictions"] = dict(zip(self._integrators(), outs[len(finals) :], strict=True))
        return named


def kernels_of(plan: Plan, state: State, *, twin: bool = False) -> Kernels | CoreKernels | ReckonKernels:
    """What runs a plan: generated kernels, or those of a crossbar core or of ReckOn's core."""
    if plan.reckon is not None:
        return ReckonKernels(plan, twin=twin)
    return (Kernels if plan.core is None else CoreKernels)(plan, state, twin=twin)


def event_arrays(plan: Plan, events: Events | Mapping[str, Events]) -> tuple[tuple, int, int]:
    """(start, axon, payload) of every source in layer order, number of samples, steps per sample.

    Raises DataError where a source has no events, too many, or events of another shape.
    """
    sources = [x for x in plan.layers if x.kind == "source"]
    if isinstance(events, Events):
        if len(sources) != 1:
            raise DataError(
                f"one set of events for {len(sources)} sources",
                remedy=f"pass a dict with {', '.join(repr(x.name) for x in sources)}",
            )
        events = {sources[0].name: events}
    missing = [x.name for x in sources if x.name not in events]
    unknown = [name for name in events if name not in {x.name for x in sources}]
    if missing or unknown:
        raise DataError(f"events for sources {sorted(events)}; the network has {[x.name for x in sources]}")
    shapes = {(e.samples, e.n_steps) for e in events.values()}
    if len(shapes) != 1:
        raise DataError(f"the sources' events differ in (samples, steps): {sorted(shapes)}")
    arrays = []
    for x in sources:
        e = events[x.name]
        if e.n_axons != x.size:
            raise DataError(f"events of {e.n_axons} axons for {x.size} neurons", where=f"source '{x.name}'")
        payload = e.payload
        if payload is not None and x.payload_bits == 1:
            raise DataError(
                "graded events for a source of plain spikes",
                where=f"source '{x.name}'",
                remedy="give the source payload_bits=8",
            )
        if payload is None:
            payload = np.ones(len(e.axon) if x.payload_bits > 1 else 0, np.int16)
        elif len(payload) and payload.max() >= 1 << x.payload_bits:
            raise DataError(
                f"a payload of {payload.max()} in {x.payload_bits} bits", where=f"source '{x.name}'"
            )
        arrays += [e.start, e.axon, payload]
    samples, steps = shapes.pop()
    return tuple(arrays), samples, steps


def label_array(labels: np.ndarray | None, samples: int, steps: int) -> np.ndarray:
    """int64[samples, 1] or, with a label for each step, int64[samples, steps]; NO_TARGET without labels."""
    if labels is None:
        return np.full((samples, 1), NO_TARGET, np.int64)
    labels = np.ascontiguousarray(labels, np.int64)
    if labels.shape == (samples,):
        return labels[:, None]
    if labels.shape != (samples, steps):
        raise DataError(
            f"labels of shape {labels.shape} for {samples} samples",
            remedy=f"one label per sample, or one per sample and step: ({samples}, {steps})",
        )
    return labels


def class_labels(plan: Plan, labels: np.ndarray | None, samples: int, steps: int) -> np.ndarray:
    """`label_array`, and DataError for a class that a circuit of the plan does not have."""
    made = label_array(labels, samples, steps)
    for k in plan.circuits:
        layer = plan.layers[k.judged if k.judged >= 0 else k.layer]
        classes = layer.size if k.judged >= 0 else k.targets
        unbounded = k.error == "regression" or k.kind == "contrast" and k.geometry
        if classes and not unbounded and made.size and made.max() >= classes:
            raise DataError(
                f"label {made.max()}; the classes are 0 to {classes - 1}",
                where=f"layer '{layer.name}'",
                remedy="give the layer one neuron per class; -1 is no target",
            )
    return made


def reward_array(rewards: np.ndarray | None, samples: int, steps: int) -> np.ndarray:
    """int64[samples, steps] raw rewards, or an empty array for none."""
    if rewards is None:
        return np.zeros((0, 0), np.int64)
    rewards = np.ascontiguousarray(rewards, np.int64)
    if rewards.shape != (samples, steps):
        raise DataError(f"rewards of shape {rewards.shape}; needed {(samples, steps)}")
    return rewards


def compiled_present(
    plan: Plan,
    state: State,
    events: Events | Mapping[str, Events],
    labels: np.ndarray | None,
    *,
    rewards: np.ndarray | None = None,
    learn: bool = True,
    samples: Sequence[int] | None = None,
    predictions: bool = False,
    kernels: Kernels | None = None,
) -> dict:
    """`reference.reference_present` on compiled kernels: same arguments, same state afterwards."""
    kernels = kernels or kernels_of(plan, state)
    arrays, count, steps = event_arrays(plan, events)
    order = np.arange(count) if samples is None else np.asarray(samples, np.int64)
    if learn and len(order) % plan.contexts:
        raise SettingError(
            f"{len(order)} samples in {plan.contexts} contexts",
            remedy="learn with a multiple of the contexts, or with one context",
        )
    if learn:
        check_sample(plan, steps)
    outs = kernels.outputs(len(order), steps if predictions else 0)
    kernels.advance(
        state,
        arrays,
        label_array(labels, count, steps),
        reward_array(rewards, count, steps),
        order.astype(np.int64),
        (0, len(order)),
        (1, steps, steps),
        learn=learn,
        fresh=True,
        outs=outs,
    )
    return kernels.named(outs, predictions)


def compiled_steps(
    plan: Plan,
    state: State,
    events: Events | Mapping[str, Events],
    *,
    start: int,
    stop: int,
    labels: np.ndarray | None = None,
    rewards: np.ndarray | None = None,
    learn: bool = True,
    kernels: Kernels | None = None,
) -> None:
    """`reference.reference_steps` on compiled kernels: steps start+1..stop without any reset."""
    kernels = kernels or kernels_of(plan, state)
    arrays, count, steps = event_arrays(plan, events)
    kernels.advance(
        state,
        arrays,
        label_array(labels, count, steps),
        reward_array(rewards, count, steps),
        np.arange(count, dtype=np.int64),
        (0, min(count, plan.contexts)),
        (start + 1, stop, steps),
        learn=learn,
        fresh=False,
        outs=kernels.outputs(0),
    )
