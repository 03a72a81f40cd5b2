"""The arrays a plan needs: one flat dictionary of named numpy arrays.

Names (B contexts; l = layer index, c = connection index, k = circuit index):

l<l>_v, l<l>_u     int32[B, n]     membrane after reset, current (u only with a current state)
l<l>_vc            int32[B, n]     membrane as compared, before reset: `neuron.v`
l<l>_refr          int16[B, n]     refractory steps left (only with a refractory period)
l<l>_thr, _bias    int32[n]        thresholds and biases (homeostasis and calibration write them)
l<l>_ku, _kv       int32[n]        decay factors * 4096 of neuron arithmetic "lava" (else in the plan)
l<l>_acc           int32|int64[ring, B, n]  input of a step, frac acc_frac; slot step % ring
l<l>_fired         uint8[B, n]     `post.spike` of the last completed phase 5
l<l>_hist          int32[history, B, n]  spiking neurons of a step, ascending; slot step % history
l<l>_hist_n        int32[history, B]     how many
l<l>_pay           int16[history, B, n]  payloads beside l_hist (graded sources, average pools)
l<l>_count         int32[B, n]     spikes in this sample
l<l>_m             int32[B, n]     third factor (only with a circuit), format signal_fmt
l<l>_stat          int64[len(LAYER_COUNTS)]
                   a pool layer has hist, hist_n, pay, fired (spikes of each window), count, m, stat
c<c>_w             weights: [n_pre, n_post] dense, [n_synapses] sparse, [rows, channels] of a convolution:
                   row (ky * K + kx) * C_in + ci
c<c>_r_<name>      registers: pre [B, n_pre], post [B, n_post], layer [1], syn like w
                   ([B, ...] when per context)
c<c>_t_<name>      temps, always with a context axis ([B, 1] for a layer's); scratch, not in digests
c<c>_params        int64[n_params] present raw values of the rule's parameters
c<c>_ptr, _tgt     int64[n_pre + 1], index[n_synapses]: rows by pre (sparse)
c<c>_cptr, _cpre, _crank  int64[n_post + 1], index[n_synapses], index[n_synapses]: columns by post;
                   the synapse is number ptr[pre] + rank
c<c>_tx, _ty       int16[1, n_pre], int16[1, n_post]  step of the present learning epoch in which an axon or
                   neuron spiked last, 0 for none (engines with streams)
c<c>_delay         uint8, like w (one delay per synapse)
c<c>_lines         int64[n_lines + n_variables, 7]  counters in the order of program.COUNTS; a row per
                   line, then one per synaptic variable that products write
c<c>_stat          int64[len(CONNECTION_COUNTS)]
c<c>_h_<name>      [depth, B, n_pre or n_post]  stored history: the value at the end of step t of a sample
                   in slot (t - 1) % depth (the spikes of axons are in l_hist)
c<c>_past_stat     int64[len(HISTORY_COUNTS)]  (rules with a history)
k<k>_err           int32[B, classes]  class error, format error_fmt (kinds readout, error)
k<k>_shift         int64[1]           logit shift; of a contrast int64[2], of z and of the distance
k<k>_thr           int64[1]           threshold of error-triggered updates, 1/256 of the error's LSB
k<k>_copy          like c<c>_w        stored copy of transported weights
k<k>_age           int64[1]           update instants since the copy was refreshed
k<k>_z             int64[inputs, targets]  products of two paths (kind contrast), twice the register's frac
k<k>_y, k<k>_G     int32[inputs, targets]  targets and coefficients, s8.7
k<k>_stat          int64[len(state_circuits.circuit_counts(k))]
k<k>_errh          int32[depth, B, classes]  class errors of each step of the sample, for a replay
k<k>_past_stat     int64[len(HISTORY_COUNTS)]  (beside k_errh)
A crossbar core has arrays of its own (`state_core`), and ReckOn's core (`state_reckon`: f_...).
step               int64[1]   learning steps of the run so far (the next one has number step + 1)
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from chipsim.errors import LimitError
from chipsim.fixed import Format, fold
from chipsim.microcode.program import COUNTS, BoundRegister
from chipsim.noise import OP_INIT_WEIGHT, draw_key
from chipsim.plan import ConnectionPlan, LayerPlan, Plan
from chipsim.state_circuits import CIRCUIT_COUNTS as CIRCUIT_COUNTS
from chipsim.state_circuits import circuit_arrays
from chipsim.state_core import core_arrays, core_connection, core_layer, core_weights
from chipsim.state_reckon import reckon_arrays

LAYER_COUNTS = (
    "spikes",
    "updates_active",
    "updates_inactive",
    "input_limited",
    "u_limited",
    "v_limited",
    "draws",
    "threshold_updates",
)
CONNECTION_COUNTS = ("axon_events", "synaptic_events", "multiplications")
HISTORY_COUNTS = ("history_writes", "history_reads")  # stored values

State = dict  # str -> np.ndarray


def storage(fmt: Format) -> np.dtype:
    """The narrowest of the 8/16/32-bit integers that holds the format."""
    kind = "i" if fmt.signed else "u"
    return np.dtype(f"{kind}{1 if fmt.bits <= 8 else 2 if fmt.bits <= 16 else 4}")


def make_state(plan: Plan) -> State:
    """All arrays of a plan at their initial values; weights drawn or folded from the description."""
    state: State = {"step": np.zeros(1, np.int64)}
    if plan.core is not None:
        return _core_state(state, plan)
    for layer in plan.layers:
        _layer_arrays(state, layer, plan)
    for c in plan.connections:
        _connection_arrays(state, c, plan)
    for k in plan.circuits:
        circuit_arrays(state, k, plan)
    history_arrays(state, plan)
    if plan.reckon is not None:
        reckon_arrays(state, plan)
    return state


def _core_state(state: State, plan: Plan) -> State:
    """The arrays of an event-driven crossbar core (see `state_core`)."""
    for layer in plan.layers:
        core_layer(state, layer, plan, len(LAYER_COUNTS))
    for c in plan.connections:
        described, shape = plan.network.connections[c.index], (c.n_pre, c.n_post)
        if c.sparse:
            shape = _sparse_index(state, f"c{c.index}_", described.sparse, c)
        drawn = replace(c, w_lo=c.weight.lo + 1, w_hi=c.weight.hi)
        w = initial_weights(drawn if described.weights is None else c, described.weights, shape, plan.seed)
        core_connection(state, c, core_weights(state, plan, c, w), len(CONNECTION_COUNTS))
    core_arrays(state, plan)
    return state


def history_arrays(state: State, plan: Plan) -> None:
    """What a replay reads: the values that rules store, and the class errors of each step."""
    for c in plan.connections:
        if c.program is None or not c.program.history:
            continue
        for x in c.program.stored:
            if getattr(x, "source", "") != "pre.spike":
                shape = (c.program.depth, plan.contexts, c.n_pre if x.owner == "pre" else c.n_post)
                state[f"c{c.index}_h_{x.name}"] = np.zeros(shape, storage(x.fmt))
        state[f"c{c.index}_past_stat"] = np.zeros(len(HISTORY_COUNTS), np.int64)
    for index in plan.replay.errors if plan.replay else ():
        if index not in plan.replay.held:
            shape = (plan.replay.depth, *state[f"k{index}_err"].shape)
            state[f"k{index}_errh"] = np.zeros(shape, np.int32)
            state[f"k{index}_past_stat"] = np.zeros(len(HISTORY_COUNTS), np.int64)


def _layer_arrays(state: State, layer: LayerPlan, plan: Plan) -> None:
    b, n, p = plan.contexts, layer.size, f"l{layer.index}_"
    state[p + "hist"] = np.zeros((layer.history, b, n), np.int32)
    state[p + "hist_n"] = np.zeros((layer.history, b), np.int32)
    state[p + "stat"] = np.zeros(len(LAYER_COUNTS), np.int64)
    if layer.payload_bits > 1:
        state[p + "pay"] = np.zeros((layer.history, b, n), np.int16)
    if layer.kind == "source":
        return
    state[p + "fired"] = np.zeros((b, n), np.uint8)
    state[p + "count"] = np.zeros((b, n), np.int32)
    if layer.circuit is not None:
        state[p + "m"] = np.zeros((b, n), np.int32)
    if layer.kind == "pool":
        return
    state[p + "v"] = np.zeros((b, n), np.int32)
    state[p + "vc"] = np.zeros((b, n), np.int32)
    if layer.k_u is not None:
        state[p + "u"] = np.zeros((b, n), np.int32)
    if layer.refractory:
        state[p + "refr"] = np.zeros((b, n), np.int16)
    state[p + "thr"] = np.full(n, layer.threshold, np.int32)
    state[p + "bias"] = np.full(n, layer.bias, np.int32)
    if layer.arithmetic == "lava":
        state[p + "ku"] = np.full(n, layer.k_u or 0, np.int32)
        state[p + "kv"] = np.full(n, layer.k_v, np.int32)
    state[p + "acc"] = np.zeros((layer.ring, b, n), np.int64 if layer.acc_wide else np.int32)


def _connection_arrays(state: State, c: ConnectionPlan, plan: Plan) -> None:
    p = f"c{c.index}_"
    described = plan.network.connections[c.index]
    shape = (c.n_pre, c.n_post)
    if c.conv is not None:
        shape = (c.conv.rows, c.conv.post[2])
    if c.sparse:
        shape = _sparse_index(state, p, described.sparse, c)
    if described.delays is not None:
        state[p + "delay"] = np.ascontiguousarray(described.delays, np.uint8)
    state[p + "w"] = initial_weights(c, described.weights, shape, plan.seed)
    state[p + "stat"] = np.zeros(len(CONNECTION_COUNTS), np.int64)
    if c.program is None:
        return
    for r in c.program.registers:
        if not r.is_weight:
            state[p + ("t_" if r.temp else "r_") + r.name] = register_array(r, c, plan.contexts, shape)
    if c.program.traces is not None:
        state[p + "tx"] = np.zeros((1, c.n_pre), np.int16)
        state[p + "ty"] = np.zeros((1, c.n_post), np.int16)
    state[p + "params"] = np.array([x.raw for x in c.program.params], np.int64)
    lines = len(c.program.lines) + len(c.program.variables)
    state[p + "lines"] = np.zeros((max(1, lines), len(COUNTS)), np.int64)


def register_array(r: BoundRegister, c: ConnectionPlan, contexts: int, shape: tuple[int, ...]) -> np.ndarray:
    """A register's array at its initial value."""
    size = {"pre": (c.n_pre,), "post": (c.n_post,), "layer": (1,), "syn": shape}[r.owner]
    if r.temp or r.per_context or r.owner in ("pre", "post"):
        size = (contexts, *size)
    return np.full(size, r.init, storage(r.fmt))


def index_type(size: int) -> np.dtype:
    """uint16 where it suffices: indices are most of a sparse synapse's memory."""
    return np.dtype(np.uint16 if size <= 65536 else np.int32)


def _sparse_index(state: State, p: str, sparse: tuple, c: ConnectionPlan) -> tuple[int]:
    indptr, targets = np.asarray(sparse[0], np.int64), np.asarray(sparse[1], np.int64)
    pre = np.repeat(np.arange(c.n_pre), np.diff(indptr))
    by_post = np.argsort(targets, kind="stable")
    rank = (np.arange(len(targets)) - indptr[pre])[by_post]
    state[p + "ptr"] = indptr
    state[p + "tgt"] = targets.astype(index_type(c.n_post))
    state[p + "cptr"] = np.concatenate([[0], np.cumsum(np.bincount(targets, minlength=c.n_post))]).astype(
        np.int64
    )
    state[p + "cpre"] = pre[by_post].astype(index_type(c.n_pre))
    state[p + "crank"] = rank.astype(index_type(c.n_post))
    return (len(targets),)


def initial_weights(c: ConnectionPlan, given: np.ndarray | None, shape: tuple, seed: int) -> np.ndarray:
    """Given real weights folded to nearest, or uniform words of the noise scaled to +-spread."""
    if given is None:
        key = draw_key(seed, c.index, OP_INIT_WEIGHT, 0, 0)
        words = murmur3_words(key, int(np.prod(shape)))
        half = fold(c.spread, Format(True, 32, c.weight.frac + 8)).raw  # 8 bits below the LSB
        fine = (words.astype(np.int64) * (2 * half + 1) >> 32) - half
        raw = (fine + 128) >> 8
    else:
        scaled = np.abs(np.asarray(given, np.float64)) * 2.0**c.weight.frac
        raw = np.sign(given) * np.floor(scaled + 0.5)
        _check_range(c, raw)
    raw = np.clip(raw, c.w_lo, c.w_hi).astype(storage(c.weight)).reshape(shape)
    return raw & ~1 if c.even else raw


def _check_range(c: ConnectionPlan, raw: np.ndarray) -> None:
    """Given weights may meet the limits (1.0 in s8.7 is stored as 127/128), not lie beyond them."""
    beyond = int(((raw < c.w_lo - 1) | (raw > c.w_hi + 1)).sum())
    if beyond:
        lsb = float(c.weight.lsb)
        raise LimitError(
            f"{beyond} given weights lie outside {c.w_lo * lsb:g}..{c.w_hi * lsb:g}, "
            f"the largest is {np.abs(raw).max() * lsb:g}",
            where=f"{c.name} ({c.weight})",
            remedy="give the connection a larger w_range (a power of two), or smaller weights",
        )


def murmur3_words(key: int, count: int) -> np.ndarray:
    """uint32[count]: H(key, 0), H(key, 1), ... as `noise.murmur3` computes them, vectorised."""
    k = np.arange(count, dtype=np.uint64) & 0xFFFFFFFF
    mask = np.uint64(0xFFFFFFFF)

    def times(x: np.ndarray, y: int) -> np.ndarray:
        return x * np.uint64(y) & mask

    def rotl(x: np.ndarray, r: int) -> np.ndarray:
        return (x << np.uint64(r) | x >> np.uint64(32 - r)) & mask

    h = np.uint64(key) ^ times(rotl(times(k, 0xCC9E2D51), 15), 0x1B873593)
    h = (times(rotl(h, 13), 5) + np.uint64(0xE6546B64)) & mask
    h ^= np.uint64(4)
    h = times(h ^ h >> np.uint64(16), 0x85EBCA6B)
    h = times(h ^ h >> np.uint64(13), 0xC2B2AE35)
    return (h ^ h >> np.uint64(16)).astype(np.uint32)


def digest(state: State) -> str:
    """sha256 over names, shapes, dtypes and bytes of all arrays but temps, names sorted, little endian."""
    h = hashlib.sha256()
    for name in sorted(state):
        if "_t_" in name:
            continue
        array = np.ascontiguousarray(state[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        h.update(f"{name}{array.shape}{array.dtype.str}".encode())
        h.update(array.tobytes())
    return h.hexdigest()
