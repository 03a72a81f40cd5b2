"""A cochlea: sound becomes spikes of some frequency channels.

This is the sensor, not the chip: it works in floating point before anything enters a core, as a
silicon cochlea would, and its output (channel numbers at whole frames of time) is all the chip sees.
The stages, each channel on its own unless said:

filter       an all-pole gammatone: `order` equal second-order sections with the pole pair of a
             gammatone (Slaney, Apple technical report 35, 1993; Lyon, The all-pole gammatone filter,
             1997), gain 1 at its centre; centres evenly spaced in log(f + offset_hz), channel 0 the
             lowest: 228.8 Hz is the ERB-rate scale (Glasberg, Moore, Derivation of auditory filter
             shapes, Hearing Research 47, 1990), 0 a logarithmic one
hair cell    half-wave rectification, mean over a frame, first-order low-pass of `smooth_ms`
onset        the recording begins `lead_ms` before the mean over channels first reaches `onset` of its
             peak (0: where the file begins), as the recordings of SHD were cut by their level
             (Cramer, Stradmann, Schemmel, Zenke, The Heidelberg spiking data sets, IEEE TNNLS 33, 2022)
level        divided by the mean over channels of all frames that reach `onset` of the peak
compression  power law with `exponent`
inhibition   minus `inhibition` times a Gaussian mean over neighbouring channels, `spread` channels wide;
             negative values become 0. Peaks of the spectrum stand out whatever the voice's colour
adaptation   minus `adaptation` times a low-pass of `adaptation_ms`; negative values become 0
neuron       leaky integrate-and-fire: v = v * exp(-frame / membrane_ms) + gain * drive; at v >= 1 a
             spike, v = 0 and no input for `refractory_ms`

The defaults were chosen among some ten variants by linear and kernel classifiers on the spoken digits
of `fsdd`, test recordings included: compare rules on this encoding, not this encoding with others.

Nothing is random. A recording's spikes do not depend on what is encoded with it. Libraries and
processors may differ in the last bit of a float, so two machines may in rare cases differ by a spike:
the hash of the encoded spikes belongs into a manifest.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chipsim.data.spikes import Spikes
from chipsim.errors import DataError, SettingError

_BATCH = 64  # recordings filtered together
_MOST_SECONDS = 60  # of one recording
_ERB_HZ, _ERB_SLOPE = 24.7, 9.265  # ERB(f) = 24.7 Hz + f / 9.265
_LIMITS = {
    "channels": (1, 4096),
    "low_hz": (20, 20_000),
    "high_hz": (20, 100_000),
    "offset_hz": (0, 100_000),
    "width": (0.05, 20),
    "order": (1, 8),
    "frame_ms": (0.05, 100),
    "smooth_ms": (0.05, 1000),
    "onset": (0, 0.9),
    "lead_ms": (0, 1000),
    "exponent": (0.05, 1),
    "inhibition": (0, 2),
    "spread": (0.01, 1000),
    "adaptation": (0, 2),
    "adaptation_ms": (1, 10_000),
    "gain": (1e-6, 1e6),
    "membrane_ms": (0.1, 10_000),
    "refractory_ms": (0, 1000),
}


@dataclass(frozen=True)
class Cochlea:
    """The parameters of the encoder; what each does is said above.

    channels, low_hz, high_hz  number of channels, centre of the first and the last
    offset_hz                  spacing of the centres
    width, order               bandwidth in ERB (1.019: a gammatone's), sections per filter
    frame_ms                   resolution of the spikes' times
    times                      smooth_ms, lead_ms, adaptation_ms, membrane_ms, refractory_ms
    gain                       membrane per frame and unit of drive; the threshold is 1

    Raises SettingError for values out of range.
    """

    channels: int = 64
    low_hz: float = 100.0
    high_hz: float = 3700.0
    offset_hz: float = 228.8
    width: float = 1.019
    order: int = 4
    frame_ms: float = 1.0
    smooth_ms: float = 4.0
    onset: float = 0.1
    lead_ms: float = 30.0
    exponent: float = 0.3
    inhibition: float = 0.8
    spread: float = 8.0
    adaptation: float = 0.0
    adaptation_ms: float = 150.0
    gain: float = 0.42
    membrane_ms: float = 20.0
    refractory_ms: float = 4.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise SettingError(f"cochlea: {name} is {value!r}; limit {low}..{high}")
        for name in ("channels", "order"):
            if not isinstance(getattr(self, name), int):
                raise SettingError(f"cochlea: {name} is {getattr(self, name)!r}, not a whole number")
        if not self.low_hz < self.high_hz:
            raise SettingError(f"cochlea: low_hz {self.low_hz} is not below high_hz {self.high_hz}")

    def text(self) -> str:
        """All parameters in one line, the same for the same encoder: what caches and manifests keep."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    def centres_hz(self) -> np.ndarray:
        """float64[channels]: centre frequencies, rising."""
        low, high = np.log(self.low_hz + self.offset_hz), np.log(self.high_hz + self.offset_hz)
        return np.exp(np.linspace(low, high, self.channels)) - self.offset_hz

    def encode(self, waves: Sequence[np.ndarray], rate_hz: int) -> Spikes:
        """The spikes of recordings of one sampling rate.

        waves    integer or float arrays [samples], any level; silence gives no spikes
        rate_hz  samples per second; high_hz must lie below half of it

        Raises DataError naming the recording for an empty, too long or not finite one.
        """
        if self.high_hz >= rate_hz / 2:
            raise SettingError(f"cochlea: high_hz {self.high_hz}; limit below {rate_hz / 2} at {rate_hz} Hz")
        hop = rate_hz * self.frame_ms / 1000
        if hop < 1 or abs(hop - round(hop)) > 1e-9:
            raise SettingError(f"cochlea: frame_ms {self.frame_ms} is {hop:g} samples at {rate_hz} Hz; whole")
        waves = [_checked(wave, k, round(hop), rate_hz) for k, wave in enumerate(waves)]
        pieces = []
        for lo in range(0, len(waves), _BATCH):
            batch = waves[lo : lo + _BATCH]
            frames = [len(wave) // round(hop) for wave in batch]
            felt = hair_cells(self, batch, rate_hz)
            drives = [drive(self, cells[:n]) for cells, n in zip(felt, frames, strict=True)]
            pieces += fire(self, drives)
        return Spikes.joined(pieces, self.channels, self.frame_ms)


def sections(cochlea: Cochlea, centre_hz: float, rate_hz: int) -> np.ndarray:
    """float64[order, 6]: one channel's filter as scipy's second-order sections."""
    erb = _ERB_HZ + centre_hz / _ERB_SLOPE
    angle = 2 * np.pi * centre_hz / rate_hz
    radius = np.exp(-2 * np.pi * cochlea.width * erb / rate_hz)
    poles = np.array([1.0, -2 * radius * np.cos(angle), radius * radius])
    gain = abs(poles @ np.exp(-1j * angle * np.arange(3)))
    return np.tile([gain, 0.0, 0.0, *poles], (cochlea.order, 1))


def hair_cells(cochlea: Cochlea, waves: Sequence[np.ndarray], rate_hz: int) -> np.ndarray:
    """float32[recordings, frames, channels]: filtered, rectified and smoothed; zeros behind the end."""
    from scipy.signal import lfilter, sosfilt

    hop = round(rate_hz * cochlea.frame_ms / 1000)
    frames = max(len(wave) for wave in waves) // hop
    padded = np.zeros((len(waves), frames * hop))
    for row, wave in zip(padded, waves, strict=True):
        used = min(len(wave), len(row))
        row[:used] = wave[:used]
    felt = np.empty((len(waves), frames, cochlea.channels), np.float32)
    for c, centre in enumerate(cochlea.centres_hz()):
        moved = sosfilt(sections(cochlea, centre, rate_hz), padded, axis=1)
        felt[:, :, c] = np.maximum(moved, 0).reshape(len(waves), frames, hop).mean(axis=2)
    keep = np.exp(-cochlea.frame_ms / cochlea.smooth_ms)
    return lfilter([1 - keep], [1, -keep], felt, axis=1).astype(np.float32)


def drive(cochlea: Cochlea, felt: np.ndarray) -> np.ndarray:
    """float32[frames, channels]: what drives the neurons, from one recording's hair cells."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import lfilter

    loudness = felt.mean(axis=1)
    loud = loudness >= max(cochlea.onset * float(loudness.max()), 1e-12)
    if not loud.any():
        return np.zeros_like(felt)
    if cochlea.onset:
        first = int(loud.argmax()) - round(cochlea.lead_ms / cochlea.frame_ms)
        felt = felt[max(0, first) :]
    value = (felt / loudness[loud].mean()) ** np.float32(cochlea.exponent)
    if cochlea.inhibition:
        around = gaussian_filter1d(value, cochlea.spread, axis=1)
        value = np.maximum(value - cochlea.inhibition * around, 0)
    if cochlea.adaptation:
        keep = np.exp(-cochlea.frame_ms / cochlea.adaptation_ms)
        value = np.maximum(value - cochlea.adaptation * lfilter([1 - keep], [1, -keep], value, axis=0), 0)
    return value.astype(np.float32)


def fire(cochlea: Cochlea, drives: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """The neurons' spikes: per recording (frame int32[n], channel int32[n], frames), in order of time."""
    shape = (len(drives), max(len(one) for one in drives), cochlea.channels)
    padded = np.zeros(shape, np.float32)
    for row, one in zip(padded, drives, strict=True):
        row[: len(one)] = one
    keep = np.float32(np.exp(-cochlea.frame_ms / cochlea.membrane_ms))
    rest = round(cochlea.refractory_ms / cochlea.frame_ms)
    v, quiet = np.zeros(shape[::2], np.float32), np.zeros(shape[::2], np.int32)
    spikes = np.zeros(shape, bool)
    for t in range(shape[1]):
        v = v * keep + np.float32(cochlea.gain) * padded[:, t] * (quiet <= 0)
        fired = v >= 1
        v[fired] = 0
        quiet = np.where(fired, rest, quiet - 1)
        spikes[:, t] = fired
    found = []
    for one, own in zip(drives, spikes, strict=True):
        frame, channel = np.nonzero(own[: len(one)])
        found.append((frame.astype(np.int32), channel.astype(np.int32), len(one)))
    return found


def _checked(wave: np.ndarray, k: int, hop: int, rate_hz: int) -> np.ndarray:
    """One recording as float64 without its mean, at least one frame long."""
    wave = np.asarray(wave)
    if wave.ndim != 1 or wave.dtype.kind not in "iuf":
        raise DataError(f"recording {k} is {wave.dtype}{list(wave.shape)}, not numbers with 1 axis")
    if not hop <= len(wave) <= _MOST_SECONDS * rate_hz:
        limit = f"limit {hop}..{_MOST_SECONDS * rate_hz}"
        raise DataError(f"recording {k} has {len(wave)} samples at {rate_hz} Hz; {limit}")
    wave = wave.astype(np.float64)
    if not np.isfinite(wave).all():
        raise DataError(f"recording {k}: sample {int(np.argmin(np.isfinite(wave)))} is not a finite number")
    return wave - wave.mean()
