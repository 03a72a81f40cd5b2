"""Distal reward: a cue comes to drive the rewarded response although the reward arrives 0.5-1.5 s later.

Paper: E. M. Izhikevich, Cereb. Cortex 17:2443 (2007), the instrumental task (Fig. 6): after a cue two
groups of neurons answer, A and B; where A fires more, a reward follows much later. The tags of the
synapses remember who fired, the reward turns tags into weights. The reward enters as its difference
to a running mean (N. Fremaux, W. Gerstner, Front. Neural Circuits 9:85 (2016)).
Between cue and reward the network does not stand still: two distractor groups fire at random times, and
each response neuron has a source of noise of its own, which also decides at first who answers.
Compared: the same network with shuffled rewards (the very rewards of the learning run, in another
order), so that only the coincidence of answer and reward is gone.
Expected: share of trials in which A wins, in the last block: 90 to 100 %; shuffled around 50 % (single
runs 10 to 90 %: with a reward without meaning the weights drift). Seeds: `replicas` runs, from --seed on.
Run time: 15 s on 2 cores, 25 s where everything is compiled first.
Scaled down: 60 axons and 40 neurons for 1000 neurons; 200 trials of 2 s; the amplitudes are four times
those of the rule, so that a tag of 9 bits holds what is left of it after 1.5 s.
"""

from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from chipsim import noise
from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.data.words import draw_keys, words_one
from chipsim.experiment import Context
from chipsim.fixed import Format
from chipsim.ledger import Shape, summary
from chipsim.network import Network
from chipsim.outcome import add_counters, begin, outcome, sample_costs
from chipsim.plot import COLOURS, save
from chipsim.plot.style import axes_for, house
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator

RULES = ("r_stdp",)
CHIPS = ("ideal",)

GROUPS, GROUP, RESPONSE = 3, 20, 40  # cue and two distractors; axons of a group; neurons of A and B
CUE_MS, JITTER_MS, WINDOW_MS = 50, 5, 30  # onset in the trial, spread of a group's spikes, answer counted
PLASTIC = "cue->response"
CUE_NOISE, BACKGROUND, ORDER, DELAY, DISTRACTOR, JITTER, TIE = range(7)  # streams of random words


class Settings(ExperimentSettings):
    """Every key of --set; times in steps of 1 ms."""

    trials: int = Field(200, ge=20, le=100_000, description="cues shown")
    blocks: int = Field(8, ge=2, le=100, description="blocks of the success curve")
    replicas: int = Field(5, ge=1, le=100, description="runs with seeds seed, seed+1, ...")
    trial_ms: int = Field(2000, ge=200, le=20_000, description="length of a trial")
    reward_ms: tuple[int, int] = Field((500, 1500), description="earliest and latest reward after the cue")
    rate: int = Field(3, ge=0, le=16, description="rate shift of the weight")
    bits: int = Field(8, alias="weight.bits", ge=2, le=16, description="weight width")
    refractory: int = Field(5, ge=0, le=50, description="of the response neurons")
    noise_hz: float = Field(10.0, ge=0, le=500, description="noise spikes per response neuron")
    cue_noise: float = Field(0.4, ge=0, le=1, description="share of response neurons hit by noise at a cue")
    params: dict[str, float] = Field({"a_plus": 0.4, "a_minus": 0.48}, description="constants of the rule")
    formats: dict[str, str] = Field({}, description="t.format=s8.6: other formats of its registers")


@dataclass
class Outcome:
    """One run: did A win (bool[trials]), the rewards given (float[trials]), the simulator."""

    sim: Simulator
    success: list[bool] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)


def run(context: Context) -> dict:
    """Learning and shuffled runs of all replicas; success by block, a figure, the counters."""
    settings = context.settings
    begin(context, build(context, context.seed), copies=2)
    curves: dict[str, list[list[float]]] = {"reward follows A": [], "shuffled reward": []}
    sims: dict[str, Simulator] = {}
    for replica in range(settings.replicas):
        seed = context.seed + replica
        learned = play(context, seed, None)
        order = np.argsort(words(seed, ORDER, 0, settings.trials), kind="stable")
        shuffled = play(context, seed, [learned.rewards[k] for k in order])
        for label, found in zip(curves, (learned, shuffled), strict=True):
            curves[label].append(by_block(found.success, settings.blocks))
            context.out.metric(run=label, seed=seed, blocks=curves[label][-1])
            if label in sims:
                add_counters(found.sim, sims[label])
            sims[label] = found.sim
    save(figure(curves, settings), context.out.figure("success.png"))
    preference = {label: cue_preference(sim) for label, sim in sims.items()}
    last = {label: float(np.mean([c[-1] for c in runs])) for label, runs in curves.items()}
    told = costs(context, sims["reward follows A"], settings.replicas * settings.trials)
    return {
        **outcome(context, sims),
        **told,
        "success_last_block": last,
        "success_by_block": {label: np.mean(runs, axis=0) for label, runs in curves.items()},
        "success_by_run": curves,
        "cue_weight_A_minus_B": preference,
        "report": report(curves, preference, settings),
    }


def costs(context: Context, sim: Simulator, trials: int) -> dict:
    """What a trial of the learning runs took; a trial is the sample here, none is without learning."""
    shape = Shape(trials, 0, context.settings.trial_ms)
    return sample_costs(summary(sim.plan, sim.chip, sim.state, shape=shape), trials, 0)


def play(context: Context, seed: int, given: list[float] | None) -> Outcome:
    """All trials of one run; rewards follow the answers, or are `given` whatever the answer."""
    settings = context.settings
    found, baseline = Outcome(build(context, seed)), 0.5
    name = f"seed {seed}, " + ("reward follows A" if given is None else "shuffled reward")
    context.progress.phase(name)
    for trial in range(settings.trials):
        events, cut = trial_events(settings, seed, trial)
        before = spikes(found.sim)
        part(found.sim, events, 0, cut[0])
        a, b = (spikes(found.sim) - before).reshape(2, -1).sum(axis=1)
        success = bool(a > b or (a == b and words(seed, TIE, trial, 1)[0] >> 31))  # a tie: by lot
        reward = float(success) - baseline if given is None else given[trial]
        baseline += (success - baseline) / 16
        part(found.sim, events, cut[0], cut[1])
        part(found.sim, events, cut[1], cut[1] + 1, reward)
        part(found.sim, events, cut[1] + 1, settings.trial_ms)
        found.success.append(success)
        found.rewards.append(reward)
        context.progress.tick(trial + 1, settings.trials, success=float(np.mean(found.success[-25:])))
    return found


def build(context: Context, seed: int) -> Simulator:
    """Cue and distractor axons on all response neurons, noise on one each."""
    settings = context.settings
    axons = GROUPS * GROUP
    formats = {name: Format.parse(text) for name, text in settings.formats.items()}
    draws = words(seed, JITTER, 0, axons * RESPONSE).reshape(axons, RESPONSE) / 2**32
    net = Network(dt_ms=1.0)
    net.source("cue", axons)
    net.source("noise", RESPONSE)
    net.lif("response", RESPONSE, tau_v_ms=10, threshold=1.0, reset="hard", refractory=settings.refractory)
    net.connect(
        "cue",
        "response",
        rule=context.rule,
        weights=0.04 + 0.02 * draws,
        w_min=0.0,
        w_max=0.12,
        w_range=0.125,
        settings={"params": {**settings.params, "rate": settings.rate}, "formats": formats},
    )
    own = (np.arange(RESPONSE + 1), np.arange(RESPONSE))
    net.connect("noise", "response", sparse=own, weights=np.full(RESPONSE, 0.6))
    net.reward("response")
    return Simulator(
        net,
        load_chip(context.chip),
        seed=seed,
        weight_bits=settings.bits,
        noise=context.noise,
        engine=context.engine,
        fit=context.fit,
        strict=context.strict,
    )


def trial_events(settings: Settings, seed: int, trial: int) -> tuple[dict[str, np.ndarray], tuple[int, int]]:
    """uint8[steps, axons] of both sources; the steps at which the answer is complete and the reward comes."""
    length = settings.trial_ms
    cue = np.zeros((length, GROUPS * GROUP), np.uint8)
    onsets = [CUE_MS] + [int(w * (length - 150)) + 100 for w in unit(seed, DISTRACTOR, trial, GROUPS - 1)]
    jitter = (unit(seed, JITTER, trial + 1, GROUPS * GROUP) * JITTER_MS).astype(int)
    for group, onset in enumerate(onsets):
        axons = np.arange(group * GROUP, (group + 1) * GROUP)
        cue[onset + jitter[axons], axons] = 1
    background = unit(seed, BACKGROUND, trial, length * RESPONSE).reshape(length, RESPONSE)
    noisy = (background < settings.noise_hz / 1000).astype(np.uint8)
    hit = unit(seed, CUE_NOISE, trial, RESPONSE) < settings.cue_noise
    noisy[CUE_MS + JITTER_MS // 2, hit] = 1
    first, latest = settings.reward_ms
    reward = CUE_MS + first + int(unit(seed, DELAY, trial, 1)[0] * max(1, latest - first))
    answered = CUE_MS + WINDOW_MS
    return {"cue": cue, "noise": noisy}, (answered, min(max(reward, answered), length - 2))


def part(
    sim: Simulator, events: dict[str, np.ndarray], lo: int, hi: int, reward: float | None = None
) -> None:
    """Run on over steps lo..hi-1 of a trial; a reward in each of them, if one is given."""
    if hi > lo:
        chosen = {name: Events.from_dense(dense[None, lo:hi]) for name, dense in events.items()}
        sim.run(chosen, rewards=None if reward is None else np.full(hi - lo, reward))


def spikes(sim: Simulator) -> np.ndarray:
    """int64[neurons]: spikes of the response layer so far."""
    return sim.state[f"l{sim.plan.layer('response').index}_count"][0].astype(np.int64)


def words(seed: int, stream: int, trial: int, n: int) -> np.ndarray:
    """uint32[n] words of chipsim's noise; one stream per purpose."""
    return words_one(draw_keys(seed, stream, noise.OP_ENCODER, trial, 0), np.arange(n))


def unit(seed: int, stream: int, trial: int, n: int) -> np.ndarray:
    """float64[n], uniform in 0..1."""
    return words(seed, stream, trial, n) / 2.0**32


def by_block(success: list[bool], blocks: int) -> list[float]:
    """Success share of each block of trials."""
    return [float(np.mean(block)) for block in np.array_split(np.array(success, float), blocks)]


def cue_preference(sim: Simulator) -> float:
    """Mean weight of the cue's axons onto A minus onto B."""
    weights = sim.weights(PLASTIC)[:GROUP]
    return float(weights[:, : RESPONSE // 2].mean() - weights[:, RESPONSE // 2 :].mean())


@house
def figure(curves: dict[str, list[list[float]]], settings: Settings) -> object:
    """Success by block: single runs thin, their mean thick."""
    drawn, ax = axes_for(None)
    trial = (np.arange(settings.blocks) + 0.5) * settings.trials / settings.blocks
    for k, (label, runs) in enumerate(curves.items()):
        for single in runs:
            ax.plot(trial, 100 * np.array(single), color=COLOURS[k], lw=0.8, alpha=0.5)
        mean = 100 * np.mean(runs, axis=0)
        ax.plot(trial, mean, color=COLOURS[k], marker="os"[k], lw=2, label=f"{label}, mean of {len(runs)}")
    ax.axhline(50, color="#333333", ls=":", lw=1, label="chance")
    first, latest = (ms / 1000 for ms in settings.reward_ms)
    title = f"Reward {first:g} to {latest:g} s after the cue"
    ax.set(xlabel="trial", ylabel="A wins (% of trials)", ylim=(0, 102), title=title)
    ax.grid(axis="y")
    ax.legend(loc="best")
    return drawn


def report(curves: dict[str, list[list[float]]], preference: dict[str, float], settings: Settings) -> str:
    """Success by block of every condition, mean over runs."""
    size = settings.trials / settings.blocks
    lines = [f"A wins, share of trials in blocks of {size:g} (mean of {settings.replicas} runs; chance 50 %)"]
    for label, runs in curves.items():
        shares = "  ".join(f"{100 * share:4.0f}" for share in np.mean(runs, axis=0))
        single = ", ".join(f"{100 * run[-1]:.0f}" for run in runs)
        lines.append(f"{label:18} {shares} %   last block of single runs: {single} %")
    for label, difference in preference.items():
        lines.append(f"cue weight onto A minus onto B, {label}: {difference:+.4f} (last run)")
    return "\n".join(lines)
