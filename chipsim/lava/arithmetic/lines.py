"""The lines of one connection's rule for all its axons, neurons and synapses, over several contexts.

A program is plain data (`describe_lines` of chipsim writes it). Values are int64 arrays: [contexts, n_pre],
[contexts, n_post], of synapses [n_pre, n_post], with a leading axis of contexts where each has its own.
A section's lines run in order, each for all that the section reaches; contributions of several contexts to
a value that is stored once are added exactly and the value is rounded, limited and written once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chipsim.lava.arithmetic.forms import exact_value
from chipsim.lava.arithmetic.numbers import draw_key, hashes, limit, shift_round, top_bits

Inputs = dict  # source -> array: [contexts, n_pre], [contexts, n_post], of reward [contexts]


class Reach(NamedTuple):
    """Which axons and neurons a section reaches, bool[contexts, n]; of synapses those where both meet."""

    pre: np.ndarray
    post: np.ndarray


class Lines:
    """Registers and lines; `values`: name -> array, the weight among them."""

    def __init__(self, program: dict, contexts: int, n_pre: int, n_post: int, seed: int):
        self.program, self.seed = program, seed
        self.contexts, self.n_pre, self.n_post = contexts, n_pre, n_post
        self.registers = program["registers"]
        self.values = {
            name: np.full(self._shape(r["owner"], r["per_context"]), r["init"], np.int64)
            for name, r in self.registers.items()
        }
        self.thresholds, self.v_frac = np.zeros(n_post, np.int64), 0
        self.history: dict[str, list[np.ndarray]] = {name: [] for name in program["history"]}

    def _shape(self, owner: str, per_context: bool) -> tuple[int, ...]:
        sizes = {"pre": (self.n_pre,), "post": (self.n_post,), "syn": (self.n_pre, self.n_post)}
        return ((self.contexts,) if per_context else ()) + sizes[owner]

    def has(self, section: str) -> bool:
        """Whether the rule has lines there."""
        return any(x["section"] == section for x in self.program["lines"])

    def reset(self) -> None:
        """What a sample begins with: registers of a context at their initial values, empty histories."""
        for name, r in self.registers.items():
            if r["per_context"] and not (r["temp"] or r["keep"]):
                self.values[name][...] = r["init"]
        self.history = {name: [] for name in self.history}

    def remember(self, inputs: Inputs) -> None:
        """Store the histories at a step's end; those of axons' spikes are the caller's."""
        for name, kept in self.history.items():
            source = self.program["history"][name]
            if source != "pre.spike":
                kept.append((inputs[source] if source else self.values[name]).copy())

    # ------------------------------------------------------------ a section

    def run(
        self, section: str, step: int, inputs: Inputs, reach: Reach, part: int = 0, ts: int | None = None
    ) -> None:
        """One section in learning step `step`.

        part   of on_third_factor: 7 runs the leading lines, 8 the others, 0 all
        ts     on_replay: the step of the sample whose stored values the names of the history mean
        """
        lines = [x for x in self.program["lines"] if x["section"] == section]
        if not lines:
            return
        if part != 8:
            self._begin(section, lines)
        if part:
            first = self.program["phase7"]
            lines = lines[:first] if part == 7 else lines[first:]
        self._stored = {} if ts is None else {name: x[ts - 1] for name, x in self.history.items() if x}
        for x in lines:
            self._line(x, step, inputs, reach)

    def _begin(self, section: str, lines: list[dict]) -> None:
        """Temps are 0 when their section begins; so is what on_third_factor publishes."""
        for name, r in self.registers.items():
            if r["temp"]:
                self.values[name][...] = 0
        if section == "on_third_factor":
            for x in lines:
                if self.registers[x["target"]]["publish"]:
                    self.values[x["target"]][...] = 0

    def _line(self, x: dict, step: int, inputs: Inputs, reach: Reach) -> None:
        r, old = self.registers[x["target"]], self.values[x["target"]]
        mask = {"pre": reach.pre, "post": reach.post}.get(r["owner"])
        if mask is None:
            mask = reach.pre[:, :, None] & reach.post[:, None, :]
        if x["when"]:
            mask = mask & ((self._read(x["when"], r["owner"], inputs) != 0) != x["when_not"])
        if not mask.any():
            return
        drop = x["frac"] - r["frac"]
        words: np.ndarray | int = 0
        if x["form"] == "random" or (r["rounding"] == "stochastic" and drop > 0):
            words = self._words(r, x["ordinal"], step)
        if x["form"] == "random":
            exact = r["fmt_lo"] + top_bits(words, r["bits"])
        else:
            exact = self._exact(x, r["owner"], inputs)
            if not r["per_context"]:  # all contexts add to the one value
                exact = np.where(mask, exact, 0).sum(axis=0)
        if not r["per_context"]:
            mask = mask.any(axis=0)
        draw = top_bits(words, drop) if drop > 0 else 0
        if x["mode"] == "=":
            new = shift_round(exact, drop, r["rounding"], draw)
        elif drop > 0:
            new = shift_round((old << drop) + exact, drop, r["rounding"], draw)
        else:
            new = old + (exact << -drop)
        old[...] = np.where(mask, limit(new, r["lo"], r["hi"], r["overflow"]), old)

    def _exact(self, x: dict, owner: str, inputs: Inputs) -> np.ndarray:
        """E of every contribution, with x["frac"] fraction bits and the sign of += or -=."""
        a = self._read(x["a"], owner, inputs)
        b = self._read(x["b"], owner, inputs) if x["b"] else None
        return exact_value(x, a, b, self.thresholds, self.v_frac)

    # ------------------------------------------------------------ operands and words

    def _read(self, operand: dict, owner: str, inputs: Inputs) -> np.ndarray:
        """An operand's values with the axes of the target's contributions."""
        kind = operand["kind"]
        if kind == "value":
            return np.int64(operand["raw"])
        if operand["name"] in self._stored:
            value = self._stored[operand["name"]]
        elif kind == "input":
            value = inputs[operand["source"]]
            if operand["owner"] == "layer":
                return value.reshape((-1, 1, 1) if owner == "syn" else (-1, 1))
        else:
            value = self.values[operand["name"]]
        if owner != "syn" or operand["owner"] == "syn":
            return value  # stored once: the axes of contexts come by themselves
        return value[:, :, None] if operand["owner"] == "pre" else value[:, None, :]

    def _words(self, r: dict, ordinal: int, step: int) -> np.ndarray:
        """The random words of all elements of a register, with its axes."""
        rows, place = range(self.contexts if r["per_context"] else 1), self.program["connection"]
        keys = np.array([draw_key(self.seed, place, ordinal, step, b) for b in rows])[:, None]
        words = self._rows(r["owner"], keys)
        return words if r["per_context"] else words[0]

    def _rows(self, owner: str, keys: np.ndarray) -> np.ndarray:
        """The words that belong to keys int64[rows, 1]."""
        if owner != "syn":
            return hashes(2 * np.arange(self.n_pre if owner == "pre" else self.n_post), keys)
        post, pre = hashes(2 * np.arange(self.n_post), keys)[:, None, :], 2 * np.arange(self.n_pre) + 1
        if self.program["noise"] == "lane":
            return hashes(pre, keys)[:, :, None] ^ post
        return hashes(pre[None, :, None], post)
