"""The paper forms as PyTorch networks: one step of a few networks (one per seed) at a time.

Weights are [seeds, pre, post], activity [seeds, samples, neurons]. The derivative of a loss by
membranes is autodiff's; by weights it is that times the rule's pre factor. Equations as in the headers
of rules/*.rule, rates as powers of two, plain additive updates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from common import PSI, Spike

grad = torch.autograd.grad


class Net:
    """Weights by connection, rates by connection; subclasses have reset, step and scores."""

    def __init__(self, s, weights: Mapping[str, torch.Tensor], scales: Mapping[str, torch.Tensor]):
        self.s, self.w, self.scales = s, dict(weights), scales
        self.names = [f"hidden{k + 1}" for k in range(len(s.hidden))]
        self.up = [f"{a}->{b}" for a, b in zip(["pixels", *self.names], self.names, strict=False)]
        self.lr: dict[str, float] = {}
        self.k_v = math.exp(-1 / s.tau_v_ms) if s.tau_v_ms else 1.0
        self.k_u = math.exp(-1 / s.tau_u_ms) if s.tau_u_ms else 0.0
        self.seeds = len(next(iter(self.w.values())))

    def rates(self, epoch: int, rule: str) -> None:
        """Learning rates of an epoch, counted from 1."""
        for name in self.w:
            kind = "delta" if name.endswith("->output") else rule
            more = self.s.rate_offsets.get(name, self.s.rate_offsets.get(kind, 0))
            self.lr[name] = 2.0 ** -(self.s.schedule.shift(epoch) + more)

    def learn(self, name: str, pre: torch.Tensor, post: torch.Tensor) -> None:
        """w -= rate * sum over samples of pre * post."""
        self.w[name].baddbmm_(pre.transpose(1, 2), post, alpha=-self.lr[name])

    def zeros(self, n: int, width: int) -> torch.Tensor:
        return torch.zeros(self.seeds, n, width, dtype=torch.float64)

    def wide(self, n: int) -> list[torch.Tensor]:
        """A zero for every hidden neuron, by layer."""
        return [self.zeros(n, w) for w in self.s.hidden]

    def finish(self) -> None:
        """The sample is over."""


class Ell(Net):
    """ELL, FELL and BELL: a spiking classifier on every hidden layer."""

    form = "ell"

    def reset(self, n: int, learning: bool) -> None:
        self.v, self.count = self.wide(n), [self.zeros(n, 10) for _ in self.names]
        self.m = [self.zeros(n, 10) for _ in self.names]
        before = [self.w[up].shape[1] for up in self.up]
        pairs = zip(before, self.s.hidden, strict=True)
        self.e = [[self.zeros(n, a), self.zeros(n, b)] for a, b in pairs]
        self.losses = 0
        if learning and self.form == "fell_exact":
            self.e = [[torch.zeros_like(self.w[x]) for x in (up, f"{h}->{h}.classifier")]
                      for up, h in zip(self.up, self.names, strict=True)]  # fmt: skip
            self.psi = [[self.zeros(n, w), self.zeros(n, 10)] for w in self.s.hidden]
        for w in self.w.values():
            w.requires_grad_(learning and self.form == "bell")

    def step(self, x: torch.Tensor, y: torch.Tensor | None) -> None:
        theta, k_v = self.s.threshold, self.k_v
        for k, (up, h) in enumerate(zip(self.up, self.names, strict=True)):
            out = f"{h}->{h}.classifier"
            u = k_v * self.v[k] + x @ self.w[up]
            if y is not None and self.form != "bell":
                u.requires_grad_()
            s = Spike.apply(u - theta, "exp_abs")
            m = k_v * self.m[k] + s @ self.w[out]
            o = Spike.apply(m - theta, "exp_abs")
            self.v[k], self.m[k] = u - theta * s, m - theta * o
            if y is not None:
                loss = ((o - y) ** 2).sum() / 4
                if self.form == "bell":
                    self.losses = self.losses + loss
                else:
                    self.v[k], self.m[k] = self.v[k].detach(), self.m[k].detach()
                    by_u, by_m = grad(loss, [u, m])
                    self.change(k, 0, up, x, u.detach(), by_u)
                    self.change(k, 1, out, s.detach(), m.detach(), by_m)
            self.count[k] += o.detach()
            x = s.detach()

    def change(self, k: int, which: int, name: str, pre, u, by_u) -> None:
        """One connection's update in this step."""
        if self.form == "ell":
            return self.learn(name, pre, by_u)
        if self.form == "fell_trace":
            self.e[k][which] = self.k_v * self.e[k][which] + pre
            return self.learn(name, self.e[k][which], by_u)
        keep = self.k_v * (1 - self.s.threshold * self.psi[k][which])
        e = self.e[k][which].mul_(keep).add_(pre.transpose(1, 2))
        self.w[name].addcmul_(e, by_u, value=-self.lr[name])
        self.psi[k][which] = PSI["exp_abs"](u - self.s.threshold)

    def finish(self) -> None:
        if self.form == "bell":
            names = list(self.w)
            changes = grad(self.losses, [self.w[x] for x in names])
            with torch.no_grad():
                for name, change in zip(names, changes, strict=True):
                    self.w[name].sub_(change, alpha=self.lr[name])

    def scores(self) -> torch.Tensor:
        return sum(c * self.s.threshold + m for c, m in zip(self.count, self.m, strict=True)).detach()


class FellTrace(Ell):
    form = "fell_trace"


class FellExact(Ell):
    form = "fell_exact"


class Bell(Ell):
    form = "bell"


class Dalton(Net):
    """Errors down through the next layer's weights; a fixed readout of the top layer."""

    def reset(self, n: int, learning: bool) -> None:
        self.v, self.total = self.wide(n), self.zeros(n, 10)

    def step(self, x: torch.Tensor, y: torch.Tensor | None) -> None:
        theta, seen = self.s.threshold, []
        for k, up in enumerate(self.up):
            v = (self.v[k] + x @ self.w[up]).clamp(min=0)
            if y is not None:
                v.requires_grad_()
            s = Spike.apply(v - theta, "hyper")
            seen.append((x, v, s))
            x = s.detach()
            self.v[k] = v.detach() * (1 - x)
        guess = s @ self.w["hidden2->readout"]
        self.total += guess.detach()
        if y is None:
            return
        scale = self.scales["readout"]
        loss = ((scale * guess - y) ** 2 / 8 / scale).sum()
        changes = []
        for k in reversed(range(len(seen))):
            (by_v,) = grad(loss, [seen[k][1]])
            changes.append((self.up[k], seen[k][0], by_v))
            if k:
                loss = ((by_v @ self.w[self.up[k]].transpose(1, 2)) * seen[k - 1][2]).sum()
        for change in changes:
            self.learn(*change)

    def scores(self) -> torch.Tensor:
        return self.total


class Decolle(Net):
    """A fixed readout of every layer, connections of one step's delay; the I/V form of the neuron."""

    def reset(self, n: int, learning: bool) -> None:
        self.u, self.v, self.total = self.wide(n), self.wide(n), self.zeros(n, 10)
        widths = [self.w[up].shape[1] for up in self.up]
        self.a, self.b, self.late = ([self.zeros(n, w) for w in widths] for _ in range(3))

    def step(self, x: torch.Tensor, y: torch.Tensor | None) -> None:
        theta, (k_a, k_b) = self.s.threshold, (self.k_v, self.k_u)
        changes = []
        for k, (up, h) in enumerate(zip(self.up, self.names, strict=True)):
            late, self.late[k] = self.late[k], x
            self.u[k] = k_b * self.u[k] + late @ self.w[up]
            v = k_a * self.v[k] + self.u[k]
            if y is not None:
                v.requires_grad_()
            s = Spike.apply(v - theta, "boxcar")
            x = s.detach()
            self.v[k] = v.detach() - theta * x
            guess = s @ self.w[f"{h}->{h}.readout"]
            self.total += guess.detach()
            if y is None:
                continue
            self.a[k], self.b[k] = k_a * self.a[k] + late, k_b * self.b[k] + late
            scale = self.scales[f"{h}.readout"]
            loss = torch.nn.functional.smooth_l1_loss(scale * guess, y.expand_as(guess), reduction="none")
            (by_v,) = grad((loss / scale).sum() / 4, [v])
            changes.append((up, k_a * self.a[k] - k_b * self.b[k], by_v))
        for change in changes:
            self.learn(*change)

    def scores(self) -> torch.Tensor:
        return self.total


class STllr(Net):
    """Causal and non-causal pairs; a trained output, its error down through the weights."""

    CONSTANTS = {"k_x": 0.75, "k_p": 0.2, "a_post": -1.0}

    def reset(self, n: int, learning: bool) -> None:
        self.v, self.p, self.psi = self.wide(n), self.wide(n), self.wide(n)
        self.x = [self.zeros(n, self.w[up].shape[1]) for up in self.up]
        self.out, self.counted = self.zeros(n, 10), self.zeros(n, self.s.hidden[-1])

    def step(self, x: torch.Tensor, y: torch.Tensor | None) -> None:
        c, theta = self.CONSTANTS | self.s.params, self.s.threshold
        k_out = math.exp(-1 / self.s.readout_tau_ms)
        pre = []
        for k, up in enumerate(self.up):
            pre.append(x)
            u = self.k_v * self.v[k] + x @ self.w[up]
            s = (u >= theta).double()
            self.v[k] = u - theta * s
            if y is not None:
                self.p[k] = c["k_p"] * (self.p[k] + self.psi[k])
                self.x[k] = c["k_x"] * self.x[k] + x
                self.psi[k] = 0.3 * (1 - (u - theta).abs()).clamp(min=0)
            x = s
        name = f"{self.names[-1]}->output"
        self.out = k_out * self.out + x @ self.w[name]
        if y is None:
            return
        self.counted = k_out * self.counted + x
        error = torch.softmax(self.out, -1) - y
        signal, changes = error @ self.w[name].transpose(1, 2), [(name, self.counted, error)]
        for k in reversed(range(len(pre))):
            up, delta = self.up[k], signal * self.psi[k]
            changes += [(up, self.x[k], delta), (up, pre[k], c["a_post"] * signal * self.p[k])]
            signal = delta @ self.w[up].transpose(1, 2)
        for change in changes:
            self.learn(*change)

    def scores(self) -> torch.Tensor:
        return self.out


NETS = {
    "ell": Ell,
    "fell_trace": FellTrace,
    "fell_exact": FellExact,
    "bell": Bell,
    "dalton": Dalton,
    "decolle_paper": Decolle,
    "s_tllr": STllr,
}
