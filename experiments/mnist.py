"""MNIST: 784-256-128 learns on chip, each hidden layer from its own fixed random readout.

DECOLLE (Kaiser, Mostafa, Neftci 2020) with softmax error and one update per sample; 8-bit weights,
30 steps of regular rate code; 5,000 of the 60,000 training images are the validation split. Needs the
four IDX files in --data DIR (or DIR/mnist). `--set error=smooth_l1` runs the paper's error.
Expected (3 seeds): test 0.977 to 0.980 at 8 bits, 0.975 to 0.977 at 6 (`--set weight.bits=6`), 0.960 to
0.963 at 4; the float twin 0.978 to 0.980; smooth_l1 0.966, its twin 0.968. About 95 s.
`--rule bell` (Ma 2023; chip form, settings in mnist.toml): the sample is replayed back through time against
the final error of spiking classifiers; test 0.979, its twin 0.979 (seed 1). 15 s of a core an epoch.
Scaled down: dense layers, static images as a rate code, 5 epochs.
"""

from dataclasses import replace

from pydantic import Field

from chipsim.data.named import named_parts
from chipsim.data.split import stratified
from chipsim.supervised import SupervisedSettings, evaluate_stored, run_supervised

RULES = ("decolle", "ell_chip", "fell_trace", "bell", "dalton_chip", "s_tllr_chip", "tp_chip", "eprop",
         "decolle_paper", "ell", "fell_exact", "dalton", "s_tllr")  # fmt: skip
CHIPS = ("ideal", "loihi2")


class Settings(SupervisedSettings):
    """The defaults; see `chipsim.supervised.SupervisedSettings` for what each means."""

    epochs: int = Field(5, ge=1, le=10_000)
    rate: int = Field(10, ge=-16, le=32)
    rate_steps: tuple[int, ...] = (0, 0, 1, 2, 3)
    steps: int = Field(30, ge=1, le=10_000)
    limit: int | None = Field(None, ge=10, description="training images used; default: all")


def run(context):
    """Train, score, compare, count."""
    parts, hashes = _parts(context)
    return run_supervised(context, parts, hashes)


def evaluate(context):
    """Score stored weights on the test images."""
    return evaluate_stored(context, _parts(context)[0])


def _parts(context):
    parts, hashes = named_parts("mnist", context.data, context.seed)
    limit = context.settings.limit
    if limit is not None and limit < len(parts.train):
        few = stratified(parts.train.labels, [limit], context.seed)[0]
        parts = replace(parts, train=parts.train.take(few))
    return parts, hashes
