"""A network of chipsim as a NIR file: plain nodes for every tool, metadata for the exact way back.

Weights are the chip's integers times their LSB, which floats hold exactly; the neurons' nodes are in
layer_nodes.py.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.durable import write
from chipsim.errors import DataError, LimitError, RunError
from chipsim.nir.graph import graph_of, graph_sha256
from chipsim.nir.layer_nodes import dims, layer_meta, neuron_node, real_values
from chipsim.nir.metadata import KEY, Chip, ConnectionMeta, LayerMeta, Meta, weights_sha256
from chipsim.nir.place import CONSTANT
from chipsim.nir.read import unpacked, walked
from chipsim.nir.rules import rule_meta
from chipsim.nir.weights import map_order
from chipsim.plan import ConnectionPlan, LayerPlan
from chipsim.simulator import Simulator
from chipsim.version import __version__

MOST_WEIGHTS = 1 << 24


def nir_package() -> Any:
    """The package `nir`, or a DataError that says how to get it."""
    try:
        import nir
    except ImportError as error:
        raise DataError(
            f"writing NIR needs the Python package 'nir', which cannot be imported: {error}",
            remedy="pip install 'chipsim[nir]'",
        ) from None
    return nir


def export_nir(sim: Simulator, path: str | Path, *, title: str = "") -> Meta:
    """Write the network of a simulator, with the weights that it has now.

    Returns the metadata, whose `not_carried` says what the file cannot hold. Raises LimitError for a
    network that is no graph of neurons in steps, RunError where the file cannot be written or exists.
    """
    nir = nir_package()
    path = Path(path)
    if path.exists():
        raise RunError(f"{path} exists; nothing is overwritten", remedy="give a new file name")
    made = _Export(sim, nir)
    graph = nir.NIRGraph(nodes=made.nodes, edges=made.edges, metadata={})
    plain = graph_of(unpacked(walked(_packed(nir, graph), str(path))), str(path))
    meta = made.meta(title, graph_sha256(plain))
    graph.metadata = {KEY: meta.text()}
    write(path, _packed(nir, graph).getvalue())
    return meta


def _packed(nir: Any, graph: Any) -> io.BytesIO:
    packed = io.BytesIO()
    nir.write(packed, graph)
    return packed


def exact(values: np.ndarray) -> np.ndarray:
    """float32 where that holds the numbers exactly, else float64."""
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow.astype(np.float64), values) else values


class _Export:
    """Nodes and edges of a graph while they are made."""

    def __init__(self, sim: Simulator, nir: Any):
        self.sim, self.plan, self.nir = sim, sim.plan, nir
        if self.plan.core is not None or self.plan.reckon is not None:
            raise LimitError(
                "its step is fixed hardware, which NIR has no nodes for", where=f"chip {self.plan.chip}"
            )
        self.dt = self.plan.dt_ms / 1e3
        self.described = self.plan.network
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.layers: dict[str, LayerMeta] = {}
        self.connections: dict[str, ConnectionMeta] = {}
        self.lost: list[str] = []
        self.names: dict[int, str] = {}
        self.place = {index: i for i, index in enumerate(self.plan.order)}
        self.bias = {
            x.index: real_values(self.sim, x, "bias")
            for x in self.plan.layers
            if x.kind not in ("source", "pool")
        }
        self.current_bias: dict[int, tuple[ConnectionPlan, np.ndarray]] = {}
        delivering = [c for c in self.plan.connections if c.purpose != "feedback"]
        for c in delivering:
            if self._is_constant(c):
                self.current_bias[c.post] = (c, self._weights(c)[0])
        self.wired = [c for c in delivering if not self._is_constant(c)]
        self.flat = self._flat()
        for index in self.plan.order:
            self._layer(self.plan.layers[index])
        for c in self.wired:
            self._connection(c)
        self._biases_left()
        self._outputs()
        self._circuits()

    def _is_constant(self, c: ConnectionPlan) -> bool:
        pre = self.plan.layers[c.pre]
        good = pre.name == CONSTANT and pre.size == 1 and not c.sparse and c.conv is None
        return good and self.plan.layers[c.post].k_u is not None

    def _flat(self) -> set[int]:
        """Maps that are a row of neurons in NIR: no kernel or window meets them, some matrix leads there."""
        pooled = {x.below for x in self.plan.layers if x.kind == "pool"}
        kernels = {i for c in self.wired if c.conv is not None for i in (c.pre, c.post)}
        into = {c.post for c in self.wired if c.conv is None and self.plan.layers[c.post].shape is not None}
        return into - pooled - kernels

    def _shape(self, x: LayerPlan) -> tuple[int, ...]:
        return (x.size,) if x.index in self.flat else dims(x)

    def _name(self, wanted: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_]+", "_", wanted.replace("->", "_to_")).strip("_") or "node"
        name, number = base, 2
        while name in self.nodes:
            name, number = f"{base}_{number}", number + 1
        return name

    def _add(self, wanted: str, node: Any) -> str:
        name = self._name(wanted)
        self.nodes[name] = node
        return name

    # ------------------------------------------------------------ layers

    def _layer(self, x: LayerPlan) -> None:
        if x.kind == "pool":
            self._pool(x)
            return
        if x.kind == "source":
            if x.name == CONSTANT and all(c.pre != x.index for c in self.wired):
                return
            self.names[x.index] = self._add(x.name, self.nir.Input(np.array(dims(x))))
            self.layers[self.names[x.index]] = LayerMeta(name=x.name, payload_bits=x.payload_bits)
            if x.payload_bits > 1:
                self.lost.append(
                    f"{x.name}: payloads of {x.payload_bits} bits; NIR's signals are plain numbers"
                )
            return
        for key in ("ku", "kv"):
            own = self.sim.state.get(f"l{x.index}_{key}")
            if own is not None and np.ptp(own):
                self.lost.append(f"{x.name}: decays of single neurons; the layer's are carried")
        self.names[x.index] = self._add(x.name, neuron_node(self.nir, self.sim, x, self._shape(x)))
        meta, said = layer_meta(self.described.layers[x.index], x)
        self.layers[self.names[x.index]] = meta
        self.lost += said

    def _pool(self, x: LayerPlan) -> None:
        pair = np.array([x.pool.size] * 2)
        average = x.pool.kind == "average"
        kind = self.nir.AvgPool2d if average else self.nir.SumPool2d
        name = self._add(x.name, kind(kernel_size=pair, stride=pair, padding=np.zeros(2, np.int64)))
        self.edges.append((self.names[x.below], name))
        self.names[x.index] = name
        if not average:  # an or is whether the sum is above 0
            over = self._add(f"{x.name}_or", self.nir.Threshold(threshold=np.full(dims(x), 0.5)))
            self.edges.append((name, over))
            self.names[x.index] = over

    # ------------------------------------------------------------ connections

    def _weights(self, c: ConnectionPlan) -> tuple[np.ndarray, np.ndarray | None]:
        """Integers of a connection as [pre, post] (or [K, K, C_in, C_out]) in NIR's order, and delays."""
        raw = self.sim.state[f"c{c.index}_w"].astype(np.int64)
        if c.conv is not None:
            return raw.reshape(c.conv.kernel, c.conv.kernel, c.conv.pre[2], c.conv.post[2]), None
        if c.n_pre * c.n_post > MOST_WEIGHTS:
            raise LimitError(
                f"a matrix of {c.n_pre} x {c.n_post} weights; limit {MOST_WEIGHTS}",
                where=f"NIR export, {c.name}",
            )
        pre, post = dims(self.plan.layers[c.pre]), dims(self.plan.layers[c.post])
        rows, columns = map_order(pre), map_order(post)
        own = self.sim.state.get(f"c{c.index}_delay")
        arrays = [raw, own] if own is not None else [raw]
        made = []
        for array in arrays:
            if c.sparse:
                full = np.zeros((c.n_pre, c.n_post), np.int64)
                index = np.repeat(np.arange(c.n_pre), np.diff(self.sim.state[f"c{c.index}_ptr"]))
                full[index, self.sim.state[f"c{c.index}_tgt"].astype(np.int64)] = array
                array = full
            moved = np.empty((c.n_pre, c.n_post), np.int64)
            moved[np.ix_(rows, columns)] = array
            made.append(moved)
        return made[0], made[1] if own is not None else None

    def _connection(self, c: ConnectionPlan) -> None:
        raw, delays = self._weights(c)
        extra = c.asked - max(self._least(), int(self.place[c.pre] >= self.place[c.post]))
        base = max(c.asked, self._least()) if extra > 0 else 0
        if delays is None:
            self._wire(c, raw, base, c.name)
            return
        late = max(c.asked, self._least()) - self._least()
        for steps in np.unique(delays[raw != 0]):
            part = np.where(delays == steps, raw, 0)
            self._wire(c, part, int(steps) + late, f"{c.name} {steps}")
        self.lost.append(f"{c.name}: one connection for each of its delays")

    def _least(self) -> int:
        return self.sim.chip.step.min_delay

    def _wire(self, c: ConnectionPlan, raw: np.ndarray, steps: int, title: str) -> None:
        """Delay, Flatten and weight nodes of a connection."""
        pre, post = self.plan.layers[c.pre], self.plan.layers[c.post]
        place = self.names[c.pre]
        if steps:
            delay = self._add(
                f"{title} delay", self.nir.Delay(delay=np.full(self._shape(pre), steps * self.dt))
            )
            self.edges.append((place, delay))
            place = delay
        if c.conv is None and pre.shape is not None and pre.index not in self.flat:
            shape = {"input": np.array(dims(pre))}
            flat = self._add(f"{title} flat", self.nir.Flatten(input_type=shape, start_dim=0, end_dim=-1))
            self.edges.append((place, flat))
            place = flat
        real = exact(raw.astype(np.float64) * float(c.weight.lsb))
        bias = self._bias_of(c, real)
        if c.conv is not None:
            node = self._conv(c, real, bias)
        elif bias is not None:
            node = self.nir.Affine(weight=real.T.copy(), bias=exact(bias))
        else:
            node = self.nir.Linear(weight=real.T.copy())
        name = self._add(title, node)
        self.edges += [(place, name), (name, self.names[c.post])]
        if c.conv is None and post.shape is not None and post.index not in self.flat:
            raise LimitError(
                "a matrix into a map that kernels or windows meet, for which NIR has no node",
                where=f"NIR export, {c.name}",
                remedy="use a convolution, or give the layer a number of neurons instead of a shape",
            )
        self.connections[name] = self._connection_meta(c, raw, title)

    def _connection_meta(self, c: ConnectionPlan, raw: np.ndarray, title: str) -> ConnectionMeta:
        rule = None if c.program is None else rule_meta(self.sim, c.name)
        described = self.described.connections[c.index]
        if described.weight_exp:
            self.lost.append(f"{c.name}: its weight exponent {described.weight_exp}")
        return ConnectionMeta(
            name=title,
            w_range=float(described.w_range),
            bits=c.weight.bits,
            purpose=c.purpose,
            sparse=c.sparse,
            sha256=weights_sha256(raw),
            rule=rule,
        )

    def _conv(self, c: ConnectionPlan, real: np.ndarray, bias: np.ndarray | None) -> Any:
        kernels = real.transpose(3, 2, 0, 1).copy()
        pair = {key: (value, value) for key, value in (("stride", c.conv.stride), ("padding", c.conv.pad))}
        none = np.zeros(len(kernels), kernels.dtype)
        return self.nir.Conv2d(
            input_shape=tuple(c.conv.pre[:2]),
            weight=kernels,
            dilation=(1, 1),
            groups=1,
            bias=none if bias is None else exact(bias),
            **pair,
        )

    # ------------------------------------------------------------ biases

    def _bias_of(self, c: ConnectionPlan, real: np.ndarray) -> np.ndarray | None:
        """The bias that this connection's node can carry for its layer; each is carried once."""
        if c.post in self.current_bias:
            constant, raw = self.current_bias[c.post]
            bias = raw.reshape(-1) * float(constant.weight.lsb)
            if c.conv is None:
                del self.current_bias[c.post]
                title = f"{CONSTANT}->{self.plan.layers[c.post].name}"
                self.connections[title] = self._connection_meta(constant, raw, title)
                return bias
        bias = self.bias[c.post]
        if not bias.any() or self.plan.layers[c.post].k_u is not None:
            return None
        if c.conv is not None:
            channels = bias.reshape(c.conv.post[2], -1)
            if np.ptp(channels, axis=1).any():
                return None
            bias = channels[:, 0]
        self.bias[c.post] = np.zeros_like(self.bias[c.post])
        return bias

    def _biases_left(self) -> None:
        """Biases that no weight node took: into v_leak, or said."""
        for index, bias in self.bias.items():
            if not bias.any():
                continue
            x, node = self.plan.layers[index], self.nodes[self.names[index]]
            if hasattr(node, "v_leak") and x.k_v < 4096:
                node.v_leak = (bias * (4096 / (4096 - x.k_v))).reshape(self._shape(x))
            else:
                self.lost.append(f"{x.name}: its bias, which no node can hold")
        for index in self.current_bias:
            self.lost.append(
                f"{self.plan.layers[index].name}: the bias of its current, which no node can hold"
            )

    # ------------------------------------------------------------ the rest

    def _outputs(self) -> None:
        """An Output for every layer that leads nowhere."""
        reached = {b for _, b in self.edges}
        layers = [(name, self.plan.layers[i]) for i, name in self.names.items()]
        layers = [(name, x) for name, x in layers if x.kind not in ("source", "pool")]
        onward = {c.pre for c in self.wired if c.post != c.pre}
        onward |= {x.below for x in self.plan.layers if x.kind == "pool"}
        ends = [(name, x) for name, x in layers if x.index not in onward] or layers
        for name, x in ends:
            title = "output" if len(ends) == 1 else f"{name}_output"
            self.edges.append((name, self._add(title, self.nir.Output(np.array(self._shape(x))))))
        alone = [name for name, _ in layers if name not in reached]
        self.lost += [f"{name}: nothing leads to it" for name in alone]

    def _circuits(self) -> None:
        plan = self.plan
        for k in plan.circuits:
            self.lost.append(f"{plan.layers[k.layer].name}: its third factor ({k.kind})")
        self.lost += [f"{c.name}: feedback weights" for c in plan.connections if c.purpose == "feedback"]
        rules = [c.name for c in self.wired if c.program is not None]
        if rules:
            self.lost.append(f"learning of {', '.join(rules)}: the rule is in chipsim's metadata only")
        if plan.contexts > 1:
            self.lost.append(f"{plan.contexts} contexts: the network is carried once")
        self.lost.append(f"the arithmetic of chip {plan.chip}: elsewhere nothing is rounded or saturated")

    def meta(self, title: str, digest: str) -> Meta:
        """The metadata of the graph that has this digest."""
        return Meta(
            chipsim=__version__,
            title=title[:400],
            chip=Chip(name=self.plan.chip, sha256=self.sim.chip.sha256),
            dt_s=self.dt,
            seed=self.plan.seed,
            layers=self.layers,
            connections=self.connections,
            graph_sha256=digest,
            not_carried=[text[:1000] for text in self.lost][:1000],
        )
