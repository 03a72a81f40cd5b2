"""How far a rule's registers can be from their float twin: an a-priori bound from the formats.

Both are given the same spikes, membranes and third factors, so nothing but rounding separates them. An
interval analysis of `steps` steps gives the largest magnitude M of every register; beside it runs the
largest difference d between the integer and its twin. One line adds

    a * b     M(a) d(b) + M(b) d(a) + d(a) d(b), scaled by the line's shift, once per contribution
    a + b     d(a) + d(b)      min, max: the larger      abs: d(a)      constants, inputs, tables: 0

and its write one LSB of the target where bits are dropped (half an LSB for nearest). Comparisons,
signs and tables decide: their difference is 0 unless an operand lies within its own d of the border;
whoever compares has to look at that (chipsim.open_loop does). Saturation is not covered: the bound
holds while no register but the weight, which its twin limits as well, reaches a limit.
"""

from __future__ import annotations

from chipsim.microcode.bounds import contributions
from chipsim.microcode.program import COMPARISONS, BoundLine, BoundProgram, Operand
from chipsim.microcode.verify import Line, run_intervals

DECIDING = ("sign", "table", "random", *COMPARISONS)
STEP = ("on_step", "on_pre", "on_membrane", "on_post", "on_third_factor", "on_epoch")
SURE = ("on_step", "on_membrane", "on_replay")  # reach everything in every step
FLOAT = 2.0**-50  # what float64 itself may lose in a step, relative to the magnitude


def error_bounds(bound: BoundProgram, use, steps: int) -> dict[str, float]:
    """Largest |register - twin| by name after up to `steps` steps of one sample, as a real number.

    bound is a program of lines; use gives the contributions of a write. Registers not in the result
    do not exist; 0.0 means that integer and twin are the same number.
    """
    params = {p.name: p.raw for p in bound.params if p.kind == "shift"}
    sizes = magnitudes(bound, use, steps)
    now, peak = ({r.name: 0.0 for r in bound.registers} for _ in range(2))

    def run(section: str) -> None:
        now.update({r.name: 0.0 for r in bound.registers if r.temp})
        for line in bound.section(section):
            _write(line, _line(line, use, params, sizes, now), now, peak)

    run("on_sample_start")
    for _ in range(steps):
        for section in STEP:
            run(section)
    written = {line.target.name for line in bound.section("on_replay")}
    now.update({name: d for name, d in peak.items() if name not in written})  # of any stored step
    for _ in range(steps):
        run("on_replay")
    run("on_sample_end")
    return {name: d + steps * FLOAT * sizes[name] * (d > 0) for name, d in peak.items()}


def _write(line: BoundLine, new: float, now: dict[str, float], peak: dict[str, float]) -> None:
    """Differences after a line; elements that it may leave alone keep their old one."""
    name, sure = line.target.name, line.section in SURE and line.when is None
    if line.mode != "=":
        new += now[name]
    now[name] = new if sure else max(now[name], new)
    peak[name] = max(peak[name], now[name])


def magnitudes(bound: BoundProgram, use, steps: int) -> dict[str, float]:
    """Largest |value| of every register and temp within `steps` steps, as a real number."""
    params = {p.name: p.raw for p in bound.params if p.kind == "shift"}
    state = {r.name: (0, 0) if r.temp else (r.init, r.init) for r in bound.registers}
    if bound.weight:
        state[bound.weight.name] = (bound.weight.lo, bound.weight.hi)
    seen = {line.ordinal: Line() for line in bound.lines}
    run_intervals(bound, use, params, state, seen, steps)
    largest = {name: max(-lo, hi) for name, (lo, hi) in state.items()}
    for line in bound.lines:
        t = line.target
        lo, hi = (min(max(x, t.lo), t.hi) for x in seen[line.ordinal].result)
        largest[t.name] = max(largest[t.name], -lo, hi)
    return {r.name: float(largest[r.name] * r.fmt.lsb) for r in bound.registers}


def _line(line: BoundLine, use, params, sizes, found) -> float:
    """What one execution of a line adds to the difference, rounding of its write included."""
    target, drop = line.target, line.drop(params)
    inner = 0.0
    if line.form not in DECIDING:
        a, da = _size(line.a, sizes), found.get(line.a.name, 0.0)
        b, db = (_size(line.b, sizes), found.get(line.b.name, 0.0)) if line.b else (1.0, 0.0)
        if line.form == "scale":
            shift = line.shift + line.shift_sign * params.get(line.shift_param, 0)
            inner = (a * db + b * da + da * db) * 2.0**-shift * contributions(line, use)
        elif line.form in ("min", "max"):
            inner = max(da, db)
        else:
            inner = da + (db if line.form != "abs" else 0.0)
    if drop <= 0 or line.form == "random":
        return inner
    return inner + float(target.fmt.lsb) * (0.5 if target.rounding == "nearest" else 1.0)


def _size(operand: Operand, sizes: dict[str, float]) -> float:
    """Largest |value| of an operand."""
    if operand.kind == "register":
        return sizes[operand.name]
    if operand.raw is not None:
        return abs(float(operand.fmt.real(operand.raw)))
    return float(max(-operand.fmt.lo, operand.fmt.hi) * operand.fmt.lsb)
