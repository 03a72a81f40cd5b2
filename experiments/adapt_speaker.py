"""A chip meets a new speaker: trained on five, it adapts to the sixth with 1, 5 or 25 words a digit.

Papers: adaptation to a user is what on-chip learning is wanted for; Traces Propagation (Pes 2026) shows it on
keywords. Data: Free Spoken Digit Dataset in --data DIR (or DIR/fsdd).
Compared: accuracy on the new speaker before and after learning on chip from k recordings of each digit
(takes 25 and later; takes 0 to 24 are the test), with the float twin, and what it costs on the five others
(their validation recordings): forgetting.
Expected: from about 0.70 (no shot) to 0.80 (1), 0.90 (5) and 0.96 (25); the others lose one to five
points. Single speakers differ by 30 points before adaptation.
Seeds: --seed chooses validation, weights, draws and shots. Run time: about 10 min for six speakers with the
twin; `--set only=theo` for one.
Scaled down: one dense hidden layer, 2,500 recordings to train on.
"""

import numpy as np
from pydantic import Field

from chipsim.data.fsdd import load_fsdd
from chipsim.data.images import Parts
from chipsim.data.samples import Recorded
from chipsim.float_twin import twin_of
from chipsim.plot import by_value, save
from chipsim.stacks import Choice, StackSettings, calibrate, for_samples, voters
from chipsim.tables import spread, store
from chipsim.train import accuracy, evaluate, learn_epoch, set_rate, train

RULES = ("decolle", "ell_chip", "fell_trace", "dalton_chip", "s_tllr_chip", "eprop")
CHIPS = ("ideal",)
TEST_TAKES = 25  # of 50: the rest are shots


class Settings(StackSettings):
    """The defaults; see `chipsim.stacks.StackSettings` for what each means."""

    hidden: tuple[int | str, ...] = (256,)
    epochs: int = Field(12, ge=1)
    rate: int = Field(11, ge=-16, le=32)
    rate_steps: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2)
    update: str = "every:5"
    burn_in: int = 10
    activity: float | None = 8.0
    tau_v_ms: float = 5.0
    delays: tuple[int, ...] = (0, 8, 16, 24, 32, 40)
    steps: int = Field(60, ge=1)
    step_ms: float = Field(10.0, gt=0)
    shots: tuple[int, ...] = (1, 5, 25)
    passes: int = Field(5, ge=1, description="over the shots")
    adapt_rate: int = Field(1, description="added to the rate's shift of the last epoch")
    only: tuple[str, ...] = Field((), description="speakers; default: all, one by one")
    held_out: int = Field(250, ge=1)
    cache: str = Field("", description="folder that keeps the encoded recordings")
    twin: bool = True


def run(context):
    """Every speaker in turn."""
    s = context.settings
    found = load_fsdd(context.data, cache=s.cache or None)
    samples = Recorded("fsdd", found.events(s.steps, s.step_ms), found.labels, found.classes)
    rows, digests = [], []
    for speaker in s.only or found.speakers:
        context.progress.phase(speaker)
        base, nets = _trained(context, samples, found, speaker)
        for name, net in nets.items():
            for shots in (0, *s.shots):
                rows.append({"speaker": speaker, "network": name, "shots": shots,
                             **_adapted(context, net, samples, found, speaker, shots, base)})  # fmt: skip
                told = {k: f"{100 * v:.1f}" for k, v in rows[-1].items() if isinstance(v, float)}
                context.progress.line(f"{speaker:10} {name:7} {shots:3} shots  {told}")
        digests.append(nets["8 bits"].digest())
    table = [_mean(rows, name, shots) for name in dict.fromkeys(r["network"] for r in rows)
             for shots in (0, *s.shots)]  # fmt: skip
    context.out.note(data=dict(found.files))
    lines = {name: {r["shots"]: [x["new speaker"] for x in rows if x["network"] == name
                                 and x["shots"] == r["shots"]] for r in rows} for name in nets}  # fmt: skip
    save(by_value(lines, xlabel="recordings of each digit"), context.out.figure("adapt_speaker.png"))
    text = store(context.out.path, "adapt_speaker", table, rows)
    last = [r["new speaker"] for r in rows if r["network"] == "8 bits" and r["shots"] == s.shots[-1]]
    return {"accuracy": {"test": float(np.mean(last))}, "table": table, "digests": digests, "report": text}


def _trained(context, samples, found, speaker):
    """Networks trained on the other five; and their validation recordings."""
    s = context.settings
    split = found.leave_out(speaker, context.seed, s.held_out)
    parts = Parts(samples.take(split["train"]), samples.take(split["validation"]), None)
    sim = for_samples(s, Choice.of(context), samples)
    calibrate(sim, s, parts.train)
    nets = {"8 bits": sim} | ({"twin": twin_of(sim)} if s.twin else {})
    for name, net in nets.items():
        stage = context.checkpoints.stage(f"without {speaker}, {name}")
        told = {"votes": voters(net), "progress": context.progress, "label": name}
        train(net, parts, s.schedule, stage=stage, **told)
    return parts.validation, nets


def _adapted(context, net, samples, found, speaker, shots, others):
    """Accuracies after `passes` over `shots` recordings of each digit; the network is left as it was."""
    s = context.settings
    own = np.flatnonzero(found.speaker == found.number(speaker))
    take = found.index[own]
    before = net.snapshot()
    if shots:
        chosen = own[(take >= TEST_TAKES) & (take < TEST_TAKES + shots)]
        set_rate(net, s.schedule.shift(s.epochs) + s.adapt_rate, s.rate_offsets)
        for epoch in range(1, s.passes + 1):
            learn_epoch(net, samples.take(chosen), epoch, votes=voters(net))
    test = samples.take(own[take < TEST_TAKES])
    result = {
        name: accuracy(net, evaluate(net, part, context.threads or 1)[0], part.labels, voters(net))
        for name, part in (("new speaker", test), ("the five others", others))
    }
    net.restore(before)
    return result


def _mean(rows, network, shots):
    chosen = [r for r in rows if r["network"] == network and r["shots"] == shots]
    return {
        "network": network,
        "shots a digit": shots,
        **{key: spread([r[key] for r in chosen]) for key in ("new speaker", "the five others")},
    }
