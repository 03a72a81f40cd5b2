"""ECG: a class at every step, learned online from real heart beats.

Data: QT Database as level-crossing events (Yin, Corradi, Bohte, Nature Machine Intelligence 3, 2021), 618
training and 141 test sequences of 1,301 steps, 4 channels, 6 waves, in --data DIR (or DIR/ecg_qtdb).
Errors are formed in every `every` steps from a leaky readout; no sample end is waited for.
Compared: the 8-bit network with its float twin, with always naming the commonest class, and with a linear
readout of five traces per axon (3 to 300 steps); accuracy is the share of steps whose class is named right
at that very step.
Expected: 0.65 to 0.75 (commonest class 0.34, linear readout of traces 0.77; the recurrent adaptive
networks of the paper, trained by backpropagation through time, reach 0.86).
Seeds: --seed chooses weights and draws. Run time: about 3 min with the twin.
Scaled down: one feed-forward layer with delayed inputs, few passes.
"""

import numpy as np
from pydantic import Field

from chipsim.baseline import linear_readout
from chipsim.data.ecg import load_ecg
from chipsim.data.samples import Recorded
from chipsim.float_twin import twin_of
from chipsim.ledger import counters, per_sample, summary
from chipsim.recording import record
from chipsim.report.text import text_report
from chipsim.stacks import Choice, StackSettings, calibrate, for_samples, voters
from chipsim.tables import store
from chipsim.train import learn_epoch, set_rate

RULES = ("decolle", "ell_chip", "s_tllr", "eprop")
CHIPS = ("ideal",)


class Settings(StackSettings):
    """The defaults; see `chipsim.stacks.StackSettings` for what each means."""

    hidden: tuple[int | str, ...] = (128,)
    epochs: int = Field(4, ge=1)
    rate: int = Field(13, ge=-16, le=32)
    rate_steps: tuple[int, ...] = (0, 1, 2, 3)
    update: str = "every:5"
    burn_in: int = Field(20, ge=0)
    delays: tuple[int, ...] = (0, 8, 16, 32, 48)
    activity: float | None = Field(60.0, gt=0, description="spikes per neuron and sequence to start with")
    readout_tau_ms: float = Field(20.0, gt=0)
    limit: int = Field(0, ge=0, description="training sequences, 0: all")
    twin: bool = True


def run(context):
    """Learn step by step, then name every step of the test sequences."""
    s = context.settings
    found = load_ecg(context.data)
    parts = {name: Recorded("ecg", x.events, x.labels, x.classes) for name, x in found.hold_out().items()}
    if s.limit:
        parts["train"] = parts["train"].take(np.arange(min(s.limit, len(parts["train"]))))
    x = parts["train"]
    sim = for_samples(s, Choice.of(context), x)
    calibrate(sim, s, x)
    nets = {"test": sim} | ({"twin": twin_of(sim)} if s.twin else {})
    accuracy, rows = {}, []
    for name, net in nets.items():
        stage = context.checkpoints.stage(name)
        stage.restore(net)
        rows += stage.cursor.get("rows", ())
        for epoch in range(len(stage.cursor.get("rows", ())) + 1, s.epochs + 1):
            set_rate(net, s.schedule.shift(epoch), s.rate_offsets)
            learn_epoch(net, x, epoch, votes=voters(net), stage=stage)
            valid = stepwise(net, parts["validation"])
            rows.append(
                {"network": "8 bits" if name == "test" else name, "epoch": epoch, "validation": valid}
            )
            stage.reached(net, rows=rows[-epoch:])
            context.progress.line(f"{name:5} epoch {epoch}  validation {100 * valid:.2f} %")
        if not stage.finished:
            stage.finish(net, rows=rows[-s.epochs :])
        accuracy[name] = stepwise(net, parts["test"])
    accuracy["validation"] = next(r["validation"] for r in reversed(rows) if r["network"] == "8 bits")
    commonest = np.bincount(x.labels[x.labels >= 0]).argmax()
    labels = parts["test"].labels
    control = float((labels[labels >= 0] == commonest).mean())
    tested = sim.evaluate(parts["test"].events())[1]
    made = summary(sim.plan, sim.chip, sim.state, accuracy=accuracy, experiment="ecg", evaluation=tested)
    few = np.arange(min(3, len(x)))
    context.out.recording(record(sim, x.events(few), x.labels[few]))
    text = store(context.out.path, "ecg", rows)
    return {
        "accuracy": accuracy,
        "controls": {"commonest class": {"test": control}, "linear readout of traces": _linear(parts)},
        "digest": sim.digest(),
        "counters": counters(sim.plan, sim.state),
        "per_sample": per_sample(made, s.epochs * len(x), len(parts["test"])),
        "summary": made,
        "report": f"{text}\n{text_report(made)}",
    }


def _linear(parts):
    """A linear readout of exponential traces of the input, on every 16th step."""
    x, y = {}, {}
    for name, part in parts.items():
        dense = part.events().to_dense().astype(np.float64)
        found = []
        for tau in (3, 10, 30, 100, 300):
            trace, kept = np.zeros((len(dense), dense.shape[2])), []
            for t in range(dense.shape[1]):
                trace = trace * np.exp(-1 / tau) + dense[:, t]
                kept.append(trace)
            found.append(np.stack(kept, axis=1)[:, ::16])
        labels = part.labels[:, ::16]
        known = labels >= 0
        x[name], y[name] = np.concatenate(found, axis=2)[known], labels[known]
    fitted = linear_readout(x["train"], y["train"], x["validation"], y["validation"], x["test"], y["test"])
    return {"test": fitted["test"]}


def stepwise(sim, samples):
    """Share of labelled steps whose class the readout names at that step."""
    outputs = sim.evaluate(samples.events(), predictions=True)[0]
    named = outputs["predictions"][voters(sim)[-1]]
    known = samples.labels >= 0
    return float((named == samples.labels)[known].mean())
