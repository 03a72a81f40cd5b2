"""The first difference between two runs that should be the same bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chipsim.errors import RunError
from chipsim.run_folder import Run

HERE, THERE = "here", "in the capsule"
TWIN = "twin"  # in floating point: the same only on the same libraries


def differences(there: Run, here: Run) -> list[str]:
    """One line per kind of thing that differs, the earliest cause first; empty: bit for bit the same."""
    found = [
        _first(f"{what} of", there.manifest.get(key), here.manifest.get(key))
        for what, key in (("hash of data", "data"), ("calibration", "calibration"))
    ]
    found.append(_weights(there, here))
    found.append(_first("counter", _json(there, "counters.json"), _json(here, "counters.json")))
    accuracy = [_chip(run.manifest.get("accuracy")) for run in (there, here)]
    found.append(_first("accuracy", *accuracy))
    found.append(_first("digest", there.manifest.get("digest"), here.manifest.get("digest")))
    found = [text for text in found if text]
    if not found:
        return []
    # how a program is written down may differ between versions that compute the same: a cause, no verdict
    cause = _first("bound program of", _json(there, "programs.json"), _json(here, "programs.json"))
    return [cause, *found] if cause else found


def compared(there: Run) -> list[str]:
    """What a run has that is compared, in words."""
    names = []
    if there.manifest.get("digest"):
        names.append("the digest")
    if there.manifest.get("weights"):
        names.append(f"{len(there.manifest['weights']['arrays'])} arrays of weights and thresholds")
    counters = _json(there, "counters.json")
    if counters is not None:
        names.append(f"{_leaves(counters)} counters")
    if _chip(there.manifest.get("accuracy")):
        names.append("accuracies")
    return names


def _json(run: Run, name: str) -> Any:
    return run.json(name) if (run.path / name).is_file() else None


def _chip(shares: Any) -> Any:
    """Accuracies of the integer network."""
    return {key: x for key, x in shares.items() if key != TWIN} if isinstance(shares, Mapping) else shares


def _leaves(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def _first(what: str, there: Any, here: Any, path: str = "") -> str:
    """The first place where two nests of plain values differ, in the order of the first; ''."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in (*there, *(key for key in here if key not in there)):
            if key not in there or key not in here:
                return f"{what} {path}{key}: only {THERE if key in there else HERE}"
            if text := _first(what, there[key], here[key], f"{path}{key}: "):
                return text
        return ""
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for k, (a, b) in enumerate(zip(there, here, strict=True)):
            if text := _first(what, a, b, f"{path}[{k}]: "):
                return text
        return ""
    if there == here and type(there) is type(here):
        return ""
    return f"{what} {path}{_short(there)} {THERE}, {_short(here)} {HERE}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _weights(there: Run, here: Run) -> str:
    """The first element that differs, in which array, and how many do."""
    if not there.manifest.get("weights") and not here.manifest.get("weights"):
        return ""
    a, b = there.weights(), here.weights()
    about = there.manifest.get("arrays") or {}
    for name in sorted({*a, *b}):
        what = (about.get(name) or {}).get("what", name) if isinstance(about, Mapping) else name
        if name not in a or name not in b:
            return f"{what} ({name}): only {THERE if name in a else HERE}"
        if a[name].shape != b[name].shape or a[name].dtype != b[name].dtype:
            return f"{what} ({name}): {_kind(a[name])} {THERE}, {_kind(b[name])} {HERE}"
        differs = np.argwhere(np.atleast_1d(a[name] != b[name]))
        if len(differs):
            at = tuple(int(k) for k in differs[0]) if a[name].ndim else ()
            place = f"[{', '.join(map(str, at))}]"
            return (
                f"{what} ({name}){place}: {a[name][at]} {THERE}, {b[name][at]} {HERE}; "
                f"{len(differs)} of {a[name].size} elements differ"
            )
    return ""


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"


def checked(run: Run) -> Run:
    """A run whose weights are undamaged; RunError."""
    if run.manifest.get("weights"):
        run.weights()
    if not isinstance(run.manifest.get("versions"), dict):
        raise RunError("its manifest names no versions", where=str(run.path), remedy="ask for the file again")
    return run
