"""DVS-Gesture: tonic's loader on files written here in its layout, and ten real recordings."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from chipsim.data import binned
from chipsim.data.sets import dvs128_gesture_10, dvs_gesture
from chipsim.data.shelf import check_set
from chipsim.errors import DataError

GOOD = [(3, 4, 1, 0), (127, 0, 0, 7), (0, 127, 1, 7)]  # x, y, p, t in milliseconds
FILES = {
    "ibmGestureTrain/user02_led/10.npy": 10,
    "ibmGestureTrain/user01_fluorescent_led/9.npy": 9,
    "ibmGestureTrain/user01_fluorescent_led/10.npy": 10,
    "ibmGestureTrain/user01_fluorescent/0.npy": 0,
    "ibmGestureTest/user24_lab/3.npy": 3,
}


def save(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(table), allow_pickle=False)


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(FILES):
        save(tmp_path / "DVSGesture" / name, np.array(GOOD[: 1 + k % 3], np.float64))
    return tmp_path


@pytest.fixture
def tonic():
    return pytest.importorskip("tonic.datasets")


def test_parts_users_and_classes(folder):
    parts = dvs_gesture.load(folder)
    assert parts.train.labels.tolist() == [0, 9, 10, 10] and parts.test.labels.tolist() == [3]
    assert parts.train.groups["user"].tolist() == [1, 1, 1, 2] and parts.test.groups["user"].tolist() == [24]
    assert len(set(parts.whole.index.tolist())) == 5


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint32, np.float32])
def test_events_are_tonics_in_microseconds(folder, tonic, dtype):
    save(folder / "DVSGesture/ibmGestureTrain/user01_fluorescent/0.npy", np.array(GOOD, dtype))
    parts = dvs_gesture.load(folder)
    assert [tuple(int(event[f]) for f in "xypt") for event in parts.train[0].events] == [
        (x, y, p, 1000 * t) for x, y, p, t in GOOD
    ]
    assert [len(one) for one in parts.whole] == [3, 2, 3, 1, 2]
    assert binned(parts.train.take(np.array([0])), 7, 2).per_step().tolist() == [[1, 2]]


BAD = {
    "field order": (
        [(0, 3, 4, 1), (900, 127, 0, 0)],
        r"event 0 of 2: p is 4, no polarity.*\n  remedy: columns are x, y",
    ),
    "time falls": (GOOD[::-1], r"event 2 of 3: t is 0, earlier than 7"),
    "negative time": ([(1, 1, 1, -2)], r"event 0 of 1: t is -2, no time"),
    "outside": ([*GOOD, (0, 128, 1, 9)], r"event 3 of 4: y is 128, outside the sensor; limit 0\.\.127"),
    "polarity tonic would hide": ([*GOOD, (0, 1, 2, 9)], r"event 3 of 4: p is 2, no polarity; limit 0\.\.1"),
    "x tonic would wrap": ([(65539, 1, 1, 9)], r"event 0 of 1: x is 65539, outside the sensor"),
    "empty": (np.zeros((0, 4)), r"no events"),
    "fraction": ([(0.5, 1, 1, 9)], r"event 0 of 1: x is 0\.5, no integer"),
    "nan": ([(1, 1, 1, np.nan)], r"event 0 of 1: t is nan, no integer"),
    "three columns": (np.zeros((2, 3)), r"an array \(2, 3\), not \[n, 4\] with columns x, y, p, t"),
    "one axis": (np.zeros(4), r"an array \(4,\), not \[n, 4\]"),
    "text": (np.full((2, 4), "a"), r"an array of <U1, not of numbers"),
    "narrow": (np.array([(1, 1, 1, 100)], np.int16), r"its number type is too narrow for microseconds"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_events_are_refused(folder, tonic, case):
    table, reason = BAD[case]
    save(folder / "DVSGesture/ibmGestureTrain/user01_fluorescent/0.npy", table)
    parts = dvs_gesture.load(folder)
    assert len(parts.train[1]) == 2
    with pytest.raises(DataError, match=r"0\.npy: " + reason):
        parts.train[0]


def object_array(path):
    """A .npy file whose header announces objects; what follows would be unpickled."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 4), }"
    header += b" " * (117 - len(header)) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"cos\nsystem\n" * 9)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"1,2,3,4\n" * 9, b"\x80\x04K\x01.", None])
def test_objects_text_and_cut_off_files_are_refused(folder, tonic, content):
    path = folder / "DVSGesture/ibmGestureTrain/user01_fluorescent/0.npy"
    object_array(path) if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r"0\.npy: no readable \.npy file of numbers: "):
        dvs_gesture.load(folder).train[0]
    save(path, np.zeros((9, 4)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"0\.npy: no readable \.npy file of numbers: "):
        dvs_gesture.load(folder).train[0]


def test_names_links_and_missing_parts(folder, tmp_path):
    home = folder / "DVSGesture"
    (tmp_path / "out.npy").write_bytes(b"")
    link = home / "ibmGestureTrain/user02_led/1.npy"
    link.symlink_to(tmp_path / "out.npy")
    with pytest.raises(DataError, match=r"1\.npy: leads out of the data folder"):
        dvs_gesture.load(home)
    link.unlink()
    save(home / "ibmGestureTrain/user02_led/11.npy", GOOD)
    with pytest.raises(DataError, match=r"11\.npy: its name is no class"):
        dvs_gesture.load(home)
    (home / "ibmGestureTrain/user02_led/11.npy").unlink()
    (home / "ibmGestureTrain/others").mkdir()
    with pytest.raises(DataError, match=r"others: no folder of a user"):
        dvs_gesture.load(home)
    (home / "ibmGestureTrain/others").rmdir()
    (home / "ibmGestureTest").rename(tmp_path / "ibmGestureTest")
    with pytest.raises(
        DataError, match=r"ibmGestureTest: no such folder\n  remedy: give .* holds ibmGestureTrain/"
    ):
        dvs_gesture.load(home)


def test_ten_real_recordings(data_dir):
    recordings = dvs128_gesture_10.load(data_dir)
    counts = [len(one) for one in recordings]
    assert (len(counts), min(counts), max(counts), sum(counts)) == (10, 63_471, 181_179, 1_206_710)
    assert recordings.labels.tolist() == list(range(10)) and recordings.sensor == (128, 128, 2)
    assert 1_400_000 < max(one.duration_us for one in recordings) <= 1_450_000
    events = binned(recordings.take(np.array([0])), 10, 145, downsample=4)
    assert events.n_axons == 32 * 32 * 2 and events.per_step().min() > 0
    assert check_set("dvs128_gesture_10", data_dir).faults == 0


COLUMNS = {"x": [1, 2], "y": [3, 4], "p": [0, 1], "t": [5, 6], "offset": [0, 1, 2], "label": [0, 1]}
NPZ = {
    "objects": ({"x": "objects"}, r"no readable \.npz file of numbers: it holds objects"),
    "missing": ({"x": None}, r"holds no array .*x"),
    "lengths": ({"x": [1]}, r"1 entries of x, but 2 of t"),
    "labels": ({"label": [1]}, r"1 labels for 2 recordings"),
    "float": ({"t": [0.5, 1.0]}, r"t has dtype float64, not integers"),
    "wide": ({"x": [1, 70_000]}, r"x\[1\] is 70000; limit 0\.\.32767"),
}


@pytest.mark.parametrize("case", NPZ)
def test_damaged_archives_are_refused(tmp_path, case):
    change, reason = NPZ[case]
    path = tmp_path / "dvs128_gesture_10.npz"
    arrays = {name: np.array(values) for name, values in {**COLUMNS, **change}.items() if values is not None}
    if change.get("x") == "objects":
        object_array(tmp_path / "x.npy")
        np.savez(path, **{name: values for name, values in arrays.items() if name != "x"})
        with zipfile.ZipFile(path, "a") as archive:
            archive.write(tmp_path / "x.npy", "x.npy")
    else:
        np.savez(path, **arrays)
    with pytest.raises(DataError, match=reason):
        dvs128_gesture_10.load(tmp_path)


def test_damaged_deflate_is_refused(tmp_path):
    """zlib has an error of its own, which is neither an OSError nor a ValueError."""
    path = tmp_path / "dvs128_gesture_10.npz"
    np.savez_compressed(path, **{name: np.array(values) for name, values in COLUMNS.items()})
    with zipfile.ZipFile(path) as archive:
        first = min(archive.infolist(), key=lambda info: info.header_offset)
    damaged = bytearray(path.read_bytes())
    data = first.header_offset + 30 + len(first.filename) + int.from_bytes(damaged[28:30], "little")
    damaged[data] = 0xFF  # a block type that does not exist
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"no readable \.npz file of numbers"):
        dvs128_gesture_10.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 99, b"text" * 99])
def test_no_archive(tmp_path, content):
    (tmp_path / "dvs128_gesture_10.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"no readable \.npz file of numbers"):
        dvs128_gesture_10.load(tmp_path)
