"""chipsim beside Lava's own ProcessModels: a part of what `tests/lava_fuzz.py` runs in full."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LAVA = importlib.util.find_spec("lava") is not None
needs_lava = pytest.mark.skipif(not LAVA, reason="needs lava-nc 0.10.0 (Python 3.10, extra 'lava')")


def fuzz(*arguments: object, cache: Path, jit: bool = False) -> str:
    """What the fuzz script prints."""
    return printed("lava_fuzz.py", *arguments, "kernels", cache=cache, jit=jit)


def printed(script: str, *arguments: object, cache: Path, jit: bool = False) -> str:
    """What a script prints, run in a process of its own; plain Python checks the kernels' lanes."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    environment |= {"PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache)}
    environment |= {} if jit else {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@needs_lava
@pytest.mark.slow
def test_neurons_are_those_of_lava(tmp_path):
    """LIF and LIFReset: spikes, u and v of every step."""
    assert "300 neurons, 18000 steps: identical" in fuzz("neurons", 0, 300, cache=tmp_path)


@needs_lava
@pytest.mark.slow
def test_connections_are_those_of_lava(tmp_path):
    """Dense and DelayDense: what arrives in every step."""
    assert "160 connections, 9600 steps: identical" in fuzz("connections", 0, 160, cache=tmp_path)


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 120, 1150])
def test_rules_are_those_of_lava(first, tmp_path):
    """LearningDense: weights, tags, traces and deliveries of every step."""
    assert "120 rules, 2880 steps: identical" in fuzz("rules", first, first + 120, cache=tmp_path)


@needs_lava
@pytest.mark.slow
def test_compiled_kernels_are_those_of_lava(tmp_path):
    assert "2 rules, 48 steps: identical" in fuzz("rules", 4, 6, cache=tmp_path, jit=True)


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize("names", [("pair", "tagged", "decolle"), ("reward", "transport", "broadcast")])
def test_networks_on_the_full_runtime(names, tmp_path):
    """Stock and custom processes, every spike of 200 steps and the final weights."""
    told = printed("lava_networks.py", *names, "--steps", 200, cache=tmp_path)
    assert [f"{name}: equal" in told for name in names] == [True] * 3, told


@needs_lava
@pytest.mark.slow
def test_a_trained_network_on_digits(tmp_path):
    """FELL in the synapses' tags on stock processes: every layer spikes in every sample, weights change,
    Lava computes the same."""
    told = printed("lava_exports.py", "fell_step_fixed", cache=tmp_path, jit=True)
    assert "fell_step_fixed: equal" in told


@pytest.mark.one_python
@pytest.mark.slow
def test_interpreter_and_kernels_agree_without_lava(tmp_path):
    """The same rules, both back ends of chipsim alone."""
    assert "40 backends, 960 steps: identical" in fuzz("backends", 0, 40, cache=tmp_path)
