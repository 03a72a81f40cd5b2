"""Three steps of every rule of the papers on a 2 x 2 network, against a transcription of its equations.

The network of test_interpret_rules: two axons, two neurons, weights 0.5, 0.25 / 0.25, 0.5, no leak,
threshold 0.5. Axon 0 spikes in step 1, axon 1 in step 2, both in step 3; a fixed readout forms the
third factors. The transcriptions below are given the spikes, membranes and third factors of each step
and compute registers and weights with plain integers: what they share with the simulator is the hash.
`now.one(line, i, n)` and `now.pair(line, j, i, n)` are the n-bit draws of a line of the rule file.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.noise import draw_key, murmur3
from chipsim.plan import plan
from chipsim.reference import reference_steps
from chipsim.state import make_state

SEED = 1
SPIKES = [[1, 0], [0, 1], [1, 1]]
SYNAPSES = [(0, 0), (0, 1), (1, 0), (1, 1)]


class Now:
    """What one step gives a rule: spikes s, membrane v minus threshold (real), fired, m (raw s8.7)."""

    def __init__(self, step: int, state: dict):
        self.step, self.s = step, SPIKES[step - 1]
        self.v = [(x - 2**14) / 2**15 for x in state["l1_vc"][0].tolist()]
        self.fired = state["l1_fired"][0].tolist()
        self.m = state["l1_m"][0].tolist() if "l1_m" in state else [0, 0]

    def one(self, line: int, e: int, bits: int) -> int:
        """Draw of an element with one index."""
        return murmur3((2 * e,), draw_key(SEED, 0, line, 0, self.step)) >> (32 - bits) if bits else 0

    def pair(self, line: int, j: int, i: int, bits: int) -> int:
        """Draw of the synapse from axon j to neuron i."""
        key = draw_key(SEED, 0, line, 0, self.step)
        return (murmur3((2 * i,), key) ^ murmur3((2 * j + 1,), key)) >> (32 - bits) if bits else 0


def cut(x: int, lo: int, hi: int) -> int:
    return min(max(x, lo), hi)


def table(f: Callable[[float], float], reach: float, parts: int, frac: int, bits: int):
    """A shape in equal parts of [-reach, reach), each the value at its middle, 0 outside."""

    def value(x: float) -> int:
        k = math.floor((x + reach) * parts / (2 * reach))
        if not 0 <= k < parts:
            return 0
        middle = -reach + (k + 0.5) * 2 * reach / parts
        return min(math.floor(f(middle) * 2**frac + 0.5), 2**bits - 1)

    return value


EXP = table(lambda x: math.exp(-abs(x)), 3.5, 14, 5, 5)
ATAN = table(lambda x: 1 / (1 + (math.pi * x) ** 2), 1.75, 14, 5, 5)
HYPER = table(lambda x: 1 / (1 + 5 * abs(x)) ** 2, 0.875, 14, 7, 7)
NARROW = table(lambda x: 1 / (1 + 100 * abs(x)) ** 2, 1 / 32, 16, 7, 7)
TRIANGLE = table(lambda x: 1 - abs(x), 1, 8, 5, 5)
TRIANGLE3 = table(lambda x: 0.3 * (1 - abs(x)), 1, 8, 7, 6)
RECKON = table(lambda x: 1 - abs(x), 1, 3, 5, 5)


class Rule:
    """Registers of one connection; a subclass's step() is the rule."""

    params: dict = {}
    readout = True

    def __init__(self) -> None:
        self.w = {(0, 0): 64, (0, 1): 32, (1, 0): 32, (1, 1): 64}
        self.delta = [0, 0]
        self.start()

    def start(self) -> None:
        pass

    def weight(self, now: Now, line: int, j: int, i: int, exact: int, drop: int) -> None:
        """w += exact, with `drop` bits below the weight's LSB, stochastically rounded."""
        total = (self.w[j, i] << drop) + exact + now.pair(line, j, i, drop)
        self.w[j, i] = cut(total >> drop, -128, 127)

    def decayed(self, now: Now, line: int, x: list[int], k: int, top: int) -> list[int]:
        """x * k with k of 12 fraction bits."""
        return [min((a * k + now.one(line, e, 12)) >> 12, top) for e, a in enumerate(x)]

    def signal(self, now: Now, line: int, factor: list[int], drop: int) -> list[int]:
        """delta = m * factor, 8 bits, stochastically rounded; 0 where there is no third factor."""
        both = enumerate(zip(now.m, factor, strict=True))
        return [cut((m * f + now.one(line, i, drop)) >> drop, -128, 127) if m else 0 for i, (m, f) in both]


class Spike(Rule):
    """dw = -delta * s * 2^-rate with delta = m psi: ell, tp, dalton."""

    params = {"rate": 2}
    psi, drop, first = staticmethod(EXP), 5, 1

    def step(self, now: Now) -> dict:
        psi = [self.psi(v) for v in now.v]
        self.delta = self.signal(now, self.first, psi, self.drop)
        for j, i in SYNAPSES:
            if now.s[j] and now.m[i]:
                self.weight(now, self.first + 1, j, i, -self.delta[i], 2)
        return {"psi": psi, "delta": self.delta}


class Dalton(Spike):
    psi, drop = staticmethod(HYPER), 7


class Tp(Spike):
    params = {"rate": 2, "k_eps": 0.75}
    psi, first = staticmethod(ATAN), 3

    def start(self) -> None:
        self.eps = [0, 0]

    def step(self, now: Now) -> dict:
        eps = self.decayed(now, 0, self.eps, 3072, 127)
        self.eps = [min(e + 8 * f, 127) for e, f in zip(eps, now.fired, strict=True)]
        return {"eps": self.eps, **super().step(now)}


class Trace(Rule):
    """dw = -delta * x * 2^-rate with a pre trace x: the chip forms and fell_trace."""

    params = {"rate": 3, "k_x": 0.75}
    psi, drop, delta_line = staticmethod(EXP), 5, 3

    def start(self) -> None:
        self.x, self.eps = [0, 0], [0, 0]

    def step(self, now: Now) -> dict:
        x = self.decayed(now, 0, self.x, 3072, 127)
        self.x = [min(a + 16 * s, 127) for a, s in zip(x, now.s, strict=True)]
        psi = [self.psi(v) for v in now.v]
        self.delta = self.signal(now, self.delta_line, psi, self.drop)
        for j, i in SYNAPSES:
            if self.x[j] and now.m[i]:  # 7 + 4 + 3 bits, the weight has 7
                self.weight(now, self.delta_line + 1, j, i, -self.delta[i] * self.x[j], 7)
        return {"x": self.x, "psi": psi, "delta": self.delta}


class FellTrace(Trace):
    params = {"rate": 3, "k_leak": 0.75}


class DaltonChip(Trace):
    psi = staticmethod(TRIANGLE)


class TpChip(Trace):
    params = {"rate": 3, "k_x": 0.75, "k_eps": 0.5}
    psi, delta_line = staticmethod(ATAN), 5

    def step(self, now: Now) -> dict:
        eps = self.decayed(now, 1, self.eps, 2048, 127)
        self.eps = [min(e + 8 * f, 127) for e, f in zip(eps, now.fired, strict=True)]
        return {"eps": self.eps, **super().step(now)}


class FellExact(Rule):
    """Tag t = lambda (1 - theta psi) t + s, the factor with the psi of the step before."""

    params = {"rate": 3, "k_leak": 0.75, "k_reset": 0.375}  # theta is 0.5

    def start(self) -> None:
        self.t, self.psi = dict.fromkeys(SYNAPSES, 0), [0, 0]

    def step(self, now: Now) -> dict:
        f = [3072 - 1536 * p // 32 for p in self.psi]  # 12 bits
        for j, i in SYNAPSES:
            self.t[j, i] = (self.t[j, i] * f[i] + now.pair(2, j, i, 12)) >> 12
            self.t[j, i] = min(self.t[j, i] + 32 * now.s[j], 255)
        self.psi = [EXP(v) for v in now.v]
        self.delta = self.signal(now, 5, self.psi, 5)
        for j, i in SYNAPSES:
            if self.t[j, i] and now.m[i]:  # 7 + 5 + 3 bits
                self.weight(now, 6, j, i, -self.delta[i] * self.t[j, i], 8)
        return {"psi": self.psi, "delta": self.delta, "t": list(self.t.values())}


class FellStep(Rule):
    """Tag t -= g t, then t += s; g = (1 - lambda) + lambda theta psi in 7 bits, of the step before."""

    params = {"rate": 3, "k_leak": 0.25, "k_reset": 0.375}

    def start(self) -> None:
        self.t, self.g = dict.fromkeys(SYNAPSES, 0), [127, 127]

    def step(self, now: Now) -> dict:
        for j, i in SYNAPSES:
            self.t[j, i] = (self.t[j, i] * (128 - self.g[i]) + now.pair(0, j, i, 7)) >> 7
            self.t[j, i] = min(self.t[j, i] + 32 * now.s[j], 255)
        psi = [EXP(v) for v in now.v]
        self.g = [min((1024 + 1536 * p // 32 + 16) >> 5, 127) for p in psi]
        self.delta = self.signal(now, 5, psi, 5)
        for j, i in SYNAPSES:
            if self.t[j, i] and now.m[i]:
                self.weight(now, 6, j, i, -self.delta[i] * self.t[j, i], 8)
        return {"psi": psi, "g": self.g, "delta": self.delta, "t": list(self.t.values())}


class STllr(Rule):
    """e = psi x + a_post s q, q = sum over the past of lambda_post^(t - t') psi(t')."""

    params = {"rate": 2, "k_x": 0.75, "k_p": 0.5, "a_post": -1.0}
    table, psi_frac, delta_frac = staticmethod(TRIANGLE3), 7, 8

    def start(self) -> None:
        self.x, self.p, self.psi = [0, 0], [0, 0], [0, 0]

    def step(self, now: Now) -> dict:
        x = self.decayed(now, 0, self.x, 3072, 127)
        self.x = [min(a + 16 * s, 127) for a, s in zip(x, now.s, strict=True)]
        past = [min(p + psi, 127) for p, psi in zip(self.p, self.psi, strict=True)]
        self.p = self.decayed(now, 2, past, 2048, 127)
        self.psi = [self.table(v) for v in now.v]
        drop = 7 + self.psi_frac - self.delta_frac
        self.delta = self.signal(now, 5, self.psi, drop)
        # e = m p has 14 bits; q = -e, its product with a_post (6 bits) has 20
        q_drop = 20 - self.delta_frac
        both = enumerate(zip(now.m, self.p, strict=True))
        q = [cut((-64 * m * p + now.one(7, i, q_drop)) >> q_drop, -128, 127) for i, (m, p) in both]
        for j, i in SYNAPSES:
            if self.x[j] and now.m[i]:
                self.weight(now, 8, j, i, -self.delta[i] * self.x[j], self.delta_frac + 4 + 2 - 7)
        for j, i in SYNAPSES:
            if now.s[j] and now.m[i]:
                self.weight(now, 9, j, i, -q[i], self.delta_frac + 2 - 7)
        return {"x": self.x, "p": self.p, "psi": self.psi, "delta": self.delta}


class STllrHyper(STllr):
    table, delta_frac = staticmethod(NARROW), 7


class STllrChip(Rule):
    """Slow x times fast f, fast z times slow p, all with their present step."""

    params = {"rate": 2, "k_x": 0.75, "k_z": 0.25, "k_f": 0.25, "k_p": 0.75, "a_post": -0.5}

    def start(self) -> None:
        self.x, self.z, self.f, self.p = ([0, 0] for _ in range(4))

    def step(self, now: Now) -> dict:
        psi = [TRIANGLE(v) for v in now.v]
        for line, (name, k, extra) in enumerate(
            [("x", 3072, now.s), ("z", 1024, now.s), ("f", 1024, psi), ("p", 3072, psi)]
        ):
            unit = 16 if extra is now.s else 1
            old = self.decayed(now, line, getattr(self, name), k, 127)
            setattr(self, name, [min(a + unit * b, 127) for a, b in zip(old, extra, strict=True)])
        self.delta = self.signal(now, 9, self.f, 5)
        both = enumerate(zip(now.m, self.p, strict=True))  # 7 + 5 bits, a_post has 6: 11 dropped
        q = [cut((-32 * m * p + now.one(11, i, 11)) >> 11, -128, 127) for i, (m, p) in both]
        for line, signal, trace in ((12, self.delta, self.x), (13, q, self.z)):
            for j, i in SYNAPSES:
                if trace[j] and now.m[i]:
                    self.weight(now, line, j, i, -signal[i] * trace[j], 6)
        return {"x": self.x, "z": self.z, "f": self.f, "p": self.p, "delta": self.delta}


class Eprop(Rule):
    """dw = -L * ebar, ebar = kappa ebar + h x; the tag holds kappa times the last ebar."""

    params = {"rate": 2, "k_x": 0.75, "k_e": 0.5}

    def start(self) -> None:
        self.x, self.h, self.t = [0, 0], [0, 0], dict.fromkeys(SYNAPSES, 0)

    def step(self, now: Now) -> dict:
        for j, i in SYNAPSES:  # h x: 7 + 4 bits, the tag has 4
            grown = (self.t[j, i] * 128 + self.h[i] * self.x[j] + now.pair(0, j, i, 7)) >> 7
            self.t[j, i] = (min(grown, 255) * 2048 + now.pair(1, j, i, 12)) >> 12
        x = self.decayed(now, 2, self.x, 3072, 127)
        self.x = [min(a + 16 * s, 127) for a, s in zip(x, now.s, strict=True)]
        self.h = [TRIANGLE3(v) for v in now.v]
        self.delta = self.signal(now, 5, self.h, 6)
        for j, i in SYNAPSES:
            if self.t[j, i] and now.m[i]:
                self.weight(now, 6, j, i, -now.m[i] * self.t[j, i], 6)
        for j, i in SYNAPSES:
            if self.x[j] and now.m[i]:
                self.weight(now, 7, j, i, -self.delta[i] * self.x[j], 7)
        return {"x": self.x, "h": self.h, "delta": self.delta, "t": list(self.t.values())}


class EpropReckon(Rule):
    """One LSB against the sign of L h x, with probability |L h x| 2^-rate."""

    params = {"rate": 1, "step": 7, "k_x": 0.75}

    def start(self) -> None:
        self.x = [0, 0]

    def step(self, now: Now) -> dict:
        x = self.decayed(now, 0, self.x, 3072, 4095)
        self.x = [min(a + 256 * s, 4095) for a, s in zip(x, now.s, strict=True)]
        h = [RECKON(v) for v in now.v]
        self.delta = [m * a for m, a in zip(now.m, h, strict=True)]  # 12 bits, exact
        for j, i in SYNAPSES:
            if self.x[j] and now.m[i]:
                p = (self.delta[i] * self.x[j] + now.pair(4, j, i, 6)) >> 6  # 12 + 8 + 1 to 15 bits
                p = cut(p, -(2**15), 2**15 - 1)
                if min(abs(p), 2**15 - 1) > now.pair(7, j, i, 15):
                    self.w[j, i] = cut(self.w[j, i] - (1 if p > 0 else -1), -128, 127)
        return {"x": self.x, "h": h, "delta": self.delta}


class Delta(Rule):
    params = {"rate": 3, "k_x": 0.75}

    def start(self) -> None:
        self.x = [0, 0]

    def step(self, now: Now) -> dict:
        x = self.decayed(now, 0, self.x, 3072, 127)
        self.x = [min(a + 8 * s, 127) for a, s in zip(x, now.s, strict=True)]
        for j, i in SYNAPSES:
            if self.x[j] and now.m[i]:
                self.weight(now, 2, j, i, -now.m[i] * self.x[j], 6)
        return {"x": self.x}


class TpLabels(Rule):
    params = {"k_eps": 0.75}
    readout = False

    def start(self) -> None:
        self.eps = [0, 0]

    def step(self, now: Now) -> dict:
        eps = self.decayed(now, 0, self.eps, 3072, 127)
        self.eps = [min(a + 4 * s, 127) for a, s in zip(eps, now.s, strict=True)]
        return {"eps0": self.eps}


RULES = {
    "ell": Spike,
    "ell_chip": Trace,
    "fell_exact": FellExact,
    "fell_step": FellStep,
    "fell_trace": FellTrace,
    "tp": Tp,
    "tp_chip": TpChip,
    "tp_labels": TpLabels,
    "dalton": Dalton,
    "dalton_chip": DaltonChip,
    "s_tllr": STllr,
    "s_tllr_hyper": STllrHyper,
    "s_tllr_chip": STllrChip,
    "eprop": Eprop,
    "eprop_reckon": EpropReckon,
    "delta": Delta,
}


def machine(rule: str, params: dict, readout: bool):
    """Plan and state of the 2 x 2 network."""
    net = Network()
    net.source("in", 2)
    net.lif("out", 2, tau_v_ms=float("inf"), threshold=0.5, reset="hard")
    net.connect("in", "out", rule=rule, weights=np.array([[0.5, 0.25], [0.25, 0.5]]))
    if readout:
        net.readout("out", 2)
    bound = plan(net, load_chip("ideal"), load_rule, seed=SEED, params=params)
    state = make_state(bound)
    if readout:  # the fixed readout's weights, raw: neuron 0 -> 64, -64; neuron 1 -> -32, 96
        state["c1_w"][:] = [[64, -64], [-32, 96]]
    return bound, state


@pytest.mark.parametrize("rule", RULES)
def test_three_steps(rule):
    transcript = RULES[rule]()
    bound, state = machine(rule, transcript.params, transcript.readout)
    events, start = Events.from_dense(np.array([SPIKES])), state["c0_w"].ravel().tolist()
    assert start == list(transcript.w.values())
    for step in (1, 2, 3):
        reference_steps(bound, state, events, start=step - 1, stop=step, labels=np.array([1]))
        found = transcript.step(Now(step, state))
        for name, value in found.items():
            assert state[f"c0_r_{name}"].ravel().tolist() == value, (step, name)
        assert state["c0_w"].ravel().tolist() == list(transcript.w.values()), step
    if transcript.readout:
        assert state["l1_m"].any(), "no third factor reached the rule"
        assert state["c0_w"].ravel().tolist() != start, "the rule moved no weight"
