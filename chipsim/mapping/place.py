"""Cores of a partition on the tiles of chips: along a curve, then moved where that shortens the routes.

A route goes along x, then along y (dimension order); its hops are between tiles. Chips are filled one
after the other; between chips no hops are counted, messages are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 256  # cores up to which places are improved pair by pair
SWEEPS = 4


@dataclass(frozen=True)
class Placement:
    """Where each core stands: chip, tile x and y, place within the tile; int64[cores] each.

    topology  that of the chip; without a mesh x and y are 0 and routes have no length
    chips     how many are used; cost, cost_before: messages x hops after and before improving
    """

    topology: str
    chip: np.ndarray
    x: np.ndarray
    y: np.ndarray
    slot: np.ndarray
    chips: int
    cost: float
    cost_before: float

    def tiles(self) -> int:
        """Tiles in use, the most on one chip: what a barrier joins."""
        where = np.unique(np.stack([self.chip, self.x, self.y]), axis=1)
        return int(np.bincount(where[0]).max()) if where.size else 0


def place(cores: int, chip: Any, weights: np.ndarray | None = None) -> Placement:
    """Place cores 0..cores-1 on as many chips as they need.

    weights  float[cores, cores], messages from core to core; with it, and up to MOST cores, pairs are
             swapped as long as messages x hops becomes less
    """
    per_chip = cores_per_chip(chip) or max(1, cores)
    number = np.arange(cores)
    on_chip, local = number // per_chip, number % per_chip
    noc = chip.noc
    zero = np.zeros(cores, np.int64)
    chips = int(on_chip.max()) + 1 if cores else 0
    if noc is None or noc.topology != "mesh2d":
        kind = "none" if noc is None else noc.topology
        return Placement(kind, on_chip, zero, zero, local, chips, 0.0, 0.0)
    tile, slot = local // noc.cores_per_tile, local % noc.cores_per_tile
    block = _serpentine(noc.width, noc.height)
    x, y = block[tile, 0], block[tile, 1]
    if weights is None or cores > MOST:
        return Placement("mesh2d", on_chip, x, y, slot, chips, 0.0, 0.0)
    order, before, after = _improved(np.asarray(weights, np.float64), on_chip, x, y)
    return Placement("mesh2d", on_chip[order], x[order], y[order], slot[order], chips, after, before)


def cores_per_chip(chip: Any) -> int | None:
    """Cores of one chip, None where it has no limit or states none."""
    return chip.limits.cores


def _serpentine(width: int, height: int) -> np.ndarray:
    """Tiles in an order whose neighbours touch: squares of 2 x 2 along rows, back and forth."""
    if width % 2 or height % 2:
        rows = [[(x if y % 2 == 0 else width - 1 - x, y) for x in range(width)] for y in range(height)]
        return np.array([t for row in rows for t in row], np.int64)
    tiles = []
    for j in range(height // 2):
        columns = range(width // 2) if j % 2 == 0 else range(width // 2 - 1, -1, -1)
        for i in columns:
            square = [(0, 0), (0, 1), (1, 1), (1, 0)] if j % 2 == 0 else [(1, 0), (1, 1), (0, 1), (0, 0)]
            tiles += [(2 * i + a, 2 * j + b) for a, b in square]
    return np.array(tiles, np.int64)


def _improved(weights: np.ndarray, chip: np.ndarray, x: np.ndarray, y: np.ndarray):
    """(place of each core, cost before, cost after): pairs are swapped while that lowers the cost."""
    both = weights + weights.T
    np.fill_diagonal(both, 0.0)
    far = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)
    far = np.where(chip[:, None] == chip, far, far.max(initial=0) + 1).astype(np.float64)
    at = np.arange(len(x))
    before = float((both * far).sum() / 2)
    for _ in range(SWEEPS):
        swapped = False
        for a in range(len(at)):
            # what changes if a swaps places with each other core; the pair's own route keeps its length
            now = (both * far).sum(axis=1)
            change = both[a] @ far + both @ far[a] - now[a] - now + 2 * both[a] * far[a]
            b = int(np.argmin(change))
            if change[b] < -1e-9:
                at[[a, b]] = at[[b, a]]
                far[[a, b]] = far[[b, a]]
                far[:, [a, b]] = far[:, [b, a]]
                swapped = True
        if not swapped:
            break
    return at, before, float((both * far).sum() / 2)
