"""Fixtures that several test files share."""

from __future__ import annotations

import os
import shutil
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


# ---------------------------------------------------------------- browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium: the system's, else the one that playwright installed; skips with the reason."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed (extra `browser`)")
    with sync_playwright() as play:
        own = play.chromium.executable_path
        path = next(filter(None, map(shutil.which, BROWSERS)), own if Path(own).exists() else None)
        if path is None:
            pytest.skip("no chromium or chrome here, and `playwright install chromium` was not done")
        try:
            started = play.chromium.launch(executable_path=path, args=list(QUIET))
        except Error as error:
            pytest.skip(f"{path} does not start: {str(error).splitlines()[0]}")
        yield started
        started.close()


def pytest_terminal_summary(terminalreporter) -> None:
    """One line on how many browser tests ran, or why none did."""
    stats = terminalreporter.stats

    def marked(*keys: str) -> list:  # a file that is skipped as a whole has no keywords
        return [r for key in keys for r in stats.get(key, ()) if "browser" in getattr(r, "keywords", ())]

    ran, skipped = marked("passed", "failed"), marked("skipped")
    if ran:
        failed = sum(r.failed for r in ran)
        terminalreporter.write_line(f"browser tests: {len(ran)} ran, {failed} failed, {len(skipped)} skipped")
    elif skipped:
        reason = skipped[0].longrepr[2] if isinstance(skipped[0].longrepr, tuple) else skipped[0].longrepr
        reason = str(reason).removeprefix("Skipped: ")
        terminalreporter.write_line(f"browser tests: none ran, {len(skipped)} skipped: {reason}")
