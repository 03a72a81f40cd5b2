"""What a data set consists of, where it is to be had, and what a look into a folder finds of it."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.data.folder import find_home, inside, look_for, regular_file
from chipsim.data.recordings import Recordings
from chipsim.errors import DataError

_BLOCK = 1 << 20
_MOST_TOLD = 5  # refused recordings that are told one by one


@dataclass(frozen=True)
class Expected:
    """One file of a published data set, or a folder of many (path ends with /).

    path    below the set's folder
    what    in a few words
    size    bytes, where known
    sha256  of the file, where known
    md5     of its content (unpacked, if it lies there as .gz), where known
    origin  the archive it is published in, with its md5
    also    other names it goes by
    """

    path: str
    what: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    origin: str = ""
    also: tuple[str, ...] = ()

    def find(self, home: Path) -> Path | None:
        """The file under one of its names, if it is there."""
        return next((home / name for name in (self.path, *self.also) if (home / name).exists()), None)

    def text(self) -> str:
        """The file in one line."""
        known = [self.what]
        known += [f"{self.size} bytes"] if self.size is not None else []
        known += [f"sha256 {self.sha256}"] if self.sha256 else []
        known += [f"md5 {self.md5}"] if self.md5 else []
        known += [f"from {self.origin}"] if self.origin else []
        return f"{self.path}  {', '.join(known)}"


@dataclass(frozen=True)
class DataSet:
    """A data set: its files, the folders they may lie in and who publishes them.

    name      of the set; its files lie in DIR/name or in DIR itself
    files     what it consists of
    source    where it can be had, and its licence
    counts    published number of recordings of each part ("train", "test", "validation")
    first_missing  where recordings may be a part of the published ones: part's name and recordings ->
              the first that is not there
    also      further names of its folder (the one tonic makes, ...)
    """

    name: str
    files: tuple[Expected, ...]
    source: str
    counts: Mapping[str, int] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    first_missing: Callable[[str, Recordings], str] | None = None

    @property
    def remedy(self) -> str:
        """What to put where, in one line."""
        files = ", ".join(file.path for file in self.files)
        return (
            f"give (--data DIR) a folder with {self.name}/ that holds {files}; from {self.source}; "
            f"`chipsim data check {self.name} DIR` tells what is missing"
        )

    @property
    def marks(self) -> tuple[str, ...]:
        """Names by which its folder is known: each file's first folder or name."""
        names = (name for file in self.files for name in (file.path, *file.also))
        return tuple(dict.fromkeys(name.split("/")[0] for name in names))

    def home(self, folder: str | Path | None) -> Path:
        """The folder that holds one of the files; DataError says what belongs there."""
        return find_home(folder, (self.name, *self.also), self.marks, self.remedy)

    def look(self, folder: Path) -> Path | None:
        """The folder that holds one of the files, or None."""
        return look_for(folder, (self.name, *self.also), self.marks)


@dataclass
class Check:
    """What was found: lines to print in order, and how many of them are faults.

    rows    (kind, text), kind one of folder, found, missing, differs, bad, note, read, goes to, get it
    """

    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, text: str) -> None:
        """One more line."""
        self.rows.append((kind, text))

    @property
    def lacking(self) -> bool:
        """Is a file missing, or another one than published?"""
        return any(kind in ("missing", "differs") for kind, _ in self.rows)

    @property
    def faults(self) -> int:
        """Lines that say something is missing, differs or is bad."""
        return sum(kind in ("missing", "differs", "bad") for kind, _ in self.rows)


def check_files(home: Path, files: tuple[Expected, ...], check: Check) -> bool:
    """Look at the files: there, of the published size and hash? True if all are there."""
    complete = True
    for file in files:
        path = file.find(home)
        if path is None:
            check.add("missing", file.text())
            complete = False
        elif file.path.endswith("/"):
            inside(home, path)
        else:
            check.add(*_compared(file, regular_file(home, path)))
    return complete


def _compared(file: Expected, path: Path) -> tuple[str, str]:
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return "differs", f"{path.name}: {size} bytes; published: {file.size}"
    for kind, published in (("sha256", file.sha256), ("md5", file.md5)):
        if published and (found := _hash(path, kind)) != published:
            return "differs", f"{path.name}: {kind} {found}; published: {published}"
    known = ", hash as published" if file.sha256 or file.md5 else ""
    return "found", f"{path.name}: {size} bytes{known}"


def _hash(path: Path, kind: str) -> str:
    """sha256 of the file, or md5 of its content, block by block."""
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        with gzip.open(path) if kind == "md5" and path.suffix == ".gz" else path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {error}", where=str(path)) from None
    return digest.hexdigest()


def check_parts(parts: Mapping[str, Any], described: DataSet, most: int | None, check: Check) -> None:
    """Count every part against the published numbers, and read `most` recordings of each (None: all).

    A part of no `Recordings` (pictures, encoded sequences) was read and checked when it was loaded.
    """
    for title, part in parts.items():
        published = described.counts.get(title)
        of = "" if published is None else f" of {published}"
        check.add("found", f"{title}: {len(part)}{of} recordings, {part.classes} classes")
        lacking = (published or 0) - len(part)
        if lacking > 0:
            first = described.first_missing
            which = f", the first is {first(title, part)}" if first else ""
            check.add("note", f"{title}: {lacking} of the published recordings are not there{which}")
        elif published is not None and lacking < 0:
            check.add("note", f"{title}: {-lacking} recordings more than published: another set")
        if isinstance(part, Recordings):
            _read_sample(part, title, most, check)


def _read_sample(part: Recordings, title: str, most: int | None, check: Check) -> None:
    numbers = _spread(len(part), most)
    events = bad = 0
    for k in numbers:
        try:
            events += len(part[int(k)])
        except DataError as error:
            bad += 1
            if bad <= _MOST_TOLD:
                check.add("bad", error.text())
    if bad > _MOST_TOLD:
        check.add("bad", f"{title}: {bad - _MOST_TOLD} more recordings refused")
    width, height, polarities = part.sensor
    read = f"{title}: {len(numbers) - bad} of {len(part)} recordings, {events} events"
    check.add("read", f"{read}, in order of time and inside {width}x{height}x{polarities}")


def _spread(n: int, most: int | None) -> np.ndarray:
    """int64: at most `most` numbers of 0..n-1, evenly spread, the first and the last among them."""
    if most is None or n <= most:
        return np.arange(n)
    return np.arange(most) * (n - 1) // max(most - 1, 1)
