"""Linear nodes: the shape they make of a shape, and the matrix and bias that they are.

Signals are flattened as in NIR: (channels, height, width), the last axis fastest. A matrix is sparse,
[inputs, outputs].
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from chipsim.errors import LimitError, NetworkError
from chipsim.nir.graph import LARGEST, Node, integers

MOST_SYNAPSES = 1 << 23  # of a matrix that is made here
MOST_TAPS = 4096  # places of a kernel or a window
Dims = tuple[int, ...]


def plain(shape: Dims) -> Dims:
    """A shape without the axes of size 1 in front of (channels, height, width): a batch of one."""
    while len(shape) > 1 and shape[0] == 1 and len(shape) != 3:
        shape = shape[1:]
    return shape


def shape_after(node: Node, shape: Dims, where: str) -> Dims:
    """The shape of what a linear node sends. Raises NetworkError where the shapes do not meet."""
    size = math.prod(shape)
    if node.kind in ("Linear", "Affine"):
        weight = node["weight"]
        if weight.ndim != 2 or weight.shape[1] != size:
            raise NetworkError(
                f"weight of shape {weight.shape} for {size} inputs of shape {shape}",
                where=where,
                remedy="a matrix of outputs x inputs",
            )
        if node.kind == "Affine" and node["bias"].size not in (1, weight.shape[0]):
            raise NetworkError(f"bias of shape {node['bias'].shape}", where=where)
        return (weight.shape[0],)
    if node.kind in ("Scale", "Delay", "Threshold"):
        held = node[node.kind.lower()]
        if held.size not in (1, size):
            raise NetworkError(f"{held.size} values for {size} inputs", where=where)
        return shape
    if node.kind == "Flatten":
        return _flattened(node, shape, where)
    if node.kind in ("SumPool2d", "AvgPool2d"):
        kernel, stride, pad = (integers(node, key, 2, low, where) for key, low in _POOL)
        return _capped((_map(shape, where)[0], *_windows(shape[1:], kernel, stride, pad, (1, 1))), where)
    return _conv_shape(node, shape, where)


_POOL = (("kernel_size", 1), ("stride", 1), ("padding", 0))


def matrix_of(node: Node, shape: Dims, where: str) -> tuple[sparse.csr_matrix, np.ndarray | None]:
    """(matrix, bias or None) of a linear node on signals of a shape that fits it. Raises LimitError."""
    size = math.prod(shape)
    if node.kind in ("Linear", "Affine"):
        bias = (
            np.broadcast_to(node["bias"].reshape(-1), node["weight"].shape[0])
            if "bias" in node.values
            else None
        )
        return sparse.csr_matrix(node["weight"].T), bias
    if node.kind == "Scale":
        return sparse.diags(np.broadcast_to(node["scale"].reshape(-1), size), format="csr"), None
    if node.kind in ("Delay", "Flatten", "Pass"):
        return sparse.identity(size, format="csr"), None
    if node.kind in ("SumPool2d", "AvgPool2d"):
        return _pool_matrix(node, shape, where), None
    return _conv_matrix(node, shape, where)


def conv_numbers(node: Node, shape: Dims, where: str) -> tuple[Dims, Dims, Dims, int]:
    """(stride, padding, dilation, groups), one per axis. Raises NetworkError."""
    axes = 2 if node.kind == "Conv2d" else 1
    stride, dilation = (integers(node, key, axes, 1, where) for key in ("stride", "dilation"))
    groups = integers(node, "groups", 1, 1, where)[0]
    kernel = node["weight"].shape[2:]
    padding = node["padding"]
    if not isinstance(padding, str):
        return stride, integers(node, "padding", axes, 0, where), dilation, groups
    if padding == "valid":
        return stride, (0,) * axes, dilation, groups
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding != "same" or any(span % 2 for span in spans) or set(stride) != {1}:
        raise NetworkError(
            f"padding '{padding[:40]}' with kernel {kernel}, stride {stride}",
            where=where,
            remedy="give the padding in numbers; 'same' needs odd kernels and stride 1",
        )
    return stride, tuple(span // 2 for span in spans), dilation, groups


def conv_input(node: Node, shape: Dims, where: str) -> Dims:
    """The (channels, ...) that a convolution sees, also where a flat signal comes in."""
    axes = 2 if node.kind == "Conv2d" else 1
    weight = node["weight"]
    if weight.ndim != axes + 2:
        raise NetworkError(f"weight of shape {weight.shape}", where=where, remedy=f"{axes + 2} axes")
    channels = weight.shape[1] * integers(node, "groups", 1, 1, where)[0]
    if len(shape) == axes + 1 and shape[0] == channels:
        return shape
    if "input_shape" in node.values:
        whole = (channels, *integers(node, "input_shape", axes, 1, where))
        if math.prod(whole) == math.prod(shape):
            return whole
    raise NetworkError(
        f"{channels} input channels; what comes in has shape {shape}",
        where=where,
        remedy="(channels, height, width), or an input_shape in the node",
    )


def _conv_shape(node: Node, shape: Dims, where: str) -> Dims:
    shape = conv_input(node, shape, where)
    stride, pad, dilation, groups = conv_numbers(node, shape, where)
    weight = node["weight"]
    if weight.shape[0] % groups or node["bias"].size not in (1, weight.shape[0]):
        raise NetworkError(
            f"{weight.shape[0]} kernels, {groups} groups, {node['bias'].size} biases", where=where
        )
    return _capped((weight.shape[0], *_windows(shape[1:], weight.shape[2:], stride, pad, dilation)), where)


def _windows(shape: Dims, kernel: Dims, stride: Dims, pad: Dims, dilation: Dims) -> Dims:
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(shape, kernel, stride, pad, dilation, strict=True)
    )


def _capped(shape: Dims, where: str) -> Dims:
    if min(shape) < 1 or math.prod(shape) > LARGEST:
        raise NetworkError(f"makes a signal of shape {shape}; limit 1 to {LARGEST} numbers", where=where)
    return shape


def _map(shape: Dims, where: str) -> Dims:
    if len(shape) != 3:
        raise NetworkError(f"needs (channels, height, width), gets shape {shape}", where=where)
    return shape


def _flattened(node: Node, shape: Dims, where: str) -> Dims:
    ends = [node[key] for key in ("start_dim", "end_dim")]
    if any(end.size != 1 or end != np.rint(end) or abs(end) > 32 for end in ends):
        raise NetworkError(f"start_dim {ends[0]}, end_dim {ends[1]}", where=where)
    first, last = (int(end) % len(shape) for end in ends)
    if first > last:
        return shape
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def _taps(
    shape: Dims, out: Dims, tap: Dims, stride: Dims, pad: Dims, dilation: Dims
) -> tuple[np.ndarray, np.ndarray]:
    """Flat places (inputs, outputs), inside one channel, that meet in one tap of a kernel."""
    ins, outs = [np.zeros(1, np.int64)] * 2
    for n, m, k, s, p, d in zip(shape, out, tap, stride, pad, dilation, strict=True):
        o = np.arange(m)
        i = o * s + k * d - p
        good = (i >= 0) & (i < n)
        ins = (ins[:, None] * n + i[good]).reshape(-1)
        outs = (outs[:, None] * m + o[good]).reshape(-1)
    return ins, outs


def _unrolled(count: int, kernel: Dims, where: str) -> None:
    if math.prod(kernel) > MOST_TAPS:
        raise LimitError(f"a kernel of {math.prod(kernel)} places; limit {MOST_TAPS}", where=where)
    if count > MOST_SYNAPSES:
        raise LimitError(
            f"{count} synapses once unrolled; limit {MOST_SYNAPSES}",
            where=where,
            remedy="a square kernel with one stride, dilation 1 and groups 1 needs no unrolling",
        )


def _conv_matrix(node: Node, shape: Dims, where: str) -> tuple[sparse.csr_matrix, np.ndarray]:
    shape, out = conv_input(node, shape, where), _conv_shape(node, shape, where)
    stride, pad, dilation, groups = conv_numbers(node, shape, where)
    weight = node["weight"]
    _unrolled(math.prod(out) * math.prod(weight.shape[1:]), weight.shape[2:], where)
    per_in, per_out = math.prod(shape[1:]), math.prod(out[1:])
    rows, columns, values = [], [], []
    ours = weight.shape[0] // groups
    c_out = np.arange(weight.shape[0])
    c_in = (c_out // ours)[:, None] * weight.shape[1] + np.arange(weight.shape[1])
    for tap in np.ndindex(*weight.shape[2:]):
        ins, outs = _taps(shape[1:], out[1:], tap, stride, pad, dilation)
        rows.append((c_in[:, :, None] * per_in + ins).reshape(-1))
        places = np.broadcast_to(c_out[:, None, None] * per_out + outs, (*c_in.shape, len(outs)))
        columns.append(places.reshape(-1))
        values.append(np.repeat(weight[(slice(None), slice(None), *tap)].reshape(-1), len(ins)))
    size = math.prod(shape), math.prod(out)
    made = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=size
    )
    bias = np.broadcast_to(node["bias"].reshape(-1), weight.shape[0])
    return made.tocsr(), np.repeat(bias, per_out)


def _pool_matrix(node: Node, shape: Dims, where: str) -> sparse.csr_matrix:
    kernel, stride, pad = (integers(node, key, 2, low, where) for key, low in _POOL)
    out = shape_after(node, shape, where)
    _unrolled(math.prod(out) * math.prod(kernel), kernel, where)
    rows, columns = [], []
    channels = np.arange(shape[0])[:, None]
    for tap in np.ndindex(*kernel):
        ins, outs = _taps(shape[1:], out[1:], tap, stride, pad, (1, 1))
        rows.append((channels * math.prod(shape[1:]) + ins).reshape(-1))
        columns.append((channels * math.prod(out[1:]) + outs).reshape(-1))
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    each = 1 / math.prod(kernel) if node.kind == "AvgPool2d" else 1.0
    size = math.prod(shape), math.prod(out)
    return sparse.coo_matrix((np.full(len(rows), each), (rows, columns)), shape=size).tocsr()
