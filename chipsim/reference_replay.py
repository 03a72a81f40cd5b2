"""Stored history on plain arrays: what a step leaves behind, and how a replay takes it up again."""

from __future__ import annotations

from chipsim.microcode.interpret import INPUT_ARRAYS
from chipsim.plan import CircuitPlan, Plan
from chipsim.plan.replay import stored_values
from chipsim.reference_neurons import add
from chipsim.state import HISTORY_COUNTS, State


def remember(plan: Plan, state: State, ts: int) -> None:
    """Store the histories at the end of step ts: registers, inputs, class errors (0 in burn-in)."""
    for c in plan.connections:
        if c.program is None or not c.program.history:
            continue
        p = f"c{c.index}_"
        for x in c.program.stored:
            source = getattr(x, "source", "")
            if source == "pre.spike":  # the axons' spikes stand in the pre layer's own history
                continue
            array = f"l{c.post}_{INPUT_ARRAYS[source]}" if source else f"{p}r_{x.name}"
            stored = state[f"{p}h_{x.name}"]
            stored[(ts - 1) % len(stored)] = state[array]
        add(state[p + "past_stat"], HISTORY_COUNTS, "history_writes", stored_values(plan, c))
    for index in plan.replay.errors if plan.replay else ():
        if index not in plan.replay.held:
            stored, errors = state[f"k{index}_errh"], state[f"k{index}_err"]
            stored[(ts - 1) % len(stored)] = errors if plan.forms_error(index, ts, False) else 0
            add(state[f"k{index}_past_stat"], HISTORY_COUNTS, "history_writes", errors.size)


def recall_errors(plan: Plan, k: CircuitPlan, state: State, ts: int) -> None:
    """Put the stored class errors of step ts back in their place."""
    if f"k{k.index}_errh" in state:
        stored, errors = state[f"k{k.index}_errh"], state[f"k{k.index}_err"]
        errors[...] = stored[(ts - 1) % len(stored)]
        add(state[f"k{k.index}_past_stat"], HISTORY_COUNTS, "history_reads", errors.size)


def recalled(plan: Plan, state: State) -> None:
    """Count what the lines of one replayed step read: each stored value once."""
    for c in plan.connections:
        if c.program and c.program.history:
            add(state[f"c{c.index}_past_stat"], HISTORY_COUNTS, "history_reads", stored_values(plan, c))
