"""A user's mistakes, through the command line: one message with place, value, limit and remedy,
status 2, no traceback, and no run that looks complete."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chipsim.run_folder import load_run

TINY = ("--set", "epochs=1", "--set", "hidden=16", "--set", "rate=5", "--set", "rate_steps=0")
ALONE = ("--set", "twin=false", "--set", "controls=false")


def refused(done, *texts: str) -> None:
    """One message, one remedy, status 2, no traceback; every text is in it."""
    assert done.status == 2, done
    assert done.err.count("error: ") == 1 and done.err.startswith("error: ")
    assert done.err.count("remedy: ") == 1 and "Traceback" not in done.err + done.out
    assert [text for text in texts if text not in done.err] == [], done.err


def runs() -> list[Path]:
    return sorted(Path("runs").iterdir()) if Path("runs").is_dir() else []


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--rule", "decole"], ["no rule named 'decole' (did you mean 'decolle'?)", "stdp_pair"]),
        (["--chip", "loihi"], ["no chip named 'loihi' (did you mean 'loihi2'?)", "ideal"]),
        (["--set", "epoch=1"], ["no setting named 'epoch' (did you mean 'epochs'?)"]),
        (["--set", "steps=0"], ["--set steps=0: input should be greater than or equal to 1"]),
        (["--set", "encoder=rat"], ["unknown encoder 'rat' (did you mean 'rate'?)"]),
        (["--set", "params.k_q=0.5"], ["rule decolle has no param or const 'k_q'", "k_a, k_b"]),
        (["--set", "params.k_a=7"], ["k_a = 7 lies outside u12.12: 0 .. 0.999756"]),
        (["--set", "q.format=u7.4"], ["rule decolle has no register 'q'"]),
        (["--set", "weight.bits=9"], ["pixels->hidden1 on chip loihi2: weights of 9 bits", "7, 8"]),
        (["--set", "hidden="], ["the network has no neurons"]),
        (["--set", "hidden=0"], ["--set hidden=0: a layer has 1 neuron or more"]),
        (["--set", "hidden=16C"], ["--set hidden=16C: '16C' is no layer; write 256, 16C5"]),
        (["--rule", "r_stdp"], ["does not fit experiment 'digits'", "r_stdp_cue"]),
        (["--chip", "loihi1"], ["on chip loihi1: "]),
    ],
)
def test_what_digits_refuses_leaves_nothing(chipsim, arguments, texts):
    refused(chipsim("run", "digits", *ALONE, *arguments), *texts)
    assert runs() == []


def test_a_signal_the_chip_does_not_route(chipsim):
    refused(
        chipsim("rule", "check", "decolle", "--chip", "loihi1"),
        "loihi1.toml: rule decolle reads third_factor (line ",
        "needs per_post_neuron; chip loihi1 gives global_reward",
    )


def test_more_registers_than_the_chip_has(chipsim, here):
    text = "rule three\npre a : u7.4\npre b : u7.4\npre c : u7.4\nsyn w : weight\n"
    text += "on_pre:\n    a += 1\n    b += 1\n    c += 1\non_post:\n    w += a\n    w += b\n    w -= c\n"
    (here / "three.rule").write_text(text)
    refused(
        chipsim("rule", "check", "./three.rule", "--chip", "loihi2"),
        "loihi2.toml: rule three needs 3 pre registers (a, b, c); chip loihi2 has 2",
    )


def test_a_trace_wider_than_the_chips_is_refused_unless_narrowed(chipsim):
    wide = ("run", "digits", *TINY, *ALONE, "--set", "a.format=u12.8")
    refused(chipsim(*wide), "register 'a' is u12.8, 12 bits", "hold 7 bits (u7)", "--fit narrow")
    assert runs() == []
    done = chipsim(*wide, "--fit", "narrow")
    assert done.status == 0 and done.err == ""
    assert "narrowed" in done.out and "u12.8" in done.out and "u7.3" in done.out


WIDE = '''"""One neuron with more inputs than a core has axons."""

from chipsim import Network, Simulator, load_chip
from chipsim.settings import ExperimentSettings

RULES = ()
CHIPS = ("loihi1",)


class Settings(ExperimentSettings):
    inputs: int = 5000


def run(context):
    net = Network()
    net.source("in", context.settings.inputs)
    net.lif("out", 1, reset="hard")
    net.connect("in", "out")
    return {"digest": Simulator(net, load_chip(context.chip)).digest()}
'''


def test_a_network_beyond_a_core(chipsim, here):
    (here / "wide.py").write_text(WIDE)
    done = chipsim("run", "./wide.py")
    refused(done, "5000 input axons", "room for 4096", "layer 'out' on chip loihi1", "loihi1.toml")
    assert runs() == []
    assert chipsim("run", "./wide.py", "--set", "inputs=4096").status == 0


def test_a_network_beyond_the_chip(chipsim, here, root):
    """With three cores of 100 neurons, and no second chip, 420 do not fit."""
    text = (root / "hw_models" / "loihi2.toml").read_text()
    for key, value in (("cores", 3), ("neurons_per_core", 100), ("chips_max", 1)):
        lines = [f"{key} = {value}" if line.startswith(f"{key} = ") else line for line in text.splitlines()]
        assert "\n".join(lines) != text, key
        text = "\n".join(lines)
    (here / "small.toml").write_text(text.replace('name = "loihi2"', 'name = "small"') + "\n")
    done = chipsim("run", "digits", *ALONE, "--set", "hidden=400", "--chip", "./small.toml")
    refused(done, "needs at least 5 cores, the chip has 3", "small.toml")


# ---------------------------------------------------------------- data


def idx(path: Path, axes: tuple[int, ...], data: bytes) -> None:
    path.write_bytes(b"\0\0\x08" + bytes([len(axes)]) + struct.pack(f">{len(axes)}I", *axes) + data)


@pytest.fixture
def images(here) -> Path:
    """A folder of four MNIST-format files; the training images lack 7 bytes."""
    folder = here / "data"
    folder.mkdir()
    idx(folder / "train-images-idx3-ubyte", (40, 4, 4), bytes(40 * 16 - 7))
    idx(folder / "train-labels-idx1-ubyte", (40,), bytes(k % 10 for k in range(40)))
    idx(folder / "t10k-images-idx3-ubyte", (10, 4, 4), bytes(160))
    idx(folder / "t10k-labels-idx1-ubyte", (10,), bytes(range(10)))
    return folder


def test_a_truncated_idx_file(chipsim, images):
    done = chipsim("run", "mnist", *ALONE, "--data", images)
    refused(done, "train-images-idx3-ubyte: truncated: expected 640 bytes", "got 633")
    assert runs() == []


def test_a_missing_idx_file(chipsim, images):
    (images / "t10k-labels-idx1-ubyte").unlink()
    idx(images / "train-images-idx3-ubyte", (40, 4, 4), bytes(640))
    refused(chipsim("run", "mnist", *ALONE, "--data", images), "no t10k labels", "t10k-labels-idx1-ubyte")


def test_no_data_folder(chipsim):
    refused(chipsim("run", "mnist", *ALONE), "mnist", "--data DIR")
    refused(chipsim("run", "mnist", "--data", "nowhere"), "--data nowhere is no folder")
    assert runs() == []


# ---------------------------------------------------------------- places that cannot be written


def test_runs_is_a_file(chipsim, here):
    (here / "runs").write_text("mine")
    refused(chipsim("run", "digits", *TINY, *ALONE), "runs: cannot be written", "--out DIR")
    assert (here / "runs").read_text() == "mine"


def test_out_lies_below_a_file(chipsim, here):
    (here / "file").write_text("")
    refused(chipsim("run", "digits", "--out", "file/deep"), "file/deep: cannot be written", "--out DIR")


def test_a_read_only_folder(chipsim, here):
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (here / "locked").mkdir(mode=0o500)
    refused(chipsim("run", "digits", "--out", "locked/run"), "locked/run: cannot be written", "--out DIR")
    assert list((here / "locked").iterdir()) == []


FILLS_THE_DISK = '''"""Writes where no room is left."""

from chipsim.settings import ExperimentSettings

RULES = ()
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    pass


def run(context):
    (context.out.path / "metrics.jsonl").symlink_to("/dev/full")
    context.out.metric(step=1)
    return {}
'''


def test_a_disk_that_fills_up_in_the_middle(chipsim, here):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (here / "mine.py").write_text(FILLS_THE_DISK)
    refused(chipsim("run", "./mine.py", "--out", "r"), "r/metrics.jsonl: cannot be written", "No space left")
    assert load_run("r", complete=False).status == "failed"
    refused(chipsim("report", "r"), "the run is not complete: failed")


# ---------------------------------------------------------------- Ctrl-C


def interrupted(root: Path, here: Path, line: bytes, wait: float, *settings: str) -> None:
    """Start digits, wait for a line of it, then a moment, then Ctrl-C: status 130, a truthful folder."""
    environment = {**os.environ, "PYTHONPATH": str(root), "CHIPSIM_CACHE": str(here / "cache")}
    command = [sys.executable, "-m", "chipsim", "run", "digits", "--out", "r", *settings]
    with subprocess.Popen(
        command, cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        for text in child.stdout:
            if text.startswith(line):
                break
        time.sleep(wait)
        assert child.poll() is None, "ended before Ctrl-C"
        child.send_signal(signal.SIGINT)
        out, told = child.communicate(timeout=60)
    assert child.returncode == 130, told
    assert b"status interrupted" in told and b"Traceback" not in told and b"out: " not in out
    manifest = json.loads((here / "r" / "manifest.json").read_text())
    assert manifest["status"] == "interrupted" and "digest" not in manifest


@pytest.mark.slow
def test_ctrl_c_while_kernels_compile(here, root):
    interrupted(root, here, b"memory", 1.0, *TINY, *ALONE)


@pytest.mark.slow
def test_ctrl_c_while_it_trains(here, root):
    interrupted(root, here, b"chip     epoch   2", 0.3, *TINY[2:], *ALONE, "--set", "epochs=10000")
    assert (here / "r" / "metrics.jsonl").read_text().count("\n") >= 2  # what was done so far is kept


IN_A_CALLBACK = '''"""Is interrupted where Python drops exceptions: in a function called from C."""

import ctypes
import os
import signal
import time

from chipsim.settings import ExperimentSettings

RULES = ()
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    pass


def run(context):
    ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGINT))()
    for _ in range(2000):
        time.sleep(0.01)
    return {}
'''


def test_ctrl_c_in_a_callback_is_not_lost(chipsim, here):
    (here / "mine.py").write_text(IN_A_CALLBACK)
    done = chipsim("run", "./mine.py", "--out", "r")
    assert done.status == 130 and "status interrupted" in done.err and "Traceback" not in done.err
    assert json.loads((here / "r" / "manifest.json").read_text())["status"] == "interrupted"


# ---------------------------------------------------------------- a run's weights again


@pytest.mark.slow
@pytest.mark.one_python
def test_eval_and_from_on_another_chip_state_what_is_lost(chipsim):
    first = chipsim("run", "digits", *TINY, *ALONE, "--chip", "ideal", "--json", "--out", "one")
    assert first.status == 0
    told = json.loads(first.out)
    assert set(told) >= {"experiment", "rule", "chip", "seed", "accuracy", "digest", "wall_s", "cpu_s"}
    assert set(told) >= {"counters", "energy", "out"} and not set(told) & {"summary", "report"}

    same = json.loads(chipsim("eval", "one", "--json").out)
    assert same["accuracy"]["test"] == told["accuracy"]["test"]
    assert same["loss_of_requantising"] == []

    other = chipsim("eval", "one", "--chip", "loihi2")
    assert other.status == 0
    assert "requantised thresholds of hidden1: s30.17 -> s24.15" in other.out
    assert "largest error" in other.out

    on = chipsim("run", "digits", *TINY, *ALONE, "--from", "one", "--out", "two")
    assert on.status == 0
    assert "requantised thresholds of hidden1: s30.17 -> s24.15" in on.out
    assert load_run("two").manifest["from"] == "one"

    refused(
        chipsim("run", "digits", *ALONE, "--set", "hidden=17", "--from", "one", "--set", "rate=5"),
        "weights of pixels->hidden1 have shape (64, 16), this network needs (64, 17)",
    )
