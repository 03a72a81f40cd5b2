"""Events: the spikes, graded spikes or currents that enter a network, step by step.

A set of samples is one compressed list over (sample, step): the events of step t of sample k are
`axon[start[k*n_steps + t] : start[k*n_steps + t + 1]]`. Everything a kernel relies on (order, range,
uniqueness, dtype, contiguity) is checked here, once, before any kernel sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from chipsim.data import checks
from chipsim.errors import DataError


@dataclass(frozen=True, eq=False)
class Events:
    """Input events of some samples, as one compressed list over (sample, step).

    n_axons   number of input axons
    n_steps   steps of every sample
    start     int32[samples*n_steps + 1], from 0 to the number of events, never falling
    axon      int32[n_events], 0..n_axons-1, ascending and unique inside a step
    payload   int16[n_events] 1..255 (graded spikes, constant currents), or None: plain spikes

    Any integer arrays are taken and stored in these dtypes, C-contiguous. Raises DataError with
    the place of the first bad entry. Axon numbers are int32 at every size: 60,000 samples of
    1,000 events are 240 MB; encode by chunks where that is too much.
    """

    n_axons: int
    n_steps: int
    start: np.ndarray
    axon: np.ndarray
    payload: np.ndarray | None = None

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "n_axons", checks.whole("n_axons", self.n_axons))
        keep(self, "n_steps", checks.whole("n_steps", self.n_steps))
        start, axon = checks.integers("start", self.start), checks.integers("axon", self.axon)
        checks.check_total(len(axon))
        checks.check_start(start, self.n_steps, len(axon))
        checks.check_axons(axon, start, self.n_axons, self.n_steps)
        keep(self, "start", checks.store(start, np.int32))
        keep(self, "axon", checks.store(axon, np.int32))
        if self.payload is not None:
            payload = checks.integers("payload", self.payload)
            checks.check_payload(payload, len(axon))
            keep(self, "payload", checks.store(payload, np.int16))

    @classmethod
    def trusted(
        cls,
        n_axons: int,
        n_steps: int,
        start: np.ndarray,
        axon: np.ndarray,
        payload: np.ndarray | None = None,
    ) -> Events:
        """Events from arrays valid by construction (encoders, slices): dtypes as above, no check."""
        events = object.__new__(cls)
        events.__dict__.update(n_axons=n_axons, n_steps=n_steps, start=start, axon=axon, payload=payload)
        return events

    @classmethod
    def from_dense(cls, dense: np.ndarray, *, graded: bool = False) -> Events:
        """Events from an array [samples, steps, axons] of 0/1 (or bool); with `graded`, of 0..255."""
        dense = checks.integers("the dense array", dense, ndim=None)
        if dense.ndim != 3:
            raise DataError(
                f"a dense array has 3 axes [samples, steps, axons], this one has shape {dense.shape}",
                remedy="for one sample of [steps, axons] pass array[None]",
            )
        top = checks.PAYLOAD_MAX if graded else 1
        bad = np.argwhere((dense < 0) | (dense > top))
        if len(bad):
            k, t, a = (int(i) for i in bad[0])
            raise DataError(
                f"value {int(dense[k, t, a])} at sample {k}, step {t}, axon {a}; limit 0..{top}",
                remedy=None if graded else "pass graded=True for payloads of 1..255",
            )
        samples, steps, axons = dense.shape
        k, t, axon = np.nonzero(dense)
        start = checks.starts(k * steps + t, samples * steps)
        return cls(axons, steps, start, axon, dense[k, t, axon].astype(np.int16) if graded else None)

    @classmethod
    def from_arrays(
        cls,
        sample: np.ndarray,
        step: np.ndarray,
        axon: np.ndarray,
        payload: np.ndarray | None = None,
        *,
        samples: int,
        n_steps: int,
        n_axons: int,
    ) -> Events:
        """Events from parallel integer arrays [n_events] in any order; doubles are refused."""
        samples = checks.whole("samples", samples, least=0)
        limits = {"sample": samples, "step": checks.whole("n_steps", n_steps), "axon": n_axons}
        checks.whole("n_axons", n_axons)
        columns = {"sample": sample, "step": step, "axon": axon}
        columns = {name: checks.integers(name, column) for name, column in columns.items()}
        values = None if payload is None else checks.integers("payload", payload)
        sizes = {len(column) for column in columns.values()} | (set() if values is None else {len(values)})
        if len(sizes) > 1:
            raise DataError(f"the columns differ in length: {sorted(sizes)}")
        for name, limit in limits.items():
            checks.first_outside(name, columns[name], 0, limit - 1)
        cell = columns["sample"].astype(np.int64) * n_steps + columns["step"].astype(np.int64)
        order = np.lexsort((columns["axon"], cell))
        start = checks.starts(cell, samples * n_steps)
        return cls(n_axons, n_steps, start, columns["axon"][order], None if values is None else values[order])

    @classmethod
    def from_lists(cls, lists: Sequence[Iterable[Sequence[int]]], *, n_axons: int, n_steps: int) -> Events:
        """Events from one list per sample of (step, axon) or (step, axon, payload), in any order."""
        rows: list[tuple[int, ...]] = []
        width = 0
        for k, events in enumerate(lists):
            for i, event in enumerate(events):
                width = width or len(event)
                if len(event) != width or width not in (2, 3):
                    raise DataError(
                        f"sample {k}, event {i}: {tuple(event)!r} has {len(event)} numbers",
                        remedy="write (step, axon) for all events or (step, axon, payload) for all",
                    )
                rows.append((k, *event))
        table = checks.integers("the list of events", np.array(rows).reshape(-1, (width or 2) + 1), ndim=2)
        return cls.from_arrays(*table.T, samples=len(lists), n_steps=n_steps, n_axons=n_axons)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return (len(self.start) - 1) // self.n_steps

    @property
    def n_events(self) -> int:
        """Number of events of all samples."""
        return len(self.axon)

    @property
    def graded(self) -> bool:
        """True if the events carry payloads."""
        return self.payload is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.start.nbytes + self.axon.nbytes + (0 if self.payload is None else self.payload.nbytes)

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, k: int) -> Events:
        """Sample k (negative: from the end) as Events of one sample; its axons are a view."""
        if not -self.samples <= k < self.samples:
            raise IndexError(f"sample {k} of {self.samples}")
        k %= self.samples
        return self.slice(k, k + 1)

    def slice(self, lo: int, hi: int) -> Events:
        """Samples lo..hi-1; axons and payloads are views, `start` is a small copy."""
        if not 0 <= lo <= hi <= self.samples:
            raise IndexError(f"samples {lo}..{hi} of {self.samples}")
        cells = self.start[lo * self.n_steps : hi * self.n_steps + 1]
        a, b = int(cells[0]), int(cells[-1])
        payload = None if self.payload is None else self.payload[a:b]
        return Events.trusted(self.n_axons, self.n_steps, cells - np.int32(a), self.axon[a:b], payload)

    def take(self, indices: np.ndarray) -> Events:
        """The samples `indices` (int[m], repeats allowed) in that order, copied."""
        indices = checks.integers("indices", indices).astype(np.int64)
        checks.first_outside("indices", indices, 0, self.samples - 1)
        cells = (indices[:, None] * self.n_steps + np.arange(self.n_steps)).ravel()
        first = self.start[cells].astype(np.int64)
        length = self.start[cells + 1] - first
        start = np.zeros(len(cells) + 1, np.int64)
        np.cumsum(length, out=start[1:])
        checks.check_total(int(start[-1]))
        a, b = self.start[indices * self.n_steps], self.start[(indices + 1) * self.n_steps]
        pieces = list(zip(a.tolist(), b.tolist(), strict=True))  # whole samples: block copies

        def copied(column: np.ndarray) -> np.ndarray:
            return np.concatenate([column[:0], *(column[lo:hi] for lo, hi in pieces)])

        payload = None if self.payload is None else copied(self.payload)
        return Events.trusted(self.n_axons, self.n_steps, start.astype(np.int32), copied(self.axon), payload)

    def at(self, k: int, t: int) -> np.ndarray:
        """int32 axons active in step t (0..n_steps-1) of sample k, ascending: a view."""
        if not (0 <= k < self.samples and 0 <= t < self.n_steps):
            raise IndexError(f"sample {k} of {self.samples}, step {t} of {self.n_steps}")
        cell = k * self.n_steps + t
        return self.axon[self.start[cell] : self.start[cell + 1]]

    def per_sample(self) -> np.ndarray:
        """int64[samples]: events of each sample."""
        return np.diff(self.start[:: self.n_steps].astype(np.int64))

    def per_step(self) -> np.ndarray:
        """int64[samples, n_steps]: events of each step."""
        return np.diff(self.start.astype(np.int64)).reshape(self.samples, self.n_steps)

    def counts(self) -> np.ndarray:
        """int32[samples, n_axons]: spikes (or payloads) of each axon summed over the steps.

        All that a classifier without memory can know of the input: the linear control learns it.
        """
        total = np.zeros((self.samples, self.n_axons), np.int32)
        block = max(1, (1 << 22) // self.n_axons)
        for lo in range(0, self.samples, block):
            part = self.slice(lo, min(lo + block, self.samples))
            cell = np.repeat(np.arange(part.samples) * self.n_axons, part.per_sample()) + part.axon
            # as float64 weights, sums of integers below 2**53 are exact
            sums = np.bincount(cell, weights=part.payload, minlength=part.samples * self.n_axons)
            total[lo : lo + part.samples] = sums.reshape(part.samples, self.n_axons)
        return total

    def to_dense(self) -> np.ndarray:
        """int16[samples, n_steps, n_axons]: 1 or the payload where there is an event, else 0."""
        dense = np.zeros((self.samples * self.n_steps, self.n_axons), np.int16)
        cell = np.repeat(np.arange(len(dense)), np.diff(self.start))
        dense[cell, self.axon] = 1 if self.payload is None else self.payload
        return dense.reshape(self.samples, self.n_steps, self.n_axons)
