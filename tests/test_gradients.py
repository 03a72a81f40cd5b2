"""Proof by gradient: a rule's ideal twin changes weights by minus the gradient of its stated loss.

The golden gradients come from autodiff or from transcriptions (benchmarks/gradients/make.py).
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.simulator import Simulator

HERE = Path(__file__).parent
SCRIPT = HERE.parent / "benchmarks" / "gradients" / "make.py"
RELATIVE = 1e-9
FORMS = (
    "decolle", "decolle_conv", "ell", "ell_conv", "fell_exact", "fell_trace", "bell",
    "tp", "tp, readout of traces", "dalton", "dalton_conv", "s_tllr", "eprop",
)  # fmt: skip


def cases(file: str) -> list:
    """The golden cases of a file."""
    spec = importlib.util.spec_from_file_location("gradient_proof", HERE / "gradient_proof.py")
    module = sys.modules.setdefault("gradient_proof", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return list(module.cases(file))


def measured(cache: Path, form: str, **environment: str) -> dict[str, dict[str, float]]:
    """Case -> gradient -> deviation, from a process of its own."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    clean = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    done = subprocess.run(
        [sys.executable, str(HERE / "gradient_nets.py"), form],
        env={**clean, "PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)[form]


@pytest.mark.parametrize("form", FORMS)
def test_weight_change_is_minus_the_gradient(form, tmp_path):
    found = measured(tmp_path, form, NUMBA_DISABLE_JIT="1")
    assert set(found) == {case.name for case in cases(form.split(",")[0])}
    worst = max((value, case, name) for case, row in found.items() for name, value in row.items())
    print(f"{form}: {len(found)} cases, {worst}")
    assert worst[0] <= RELATIVE, worst


@pytest.mark.one_python
@pytest.mark.slow
def test_weight_change_compiled(tmp_path):
    """The same from machine code."""
    found = measured(tmp_path, "fell_trace")
    assert max(value for row in found.values() for value in row.values()) <= RELATIVE


@pytest.mark.parametrize("case", cases("sdsp"), ids=lambda c: c.name)
def test_sdsp_moves_weights_as_transcribed(case):
    """Counters, comparisons and 3-bit weights are exact in integers: every weight after every sample."""
    m, x = case.meta, case["x"]
    net = Network()
    net.source("x", x.shape[2])
    net.lif("n", len(case["w0"]), tau_v_ms=math.inf, threshold=1.0, reset="hard")
    constants = {"rate": 3, "theta_m": m["theta_m"], "w_half": 0.5, "bistable": int(m["bistable"])}
    constants |= {f"ca_{k + 1}": ca for k, ca in enumerate(m["ca"])}
    weights = {"weights": case["w0"].T / 8, "bits": 4, "w_min": 0.0, "w_max": 7 / 8}
    net.connect("x", "n", rule="sdsp", settings={"params": constants}, **weights)
    sim = Simulator(net, load_chip("ideal"), load_rule)
    fired = case["s0"].reshape(len(x), -1, x.shape[-1] - 1)
    assert (case["path"][-1] != case["w0"]).any()
    for sample, path in zip(range(len(x)), case["path"], strict=True):
        counts = sim.present(Events.from_dense(x[sample : sample + 1].astype(np.uint8)))["counts"]["n"]
        assert np.array_equal(counts[0], fired[sample].sum(0))
        assert np.array_equal(sim.weights("x->n").T * 8, path)


def test_every_form_has_its_cases():
    """At least three seeds of every variant, with and without burn-in where a form has one."""
    for file in (*(form for form in FORMS if "," not in form), "sdsp"):
        found = cases(file)
        assert len(found) >= 6 and len(found) % 3 == 0, file
        late = {c.meta.get("burn_in", c.meta.get("start")) for c in found}
        assert file == "sdsp" or 0 in late and len(late) > 1, file


def test_forms_are_told_apart():
    """ELL, both FELL and BELL on the same networks: their gradients differ far more than the tolerance."""
    files = [{c.name: c for c in cases(file)} for file in ("ell", "fell_exact", "fell_trace", "bell")]
    apart = [
        np.abs(a[name]["grad_w0"] - b[name]["grad_w0"]).max() / np.abs(a[name]["grad_w0"]).max()
        for k, a in enumerate(files)
        for b in files[:k]
        for name in a
        if np.array_equal(a[name]["w0"], b[name]["w0"])
    ]
    assert len(apart) >= 36 and min(apart) > 1e-3


@pytest.mark.slow
@pytest.mark.golden
def test_golden_gradients_are_made_again():
    pytest.importorskip("torch", reason="PyTorch, which makes the golden gradients, is not installed")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
