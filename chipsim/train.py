"""Present, learn, score: supervised training of networks whose layers vote for a class.

Training, validation and test are kept apart: every choice is made on validation, the test split is
read once, after the last epoch. The float twin is trained beside the integer network on the same
events in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chipsim.checkpoint import Stage, off
from chipsim.data.images import Parts
from chipsim.data.samples import Samples
from chipsim.data.split import epoch_order
from chipsim.feed import feed, silent_labels
from chipsim.plan import LayerPlan
from chipsim.simulator import Simulator

CHUNK = 4096  # samples encoded at a time


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the rate shift of epoch e (from 1) is rate + steps[e - 1].

    steps    added to the rate's shift, one per epoch; the last holds for further epochs
    offsets  added to the rate's shift of a rule or of a connection, by its name
    """

    epochs: int
    rate: int
    steps: Sequence[int] = (0,)
    offsets: Mapping[str, int] = field(default_factory=dict)

    def shift(self, epoch: int) -> int:
        """The shift of an epoch, counted from 1."""
        return self.rate + self.steps[min(epoch, len(self.steps)) - 1]


def scores(sim: Simulator, outputs: Mapping, votes: Sequence[str] | None = None) -> np.ndarray:
    """Votes added up, float64[n, classes]: potentials of integrators (of one without memory those of all
    steps), total charge (spikes times threshold plus what is left on the membrane) of spiking
    classifiers. Default: all integrators."""
    total = 0
    for name in votes or list(outputs["potentials"]):
        layer = sim.plan.layer(name)
        if layer.kind == "integrator" and layer.k_v == 0 and layer.k_u is None:
            total = total + _summed(sim, outputs, layer)
        elif name in outputs["potentials"]:
            total = total + outputs["potentials"][name].astype(np.float64)
        else:
            threshold = sim.state[f"l{sim.plan.layer(name).index}_thr"].astype(np.float64)
            total = total + outputs["counts"][name] * threshold + outputs["membranes"][name]
    return total


def _summed(sim: Simulator, outputs: Mapping, layer: LayerPlan) -> np.ndarray:
    """Potentials of an integrator that keeps nothing, summed over a sample's steps: spikes by weights."""
    total = 0
    for c in (sim.plan.connections[k] for k in layer.incoming):
        unit = 1.0 if sim.twin else 2.0 ** (c.shift + layer.acc_shift)
        weights = sim.state[f"c{c.index}_w"].astype(np.float64)
        total = total + unit * (outputs["counts"][sim.plan.layers[c.pre].name] @ weights)
    return total


def accuracy(
    sim: Simulator, outputs: Mapping, labels: np.ndarray, votes: Sequence[str] | None = None
) -> float:
    """Share of samples whose largest summed vote is the label's (ties: the lowest class)."""
    return float((scores(sim, outputs, votes).argmax(axis=1) == labels).mean())


def set_rate(sim: Simulator, shift: int, offsets: Mapping[str, int] | None = None) -> None:
    """Set the parameter `rate` of every rule that has one."""
    offsets = offsets or {}
    for c in sim.plan.connections:
        if c.program and any(p.name == "rate" for p in c.program.params):
            more = offsets.get(c.name, offsets.get(c.program.name, 0))
            sim.set_param(c.name, "rate", shift + more)


def learn_epoch(
    sim: Simulator,
    samples: Samples,
    epoch: int,
    on_block: Callable[[int, int], None] | None = None,
    votes: Sequence[str] | None = None,
    stage: Stage | None = None,
) -> float:
    """One pass over the samples in the epoch's order; returns the accuracy while learning.

    Rate codes get new phases (or draws) in every epoch: the same image is never the same spikes twice.
    A stage is told after every piece; with an `epoch` in its cursor the pass goes on from there.
    """
    stage = stage or off().stage("epoch")
    others = {key: value for key, value in stage.cursor.items() if key != "epoch"}
    at = stage.cursor.get("epoch") or {"chunk": 0, "shown": 0, "right": 0, "seen": 0, "wall_s": 0, "cpu_s": 0}
    begun = time.perf_counter() - at["wall_s"], time.process_time() - at["cpu_s"]
    order = epoch_order(len(samples), sim.plan.seed, epoch)
    first, right, seen = at["shown"], at["right"], at["seen"]
    for lo in range(at["chunk"], len(order), CHUNK):
        part = order[lo : lo + CHUNK]
        shown = feed(sim, samples.events(part, epoch), np.asarray(samples.labels)[part])
        for a, b in stage.pieces(first, len(shown.order), sim.plan.contexts):
            report = _passed(on_block, lo, len(part), a, len(shown.order), len(order))
            outputs = sim.present(shown.events, shown.labels, order=shown.order[a:b], on_block=report)
            kept = shown.kept[a:b]
            named = _final(shown.labels[shown.order[a:b][kept]])
            right += int((scores(sim, outputs, votes)[kept].argmax(axis=1) == named).sum())
            seen += len(named)
            at = {"chunk": lo, "shown": b, "right": right, "seen": seen, **_spent(begun)}
            stage.reached(sim, b - a, **others, epoch=at)
        first = 0
    return right / max(1, seen)


def _passed(
    on_block: Callable[[int, int], None] | None, lo: int, size: int, a: int, shown: int, total: int
) -> Callable[[int, int], None] | None:
    """What `present` calls during a piece: samples of the epoch that are through."""
    return on_block and (lambda done, piece: on_block(lo + (a + done) * size // shown, total))


def _spent(begun: tuple[float, float]) -> dict[str, float]:
    return {"wall_s": time.perf_counter() - begun[0], "cpu_s": time.process_time() - begun[1]}


def _final(labels: np.ndarray) -> np.ndarray:
    """A sample's label: of its last step where there is one per step."""
    return labels if labels.ndim == 1 else labels[:, -1]


def evaluate(sim: Simulator, samples: Samples, threads: int = 1) -> tuple[dict, dict]:
    """Outputs of all samples with learning off, and the counters of doing so."""
    outputs, counters = [], None
    for lo in range(0, len(samples), CHUNK):
        index = np.arange(lo, min(lo + CHUNK, len(samples)))
        out, count = sim.evaluate(silent_labels(sim, samples.events(index)), threads=threads)
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
    schedule: Schedule,
    *,
    label: str = "",
    threads: int = 1,
    progress: object = None,
    on_epoch: Callable[[dict], None] | None = None,
    votes: Sequence[str] | None = None,
    stage: Stage | None = None,
) -> list[dict]:
    """Train for the schedule's epochs; one row per epoch with validation accuracy and times.

    parts holds `Samples`; its test split is not touched. Rows: epoch, learning (accuracy while
    learning), validation, rate, wall_s, cpu_s (of the learning pass, encoding included). With a stage
    that has a checkpoint the training goes on from there, and its rows are told again.
    """
    stage = stage or off().stage(label)
    if progress:
        progress.phase(label)
    stage.restore(sim)
    rows = list(stage.cursor.get("rows", ()))
    for row in rows if on_epoch else ():
        on_epoch(row)
    for epoch in range(len(rows) + 1, schedule.epochs + 1):
        rows.append(_epoch(sim, parts, schedule, epoch, threads, progress, votes, stage))
        if on_epoch:
            on_epoch(rows[-1])
        if progress:
            progress.line(_told(label, rows[-1], saturated_share(sim)))
        stage.reached(sim, rows=rows)
    if not stage.finished:
        stage.finish(sim, rows=rows)
    return rows


def _epoch(sim, parts, schedule, epoch, threads, progress, votes, stage) -> dict:
    """One epoch, learned (or the rest of it) and validated."""
    set_rate(sim, schedule.shift(epoch), schedule.offsets)
    earlier = stage.cursor.get("epoch") or {"wall_s": 0.0, "cpu_s": 0.0}
    begun = time.perf_counter() - earlier["wall_s"], time.process_time() - earlier["cpu_s"]
    tick = _ticker(progress, sim, epoch) if progress else None
    learning = learn_epoch(sim, parts.train, epoch, tick, votes, stage)
    spent = _spent(begun)
    outputs = evaluate(sim, parts.validation, threads)[0]
    valid = accuracy(sim, outputs, _final(np.asarray(parts.validation.labels)), votes)
    row = {"epoch": epoch, "learning": learning, "validation": valid, "rate": schedule.shift(epoch)}
    return row | spent


def _told(label: str, row: dict, saturated: float) -> str:
    return (
        f"{label:8} epoch {row['epoch']:3}  learning {row['learning']:.4f}  "
        f"validation {row['validation']:.4f}  {row['wall_s']:.2f} s  saturated {saturated:.2%}"
    )


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
