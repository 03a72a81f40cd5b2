"""A network on a crossbar core with address events (`step.mode = "event"`): rows, columns, parameters.

Every spiking neuron has a column of the crossbar and the row of the same number; an axon of a source has
a row. While no spiking layer leads anywhere the core runs open loop, spikes only leave it, and all rows
are free for sources. A connection with a rule has its map bits set, one without has them clear: unmapped
synapses conduct (`propagate_unmapped`) where there is a connection without a rule, and never learn.

A step of an ordinary source is the spike events of its axons in ascending order; after the sources of the
step one time reference for all neurons. A source of 2^17 axons is the address bus itself: its axons are
the words that `addresses.py` makes, and nothing is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from chipsim.addresses import ADDRESSES
from chipsim.errors import LimitError, NetworkError, SettingError
from chipsim.fixed import Format, fold
from chipsim.microcode.program import BoundProgram, Note
from chipsim.network import Connection, Layer, Network
from chipsim.plan.types import ConnectionPlan, LayerPlan

PAR = ("leak", "leak_en", "thr", "ca_en", "theta", "th1", "th2", "th3", "ca_leak", "disable")
CYCLES = ("push", "tref_one", "tref_all", "synapse", "bist_one", "bist_all", "pop_spike", "pop_virtual")
REST = (0, 0, 255, 0, 0, 0, 0, 0, 0, 1)  # an unused neuron: silent, disabled
SDSP_PAR = ("theta", "th1", "th2", "th3", "ca_leak")
# options of a layer that the core's neurons do not have, with the value they must keep
PLAIN = {"tau_u_ms": None, "bias": 0.0, "refractory": 0, "homeostasis": None, "reset_current": False}


@dataclass(frozen=True)
class CorePlan:
    """What makes a plan one of a crossbar core.

    size      neurons, rows; columns and rows: layer index -> its first column, row
    par       layer index -> parameters of its neurons, in the order of PAR; rest: those of unused ones
    signs     layer index -> 1 for each inhibitory row
    config    open_loop, update_unmapped, propagate_unmapped, sdsp_on_syn_stim
    cycles    in the order of CYCLES
    buses     layer indices of sources that carry address words
    bistable  connections whose rule asks for a bistability event at the end of each learned sample
    """

    size: int
    columns: dict[int, int]
    rows: dict[int, int]
    par: dict[int, tuple[int, ...]]
    signs: dict[int, tuple[int, ...]]
    config: tuple[int, int, int, int]
    cycles: tuple[int, ...]
    fifo_depth: int
    synapses_per_word: int
    documented: bool
    buses: tuple[int, ...]
    bistable: tuple[int, ...]
    rest: tuple[int, ...] = field(default=REST)


def fold_core(
    network: Network, chip: object, bind_rule: Callable[..., BoundProgram], options: Mapping
) -> tuple[CorePlan, list[LayerPlan], list[ConnectionPlan], list[Note]]:
    """Layers and connections in the core's integers, and where they lie on it.

    bind_rule  (connection, weight, w_lo, w_hi, layer it leads to) -> bound program; options those of `plan`
    Raises LimitError for what the core does not do, each with its remedy.
    """
    _plain(network, chip, options)
    loop = any(network.layers[c.pre].kind == "lif" for c in network.connections)
    buses = tuple(x.index for x in network.layers if x.kind == "source" and x.size == ADDRESSES)
    columns, rows = _places(network, chip, loop, buses)
    signs = {index: _signs(network, chip, index) for index in rows}
    layers = [_layer(network, chip, x) for x in network.layers]
    notes: list[Note] = []
    connections = [_connection(network, chip, c, layers, signs, bind_rule) for c in network.connections]
    for c in connections:
        notes += c.program.notes if c.program else ()
    par = {x.index: _parameters(network, chip, x, connections) for x in layers if x.kind == "lif"}
    fixed = any(c.program is None for c in connections)
    described = chip.crossbar
    documented = described.behaviour == "documented"
    cycles = described.cycles_documented if documented else described.cycles
    core = CorePlan(
        size=described.neurons,
        columns=columns,
        rows=rows,
        par=par,
        signs=signs,
        config=(int(not loop), 0, int(fixed), 0),
        cycles=tuple(getattr(cycles, name) for name in CYCLES),
        fifo_depth=described.fifo_depth,
        synapses_per_word=described.synapses_per_word,
        documented=documented,
        buses=buses,
        bistable=tuple(c.index for c in connections if c.program and _asks_bistability(c.program)),
    )
    return core, _incoming(layers, connections), connections, notes


def _asks_bistability(program: BoundProgram) -> bool:
    return dict((name, raw) for name, _, raw in program.consts).get("bistable", 0) > 0


def _incoming(layers: list[LayerPlan], connections: list[ConnectionPlan]) -> list[LayerPlan]:
    return [replace(x, incoming=tuple(c.index for c in connections if c.post == x.index)) for x in layers]


# ---------------------------------------------------------------- what the core does not do


def _refuse(what: str, where: str, chip: object, remedy: str) -> LimitError:
    return LimitError(what, where=f"{where} on chip {chip.name}", remedy=remedy)


def _plain(network: Network, chip: object, options: Mapping) -> None:
    if options.get("weight_bits") not in (None, chip.crossbar.weight_bits, chip.weight.default_bits):
        raise _refuse(
            f"weights of {options['weight_bits']} bits; the chip stores {chip.crossbar.weight_bits}",
            "network",
            chip,
            "leave weight.bits out",
        )
    if options.get("contexts", 1) != 1:
        raise _refuse(
            f"{options['contexts']} contexts; the core has one state per neuron",
            "network",
            chip,
            "contexts=1",
        )
    if network.circuits:
        raise _refuse(
            f"a third factor ({network.circuits[0].kind}); the learning engine has none",
            "network",
            chip,
            "teach with a source of its own, or take a chip with third factors",
        )
    if options.get("engine") not in (None, "fixed"):
        raise SettingError(
            f"engine '{options['engine']}' on chip {chip.name}",
            remedy="its learning engine is fixed hardware: leave the engine out",
        )
    for x in network.layers:
        if x.kind not in ("source", "lif"):
            raise _refuse(
                f"a layer of kind {x.kind}; the core has spiking neurons only",
                f"layer '{x.name}'",
                chip,
                "use lif",
            )
        if x.kind == "source" and x.payload_bits != 1:
            raise _refuse(
                "graded spikes; an address carries none", f"source '{x.name}'", chip, "payload_bits=1"
            )
        if x.kind == "lif":
            _plain_neuron(x, chip)
    for c in network.connections:
        _plain_connection(c, chip, network)


def _plain_neuron(x: Layer, chip: object) -> None:
    where = f"layer '{x.name}'"
    for key, value in PLAIN.items():
        if getattr(x, key) != value:
            raise _refuse(f"{key}={getattr(x, key)}; its neurons have none", where, chip, f"leave {key} out")
    if x.reset != "hard":
        raise _refuse(f"{x.reset} reset; the chip does hard", where, chip, "use reset='hard'")
    if x.leak != "subtract" and not math.isinf(x.tau_v_ms):
        raise _refuse(
            f"a leak by multiplication (tau_v_ms={x.tau_v_ms:g}); the core subtracts",
            where,
            chip,
            "use leak='subtract' with leak_step, or tau_v_ms=math.inf for none",
        )


def _plain_connection(c: Connection, chip: object, network: Network) -> None:
    if c.conv is not None or c.delays is not None or c.purpose != "inference":
        what = "a convolution" if c.conv is not None else "one delay per synapse"
        what = what if c.purpose == "inference" else f"purpose '{c.purpose}'"
        raise _refuse(
            f"{what}; a crossbar has one stored weight per synapse", c.name, chip, "connect() densely"
        )
    if c.delay > 1:
        raise _refuse(
            f"delay {c.delay}; a spike is executed when its turn comes", c.name, chip, "leave delay out"
        )
    if network.layers[c.pre].size == ADDRESSES:
        raise NetworkError(
            "a connection from the address bus", where=c.name, remedy="its words name rows themselves"
        )


# ---------------------------------------------------------------- places


def _places(
    network: Network, chip: object, loop: bool, buses: tuple[int, ...]
) -> tuple[dict[int, int], dict[int, int]]:
    """First column of each spiking layer, first row of each layer that leads anywhere."""
    size, columns, at = chip.crossbar.neurons, {}, 0
    for x in network.layers:
        if x.kind == "lif":
            columns[x.index], at = at, at + x.size
    if at > size:
        raise _refuse(f"{at} neurons; the core has {size}", "network", chip, "use fewer neurons")
    leading = {c.pre for c in network.connections}
    rows = {k: first for k, first in columns.items() if k in leading}
    free = at if loop else 0
    for x in network.layers:
        if x.kind == "source" and x.index not in buses:
            rows[x.index], free = free, free + x.size
    if free > size:
        inside = " (each neuron has a row while any layer of neurons leads on)" * loop
        raise _refuse(
            f"{free} rows{inside}; the core has {size}", "network", chip, "use fewer axons or neurons"
        )
    return columns, rows


def _signs(network: Network, chip: object, index: int) -> tuple[int, ...]:
    """1 for each row with negative weights; a row has one sign."""
    x = network.layers[index]
    low, high = np.zeros(x.size, bool), np.zeros(x.size, bool)
    for c in network.connections:
        if c.pre != index:
            continue
        if c.weights is None:
            inhibitory = c.w_max is not None and c.w_max <= 0
            low, high = low | inhibitory, high | (not inhibitory)
            continue
        w = np.asarray(c.weights, np.float64)
        pre = np.repeat(np.arange(x.size), np.diff(c.sparse[0])) if c.sparse else np.arange(x.size)
        if c.sparse:
            np.logical_or.at(low, pre, w < 0)
            np.logical_or.at(high, pre, w > 0)
        else:
            low, high = low | (w < 0).any(axis=1), high | (w > 0).any(axis=1)
    mixed = np.flatnonzero(low & high)
    if len(mixed):
        raise _refuse(
            f"row {int(mixed[0])} has weights of both signs; the sign belongs to the row",
            f"layer '{x.name}'",
            chip,
            "use one population of excitatory and one of inhibitory axons",
        )
    return tuple(int(k) for k in low)


# ---------------------------------------------------------------- formats


def _frac(network: Network, c: Connection, chip: object) -> int:
    exponent = math.log2(c.w_range)
    if exponent != int(exponent):
        raise NetworkError(f"w_range is {c.w_range}", where=c.name, remedy="use a power of two")
    return chip.crossbar.weight_bits - int(exponent)


def _layer(network: Network, chip: object, x: Layer) -> LayerPlan:
    if x.kind == "source":
        return LayerPlan(x.index, x.name, "source", x.size, shape=x.shape)
    fracs = {c.name: _frac(network, c, chip) for c in network.connections if c.post == x.index}
    if len(set(fracs.values())) > 1:
        named = ", ".join(f"{k} {2.0**-v:g}" for k, v in fracs.items())
        raise _refuse(
            f"connections of different LSBs ({named}); a membrane adds weights as they are",
            f"layer '{x.name}'",
            chip,
            "give all connections to it the same w_range",
        )
    frac = next(iter(fracs.values()), chip.crossbar.weight_bits)
    v = Format(False, chip.crossbar.membrane_bits, frac)
    return LayerPlan(
        index=x.index,
        name=x.name,
        kind="lif",
        size=x.size,
        u_fmt=v,
        v_fmt=v,
        acc_frac=frac,
        acc_shift=0,
        threshold=_raw(x, "threshold", x.threshold, v, chip),
        reset="hard",
        rectify=True,
        leak="subtract",
        leak_step=_raw(x, "leak_step", x.leak_step if x.leak == "subtract" else 0.0, _leak(chip, frac), chip),
        shape=x.shape,
    )


def _leak(chip: object, frac: int) -> Format:
    return Format(False, chip.crossbar.leak_bits, frac)


def _raw(x: Layer, what: str, value: float, fmt: Format, chip: object) -> int:
    folded = fold(Fraction(value), fmt)
    if folded.saturated:
        raise _refuse(
            f"{what} {value:g} is outside {float(fmt.real(fmt.lo)):g}..{float(fmt.real(fmt.hi)):g} ({fmt})",
            f"layer '{x.name}'",
            chip,
            "scale it with the weights, or change w_range",
        )
    return folded.raw


def _connection(
    network: Network, chip: object, c: Connection, layers: list, signs: dict, bind_rule: Callable
) -> ConnectionPlan:
    pre, post = network.layers[c.pre], network.layers[c.post]
    most = (1 << chip.crossbar.weight_bits) - 1
    weight = Format(True, chip.crossbar.weight_bits + 1, _frac(network, c, chip))
    inside = [k for k, s in enumerate((0, 1)) if s in signs[c.pre]]
    lo = 0 if inside == [0] else -most
    hi = 0 if inside == [1] else most
    for label, bound, end in (("w_min", c.w_min, lo), ("w_max", c.w_max, hi)):
        if bound is not None and c.rule is not None and fold(Fraction(bound), weight).raw != end:
            raise _refuse(
                f"{label}={bound:g}; a plastic weight moves over all of {lo * float(weight.lsb):g}.."
                f"{hi * float(weight.lsb):g}",
                c.name,
                chip,
                f"leave {label} out",
            )
    if c.bits not in (None, chip.crossbar.weight_bits):
        raise _refuse(
            f"weights of {c.bits} bits; the chip stores {chip.crossbar.weight_bits}",
            c.name,
            chip,
            "leave bits out",
        )
    program = bind_rule(c, weight, lo, hi, layers[c.post]) if c.rule is not None else None
    return ConnectionPlan(
        index=c.index,
        name=c.name,
        pre=c.pre,
        post=c.post,
        n_pre=pre.size,
        n_post=post.size,
        sparse=c.sparse is not None,
        weight=weight,
        w_lo=lo,
        w_hi=hi,
        shift=0,
        graded=False,
        delay=c.delay,
        asked=c.delay,
        lookback=c.delay,
        synapse_delays=False,
        program=program,
        noise=chip.noise_default,
        purpose=c.purpose,
        spread=c.gain * math.sqrt(3.0 / max(1, pre.size)) if c.spread is None else c.spread,
    )


def _parameters(network: Network, chip: object, x: LayerPlan, connections: list) -> tuple[int, ...]:
    """The parameters of a layer's neurons; those of SDSP come from the rule that leads to it."""
    found = {
        tuple(dict((n, raw) for n, _, raw in c.program.consts)[key] for key in SDSP_PAR): c.name
        for c in connections
        if c.program is not None and c.post == x.index
    }
    if len(found) > 1:
        raise _refuse(
            f"{' and '.join(found.values())} with different constants; they are the neuron's",
            f"layer '{x.name}'",
            chip,
            "give their rules the same constants",
        )
    sdsp = next(iter(found), (0,) * len(SDSP_PAR))
    leaks = network.layers[x.index].leak == "subtract"
    return (x.leak_step, int(leaks), x.threshold, int(bool(found)), *sdsp, 0)
