"""A trained output; its error reaches every hidden layer through fixed random weights (DFA)."""

from __future__ import annotations

from chipsim.wiring.stack import Stack


def wire(stack: Stack) -> None:
    """One output."""
    stack.trained_output("output", stack.hidden[-1])
    for name in stack.hidden:
        stack.net.broadcast(name, of="output", signal_shift=stack.settings.signal_shift)
