"""Networks of chipsim as Lava processes in this process; the listing of docs/lava.md runs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chipsim.lava
from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import DataError, LimitError, RunError, SettingError
from chipsim.lava.export import export_lava
from chipsim.lava.in_process import lava_start, processes_of
from chipsim.lava.timed import timed
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.simulator import Simulator

ROOT = Path(__file__).resolve().parent.parent
LAVA = importlib.util.find_spec("lava") is not None
needs_lava = pytest.mark.skipif(not LAVA, reason="needs lava-nc 0.10.0 in this interpreter (Python 3.10)")
STEPS = 30

PROGRAM = """
import numpy as np
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from test_lava_in_process import STEPS, spikes, trained
from chipsim.data.events import Events
from chipsim.lava import lava_start, processes_of

if __name__ == "__main__":
    sim, labels = trained(), np.arange(STEPS) // 8 % 3
    dense = spikes(2)
    for learn, own in ((True, False), (False, True)):
        network = processes_of(sim, None if own else Events.from_dense(dense), steps=STEPS, labels=labels, learn=learn)
        if own:
            mine = Source(data=dense[0].T.astype(int))
            for c in network.feeds("in"):
                mine.s_out.connect(c.s_in)
        probe = Sink(shape=(7,), buffer=STEPS)
        network["b"].s_out.connect(probe.a_in)
        network.run(10).run(STEPS - 10)
        found, weights = probe.data.get().T.astype(int), network["in->a"].weights.get().T.astype(int)
        network.stop()
        wanted = lava_start(sim)
        wanted.probe("b.spikes")
        wanted.run(Events.from_dense(dense), labels=labels[None], learn=learn)
        print(learn, np.array_equal(found, np.array(wanted.probes["b.spikes"])), found.sum() > 5,
              np.array_equal(weights, wanted.state["c0_w"]), (weights != lava_start(sim).state["c0_w"]).any(), flush=True)
"""  # noqa: E501


def spikes(seed: int) -> np.ndarray:
    """int8[1, STEPS, 12]."""
    return (np.random.default_rng(seed).random((1, STEPS, 12)) < 0.4).astype(np.int8)


def untrained(**options: object) -> Simulator:
    """Two plastic layers with readouts."""
    net = Network()
    net.source("in", 12)
    for below, name, size in (("in", "a", 9), ("a", "b", 7)):
        net.lif(name, size, tau_v_ms=10, tau_u_ms=2, threshold=0.4, reset="hard")
        net.connect(below, name, rule="decolle", gain=2.0, settings={"params": {"rate": 4}})
        net.readout(name, 3)
    return Simulator(net, load_chip("loihi2_lava"), load_rule, seed=3, **options)


def trained() -> Simulator:
    """The same after one sample."""
    return untrained().run(Events.from_dense(spikes(1)), labels=np.full((1, STEPS), 1))


def script(text: str, folder: Path, *paths: Path, seconds: float = 120) -> str:
    """Standard output of a script in a process group of its own (Lava hangs where it goes wrong)."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *paths)))}
    environment |= {"NUMBA_DISABLE_JIT": "1"}
    child = subprocess.Popen(
        [sys.executable, str(path)], cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = child.communicate(timeout=seconds)
    finally:
        try:
            os.killpg(child.pid, 9)
        except ProcessLookupError:
            pass
    assert child.returncode == 0, err[-2000:]
    return out


@needs_lava
def test_processes_compute_what_chipsim_computes(tmp_path):
    """Learning with events in a RingBuffer; frozen with a source of one's own; two calls of run."""
    told = script(PROGRAM, tmp_path, ROOT / "tests").splitlines()
    assert told[-2:] == ["True True True True True", "False True True True False"], told


@needs_lava
def test_the_listing_of_the_docs_runs(tmp_path):
    """The Python listing under "In process" of docs/lava.md prints what it says."""
    text = (ROOT / "docs" / "lava.md").read_text(encoding="utf-8")
    listing = re.search(r"^## In process.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)[1]
    assert script(listing, tmp_path).splitlines()[-1] == "True True"


def names_and_input():
    """For a process of its own: Lava must be imported before multiprocessing is used."""
    sim = untrained()
    network = processes_of(sim, steps=5)
    assert list(network)[:3] == ["in", "a", "a.readout"] and len(network) == len(list(network))
    assert network["a"].s_out.shape == (9,) and network.feeds("in") == [network["in->a"]]
    with pytest.raises(SettingError, match="no Lava process of 'c'"):
        network["c"]
    with pytest.raises(SettingError, match="no source 'a'"):
        network.feeds("a")
    with pytest.raises(SettingError, match="neither events nor steps"):
        processes_of(sim)
    with pytest.raises(DataError, match="5 axons"):
        processes_of(sim, Events.from_dense(np.zeros((1, 4, 5), np.int8)))
    with pytest.raises(DataError, match="'out'"):
        processes_of(sim, {"out": Events.from_dense(spikes(1))})
    net = Network()
    net.source("in", 2)
    net.lif("a", 2)
    net.connect("in", "a")
    with pytest.raises(LimitError, match="chip ideal"):
        processes_of(Simulator(net, load_chip("ideal")), steps=3)
    with pytest.raises(LimitError, match="engine lines"):
        processes_of(untrained(engine="lines"), steps=3)


@needs_lava
def test_names_and_input_that_do_not_fit(tmp_path):
    text = "from test_lava_in_process import names_and_input\nnames_and_input()\nprint('through')\n"
    assert script(text, tmp_path, ROOT / "tests").splitlines()[-1] == "through"


@needs_lava
def test_lava_after_multiprocessing_is_told(tmp_path):
    text = (
        "import multiprocessing\nmultiprocessing.get_context('spawn')\nmultiprocessing.Queue()\n"
        "from test_lava_in_process import untrained\nfrom chipsim.errors import SettingError\n"
        "from chipsim.lava import processes_of\n"
        "try:\n    processes_of(untrained(), steps=5)\n"
        "except SettingError as error:\n    print(error.text())\n"
    )
    assert "before anything that uses multiprocessing" in script(text, tmp_path, ROOT / "tests")


@pytest.mark.skipif(LAVA, reason="lava-nc is installed here")
def test_without_lava_the_error_says_what_to_do():
    with pytest.raises(SettingError, match="lava-nc 0.10.0 is not installed") as caught:
        processes_of(untrained(), steps=5)
    assert "export_lava" in caught.value.text()


@needs_lava
def test_a_damaged_export_is_not_timed(tmp_path):
    export_lava(untrained(), Events.from_dense(spikes(1)), tmp_path / "out", np.zeros(STEPS, int))
    arrays = dict(np.load(tmp_path / "out" / "network.npz"))
    arrays["a->b.weights"][1, 2] ^= 1
    np.savez(tmp_path / "out" / "network.npz", **arrays)
    with pytest.raises(RunError, match="damaged: the weights of a->b differ .* neuron 1, axon 2"):
        timed(tmp_path / "out", 5, seconds=60)
    with pytest.raises(SettingError, match="mode 'models'"):
        timed(tmp_path / "out", 5, "models")


def test_weights_are_those_that_lava_loads():
    sim = untrained()
    sim.state["c0_w"] |= 1
    start = lava_start(sim)
    assert (start.state["c0_w"] == (sim.state["c0_w"] & ~1)).all() and not start.state["l1_v"].any()
    assert (sim.state["c0_w"] & 1).all()


def test_what_the_package_offers():
    assert chipsim.lava.processes_of is processes_of
    assert {"processes_of", "export_lava", "ProgramNeuron"} <= set(chipsim.lava.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        chipsim.lava.nothing  # noqa: B018
