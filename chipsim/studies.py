"""Studies: one network in several conditions and over seeds, on a named image set.

What experiments share that train many networks themselves: settings, samples of a seed, a calibrated
network, a training that only counts.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from chipsim.data.encode import Encoder
from chipsim.data.images import Parts
from chipsim.data.named import named_parts
from chipsim.data.samples import Encoded
from chipsim.experiment import Context
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, StackSettings, calibrate, for_samples, voters
from chipsim.train import learn_epoch, set_rate


class StudySettings(StackSettings):
    """A stack, the images it sees, and how many seeds."""

    data: str = Field("digits", description="digits (built in), or mnist with --data DIR")
    limit: int | None = Field(None, ge=40, description="at most so many samples of each part")
    seeds: int = Field(3, ge=1, le=100, description="runs, with seeds seed, seed+1, ...")
    steps: int = Field(20, ge=1, le=10_000, description="steps of a sample")
    max_rate: float = Field(0.5, gt=0, le=1, description="spikes per step of the brightest pixel")
    encoder: str = "regular"
    twin: bool = Field(True, description="also in float64")


def choices(context: Context) -> list[Choice]:
    """The run's choice with every seed."""
    return [replace(Choice.of(context), seed=context.seed + k) for k in range(context.settings.seeds)]


def seed_parts(context: Context, seed: int) -> Parts:
    """Encoded training, validation and test samples of a seed; the manifest gets the data's hashes."""
    s = context.settings
    parts, hashes = named_parts(s.data, context.data, seed, s.limit)
    context.out.note(data=hashes)
    encoder = Encoder(kind=s.encoder, steps=s.steps, max_rate=s.max_rate, seed=seed)
    return Parts(*(Encoded(x, encoder) for x in (parts.train, parts.validation, parts.test)))


def blank(s: StackSettings, choice: Choice, parts: Parts) -> Simulator:
    """The network of these settings, as drawn."""
    return for_samples(s, choice, parts.train)


def calibrated(s: StackSettings, choice: Choice, parts: Parts) -> Simulator:
    """The network, calibrated on its first training samples."""
    sim = blank(s, choice, parts)
    calibrate(sim, s, parts.train)
    return sim


def learned(context: Context, sim: Simulator, s: StackSettings, parts: Parts, label: str) -> list[float]:
    """Train for the settings' epochs; accuracy while learning, by epoch."""
    context.progress.phase(label)
    stage = context.checkpoints.stage(label)
    stage.restore(sim)
    shares: list[float] = list(stage.cursor.get("shares", ()))
    for epoch in range(len(shares) + 1, s.epochs + 1):
        set_rate(sim, s.schedule.shift(epoch), s.rate_offsets)
        shares.append(learn_epoch(sim, parts.train, epoch, votes=voters(sim), stage=stage))
        stage.reached(sim, shares=shares)
        context.progress.tick(epoch, s.epochs, accuracy=shares[-1])
    if not stage.finished:
        stage.finish(sim, shares=shares)
    return shares
