"""A trained output; its error goes down through the layers' own weights (S-TLLR, e-prop)."""

from __future__ import annotations

from chipsim.wiring.stack import Stack


def wire(stack: Stack) -> None:
    """One output."""
    s = stack.settings
    connection = stack.trained_output("output", stack.hidden[-1])
    stack.net.transport(
        stack.hidden[-1], through=connection, register="third_factor", signal_shift=s.signal_shift
    )
    stack.chain()
