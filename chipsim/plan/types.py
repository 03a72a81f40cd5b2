"""What a plan is: layers, connections and circuits of one chip, in integers, without state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chipsim.circuits import SMALLEST_RATE
from chipsim.errors import SettingError
from chipsim.fixed import Format
from chipsim.geometry import Conv, Pool, Shape
from chipsim.microcode.program import BoundProgram, Note
from chipsim.network import Network

if TYPE_CHECKING:
    from chipsim.plan.core import CorePlan
    from chipsim.plan.reckon import ReckonPlan

THIRD_FACTOR = Format(True, 8, 7)
REWARD = Format(True, 8, 4)
NO_TARGET = -32768  # a label that asks for nothing; below 0 says so too, except for a regression
DECAY_FRAC = 12  # k = raw / 4096, raw 0..4096; 4096 is exactly 1 and rounds nothing


@dataclass(frozen=True)
class Update:
    """The update instant: kind step (after burn_in), every (k steps), end (of the sample), or error:
    every step, and all errors below a threshold that adapts to a share `rate` of them are 0."""

    kind: str = "step"
    every: int = 1
    burn_in: int = 0
    rate: float = 0.0

    @classmethod
    def parse(cls, text: str, burn_in: int = 0) -> Update:
        """`step`, `end`, `every:5`, or `error:0.05`."""
        if text in ("step", "end"):
            return cls(text, 1, burn_in)
        kind, _, number = text.partition(":")
        if kind == "every" and number.isdigit() and int(number) > 0:
            return cls("every", int(number), burn_in)
        if kind == "error" and (rate := _share(number)) is not None:
            return cls("error", 1, burn_in, rate)
        raise SettingError(
            f"update '{text}' is no update instant",
            remedy="use step, end, every:K (K >= 1), or error:RATE (0.002 to 0.998)",
        )

    def due(self, step: int, last: bool) -> bool:
        """Whether the step-th step of a sample (from 1) is an instant; last: its final step."""
        if self.kind == "end":
            return last
        return step > self.burn_in and (step - self.burn_in) % self.every == 0


def _share(text: str) -> float | None:
    """A share that a trigger can hold, or None."""
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if SMALLEST_RATE <= rate <= 1 - SMALLEST_RATE else None


@dataclass(frozen=True)
class LayerPlan:
    """One population in integers. Raw thresholds and biases are per layer here, per neuron in state.

    k_u, k_v     decay factors * 4096; k_u is None without a current state
    v_fmt        format of v and u (same frac); acc_shift aligns the accumulator to it
    acc_frac     fraction bits of the accumulator while it sums
    acc_lo..hi   limits of the summed input after alignment (the accumulator's format, frac of v)
    acc_wide     the sum needs 64-bit lanes
    acc_bound    no input of a step exceeds it, whatever the weights
    ring         slots of the accumulator (1 + largest per-synapse delay)
    history      steps of spikes kept for delayed connections and for replays
    kept         of these, steps kept for replays only
    homeo_up/down  raw amounts added per spike and subtracted per learned sample
    arithmetic   plain, or lava: decays, thresholds and biases are per neuron in state (reference_lava.py)
    reset_every  (n, offset): u = v = 0 at the begin of the steps with step % n == offset
    shape        (h, w, channels) of a map, None for a plain row of neurons
    pool, below  pool layers only: the windows, and the layer they look at
    """

    index: int
    name: str
    kind: str
    size: int
    payload_bits: int = 1
    k_u: int | None = None
    k_v: int = 4096
    decay_rounding: str = "trunc"
    u_fmt: Format = Format(True, 24, 15)
    v_fmt: Format = Format(True, 24, 15)
    u_overflow: str = "saturate"
    v_overflow: str = "saturate"
    acc_frac: int = 7
    acc_shift: int = 8
    acc_lo: int = 0
    acc_hi: int = 0
    acc_wide: bool = False
    acc_bound: int = 1 << 62
    threshold: int = 0
    bias: int = 0
    reset: str = "soft"
    compare: str = "ge"
    refractory: int = 0
    rectify: bool = False
    leak: str = "multiply"
    leak_step: int = 0
    reset_current: bool = False
    homeo_up: int = 0
    homeo_down: int = 0
    ring: int = 1
    history: int = 1
    kept: int = 0
    incoming: tuple[int, ...] = ()
    circuit: int | None = None
    arithmetic: str = "plain"
    reset_every: tuple[int, int] | None = None
    shape: Shape | None = None
    pool: Pool | None = None
    below: int = -1


@dataclass(frozen=True)
class ConnectionPlan:
    """One weight memory in integers.

    lookback     a spike of the pre layer fired at step t arrives at step t + lookback as the walk
                 of the step sees it (0: within the step)
    delay        the delay used (raised to the chip's minimum), asked the one described
    shift        left shift that aligns the weight to the accumulator; below 0 (arithmetic lava) the sum of
                 what a step delivers is floored by a right shift
    conv         a convolution: n_pre and n_post are neurons, weights are [conv.rows, channels]
    even         initial weights are floored to even numbers (8 bits with a sign in Lava's 9-bit range)
    scale        bits by which payloads are divided (the windows of an average pool layer)
    """

    index: int
    name: str
    pre: int
    post: int
    n_pre: int
    n_post: int
    sparse: bool
    weight: Format
    w_lo: int
    w_hi: int
    shift: int
    graded: bool
    delay: int
    asked: int
    lookback: int
    synapse_delays: bool
    program: BoundProgram | None
    noise: str
    purpose: str
    spread: float = 0.0
    conv: Conv | None = None
    scale: int = 0
    even: bool = False

    @property
    def fan_in(self) -> int:
        """Most synapses of a neuron (dense and convolutional connections)."""
        return self.n_pre if self.conv is None else self.conv.rows


@dataclass(frozen=True)
class Trigger:
    """Error-triggered updates, in units of 1/256 of an error's LSB: the threshold rises by `up` for each
    error that is left and falls by `down` for each that is not."""

    start: int
    up: int
    down: int


@dataclass(frozen=True)
class CircuitPlan:
    """A third factor in integers. error has format error_fmt, the signal m signal_fmt.

    kind pool: the layer's neurons get the third factor of their window in the pool layer `pool`.
    source       state array that goes back through the connection: errors (broadcast), a register or
                 the next layer's third factor (transport); of contrast: the compared register
    source_fmt   its format; source_size: numbers per context
    geometry     state array of the register whose distances are the targets of a contrast
    stepped      the source is -64, 0 or 64 only: products with it count as additions
    """

    index: int
    kind: str
    layer: int
    readout: int
    connection: int
    error: str
    shift: int
    error_fmt: Format = THIRD_FACTOR
    signal_fmt: Format = THIRD_FACTOR
    signal_frac: int = 14  # fraction bits of the summed product before rounding
    signal_shift: int = 0  # of these, bits of the right shift that keeps the signal inside its format
    rounding: str = "stochastic"
    pool: int = -1
    source: str = ""
    source_fmt: Format = THIRD_FACTOR
    stepped: bool = False
    copy_every: int = 0
    trigger: Trigger | None = None
    inputs: int = 0
    targets: int = 0
    geometry: str = ""
    geometry_frac: int = 0
    shift_d: int = 0

    @property
    def judged(self) -> int:
        """The layer whose potentials are compared with the label, -1 for none."""
        return {"readout": self.readout, "error": self.layer}.get(self.kind, -1)

    @property
    def drop(self) -> int:
        """Bits that the write of the signal drops."""
        return self.signal_frac - self.signal_fmt.frac


@dataclass(frozen=True)
class Replay:
    """The replay of a sample.

    depth    steps that every history holds: no learned sample is longer
    layers   layers whose circuits and on_replay lines run, the top one first
    errors   circuits that form class errors for these: stored in each step after burn-in
    held     of these, those whose final error serves every replayed step, so that none is stored
    """

    depth: int
    layers: tuple[int, ...]
    errors: tuple[int, ...] = ()
    held: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything that runs, before any state. layers in description order; `order` is the order of
    phases 1-6 (sources first). `order_of_phases` and `walk` come from the chip.

    replay   what runs after a sample, step by step, last step first; None where no rule has on_replay
    reckon   settings of ReckOn's core (`fixed = "reckon_eprop"`), None on other chips
    core     places and parameters on a crossbar core (`step.mode = "event"`), None on other chips
    """

    chip: str
    fidelity: str
    engine: str
    layers: tuple[LayerPlan, ...]
    connections: tuple[ConnectionPlan, ...]
    circuits: tuple[CircuitPlan, ...]
    order: tuple[int, ...]
    phases: tuple[str, ...]
    walk: str
    update: Update
    seed: int
    dt_ms: float
    contexts: int = 1
    strict: bool = False
    notes: tuple[Note, ...] = ()
    network: Network | None = field(default=None, compare=False)
    replay: Replay | None = None
    reckon: ReckonPlan | None = None
    core: CorePlan | None = None

    def forms_error(self, circuit: int, step: int, last: bool) -> bool:
        """Whether a replay needs a circuit's class errors of the step-th step of a sample (from 1),
        whatever the update instant: those after burn-in, or of the final step where it is held."""
        if self.replay is None or circuit not in self.replay.errors:
            return False
        return last if circuit in self.replay.held else step > self.update.burn_in

    def layer(self, name: str) -> LayerPlan:
        """The layer of that name."""
        return next(x for x in self.layers if x.name == name)

    def connection(self, name: str) -> ConnectionPlan:
        """The connection of that name."""
        return next(x for x in self.connections if x.name == name)
