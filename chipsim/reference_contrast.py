"""Two paths compared over contexts, on Python integers: the circuit of Traces Propagation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chipsim.fixed import limit, shift_round
from chipsim.noise import OP_CIRCUIT_SIGNAL, draw_key, top_bits, word_one
from chipsim.plan import CircuitPlan, Plan
from chipsim.reference_errors import ONE, softmax
from chipsim.reference_neurons import add
from chipsim.state import State
from chipsim.state_circuits import MORE_CIRCUIT_COUNTS as COUNTS


def contrast(plan: Plan, k: CircuitPlan, state: State, labels: Sequence[int], n: int) -> None:
    """Coefficients G of all pairs of a sample and a target, then m in every context."""
    targets = _geometry(k, state) if k.geometry else _classes(k, labels)
    eps = state[k.source].tolist()
    for b, y in enumerate(targets):
        _coefficients(k, state, b, eps, y)
    rows = state[f"k{k.index}_G"].tolist()
    add(state[f"k{k.index}_stat"], COUNTS, "messages", sum(g != 0 for row in rows for g in row))
    samples, paths = eps[: k.inputs], eps[k.inputs :]
    for b in range(k.inputs):
        _signal(plan, k, state, b, rows[b], paths, n)
    for t in range(k.targets):
        _signal(plan, k, state, k.inputs + t, [row[t] for row in rows], samples, n)


def _classes(k: CircuitPlan, labels: Sequence[int]) -> list[list[int] | None]:
    """Target t is class t; a sample without label has no row."""
    found = []
    for b in range(k.inputs):
        found.append([ONE * (t == labels[b]) for t in range(k.targets)] if labels[b] >= 0 else None)
    return found


def _geometry(k: CircuitPlan, state: State) -> list[list[int]]:
    """Softmax of the negative distances between the targets."""
    rows = state[k.geometry].tolist()[k.inputs :]
    stat, size, pairs = state[f"k{k.index}_stat"], len(rows[0]), k.targets * (k.targets - 1) // 2
    distances = [
        [math.isqrt(sum((a - b) ** 2 for a, b in zip(p, q, strict=True))) for q in rows] for p in rows
    ]
    add(stat, COUNTS, "additions", 2 * size * pairs)  # each pair once
    add(stat, COUNTS, "multiplications", size * pairs)
    add(stat, COUNTS, "roots", pairs)
    for name in ("divisions", "lookups"):
        add(stat, COUNTS, name, k.targets * k.targets)
    return [softmax([-d for d in row], int(state[f"k{k.index}_shift"][1])) for row in distances]


def _coefficients(k: CircuitPlan, state: State, b: int, eps: list[list[int]], y: list[int] | None) -> None:
    """Row b of z, y and G; all 0 without a target."""
    p, stat = f"k{k.index}_", state[f"k{k.index}_stat"]
    for name in ("z", "y", "G"):
        state[p + name][b] = 0
    if y is None:
        return
    z = [sum(a * c for a, c in zip(eps[b], path, strict=True)) for path in eps[k.inputs :]]
    state[p + "z"][b], state[p + "y"][b] = z, y
    for t, q in enumerate(softmax(z, int(state[p + "shift"][0]))):
        state[p + "G"][b, t], limited, _ = limit(q - y[t], k.error_fmt.lo, k.error_fmt.hi, "saturate")
        add(stat, COUNTS, "limited", limited)
    products = k.targets * len(eps[b])
    add(stat, COUNTS, "multiplications", products)
    add(stat, COUNTS, "additions", products + k.targets)
    for name in ("divisions", "lookups"):
        add(stat, COUNTS, name, k.targets)


def _signal(plan: Plan, k: CircuitPlan, state: State, b: int, g: list[int], paths: list, n: int) -> None:
    """m of context b: the other path's registers, weighted by their coefficients, rounded once."""
    stat, signal = state[f"k{k.index}_stat"], state[f"l{k.layer}_m"][b]
    signal[:] = 0
    loud = sum(x != 0 for x in g)
    if not loud:
        return
    key = draw_key(plan.seed, k.layer, OP_CIRCUIT_SIGNAL, b, n)
    for i in range(len(signal)):
        exact = sum(x * path[i] for x, path in zip(g, paths, strict=True))
        draw = top_bits(word_one(key, i), k.drop) if k.drop > 0 else 0
        rounded = shift_round(exact, k.drop, k.rounding, draw)
        signal[i], limited, _ = limit(rounded, k.signal_fmt.lo, k.signal_fmt.hi, "saturate")
        add(stat, COUNTS, "limited", limited)
    for name in ("multiplications", "additions"):
        add(stat, COUNTS, name, loud * len(signal))
    add(stat, COUNTS, "draws", len(signal) if k.drop > 0 else 0)
