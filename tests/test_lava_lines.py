"""Exports of rules that run as lines: their numpy lines against the interpreter, then Lava's runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.conformance import random_case
from chipsim.data.events import Events
from chipsim.errors import LimitError, RunError, SettingError
from chipsim.lava.arithmetic.lines import Lines
from chipsim.lava.arithmetic.lines import Reach as Masks
from chipsim.lava.export import export_lava
from chipsim.lava.export_samples import export_samples
from chipsim.lava.lines import describe_lines
from chipsim.lava.verify import lava_python
from chipsim.microcode.interpret import run_section
from chipsim.microcode.program import SECTIONS
from chipsim.microcode.reach import Clock, Reach, Wiring, active_axons
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import Plan
from chipsim.simulator import Simulator
from chipsim.state import make_state

pytestmark = pytest.mark.one_python
RANDOM = np.random.default_rng(8)
HERE = Path(__file__).parent


def lava_here() -> str | None:
    """An interpreter with lava-nc, or None."""
    try:
        return lava_python()
    except SettingError:
        return None


PYTHON = lava_here()
needs_lava = pytest.mark.skipif(
    PYTHON is None, reason="needs lava-nc 0.10.0 (Python 3.10), here or named by CHIPSIM_LAVA_PYTHON"
)


def without_layers(program):
    """A bound program without registers of its layer and the lines that name one."""

    def free(line) -> bool:
        named = (line.target, line.a, line.b, line.when)
        return all(x is None or x.owner != "layer" or getattr(x, "source", "") == "reward" for x in named)

    registers = tuple(r for r in program.registers if r.owner != "layer")
    return replace(program, registers=registers, lines=tuple(x for x in program.lines if free(x)))


def filled(plan: Plan, c) -> dict:
    """A state of random numbers: registers, weights, neurons, and spikes on the axons in step 5."""
    state = make_state(plan)
    for r in c.program.registers:
        name = f"c{c.index}_w" if r.is_weight else f"c{c.index}_{'t' if r.temp else 'r'}_{r.name}"
        array = state[name]
        array[...] = RANDOM.integers(r.lo, r.hi + 1, array.shape)
        array[RANDOM.random(array.shape) < 0.3] = 0
    p = f"l{c.post}_"
    for name in ("v", "vc", "m"):
        if p + name in state:
            state[p + name][...] = RANDOM.integers(-100, 100, state[p + name].shape)
    state[p + "fired"][...] = RANDOM.integers(0, 2, state[p + "fired"].shape)
    slot = (5 - c.lookback) % plan.layers[c.pre].history
    for b in range(plan.contexts):
        axons = np.flatnonzero(RANDOM.random(c.n_pre) < 0.5)
        state[f"l{c.pre}_hist_n"][slot, b] = len(axons)
        state[f"l{c.pre}_hist"][slot, b, : len(axons)] = axons
        if c.graded:
            state[f"l{c.pre}_pay"][slot, b, : len(axons)] = RANDOM.integers(1, 9, len(axons))
    return state


def masks(plan: Plan, c, wiring: Wiring, section: str) -> tuple[Reach, Masks]:
    """The same random reach for the interpreter and for numpy."""
    reach, b = Reach(wiring), plan.contexts
    pre, post = RANDOM.random((b, c.n_pre)) < 0.7, RANDOM.random((b, c.n_post)) < 0.7
    if section == "on_membrane":
        pre[...] = False
    for k in range(b):
        if RANDOM.random() < 0.2:
            pre[k], post[k] = False, False
            continue
        axons, neurons = np.flatnonzero(pre[k]).tolist(), np.flatnonzero(post[k]).tolist()
        reach.add(k, axons, neurons, [j * c.n_post + i for j in axons for i in neurons])
    return reach, Masks(pre, post)


def inputs(plan: Plan, c, state: dict, reward: tuple[int, ...]) -> dict[str, np.ndarray]:
    """What the lines read beside registers, in step 5."""
    spikes = np.zeros((plan.contexts, c.n_pre), np.int64)
    for b in range(plan.contexts):
        for axon, payload in active_axons(plan, c, state, 5, b).items():
            spikes[b, axon] = payload
    p, none = f"l{c.post}_", np.zeros((plan.contexts, c.n_post), np.int64)
    return {
        "neuron.v": state[p + "vc"].astype(np.int64),
        "neuron.v_after": state[p + "v"].astype(np.int64),
        "post.spike": state[p + "fired"].astype(np.int64),
        "third_factor": state.get(p + "m", none).astype(np.int64),
        "pre.spike": spikes,
        "reward": np.array(reward),
    }


def compared(plan: Plan, c) -> int:
    """Every section of one rule, from one random state; the lines that ran."""
    c = replace(c, program=without_layers(c.program), noise=str(RANDOM.choice(["lane", "element"])))
    state, wiring = filled(plan, c), Wiring.of(c, make_state(plan))
    params = dict(zip((p.name for p in c.program.params), state[f"c{c.index}_params"].tolist(), strict=True))
    data = describe_lines(replace(c.program, accumulate="sum"), c.index, c.noise, params)
    lines = Lines(data, plan.contexts, c.n_pre, c.n_post, plan.seed)
    lines.thresholds = state[f"l{c.post}_thr"].astype(np.int64)
    lines.v_frac = plan.layers[c.post].v_fmt.frac
    arrays = {}
    for r in c.program.registers:
        arrays[r.name] = f"c{c.index}_w" if r.is_weight else f"c{c.index}_{'t' if r.temp else 'r'}_{r.name}"
        lines.values[r.name][...] = state[arrays[r.name]]
    ran = 0
    for section in SECTIONS:
        if not c.program.section(section):
            continue
        reach, masked = masks(plan, c, wiring, section)
        reward = tuple(RANDOM.integers(-128, 128, plan.contexts).tolist())
        number = int(RANDOM.integers(1, 2**40))
        given = inputs(plan, c, state, reward)
        for part in (7, 8) if section == "on_third_factor" else (0,):
            run_section(plan, c, state, section, reach, Clock(5, number, reward), part)
            lines.run(section, number, given, masked, part)
        for name, array in arrays.items():
            where = f"{section}, register {name} of\n{c.program.source}"
            assert np.array_equal(lines.values[name], state[array]), where
        ran += len(c.program.section(section))
    return ran


def test_numpy_lines_are_those_of_the_interpreter():
    """Random rules: all forms, roundings, sections, owners, one and several contexts."""
    ran = several = 0
    for seed in range(100):
        plan = random_case(seed).plan()
        for c in plan.connections:
            if c.program is not None and c.conv is None and not c.sparse:
                ran += compared(plan, c)
                several += plan.contexts > 1
    assert ran > 800 and several > 20


# ---------------------------------------------------------------- networks


def run(cache: Path, *arguments: str) -> dict[str, dict]:
    """What tests/lava_lines.py finds, by network; plain Python instead of compiled kernels."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache), "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, str(HERE / "lava_lines.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, done.stderr[-3000:]
    return {x.pop("name"): x for x in map(json.loads, done.stdout.splitlines())}


def test_the_manifest_says_what_is_custom_and_the_expectation_is_that_of_present(tmp_path):
    found = run(tmp_path, "tp_chip", "bell", "--no-run")
    tp, bell = found["tp_chip"], found["bell"]
    for made in (tp, bell):
        assert made["stock"] == ["RingBuffer"]
        assert list(made["custom"]) == ["ContextNeuron", "ProgramConnection"]
        assert made["differs"] == made["silent"] == []
        assert min(made["changed"].values()) > 0.05
    assert "a: 1 inputs against 3 channels of the classes" in tp["remarks"]
    assert (tp["steps"], tp["sample_steps"]) == (24, 6)
    assert sorted(tp["changed"]) == ["a->b", "b->out", "pixels->a"]  # labels->a is never written
    assert bell["history"] == {x: {"stored": ["psi", "s"], "steps": 6} for x in ("pixels->a", "a->b")}
    assert bell["remarks"][-1] == "a->b: stores psi, s of 6 steps, replayed at a sample's end"


def small(layer: dict | None = None, options: dict | None = None, **change: object) -> Simulator:
    """One layer that learns from its own error."""
    net = Network()
    net.source("pixels", 12)
    net.lif("a", 9, reset="hard", **(layer or {}))
    net.connect("pixels", "a", rule="delta", **change)
    net.error("a")
    return Simulator(net, load_chip("loihi2_lava"), load_rule, **{"engine": "lines", **(options or {})})


SPARSE = (np.arange(0, 37, 3), np.tile([0, 4, 8], 12))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sparse": SPARSE}, "missing synapses"),
        ({"layer": {"reset_every": (5, 0)}}, "reset_every"),
        ({"options": {"update": "error:0.1"}}, "error-triggered"),
        ({"options": {"engine": None}}, "engine sum_of_products"),
    ],
)
def test_what_has_no_process_is_refused(options, reason, tmp_path):
    with pytest.raises(LimitError, match=reason):
        export_samples(small(**options), Events.from_dense(np.zeros((2, 5, 12), np.int8)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lines_are_not_exported_as_one_piece(tmp_path):
    """Where products learn a rule of lines would look like a connection that does not."""
    with pytest.raises(LimitError, match="rules that run as lines"):
        export_lava(small(), Events.from_dense(np.zeros((1, 5, 12), np.int8)), tmp_path / "out")


def test_a_remainder_and_a_full_folder_are_refused(tmp_path):
    events = Events.from_dense(np.zeros((3, 5, 12), np.int8))
    with pytest.raises(SettingError, match="3 samples in 2 contexts"):
        export_samples(small(options={"contexts": 2}), events, tmp_path / "out")
    (tmp_path / "note").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        export_samples(small(), events, tmp_path)


@needs_lava
@pytest.mark.slow
def test_lava_computes_the_same(tmp_path):
    """Class channels, a batch; a replay of a final error, with graded inputs and a delay; other circuits."""
    for name, made in run(tmp_path, "tp_chip", "tp_batch", "bell_held", "mixed").items():
        assert made["result"] == "equal", (name, made["text"], made["stderr"])
        assert made["differs"] == [] and min(made["changed"].values()) > 0.05, name


@needs_lava
@pytest.mark.slow
def test_whatever_is_wrong_is_told_with_its_place(tmp_path):
    """A flipped bit in the lowest layer, a crash in a connection, a third factor that is not sent again."""
    wrong = ("weights of pixels->a", "model of pixels->a crashes", "no replayed factor")
    made = run(tmp_path, "bell", "--faults", *wrong)["bell"]
    assert made["result"] == "equal", made["text"]
    assert [x["result"] for x in made["faults"]] == ["damaged", "different", "out of time", "crashed"]
    assert [x["missed"] for x in made["faults"]] == [""] * 4, made["faults"]
