"""MNIST: handwritten digits as pictures, 28x28 pixels, 10 classes, 60,000 + 10,000.

LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86,
1998. Four IDX files, plain or .gz.
"""

from __future__ import annotations

from pathlib import Path

from chipsim.data.expected import DataSet, Expected
from chipsim.data.idx import load_idx_folder
from chipsim.data.images import Images


def _file(name: str, what: str, md5: str) -> Expected:
    dotted = name.replace("-idx", ".idx")
    return Expected(name, what, md5=md5, also=(f"{name}.gz", dotted, f"{dotted}.gz"))


SET = DataSet(
    "mnist",
    (
        _file("train-images-idx3-ubyte", "60000 pictures", "6bbc9ace898e44ae57da46a324031adb"),
        _file("train-labels-idx1-ubyte", "60000 labels", "a25bea736e30d166cdddb491f175f624"),
        _file("t10k-images-idx3-ubyte", "10000 pictures", "2646ac647ad5339dbf082846283269ea"),
        _file("t10k-labels-idx1-ubyte", "10000 labels", "27ae3e4e09519cfbb04c329615203637"),
    ),
    "http://yann.lecun.com/exdb/mnist/ or one of its mirrors",
    {"train": 60_000, "test": 10_000},
)


def load(folder: str | Path | None) -> dict[str, Images]:
    """Both parts in DIR/mnist (or DIR)."""
    return dict(zip(("train", "test"), load_idx_folder(folder, "mnist"), strict=True))
