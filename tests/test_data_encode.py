"""Encoders against a plain-Python reading of their docstring, and independence of chunks."""

import sys
from fractions import Fraction

import numpy as np
import pytest

from chipsim import noise
from chipsim.data import builtin
from chipsim.data.encode import KINDS, Encoder, encode
from chipsim.data.events import Events
from chipsim.errors import DataError, SettingError


def top16(seed, sample, step, pixel):
    return noise.word_one(noise.draw_key(seed, 0, noise.OP_ENCODER, sample, step), pixel) >> 16


def spelled_out(images, encoder, epoch=0):
    """The dense events [samples, steps, pixels] by the sentences of encode.py, one by one."""
    top, T = images.max_level, encoder.steps
    dense = np.zeros((len(images), T, images.n_pixels), int)
    for k, p in np.argwhere(images.pixels > 0):
        level, sample = int(images.pixels[k, p]), int(images.index[k])
        rate = (2 * level * int(Fraction(encoder.max_rate) * 65536) + top) // (2 * top)
        accumulator = top16(encoder.seed, sample, epoch, int(p))
        for t in range(T):
            if encoder.kind == "regular":
                accumulator += rate
                dense[k, t, p] = accumulator >= 65536
                accumulator %= 65536
            elif encoder.kind == "rate":
                dense[k, t, p] = top16(encoder.seed, sample, epoch * T + t, int(p)) < rate
            elif encoder.kind == "latency":
                dense[k, t, p] = t == (top - level) * T // top
            else:
                dense[k, t, p] = (2 * level * (encoder.peak or top) + top) // (2 * top)
    return dense


ENCODERS = [
    Encoder("regular", 6, 0.5, seed=3),
    Encoder("regular", 5, 1.0, seed=2**40),
    Encoder("rate", 6, Fraction(1, 4), seed=3),
    Encoder("rate", 4, 1, seed=3),
    Encoder("latency", 7),
    Encoder("latency", 3),
    Encoder("current", 2),
    Encoder("current", 3, peak=255),
    Encoder("current", 3, peak=2),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_events_are_what_the_sentences_say(encoder):
    images = builtin.drawn(4, shape=(3, 4), seed=8)
    for epoch in (0, 2):
        events = encode(images, encoder, epoch=epoch)
        assert np.array_equal(events.to_dense(), spelled_out(images, encoder, epoch))
        Events(events.n_axons, events.n_steps, events.start, events.axon, events.payload)
        assert events.graded == (encoder.kind == "current")
        assert events.axon.flags.c_contiguous and events.axon.dtype == np.int32


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_gives_the_same_events_in_any_chunk_and_split(kind):
    images = builtin.drawn(20)
    encoder = Encoder(kind, 5, seed=4)
    whole, order = encode(images, encoder), np.array([7, 19, 0, 7])
    for part in (encode(images, encoder, order), encode(images.take(order), encoder)):
        assert np.array_equal(part.to_dense(), whole.to_dense()[order])
    assert encode(images, encoder, np.array([], int)).samples == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_a_kernel_call_changes_nothing(kind, monkeypatch):
    images = builtin.drawn(11)
    whole = encode(images, Encoder(kind, 4)).to_dense()
    module = sys.modules["chipsim.data.encode"]  # the package shows the function of that name
    monkeypatch.setattr(module, "_CALL", 3 * 4 * images.n_pixels)
    assert np.array_equal(encode(images, Encoder(kind, 4)).to_dense(), whole)


@pytest.mark.parametrize("kind", ["regular", "rate"])
def test_seed_epoch_and_place_change_the_draws(kind):
    images = builtin.drawn(5)
    base = encode(images, Encoder(kind)).to_dense()
    for other in (
        encode(images, Encoder(kind, seed=1)),
        encode(images, Encoder(kind, place=1)),
        encode(images, Encoder(kind), epoch=1),
    ):
        assert not np.array_equal(other.to_dense(), base)


def test_regular_spikes_as_often_as_the_rate_says():
    images = builtin.drawn(30)
    spikes = encode(images, Encoder("regular", 20, 0.5)).counts()
    exact = images.pixels.astype(float) / images.max_level * 0.5 * 20
    assert np.abs(spikes - exact).max() < 1
    assert abs((spikes - exact).mean()) < 0.02


def test_rate_has_the_binomial_mean():
    images = builtin.drawn(60)
    bright = images.pixels == images.max_level
    mean = encode(images, Encoder("rate", 50, 0.25)).counts()[bright].mean()
    assert abs(mean - 12.5) < 5 * (50 * 0.25 * 0.75 / bright.sum()) ** 0.5


def test_full_rate_spikes_in_every_step():
    images = builtin.drawn(6)
    bright = images.pixels == images.max_level
    for kind in ("regular", "rate"):
        assert set(encode(images, Encoder(kind, 9, 1)).counts()[bright]) == {9}


def test_refusals():
    with pytest.raises(
        SettingError, match=r"^unknown encoder 'latncy' \(did you mean 'latency'\?\)\n  remedy: "
    ):
        Encoder("latncy")
    for bad in (0, -1, 1.5, float("nan"), "0.5"):
        with pytest.raises(SettingError, match=r"^encoder: max_rate is .*; limit above 0, at most 1 spike"):
            Encoder(max_rate=bad)
    with pytest.raises(SettingError, match=r"^encoder: steps is 0; limit 1\.\.65535\n"):
        Encoder(steps=0)
    with pytest.raises(SettingError, match=r"^encoder: seed is 0\.5; limit "):
        Encoder(seed=0.5)
    with pytest.raises(SettingError, match=r"^encoder: peak is 256; limit 1\.\.255\n"):
        Encoder("current", peak=256)
    with pytest.raises(DataError, match=r"^index\[0\] is 3; limit 0\.\.2\n"):
        encode(builtin.drawn(3), Encoder(), np.array([3]))
