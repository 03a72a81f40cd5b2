"""What every table of a chip file is made of: strict tables, counts, widths, words for None."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Evidence = Literal["M", "S", "A", "RTL", "SW", "D", "V", "mem"]
Width = Annotated[int, Field(ge=1, le=32)]
Count = Annotated[int, Field(ge=0)]
Sentence = Annotated[str, Field(min_length=1)]
Energy = Annotated[float, Field(ge=0)]  # joules, watts or seconds: never below 0


def word(text: str) -> BeforeValidator:
    """A word that a file may write instead of a value: it is read as None."""
    return BeforeValidator(lambda value: None if value == text else value)


Unlimited = Annotated[Count | None, word("unlimited")]


class Table(BaseModel):
    """No key beyond the declared ones, no conversion of types, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
