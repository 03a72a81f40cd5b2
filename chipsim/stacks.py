"""Stacks of hidden layers under one rule: settings, network, simulator, calibration, scores.

What every supervised experiment shares, without run folders or pictures, so that an experiment that
compares many rules can build, train and score each of them with the same few calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from chipsim.calibrate import calibrate_logits, calibrate_thresholds
from chipsim.chip import load_chip
from chipsim.data.images import Parts
from chipsim.data.samples import Samples
from chipsim.feed import feed, in_order, silent_labels
from chipsim.fixed import Format
from chipsim.geometry import Shape
from chipsim.hidden import grow, parse
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator
from chipsim.train import Schedule, accuracy, evaluate
from chipsim.wiring import Stack, wire

CALIBRATION = 128  # training samples that calibrate thresholds and logit shifts


class StackSettings(ExperimentSettings):
    """Settings of a stack; `rate` is the shift of epoch 1, rate_steps what later epochs add to it
    (one entry an epoch, the last holds), rate_offsets what a rule or connection adds."""

    form: str = Field("", description="a preset of the rule; default: its first")
    label: str = Field("", description="what the form changes against the paper")
    hidden: tuple[int | str, ...] = (256, 128)
    epochs: int = Field(20, ge=1, le=10_000)
    rate: int = Field(5, ge=-16, le=32)
    rate_steps: tuple[int, ...] = (0,)
    rate_offsets: dict[str, int] = {}
    weight_bits: int = Field(8, alias="weight.bits", ge=1, le=16)
    error: str = "softmax"
    update: str = "end"
    burn_in: int = Field(0, ge=0)
    tau_v_ms: float | None = Field(10.0, gt=0, description="none: no leak")
    tau_u_ms: float | None = Field(2.0, gt=0)
    threshold: float = Field(1.0, gt=0)
    reset: str = "soft"
    rectify: bool = False
    activity: float | None = Field(2.0, gt=0, description="spikes per neuron and sample to start with")
    spread: float | None = Field(None, gt=0, description="distance of readout potentials to start with")
    homeostasis: float = Field(0.0, ge=0, description="threshold rise per spike above `activity`")
    input_range: float = Field(1.0, gt=0, description="weight range of the input's connection")
    delays: tuple[int, ...] = Field((0,), min_length=1, description="of the input, one connection each")
    delay: int = Field(0, ge=0, description="of the connections above the first")
    gain: float = Field(1.0, gt=0, description="scale of the drawn weights")
    input_gain: float = Field(1.0, gt=0, description="times gain, for the input's connection")
    circuit: str | None = Field(None, description="third factor; default: the rule's own")
    classifier: str = Field("integrator", pattern="^(integrator|lif|charge)$")
    classifier_tau_ms: float | None = Field(None, gt=0)
    output_rule: str | None = Field(None, description="of trained outputs; default: delta")
    published: str = Field("delta", description="register that carries the signal downwards")
    hold: bool = Field(False, description="a replay uses the sample's final error in every step")
    readout_tau_ms: float | None = Field(None, gt=0, description="none: no leak")
    logit_scale: float | None = Field(None, gt=0, description="of every error; none: calibrated")
    readout_range: float = Field(1.0, gt=0, description="weight range of trained readouts, a power of two")
    signal_shift: int = Field(0, ge=-8, le=8)
    copy_every: int = Field(0, ge=0, description="transport: refresh a stored copy every k updates")
    inputs: int = Field(1, ge=1, description="contrast: inputs in flight")
    contrast: str = Field("classes", pattern="^(classes|batch)$")
    label_spread: float = Field(0.5, gt=0)
    label_range: float = Field(0.5, gt=0)
    params: dict[str, float] = {}
    formats: dict[str, str] = {}

    @field_validator("hidden")
    @classmethod
    def _hidden(cls, hidden: tuple) -> tuple:
        return tuple(parse(x) for x in hidden)

    @property
    def schedule(self) -> Schedule:
        """Epochs and rates."""
        return Schedule(self.epochs, self.rate, self.rate_steps, self.rate_offsets)

    @property
    def readout_tau(self) -> float:
        """Time constant of readouts in ms, infinite without a leak (which JSON cannot hold)."""
        return inf if self.readout_tau_ms is None else self.readout_tau_ms


@dataclass(frozen=True)
class Choice:
    """Rule, chip and the options of a run, as the command line or an experiment decides them."""

    rule: str
    chip: str = "ideal"
    seed: int = 1
    noise: str | None = None
    engine: str | None = None
    fit: str = "refuse"
    strict: bool = False

    @classmethod
    def of(cls, context: Any) -> Choice:
        """From an experiment's context."""
        return cls(**{name: getattr(context, name) for name in cls.__dataclass_fields__})


def own_use(s: StackSettings, rule: str) -> dict:
    """Parameters and formats of the hidden layers' rule, as a connection takes them."""
    return {
        "params": trace_constants(s, rule) | s.params,
        "formats": {name: Format.parse(text) for name, text in s.formats.items()},
    }


def build(
    s: StackSettings,
    n_in: int,
    classes: int,
    rule: str,
    payload_bits: int = 1,
    shape: Shape | None = None,
) -> Network:
    """Source, hidden layers with the rule on every connection, and the rule's circuit."""
    net = Network(dt_ms=1.0)
    net.source("pixels", n_in, payload_bits=payload_bits, shape=shape)
    up = (s.homeostasis, s.activity or 2.0) if s.homeostasis else None
    neuron = {"tau_v_ms": s.tau_v_ms or inf, "tau_u_ms": s.tau_u_ms, "threshold": s.threshold}
    neuron |= {"reset": s.reset, "rectify": s.rectify}
    plastic = {"rule": rule, "settings": own_use(s, rule)}
    drawn = {"gain": s.gain, "input_gain": s.input_gain, "input_range": s.input_range}
    drawn |= {"delays": s.delays, "delay": s.delay}
    grown = grow(net, s.hidden, "pixels", {**neuron, "homeostasis": up}, plastic, **drawn)
    circuit = s.circuit or load_rule(rule).circuit or "readout"
    wire(circuit, Stack(net, grown.places, grown.inward, classes, rule, own_use(s, rule), s))
    return net


def contexts(s: StackSettings, classes: int, circuit: str) -> int:
    """Samples in flight: one, but for the two paths of contrast."""
    if circuit != "contrast":
        return 1
    return s.inputs + (classes if s.contrast == "classes" else s.inputs)


def for_samples(settings: StackSettings, choice: Choice, samples: Samples) -> Simulator:
    """The integer network of a run on these samples, at its initial weights."""
    x = samples
    return simulator(settings, choice, x.n_axons, x.classes, x.payload_bits, x.n_steps, x.shape)


def simulator(
    settings: StackSettings,
    choice: Choice,
    n_in: int,
    classes: int,
    payload_bits: int = 1,
    steps: int | None = None,
    shape: Shape | None = None,
) -> Simulator:
    """The integer network of a run, at its initial weights; steps: the longest sample, for histories."""
    from chipsim.plan import Update

    s, rule = settings, choice.rule
    circuit = s.circuit or load_rule(rule).circuit
    return Simulator(
        build(s, n_in, classes, rule, payload_bits, shape),
        load_chip(choice.chip),
        load_rule,
        choice.seed,
        update=Update.parse(s.update, s.burn_in),
        contexts=contexts(s, classes, circuit),
        weight_bits=s.weight_bits,
        noise=choice.noise,
        engine=choice.engine,
        fit=choice.fit,
        strict=choice.strict,
        sample_steps=steps,
    )


def trace_constants(s: StackSettings, rule: str) -> dict[str, float]:
    """Traces that follow the neuron's own time constants, for rules that have k_a and k_b."""
    names = {c.name for c in load_rule(rule).consts}
    if not {"k_a", "k_b"} <= names:
        return {}
    fast = s.tau_u_ms
    return {
        "k_a": float(np.exp(-1.0 / (s.tau_v_ms or inf))),
        "k_b": float(np.exp(-1.0 / fast)) if fast else 0.1,
    }


def voters(sim: Simulator) -> tuple[str, ...]:
    """The layers that vote for a class: where errors are formed."""
    layers = sim.plan.layers
    found = [layers[k.readout if k.kind == "readout" else k.layer].name for k in sim.plan.circuits
             if k.kind in ("readout", "error")]  # fmt: skip
    return tuple(found)


def calibrate(sim: Simulator, s: StackSettings, samples: Samples) -> dict[str, dict[str, int]]:
    """Thresholds and logit shifts from the first training samples; with activity = none the thresholds
    stay as described, with a logit_scale the shifts do."""
    index = first(samples)
    few, found = samples.events(index), {}
    if s.activity is not None:
        found["thresholds"] = calibrate_thresholds(sim, silent_labels(sim, few), s.activity)
    labels = np.asarray(samples.labels)[index]
    if s.logit_scale is None:
        found["logit_shifts"] = calibrate_logits(sim, in_order(feed(sim, few, labels)), s.spread)
    return found


def score(sim: Simulator, parts: Parts, threads: int = 1, names: tuple[str, ...] = ("validation", "test")):
    """Accuracy of each named part (0..1) by the network's own votes."""
    votes = voters(sim)
    return {
        name: accuracy(
            sim,
            evaluate(sim, getattr(parts, name), threads)[0],
            np.asarray(getattr(parts, name).labels),
            votes,
        )
        for name in names
    }


def first(samples: Samples) -> np.ndarray:
    """Indices of the training samples that calibrate."""
    return np.arange(min(CALIBRATION, len(samples)))
