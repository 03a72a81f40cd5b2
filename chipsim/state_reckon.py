"""The arrays of ReckOn's core: `f_...`, beside the layers' and connections' own.

Sizes: W words of two neurons (what a STEP walks over), R = max(inputs, hidden neurons) rows, C columns
(hidden neurons rounded up to 16). Weights and membranes also stand in c<c>_w and l<l>_v; `pull` takes
them from there before the core runs, `push` puts them back.

f_regs    int64[len(registers.NAMES)]  configuration registers and quirks
f_u, f_ti, f_tr, f_to   int32[2 W]  membranes, input, recurrent and output traces as stored
f_thr, f_alpha   int32[W]        threshold, decay (u16, 15 fraction bits) of a word's two neurons
f_dirty, f_z     uint8[2 W]      written in this sample; spike of the last STEP that is not yet swept
f_o       int32[16]              output potentials; f_wins int64[16] steps that each output won
f_winp    int8[R, C], f_wrec int8[R, C], f_wout int8[R, 16]  weight words, lanes beyond the network too
f_rinp, f_rrec  uint32[16]       random words by lane; f_rout uint16[32] halves of lanes
f_rand    int64[10]              rounding and noise streams in the order of STREAMS
f_stale   int32[8]               u, t_inp, t_rec, t_out of the last word before its STEP (even, odd)
f_inp     uint8[R]               input events that the coming sweep delivers
f_label, f_tar   int64[1], int32[16]  class label; regression targets
f_live    uint8[1]               a sample is running
f_stat    int64[len(ENGINE_COUNTS)]
f_matrix_stat  int64[3, len(MATRIX_COUNTS)]  of w_inp, w_rec, w_out
"""

from __future__ import annotations

import numpy as np

from chipsim.plan import Plan
from chipsim.plan.reckon_registers import MATRICES as MEMORIES
from chipsim.plan.reckon_registers import rate_registers
from chipsim.reckon import lfsr
from chipsim.reckon.registers import INDEX

STREAMS = ("u0", "u1", "ti0", "ti1", "tr0", "tr1", "to0", "to1", "o", "noise")
ENGINE_COUNTS = (
    "steps",  # STEPs
    "step_cycles",
    "sweep_cycles",
    "update_cycles",
    "updates",  # update passes
    "trace_increments",
    "trace_saturations",
    "trace_decays",
    "trace_draws",
    "errors",  # output errors other than 0
    "signal_products",
    "signal_additions",
    "surrogates",
)
MATRIX_COUNTS = (
    "words",  # weight words read, compared with a random word and written
    "skipped_words",  # cycles without access, since every trace was 0
    "evaluated",  # lanes with a chance other than 0
    "committed",
    "changed",
    "saturated",
)
MATRICES = ("inp", "rec", "out")


def reckon_arrays(state: dict, plan: Plan) -> None:
    """All arrays of the core at their values after a reset and the loading of seeds and weights."""
    core = plan.reckon
    words, rows, columns = core.words, core.rows, core.columns
    state["f_regs"] = np.array(core.registers, np.int64)
    for name in ("u", "ti", "tr", "to"):
        state[f"f_{name}"] = np.zeros(2 * words, np.int32)
    state["f_thr"] = np.full(words, core.threshold, np.int32)
    state["f_thr"][(core.n_rec + 1) // 2 :] = 32767  # words without a neuron hold input traces only
    state["f_alpha"] = np.full(words, core.alpha, np.int32)
    state["f_dirty"], state["f_z"] = np.zeros(2 * words, np.uint8), np.zeros(2 * words, np.uint8)
    state["f_o"], state["f_wins"] = np.zeros(16, np.int32), np.zeros(16, np.int64)
    state["f_winp"] = np.zeros((rows, columns), np.int8)
    state["f_wrec"] = np.zeros((rows, columns), np.int8)
    state["f_wout"] = np.zeros((rows, 16), np.int8)
    state["f_stale"], state["f_inp"] = np.zeros(8, np.int32), np.zeros(rows, np.uint8)
    state["f_label"], state["f_tar"] = np.zeros(1, np.int64), np.zeros(16, np.int32)
    state["f_live"] = np.zeros(1, np.uint8)
    state["f_stat"] = np.zeros(len(ENGINE_COUNTS), np.int64)
    state["f_matrix_stat"] = np.zeros((3, len(MATRIX_COUNTS)), np.int64)
    load_seeds(state)
    pull(plan, state)


def load_seeds(state: dict) -> None:
    """Random streams from the seed registers."""
    seed = {name: int(state["f_regs"][k]) for name, k in INDEX.items() if name.startswith("SEED")}
    for name in ("inp", "rec"):
        word = lfsr.start(lfsr.WEIGHTS, seed[f"SEED_{name.upper()}"])
        state[f"f_r{name}"] = np.array(lfsr.split(word, 32, 16), np.uint32)
    state["f_rout"] = np.array(lfsr.split(lfsr.start(lfsr.OUTPUTS, seed["SEED_OUT"]), 14, 32), np.uint16)
    pairs = (("NEUR", lfsr.ROUND), ("TINP", lfsr.ROUND), ("TREC", lfsr.ROUND), ("TOUT", lfsr.ROUND_OUT))
    words = [
        lfsr.start(stream, lane)
        for name, stream in pairs
        for lane in lfsr.split(seed[f"SEED_STRND_{name}"], 15, 2)
    ]
    words.append(lfsr.start(lfsr.ROUND_OUT, seed["SEED_STRND_ONEUR"]))
    words.append(lfsr.start(lfsr.NOISE, seed["SEED_NOISE_NEUR"]))
    state["f_rand"] = np.array(words, np.int64)


def set_rate(plan: Plan, state: dict, connection: int, rate: int) -> None:
    """Another rate shift for the weights of a connection, from the next step on. Raises LimitError."""
    core = plan.reckon
    matrix, out = core.connections.index(connection), core.connections[2]
    frac = plan.connections[out].weight.frac if out >= 0 else 7
    scale = int(state["f_regs"][INDEX["LEARN_SIG_SCALE"]])
    for name, value in rate_registers(MEMORIES[matrix], rate, scale, frac).items():
        state["f_regs"][INDEX[name]] = value


def pull(plan: Plan, state: dict) -> None:
    """Weights of the connections into the core's memories."""
    for name, c in zip(MATRICES, plan.reckon.connections, strict=True):
        if c >= 0:
            w = state[f"c{c}_w"]
            state[f"f_w{name}"][: w.shape[0], : w.shape[1]] = w


def push(plan: Plan, state: dict, learn: bool) -> None:
    """Membranes of the core, and what it learned, into the arrays of layers and connections."""
    core = plan.reckon
    for name, c in zip(MATRICES, core.connections, strict=True):
        if c >= 0 and learn:
            w = state[f"c{c}_w"]
            w[...] = state[f"f_w{name}"][: w.shape[0], : w.shape[1]]
    hidden, out = f"l{core.hidden}_", f"l{core.output}_"
    state[hidden + "v"][0] = state["f_u"][: core.n_rec] * state["f_dirty"][: core.n_rec]
    state[out + "v"][0] = state["f_o"][: core.n_out]
