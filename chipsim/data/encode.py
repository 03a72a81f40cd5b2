"""Encoders: from grey levels to input events, in integers.

regular    each pixel adds its rate to an accumulator in every step and spikes when it wraps; the
           accumulator starts at a random phase. As many spikes as the rate says, evenly spaced.
rate       one Bernoulli draw per pixel and step with the pixel's rate.
latency    one spike per pixel that is not 0: the brightest in step 0, level 1 last.
current    a payload in every step, proportional to the level: a constant current.

A rate is a u17.16 number (65536: a spike in every step). It is folded once per level from exact
fractions, so no float decides a spike. Words come from `chipsim.noise` with op OP_ENCODER, context =
number of the image in its set, element = pixel; step = epoch for the phases of `regular`, and
epoch*steps + t for `rate`. A phase is the word's top 16 bits; so is the draw compared with a rate.
Events of an image therefore do not depend on which others are encoded with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from chipsim import noise
from chipsim.data import checks, encode_kernels
from chipsim.data.events import Events
from chipsim.data.images import Images
from chipsim.data.words import draw_keys
from chipsim.errors import SettingError, did_you_mean
from chipsim.fixed import Format, fold

KINDS = ("regular", "rate", "latency", "current")
RATE = Format(False, 17, 16)
_CALL = 1 << 26  # pixels * steps of one kernel call: about 0.1 s, so that Ctrl-C is answered


@dataclass(frozen=True)
class Encoder:
    """How grey levels become events.

    kind      one of regular, rate, latency, current
    steps     steps of a sample
    max_rate  spikes per step of the brightest level, above 0 and at most 1 (regular, rate)
    peak      payload of the brightest level, 1..255 (current); default: the set's max_level
    seed      of the phases and draws (regular, rate)
    place     ordinal of the input layer in the network, a part of every draw's key
    """

    kind: str = "regular"
    steps: int = 20
    max_rate: float | Fraction = 0.5
    peak: int | None = None
    seed: int = 0
    place: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingError(
                f"unknown encoder '{self.kind}'{did_you_mean(str(self.kind), KINDS)}",
                remedy=f"choose one of {', '.join(KINDS)}",
            )
        _whole("steps", self.steps, 1, 65535)
        _whole("place", self.place, 0, 2**32 - 1)
        _whole("seed", self.seed, -(2**63), 2**64 - 1)
        if self.peak is not None:
            _whole("peak", self.peak, 1, checks.PAYLOAD_MAX)
        if not isinstance(self.max_rate, (int, float, Fraction)) or not 0 < self.max_rate <= 1:
            raise SettingError(
                f"encoder: max_rate is {self.max_rate!r}; limit above 0, at most 1 spike per step"
            )

    def table(self, max_level: int) -> np.ndarray:
        """int64[max_level + 1]: what a level becomes: raw u17.16 rate, spike step, or payload.

        In a latency table level 0 has `steps` (never); in a current table 0 is no event.
        """
        if self.kind == "latency":
            steps = [(max_level - p) * self.steps // max_level for p in range(max_level + 1)]
            return np.array([self.steps, *steps[1:]], np.int64)
        if self.kind == "current":
            peak, form = self.peak or max_level, Format(False, 8, 0)
        else:
            peak, form = Fraction(self.max_rate), RATE
        exact = [Fraction(p, max_level) * peak for p in range(max_level + 1)]
        return np.array([fold(value, form).raw for value in exact], np.int64)


def encode(images: Images, encoder: Encoder, index: np.ndarray | None = None, *, epoch: int = 0) -> Events:
    """Events of the images, or of the rows `index` (int[m]) of them in that order.

    `epoch` gives `regular` new phases and `rate` new draws; leave it 0 for the same events in every
    epoch. Axon p is pixel p. Raises DataError for an index out of range or more than 2**31 - 1
    events (then encode by chunks: the events of an image are the same in any chunk).
    """
    rows = np.arange(len(images)) if index is None else checks.integers("index", index).astype(np.int64)
    checks.first_outside("index", rows, 0, len(images) - 1)
    table, T = encoder.table(images.max_level), encoder.steps
    keys = _keys(images, encoder, rows, epoch)
    count, fill = encode_kernels.PAIRS[encoder.kind]
    per_sample = np.zeros(len(rows) + 1, np.int64)
    size = max(1, _CALL // (images.n_pixels * T))
    blocks = [slice(lo, lo + size) for lo in range(0, len(rows), size)]
    for b in blocks:
        count(images.pixels, rows[b], table, keys[b], T, per_sample[1:][b])
    offset = np.cumsum(per_sample)
    checks.check_total(int(offset[-1]))
    start = np.zeros(len(rows) * T + 1, np.int32)
    # one slot more than events: fill writes first and moves on only if there was a spike
    axon = np.empty(int(offset[-1]) + 1, np.int32)
    for b in blocks:
        ends = start[1 + b.start * T : 1 + b.stop * T]
        fill(images.pixels, rows[b], table, keys[b], T, offset[b], ends, axon)
    axon = axon[:-1]
    payload = None
    if encoder.kind == "current":
        row = np.repeat(rows, per_sample[1:])
        payload = table[images.pixels[row, axon]].astype(np.int16)
    return Events.trusted(images.n_pixels, T, start, axon, payload)


def _keys(images: Images, encoder: Encoder, rows: np.ndarray, epoch: int) -> np.ndarray:
    """uint64[rows, 1 or steps]: the keys of the words each sample draws."""
    context = images.index[rows][:, None]
    if encoder.kind == "rate":
        step = epoch * encoder.steps + np.arange(encoder.steps)[None, :]
    else:
        step = np.array([[epoch]])
    keys = draw_keys(encoder.seed, encoder.place, noise.OP_ENCODER, context, step)
    return np.ascontiguousarray(keys, dtype=np.uint64)


def _whole(name: str, value: object, lo: int, hi: int) -> None:
    """Refuse a setting that is not a whole number of lo..hi."""
    if isinstance(value, bool) or not isinstance(value, int) or not lo <= value <= hi:
        raise SettingError(f"encoder: {name} is {value!r}; limit {lo}..{hi}")
