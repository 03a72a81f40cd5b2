"""Recordings into steps and axons: against tonic's own transforms on real recordings."""

from __future__ import annotations

import re

import numpy as np
import pytest

from chipsim.data import Events, bin_recordings, binned, load_nmnist
from chipsim.data.event_checks import check_events
from chipsim.data.recordings import Recording
from chipsim.errors import DataError

TYPE = [("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)]


def recording(rows, sensor=(4, 3, 2), source="made"):
    """A recording of (x, y, t, p) rows."""
    return Recording(np.array(rows, TYPE), 0, sensor, source)


def by_frames(frames, n_steps):
    """tonic's frames [T, P, H, W] as [steps, axons]: the axon order stated by Binning."""
    return frames.transpose(0, 2, 3, 1).reshape(len(frames), -1)[:n_steps]


def test_cells_by_hand():
    rows = [(0, 0, 0, 0), (0, 0, 999, 0), (3, 2, 999, 1), (1, 0, 1000, 1), (2, 1, 3000, 0)]
    result = bin_recordings([recording(rows)], 1, 3, graded=True)
    assert result.shape == (3, 4, 2)
    assert result.events.to_dense().nonzero()[1:][0].tolist() == [0, 0, 1]
    assert result.events.axon.tolist() == [0, (2 * 4 + 3) * 2 + 1, 3]
    assert result.events.payload.tolist() == [2, 1, 1]
    assert (result.recorded, result.late, result.merged, result.clipped) == (5, 1, 1, 0)
    plain = binned([recording(rows)], 1, 3)
    assert not plain.graded and plain.axon.tolist() == result.events.axon.tolist()


def test_options_by_hand():
    rows = [(0, 0, 500, 0), (1, 1, 700, 1), (3, 2, 1500, 1)]
    coarse = bin_recordings([recording(rows)], 1, 2, downsample=2, graded=True)
    assert coarse.shape == (2, 2, 2)
    assert coarse.events.axon.tolist() == [0, 1, (1 * 2 + 1) * 2 + 1]
    merged = bin_recordings([recording(rows)], 1, 2, downsample=2, merge_polarities=True, graded=True)
    assert merged.shape == (2, 2, 1)
    assert (merged.events.axon.tolist(), merged.events.payload.tolist()) == ([0, 3], [2, 1])
    assert binned([recording(rows)], 1, 2).per_step().tolist() == [[2, 1]]
    assert binned([recording(rows)], 1, 2, from_first=True).per_step().tolist() == [[2, 1]]
    assert binned([recording(rows)], 0.6, 3).per_step().tolist() == [[1, 1, 1]]
    assert binned([recording(rows)], 0.6, 2, from_first=True).per_step().tolist() == [[2, 1]]


def test_graded_payloads_stop_at_255_and_it_is_counted():
    result = bin_recordings([recording([(1, 1, 3, 1)] * 300)], 1, 1, graded=True)
    assert result.events.payload.tolist() == [255] and result.clipped == 1 and result.merged == 299


@pytest.mark.parametrize("side", [1, 2])
def test_equal_to_tonic_on_real_recordings(data_dir, side):
    transforms = pytest.importorskip("tonic.transforms")
    part = load_nmnist(data_dir).test.take(np.arange(0, 100, 5))
    sensor = (34 // side, 34 // side, 2)
    chain = transforms.Compose(
        [
            transforms.Downsample(spatial_factor=1 / side),
            transforms.ToFrame(sensor, time_window=10_000, start_time=0, end_time=340_000),
        ]
    )
    frames = np.stack([by_frames(chain(one.events), 30) for one in part])
    ours = binned(part, 10, 30, graded=True, downsample=side)
    assert np.array_equal(ours.to_dense(), frames)
    plain = binned(part, 10, 30, downsample=side)
    assert np.array_equal(plain.to_dense(), frames > 0)
    through = bin_recordings(part, None, 30, transforms=[chain], sensor=sensor, graded=True)
    assert np.array_equal(through.events.to_dense(), frames)
    assert through.recorded == sum(len(one) for one in part)
    assert through.late == through.recorded - int(frames.sum())


def test_tonic_transforms_go_before_and_leave_the_recording_alone(data_dir):
    transforms = pytest.importorskip("tonic.transforms")
    part = load_nmnist(data_dir).test.take(np.arange(3))
    chain = [transforms.CropTime(max=100_000), transforms.MergePolarities()]
    result = bin_recordings(part, 10, 30, transforms=chain)
    assert result.recorded == sum(int((one.events["t"] <= 100_000).sum()) for one in part)
    assert result.events.per_step()[:, 11:].sum() == 0 and not (result.events.axon % 2).any()
    with pytest.raises(DataError, match=r"x is \d+, outside the sensor; limit 0\.\.16"):
        binned(part, 10, 30, sensor=(17, 17, 2))


def test_a_set_may_be_cut_in_parts_of_recordings():
    many = [recording([(k % 4, k % 3, 100 * k, k % 2)]) for k in range(9)]
    whole = binned(many, 1, 1)
    parts = [binned(many[:4], 1, 1), binned(many[4:], 1, 1)]
    assert np.array_equal(whole.to_dense(), np.concatenate([part.to_dense() for part in parts]))
    Events(whole.n_axons, whole.n_steps, whole.start, whole.axon)


def test_a_sensor_of_one_row_and_one_polarity():
    events = np.array([(5, 699, 1), (6, 0, 1)], [("t", int), ("x", int), ("p", int)])
    one = Recording(check_events(events, (700, 1, 1), "row"), 0, (700, 1, 1), "row")
    assert binned([one], 0.006, 2).axon.tolist() == [699, 0]
    assert binned([one], 1, 1, downsample=5).axon.tolist() == [0, 139]


def test_channels_equal_tonics_frames():
    transforms = pytest.importorskip("tonic.transforms")
    r = np.random.default_rng(2)
    events = np.empty(500, [("t", np.int64), ("x", np.int64), ("p", np.int64)])
    events["t"], events["x"], events["p"] = np.sort(r.integers(0, 50_000, 500)), r.integers(0, 20, 500), 1
    one = Recording(events, 0, (20, 1, 1), "made")
    frame = transforms.ToFrame((20, 1, 1), time_window=5000, start_time=0, end_time=50_000)
    ours = binned([one], 5, 10, graded=True).to_dense()[0]
    assert np.array_equal(ours, binned([one], None, 10, transforms=[frame], graded=True).to_dense()[0])
    assert np.array_equal(ours, frame(events.copy())[:, 0]) and (events["p"] == 1).all()


def test_refusals():
    good = recording([(0, 0, 0, 0)])
    with pytest.raises(DataError, match=r"^bin_ms is 0\.0001, not a whole number of microseconds above 0\n"):
        binned([good], 0.0001, 3)
    for wrong in (0, -1, float("nan"), float("inf"), "10", True):
        with pytest.raises(DataError, match=r"^bin_ms is .*, not a whole number of microseconds above 0\n"):
            binned([good], wrong, 3)
    with pytest.raises(DataError, match=r"^n_steps is 0, not a whole number"):
        binned([good], 1, 0)
    with pytest.raises(DataError, match=r"^no recordings to cut into steps\n"):
        binned([], 1, 1)
    with pytest.raises(DataError, match=r"^bin_ms is None, and no transform made frames"):
        binned([good], None, 1)
    with pytest.raises(
        DataError, match=r"^other: sensor \(3, 5, 2\); the recordings before have \(3, 4, 2\)\n"
    ):
        binned([good, recording([(0, 0, 0, 0)], (5, 3, 2), "other")], 1, 1)
    frames = [lambda events: np.zeros((2, 2, 3, 4), np.int16)]
    assert binned([good], None, 1, transforms=frames).n_events == 0
    with pytest.raises(DataError, match=r"^bin_ms is given, and the transforms make frames"):
        binned([good], 1, 1, transforms=frames)
    with pytest.raises(DataError, match=r"^made: the transforms make an array \(2, 2, 4, 3\); limit"):
        binned([good], None, 1, transforms=[lambda events: np.zeros((2, 2, 4, 3), np.int16)])
    with pytest.raises(DataError, match=r"^made: the transforms make counts below 0"):
        binned([good], None, 1, transforms=[lambda events: np.full((2, 2, 3, 4), -1, np.int16)])
    with pytest.raises(DataError, match=r"dtype float64, not integers"):
        binned([good], None, 1, transforms=[lambda events: np.zeros((2, 2, 3, 4))])


FIELDS = {
    "missing": ([("x", int), ("t", int), ("p", int)], r"^here: events have the fields x, t, p; missing: y$"),
    "float": (
        [("x", int), ("y", int), ("t", float), ("p", int)],
        r"^here: field t is float64, not integers$",
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_fields(case):
    dtype, message = FIELDS[case]
    with pytest.raises(DataError) as refused:
        check_events(np.zeros(2, dtype), (4, 3, 2), "here")
    assert re.search(message, refused.value.text().splitlines()[0])


def test_unstructured_arrays_and_bad_values():
    with pytest.raises(DataError, match="^here: events are no structured array"):
        check_events(np.zeros((3, 4), int), (4, 3, 2), "here")
    dtype = [(name, np.int32) for name in "xytp"]
    good = np.array([(0, 0, 1, 0), (3, 2, 1, 1)], dtype)
    assert check_events(good, (4, 3, 2), "here") is good
    for field, value, text in (
        ("x", -1, r"x is -1, outside the sensor; limit 0\.\.3"),
        ("t", -5, r"t is -5, no time; limit 0\.\.2\*\*62"),
        ("p", 2, r"p is 2, no polarity; limit 0\.\.1"),
        ("p", -1, r"p is -1, no polarity; limit 0\.\.1"),
    ):
        bad = np.concatenate([good[:1], good])
        bad[field][1] = value
        with pytest.raises(DataError, match=f"^here: event 1 of 3: {text}"):
            check_events(bad, (4, 3, 2), "here")
