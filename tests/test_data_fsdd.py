"""Spoken digits: what is read from the zip, splits, the cache, and what is refused."""

import io
import struct
import wave
import zipfile

import numpy as np
import pytest

from chipsim.data import fsdd
from chipsim.data.cochlea import Cochlea
from chipsim.errors import DataError, SettingError

SMALL = Cochlea(channels=4)
SPEAKERS = ("ada", "bo")


def wav(samples, rate=8000, channels=1, width=2):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(np.asarray(samples, "<i2").tobytes())
    return stream.getvalue()


def digit_wave(digit, speaker, take):
    t = np.arange(1600) / 8000
    return 3000 * np.sin(2 * np.pi * (300 + 150 * digit + 20 * speaker + take) * t)


def members(takes=8):
    return {
        f"recordings/{d}_{name}_{k}.wav": wav(digit_wave(d, s, k).astype(np.int16))
        for d in range(10)
        for s, name in enumerate(SPEAKERS)
        for k in range(takes)
    }


def write(folder, files):
    with zipfile.ZipFile(folder / "fsdd_recordings.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write(folder, members())
    return fsdd.load_fsdd(folder, SMALL)


def test_recordings_are_sorted_and_whole(tmp_path):
    (tmp_path / "fsdd").mkdir()
    write(tmp_path / "fsdd", dict(reversed(members(2).items())))
    got = fsdd.read_waves(tmp_path)
    assert (len(got), got.speakers) == (40, SPEAKERS)
    assert got.labels.tolist() == np.repeat(np.arange(10), 4).tolist()
    assert got.speaker[:4].tolist() == [0, 0, 1, 1] and got.index[:4].tolist() == [0, 1, 0, 1]
    assert (got.waves[5] == digit_wave(1, 0, 1).astype(np.int16)).all()


def test_splits_share_out_every_recording_once(digits):
    official = digits.official(validation=20)
    assert [len(official[name]) for name in ("train", "validation", "test")] == [40, 20, 100]
    assert (digits.index[official["test"]] < 5).all() and (digits.index[official["train"]] >= 5).all()
    assert np.bincount(digits.labels[official["validation"]]).tolist() == [2] * 10
    out = digits.leave_out("bo", validation=20)
    assert set(digits.speaker[out["test"]]) == {1} and set(digits.speaker[out["train"]]) == {0}
    for split in (official, out):
        assert np.sort(np.concatenate(list(split.values()))).tolist() == list(range(160))
    other = digits.official(seed=1, validation=20)["validation"]
    assert not np.array_equal(other, official["validation"])
    with pytest.raises(SettingError, match=r"unknown speaker 'bob' \(did you mean 'bo'\?\)"):
        digits.leave_out("bob")
    with pytest.raises(DataError, match="validation part of 60 recordings; limit 1..59"):
        digits.official(validation=60)
    with pytest.raises(DataError, match="no recording is left for train"):
        digits.leave_out("bo", validation="ada")


def test_a_digit_is_where_its_tone_is(digits):
    counts = digits.events(20, 10.0).counts()
    assert counts.shape == (160, 4)
    heard = [int(counts[digits.labels == d].sum(axis=0).argmax()) for d in (0, 9)]
    place = np.log(SMALL.centres_hz() + 229)  # even distances in the ear
    assert heard == [int(abs(place - np.log(hz + 229)).argmin()) for hz in (300, 1650)]


def test_the_cache_gives_the_same_and_survives_damage(tmp_path, monkeypatch):
    write(tmp_path, members(1))
    cache = tmp_path / "cache"
    first = fsdd.load_fsdd(tmp_path, SMALL, cache)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    calls = []
    encode = Cochlea.encode
    monkeypatch.setattr(Cochlea, "encode", lambda self, *a: calls.append(1) or encode(self, *a))
    assert fsdd.load_fsdd(tmp_path, SMALL, cache).spikes.sha256 == first.spikes.sha256 and not calls
    for damage in (b"", whole[: len(whole) // 2]):
        file.write_bytes(damage)
        assert fsdd.load_fsdd(tmp_path, SMALL, cache).spikes.sha256 == first.spikes.sha256
    assert len(calls) == 2 and file.read_bytes() != b""
    fsdd.load_fsdd(tmp_path, Cochlea(channels=5), cache)
    assert len(calls) == 3 and len(list(cache.iterdir())) == 2
    write(tmp_path, members(2))
    fsdd.load_fsdd(tmp_path, SMALL, cache)
    assert len(calls) == 4 and len(list(cache.iterdir())) == 3
    (tmp_path / "a file").write_text("")
    with pytest.raises(DataError, match="the cache cannot be written"):
        fsdd.load_fsdd(tmp_path, SMALL, tmp_path / "a file")


def test_what_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no data folder given for 'fsdd'\n  remedy: name with --data DIR"):
        fsdd.read_waves(None)
    with pytest.raises(DataError, match=r"fsdd_recordings\.zip: no such file"):
        fsdd.read_waves(tmp_path)
    good = wav([1, 2, 3])
    longer = bytearray(good)
    longer[40:44] = struct.pack("<I", 1000)
    for name, data, message in (
        ("0_ada_0.wav", b"RIFF", r"0_ada_0\.wav: is no readable wav file"),
        ("0_ada_0.wav", wav([1, 2], rate=16000), r"16000 Hz, 1 channels, 2 bytes.*; limit 8000 Hz"),
        ("0_ada_0.wav", wav([1, 2], channels=2), r"8000 Hz, 2 channels"),
        ("0_ada_0.wav", wav([]), r"holds 0 bytes of 0 promised samples"),
        ("0_ada_0.wav", bytes(longer), r"(holds 6 bytes of 500 promised samples|no readable wav)"),
        ("../0_ada_0.wav/../1_x.wav", good, r"is not named \{digit\}_\{speaker\}_\{index\}\.wav"),
        ("ten_ada_0.wav", good, r"is not named"),
        ("0_ada_0.wav", bytes(2 << 20), r"promises 2097152 bytes; limit 1048576"),
        ("readme.txt", good, r"holds 0 wav files"),
    ):
        write(tmp_path, {name: data})
        with pytest.raises(DataError, match=message):
            fsdd.read_waves(tmp_path)
    write(tmp_path, {"a/0_ada_0.wav": good, "b/0_ada_0.wav": good})
    with pytest.raises(DataError, match=r"b/0_ada_0\.wav: occurs twice"):
        fsdd.read_waves(tmp_path)


def test_damaged_archives_are_refused(tmp_path):
    write(tmp_path, members(1))
    path = tmp_path / "fsdd_recordings.zip"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[500] ^= 1
    for damage in (b"", b"PK\3\4", whole[:5000], bytes(flipped)):
        path.write_bytes(damage)
        with pytest.raises(DataError, match=r"fsdd_recordings\.zip"):
            fsdd.read_waves(tmp_path)


def test_the_published_file(data_dir):
    got = fsdd.read_waves(data_dir)
    assert got.files == {entry.file: entry.sha256 for entry in fsdd.EXPECTED}
    assert (len(got), len(got.speakers)) == (3000, 6)
    assert (np.bincount(got.labels * 6 + got.speaker) == 50).all()
    seconds = np.array([len(one) for one in got.waves]) / fsdd.RATE_HZ
    assert (seconds.min(), seconds.max()) == (1148 / 8000, 18262 / 8000)


@pytest.mark.one_python
@pytest.mark.slow
def test_a_linear_readout_needs_time_to_know_a_digit(data_dir, tmp_path):
    """What the encoding is for: when a channel fires tells more than how often."""
    from chipsim.baseline import linear_readout

    digits = fsdd.load_fsdd(data_dir, cache=tmp_path)
    split, events = digits.official(), digits.events()
    bins = events.to_dense().reshape(3000, 8, 10, events.n_axons).sum(axis=2).reshape(3000, -1)

    def accuracy(x):
        parts = [split[name] for name in ("train", "validation", "test")]
        pairs = [(x[part], digits.labels[part]) for part in parts]
        return linear_readout(*(array for pair in pairs for array in pair), strengths=(1.0,))["test"]

    assert 0.85 < accuracy(events.counts()) < 0.95
    assert accuracy(bins) > 0.97
