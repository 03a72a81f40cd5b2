"""Reads a chip file and refuses anything left open, misspelt or without a source.

The rules of the file: every field of `schema.py` is set, or named in `unknown = [...]` (then None);
every event of an energy profile is priced, included in another price, or unknown; every number has
an entry in `[src]`, under its own dotted key or that of a table above it.
"""

from __future__ import annotations

import hashlib
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from chipsim.chip.prices import EVENTS, TIMED
from chipsim.chip.schema import Chip, Source, source_for
from chipsim.errors import ChipError, did_you_mean
from chipsim.library import find
from chipsim.text_file import decoded, parse_toml, read_bytes

SCHEMA = 1
_ADDED = ("path", "sha256", "sources")  # by this loader, never in the file
_OPEN = "set it, or name it in `unknown = [...]` if no source states it"


def load_chip(name_or_path: str | Path) -> Chip:
    """Read a shipped chip by name, or a chip file by path. Raises ChipError, SettingError."""
    path = Path(find("chip", str(name_or_path)))
    try:
        data = read_bytes(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ChipError(f"cannot be read: {reason}", where=str(path)) from error
    return parse_chip(data, str(path))


def parse_chip(data: bytes, path: str) -> Chip:
    """The chip in a file's bytes; `path` is what errors name. Raises ChipError."""
    try:
        return _parse(data, path)
    except RecursionError:
        raise ChipError(
            "its tables are nested too deeply", where=path, remedy="a chip file needs three levels"
        ) from None


def _parse(data: bytes, path: str) -> Chip:
    table = _parse_toml(data, path)
    sources = _take_header(table, path)
    unknown = table["unknown"]
    known_keys = set(_keys(table))
    _apply_unknown(table, unknown, path)
    _check_prices(table, unknown, path)
    _attach_price_sources(table, sources)
    table |= {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "sources": sources}
    try:
        chip = Chip.model_validate(_tuples(table))
    except ValidationError as error:
        _refuse(error, unknown, path)
    _check_sources(table, sources, known_keys | set(unknown), path)
    return chip


def chip_json_schema() -> dict[str, Any]:
    """JSON schema of a chip file (TOML read as JSON), for editors and other tools."""
    schema = Chip.model_json_schema()
    schema["title"] = "chipsim chip file"
    source = schema["properties"]["sources"]
    for name in _ADDED:
        del schema["properties"][name]
    schema["properties"] |= {"schema": {"const": SCHEMA}, "src": source}
    schema["required"] = ["schema", "unknown", "src"]  # other fields may be named in `unknown`
    for name in ("source", "evidence"):
        del schema["$defs"]["Price"]["properties"][name]
    for part in schema["$defs"].values():
        part.pop("required", None)
    schema["$defs"]["Source"]["required"] = ["cite", "evidence"]
    return schema


def _parse_toml(data: bytes, path: str) -> dict[str, Any]:
    try:
        text = decoded(data)
    except ValueError as error:
        raise ChipError(str(error), where=path) from error
    try:
        return parse_toml(text)
    except ValueError as error:
        raise ChipError(f"is not TOML: {error}", where=path) from error


def _take_header(table: dict[str, Any], path: str) -> dict[str, Source]:
    """Pop schema and src, check unknown, and return the sources."""
    version = table.pop("schema", None)
    if version != SCHEMA:
        said = "no `schema` line" if version is None else f"schema {version!r}"
        raise ChipError(
            f"{said}; this chipsim reads schema {SCHEMA}", where=f"{path}:schema", remedy="schema = 1"
        )
    unknown = table.get("unknown")
    if not isinstance(unknown, list) or not all(isinstance(key, str) for key in unknown):
        raise ChipError(
            "must be a list of dotted keys", where=f"{path}:unknown", remedy="unknown = [] if all is set"
        )
    for name in _ADDED:
        if name in table:
            raise ChipError(f"unknown key '{name}'{did_you_mean(name, ['src'])}", where=f"{path}:{name}")
    raw = table.pop("src", {})
    if not isinstance(raw, dict):
        raise ChipError("must be a table", where=f"{path}:src", remedy="[src]")
    return {key: _source(key, value, path) for key, value in raw.items()}


def _source(key: str, value: Any, path: str) -> Source:
    try:
        return Source.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        where = f'{path}:src."{key}"' + (f".{name}" if name else "")
        known = did_you_mean(name, Source.model_fields) if first["type"] == "extra_forbidden" else ""
        raise ChipError(
            f"{first['msg']}{known}",
            where=where,
            remedy='write "dotted.key" = { cite = "...", evidence = "M|S|A|RTL|SW|D|V|mem" }',
        ) from error


def _apply_unknown(table: dict[str, Any], unknown: list[str], path: str) -> None:
    """Set every unknown key to None (`energy` to no profile; an unknown price stays absent)."""
    for key in unknown:
        *above, last = key.split(".")
        place = table
        for part in above:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise ChipError(f"'{key}' names nothing in this file", where=f"{path}:unknown")
        if last in place:
            raise ChipError(
                f"'{key}' is set and also named unknown", where=f"{path}:{key}", remedy="keep one of the two"
            )
        if key == "energy" or (len(above) == 2 and above[0] == "energy" and last == "prices"):
            place[last] = {}
        elif not (above and above[0] == "energy" and above[-1] in ("prices", "events")):
            place[last] = None


def _check_prices(table: dict[str, Any], unknown: list[str], path: str) -> None:
    """Every event of a profile: exactly one of priced, included in another price, unknown."""
    profiles = table.get("energy")
    for name, profile in profiles.items() if isinstance(profiles, dict) else ():
        if not isinstance(profile, dict) or not isinstance(profile.get("prices"), dict):
            continue  # the schema refuses it with the place
        prices = profile["prices"]
        base = f"energy.{name}.prices"
        meta = profile.get("meta")
        includes = meta.get("includes", []) if isinstance(meta, dict) else []
        for event in prices:
            _known_event(event, f"{path}:{base}.{event}")
            if isinstance(includes, list) and event in includes:
                raise ChipError(
                    "is priced and also in meta.includes: it would be charged twice",
                    where=f"{path}:{base}.{event}",
                    remedy="remove one of the two",
                )
        for key in unknown:
            if key.startswith(base + "."):
                _known_event(key.rpartition(".")[2], f"{path}:unknown")
        for event in EVENTS if base not in unknown else ():
            if event not in prices and event not in includes and f"{base}.{event}" not in unknown:
                raise ChipError("not declared", where=f"{path}:{base}.{event}", remedy=_OPEN)
        _check_times(name, profile.get("times"), unknown, path)


def _check_times(name: str, times: Any, unknown: list[str], path: str) -> None:
    """Every timed event of a profile that has times: set or unknown."""
    events = times.get("events") if isinstance(times, dict) else None
    base = f"energy.{name}.times.events"
    for event in TIMED if isinstance(events, dict) else ():
        if event not in events and f"{base}.{event}" not in unknown:
            raise ChipError("not declared", where=f"{path}:{base}.{event}", remedy=_OPEN)


def _known_event(event: str, where: str) -> None:
    if event not in EVENTS:
        raise ChipError(
            f"unknown event '{event}'{did_you_mean(event, EVENTS)}",
            where=where,
            remedy=f"one of {', '.join(EVENTS)}",
        )


def _attach_price_sources(table: dict[str, Any], sources: dict[str, Source]) -> None:
    profiles = table.get("energy")
    for name, profile in profiles.items() if isinstance(profiles, dict) else ():
        prices = profile.get("prices") if isinstance(profile, dict) else None
        for event, price in prices.items() if isinstance(prices, dict) else ():
            source = source_for(f"energy.{name}.prices.{event}", sources)
            if source is not None and isinstance(price, dict):
                price["source"], price["evidence"] = source.cite, source.evidence


def _check_sources(table: dict[str, Any], sources: dict[str, Source], keys: set[str], path: str) -> None:
    for key in sources:
        if key not in keys:
            raise ChipError(
                f"'{key}' is not in this file{did_you_mean(key, keys)}", where=f'{path}:src."{key}"'
            )
    for key in _numbers({k: v for k, v in table.items() if k not in (*_ADDED, "unknown")}):
        if source_for(key, sources) is None:
            raise ChipError(
                "a number without a source",
                where=f"{path}:{key}",
                remedy=f'[src] "{key}" = {{ cite = "...", evidence = "..." }}, or for the table above it',
            )


def _keys(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all leaves and tables."""
    for name, value in table.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _numbers(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all numbers and lists of numbers."""
    for name, value in table.items():
        first = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(first, int | float) and not isinstance(first, bool):
            yield prefix + name


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value


def _refuse(error: ValidationError, unknown: list[str], path: str) -> NoReturn:
    """Raise the first mistake found by the schema, unknown keys before missing ones."""
    rank = {"extra_forbidden": 0, "missing": 1}
    first = min(error.errors(), key=lambda item: rank.get(item["type"], 2))
    loc = [part for part in first["loc"] if isinstance(part, str)]
    key = ".".join(loc)
    where = f"{path}:{key}" if key else path
    if first["type"] == "extra_forbidden":
        known = [name for name in _fields_at(loc[:-1]) if name not in _ADDED]
        raise ChipError(
            f"unknown key '{loc[-1]}'{did_you_mean(loc[-1], known)}",
            where=where,
            remedy=f"one of {', '.join(known)}",
        ) from error
    if first["type"] == "missing":
        raise ChipError("not declared", where=where, remedy=_OPEN) from error
    if key in unknown:
        raise ChipError("cannot be unknown: chipsim computes with it", where=where) from error
    said = "" if isinstance(first["input"], dict | BaseModel) else f", found {first['input']!r}"
    text = first["msg"].removeprefix("Value error, ")
    raise ChipError(text + said, where=where) from error


def _fields_at(loc: list[str]) -> list[str]:
    """Names of the fields a table may have."""
    model: Any = Chip
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = _inner(model.model_fields[part].annotation) if part in model.model_fields else None
        elif typing.get_origin(model) is dict:
            model = _inner(typing.get_args(model)[1])
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _inner(kind: Any) -> Any:
    """`X` of `X | None`."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return next(arg for arg in typing.get_args(kind) if arg is not type(None))
    return kind
