"""The reference simulator: the step and the sample of definition 1 in plain Python.

It is the meaning of chipsim. The compiled step has the same two functions with the same arguments
and must leave the same state, bit for bit. Nothing here is fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chipsim.errors import DataError, SettingError
from chipsim.microcode.interpret import run_section
from chipsim.microcode.products import run_products
from chipsim.microcode.reach import Clock, Wiring, reach_of
from chipsim.plan import NO_TARGET, ConnectionPlan, LayerPlan, Plan
from chipsim.plan.replay import check_sample
from chipsim.reference_circuits import replayed_factors, third_factors
from chipsim.reference_core import core_present, core_steps
from chipsim.reference_errors import form_errors
from chipsim.reference_maps import fire_pool
from chipsim.reference_neurons import NeuronKeys, add, deliver, fire
from chipsim.reference_replay import recall_errors, recalled, remember
from chipsim.state import LAYER_COUNTS, State

NEURON_PHASES = ("arrive", "decay", "deliver", "on_pre", "fire", "on_post")
RULE_PHASES = {"decay": "on_step", "on_pre": "on_pre", "on_post": "on_post"}

Outputs = dict  # {"potentials" | "counts" | "membranes": {layer: int32[n, size]}, "predictions": ...}


def reference_present(
    plan: Plan,
    state: State,
    events: object | Mapping[str, object],
    labels: np.ndarray | None,
    *,
    rewards: np.ndarray | None = None,
    learn: bool = True,
    samples: Sequence[int] | None = None,
    predictions: bool = False,
) -> Outputs:
    """Present samples one after the other, `plan.contexts` at a time, resetting before each.

    events    `data.events.Events` of the source, or {source name: Events}; same samples and steps
    labels    int[samples of events] or, one per step, int[samples, n_steps]; -1 or None: no target
    rewards   raw integers int[samples of events, n_steps], or None: 0
    samples   the samples to present, in this order (default: all); rows of the outputs
    Returns final membranes of the integrators ("potentials") and of the spiking layers ("membranes"),
    spike counts of the spiking layers ("counts"), and, if asked for, the largest potential's index of
    every integrator after each step ("predictions", the lowest of equals). Raises
    SettingError for a remainder of samples while learning with several contexts, DataError for samples
    that are longer than a history.
    """
    if plan.reckon is not None:
        from chipsim.reference_reckon_run import present

        return present(plan, state, _by_source(plan, events), labels, learn, samples, predictions)
    run = _Run(plan, state, _by_source(plan, events), labels, rewards, learn)
    if plan.core is not None:
        return _core_outputs(plan, state, run, samples, predictions)
    if learn:
        check_sample(plan, run.n_steps)
    chosen = list(range(run.n_samples)) if samples is None else [int(k) for k in samples]
    if learn and len(chosen) % plan.contexts:
        raise SettingError(
            f"{len(chosen)} samples in {plan.contexts} contexts",
            remedy="learn with a multiple of the contexts, or with one context",
        )
    finals = _Finals(plan)
    for first in range(0, len(chosen), plan.contexts):
        group = chosen[first : first + plan.contexts]
        finals.take(state, len(group), run.sample(group, predictions))
    return finals.outputs(predictions)


def reference_steps(
    plan: Plan,
    state: State,
    events: object | Mapping[str, object],
    *,
    start: int,
    stop: int,
    labels: np.ndarray | None = None,
    rewards: np.ndarray | None = None,
    learn: bool = True,
) -> None:
    """Run steps start + 1 .. stop of one continuous presentation, without any reset.

    events    one sample per context; step ts reads entry ts - 1, and the last entry's step is the
              last of the sample. labels int[contexts] or int[contexts, n_steps],
              rewards int[contexts, n_steps].
    """
    if plan.reckon is not None:
        from chipsim.reference_reckon_run import steps

        return steps(plan, state, _by_source(plan, events), labels, learn, start, stop)
    run = _Run(plan, state, _by_source(plan, events), labels, rewards, learn)
    if plan.core is not None:
        core_steps(plan, state, run.events, 0, range(start, stop), learn)
        return
    run.group = list(range(plan.contexts))
    for ts in range(start + 1, stop + 1):
        run.step(ts)


def _core_outputs(plan: Plan, state: State, run: _Run, samples: Sequence[int] | None, predictions: bool):
    chosen = range(run.n_samples) if samples is None else samples
    counts, membranes = core_present(plan, state, run.events, chosen, run.learn)
    made = {"potentials": {}, "counts": counts, "membranes": membranes}
    return made | ({"predictions": {}} if predictions else {})


def _by_source(plan: Plan, events: object | Mapping[str, object]) -> dict[int, object]:
    sources = {layer.name: layer.index for layer in plan.layers if layer.kind == "source"}
    if not isinstance(events, Mapping):
        events = dict.fromkeys(sources, events) if len(sources) == 1 else {}
    if set(events) != set(sources):
        raise DataError(
            f"events for {', '.join(events) or 'one source'}; the sources are {', '.join(sources)}",
            remedy="pass {source name: Events} with one entry per source",
        )
    return {sources[name]: value for name, value in events.items()}


@dataclass
class _Run:
    """One call: plan, state and data. `group` holds the samples now in the contexts."""

    plan: Plan
    state: State
    events: dict[int, object]
    labels: np.ndarray | None
    rewards: np.ndarray | None
    learn: bool

    def __post_init__(self) -> None:
        first = next(iter(self.events.values()))
        self.n_samples, self.n_steps = first.samples, first.n_steps
        wired = self.plan.connections if self.plan.core is None else ()
        self.wirings = [Wiring.of(c, self.state) for c in wired]
        self.group: list[int] = []

    # ------------------------------------------------------------ a sample

    def sample(self, group: list[int], predictions: bool = False) -> dict[str, np.ndarray]:
        """Reset, on_sample_start, all steps, their replay, on_sample_end, homeostasis. Returns the
        predictions of every integrator, int16[samples, steps], if asked for."""
        judges = [x for x in self.plan.layers if x.kind == "integrator"] if predictions else []
        made = {x.name: np.zeros((len(group), self.n_steps), np.int16) for x in judges}
        self.group = group
        reset(self.plan, self.state, self.learn)
        self._around("on_sample_start", 0)
        for ts in range(1, self.n_steps + 1):
            self.step(ts)
            for x in judges:
                made[x.name][:, ts - 1] = self.state[f"l{x.index}_v"][: len(group)].argmax(axis=1)
        if self.learn and self.plan.replay is not None:
            self._replay()
        self._around("on_sample_end", self.n_steps)
        if self.learn:
            for layer in self.plan.layers:
                _homeostasis(layer, self.state, len(group))
        return made

    def _around(self, section: str, ts: int) -> None:
        if self.learn:
            for c in self.plan.connections:
                self._section(c, section, self._clock(ts))

    def _replay(self) -> None:
        """Phase 7 over again, last step first: circuits from stored errors, then on_replay (definition 3)."""
        replay, number = self.plan.replay, int(self.state["step"][0])
        for ts in range(self.n_steps, 0, -1):
            clock = self._clock(ts, number - (self.n_steps - ts))
            rewards = clock.reward or (0,) * self.plan.contexts
            for index in replay.layers:
                layer = self.plan.layers[index]
                if layer.circuit is not None:
                    k = self.plan.circuits[layer.circuit]
                    recall_errors(self.plan, k, self.state, ts)
                    replayed_factors(self.plan, k, self.state, rewards, clock.n)
                for c in layer.incoming:
                    self._section(self.plan.connections[c], "on_replay", clock)
            recalled(self.plan, self.state)

    # ------------------------------------------------------------ a step

    def step(self, ts: int) -> None:
        """One step of all layers in the chip's order of phases (definition 1)."""
        plan, clock = self.plan, self._clock(ts)
        for layer in plan.layers:
            if layer.kind == "source":
                self._load(layer, ts)
        ordered = [plan.layers[i] for i in plan.order if plan.layers[i].kind != "source"]
        if plan.walk == "layer":
            for layer in ordered:
                for phase in plan.phases:
                    if phase in NEURON_PHASES:
                        self._phase(phase, layer, clock)
            self._third(clock)
            self._learn(clock)
        else:
            for phase in plan.phases:
                if phase == "third":
                    self._third(clock)
                elif phase == "learn":
                    self._learn(clock)
                else:
                    for layer in ordered:
                        self._phase(phase, layer, clock)
        if self.learn:
            remember(plan, self.state, ts)
            self.state["step"][0] += 1

    def _clock(self, ts: int, n: int | None = None) -> Clock:
        """The step's number in the sample and in the run's learning (default: the coming one), and its
        rewards."""
        reward = ()
        if self.rewards is not None:
            column = max(ts, 1) - 1
            reward = tuple(int(self.rewards[k][column]) if ts else 0 for k in self._padded(0))
        return Clock(ts, int(self.state["step"][0]) + 1 if n is None else n, reward)

    def _padded(self, filler: int) -> list[int]:
        """The sample in each context, `filler` in idle ones."""
        return self.group + [filler] * (self.plan.contexts - len(self.group))

    def _load(self, layer: LayerPlan, ts: int) -> None:
        """Enter this step's external events into the source's history."""
        p, slot, events = f"l{layer.index}_", ts % layer.history, self.events[layer.index]
        for b in range(self.plan.contexts):
            lo = hi = 0
            if b < len(self.group):
                cell = self.group[b] * events.n_steps + ts - 1
                lo, hi = int(events.start[cell]), int(events.start[cell + 1])
            self.state[p + "hist"][slot, b, : hi - lo] = events.axon[lo:hi]
            self.state[p + "hist_n"][slot, b] = hi - lo
            if layer.payload_bits > 1:
                payload = 1 if events.payload is None else events.payload[lo:hi]
                self.state[p + "pay"][slot, b, : hi - lo] = payload
            add(self.state[p + "stat"], LAYER_COUNTS, "spikes", hi - lo)

    def _phase(self, phase: str, layer: LayerPlan, clock: Clock) -> None:
        incoming = [self.plan.connections[c] for c in layer.incoming]
        if layer.kind == "pool":
            if phase == "fire":
                fire_pool(self.plan, layer, self.state, clock.ts, len(self.group))
        elif phase == "deliver":
            for c in incoming:
                deliver(self.plan, c, self.state, self.wirings[c.index], clock.ts)
        elif phase == "fire":
            keys = NeuronKeys(self.learn, clock.n, clock.ts, tuple(self.group))
            fire(self.plan, layer, self.state, clock.ts, keys)
            for c in incoming:
                self._section(c, "on_membrane", clock)
        elif phase in RULE_PHASES:  # arrive does nothing: connections read the history
            for c in incoming:
                self._section(c, RULE_PHASES[phase], clock)

    def _section(self, c: ConnectionPlan, section: str, clock: Clock, part: int = 0) -> None:
        if not self.learn or c.program is None or not c.program.section(section):
            return
        reach = reach_of(self.plan, c, self.state, section, clock, self.wirings[c.index])
        run_section(self.plan, c, self.state, section, reach, clock, part)

    # ------------------------------------------------------------ phases 7 and 8

    def _due(self, clock: Clock) -> bool:
        return self.plan.update.due(clock.ts, clock.ts == self.n_steps)

    def _third(self, clock: Clock) -> None:
        """Phase 7 at an update instant: circuits and leading lines, from the top layer down."""
        if not self.learn:
            return
        if not self._due(clock):
            self._errors_to_store(clock)
            return
        labels = [self._label(b, clock.ts) for b in range(self.plan.contexts)]
        rewards = clock.reward or (0,) * self.plan.contexts
        for index in reversed(self.plan.order):
            layer = self.plan.layers[index]
            if layer.circuit is not None:
                k = self.plan.circuits[layer.circuit]
                third_factors(self.plan, k, self.state, labels, rewards, clock.n)
            for c in layer.incoming:
                self._section(self.plan.connections[c], "on_third_factor", clock, 7)

    def _errors_to_store(self, clock: Clock) -> None:
        """Between update instants errors are formed for the history alone."""
        for index in self.plan.replay.errors if self.plan.replay else ():
            if self.plan.forms_error(index, clock.ts, clock.ts == self.n_steps):
                k, errors = self.plan.circuits[index], self.state[f"k{index}_err"]
                for b in range(self.plan.contexts):
                    errors[b] = form_errors(self.plan, k, self.state, b, self._label(b, clock.ts))

    def _label(self, b: int, ts: int) -> int:
        if self.labels is None or b >= len(self.group):
            return NO_TARGET
        label = self.labels[self.group[b]]
        return int(label[min(ts, len(label)) - 1] if np.ndim(label) else label)

    def _learn(self, clock: Clock) -> None:
        """Phase 8: the rest of on_third_factor, then on_epoch, then on_products."""
        if not self.learn:
            return
        for c in self.plan.connections:
            if c.program is None:
                continue
            if self._due(clock):
                self._section(c, "on_third_factor", clock, 8)
            if c.program.epoch and clock.n % c.program.epoch == 0:
                self._section(c, "on_epoch", clock)
            if c.program.products:
                run_products(self.plan, c, self.state, clock)


class _Finals:
    """Collects what `reference_present` returns, group after group."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.rows: dict[str, dict[str, list]] = {"potentials": {}, "counts": {}, "membranes": {}}
        self.rows["predictions"] = {}

    def take(self, state: State, active: int, predicted: Mapping[str, np.ndarray]) -> None:
        """Add the rows of the contexts that held a sample."""
        kinds = {"integrator": (("potentials", "v"),), "lif": (("counts", "count"), ("membranes", "v"))}
        for layer in self.plan.layers:
            for what, array in kinds.get(layer.kind, ()):
                rows = state[f"l{layer.index}_{array}"][:active].astype(np.int32)
                self.rows[what].setdefault(layer.name, []).append(rows)
        for name, rows in predicted.items():
            self.rows["predictions"].setdefault(name, []).append(rows)

    def outputs(self, predictions: bool) -> Outputs:
        """One array per layer."""
        kept = self.rows if predictions else {k: v for k, v in self.rows.items() if k != "predictions"}
        return {what: {n: np.concatenate(r) for n, r in arrays.items()} for what, arrays in kept.items()}


# ---------------------------------------------------------------- around a sample


def reset(plan: Plan, state: State, learn: bool) -> None:
    """All per-context state to its initial value; in evaluation that of neurons only. A history
    without entries (hist_n = 0) is empty whatever stands in it."""
    for layer in plan.layers:
        for name in ("v", "u", "vc", "refr", "acc", "hist_n", "fired", "count"):
            if f"l{layer.index}_{name}" in state:
                state[f"l{layer.index}_{name}"][...] = 0
    if not learn:
        return
    for c in plan.connections:
        if c.program and c.program.traces is not None:
            state[f"c{c.index}_tx"][...] = 0
            state[f"c{c.index}_ty"][...] = 0
        for r in c.program.registers if c.program else ():
            stored = r.owner in ("pre", "post") or r.per_context
            if stored and not (r.temp or r.keep or r.is_weight):
                state[f"c{c.index}_r_{r.name}"][...] = r.init


def _homeostasis(layer: LayerPlan, state: State, active: int) -> None:
    """Thresholds rise with each spike of the sample and fall by a fixed amount per sample."""
    if layer.kind != "lif" or not (layer.homeo_up or layer.homeo_down):
        return
    p = f"l{layer.index}_"
    for i in range(layer.size):
        spikes = sum(int(state[p + "count"][b, i]) for b in range(active))
        raised = int(state[p + "thr"][i]) + layer.homeo_up * spikes - active * layer.homeo_down
        state[p + "thr"][i] = min(max(raised, 1), layer.v_fmt.hi)
    add(state[p + "stat"], LAYER_COUNTS, "threshold_updates", layer.size)
