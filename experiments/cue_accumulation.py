"""Count cues, wait a second, answer: a recurrent network trained on ReckOn's own learning engine.

Paper: A. S. Morcos, C. D. Harvey, Nat. Neurosci. 19:1672 (2016), the task; G. Bellec et al., Nat. Commun.
11:3625 (2020), its form for e-prop; C. Frenkel, G. Indiveri, ISSCC (2022), on the chip. Seven cues come
from the left or the right; more than a second later a recall signal asks which side had more. The target
is there during recall only, so the traces must bridge the delay. 40 inputs (left, right, recall, noise),
100 recurrent neurons, 2 outputs, every operation, random bit and cycle as in the chip's RTL.
Compared: the same chip with only its output weights learning.
Data: made here, new trials in every epoch. Registers: those of the test bench beside the chip's RTL.
Expected: test trials right over the last five epochs, chance 50 %: 82 to 95 % (seeds 1 and 2: 90 and 87 %;
single epochs 65 to 98 %: the rate stays and every step is a whole LSB); output weights only 60 to 80 %
(seed 1: 71 %). Seeds: `replicas` runs, from --seed on.
Run time: 20 s on one core, 30 s where the kernels are compiled first.
Scaled down: 500 trials in 10 epochs; the chip's authors show 10 epochs of 50 fixed trials. Initial
weights are our own draws.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from chipsim import noise
from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.data.words import draw_keys, words_one
from chipsim.experiment import Context
from chipsim.ledger import summary
from chipsim.network import Network
from chipsim.outcome import begin, outcome
from chipsim.plot import COLOURS, save
from chipsim.plot.style import axes_for, house
from chipsim.recording import record
from chipsim.report.text import text_report
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator

RULES = ("eprop_reckon",)
CHIPS = ("reckon",)

GROUP, HIDDEN, OUTPUTS = 10, 100, 2  # inputs of a group (left, right, recall, noise), neurons
TRIALS, SIDES, SPIKES, WEIGHTS = range(4)  # streams of random words
LSB, SHIFT = 128, 3  # weights of 1/128, shifted left by 3 where they are added
LEARNED, CONTROL = "all weights", "output weights only"
# The test bench's registers; alpha and kappa are the layers' time constants.
REGISTERS = {
    **{f"THR_H_{k}": 205 for k in range(4)},
    **{f"H_{k}": 0 for k in range(4)},
    **{"H_4": 1, "FP_LOC_TINP": 3, "FP_LOC_TREC": 4, "FP_LOC_TOUT": 6, "LEARN_SIG_SCALE": 5},
    **{"LR_P_WINP": 8, "LR_P_WREC": 8, "LR_P_WOUT": 14, "LR_R_WINP": 0, "LR_R_WREC": 0, "LR_R_WOUT": 0},
    **{"REGUL_MODE": 2, "REGUL_W": 3, "REGUL_F0": 160, "REGUL_K_INP_P": 10, "REGUL_K_REC_P": 10},
}
LAST = 5  # epochs whose mean is the result: the rate stays, so that single epochs scatter
THRESHOLD = 614  # in units of the membrane, 1 / (LSB << SHIFT)


class Settings(ExperimentSettings):
    """Every key of --set; times in steps of 1 ms."""

    trials: int = Field(50, ge=2, le=10_000, description="trials of an epoch")
    epochs: int = Field(10, ge=1, le=1000, description="passes, each over new trials")
    test: int = Field(50, ge=2, le=10_000, description="test trials")
    replicas: int = Field(1, ge=1, le=100, description="runs with seeds seed, seed+1, ...")
    control: bool = Field(True, description="also with output weights only")
    cues: int = Field(7, ge=1, le=99, description="cues of a trial, an odd number")
    cue_ms: int = Field(100, ge=1, le=1000, description="length of a cue")
    gap_ms: int = Field(50, ge=0, le=1000, description="silence after a cue")
    recall_at: int = Field(2100, ge=2, le=20_000, description="step at which recall begins")
    recall_ms: int = Field(150, ge=1, le=2000, description="length of recall")
    cue_hz: float = Field(40.0, ge=0, le=1000, description="rate of an active input")
    noise_hz: float = Field(10.0, ge=0, le=1000, description="rate of a noise input")
    registers: dict[str, int] = Field({}, description="registers.NAME=VALUE: other values of the chip's")


@dataclass(frozen=True)
class Trials:
    """Events of some trials, the side with more cues (int[n]), and the target in each step (int[n, T])."""

    events: Events
    sides: np.ndarray
    targets: np.ndarray


def run(context: Context) -> dict:
    """Train all replicas with and without recurrent learning; accuracy by epoch, a figure, the ledger."""
    settings = context.settings
    ways = {LEARNED: None, **({CONTROL: 0b100} if settings.control else {})}
    begin(context, build(context, context.seed, None), copies=2)
    curves: dict[str, list[list[float]]] = {label: [] for label in ways}
    sims: dict[str, Simulator] = {}
    for replica in range(settings.replicas):
        seed = context.seed + replica
        for label, matrices in ways.items():
            sim = build(context, seed, matrices)
            curves[label].append(train(context, sim, seed, f"seed {seed}, {label}"))
            context.out.metric(run=label, seed=seed, test=curves[label][-1])
            sims.setdefault(label, sim)
    save(figure(curves, settings), context.out.figure("accuracy.png"))
    last = {label: float(np.mean([c[-LAST:] for c in runs])) for label, runs in curves.items()}
    made = summary(sims[LEARNED].plan, load_chip(context.chip), sims[LEARNED].state)
    shown = trials(settings, context.seed, 0, settings.trials)
    context.out.recording(record(sims[LEARNED], shown.events, shown.targets))
    core = {label: sim.counters()["reckon"] for label, sim in sims.items()}
    return {
        **outcome(context, sims),
        "accuracy": {"test": last[LEARNED]},
        "controls": {label: {"test": value} for label, value in last.items() if label != LEARNED},
        "test_by_epoch": {label: np.mean(runs, axis=0) for label, runs in curves.items()},
        "test_by_run": curves,
        "cycles": {label: {k: v for k, v in x.items() if k.endswith("cycles")} for label, x in core.items()},
        "report": report(curves, made),
    }


def build(context: Context, seed: int, matrices: int | None) -> Simulator:
    """The network on the chip; matrices: DO_EPROP, which weights learn (None: all)."""
    net = Network(dt_ms=1.0)
    net.source("in", 4 * GROUP)
    net.lif("hidden", HIDDEN, tau_v_ms=1927.0, threshold=THRESHOLD / (LSB << SHIFT))
    net.integrator("out", OUTPUTS, tau_v_ms=17.78)
    rule = context.rule
    net.connect("in", "hidden", rule=rule, weights=weights(seed, 0, 4 * GROUP, HIDDEN, 1.0))
    own = weights(seed, 1, HIDDEN, HIDDEN, 1.0) * (1 - np.eye(HIDDEN))
    net.connect("hidden", "hidden", rule=rule, weights=own)
    net.connect("hidden", "out", rule=rule, weights=weights(seed, 2, HIDDEN, OUTPUTS, 0.5))
    net.error("out", error="hard_sigmoid", logit_scale=0.25)
    net.transport("hidden", through="hidden->out", register="third_factor")
    chosen = REGISTERS | context.settings.registers | ({} if matrices is None else {"DO_EPROP": matrices})
    return Simulator(net, load_chip(context.chip), seed=seed, strict=context.strict, fixed=chosen)


def weights(seed: int, place: int, fan_in: int, size: int, gain: float) -> np.ndarray:
    """Nearly normal weights (sums of 12 uniform numbers) of spread gain * threshold / sqrt(fan_in)."""
    drawn = unit(seed, WEIGHTS, place, 12 * fan_in * size).reshape(12, fan_in, size).sum(axis=0) - 6
    raw = drawn * gain * THRESHOLD / (1 << SHIFT) / np.sqrt(fan_in)
    return np.clip(np.rint(raw), -128, 127) / LSB


def train(context: Context, sim: Simulator, seed: int, name: str) -> list[float]:
    """Test accuracy before training and after every epoch."""
    settings = context.settings
    test = trials(settings, seed, settings.epochs, settings.test)
    curve = [
        score(sim.evaluate(test.events, predictions=True, threads=context.threads or 1)[0], test, settings)
    ]
    context.progress.phase(name)
    for epoch in range(settings.epochs):
        shown = trials(settings, seed, epoch, settings.trials)

        def tick(done: int, total: int, epoch: int = epoch) -> None:
            context.progress.tick(epoch * total + done, settings.epochs * total, test=curve[-1])

        sim.present(shown.events, shown.targets, on_block=tick)
        outputs = sim.evaluate(test.events, predictions=True, threads=context.threads or 1)[0]
        curve.append(score(outputs, test, settings))
    context.progress.line(f"{name}: test {100 * curve[0]:.0f} % before, {100 * curve[-1]:.0f} % after")
    return curve


def trials(settings: Settings, seed: int, epoch: int, n: int) -> Trials:
    """Trials of an epoch (or, by the number after the last one, of the test)."""
    length, half = settings.recall_at + settings.recall_ms, settings.cues / 2
    sides = (unit(seed, SIDES, epoch, n * settings.cues) < 0.5).reshape(n, settings.cues).astype(int)
    spikes = np.zeros((n, length, 4 * GROUP), np.uint8)
    for k in range(n):
        rate = np.zeros((length, 4), np.float32)
        for cue, side in enumerate(sides[k]):
            start = cue * (settings.cue_ms + settings.gap_ms)
            rate[start : min(start + settings.cue_ms, settings.recall_at), side] = settings.cue_hz
        rate[settings.recall_at :, 2] = settings.cue_hz
        rate[:, 3] = settings.noise_hz
        drawn = unit(seed, SPIKES, epoch * 100_000 + k, spikes[k].size).reshape(length, 4 * GROUP)
        spikes[k] = drawn < np.repeat(rate, GROUP, axis=1) / 1000
    more = (sides.sum(axis=1) > half).astype(int)
    targets = np.full((n, length), -1)
    targets[:, settings.recall_at :] = more[:, None]
    return Trials(Events.from_dense(spikes), more, targets)


def score(outputs: dict, shown: Trials, settings: Settings) -> float:
    """Share of trials in which the right output won most steps of recall (a tie: output 0)."""
    won = outputs["predictions"]["out"][:, settings.recall_at :]
    return float((((won == 1).mean(axis=1) > 0.5) == shown.sides).mean())


def unit(seed: int, stream: int, place: int, n: int) -> np.ndarray:
    """float64[n], uniform in 0..1, from chipsim's noise."""
    return words_one(draw_keys(seed, stream, noise.OP_ENCODER, place, TRIALS), np.arange(n)) / 2.0**32


@house
def figure(curves: dict[str, list[list[float]]], settings: Settings) -> object:
    """Test accuracy by epoch: single runs thin, their mean thick."""
    drawn, ax = axes_for(None)
    epochs = np.arange(settings.epochs + 1)
    for k, (label, runs) in enumerate(curves.items()):
        for single in runs:
            ax.plot(epochs, 100 * np.array(single), color=COLOURS[k], lw=0.8, alpha=0.5)
        mean = 100 * np.mean(runs, axis=0)
        ax.plot(epochs, mean, color=COLOURS[k], marker="os"[k], lw=2, label=label)
    ax.axhline(50, color="#333333", ls=":", lw=1, label="chance")
    title = f"{settings.cues} cues, recall at {settings.recall_at / 1000:g} s"
    ax.set(
        xlabel=f"epoch of {settings.trials} trials",
        ylabel="test trials right (%)",
        ylim=(0, 102),
        title=title,
    )
    ax.grid(axis="y")
    ax.legend(loc="best")
    return drawn


def report(curves: dict[str, list[list[float]]], made: dict) -> str:
    """Accuracy by epoch of each way, then the ledger of the first run."""
    lines = [
        f"test trials right by epoch, from before training (mean of {len(curves[LEARNED])} runs; chance 50 %)"
    ]
    for label, runs in curves.items():
        shares = " ".join(f"{100 * share:3.0f}" for share in np.mean(runs, axis=0))
        mean = 100 * np.mean([run[-LAST:] for run in runs])
        lines.append(f"{label:20} {shares} %; mean of the last {LAST}: {mean:.0f} %")
    return "\n".join(lines) + "\n\n" + text_report(made)
