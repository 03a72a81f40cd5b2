"""ReckOn: the compiled core equals the interpreter, bit for bit, on random networks and registers.

Any registers over their ranges, sizes (odd ones too), quirks, memories full of noise, random bus operations.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.conformance.compare import copy_state, difference
from chipsim.conformance.reckon_cases import Bench, network
from chipsim.microcode.syntax import load_rule
from chipsim.plan import plan
from chipsim.reckon.registers import RANGES, RESET_SEEDS
from chipsim.state import make_state
from chipsim.state_reckon import ENGINE_COUNTS

pytestmark = pytest.mark.one_python
CASES, CHUNK = 40, 10
QUIET = {"SEND_PER_TIMESTEP": 0, "NOISE_EN": 0, "FORCE_TRACES": 0}


def configuration(rng: random.Random, largest: int = 24) -> dict[str, int]:
    """Registers over their full ranges, the rare modes in a third of the cases."""
    config = {name: rng.randint(lo, hi) for name, (lo, hi) in RANGES.items()}
    for name in QUIET:
        config[name] = int(rng.random() < 0.33)
    for name in RESET_SEEDS:
        config[name] = config[name] or 1
    config["NUM_INP_NEUR"] = rng.randint(1, largest)
    config["NUM_REC_NEUR"] = rng.randint(1, largest)
    config["NUM_OUT_NEUR"] = rng.randint(0, 15)
    config["DO_EPROP"] = rng.choice((7, 7, 7, 4, 1, 2, 3, 5, 6, 0))
    config["KAPPA"] = rng.choice((0x80, config["KAPPA"], rng.randint(100, 127)))
    config["THR_H_0"], config["THR_H_1"], config["THR_H_2"], config["THR_H_3"] = sorted(
        rng.randint(-4000, 4000) for _ in range(4)
    )
    for name in ("WINP", "WREC", "WOUT"):
        config[f"LR_P_{name}"], config[f"LR_R_{name}"] = rng.randint(0, 24), rng.choice((0, 0, 3))
    config["REGUL_MODE"] = rng.choice((0, 0, 1, 2, 3, 4, 6, 7))
    config["REGUL_F0"] = rng.choice((0, 5, 40, 300))
    return config


def prepared(rng: random.Random, config: dict[str, int]) -> tuple:
    """The plan, and a state whose memories hold random words."""
    made = plan(network(config), load_chip("reckon"), load_rule, fixed=config)
    state = make_state(made)
    numbers = np.random.default_rng(rng.getrandbits(32))
    for name in ("f_winp", "f_wrec", "f_wout"):
        state[name][...] = np.clip(numbers.normal(0, 50, state[name].shape), -128, 127)
    for k, c in enumerate(made.reckon.connections):
        w = state[f"c{c}_w"]
        w[...] = state[("f_winp", "f_wrec", "f_wout")[k]][: w.shape[0], : w.shape[1]]
    words = made.reckon.words
    state["f_thr"][:] = numbers.choice((-50, 0, 400, 1500, 4000, 20000), words)
    state["f_alpha"][:] = numbers.choice((0x8000, 0x8100, 0x7FF0, 0x7C00, 0x7000, 0x8FFF), words)
    for name, top in (("f_u", 3000), ("f_ti", 4095), ("f_tr", 4095), ("f_to", 1023)):
        state[name][:] = numbers.integers(-3000 if name == "f_u" else 0, top, 2 * words)
    return made, state


def operations(rng: random.Random, config: dict[str, int], ticks: int = 10) -> list[tuple[int, int]]:
    """Two samples of random events, targets and switches."""
    rows = max(config["NUM_INP_NEUR"], config["NUM_REC_NEUR"]) + 1
    ops: list[tuple[int, int]] = []
    for _ in range(2):
        ops.append((3, 1))
        for tick in range(ticks + 1):
            ops += [(0, rng.randrange(rows)) for _ in range(rng.choice((0, 1, 2, 5)))]
            ops += [(rng.choice((4, 5)), rng.randrange(2)) for _ in range(rng.choice((0, 0, 1, 2)))]
            ops += [(3, 0)] * (tick == ticks) + [(2, 0), (9, 0)]
    return ops


def lines(bench: Bench, rng: random.Random, ops: list[tuple[int, int]]) -> list[str]:
    """Everything the bench prints; what a tick waits for (targets, outputs) is given. Operation 9 stands
    for it."""
    made: list[str] = []
    for kind, value in ops:
        if kind != 9:
            made += [line() for _, line in bench.run(kind, value)]
            continue
        while bench.phase in (4, 7):
            kinds = [(1, rng.randrange(256)), (11, 0)] if bench.phase == 4 else [(10, 0), (11, 0)]
            for waiting in kinds:
                made += [line() for _, line in bench.run(*waiting)]
    return made + [line() for _, line in bench.run(6, 0)]


def both(seed: int) -> tuple[dict, dict, list[str], list[str]]:
    rng = random.Random(seed)
    config = configuration(rng)
    made, state = prepared(rng, config)
    other, ops, targets = copy_state(state), operations(rng, config), rng.getrandbits(32)
    slow = lines(Bench(made, state, False, [0] * 128), random.Random(targets), ops)
    fast = lines(Bench(made, other, True, [0] * 128), random.Random(targets), ops)
    return state, other, slow, fast


@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_random_cases(first):
    learned = 0
    for seed in range(first, first + CHUNK):
        state, other, slow, fast = both(seed)
        wrong = [pair for pair in zip(slow, fast, strict=True) if pair[0] != pair[1]]
        assert not wrong, f"case {seed}: interpreter {wrong[0][0]}; kernels {wrong[0][1]}"
        assert difference(state, other) == "", f"case {seed}"
        learned += state["f_matrix_stat"][:, 4].sum() > 0
        assert state["f_stat"][ENGINE_COUNTS.index("steps")] == 22 - 2
    assert learned >= CHUNK / 2  # cases whose weights have changed
