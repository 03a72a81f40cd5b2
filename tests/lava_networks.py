"""Networks of every kind of process on Lava's full runtime.

    python tests/lava_networks.py [NAME ...] [--steps N] [--seconds S] [--json FILE]

Each is exported from chipsim, run in Lava process by process, and compared in every step. Needs an
interpreter with lava-nc (see chipsim/lava/verify.py). NUMBA_DISABLE_JIT=1 saves compiling for so little.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.lava.export import export_lava
from chipsim.lava.from_lava import LavaRule, rule_text
from chipsim.lava.verify import Verdict, lava_python, verify
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.simulator import Simulator

TAGGED = LavaRule(
    dw="2^-3*x0*y1-2^-2*y0*x1+3*2^-6*u0*t*x2",
    dt="2^2*x0-2^-2*u0*t*y2+2^-1*y0*(x1-3)",
    dd="2^-1*y0*x2-2^-3*u0*d*sgn(w)",
    tau={"x1": 20, "x2": 5, "y1": 12, "y2": 3},
    impulse={"x1": 16, "x2": 7, "y1": 20, "y2": 30},
    graded=True,
)
NEURON = {"tau_v_ms": 10, "tau_u_ms": 2, "threshold": 0.4, "reset": "hard"}


def hidden(net: Network, rule: str, sizes: tuple[int, ...] = (10, 8), **options: object) -> list[str]:
    """Plastic layers one above the other; their connections."""
    below, made = "in", []
    for k, size in enumerate(sizes):
        net.lif(f"h{k}", size, **NEURON)
        made.append(net.connect(below, f"h{k}", rule=rule, gain=2.0, **options))
        below = f"h{k}"
    return made


def pair(net: Network) -> None:
    """Stock processes only: pair STDP, excitatory and mixed, recurrence with delays, a floored exponent."""
    hidden(net, "stdp_pair", w_min=0.0)
    delays = np.random.default_rng(1).integers(1, 9, (8, 8)).astype(np.uint8)
    net.connect("h1", "h1", delays=delays, gain=0.4)
    net.lif("out", 5, tau_v_ms=20, threshold=0.2, reset="hard", bias=0.03, reset_every=(50, 7))
    net.connect("h1", "out", delay=4)
    net.connect("h0", "out", weight_exp=-2, w_max=0.0, weights=np.full((10, 5), -0.05))


def tagged(net: Network) -> None:
    """Two factors, both tags, epochs of four steps, payloads into x1."""
    net.lif("h0", 8, **NEURON)
    engine = {"epoch": 4, "graded": "add_saturate", "seed": 77}
    net.connect("in", "h0", rule="tagged", spread=0.02, settings={"engine": engine})


def decolle(net: Network) -> None:
    """Three factors from fixed readouts."""
    hidden(net, "decolle")
    net.readout("h0", 3)
    net.readout("h1", 3)


def reward(net: Network) -> None:
    """Three factors from a reward, a tag, the neurons' own spikes."""
    hidden(net, "r_stdp_step", settings={"params": {"rate": 1}})
    net.reward("h0")
    net.reward("h1")


def transport(net: Network) -> None:
    """Errors down through plastic weights: FeedbackLearningDense."""
    through = hidden(net, "s_tllr", settings={"params": {"rate": 3}})
    net.integrator("out", 3, tau_v_ms=20)
    top = net.connect("h1", "out", rule="delta", settings={"params": {"rate": 3}})
    net.error("out")
    net.transport("h1", through=top, register="third_factor")
    net.transport("h0", through=through[1], register="delta")


def broadcast(net: Network) -> None:
    """Errors through fixed random weights, an error of another kind."""
    hidden(net, "s_tllr", settings={"params": {"rate": 3}})
    net.integrator("out", 3, tau_v_ms=20)
    net.connect("h1", "out", rule="delta", settings={"params": {"rate": 3}})
    net.error("out", error="ternary")
    for name in ("h0", "h1"):
        net.broadcast(name, of="out")


NETWORKS = {x.__name__: x for x in (pair, tagged, decolle, reward, transport, broadcast)}


def compared(name: str, steps: int, folder: Path, python: str, seconds: float) -> Verdict:
    """Export one network with `steps` steps of noise, and Lava's verdict on it."""
    graded = name == "tagged"
    net, rng = Network(), np.random.default_rng(5)
    net.source("in", 12, payload_bits=8 if graded else 1)
    NETWORKS[name](net)
    rules = {"tagged": parse_rule(rule_text(TAGGED, "tagged"), "tagged.rule")}
    sim = Simulator(net, load_chip("loihi2_lava"), lambda x: rules.get(x) or load_rule(x), seed=4)
    dense = (rng.random((1, steps, 12)) < 0.3) * rng.integers(1, 256 if graded else 2, (1, steps, 12))
    given = {"labels": np.arange(steps) // 10 % 3}
    if name == "reward":
        given = {"rewards": rng.choice([-1.0, 0.0, 0.0, 1.0], steps)}
    events = Events.from_dense(dense.astype(np.int16), graded=graded)
    export_lava(sim, events, folder, title=name, **given)
    return verify(folder, seconds, python)


def main() -> None:
    """One line a network; status 1 if any is not equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=900.0, help="time limit of each run in Lava")
    parser.add_argument("--json", type=Path, help="keep what was found")
    given, python, good, found = parser.parse_args(), lava_python(), True, {}
    for name in given.names:
        with tempfile.TemporaryDirectory() as temporary:
            verdict = compared(name, given.steps, Path(temporary, "export"), python, given.seconds)
        print(f"{name}: {verdict.result}, {verdict.text}", flush=True)
        print(verdict.stderr[-1500:] * (not verdict.equal), end="", flush=True)
        good = good and verdict.equal
        found[name] = {"steps": given.steps, "result": verdict.result, "text": verdict.text}
        found[name] |= {
            "about": " ".join((NETWORKS[name].__doc__ or "").split()),
            "seconds": round(verdict.seconds, 1),
        }
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
