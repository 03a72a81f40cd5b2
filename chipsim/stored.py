"""Weights in a run folder, and their way back: also onto another chip, requantised, the loss stated."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from chipsim.errors import RunError
from chipsim.fixed import Format
from chipsim.microcode.program import BoundProgram
from chipsim.run_folder import Run, RunFolder
from chipsim.simulator import Simulator
from chipsim.state import storage


def learned_arrays(sim: Simulator) -> dict[str, tuple[str, Format | None]]:
    """State arrays that a run stores -> (what they are, format): weights, thresholds, logit shifts."""
    named: dict[str, tuple[str, Format | None]] = {}
    for c in sim.plan.connections:
        named[f"c{c.index}_w"] = (f"weights of {c.name}", c.weight)
    for x in sim.plan.layers:
        if x.kind == "lif":
            named[f"l{x.index}_thr"] = (f"thresholds of {x.name}", x.v_fmt)
    for k in sim.plan.circuits:
        if k.judged >= 0:
            named[f"k{k.index}_shift"] = (f"logit shift of {sim.plan.layers[k.judged].name}", None)
        if k.kind == "contrast":
            named[f"k{k.index}_shift"] = (f"logit shifts of {sim.plan.layers[k.layer].name}", None)
        if k.trigger is not None:
            named[f"k{k.index}_thr"] = (f"error threshold of {sim.plan.layers[k.judged].name}", None)
    return named


def store_weights(out: RunFolder, sim: Simulator) -> None:
    """Write weights.npz; the manifest says what each array is and its format."""
    named = learned_arrays(sim)
    out.weights({name: sim.state[name] for name in named})
    out.note(
        arrays={
            name: {"what": what, "format": str(fmt) if fmt else None} for name, (what, fmt) in named.items()
        }
    )


def bound_programs(sim: Simulator) -> dict[str, Any]:
    """Connection -> its bound program as plain values: lines, formats, raw constants, tables."""
    return {c.name: _plain(c.program) for c in sim.plan.connections if c.program}


def _plain(value: Any) -> Any:
    """Dataclasses as dictionaries without what is empty; formats and fractions as text."""
    if isinstance(value, Format):
        return str(value)
    if dataclasses.is_dataclass(value):
        text = "source" if isinstance(value, BoundProgram) else None  # the rule file: in the manifest
        named = {x.name: getattr(value, x.name) for x in dataclasses.fields(value) if x.name != text}
        return {key: _plain(x) for key, x in named.items() if x not in (None, (), "")}
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def restore_weights(sim: Simulator, run: Run) -> list[str]:
    """Put a run's learned arrays into a simulator, requantised to its formats (nearest, saturating).

    Returns one line per array that changed: share changed, largest error, saturated share. Raises
    RunError where the run is of another network.
    """
    arrays, declared = run.weights(), run.manifest.get("arrays") or {}
    lines = []
    for name, (what, fmt) in learned_arrays(sim).items():
        if name not in arrays or declared.get(name, {}).get("what") != what:
            raise RunError(
                f"the run has no {what}",
                where=str(run.path),
                remedy="start from a run of the same network (same hidden sizes, same rule connections)",
            )
        if arrays[name].shape != sim.state[name].shape:
            raise RunError(
                f"{what} have shape {arrays[name].shape}, this network needs {sim.state[name].shape}",
                where=str(run.path),
                remedy="start from a run of the same network (same hidden sizes, same images)",
            )
        if fmt is None:
            sim.state[name][:] = arrays[name]
            continue
        source = Format.parse(declared[name]["format"])
        raw, lost = _requantised(arrays[name].astype(np.int64), source, fmt)
        sim.state[name][:] = raw.astype(storage(fmt) if name[0] == "c" else np.int32)
        if lost:
            lines.append(f"requantised {what}: {source} -> {fmt}, {lost}")
    return lines + _shift_lines(sim, declared)


def _requantised(raw: np.ndarray, source: Format, target: Format) -> tuple[np.ndarray, str]:
    """`fixed.requantise` for an array, and what was lost in words ('' for nothing)."""
    drop = source.frac - target.frac
    moved = raw << -drop if drop <= 0 else (raw + (1 << (drop - 1))) >> drop
    kept = np.clip(moved, target.lo, target.hi)
    error = np.abs(kept * 2.0**-target.frac - raw * 2.0**-source.frac)
    if not error.any():
        return kept, ""
    return kept, (
        f"{(error > 0).mean():.1%} of the values changed, largest error {error.max():.3g}, "
        f"{(kept != moved).mean():.1%} saturated"
    )


def _shift_lines(sim: Simulator, declared: dict) -> list[str]:
    """Logit shifts follow the membrane's fraction bits when these differ between the chips."""
    lines = []
    for k in sim.plan.circuits:
        if k.judged < 0:
            continue
        layer = sim.plan.layers[k.layer]
        text = declared.get(f"l{layer.index}_thr", {}).get("format")
        if text and (moved := layer.v_fmt.frac - Format.parse(text).frac):
            shift = sim.state[f"k{k.index}_shift"]
            shift[0] = max(0, int(shift[0]) + moved)
            lines.append(f"logit shift of {layer.name} moved by {moved} with the membrane's fraction bits")
    return lines
