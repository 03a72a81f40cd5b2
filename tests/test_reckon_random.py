"""ReckOn: the compiled core equals the interpreter, bit for bit, on random networks and registers."""

from __future__ import annotations

import random

import pytest
from reckon_random import configuration, lines, operations, prepared

from chipsim.conformance.compare import copy_state, difference
from chipsim.conformance.reckon_cases import Bench
from chipsim.state_reckon import ENGINE_COUNTS

pytestmark = pytest.mark.one_python
CASES, CHUNK = 40, 10


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
