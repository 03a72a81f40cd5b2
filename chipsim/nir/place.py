"""Populations and paths as layers and connections of a chip.

The unit of a layer's potentials is free: weights, threshold and bias of a layer are multiplied by one
number, so that its largest weight uses the whole range of the chip's weights and the layer does the
same. What then is lost is the rounding to the chip's formats, which `report.py` states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chipsim.errors import LimitError, NetworkError
from chipsim.network import Network
from chipsim.nir.constants import store_constants
from chipsim.nir.paths import Described, Path, Population
from chipsim.nir.weights import Wire, layer_size, map_order, wire
from chipsim.plan.lava import is_lava
from chipsim.simulator import Simulator

CONSTANT = "chipsim:constant"  # a source that is active in every step: biases of synaptic currents
SMALLEST_RANGE = 2.0**-4  # w_range of the weakest of several connections into a layer


@dataclass(frozen=True)
class Fixed:
    """How layers and connections stood on the chip that wrote the file.

    exact    nothing is rescaled: the chip is the same one
    ranges   connection's name -> (w_range, bits); sparse: names of those that store a part of a matrix
    options  layer's name -> options of `Network.lif`, in the file's units
    payloads source's name -> bits; purposes: connection's name -> its purpose
    rules    connection's name -> its program; settings: how that is bound; engine of all of them
    """

    exact: bool
    ranges: Mapping[str, tuple[float, int]]
    sparse: frozenset[str]
    options: Mapping[str, Mapping[str, Any]]
    payloads: Mapping[str, int] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    engine: str | None = None


@dataclass
class Layer:
    """A population on the chip: the real numbers wanted, in the layer's order, times `scale`."""

    population: Population
    scale: float = 1.0
    threshold: np.ndarray | None = None
    bias: np.ndarray | None = None
    ranges: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Placed:
    """A graph on a chip: `simulator` runs it. wires: connection's name -> (path or None, wanted weights)."""

    described: Described
    chip: Any
    simulator: Simulator
    layers: dict[str, Layer]
    wires: dict[str, tuple[Path | None, Wire, np.ndarray]]
    exact: bool
    parameters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # of rules, raw

    @property
    def low(self) -> int:
        """Smallest delay on the chip."""
        return self.chip.step.min_delay

    def fresh(self) -> None:
        """Back to the first step."""
        self.simulator.reset()
        self.store()

    def store(self) -> None:
        """Thresholds, biases and parameters into the simulator's state."""

        def scaled(values: np.ndarray | None, layer: Layer) -> np.ndarray | None:
            return None if values is None else values * layer.scale

        each = self.layers.items()
        wanted = {name: (scaled(x.threshold, x), scaled(x.bias, x)) for name, x in each}
        store_constants(self.simulator, self.chip, wanted)
        for connection, values in self.parameters.items():
            for name, raw in values.items():
                self.simulator.set_param(connection, name, raw)


def place(
    described: Described, chip: Any, bits: int | None = None, fixed: Fixed | None = None, seed: int = 0
) -> Placed:
    """Put a graph on a chip. Raises NetworkError, LimitError for what the chip cannot do."""
    _check_chip(chip)
    width = bits or chip.weight.default_bits
    room = (
        8 + chip.neuron.guard_bits - (min(chip.weight.bits) if fixed is not None and fixed.exact else width)
    )
    wires = _wires(described, room, fixed)
    kept = fixed if fixed is not None and fixed.exact else None
    layers = {
        p.name: _scaled(
            p, [(n, w) for n, (path, w) in wires.items() if path.post == p.name], chip, width, kept
        )
        for p in described.populations
    }
    network = Network(dt_ms=described.how.dt * 1e3)
    for p in described.populations:
        _layer(network, p, layers[p.name], described, fixed)
    wanted: dict[str, tuple[Path | None, Wire, np.ndarray]] = {}
    for name, (path, made) in wires.items():
        post = layers[path.post]
        weights = made.weights * post.scale
        _connect(network, chip, name, path, made, weights, post.ranges[name], kept)
        wanted[name] = (path, made, weights)
    _constants(network, described, layers, wires, wanted, kept)
    engine = kept.engine if kept else None
    placed = Placed(
        described,
        chip,
        Simulator(network, chip, kept.rules if kept else {}, seed, weight_bits=bits, engine=engine),
        layers,
        wanted,
        kept is not None,
    )
    placed.store()
    return placed


def _check_chip(chip: Any) -> None:
    if chip.fixed is not None or chip.step.mode == "event":
        raise LimitError(
            "its step is fixed hardware, not populations of neurons in steps of dt",
            where=f"chip {chip.name}",
            remedy="import onto ideal, loihi1, loihi2, loihi2_lava, spinnaker1, spinnaker2 or truenorth",
        )


def _wires(described: Described, room: int, fixed: Fixed | None) -> dict[str, tuple[Path, Wire]]:
    """Connection's name -> its path and weights; names are those of the nodes with weights, made unique."""
    named: dict[str, tuple[Path, Wire]] = {}
    taken = {p.name for p in described.populations}
    for path in described.paths:
        name = base = path.name
        for number in range(2, 2 + len(named) + len(taken)):
            if name not in named and name not in taken:
                break
            name = f"{base} {number}" if number > 2 else f"{base} {path.pre}->{path.post}"
        where = f"{described.graph.path}: {path.pre} -> {path.post}"
        made = wire(path, described.population(path.pre), described.population(path.post), room, where)
        named[name] = (path, _stored(made) if fixed is not None and name in fixed.sparse else made)
    return named


def _stored(made: Wire) -> Wire:
    """A dense matrix as the synapses that are not 0."""
    if made.sparse is not None or made.conv is not None:
        return made
    there = made.weights != 0
    index = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    delays = None if made.delays is None else made.delays[there]
    targets = np.nonzero(there)[1].astype(np.int32)
    return replace(made, weights=made.weights[there], sparse=(index, targets), delays=delays)


def _scaled(p: Population, into: list, chip: Any, width: int, fixed: Fixed | None) -> Layer:
    """A population's scale, and the w_range of each of its connections."""
    made = Layer(p)
    if p.neuron is None:
        return made
    order = map_order(p.shape)
    bias = p.neuron.drive[order]
    if p.neuron.k_u is None:
        for _, w in into:
            bias = bias + (0 if w.bias is None else w.bias)
    made.bias = bias
    made.threshold = None if p.neuron.threshold is None else p.neuron.threshold[order]
    if fixed is not None:
        made.ranges = {name: _range(fixed, name)[0] for name, _ in into}
        return made
    signed = chip.weight.signed
    most = {name: float(np.abs(w.weights).max(initial=0.0)) for name, w in into}
    if not signed and any((w.weights < 0).any() for _, w in into):
        raise LimitError(
            f"weights below 0 into '{p.name}'; the chip has none",
            where=f"chip {chip.name}",
            remedy="take another chip",
        )
    top = 1 - 2.0 ** -(width - signed)
    largest = max(most.values(), default=0.0)
    made.scale = max(top, 0.5) / largest if largest else 1.0
    least = 1.0 if is_lava(chip) else SMALLEST_RANGE
    made.ranges = {
        name: min(1.0, max(least, _power_above(value * made.scale / max(top, 0.5))))
        for name, value in most.items()
    }
    _into_membrane(made, chip)
    return made


def _range(fixed: Fixed, name: str) -> tuple[float, int]:
    if name not in fixed.ranges:
        raise NetworkError(
            f"chipsim's metadata do not know the weights '{name}'",
            remedy="give --ignore-metadata to read the plain graph",
        )
    return fixed.ranges[name]


def _power_above(value: float) -> float:
    """The smallest power of two that is not below a value; 0 gives 1."""
    return 2.0 ** math.ceil(math.log2(value) - 1e-12) if value > 0 else 1.0


def _into_membrane(made: Layer, chip: Any) -> None:
    """Thresholds and biases must fit the membrane: coarser weights first, then a smaller scale."""
    needed = max(
        2 * float(np.max(made.threshold)) if made.threshold is not None else 0.0,
        4 * float(np.abs(made.bias).max(initial=0.0)),
    )
    while True:
        finest = min(made.ranges.values(), default=1.0)
        room = 2.0 ** (chip.neuron.v_bits - 1 - 7 - chip.neuron.guard_bits) * finest
        if needed * made.scale <= room:
            return
        if finest < 1.0:
            made.ranges = {name: max(r, 2 * finest) for name, r in made.ranges.items()}
            continue
        made.scale = room / needed
        made.notes.append(
            "its weights are small beside its threshold: they use only a part of their range, so that the "
            "threshold fits the membrane"
        )
        return


def _layer(network: Network, p: Population, made: Layer, described: Described, fixed: Fixed | None) -> None:
    size = layer_size(p.shape)
    if p.kind == "source":
        bits = fixed.payloads.get(p.name, 1) if fixed is not None else 1
        network.source(p.name, size, payload_bits=bits)
        return
    dt = network.dt_ms
    options: dict[str, Any] = {"tau_v_ms": _tau(p.neuron.k_v, dt), "tau_u_ms": None}
    if p.neuron.k_u is not None:
        options["tau_u_ms"] = _tau(p.neuron.k_u, dt)
    if p.kind == "lif":
        options |= {"reset": p.neuron.reset, "threshold": float(np.median(made.threshold)) * made.scale}
    if fixed is not None:
        options |= _in_unit(fixed.options.get(p.name, {}), made.scale)
    add = network.lif if p.kind == "lif" else network.integrator
    add(p.name, size, **options)


def _in_unit(options: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """Options in the layer's unit instead of the file's."""
    made = dict(options)
    if "leak_step" in made:
        made["leak_step"] = made["leak_step"] * scale
    if "homeostasis" in made:
        made["homeostasis"] = (made["homeostasis"][0] * scale, made["homeostasis"][1])
    return made


def _tau(k: float, dt_ms: float) -> float:
    """The time constant that `Network` takes for a factor k, in ms."""
    return math.inf if k >= 1 else -dt_ms / math.log(k) if k > 1e-6 else dt_ms / 40


def _connect(network, chip, name, path, made: Wire, weights, w_range: float, fixed: Fixed | None) -> None:
    pre = path.pre
    if made.pool is not None:
        size, kind = made.pool
        pre = next(n.name for n in path.nodes if n.kind in ("SumPool2d", "AvgPool2d"))
        pre += "" if _is_new(network, pre, path.pre) else f" of {path.pre}"
        if all(layer.name != pre for layer in network.layers):
            network.pool(path.pre, pre, size, kind)
    low = chip.step.min_delay
    options: dict[str, Any] = {"w_range": w_range, "weights": weights, "delay": path.least(low)}
    if fixed is not None:
        options |= {"bits": _range(fixed, name)[1], "purpose": fixed.purposes.get(name, "inference")}
        if name in fixed.rules:
            options |= {"rule": name, "settings": dict(fixed.settings[name])}
    if made.delays is not None:
        base = int(path.back or low > 0)
        options["delay"] = base
        options["delays"] = _own_delays(np.maximum(made.delays, max(low, base)), base - (low > 0), path)
    if made.conv is not None:
        kernel, stride, pad = made.conv
        network.conv(pre, path.post, kernel, stride=stride, pad=pad, name=name, **options)
    else:
        network.connect(pre, path.post, name=name, sparse=made.sparse, **options)


def _is_new(network: Network, name: str, below: str) -> bool:
    """Whether a name is free, or that of the pool layer over `below`."""
    held = next((layer for layer in network.layers if layer.name == name), None)
    return held is None or (held.pool is not None and network.layers[held.below].name == below)


def _own_delays(wanted: np.ndarray, already: int, path: Path) -> np.ndarray:
    steps = wanted - already
    if steps.max(initial=0) > 255:
        raise LimitError(
            f"delays of {steps.max()} steps", where=f"{path.pre} -> {path.post}", remedy="255 at most"
        )
    return steps.astype(np.uint8)


def _constants(
    network: Network, described: Described, layers: dict, wires: dict, wanted: dict, fixed: Fixed | None
) -> None:
    """Biases of layers with a synaptic current come through an axon that is active in every step."""
    for p in described.populations:
        if p.neuron is None or p.neuron.k_u is None:
            continue
        biases = [w.bias for path, w in wires.values() if path.post == p.name and w.bias is not None]
        if not biases:
            continue
        if CONSTANT in layers:
            raise NetworkError(f"a node named '{CONSTANT}'", where=described.graph.path, remedy="rename it")
        made = layers[p.name]
        weights = sum(biases)[None, :] * made.scale
        if all(layer.name != CONSTANT for layer in network.layers):
            network.source(CONSTANT, 1)
        name = f"{CONSTANT}->{p.name}"
        w_range = max(1.0, _power_above(float(np.abs(weights).max())))
        options: dict[str, Any] = {}
        if fixed is not None:
            w_range, options["bits"] = _range(fixed, name)
        network.connect(CONSTANT, p.name, name=name, weights=weights, w_range=w_range, delay=0, **options)
        wanted[name] = (None, Wire(weights, what="biases, from an axon that is always active"), weights)
        made.ranges[name] = w_range
