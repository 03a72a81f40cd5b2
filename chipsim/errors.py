"""Every exception chipsim raises for a user's mistake, with what to do about it.

A message says what is wrong, where (file:line, layer, core, step), the value, the limit,
and the remedy. The command line prints it on one block and exits with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ChipsimError(Exception):
    """A mistake in what the user gave us; `remedy` says how to repair it."""

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None):
        self.message = message
        self.where = where
        self.remedy = remedy
        super().__init__(self.text())

    def text(self) -> str:
        """The message as printed: `where: message` and, on its own line, the remedy."""
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n  remedy: {self.remedy}" if self.remedy else head


class RuleError(ChipsimError):
    """A rule file that cannot be read or bound; carries position, source line and caret."""

    def __init__(
        self,
        message: str,
        *,
        path: str,
        line: int,
        column: int | None = None,
        source: str = "",
        remedy: str | None = None,
    ):
        self.path, self.line, self.column, self.source = path, line, column, source
        super().__init__(message, where=f"{path}:{line}", remedy=remedy)

    def text(self) -> str:
        """Message, the source line, a caret below the place, and the remedy."""
        lines = [f"{self.where}: {self.message}"]
        if self.source:
            lines.append(f"    {self.source.rstrip()}")
            if self.column is not None:
                lines.append("    " + " " * (self.column - 1) + "^")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class ChipError(ChipsimError):
    """A chip file that cannot be read, or a number in it that contradicts another."""


class LimitError(ChipsimError):
    """A network or rule that does not fit the chip: names value, limit and chip file."""


class NetworkError(ChipsimError):
    """A network description that has no meaning (unknown layer, cycle without delay, ...)."""


class SettingError(ChipsimError):
    """An unknown or impossible setting, name or option."""


class DataError(ChipsimError):
    """Input data that is missing, damaged or out of range."""


class RunError(ChipsimError):
    """A run folder that cannot be written or read, or a run that was refused."""


class StrictError(ChipsimError):
    """Under `strict`: a saturation, wrap or rounding to zero that would only be counted."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known name, or an empty string."""
    if len(name) > 100:  # no name of ours is; comparing takes the square of the length
        return ""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
