"""The lines that a neuron's program runs: post registers of one rule, for one population.

A program is plain data (`describe_program` of chipsim writes it); a section's lines run in order, each
for all neurons that the section reaches.
"""

from __future__ import annotations

import numpy as np

from chipsim.lava.arithmetic.forms import exact_value
from chipsim.lava.arithmetic.numbers import draw_key, limit, shift_round, top_bits, words_of


class NeuronProgram:
    """Registers and lines of `n` neurons; values: name -> int64[n]."""

    def __init__(self, program: dict, n: int, seed: int):
        self.program, self.n, self.seed = program, n, seed
        self.registers = program["registers"]
        self.values = {name: np.full(n, r["init"], np.int64) for name, r in self.registers.items()}
        self.threshold = np.zeros(n, np.int64)
        self.v_frac = 0

    def run(self, section: str, step: int, inputs: dict[str, np.ndarray], reach: np.ndarray | None) -> None:
        """One section in learning step `step`; inputs by source; reach: which neurons (None: all)."""
        lines = [x for x in self.program["lines"] if x["section"] == section]
        if not lines:
            return
        for name, r in self.registers.items():
            if r["temp"]:
                self.values[name][:] = 0
        if section == "on_third_factor":
            for x in lines:
                if self.registers[x["target"]]["publish"]:
                    self.values[x["target"]][:] = 0
        if reach is not None and not reach.any():
            return
        for x in lines:
            self._line(x, step, inputs, np.ones(self.n, bool) if reach is None else reach)

    def _line(self, x: dict, step: int, inputs: dict[str, np.ndarray], reach: np.ndarray) -> None:
        r, frac = self.registers[x["target"]], x["frac"]
        if x["when"]:
            reach = reach & ((self._read(x["when"], inputs) != 0) != x["when_not"])
        drop, old = frac - r["frac"], self.values[x["target"]]
        words = np.zeros(self.n, np.int64)
        if x["form"] == "random" or (r["rounding"] == "stochastic" and drop > 0):
            words = words_of(draw_key(self.seed, self.program["connection"], x["ordinal"], step), self.n)
        if x["form"] == "random":
            new = r["lo"] + top_bits(words, r["bits"])
        else:
            exact = self._exact(x, inputs)
            draw = top_bits(words, drop) if drop > 0 else 0
            if x["mode"] == "=":
                new = shift_round(exact, drop, r["rounding"], draw)
            elif drop > 0:
                new = shift_round((old << drop) + exact, drop, r["rounding"], draw)
            else:
                new = old + (exact << -drop)
        self.values[x["target"]] = np.where(reach, limit(new, r["lo"], r["hi"], r["overflow"]), old)

    def _exact(self, x: dict, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """E of the line, with x["frac"] fraction bits and the sign of += or -=."""
        a = self._read(x["a"], inputs)
        b = self._read(x["b"], inputs) if x["b"] else None
        return exact_value(x, a, b, self.threshold, self.v_frac)

    def _read(self, operand: dict, inputs: dict[str, np.ndarray]) -> np.ndarray:
        if operand["kind"] == "value":
            return np.full(self.n, operand["raw"], np.int64)
        if operand["kind"] == "input":
            return np.broadcast_to(inputs[operand["source"]], (self.n,)).astype(np.int64)
        return self.values[operand["name"]]
