"""Spikes with times: recordings of different lengths on some channels, before they are cut into steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chipsim.data import checks
from chipsim.data.events import Events
from chipsim.errors import DataError


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spike trains of recordings, one after the other.

    channels  number of channels
    frame_ms  milliseconds of a frame, the resolution of time
    start     int64[recordings + 1]: spikes of recording k are start[k] .. start[k+1] - 1
    frame     int32[spikes], ascending inside a recording
    channel   int32[spikes], 0..channels-1, ascending inside a frame
    frames    int32[recordings]: length of each recording

    Raises DataError with the place of the first entry that does not fit.
    """

    channels: int
    frame_ms: float
    start: np.ndarray
    frame: np.ndarray
    channel: np.ndarray
    frames: np.ndarray

    def __post_init__(self) -> None:
        keep = object.__setattr__
        arrays = {n: checks.integers(n, getattr(self, n)) for n in ("start", "frame", "channel", "frames")}
        start, frame, channel, frames = arrays.values()
        if len(start) != len(frames) + 1:
            raise DataError(
                f"start has {len(start)} entries for {len(frames)} recordings; one more is needed"
            )
        checks.check_start(start, 1, len(frame))
        if len(channel) != len(frame):
            raise DataError(f"{len(channel)} channels for {len(frame)} frames")
        checks.first_outside("channel", channel, 0, checks.whole("channels", self.channels) - 1)
        checks.first_outside("frames", frames, 0, checks.INT32_MAX)
        owner = np.repeat(np.arange(len(frames)), np.diff(start))
        bad = np.flatnonzero((frame < 0) | (frame >= frames[owner]))
        if len(bad):
            i = int(bad[0])
            raise DataError(f"frame[{i}] is {int(frame[i])}; recording {owner[i]} has {frames[owner[i]]}")
        place = frame.astype(np.int64) * self.channels + channel
        bad = np.flatnonzero((np.diff(place) <= 0) & (np.diff(owner) == 0))
        if len(bad):
            raise DataError(f"spike {int(bad[0]) + 1} does not follow the spike before it in its recording")
        for name, array in arrays.items():
            keep(self, name, checks.store(array, np.int64 if name == "start" else np.int32))

    @classmethod
    def joined(
        cls, pieces: Sequence[tuple[np.ndarray, np.ndarray, int]], channels: int, frame_ms: float
    ) -> Spikes:
        """Spikes from (frame, channel, frames) of each recording."""
        start = np.cumsum([0, *(len(frame) for frame, _, _ in pieces)])
        none = np.zeros(0, np.int32)
        frame = np.concatenate([none, *(checks.integers("frame", frame) for frame, _, _ in pieces)])
        channel = np.concatenate([none, *(checks.integers("channel", channel) for _, channel, _ in pieces)])
        frames = np.array([frames for _, _, frames in pieces], np.int32)
        return cls(channels, frame_ms, start, frame, channel, frames)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def owner(self) -> np.ndarray:
        """int64[spikes]: the recording of each spike."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @cached_property
    def sha256(self) -> str:
        """Hash of every spike's recording, time and channel, for the manifest."""
        digest = hashlib.sha256(f"{self.channels} {self.frame_ms!r}".encode())
        for array in (self.start, self.frame, self.channel, self.frames):
            digest.update(np.ascontiguousarray(array, "<i8"))
        return digest.hexdigest()

    def counts(self) -> np.ndarray:
        """int64[recordings, channels]: spikes of each channel."""
        cell = self.owner * self.channels + self.channel
        return np.bincount(cell, minlength=len(self) * self.channels).reshape(-1, self.channels)

    def seconds(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Times in seconds (float64) and channels (int32) of the spikes of recording k."""
        part = slice(self.start[k], self.start[k + 1])
        return self.frame[part] * (self.frame_ms / 1000), self.channel[part]

    def reversed(self) -> Spikes:
        """The same spikes with the channels in reverse order: a control for comparisons."""
        channel = self.channels - 1 - self.channel
        order = np.lexsort((channel, self.frame, self.owner))
        columns = (self.start, self.frame[order], channel[order], self.frames)
        return Spikes(self.channels, self.frame_ms, *columns)

    def events(self, n_steps: int, step_ms: float, delays: Sequence[int] = (0,)) -> Events:
        """Input events: a channel that fires in a step, however often, gives one event.

        n_steps  steps of every recording; what lies behind the last is cut off
        step_ms  milliseconds of a step, a whole number of frames
        delays   ascending steps: axon d*channels + c repeats channel c delays[d] steps later, as an
                 axon with a delay does (channels * len(delays) axons)
        """
        n_steps, per_step = checks.whole("n_steps", n_steps), step_ms / self.frame_ms
        if per_step < 1 or abs(per_step - round(per_step)) > 1e-9:
            raise DataError(f"step_ms is {step_ms}, not a whole number of frames of {self.frame_ms} ms")
        if len(delays) == 0 or list(delays) != sorted(set(delays)) or min(delays) < 0:
            raise DataError(f"delays are {list(delays)}; they must ascend from 0 or more")
        step = self.frame.astype(np.int64) // round(per_step)
        n_axons, cells = self.channels * len(delays), []
        for d, delay in enumerate(delays):
            inside = step + delay < n_steps
            cell = (self.owner * n_steps + step + delay) * n_axons + d * self.channels + self.channel
            cells.append(cell[inside])
        cell, axon = np.divmod(np.unique(np.concatenate(cells)), n_axons)
        return Events(n_axons, n_steps, checks.starts(cell, len(self) * n_steps), axon)
