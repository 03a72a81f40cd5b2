"""`chipsim rule check|show|step`, and which rule an experiment takes."""

from __future__ import annotations

import pytest

SIGNALS = '''"""Wants a third factor."""
from pydantic import BaseModel
RULES = ("decolle",)
CHIPS = ("ideal",)
class Settings(BaseModel):
    """None."""
def run(context):
    return {"taken": context.rule, "path": context.rule_path}
'''


@pytest.mark.parametrize("chip", ["ideal", "loihi2"])
@pytest.mark.parametrize("rule", ["stdp_pair", "decolle"])
def test_shipped_rules_fit(chipsim, rule, chip):
    done = chipsim("rule", "check", rule, "--chip", chip, "--fit", "narrow")
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1].startswith(f"ok: rule {rule} fits chip {chip}")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["check", "stpd_pair"], "no rule named 'stpd_pair' (did you mean 'stdp_pair'?)"),
        (["check", "stdp_pair", "--chip", "loihi"], "no chip named 'loihi' (did you mean 'loihi2'?)"),
        (["check", "./bad.rule"], "bad.rule:3"),
        (["check", "stdp_pair", "--engine", "vector"], "--engine vector: unknown"),
        (["show", "nothing"], "no rule named 'nothing'"),
        (["step", "nothing"], "no rule named 'nothing'"),
    ],
)
def test_mistakes(chipsim, here, arguments, text):
    (here / "bad.rule").write_text("rule bad\non_step:\n    x = frobnicate 3\n")
    done = chipsim("rule", *arguments)
    assert done.status == 2 and text in done.err and "Traceback" not in done.err


def test_a_rule_that_does_not_fit_is_refused_with_the_fitting_ones(chipsim, here):
    (here / "mine.py").write_text(SIGNALS)
    done = chipsim("run", "./mine.py", "--rule", "stdp_pair")
    assert done.status == 2
    assert "rule 'stdp_pair' does not fit experiment 'mine'; fitting rules: decolle" in done.err
    assert not (here / "runs").exists()


def test_a_rule_of_ones_own_fits_by_the_signals_it_reads(chipsim, here, root):
    (here / "mine.py").write_text(SIGNALS)
    shipped = (root / "rules" / "decolle.rule").read_text()
    (here / "own.rule").write_text(shipped)
    assert chipsim("run", "./mine.py", "--rule", "./own.rule").status == 0
    chipsim("new", "rule", "pairs")
    done = chipsim("run", "./mine.py", "--rule", "./pairs.rule")
    assert done.status == 2 and "rule 'pairs' does not fit experiment 'mine'" in done.err


def test_without_a_rule_the_first_fitting_one_is_taken(chipsim, here):
    (here / "mine.py").write_text(SIGNALS)
    done = chipsim("run", "./mine.py", "--json")
    assert done.status == 0 and '"taken": "decolle"' in done.out and '"rule": "decolle"' in done.out
