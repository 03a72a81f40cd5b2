"""Draws: published hash vectors, and what stochastic rounding with them does to sums."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from chipsim.fixed import shift_round
from chipsim.microcode.interpret import lfsr_words
from chipsim.noise import (
    LFSR_TAPS,
    draw_key,
    lfsr_next,
    lfsr_start,
    murmur3,
    top_bits,
    word_one,
    word_pair,
)
from chipsim.state import murmur3_words

SYNAPSES = [(i, j) for i in range(8) for j in range(8)]  # (post, pre)
DRAWS = 100_000


def as_bytes(words: tuple[int, ...]) -> bytes:
    return b"".join(w.to_bytes(4, "little") for w in words)


@pytest.mark.parametrize(
    ("data", "seed", "value"),
    [  # MurmurHash3_x86_32, vectors published with several implementations
        (b"", 0, 0),
        (b"\xff\xff\xff\xff", 0, 0x76293B50),
        (b"\x21\x43\x65\x87", 0, 0xF55B516B),
        (b"\x21\x43\x65\x87", 0x5082EDEE, 0x2362F9DE),
        (b"\x00\x00\x00\x00", 0, 0x2362F9DE),
        (b"aaaa", 0x9747B28C, 0x5A97808A),
        (b"abcd", 0x9747B28C, 0xF0478627),
    ],
)
def test_published_vectors(data, seed, value):
    words = tuple(int.from_bytes(data[k : k + 4], "little") for k in range(0, len(data), 4))
    assert murmur3(words, seed) == value


def test_equal_to_the_hash_of_scikit_learn():
    for words in ((0,), (1,), (2**32 - 1,), (7, 8), (1, 2, 3, 4, 5, 6)):
        for seed in (0, 1, 0x5082EDEE, 2**32 - 1):
            assert murmur3(words, seed) == murmurhash3_32(as_bytes(words), seed=seed, positive=True)


def test_the_key_hashes_six_words_and_takes_64_bit_seeds_and_steps():
    seed, step = (5 << 32) | 9, (7 << 32) | 11
    words = (5, 2, 65536, 3, 11, 7)
    assert draw_key(seed, 2, 65536, 3, step) == murmurhash3_32(as_bytes(words), seed=9, positive=True)
    other = [(2, 2, 3, 4, 5), (1, 3, 3, 4, 5), (1, 2, 4, 4, 5), (1, 2, 3, 5, 5), (1, 2, 3, 4, 6)]
    keys = {draw_key(*x) for x in [(1, 2, 3, 4, 5), *other, (1, 2, 3, 4, 5 + (1 << 32))]}
    assert len(keys) == 7


def test_vectorised_words_are_the_same():
    key = draw_key(3, 1, 4, 0, 9)
    assert murmur3_words(key, 50).tolist() == [murmur3((k,), key) for k in range(50)]


def test_words_of_the_kinds_of_noise():
    key = 12345
    assert word_one(key, 3) == murmur3((6,), key)
    assert word_pair(key, 3, 5) == murmur3((6,), key) ^ murmur3((11,), key)
    assert word_pair(key, 3, 5, "element") == murmur3((11,), murmur3((6,), key))
    assert word_pair(key, 3, 5, "shared") == word_pair(key, 0, 1, "shared") == murmur3((0,), key)
    with pytest.raises(ValueError, match="lfsr"):
        word_pair(key, 0, 0, "lfsr")


def test_corners_of_a_rectangle_xor_to_zero_under_lane_only():
    def corners(noise: str) -> list[int]:
        found = []
        for key in range(200):
            words = [word_pair(key, i, j, noise) for i in (2, 5) for j in (1, 7)]
            found.append(words[0] ^ words[1] ^ words[2] ^ words[3])
        return found

    assert set(corners("lane")) == {0}
    assert 0 not in corners("element")


def test_top_bits():
    assert top_bits(0x80000001, 1) == 1
    assert top_bits(0x80000001, 32) == 0x80000001
    assert top_bits(0x80000001, 40) == 0x8000000100


# ---------------------------------------------------------------- serial register


def test_lfsr_never_rests_and_is_a_permutation():
    assert lfsr_start(0) == 1 and lfsr_start(9) == 9
    words = lfsr_words(draw_key(0, 0, 0, 0, 1), 20_000)
    assert len(set(words)) == 20_000 and 0 not in words
    assert abs(np.mean(words) / 2**32 - 0.5) < 0.02
    assert words[1] == lfsr_next(words[0])


def test_lfsr_has_the_full_period():
    """x^32 = 1 + ... is primitive: the step matrix has order 2^32 - 1 and no divisor of it."""

    def times(a: int, b: int) -> int:  # product of two states as polynomials, reduced
        result = 0
        while b:
            if b & 1:
                result ^= a
            a, b = lfsr_multiply_x(a), b >> 1
        return result

    # the Galois register divides by x with this polynomial; multiply by x with its mirror
    mirrored = int(f"{LFSR_TAPS:032b}"[::-1], 2)

    def lfsr_multiply_x(a: int) -> int:
        return ((a << 1) & 0xFFFFFFFF) ^ (mirrored if a >> 31 else 0)

    def power(n: int) -> int:
        result, base = 1, 2
        while n:
            if n & 1:
                result = times(result, base)
            base, n = times(base, base), n >> 1
        return result

    whole = 2**32 - 1
    assert power(whole) == 1
    assert all(power(whole // prime) != 1 for prime in (3, 5, 17, 257, 65537))
    state = 0xACE1
    mirror = int(f"{state:032b}"[::-1], 2)
    assert int(f"{lfsr_next(state):032b}"[::-1], 2) == lfsr_multiply_x(mirror)


# ---------------------------------------------------------------- what rounding does


def vector_keys(count: int) -> np.ndarray:
    """The keys of one op in `count` steps (a sample of them is compared with draw_key)."""
    return np.array([draw_key(7, 1, 3, 0, n) for n in range(1, count + 1)], np.uint64)


def vector_hash(keys: np.ndarray, word: int) -> np.ndarray:
    """H(key, word) for many keys."""
    mask = np.uint64(0xFFFFFFFF)

    def rotl(x, r):
        return (x << np.uint64(r) | x >> np.uint64(32 - r)) & mask

    k = np.uint64(word * 0xCC9E2D51 & 0xFFFFFFFF)
    k = rotl(k, 15) * np.uint64(0x1B873593) & mask
    h = (rotl(keys ^ k, 13) * np.uint64(5) + np.uint64(0xE6546B64)) & mask
    h ^= np.uint64(4)
    h = (h ^ h >> np.uint64(16)) * np.uint64(0x85EBCA6B) & mask
    h = (h ^ h >> np.uint64(13)) * np.uint64(0xC2B2AE35) & mask
    return h ^ h >> np.uint64(16)


def vector_words(keys: np.ndarray, noise: str) -> np.ndarray:
    """uint64[synapses, draws] for the 64 synapses."""
    even = [vector_hash(keys, 2 * i) for i in range(8)]
    if noise == "element":
        return np.array([vector_hash(even[i], 2 * j + 1) for i, j in SYNAPSES])
    odd = [vector_hash(keys, 2 * j + 1) for j in range(8)]
    return np.array([even[i] ^ odd[j] for i, j in SYNAPSES])


@pytest.fixture(scope="module")
def keys() -> np.ndarray:
    return vector_keys(DRAWS)


@pytest.mark.parametrize("noise", ["lane", "element"])
def test_stochastic_rounding_is_unbiased_and_uncorrelated(keys, noise):
    """Rounding 5/16 of a unit: mean error 0, and all 2016 pairs of 64 synapses uncorrelated."""
    words = vector_words(keys, noise)
    for s in (0, 9, 63):
        i, j = SYNAPSES[s]
        assert int(words[s, 17]) == word_pair(int(keys[17]), i, j, noise)
    drop, exact = 4, 5
    draw = (words >> np.uint64(32 - drop)).astype(np.int64)
    results = (exact + draw) >> drop
    assert int(results[0, 0]) == shift_round(exact, drop, "stochastic", int(draw[0, 0]))
    p = exact / 2**drop
    error = results.mean(axis=1) - p
    deviation = np.sqrt(p * (1 - p) / DRAWS)
    assert np.abs(error).max() < 4.5 * deviation  # 64 synapses: 1 in 2,000 by chance
    assert abs(error.mean()) < 4.5 * deviation / 8
    pairs = np.corrcoef(results)[np.triu_indices(64, 1)]
    assert np.abs(pairs).max() < 5.0 / np.sqrt(DRAWS)  # 2016 pairs: 1 in 800 by chance
    assert abs(pairs.mean()) < 5.0 / np.sqrt(DRAWS * len(pairs))


def test_rounding_errors_of_a_rectangle_are_not_independent_under_lane(keys):
    """The top bits of three corners give the fourth: the documented price of the xor."""
    words = vector_words(keys[:2000], "lane").reshape(8, 8, -1)
    top = words >> np.uint64(28)
    assert (top[1, 2] == (top[1, 3] ^ top[4, 2] ^ top[4, 3])).all()
