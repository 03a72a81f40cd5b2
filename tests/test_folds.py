"""Folds and samples: what trains is never tested, and every recording is tested once."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.data import drawn
from chipsim.data.encode import Encoder
from chipsim.data.events import Events
from chipsim.data.samples import Encoded, Recorded
from chipsim.errors import DataError
from chipsim.folds import cut, held_out

LABELS = np.repeat(np.arange(3), [40, 30, 31])


@pytest.mark.parametrize("folds", [2, 5])
def test_test_parts_are_disjoint_and_together_everything(folds):
    found = cut(LABELS, folds, seed=3, validation=12)
    assert len(found) == folds
    assert np.array_equal(np.sort(np.concatenate([f.test for f in found])), np.arange(len(LABELS)))
    for fold in found:
        whole = np.concatenate([fold.train, fold.validation, fold.test])
        assert np.array_equal(np.sort(whole), np.arange(len(LABELS)))  # all, and none twice
        assert len(fold.validation) == 12


def test_every_part_has_its_share_of_every_class():
    for fold in cut(LABELS, 5, seed=3, validation=15):
        for part in (fold.train, fold.validation, fold.test):
            counts = np.bincount(LABELS[part], minlength=3)
            assert np.all(abs(counts - np.bincount(LABELS) * len(part) / len(LABELS)) < 2), counts


def test_the_seed_decides_and_nothing_else():
    a, b, c = (cut(LABELS, 4, seed, 10)[0] for seed in (1, 1, 2))
    assert np.array_equal(a.test, b.test) and np.array_equal(a.validation, b.validation)
    assert not np.array_equal(a.test, c.test)


def test_a_given_test_part_stays_as_it_is():
    test = np.array([0, 50, 100])
    fold = held_out("x", LABELS, test, 1, 20)
    assert np.array_equal(fold.test, test) and not set(test) & {*fold.train, *fold.validation}
    with pytest.raises(DataError, match="remedy"):
        held_out("x", LABELS, test, 1, 99)


# ------------------------------------------------------------ samples


def recorded(labels, classes: int = 2) -> Recorded:
    """Three samples of two steps; sample k spikes on axon k."""
    dense = np.zeros((3, 2, 4), np.uint8)
    dense[[0, 1, 2], 0, [0, 1, 2]] = 1
    return Recorded("some", Events.from_dense(dense), np.asarray(labels), classes)


def test_recordings_give_the_samples_asked_for_in_that_order():
    samples = recorded([0, 1, -1])
    assert (len(samples), samples.n_axons, samples.n_steps, samples.payload_bits) == (3, 4, 2, 1)
    index = np.array([2, 0])
    assert samples.events(index).counts().tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    taken = samples.take(index)
    assert taken.labels.tolist() == [-1, 0] and taken.events().counts().tolist()[0] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 1], "labels of shape"),
        ([[0], [1], [1]], "labels of shape"),
        ([0, 1, 2], "outside 0..1"),
        ([0, -2, 1], "outside"),
    ],
)
def test_labels_that_do_not_fit(labels, text):
    with pytest.raises(DataError, match=f"some: .*{text}"):
        recorded(labels)


def test_a_label_for_each_step():
    assert recorded([[0, 1], [1, -1], [0, 0]]).labels.shape == (3, 2)


def test_images_get_new_phases_in_each_epoch_and_recordings_do_not():
    images = Encoded(drawn(6, seed=1), Encoder(steps=8))
    assert (images.n_axons, images.shape, images.n_steps, images.classes) == (36, (6, 6, 1), 8, 3)
    dense = [images.events(np.array([4, 1]), epoch).to_dense() for epoch in (0, 0, 1)]
    assert np.array_equal(dense[0], dense[1]) and not np.array_equal(dense[0], dense[2])
    assert np.array_equal(images.events(np.array([1])).to_dense()[0], images.events().to_dense()[1])
    assert recorded([0, 1, 1]).events(None, 0).n_events == recorded([0, 1, 1]).events(None, 7).n_events == 3
