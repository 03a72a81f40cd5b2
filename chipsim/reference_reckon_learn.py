"""Learning of ReckOn's core in plain Python: errors, learning signals, stochastic steps of the weights."""

from __future__ import annotations

from typing import NamedTuple

from chipsim.reckon import cycles, datapath, lfsr
from chipsim.reckon.datapath import LANES
from chipsim.state_reckon import MATRIX_COUNTS


class Group(NamedTuple):
    """What the post phase leaves for 16 post neurons: learning signals, surrogates, activities."""

    signals: list[int]
    surrogates: list[int]
    activities: list[int]


class Learning:
    """The part of the core that an update pass runs; `Core` holds state, registers and counters."""

    def due(self, target_valid: bool) -> bool:
        """Whether a tick runs an update pass."""
        return self.r["DO_EPROP"] != 0 and (target_valid or self.r["REGUL_MODE"] >> 1 == 3)

    def update(self, target_valid: bool) -> None:
        """One pass over all groups of 16 post neurons: post phase, then pre phase of both matrices."""
        r, learns = self.r, self.r["DO_EPROP"]
        errors = [self._error(k) if target_valid else 0 for k in range(self.n_out)]
        self.count("updates")
        self.count("update_cycles", cycles.update_cycles(self.n_inp, self.n_rec, learns))
        self.count("errors", sum(e != 0 for e in errors))
        for g in range((self.n_rec + LANES - 1) // LANES):
            group = self._post_phase(g, errors, target_valid)
            if learns == 0b100:
                continue
            silent = not (r["REGUL_MODE"] and any(group.activities))
            for i in range(self.longest):
                if learns & 1 and i < self.n_inp:
                    self._word(0, i, g, group, target_valid, silent)
                if learns & 2 and i < self.n_rec:
                    self._word(1, i, g, group, target_valid, silent)

    def _error(self, k: int) -> int:
        r, state = self.r, self.state
        label = int(state["f_label"][0]) == k
        return datapath.output_error(
            int(state["f_o"][k]), label, int(state["f_tar"][k]), r["REGRESSION"], r["NO_OUT_ACT"]
        )

    def _read(self, array: str, i: int, target_valid: bool) -> int:
        """A neuron's word as an update sees it: without a target no word is read (QUIRK_STALE)."""
        if target_valid or not self.r["QUIRK_STALE"]:
            return int(self.state[array][i])
        return int(self.state["f_stale"][2 * ("f_u", "f_ti", "f_tr", "f_to").index(array) + i % 2])

    # ------------------------------------------------------------ post phase

    def _post_phase(self, g: int, errors: list[int], target_valid: bool) -> Group:
        r = self.r
        thresholds = [r[f"THR_H_{k}"] for k in range(4)]
        values = [r[f"H_{k}"] for k in range(5)]
        signals, surrogates, activities = [], [], []
        for lane in range(LANES):
            j = LANES * g + lane
            seen = self._beyond(j)
            signals.append(self._signal(j, errors) if target_valid and j < self.n_rec else 0)
            surrogates.append(datapath.surrogate(self._read("f_u", seen, target_valid), thresholds, values))
            trace = self._read("f_tr", seen, target_valid) >> r["FP_LOC_TREC"]
            activities.append(datapath.activity(trace, r["REGUL_F0"]) if r["REGUL_MODE"] else 0)
            if j < self.n_rec:
                self.count("surrogates", int(r["DO_EPROP"] & 3 != 0))
                if target_valid and r["DO_EPROP"] & 4:
                    self._output_row(j, errors)
        return Group(signals, surrogates, activities)

    def _beyond(self, j: int) -> int:
        """The neuron whose word is read for lane j: beyond the last one, that of the last word read."""
        last = (self.longest - 1) // 2
        return j if j // 2 <= last else 2 * last + j % 2

    def _signal(self, j: int, errors: list[int]) -> int:
        if self.r["DO_EPROP"] & 3 == 0:
            return 0
        self.count("signal_products", self.n_out)
        self.count("signal_additions", self.n_out - 1)
        weights = [int(w) for w in self.state["f_wout"][j, : self.n_out]]
        return datapath.learning_signal(errors, weights, self.r["LEARN_SIG_SCALE"])

    def _output_row(self, j: int, errors: list[int]) -> None:
        """Update the output weights of one hidden neuron."""
        state, r = self.state, self.r
        trace = int(state["f_to"][j]) >> r["FP_LOC_TOUT"]
        if trace == 0:
            self._counted(2, "skipped_words")
            return
        halves = lfsr.join([int(x) for x in state["f_rout"]], 14)
        draws = lfsr.split(halves, 28, LANES)
        for k, error in enumerate(errors):
            self._lane(2, j, k, error * trace, 28, draws[k], "WOUT")
        state["f_rout"][:] = lfsr.split(lfsr.advance(lfsr.OUTPUTS, halves), 14, 32)
        self._counted(2, "words")

    # ------------------------------------------------------------ pre phase

    def _word(self, matrix: int, i: int, g: int, group: Group, target_valid: bool, silent: bool) -> None:
        """One word of input (0) or recurrent (1) weights: 16 lanes, or nothing where all traces are 0."""
        r, state = self.r, self.state
        name, array = (("INP", "f_ti"), ("REC", "f_tr"))[matrix]
        regulated = r["REGUL_W"] >> matrix & 1
        if not (target_valid or (r["REGUL_MODE"] >> 1 == 3 and regulated)):
            return
        trace = self._read(array, i, target_valid) >> r[f"FP_LOC_T{name}"]
        if trace == 0 and silent:
            self._counted(matrix, "skipped_words")
            return
        words = state["f_rinp" if matrix == 0 else "f_rrec"]
        for lane in range(LANES):
            prob = self._chance(matrix, group, lane, trace, target_valid)
            self._lane(matrix, i, LANES * g + lane, prob, 32, int(words[lane]), f"W{name}")
        after = lfsr.advance(lfsr.WEIGHTS, lfsr.join([int(x) for x in words], 32))
        words[:] = lfsr.split(after, 32, LANES)
        self._counted(matrix, "words")

    def _chance(self, matrix: int, group: Group, lane: int, trace: int, target_valid: bool) -> int:
        """The signed number that decides an update of one lane; 0: none."""
        r, active = self.r, group.activities[lane]
        name, h = ("INP", "REC")[matrix], group.surrogates[lane]
        regulated = r["REGUL_W"] >> matrix & 1
        if not ((target_valid and h) or (r["REGUL_MODE"] and regulated)):
            return 0
        factor = datapath.multiplier(active, r["REGUL_K_MUL"]) if r["REGUL_MODE"] & 1 and r["REGUL_W"] else 16
        taken = 0
        if r["REGUL_MODE"] & 2 and regulated:
            taken = datapath.additive(active, r[f"REGUL_K_{name}_P"], r[f"REGUL_K_{name}_R"])
        signal = group.signals[lane] if target_valid else 0
        return datapath.product(signal, trace, h, factor, taken, r["QUIRK_GUARD"])

    # ------------------------------------------------------------ one weight

    def _lane(self, matrix: int, i: int, j: int, prob: int, width: int, draw: int, name: str) -> None:
        """A stochastic step of one weight; a recurrent weight of a neuron onto itself becomes 0."""
        if prob == 0:
            return
        memory = self.state[("f_winp", "f_wrec", "f_wout")[matrix]]
        self._counted(matrix, "evaluated")
        if not datapath.commits(prob, width, self.r[f"LR_P_{name}"], self.r[f"LR_R_{name}"], draw):
            return
        old = int(memory[i, j])
        new = datapath.moved(old, prob)
        self._counted(matrix, "committed")
        self._counted(matrix, "saturated", int(new == old))
        if matrix == 1 and i == j:
            new = 0
        self._counted(matrix, "changed", int(new != old))
        memory[i, j] = new

    def _counted(self, matrix: int, name: str, amount: int = 1) -> None:
        self.state["f_matrix_stat"][matrix, MATRIX_COUNTS.index(name)] += amount
