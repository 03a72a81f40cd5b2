"""NIR files as inputs: their bytes, and the trees inside them written as JSON, which mutations reach better.

What is read is put on a chip, reported, and run for a few steps where it is small. A changed digest must
not be accepted: what comes back as exported must have the weights that the metadata name.

    python tests/fuzz_nir.py     makes the seeds, tests/corpus/nir
"""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import fuzz_kinds
import numpy as np
from fuzz_mutate import Files

MOST_NEURONS = 400


def nir(made: Path) -> Any:
    """A file through a fork of its own, as chipsim reads it by a child; a tree at once."""
    fuzz_kinds.need("h5py", "scipy.sparse", "chipsim.microcode.bind", "chipsim.microcode.interpret")
    from chipsim.chip import load_chip
    from chipsim.errors import DataError
    from chipsim.nir.graph import graph_of
    from chipsim.nir.read import unpacked
    from chipsim.text_file import parse_json

    chips = [load_chip(name) for name in ("ideal", "loihi2")]

    def read(place: Path, files: Files) -> None:
        name = next(iter(files), "x.nir")
        if name.endswith(".nir"):
            tree = unpacked(_walked(place / name, files.get(name, b"")))
        else:
            try:
                tree = _tree(parse_json(files.get(name, b"")))
            except ValueError as error:
                raise DataError(str(error), where=name, remedy="a tree in JSON") from None
            if not isinstance(tree, dict):
                raise DataError("no tree", where=name, remedy="a tree in JSON")
        _deeper(graph_of(tree, name), chips[len(files.get(name, b"")) % 2])

    trees = [name for files in fuzz_kinds.corpus("nir") for name in files if name.endswith(".json")]

    def after(rng: random.Random, files: Files) -> Files:
        """Three in five: a seed's tree, changed where it is a graph, not where it is text."""
        if rng.random() < 0.4:
            return files
        name = rng.choice(trees)
        tree = json.loads((fuzz_kinds.CORPUS / "nir" / name).read_text(encoding="utf-8"))
        for _ in range(rng.choice((1, 1, 2, 3))):
            _regrown(rng, tree)
        return {name: json.dumps(tree).encode()}

    return fuzz_kinds.Target(fuzz_kinds.corpus("nir"), read, after)


NUMBERS = (0, 1, -1, 2, 3, 0.5, -0.5, 1e-9, 1e9, 1e30, -1e30, 255, 256, 65536, 2**31, 2**63, 1e-300)


def _regrown(rng: random.Random, tree: dict) -> None:
    """One change of a graph: a number, a shape, a type, an edge, a node, or chipsim's metadata."""
    from chipsim.nir.graph import NODES
    from chipsim.plain_json import check_of

    top = tree["node"]
    nodes, edges = top["nodes"], top["edges"]
    kind = rng.randrange(9)
    name = rng.choice(sorted(nodes)) if nodes else ""
    node = nodes.get(name, {})
    if kind < 3:
        keys = [key for key in node if key not in ("type", "nodes", "edges", "metadata")]
        if keys:
            key = rng.choice(keys)
            node[key] = _renumbered(rng, node[key])
    elif kind == 3:
        node["type"] = rng.choice((*NODES, "NIRGraph", ""))
    elif kind == 4 and node:
        node.pop(rng.choice(sorted(node)))
    elif kind == 5:
        edges.append([rng.choice(sorted(nodes) or ["x"]), rng.choice(sorted(nodes) or ["x"])])
    elif kind == 6 and edges:
        edges.pop(rng.randrange(len(edges)))
    elif kind == 7 and nodes:
        other = rng.choice(sorted(nodes))
        nodes[name], nodes[other] = nodes[other], nodes[name]
    elif "metadata" in top:
        meta = json.loads(top["metadata"]["chipsim"])
        _remade(rng, meta)
        if rng.random() < 0.9:  # so that what lies behind the seal is reached, too
            meta["check"] = check_of({key: value for key, value in meta.items() if key != "check"})
        top["metadata"]["chipsim"] = json.dumps(meta)


def _renumbered(rng: random.Random, value: Any) -> Any:
    """Other numbers, or the same ones in another shape."""
    array = np.array(value, float) if not isinstance(value, str) else np.zeros(1)
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind == 1:
        return np.full(
            rng.choice(((0,), (1,), (4,), (2, 2), (1, 1, 1, 1), (3, 0))), rng.choice(NUMBERS)
        ).tolist()
    if kind == 2 and array.size:
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice(NUMBERS)
        return array.tolist()
    if kind == 3:
        return np.concatenate([array.reshape(-1)] * 2).tolist()
    return (array * rng.choice((-1.0, 2.0, 1e3, 1e-3))).tolist()


def _remade(rng: random.Random, value: Any) -> None:
    """One leaf of a table changed or left out."""
    while isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        inner = value[key]
        if isinstance(inner, dict) and inner and rng.random() < 0.8:
            value = inner
            continue
        if rng.random() < 0.2:
            del value[key]
        elif isinstance(inner, str):
            value[key] = rng.choice(
                ("", inner[:-1], inner * 2, "x", "s8.7", "0" * 64, inner.replace("1", "2"))
            )
        else:
            value[key] = rng.choice((*NUMBERS, True, None, [], "x"))
        return


def _tree(value: Any) -> Any:
    """JSON as `read_tree` returns it: lists of numbers are arrays, numbers arrays without axes."""
    if isinstance(value, dict):
        return {key: _tree(inner) for key, inner in value.items()}
    if isinstance(value, bool | int | float):
        return np.array(float(value) if abs(value) < 1e300 else np.inf)
    if isinstance(value, list):
        try:
            return np.array(value, np.float64)
        except (ValueError, TypeError, OverflowError):
            return value
    return value


def _walked(path: Path, data: bytes) -> bytes:
    """What the child hands over; one that crashes or takes too long is a refusal, as in chipsim."""
    from chipsim.errors import DataError
    from chipsim.nir.read import walked

    out = path.with_name("walked")
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_PROF, 5)
        status = 1
        try:
            out.write_bytes(walked(str(path), path.name))
            status = 0
        except DataError as error:
            status = 3 if error.message and error.where and error.remedy else 4
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) not in (1, 4), "another exception, or a refusal without a place"
    if status:
        raise DataError("refused, or the process that read it ended", where=path.name)
    made = out.read_bytes()
    out.unlink()
    return made


def _deeper(graph: Any, chip: Any) -> None:
    from chipsim.nir.discrete import Convention
    from chipsim.nir.graph import graph_sha256
    from chipsim.nir.imported import _digest, import_nir
    from chipsim.nir.report import report, report_text

    for ignore in (False, True):
        how = Convention(dt=1e-3, taus="mean") if ignore else None
        made = import_nir(graph, chip, how, ignore_metadata=ignore, rules=not ignore)
        if made.placed.exact:
            for name, c in made.meta.connections.items():
                fmt = made.simulator.plan.connection(name).weight
                assert _digest(graph, name, fmt) == c.sha256, "a changed digest was accepted"
            assert graph_sha256(graph) == made.meta.graph_sha256, "a changed graph was accepted"
        json.dumps(report(made), default=float)
        report_text(report(made))
        sizes = [p.size for p in made.placed.described.populations]
        if (
            sum(sizes) <= MOST_NEURONS
            and sum(w.weights.size for _, w, _ in made.placed.wires.values()) < 5000
        ):
            rng = np.random.default_rng(1)
            given = {name: rng.random((3, *shape)) < 0.5 for name, shape in made.inputs().items()}
            made.run(given, interpreter=True)
            if ignore:
                made.run_floats(given)


def seeds() -> None:
    """A network of chipsim's own with a rule, and graphs of every node, as files and as trees."""
    import nir as package

    from chipsim import Network, Simulator, load_chip
    from chipsim.nir.export import export_nir
    from chipsim.nir.read import unpacked, walked

    folder = fuzz_kinds.CORPUS / "nir"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    net = Network()
    net.source("in", (2, 2, 1))
    net.pool("in", "p", 2, "or")
    net.lif("h", (1, 1, 2), threshold=0.2, bias=0.1)
    net.conv("p", "h", 1)
    net.lif("x", 3, tau_u_ms=5, threshold=0.3, refractory=1)
    net.connect("h", "x", rule="stdp_pair")
    net.connect("x", "x", delay=2)
    export_nir(Simulator(net, load_chip("ideal"), seed=1), folder / "learned.nir")

    def full(shape, value):
        return np.full(shape, float(value))

    def chain(nodes):
        edges = list(zip(nodes, list(nodes)[1:], strict=False))
        return package.NIRGraph(nodes=nodes, edges=edges, metadata={}, type_check=False)

    lif = {"tau": full(3, 0.01), "r": full(3, 10), "v_leak": full(3, 0), "v_threshold": full(3, 1)}
    current = {"tau_syn": full(3, 0.005), "tau_mem": full(3, 0.01), "r": full(3, 10), "v_leak": full(3, 0)}
    pair = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}
    inner = chain({"input": package.Input(np.array([3])), "f": package.IF(full(3, 500), full(3, 1)),
                   "output": package.Output(np.array([3]))})  # fmt: skip
    package.write(folder / "row.nir", chain({
        "in": package.Input(np.array([4])), "a": package.Affine(full((3, 4), 0.5), full(3, 0.1)),
        "x": package.LIF(**lif), "sub": inner, "d": package.Delay(np.array([0.0, 0.001, 0.002])),
        "s": package.Scale(full(3, 2)), "y": package.CubaLIF(**current, v_threshold=full(3, 1)),
        "w": package.Linear(full((3, 3), 0.3)), "z": package.CubaLI(**current),
        "output": package.Output(np.array([3]))}))  # fmt: skip
    package.write(
        folder / "map.nir",
        chain(
            {
                "in": package.Input(np.array([1, 4, 4])),
                "c": package.Conv2d((4, 4), full((2, 1, 3, 3), 0.4), 1, 1, 1, 1, full(2, 0.1)),
                "m": package.IF(full((2, 4, 4), 900), full((2, 4, 4), 1)),
                "p": package.SumPool2d(**pair),
                "t": package.Threshold(full((2, 2, 2), 0.5)),
                "g": package.Conv2d((2, 2), full((2, 1, 2, 2), 0.5), (1, 1), (0, 0), (1, 1), 2, full(2, 0)),
                "f": package.Flatten({"input": np.array([2, 1, 1])}, 0, -1),
                "w": package.Linear(full((3, 2), 1)),
                "l": package.LI(full(3, 0.01), full(3, 10), full(3, 0)),
                "output": package.Output(np.array([3])),
            }
        ),
    )
    for path in sorted(folder.glob("*.nir")):
        tree = unpacked(walked(str(path), path.name))
        (folder / f"{path.stem}.json").write_text(
            json.dumps(tree, default=lambda x: x.tolist(), indent=1) + "\n"
        )


if __name__ == "__main__":
    seeds()
