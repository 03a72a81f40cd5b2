"""Integer calibration before learning, so that every layer starts active and errors are graded.

Thresholds are searched bottom-up until a layer's neurons fire `target` times per sample; a readout's
logit shift is the one under which its potentials differ by about `spread` units of the exponent.
Learning off, on a few training samples; everything stays an integer of the layer's own format.
"""

from __future__ import annotations

import numpy as np

from chipsim.data.events import Events
from chipsim.errors import RunError
from chipsim.simulator import Simulator


def calibrate_thresholds(sim: Simulator, events: Events, target: float) -> dict[str, int]:
    """Set one threshold per spiking layer so that its mean spikes per neuron and sample meet target.

    Bisection over raw thresholds (fewer spikes above). Returns the raw thresholds by layer. Raises
    RunError for a layer that no threshold makes fire.
    """
    found = {}
    for index in sim.plan.order:
        layer = sim.plan.layers[index]
        if layer.kind != "lif" or not layer.incoming:
            continue
        name = f"l{index}_thr"
        lo, hi = 1, layer.v_fmt.hi
        while lo < hi:
            middle = (lo + hi) // 2
            sim.state[name][:] = middle
            counts = sim.evaluate(events)[0]["counts"][layer.name]
            if counts.mean() > target:
                lo = middle + 1
            else:
                hi = middle
        sim.state[name][:] = max(1, lo)
        if not sim.evaluate(events)[0]["counts"][layer.name].any():
            sim.state[name][:] = max(1, lo - 1)
        if not sim.evaluate(events)[0]["counts"][layer.name].any():
            raise RunError(
                "no threshold makes this layer fire on the training samples",
                where=f"layer '{layer.name}'",
                remedy="give its connection a larger gain, or its input more spikes",
            )
        found[layer.name] = int(sim.state[name][0])
    return found


def calibrate_logits(sim: Simulator, events: Events, spread: float) -> dict[str, int]:
    """Set each readout's logit shift: the mean distance of the largest potential to the mean becomes
    about `spread` (softmax: units of the exponent; smooth_l1: units of the target). Returns shifts."""
    potentials = sim.evaluate(events)[0]["potentials"]
    found = {}
    for circuit in sim.plan.circuits:
        if circuit.kind != "readout":
            continue
        v = potentials[sim.plan.layers[circuit.readout].name].astype(np.int64)
        distance = float((v.max(axis=1) * v.shape[1] - v.sum(axis=1)).mean()) / v.shape[1]
        unit = 16 if circuit.error == "softmax" else 128
        shift = max(0, round(np.log2(max(distance, 1.0) / (unit * spread))))
        sim.state[f"k{circuit.index}_shift"][0] = shift
        found[sim.plan.layers[circuit.readout].name] = shift
    return found
