"""Deliver and fire on Python integers: phases 3 and 5 of the reference (definition 1)."""

from __future__ import annotations

from dataclasses import dataclass

from chipsim.fixed import limit, shift_round
from chipsim.microcode.reach import Wiring, active_axons
from chipsim.noise import OP_NEURON_U, OP_NEURON_V, draw_key, top_bits, word_one
from chipsim.plan import DECAY_FRAC, ConnectionPlan, LayerPlan, Plan
from chipsim.reference_lava import deliver_floored, lava_neuron
from chipsim.state import CONNECTION_COUNTS, LAYER_COUNTS, State

ONE = 1 << DECAY_FRAC
EVALUATION = 0x80000000  # added to the layer's number in the keys of an evaluation


@dataclass(frozen=True)
class NeuronKeys:
    """What the draws of neuron lines depend on: learning (context, step number n) or evaluation
    (sample of each context, step ts within the sample)."""

    learn: bool
    n: int
    ts: int
    samples: tuple[int, ...]

    def key(self, plan: Plan, layer: int, op: int, context: int) -> int:
        """The draw key of one layer, line and context."""
        if self.learn:
            return draw_key(plan.seed, layer, op, context, self.n)
        return draw_key(plan.seed, layer | EVALUATION, op, self.samples[context], self.ts)


def add(counts: object, names: tuple[str, ...], name: str, amount: int) -> None:
    """Add to a named counter of a `_stat` array."""
    if amount:
        counts[names.index(name)] += amount


# ---------------------------------------------------------------- deliver


def deliver(plan: Plan, c: ConnectionPlan, state: State, wiring: Wiring, ts: int) -> None:
    """Add the weights of the active axons to the accumulators of their targets, exactly.

    The sum is read in this step where the neurons fire after delivery, else in the next one; a
    synapse with a delay of its own delivers that many steps later.
    """
    accumulator = state[f"l{c.post}_acc"]
    if c.shift < 0:
        deliver_floored(plan, c, state, wiring, ts)
        return
    ring = accumulator.shape[0]
    weights = state[f"c{c.index}_w"].reshape(-1)
    delays = state[f"c{c.index}_delay"].reshape(-1) if c.synapse_delays else None
    later = 0 if plan.phases.index("deliver") < plan.phases.index("fire") else 1
    events = synapses = 0
    for b in range(plan.contexts):
        for axon, payload in active_axons(plan, c, state, ts, b).items():
            events += 1
            synapses += len(wiring.rows[axon])
            for s in wiring.rows[axon]:
                slot = (ts + (later if delays is None else int(delays[s]))) % ring
                i = wiring.post_of[s]
                weight = int(weights[wiring.weight_of(s)])
                exact = int(accumulator[slot, b, i]) + (weight * payload << c.shift)
                accumulator[slot, b, i] = exact
    stat = state[f"c{c.index}_stat"]
    add(stat, CONNECTION_COUNTS, "axon_events", events)
    add(stat, CONNECTION_COUNTS, "synaptic_events", synapses)
    add(stat, CONNECTION_COUNTS, "multiplications", synapses if c.graded else 0)


# ---------------------------------------------------------------- fire


def fire(plan: Plan, layer: LayerPlan, state: State, ts: int, keys: NeuronKeys) -> None:
    """Leak, integrate, compare and reset all neurons of a layer in every context that holds a sample;
    note who fired."""
    p = f"l{layer.index}_"
    slot = ts % layer.history
    for b in range(len(keys.samples)):
        decay_u = _Decay(plan, layer, OP_NEURON_U, keys, b)
        decay_v = _Decay(plan, layer, OP_NEURON_V, keys, b)
        fired = [i for i in range(layer.size) if _neuron(layer, state, b, i, ts, decay_u, decay_v)]
        flags = state[p + "fired"][b]
        flags[:] = 0
        flags[fired] = 1
        state[p + "hist"][slot, b, : len(fired)] = fired
        state[p + "hist_n"][slot, b] = len(fired)
        stat = state[p + "stat"]
        add(stat, LAYER_COUNTS, "spikes", len(fired))
        if layer.decay_rounding == "stochastic":
            draws_u = layer.k_u is not None and layer.k_u != ONE
            draws_v = layer.leak == "multiply" and layer.k_v != ONE
            add(stat, LAYER_COUNTS, "draws", layer.size * (draws_u + draws_v))


class _Decay:
    """R(value * k): the declared rounding of 12 dropped bits; k = 4096 is exactly 1."""

    def __init__(self, plan: Plan, layer: LayerPlan, op: int, keys: NeuronKeys, context: int):
        self.rounding = layer.decay_rounding
        self.key = keys.key(plan, layer.index, op, context) if self.rounding == "stochastic" else 0

    def __call__(self, value: int, k: int, neuron: int) -> int:
        if k == ONE:
            return value
        draw = top_bits(word_one(self.key, neuron), DECAY_FRAC) if self.rounding == "stochastic" else 0
        return shift_round(value * k, DECAY_FRAC, self.rounding, draw)


def _neuron(
    layer: LayerPlan, state: State, b: int, i: int, ts: int, decay_u: _Decay, decay_v: _Decay
) -> bool:
    """One neuron's step: u, then v, compare, reset. Returns whether it fired."""
    p, stat = f"l{layer.index}_", state[f"l{layer.index}_stat"]
    if layer.arithmetic == "lava":
        return lava_neuron(layer, state, b, i, ts)
    u = int(state[p + "u"][b, i]) if layer.k_u is not None else 0
    v = int(state[p + "v"][b, i])
    refractory = int(state[p + "refr"][b, i]) if layer.refractory else 0
    bias = int(state[p + "bias"][i])
    current = _input(layer, state, b, i, ts)
    active = u != 0 or v != 0 or current != 0 or bias != 0 or refractory > 0
    add(stat, LAYER_COUNTS, "updates_active" if active else "updates_inactive", 1)
    if layer.k_u is not None:
        u, *limited = limit(
            decay_u(u, layer.k_u, i) + current, layer.u_fmt.lo, layer.u_fmt.hi, layer.u_overflow
        )
        add(stat, LAYER_COUNTS, "u_limited", any(limited))
        state[p + "u"][b, i] = u
        current = u
    if refractory > 0:
        state[p + "refr"][b, i] = refractory - 1
        state[p + "vc"][b, i] = v
        return False
    v, *limited = limit(
        _leak(layer, v, decay_v, i) + current + bias, layer.v_fmt.lo, layer.v_fmt.hi, layer.v_overflow
    )
    add(stat, LAYER_COUNTS, "v_limited", any(limited))
    v = max(0, v) if layer.rectify else v
    state[p + "vc"][b, i] = v
    fired = layer.kind == "lif" and _exceeds(layer, v, int(state[p + "thr"][i]))
    state[p + "v"][b, i] = _reset(layer, state, b, i, v) if fired else v
    return fired


def _input(layer: LayerPlan, state: State, b: int, i: int, ts: int) -> int:
    """This step's accumulator, aligned to the membrane and limited once; the slot is emptied."""
    accumulator = state[f"l{layer.index}_acc"]
    slot = ts % accumulator.shape[0]
    exact = int(accumulator[slot, b, i]) << layer.acc_shift
    accumulator[slot, b, i] = 0
    current, limited, _ = limit(exact, layer.acc_lo, layer.acc_hi, "saturate")
    add(state[f"l{layer.index}_stat"], LAYER_COUNTS, "input_limited", limited)
    return current


def _leak(layer: LayerPlan, v: int, decay: _Decay, i: int) -> int:
    if layer.leak == "multiply":
        return decay(v, layer.k_v, i)
    size = max(abs(v) - layer.leak_step, 0)
    return size if v >= 0 else -size


def _exceeds(layer: LayerPlan, v: int, threshold: int) -> bool:
    return v >= threshold if layer.compare == "ge" else v > threshold


def _reset(layer: LayerPlan, state: State, b: int, i: int, v: int) -> int:
    """The membrane after a spike; current, refractory counter and spike count change with it."""
    p = f"l{layer.index}_"
    if layer.reset_current and layer.k_u is not None:
        state[p + "u"][b, i] = 0
    if layer.refractory:
        state[p + "refr"][b, i] = layer.refractory
    state[p + "count"][b, i] += 1
    return 0 if layer.reset == "hard" else v - int(state[p + "thr"][i])
