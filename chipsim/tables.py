"""Tables over seeds: mean, standard deviation, paired differences; as Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def spread(values: Sequence[float], scale: float = 100.0) -> str:
    """`97.72 +- 0.11` in percent: mean and sample standard deviation; one value stands alone."""
    x = np.asarray([v for v in values if v is not None], np.float64) * scale
    if not len(x):
        return "-"
    if len(x) == 1:
        return f"{x[0]:.2f}"
    return f"{x.mean():.2f} +- {x.std(ddof=1):.2f}"


def paired(a: Sequence[float], b: Sequence[float], scale: float = 100.0) -> str:
    """Mean of a - b over the same seeds with its standard error, signed."""
    d = (np.asarray(a, np.float64) - np.asarray(b, np.float64)) * scale
    if not len(d):
        return "-"
    error = f" ({d.std(ddof=1) / math.sqrt(len(d)):.2f})" if len(d) > 1 else ""
    return f"{d.mean():+.2f}{error}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table; all keys in the order of their first row are its head, missing values stand
    as `-`."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_text(row.get(key)) for key in head) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "/")


def store(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], raw: Any = None) -> str:
    """Write NAME.md (the table) and NAME.json (rows, and every value behind them); returns the text."""
    text = markdown(rows)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    body = {"rows": list(rows), "values": raw}
    (folder / f"{name}.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return text
