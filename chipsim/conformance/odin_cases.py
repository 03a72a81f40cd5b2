"""Random memories, registers and address streams of an event-driven core, for both back ends."""

from __future__ import annotations

import numpy as np

from chipsim.addresses import ADDRESSES, NEURONS
from chipsim.chip import load_chip
from chipsim.conformance.odin import network
from chipsim.data.events import Events
from chipsim.plan.core import PAR
from chipsim.reference import reference_steps
from chipsim.simulator import Simulator


def core_simulator(documented: bool = False) -> Simulator:
    """The whole chip behind its address bus, all memories 0, thresholds 1."""
    chip = load_chip("odin")
    sim = Simulator(network(), chip.as_documented() if documented else chip)
    sim.state["c0_map"][...] = 0
    return sim


def fill(state: dict, rng: np.random.Generator, low: int = 1) -> None:
    """Random contents of every memory and register; thresholds from `low` on."""
    limits = dict(leak=128, leak_en=2, thr=256, ca_en=2, theta=60, th1=4, th2=8, th3=8, ca_leak=32, disable=2)
    for k, name in enumerate(PAR):
        state["l1_par"][:, k] = rng.integers(0, limits[name], NEURONS)
    state["l1_par"][:, PAR.index("ca_en")] |= rng.integers(0, 2, NEURONS)
    state["l1_par"][:, PAR.index("disable")] &= rng.integers(0, 2, NEURONS)
    state["l1_thr"][:] = rng.integers(low, 100, NEURONS)
    for name, top in (("v", 256), ("ca", 8), ("cnt", 32), ("up", 2), ("down", 2)):
        state[f"l1_{name}"][0] = rng.integers(0, top, NEURONS)
    state["l1_down"][0] &= 1 - state["l1_up"][0]
    state["l1_sign"][:] = rng.integers(0, 2, NEURONS)
    state["c0_map"][...] = rng.integers(0, 2, (NEURONS, NEURONS))
    sign = 1 - 2 * state["l1_sign"].astype(np.int8)
    state["c0_w"][...] = rng.integers(0, 8, (NEURONS, NEURONS)).astype(np.int8) * sign[:, None]
    state["core_config"][:] = rng.integers(0, 2, 4)


def stream(rng: np.random.Generator, count: int) -> list[int]:
    """Random address words, every kind and every low byte; few of those that take long."""
    words = []
    for _ in range(count):
        place = int(rng.integers(0, NEURONS)) << 8
        kind = rng.integers(0, 20)
        if kind < 6:
            words.append(1 << 16 | place | int(rng.integers(0, 256)))
        elif kind < 10:
            words.append(place | 0x07)
        elif kind < 14:
            words.append(place | int(rng.integers(0, 32)) << 3 | 0x01)
        elif kind < 16:
            words.append(place | int(rng.choice([0xFF, 0x80])))
        elif kind < 17:
            words.append(0x7F)
        else:
            words.append(place | int(rng.integers(1, 256)))
    return words


def bus(words: list[int]) -> Events:
    """One address event a step."""
    return Events.from_lists([[(t, w) for t, w in enumerate(words)]], n_axons=ADDRESSES, n_steps=len(words))


def interpret(sim: Simulator, state: dict, words: list[int], learn: bool = True) -> None:
    """The stream on the interpreter, on a state of the simulator's plan."""
    reference_steps(sim.plan, state, bus(words), start=0, stop=len(words), learn=learn)
