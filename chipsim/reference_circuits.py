"""Third factors on Python integers: phase 7 of the reference."""

from __future__ import annotations

import math

from chipsim.fixed import limit, shift_round
from chipsim.noise import OP_CIRCUIT_SIGNAL, draw_key, top_bits, word_one
from chipsim.plan import CircuitPlan, Plan
from chipsim.reference_maps import unpool
from chipsim.reference_neurons import add
from chipsim.state import CIRCUIT_COUNTS, State

# exp(-i/16) in u16.16 without its top value: what the softmax of a readout reads
EXP16 = tuple(math.floor(65535 * math.exp(-i / 16) + 0.5) for i in range(256))
ONE = 128  # 1.0 of the class error, s8.7


def third_factor(
    plan: Plan, k: CircuitPlan, state: State, context: int, label: int, reward: int, n: int
) -> None:
    """Write the signal m of one circuit in one context; label < 0 means no target."""
    if k.kind == "reward":
        state[f"l{k.layer}_m"][context, :] = reward
        add(state[f"k{k.index}_stat"], CIRCUIT_COUNTS, "messages", reward != 0)
        return
    if k.kind == "pool":
        unpool(plan, k, state, context, n)
        return
    errors = _errors(k, state, context, label)
    state[f"k{k.index}_err"][context, :] = errors
    _signal(plan, k, state, context, errors, n)


def _errors(k: CircuitPlan, state: State, b: int, label: int) -> list[int]:
    """Class errors of the readout's membranes, s8.7; all 0 without a label."""
    potentials = state[f"l{k.readout}_v"][b].tolist()
    stat = state[f"k{k.index}_stat"]
    add(stat, CIRCUIT_COUNTS, "additions", len(potentials))
    if label < 0:
        return [0] * len(potentials)
    shift = int(state[f"k{k.index}_shift"][0])
    if k.error == "softmax":
        estimates = softmax(potentials, shift)
        add(stat, CIRCUIT_COUNTS, "divisions", len(potentials))
        add(stat, CIRCUIT_COUNTS, "lookups", len(potentials))
    else:
        estimates = [v >> shift for v in potentials]
    errors = []
    for target, estimate in enumerate(estimates):
        error, limited, _ = limit(
            estimate - ONE * (target == label), k.error_fmt.lo, k.error_fmt.hi, "saturate"
        )
        add(stat, CIRCUIT_COUNTS, "limited", limited)
        errors.append(error)
    return errors


def softmax(potentials: list[int], shift: int) -> list[int]:
    """Class probabilities * 128, to nearest, from a table of exponentials of d = (max - v) >> shift."""
    top = max(potentials)
    p = [EXP16[min((top - v) >> shift, 255)] for v in potentials]
    total = sum(p)
    return [(2 * ONE * x + total) // (2 * total) for x in p]


def _signal(plan: Plan, k: CircuitPlan, state: State, b: int, errors: list[int], n: int) -> None:
    """m_i = sum over classes of (weight to the class) * error, rounded once."""
    stat = state[f"k{k.index}_stat"]
    signal = state[f"l{k.layer}_m"][b]
    sent = [c for c, error in enumerate(errors) if error != 0]
    signal[:] = 0
    if not sent:
        return
    weights = state[f"c{k.connection}_w"]
    drop = k.signal_frac - k.signal_fmt.frac
    drawn = k.rounding == "stochastic" and drop > 0
    key = draw_key(plan.seed, k.layer, OP_CIRCUIT_SIGNAL, b, n)
    for i in range(len(signal)):
        exact = sum(int(weights[i, c]) * errors[c] for c in sent)
        draw = top_bits(word_one(key, i), drop) if drawn else 0
        raw, limited, _ = limit(
            shift_round(exact, drop, k.rounding, draw), k.signal_fmt.lo, k.signal_fmt.hi, "saturate"
        )
        signal[i] = raw
        add(stat, CIRCUIT_COUNTS, "limited", limited)
    products = len(sent) * len(signal)
    add(stat, CIRCUIT_COUNTS, "messages", len(sent))
    add(stat, CIRCUIT_COUNTS, "multiplications", products)
    add(stat, CIRCUIT_COUNTS, "additions", products)
    add(stat, CIRCUIT_COUNTS, "draws", len(signal) if drawn else 0)
