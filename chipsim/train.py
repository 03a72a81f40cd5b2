"""Present, learn, score: supervised training of networks with local readouts.

Training, validation and test are kept apart: every choice is made on validation, the test split is
read once, after the last epoch. The float twin is trained beside the integer network on the same
events in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chipsim.data.encode import Encoder, encode
from chipsim.data.images import Images, Parts
from chipsim.data.split import epoch_order
from chipsim.simulator import Simulator

CHUNK = 4096  # samples encoded at a time


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the rate shift of epoch e (from 1) is rate + steps[e - 1].

    steps    added to the rate's shift, one per epoch; the last holds for further epochs
    """

    epochs: int
    rate: int
    steps: Sequence[int] = (0,)

    def shift(self, epoch: int) -> int:
        """The shift of an epoch, counted from 1."""
        return self.rate + self.steps[min(epoch, len(self.steps)) - 1]


def scores(outputs: Mapping, readouts: Sequence[str] | None = None) -> np.ndarray:
    """Sum of the readouts' potentials [n, classes]: every local readout votes."""
    chosen = readouts or list(outputs["potentials"])
    return sum(outputs["potentials"][name].astype(np.float64) for name in chosen)


def accuracy(outputs: Mapping, labels: np.ndarray) -> float:
    """Share of samples whose largest summed potential is the label's (ties: the lowest class)."""
    return float((scores(outputs).argmax(axis=1) == labels).mean())


def set_rate(sim: Simulator, shift: int) -> None:
    """Set the parameter `rate` of every rule that has one."""
    for c in sim.plan.connections:
        if c.program and any(p.name == "rate" for p in c.program.params):
            sim.set_param(c.name, "rate", shift)


def learn_epoch(
    sim: Simulator,
    images: Images,
    encoder: Encoder,
    epoch: int,
    on_block: Callable[[int, int], None] | None = None,
) -> float:
    """One pass over the images in the epoch's order; returns the accuracy while learning.

    Rate codes get new phases (or draws) in every epoch: the same image is never the same spikes twice.
    """
    order = epoch_order(len(images.labels), sim.plan.seed, epoch)
    right = 0
    for lo in range(0, len(order), CHUNK):
        part = order[lo : lo + CHUNK]
        events = encode(images, encoder, part, epoch=epoch)

        def report(done: int, total: int, lo: int = lo) -> None:
            if on_block:
                on_block(lo + done, len(order))

        outputs = sim.present(events, images.labels[part], on_block=report)
        right += int((scores(outputs).argmax(axis=1) == images.labels[part]).sum())
    return right / len(order)


def evaluate(sim: Simulator, images: Images, encoder: Encoder, threads: int = 1) -> tuple[dict, dict]:
    """Outputs of all images with learning off, and the counters of doing so."""
    outputs, counters = [], None
    for lo in range(0, len(images.labels), CHUNK):
        index = np.arange(lo, min(lo + CHUNK, len(images.labels)))
        out, count = sim.evaluate(encode(images, encoder, index), threads=threads)
        outputs.append(out)
        counters = count if counters is None else {k: counters[k] + v for k, v in count.items()}
    joined = {
        what: {name: np.concatenate([o[what][name] for o in outputs]) for name in outputs[0][what]}
        for what in outputs[0]
    }
    return joined, counters


def train(
    sim: Simulator,
    parts: Parts,
    encoder: Encoder,
    schedule: Schedule,
    *,
    label: str = "",
    threads: int = 1,
    progress: object = None,
    on_epoch: Callable[[dict], None] | None = None,
) -> list[dict]:
    """Train for the schedule's epochs; one row per epoch with validation accuracy and times.

    The test split is not touched. Rows: epoch, learning (accuracy while learning), validation,
    rate, wall_s, cpu_s (of the learning pass, encoding included).
    """
    rows = []
    if progress:
        progress.phase(label)
    for epoch in range(1, schedule.epochs + 1):
        set_rate(sim, schedule.shift(epoch))
        wall, cpu = time.perf_counter(), time.process_time()

        tick = _ticker(progress, sim, epoch) if progress else None
        learning = learn_epoch(sim, parts.train, encoder, epoch, tick)
        spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        valid = accuracy(evaluate(sim, parts.validation, encoder, threads)[0], parts.validation.labels)
        row = {"epoch": epoch, "learning": learning, "validation": valid, "rate": schedule.shift(epoch)}
        row |= spent
        rows.append(row)
        if on_epoch:
            on_epoch(row)
        if progress:
            progress.line(
                f"{label:8} epoch {epoch:3}  learning {learning:.4f}  validation {valid:.4f}  "
                f"{spent['wall_s']:.2f} s  saturated {saturated_share(sim):.2%}"
            )
    return rows


def _ticker(progress: object, sim: Simulator, epoch: int) -> Callable[[int, int], None]:
    """What `learn_epoch` calls between kernel calls: progress with the share of saturated writes."""
    return lambda done, total: progress.tick(done, total, epoch=epoch, saturated=saturated_share(sim))


def saturated_share(sim: Simulator) -> float:
    """Share of weight writes that met a limit so far."""
    done = over = 0
    for c in sim.plan.connections:
        if c.program is None:
            continue
        table = sim.state[f"c{c.index}_lines"]
        for line in c.program.lines:
            if line.target.is_weight:
                done += int(table[line.ordinal, 0])
                over += int(table[line.ordinal, 3])
    return over / max(1, done)
