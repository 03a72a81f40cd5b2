"""What the synapses of a connection take in the memory of a core, as the chip packs them.

layout blocks (Loihi): the synapses that an axon has on a core stand in blocks of up to block_synapses;
a block is a header and its synapses, rounded up to whole words. A synapse is its weight, tags of the rule,
delay, and where not every neuron of the core is a target, the target's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chipsim.plan import ConnectionPlan, Plan


@dataclass(frozen=True)
class Synapses:
    """One connection as a core's memory sees it.

    kind        dense | sparse | conv
    bits        weight, tags and delay of a synapse, without the target's number
    slots       input axons that one presynaptic neuron takes
    traces_pre, traces_post   bits of the rule's registers an axon, a neuron
    words       lines and products of the rule
    per_axon    synapses of an axon, on average (rounded up)
    """

    connection: ConnectionPlan
    kind: str
    bits: int
    slots: int
    traces_pre: int
    traces_post: int
    words: int
    per_axon: int


@dataclass(frozen=True)
class Packing:
    """The chip's packing: block, header and word; layout as `chip.structure.Memory` defines it."""

    layout: str
    word: int
    block: int
    header: int
    index_bits: tuple[int, ...]
    place: float = 0.0  # bits of one place of a crossbar

    def index(self, kind: str, neurons: int) -> int | None:
        """Bits of a target's number on a core of so many neurons; None where the chip has none so wide."""
        if kind != "sparse" or self.layout in ("crossbar", "rows"):
            return 0
        need = max(0, neurons - 1).bit_length()
        if not self.index_bits:
            return need
        return next((bits for bits in self.index_bits if bits >= need), None)

    def axon_bits(self, synapses: int, bits: int) -> int:
        """Bits that one axon's synapses take on a core, each `bits` wide (target's number in it)."""
        if not synapses or not bits:
            return 0
        if self.layout == "rows":
            return synapses * self.word
        if self.layout != "blocks":
            return synapses * bits
        full, rest = divmod(synapses, self.block)
        return full * self._words(self.block * bits) + (self._words(rest * bits) if rest else 0)

    def _words(self, bits: int) -> int:
        return -(-(bits + self.header) // self.word) * self.word


def packing_of(chip: Any) -> Packing:
    """The packing of a chip; plain bits where its file states none."""
    memory, limits = chip.memory, chip.limits
    if memory is None:
        return Packing("plain", 1, 0, 0, ())
    place = 0.0
    if memory.layout == "crossbar" and None not in (
        limits.synapse_bits_per_core,
        limits.axons_in_per_core,
        limits.neurons_per_core,
    ):
        place = limits.synapse_bits_per_core / (limits.axons_in_per_core * limits.neurons_per_core)
    return Packing(
        memory.layout,
        memory.word_bits or 1,
        memory.block_synapses or 0,
        memory.block_header_bits or 0,
        memory.index_bits,
        place,
    )


def synapses_of(plan: Plan, c: ConnectionPlan, chip: Any) -> Synapses:
    """Width of a connection's synapses, its axon slots, and what its rule keeps beside them."""
    registers = [r for r in (c.program.registers if c.program else ()) if not r.temp and not r.is_weight]
    owned = {o: sum(r.fmt.bits for r in registers if r.owner == o) for o in ("pre", "post", "syn")}
    delay = int(plan.network.connections[c.index].delays.max()).bit_length() if c.synapse_delays else 0
    memory = chip.memory
    slots = 1
    if memory is not None:
        slots = memory.axon_slots_learning if c.program else memory.axon_slots
    return Synapses(
        connection=c,
        kind="conv" if c.conv else "sparse" if c.sparse else "dense",
        bits=c.weight.bits + owned["syn"] + delay,
        slots=slots,
        traces_pre=owned["pre"],
        traces_post=owned["post"],
        words=len(c.program.lines) + len(c.program.products) if c.program else 0,
        per_axon=-(-len(plan.network.connections[c.index].sparse[1]) // c.n_pre) if c.sparse else c.n_post,
    )


def kernel_bits(s: Synapses, packing: Packing) -> int:
    """Bits of a convolution's kernels on one core: each is stored once, a row for each tap."""
    conv = s.connection.conv
    if packing.layout == "crossbar":
        return 0  # every place of the crossbar exists anyway
    return conv.rows * packing.axon_bits(conv.post[2], s.bits)
