"""Proof by gradient: a rule's ideal twin changes weights by minus the gradient of its stated loss.

The golden gradients come from autodiff or from transcriptions (benchmarks/gradients/make.py).
"""

from __future__ import annotations

import importlib.util
import math
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


def _nets():
    """tests/gradient_nets.py as a module."""
    spec = importlib.util.spec_from_file_location("gradient_nets", HERE / "gradient_nets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gradient_nets"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


nets = _nets()
LANDED = ("decolle", "ell", "fell_exact", "fell_trace", "dalton", "s_tllr", "eprop")
GOLDEN = [
    (form, case) for form, (file, _) in nets.FORMS.items() if form in LANDED for case in nets.cases(file)
]


def deviations(form: str, case) -> dict[str, float]:
    """Largest deviation of every gradient, relative to the gradient's largest entry; the spikes of
    every layer are compared exactly on the way."""
    proof = nets.FORMS[form][1](case)
    changes, spikes = nets.held(proof)
    for name, layer in proof.spikes.items():
        golden = case[name].reshape(len(case[name]), -1, case[name].shape[-1])
        assert golden.any() and np.array_equal(spikes[layer][:, : golden.shape[1]], golden), f"spikes {name}"
    return {
        name: float(np.abs(changes[connection] * factor + case[name]).max() / np.abs(case[name]).max())
        for name, (connection, factor) in proof.gradients.items()
    }


@pytest.mark.parametrize(("form", "case"), GOLDEN, ids=[f"{f}: {c.name}" for f, c in GOLDEN])
def test_weight_change_is_minus_the_gradient(form, case):
    found = deviations(form, case)
    print(found)
    assert found and max(found.values()) <= RELATIVE, found


@pytest.mark.parametrize("case", list(nets.cases("sdsp")), ids=lambda c: c.name)
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
    for form, (file, _) in nets.FORMS.items():
        found = list(nets.cases(file))
        assert len(found) >= 6 and len(found) % 3 == 0, form
        late = {c.meta.get("burn_in", c.meta.get("start")) for c in found}
        assert 0 in late and len(late) > 1, form


@pytest.mark.slow
@pytest.mark.golden
def test_golden_gradients_are_made_again():
    pytest.importorskip("torch", reason="PyTorch, which makes the golden gradients, is not installed")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
