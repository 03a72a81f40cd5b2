"""Spoken digits: real speech through a cochlea of filters, learned on chip; known and unknown speakers.

Data: Free Spoken Digit Dataset, 3,000 recordings of 6 speakers, in --data DIR (or DIR/fsdd). The papers
report Heidelberg Digits (SHD); this is the same task on a smaller set, written in SHD's own layout if
asked (experiment `speech_to_spikes`).
Compared: a rule's 8-bit network with its float twin and a linear readout of channel counts, on the
official split (takes 0 to 4 are the test) or, with --set split=speakers, each speaker left out in turn.
Expected: official test 0.97 to 0.99 (linear readout 0.87 to 0.89); unknown speakers 0.67 to 0.72 in the mean
(linear readout 0.57).
Seeds: --seed chooses validation, weights and draws. Run time: about 2 min for the official split, 8 min
for six speakers, half a minute more where the recordings are encoded for the first time.
Scaled down: 2,700 recordings instead of SHD's 8,156; two dense layers, no recurrence.
"""

import numpy as np
from pydantic import Field

from chipsim.data.fsdd import load_fsdd
from chipsim.data.samples import Recorded
from chipsim.folds import Fold, run_folds
from chipsim.stacks import StackSettings

RULES = (
    "decolle",
    "ell_chip",
    "fell_trace",
    "bell",
    "dalton_chip",
    "s_tllr_chip",
    "tp_chip",
    "eprop",
)
CHIPS = ("ideal",)


class Settings(StackSettings):
    """The defaults; see `chipsim.stacks.StackSettings` for what each means."""

    hidden: tuple[int | str, ...] = (256, 128)
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
    split: str = Field("official", pattern="^(official|speakers)$")
    only: tuple[str, ...] = Field((), description="speakers to leave out; default: all, one by one")
    held_out: int = Field(250, ge=1, description="validation recordings")
    cache: str = Field("", description="folder that keeps the encoded recordings")
    twin: bool = True
    controls: bool = True


def run(context):
    """The official split, or one fold per speaker."""
    s = context.settings
    found = load_fsdd(context.data, cache=s.cache or None)
    samples = Recorded("fsdd", found.events(s.steps, s.step_ms), found.labels, found.classes)
    return run_folds(context, samples, folds(found, s, context.seed), found.files)


def folds(found, s, seed):
    """Splits as index arrays."""
    if s.split == "official":
        return [fold("official", found.official(seed, s.held_out))]
    chosen = s.only or found.speakers
    return [fold(speaker, found.leave_out(speaker, seed, s.held_out)) for speaker in chosen]


def fold(name, parts):
    """A named Fold."""
    return Fold(name, *(np.asarray(parts[x]) for x in ("train", "validation", "test")))
