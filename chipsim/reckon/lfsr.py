"""The random streams of ReckOn: y[n] = y[n - a] xor y[n - L]; each step shows K bits and moves on by K.

Bit i of a shown word is y[n + i]. A stream's state is here the integer whose bit i is y[n + i], for
i < max(K, L): the next bits follow from it, and its low K bits are the shown word. A seed of 0 is a
state that the generator never leaves, as on the chip.

Seed bit -> place in the stream. Tap 1: bit 0 is y[0], bit i is y[i - L]; with K = 7 bit 0 is y[0], odd
bits 2m + 1 are y[m - 14], even bits 2m are y[m - 8]. Tap 3: bits 0 to 2 are y[0] to y[2], bit i is
y[i - L].
"""

from __future__ import annotations

from typing import NamedTuple


class Stream(NamedTuple):
    """length L, tap a, bits K shown per step."""

    length: int
    tap: int
    shown: int

    @property
    def bits(self) -> int:
        """Bits of the state."""
        return max(self.shown, self.length)


WEIGHTS = Stream(25, 3, 512)  # w_inp, w_rec: 16 lanes of 32 bits, lane 0 lowest
OUTPUTS = Stream(22, 1, 448)  # w_out: 16 lanes of 28 bits
ROUND = Stream(15, 1, 15)  # u, t_inp, t_rec
ROUND_OUT = Stream(15, 1, 7)  # t_out, o
NOISE = Stream(17, 3, 32)  # 2 lanes of 16 bits


def place(stream: Stream, bit: int) -> int:
    """Where a bit of the seed stands in the stream."""
    if bit < stream.tap:
        return bit
    if stream.shown == 7:
        return bit // 2 - (14 if bit % 2 else 8)
    return bit - stream.length


def start(stream: Stream, seed: int) -> int:
    """The state right after a seed was loaded."""
    bits = {place(stream, i): seed >> i & 1 for i in range(stream.length)}
    for n in range(stream.tap, stream.bits):
        bits[n] = bits[n - stream.tap] ^ bits[n - stream.length]
    return sum(bits[n] << n for n in range(stream.bits))


def advance(stream: Stream, state: int) -> int:
    """The state one step later."""
    bits = [state >> i & 1 for i in range(stream.bits)]
    for _ in range(stream.shown):
        bits.append(bits[-stream.tap] ^ bits[-stream.length])
    return sum(bit << n for n, bit in enumerate(bits[stream.shown :]))


def shown(stream: Stream, state: int) -> int:
    """The word that a state shows."""
    return state & ((1 << stream.shown) - 1)


def split(word: int, bits: int, count: int) -> list[int]:
    """A word as `count` lanes of `bits` bits, the lowest first."""
    return [word >> (bits * k) & ((1 << bits) - 1) for k in range(count)]


def join(lanes: list[int], bits: int) -> int:
    """The word of which these are the lanes."""
    return sum(int(lane) << (bits * k) for k, lane in enumerate(lanes))
