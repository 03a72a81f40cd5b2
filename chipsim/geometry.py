"""Maps of neurons: where a convolution kernel and a pooling window lead.

A layer of shape (h, w, c) numbers its neurons (y * w + x) * c + channel, so that the channels of one
pixel lie side by side. A convolution stores each weight once, in row (ky * K + kx) * C_in + ci and
column o; the neuron (oy, ox, o) meets the axon (y, x, ci) through it where y + pad = oy * stride + ky
and x + pad = ox * stride + kx (a cross-correlation, as deep learning libraries have it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Shape = tuple[int, int, int]  # h, w, channels


def size_of(shape: Shape) -> int:
    """Neurons of a map."""
    return shape[0] * shape[1] * shape[2]


def conv_shape(shape: Shape, channels: int, kernel: int, stride: int = 1, pad: int = 0) -> Shape:
    """The map that a convolution with `channels` kernels makes of a map; sizes below 1 do not fit."""
    h, w, _ = shape
    return (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1, channels


@dataclass(frozen=True)
class Conv:
    """A convolution between two maps; all numbers >= 1, pad >= 0."""

    kernel: int
    stride: int
    pad: int
    pre: Shape
    post: Shape

    @property
    def rows(self) -> int:
        """Weights of one output channel: its fan-in."""
        return self.kernel * self.kernel * self.pre[2]

    @property
    def weights(self) -> int:
        """Stored weights."""
        return self.rows * self.post[2]

    @property
    def positions(self) -> int:
        """Most places at which one stored weight meets one sample."""
        return self.post[0] * self.post[1]

    def span(self, y: int, axis: int) -> range:
        """The output coordinates that input coordinate y of an axis (0: y, 1: x) leads to."""
        low = -(-(y + self.pad - self.kernel + 1) // self.stride)
        return range(max(0, low), min(self.post[axis] - 1, (y + self.pad) // self.stride) + 1)

    def places(self, axon: int) -> Iterator[tuple[int, int]]:
        """(neuron, stored weight) of all synapses of an axon; neurons ascending."""
        _, w, c = self.pre
        y, x, ci = axon // (w * c), axon // c % w, axon % c
        _, width, channels = self.post
        for oy in self.span(y, 0):
            for ox in self.span(x, 1):
                ky, kx = y + self.pad - oy * self.stride, x + self.pad - ox * self.stride
                row = (ky * self.kernel + kx) * c + ci
                for o in range(channels):
                    yield (oy * width + ox) * channels + o, row * channels + o

    def draw_place(self, row: int) -> int:
        """j of a stored row's draws: its place in (input channel, y, x)."""
        tap, ci = divmod(row, self.pre[2])
        return ci * self.kernel * self.kernel + tap

    def numbers(self) -> tuple[int, ...]:
        """h, w, c of both maps, kernel, stride, pad: what the kernels get."""
        return (*self.pre, *self.post, self.kernel, self.stride, self.pad)


@dataclass(frozen=True)
class Pool:
    """Windows of size x size pixels, side by side, one channel at a time. kind or | average.

    What is left over at the right and lower edge belongs to no window.
    """

    size: int
    kind: str
    pre: Shape

    @property
    def post(self) -> Shape:
        """The map of windows."""
        h, w, c = self.pre
        return h // self.size, w // self.size, c

    @property
    def bits(self) -> int:
        """Bits of a window's payload: 1, or those of the number of spikes."""
        return 1 if self.kind == "or" else (self.size * self.size).bit_length()

    @property
    def scale(self) -> int:
        """The average is the payload divided by 2**scale."""
        return 0 if self.kind == "or" else 2 * (self.size.bit_length() - 1)

    def window(self, neuron: int) -> int:
        """The window of a neuron of the map below, -1 for none."""
        _, w, c = self.pre
        y, x, channel = neuron // (w * c), neuron // c % w, neuron % c
        height, width, _ = self.post
        oy, ox = y // self.size, x // self.size
        return (oy * width + ox) * c + channel if oy < height and ox < width else -1
