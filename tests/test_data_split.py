"""Splits and orders: exact sizes, stratified, by seed, and drawn from chipsim's own noise."""

import numpy as np
import pytest

from chipsim import noise
from chipsim.data import builtin, split
from chipsim.data.words import draw_keys, murmur3_array, words_one
from chipsim.errors import DataError


def test_array_words_equal_the_scalar_definition():
    r = np.random.default_rng(5)
    values = r.integers(0, 2**32, (40, 3))
    for n in (0, 1, 3):
        got = murmur3_array(list(values.T[:n]), values[:, 2])
        want = [noise.murmur3(tuple(int(w) for w in row[:n]), int(row[2])) for row in values]
        assert np.broadcast_to(got, len(want)).tolist() == want and got.dtype == np.uint32
    for seed in (0, 7, -3, 2**63 + 11, 2**80 + 5):
        steps = np.array([0, 1, 2**32 + 9])
        got = draw_keys(seed, 3, noise.OP_ENCODER, np.array([0, 70000, 2**32 - 1]), steps)
        contexts = (0, 70000, 2**32 - 1)
        assert got.tolist() == [
            noise.draw_key(seed, 3, noise.OP_ENCODER, c, int(s)) for c, s in zip(contexts, steps, strict=True)
        ]
    assert words_one(99, np.arange(50)).tolist() == [noise.word_one(99, e) for e in range(50)]


def test_epoch_order_is_a_permutation_by_seed_and_epoch():
    order = split.epoch_order(1000, 3, 0)
    assert order.dtype == np.int64 and np.array_equal(np.sort(order), np.arange(1000))
    assert np.array_equal(order, split.epoch_order(1000, 3, 0))
    for other in (split.epoch_order(1000, 3, 1), split.epoch_order(1000, 4, 0)):
        assert (other == order).sum() < 10
    key = noise.draw_key(3, split.PLACE_ORDER, noise.OP_SPLIT, 0, 0)
    assert order.tolist() == sorted(range(1000), key=lambda e: noise.word_one(key, e))
    assert split.epoch_order(0, 0, 0).tolist() == []


def test_stratified_sizes_are_exact_and_classes_keep_their_share():
    labels = np.repeat([0, 1, 2, 4], [10, 20, 30, 41])
    a, b, rest = split.stratified(labels, [25, 50], 1)
    assert (len(a), len(b), len(rest)) == (25, 50, 26)
    assert np.array_equal(np.sort(np.concatenate([a, b, rest])), np.arange(101))
    for part in (a, b, rest):
        assert np.all(np.diff(part) > 0)
        share = np.bincount(labels[part], minlength=5) - len(part) * np.bincount(labels) / 101
        assert np.abs(share).max() <= 1.5
    again, other = split.stratified(labels, [25], 1)[0], split.stratified(labels, [25], 2)[0]
    assert np.array_equal(a, again) and not np.array_equal(a, other)


def test_digits_split_is_60_15_25():
    images = builtin.digits()
    parts = split.split_three(images, seed=0)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [1078, 270, 449]
    shown = np.concatenate([parts.train.index, parts.validation.index, parts.test.index])
    assert np.array_equal(np.sort(shown), np.arange(1797))
    assert np.array_equal(parts.test.pixels, images.pixels[parts.test.index])
    per_class = np.bincount(parts.test.labels) / np.bincount(images.labels)
    assert np.abs(per_class - 0.25).max() < 0.01


def test_hold_out_leaves_the_test_set_alone():
    whole, test = builtin.drawn(300), builtin.drawn(60, seed=1)
    parts = split.hold_out(whole, test, seed=2, validation=50)
    assert parts.test is test and (len(parts.train), len(parts.validation)) == (250, 50)
    assert not set(parts.train.index) & set(parts.validation.index)


def test_refusals():
    labels = np.zeros(10, int)
    with pytest.raises(
        DataError, match=r"^parts of \[8, 3\] samples from 10\n  remedy: make the parts smaller"
    ):
        split.stratified(labels, [8, 3], 0)
    with pytest.raises(
        DataError, match=r"^shares of 60 and 40 percent; limit: each above 0, together below 100\n"
    ):
        split.split_three(builtin.drawn(10), 0, validation=60, test=40)
    with pytest.raises(DataError, match=r"^a validation part of 300 samples from 300; limit 1\.\.299\n"):
        split.hold_out(builtin.drawn(300), builtin.drawn(6), 0, validation=300)
