"""The table of a sweep: one row per cell, and mean and interval of its scores per grid point."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.durable import write
from chipsim.run_folder import to_json
from chipsim.sweep.grid import Point

LEVEL = 0.95  # of the interval: Student's t over the seeds of a point
TIMES = ("wall_s", "cpu_s")  # what differs when a cell is computed twice


def row(point: Point, result: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """One cell: where it lies in the grid, its status, scores, digest, energy, memory, times."""
    cell = point.cell
    named = {"experiment": Path(cell.experiment).stem, "rule": _stem(cell.rule), "chip": _stem(cell.chip)}
    where = named | {key: _stem(value) if key in named else value for key, value in point.at.items()}
    where["seed"] = cell.seed
    if "error" in result:
        return where | {"status": "failed", "reason": result["error"], "folder": folder}
    return where | {"status": "complete", "reason": None, **scores(result), "folder": folder}


def scores(result: Mapping[str, Any]) -> dict[str, Any]:
    """The single numbers of a result by dotted name, its digest and times."""
    found: dict[str, Any] = {}
    for name, value in (result.get("accuracy") or {}).items():
        found[f"accuracy.{name}"] = value
    for name, value in result.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in ("seed", *TIMES):
            found[name] = value
    sample = result.get("per_sample") or {}
    for name in ("learned", "tested", "memory_bits"):
        if isinstance(sample.get(name), dict):
            found[f"per_sample.{name}"] = sum(sample[name].values())
    found["energy.priced_J"] = (result.get("energy") or {}).get("priced_J")
    return found | {"digest": result.get("digest")} | {name: result.get(name) for name in TIMES}


def means(rows: Sequence[Mapping[str, Any]], keys: Sequence[str], score: str) -> list[dict[str, Any]]:
    """One row per grid point: n, failed, mean, standard deviation and the interval of the score.

    The interval (95 %, Student's t) is None below two seeds. Order: that of the rows.
    """
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for item in rows:
        groups.setdefault(tuple(item[key] for key in keys), []).append(item)
    found = []
    for at, members in groups.items():
        values = [x[score] for x in members if x.get(score) is not None]
        failed = sum(x["status"] == "failed" for x in members)
        found.append(
            dict(zip(keys, at, strict=True)) | {"score": score, "failed": failed, **interval(values)}
        )
    return found


def interval(values: Sequence[float]) -> dict[str, Any]:
    """n, mean, standard deviation and 95 % interval of some numbers."""
    x = np.asarray(values, np.float64)
    found = {"n": len(x), "mean": None, "std": None, "low": None, "high": None}
    if len(x):
        found["mean"] = float(x.mean())
    if len(x) > 1:
        from scipy.stats import t

        found["std"] = float(x.std(ddof=1))
        half = float(t.ppf((1 + LEVEL) / 2, len(x) - 1)) * found["std"] / math.sqrt(len(x))
        found |= {"low": found["mean"] - half, "high": found["mean"] + half}
    return found


def store(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> None:
    """NAME.csv and NAME.parquet; the Parquet file carries the manifest under the key `chipsim`.

    Raises RunError where they cannot be written.
    """
    import pandas
    import pyarrow
    import pyarrow.parquet

    heads = list(dict.fromkeys(key for item in rows for key in item))
    frame = pandas.DataFrame([{key: item.get(key) for key in heads} for item in rows], columns=heads)
    write(folder / f"{name}.csv", frame.to_csv(index=False).encode())
    packed = pyarrow.Table.from_pandas(frame, preserve_index=False)
    about = json.dumps(json.loads(to_json(manifest)), sort_keys=True).encode()
    packed = packed.replace_schema_metadata({**(packed.schema.metadata or {}), b"chipsim": about})
    sink = io.BytesIO()
    pyarrow.parquet.write_table(packed, sink)
    write(folder / f"{name}.parquet", sink.getvalue())


def _stem(name: str | None) -> str | None:
    return Path(name).stem if name and "/" in name else name
