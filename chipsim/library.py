"""Finds rules, chips and experiments by name: the file system is the registry.

A name is looked up in the folders of CHIPSIM_PATH (separated like PATH; files may lie in the folder
itself or in its `rules/`, `hw_models/`, `experiments/`), then in the shipped folder: inside the
installed package, or beside it in a checkout. `./mine.rule` or any path is taken as it is.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import NamedTuple

from chipsim.errors import SettingError, did_you_mean


class Shelf(NamedTuple):
    """Where one kind of file lies and how its name ends."""

    folder: str
    suffix: str


SHELVES = {
    "rule": Shelf("rules", ".rule"),
    "chip": Shelf("hw_models", ".toml"),
    "experiment": Shelf("experiments", ".py"),
}
KINDS = tuple(SHELVES)
PACKAGE = Path(__file__).resolve().parent


def find(kind: str, name: str | os.PathLike[str]) -> Path:
    """The file of a rule, chip or experiment, given by name or by path.

    kind: `rule`, `chip` or `experiment`. Raises SettingError with the nearest name and the list.
    """
    text = os.fspath(name)
    if looks_like_path(kind, text):
        return _file(kind, text)
    known = entries(kind)
    if text in known:
        return known[text]
    listed = ", ".join(known) or "none"
    raise SettingError(
        f"no {kind} named '{text}'{did_you_mean(text, known)}; known: {listed}",
        remedy=f"give one of these, a file as ./NAME{SHELVES[kind].suffix}, or put its folder on "
        f"CHIPSIM_PATH (looked in {', '.join(map(str, folders(kind)))})",
    )


def looks_like_path(kind: str, name: str) -> bool:
    """True for `./mine.rule`, `sub/mine`, `mine.rule`; False for a bare name."""
    return name.endswith(SHELVES[kind].suffix) or "/" in name or os.sep in name


def names(kind: str) -> list[str]:
    """Every name that `find` knows, sorted."""
    return list(entries(kind))


def entries(kind: str) -> dict[str, Path]:
    """Name -> file of everything on the shelf, sorted by name; the first folder wins."""
    suffix = SHELVES[kind].suffix
    found: dict[str, Path] = {}
    for folder in folders(kind):
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            if path.suffix == suffix and path.name[0] not in "._" and path.is_file():
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def folders(kind: str) -> list[Path]:
    """The folders searched for one kind, in order: CHIPSIM_PATH, then the shipped one."""
    shelf = SHELVES[kind].folder
    own = [Path(part).expanduser() for part in os.environ.get("CHIPSIM_PATH", "").split(os.pathsep) if part]
    return [place for folder in own for place in (folder, folder / shelf)] + [shipped(kind)]


def shipped(kind: str) -> Path:
    """The folder that comes with chipsim: inside the package, else beside it (a checkout)."""
    shelf = SHELVES[kind].folder
    inside = PACKAGE / shelf
    return inside if inside.is_dir() else PACKAGE.parent / shelf


def summary(path: Path) -> str:
    """One line that tells what a file is: a script's docstring, else its first comment's sentence."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".py":
        try:
            doc = ast.get_docstring(ast.parse(text)) or ""
        except SyntaxError as error:
            return f"(line {error.lineno} is no Python: {error.msg})"
        except (ValueError, RecursionError, MemoryError):
            return "(no Python)"
        return doc.split("\n", 1)[0].strip()
    paragraph = []
    for line in text.splitlines():
        comment = line.lstrip("#").strip() if line.startswith("#") else ""
        if not comment and paragraph:
            break
        paragraph += [comment] if comment else []
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(paragraph), maxsplit=1)[0]


def _file(kind: str, text: str) -> Path:
    """An explicit path, checked: a file of the right kind."""
    path, suffix = Path(text).expanduser(), SHELVES[kind].suffix
    if path.suffix != suffix:
        raise SettingError(
            f"'{text}' is no {kind} file; these end in {suffix}", remedy=f"rename it, or give a known {kind}"
        )
    if path.is_file():
        return path
    what = "is a folder" if path.is_dir() else "does not exist"
    near = did_you_mean(path.stem, names(kind)).replace("did you mean", "did you mean the shipped")
    raise SettingError(
        f"{kind} file '{text}' {what}{near}",
        remedy=f"give an existing {suffix} file or one of: {', '.join(names(kind))}",
    )
