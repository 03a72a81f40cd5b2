"""A fixed random readout per hidden layer, its error back through the own transpose (DECOLLE)."""

from __future__ import annotations

from chipsim.wiring.stack import Stack


def wire(stack: Stack) -> None:
    """One readout per hidden layer."""
    for name in stack.hidden:
        stack.net.readout(name, stack.classes, tau_ms=stack.settings.readout_tau, **stack.errors())
