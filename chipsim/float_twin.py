"""The float twin: the same network and bound programs in float64 (definition 6).

No rounding, no saturation of traces, membranes, temps; constants and tables as folded; weights are
clipped at the connection's limits. It starts from the integer simulator's present state. The ideal
twin has nothing folded and nothing limited: exp(-dt/T) exactly, surrogates as their formula.
"""

from __future__ import annotations

import numpy as np

from chipsim.plan import Plan
from chipsim.plan.ideal import ideal_plan, ideal_state
from chipsim.simulator import Simulator
from chipsim.state import State


def twin_of(sim: Simulator, ideal: bool = False) -> Simulator:
    """A Simulator with float64 state, equal in value to the given one's present state.

    ideal   unfolded constants, decays, thresholds and tables, no limit of weights. SettingError for
            a rule that was lowered to sums of products
    """
    twin = object.__new__(Simulator)
    twin.__dict__.update(sim.__dict__)
    twin.twin = True
    twin.state = real_state(sim.plan, sim.state)
    if ideal:
        twin.plan = ideal_plan(sim.plan)
        ideal_state(sim.plan, sim.state, twin.state)
    twin.probes, twin._kernels = {}, None
    return twin


def real_state(plan: Plan, state: State) -> State:
    """Raw integers to real float64; indices, spikes, counts and counters stay integers."""
    out = {name: array.copy() for name, array in state.items()}

    def real(name: str, frac: int) -> None:
        if name in out:
            out[name] = out[name].astype(np.float64) * 2.0**-frac

    for x in plan.layers:
        for name in ("v", "vc", "u", "thr", "bias"):
            real(f"l{x.index}_{name}", x.v_fmt.frac)
        real(f"l{x.index}_acc", x.acc_frac)
        if x.circuit is not None:
            real(f"l{x.index}_m", plan.circuits[x.circuit].signal_fmt.frac)
    for k in plan.circuits:
        for name in ("err", "errh"):
            real(f"k{k.index}_{name}", k.error_fmt.frac)
        real(f"k{k.index}_thr", k.error_fmt.frac + 8)
        real(f"k{k.index}_z", 2 * k.source_fmt.frac)
        real(f"k{k.index}_y", k.error_fmt.frac)
        real(f"k{k.index}_G", k.error_fmt.frac)
        if k.copy_every:
            real(f"k{k.index}_copy", plan.connections[k.connection].weight.frac)
    for c in plan.connections:
        real(f"c{c.index}_w", c.weight.frac)
        for r in c.program.registers if c.program else ():
            if not r.is_weight:
                real(f"c{c.index}_{'t' if r.temp else 'r'}_{r.name}", r.fmt.frac)
        for x in c.program.stored if c.program else ():
            if getattr(x, "source", "") != "post.spike":
                real(f"c{c.index}_h_{x.name}", x.fmt.frac)
    return out
