"""What is inside a NIR file, as plain dictionaries: an HDF5 file from anywhere, read by a child process.

This process never opens the file. The child follows hard links only, refuses whatever lies elsewhere,
loops, or promises more than the caps below, and hands over a list of entries and their bytes.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chipsim.errors import DataError
from chipsim.hdf5 import as_child, check_inside, damaged, told_by_child

MOST_BYTES = 256 << 20  # of the file, and of all its arrays together
MOST_ENTRIES = 20_000
DEEPEST = 24  # groups inside groups
LONGEST = 1 << 20  # characters of a text

Tree = dict[str, Any]  # name -> Tree | numpy array | text | None


def read_tree(path: Path) -> Tree:
    """Groups of a file as dictionaries: arrays are float, integer or boolean, texts are str, lists of
    texts are object-free lists of str. Raises DataError for whatever is wrong with the file."""
    if importlib.util.find_spec("h5py") is None:
        raise DataError(
            f"reading {path} needs the Python package 'h5py'", remedy="pip install 'chipsim[nir]', or h5py"
        )
    if not path.is_file():
        what = "no such file" if not path.exists() else "not a regular file"
        raise DataError(what, where=str(path), remedy="name one NIR file")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DataError(f"{size} bytes; limit {MOST_BYTES}", where=str(path))
    return unpacked(told_by_child("chipsim.nir.read", str(path), size))


def unpacked(data: bytes) -> Tree:
    """The tree in what the child wrote."""
    head, _, rest = data.partition(b"\n")
    root: Tree = {}
    at = 0
    for entry in json.loads(head):
        *groups, name = entry["path"]
        place = root
        for group in groups:
            place = place[group]
        if entry["kind"] == "array":
            dtype = np.dtype(entry["dtype"])
            count = math.prod(entry["shape"])
            place[name] = np.frombuffer(rest, dtype, count, at).reshape(entry["shape"])
            at += count * dtype.itemsize
        else:
            place[name] = {} if entry["kind"] == "group" else entry["value"]
    return root


class Walk:
    """Through a file, group by group; `entries` and `parts` are what it found."""

    def __init__(self, shown: str):
        self.shown = shown
        self.entries: list[dict[str, Any]] = []
        self.parts: list[bytes] = []
        self.bytes = 0
        self.seen: set[int] = set()

    def group(self, group: Any, path: tuple[str, ...]) -> None:
        """All of a group. Raises DataError."""
        import h5py

        where = f"{self.shown}: {'/'.join(path) or '/'}"
        if len(path) > DEEPEST:
            raise DataError(f"groups nested deeper than {DEEPEST}", where=where)
        address = h5py.h5o.get_info(group.id).addr
        if address in self.seen:
            raise DataError("a group that is inside itself, or has two names", where=where)
        self.seen.add(address)
        for name in group:
            self._entry(group, name, (*path, name), f"{self.shown}: {'/'.join((*path, name))}")

    def _entry(self, group: Any, name: str, path: tuple[str, ...], where: str) -> None:
        import h5py

        if len(self.entries) >= MOST_ENTRIES:
            raise DataError(f"more than {MOST_ENTRIES} groups and arrays", where=self.shown)
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise DataError(f"is a {type(link).__name__} to elsewhere, not data of this file", where=where)
        item = group[name]
        if isinstance(item, h5py.Group):
            self.entries.append({"path": path, "kind": "group"})
            self.group(item, path)
        elif isinstance(item, h5py.Dataset):
            check_inside(item, where)
            self.entries.append({"path": path, **self._value(item, where)})
        else:
            raise DataError("is neither a group nor an array", where=where)

    def _value(self, item: Any, where: str) -> dict[str, Any]:
        import h5py

        if item.shape is None:
            return {"kind": "text", "value": None}
        text = h5py.check_string_dtype(item.dtype)
        if text is None and item.dtype.kind not in "fiub":
            raise DataError(f"holds {item.dtype}, neither numbers nor text", where=where)
        self.bytes += max(item.dtype.itemsize, 8) * math.prod(item.shape)
        if self.bytes > MOST_BYTES:
            raise DataError(f"promises arrays of more than {MOST_BYTES} bytes together", where=where)
        if text is None:
            value = np.ascontiguousarray(item[()])
            value = value.astype(np.float64) if value.dtype.kind == "f" else value
            value = value.astype(value.dtype.newbyteorder("<"))
            self.parts.append(value.tobytes())
            return {"kind": "array", "dtype": value.dtype.str, "shape": list(item.shape)}
        return {"kind": "text", "value": self._texts(np.asarray(item[()], object).tolist(), where)}

    def _texts(self, value: Any, where: str) -> Any:
        if isinstance(value, list):
            return [self._texts(inner, where) for inner in value]
        text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
        self.bytes += len(text)
        if len(text) > LONGEST or self.bytes > MOST_BYTES:
            raise DataError(f"a text of more than {LONGEST} characters", where=where)
        return text


def walked(path: str | BinaryIO, shown: str) -> bytes:
    """What the child process does: the file's entries as a line of JSON, then their bytes."""
    import h5py

    walk = Walk(shown)
    try:
        with h5py.File(path, "r") as file:
            walk.group(file, ())
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes the library say
        raise damaged(shown, error) from None
    return json.dumps(walk.entries).encode() + b"\n" + b"".join(walk.parts)


if __name__ == "__main__":
    as_child(lambda: walked(*sys.argv[1:]))
