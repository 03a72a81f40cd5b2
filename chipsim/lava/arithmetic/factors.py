"""Third factors of one population over several contexts: phase 7 of a step and of a replayed one."""

from __future__ import annotations

import math

import numpy as np

from chipsim.lava.arithmetic.errors import ONE, class_errors, softmax
from chipsim.lava.arithmetic.numbers import (
    OP_CIRCUIT_SIGNAL,
    draw_key,
    hashes,
    limit,
    shift_round,
    top_bits,
)

NOBODY = -1  # a label that no class has


class Factors:
    """Class errors of a population that is judged, and the third factor of one with a circuit.

    config: n, contexts, seed, steps (of a sample); labels int64[steps of the run, contexts], rewards alike;
    due uint8[steps]; judged (None or error, shift, error_lo, error_hi; forms uint8[steps]: errors for a
    replay, whatever is due; kept: stored in every step; burn_in); circuit (None or kind, layer, drop,
    rounding, lo, hi; of a contrast inputs, targets, shift, shift_d, geometry, error_lo, error_hi); weights
    (None: what comes back is the sum; else int[n, classes] of a matrix that nobody learns).
    """

    def __init__(self, config: dict):
        self.c = config
        self.m = np.zeros((config["contexts"], config["n"]), np.int64)
        self.errors = np.zeros_like(self.m)
        self.kept: list[np.ndarray] = []

    def begin(self) -> None:
        """Before a sample's first step: no stored errors."""
        self.kept = []

    # ------------------------------------------------------------ errors

    def judge(self, step: int, ts: int, potentials: np.ndarray) -> None:
        """Class errors of a step, where they are due or a replay needs them; stored if it needs all."""
        j = self.c["judged"]
        if not j:
            return
        if self.c["due"][ts - 1] or j["forms"][ts - 1]:
            for b, label in enumerate(self.c["labels"][step - 1].tolist()):
                lo, hi = j["error_lo"], j["error_hi"]
                self.errors[b] = class_errors(j["error"], potentials[b], j["shift"], label, lo, hi)
        if j["kept"]:
            self.kept.append(self.errors.copy() if ts > j["burn_in"] else np.zeros_like(self.errors))

    def recall(self, ts: int) -> None:
        """The stored errors of a replayed step back in their place."""
        if self.kept:
            self.errors = self.kept[ts - 1].copy()

    # ------------------------------------------------------------ the third factor

    def factor(
        self, step: int, back: np.ndarray, compared: np.ndarray | None, geometry: np.ndarray | None
    ) -> None:
        """m of an update instant. back: what came back, [contexts, n] or errors [contexts, classes];
        compared, geometry: registers that a contrast reads."""
        k = self.c["circuit"]
        if k["kind"] == "reward":
            self.m[...] = self.c["rewards"][step - 1][:, None]
        elif k["kind"] == "error":
            self.m = self.errors.copy()
        elif k["kind"] == "contrast":
            self._contrast(k, step, compared, geometry)
        else:
            exact = back if self.c["weights"] is None else back @ self.c["weights"].astype(np.int64).T
            for b in range(self.c["contexts"]):
                self.m[b] = self._rounded(k, step, b, exact[b])

    def _rounded(self, k: dict, step: int, b: int, exact: np.ndarray) -> np.ndarray:
        draw: np.ndarray | int = 0
        if k["rounding"] == "stochastic" and k["drop"] > 0:
            key = draw_key(self.c["seed"], k["layer"], OP_CIRCUIT_SIGNAL, step, b)
            draw = top_bits(hashes(2 * np.arange(self.c["n"]), key), k["drop"])
        return limit(shift_round(exact, k["drop"], k["rounding"], draw), k["lo"], k["hi"], "saturate")

    def _contrast(self, k: dict, step: int, eps: np.ndarray, geometry: np.ndarray | None) -> None:
        """Every sample against every target, and the other way round."""
        inputs = k["inputs"]
        samples, paths = eps[:inputs], eps[inputs:]
        if k["geometry"]:
            wanted = _distances(geometry[inputs:], k["shift_d"])
        else:
            labels = self.c["labels"][step - 1].tolist()
            wanted = [_one_hot(label, k["targets"]) for label in labels[:inputs]]
        g = np.zeros((inputs, k["targets"]), np.int64)
        for b, y in enumerate(wanted):
            if y is not None:
                z = (paths @ samples[b]).tolist()
                q = np.array(softmax(z, k["shift"], NOBODY), np.int64)
                g[b] = np.clip(q - np.array(y, np.int64), k["error_lo"], k["error_hi"])
        for b in range(inputs):
            self.m[b] = self._rounded(k, step, b, g[b] @ paths)
        for t in range(k["targets"]):
            self.m[inputs + t] = self._rounded(k, step, inputs + t, g[:, t] @ samples)


def _one_hot(label: int, targets: int) -> list[int] | None:
    return [ONE * (t == label) for t in range(targets)] if label >= 0 else None


def _distances(rows: np.ndarray, shift: int) -> list[list[int]]:
    """Softmax of the negative distances of every target to all."""
    found = []
    for p in rows.tolist():
        apart = [math.isqrt(sum((a - b) ** 2 for a, b in zip(p, q, strict=True))) for q in rows.tolist()]
        found.append(softmax([-d for d in apart], shift, NOBODY))
    return found
