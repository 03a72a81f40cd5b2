"""The axons of each neuron, as columns: (int64[n_post + 1] where they begin, int32[n_synapses] axons)."""

from __future__ import annotations

import numpy as np

from chipsim.geometry import Conv
from chipsim.mapping.columns import columns
from chipsim.plan import ConnectionPlan, Plan


def axons_of(plan: Plan, c: ConnectionPlan) -> tuple[np.ndarray, np.ndarray]:
    """Axons of each neuron of a sparse connection or a convolution."""
    if c.conv is None:
        indptr, targets = plan.network.connections[c.index].sparse
        return columns(np.asarray(indptr), np.asarray(targets), c.n_post)
    return conv_axons(c.conv)


def conv_axons(conv: Conv) -> tuple[np.ndarray, np.ndarray]:
    """Axons of each neuron of a convolution: those its kernel covers at its place."""
    h, w, c = conv.pre
    height, width, channels = conv.post
    taps = np.arange(conv.kernel)
    ys = np.arange(height)[:, None] * conv.stride + taps - conv.pad
    xs = np.arange(width)[:, None] * conv.stride + taps - conv.pad
    start, rows = [0], []
    for oy in range(height):
        y = ys[oy][(ys[oy] >= 0) & (ys[oy] < h)]
        for ox in range(width):
            x = xs[ox][(xs[ox] >= 0) & (xs[ox] < w)]
            axons = (((y[:, None] * w + x)[:, :, None]) * c + np.arange(c)).ravel()
            rows += [axons] * channels
            start += [start[-1] + (k + 1) * len(axons) for k in range(channels)]
    return np.array(start, np.int64), np.concatenate(rows).astype(np.int32)


def joined(parts: list, sizes: list[int], n_post: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of several connections as one, axons numbered on from connection to connection."""
    start = sum((p[0] for p in parts), np.zeros(n_post + 1, np.int64))
    pre = np.empty(int(start[-1]), np.int32)
    place = start[:-1].copy()
    offset = 0
    for (begin, axons), size in zip(parts, sizes, strict=True):
        count = np.diff(begin)
        inside = np.arange(len(axons)) - np.repeat(begin[:-1], count)
        pre[np.repeat(place, count) + inside] = axons + offset
        place, offset = place + count, offset + size
    return start, pre
