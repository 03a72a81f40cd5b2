"""`chipsim list`, `new`, `chip show`, and the command line as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from chipsim.chip import load_chip
from chipsim.version import __version__


def test_list_shows_every_shelf_with_a_line_each(chipsim):
    done = chipsim("list")
    assert done.status == 0
    assert [line for line in done.out.splitlines() if not line.startswith(" ")] == [
        "experiments",
        "chips",
        "rules",
    ]
    loihi2 = next(line for line in done.out.splitlines() if line.startswith("  loihi2"))
    assert "Loihi 2" in loihi2


def test_list_of_one_shelf_and_json(chipsim):
    told = json.loads(chipsim("list", "chips", "--json").out)
    assert list(told) == ["chips"] and {"ideal", "loihi1", "loihi2"} <= set(told["chips"])
    assert all(told["chips"].values())
    done = chipsim("list", "chip")
    assert done.out.startswith("chips\n") and "rules" not in done.out.splitlines()


def test_every_shipped_file_has_its_line(chipsim):
    told = json.loads(chipsim("list", "--json").out)
    assert [
        f"{shelf}/{name}" for shelf, rows in told.items() for name, line in rows.items() if not line
    ] == []


def test_list_of_one_experiment_shows_every_setting(chipsim, here):
    out = chipsim("list", "digits").out
    assert out.startswith("Handwritten digits") and "rules  decolle" in out and "chips  loihi2" in out
    shown = dict(line.split()[0].split("=", 1) for line in out.splitlines() if line.startswith("  "))
    assert shown["hidden"] == "256,128" and shown["weight.bits"] == "8" and shown["twin"] == "true"
    told = json.loads(chipsim("list", "digits", "--json").out)
    assert [row["key"] for row in told["settings"]] == list(shown)
    assert chipsim("new", "experiment", "mine").status == 0
    out = chipsim("list", "./mine.py").out
    assert "bits=8" in out and "width of the weight" in out


def test_unknown_shelf(chipsim):
    done = chipsim("list", "ruels")
    assert done.status == 2 and "nothing to list under 'ruels' (did you mean 'rules'?)" in done.err


def test_new_chip_loads_under_its_name(chipsim, here):
    assert chipsim("new", "chip", "mine").status == 0
    chip = load_chip("./mine.toml")
    assert chip.name == "mine" and chip.weight == load_chip("ideal").weight
    assert (here / "mine.toml").read_text().startswith("# mine: ")
    shown = chipsim("chip", "show", "./mine.toml")
    assert shown.status == 0 and "mine" in shown.out.splitlines()[0]


def test_new_experiment_runs_and_rounding_toward_zero_loses_all(chipsim):
    assert chipsim("new", "experiment", "mine").status == 0
    done = chipsim("run", "./mine.py", "--json", "--set", "size=0.25", "--set", "updates=400")
    told = json.loads(done.out)
    assert done.status == 0 and told["kept_share"]["trunc"] == 0
    assert abs(told["kept_share"]["stochastic"] - 1) < 0.3  # 6 sigma: sqrt(400 * 0.25 * 0.75) of 100


def test_new_rule_is_legal(chipsim):
    from chipsim.microcode.syntax import load_rule

    assert chipsim("new", "rule", "mine").status == 0
    program = load_rule("./mine.rule")
    assert program.name == "mine" and {line.section for line in program.lines} == {
        "on_step",
        "on_pre",
        "on_post",
    }


def test_new_rule_passes_check_on_every_chip(chipsim):
    pytest.importorskip(
        "chipsim.microcode.bind", reason="no binder in this version", exc_type=ModuleNotFoundError
    )
    chipsim("new", "rule", "mine")
    done = chipsim("rule", "check", "./mine.rule", "--chip", "loihi2")
    assert done.status == 0 and done.out.splitlines()[-1].startswith("ok: rule mine fits chip loihi2"), (
        done.err
    )


def test_new_overwrites_nothing(chipsim, here):
    (here / "mine.rule").write_text("precious")
    done = chipsim("new", "rule", "mine")
    assert done.status == 2 and "mine.rule: exists already; nothing is overwritten" in done.err
    assert (here / "mine.rule").read_text() == "precious"


@pytest.mark.parametrize("name", ["2x", "a-b", "a/b", "", "class", "../x", "ä"])
def test_new_refuses_names_that_cannot_work(chipsim, here, name):
    done = chipsim("new", "experiment", name)
    assert done.status == 2
    assert "cannot be a name" in done.err and list(here.iterdir()) == []


def test_new_into_a_missing_folder(chipsim):
    done = chipsim("new", "chip", "mine", "--out", "nowhere")
    assert done.status == 2 and "cannot be written" in done.err and "remedy" in done.err


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["run"], ["run", "x", "--seed", "-1"], ["run", "x", "--seed", "a"], ["list", "--x"]],
)
def test_misuse_of_the_command_line_has_status_2(chipsim, arguments):
    done = chipsim(*arguments)
    assert done.status == 2 and "Traceback" not in done.err and done.err


def test_version_and_help(chipsim):
    assert chipsim("--version").out == f"chipsim {__version__}\n"
    for command in (
        [],
        ["run"],
        ["eval"],
        ["report"],
        ["list"],
        ["new"],
        ["rule"],
        ["rule", "check"],
        ["chip"],
    ):
        done = chipsim(*command, "--help")
        assert done.status == 0 and "Usage" in done.out


def test_help_and_list_load_nothing_heavy(root):
    code = (
        "import sys, contextlib, chipsim.cli\n"
        "sys.argv = ['chipsim', 'list']\n"
        "with contextlib.suppress(SystemExit):\n"
        "    chipsim.cli.main()\n"
        "print([m for m in ('numba', 'numpy', 'matplotlib', 'sklearn', 'tonic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr
