"""How far a rule lowered to products is from the rule as written, on the same recorded signals.

Both sides get the same spikes, membranes, third factors and rewards, at rates as in a trained network.
Compared is what each step adds to each weight before it is rounded, in LSB of a 9-bit weight. Traces are
rounded stochastically on both sides; `noise` says how far two runs of the rule as written are from each other
for that reason alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chipsim.fixed import Format
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.program import Program
from chipsim.open_loop.inputs import Inputs, random_inputs
from chipsim.open_loop.products import ProductWalk, changes_lowered, changes_written
from chipsim.open_loop.walk import Walk

RUNS, STEPS, N_PRE, N_POST = 200, 100, 4, 3
PRE_RATE, POST_RATE = 0.05, 0.02  # spikes of an axon and of a neuron in a step
WEIGHT = Format(True, 9, 8)


@dataclass(frozen=True)
class Apart:
    """In LSB of the weight, over all updates: synapses and steps in which one side adds something.

    updates    their number
    change     mean size of what the rule as written adds
    mean       mean size of the difference; largest: its largest size
    noise      mean size of the difference of two runs of the rule as written with other draws
    bias       mean difference with its sign; error: its standard error over the recordings
    """

    updates: int
    change: float
    mean: float
    largest: float
    noise: float
    bias: float
    error: float


def rule_use(chip, **changes: object) -> Use:
    """A connection of 4 axons and 3 neurons with 9-bit weights, the chip's membranes."""
    v = Format(True, chip.neuron.v_bits, 7 + chip.neuron.guard_bits)
    use = Use(weight=WEIGHT, w_lo=WEIGHT.lo, w_hi=WEIGHT.hi, v=v, n_pre=N_PRE, n_post=N_POST)
    return replace(use, **changes)


def sparse_inputs(use: Use, count: int, steps: int, first: int = 0) -> Inputs:
    """Recordings of `random_inputs` with spikes as rare as PRE_RATE and POST_RATE; membranes above the
    threshold that may not spike are mirrored below it."""
    made = random_inputs(use, count, steps, N_PRE, N_POST, first)
    rng = np.random.default_rng(first)
    above = made.post.astype(bool)
    keep = rng.random(above.shape) < POST_RATE / max(above.mean(), 1e-9)
    made.v = np.where(above & ~keep, 2 * made.threshold - made.v - 1, made.v)
    made.post = (above & keep).astype(np.int64)
    made.v_after = np.where(made.post != 0, 0, made.v)
    made.pre = (rng.random(made.pre.shape) < PRE_RATE).astype(np.int64)
    return made


def apart(program: Program, ideal, chip, fit: str = "refuse", runs: int = RUNS, steps: int = STEPS) -> Apart:
    """Measure a rule: lines on chip `ideal`, products on `chip`. Raises the errors of `bind`."""
    use = rule_use(chip, fit=fit)
    written = bind(program, ideal, replace(use, engine="lines", fit="refuse"))
    lowered = bind(program, chip, use)
    inputs = sparse_inputs(use, runs, steps)
    seeds = np.arange(runs)
    mine, other = (changes_written(Walk(written, use, inputs, seeds + k * runs)) for k in range(2))
    theirs = mine
    if lowered.products:
        theirs = changes_lowered(ProductWalk(lowered, use, inputs, seeds, phases=chip.step.order))
    either = (mine != 0) | (theirs != 0)
    both = (mine != 0) | (other != 0)
    gap = theirs - mine
    return Apart(
        updates=int(either.sum()),
        change=_mean(abs(mine), mine != 0),
        mean=_mean(abs(gap), either),
        largest=float(abs(gap).max()),
        noise=_mean(abs(other - mine), both),
        bias=_mean(gap, either),
        error=_error(gap, either),
    )


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else 0.0


def _error(gap: np.ndarray, either: np.ndarray) -> float:
    """Of the mean over all updates; recordings are independent, updates of one are not."""
    if not either.any():
        return 0.0
    each = np.where(either, gap - _mean(gap, either), 0.0).sum((1, 2, 3))
    return float(np.sqrt((each**2).sum()) / either.sum())
