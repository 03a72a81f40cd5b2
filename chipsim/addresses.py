"""Address events of a crossbar core with 256 neurons: 17-bit AER words as ODIN reads them.

Bit 16 set is a single-synapse event {pre, post}. Otherwise bits 15..8 name a neuron and the low byte the
kind. A source of `ADDRESSES` axons is the bus itself: its axon number is the word.

    spike(7)              neuron 7 spiked: its row meets all neurons
    synapse(7, 3)         synapse 7 -> 3 alone
    time_reference(3)     leak and calcium clock of neuron 3; without a number of all
    bistability(7)        all synapses of row 7; without a number of all rows
    virtual(3, 5)         neuron 3 receives weight 5 from nowhere; inhibitory=True, or leak=True
"""

from __future__ import annotations

from chipsim.errors import DataError

ADDRESSES = 1 << 17
NEURONS = 256
SPIKE, SYNAPSE, TREF_ONE, TREF_ALL, BIST_ONE, BIST_ALL, VIRTUAL = range(7)
KINDS = ("spike", "synapse", "tref_one", "tref_all", "bist_one", "bist_all", "virtual")


def spike(pre: int) -> int:
    """The word of a neuron spike event of row `pre`. DataError outside 0..255, as in all of these."""
    return _place("neuron", pre) << 8 | 0x07


def synapse(pre: int, post: int) -> int:
    """The word of a single-synapse event."""
    return 1 << 16 | _place("pre neuron", pre) << 8 | _place("post neuron", post)


def time_reference(neuron: int | None = None) -> int:
    """The word of a time reference of one neuron, or of all (None)."""
    return 0x7F if neuron is None else _place("neuron", neuron) << 8 | 0xFF


def bistability(row: int | None = None) -> int:
    """The word of a bistability event of one row (as built), or of all (None)."""
    return 0x00 if row is None else _place("row", row) << 8 | 0x80


def virtual(neuron: int, weight: int, *, inhibitory: bool = False, leak: bool = False) -> int:
    """The word of a virtual event. With `leak` the weight is ignored and the neuron leaks.

    Weight 0 without sign and leak has the word that the hardware takes for a spike; it is refused.
    """
    if not 0 <= weight <= 7:
        raise DataError(f"a virtual event of weight {weight}; limit 0..7")
    if not (weight or inhibitory or leak):
        raise DataError(
            f"a virtual event of weight 0 for neuron {neuron}: the core decodes its word as a neuron spike",
            remedy="leave the event out, or send inhibitory=True with weight 0",
        )
    return _place("neuron", neuron) << 8 | weight << 5 | inhibitory << 4 | leak << 3 | 0x01


def decode(word: int, documented: bool = False) -> tuple[int, int, int]:
    """(kind, neuron, detail) of a word: as the hardware text decodes it, or as documented.

    detail   the post neuron of SYNAPSE; {weight, sign, leak} of VIRTUAL as 5 bits; else 0
    As built every low byte means something: one that is no other kind is pushed with its bits 7..3 as a
    virtual event's, and a virtual event whose five bits are 0 is a neuron spike.
    """
    neuron, low = word >> 8 & 0xFF, word & 0xFF
    if word >> 16 & 1:
        return SYNAPSE, neuron, low
    if low & 0x7F == 0x7F:
        return (TREF_ONE, neuron, 0) if low >> 7 else (TREF_ALL, 0, 0)
    if low & 0x7F == 0:
        return (BIST_ONE, neuron, 0) if low >> 7 else (BIST_ALL, 0, 0)
    if documented:
        return (SPIKE, neuron, 0) if low == 0x07 else (VIRTUAL, neuron, low >> 3)
    return (VIRTUAL, neuron, low >> 3) if low >> 3 else (SPIKE, neuron, 0)


def is_documented(word: int) -> bool:
    """Whether the documentation gives the word a meaning."""
    low = word & 0xFF
    return bool(word >> 16 & 1) or low in (0xFF, 0x7F, 0x80, 0x00, 0x07) or low & 0x07 == 0x01


def _place(what: str, number: int) -> int:
    if not 0 <= number < NEURONS:
        raise DataError(f"{what} {number}; limit 0..{NEURONS - 1}")
    return int(number)
