"""Script: the twin of the open loop equals the float twin's kernels on every rule that runs lines.

Each rule learns on a small network in float64; its spikes, membranes and third factors are recorded and
walked through again in the open loop. Prints `rule: largest relative difference, weight change`.
Run with NUMBA_DISABLE_JIT=1: a kernel per rule would take long to compile.
"""

from __future__ import annotations

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import Kernels, compiled_steps
from chipsim.data.events import Events
from chipsim.float_twin import real_state
from chipsim.library import entries
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.open_loop.inputs import Inputs
from chipsim.open_loop.measure import small_use
from chipsim.open_loop.walk import Walk
from chipsim.plan import plan
from chipsim.state import make_state

STEPS = 25


def case(rule: str, seed: int):
    """A plan with the rule between 6 axons and 5 neurons, and its events, labels and rewards."""
    net = Network()
    net.source("in", 6)
    net.lif("h", 5, tau_v_ms=8, threshold=0.4)
    net.connect("in", "h", rule=rule, spread=0.9)
    if rule.startswith("r_stdp"):
        net.reward("h")
    else:
        net.readout("h", 3)
    rng = np.random.default_rng(seed)
    events = Events.from_dense((rng.random((1, STEPS, 6)) < 0.3).astype(np.int8))
    rewards = rng.integers(-32, 32, (1, STEPS)) if rule.startswith("r_stdp") else None
    return plan(net, load_chip("ideal"), load_rule, seed=seed), events, rewards


def record(steps, state: dict, names=("vc", "v", "fired", "m")) -> dict[str, np.ndarray]:
    """Run steps(t) for t = 1..STEPS and keep the layer's arrays after each: name -> [1, STEPS, 5]."""
    rows: dict[str, list] = {name: [] for name in names}
    for t in range(1, STEPS + 1):
        steps(t)
        for name in names:
            key = f"l1_{name}"
            rows[name].append(state[key][0].copy() if key in state else np.zeros(5))
    return {name: np.array(x)[None] for name, x in rows.items()}


def inputs_of(seen: dict, dense: np.ndarray, reward, threshold) -> Inputs:
    """The recording as inputs of the open loop."""
    return Inputs(dense, seen["vc"], seen["v"], seen["fired"], seen["m"], reward, threshold)


def compare(rule: str, seed: int = 3) -> tuple[float, float]:
    """(largest difference of registers relative to their LSB, largest change of a weight)."""
    bound, events, rewards = case(rule, seed)
    state = real_state(bound, make_state(bound))
    c = bound.connections[0]
    before = state["c0_w"].copy()
    kernels = Kernels(bound, state, twin=True)
    labels = np.array([1])

    def step(t: int) -> None:
        compiled_steps(
            bound, state, events, start=t - 1, stop=t, labels=labels, rewards=rewards, kernels=kernels
        )

    seen = record(step, state)
    reward = np.zeros((1, STEPS)) if rewards is None else rewards / 16
    real = inputs_of(seen, events.to_dense().astype(np.int64), reward, 0.0)
    raw = inputs_of(
        {k: np.sign(x).astype(np.int64) for k, x in seen.items()}, real.pre, np.sign(reward).astype(int), 0
    )
    raw.threshold = int(make_state(bound)["l1_thr"][0])
    use = small_use(load_chip("ideal"), v=bound.layers[1].v_fmt)
    start = np.rint(before / float(c.weight.lsb)).astype(np.int64)
    walk = Walk(c.program, use, raw, [seed], start, real)
    walk.run()
    worst = 0.0
    for r in c.program.registers:
        if not r.temp:
            found = state["c0_w" if r.is_weight else f"c0_r_{r.name}"]
            gap = abs(walk.real[r.name].reshape(-1) - found.reshape(-1)).max() / float(r.fmt.lsb)
            worst = max(worst, float(gap))
    return worst, float(abs(state["c0_w"] - before).max())


if __name__ == "__main__":
    for name in entries("rule"):
        if not any(x.section in ("on_replay", "on_sample_end") for x in load_rule(name).lines):
            print(name, *compare(name))
