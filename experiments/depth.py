"""Does depth help? DALTON's errors through the layers above, against a readout at every layer.

Paper: R. Gaurav, D. A. Do, T. T. Doan, Y. Yi, "DALTON", IEEE TETC 13(3):578 (2024); its v-TFR baseline is a
fixed random readout with the global label at every layer.
Compared: 1 to 4 hidden layers of equal size under the same rule, once with circuit `targets` (errors come
down through the next layer's weights) and once with circuit `readout` (every layer by itself), with the
same samples, epochs and number of validation trials: the rate shift of each depth and method is the best
of `trials` on validation. Both are scored by the readout of the top layer alone.
Expected (3 seeds): with targets 0.949 to 0.951 for 1 to 3 layers and 0.942 for 4, which 3 epochs train too
little (0.952 with 6); with readouts 0.950, 0.944, 0.936 and 0.93 or, where the top layer collapses, far less.
The result says so if the data disagree.
Seeds: `seeds` of them, from --seed on; the rate is chosen on the first. Run time: 4 min on one core with
MNIST in --data DIR, 3 min on the built-in digits (`--set data=digits`).
Scaled down: 10,000 images and 3 epochs, dense layers of 128, chip form of the rule.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from chipsim.plot import by_value, save
from chipsim.simulator import Simulator
from chipsim.stacks import Choice
from chipsim.studies import StudySettings, calibrated, learned, seed_parts
from chipsim.tables import spread, store
from chipsim.train import accuracy, evaluate

RULES = ("dalton_chip",)
CHIPS = ("ideal",)
METHODS = {"targets": "errors from the layer above", "readout": "a readout per layer"}


class Settings(StudySettings):
    """The defaults; see `chipsim.studies.StudySettings` for what each means."""

    data: str = Field("mnist", pattern="^(mnist|digits)$")
    limit: int | None = Field(10_000, ge=40, description="at most so many samples of each part")
    twin: Literal[False] = Field(False, description="there is no twin here")
    size: int = Field(128, ge=1, description="neurons of every hidden layer")
    depths: tuple[int, ...] = Field((1, 2, 3, 4), min_length=1)
    trials: tuple[int, ...] = Field((7, 8, 9), min_length=1, description="rate shifts tried per depth")
    seeds: int = Field(3, ge=1)
    epochs: int = Field(3, ge=1)
    rate_steps: tuple[int, ...] = (0, 1, 2)
    steps: int = Field(25, ge=1)
    tau_u_ms: float | None = None


def run(context):
    """Choose rates on validation, then score every depth and method over the seeds."""
    s = context.settings
    found, rates = {}, {}
    for method in METHODS:
        for depth in s.depths:
            rates[method, depth] = _best_rate(context, method, depth)
            found[method, depth] = [
                _trained(context, method, depth, rates[method, depth], context.seed + k)
                for k in range(s.seeds)
            ]
            told = spread([x["test"] for x in found[method, depth]])
            context.progress.line(f"{method:8} {depth} layers  rate {rates[method, depth]}  {told}")
    rows = [
        {"layers": depth}
        | {METHODS[m]: spread([x["test"] for x in found[m, depth]]) for m in METHODS}
        | {f"rate ({m})": rates[m, depth] for m in METHODS}
        for depth in s.depths
    ]
    lines = {METHODS[m]: {d: [x["test"] for x in found[m, d]] for d in s.depths} for m in METHODS}
    save(by_value(lines, xlabel="hidden layers"), context.out.figure("depth.png"))
    values = [{"method": m, "layers": d, "seeds": x} for (m, d), x in found.items()]
    text = store(context.out.path, "depth", rows, values)
    last = found["targets", s.depths[-1]]
    return {
        "accuracy": {"test": float(np.mean([x["test"] for x in last]))},
        "table": rows,
        "verdict": _verdict(s, found),
        "report": f"{text}\n{_verdict(s, found)}",
    }


def _verdict(s, found):
    """Both claims against the means."""
    mean = {key: float(np.mean([x["test"] for x in runs])) for key, runs in found.items()}
    first, last = s.depths[0], s.depths[-1]
    rise = 100 * (mean["targets", last] - mean["targets", first])
    behind = 100 * (mean["targets", last] - mean["readout", last])
    return (
        f"from {first} to {last} layers accuracy changes by {rise:+.2f} points with errors from above; "
        f"at {last} layers readouts per layer are {behind:+.2f} points behind"
    )


def _best_rate(context, method, depth):
    tried = {
        rate: _trained(context, method, depth, rate, context.seed, ("validation",))["validation"]
        for rate in context.settings.trials
    }
    return max(tried, key=tried.get)


def _trained(context, method, depth, rate, seed, names=("validation", "test")) -> dict[str, float]:
    s = context.settings
    parts = seed_parts(context, seed)
    own = s.model_copy(update={"hidden": (s.size,) * depth, "circuit": method, "rate": rate})
    sim = calibrated(own, replace(Choice.of(context), seed=seed), parts)
    learned(context, sim, own, parts, f"{method} {depth}, rate {rate}")
    top = _top(sim, depth)
    return {
        name: accuracy(sim, evaluate(sim, getattr(parts, name))[0], getattr(parts, name).labels, [top])
        for name in names
    }


def _top(sim: Simulator, depth: int) -> str:
    """The readout of the top layer."""
    names = [layer.name for layer in sim.plan.layers]
    return next(x for x in (f"hidden{depth}.readout", "readout") if x in names)
