"""A path as the weights of a chip's connection: kernels and windows where the chip has them, else a matrix.

Layers of shape (h, w, channels) number their neurons in that order, NIR's flat signals are (channels,
h, w): rows and columns of matrices are moved accordingly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from chipsim.errors import NetworkError
from chipsim.network_maps import LARGEST_WINDOW
from chipsim.nir.graph import Node, integers
from chipsim.nir.linear import MOST_SYNAPSES, Dims, conv_numbers, matrix_of, shape_after
from chipsim.nir.paths import Path, Population

WEIGHTED = ("Linear", "Affine", "Scale", "Conv1d", "Conv2d")
SPARSE_BELOW = 0.25  # share of synapses that there are


@dataclass(frozen=True)
class Wire:
    """A path's weights, gains included, in the order of the chip's layers; real numbers, not yet rescaled.

    pool      (window, "or" | "average"), or None; `factor` of a sum over windows is in the weights
    conv      (kernel, stride, pad) and weights [kernel, kernel, channels in, channels out], or
    sparse    (indptr, targets) and weights [synapses], or weights [pre, post]
    delays    steps of every synapse like weights, or None
    bias      what the path adds in every step, gains included, in the post layer's order; or None
    what      in words, for the report
    """

    weights: np.ndarray
    pool: tuple[int, str] | None = None
    conv: tuple[int, int, int] | None = None
    sparse: tuple[np.ndarray, np.ndarray] | None = None
    delays: np.ndarray | None = None
    bias: np.ndarray | None = None
    what: str = "dense"


def map_order(shape: Dims) -> np.ndarray:
    """NIR's flat index of each neuron of a layer, in the layer's order."""
    flat = np.arange(math.prod(shape))
    return flat.reshape(shape).transpose(1, 2, 0).reshape(-1) if len(shape) == 3 else flat


def layer_size(shape: Dims) -> int | tuple[int, int, int]:
    """A population's shape as `Network` takes it."""
    return (shape[1], shape[2], shape[0]) if len(shape) == 3 else math.prod(shape)


def wire(path: Path, pre: Population, post: Population, room: int, where: str) -> Wire:
    """The weights of a path. room: bits by which averages over windows may be divided on the chip.

    Raises NetworkError, LimitError for what a chip cannot be given."""
    nodes = [
        (n, s) for n, s in zip(path.nodes, path.shapes, strict=True) if n.kind not in ("Flatten", "Delay")
    ]
    pool, factor, shape = None, 1.0, pre.shape
    if nodes and nodes[0][0].kind in ("SumPool2d", "AvgPool2d"):
        is_or = len(nodes) > 1 and nodes[1][0].kind == "Threshold"
        size = _window(nodes[0][0], pre.shape, is_or) if path.delays is None else None
        if is_or and size is None:
            raise NetworkError(
                f"windows of {nodes[0][0].kind} '{nodes[0][0].name}' that a chip's or-pool has not",
                where=where,
                remedy="square, side by side, 1 to 16, without padding, over a map of spiking neurons",
            )
        if size is not None and (is_or or 2 * (size.bit_length() - 1) <= room):
            pool = (size, "or" if is_or else "average")
            factor = float(size * size) if nodes[0][0].kind == "SumPool2d" and not is_or else 1.0
            shape = shape_after(nodes[0][0], pre.shape, where)
            nodes = nodes[1 + is_or :]
    if len(nodes) == 1 and nodes[0][0].kind == "Conv2d" and path.delays is None:
        made = _kernels(nodes[0][0], shape, post, factor, where)
        if made is not None:
            return _with(made, pool)
    return _with(_matrix(path, nodes, shape, post, factor, where), pool)


def _with(made: Wire, pool: tuple[int, str] | None) -> Wire:
    text = "" if pool is None else f"{'or' if pool[1] == 'or' else 'average'} of {pool[0]}x{pool[0]}, "
    return Wire(made.weights, pool, made.conv, made.sparse, made.delays, made.bias, text + made.what)


def _window(node: Node, shape: Dims, is_or: bool) -> int | None:
    """The side of windows that a chip's pool layer has, else None."""
    kernel, stride, pad = (
        integers(node, key, 2, low, node.name)
        for key, low in (("kernel_size", 1), ("stride", 1), ("padding", 0))
    )
    size = kernel[0]
    power = is_or or size & (size - 1) == 0
    fits = len(shape) == 3 and size <= min(LARGEST_WINDOW["or" if is_or else "average"], *shape[1:])
    good = len({*kernel, *stride}) == 1 and not any(pad)
    return size if good and power and fits else None


def _kernels(node: Node, shape: Dims, post: Population, factor: float, where: str) -> Wire | None:
    """A convolution with shared weights, or None where the chip's is another one."""
    stride, pad, dilation, groups = conv_numbers(node, shape, where)
    weight = node["weight"]
    kernel = weight.shape[2]
    gain = post.neuron.gain
    if len(shape) != 3 or len(post.shape) != 3 or post.size % weight.shape[0]:
        return None
    each = gain.reshape(weight.shape[0], -1)
    square = weight.shape[2] == weight.shape[3] and len(set(stride)) == len(set(pad)) == 1
    if not square or set(dilation) != {1} or groups != 1 or pad[0] >= kernel or np.ptp(each, axis=1).any():
        return None
    scaled = weight * (each[:, 0] * factor)[:, None, None, None]
    bias = np.broadcast_to(node["bias"].reshape(-1), weight.shape[0])
    full = np.repeat(bias, post.size // weight.shape[0]) * gain
    return Wire(
        scaled.transpose(2, 3, 1, 0),
        conv=(kernel, stride[0], pad[0]),
        bias=full[map_order(post.shape)] if bias.any() else None,
        what=f"{kernel}x{kernel} kernels, shared",
    )


def _matrix(path: Path, nodes: list, shape: Dims, post: Population, factor: float, where: str) -> Wire:
    """Everything else: the product of the nodes' matrices."""
    size = math.prod(shape)
    made, bias = None, np.zeros(size)
    for node, seen in nodes:
        matrix, own = matrix_of(node, seen, where)
        if (
            made is not None
            and made.nnz
            and made.nnz * matrix.nnz / max(1, matrix.shape[0]) > 64 * MOST_SYNAPSES
        ):
            raise NetworkError("too many synapses once its nodes are multiplied", where=where)
        made = matrix if made is None else made @ matrix
        bias = matrix.T @ bias + (0 if own is None else own)
    made = sparse.identity(size, format="csr") if made is None else made
    gain = post.neuron.gain * factor
    rows, columns = map_order(shape), map_order(post.shape)
    bias = (bias * post.neuron.gain)[columns]
    held = [n.kind for n, _ in nodes if n.kind in WEIGHTED]
    names = " x ".join(n.kind for n, _ in nodes) or "one to one"
    said = (
        names if not held or len(nodes) > 1 else f"{held[0]}, unrolled" if held[0][:4] == "Conv" else held[0]
    )
    only = len(nodes) == 1 and nodes[0][0].kind in ("Linear", "Affine")
    dense = only or made.nnz > SPARSE_BELOW * made.shape[0] * made.shape[1]
    extra = {"bias": bias if bias.any() else None}
    delays = None if path.delays is None else (path.delays[0][rows], path.delays[1][columns])
    if dense:
        both = None if delays is None else delays[0][:, None] + delays[1][None, :]
        weights = made.toarray() * gain
        return Wire(weights[np.ix_(rows, columns)], delays=both, what=f"dense ({said})", **extra)
    made = (made @ sparse.diags(gain)).tocsr()[rows][:, columns].tocsr()
    made.sort_indices()
    both = None
    if delays is not None:
        both = np.repeat(delays[0], np.diff(made.indptr)) + delays[1][made.indices]
    index = (made.indptr.astype(np.int64), made.indices.astype(np.int32))
    return Wire(made.data, sparse=index, delays=both, what=f"{made.nnz} synapses ({said})", **extra)
