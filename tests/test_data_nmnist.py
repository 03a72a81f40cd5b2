"""N-MNIST: real recordings through tonic's reader, and files that are refused."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from chipsim.data import load_nmnist
from chipsim.data.sets.nmnist import read_bin
from chipsim.errors import DataError

TRAIN = [97, 116, 99, 93, 105, 92, 94, 117, 87, 100]  # per class, PROVENANCE.md of the data
TEST = [8, 14, 8, 11, 14, 7, 10, 15, 2, 11]
GOOD = [(3, 4, 1, 10), (33, 0, 0, 10), (0, 33, 1, 70_000)]


def packed(events):
    """The 40-bit layout: x, y, then polarity and 23 bits of time."""
    words = [(x, y, (p << 7) | (t >> 16), (t >> 8) & 255, t & 255) for x, y, p, t in events]
    return np.array(words, np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A set of two training and one test recordings."""
    for name in ("Train/5/00001.bin", "Train/0/00002.bin", "Test/7/00001.bin"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(packed(GOOD))
    return tmp_path / "set"


@pytest.fixture
def tonic_io():
    return pytest.importorskip("tonic.io")


def test_all_real_recordings_are_found_and_valid(data_dir, tonic_io):
    parts = load_nmnist(data_dir)
    assert np.bincount(parts.train.labels).tolist() == TRAIN
    assert np.bincount(parts.test.labels).tolist() == TEST
    assert parts.train.index.tolist() == list(range(1, 1001))
    whole = parts.whole
    assert len(whole) == 1100 and len(set(whole.index.tolist())) == 1100
    counts = [len(recording) for recording in whole]
    assert sum(counts) == 4_518_827 and round(np.mean(counts)) == 4108


def test_a_recording_is_what_tonic_reads(folder, tonic_io):
    parts = load_nmnist(folder)
    assert parts.train.labels.tolist() == [5, 0] and parts.test.labels.tolist() == [7]
    first = parts.train[0]
    assert [tuple(int(event[f]) for f in "xypt") for event in first.events] == GOOD
    assert first.source.endswith(os.path.join("Train", "5", "00001.bin")) and first.duration_us == 69_990
    assert np.array_equal(
        parts.train[-1].events, tonic_io.read_mnist_file(parts.train.source(1), first.events.dtype)
    )
    assert [recording.label for recording in parts.whole] == [5, 0, 7]
    assert [recording.label for recording in parts.whole.take(np.array([2, 0]))] == [7, 5]
    with pytest.raises(IndexError):
        parts.train[2]


def test_the_clock_overflow_mark_is_no_event(folder, tonic_io):
    mark = np.array([0, 240, 0, 0, 0], np.uint8).tobytes()
    (folder / "Train/5/00001.bin").write_bytes(packed(GOOD[:1]) + mark + packed(GOOD[1:]))
    assert load_nmnist(folder).train[0].events["t"].tolist() == [10, 10 + 2**13, 70_000 + 2**13]


BAD = {
    "time falls": (packed([*GOOD, (1, 1, 0, 5)]), r"event 3 of 4: t is 5, earlier than 70000 of the event"),
    "x": (
        packed([(3, 4, 1, 10), (34, 0, 0, 11)]),
        r"event 1 of 2: x is 34, outside the sensor; limit 0\.\.33",
    ),
    "y": (packed([(3, 239, 1, 10)]), r"event 0 of 1: y is 239, outside the sensor; limit 0\.\.33"),
    "first of two": (packed([*GOOD, (3, 99, 1, 5)]), r"event 3 of 4: t is 5"),
    "empty": (b"", r"no events"),
    "cut off": (packed(GOOD)[:-1], r"14 bytes, not a multiple of 5: cut off in event 2\n  remedy: copy"),
    "text": (b"x,y,p,t\n10,3,1,4000\n", r"event 0 of 4: x is 120, outside the sensor; limit 0\.\.33"),
    "overflows": (b"\0\xf0\0\0\0" * 1025, r"event 0: 1025 clock overflows; limit 1024"),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_files_are_refused_with_file_and_first_bad_event(folder, tonic_io, case):
    content, reason = BAD[case]
    (folder / "Train/0/00002.bin").write_bytes(content)
    parts = load_nmnist(folder)
    assert len(parts.train[0]) == 3
    with pytest.raises(DataError, match=r"00002\.bin(:|,) ?" + reason):
        parts.train[1]


def test_links_that_lead_out_are_not_read(folder, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(packed(GOOD))
    (folder / "Train/5/00003.bin").symlink_to(secret)
    with pytest.raises(DataError, match=r"00003\.bin: leads out of the data folder"):
        load_nmnist(folder)
    (folder / "Train/5/00003.bin").unlink()
    parts = load_nmnist(folder)
    (folder / "Train/5/00001.bin").unlink()
    (folder / "Train/5/00001.bin").symlink_to("../../../secret.bin")  # put there later
    with pytest.raises(DataError, match=r"00001\.bin: leads out of the data folder"):
        parts.train[0]
    (tmp_path / "digit").mkdir()
    (folder / "Train/3").symlink_to(tmp_path / "digit", target_is_directory=True)
    with pytest.raises(DataError, match=r"Train.3: leads out of the data folder"):
        load_nmnist(folder)


def test_a_link_inside_and_a_linked_folder_of_the_user_are_read(folder, tmp_path, tonic_io):
    (folder / "Train/5/00003.bin").symlink_to("00001.bin")
    (tmp_path / "mine").symlink_to(folder, target_is_directory=True)
    assert len(load_nmnist(tmp_path / "mine").train[2]) == 3


def test_a_pipe_does_not_hang(folder):
    os.mkfifo(folder / "Train/5/00003.bin")
    with pytest.raises(DataError, match=r"00003\.bin: not a regular file"):
        load_nmnist(folder)


def test_folders_that_hold_no_set(folder, tmp_path):
    with pytest.raises(
        DataError,
        match="no data folder given for 'nmnist'\n  remedy: give .* nmnist/ that holds Train/, Test/; from",
    ):
        load_nmnist(None)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_nmnist(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no Train or Test, looked here and in nmnist/, NMNIST/"):
        load_nmnist(tmp_path)
    (folder / "Train/0/two.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"two\.bin: its name is no number"):
        load_nmnist(folder)
    (folder / "Train/0/two.bin").rename(folder / "Train/0/1.bin")
    with pytest.raises(DataError, match=r"the same number as .*"):
        load_nmnist(folder)
    (folder / "Test/7/00001.bin").unlink()
    (folder / "Train/0/1.bin").unlink()
    with pytest.raises(DataError, match=r"no recordings in Test/0\.\.9"):
        load_nmnist(folder)


def test_without_tonic_the_message_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    monkeypatch.setitem(sys.modules, "tonic.io", None)
    parts = load_nmnist(folder)
    with pytest.raises(
        DataError, match=r"needs the Python package 'tonic'.*\n  remedy: pip install 'chipsim\[data"
    ):
        parts.train[0]


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "1.bin"
    with path.open("wb") as file:
        file.truncate((1 << 24) + 1)
    with pytest.raises(DataError, match="16777217 bytes; limit 16777216"):
        read_bin(path)
