"""A trained classifier per hidden layer (ELL, FELL, BELL): its error goes back through its weights.

`classifier = lif`: spiking neurons with the rule of the hidden layers, as in the paper;
`classifier = charge`: spiking neurons whose whole charge is judged, with the rule `delta`;
`classifier = integrator`: leaky sums with the rule `delta`. With `hold` the hidden layers replay the
sample against the classifier's final error, and the classifier learns after that (`delta_end`).
"""

from __future__ import annotations

from math import inf

from chipsim.wiring.stack import Stack, readout_settings, weight_range


def wire(stack: Stack) -> None:
    """One classifier per hidden layer."""
    for name in stack.hidden:
        _classifier(stack, name)


def _classifier(stack: Stack, below: str) -> None:
    net, s, name = stack.net, stack.settings, f"{below}.classifier"
    if s.classifier == "integrator":
        connection, register = stack.trained_output(name, below), "third_factor"
    else:
        charge = s.classifier == "charge"
        tau = s.classifier_tau_ms or (charge and inf) or s.tau_v_ms or inf
        net.lif(name, stack.classes, tau_v_ms=tau, reset=s.reset)
        connection = net.connect(
            below,
            name,
            rule=stack.output_rule if charge else stack.rule,
            w_range=weight_range(net.layer(below).size) * s.readout_range,
            settings=readout_settings(s) if charge else stack.use,
        )
        net.error(name, **stack.errors(), hold=s.hold)
        register = "third_factor" if charge else s.published
    net.transport(below, through=connection, register=register, signal_shift=s.signal_shift)
