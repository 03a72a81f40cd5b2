"""Named arrays in one file: .npy records one after the other, names and sizes declared elsewhere.

Whoever keeps the file keeps `declaration(arrays)` with it; reading believes no header that differs
from it, so that a damaged file allocates nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from chipsim.errors import RunError
from chipsim.npz import read_header


def declaration(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Name, dtype and shape of every array, in the order in which they are written."""
    return [{"name": k, "dtype": a.dtype.str, "shape": list(a.shape)} for k, a in arrays.items()]


def write_arrays(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write all arrays; ValueError for one that holds objects."""
    for array in arrays.values():
        ordered = array if array.flags.c_contiguous else array.copy(order="C")
        npy.write_array(file, ordered, version=(1, 0), allow_pickle=False)


def read_arrays(path: Path, declared: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Read the arrays of a file that holds exactly what was declared; RunError for any other."""
    found: dict[str, np.ndarray] = {}
    try:
        left = path.stat().st_size
        with path.open("rb") as file:
            for item in declared:
                found[item["name"]] = _one(file, item, left)
            if file.read(1):
                raise ValueError("more than was declared")
    except Exception as error:  # numpy's header parser raises what it meets
        raise RunError(
            f"damaged or missing: {error}", where=str(path), remedy="use an earlier checkpoint"
        ) from None
    return found


def _one(file: BinaryIO, item: Mapping[str, Any], left: int) -> np.ndarray:
    header = read_header(file)
    kind = f"{header.dtype.str}{list(header.shape)}"
    if header.fortran or list(header.shape) != item["shape"] or header.dtype.str != item["dtype"]:
        raise ValueError(f"{item['name']} is {kind}, not as declared")
    data = file.read(header.size) if header.size <= left else b""
    if len(data) != header.size:
        raise ValueError(f"{item['name']} is cut off")
    return np.frombuffer(data, header.dtype).reshape(header.shape).copy()
