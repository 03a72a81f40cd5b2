"""The definition of traces that live in the synapses and move once per learning epoch (Lava's).

With T steps in an epoch, in step n (te = the step's number in the epoch, 1..T):

    note    spikes enter tx, ty (te of the last spike); a second spike of the same epoch adds its impulse
            to the stored trace at once; payloads may set or raise x1 instead (`graded`)
    learn   after step T: h[0] = stored trace, h[k] = decayed h[k-1], plus the impulse where tx (ty) == k;
            a product gated by x0, y0, u reads h[tx], h[ty], h[T]; h[T] is stored, tx and ty are 0 again

Decays are floored, plus 1 where the uniform number of the step is below the lost fraction. One number
serves all axons (neurons) and all steps of the epoch. Received traces (three-factor rules) decay the
same way, but keep what the neuron wrote.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chipsim.microcode.epoch_terms import DRAW_BITS, EpochTraces, Trace
from chipsim.microcode.program import BoundProgram
from chipsim.microcode.reach import Clock, active_axons
from chipsim.microcode.streams import sevens, uniform

TOP = 127  # of a trace after an impulse


def decay_table(trace: Trace) -> tuple[list[int], list[int]]:
    """For each value lo..hi: floor of its decayed value, and the number of 53-bit draws that round up."""
    if trace.tau == 0:
        size = trace.hi - trace.lo + 1
        return [0] * size, [0] * size
    factor = 1.0 if math.isinf(trace.tau) else float(np.exp(np.array([-1.0 / trace.tau]))[0])
    floors, ups = [], []
    for value in range(trace.lo, trace.hi + 1):
        decayed = factor * value
        floors.append(math.floor(decayed))
        ups.append(math.ceil((decayed % 1) * 2.0**DRAW_BITS))
    return floors, ups


def spike_time(n: int, epoch: int) -> int:
    """The step's number in its learning epoch, 1..epoch."""
    return n % epoch or epoch


class Draws:
    """The numbers of learning step n."""

    def __init__(self, traces: EpochTraces, n: int):
        a, b, c, d = (traces.seed + offset for offset in traces.offsets)
        self.decay = {"pre": int(uniform(a, 2 * n, 1)[0]), "post": int(uniform(c, 2 * n, 1)[0])}
        self.impulse = {"pre": int(sevens(b, 2 * n, 1)[0]), "post": int(sevens(d, 2 * n, 1)[0])}
        self.again = int(sevens(d, 2 * n - 1, 1)[0])  # of a second post spike within the epoch


def add_impulse(value: int, trace: Trace, draw: int) -> int:
    """A trace after an impulse; its fraction of 256 is compared with a draw of 7 bits."""
    return min(max(value + trace.whole + (draw < trace.part), 0), TOP)


# ---------------------------------------------------------------- spikes


def note_spikes(plan: object, c: object, state: dict, clock: Clock) -> None:
    """Enter the spikes of learning step clock.n."""
    traces, te = c.program.traces, spike_time(clock.n, c.program.learning_epoch)
    note_pre(traces, c, state, active_axons(plan, c, state, clock.ts, 0), te)
    if traces.bap:
        fired = np.nonzero(state[f"l{c.post}_fired"][0])[0].tolist()
        note_post(traces, c, state, fired, te, Draws(traces, clock.n).again)


def note_pre(traces: EpochTraces, c: object, state: dict, active: dict[int, int], te: int) -> None:
    """Spikes of axons: active maps an axon to its payload."""
    tx = state[f"c{c.index}_tx"][0]
    spiked = {j: p for j, p in active.items() if p}
    again = {j for j in spiked if tx[j] > 0}
    marked = set(spiked)
    for t in traces.pre:
        values = state[f"c{c.index}_r_{t.register}"][0]
        if t.slot == 1 and traces.graded != "regular":
            marked = _payloads(traces.graded, values, spiked, marked)
            again &= marked
            continue
        for j in again:
            values[j] = add_impulse(int(values[j]), t, 0)
    for j in marked:
        tx[j] = te


def _payloads(mode: str, values: np.ndarray, spiked: dict[int, int], marked: set[int]) -> set[int]:
    """Payloads into x1; the axons whose spike counts as one."""
    for j in range(len(values)):
        amount = half_even(spiked.get(j, 0))
        total = int(values[j]) + amount & 255
        if mode == "overwrite":
            values[j] = amount if j in spiked else values[j]
        elif mode == "add_saturate":
            values[j] = min(total, TOP)
        else:  # keeps what lies above 127; only that counts as a spike
            values[j] = total - TOP if total > TOP else total
            if total <= TOP:
                marked = marked - {j}
    return marked


def half_even(payload: int) -> int:
    """payload / 2, ties to even."""
    return payload // 2 + (payload % 4 == 3)


def note_post(traces: EpochTraces, c: object, state: dict, fired: list[int], te: int, draw: int) -> None:
    """Spikes of neurons."""
    ty = state[f"c{c.index}_ty"][0]
    for t in traces.post:
        values = state[f"c{c.index}_r_{t.register}"][0]
        for i in fired:
            if ty[i] > 0 and not t.received:
                values[i] = add_impulse(int(values[i]), t, draw)
    for i in fired:
        ty[i] = te


# ---------------------------------------------------------------- the epoch's end


def history(
    trace: Trace, start: list[int], when: list[int], epoch: int, decay: int, impulse: int
) -> list[list[int]]:
    """h[0..epoch] of all elements; when: tx or ty; decay, impulse: the draws of the learning step."""
    floors, ups = decay_table(trace)
    out = [start]
    for k in range(1, epoch + 1):
        row = [floors[x - trace.lo] + (decay < ups[x - trace.lo]) for x in out[-1]]
        out.append([add_impulse(x, trace, impulse) if t == k else x for x, t in zip(row, when, strict=True)])
    return out


class Evaluated:
    """Histories of all traces at the end of an epoch, and x0, y0; stored traces move on."""

    def __init__(self, c: object, state: dict, clock: Clock):
        program: BoundProgram = c.program
        self.traces, self.epoch = program.traces, program.learning_epoch
        self.tx = state[f"c{c.index}_tx"][0].tolist()
        self.ty = state[f"c{c.index}_ty"][0].tolist()
        draws = Draws(self.traces, clock.n)
        self.h: dict[str, list[list[int]]] = {}
        for t in self.traces.all:
            stored = state[f"c{c.index}_r_{t.register}"][0]
            when = self.tx if t.owner == "pre" else self.ty
            args = (self.epoch, draws.decay[t.owner], draws.impulse[t.owner])
            self.h[t.register] = history(t, stored.tolist(), when, *args)
            if not t.received:
                stored[:] = self.h[t.register][-1]
        state[f"c{c.index}_tx"][:] = 0
        state[f"c{c.index}_ty"][:] = 0

    def spiked(self, name: str) -> Callable[[int, int, int], int]:
        """x0 or y0 at (axon j, neuron i, synapse s)."""
        if name == "x0":
            return lambda j, i, s: int(self.tx[j] > 0)
        return lambda j, i, s: int(self.ty[i] > 0)

    def at(self, register: str, gate: str) -> Callable[[int, int, int], int]:
        """A trace at (j, i, s) as a product with this gate reads it."""
        rows, pre = self.h[register], self.traces.of(register).owner == "pre"
        times = {"x0": lambda j, i: self.tx[j], "y0": lambda j, i: self.ty[i]}
        time = times.get(gate, lambda j, i: self.epoch)
        return lambda j, i, s: rows[time(j, i)][j if pre else i]
