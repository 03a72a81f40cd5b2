"""Exports to Lava: written on every Python, run and compared where lava-nc is."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import LimitError, NetworkError, RunError, SettingError
from chipsim.lava import export as export_module
from chipsim.lava.export import export_lava
from chipsim.lava.network import load
from chipsim.lava.verify import group_of, lava_python, verify
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.simulator import Simulator

STEPS = 40
ROOT = Path(__file__).resolve().parent.parent


def lava_here() -> str | None:
    """An interpreter with lava-nc, or None."""
    try:
        return lava_python()
    except SettingError:
        return None


PYTHON = lava_here()
needs_lava = pytest.mark.skipif(
    PYTHON is None, reason="needs lava-nc 0.10.0 (Python 3.10), here or named by CHIPSIM_LAVA_PYTHON"
)


def network(rule: str, **options: object) -> Network:
    """Two plastic layers; a readout each where the rule wants one."""
    net = Network()
    net.source("in", 12)
    for below, name, size in (("in", "a", 9), ("a", "b", 7)):
        net.lif(name, size, tau_v_ms=10, tau_u_ms=2, threshold=0.4, reset="hard", bias=0.01)
        net.connect(below, name, rule=rule, gain=2.0, settings={"params": {"rate": 4}})
    if load_rule(rule).circuit == "readout":
        net.readout("a", 3)
        net.readout("b", 3)
    return net


def exported(folder: Path, rule: str = "decolle", net: Network | None = None) -> dict:
    """An export of an untrained network and 40 steps of noise."""
    sim = Simulator(net or network(rule), load_chip("loihi2_lava"), load_rule, seed=3)
    dense = (np.random.default_rng(0).random((1, STEPS, 12)) < 0.4).astype(np.int8)
    labels = np.arange(STEPS) // 8 % 3
    return export_lava(sim, Events.from_dense(dense), folder, labels)


def test_the_folder_says_what_it_is(tmp_path):
    manifest = exported(tmp_path / "out")
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == [
        "arithmetic",
        "expected.npz",
        "manifest.json",
        "network.npz",
        "network.py",
        "processes",
        "run.py",
    ]
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["stock"] == ["Dense", "LearningDense", "RingBuffer"]
    assert list(manifest["custom"]) == ["ProgramNeuron"]
    expected = np.load(tmp_path / "out" / "expected.npz")
    assert expected["spikes.a"].shape == (STEPS, 9) and expected["spikes.b"].any()
    assert (expected["start.in->a.weights"] % 2 == 0).all()
    assert (expected["end.in->a.weights"] != expected["start.in->a.weights"]).any()


def test_the_folder_needs_nothing_but_lava_and_numpy(tmp_path):
    exported(tmp_path / "out")
    known = set(sys.stdlib_module_names) | {"numpy", "lava", "network", "arithmetic", "processes"}
    for path in (tmp_path / "out").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert {name.split(".")[0] for name in names} <= known, path


def test_a_full_folder_is_not_overwritten(tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        exported(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sparse": (np.arange(0, 37, 3), np.tile([0, 4, 8], 12))}, "missing synapses"),
        ({"delay": 3}, "a delay of 3 steps"),
    ],
)
def test_what_lava_has_no_process_for_is_refused(change, reason, tmp_path):
    net = Network()
    net.source("in", 12)
    net.lif("a", 9, reset="hard")
    net.connect("in", "a", rule="stdp_pair", **change)
    with pytest.raises(LimitError, match=reason):
        exported(tmp_path / "out", net=net)


def test_what_the_chip_does_not_do_is_refused():
    def plan(**layer: object) -> None:
        net = Network()
        net.source("in", 2)
        net.lif("a", 2, **{"reset": "hard", **layer})
        net.connect("in", "a", **({"w_max": 0.5} if layer == {"threshold": 0.5} else {}))
        Simulator(net, load_chip("loihi2_lava"))

    for layer, reason in (
        ({"reset": "soft"}, "soft reset"),
        ({"rectify": True}, "rectify"),
        ({"homeostasis": (0.1, 1.0)}, "homeostasis"),
        ({"threshold": 0.5}, "weights limited to -256..128"),
    ):
        with pytest.raises(LimitError, match=reason):
            plan(**layer)
    with pytest.raises(NetworkError, match="reset_every"):
        plan(reset_every=(0, 1))


def test_a_damaged_file_is_told_with_its_array(tmp_path):
    """One bit of the file, not of a number: zip and zlib see it before any checksum of ours."""
    exported(tmp_path / "out")
    path = tmp_path / "out" / "network.npz"
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        info = file.getinfo("in->a.weights.npy")
    inside = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    for at in (inside, len(whole) - 10):
        data = bytearray(whole)
        data[at] ^= 4
        path.write_bytes(data)
        with pytest.raises(ValueError, match="network.npz: .* cannot be read") as caught:
            load(tmp_path / "out")
        assert at != inside or "'in->a.weights'" in str(caught.value)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="network.npz: the file cannot be read"):
        load(tmp_path / "out")
    path.write_bytes(whole)
    load(tmp_path / "out")


def test_verify_refuses_what_is_no_export(tmp_path):
    with pytest.raises(RunError, match="no Lava export"):
        verify(tmp_path, python=sys.executable)


def test_an_interpreter_without_lava_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CHIPSIM_LAVA_PYTHON", str(tmp_path / "nothing"))
    with pytest.raises(SettingError, match="cannot be run"):
        lava_python()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_watcher_takes_the_run_with_it(number, tmp_path):
    """Ctrl-C, and what leaves verify no time to clean up: the run sees its standard input close."""
    template = Path(export_module.__file__).with_name("run_template.py").read_text()
    (tmp_path / "network.py").write_text(
        "import os, pathlib, time\n"
        "def check(folder):\n"
        "    os.fork()\n"
        "    (folder / f'pid{os.getpid()}').touch()\n"
        "    time.sleep(600)\n"
    )
    (tmp_path / "run.py").write_text(template)
    for name in ("manifest.json", "network.npz", "expected.npz"):
        (tmp_path / name).write_text("{}")
    code = f"from chipsim.lava.verify import verify; verify({str(tmp_path)!r}, 600.0, {sys.executable!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    watcher = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    pids = _waited(lambda: [int(x.name[3:]) for x in tmp_path.glob("pid*")], lambda x: len(x) == 2)
    watcher.send_signal(number)
    watcher.wait()
    assert _waited(lambda: [p for p in pids if _alive(p)], lambda x: not x) == []


def _waited(look: Callable[[], list[int]], enough: Callable[[list[int]], bool]) -> list[int]:
    """What `look` sees, once it is enough or a minute is over."""
    until = time.monotonic() + 60
    while not enough(found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_that_never_ends_leaves_no_process(tmp_path):
    """Two generations of children that ignore everything but SIGKILL."""
    for name in ("manifest.json", "network.npz", "expected.npz"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "run.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork(); os.fork()\n"
        f"open(os.path.join({str(tmp_path)!r}, f'pid{{os.getpid()}}'), 'w').close()\n"
        "time.sleep(600)\n"
    )
    verdict = verify(tmp_path, 2.0, sys.executable)
    assert verdict.result == "out of time"
    pids = [int(x.name[3:]) for x in tmp_path.glob("pid*")]
    assert len(pids) == 4
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert group_of(pids[0]) == [pids[0]]


# ---------------------------------------------------------------- in Lava


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize("rule", ["stdp_pair", "decolle"])
def test_lava_computes_the_same(rule, tmp_path):
    exported(tmp_path / "out", rule)
    verdict = verify(tmp_path / "out", 120, PYTHON)
    assert (verdict.result, verdict.text) == ("equal", verdict.text), verdict.stderr[-2000:]


@needs_lava
@pytest.mark.slow
def test_whatever_is_wrong_is_told_with_its_place(tmp_path):
    """A flipped bit in the lowest layer; other numbers than chipsim's; a crash; a send that is missing."""
    good = tmp_path / "good"
    exported(good)

    def broken(name: str, old: str = "", new: str = "") -> Path:
        shutil.copytree(good, tmp_path / name)
        path = tmp_path / name / "processes" / "neuron.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return tmp_path / name

    arrays = dict(np.load(broken("flipped") / "network.npz"))
    arrays["in->a.weights"][3, 5] ^= 1
    np.savez_compressed(tmp_path / "flipped" / "network.npz", **arrays)
    verdict = verify(tmp_path / "flipped", 60, PYTHON)
    assert verdict.result == "damaged" and "in->a" in verdict.text and "neuron 3, axon 5" in verdict.text
    verdict = verify(broken("other", "- 2 * HALF, ", "- 2 * HALF + 0, ").parent / "other", 60, PYTHON)
    assert verdict.result == "equal"
    verdict = verify(broken("wrong", '> c["thr"])', '>= c["thr"] // 4)'), 60, PYTHON)
    assert verdict.result == "different" and "of layer" in verdict.text and "neuron" in verdict.text
    crash = "        if step == 9:\n            raise RuntimeError('here')\n        x.after_signal(step,"
    verdict = verify(broken("crash", "        x.after_signal(step,", crash), 60, PYTHON)
    assert verdict.result == "crashed" and "RuntimeError: here" in verdict.text
    assert "PyProgramNeuronModel" in verdict.text and "neuron.py" in verdict.text
    verdict = verify(broken("missing", "        self.y1_out.send(y1)\n", ""), 15, PYTHON)
    assert verdict.result == "out of time" and "s_in_y1.recv()" in verdict.text
    assert "PyLearningDenseModelBitApproximate in__a" in verdict.text
