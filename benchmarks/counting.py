"""What counting costs: the same kernels compiled with counters on and off, in one run, as a ratio.

    python benchmarks/counting.py [NAME ...] [--pairs 15] [--json]

Both are compiled from one plan, start from the same state and work on the same arrays, because where an array
lies in memory moves times by some percent. They take turns, and the least CPU time of each counts, so that
other work on the machine falls out. Their weights and spikes must be equal. Status 1 if they differ, or if a
ratio is above 1.15.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))  # a bare checkout

import numpy as np  # noqa: E402
import workloads  # noqa: E402

from chipsim.chip import load_chip  # noqa: E402
from chipsim.compile.run import Kernels, compiled_present, compiled_steps  # noqa: E402
from chipsim.data.builtin import digits  # noqa: E402
from chipsim.data.encode import Encoder  # noqa: E402
from chipsim.data.events import Events  # noqa: E402
from chipsim.data.images import Images  # noqa: E402
from chipsim.data.samples import Encoded  # noqa: E402
from chipsim.library import find  # noqa: E402
from chipsim.microcode.syntax import load_rule, parse_rule  # noqa: E402
from chipsim.network import Network  # noqa: E402
from chipsim.plan import Plan, Update, plan  # noqa: E402
from chipsim.stacks import Choice, StackSettings, calibrate, for_samples  # noqa: E402
from chipsim.state import State, make_state  # noqa: E402

BAR = 1.15
SAMPLES, STEPS = 200, 20
LAVA = {"reset": "hard", "weight.bits": 9}  # what that machine does


@dataclass
class Case:
    """A plan with its start and its work: samples one after the other, or `steps` of one sample."""

    plan: Plan
    state: State
    events: dict[str, Events]
    labels: np.ndarray | None
    learn: bool = True
    steps: int = 0


def _case(images: Images, rule: str, chip: str, update: str, learn: bool, **options: Any) -> Case:
    """A calibrated stack 256-128 on these images."""
    settings = StackSettings(update=update, **options)
    samples = Encoded(images, Encoder(kind="regular", steps=STEPS, max_rate=0.5, seed=1))
    sim = for_samples(settings, Choice(rule, chip), samples)
    calibrate(sim, settings, samples)
    return Case(sim.plan, sim.state, {"pixels": samples.events()}, images.labels, learn)


def mnist(rule: str, update: str = "end", learn: bool = True) -> Callable[[], Case]:
    """784-256-128 under a rule, 200 random images of which 19 % is lit."""

    def made() -> Case:
        rng = np.random.default_rng(6)
        lit = rng.random((SAMPLES, 784)) < 0.19
        pixels = np.where(lit, rng.integers(1, 256, lit.shape), 0).astype(np.uint8)
        labels = rng.integers(0, 10, SAMPLES).astype(np.int32)
        return _case(Images("random", pixels, labels, (28, 28), 255, 10), rule, "ideal", update, learn)

    return made


def small(rule: str, chip: str, update: str = "end", **options: Any) -> Callable[[], Case]:
    """64-256-128 under a rule, 200 of scikit-learn's digits."""
    return lambda: _case(digits().take(np.arange(SAMPLES)), rule, chip, update, True, **options)


def stream(make: Callable[[], workloads.Workload]) -> Callable[[], Case]:
    """One of the workloads that run on without a reset."""

    def made() -> Case:
        w = make()
        return Case(w.plan, w.state, w.events, w.labels, w.learn, w.steps)

    return made


def convolution(rule: str) -> Callable[[], Case]:
    """28x28 behind 8 channels of 5x5 under a rule, its readout and circuit; 50 random images."""

    def made() -> Case:
        rng = np.random.default_rng(6)
        lit = rng.random((50, 1, 784)) * 0.5 * (rng.random((50, 1, 784)) < 0.19)
        spikes = (rng.random((50, STEPS, 784)) < lit).astype(np.int8)
        net = Network()
        net.source("pixels", (28, 28, 1))
        net.lif("map", (24, 24, 8), threshold=0.5)
        net.conv("pixels", "map", 5, rule=rule)
        net.readout("map", 10)
        bound = plan(net, load_chip("ideal"), load_rule, seed=5, update=Update("end"))
        labels = rng.integers(0, 10, 50).astype(np.int32)
        return Case(bound, make_state(bound), {"pixels": Events.from_dense(spikes)}, labels)

    return made


def to_nearest() -> workloads.Workload:
    """The first workload with weights that are rounded to nearest."""
    text = find("rule", "stdp_pair").read_text(encoding="utf-8")
    drawn = "weight  round=stochastic"
    assert drawn in text
    rule = parse_rule(text.replace(drawn, "weight  round=nearest"), "stdp_pair")
    return workloads.w1({"stdp_pair": rule})


CASES: dict[str, tuple[str, Callable[[], Case]]] = {
    "stdp": ("784-400, stdp_pair, 1000 steps", stream(workloads.w1)),
    "stdp-nearest": ("784-400, stdp_pair, weights rounded to nearest, 1000 steps", stream(to_nearest)),
    "inference": ("1024-1024-1024-10, no learning, 1000 steps", stream(workloads.w2)),
    "sparse": ("10,000 recurrent, 100 synapses each, stdp_pair", stream(workloads.w3)),
    "decolle": ("784-256-128, decolle, one update per sample", mnist("decolle")),
    "decolle-step": ("784-256-128, decolle, an update in every step", mnist("decolle", "step")),
    "decolle-test": ("784-256-128, decolle, inference only", mnist("decolle", learn=False)),
    "s_tllr_chip": ("784-256-128, s_tllr_chip, one update per sample", mnist("s_tllr_chip")),
    "eprop": ("784-256-128, eprop, a tag per synapse in every step", mnist("eprop")),
    "digits": ("64-256-128, decolle, one update per sample", small("decolle", "ideal")),
    "digits-loihi2": ("64-256-128, decolle as products on loihi2", small("decolle", "loihi2")),
    "digits-lava": (
        "64-256-128, decolle on loihi2_lava, in every step",
        small("decolle", "loihi2_lava", "step", **LAVA),
    ),
    "conv": ("28x28, 8 channels of 5x5, decolle, one update per sample", convolution("decolle")),
    "digits-step": ("64-256-128, ell_chip, an update in every step", small("ell_chip", "ideal", "step")),
}


class Side:
    """One of the two kernels; the arrays that both work on are restored before every run."""

    def __init__(self, case: Case, counting: bool, state: State, scratch: State | None = None):
        self.case, self.best, self.state = case, float("inf"), state
        self.kernels = Kernels(case.plan, state, counting=counting)
        if scratch is not None:
            self.kernels.scratch = scratch
        self.run()  # compiles

    def run(self) -> float:
        """CPU seconds of one run; `best` holds the least."""
        for name, array in self.state.items():
            array[...] = self.case.state[name]
        x = self.case
        given, options = (x.plan, self.state, x.events), {"learn": x.learn, "kernels": self.kernels}
        begin = time.process_time()
        if x.steps:
            compiled_steps(*given, start=0, stop=x.steps, labels=x.labels, **options)
        else:
            compiled_present(*given, x.labels, **options)
        return time.process_time() - begin


def differences(on: State, off: State) -> list[str]:
    """State arrays in which the two differ, counters apart."""
    counters = ("_stat", "_lines")
    return [k for k in on if not k.endswith(counters) and not np.array_equal(on[k], off[k])]


def measure(name: str, pairs: int) -> dict:
    """One case, the two sides in turns."""
    what, make = CASES[name]
    case = make()
    state = {k: v.copy() for k, v in case.state.items()}
    off = Side(case, False, state)
    on = Side(case, True, state, off.kernels.scratch)
    for k in range(pairs):
        for side in (off, on) if k % 2 else (on, off):
            side.best = min(side.best, side.run())
    off.run()
    uncounted = {k: v.copy() for k, v in state.items()}
    on.run()
    different = differences(state, uncounted)
    ratio = on.best / off.best
    return {
        "case": name,
        "what": what,
        "off_ms": 1e3 * off.best,
        "on_ms": 1e3 * on.best,
        "ratio": ratio,
        "bar": BAR,
        "different": different,
        "ok": not different and ratio <= BAR,
    }


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="what counting costs")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(CASES)}")
    parser.add_argument("--pairs", type=int, default=15, help="turns of each side (default 15)")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    given = parser.parse_args()
    unknown = [x for x in given.names if x not in CASES]
    if unknown:
        parser.error(f"unknown {', '.join(unknown)}; choose from {', '.join(CASES)}")
    if not given.json:
        print("least CPU time in ms     off       on    ratio")
    good = True
    for name in given.names or CASES:
        row = measure(name, given.pairs)
        good &= row["ok"]
        said = "" if row["ok"] else f"  NOT: {', '.join(row['different']) or f'above {BAR}'}"
        text = f"{name:<18} {row['off_ms']:9.2f} {row['on_ms']:8.2f} {row['ratio']:8.3f}{said}  {row['what']}"
        print(json.dumps(row) if given.json else text, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
