"""What is refused in input arrays, before a kernel sees them: each check names the first bad entry."""

from __future__ import annotations

import numpy as np

from chipsim.errors import DataError

INT32_MAX = 2**31 - 1
PAYLOAD_MAX = 255  # a graded payload has at most 8 bits; 0 is no event


def whole(name: str, value: object, least: int = 1) -> int:
    """A whole number of least..2**31-1 as int; DataError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= INT32_MAX:
        raise DataError(f"{name} is {value!r}, not a whole number of {least}..{INT32_MAX}")
    return int(value)


def integers(name: str, array: object, ndim: int | None = 1) -> np.ndarray:
    """An array of integers (or bool) with `ndim` axes; floats are refused, never rounded."""
    array = np.asarray(array)
    if array.size == 0 and array.dtype == np.float64:
        array = array.astype(np.int64)  # an empty list
    if array.dtype.kind not in "iub":
        raise DataError(
            f"{name} has dtype {array.dtype}, not integers",
            remedy="round it on purpose, for example array.round().astype(np.int32)",
        )
    if ndim is not None and array.ndim != ndim:
        raise DataError(f"{name} has shape {array.shape}, not {ndim} axis" + ("" if ndim == 1 else "es"))
    return array


def first_outside(name: str, array: np.ndarray, lo: int, hi: int) -> None:
    """Refuse the first entry outside lo..hi."""
    if array.size and (array.min() < lo or array.max() > hi):
        i = int(np.flatnonzero((array < lo) | (array > hi))[0])
        raise DataError(f"{name}[{i}] is {int(array[i])}; limit {lo}..{hi}")


def check_total(n_events: int) -> None:
    """Refuse more events than int32 positions can count."""
    if n_events > INT32_MAX:
        raise DataError(
            f"{n_events} events; limit {INT32_MAX} in one set",
            remedy="encode and present by chunks of samples",
        )


def check_start(start: np.ndarray, n_steps: int, n_events: int) -> None:
    """`start` must have samples*n_steps + 1 entries from 0 to n_events that never fall."""
    if len(start) % n_steps != 1 % n_steps or len(start) == 0:
        raise DataError(f"start has {len(start)} entries, not samples*n_steps + 1 with n_steps {n_steps}")
    if start[0] != 0 or start[-1] != n_events:
        raise DataError(
            f"start runs from {int(start[0])} to {int(start[-1])}, not from 0 to the {n_events} events"
        )
    fall = np.flatnonzero(start[1:] < start[:-1])
    if len(fall):
        i = int(fall[0]) + 1
        raise DataError(f"start[{i}] is {int(start[i])}, below start[{i - 1}] = {int(start[i - 1])}")


def check_axons(axon: np.ndarray, start: np.ndarray, n_axons: int, n_steps: int) -> None:
    """Axons must lie in 0..n_axons-1 and ascend strictly inside each step."""
    first_outside("axon", axon, 0, n_axons - 1)
    if len(axon) < 2:
        return
    inside = np.ones(len(axon) - 1, bool)  # False where entry i+1 opens another step
    opens = start[1:-1]
    inside[opens[(opens > 0) & (opens < len(axon))] - 1] = False
    bad = np.flatnonzero((axon[1:] <= axon[:-1]) & inside)
    if len(bad):
        i = int(bad[0]) + 1
        cell = int(np.searchsorted(start, i, side="right")) - 1
        what = "occurs twice" if axon[i] == axon[i - 1] else f"follows axon {int(axon[i - 1])}"
        raise DataError(
            f"axon {int(axon[i])} {what} in sample {cell // n_steps}, step {cell % n_steps} (entry {i})",
            remedy="an axon carries at most one event per step, in ascending order",
        )


def check_payload(payload: np.ndarray, n_events: int) -> None:
    """One payload of 1..255 per event."""
    if len(payload) != n_events:
        raise DataError(f"{len(payload)} payloads for {n_events} events")
    first_outside("payload", payload, 1, PAYLOAD_MAX)


def store(array: np.ndarray, dtype: type) -> np.ndarray:
    """The array C-contiguous in `dtype`; its range has been checked."""
    return np.ascontiguousarray(array, dtype=dtype)


def starts(cell: np.ndarray, cells: int) -> np.ndarray:
    """int32[cells + 1]: where each cell's entries begin, from the cell number of every entry."""
    check_total(len(cell))
    start = np.zeros(cells + 1, np.int32)
    np.cumsum(np.bincount(cell, minlength=cells), out=start[1:])
    return start
