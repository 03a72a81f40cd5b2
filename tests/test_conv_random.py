"""Interpreter equals kernels on random convolutional networks and rules, bit for bit.

A failure names its case: `python tests/conv_random.py N N+1` runs it alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EVENTS = ("done", "skipped", "draws", "saturated", "wrapped", "rounded_to_zero", "changed")


RULES = "bell dalton decolle ell ell_chip eprop fell_trace s_tllr s_tllr_chip sdsp stdp_pair tp".split()


def worker(cache: Path, *arguments: object, jit: bool = False) -> dict:
    """What tests/conv_random.py finds, run in a process of its own."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    environment |= {"PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache)}
    environment |= {} if jit else {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, str(HERE / "conv_random.py"), *map(str, arguments)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_random_convolutions_in_plain_python(tmp_path):
    """The cases saturate, wrap, draw, skip, and send third factors down."""
    found = worker(tmp_path, 0, 16)
    assert found["differences"] == [] and found["cases"] == 16
    assert all(found[name] > 100 for name in (*EVENTS, "transported", "unpooled"))


@pytest.mark.one_python
def test_shipped_rules_in_plain_python(tmp_path):
    """Rules written for dense layers learn shared weights as they are."""
    found = worker(tmp_path, *RULES)
    assert found["differences"] == [] and found["idle"] == [] and found["cases"] == len(RULES)


@pytest.mark.one_python
@pytest.mark.slow
@pytest.mark.parametrize("first", [16, 56])
def test_more_random_convolutions(first, tmp_path):
    assert worker(tmp_path, first, first + 40)["differences"] == []


@pytest.mark.one_python
@pytest.mark.slow
@pytest.mark.parametrize("case", [2, 5, 9])
def test_random_convolutions_compiled(case, tmp_path):
    assert worker(tmp_path, case, case + 1, jit=True)["differences"] == []
