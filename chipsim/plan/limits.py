"""Whether a network can be on the chip at all: walls of one core, and cores of the largest system.

A layer may be spread over cores by its neurons; a neuron's synapses and the axons that reach it must
fit one core. Limits a chip file does not state are not checked (`chipsim chip show` lists them).
"""

from __future__ import annotations

import math

import numpy as np

from chipsim.errors import LimitError
from chipsim.network import Network
from chipsim.plan.types import ConnectionPlan, LayerPlan


def check_limits(
    network: Network, chip: object, layers: list[LayerPlan], connections: list[ConnectionPlan]
) -> None:
    """LimitError with value, limit and chip where a layer cannot be placed, or the cores run out."""
    limits, needed = chip.limits, 0
    for layer in layers:
        if layer.kind == "source":
            continue
        incoming = [connections[k] for k in layer.incoming]
        axons = sum(c.n_pre for c in incoming if c.sparse is False and c.conv is None)
        _wall(axons, limits.axons_in_per_core, "input axons on each of its cores", layer, chip)
        if limits.fan_in is not None:
            _wall(_fan_in(network, incoming), limits.fan_in, "synapses per neuron", layer, chip)
        bits = [_bits_of_a_neuron(network, c) for c in incoming if c.conv is None]
        kernels = sum(_bits_of_kernels(c) for c in incoming if c.conv is not None)
        what = "bits of synapses for one neuron" + " and of shared kernels" * bool(kernels)
        _wall(sum(bits) + kernels, limits.synapse_bits_per_core, what, layer, chip)
        per_core = layer.size
        if limits.neurons_per_core is not None:
            per_core = min(per_core, limits.neurons_per_core)
        if limits.synapse_bits_per_core is not None and sum(bits):
            per_core = min(per_core, max(1, (limits.synapse_bits_per_core - kernels) // sum(bits)))
        needed += math.ceil(layer.size / per_core)
    noc = getattr(chip, "noc", None)
    chips = (noc.chips_max or 1) if noc is not None else 1  # one, where the file does not say
    if limits.cores is not None and needed > limits.cores * chips:
        more = f", a system of {chips} chips {limits.cores * chips}" if chips > 1 else ""
        raise LimitError(
            f"the network needs at least {needed} cores, the chip has {limits.cores}{more}",
            where=f"chip {chip.name} ({chip.path})",
            remedy="use fewer neurons or narrower weights, or another chip",
        )


def _fan_in(network: Network, incoming: list[ConnectionPlan]) -> int:
    total = 0
    for c in incoming:
        described = network.connections[c.index]
        total += (
            c.fan_in if not c.sparse else int(np.bincount(described.sparse[1], minlength=1).max(initial=0))
        )
    return total


def _bits_of_a_neuron(network: Network, c: ConnectionPlan) -> int:
    """Weight and tag bits of the synapses of one neuron (indices and headers are left to mapping)."""
    return _fan_in(network, [c]) * _bits_of_a_synapse(c)


def _bits_of_kernels(c: ConnectionPlan) -> int:
    """Bits of shared weights and tags: each core that holds neurons of the layer stores them once."""
    return c.conv.weights * _bits_of_a_synapse(c)


def _bits_of_a_synapse(c: ConnectionPlan) -> int:
    tags = sum(
        r.fmt.bits
        for r in (c.program.registers if c.program else ())
        if r.owner == "syn" and not r.is_weight and not r.temp
    )
    return c.weight.bits + tags


def _wall(value: int, limit: int | None, what: str, layer: LayerPlan, chip: object) -> None:
    if limit is not None and value > limit:
        raise LimitError(
            f"{value} {what}; the chip has room for {limit}",
            where=f"layer '{layer.name}' on chip {chip.name} ({chip.path})",
            remedy="use fewer inputs or narrower weights, or another chip",
        )
