"""A bound program on chip loihi2_lava as Lava's rule: strings, time constants, impulses, names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chipsim.errors import LimitError
from chipsim.microcode.epoch_terms import GRADED, Trace
from chipsim.microcode.products import scale_of
from chipsim.microcode.program import BoundProgram, Factor, ProductTerm

NO_DECAY = 2**60  # a time constant under which no trace ever moves


def lava_names(program: BoundProgram) -> dict[str, str]:
    """Register -> Lava's name: x1, x2, y1..y3, w, t (signed tag), d (unsigned tag)."""
    names = {t.register: f"{'x' if t.owner == 'pre' else 'y'}{t.slot}" for t in program.traces.all}
    for r in program.registers:
        if r.owner == "syn" and not r.temp:
            names[r.name] = "w" if r.is_weight else "t" if r.fmt.signed else "d"
    return names


def product_text(term: ProductTerm, program: BoundProgram, params: Mapping[str, int]) -> str:
    """One signed product in Lava's grammar, with the constants in use for these raw parameters."""
    mantissa, exponent = scale_of(term, dict(params), program.sums)
    names = lava_names(program)
    factors = [_factor(f, names) for f in term.factors]
    sign = "-" if mantissa < 0 else "+"
    return f"{sign}{abs(mantissa)}*2^{exponent}*" + "*".join([term.gate, *factors])


def _factor(f: Factor, names: dict[str, str]) -> str:
    name = names.get(f.name, f.name)
    inner = f"{name}{f.add:+d}" if f.add else name
    return f"sgn({inner})" if f.sgn else f"({inner})" if f.add else inner


def rule_strings(program: BoundProgram, params: Mapping[str, int] | None = None) -> dict[str, str]:
    """{"dw": ..., "dt": ..., "dd": ...} of the variables that products write; params: raw values in use."""
    params = {p.name: p.raw for p in program.params} if params is None else params
    names, out = lava_names(program), {}
    for variable in program.variables:
        terms = [product_text(t, program, params) for t in program.products if t.target == variable]
        out["d" + names[variable]] = "".join(terms).removeprefix("+")
    return out


def rule_options(program: BoundProgram) -> dict[str, Any]:
    """Keyword arguments of Loihi2FLearningRule or Loihi3FLearningRule beside the strings."""
    traces = program.traces
    options: dict[str, Any] = {"t_epoch": program.learning_epoch, "rng_seed": traces.seed}
    for t in traces.all:
        if not t.received:
            name = f"{'x' if t.owner == 'pre' else 'y'}{t.slot}"
            options[f"{name}_tau"] = NO_DECAY if math.isinf(t.tau) else _whole(t.tau)
            options[f"{name}_impulse"] = _whole(t.whole + t.part / 256)
    return options


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def rule_description(program: BoundProgram, params: Mapping[str, int] | None = None) -> dict[str, Any]:
    """All that builds the rule in Lava, as plain data. Raises LimitError for a rule without products."""
    if program.traces is None or not program.products:
        raise LimitError(f"rule {program.name} has no products", where=f"chip {program.chip}")
    return {
        "name": program.name,
        "three_factor": program.traces.three_factor,
        "strings": rule_strings(program, params),
        "options": rule_options(program),
        "graded": GRADED.index(program.traces.graded),
    }


def trace_text(t: Trace) -> str:
    """One line about a trace."""
    name = f"{'x' if t.owner == 'pre' else 'y'}{t.slot}"
    if t.received:
        return f"{name} = {t.register}: an integer that the neuron sends in every step"
    tau = "none" if math.isinf(t.tau) else f"{t.tau:.9g} steps"
    return f"{name} = {t.register}: tau {tau}, impulse {_whole(t.whole + t.part / 256)}"
