"""Small networks whose rules run as lines over contexts and samples, exported and run in Lava.

    python tests/lava_lines.py [NAME ...] [--no-run] [--faults TEXT ...]

One line of JSON a network: what the manifest says, the share of each connection's weights that changed,
where the expectation differs from what `present` leaves, Lava's verdict, and what is said of those faults
of `lava_faults.py` whose names hold a TEXT. NUMBA_DISABLE_JIT=1 saves the compiler's time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.feed import feed, in_order
from chipsim.fixed import Format
from chipsim.lava.export_samples import export_samples
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.simulator import Simulator

STEPS, SAMPLES = 6, 4


def contrasted(inputs: int = 1, batch: bool = False) -> Simulator:
    """Two layers under Traces Propagation: class channels, or a batch against its labels' traces."""
    net, rule = Network(), "tp" if batch else "tp_chip"
    net.source("pixels", 12)
    net.source("labels", 3)
    below = None
    for under, name, size in (("pixels", "a", 9), ("a", "b", 7)):
        net.lif(name, size, tau_v_ms=10, tau_u_ms=2, threshold=0.3, reset="hard", bias=0.01)
        c = net.connect(under, name, rule=rule, gain=2.0, settings={"params": {"rate": 4}})
        if name == "a":
            below = (net.connect("labels", "a", rule="tp_labels", spread=0.5, w_range=0.5), "eps0")
        told = {"inputs": inputs, "targets": inputs if batch else 3, "geometry": below if batch else None}
        net.contrast(name, connection=c, register="eps", signal_shift=3, **told)
        below = (c, "eps")
    net.integrator("out", 3, tau_v_ms=20)
    net.connect("b", "out", rule="delta", settings={"params": {"rate": 3}})
    net.error("out")
    contexts = 2 * inputs if batch else inputs + 3
    return Simulator(
        net,
        load_chip("loihi2_lava"),
        load_rule,
        seed=3,
        engine="lines",
        contexts=contexts,
        update="step" if batch else "end",
    )


def replayed(hold: bool = False, **options: object) -> Simulator:
    """A hidden layer and spiking classes under BELL, both replayed against each step's errors; with `hold`
    graded inputs, a delay and a readout that learns after the replay of its final error."""
    net, formats = Network(), {"g": Format(True, 8, 6), "acc": Format(True, 9, 5)}
    use = {"params": {"rate": 1, "k_leak": 0.9, "k_reset": 0.2}, "formats": formats}
    net.source("pixels", 12, payload_bits=2 if hold else 1)
    net.lif("a", 9, tau_v_ms=10, threshold=0.3, reset="hard", bias=0.01)
    net.lif("b", 7, tau_v_ms=10, threshold=0.3, reset="hard", bias=0.01)
    net.connect("pixels", "a", rule="bell", gain=2.0, settings=use)
    up = net.connect("a", "b", rule="bell", gain=2.0, settings=use, delay=3 if hold else 0)
    net.transport("a", up, register="g")
    if hold:
        net.integrator("out", 3, tau_v_ms=20)
        out = net.connect("b", "out", rule="delta_end", settings={"params": {"rate": 2}})
        net.error("out", hold=True)
        net.transport("b", out, register="third_factor")
    else:
        net.error("b", error="spike")
    options = {"engine": "lines", "update": "end", "sample_steps": STEPS, **options}
    return Simulator(net, load_chip("loihi2_lava"), load_rule, seed=3, **options)


def mixed() -> Simulator:
    """A fixed readout, an error through fixed random weights, a reward; noise of each element."""
    net, use = Network(), {"settings": {"params": {"rate": 2}}, "gain": 2.0}
    neuron = {"tau_v_ms": 10, "tau_u_ms": 2, "threshold": 0.3, "reset": "hard", "bias": 0.01}
    net.source("pixels", 12)
    for below, name, rule in (("pixels", "a", "decolle"), ("a", "b", "eprop"), ("a", "c", "r_stdp")):
        net.lif(name, 7, **neuron)
        net.connect(below, name, rule=rule, **use)
    net.readout("a", 3)
    net.integrator("out", 3, tau_v_ms=20)
    net.connect("b", "out", rule="delta", **use)
    net.error("out")
    net.broadcast("b", of="out")
    net.reward("c")
    options = {"engine": "lines", "noise": "element", "update": "every:2"}
    return Simulator(net, load_chip("loihi2_lava"), load_rule, seed=3, **options)


MADE = {
    "tp_chip": contrasted,
    "bell": replayed,
    "bell_held": lambda: replayed(hold=True),
    "tp_batch": lambda: contrasted(2, batch=True),
    "mixed": mixed,
}


def told(name: str, run: bool, faults: list[str]) -> dict:
    """Everything about one network."""
    sim, rng = MADE[name](), np.random.default_rng(1)
    most = 1 << sim.plan.layer("pixels").payload_bits
    dense = rng.integers(1, most, (SAMPLES, STEPS, 12)) * (rng.random((SAMPLES, STEPS, 12)) < 0.5)
    noise = Events.from_dense(dense.astype(np.int8), graded=most > 2)
    given = feed(sim, noise, rng.integers(0, 3, SAMPLES))
    reward = rng.uniform(-2, 2, (SAMPLES, STEPS)) if name == "mixed" else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "export")
        made = export_samples(sim, in_order(given), folder, given.labels[given.order], reward)
        found = {key: made[key] for key in ("stock", "custom", "remarks", "steps", "sample_steps")}
        found["history"] = {c["name"]: c["history"] for c in made["connections"] if "history" in c}
        outputs = sim.present(given.events, given.labels, order=given.order, rewards=reward)
        found |= expectation(np.load(folder / "expected.npz"), sim, outputs)
        if run:
            from lava_faults import tried

            from chipsim.lava.verify import lava_python, verify

            python = lava_python()
            verdict = verify(folder, 120, python)
            found |= {"result": verdict.result, "text": verdict.text, "stderr": verdict.stderr[-2000:]}
            found["faults"] = tried(folder, python, faults) if faults else []
    return found


def expectation(expected: dict, sim: Simulator, outputs: dict) -> dict:
    """Shares of changed weights; what differs from final weights and spike counts of `present`; layers
    without a spike in some sample."""
    changed, differs, silent = {}, [], []
    for c in sim.plan.connections:
        if f"end.{c.name}.weights" in expected:
            end = expected[f"end.{c.name}.weights"]
            changed[c.name] = float((expected[f"start.{c.name}.weights"] != end).mean())
            if not np.array_equal(end, sim.state[f"c{c.index}_w"].T):
                differs.append(c.name)
    for layer, counts in outputs["counts"].items():
        spikes = expected[f"spikes.{layer}"].reshape(-1, STEPS, sim.plan.contexts, counts.shape[1])
        spikes = spikes.sum(1).reshape(counts.shape)
        differs += [] if np.array_equal(spikes, counts) else [layer]
        silent += [] if spikes.any(1).all() else [layer]
    return {"changed": changed, "differs": differs, "silent": silent}


def main() -> None:
    """Build, export, verify, break."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(MADE))
    parser.add_argument("--no-run", action="store_true", help="write the exports only")
    parser.add_argument("--faults", nargs="+", default=[], metavar="TEXT")
    given = parser.parse_args()
    for name in given.names:
        print(json.dumps({"name": name, **told(name, not given.no_run, given.faults)}), flush=True)


if __name__ == "__main__":
    main()
