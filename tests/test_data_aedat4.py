"""CIFAR10-DVS and AEDAT4: tonic's reader on files written here in the published layout."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from chipsim.data import binned
from chipsim.data.readers import read_recording
from chipsim.data.sets import cifar10_dvs
from chipsim.data.shelf import check_set
from chipsim.errors import DataError

INFO = (
    '<dv version="2.0"><node name="outInfo" path="/outInfo/"><node name="0" path="/outInfo/0/">'
    '<attr key="compression" type="string">NONE</attr>'
    '<attr key="typeIdentifier" type="string">EVTS</attr>'
    '<node name="info" path="/outInfo/0/info/"><attr key="sizeX" type="int">{}</attr>'
    '<attr key="sizeY" type="int">{}</attr></node></node></node></dv>'
)
GOOD = [(5_000_000, 3, 4, 1), (5_000_900, 127, 0, 0), (5_001_000, 0, 127, 1)]


def write_aedat4(path: Path, events, width: int = 128, height: int = 128) -> None:
    """A file with one stream of (t, x, y, on), not compressed: two flatbuffers laid out by hand."""
    text = INFO.format(width, height).encode()
    header = struct.pack("<I4sHHHHH2x", 20, b"IOHE", 10, 8, 0, 0, 4)
    header += struct.pack("<iII", 12, 4, len(text)) + text + b"\0"
    rows = b"".join(struct.pack("<qhhb3x", *event) for event in events)
    packet = struct.pack("<I4sHHH2xiI4xI", 16, b"EVTS", 6, 8, 4, 8, 8, len(events)) + rows
    packet = struct.pack("<I", len(packet)) + packet
    stream = struct.pack("<II", 0, len(packet)) + packet
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header + stream)


@pytest.fixture
def folder(tmp_path):
    """A recording of every class, two of the last."""
    for name in cifar10_dvs.NAMES:
        write_aedat4(tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_0.aedat4", GOOD)
    write_aedat4(tmp_path / "CIFAR10DVS" / "truck" / "cifar10_truck_1.aedat4", GOOD[:2])
    return tmp_path


@pytest.fixture
def aedat():
    pytest.importorskip("tonic.io")
    return pytest.importorskip("aedat")


def test_classes_come_from_the_folders(folder):
    recordings = cifar10_dvs.load(folder)
    assert recordings.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    assert recordings.source(10).endswith("cifar10_truck_1.aedat4")


def test_events_are_what_was_written(folder, aedat):
    recordings = cifar10_dvs.load(folder)
    assert [tuple(int(event[f]) for f in "txyp") for event in recordings[3].events] == GOOD
    events = binned(recordings.take(np.array([0, 10])), 1, 2, from_first=True)
    assert events.at(0, 0).tolist() == [127 * 2, (4 * 128 + 3) * 2 + 1]
    assert events.per_step().tolist() == [[2, 1], [2, 0]]


def test_check_reads_a_sample_and_tells_what_is_missing(folder, aedat):
    rows = check_set("cifar10_dvs", folder).rows
    assert ("found", "all: 11 of 10000 recordings, 10 classes") in rows
    assert any(
        kind == "read" and text.startswith("all: 11 of 11 recordings, 32 events") for kind, text in rows
    )
    (folder / "CIFAR10DVS/cat").rename(folder / "dog")
    check = check_set("cifar10_dvs", folder / "CIFAR10DVS")
    assert [text for kind, text in check.rows if kind == "missing"] == [
        "cat/  1000 files .aedat4, from cat.zip in CIFAR10DVS.zip"
    ]
    with pytest.raises(DataError, match="no folder cat\n  remedy: give .* holds airplane/"):
        cifar10_dvs.load(folder / "CIFAR10DVS")


BAD = {
    "time falls": (GOOD[::-1], r"event 1 of 3: t is 5000900, earlier than 5001000"),
    "negative time": ([(-5, 1, 1, 1)], r"event 0 of 1: t is 18446744073709551611, no time"),
    "outside": (
        [*GOOD, (5_001_001, 128, 0, 1)],
        r"event 3 of 4: x is 128, outside the sensor; limit 0\.\.127",
    ),
    "negative": ([(1, -1, 0, 1)], r"event 0 of 1: x is 65535, outside the sensor"),
    "empty": ([], r"(no events|no readable AEDAT4 file)"),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_events_are_refused(folder, aedat, case):
    events, reason = BAD[case]
    path = folder / "CIFAR10DVS/cat/cifar10_cat_0.aedat4"
    write_aedat4(path, events)
    with pytest.raises(DataError, match=r"cifar10_cat_0\.aedat4: " + reason):
        cifar10_dvs.load(folder)[3]


@pytest.mark.parametrize("content", [b"", b"#!AER-DAT2.0\r\n" + b"\1" * 80, b"text\n" * 99])
def test_other_content_is_refused(tmp_path, aedat, content):
    (tmp_path / "a.aedat4").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.aedat4: no readable AEDAT4 file: .*\n  remedy: copy"):
        read_recording(tmp_path / "a.aedat4")


def test_no_cut_and_no_flipped_byte_crashes(tmp_path, aedat, capfd):
    path = tmp_path / "a.aedat4"
    write_aedat4(path, GOOD)
    whole, r = path.read_bytes(), np.random.default_rng(1)
    damaged = [whole[:n] for n in range(0, len(whole), 37)]
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[int(r.integers(14, len(whole)))] ^= int(r.integers(1, 256))
        damaged.append(bytes(flipped))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            read_recording(path)
        except DataError:
            refused += 1
    assert refused > len(damaged) // 2
    capfd.readouterr()  # the decoder writes its own account of a panic


def test_a_single_file_states_its_sensor(tmp_path, aedat):
    write_aedat4(tmp_path / "a.aedat4", GOOD, 240, 180)
    recording = read_recording(tmp_path / "a.aedat4")
    assert recording.sensor == (240, 180, 2) and len(recording) == 3


def test_links_out_are_refused(folder, tmp_path):
    (tmp_path / "CIFAR10DVS/cat/cifar10_cat_0.aedat4").rename(tmp_path / "out.aedat4")
    (tmp_path / "CIFAR10DVS/cat/cifar10_cat_0.aedat4").symlink_to(tmp_path / "out.aedat4")
    with pytest.raises(DataError, match="leads out of the data folder"):
        cifar10_dvs.load(tmp_path / "CIFAR10DVS")


def test_without_the_package_the_message_names_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(DataError, match=r"needs the Python package 'aedat'"):
        cifar10_dvs.load(folder)[0]
