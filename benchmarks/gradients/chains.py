"""Rules whose third factor comes from elsewhere: DALTON, Traces Propagation, e-prop."""

from __future__ import annotations

import torch
from common import PSI, Draw, leaf, onehot, real, stack
from local import CLASSES, HIDDEN, N_IN, _layers

SIZES = (N_IN, *HIDDEN)


def dalton(draw: Draw, *, current: float, burn_in: int, steps: int = 16):
    """c = current c_old + W x, v = max(0, v_old + c), s = v > theta, hard reset; states cut in time.

    Layer l reads s_l through R_l = W_{l+1} (the last through a fixed R); its target is its own
    output minus the error that comes down, R_{l+1}^T (yhat - y)_{l+1} psi(v_{l+1}); its loss is the
    mean square. The rectifier's derivative is taken as 1, as the rule's equation has it.
    """
    x, theta = draw.spikes(steps, N_IN), 1.0
    weights = [leaf(draw.weights(b, a, 0.9, 0.5 / a)) for a, b in zip(SIZES, SIZES[1:], strict=False)]
    last = real(draw.rng.uniform(-0.5, 0.5, (CLASSES, HIDDEN[-1])))
    label = int(draw.rng.integers(CLASSES))
    c = [torch.zeros(n, dtype=torch.float64) for n in HIDDEN]
    v_old = [torch.zeros_like(a) for a in c]
    spikes = [[] for _ in HIDDEN]
    total = torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        s, fired, psi = real(x[t]), [], []
        for k, w in enumerate(weights):
            now = current * c[k] + w @ s
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
        readouts = [w.detach() for w in weights[1:]] + [last]
        error = None
        for k in reversed(range(len(HIDDEN))):
            guess = readouts[k] @ fired[k]
            top = k + 1 == len(HIDDEN)
            target = onehot(label, CLASSES) if top else guess.detach() - error * psi[k + 1]
            total = total + ((guess - target) ** 2).mean()
            error = readouts[k].T @ (guess.detach() - target)
    total.backward()
    meta = dict(current=current, burn_in=burn_in, theta=theta, label=label, psi="hyper")
    return meta, {"x": x, "g0": last.numpy(), **_layers(weights, spikes)}


def tp(draw: Draw, *, batch: int, alpha: float, beta: float, theta: float, burn_in: int, steps: int = 14):
    """Input path s, target path t (layer 1: labels through a frozen S), u = alpha v_old + W x,
    v = u - theta s, eps = beta eps_old + s; history cut in every step.

    Loss of a layer: mean over the batch of the cross-entropy between softmax(eps eps~^T) and
    softmax(-d), d the distances of the target traces of the layer below.
    """
    x = draw.spikes(batch, steps, N_IN)
    labels = draw.rng.permutation([k % CLASSES for k in range(batch)])
    weights = [leaf(draw.weights(b, a, 1.0, 1.0 / a)) for a, b in zip(SIZES, SIZES[1:], strict=False)]
    weights.append(leaf(draw.weights(CLASSES, HIDDEN[-1], 0.5)))
    seen = real(draw.rng.uniform(0.0, 1.1, (HIDDEN[0], CLASSES)))
    one = torch.eye(CLASSES, dtype=torch.float64)[labels]
    v = {(path, k): torch.zeros(batch, n, dtype=torch.float64) for path in "xt" for k, n in enumerate(HIDDEN)}
    eps = {key: torch.zeros_like(a) for key, a in v.items()}
    eps["t", -1] = torch.zeros(batch, CLASSES, dtype=torch.float64)
    counts = torch.zeros(batch, HIDDEN[-1], dtype=torch.float64)
    paper = torch.zeros(CLASSES, HIDDEN[-1], dtype=torch.float64)
    spikes = {"x": [[] for _ in HIDDEN], "t": [[] for _ in HIDDEN]}
    total = torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        s = {"x": real(x[:, t]), "t": one}
        eps["t", -1] = beta * eps["t", -1] + one
        for k, w in enumerate(weights[:-1]):
            for path in "xt":
                u = alpha * v[path, k] + s[path] @ (seen if path == "t" and k == 0 else w).T
                fired = draw.spike(u, theta, "atan")
                eps[path, k] = beta * eps[path, k].detach() + fired
                s[path] = fired.detach()
                v[path, k] = u.detach() - theta * s[path]
                spikes[path][k].append(s[path])
            if t >= burn_in:
                below = eps["t", k - 1].detach()
                d = ((below[:, None] - below[None]) ** 2).sum(-1).sqrt()
                y = torch.softmax(-d, 1)
                total = total - (y * torch.log_softmax(eps["x", k] @ eps["t", k].T, 1)).sum(1).mean()
        counts = counts + s["x"]
        if t >= burn_in:
            m = counts @ weights[-1].T
            total = total - (one * torch.log_softmax(m, 1)).sum(1).mean()
            paper += (torch.softmax(m.detach(), 1) - one).T @ eps["x", len(HIDDEN) - 1].detach() / batch
    total.backward()
    meta = dict(batch=batch, alpha=alpha, beta=beta, theta=theta, burn_in=burn_in, psi="atan")
    arrays = {"x": x, "labels": labels, "seen": seen.numpy(), **_layers(weights[:-1], spikes["x"])}
    arrays |= {f"st{k}": stack(a) for k, a in enumerate(spikes["t"])}
    arrays |= {"out": weights[-1].detach().numpy(), "grad_out": weights[-1].grad.numpy()}
    return meta, arrays | {"grad_paper_out": paper.numpy()}


def eprop(draw: Draw, *, alpha: float, kappa: float, theta: float, burn_in: int, steps: int = 18):
    """v = alpha (v_old - theta z_old) + W_in x + W_rec z_old, y = kappa y_old + W_out z; the loss is the
    cross-entropy of softmax(y) in every step. Cut: the recurrence z_old and the reset."""
    x, n = draw.spikes(steps, N_IN), HIDDEN[0]
    w_in, w_rec = leaf(draw.weights(n, N_IN, 1.0, 0.2)), leaf(draw.weights(n, n, 0.6))
    w_out, label = leaf(draw.weights(CLASSES, n, 0.8)), int(draw.rng.integers(CLASSES))
    v = z = torch.zeros(n, dtype=torch.float64)
    y = torch.zeros(CLASSES, dtype=torch.float64)
    spikes, total = [], torch.zeros((), dtype=torch.float64)
    for t in range(steps):
        old = z.detach()
        v = alpha * (v - theta * old) + w_in @ real(x[t]) + w_rec @ old
        z = draw.spike(v, theta, f"pseudo {theta}")
        y = kappa * y + w_out @ z
        if t >= burn_in:
            total = total - torch.log_softmax(y, 0)[label]
        spikes.append(z)
    total.backward()
    meta = dict(alpha=alpha, kappa=kappa, theta=theta, burn_in=burn_in, label=label)
    arrays = {"x": x, "out": w_out.detach().numpy(), "grad_out": w_out.grad.numpy()}
    arrays |= {"rec": w_rec.detach().numpy(), "grad_rec": w_rec.grad.numpy()}
    return meta, arrays | _layers([w_in], [spikes])


FORMS = {
    "dalton": (
        dalton,
        {
            "no current": dict(current=0.0, burn_in=0),
            "current 1 ms, burn-in": dict(current=float(torch.tensor(-1.0).double().exp()), burn_in=5),
            "current 5 ms": dict(current=float(torch.tensor(-0.2).double().exp()), burn_in=0),
        },
    ),
    "tp": (
        tp,
        {
            "N-MNIST constants": dict(batch=4, alpha=0.98, beta=0.98, theta=1.0, burn_in=0),
            "SHD recurrent constants, burn-in": dict(batch=3, alpha=0.85, beta=0.85, theta=0.5, burn_in=4),
            "CIFAR10-DVS constants, batch 2": dict(batch=2, alpha=0.18, beta=0.19, theta=0.5, burn_in=0),
        },
    ),
    "eprop": (
        eprop,
        {
            "20 ms": dict(alpha=float(torch.tensor(-0.05).double().exp()), kappa=0.95, theta=1.0, burn_in=0),
            "no output filter": dict(alpha=0.9, kappa=0.0, theta=1.0, burn_in=0),
            "threshold 0.6, burn-in": dict(alpha=0.9, kappa=0.8, theta=0.6, burn_in=6),
        },
    ),
}
