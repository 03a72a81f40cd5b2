"""Run folders, checkpoints and capsules as inputs: what chipsim wrote itself, changed afterwards.

The question besides crashes is honesty: what is accepted must be what was written, or a replay would name
the difference. The seeds are made when a worker starts, by chipsim's own writers, so that they are always
of the present version; a capsule of an older one is committed under tests/golden.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import fuzz_kinds
from fuzz_mutate import Files, packed

FIXED = ("settings", "seed", "sources", "experiment", "chip", "rule", "engine", "fit", "noise", "strict",
         "from_sha256")  # fmt: skip


def _folder(path: Path) -> Files:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def _simulator() -> Any:
    from chipsim import Network, Simulator, load_chip

    net = Network()
    net.source("in", 3)
    net.lif("out", 2)
    net.connect("in", "out")
    return Simulator(net, load_chip("ideal"))


def _made(path: Path, **more: Any) -> Any:
    """A run folder as `chipsim run digits` leaves it, without the run."""
    import numpy as np

    from chipsim.experiment import load_experiment
    from chipsim.library import find
    from chipsim.run_folder import RunFolder, digest, file_sha256, load_run
    from chipsim.settings import make_settings
    from chipsim.stored import bound_programs, store_weights

    sim, experiment = _simulator(), load_experiment("digits")
    names = {"experiment": "digits", "chip": "ideal", "rule": "decolle"}
    entries = {"command": "run", "seed": 3, **names, "engine": None, "fit": "refuse", "strict": False}
    entries |= {"settings": make_settings(experiment.settings, []), "noise": None, "threads": 1}
    entries["sources"] = {kind: file_sha256(find(kind, name)) for kind, name in names.items()}
    entries["checkpoint"] = {"every": "60s", "keep": 2}
    counters = {"layers": {"out": {"spikes": 5}}, "steps": 7}
    with RunFolder.create("x", path, **entries, **more) as folder:
        folder.note(data={"digits": "0" * 64})
        folder.metric(epoch=1, accuracy=0.5)
        folder.metric(epoch=2, accuracy=np.float64(0.75))
        store_weights(folder, sim)
        folder.programs(bound_programs(sim))
        folder.counters(counters)
        folder.report("all well")
        folder.result({"accuracy": {"test": 0.75}, "out": str(path)})
        folder.finish(accuracy={"test": 0.75}, digest=digest({"a": np.arange(3)}))
    return load_run(path)


def _honest(whole: Any, run: Any) -> None:
    """An accepted run is the one that was written, or a comparison with a replay tells."""
    from chipsim.capsule.compare import compared, differences

    same = all(whole.manifest.get(key) == run.manifest.get(key) for key in FIXED)
    found, _ = differences(run, whole), compared(run)
    if same and not found:
        assert run.manifest.get("digest") == whole.manifest.get("digest"), "a changed digest was accepted"
        ours, theirs = whole.weights(), run.weights()
        assert set(ours) == set(theirs) and all((ours[k] == theirs[k]).all() for k in ours)


def run(made: Path) -> fuzz_kinds.Target:
    """A run folder: everything that is read of it, what resume takes from it, and packing it."""
    from chipsim.capsule.pack import pack
    from chipsim.run_folder import RunFolder, load_run
    from chipsim.stored_run import fingerprint, started_again

    whole = _made(made / "whole")
    stopped = made / "stopped"
    _made(stopped)
    again = RunFolder.reopen(load_run(stopped), complete=True)
    again.stop("interrupted", "stopped by the user")

    def read(place: Path, files: Files) -> None:
        got = load_run(place, complete=False)
        got.metrics(), got.report()
        got.counters()
        started_again(got, None, None)
        fingerprint(got.manifest)
        got.weights()
        if got.status == "complete":
            pack(got, place / "x.capsule")
            if not place.name.startswith("warm"):
                _honest(whole, got)
            strict = dict(got.manifest) == dict(whole.manifest)
            assert strict or "manifest.json" in files and _unsigned(files), "a changed manifest was accepted"

    return fuzz_kinds.Target([_folder(made / "whole"), _folder(stopped)], read)


def _unsigned(files: Files) -> bool:
    """No check in the manifest: not what this version writes."""
    return False


def checkpoint(made: Path) -> fuzz_kinds.Target:
    """The two kept checkpoints of a stage: what is restored is one of them, bit for bit, or nothing."""
    from chipsim.checkpoint import Checkpoints, Interval

    sim = _simulator()
    first = Checkpoints(made, Interval(samples=1), 2, "run")
    stage, kept = first.stage("train fold 1"), []
    for number in (1, 2):
        sim.state["c0_w"][...] = number
        stage.reached(sim, 1, epoch=number, at=[number, 2])
        kept.append(({name: a.copy() for name, a in sim.arrays().items()}, dict(stage.cursor), False))
    target = _simulator()

    def read(place: Path, files: Files) -> None:
        stage = Checkpoints(place, Interval(samples=1), 2, "run").stage("train fold 1")
        if stage.restore(target):
            now = target.arrays()
            known = [
                cursor == stage.cursor and stage.finished == finished and _equal(arrays, now)
                for arrays, cursor, finished in kept
            ]
            assert any(known), "a changed checkpoint was taken up"

    return fuzz_kinds.Target([_folder(made)], read, _signed)


def _equal(a: dict, b: dict) -> bool:
    return set(a) == set(b) and all(a[k].dtype == b[k].dtype and (a[k] == b[k]).all() for k in a)


def _signed(rng: random.Random, files: Files) -> Files:
    """Nothing: somebody who also makes the checks right again writes a checkpoint of his own."""
    return files


def capsule(made: Path) -> fuzz_kinds.Target:
    """A capsule: unpacked, its run read and compared, the files and settings of a replay chosen."""
    from chipsim.capsule.compare import checked
    from chipsim.capsule.pack import file_of, pack, unpack
    from chipsim.experiment import load_experiment
    from chipsim.run_folder import load_run
    from chipsim.settings import restore_settings
    from chipsim.stored_run import stored

    whole = _made(made / "whole")
    pack(whole, made / "x.capsule")
    (made / "opened").mkdir()
    unpack(made / "x.capsule", made / "opened")
    original = load_run(made / "opened" / "run")
    golden = (fuzz_kinds.CORPUS / "capsule" / "python310_numpy126.capsule").read_bytes()
    model = load_experiment("digits").settings

    def read(place: Path, files: Files) -> None:
        (place / "own").mkdir()
        unpack(place / "x.capsule", place / "own")
        got = checked(load_run(place / "own" / "run"))
        said = stored(got)
        for kind in ("experiment", "chip", "rule"):
            if name := getattr(said, kind):
                file_of(kind, name, said.sources.get(kind, ""), place / "own", True)
        restore_settings(model, said.settings)
        _honest(original, got)

    seeds = [{"x.capsule": (made / "x.capsule").read_bytes()}] * 3 + [{"x.capsule": golden}]
    return fuzz_kinds.Target(seeds, read, _rehashed)


def _rehashed(rng: random.Random, files: Files) -> Files:
    """Half of the time: all hashes made right again, as somebody would who means it."""
    if rng.random() < 0.5 or "x.capsule" not in files:
        return files
    try:
        with zipfile.ZipFile(io.BytesIO(files["x.capsule"])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        head = json.loads(members.pop("capsule.json"))
        if isinstance(head, dict):
            head["entries"] = {
                name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in members.items()
            }
        text = json.dumps(head).encode()
    except Exception:  # no longer an archive
        return files
    return {"x.capsule": packed([("capsule.json", text), *members.items()])}
