"""Builds the Lava processes of an exported network, runs them, and compares with what chipsim computed.

Needs lava-nc and numpy, and nothing of chipsim but `arithmetic` and `processes`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import traceback
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np


def load(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(manifest, arrays of the network, expected arrays). Raises ValueError that names a damaged array."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    both = []
    for name in ("network", "expected"):
        arrays = _read(folder / f"{name}.npz")
        wanted = manifest["arrays"][name]
        if set(arrays) != set(wanted):
            raise ValueError(
                f"{name}.npz holds other arrays than the manifest names: {set(arrays) ^ set(wanted)}"
            )
        both.append(arrays)
    network, expected = both
    for key, array in network.items():
        start = expected.get(f"start.{key}")
        if start is not None and not np.array_equal(start, array):
            at = [int(i) for i in np.argwhere(start != array)[0]]
            connection = key.rpartition(".")[0]
            raise ValueError(
                f"the weights of {connection} differ from those of the run at neuron {at[0]}, axon {at[1]}: "
                f"{array[tuple(at)]}, expected {start[tuple(at)]}"
            )
    for name, arrays in zip(("network", "expected"), both, strict=True):
        for key, array in arrays.items():
            if digest(array) != manifest["arrays"][name][key]:
                raise ValueError(f"{name}.npz: array '{key}' is not the one that was exported (sha256)")
    return manifest, network, expected


def _read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file. Raises ValueError that names the file and the array that cannot be read."""
    key = ""
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            arrays = {}
            for key in file.files:
                arrays[key] = file[key]
            return arrays
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        what = f"array '{key}'" if key else "the file"
        raise ValueError(f"{path.name}: {what} cannot be read: {error}") from None


def digest(array: np.ndarray) -> str:
    """sha256 of an array's type, shape and little-endian bytes."""
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def build(manifest: dict[str, Any], arrays: dict[str, np.ndarray], record: bool = True) -> dict[str, Any]:
    """Connected Lava processes by name; with `record` a sink for the spikes (`NAME:spikes`) of every layer
    and for the membrane (`NAME:v`) of populations with a program."""
    processes: dict[str, Any] = {}
    for x in manifest["layers"]:
        processes[x["name"]] = _layer(x, manifest, arrays)
    for c in manifest["connections"]:
        made = processes[c["name"]] = _connection(c, manifest, arrays)
        processes[c["pre"]].s_out.connect(made.s_in)
        made.a_out.connect(processes[c["post"]].a_in)
        if c.get("bap"):
            processes[c["post"]].s_out.connect(made.s_in_bap)
        for k in range(1, c.get("y", 0) + 1):
            getattr(processes[c["post"]], f"y{k}_out").connect(getattr(made, f"s_in_y{k}"))
    for source, out, target, port in manifest["wires"]:
        getattr(processes[source], out).connect(getattr(processes[target], port))
    if record:
        _sinks(manifest, processes)
    return processes


def _sinks(manifest: dict[str, Any], processes: dict[str, Any]) -> None:
    from lava.proc.io.sink import RingBuffer

    steps = manifest["steps"]
    for x in manifest["layers"]:
        if x["process"] == "RingBuffer":
            continue
        for kind, port in (("spikes", "s_out"), ("v", "v_out")):
            out = getattr(processes[x["name"]], port, None)
            if out is not None:
                sink = RingBuffer(shape=(x["n"],), buffer=steps)
                out.connect(sink.a_in)
                processes[f"{x['name']}:{kind}"] = sink


def _layer(x: dict[str, Any], manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF, LIFReset

    from chipsim.lava.processes.neuron import ProgramNeuron

    name, n = x["name"], x["n"]
    if x["process"] == "RingBuffer":
        return RingBuffer(data=arrays[f"{name}.data"].astype(np.int32))
    if x["process"] == "ContextNeuron":
        return _context_neuron(x, manifest, arrays)
    own = {key: arrays[f"{name}.{key}"] for key in ("ku", "kv", "vth", "bias_mant", "bias_exp")}
    if x["process"] == "ProgramNeuron":
        return ProgramNeuron(shape=(n,), config=_config(x, own, manifest, arrays), name=_plain(name))
    options = {"shape": (n,), "vth": own["vth"], "bias_mant": own["bias_mant"], "bias_exp": own["bias_exp"]}
    options |= {"du": 4095 - own["ku"], "dv": 4096 - own["kv"], "name": _plain(name)}
    if x["process"] == "LIFReset":
        return LIFReset(**options, reset_interval=x["reset"][0], reset_offset=x["reset"][1])
    return LIF(**options)


def _config(x, own, manifest, arrays) -> dict[str, Any]:
    bias = own["bias_mant"].astype(np.int64) << own["bias_exp"].astype(np.int64)
    weights = x["config"]["weights"]
    return x["config"] | {
        "n": x["n"],
        "ku": own["ku"].astype(np.int64),
        "kv": own["kv"].astype(np.int64),
        "thr": own["vth"].astype(np.int64) << 6,
        "bias": bias,
        "labels": arrays["labels"],
        "rewards": arrays["rewards"],
        "due": arrays["due"],
        "weights": arrays[weights] if weights else None,
    }


def _plain(name: str) -> str:
    """A name of letters, digits and underscores."""
    return "".join(x if x.isalnum() else "_" for x in name)


def _context_neuron(x: dict[str, Any], manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    from chipsim.lava.processes.samples import ContextNeuron

    own = {key: arrays[f"{x['name']}.{key}"].astype(np.int64) for key in ("ku", "kv")}
    own["thr"] = arrays[f"{x['name']}.vth"].astype(np.int64) << 6
    own["bias"] = arrays[f"{x['name']}.bias_mant"].astype(np.int64) << arrays[f"{x['name']}.bias_exp"]
    kept = {key: x["config"][key] for key in ("kind", "has_u")}
    weights = x["config"]["weights"]
    config = x["config"] | _presented(x, manifest, arrays)
    config |= {"n": x["size"], "lif": own | kept | {"n": x["n"], "program": None}}
    config["weights"] = arrays[weights] if weights else None
    return ContextNeuron(shape=(x["n"],), config=config, name=_plain(x["name"]))


def _program_connection(c: dict[str, Any], manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    from chipsim.lava.processes.samples import ProgramConnection

    weights = arrays[f"{c['name']}.weights"]
    own = {"thr": (arrays[f"{c['post']}.vth"][: len(weights)]).astype(np.int64) << 6}
    own |= {"n_post": weights.shape[0], "n_pre": weights.shape[1]}
    own["registers"] = {key: arrays[name] for key, name in c["config"]["registers"].items()}
    config = c["config"] | own | _presented(c, manifest, arrays)
    return ProgramConnection(weights=weights, config=config, name=_plain(c["name"]))


def _presented(x: dict[str, Any], manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Contexts, steps of a sample, and what is known of each step."""
    known = {key: arrays[key] for key in ("labels", "rewards", "due")}
    return known | {"contexts": x["contexts"], "steps": manifest["sample_steps"]}


def _connection(c: dict[str, Any], manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    if c["process"] == "ProgramConnection":
        return _program_connection(c, manifest, arrays)
    from lava.magma.core.model.py.connection import GradedSpikeCfg
    from lava.proc.dense.process import DelayDense, Dense, LearningDense
    from lava.utils.weightutils import SignMode

    from chipsim.lava.processes.feedback import FeedbackLearningDense

    options: dict[str, Any] = {
        "weights": arrays[f"{c['name']}.weights"],
        "weight_exp": c["weight_exp"],
        "num_message_bits": c["message_bits"],
        "sign_mode": SignMode[c["sign_mode"]],
        "name": _plain(c["name"]),
    }
    if c["process"] == "Dense":
        return Dense(**options)
    if c["process"] == "DelayDense":
        return DelayDense(**options, delays=arrays[f"{c['name']}.delays"].astype(int))
    for tag in ("tag_1", "tag_2"):
        if f"{c['name']}.{tag}" in arrays:
            options[tag] = arrays[f"{c['name']}.{tag}"]
    kinds = {"LearningDense": LearningDense, "FeedbackLearningDense": FeedbackLearningDense}
    if c["rule"]["graded"]:
        options["graded_spike_cfg"] = GradedSpikeCfg(c["rule"]["graded"])
    return kinds[c["process"]](**options, learning_rule=rule(c["rule"]))


def rule(description: dict[str, Any]) -> Any:
    """The Lava learning rule of a description."""
    from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule

    made = Loihi3FLearningRule if description["three_factor"] else Loihi2FLearningRule
    return made(**description["strings"], **description["options"])


def speak_up() -> None:
    """Let every process of the run say on stderr who it is, and what ended it: Lava keeps exceptions of
    models to itself, and the others wait for ever."""
    from lava.magma.runtime import runtime

    plain = runtime.target_fn

    def loud(*args: Any, **kwargs: Any) -> None:
        builder = kwargs.get("builder")
        model = getattr(getattr(builder, "proc_model", None), "__name__", type(builder).__name__)
        name = (getattr(builder, "proc_params", None) or {}).get("name", "")
        print(f"PROCESS {os.getpid()} {model} {name}", file=sys.stderr, flush=True)
        try:
            plain(*args, **kwargs)
        except BaseException:
            print(f"CRASH in {model} {name}", file=sys.stderr)
            traceback.print_exc()
            sys.stderr.flush()
            raise

    runtime.target_fn = loud


def run(
    manifest: dict[str, Any],
    processes: dict[str, Any],
    parts: tuple[int, ...] = (),
    between: Any = None,
) -> dict[str, np.ndarray]:
    """Run all steps; recorded spikes and membranes int[steps, n], final weights and tags. `parts`: steps of
    each call of Lava's run (default: one call); `between()` is called after each."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    first = processes[manifest["layers"][-1]["name"]]
    try:
        for steps in parts or (manifest["steps"],):
            first.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            if between is not None:
                between()
        found = {}
        for name, process in processes.items():
            if ":" in name:
                layer, kind = name.rsplit(":", 1)
                found[f"{kind}.{layer}"] = process.data.get().T.astype(np.int64)
        for c in manifest["connections"]:
            if "rule" in c:
                made = processes[c["name"]]
                found[f"end.{c['name']}.weights"] = made.weights.get().astype(np.int64)
                for tag in ("tag_1", "tag_2"):
                    if f"end.{c['name']}.{tag}" in manifest["arrays"]["expected"]:
                        found[f"end.{c['name']}.{tag}"] = getattr(made, tag).get().astype(np.int64)
        return found
    finally:
        first.stop()


def first_difference(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> str:
    """The earliest spike or membrane that differs, else the first weight; empty if all is equal."""
    timed = []
    for key, wanted in expected.items():
        kind, _, name = key.partition(".")
        if kind not in ("spikes", "v") or np.array_equal(wanted, found[key]):
            continue
        step, neuron = (int(i) for i in np.argwhere(wanted.astype(np.int64) != found[key])[0])
        text = f"{kind} of layer '{name}' in step {step + 1}, neuron {neuron}: "
        text += f"Lava {found[key][step, neuron]}, chipsim {wanted[step, neuron]}"
        timed.append((step, text))
    if timed:
        return min(timed)[1]
    for key, wanted in expected.items():
        if key.startswith("end.") and not np.array_equal(wanted, found[key]):
            at = tuple(int(i) for i in np.argwhere(wanted.astype(np.int64) != found[key])[0])
            name, _, what = key[4:].rpartition(".")
            return (
                f"final {what} of '{name}', neuron {at[0]}, axon {at[1]}: "
                f"Lava {found[key][at]}, chipsim {wanted[at]}"
            )
    return ""


def check(folder: Path) -> dict[str, Any]:
    """Load, build, run, compare: what `run.py` prints."""
    try:
        manifest, arrays, expected = load(folder)
    except ValueError as error:
        return {"result": "damaged", "text": str(error)}
    speak_up()
    found = run(manifest, build(manifest, arrays))
    different = first_difference(expected, found)
    if different:
        return {"result": "different", "text": different}
    spikes = {k.split(".", 1)[1]: int(v.sum()) for k, v in expected.items() if k.startswith("spikes.")}
    return {"result": "equal", "steps": manifest["steps"], "spikes": spikes}
