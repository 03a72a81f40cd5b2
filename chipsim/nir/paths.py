"""A graph as populations of neurons and the linear paths between them.

A path leads from an Input or a spiking node through linear nodes to a neuron node. An Output that a
linear node feeds gets a population without memory, which holds the sum of one step. Populations are in
an order in which paths lead forward, as far as there is one; a path that leads back takes a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chipsim.errors import NetworkError
from chipsim.nir.discrete import Convention, Neuron, discrete, memoryless
from chipsim.nir.graph import INTEGRATING, LARGEST, NEURONS, Graph, Node
from chipsim.nir.linear import Dims, plain, shape_after

MOST_PATHS, LONGEST_PATH = 10_000, 200  # steps of the search through linear nodes, in all


@dataclass(frozen=True)
class Population:
    """Neurons of one node, or the axons of an Input. shape is NIR's; kind is source, lif or integrator."""

    name: str
    kind: str
    shape: Dims
    type: str
    neuron: Neuron | None = None

    @property
    def size(self) -> int:
        """Neurons."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Path:
    """Linear nodes between two populations; shapes[i] is what nodes[i] gets.

    steps    delay by Delay nodes; delays: those of (inputs, outputs) apart where they are not all the same
    back     it leads to a population before its own, or to itself
    threshold  of an or-pool (SumPool2d, Threshold) that the path begins with
    """

    pre: str
    post: str
    nodes: tuple[Node, ...]
    shapes: tuple[Dims, ...]
    back: bool
    steps: int = 0
    delays: tuple[np.ndarray, np.ndarray] | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Names of the nodes that hold its weights, or of its ends."""
        held = [n.name for n in self.nodes if n.kind in ("Linear", "Affine", "Conv1d", "Conv2d", "Scale")]
        return " ".join(held) or f"{self.pre}->{self.post}"

    def least(self, low: int) -> int:
        """Steps that a spike takes on a chip whose smallest delay is `low`."""
        return max(self.steps, low, int(self.back))


@dataclass(frozen=True)
class Described:
    """A graph in steps. outputs: Output's name -> the population it reads."""

    graph: Graph
    how: Convention
    populations: tuple[Population, ...]
    paths: tuple[Path, ...]
    outputs: dict[str, str]
    remarks: tuple[str, ...]

    def population(self, name: str) -> Population:
        """The population of that name."""
        return next(p for p in self.populations if p.name == name)


def described(graph: Graph, how: Convention, order: tuple[str, ...] = ()) -> Described:
    """Populations and paths of a graph. order: names of the populations, where it is known.

    Raises NetworkError for a graph that is no network of neurons."""
    return _Walk(graph, how, order).result()


class _Walk:
    """From the inputs on, a population at a time."""

    def __init__(self, graph: Graph, how: Convention, order: tuple[str, ...]):
        self.graph, self.how = graph, how
        self.after: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for a, b in graph.edges:
            self.after[a].append(b)
        self.found: dict[str, Population] = {}
        self.raw: list[tuple[str, str, tuple[str, ...]]] = []
        self.outputs: dict[str, str] = {}
        self.tried = 0
        self.remarks = list(graph.remarks)
        self._search()
        self.order = self._ordered(order)

    def where(self, name: str) -> str:
        return f"{self.graph.path}: node '{name}'"

    def _search(self) -> None:
        """Populations and the node names of every path, breadth first from the inputs."""
        waiting = []
        for name, node in self.graph.nodes.items():
            if node.kind == "Input":
                self.found[name] = Population(name, "source", self._input_shape(node), "Input")
                waiting.append(name)
        while waiting:
            name = waiting.pop(0)
            if self.found[name].kind == "integrator":
                self._end_of(name)
                continue
            for post, through, shape in self._paths(name):
                self.raw.append((name, post, through))
                if post not in self.found:
                    self.found[post] = self._population(post, shape)
                    waiting.append(post)
        if sum(p.size for p in self.found.values()) > LARGEST:
            raise NetworkError(f"more than {LARGEST} neurons and inputs", where=self.graph.path)
        if all(p.kind == "source" for p in self.found.values()):
            raise NetworkError("no neuron is reached from an Input", where=self.graph.path)
        lost = [n for n, node in self.graph.nodes.items() if node.kind in NEURONS and n not in self.found]
        if lost:
            self.remarks.append(f"not reached from any Input, left out: {', '.join(lost)}")

    def _end_of(self, name: str) -> None:
        """An integrator's potential may go to Outputs only."""
        waiting = list(self.after[name])
        while waiting:
            node = self.graph.nodes[waiting.pop()]
            if node.kind == "Output":
                self._reads(node.name, name)
            elif node.kind in ("Pass", "Flatten"):
                waiting += self.after[node.name]
            else:
                raise NetworkError(
                    f"takes the potential of '{name}', which sends no spikes",
                    where=self.where(node.name),
                    remedy=f"a {self.graph.nodes[name].kind} is a readout: lead it to an Output only",
                )

    def _reads(self, output: str, name: str) -> None:
        if self.outputs.setdefault(output, name) != name:
            raise NetworkError(
                f"reads '{self.outputs[output]}' and '{name}'",
                where=self.where(output),
                remedy="one Output for each",
            )

    def _paths(self, start: str):
        """(population, nodes on the way, shape there) of every path from a population."""
        stack = [(start, (), self.found[start].shape)]
        while stack:
            name, through, shape = stack.pop()
            for post in reversed(self.after[name]):
                node = self.graph.nodes[post]
                self.tried += 1
                if self.tried > MOST_PATHS or len(through) > LONGEST_PATH:
                    raise NetworkError(
                        f"more than {MOST_PATHS} ways through linear nodes, or one of {LONGEST_PATH} nodes",
                        where=self.where(start),
                        remedy="multiply linear nodes that follow each other",
                    )
                if node.kind in NEURONS:
                    yield post, through, shape
                elif node.kind == "Output":
                    if through and any(self.graph.nodes[x].kind not in ("Pass", "Flatten") for x in through):
                        self._reads(post, post)
                        yield post, through, shape
                    else:
                        self._reads(post, start)
                elif post in through:
                    raise NetworkError(
                        "a cycle without neurons", where=self.where(post), remedy="it would never end"
                    )
                elif node.kind == "Input":
                    raise NetworkError("an edge leads to an Input", where=self.where(post))
                else:
                    inner = shape if node.kind == "Pass" else self._after(node, shape)
                    stack.append((post, (*through, post), inner))

    def _after(self, node: Node, shape: Dims) -> Dims:
        return shape_after(node, shape, self.where(node.name))

    def _input_shape(self, node: Node) -> Dims:
        value = node["shape"].reshape(-1)
        good = value.size and value.size <= 8 and (value == np.rint(value)).all() and (value >= 1).all()
        if not good or value.prod() > LARGEST:
            raise NetworkError(
                f"shape {np.array2string(value[:8])}",
                where=self.where(node.name),
                remedy=f"whole numbers, 1 to {LARGEST} axons",
            )
        return plain(tuple(int(x) for x in value))

    def _population(self, name: str, shape: Dims) -> Population:
        node = self.graph.nodes[name]
        if node.kind == "Output":
            size = math.prod(shape)
            return Population(name, "integrator", shape, "Output", memoryless(size))
        own = plain(node["r"].shape)
        if len(own) == 3 and len(shape) == 1 and math.prod(own) == shape[0]:
            shape = own  # its parameters say that the signal is a map
        neuron = discrete(node, math.prod(shape), self.how, self.where(name))
        self.remarks += [f"{name}: {note}" for note in neuron.notes]
        kind = "integrator" if node.kind in INTEGRATING else "lif"
        return Population(name, kind, shape, node.kind, neuron)

    def _ordered(self, wanted: tuple[str, ...]) -> list[str]:
        """Populations so that paths lead forward: each after those that come first to it, depth first."""
        if sorted(wanted) == sorted(self.found):
            return list(wanted)
        ahead: dict[str, list[str]] = {name: [] for name in self.found}
        for pre, post, _ in self.raw:
            ahead[pre].append(post)
        done: list[str] = []
        seen: set[str] = set()
        for start in reversed([n for n, p in self.found.items() if p.kind == "source"]):
            stack = [(start, iter(ahead[start]))] if start not in seen else []
            seen.add(start)
            while stack:
                name, rest = stack[-1]
                post = next((x for x in rest if x not in seen), None)
                if post is None:
                    done.append(stack.pop()[0])
                else:
                    seen.add(post)
                    stack.append((post, iter(ahead[post])))
        return done[::-1]

    def result(self) -> Described:
        """Everything, with delays in steps."""
        place = {name: i for i, name in enumerate(self.order)}
        paths = [self._path(*raw, back=place[raw[0]] >= place[raw[1]]) for raw in self.raw]
        for post, kind in ((p.post, self.found[p.post].type) for p in paths if p.back):
            if kind == "Output":
                raise NetworkError("leads back", where=self.where(post))
        return Described(
            self.graph,
            self.how,
            tuple(self.found[name] for name in self.order),
            tuple(paths),
            self.outputs,
            tuple(dict.fromkeys(self.remarks)),
        )

    def _path(self, pre: str, post: str, through: tuple[str, ...], back: bool) -> Path:
        nodes, shapes = [], []
        shape = self.found[pre].shape
        ins, outs, notes = np.zeros(math.prod(shape)), np.zeros(self.found[post].size), []
        weighted = False
        for name in through:
            node = self.graph.nodes[name]
            if node.kind == "Pass":
                continue
            nodes.append(node)
            shapes.append(shape)
            if node.kind == "Delay":
                steps, said = self._steps(node)
                notes += said
                side = outs if weighted else ins
                if steps.size != 1 and steps.size != side.size:
                    raise NetworkError(
                        "a delay for each of the numbers between two linear nodes",
                        where=self.where(name),
                        remedy="put it before or after them",
                    )
                side += steps
            elif node.kind == "Threshold":
                self._or_pool(nodes)
            elif node.kind != "Flatten":
                weighted = True
            shape = self._after(node, shape)
        if math.prod(shape) != self.found[post].size:
            raise NetworkError(
                f"gets shape {shape} for {self.found[post].size} neurons",
                where=self.where(post),
                remedy="one parameter per neuron, or one for all",
            )
        uniform = ins.min() == ins.max() and outs.min() == outs.max()
        return Path(
            pre,
            post,
            tuple(nodes),
            tuple(shapes),
            back,
            int(ins.min() + outs.min()),
            None if uniform else (ins.astype(np.int64), outs.astype(np.int64)),
            tuple(notes),
        )

    def _steps(self, node: Node) -> tuple[np.ndarray, list[str]]:
        """A Delay in whole steps, and what that changes."""
        value = node["delay"].reshape(-1)
        steps = np.rint(value / self.how.dt)
        if (value < 0).any() or steps.max() > 255:
            raise NetworkError(
                f"delays of {value.min():g} to {value.max():g} s",
                where=self.where(node.name),
                remedy=f"0 to 255 steps of {self.how.dt:g} s; give another --dt",
            )
        worst = float(np.abs(steps * self.how.dt - value).max())
        off = worst > 1e-6 * self.how.dt
        return steps, [f"{node.name}: delays moved by up to {worst:g} s to whole steps"] * off

    def _or_pool(self, nodes: list[Node]) -> None:
        """A Threshold is what makes a sum over windows their or; nothing else."""
        node = nodes[-1]
        value = node["threshold"]
        before = [n.kind for n in nodes[:-1] if n.kind != "Delay"]
        if before != ["SumPool2d"] or not ((value >= 0) & (value < 1)).all():
            raise NetworkError(
                "a Threshold that is not right after a SumPool2d of spikes, with a threshold of 0 to below 1",
                where=self.where(node.name),
                remedy="only that is an or over windows, which chips have; put an IF node for others",
            )
