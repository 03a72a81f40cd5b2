"""Spike trains written as SHD files, read back by tonic's own SHD loader."""

import zipfile

import numpy as np
import pytest

from chipsim.data import shd_file
from chipsim.data.spikes import Spikes
from chipsim.errors import DataError

h5py = pytest.importorskip("h5py")
SPIKES = Spikes.joined([([0, 3, 3, 799], [1, 0, 699, 5], 800), ([], [], 10), ([7], [2], 20)], 700, 1.0)
KEYS = ("zero", "one")


def test_layout(tmp_path):
    path = tmp_path / "shd_train.h5"
    path.write_text("an older file")
    shd_file.write_shd(path, SPIKES, [1, 0, 1], [4, 4, 2], KEYS)
    with h5py.File(path) as file:
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float32
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == np.uint16
        assert file["spikes/units"][0].tolist() == [1, 0, 699, 5] and len(file["spikes/units"][1]) == 0
        assert file["labels"][:].tolist() == [1, 0, 1] and file["extra/speaker"][:].tolist() == [4, 4, 2]
        assert file["extra/keys"][:].tolist() == [b"zero", b"one"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["shd_train.h5"]


def test_tonic_reads_it_back(tmp_path, monkeypatch):
    tonic = pytest.importorskip("tonic")

    def refuse(self):
        raise AssertionError("tonic wanted to download")

    monkeypatch.setattr(tonic.datasets.SHD, "download", refuse)
    home = tmp_path / "SHD"  # where tonic looks, for the archive it would download as well
    home.mkdir()
    for part, indices in (("train", np.array([2, 0])), ("test", np.array([1]))):
        path = home / f"shd_{part}.h5"
        shd_file.write_shd(path, SPIKES, [1, 0, 1], [4, 4, 2], KEYS, indices)
        with zipfile.ZipFile(f"{path}.zip", "w") as archive:
            archive.write(path, path.name)
    train = tonic.datasets.SHD(str(tmp_path), train=True)
    test = tonic.datasets.SHD(str(tmp_path), train=False)
    assert (len(train), len(test)) == (2, 1)
    assert train.speaker.tolist() == [2, 4] and train.classes.tolist() == [b"zero", b"one"]
    events, label = train[1]
    assert label == 1 and events["x"].tolist() == [1, 0, 699, 5] and set(events["p"]) == {1}
    assert np.rint(events["t"] / 1000).tolist() == [0, 3, 3, 799]
    assert len(test[0][0]) == 0 and test[0][1] == 0


def test_what_is_refused(tmp_path):
    path = tmp_path / "shd_train.h5"
    for labels, speaker, indices, message in (
        ([1, 0], [0, 0, 0], None, r"2 entries of labels for 3 recordings"),
        ([1, 0, 2], [0, 0, 0], None, r"labels\[2\] is 2; limit 0\.\.1"),
        ([1, 0, 1], [0, -1, 0], None, r"speaker\[1\] is -1"),
        ([1, 0, 1], [0, 0, 0], [3], r"indices\[0\] is 3; limit 0\.\.2"),
    ):
        with pytest.raises(DataError, match=message):
            shd_file.write_shd(path, SPIKES, labels, speaker, KEYS, indices)
    wide = Spikes.joined([([0], [70_000], 1)], 70_001, 1.0)
    with pytest.raises(DataError, match="70001 channels; limit 65536"):
        shd_file.write_shd(path, wide, [0], [0], KEYS)
    with pytest.raises(DataError, match=r"shd_train\.h5: cannot be written"):
        shd_file.write_shd(tmp_path / "away" / "shd_train.h5", SPIKES, [1, 0, 1], [0, 0, 0], KEYS)
    assert list(tmp_path.iterdir()) == []
