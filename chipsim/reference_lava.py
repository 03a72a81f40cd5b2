"""Lava's integer LIF on Python integers: neuron arithmetic "lava" of phases 3 and 5.

    a  = wrap32(a_in << 6)
    s  = wrap32(T(u * k_u) + a)           T: 12 dropped bits toward zero
    u  = s - 2^24 if s > 2^23, s + 2^24 if s <= -2^23, else s        one wrap only
    v  = clip(wrap32(T(v * k_v) + u + bias), -(2^23 - 1), 2^23 - 1)
    spike where v > threshold; v = 0 there

k_u = 4096 - (du + 1), k_v = 4096 - dv, threshold = vth << 6, bias = bias_mant << bias_exp.
"""

from __future__ import annotations

from chipsim.fixed import limit, shift_round
from chipsim.microcode.reach import Wiring, active_axons
from chipsim.plan import DECAY_FRAC, ConnectionPlan, LayerPlan, Plan
from chipsim.state import CONNECTION_COUNTS, LAYER_COUNTS, State

HALF = 1 << 23  # of the 24 bits of u and v


def wrap32(x: int) -> int:
    """Modulo 2^32 to -2^31 .. 2^31 - 1."""
    return limit(x, -(1 << 31), (1 << 31) - 1, "wrap").raw


def lava_neuron(layer: LayerPlan, state: State, b: int, i: int, ts: int) -> bool:
    """One neuron's step. Returns whether it fired; wraps of input and u and limits of v are counted."""
    p, stat = f"l{layer.index}_", state[f"l{layer.index}_stat"]
    has_u = layer.k_u is not None
    u, v = int(state[p + "u"][b, i]) if has_u else 0, int(state[p + "v"][b, i])
    if layer.reset_every and ts % layer.reset_every[0] == layer.reset_every[1]:
        u = v = 0
    bias, k_u, k_v = (int(state[p + name][i]) for name in ("bias", "ku", "kv"))
    accumulator = state[p + "acc"]
    slot = ts % accumulator.shape[0]
    exact = int(accumulator[slot, b, i]) << layer.acc_shift
    accumulator[slot, b, i] = 0
    a = wrap32(exact)
    busy = u != 0 or v != 0 or a != 0 or bias != 0
    stat[LAYER_COUNTS.index("updates_active" if busy else "updates_inactive")] += 1
    stat[LAYER_COUNTS.index("input_limited")] += a != exact
    s = wrap32(shift_round(u * k_u, DECAY_FRAC, "trunc") + a)
    u = s - 2 * HALF if s > HALF else s + 2 * HALF if s <= -HALF else s
    stat[LAYER_COUNTS.index("u_limited")] += has_u and u != s
    moved = wrap32(shift_round(v * k_v, DECAY_FRAC, "trunc") + u + bias)
    v, limited, _ = limit(moved, 1 - HALF, HALF - 1, "saturate")
    stat[LAYER_COUNTS.index("v_limited")] += limited
    fired = layer.kind == "lif" and v > int(state[p + "thr"][i])
    if has_u:
        state[p + "u"][b, i] = u
    state[p + "vc"][b, i], state[p + "v"][b, i] = v, 0 if fired else v
    if fired:
        state[p + "count"][b, i] += 1
    return fired


def deliver_floored(plan: Plan, c: ConnectionPlan, state: State, wiring: Wiring, ts: int) -> None:
    """Deliver what a step adds to each neuron and arrival time, summed, then floored by a right shift."""
    accumulator = state[f"l{c.post}_acc"]
    ring = accumulator.shape[0]
    weights = state[f"c{c.index}_w"].reshape(-1)
    delays = state[f"c{c.index}_delay"].reshape(-1) if c.synapse_delays else None
    later = 0 if plan.phases.index("deliver") < plan.phases.index("fire") else 1
    stat = state[f"c{c.index}_stat"]
    for b in range(plan.contexts):
        sums: dict[tuple[int, int], int] = {}
        for axon, payload in active_axons(plan, c, state, ts, b).items():
            synapses = len(wiring.rows[axon])
            stat[CONNECTION_COUNTS.index("axon_events")] += 1
            stat[CONNECTION_COUNTS.index("synaptic_events")] += synapses
            stat[CONNECTION_COUNTS.index("multiplications")] += synapses if c.graded else 0
            for s in wiring.rows[axon]:
                place = ((ts + (later if delays is None else int(delays[s]))) % ring, wiring.post_of[s])
                sums[place] = sums.get(place, 0) + int(weights[wiring.weight_of(s)]) * payload
        for (slot, i), exact in sums.items():
            accumulator[slot, b, i] = int(accumulator[slot, b, i]) + (exact >> -c.shift)
