"""The rules of the papers in real numbers against the papers' sums, written without recursion.

Random spikes, membranes and third factors of 20 steps (open loop); the weight change of the float twin
is compared with the double sums over time that each paper states. psi is read off the run: its tables
are checked by hand elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.microcode.bind import bind
from chipsim.microcode.syntax import load_rule
from chipsim.open_loop.inputs import random_inputs
from chipsim.open_loop.measure import small_use
from chipsim.open_loop.walk import Walk

RUNS, T, RATE = 30, 20, 12
ETA = 2.0**-RATE


class Seen:
    """Recordings as real numbers: s [N, T, n_pre], L [N, T, n_post], psi as computed by the rule."""

    def __init__(self, rule: str, last_only: bool = False, **params: float):
        chip = load_chip("ideal")
        use = small_use(chip, params={"rate": RATE, **params})
        bound = bind(load_rule(rule), chip, use)
        inputs = random_inputs(use, RUNS, T, 4, 3)
        if last_only:
            inputs.m[:, :-1] = 0
        walk = Walk(bound, use, inputs, np.arange(RUNS))
        psi: dict[int, np.ndarray] = {}

        def note(event) -> None:
            if event.line.section == "on_membrane" and event.line.target.name in ("psi", "h"):
                psi[event.step] = event.real[:, 0].copy()

        walk.run(note)
        self.dw = walk.real["w"]
        self.s, self.L, self.fired = walk.twin_inputs.pre, walk.twin_inputs.m, inputs.post
        self.psi = np.stack([psi[t] for t in range(1, T + 1)], 1) if psi else None
        self.constants = {name: raw * 2.0 ** -int(fmt.split(".")[1]) for name, fmt, raw in bound.consts}
        self.real = walk.real

    def outer(self, post: np.ndarray, pre: np.ndarray) -> np.ndarray:
        """-eta times the sum over steps of post_i[t] pre_j[t]."""
        return -ETA * np.einsum("nti,ntj->nji", post, pre)


def kernel(k: float, past: bool = False) -> np.ndarray:
    """K[t, t'] = k^(t - t') for t' <= t, or t' < t only."""
    t = np.arange(T)
    gap = t[:, None] - t[None, :]
    return np.where(gap >= (1 if past else 0), float(k) ** np.maximum(gap, 0), 0.0)


def filtered(k: float, x: np.ndarray, past: bool = False) -> np.ndarray:
    """Sum over t' of k^(t - t') x[t']."""
    return np.einsum("tu,nuj->ntj", kernel(k, past), x)


def near(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal to 1e-12 of the largest change, and not all zero."""
    size = abs(wanted).max()
    assert size > ETA / 16
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("rule", ["ell", "tp", "dalton"])
def test_present_input(rule):
    """dw = -eta sum_t L psi s."""
    x = Seen(rule)
    near(x.dw, x.outer(x.L * x.psi, x.s))


@pytest.mark.parametrize("rule", ["ell_chip", "dalton_chip", "tp_chip"])
def test_chip_forms(rule):
    """dw = -eta L[T] psi[T] sum_t' k_x^(T - t') s[t']."""
    x = Seen(rule, last_only=True)
    trace = filtered(x.constants["k_x"], x.s)
    near(x.dw, x.outer((x.L * x.psi)[:, -1:], trace[:, -1:]))


@pytest.mark.parametrize("rule", ["tp", "tp_chip"])
def test_the_trace_that_tp_compares(rule):
    x = Seen(rule)
    wanted = filtered(x.constants["k_eps"], x.fired)[:, -1]
    np.testing.assert_allclose(x.real["eps"][:, 0], wanted, rtol=1e-12)


def test_fell_trace():
    x = Seen("fell_trace", k_leak=0.75)
    near(x.dw, x.outer(x.L * x.psi, filtered(0.75, x.s)))


def test_bell():
    """dw = -eta sum_t g[t] s[t], g[t] = sum_{u >= t} L psi[u] prod_{t <= v < u} lambda (1 - theta psi[v])."""
    x = Seen("bell", k_leak=0.75, k_reset=0.75)
    factor, local = 0.75 * (1 - x.psi), x.L * x.psi
    g = np.stack([sum(local[:, u] * factor[:, t:u].prod(1) for u in range(t, T)) for t in range(T)], 1)
    near(x.dw, x.outer(g, x.s))


@pytest.mark.parametrize(("rule", "k_leak"), [("fell_exact", 0.75), ("fell_step", 1 - 0.75)])
def test_fell(rule, k_leak):
    """e_ij[t] = sum_t' s_j[t'] prod_{t' < u <= t} lambda (1 - theta psi_i[u - 1])."""
    x = Seen(rule, k_leak=k_leak, k_reset=0.75)
    factor = 0.75 * (1 - x.psi)
    wanted = np.zeros_like(x.dw)
    for t in range(T):
        for u in range(t + 1):
            decay = factor[:, u:t].prod(1)
            wanted -= ETA * (x.L * x.psi)[:, t][:, None, :] * decay[:, None, :] * x.s[:, u][:, :, None]
    near(x.dw, wanted)


@pytest.mark.parametrize("rule", ["s_tllr", "s_tllr_hyper"])
def test_s_tllr_of_the_paper(rule):
    """e = psi[t] sum_t' lambda_pre^(t - t') s[t'] + a_post s[t] sum_{t' < t} lambda_post^(t - t') psi[t']."""
    x = Seen(rule, k_x=0.75, k_p=0.25, a_post=-1)
    causal = x.outer(x.L * x.psi, filtered(0.75, x.s))
    other = x.outer(x.L * filtered(0.25, x.psi, past=True), x.s)
    near(x.dw, causal - other)


def test_s_tllr_of_the_authors_code():
    """Their post trace lacks its last lambda_post, so the same a_post is 1 / lambda_post times as large."""
    x = Seen("s_tllr", k_x=0.75, k_p=0.25, a_post=-4)
    causal = x.outer(x.L * x.psi, filtered(0.75, x.s))
    without = filtered(0.25, x.psi, past=True) / 0.25
    near(x.dw, causal - x.outer(x.L * without, x.s))


@pytest.mark.parametrize(("k_slow", "k_fast"), [(0.875, 0.25), (0.75, 0.5)])
def test_s_tllr_at_the_end_of_a_sample(k_slow, k_fast):
    """What the header says: causal and non-causal terms of all steps, discounted by the product of decays."""
    x = Seen("s_tllr_chip", True, k_x=k_slow, k_z=k_fast, k_f=k_fast, k_p=k_slow, a_post=-1)
    rho = (k_slow * k_fast) ** np.arange(T - 1, -1, -1.0)[None, :, None]
    window = filtered(k_slow, x.s) - filtered(k_fast, x.s)
    past = filtered(k_slow, x.psi, past=True) - filtered(k_fast, x.psi, past=True)
    causal = np.einsum("nti,ntj->nji", rho * x.psi, window)
    other = np.einsum("nti,ntj->nji", rho * past, x.s)
    near(x.dw, -ETA * x.L[:, -1][:, None, :] * (causal - other))


def test_s_tllr_at_the_end_without_fast_traces():
    """k_f = k_z = 0: the paper's rule with one learning step, q with its present step."""
    x = Seen("s_tllr_chip", True, k_x=0.75, k_z=0, k_f=0, k_p=0.5, a_post=-1)
    causal = x.outer((x.L * x.psi)[:, -1:], filtered(0.75, x.s)[:, -1:])
    other = x.outer((x.L * filtered(0.5, x.psi))[:, -1:], x.s[:, -1:])
    near(x.dw, causal - other)


def test_eprop():
    """dw = -eta sum_t L[t] sum_t' kappa^(t - t') h[t'] sum_t'' alpha^(t' - t'') s[t'']."""
    x = Seen("eprop", k_x=0.75, k_e=0.5)
    e = x.psi[:, :, None, :] * filtered(0.75, x.s)[:, :, :, None]
    bar = np.einsum("tu,nuji->ntji", kernel(0.5), e)
    near(x.dw, -ETA * np.einsum("nti,ntji->nji", x.L, bar))


def test_eprop_reckon_moves_in_the_mean_by_its_product():
    """Integers: the mean step over seeds is L h x 2^-rate of an LSB, within 4 standard errors."""
    chip, runs = load_chip("ideal"), 4000
    use = small_use(chip, params={"rate": 2, "k_x": 1})
    bound = bind(load_rule("eprop_reckon"), chip, use)
    inputs = random_inputs(use, 1, 4, 4, 3)
    inputs.m[:, :-1] = 0
    inputs.m[:, -1] = [[100, -77, 30]]
    inputs.pre[:, 0] = 1
    inputs.v[:] = inputs.v_after[:] = [[inputs.threshold, inputs.threshold, inputs.threshold * 1.5]]
    arrays = {
        n: np.repeat(getattr(inputs, n), runs, 0) for n in ("pre", "v", "v_after", "post", "m", "reward")
    }
    many = replace(inputs, **arrays)
    walk = Walk(bound, use, many, np.arange(runs))
    walk.run()
    h = np.array([31, 31, 11]) / 32
    count = inputs.pre[0].sum(0)
    wanted = -(np.array([100, -77, 30]) / 128 * h)[None, :] * count[:, None] / 4
    found, spread = walk.raw["w"].mean(0), walk.raw["w"].std(0) / runs**0.5
    assert (abs(found - wanted) <= 4 * spread).all() and abs(wanted).min() > 0.01


@pytest.mark.parametrize("k_x", [1, 0.75])
def test_delta(k_x):
    x = Seen("delta", k_x=k_x)
    near(x.dw, x.outer(x.L, filtered(k_x, x.s)))


def test_decolle():
    """P of the paper, two filters in a row with one step between them, is kappa (a - b)."""
    alpha, beta = 0.875, 0.75
    x = Seen("decolle", k_a=alpha, k_b=beta)
    q = (1 - beta) * filtered(beta, x.s)
    p = (1 - alpha) * np.concatenate([np.zeros_like(q[:, :1]), filtered(alpha, q)[:, :-1]], 1)
    kappa = (1 - alpha) * (1 - beta) / (alpha - beta)
    near(x.dw, x.outer(x.L * x.psi, p / kappa))
