"""The arrays of a crossbar core with address events (`plan.core`), and its image in the chip's own order.

Beside the arrays of `state.py` (l_v, l_fired, l_count, l_thr, l_stat, c_w, c_stat, c_lines, step) a state
holds, for spiking layers l (one context), connections c and the chip:

l<l>_ca, _cnt     uint8[1, n]   calcium, count of time references since it leaked
l<l>_up, _down    uint8[1, n]   the flags that the neuron's last update left
l<l>_par          int32[n, len(PAR)]  parameters of each neuron, in the order of PAR; its threshold is l_thr
l<l>_sign         uint8[n]      1: the row of this axon or neuron is inhibitory (layers that lead anywhere)
c<c>_w            int8, as described  weights with the sign of their row
c<c>_map          uint8, like w map bits: 1 where the synapse learns
core_config       int64[len(CONFIG)]  configuration registers
core_out          uint8[OUT_SIZE]     neurons whose spikes left the chip in the last step, in order
core_out_n        int64[1]      how many did (more than OUT_SIZE: the later ones are not kept)
core_stat         int64[len(CORE_COUNTS)]

`Core` is the chip's memories as one image; rows and columns that no layer uses are rest. `load_core` makes
it from a state, `store_core` writes what ran back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chipsim.microcode.program import COUNTS
from chipsim.plan.core import CYCLES, PAR, CorePlan
from chipsim.plan.types import ConnectionPlan, LayerPlan, Plan

CONFIG = ("open_loop", "update_unmapped", "propagate_unmapped", "sdsp_on_syn_stim")
OPEN_LOOP, UPDATE_UNMAPPED, PROPAGATE_UNMAPPED, ON_SYN_STIM = range(len(CONFIG))
CORE_COUNTS = (
    "events",
    "cycles_tref",
    "cycles_bist",
    "cycles_syn",
    "cycles_push",
    "cycles_popn",
    "cycles_popv",
    "operations",
    "neuron_reads",
    "neuron_writes",
    "synapse_reads",
    "synapse_writes",
    "pushed",
    "lost",
)
COUNT_AT = {name: k for k, name in enumerate(CORE_COUNTS)}
LEARNED = ("done", "saturated", "bistable", "bistable_saturated", "single")
DONE, SATURATED, BISTABLE, BISTABLE_SATURATED, SINGLE = range(len(LEARNED))
DRIVEN, TIMED, SPIKED = range(3)  # of Core.updates: by a synapse, by anything else, spikes sent
OUT_SIZE = 1 << 16
MOST_POPS = 1 << 14  # queued events that one address event may cause


@dataclass
class Core:
    """The image of one core: arrays of `size` neurons, `size` rows.

    syn       uint8[size, size]  map bit * 8 + weight
    par       int32[size, len(PAR)]; sign uint8[size] by row; slot int64[size]: column -> counted layer
    learned   int64[size, slots, len(LEARNED)]; updates int64[size, 3]; rows int64[size] row events
    fired     int32[size] spikes of the sample; step_fired of its last step
    """

    v: np.ndarray
    ca: np.ndarray
    cnt: np.ndarray
    up: np.ndarray
    down: np.ndarray
    par: np.ndarray
    syn: np.ndarray
    sign: np.ndarray
    slot: np.ndarray
    config: np.ndarray
    cycles: np.ndarray
    stat: np.ndarray
    rows: np.ndarray
    updates: np.ndarray
    learned: np.ndarray
    fired: np.ndarray
    step_fired: np.ndarray
    out: np.ndarray
    out_n: np.ndarray
    depth: int
    per_word: int
    documented: bool


def core_arrays(state: dict, plan: Plan) -> None:
    """Add what a core holds beside its layers and connections."""
    state["core_config"] = np.array(plan.core.config, np.int64)
    state["core_out"] = np.zeros(OUT_SIZE, np.uint8)
    state["core_out_n"] = np.zeros(1, np.int64)
    state["core_stat"] = np.zeros(len(CORE_COUNTS), np.int64)


def core_layer(state: dict, x: LayerPlan, plan: Plan, stat: int) -> None:
    """The arrays of one layer; `stat` is the length of its counters."""
    p, n = f"l{x.index}_", x.size
    state[p + "stat"] = np.zeros(stat, np.int64)
    if x.index in plan.core.rows:
        state[p + "sign"] = np.array(plan.core.signs[x.index], np.uint8)
    if x.kind == "source":
        return
    for name, dtype in (("v", np.int32), ("fired", np.uint8), ("count", np.int32)):
        state[p + name] = np.zeros((1, n), dtype)
    for name in ("ca", "cnt", "up", "down"):
        state[p + name] = np.zeros((1, n), np.uint8)
    state[p + "thr"] = np.full(n, x.threshold, np.int32)
    state[p + "par"] = np.tile(np.array(plan.core.par[x.index], np.int32), (n, 1))


def core_connection(state: dict, c: ConnectionPlan, w: np.ndarray, stat: int) -> None:
    """The arrays of one connection with its initial weights; `stat` is the length of its counters."""
    p = f"c{c.index}_"
    state[p + "w"] = w
    state[p + "map"] = np.full(w.shape, c.program is not None, np.uint8)
    state[p + "stat"] = np.zeros(stat, np.int64)
    if c.program is not None:
        state[p + "lines"] = np.zeros((2, len(COUNTS)), np.int64)


# ---------------------------------------------------------------- image


def load_core(plan: Plan, state: dict) -> Core:
    """The memories of the chip as they stand in a state; counters of the image begin at 0."""
    core = plan.core
    image = _empty(core, len(plan.layers))
    image.config[:] = state["core_config"]
    image.out, image.out_n, image.stat = state["core_out"], state["core_out_n"], state["core_stat"]
    for index, first in core.columns.items():
        p, at = f"l{index}_", slice(first, first + plan.layers[index].size)
        for name in ("v", "ca", "cnt", "up", "down"):
            getattr(image, name)[at] = state[p + name][0]
        image.fired[at], image.step_fired[at] = state[p + "count"][0], state[p + "fired"][0]
        image.par[at] = state[p + "par"]
        image.par[at, PAR.index("thr")] = state[p + "thr"]
        image.slot[at] = index
    for index, first in core.rows.items():
        image.sign[first : first + plan.layers[index].size] = state[f"l{index}_sign"]
    for c in plan.connections:
        image.syn[block(plan, state, c)] = np.abs(state[f"c{c.index}_w"]).astype(np.uint8) | (
            state[f"c{c.index}_map"] << 3
        )
    return image


def _empty(core: CorePlan, layers: int) -> Core:
    size = core.size
    small = {name: np.zeros(size, np.uint8) for name in ("v", "ca", "cnt", "up", "down", "sign")}
    par = np.tile(np.array(core.rest, np.int32), (size, 1))
    return Core(
        **small,
        par=par,
        syn=np.zeros((size, size), np.uint8),
        slot=np.full(size, layers, np.int64),
        config=np.zeros(len(CONFIG), np.int64),
        cycles=np.array(core.cycles, np.int64),
        stat=np.zeros(len(CORE_COUNTS), np.int64),
        rows=np.zeros(size, np.int64),
        updates=np.zeros((size, 3), np.int64),
        learned=np.zeros((size, layers + 1, len(LEARNED)), np.int64),
        fired=np.zeros(size, np.int32),
        step_fired=np.zeros(size, np.int32),
        out=np.zeros(OUT_SIZE, np.uint8),
        out_n=np.zeros(1, np.int64),
        depth=core.fifo_depth,
        per_word=core.synapses_per_word,
        documented=core.documented,
    )


def block(plan: Plan, state: dict, c: ConnectionPlan) -> tuple:
    """The index of a connection's synapses in the image."""
    row, column = plan.core.rows[c.pre], plan.core.columns[c.post]
    if not c.sparse:
        return slice(row, row + c.n_pre), slice(column, column + c.n_post)
    pre = np.repeat(np.arange(c.n_pre), np.diff(state[f"c{c.index}_ptr"]))
    return row + pre, column + state[f"c{c.index}_tgt"].astype(np.int64)


def store_core(plan: Plan, state: dict, image: Core, learn: bool) -> None:
    """Write an image back into its state, and its counters to layers and connections."""
    for index, first in plan.core.columns.items():
        p, at = f"l{index}_", slice(first, first + plan.layers[index].size)
        for name in ("v", "ca", "cnt", "up", "down"):
            state[p + name][0] = getattr(image, name)[at]
        state[p + "fired"][0] = image.step_fired[at] > 0
        state[p + "count"][0] = image.fired[at]
        state[p + "stat"][0] += image.updates[at, SPIKED].sum()
        state[p + "stat"][1] += image.updates[at, DRIVEN].sum()
        state[p + "stat"][2] += image.updates[at, TIMED].sum()
    for c in plan.connections:
        p, row = f"c{c.index}_", plan.core.rows[c.pre]
        at = slice(row, row + c.n_pre)
        if learn:
            w = (image.syn[block(plan, state, c)] & 7).astype(np.int8)
            state[p + "w"][...] = w * _sign_of_rows(state, c)
        learned, singles = image.learned[at, c.post].sum(axis=0), image.learned[at, c.post, SINGLE].sum()
        wide = np.diff(state[p + "ptr"]) if c.sparse else c.n_post
        state[p + "stat"][0] += image.rows[at].sum() + singles
        state[p + "stat"][1] += (image.rows[at] * wide).sum() + singles
        if c.program is not None:
            _count_lines(state[p + "lines"], learned)


def _count_lines(lines: np.ndarray, learned: np.ndarray) -> None:
    done, saturated, changed = (COUNTS.index(x) for x in ("done", "saturated", "changed"))
    for row, first in enumerate((DONE, BISTABLE)):
        lines[row, done] += learned[first]
        lines[row, saturated] += learned[first + 1]
        lines[row, changed] += learned[first] - learned[first + 1]


def count(core: Core, name: str, amount: int = 1) -> None:
    """Add to a counter of the chip."""
    core.stat[COUNT_AT[name]] += amount


def cycles_of(core: Core, name: str) -> int:
    """Cycles of one kind of work, from the chip file."""
    return int(core.cycles[CYCLES.index(name)])


def spikes_out(state: dict) -> list[int]:
    """Neuron numbers of the spikes that left the chip in the last step, in order."""
    return state["core_out"][: min(int(state["core_out_n"][0]), OUT_SIZE)].tolist()


def core_weights(state: dict, plan: Plan, c: ConnectionPlan, w: np.ndarray) -> np.ndarray:
    """Initial weights as they are stored: given ones as folded, drawn ones with the sign of their row."""
    if plan.network.connections[c.index].weights is not None:
        return w.astype(np.int8)
    return np.abs(w).astype(np.int8) * _sign_of_rows(state, c)


def _sign_of_rows(state: dict, c: ConnectionPlan) -> np.ndarray:
    """int8: 1 or -1 for each synapse, by its row."""
    sign = 1 - 2 * state[f"l{c.pre}_sign"].astype(np.int8)
    return np.repeat(sign, np.diff(state[f"c{c.index}_ptr"])) if c.sparse else sign[:, None]
