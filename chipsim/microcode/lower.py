"""Lowering: a line program -> products for a sum-of-products engine, with a verdict per line.

What stays a line: decays and impulses of traces (the chip's trace registers) and, where the chip's
neurons are programmable, everything a neuron computes for itself. What becomes products: every line
that writes a synapse. A value per neuron that on_third_factor uses is copied to a register y_<name>,
sent to the synapses and 0 again after the products, so that a gate u0 is exact.

A product is evaluated at the end of the step. A trace that a line reads before this step's impulse
is therefore corrected: (x - impulse) where the line's own gate says that the impulse came, otherwise
by a second product with that gate as a factor.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chipsim.errors import LimitError
from chipsim.fixed import width_for
from chipsim.microcode.epoch_bind import EngineSettings, bind_traces
from chipsim.microcode.lower_lines import Lowering
from chipsim.microcode.program import BoundLine, BoundProgram, Lowered, Note, Sums

WRITE_ROUNDINGS = ("stochastic", "nearest", "floor")


def lower(bound: BoundProgram, chip, use) -> BoundProgram:
    """The program as the chip's engine runs it. Raises LimitError with every line that it cannot run.

    bound is a program of lines, products as written in the rule file; the result has ProductTerms,
    the lines that are left, `lowering` (lowering_table prints it) and notes on every approximation.
    """
    sums = sums_of(chip)
    _engine(bound, chip, use, sums)
    engine = EngineSettings.of(chip, use)
    work = Lowering(bound, chip, sums, engine.epoch)
    for line in bound.lines:
        work.line(line)
    for product in bound.products:
        work.product(product)
    work.count_traces()
    refused = [row for row in work.table() if row.verdict == "refused"]
    if refused:
        raise _refusal(bound, chip, refused)
    return bind_traces(_program(bound, chip, work, sums, engine.epoch), chip, engine)


def sums_of(chip) -> Sums:
    """The arithmetic of the chip's engine."""
    p = chip.learning.products
    return Sums(
        lo=p.accumulator_min,
        hi=(1 << (p.accumulator_bits - 1)) - 1,
        frac=p.accumulator_frac,
        head=p.accumulator_bits - 1,
        mantissa_bits=width_for(p.mantissa_min, p.mantissa_max),
        mantissa_max=p.mantissa_max,
        exponent_min=p.exponent_min,
        exponent_max=p.exponent_max,
        rounding=p.write_rounding,
    )


def lowering_table(bound: BoundProgram) -> str:
    """What became of every line, as aligned text; empty for a program that was not lowered."""
    if not bound.lowering:
        return ""
    wide = max(len(_one(row.text)) for row in bound.lowering)
    fixed = bound.engine == "fixed"
    out = [f"lowered to products on chip {bound.chip}, learning epoch {bound.learning_epoch}"]
    if fixed:
        out = [f"run by the fixed engine of chip {bound.chip}"]
    for row in bound.lowering:
        out.append(f"  line {row.line:>3}  {_one(row.text).ljust(wide)}  {row.verdict}: {row.how}")
        out += [f"            {product}" for product in row.products]
    if not fixed:
        out.append("  products read the values from before them; each variable is summed and written once")
    return "\n".join(out) + "\n"


def _one(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- refusals


def _engine(bound: BoundProgram, chip, use, sums: Sums) -> None:
    """What the engine cannot do for any rule."""
    where, lines = str(chip.path), "or run the rule unlowered with --engine lines"
    if use.contexts > 1:
        raise LimitError(
            f"rule {bound.name} with {use.contexts} contexts: the sum-of-products engine of chip {chip.name} "
            "learns from one sample at a time",
            where=where,
            remedy=f"learn with one context, {lines}",
        )
    p = chip.learning.products
    if sums.rounding not in WRITE_ROUNDINGS or p.product_rounding != "floor":
        raise LimitError(
            f"products rounded by {p.product_rounding}, written by {sums.rounding}: chipsim runs floor and "
            f"{', '.join(WRITE_ROUNDINGS)}",
            where=where,
            remedy=f"change the chip file, {lines}",
        )
    for r in bound.registers:
        if r.owner == "syn" and not r.temp and (r.lo << sums.frac < sums.lo or r.hi << sums.frac > sums.hi):
            raise LimitError(
                f"'{r.name}' is {r.fmt}: shifted left by {sums.frac} it leaves the accumulator "
                f"{sums.lo}..{sums.hi}",
                where=where,
                remedy="use a narrower format",
            )


def _refusal(bound: BoundProgram, chip, rows: list[Lowered]) -> LimitError:
    lines = [f"  line {row.line}: {_one(row.text)}: {row.how}" for row in rows]
    return LimitError(
        f"rule {bound.name} cannot be lowered to products on chip {chip.name}:\n" + "\n".join(lines),
        where=str(chip.path),
        remedy="`--engine lines` runs the rule unlowered on the chip's widths and labels the run "
        "'not executable on this engine'; or choose another chip",
    )


# ---------------------------------------------------------------- the program that is left


def _program(bound: BoundProgram, chip, work: Lowering, sums: Sums, epoch: int) -> BoundProgram:
    lines = tuple(replace(x, ordinal=k) for k, x in enumerate(work.needed()))
    temps = {x.target.name for x in lines if x.target.temp}
    registers = [r for r in bound.registers if not r.temp or r.name in temps]
    notes = list(bound.notes)
    notes += [
        Note("approximated", row.line, row.how) for row in work.table() if row.verdict == "approximated"
    ]
    params = []
    for p in bound.params:
        lo, hi = work.ranges.get(p.name, (p.lo, p.hi))
        if (lo, hi) != (p.lo, p.hi):
            notes.append(Note("range", 0, f"'{p.name}' may be {_range(p, lo, hi)} on chip {chip.name}"))
        params.append(replace(p, lo=lo, hi=hi))
    return replace(
        bound,
        registers=(*registers, *work.sent.values()),
        lines=lines,
        params=tuple(params),
        epoch=bound.epoch if _has(lines, "on_epoch") else 0,
        phase7=sum(x.section == "on_third_factor" for x in lines),
        products=tuple(work.products),
        notes=tuple(notes),
        learning_epoch=epoch,
        sums=sums,
        sent=tuple(work.sent),
        lowering=work.table(),
    )


def _range(p, lo: int, hi: int) -> str:
    if p.kind == "shift":
        return f"{lo}..{hi} (declared {p.lo}..{p.hi}): beyond it an exponent leaves the engine's range"
    return f"{float(p.fmt.real(lo) if p.fmt else Fraction(lo)):g} only: it is folded into constants"


def _has(lines: tuple[BoundLine, ...], section: str) -> bool:
    return any(x.section == section for x in lines)
