"""A trained classifier per hidden layer (ELL, FELL, BELL): its error goes back through its weights.

`classifier = lif`: spiking neurons with the rule of the hidden layers, as in the paper;
`classifier = integrator`: leaky sums with the rule `delta`.
"""

from __future__ import annotations

from chipsim.wiring.stack import Stack, weight_range


def wire(stack: Stack) -> None:
    """One classifier per hidden layer."""
    for name in stack.hidden:
        _classifier(stack, name)


def _classifier(stack: Stack, below: str) -> None:
    net, s, name = stack.net, stack.settings, f"{below}.classifier"
    if s.classifier == "integrator":
        connection, register = stack.trained_output(name, below), "third_factor"
    else:
        net.lif(name, stack.classes, tau_v_ms=s.classifier_tau_ms or s.tau_v_ms)
        connection = net.connect(
            below, name, rule=stack.rule, w_range=weight_range(net.layer(below).size) * s.readout_range
        )
        net.error(name, error=s.error)
        register = s.published
    net.transport(below, through=connection, register=register, signal_shift=s.signal_shift)
