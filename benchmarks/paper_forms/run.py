"""Float runs of the paper forms in PyTorch: what their equations reach with the presets' budget.

    python benchmarks/paper_forms/run.py --data DIR [FORM ...]            print test accuracies
    python benchmarks/paper_forms/run.py --data DIR [FORM ...] --write    and store them as golden numbers
    python benchmarks/paper_forms/run.py --data DIR [FORM ...] --check    20 samples against the ideal twin

Needs PyTorch beside chipsim (made with torch 2.13.0, Python 3.11, float64, one thread). Initial weights,
images, encoded input and order are those of `chipsim run mnist --rule FORM --set form=paper`; nothing
else is shared.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parents[1] / "gradients")]

from nets import NETS  # noqa: E402

from chipsim.data.encode import Encoder  # noqa: E402
from chipsim.data.idx import load_idx_folder  # noqa: E402
from chipsim.data.images import Parts  # noqa: E402
from chipsim.data.samples import Encoded  # noqa: E402
from chipsim.data.split import epoch_order, hold_out, stratified  # noqa: E402
from chipsim.experiment import load_experiment  # noqa: E402
from chipsim.float_twin import twin_of  # noqa: E402
from chipsim.plan.circuits import TARGET_FRAC  # noqa: E402
from chipsim.presets import preset  # noqa: E402
from chipsim.settings import make_settings  # noqa: E402
from chipsim.stacks import Choice, calibrate, for_samples  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "paper_forms.json"
SEEDS = (1, 2, 3)
CHUNK = 1000


def settings_of(form: str):
    """Settings of a form's preset."""
    experiment = load_experiment("mnist")
    return make_settings(experiment.settings, ["form=paper"], preset(experiment.path, form, "paper"))


def parts_of(s, data: Path, seed: int) -> Parts:
    """Encoded images as the experiment has them."""
    train, test = load_idx_folder(data)
    parts = hold_out(train, test, seed)
    few = stratified(parts.train.labels, [s.limit], seed)[0]
    parts = replace(parts, train=parts.train.take(few))
    encoder = Encoder(kind=s.encoder, steps=s.steps, max_rate=s.max_rate, seed=seed, peak=s.peak)
    return Parts(*(Encoded(part, encoder) for part in (parts.train, parts.validation, parts.test)))


def twins(form: str, s, parts: list[Parts]) -> list:
    """The ideal twin of every seed at its initial weights."""
    made = []
    for seed, part in zip(SEEDS, parts, strict=True):
        sim = for_samples(s, Choice(form, seed=seed), part.train)
        calibrate(sim, s, part.train)
        made.append(twin_of(sim, ideal=True))
    return made


def net_of(form: str, s, nets: list):
    """The PyTorch network with the twins' weights and scales of errors."""
    weights = {
        c.name: torch.tensor(np.stack([x.state[f"c{c.index}_w"] for x in nets]))
        for c in nets[0].plan.connections
    }
    scales = {}
    for k in nets[0].plan.circuits:
        if k.judged >= 0 and k.error in TARGET_FRAC:
            layer = nets[0].plan.layers[k.judged]
            shifts = np.array([float(x.state[f"k{k.index}_shift"][0]) for x in nets])
            values = 2.0 ** (layer.v_fmt.frac - TARGET_FRAC[k.error] - shifts)
            scales[layer.name] = torch.tensor(values)[:, None, None]
    return NETS[form](s, weights, scales)


def dense(samples: list, index: list, epoch: int) -> np.ndarray:
    """int16[seeds, samples, steps, axons]."""
    return np.stack([x.events(i, epoch).to_dense() for x, i in zip(samples, index, strict=True)])


def learn(net, form: str, parts: list[Parts], epoch: int, samples: int | None = None) -> None:
    """One epoch, sample by sample."""
    net.rates(epoch, form)
    train = [x.train for x in parts]
    order = [epoch_order(len(x), seed, epoch)[:samples] for x, seed in zip(train, SEEDS, strict=True)]
    shown = dense(train, order, epoch)
    labels = np.stack([np.asarray(x.labels)[i] for x, i in zip(train, order, strict=True)])
    ones = torch.eye(10, dtype=torch.float64)[torch.tensor(labels.astype(np.int64))][:, :, None]
    whole, first = net.w["pixels->hidden1"], "pixels->hidden1"
    for i in range(shown.shape[1]):
        rows = _seen(shown[:, i])
        x = torch.tensor(np.take_along_axis(shown[:, i], rows[:, None], axis=2), dtype=torch.float64)
        at = torch.arange(len(rows))[:, None], torch.tensor(rows)
        net.w[first] = whole[at]
        net.reset(1, True)
        for t in range(x.shape[1]):
            net.step(x[:, t : t + 1], ones[:, i])
        net.finish()
        whole[at] = net.w[first].detach()
    net.w = {name: w.detach() for name, w in net.w.items()} | {first: whole}


def _seen(shown: np.ndarray) -> np.ndarray:
    """int[seeds, n]: the pixels with input in this sample, filled up with others to equal numbers. The
    weights of a pixel without input neither matter nor change."""
    seen = shown.any(axis=1)
    return np.argsort(~seen, axis=1, kind="stable")[:, : seen.sum(axis=1).max()]


@torch.no_grad()
def score(net, parts: list[Parts]) -> list[float]:
    """Test accuracy of every seed."""
    test, right = [x.test for x in parts], np.zeros(len(parts))
    for lo in range(0, len(test[0]), CHUNK):
        index = np.arange(lo, min(lo + CHUNK, len(test[0])))
        shown = dense(test, [index] * len(test), 0)
        net.reset(len(index), False)
        for t in range(shown.shape[2]):
            net.step(torch.tensor(shown[:, :, t], dtype=torch.float64), None)
        named = net.scores().argmax(-1).numpy()
        right += (named == np.stack([np.asarray(x.labels)[index] for x in test])).sum(axis=1)
    return [round(float(x) / len(test[0]), 4) for x in right]


def check(form: str, s, data: Path, samples: int = 20) -> float:
    """Largest difference of any weight from the ideal twin's after a few samples, relative to the
    largest change."""
    parts = [parts_of(s, data, seed) for seed in SEEDS]
    nets = twins(form, s, parts)
    net, start = net_of(form, s, nets), net_of(form, s, nets).w
    learn(net, form, parts, 1, samples)
    from chipsim.train import set_rate

    worst = 0.0
    for n, (twin, part, seed) in enumerate(zip(nets, parts, SEEDS, strict=True)):
        order = epoch_order(len(part.train), seed, 1)[:samples]
        set_rate(twin, s.schedule.shift(1), s.schedule.offsets)
        twin.present(part.train.events(order, 1), np.asarray(part.train.labels)[order])
        for c in twin.plan.connections:
            ours, first = net.w[c.name][n].detach().numpy(), start[c.name][n].numpy()
            moved = np.abs(ours - first).max()
            off = np.abs(ours - twin.state[f"c{c.index}_w"]).max()
            if moved:
                worst = max(worst, off / moved)
            print(f"{form} seed {seed} {c.name}: moved {moved:.3g}, off {off:.3g}")
    return worst


def run(form: str, s, data: Path) -> list[float]:
    """Test accuracies of a form, one per seed."""
    parts = [parts_of(s, data, seed) for seed in SEEDS]
    net = net_of(form, s, twins(form, s, parts))
    for epoch in range(1, s.epochs + 1):
        learn(net, form, parts, epoch)
    return score(net, parts)


def main() -> int:
    """Print, and store where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("forms", nargs="*", default=list(NETS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for form in given.forms or NETS:
        s, began = settings_of(form), time.perf_counter()
        if given.check:
            print(f"{form:14} {check(form, s, given.data):.2g}")
            continue
        test = run(form, s, given.data)
        print(f"{form:14} {100 * np.mean(test):.2f}  {test}  {time.perf_counter() - began:.0f} s", flush=True)
        if given.write:
            stored = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {"forms": {}}
            stored["made"] = {
                "torch": torch.__version__,
                "python": platform.python_version(),
                "dtype": "float64",
            }
            stored["seeds"] = list(SEEDS)
            stored["forms"][form] = {"test": test, "settings": s.model_dump(mode="json")}
            GOLDEN.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
