"""Text, TOML and JSON from anywhere: bounded in bytes and in depth; whatever is wrong is a ValueError.

The parsers of the standard library recurse, take time that grows with the square of a key's length, and
raise some five kinds of errors on hostile text; their callers here meet one.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_TEXT = 1 << 20  # bytes of a file that somebody typed
DEEPEST = 64  # levels of tables and lists
# from the start of a word only: a word of a megabyte would else be tried from each of its characters
_LONG_KEY = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]+[ \t]*\.[ \t]*){{{DEEPEST}}}")


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """The UTF-8 text of a file of at most `most` bytes. Raises ValueError, OSError."""
    return decoded(read_bytes(path, most))


def read_bytes(path: Path, most: int = MOST_TEXT) -> bytes:
    """The bytes of a file, at most `most`. Raises ValueError, OSError."""
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # a pipe would never end
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"more than {most} bytes")
    return data


def decoded(data: bytes) -> str:
    """Bytes as UTF-8 text. Raises ValueError with the place of the first byte that is none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The table in a TOML text. Raises ValueError."""
    if _LONG_KEY.search(text):
        raise ValueError(f"a key of more than {DEEPEST} parts")
    try:
        return _shallow(tomllib.loads(text))
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from None
    except OverflowError as error:  # of a date
        raise ValueError(str(error)) from None


def parse_json(text: str | bytes) -> Any:
    """The value in a JSON text. Raises ValueError."""
    try:
        return _shallow(json.loads(text))
    except RecursionError:
        raise ValueError(f"no JSON (nested deeper than {DEEPEST} levels)") from None
    except ValueError as error:
        raise ValueError(f"no JSON ({error})") from None


def _shallow(value: Any) -> Any:
    """The value, if it is nested no deeper than DEEPEST: what reads it further may recurse."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = [item for item in inner if isinstance(item, dict | list)]
    return value
