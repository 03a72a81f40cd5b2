"""Layers in integers: formats, decays, thresholds; sizes that depend on the connections."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from chipsim.errors import LimitError, NetworkError
from chipsim.fixed import Format, fold
from chipsim.network import Connection, Layer, Network
from chipsim.plan.lava import lava_layer
from chipsim.plan.types import ConnectionPlan, LayerPlan


def weight_formats(network: Network, chip: object, bits: int | None) -> list[Format]:
    formats = []
    for c in network.connections:
        width = c.bits or bits or chip.weight.default_bits
        if width not in chip.weight.bits:
            raise LimitError(
                f"weights of {width} bits; the chip stores {', '.join(map(str, chip.weight.bits))}",
                where=f"{c.name} on chip {chip.name}",
                remedy="set weight.bits to one of these, or take another chip",
            )
        exponent = math.log2(c.w_range)
        if exponent != int(exponent):
            raise NetworkError(f"w_range is {c.w_range}", where=c.name, remedy="use a power of two")
        signed = chip.weight.signed
        formats.append(Format(signed, width, width - signed - int(exponent)))
    return formats


def _eight_bit_frac(network: Network, layer: Layer) -> int:
    """Fraction bits of the finest incoming weight, were it 8 bits wide."""
    ranges = [c.w_range for c in delivering(network) if c.post == layer.index]
    return 7 - int(math.log2(min(ranges, default=1.0)))


def delivering(network: Network) -> list[Connection]:
    """The connections that carry spikes: all but fixed feedback."""
    return [c for c in network.connections if c.purpose != "feedback"]


def _decay(tau_ms: float | None, dt_ms: float) -> int:
    return 4096 if tau_ms is None or math.isinf(tau_ms) else round(4096 * math.exp(-dt_ms / tau_ms))


def _raw(value: float, fmt: Format, what: str, layer: Layer) -> int:
    folded = fold(Fraction(value), fmt)
    if folded.saturated:
        raise LimitError(
            f"{what} {value} is outside {float(fmt.real(fmt.lo))}..{float(fmt.real(fmt.hi))} ({fmt})",
            where=f"layer '{layer.name}'",
            remedy="scale threshold and weights down together",
        )
    return folded.raw


def fold_layers(network: Network, chip: object, bits: list[Format]) -> list[LayerPlan]:
    plans = []
    for layer in network.layers:
        if layer.kind == "source":
            plans.append(
                LayerPlan(
                    layer.index,
                    layer.name,
                    "source",
                    layer.size,
                    payload_bits=layer.payload_bits,
                    shape=layer.shape,
                )
            )
            continue
        if layer.kind == "pool":
            plans.append(_pool_layer(layer))
            continue
        neuron = chip.neuron
        frac = _eight_bit_frac(network, layer) + neuron.guard_bits
        v = Format(True, neuron.v_bits, frac)
        if layer.kind == "lif" and layer.reset not in neuron.resets:
            raise LimitError(
                f"{layer.reset} reset; the chip does {', '.join(neuron.resets)}",
                where=f"layer '{layer.name}' on chip {chip.name}",
                remedy=f"use reset='{neuron.resets[0]}'",
            )
        limit = neuron.refractory_max
        if limit is not None and layer.refractory > limit:
            raise LimitError(
                f"refractory of {layer.refractory} steps; the chip does {limit}",
                where=f"layer '{layer.name}' on chip {chip.name}",
            )
        up, target = layer.homeostasis or (0.0, 0.0)
        incoming = [c for c in delivering(network) if c.post == layer.index]
        fine = max((bits[c.index].frac + pool_scale(network, c) for c in incoming), default=frac)
        if fine > frac:
            averaged = any(pool_scale(network, c) for c in incoming)
            raise LimitError(
                f"weights{' divided by the size of pooling windows' * averaged} have {fine} fraction bits, "
                f"the membrane {frac}",
                where=f"layer '{layer.name}' on chip {chip.name}",
                remedy=f"use {'smaller windows, ' * averaged}narrower weights or a larger w_range",
            )
        lava = lava_layer(layer, chip, v)
        plans.append(
            LayerPlan(
                index=layer.index,
                name=layer.name,
                kind=layer.kind,
                size=layer.size,
                k_u=None if layer.tau_u_ms is None else _decay(layer.tau_u_ms, network.dt_ms),
                k_v=_decay(layer.tau_v_ms, network.dt_ms),
                decay_rounding=neuron.decay_rounding,
                u_fmt=Format(True, neuron.u_bits, frac),
                v_fmt=v,
                u_overflow=neuron.u_overflow,
                v_overflow=neuron.v_overflow,
                acc_frac=fine,
                acc_shift=frac - fine,
                acc_lo=Format(True, neuron.u_bits, frac).lo,
                acc_hi=Format(True, neuron.u_bits, frac).hi,
                threshold=_raw(layer.threshold, v, "threshold", layer) if layer.kind == "lif" else 0,
                bias=_raw(layer.bias, v, "bias", layer),
                reset=layer.reset if layer.kind == "lif" else "none",
                compare=neuron.compare,
                refractory=layer.refractory,
                rectify=layer.rectify,
                leak=layer.leak,
                leak_step=_raw(layer.leak_step, v, "leak_step", layer),
                reset_current=layer.reset_current,
                homeo_up=_raw(up, v, "homeostasis", layer),
                homeo_down=_raw(up * target, v, "homeostasis", layer),
                shape=layer.shape,
            )
        )
        plans[-1] = replace(plans[-1], **lava)
    return plans


def _pool_layer(layer: Layer) -> LayerPlan:
    return LayerPlan(
        layer.index,
        layer.name,
        "pool",
        layer.size,
        payload_bits=layer.payload_bits,
        shape=layer.shape,
        pool=layer.pool,
        below=layer.below,
    )


def pool_scale(network: Network, c: Connection) -> int:
    """Bits by which the payloads of a connection are divided: those of an averaged window."""
    pool = network.layers[c.pre].pool
    return 0 if pool is None else pool.scale


def finish_layers(network, layers, connections, circuits) -> list[LayerPlan]:
    done = []
    for layer in layers:
        incoming = tuple(c.index for c in delivering(network) if c.post == layer.index)
        looks = [connections[c.index].lookback for c in delivering(network) if c.pre == layer.index]
        rings = [
            int(c.delays.max()) + 1
            for c in network.connections
            if c.post == layer.index and c.delays is not None
        ]
        bound = sum(_input_bound(network, connections[k]) for k in incoming)
        circuit = next((x.index for x in circuits if x.layer == layer.index), None)
        done.append(
            replace(
                layer,
                incoming=incoming,
                history=max(looks, default=0) + 1,
                ring=max(rings, default=1),
                acc_wide=bound >= 2**31,
                acc_bound=sum(_largest_input(network, connections[k]) for k in incoming),
                circuit=circuit,
            )
        )
    return done


def _largest_input(network: Network, c: ConnectionPlan) -> int:
    """Like `_input_bound`, whatever the weights are: of all values of their format, counted synapse by
    synapse where a pair may have several."""
    sparse = network.connections[c.index].sparse
    fan_in = c.fan_in
    if sparse is not None:
        fan_in = int(np.bincount(np.asarray(sparse[1], np.int64), minlength=1).max())
    return _input_bound(network, replace(c, w_lo=c.weight.lo, w_hi=c.weight.hi), fan_in)


def _input_bound(network: Network, c: ConnectionPlan, fan_in: int | None = None) -> int:
    """Largest |sum| a connection can add to one accumulator in a step."""
    described = network.connections[c.index]
    fan_in = c.fan_in if fan_in is None else fan_in
    steps = 1 if described.delays is None else int(described.delays.max()) + 1
    pool = network.layers[c.pre].pool
    payload = (1 if not c.graded else 255) if pool is None else 1 << pool.scale
    return fan_in * max(-c.w_lo, c.w_hi) * payload * steps << max(c.shift, 0)
