"""A neuron node in steps of dt: what multiplies its states, its input, and when it fires.

NIR states differential equations; tools take steps. With k the factor that a potential keeps per step,

    euler        k = 1 - dt/tau        exponential  k = exp(-dt/tau)
    LIF, LI      v = k v + (1 - k) (v_leak + R I)
    IF, I        v = v + dt R I
    CubaLIF      u = k_syn u + g S     v = k v + (1 - k) (v_leak + R u)
                 g = (1 - k_syn) w_in  ("scaled"), or w_in ("jump": a spike adds w_in at once)

A chip's neuron is u = k_u u + input, v = k_v v + u + bias, reset to 0. So potentials are counted from
v_reset (0 for integrators), and R and (1 - k) become gains of what comes in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chipsim.errors import NetworkError, SettingError, did_you_mean
from chipsim.nir.graph import SPIKING, Node

DT = 1e-4  # seconds: the step of snnTorch's exporter


@dataclass(frozen=True)
class Convention:
    """How equations become steps. dt in seconds; see the module.

    reset   hard: v = v_reset, as NIR has it; soft: v -= threshold
    taus    refuse: all neurons of a node have one time constant; mean: use their mean
    """

    dt: float = DT
    discretisation: Literal["euler", "exponential"] = "euler"
    w_in: Literal["scaled", "jump"] = "scaled"
    reset: Literal["hard", "soft"] = "hard"
    taus: Literal["refuse", "mean"] = "refuse"

    def __post_init__(self) -> None:
        if not 1e-9 <= self.dt <= 1e3:
            raise SettingError(f"dt is {self.dt} s", remedy="1e-9 to 1000 s")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                value = str(getattr(self, name))
                raise SettingError(
                    f"{name} '{value}'{did_you_mean(value, known)}", remedy=f"use {' or '.join(known)}"
                )

    def keep(self, tau: np.ndarray) -> np.ndarray:
        """k of time constants."""
        return np.exp(-self.dt / tau) if self.discretisation == "exponential" else 1 - self.dt / tau

    def tau(self, k: float) -> float:
        """The time constant in seconds whose k this is; inf for 1, 0 for 0."""
        if k >= 1:
            return np.inf
        if self.discretisation == "exponential":
            return -self.dt / np.log(k) if k > 0 else 0.0
        return self.dt / (1 - k)

    def text(self) -> str:
        """In one line."""
        spikes = "w_in dt/tau_syn" if self.discretisation == "euler" else "w_in (1 - exp(-dt/tau_syn))"
        adds = spikes if self.w_in == "scaled" else "w_in"
        reset = "to v_reset" if self.reset == "hard" else "by subtracting the threshold"
        return (
            f"dt {self.dt:g} s, {self.discretisation}; a spike adds {adds} to a synaptic current; "
            f"reset {reset}"
        )


CHOICES = {
    "discretisation": ("euler", "exponential"),
    "w_in": ("scaled", "jump"),
    "reset": ("hard", "soft"),
    "taus": ("refuse", "mean"),
}
TOOLS = {  # what the files of a tool mean, as its exporter of that version writes them
    "nir": Convention(),
    "snntorch": Convention(dt=1e-4),  # snnTorch 1.0.0
    "norse": Convention(dt=1e-3, w_in="jump"),  # Norse 1.1.0, exported with to_nir(..., dt=1)
    "sinabs": Convention(dt=1.0, discretisation="exponential", reset="soft"),  # sinabs 3.1.3: tau in steps
}


def convention(tool: str = "nir", **given: object) -> Convention:
    """The convention of a tool, with whatever was given instead. Raises SettingError."""
    if tool not in TOOLS:
        raise SettingError(
            f"no tool '{tool}'{did_you_mean(tool, TOOLS)}", remedy=f"known: {', '.join(TOOLS)}"
        )
    return replace(TOOLS[tool], **{key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True)
class Neuron:
    """A population's neurons in steps, in NIR's order and units; arrays are float64[n].

    k_v, k_u    factors per step; k_u None without a synaptic current
    gain        of what comes in; drive: what is added to v in every step
    threshold   above `origin`; None for integrators. origin: NIR's potential where the chip's is 0
    taus        {"tau_mem": (file's value, neurons' spread)...} for the report, seconds
    """

    k_v: float
    k_u: float | None
    gain: np.ndarray
    drive: np.ndarray
    threshold: np.ndarray | None
    origin: np.ndarray
    reset: str
    taus: dict[str, float]
    notes: tuple[str, ...] = ()


def memoryless(n: int) -> Neuron:
    """What an Output without neurons before it reads: the sum of one step."""
    zero = np.zeros(n)
    return Neuron(0.0, None, np.ones(n), zero, None, zero, "hard", {})


def discrete(node: Node, n: int, how: Convention, where: str) -> Neuron:
    """The neurons of a node of a population of n. Raises NetworkError for what no step can do."""
    value = {key: _spread(node, key, n, where) for key in node.values}
    kind, notes, taus = node.kind, [], {}
    k_v, k_u, scale = 1.0, None, np.full(n, how.dt)
    for key in ("tau", "tau_mem", "tau_syn"):
        if key not in value:
            continue
        tau, said = _one(value[key], how, f"{where}: {key}")
        notes += said
        taus[key] = tau
        k = float(how.keep(np.float64(tau)))
        if not 0 <= k <= 1:
            raise NetworkError(
                f"{key} of {tau:g} s is shorter than a step of {how.dt:g} s, for which euler keeps {k:g}",
                where=where,
                remedy="give a shorter --dt, or --discretisation exponential",
            )
        if key == "tau_syn":
            k_u = k
        else:
            k_v, scale = k, np.full(n, 1 - k)
    gain = scale * value["r"]
    if k_u is not None:
        w_in = value.get("w_in", np.ones(n))
        gain = gain * (w_in if how.w_in == "jump" else (1 - k_u) * w_in)
    leak = value.get("v_leak", np.zeros(n))
    if kind not in SPIKING:
        zero = np.zeros(n)
        return Neuron(k_v, k_u, gain, (1 - k_v) * leak, None, zero, "hard", taus, tuple(notes))
    origin = value.get("v_reset", np.zeros(n))
    threshold = value["v_threshold"] - origin
    if (threshold <= 0).any():
        raise NetworkError(
            f"v_threshold {value['v_threshold'].min():g} is not above v_reset",
            where=where,
            remedy="such a neuron would fire for ever",
        )
    if origin.any():
        notes.append("potentials start at v_reset")
    drive = (1 - k_v) * (leak - origin) if "v_leak" in value else np.zeros(n)
    return Neuron(k_v, k_u, gain, drive, threshold, origin, how.reset, taus, tuple(notes))


def _spread(node: Node, key: str, n: int, where: str) -> np.ndarray:
    """A parameter for each of n neurons."""
    value = np.asarray(node[key], np.float64).reshape(-1)
    if value.size not in (1, n):
        raise NetworkError(
            f"{key} of shape {node[key].shape} for {n} neurons",
            where=where,
            remedy="one value for all, or one per neuron",
        )
    if key.startswith("tau") and (value <= 0).any():
        raise NetworkError(f"{key} is {value.min():g} s", where=where, remedy="above 0")
    return np.full(n, value[0]) if value.size == 1 else value


def _one(tau: np.ndarray, how: Convention, where: str) -> tuple[float, list[str]]:
    """The one time constant of a population: neurons of a chip's layer share their decay."""
    mean, least, most = float(tau.mean()), float(tau.min()), float(tau.max())
    apart = abs(float(how.keep(np.float64(most)) - how.keep(np.float64(least))))
    if apart < 2**-14 or least == most:
        return (float(tau[0]) if least == most else mean), []
    if how.taus == "refuse":
        raise NetworkError(
            f"{least:g} to {most:g} s; the neurons of a layer share one decay",
            where=where,
            remedy="give --taus mean to use their mean, or split the node",
        )
    return mean, [f"{where.rpartition(': ')[2]} of {least:g} to {most:g} s: their mean {mean:g} s for all"]
