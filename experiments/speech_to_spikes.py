"""Speech to spikes: our cochlea beside SHD's converter, spoken digits as SHD files, what is in them.

Papers: Cramer, Stradmann, Schemmel, Zenke, The Heidelberg spiking data sets, IEEE TNNLS 33, 2022 (SHD and
its converter LAUSCHER). Data in --data DIR: fsdd, and shd_reference (one recording with LAUSCHER's spikes;
left out where it or the package soundfile is missing).
Compared: spike counts of 70 channels with LAUSCHER's, as correlation over channels and over blocks of 5
channels and 50 ms, beside the same spikes with the channels in reverse; then, on spoken digits, a linear
readout of channel counts with one of counts in `bins` parts of the time.
Expected: correlations 0.92 and 0.85 (reversed 0.77 and 0.72), 619 spikes for 618; official split: counts
0.86 to 0.91, time bins 0.97 to 1; unknown speakers in the mean: counts 0.55 to 0.59, time bins 0.70 to 0.73.
The run folder gets shd_train.h5 and shd_test.h5 (SHD's layout; tonic reads them).
Seeds: --seed chooses the validation part. Run time: about 40 s; speakers=true 1 min more.
Scaled down: nothing is learned on a chip here; the parameters LIKE_LAUSCHER were fitted to the one recording.
"""

import numpy as np
from pydantic import Field

from chipsim.baseline import linear_readout
from chipsim.data.fsdd import DIGITS, load_fsdd
from chipsim.data.lauscher import LIKE_LAUSCHER, compare, load_reference
from chipsim.data.shd_file import write_shd
from chipsim.errors import DataError
from chipsim.settings import ExperimentSettings
from chipsim.tables import store

RULES = ()
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    """Every key of --set."""

    steps: int = Field(80, ge=1)
    step_ms: float = Field(10.0, gt=0)
    bins: int = Field(10, ge=1, description="parts of the time whose counts are read apart")
    speakers: bool = Field(False, description="leave each speaker out in turn as well")
    held_out: int = Field(250, ge=1, description="validation recordings of each split")
    cache: str = Field("", description="folder that keeps the encoded recordings")


def run(context):
    """Compare, encode, write, read out."""
    s, out = context.settings, context.out.path
    beside = _reference(context)
    digits = load_fsdd(context.data, cache=s.cache or None)
    splits = {"official": digits.official(context.seed, s.held_out)}
    if s.speakers:
        splits |= {name: digits.leave_out(name, context.seed, s.held_out) for name in digits.speakers}
    for part, names in {"train": ("train", "validation"), "test": ("test",)}.items():
        chosen = np.sort(np.concatenate([splits["official"][name] for name in names]))
        write_shd(out / f"shd_{part}.h5", digits.spikes, digits.labels, digits.speaker, DIGITS, chosen)
    rows = [_row(name, split, digits, s) for name, split in splits.items()]
    if s.speakers:
        means = {key: float(np.mean([row[key] for row in rows[1:]])) for key in rows[0] if key != "split"}
        rows.append({"split": "speakers, mean", **means})
    context.out.note(data={**digits.files, "encoded": digits.spikes.sha256}, cochlea=digits.cochlea.text())
    text = store(out, "spoken_digits", rows)
    if beside:
        text = f"{store(out, 'reference', beside)}\n{text}"
    per = len(digits.spikes.frame) / len(digits)
    return {
        "accuracy": {"official counts": rows[0]["counts"], "official time bins": rows[0]["time bins"]},
        "table": rows,
        "reference": beside,
        "report": f"{text}\n{per:.0f} spikes per recording in {digits.spikes.channels} channels\n",
    }


def _reference(context):
    """Rows of the comparison, or none where its files or the flac reader are missing."""
    try:
        reference = load_reference(context.data)
    except DataError as error:
        context.progress.line(f"reference   left out: {error.message}")
        return []
    ours = LIKE_LAUSCHER.encode([reference.wave], reference.rate_hz)
    named = {"as it is": ours, "channels reversed (control)": ours.reversed()}
    return [{"our spikes": name, **compare(spikes, reference.spikes)} for name, spikes in named.items()]


def _row(name, split, digits, s):
    """Test accuracies of the two readouts on one split."""
    events = digits.events(s.steps, s.step_ms)
    per_bin = -(-s.steps // s.bins)
    axon = events.axon + events.n_axons * (_steps(events) // per_bin)
    cell = np.repeat(np.arange(len(digits)), events.per_sample()) * (s.bins * events.n_axons) + axon
    binned = np.bincount(cell, minlength=len(digits) * s.bins * events.n_axons).reshape(len(digits), -1)
    row = {"split": name}
    for title, x in (("counts", events.counts()), ("time bins", binned)):
        parts = [(x[split[k]], digits.labels[split[k]]) for k in ("train", "validation", "test")]
        row[title] = linear_readout(*(array for pair in parts for array in pair))["test"]
    return row


def _steps(events):
    """The step of every event."""
    lengths = np.diff(events.start)
    return np.repeat(np.arange(len(lengths)) % events.n_steps, lengths)
