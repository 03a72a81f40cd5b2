"""Fixtures that several test files share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from chipsim import cli as command_line

ROOT = Path(__file__).resolve().parent.parent


class Outcome(NamedTuple):
    """What a command did: exit status, stdout, stderr."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def data_dir() -> Path:
    """The folder of real data sets (CHIPSIM_DATA); skips without it."""
    folder = os.environ.get("CHIPSIM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set CHIPSIM_DATA to a folder with the data sets")
    return Path(folder)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no settings from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHIPSIM_PATH", raising=False)
    monkeypatch.delenv("CHIPSIM_DATA", raising=False)
    return tmp_path


@pytest.fixture
def chipsim(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Run a command line in an empty folder: chipsim("run", "./mine.py") -> Outcome."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["chipsim", *map(str, arguments)])
        capfd.readouterr()
        status: object = 0
        try:
            command_line.main()
        except SystemExit as stop:
            status = stop.code or 0
        return Outcome(int(status), *capfd.readouterr())

    return call
