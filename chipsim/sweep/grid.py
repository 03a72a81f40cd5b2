"""The grid of a sweep: `--grid KEY=a,b,c`, and the cells it means.

A key is `rule`, `chip`, or a setting as after --set. Values are separated by commas; a value that
holds commas itself stands in brackets: `hidden=[256,128],[64]`. Every grid point is run with the same
seeds, so that points can be compared seed by seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipsim.cell import Cell
from chipsim.errors import SettingError
from chipsim.library import find, looks_like_path
from chipsim.settings import parse_assignment

MOST = 100_000  # cells of one sweep


@dataclass(frozen=True)
class Request:
    """What a sweep was asked for.

    axes   key -> values, in the order given
    sets   settings of every cell, key=value
    """

    experiment: str
    rule: str | None
    chip: str | None
    axes: Mapping[str, tuple[str, ...]]
    sets: tuple[str, ...]
    seed: int
    seeds: int

    def plain(self) -> dict[str, Any]:
        """As a manifest holds it."""
        axes = {key: list(values) for key, values in self.axes.items()}
        names = {"experiment": self.experiment, "rule": self.rule, "chip": self.chip}
        return names | {"grid": axes, "sets": list(self.sets), "seed": self.seed, "seeds": self.seeds}


@dataclass(frozen=True)
class Point:
    """A cell and where it lies in the grid."""

    cell: Cell
    at: Mapping[str, str]


def parse_grid(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """{key: values} of all `--grid` texts; SettingError for an empty, a doubled or a repeated value."""
    axes: dict[str, tuple[str, ...]] = {}
    for text in texts:
        if "=" not in text:
            raise SettingError(
                f"--grid {text}: not of the form key=a,b,c", remedy="for example rule=decolle,ell"
            )
        key, listed = parse_assignment(text)
        values = tuple(_split(listed, text))
        if key in axes or len(set(values)) != len(values) or not values or "" in values:
            raise SettingError(
                f"--grid {text}: every key once, every value once, none empty",
                remedy="for example --grid weight.bits=4,8 --grid rule=decolle,ell",
            )
        axes[key] = values
    return axes


def _split(listed: str, text: str) -> list[str]:
    """Cut at commas outside brackets."""
    parts, depth = [""], 0
    for letter in listed:
        depth += (letter in "[(") - (letter in "])")
        if depth < 0:
            break
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise SettingError(f"--grid {text}: a bracket is missing", remedy="write [256,128],[64]")
    return [part.strip() for part in parts]


def points(request: Request, rule: str | None, chip: str) -> list[Point]:
    """All cells: grid points in the order of the axes, each with all seeds.

    rule, chip  of cells whose grid does not say; paths become absolute, for workers elsewhere.
    """
    axes = request.axes
    total = request.seeds
    for values in axes.values():
        total *= len(values)
    if total > MOST:
        raise SettingError(f"{total} cells; at most {MOST}", remedy="give fewer values or seeds")
    found = []
    for values in itertools.product(*axes.values()):
        at = dict(zip(axes, values, strict=True))
        own = tuple(f"{key}={value}" for key, value in at.items() if key not in ("rule", "chip"))
        names = _anywhere("rule", at.get("rule", rule)), _anywhere("chip", at.get("chip", chip))
        for k in range(request.seeds):
            seed = request.seed + k
            experiment = _anywhere("experiment", request.experiment)
            found.append(Point(Cell(experiment, *names, seed, (*request.sets, *own)), at))
    return found


def _anywhere(kind: str, name: str | None) -> str | None:
    """A name as it is, a path made absolute."""
    if name is None or not looks_like_path(kind, name):
        return name
    return str(Path(find(kind, name)).resolve())
