"""Reads a `.rule` file: text -> `Program`, line by line, with lark and no eval.

A file is a header comment, `rule NAME`, declarations, then sections with indented lines. Every
mistake is a RuleError that names file and line, shows the source line, and says the repair.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from chipsim.errors import SettingError, did_you_mean
from chipsim.library import find, looks_like_path
from chipsim.microcode.check import check
from chipsim.microcode.declare import declaration
from chipsim.microcode.forms import Place, read_line, read_product
from chipsim.microcode.program import SECTIONS, Program
from chipsim.microcode.source import Source
from chipsim.text_file import read_text

# where a rule's third factor comes from unless the experiment says otherwise
CIRCUITS = ("readout", "classifier", "targets", "transport", "broadcast", "contrast", "reward")
KEYWORDS = (
    "rule",
    "circuit",
    "param",
    "const",
    "in",
    "table",
    "pre",
    "post",
    "syn",
    "layer",
    "temp",
    "history",
)
READABLE = {
    "NAME": "a name",
    "NUMBER": "a number",
    "FORMAT": "a format (u8.4)",
    "SOURCE": "an input (neuron.v)",
    "MODE": "=, += or -=",
    "OWNER": "pre, post, syn or layer",
    "OP": "an operator",
    "MINUS": "-",
    "OPTION": "an option (round=floor)",
    "NOT": "not",
    "LPAR": "(",
    "RPAR": ")",
    "COLON": ":",
    "EQUAL": "=",
    "COMMA": ",",
    "__ANON_0": "..",
    "$END": "the end of the line",
}


def parse_rule(source: str, path: str) -> Program:
    """Read and check the text of a rule file; `path` is only printed. Raises RuleError."""
    program = _read(Source(path, source))
    check(program)
    return program


def load_rule(name_or_path: str | os.PathLike[str]) -> Program:
    """Read a shipped rule by name, or a file by path. Raises RuleError, SettingError."""
    given = os.fspath(name_or_path)
    path = find("rule", given)
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"cannot read the rule: {reason}", where=given, remedy="check the file") from None
    return parse_rule(text, given if looks_like_path("rule", given) else path.name)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    starts = ["declaration", "section", "operation"]
    return Lark(text, parser="lalr", start=starts, propagate_positions=True, maybe_placeholders=True)


def _tree(start: str, code: str, at: Source, line: int, offset: int) -> Tree:
    """Parse one line; a lark error becomes a RuleError with caret."""
    try:
        tree = _parser().parse(code, start=start)
    except UnexpectedInput as error:
        end = isinstance(error, UnexpectedEOF) or (
            isinstance(error, UnexpectedToken) and error.token.type == "$END"
        )
        column = len(code) + 1 if end else error.column
        rest = re.match(r"\w+|\S", code[column - 1 :])
        found = "the line ends too early" if end or not rest else f"cannot read '{rest[0]}' here"
        names = error.allowed if isinstance(error, UnexpectedCharacters) else error.expected
        wanted = sorted({READABLE.get(n, n.lower()) for n in names or ()})
        at.fail(line, found, column=offset + column, remedy=f"expected {', '.join(wanted)}")
    for token in tree.scan_values(lambda x: isinstance(x, Token) and x.type == "NUMBER"):
        exponent = re.search(r"[e^]([+-]?\d+)", token)
        if len(token) > 40 or (exponent and abs(int(exponent[1])) > 99):
            remedy = "at most 40 characters and exponents of at most 99"
            at.fail(line, "a number beyond any format", column=offset + token.column, remedy=remedy)
    return tree


class _File:
    """What has been read so far."""

    def __init__(self, at: Source):
        self.at = at
        self.name: str | None = None
        self.section: str | None = None
        self.sections: dict[str, int] = {}
        self.filled: set[str] = set()
        self.epoch = 0
        self.circuit = ""
        self.circuit_line = 0
        self.history: tuple[tuple[str, ...], int] = ((), 0)
        self.history_line = 0
        self.declared: dict[str, list] = {k: [] for k in ("register", "const", "param", "input", "table")}
        self.lines: list = []
        self.products: list = []


def _read(at: Source) -> Program:
    file = _File(at)
    for count, row in enumerate(at.text.splitlines(), start=1):
        code = row.split("#")[0].rstrip()
        if not code.strip():
            continue
        if "\t" in code:
            at.fail(
                count,
                "a tab: the language uses spaces",
                column=code.index("\t") + 1,
                remedy="replace tabs by 4 spaces",
            )
        if code[0] == " ":
            _operation(file, code, count)
        elif re.fullmatch(r"\w+(\s+[\w.-]+)?\s*:", code):
            _section(file, code, count)
        else:
            _declaration(file, code, count)
    return _program(file)


def _operation(file: _File, code: str, line: int) -> None:
    at = file.at
    text = code.strip()
    offset = len(code) - len(code.lstrip())
    if file.section is None:
        at.fail(
            line,
            "an indented line before any section",
            column=offset + 1,
            remedy="declarations start at the margin; lines belong below a section such as on_pre:",
        )
    tree = _tree("operation", text, at, line, offset)
    tables = tuple(t.name for t in file.declared["table"])
    here = Place(at, file.section, line, offset, text, tables)
    file.filled.add(file.section)
    if file.section == "on_products":
        file.products.append(read_product(tree, here))
    else:
        file.lines.append(read_line(tree, here))


def _section(file: _File, code: str, line: int) -> None:
    at = file.at
    tree = _tree("section", code, at, line, 0)
    name, every = tree.children
    if name.value not in SECTIONS:
        at.fail(
            line,
            f"unknown section '{name}'{did_you_mean(name, SECTIONS)}",
            column=1,
            remedy=f"sections: {', '.join(SECTIONS)}",
        )
    if name.value in file.sections:
        at.fail(
            line,
            f"section {name} stands twice; it began in line {file.sections[name.value]}",
            column=1,
            remedy="put all its lines below the first",
        )
    if (name.value == "on_epoch") != (every is not None):
        message = "on_epoch needs its number of steps" if every is None else f"{name} takes no number"
        at.fail(line, message, column=1, remedy="write on_epoch 4: for every fourth step")
    if every is not None:
        if not every.isdigit() or not 1 <= int(every) <= 2**31 - 1:
            at.fail(line, f"on_epoch runs every n >= 1 whole steps, not every {every}", word=str(every))
        file.epoch = int(every)
    file.section = str(name)
    file.sections[str(name)] = line


def _declaration(file: _File, code: str, line: int) -> None:
    at = file.at
    word = re.match(r"\w*", code)[0]
    if word not in KEYWORDS:
        if file.section is not None and re.match(r"\w+\s*[-+]?=", code):
            at.fail(line, "a line of a section is indented", column=1, remedy="indent it by 4 spaces")
        known = (*KEYWORDS, *SECTIONS)
        at.fail(
            line,
            f"unknown keyword '{word or code[0]}'{did_you_mean(word, known)}",
            column=1,
            remedy=f"keywords: {', '.join(KEYWORDS)}; a section ends in ':'",
        )
    if file.section is not None:
        at.fail(
            line,
            f"'{word}' after the first section",
            column=1,
            remedy="move the declaration above the sections",
        )
    tree = _tree("declaration", code, at, line, 0).children[0]
    if tree.data == "rule":
        if file.name is not None:
            at.fail(
                line,
                f"a second rule line; the file is rule {file.name}",
                column=1,
                remedy="one file is one rule",
            )
        file.name = str(tree.children[0])
        return
    if file.name is None:
        at.fail(
            line, "the file does not begin with its rule line", column=1, remedy="write `rule NAME` first"
        )
    if tree.data == "circuit":
        _circuit(file, str(tree.children[0]), line)
        return
    if tree.data == "history":
        _history(file, tree, line)
        return
    kind, item = declaration(tree, at, line)
    file.declared[kind].append(item)


def _circuit(file: _File, name: str, line: int) -> None:
    if file.circuit:
        file.at.fail(line, f"a second circuit; the first stands in line {file.circuit_line}", column=1)
    if name not in CIRCUITS:
        file.at.fail(
            line,
            f"unknown circuit '{name}'{did_you_mean(name, CIRCUITS)}",
            word=name,
            remedy=f"circuits: {', '.join(CIRCUITS)}",
        )
    file.circuit, file.circuit_line = name, line


def _history(file: _File, tree: Tree, line: int) -> None:
    *names, depth = tree.children
    if file.history[0]:
        file.at.fail(line, "a second history line", column=1, remedy="name all registers in one line")
    if depth != "T" and not (depth.isdigit() and int(depth) > 0):
        file.at.fail(
            line,
            f"depth={depth}: the depth is a number of steps or T",
            column=depth.column,
            remedy="T is the length of the sample",
        )
    file.history = (tuple(str(n) for n in names), 0 if depth == "T" else int(depth))
    file.history_line = line


def _program(file: _File) -> Program:
    at = file.at
    if file.name is None:
        at.fail(
            max(1, len(at.text.splitlines())), "the file has no rule line", remedy="write `rule NAME` first"
        )
    for section, line in file.sections.items():
        if section not in file.filled:
            at.fail(
                line, f"section {section} is empty", column=1, remedy="delete it or indent its lines by 4"
            )
    header = re.match(r"(#[^\n]*\n)*", at.text)[0]
    return Program(
        name=file.name,
        path=at.path,
        source=at.text,
        registers=tuple(file.declared["register"]),
        consts=tuple(file.declared["const"]),
        params=tuple(file.declared["param"]),
        inputs=tuple(file.declared["input"]),
        tables=tuple(file.declared["table"]),
        lines=tuple(file.lines),
        epoch=file.epoch,
        history=file.history,
        header="\n".join(row[1:].strip() for row in header.splitlines()),
        products=tuple(file.products),
        circuit=file.circuit,
        circuit_line=file.circuit_line,
    )
