"""Digests that every Python, numpy and back end must reproduce (tests/golden/digests.json).

    python tests/golden_digests.py                    print the digests as JSON
    python tests/golden_digests.py --halves FOLDER    the same, each run stopped in the middle, its
                                                      snapshot written to FOLDER and taken up again
    python tests/golden_digests.py --write            replace tests/golden/digests.json

Write them anew only where a change of meaning is wanted, and say so in CHANGELOG.md. A digest is the
sha256 of all state: weights, registers, spikes in flight, counters (chipsim.state.digest).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from chipsim.calibrate import calibrate_logits, calibrate_thresholds
from chipsim.chip import load_chip
from chipsim.compile.kernels import EXP16
from chipsim.data.builtin import digits, drawn
from chipsim.data.encode import Encoder, encode
from chipsim.data.events import Events
from chipsim.data.split import epoch_order, split_three
from chipsim.network import Network
from chipsim.simulator import Simulator

GOLDEN = Path(__file__).parent / "golden" / "digests.json"
STEPS = 20

# a case: its simulator (ready to learn), and learning of part 0 or 1 of its data
Case = tuple[Simulator, Callable[[Simulator, int], object]]


def images(chip: str, **options: object) -> Case:
    """Handwritten digits, DECOLLE: calibrated, then 24 samples in the order of epoch 0."""
    train = split_three(digits(), seed=1).train.take(np.arange(24))
    events = encode(train, Encoder("regular", steps=10, seed=1))
    net = Network()
    net.source("pixels", train.n_pixels)
    net.lif("hidden", 12, tau_v_ms=10.0, tau_u_ms=2.0, reset="hard", homeostasis=(0.01, 2.0))
    net.connect("pixels", "hidden", rule="decolle", settings={"params": {"rate": 2}})
    net.readout("hidden", train.classes)
    sim = Simulator(net, load_chip(chip), seed=1, **options)
    calibrate_thresholds(sim, events, 2.0)
    calibrate_logits(sim, events, 3.0)
    order = epoch_order(len(train), 1, 0).reshape(2, -1)
    return sim, lambda s, part: s.present(events, train.labels, order=order[part])


def populations(contexts: int = 8) -> Case:
    """Two populations of one step that drive each other, 8 contexts, softmax and smooth-L1 errors."""
    train = drawn(32, seed=3)
    events = encode(train, Encoder("rate", steps=8, seed=3))
    net = Network()
    net.source("in", train.n_pixels)
    for name, error in (("a", "softmax"), ("b", "smooth_l1")):
        net.lif(name, 8, tau_v_ms=8.0, threshold=0.5)
        net.connect("in", name, rule="decolle", settings={"params": {"rate": 2}})
        net.readout(name, train.classes, error=error)
    net.connect("a", "b", delay=1)
    net.connect("b", "a", delay=1)
    sim = Simulator(net, load_chip("ideal"), seed=3, contexts=contexts, update="every:2")
    return sim, lambda s, part: s.present(events, train.labels, order=np.arange(16) + 16 * part)


def pairs(rule: str, chip: str, sparse: bool = False, **options: object) -> Case:
    """A recurrent population under a rule of spike pairs, one long presentation."""
    rng = np.random.Generator(np.random.PCG64(5))
    words = rng.bit_generator.random_raw(2 * STEPS * 12) % 5 == 0  # raw words: no numpy distribution
    spikes = words.reshape(2, 1, STEPS, 12).astype(np.int8)
    machine = load_chip(chip)
    net = Network()
    net.source("in", 12)
    net.lif("out", 9, tau_v_ms=10.0, tau_u_ms=4.0, threshold=0.4, reset=machine.neuron.resets[0])
    wiring = {}
    if sparse:
        rows = [sorted({(3 * j + k) % 9 for k in (0, 1, 4)}) for j in range(9)]
        wiring["sparse"] = (np.arange(0, 28, 3), np.concatenate(rows))
    settings = {"params": {"rate": 1}}
    net.connect("in", "out", rule=rule, settings=settings, spread=1.0)
    net.connect("out", "out", rule=rule, settings=settings, spread=0.5, **wiring)
    if rule == "r_stdp":
        net.reward("out")
    sim = Simulator(net, machine, seed=9, **options)
    reward = np.where(np.arange(STEPS) % 4 == 3, 1.5, 0.0)[None] if rule == "r_stdp" else None
    return sim, lambda s, part: s.run(Events.from_dense(spikes[part]), rewards=reward)


CASES: dict[str, Callable[[], Case]] = {
    "digits, DECOLLE, ideal": lambda: images("ideal", contexts=2),
    "digits, DECOLLE, 4 bits, end of sample": lambda: images("ideal", weight_bits=4, update="end"),
    "digits, DECOLLE, loihi2 as products": lambda: images("loihi2"),
    "two populations, 8 contexts": populations,
    "stdp_pair, ideal, sparse": lambda: pairs("stdp_pair", "ideal", sparse=True),
    "stdp_triplet, ideal, lfsr": lambda: pairs("stdp_triplet", "ideal", noise="lfsr"),
    "stdp_pair, loihi1 as products": lambda: pairs("stdp_pair", "loihi1"),
    "r_stdp, loihi2 as products, sparse": lambda: pairs("r_stdp", "loihi2", sparse=True),
    "r_stdp, ideal, shared": lambda: pairs("r_stdp", "ideal", noise="shared"),
}


def run(case: Callable[[], Case], snapshot: Path | None) -> str:
    """Digest after both parts; with a path, a second simulator takes up the snapshot of the first."""
    sim, learn = case()
    learn(sim, 0)
    if snapshot is not None:
        np.savez(snapshot, **sim.snapshot())
        sim, learn = case()
        with np.load(snapshot) as stored:
            sim.restore(stored)
    learn(sim, 1)
    return sim.digest()


def digests(folder: Path | None = None) -> dict[str, str]:
    """Digest by case, and of the softmax table, whose entries are folded from floats."""
    found = {"softmax table": hashlib.sha256(EXP16.astype("<i8").tobytes()).hexdigest()}
    for name, case in CASES.items():
        found[name] = run(case, None if folder is None else folder / "half.npz")
    return found


def main(*arguments: str) -> None:
    if arguments[:1] == ("--halves",):
        print(json.dumps(digests(Path(arguments[1]))))
        return
    text = json.dumps(digests(), indent=2)
    if arguments == ("--write",):
        GOLDEN.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
