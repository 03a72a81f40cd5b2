"""The generated kernel equals the definition on random product programs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.compile.build import generate, make_scratch
from chipsim.compile.product_nest import lane_of
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.state import make_state

HERE = Path(__file__).parent
DONE, DRAWS, SATURATED, ZERO, CHANGED = 0, 2, 3, 5, 6


def printed(script: str, *arguments: object, cache: Path, **environment: str) -> str:
    """Run a script of this folder in a process of its own; what it prints."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache), **environment}
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def counters(seeds: Iterable[int], cache: Path, **environment: str) -> np.ndarray:
    """The summed counters of random cases on which both back ends agree."""
    return np.array(printed("products_random.py", *seeds, cache=cache, **environment).split(), int)


def test_forty_random_programs_in_plain_python(tmp_path):
    """Lanes are checked here: a value that left its 32 bits would raise."""
    total = counters(range(1, 41), tmp_path, NUMBA_DISABLE_JIT="1")
    assert (total[[DONE, DRAWS, SATURATED, ZERO, CHANGED]] > 1000).all()


@pytest.mark.one_python
def test_programs_in_whose_steps_few_columns_are_left(tmp_path):
    """Every fifth random case has 64 neurons and products with a factor per neuron."""
    total = counters(range(60, 160, 5), tmp_path, NUMBA_DISABLE_JIT="1")
    assert (total[[DONE, DRAWS, SATURATED, ZERO, CHANGED]] > 1000).all()


@pytest.mark.one_python
def test_counts_of_long_rows(tmp_path):
    """A row of 600 neurons and several products has more products than a count of ten bits holds."""
    total = counters((1001, 1015, 1020, 1045), tmp_path, NUMBA_DISABLE_JIT="1")
    assert (total[[DONE, CHANGED]] > 10_000).all()


@pytest.mark.one_python
@pytest.mark.slow
def test_counts_of_rows_beyond_15_bits(tmp_path):
    """Two counts of 16 bits do not hold a row of 33,000 neurons: such kernels count each for itself."""
    total = counters((2020,), tmp_path)
    assert total[DONE] > 33_000 and total[CHANGED] > 33_000


@pytest.mark.one_python
@pytest.mark.slow
def test_random_programs_compiled(tmp_path):
    total = counters((41, 42, 43, 60, 105), tmp_path)
    assert (total[[DONE, CHANGED]] > 100).all()


def decolle_source(**options) -> tuple[str, object]:
    net = Network()
    net.source("in", 3)
    net.lif("h", 2, reset="hard")
    net.connect("in", "h", rule="decolle")
    net.readout("h", 2)
    bound = plan(net, load_chip("loihi2"), load_rule)
    return generate(bound, sorted([*make_state(bound), *make_scratch(bound)]), **options), bound


def test_a_silent_step_skips_the_section():
    """The rows stand below the test of the columns, in 32-bit lanes."""
    source, bound = decolle_source()
    text = source[source.index("def decolle_on_products(") :]
    assert lane_of(bound.connections[0].program) == "i32"
    assert text.index("if live_0 + live_1 > 0:") < text.index("for j in range(n_pre):")
    assert "i64(column" not in text


def test_the_twin_sums_in_float():
    text = decolle_source(twin=True)[0]
    text = text[text.index("def decolle_on_products(") :]
    assert "prod_f64" in text and "words_0" not in text and "min(max(new_0, -1.0), 0.9921875)" in text


def test_lowering_changes_nothing_but_rounding(tmp_path):
    """With amplitudes that the engine holds, lowered and unlowered rules have the same float twin:
    every product reads what its line read, coincident spikes included."""
    rows = printed("products_twin.py", cache=tmp_path, NUMBA_DISABLE_JIT="1").split("\n")[:-1]
    assert [row.split()[0] for row in rows] == ["decolle", "decolle", "stdp_pair", "stdp_triplet"]
    for row in rows:
        difference, change = map(float, row.split()[1:])
        assert difference < 1e-12 and change > 0.1
