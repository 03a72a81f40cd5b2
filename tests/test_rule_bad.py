"""Every refusal of the rule language has a bad example whose head holds the exact message.

Line 1 is `# expect: MESSAGE`; lines `#| ...` continue it (source line, caret, remedy); a line
`# bind: chip=NAME key=value ...` means that the file parses and is refused for that chip and use.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chipsim.chip import load_chip
from chipsim.errors import ChipsimError
from chipsim.fixed import Format
from chipsim.microcode import check
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.syntax import parse_rule

BAD = sorted((Path(__file__).parent / "bad").glob("*.rule"))
FORMATS = ("weight", "v")


def outcome(text: str, name: str) -> str | None:
    """The message that a bad example gets, or None where nothing is refused."""
    settings = re.search(r"^# bind: (.*)$", text, re.M)
    chip = None
    try:
        program = parse_rule(text, name)
        if settings:
            pairs = dict(pair.split("=") for pair in settings[1].split())
            chip = load_chip(pairs.pop("chip"))
            bind(program, chip, use_of(pairs))
    except ChipsimError as error:
        return str(error).replace(str(chip.path), "CHIP") if chip else str(error)
    return None


def use_of(pairs: dict[str, str]) -> Use:
    """A Use from `key=value` texts."""
    fields: dict = {"weight": Format(True, 8, 7), "w_lo": -128, "w_hi": 127, "v": Format(True, 24, 13)}
    fields |= {"formats": {}, "params": {}}
    for key, value in pairs.items():
        group, _, name = key.partition(".")
        if group == "formats":
            fields["formats"][name] = Format.parse(value)
        elif group == "params":
            fields["params"][name] = float(value)
        elif key in FORMATS:
            fields[key] = Format.parse(value)
        else:
            fields[key] = int(value) if value.isdigit() else value == "yes" or value
    return Use(**fields)


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_example_gets_its_exact_message(path):
    text = path.read_text(encoding="utf-8")
    first, *rest = text.splitlines()
    assert first.startswith("# expect: ")
    more = [row[3:] for row in rest if row.startswith("#| ")]
    assert outcome(text, path.name) == "\n".join([first.removeprefix("# expect: "), *more])


def test_at_least_25_different_refusals():
    heads = [path.read_text(encoding="utf-8").split("\n")[0] for path in BAD]
    messages = {re.sub(r"'[^']*'|[-\d.]+|\S+\.rule:", "_", head) for head in heads}
    assert len(messages) >= 90


def test_every_check_has_a_bad_example(monkeypatch):
    """Taking one check away lets at least one bad example through, or changes its message."""
    texts = {p.name: p.read_text(encoding="utf-8") for p in BAD if not p.name.startswith("bind_")}
    before = {name: outcome(text, name) for name, text in texts.items()}
    for refusal in check.CHECKS:
        left = tuple(x for x in check.CHECKS if x is not refusal)
        monkeypatch.setattr(check, "CHECKS", left)
        assert any(_differs(texts[n], n, before[n]) for n in texts), f"no bad example for {refusal.__name__}"
        monkeypatch.undo()


def _differs(text: str, name: str, before: str | None) -> bool:
    try:
        return outcome(text, name) != before
    except (KeyError, ValueError, AttributeError, TypeError):
        return True  # a later check met what the removed one refuses
