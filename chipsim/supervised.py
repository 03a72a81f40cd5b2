"""A supervised experiment from settings to result: the flow that `digits` and `mnist` share.

Build, calibrate, train the integer network and its float twin on the same events, score once on the
test split, compare with a linear readout of the same input and with frozen hidden layers, count,
price, draw, store.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from chipsim.baseline import linear_readout
from chipsim.data.encode import Encoder
from chipsim.data.images import Images, Parts
from chipsim.data.samples import Encoded, Samples
from chipsim.experiment import Context
from chipsim.feed import feed, in_order, silent_labels
from chipsim.figures import draw_run
from chipsim.float_twin import twin_of
from chipsim.ledger import (
    Shape,
    activity,
    check_memory,
    counters,
    neurobench,
    summary,
    surrogate_shares,
)
from chipsim.microcode.lower import lowering_table
from chipsim.outcome import sample_costs
from chipsim.recording import record
from chipsim.report.text import text_report
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, StackSettings, calibrate, first, for_samples, voters
from chipsim.stored import bound_programs, restore_weights, store_weights
from chipsim.train import accuracy, evaluate, train


class SupervisedSettings(StackSettings):
    """A stack on images: how they become spikes, and what runs beside it."""

    steps: int = Field(20, ge=1, le=10_000)
    max_rate: float = Field(0.5, gt=0, le=1)
    encoder: str = "regular"
    peak: int | None = Field(None, ge=1, le=255, description="payload of the brightest level (current)")
    twin: bool | Literal["ideal"] = Field(
        True, description="float twin: true (constants as folded), ideal, false"
    )
    controls: bool = True


def encoded(context: Context, parts: Parts) -> Parts:
    """Parts of images behind the run's encoder; parts that are samples already stay as they are."""
    if not isinstance(parts.train, Images):
        return parts
    s = context.settings
    encoder = Encoder(kind=s.encoder, steps=s.steps, max_rate=s.max_rate, seed=context.seed, peak=s.peak)
    return Parts(*(Encoded(part, encoder) for part in (parts.train, parts.validation, parts.test)))


def _simulator(context: Context, parts: Parts) -> Simulator:
    return for_samples(context.settings, Choice.of(context), parts.train)


def run_supervised(context: Context, parts: Parts, data: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The whole experiment; returns what `chipsim run` prints and stores."""
    s, out, progress = context.settings, context.out, context.progress
    out.note(data=dict(data or {}))
    parts = encoded(context, parts)
    sim = _simulator(context, parts)
    check_memory(sim.plan, parts.train.n_axons * parts.train.n_steps * 4 * 4096, copies=2 + bool(s.twin))
    progress.line(f"memory      {_bytes(sim)} of state; train {len(parts.train)}, validation "
                  f"{len(parts.validation)}, test {len(parts.test)}")  # fmt: skip
    for line in _engine_lines(sim):
        progress.line(line)
    losses = restore_weights(sim, context.start) if context.start else []
    progress.phase("calibration")
    few = parts.train.events(first(parts.train))
    calibrated = {} if context.start else calibrate(sim, s, parts.train)
    for line in losses:
        progress.line(line)
    start = copy.copy(sim)
    start.state = {name: array.copy() for name, array in sim.state.items()}
    twin = twin_of(sim, ideal=s.twin == "ideal") if s.twin else None
    options = {"threads": context.threads or 1, "progress": progress, "votes": voters(sim)}

    def note(network: str) -> Callable[[dict[str, Any]], None]:
        return lambda row: out.metric(network=network, **row)

    def trained(net: Simulator, name: str) -> list[dict]:
        stage = context.checkpoints.stage(name)
        return train(net, parts, s.schedule, label=name, on_epoch=note(name), stage=stage, **options)

    rows = trained(sim, "chip")
    twin_rows = []
    if twin:
        twin_rows = trained(twin, "twin")
    progress.phase("scores")
    scored = _scores(sim, twin, parts, context.threads or 1)
    controls = _controls(start, parts, context.threads or 1) if s.controls else {}
    result = _result(context, sim, scored, controls, few, parts)
    result |= {
        "calibration": calibrated,
        "epochs": rows,
        "twin_epochs": twin_rows,
        "loss_of_requantising": losses,
    }
    result["data"] = dict(data or {})
    store_weights(out, sim)
    draw_run(out, sim, start, rows, few, result, controls)
    out.recording(_recorded(sim, few, parts))
    out.note(calibration=calibrated, programs=_programs(sim))
    out.programs(bound_programs(sim))
    return result


def evaluate_stored(context: Context, parts: Parts) -> dict[str, Any]:
    """`chipsim eval`: a stored run's weights on this chip, test split only, learning off."""
    parts = encoded(context, parts)
    sim = _simulator(context, parts)
    losses = restore_weights(sim, context.start)
    for line in losses:
        context.progress.line(line)
    if context.instead is not None:
        return context.instead(sim, parts)
    outputs, counted = evaluate(sim, parts.test, context.threads or 1)
    state = {**sim.state, **counted}
    score = {"test": accuracy(sim, outputs, parts.test.labels, voters(sim))}
    made = summary(sim.plan, sim.chip, state, accuracy=score, experiment="evaluation")
    return {
        "accuracy": score,
        "digest": sim.digest(),
        "counters": counters(sim.plan, state),
        "energy": _energy(made),
        "loss_of_requantising": losses,
        "report": text_report(made),
    }


def _scores(sim: Simulator, twin: Simulator | None, parts: Parts, threads: int) -> dict:
    """Accuracies; the test split is read here, once per network."""

    def score(net: Simulator, samples: Samples) -> tuple[float, dict, dict]:
        outputs, counted = evaluate(net, samples, threads)
        return accuracy(net, outputs, samples.labels, voters(net)), outputs, counted

    test, outputs, counted = score(sim, parts.test)
    named = {
        "train": score(sim, parts.train)[0],
        "validation": score(sim, parts.validation)[0],
        "test": test,
        "twin": score(twin, parts.test)[0] if twin else None,
    }
    return {"accuracy": named, "outputs": outputs, "counters": counted, "samples": len(parts.test.labels)}


def _controls(start: Simulator, parts: Parts, threads: int) -> dict[str, dict]:
    """A linear readout of the input's spike counts, and one of the untrained hidden layers' counts."""
    labels = [x.labels for x in (parts.train, parts.validation, parts.test)]
    inputs, hidden = [], []
    for samples in (parts.train, parts.validation, parts.test):
        inputs.append(samples.events().counts())
        counts = evaluate(start, samples, threads)[0]["counts"]
        hidden.append(np.concatenate(list(counts.values()), axis=1))
    named = {}
    for name, x in (("linear readout of the same input", inputs), ("frozen hidden layers", hidden)):
        fitted = linear_readout(x[0], labels[0], x[1], labels[1], x[2], labels[2])
        named[name] = {k: fitted[k] for k in ("train", "validation", "test")}
    return named


def _result(context, sim, scored, controls, few, parts) -> dict[str, Any]:
    shares = surrogate_shares(sim, silent_labels(sim, few))
    made = summary(
        sim.plan,
        sim.chip,
        sim.state,
        accuracy=scored["accuracy"],
        controls=controls,
        experiment=context.out.manifest.get("experiment"),
        activity=activity(sim.plan, scored["outputs"], parts.train.n_steps, surrogates=shares),
        evaluation=scored["counters"],
        shape=Shape(context.settings.epochs * len(parts.train), len(parts.test), parts.train.n_steps),
        neurobench=neurobench(sim, silent_labels(sim, few), accuracy=scored["accuracy"]["test"]),
    )
    return {
        "accuracy": scored["accuracy"],
        "controls": controls,
        "digest": sim.digest(),
        "counters": counters(sim.plan, sim.state),
        "energy": _energy(made),
        **sample_costs(made, context.settings.epochs * len(parts.train), len(parts.test)),
        "summary": made,
        "report": text_report(made),
    }


def _recorded(sim: Simulator, few: Any, parts: Parts) -> dict[str, Any]:
    """The first training samples with their labels, as learning meets them."""
    shown = feed(sim, few, np.asarray(parts.train.labels)[first(parts.train)])
    return record(sim, in_order(shown), shown.labels[shown.order])


def _energy(made: dict[str, Any]) -> dict[str, Any]:
    energy = made.get("energy") or {}
    return {"priced_J": energy.get("priced_J"), "unpriced": energy.get("unpriced", {})}


def _programs(sim: Simulator) -> dict[str, str]:
    return {c.name: c.program.source for c in sim.plan.connections if c.program}


def _engine_lines(sim: Simulator) -> list[str]:
    """What the engine made of the rule, once per rule: its notes and, where it was lowered, the verdict
    on every line."""
    seen, lines = set(), []
    for c in sim.plan.connections:
        if c.program and c.program.name not in seen:
            seen.add(c.program.name)
            lines += [f"note        {n.text}" for n in c.program.notes]
            lines += lowering_table(c.program).splitlines()
    return lines


def _bytes(sim: Simulator) -> str:
    from chipsim.report.units import engineering

    return engineering(sum(a.nbytes for a in sim.state.values()), "B")
