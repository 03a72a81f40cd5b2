"""The registers of a network as state arrays, with owners, formats and the limits of their raw integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipsim.fixed import Format
from chipsim.plan import THIRD_FACTOR, LayerPlan, Plan
from chipsim.reckon import datapath

CALCIUM, FLAG = Format(False, 3, 0), Format(False, 1, 0)  # of a crossbar core


@dataclass(frozen=True)
class Tap:
    """One register: the state array behind it and the limits of its raw integers.

    of, name   layer or connection, and the register's name
    owner      neuron, pre, post, syn or layer
    contexts   the array's first axis is the context
    place      index of the layer (owner neuron) or connection
    size       elements of a context that belong to it, from the first on; 0: all
    mask       array of 0/1 that says which elements are valid
    """

    of: str
    name: str
    owner: str
    fmt: Format
    lo: int
    hi: int
    array: str
    contexts: bool
    place: int
    size: int = 0
    mask: str = ""

    def values(self, state: Mapping[str, np.ndarray], context: int | None = None) -> np.ndarray:
        """Raw integers as they stand: of one context, flat, or (None) of all."""
        array = state[self.array]
        if self.mask:
            array = array * state[self.mask]
        if not self.contexts:
            array = array.ravel()
            return array[: self.size] if self.size else array
        return array if context is None else array[context].ravel()


def registers(plan: Plan, state: Mapping[str, np.ndarray]) -> Iterator[Tap]:
    """Every register of layers and connections, in their order."""
    for x in plan.layers:
        yield from (tap for tap in _of_layer(plan, x) if tap.array in state)
    for c in plan.connections:
        if c.program is not None and c.program.lines:
            for r in c.program.registers:
                if not r.temp:
                    array = f"c{c.index}_{'w' if r.is_weight else 'r_' + r.name}"
                    contexts = not r.is_weight and (r.owner in ("pre", "post") or r.per_context)
                    yield Tap(c.name, r.name, r.owner, r.fmt, r.lo, r.hi, array, contexts, c.index)
        elif c.program is not None or plan.reckon is not None:  # a fixed engine
            yield Tap(c.name, "w", "syn", c.weight, c.w_lo, c.w_hi, f"c{c.index}_w", False, c.index)
    if plan.reckon is not None:
        yield from _of_reckon(plan)


def _of_layer(plan: Plan, x: LayerPlan) -> Iterator[Tap]:
    if x.kind == "source":
        return
    p, core = f"l{x.index}_", plan.core is not None
    v = "vc" if x.kind == "lif" and not core and plan.reckon is None else "v"
    name = "v as compared" if v == "vc" else "v"
    m = THIRD_FACTOR if x.circuit is None else plan.circuits[x.circuit].signal_fmt
    for said, array, fmt in (
        (name, v, x.v_fmt),
        ("u", "u", x.u_fmt),
        ("third factor", "m", m),
        ("calcium", "ca", CALCIUM),
        ("up", "up", FLAG),
        ("down", "down", FLAG),
    ):
        if array != "m" or x.circuit is not None:
            yield Tap(x.name, said, "neuron", fmt, fmt.lo, fmt.hi, p + array, True, x.index)


def _of_reckon(plan: Plan) -> Iterator[Tap]:
    """Traces of ReckOn's core, of the axons of each weight memory."""
    rows = (("f_ti", datapath.U12), ("f_tr", datapath.U12), ("f_to", datapath.U10))
    for index, (array, fmt) in zip(plan.reckon.connections, rows, strict=True):
        if index >= 0:
            c = plan.connections[index]
            mask = "f_dirty"
            yield Tap(c.name, "trace", "pre", fmt, fmt.lo, fmt.hi, array, False, index, c.n_pre, mask)


def said(tap: Tap) -> dict[str, Any]:
    """A register as a recording names it."""
    return {
        "of": tap.of,
        "name": tap.name,
        "owner": tap.owner,
        "format": str(tap.fmt),
        "lo": tap.lo,
        "hi": tap.hi,
    }
