"""One rule on several splits of the same recordings: folds, speakers, or just one official split.

Each fold trains its own network (and twin) from the same initial weights, chooses nothing, and reads
its test part once; a linear readout of the input's spike counts stands beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipsim.baseline import linear_readout
from chipsim.data.images import Parts
from chipsim.data.samples import Recorded
from chipsim.data.split import stratified
from chipsim.experiment import Context
from chipsim.float_twin import twin_of
from chipsim.ledger import counters, per_sample, summary
from chipsim.report.text import text_report
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, calibrate, for_samples, score, voters
from chipsim.tables import store
from chipsim.train import evaluate, train


@dataclass(frozen=True)
class Fold:
    """Ascending indices of one split."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def cut(labels: np.ndarray, folds: int, seed: int, validation: int) -> list[Fold]:
    """`folds` stratified test parts that together are all samples; of each rest `validation` samples
    are held out, the others train."""
    n = len(labels)
    sizes = [n // folds] * (folds - 1)
    tests = stratified(labels, sizes, seed)
    return [held_out(f"fold {k + 1}", labels, test, seed, validation) for k, test in enumerate(tests)]


def held_out(name: str, labels: np.ndarray, test: np.ndarray, seed: int, validation: int) -> Fold:
    """The fold of a test part: the rest trains, but for a stratified validation part."""
    rest = np.setdiff1d(np.arange(len(labels)), test)
    valid, kept = stratified(np.asarray(labels)[rest], [validation], seed)
    return Fold(name, rest[kept], rest[valid], test)


def run_folds(
    context: Context, samples: Recorded, folds: Sequence[Fold], data: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train and score every fold; returns what `chipsim run` prints and stores.

    accuracy holds means over the folds (twin with `twin`, linear readout under controls), `folds` one
    row each.
    """
    context.out.note(data=dict(data or {}))
    rows, sims = [], []
    for fold in folds:
        context.progress.phase(fold.name)
        row, sim, tested = _one(context, samples, fold)
        rows.append(row)
        sims.append((sim, tested, fold))
        told = {k: v for k, v in row.items() if isinstance(v, float)}
        context.progress.line(f"{fold.name:10} " + "  ".join(f"{k} {100 * v:.2f}" for k, v in told.items()))
    text = store(context.out.path, "folds", rows)
    return _result(context, rows, sims, text)


def _one(context: Context, samples: Recorded, fold: Fold) -> tuple[dict[str, Any], Simulator, dict]:
    s = context.settings
    parts = Parts(*(samples.take(x) for x in (fold.train, fold.validation, fold.test)))
    sim = for_samples(s, Choice.of(context), samples)
    calibrate(sim, s, parts.train)
    nets = {"": sim} | ({"twin": twin_of(sim)} if s.twin else {})
    row: dict[str, Any] = {"fold": fold.name, "train": len(fold.train)}
    for name, net in nets.items():
        done = train(
            net,
            parts,
            s.schedule,
            votes=voters(net),
            progress=context.progress,
            label=name or "chip",
            stage=context.checkpoints.stage(f"{fold.name} {name or 'chip'}"),
        )
        found = score(net, parts, context.threads or 1)
        row |= {name or "test": found["test"], f"{name} validation".strip(): found["validation"]}
        row |= {"learning": done[-1]["learning"]} if not name else {}
    if s.controls:
        row["linear readout"] = _linear(parts)
    tested = evaluate(sim, parts.test, context.threads or 1)[1]
    return row, sim, tested


def _linear(parts: Parts) -> float:
    """Test accuracy of a linear readout of spike counts per axon."""
    x = [part.events().counts() for part in (parts.train, parts.validation, parts.test)]
    y = [np.asarray(part.labels) for part in (parts.train, parts.validation, parts.test)]
    return linear_readout(x[0], y[0], x[1], y[1], x[2], y[2])["test"]


def _result(context: Context, rows: list[dict], sims: list, text: str) -> dict[str, Any]:
    def mean(name: str) -> float | None:
        values = [row[name] for row in rows if name in row]
        return float(np.mean(values)) if values else None

    sim, tested, fold = sims[0]
    accuracy = {"validation": mean("validation"), "test": mean("test"), "twin": mean("twin")}
    controls = {"linear readout": {"test": mean("linear readout")}} if context.settings.controls else {}
    made = summary(
        sim.plan, sim.chip, sim.state, accuracy=accuracy, controls=controls, evaluation=tested,
        experiment=context.out.manifest.get("experiment"),
    )  # fmt: skip
    digests = "".join(x[0].digest() for x in sims)
    return {
        "accuracy": accuracy,
        "controls": controls,
        "folds": rows,
        "digest": hashlib.sha256(digests.encode()).hexdigest(),
        "counters": counters(sim.plan, sim.state),
        "per_sample": per_sample(made, context.settings.epochs * len(fold.train), len(fold.test)),
        "summary": made,
        "report": f"{text}\nFirst fold\n{text_report(made)}",
    }
