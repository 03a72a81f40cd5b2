"""Samples on ReckOn's core, compiled: the twin of `reference_reckon_run`, and what `Simulator` calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chipsim.compile import reckon_kernels as k
from chipsim.compile import reckon_learn
from chipsim.compile.lanes import jit_part
from chipsim.compile.reckon_entry import entry
from chipsim.compile.reckon_kernels import LABEL, LIVE, REGRESSION, TAR, Memory
from chipsim.compile.samples import kept
from chipsim.errors import SettingError
from chipsim.plan import NO_TARGET, Plan
from chipsim.reckon.registers import INDEX
from chipsim.reference_reckon_run import TARGET, check_labels, window
from chipsim.state import State
from chipsim.state_reckon import pull, push

DO_EPROP = INDEX["DO_EPROP"]
RANDOM = ("lanes", "rout", "rand")
RUN, STEP, WIN, UPDATE, SWEEP, IDLE = range(6)  # what a call of `work` does
ROWS = {"x": ("u", "ti", "tr", "to"), "conf": ("thr", "alpha"), "flags": ("dirty", "z"), "out": ("o", "tar")}
ROWS["lanes"] = ("rinp", "rrec")
WHOLE = ("winp", "wrec", "wout", "rout", "rand", "stale", "inp")
NO_EVENTS = (np.zeros(1, np.int32), np.zeros(1, np.int32))


class Bound:
    """A state's arrays as the kernels take them; `store` brings back what a call changed."""

    def __init__(self, plan: Plan, state: State):
        self.plan, self.state = plan, state
        arrays = {name: state[f"f_{name}"] for name in WHOLE}
        arrays |= {name: np.array([state[f"f_{row}"] for row in rows]) for name, rows in ROWS.items()}
        hidden = f"l{plan.reckon.hidden}_"
        self.m = Memory(
            regs=state["f_regs"].copy(),
            ctl=np.concatenate([state["f_wins"], state["f_label"], state["f_live"].astype(np.int64)]),
            cnt=np.zeros(k.COUNTERS, np.int64),
            spk=np.array([state[hidden + "fired"][0], state[hidden + "count"][0]], np.int32),
            **arrays,
        )

    def store(self) -> None:
        """Everything back into the state; counts are added to its counters."""
        state, m, core = self.state, self.m, self.plan.reckon
        for name, rows in ROWS.items():
            for row, array in zip(rows, getattr(m, name), strict=True):
                state[f"f_{row}"][...] = array
        state["f_wins"][:], state["f_label"][0], state["f_live"][0] = m.ctl[:16], m.ctl[LABEL], m.ctl[LIVE]
        hidden, out = f"l{core.hidden}_", f"l{core.output}_"
        state[hidden + "fired"][0], state[hidden + "count"][0] = m.spk
        state["f_stat"] += m.cnt[: k.MATRIX]
        state["f_matrix_stat"] += m.cnt[k.MATRIX : k.HIDDEN].reshape(3, -1)
        state[hidden + "stat"] += m.cnt[k.HIDDEN : k.OUT]
        state[out + "stat"] += m.cnt[k.OUT : k.AXONS]
        for c, counted in zip(core.connections, m.cnt[k.AXONS :].reshape(3, 2), strict=True):
            if c >= 0:
                state[f"c{c}_stat"][:2] += counted
        m.cnt[:] = 0


class CompiledCore:
    """`reference_reckon.Core` on compiled kernels: the same methods, one phase of a tick each."""

    def __init__(self, plan: Plan, state: State, learn: bool = True):
        self.plan, self.state = plan, state
        self.do = int(state["f_regs"][DO_EPROP]) if learn else 0
        self.mode = int(state["f_regs"][INDEX["REGUL_MODE"]])

    def _work(self, what: int, valid: bool = False) -> None:
        bound = Bound(self.plan, self.state)
        none = np.zeros((1, 1), np.int64), np.zeros(1, np.uint8), np.zeros(0, np.int16)
        entry(__name__, "work")(bound.m, what, *NO_EVENTS, (0, 0, 0, 0, 0), *none, self.do, valid)
        bound.store()

    def step(self) -> None:
        """Leak, spikes, decays."""
        self._work(STEP)

    def count_winner(self) -> None:
        """One more step won by the present winner."""
        self._work(WIN)

    def due(self, target_valid: bool) -> bool:
        """Whether a tick runs an update pass."""
        return self.do != 0 and (target_valid or self.mode >> 1 == 3)

    def update(self, target_valid: bool) -> None:
        """One update pass."""
        self._work(UPDATE, target_valid)

    def sweep(self) -> None:
        """The event sweep."""
        self._work(SWEEP)

    def idle(self) -> None:
        """The end of a sample."""
        self._work(IDLE)


@jit_part
def work(m, what, start, axon, place, labels, due, won, do, learn):
    """All compiled work on a core. what: RUN, or one phase of a tick (learn: a target is valid).

    RUN: steps first to last of one sample. place: (sample, first, last, n_steps, whole); whole: the sample
    begins from idle and ends with a closing tick. won int16[n_steps or 0] gets the winner after each step.
    Returns the number of events.
    """
    sample, first, last, n_steps, whole = place
    ticks = last - first + 1 if what == RUN else 1
    events = np.int64(0)
    if what == IDLE or (what == RUN and whole):
        k.idle(m)
    if what == RUN and whole:
        m.spk[:] = 0
    for tick in range(ticks + whole):
        at, closing = first + tick, tick == ticks
        valid = learn
        if what == RUN and not closing:
            cell = sample * n_steps + at - 1
            for e in range(start[cell], start[cell + 1]):
                m.inp[axon[e]] = 1
            events += start[cell + 1] - start[cell]
            label = labels[sample, min(at, labels.shape[1]) - 1]
            valid = learn and due[at] != 0 and _told(m, label)
        steps = what == STEP or (what == RUN and m.ctl[LIVE] != 0)
        if steps:
            k.step(m)
        if what == WIN or (steps and what == RUN and due[at - 1] != 0):
            k.count_winner(m)
        if steps and won.shape[0] and at >= 2:
            won[at - 2] = k.winner(m)
        if what == UPDATE or (steps and what == RUN and not closing and reckon_learn.due(m, do, valid)):
            reckon_learn.update(m, do, valid)
        if what == SWEEP or (what == RUN and not closing):
            m.ctl[LIVE] = 1
            k.sweep(m, do)
    return events


@jit_part
def _told(m, label):
    """Whether the label is a target; it is stored as the chip would be sent it."""
    if m.regs[REGRESSION]:
        if label != NO_TARGET:
            m.out[TAR, :] = k.sat16(label * TARGET)
        return label != NO_TARGET
    if label >= 0:
        m.ctl[LABEL] = label
    return label >= 0


class ReckonKernels:
    """What `compile.run.Kernels` is for programmable chips: `advance`, `outputs`, `named`, `clone`."""

    def __init__(self, plan: Plan, *, twin: bool = False):
        if twin:
            raise SettingError(
                f"chip {plan.chip} is fixed hardware: there is no float twin of it",
                remedy="run it without twin",
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
        bound, due = Bound(plan, state), window(plan, n_steps)
        do = int(state["f_regs"][DO_EPROP]) if learn else 0
        labels = np.ascontiguousarray(labels, np.int64)
        offset, ticks = steps[3] if len(steps) > 3 else 0, steps[1] - steps[0] + 1
        chosen = order[span[0] : span[1]] if fresh else [0]
        finals, found, work_on = self._sorted(outs), 0, entry(__name__, "work")
        for row, sample in enumerate(chosen):
            place = (int(sample), steps[0] - offset, steps[1] - offset, n_steps, int(fresh))
            won = finals[3][row] if fresh and finals[3].shape[1] else np.zeros(0, np.int16)
            random = [getattr(bound.m, name).copy() for name in RANDOM] if fresh and not learn else []
            found += work_on(bound.m, RUN, events[0], events[1], place, labels, due, won, do, learn)
            for name, array in zip(RANDOM, random, strict=False):
                getattr(bound.m, name)[...] = array
            if fresh:
                core = plan.reckon
                finals[0][row] = bound.m.spk[1]
                finals[1][row] = bound.m.out[k.OUTPUT, : core.n_out]
                finals[2][row] = bound.m.x[k.U, : core.n_rec] * bound.m.flags[k.DIRTY, : core.n_rec]
        bound.store()
        state[f"l{plan.reckon.source}_stat"][0] += found
        state["step"][0] += ticks * len(chosen) if learn else 0
        push(plan, state, learn)

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
        hidden, out = (self.plan.layers[x].name for x in (self.plan.reckon.hidden, self.plan.reckon.output))
        made = {"potentials": {out: potentials}, "counts": {hidden: counts}, "membranes": {hidden: membranes}}
        return made | ({"predictions": {out: winners}} if predictions else {})
