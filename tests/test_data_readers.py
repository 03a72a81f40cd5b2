"""Single recordings: every real sample file is read or refused by name, damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.data.readers import read_recording
from chipsim.errors import DataError, SettingError

READ = {  # file -> sensor, events, microseconds from first to last
    "tonic_sample_nmnist.bin": ((34, 34, 2), 4325, 310_521),
    "tonic_sample_ncars.dat": ((304, 240, 2), 2009, 99_952),
    "loris_NCARS_obj_004397_td.dat": ((304, 240, 2), 4407, 99_937),
    "tonic_sample_stmnist.mat": ((10, 10, 2), 2346, 699_118),
    "expelliarmus_evt2_sample.raw": ((640, 480, 2), 539_481, 50_000),
    "expelliarmus_evt3_sample.raw": ((1280, 720, 2), 219_596, 53_857),
}
REFUSED = {
    "ntidigits_1.bs1": r"\.bs1: SLAYER's one-dimensional binary spikes, is not read",
    "pynavis_sound_mono_32ch.aedat": r"\.aedat: AEDAT 1 to 3 .*is not read",
    "sepia_dvs.es": r"\.es: Event Stream, is not read",
}
TYPE = [("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.uint8)]


@pytest.fixture
def samples(data_dir):
    pytest.importorskip("tonic.io")
    pytest.importorskip("expelliarmus")
    return data_dir / "event_samples"


def test_every_sample_is_in_one_of_the_tables(data_dir):
    files = {path.name for path in (data_dir / "event_samples").iterdir()} - {"PROVENANCE.md"}
    assert files == {*READ, *REFUSED}


@pytest.mark.parametrize("name", READ)
def test_samples_are_read(samples, name):
    recording = read_recording(samples / name)
    assert (recording.sensor, len(recording), recording.duration_us) == READ[name]


@pytest.mark.parametrize("name", REFUSED)
def test_samples_are_refused_by_name(data_dir, name):
    with pytest.raises(DataError, match=REFUSED[name] + r"(.|\n)*remedy: convert it to a NumPy \.npy file"):
        read_recording(data_dir / "event_samples" / name)


@pytest.mark.parametrize("name", [name for name in READ if not name.endswith("mat")])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "long header"])
def test_damaged_samples_are_refused(samples, tmp_path, name, damage):
    path = tmp_path / name
    whole = (samples / name).read_bytes()
    contents = {"cut": whole[:-1], "empty": b"", "text": b"t,x,y,p\n" * 500, "long header": b"%" * 70_000}
    path.write_bytes(contents[damage])
    with pytest.raises(DataError, match=name):
        read_recording(path)


@pytest.mark.parametrize("name", READ)
def test_no_flipped_byte_crashes(samples, tmp_path, name, capfd):
    whole, r = (samples / name).read_bytes()[:40_000], np.random.default_rng(5)
    whole = whole[: len(whole) - (len(whole) % 40) + 7] if name.endswith("dat") else whole
    refused = 0
    for _ in range(12):
        damaged = bytearray(whole)
        for place in r.integers(0, len(whole), 20):
            damaged[int(place)] ^= int(r.integers(1, 256))
        (tmp_path / name).write_bytes(damaged)
        try:
            read_recording(tmp_path / name)
        except (DataError, SettingError):
            refused += 1
    assert refused > 0
    capfd.readouterr()  # expelliarmus writes its own account


def test_npy_files_in_both_layouts(tmp_path):
    rows = [(0, 3, 2, 1), (4, 0, 0, 0)]
    np.save(tmp_path / "a.npy", np.array(rows, TYPE), allow_pickle=False)
    recording = read_recording(tmp_path / "a.npy", (4, 3, 2))
    assert recording.events["x"].tolist() == [3, 0] and recording.label is None
    np.save(tmp_path / "b.npy", np.array([(x, y, p, t) for t, x, y, p in rows]), allow_pickle=False)
    assert read_recording(tmp_path / "b.npy", (4, 3, 2)).events["t"].tolist() == [0, 4]
    with pytest.raises(
        SettingError, match=r"a\.npy: the file does not state its sensor\n  remedy: give --sensor"
    ):
        read_recording(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"a\.npy: event 0 of 2: x is 3, outside the sensor; limit 0\.\.2"):
        read_recording(tmp_path / "a.npy", (3, 3, 2))
    np.save(tmp_path / "c.npy", np.zeros((2, 4)), allow_pickle=False)
    with pytest.raises(DataError, match=r"c\.npy: events are no structured array"):
        read_recording(tmp_path / "c.npy", (4, 3, 2))
    with pytest.raises(DataError, match=r"no readable \.npy file of numbers"):
        (tmp_path / "d.npy").write_bytes(b"\x80\x04K\x01.")
        read_recording(tmp_path / "d.npy", (4, 3, 2))


def test_bs2_is_nmnists_layout_on_a_stated_sensor(samples, tmp_path):
    path = tmp_path / "a.bs2"
    path.write_bytes((samples / "tonic_sample_nmnist.bin").read_bytes())
    assert len(read_recording(path, (34, 34, 2))) == 4325
    with pytest.raises(SettingError, match="does not state its sensor"):
        read_recording(path)


def test_st_mnist_columns(samples, tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    train = np.zeros((101, 3))
    train[13, 0], train[99, 1], train[0, 2], train[5, 2] = 1, -1, 1, 1
    train[100] = [0.5, 0.5, 0.75]
    savemat(tmp_path / "a.mat", {"spiketrain": train})
    rows = [tuple(int(event[f]) for f in "txyp") for event in read_recording(tmp_path / "a.mat").events]
    assert rows == [(500_000, 3, 1, 1), (500_000, 9, 9, 0), (750_000, 0, 0, 1), (750_000, 5, 0, 1)]
    for change, reason in (
        ({"spiketrain": train[:50]}, r"spiketrain is double \(50, 3\), not double \(101, n\)"),
        ({"other": train}, r"spiketrain is missing \(\)"),
        ({"spiketrain": np.full((101, 3), 2.0)}, r"column 0: not -1, 0, 1"),
        ({"spiketrain": np.full((101, 3), np.nan)}, r"column 0: not -1, 0, 1"),
        ({"spiketrain": train[:, ::-1]}, r"event 2 of 4: t is 500000, earlier than 750000"),
    ):
        savemat(tmp_path / "b.mat", change)
        with pytest.raises(DataError, match=r"b\.mat: " + reason):
            read_recording(tmp_path / "b.mat")
    (tmp_path / "c.mat").write_bytes((tmp_path / "a.mat").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"c\.mat: no readable MATLAB 5 file"):
        read_recording(tmp_path / "c.mat")


def test_other_files(tmp_path):
    with pytest.raises(DataError, match="nothing.bin: no such file"):
        read_recording(tmp_path / "nothing.bin")
    with pytest.raises(DataError, match="not a regular file"):
        read_recording(tmp_path)
    (tmp_path / "a.csv").write_text("1")
    with pytest.raises(
        DataError, match=r"'\.csv' is no known recording; known: \.bin, .*\n  remedy: convert"
    ):
        read_recording(tmp_path / "a.csv")
