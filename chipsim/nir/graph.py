"""The nodes and edges of a NIR file, checked; subgraphs are taken apart into their parent.

A node keeps the numbers of its file as float64 arrays. What a type needs and may have stands in NODES,
as in `nir` 1.0.8; what it has beyond that is ignored, and said.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.errors import DataError, NetworkError, did_you_mean
from chipsim.nir.read import Tree, read_tree

NODES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # type -> (needed, optional)
    "Input": (("shape",), ()),
    "Output": ((), ("shape",)),
    "Linear": (("weight",), ()),
    "Affine": (("weight", "bias"), ()),
    "Scale": (("scale",), ()),
    "Conv1d": (("weight", "stride", "padding", "dilation", "groups", "bias"), ("input_shape",)),
    "Conv2d": (("weight", "stride", "padding", "dilation", "groups", "bias"), ("input_shape",)),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
    "Flatten": (("start_dim", "end_dim"), ("input_type",)),
    "Delay": (("delay",), ()),
    "Threshold": (("threshold",), ()),
    "I": (("r",), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "LI": (("tau", "r", "v_leak"), ()),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "CubaLI": (("tau_syn", "tau_mem", "r", "v_leak"), ("w_in",)),
    "CubaLIF": (("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
}
SPIKING = ("IF", "LIF", "CubaLIF")
INTEGRATING = ("I", "LI", "CubaLI")
NEURONS = (*SPIKING, *INTEGRATING)
MOST_NODES, MOST_EDGES = 2000, 20_000
LARGEST = 1 << 20  # neurons of a population, numbers of a signal


@dataclass(frozen=True)
class Node:
    """One node: values are float64 arrays, or text where NIR has text (`padding`)."""

    name: str
    kind: str
    values: dict[str, Any] = field(compare=False)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


@dataclass(frozen=True)
class Graph:
    """A flat graph. metadata: that of the top graph; remarks: what of the file was left aside."""

    path: str
    version: str
    nodes: dict[str, Node]
    edges: tuple[tuple[str, str], ...]
    metadata: dict[str, Any]
    remarks: tuple[str, ...] = ()

    def after(self, name: str) -> list[str]:
        """Nodes that a node's output goes to."""
        return [b for a, b in self.edges if a == name]


def read_graph(path: str | Path) -> Graph:
    """The graph in a NIR file. Raises DataError for a damaged or hostile file, NetworkError for a graph
    without meaning."""
    path = Path(path)
    return graph_of(read_tree(path), str(path))


def graph_of(tree: Tree, path: str) -> Graph:
    """The graph in a file's groups; `path` is what errors name."""
    top = tree.get("node")
    if not isinstance(top, dict) or _text(top.get("type")) is None:
        raise DataError("has no NIR graph (a group 'node' with a 'type')", where=path)
    found = _Reading(path)
    if _text(top["type"]) == "NIRGraph":
        found.graph(top, "")
    else:  # a single node is a graph with nothing before and after it
        raise NetworkError("is one node, not a graph", where=path, remedy="write a nir.NIRGraph")
    if not any(node.kind == "Input" for node in found.nodes.values()):
        raise NetworkError("has no Input node", where=path, remedy="nothing could ever arrive")
    metadata = top.get("metadata")
    return Graph(
        path,
        _text(tree.get("version")) or "unknown",
        found.nodes,
        tuple(sorted(set(found.edges), key=found.edges.index)),
        metadata if isinstance(metadata, dict) else {},
        tuple(found.remarks),
    )


def graph_sha256(graph: Graph) -> str:
    """sha256 over all nodes (name, type, every value's shape and float64 numbers) and edges."""
    total = hashlib.sha256()
    for name, node in sorted(graph.nodes.items()):
        total.update(f"{name}|{node.kind}|".encode())
        for key, value in sorted(node.values.items()):
            shape = np.shape(value)
            total.update(f"{key}|{shape}|".encode())
            total.update(
                value.encode() if isinstance(value, str) else np.ascontiguousarray(value, "<f8").tobytes()
            )
    total.update(repr(sorted(graph.edges)).encode())
    return total.hexdigest()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


class _Reading:
    """Nodes, edges and remarks while graphs are taken apart."""

    def __init__(self, path: str):
        self.path = path
        self.nodes: dict[str, Node] = {}
        self.edges: list[tuple[str, str]] = []
        self.remarks: list[str] = []

    def graph(self, tree: Tree, prefix: str) -> tuple[list[str], list[str]]:
        """Add a graph's nodes under `prefix`; returns the names of its inputs and outputs."""
        where = f"{self.path}: {prefix.rstrip('.') or 'the graph'}"
        nodes, edges = tree.get("nodes"), tree.get("edges")
        if not isinstance(nodes, dict):
            raise DataError("has no group 'nodes'", where=where)
        inner: dict[str, tuple[list[str], list[str]]] = {}
        inputs, outputs = [], []
        for name, node in nodes.items():
            full = prefix + name
            if not isinstance(node, dict) or _text(node.get("type")) is None:
                raise DataError(f"node '{full}' has no type", where=where)
            if node["type"] == "NIRGraph":
                inner[name] = self.graph(node, full + ".")
                continue
            self._add(full, node)
            inputs += [full] if node["type"] == "Input" else []
            outputs += [full] if node["type"] == "Output" else []
        for a, b in _pairs(edges, where):
            self.edges.append((self._end(a, 1, inner, prefix, where), self._end(b, 0, inner, prefix, where)))
        if len(self.edges) > MOST_EDGES:
            raise DataError(f"more than {MOST_EDGES} edges", where=self.path)
        if prefix:  # inside a graph, its doors are nothing but names
            for name in (*inputs, *outputs):
                self.nodes[name] = Node(name, "Pass", {})
        return inputs, outputs

    def _end(self, name: str, side: int, inner: dict, prefix: str, where: str) -> str:
        if name in inner:
            doors = inner[name][side]
            if len(doors) != 1:
                raise NetworkError(
                    f"subgraph '{prefix + name}' has {len(doors)} {('inputs', 'outputs')[side]}",
                    where=where,
                    remedy="an edge to a subgraph needs one",
                )
            return doors[0]
        if prefix + name not in self.nodes:
            near = did_you_mean(name, [x.removeprefix(prefix) for x in self.nodes])
            raise NetworkError(f"an edge names '{name}', which is no node{near}", where=where)
        return prefix + name

    def _add(self, name: str, node: Tree) -> None:
        kind, where = node["type"], f"{self.path}: node '{name}'"
        if kind not in NODES:
            raise NetworkError(
                f"unknown type '{kind}'{did_you_mean(kind, NODES)}",
                where=where,
                remedy=f"chipsim reads {', '.join(NODES)}",
            )
        if name in self.nodes or len(self.nodes) >= MOST_NODES:
            what = "a second node of this name" if name in self.nodes else f"more than {MOST_NODES} nodes"
            raise NetworkError(what, where=where)
        needed, optional = NODES[kind]
        for key in needed:
            if node.get(key) is None:
                raise DataError(f"has no '{key}', which a {kind} needs", where=where)
        known = {"type", "metadata", *needed, *optional}
        if more := [key for key in node if key not in known]:
            self.remarks.append(f"{name}: ignored {', '.join(more)}, which no {kind} has")
        if isinstance(node.get("metadata"), dict) and node["metadata"]:
            self.remarks.append(f"{name}: ignored its metadata {', '.join(node['metadata'])}")
        values = {
            key: _number(node[key], key, where)
            for key in (*needed, *optional)
            if node.get(key) is not None and key in node
        }
        self.nodes[name] = Node(name, kind, values)


def _number(value: Any, key: str, where: str) -> Any:
    if isinstance(value, str) and key == "padding":
        return value
    if not isinstance(value, np.ndarray):
        raise DataError(f"'{key}' is no number", where=where)
    value = value.astype(np.float64)
    if not np.isfinite(value).all():
        raise DataError(f"'{key}' holds numbers that are not finite", where=where)
    if value.size and np.abs(value).max() > 1e30:
        raise DataError(f"'{key}' is {np.abs(value).max():.3g}; limit 1e30", where=where)
    return value


def _pairs(edges: Any, where: str) -> list[tuple[str, str]]:
    if isinstance(edges, np.ndarray) and edges.size == 0:
        return []
    good = isinstance(edges, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, str) for end in pair)
        for pair in edges
    )
    if not good:
        raise DataError("its 'edges' are no list of pairs of names", where=where)
    return [(a, b) for a, b in edges]


def integers(node: Node, key: str, count: int, low: int, where: str) -> tuple[int, ...]:
    """A value of whole numbers, one or `count` of them, each `low` or more. Raises NetworkError."""
    value = np.atleast_1d(node[key]).reshape(-1)
    if value.size == 1:
        value = np.repeat(value, count)
    if value.size != count or (value != np.rint(value)).any() or (value < low).any() or (value > 1e6).any():
        raise NetworkError(
            f"{key} is {np.array2string(value[:8])}",
            where=where,
            remedy=f"{count} whole number(s), {low} or more",
        )
    return tuple(int(x) for x in value)
