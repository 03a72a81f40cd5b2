"""What the documents show works: Python runs, rules parse, command lines exist, links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chipsim.chip import load_chip
from chipsim.library import entries, find
from chipsim.microcode.syntax import load_rule
from chipsim.microcode.verdict import verdict

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*/README.md")), *sorted(ROOT.glob("docs/*.md"))]
LONGEST = 15  # lines of a Python listing


def listings(language: str) -> list[tuple[str, str]]:
    """(page:line, text) of every fenced block of that language."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 2
            found.append((f"{page.relative_to(ROOT).as_posix()}:{line}", match[1]))
    return found


def named(pairs: list[tuple[str, str]]) -> list:
    return [pytest.param(text, id=place) for place, text in pairs]


def command_lines() -> list[tuple[str, str]]:
    """Every `chipsim ...` of the shell listings, without comments."""
    found = []
    for place, text in listings("sh"):
        for line in text.splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words and words[0].split("/")[-1] == "chipsim":
                    found.append((place, shlex.join(words[1:])))
    return found


def test_the_pages_have_listings():
    assert len(PAGES) >= 5 and len(command_lines()) >= 7
    assert len(listings("python")) >= 1 and len(listings("rule")) >= 2


def alone(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Listings that need nothing from above them, nor lava-nc; test_docs.py runs the tutorial from top to
    bottom, test_lava_in_process.py what imports Lava."""
    here = [(place, text) for place, text in pairs if not place.startswith("docs/tutorial.md")]
    return [(place, text) for place, text in here if "from lava." not in text]


@pytest.mark.parametrize("text", named(alone(listings("python"))))
def test_python_listings_run(text, tmp_path):
    assert len([line for line in text.splitlines() if line.strip()]) <= LONGEST
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for name in re.findall(r'"(\w+\.png)"', text):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_the_readmes_network_learns(tmp_path):
    """Its report counts weight updates; a listing whose neurons stay silent would show nothing."""
    text = listings("python")[0][1].replace("print(sim.report())", "print(sim.counters()['weights'])")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert int(re.search(r"'changed': (\d+)", done.stdout)[1]) > 100


@pytest.mark.parametrize("text", named(listings("rule")))
@pytest.mark.parametrize("chip", ["ideal"])
def test_rule_listings_are_rules(chipsim, here, text, chip):
    (here / "shown.rule").write_text(text)
    done = chipsim("rule", "check", "./shown.rule", "--chip", chip)
    assert done.status == 0, done.err


@pytest.mark.parametrize("line", named(command_lines()))
def test_commands_are_known(chipsim, line):
    words = shlex.split(line)
    done = chipsim(*words, "--help")
    assert done.status == 0 and "Usage" in done.out, done.err
    for option, kind in (("--chip", "chip"), ("--rule", "rule")):
        if option in words:
            find(kind, words[words.index(option) + 1])
    kind = {"run": "experiment", "rule": "rule"}.get(words[0])
    name = next((w for w in words[2 if words[0] == "rule" else 1 :] if not w.startswith("-")), None)
    if kind and name and not name.startswith("./") and name.islower():
        find(kind, name)


def test_an_unknown_option_would_be_seen(chipsim):
    assert chipsim("run", "digits", "--chips", "ideal", "--help").status == 2


def test_files_that_the_pages_name_exist():
    missing = []
    for page in PAGES:
        for name in re.findall(r"`((?:[\w.]+/)+[\w.]*)`", page.read_text(encoding="utf-8")):
            if name.split("/")[0] not in ("runs", ".") and not (ROOT / name).exists():
                if not (page.parent / name).exists():
                    missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert missing == []


def test_the_shelves_are_all_described():
    """A new rule, chip or experiment has its row in its folder's README."""
    for folder, suffix in (("rules", ".rule"), ("hw_models", ".toml"), ("experiments", ".py")):
        text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
        names = [p.stem for p in (ROOT / folder).glob(f"*{suffix}")]
        assert names and [n for n in names if f"`{n}`" not in text and f"`{n}{suffix}`" not in text] == []


def test_the_package_gives_what_a_notebook_needs():
    code = (
        "import sys, chipsim\n"
        "assert not {'numba', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert set(chipsim.__all__) <= set(dir(chipsim))\n"
        "for name in chipsim.__all__: getattr(chipsim, name)\n"
        "from chipsim import *\n"
        "print(Network.__name__, Simulator.__name__, Events.__name__, Format.__name__)\n"
        "print(load_chip('ideal').name, load_rule('decolle').name)\n"
        "try: chipsim.Netwrok\n"
        "except AttributeError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Network Simulator Events Format",
        "ideal decolle",
        "module 'chipsim' has no attribute 'Netwrok'",
    ]


def test_the_table_of_compared_rules_is_the_stored_one():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- rules_compared -->\n(.*)<!-- /rules_compared -->", text, re.DOTALL)[1]
    shown = [line.strip("| ").split(" | ") for line in block.splitlines() if line.startswith("| `")]
    stored = ROOT / "docs" / "results" / "rules_compared_chip" / "rules_compared_chip.json"
    rows = json.loads(stored.read_text(encoding="utf-8"))["rows"]
    widths = ("8 bits", "twin", "6 bits", "5 bits", "4 bits")
    purposes = ("inference", "learning", "error")
    assert shown == [
        [f"`{x['rule']}`", x["form"].partition(": ")[2], *(x[key] for key in widths)]
        + [", ".join(f"{x[f'learned: {purpose}']:,}" for purpose in purposes)]
        for x in rows
    ]


def test_the_table_of_rules_and_chips_is_the_stored_one():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- one_rule_many_chips -->\n(.*)<!-- /one_rule_many_chips -->", text, re.DOTALL)
    stored = ROOT / "docs" / "results" / "one_rule_many_chips"
    assert shown[1] == (stored / "matrix.md").read_text(encoding="utf-8")
    rows = json.loads((stored / "one_rule_many_chips.json").read_text(encoding="utf-8"))["rows"]
    assert {(x["rule"], x["chip"]) for x in rows} == {
        (rule, chip) for rule in entries("rule") for chip in entries("chip")
    }
    for row in rows:  # what the files on the shelves say now
        said = verdict(load_rule(row["rule"]), load_chip(row["chip"]))
        assert row["verdict"] == said.word, row["rule"]
