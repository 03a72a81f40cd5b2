"""Trained networks on digits, exported to Lava and verified there; needs an interpreter with lava-nc.

    python tests/lava_exports.py [RULE ...] [--samples 20] [--faults] [--json FILE]

Two plastic layers of 64 and 32 neurons on chip loihi2_lava learn from digits; the export presents samples
of 20 steps with learning on. Status 1, with the reason, unless Lava computes the same, every plastic
spiking layer spikes in every sample, every plastic connection changes at least 5 % of its weights, and
the connections are the Lava processes that stand in PROCESSES. With --faults a shorter export of each
network is broken in every way of `lava_faults.py`, too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from chipsim.calibrate import calibrate_thresholds
from chipsim.chip import load_chip
from chipsim.data import digits
from chipsim.data.encode import Encoder
from chipsim.data.events import Events
from chipsim.data.samples import Encoded
from chipsim.feed import feed, in_order, silent_labels
from chipsim.lava.export import export_lava
from chipsim.lava.export_samples import export_samples
from chipsim.lava.stored import continuous
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, calibrate, simulator, voters
from chipsim.supervised import SupervisedSettings
from chipsim.train import accuracy

STEPS, TRAINED, CHANGED = 20, 500, 0.05
FAULTY = 2  # samples of an export that is broken
PLAIN = {"hidden": (64, 32), "reset": "hard", "weight.bits": 9, "update": "step", "rate": 5, "activity": 3.0,
         "readout_tau_ms": 20.0}  # fmt: skip
SELDOM = {"update": "every:5"}
SPIKING = {"classifier": "lif", "classifier_tau_ms": 2.0, "error": "spike", "rate": 8}  # as in the paper
RULES = {
    "stdp_pair": {"plain": {"rate": 6, "a_minus": 0.06}},
    "stdp_triplet": {"circuit": "readout", "rate": 6, "activity": 6.0},
    "r_stdp_step": {"plain": {"rate": 5, "a_minus": 0.06}},
    "decolle": {"rate": 7, "activity": 6.0, **SELDOM},
    "ell": SPIKING,
    "ell_fixed": {"rule": "ell", "circuit": "readout", "rate": 6},
    "fell_step": SPIKING,
    "fell_step_fixed": {"rule": "fell_step", "circuit": "readout", "rate": 8},
    "s_tllr": {"circuit": "broadcast", "rate": 6, **SELDOM},
    "s_tllr_transport": {"rule": "s_tllr", "circuit": "transport", "rate": 6, **SELDOM},
    "dalton": {"rate": 6},
    "tp_chip": {"engine": "lines", "update": "end", "rate": 9, "rate_offsets": {"delta": -2},
                "signal_shift": 3},
    "bell": {"engine": "lines", "update": "end", "rate": 7, "hold": True,
             "formats": {"g": "s8.7", "acc": "s9.6"}},
    "bell_spiking": {"rule": "bell", "engine": "lines", "update": "end", **SPIKING,
                     "published": "g", "rate": 5,
                     "formats": {"g": "s8.7", "acc": "s9.6"}},
}  # fmt: skip
LOWER, UPPER = "pixels->hidden1", "hidden1->hidden2"
STOCK, FEEDBACK, LINES = "LearningDense", "FeedbackLearningDense", "ProgramConnection"
PROCESSES = {
    **{name: {LOWER: STOCK, UPPER: STOCK} for name in RULES},
    "s_tllr_transport": {LOWER: STOCK, UPPER: FEEDBACK},
    "dalton": {LOWER: STOCK, UPPER: FEEDBACK},
    "tp_chip": {LOWER: LINES, UPPER: LINES},
    "bell": {LOWER: LINES, UPPER: LINES},
    "bell_spiking": {LOWER: LINES, UPPER: LINES},
}


def pictures() -> Encoded:
    """Digits as regular spike trains of 20 steps."""
    return Encoded(digits(), Encoder(kind="regular", steps=STEPS, max_rate=0.5, seed=1, peak=None))


def stack(name: str, encoded: Encoded) -> Simulator:
    """A stack of hidden layers with the rule's circuit, calibrated and trained on some samples."""
    options = dict(RULES[name])
    rule, trained = options.pop("rule", name), options.pop("trained", TRAINED)
    choice = Choice(rule, "loihi2_lava", 1, engine=options.pop("engine", None))
    s = SupervisedSettings(**{**PLAIN, **options, "epochs": 1})
    sim = simulator(s, choice, encoded.n_axons, encoded.classes, 1, STEPS)
    for c in sim.plan.connections:
        for p in c.program.params if c.program else ():
            if p.name == "rate":
                rate = s.rate + s.rate_offsets.get(c.program.name, 0)
                sim.set_param(c.name, "rate", min(max(rate, p.lo), p.hi))
    calibrate(sim, s, encoded)
    order = np.random.default_rng(1).permutation(1000)[:trained]
    given = feed(sim, encoded.events(order), np.asarray(encoded.labels)[order])
    sim.present(given.events, given.labels, order=given.order)
    return sim


def layered(rule: str, params: dict, encoded: Encoded) -> Simulator:
    """Two layers under a rule without errors; for r_stdp_step rewards in the last steps of every sample."""
    net, below = Network(), "pixels"
    net.source(below, encoded.n_axons)
    for name, size in (("hidden1", 64), ("hidden2", 32)):
        net.lif(name, size, tau_v_ms=10, tau_u_ms=2, threshold=0.4, reset="hard")
        net.connect(below, name, rule=rule, gain=3.0, settings={"params": params})
        if rule == "r_stdp_step":
            net.reward(name)
        below = name
    sim = Simulator(net, load_chip("loihi2_lava"), load_rule, seed=1)
    calibrate_thresholds(sim, encoded.events(np.arange(128)), 3.0)
    order = np.random.default_rng(1).permutation(1000)[:TRAINED]
    given = {"rewards": rewards(np.asarray(encoded.labels)[order])} if rule == "r_stdp_step" else {}
    sim.present(encoded.events(order), **given)
    return sim


def rewards(labels: np.ndarray) -> np.ndarray:
    """float[samples, steps]: +1 for even digits, -0.5 for odd ones, in the last five steps."""
    made = np.zeros((len(labels), STEPS))
    made[:, -5:] = np.where(labels % 2 == 0, 1.0, -0.5)[:, None]
    return made


def trained(name: str, encoded: Encoded) -> Simulator:
    """The trained network of one entry of RULES."""
    plain = RULES[name].get("plain")
    return stack(name, encoded) if plain is None else layered(name, plain, encoded)


def exported(name: str, sim: Simulator, encoded: Encoded, folder: Path, samples: int = 20) -> dict:
    """Export a trained network with `samples` new digits, in a row, or each from a reset on where lines
    learn; what the expectation holds."""
    few = encoded.events(np.arange(1000, 1000 + samples))
    labels = np.asarray(encoded.labels)[1000 : 1000 + samples]
    if sim.plan.engine == "lines":
        given = feed(sim, few, labels)
        manifest = export_samples(sim, in_order(given), folder, given.labels[given.order], title=name)
        return summary(folder, manifest, samples) | {"steps": manifest["steps"]}
    events = Events.from_dense(few.to_dense().reshape(1, -1, encoded.n_axons))
    given = {"labels": np.repeat(labels, STEPS)}
    if name == "r_stdp_step":
        given = {"rewards": rewards(labels).reshape(-1)}
    manifest = export_lava(continuous(sim, STEPS), events, folder, title=name, **given)
    return summary(folder, manifest, samples) | {"steps": manifest["steps"]}


def scored(sim: Simulator, encoded: Encoded) -> float | None:
    """Share of 200 more samples that the voters name; None without a rule that reads errors."""
    traces = [c.program.traces for c in sim.plan.connections if c.program]
    products = sim.plan.engine != "lines"
    if not voters(sim) or products and not any(x.three_factor for x in traces):
        return None
    outputs = sim.evaluate(silent_labels(sim, encoded.events(np.arange(1100, 1300))))[0]
    labels = np.asarray(encoded.labels)[1100:1300]
    return round(accuracy(sim, outputs, labels, voters(sim)), 3)


def summary(folder: Path, manifest: dict, samples: int) -> dict:
    """By layer the fewest spikes in a sample (of several contexts the first, which sees digits); by plastic
    connection its process and the share of its weights that changed; the custom processes."""
    expected = np.load(folder / "expected.npz")
    plastic = [c for c in manifest["connections"] if "rule" in c]
    kinds = {x["name"]: x for x in manifest["layers"]}
    spiking = [c["post"] for c in plastic if kinds[c["post"]].get("config", {}).get("kind", "lif") == "lif"]
    fewest = {}
    for x in spiking:
        contexts = kinds[x].get("contexts", 1)
        spikes = expected[f"spikes.{x}"].reshape(samples, STEPS, contexts, -1)[:, :, 0]
        fewest[x] = int(spikes.sum((1, 2)).min())
    found = {}
    for c in plastic:
        start, end = (expected[f"{when}.{c['name']}.weights"] for when in ("start", "end"))
        found[c["name"]] = {"process": c["process"], "changed": round(float((start != end).mean()), 4)}
    return {"fewest_spikes": fewest, "plastic": found, "custom": sorted(manifest["custom"])}


def missed(name: str, told: dict) -> list[str]:
    """The conditions that an export does not meet."""
    bad = [f"layer {x} is silent in a sample" for x, few in told["fewest_spikes"].items() if not few]
    if len(told["fewest_spikes"]) < 2:
        bad.append(f"spiking plastic layers: {', '.join(told['fewest_spikes'])}; two are wanted")
    for connection, c in told["plastic"].items():
        if c["changed"] < CHANGED:
            bad.append(f"{connection} changes {c['changed']:.1%} of its weights, {CHANGED:.0%} are wanted")
    for connection, process in PROCESSES[name].items():
        is_a = told["plastic"].get(connection, {}).get("process")
        if is_a != process:
            bad.append(f"{connection} is a {is_a}, a {process} is wanted")
    return bad + ([] if told["result"] == "equal" else [f"Lava: {told['result']}, {told['text']}"])


def shown(name: str, samples: int, broken: bool, python: str) -> dict:
    """Everything about one rule: training, export, Lava's verdict, faults."""
    from lava_faults import tried

    from chipsim.lava.verify import verify

    encoded = pictures()
    sim = trained(name, encoded)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "export")
        told = exported(name, sim, encoded, folder, samples) | {"accuracy": scored(sim, encoded)}
        verdict = verify(folder, 600, python)
        told |= {"result": verdict.result, "text": verdict.text, "seconds": round(verdict.seconds, 1)}
        told["missed"] = missed(name, told)
        if broken:
            exported(name, sim, encoded, Path(temporary, "short"), FAULTY)
            told["faults"] = tried(Path(temporary, "short"), python)
            told["missed"] += [f"{x['fault']}: {x['missed']}" for x in told["faults"] if x["missed"]]
    return told


def table(found: dict[str, dict]) -> str:
    """What was found, a row for each export, in Markdown."""
    head = "export", "weights changed", "spikes a sample, at least", "custom processes", "accuracy", "Lava"
    rows = [f"| {' | '.join(head)} | faults reported |", "|---" * 7 + "|"]
    for name, told in found.items():
        changed = ", ".join(f"{c} {x['changed']:.0%}" for c, x in told["plastic"].items())
        spikes = ", ".join(f"{layer} {n}" for layer, n in told["fewest_spikes"].items())
        score = "" if told["accuracy"] is None else f"{told['accuracy']:.1%}"
        faults = told.get("faults", [])
        reported = f"{sum(not x['missed'] for x in faults)} of {len(faults)}" if faults else ""
        own = ", ".join(told["custom"]) or "none"
        cells = (name, changed, spikes, own, score, f"{told['result']}, {told['steps']} steps", reported)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Train, export, verify, break; one line a rule. Status 1 if anything is missed."""
    from chipsim.lava.verify import lava_python

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rules", nargs="*", default=list(RULES))
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--faults", action="store_true", help="break exports as well")
    parser.add_argument("--json", type=Path, help="keep what was found, and a table beside it; what "
                        "earlier calls found stays in it")  # fmt: skip
    given, python, good = parser.parse_args(), lava_python(), True
    for name in given.rules:
        told = shown(name, given.samples, given.faults, python)
        print(f"{name}: {told['result']}", {k: v for k, v in told.items() if k != "faults"}, flush=True)
        for x in told.get("faults", ()):
            print(f"  {x['fault']}: {x['result']} in {x['seconds']} s, {x['text']}", flush=True)
        for reason in told["missed"]:
            print(f"  MISSED {reason}", flush=True)
        good = good and not told["missed"]
        if given.json:
            kept = (json.loads(given.json.read_text()) if given.json.exists() else {}) | {name: told}
            kept = {x: kept[x] for x in (*RULES, *kept) if x in kept}
            given.json.write_text(json.dumps(kept, indent=1) + "\n")
            given.json.with_suffix(".md").write_text(table(kept))
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
