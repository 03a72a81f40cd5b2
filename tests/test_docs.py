"""The documents tell the truth: listings run, shown output comes, links lead somewhere, the grammar fits.

A listing that cannot run here carries `<!-- not run: REASON -->` and is only checked to exist as a command.
`<!-- file: NAME -->` means that the reader saves the block under that name. A ```text block below a
listing shows lines of its output, in their order, `...` for what is left out; a line that begins with
`error:` means status 2.
"""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from chipsim.library import entries
from chipsim.microcode.markdown import register_row
from chipsim.microcode.program import SECTIONS
from chipsim.microcode.syntax import parse_rule

pytestmark = pytest.mark.one_python
ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [DOCS / "index.md", DOCS / "tutorial.md", *sorted((DOCS / "howto").glob("*.md"))]
LINKED = [
    ROOT / "README.md",
    *ROOT.glob("*/README.md"),
    *sorted(path for path in DOCS.rglob("*.md") if "results" not in path.parts),
]
GENERATED = ("rules/", "chips/", "experiments/", "api/", "schemas/", "registers.md")  # docs/site/pages.py
BLOCK = re.compile(r"(?:^<!-- (not run|file): (.*?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GRAMMAR = json.loads((DOCS / "editors" / "rule.tmLanguage.json").read_text(encoding="utf-8"))


class Block(NamedTuple):
    """One fenced block: what stands above it (`not run`, `file` or nothing), language, text, line."""

    mark: str
    what: str
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = BLOCK.finditer(text)
    return [Block(m[1] or "", m[2] or "", m[3], m[4], text.count("\n", 0, m.start(3)) + 1) for m in found]


def commands(text: str) -> list[list[str]]:
    """The words of every line of a shell listing, comments left out."""
    lines = (shlex.split(line, comments=True) for line in text.splitlines())
    return [words for words in lines if words]


def in_order(shown: str, printed: str) -> str | None:
    """The first shown line that the output lacks (from where the one before was found on). `...` is any
    text, alone in a line any lines."""
    lines = iter(map(str.rstrip, printed.splitlines()))
    for line in filter(None, map(str.rstrip, shown.splitlines())):
        wanted = re.compile(re.escape(line).replace(r"\.\.\.", ".*"))
        if line != "..." and not any(wanted.fullmatch(found) for found in lines):
            return line
    return None


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_listings_run_and_print_what_is_shown(page, chipsim, here, monkeypatch, capfd):
    """A page from top to bottom in one folder, as its reader would."""
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    printed, ran, status = "", 0, 0
    for block in blocks(page):
        place = f"{page.name}:{block.line}"
        if block.mark == "file":
            (here / block.what).write_text(block.text, encoding="utf-8")
        elif block.language == "text" and block.mark != "not run":
            assert ran, f"{place}: output of nothing"
            assert (missing := in_order(block.text, printed)) is None, f"{place}: not printed: {missing}"
            assert bool(status) == bool(re.search("^error:", block.text, re.MULTILINE)), place
            status = 0
        elif block.language in ("sh", "python") and block.mark != "not run":
            assert status == 0, f"{place}: the listing above ended with {status}: {printed}"
            shell = block.language == "sh"
            printed, status = _shell(block, chipsim) if shell else (_python(block, here, capfd), 0)
            ran += 1
    assert status == 0, printed


def _shell(block: Block, chipsim) -> tuple[str, int]:
    printed, status = "", 0
    for words in commands(block.text):
        assert words[0] == "chipsim" and status == 0, f"{words}: {printed}"
        done = chipsim(*words[1:])
        printed, status = printed + done.out + done.err, done.status
    assert status in (0, 2), printed
    return printed, status


def _python(block: Block, here: Path, capfd) -> str:
    (here / "listing.py").write_text(block.text, encoding="utf-8")
    capfd.readouterr()
    runpy.run_path(str(here / "listing.py"))
    return capfd.readouterr().out


def test_what_is_not_run_exists_and_says_why(chipsim):
    for page in PAGES:
        for block in blocks(page):
            if block.mark == "not run":
                assert len(block.what) > 5, f"{page.name}:{block.line}"
                for words in commands(block.text):
                    if words[0] == "chipsim" and words[1].islower() and not words[1].startswith("-"):
                        assert chipsim(*words[1:], "--help").status == 0, words


def test_shown_output_is_compared_line_by_line():
    assert in_order("b\n", "a\nb\n") is None
    assert in_order("b\na\n", "a\nb\n") == "a"
    assert in_order("error: .../x.toml: no\n", "error: /some/where/x.toml: no\n") is None
    assert in_order("b ... 2\n", "a\nb 1 3\n") == "b ... 2"


def links(page: Path) -> list[str]:
    """Targets of the page's links and pictures, code left out."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "`", text))


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings as MkDocs makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in heads}


def test_no_link_is_dead():
    dead = []
    for page in LINKED:
        for target in links(page):
            if re.match(r"https?:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            inside = path.relative_to(DOCS).as_posix() if path.is_relative_to(DOCS) else ""
            made = inside.startswith(GENERATED) and _made(inside)
            if not (path.exists() or made) or (anchor and not made and anchor not in anchors(path)):
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert dead == []


def test_every_page_is_in_the_navigation():
    nav = (DOCS / "site" / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    pages = [path.relative_to(DOCS).as_posix() for path in (*DOCS.glob("*.md"), *DOCS.glob("howto/*.md"))]
    assert [page for page in pages if f" {page}\n" not in nav] == []


def _made(page: str) -> bool:
    """Whether the site makes that page: its name is that of a file or module."""
    folder, _, name = page.rpartition("/")
    kinds = {"rules": "rule", "chips": "chip", "experiments": "experiment", "schemas/settings": "experiment"}
    stem = name.rpartition(".")[0]
    if folder == "api":
        return stem == "index" or (ROOT / f"{stem.replace('.', '/')}.py").exists()
    return stem in ("index", *entries(kinds[folder])) if folder in kinds else True


def test_pictures_are_few_and_small():
    pictures = list((DOCS / "pictures").glob("*"))
    assert 1 <= len(pictures) <= 12
    assert [p.name for p in pictures if p.stat().st_size > 100_000 or p.suffix != ".png"] == []
    assert {p.stem.partition("-")[0] for p in pictures} <= set(entries("experiment"))


def scopes(line: str) -> list[tuple[str, str]]:
    """(text, scope) of one line of a rule: the first pattern in order that matches soonest."""
    patterns = [GRAMMAR["repository"][p["include"][1:]] for p in GRAMMAR["patterns"]]
    found, at = [], 0
    while at < len(line):
        hits = [
            (m.start(), k, m)
            for k, p in enumerate(patterns)
            if (m := re.compile(p["match"]).search(line, at))
        ]
        if not hits:
            break
        _, k, match = min(hits, key=lambda hit: hit[:2])
        for group, scope in patterns[k].get("captures", {"0": patterns[k]}).items():
            if match[int(group)]:
                found.append((match[int(group)], scope["name"]))
        at = match.end()
    return found


def test_the_grammar_colours_every_shipped_rule():
    """Nothing but blanks is left over, every section and declaration is one."""
    for name, path in entries("rule").items():
        for line in path.read_text(encoding="utf-8").splitlines():
            coloured = "".join(text for text, _ in scopes(line))
            assert re.sub(r"\s", "", coloured) == re.sub(r"\s", "", line), f"{name}: {line}"
            head = line.split("#")[0].rstrip()
            if head and not head.startswith(" "):
                kind = scopes(line)[0][1]
                assert kind == ("keyword.control.section" if head.endswith(":") else "storage.type"), line


def test_the_grammar_knows_sections_and_formats():
    assert all(dict(scopes(f"{section}:"))[section] == "keyword.control.section" for section in SECTIONS)
    told = dict(scopes("pre  x : u7.4 = 0.5 round=stochastic keep  # a trace"))
    assert told["u7.4"] == "support.type.format" and told["stochastic"] == "constant.language"
    assert told["x"] == "entity.name" and told["# a trace"] == "comment.line.number-sign"


def test_a_rules_page_has_its_registers(chipsim):
    done = chipsim("rule", "page", "decolle")
    assert done.status == 0, done.err
    rows = [line for line in done.out.splitlines() if line.startswith("| `")]
    assert "| `a` | axon | 7 | unsigned | u7.4 | saturate | stochastic | `a = a * k_a` |" in rows
    assert "| `p` (temp) | axon | 8 | signed | s8.4 | saturate | trunc | none |" in rows
    assert {name for name in entries("chip") if f"| `{name}` |" in done.out} == set(entries("chip"))
    assert "op  line" in done.out and "```rule\n# DECOLLE" in done.out


def test_a_shifted_copy_is_a_decay():
    head = "rule r\npre x : u8.4\nsyn w : weight\ntemp d per pre : u8.4\n\n"
    body = "on_step:\n    d = x >> 3\n    x -= d\non_pre:\n    x += 1\n    w += x\n"
    program = parse_rule(head + body, "r.rule")
    assert register_row(program, program.registers[0])[-1] == "`x -= d`"


def test_an_experiments_settings_have_a_schema(chipsim):
    made = json.loads(chipsim("list", "digits", "--schema").out)
    assert made["properties"]["epochs"]["minimum"] == 1 and made["additionalProperties"] is False
    assert "weight.bits" in made["properties"]
    refused = chipsim("list", "--schema")
    assert refused.status == 2 and "needs one experiment" in refused.err


def test_the_shell_completes_names(chipsim, monkeypatch):
    monkeypatch.setenv("_CHIPSIM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "chipsim run dig")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert chipsim().out.split() == ["digits"]
    monkeypatch.setenv("COMP_WORDS", "chipsim rule show decolle --chip lo")
    monkeypatch.setenv("COMP_CWORD", "5")
    assert chipsim().out.split() == ["loihi1", "loihi2", "loihi2_lava"]
