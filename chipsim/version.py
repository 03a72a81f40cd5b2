"""The version of chipsim and of what it runs on, as stored in every manifest."""

from __future__ import annotations

import platform
from importlib import metadata

__version__ = "0.1.0"

RECORDED = ("numpy", "numba", "llvmlite", "lark", "pydantic", "scikit-learn", "tonic", "lava-nc")


def versions() -> dict[str, str]:
    """Versions of chipsim, Python, machine and every recorded library that is installed."""
    found = {
        "chipsim": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
