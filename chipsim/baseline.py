"""The linear control: what a linear readout of the same input reaches without a network.

Every table shows it beside the network: learning on the chip must be worth more than reading the
input spikes of a sample, summed over its steps, with one linear layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from chipsim.errors import DataError

STRENGTHS = (0.1, 1.0, 10.0)  # C of scikit-learn: the inverse of the L2 penalty's weight
_SEARCH = 10_000  # training samples used to choose the strength
_TOL = 1e-3
_MAX_ITER = 100


def linear_readout(
    train_x: np.ndarray,
    train_y: np.ndarray,
    val_x: np.ndarray,
    val_y: np.ndarray,
    test_x: np.ndarray,
    test_y: np.ndarray,
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> dict[str, float | bool]:
    """Multinomial logistic regression on spike counts, its L2 penalty chosen on validation.

    *_x         int[n, axons] spike counts per axon (Events.counts()), or float of that shape
    *_y         int[n] labels
    strengths   values of C tried, on at most the first 10,000 training samples; the best (on a
                tie the smallest) is fitted to all of them

    Counts are divided by the training set's largest. Fitted by L-BFGS from zero, on one thread, so
    the result depends on nothing but the arguments. Returns accuracy `train`, `validation`, `test`
    (0..1), the chosen `C` and whether the fit `converged` in 100 iterations. The test set is read
    once, by the final fit. Raises DataError for empty, mismatched or single-class sets.
    """
    from threadpoolctl import threadpool_limits

    parts = {"train": (train_x, train_y), "validation": (val_x, val_y), "test": (test_x, test_y)}
    _check(parts)
    scale = np.float32(1 / max(1, np.max(train_x)))
    data = {name: (np.asarray(x, np.float32) * scale, np.asarray(y)) for name, (x, y) in parts.items()}
    x, y = data["train"]
    with threadpool_limits(limits=1):
        tried = []
        for strength in sorted(strengths) if len(strengths) > 1 else []:
            model, _ = _fit(x[:_SEARCH], y[:_SEARCH], strength)
            tried.append((-model.score(*data["validation"]), strength))
        strength = min(tried)[1] if tried else strengths[0]
        model, converged = _fit(x, y, strength)
        scores = {name: float(model.score(*part)) for name, part in data.items()}
    return {**scores, "C": float(strength), "converged": converged}


def _fit(x: np.ndarray, y: np.ndarray, strength: float):
    """The fitted model, and whether it converged; scikit-learn's warnings end here."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, tol=_TOL, max_iter=_MAX_ITER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return model, bool(np.max(model.n_iter_) < _MAX_ITER)


def _check(parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Refuse sets a linear readout has no meaning on."""
    axons = np.shape(parts["train"][0])[-1] if np.ndim(parts["train"][0]) else 0
    for name, (x, y) in parts.items():
        if np.ndim(x) != 2 or np.shape(x) != (len(y), axons) or len(y) == 0:
            raise DataError(
                f"linear readout: {name} input of shape {np.shape(x)} with {len(y)} labels; "
                f"expected [samples, {axons}], at least one sample"
            )
    if len(np.unique(parts["train"][1][:_SEARCH])) < 2:
        raise DataError("linear readout: the training labels have one class; two are needed")
