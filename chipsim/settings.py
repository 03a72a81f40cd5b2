"""`--set key=value`: text into the typed settings that an experiment declares.

An experiment declares `class Settings(pydantic.BaseModel)`; its fields are the keys. A field may
also be reached with a dot: `FIELD.key` for a field that is a dict or a model, and `x.format=u7.4`
for the register formats where the experiment has a field `formats`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo

from chipsim.errors import SettingError, did_you_mean
from chipsim.fixed import Format

WORDS = re.compile(r"\^\(([\w|]+)\)\$")  # the pattern of a setting that takes one of some words


class ExperimentSettings(BaseModel):
    """A base for settings: unknown keys refused, values frozen, defaults checked.

    Texts of a field `formats` must be register formats such as u7.4.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("formats", check_fields=False)
    @classmethod
    def _formats(cls, formats: dict[str, str]) -> dict[str, str]:
        for name, text in formats.items():
            try:
                Format.parse(text)
            except ValueError as error:
                raise ValueError(f"{name}.format: {error}") from None
        return formats


def make_settings(
    model: type[BaseModel], assignments: Iterable[str], base: dict[str, Any] | None = None
) -> BaseModel:
    """The settings of `model`: its defaults, `base` (a preset, typed), then `key=value` texts in order.

    Raises SettingError for an unknown key, a key given twice, or a value outside its type.
    """
    where = getattr(base, "where", None)
    chosen = _based(model, base or {}, where)
    seen: set[str] = set()
    for text in assignments:
        key, value = parse_assignment(text)
        if key in seen:
            raise SettingError(f"setting '{key}' is given twice", remedy=f"keep one --set {key}=...")
        seen.add(key)
        field, inner = _place(model, key)
        if inner is None:
            chosen[field] = _typed(model, field, value, key)
        else:
            chosen[field] = {**chosen.get(field, _default(model, field)), inner: value}
    try:
        settings = model.model_validate(_by_alias(model, chosen))
    except ValidationError as error:
        place = _given(error.errors()[0]["loc"][:1], seen) or where
        raise _refusal(error, ", ".join(sorted(seen)) or "defaults", where=place) from None
    for field in chosen:
        if not _finite(getattr(settings, field)):
            key = model.model_fields[field].alias or field
            place = _given((key,), seen) or where
            raise SettingError(f"setting '{key}' is not finite", where=place, remedy="give a finite value")
    return settings


def _given(keys: Sequence[object], seen: Iterable[str]) -> str | None:
    """`--set KEY` where one of these keys, or something inside it, was given there."""
    for key in map(str, keys):
        if any(name == key or name.startswith(f"{key}.") for name in seen):
            return f"--set {key}"
    return None


def _based(model: type[BaseModel], base: dict[str, Any], where: str | None) -> dict[str, Any]:
    """A preset by field name; it may hold whole dictionaries."""
    try:
        return {_place(model, key)[0]: value for key, value in base.items()}
    except SettingError as error:
        raise SettingError(error.message, where=where, remedy=error.remedy) from None


def parse_assignment(text: str) -> tuple[str, str]:
    """Split `key=value`; SettingError for anything else."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingError(f"--set {text}: not of the form key=value", remedy="for example --set epochs=5")
    return key.strip(), value.strip()


def describe(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """(key, type, default, description) of every setting, for help texts and lists."""
    rows = []
    for name, field in model.model_fields.items():
        plain = isinstance(field.annotation, type) and get_origin(field.annotation) is None
        kind = field.annotation.__name__ if plain else str(field.annotation)
        default = (
            "required" if field.is_required() else _as_typed(field.get_default(call_default_factory=True))
        )
        rows.append((field.alias or name, kind.replace("typing.", ""), default, field.description or ""))
    return rows


def settings_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of an experiment's settings, keys as after --set."""
    schema = model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _as_typed(value: Any) -> str:
    """A default as one would write it after `--set key=`."""
    if isinstance(value, tuple | list):
        return ",".join(map(_as_typed, value))
    if isinstance(value, dict):
        return "none" if not value else ",".join(f"{key}:{_as_typed(inner)}" for key, inner in value.items())
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _place(model: type[BaseModel], key: str) -> tuple[str, str | None]:
    """Field and inner key that `key` means; inner None for the field itself."""
    fields = {field.alias or name: name for name, field in model.model_fields.items()}
    if key in fields:
        return fields[key], None
    head, dot, tail = key.partition(".")
    if dot and head in fields and _has_keys(model.model_fields[fields[head]]):
        return fields[head], tail
    if dot and tail == "format" and "formats" in fields:
        return fields["formats"], head
    listed = ", ".join(fields) or "none"
    raise SettingError(
        f"no setting named '{key}'{did_you_mean(key, fields)}; this experiment has: {listed}",
        remedy="correct the key of --set, or add the setting to the experiment's class Settings",
    )


def _has_keys(field: FieldInfo) -> bool:
    kind = get_origin(field.annotation) or field.annotation
    return isinstance(kind, type) and issubclass(kind, dict | BaseModel)


def _default(model: type[BaseModel], name: str) -> dict[str, Any]:
    field = model.model_fields[name]
    if field.is_required():
        return {}
    value = field.get_default(call_default_factory=True)
    return value.model_dump() if isinstance(value, BaseModel) else dict(value)


def _typed(model: type[BaseModel], name: str, text: str, key: str) -> Any:
    """The value of one field: as text, as a comma-separated list, or none; the first that fits."""
    candidates: list[Any] = [text, [part.strip() for part in text.strip("[]()").split(",") if part.strip()]]
    if text.lower() == "none":
        candidates.append(None)
    refused = None
    for candidate in candidates:
        try:
            return getattr(_assign(model, name, candidate), name)
        except ValidationError as error:
            if refused is None or refused.errors()[0]["type"] == "tuple_type":
                refused = error  # a list's own refusal says more than "no tuple"
    raise _refusal(refused, key, text)


def _assign(model: type[BaseModel], name: str, value: Any) -> BaseModel:
    """A copy of the unchecked model with one checked field."""
    blank = model.model_construct()
    model.__pydantic_validator__.validate_assignment(blank, name, value)
    return blank


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list | tuple) else True


def _by_alias(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    return {model.model_fields[name].alias or name: value for name, value in values.items()}


def _refusal(
    error: ValidationError, key: str, text: str | None = None, where: str | None = None
) -> SettingError:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    words = WORDS.fullmatch(str(first.get("ctx", {}).get("pattern", "")))
    if words:
        known = words[1].split("|")
        reason = f"unknown{did_you_mean(str(first['input']), known)}; one of {', '.join(known)}"
    what = f"--set {key}={text}" if text is not None else f"setting {'.'.join(map(str, first['loc'])) or key}"
    got = "" if text is not None else f" (got {first['input']!r})"
    return SettingError(
        f"{what}: {reason[:1].lower()}{reason[1:]}{got}",
        where=where,
        remedy="give a value of that type and range",
    )


def restore_settings(model: type[BaseModel], stored: dict[str, Any]) -> BaseModel:
    """The settings of an earlier run, from its manifest; SettingError where they no longer fit."""
    try:
        return model.model_validate(stored)
    except ValidationError as error:
        raise _refusal(error, "stored") from None
