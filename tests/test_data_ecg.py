"""ECG with a class at every step: what is read, and what is refused."""

import numpy as np
import pytest
from scipy.io import savemat

from chipsim.data import ecg
from chipsim.errors import DataError


def arrays(samples=3, steps=5):
    x = np.zeros((samples, steps, 4), np.int16)
    x[0, 1, 2], x[1, 4, 0] = 1, -1
    y = np.zeros((samples, steps, 6), np.uint8)
    y[:, 1:, 4] = 1
    return x, y


def write(folder, x, y, names=("train", "test"), **more):
    for part in names:
        savemat(folder / f"QTDB_{part}.mat", {"x": x, "y": y, **more}, do_compression=True)


def test_a_change_is_an_event_of_its_polarity(tmp_path):
    write(tmp_path, *arrays())
    train = ecg.load_ecg(tmp_path).train
    assert (train.events.n_axons, train.events.n_steps, len(train), train.classes) == (8, 5, 3, 6)
    assert np.argwhere(train.events.to_dense()).tolist() == [[0, 1, 4], [1, 4, 1]]
    assert train.labels.dtype == np.int32 and train.labels.tolist() == [[-1, 4, 4, 4, 4]] * 3
    assert train.take(np.array([1])).events.axon.tolist() == [1]


def test_validation_is_the_end_of_the_training_file(tmp_path):
    write(tmp_path, *arrays())
    parts = ecg.load_ecg(tmp_path).hold_out(validation=1)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [2, 1, 3]
    assert parts["train"].events.n_events == 2 and parts["validation"].events.n_events == 0
    with pytest.raises(DataError, match=r"validation part of 3 sequences from 3; limit 1\.\.2"):
        ecg.load_ecg(tmp_path).hold_out(validation=3)


def test_what_is_refused(tmp_path):
    x, y = arrays()
    with pytest.raises(DataError, match=r"no data folder given for 'ecg_qtdb'"):
        ecg.load_ecg(None)
    write(tmp_path, x, y, names=("train",))
    with pytest.raises(DataError, match=r"QTDB_test\.mat: no such file\n  remedy: name with --data DIR"):
        ecg.load_ecg(tmp_path)
    two = y.copy()
    two[2, 3, 0] = 1
    big = x.copy()
    big[2, 0, 3] = 7
    objects = np.empty((3, 5, 4), object)
    objects[:] = "text"
    for bad, message in (
        ((big, y), r"QTDB_train\.mat: x\[2, 0, 3\] is 7; limit -1\.\.1, whole"),
        ((np.where(big == 7, np.nan, x), y), r"x\[2, 0, 3\] is nan"),
        ((x, two), r"sample 2, step 3 has 2 classes"),
        ((x, y[:, :, :5]), r"y needs 6 classes"),
        ((x[:2], y), r"x has shape \(2, 5, 4\), y \(3, 5, 6\)"),
        ((x[0], y), r"'x' has shape \(5, 4\); 3 axes"),
        ((objects, y), r"'x' is of MATLAB class cell; only numbers are read"),
    ):
        write(tmp_path, *bad)
        with pytest.raises(DataError, match=message):
            ecg.load_ecg(tmp_path)


def test_damaged_files_are_refused(tmp_path):
    write(tmp_path, *arrays())
    path = tmp_path / "QTDB_train.mat"
    whole = path.read_bytes()
    for damage in (b"", b"no matlab", whole[:200], whole[:-20], whole[:150] + b"\xff" * 8 + whole[158:]):
        path.write_bytes(damage)
        with pytest.raises(DataError, match=r"QTDB_train\.mat: "):
            ecg.load_ecg(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    write(tmp_path, *arrays())
    home = tmp_path / "home"
    home.mkdir()
    for entry in ecg.EXPECTED:
        (home / entry.file).symlink_to(tmp_path / entry.file)
    with pytest.raises(DataError, match=r"QTDB_train\.mat: is a link out of the data folder"):
        ecg.load_ecg(home)


def test_the_published_files(data_dir):
    data = ecg.load_ecg(data_dir)
    assert data.files == {entry.file: entry.sha256 for entry in ecg.EXPECTED}
    assert (len(data.train), len(data.test), data.train.events.n_steps) == (618, 141, 1301)
    share = np.bincount(data.train.labels.ravel() + 1, minlength=7) / data.train.labels.size
    assert share.round(3).tolist() == [0.082, 0.125, 0.062, 0.058, 0.044, 0.302, 0.327]
    assert data.train.events.n_events == 249390
