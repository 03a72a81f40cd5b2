"""Values as strict JSON, and a table that carries a hash of itself."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(value: Any, **options: Any) -> str:
    """One line of strict JSON: numpy numbers and arrays as lists, paths as text, NaN as null.

    options   of json.dumps. Raises TypeError for what has no JSON.
    """
    return json.dumps(plain(value), allow_nan=False, **options)


def sealed(table: Mapping[str, Any]) -> bytes:
    """The text of a table: its entries and, as `check`, a sha256 over them."""
    entries = {key: value for key, value in plain(table).items() if key != "check"}
    return (json.dumps(entries | {"check": check_of(entries)}, allow_nan=False, indent=1) + "\n").encode()


def check_of(entries: Mapping[str, Any]) -> str:
    """The `check` of a table without it."""
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON holds it. Raises TypeError for what has no JSON."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(by_alias=True))
    raise TypeError(f"{type(value).__name__} cannot be stored in a run folder")
