"""The text of a rule file, and how an error points into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from chipsim.errors import RuleError


@dataclass(frozen=True)
class Source:
    """A rule file's text with its path (as printed in messages)."""

    path: str
    text: str

    def row(self, line: int) -> str:
        """The source line of that number (from 1), or an empty string past the end."""
        rows = self.text.splitlines()
        return rows[line - 1] if 1 <= line <= len(rows) else ""

    def column(self, line: int, word: str, operand: bool = False) -> int | None:
        """Column (from 1) of the first whole occurrence of `word` outside the comment; of an operand
        the first one behind the `=`."""
        code = self.row(line).split("#")[0]
        start = code.find("=") + 1 if operand else 0
        left = r"(?<![\w.])" if re.match(r"\w", word) else ""
        right = r"(?![\w])" if re.search(r"\w$", word) else ""
        match = re.compile(left + re.escape(word) + right).search(code, start)
        return match.start() + 1 if match else None

    def fail(
        self,
        line: int,
        message: str,
        *,
        word: str | None = None,
        operand: bool = False,
        column: int | None = None,
        remedy: str | None = None,
    ) -> NoReturn:
        """Raise RuleError with the source line and a caret below `word` (an operand: behind the `=`)
        or `column`."""
        if column is None and word is not None:
            column = self.column(line, word, operand)
        raise RuleError(
            message, path=self.path, line=line, column=column, source=self.row(line), remedy=remedy
        )
