"""What is wrong with a NIR file is refused with its place and a remedy; a hostile one reaches nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.errors import DataError, LimitError, NetworkError
from chipsim.nir import read
from chipsim.nir.discrete import Convention
from chipsim.nir.graph import graph_of
from chipsim.nir.imported import import_nir
from chipsim.nir.read import read_tree, unpacked, walked

h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.one_python
ONE = np.ones(3)
LIF = {"type": "LIF", "tau": 0.01 * ONE, "r": ONE, "v_leak": 0 * ONE, "v_threshold": ONE, "v_reset": 0 * ONE}
ONE_FOR_ALL = {key: value if key == "type" else value[:1] for key, value in LIF.items()}
LI = {"type": "LI", "tau": 0.01 * ONE, "r": ONE, "v_leak": 0 * ONE}
CONV = {"type": "Conv2d", "weight": np.ones((2, 1, 3, 3)), "bias": np.zeros(2), "stride": np.array([1, 1]),
        "padding": np.array([0, 0]), "dilation": np.array([1, 1]), "groups": np.array(1)}  # fmt: skip
W = {"type": "Linear", "weight": np.ones((3, 3))}


def graph(nodes: dict | None = None, edges: list | None = None, **inputs):
    """A tree as `read_tree` returns it: input -> ... -> output."""
    nodes = {"in": {"type": "Input", "shape": np.array(inputs.get("shape", [3]))}, **(nodes or {"x": LIF})}
    nodes["output"] = {"type": "Output", "shape": np.array([3])}
    names = list(nodes)
    edges = edges if edges is not None else [list(pair) for pair in zip(names, names[1:], strict=False)]
    return {"version": "1.0.8", "node": {"type": "NIRGraph", "nodes": nodes, "edges": edges}}


def changed(node: dict, **values) -> dict:
    return {**node, **values}


def without(node: dict, key: str) -> dict:
    return {name: value for name, value in node.items() if name != key}


REFUSED = {
    "no graph": ({"version": "1"}, DataError, "has no NIR graph"),
    "one node": ({"node": dict(LIF)}, NetworkError, "is one node, not a graph"),
    "no input": (
        {"node": {"type": "NIRGraph", "nodes": {"x": LIF}, "edges": []}}, NetworkError, "has no Input"),
    "type": (graph({"x": changed(LIF, type="LFI")}), NetworkError, r"node 'x': unknown type 'LFI' \(did you"),
    "missing": (graph({"x": without(LIF, "tau")}), DataError, "node 'x': has no 'tau', which a LIF needs"),
    "nan": (graph({"x": changed(LIF, tau=ONE * np.nan)}), DataError, "'tau' holds numbers that are not fin"),
    "text": (graph({"x": changed(LIF, tau="ten")}), DataError, "'tau' is no number"),
    "tau": (graph({"x": changed(LIF, tau=-ONE)}), NetworkError, "tau is -1 s"),
    "short": (graph({"x": changed(LIF, tau=1e-5 * ONE)}), NetworkError, "shorter than a step of 0.0001 s"),
    "sizes": (graph({"x": changed(LIF, r=np.ones(2))}), NetworkError, r"r of shape \(2,\) for 3 neurons"),
    "threshold": (graph({"x": changed(LIF, v_threshold=-ONE)}), NetworkError, "is not above v_reset"),
    "weight": (graph({"w": changed(W, weight=np.ones((3, 4))), "x": LIF}), NetworkError, "for 3 inputs of"),
    "edge": (graph(edges=[["in", "x"], ["x", "outpu"]]), NetworkError, r"names 'outpu', which is no node"),
    "edges": (graph(edges=[["in"]]), DataError, "'edges' are no list of pairs"),
    "to input": (graph(edges=[["in", "x"], ["x", "in"]]), NetworkError, "an edge leads to an Input"),
    "cycle": (
        graph({"w": W, "v": W, "x": LIF}, [["in", "w"], ["w", "v"], ["v", "w"], ["v", "x"]]),
        NetworkError, "a cycle without neurons"),
    "nowhere": (graph(edges=[["in", "output"]]), NetworkError, "no neuron is reached from an Input"),
    "integrator": (
        graph({"x": LI, "w": W, "y": LIF}), NetworkError, "takes the potential of 'x', which sends no"),
    "two ends": (
        graph({"x": LIF, "y": LIF}, [["in", "x"], ["in", "y"], ["x", "output"], ["y", "output"]]),
        NetworkError, "reads 'y' and 'x'"),
    "above": (
        graph({"t": {"type": "Threshold", "threshold": ONE / 2}, "x": LIF}), NetworkError,
        "a Threshold that is not right after a SumPool2d"),
    "late": (graph({"d": {"type": "Delay", "delay": ONE}, "x": LIF}), NetworkError, "delays of 1 to 1 s"),
    "huge": (graph(shape=[10**9]), NetworkError, r"shape \[1.e\+09\]"),
    "half": (graph(shape=[2.5]), NetworkError, r"shape \[2.5\]"),
    "channels": (graph({"c": CONV, "x": LIF}, shape=[2, 5, 5]), NetworkError, "1 input channels; what comes"),
    "padding": (
        graph({"c": changed(CONV, padding="sam"), "x": LIF}, shape=[1, 5, 5]), NetworkError, "padding 'sam'"),
    "wide pad": (
        graph({"c": changed(CONV, padding=np.array([10**6, 10**6])), "x": LIF}, shape=[1, 5, 5]),
        NetworkError, "makes a signal of shape"),
    "stride": (
        graph({"c": changed(CONV, stride=np.array([0, 1])), "x": LIF}, shape=[1, 5, 5]), NetworkError,
        r"stride is \[0. 1.\]"),
    "window": (
        graph({"p": {"type": "SumPool2d", "kernel_size": np.array([500, 500]), "stride": np.array([1, 1]),
                     "padding": np.array([250, 250])}, "x": ONE_FOR_ALL}, shape=[1, 5, 5]),
        LimitError, "a kernel of 250000 places; limit 4096"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_refusals(case):
    tree, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message) as refused:
        import_nir(graph_of(tree, "x.nir"), load_chip("ideal"))
    assert refused.value.where.startswith("x.nir") and refused.value.remedy


def test_ways_without_end_are_not_all_walked():
    """A ladder of linear nodes has 2**40 ways through it."""
    nodes, edges, before = {}, [], ["in"]
    for k in range(40):
        pair = [f"a{k}", f"b{k}"]
        nodes |= dict.fromkeys(pair, W)
        edges += [[x, y] for x in before for y in pair]
        before = pair
    edges += [[x, "x"] for x in before] + [["x", "output"]]
    with pytest.raises(NetworkError, match="more than 10000 ways through linear nodes"):
        import_nir(graph_of(graph({**nodes, "x": LIF}, edges), "x.nir"), load_chip("ideal"))


def test_chips_without_populations():
    for name in ("odin", "reckon"):
        with pytest.raises(LimitError, match=f"chip {name}: its step is fixed hardware"):
            import_nir(graph_of(graph(), "x.nir"), load_chip(name))
    soft = Convention(reset="soft")
    with pytest.raises(LimitError, match="soft reset; the chip does hard"):
        import_nir(graph_of(graph(), "x.nir"), load_chip("loihi1"), soft)


# ---------------------------------------------------------------- files


def hostile(path, what):
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.8"
        node = file.create_group("node")
        node["type"] = "NIRGraph"
        if what == "external link":
            node["nodes"] = h5py.ExternalLink("/etc/hostname", "/")
        if what == "soft link":
            node["nodes"] = h5py.SoftLink("/version")
        if what == "loop":
            node["nodes"] = node
        if what == "storage":
            node.create_dataset("w", (8,), "i8", external=[("/etc/hostname", 0, 64)])
        if what == "virtual":
            layout = h5py.VirtualLayout((4,), "i8")
            layout[:] = h5py.VirtualSource("/etc/other.h5", "x", shape=(4,))
            node.create_virtual_dataset("w", layout)
        if what == "terabytes":
            node.create_dataset("w", (1 << 40,), "f8", chunks=(1024,))
        if what == "compound":
            node["w"] = np.zeros(2, [("a", "i4"), ("b", "f4")])
        if what == "reference":
            node.create_dataset("w", (1,), h5py.ref_dtype)
        if what == "deep":
            inner = node
            for _ in range(30):
                inner = inner.create_group("g")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("external link", "is a ExternalLink to elsewhere"),
        ("soft link", "is a SoftLink to elsewhere"),
        ("loop", "inside itself, or has two names"),
        ("storage", "is stored outside the file"),
        ("virtual", "is a virtual data set"),
        ("terabytes", "promises arrays of more than"),
        ("compound", "neither numbers nor text"),
        ("reference", "neither numbers nor text"),
        ("deep", "groups nested deeper than 24"),
    ],
)
def test_hostile_files(tmp_path, what, message):
    hostile(tmp_path / "x.nir", what)
    with pytest.raises(DataError, match=message) as refused:
        walked(str(tmp_path / "x.nir"), "x.nir")
    assert refused.value.where.startswith("x.nir")


def test_the_child_refuses_for_its_parent(tmp_path):
    hostile(tmp_path / "x.nir", "soft link")
    with pytest.raises(DataError, match="x.nir: node/nodes: is a SoftLink to elsewhere"):
        read_tree(tmp_path / "x.nir")
    (tmp_path / "y.nir").write_bytes((tmp_path / "x.nir").read_bytes()[:300])
    with pytest.raises(DataError, match="no readable HDF5 file"):
        read_tree(tmp_path / "y.nir")
    with pytest.raises(DataError, match="no such file"):
        read_tree(tmp_path / "z.nir")


def test_caps_of_entries_and_texts(tmp_path, monkeypatch):
    path = tmp_path / "x.nir"
    with h5py.File(path, "w") as file:
        for i in range(5):
            file[f"n{i}"] = "x" * 50
    tree = unpacked(walked(str(path), "x.nir"))
    assert tree["n4"] == "x" * 50
    monkeypatch.setattr(read, "MOST_ENTRIES", 4)
    with pytest.raises(DataError, match="more than 4 groups and arrays"):
        walked(str(path), "x.nir")
    monkeypatch.setattr(read, "LONGEST", 40)
    with pytest.raises(DataError, match="a text of more than 40 characters"):
        walked(str(path), "x.nir")


def test_input_of_a_run_is_checked():
    made = import_nir(graph_of(graph(), "x.nir"), load_chip("ideal"))
    for bad, message in (
        (np.zeros((0, 3)), "0 and 1 in 1 to 100000 steps"),
        (np.zeros((5, 4)), "of shape"),
        (np.full((5, 3), 2), "are not 0 and 1"),
        (np.full((5, 3), 0.5), "are not 0 and 1"),
        (np.zeros((5, 3), "U1"), "of shape"),
        ({"in": np.zeros((5, 3)), "it": np.zeros((5, 3))}, "the inputs are in"),
    ):
        with pytest.raises(DataError, match=message):
            made.checked(bad)


def test_metadata_of_other_schemas_and_of_nobody():
    for text, kind, message in (
        ('{"schema": "chipsim.nir/2"}', NetworkError, "schema 'chipsim.nir/2'; this version reads"),
        ("{", DataError, "no JSON"),
        (
            '{"schema": "chipsim.nir/1", "chip": 3}',
            DataError,
            "metadata 'chipsim': are not what chipsim wrote",
        ),
        ("[" * 100 + "]" * 100, DataError, "nested deeper"),
        (json.dumps({"schema": ["x"]}), NetworkError, "this version reads"),
    ):
        tree = graph()
        tree["node"]["metadata"] = {"chipsim": text, "tool": "x"}
        with pytest.raises(kind, match=message):
            import_nir(graph_of(tree, "x.nir"), load_chip("ideal"))
        import_nir(graph_of(tree, "x.nir"), load_chip("ideal"), ignore_metadata=True)


def test_the_command_line(chipsim, here):
    (here / "x.nir").write_text("no HDF5")
    done = chipsim("import", "nir", "x.nir")
    assert done.status == 2 and "no readable HDF5 file" in done.err and "Traceback" not in done.err
    for option, message in ((["--dt", "1 h"], "--dt 1 h"), (["--tool", "nurse"], "did you mean 'norse'"),
                            (["--reset", "sof"], "did you mean 'soft'")):  # fmt: skip
        done = chipsim("import", "nir", "x.nir", *option)
        assert done.status == 2 and message in done.err
