"""What a search may choose (`--over KEY=...`) and what it wants (`--objective max:NAME`).

--over rate=4..9            whole numbers
--over max_rate=0.1..0.9    real numbers
--over k=1e-3..1e-1:log     on a logarithmic scale
--over rule=decolle,ell     one of some; also `chip`, and values in brackets
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chipsim.errors import SettingError
from chipsim.settings import parse_assignment
from chipsim.sweep.grid import parse_grid

RANGE = re.compile(r"(-?[\d.]+(?:e-?\d+)?)\.\.(-?[\d.]+(?:e-?\d+)?)(:log)?")


@dataclass(frozen=True)
class Choice:
    """One key: a list of words, or a range of whole or real numbers."""

    key: str
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False

    def suggest(self, trial: Any) -> str:
        """The value of an optuna trial, as text after `KEY=`."""
        if self.words:
            return trial.suggest_categorical(self.key, self.words)
        if self.whole:
            return str(trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log))
        return repr(trial.suggest_float(self.key, self.low, self.high, log=self.log))


@dataclass(frozen=True)
class Objective:
    """A number of the result by its dotted name, to be made large or small."""

    name: str
    direction: str  # maximize | minimize


def parse_choices(texts: Sequence[str]) -> list[Choice]:
    """All `--over` texts; SettingError for an empty or reversed range, a repeated key or value."""
    if not texts:
        raise SettingError("nothing to search over", remedy="for example --over rate=4..9")
    found: list[Choice] = []
    for text in texts:
        key, value = parse_assignment(text)
        if key in [x.key for x in found]:
            raise SettingError(f"--over {key} is given twice", remedy="keep one")
        match = RANGE.fullmatch(value)
        found.append(_range(text, key, match) if match else Choice(key, parse_grid([text])[key]))
    return found


def _range(text: str, key: str, match: re.Match) -> Choice:
    try:
        low, high = float(match[1]), float(match[2])
    except ValueError:
        low, high = math.nan, math.nan
    log = match[3] is not None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (log and low <= 0):
        raise SettingError(f"--over {text}: no range", remedy="for example rate=4..9 or k=1e-3..1e-1:log")
    whole = not re.search(r"[.e]", match[1] + match[2])
    return Choice(key, low=low, high=high, whole=whole, log=log)


def parse_objectives(texts: Sequence[str]) -> list[Objective]:
    """`max:accuracy.validation`, `min:per_sample.learned`; the default is the first of these."""
    found = []
    for text in texts or ("max:accuracy.validation",):
        sign, colon, name = text.partition(":")
        if not colon or sign not in ("max", "min") or not name or name in [x.name for x in found]:
            raise SettingError(
                f"--objective {text}: not max:NAME or min:NAME, each name once",
                remedy="for example --objective max:accuracy.validation --objective min:per_sample.learned",
            )
        found.append(Objective(name, "maximize" if sign == "max" else "minimize"))
    return found
