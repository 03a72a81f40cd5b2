"""The cochlea: filters where they should be, spikes that depend on the sound alone, refusals."""

import numpy as np
import pytest
from scipy.signal import sosfreqz

from chipsim.data.cochlea import Cochlea, sections
from chipsim.errors import DataError, SettingError

RATE = 8000


def tone(hz, seconds=0.3, level=1000.0):
    return level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


def speechlike(seed, seconds=0.4):
    noise = np.random.default_rng(seed).normal(size=int(seconds * RATE))
    return (2000 * noise * np.hanning(len(noise)) * (1 + tone(700, seconds, 1.0))).astype(np.int16)


def test_each_filter_is_1_at_its_centre_and_falls_off_on_both_sides():
    cochlea = Cochlea(channels=16)
    centres = cochlea.centres_hz()
    assert centres[[0, -1]].round(6).tolist() == [100, 3700] and (np.diff(np.diff(centres)) > 0).all()
    for centre in centres[1:]:
        erb = 24.7 + centre / 9.265
        at = [centre, centre - erb, centre + erb]
        _, response = sosfreqz(sections(cochlea, centre, 2 * RATE), worN=np.array(at), fs=2 * RATE)
        assert abs(response[0]) == pytest.approx(1)
        assert (abs(response[1:]) < 0.5).all()


@pytest.mark.parametrize("channel", [3, 10, 17, 22])
def test_a_tone_is_heard_loudest_in_its_own_channel(channel):
    cochlea = Cochlea(channels=24)
    spikes = cochlea.encode([tone(cochlea.centres_hz()[channel])], RATE)
    counts = spikes.counts()[0]
    assert counts[channel] == counts.max() > 20
    assert counts[[c for c in range(24) if abs(c - channel) > 8]].sum() == 0


def test_spikes_depend_neither_on_the_level_nor_on_the_company():
    cochlea = Cochlea(channels=12)
    waves = [speechlike(k, 0.2 + 0.05 * k) for k in range(5)]
    together = cochlea.encode(waves, RATE)
    for k, wave in enumerate(waves):
        alone = cochlea.encode([wave], RATE)
        assert all((a == b).all() for a, b in zip(alone.seconds(0), together.seconds(k), strict=True))
    louder = cochlea.encode([2.0 * wave for wave in waves], RATE)  # by 2: exact in binary floats
    assert louder.sha256 == together.sha256


def test_silence_before_the_sound_is_cut_off_and_silence_gives_no_spikes():
    cochlea = Cochlea(channels=12)
    wave = np.concatenate([np.zeros(400), speechlike(1) - speechlike(1).mean()])
    late = np.concatenate([np.zeros(1600), wave])
    early, shifted = (cochlea.encode([one], RATE) for one in (wave, late))
    assert (early.seconds(0)[0] == shifted.seconds(0)[0]).all() and early.frames[0] == shifted.frames[0]
    kept = Cochlea(channels=12, onset=0.0).encode([late], RATE)
    assert kept.seconds(0)[0][0] > 0.2
    quiet = cochlea.encode([np.zeros(800, np.int16), np.full(800, 77)], RATE)
    assert quiet.counts().sum() == 0 and quiet.frames.tolist() == [100, 100]


def test_no_channel_fires_inside_its_refractory_time():
    cochlea = Cochlea(channels=8, gain=5.0, refractory_ms=7.0)
    spikes = cochlea.encode([tone(1000)], RATE)
    gaps = [np.diff(spikes.frame[spikes.channel == c]) for c in range(8)]
    assert min(gap.min() for gap in gaps if len(gap)) == 8


def test_adaptation_and_inhibition_take_spikes_away():
    wave = [speechlike(3)]
    plain = Cochlea(channels=16, inhibition=0.0, gain=0.1)
    n = [
        Cochlea(channels=16, gain=0.1, inhibition=inhibition, adaptation=adaptation)
        .encode(wave, RATE)
        .counts()
        .sum()
        for inhibition, adaptation in ((0.0, 0.0), (0.0, 0.8), (0.8, 0.0))
    ]
    assert n[0] == plain.encode(wave, RATE).counts().sum() > n[1] and n[0] > n[2]


def test_what_is_refused():
    for change, message in (
        (dict(channels=0), r"channels is 0; limit 1\.\.4096"),
        (dict(channels=3.5), r"channels is 3\.5, not a whole number"),
        (dict(exponent="0.3"), r"exponent is '0\.3'"),
        (dict(gain=float("nan")), r"gain is nan"),
        (dict(low_hz=500, high_hz=400), r"low_hz 500 is not below high_hz 400"),
    ):
        with pytest.raises(SettingError, match=message):
            Cochlea(**change)
    with pytest.raises(SettingError, match=r"high_hz 3700\.0; limit below 3000"):
        Cochlea().encode([tone(500)], 6000)
    with pytest.raises(SettingError, match=r"frame_ms 0\.3 is 2\.4 samples at 8000 Hz"):
        Cochlea(frame_ms=0.3).encode([tone(500)], RATE)
    broken = tone(500)
    broken[11] = np.inf
    for wave, message in (
        (np.zeros(0), r"recording 1 has 0 samples"),
        (broken, r"recording 1: sample 11 is not a finite number"),
        (np.zeros((2, 800)), r"recording 1 is float64\[2, 800\]"),
        (np.array(["a"] * 800), r"recording 1 is <U1\[800\]"),
    ):
        with pytest.raises(DataError, match=message):
            Cochlea().encode([tone(500), wave], RATE)
