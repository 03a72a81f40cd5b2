"""The colours of ```rule blocks, by the TextMate grammar that editors read as well. A hook of MkDocs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments import lexers
from pygments.lexer import Lexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Text, _TokenType

GRAMMAR = json.loads((Path(__file__).parent.parent / "editors" / "rule.tmLanguage.json").read_text("utf-8"))
TOKENS = {
    "comment": Comment,
    "keyword.control": Keyword,
    "keyword.operator": Operator,
    "keyword": Keyword.Pseudo,
    "storage.type": Keyword.Declaration,
    "storage.modifier": Keyword.Pseudo,
    "entity": Name.Class,
    "support.type": Keyword.Type,
    "support": Name.Builtin,
    "constant.language": Keyword.Constant,
    "constant": Number,
}


class RuleLexer(Lexer):
    """Of the patterns, the one that matches soonest; of these, the first in the grammar's order."""

    name, aliases = "chipsim rule", ["rule"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """(position, token, text), as Pygments asks for them."""
        patterns = [GRAMMAR["repository"][entry["include"][1:]] for entry in GRAMMAR["patterns"]]
        rules = [(re.compile(p["match"], re.MULTILINE), p) for p in patterns]
        at = 0
        while hits := [(m.start(), k, m) for k, (r, _) in enumerate(rules) if (m := r.search(text, at))]:
            _, k, match = min(hits, key=lambda hit: hit[:2])
            for start, end, scope in _parts(match, rules[k][1]):
                yield at, Text, text[at:start]
                yield start, _token(scope), text[start:end]
                at = end
        yield at, Text, text[at:]


def _parts(match: re.Match[str], pattern: dict[str, Any]) -> Iterator[tuple[int, int, str]]:
    """(start, end, scope) of each coloured group of a match."""
    for group, scope in pattern.get("captures", {"0": pattern}).items():
        if match[int(group)]:
            yield *match.span(int(group)), scope["name"]


def _token(scope: str) -> _TokenType:
    return next((token for head, token in TOKENS.items() if scope.startswith(head)), Name)


def on_startup(**_: object) -> None:
    """Make the lexer known under its alias."""
    lexers.LEXERS["RuleLexer"] = ("highlight", RuleLexer.name, ("rule",), ("*.rule",), ())
    lexers._lexer_cache[RuleLexer.name] = RuleLexer
