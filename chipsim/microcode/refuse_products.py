"""Products that have no meaning: one short function per refusal."""

from __future__ import annotations

from chipsim.errors import did_you_mean
from chipsim.microcode.program import Program, is_gate
from chipsim.microcode.source import Source
from chipsim.microcode.symbols import symbols


def product_target(program: Program, at: Source) -> None:
    """A product added to something that is not a synaptic register."""
    known = symbols(program)
    for line in program.products:
        symbol = known.get(line.target)
        if symbol is None:
            at.fail(
                line.line,
                f"unknown name '{line.target}'{did_you_mean(line.target, known)}",
                word=line.target,
                remedy="declare it above the sections",
            )
        if symbol.owner != "syn" or symbol.temp:
            at.fail(
                line.line,
                f"on_products writes synaptic registers only; '{line.target}' exists per {symbol.owner}",
                word=line.target,
            )


def product_factor(program: Program, at: Source) -> None:
    """A factor that is neither a register nor a gate."""
    known = symbols(program)
    for line in program.products:
        for factor in line.factors:
            symbol = known.get(factor.name)
            if symbol is None and not is_gate(factor.name):
                at.fail(
                    line.line,
                    f"unknown factor '{factor.name}'{did_you_mean(factor.name, [*known, 'x0', 'y0'])}",
                    word=factor.name,
                    operand=True,
                    remedy="a factor is x0, y0, u<k> or a declared register",
                )
            if symbol is not None and (symbol.kind != "register" or symbol.temp):
                at.fail(
                    line.line,
                    f"'{factor.name}' is no register and cannot be a factor of a product",
                    word=factor.name,
                    operand=True,
                    remedy="a factor is x0, y0, u<k> or a declared register",
                )


def product_gate(program: Program, at: Source) -> None:
    """A product without x0, y0 or u<k>."""
    for line in program.products:
        if not line.gates:
            at.fail(
                line.line,
                "a product needs x0, y0 or u<k>: nothing says when it is evaluated",
                word=line.mode,
                remedy="add `* u0` for every learning epoch",
            )
