"""Published files of a data set: what they are called, how large they are, and reading them with a cap.

A loader names its files in `EXPECTED`. A file with another hash is read all the same if its content
is sound (another edition of the set); its own hash goes into the manifest, so a table says what it
was made from.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chipsim.errors import DataError
from chipsim.npz import array_in

AGAIN = "copy or download the file again"


class Published(NamedTuple):
    """A file as published: its name, its size in bytes, its SHA-256."""

    file: str
    size: int
    sha256: str


def locate(folder: str | Path | None, name: str, files: Sequence[Published], source: str) -> list[Path]:
    """The paths of `files` in `folder` or in `folder/name`.

    source   where the set is to be had; ends the remedy
    Raises DataError naming the first missing file, or one that is a link out of the folder.
    """
    names = ", ".join(entry.file for entry in files)
    remedy = f"name with --data DIR a folder in which {names} (or {name}/ with it) lies; {source}"
    if folder is None:
        raise DataError(f"no data folder given for '{name}'", remedy=remedy)
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            "is not a folder" if folder.exists() else "no such folder", where=str(folder), remedy=remedy
        )
    home = folder / name if (folder / name).is_dir() else folder
    paths = [home / entry.file for entry in files]
    for path in paths:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "no such file"
            raise DataError(what, where=str(path), remedy=remedy)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError("is a link out of the data folder", where=str(path), remedy="copy the file there")
    return paths


def read_capped(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes; DataError for a longer, empty or unreadable one."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if not data:
        raise DataError("is empty", where=str(path), remedy=AGAIN)
    if len(data) > limit:
        raise DataError(f"has more than {limit} bytes: not a file of this set", where=str(path))
    return data


def sha256(data: bytes) -> str:
    """The hash that the manifest shows for a file."""
    return hashlib.sha256(data).hexdigest()


def open_zip(data: bytes, path: Path) -> zipfile.ZipFile:
    """The archive in these bytes, its table of members read; DataError if it is none."""
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(
            f"{len(data)} bytes that are no zip archive: {error}", where=str(path), remedy=AGAIN
        ) from None


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, limit: int) -> bytes:
    """One member in memory, at most `limit` bytes, its checksum verified; nothing is unpacked to disk."""
    where = f"{path}: {info.filename}"
    if info.file_size > limit:
        raise DataError(f"promises {info.file_size} bytes; limit {limit}", where=where)
    try:
        with archive.open(info) as stream:
            data = stream.read(limit + 1)
    except Exception as error:  # zlib, zipfile and others raise some ten kinds on damaged bytes
        raise DataError(
            f"cannot be read from the archive: {error or type(error).__name__}", where=where, remedy=AGAIN
        ) from None
    if len(data) != info.file_size:
        raise DataError(f"holds {len(data)} bytes, not the promised {info.file_size}", where=where)
    return data


def read_npz(data: bytes, path: Path, names: Sequence[str], limit: int) -> dict[str, np.ndarray]:
    """The arrays `names` of an npz file, without pickle; DataError for missing or damaged ones."""
    archive = open_zip(data, path)
    members = {info.filename: info for info in archive.infolist()}
    arrays = {}
    for name in names:
        if f"{name}.npy" not in members:
            raise DataError(f"holds no array '{name}'", where=str(path), remedy=AGAIN)
        raw = read_member(archive, members[f"{name}.npy"], path, limit)
        try:
            arrays[name] = array_in(raw)
        except ValueError as error:
            raise DataError(
                f"array '{name}' cannot be read: {error}", where=str(path), remedy=AGAIN
            ) from None
    return arrays
