"""tonic behind one door: imported when a recording is read, never before, and never to download.

tonic's data set classes download whatever they miss. Here they are given a folder that has been
looked at already, and their two ways to the network are shut.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from chipsim.errors import DataError

EXTRA = "pip install 'chipsim[data]'"


def need(module: str, why: str) -> ModuleType:
    """A module of the extra `data`, imported now; DataError says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise DataError(
            f"{why} needs the Python package '{package}', which cannot be imported: {error}",
            remedy=f"{EXTRA}, or pip install {package}",
        ) from None


def local(kind: str, home: Path, *arguments: object, **options: object) -> object:
    """tonic's data set class `kind` on the files in `home`, as they lie there.

    tonic counts files and looks for the archive it would have downloaded; both have nothing to do
    with whether the files can be read, so the class is told that all is there.
    """
    base = getattr(need("tonic.datasets", f"reading {home}"), kind)

    class Local(base):
        location_on_system = property(lambda self: str(home), lambda self, value: None)

        def _check_exists(self) -> bool:
            return True

        def download(self) -> None:
            raise DataError("tonic tried to download", where=str(home))

    return Local(str(home), *arguments, **options)
