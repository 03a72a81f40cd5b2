"""Gestures: ten real DVS recordings through convolutions and pooling; operations and throughput, no accuracy.

Papers: DECOLLE, DALTON, S-TLLR and Traces Propagation report DVS128 Gesture (Amir et al. 2017). Data: ten
recordings, one per class, in --data DIR (or DIR/dvs128_gesture_10).
Compared: nothing; with one recording of a class there is no accuracy to claim. The run shows that events of
a 128x128 sensor fit, what a convolutional network does with them per recording (operations of inference
and learning, error pathway apart), and how fast. The whole set in its published form is read by
`chipsim.data.sets.dvs_gesture`.
Expected: 32x32 maps after downsampling by 4, 50 steps of 29 ms; about 13 million operations a recording
learned from.
Seeds: --seed chooses weights and draws. Run time: about 1 min, most of it compiling.
Scaled down: ten recordings instead of 1,464, 32x32 pixels, two convolutions.
"""

import time

import numpy as np
from pydantic import Field

from chipsim.data.binning import bin_recordings
from chipsim.data.samples import Recorded
from chipsim.data.sets import dvs128_gesture_10
from chipsim.ledger import counters, per_sample, summary
from chipsim.recording import record
from chipsim.report.text import text_report
from chipsim.stacks import Choice, StackSettings, calibrate, for_samples, voters
from chipsim.tables import store
from chipsim.train import learn_epoch, scores, set_rate

RULES = ("decolle", "ell_chip", "dalton_chip")
CHIPS = ("ideal",)


class Settings(StackSettings):
    """The defaults; see `chipsim.stacks.StackSettings` for what each means."""

    hidden: tuple[int | str, ...] = ("16C5", "P2", "32C5", "P2")
    epochs: int = Field(2, ge=1)
    rate: int = Field(17, ge=-16, le=32)
    steps: int = Field(50, ge=1)
    bin_ms: float = Field(29.0, gt=0)
    downsample: int = Field(4, ge=1, le=32)


def run(context):
    """Read, learn, count, time."""
    s = context.settings
    found = dvs128_gesture_10.load(context.data)
    cut = bin_recordings(found, s.bin_ms, s.steps, downsample=s.downsample)
    samples = Recorded("dvs128_gesture_10", cut.events, found.labels, found.classes, cut.shape)
    context.progress.line(
        f"events      {cut.recorded} in {len(samples)} recordings; {cut.events.n_events} after binning, "
        f"{cut.late} after the last step, {cut.merged} met another"
    )
    sim = for_samples(s, Choice.of(context), samples)
    calibrate(sim, s, samples)
    stage = context.checkpoints.stage("learning")
    stage.restore(sim)
    rows = list(stage.cursor.get("rows", ()))
    for epoch in range(len(rows) + 1, s.epochs + 1):
        set_rate(sim, s.schedule.shift(epoch), s.rate_offsets)
        earlier = stage.cursor.get("epoch", {"cpu_s": 0.0})["cpu_s"]
        start = time.process_time() - earlier
        learn_epoch(sim, samples, epoch, votes=voters(sim), stage=stage)
        rows.append(
            {"epoch": epoch, "cpu ms a recording": 1000 * (time.process_time() - start) / len(samples)}
        )
        stage.reached(sim, rows=rows)
    if not stage.finished:
        stage.finish(sim, rows=rows)
    outputs, tested = sim.evaluate(samples.events())
    alive = {name: float(counts.mean()) for name, counts in outputs["counts"].items()}
    named = int((scores(sim, outputs, voters(sim)).argmax(axis=1) == np.asarray(samples.labels)).sum())
    made = summary(sim.plan, sim.chip, sim.state, experiment="gesture", evaluation=tested)
    sample = per_sample(made, s.epochs * len(samples), len(samples))
    rows = [{**row, **{f"learned: {k}": round(v) for k, v in sample["learned"].items()}} for row in rows]
    few = np.arange(min(3, len(samples)))
    context.out.recording(record(sim, samples.events(few), np.asarray(samples.labels)[few]))
    text = store(context.out.path, "gesture", rows)
    told = ", ".join(f"{name} {value:.2f}" for name, value in alive.items())
    return {
        "accuracy": {},
        "digest": sim.digest(),
        "counters": counters(sim.plan, sim.state),
        "per_sample": sample,
        "summary": made,
        "report": f"{text}\nspikes per neuron and recording: {told}\n"
        f"of the ten recordings it learned from it names {named} (no accuracy)\n\n{text_report(made)}",
    }
