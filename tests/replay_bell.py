"""BELL against backpropagation through time written by hand; a script of its own, because of the kernels.

python tests/replay_bell.py twin      largest distances of the float twin from numpy, as JSON
python tests/replay_bell.py equal     where kernels and reference differ, by case, as JSON
python tests/replay_bell.py learn     accuracy before and after learning, integers and twin, as JSON
"""

from __future__ import annotations

import json
import sys

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import compiled_present
from chipsim.conformance import difference
from chipsim.data.events import Events
from chipsim.float_twin import twin_of
from chipsim.network import Network
from chipsim.plan import Update
from chipsim.reference import reference_present
from chipsim.simulator import Simulator
from chipsim.state import make_state

RATE = 3


def bell(
    n_in: int, hidden: int, classes: int, steps: int, threshold: float = 1.0, **options: object
) -> Simulator:
    """Source, hidden layer and spiking classifier, all of rule bell; tau is one step."""
    net = Network()
    net.source("in", n_in)
    k = options.pop("k", {"k_leak": np.exp(-1.0), "k_reset": threshold * np.exp(-1.0)})
    for pre, post, size in (("in", "hidden", hidden), ("hidden", "classes", classes)):
        net.lif(post, size, tau_v_ms=1.0, threshold=threshold, reset="soft")
        settings = {"params": {"rate": options.pop(f"rate_{post}", RATE), **k}}
        net.connect(pre, post, rule="bell", gain=options.pop(f"gain_{post}", 1.0), settings=settings)
    own = {name: options.pop(name) for name in ("hold", "trigger") if name in options}
    net.error("classes", error=options.pop("error", "spike"), **own)
    if options.pop("broadcast", False):
        net.broadcast("hidden", of="classes")
    else:
        register = options.pop("register", "g")
        copy_every = options.pop("copy_every", 0)
        net.transport("hidden", "hidden->classes", register=register, copy_every=copy_every)
    options.setdefault("update", "end")
    return Simulator(net, load_chip("ideal"), seed=4, sample_steps=steps, **options)


# ---------------------------------------------------------------- by hand


class ByHand:
    """Two layers of u[t] = k (u[t-1] - theta s[t-1]) + W x[t] and their gradients, in float64."""

    def __init__(self, sim: Simulator):
        plan = sim.plan
        self.w = [sim.state[f"c{c}_w"] * 2.0 ** -plan.connections[c].weight.frac for c in (0, 1)]
        self.k = plan.layer("hidden").k_v / 4096
        program = plan.connections[0].program
        raw = {name: value / 4096 for name, _, value in program.consts}
        self.k_leak, self.k_reset = raw["k_leak"], raw["k_reset"]
        table = program.tables[0]
        self.edges = np.array(table.breakpoints) * float(table.argument_fmt.lsb)
        self.values = np.array(table.values) * float(table.fmt.lsb)
        self.theta = plan.layer("hidden").threshold * float(plan.layer("hidden").v_fmt.lsb)

    def psi(self, u: np.ndarray) -> np.ndarray:
        return self.values[np.searchsorted(self.edges, u - self.theta, side="right")]

    def forward(self, w: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(membranes before reset, spikes) [T, n]."""
        u, s, v = [], [], np.zeros(w.shape[1])
        for row in x:
            v = self.k * v + row @ w
            u.append(v.copy())
            s.append((v >= self.theta).astype(float))
            v = v - self.theta * s[-1]
        return np.array(u), np.array(s)

    def backward(self, errors: np.ndarray, u: np.ndarray) -> np.ndarray:
        """g [T, n] from the errors [T, n] of the layer's spikes."""
        g, out = np.zeros(u.shape[1]), np.zeros_like(u)
        for t in reversed(range(len(u))):
            g = (errors[t] - self.k_reset * g) * self.psi(u[t]) + self.k_leak * g
            out[t] = g
        return out

    def learn(self, x: np.ndarray, label: int, hold: bool = False) -> None:
        u_1, s_1 = self.forward(self.w[0], x)
        u_2, s_2 = self.forward(self.w[1], s_1)
        errors = (s_2 - np.eye(s_2.shape[1])[label]) / 2
        if hold:
            errors[:] = errors[-1]
        g_2 = self.backward(errors, u_2)
        g_1 = self.backward(g_2 @ self.w[1].T, u_1)
        for k, (g, pre) in enumerate(((g_1, x), (g_2, s_1))):
            self.w[k] = np.clip(self.w[k] - 2.0**-RATE * pre.T @ g, -1.0, 127 / 128)  # s8.7


def twin_distances() -> dict[str, float]:
    """Weights after three samples, with errors of each step, with the final one, and two contexts."""
    rng = np.random.default_rng(5)
    x = (rng.random((4, 9, 12)) < 0.5).astype(np.int8)
    found = {}
    for name, options in (("stored", {}), ("held", {"hold": True}), ("two", {"contexts": 2})):
        sim = bell(12, 7, 4, 10, gain_hidden=1.5, gain_classes=1.5, **options)
        hand, twin = ByHand(sim), twin_of(sim)
        labels = np.array([0, 3, 1, 2])
        before = [w.copy() for w in hand.w]
        twin.present(Events.from_dense(x), labels)
        if name == "two":  # two samples see the same weights
            for pair in ((0, 1), (2, 3)):
                start, summed = [w.copy() for w in hand.w], [np.zeros_like(w) for w in hand.w]
                for k in pair:
                    hand.w = [w.copy() for w in start]
                    hand.learn(x[k].astype(float), labels[k])
                    summed = [a + w - b for a, w, b in zip(summed, hand.w, start, strict=True)]
                hand.w = [a + b for a, b in zip(start, summed, strict=True)]
        else:
            for k in range(4):
                hand.learn(x[k].astype(float), labels[k], hold=name == "held")
        pairs = [(twin.state[f"c{c}_w"], hand.w[c]) for c in (0, 1)]
        found[name] = max(float(np.abs(a - b).max()) for a, b in pairs)
        found[name + " moved"] = min(float(np.abs(a - b).max()) for a, b in zip(hand.w, before, strict=True))
    return found


# ---------------------------------------------------------------- kernels

CASES = {
    "transport": {},
    "copied weights": {"copy_every": 2, "update": "every:4"},
    "third factor": {"register": "third_factor", "hold": True},
    "broadcast": {"broadcast": True, "contexts": 2},
    "softmax of the charge": {"error": "softmax", "update": "step"},
    "triggered": {"error": "mse", "trigger": (0.3, 0.1), "update": Update("every", 3, 2)},
    "ternary, two contexts": {"error": "ternary", "contexts": 2, "hold": True},
}


def differences() -> dict[str, str]:
    """Every circuit in a replay, twice over four samples with a label for each step."""
    rng = np.random.default_rng(6)
    events = Events.from_dense((rng.random((4, 8, 6)) < 0.5).astype(np.int8))
    labels = rng.integers(-1, 3, (4, 8))
    found = {}
    for name, options in CASES.items():
        made = bell(6, 5, 3, 8, threshold=0.7, rate_hidden=0, rate_classes=0, **dict(options)).plan
        one, other = make_state(made), make_state(made)
        for _ in range(2):
            reference_present(made, one, events, labels)
            compiled_present(made, other, events, labels)
        still = [c for c in (0, 1) if np.array_equal(one[f"c{c}_w"], make_state(made)[f"c{c}_w"])]
        found[name] = difference(one, other) or ("nothing learned" if still else "")
    return found


# ---------------------------------------------------------------- learning


def patterns(samples: int, seed: int, classes: int = 4) -> tuple[Events, np.ndarray]:
    """Classes that differ in when their axons fire as much as in which: 10 steps, 40 axons."""
    rng = np.random.default_rng(seed)
    shape = np.random.default_rng(1).random((classes, 10, 40)) < 0.3
    labels = rng.integers(0, classes, samples)
    noisy = shape[labels] ^ (rng.random((samples, 10, 40)) < 0.1)
    return Events.from_dense(noisy.astype(np.int8)), labels


def score(sim: Simulator, events: Events, labels: np.ndarray) -> float:
    """Share of samples whose label's neuron fired most (the membrane decides between equals)."""
    out = sim.evaluate(events)[0]
    total = out["counts"]["classes"] + 1e-3 * np.sign(out["membranes"]["classes"])
    return float((total.argmax(axis=1) == labels).mean())


def learned() -> dict[str, float]:
    train, labels = patterns(200, 2)
    test, wanted = patterns(200, 3)
    sim = bell(40, 60, 4, 10, gain_hidden=1.5, gain_classes=1.5, rate_hidden=2, rate_classes=2)
    twin = twin_of(sim)
    found = {"before": score(sim, test, wanted)}
    for name, net in (("integers", sim), ("twin", twin)):
        for _ in range(5):
            net.present(train, labels)
        found[name] = score(net, test, wanted)
    return found


if __name__ == "__main__":
    print(json.dumps({"twin": twin_distances, "equal": differences, "learn": learned}[sys.argv[1]]()))
