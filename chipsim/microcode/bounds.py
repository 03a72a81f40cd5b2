"""The proof that no line leaves 62 bits: the largest |E| of one write (definition 5, Exact value)."""

from __future__ import annotations

from chipsim.microcode.program import COMPARISONS, BoundLine, BoundProgram, Operand

LIMIT_BITS = 62


def magnitude(operand: Operand, ranges: dict[str, tuple[int, int]]) -> int:
    """Largest |raw| of an operand: ranges (raw lo, hi by register name), else its format's."""
    if operand.kind in ("const", "number"):
        return abs(operand.raw)
    lo, hi = ranges.get(operand.name, (operand.fmt.lo, operand.fmt.hi))
    return max(abs(lo), abs(hi))


def contribution(line: BoundLine, ranges: dict[str, tuple[int, int]]) -> int:
    """Largest |E| of one contribution of a line, in units of 2**-frac (frac of the line)."""
    a = magnitude(line.a, ranges) if line.a else 0
    b = magnitude(line.b, ranges) if line.b else 0
    if line.form == "scale":
        return a * b if line.b else a
    if line.form in ("add", "sub", "min", "max", *COMPARISONS):
        frac = max(line.a.fmt.frac, line.b.fmt.frac)
        a, b = a << (frac - line.a.fmt.frac), b << (frac - line.b.fmt.frac)
        return a + b if line.form in ("add", "sub") else max(a, b)
    if line.form == "table":
        return max(abs(v) for v in line.table.values)
    if line.form == "random":
        return max(abs(line.target.fmt.lo), line.target.fmt.hi)
    return a if line.form == "abs" else 1


def contributions(line: BoundLine, use) -> int:
    """Most contributions that one write of a line sums (contexts, kernel positions, fan-in)."""
    if line.mode == "=":
        return 1
    target = line.target
    contexts = 1 if target.per_context else use.contexts
    if target.owner == "syn":
        return contexts * use.positions
    if target.owner == "layer":
        owners = {x.owner for x in (line.a, line.b, line.when) if x is not None}
        return contexts * (use.n_pre if "pre" in owners else 1) * (use.n_post if "post" in owners else 1)
    return 1


def exact_bound(line: BoundLine, use, bounds: dict[str, tuple[int, int]], ranges=None) -> int:
    """Largest magnitude that a write forms: the sum, the old value aligned to it, the rounding word.

    bounds: range of each shift parameter; ranges: raw range by name where narrower than the format.
    """
    ranges = ranges or {}
    each = contribution(line, ranges)
    total = each * contributions(line, use)
    old = 0 if line.mode == "=" else max(abs(line.target.lo), abs(line.target.hi))
    largest = each  # comparisons align both operands although E itself is 0 or 1
    for n in line.drop_range(bounds):
        e = 1 if line.form in COMPARISONS else total
        word = (1 << n) if n > 0 and line.target.rounding in ("nearest", "stochastic") else 0
        largest = max(largest, (e << max(-n, 0)) + (old << max(n, 0)) + word)
    return largest


def lane_bits(program: BoundProgram) -> int:
    """Bits of the widest two's complement lane that any line of the program needs."""
    return max((line.exact_bound.bit_length() + 1 for line in program.lines), default=1)
