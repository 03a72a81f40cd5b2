"""SHD and SSC: tonic's loaders on files written here in the published HDF5 layout, sound and damaged."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim import hdf5
from chipsim.data import binned
from chipsim.data.sets import shd, ssc
from chipsim.data.shelf import check_set
from chipsim.errors import DataError

h5py = pytest.importorskip("h5py")
TIMES = [[0.0, 0.5, 0.5], [0.25], [0.125, 1.0]]
UNITS = [[699, 0, 3], [7], [1, 2]]


def rows(lists, dtype):
    """An array of lists, as h5py takes rows of different lengths."""
    ragged = np.empty(len(lists), object)
    ragged[:] = [np.array(row, dtype) for row in lists]
    return ragged


def write(path, times=TIMES, units=UNITS, labels=(3, 0, 19), speakers=(0, 4, 11), other=None):
    """One file in the layout; `other` replaces whole data sets."""
    columns = {
        "spikes/times": (rows(times, np.float16), h5py.vlen_dtype(np.float16)),
        "spikes/units": (rows(units, np.uint16), h5py.vlen_dtype(np.uint16)),
        "labels": (np.array(labels, np.uint16), None),
        "extra/speaker": (np.array(speakers, np.uint16), None),
        "extra/keys": (np.array([b"null", b"eins"]), None),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, (values, dtype) in {**columns, **(other or {})}.items():
            if values is not None:
                file.create_dataset(name, data=values, dtype=dtype)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "data/shd/shd_train.h5")
    write(tmp_path / "data/shd/shd_test.h5", TIMES[:1], UNITS[:1], (1,), (5,))
    return tmp_path / "data"


@pytest.fixture
def tonic():
    return pytest.importorskip("tonic.datasets")


def test_shd_through_tonic(folder, tonic):
    parts = shd.load(folder)
    assert parts.train.labels.tolist() == [3, 0, 19] and parts.test.labels.tolist() == [1]
    assert parts.train.groups["speaker"].tolist() == [0, 4, 11]
    first = parts.train[0]
    assert first.events["t"].tolist() == [0, 500_000, 500_000]
    assert first.events["x"].tolist() == [699, 0, 3] and first.source.endswith("shd_train.h5, recording 0")
    whole = parts.whole
    assert [len(one) for one in whole] == [3, 1, 2, 3]
    assert whole.groups["speaker"].tolist() == [0, 4, 11, 5] and len(set(whole.index.tolist())) == 4
    events = binned(whole, 250, 4)
    assert events.n_axons == 700 and events.at(0, 2).tolist() == [0, 3]
    assert events.per_sample().tolist() == [3, 1, 1, 3]  # the event at 1.0 s is late


def test_ssc_has_three_parts(tmp_path, tonic):
    for k, split in enumerate(("train", "valid", "test")):
        write(tmp_path / f"ssc_{split}.h5", TIMES[: k + 1], UNITS[: k + 1], range(k + 1), range(k + 1))
    parts = ssc.load(tmp_path)
    assert {name: len(part) for name, part in parts.named.items()} == {"train": 1, "validation": 2, "test": 3}
    assert [one.label for one in parts.whole] == [0, 0, 1, 0, 1, 2]
    assert ("found", "validation: 2 of 9981 recordings, 35 classes") in check_set("ssc", tmp_path).rows


def test_nothing_is_downloaded(folder, tonic, monkeypatch):
    import socket
    import urllib.request

    def refuse(*arguments, **options):
        raise AssertionError("a way to the network was taken")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    parts = shd.load(folder)
    assert len(parts.train[1]) == 1
    (folder / "shd/shd_train.h5").unlink()
    with pytest.raises(DataError, match=r"shd_train\.h5: no such file"):
        parts.train[1]
    with pytest.raises(DataError, match=r"shd_train\.h5: no such file"):
        shd.load(folder)


EVENTS = {
    "time falls": (
        dict(times=[[0.5, 0.25], *TIMES[1:]], units=[[1, 2], *UNITS[1:]]),
        r"event 1 of 2: t is 250000, ea",
    ),
    "negative time": (
        dict(times=[[-0.5, 0.25], *TIMES[1:]], units=[[1, 2], *UNITS[1:]]),
        r"event 0 of 2: t is -50",
    ),
    "no number": (dict(times=[[0, np.nan, 1], *TIMES[1:]]), r"event 1 of 3: its time is no number"),
    "infinite": (dict(times=[[0, 0.5, np.inf], *TIMES[1:]]), r"event 2 of 3: its time is no number"),
    "unit": (
        dict(units=[[699, 700, 3], *UNITS[1:]]),
        r"event 1 of 3: x is 700, outside the sensor; limit 0\.\.699",
    ),
    "empty": (dict(times=[[], *TIMES[1:]], units=[[], *UNITS[1:]]), r"no events"),
    "lengths": (
        dict(times=[[0.5], *TIMES[1:]], units=[[1, 2, 3], *UNITS[1:]]),
        r"no readable HDF5 file, .*broadcast",
    ),
}


@pytest.mark.parametrize("case", EVENTS)
def test_bad_events_are_refused_with_recording_and_index(folder, tonic, case):
    change, reason = EVENTS[case]
    write(folder / "shd/shd_train.h5", **change)
    parts = shd.load(folder)
    assert len(parts.train[1]) == 1
    with pytest.raises(DataError, match=r"shd_train\.h5, recording 0: " + reason):
        parts.train[0]


REAL, WHOLE = h5py.vlen_dtype(np.float16), h5py.vlen_dtype(np.uint16)
LAYOUT = {
    "fields swapped": (
        {"spikes/times": (rows(UNITS, np.uint16), WHOLE), "spikes/units": (rows(TIMES, np.float16), REAL)},
        r"spikes/times: holds uint16, not real numbers: wrong field order\?",
    ),
    "not ragged": ({"spikes/times": (np.zeros(3), None)}, r"spikes/times: its rows are single numbers"),
    "a table": ({"labels": (np.zeros((3, 2), int), None)}, r"labels: has shape \(3, 2\), not one axis"),
    "missing": ({"spikes/units": (None, None)}, r"spikes/units: missing in the file"),
    "no group": (
        {"spikes/times": (None, None), "spikes/units": (None, None), "spikes": (np.zeros(3), None)},
        r"spikes/times: missing in the file",
    ),
    "objects": (
        {"labels": (np.array(["a", "b", "c"], object), h5py.string_dtype())},
        r"labels: its rows are lists",
    ),
    "label": ({"labels": (np.array([3, 20, 1]), None)}, r"label 20 of recording 1; limit 0\.\.19"),
    "count": ({"labels": (np.array([3, 1]), None)}, r"3 rows of spikes/times, but 2 of labels"),
    "real labels": ({"labels": (np.array([3.0, 1, 1]), None)}, r"labels: holds float64, not integers"),
    "none": (
        {
            "labels": (np.zeros(0, int), None),
            "extra/speaker": (np.zeros(0, int), None),
            "spikes/times": (rows([], np.float16), REAL),
            "spikes/units": (rows([], np.uint16), WHOLE),
        },
        r"no recordings",
    ),
}


@pytest.mark.parametrize("case", LAYOUT)
def test_another_layout_is_refused(folder, case):
    change, reason = LAYOUT[case]
    write(folder / "shd/shd_train.h5", other=change)
    with pytest.raises(DataError, match=r"shd_train\.h5: " + reason):
        shd.load(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, 1000, -1])
def test_cut_off_files_are_refused(folder, keep):
    path = folder / "shd/shd_train.h5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        DataError, match=r"shd_train\.h5: no readable HDF5 file, cut off or damaged: .*\n  remedy"
    ):
        shd.load(folder)


@pytest.mark.slow
def test_no_flipped_byte_crashes_or_hangs(folder, tonic, monkeypatch):
    monkeypatch.setattr(hdf5, "_SECONDS", 5)
    path = folder / "shd/shd_train.h5"
    whole, r = path.read_bytes(), np.random.default_rng(3)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(20):
        damaged = bytearray(whole)
        for place in r.integers(0, len(whole), 6):
            damaged[int(place)] ^= int(r.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for recording in shd.load(folder).train:
                assert recording.events["t"].min() >= 0 and recording.events["x"].max() < 700
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize("end", ["os.abort()", "time.sleep(60)", "sys.exit(1)"])
def test_a_crash_of_the_library_is_a_refusal(folder, tmp_path, monkeypatch, end):
    """In place of a file that crashes this version of HDF5: an h5py that ends the child process."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/h5py.py").write_text(f"import os, sys, time\n{end}\n")
    monkeypatch.syspath_prepend(tmp_path / "fake")
    monkeypatch.setattr(hdf5, "_SECONDS", 3)
    reason = "not read after 3 s" if "sleep" in end else "the process that read it ended with"
    with pytest.raises(
        DataError, match=r"shd_train\.h5: no readable HDF5 file, cut off or damaged: " + reason
    ):
        shd.load(folder)


def elsewhere(folder, tmp_path):
    """A sound file outside the data folder."""
    write(tmp_path / "secret.h5")
    return tmp_path / "secret.h5", folder / "shd/shd_train.h5"


def test_external_and_soft_links_are_refused(folder, tmp_path):
    secret, path = elsewhere(folder, tmp_path)
    for link, name in (
        (h5py.ExternalLink(str(secret), "labels"), "ExternalLink"),
        (h5py.SoftLink("/spikes/units"), "SoftLink"),
    ):
        write(path, other={"labels": (None, None)})
        with h5py.File(path, "a") as file:
            file["labels"] = link
        with pytest.raises(DataError, match=rf"labels: is a {name} to elsewhere"):
            shd.load(folder)
    with h5py.File(path, "w") as file:
        file["spikes"] = h5py.ExternalLink(str(secret), "spikes")
        file["extra"] = h5py.ExternalLink(str(secret), "extra")
        file["labels"] = np.array([3, 0, 19])
    with pytest.raises(DataError, match=r"spikes/times: is a ExternalLink to elsewhere"):
        shd.load(folder)


def test_virtual_data_sets_and_external_storage_are_refused(folder, tmp_path):
    secret, path = elsewhere(folder, tmp_path)
    write(path, other={"labels": (None, None)})
    layout = h5py.VirtualLayout((3,), np.uint16)
    layout[:] = h5py.VirtualSource(str(secret), "labels", (3,))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("labels", layout)
    with pytest.raises(DataError, match=r"labels: is a virtual data set"):
        shd.load(folder)
    raw = tmp_path / "raw"
    raw.write_bytes(np.array([3, 0, 19], np.uint16).tobytes())
    write(path, other={"labels": (None, None)})
    with h5py.File(path, "a") as file:
        file.create_dataset("labels", (3,), np.uint16, external=[(str(raw), 0, 6)])
    with pytest.raises(DataError, match=r"labels: is stored outside the file, in '.*raw'"):
        shd.load(folder)


def test_the_keys_that_only_tonic_reads_are_looked_at_too(folder, tmp_path):
    secret, path = elsewhere(folder, tmp_path)
    write(path, other={"extra/keys": (None, None)})
    with h5py.File(path, "a") as file:
        file["extra/keys"] = h5py.ExternalLink(str(secret), "extra/keys")
    with pytest.raises(DataError, match=r"extra/keys: is a ExternalLink"):
        shd.load(folder)


def test_promised_terabytes_are_refused(folder):
    path = folder / "shd/shd_train.h5"
    write(path, other={"labels": (None, None)})
    with h5py.File(path, "a") as file:
        file.create_dataset("labels", (1 << 40,), np.uint16, chunks=(1024,))
    with pytest.raises(DataError, match=r"labels: promises 1099511627776 rows; limit 10000000"):
        shd.load(folder)


def test_a_link_to_the_whole_file_is_refused(folder, tmp_path):
    secret, path = elsewhere(folder, tmp_path)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(DataError, match=r"shd_train\.h5: leads out of the data folder"):
        shd.load(folder)


def test_check_names_what_is_missing(folder, tonic):
    (folder / "shd/shd_test.h5").unlink()
    check = check_set("shd", folder)
    assert check.faults == 1
    told = dict(check.rows)
    assert told["missing"] == "shd_test.h5  HDF5, from shd_test.h5.zip, md5 1503a5064faa34311c398fb0a1ed0a6f"
    assert told["goes to"] == str(folder / "shd") and "zenkelab" in told["get it"]
