"""Reading .npy and .npz files from anywhere: nothing is allocated that is not there.

A header's promise is compared with the bytes in the file, and with what was declared where something
was, before memory is asked for. No pickle, no compression bombs.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

HEADER = 4096  # more bytes than any header of a plain array
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, TypeError, RuntimeError,
              OverflowError, NotImplementedError)  # fmt: skip


class Header(NamedTuple):
    """What a .npy header says: shape, order of axes, dtype, and bytes of the array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    size: int


def read_header(file: BinaryIO) -> Header:
    """The header at the file's position, of an array of plain numbers or text. Raises ValueError."""
    try:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f".npy version {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # numpy's parser raises what Python's tokenizer and parser meet
        raise ValueError(" ".join(str(error).split())[:200] or type(error).__name__) from None
    if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 32:
        raise ValueError(f"shape {str(shape)[:200]}")
    if dtype.hasobject:
        raise ValueError("it holds objects, not numbers")
    return Header(shape, bool(fortran), dtype, math.prod(shape) * dtype.itemsize)


def array_in(data: bytes) -> np.ndarray:
    """The array of a .npy file's bytes. Raises ValueError."""
    file = io.BytesIO(data)
    header = read_header(file)
    _whole(header, len(data) - file.tell())
    array = np.frombuffer(data, header.dtype, math.prod(header.shape), file.tell()) if header.size else None
    if array is None:
        return np.zeros(header.shape, header.dtype)
    return array.reshape(header.shape, order="F" if header.fortran else "C").copy()


def mapped(path: Path) -> np.ndarray:
    """The array of a .npy file, its bytes read when they are used. Raises ValueError, OSError."""
    with path.open("rb") as file:
        header, at = read_header(file), file.tell()
    _whole(header, path.stat().st_size - at)
    if not header.size:
        return np.zeros(header.shape, header.dtype)
    return np.memmap(path, header.dtype, "r", at, header.shape, "F" if header.fortran else "C")


def _whole(header: Header, found: int) -> None:
    if header.size != found:
        kind = f"{header.dtype.str[:40]}{list(header.shape)}"
        raise ValueError(f"its header promises {header.size} bytes, {kind}; it holds {found}")


def read_npz(file: BinaryIO, declared: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, name -> {"shape", "dtype"} being declared; ValueError for any other."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            wanted = {f"{name}.npy" for name in declared}
            if set(members) != wanted or len(archive.infolist()) != len(wanted):
                raise ValueError(f"it holds {sorted(members)}, its manifest declares {sorted(wanted)}")
            return {name: _one(archive, members[f"{name}.npy"], declared[name]) for name in declared}
    except UNREADABLE as error:
        raise ValueError(f"no readable .npz file: {error}") from None


def _one(archive: zipfile.ZipFile, info: zipfile.ZipInfo, says: Mapping[str, Any]) -> np.ndarray:
    shape, dtype = tuple(says["shape"]), np.dtype(says["dtype"])
    if dtype.hasobject or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{info.filename}: no array of numbers is declared")
    size = math.prod(shape) * dtype.itemsize
    if not size <= info.file_size <= size + HEADER:
        raise ValueError(f"{info.filename} holds {info.file_size} bytes, its manifest declares {size}")
    with archive.open(info) as member:
        array = array_in(member.read(size + HEADER + 1))
    if array.shape != shape or array.dtype != dtype:
        kind = f"{array.dtype.str}{array.shape}"
        raise ValueError(f"{info.filename} is {kind}, its manifest declares {dtype.str}{shape}")
    return array
