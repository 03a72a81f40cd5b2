"""Every exception chipsim raises for a user's mistake, with what to do about it.

A message says what is wrong, where (file:line, layer, core, step), the value, the limit,
and the remedy. The command line prints it on one block and exits with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_SHOWN = 1000  # characters of a line of a message; more would come from the input
MOST_LINES = 40


class ChipsimError(Exception):
    """A mistake in what the user gave us; `remedy` says how to repair it.

    usual   the remedy of a kind of error where nothing more exact is given
    """

    usual = ""

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None):
        self.message = message
        self.where = where
        self.remedy = remedy or self.usual or None
        super().__init__(self.text())

    def text(self) -> str:
        """The message as printed: `where: message` and, on its own line, the remedy."""
        head = f"{self.where}: {self.message}" if self.where else self.message
        return printable(f"{head}\n  remedy: {self.remedy}" if self.remedy else head)


def printable(text: str) -> str:
    """A text that may quote an input, fit for a terminal: no control characters, no endless line."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        left = len(lines) - MOST_LINES
        lines = [*lines[: MOST_LINES - 3], f"  ... {left} lines more", *lines[-3:]]
    shown = (
        line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 40]} ... ({len(line)} characters)"
        for line in lines
    )
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in "\n".join(shown)
    )


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
        return printable("\n".join(lines))


class ChipError(ChipsimError):
    """A chip file that cannot be read, or a number in it that contradicts another."""

    usual = "correct that place of the chip file; `chipsim chip schema` says what may stand there"


class LimitError(ChipsimError):
    """A network or rule that does not fit the chip: names value, limit and chip file."""

    usual = "make it smaller, or take another chip"


class NetworkError(ChipsimError):
    """A network description that has no meaning (unknown layer, cycle without delay, ...)."""

    usual = "correct the description of the network"


class SettingError(ChipsimError):
    """An unknown or impossible setting, name or option."""

    usual = "correct it; `chipsim list EXPERIMENT` shows every setting"


class DataError(ChipsimError):
    """Input data that is missing, damaged or out of range."""

    usual = "correct the input, or copy or download it again"


class RunError(ChipsimError):
    """A run folder that cannot be written or read, or a run that was refused."""

    usual = "give an undamaged run, or run it again"


class StrictError(ChipsimError):
    """Under `strict`: a saturation, wrap or rounding to zero that would only be counted."""

    usual = "look at that step, or run without --strict"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known name, or an empty string."""
    if len(name) > 100:  # no name of ours is; comparing takes the square of the length
        return ""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
