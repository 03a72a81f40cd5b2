"""A network cut into cores: each layer's neurons in order, a new core where the next would not fit.

What fits is decided by what a core has: neurons, input axon slots, synapse memory as the chip packs it,
output axons (a pair of a neuron and a core it reaches). Pieces of layers that leave room share a core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chipsim.errors import LimitError
from chipsim.mapping.axons import axons_of, conv_axons, joined
from chipsim.mapping.columns import cut, fan_out
from chipsim.mapping.packing import Packing, Synapses, kernel_bits, packing_of, synapses_of
from chipsim.plan import ConnectionPlan, LayerPlan, Plan

FAR = 1 << 60  # no limit
ROUNDS = 8  # of cutting again where the output axons of a core do not suffice
SLACK = 0.005  # of the output axons, left free more in each round: another cut changes them a little


@dataclass(frozen=True)
class Piece:
    """Neurons first..stop-1 of a layer on one core, and what they take of it."""

    layer: int
    first: int
    stop: int
    core: int
    axons_in: int
    axons_out: int
    synapse_bits: int
    state_bits: int
    trace_bits: int
    words: int

    @property
    def neurons(self) -> int:
        """How many."""
        return self.stop - self.first


@dataclass(frozen=True)
class Partition:
    """Pieces in the order of layers and neurons; cores counts from 0; axon_bits by connection name.

    core_of    by layer: int64[size], the core of each neuron (sources are not on the chip)
    unchecked  what could not be taken into account, in words
    """

    pieces: tuple[Piece, ...]
    cores: int
    core_of: dict[int, np.ndarray]
    axon_bits: dict[str, int]
    unchecked: tuple[str, ...]


@dataclass
class _Layer:
    """Working data of one layer: its connections, columns of the sparse ones, tables of the dense ones."""

    plan: LayerPlan
    dense: list[Synapses]
    sparse: list[Synapses]
    start: np.ndarray
    pre: np.ndarray
    group: np.ndarray
    first: np.ndarray
    axons: np.ndarray
    bits: np.ndarray
    cap: int | None = None  # neurons a core, as the last cut allowed them
    index: int = 0  # bits of a target's number in it


def partition(plan: Plan, chip: Any, *, share: bool = True) -> Partition:
    """Cut a plan's layers into the cores of a chip.

    share   pieces of different layers may stand on one core where it has room
    Raises LimitError where one neuron with its synapses does not fit a core.
    """
    if plan.core is not None or plan.reckon is not None:
        return _whole(plan, chip)
    packing = packing_of(chip)
    work = [_prepare(plan, x, chip) for x in plan.layers if x.kind != "source"]
    outs: dict[int, np.ndarray] = {x.index: np.zeros(x.size, np.int64) for x in plan.layers}
    for turn in range(ROUNDS):
        for layer in work:
            _cut(layer, chip, packing, outs[layer.plan.index], turn)
        outs = _fan_outs(plan, work)
        if not _too_many(work, outs, chip):
            break
    pieces, bits = [], {}
    for layer in work:
        pieces += _pieces(layer, chip, packing, outs[layer.plan.index], len(pieces), bits)
    pieces = _shared(pieces, chip) if share else pieces
    core_of = {}
    for layer in work:
        mine = [p for p in pieces if p.layer == layer.plan.index]
        core_of[layer.plan.index] = np.repeat(
            np.array([p.core for p in mine], np.int64), np.array([p.neurons for p in mine], np.int64)
        )
    cores = max((p.core for p in pieces), default=-1) + 1
    return Partition(tuple(pieces), cores, core_of, bits, _unchecked(plan, chip))


def _whole(plan: Plan, chip: Any) -> Partition:
    """A chip of one core whose plan has placed every neuron and row already."""
    packing, rows = packing_of(chip), chip.limits.axons_in_per_core
    pieces, left = [], rows
    hidden = [x for x in plan.layers if x.kind == "lif"]
    for x in hidden:
        made = [synapses_of(plan, plan.connections[k], chip) for k in x.incoming]
        axons = min(left, sum(s.connection.n_pre for s in made))
        left -= axons
        pieces.append(
            Piece(
                layer=x.index,
                first=0,
                stop=x.size,
                core=0,
                axons_in=axons,
                axons_out=x.size,
                synapse_bits=round(sum(min(rows, s.connection.n_pre) for s in made) * x.size * packing.place),
                state_bits=x.size * (chip.memory.state_bits_per_core // chip.limits.neurons_per_core),
                trace_bits=0,
                words=0,
            )
        )
    core_of = {x.index: np.zeros(x.size, np.int64) for x in plan.layers if x.kind != "source"}
    said = (
        "a core of fixed hardware: rows and columns are those of its plan, outputs have memory of their own"
    )
    return Partition(tuple(pieces), 1, core_of, {}, (said, *_unchecked(plan, chip)))


# ---------------------------------------------------------------- what a layer brings


def _prepare(plan: Plan, x: LayerPlan, chip: Any) -> _Layer:
    made = [synapses_of(plan, plan.connections[k], chip) for k in x.incoming]
    dense = [s for s in made if s.kind == "dense"]
    sparse = [s for s in made if s.kind != "dense"]
    parts = [axons_of(plan, s.connection) for s in sparse]
    if len(parts) == 1:
        start, pre = parts[0]
    else:
        start, pre = joined(parts, [s.connection.n_pre for s in sparse], x.size)
    sizes = np.array([s.connection.n_pre for s in sparse], np.int64)
    group = np.repeat(np.arange(len(sparse), dtype=np.int16), sizes)
    none = np.zeros(1, np.int64)
    return _Layer(x, dense, sparse, start, pre, group, none, none, none)


# ---------------------------------------------------------------- cutting


def _cut(layer: _Layer, chip: Any, packing: Packing, out: np.ndarray, turn: int) -> None:
    """First neuron of each core, with the narrowest target numbers that serve."""
    x, most = layer.plan, chip.limits.neurons_per_core
    again = layer.cap is not None
    if not again:
        layer.cap = x.size if most is None else min(x.size, most)
    _cut_once(layer, chip, packing, out, turn)
    while layer.sparse and not again:
        found = int(np.diff(np.append(layer.first, x.size)).max())
        narrow = packing.index("sparse", found)
        if narrow is None or narrow >= layer.index:
            return
        before = layer.cap, layer.index, layer.first, layer.axons, layer.bits
        layer.cap = min(layer.cap, 1 << narrow)
        _cut_once(layer, chip, packing, out, turn)
        if len(layer.first) > len(before[2]):
            layer.cap, layer.index, layer.first, layer.axons, layer.bits = before
            return


def _cut_once(layer: _Layer, chip: Any, packing: Packing, out: np.ndarray, turn: int) -> None:
    index = packing.index("sparse", layer.cap)
    if layer.sparse and index is None:  # no target's number is that wide: fewer neurons a core
        index = packing.index_bits[-1]
        layer.cap = 1 << index
    layer.index = index or 0
    cap, limits = layer.cap, chip.limits
    outs = FAR if limits.axons_out_per_core is None else int(limits.axons_out_per_core * (1 - SLACK * turn))
    caps = [cap, *(FAR if v is None else v for v in (limits.axons_in_per_core, limits.synapse_bits_per_core))]
    dense = [_dense_bits(layer, packing, n) for n in range(cap + 1)]
    first, axons, bits = (np.zeros(layer.plan.size + 1, np.int64) for _ in range(3))
    axons0 = sum(s.connection.n_pre * s.slots for s in layer.dense)
    table = np.array(dense, np.int64)
    cores, stuck = cut(
        layer.start, layer.pre, layer.group, np.array([s.slots for s in layer.sparse] or [0], np.int64),
        _more(layer, packing, cap), table, axons0, np.minimum(out, outs), np.array([*caps, outs], np.int64),
        first, axons, bits,
    )  # fmt: skip
    if stuck >= 0:
        raise _does_not_fit(layer, chip, stuck, axons0, table)
    layer.first, layer.axons, layer.bits = first[:cores].copy(), axons[:cores], bits[:cores]


def _more(layer: _Layer, packing: Packing, cap: int) -> np.ndarray:
    """Bits that one more synapse of an axon takes on a core, int64[sparse connections, synapses before]."""
    rows = []
    for s in layer.sparse:
        each = 0 if packing.layout == "crossbar" or s.kind == "conv" else s.bits + layer.index
        sums = [packing.axon_bits(n, each) for n in range(cap + 2)]
        rows.append(np.diff(sums))
    return np.array(rows or [[0]], np.int64)


def _dense_bits(layer: _Layer, packing: Packing, neurons: int) -> int:
    """Bits on a core of so many neurons that no single axon decides."""
    if packing.layout == "crossbar":
        return 0  # its limits are axons and neurons
    dense = sum(s.connection.n_pre * packing.axon_bits(neurons, s.bits) for s in layer.dense)
    return dense + sum(kernel_bits(s, packing) for s in layer.sparse if s.kind == "conv")


def _does_not_fit(layer: _Layer, chip: Any, neuron: int, axons0: int, table: np.ndarray) -> LimitError:
    limits, n = chip.limits, int(layer.start[neuron + 1] - layer.start[neuron])
    axons = axons0 + sum(s.slots for s in layer.sparse[:1]) * n
    reasons = [
        (axons, limits.axons_in_per_core, "input axon slots"),
        (int(table[min(1, len(table) - 1)]), limits.synapse_bits_per_core, "bits of synapse memory"),
    ]
    over = [(value, limit, what) for value, limit, what in reasons if limit is not None and value > limit]
    value, limit, what = over[0] if over else (n, limits.synapse_bits_per_core, "synapses with their blocks")
    return LimitError(
        f"one neuron needs {value} {what}; a core has {limit}",
        where=f"layer '{layer.plan.name}', neuron {neuron}, on chip {chip.name} ({chip.path})",
        remedy="use fewer inputs a neuron or narrower weights, or another chip",
    )


def _fan_outs(plan: Plan, work: list[_Layer]) -> dict[int, np.ndarray]:
    """Cores that each neuron reaches, by layer."""
    core_of = {layer.plan.index: _cores(layer) for layer in work}
    outs = {x.index: np.zeros(x.size, np.int64) for x in plan.layers}
    for layer in work:
        for s in (*layer.dense, *layer.sparse):
            c = s.connection
            outs[c.pre] += reach(plan, c, core_of[layer.plan.index], len(layer.first))
    return outs


def reach(plan: Plan, c: ConnectionPlan, core_of: np.ndarray, cores: int) -> np.ndarray:
    """Cores of a connection's layer that each of its axons reaches, int64[n_pre]."""
    if c.conv is None and not c.sparse:
        return np.full(c.n_pre, cores, np.int64)
    if c.conv is None:
        indptr, targets = plan.network.connections[c.index].sparse
        return fan_out(np.asarray(indptr), np.asarray(targets), core_of)
    start, pre = conv_axons(c.conv)
    pairs = np.unique(np.repeat(core_of, np.diff(start)) * c.n_pre + pre)
    return np.bincount(pairs % c.n_pre, minlength=c.n_pre).astype(np.int64)


def _cores(layer: _Layer) -> np.ndarray:
    stop = np.append(layer.first[1:], layer.plan.size)
    return np.repeat(np.arange(len(layer.first)), stop - layer.first)


def _too_many(work: list[_Layer], outs: dict[int, np.ndarray], chip: Any) -> bool:
    limit = chip.limits.axons_out_per_core
    if limit is None:
        return False
    return any((np.add.reduceat(outs[x.plan.index], x.first) > limit).any() for x in work)


# ---------------------------------------------------------------- pieces


def _pieces(layer, chip, packing: Packing, outs, core: int, bits_of: dict[str, int]) -> list[Piece]:
    """Pieces with what they really take, target numbers as wide as each core needs them."""
    x, first = layer.plan, layer.first
    stop = np.append(first[1:], x.size)
    most = int((stop - first).max())
    for s in (*layer.dense, *layer.sparse):
        bits_of[s.connection.name] = _largest_axon(s, packing, most, layer.index)
    made = (*layer.dense, *layer.sparse)
    state = _state_bits(x)
    out = np.add.reduceat(outs, first)
    pieces = []
    for k in range(len(first)):
        n = int(stop[k] - first[k])
        axons_in, synapses = int(layer.axons[k]), int(layer.bits[k])
        if packing.layout == "crossbar":
            synapses = round(axons_in * n * packing.place)
        pieces.append(
            Piece(
                layer=x.index,
                first=int(first[k]),
                stop=int(stop[k]),
                core=core + k,
                axons_in=axons_in,
                axons_out=int(out[k]),
                synapse_bits=synapses,
                state_bits=n * state,
                trace_bits=sum(s.traces_post * n for s in made)
                + sum(
                    s.traces_pre * (s.connection.n_pre if s.kind == "dense" else axons_in // s.slots)
                    for s in made
                ),
                words=sum(
                    {s.connection.program.name: s.words for s in made if s.connection.program}.values()
                ),
            )
        )
    return pieces


def _largest_axon(s: Synapses, packing: Packing, most: int, index: int) -> int:
    """Bits of the axon with the most synapses on a core of `most` neurons, were they all its targets."""
    if s.kind == "conv":
        return packing.axon_bits(s.connection.conv.post[2], s.bits)
    if s.kind == "dense":
        return packing.axon_bits(most, s.bits)
    return packing.axon_bits(min(most, s.per_axon), s.bits + index)


def _state_bits(x: LayerPlan) -> int:
    bits = x.v_fmt.bits if x.kind != "pool" else 0
    bits += x.u_fmt.bits if x.k_u is not None else 0
    return bits + x.refractory.bit_length()


def _shared(pieces: list[Piece], chip: Any) -> list[Piece]:
    """Next fit: a piece joins the core before it where everything still fits."""
    limits, memory = chip.limits, chip.memory
    state = None if memory is None else memory.state_bits_per_core
    words = None if memory is None else memory.program_words
    caps = (
        limits.neurons_per_core, limits.axons_in_per_core, limits.axons_out_per_core,
        limits.synapse_bits_per_core, state, words,
    )  # fmt: skip
    out: list[Piece] = []
    core, sums = -1, [0] * len(caps)
    for p in pieces:
        mine = [p.neurons, p.axons_in, p.axons_out, p.synapse_bits, p.state_bits, p.words]
        both = [a + b for a, b in zip(sums, mine, strict=True)]
        joined = core >= 0 and all(c is None or b <= c for b, c in zip(both, caps, strict=True))
        core, sums = (core, both) if joined else (core + 1, mine)
        out.append(replace(p, core=core))
    return out


def _unchecked(plan: Plan, chip: Any) -> tuple[str, ...]:
    """Limits that the file does not state, and what the model leaves out."""
    found = []
    for key in (
        "cores",
        "neurons_per_core",
        "synapse_bits_per_core",
        "axons_in_per_core",
        "axons_out_per_core",
    ):
        if getattr(chip.limits, key) is None and chip.is_unknown(f"limits.{key}"):
            found.append(f"limits.{key}: not stated in the chip file")
    if chip.memory is None:
        found.append("packing of synapses: not stated in the chip file, plain bits are counted")
    else:
        for key in ("state_bits_per_core", "routing_bits_per_core", "program_words"):
            if getattr(chip.memory, key) is None and chip.is_unknown(f"memory.{key}"):
                found.append(f"memory.{key}: not stated in the chip file")
    if any(x.kind == "pool" for x in plan.layers):
        found.append("pooling windows: counted as neurons, their synapses are not")
    if plan.circuits:
        found.append("circuits of third factors: counted and priced, not placed on cores")
    if any(x.kind == "source" for x in plan.layers):
        found.append("sources: outside the chip, hops from its edge are not counted")
    return tuple(found)
