"""The ideal twin's plan: the same network and rules, no constant folded, no weight limited.

A plan holds raw integers, and the float twin multiplies them by their LSB. Here every raw number is
the exact one divided by that LSB, no longer a whole number, so the twin's generated source computes
with what was written: exp(-dt/T) itself, 0.03 as 0.03. Tables keep their text and are marked, so
that the generator writes a named shape's formula instead of its segments.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from chipsim.errors import SettingError
from chipsim.microcode.program import BoundLine, BoundProgram, BoundRegister, BoundTable, Operand
from chipsim.network import Layer
from chipsim.plan.circuits import TARGET_FRAC
from chipsim.plan.types import CircuitPlan, LayerPlan, Plan

FAR = 2**900  # write limits of an ideal weight, beyond every number that a run can reach


def ideal_plan(plan: Plan) -> Plan:
    """The plan of the ideal twin. Raises SettingError for a plan lowered to products: its arithmetic
    is the engine's own, and only a rule as written has an ideal."""
    lowered = next((c for c in plan.connections if c.program and c.program.products), None)
    if lowered is not None:
        raise SettingError(
            f"no ideal twin of rule {lowered.program.name} lowered to products",
            where=f"{lowered.name} on chip {plan.chip}",
            remedy="run it as written (engine lines), or on a chip with engine = lines",
        )
    described = plan.network.layers
    return replace(
        plan,
        layers=tuple(_layer(x, described[x.index], plan.dt_ms) for x in plan.layers),
        connections=tuple(
            c if c.program is None else replace(c, program=_program(c.program)) for c in plan.connections
        ),
    )


def ideal_state(plan: Plan, state: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> None:
    """Put unfolded constants into the twin's state `real`: thresholds and biases, values of
    parameters, initial values of registers, scales of logits. What calibration, homeostasis or
    learning has moved stays as it is."""
    for x in plan.layers:
        if x.kind == "source":
            continue
        layer = plan.network.layers[x.index]
        for name, folded, wanted in (("thr", x.threshold, layer.threshold), ("bias", x.bias, layer.bias)):
            key = f"l{x.index}_{name}"
            if key in real:
                real[key] = np.where(state[key] == folded, float(wanted), real[key])
    for c in plan.connections:
        if c.program is None:
            continue
        for r in c.program.registers:
            key = f"c{c.index}_r_{r.name}"
            if key in real and r.exact_init is not None:
                real[key] = np.where(state[key] == r.init, float(r.exact_init), real[key])
        if c.program.params:
            key = f"c{c.index}_params"
            real[key] = state[key].astype(np.float64)
            for k, p in enumerate(c.program.params):
                if p.exact is not None and state[key][k] == p.raw:
                    real[key][k] = float(p.exact / p.fmt.lsb)
    for k in plan.circuits:
        key = f"k{k.index}_shift"
        if key in real:
            real[key] = state[key].astype(np.float64)
            for which, (folded, wanted) in enumerate(_logit_shifts(plan, k)):
                if state[key][which] == folded:
                    real[key][which] = wanted


def _logit_shifts(plan: Plan, k: CircuitPlan) -> list[tuple[int, float]]:
    """(shift as folded, shift that gives the described logit scale exactly) of a circuit's state."""
    x = plan.network.circuits[k.index]
    if k.kind == "contrast":
        units = [(k.shift, 2 * k.source_fmt.frac, x.logit_scale)]
        units += [(k.shift_d, k.geometry_frac, x.logit_scale_d)] if k.geometry else []
    elif k.judged >= 0 and k.error in TARGET_FRAC:
        units = [(k.shift, plan.layers[k.judged].v_fmt.frac, x.logit_scale)]
    else:
        return []
    target = TARGET_FRAC["softmax" if k.kind == "contrast" else k.error]
    return [(folded, frac - target - math.log2(scale)) for folded, frac, scale in units]


def _layer(x: LayerPlan, layer: Layer, dt_ms: float) -> LayerPlan:
    if x.kind == "source":
        return x
    up, target = layer.homeostasis or (0.0, 0.0)
    scale = 2.0**x.v_fmt.frac
    return replace(
        x,
        k_u=None if x.k_u is None else 4096 * _decay(layer.tau_u_ms, dt_ms),
        k_v=4096 * _decay(layer.tau_v_ms, dt_ms),
        leak_step=layer.leak_step * scale,
        homeo_up=up * scale,
        homeo_down=up * target * scale,
    )


def _decay(tau_ms: float, dt_ms: float) -> float:
    return 1.0 if math.isinf(tau_ms) else math.exp(-dt_ms / tau_ms)


def _program(program: BoundProgram) -> BoundProgram:
    registers = tuple(_register(r) for r in program.registers)
    by_name = {r.name: r for r in registers}
    return replace(
        program,
        registers=registers,
        lines=tuple(_line(x, by_name[x.target.name]) for x in program.lines),
        tables=tuple(_table(t) for t in program.tables),
    )


def _register(r: BoundRegister) -> BoundRegister:
    init = r.init if r.exact_init is None else r.exact_init / r.fmt.lsb
    return replace(r, init=init, lo=-FAR, hi=FAR)


def _line(line: BoundLine, target: BoundRegister) -> BoundLine:
    a, b, when = (_operand(x) for x in (line.a, line.b, line.when))
    table = None if line.table is None else _table(line.table)
    return replace(line, target=target, a=a, b=b, when=when, table=table)


def _operand(x: Operand | None) -> Operand | None:
    if x is None or x.raw is None or x.exact is None:
        return x
    return replace(x, raw=x.exact / x.fmt.lsb)


def _table(t: BoundTable) -> BoundTable:
    if t.shape is not None:
        return replace(t, ideal=True)
    points = [point for point, _ in t.steps]
    values = [value / t.fmt.lsb for _, value in t.steps]
    return replace(
        t,
        ideal=True,
        breakpoints=tuple((Fraction(p) + t.centre) / t.argument_fmt.lsb for p in points),
        values=(values[0], *values),
    )
