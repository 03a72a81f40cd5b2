"""What a chip's events cost: prices in joules, times in seconds, power without an event.

One profile is one published set of numbers at one operating corner. Profiles are never mixed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chipsim.chip.fields import Energy, Evidence, Sentence, Table

EVENTS = (
    "synaptic_event",
    "synaptic_event_graded",
    "axon_event",
    "spike",
    "neuron_update_active",
    "neuron_update_inactive",
    "weight_update",
    "trace_update",
    "tag_update",
    "history_write",
    "history_read",
    "random_draw",
    "error_message",
    "circuit_add",
    "circuit_multiply",
    "circuit_divide",
    "circuit_root",
    "table_lookup",
    "micro_op",
    "barrier",
    "hop_x",
    "hop_y",
)
# What takes time in a step: events, and a message as it leaves a core and enters another.
TIMED = (
    "synaptic_event",
    "neuron_update_active",
    "neuron_update_inactive",
    "spike",
    "message_out",
    "message_in",
    "weight_update",
    "hop_x",
    "hop_y",
)
FORMATS = ("dense", "sparse", "conv")


class Price(Table):
    """Energy of one event. `assumption` names a use of the number beyond what its source measured;
    source and evidence are the [src] entry's.

    low_J, high_J   the interval that the source gives around value_J
    formats         energy of the event by format of the weight memory, where it differs from value_J
    """

    value_J: Energy
    bound: Literal["nominal", "min", "max"] = "nominal"
    low_J: Energy | None = None
    high_J: Energy | None = None
    formats: dict[Literal[FORMATS], Energy] = Field(default_factory=dict)  # type: ignore[valid-type]
    assumption: str = ""
    source: str = ""
    evidence: Evidence = "mem"

    @model_validator(mode="after")
    def _agree(self) -> Price:
        if (self.low_J is None) != (self.high_J is None):
            raise ValueError("low_J and high_J come together")
        if self.low_J is not None and not self.low_J <= self.value_J <= self.high_J:
            raise ValueError(f"value_J {self.value_J} is outside {self.low_J}..{self.high_J}")
        return self

    def span(self, kind: str | None) -> tuple[float, float, float]:
        """(value, low, high) of one event in a format; without a format the range of all of them."""
        if kind is not None and kind in self.formats:
            value = self.formats[kind]
            return value, value, value
        low = self.value_J if self.low_J is None else self.low_J
        high = self.value_J if self.high_J is None else self.high_J
        if kind is None:
            low, high = min(low, *self.formats.values(), low), max(high, *self.formats.values(), high)
        return self.value_J, low, high


class Duration(Table):
    """Time of one event in seconds, by format of the weight memory where it differs."""

    value_s: Energy
    bound: Literal["nominal", "min", "max"] = "nominal"
    formats: dict[Literal[FORMATS], Energy] = Field(default_factory=dict)  # type: ignore[valid-type]


class Times(Table):
    """What a step takes. barrier: seconds of the synchronisation by number of tiles, as published."""

    events: dict[Literal[TIMED], Duration]  # type: ignore[valid-type]
    barrier: dict[str, Energy]

    @model_validator(mode="after")
    def _agree(self) -> Times:
        for tiles in self.barrier:
            if not tiles.isdigit() or int(tiles) < 1:
                raise ValueError(f"barrier: '{tiles}' is no number of tiles")
        return self


class Power(Table):
    """What a chip draws without an event: leakage, a clock that runs, cores that are switched on.

    leak_W_chip    for every chip in use and as long as it is on
    idle_W_per_Hz  times the clock frequency
    active_W_core  for every core in use
    reset_J_chip   energy of one reset of the whole chip's state
    """

    leak_W_chip: Energy | None
    idle_W_per_Hz: Energy | None
    active_W_core: Energy | None
    reset_J_chip: Energy | None


class ProfileMeta(Table):
    """What the prices of a profile mean, and the operating corner they hold at.

    definition  marginal: what one more event costs; total_at_operating_point: all power divided by all
                events, static power in it
    includes    events contained in the price of another one
    """

    definition: Literal["marginal", "total_at_operating_point"]
    bound: Literal["nominal", "min", "max"]
    voltage_V: Annotated[float, Field(gt=0)] | None
    temperature_C: float | None = None
    frequency_Hz: Annotated[float, Field(gt=0)] | None = None
    evidence: Evidence
    text: Sentence
    includes: tuple[Literal[EVENTS], ...]  # type: ignore[valid-type]


class EnergyProfile(Table):
    """One published set of prices. Profiles are never mixed. power, times: None where not published."""

    meta: ProfileMeta
    prices: dict[str, Price]
    power: Power | None = None
    times: Times | None = None

    @model_validator(mode="after")
    def _agree(self) -> EnergyProfile:
        total = self.meta.definition == "total_at_operating_point"
        if total and self.power is not None:
            raise ValueError("definition total_at_operating_point holds static power already: no power table")
        return self
