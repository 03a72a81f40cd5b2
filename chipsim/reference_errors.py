"""Errors of a readout or of a layer itself on Python integers: the first half of phase 7.

All kinds end in s8.7. A potential v is read as v >> shift, whose fraction bits `plan.circuits` gives
for each kind of error; y is the label.
"""

from __future__ import annotations

import math

from chipsim.fixed import limit
from chipsim.plan import NO_TARGET, CircuitPlan, Plan
from chipsim.reference_neurons import add
from chipsim.state import State
from chipsim.state_circuits import MORE_CIRCUIT_COUNTS as COUNTS

# exp(-i/16) in u16.16 without its top value: what the softmax of a readout reads
EXP16 = tuple(math.floor(65535 * math.exp(-i / 16) + 0.5) for i in range(256))
ONE = 128  # 1.0 of the class error, s8.7
HALF = 64
MARGIN = 16  # 1.0 of a potential with 4 fraction bits
QUARTER = 32  # 1.0 of a potential whose error is divided by 4


def form_errors(plan: Plan, k: CircuitPlan, state: State, b: int, label: int) -> list[int]:
    """Errors of one context, s8.7, after the trigger; all 0 without a target."""
    stat = state[f"k{k.index}_stat"]
    size = plan.layers[k.judged].size
    if k.kind == "readout":
        add(stat, COUNTS, "additions", size)  # a readout subtracts in every step
    if label == NO_TARGET or label < 0 and k.error != "regression":
        return [0] * size
    if k.kind == "error":
        add(stat, COUNTS, "additions", size)
    exact = KINDS[k.error](_potentials(plan, k, state, b), int(state[f"k{k.index}_shift"][0]), label)
    if k.error in ("softmax", "sign"):
        add(stat, COUNTS, "divisions", size)
        add(stat, COUNTS, "lookups", size)
    errors = []
    for value in exact:
        error, limited, _ = limit(value, k.error_fmt.lo, k.error_fmt.hi, "saturate")
        add(stat, COUNTS, "limited", limited)
        errors.append(error)
    return errors if k.trigger is None else _triggered(k, state, errors)


def _potentials(plan: Plan, k: CircuitPlan, state: State, b: int) -> list[int]:
    """Membranes of an integrator; of spiking neurons their charge count * threshold + v, or spikes."""
    p, stat = f"l{k.judged}_", state[f"k{k.index}_stat"]
    v = state[p + "v"][b].tolist()
    if plan.layers[k.judged].kind != "lif":
        return v
    if k.error == "spike":
        return state[p + "fired"][b].tolist()
    add(stat, COUNTS, "additions", len(v))
    add(stat, COUNTS, "multiplications", len(v))
    counts, thresholds = state[p + "count"][b].tolist(), state[p + "thr"].tolist()
    return [n * thr + x for n, thr, x in zip(counts, thresholds, v, strict=True)]


def _triggered(k: CircuitPlan, state: State, errors: list[int]) -> list[int]:
    """Errors below the threshold become 0; the threshold follows their number."""
    threshold = state[f"k{k.index}_thr"]
    left = [e if e != 0 and abs(e) >= int(threshold[0]) >> 8 else 0 for e in errors]
    n = sum(e != 0 for e in left)
    moved = int(threshold[0]) + n * k.trigger.up - (len(errors) - n) * k.trigger.down
    threshold[0] = min(max(moved, 0), ONE << 8)
    add(state[f"k{k.index}_stat"], COUNTS, "triggered", n)
    add(state[f"k{k.index}_stat"], COUNTS, "additions", len(errors))
    return left


def softmax(potentials: list[int], shift: int) -> list[int]:
    """Class probabilities * 128, to nearest, from a table of exponentials of d = (max - v) >> shift."""
    top = max(potentials)
    p = [EXP16[min((top - v) >> shift, 255)] for v in potentials]
    total = sum(p)
    return [(2 * ONE * x + total) // (2 * total) for x in p]


def _softmax(v: list[int], shift: int, label: int) -> list[int]:
    return [q - ONE * (c == label) for c, q in enumerate(softmax(v, shift))]


def _sign(v: list[int], shift: int, label: int) -> list[int]:
    return [HALF * ((e > 0) - (e < 0)) for e in _softmax(v, shift, label)]


def _smooth_l1(v: list[int], shift: int, label: int) -> list[int]:
    return [(x >> shift) - ONE * (c == label) for c, x in enumerate(v)]


def _mse(v: list[int], shift: int, label: int) -> list[int]:
    return [(x >> shift) - QUARTER * (c == label) for c, x in enumerate(v)]


def _hard_sigmoid(v: list[int], shift: int, label: int) -> list[int]:
    return [min(max((x >> shift) + HALF, 0), ONE) - ONE * (c == label) for c, x in enumerate(v)]


def _ternary(v: list[int], shift: int, label: int) -> list[int]:
    """A hinge: every class within the margin of the label's potential is told so, and the label."""
    if label >= len(v):
        return [0] * len(v)
    near = [c != label and (v[label] - x) >> shift < MARGIN for c, x in enumerate(v)]
    errors = [HALF * x for x in near]
    errors[label] = -HALF * any(near)
    return errors


def _spike(fired: list[int], shift: int, label: int) -> list[int]:
    return [HALF * s - HALF * (c == label) for c, s in enumerate(fired)]


def _regression(v: list[int], shift: int, label: int) -> list[int]:
    return [(x >> shift) - label for x in v]


KINDS = {
    "softmax": _softmax,
    "sign": _sign,
    "smooth_l1": _smooth_l1,
    "mse": _mse,
    "hard_sigmoid": _hard_sigmoid,
    "ternary": _ternary,
    "spike": _spike,
    "regression": _regression,
}
