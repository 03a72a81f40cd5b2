"""Local targets from the layer above (DALTON): a fixed random readout at the top, below it the next
layer's weights."""

from __future__ import annotations

from chipsim.wiring.stack import Stack

READOUT = "readout"


def wire(stack: Stack) -> None:
    """One readout, of the top layer."""
    net, top = stack.net, stack.hidden[-1]
    net.integrator(READOUT, stack.classes, tau_v_ms=stack.settings.readout_tau)
    fixed = net.connect(top, READOUT, spread=1.0, purpose="error")
    net.error(READOUT, **stack.errors())
    net.transport(top, through=fixed, register="third_factor", signal_shift=stack.settings.signal_shift)
    stack.chain()
