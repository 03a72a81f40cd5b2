"""HDF5 files looked through, in a process of their own, before a reader trusts them.

An HDF5 file can name other files: external links, virtual data sets, external storage. It can also
ask for compression plug-ins, hold objects instead of numbers, or promise terabytes. And the HDF5
library itself can crash or never end on a damaged file. So a child process looks at every data set
that will be read and reads it once, opening nothing outside the file; only then this process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from chipsim.errors import DataError

MOST_ROWS = 10_000_000
AGAIN = "copy, download or unpack the file again"
_OWN_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 6: "scaleoffset", 32000: "lzf"}
_ROWS_AT_ONCE = 256
_SECONDS, _BYTES_PER_SECOND = 30, 10_000_000  # a file gets this time to be read once
_REFUSED = 3  # exit status of the child
_MEMORY = 4 << 30  # bytes of address space of the child


class Column(NamedTuple):
    """A data set of one axis that must be in the file.

    kinds   numpy kinds its numbers may have ("f", "iu", "SOU", ...)
    ragged  every row is a list of such numbers
    """

    name: str
    kinds: str
    ragged: bool = False


@contextmanager
def opened(path: Path, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """The file's h5py data sets by name, checked; whatever is wrong with the file is a DataError."""
    h5py = _h5py(path)
    status = path.stat()
    _proved(str(path), tuple(columns), status.st_size, status.st_mtime_ns)
    try:
        with h5py.File(path, "r") as file:
            yield {column.name: _checked(file, column, path) for column in columns}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise damaged(path, error) from None


def damaged(where: Path | str, error: Exception) -> DataError:
    """What HDF5 said about a file, in one line."""
    reason = " ".join(str(error).split())
    return DataError(f"no readable HDF5 file, cut off or damaged: {reason}", where=str(where), remedy=AGAIN)


def same_length(columns: dict[str, Any], path: Path) -> int:
    """The common length of the data sets; DataError names the one that differs."""
    lengths = {name: len(dataset) for name, dataset in columns.items()}
    first, n = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != n:
            raise DataError(f"{length} rows of {name}, but {n} of {first}", where=str(path))
    return n


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f"reading {path} needs the Python package 'h5py', which cannot be imported: {error}",
            remedy="pip install 'chipsim[data]', or pip install h5py",
        ) from None
    return h5py


@lru_cache(maxsize=64)
def _proved(path: str, columns: tuple[Column, ...], size: int, changed: int) -> None:
    """Let a child process check and read the file once; its refusal or its end becomes a DataError.

    size and changed (of the file) are there for the cache.
    """
    told_by_child("chipsim.hdf5", path, size, json.dumps(columns))


def told_by_child(module: str, path: str, size: int, *more: str) -> bytes:
    """What a child process, `python -m module FILE NAME more...`, writes to its standard output.

    size   bytes of the file: how long it may take
    Raises DataError where the child refuses the file (`as_child`), ends otherwise or takes too long.
    """
    home = str(Path(__file__).resolve().parent.parent)
    places = [home, *(place for place in sys.path if place)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, os.path.abspath(path), path, *more],
            cwd=home,  # python -m looks for modules there first
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            capture_output=True,
            timeout=_SECONDS + size // _BYTES_PER_SECOND,
        )
    except subprocess.TimeoutExpired as error:
        raise damaged(path, RuntimeError(f"not read after {error.timeout:.0f} s")) from None
    if done.returncode == _REFUSED:
        told = json.loads(done.stdout)
        raise DataError(told["message"], where=told["where"], remedy=told["remedy"])
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = (lines or [f"status {done.returncode}"])[-1]
        raise damaged(path, RuntimeError(f"the process that read it ended with {done.returncode}: {last}"))
    return done.stdout


def as_child(work: Callable[[], bytes]) -> None:
    """Do the work of a child process: write its bytes to standard output, or its refusal and end."""
    with suppress(ImportError, ValueError, OSError):  # no such limit on this system, or a lower one
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        sys.stdout.buffer.write(work())
    except DataError as error:
        print(json.dumps({"message": error.message, "where": error.where, "remedy": error.remedy}))
        sys.exit(_REFUSED)


def _checked(file: Any, column: Column, path: Path) -> Any:
    """A data set of the file, looked at from the root on; nothing of its content is read."""
    h5py = _h5py(path)
    where, group = f"{path}: {column.name}", file
    for part in column.name.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            raise DataError("missing in the file", where=where)
        if not isinstance(link, h5py.HardLink):
            raise DataError(f"is a {type(link).__name__} to elsewhere, not data of this file", where=where)
        group = group[part]
    if not isinstance(group, h5py.Dataset):
        raise DataError("is no data set", where=where)
    _check_storage(group, where)
    inner = h5py.check_vlen_dtype(group.dtype)
    if (inner is not None) != column.ragged and "O" not in column.kinds:
        rows = "single numbers" if column.ragged else "lists"
        raise DataError(f"its rows are {rows}: not the layout", where=where)
    held = inner if column.ragged else group.dtype
    if held.kind not in column.kinds:
        wanted = {"f": "real numbers", "iu": "integers"}.get(column.kinds, f"of kind {column.kinds}")
        raise DataError(f"holds {held}, not {wanted}: wrong field order?", where=where)
    return group


def check_inside(dataset: Any, where: str) -> None:
    """DataError unless the numbers lie in this file, in filters that HDF5 has itself."""
    if dataset.is_virtual:
        raise DataError("is a virtual data set, its numbers lie in other files", where=where)
    if dataset.external:
        raise DataError(f"is stored outside the file, in {dataset.external[0][0]!r}", where=where)
    settings = dataset.id.get_create_plist()
    for i in range(settings.get_nfilters()):
        number = settings.get_filter(i)[0]
        if number not in _OWN_FILTERS:
            raise DataError(f"needs the compression plug-in {number}, which is not loaded", where=where)


def _check_storage(dataset: Any, where: str) -> None:
    """One axis of a bearable number of rows, inside the file."""
    check_inside(dataset, where)
    if len(dataset.shape) != 1:
        raise DataError(f"has shape {dataset.shape}, not one axis", where=where)
    if dataset.shape[0] > MOST_ROWS:
        raise DataError(f"promises {dataset.shape[0]} rows; limit {MOST_ROWS}", where=where)


def _child(path: str, shown: Path, columns: list[Column]) -> bytes:
    """What the child process does: check every data set, then read all rows of it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            for dataset in [_checked(file, column, shown) for column in columns]:
                for row in range(0, len(dataset), _ROWS_AT_ONCE):
                    dataset[row : row + _ROWS_AT_ONCE]
    except DataError:
        raise
    except Exception as error:
        raise damaged(shown, error) from None
    return b""


if __name__ == "__main__":
    file, name, wanted = sys.argv[1:]
    as_child(lambda: _child(file, Path(name), [Column(*column) for column in json.loads(wanted)]))
