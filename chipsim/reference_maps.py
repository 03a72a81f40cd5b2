"""Pooling layers and transposed convolutions on Python integers: their meaning in the reference."""

from __future__ import annotations

from collections.abc import Sequence

from chipsim.fixed import limit, shift_round
from chipsim.geometry import Conv
from chipsim.noise import OP_CIRCUIT_SIGNAL, draw_key, top_bits, word_one
from chipsim.plan import CircuitPlan, LayerPlan, Plan
from chipsim.reference_neurons import add
from chipsim.state import LAYER_COUNTS, State
from chipsim.state_circuits import CIRCUIT_COUNTS


def fire_pool(plan: Plan, layer: LayerPlan, state: State, ts: int, contexts: int) -> None:
    """Phase 5 of a pool layer in the contexts that hold a sample: the windows whose neurons fired in
    this step, with the number of their spikes under average pooling."""
    below, p = plan.layers[layer.below], f"l{layer.index}_"
    slot, seen = ts % layer.history, ts % below.history
    for b in range(contexts):
        spikes = [0] * layer.size
        active = int(state[f"l{below.index}_hist_n"][seen, b])
        for j in state[f"l{below.index}_hist"][seen, b, :active].tolist():
            window = layer.pool.window(j)
            if window >= 0:
                spikes[window] += 1
        if layer.pool.kind == "or":
            spikes = [min(n, 1) for n in spikes]
        fired = [i for i, n in enumerate(spikes) if n]
        state[p + "fired"][b, :] = spikes
        state[p + "hist"][slot, b, : len(fired)] = fired
        state[p + "hist_n"][slot, b] = len(fired)
        if layer.payload_bits > 1:
            state[p + "pay"][slot, b, : len(fired)] = [spikes[i] for i in fired]
        state[p + "count"][b, fired] += 1
        add(state[p + "stat"], LAYER_COUNTS, "spikes", len(fired))


def unpool(plan: Plan, k: CircuitPlan, state: State, b: int, n: int) -> None:
    """The third factor of every neuron below a pool layer: its window's, divided by the window's size
    under average pooling and rounded once; 0 for a neuron that belongs to no window."""
    stat, pool = state[f"k{k.index}_stat"], plan.layers[k.pool].pool
    above, signal = state[f"l{k.pool}_m"][b].tolist(), state[f"l{k.layer}_m"][b]
    sent = sum(m != 0 for m in above)
    drop = k.drop
    key = draw_key(plan.seed, k.layer, OP_CIRCUIT_SIGNAL, b, n)
    drawn = k.rounding == "stochastic" and drop > 0
    for i in range(len(signal)):
        window = pool.window(i)
        exact = above[window] if window >= 0 else 0
        draw = top_bits(word_one(key, i), drop) if drawn else 0
        signal[i] = shift_round(exact, drop, k.rounding, draw)
    add(stat, CIRCUIT_COUNTS, "messages", sent)
    add(stat, CIRCUIT_COUNTS, "draws", len(signal) if drawn and sent else 0)


def transposed_conv(conv: Conv, weights: Sequence[int], values: Sequence[int]) -> list[int]:
    """Exact sums over the fan-out of every axon: sum of weight * value of the neuron it leads to.

    weights are the stored ones in rows of channels, flat; values one integer per neuron of conv.post.
    """
    axons = range(conv.pre[0] * conv.pre[1] * conv.pre[2])
    return [sum(weights[e] * values[i] for i, e in conv.places(axon)) for axon in axons]


def transposed_signal(
    exact: Sequence[int], drop: int, lo: int, hi: int, key: int, rounding: str = "stochastic"
) -> tuple[list[int], int]:
    """Third factors from exact sums, each rounded and limited once; how many were limited."""
    signal, over = [], 0
    for i, value in enumerate(exact):
        draw = top_bits(word_one(key, i), drop) if rounding == "stochastic" and drop > 0 else 0
        raw, limited, _ = limit(shift_round(value, drop, rounding, draw), lo, hi, "saturate")
        signal.append(raw)
        over += limited
    return signal, over
