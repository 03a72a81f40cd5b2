"""Maps in a network description: shapes, convolutions and pooling windows that fit, or a refusal."""

from __future__ import annotations

from typing import Any

from chipsim.errors import NetworkError, did_you_mean
from chipsim.geometry import Conv, Pool, Shape, conv_shape, size_of

LARGEST_WINDOW = {"or": 16, "average": 8}


def map_shape(name: str, size: Any, shape: Any) -> tuple[int, Shape | None]:
    """(number of neurons, map or None) of a layer given as a number, a map, or both."""
    if isinstance(size, (tuple, list)):
        shape, size = size, None
    if shape is None:
        return size, None
    where = f"layer '{name}'"
    if len(shape) != 3 or not all(isinstance(n, int) and n >= 1 for n in shape):
        raise NetworkError(f"shape {shape}", where=where, remedy="give (h, w, channels), each 1 or more")
    shape = tuple(shape)
    if size is not None and size != size_of(shape):
        raise NetworkError(
            f"size {size} and shape {shape}, which has {size_of(shape)} neurons",
            where=where,
            remedy="give the shape alone",
        )
    return size_of(shape), shape


def conv_of(name: str, pre: Any, post: Any, kernel: int, stride: int, pad: int, options: dict) -> Conv:
    """The convolution between two layers; NetworkError where shapes do not meet."""
    for layer in (pre, post):
        if layer.shape is None:
            raise NetworkError(
                f"layer '{layer.name}' is no map",
                where=name,
                remedy=f"give it a shape: size (h, w, channels) in place of {layer.size}",
            )
    for what, value, low in (("kernel", kernel, 1), ("stride", stride, 1), ("pad", pad, 0)):
        if not isinstance(value, int) or value < low:
            raise NetworkError(f"{what} = {value}", where=name, remedy=f"use {low} or more")
    if pad >= kernel:
        raise NetworkError(
            f"pad {pad} for a kernel of {kernel}", where=name, remedy="pad less than the kernel"
        )
    for what in ("sparse", "delays"):
        if options.get(what) is not None:
            raise NetworkError(
                f"{what} of a convolution", where=name, remedy="its weights are shared; leave it out"
            )
    needed = conv_shape(pre.shape, post.shape[2], kernel, stride, pad)
    if min(needed) < 1 or needed != post.shape:
        raise NetworkError(
            f"'{post.name}' has shape {post.shape}; a kernel of {kernel}, stride {stride}, pad {pad} makes "
            f"{needed} of {pre.shape}",
            where=name,
            remedy="use geometry.conv_shape for the layer's size"
            if min(needed) >= 1
            else "use a smaller kernel, or pad",
        )
    return Conv(kernel, stride, pad, pre.shape, post.shape)


def pool_of(name: str, below: Any, size: int, kind: str) -> Pool:
    """The windows over a layer; NetworkError where it cannot be pooled so."""
    where = f"pool '{name}'"
    if kind not in LARGEST_WINDOW:
        raise NetworkError(
            f"unknown kind '{kind}'{did_you_mean(kind, LARGEST_WINDOW)}",
            where=where,
            remedy="use or, average",
        )
    if below.shape is None or below.kind == "integrator":
        raise NetworkError(
            f"layer '{below.name}' is no map of spiking neurons",
            where=where,
            remedy="pool a source or lif layer of size (h, w, channels)",
        )
    if below.payload_bits > 1:
        raise NetworkError(
            f"layer '{below.name}' sends graded spikes", where=where, remedy="pool a layer of plain spikes"
        )
    largest = min(LARGEST_WINDOW[kind], below.shape[0], below.shape[1])
    power = isinstance(size, int) and size > 0 and size & (size - 1) == 0
    if not isinstance(size, int) or not 1 <= size <= largest or (kind == "average" and not power):
        even = ", a power of two" if kind == "average" else ""
        raise NetworkError(f"windows of size {size}", where=where, remedy=f"use 1 to {largest}{even}")
    return Pool(size, kind, below.shape)
