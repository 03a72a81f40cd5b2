"""chipsim beside Lava 0.10.0 on one plastic layer: 784 inputs at 5 %, 400 LIF, the same rule.

Lava's rule string `2^-2*x1*y0 - 2^-2*y1*x0` reads into rules/lava_pair.rule one to one and runs on
chip loihi2's sum-of-products engine; `lines` runs rules/stdp_pair.rule for orientation. Both sides
get the same input and the same forced spikes. Start-up (import, build, compilation, the first
steps) is excluded on both sides: each runs some steps before the clock starts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

N_IN, N, SEED = 784, 400, 6
RULE = "2^-2*x1*y0 - 2^-2*y1*x0"
SHORT, LONG = 20, 120  # Lava's steps
LIMIT_S = 240


def inputs(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Input spikes at 5 % and forced spikes at 2 %, bool[steps, n]."""
    rng = np.random.default_rng(SEED)
    return rng.random((steps, N_IN)) < 0.05, rng.random((steps, N)) < 0.02


def ours(rule: str, steps: int = 4000) -> float:
    """Steps per second of chipsim (counting on)."""
    from workloads import FORCE, RANGE, SEED, THRESHOLD

    from chipsim.chip import load_chip
    from chipsim.compile.run import Kernels, compiled_steps
    from chipsim.data.events import Events
    from chipsim.microcode.syntax import load_rule
    from chipsim.network import Network
    from chipsim.plan import plan
    from chipsim.state import make_state

    net = Network()
    net.source("in", N_IN)
    net.lif("h", N, tau_v_ms=20, threshold=THRESHOLD, reset="hard")
    net.connect("in", "h", rule=rule)
    net.source("force", N)
    one_to_one = (np.arange(N + 1), np.arange(N))
    net.connect("force", "h", weights=np.full(N, FORCE), sparse=one_to_one, w_range=RANGE)
    chip = load_chip("ideal" if rule == "stdp_pair" else "loihi2")
    p = plan(net, chip, load_rule, seed=SEED)
    state = make_state(p)
    kernels = Kernels(p, state)
    spikes, forced = inputs(steps)
    events = {"in": Events.from_dense(spikes[None]), "force": Events.from_dense(forced[None])}
    compiled_steps(p, state, events, start=0, stop=SHORT, kernels=kernels)
    begin = time.perf_counter()
    compiled_steps(p, state, events, start=SHORT, stop=steps, kernels=kernels)
    return (steps - SHORT) / (time.perf_counter() - begin)


def theirs() -> float | None:
    """Steps per second of Lava in a child process; None where it is not installed or hangs."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__)), "child"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = child.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        out = ""
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)  # Lava's own processes are children of the child
        except ProcessLookupError:
            pass
    lines = [x for x in out.splitlines() if x.startswith("{")]
    return json.loads(lines[-1])["steps_per_s"] if lines else None


def _lava() -> None:
    """The child: build the network, run SHORT and LONG steps, print the steps per second."""
    from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense, LearningDense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF

    spikes, forced = inputs(SHORT + LONG)
    rule = Loihi2FLearningRule(
        dw=RULE, x1_impulse=16, x1_tau=20, y1_impulse=16, y1_tau=20, t_epoch=1, rng_seed=SEED
    )
    rng = np.random.default_rng(SEED)
    source = RingBuffer(data=spikes.T.astype(np.int64))
    force = RingBuffer(data=forced.T.astype(np.int64))
    plastic = LearningDense(weights=2 * rng.integers(-16, 16, (N, N_IN)), learning_rule=rule)
    strong = Dense(weights=254 * np.eye(N, dtype=np.int64), weight_exp=6)
    neurons = LIF(shape=(N,), vth=12000, du=4095, dv=205, bias_mant=0)
    source.s_out.connect(plastic.s_in)
    force.s_out.connect(strong.s_in)
    plastic.a_out.connect(neurons.a_in)
    strong.a_out.connect(neurons.a_in)
    neurons.s_out.connect(plastic.s_in_bap)
    for steps in (SHORT, LONG):
        begin = time.perf_counter()
        neurons.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        seconds = time.perf_counter() - begin
    neurons.stop()
    print(json.dumps({"steps_per_s": LONG / seconds}), flush=True)


def rows() -> list[dict]:
    """Steps per second of both sides, one dict per rule of ours."""
    lava = theirs()
    found = []
    here = str(Path(__file__).parent / "rules" / "lava_pair.rule")
    for label, rule in (("sum of products, the same rule", here), ("lines, stdp_pair", "stdp_pair")):
        rate = ours(rule)
        times = None if lava is None else rate / lava
        found.append(
            {"workload": "lava", "rule": label, "chipsim_steps_s": rate, "lava_steps_s": lava, "times": times}
        )
    return found


if __name__ == "__main__" and sys.argv[1:] == ["child"]:
    sys.path.pop(0)  # this file's folder: `lava` must mean the package
    _lava()
