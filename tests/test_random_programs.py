"""Interpreter equals kernels, bit for bit: 2,000 random cases in plain Python, 60 programs compiled.

Every child process has a kernel cache of its own that is deleted with it. The seeds are fixed: a
failure names its case, and `python tests/random_worker.py cases N N+1` runs it alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chipsim.conformance import random_bundle, random_case
from chipsim.microcode.combos import COMBOS, coverage

HERE = Path(__file__).parent
CASES, CHUNK = 2000, 125
BUNDLES = range(6)


def worker(cache: Path, *arguments: object, jit: bool = False) -> dict:
    """What tests/random_worker.py finds, run in a process of its own."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    environment |= {"PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache)}
    environment |= {} if jit else {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, str(HERE / "random_worker.py"), *map(str, arguments)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290)
    for file in sorted(cache.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


@pytest.mark.one_python
@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_random_cases_in_plain_python(first, tmp_path):
    """At least one program in five saturates, one in five forms products of 2^31 and more."""
    found = worker(tmp_path, "cases", first, first + CHUNK)
    assert found["differences"] == []
    assert found["cases"] == CHUNK and found["programs"] >= CHUNK
    assert found["saturating"] >= found["programs"] / 5
    assert found["wide"] >= found["programs"] / 5


@pytest.mark.one_python
@pytest.mark.slow
@pytest.mark.parametrize("bundle", BUNDLES)
def test_random_programs_compiled(bundle, tmp_path):
    """Ten programs to a compilation."""
    found = worker(tmp_path, "bundles", bundle, bundle + 1, jit=True)
    assert found["differences"] == []
    assert found["programs"] == 10


@pytest.mark.one_python
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_cases_hold_every_combination():
    programs = (
        c.program for k in range(CASES) for c in random_case(k).plan().connections if c.program is not None
    )
    table = coverage(programs)
    print(table)  # shown by `pytest -rP`, and by `python tests/random_worker.py coverage 0 2000`
    assert f"combinations hit: {len(COMBOS)} of 11520" in table
    assert "missing: 0" in table


def test_a_bundle_is_always_the_same():
    one, other = random_bundle(3), random_bundle(3)
    assert one.rules == other.rules and len(one.rules) == 10
    assert one.rules != random_bundle(4).rules


def test_a_case_is_the_same_in_every_process(tmp_path):
    """No set or hash decides: two processes with different hash seeds write the same texts."""
    text = "from chipsim.conformance import *\nfor k in range(12):\n    c = random_case(k)\n"
    text += "    print(c.rules, c.network.circuits, c.settings)\nprint(random_bundle(1).rules)\n"
    script = tmp_path / "same.py"
    script.write_text(text)
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    outputs = {
        subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


# ---------------------------------------------------------------- shipped rules


SHIPPED = sorted(x.stem for x in (HERE.parent / "rules").glob("*.rule"))
SIGNALLED = "bell delta decolle ell fell tp s_tllr dalton eprop".split()  # beginnings of names
NOT_PRODUCTS = "bell decolle_paper delta_end eprop eprop_reckon fell_exact fell_trace sdsp".split()


@pytest.mark.one_python
@pytest.mark.parametrize("chip", ["ideal", "loihi1", "loihi2"])
def test_shipped_rules_in_plain_python(chip, tmp_path):
    """Dense and sparse; on the Loihis as sums of products. Loihi 1 has no signal per neuron."""
    found = worker(tmp_path, "shipped", chip)
    assert found["differences"] == []
    one_signal = {x for x in SHIPPED if x.startswith(tuple(SIGNALLED)) and x != "tp_labels"} | {"sdsp"}
    refused = {
        "ideal": [],
        "loihi1": sorted(one_signal),
        "loihi2": [x for x in NOT_PRODUCTS if x in SHIPPED],
    }[chip]
    assert found["refused_rules"] == refused
    assert found["cases"] == 2 * (len(SHIPPED) - len(refused)) and found["saturating"] > 0


COMPILED = "stdp_pair stdp_triplet r_stdp decolle fell_exact eprop_reckon s_tllr sdsp".split()


@pytest.mark.one_python
@pytest.mark.slow
@pytest.mark.parametrize("rule", COMPILED)
def test_shipped_rules_compiled(rule, tmp_path):
    found = worker(tmp_path, "shipped", "ideal", rule, "dense", jit=True)
    assert found["differences"] == [] and found["cases"] == 1


@pytest.mark.one_python
def test_rules_with_their_circuits_in_plain_python(tmp_path):
    """Classifiers, targets, transport, broadcast, contrast; every step, every few, at the end."""
    found = worker(tmp_path, "wired")
    assert found["differences"] == []
    # the narrow psi of s_tllr_hyper meets no membrane of the first layer in these few samples
    assert [x for x in found["idle"] if not x.endswith("s_tllr_hyper")] == []
