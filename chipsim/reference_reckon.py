"""A time step of ReckOn's core in plain Python: what the compiled kernels must equal, bit for bit.

Order (definition 1, walk "phase"): fire, decay, third, learn, arrive, deliver, on_pre. One tick is
`step` (leak, spikes, decay of traces), `count_winner`, where an update is due `update`, then `sweep`
(the events that arrived before the tick and the spikes just decided). The first tick of a sample only
sweeps; `idle` ends a sample.
"""

from __future__ import annotations

from chipsim.plan import Plan
from chipsim.reckon import cycles, datapath, lfsr
from chipsim.reckon.datapath import EVENT, EVENT_OUT, ONE_ALPHA, ONE_KAPPA, S16, U10, U12
from chipsim.reckon.registers import NAMES
from chipsim.reference_neurons import add
from chipsim.reference_reckon_learn import Learning
from chipsim.state import LAYER_COUNTS, State
from chipsim.state_reckon import ENGINE_COUNTS, STREAMS

ROUNDING = {**dict.fromkeys(STREAMS[:6], lfsr.ROUND), **dict.fromkeys(STREAMS[6:9], lfsr.ROUND_OUT)}


class Core(Learning):
    """The core over the arrays of a state; `learn` False is DO_EPROP = 0."""

    def __init__(self, plan: Plan, state: State, learn: bool = True):
        self.plan, self.core, self.state = plan, plan.reckon, state
        self.r = {name: int(value) for name, value in zip(NAMES, state["f_regs"], strict=True)}
        if not learn:
            self.r["DO_EPROP"] = 0
        core = self.core
        self.n_inp, self.n_rec, self.n_out = core.n_inp, core.n_rec, core.n_out
        self.longest = max(self.n_inp, self.n_rec)

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of the core."""
        self.state["f_stat"][ENGINE_COUNTS.index(name)] += amount

    def drawn(self, name: str) -> int:
        """The present word of a rounding stream."""
        return lfsr.shown(ROUNDING[name], int(self.state["f_rand"][STREAMS.index(name)]))

    def next_draw(self, name: str) -> None:
        """One step of a rounding or noise stream."""
        k, stream = STREAMS.index(name), ROUNDING.get(name, lfsr.NOISE)
        self.state["f_rand"][k] = lfsr.advance(stream, int(self.state["f_rand"][k]))

    def seen(self, array: str, i: int) -> int:
        """A neuron's membrane or trace: 0 until it is written in this sample."""
        return int(self.state[array][i]) if self.state["f_dirty"][i] else 0

    # ------------------------------------------------------------ STEP

    def step(self) -> None:
        """Leak, spike, reset and decay of all words, and leak of the outputs."""
        length = cycles.step_cycles(self.n_inp, self.n_rec, self.n_out)
        self._remember_last(length)
        words = length // 2 if self.r["QUIRK_ODD"] else (length + 1) // 2
        for word in range(words):
            self._step_word(word)
        if self.r["QUIRK_ODD"] and length % 2:
            self.state["f_z"][length - 1 : length + 1] = 0
        for k in range(min(16, length)):
            self._step_output(k)
        self.count("steps")
        self.count("step_cycles", length)
        self.count("trace_decays", 6 * words)

    def _remember_last(self, length: int) -> None:
        """The last word as stored before this STEP: what QUIRK_STALE reads."""
        at = (length - 1) // 2 * 2
        arrays = ("f_u", "f_ti", "f_tr", "f_to")
        self.state["f_stale"][:] = [self.state[a][i] for a in arrays for i in (at, at + 1)]

    def _step_word(self, word: int) -> None:
        state, r = self.state, self.r
        alpha, stochastic = int(state["f_alpha"][word]), r["EN_STOCH_ROUND"]
        rounds = stochastic and alpha != ONE_ALPHA
        rounds_out = stochastic and r["KAPPA"] != ONE_KAPPA
        stat = state[f"l{self.core.hidden}_stat"]
        for lane in (0, 1):
            i = 2 * word + lane
            u = self.seen("f_u", i)
            draw = self.drawn(f"u{lane}") if rounds else None
            made, spike = datapath.leak(u, alpha, int(state["f_thr"][word]), r["RST_MODE"], draw)
            for array, name, factor, frac, fmt, on in (
                ("f_ti", "ti", alpha, 15, U12, rounds),
                ("f_tr", "tr", alpha, 15, U12, rounds),
                ("f_to", "to", r["KAPPA"], 7, U10, rounds_out),
            ):
                draw = self.drawn(f"{name}{lane}") if on else None
                state[array][i] = datapath.decayed(self.seen(array, i), factor, frac, fmt, draw)
                self.count("trace_draws", int(bool(on)))
            state["f_u"][i], state["f_z"][i] = made, spike
            if i < self.n_rec:
                add(stat, LAYER_COUNTS, "updates_active" if u else "updates_inactive", 1)
                add(stat, LAYER_COUNTS, "spikes", spike)
                add(stat, LAYER_COUNTS, "draws", int(bool(rounds)))
                state[f"l{self.core.hidden}_fired"][0, i] = spike
                state[f"l{self.core.hidden}_count"][0, i] += spike
        state["f_dirty"][2 * word : 2 * word + 2] = 1
        if stochastic:
            names = STREAMS[0 if rounds else 2 : 8]
            for name in names:
                self.next_draw(name)

    def _step_output(self, k: int) -> None:
        state, kappa = self.state, self.r["KAPPA"]
        rounds = self.r["EN_STOCH_ROUND"] and kappa != ONE_KAPPA
        if k < self.n_out:
            o = int(state["f_o"][k])
            draw = self.drawn("o") if rounds else None
            state["f_o"][k] = datapath.decayed(o, kappa, 7, S16, draw)
            stat = state[f"l{self.core.output}_stat"]
            add(stat, LAYER_COUNTS, "updates_active" if o else "updates_inactive", 1)
            add(stat, LAYER_COUNTS, "draws", int(bool(rounds)))
        if rounds:
            self.next_draw("o")

    def winner(self) -> int:
        """The output with the largest potential, the lowest of equals."""
        potentials = [int(o) for o in self.state["f_o"][: self.n_out]]
        return potentials.index(max(potentials))

    def count_winner(self) -> None:
        """One more step won by the present winner (classification)."""
        if not self.r["REGRESSION"]:
            self.state["f_wins"][self.winner()] += 1

    # ------------------------------------------------------------ events

    def sweep(self) -> None:
        """Every index with an input event or a spike: outputs, membranes, traces; then both are cleared."""
        state, active, late = self.state, 0, 0
        for i in range(self.longest):
            event, spike = int(state["f_inp"][i]), int(state["f_z"][i])
            if event or spike:
                active += 1
                late += self._one_event(i, event, spike)
            state["f_inp"][i] = state["f_z"][i] = 0
        self.count("sweep_cycles", cycles.sweep_cycles(self.n_inp, self.n_rec, active, late))

    def _one_event(self, i: int, event: int, spike: int) -> int:
        """Deliver one index; returns whether its trace needs cycles of its own."""
        r, state = self.r, self.state
        self._count_delivery(event, spike)
        if spike:
            self._to_outputs(i)
        amounts = self._amounts(event, spike)
        for word in range((self.n_rec + 1) // 2):
            for lane in (0, 1):
                self._to_neuron(i, 2 * word + lane, event, spike)
            self._traces(i, word, amounts)
            state["f_dirty"][2 * word : 2 * word + 2] = 1
            if r["NOISE_EN"]:
                self.next_draw("noise")
        if not (i >= self.n_rec and amounts[0]):
            return 0
        if r["QUIRK_TWICE"] or i // 2 >= (self.n_rec + 1) // 2:
            self._traces(i, i // 2, (amounts[0], 0, 0))
            state["f_dirty"][i // 2 * 2 : i // 2 * 2 + 2] = 1
        return 1

    def _count_delivery(self, event: int, spike: int) -> None:
        counts = ((event, self.n_rec), (spike, self.n_rec), (spike, self.n_out))
        for c, (one, fan_out) in zip(self.core.connections, counts, strict=True):
            if c >= 0 and one:
                self.state[f"c{c}_stat"][:2] += (1, fan_out)

    def _amounts(self, event: int, spike: int) -> tuple[int, int, int]:
        """What the traces of an index gain: only those of matrices that learn, unless traces are forced."""
        r, forced = self.r, self.r["FORCE_TRACES"]
        learns = [r["DO_EPROP"] >> k & 1 or forced for k in range(3)]
        return (
            EVENT << r["FP_LOC_TINP"] if event and learns[0] else 0,
            EVENT << r["FP_LOC_TREC"] if spike and learns[1] else 0,
            EVENT_OUT << r["FP_LOC_TOUT"] if spike and learns[2] else 0,
        )

    def _to_outputs(self, i: int) -> None:
        for k in range(self.n_out):
            w = int(self.state["f_wout"][i, k]) << self.r["FP_LOC_WOUT"]
            self.state["f_o"][k] = datapath.delivered(int(self.state["f_o"][k]), 0, w, 0)

    def _to_neuron(self, i: int, j: int, event: int, spike: int) -> None:
        r, state = self.r, self.state
        w_inp = int(state["f_winp"][i, j]) << r["FP_LOC_WINP"] if event else 0
        w_rec = int(state["f_wrec"][i, j]) << r["FP_LOC_WREC"] if spike else 0
        noise = 0
        if r["NOISE_EN"]:
            lanes = lfsr.split(int(state["f_rand"][STREAMS.index("noise")]), 16, 2)
            noise = datapath.wrap(lanes[j % 2], S16) >> r["NOISE_STR"]
        u = self.seen("f_u", j)
        made = datapath.delivered(u, w_inp, w_rec, noise)
        state["f_u"][j] = made
        if j < self.n_rec and abs(u + w_inp + w_rec + noise - made):
            add(state[f"l{self.core.hidden}_stat"], LAYER_COUNTS, "v_limited", 1)

    def _traces(self, i: int, word: int, amounts: tuple[int, int, int]) -> None:
        """Traces of a word: those of index i grow; where the word was not written yet, all become 0."""
        for array, amount, fmt in zip(("f_ti", "f_tr", "f_to"), amounts, (U12, U12, U10), strict=True):
            for lane in (0, 1):
                j = 2 * word + lane
                value = self.seen(array, j)
                if j == i and amount:
                    self.count("trace_increments")
                    self.count("trace_saturations", int(value + amount > fmt.hi))
                    value = datapath.incremented(value, amount, fmt)
                self.state[array][j] = value

    def idle(self) -> None:
        """The end of a sample: nothing written, no spikes, no events, outputs and wins 0."""
        for name in ("f_dirty", "f_z", "f_o", "f_wins", "f_inp", "f_live"):
            self.state[name][...] = 0
