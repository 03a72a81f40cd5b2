"""One pass, sample by sample: each is predicted before it is learned from; then classes task by task.

Papers: J. Gama, R. Sebastiao, P. P. Rodrigues, "On evaluating stream learning algorithms", Mach. Learn.
90:317 (2013) (prequential accuracy: test, then train); G. M. van de Ven, T. Tuytelaars, A. S. Tolias,
"Three types of incremental learning", Nat. Mach. Intell. 4:1185 (2022) (class-incremental: one set of
outputs, tasks not told apart); A. Chaudhry et al., ECCV 2018 (forgetting: best accuracy on a task before the
last one, minus that after the last).
Compared: the integer network, its float twin on the same events in the same order, and a linear softmax
readout of the input's spike counts, once learning from the same single pass (its rate chosen on a stream of
the validation part) and once fitted to the whole training part at leisure (the mark of "no stream at all").
    stream       all classes mixed, each training sample once: accuracy over the whole pass and in its last
                 window, and on the test part afterwards
    incremental  `task` classes at a time, each training sample once: after each task, accuracy on the test
                 samples of all classes seen so far and of the first task's, the answer being free among all
                 classes; forgetting averaged over all tasks but the last; at the end also told which task a
                 sample is of (the answer then is one of its classes): what the outputs alone have lost
No sample is kept and nothing protects old weights: this is what the plain rule does. Thresholds and logit
shifts are calibrated on the stream's first 128 samples (in tasks: of the first task).
Expected (decolle, digits, 3 seeds): 83 to 85 % over the pass, 91 to 94 in the last window, 93 on the test
part, the twin and the one-pass linear readout within 2 points, 96 at leisure. Tasks: complete forgetting,
19 to 20 % at the end (the last two classes), 0 on the first task; told the task, still 92 to 98 %: the
outputs forget, the hidden layers hardly. Other rules, over the pass and afterwards: ell_chip 87 and 95,
dalton_chip 84 and 94, s_tllr_chip 82 and 94, eprop_reckon 77 and 89, tp_chip 69 and 90; all forget as much.
MNIST (`--set form=mnist --data DIR`, 5 min and more): 93 over the pass, 96 afterwards, the twin as much,
forgetting as complete; the one-pass linear readout 89 and 91 (on validation).
Seeds: `seeds` of them, from --seed on; each has its own split, weights, order and draws. The rate was chosen
on validation (`--set part=validation`). Run time: 20 s, 60 s where everything is compiled first.
Scaled down: 1,078 digits of 8x8 pixels instead of MNIST's 55,000, unless form=mnist; dense layers.
"""

from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from chipsim.baseline import linear_readout
from chipsim.data.images import Parts
from chipsim.data.samples import Encoded
from chipsim.data.split import epoch_order
from chipsim.errors import SettingError
from chipsim.experiment import Context
from chipsim.feed import feed
from chipsim.float_twin import twin_of
from chipsim.outcome import begin, outcome
from chipsim.plot import save
from chipsim.plot.stream import stream as draw
from chipsim.simulator import Simulator
from chipsim.stacks import CALIBRATION, calibrate, voters
from chipsim.studies import StudySettings, blank, choices, seed_parts
from chipsim.tables import spread, store
from chipsim.train import evaluate, scores, set_rate

RULES = ("decolle", "ell_chip", "dalton_chip", "s_tllr_chip", "tp_chip", "eprop_reckon")
CHIPS = ("ideal", "loihi2")

CHUNK = 500  # samples encoded at a time
LINEAR_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
LATE = ("on_third_factor", "on_sample_end", "on_replay")
NETWORKS = ("integer", "float twin")
ONE_PASS, AT_LEISURE = "linear, one pass", "linear, at leisure"


class Settings(StudySettings):
    """Every key of --set, beside those of a study (rate: of the whole pass)."""

    window: int = Field(100, ge=1, description="samples of a window of prequential accuracy")
    task: int = Field(2, ge=1, description="classes that arrive together")
    part: str = Field("test", pattern="^(test|validation)$", description="what scores are read on")
    epochs: int = Field(1, ge=1, le=1, description="a stream passes once")
    rate: int = Field(6, ge=-16, le=32)


@dataclass
class Passed:
    """What the passes of one kind of network left, one entry per seed."""

    right: list = field(default_factory=list)  # bool[n] in order of the stream
    after: list = field(default_factory=list)  # accuracy on the scored part after the mixed stream
    seen: list = field(default_factory=list)  # [task]: on all classes seen so far
    by_task: list = field(default_factory=list)  # [task][earlier task]
    told: list = field(default_factory=list)  # after the last task, the answer among a task's own classes


def run(context: Context) -> dict:
    """All seeds of both streams, the linear readouts, tables and figure."""
    s = context.settings
    found: dict[str, Passed] = {}
    sims: dict[str, Simulator] = {}
    for choice in choices(context):
        parts = seed_parts(context, choice.seed)
        tasks = _tasks(parts.train.classes, s.task)
        if not sims:
            begin(context, blank(s, choice, parts), copies=4)
        _networks(context, choice, parts, tasks, found, sims)
        _linear(found.setdefault(ONE_PASS, Passed()), s, parts, tasks, choice.seed)
        found.setdefault(AT_LEISURE, Passed()).after.append(_fitted(s, parts))
    return _told(context, found, sims, tasks)


def _tasks(classes: int, size: int) -> list[np.ndarray]:
    if classes <= size:
        raise SettingError(f"task={size}: the set has {classes} classes", remedy="choose a smaller task")
    return [np.arange(lo, min(lo + size, classes)) for lo in range(0, classes, size)]


def _networks(context, choice, parts, tasks, found, sims) -> None:
    """The integer network and its twin through the mixed stream, then through the tasks."""
    s = context.settings
    labels, scored = np.asarray(parts.train.labels), _scored_part(s, parts)
    order = epoch_order(len(labels), choice.seed, 1)
    blocks = [order[np.isin(labels[order], task)] for task in tasks]
    for stream, pieces in (("stream", [order]), ("incremental", blocks)):
        start = blank(s, choice, parts)
        calibrate(start, s, Encoded(parts.train.images.take(pieces[0][:CALIBRATION]), parts.train.encoder))
        set_rate(start, s.rate, s.rate_offsets)
        pair = [start, twin_of(start)] if s.twin else [start]
        for name, sim in zip(NETWORKS, pair, strict=False):
            passed = found.setdefault(name, Passed())
            context.progress.phase(f"seed {choice.seed}: {stream}, {name}")
            if stream == "stream":
                passed.right.append(_one_pass(context, sim, parts, order))
                passed.after.append(float((_votes(sim, scored).argmax(axis=1) == scored.labels).mean()))
                row = {"prequential": float(passed.right[-1].mean()), "after": passed.after[-1]}
            else:
                _task_by_task(context, sim, parts, blocks, tasks, scored, passed)
                row = {"seen": passed.seen[-1], "forgetting": forgetting(passed.by_task[-1])}
            context.out.metric(seed=choice.seed, stream=stream, network=name, **row)
            sims[f"{stream}, {name}"] = sim


def _scored_part(s: Settings, parts: Parts) -> Encoded:
    return getattr(parts, s.part)


def _one_pass(context: Context, sim: Simulator, parts: Parts, order: np.ndarray) -> np.ndarray:
    """bool: whether each sample of `order` was predicted, before it was learned from."""
    right = []
    for lo in range(0, len(order), CHUNK):
        index = order[lo : lo + CHUNK]
        right.append(learn(sim, parts.train.events(index, 1), np.asarray(parts.train.labels)[index]))
        context.progress.tick(lo + len(index), len(order), accuracy=float(np.concatenate(right).mean()))
    return np.concatenate(right)


def learn(sim: Simulator, events, labels: np.ndarray) -> np.ndarray:
    """Predict and learn samples in their order; bool[n], whether each prediction was right.

    Where the first change of a weight comes after a sample's last spike, what the network answers while
    it learns is the prediction; elsewhere each sample is run twice, first with learning off. A remainder of
    samples that does not fill the contexts is left out.
    """
    shown, votes = feed(sim, events, labels), voters(sim)
    if first_learns_last(sim):
        outputs = sim.present(shown.events, shown.labels, order=shown.order)
        said = scores(sim, outputs, votes).argmax(axis=1)
        return said[shown.kept] == shown.labels[shown.order[shown.kept]]
    right, b = [], sim.plan.contexts
    for lo in range(0, len(shown.order), b):
        group, kept = shown.order[lo : lo + b], shown.kept[lo : lo + b]
        before = sim.evaluate(shown.events, order=group)[0]
        said = scores(sim, before, votes).argmax(axis=1)
        sim.present(shown.events, shown.labels, order=group)
        right.append((said == shown.labels[group])[kept])
    return np.concatenate(right)


def first_learns_last(sim: Simulator) -> bool:
    """Whether no rule writes a weight before the last step of a sample has been answered."""
    lines = [x for c in sim.plan.connections if c.program for x in c.program.lines if x.target.is_weight]
    return sim.plan.update.kind == "end" and all(x.section in LATE for x in lines)


def _votes(sim: Simulator, samples: Encoded) -> np.ndarray:
    """float[n, classes], learning off."""
    return scores(sim, evaluate(sim, samples)[0], voters(sim))


def _task_by_task(context, sim, parts, blocks, tasks, scored, passed: Passed) -> None:
    """Learn one task after the other, scored after each."""
    passed.seen.append([])
    passed.by_task.append([])
    for k, block in enumerate(blocks):
        _one_pass(context, sim, parts, block)
        add_task(passed, _votes(sim, scored), scored.labels, tasks[: k + 1])
    add_told(passed, _votes(sim, scored), scored.labels, tasks)


def add_task(passed: Passed, votes: np.ndarray, labels: np.ndarray, tasks: list) -> None:
    """Append to the last seed's rows: accuracy on the classes of all these tasks, and on each task's."""
    right = votes.argmax(axis=1) == labels
    passed.seen[-1].append(float(right[np.isin(labels, np.concatenate(tasks))].mean()))
    passed.by_task[-1].append([float(right[np.isin(labels, task)].mean()) for task in tasks])


def add_told(passed: Passed, votes: np.ndarray, labels: np.ndarray, tasks: list) -> None:
    """Append the accuracy by task when the answer is one of the task's own classes."""
    own = [np.isin(labels, task) for task in tasks]
    right = [
        task[votes[mine][:, task].argmax(axis=1)] == labels[mine]
        for task, mine in zip(tasks, own, strict=True)
    ]
    passed.told.append([float(x.mean()) for x in right])


def forgetting(by_task: list[list[float]]) -> float:
    """Mean over all tasks but the last: best accuracy before the last task, minus that after it."""
    last = by_task[-1]
    lost = [max(row[k] for row in by_task[k:-1]) - last[k] for k in range(len(last) - 1)]
    return float(np.mean(lost))


# ---------------------------------------------------------------- linear readouts


def _linear(passed: Passed, s: Settings, parts: Parts, tasks: list, seed: int) -> None:
    """A softmax readout of spike counts through the same streams."""
    (x, y), (valid_x, valid_y), (score_x, score_y) = (
        (counts(part), np.asarray(part.labels))
        for part in (parts.train, parts.validation, _scored_part(s, parts))
    )
    classes = parts.train.classes
    nothing = np.zeros((x.shape[1], classes))
    rate = max(LINEAR_RATES, key=lambda r: online(nothing.copy(), valid_x, valid_y, r).mean())
    order, w = epoch_order(len(y), seed, 1), nothing.copy()
    passed.right.append(online(w, x[order], y[order], rate))
    passed.after.append(float(((score_x @ w).argmax(axis=1) == score_y).mean()))
    w = nothing.copy()
    passed.seen.append([])
    passed.by_task.append([])
    for k, task in enumerate(tasks):
        block = order[np.isin(y[order], task)]
        online(w, x[block], y[block], rate)
        add_task(passed, score_x @ w, score_y, tasks[: k + 1])
    add_told(passed, score_x @ w, score_y, tasks)


def counts(samples: Encoded) -> np.ndarray:
    """float64[n, axons + 1]: spikes per axon, the mean square of a sample about 1; a one for the bias."""
    x = samples.events().counts().astype(np.float64)
    x /= np.sqrt((x**2).mean()) or 1.0
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def online(w: np.ndarray, x: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
    """Softmax regression sample by sample, changing w; bool[n], right before each was learned."""
    right = np.zeros(len(y), bool)
    for k, row in enumerate(x):
        z = row @ w
        right[k] = z.argmax() == y[k]
        p = np.exp(z - z.max())
        p /= p.sum()
        p[y[k]] -= 1.0
        w -= rate * row[:, None] * p
    return right


def _fitted(s: Settings, parts: Parts) -> float:
    """Test accuracy of a linear readout fitted to the whole training part."""
    data = [a for x in (parts.train, parts.validation, parts.test) for a in (x.events().counts(), x.labels)]
    return linear_readout(*data)[s.part]


# ---------------------------------------------------------------- what it tells


def _told(context: Context, found: dict[str, Passed], sims: dict, tasks: list) -> dict:
    s = context.settings
    rows = [_row(name, passed, s.window) for name, passed in found.items()]
    steps = _steps(found, tasks)
    text = store(context.out.path, "stream", rows, {name: _plain(x, s.window) for name, x in found.items()})
    more = store(context.out.path, "incremental", steps)
    streams = {name: x for name, x in found.items() if x.right}
    figure = draw(
        {name: [windows(r, s.window) for r in x.right] for name, x in streams.items()},
        s.window,
        {name: x.seen for name, x in streams.items()},
        {name: [[row[0] for row in m] for m in x.by_task] for name, x in streams.items()},
        np.cumsum([len(task) for task in tasks]).tolist(),
    )
    save(figure, context.out.figure("stream.png"))
    chip = found[NETWORKS[0]]
    twin = found.get(NETWORKS[1])
    return {
        **outcome(context, sims),
        "accuracy": {
            s.part: float(np.mean(chip.after)),
            "twin": float(np.mean(twin.after)) if twin else None,
        },
        "stream": rows,
        "incremental": steps,
        "report": f"{s.seeds} seed(s), in %; {s.part} part\n\n{text}\nafter each task\n\n{more}",
    }


def windows(right: np.ndarray, size: int) -> list[float]:
    """Accuracy of each whole window (of all samples where there is no whole one)."""
    whole = len(right) // size * size
    return right[:whole].reshape(-1, size).mean(axis=1).tolist() if whole else [float(right.mean())]


def _row(name: str, x: Passed, window: int) -> dict:
    return {
        "network": name,
        "whole pass, before learning": spread([r.mean() for r in x.right]),
        f"last {window}": spread([r[-window:].mean() for r in x.right]),
        "after the pass": spread(x.after),
        "tasks: all classes": spread([row[-1] for row in x.seen]),
        "first task, after it": spread([m[0][0] for m in x.by_task]),
        "first task, at the end": spread([m[-1][0] for m in x.by_task]),
        "forgetting": spread([forgetting(m) for m in x.by_task]),
        "all tasks, told which": spread([np.mean(row) for row in x.told]),
    }


def _steps(found: dict[str, Passed], tasks: list) -> list[dict]:
    rows = []
    for k in range(len(tasks)):
        row = {"classes shown": int(sum(len(task) for task in tasks[: k + 1]))}
        for name, x in found.items():
            if x.seen:
                row[f"{name}: seen"] = spread([seen[k] for seen in x.seen])
                row[f"{name}: first task"] = spread([m[k][0] for m in x.by_task])
        rows.append(row)
    return rows


def _plain(x: Passed, window: int) -> dict:
    """One kind of network as JSON-able values, by seed."""
    return {
        "windows": [windows(r, window) for r in x.right],
        "running_mean": [
            (np.cumsum(r) / np.arange(1, len(r) + 1))[window - 1 :: window].tolist() for r in x.right
        ],
        "whole_pass": [float(r.mean()) for r in x.right],
        "after": x.after,
        "seen": x.seen,
        "by_task": x.by_task,
        "forgetting": [forgetting(m) for m in x.by_task],
        "told": x.told,
    }
