"""Third factors in integers."""

from __future__ import annotations

import math

from chipsim.errors import NetworkError
from chipsim.fixed import Format
from chipsim.microcode.program import BoundProgram
from chipsim.network import Circuit
from chipsim.plan.types import REWARD, THIRD_FACTOR, CircuitPlan, ConnectionPlan, LayerPlan


def fold_circuit(x: Circuit, connections: list[ConnectionPlan], layers: list[LayerPlan]) -> CircuitPlan:
    if x.kind == "reward":
        return CircuitPlan(x.index, "reward", x.layer, -1, -1, "", 0, REWARD, REWARD, REWARD.frac, "floor")
    if x.kind == "pool":
        frac = THIRD_FACTOR.frac + layers[x.pool].pool.scale
        return CircuitPlan(
            x.index, "pool", x.layer, -1, -1, "", 0, signal_frac=frac, rounding=x.rounding, pool=x.pool
        )
    weight = connections[x.connection].weight
    return CircuitPlan(
        x.index,
        "readout",
        x.layer,
        x.readout,
        x.connection,
        x.error,
        logit_shift(x.logit_scale, layers[x.readout].v_fmt, x.error),
        signal_frac=weight.frac + THIRD_FACTOR.frac + x.signal_shift,
        signal_shift=x.signal_shift,
    )


def logit_shift(scale: float, v: Format, error: str) -> int:
    """The right shift that stands for a logit scale (a power of two): softmax reads its table of
    exp(-d/16) at d = (max - y) >> shift; smooth_l1 compares y >> shift with 1.0 = 128."""
    target = 4 if error == "softmax" else THIRD_FACTOR.frac
    return max(0, v.frac - target - round(math.log2(scale)))


def check_circuits(
    layers: list[LayerPlan], connections: list[ConnectionPlan], circuits: tuple[CircuitPlan, ...]
) -> None:
    for k in circuits:
        if k.kind == "pool" and layers[k.pool].circuit is None:
            name = layers[k.pool].name
            raise NetworkError(
                f"pool layer '{name}' has no third factor to hand down",
                where=f"layer '{layers[k.layer].name}'",
                remedy=f"add net.readout('{name}', classes=...)",
            )
    for c in connections:
        if c.program and _reads_signal(c.program) and layers[c.post].circuit is None:
            name = layers[c.post].name
            raise NetworkError(
                f"rule '{c.program.name}' needs a third factor and layer '{name}' has no circuit",
                where=c.name,
                remedy=f"add net.readout('{name}', classes=...) or net.reward('{name}')",
            )


def _reads_signal(program: BoundProgram) -> bool:
    """Whether any section reads the third factor or the reward (on_epoch and on_sample_end may)."""
    return program.needs_third_factor or any(x.source in ("third_factor", "reward") for x in program.inputs)
