"""Integer calibration before learning, so that every layer starts active and errors are graded.

Thresholds are searched bottom-up until a layer's neurons fire `target` times per sample; a readout's
logit shift is the one under which its potentials differ by about `spread` units of the exponent (or
of the target).
Learning off, on a few training samples; everything stays an integer of the layer's own format.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from chipsim.data.events import Events
from chipsim.errors import RunError
from chipsim.plan import CircuitPlan, LayerPlan
from chipsim.plan.circuits import TARGET_FRAC
from chipsim.plan.lava import WEIGHT_SHIFT
from chipsim.simulator import Simulator

# by kind of error: units of the exponent for the first three and contrast, of the target for the others
SPREADS = {
    "softmax": 3.0,
    "sign": 3.0,
    "ternary": 1.0,
    "contrast": 3.0,
    "smooth_l1": 0.5,
    "mse": 0.5,
    "hard_sigmoid": 0.5,
    "regression": 0.5,
}
GROUPS = 4  # of contexts, that calibrate a contrast


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
        unit = 1 << WEIGHT_SHIFT if layer.arithmetic == "lava" else 1  # what a threshold is a multiple of
        lo, hi = 1, layer.v_fmt.hi // unit
        while lo < hi:
            middle = (lo + hi) // 2
            sim.state[name][:] = middle * unit
            counts = sim.evaluate(events)[0]["counts"][layer.name]
            if counts.mean() > target:
                lo = middle + 1
            else:
                hi = middle
        sim.state[name][:] = max(1, lo) * unit
        if not sim.evaluate(events)[0]["counts"][layer.name].any():
            sim.state[name][:] = max(1, lo - 1) * unit
        if not sim.evaluate(events)[0]["counts"][layer.name].any():
            raise RunError(
                "no threshold makes this layer fire on the training samples",
                where=f"layer '{layer.name}'",
                remedy="give its connection a larger gain, or its input more spikes",
            )
        found[layer.name] = int(sim.state[name][0])
    return found


def calibrate_logits(
    sim: Simulator, events: Events, spread: float | Mapping[str, float] | None = None
) -> dict[str, int]:
    """Set the logit shift of every circuit that has one, so that errors are graded to begin with.

    spread  {kind of error or "contrast": wanted distance}, one number for all, or None: SPREADS. The mean
            distance of the largest potential to the mean becomes about that: softmax, sign, ternary and
            contrast in units of the exponent, the others in units of the target, which is 1.0; of a
            regression the mean size of the potentials.
    events  a few training samples; for a contrast in its order of contexts
    Returns the shifts by layer (of z for a contrast).
    """
    outputs = sim.evaluate(events)[0]
    found = {}
    for k in sim.plan.circuits:
        if k.kind == "contrast":
            found[sim.plan.layers[k.layer].name] = _calibrate_contrast(sim, k, events, _wanted(spread, k))
        if k.judged < 0 or k.error == "spike":
            continue
        layer = sim.plan.layers[k.judged]
        v = _potentials(sim, layer, outputs)
        distance = float((v.max(axis=1) * v.shape[1] - v.sum(axis=1)).mean()) / v.shape[1]
        if k.error == "regression":
            distance = float(np.abs(v).mean())
        sim.state[f"k{k.index}_shift"][0] = found[layer.name] = _shift(
            distance, 1 << TARGET_FRAC[k.error], _wanted(spread, k)
        )
    return found


def _wanted(spread: float | Mapping[str, float] | None, k: CircuitPlan) -> float:
    """The distance asked for a circuit, or its own default."""
    own = SPREADS[k.error or k.kind]
    if spread is None:
        return own
    return spread.get(k.error or k.kind, own) if isinstance(spread, Mapping) else spread


def _shift(distance: float, unit: int, spread: float) -> int:
    return max(0, round(np.log2(max(distance, 1.0) / (unit * spread))))


def _potentials(sim: Simulator, layer: LayerPlan, outputs: dict) -> np.ndarray:
    """What errors are formed from at the end of a sample: int64[samples, size] membranes or charges."""
    if layer.kind == "integrator":
        return outputs["potentials"][layer.name].astype(np.int64)
    charge = outputs["counts"][layer.name].astype(np.int64) * sim.state[f"l{layer.index}_thr"]
    return charge + outputs["membranes"][layer.name]


def _calibrate_contrast(sim: Simulator, k: CircuitPlan, events: Events, spread: float) -> int:
    """Shifts of z and of the targets' distances, from the ends of a few groups run on a copy."""
    b, unit = sim.plan.contexts, 1 << TARGET_FRAC["softmax"]
    samples = next(iter(events.values())).samples if isinstance(events, Mapping) else events.samples
    run, near, far = copy.copy(sim), [], []
    for first in range(0, min(samples, GROUPS * b) - b + 1, b):
        run.state = {name: array.copy() for name, array in sim.state.items()}
        run.present(events, np.zeros(samples, int), order=np.arange(first, first + b))
        z = run.state[f"k{k.index}_z"]
        near.append((z.max(axis=1) * z.shape[1] - z.sum(axis=1)).mean() / z.shape[1])
        if k.geometry:
            e = run.state[k.geometry][k.inputs :].astype(np.float64)
            far.append(np.sqrt(((e[:, None] - e[None]) ** 2).sum(axis=2)).mean())
    shifts = sim.state[f"k{k.index}_shift"]
    shifts[0] = _shift(float(np.mean(near)), unit, spread)
    if far:
        shifts[1] = _shift(float(np.mean(far)), unit, spread)
    return int(shifts[0])
