"""Searches: what may be chosen, the Pareto front, the chosen point, going on where it stopped."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="the extra `search` is not installed")

from chipsim.errors import SettingError
from chipsim.plain_json import sealed
from chipsim.plot.sweep import pareto
from chipsim.search.space import parse_choices, parse_objectives

pytestmark = pytest.mark.one_python
EXPERIMENT = '''"""Accuracy against cost, in closed form. For tests."""

import os
from pathlib import Path

from pydantic import Field

from chipsim.run_folder import digest
from chipsim.settings import ExperimentSettings

RULES = ("ell", "tp")
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    width: int = Field(4, ge=1, le=6)
    x: float = 0.5


def run(context):
    s = context.settings
    (Path(__file__).with_name("begun") / str(os.getpid())).touch()
    right = 1 - 0.5**s.width - 0.1 * (s.x - 0.3) ** 2 - (0.01 if context.rule == "tp" else 0.0)
    told = digest({"width": s.width, "x": s.x, "rule": context.rule, "seed": context.seed})
    return {"accuracy": {"validation": right}, "cost": float(s.width), "digest": told}
'''
OPTIONS = ("--over", "width=1..8", "--over", "x=0.0..1.0", "--over", "rule=ell,tp", "--trials", "7",
           "--objective", "max:accuracy.validation", "--objective", "min:cost")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rate=4..4", "no range"),
        ("rate=9..4", "no range"),
        ("k=0..1:log", "no range"),
        ("k=1.2.3..4", "no range"),
        ("rule=", "none empty"),
        ("rule", "not of the form"),
    ],
)
def test_what_may_not_be_chosen(text, told):
    with pytest.raises(SettingError, match=told):
        parse_choices([text])


def test_ranges_and_words():
    whole, real, words = parse_choices(["a=-2..4", "b=1e-3..1:log", "hidden=[8,4],[6]"])
    assert (whole.whole, whole.low, whole.high) == (True, -2, 4)
    assert (real.whole, real.log, real.low) == (False, True, 1e-3)
    assert words.words == ("[8,4]", "[6]")
    with pytest.raises(SettingError, match="twice"):
        parse_choices(["a=1..2", "a=1..3"])
    for text in ("accuracy.test", "most:accuracy.test", "max:"):
        with pytest.raises(SettingError, match="not max:NAME or min:NAME"):
            parse_objectives([text])


def test_the_front_is_drawn_apart():
    drawn = pareto([(0.5, 1.0, True), (0.4, 2.0, False), (0.9, 3.0, True)], labels=("a", "b")).axes[0]
    front = next(line for line in drawn.lines if line.get_label() == "Pareto front")
    assert list(front.get_xdata()) == [1.0, 3.0] and list(front.get_ydata()) == [0.5, 0.9]


def dominated(rows: list[dict]) -> list[bool]:
    """Whether another complete trial is at least as good in both and better in one, by brute force."""
    pairs = [(-r["accuracy.validation"], r["cost"]) if "failed" not in r else None for r in rows]
    return [p is None or any(q and q != p and q[0] <= p[0] and q[1] <= p[1] for q in pairs) for p in pairs]


def test_a_search_from_its_space_to_a_run_that_reproduces_it(chipsim, here, root, monkeypatch):
    """Widths 7 and 8 are refused by the experiment: those trials fail, the search goes on. Then it is cut
    down to what a stopped one would have left, and made again."""
    monkeypatch.setenv("PYTHONPATH", str(root))
    (here / "closed.py").write_text(EXPERIMENT)
    (here / "begun").mkdir()
    done = chipsim("search", "./closed.py", *OPTIONS, "--workers", "2", "--out", "s", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out.splitlines()[-1])
    rows = json.loads(Path("s/trials.json").read_text())
    assert len(rows) == 7 and [r["front"] for r in rows] == [not x for x in dominated(rows)]
    best = max((r for r in rows if r["front"]), key=lambda r: r["accuracy.validation"])
    assert told["chosen"]["trial"] == best["trial"] and Path("s/chosen/ideal.toml").is_file()
    assert Path("s/figures/pareto.png").is_file() and Path("s/study.db").is_file()
    words = shlex.split(Path("s/chosen/command.txt").read_text())
    again = chipsim(*words[1:], "--json")
    assert json.loads(again.out.splitlines()[-1])["digest"] == told["chosen"]["digest"]

    begun = len(list(Path("begun").iterdir()))
    manifest = json.loads(Path("s/manifest.json").read_text())
    Path("s/manifest.json").write_bytes(sealed(manifest | {"status": "running"}))
    lost = sorted(Path("s/cells").iterdir())[0]
    shutil.rmtree(lost)
    done = chipsim("search", "./closed.py", *OPTIONS, "--workers", "2", "--out", "s", "--json")
    assert done.status == 0 and json.loads(done.out.splitlines()[-1]) == told
    assert json.loads(Path("s/trials.json").read_text()) == rows
    assert len(list(Path("begun").iterdir())) == begun + 1


def test_an_objective_that_no_result_has(chipsim, here, root, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(root))
    (here / "closed.py").write_text(EXPERIMENT)
    (here / "begun").mkdir()
    done = chipsim(
        "search", "./closed.py", "--over", "width=1..3", "--trials", "1", "--objective", "min:costs"
    )
    assert done.status == 2 and "--objective min:costs" not in done.err
    assert "--objective costs: no such number (did you mean 'cost'?)" in done.err
