"""Hardware random numbers: a pure function of (seed, place, op, context, step, element).

H(key, c) is MurmurHash3_x86_32 of the four little-endian bytes of c with seed `key` (Austin
Appleby, public domain; constants 0xcc9e2d51, 0x1b873593, 0xe6546b64, 0x85ebca6b, 0xc2b2ae35).
The key of one op in one step is the same hash over the six words
(seed >> 32, place, op, context, step & 0xffffffff, step >> 32), seeded with seed & 0xffffffff.

place    ordinal of the connection (rule lines) or of the layer (neuron lines, circuits, encoders)
op       ordinal of the line in the bound program; neuron lines, circuits and encoders have the
         published numbers below, from 2**16 on
context  context of a per-context register, 0 for stored-once registers; in evaluation the index
         of the sample
step     64-bit number of the run's learning steps, counted from 1; stored step in on_replay

An element with one index e draws R[e] = H(key, 2e). An element (post i, pre j) draws
R[i] xor S[j], S[j] = H(key, 2j + 1) under noise = "lane"; H(H(key, 2i), 2j + 1) under "element";
one word H(key, 0) for all elements under "shared"; under "lfsr" the words of a 32-bit Galois LFSR
seeded with the key, one step per element in storage order (pre-major).

Under "lane" words of different synapses are uniform and pairwise independent, but the four corners
of a rectangle (i, j), (i, l), (k, j), (k, l) always xor to 0.
"""

from __future__ import annotations

MASK = 0xFFFFFFFF
NOISES = ("lane", "element", "shared", "lfsr")

OP_NEURON_U = 1 << 16  # stochastic rounding of the current's decay
OP_NEURON_V = OP_NEURON_U + 1  # stochastic rounding of the membrane's decay
OP_CIRCUIT_ERROR = OP_NEURON_U + 16  # rounding of a class error
OP_CIRCUIT_SIGNAL = OP_NEURON_U + 17  # rounding of a third factor
OP_ENCODER = OP_NEURON_U + 32  # encoders: rate, phase
OP_INIT_WEIGHT = OP_NEURON_U + 48  # initial weights
OP_SPLIT = OP_NEURON_U + 49  # data split, order of presentation
OP_STREAMS = OP_NEURON_U + 50  # seed of a connection's streams (engines with streams of their own)

LFSR_TAPS = 0x80200003  # x^32 + x^22 + x^2 + x + 1, Galois form


def _rotl(x: int, r: int) -> int:
    return ((x << r) | (x >> (32 - r))) & MASK


def murmur3(words: tuple[int, ...], seed: int) -> int:
    """MurmurHash3_x86_32 of 32-bit little-endian words. Both arguments and result are uint32."""
    h = seed & MASK
    for word in words:
        k = (word & MASK) * 0xCC9E2D51 & MASK
        k = _rotl(k, 15) * 0x1B873593 & MASK
        h = (_rotl(h ^ k, 13) * 5 + 0xE6546B64) & MASK
    h ^= 4 * len(words)
    h ^= h >> 16
    h = h * 0x85EBCA6B & MASK
    h ^= h >> 13
    h = h * 0xC2B2AE35 & MASK
    return h ^ h >> 16


def draw_key(seed: int, place: int, op: int, context: int, step: int) -> int:
    """The uint32 key of one op in one step; seed and step are taken modulo 2**64."""
    words = (seed >> 32, place, op, context, step, step >> 32)
    return murmur3(tuple(w & MASK for w in words), seed & MASK)


def word_one(key: int, e: int) -> int:
    """R[e], the uint32 of an element with one index."""
    return murmur3((2 * e,), key)


def word_pair(key: int, i: int, j: int, noise: str = "lane") -> int:
    """The uint32 of an element (post i, pre j) under `lane`, `element` or `shared`."""
    if noise == "lane":
        return murmur3((2 * i,), key) ^ murmur3((2 * j + 1,), key)
    if noise == "element":
        return murmur3((2 * j + 1,), murmur3((2 * i,), key))
    if noise == "shared":
        return murmur3((0,), key)
    raise ValueError(f"noise '{noise}' has no word for one element")


def lfsr_start(key: int) -> int:
    """State of the serial register before its first step (never 0)."""
    return key or 1


def lfsr_next(state: int) -> int:
    """One step of the 32-bit Galois LFSR; the new state is the word drawn."""
    return (state >> 1) ^ (LFSR_TAPS if state & 1 else 0)


def top_bits(word: int, n: int) -> int:
    """r uniform in 0..2**n-1: the top n bits of the word; for n > 32 the word << (n - 32)."""
    return word >> (32 - n) if n <= 32 else word << (n - 32)
