"""A page goes to stdout, or into a folder as NAME.md."""

from __future__ import annotations

from pathlib import Path

from chipsim.errors import SettingError


def give(name: str, text: str, folder: Path | None) -> None:
    """Print a page, or write it; SettingError where the folder cannot be written to."""
    if folder is None:
        print(text, end="")
        return
    try:
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingError(
            f"--out {folder}: {error.strerror}", remedy="give a folder that exists and can be written to"
        ) from None
