"""Three steps of every shipped rule on a 2 x 2 network, written out number by number.

Two axons, two neurons; 8-bit weights 0.5, 0.25 / 0.25, 0.5 (raw 64, 32, 32, 64; LSB 1/128); no leak,
threshold 0.5, hard reset. A weight is 256 units of the membrane, the threshold 16384.
Axon 0 spikes in step 1, axon 1 in step 2, both in step 3:

    step 1   v = 64, 32 weights   neuron 0 fires (64 >= 64), v -> 0, 32
    step 2   v = 32, 32 + 64      neuron 1 fires, v -> 32, 0
    step 3   both fire

Decays are set to 3/4 and 1/2, so the traces 16 -> 12 -> 9 and 16 -> 8 -> 4 are exact whatever is drawn.
Draws of the weight lines are listed and compared with the noise; everything else is arithmetic.
Synapse order: (axon, neuron) = 00, 01, 10, 11.
"""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.noise import draw_key, top_bits, word_pair
from chipsim.plan import plan
from chipsim.reference import reference_steps
from chipsim.state import make_state

EVENTS = Events.from_dense(np.array([[[1, 0], [0, 1], [1, 1]]]))
SYNAPSES = ((0, 0), (0, 1), (1, 0), (1, 1))
SEED = 1
NOTHING = [0] * 7


class Run:
    """The network with one rule, run step by step."""

    def __init__(self, rule: str, params: dict, *, reward=None, readout: bool = False):
        net = Network()
        net.source("in", 2)
        net.lif("out", 2, tau_v_ms=float("inf"), threshold=0.5, reset="hard")
        net.connect("in", "out", rule=rule, weights=np.array([[0.5, 0.25], [0.25, 0.5]]))
        if reward is not None:
            net.reward("out")
        if readout:
            net.readout("out", 2)
        self.plan = plan(net, load_chip("ideal"), load_rule, seed=SEED, params=params)
        self.state = make_state(self.plan)
        if readout:  # the fixed readout's weights, raw: neuron 0 -> 64, -64; neuron 1 -> -32, 96
            self.state["c1_w"][:] = [[64, -64], [-32, 96]]
        self.reward = None if reward is None else np.array([reward])
        self.ts = 0

    def step(self) -> None:
        reference_steps(
            self.plan,
            self.state,
            EVENTS,
            start=self.ts,
            stop=self.ts + 1,
            labels=np.array([1]),
            rewards=self.reward,
        )
        self.ts += 1

    def __getitem__(self, name: str) -> list[int]:
        name = "c0_w" if name == "w" else f"c0_r_{name}" if f"c0_r_{name}" in self.state else name
        return self.state[name].ravel().tolist()

    def draws(self, line: int, bits: int) -> list[int]:
        """The present step's draws of a weight line for all four synapses."""
        key = draw_key(SEED, 0, line, 0, self.ts)
        return [top_bits(word_pair(key, i, j), bits) for j, i in SYNAPSES]


def test_the_neurons_fire_as_said():
    run = Run("stdp_pair", {"k_x": 0.75, "k_y": 0.5})
    compared, fired = [], []
    for _ in range(3):
        run.step()
        compared.append(run["l1_vc"])
        fired.append(run["l1_fired"])
    assert compared[:2] == [[64 * 256, 32 * 256], [32 * 256, (32 + 64) * 256]]
    assert fired == [[1, 0], [0, 1], [1, 1]]
    assert run["l0_stat"] == [4] + NOTHING  # 4 input spikes
    assert run["l1_stat"] == [4, 6] + NOTHING[:6]  # 4 spikes, 2 x 3 active updates
    assert run["c0_stat"] == [4, 8, 0]  # 4 axon events, 2 synapses each


def test_stdp_pair():
    """a_minus = 0.12 -> 31/256, a_plus = 0.10 -> 26/256, rate 4.

    on_pre   d = y * 31 with 12 bits into 11: y * 31 >> 1;   w: (w * 256 - d + r) >> 8
    on_post  e = x * 26 >> 1;                                 w: (w * 256 + e + r) >> 8
    (d >> 4 has 15 fraction bits, the weight 7: 8 are dropped)
    """
    run = Run("stdp_pair", {"k_x": 0.75, "k_y": 0.5})

    run.step()
    assert run.draws(3, 8)[:2] == [207, 251] and run.draws(6, 8)[::2] == [66, 174]
    # on_pre, axon 0: d = 0, nothing moves; x0 = 1.0 = 16
    # on_post, neuron 0: e = 16 * 26 >> 1 = 208, 0;  64 * 256 + 208 + 66 = 65 * 256 + 18
    assert (run["x"], run["y"], run["w"]) == ([16, 0], [16, 0], [65, 32, 32, 64])

    run.step()  # x = 12, 0; y = 8, 0
    assert run.draws(3, 8)[2:] == [45, 91] and run.draws(6, 8)[1::2] == [89, 22]
    # on_pre, axon 1: d = 8 * 31 >> 1 = 124, 0;  32 * 256 - 124 + 45 < 32 * 256;  64 * 256 + 91 -> 64
    # x = 12, 16; on_post, neuron 1: e = 12 * 26 >> 1 = 156, 208
    #   01: 32 * 256 + 156 + 89 = 32 * 256 + 245;  11: 64 * 256 + 208 + 22 = 64 * 256 + 230
    assert (run["x"], run["y"], run["w"]) == ([12, 16], [8, 16], [65, 32, 31, 64])

    run.step()  # x = 9, 12; y = 4, 8
    assert run.draws(3, 8) == [50, 0, 188, 142] and run.draws(6, 8) == [200, 100, 127, 211]
    # on_pre: d = 4 * 31 >> 1 = 62, 124
    #   00: -62 + 50 < 0 -> 64;  01: -124 + 0 < 0 -> 31;  10: -62 + 188 -> 31;  11: -124 + 142 -> 64
    # x = 25, 28; on_post: e = 25 * 26 >> 1 = 325, 364
    #   00: 325 + 200 = 525 -> +2;  01: 325 + 100 = 425 -> +1
    #   10: 364 + 127 = 491 -> +1;  11: 364 + 211 = 575 -> +2
    assert (run["x"], run["y"], run["w"]) == ([25, 28], [20, 24], [66, 32, 32, 66])

    # done, skipped, draws, saturated, wrapped, rounded_to_zero, changed
    assert run.state["c0_lines"].tolist() == [
        [6, 0, 6, 0, 0, 0, 3],  # x: changed 0; 16 -> 12; 12 -> 9 and 16 -> 12
        [6, 0, 6, 0, 0, 0, 3],  # y
        [6, 0, 0, 0, 0, 0, 3],  # d: both neurons whenever an axon was active: 124; 62, 124
        [8, 0, 8, 0, 0, 2, 3],  # w -= d: 4 axon events x 2; lost: 10 and 11 of step 3
        [4, 0, 0, 0, 0, 0, 4],  # x += 1
        [6, 0, 0, 0, 0, 0, 5],  # e: 208; 156, 208; 325, 364
        [8, 0, 8, 0, 0, 2, 5],  # w += e: lost: both of step 2
        [4, 0, 0, 0, 0, 0, 4],  # y += 1
    ]


def test_stdp_triplet():
    """a3_plus 152/2^14, a2_minus 229/2^15, a3_minus 241/2^20, rate 0.

    on_pre   f = (r2 * 241 >> 4) + 229 * 32 (20 bits);  w: f * o1 has 24 bits, 17 dropped
    on_post  e = o2 * 152 (18 bits);                      w: e * r1 has 22 bits, 15 dropped
    """
    run = Run("stdp_triplet", {"k_r1": 0.5, "k_r2": 0.75, "k_o1": 0.5, "k_o2": 0.75})

    run.step()  # axon 0: o1 = 0, both synapses skipped; neuron 0: o2 = 0, so e = 0: the slow trace
    assert run["w"] == [64, 32, 32, 64]  # enters with its value before this spike
    assert (run["r1"], run["r2"], run["o1"], run["o2"]) == ([16, 0],) * 4

    run.step()  # r1 = 8, 0; r2 = 12, 0; o1 = 8, 0; o2 = 12, 0
    assert run.draws(6, 17)[2] == 74824
    # axon 1: r2 = 0, f = 7328; 10: -7328 * 8 + 74824 = 16200 > 0 -> unchanged;  11: o1 = 0, skipped
    # neuron 1: o2 = 0, e = 0, r1 = 8, 16: two writes that change nothing
    assert run["w"] == [64, 32, 32, 64]
    assert (run["r1"], run["r2"], run["o1"], run["o2"]) == ([8, 16], [12, 16]) * 2

    run.step()  # r1 = 4, 8; r2 = 9, 12; o1 = 4, 8; o2 = 9, 12
    assert run.draws(6, 17) == [102787, 51634, 65029, 108084]
    assert run.draws(10, 15) == [20909, 7210, 20309, 722]
    # f = 9 * 241 >> 4 = 135, 12 * 241 >> 4 = 180; + 7328 = 7463, 7508
    #   00: -7463 * 4 = -29852 + 102787 > 0;  01: -7463 * 8 = -59704 + 51634 < 0 -> 31
    #   10: -7508 * 4 = -30032 + 65029 > 0;   11: -7508 * 8 = -60064 + 108084 > 0
    # r1 = 20, 24; e = 9 * 152, 12 * 152 = 1368, 1824
    #   00: 1368 * 20 = 27360 + 20909 = 48269 -> +1 (32768);  01: 1824 * 20 = 36480 + 7210 = 43690 -> +1
    #   10: 1368 * 24 = 32832 + 20309 = 53141 -> +1;          11: 1824 * 24 = 43776 + 722 = 44498 -> +1
    assert run["w"] == [65, 32, 33, 65]
    assert (run["r1"], run["r2"], run["o1"], run["o2"]) == ([20, 24], [25, 28]) * 2

    lines = run.state["c0_lines"].tolist()
    assert lines[:4] == [[6, 0, 6, 0, 0, 0, 3]] * 4
    assert lines[4:7] == [
        [4, 0, 0, 0, 0, 0, 2],  # f = r2 * a3_minus: only step 3 has r2 > 0
        [4, 0, 0, 0, 0, 0, 4],  # f += a2_minus
        [5, 3, 5, 0, 0, 4, 1],  # 1 + 4 done, 2 + 1 skipped; all but 01 rounded to zero
    ]
    assert lines[7:9] == [[4, 0, 0, 0, 0, 0, 4]] * 2
    assert lines[9:] == [
        [4, 0, 0, 0, 0, 0, 2],  # e
        [7, 1, 7, 0, 0, 0, 4],  # skipped: 10 in step 1, r1 = 0
        [4, 0, 0, 0, 0, 0, 4],
        [4, 0, 0, 0, 0, 0, 4],
    ]


def test_r_stdp():
    """Tags of 7 bits: d = y * 31 and e = x * 26 with 12 bits, 5 dropped. Reward 0, +1.0, -1.5 (s8.4).

    w: t * r has 11 bits, >> 4 makes 15, 8 dropped: (w * 256 + t * r + draw) >> 8
    """
    run = Run("r_stdp", {"k_x": 0.75, "k_y": 0.5}, reward=[0, 16, -24])

    run.step()
    assert run.draws(6, 5)[::2] == [8, 21]
    # neuron 0: e = 16 * 26 = 416 + 8 = 13 * 32 + 8; no reward, so no neuron is reached
    assert (run["t"], run["w"]) == ([13, 0, 0, 0], [64, 32, 32, 64])

    run.step()  # x = 12, 0; y = 8, 0
    assert run.draws(3, 5)[2:] == [5, 11] and run.draws(6, 5)[1::2] == [11, 2]
    assert run.draws(8, 8) == [18, 48, 81, 115]
    # axon 1: d = 8 * 31 = 248, 0;  10: -248 + 5 = -243 = -8 * 32 + 13
    # neuron 1: e = 312, 416;  01: 312 + 11 = 323 -> 10;  11: 416 + 2 -> 13
    assert run["t"] == [13, 10, -8, 13]
    # r = 16: 208 + 18 < 256; 160 + 48 < 256; -128 + 81 < 0 -> -1; 208 + 115 = 323 -> +1
    assert run["w"] == [64, 32, 31, 65]

    run.step()  # x = 9, 12; y = 4, 8
    assert run.draws(3, 5) == [6, 0, 23, 17] and run.draws(6, 5) == [25, 12, 15, 26]
    assert run.draws(8, 8) == [60, 6, 139, 177]
    # on_pre: d = 124, 248
    #   00: 13 * 32 - 124 + 6 = 298 -> 9;    01: 320 - 248 + 0 = 72 -> 2
    #   10: -256 - 124 + 23 = -357 -> -12;   11: 416 - 248 + 17 = 185 -> 5
    # on_post, x = 25, 28: e = 650, 728
    #   00: 288 + 650 + 25 = 963 -> 30;  01: 64 + 650 + 12 = 726 -> 22
    #   10: -384 + 728 + 15 = 359 -> 11; 11: 160 + 728 + 26 = 914 -> 28
    assert run["t"] == [30, 22, 11, 28]
    # r = -24: -720 + 60 -> -3; -528 + 6 = -522 -> -3; -264 + 139 -> -1; -672 + 177 = -495 -> -2
    assert run["w"] == [61, 29, 30, 63]

    assert run["k0_stat"] == [2] + [0] * 6  # two rewards sent
    assert run.state["c0_lines"].tolist()[8] == [8, 0, 8, 0, 0, 2, 6]  # lost: 00 and 01 of step 2
    assert run.state["c0_lines"].tolist()[9] == NOTHING  # on_epoch 8 has not come


def test_decolle():
    """Softmax readout of two classes, label 1; rate 4.

    The readout sums its weights: y = 64, -64; then 64 - 32, -64 + 96 = 32, 32; then 64, 64 (each
    256 membrane units). exp is read at d = (top - y) >> 9: the membrane has 15 bits, logits 4, and the
    scale 4 takes two more.
    """
    run = Run("decolle", {"k_a": 0.75, "k_b": 0.5}, readout=True)
    assert run.state["k0_shift"][0] == 15 - 4 - 2

    run.step()
    # d = 0, (64 + 64) * 256 >> 9 = 64: p = 65535, floor(65535 exp(-4) + .5) = 1200; Z = 66735
    # q = (256 * 65535 + Z) // 2Z = 126, (256 * 1200 + Z) // 2Z = 2; e = 126, 2 - 128
    assert run["k0_err"] == [126, -126]
    # m0 = (64 * 126 + 64 * 126) / 128 = 126; m1 = (-32 * 126 - 96 * 126) / 128 = -126
    assert run["l1_m"] == [126, -126]
    # psi: v = 0.5, 0.25 lie within 0.5 of the threshold 0.5; p = a - b = 0: no synapse is written
    assert (run["a"], run["b"], run["psi"]) == ([16, 0], [16, 0], [1, 1])
    assert run["w"] == [64, 32, 32, 64]

    run.step()
    # y = 32, 32: q = 64, 64; e = 64, -64; m = 64, -64; a = 12, 16; b = 8, 16; p = 4, 0
    assert (run["k0_err"], run["l1_m"]) == ([64, -64], [64, -64])
    assert run.draws(7, 8)[:2] == [241, 116]
    # d * p = 64 * 4 = 256 with 15 bits: one LSB exactly, whatever is drawn
    assert run["w"] == [63, 33, 32, 64]

    run.step()
    # y = 64, 64: m = 64, -64; a = 9 + 16, 12 + 16; b = 4 + 16, 8 + 16; p = 5, 4
    assert (run["a"], run["b"], run["l1_m"]) == ([25, 28], [20, 24], [64, -64])
    assert run.draws(7, 8)[:2] == [54, 91]
    # 00: -320 + 54 = -266 -> -2;  01: 320 + 91 = 411 -> +1;  10: -256;  11: +256
    # psi: v = 63 + 32 -> + 64 = 127 weights = 0.99; 33 + 64 = 97 weights: both within
    assert run["l1_vc"] == [(32 + 63 + 32) * 256, (33 + 64) * 256]
    assert run["w"] == [61, 34, 31, 65]

    # messages 2 per step; products 2 x 2 per step; additions: 2 subtractions and 4 sums per step
    assert run["k0_stat"] == [6, 18, 12, 6, 6, 6, 0]
    assert run["l2_stat"] == [0, 6] + NOTHING[:6]
    assert run.state["c0_lines"].tolist() == [
        [6, 0, 6, 0, 0, 0, 3],
        [6, 0, 6, 0, 0, 0, 3],
        [4, 0, 0, 0, 0, 0, 4],
        [4, 0, 0, 0, 0, 0, 4],
        [6, 0, 0, 0, 0, 0, 2],  # psi: written in every step, changed in the first
        [6, 0, 0, 0, 0, 0, 6],  # d
        [6, 0, 0, 0, 0, 0, 3],  # p: 4; 5, 4
        [6, 6, 6, 0, 0, 0, 6],  # w: step 1 all skipped, step 2 axon 0 only, step 3 all
    ]


@pytest.mark.parametrize("rule", ["stdp_pair", "stdp_triplet"])
def test_evaluation_changes_no_weight(rule):
    run = Run(rule, {})
    before = run["w"]
    reference_steps(run.plan, run.state, EVENTS, start=0, stop=3, learn=False)
    assert run["w"] == before
    assert run.state["step"][0] == 0
    assert not run.state["c0_lines"].any()
    assert run["l1_stat"][0] == 4  # it spikes all the same
