"""What the golden gradients share: surrogates, the spike function, drawing, nearness to a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

NEAR = 1e-9  # a case with a membrane this close to its threshold (or to a corner of psi) is drawn anew

PSI: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "fast_sigmoid": lambda x: 1 / (10 * x.abs() + 1) ** 2,  # DECOLLE, code
    "boxcar": lambda x: (x.abs() <= 0.5).double(),  # DECOLLE, paper
    "exp_abs": lambda x: torch.exp(-x.abs()),  # ELL family
    "atan": lambda x: 1 / (1 + (math.pi * x) ** 2),  # Traces Propagation
    "hyper": lambda x: 1 / (1 + 5 * x.abs()) ** 2,  # DALTON
}
for _theta in (0.6, 1.0):  # e-prop's pseudo-derivative: dampening 0.3, as wide as the threshold
    PSI[f"pseudo {_theta}"] = lambda x, width=_theta: 0.3 * (1 - x.abs() / width).clamp(min=0)
CORNERS = {"boxcar": (-0.5, 0.5)}


class Spike(torch.autograd.Function):
    """1 where x >= 0; its derivative is the surrogate."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, psi: str) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.psi = psi
        return (x >= 0).double()

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return grad * PSI[ctx.psi](ctx.saved_tensors[0]), None


class Draw:
    """Random numbers of one case, and how near it came to a threshold."""

    def __init__(self, seed: int, attempt: int):
        self.rng = np.random.default_rng([seed, attempt])
        self.margin = math.inf

    def weights(self, post: int, pre: int, scale: float, mean: float = 0.0) -> np.ndarray:
        """float64[post, pre], normal."""
        return self.rng.normal(mean, scale / math.sqrt(pre), (post, pre))

    def spikes(self, *shape: int, rate: float = 0.4) -> np.ndarray:
        """0/1 of that shape."""
        return (self.rng.random(shape) < rate).astype(np.float64)

    def spike(self, u: torch.Tensor, theta: float, psi: str) -> torch.Tensor:
        """Spikes of membranes u."""
        self.near(u - theta, (0.0, *CORNERS.get(psi, ())))
        return Spike.apply(u - theta, psi)

    def near(self, x: torch.Tensor, places: tuple[float, ...]) -> None:
        """Note the distance of x from places where the result jumps."""
        for place in places:
            self.margin = min(self.margin, float((x.detach() - place).abs().min()))


def real(array: np.ndarray) -> torch.Tensor:
    """float64 tensor."""
    return torch.tensor(np.asarray(array, np.float64))


def leaf(array: np.ndarray) -> torch.Tensor:
    """float64 tensor that collects a gradient."""
    return real(array).requires_grad_(True)


def onehot(label: int, classes: int) -> torch.Tensor:
    """float64[classes]."""
    return torch.eye(classes, dtype=torch.float64)[label]


def stack(rows: list[torch.Tensor]) -> np.ndarray:
    """float64[T, ...] of what was noted step by step."""
    return torch.stack([x.detach() for x in rows]).numpy()
