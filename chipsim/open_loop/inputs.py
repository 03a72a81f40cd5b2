"""What a rule is fed with: spikes, membranes, third factors and rewards of many recordings."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from chipsim.data.words import murmur3_array

RATE, LOUD, CLOSE = 3, 4, 6  # at most a third of the axons spike; every fourth m is 0; 2^-5 around theta
STREAMS = ("axon", "density", "v", "closeness", "m", "size", "reward")


@dataclass
class Inputs:
    """N recordings of T steps for n_pre axons and n_post neurons.

    pre        [N, T, n_pre] payload of active axons (raw), 0 elsewhere
    v, v_after [N, T, n_post] membrane as compared and after reset (raw)
    post       [N, T, n_post] 1 where the neuron fired
    m          [N, T, n_post] third factor (raw); reward [N, T] (raw); threshold: raw, all neurons
    """

    pre: np.ndarray
    v: np.ndarray
    v_after: np.ndarray
    post: np.ndarray
    m: np.ndarray
    reward: np.ndarray
    threshold: int | float

    def real(self, use) -> Inputs:
        """The same recordings as real numbers in the formats of `use`."""
        formats = {"pre": use.spike, "m": use.third_factor, "reward": use.reward}
        formats |= dict.fromkeys(("v", "v_after", "threshold"), use.v)
        return Inputs(
            **{
                f.name: getattr(self, f.name) * float(formats[f.name].lsb)
                if f.name in formats
                else getattr(self, f.name)
                for f in fields(self)
            }
        )


def random_inputs(use, count: int, steps: int, n_pre: int, n_post: int, first: int = 0) -> Inputs:
    """Recordings first..first+count-1, whose spikes, membranes and signals are words of the published hash.

    A recording has its own density of spikes (to a third of all axons); membranes lie on both sides of
    the threshold 1.0, many of them close to it, a quarter above; a quarter of the third factors is 0.
    """
    seeds = np.arange(first, first + count)[:, None, None]

    def words(stream: str, size: int) -> np.ndarray:
        t, e = np.arange(steps)[None, :, None], np.arange(size)[None, None, :]
        return murmur3_array((STREAMS.index(stream), t, e), seeds).astype(np.int64)

    one = 1 << use.v.frac
    dense = words("density", 1)[:, :1] // RATE
    close = words("closeness", n_post)
    away = (words("v", n_post) - 2**31) >> (close % CLOSE)
    away = np.where(close // CLOSE % 2, -abs(away) - 1, away)
    v = one + (away * one >> 32) * 2  # within 1 of the threshold
    fired = (v >= one).astype(np.int64)
    low, span = use.third_factor.lo, use.third_factor.hi - use.third_factor.lo + 1
    m = words("m", n_post) % span + low
    kind = words("size", n_post)
    reward = words("reward", 1)[..., 0]
    return Inputs(
        pre=(words("axon", n_pre) < dense).astype(np.int64),
        v=v,
        v_after=np.where(fired, 0, v),
        post=fired,
        m=np.where(kind % LOUD == 0, 0, m >> (kind // LOUD % 3)),
        reward=np.where(reward % LOUD, 0, (reward >> 8) % 64 - 32),
        threshold=one,
    )
