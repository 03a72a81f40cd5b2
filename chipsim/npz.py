"""Reading .npz files from anywhere: nothing is allocated that was not declared and is not there.

Each array's header must be the declared one and its bytes must be in the file before memory is asked
for. No pickle, no compression bombs: what a member says to hold is checked against what it must hold.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

HEADER = 4096  # more bytes than any header of a plain array


def read_npz(file: BinaryIO, declared: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, name -> {"shape", "dtype"} being declared; ValueError for any other."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            wanted = {f"{name}.npy" for name in declared}
            if set(members) != wanted or len(archive.infolist()) != len(wanted):
                raise ValueError(f"it holds {sorted(members)}, its manifest declares {sorted(wanted)}")
            return {name: _one(archive, members[f"{name}.npy"], declared[name]) for name in declared}
    except ValueError:
        raise
    except Exception as error:  # the parsers of zip and npy headers raise what they meet
        raise ValueError(f"no readable .npz file: {error}") from None


def _one(archive: zipfile.ZipFile, info: zipfile.ZipInfo, says: Mapping[str, Any]) -> np.ndarray:
    shape, dtype = tuple(says["shape"]), np.dtype(says["dtype"])
    if dtype.hasobject or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
        raise ValueError(f"{info.filename}: no array of numbers is declared")
    size = math.prod(shape) * dtype.itemsize
    if not size <= info.file_size <= size + HEADER:
        raise ValueError(f"{info.filename} holds {info.file_size} bytes, its manifest declares {size}")
    with archive.open(info) as member:
        data = member.read(size + HEADER + 1)
    header = _Reader(data)
    version = npy.read_magic(header)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{info.filename}: .npy version {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    found, fortran, kind = read(header)
    if found != shape or kind != dtype or len(data) - header.at != size:
        raise ValueError(f"{info.filename} is {kind.str}{found}, its manifest declares {dtype.str}{shape}")
    array = np.frombuffer(data, dtype, offset=header.at).copy()
    return array.reshape(shape, order="F" if fortran else "C")


class _Reader:
    """Bytes as a file, and how far they were read."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def read(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        self.at += len(part)
        return part
