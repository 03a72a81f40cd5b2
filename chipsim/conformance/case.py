"""A case: a network, random rules, data and calls; a back end: two functions that run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from chipsim.data.events import Events
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import Plan, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.state import State


@dataclass(frozen=True)
class Backend:
    """The two functions of a back end; the same arguments as the reference's."""

    present: Callable
    steps: Callable


REFERENCE = Backend(reference_present, reference_steps)


@dataclass(frozen=True)
class Call:
    """One call on the running state: kind present (samples) or steps (start..stop)."""

    kind: str
    learn: bool = True
    samples: tuple[int, ...] | None = None
    start: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Case:
    """A network, its rules as text, the plan's settings, data and the calls to run one by one."""

    seed: int
    network: Network
    chip: object
    rules: dict[str, str]
    settings: dict
    events: dict[str, Events]
    labels: np.ndarray
    rewards: np.ndarray | None
    calls: tuple[Call, ...]
    refused: tuple[Exception, ...] = field(default=())  # lines taken out of the random texts

    def plan(self) -> Plan:
        """The bound plan, from the texts through the ordinary parser and binder."""
        programs = {name: parse_rule(text, f"{name}.rule") for name, text in self.rules.items()}
        return plan(self.network, self.chip, programs, **self.settings)

    def run(self, bound: Plan, state: State, call: Call, backend: Backend = REFERENCE) -> object:
        """Run one call of the case on a state."""
        shared = dict(labels=self.labels, rewards=self.rewards, learn=call.learn)
        if call.kind == "steps":
            return backend.steps(bound, state, self.events, start=call.start, stop=call.stop, **shared)
        return backend.present(
            bound, state, self.events, shared.pop("labels"), samples=call.samples, **shared
        )
