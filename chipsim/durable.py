"""Files that are whole or absent, and folders that one process works in at a time.

A file is written beside its place, flushed to the disk and renamed into it: a kill or a full disk
leaves the file that was there before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from chipsim.errors import RunError

PARTIAL = ".partial"  # ends the name of a file that is being written


class _Hashed:
    """A file's `write`, and the sha256 of all that went through it."""

    def __init__(self, file: BinaryIO):
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def write(path: Path, content: bytes | Callable[[BinaryIO], None]) -> str:
    """Write a file, or let a function fill it; returns the sha256 of what was written, in hex.

    Raises RunError where it cannot be written; what was at `path` before then stays.
    """
    partial = path.with_name(path.name + PARTIAL)
    with writing(path):
        try:
            with partial.open("wb") as file:
                hashed = _Hashed(file)
                if isinstance(content, bytes):
                    hashed.write(content)
                else:
                    content(hashed)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        _flush_folder(path.parent)
    return hashed.sha256.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Turn a refusal of the file system into one RunError that names the place."""
    try:
        yield path
    except OSError as error:
        raise RunError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            remedy="give a folder you can write to with --out DIR, and see that the disk has room",
        ) from None


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the system lets go of it when this process dies.

    Raises RunError where another process is at work there. File systems without locks keep nobody out.
    """
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:  # a system where folders cannot be opened
        yield
        return
    try:
        _lock(held, folder)
        yield
    finally:
        os.close(held)


def _lock(held: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(
            "another process is at work on this run",
            where=str(folder),
            remedy="wait for it, or end it; then give the command again",
        ) from None
    except OSError:  # a network file system without locks
        return


def _flush_folder(folder: Path) -> None:
    """The renaming itself to the disk, where folders can be flushed."""
    with suppress(OSError):
        held = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(held)
        finally:
            os.close(held)
