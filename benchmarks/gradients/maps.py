"""The same rules with convolutions: DECOLLE, ELL (average pooling before its classifier), DALTON
(average pooling between two convolutions). Maps are [channels, y, x], kernels [out, in, y, x]."""

from __future__ import annotations

import torch
from common import PSI, Draw, leaf, onehot, real
from local import CLASSES, _layers, _loss, _named
from torch.nn.functional import avg_pool2d, conv2d

MAP = (2, 6, 6)
FIRST = dict(padding=1)  # 2 x 6 x 6 -> 3 x 6 x 6


def _kernels(draw: Draw, scale: float, mean: float) -> list[torch.Tensor]:
    return [
        leaf(draw.rng.normal(mean / 9 / a, scale / (9 * a) ** 0.5, (b, a, 3, 3))) for a, b in ((2, 3), (3, 2))
    ]


def _conv(s: torch.Tensor, w: torch.Tensor, **options: int) -> torch.Tensor:
    return conv2d(s[None], w, **options)[0]


def decolle(draw: Draw, *, psi: str, burn_in: int, alpha: float = 0.97, beta: float = 0.92, steps: int = 16):
    """As local.decolle; 2 x 6 x 6 -> 3 x 6 x 6 -> 2 x 3 x 3 (stride 2), a readout of each map."""
    x = draw.spikes(steps, *MAP)
    gain = 1 / ((1 - alpha) * (1 - beta)) / 12
    weights = _kernels(draw, gain, gain * 3)
    options = (FIRST, dict(padding=1, stride=2))
    sizes = ((3, 6, 6), (2, 3, 3))
    readouts = [real(draw.rng.uniform(-0.9, 0.9, (CLASSES, a * b * c))) for a, b, c in sizes]
    label, theta = int(draw.rng.integers(CLASSES)), 1.0
    q = [torch.zeros(n, dtype=torch.float64) for n in (MAP, sizes[0])]
    p = [torch.zeros_like(a) for a in q]
    r = [torch.zeros(n, dtype=torch.float64) for n in sizes]
    s_old = [torch.zeros_like(a) for a in r]
    spikes, total = [[], []], torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        s = real(x[t])
        for k in range(2):
            q_old, q[k] = q[k], beta * q[k] + (1 - beta) * s
            p[k] = alpha * p[k] + (1 - alpha) * q_old
            r[k] = alpha * r[k] - alpha * theta * s_old[k]
            fired = draw.spike(_conv(p[k], weights[k], **options[k]) + r[k], theta, psi)
            if t >= burn_in:
                total = total + _loss("smooth_l1", readouts[k] @ fired.flatten() - onehot(label, CLASSES))
            s = s_old[k] = fired.detach()
            spikes[k].append(s)
    total.backward()
    meta = dict(loss="smooth_l1", psi=psi, burn_in=burn_in, alpha=alpha, beta=beta, theta=theta, label=label)
    return meta, {"x": x, **_layers(weights, spikes), **_named("g", readouts)}


def ell(draw: Draw, *, burn_in: int, decay: float, steps: int = 12):
    """As local.ell with history cut; the first classifier reads the map averaged over 2 x 2."""
    x, theta = draw.spikes(steps, *MAP), 1.0
    weights = _kernels(draw, 1.2, 2.0)
    auxiliary = [leaf(draw.weights(CLASSES, n, 1.2, 0.35)) for n in (27, 18)]
    label = int(draw.rng.integers(CLASSES))
    u = [torch.zeros(n, dtype=torch.float64) for n in ((3, 6, 6), (2, 3, 3))]
    s_old = [torch.zeros_like(a) for a in u]
    m = [torch.zeros(CLASSES, dtype=torch.float64) for _ in u]
    o_old = [torch.zeros_like(a) for a in m]
    spikes, classes, total = [[], []], [[], []], torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        s = real(x[t])
        for k, options in enumerate((FIRST, dict(padding=1, stride=2))):
            now = decay * (u[k] - theta * s_old[k]) + _conv(s, weights[k], **options)
            fired = draw.spike(now, theta, "exp_abs")
            seen = avg_pool2d(fired[None], 2)[0] if k == 0 else fired
            charge = decay * (m[k] - theta * o_old[k]) + auxiliary[k] @ seen.flatten()
            o = draw.spike(charge, theta, "exp_abs")
            if t >= burn_in:
                total = total + ((o - onehot(label, CLASSES)) ** 2).mean()
            u[k], s_old[k], m[k], o_old[k] = now.detach(), fired.detach(), charge.detach(), o.detach()
            s = s_old[k]
            spikes[k].append(s)
            classes[k].append(o_old[k])
    total.backward()
    meta = dict(burn_in=burn_in, decay=decay, theta=theta, label=label, psi="exp_abs")
    arrays = {"x": x, **_layers(weights, spikes), **_named("a", auxiliary)}
    arrays |= {f"o{k}": torch.stack(o).numpy() for k, o in enumerate(classes)}
    return meta, arrays | {f"grad_a{k}": a.grad.numpy() for k, a in enumerate(auxiliary)}


def dalton(draw: Draw, *, current: float, burn_in: int, steps: int = 14):
    """As chains.dalton; 2 x 6 x 6 -> 3 x 6 x 6, averaged over 2 x 2, -> 2 x 3 x 3, a fixed readout on top."""
    x, theta = draw.spikes(steps, *MAP), 1.0
    weights = _kernels(draw, 0.9, 1.2)
    last = real(draw.rng.uniform(-0.5, 0.5, (CLASSES, 18)))
    label = int(draw.rng.integers(CLASSES))
    c = [torch.zeros(n, dtype=torch.float64) for n in ((3, 6, 6), (2, 3, 3))]
    v_old = [torch.zeros_like(a) for a in c]
    spikes, total = [[], []], torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        s, fired, psi = real(x[t]), [], []
        for k, w in enumerate(weights):
            now = current * c[k] + _conv(avg_pool2d(s[None], 2)[0] if k else s, w, padding=1)
            c[k] = now.detach()
            summed = v_old[k] + now
            v = summed + (summed.clamp(min=0) - summed).detach()
            fired.append(draw.spike(v, theta, "hyper"))
            psi.append(PSI["hyper"](v.detach() - theta))
            s = fired[k].detach()
            v_old[k] = v.detach() * (1 - s)
            spikes[k].append(s)
        if t < burn_in:
            continue
        top = last @ fired[1].flatten()
        total = total + ((top - onehot(label, CLASSES)) ** 2).mean()
        error = (last.T @ (top.detach() - onehot(label, CLASSES))).reshape(2, 3, 3)
        guess = _conv(avg_pool2d(fired[0][None], 2)[0], weights[1].detach(), padding=1)
        total = total + ((guess - (guess.detach() - error * psi[1])) ** 2).mean()
    total.backward()
    meta = dict(current=current, burn_in=burn_in, theta=theta, label=label, psi="hyper")
    return meta, {"x": x, "g0": last.numpy(), **_layers(weights, spikes)}


ONE = float(torch.tensor(-1.0).double().exp())
FORMS = {
    "decolle_conv": (
        decolle,
        {
            "code": dict(psi="fast_sigmoid", burn_in=0),
            "paper, burn-in": dict(psi="boxcar", burn_in=5),
        },
    ),
    "ell_conv": (ell, {"tau 1": dict(burn_in=0, decay=ONE), "burn-in": dict(burn_in=4, decay=0.7)}),
    "dalton_conv": (
        dalton,
        {"no current": dict(current=0.0, burn_in=0), "current, burn-in": dict(current=ONE, burn_in=4)},
    ),
}
