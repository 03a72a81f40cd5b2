"""A stack of hidden layers that waits for its third factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chipsim.network import Network


@dataclass(frozen=True)
class Stack:
    """What a wiring gets.

    net       the network: the source and the hidden layers, connected
    hidden    names of the hidden layers, the lowest first
    inward    name of the connection into each of them
    classes   number of classes
    rule      the rule of the hidden layers
    use       its parameters and formats, as a connection takes them
    settings  a `SupervisedSettings`
    """

    net: Network
    hidden: tuple[str, ...]
    inward: tuple[str, ...]
    classes: int
    rule: str
    use: dict
    settings: Any

    @property
    def output_rule(self) -> str:
        """The rule of trained outputs: the settings' own, else `delta`, and after a replay of the
        sample's final error `delta_end`, so that the layers below do not replay against weights that have
        moved."""
        return self.settings.output_rule or ("delta_end" if self.settings.hold else "delta")

    def trained_output(self, name: str, below: str) -> str:
        """An integrator of `classes` neurons whose weights learn by the delta rule from its own
        error; returns the connection's name."""
        s = self.settings
        self.net.integrator(name, self.classes, tau_v_ms=s.readout_tau)
        connection = self.net.connect(
            below,
            name,
            rule=self.output_rule,
            w_range=weight_range(self.net.layer(below).size) * s.readout_range,
            settings={} if s.output_rule else readout_settings(s),
        )
        self.net.error(name, **self.errors(), hold=s.hold)
        return connection

    def errors(self) -> dict:
        """How errors are formed, as `net.error` and `net.readout` take it."""
        s = self.settings
        return {"error": s.error} | ({} if s.logit_scale is None else {"logit_scale": s.logit_scale})

    def chain(self) -> None:
        """Every hidden layer but the top one gets its signal through the weights above it."""
        s = self.settings
        for k, name in enumerate(self.hidden[:-1]):
            self.net.transport(
                name,
                through=self.inward[k + 1],
                register="delta",
                signal_shift=s.signal_shift,
                copy_every=s.copy_every,
            )


def readout_settings(settings: Any) -> dict:
    """Parameters of the rule `delta`; its trace counts or decays with the readout."""
    tau = settings.readout_tau
    return {"params": {"k_x": 1.0 if np.isinf(tau) else float(np.exp(-1.0 / tau))}}


def weight_range(fan_in: int) -> float:
    """The smallest power of two that holds the drawn weights, +-sqrt(3 / fan_in).

    Training adds little to their size (under 0.1 % of the writes meet a limit), and every bit of a
    wider range would be a bit of resolution lost. On MNIST (validation, one seed) a range four times
    as wide costs about 1.7 points at 4 bits, 1.2 at 6, and nothing beyond the noise at 8.
    """
    return 2.0 ** int(np.ceil(np.log2(np.sqrt(3.0 / fan_in))))
