"""Traces of an engine whose streams are shared (Lava's LearningDense), as data.

A trace lives in the synapses' connection, moves once per learning epoch and is evaluated at the step of
the epoch in which its neuron, or the other side's, spiked last (epoch_traces.py).
"""

from __future__ import annotations

from dataclasses import dataclass

GRADED = ("regular", "overwrite", "add_saturate", "add_overflow")  # Lava's GradedSpikeCfg 0 to 3
RECEIVED_TAU = 65535.0  # y1..y3 that a neuron sends decay by this once per step of the epoch
DRAW_BITS = 53  # of a uniform number of numpy's generators


@dataclass(frozen=True)
class Trace:
    """One trace: x1, x2 (owner pre) or y1..y3 (post).

    register       its register; slot 1, 2, 3 in Lava's names
    tau            steps; 0: it lives in the step of its spike only; inf: no decay
    whole, part    of its impulse: whole raw units and 1/256 of one
    received       the neuron writes it in every step (three-factor rules); it keeps its register
    lo, hi         values that it can take
    """

    register: str
    owner: str
    slot: int
    tau: float
    whole: int
    part: int
    received: bool
    lo: int
    hi: int


@dataclass(frozen=True)
class EpochTraces:
    """All traces of a connection. seed: of its random streams; graded: one of GRADED; bap: the
    connection sees its neurons' spikes (y0 or own y traces)."""

    pre: tuple[Trace, ...]
    post: tuple[Trace, ...]
    three_factor: bool
    bap: bool
    graded: str
    seed: int
    write_seed: int
    offsets: tuple[int, int, int, int]  # pre decay, pre impulse, post decay, post impulse

    @property
    def all(self) -> tuple[Trace, ...]:
        """Pre traces, then post traces."""
        return (*self.pre, *self.post)

    def of(self, register: str) -> Trace:
        """The trace kept under a register's name."""
        return next(t for t in self.all if t.register == register)
