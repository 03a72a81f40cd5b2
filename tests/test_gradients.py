"""Proof by gradient: a rule's ideal twin changes weights by minus the gradient of its stated loss.

The golden gradients come from autodiff or from transcriptions (benchmarks/gradients/make.py).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

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
