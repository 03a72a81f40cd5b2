"""The data sets chipsim knows, and whether a folder holds one.

The files of chipsim/data/sets are the list: a file NAME.py with a docstring whose first line tells
the set, SET (a `DataSet`) and `load(folder)` adds the set NAME.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from chipsim.data.expected import Check, check_files, check_parts
from chipsim.data.recordings import RecordingParts, Recordings
from chipsim.errors import DataError, SettingError, did_you_mean

FOLDER = Path(__file__).parent / "sets"


def sets() -> dict[str, Path]:
    """Every data set's name and file, in order of name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")}


def data_set(name: str) -> ModuleType:
    """The module of a data set; SettingError for an unknown name."""
    if name not in sets():
        raise SettingError(
            f"no data set '{name}'{did_you_mean(name, sets())}", remedy=f"one of {', '.join(sets())}"
        )
    return importlib.import_module(f"chipsim.data.sets.{name}")


def load_parts(name: str, folder: str | Path | None) -> Mapping[str, Any]:
    """The parts of a data set by name ("train", "validation", "test"; "all" where there is no split)."""
    loaded = data_set(name).load(folder)
    if isinstance(loaded, RecordingParts):
        return loaded.named
    return {"all": loaded} if isinstance(loaded, Recordings) else loaded


def check_set(name: str, folder: str | Path, most: int | None = 20) -> Check:
    """Look for a data set in a folder: files, sizes and hashes, counts, a sample of `most` per part.

    What is missing or wrong becomes a line of the result, with what should be there, where it goes
    and where it can be had. SettingError for an unknown name, DataError for a folder that is none.
    """
    described, check, folder = data_set(name).SET, Check(), Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder",
            remedy="give the folder that holds the data sets (or set CHIPSIM_DATA)",
        )
    home = None
    try:
        home = described.look(folder)
        check.add("folder", str(home or f"{folder}: nothing of this set, here or in {name}/"))
        if check_files(home or folder / name, described.files, check):
            check_parts(load_parts(name, folder), described, most, check)
    except DataError as error:
        check.add("bad", error.text())
    if check.lacking:
        check.add("goes to", str(home or folder / name))
        check.add("get it", described.source)
    return check
