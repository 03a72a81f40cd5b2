"""A NIR file on a chip: reading it, running it, and comparing it with the same graph in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.data.events import Events
from chipsim.errors import DataError
from chipsim.fixed import Format
from chipsim.nir.discrete import Convention
from chipsim.nir.floats import run_floats
from chipsim.nir.graph import Graph, graph_sha256, read_graph
from chipsim.nir.metadata import Meta, metadata_of, weights_sha256
from chipsim.nir.paths import Population, described
from chipsim.nir.place import CONSTANT, Fixed, Placed, place
from chipsim.nir.rules import check_bound, engine_of, present_parameters, programs_of
from chipsim.nir.weights import map_order
from chipsim.reference import reference_steps

MOST_STEPS = 100_000


@dataclass
class Imported:
    """A graph on a chip: `simulator` is an ordinary one, `run` feeds and reads it as NIR would.

    meta   what chipsim wrote into the file, None where it did not or where it was ignored
    """

    placed: Placed
    meta: Meta | None = None

    @property
    def simulator(self) -> Any:
        """The network on the chip, with the thresholds and biases of each neuron in its state."""
        return self.placed.simulator

    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Input's name -> shape of what it takes in a step."""
        return {p.name: p.shape for p in self.placed.described.populations if p.kind == "source"}

    def run(
        self, spikes: np.ndarray | Mapping[str, np.ndarray], *, interpreter: bool = False
    ) -> dict[str, np.ndarray]:
        """What every population does from the first step on, learning off.

        spikes       0 and 1, [steps, *shape] of the only Input, or Input's name -> such an array
        interpreter  by the plain-Python definition instead of compiled kernels: for a few small layers
        Returns population's name -> float64[steps, *shape]: spikes 0 and 1, or potentials in NIR's units.
        Raises DataError for arrays that do not fit.
        """
        given = self.checked(spikes)
        steps = len(next(iter(given.values())))
        placed = self.placed
        placed.fresh()
        read = [p for p in placed.described.populations if p.neuron is not None]
        names = {p.name: f"{p.name}.{'spikes' if p.kind == 'lif' else 'v'}" for p in read}
        probed = self._stepped(self.events(given), list(names.values()), steps, interpreter)
        made = {}
        for p in read:
            rows = np.array(probed[names[p.name]], np.float64).reshape(steps, p.size)
            out = np.empty_like(rows)
            out[:, map_order(p.shape)] = rows
            if p.kind == "integrator":
                out = out / placed.layers[p.name].scale + p.neuron.origin
            made[p.name] = out.reshape(steps, *p.shape)
        return made

    def _stepped(self, events: dict[str, Events], names: list[str], steps: int, interpreter: bool) -> dict:
        """Probe's name -> its value after every step."""
        sim = self.placed.simulator
        if not interpreter:
            sim.probes = {}
            sim.probe(*names)
            sim.run(events, learn=False)
            return sim.probes
        rows: dict[str, list] = {name: [] for name in names}
        for t in range(steps):
            reference_steps(sim.plan, sim.state, events, start=t, stop=t + 1, learn=False)
            for name in names:
                rows[name].append(sim.read(name))
        return rows

    def run_floats(self, spikes: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The same of the graph in float64, with the chip's smallest delay."""
        given = self.checked(spikes)
        found = run_floats(self.placed.described, given, self.placed.low)
        shapes = {p.name: p.shape for p in self.placed.described.populations if p.neuron is not None}
        return {name: found[name].reshape(-1, *shape) for name, shape in shapes.items()}

    def checked(self, spikes: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays for every Input as uint8[steps, n], in NIR's order. Raises DataError."""
        shapes = self.inputs()
        if not isinstance(spikes, Mapping):
            if len(shapes) != 1:
                raise DataError(
                    f"one array for the inputs {', '.join(shapes)}", remedy="give one for each, by name"
                )
            spikes = dict.fromkeys(shapes, spikes)
        if set(spikes) != set(shapes):
            raise DataError(f"spikes for {', '.join(spikes)}; the inputs are {', '.join(shapes)}")
        made = {}
        for name, shape in shapes.items():
            array = np.asarray(spikes[name])
            flat = array.reshape(len(array), -1) if array.ndim > 1 and len(array) else array
            if flat.ndim != 2 or flat.shape[1] != int(np.prod(shape)) or array.dtype.kind not in "biuf":
                raise DataError(
                    f"spikes of shape {array.shape} for input '{name}'",
                    remedy=f"[steps, {', '.join(map(str, shape))}]",
                )
            if not 1 <= len(flat) <= MOST_STEPS or not ((flat == 0) | (flat == 1)).all():
                raise DataError(
                    f"spikes of input '{name}' are not 0 and 1 in 1 to {MOST_STEPS} steps",
                    remedy="real numbers are no spikes: encode them first",
                )
            made[name] = flat.astype(np.uint8)
        if len({len(array) for array in made.values()}) > 1:
            raise DataError("inputs of different numbers of steps")
        return made

    def events(self, spikes: Mapping[str, np.ndarray]) -> dict[str, Events]:
        """Events of the sources for arrays as `checked` returns them."""
        made = {}
        for name, array in spikes.items():
            order = map_order(self.inputs()[name])
            made[name] = Events.from_dense(array[None][:, :, order])
        if any(layer.name == CONSTANT for layer in self.simulator.network.layers):
            made[CONSTANT] = Events.from_dense(np.ones((1, len(array), 1), np.uint8))
        return made


def import_nir(
    file: str | Path | Graph,
    chip: Any,
    how: Convention | None = None,
    *,
    bits: int | None = None,
    seed: int = 0,
    ignore_metadata: bool = False,
    rules: bool = False,
) -> Imported:
    """A NIR file on a chip.

    file   its path, or what `read_graph` returned
    how    how its equations become steps (`discrete.convention`); default: as chipsim's metadata say,
           else `Convention()`
    bits   of weights; default: the chip's
    rules  bind the rules in chipsim's metadata, so that the network learns on
    A file that chipsim wrote for this very chip comes back with the same integers, unless `how` or
    `bits` are given or `ignore_metadata` is set. Raises DataError for a damaged or hostile file and for
    weights that are not those that the metadata name, NetworkError and LimitError for what cannot run.
    """
    graph = file if isinstance(file, Graph) else read_graph(file)
    meta = None if ignore_metadata else metadata_of(graph.metadata, graph.path)
    if meta is None:
        return Imported(place(described(graph, how or Convention()), chip, bits, None, seed))
    exact = meta.chip.sha256 == chip.sha256 and how is None and bits is None
    fixed = fixed_of(meta, graph, chip, exact)
    bound, settings, left = programs_of(meta, graph.path) if rules and exact else ({}, {}, [])
    fixed = replace(fixed, rules=bound, settings=settings, engine=engine_of(meta, bound))
    steps = described(graph, how or Convention(dt=meta.dt_s), tuple(meta.layers))
    if how is None:
        resets = {name: layer.reset for name, layer in meta.layers.items()}
        steps = replace(
            steps, populations=tuple(_resetting(p, resets.get(p.name)) for p in steps.populations)
        )
    if not exact:
        said = f"written by chipsim {meta.chipsim} for chip {meta.chip.name}: rescaled and rounded anew"
        steps = replace(steps, remarks=(*steps.remarks, said))
    said = [*(f"not carried by the file: {text}" for text in meta.not_carried), *left]
    steps = replace(steps, remarks=(*steps.remarks, *said))
    placed = place(steps, chip, bits, fixed, meta.seed if exact else seed)
    _check_names(meta, placed, graph.path)
    check_bound(placed.simulator, meta, bound, graph.path)
    placed.parameters = present_parameters(meta, bound)
    placed.store()
    return Imported(placed, meta)


def _resetting(p: Population, reset: str | None) -> Population:
    """A population with the reset that it had on its chip."""
    return p if reset is None or p.neuron is None else replace(p, neuron=replace(p.neuron, reset=reset))


def _check_names(meta: Meta, placed: Placed, where: str) -> None:
    """DataError where the metadata of a file that is as exported name other layers or connections."""
    populations = {p.name for p in placed.described.populations}
    apart = set(placed.wires) ^ set(meta.connections) or populations ^ set(meta.layers)
    if placed.exact and apart:
        raise DataError(
            f"chipsim's metadata and the graph differ in {', '.join(sorted(apart))}",
            where=where,
            remedy="give --ignore-metadata to read it as any other file",
        )


def fixed_of(meta: Meta, graph: Graph, chip: Any, exact: bool) -> Fixed:
    """How the file's network stood on its chip; the weights' digests are compared. Raises DataError."""
    for name, c in meta.connections.items():
        fmt = Format(chip.weight.signed, c.bits, c.bits - chip.weight.signed - _exponent(c.w_range, name))
        if exact and _digest(graph, name, fmt) != c.sha256:
            raise DataError(
                f"the weights of '{name}' are not those that chipsim wrote",
                where=graph.path,
                remedy="give --ignore-metadata to read them as any other file's",
            )
    if exact and graph_sha256(graph) != meta.graph_sha256:
        raise DataError(
            "its nodes or edges are not those that chipsim wrote (sha256)",
            where=graph.path,
            remedy="give --ignore-metadata to read it as any other file",
        )
    return Fixed(
        exact,
        {name: (c.w_range, c.bits) for name, c in meta.connections.items()},
        frozenset(name for name, c in meta.connections.items() if c.sparse),
        {name: layer.options() for name, layer in meta.layers.items()},
        payloads={name: layer.payload_bits for name, layer in meta.layers.items()},
        purposes={name: c.purpose for name, c in meta.connections.items()},
    )


def _exponent(w_range: float, name: str) -> int:
    exponent = math.log2(w_range)
    if exponent != int(exponent):
        raise DataError(f"metadata: w_range {w_range:g} of '{name}' is no power of two")
    return int(exponent)


def _digest(graph: Graph, name: str, fmt: Format) -> str:
    """The digest of the integers in a weight node, or of the constants of a layer's currents."""
    if name.startswith(f"{CONSTANT}->"):
        post = name.removeprefix(f"{CONSTANT}->")
        holds = [a for a, b in graph.edges if b == post and "bias" in graph.nodes[a].values]
        real = next((graph.nodes[a]["bias"] for a in holds), np.zeros(0)).reshape(1, -1)
    else:
        node = graph.nodes.get(name)
        if node is None or "weight" not in node.values or node["weight"].ndim not in (2, 4):
            return ""
        real = node["weight"].transpose(2, 3, 1, 0) if node["weight"].ndim == 4 else node["weight"].T
    raw = np.rint(real * 2.0**fmt.frac)
    return (
        weights_sha256(raw) if np.array_equal(raw, real * 2.0**fmt.frac) and (abs(raw) < 2**31).all() else ""
    )
