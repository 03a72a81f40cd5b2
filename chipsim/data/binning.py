"""Recordings become `Events`: time is cut into steps, coordinates into axons.

Integers only, on the sparse events; equal to tonic's ToFrame (and Downsample) wherever those are
exact, which the tests hold on real recordings. Any tonic transforms may go before, and a list of
transforms that ends in ToFrame decides the steps itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from chipsim.data import checks
from chipsim.data.event_checks import Sensor, check_events
from chipsim.data.events import Events
from chipsim.data.recordings import Recording, Recordings
from chipsim.errors import DataError

Transform = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Binning:
    """Events of some recordings, and what the steps could not hold.

    events   the input of a network, one sample per recording
    shape    (height, width, polarities); axon (y * width + x) * polarities + p
    recorded events of all recordings (after the transforms)
    late     of these, events after the last step, left out
    merged   of these, events that met another one of their axon and step; graded payloads count
             them, plain spikes do not
    clipped  payloads above 255, set to 255
    """

    events: Events
    shape: tuple[int, int, int]
    recorded: int
    late: int
    merged: int
    clipped: int


def binned(
    recordings: Recordings | Iterable[Recording],
    bin_ms: float | None,
    n_steps: int,
    **options: object,
) -> Events:
    """The events of `bin_recordings`, without its counts; the same arguments."""
    return bin_recordings(recordings, bin_ms, n_steps, **options).events


def bin_recordings(
    recordings: Recordings | Iterable[Recording],
    bin_ms: float | None,
    n_steps: int,
    *,
    graded: bool = False,
    downsample: int = 1,
    merge_polarities: bool = False,
    from_first: bool = False,
    transforms: Sequence[Transform] = (),
    sensor: Sensor | None = None,
) -> Binning:
    """Cut recordings into n_steps steps of bin_ms milliseconds; step = (t - start) // bin.

    recordings        read one at a time, in order
    bin_ms            whole microseconds; None if the transforms end in tonic's ToFrame, whose frames
                      then are the steps (missing ones stay empty, later ones are left out)
    graded            payload = number of events of the axon in the step, at most 255; else one spike
    downsample        side of the square of pixels that share an axon
    merge_polarities  both polarities share an axon
    from_first        time starts at the recording's first event, not at its 0
    transforms        tonic transforms (structured events -> structured events), applied in order
    sensor            (width, height, polarities) after the transforms, if they change it

    Raises DataError as the reader does, and for events outside the sensor after the transforms.
    """
    n_steps, side = checks.whole("n_steps", n_steps), checks.whole("downsample", downsample)
    bin_us = None if bin_ms is None else _microseconds(bin_ms)
    starts, axons, payloads = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.int16)]
    shape, sums = None, np.zeros(4, np.int64)
    for recording in recordings:
        own_sensor = sensor or recording.sensor
        own = -(-own_sensor[1] // side), -(-own_sensor[0] // side), 1 if merge_polarities else own_sensor[2]
        if shape is not None and own != shape:
            raise DataError(f"sensor {own}; the recordings before have {shape}", where=recording.source)
        shape = own
        place, times = _place(recording, transforms, own_sensor, bin_us, from_first)
        cells, payload, counts = _count(_coarse(place, side, shape), times, n_steps, shape)
        step, axon = np.divmod(cells, np.prod(shape))
        starts.append(np.cumsum(np.bincount(step, minlength=n_steps)) + starts[-1][-1])
        axons.append(axon.astype(np.int32))
        payloads.append(payload)
        sums += counts
    if shape is None:
        raise DataError("no recordings to cut into steps")
    payload = np.concatenate(payloads) if graded else None
    events = Events(int(np.prod(shape)), n_steps, np.concatenate(starts), np.concatenate(axons), payload)
    return Binning(events, shape, *(int(n) for n in sums))


def _place(
    recording: Recording,
    transforms: Sequence[Transform],
    sensor: Sensor,
    bin_us: int | None,
    from_first: bool,
) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
    """(step, y, x, p) of everything the transforms leave, and how often (None: once each)."""
    data = _transformed(recording, transforms)
    if data.dtype.names is None:
        if bin_us is not None:
            raise DataError("bin_ms is given, and the transforms make frames", remedy="pass bin_ms=None")
        return _cells_of_frames(data, sensor, recording.source)
    if bin_us is None:
        raise DataError("bin_ms is None, and no transform made frames", remedy="give bin_ms")
    return _cells(check_events(data, sensor, recording.source), sensor, bin_us, from_first), None


def _microseconds(bin_ms: float) -> int:
    known = isinstance(bin_ms, (int, float, np.integer, np.floating)) and not isinstance(bin_ms, bool)
    bin_us = round(bin_ms * 1000) if known and 0 < bin_ms < 1e9 else 0
    if bin_us < 1 or abs(bin_us - bin_ms * 1000) > 1e-6:
        raise DataError(f"bin_ms is {bin_ms!r}, not a whole number of microseconds above 0")
    return bin_us


def _transformed(recording: Recording, transforms: Sequence[Transform]) -> np.ndarray:
    data = recording.events
    if transforms:
        data = data.copy()  # some transforms write into their argument
    for transform in transforms:
        data = np.asarray(transform(data))
    return data


def _cells(events: np.ndarray, sensor: Sensor, bin_us: int, from_first: bool) -> tuple[np.ndarray, ...]:
    """(step, y, x, p) of every event as int64."""
    t = events["t"].astype(np.int64)
    y = events["y"].astype(np.int64) if "y" in events.dtype.names else np.zeros(len(t), np.int64)
    # a sensor of one polarity: its loader may write 0 or 1
    p = events["p"].astype(np.int64) if sensor[2] > 1 else np.zeros(len(t), np.int64)
    return (t - (t[0] if from_first else 0)) // bin_us, y, events["x"].astype(np.int64), p


def _cells_of_frames(
    frames: np.ndarray, sensor: Sensor, where: str
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """(step, y, x, p) of every non-zero of tonic's frames [T, P, H, W] or [T, P, W], and its count."""
    frames = checks.integers("the frames of the transforms", frames, ndim=None)
    if frames.ndim == 3:
        frames = frames[:, :, None, :]
    if frames.ndim != 4 or frames.shape[1:] != sensor[::-1]:
        raise DataError(
            f"the transforms make an array {frames.shape}; limit [T, P, H, W] with {sensor[::-1]}",
            where=where,
        )
    if frames.size and frames.min() < 0:
        raise DataError("the transforms make counts below 0 (past 32767?)", where=where)
    step, p, y, x = np.nonzero(frames)
    return (step, y, x, p), frames[step, p, y, x].astype(np.int64)


def _coarse(
    cell: tuple[np.ndarray, ...], side: int, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Step and axon of every event."""
    step, y, x, p = cell
    _, width, polarities = shape
    return step, ((y // side) * width + x // side) * polarities + (p if polarities > 1 else 0)


def _count(
    place: tuple[np.ndarray, np.ndarray],
    times: np.ndarray | None,
    n_steps: int,
    shape: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Occupied cells step*n_axons + axon, ascending; their payloads; recorded, late, merged, clipped."""
    step, axon = place
    weight = np.ones(len(step), np.int64) if times is None else times
    early = step < n_steps
    cells, inverse = np.unique(step[early] * int(np.prod(shape)) + axon[early], return_inverse=True)
    count = np.bincount(inverse, weights=weight[early], minlength=len(cells)).astype(np.int64)
    recorded, in_time = int(weight.sum()), int(count.sum())
    top = checks.PAYLOAD_MAX
    counts = np.array([recorded, recorded - in_time, in_time - len(cells), int((count > top).sum())])
    return cells, np.minimum(count, top).astype(np.int16), counts
