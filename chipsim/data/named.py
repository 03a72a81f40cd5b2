"""Image sets by name, cut into training, validation and test: `digits` (built in) and `mnist`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chipsim.data.builtin import digits
from chipsim.data.idx import load_idx_folder
from chipsim.data.images import Images, Parts
from chipsim.data.split import hold_out, split_three, stratified
from chipsim.errors import DataError, SettingError, did_you_mean

NAMES = ("digits", "mnist")


def named_parts(
    name: str, folder: Path | None, seed: int, limit: int | None = None
) -> tuple[Parts, dict[str, str]]:
    """Parts of a named set and the sha256 of what they come from.

    folder  where the IDX files of `mnist` lie; digits needs none
    seed    chooses the split
    limit   at most so many samples of each part, drawn with the same share of every class
    Raises SettingError for an unknown name, DataError where files are missing or damaged.
    """
    if name not in NAMES:
        raise SettingError(f"no image set '{name}'{did_you_mean(name, NAMES)}", remedy=" or ".join(NAMES))
    if name == "digits":
        images = digits()
        parts, hashes = split_three(images, seed), {images.name: images.sha256}
    elif folder is None:
        raise DataError(
            "mnist needs its four IDX files",
            where="--data",
            remedy="give --data DIR with train-images-idx3-ubyte.gz and the other three (or DIR/mnist)",
        )
    else:
        train, test = load_idx_folder(folder)
        parts = hold_out(train, test, seed)
        hashes = {"train": train.sha256, "test": test.sha256}
    if limit is not None:
        parts = Parts(*(_at_most(x, limit, seed) for x in (parts.train, parts.validation, parts.test)))
    return parts, hashes


def _at_most(images: Images, limit: int, seed: int) -> Images:
    if len(images) <= limit:
        return images
    return images.take(np.asarray(stratified(images.labels, [limit], seed)[0]))
