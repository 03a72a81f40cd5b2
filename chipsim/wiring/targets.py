"""Local targets from the layer above (DALTON): a fixed random readout at the top, below it the next
layer's weights."""

from __future__ import annotations

from chipsim.wiring.stack import Stack


def wire(stack: Stack) -> None:
    """One readout, of the top layer."""
    stack.net.readout(stack.hidden[-1], stack.classes, error=stack.settings.error)
    stack.chain()
