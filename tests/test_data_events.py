"""Events: what is stored, what is refused and how it is named, and that slices keep the meaning."""

import re

import numpy as np
import pytest

from chipsim.data.events import Events
from chipsim.errors import DataError

LISTS = [[(2, 1), (0, 3), (0, 1)], [], [(1, 0), (2, 2), (2, 3)]]


@pytest.fixture
def events():
    return Events.from_lists(LISTS, n_axons=4, n_steps=3)


def random_events(seed=1, samples=7, steps=5, axons=9, graded=False):
    r = np.random.default_rng(seed)
    dense = (r.random((samples, steps, axons)) < 0.3).astype(np.int16)
    if graded:
        dense *= r.integers(1, 256, dense.shape).astype(np.int16)
    return dense, Events.from_dense(dense, graded=graded)


def test_lists_become_the_compressed_list(events):
    assert events.start.tolist() == [0, 2, 2, 3, 3, 3, 3, 3, 4, 6]
    assert events.axon.tolist() == [1, 3, 1, 0, 2, 3]
    assert (events.samples, len(events), events.n_events, events.graded) == (3, 3, 6, False)
    assert events.start.dtype == np.int32 and events.axon.dtype == np.int32
    assert events.at(0, 0).tolist() == [1, 3] and events.at(2, 2).tolist() == [2, 3]


def test_graded_lists_keep_each_payload_with_its_axon():
    events = Events.from_lists([[(0, 2, 7), (0, 0, 255)]], n_axons=3, n_steps=1)
    assert events.axon.tolist() == [0, 2]
    assert events.payload.tolist() == [255, 7] and events.payload.dtype == np.int16


@pytest.mark.parametrize("graded", [False, True])
def test_dense_round_trip(graded):
    dense, events = random_events(graded=graded)
    assert np.array_equal(events.to_dense(), dense)
    assert np.array_equal(events.counts(), dense.sum(axis=1))
    assert np.array_equal(events.per_step(), (dense > 0).sum(axis=2))
    assert np.array_equal(events.per_sample(), (dense > 0).sum(axis=(1, 2)))


@pytest.mark.parametrize("graded", [False, True])
def test_slice_and_take_equal_indexing_the_dense_array(graded):
    dense, events = random_events(graded=graded)
    assert np.array_equal(events.slice(2, 5).to_dense(), dense[2:5])
    assert np.array_equal(events[-1].to_dense(), dense[-1:])
    order = np.array([3, 3, 0, 6])
    taken = events.take(order)
    assert np.array_equal(taken.to_dense(), dense[order])
    Events(taken.n_axons, taken.n_steps, taken.start, taken.axon, taken.payload)  # still valid
    assert events.take(np.array([], int)).samples == 0
    with pytest.raises(DataError, match=r"^indices\[1\] is 7; limit 0\.\.6\n"):
        events.take(np.array([0, 7]))
    with pytest.raises(IndexError):
        events[7]


def test_bool_and_any_integer_type_are_taken():
    dense = np.zeros((1, 2, 3), bool)
    dense[0, 1, 2] = True
    events = Events.from_dense(dense)
    assert events.axon.tolist() == [2]
    again = Events(3, 2, events.start.astype(np.uint64), events.axon.astype(np.uint8))
    assert again.axon.dtype == np.int32


def test_an_empty_set_is_legal():
    events = Events.from_lists([], n_axons=4, n_steps=3)
    assert (events.samples, events.n_events) == (0, 0)
    assert events.counts().shape == (0, 4)


BAD = {
    "axon range": (dict(axon=[1, 4]), r"^axon\[1\] is 4; limit 0\.\.3$"),
    "axon negative": (dict(axon=[-1, 3]), r"^axon\[0\] is -1; limit 0\.\.3$"),
    "twice": (dict(axon=[3, 3]), r"^axon 3 occurs twice in sample 0, step 0 \(entry 1\)\n  remedy: .*"),
    "order": (dict(axon=[3, 1]), r"^axon 1 follows axon 3 in sample 0, step 0 \(entry 1\)\n"),
    "float": (dict(axon=[0.5, 1.0]), r"^axon has dtype float64, not integers\n  remedy: round"),
    "axes": (dict(axon=[[1, 2]]), r"^axon has shape \(1, 2\), not 1 axis$"),
    "start length": (dict(start=[0, 2]), r"^start has 2 entries, not samples\*n_steps \+ 1 with n_steps 2$"),
    "start end": (dict(start=[0, 2, 3]), r"^start runs from 0 to 3, not from 0 to the 2 events$"),
    "start falls": (dict(start=[0, 3, 2]), r"^start\[2\] is 2, below start\[1\] = 3$"),
    "payload 0": (dict(payload=[0, 1]), r"^payload\[0\] is 0; limit 1\.\.255$"),
    "payload 256": (dict(payload=[1, 256]), r"^payload\[1\] is 256; limit 1\.\.255$"),
    "payload count": (dict(payload=[1]), r"^1 payloads for 2 events$"),
    "n_axons": (dict(n_axons=0), r"^n_axons is 0, not a whole number of 1\.\.2147483647$"),
    "n_steps": (dict(n_steps=True), r"^n_steps is True, not a whole number"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals_name_the_first_bad_entry(case):
    change, message = BAD[case]
    good = dict(n_axons=4, n_steps=2, start=[0, 2, 2], axon=[1, 3], payload=None)
    Events(**good)
    with pytest.raises(DataError) as refused:
        Events(**{**good, **change})
    said = refused.value.text()
    assert re.search(message, said) or re.search(message, said.splitlines()[0])


def test_same_axon_in_two_steps_is_legal_and_found_in_the_right_step():
    Events(4, 2, [0, 1, 2], [3, 3])
    Events(4, 2, [0, 2, 4, 4, 4], [0, 3, 0, 3])
    with pytest.raises(DataError, match=r"^axon 2 occurs twice in sample 1, step 1 \(entry 3\)"):
        Events(4, 2, [0, 1, 2, 2, 4], [3, 3, 2, 2])


def test_dense_refusals():
    with pytest.raises(
        DataError, match=r"^value 2 at sample 0, step 1, axon 0; limit 0\.\.1\n  remedy: pass gra"
    ):
        Events.from_dense(np.array([[[0, 1], [2, 0]]]))
    with pytest.raises(DataError, match=r"^value 256 at sample 0, step 0, axon 0; limit 0\.\.255\n"):
        Events.from_dense(np.array([[[256]]]), graded=True)
    with pytest.raises(DataError, match=r"^value -1 at sample 0"):
        Events.from_dense(np.array([[[-1]]]))
    with pytest.raises(DataError, match=r"pass array\[None\]$"):
        Events.from_dense(np.zeros((2, 3), int))
    with pytest.raises(DataError, match=r"dtype float64"):
        Events.from_dense(np.zeros((1, 2, 3)))


def test_list_refusals():
    with pytest.raises(DataError, match=r"^step\[1\] is 3; limit 0\.\.2\n"):
        Events.from_lists([[(0, 0), (3, 0)]], n_axons=4, n_steps=3)
    with pytest.raises(DataError, match=r"^sample 1, event 0: \(0, 0, 1\) has 3 numbers"):
        Events.from_lists([[(0, 0)], [(0, 0, 1)]], n_axons=4, n_steps=3)
    with pytest.raises(DataError, match=r"float64, not integers"):
        Events.from_lists([[(0, 0.5)]], n_axons=4, n_steps=3)
    with pytest.raises(DataError, match=r"^axon 2 occurs twice in sample 0, step 1"):
        Events.from_lists([[(1, 2), (0, 2), (1, 2)]], n_axons=4, n_steps=3)
