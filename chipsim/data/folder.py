"""Folders of data sets: where a set lies, and that no path leads out of its folder.

A set is looked for in DIR itself, then in DIR/name (some sets add the name their own tools use). The
folder the user names is trusted, wherever it is; what lies in it is not: a link that leads outside
is refused before anything behind it is opened, and so is what is no regular file (a pipe would
hang).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from chipsim.errors import DataError


def find_home(folder: str | Path | None, names: Sequence[str], marks: Sequence[str], remedy: str) -> Path:
    """The folder that holds one of `marks` (file or folder names): `folder`, or a `names` inside it.

    Raises DataError with `remedy` if there is none.
    """
    if folder is None:
        raise DataError(f"no data folder given for '{names[0]}'", remedy=remedy)
    folder = Path(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise DataError(what, where=str(folder), remedy=remedy)
    home = look_for(folder, names, marks)
    if home is None:
        looked = f"no {' or '.join(marks)}, looked here and in {', '.join(f'{n}/' for n in names)}"
        raise DataError(looked, where=str(folder), remedy=remedy)
    return home


def look_for(folder: Path, names: Sequence[str], marks: Sequence[str]) -> Path | None:
    """As `find_home`, in a folder that exists; None if it holds nothing of the kind."""
    for home in (folder, *(folder / name for name in names)):
        if any(os.path.lexists(home / mark) for mark in marks):
            return inside(folder, home)
    return None


def inside(home: Path, path: Path) -> Path:
    """`path` if what it leads to lies in `home`; DataError otherwise."""
    try:
        real = path.resolve(strict=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
        raise DataError(f"cannot be followed: {error}", where=str(path)) from None
    if not real.is_relative_to(home.resolve()):
        raise DataError(
            f"leads out of the data folder {home}",
            where=str(path),
            remedy="put the file itself there, or give the folder that the link leads to as DIR",
        )
    return path


def regular_file(home: Path, path: Path) -> Path:
    """`path` if it is a regular file inside `home`; DataError otherwise."""
    inside(home, path)
    if not path.is_file():
        raise DataError("no such file" if not path.exists() else "not a regular file", where=str(path))
    return path


def numbered_files(home: Path, folder: Path, suffix: str) -> Iterator[Path]:
    """The files of one folder with this suffix, in order of name, each one checked as above."""
    inside(home, folder)
    for path in sorted(folder.iterdir()):
        if path.suffix == suffix and not path.name.startswith("."):
            yield regular_file(home, path)
