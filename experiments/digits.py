"""Handwritten digits (scikit-learn, 8x8): two hidden layers learn on chip, each from its own readout.

DECOLLE (Kaiser, Mostafa, Neftci 2020) with softmax error and one update per sample, on integer cores:
64-256-128, 8-bit weights, 20 steps of regular rate code, split 60/15/25 by the seed. Controls: a linear
readout of the same spikes, frozen hidden layers, and the float twin of the same program.
Expected (seeds 1 to 5): test 0.971 to 0.982, mean 0.978, the twin within 0.01 of each; the linear readout
0.951 to 0.984, mean 0.967 (seed 4: above the network, as are its frozen layers). About 8 s once compiled.
Scaled down: the paper's nets are convolutional and trained on event data for hundreds of epochs.
"""

from pydantic import Field

from chipsim.data import digits
from chipsim.data.split import split_three
from chipsim.supervised import SupervisedSettings, evaluate_stored, run_supervised

RULES = ("decolle", "ell_chip", "fell_trace", "bell", "dalton_chip", "s_tllr_chip", "tp_chip", "eprop",
         "decolle_paper", "ell", "fell_exact", "fell_step", "dalton", "s_tllr", "s_tllr_hyper", "tp",
         "eprop_reckon")  # fmt: skip
CHIPS = ("loihi2", "ideal")


class Settings(SupervisedSettings):
    """The defaults; see `chipsim.supervised.SupervisedSettings` for what each means."""

    epochs: int = Field(20, ge=1, le=10_000)
    rate: int = Field(8, ge=-16, le=32)


def run(context):
    """Train, score, compare, count."""
    images = digits()
    parts = split_three(images, context.seed)
    return run_supervised(context, parts, {"digits": images.sha256})


def evaluate(context):
    """Score stored weights on the test split of the same seed."""
    return evaluate_stored(context, split_three(digits(), context.seed))
