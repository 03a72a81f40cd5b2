"""Samples on ReckOn's core, compiled: the twin of `reference_reckon_run`, and what `Simulator` calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chipsim.compile import reckon_kernels as k
from chipsim.compile import reckon_learn
from chipsim.compile.lanes import jit
from chipsim.compile.reckon_kernels import FIELDS, REGRESSION, Memory
from chipsim.compile.samples import kept
from chipsim.errors import SettingError
from chipsim.plan import NO_TARGET, Plan
from chipsim.reckon.registers import INDEX
from chipsim.reference_reckon_run import TARGET, check_labels, window
from chipsim.state import State
from chipsim.state_reckon import pull, push

DO_EPROP = INDEX["DO_EPROP"]


def memory_of(plan: Plan, state: State) -> Memory:
    """The arrays of a state as kernels take them, with an empty count of deliveries."""
    hidden, out = f"l{plan.fixed.hidden}_", f"l{plan.fixed.output}_"
    arrays = [state[f"f_{name}"] for name in FIELDS]
    counts = state[hidden + "stat"], state[out + "stat"], state[hidden + "fired"][0], state[hidden + "count"][0]
    return Memory(*arrays, *counts, np.zeros((3, 2), np.int64))


def add_deliveries(plan: Plan, state: State, m: Memory) -> None:
    """Deliveries into the counters of the connections."""
    for row, c in enumerate(plan.fixed.connections):
        if c >= 0:
            state[f"c{c}_stat"][:2] += m.axons[row]
    m.axons[...] = 0


class CompiledCore:
    """`reference_reckon.Core` on compiled kernels: the same methods, one tick phase each."""

    def __init__(self, plan: Plan, state: State, learn: bool = True):
        self.plan, self.state, self.m = plan, state, memory_of(plan, state)
        self.do = int(state["f_regs"][DO_EPROP]) if learn else 0

    def step(self) -> None:
        """Leak, spikes, decays."""
        k.step(self.m)

    def count_winner(self) -> None:
        """One more step won by the present winner."""
        k.count_winner(self.m)

    def due(self, target_valid: bool) -> bool:
        """Whether a tick runs an update pass."""
        return bool(reckon_learn.due(self.m, self.do, target_valid))

    def update(self, target_valid: bool) -> None:
        """One update pass."""
        reckon_learn.update(self.m, self.do, target_valid)

    def sweep(self) -> None:
        """The event sweep."""
        k.sweep(self.m, self.do)
        add_deliveries(self.plan, self.state, self.m)

    def idle(self) -> None:
        """The end of a sample."""
        k.idle(self.m)


@jit
def _tick(m, start, axon, cell, ts, label, due_now, due_before, do, learn):
    """Step ts of a sample; returns the winner at its STEP (-1 in the first tick)."""
    won = -1
    for e in range(start[cell], start[cell + 1]):
        m.inp[axon[e]] = 1
    if m.live[0]:
        won = _decide(m, due_before)
        regression = m.regs[REGRESSION] != 0
        valid = learn and due_now and (label != NO_TARGET if regression else label >= 0)
        if valid and regression:
            m.tar[:] = k.sat16(label * TARGET)
        elif valid:
            m.label[0] = label
        if reckon_learn.due(m, do, valid):
            reckon_learn.update(m, do, valid)
    m.live[0] = 1
    k.sweep(m, do)
    return won


@jit
def _decide(m, due_before):
    k.step(m)
    if due_before:
        k.count_winner(m)
    return k.winner(m)


@jit
def _ticks(m, start, axon, sample, first, last, offset, n_steps, labels, due, do, learn, won):
    """Steps first to last of one sample; won int16[...] gets the winner after each step but the last."""
    events = np.int64(0)
    for ts in range(first, last + 1):
        at = ts - offset
        cell = sample * n_steps + at - 1
        label = labels[sample, min(at, labels.shape[1]) - 1]
        best = _tick(m, start, axon, cell, at, label, due[at] != 0, due[at - 1] != 0, do, learn)
        if at >= 2 and won.shape[0] >= at:
            won[at - 2] = best
        events += start[cell + 1] - start[cell]
    return events


@jit
def _samples(m, start, axon, order, lo, hi, n_steps, labels, due, do, learn, outs):
    """Whole samples order[lo:hi]; outs: spike counts, potentials, membranes, winners."""
    counts, potentials, membranes, winners = outs
    events = np.int64(0)
    for g in range(lo, hi):
        if not learn:
            rinp, rrec, rout, rand = m.rinp.copy(), m.rrec.copy(), m.rout.copy(), m.rand.copy()
        k.idle(m)
        m.count[:] = 0
        m.fired[:] = 0
        won = winners[g - lo] if winners.shape[1] else winners[0]
        events += _ticks(m, start, axon, order[g], 1, n_steps, 0, n_steps, labels, due, do, learn, won)
        best = _decide(m, due[n_steps] != 0)
        if won.shape[0]:
            won[n_steps - 1] = best
        if not learn:
            m.rinp[:], m.rrec[:], m.rout[:], m.rand[:] = rinp, rrec, rout, rand
        counts[g - lo, :] = m.count
        potentials[g - lo, :] = m.o[: potentials.shape[1]]
        membranes[g - lo, :] = m.u[: membranes.shape[1]]
    return events


class ReckonKernels:
    """What `compile.run.Kernels` is for programmable chips: `advance`, `outputs`, `named`, `clone`."""

    def __init__(self, plan: Plan, *, twin: bool = False):
        if twin:
            raise SettingError(
                f"chip {plan.chip} is fixed hardware: there is no float twin of it", remedy="run it without twin"
            )
        self.plan = plan

    def clone(self) -> ReckonKernels:
        """Another caller of the same machine code; it keeps nothing between calls."""
        return self

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
        """Run order[span[0]:span[1]] over steps (first, last, length of the events, offset), in place."""
        plan, n_steps = self.plan, int(steps[2])
        check_labels(plan, labels)
        pull(plan, state)
        m, due = memory_of(plan, state), window(plan, n_steps)
        do = int(state["f_regs"][DO_EPROP]) if learn else 0
        labels = np.ascontiguousarray(labels, np.int64)
        if fresh:
            found = _samples(
                m, events[0], events[1], order, span[0], span[1], n_steps, labels, due, do, learn,
                self._sorted(outs),
            )  # fmt: skip
            ticks = (span[1] - span[0]) * n_steps
        else:
            offset = steps[3] if len(steps) > 3 else 0
            found = _ticks(
                m, events[0], events[1], 0, steps[0], steps[1], offset, n_steps, labels, due, do, learn,
                np.zeros(0, np.int16),
            )  # fmt: skip
            ticks = steps[1] - steps[0] + 1
        state[f"l{plan.fixed.source}_stat"][0] += found
        state["step"][0] += ticks if learn else 0
        add_deliveries(plan, state, m)
        push(plan, state)

    def _sorted(self, outs: tuple) -> tuple:
        """(spike counts, potentials, membranes, winners) of `outputs`, whose order is that of the layers."""
        named = dict(zip(((x.kind, a) for x, a in kept(self.plan)), outs, strict=False))
        return named["lif", "count"], named["integrator", "v"], named["lif", "v"], outs[-1]

    def outputs(self, count: int, steps: int = 0) -> tuple:
        """Empty output arrays for `count` samples: spike counts, potentials, membranes in the order of
        `samples.kept`, then winners after each of `steps` steps."""
        finals = (np.zeros((count, x.size), np.int32) for x, _ in kept(self.plan))
        return (*finals, np.zeros((count if steps else 1, steps), np.int16))

    def named(self, outs: tuple, predictions: bool = False) -> dict:
        """Outputs by layer name."""
        counts, potentials, membranes, winners = self._sorted(outs)
        hidden, out = (self.plan.layers[x].name for x in (self.plan.fixed.hidden, self.plan.fixed.output))
        made = {"potentials": {out: potentials}, "counts": {hidden: counts}, "membranes": {hidden: membranes}}
        return made | ({"predictions": {out: winners}} if predictions else {})
