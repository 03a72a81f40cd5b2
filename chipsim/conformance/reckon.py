"""Vectors of ReckOn's public RTL, module by module and end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chipsim.conformance.reckon_cases import replay
from chipsim.conformance.reckon_modules import KINDS
from chipsim.conformance.vectors import Result, run_kinds


def run(folder: Path) -> Iterator[Result]:
    """Every file reckon_* of a folder."""
    return run_kinds(folder, "reckon", {"reckon_e2e_*.json.gz": replay, **KINDS})
