"""MNIST-format files: the IDX format, plain or gzip, read without trusting a byte of it.

An IDX file is two zero bytes, a type byte (8: unsigned byte), the number of axes, each axis as a
big-endian uint32, then the data. The header is checked against the size cap before any memory is
taken for the data, and data beyond the header's promise is refused as well as a missing rest.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from chipsim.data.images import Images
from chipsim.errors import DataError

MAX_BYTES = 1 << 30  # of one unpacked file; MNIST's largest has 47 MB
_BLOCK = 1 << 20
_TEST_FIRST = 1 << 24  # image numbers of a test file begin here, apart from the training file's


def read_idx(path: str | Path, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The uint8 array of an IDX file, plain or gzip (told by its content).

    Raises DataError naming the file, the expected and the found bytes, and the remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file" if not path.exists() else "not a regular file", where=str(path))
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as stream:
            return _read(stream, path, max_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"damaged gzip file of {path.stat().st_size} bytes: {error}",
            where=str(path),
            remedy="copy or download the file again",
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


def load_idx_folder(folder: str | Path | None, name: str = "mnist") -> tuple[Images, Images]:
    """The training and the test set of a folder with the four MNIST-format files.

    Files are found as `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, each also with .gz
    (and t10k-images, train-labels, t10k-labels), in `folder` or in `folder/name`.
    """
    home = _home(folder, name)
    train, test = (_load_part(home, part) for part in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"training images have {train[0].shape[1:]} pixels, test images {test[0].shape[1:]}",
            where=str(home),
        )
    classes = int(train[1].max()) + 1
    sets = []
    for part, (pixels, labels), first in (("train", train, 0), ("t10k", test, _TEST_FIRST)):
        n, height, width = pixels.shape
        if labels.max() >= classes:
            raise DataError(
                f"label {labels.max()} (entry {int(labels.argmax())}); training labels are 0..{classes - 1}",
                where=f"{home}: {part} labels",
            )
        index = first + np.arange(n)
        sets.append(Images(name, pixels.reshape(n, -1), labels, (height, width), 255, classes, index))
    return sets[0], sets[1]


def _read(stream, path: Path, max_bytes: int) -> np.ndarray:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise DataError(
            f"begins with bytes {head.hex(' ') or '(none)'}, not with 00 00 08: no IDX file", where=str(path)
        )
    if head[2] != 8:
        raise DataError(f"IDX type 0x{head[2]:02x}; only unsigned bytes (0x08) are read", where=str(path))
    if not 1 <= head[3] <= 4:
        raise DataError(f"{head[3]} axes; limit 1..4", where=str(path))
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise _short(path, "header", 4 + 4 * head[3], 4 + len(sizes))
    shape = struct.unpack(f">{head[3]}I", sizes)
    expected = int(np.prod([int(n) for n in shape], dtype=object))
    if expected == 0:
        raise DataError(f"the header {shape} promises no data", where=str(path))
    if expected > max_bytes:
        raise DataError(f"the header {shape} promises {expected} bytes; limit {max_bytes}", where=str(path))
    data = bytearray()
    while len(data) <= expected:
        block = stream.read(min(_BLOCK, expected + 1 - len(data)))
        if not block:
            break
        data += block
    if len(data) < expected:
        raise _short(path, f"data {shape}", expected, len(data))
    if len(data) > expected:
        raise DataError(
            f"holds more than the {expected} bytes its header {shape} promises",
            where=str(path),
            remedy="the file is damaged or not an image set; copy or download it again",
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _short(path: Path, what: str, expected: int, got: int) -> DataError:
    return DataError(
        f"truncated: expected {expected} bytes of {what}, got {got}",
        where=str(path),
        remedy="copy or download the file again",
    )


def _names(part: str, what: str) -> list[str]:
    axes = {"images": 3, "labels": 1}[what]
    stems = [f"{part}-{what}{mark}idx{axes}-ubyte" for mark in "-."]
    return [stem + end for stem in stems for end in ("", ".gz")]


def _home(folder: str | Path | None, name: str) -> Path:
    """The folder that holds the files: `folder` or `folder/name`."""
    files = [_names(part, what)[0] for part in ("train", "t10k") for what in ("images", "labels")]
    remedy = f"name with --data DIR a folder that holds {', '.join(files)}, each plain or .gz"
    if folder is None:
        raise DataError(f"no data folder given for '{name}'", remedy=remedy)
    folder = Path(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise DataError(what, where=str(folder), remedy=remedy)
    for home in (folder, folder / name):
        if any((home / file).is_file() for file in _names("train", "images")):
            return home
    looked = f"looked for {', '.join(_names('train', 'images'))}, here and in {name}/"
    raise DataError(f"no training images: {looked}", where=str(folder), remedy=remedy)


def _load_part(home: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    arrays = []
    for what, axes in (("images", 3), ("labels", 1)):
        names = _names(part, what)
        path = next((home / file for file in names if (home / file).is_file()), None)
        if path is None:
            raise DataError(
                f"no {part} {what}", where=str(home), remedy=f"put there one of {', '.join(names)}"
            )
        array = read_idx(path)
        if array.ndim != axes:
            raise DataError(f"{array.ndim} axes {array.shape}; {what} have {axes}", where=str(path))
        arrays.append(array)
    if len(arrays[0]) != len(arrays[1]):
        raise DataError(f"{len(arrays[0])} {part} images but {len(arrays[1])} labels", where=str(home))
    return arrays[0], arrays[1]
