"""Where things lie on a chip: the memory of a core, and the network between cores."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from chipsim.chip.fields import Count, Table, Unlimited


class Memory(Table):
    """How synapses, axons and neurons lie in the memory of a core. Widths in bits.

    layout     blocks    an axon's synapses in blocks of up to block_synapses, each behind a header of
                         block_header_bits and rounded up to word_bits (Loihi)
               crossbar  a place for every pair of an axon slot and a neuron, used or not
               rows      one word of word_bits a synapse, in memory that the cores of a chip share
               plain     the bits of the synapses and nothing else
    index_bits       widths that the number of a sparse synapse's target may have, ascending
    axon_slots       input axons that one presynaptic neuron takes on a core
    axon_slots_learning   the same where a rule is on the connection
    program_words    words of learning microcode of a core
    shared_bits      synapse memory that all cores of a chip share (layout rows)
    """

    layout: Literal["blocks", "crossbar", "rows", "plain"]
    word_bits: Count | None
    block_synapses: Count | None
    block_header_bits: Count | None
    index_bits: tuple[Count, ...]
    axon_slots: Count
    axon_slots_learning: Count
    state_bits_per_core: Unlimited
    routing_bits_per_core: Unlimited
    program_words: Unlimited
    shared_bits: Unlimited

    @model_validator(mode="after")
    def _agree(self) -> Memory:
        blocks = (self.word_bits, self.block_synapses, self.block_header_bits)
        if self.layout == "blocks" and (None in blocks or not self.word_bits or not self.block_synapses):
            raise ValueError('layout "blocks" needs word_bits, block_synapses and block_header_bits')
        if self.layout == "rows" and not self.word_bits:
            raise ValueError('layout "rows" needs word_bits')
        if list(self.index_bits) != sorted(self.index_bits):
            raise ValueError(f"index_bits {list(self.index_bits)} do not ascend")
        if not 1 <= self.axon_slots <= self.axon_slots_learning:
            raise ValueError("axon_slots is at least 1, axon_slots_learning at least axon_slots")
        return self

    def index(self, targets: int) -> int | None:
        """Width of a target's number among so many; None where the chip has none that wide."""
        need = max(0, targets - 1).bit_length()
        if not self.index_bits:
            return need
        return next((bits for bits in self.index_bits if bits >= need), None)


class Noc(Table):
    """The network between cores. width x height tiles of cores_per_tile cores make one chip.

    topology   mesh2d: routes go along x, then along y; none: cores do not talk, or how is not public
    multicast  True: a spike to several cores is one message that splits; False: one message each
    """

    topology: Literal["none", "mesh2d", "torus", "hierarchy"]
    width: Count | None
    height: Count | None
    cores_per_tile: Count | None
    chips_max: Unlimited
    message_bits: Count | None
    multicast: bool | None

    @model_validator(mode="after")
    def _agree(self) -> Noc:
        if self.topology == "mesh2d" and not (self.width and self.height and self.cores_per_tile):
            raise ValueError('topology "mesh2d" needs width, height and cores_per_tile')
        return self
