"""The linear control: its accuracy is right, repeats, and reads the test set once at the end."""

import numpy as np
import pytest

from chipsim import baseline
from chipsim.data import builtin
from chipsim.data.encode import Encoder, encode
from chipsim.data.split import split_three
from chipsim.errors import DataError


def counts(parts, encoder):
    sets = (parts.train, parts.validation, parts.test)
    return [array for part in sets for array in (encode(part, encoder).counts(), part.labels)]


def test_digits_reach_what_a_linear_readout_reaches_and_repeat():
    data = counts(split_three(builtin.digits(), 0), Encoder())
    result = baseline.linear_readout(*data)
    assert set(result) == {"train", "validation", "test", "C", "converged"}
    assert 0.93 < result["test"] < 0.98 and result["train"] > 0.97
    assert result["C"] in baseline.STRENGTHS and result["converged"]
    assert baseline.linear_readout(*data) == result


def test_the_strength_is_chosen_on_validation_not_on_test():
    data = counts(split_three(builtin.drawn(400, max_level=3, seed=3), 0), Encoder(steps=4))
    wrong = [*data[:5], (data[5] + 1) % 3]
    right, fooled = baseline.linear_readout(*data), baseline.linear_readout(*wrong)
    assert fooled["C"] == right["C"] and fooled["validation"] == right["validation"]
    assert fooled["test"] < 0.2 < right["test"]


def test_labels_without_information_give_chance():
    r = np.random.default_rng(0)
    x, y = r.integers(0, 9, (900, 5)), r.integers(0, 3, 900)
    result = baseline.linear_readout(x[:300], y[:300], x[300:600], y[300:600], x[600:], y[600:])
    assert 0.25 < result["test"] < 0.42


def test_a_fit_that_does_not_converge_says_so_without_a_warning(monkeypatch):
    monkeypatch.setattr(baseline, "_MAX_ITER", 1)
    data = counts(split_three(builtin.drawn(60), 0), Encoder())
    assert baseline.linear_readout(*data, strengths=[1.0])["converged"] is False


def test_refusals():
    x, y = np.zeros((4, 3), int), np.array([0, 1, 0, 1])
    with pytest.raises(
        DataError, match=r"^linear readout: test input of shape \(4, 2\) with 4 labels; expected \["
    ):
        baseline.linear_readout(x, y, x, y, x[:, :2], y)
    with pytest.raises(DataError, match=r"validation input of shape \(0, 3\) with 0 labels"):
        baseline.linear_readout(x, y, x[:0], y[:0], x, y)
    with pytest.raises(
        DataError, match=r"^linear readout: the training labels have one class; two are needed\n"
    ):
        baseline.linear_readout(x, y * 0, x, y, x, y)
