"""Spike trains: what is refused, and how they become events."""

import numpy as np
import pytest

from chipsim.data.spikes import Spikes
from chipsim.errors import DataError


def two():
    """Recording 0: (0, 1) (3, 0) (3, 1) (4, 1) of 6 frames; recording 1: silent, 2 frames."""
    return Spikes(2, 0.5, [0, 4, 4], [0, 3, 3, 4], [1, 0, 1, 1], [6, 2])


def test_counts_seconds_and_hash():
    spikes = two()
    assert spikes.counts().tolist() == [[1, 3], [0, 0]]
    times, channels = spikes.seconds(0)
    assert times.tolist() == [0, 0.0015, 0.0015, 0.002] and channels.tolist() == [1, 0, 1, 1]
    other = Spikes(2, 0.5, [0, 4, 4], [0, 3, 3, 5], [1, 0, 1, 1], [6, 2])
    assert spikes.reversed().channel.tolist() == [0, 0, 1, 0] and spikes.reversed().frame.tolist() == [
        0,
        3,
        3,
        4,
    ]
    assert spikes.sha256 == two().sha256 != other.sha256


def test_a_step_holds_one_event_per_channel():
    events = two().events(4, 1.0)
    assert np.argwhere(events.to_dense()).tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 2, 1]]
    assert two().events(4, 2.0).n_events == 3 and two().events(4, 2.5).n_events == 2
    assert two().events(2, 1.0).n_events == 3  # the last spike lies behind the end
    with pytest.raises(DataError, match="step_ms is 0.75, not a whole number of frames of 0.5 ms"):
        two().events(4, 0.75)


def test_delays_repeat_a_channel_later_on_another_axon():
    dense = two().events(4, 1.0, delays=(0, 1, 3)).to_dense()
    assert dense.shape == (2, 4, 6)
    now = two().events(4, 1.0).to_dense()
    assert (dense[:, :, :2] == now).all()
    assert (dense[:, 1:, 2:4] == now[:, :3]).all() and not dense[:, 0, 2:4].any()
    assert (dense[:, 3:, 4:] == now[:, :1]).all() and not dense[:, :3, 4:].any()
    for bad in ((), (1, 0), (0, 0), (-1, 0)):
        with pytest.raises(DataError, match="they must ascend"):
            two().events(4, 1.0, delays=bad)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(start=[0, 4]), r"start has 2 entries for 2 recordings"),
        (dict(start=[0, 3, 2]), r"start runs from 0 to 2, not from 0 to the 4 events"),
        (dict(channel=[1, 0, 2, 1]), r"channel\[2\] is 2; limit 0\.\.1"),
        (dict(channel=[1, 0, 1]), r"3 channels for 4 frames"),
        (dict(frame=[0, 3, 3, 6]), r"frame\[3\] is 6; recording 0 has 6"),
        (dict(frame=[0, 3, 2, 4]), r"spike 2 does not follow"),
        (dict(channel=[1, 1, 1, 1]), r"spike 2 does not follow"),
        (dict(frame=np.array([0, 3, 3, 4.0])), r"frame has dtype float64, not integers"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    good = dict(start=[0, 4, 4], frame=[0, 3, 3, 4], channel=[1, 0, 1, 1], frames=[6, 2])
    with pytest.raises(DataError, match=message):
        Spikes(2, 0.5, **{**good, **change})
