"""Script: the float twins of a rule, lowered and unlowered, differ by nothing but float rounding.

The amplitudes are set to numbers that the engine holds exactly, so what is left to differ is which
value of a trace each line reads. Prints `rule: largest difference, largest change of a weight`.
"""

from __future__ import annotations

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import Kernels, compiled_present
from chipsim.data.events import Events
from chipsim.float_twin import real_state
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import Update, plan
from chipsim.state import make_state

EXACT = {
    "decolle": {},
    "stdp_pair": {"a_plus": 3 / 32, "a_minus": 1 / 8},
    "stdp_triplet": {"a3_plus": 5 / 512, "a2_minus": 7 / 1024, "a3_minus": 7 * 2**-15},
}


def weights(name: str, engine: str | None, update: Update) -> tuple[np.ndarray, np.ndarray]:
    """Weights before and after some samples in float64."""
    net = Network()
    net.source("in", 6)
    net.lif("h", 5, tau_v_ms=10, threshold=0.3, reset="hard")
    net.connect("in", "h", rule=name, w_range=4.0)
    if name == "decolle":
        net.readout("h", 3)
    bound = plan(
        net, load_chip("loihi2"), load_rule, seed=3, update=update, engine=engine, params=EXACT[name]
    )
    state = real_state(bound, make_state(bound))
    before = state["c0_w"].copy()
    events = Events.from_dense((np.random.default_rng(0).random((4, 20, 6)) < 0.3).astype(np.int8))
    kernels = Kernels(bound, state, twin=True)
    compiled_present(bound, state, events, np.array([0, 1, 2, 0]), kernels=kernels)
    return before, state["c0_w"]


for rule in EXACT:
    for instant in (Update(), Update("every", 4)) if rule == "decolle" else (Update(),):
        start, products = weights(rule, None, instant)
        _, lines = weights(rule, "lines", instant)
        print(rule, np.abs(products - lines).max(), np.abs(lines - start).max())
