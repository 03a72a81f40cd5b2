"""Built-in sets, Images and MNIST-format files: what is read, and what is refused."""

import gzip
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from chipsim.data import builtin, idx
from chipsim.data.images import Images
from chipsim.errors import DataError


def idx_bytes(array):
    return struct.pack(f">2xBB{array.ndim}I", 8, array.ndim, *array.shape) + array.tobytes()


def write_set(folder, mark="-", end="", n=6):
    for part, first in (("train", 1), ("t10k", 7)):
        labels = np.arange(n, dtype=np.uint8) % 3
        pixels = np.arange(first, first + n * 20, dtype=np.uint8).reshape(n, 4, 5)
        for what, array in (("images", pixels), ("labels", labels)):
            data = idx_bytes(array)
            path = folder / f"{part}-{what}{mark}idx{array.ndim}-ubyte{end}"
            path.write_bytes(gzip.compress(data) if end else data)


def test_digits_are_the_1797_of_scikit_learn():
    digits = builtin.digits()
    assert (len(digits), digits.n_pixels, digits.shape, digits.max_level) == (1797, 64, (8, 8), 16)
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.pixels.max() == 16


def test_drawn_set_is_reproducible_and_separable():
    a, b = builtin.drawn(90), builtin.drawn(90)
    assert a.sha256 == b.sha256 != builtin.drawn(90, seed=1).sha256
    means = np.stack([a.pixels[a.labels == c].mean(axis=0) for c in range(3)])
    distance = ((a.pixels[:, None].astype(float) - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == a.labels).mean() > 0.95


def test_images_refuse_what_does_not_fit():
    good = dict(
        name="x", pixels=np.zeros((2, 6), np.uint8), labels=[0, 1], shape=(2, 3), max_level=5, classes=2
    )
    Images(**good)
    bright = good["pixels"].copy()
    bright[1, 4] = 6
    for change, message in (
        (dict(pixels=bright), r"^x: pixel 4 of image 1 is 6; limit 5$"),
        (dict(pixels=np.zeros((2, 6))), r"^x: pixels are float64\[2, 6\], not uint8\[n, 2\*3\]$"),
        (dict(shape=(2, 2)), r"^x: pixels are uint8\[2, 6\], not uint8\[n, 2\*2\]$"),
        (dict(labels=[0, 2]), r"^x: labels\[1\] is 2; limit 0\.\.1$"),
        (dict(labels=[0]), r"^x: 1 labels for 2 images$"),
        (dict(max_level=256), r"^x: max_level is 256; limit 1\.\.255$"),
        (dict(index=[1]), r"^x: 1 index numbers for 2 images$"),
    ):
        with pytest.raises(DataError) as refused:
            Images(**{**good, **change})
        assert re.search(message, refused.value.text().splitlines()[0])


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_both_spellings_plain_and_packed(tmp_path, mark, end):
    write_set(tmp_path, mark, end)
    train, test = idx.load_idx_folder(tmp_path)
    assert (len(train), len(test), train.shape, train.classes) == (6, 6, (4, 5), 3)
    assert train.pixels[1].tolist() == list(range(21, 41)) and test.pixels[0].tolist() == list(range(7, 27))
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert not set(train.index) & set(test.index)


def test_a_subfolder_named_mnist_is_found(tmp_path):
    (tmp_path / "mnist").mkdir()
    write_set(tmp_path / "mnist")
    assert len(idx.load_idx_folder(tmp_path)[0]) == 6


@pytest.mark.parametrize("packed", [False, True])
def test_truncated_and_oversized_files(tmp_path, packed):
    data = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    pack = gzip.compress if packed else bytes
    path = tmp_path / "a-file"
    path.write_bytes(pack(data))
    assert idx.read_idx(path).shape == (2, 3, 4)
    path.write_bytes(pack(data[:-5]))
    with pytest.raises(
        DataError, match=r"a-file: truncated: expected 24 bytes of data \(2, 3, 4\), got 19\n  rem"
    ):
        idx.read_idx(path)
    path.write_bytes(pack(data + b"x"))
    with pytest.raises(
        DataError, match=r"a-file: holds more than the 24 bytes its header \(2, 3, 4\) promises\n"
    ):
        idx.read_idx(path)
    path.write_bytes(pack(data[:9]))
    with pytest.raises(DataError, match=r"truncated: expected 16 bytes of header, got 9"):
        idx.read_idx(path)


def test_damaged_gzip_files(tmp_path):
    whole = gzip.compress(idx_bytes(np.random.default_rng(1).integers(0, 256, (50, 9, 9), dtype=np.uint8)))
    path = tmp_path / "x.gz"
    flipped = bytearray(whole)
    flipped[-6] ^= 0xFF  # the checksum
    for bad in (whole[:-20], whole[:5], bytes(flipped), whole[:10] + b"\xff" + whole[11:]):
        path.write_bytes(bad)
        with pytest.raises(
            DataError, match=rf"x\.gz: damaged gzip file of {len(bad)} bytes: .*\n  remedy: copy"
        ):
            idx.read_idx(path)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"", r"begins with bytes \(none\), not with 00 00 08: no IDX file"),
        (b"\x89PNG", r"begins with bytes 89 50 4e 47, not"),
        (struct.pack(">2xBBI", 13, 1, 4), r"IDX type 0x0d; only unsigned bytes \(0x08\) are read"),
        (struct.pack(">2xBB", 8, 0), r"0 axes; limit 1\.\.4"),
        (struct.pack(">2xBBI", 8, 1, 0), r"the header \(0,\) promises no data"),
        (struct.pack(">2xBB3I", 8, 3, 2**32 - 1, 2**32 - 1, 9), r"promises \d+ bytes; limit 1073741824"),
    ],
)
def test_headers_are_not_trusted(tmp_path, head, message):
    path = tmp_path / "bad"
    path.write_bytes(head)
    with pytest.raises(DataError, match=message):
        idx.read_idx(path)


def test_missing_files_are_named_with_what_is_looked_for(tmp_path):
    with pytest.raises(
        DataError, match=r"^no data folder given for 'mnist'\n  remedy: name with --data DIR a folder"
    ):
        idx.load_idx_folder(None)
    with pytest.raises(DataError, match=r"nowhere: no such folder\n"):
        idx.load_idx_folder(tmp_path / "nowhere")
    with pytest.raises(
        DataError, match=r"looked for train-images-idx3-ubyte, train-images-idx3-ubyte.gz, train-im"
    ):
        idx.load_idx_folder(tmp_path)
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        DataError, match=r"no t10k labels\n  remedy: put there one of t10k-labels-idx1-ubyte, "
    ):
        idx.load_idx_folder(tmp_path)
    with pytest.raises(DataError, match=r"not a regular file"):
        idx.read_idx(tmp_path)


def test_images_and_labels_must_agree(tmp_path):
    write_set(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match=r"6 t10k images but 5 labels"):
        idx.load_idx_folder(tmp_path)
    path.write_bytes(idx_bytes(np.array([0, 1, 2, 3, 0, 1], np.uint8)))
    with pytest.raises(DataError, match=r"label 3 \(entry 3\); training labels are 0\.\.2"):
        idx.load_idx_folder(tmp_path)
    path.write_bytes(idx_bytes(np.zeros((6, 1), np.uint8)))
    with pytest.raises(DataError, match=r"2 axes \(6, 1\); labels have 1"):
        idx.load_idx_folder(tmp_path)


@pytest.mark.skipif("CHIPSIM_DATA" not in os.environ, reason="needs MNIST in $CHIPSIM_DATA/mnist")
def test_mnist_itself():
    train, test = idx.load_idx_folder(Path(os.environ["CHIPSIM_DATA"]))
    assert (len(train), len(test), train.shape, train.classes) == (60000, 10000, (28, 28), 10)
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(train.pixels.mean()) / 255, 4) == 0.1307
