"""Stratified splits and the order of presentation, from chipsim's own noise.

No library's random generator decides which sample is seen when: every sort key is a word of
`chipsim.noise` (op OP_SPLIT), so a split is the same on every numpy, machine and thread count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chipsim import noise
from chipsim.data import checks
from chipsim.data.images import Images, Parts
from chipsim.data.words import draw_keys, words_one
from chipsim.errors import DataError

PLACE_SPLIT, PLACE_ORDER = 0, 1  # two streams under OP_SPLIT


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """int64[n]: the order in which n samples are shown in an epoch (0, 1, ...)."""
    return _shuffled(n, seed, PLACE_ORDER, 0, epoch)


def stratified(labels: np.ndarray, counts: Sequence[int], seed: int) -> list[np.ndarray]:
    """Cut samples into len(counts) + 1 parts with the same share of every class in each.

    labels   int[n] of 0 and up
    counts   exact size of every part but the last, which gets the rest
    seed     another seed, another choice of samples; the sizes per class stay

    Returns ascending int64 indices per part. Raises DataError if the counts exceed n.
    """
    labels = checks.integers("labels", labels)
    checks.first_outside("labels", labels, 0, checks.INT32_MAX)
    if min(counts, default=0) < 0 or sum(counts) > len(labels):
        raise DataError(
            f"parts of {list(counts)} samples from {len(labels)}",
            remedy="make the parts smaller, or give more samples",
        )
    sizes = np.bincount(labels)
    left = sizes.copy()
    quotas = []
    for count in counts:
        quotas.append(_allocate(left, count))
        left = left - quotas[-1]
    members: list[list[np.ndarray]] = [[] for _ in range(len(counts) + 1)]
    for c in np.flatnonzero(sizes):
        own = np.flatnonzero(labels == c)
        own = own[_shuffled(len(own), seed, PLACE_SPLIT, int(c), 0)]
        cuts = np.cumsum([quota[c] for quota in quotas])
        for part, piece in zip(members, np.split(own, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part or [np.empty(0)])).astype(np.int64) for part in members]


def split_three(images: Images, seed: int, validation: int = 15, test: int = 25) -> Parts:
    """Training, validation and test parts of one set; shares in percent, stratified by class.

    The defaults give 60/15/25. `seed` chooses the samples.
    """
    if not (0 < validation and 0 < test and validation + test < 100):
        raise DataError(f"shares of {validation} and {test} percent; limit: each above 0, together below 100")
    n = len(images)
    counts = [(n * share + 50) // 100 for share in (test, validation)]
    test_part, validation_part, train = stratified(images.labels, counts, seed)
    return Parts(images.take(train), images.take(validation_part), images.take(test_part))


def hold_out(train: Images, test: Images, seed: int, validation: int = 5000) -> Parts:
    """Parts of a set that has its own test file: validation is a stratified part of the training file."""
    if not 0 < validation < len(train):
        raise DataError(
            f"a validation part of {validation} samples from {len(train)}; limit 1..{len(train) - 1}"
        )
    part, rest = stratified(train.labels, [validation], seed)
    return Parts(train.take(rest), train.take(part), test)


def _shuffled(n: int, seed: int, place: int, context: int, step: int) -> np.ndarray:
    """0..n-1 sorted by their words; equal words (1 pair in 2**32) keep their order."""
    key = draw_keys(seed, place, noise.OP_SPLIT, context, step)
    return np.argsort(words_one(key, np.arange(n)), kind="stable").astype(np.int64)


def _allocate(sizes: np.ndarray, total: int) -> np.ndarray:
    """Share `total` among classes in proportion to `sizes` by largest remainder, exactly."""
    whole = int(sizes.sum())
    if whole == 0:
        return np.zeros_like(sizes)
    exact = sizes.astype(np.int64) * total
    quota, rest = exact // whole, exact % whole
    order = np.lexsort((np.arange(len(sizes)), -rest))
    quota[order[: total - int(quota.sum())]] += 1
    return quota
