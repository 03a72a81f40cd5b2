"""Two paths over several contexts (Traces Propagation): inputs, and labels through a frozen random
connection into the first hidden layer. A trained output reads each hidden layer and sends nothing back;
their votes are summed (the rule trains each layer by itself, and the lower one separates classes better).

`contrast = classes`: one target context per class, the target is the label (chip form);
`contrast = batch`: one per input, targets from the distances of the layer below (the paper).
"""

from __future__ import annotations

from chipsim.wiring.stack import Stack

LABELS = "labels"


def wire(stack: Stack) -> None:
    """One output."""
    net, s = stack.net, stack.settings
    net.source(LABELS, stack.classes)
    frozen = net.connect(
        LABELS, stack.hidden[0], rule="tp_labels", spread=s.label_spread, w_range=s.label_range
    )
    below, scale = (frozen, "eps0"), s.logit_scale or 1.0
    for name, connection in zip(stack.hidden, stack.inward, strict=True):
        net.contrast(
            name,
            connection=connection,
            register="eps",
            inputs=s.inputs,
            targets=stack.classes if s.contrast == "classes" else s.inputs,
            geometry=below if s.contrast == "batch" else None,
            logit_scale_z=scale,
            logit_scale_d=scale,
            signal_shift=s.signal_shift,
        )
        below = (connection, "eps")
    for k, name in enumerate(stack.hidden[:-1], 1):
        stack.trained_output(f"output{k}", name)
    stack.trained_output("output", stack.hidden[-1])
