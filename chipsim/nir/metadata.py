"""What chipsim adds to a NIR file, as one JSON text under the graph's metadata key `chipsim`.

Other tools pass over it; with it the very integers come back. Version 1 of the schema; a reader refuses
any other.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chipsim.errors import DataError, NetworkError
from chipsim.plain_json import check_of, sealed
from chipsim.text_file import parse_json

KEY = "chipsim"
SCHEMA = "chipsim.nir/1"
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Text = Field(max_length=400)
_Number = int | float


class Chip(BaseModel):
    """The chip that the numbers are of."""

    model_config = _STRICT
    name: str = Text
    sha256: str = Text


class Rule(BaseModel):
    """A connection's plasticity.

    text      the rule file; formats: register -> format, values: param or const -> number, as bound
    now       raw values of the parameters when the file was written
    program   what the bound program does, as JSON
    """

    model_config = _STRICT
    name: str = Text
    text: str = Field(max_length=1 << 18)
    engine: Literal["lines", "sum_of_products"]
    formats: dict[str, str] = Field(max_length=200)
    values: dict[str, _Number] = Field(max_length=200)
    now: dict[str, int] = Field(max_length=200)
    program: str = Field(max_length=1 << 20)


class LayerMeta(BaseModel):
    """A layer: its name, and the options of `Network` that NIR has no words for."""

    model_config = _STRICT
    name: str = Text
    payload_bits: int = Field(1, ge=1, le=8)
    membrane: str | None = Field(None, max_length=20)
    reset: Literal["soft", "hard"] | None = None
    refractory: int = Field(0, ge=0, le=1000)
    rectify: bool = False
    leak: Literal["multiply", "subtract"] = "multiply"
    leak_step: _Number = 0.0
    reset_current: bool = False
    homeostasis: list[_Number] | None = Field(None, min_length=2, max_length=2)

    def options(self) -> dict[str, Any]:
        """Options of `Network.lif` that are not the default, but for the reset."""
        made = self.model_dump(
            exclude={"name", "payload_bits", "membrane", "reset", "homeostasis"}, exclude_defaults=True
        )
        return made | ({"homeostasis": tuple(self.homeostasis)} if self.homeostasis else {})


class ConnectionMeta(BaseModel):
    """A connection: its name, weight format, and the sha256 of its integers (int32, in NIR's order)."""

    model_config = _STRICT
    name: str = Text
    w_range: _Number = Field(gt=0, le=2.0**40)
    bits: int = Field(ge=1, le=32)
    purpose: Literal["inference", "error"] = "inference"
    sparse: bool = False
    sha256: str = Text
    rule: Rule | None = None


class Meta(BaseModel):
    """Everything; layers and connections by the name of their node, layers in the order of the step.

    graph_sha256   over all nodes and edges (`graph.graph_sha256`)
    """

    model_config = _STRICT
    schema_: Literal["chipsim.nir/1"] = Field(SCHEMA, alias="schema")
    chipsim: str = Text
    title: str = Field("", max_length=400)
    chip: Chip
    dt_s: _Number = Field(gt=0, le=1e3)
    seed: int = Field(0, ge=0, le=2**64 - 1)
    layers: dict[str, LayerMeta] = Field(max_length=2000)
    connections: dict[str, ConnectionMeta] = Field(max_length=2000)
    graph_sha256: str = Text
    not_carried: list[str] = Field(default_factory=list, max_length=1000)

    def text(self) -> str:
        """As it stands in the file: with a sha256 over itself."""
        return sealed(self.model_dump(by_alias=True, exclude_none=True)).decode()


def weights_sha256(raw: np.ndarray) -> str:
    """sha256 of integer weights as int32, little endian, in the order given."""
    return hashlib.sha256(np.ascontiguousarray(raw, "<i4").tobytes()).hexdigest()


def metadata_of(values: dict[str, Any], where: str) -> Meta | None:
    """What chipsim wrote into a graph's metadata, None where it did not. Raises DataError, NetworkError."""
    text = values.get(KEY)
    if text is None:
        return None
    where = f"{where}: metadata '{KEY}'"
    if not isinstance(text, str):
        raise DataError("is no text", where=where)
    try:
        value = parse_json(text)
    except ValueError as error:
        raise DataError(f"{error}", where=where) from None
    version = value.get("schema") if isinstance(value, dict) else None
    if version != SCHEMA:
        raise NetworkError(
            f"schema {str(version)[:60]!r}; this version reads '{SCHEMA}'",
            where=where,
            remedy="use the chipsim that wrote it, or give --ignore-metadata to read the plain graph",
        )
    if value.pop("check", None) != check_of(value):
        raise DataError(
            "are not what chipsim wrote (sha256)",
            where=where,
            remedy="do not edit them; give --ignore-metadata to read the plain graph",
        )
    try:
        return Meta.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))[:200]
        raise DataError(
            f"{place}: {first['msg']}",
            where=where,
            remedy="do not edit it; give --ignore-metadata to read the plain graph",
        ) from None
