"""Runs that are killed, run out of disk or lose their folder's permission, and go on."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from chipsim.plain_json import sealed
from chipsim.run_folder import load_run

pytestmark = pytest.mark.one_python
SMALL = ("--set", "hidden=128", "--set", "steps=4", "--set", "epochs=3", "--set", "controls=false")
RUN = ("run", "digits", *SMALL, "--set", "twin=false", "--checkpoint", "400")
STOPPED = '''"""Stops in the middle where a file named `stop` lies beside it. For tests."""

from pathlib import Path

from chipsim.data import digits
from chipsim.data.split import split_three
from chipsim.supervised import SupervisedSettings, run_supervised

RULES = ("decolle",)
CHIPS = ("loihi2",)


class Settings(SupervisedSettings):
    epochs: int = 3


def run(context):
    images = digits()

    class Stopping(type(context.progress)):
        def tick(self, done, total, **info):
            if Path("stop").exists() and info.get("epoch") == 2 and done > 500:
                raise KeyboardInterrupt

    context.progress.__class__ = Stopping
    return run_supervised(context, split_three(images, context.seed), {"digits": images.sha256})
'''
MINE = ("run", "./stopped.py", *SMALL, "--set", "twin=false", "--checkpoint", "400", "--out", "r")


def helper(name: str):
    """A module beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkpoints(folder: str = "r") -> list[Path]:
    return sorted(Path(folder).glob("checkpoints/*/*.json"))


@pytest.fixture
def stopped(chipsim, here):
    """A run in ./r that was stopped in its second epoch, and what it would have come to."""
    (here / "stopped.py").write_text(STOPPED)
    assert chipsim(*MINE[:-1], "whole").status == 0
    (here / "stop").touch()
    done = chipsim(*MINE)
    (here / "stop").unlink()
    assert done.status == 130 and "chipsim resume r" in done.err and len(checkpoints()) == 2
    return load_run("whole").manifest["digest"]


def resumed(chipsim) -> str:
    """Go on; the digest of the complete run."""
    done = chipsim("resume", "r", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["digest"] == load_run("r").manifest["digest"]
    return load_run("r").manifest["digest"]


def test_six_kills_at_random_moments(here, root, monkeypatch):
    """Of the campaign in kill_runs.py, which does sixty and more."""
    monkeypatch.setenv("PYTHONPATH", str(root))
    kills = helper("kill_runs")
    wanted = kills.undisturbed(here / "undisturbed")
    found, left = kills.tortured(here / "run", random.Random(6), 6)
    assert found == wanted and wanted["status"] == "complete"
    assert len(left) > 1 and not (here / "run" / "checkpoints").exists()


def test_a_run_goes_on_from_its_checkpoint_to_the_same_digest(chipsim, stopped):
    metrics = load_run("r", complete=False).metrics()
    done = chipsim("resume", "r")
    assert done.status == 0 and "resumed     chip: checkpoint" in done.out
    assert load_run("r").manifest["digest"] == stopped
    assert load_run("r").metrics()[: len(metrics)] == metrics and len(load_run("r").metrics()) == 3
    assert not checkpoints() and load_run("r").manifest["earlier"][0]["status"] == "interrupted"
    again = chipsim("resume", "r")
    assert again.status == 2 and "the run is complete" in again.err


@pytest.mark.parametrize("damage", ["arrays", "cursor", "text", "missing", "longer"])
def test_a_damaged_checkpoint_is_passed_over(chipsim, stopped, damage):
    last = checkpoints()[-1]
    arrays = last.with_suffix(".arrays")
    if damage == "arrays":
        data = bytearray(arrays.read_bytes())
        data[len(data) // 2] ^= 1
        arrays.write_bytes(data)
    elif damage == "cursor":
        text = json.loads(last.read_text())
        text["cursor"]["epoch"]["right"] += 1
        last.write_text(json.dumps(text))
    elif damage == "text":
        last.write_bytes(last.read_bytes()[:-9])
    elif damage == "missing":
        arrays.unlink()
    else:
        arrays.write_bytes(arrays.read_bytes() + b"\0")
    done = chipsim("resume", "r")
    assert done.status == 0 and "the one before is taken" in done.out
    assert load_run("r").manifest["digest"] == stopped


def test_a_checkpoint_of_other_settings_is_refused(chipsim, stopped):
    path = Path("r/manifest.json")
    manifest = json.loads(path.read_text())
    path.write_bytes(sealed(manifest | {"seed": 2}))
    done = chipsim("resume", "r")
    assert done.status == 2 and "a checkpoint of a run with other settings, seed or files" in done.err


@pytest.mark.parametrize("what", ["experiment", "version", "data", "command"])
def test_what_would_change_the_result_is_refused(chipsim, stopped, what):
    path = Path("r/manifest.json")
    manifest = json.loads(path.read_text())
    if what == "experiment":
        Path("stopped.py").write_text(STOPPED + "\n")
    elif what == "version":
        manifest["versions"]["chipsim"] = "0.0.1"
    elif what == "data":
        manifest["data"]["digits"] = "0" * 64
    else:
        manifest["command"] = "eval"
    path.write_bytes(sealed(manifest))
    done = chipsim("resume", "r")
    told = {
        "experiment": "is not the file that the run began with",
        "version": "begun with chipsim 0.0.1",
        "data": "the data are not those that the run began with",
        "command": "made by `chipsim eval`",
    }
    assert done.status == 2 and told[what] in done.err and "Traceback" not in done.err
    assert path.exists() and len(checkpoints()) == 2


def test_without_checkpoints_a_run_begins_anew(chipsim, stopped):
    for path in Path("r/checkpoints").glob("*/*"):
        path.unlink()
    assert resumed(chipsim) == stopped


def test_one_process_at_a_time(chipsim, stopped):
    from chipsim.durable import alone_in

    with alone_in(Path("r")):
        done = chipsim("resume", "r")
    assert done.status == 2 and "another process is at work on this run" in done.err
    assert resumed(chipsim) == stopped


def test_a_word_that_is_no_interval(chipsim):
    for text in ("0", "often", "-5s", "5 s", "1e3", "0s"):
        done = chipsim("run", "digits", "--checkpoint", text)
        assert done.status == 2 and f"--checkpoint {text}: no interval" in done.err
    assert not Path("runs").exists()


def child(arguments: tuple[str, ...], root: Path, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "chipsim", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, **options)


def limited() -> None:
    """No file longer than 12 kB: less than a checkpoint of this network, more than the manifest."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))


def without_privilege() -> None:
    """Permissions hold for the administrator too: CAP_DAC_OVERRIDE is given up (PR_CAPBSET_DROP)."""
    if os.getuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0):
        os._exit(77)


def test_a_full_disk_stops_the_run_and_leaves_the_last_good_checkpoint(stopped, chipsim, here, root):
    before = [(path, path.read_bytes()) for path in checkpoints()]
    done = child(("resume", "r"), root, preexec_fn=limited)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot be written: File too large" in done.stderr and "remedy: " in done.stderr
    assert [(path, path.read_bytes()) for path in checkpoints()] == before
    assert not list(here.rglob("*.partial"))
    assert load_run("r", complete=False).status == "failed"
    assert resumed(chipsim) == stopped


def test_a_read_only_folder_is_told_and_left_alone(stopped, chipsim, here, root):
    places = [Path("r"), *Path("r").rglob("*")]
    before = {path: path.read_bytes() for path in places if path.is_file()}
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = child(("resume", "r"), root, preexec_fn=without_privilege)
    for path in places:
        path.chmod(0o755)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot be written: Permission denied" in done.stderr and "remedy: " in done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert resumed(chipsim) == stopped
