"""Recorded events, checked before anything computes with them: fields, range, polarity, order of time.

Every refusal names the file, the first bad event, its value, the limit and the reason.
"""

from __future__ import annotations

import numpy as np

from chipsim.errors import DataError

FIELDS = ("t", "x", "y", "p")
MOST_US = 1 << 62  # some files hold unsigned times, which go on as signed ones
Sensor = tuple[int, int, int]  # width, height, polarities, as tonic's sensor_size


def check_events(events: np.ndarray, sensor: Sensor, where: str) -> np.ndarray:
    """Recorded events as they are, or DataError with the first bad one.

    events  structured array [n] with integer fields t (microseconds), x, p, and y on a sensor that
            has rows: t 0..2**62 and never falling, x below sensor[0], y below sensor[1], p below
            sensor[2] (0 and 1 both allowed on a sensor of one polarity: SHD's loader writes 1)
    """
    _check_fields(events, sensor, where)
    if not len(events):
        raise DataError("no events", where=where, remedy="an empty recording cannot be learned; remove it")
    limits = {"x": sensor[0] - 1, "p": max(sensor[2] - 1, 1)}
    if "y" in events.dtype.names:
        limits["y"] = sensor[1] - 1
    found = [_first_outside(events, "t", MOST_US), _first_fall(events["t"])]
    found += [_first_outside(events, name, limit) for name, limit in limits.items()]
    faults = [fault for fault in found if fault is not None]
    if faults:
        index, text = min(faults, key=lambda fault: fault[0])
        raise DataError(f"event {index} of {len(events)}: {text}", where=where)
    return events


def _check_fields(events: np.ndarray, sensor: Sensor, where: str) -> None:
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names is None or events.ndim != 1:
        raise DataError("events are no structured array of one axis with the fields t, x, y, p", where=where)
    wanted = [name for name in FIELDS if name != "y" or sensor[1] > 1]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DataError(f"events have the fields {', '.join(names)}; missing: {missing[0]}", where=where)
    for name in set(names) & set(FIELDS):
        if events.dtype[name].kind not in "iub":
            raise DataError(f"field {name} is {events.dtype[name]}, not integers", where=where)


def _first_outside(events: np.ndarray, name: str, limit: int) -> tuple[int, str] | None:
    """The first entry of a field outside 0..limit."""
    values = events[name]
    if values.dtype.kind == "b":
        return None
    bad = (values < 0) | (values > limit)
    if not bad.any():
        return None
    index = int(bad.argmax())
    reason = {"t": "no time", "p": "no polarity"}.get(name, "outside the sensor")
    bound = "0..2**62" if name == "t" else f"0..{limit}"
    return index, f"{name} is {int(values[index])}, {reason}; limit {bound}"


def _first_fall(t: np.ndarray) -> tuple[int, str] | None:
    """The first time below the one before it."""
    fall = t[1:] < t[:-1]
    if not fall.any():
        return None
    index = int(fall.argmax()) + 1
    return index, f"t is {int(t[index])}, earlier than {int(t[index - 1])} of the event before it"
