"""N-MNIST: 1,100 real event-camera recordings of handwritten digits, 5-fold.

Papers: DECOLLE, Traces Propagation, DALTON and others report N-MNIST; data by Orchard, Jayawant, Cohen,
Thakor (2015), read with tonic from --data DIR (or DIR/nmnist). 34x34x2 pixels, 15 steps of 20 ms, one
spike per pixel and step at most; time constants count steps.
Compared: each rule's 8-bit network with its float twin and with a linear readout of pixel counts, on
five stratified test parts that together are all recordings.
Expected (means of 3 seeds, settings in nmnist.toml): test 0.858 to 0.882 by rule, decolle first; their
twins 0.866 to 0.885, linear readout 0.866; with 820 training recordings a fold. The papers' 0.97
need 60,000.
Seeds: --seed chooses folds, weights and draws. Run time: about 1 min a seed with its twin, tp_chip 10.
Scaled down: 1.6 % of the training set, one dense layer (on validation a second one
added nothing with so few recordings), no augmentation.
"""

from pydantic import Field

from chipsim.data.binning import binned
from chipsim.data.samples import Recorded
from chipsim.data.sets.nmnist import SENSOR, load_nmnist
from chipsim.errors import SettingError
from chipsim.folds import cut, run_folds
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

    hidden: tuple[int | str, ...] = (256,)
    epochs: int = Field(20, ge=1)
    rate: int = Field(12, ge=-16, le=32)
    rate_steps: tuple[int, ...] = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4
    tau_v_ms: float | None = Field(20.0, gt=0, description="in steps: with bins of 20 ms it is 0.4 s")
    steps: int = Field(15, ge=1)
    bin_ms: float = Field(20.0, gt=0)
    folds: int = Field(5, ge=2, le=20)
    only: tuple[int, ...] = Field((), description="numbers of the folds to run, from 1; default: all")
    held_out: int = Field(60, ge=1, description="validation recordings of each fold")
    twin: bool = True
    controls: bool = True


def run(context):
    """All folds."""
    s = context.settings
    if not all(1 <= k <= s.folds for k in s.only):
        raise SettingError(f"--set only: folds are numbered 1 to {s.folds}", remedy="leave the others out")
    found = load_nmnist(context.data)
    samples = recorded([found.train, found.test], s)
    folds = cut(samples.labels, s.folds, context.seed, s.held_out)
    chosen = [folds[k - 1] for k in s.only] if s.only else folds
    return run_folds(context, samples, chosen)


def recorded(parts, s):
    """Training and test recordings as one set of events."""
    import numpy as np

    from chipsim.data.events import Events

    events = [binned(part, s.bin_ms, s.steps) for part in parts]
    start = np.concatenate([events[0].start, events[0].start[-1] + events[1].start[1:]])
    axon = np.concatenate([x.axon for x in events])
    whole = Events(events[0].n_axons, s.steps, start, axon)
    labels = np.concatenate([part.labels for part in parts])
    return Recorded("nmnist", whole, labels, parts[0].classes, SENSOR)
