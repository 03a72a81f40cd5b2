"""An export that is broken in every way it can be: each must be reported in time, with its place.

For `lava_exports.py --faults`. A fault is a copy of a good export with one change; what `verify` says of
it must be the wanted result, name the place, and leave no process of the run.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chipsim.lava.network import digest
from chipsim.lava.verify import verify

MARK = "CHIPSIM_LAVA_FAULT"  # in the environment of every process of a run
STEP = 4  # in which a process does not send, or a model crashes
SECONDS = {"damaged": 60.0, "different": 120.0, "crashed": 120.0, "out of time": 40.0}

NEURON, FEEDBACK, SAMPLES = "processes/neuron.py", "processes/feedback.py", "processes/samples.py"
Y1 = "        self.y1_out.send(y1)\n"
BACK = "        self.e_out.send("
AFTER = "        x.after_signal(step, self.e_in.recv())\n"
M = '        self._factor(step, bool(self.config["due"][ts - 1]))\n        self.m_out.send(f.m.ravel())\n'
REPLAYED = "                self._factor(step - steps + past, True)\n"
SUMS = "        self.a_out.send(x.sums.ravel())\n"
STARVED = '"dv": 4096 - own["kv"]'
RUN = "    speak_up()\n"
MUTE = f"""    from lava.magma.core.model.py.ports import PyOutPortVectorDense as Port
    send = Port.send
    def seldom(port, data):
        model = port._process_model
        if model.time_step != {STEP} or model.proc_params.get("name") != "%s":
            send(port, data)
    Port.send = seldom
{RUN}"""


@dataclass(frozen=True)
class Fault:
    """What is changed, what `verify` must say, and words that its text must hold."""

    name: str
    result: str
    place: tuple[str, ...]
    change: Callable[[Path], None]


def tried(good: Path, python: str, some: Sequence[str] = ("",)) -> list[dict]:
    """Every fault of an export (whose name holds one of `some`): name, result, seconds, text, and what was
    missed (empty: nothing)."""
    return [_tried(good, x, python) for x in faults(good) if any(text in x.name for text in some)]


def _tried(good: Path, fault: Fault, python: str) -> dict:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "broken")
        shutil.copytree(good, folder)
        fault.change(folder)
        os.environ[MARK] = folder.as_posix()
        try:
            verdict = verify(folder, SECONDS[fault.result], python)
        finally:
            del os.environ[MARK]
        left = marked(folder.as_posix())
    missed = [f"'{x}' is not named" for x in fault.place if x not in verdict.text]
    if verdict.result != fault.result:
        missed.append(f"{verdict.result}, not {fault.result}")
    if left:
        missed.append(f"{len(left)} processes left")
    told = {"fault": fault.name, "result": verdict.result, "seconds": round(verdict.seconds, 1)}
    return told | {"text": verdict.text, "missed": ", ".join(missed)}


def marked(text: str) -> list[int]:
    """Processes whose environment holds the mark of a run (Linux)."""
    wanted, found = f"{MARK}={text}".encode(), []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


# ---------------------------------------------------------------- what is broken


def faults(good: Path) -> Iterator[Fault]:
    """All faults of an export, the lowest layer first."""
    manifest = json.loads((good / "manifest.json").read_text(encoding="utf-8"))
    for c in manifest["connections"]:
        yield Fault(
            f"bit flipped in the weights of {c['name']}",
            "damaged",
            (c["name"], "neuron", "axon"),
            lambda folder, key=f"{c['name']}.weights": flip(folder, key),
        )
    for key in manifest["arrays"]["network"]:
        if key.endswith(".back"):
            text = f"bit flipped in {key}"
            yield Fault(text, "damaged", (key,), lambda folder, key=key: flip(folder, key))
    yield Fault("bit flipped in the file network.npz", "damaged", ("network.npz",), flip_file)
    lowest = next(c["name"] for c in manifest["connections"] if "rule" in c)
    yield Fault(
        f"bit flipped in the weights of {lowest}, checksums made to agree",
        "different",
        ("neuron",),
        lambda folder: flip(folder, f"{lowest}.weights", agreed=True),
    )
    if "ContextNeuron" in manifest["custom"]:
        yield from _lines(manifest)
        return
    yield from _silent(manifest)
    yield from _crashing(manifest)


def _silent(manifest: dict) -> Iterator[Fault]:
    """One model, the lowest of its kind, that does not send in one step."""
    taught = [c for c in manifest["connections"] if c.get("y")]
    if taught:
        name, where = taught[0]["post"], (f"{plain(taught[0]['name'])} waits", "s_in_y1.recv()")
        late = f"        if {not_now(name)}:\n    {Y1}"
        yield edited(f"{name} sends no y1", "out of time", where, NEURON, Y1, late)
    else:
        layer = next(x["name"] for x in manifest["layers"] if x["process"] != "RingBuffer")
        above = next(c["name"] for c in manifest["connections"] if c["pre"] == layer)
        where = (f"{plain(above)} waits", "s_in.recv()")
        yield edited(f"{layer} sends no spikes", "out of time", where, "network.py", RUN, MUTE % plain(layer))
    for connection, port, layer, _ in manifest["wires"]:
        if port == "e_out":
            late = BACK.replace("self.e_out.send", f"if {not_now(connection)}: self.e_out.send")
            where = (f"{plain(layer)} waits", "self.e_in.recv()")
            yield edited(f"{connection} sends nothing back", "out of time", where, FEEDBACK, BACK, late)
            break


def _lines(manifest: dict) -> Iterator[Fault]:
    """Faults of networks whose rules run as lines, in the lowest models of a kind."""
    c = next(c for c in manifest["connections"] if "rule" in c)
    first, send = M.splitlines(keepends=True)
    where = (f"{plain(c['name'])} waits", "self.m_in.recv()")
    late = f"{first}        if {not_now(c['post'])}:\n    {send}"
    yield edited(f"{c['post']} sends no third factor", "out of time", where, SAMPLES, M, late)
    late = f"        if {not_now(c['name'])}:\n    {SUMS}"
    waits = (f"{plain(c['post'])} waits", "self.a_in.recv()")
    yield edited(f"{c['name']} delivers nothing", "out of time", waits, SAMPLES, SUMS, late)
    if c["config"]["replays"]:
        again = f'past == 1 and self.proc_params["name"] == "{plain(c["post"])}"'
        late = f"{REPLAYED}                if {again}:\n                    continue\n"
        yield edited(f"{c['post']} sends no replayed factor", "out of time", where, SAMPLES, REPLAYED, late)
    for name, model, line in ((c["post"], "ContextNeuron", M), (c["name"], "ProgramConnection", SUMS)):
        raised = f"        if {now(name)}:\n            raise RuntimeError('broken here')\n"
        where = (f"Py{model}Model {plain(name)}: RuntimeError: broken here", "samples.py")
        yield edited(f"the model of {name} crashes", "crashed", where, SAMPLES, line, raised + line)
    gone = f"        if {now(c['name'])}:\n            import os; os._exit(1)\n"
    where = (f"PyProgramConnectionModel {plain(c['name'])} has ended",)
    yield edited(f"the model of {c['name']} ends", "out of time", where, SAMPLES, SUMS, gone + SUMS)


def now(name: str) -> str:
    """True in one step of one process."""
    return f'self.time_step == {STEP} and self.proc_params["name"] == "{plain(name)}"'


def not_now(name: str) -> str:
    """False in that step."""
    return f"not ({now(name)})"


def _crashing(manifest: dict) -> Iterator[Fault]:
    """Models that raise, one that ends without a word, and one of Lava's own that cannot compute."""
    neurons = [x["name"] for x in manifest["layers"] if x["process"] == "ProgramNeuron"]
    back = [c["name"] for c in manifest["connections"] if c["process"] == "FeedbackLearningDense"]
    if neurons:
        name = neurons[-1]
        raised = f"        if {now(name)}:\n            raise RuntimeError('broken here')\n"
        where = (f"PyProgramNeuronModel {plain(name)}: RuntimeError: broken here", "neuron.py")
        yield edited(f"the model of {name} crashes", "crashed", where, NEURON, AFTER, raised + AFTER)
        name = neurons[0]
        gone = f"        if {now(name)}:\n            import os; os._exit(1)\n"
        where = (f"PyProgramNeuronModel {plain(name)} has ended",)
        yield edited(f"the model of {name} ends", "out of time", where, NEURON, AFTER, gone + AFTER)
    if back:
        raised = f"        if {now(back[0])}:\n            raise RuntimeError('broken here')\n"
        where = (f"PyFeedbackLearningDenseModel {plain(back[0])}: RuntimeError: broken here", "feedback.py")
        yield edited(f"the model of {back[0]} crashes", "crashed", where, FEEDBACK, BACK, raised + BACK)
    if any(x["process"] == "LIF" for x in manifest["layers"]):
        where = ("PyLifModelBitAcc", "TypeError")
        late = STARVED.replace("4096", "4096.5")
        yield edited("a model of Lava's crashes", "crashed", where, "network.py", STARVED, late)


def plain(name: str) -> str:
    """A name as Lava's processes bear it."""
    return "".join(x if x.isalnum() else "_" for x in name)


def edited(name: str, result: str, place: tuple[str, ...], file: str, old: str, new: str) -> Fault:
    """A fault by one change of an exported file."""

    def change(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{file} holds {text.count(old)} times: {old}")
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")

    return Fault(name, result, place, change)


def flip(folder: Path, key: str, agreed: bool = False) -> None:
    """Flip one bit of one number of an array; with `agreed` checksums and expected start follow."""
    rng = np.random.default_rng(len(key))
    network, expected = (dict(np.load(folder / f"{name}.npz")) for name in ("network", "expected"))
    at = tuple(int(rng.integers(n)) for n in network[key].shape)
    network[key][at] ^= 1 << (6 if agreed else int(rng.integers(8)))
    np.savez_compressed(folder / "network.npz", **network)
    if agreed:
        expected[f"start.{key}"] = network[key]
        np.savez_compressed(folder / "expected.npz", **expected)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest["arrays"]["network"][key] = digest(network[key])
        manifest["arrays"]["expected"][f"start.{key}"] = digest(network[key])
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def flip_file(folder: Path) -> None:
    """Flip a bit in the middle of network.npz."""
    data = bytearray((folder / "network.npz").read_bytes())
    data[len(data) // 2] ^= 8
    (folder / "network.npz").write_bytes(data)
