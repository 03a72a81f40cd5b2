"""A supervised experiment from settings to result: the flow that `digits` and `mnist` share.

Build, calibrate, train the integer network and its float twin on the same events, score once on the
test split, compare with a linear readout of the same input and with frozen hidden layers, count,
price, draw, store.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import Field

from chipsim.baseline import linear_readout
from chipsim.calibrate import calibrate_logits, calibrate_thresholds
from chipsim.chip import load_chip
from chipsim.data.encode import Encoder, encode
from chipsim.data.images import Images, Parts
from chipsim.experiment import Context
from chipsim.figures import draw_run
from chipsim.fixed import Format
from chipsim.float_twin import twin_of
from chipsim.ledger import activity, check_memory, counters, summary, surrogate_shares
from chipsim.microcode.lower import lowering_table
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.report.text import text_report
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator
from chipsim.stored import restore_weights, store_weights
from chipsim.train import Schedule, accuracy, evaluate, train

CALIBRATION = 128  # training samples that calibrate thresholds and logit shifts


class SupervisedSettings(ExperimentSettings):
    """Settings of a supervised experiment; `rate` is the shift of epoch 1, rate_steps what later
    epochs add to it (one entry an epoch, the last holds)."""

    hidden: tuple[int, ...] = (256, 128)
    epochs: int = Field(20, ge=1, le=10_000)
    rate: int = Field(5, ge=-16, le=32)
    rate_steps: tuple[int, ...] = (0,)
    weight_bits: int = Field(8, alias="weight.bits", ge=1, le=16)
    steps: int = Field(20, ge=1, le=10_000)
    max_rate: float = Field(0.5, gt=0, le=1)
    encoder: str = "regular"
    error: str = "softmax"
    update: str = "end"
    burn_in: int = Field(0, ge=0)
    tau_v_ms: float = Field(10.0, gt=0)
    tau_u_ms: float | None = Field(2.0, gt=0)
    activity: float = Field(2.0, gt=0, description="spikes per neuron and sample to start with")
    spread: float | None = Field(None, gt=0, description="distance of readout potentials to start with")
    homeostasis: float = Field(0.0, ge=0, description="threshold rise per spike above `activity`")
    twin: bool = True
    controls: bool = True
    params: dict[str, float] = {}
    formats: dict[str, str] = {}


def build(settings: SupervisedSettings, n_in: int, classes: int, rule: str) -> Network:
    """Source, hidden layers with the rule on every connection, one local readout per hidden layer."""
    net = Network(dt_ms=1.0)
    before = net.source("pixels", n_in, payload_bits=8 if settings.encoder == "current" else 1)
    up = (settings.homeostasis, settings.activity) if settings.homeostasis else None
    names = [f"hidden{k + 1}" for k in range(len(settings.hidden))]
    for name, size in zip(names, settings.hidden, strict=True):
        net.lif(name, size, tau_v_ms=settings.tau_v_ms, tau_u_ms=settings.tau_u_ms, homeostasis=up)
        net.connect(before, name, rule=rule, w_range=weight_range(net.layer(before).size))
        before = name
    for name in names:
        net.readout(name, classes, error=settings.error)
    return net


def weight_range(fan_in: int) -> float:
    """The smallest power of two that holds the drawn weights, +-sqrt(3 / fan_in).

    Training adds little to their size (under 0.1 % of the writes meet a limit), and every bit of a
    wider range would be a bit of resolution lost. On MNIST (validation, one seed) a range four times
    as wide costs about 1.7 points at 4 bits, 1.2 at 6, and nothing beyond the noise at 8.
    """
    return 2.0 ** int(np.ceil(np.log2(np.sqrt(3.0 / fan_in))))


def simulator(context: Context, n_in: int, classes: int) -> Simulator:
    """The integer network of a run, at its initial weights."""
    from chipsim.plan import Update

    s = context.settings
    rule = context.rule
    return Simulator(
        build(s, n_in, classes, rule),
        load_chip(context.chip),
        {rule: load_rule(rule)},
        context.seed,
        update=Update.parse(s.update, s.burn_in),
        weight_bits=s.weight_bits,
        noise=context.noise,
        engine=context.engine,
        fit=context.fit,
        strict=context.strict,
        params=trace_constants(s, rule) | s.params,
        formats={name: Format.parse(text) for name, text in s.formats.items()},
    )


def trace_constants(settings: SupervisedSettings, rule: str) -> dict[str, float]:
    """Traces that follow the neuron's own time constants, for rules that have k_a and k_b."""
    names = {c.name for c in load_rule(rule).consts}
    if not {"k_a", "k_b"} <= names:
        return {}
    fast = settings.tau_u_ms
    return {
        "k_a": float(np.exp(-1.0 / settings.tau_v_ms)),
        "k_b": float(np.exp(-1.0 / fast)) if fast else 0.1,
    }


def run_supervised(context: Context, parts: Parts, data: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The whole experiment; returns what `chipsim run` prints and stores."""
    s, out, progress = context.settings, context.out, context.progress
    encoder = Encoder(kind=s.encoder, steps=s.steps, max_rate=s.max_rate, seed=context.seed)
    sim = simulator(context, parts.train.n_pixels, parts.train.classes)
    check_memory(sim.plan, parts.train.n_pixels * s.steps * 4 * 4096, copies=2 + s.twin)
    progress.line(f"memory      {_bytes(sim)} of state; train {len(parts.train.labels)}, validation "
                  f"{len(parts.validation.labels)}, test {len(parts.test.labels)}")  # fmt: skip
    for line in _engine_lines(sim):
        progress.line(line)
    losses = restore_weights(sim, context.start) if context.start else []
    progress.phase("calibration")
    few = encode(parts.train, encoder, np.arange(min(CALIBRATION, len(parts.train.labels))))
    calibrated = {}
    if not context.start:
        calibrated = {
            "thresholds": calibrate_thresholds(sim, few, s.activity),
            "logit_shifts": calibrate_logits(sim, few, s.spread),
        }
    for line in losses:
        progress.line(line)
    start = copy.copy(sim)
    start.state = {name: array.copy() for name, array in sim.state.items()}
    twin = twin_of(sim) if s.twin else None
    schedule = Schedule(s.epochs, s.rate, s.rate_steps)
    options = {"threads": context.threads or 1, "progress": progress}

    def note(network: str) -> Callable[[dict[str, Any]], None]:
        return lambda row: out.metric(network=network, **row)

    rows = train(sim, parts, encoder, schedule, label="chip", on_epoch=note("chip"), **options)
    twin_rows = []
    if twin:
        twin_rows = train(twin, parts, encoder, schedule, label="twin", on_epoch=note("twin"), **options)
    progress.phase("scores")
    scored = _scores(sim, twin, parts, encoder, context.threads or 1)
    controls = _controls(start, parts, encoder, context.threads or 1) if s.controls else {}
    result = _result(context, sim, scored, controls, encoder, few, parts)
    result |= {
        "calibration": calibrated,
        "epochs": rows,
        "twin_epochs": twin_rows,
        "loss_of_requantising": losses,
    }
    result["data"] = dict(data or {})
    store_weights(out, sim)
    draw_run(out, sim, start, rows, few, result, controls)
    out.note(data=dict(data or {}), calibration=calibrated, programs=_programs(sim))
    return result


def evaluate_stored(context: Context, parts: Parts) -> dict[str, Any]:
    """`chipsim eval`: a stored run's weights on this chip, test split only, learning off."""
    s = context.settings
    encoder = Encoder(kind=s.encoder, steps=s.steps, max_rate=s.max_rate, seed=context.seed)
    sim = simulator(context, parts.train.n_pixels, parts.train.classes)
    losses = restore_weights(sim, context.start)
    for line in losses:
        context.progress.line(line)
    outputs, counted = evaluate(sim, parts.test, encoder, context.threads or 1)
    state = {**sim.state, **counted}
    score = {"test": accuracy(outputs, parts.test.labels)}
    made = summary(sim.plan, sim.chip, state, accuracy=score, experiment="evaluation")
    return {
        "accuracy": score,
        "digest": sim.digest(),
        "counters": counters(sim.plan, state),
        "energy": _energy(made),
        "loss_of_requantising": losses,
        "report": text_report(made),
    }


def _scores(sim: Simulator, twin: Simulator | None, parts: Parts, encoder: Encoder, threads: int) -> dict:
    """Accuracies; the test split is read here, once per network."""

    def score(net: Simulator, images: Images) -> tuple[float, dict, dict]:
        outputs, counted = evaluate(net, images, encoder, threads)
        return accuracy(outputs, images.labels), outputs, counted

    test, outputs, counted = score(sim, parts.test)
    named = {
        "train": score(sim, parts.train)[0],
        "validation": score(sim, parts.validation)[0],
        "test": test,
        "twin": score(twin, parts.test)[0] if twin else None,
    }
    return {"accuracy": named, "outputs": outputs, "counters": counted, "samples": len(parts.test.labels)}


def _controls(start: Simulator, parts: Parts, encoder: Encoder, threads: int) -> dict[str, dict]:
    """A linear readout of the input's spike counts, and one of the untrained hidden layers' counts."""
    labels = [x.labels for x in (parts.train, parts.validation, parts.test)]
    inputs, hidden = [], []
    for images in (parts.train, parts.validation, parts.test):
        inputs.append(encode(images, encoder).counts())
        counts = evaluate(start, images, encoder, threads)[0]["counts"]
        hidden.append(np.concatenate(list(counts.values()), axis=1))
    named = {}
    for name, x in (("linear readout of the same input", inputs), ("frozen hidden layers", hidden)):
        fitted = linear_readout(x[0], labels[0], x[1], labels[1], x[2], labels[2])
        named[name] = {k: fitted[k] for k in ("train", "validation", "test")}
    return named


def _result(context, sim, scored, controls, encoder, few, parts) -> dict[str, Any]:
    shares = surrogate_shares(sim, few)
    made = summary(
        sim.plan,
        sim.chip,
        sim.state,
        accuracy=scored["accuracy"],
        controls=controls,
        experiment=context.out.manifest.get("experiment"),
        activity=activity(sim.plan, scored["outputs"], encoder.steps, surrogates=shares),
        evaluation=scored["counters"],
    )
    return {
        "accuracy": scored["accuracy"],
        "controls": controls,
        "digest": sim.digest(),
        "counters": counters(sim.plan, sim.state),
        "energy": _energy(made),
        "summary": made,
        "report": text_report(made),
    }


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
