"""Shared kernels: which lines run at every place, which once per stored weight, and what is refused.

A line into a synapse that reads an axon or a neuron has one contribution for every place where they
meet in the stored weight; all are added exactly and the weight is written once. A line that reads
neither runs once for each stored weight that its section reaches (and context): a decay or an
accumulated tag does not multiply with the number of places.
"""

from __future__ import annotations

from typing import Any

from chipsim.errors import LimitError
from chipsim.microcode.program import BoundLine, Program
from chipsim.microcode.source import Source


def meets(line: BoundLine) -> bool:
    """Whether a line reads an axon or a neuron: its contributions are places, not stored weights."""
    return any(x is not None and x.owner in ("pre", "post") for x in (line.a, line.b, line.when))


def shared_assignment(line: BoundLine, use: Any, at: Source) -> None:
    """`=` into a shared weight from an axon or a neuron: more operands than targets."""
    if not use.shared or line.target.owner != "syn" or line.mode != "=" or not meets(line):
        return
    operand = next(x for x in (line.a, line.b, line.when) if x is not None and x.owner in ("pre", "post"))
    at.fail(
        line.line,
        f"'=' with more operands than targets: '{operand.name}' exists per {operand.owner}, "
        f"'{line.target.name}' once for all positions of a kernel",
        word=operand.name,
        operand=True,
        remedy="add the contributions up with += or -=, or use a dense connection",
    )


def shared_contexts(line: BoundLine, use: Any, at: Source) -> None:
    """A tag with a copy per context, times an axon or a neuron, into a value of all contexts."""
    if not use.shared or use.contexts == 1 or line.target.owner != "syn" or not meets(line):
        return
    once = not (line.target.per_context or line.target.temp)
    for x in (line.a, line.b, line.when):
        if once and x is not None and x.owner == "syn" and x.per_context:
            at.fail(
                line.line,
                f"'{x.name}' has a copy per context and meets axons or neurons on its way into "
                f"'{line.target.name}', which a kernel stores once",
                word=x.name,
                operand=True,
                remedy="run with one context, or add the line up in a tag per context first",
            )


def shared_engine(program: Program, chip: Any, engine: str, use: Any) -> None:
    """Products of a chip's engine are defined for one axon and one neuron."""
    if use.shared and engine == "sum_of_products":
        raise LimitError(
            f"rule {program.name} on a convolution: the sum-of-products engine of chip {chip.name} learns "
            "weights of one axon and one neuron, not shared kernels",
            where=str(chip.path),
            remedy="run with --engine lines, or leave the convolution without a rule",
        )
