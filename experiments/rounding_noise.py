"""What the chip's random numbers do to learning: weights of 4 to 8 bits under lane, element, shared noise.

Papers: S. Gupta et al., "Deep learning with limited numerical precision", ICML 2015 (stochastic rounding
keeps what rounding to nearest loses); the network is DECOLLE's (Kaiser, Mostafa, Neftci 2020).
Compared: one hidden layer on scikit-learn's digits, the same seeds, update sizes and order, with
    lane     one word per axon and one per neuron, xor (the default: cheap)
    element  one word per synapse (what hardware with a generator per synapse would do)
    shared   one word for all synapses of a line and step (Lava's simulator)
    nearest  no noise: the weight rounds to nearest (setting `nearest`)
and the float twin at 8 bits. Every network meets the test part once, at its end.
Then directly: all synapses of a rectangle get the same half or eighth of an LSB; the sum over the rectangle.
Lane words of different synapses are pairwise independent, so that its variance equals that of element; but
the four corners of any rectangle xor to 0, which shows in the fourth moment only (excess kurtosis 5.3 for
halves on 16 x 16 synapses, 0 for independent words). Shared: the variance is as many times larger as there
are synapses.
Expected (5 seeds): lane as element within the spread of the seeds at every width (about 91, 96, 96, 96.5 %
at 4, 5, 6, 8 bits; 3 to 4 points of deviation at 4 bits), the twin 96 %; shared as good at 6 and 8 bits, 2
points below at 5, 5 below at 4: one word moves all weights at once. Rounding to nearest is as good as any
noise here: with one update per sample and a weight range that holds just what is drawn, an update is not
small against an LSB. (With a range four times as wide it is: nearest then fell to chance at 4 bits.)
Seeds: `seeds` of them, from --seed on. Run time: 35 s on 2 cores, 90 s where everything is compiled first.
Rate and epochs were chosen on validation, seeds 1 to 3; the test part decides nothing.
Scaled down: one hidden layer of 64 neurons, 12 epochs (the experiment digits: 256-128).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from chipsim.chip import load_chip
from chipsim.data.builtin import digits
from chipsim.data.encode import Encoder
from chipsim.data.images import Images, Parts
from chipsim.data.samples import Encoded
from chipsim.data.split import split_three
from chipsim.errors import SettingError
from chipsim.experiment import Context
from chipsim.float_twin import twin_of
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.noise import NOISES
from chipsim.outcome import add_counters, begin, outcome
from chipsim.plot import rounding_noise, save
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, StackSettings, calibrate, for_samples, score, simulator
from chipsim.train import Schedule, learn_epoch, set_rate

RULES = ("decolle",)
CHIPS = ("ideal",)

NEAREST = "nearest"
NETWORK = {
    "update": "end",
    "tau_v_ms": 10.0,
    "tau_u_ms": 2.0,
    "activity": 2.0,
    "spread": 3.0,
}  # of all trainings
SIDE = 16  # of the rectangle
SHARES = (0.5, 0.125)  # of an LSB
NUDGE = """# The same small step for every synapse of an active axon.
rule nudge
param up : u16.24 = 0
syn  w : weight  round=stochastic
temp d per pre : u16.24
on_pre:
    d = up
    w += d
"""


class Settings(ExperimentSettings):
    """Every key of --set."""

    bits: tuple[int, ...] = Field((4, 5, 6, 8), min_length=1, description="weight widths")
    noises: tuple[str, ...] = Field(("lane", "element", "shared"), min_length=1, description="kinds of noise")
    nearest: bool = Field(True, description="also with weights rounded to nearest")
    seeds: int = Field(5, ge=1, le=100, description="runs of each, with seeds seed, seed+1, ...")
    hidden: tuple[int, ...] = Field((64,), min_length=1, description="hidden layers")
    epochs: int = Field(12, ge=1, le=1000, description="passes over the training part")
    rate: int = Field(6, ge=0, le=16, description="rate shift; one more in the last third")
    draws: int = Field(2000, ge=100, le=1_000_000, description="steps of the direct measurement")
    limit: int | None = Field(None, ge=100, description="use that many images only")


def run(context: Context) -> dict:
    """The table of trainings, the direct measurement, the figure."""
    settings = context.settings
    for kind in settings.noises:
        if kind not in NOISES:
            raise SettingError(f"noise '{kind}'", remedy=f"one of {', '.join(NOISES)}")
    if context.noise is not None:
        raise SettingError(
            "--noise: this experiment compares them", remedy=f"leave it out; --set noises={context.noise}"
        )
    images = digits() if settings.limit is None else digits().take(np.arange(settings.limit))
    context.out.note(data={images.name: images.sha256})
    widest = own_settings(settings, max(settings.bits))
    sim = simulator(widest, Choice.of(context), images.n_pixels, images.classes)
    begin(context, sim, copies=4 * len(settings.bits))
    results, twins, sims = trainings(context, images)
    direct = {kind: rectangle(context, kind) for kind in settings.noises}
    save(rounding_noise(results, twin=float(np.mean(twins))), context.out.figure("rounding_noise.png"))
    first = settings.noises[0]
    return {
        **outcome(context, sims),
        "accuracy": {
            "test": float(np.mean(results[first][max(settings.bits)])),
            "twin": float(np.mean(twins)),
        },
        "test_by_kind_and_bits": results,
        "twin_by_seed": twins,
        "rectangle": direct,
        "report": report(results, twins, direct, settings),
    }


def trainings(
    context: Context, images: Images
) -> tuple[dict[str, dict[int, list[float]]], list[float], dict[str, Simulator]]:
    """Test accuracies by kind and width, those of the twin, and a simulator with all counters of each."""
    settings = context.settings
    results: dict[str, dict[int, list[float]]] = {}
    sims: dict[str, Simulator] = {}
    twins: list[float] = []
    for k in range(settings.seeds):
        parts = encoded(split_three(images, context.seed + k), context.seed + k)
        for label, kind, rule in kinds(context):
            for bits in settings.bits:
                name = f"{label}, {bits} bits"
                context.progress.phase(f"seed {context.seed + k}: {name}")
                sim = trained(context, parts, context.seed + k, kind, rule, bits)
                results.setdefault(label, {}).setdefault(bits, []).append(tested(sim, parts))
                context.out.metric(
                    kind=label, bits=bits, seed=context.seed + k, test=results[label][bits][-1]
                )
                if name in sims:
                    add_counters(sim, sims[name])
                sims[name] = sim
        context.progress.phase(f"seed {context.seed + k}: float twin")
        twin = trained(context, parts, context.seed + k, "lane", context.rule, max(settings.bits), twin=True)
        twins.append(tested(twin, parts))
    return results, twins, sims


def kinds(context: Context) -> Iterator[tuple[str, str, str]]:
    """(label, noise, rule) of every column; the rule of `nearest` is written into the run folder."""
    for kind in context.settings.noises:
        yield kind, kind, context.rule
    if context.settings.nearest:
        yield NEAREST, "lane", str(rounded_to_nearest(context))


def rounded_to_nearest(context: Context) -> Path:
    """A copy of the rule whose weight rounds to nearest."""
    program = load_rule(context.rule)
    lines = [
        line.replace("round=stochastic", "round=nearest")
        if line.split()[:1] == ["syn"] and "weight" in line
        else line
        for line in program.source.splitlines()
    ]
    path = context.out.path / f"{program.name}_nearest.rule"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def encoded(parts: Parts, seed: int) -> Parts:
    """20 steps of regular spikes."""
    encoder = Encoder(steps=20, seed=seed)
    return Parts(*(Encoded(part, encoder) for part in (parts.train, parts.validation, parts.test)))


def own_settings(settings: Settings, bits: int) -> StackSettings:
    """The settings of the network that every training shares."""
    return StackSettings.model_validate({"hidden": settings.hidden, "weight.bits": bits, **NETWORK})


def trained(
    context: Context, parts: Parts, seed: int, kind: str, rule: str, bits: int, *, twin: bool = False
) -> Simulator:
    """One network, calibrated on training samples and trained for all epochs."""
    settings = context.settings
    own = own_settings(settings, bits)
    choice = replace(Choice.of(context), seed=seed, noise=kind, rule=rule)
    sim = for_samples(own, choice, parts.train)
    calibrate(sim, own, parts.train)
    sim = twin_of(sim) if twin else sim
    slow = settings.epochs - settings.epochs // 3
    schedule = Schedule(settings.epochs, settings.rate, (0,) * slow + (1,))
    stage = context.checkpoints.stage(f"{rule} {kind} {bits} seed {seed}{' twin' * twin}")
    stage.restore(sim)
    for epoch in range(stage.cursor.get("done", 0) + 1, settings.epochs + 1):
        set_rate(sim, schedule.shift(epoch))
        share = learn_epoch(sim, parts.train, epoch, stage=stage)
        stage.reached(sim, done=epoch)
        context.progress.tick(epoch, settings.epochs, accuracy=share)
    if not stage.finished:
        stage.finish(sim, done=settings.epochs)
    return sim


def tested(sim: Simulator, parts: Parts) -> float:
    """Accuracy on the test part: the only use of it."""
    return score(sim, parts, names=("test",))["test"]


def rectangle(context: Context, kind: str) -> list[dict]:
    """Sum over a rectangle of synapses of one step's rounded updates: its variance and kurtosis.

    variance_ratio is the variance by that of independent words; kurtosis is the excess over a normal's.
    """
    net = Network(dt_ms=1.0)
    net.source("axons", SIDE)
    net.lif("neurons", SIDE, threshold=1.0)
    net.connect("axons", "neurons", rule="nudge", weights=np.full((SIDE, SIDE), -1.0))
    rules = {"nudge": parse_rule(NUDGE, "nudge.rule")}
    chip = load_chip(context.chip)
    bits = max(chip.weight.bits if max(chip.weight.bits) <= 16 else (16,))
    sim = Simulator(net, chip, rules, seed=context.seed, weight_bits=bits, noise=kind)
    spikes, steps = np.ones((1, SIDE), np.uint8), context.settings.draws
    rows = []
    context.progress.phase(f"rectangle, {kind}")
    for share in SHARES:
        sim.set_param("axons->neurons", "up", int(share * 2 ** (24 - (bits - 1))))
        sums = np.zeros(steps)
        for step in range(steps):
            before = sim.read("axons->neurons.w", raw=True).astype(np.int64)
            sim.run(spikes)
            sums[step] = (sim.read("axons->neurons.w", raw=True) - before).sum()
            if step % 100 == 99:
                context.progress.tick(step + 1, steps)
        away = sums - share * SIDE * SIDE
        variance = float((away**2).mean())
        rows.append(
            {
                "share_of_lsb": share,
                "mean_lsb": float(away.mean()),
                "variance_ratio": variance / (SIDE * SIDE * share * (1 - share)),
                "excess_kurtosis": float((away**4).mean()) / variance**2 - 3,
            }
        )
    return rows


def report(results: dict, twins: list[float], direct: dict, settings: Settings) -> str:
    """Accuracies by kind and width, then the rectangle."""
    lines = [f"Test accuracy in %, mean of {settings.seeds} seeds (standard deviation)"]
    lines.append(f"{'':10}" + "".join(f"{f'{bits} bits':>16}" for bits in settings.bits))
    for label, by_bits in results.items():
        cells = (100 * np.array(by_bits[bits]) for bits in settings.bits)
        lines.append(f"{label:10}" + "".join(f"{x.mean():9.2f} ({x.std():4.2f})" for x in cells))
    lines.append(f"{'twin':10}{100 * np.mean(twins):9.2f} (float64, {max(settings.bits)}-bit start)")
    lines.append("")
    lines.append(f"Sum over {SIDE} x {SIDE} synapses of one step of the same update, {settings.draws} steps")
    lines.append(
        f"{'':10}{'update':>10}{'mean error':>12}{'variance / independent':>26}{'excess kurtosis':>18}"
    )
    for kind, rows in direct.items():
        for r in rows:
            lines.append(
                f"{kind:10}{r['share_of_lsb']:6.3f} LSB{r['mean_lsb']:8.3f} LSB{r['variance_ratio']:26.3f}"
                f"{r['excess_kurtosis']:18.2f}"
            )
    return "\n".join(lines)
