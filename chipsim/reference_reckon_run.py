"""Samples and runs on ReckOn's core in plain Python.

Step t of a sample is a tick: its events arrive before it. Tick 1 only sweeps; tick t leaks and fires (so
that what step t - 1 brought is judged), updates where the update instant and a label say so, and sweeps
the events of step t. A closing tick after the last step leaks and fires once more and ends the sample.
The winner after step t is the largest output at the STEP of the next tick. In evaluation DO_EPROP is 0 and
every sample begins with the random streams as they stood before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chipsim.plan import NO_TARGET, Plan
from chipsim.reckon.datapath import S16, sat
from chipsim.reference_neurons import add
from chipsim.reference_reckon import Core
from chipsim.state import LAYER_COUNTS, State
from chipsim.state_reckon import pull, push

RANDOM = ("f_rinp", "f_rrec", "f_rout", "f_rand")
TARGET = 128  # a regression target in units of 1/32 becomes one of 1/4096


def window(plan: Plan, n_steps: int) -> np.ndarray:
    """uint8[n_steps + 1]: whether step t is an update instant (entry 0 is none)."""
    due = [plan.update.due(ts, ts == n_steps) for ts in range(1, n_steps + 1)]
    return np.array([False, *due], np.uint8)


def check_labels(plan: Plan, labels: np.ndarray) -> None:
    """DataError for a class that the output does not have."""
    from chipsim.errors import DataError

    core = plan.reckon
    if not core.register("REGRESSION") and labels.size and labels.max() >= core.n_out:
        raise DataError(
            f"label {labels.max()}; the classes are 0 to {core.n_out - 1}",
            where=f"layer '{plan.layers[core.output].name}'",
            remedy="give the layer one neuron per class; -1 is no target",
        )


class Run:
    """One call: plan, state and data."""

    def __init__(self, plan: Plan, state: State, events: object, labels: np.ndarray | None, learn: bool):
        self.plan, self.state, self.events, self.learn = plan, state, events, learn
        self.n_steps = events.n_steps
        labels = np.full((events.samples, 1), NO_TARGET) if labels is None else np.asarray(labels)
        self.labels = labels[:, None] if labels.ndim == 1 else labels
        check_labels(plan, self.labels)
        self.window = window(plan, self.n_steps)
        pull(plan, state)
        self.core = Core(plan, state, learn)

    def tick(self, sample: int, ts: int) -> int:
        """Step ts of a sample; returns the winner at its STEP (-1 in the first tick)."""
        state, core, won = self.state, self.core, -1
        self._load(sample, ts)
        if state["f_live"][0]:
            won = self.decide(ts - 1)
            if core.due(self._target(sample, ts)):
                core.update(self._target(sample, ts))
        state["f_live"][0] = 1
        core.sweep()
        if self.learn:
            state["step"][0] += 1
        return won

    def decide(self, before: int) -> int:
        """STEP, and the winner after step `before`."""
        self.core.step()
        if before > 0 and self.window[before]:
            self.core.count_winner()
        return self.core.winner()

    def _load(self, sample: int, ts: int) -> None:
        cell = sample * self.n_steps + ts - 1
        lo, hi = int(self.events.start[cell]), int(self.events.start[cell + 1])
        self.state["f_inp"][self.events.axon[lo:hi]] = 1
        add(self.state[f"l{self.plan.reckon.source}_stat"], LAYER_COUNTS, "spikes", hi - lo)

    def _target(self, sample: int, ts: int) -> bool:
        """Whether a target is valid at this tick; it is stored as the chip would be sent it."""
        label = int(self.labels[sample, min(ts, self.labels.shape[1]) - 1])
        regression = self.core.r["REGRESSION"]
        valid = self.learn and bool(self.window[ts]) and (label != NO_TARGET if regression else label >= 0)
        if valid and regression:
            self.state["f_tar"][:] = sat(label * TARGET, S16)
        elif valid:
            self.state["f_label"][0] = label
        return valid

    def sample(self, k: int) -> np.ndarray:
        """A whole sample; returns the winner after each step, int16[n_steps]."""
        core, plan, state = self.core, self.plan, self.state
        kept = {name: state[name].copy() for name in RANDOM}
        core.idle()
        for name in ("count", "fired"):
            state[f"l{plan.reckon.hidden}_{name}"][...] = 0
        winners = [self.tick(k, ts) for ts in range(1, self.n_steps + 1)]
        winners = [*winners[1:], self.decide(self.n_steps)]
        if not self.learn:
            for name, array in kept.items():
                state[name][...] = array
        push(plan, state, self.learn)
        return np.array(winners, np.int16)


def present(
    plan: Plan,
    state: State,
    events: Mapping[int, object],
    labels: np.ndarray | None,
    learn: bool,
    samples: Sequence[int] | None,
    predictions: bool,
) -> dict:
    """`reference_present` for a plan on ReckOn."""
    core = plan.reckon
    run = Run(plan, state, events[core.source], labels, learn)
    chosen = range(run.events.samples) if samples is None else [int(k) for k in samples]
    hidden, out = plan.layers[core.hidden], plan.layers[core.output]
    rows: dict[str, list] = {"v": [], "counts": [], "membranes": [], "won": []}
    for k in chosen:
        rows["won"].append(run.sample(k))
        rows["v"].append(state[f"l{core.output}_v"][0].copy())
        rows["counts"].append(state[f"l{core.hidden}_count"][0].copy())
        rows["membranes"].append(state[f"l{core.hidden}_v"][0].copy())
    made = {
        "potentials": {out.name: np.array(rows["v"], np.int32).reshape(-1, core.n_out)},
        "counts": {hidden.name: np.array(rows["counts"], np.int32).reshape(-1, core.n_rec)},
        "membranes": {hidden.name: np.array(rows["membranes"], np.int32).reshape(-1, core.n_rec)},
    }
    if predictions:
        made["predictions"] = {out.name: np.array(rows["won"], np.int16).reshape(-1, run.n_steps)}
    return made


def steps(plan, state, events, labels, learn, start: int, stop: int) -> None:
    """`reference_steps` for a plan on ReckOn."""
    run = Run(plan, state, events[plan.reckon.source], labels, learn)
    for ts in range(start + 1, stop + 1):
        run.tick(0, ts)
    push(plan, state, learn)
