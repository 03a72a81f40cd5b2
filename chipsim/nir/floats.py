"""A NIR graph in float64, in the same steps as on a chip but without any integer: what is compared with.

Linear nodes are applied one after the other as their definitions say, not as the matrices that a chip
gets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from chipsim.nir.graph import Node, integers
from chipsim.nir.linear import Dims, conv_input, conv_numbers
from chipsim.nir.paths import Described, Path, Population


def run_floats(described: Described, spikes: Mapping[str, np.ndarray], low: int = 0) -> dict[str, np.ndarray]:
    """What every population does: float64[steps, n], spikes 0 and 1 of neurons that fire and the
    potentials of those that do not, in NIR's order and units.

    spikes   for every Input [steps, n] or [steps, *shape], 0 and 1
    low      steps that every path takes at least (the chip's smallest delay)
    """
    steps = len(next(iter(spikes.values())))
    out = {p.name: np.zeros((steps, p.size)) for p in described.populations}
    for name, given in spikes.items():
        out[name] = np.asarray(given, np.float64).reshape(steps, -1)
    neurons = {p.name: _Neurons(p) for p in described.populations if p.neuron is not None}
    into = {name: [path for path in described.paths if path.post == name] for name in neurons}
    for t in range(steps):
        for p in described.populations:
            if p.neuron is not None:
                current = np.zeros(p.size)
                for path in into[p.name]:
                    current += _arriving(path, out[path.pre], t, low)
                    if p.neuron.k_u is not None and t < low:  # biases come through an axon, too
                        current -= _through(path, np.zeros(out[path.pre].shape[1]))
                out[p.name][t] = neurons[p.name].step(current)
    return out


class _Neurons:
    """State of a population; potentials are counted from its origin."""

    def __init__(self, population: Population):
        self.neuron = population.neuron
        self.u = np.zeros(population.size)
        self.v = np.zeros(population.size)

    def step(self, current: np.ndarray) -> np.ndarray:
        """One step with what arrives; spikes, or NIR's potentials."""
        x = self.neuron
        driven = current * x.gain
        if x.k_u is not None:
            self.u = x.k_u * self.u + driven
            driven = self.u
        self.v = x.k_v * self.v + driven + x.drive
        if x.threshold is None:
            return self.v + x.origin
        fired = self.v > x.threshold
        self.v = np.where(fired, self.v - x.threshold if x.reset == "soft" else 0.0, self.v)
        return fired.astype(np.float64)


def _arriving(path: Path, sent: np.ndarray, t: int, low: int) -> np.ndarray:
    """What a path brings in step t (its biases from the first step on)."""
    if path.delays is None:
        return _through(path, _at(sent, t, path.least(low)))
    ins, outs = path.delays
    least = max(low, int(path.back))
    arrives = None
    for late in np.unique(outs):
        back = np.maximum(ins + late, least)
        signal = np.array([_at(sent, t, int(d))[i] for i, d in enumerate(back)])
        made = _through(path, signal)
        arrives = made if arrives is None else np.where(outs == late, made, arrives)
    return arrives


def _at(sent: np.ndarray, t: int, delay: int) -> np.ndarray:
    return sent[t - delay] if t >= delay else np.zeros(sent.shape[1])


def _through(path: Path, signal: np.ndarray) -> np.ndarray:
    for node, shape in zip(path.nodes, path.shapes, strict=True):
        signal = _applied(node, signal, shape)
    return signal


def _applied(node: Node, x: np.ndarray, shape: Dims) -> np.ndarray:
    """One linear node on one flat signal."""
    if node.kind == "Linear":
        return node["weight"] @ x
    if node.kind == "Affine":
        return node["weight"] @ x + node["bias"].reshape(-1)
    if node.kind == "Scale":
        return x * node["scale"].reshape(-1)
    if node.kind == "Threshold":
        return (x > node["threshold"].reshape(-1)).astype(np.float64)
    if node.kind in ("Flatten", "Delay"):
        return x
    if node.kind in ("SumPool2d", "AvgPool2d"):
        kernel, stride, pad = (
            integers(node, key, 2, low, node.name)
            for key, low in (("kernel_size", 1), ("stride", 1), ("padding", 0))
        )
        seen = _windows(x.reshape(shape), kernel, stride, pad, (1, 1))
        made = seen.sum(axis=(-2, -1))
        return (made / math.prod(kernel) if node.kind == "AvgPool2d" else made).reshape(-1)
    return _convolved(node, x.reshape(conv_input(node, shape, node.name)))


def _windows(x: np.ndarray, kernel: Dims, stride: Dims, pad: Dims, dilation: Dims) -> np.ndarray:
    """[channels, *places, *kernel] of a padded map."""
    padded = np.pad(x, [(0, 0), *((p, p) for p in pad)])
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    seen = np.lib.stride_tricks.sliding_window_view(padded, span, axis=tuple(range(1, x.ndim)))
    return seen[(slice(None), *(slice(None, None, s) for s in (*stride, *dilation)))]


def _convolved(node: Node, x: np.ndarray) -> np.ndarray:
    weight = node["weight"]
    stride, pad, dilation, groups = conv_numbers(node, x.shape, node.name)
    seen = _windows(x, weight.shape[2:], stride, pad, dilation)
    axes = list(range(-weight.ndim + 2, 0))
    parts = [
        np.tensordot(w, s, axes=([1, *(a + w.ndim for a in axes)], [0, *(a + s.ndim for a in axes)]))
        for w, s in zip(np.split(weight, groups), np.split(seen, groups), strict=True)
    ]
    made = np.concatenate(parts)
    return (made + node["bias"].reshape(-1, *[1] * (made.ndim - 1))).reshape(-1)
