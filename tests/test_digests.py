"""The same digests on every Python and numpy, with and without JIT, threads, and a stop in the middle."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from chipsim.data.builtin import drawn
from chipsim.data.encode import Encoder, encode
from chipsim.reference import reference_present
from chipsim.reference_circuits import EXP16
from chipsim.state import digest, make_state

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden" / "digests.json").read_text(encoding="utf-8"))
POPULATIONS = "two populations, 8 contexts"


def script():
    """tests/golden_digests.py as a module."""
    spec = importlib.util.spec_from_file_location("golden_digests", HERE / "golden_digests.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def child(cache: Path, *arguments: object, **environment: str) -> dict[str, str]:
    """The digests that tests/golden_digests.py prints in a process of its own."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    clean = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    run = subprocess.run(
        [sys.executable, str(HERE / "golden_digests.py"), *map(str, arguments)],
        env={**clean, "PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_every_case_has_its_own_digest():
    assert set(GOLDEN) == {"softmax table", *script().CASES}
    assert len(set(GOLDEN.values())) == len(GOLDEN)


def test_in_plain_python(tmp_path):
    assert child(tmp_path, NUMBA_DISABLE_JIT="1") == GOLDEN


def test_stopped_in_the_middle(tmp_path):
    """Half the data, a snapshot through a file into a new simulator, the other half."""
    assert child(tmp_path, "--halves", tmp_path, NUMBA_DISABLE_JIT="1") == GOLDEN


@pytest.mark.slow
def test_compiled(tmp_path):
    assert child(tmp_path, NUMBA_NUM_THREADS="2") == GOLDEN


def test_the_interpreter_gives_them_too():
    sim, _ = script().CASES[POPULATIONS]()
    train = drawn(32, seed=3)
    events = encode(train, Encoder("rate", steps=8, seed=3))
    state = make_state(sim.plan)
    reference_present(sim.plan, state, events, train.labels)
    assert digest(state) == GOLDEN[POPULATIONS]


def test_contexts_without_a_sample_count_nothing():
    """Five samples in 8 contexts and in one: the same counters, since evaluation learns nothing."""
    events = encode(drawn(5, seed=4), Encoder("rate", steps=6, seed=4))
    counted = []
    for contexts in (8, 1):
        sim, _ = script().populations(contexts)
        reference_present(sim.plan, sim.state, events, None, learn=False)
        counted.append({k: v.tolist() for k, v in sim.state.items() if k.endswith("_stat")})
    assert counted[0] == counted[1]


# ---------------------------------------------------------------- threads


@pytest.mark.slow
def test_one_two_and_three_threads():
    """Evaluation divides the samples among its threads; 8 contexts learn in one thread, also while
    another simulator of the same kernels learns in a second one."""
    sim, learn = script().CASES[POPULATIONS]()
    other = script().CASES[POPULATIONS]()[0]
    events = encode(drawn(21, seed=4), Encoder("rate", steps=8, seed=4))
    outputs, counters = sim.evaluate(events)
    assert any(counts.any() for counts in outputs["counts"].values())
    for threads in (2, 3):
        again, counted = sim.evaluate(events, threads=threads)
        for what in outputs:
            for name in outputs[what]:
                np.testing.assert_array_equal(outputs[what][name], again[what][name])
        assert {k: v.tolist() for k, v in counters.items()} == {k: v.tolist() for k, v in counted.items()}
    with ThreadPoolExecutor(2) as pool:
        for part in (0, 1):
            list(pool.map(lambda s: learn(s, part), (sim, other)))  # noqa: B023
    assert sim.digest() == other.digest() == GOLDEN[POPULATIONS]


# ---------------------------------------------------------------- floats that become integers


def test_folded_exponentials_are_far_from_a_tie():
    """An error of some units in the last place of exp, as libraries differ, changes no integer."""
    for i in range(256):
        exact = 65535 * math.exp(-i / 16) + 0.5
        assert math.floor(exact * (1 + 1e-12)) == math.floor(exact * (1 - 1e-12)) == EXP16[i]
    for tau in (1, 2, 3, 4, 5, 7, 8, 10, 12, 16.8, 20, 33, 33.7, 50, 100, 101, 125, 1000):
        exact = 4096 * math.exp(-1 / tau)
        assert round(exact * (1 + 1e-12)) == round(exact * (1 - 1e-12))
