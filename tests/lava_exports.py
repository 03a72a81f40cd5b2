"""Trained networks on digits, exported to Lava and verified there; needs an interpreter with lava-nc.

    python tests/lava_exports.py [RULE ...] [--samples 20]

Two plastic layers of 64 and 32 neurons on chip loihi2_lava learn from digits; the export presents samples
of 20 steps with learning on. For each rule: Lava's verdict, the fewest spikes of a plastic layer in a
sample, and the smallest share of a plastic connection's weights that changed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from chipsim.chip import load_chip
from chipsim.data import digits
from chipsim.data.encode import Encoder
from chipsim.data.events import Events
from chipsim.data.samples import Encoded
from chipsim.lava.export import export_lava
from chipsim.lava.stored import continuous
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, calibrate, simulator
from chipsim.supervised import SupervisedSettings

ROOT = Path(__file__).resolve().parent.parent
STEPS, TRAINED = 20, 200
PLAIN = {"hidden": (64, 32), "reset": "hard", "weight.bits": 9, "update": "step", "rate": 5, "activity": 3.0}
RULES = {
    "stdp_pair": {"circuit": "readout", "rate": 6, "activity": 6.0},
    "stdp_triplet": {"circuit": "readout"},
    "r_stdp_step": {},
    "decolle": {"rate": 6},
    "ell": {"rate": 6},
    "fell": {"rule": str(ROOT / "benchmarks" / "rules" / "lava_fell.rule")},
    "s_tllr": {"circuit": "broadcast", "rate": 6},
    "s_tllr_transport": {"rule": "s_tllr", "circuit": "transport", "rate": 6},
    "dalton": {"rate": 6},
}


def pictures() -> Encoded:
    """Digits as regular spike trains of 20 steps."""
    return Encoded(digits(), Encoder(kind="regular", steps=STEPS, max_rate=0.5, seed=1, peak=None))


def stack(name: str, encoded: Encoded) -> Simulator:
    """A stack of hidden layers with the rule's circuit, calibrated and trained on some samples."""
    options = dict(RULES[name])
    rule = options.pop("rule", name)
    s = SupervisedSettings(**{**PLAIN, **options, "epochs": 1})
    sim = simulator(s, Choice(rule, "loihi2_lava", 1), encoded.n_axons, encoded.classes, 1, STEPS)
    for c in sim.plan.connections:
        for p in c.program.params if c.program else ():
            if p.name == "rate":
                sim.set_param(c.name, "rate", min(max(s.rate, p.lo), p.hi))
    calibrate(sim, s, encoded)
    order = np.random.default_rng(1).permutation(1000)[:TRAINED]
    few = encoded.events(order)
    sim.present(few, np.asarray(encoded.labels)[order])
    return sim


def rewarded(encoded: Encoded) -> Simulator:
    """Two layers under R-STDP; rewards in the last steps of every sample, by its label."""
    net = Network()
    net.source("pixels", encoded.n_axons)
    net.lif("hidden1", 64, tau_v_ms=10, tau_u_ms=2, threshold=0.4, reset="hard")
    net.lif("hidden2", 32, tau_v_ms=10, tau_u_ms=2, threshold=0.2, reset="hard")
    settings = {"params": {"rate": 2}}
    net.connect("pixels", "hidden1", rule="r_stdp_step", gain=3.0, settings=settings)
    net.connect("hidden1", "hidden2", rule="r_stdp_step", gain=5.0, settings=settings)
    net.reward("hidden1")
    net.reward("hidden2")
    sim = Simulator(net, load_chip("loihi2_lava"), load_rule, seed=1)
    few, labels = encoded.events(np.arange(TRAINED)), np.asarray(encoded.labels)[:TRAINED]
    sim.present(few, rewards=rewards(labels))
    return sim


def rewards(labels: np.ndarray) -> np.ndarray:
    """float[samples, steps]: +1 for even digits, -0.5 for odd ones, in the last five steps."""
    made = np.zeros((len(labels), STEPS))
    made[:, -5:] = np.where(labels % 2 == 0, 1.0, -0.5)[:, None]
    return made


def exported(name: str, folder: Path, samples: int = 20) -> dict:
    """Train and export one rule; what `summary` of the expectation says."""
    encoded = pictures()
    rule_name = RULES[name].get("rule", name)
    reward = rule_name == "r_stdp_step"
    sim = rewarded(encoded) if reward else stack(name, encoded)
    few = encoded.events(np.arange(1000, 1000 + samples))
    labels = np.asarray(encoded.labels)[1000 : 1000 + samples]
    events = Events.from_dense(few.to_dense().reshape(1, -1, encoded.n_axons))
    given = {"rewards": rewards(labels).reshape(-1)} if reward else {"labels": np.repeat(labels, STEPS)}
    manifest = export_lava(continuous(sim, STEPS), events, folder, title=name, **given)
    score = None
    if not reward:
        rest = encoded.events(np.arange(1100, 1300))
        score = scored(sim, rest, np.asarray(encoded.labels)[1100:1300])
    return summary(folder, manifest, samples) | {"accuracy": score}


def scored(sim: Simulator, events: Events, labels: np.ndarray) -> float | None:
    """Share of samples that the readouts name; None without one."""
    outputs = sim.evaluate(events)[0]
    found = list(outputs["potentials"].values())
    return float((found[-1].argmax(axis=1) == labels).mean()) if found else None


def summary(folder: Path, manifest: dict, samples: int) -> dict:
    """Fewest spikes of a plastic spiking layer in a sample; smallest share of changed weights."""
    expected = np.load(folder / "expected.npz")
    plastic = [c for c in manifest["connections"] if "rule" in c]
    spiking = {c["post"] for c in plastic if expected[f"spikes.{c['post']}"].any()}
    hidden = {c["post"] for c in plastic if c["post"].startswith("hidden") and "." not in c["post"]}
    counts = [expected[f"spikes.{x}"].reshape(samples, -1).sum(1).min() for x in sorted(hidden)]
    changed = [
        float((expected[f"start.{c['name']}.weights"] != expected[f"end.{c['name']}.weights"]).mean())
        for c in plastic
    ]
    return {
        "layers": sorted(spiking),
        "fewest_spikes": int(min(counts)),
        "changed": min(changed),
        "custom": sorted(manifest["custom"]),
    }


def main() -> None:
    """Train, export, verify; one line a rule."""
    from chipsim.lava.verify import lava_python, verify

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rules", nargs="*", default=list(RULES))
    parser.add_argument("--samples", type=int, default=20)
    given = parser.parse_args()
    python = lava_python()
    for name in given.rules:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary, "export")
            told = exported(name, folder, given.samples)
            verdict = verify(folder, 600, python)
            print(name, verdict.result, verdict.text if not verdict.equal else "", told, flush=True)


if __name__ == "__main__":
    main()
