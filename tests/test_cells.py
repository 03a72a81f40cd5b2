"""Many runs for one table: cells that fail, cells that are taken over, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from chipsim.cells import Cell, run_cells
from chipsim.errors import RunError, SettingError
from chipsim.plain_json import sealed
from chipsim.run_folder import load_run

CELL = '''"""Returns a number. For tests."""

import os
import time
from pathlib import Path

from pydantic import Field

from chipsim.settings import ExperimentSettings

RULES = ("ell", "tp")
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    form: str = ""
    value: float = Field(0.25, ge=0, le=1)
    wait: float = 0.0


def run(context):
    Path(f"pid{os.getpid()}").touch()
    time.sleep(context.settings.wait)
    return {"accuracy": {"test": context.settings.value}, "digest": "0"}
'''

TABLE = '''"""A table of four slow cells. For tests."""

from chipsim.cells import Cell, run_cells
from chipsim.settings import ExperimentSettings

RULES = ()
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    pass


def run(context):
    run_cells(context, [Cell("./cell.py", "ell", "ideal", k, ("wait=100",)) for k in range(4)], workers=2)
    return {}
'''


@pytest.fixture
def table(here, root, monkeypatch):
    """table("a") -> a context that writes into ./a, with the lines it told; ./cell.py is what cells run."""
    monkeypatch.setenv("PYTHONPATH", str(root))
    (here / "cell.py").write_text(CELL)

    def context(name: str) -> SimpleNamespace:
        (here / name).mkdir()
        told: list[str] = []
        out, progress = SimpleNamespace(path=here / name), SimpleNamespace(line=told.append)
        return SimpleNamespace(out=out, progress=progress, data=None, told=told)

    return context


def started() -> int:
    """How many cells have run in this folder."""
    return len(list(Path().glob("pid*")))


def mine(seed: int = 1, *sets: str, rule: str = "ell") -> Cell:
    return Cell("./cell.py", rule, "ideal", seed, sets)


def test_cells_are_runs_and_a_failing_one_says_why_beside_the_others(table):
    """Real digits in one, a setting outside its range in the other."""
    tiny = ("hidden=8", "epochs=1", "steps=4", "twin=false", "controls=false")
    good = Cell("digits", "decolle", "ideal", 1, tiny)
    bad = Cell("digits", "decolle", "ideal", 1, ("steps=0",))
    context = table("a")
    found = run_cells(context, [good, bad])
    assert list(found) == [good, bad] and len(context.told) == 2
    assert 0.05 < found[good]["accuracy"]["test"] <= 1 and "error" not in found[good]
    assert found[bad]["error"].startswith("--set steps=0: ") and found[bad]["remedy"]
    run = load_run(Path("a/cells") / good.name)  # complete, and its command can be given again
    assert run.manifest["digest"] == found[good]["digest"]
    assert run.manifest["arguments"][:-3] == good.arguments()


def test_different_cells_have_different_folders():
    cells = [mine(), mine(2), mine(1, "value=0.5"), mine(1, "value=0.25"), mine(rule="tp")]
    assert len({cell.name for cell in cells}) == 5
    assert not any(x in cell.name for cell in cells for x in "/ ,:")


def test_a_finished_cell_is_taken_over(table, here):
    first = run_cells(table("a"), [mine(1, "value=0.5")])
    again = run_cells(table("b"), [mine(1, "value=0.5"), mine(2)], reuse="a/cells")
    assert again[mine(1, "value=0.5")] == first[mine(1, "value=0.5")] and started() == 2
    assert not (here / "b/cells" / mine(1, "value=0.5").name).exists()


@pytest.mark.parametrize("what", ["file", "preset", "status", "result"])
def test_a_cell_that_would_differ_now_runs_again(table, here, what):
    """Changed files, changed presets, unfinished and damaged cells are not taken over."""
    run_cells(table("a"), [mine()])
    folder = here / "a/cells" / mine().name
    if what == "file":
        (here / "cell.py").write_text(CELL + "\n")
    elif what == "preset":
        (here / "cell.toml").write_text("[ell.chip]\nvalue = 0.75\n")
    elif what == "status":
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_bytes(sealed(manifest | {"status": "interrupted"}))
    else:
        (folder / "result.json").write_text("{")
    found = run_cells(table("b"), [mine()], reuse="a/cells")
    assert started() == 2
    assert found[mine()]["accuracy"]["test"] == (0.75 if what == "preset" else 0.25)


def test_reuse_names_a_folder(table):
    with pytest.raises(SettingError, match="reuse=nowhere: no such folder\n.*remedy"):
        run_cells(table("a"), [mine()], reuse="nowhere")


def test_cells_that_all_fail_alike_are_told_once(table):
    """A mistake of the whole table: it ends after three cells instead of trying all."""
    with pytest.raises(
        RunError, match="first 3 cells failed alike: --set value=7: .*\n.*remedy: give a value"
    ):
        run_cells(table("a"), [mine(k, "value=7") for k in range(40)])
    assert len(list(Path("a/cells").iterdir())) <= 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_every_cell_and_starts_none(table, here, number):
    """Only the parent gets the signal."""
    (here / "table.py").write_text(TABLE)
    command = [sys.executable, "-m", "chipsim", "run", "./table.py", "--out", "r"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        limit = time.monotonic() + 120
        while started() < 2:
            assert parent.poll() is None and time.monotonic() < limit
            time.sleep(0.05)
        parent.send_signal(number)
        _, told = parent.communicate(timeout=60)
    assert parent.returncode == 130 and b"Traceback" not in told
    assert started() == 2
    for path in here.glob("pid*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name[3:]), 0)
    assert load_run("r", complete=False).status == "interrupted"
