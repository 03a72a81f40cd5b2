"""Third factors on Python integers: phase 7 of the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chipsim.fixed import limit, shift_round
from chipsim.noise import OP_CIRCUIT_SIGNAL, draw_key, top_bits, word_one
from chipsim.plan import CircuitPlan, Plan
from chipsim.reference_contrast import contrast
from chipsim.reference_errors import EXP16 as EXP16
from chipsim.reference_errors import form_errors
from chipsim.reference_errors import softmax as softmax
from chipsim.reference_maps import unpool
from chipsim.reference_neurons import add
from chipsim.state import State
from chipsim.state_circuits import MORE_CIRCUIT_COUNTS as COUNTS


def third_factors(
    plan: Plan, k: CircuitPlan, state: State, labels: Sequence[int], rewards: Sequence[int], n: int
) -> None:
    """Write the signal m of one circuit at an update instant, in every context.

    labels, rewards   of the step, one per context; a label below 0 means no target
    """
    if k.kind == "contrast":
        contrast(plan, k, state, labels, n)
        return
    if k.copy_every:
        _refresh(k, state)
    if k.judged >= 0:
        for b in range(plan.contexts):
            state[f"k{k.index}_err"][b, :] = form_errors(plan, k, state, b, labels[b])
    replayed_factors(plan, k, state, rewards, n)


def replayed_factors(plan: Plan, k: CircuitPlan, state: State, rewards: Sequence[int], n: int) -> None:
    """The signal of one circuit in every context, from errors that were formed before: phase 7 of a
    replayed step, and the second half of every phase 7."""
    for b in range(plan.contexts):
        if k.kind == "reward":
            state[f"l{k.layer}_m"][b, :] = rewards[b]
            add(state[f"k{k.index}_stat"], COUNTS, "messages", rewards[b] != 0)
        elif k.kind == "pool":
            unpool(plan, k, state, b, n)
        elif k.kind == "error":
            state[f"l{k.layer}_m"][b, :] = state[f"k{k.index}_err"][b]
        else:
            source = k.source or f"k{k.index}_err"
            _signal(plan, k, state, b, state[source][b].tolist(), n)


def _refresh(k: CircuitPlan, state: State) -> None:
    """Renew the stored copy at every copy_every-th instant; each word that differs is sent."""
    copy, age = state[f"k{k.index}_copy"], state[f"k{k.index}_age"]
    if age[0] == 0:
        moved = int((copy != state[f"c{k.connection}_w"]).sum())
        copy[...] = state[f"c{k.connection}_w"]
        for name in ("messages", "copied"):
            add(state[f"k{k.index}_stat"], COUNTS, name, moved)
    age[0] = (age[0] + 1) % k.copy_every


def _rows(plan: Plan, k: CircuitPlan, state: State) -> list[list[tuple[int, int]]]:
    """(target, weight) of every synapse, by neuron of the layer that is served."""
    c = plan.connections[k.connection]
    weights = state[f"k{k.index}_copy"] if k.copy_every else state[f"c{c.index}_w"]
    if c.conv is not None:
        flat = weights.reshape(-1).tolist()
        return [[(i, flat[e]) for i, e in c.conv.places(j)] for j in range(c.n_pre)]
    if not c.sparse:
        return [list(enumerate(row)) for row in weights.tolist()]
    ends, targets = state[f"c{c.index}_ptr"].tolist(), state[f"c{c.index}_tgt"].tolist()
    pairs = list(zip(targets, weights.tolist(), strict=True))
    return [pairs[lo:hi] for lo, hi in zip(ends[:-1], ends[1:], strict=True)]


def _signal(plan: Plan, k: CircuitPlan, state: State, b: int, values: list[int], n: int) -> None:
    """m_i = sum over k of (weight to k) * value of k, rounded once."""
    stat = state[f"k{k.index}_stat"]
    signal: np.ndarray = state[f"l{k.layer}_m"][b]
    signal[:] = 0
    if not any(values):
        return
    drawn = k.rounding == "stochastic" and k.drop > 0
    key = draw_key(plan.seed, k.layer, OP_CIRCUIT_SIGNAL, b, n)
    products = 0
    for i, row in enumerate(_rows(plan, k, state)):
        exact = sum(w * values[t] for t, w in row)
        products += sum(values[t] != 0 for t, _ in row)
        draw = top_bits(word_one(key, i), k.drop) if drawn else 0
        raw, limited, _ = limit(
            shift_round(exact, k.drop, k.rounding, draw), k.signal_fmt.lo, k.signal_fmt.hi, "saturate"
        )
        signal[i] = raw
        add(stat, COUNTS, "limited", limited)
    add(stat, COUNTS, "messages", sum(x != 0 for x in values))
    add(stat, COUNTS, "multiplications", 0 if k.stepped else products)
    add(stat, COUNTS, "additions", products)
    add(stat, COUNTS, "draws", len(signal) if drawn else 0)
