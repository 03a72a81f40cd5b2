"""CIFAR10-DVS: pictures of ten kinds of things moved before an event camera, 128x128x2, 10 classes.

Li, Liu, Ji, Li, Shi, CIFAR10-DVS: An Event-Stream Dataset for Object Classification, Frontiers in
Neuroscience 11:309, 2017; 1,000 recordings per class, here as tonic publishes it: AEDAT4 files in a
folder per class. tonic reads them with the package aedat. There is no published split.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from chipsim.data.aedat4 import read_aedat4
from chipsim.data.expected import DataSet, Expected
from chipsim.data.folder import numbered_files, regular_file
from chipsim.data.recordings import Recordings
from chipsim.errors import DataError

SENSOR = (128, 128, 2)
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SET = DataSet(
    "cifar10_dvs",
    tuple(
        Expected(f"{name}/", "1000 files .aedat4", origin=f"{name}.zip in CIFAR10DVS.zip") for name in NAMES
    ),
    "https://figshare.com/ndownloader/files/38023437, CIFAR10DVS.zip, md5 ce3a4a0682dc0943703bd8f749a7701c",
    {"all": 10_000},
    also=("CIFAR10DVS",),
)


def load(folder: str | Path | None) -> Recordings:
    """All recordings in DIR/cifar10_dvs (or DIR), class by class; a class without a folder is refused."""
    home = SET.home(folder)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(NAMES):
        if not (home / name).is_dir():
            raise DataError(f"no folder {name}", where=str(home), remedy=SET.remedy)
        own = list(numbered_files(home, home / name, ".aedat4"))
        paths += own
        labels += [label] * len(own)
    if not paths:
        raise DataError("no .aedat4 files in the folders of the classes", where=str(home), remedy=SET.remedy)
    read = partial(_read, home)
    return Recordings("cifar10_dvs", SENSOR, len(NAMES), np.array(labels), tuple(paths), read)


def _read(home: Path, path: Path) -> np.ndarray:
    return read_aedat4(regular_file(home, path))
