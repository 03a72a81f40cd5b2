"""Every field of a chip file, its type and its meaning.

A field typed `... | None` may be unknown (named in the file's `unknown` list) or, where the type is
`Unlimited` or `products`, stated as "unlimited" or "none". All other fields must be set. Widths are
in bits, delays in steps, energies in joules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from chipsim.chip.fields import Count, Evidence, Sentence, Unlimited, Width
from chipsim.chip.fields import Table as _Table
from chipsim.chip.fields import word as _word
from chipsim.chip.prices import EVENTS as EVENTS
from chipsim.chip.prices import EnergyProfile
from chipsim.chip.prices import Price as Price
from chipsim.chip.structure import Memory, Noc
from chipsim.fixed import Format

PHASES = ("arrive", "decay", "deliver", "on_pre", "fire", "on_post", "third", "learn")
Rounding = Literal["floor", "trunc", "nearest", "stochastic"]
Noise = Literal["lane", "element", "shared", "lfsr"]


class Source(_Table):
    """Where a number comes from. evidence: M measured on silicon, S simulated or pre-silicon, A true
    by design, RTL read from released hardware text, SW constant of the vendor's or lab's software,
    D derived (arithmetic in the note), V vendor claim, mem remembered (no text opened)."""

    cite: Sentence
    evidence: Evidence
    note: str = ""


class Step(_Table):
    """Order of the phases of a step and the delays a connection may have, in steps.

    mode  "clock", or "event": one address event is one step, and the core is table [crossbar]
    """

    mode: Literal["clock", "event"] = "clock"
    order: tuple[Literal[PHASES], ...]  # type: ignore[valid-type]
    walk: Literal["layer", "phase"]
    min_delay: Count
    max_delay: Unlimited

    @model_validator(mode="after")
    def _agree(self) -> Step:
        if sorted(self.order) != sorted(PHASES):
            raise ValueError(f"order must name each of {', '.join(PHASES)} once")
        if self.max_delay is not None and self.max_delay < self.min_delay:
            raise ValueError(f"max_delay {self.max_delay} is below min_delay {self.min_delay}")
        self._read_only_what_arrived()
        return self

    def _read_only_what_arrived(self) -> None:
        """Refuse an order in which a phase would read spikes that are not there yet."""
        if self.order[0] not in ("arrive", "fire"):
            raise ValueError("order begins with arrive, or with fire: other phases read what arrived")
        if self.walk == "layer" and self.order[0] == "fire":
            raise ValueError('fire comes first, so walk must be "phase"')
        if self.walk == "phase" and self.min_delay < 1:
            raise ValueError('walk is "phase", so min_delay must be at least 1')
        if self.order.index("fire") < self.order.index("deliver") and self.min_delay < 1:
            raise ValueError("fire comes before deliver, so min_delay must be at least 1")


class Weight(_Table):
    """The weight memory: widths it can be set to, the width used unless told, sign."""

    bits: tuple[Width, ...]
    default_bits: Width
    signed: bool

    @model_validator(mode="after")
    def _agree(self) -> Weight:
        if self.default_bits not in self.bits:
            raise ValueError(f"default_bits {self.default_bits} is not one of bits {list(self.bits)}")
        return self


class Neuron(_Table):
    """The neuron's current u and membrane v, two's complement.

    guard_bits  fraction bits of u and v below the LSB of an 8-bit weight
    u_decay_offset  added by the chip to the decay of u: k_u is at most 1 - offset * 2**-decay_bits
    compare     "gt": spike where v > threshold; "ge": v >= threshold
    arithmetic  "plain": definition 1; "lava": the integer LIF of Lava's CPU models (left out: plain), whose
                threshold is a multiple of 2**guard_bits below the LSB of a weight
    """

    u_bits: Width
    v_bits: Width
    u_overflow: Literal["saturate", "wrap"]
    v_overflow: Literal["saturate", "wrap"]
    guard_bits: Count
    decay_bits: Width
    decay_rounding: Rounding
    u_decay_offset: Count
    compare: Literal["ge", "gt"]
    resets: tuple[Literal["hard", "soft"], ...]
    threshold_bits: Unlimited
    bias_bits: Unlimited
    refractory_max: Unlimited
    programmable: bool
    arithmetic: Literal["plain", "lava"] = "plain"


class RegisterBank(_Table):
    """Registers of one owner: how many per element, how wide, which roundings at a write.

    count          None: unlimited
    bits           widest signed register where `signed`, else widest register
    unsigned_bits  widest unsigned register
    """

    count: Unlimited
    bits: Annotated[int, Field(ge=0, le=32)]
    signed: bool
    unsigned_bits: Annotated[int, Field(ge=0, le=32)]
    rounding: tuple[Rounding, ...]

    def holds(self, fmt: Format) -> bool:
        """True where a register of this format can be stored without loss."""
        return (self.signed and fmt.bits <= self.bits) if fmt.signed else fmt.bits <= self.unsigned_bits

    def widest(self) -> str:
        """The widest registers in words: `s8, u7`, or `none`."""
        kinds = ([f"s{self.bits}"] if self.signed else []) + [f"u{self.unsigned_bits}"]
        return "none" if self.count == 0 else ", ".join(kinds)


class Registers(_Table):
    """Register banks per owner; syn are the tags beside the weight, temp lives within a section."""

    pre: RegisterBank
    post: RegisterBank
    syn: RegisterBank
    layer: RegisterBank
    temp: RegisterBank


class Streams(_Table):
    """Random streams of numpy's PCG64 that a connection's axons, neurons and synapses share: offsets to
    the connection's seed for the decay and the impulse of traces, and the one seed of all writes."""

    pre_decay: Count
    pre_impulse: Count
    post_decay: Count
    post_impulse: Count
    write_seed: Count


class Products(_Table):
    """Arithmetic of a sum-of-products engine: z += sum of mantissa * 2**exponent * factors.

    factor_bits       magnitude bits W of each factor; its value is limited to -2**W..2**W - 1
    accumulator_frac  the synaptic variable is shifted left by it before the sum
    product_rounding  of the right shift max(0, sum of W + mantissa bits - (accumulator_bits - 1))
    accumulator_min   smallest sum kept (largest is 2**(accumulator_bits - 1) - 1)
    streams           traces live in the synapses and move once per learning epoch, all draws come from
                      these streams (left out: traces are registers, draws come from chipsim's noise)
    """

    accumulator_bits: Width
    accumulator_frac: Count
    accumulator_min: int
    product_rounding: Rounding
    write_rounding: Rounding
    mantissa_min: int
    mantissa_max: int
    exponent_min: int
    exponent_max: int
    factor_bits: dict[str, Width]
    constant_bits: Width
    traces_pre: Count
    traces_post: Count
    impulse_bits: Width
    impulse_frac_bits: Count
    epoch_max: Annotated[int, Field(ge=1)]
    epoch_default: Annotated[int, Field(ge=1)]
    products_max: Unlimited
    factors_max: Unlimited
    streams: Streams | None = None


class Learning(_Table):
    """What a rule may read from elsewhere, and the engine's arithmetic where it is no line engine.

    pre_spikes   False: the engine does not see single spikes of axons (on_pre, pre.spike)
    """

    third_factor: Literal["none", "global_reward", "per_post_neuron", "any"]
    third_factor_bits: Unlimited
    pre_spikes: bool = True
    accumulate: Literal["sum", "each"]
    products: Annotated[Products | None, _word("none")]


class Cycles(_Table):
    """Clock cycles of each kind of work of an event-driven crossbar core."""

    push: Count
    tref_one: Count
    tref_all: Count
    synapse: Count
    bist_one: Count
    bist_all: Count
    pop_spike: Count
    pop_virtual: Count


class Crossbar(_Table):
    """An event-driven crossbar core (`step.mode = "event"`): as many rows as neurons.

    behaviour  "built" (as the released hardware text) or "documented" where the two differ
    *_bits     unsigned registers; a synapse is a weight and a map bit
    """

    behaviour: Literal["built", "documented"]
    neurons: Literal[256]
    membrane_bits: Literal[8]
    leak_bits: Literal[7]
    calcium_bits: Literal[3]
    clock_bits: Literal[5]
    weight_bits: Literal[3]
    synapses_per_word: Literal[8]
    neuron_word_bits: Count
    fifo_depth: Annotated[int, Field(ge=1, le=256)]
    cycles: Cycles
    cycles_documented: Cycles


class Limits(_Table):
    """Walls and budgets of one chip; None is unlimited or unknown (see Chip.is_unknown)."""

    cores: Unlimited
    neurons_per_core: Unlimited
    synapse_bits_per_core: Unlimited
    axons_in_per_core: Unlimited
    axons_out_per_core: Unlimited
    fan_in: Unlimited


class Chip(_Table):
    """One chip file. path and sha256 (of the file's bytes) are added by the loader."""

    name: Sentence
    title: Sentence
    fidelity: Sentence
    engine: Literal["lines", "sum_of_products", "fixed", "vector", "cpu", "none", "unknown"]
    noise_default: Noise
    noises: tuple[Noise, ...]
    step: Step
    weight: Weight
    neuron: Neuron
    registers: Registers
    learning: Learning
    limits: Limits
    crossbar: Crossbar | None = None
    behaviour: Literal["built", "documented"] = "built"  # of ReckOn's core, where the two differ
    memory: Memory | None = None
    noc: Noc | None = None
    energy: dict[str, EnergyProfile]
    energy_default: str | None
    unknown: tuple[str, ...]
    sources: dict[str, Source]
    fixed: Literal["sdsp", "reckon_eprop"] | None = None  # the rule that a fixed engine runs
    path: str
    sha256: str

    @model_validator(mode="after")
    def _agree(self) -> Chip:
        if self.noise_default not in self.noises:
            raise ValueError(f"noise_default '{self.noise_default}' is not one of noises {list(self.noises)}")
        if (self.engine == "sum_of_products") != (self.learning.products is not None):
            raise ValueError('learning.products must be a table for engine "sum_of_products", else "none"')
        if self.fixed is not None and self.engine != "fixed":
            raise ValueError(
                f"fixed = '{self.fixed}' names the rule of a fixed engine; engine is {self.engine}"
            )
        if (self.step.mode == "event") != (self.crossbar is not None):
            raise ValueError('step.mode = "event" needs a table [crossbar], and only it has one')
        if self.energy_default is not None and self.energy_default not in self.energy:
            raise ValueError(f"energy_default '{self.energy_default}' is no profile in [energy]")
        return self

    def as_documented(self) -> Chip:
        """The same chip with the behaviour of its documentation where the hardware text differs."""
        if self.crossbar is None:
            return self.model_copy(update={"behaviour": "documented"})
        return self.model_copy(
            update={"crossbar": self.crossbar.model_copy(update={"behaviour": "documented"})}
        )

    def is_unknown(self, key: str) -> bool:
        """True where the file declares this dotted key, or a table above it, unknown."""
        return any(key == name or key.startswith(name + ".") for name in self.unknown)

    def source_of(self, key: str) -> Source | None:
        """The source of a dotted key: its own entry or that of the nearest table above it."""
        return source_for(key, self.sources)


def source_for(key: str, sources: dict[str, Any]) -> Any:
    """The entry of `sources` for a dotted key or its nearest dotted prefix, else None."""
    while key:
        if key in sources:
            return sources[key]
        key = key.rpartition(".")[0]
    return None
