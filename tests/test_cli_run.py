"""`chipsim run`, `eval`, `report`: what a run leaves, prints and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chipsim.run_folder import load_run

EXPERIMENT = '''"""Adds up. For tests."""

from pydantic import Field

from chipsim.experiment import Context
from chipsim.settings import ExperimentSettings

RULES = ()
CHIPS = ("ideal", "loihi2")


class Settings(ExperimentSettings):
    steps: int = Field(3, ge=1, le=9)
    rate: float = 0.5
    hidden: tuple[int, ...] = (4, 2)
    formats: dict[str, str] = {}


def run(context: Context) -> dict:
    for step in range(context.settings.steps):
        context.progress.phase(f"epoch {step + 1}")
        context.progress.tick(5, 10, accuracy=0.1)
        context.progress.tick(10, 10, accuracy=0.25)
    return {
        "accuracy": {"test": 0.25},
        "digest": f"{context.seed}",
        "counters": {"steps": context.settings.steps},
        "report": "all added",
        "chip_given": context.chip,
    }


def evaluate(context: Context) -> dict:
    return {"accuracy": {"test": context.start.manifest["accuracy"]["test"]}, "seen": context.settings.steps}
'''


@pytest.fixture
def mine(here) -> Path:
    """An experiment of the user's own, ./mine.py."""
    path = here / "mine.py"
    path.write_text(EXPERIMENT)
    return path


def runs() -> list[Path]:
    return sorted(Path("runs").iterdir()) if Path("runs").is_dir() else []


def test_a_run_prints_what_ran_and_leaves_a_complete_folder(chipsim, mine):
    done = chipsim("run", "./mine.py", "--set", "steps=2", "--seed", 7)
    assert done.status == 0 and done.err == ""
    lines = done.out.splitlines()
    assert lines[0].startswith("experiment  mine") and lines[0].endswith("seed 7")
    assert lines[1].startswith("chip        ideal: ")
    assert lines[2] == "engine      lines   noise lane"
    assert lines[3] == "rule        none"
    assert [line.split(":")[0] for line in lines[4:6]] == ["epoch 1", "epoch 2"]  # one line per epoch
    assert "10/10" in lines[4] and "accuracy 25.0 %" in lines[4]
    assert lines[6:] == ["all added", "accuracy    test 25.00 %", "out: runs/mine-ideal-seed7"]
    run = load_run("runs/mine-ideal-seed7")
    assert run.manifest["settings"]["steps"] == 2 and run.manifest["experiment_path"] == str(mine)
    assert run.counters() == {"steps": 2} and run.report() == "all added\n"


def test_json_is_the_last_line_of_stdout_and_the_only_one(chipsim, mine):
    done = chipsim("run", "./mine.py", "--json", "--chip", "loihi2", "--out", "there")
    assert done.status == 0 and len(done.out.splitlines()) == 1
    told = json.loads(done.out)
    assert told["accuracy"] == {"train": None, "validation": None, "test": 0.25, "twin": None}
    assert told["energy"] == {"priced_J": None, "unpriced": {}}
    expected = {
        "experiment": "mine",
        "rule": None,
        "chip": "loihi2",
        "seed": 1,
        "digest": "1",
        "out": "there",
    }
    assert {key: told[key] for key in expected} == expected
    assert told["counters"] == {"steps": 3} and told["chip_given"] == "loihi2"
    assert told["wall_s"] >= 0 and told["cpu_s"] >= 0
    assert "epoch 3" in done.err


def test_eval_takes_settings_and_seed_from_the_run(chipsim, mine):
    chipsim("run", "./mine.py", "--set", "steps=4", "--seed", 5)
    done = chipsim("eval", "runs/mine-ideal-seed5", "--json", "--chip", "loihi2")
    told = json.loads(done.out)
    assert done.status == 0 and told["seen"] == 4 and told["seed"] == 5 and told["chip"] == "loihi2"
    assert told["out"] == "runs/mine-loihi2-seed5-eval"
    assert load_run(told["out"]).manifest["from"] == "runs/mine-ideal-seed5"


def test_report_prints_the_stored_report(chipsim, mine):
    chipsim("run", "./mine.py")
    assert chipsim("report", "runs/mine-ideal-seed1").out == "all added\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "./mien.py"], "experiment file './mien.py' does not exist"),
        (["run", "nothing"], "no experiment named 'nothing'"),
        (["run", "./mine.py", "--chip", "loihi3"], "no chip named 'loihi3' (did you mean 'loihi2'?)"),
        (["run", "./mine.py", "--rule", "nothing"], "no rule named 'nothing'"),
        (["run", "./mine.py", "--set", "stepps=2"], "no setting named 'stepps' (did you mean 'steps'?)"),
        (["run", "./mine.py", "--set", "steps=2.5"], "--set steps=2.5: input should be a valid integer"),
        (
            ["run", "./mine.py", "--set", "steps=10"],
            "--set steps=10: input should be less than or equal to 9",
        ),
        (["run", "./mine.py", "--set", "rate=inf"], "setting 'rate' is not finite"),
        (["run", "./mine.py", "--set", "steps"], "--set steps: not of the form key=value"),
        (["run", "./mine.py", "--set", "steps=1", "--set", "steps=2"], "setting 'steps' is given twice"),
        (["run", "./mine.py", "--noise", "lan"], "--noise lan: unknown (did you mean 'lane'?)"),
        (["run", "./mine.py", "--engine", "line"], "--engine line: unknown (did you mean 'lines'?)"),
        (["run", "./mine.py", "--data", "nowhere"], "--data nowhere is no folder"),
        (["run", "./mine.py", "--from", "nowhere"], "'nowhere' is no run folder"),
        (["run", "./mine.py", "--out", "mine.py/deep"], "mine.py/deep: cannot be written"),
        (["run", "./mine.py", "--out", "."], "--out . is not empty; nothing is overwritten"),
        (["eval", "nowhere"], "'nowhere' is no run folder"),
        (["report", "nowhere"], "'nowhere' is no run folder"),
    ],
)
def test_mistakes_get_one_message_status_2_and_leave_nothing(chipsim, mine, arguments, text):
    done = chipsim(*arguments)
    assert done.status == 2 and done.out == ""
    assert done.err.startswith("error: ") and text in done.err
    assert done.err.count("remedy:") == 1 and "Traceback" not in done.err
    assert runs() == []


def test_settings_reach_the_experiment_typed(chipsim, mine):
    chipsim("run", "./mine.py", "--set", "hidden=8,3", "--set", "x.format=u7.4", "--set", "rate=1e-3")
    settings = load_run("runs/mine-ideal-seed1").manifest["settings"]
    assert settings == {"steps": 3, "rate": 0.001, "hidden": [8, 3], "formats": {"x": "u7.4"}}


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("RULES = ()\n", "", "declares no `RULES = (...)`"),
        ("RULES = ()", "RULES = tuple(['a'])", "RULES is no literal list of names"),
        ('CHIPS = ("ideal", "loihi2")', "CHIPS = ()", "CHIPS is empty"),
        ("class Settings(ExperimentSettings)", "class Options(ExperimentSettings)", "class Settings"),
        ("def run(context", "def walk(context", "def run(context)"),
        ("CHIPS =", "CHIPS ==", "CHIPS = (...)"),
        ("class Settings", "class class", "mine.py:12: no Python"),
        ('return {\n        "accuracy"', 'return [1] or {\n        "accuracy"', "run(context) returned list"),
    ],
)
def test_an_experiment_that_lacks_something(chipsim, mine, old, new, text):
    assert old in EXPERIMENT
    mine.write_text(EXPERIMENT.replace(old, new))
    done = chipsim("run", "./mine.py")
    assert done.status == 2 and text in done.err and "Traceback" not in done.err


def test_an_unexpected_error_keeps_its_traceback_and_the_run_says_failed(chipsim, mine):
    mine.write_text(EXPERIMENT.replace("    return {\n", "    1 / 0\n    return {\n"))
    done = chipsim("run", "./mine.py")
    assert done.status == 1 and "ZeroDivisionError" in done.err and "this is a bug" in done.err
    assert load_run("runs/mine-ideal-seed1", complete=False).status == "failed"
    assert chipsim("report", "runs/mine-ideal-seed1").status == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_ends_with_130(mine, root, number):
    mine.write_text(
        EXPERIMENT.replace("    return {\n", "    import time\n    time.sleep(60)\n    return {\n")
    )
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "chipsim", "run", "./mine.py", "--out", "r"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        for line in child.stdout:
            if line.startswith(b"epoch 2"):
                break
        time.sleep(0.2)
        child.send_signal(number)
        _, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert b"status interrupted" in told and b"Traceback" not in told
    assert load_run("r", complete=False).status == "interrupted"
