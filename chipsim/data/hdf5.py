"""HDF5 files looked through before a reader trusts them.

An HDF5 file can name other files: external links, virtual data sets, external storage. It can also
ask for compression plug-ins, hold objects instead of numbers, or promise terabytes. Every data set
that will be read is checked for all of that here; nothing outside the file is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chipsim.data.tonic_door import need
from chipsim.errors import DataError

MOST_ROWS = 10_000_000
_OWN_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 6: "scaleoffset", 32000: "lzf"}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The h5py file, read only; whatever HDF5 finds damaged while it is open is a DataError."""
    h5py = need("h5py", f"reading {path}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise damaged(path, error) from None


def damaged(path: Path | str, error: Exception) -> DataError:
    """What HDF5 said about a file, in one line."""
    reason = " ".join(str(error).split())
    return DataError(
        f"no readable HDF5 file, cut off or damaged: {reason}",
        where=str(path),
        remedy="copy, download or unpack the file again",
    )


def column(file: Any, name: str, kinds: str, path: Path, *, ragged: bool = False) -> Any:
    """The data set `name` of one axis, checked; nothing of its content is read yet.

    kinds   numpy kinds its numbers may have ("f", "iu", "S", ...)
    ragged  every row is a list of such numbers
    """
    h5py = need("h5py", f"reading {path}")
    where, group = f"{path}: {name}", file
    for part in name.split("/"):
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
    if (inner is not None) != ragged and "O" not in kinds:
        raise DataError(
            f"its rows are {'single numbers' if ragged else 'lists'}: not the layout", where=where
        )
    kind = (inner if ragged else group.dtype).kind
    if kind not in kinds:
        wanted = {"f": "real numbers", "iu": "integers"}.get(kinds, f"of kind {kinds}")
        raise DataError(f"holds {inner or group.dtype}, not {wanted}: wrong field order?", where=where)
    return group


def _check_storage(dataset: Any, where: str) -> None:
    """Data lie in this file, in filters that HDF5 has itself, in a bearable number."""
    if dataset.is_virtual:
        raise DataError("is a virtual data set, its numbers lie in other files", where=where)
    if dataset.external:
        raise DataError(f"is stored outside the file, in {dataset.external[0][0]!r}", where=where)
    settings = dataset.id.get_create_plist()
    for i in range(settings.get_nfilters()):
        number = settings.get_filter(i)[0]
        if number not in _OWN_FILTERS:
            raise DataError(f"needs the compression plug-in {number}, which is not loaded", where=where)
    if len(dataset.shape) != 1:
        raise DataError(f"has shape {dataset.shape}, not one axis", where=where)
    if dataset.shape[0] > MOST_ROWS:
        raise DataError(f"promises {dataset.shape[0]} rows; limit {MOST_ROWS}", where=where)


def same_length(columns: dict[str, Any], path: Path) -> int:
    """The common length of the columns; DataError names the one that differs."""
    lengths = {name: len(dataset) for name, dataset in columns.items()}
    first, n = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != n:
            raise DataError(f"{length} rows of {name}, but {n} of {first}", where=str(path))
    return n
