"""S-TLLR and SDSP: independent transcriptions of their formulas, without autodiff (numpy only)."""

from __future__ import annotations

import math

import numpy as np
from common import Draw

N_IN, HIDDEN, CLASSES = 7, (6, 5), 3
SHAPES = {
    "triangle": lambda x: 0.3 * np.maximum(0, 1 - np.abs(x)),  # code, convolutions
    "hyper": lambda x: 1 / (100 * np.abs(x) + 1) ** 2,  # code, linear layers (default)
    "sigmoid": lambda x: 4 / (1 + np.exp(-4 * x)) * (1 - 1 / (1 + np.exp(-4 * x))),  # code, Sigmoid
    "lorentz": lambda x: 1 / (1 + (10 * x) ** 2),  # code, NormOut
}


def s_tllr(
    draw: Draw,
    *,
    psi: str = "triangle",
    pre: float = 0.75,
    post: float = 0.2,
    a_post: float = -1.0,
    feedback: str = "bp",
    code: bool = False,
    leak: float = 0.5,
    theta: float = 0.8,
    start: int = 0,
    steps: int = 14,
):
    """u = leak v_old + W x, s = u >= theta, v = u - theta s; output u_k = leak u_k + W x.

    dW = - sum over t >= start of L (psi tr(x) + a_post x q), tr = pre tr + x, q = sum over t' < t of
    post^(t - t') psi(t'). With `code` the exponent is one less, as in the authors' code. L by
    instantaneous backpropagation or by fixed random feedback of softmax(u_out) - onehot; the output
    learns by error times trace. Golden "gradients" are minus dW.
    """
    x = draw.spikes(steps, N_IN)
    sizes = (N_IN, *HIDDEN, CLASSES)
    w = [draw.weights(b, a, 1.0, 0.6 / a) for a, b in zip(sizes, sizes[1:], strict=False)]
    b = [draw.rng.uniform(-0.9, 0.9, (n, CLASSES)) for n in HIDDEN]
    label = int(draw.rng.integers(CLASSES))
    v = [np.zeros(n) for n in HIDDEN]
    out = np.zeros(CLASSES)
    traces = [np.zeros(n) for n in sizes[:-1]]
    past: list[list[np.ndarray]] = [[] for _ in HIDDEN]  # psi of every step so far
    spikes: list[list[np.ndarray]] = [[] for _ in HIDDEN]
    change = [np.zeros_like(a) for a in w]
    for t in range(steps):
        entering = [x[t]]
        for k, _ in enumerate(HIDDEN):
            u = leak * v[k] + w[k] @ entering[k]
            draw.margin = min(draw.margin, float(np.abs(u - theta).min()))
            s = (u >= theta).astype(float)
            v[k] = u - theta * s
            past[k].append(SHAPES[psi](u - theta))
            spikes[k].append(s)
            entering.append(s)
        out = leak * out + w[-1] @ entering[-1]
        for k, s in enumerate(entering):
            traces[k] = pre * traces[k] + s
        if t < start:
            continue
        e = np.exp(out - out.max())
        error = e / e.sum() - np.eye(CLASSES)[label]
        change[-1] -= np.outer(error, traces[-1])
        below = w[-1].T @ error
        for k in reversed(range(len(HIDDEN))):
            signal = b[k] @ error if feedback == "dfa" else below
            back = [post ** (t - s - (1 if code else 0)) * past[k][s] for s in range(t)]
            q = np.sum(back, axis=0) if back else np.zeros(HIDDEN[k])
            change[k] -= np.outer(signal * past[k][t], traces[k]) + a_post * np.outer(signal * q, entering[k])
            below = w[k].T @ (signal * past[k][t])
    meta = dict(psi=psi, pre=pre, post=post, a_post=a_post, feedback=feedback, code=code, leak=leak)
    arrays = {"x": x}
    for k, _ in enumerate(HIDDEN):
        arrays |= {f"w{k}": w[k], f"grad_w{k}": -change[k], f"s{k}": np.array(spikes[k]), f"b{k}": b[k]}
    arrays |= {"out": w[-1], "grad_out": -change[-1]}
    return meta | dict(theta=theta, start=start, label=label), arrays


def sdsp(draw: Draw, *, bistable: bool, samples: int = 4, steps: int = 30):
    """ODIN's rule on 3-bit weights (0..7, an eighth of the threshold each), neurons without leak,
    hard reset. On a pre spike, with V and Ca as they stood before it: +1 if V >= theta_m and
    ca_1 <= Ca < ca_3, -1 if V < theta_m and ca_1 <= Ca < ca_2. Ca: +1 per post spike, -1 every 8
    steps of the run, 0..7, kept between samples; V starts each sample at 0. All numbers are exact."""
    theta_m, (ca_1, ca_2, ca_3), n = 0.5, (1, 3, 6), 6
    x = draw.spikes(samples, steps, N_IN, rate=0.3)
    w = draw.rng.integers(0, 8, (n, N_IN))
    first, ca, clock, spikes, path = w.copy(), np.zeros(n, int), 0, [], []
    for sample in range(samples):
        v = np.zeros(n)
        for t in range(steps):
            clock += 1
            active = x[sample, t] > 0
            up = (v >= theta_m) & (ca >= ca_1) & (ca < ca_3)
            down = (v < theta_m) & (ca >= ca_1) & (ca < ca_2)
            v = v + w @ x[sample, t] / 8
            w = np.clip(w + np.outer(up.astype(int) - down, active), 0, 7)
            s = v >= 1
            v[s] = 0
            ca = np.minimum(ca + s, 7)
            if clock % 8 == 0:
                ca = np.maximum(ca - 1, 0)
            spikes.append(s.astype(float))
        if bistable:
            w = np.clip(np.where(w >= 4, w + 1, w - 1), 0, 7)
        path.append(w.copy())
    draw.margin = math.inf  # exact arithmetic: a membrane on its threshold is no accident
    meta = dict(bistable=bistable, theta_m=theta_m, ca=[ca_1, ca_2, ca_3])
    return meta, {"x": x, "w0": first, "s0": np.array(spikes), "path": np.array(path)}


GESTURE = dict(pre=0.75, post=0.2, a_post=-1.0)
CIFAR = dict(pre=0.5, post=0.2, a_post=-1.0)
SHD = dict(pre=1.0, post=0.5, a_post=1.0, leak=0.99)
FORMS = {
    "s_tllr": (
        s_tllr,
        {
            "DVS Gesture, BP": GESTURE,
            "DVS Gesture, BP, code": dict(**GESTURE, code=True, theta=0.6),
            "DVS-CIFAR10, DFA, last steps": dict(**CIFAR, feedback="dfa", start=7),
            "DVS-CIFAR10, DFA, code, last steps": dict(
                **CIFAR, feedback="dfa", start=7, code=True, theta=0.6
            ),
            "SHD, BP, hyper": dict(**SHD, psi="hyper", start=2),
            "SHD, BP, hyper, code": dict(**SHD, psi="hyper", start=2, code=True, theta=0.6),
            "SHD, DFA, sigmoid": dict(**SHD, psi="sigmoid", feedback="dfa"),
            "no post trace, lorentz": dict(pre=0.5, post=0.5, a_post=0.0, psi="lorentz"),
        },
    ),
    "sdsp": (sdsp, {"plain": dict(bistable=False), "bistable": dict(bistable=True)}),
}
