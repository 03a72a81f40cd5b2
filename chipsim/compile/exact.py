"""The exact value of a line as source text, with the interval it can reach.

One `Exact` per line: an expression over atoms (`operand` gives their text), the largest magnitude of
any intermediate value, and the fraction bits. The lane (32 or 64 bits) follows from the magnitude.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chipsim.fixed import Format
from chipsim.microcode.program import COMPARISONS, BoundLine, BoundProgram, BoundTable, Operand

SYMBOL = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "=="}


@dataclass(frozen=True)
class Exact:
    """text uses the casts of `lane`; lo..hi bound the value, peak every intermediate magnitude."""

    text: str
    lo: int
    hi: int
    peak: int


def span(operand: Operand, program: BoundProgram) -> tuple[int, int]:
    """Raw interval of an operand."""
    if operand.raw is not None:
        return operand.raw, operand.raw
    if operand.kind == "param":
        p = next(p for p in program.params if p.name == operand.name)
        return p.lo, p.hi
    return operand.fmt.lo, operand.fmt.hi


def exact_value(
    line: BoundLine,
    program: BoundProgram,
    atom: Callable[[Operand], str],
    threshold: str,
    lane: str,
    v_fmt: Format,
) -> Exact:
    """The integer E of a line (definition 5) as text over `lane` casts, sign of -= not included."""
    if line.form == "scale":
        return _scale(line, program, atom, lane)
    if line.form == "table":
        return _table(line.table, line.a, atom, threshold, lane, program, v_fmt)
    if line.form == "random":
        return Exact("0", 0, 0, 0)
    if line.form in ("abs", "sign"):
        lo, hi = span(line.a, program)
        a, peak = atom(line.a), max(abs(lo), abs(hi))
        if line.form == "abs":
            return Exact(f"{lane}(abs({a}))", 0, peak, peak)
        return Exact(f"{lane}({lane}({a} > 0) - {lane}({a} < 0))", -1, 1, peak)
    return _aligned(line, program, atom, lane)


def _scale(line: BoundLine, program: BoundProgram, atom: Callable, lane: str) -> Exact:
    lo, hi = span(line.a, program)
    text, peak = atom(line.a), max(abs(lo), abs(hi))
    if line.b is not None:
        blo, bhi = span(line.b, program)
        corners = [lo * blo, lo * bhi, hi * blo, hi * bhi]
        peak = max(peak, abs(blo), abs(bhi), *map(abs, corners))
        lo, hi = min(corners), max(corners)
        text = f"{lane}({text} * {atom(line.b)})"
    if line.negate:
        lo, hi, text = -hi, -lo, f"{lane}(-{text})"
    return Exact(text, lo, hi, peak)


def _shifted(text: str, left: int, lane: str) -> str:
    return f"{lane}({text} << {lane}({left}))" if left else text


def _aligned(line: BoundLine, program: BoundProgram, atom: Callable, lane: str) -> Exact:
    top = max(line.a.fmt.frac, line.b.fmt.frac)
    la, lb = top - line.a.fmt.frac, top - line.b.fmt.frac
    (alo, ahi), (blo, bhi) = span(line.a, program), span(line.b, program)
    alo, ahi, blo, bhi = alo << la, ahi << la, blo << lb, bhi << lb
    a, b = _shifted(atom(line.a), la, lane), _shifted(atom(line.b), lb, lane)
    peak = max(map(abs, (alo, ahi, blo, bhi)))
    if line.form in COMPARISONS:
        return Exact(f"{lane}({a} {SYMBOL[line.form]} {b})", 0, 1, peak)
    if line.form == "add":
        return Exact(f"{lane}({a} + {b})", alo + blo, ahi + bhi, 2 * peak)
    if line.form == "sub":
        return Exact(f"{lane}({a} - {b})", alo - bhi, ahi - blo, 2 * peak)
    pick = min if line.form == "min" else max
    return Exact(f"{lane}({line.form}({a}, {b}))", pick(alo, blo), pick(ahi, bhi), peak)


def _table(
    table: BoundTable,
    a: Operand,
    atom: Callable,
    threshold: str,
    lane: str,
    program: BoundProgram,
    v_fmt: Format,
) -> Exact:
    """Sum of steps: branch-free, so that the loop around it vectorises."""
    lo, hi = span(a, program)
    left = max(0, v_fmt.frac - a.fmt.frac) if table.minus_threshold else 0
    raise_v = max(0, a.fmt.frac - v_fmt.frac)
    points = [bp << left for bp in table.breakpoints]
    peak = max(abs(lo) << left, abs(hi) << left, *map(abs, points))
    x = _shifted(atom(a), left, lane)
    if table.minus_threshold:
        x = f"{lane}({x} - {_shifted(f'{lane}({threshold})', raise_v, lane)})"
        peak += 1 << v_fmt.bits + raise_v
    terms = [f"{lane}({table.values[0]})"]
    for k, bp in enumerate(points):
        step = table.values[k + 1] - table.values[k]
        if step:
            terms.append(f"{lane}({lane}({x} >= {lane}({bp})) * {lane}({step}))")
    text = terms[0]
    for term in terms[1:]:
        text = f"{lane}({text} + {term})"
    low, high = min(table.values), max(table.values)
    return Exact(text, low, high, max(peak, abs(low) + abs(high) + high - low))
