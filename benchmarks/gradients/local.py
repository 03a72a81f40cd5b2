"""Rules with a local loss at each layer: DECOLLE, ELL, FELL (exact and trace), BELL.

Equations as restated in the headers of rules/*.rule; every gradient is autodiff's.
"""

from __future__ import annotations

import numpy as np
import torch
from common import Draw, leaf, onehot, real, stack

N_IN, HIDDEN, CLASSES = 7, (6, 5), 3


def decolle(draw: Draw, *, loss: str, psi: str, burn_in: int, alpha: float, beta: float, steps: int = 24):
    """P-form: Q = beta Q + (1-beta) x, P = alpha P + (1-alpha) Q_old, U = W P + R, s = U >= theta,
    R = alpha R - alpha theta s_old, Y = G s; loss of every layer's Y in every step after burn-in."""
    x = draw.spikes(steps, N_IN)
    sizes = (N_IN, *HIDDEN)
    gain = 1 / ((1 - alpha) * (1 - beta)) / 12
    weights = [leaf(draw.weights(b, a, gain, gain / 8)) for a, b in zip(sizes, sizes[1:], strict=False)]
    readouts = [real(draw.rng.uniform(-0.9, 0.9, (CLASSES, n))) for n in HIDDEN]
    label, theta = int(draw.rng.integers(CLASSES)), 1.0
    q = [torch.zeros(a, dtype=torch.float64) for a in sizes[:-1]]
    p = [torch.zeros_like(a) for a in q]
    r = [torch.zeros(b, dtype=torch.float64) for b in sizes[1:]]
    s_old = [torch.zeros_like(a) for a in r]
    spikes = [[] for _ in HIDDEN]
    total = torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        s = real(x[t])
        for k in range(len(HIDDEN)):
            q_old, q[k] = q[k], beta * q[k] + (1 - beta) * s
            p[k] = alpha * p[k] + (1 - alpha) * q_old
            r[k] = alpha * r[k] - alpha * theta * s_old[k]
            fired = draw.spike(weights[k] @ p[k] + r[k], theta, psi)
            e = readouts[k] @ fired - onehot(label, CLASSES)
            if t >= burn_in:
                total = total + _loss(loss, e)
            s = s_old[k] = fired.detach()
            spikes[k].append(s)
    total.backward()
    meta = dict(loss=loss, psi=psi, burn_in=burn_in, alpha=alpha, beta=beta, theta=theta, label=label)
    return meta, {"x": x, **_layers(weights, spikes), **_named("g", readouts)}


def _loss(loss: str, e: torch.Tensor) -> torch.Tensor:
    if loss == "l2":
        return (e**2).sum() / 2
    return torch.nn.functional.smooth_l1_loss(e, torch.zeros_like(e), reduction="sum")


def ell(draw: Draw, *, form: str, burn_in: int, decay: float, graded: bool = False, steps: int = 14):
    """Blocks of a hidden layer and its trained spiking classifier; u = decay (u_old - theta s_old) + W x.

    form  ell          history of u, s, m, o cut: the current step only
          fell_exact   u and m keep their history with the reset path; the hidden layer sees the
                       classifier's current step only
          fell_trace   the same, reset path cut
          bell         backpropagation through the block's whole time
    """
    x = draw.rng.integers(0, 4, (steps, N_IN)).astype(np.float64) if graded else draw.spikes(steps, N_IN)
    sizes = (N_IN, *HIDDEN)
    scales = (0.5 if graded else 1.2, 1.8)
    pairs = zip(sizes, sizes[1:], scales, strict=False)
    weights = [leaf(draw.weights(b, a, scale, 0.8 / a)) for a, b, scale in pairs]
    auxiliary = [leaf(draw.weights(CLASSES, n, 1.2, 0.35)) for n in HIDDEN]
    label = int(draw.rng.integers(CLASSES))
    inputs, spikes, classes = real(x), [], []
    for w, a in zip(weights, auxiliary, strict=True):
        s, o = _block(draw, form, inputs, w, a, label, burn_in, decay)
        spikes.append(list(s))
        classes.append(list(o))
        inputs = torch.stack(s)
    meta = dict(form=form, burn_in=burn_in, decay=decay, graded=graded, theta=1.0, label=label, psi="exp_abs")
    arrays = {"x": x, **_layers(weights, spikes)}
    arrays |= {f"o{k}": stack(o) for k, o in enumerate(classes)}
    arrays |= {f"a{k}": a.detach().numpy() for k, a in enumerate(auxiliary)}
    arrays |= {f"grad_a{k}": a.grad.numpy() for k, a in enumerate(auxiliary)}
    return meta, arrays


def _block(draw: Draw, form: str, inputs, w, a, label: int, burn_in: int, decay: float, theta: float = 1.0):
    """One hidden layer and its classifier over all steps; gradients are left in w.grad and a.grad.

    The loss of a step is the mean squared error of the classifier's spikes over the classes.
    """
    u = s = torch.zeros(w.shape[0], dtype=torch.float64)
    m_a = m_w = o_a = o_w = torch.zeros(a.shape[0], dtype=torch.float64)
    spikes, classes = [], []
    total = torch.zeros((), dtype=torch.float64)
    for t in range(len(inputs)):
        u = decay * (u - theta * s) + w @ inputs[t]
        s = draw.spike(u, theta, "exp_abs")
        # m_a carries the gradient of the classifier's weights, m_w that of the hidden layer's
        m_a = decay * (m_a - theta * o_a) + a @ (s if form == "bell" else s.detach())
        o_a = draw.spike(m_a, theta, "exp_abs")
        losses = [((o_a - onehot(label, a.shape[0])) ** 2).mean()]
        if form != "bell":
            m_w = decay * (m_w - theta * o_w).detach() + a.detach() @ s
            o_w = draw.spike(m_w, theta, "exp_abs")
            losses.append(((o_w - onehot(label, a.shape[0])) ** 2).mean())
        if t >= burn_in:
            total = total + sum(losses)
        spikes.append(s.detach())
        classes.append(o_a.detach())
        if form == "ell":
            u, s, m_a, o_a = u.detach(), s.detach(), m_a.detach(), o_a.detach()
        elif form == "fell_trace":
            s, o_a = s.detach(), o_a.detach()
    total.backward()
    return spikes, classes


def _layers(weights: list[torch.Tensor], spikes: list[list[torch.Tensor]]) -> dict[str, np.ndarray]:
    out = {}
    for k, (w, s) in enumerate(zip(weights, spikes, strict=True)):
        out |= {f"w{k}": w.detach().numpy(), f"grad_w{k}": w.grad.numpy(), f"s{k}": stack(s)}
    return out


def _named(name: str, tensors: list[torch.Tensor]) -> dict[str, np.ndarray]:
    return {f"{name}{k}": x.detach().numpy() for k, x in enumerate(tensors)}


CODE, PAPER = {"alpha": 0.97, "beta": 0.92}, {"alpha": 0.95, "beta": 0.92}
FORMS = {
    "decolle": (
        decolle,
        {
            "code": dict(loss="smooth_l1", psi="fast_sigmoid", burn_in=0, **CODE),
            "code, burn-in": dict(loss="smooth_l1", psi="fast_sigmoid", burn_in=9, **CODE),
            "paper": dict(loss="smooth_l1", psi="boxcar", burn_in=0, **CODE),
            "paper, other constants, burn-in": dict(loss="smooth_l1", psi="boxcar", burn_in=5, **PAPER),
            "L2": dict(loss="l2", psi="fast_sigmoid", burn_in=0, **CODE),
            "L2, boxcar, burn-in": dict(loss="l2", psi="boxcar", burn_in=6, **CODE),
        },
    ),
} | {
    form: (
        ell,
        {
            "tau 1": dict(form=form, burn_in=0, decay=float(np.exp(-1.0))),
            "tau 1, burn-in": dict(form=form, burn_in=5, decay=float(np.exp(-1.0))),
            "decay 0.9": dict(form=form, burn_in=0, decay=0.9),
            "real input as current": dict(form=form, burn_in=0, decay=float(np.exp(-1.0)), graded=True),
        },
    )
    for form in ("ell", "fell_exact", "fell_trace", "bell")
}
