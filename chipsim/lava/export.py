"""A trained network as a folder that runs in Lava by itself and proves that it computes the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.data.events import Events
from chipsim.errors import LimitError, RunError, SettingError
from chipsim.lava.describe import CUSTOM, STOCK, Description
from chipsim.lava.network import digest
from chipsim.simulator import Simulator
from chipsim.version import __version__

HERE = Path(__file__).parent
FORMAT = 1
COPIED = ("network.py", *(f"{p}/{n}.py" for p, n in (("arithmetic", "__init__"), ("arithmetic", "numbers"),
          ("arithmetic", "forms"), ("arithmetic", "program"), ("arithmetic", "errors"),
          ("arithmetic", "lines"), ("arithmetic", "synapses"), ("arithmetic", "factors"),
          ("processes", "__init__"), ("processes", "neuron"), ("processes", "feedback"),
          ("processes", "samples"))))  # fmt: skip


def fresh_copy(sim: Simulator, even: bool = True) -> Simulator:
    """The network before its first step with the weights, tags, thresholds, biases and scales of `sim`;
    with `even` weights of mixed sign are made even, as Lava does when it loads them."""
    copy = object.__new__(Simulator)
    copy.__dict__.update(sim.__dict__)
    copy._kernels, copy._ts, copy.probes = None, 0, {}
    from chipsim.state import make_state

    copy.state = make_state(sim.plan)
    for c in sim.plan.connections:
        names = [f"c{c.index}_w"]
        if c.program:
            names += [f"c{c.index}_params"]
            syn = [r for r in c.program.registers if r.owner == "syn" and not r.temp and not r.is_weight]
            names += [f"c{c.index}_r_{r.name}" for r in syn]
        for name in names:
            copy.state[name] = sim.state[name].copy()
        if c.even and even:
            copy.state[f"c{c.index}_w"] &= ~1
    for name, array in sim.state.items():
        if name.endswith(("_thr", "_bias", "_ku", "_kv")) or (name[0] == "k" and name.endswith("_shift")):
            copy.state[name] = array.copy()
    return copy


def export_lava(
    sim: Simulator,
    events: Events | Mapping[str, Events],
    folder: str | Path,
    labels: np.ndarray | None = None,
    rewards: np.ndarray | None = None,
    title: str = "",
) -> dict[str, Any]:
    """Write the network of `sim` and what it does with one continuous presentation of `events`, learning on.

    events    one sample of the sources; labels int[steps], rewards real[steps]
    folder    new or empty; gets run.py, network.py, arithmetic/, processes/, network.npz, expected.npz and
              manifest.json, and needs only lava-nc and numpy
    Returns the manifest. Raises LimitError for what Lava cannot express, RunError for a folder in use.
    """
    folder = empty_folder(folder)
    samples = "use chipsim.lava.export_samples.export_samples"
    if sim.plan.engine == "lines" and any(c.program for c in sim.plan.connections):
        raise LimitError("rules that run as lines", where="Lava export in one piece", remedy=samples)
    if sim.plan.contexts != 1:
        raise LimitError(
            f"{sim.plan.contexts} contexts",
            where="Lava export in one piece",
            remedy=f"run with one context, or with engine='lines' and {samples}",
        )
    events = events if isinstance(events, Mapping) else {_only_source(sim): events}
    steps = next(iter(events.values())).n_steps
    copy = fresh_copy(sim)
    raw_rewards = None if rewards is None else copy._raw_rewards(np.asarray(rewards)[None], 1, steps)[0]
    made = Description(copy.plan, copy.state, steps, labels, raw_rewards)
    arrays = made.arrays | _inputs(made, events, steps)
    expected = _expected(copy, made, events, labels, rewards)
    manifest = heading(made, steps, title, CUSTOM, _remarks(made)) | contents(made, arrays, expected)
    write_folder(folder, manifest, arrays, expected)
    return manifest


def empty_folder(folder: str | Path) -> Path:
    """A folder that an export may fill. Raises RunError for one in use."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not empty; nothing is overwritten", remedy="give a new or empty folder")
    return folder


def heading(
    made: Any, steps: int, title: str, custom: Mapping[str, str], remarks: list[str]
) -> dict[str, Any]:
    """What a manifest says of the whole."""
    used = sorted({x["process"] for x in (*made.layers, *made.connections)})
    return {
        "format": FORMAT,
        "title": title,
        "chipsim": __version__,
        "lava": "0.10.0",
        "steps": steps,
        "stock": [x for x in used if x in STOCK],
        "custom": {x: custom[x] for x in used if x in custom},
        "remarks": remarks,
    }


def contents(made: Any, arrays: dict, expected: dict) -> dict[str, Any]:
    """What a manifest says of layers, connections and arrays."""
    return {
        "layers": made.layers,
        "connections": made.connections,
        "wires": [list(wire) for wire in made.wires],
        "arrays": {
            "network": {key: digest(array) for key, array in arrays.items()},
            "expected": {key: digest(array) for key, array in expected.items()},
        },
    }


def _only_source(sim: Simulator) -> str:
    sources = [x.name for x in sim.plan.layers if x.kind == "source"]
    if len(sources) != 1:
        raise SettingError(f"events for {', '.join(sources)}", remedy="pass {source name: Events}")
    return sources[0]


def _inputs(made: Description, events: Mapping[str, Events], steps: int) -> dict[str, np.ndarray]:
    update = made.plan.update
    arrays = {f"{name}.data": e.to_dense()[0].T.astype(np.int16) for name, e in events.items()}
    due = np.array([update.due(t, t == steps) for t in range(1, steps + 1)], np.uint8)
    return arrays | {"labels": made.labels, "rewards": made.rewards, "due": due}


def _expected(sim: Simulator, made: Description, events, labels, rewards) -> dict[str, np.ndarray]:
    """Start weights, spikes and membranes of every step, final weights and tags."""
    arrays = {f"start.{k}": a.copy() for k, a in made.arrays.items() if k.endswith(".weights")}
    neurons = [x for x in made.layers if x["process"] != "RingBuffer"]
    for x in neurons:
        sim.probe(f"{x['name']}.spikes", f"{x['name']}.v_compared")
    labels = None if labels is None else np.asarray(labels, np.int64)[None]
    sim.run(events, labels=labels, rewards=None if rewards is None else np.asarray(rewards)[None])
    for x in neurons:
        layer = sim.plan.layer(x["name"])
        arrays[f"spikes.{x['name']}"] = np.array(sim.probes[f"{x['name']}.spikes"], np.uint8)
        if x["process"] == "ProgramNeuron":
            v = np.array(sim.probes[f"{x['name']}.v_compared"]) * 2.0**layer.v_fmt.frac
            arrays[f"v.{x['name']}"] = np.rint(v).astype(np.int32)
    end = Description(sim.plan, sim.state, made.steps, None, None)
    for c in made.connections:
        if "rule" in c:
            for what in ("weights", "tag_1", "tag_2"):
                if f"{c['name']}.{what}" in end.arrays:
                    arrays[f"end.{c['name']}.{what}"] = end.arrays[f"{c['name']}.{what}"]
    return arrays


def _remarks(made: Description) -> list[str]:
    remarks = ["weights of mixed sign start even: Lava cuts the lowest bit when it loads them"]
    for c in made.connections:
        if c.get("y"):
            names = ", ".join(f"y{k}" for k in range(1, c["y"] + 1))
            remarks.append(f"{c['name']}: {names} may be negative: Lava's CPU model only")
    return remarks


def write_folder(folder: Path, manifest: dict[str, Any], arrays: dict, expected: dict) -> None:
    """Programs, arrays and manifest of an export. Raises RunError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            text = (HERE / name).read_text(encoding="utf-8").replace("chipsim.lava.", "")
            target.write_text(text, encoding="utf-8")
        text = (HERE / "run_template.py").read_text(encoding="utf-8")
        (folder / "run.py").write_text(text, encoding="utf-8")
        np.savez_compressed(folder / "network.npz", **arrays)
        np.savez_compressed(folder / "expected.npz", **expected)
        text = json.dumps(manifest, indent=1, default=int) + "\n"
        (folder / "manifest.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot be written: {error.strerror}", where=str(folder)) from error
