"""Settings that a rule is known to work with: `EXPERIMENT.toml` beside `EXPERIMENT.py`.

    [ell_chip.chip]
    rate = 9
    circuit = "classifier"

A table is RULE.FORM with keys as for --set ("none" for no value). A run takes the first form of its
rule, or the one asked for (`--set form=paper`); --set goes on top. Rules without a table run on the
experiment's defaults. `chip` and `chip-dfa` are of one family.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chipsim.errors import SettingError, did_you_mean
from chipsim.text_file import parse_toml, read_text


class Preset(dict):
    """Settings, and the file they are from."""

    where: str | None = None


def forms(experiment: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """{rule: {form: settings}} of an experiment's file; empty where it has none."""
    path = experiment.with_suffix(".toml")
    if not path.exists():
        return {}
    try:
        table = parse_toml(read_text(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"no TOML: {reason}", where=str(path), remedy="correct that line") from None
    for rule, known in table.items():
        for name, found in known.items() if isinstance(known, dict) else [("", None)]:
            if not isinstance(found, dict):
                raise SettingError(
                    f"'{rule}{'.' * bool(name)}{name}' is no table of settings",
                    where=str(path),
                    remedy="write [RULE.FORM] above the settings",
                )
    return table


def family(experiment: Path, form: str) -> dict[tuple[str, str], dict[str, Any]]:
    """{(rule, name): settings} of every form called `form` or `form-...`, in the file's order."""
    return {
        (rule, name): found
        for rule, known in forms(experiment).items()
        for name, found in known.items()
        if name == form or name.startswith(f"{form}-")
    }


def preset(experiment: Path, rule: str | None, form: str = "") -> Preset:
    """Settings of a rule's form, `form` itself among them; {} where nothing is known of the rule.

    Without a rule there is no preset. Raises SettingError for a form that the rule does not have.
    """
    known = forms(experiment).get(Path(rule).stem, {}) if rule else {}
    if not form:
        form = next(iter(known), "")
    elif rule and form not in known:
        name, listed = Path(rule).stem, ", ".join(known)
        raise SettingError(
            f"--set form={form}: experiment '{experiment.stem}' has no such form of rule '{name}'"
            f"{did_you_mean(form, known)}",
            remedy=f"its forms: {listed}" if known else "leave form away: there is none of this rule",
        )
    none = {key: None for key, value in known.get(form, {}).items() if value == "none"}
    chosen = Preset({"form": form, **known[form], **none} if known else {})
    chosen.where = str(experiment.with_suffix(".toml"))
    return chosen
