"""chipsim beside Lava 0.10.0 on one plastic layer: 784 inputs at 5 %, 400 LIF forced to fire at 2 %.

The same rule, weights, input and steps on both sides (`chipsim/lava/beside.py`); Lava must end with the same
spikes and weights. Times are CPU times without start-up: of Lava's LearningDense alone, in one process and
without channels, and of the busiest process of its full runtime. The bars are those of the model alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from chipsim.errors import SettingError
from chipsim.lava.beside import lava_case, own_seconds
from chipsim.lava.timed import timed
from chipsim.lava.verify import lava_python

SIZES, FIRST, STEPS = (784, 400), 50, 150
RULES = {"pair STDP": ("2^-2*x1*y0 - 2^-2*y1*x0", 500), "u0*x1*y1": ("2^-6*u0*x1*y1", 150)}


def _python() -> str | None:
    """An interpreter with lava-nc, if there is one."""
    try:
        return lava_python()
    except SettingError:
        return None


def rows() -> list[dict]:
    """Steps per second of both sides, one dict per rule; Lava's are None where it is not installed."""
    python, found = _python(), []
    for label, (dw, bar) in RULES.items():
        case = lava_case(dw, SIZES, STEPS)
        ours = (STEPS - FIRST) / own_seconds(case, FIRST)
        row = {"workload": "lava", "rule": label, "bar": bar, "chipsim_steps_s": ours}
        row |= {"lava_model_steps_s": None, "lava_network_steps_s": None, "times": None}
        if python:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary, "export")
                case.export(folder, label)
                model, whole = (timed(folder, FIRST, mode, python=python) for mode in ("model", "network"))
            row |= {"lava_model_steps_s": model.rate, "lava_network_steps_s": whole.rate}
            row |= {"times": ours / model.rate}
        found.append(row)
    return found
